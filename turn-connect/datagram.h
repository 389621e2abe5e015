/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/stream.h"
#include "turn-connect/target.h"

G_BEGIN_DECLS

#define TURN_CONNECT_TYPE_DATAGRAM (turn_connect_datagram_get_type ())

/**
 * TurnConnectDatagram:
 *
 * Datagrams to one server and from it alone: a connected UDP socket, plain or under DTLS 1.2. What
 * #TurnConnectStream is for octets, this is for datagrams: nothing waits, and each call says what
 * came of it. One thread at a time; dropping the last reference closes.
 */
TURN_CONNECT_API
G_DECLARE_FINAL_TYPE (TurnConnectDatagram, turn_connect_datagram, TURN_CONNECT, DATAGRAM, GObject)

/**
 * turn_connect_datagram_look_up_async:
 * @target: where to; its timeout counts
 * @cancellable: (nullable): ends the lookup
 * @callback: called once, never before this call returned
 * @user_data: for @callback
 *
 * Looks up the target's addresses in the order in which they are to be tried: RFC 8305 section 4,
 * families taking turns. A family that is not known 50 ms after the other is left out. For plain
 * UDP, where only the caller can tell an address that answers from one that does not. A target with
 * a proxy is refused: datagrams do not pass an HTTP proxy, and nothing goes beside it
 * (%TURN_CONNECT_ERROR_UNSUPPORTED). In the caller's thread-default main context.
 */
TURN_CONNECT_API void turn_connect_datagram_look_up_async (TurnConnectTarget *target,
                                                           GCancellable *cancellable,
                                                           GAsyncReadyCallback callback,
                                                           gpointer user_data);

/**
 * turn_connect_datagram_look_up_finish:
 * @target: as given
 * @result: what the callback was given
 * @error: return location
 *
 * Returns: (transfer full) (element-type GSocketAddress): at least one address, with the target's
 *   port, or %NULL with a #TurnConnectError
 */
TURN_CONNECT_API GPtrArray *turn_connect_datagram_look_up_finish (TurnConnectTarget *target,
                                                                  GAsyncResult *result,
                                                                  GError **error);

/**
 * turn_connect_datagram_new:
 * @remote: an address and port
 * @error: return location
 *
 * Opens plain UDP to this address. Sends nothing.
 *
 * Returns: (transfer full): a datagram socket, or %NULL
 */
TURN_CONNECT_API TurnConnectDatagram *turn_connect_datagram_new (GSocketAddress *remote,
                                                                 GError **error);

/**
 * turn_connect_datagram_dial_async:
 * @target: where to, and how; its timeout counts
 * @cancellable: (nullable): ends the dial
 * @callback: called once, never before this call returned
 * @user_data: for @callback
 *
 * DTLS with a target that has TLS options, all its addresses raced as in RFC 8305, handshakes
 * verified as TLS is. Without TLS options: a socket for the first address that has a route, nothing
 * being sent. Never through or beside a proxy, as turn_connect_datagram_look_up_async(). In the
 * caller's thread-default main context.
 */
TURN_CONNECT_API void turn_connect_datagram_dial_async (TurnConnectTarget *target,
                                                        GCancellable *cancellable,
                                                        GAsyncReadyCallback callback,
                                                        gpointer user_data);

/**
 * turn_connect_datagram_dial_finish:
 * @target: as given
 * @result: what the callback was given
 * @error: return location
 *
 * Returns: (transfer full): a datagram socket, or %NULL with a #TurnConnectError
 */
TURN_CONNECT_API TurnConnectDatagram *
turn_connect_datagram_dial_finish (TurnConnectTarget *target, GAsyncResult *result, GError **error);

/**
 * turn_connect_datagram_try_send:
 * @datagram: a datagram socket
 * @vectors: (array length=n_vectors): the datagram's pieces, in order
 * @n_vectors: 1 to 64
 * @error: return location
 *
 * Sends one datagram.
 *
 * Returns: %TURN_CONNECT_IO_OK: it went, or will if the network lets it.
 *   %TURN_CONNECT_IO_BLOCKED: there is no room now; drop it or wait for %G_IO_OUT.
 *   %TURN_CONNECT_IO_FAILED: %TURN_CONNECT_ERROR_INVALID for one that no datagram holds (65507
 *   octets, under DTLS 16384), %G_IO_ERROR_CLOSED, else as when receiving
 */
TURN_CONNECT_API TurnConnectIo turn_connect_datagram_try_send (TurnConnectDatagram *datagram,
                                                               const GOutputVector *vectors,
                                                               gsize n_vectors,
                                                               GError **error);

/**
 * turn_connect_datagram_try_receive:
 * @datagram: a datagram socket
 * @buffer: (out caller-allocated) (array length=size): where the datagram goes
 * @size: octets that @buffer holds, at least 1
 * @got: (out): octets of the datagram
 * @error: return location
 *
 * Receives one datagram, whole; those of no octets and those larger than @size are dropped.
 *
 * Returns: %TURN_CONNECT_IO_OK, or %TURN_CONNECT_IO_BLOCKED. %TURN_CONNECT_IO_END: the server ended
 *   DTLS. %TURN_CONNECT_IO_FAILED: %TURN_CONNECT_ERROR_REFUSED when nobody listens there and
 *   %TURN_CONNECT_ERROR_UNREACHABLE for other ICMP errors, told once each, after which going on is
 *   possible, under DTLS too; a failure of DTLS itself stays
 */
TURN_CONNECT_API TurnConnectIo turn_connect_datagram_try_receive (
    TurnConnectDatagram *datagram, void *buffer, gsize size, gsize *got, GError **error);

/**
 * TurnConnectDatagramFunc:
 * @datagram: what it is about
 * @condition: what it is ready for
 * @user_data: as given
 *
 * Called when a datagram socket is ready; under DTLS, receive until %TURN_CONNECT_IO_BLOCKED when it
 * is called for %G_IO_IN.
 *
 * Returns: %G_SOURCE_CONTINUE or %G_SOURCE_REMOVE
 */
typedef gboolean (*TurnConnectDatagramFunc) (TurnConnectDatagram *datagram,
                                             GIOCondition condition,
                                             gpointer user_data);

/**
 * turn_connect_datagram_create_source:
 * @datagram: a datagram socket
 * @condition: %G_IO_IN, %G_IO_OUT or both; errors are always told
 * @cancellable: (nullable): makes the source ready too
 *
 * As turn_connect_stream_create_source(), with a #TurnConnectDatagramFunc.
 *
 * Returns: (transfer full): a source that is not attached yet
 */
TURN_CONNECT_API GSource *turn_connect_datagram_create_source (TurnConnectDatagram *datagram,
                                                               GIOCondition condition,
                                                               GCancellable *cancellable);

/**
 * turn_connect_datagram_source_set_condition:
 * @source: a source made by turn_connect_datagram_create_source()
 * @condition: as there
 *
 * Changes what the source waits for, from the thread it runs in. Allocates nothing.
 */
TURN_CONNECT_API void turn_connect_datagram_source_set_condition (GSource *source,
                                                                  GIOCondition condition);

/**
 * turn_connect_datagram_close:
 * @datagram: a datagram socket
 *
 * Ends DTLS in order as far as that goes without waiting, and closes. Further calls fail.
 */
TURN_CONNECT_API void turn_connect_datagram_close (TurnConnectDatagram *datagram);

/**
 * turn_connect_datagram_get_local_address:
 * @datagram: a datagram socket
 *
 * Returns: (transfer none) (nullable): this end of the socket
 */
TURN_CONNECT_API GSocketAddress *
turn_connect_datagram_get_local_address (TurnConnectDatagram *datagram);

/**
 * turn_connect_datagram_get_remote_address:
 * @datagram: a datagram socket
 *
 * Returns: (transfer none): the server's end
 */
TURN_CONNECT_API GSocketAddress *
turn_connect_datagram_get_remote_address (TurnConnectDatagram *datagram);

/**
 * turn_connect_datagram_get_tls_info:
 * @datagram: a datagram socket
 *
 * Returns: (transfer none) (nullable): facts about DTLS, or %NULL for plain UDP
 */
TURN_CONNECT_API const TurnConnectTlsInfo *
turn_connect_datagram_get_tls_info (TurnConnectDatagram *datagram);

/**
 * turn_connect_datagram_get_descriptor:
 * @datagram: a datagram socket
 *
 * The socket below, for hints and options; reading or writing it breaks DTLS.
 *
 * Returns: a descriptor, -1 when closed
 */
TURN_CONNECT_API int turn_connect_datagram_get_descriptor (TurnConnectDatagram *datagram);

G_END_DECLS
