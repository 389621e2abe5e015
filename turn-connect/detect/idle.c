/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The far end ends the silence, so that what is found is for how long a call can still come in; by
 * what we send ourselves many firewalls take a connection up again that they had forgotten. Of two
 * controls the first shows that the connection carries anything at all, and the second, where the
 * answer is missing, that the far end is still there to give it. A connection that is ended says nothing
 * of that: a far end that is restarted ends all of them, as a box may that forgets them and says so.
 */
#include "turn-connect/detect/idle.h"

#define ASK_US 4000000    /* SYNs at 0, 1 and 3 s; the answer comes with the next round trip */
#define LISTEN_US 3000000 /* after the end of the silence: TCP repeats several times */
#define EARLY_US 1000000  /* whose clocks differ more has not waited */

typedef enum {
  EVENT_HEARD,
  EVENT_ENDED, /* the connection was */
  EVENT_DUE,   /* it took too long */
} Event;

static const struct {
  TurnConnectIdleState from;
  Event event;
  TurnConnectIdleState to;
  TurnConnectRungResult result; /* where it is over */
} rows[] = {
  { TURN_CONNECT_IDLE_OPENING, EVENT_HEARD, TURN_CONNECT_IDLE_QUIET, 0 },
  { TURN_CONNECT_IDLE_OPENING, EVENT_ENDED, TURN_CONNECT_IDLE_OVER, TURN_CONNECT_RUNG_UNANSWERED },
  { TURN_CONNECT_IDLE_OPENING, EVENT_DUE, TURN_CONNECT_IDLE_OVER, TURN_CONNECT_RUNG_UNANSWERED },
  { TURN_CONNECT_IDLE_QUIET, EVENT_HEARD, TURN_CONNECT_IDLE_OVER, TURN_CONNECT_RUNG_KEPT },
  { TURN_CONNECT_IDLE_QUIET, EVENT_ENDED, TURN_CONNECT_IDLE_OVER, TURN_CONNECT_RUNG_ENDED },
  { TURN_CONNECT_IDLE_QUIET, EVENT_DUE, TURN_CONNECT_IDLE_CONTROL, 0 },
  { TURN_CONNECT_IDLE_CONTROL, EVENT_HEARD, TURN_CONNECT_IDLE_OVER, TURN_CONNECT_RUNG_FORGOTTEN },
  { TURN_CONNECT_IDLE_CONTROL, EVENT_ENDED, TURN_CONNECT_IDLE_OVER, TURN_CONNECT_RUNG_UNANSWERED },
  { TURN_CONNECT_IDLE_CONTROL, EVENT_DUE, TURN_CONNECT_IDLE_OVER, TURN_CONNECT_RUNG_UNANSWERED },
};

static void
enter (TurnConnectIdle *idle, TurnConnectIdleState state, gint64 now)
{
  idle->state = state;
  switch (state) {
  case TURN_CONNECT_IDLE_QUIET:
    idle->ends_us = now + idle->idle_us;
    idle->due_us = idle->ends_us + LISTEN_US;
    break;
  case TURN_CONNECT_IDLE_OVER:
    idle->due_us = G_MAXINT64;
    break;
  default:
    idle->due_us = now + ASK_US;
  }
}

static void
step (TurnConnectIdle *idle, Event event, gint64 now)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    if (rows[i].from != idle->state || rows[i].event != event)
      continue;
    if (rows[i].to == TURN_CONNECT_IDLE_OVER)
      idle->result = rows[i].result;
    enter (idle, rows[i].to, now);
    return;
  }
}

void
turn_connect_idle_init (TurnConnectIdle *idle, gint64 idle_us, gint64 now_us)
{
  *idle = (TurnConnectIdle){ .idle_us = idle_us };
  enter (idle, TURN_CONNECT_IDLE_OPENING, now_us);
}

void
turn_connect_idle_heard (TurnConnectIdle *idle, guint held_s, gint64 now_us)
{
  gint64 held_us = (gint64)held_s * G_USEC_PER_SEC;

  if (idle->state == TURN_CONNECT_IDLE_QUIET &&
      (held_us != idle->idle_us || now_us + EARLY_US < idle->ends_us))
    turn_connect_idle_refuse (idle);
  else
    step (idle, EVENT_HEARD, now_us);
}

void
turn_connect_idle_ended (TurnConnectIdle *idle, gint64 now_us)
{
  step (idle, EVENT_ENDED, now_us);
}

void
turn_connect_idle_tick (TurnConnectIdle *idle, gint64 now_us)
{
  if (now_us >= idle->due_us)
    step (idle, EVENT_DUE, now_us);
}

void
turn_connect_idle_refuse (TurnConnectIdle *idle)
{
  if (idle->state == TURN_CONNECT_IDLE_OVER)
    return;
  idle->result = TURN_CONNECT_RUNG_REFUSED;
  enter (idle, TURN_CONNECT_IDLE_OVER, 0);
}

gint64
turn_connect_idle_longest (gint64 idle_us)
{
  return ASK_US + idle_us + LISTEN_US + ASK_US;
}
