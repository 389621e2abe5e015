/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The sequence of steps from a target to a stream, under one deadline. Every step turns the stream
 * it got into the next one; which steps there are follows from the target alone, so that no failure
 * can lead to a way that was not asked for.
 */
#include "turn-connect/dial.h"

#include "turn-connect/error-private.h"
#include "turn-connect/host.h"
#include "turn-connect/reach.h"
#include "turn-connect/stream-private.h"
#include "turn-connect/target-private.h"

typedef struct {
  TurnConnectTarget *target;
  TurnConnectProgressFunc progress;
  gpointer progress_data;
  GCancellable *cancellable; /* the caller's */
  TurnConnectStep step;
  gint64 begun_at;
  gint64 deadline;
  gint64 step_begun_at;
  TurnConnectTimings timings;
} Dial;

static void
dial_free (gpointer data)
{
  Dial *dial = data;

  g_clear_object (&dial->target);
  g_clear_object (&dial->cancellable);
  g_free (dial);
}

static void
enter (Dial *dial, TurnConnectStep step, const char *detail)
{
  TurnConnectProgress progress = { .step = step, .detail = detail };
  gint64 now = g_get_monotonic_time ();

  dial->step = step;
  dial->step_begun_at = now;
  progress.elapsed_us = now - dial->begun_at;
  g_debug ("dial: %s %s", turn_connect_step_to_string (step), detail != NULL ? detail : "");
  if (dial->progress != NULL)
    dial->progress (&progress, dial->progress_data);
}

static void
finish (GTask *task, TurnConnectStream *stream)
{
  Dial *dial = g_task_get_task_data (task);

  dial->timings.total_us = g_get_monotonic_time () - dial->begun_at;
  turn_connect_stream_set_timings (stream, &dial->timings);
  enter (dial, TURN_CONNECT_STEP_READY, NULL);
  g_task_return_pointer (task, g_object_ref (stream), g_object_unref);
}

static void
trying (GSocketAddress *address, gpointer user_data)
{
  Dial *dial = user_data;
  g_autofree char *where = turn_connect_address_to_string (address);

  enter (dial, TURN_CONNECT_STEP_CONNECT, where);
}

static void
reached (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Dial *dial = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (TurnConnectStream) stream = NULL;
  gint64 now = g_get_monotonic_time ();
  gint64 resolved_at = 0;

  stream = turn_connect_reach_finish (result, &resolved_at, &error);
  if (stream == NULL) {
    g_task_return_error (task, g_steal_pointer (&error));
    return;
  }
  dial->timings.resolve_us = resolved_at - dial->begun_at;
  dial->timings.connect_us = now - resolved_at;
  finish (task, stream);
}

void
turn_connect_dial_async (TurnConnectTarget *target,
                         TurnConnectProgressFunc progress,
                         gpointer progress_data,
                         GCancellable *cancellable,
                         GAsyncReadyCallback callback,
                         gpointer user_data)
{
  GTask *task;
  Dial *dial;

  g_return_if_fail (TURN_CONNECT_IS_TARGET (target));
  task = g_task_new (target, cancellable, callback, user_data);
  dial = g_new0 (Dial, 1);
  g_task_set_source_tag (task, turn_connect_dial_async);
  g_task_set_task_data (task, dial, dial_free);
  dial->target = g_object_ref (target);
  dial->progress = progress;
  dial->progress_data = progress_data;
  g_set_object (&dial->cancellable, cancellable);
  dial->begun_at = g_get_monotonic_time ();
  dial->deadline = dial->begun_at + (gint64)target->timeout_ms * 1000;
  enter (dial, TURN_CONNECT_STEP_RESOLVE, target->host);
  turn_connect_reach_async (target->host, target->port, dial->deadline, trying, dial, cancellable,
                            reached, task);
}

TurnConnectStream *
turn_connect_dial_finish (TurnConnectTarget *target, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, target), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}
