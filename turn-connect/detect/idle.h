/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/detect/rung.h"

/* Does a TCP connection live through a silence? No I/O and no clock, as rung.h, whose results it
 * shares: the caller does what a state says when it is entered. */

typedef enum {
  TURN_CONNECT_IDLE_OPENING, /* it is made, asks, and has to be answered at once */
  TURN_CONNECT_IDLE_QUIET,   /* it asked for an answer when the silence is over */
  TURN_CONNECT_IDLE_CONTROL, /* none came: another one asks, and has to be answered at once */
  TURN_CONNECT_IDLE_OVER,
} TurnConnectIdleState;
#define TURN_CONNECT_N_IDLE_STATES (TURN_CONNECT_IDLE_OVER + 1)

typedef struct {
  gint64 idle_us;
  TurnConnectIdleState state;
  TurnConnectRungResult result;
  gint64 ends_us; /* of the silence */
  gint64 due_us;
} TurnConnectIdle;

void turn_connect_idle_init (TurnConnectIdle *idle, gint64 idle_us, gint64 now_us);
/* An answer came. @held_s: how long the far end says that it held it. */
void turn_connect_idle_heard (TurnConnectIdle *idle, guint held_s, gint64 now_us);
/* The connection was refused, closed or reset. */
void turn_connect_idle_ended (TurnConnectIdle *idle, gint64 now_us);
/* It may be due. */
void turn_connect_idle_tick (TurnConnectIdle *idle, gint64 now_us);
/* The far end does not do as asked. */
void turn_connect_idle_refuse (TurnConnectIdle *idle);
/* How long one takes at the most. */
gint64 turn_connect_idle_longest (gint64 idle_us);
