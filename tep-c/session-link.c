/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The driver below a session: makes the connection, moves octets between stream and tunnel, and
 * wakes the tunnel at its deadlines. It decides nothing; what a failure means is session.c's
 * business. */
#include "tep-c/session-private.h"

#define READ_SIZE 16384
#define READS_MAX 16 /* in one round, so that other sources get their turn */
/* What may wait unsent in the kernel before media is dropped: 8 KiB are 0.8 s of G.711 at 50
 * packets/s. */
#define UNSENT_MAX 8192
#define USER_TIMEOUT_MS 8000 /* sent octets that nobody acknowledges: the path is dead */

static void drop_and_report (TepClientSession *session, const GError *cause);

static gboolean
timer_dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  g_source_set_ready_time (source, -1);
  return callback (user_data);
}

static GSourceFuncs timer_funcs = { .dispatch = timer_dispatch };

static gboolean
timer_due (gpointer data)
{
  g_autoptr (TepClientSession) session = g_object_ref (data);
  g_autoptr (GError) error = NULL;
  gint64 now_us = g_get_monotonic_time ();

  tep_client_session_due (session, now_us);
  if (session->stream != NULL && !tep_client_tunnel_tick (session->tunnel, now_us, &error))
    drop_and_report (session, error);
  tep_client_link_kick (session);
  return G_SOURCE_CONTINUE;
}

void
tep_client_link_arm (TepClientSession *session)
{
  gint64 when = G_MAXINT64;

  if (session->timer == NULL) {
    session->timer = g_source_new (&timer_funcs, sizeof (GSource));
    g_source_set_static_name (session->timer, "tep-c session");
    g_source_set_callback (session->timer, timer_due, session, NULL);
    g_source_attach (session->timer, session->context);
  }
  if (session->stream != NULL)
    when = tep_client_tunnel_deadline (session->tunnel);
  if (session->attempt_us != 0)
    when = MIN (when, session->attempt_us);
  g_source_set_ready_time (session->timer, when == G_MAXINT64 ? -1 : when);
}

void
tep_client_link_disarm (TepClientSession *session)
{
  if (session->timer == NULL)
    return;
  g_source_destroy (session->timer);
  g_clear_pointer (&session->timer, g_source_unref);
}

void
tep_client_link_drop (TepClientSession *session)
{
  if (session->dial != NULL)
    g_cancellable_cancel (session->dial);
  g_clear_object (&session->dial);
  if (session->stream_source != NULL) {
    g_source_destroy (session->stream_source);
    g_clear_pointer (&session->stream_source, g_source_unref);
  }
  if (session->stream != NULL) {
    g_io_stream_close (G_IO_STREAM (session->stream), NULL, NULL);
    g_clear_object (&session->stream);
    g_byte_array_set_size (session->output, 0);
    tep_client_tunnel_disconnected (session->tunnel);
  }
}

static void
drop_and_report (TepClientSession *session, const GError *cause)
{
  if (session->stream == NULL)
    return;
  tep_client_link_drop (session);
  tep_client_session_link_failed (session, cause);
}

/* TRUE if the stream still stands. */
static gboolean
flush (TepClientSession *session)
{
  g_autoptr (GError) error = NULL;
  GIOCondition wanted = G_IO_IN;

  while (session->stream != NULL && session->output->len > 0) {
    GOutputVector vector = { session->output->data,
                             MIN (session->output->len, TURN_CONNECT_WRITE_MAX) };
    gsize accepted = 0;

    switch (turn_connect_stream_try_write (session->stream, &vector, 1, &accepted, &error)) {
    case TURN_CONNECT_IO_OK:
      g_byte_array_remove_range (session->output, 0, accepted);
      continue;
    case TURN_CONNECT_IO_BLOCKED:
      wanted |= G_IO_OUT;
      break;
    default:
      drop_and_report (session, error);
      return FALSE;
    }
    break;
  }
  if (session->stream_source != NULL)
    turn_connect_stream_source_set_condition (session->stream_source, wanted);
  return session->stream != NULL;
}

void
tep_client_link_kick (TepClientSession *session)
{
  if (session->is_reading)
    return;
  flush (session);
  tep_client_link_arm (session);
}

gboolean
tep_client_link_is_clear (TepClientSession *session)
{
  if (session->stream == NULL)
    return FALSE;
  if (session->is_reading)
    return session->output->len < UNSENT_MAX;
  return session->output->len == 0 &&
         (turn_connect_stream_get_ready (session->stream) & G_IO_OUT) != 0;
}

static void
read_round (TepClientSession *session)
{
  guint8 buffer[READ_SIZE];
  g_autoptr (GError) error = NULL;

  session->is_reading = TRUE;
  for (guint i = 0; i < READS_MAX && session->stream != NULL && error == NULL; i++) {
    gsize got = 0;
    TurnConnectIo io =
        turn_connect_stream_try_read (session->stream, buffer, sizeof buffer, &got, &error);

    if (io == TURN_CONNECT_IO_BLOCKED)
      break;
    if (io == TURN_CONNECT_IO_OK)
      tep_client_tunnel_input (session->tunnel, buffer, got, g_get_monotonic_time (), &error);
    else if (error == NULL)
      g_set_error_literal (&error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_UNREACHABLE,
                           "the server, or a proxy between, ended the connection");
  }
  session->is_reading = FALSE;
  if (error != NULL)
    drop_and_report (session, error);
}

static gboolean
stream_ready (TurnConnectStream *stream, GIOCondition condition, gpointer data)
{
  g_autoptr (TepClientSession) session = g_object_ref (data);

  if ((condition & ~G_IO_OUT) != 0)
    read_round (session);
  tep_client_link_kick (session);
  return G_SOURCE_CONTINUE;
}

static void
connected (TepClientSession *session, TurnConnectStream *stream)
{
  guint8 binding[TURN_CONNECT_BINDING_SIZE];
  gboolean is_bound =
      session->options->binds_channel && turn_connect_stream_export_binding (stream, binding);

  session->stream = stream;
  session->statistics.connections++;
  turn_connect_stream_set_user_timeout (stream, USER_TIMEOUT_MS);
  turn_connect_stream_set_notsent_lowat (stream, UNSENT_MAX);
  session->stream_source = turn_connect_stream_create_source (stream, G_IO_IN, NULL);
  g_source_set_callback (session->stream_source, G_SOURCE_FUNC (stream_ready), session, NULL);
  g_source_attach (session->stream_source, session->context);
  tep_client_tunnel_connected (session->tunnel, g_get_monotonic_time (), g_get_real_time () / 1000,
                               is_bound ? binding : NULL);
  tep_client_link_kick (session);
}

static void
dialled (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (TepClientSession) session = data;
  g_autoptr (GError) error = NULL;
  TurnConnectStream *stream =
      turn_connect_dial_finish (TURN_CONNECT_TARGET (source), result, &error);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return; /* dropped; another dial may be on already */
  if (stream != NULL && (session->dial == NULL || g_cancellable_is_cancelled (session->dial))) {
    g_object_unref (stream);
    return;
  }
  g_clear_object (&session->dial);
  if (stream != NULL)
    connected (session, stream);
  else
    tep_client_session_link_failed (session, error);
}

static void
progressed (const TurnConnectProgress *progress, gpointer data)
{
  TepClientSession *session = data;

  g_signal_emit_by_name (session, "progress", turn_connect_step_to_string (progress->step),
                         progress->detail, (guint64)progress->elapsed_us);
}

void
tep_client_link_dial (TepClientSession *session)
{
  session->dial = g_cancellable_new ();
  turn_connect_dial_async (session->alternate != NULL ? session->alternate : session->target,
                           progressed, session, session->dial, dialled, g_object_ref (session));
}
