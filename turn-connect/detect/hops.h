/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/detect/observations.h"

#define TURN_CONNECT_HOPS_MAX 8

/* What became of octets that were to end on their way. */
typedef enum {
  TURN_CONNECT_HOP_UNKNOWN, /* not asked, or nothing is learnt */
  TURN_CONNECT_HOP_QUIET,   /* nobody said anything */
  TURN_CONNECT_HOP_ENDED,   /* a router said that they ended there */
  TURN_CONNECT_HOP_ACTED,   /* somebody acted on them */
  TURN_CONNECT_HOP_ARRIVED, /* they did not end on their way */
  TURN_CONNECT_HOP_UNCLEAR, /* now this, now that */
} TurnConnectHopEffect;

typedef struct {
  TurnConnectHopEffect effect;
  guint n;       /* how often it was asked and something is learnt */
  guint n_ended; /* of these, how often a router said that they ended there */
} TurnConnectHop;

/* Of a class that is held back, and of its control that is not; [0] is not used. */
typedef struct {
  TurnConnectHop held[TURN_CONNECT_HOPS_MAX + 1];
  TurnConnectHop control[TURN_CONNECT_HOPS_MAX + 1];
} TurnConnectHops;

/* Between which hops, these two included, each is asked once more. */
typedef struct {
  guint first, last;
  guint round; /* from 1 on: what showed something is asked again */
} TurnConnectHopsPlan;

/* Where to begin. */
void turn_connect_hops_plan_init (TurnConnectHopsPlan *plan);
/* What to ask after that; FALSE if there is nothing more to ask. */
gboolean turn_connect_hops_plan_next (TurnConnectHopsPlan *plan, const TurnConnectHops *hops);

/* What the probes of kind "hop" say of the class, port and carrier of @held, which failed. */
void turn_connect_hops_read (const TurnConnectObservations *observations,
                             const TurnConnectProbe *held,
                             TurnConnectHops *hops);
/* Whether it shows within the first so many hops where the two part, or that nothing ends there. */
gboolean turn_connect_hops_is_over (const TurnConnectHops *hops, guint n);
/* The least number of hops that octets have to go to be held back: who does it is there, or one
 * before, for routers count before they look. 0 where that is not known. */
guint turn_connect_hops_conclude (const TurnConnectHops *hops);
