/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two generations: the older one is forgotten whole when it has aged out, so nothing is swept. When
 * a generation overflows, both are forgotten and the floor rises: openings older than the floor are
 * refused then, never accepted twice.
 */
#include "tep-s/replay.h"

#include <pthread.h>
#include <string.h>

#include "stun-ext/address.h"
#include "tep-s/table.h"

typedef struct {
  TepServerNode node;
  guint8 random[TEP_SERVER_CLIENT_RANDOM_LENGTH];
} Entry;

struct _TepServerReplay {
  pthread_mutex_t lock;
  TepServerTable generations[2]; /* the current one first */
  gsize capacity;
  gint64 window_ms;
  gint64 turned_ms;
  gint64 floor_ms;
  guint64 seed;
};

TepServerReplay *
tep_server_replay_new (gsize capacity, gint64 window_ms, guint64 seed, gint64 now_ms)
{
  TepServerReplay *replay = g_new0 (TepServerReplay, 1);

  pthread_mutex_init (&replay->lock, NULL);
  tep_server_table_init (&replay->generations[0]);
  tep_server_table_init (&replay->generations[1]);
  replay->capacity = MAX (capacity, 2);
  replay->window_ms = window_ms;
  replay->turned_ms = now_ms;
  replay->floor_ms = now_ms;
  replay->seed = seed;
  return replay;
}

static void
empty (TepServerTable *table)
{
  for (gsize i = 0; i <= table->mask; i++) {
    while (table->buckets[i] != NULL) {
      Entry *entry = (Entry *)table->buckets[i];

      table->buckets[i] = entry->node.next;
      g_free (entry);
    }
  }
  tep_server_table_clear (table);
}

void
tep_server_replay_free (TepServerReplay *replay)
{
  empty (&replay->generations[0]);
  empty (&replay->generations[1]);
  pthread_mutex_destroy (&replay->lock);
  g_free (replay);
}

static guint64
hash_random (TepServerReplay *replay, const guint8 *random)
{
  StunExtAddress half;
  guint64 hash;

  /* The address hash is the keyed hash at hand: it takes 16 octets and a port. */
  stun_ext_address_init (&half, 6, random, 0);
  hash = stun_ext_address_hash (&half, replay->seed);
  stun_ext_address_init (&half, 6, random + 16, 0);
  return stun_ext_address_hash (&half, hash ^ replay->seed);
}

static gboolean
has (TepServerTable *table, guint64 hash, const guint8 *random)
{
  TepServerNode *node = tep_server_table_first (table, hash);

  while (node != NULL &&
         memcmp (((Entry *)node)->random, random, TEP_SERVER_CLIENT_RANDOM_LENGTH) != 0)
    node = tep_server_table_next (node->next, hash);
  return node != NULL;
}

static gboolean
is_known (TepServerReplay *replay, guint64 hash, const guint8 *random)
{
  return has (&replay->generations[0], hash, random) || has (&replay->generations[1], hash, random);
}

static void
turn (TepServerReplay *replay, gint64 now_ms)
{
  empty (&replay->generations[1]);
  replay->generations[1] = replay->generations[0];
  tep_server_table_init (&replay->generations[0]);
  replay->turned_ms = now_ms;
}

static void
make_room (TepServerReplay *replay, gint64 now_ms)
{
  /* A clock that stepped back makes remembered times meaningless, and so does one that leapt. */
  if (now_ms < replay->turned_ms)
    replay->turned_ms = now_ms;
  if (now_ms - replay->turned_ms > replay->window_ms)
    turn (replay, now_ms);
  if (replay->generations[0].n >= replay->capacity / 2) {
    turn (replay, now_ms);
    turn (replay, now_ms);
    replay->floor_ms = now_ms;
  }
}

gint64
tep_server_replay_floor (TepServerReplay *replay)
{
  gint64 floor_ms;

  pthread_mutex_lock (&replay->lock);
  floor_ms = replay->floor_ms;
  pthread_mutex_unlock (&replay->lock);
  return floor_ms;
}

gboolean
tep_server_replay_is_known (TepServerReplay *replay, const guint8 *client_random)
{
  guint64 hash = hash_random (replay, client_random);
  gboolean known;

  pthread_mutex_lock (&replay->lock);
  known = is_known (replay, hash, client_random);
  pthread_mutex_unlock (&replay->lock);
  return known;
}

gboolean
tep_server_replay_accept (TepServerReplay *replay, const guint8 *client_random, gint64 now_ms)
{
  guint64 hash = hash_random (replay, client_random);
  gboolean is_new;

  pthread_mutex_lock (&replay->lock);
  is_new = !is_known (replay, hash, client_random);
  if (is_new) {
    Entry *entry;

    make_room (replay, now_ms);
    entry = g_new (Entry, 1);
    memcpy (entry->random, client_random, sizeof entry->random);
    tep_server_table_add (&replay->generations[0], &entry->node, hash);
  }
  pthread_mutex_unlock (&replay->lock);
  return is_new;
}
