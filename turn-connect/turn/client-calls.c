/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an application asks of a client and waits for: permissions, channels, connections with TCP
 * peers. A call ends once: by its answer, by its cancellable, or with the client.
 */
#include "turn-connect/turn/client-private.h"

#include "turn-connect/error-private.h"
#include "turn-connect/target-private.h"
#include "turn-connect/turn/connection.h"

typedef struct {
  guint64 token;
  GTask *task;
  GSource *cancel; /* NULL: none */
  gboolean wants_stream;
} Call;

void
turn_connect_client_free_call (gpointer data)
{
  Call *call = data;

  if (call->cancel != NULL)
    g_source_destroy (call->cancel);
  g_clear_pointer (&call->cancel, g_source_unref);
  g_clear_object (&call->task);
  g_free (call);
}

static gboolean
cancelled (GCancellable *cancellable, gpointer user_data)
{
  Call *call = user_data;
  TurnConnectClient *self = g_task_get_source_object (call->task);
  g_autoptr (GTask) task = g_object_ref (call->task);

  g_hash_table_remove (self->calls, &call->token);
  g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "waiting was cancelled");
  return G_SOURCE_REMOVE;
}

/* Notes a call; 0: it has failed already, for there is no allocation to ask. */
static guint64
begin_call (TurnConnectClient *self, GTask *task, gboolean wants_stream)
{
  GCancellable *cancellable = g_task_get_cancellable (task);
  Call *call;

  if (self->allocation == NULL || self->state == TURN_CONNECT_CLIENT_CLOSING ||
      self->state == TURN_CONNECT_CLIENT_CLOSED) {
    g_task_return_new_error (task, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_CLOSED,
                             self->allocation == NULL ? "the client was not begun"
                                                      : "the client was closed");
    return 0;
  }
  if (g_task_return_error_if_cancelled (task))
    return 0;
  call = g_new0 (Call, 1);
  call->token = ++self->last_token;
  call->task = g_object_ref (task);
  call->wants_stream = wants_stream;
  g_hash_table_insert (self->calls, &call->token, call);
  if (cancellable != NULL) {
    call->cancel = g_cancellable_source_new (cancellable);
    g_source_set_callback (call->cancel, G_SOURCE_FUNC (cancelled), call, NULL);
    g_source_attach (call->cancel, self->context);
  }
  return call->token;
}

void
turn_connect_client_fail_calls (TurnConnectClient *self, const GError *error)
{
  g_autoptr (GList) calls = g_hash_table_get_values (self->calls);

  g_hash_table_steal_all (self->calls);
  for (GList *at = calls; at != NULL; at = at->next) {
    Call *call = at->data;
    g_autoptr (GTask) task = g_object_ref (call->task);

    turn_connect_client_free_call (call);
    g_task_return_error (task, g_error_copy (error));
  }
}

static void
stream_opened (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  TurnConnectStream *stream = turn_connect_connection_open_finish (result, &error);

  if (stream != NULL)
    g_task_return_pointer (task, stream, g_object_unref);
  else
    g_task_return_error (task, error);
}

/* A name may stand for several servers, and only the one that has the allocation will do: so the
 * address of the first connection is used, unless a proxy looks names up. */
static TurnConnectTarget *
same_server (TurnConnectClient *self)
{
  TurnConnectStream *stream = turn_connect_client_get_stream (self);
  GSocketAddress *remote = stream != NULL ? turn_connect_stream_get_remote_address (stream) : NULL;
  g_autofree char *host = NULL;
  TurnConnectTarget *alternate;

  if (self->current->proxy != NULL || !G_IS_INET_SOCKET_ADDRESS (remote))
    return g_object_ref (self->current);
  host =
      g_inet_address_to_string (g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (remote)));
  alternate = turn_connect_target_new_alternate (
      self->current, host, turn_connect_target_get_port (self->current), NULL, NULL);
  return alternate != NULL ? alternate : g_object_ref (self->current);
}

static void
open_stream (TurnConnectClient *self, GTask *task, guint32 connection_id)
{
  g_autoptr (TurnConnectTarget) target = same_server (self);

  turn_connect_connection_open_async (target, turn_connect_allocation_get_auth (self->allocation),
                                      connection_id, g_task_get_cancellable (task), stream_opened,
                                      g_object_ref (task));
}

void
turn_connect_client_call_done (TurnConnectClient *self, TurnConnectEvent *event)
{
  Call *call = g_hash_table_lookup (self->calls, &event->token);
  g_autoptr (GTask) task = NULL;
  gboolean wants_stream;

  if (call == NULL)
    return; /* cancelled */
  task = g_object_ref (call->task);
  wants_stream = call->wants_stream;
  g_hash_table_remove (self->calls, &event->token);
  if (event->error != NULL)
    g_task_return_error (task, g_steal_pointer (&event->error));
  else if (wants_stream)
    open_stream (self, task, event->connection_id);
  else
    g_task_return_int (task, event->channel);
}

static GTask *
new_task (TurnConnectClient *self,
          GCancellable *cancellable,
          GAsyncReadyCallback callback,
          gpointer user_data,
          gpointer tag)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, tag);
  return task;
}

void
turn_connect_client_permit_async (TurnConnectClient *client,
                                  const StunExtAddress *peers,
                                  guint n_peers,
                                  GCancellable *cancellable,
                                  GAsyncReadyCallback callback,
                                  gpointer user_data)
{
  g_autoptr (GTask) task =
      new_task (client, cancellable, callback, user_data, turn_connect_client_permit_async);
  guint64 token = begin_call (client, task, FALSE);

  if (token == 0)
    return;
  turn_connect_allocation_permit (client->allocation, peers, n_peers, token,
                                  g_get_monotonic_time ());
  turn_connect_client_settle (client);
}

gboolean
turn_connect_client_permit_finish (TurnConnectClient *client, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, client), FALSE);
  return g_task_propagate_int (G_TASK (result), error) >= 0;
}

void
turn_connect_client_bind_async (TurnConnectClient *client,
                                const StunExtAddress *peer,
                                GCancellable *cancellable,
                                GAsyncReadyCallback callback,
                                gpointer user_data)
{
  g_autoptr (GTask) task =
      new_task (client, cancellable, callback, user_data, turn_connect_client_bind_async);
  guint64 token = begin_call (client, task, FALSE);

  if (token == 0)
    return;
  turn_connect_allocation_bind (client->allocation, peer, token, g_get_monotonic_time ());
  turn_connect_client_settle (client);
}

guint16
turn_connect_client_bind_finish (TurnConnectClient *client, GAsyncResult *result, GError **error)
{
  gssize channel;

  g_return_val_if_fail (g_task_is_valid (result, client), 0);
  channel = g_task_propagate_int (G_TASK (result), error);
  return (guint16)MAX (channel, 0);
}

void
turn_connect_client_forget (TurnConnectClient *client, const StunExtAddress *peer)
{
  if (client->allocation == NULL)
    return;
  turn_connect_allocation_forget (client->allocation, peer, g_get_monotonic_time ());
  turn_connect_client_settle (client);
}

void
turn_connect_client_connect_async (TurnConnectClient *client,
                                   const StunExtAddress *peer,
                                   GCancellable *cancellable,
                                   GAsyncReadyCallback callback,
                                   gpointer user_data)
{
  g_autoptr (GTask) task =
      new_task (client, cancellable, callback, user_data, turn_connect_client_connect_async);
  guint64 token = begin_call (client, task, TRUE);

  if (token == 0)
    return;
  turn_connect_allocation_connect_peer (client->allocation, peer, token, g_get_monotonic_time ());
  turn_connect_client_settle (client);
}

TurnConnectStream *
turn_connect_client_connect_finish (TurnConnectClient *client, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, client), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

void
turn_connect_client_accept_async (TurnConnectClient *client,
                                  guint32 connection_id,
                                  GCancellable *cancellable,
                                  GAsyncReadyCallback callback,
                                  gpointer user_data)
{
  g_autoptr (GTask) task =
      new_task (client, cancellable, callback, user_data, turn_connect_client_accept_async);

  if (client->state != TURN_CONNECT_CLIENT_READY) {
    g_task_return_new_error (task, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_CLOSED,
                             "there is no allocation to accept for");
    return;
  }
  open_stream (client, task, connection_id);
}

TurnConnectStream *
turn_connect_client_accept_finish (TurnConnectClient *client, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, client), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}
