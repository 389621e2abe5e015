/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/local/bridge-private.h"

/* Streams to a server that are opened before anybody asks for them; turn_connect_bridge_prepare_async ()
 * opens them. */

/* One that is still good, or NULL. */
TurnConnectStream *turn_connect_ahead_take (TurnConnectBridgeServer *server);

/* Whoever waits for one of them. */
typedef struct {
  /* What came of it; the claim is over. @stream: (transfer full), or @error: already told to the
   * application, unless it was cancelled: then the claimant tries by itself. */
  void (*come) (gpointer claimant, TurnConnectStream *stream, const GError *error);
  void (*set_doing) (gpointer claimant, const char *doing);
} TurnConnectClaimFuncs;

/* Is one being opened that nobody waits for yet? Then @claimant does. */
gboolean turn_connect_ahead_claim (TurnConnectBridgeServer *server,
                                   const TurnConnectClaimFuncs *funcs,
                                   gpointer claimant);
void turn_connect_ahead_unclaim (TurnConnectBridgeServer *server, gpointer claimant);

void turn_connect_ahead_drop (TurnConnectBridgeServer *server);

/* What a step of a dial is about, in words. */
char *turn_connect_ahead_describe (const TurnConnectProgress *progress);
