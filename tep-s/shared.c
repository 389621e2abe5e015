/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the limits are about is the whole server, not one worker, so these accounts are common to
 * all. None of them is touched by a packet.
 */
#include "tep-s/shared.h"

#include <sys/random.h>

#include "stun-ext/crypto.h"

#define REPLAY_CAPACITY 262144 /* openings remembered: more than 200 a second for 20 minutes */
#define MS_PER_S G_GINT64_CONSTANT (1000)

void
tep_server_random (gpointer unused, void *octets, gsize length)
{
  guint8 *at = octets;

  while (length > 0) {
    ssize_t n = getrandom (at, MIN (length, 256), 0);

    if (n < 0)
      continue; /* EINTR; from a kernel that has this call nothing else comes */
    at += n;
    length -= (gsize)n;
  }
}

void
tep_server_settings_copy (TepServerSettings *to, const TepServerSettings *from)
{
  to->config = tep_server_config_ref (from->config);
  to->policy = tep_server_policy_ref (from->policy);
  to->tls = from->tls != NULL ? tep_server_tls_context_ref (from->tls) : NULL;
}

gboolean
tep_server_settings_open (TepServerSettings *settings,
                          const TepServerConfig *config,
                          GError **error)
{
  *settings = (TepServerSettings){ 0 };
  if (config->tls.certificate_file != NULL) {
    settings->tls = tep_server_tls_context_new (config->tls.certificate_file, config->tls.key_file,
                                                config->names, error);
    if (settings->tls == NULL)
      return FALSE;
  }
  settings->config = tep_server_config_ref (config);
  settings->policy = tep_server_policy_ref (config->policy);
  return TRUE;
}

void
tep_server_settings_clear (TepServerSettings *settings)
{
  TepServerConfig *config = (TepServerConfig *)settings->config;

  settings->config = NULL;
  g_clear_pointer (&config, tep_server_config_unref);
  g_clear_pointer (&settings->policy, tep_server_policy_unref);
  g_clear_pointer (&settings->tls, tep_server_tls_context_unref);
}

TepServerShared *
tep_server_shared_new (const TepServerConfig *config,
                       void (*random) (gpointer data, void *octets, gsize length),
                       gpointer data,
                       gint64 now_ms)
{
  TepServerShared *shared = g_new0 (TepServerShared, 1);
  gint64 window_s =
      MAX ((gint64)config->timers.nonce_s, 2 * (gint64)config->timers.clock_skew_s) + 60;
  guint64 seeds[3];

  random (data, seeds, sizeof seeds);
  random (data, shared->tunnel_secret, sizeof shared->tunnel_secret);
  random (data, shared->nonce_secret, sizeof shared->nonce_secret);
  shared->seed = seeds[0];
  shared->replay = tep_server_replay_new (REPLAY_CAPACITY, window_s * MS_PER_S, seeds[1], now_ms);
  shared->leases = tep_server_leases_new (seeds[2]);
  shared->throttle =
      tep_server_throttle_new (config->limits.failures_per_window, seeds[0] ^ seeds[1]);
  shared->user_tunnels = tep_server_quota_new ();
  shared->source_tunnels = tep_server_quota_new ();
  shared->source_connections = tep_server_quota_new ();
  shared->source_unauthenticated = tep_server_quota_new ();
  return shared;
}

void
tep_server_shared_free (TepServerShared *shared)
{
  tep_server_replay_free (shared->replay);
  tep_server_leases_free (shared->leases);
  tep_server_throttle_free (shared->throttle);
  tep_server_quota_free (shared->user_tunnels);
  tep_server_quota_free (shared->source_tunnels);
  tep_server_quota_free (shared->source_connections);
  tep_server_quota_free (shared->source_unauthenticated);
  stun_ext_crypto_cleanse (shared, sizeof *shared);
  g_free (shared);
}

gboolean
tep_server_shared_take (atomic_uint *number, guint limit)
{
  if (atomic_fetch_add_explicit (number, 1, memory_order_relaxed) < limit || limit == 0)
    return TRUE;
  atomic_fetch_sub_explicit (number, 1, memory_order_relaxed);
  return FALSE;
}
