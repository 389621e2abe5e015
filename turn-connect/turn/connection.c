/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A data connection of RFC 6062: one request, and from its answer on the stream is the peer's. The
 * first octets of the peer may come in one segment with the answer, so whatever was read behind it
 * goes back into the stream.
 */
#include "turn-connect/turn/connection.h"

#include "turn-connect/alarm.h"
#include "turn-connect/dial.h"
#include "turn-connect/error-private.h"
#include "turn-connect/host.h"
#include "turn-connect/turn/answer.h"
#include "turn-connect/turn/carrier.h"
#include "turn-connect/turn/client-private.h"
#include "turn-connect/turn/transaction.h"

typedef struct {
  GTask *task; /* NULL once it returned */
  char *who;
  TurnConnectAuth auth;
  TurnConnectTransaction transaction;
  TurnConnectCarrierLink *link;
  GSource *timer;
  GSource *cancel;
} Connection;

static void
destroy_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
connection_free (gpointer data)
{
  Connection *self = data;

  turn_connect_auth_clear (&self->auth);
  turn_connect_transaction_clear (&self->transaction);
  g_clear_pointer (&self->link, turn_connect_carrier_close);
  destroy_source (&self->timer);
  destroy_source (&self->cancel);
  g_free (self->who);
  g_free (self);
}

/* Ends it with a stream or an error; frees it with the task. */
static void
finish (Connection *self, TurnConnectStream *stream, GError *error)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->task);

  destroy_source (&self->timer);
  destroy_source (&self->cancel);
  g_clear_pointer (&self->link, turn_connect_carrier_close);
  if (stream != NULL)
    g_task_return_pointer (task, stream, g_object_unref);
  else {
    turn_connect_error_set_step (error, TURN_CONNECT_STEP_PEER);
    g_task_return_error (task, error);
  }
}

static gboolean
send_request (Connection *self)
{
  if (!turn_connect_transaction_write (&self->transaction, &self->auth, turn_connect_client_random,
                                       NULL, g_get_monotonic_time ()))
    return FALSE;
  turn_connect_carrier_send (self->link, self->transaction.octets, self->transaction.length);
  g_source_set_ready_time (self->timer, self->transaction.due_us);
  return TRUE;
}

static void
received (const guint8 *data, gsize length, gpointer user_data)
{
  Connection *self = user_data;
  TurnConnectTransaction *transaction = &self->transaction;
  TurnConnectAnswer verdict;
  StunExtMessage message;
  guint code;

  if (stun_ext_message_parse (&message, data, length) != STUN_EXT_PARSE_OK ||
      memcmp (message.transaction_id, transaction->id, sizeof transaction->id) != 0)
    return;
  verdict = turn_connect_transaction_judge (transaction, &self->auth, &message, &code);
  if (verdict == TURN_CONNECT_ANSWER_ERROR && code == STUN_EXT_CODE_WRONG_CREDENTIALS &&
      turn_connect_auth_fall_back (&self->auth))
    verdict = TURN_CONNECT_ANSWER_RETRY;
  switch (verdict) {
  case TURN_CONNECT_ANSWER_IGNORE:
    break;
  case TURN_CONNECT_ANSWER_SUCCESS:
    finish (self, turn_connect_carrier_take_stream (self->link), NULL);
    break;
  case TURN_CONNECT_ANSWER_RETRY:
    if (!send_request (self))
      finish (self, NULL,
              g_error_new_literal (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_RESOURCES,
                                   "a request could not be written"));
    break;
  default:
    finish (self, NULL, turn_connect_transaction_error (transaction, verdict, &message, self->who));
    break;
  }
}

static void
drained (gpointer user_data)
{
}

static void
lost (GError *error, gpointer user_data)
{
  finish (user_data, NULL, error);
}

static gboolean
timer_fired (gpointer user_data)
{
  Connection *self = user_data;

  finish (self, NULL, turn_connect_transaction_silence (&self->transaction, self->who));
  return G_SOURCE_REMOVE;
}

static gboolean
cancelled (GCancellable *cancellable, gpointer user_data)
{
  finish (user_data, NULL,
          g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "connecting was cancelled"));
  return G_SOURCE_REMOVE;
}

static void
begin (Connection *self, TurnConnectStream *stream)
{
  static const TurnConnectCarrierFuncs funcs = { received, drained, NULL, lost };
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();
  GCancellable *cancellable = g_task_get_cancellable (self->task);

  self->link = turn_connect_carrier_new (stream, NULL, self->who, &funcs, self);
  self->timer = turn_connect_alarm_new (context, "TurnConnectConnection", timer_fired, self);
  if (cancellable != NULL) {
    self->cancel = g_cancellable_source_new (cancellable);
    g_source_set_callback (self->cancel, G_SOURCE_FUNC (cancelled), self, NULL);
    g_source_attach (self->cancel, context);
  }
  if (!send_request (self))
    finish (self, NULL,
            g_error_new_literal (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_RESOURCES,
                                 "a request could not be written"));
}

static void
dialled (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Connection *self = user_data;
  GError *error = NULL;
  g_autoptr (TurnConnectStream) stream =
      turn_connect_dial_finish (TURN_CONNECT_TARGET (source), result, &error);

  if (stream == NULL)
    finish (self, NULL, error);
  else
    begin (self, stream);
}

void
turn_connect_connection_open_async (TurnConnectTarget *target,
                                    const TurnConnectAuth *auth,
                                    guint32 connection_id,
                                    GCancellable *cancellable,
                                    GAsyncReadyCallback callback,
                                    gpointer user_data)
{
  Connection *self = g_new0 (Connection, 1);
  g_autofree char *place = turn_connect_host_join (turn_connect_target_get_host (target),
                                                   turn_connect_target_get_port (target));

  self->task = g_task_new (NULL, cancellable, callback, user_data);
  g_task_set_source_tag (self->task, turn_connect_connection_open_async);
  g_task_set_task_data (self->task, self, connection_free);
  self->who = g_strconcat ("the TURN server ", place, NULL);
  turn_connect_auth_copy (&self->auth, auth);
  self->transaction.is_reliable = TRUE;
  self->transaction.request.method = STUN_EXT_METHOD_CONNECTION_BIND;
  self->transaction.request.connection_id = connection_id;
  turn_connect_dial_async (target, NULL, NULL, cancellable, dialled, self);
}

TurnConnectStream *
turn_connect_connection_open_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}
