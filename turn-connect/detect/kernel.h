/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/detect/observations.h"

/* What a failed call on a socket says of the network. */
TurnConnectOutcome turn_connect_outcome_of_errno (int number);

/* Octets that nobody can guess. */
void turn_connect_random_octets (gpointer octets, gsize length);
