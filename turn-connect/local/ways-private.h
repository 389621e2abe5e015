/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/local/way-memory.h"
#include "turn-connect/local/ways.h"

/* Looks at the network and begins; at least one way has to be there. */
void turn_connect_ways_begin (TurnConnectWays *ways, TurnConnectWayAttempt *attempt);
/* FALSE: that was the last. */
gboolean turn_connect_ways_failed (TurnConnectWays *ways, TurnConnectWayAttempt *attempt);
void turn_connect_ways_worked (TurnConnectWays *ways, const TurnConnectWayAttempt *attempt);
TurnConnectTarget *turn_connect_ways_get_target (TurnConnectWays *ways,
                                                 const TurnConnectWayAttempt *attempt);
const char *turn_connect_ways_get_name (TurnConnectWays *ways,
                                        const TurnConnectWayAttempt *attempt);
