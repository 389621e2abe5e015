/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A timer wheel: thousands of deadlines that are mostly moved before they come. Adding, moving and
 * removing is O(1). */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define TEP_SERVER_WHEEL_SLOTS 256
#define TEP_SERVER_WHEEL_TICK_US (250 * G_TIME_SPAN_MILLISECOND)

typedef struct _TepServerTimer TepServerTimer;
struct _TepServerTimer {
  TepServerTimer *next;
  TepServerTimer **at; /* what points to this timer; NULL while it is not armed */
  gint64 due_us;
  gboolean is_tunnel; /* whose it is: free for the user of the wheel */
};

typedef struct {
  TepServerTimer *slots[TEP_SERVER_WHEEL_SLOTS];
  gint64 tick; /* the last one that was swept */
  gsize n;
} TepServerWheel;

typedef void (*TepServerTimerFunc) (TepServerTimer *timer, gpointer user_data);

void tep_server_wheel_init (TepServerWheel *wheel, gint64 now_us);
void tep_server_wheel_arm (TepServerWheel *wheel, TepServerTimer *timer, gint64 due_us);
void tep_server_wheel_disarm (TepServerWheel *wheel, TepServerTimer *timer);

/* Calls func for every timer that is due, each disarmed first; func may arm, disarm and free
 * timers. A timer comes up to one tick late, never early. */
void tep_server_wheel_sweep (TepServerWheel *wheel,
                             gint64 now_us,
                             TepServerTimerFunc func,
                             gpointer user_data);

/* When to sweep next; G_MAXINT64 if nothing is armed. */
gint64 tep_server_wheel_next (const TepServerWheel *wheel);

G_END_DECLS
