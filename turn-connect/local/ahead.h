/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/local/passage.h"

/* Streams to a server that are opened before anybody asks for them; turn_connect_bridge_prepare_async ()
 * opens them. */

/* One that is still good, or NULL. */
TurnConnectStream *turn_connect_ahead_take (TurnConnectBridgeServer *server);

/* Is one being opened that nobody waits for yet? Then the passage does, and
 * turn_connect_passage_come () tells it what came. */
gboolean turn_connect_ahead_claim (TurnConnectBridgeServer *server, TurnConnectPassage *passage);
void turn_connect_ahead_unclaim (TurnConnectBridgeServer *server, TurnConnectPassage *passage);

void turn_connect_ahead_drop (TurnConnectBridgeServer *server);

/* What a step of a dial is about, in words. */
char *turn_connect_ahead_describe (const TurnConnectProgress *progress);
