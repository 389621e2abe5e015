/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TR 33.830 clause 8.3 tries the ordinary way first and the costly one last, each when the one
 * before failed. Trying costs seconds where a firewall drops in silence, so what worked is
 * remembered, for the network it worked in: another network may let the ordinary way pass again.
 */
#include "turn-connect/local/way-memory.h"

typedef struct {
  TurnConnectNetwork network;
  gboolean is_known; /* some way worked here */
  guint way;
} Place;

struct _TurnConnectWayMemory {
  GPtrArray *places; /* of Place, the current one last; empty before the first network */
  guint64 visit;
};

static void
place_free (gpointer data)
{
  Place *place = data;

  turn_connect_network_clear (&place->network);
  g_free (place);
}

TurnConnectWayMemory *
turn_connect_way_memory_new (void)
{
  TurnConnectWayMemory *memory = g_new0 (TurnConnectWayMemory, 1);

  memory->places = g_ptr_array_new_with_free_func (place_free);
  return memory;
}

void
turn_connect_way_memory_free (TurnConnectWayMemory *memory)
{
  g_ptr_array_unref (memory->places);
  g_free (memory);
}

static Place *
current (const TurnConnectWayMemory *memory)
{
  return memory->places->len > 0 ? memory->places->pdata[memory->places->len - 1] : NULL;
}

/* Takes a place out of those remembered, or makes one. */
static Place *
take (TurnConnectWayMemory *memory, const TurnConnectNetwork *network)
{
  Place *place;

  for (guint i = memory->places->len; i > 0; i--) {
    place = memory->places->pdata[i - 1];
    if (turn_connect_network_equal (&place->network, network))
      return g_ptr_array_steal_index (memory->places, i - 1);
  }
  if (memory->places->len == TURN_CONNECT_NETWORKS_MAX)
    g_ptr_array_remove_index (memory->places, 0);
  place = g_new0 (Place, 1);
  place->network.place = g_strdup (network->place);
  return place;
}

gboolean
turn_connect_way_memory_enter (TurnConnectWayMemory *memory, const TurnConnectNetwork *network)
{
  Place *before = current (memory);
  gboolean is_same = before != NULL && turn_connect_network_equal (&before->network, network);
  Place *now = is_same ? before : take (memory, network);

  if (now->network.hardware == NULL)
    now->network.hardware = g_strdup (network->hardware);
  if (is_same)
    return FALSE;
  g_ptr_array_add (memory->places, now);
  memory->visit++;
  return TRUE;
}

void
turn_connect_way_memory_begin (TurnConnectWayMemory *memory,
                               guint n_ways,
                               TurnConnectWayAttempt *attempt)
{
  const Place *here = current (memory);

  attempt->visit = memory->visit;
  attempt->n_ways = n_ways;
  attempt->way = here != NULL && here->is_known && here->way < n_ways ? here->way : 0;
  attempt->tried = 1u << attempt->way;
}

gboolean
turn_connect_way_memory_failed (TurnConnectWayMemory *memory, TurnConnectWayAttempt *attempt)
{
  Place *here = current (memory);

  if (here != NULL && attempt->visit == memory->visit && here->way == attempt->way)
    here->is_known = FALSE;
  for (guint way = 0; way < attempt->n_ways; way++) {
    if ((attempt->tried & 1u << way) == 0) {
      attempt->way = way;
      attempt->tried |= 1u << way;
      return TRUE;
    }
  }
  return FALSE;
}

void
turn_connect_way_memory_worked (TurnConnectWayMemory *memory, const TurnConnectWayAttempt *attempt)
{
  Place *here = current (memory);

  if (here == NULL || attempt->visit != memory->visit)
    return;
  here->is_known = TRUE;
  here->way = attempt->way;
}

gboolean
turn_connect_way_attempt_has_more (const TurnConnectWayAttempt *attempt)
{
  return attempt->tried != (1u << attempt->n_ways) - 1;
}
