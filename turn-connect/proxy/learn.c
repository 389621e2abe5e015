/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A network in which nothing but a proxy leads out often says so nowhere but in DHCP. Who configured this machine
 * comes first, even if he says that no proxy is to be used; and an error of his is no reason to ask the network.
 */
#include "turn-connect/proxy/learn.h"

#include "turn-connect/proxy/finder.h"
#include "turn-connect/proxy/lease.h"
#include "turn-connect/target-private.h"

#define FIND_US (1500 * G_GINT64_CONSTANT (1000))

static gboolean
is_anybody_named (const GPtrArray *ways)
{
  for (guint i = 0; i < ways->len; i++) {
    if (g_ptr_array_index (ways, i) != NULL)
      return TRUE;
  }
  return FALSE;
}

static void
found (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  g_autoptr (GPtrArray) ways = NULL;
  const char *url = g_task_get_task_data (task);
  gboolean is_system;

  ways = turn_connect_find_ways_finish (result, &is_system, NULL);
  g_task_return_pointer (task,
                         is_system && ways != NULL && !is_anybody_named (ways)
                             ? g_strconcat ("pac+", url, NULL)
                             : NULL,
                         g_free);
}

void
turn_connect_learn_proxy_async (TurnConnectTarget *target,
                                GCancellable *cancellable,
                                GAsyncReadyCallback callback,
                                gpointer user_data)
{
  const TurnConnectFinderRequest request = {
    .source = TURN_CONNECT_PROXY_SOURCE_AUTO,
    .tls = target->proxy_tls,
    .host = target->host,
    .port = target->port,
    .deadline = g_get_monotonic_time () + FIND_US,
  };
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);
  char *url =
      turn_connect_lease_find_pac ("/", target->interface, g_get_real_time () / G_USEC_PER_SEC);

  g_task_set_source_tag (task, turn_connect_learn_proxy_async);
  if (url == NULL) {
    g_task_return_pointer (task, NULL, NULL);
    g_object_unref (task);
    return;
  }
  g_task_set_task_data (task, url, g_free);
  turn_connect_find_ways_async (&request, cancellable, found, task);
}

char *
turn_connect_learn_proxy_finish (GAsyncResult *result)
{
  return g_task_propagate_pointer (G_TASK (result), NULL);
}
