/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The seam between everything that talks to a server and every way of reaching one. Layers (TCP, a
 * tunnel through a proxy, TLS, TLS inside TLS) are streams over streams, so that no user and no
 * layer needs to know what is below. This unit holds what all of them share: octets given back by
 * a handshake that read too far, closing exactly once, and the facts about the socket at the
 * bottom.
 */
#include "turn-connect/stream-private.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

typedef struct {
  TurnConnectStream *base;
  int descriptor; /* the bottom layer's; layers above ask their base */
  gboolean is_shut;
  gboolean has_ended_writing;
  GByteArray *unread; /* NULL almost always */
  GInputStream *input;
  GOutputStream *output;
  GSocketAddress *local;
  GSocketAddress *remote;
  char *proxy;
  TurnConnectTimings timings;
} TurnConnectStreamPrivate;

G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE (TurnConnectStream, turn_connect_stream, G_TYPE_IO_STREAM)

#define PRIVATE(stream)                                                                            \
  ((TurnConnectStreamPrivate *)turn_connect_stream_get_instance_private (stream))

static TurnConnectIo
fail_closed (GError **error)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CLOSED, "the stream was closed here");
  return TURN_CONNECT_IO_FAILED;
}

static TurnConnectIo
read_unread (TurnConnectStreamPrivate *priv, void *buffer, gsize size, gsize *got)
{
  gsize n = MIN (size, priv->unread->len);

  memcpy (buffer, priv->unread->data, n);
  g_byte_array_remove_range (priv->unread, 0, n);
  if (priv->unread->len == 0)
    g_clear_pointer (&priv->unread, g_byte_array_unref);
  *got = n;
  return TURN_CONNECT_IO_OK;
}

TurnConnectIo
turn_connect_stream_try_read (
    TurnConnectStream *stream, void *buffer, gsize size, gsize *got, GError **error)
{
  TurnConnectStreamPrivate *priv = PRIVATE (stream);

  g_return_val_if_fail (size > 0, TURN_CONNECT_IO_BLOCKED);
  *got = 0;
  if (priv->is_shut)
    return fail_closed (error);
  if (priv->unread != NULL)
    return read_unread (priv, buffer, size, got);
  return TURN_CONNECT_STREAM_GET_CLASS (stream)->try_read (stream, buffer, size, got, error);
}

TurnConnectIo
turn_connect_stream_try_write (TurnConnectStream *stream,
                               const GOutputVector *vectors,
                               gsize n_vectors,
                               gsize *accepted,
                               GError **error)
{
  g_return_val_if_fail (n_vectors > 0 && n_vectors <= 64, TURN_CONNECT_IO_BLOCKED);
  *accepted = 0;
  if (PRIVATE (stream)->is_shut)
    return fail_closed (error);
  return TURN_CONNECT_STREAM_GET_CLASS (stream)->try_write (stream, vectors, n_vectors, accepted,
                                                            error);
}

void
turn_connect_stream_end_writing (TurnConnectStream *stream)
{
  TurnConnectStreamPrivate *priv = PRIVATE (stream);
  TurnConnectStreamClass *class = TURN_CONNECT_STREAM_GET_CLASS (stream);

  if (priv->is_shut || priv->has_ended_writing)
    return;
  priv->has_ended_writing = TRUE;
  if (class->end_writing != NULL)
    class->end_writing (stream);
}

void
turn_connect_stream_unread (TurnConnectStream *stream, const guint8 *data, gsize length)
{
  TurnConnectStreamPrivate *priv = PRIVATE (stream);

  if (length == 0)
    return;
  if (priv->unread == NULL)
    priv->unread = g_byte_array_sized_new (length);
  g_byte_array_prepend (priv->unread, data, length);
}

GIOCondition
turn_connect_stream_ready (TurnConnectStream *stream, GIOCondition polled)
{
  TurnConnectStreamPrivate *priv = PRIVATE (stream);
  GIOCondition ready;

  if (priv->is_shut)
    return G_IO_NVAL;
  ready = TURN_CONNECT_STREAM_GET_CLASS (stream)->ready (stream, polled);
  return priv->unread != NULL ? ready | G_IO_IN : ready;
}

GIOCondition
turn_connect_stream_needs (TurnConnectStream *stream, GIOCondition wanted)
{
  return TURN_CONNECT_STREAM_GET_CLASS (stream)->needs (stream, wanted);
}

GIOCondition
turn_connect_stream_get_ready (TurnConnectStream *stream)
{
  struct pollfd look = { .events = POLLIN | POLLOUT };

  look.fd = turn_connect_stream_get_descriptor (stream);
  if (look.fd >= 0 && poll (&look, 1, 0) < 0)
    look.revents = 0;
  return turn_connect_stream_ready (stream, (GIOCondition)look.revents);
}

gboolean
turn_connect_stream_is_shut (TurnConnectStream *stream)
{
  return PRIVATE (stream)->is_shut;
}

void
turn_connect_stream_set_base (TurnConnectStream *stream, TurnConnectStream *base)
{
  g_return_if_fail (PRIVATE (stream)->base == NULL);
  PRIVATE (stream)->base = g_object_ref (base);
}

TurnConnectStream *
turn_connect_stream_get_base (TurnConnectStream *stream)
{
  return PRIVATE (stream)->base;
}

/* The layer that owns the socket. */
static TurnConnectStream *
bottom (TurnConnectStream *stream)
{
  while (PRIVATE (stream)->base != NULL)
    stream = PRIVATE (stream)->base;
  return stream;
}

void
turn_connect_stream_set_descriptor (TurnConnectStream *stream, int descriptor)
{
  PRIVATE (stream)->descriptor = descriptor;
}

int
turn_connect_stream_get_descriptor (TurnConnectStream *stream)
{
  return PRIVATE (bottom (stream))->descriptor;
}

static GSocketAddress *
ask_address (int descriptor, int (*ask) (int, struct sockaddr *, socklen_t *))
{
  struct sockaddr_storage native = { 0 };
  socklen_t length = sizeof native;

  if (descriptor < 0 || ask (descriptor, (struct sockaddr *)&native, &length) != 0)
    return NULL;
  return g_socket_address_new_from_native (&native, length);
}

GSocketAddress *
turn_connect_stream_get_local_address (TurnConnectStream *stream)
{
  TurnConnectStreamPrivate *priv = PRIVATE (bottom (stream));

  if (priv->local == NULL)
    priv->local = ask_address (priv->descriptor, getsockname);
  return priv->local;
}

GSocketAddress *
turn_connect_stream_get_remote_address (TurnConnectStream *stream)
{
  TurnConnectStreamPrivate *priv = PRIVATE (bottom (stream));

  if (priv->remote == NULL)
    priv->remote = ask_address (priv->descriptor, getpeername);
  return priv->remote;
}

void
turn_connect_stream_set_proxy (TurnConnectStream *stream, const char *url)
{
  TurnConnectStreamPrivate *priv = PRIVATE (bottom (stream));

  g_free (priv->proxy);
  priv->proxy = g_strdup (url);
}

const char *
turn_connect_stream_get_proxy (TurnConnectStream *stream)
{
  return PRIVATE (bottom (stream))->proxy;
}

void
turn_connect_stream_set_timings (TurnConnectStream *stream, const TurnConnectTimings *timings)
{
  PRIVATE (stream)->timings = *timings;
}

const TurnConnectTimings *
turn_connect_stream_get_timings (TurnConnectStream *stream)
{
  return &PRIVATE (stream)->timings;
}

const TurnConnectTlsInfo *
turn_connect_stream_get_tls_info (TurnConnectStream *stream)
{
  TurnConnectStreamClass *class = TURN_CONNECT_STREAM_GET_CLASS (stream);

  return class->get_tls_info != NULL ? class->get_tls_info (stream) : NULL;
}

gboolean
turn_connect_stream_export_binding (TurnConnectStream *stream,
                                    guint8 binding[TURN_CONNECT_BINDING_SIZE])
{
  TurnConnectStreamClass *class = TURN_CONNECT_STREAM_GET_CLASS (stream);

  return class->export_binding != NULL && class->export_binding (stream, binding);
}

static gboolean
set_tcp_option (TurnConnectStream *stream, int option, guint value)
{
  int descriptor = turn_connect_stream_get_descriptor (stream);

  return descriptor >= 0 && setsockopt (descriptor, IPPROTO_TCP, option, &value, sizeof value) == 0;
}

gboolean
turn_connect_stream_set_user_timeout (TurnConnectStream *stream, guint timeout_ms)
{
  return set_tcp_option (stream, TCP_USER_TIMEOUT, timeout_ms);
}

gboolean
turn_connect_stream_set_notsent_lowat (TurnConnectStream *stream, guint octets)
{
  return set_tcp_option (stream, TCP_NOTSENT_LOWAT, octets);
}

static void
shut_once (TurnConnectStream *stream)
{
  TurnConnectStreamPrivate *priv = PRIVATE (stream);

  if (priv->is_shut)
    return;
  TURN_CONNECT_STREAM_GET_CLASS (stream)->shut (stream);
  priv->is_shut = TRUE;
  if (priv->base != NULL)
    g_io_stream_close (G_IO_STREAM (priv->base), NULL, NULL);
}

static gboolean
turn_connect_stream_close_fn (GIOStream *stream, GCancellable *cancellable, GError **error)
{
  shut_once (TURN_CONNECT_STREAM (stream));
  return TRUE;
}

/* GIO would use a thread for this; closing never waits here. */
static void
turn_connect_stream_close_async (GIOStream *stream,
                                 int priority,
                                 GCancellable *cancellable,
                                 GAsyncReadyCallback callback,
                                 gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (stream, NULL, callback, user_data);

  g_task_set_source_tag (task, turn_connect_stream_close_async);
  g_task_set_priority (task, priority);
  shut_once (TURN_CONNECT_STREAM (stream));
  g_task_return_boolean (task, TRUE);
}

static gboolean
turn_connect_stream_close_finish (GIOStream *stream, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static GInputStream *
turn_connect_stream_get_input (GIOStream *io)
{
  TurnConnectStreamPrivate *priv = PRIVATE (TURN_CONNECT_STREAM (io));

  if (priv->input == NULL)
    priv->input = turn_connect_stream_input_new (TURN_CONNECT_STREAM (io));
  return priv->input;
}

static GOutputStream *
turn_connect_stream_get_output (GIOStream *io)
{
  TurnConnectStreamPrivate *priv = PRIVATE (TURN_CONNECT_STREAM (io));

  if (priv->output == NULL)
    priv->output = turn_connect_stream_output_new (TURN_CONNECT_STREAM (io));
  return priv->output;
}

static void
turn_connect_stream_finalize (GObject *object)
{
  TurnConnectStreamPrivate *priv = PRIVATE (TURN_CONNECT_STREAM (object));

  g_clear_object (&priv->base);
  g_clear_object (&priv->input);
  g_clear_object (&priv->output);
  g_clear_object (&priv->local);
  g_clear_object (&priv->remote);
  g_clear_pointer (&priv->unread, g_byte_array_unref);
  g_clear_pointer (&priv->proxy, g_free);
  G_OBJECT_CLASS (turn_connect_stream_parent_class)->finalize (object);
}

static void
turn_connect_stream_class_init (TurnConnectStreamClass *class)
{
  GIOStreamClass *io_class = G_IO_STREAM_CLASS (class);

  G_OBJECT_CLASS (class)->finalize = turn_connect_stream_finalize;
  io_class->get_input_stream = turn_connect_stream_get_input;
  io_class->get_output_stream = turn_connect_stream_get_output;
  io_class->close_fn = turn_connect_stream_close_fn;
  io_class->close_async = turn_connect_stream_close_async;
  io_class->close_finish = turn_connect_stream_close_finish;
}

static void
turn_connect_stream_init (TurnConnectStream *stream)
{
  PRIVATE (stream)->descriptor = -1;
}

char *
turn_connect_address_to_string (GSocketAddress *address)
{
  g_autofree char *ip = NULL;
  GInetSocketAddress *inet;

  if (!G_IS_INET_SOCKET_ADDRESS (address))
    return g_strdup ("a local socket");
  inet = G_INET_SOCKET_ADDRESS (address);
  ip = g_inet_address_to_string (g_inet_socket_address_get_address (inet));
  return g_strdup_printf (strchr (ip, ':') != NULL ? "[%s]:%u" : "%s:%u", ip,
                          g_inet_socket_address_get_port (inet));
}
