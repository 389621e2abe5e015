/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/local/bridge-private.h"

/* One client's stream on loopback where the bridge has the TURN server's credentials: a TURN server
 * towards the client, a TURN client towards the server. */
typedef struct _TurnConnectSession TurnConnectSession;

/* Takes @client over, of which @octets were read. The session adds itself to the bridge and leaves
 * it when it ends. */
void turn_connect_session_begin (TurnConnectBridge *bridge,
                                 TurnConnectStream *client,
                                 TurnConnectBridgeServer *server,
                                 const guint8 *octets,
                                 gsize length);
/* Ends it, saying nothing to the client; the server gets its allocation back. */
void turn_connect_session_close (TurnConnectSession *session);

void turn_connect_session_count (TurnConnectSession *session, TurnConnectBridgeCounts *counts);

/* The bridge logs in otherwise from now on: in all its sessions with the server. */
void turn_connect_session_renew_all (TurnConnectBridge *bridge,
                                     const TurnConnectBridgeServer *server);
