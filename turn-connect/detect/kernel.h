/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/detect/observations.h"

/* What a failed call on a socket says of the network. */
TurnConnectOutcome turn_connect_outcome_of_errno (int number);

/* Octets that nobody can guess. */
/* FALSE, with a warning, if the kernel gives none. */
gboolean turn_connect_random_octets (gpointer octets, gsize length);

/* What is sent from now on ends after this many hops, 1 to 255, and it is told where; -1: as far as
 * usual. FALSE with errno. */
gboolean turn_connect_limit_hops (int descriptor, guint8 family, int hops);
/* The next that ICMP said of datagrams of such a socket; FALSE if there is no more. @router: who it was
 * that let them end, otherwise left alone. */
gboolean
turn_connect_take_icmp (int descriptor, TurnConnectOutcome *outcome, StunExtAddress *router);
