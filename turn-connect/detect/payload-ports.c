/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Only a few ports of those that are open are asked about content: those that boxes have most to say of.
 */
#include "turn-connect/detect/payload-ports.h"

#define NAME_SERVICE 53 /* where many a router answers itself, whatever it is asked */

gboolean
turn_connect_payload_ports_is_open (const TurnConnectProbe *probe, gboolean is_udp)
{
  if (is_udp)
    return probe->kind == TURN_CONNECT_PROBE_STUN && probe->outcome == TURN_CONNECT_OUTCOME_PROOF &&
           probe->target.port != NAME_SERVICE;
  return probe->kind == TURN_CONNECT_PROBE_PORT && probe->connect_us >= 0;
}

/* The web's ports, which all networks have something to say about, then SIP's, then those of which
 * nobody knows anything; over UDP SIP's come first, where most boxes look for it. */
static guint
rank_of (guint16 port, gboolean is_udp)
{
  static const guint16 preferred[] = { 5060, 443, 5060, 80, 3478, 40000 };

  for (guint i = is_udp ? 0 : 1; i < G_N_ELEMENTS (preferred); i++) {
    if (preferred[i] == port)
      return i;
  }
  return G_N_ELEMENTS (preferred);
}

static gint
by_rank (gconstpointer a, gconstpointer b, gpointer is_udp)
{
  const StunExtAddress *one = a, *other = b;

  return (gint)rank_of (one->port, is_udp != NULL) - (gint)rank_of (other->port, is_udp != NULL);
}

GArray *
turn_connect_payload_ports_find (const TurnConnectObservations *observations,
                                 guint8 family,
                                 gboolean is_udp)
{
  GArray *found = g_array_new (FALSE, FALSE, sizeof (StunExtAddress));

  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (turn_connect_payload_ports_is_open (probe, is_udp) && probe->family == family)
      g_array_append_val (found, probe->target);
  }
  g_array_sort_with_data (found, by_rank, GINT_TO_POINTER (is_udp));
  return found;
}
