/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening the server's sockets: one listening socket for each worker and address, the kernel
 * spreads connections. */
#pragma once

#include "tep-s/config.h"

G_BEGIN_DECLS

/* A bound socket, listening if it is one of streams; -1 with errno. keeps_syn: the kernel keeps the first packet of each
 * connection, until it is asked for. port: its port, if the kernel could tell. */
int tep_server_open_socket (
    const StunExtAddress *address, int type, gboolean is_shared, gboolean keeps_syn, guint16 *port);

/**
 * tep_server_listen:
 * @listener: where
 * @n: how many sockets of each kind
 * @tcp: (element-type int) (array length=n): where each worker's TCP socket is appended
 * @udp: (element-type int) (array length=n): and its UDP socket, if the listener has one
 * @address: (out): where it listens, port resolved
 * @error: return location
 *
 * Returns: FALSE with TEP_SERVER_ERROR_LISTEN; what was opened stays in the arrays
 */
gboolean tep_server_listen (const TepServerListener *listener,
                            guint n,
                            GArray **tcp,
                            GArray **udp,
                            StunExtAddress *address,
                            GError **error);

G_END_DECLS
