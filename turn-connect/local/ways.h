/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/target.h"

#include <gio/gio.h>

G_BEGIN_DECLS

#define TURN_CONNECT_WAYS_MAX 8

#define TURN_CONNECT_TYPE_WAYS (turn_connect_ways_get_type ())

/**
 * TurnConnectWays:
 *
 * Several ways to one server, in the order in which they are to be tried: the ordinary one, the one
 * for clients behind translation, and port 443 through CONNECT (TR 33.830 clause 8.3). Each is tried
 * only when the one before failed. What worked is remembered for the network it worked in, so that
 * the next connection starts there; in another network the first way comes first again. Networks are
 * told apart by where the default routes lead. Memory lasts as long as the object.
 *
 * Signals, from the thread-default main context of turn_connect_ways_new():
 *
 * - `network-changed` (char *place): this machine is in another network; @place names it for people
 */
TURN_CONNECT_API
G_DECLARE_FINAL_TYPE (TurnConnectWays, turn_connect_ways, TURN_CONNECT, WAYS, GObject)

/**
 * turn_connect_ways_new:
 *
 * Makes an empty list and begins to watch the network.
 *
 * Returns: (transfer full): ways
 */
TURN_CONNECT_API TurnConnectWays *turn_connect_ways_new (void);

/**
 * turn_connect_ways_add:
 * @ways: ways that nobody uses yet; at most %TURN_CONNECT_WAYS_MAX
 * @name: what it is called to people, as "ordinary"
 * @target: whom to reach and how. Limit its time by turn_connect_target_set_timeout(), for a
 *   client waits while it is tried
 *
 * Adds a way, to be tried when those added before failed.
 */
TURN_CONNECT_API void
turn_connect_ways_add (TurnConnectWays *ways, const char *name, TurnConnectTarget *target);

G_END_DECLS
