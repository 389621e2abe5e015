/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/datagram.h"
#include "turn-connect/tls-options.h"

#define TURN_CONNECT_DATAGRAMS_MAX 32 /* in one call */

/* Sends up to TURN_CONNECT_DATAGRAMS_MAX datagrams in order, with as few calls of the system as it
 * takes: over plain UDP one. Goes on after one that no datagram holds. How many went. */
guint turn_connect_datagram_send_many (TurnConnectDatagram *datagram,
                                       const GOutputVector *datagrams,
                                       guint n);
/* Plain UDP alone. Fills up to TURN_CONNECT_DATAGRAMS_MAX buffers and sets their sizes, 0 for one to
 * pass over. OK: *@n are filled; fewer than there were buffers: nothing more is there now. Else as
 * turn_connect_datagram_try_receive(). */
TurnConnectIo turn_connect_datagram_receive_many (TurnConnectDatagram *datagram,
                                                  GInputVector *buffers,
                                                  guint n_buffers,
                                                  guint *n,
                                                  GError **error);

/* As turn_connect_datagram_new (), by this network interface alone; NULL for any. */
TurnConnectDatagram *
turn_connect_datagram_new_bound (GSocketAddress *remote, const char *interface, GError **error);

/* DTLS to this address, the handshake still to come. @name: whom the certificate is for; @who describes it for messages. */
TurnConnectDatagram *turn_connect_datagram_new_dtls (GSocketAddress *remote,
                                                     const char *interface,
                                                     TurnConnectTlsOptions *options,
                                                     const char *name,
                                                     const char *who,
                                                     GError **error);
/* Goes on with the handshake. OK: done and verified. BLOCKED: call again when the socket is ready
 * to read, or when it is time to repeat. FAILED. */
TurnConnectIo turn_connect_datagram_handshake (TurnConnectDatagram *datagram, GError **error);
/* Microseconds until the handshake is to be repeated, -1 for never; then that it is. */
gint64 turn_connect_datagram_get_timeout (TurnConnectDatagram *datagram);
gboolean turn_connect_datagram_repeat (TurnConnectDatagram *datagram, GError **error);
