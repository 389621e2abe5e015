/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/local/bridge-private.h"

/* One client's stream on loopback with what it leads to: the driver around a relay. */
typedef struct _TurnConnectPassage TurnConnectPassage;

/* Takes a connection over. @server: where it goes if it begins with STUN; NULL: nowhere. The
 * passage adds itself to the bridge and leaves it when it ends. */
void turn_connect_passage_begin (TurnConnectBridge *bridge,
                                 int descriptor,
                                 TurnConnectBridgeServer *server);
/* Ends it, saying nothing to anybody. */
void turn_connect_passage_close (TurnConnectPassage *passage);

/* Does what is due in a bridge's passages: their clock is one, the bridge's, as a source for each
 * would be looked at for every packet of any. A GSourceFunc. */
gboolean turn_connect_passage_tick_all (gpointer bridge);

void turn_connect_passage_count (TurnConnectPassage *passage, TurnConnectBridgeCounts *counts);
