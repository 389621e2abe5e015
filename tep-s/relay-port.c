/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ports that nobody can guess: each is drawn anew from the whole range, whatever was lent before
 * (requirement 19). Of a small range, when nearly all are taken, all of them in turn.
 */
#include "tep-s/relay-port.h"

#define SEARCH 512 /* ports tried one by one */

static guint
count (const TepServerRelayRange *range)
{
  return ((guint)range->last - range->first + 1) / range->step;
}

guint
tep_server_relay_port_tries (const TepServerRelayRange *range)
{
  return TEP_SERVER_RELAY_PORT_TRIES + MIN (count (range), SEARCH);
}

/* Of 2^32 numbers, each of at most 2^16 ports gets its share but for one: 0.0015 % more or less. */
guint16
tep_server_relay_port_choose (const TepServerRelayRange *range, guint attempt, guint32 random)
{
  guint n = count (range);
  guint index = attempt < TEP_SERVER_RELAY_PORT_TRIES ? (guint)((guint64)random * n >> 32)
                                                      : (attempt - TEP_SERVER_RELAY_PORT_TRIES) % n;

  return (guint16)(range->first + index * range->step);
}
