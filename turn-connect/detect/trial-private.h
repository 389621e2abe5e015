/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/detect/run-private.h"
#include "turn-connect/detect/trial.h"

/* Told when a trial has ended, after turn_connect_run_end (). */
typedef void (*TurnConnectTrialEndedFunc) (gpointer user_data);

/* Told, in the midst of it, that the first packet came back. */
typedef void (*TurnConnectTrialWorksFunc) (gpointer user_data);

/* Begins at the next iteration. @way_data: for the way's start (). @way must outlive it. @n_packets:
 * how many it sends. @works: NULL for nobody. */
TurnConnectTrial *turn_connect_trial_new (TurnConnectRun *run,
                                          const TurnConnectTrialWay *way,
                                          gpointer way_data,
                                          guint n_packets,
                                          TurnConnectTrialWorksFunc works,
                                          TurnConnectTrialEndedFunc ended,
                                          gpointer user_data);
/* Ends it wherever it is, and calls nothing back. */
void turn_connect_trial_free (TurnConnectTrial *trial);

/* How far it is. */
typedef enum {
  TURN_CONNECT_TRIAL_SETTING_UP, /* or about to */
  TURN_CONNECT_TRIAL_SET_UP,     /* packets go */
  TURN_CONNECT_TRIAL_OVER,
} TurnConnectTrialStage;
TurnConnectTrialStage turn_connect_trial_get_stage (const TurnConnectTrial *trial);
/* Packets that came back; what proved that it works counts for one. */
guint turn_connect_trial_count_returned (const TurnConnectTrial *trial);

TurnConnectRun *turn_connect_trial_get_run (TurnConnectTrial *trial);
TurnConnectProbe *turn_connect_trial_get_probe (TurnConnectTrial *trial);
/* A target as the way wants it: proxy or none, TLS or none, host and port those given; NULL: the far
 * end, 0: the way's, or the one that was named. */
TurnConnectTarget *
turn_connect_trial_make_target (TurnConnectTrial *trial, const char *host, guint16 port);

/* The ways that need nothing else than this library. */
extern const TurnConnectTrialWay turn_connect_method_direct;
extern const TurnConnectTrialWay turn_connect_methods_turn[];
extern const guint turn_connect_n_methods_turn;
/* The way of that name, of these and of the plan's; NULL: none. */
const TurnConnectTrialWay *
turn_connect_method_find_way (const TurnConnectPlan *plan, const char *name, gpointer *way_data);
extern const TurnConnectTrialWay turn_connect_methods_sip[];
extern const guint turn_connect_n_methods_sip;
