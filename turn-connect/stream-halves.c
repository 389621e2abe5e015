/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The halves that GIO users see: a pollable input and output stream over the try-calls of the seam.
 * They hold the stream weakly, as it owns them; a half that outlives its stream is a closed one.
 */
#include "turn-connect/stream-private.h"

#include <errno.h>
#include <poll.h>

#define TYPE_INPUT (input_get_type ())
G_DECLARE_FINAL_TYPE (Input, input, TURN_CONNECT_STREAM, INPUT, GInputStream)
#define TYPE_OUTPUT (output_get_type ())
G_DECLARE_FINAL_TYPE (Output, output, TURN_CONNECT_STREAM, OUTPUT, GOutputStream)

struct _Input {
  GInputStream parent_instance;
  GWeakRef stream;
};

struct _Output {
  GOutputStream parent_instance;
  GWeakRef stream;
};

static void input_pollable_init (GPollableInputStreamInterface *iface);
static void output_pollable_init (GPollableOutputStreamInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (Input,
                               input,
                               G_TYPE_INPUT_STREAM,
                               G_IMPLEMENT_INTERFACE (G_TYPE_POLLABLE_INPUT_STREAM,
                                                      input_pollable_init))
G_DEFINE_FINAL_TYPE_WITH_CODE (Output,
                               output,
                               G_TYPE_OUTPUT_STREAM,
                               G_IMPLEMENT_INTERFACE (G_TYPE_POLLABLE_OUTPUT_STREAM,
                                                      output_pollable_init))

static TurnConnectStream *
get_stream (GWeakRef *weak, GError **error)
{
  TurnConnectStream *stream = g_weak_ref_get (weak);

  if (stream == NULL)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CLOSED, "the stream is gone");
  return stream;
}

/* For blocking callers: waits until the stream may be ready for @wanted. */
static gboolean
wait_ready (TurnConnectStream *stream,
            GIOCondition wanted,
            GCancellable *cancellable,
            GError **error)
{
  GPollFD look[2] = { { 0 } };
  guint n = 1;
  gboolean has_cancel;

  has_cancel = g_cancellable_make_pollfd (cancellable, &look[1]);
  n += has_cancel ? 1 : 0;
  while (!g_cancellable_is_cancelled (cancellable)) {
    GIOCondition ready;

    look[0].fd = turn_connect_stream_get_descriptor (stream);
    look[0].events = turn_connect_stream_needs (stream, wanted);
    if (g_poll (look, n, -1) < 0 && errno != EINTR)
      break;
    ready = turn_connect_stream_ready (stream, look[0].revents);
    if ((ready & (wanted | G_IO_ERR | G_IO_HUP | G_IO_NVAL)) != 0)
      break;
  }
  if (has_cancel)
    g_cancellable_release_fd (cancellable);
  return !g_cancellable_set_error_if_cancelled (cancellable, error);
}

static gssize
to_count (TurnConnectIo io, gsize moved, GError **error)
{
  switch (io) {
  case TURN_CONNECT_IO_OK:
    return (gssize)moved;
  case TURN_CONNECT_IO_END:
    return 0;
  case TURN_CONNECT_IO_BLOCKED:
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK,
                         "the stream is not ready for this now");
    break;
  case TURN_CONNECT_IO_FAILED:
    break;
  }
  return -1;
}

static gssize
read_one (TurnConnectStream *stream,
          void *buffer,
          gsize size,
          gboolean blocks,
          GCancellable *cancellable,
          GError **error)
{
  TurnConnectIo io;
  gsize got = 0;

  if (size == 0)
    return 0;
  io = turn_connect_stream_try_read (stream, buffer, size, &got, error);
  while (blocks && io == TURN_CONNECT_IO_BLOCKED) {
    if (!wait_ready (stream, G_IO_IN, cancellable, error))
      return -1;
    io = turn_connect_stream_try_read (stream, buffer, size, &got, error);
  }
  return to_count (io, got, error);
}

static gssize
write_one (TurnConnectStream *stream,
           const void *buffer,
           gsize size,
           gboolean blocks,
           GCancellable *cancellable,
           GError **error)
{
  GOutputVector vector = { buffer, size };
  TurnConnectIo io;
  gsize accepted = 0;

  if (size == 0)
    return 0;
  io = turn_connect_stream_try_write (stream, &vector, 1, &accepted, error);
  while (blocks && io == TURN_CONNECT_IO_BLOCKED) {
    if (!wait_ready (stream, G_IO_OUT, cancellable, error))
      return -1;
    io = turn_connect_stream_try_write (stream, &vector, 1, &accepted, error);
  }
  return to_count (io, accepted, error);
}

static gssize
input_read (
    GInputStream *input, void *buffer, gsize size, GCancellable *cancellable, GError **error)
{
  g_autoptr (TurnConnectStream) stream =
      get_stream (&TURN_CONNECT_STREAM_INPUT (input)->stream, error);

  return stream == NULL ? -1 : read_one (stream, buffer, size, TRUE, cancellable, error);
}

static gssize
input_read_nonblocking (GPollableInputStream *input, void *buffer, gsize size, GError **error)
{
  g_autoptr (TurnConnectStream) stream =
      get_stream (&TURN_CONNECT_STREAM_INPUT (input)->stream, error);

  return stream == NULL ? -1 : read_one (stream, buffer, size, FALSE, NULL, error);
}

static gssize
output_write (GOutputStream *output,
              const void *buffer,
              gsize size,
              GCancellable *cancellable,
              GError **error)
{
  g_autoptr (TurnConnectStream) stream =
      get_stream (&TURN_CONNECT_STREAM_OUTPUT (output)->stream, error);

  return stream == NULL ? -1 : write_one (stream, buffer, size, TRUE, cancellable, error);
}

static gssize
output_write_nonblocking (GPollableOutputStream *output,
                          const void *buffer,
                          gsize size,
                          GError **error)
{
  g_autoptr (TurnConnectStream) stream =
      get_stream (&TURN_CONNECT_STREAM_OUTPUT (output)->stream, error);

  return stream == NULL ? -1 : write_one (stream, buffer, size, FALSE, NULL, error);
}

static gboolean
is_ready (GWeakRef *weak, GIOCondition wanted)
{
  g_autoptr (TurnConnectStream) stream = g_weak_ref_get (weak);

  return stream == NULL ||
         (turn_connect_stream_get_ready (stream) & (wanted | G_IO_ERR | G_IO_HUP | G_IO_NVAL)) != 0;
}

static gboolean
input_is_readable (GPollableInputStream *input)
{
  return is_ready (&TURN_CONNECT_STREAM_INPUT (input)->stream, G_IO_IN);
}

static gboolean
output_is_writable (GPollableOutputStream *output)
{
  return is_ready (&TURN_CONNECT_STREAM_OUTPUT (output)->stream, G_IO_OUT);
}

static GSource *
make_source (GObject *half, GWeakRef *weak, GIOCondition wanted, GCancellable *cancellable)
{
  g_autoptr (TurnConnectStream) stream = g_weak_ref_get (weak);
  g_autoptr (GSource) child = NULL;

  if (stream != NULL)
    child = turn_connect_stream_create_source (stream, wanted, NULL);
  else
    child = g_timeout_source_new (0);
  return g_pollable_source_new_full (half, child, cancellable);
}

static GSource *
input_create_source (GPollableInputStream *input, GCancellable *cancellable)
{
  return make_source (G_OBJECT (input), &TURN_CONNECT_STREAM_INPUT (input)->stream, G_IO_IN,
                      cancellable);
}

static GSource *
output_create_source (GPollableOutputStream *output, GCancellable *cancellable)
{
  return make_source (G_OBJECT (output), &TURN_CONNECT_STREAM_OUTPUT (output)->stream, G_IO_OUT,
                      cancellable);
}

static void
input_pollable_init (GPollableInputStreamInterface *iface)
{
  iface->is_readable = input_is_readable;
  iface->create_source = input_create_source;
  iface->read_nonblocking = input_read_nonblocking;
}

static void
output_pollable_init (GPollableOutputStreamInterface *iface)
{
  iface->is_writable = output_is_writable;
  iface->create_source = output_create_source;
  iface->write_nonblocking = output_write_nonblocking;
}

static void
input_finalize (GObject *object)
{
  g_weak_ref_clear (&TURN_CONNECT_STREAM_INPUT (object)->stream);
  G_OBJECT_CLASS (input_parent_class)->finalize (object);
}

static void
output_finalize (GObject *object)
{
  g_weak_ref_clear (&TURN_CONNECT_STREAM_OUTPUT (object)->stream);
  G_OBJECT_CLASS (output_parent_class)->finalize (object);
}

static void
input_class_init (InputClass *class)
{
  G_OBJECT_CLASS (class)->finalize = input_finalize;
  G_INPUT_STREAM_CLASS (class)->read_fn = input_read;
}

static void
output_class_init (OutputClass *class)
{
  G_OBJECT_CLASS (class)->finalize = output_finalize;
  G_OUTPUT_STREAM_CLASS (class)->write_fn = output_write;
}

static void
input_init (Input *self)
{
}

static void
output_init (Output *self)
{
}

GInputStream *
turn_connect_stream_input_new (TurnConnectStream *stream)
{
  Input *self = g_object_new (TYPE_INPUT, NULL);

  g_weak_ref_init (&self->stream, stream);
  return G_INPUT_STREAM (self);
}

GOutputStream *
turn_connect_stream_output_new (TurnConnectStream *stream)
{
  Output *self = g_object_new (TYPE_OUTPUT, NULL);

  g_weak_ref_init (&self->stream, stream);
  return G_OUTPUT_STREAM (self);
}
