/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The questions of a plan are asked, all that are open at once, and silence has an end. When it
 * comes, what was not answered counts as failed, and the plan makes of that what the RFC says; so a
 * network whose name service swallows unusual questions costs time but no servers.
 */
#include "turn-connect/turn/resolve-private.h"

#include "turn-connect/turn/plan.h"

#define LIMIT_MS 2500 /* arbitrary: a second try, sent after 1 s, has 1.5 s for its answer */

typedef struct {
  TurnConnectPlan *plan;
  TurnConnectDns *dns; /* NULL: nobody to ask */
  char *dns_servers;
  gboolean has_dns; /* tried to have one */
  GTask *task;      /* NULL once it returned */
  GMainContext *context;
  GSource *cancel_source;
  GSource *timer;
  GSource *start;
} Resolve;

static void
destroy_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
resolve_free (gpointer data)
{
  Resolve *resolve = data;

  g_clear_pointer (&resolve->plan, turn_connect_plan_free);
  g_clear_pointer (&resolve->dns, turn_connect_dns_free);
  g_clear_pointer (&resolve->context, g_main_context_unref);
  g_free (resolve->dns_servers);
  g_free (resolve);
}

/* Detaches everything; the caller returns the task it gets. */
static GTask *
stop (Resolve *resolve)
{
  destroy_source (&resolve->cancel_source);
  destroy_source (&resolve->timer);
  destroy_source (&resolve->start);
  g_clear_pointer (&resolve->dns, turn_connect_dns_free);
  return g_steal_pointer (&resolve->task);
}

static void go_on (Resolve *resolve);

static void
answered (TurnConnectDnsType type,
          const char *name,
          TurnConnectDnsAnswer answer,
          GPtrArray *records,
          gpointer user_data)
{
  Resolve *resolve = user_data;

  turn_connect_plan_answer (resolve->plan, type, name, answer, records);
  go_on (resolve);
}

static void
ask (Resolve *resolve)
{
  TurnConnectDnsType type;
  const char *name;

  while (turn_connect_plan_take_question (resolve->plan, &type, &name)) {
    if (!resolve->has_dns)
      resolve->dns = turn_connect_dns_new (resolve->dns_servers, answered, resolve);
    resolve->has_dns = TRUE;
    if (resolve->dns != NULL)
      turn_connect_dns_ask (resolve->dns, type, name);
  }
  if (resolve->dns == NULL)
    turn_connect_plan_answer_rest (resolve->plan);
}

static void
go_on (Resolve *resolve)
{
  GPtrArray *servers = NULL;
  GError *error = NULL;
  g_autoptr (GTask) task = NULL;

  while (!turn_connect_plan_step (resolve->plan, &servers, &error)) {
    ask (resolve);
    if (resolve->dns != NULL)
      return;
  }
  task = stop (resolve);
  if (servers != NULL)
    g_task_return_pointer (task, servers, (GDestroyNotify)g_ptr_array_unref);
  else
    g_task_return_error (task, error);
}

static gboolean
timer_fired (gpointer user_data)
{
  Resolve *resolve = user_data;

  /* Each further question would be silent too: from now on none is asked. */
  g_clear_pointer (&resolve->dns, turn_connect_dns_free);
  turn_connect_plan_answer_rest (resolve->plan);
  go_on (resolve);
  return G_SOURCE_REMOVE;
}

static gboolean
start (gpointer user_data)
{
  go_on (user_data);
  return G_SOURCE_REMOVE;
}

static gboolean
cancelled (GCancellable *cancellable, gpointer user_data)
{
  g_autoptr (GTask) task = stop (user_data);

  g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CANCELLED,
                           "looking up servers was cancelled");
  return G_SOURCE_REMOVE;
}

static void
attach (Resolve *resolve, GSource **place, GSource *source, GSourceFunc func)
{
  *place = source;
  g_source_set_callback (source, func, resolve, NULL);
  g_source_attach (source, resolve->context);
}

static guint32
draw (guint32 most, gpointer user_data)
{
  return (guint32)g_random_int_range (0, (gint32)most + 1);
}

void
turn_connect_resolve_with_async (const char *dns_servers,
                                 TurnConnectUri *uri,
                                 const TurnConnectTransport *transports,
                                 guint n_transports,
                                 TurnConnectResolveFlags flags,
                                 GCancellable *cancellable,
                                 GAsyncReadyCallback callback,
                                 gpointer user_data)
{
  Resolve *resolve = g_new0 (Resolve, 1);

  resolve->plan = turn_connect_plan_new (uri, transports, n_transports, flags, draw, NULL);
  resolve->dns_servers = g_strdup (dns_servers);
  resolve->context = g_main_context_ref_thread_default ();
  resolve->task = g_task_new (NULL, cancellable, callback, user_data);
  g_task_set_source_tag (resolve->task, turn_connect_resolve_async);
  g_task_set_task_data (resolve->task, resolve, resolve_free);
  if (cancellable != NULL)
    attach (resolve, &resolve->cancel_source, g_cancellable_source_new (cancellable),
            G_SOURCE_FUNC (cancelled));
  attach (resolve, &resolve->timer, g_timeout_source_new (LIMIT_MS), timer_fired);
  /* From the context, where a cancellation that is already there comes first. */
  attach (resolve, &resolve->start, g_timeout_source_new (0), start);
}

void
turn_connect_resolve_async (TurnConnectUri *uri,
                            const TurnConnectTransport *transports,
                            guint n_transports,
                            TurnConnectResolveFlags flags,
                            GCancellable *cancellable,
                            GAsyncReadyCallback callback,
                            gpointer user_data)
{
  g_return_if_fail (n_transports >= 1 && n_transports <= TURN_CONNECT_N_TRANSPORTS);
  turn_connect_resolve_with_async (NULL, uri, transports, n_transports, flags, cancellable,
                                   callback, user_data);
}

GPtrArray *
turn_connect_resolve_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}
