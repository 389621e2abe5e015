/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pauses between attempts: short at first, for most losses are a server restarted or a network
 * changed; growing and jittered, for a thousand clients lose the same server at once. A connection
 * that lasts only moments is no success, or a client would spin.
 */
#include "turn-connect/turn/back-off.h"

#define US_PER_MS 1000
#define STEADY_US (10 * G_USEC_PER_SEC) /* up for this long, it counts as a success */
#define FULL_MS 60000                   /* RFC 8656 section 7.4: "at least 1 minute" */

static const guint pauses_ms[] = { 250, 500, 1000, 2000, 4000, 8000, 15000, 30000 };

void
turn_connect_back_off_up (TurnConnectBackOff *back_off, gint64 now_us)
{
  back_off->up_us = now_us;
}

gint64
turn_connect_back_off_failed (TurnConnectBackOff *back_off,
                              guint attempts_max,
                              gboolean is_full,
                              guint32 random,
                              gint64 now_us)
{
  guint pause_ms;

  if (back_off->up_us != 0 && now_us - back_off->up_us >= STEADY_US)
    back_off->failures = 0;
  back_off->up_us = 0;
  if (back_off->failures >= attempts_max)
    return -1;
  pause_ms = pauses_ms[MIN (back_off->failures, G_N_ELEMENTS (pauses_ms) - 1)];
  back_off->failures++;
  if (is_full) /* from one minute to one and a half */
    return (gint64)(FULL_MS + random % (FULL_MS / 2)) * US_PER_MS;
  return (gint64)(pause_ms / 2 + random % (pause_ms / 2 + 1)) * US_PER_MS;
}
