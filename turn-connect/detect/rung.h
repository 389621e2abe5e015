/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Is what a router remembers of a UDP socket still there after some silence? No I/O and no clock:
 * the caller sends what it is told to, tells what was heard, and asks again when it is due. Times are
 * microseconds of any clock. */

typedef enum {
  TURN_CONNECT_RUNG_OPENING,   /* the socket asks, and so has the router remember it */
  TURN_CONNECT_RUNG_HOLDING,   /* and goes on for a while, as a call does */
  TURN_CONNECT_RUNG_QUIET,     /* nothing is sent */
  TURN_CONNECT_RUNG_ASKING,    /* another socket asks for an answer to this one */
  TURN_CONNECT_RUNG_REOPENING, /* none came: the socket asks again, and has to be answered */
  TURN_CONNECT_RUNG_CONTROL,   /* and so has the other one now: else its silence said nothing */
  TURN_CONNECT_RUNG_OVER,
} TurnConnectRungState;
#define TURN_CONNECT_N_RUNG_STATES (TURN_CONNECT_RUNG_OVER + 1)

typedef enum {
  TURN_CONNECT_RUNG_OPEN,         /* not over yet */
  TURN_CONNECT_RUNG_KEPT,         /* it was remembered */
  TURN_CONNECT_RUNG_FORGOTTEN,    /* it was not, and the control passed */
  TURN_CONNECT_RUNG_UNANSWERED,   /* the far end does not answer at all: nothing is learnt */
  TURN_CONNECT_RUNG_UNCONTROLLED, /* the control failed: nothing is learnt */
  TURN_CONNECT_RUNG_ENDED,        /* somebody ended it: nothing is learnt of who forgets what */
  TURN_CONNECT_RUNG_REFUSED,      /* the far end cannot do this */
} TurnConnectRungResult;

typedef enum {
  TURN_CONNECT_RUNG_NOTHING,
  TURN_CONNECT_RUNG_SEND,       /* a request from the socket */
  TURN_CONNECT_RUNG_SEND_OTHER, /* one from the other, to be answered to the socket */
} TurnConnectRungAction;

typedef struct {
  gint64 idle_us;
  gboolean is_held; /* more than one exchange before it falls silent */
  TurnConnectRungState state;
  TurnConnectRungResult result;
  gint64 began_us; /* of the state */
  gint64 due_us;
  gint64 active_us; /* when the socket last sent or heard anything */
  guint n_sent;     /* in the state */
} TurnConnectRung;

void
turn_connect_rung_init (TurnConnectRung *rung, gint64 idle_us, gboolean is_held, gint64 now_us);
/* What to send now; to be called when due, until it says nothing. @rtt_us: of the far end, -1 if that
 * is not known. */
TurnConnectRungAction turn_connect_rung_tick (TurnConnectRung *rung, gint64 now_us, gint64 rtt_us);
/* The answer to a question of this state came, where it was to come. */
void turn_connect_rung_heard (TurnConnectRung *rung, TurnConnectRungState state, gint64 now_us);
/* The far end does not do as asked. */
void turn_connect_rung_refuse (TurnConnectRung *rung);
/* When it is due; G_MAXINT64 once it is over. */
gint64 turn_connect_rung_next (const TurnConnectRung *rung);
/* How long one takes at the most, where round trips are short. */
gint64 turn_connect_rung_longest (gint64 idle_us);
