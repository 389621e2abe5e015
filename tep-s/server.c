/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The public object: it opens what workers need, starts them, and carries news between them and the
 * caller's main context. No packet comes through here.
 */
#include "tep-s/server.h"

#include <unistd.h>

#include "tep-s/detect.h"
#include "tep-s/listen.h"
#include "tep-s/worker-private.h"

struct _TepServer {
  GObject parent;
  GMainContext *context;
  TepServerSettings settings;
  TepServerMediaCallbacks callbacks;
  gpointer callback_data;
  gboolean has_callbacks;
  TepServerShared *shared;
  TepServerHelper *helper;
  TepServerRecorder *recorder;
  TepServerDetect *detect; /* nullable */
  TepServerWorker **workers;
  guint n_workers;
  gboolean is_running; /* their threads do */
  StunExtAddress *addresses;
  GSource *drain;
  TepServerCounters last; /* of the workers that are gone */
};

G_DEFINE_FINAL_TYPE (TepServer, tep_server, G_TYPE_OBJECT)

enum {
  SIGNAL_TUNNEL_OPENED,
  SIGNAL_TUNNEL_CLOSED,
  SIGNAL_DRAINED,
  N_SIGNALS,
};
static guint signals[N_SIGNALS];

#define DRAIN_CHECK_MS 100
#define MAX_WORKERS 64

/* ---- settings ---- */

/* Adds the ports that the kernel chose to what nobody may reach through the server. */
static void
protect_own (TepServer *self, TepServerSettings *settings)
{
  guint n = settings->config->n_listeners;
  g_autofree TepServerOwnRange *own = g_new0 (TepServerOwnRange, n);
  TepServerPolicy *policy;

  for (guint i = 0; i < n && i < self->settings.config->n_listeners; i++) {
    own[i].address = self->addresses[i];
    own[i].first_port = self->addresses[i].port;
    own[i].last_port = self->addresses[i].port;
  }
  policy = tep_server_policy_new_with_own (settings->policy, own, n);
  tep_server_policy_unref (settings->policy);
  settings->policy = policy;
}

/* ---- news from the workers ---- */

typedef struct {
  TepServer *self;
  TepServerEventKind kind;
  char *user;
  char *source;
  char *reason;
} News;

static void
free_news (gpointer data)
{
  News *news = data;

  g_object_unref (news->self);
  g_free (news->user);
  g_free (news->source);
  g_free (news->reason);
  g_free (news);
}

static gboolean
tell_news (gpointer data)
{
  News *news = data;

  if (news->kind == TEP_SERVER_EVENT_OPENED)
    g_signal_emit (news->self, signals[SIGNAL_TUNNEL_OPENED], 0, news->user, news->source);
  else if (news->kind == TEP_SERVER_EVENT_CLOSED)
    g_signal_emit (news->self, signals[SIGNAL_TUNNEL_CLOSED], 0, news->user, news->source,
                   news->reason);
  return G_SOURCE_REMOVE;
}

/* In a worker's thread. */
static void
on_event (gpointer data, const TepServerEvent *event)
{
  TepServer *self = data;
  News *news;
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];
  g_autoptr (GSource) source = NULL;

  if (event->kind != TEP_SERVER_EVENT_OPENED && event->kind != TEP_SERVER_EVENT_CLOSED)
    return;
  news = g_new0 (News, 1);
  news->self = g_object_ref (self);
  news->kind = event->kind;
  news->user = g_strdup (event->user);
  news->source = g_strdup (stun_ext_address_print (event->source, text));
  news->reason = g_strdup (event->reason);
  source = g_idle_source_new ();
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, tell_news, news, free_news);
  g_source_attach (source, self->context);
}

/* ---- start and stop ---- */

static const TepServerMediaOps *
backend_of (const TepServerConfig *config)
{
  switch (config->media.kind) {
  case TEP_SERVER_MEDIA_EMBEDDED:
    return &tep_server_media_embedded;
  case TEP_SERVER_MEDIA_RELAY:
    return &tep_server_media_relay;
  case TEP_SERVER_MEDIA_TUN:
    return &tep_server_media_tun;
  case TEP_SERVER_MEDIA_PCAP:
    return &tep_server_media_pcap;
  default:
    return NULL;
  }
}

static guint
count_workers (const TepServerConfig *config)
{
  guint n = config->workers > 0 ? config->workers : g_get_num_processors ();

  return MIN (n, MAX_WORKERS);
}

static gboolean
start_helper (TepServer *self, guint n_workers, GError **error)
{
  TepServerHelperPlan plan;
  TepServerMediaKind kind = self->settings.config->media.kind;

  if (kind != TEP_SERVER_MEDIA_TUN && kind != TEP_SERVER_MEDIA_PCAP)
    return TRUE;
  tep_server_helper_plan_init (&plan, self->settings.config, n_workers);
  self->helper = tep_server_helper_start (&plan, error);
  return self->helper != NULL;
}

static void
stop_workers (TepServer *self)
{
  for (guint i = 0; i < self->n_workers; i++)
    tep_server_worker_ask_to_stop (self->workers[i]);
  for (guint i = 0; i < self->n_workers; i++)
    tep_server_worker_join (self->workers[i]);
  /* From here on one thread holds all of them, and none may talk to one that is gone. */
  for (guint i = 0; i < self->n_workers; i++)
    tep_server_worker_set_peers (self->workers[i], NULL);
  for (guint i = 0; i < self->n_workers; i++) {
    tep_server_worker_shut_down (self->workers[i]);
    tep_server_core_add_counters (tep_server_worker_core (self->workers[i]), &self->last);
  }
  for (guint i = 0; i < self->n_workers; i++)
    tep_server_worker_free (self->workers[i]);
  g_clear_pointer (&self->workers, g_free);
  self->n_workers = 0;
}

static gboolean
create_workers (TepServer *self, GArray **tcp, GArray **udp, guint n, GError **error)
{
  TepServerWorkerSetup setup = { .total = n,
                                 .settings = &self->settings,
                                 .shared = self->shared,
                                 .media = backend_of (self->settings.config),
                                 .helper = self->helper,
                                 .recorder = self->recorder,
                                 .callbacks = self->has_callbacks ? &self->callbacks : NULL,
                                 .callback_data = self->callback_data,
                                 .detect = self->detect,
                                 .event = on_event,
                                 .event_data = self };

  if (setup.media == NULL) {
    g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_MEDIA,
                 "this build has no such media backend");
    return FALSE;
  }
  self->workers = g_new0 (TepServerWorker *, n);
  for (guint i = 0; i < n; i++) {
    setup.index = i;
    setup.tcp = tcp[i];
    setup.udp = udp[i];
    self->workers[i] = tep_server_worker_new (&setup, error);
    g_clear_pointer (&tcp[i], g_array_unref); /* the worker closes them */
    g_clear_pointer (&udp[i], g_array_unref);
    if (self->workers[i] == NULL)
      return FALSE;
    self->n_workers++;
  }
  for (guint i = 0; i < n; i++)
    tep_server_worker_set_peers (self->workers[i], self->workers);
  return TRUE;
}

static gboolean
open_recorder (TepServer *self, GError **error)
{
  const char *path = self->settings.config->media.record_file;

  if (path != NULL)
    self->recorder = tep_server_recorder_new (path, error);
  return path == NULL || self->recorder != NULL;
}

static gboolean
open_detect (TepServer *self, GError **error)
{
  if (!self->settings.config->detect.is_on)
    return TRUE;
  self->detect = tep_server_detect_new (&self->settings, self->context, tep_server_random, error);
  for (guint i = 0; self->detect != NULL && i < self->settings.config->n_listeners; i++)
    tep_server_detect_add_door (self->detect, &self->addresses[i],
                                self->settings.config->listeners[i].has_udp);
  return self->detect != NULL;
}

static void
discard_sockets (GArray **sockets, guint n)
{
  for (guint i = 0; i < n; i++) {
    for (guint j = 0; sockets[i] != NULL && j < sockets[i]->len; j++)
      close (g_array_index (sockets[i], int, j));
    g_clear_pointer (&sockets[i], g_array_unref);
  }
}

static gboolean
listen_all (TepServer *self, GArray **tcp, GArray **udp, guint n, GError **error)
{
  const TepServerConfig *config = self->settings.config;

  self->addresses = g_new0 (StunExtAddress, config->n_listeners);
  for (guint i = 0; i < config->n_listeners; i++) {
    if (!tep_server_listen (&config->listeners[i], n, tcp, udp, &self->addresses[i], error))
      return FALSE;
  }
  return TRUE;
}

gboolean
tep_server_open (TepServer *self, GError **error)
{
  GArray *tcp[MAX_WORKERS], *udp[MAX_WORKERS];
  guint n;
  gboolean is_open;

  g_return_val_if_fail (TEP_IS_SERVER (self), FALSE);
  if (self->n_workers > 0) {
    g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_STATE, "the server is open already");
    return FALSE;
  }
  n = count_workers (self->settings.config);
  for (guint i = 0; i < n; i++) {
    tcp[i] = g_array_new (FALSE, FALSE, sizeof (int));
    udp[i] = g_array_new (FALSE, FALSE, sizeof (int));
  }
  self->shared = tep_server_shared_new (self->settings.config, tep_server_random, NULL,
                                        g_get_real_time () / 1000);
  is_open = start_helper (self, n, error) && open_recorder (self, error) &&
            listen_all (self, tcp, udp, n, error) && open_detect (self, error);
  if (is_open) {
    protect_own (self, &self->settings);
    is_open = create_workers (self, tcp, udp, n, error);
  }
  if (!is_open) {
    discard_sockets (tcp, n);
    discard_sockets (udp, n);
    tep_server_stop (self);
  }
  return is_open;
}

gboolean
tep_server_start (TepServer *self, GError **error)
{
  g_return_val_if_fail (TEP_IS_SERVER (self), FALSE);
  if (self->is_running) {
    g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_STATE, "the server runs already");
    return FALSE;
  }
  if (self->n_workers == 0 && !tep_server_open (self, error))
    return FALSE;
  if (self->recorder != NULL && !tep_server_recorder_start (self->recorder, error)) {
    tep_server_stop (self);
    return FALSE;
  }
  for (guint i = 0; i < self->n_workers; i++) {
    if (!tep_server_worker_start (self->workers[i], error)) {
      tep_server_stop (self);
      return FALSE;
    }
  }
  if (self->detect != NULL)
    tep_server_detect_start (self->detect);
  self->is_running = TRUE;
  return TRUE;
}

void
tep_server_stop (TepServer *self)
{
  g_return_if_fail (TEP_IS_SERVER (self));
  if (self->drain != NULL)
    g_source_destroy (self->drain);
  g_clear_pointer (&self->drain, g_source_unref);
  stop_workers (self);
  if (self->detect != NULL)
    tep_server_detect_add_counters (self->detect, &self->last);
  self->last.values[TEP_SERVER_COUNTER_DETECT_CONNECTIONS] = 0; /* none is left */
  g_clear_pointer (&self->detect, tep_server_detect_free);
  self->is_running = FALSE;
  g_clear_pointer (&self->helper, tep_server_helper_stop);
  g_clear_pointer (&self->recorder, tep_server_recorder_free);
  g_clear_pointer (&self->shared, tep_server_shared_free);
  g_clear_pointer (&self->addresses, g_free);
}

/* ---- messages to the workers ---- */

static void
apply_settings (gpointer receiver, gpointer data, gboolean is_delivered)
{
  TepServerSettings *settings = data;

  if (is_delivered)
    tep_server_core_reconfigure (tep_server_worker_core (receiver), settings);
  tep_server_settings_clear (settings);
  g_free (settings);
}

gboolean
tep_server_reload (TepServer *self, const TepServerConfig *config, GError **error)
{
  TepServerSettings settings;

  g_return_val_if_fail (TEP_IS_SERVER (self), FALSE);
  if (!tep_server_settings_open (&settings, config, error))
    return FALSE;
  if (self->n_workers > 0)
    protect_own (self, &settings);
  for (guint i = 0; i < self->n_workers; i++) {
    TepServerSettings *copy = g_new0 (TepServerSettings, 1);

    tep_server_settings_copy (copy, &settings);
    tep_server_worker_post (self->workers[i], apply_settings, copy);
  }
  if (self->detect != NULL)
    tep_server_detect_reconfigure (self->detect, &settings);
  tep_server_settings_clear (&self->settings);
  self->settings = settings;
  return TRUE;
}

static void
drain_worker (gpointer receiver, gpointer data, gboolean is_delivered)
{
  gint64 *deadline_us = data;

  if (is_delivered)
    tep_server_core_drain (tep_server_worker_core (receiver), *deadline_us);
  g_free (deadline_us);
}

static gboolean
check_drained (gpointer data)
{
  TepServer *self = data;

  if (self->shared != NULL &&
      atomic_load_explicit (&self->shared->tunnels, memory_order_relaxed) > 0)
    return G_SOURCE_CONTINUE;
  g_clear_pointer (&self->drain, g_source_unref);
  g_signal_emit (self, signals[SIGNAL_DRAINED], 0);
  return G_SOURCE_REMOVE;
}

void
tep_server_drain (TepServer *self, guint deadline_s)
{
  g_return_if_fail (TEP_IS_SERVER (self));
  for (guint i = 0; i < self->n_workers; i++) {
    gint64 *deadline_us = g_new (gint64, 1);

    *deadline_us = g_get_monotonic_time () + (gint64)deadline_s * G_TIME_SPAN_SECOND;
    tep_server_worker_post (self->workers[i], drain_worker, deadline_us);
  }
  if (self->drain != NULL)
    return;
  self->drain = g_timeout_source_new (DRAIN_CHECK_MS);
  g_source_set_callback (self->drain, check_drained, self, NULL);
  g_source_attach (self->drain, self->context);
}

typedef struct {
  StunExtAddress leased;
  StunExtAddress remote;
  gboolean has_leased;
  gboolean is_open;
} PinholeOrder;

static void
set_pinhole (gpointer receiver, gpointer data, gboolean is_delivered)
{
  PinholeOrder *order = data;

  if (is_delivered)
    tep_server_core_set_pinhole (tep_server_worker_core (receiver),
                                 order->has_leased ? &order->leased : NULL, &order->remote,
                                 order->is_open);
  g_free (order);
}

static void
order_pinhole (TepServer *self,
               const StunExtAddress *leased,
               const StunExtAddress *remote,
               gboolean is_open)
{
  for (guint i = 0; i < self->n_workers; i++) {
    PinholeOrder *order = g_new0 (PinholeOrder, 1);

    order->has_leased = leased != NULL;
    if (leased != NULL)
      order->leased = *leased;
    order->remote = *remote;
    order->is_open = is_open;
    tep_server_worker_post (self->workers[i], set_pinhole, order);
  }
}

void
tep_server_add_pinhole (TepServer *self, const StunExtAddress *leased, const StunExtAddress *remote)
{
  g_return_if_fail (TEP_IS_SERVER (self));
  order_pinhole (self, leased, remote, TRUE);
}

void
tep_server_remove_pinhole (TepServer *self,
                           const StunExtAddress *leased,
                           const StunExtAddress *remote)
{
  g_return_if_fail (TEP_IS_SERVER (self));
  order_pinhole (self, leased, remote, FALSE);
}

typedef struct {
  TepServerWorkerFunc func;
  gpointer data;
} Invocation;

static void
invoke_here (gpointer receiver, gpointer data, gboolean is_delivered)
{
  Invocation *invocation = data;

  invocation->func (is_delivered ? receiver : NULL, invocation->data);
  g_free (invocation);
}

gboolean
tep_server_invoke (TepServer *self, guint worker_index, TepServerWorkerFunc func, gpointer data)
{
  Invocation *invocation;

  g_return_val_if_fail (TEP_IS_SERVER (self), FALSE);
  if (worker_index >= self->n_workers)
    return FALSE;
  invocation = g_new (Invocation, 1);
  *invocation = (Invocation){ func, data };
  tep_server_worker_post (self->workers[worker_index], invoke_here, invocation);
  return TRUE;
}

/* ---- what can be asked ---- */

void
tep_server_snapshot (TepServer *self, TepServerCounters *counters)
{
  *counters = self->last;
  for (guint i = 0; i < self->n_workers; i++)
    tep_server_core_add_counters (tep_server_worker_core (self->workers[i]), counters);
  if (self->detect != NULL)
    tep_server_detect_add_counters (self->detect, counters);
}

gboolean
tep_server_get_listener_address (TepServer *self, guint index, StunExtAddress *address)
{
  g_return_val_if_fail (TEP_IS_SERVER (self), FALSE);
  if (self->addresses == NULL || index >= self->settings.config->n_listeners)
    return FALSE;
  *address = self->addresses[index];
  return TRUE;
}

guint
tep_server_n_workers (TepServer *self)
{
  g_return_val_if_fail (TEP_IS_SERVER (self), 0);
  return self->n_workers;
}

/* ---- the object ---- */

TepServer *
tep_server_new (const TepServerConfig *config,
                const TepServerMediaCallbacks *callbacks,
                gpointer user_data,
                GError **error)
{
  g_autoptr (TepServer) self = g_object_new (TEP_TYPE_SERVER, NULL);

  if (!tep_server_settings_open (&self->settings, config, error))
    return NULL;
  if (callbacks != NULL)
    self->callbacks = *callbacks;
  self->has_callbacks = callbacks != NULL;
  self->callback_data = user_data;
  return g_steal_pointer (&self);
}

static void
tep_server_init (TepServer *self)
{
  self->context = g_main_context_ref_thread_default ();
}

static void
tep_server_dispose (GObject *object)
{
  tep_server_stop (TEP_SERVER (object));
  G_OBJECT_CLASS (tep_server_parent_class)->dispose (object);
}

static void
tep_server_finalize (GObject *object)
{
  TepServer *self = TEP_SERVER (object);

  tep_server_settings_clear (&self->settings);
  g_main_context_unref (self->context);
  G_OBJECT_CLASS (tep_server_parent_class)->finalize (object);
}

static void
tep_server_class_init (TepServerClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);

  object_class->dispose = tep_server_dispose;
  object_class->finalize = tep_server_finalize;
  signals[SIGNAL_TUNNEL_OPENED] =
      g_signal_new ("tunnel-opened", TEP_TYPE_SERVER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                    G_TYPE_NONE, 2, G_TYPE_STRING, G_TYPE_STRING);
  signals[SIGNAL_TUNNEL_CLOSED] =
      g_signal_new ("tunnel-closed", TEP_TYPE_SERVER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                    G_TYPE_NONE, 3, G_TYPE_STRING, G_TYPE_STRING, G_TYPE_STRING);
  signals[SIGNAL_DRAINED] = g_signal_new ("drained", TEP_TYPE_SERVER, G_SIGNAL_RUN_LAST, 0, NULL,
                                          NULL, NULL, G_TYPE_NONE, 0);
}
