/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two brakes that strangers cannot wear out: tables of fixed size, places chosen by a keyed hash,
 * the least punished entry evicted first. Guesses are charged before they are looked at, so that
 * many at once gain nothing. */
#include "tep-s/throttle.h"

#include <pthread.h>
#include <string.h>

#define WINDOW_US (60 * G_USEC_PER_SEC)
#define WAYS 4
#define N_PAIRS 8192
#define N_SOURCES 4096
#define N_REPLY_SLOTS 16384
#define REPORT_WINDOW_S 60
#define MAX_GROWTH 4 /* a penalty grows to 2^4 times the first one */

/* How long a source counts as one that real users come from. */
#define VALID_US (G_GINT64_CONSTANT (3600) * G_USEC_PER_SEC)

/* Generic cell rate: free_us is the moment from which a full burst is there again. */
typedef struct {
  guint64 key;
  gint64 free_us;
  gint64 valid_until_us;
  guint failures;
} Entry;

struct _TepServerThrottle {
  pthread_mutex_t mutex;
  guint per_window;
  gint64 interval_us;
  gint64 tolerance_us;
  guint64 seed;
  Entry pairs[N_PAIRS];
  Entry sources[N_SOURCES];
};

/* An IPv6 user has a /64 at least, so a single address there says nothing. */
static guint64
source_key (const StunExtAddress *source, guint64 seed)
{
  StunExtAddress masked = stun_ext_address_canonical (source);
  guint64 key;

  masked.port = 0;
  if (masked.family == 6)
    memset (masked.octets + 8, 0, 8);
  key = stun_ext_address_hash (&masked, seed);
  return key != 0 ? key : 1;
}

/* The finaliser of splitmix64: every bit of both numbers reaches every bit of the result. */
static guint64
mix (guint64 a, guint64 b)
{
  guint64 x = a ^ (b * G_GUINT64_CONSTANT (0x9e3779b97f4a7c15));

  x = (x ^ x >> 30) * G_GUINT64_CONSTANT (0xbf58476d1ce4e5b9);
  x = (x ^ x >> 27) * G_GUINT64_CONSTANT (0x94d049bb133111eb);
  x ^= x >> 31;
  return x != 0 ? x : 1;
}

TepServerThrottle *
tep_server_throttle_new (guint per_window, guint64 seed)
{
  TepServerThrottle *throttle = g_new0 (TepServerThrottle, 1);
  guint burst;

  throttle->per_window = MAX (per_window, 1);
  /* Half of them at once, half over the window: no window of any position sees more than all. */
  burst = MAX (throttle->per_window / 2, 1);
  throttle->interval_us = WINDOW_US / burst;
  throttle->tolerance_us = throttle->interval_us * (burst - 1);
  throttle->seed = seed;
  pthread_mutex_init (&throttle->mutex, NULL);
  return throttle;
}

void
tep_server_throttle_free (TepServerThrottle *throttle)
{
  pthread_mutex_destroy (&throttle->mutex);
  g_free (throttle);
}

static Entry *
find (Entry *table, gsize size, guint64 key)
{
  Entry *set = &table[key % (size / WAYS) * WAYS];

  for (gsize i = 0; i < WAYS; i++)
    if (set[i].key == key)
      return &set[i];
  return NULL;
}

static Entry *
find_or_take (Entry *table, gsize size, guint64 key)
{
  Entry *set = &table[key % (size / WAYS) * WAYS];
  Entry *least = &set[0];
  Entry *entry = find (table, size, key);

  if (entry != NULL)
    return entry;
  for (gsize i = 1; i < WAYS; i++)
    if (set[i].key == 0 || (least->key != 0 && set[i].free_us < least->free_us))
      least = &set[i];
  *least = (Entry){ .key = key };
  return least;
}

static gboolean
is_free (const TepServerThrottle *throttle, const Entry *entry, gint64 now_us)
{
  return entry->free_us - now_us <= throttle->tolerance_us;
}

static guint
growth_of (const TepServerThrottle *throttle, const Entry *entry)
{
  return MIN (entry->failures / throttle->per_window, MAX_GROWTH);
}

static void
charge (const TepServerThrottle *throttle, Entry *entry, gint64 now_us)
{
  entry->free_us =
      MAX (entry->free_us, now_us) + (throttle->interval_us << growth_of (throttle, entry));
}

gboolean
tep_server_throttle_may_try (TepServerThrottle *throttle,
                             const StunExtAddress *source,
                             guint64 identity,
                             gint64 now_us)
{
  guint64 key = source_key (source, throttle->seed);
  gboolean may_try;
  gboolean is_valid;
  Entry *by_source;
  Entry *by_pair;

  pthread_mutex_lock (&throttle->mutex);
  by_source = find_or_take (throttle->sources, N_SOURCES, key);
  by_pair = find_or_take (throttle->pairs, N_PAIRS, mix (key, identity));
  is_valid = by_source->valid_until_us > now_us;
  may_try =
      is_free (throttle, by_pair, now_us) && (is_valid || is_free (throttle, by_source, now_us));
  if (may_try) {
    charge (throttle, by_pair, now_us);
    if (!is_valid)
      charge (throttle, by_source, now_us);
  }
  pthread_mutex_unlock (&throttle->mutex);
  return may_try;
}

void
tep_server_throttle_verified (TepServerThrottle *throttle,
                              const StunExtAddress *source,
                              guint64 identity,
                              gint64 now_us)
{
  guint64 key = source_key (source, throttle->seed);
  Entry *entries[2];

  pthread_mutex_lock (&throttle->mutex);
  entries[0] = find (throttle->sources, N_SOURCES, key);
  entries[1] = find (throttle->pairs, N_PAIRS, mix (key, identity));
  for (gsize i = 0; i < G_N_ELEMENTS (entries); i++) {
    if (entries[i] != NULL && (i == 1 || entries[i]->valid_until_us <= now_us))
      entries[i]->free_us -= throttle->interval_us << growth_of (throttle, entries[i]);
  }
  pthread_mutex_unlock (&throttle->mutex);
}

void
tep_server_throttle_failed (TepServerThrottle *throttle,
                            const StunExtAddress *source,
                            guint64 identity,
                            gint64 now_us)
{
  guint64 key = source_key (source, throttle->seed);
  Entry *entries[2];

  pthread_mutex_lock (&throttle->mutex);
  entries[0] = find (throttle->sources, N_SOURCES, key);
  entries[1] = find (throttle->pairs, N_PAIRS, mix (key, identity));
  for (gsize i = 0; i < G_N_ELEMENTS (entries); i++) {
    Entry *entry = entries[i];

    if (entry == NULL)
      continue;
    /* A rest of two full windows wipes the slate. */
    if (entry->failures > 0 && now_us - entry->free_us > 2 * WINDOW_US)
      entry->failures = 0;
    entry->failures++;
  }
  pthread_mutex_unlock (&throttle->mutex);
}

void
tep_server_throttle_succeeded (TepServerThrottle *throttle,
                               const StunExtAddress *source,
                               guint64 identity,
                               gint64 now_us)
{
  guint64 key = source_key (source, throttle->seed);
  Entry *by_source;
  Entry *by_pair;

  pthread_mutex_lock (&throttle->mutex);
  by_source = find_or_take (throttle->sources, N_SOURCES, key);
  by_source->valid_until_us = now_us + VALID_US;
  by_source->free_us = now_us;
  by_source->failures = 0;
  by_pair = find (throttle->pairs, N_PAIRS, mix (key, identity));
  if (by_pair != NULL) {
    by_pair->free_us = now_us;
    by_pair->failures = 0;
  }
  pthread_mutex_unlock (&throttle->mutex);
}

typedef struct {
  gint64 window_us;
  guint32 count;
  guint32 reported_s;
} Slot;

struct _TepServerReplyLimit {
  guint per_second;
  guint64 seed;
  Slot slots[N_REPLY_SLOTS];
};

TepServerReplyLimit *
tep_server_reply_limit_new (guint per_second, guint64 seed)
{
  TepServerReplyLimit *limit = g_new0 (TepServerReplyLimit, 1);

  limit->per_second = MAX (per_second, 1);
  limit->seed = seed;
  return limit;
}

void
tep_server_reply_limit_free (TepServerReplyLimit *limit)
{
  g_free (limit);
}

/* No place is ever taken over by another source while its window lasts: who sends from many
 * invented sources must not be able to have a victim's count forgotten. */
gboolean
tep_server_reply_limit_may_reply (TepServerReplyLimit *limit,
                                  const StunExtAddress *source,
                                  gint64 now_us,
                                  gboolean *is_first)
{
  Slot *slot = &limit->slots[source_key (source, limit->seed) % N_REPLY_SLOTS];
  guint32 now_s = (guint32)(now_us / G_USEC_PER_SEC) + 1;
  gboolean is_allowed;

  if (slot->count == 0 || now_us - slot->window_us >= G_USEC_PER_SEC) {
    slot->window_us = now_us;
    slot->count = 0;
  }
  is_allowed = slot->count < limit->per_second;
  if (is_allowed)
    slot->count++;
  if (is_first != NULL)
    *is_first =
        !is_allowed && (slot->reported_s == 0 || now_s - slot->reported_s >= REPORT_WINDOW_S);
  if (is_first != NULL && *is_first)
    slot->reported_s = now_s;
  return is_allowed;
}
