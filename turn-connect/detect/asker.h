/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/detect/run-private.h"

/* One UDP socket, not connected, and the Binding requests that are sent from it: each again and
 * again until it is answered or its time is over. */
typedef struct _TurnConnectAsker TurnConnectAsker;

/* When a request is sent, ms from its beginning, and how long is listened after the last: @listen_ms
 * or three round trips, whichever is longer. */
typedef struct {
  const guint *sends_ms;
  guint n_sends;
  guint listen_ms;
} TurnConnectSchedule;

/* Told when a probe has ended, after turn_connect_run_end (); may ask further ones, must not free. */
typedef void (*TurnConnectAskedFunc) (TurnConnectProbe *probe, gpointer user_data);

/* NULL if there can be no such socket, with errno. */
TurnConnectAsker *turn_connect_asker_new (TurnConnectRun *run,
                                          guint8 family,
                                          TurnConnectAskedFunc asked,
                                          gpointer user_data);
void turn_connect_asker_free (TurnConnectAsker *asker);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TurnConnectAsker, turn_connect_asker_free)

/* Asks the probe's target, with flags of CHANGE-REQUEST. Only an answer from @expected counts. */
void turn_connect_asker_ask (TurnConnectAsker *asker,
                             TurnConnectProbe *probe,
                             const TurnConnectSchedule *schedule,
                             guint32 change,
                             const StunExtAddress *expected);
