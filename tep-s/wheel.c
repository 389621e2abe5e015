/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A tunnel's deadlines move with every packet. So a deadline is only looked at when its slot comes
 * round: what has moved on in the meantime is armed again by its owner, and nothing is done per
 * packet.
 */
#include "tep-s/wheel.h"

void
tep_server_wheel_init (TepServerWheel *wheel, gint64 now_us)
{
  *wheel = (TepServerWheel){ .tick = now_us / TEP_SERVER_WHEEL_TICK_US };
}

void
tep_server_wheel_arm (TepServerWheel *wheel, TepServerTimer *timer, gint64 due_us)
{
  gint64 tick = due_us / TEP_SERVER_WHEEL_TICK_US + 1;
  TepServerTimer **slot;

  tep_server_wheel_disarm (wheel, timer);
  /* What lies beyond one turn waits in the farthest slot and is armed again from there. */
  tick = CLAMP (tick, wheel->tick + 1, wheel->tick + TEP_SERVER_WHEEL_SLOTS - 1);
  slot = &wheel->slots[tick % TEP_SERVER_WHEEL_SLOTS];
  timer->due_us = due_us;
  timer->next = *slot;
  timer->at = slot;
  if (timer->next != NULL)
    timer->next->at = &timer->next;
  *slot = timer;
  wheel->n++;
}

void
tep_server_wheel_disarm (TepServerWheel *wheel, TepServerTimer *timer)
{
  if (timer->at == NULL)
    return;
  *timer->at = timer->next;
  if (timer->next != NULL)
    timer->next->at = timer->at;
  timer->next = NULL;
  timer->at = NULL;
  wheel->n--;
}

static void
sweep_slot (TepServerWheel *wheel, gint64 now_us, TepServerTimerFunc func, gpointer user_data)
{
  TepServerTimer **slot = &wheel->slots[wheel->tick % TEP_SERVER_WHEEL_SLOTS];
  TepServerTimer *due = *slot;

  /* The slot is taken over whole, since func may put timers into it, and may free the ones that
   * follow. */
  *slot = NULL;
  if (due != NULL)
    due->at = &due;
  while (due != NULL) {
    TepServerTimer *timer = due;

    tep_server_wheel_disarm (wheel, timer);
    if (timer->due_us > now_us)
      tep_server_wheel_arm (wheel, timer, timer->due_us);
    else
      func (timer, user_data);
  }
}

void
tep_server_wheel_sweep (TepServerWheel *wheel,
                        gint64 now_us,
                        TepServerTimerFunc func,
                        gpointer user_data)
{
  gint64 tick = now_us / TEP_SERVER_WHEEL_TICK_US;

  /* After a long stop one turn visits everything. */
  if (tick - wheel->tick > TEP_SERVER_WHEEL_SLOTS)
    wheel->tick = tick - TEP_SERVER_WHEEL_SLOTS;
  while (wheel->tick < tick) {
    wheel->tick++;
    sweep_slot (wheel, now_us, func, user_data);
  }
}

gint64
tep_server_wheel_next (const TepServerWheel *wheel)
{
  return wheel->n > 0 ? (wheel->tick + 1) * TEP_SERVER_WHEEL_TICK_US : G_MAXINT64;
}
