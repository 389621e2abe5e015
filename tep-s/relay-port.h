/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which relay port a lease gets. Without sockets and randomness of its own, so that a test can ask it a
 * hundred thousand times. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define TEP_SERVER_RELAY_PORT_TRIES 200 /* at random, before one by one */

/* A range of ports: first is even, last odd, step 2 for even ports and pairs, else 1. */
typedef struct {
  guint16 first;
  guint16 last;
  guint8 step;
} TepServerRelayRange;

/* How many tries find a free port if there is one, or nearly always in a range too large to be searched
 * whole: each try costs 10 us in which no packet moves. */
guint tep_server_relay_port_tries (const TepServerRelayRange *range);

/* The port to try. attempt: from 0; random: 32 bits that nobody can guess, asked for anew for each of the first
 * TEP_SERVER_RELAY_PORT_TRIES and not used from then on. */
guint16
tep_server_relay_port_choose (const TepServerRelayRange *range, guint attempt, guint32 random);

G_END_DECLS
