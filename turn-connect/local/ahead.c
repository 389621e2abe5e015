/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Proxies with logins and TLS take several round trips, and a client's patience for the first answer
 * is 2 s. So an application can have streams opened before it lets its client ask for them. A
 * client that asks while one is still being opened gets that one.
 */
#include "turn-connect/local/ahead.h"

#define SPARE_LIFE_MS 60000

typedef struct {
  TurnConnectBridgeServer *server;
  TurnConnectStream *stream;
  GSource *end;
} Spare;

typedef struct {
  const TurnConnectClaimFuncs *funcs;
  gpointer claimant;
} Claim;

static void
spare_free (Spare *spare)
{
  g_source_destroy (spare->end);
  g_source_unref (spare->end);
  if (spare->stream != NULL)
    g_io_stream_close (G_IO_STREAM (spare->stream), NULL, NULL);
  g_clear_object (&spare->stream);
  g_free (spare);
}

static gboolean
spare_expired (gpointer user_data)
{
  Spare *spare = user_data;

  g_queue_remove (&spare->server->spares, spare);
  spare_free (spare);
  return G_SOURCE_REMOVE;
}

static void
add_spare (TurnConnectBridge *bridge, TurnConnectBridgeServer *server, TurnConnectStream *stream)
{
  Spare *spare = g_new0 (Spare, 1);

  spare->server = server;
  spare->stream = stream;
  spare->end = g_timeout_source_new (SPARE_LIFE_MS);
  g_source_set_callback (spare->end, spare_expired, spare, NULL);
  g_source_attach (spare->end, bridge->context);
  g_queue_push_tail (&server->spares, spare);
}

/* A server may have hung up meanwhile; tickets of TLS may be there to read. */
static gboolean
is_good (TurnConnectStream *stream)
{
  guint8 octet;
  gsize got;

  return turn_connect_stream_try_read (stream, &octet, 1, &got, NULL) == TURN_CONNECT_IO_BLOCKED;
}

TurnConnectStream *
turn_connect_ahead_take (TurnConnectBridgeServer *server)
{
  TurnConnectStream *stream = NULL;
  Spare *spare;

  while (stream == NULL && (spare = g_queue_pop_head (&server->spares)) != NULL) {
    if (is_good (spare->stream))
      stream = g_steal_pointer (&spare->stream);
    spare_free (spare);
  }
  return stream;
}

void
turn_connect_ahead_drop (TurnConnectBridgeServer *server)
{
  g_queue_clear_full (&server->spares, (GDestroyNotify)spare_free);
}

gboolean
turn_connect_ahead_claim (TurnConnectBridgeServer *server,
                          const TurnConnectClaimFuncs *funcs,
                          gpointer claimant)
{
  Claim *claim;

  if (server->claims.length >= server->n_opening)
    return FALSE;
  claim = g_new (Claim, 1);
  *claim = (Claim){ funcs, claimant };
  g_queue_push_tail (&server->claims, claim);
  return TRUE;
}

void
turn_connect_ahead_unclaim (TurnConnectBridgeServer *server, gpointer claimant)
{
  for (GList *l = server->claims.head; l != NULL; l = l->next) {
    Claim *claim = l->data;

    if (claim->claimant != claimant)
      continue;
    g_queue_delete_link (&server->claims, l);
    g_free (claim);
    return;
  }
}

static const char *
step_in_words (TurnConnectStep step)
{
  switch (step) {
  case TURN_CONNECT_STEP_FIND_PROXY:
    return "finding the proxy for";
  case TURN_CONNECT_STEP_RESOLVE:
    return "looking up";
  case TURN_CONNECT_STEP_CONNECT:
    return "connecting to";
  case TURN_CONNECT_STEP_PROXY_TLS:
    return "beginning TLS with the proxy";
  case TURN_CONNECT_STEP_PROXY:
    return "waiting for the proxy's answer to CONNECT";
  case TURN_CONNECT_STEP_TLS:
    return "beginning TLS with";
  default:
    break;
  }
  return "done with";
}

char *
turn_connect_ahead_describe (const TurnConnectProgress *progress)
{
  return g_strdup_printf ("%s %s", step_in_words (progress->step),
                          progress->detail != NULL ? progress->detail : "");
}

/* ---- reaching servers ---- */

void
turn_connect_bridge_dial (TurnConnectBridge *bridge,
                          TurnConnectTarget *target,
                          TurnConnectProgressFunc progress,
                          gpointer progress_data,
                          GCancellable *cancellable,
                          GAsyncReadyCallback callback,
                          gpointer user_data)
{
  g_main_context_push_thread_default (bridge->context);
  turn_connect_dial_async (target, progress, progress_data, cancellable, callback, user_data);
  g_main_context_pop_thread_default (bridge->context);
}

TurnConnectStream *
turn_connect_bridge_dial_finish (TurnConnectBridgeServer *server,
                                 TurnConnectTarget *target,
                                 GAsyncResult *result,
                                 GError **error)
{
  g_autoptr (TurnConnectStream) stream = turn_connect_dial_finish (target, result, error);

  if (stream != NULL && turn_connect_stream_get_tls_info (stream) == NULL &&
      (server->flags & TURN_CONNECT_BRIDGE_ALLOW_PLAIN) == 0) {
    g_set_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TLS_FAILED,
                 "%s was reached without TLS, which is not allowed", server->name);
    return NULL;
  }
  return g_steal_pointer (&stream);
}

typedef struct {
  TurnConnectBridgeServer *server;
  guint n_missing;
  gboolean has_failed;
  GCancellable *cancellable; /* of the dials */
  GCancellable *callers;     /* the caller's, or the bridge's end */
  gulong chained;
} Preparing;

static void
preparing_free (gpointer data)
{
  Preparing *preparing = data;

  if (preparing->callers != NULL)
    g_cancellable_disconnect (preparing->callers, preparing->chained);
  g_clear_object (&preparing->callers);
  g_clear_object (&preparing->cancellable);
  g_free (preparing);
}

static void
progressed (const TurnConnectProgress *progress, gpointer user_data)
{
  TurnConnectBridgeServer *server = user_data;

  g_free (server->doing);
  server->doing = turn_connect_ahead_describe (progress);
  for (GList *l = server->claims.head; l != NULL; l = l->next) {
    Claim *claim = l->data;

    claim->funcs->set_doing (claim->claimant, server->doing);
  }
}

static void
opened (TurnConnectBridge *bridge, Preparing *preparing, GTask *task, TurnConnectStream *stream)
{
  g_autofree Claim *claim = g_queue_pop_head (&preparing->server->claims);
  gboolean is_last = --preparing->n_missing == 0 && !preparing->has_failed;

  if (g_cancellable_is_cancelled (bridge->life)) {
    g_io_stream_close (G_IO_STREAM (stream), NULL, NULL);
    g_object_unref (stream);
  } else if (claim != NULL)
    claim->funcs->come (claim->claimant, stream, NULL);
  else
    add_spare (bridge, preparing->server, stream);
  if (!is_last)
    return;
  if (claim == NULL)
    turn_connect_bridge_reached (bridge, preparing->server);
  g_task_return_boolean (task, TRUE);
}

static void
not_opened (TurnConnectBridge *bridge, Preparing *preparing, GTask *task, const GError *error)
{
  g_autofree Claim *claim = g_queue_pop_head (&preparing->server->claims);
  gboolean is_first = !preparing->has_failed;

  preparing->n_missing--;
  preparing->has_failed = TRUE;
  if (claim != NULL)
    claim->funcs->come (claim->claimant, NULL, error);
  if (!is_first)
    return;
  if (error->domain == TURN_CONNECT_ERROR)
    turn_connect_bridge_report (bridge, preparing->server, g_error_copy (error));
  g_task_return_error (task, g_error_copy (error));
}

static void
prepared (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Preparing *preparing = g_task_get_task_data (task);
  TurnConnectBridge *bridge = g_task_get_source_object (task);
  g_autoptr (GError) error = NULL;
  TurnConnectStream *stream = turn_connect_bridge_dial_finish (
      preparing->server, TURN_CONNECT_TARGET (source), result, &error);

  preparing->server->n_opening--;
  if (stream != NULL)
    opened (bridge, preparing, task, stream);
  else
    not_opened (bridge, preparing, task, error);
}

static void
cancel_dials (GCancellable *callers, gpointer user_data)
{
  g_cancellable_cancel (user_data);
}

static void
open_streams (TurnConnectBridge *bridge,
              TurnConnectBridgeServer *server,
              guint n,
              GCancellable *cancellable,
              GTask *task)
{
  Preparing *preparing = g_new0 (Preparing, 1);

  g_task_set_task_data (task, preparing, preparing_free);
  preparing->server = server;
  preparing->n_missing = n;
  preparing->cancellable = g_cancellable_new ();
  preparing->callers = g_object_ref (cancellable != NULL ? cancellable : bridge->life);
  preparing->chained =
      g_cancellable_connect (preparing->callers, G_CALLBACK (cancel_dials),
                             g_object_ref (preparing->cancellable), g_object_unref);
  server->n_opening += n;
  bridge->counts.n_dialled += n;
  for (guint i = 0; i < n; i++)
    turn_connect_bridge_dial (bridge, server->target, progressed, server, preparing->cancellable,
                              prepared, g_object_ref (task));
}

void
turn_connect_bridge_prepare_async (TurnConnectBridge *bridge,
                                   guint server,
                                   guint n_streams,
                                   GCancellable *cancellable,
                                   GAsyncReadyCallback callback,
                                   gpointer user_data)
{
  TurnConnectBridgeServer *found = turn_connect_bridge_get_server (bridge, server);
  g_autoptr (GTask) task = g_task_new (bridge, NULL, callback, user_data);
  guint n_missing = MIN (n_streams, TURN_CONNECT_BRIDGE_SPARES_MAX);

  g_task_set_source_tag (task, turn_connect_bridge_prepare_async);
  if (found != NULL)
    n_missing -= MIN (n_missing, found->spares.length);
  if (found == NULL)
    g_task_return_new_error (task, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
                             "the bridge has no server %u", server);
  else if (g_cancellable_is_cancelled (bridge->life))
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CLOSED, "the bridge was closed");
  else if (n_missing == 0)
    g_task_return_boolean (task, TRUE);
  else
    open_streams (bridge, found, n_missing, cancellable, task);
}

gboolean
turn_connect_bridge_prepare_finish (TurnConnectBridge *bridge, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, bridge), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}
