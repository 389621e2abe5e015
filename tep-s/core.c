/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One worker's world, held together: who may connect, what is due, what goes out at the end of a
 * round. A round is all that happened between two waits: packets are collected over all
 * connections, and each connection is written to once.
 */
#include <string.h>

#include "stun-ext/protocol.h"
#include "tep-s/core-private.h"

#define FEEDBACK_LATEST_US (STUN_EXT_FEEDBACK_INTERVAL_US + 60000)
#define MEMORY_CHECK_US US_PER_S
/* Of all places for newcomers one proxy with many phones may hold a quarter, or a single one of its clients could
 * keep everybody else out. */
#define KNOWN_SOURCE_PART 4
#define CREDENTIALS_PER_ROUND 64 /* buckets, with about one tunnel in each */

/* ---- construction ---- */

TepServerCore *
tep_server_core_new (const TepServerCoreHost *host,
                     gpointer host_data,
                     const TepServerSettings *settings,
                     TepServerShared *shared,
                     guint index,
                     guint total)
{
  TepServerCore *core = g_new0 (TepServerCore, 1);

  core->host = host;
  core->host_data = host_data;
  core->shared = shared;
  core->index = index;
  core->total = total;
  core->started_with = tep_server_config_ref (settings->config);
  core->now_us = 1;
  core->feedback_last = &core->feedback;
  host->random (host_data, &core->seed, sizeof core->seed);
  tep_server_table_init (&core->tunnels);
  tep_server_table_init (&core->ports);
  tep_server_table_init (&core->flows);
  tep_server_table_init (&core->foreign);
  tep_server_table_init (&core->pinholes);
  tep_server_wheel_init (&core->wheel, 0);
  tep_server_core_reconfigure (core, settings);
  return core;
}

static void
free_nodes (TepServerTable *table)
{
  for (gsize i = 0; i <= table->mask; i++) {
    while (table->buckets[i] != NULL) {
      TepServerNode *node = table->buckets[i];

      table->buckets[i] = node->next;
      g_free (node); /* first member of what it indexes */
    }
  }
  tep_server_table_clear (table);
}

static TepServerTunnel *
any_tunnel (TepServerCore *core, gsize *bucket)
{
  while (*bucket <= core->tunnels.mask && core->tunnels.buckets[*bucket] == NULL)
    (*bucket)++;
  return *bucket <= core->tunnels.mask ? (TepServerTunnel *)core->tunnels.buckets[*bucket] : NULL;
}

static void
free_over (TepServerCore *core)
{
  while (core->over != NULL) {
    TepServerTunnel *tunnel = core->over;

    core->over = tunnel->next_over;
    tep_server_tunnel_free (tunnel);
  }
}

void
tep_server_core_shut_down (TepServerCore *core)
{
  gsize bucket = 0;
  TepServerTunnel *tunnel;

  while ((tunnel = any_tunnel (core, &bucket)) != NULL)
    tep_server_tunnel_end (tunnel, STUN_EXT_CODE_TRY_ALTERNATE, TEP_SERVER_COUNTER_CLOSED_STOP);
  tep_server_core_flush (core);
  while (core->connections != NULL) {
    TepServerConnection *connection = core->connections;

    core->host->over (core->host_data, connection);
    tep_server_connection_free (connection);
  }
  free_over (core);
}

void
tep_server_core_free (TepServerCore *core)
{
  tep_server_core_shut_down (core);
  tep_server_table_clear (&core->tunnels);
  tep_server_table_clear (&core->ports);
  tep_server_table_clear (&core->flows);
  free_nodes (&core->foreign);
  free_nodes (&core->pinholes);
  tep_server_chunk_pool_clear (&core->pool);
  g_clear_pointer (&core->reply_limit, tep_server_reply_limit_free);
  tep_server_settings_clear (&core->settings);
  tep_server_config_unref ((TepServerConfig *)core->started_with);
  g_free (core->plain_buffer);
  g_free (core);
}

void
tep_server_core_reconfigure (TepServerCore *core, const TepServerSettings *settings)
{
  TepServerSettings old = core->settings;
  guint per_second = settings->config->limits.udp_replies_per_second;

  tep_server_settings_copy (&core->settings, settings);
  tep_server_settings_clear (&old);
  core->policy_generation++; /* what flows remember is void */
  core->is_checking_credentials = core->tunnels.n > 0;
  core->credentials_bucket = 0;
  g_clear_pointer (&core->reply_limit, tep_server_reply_limit_free);
  core->reply_limit = tep_server_reply_limit_new (MAX (per_second / core->total, 1), core->seed);
}

/* ---- accepting ---- */

/* Random early refusal in the style of 10:30:100: from a tenth of the limit on 30 % of newcomers
 * are turned away, and linearly more up to all of them at the limit. */
static gboolean
is_refused_early (TepServerCore *core, guint limit)
{
  guint n = atomic_load_explicit (&core->shared->unauthenticated, memory_order_relaxed);
  guint start = MAX (limit / 10, 1);
  guint32 random;

  if (limit == 0 || n < start)
    return FALSE;
  if (n >= limit)
    return TRUE;
  core->host->random (core->host_data, &random, sizeof random);
  return random % 100 < 30 + 70 * (guint64)(n - start) / MAX (limit - start, 1);
}

static TepServerCounter
take_connection (TepServerCore *core, const StunExtAddress *source)
{
  TepServerShared *shared = core->shared;
  const TepServerLimits *limits = &core->settings.config->limits;
  guint64 key = tep_server_quota_source_key (source);
  /* A source from which somebody logged in may be a proxy with a hundred phones behind it. */
  gboolean is_known = tep_server_quota_count (shared->source_tunnels, key) > 0;
  guint per_source = is_known ? MAX (limits->unauthenticated / KNOWN_SOURCE_PART,
                                     limits->unauthenticated_per_source)
                              : limits->unauthenticated_per_source;

  if (core->memory_level >= 95)
    return TEP_SERVER_COUNTER_REFUSED_MEMORY;
  if (is_refused_early (core, limits->unauthenticated))
    return TEP_SERVER_COUNTER_REFUSED_EARLY;
  if (!tep_server_shared_take (&shared->connections, limits->connections))
    return TEP_SERVER_COUNTER_REFUSED_TOTAL;
  if (tep_server_quota_take (shared->source_connections, key, limits->connections_per_source)) {
    /* Who holds all places of a source in silence must not keep others of that source out. */
    if (tep_server_quota_take (shared->source_unauthenticated, key, per_source) ||
        (tep_server_connection_replace (core, key) &&
         tep_server_quota_take (shared->source_unauthenticated, key, per_source))) {
      atomic_fetch_add_explicit (&shared->unauthenticated, 1, memory_order_relaxed);
      return TEP_SERVER_COUNTER_ACCEPTED;
    }
    tep_server_quota_give (shared->source_connections, key);
  }
  atomic_fetch_sub_explicit (&shared->connections, 1, memory_order_relaxed);
  return TEP_SERVER_COUNTER_REFUSED_SOURCE;
}

TepServerConnection *
tep_server_core_accept (TepServerCore *core, const StunExtAddress *source)
{
  TepServerCounter verdict = take_connection (core, source);
  TepServerConnection *connection;

  tep_server_core_count (core, verdict, 1);
  if (verdict != TEP_SERVER_COUNTER_ACCEPTED)
    return NULL;
  connection = tep_server_connection_new (core, source);
  if (connection != NULL)
    return connection;
  atomic_fetch_sub_explicit (&core->shared->connections, 1, memory_order_relaxed);
  atomic_fetch_sub_explicit (&core->shared->unauthenticated, 1, memory_order_relaxed);
  tep_server_quota_give (core->shared->source_connections, tep_server_quota_source_key (source));
  tep_server_quota_give (core->shared->source_unauthenticated,
                         tep_server_quota_source_key (source));
  return NULL;
}

/* ---- time ---- */

static void
fire (TepServerTimer *timer, gpointer user_data)
{
  if (timer->is_tunnel)
    tep_server_tunnel_timeout (
        (TepServerTunnel *)((guint8 *)timer - G_STRUCT_OFFSET (TepServerTunnel, timer)));
  else
    tep_server_connection_timeout (
        (TepServerConnection *)((guint8 *)timer - G_STRUCT_OFFSET (TepServerConnection, timer)));
}

/* FEEDBACK that found no media to ride with. */
static void
send_feedback (TepServerCore *core)
{
  while (core->feedback != NULL &&
         core->now_us >= core->feedback->feedback_since_us + FEEDBACK_LATEST_US) {
    TepServerTunnel *tunnel = core->feedback;
    TepServerConnection *connection = tunnel->connections[tunnel->last_number];

    if (connection != NULL && tunnel->tally.is_pending)
      tep_server_tunnel_feedback (tunnel, connection);
    else
      tep_server_tunnel_feedback_done (tunnel);
  }
}

static void
drop_oldest_unauthenticated (TepServerCore *core)
{
  TepServerConnection *oldest = NULL;

  for (const FrontDoor *front = core->newcomers; front != NULL; front = front->next) {
    if (front->connection->state < CONNECTION_LEAVING)
      oldest = front->connection; /* new ones are put in front */
  }
  if (oldest != NULL)
    tep_server_connection_close (oldest, TEP_SERVER_COUNTER_CONNECTION_BUDGET);
}

/* What the worker's own structures hold, once a second. */
static void
check_memory (TepServerCore *core)
{
  guint64 budget = (guint64)core->settings.config->limits.memory_mb * 1024 * 1024 / core->total;
  guint64 used = core->n_connections * sizeof (TepServerConnection) +
                 core->tunnels.n * sizeof (TepServerTunnel) +
                 core->flows.n * sizeof (TepServerFlow) +
                 core->ports.n * sizeof (TepServerLeasing) +
                 (guint64)core->pool.n_used * TEP_SERVER_CHUNK_SIZE;

  if (core->now_us < core->memory_due_us)
    return;
  core->memory_due_us = core->now_us + MEMORY_CHECK_US;
  atomic_store_explicit (&core->counters[TEP_SERVER_COUNTER_MEMORY], used, memory_order_relaxed);
  core->memory_level = budget > 0 ? (guint)MIN (used * 100 / budget, 100) : 0;
  if (core->memory_level >= 95)
    drop_oldest_unauthenticated (core);
}

static void
check_drain (TepServerCore *core)
{
  gsize bucket = 0;
  TepServerTunnel *tunnel;

  if (!core->is_draining || core->now_us < core->drain_due_us)
    return;
  core->drain_due_us = G_MAXINT64;
  while ((tunnel = any_tunnel (core, &bucket)) != NULL)
    tep_server_tunnel_end (tunnel, STUN_EXT_CODE_TRY_ALTERNATE, TEP_SERVER_COUNTER_CLOSED_DRAIN);
}

/* A reload may have taken away what a tunnel was opened with. Keys take time to derive, so only some
 * are looked at in each round. A table that grows meanwhile moves tunnels to the same bucket or a later one. */
static void
check_credentials (TepServerCore *core)
{
  gsize end = MIN (core->credentials_bucket + CREDENTIALS_PER_ROUND, core->tunnels.mask + 1);

  for (; core->credentials_bucket < end; core->credentials_bucket++) {
    TepServerNode *node = core->tunnels.buckets[core->credentials_bucket];

    while (node != NULL) {
      TepServerTunnel *tunnel = (TepServerTunnel *)node;

      node = node->next;
      tep_server_tunnel_check_credential (tunnel);
    }
  }
  core->is_checking_credentials = core->credentials_bucket <= core->tunnels.mask;
}

void
tep_server_core_advance (TepServerCore *core, gint64 now_us, gint64 now_ms)
{
  core->now_us = now_us;
  core->now_ms = now_ms;
  tep_server_wheel_sweep (&core->wheel, now_us, fire, core);
  if (core->feedback != NULL)
    send_feedback (core);
  check_memory (core);
  check_drain (core);
  if (core->is_checking_credentials)
    check_credentials (core);
}

gint64
tep_server_core_deadline (const TepServerCore *core)
{
  gint64 due_us = tep_server_wheel_next (&core->wheel);

  if (core->feedback != NULL)
    due_us = MIN (due_us, core->feedback->feedback_since_us + FEEDBACK_LATEST_US);
  if (core->is_draining)
    due_us = MIN (due_us, core->drain_due_us);
  if (core->is_checking_credentials)
    due_us = core->now_us;
  return due_us;
}

/* A drain ends idle tunnels at once; calls have until the deadline. */
void
tep_server_core_drain (TepServerCore *core, gint64 deadline_us)
{
  core->is_draining = TRUE;
  core->drain_due_us = deadline_us;
  for (gsize i = 0; i <= core->tunnels.mask; i++) {
    TepServerNode *node = core->tunnels.buckets[i];

    while (node != NULL) {
      TepServerTunnel *tunnel = (TepServerTunnel *)node;

      node = node->next;
      if (tunnel->n_flows == 0)
        tep_server_tunnel_end (tunnel, STUN_EXT_CODE_TRY_ALTERNATE,
                               TEP_SERVER_COUNTER_CLOSED_DRAIN);
    }
  }
}

/* ---- the end of a round ---- */

void
tep_server_core_hangup (TepServerCore *core, TepServerConnection *connection)
{
  tep_server_connection_close (connection, TEP_SERVER_COUNTER_CONNECTION_PEER);
}

gsize
tep_server_core_output (TepServerConnection *connection, struct iovec *pieces, gsize n)
{
  return tep_server_output_pieces (&connection->out, pieces, n);
}

void
tep_server_core_written (TepServerCore *core, TepServerConnection *connection, gsize length)
{
  if (length > 0) {
    tep_server_output_consume (&connection->out, &core->pool, length);
    connection->progress_us = core->now_us;
  }
  tep_server_connection_set_waiting (connection, connection->out.length > 0);
}

void
tep_server_core_writable (TepServerCore *core, TepServerConnection *connection)
{
  tep_server_connection_mark_dirty (connection);
}

gboolean
tep_server_core_is_finished (const TepServerConnection *connection)
{
  return connection->state == CONNECTION_CLOSING && connection->out.length == 0;
}

static void
flush_connection (TepServerCore *core, TepServerConnection *connection)
{
  if (connection->state != CONNECTION_OVER && connection->plain.length > 0)
    tep_server_connection_encrypt (connection);
  if (connection->state != CONNECTION_OVER &&
      (connection->out.length > 0 || connection->state == CONNECTION_CLOSING))
    core->host->output (core->host_data, connection);
  if (connection->state == CONNECTION_OVER) {
    core->host->over (core->host_data, connection);
    tep_server_connection_free (connection);
    return;
  }
  connection->is_dirty = FALSE;
  if (connection->state == CONNECTION_LEAVING)
    core->host->hand_over (core->host_data, connection, connection->target_worker);
}

void
tep_server_core_flush (TepServerCore *core)
{
  tep_server_core_flush_packets (core);
  core->plain_used = 0;
  /* Writing may bring a connection to its end and so mark others. */
  while (core->dirty != NULL) {
    TepServerConnection *connection = core->dirty;

    core->dirty = connection->next_dirty;
    connection->next_dirty = NULL;
    /* It stays marked until it is done with: what comes to its end here is freed here, and must not
     * be in the list again. */
    flush_connection (core, connection);
  }
  free_over (core);
}

/* ---- small things ---- */

void
tep_server_connection_set_host_data (TepServerConnection *connection, gintptr data)
{
  connection->host_data = data;
}

gintptr
tep_server_connection_get_host_data (const TepServerConnection *connection)
{
  return connection->host_data;
}

gsize
tep_server_core_n_tunnels (const TepServerCore *core)
{
  return core->tunnels.n;
}

gsize
tep_server_core_n_connections (const TepServerCore *core)
{
  return core->n_connections;
}

void
tep_server_core_set_detecting (TepServerCore *core)
{
  core->is_detecting = TRUE;
}

gboolean
tep_server_core_is_detecting (const TepServerCore *core)
{
  return core->is_detecting && core->settings.config->detect.is_at_front_door;
}

void
tep_server_core_set_recording (TepServerCore *core, gboolean is_recording)
{
  core->is_recording = is_recording && core->host->record != NULL;
}

void
tep_server_core_count (TepServerCore *core, TepServerCounter counter, gint64 n)
{
  count_n (core, counter, n);
}

void
tep_server_core_add_counters (const TepServerCore *core, TepServerCounters *sum)
{
  for (gsize i = 0; i < TEP_SERVER_N_COUNTERS; i++)
    sum->values[i] += atomic_load_explicit (&core->counters[i], memory_order_relaxed);
}
