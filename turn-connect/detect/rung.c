/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One silence of a given length. The answer that ends it is asked for by another socket (RFC 5780
 * section 4.6), so that the socket itself sends nothing that could open the way again; it is asked
 * for several times, for one may be lost. If it does not come, that has to be shown to mean something.
 */
#include "turn-connect/detect/rung.h"

#define LISTEN_US 700000 /* after the last sending, or three round trips */
#define LISTEN_MAX_US 3000000

static const gint64 asks_us[] = { 0, 150000, 400000, 800000 };
/* Linux takes what goes both ways after 2 s for a call, and keeps it longer. */
static const gint64 holds_us[] = { 700000, 1400000, 2100000, 2800000 };

typedef enum {
  EVENT_HEARD,
  EVENT_DUE, /* all is sent, and what was to be waited for is over */
} Event;

static const struct {
  TurnConnectRungState from;
  Event event;
  TurnConnectRungState to;
  TurnConnectRungResult result; /* where it is over */
} rows[] = {
  { TURN_CONNECT_RUNG_OPENING, EVENT_HEARD, TURN_CONNECT_RUNG_HOLDING, 0 },
  { TURN_CONNECT_RUNG_OPENING, EVENT_DUE, TURN_CONNECT_RUNG_OVER, TURN_CONNECT_RUNG_UNANSWERED },
  { TURN_CONNECT_RUNG_HOLDING, EVENT_DUE, TURN_CONNECT_RUNG_QUIET, 0 },
  { TURN_CONNECT_RUNG_QUIET, EVENT_DUE, TURN_CONNECT_RUNG_ASKING, 0 },
  { TURN_CONNECT_RUNG_ASKING, EVENT_HEARD, TURN_CONNECT_RUNG_OVER, TURN_CONNECT_RUNG_KEPT },
  { TURN_CONNECT_RUNG_ASKING, EVENT_DUE, TURN_CONNECT_RUNG_REOPENING, 0 },
  { TURN_CONNECT_RUNG_REOPENING, EVENT_HEARD, TURN_CONNECT_RUNG_CONTROL, 0 },
  { TURN_CONNECT_RUNG_REOPENING, EVENT_DUE, TURN_CONNECT_RUNG_OVER, TURN_CONNECT_RUNG_UNANSWERED },
  { TURN_CONNECT_RUNG_CONTROL, EVENT_HEARD, TURN_CONNECT_RUNG_OVER, TURN_CONNECT_RUNG_FORGOTTEN },
  { TURN_CONNECT_RUNG_CONTROL, EVENT_DUE, TURN_CONNECT_RUNG_OVER, TURN_CONNECT_RUNG_UNCONTROLLED },
};

static void
enter (TurnConnectRung *rung, TurnConnectRungState state, gint64 now)
{
  rung->state = state;
  rung->began_us = now;
  rung->n_sent = 0;
  switch (state) {
  case TURN_CONNECT_RUNG_HOLDING:
    rung->due_us = rung->is_held ? now + holds_us[0] : now;
    break;
  case TURN_CONNECT_RUNG_QUIET:
    rung->due_us = rung->active_us + rung->idle_us;
    break;
  case TURN_CONNECT_RUNG_OVER:
    rung->due_us = G_MAXINT64;
    break;
  default:
    rung->due_us = now;
  }
}

static void
step (TurnConnectRung *rung, Event event, gint64 now)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    if (rows[i].from != rung->state || rows[i].event != event)
      continue;
    if (rows[i].to == TURN_CONNECT_RUNG_OVER)
      rung->result = rows[i].result;
    enter (rung, rows[i].to, now);
    return;
  }
}

void
turn_connect_rung_init (TurnConnectRung *rung, gint64 idle_us, gboolean is_held, gint64 now_us)
{
  *rung = (TurnConnectRung){ .idle_us = idle_us, .is_held = is_held, .active_us = now_us };
  enter (rung, TURN_CONNECT_RUNG_OPENING, now_us);
}

/* Sends by a schedule; when that is over, waits for @listen_us. */
static TurnConnectRungAction
follow (TurnConnectRung *rung,
        const gint64 *times_us,
        guint n_times,
        gint64 listen_us,
        TurnConnectRungAction action,
        gint64 now)
{
  if (rung->n_sent == n_times) {
    step (rung, EVENT_DUE, now);
    return TURN_CONNECT_RUNG_NOTHING;
  }
  rung->n_sent++;
  /* Whoever was held up catches up no more than one. */
  rung->due_us = rung->n_sent < n_times ? MAX (rung->began_us + times_us[rung->n_sent], now + 1)
                                        : now + listen_us;
  if (action == TURN_CONNECT_RUNG_SEND)
    rung->active_us = now;
  return action;
}

TurnConnectRungAction
turn_connect_rung_tick (TurnConnectRung *rung, gint64 now_us, gint64 rtt_us)
{
  gint64 listen_us = CLAMP (3 * MIN (rtt_us, LISTEN_MAX_US), LISTEN_US, LISTEN_MAX_US);

  while (rung->due_us <= now_us) {
    TurnConnectRungAction action = TURN_CONNECT_RUNG_NOTHING;

    switch (rung->state) {
    case TURN_CONNECT_RUNG_OPENING:
    case TURN_CONNECT_RUNG_REOPENING:
      action =
          follow (rung, asks_us, G_N_ELEMENTS (asks_us), listen_us, TURN_CONNECT_RUNG_SEND, now_us);
      break;
    case TURN_CONNECT_RUNG_ASKING:
    case TURN_CONNECT_RUNG_CONTROL:
      action = follow (rung, asks_us, G_N_ELEMENTS (asks_us), listen_us,
                       TURN_CONNECT_RUNG_SEND_OTHER, now_us);
      break;
    case TURN_CONNECT_RUNG_HOLDING:
      action = follow (rung, holds_us, rung->is_held ? G_N_ELEMENTS (holds_us) : 0, listen_us,
                       TURN_CONNECT_RUNG_SEND, now_us);
      break;
    default:
      step (rung, EVENT_DUE, now_us);
    }
    if (action != TURN_CONNECT_RUNG_NOTHING)
      return action;
  }
  return TURN_CONNECT_RUNG_NOTHING;
}

void
turn_connect_rung_heard (TurnConnectRung *rung, TurnConnectRungState state, gint64 now_us)
{
  gboolean is_waited_for = state == rung->state;

  /* Answers that are late still refresh what the router remembers. */
  if (rung->state != TURN_CONNECT_RUNG_OVER)
    rung->active_us = MAX (rung->active_us, now_us);
  if (rung->state == TURN_CONNECT_RUNG_QUIET)
    rung->due_us = rung->active_us + rung->idle_us;
  if (is_waited_for)
    step (rung, EVENT_HEARD, now_us);
}

void
turn_connect_rung_refuse (TurnConnectRung *rung)
{
  if (rung->state == TURN_CONNECT_RUNG_OVER)
    return;
  rung->result = TURN_CONNECT_RUNG_REFUSED;
  enter (rung, TURN_CONNECT_RUNG_OVER, 0);
}

gint64
turn_connect_rung_next (const TurnConnectRung *rung)
{
  return rung->due_us;
}

gint64
turn_connect_rung_longest (gint64 idle_us)
{
  gint64 asking = asks_us[G_N_ELEMENTS (asks_us) - 1] + LISTEN_US;

  return idle_us + 4 * asking + holds_us[G_N_ELEMENTS (holds_us) - 1] + LISTEN_US;
}
