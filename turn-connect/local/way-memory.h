/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/local/ways.h"
#include "turn-connect/network.h"

/* Which of several ways to try, by what is known of the network: decisions only. */
typedef struct _TurnConnectWayMemory TurnConnectWayMemory;

#define TURN_CONNECT_NETWORKS_MAX 64 /* remembered; the one not seen for longest is forgotten */

TurnConnectWayMemory *turn_connect_way_memory_new (void);
void turn_connect_way_memory_free (TurnConnectWayMemory *memory);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TurnConnectWayMemory, turn_connect_way_memory_free)

/* FALSE: it is the same network still. Attempts begun in another one teach nothing any more. */
gboolean turn_connect_way_memory_enter (TurnConnectWayMemory *memory,
                                        const TurnConnectNetwork *network);

/* One attempt to reach the server. */
typedef struct {
  guint64 visit; /* of the network it began in */
  guint n_ways;
  guint tried; /* a bit for each way */
  guint way;   /* the one that is tried */
} TurnConnectWayAttempt;

/* The way that worked last in this network, else the first. @n_ways: 1 to TURN_CONNECT_WAYS_MAX. */
void turn_connect_way_memory_begin (TurnConnectWayMemory *memory,
                                    guint n_ways,
                                    TurnConnectWayAttempt *attempt);
/* The way did not work: on to the first that was not tried. FALSE: there is none. */
gboolean turn_connect_way_memory_failed (TurnConnectWayMemory *memory,
                                         TurnConnectWayAttempt *attempt);
/* Somebody answers that way. */
void turn_connect_way_memory_worked (TurnConnectWayMemory *memory,
                                     const TurnConnectWayAttempt *attempt);
/* Is there a way left to try after this one? */
gboolean turn_connect_way_attempt_has_more (const TurnConnectWayAttempt *attempt);
