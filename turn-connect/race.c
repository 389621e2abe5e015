/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Happy eyeballs (RFC 8305) as bookkeeping: addresses come in by family, go out one by one with the
 * families taking turns, each a while after the one before or as soon as that one has failed. Kept
 * from sockets and clocks because its rules are about order and time, which tests want to set.
 */
#include "turn-connect/race.h"

#define ATTEMPT_DELAY_US (250 * 1000)   /* RFC 8305 section 8, Connection Attempt Delay */
#define RESOLUTION_DELAY_US (50 * 1000) /* section 8: how long IPv4 waits for IPv6 */

typedef enum {
  LOOKUP_RUNS,
  LOOKUP_DONE,
} Lookup;

struct _TurnConnectRace {
  GQueue waiting[2]; /* GInetAddress; [0] IPv6, [1] IPv4 */
  Lookup lookup[2];
  guint n_known;
  guint n_running;
  int turn;            /* whose turn it is */
  gint64 hold_until;   /* no first attempt before this; -1 while nothing is known */
  gint64 next_attempt; /* when the next may start */
};

TurnConnectRace *
turn_connect_race_new (void)
{
  TurnConnectRace *race = g_new0 (TurnConnectRace, 1);

  g_queue_init (&race->waiting[0]);
  g_queue_init (&race->waiting[1]);
  race->hold_until = -1;
  return race;
}

void
turn_connect_race_free (TurnConnectRace *race)
{
  for (int i = 0; i < 2; i++)
    g_queue_clear_full (&race->waiting[i], g_object_unref);
  g_free (race);
}

void
turn_connect_race_answer (TurnConnectRace *race, GSocketFamily family, GList *addresses, gint64 now)
{
  int side = family == G_SOCKET_FAMILY_IPV6 ? 0 : 1;

  for (GList *l = addresses; l != NULL; l = l->next) {
    if (g_inet_address_get_family (l->data) != family)
      continue;
    if (race->n_known >= TURN_CONNECT_RACE_MAX_ADDRESSES)
      break;
    g_queue_push_tail (&race->waiting[side], g_object_ref (l->data));
    race->n_known++;
  }
  race->lookup[side] = LOOKUP_DONE;
  if (race->lookup[0] == LOOKUP_DONE)
    race->hold_until = now;
  else if (race->hold_until < 0 && race->n_known > 0)
    race->hold_until = now + RESOLUTION_DELAY_US;
}

GInetAddress *
turn_connect_race_next (TurnConnectRace *race, gint64 now, gint64 *wake)
{
  gint64 earliest = MAX (race->hold_until, race->next_attempt);

  *wake = -1;
  if (race->hold_until < 0)
    return NULL;
  if (g_queue_is_empty (&race->waiting[0]) && g_queue_is_empty (&race->waiting[1]))
    return NULL;
  if (now < earliest) {
    *wake = earliest;
    return NULL;
  }
  if (g_queue_is_empty (&race->waiting[race->turn]))
    race->turn = 1 - race->turn;
  race->n_running++;
  race->next_attempt = now + ATTEMPT_DELAY_US;
  race->turn = 1 - race->turn;
  return g_queue_pop_head (&race->waiting[1 - race->turn]);
}

void
turn_connect_race_failed (TurnConnectRace *race)
{
  g_return_if_fail (race->n_running > 0);
  race->n_running--;
  race->next_attempt = 0;
}

gboolean
turn_connect_race_is_lost (TurnConnectRace *race)
{
  return race->n_running == 0 && race->lookup[0] == LOOKUP_DONE && race->lookup[1] == LOOKUP_DONE &&
         g_queue_is_empty (&race->waiting[0]) && g_queue_is_empty (&race->waiting[1]);
}

gboolean
turn_connect_race_has_addresses (TurnConnectRace *race)
{
  return race->n_known > 0;
}
