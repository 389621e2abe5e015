/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/datagram.h"
#include "turn-connect/tls-options.h"

/* DTLS to this address, the handshake still to come. @name: whom the certificate is for; @who describes it for messages. */
TurnConnectDatagram *turn_connect_datagram_new_dtls (GSocketAddress *remote,
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
