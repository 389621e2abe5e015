/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/watcher.h"

/* Passes octets between two streams, both ways, each way's end included, until both have ended. */
typedef struct _TurnConnectPump TurnConnectPump;

/* Called from the pump's main context. */
typedef struct {
  /* The first octets came from the right: whoever is there answers. The pump may not be freed. */
  void (*answered) (gpointer user_data);
  /* Called once. @error: NULL if both ended in order. Both streams still stand; free the pump. */
  void (*ended) (const GError *error, gpointer user_data);
} TurnConnectPumpFuncs;

/* @watcher: of the thread-default main context; has to outlive the pump. @kept: gets a copy of what comes from the left until the right answers, at most KEPT_MAX octets,
 * and an end without an answer counts as a failure; may be NULL. Takes references. NULL: the
 * streams cannot be waited for. */
#define TURN_CONNECT_PUMP_KEPT_MAX 16384
TurnConnectPump *turn_connect_pump_new (TurnConnectWatcher *watcher,
                                        TurnConnectStream *left,
                                        TurnConnectStream *right,
                                        GByteArray *kept,
                                        const TurnConnectPumpFuncs *funcs,
                                        gpointer user_data,
                                        GError **error);
void turn_connect_pump_free (TurnConnectPump *pump);

/* Octets handed over so far. */
guint64 turn_connect_pump_get_rightward (const TurnConnectPump *pump);
guint64 turn_connect_pump_get_leftward (const TurnConnectPump *pump);
/* The left ended in order, and the right was told. */
gboolean turn_connect_pump_has_ended_rightward (const TurnConnectPump *pump);
/* Everything that came from the left is in @kept still, so it can be sent another way. */
gboolean turn_connect_pump_can_repeat (const TurnConnectPump *pump);
