/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/stream.h"
#include "turn-connect/target.h"

/* Datagrams to one server and from it alone: a connected UDP socket, plain or under DTLS 1.2. What
 * TurnConnectStream is for octets, this is for datagrams: nothing waits, and each call says what
 * came of it. One thread at a time; dropping the last reference closes. */
#define TURN_CONNECT_TYPE_DATAGRAM (turn_connect_datagram_get_type ())
G_DECLARE_FINAL_TYPE (TurnConnectDatagram, turn_connect_datagram, TURN_CONNECT, DATAGRAM, GObject)

/* The target's addresses (GSocketAddress, its port), in the order in which they are to be tried:
 * RFC 8305 section 4, families taking turns. A family that is not known 50 ms after the other is
 * left out. Ends by the target's timeout. For plain UDP, where only the caller can tell an address
 * that answers from one that does not. A target with a proxy is refused: datagrams do not pass an
 * HTTP proxy, and nothing goes beside it (TURN_CONNECT_ERROR_UNSUPPORTED). */
void turn_connect_datagram_look_up_async (TurnConnectTarget *target,
                                          GCancellable *cancellable,
                                          GAsyncReadyCallback callback,
                                          gpointer user_data);
/* Returns: (transfer full): at least one address, or NULL */
GPtrArray *turn_connect_datagram_look_up_finish (TurnConnectTarget *target,
                                                 GAsyncResult *result,
                                                 GError **error);

/* Plain UDP to this address. Sends nothing. */
TurnConnectDatagram *turn_connect_datagram_new (GSocketAddress *remote, GError **error);

/* DTLS with a target that has TLS options, all its addresses raced as in RFC 8305, handshakes
 * verified as TLS is. Without TLS options: a socket for the first address that has a route, nothing
 * being sent. Under the target's timeout; never through or beside a proxy, as above. */
void turn_connect_datagram_dial_async (TurnConnectTarget *target,
                                       GCancellable *cancellable,
                                       GAsyncReadyCallback callback,
                                       gpointer user_data);
TurnConnectDatagram *
turn_connect_datagram_dial_finish (TurnConnectTarget *target, GAsyncResult *result, GError **error);

/* Sends one datagram, the vectors in order. OK: it went, or will if the network lets it. BLOCKED:
 * there is no room now; drop it or wait for G_IO_OUT. FAILED: TURN_CONNECT_ERROR_INVALID for one
 * that no datagram holds (65507 octets, under DTLS 16384), G_IO_ERROR_CLOSED, else as below. */
TurnConnectIo turn_connect_datagram_try_send (TurnConnectDatagram *datagram,
                                              const GOutputVector *vectors,
                                              gsize n_vectors,
                                              GError **error);

/* One datagram, whole; those of no octets and those larger than @size are dropped. END: the server
 * ended DTLS. FAILED: TURN_CONNECT_ERROR_REFUSED when nobody listens there and
 * TURN_CONNECT_ERROR_UNREACHABLE for other ICMP errors, told once each, after which going on is
 * possible, under DTLS too; a failure of DTLS itself stays. */
TurnConnectIo turn_connect_datagram_try_receive (
    TurnConnectDatagram *datagram, void *buffer, gsize size, gsize *got, GError **error);

/* As turn_connect_stream_create_source(). Receive until BLOCKED when called for G_IO_IN. */
typedef gboolean (*TurnConnectDatagramFunc) (TurnConnectDatagram *datagram,
                                             GIOCondition condition,
                                             gpointer user_data);
GSource *turn_connect_datagram_create_source (TurnConnectDatagram *datagram,
                                              GIOCondition condition,
                                              GCancellable *cancellable);
void turn_connect_datagram_source_set_condition (GSource *source, GIOCondition condition);

/* Ends DTLS in order as far as that goes without waiting, and closes. Further calls fail. */
void turn_connect_datagram_close (TurnConnectDatagram *datagram);

/* (transfer none) */
GSocketAddress *turn_connect_datagram_get_local_address (TurnConnectDatagram *datagram);
GSocketAddress *turn_connect_datagram_get_remote_address (TurnConnectDatagram *datagram);
/* NULL for plain UDP. */
const TurnConnectTlsInfo *turn_connect_datagram_get_tls_info (TurnConnectDatagram *datagram);
/* The socket, for hints and options; -1 when closed. */
int turn_connect_datagram_get_descriptor (TurnConnectDatagram *datagram);
