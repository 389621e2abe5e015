/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of one forwarded connection: the server is dialled while the client's first octets are
 * taken in, then both streams are left to a pump. It has one end, whichever side it comes from, and
 * the client can tell an end in order from one that is not: the latter is a reset.
 */
#include "turn-connect/local/link-private.h"

#include "turn-connect/local/pump.h"
#include "turn-connect/stream-private.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define PATH_DEAD_MS 30000 /* octets that nobody acknowledges */
#define HEAD_MAX TURN_CONNECT_PUMP_KEPT_MAX

struct _TurnConnectLink {
  guint64 id;
  TurnConnectStream *local;
  TurnConnectStream *server; /* NULL while it is dialled */
  TurnConnectTarget *target;
  GCancellable *dial; /* NULL unless it is dialled */
  GSource *watch;     /* of the local stream, while it is dialled */
  GByteArray *head;   /* what the client said by then */
  TurnConnectPump *pump;
  guint64 to_server, from_server;
  gboolean has_ended;
  guint n_pending; /* calls out of this unit, and the dial: memory stays until they are back */
  GMainContext *context;
  const TurnConnectLinkFuncs *funcs;
  gpointer user_data;
};

static void
drop_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
release (TurnConnectLink *link)
{
  if (--link->n_pending > 0)
    return;
  g_object_unref (link->local);
  g_clear_object (&link->server);
  g_object_unref (link->target);
  g_byte_array_unref (link->head);
  g_main_context_unref (link->context);
  g_free (link);
}

static void
set_option (TurnConnectStream *stream, int level, int name, const void *value, socklen_t size)
{
  int descriptor = turn_connect_stream_get_descriptor (stream);

  if (descriptor >= 0)
    setsockopt (descriptor, level, name, value, size);
}

/* What is closed next is reset. */
static void
spoil (TurnConnectStream *stream)
{
  const struct linger linger = { .l_onoff = 1, .l_linger = 0 };

  set_option (stream, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

static void
end (TurnConnectLink *link, const GError *error, gboolean is_in_order)
{
  if (link->has_ended)
    return;
  link->has_ended = TRUE;
  if (link->dial != NULL)
    g_cancellable_cancel (link->dial);
  drop_source (&link->watch);
  link->to_server = turn_connect_link_get_to_server (link);
  link->from_server = turn_connect_link_get_from_server (link);
  g_clear_pointer (&link->pump, turn_connect_pump_free);
  if (!is_in_order)
    spoil (link->local);
  g_io_stream_close (G_IO_STREAM (link->local), NULL, NULL);
  if (link->server != NULL)
    g_io_stream_close (G_IO_STREAM (link->server), NULL, NULL);
  link->funcs->ended (link, error, link->user_data);
  release (link);
}

static void
pump_answered (gpointer data)
{
}

/* Many servers answer the end of TLS by closing TCP. That is an end like any other, but for a client
 * that may still be waiting: somebody on the way can cut an answer short so. */
static void
pump_ended (const GError *error, gpointer data)
{
  TurnConnectLink *link = data;
  gboolean is_expected = g_error_matches (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_CLOSED) &&
                         turn_connect_pump_has_ended_rightward (link->pump);

  end (link, is_expected ? NULL : error, error == NULL);
}

static const TurnConnectPumpFuncs pump_funcs = { .answered = pump_answered, .ended = pump_ended };

static void
begin_passing (TurnConnectLink *link)
{
  int on = 1;

  drop_source (&link->watch);
  turn_connect_stream_set_user_timeout (link->server, PATH_DEAD_MS);
  set_option (link->server, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  turn_connect_stream_unread (link->local, link->head->data, link->head->len);
  g_byte_array_set_size (link->head, 0);
  link->pump = turn_connect_pump_new (link->local, link->server, NULL, &pump_funcs, link);
}

static void
dialled (GObject *source, GAsyncResult *result, gpointer data)
{
  TurnConnectLink *link = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (TurnConnectStream) server =
      turn_connect_dial_finish (TURN_CONNECT_TARGET (source), result, &error);

  g_clear_object (&link->dial);
  if (!link->has_ended && server != NULL) {
    link->server = g_steal_pointer (&server);
    link->funcs->connected (link, link->server, link->user_data);
    if (!link->has_ended)
      begin_passing (link);
  } else if (!link->has_ended)
    end (link, error, FALSE);
  release (link);
}

/* The client's first octets, and its departure. */
static gboolean
local_ready (TurnConnectStream *stream, GIOCondition condition, gpointer data)
{
  TurnConnectLink *link = data;
  guint8 buffer[4096];
  g_autoptr (GError) error = NULL;
  gsize got = 0;

  switch (turn_connect_stream_try_read (
      stream, buffer, MIN (sizeof buffer, HEAD_MAX - link->head->len), &got, &error)) {
  case TURN_CONNECT_IO_OK:
    g_byte_array_append (link->head, buffer, (guint)got);
    if (link->head->len < HEAD_MAX)
      return G_SOURCE_CONTINUE;
    break;
  case TURN_CONNECT_IO_BLOCKED:
    return G_SOURCE_CONTINUE;
  case TURN_CONNECT_IO_END: /* of its direction: the pump reads it again */
    break;
  case TURN_CONNECT_IO_FAILED:
    end (link, error, FALSE);
    return G_SOURCE_REMOVE;
  }
  drop_source (&link->watch);
  return G_SOURCE_REMOVE;
}

TurnConnectLink *
turn_connect_link_new (guint64 id,
                       TurnConnectStream *local,
                       TurnConnectTarget *target,
                       const TurnConnectLinkFuncs *funcs,
                       gpointer user_data)
{
  TurnConnectLink *link = g_new0 (TurnConnectLink, 1);

  link->id = id;
  link->local = g_object_ref (local);
  link->target = g_object_ref (target);
  link->head = g_byte_array_new ();
  link->context = g_main_context_ref_thread_default ();
  link->funcs = funcs;
  link->user_data = user_data;
  link->n_pending = 2; /* its end, and the dial's */
  link->watch = turn_connect_stream_create_source (local, G_IO_IN, NULL);
  g_source_set_callback (link->watch, G_SOURCE_FUNC (local_ready), link, NULL);
  g_source_attach (link->watch, link->context);
  link->dial = g_cancellable_new ();
  turn_connect_dial_async (target, NULL, NULL, link->dial, dialled, link);
  return link;
}

guint64
turn_connect_link_get_id (const TurnConnectLink *link)
{
  return link->id;
}

guint64
turn_connect_link_get_to_server (const TurnConnectLink *link)
{
  return link->pump != NULL ? turn_connect_pump_get_rightward (link->pump) : link->to_server;
}

guint64
turn_connect_link_get_from_server (const TurnConnectLink *link)
{
  return link->pump != NULL ? turn_connect_pump_get_leftward (link->pump) : link->from_server;
}

void
turn_connect_link_end (TurnConnectLink *link, GError *cause)
{
  g_autoptr (GError) error = cause;

  end (link, error, TRUE);
}
