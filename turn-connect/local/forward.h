/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/dial.h"
#include "turn-connect/local/ways.h"

G_BEGIN_DECLS

#define TURN_CONNECT_TYPE_FORWARD (turn_connect_forward_get_type ())

/**
 * TurnConnectForward:
 *
 * A local TCP port whose connections are carried to a server by turn_connect_dial_async(): TLS on
 * port 443 through a proxy's CONNECT, for a SIP client that knows nothing of it (TR 33.830 clause
 * 8.3). Every connection gets one of its own; octets pass both ways as they come, and so does the
 * end of each direction. Memory for a connection is bounded: who reads slowly slows the writer down.
 *
 * Signals, from the main context of turn_connect_forward_listen():
 *
 * - `client-refused` (GError error): somebody connected who is not let in, or for whom there is no
 *   room (%TURN_CONNECT_ERROR_RESOURCES), and was hung up on;
 * - `accepted` (guint64 id, GSocketAddress client): somebody connected to the port;
 * - `connected` (guint64 id, TurnConnectStream stream, char *way): the server is reached;
 * - `way-failed` (guint64 id, char *way, GError error): it is not, this way, or does not answer; the
 *   next way is tried if there is one, with all that the client has said so far;
 * - `ended` (guint64 id, guint64 to_server, guint64 from_server, GError error): octets carried, and
 *   why it ended; no error if both directions ended in order. A client whose server could not be
 *   reached has been reset, or if it had sent a SIP request, answered 503 with the cause as reason
 *   phrase.
 *
 * When this machine changes networks, connections whose local address is gone end at once.
 */
TURN_CONNECT_API
G_DECLARE_FINAL_TYPE (TurnConnectForward, turn_connect_forward, TURN_CONNECT, FORWARD, GObject)

/**
 * turn_connect_forward_new:
 * @target: where connections go
 *
 * Makes a forward that does not listen yet.
 *
 * Returns: (transfer full): a forward
 */
TURN_CONNECT_API TurnConnectForward *turn_connect_forward_new (TurnConnectTarget *target);

/**
 * turn_connect_forward_new_with_ways:
 * @ways: the ways to the server; at least one has to be there before the first connection
 *
 * Makes a forward that does not listen yet.
 *
 * Returns: (transfer full): a forward
 */
TURN_CONNECT_API TurnConnectForward *turn_connect_forward_new_with_ways (TurnConnectWays *ways);

/**
 * turn_connect_forward_set_allows_others:
 * @forward: a forward that does not listen yet
 * @allows_others: %TRUE to let it listen at addresses that other machines reach
 *
 * Whoever reaches the port uses the server as this machine does, and up to the port nothing is
 * encrypted; so unless this was called only loopback addresses are taken, and only connections from
 * processes of this process's user and of those of turn_connect_forward_allow_uid().
 */
TURN_CONNECT_API void turn_connect_forward_set_allows_others (TurnConnectForward *forward,
                                                              gboolean allows_others);

/**
 * turn_connect_forward_allow_uid:
 * @forward: a forward
 * @uid: a user of this machine
 *
 * Allows connections from another user's processes. Up to 7; more are ignored.
 */
TURN_CONNECT_API void turn_connect_forward_allow_uid (TurnConnectForward *forward, guint uid);

/**
 * turn_connect_forward_set_max_connections:
 * @forward: a forward
 * @max_connections: how many connections it carries at a time; 512 unless this was called
 *
 * Bounds what clients can make it hold. Those that come beyond it are hung up on; those that are
 * there stay.
 */
TURN_CONNECT_API void turn_connect_forward_set_max_connections (TurnConnectForward *forward,
                                                                guint max_connections);

/**
 * turn_connect_forward_listen:
 * @forward: a forward that does not listen yet
 * @address: where to listen; port 0 for any that is free
 * @error: %TURN_CONNECT_ERROR_INVALID for an address that others reach, or a #GIOErrorEnum
 *
 * Begins to take connections in, in the thread-default main context of this call.
 *
 * Returns: %FALSE on error
 */
TURN_CONNECT_API gboolean turn_connect_forward_listen (TurnConnectForward *forward,
                                                       GInetSocketAddress *address,
                                                       GError **error);

/**
 * turn_connect_forward_get_address:
 * @forward: a forward
 *
 * Returns: (transfer none) (nullable): where it listens, with the port it got
 */
TURN_CONNECT_API GSocketAddress *turn_connect_forward_get_address (TurnConnectForward *forward);

/**
 * turn_connect_forward_get_n_connections:
 * @forward: a forward
 *
 * Returns: the number of connections that are open now
 */
TURN_CONNECT_API guint turn_connect_forward_get_n_connections (TurnConnectForward *forward);

/**
 * turn_connect_forward_stop:
 * @forward: a forward
 *
 * Takes no more connections in and ends those there are, each with its `ended`.
 */
TURN_CONNECT_API void turn_connect_forward_stop (TurnConnectForward *forward);

G_END_DECLS
