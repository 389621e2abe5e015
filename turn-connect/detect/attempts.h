/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/detect/trial-private.h"

/* One method, tried until it stands: trials of the same, side by side, that look like one. */
typedef struct _TurnConnectAttempts TurnConnectAttempts;

/* As turn_connect_trial_new (); both are told once, of all of them. */
TurnConnectAttempts *turn_connect_attempts_new (TurnConnectRun *run,
                                                const TurnConnectTrialWay *way,
                                                gpointer way_data,
                                                TurnConnectTrialWorksFunc works,
                                                TurnConnectTrialEndedFunc ended,
                                                gpointer user_data);
/* Ends those at work. */
void turn_connect_attempts_end (TurnConnectAttempts *attempts,
                                TurnConnectOutcome outcome,
                                const char *detail);
/* The probe of the one that works, or else of the first. */
TurnConnectProbe *turn_connect_attempts_get_probe (const TurnConnectAttempts *attempts);
/* Ends them wherever they are, and calls nothing back. */
void turn_connect_attempts_free (TurnConnectAttempts *attempts);
