/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* How long to wait before the next attempt, and whether there is one. */
typedef struct {
  guint failures; /* in a row */
  gint64 up_us;   /* since when it works; 0: it does not */
} TurnConnectBackOff;

void turn_connect_back_off_up (TurnConnectBackOff *back_off, gint64 now_us);
/* It failed, or what worked was lost. @random: any number. @is_full: the server said that it is
 * full (486, 508), and asked for a minute. Returns: microseconds to wait; -1: no more attempts. */
gint64 turn_connect_back_off_failed (TurnConnectBackOff *back_off,
                                     guint attempts_max,
                                     gboolean is_full,
                                     guint32 random,
                                     gint64 now_us);
