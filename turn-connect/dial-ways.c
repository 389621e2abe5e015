/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Before a way can be dialled it may have to be found, and there may be several. Only that a way
 * cannot be had leads to the next one: a proxy that answers, refuses or shows a certificate that is
 * not its own has the last word, for else whoever can disturb a proxy decides where connections go.
 */
#include "turn-connect/dial-private.h"

#include "turn-connect/error-private.h"
#include "turn-connect/host.h"
#include "turn-connect/proxy/finder.h"
#include "turn-connect/proxy/list.h"
#include "turn-connect/target-private.h"

#include <sys/random.h>

#define WAY_US (10 * G_USEC_PER_SEC) /* for one way while there are others */

typedef struct {
  TurnConnectTarget *target; /* as it was when the dial began; of each way */
  TurnConnectProgressFunc progress;
  gpointer progress_data;
  GCancellable *cancellable;
  gint64 begun_at;
  gint64 deadline;
  GPtrArray *ways;
  guint at; /* next */
  gboolean is_told;
  GString *failures;
} Ways;

static void
ways_free (gpointer data)
{
  Ways *ways = data;

  g_clear_object (&ways->target);
  g_clear_object (&ways->cancellable);
  g_clear_pointer (&ways->ways, g_ptr_array_unref);
  g_string_free (ways->failures, TRUE);
  g_free (ways);
}

static void try_next (GTask *owned);

static gboolean
leads_on (const GError *error)
{
  if (error->domain != TURN_CONNECT_ERROR ||
      turn_connect_error_get_step (error) > TURN_CONNECT_STEP_PROXY)
    return FALSE;
  switch (error->code) {
  case TURN_CONNECT_ERROR_NAME_NOT_FOUND:
  case TURN_CONNECT_ERROR_NAME_FAILED:
  case TURN_CONNECT_ERROR_REFUSED:
  case TURN_CONNECT_ERROR_UNREACHABLE:
  case TURN_CONNECT_ERROR_TIMED_OUT:
  case TURN_CONNECT_ERROR_CLOSED:
    return TRUE;
  default:
    return FALSE;
  }
}

static void
way_dialled (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Ways *ways = g_task_get_task_data (task);
  GError *error = NULL;
  TurnConnectStream *stream =
      turn_connect_dial_finish (TURN_CONNECT_TARGET (source), result, &error);

  if (stream != NULL) {
    g_task_return_pointer (task, stream, g_object_unref);
    return;
  }
  if (ways->at < ways->ways->len && leads_on (error) && g_get_monotonic_time () < ways->deadline) {
    g_string_append_printf (ways->failures, "%s; then ", error->message);
    g_error_free (error);
    try_next (g_steal_pointer (&task));
    return;
  }
  if (ways->failures->len > 0)
    g_prefix_error_literal (&error, ways->failures->str);
  g_task_return_error (task, error);
}

static void
try_next (GTask *owned)
{
  Ways *ways = g_task_get_task_data (owned);
  TurnConnectProxy *proxy = ways->ways->pdata[ways->at++];
  g_autoptr (TurnConnectTarget) target = turn_connect_target_copy (ways->target);
  gint64 deadline = ways->deadline;

  if (ways->at < ways->ways->len)
    deadline = MIN (deadline, g_get_monotonic_time () + WAY_US);
  turn_connect_target_take_way (target, proxy, ways->is_told);
  turn_connect_dial_way_async (target, ways->begun_at, deadline, ways->progress,
                               ways->progress_data, ways->cancellable, way_dialled, owned);
}

static void
found (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Ways *ways = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  ways->ways = turn_connect_find_ways_finish (result, &ways->is_told, &error);
  if (ways->ways != NULL) {
    try_next (g_steal_pointer (&task));
    return;
  }
  if (error->domain != TURN_CONNECT_ERROR &&
      !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
    GError *other = g_error_new (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_RESOURCES,
                                 "the proxy cannot be found out: %s", error->message);

    g_clear_error (&error);
    error = other;
  }
  turn_connect_error_set_step (error, TURN_CONNECT_STEP_FIND_PROXY);
  g_task_return_error (task, g_steal_pointer (&error));
}

static void
find (TurnConnectTarget *target, GTask *task, Ways *ways)
{
  TurnConnectFinderRequest request = {
    .source = target->source,
    .pac_url = target->pac_url,
    .tls = target->proxy_tls,
    .host = target->host,
    .port = target->port,
    .deadline = ways->deadline,
  };
  g_autofree char *place = turn_connect_host_join (target->host, target->port);
  TurnConnectProgress progress = { .step = TURN_CONNECT_STEP_FIND_PROXY, .detail = place };

  if (ways->progress != NULL)
    ways->progress (&progress, ways->progress_data);
  turn_connect_find_ways_async (&request, ways->cancellable, found, task);
}

char *
turn_connect_dial_make_cnonce (void)
{
  guint8 octets[16];
  GString *text = g_string_new (NULL);

  if (getrandom (octets, sizeof octets, 0) != sizeof octets) {
    g_string_free (text, TRUE);
    return NULL; /* no Digest then */
  }
  for (gsize i = 0; i < sizeof octets; i++)
    g_string_append_printf (text, "%02x", octets[i]);
  return g_string_free (text, FALSE);
}

void
turn_connect_dial_async (TurnConnectTarget *target,
                         TurnConnectProgressFunc progress,
                         gpointer progress_data,
                         GCancellable *cancellable,
                         GAsyncReadyCallback callback,
                         gpointer user_data)
{
  gint64 now = g_get_monotonic_time ();
  gint64 deadline;
  Ways *ways;
  GTask *task;

  g_return_if_fail (TURN_CONNECT_IS_TARGET (target));
  deadline = now + (gint64)target->timeout_ms * 1000;
  if (target->source == TURN_CONNECT_PROXY_SOURCE_NONE ||
      target->source == TURN_CONNECT_PROXY_SOURCE_URL) {
    turn_connect_dial_way_async (target, now, deadline, progress, progress_data, cancellable,
                                 callback, user_data);
    return;
  }
  ways = g_new0 (Ways, 1);
  ways->target = turn_connect_target_copy (target);
  ways->progress = progress;
  ways->progress_data = progress_data;
  g_set_object (&ways->cancellable, cancellable);
  ways->begun_at = now;
  ways->deadline = deadline;
  ways->failures = g_string_new (NULL);
  task = g_task_new (target, cancellable, callback, user_data);
  g_task_set_source_tag (task, turn_connect_dial_async);
  g_task_set_task_data (task, ways, ways_free);
  find (ways->target, task, ways);
}

TurnConnectStream *
turn_connect_dial_finish (TurnConnectTarget *target, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, target), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}
