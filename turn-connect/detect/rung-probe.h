/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/detect/run-private.h"
#include "turn-connect/detect/rung.h"

/* The probe of one step of a ladder of silences, of sockets or of connections. */

/* Begins it: @variant is what goes before a silence of @idle_s seconds, @longest_us how long all of it takes
 * at the most. */
TurnConnectProbe *turn_connect_rung_probe_begin (TurnConnectRun *run,
                                                 const char *variant,
                                                 TurnConnectCarry carry,
                                                 const StunExtAddress *target,
                                                 guint idle_s,
                                                 gint64 longest_us);
/* Ends it. @answered: what counts where it was kept; @detail: (nullable): of what was not learnt. */
void turn_connect_rung_probe_end (TurnConnectRun *run,
                                  TurnConnectProbe *probe,
                                  TurnConnectRungResult result,
                                  TurnConnectOutcome answered,
                                  const char *detail);
