/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every family of probes asks of the kernel besides sockets. */
#include "turn-connect/detect/kernel.h"

#include <errno.h>
#include <sys/random.h>

TurnConnectOutcome
turn_connect_outcome_of_errno (int number)
{
  if (number == ECONNREFUSED)
    return TURN_CONNECT_OUTCOME_REFUSED;
  return number == ETIMEDOUT ? TURN_CONNECT_OUTCOME_SILENCE : TURN_CONNECT_OUTCOME_UNREACHABLE;
}

/* Up to 256 octets are given whole (getrandom(2)), once the machine has started. */
void
turn_connect_random_octets (gpointer octets, gsize length)
{
  if (getrandom (octets, length, 0) != (ssize_t)length)
    g_warning ("the kernel gives no random octets");
}
