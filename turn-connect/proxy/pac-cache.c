/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each dial asks the proxy configuration file for its way, and a phone dials often; its server is not
 * asked for the file each time. What was fetched in one network says nothing about another, where
 * the same name may lead to another server, and what came under one trust is not for another.
 */
#include "turn-connect/proxy/pac-cache.h"

#include <pthread.h>
#include <string.h>

typedef struct {
  char *url;
  TurnConnectTlsOptions *tls; /* NULL: the usual ones */
  TurnConnectNetwork network;
  GBytes *script;
  gint64 fetched_at;
} Kept;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Kept kept[TURN_CONNECT_PAC_KEPT_MAX]; /* url NULL: free */

static void
forget (Kept *one)
{
  g_free (one->url);
  g_clear_object (&one->tls);
  turn_connect_network_clear (&one->network);
  g_clear_pointer (&one->script, g_bytes_unref);
  *one = (Kept){ 0 };
}

static Kept *
find (const char *url, TurnConnectTlsOptions *tls, const TurnConnectNetwork *network)
{
  for (gsize i = 0; i < G_N_ELEMENTS (kept); i++) {
    if (kept[i].url != NULL && strcmp (kept[i].url, url) == 0 && kept[i].tls == tls &&
        turn_connect_network_equal (&kept[i].network, network))
      return &kept[i];
  }
  return NULL;
}

GBytes *
turn_connect_pac_cache_get (const char *url,
                            TurnConnectTlsOptions *tls,
                            const TurnConnectNetwork *network,
                            gint64 now)
{
  GBytes *script = NULL;
  Kept *found;

  pthread_mutex_lock (&lock);
  for (gsize i = 0; i < G_N_ELEMENTS (kept); i++) {
    if (kept[i].url != NULL && now - kept[i].fetched_at >= TURN_CONNECT_PAC_KEPT_US)
      forget (&kept[i]);
  }
  found = find (url, tls, network);
  if (found != NULL)
    script = g_bytes_ref (found->script);
  pthread_mutex_unlock (&lock);
  return script;
}

static Kept *
make_room (void)
{
  Kept *oldest = &kept[0];

  for (gsize i = 0; i < G_N_ELEMENTS (kept) && oldest->url != NULL; i++) {
    if (kept[i].url == NULL || kept[i].fetched_at < oldest->fetched_at)
      oldest = &kept[i];
  }
  return oldest;
}

void
turn_connect_pac_cache_put (const char *url,
                            TurnConnectTlsOptions *tls,
                            const TurnConnectNetwork *network,
                            GBytes *script,
                            gint64 now)
{
  Kept *place;

  pthread_mutex_lock (&lock);
  place = find (url, tls, network);
  if (place == NULL)
    place = make_room ();
  forget (place);
  place->url = g_strdup (url);
  g_set_object (&place->tls, tls);
  place->network.place = g_strdup (network->place);
  place->network.hardware = g_strdup (network->hardware);
  place->script = g_bytes_ref (script);
  place->fetched_at = now;
  pthread_mutex_unlock (&lock);
}
