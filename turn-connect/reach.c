/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a name to whoever answers first: runs the race between a name's addresses, each tried by TCP
 * or by another way. Every attempt that fails leaves a line, so that the final error says what
 * happened at each address and not only at the last one.
 */
#include "turn-connect/reach.h"

#include "turn-connect/error-private.h"
#include "turn-connect/lookup.h"
#include "turn-connect/race.h"
#include "turn-connect/stream-private.h"

typedef struct _Reach Reach;

struct _TurnConnectAttempt {
  Reach *reach; /* borrowed: attempts die with it */
  GSocketAddress *address;
  gpointer trial; /* the way's; NULL while it begins */
};

struct _Reach {
  const TurnConnectReachWay *way;
  gpointer way_data;
  char *host;
  guint16 port;
  gint64 begun_at;
  gint64 deadline;
  TurnConnectReachFunc progress;
  gpointer progress_data;

  GTask *task; /* NULL once it returned */
  GMainContext *context;
  TurnConnectLookup *lookup;
  GSource *cancel_source;
  GSource *timer;
  TurnConnectRace *race;
  GPtrArray *attempts; /* TurnConnectAttempt */
  GString *failures;
  int worst_code; /* the most telling of the failed attempts; -1 before any */
  gint64 resolved_at;
};

static void
attempt_free (gpointer data)
{
  TurnConnectAttempt *attempt = data;

  if (attempt->trial != NULL)
    attempt->reach->way->end (attempt->trial);
  g_object_unref (attempt->address);
  g_free (attempt);
}

static void
destroy_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
reach_free (gpointer data)
{
  Reach *reach = data;

  g_free (reach->host);
  g_clear_pointer (&reach->lookup, turn_connect_lookup_free);
  g_clear_pointer (&reach->race, turn_connect_race_free);
  g_clear_pointer (&reach->attempts, g_ptr_array_unref);
  g_clear_pointer (&reach->context, g_main_context_unref);
  g_string_free (reach->failures, TRUE);
  g_free (reach);
}

/* Detaches everything; the caller returns the task it gets. */
static GTask *
stop (Reach *reach)
{
  destroy_source (&reach->cancel_source);
  destroy_source (&reach->timer);
  g_ptr_array_set_size (reach->attempts, 0);
  g_clear_pointer (&reach->lookup, turn_connect_lookup_free);
  return g_steal_pointer (&reach->task);
}

static void
fail (Reach *reach, GError *error)
{
  g_autoptr (GTask) task = stop (reach);

  g_task_return_error (task, error);
}

/* Refusal says most about the far end, silence says more than a missing route. */
static int
rank (int code)
{
  switch (code) {
  case TURN_CONNECT_ERROR_RESOURCES:
    return 4;
  case TURN_CONNECT_ERROR_REFUSED:
    return 3;
  case TURN_CONNECT_ERROR_TIMED_OUT:
    return 2;
  case -1:
    return 0;
  default:
    return 1;
  }
}

static void
note_failure (Reach *reach, GSocketAddress *address, int code, const char *what)
{
  g_autofree char *where = turn_connect_address_to_string (address);

  g_string_append_printf (reach->failures, "%s%s %s", reach->failures->len > 0 ? "; " : "", where,
                          what);
  if (rank (code) > rank (reach->worst_code))
    reach->worst_code = code;
}

static void
give_up (Reach *reach)
{
  GError *error;

  if (!turn_connect_race_has_addresses (reach->race))
    error = turn_connect_lookup_make_error (reach->lookup);
  else
    error =
        g_error_new (TURN_CONNECT_ERROR, reach->worst_code, "no address of %s could be reached: %s",
                     reach->host, reach->failures->str);
  turn_connect_error_set_step (error, TURN_CONNECT_STEP_CONNECT);
  fail (reach, error);
}

static void
time_out (Reach *reach)
{
  double seconds = (double)(g_get_monotonic_time () - reach->begun_at) / G_USEC_PER_SEC;
  GError *error;

  if (!turn_connect_race_has_addresses (reach->race)) {
    fail (reach, turn_connect_lookup_make_silence_error (reach->lookup));
    return;
  }
  for (guint i = 0; i < reach->attempts->len; i++) {
    TurnConnectAttempt *attempt = g_ptr_array_index (reach->attempts, i);

    note_failure (reach, attempt->address, TURN_CONNECT_ERROR_TIMED_OUT, "did not answer");
  }
  error = g_error_new (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TIMED_OUT,
                       "%s could not be reached within %.1f s: %s", reach->host, seconds,
                       reach->failures->str);
  turn_connect_error_set_step (error, TURN_CONNECT_STEP_CONNECT);
  fail (reach, error);
}

static void go_on (Reach *reach);

GMainContext *
turn_connect_attempt_get_context (TurnConnectAttempt *attempt)
{
  return attempt->reach->context;
}

void
turn_connect_attempt_won (TurnConnectAttempt *attempt, gpointer result)
{
  g_autoptr (GTask) task = stop (attempt->reach);

  g_task_return_pointer (task, result, g_object_unref);
}

/* Somebody is there, and is not whom he should be: asking at the next door would be the way of an
 * attacker who answers at one. */
static gboolean
is_verdict (const GError *error)
{
  return error->domain == TURN_CONNECT_ERROR && error->code >= TURN_CONNECT_ERROR_TLS_FAILED &&
         error->code <= TURN_CONNECT_ERROR_TLS_CERTIFICATE;
}

static void
note_error (Reach *reach, GSocketAddress *address, const GError *error)
{
  note_failure (reach, address, error->code, error->message);
  turn_connect_race_failed (reach->race);
}

void
turn_connect_attempt_failed (TurnConnectAttempt *attempt, GError *error)
{
  g_autoptr (GError) owned = error;
  Reach *reach = attempt->reach;

  if (is_verdict (error)) {
    fail (reach, g_steal_pointer (&owned));
    return;
  }
  note_error (reach, attempt->address, error);
  g_ptr_array_remove_fast (reach->attempts, attempt);
  go_on (reach);
}

static void
try_address (Reach *reach, GInetAddress *ip)
{
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new (ip, reach->port);
  g_autoptr (GError) error = NULL;
  TurnConnectAttempt *attempt;

  if (reach->progress != NULL)
    reach->progress (address, reach->progress_data);
  if (reach->task == NULL)
    return; /* cancelled from within the callback */
  attempt = g_new0 (TurnConnectAttempt, 1);
  attempt->reach = reach;
  attempt->address = g_steal_pointer (&address);
  g_ptr_array_add (reach->attempts, attempt);
  attempt->trial = reach->way->begin (attempt, attempt->address, reach->way_data, &error);
  if (attempt->trial != NULL)
    return;
  if (is_verdict (error)) {
    fail (reach, g_steal_pointer (&error));
    return;
  }
  note_error (reach, attempt->address, error);
  g_ptr_array_remove_fast (reach->attempts, attempt);
}

static gboolean
timer_fired (gpointer user_data)
{
  Reach *reach = user_data;

  destroy_source (&reach->timer);
  if (g_get_monotonic_time () >= reach->deadline)
    time_out (reach);
  else
    go_on (reach);
  return G_SOURCE_REMOVE;
}

static void
arm_timer (Reach *reach, gint64 wake)
{
  if (wake < 0 || wake > reach->deadline)
    wake = reach->deadline;
  destroy_source (&reach->timer);
  reach->timer = g_timeout_source_new (0);
  g_source_set_ready_time (reach->timer, wake);
  g_source_set_callback (reach->timer, timer_fired, reach, NULL);
  g_source_attach (reach->timer, reach->context);
}

static void
go_on (Reach *reach)
{
  g_autoptr (GInetAddress) ip = NULL;
  gint64 wake = -1;

  while ((ip = turn_connect_race_next (reach->race, g_get_monotonic_time (), &wake)) != NULL) {
    try_address (reach, ip);
    g_clear_object (&ip);
    if (reach->task == NULL)
      return;
  }
  if (turn_connect_race_is_lost (reach->race))
    give_up (reach);
  else
    arm_timer (reach, wake);
}

static void
answered (GSocketFamily family, GList *addresses, gpointer user_data)
{
  Reach *reach = user_data;
  gint64 now = g_get_monotonic_time ();

  turn_connect_race_answer (reach->race, family, addresses, now);
  if (reach->resolved_at == 0 && turn_connect_race_has_addresses (reach->race))
    reach->resolved_at = now;
  go_on (reach);
}

static gboolean
cancelled (GCancellable *cancellable, gpointer user_data)
{
  Reach *reach = user_data;

  fail (reach, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "connecting was cancelled"));
  return G_SOURCE_REMOVE;
}

static void
watch_cancellable (Reach *reach, GCancellable *cancellable)
{
  if (cancellable == NULL)
    return;
  reach->cancel_source = g_cancellable_source_new (cancellable);
  g_source_set_callback (reach->cancel_source, G_SOURCE_FUNC (cancelled), reach, NULL);
  g_source_attach (reach->cancel_source, reach->context);
}

void
turn_connect_reach_async (const TurnConnectReachWay *way,
                          gpointer way_data,
                          const char *host,
                          guint16 port,
                          gint64 deadline,
                          TurnConnectReachFunc progress,
                          gpointer progress_data,
                          GCancellable *cancellable,
                          GAsyncReadyCallback callback,
                          gpointer user_data)
{
  Reach *reach = g_new0 (Reach, 1);

  reach->way = way;
  reach->way_data = way_data;
  reach->task = g_task_new (NULL, NULL, callback, user_data);
  g_task_set_source_tag (reach->task, turn_connect_reach_async);
  g_task_set_task_data (reach->task, reach, reach_free);
  reach->context = g_main_context_ref_thread_default ();
  reach->host = g_strdup (host);
  reach->port = port;
  reach->begun_at = g_get_monotonic_time ();
  reach->deadline = deadline;
  reach->progress = progress;
  reach->progress_data = progress_data;
  reach->race = turn_connect_race_new ();
  reach->attempts = g_ptr_array_new_with_free_func (attempt_free);
  reach->failures = g_string_new (NULL);
  reach->worst_code = -1;
  watch_cancellable (reach, cancellable);
  arm_timer (reach, -1);
  reach->lookup = turn_connect_lookup_new (host, answered, reach);
}

gpointer
turn_connect_reach_finish (GAsyncResult *result, gint64 *resolved_at, GError **error)
{
  Reach *reach = g_task_get_task_data (G_TASK (result));

  *resolved_at = reach->resolved_at;
  return g_task_propagate_pointer (G_TASK (result), error);
}
