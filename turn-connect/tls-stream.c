/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TLS as a layer over a stream. A write becomes one record and is taken whole; what the stream
 * below does not take of that record waits here, and until it is gone the layer takes nothing more.
 * So a writer sees a blocked path after one record, and drops its late media instead of queueing
 * it.
 */
#include "turn-connect/tls-stream.h"

#include "turn-connect/stream-private.h"
#include "turn-connect/tls-options-private.h"

#include <string.h>

#define TYPE_TLS_STREAM (tls_stream_get_type ())
G_DECLARE_FINAL_TYPE (TlsStream, tls_stream, TURN_CONNECT, TLS_STREAM, TurnConnectStream)

struct _TlsStream {
  TurnConnectStream parent_instance;
  TurnConnectTlsOptions *options;
  TurnConnectTls *tls;
  TurnConnectTlsBuffers *buffers; /* of tls */
  guint8 *record;         /* where a write in pieces is put together; NULL until there is one */
  gboolean may_hold_more; /* reading has not yet said that nothing is left */
  gboolean is_hidden;
  GError *broken; /* found while sending on the side; the next call tells */
};

G_DEFINE_FINAL_TYPE (TlsStream, tls_stream, TURN_CONNECT_TYPE_STREAM)

static gboolean
has_output (TlsStream *self)
{
  gsize length;

  turn_connect_tls_buffers_get_output (self->buffers, &length);
  return length > 0;
}

/* OK: everything is with the stream below. */
static TurnConnectIo
flush (TlsStream *self, GError **error)
{
  TurnConnectStream *base = turn_connect_stream_get_base (TURN_CONNECT_STREAM (self));
  TurnConnectIo io = TURN_CONNECT_IO_OK;
  GOutputVector vector;

  vector.buffer = turn_connect_tls_buffers_get_output (self->buffers, &vector.size);
  while (vector.size > 0 && io == TURN_CONNECT_IO_OK) {
    gsize accepted;

    io = turn_connect_stream_try_write (base, &vector, 1, &accepted, error);
    turn_connect_tls_buffers_sent (self->buffers, accepted);
    vector.buffer = turn_connect_tls_buffers_get_output (self->buffers, &vector.size);
  }
  return io;
}

/* For where nobody is there to hear of a failure. */
static void
flush_aside (TlsStream *self)
{
  if (self->broken == NULL)
    flush (self, &self->broken);
}

static TurnConnectIo
tell_broken (TlsStream *self, GError **error)
{
  g_propagate_error (error, g_error_copy (self->broken));
  return TURN_CONNECT_IO_FAILED;
}

/* OK: there is something new to work on, an end included. */
static TurnConnectIo
fill (TlsStream *self, GError **error)
{
  TurnConnectStream *base = turn_connect_stream_get_base (TURN_CONNECT_STREAM (self));
  gsize room, got;
  guint8 *buffer = turn_connect_tls_buffers_get_room (self->buffers, &room);
  TurnConnectIo io;

  if (room == 0 || self->buffers->input_ended)
    return TURN_CONNECT_IO_BLOCKED;
  io = turn_connect_stream_try_read (base, buffer, room, &got, error);
  if (io == TURN_CONNECT_IO_OK)
    turn_connect_tls_buffers_fed (self->buffers, got);
  if (io == TURN_CONNECT_IO_END) {
    self->buffers->input_ended = TRUE;
    io = TURN_CONNECT_IO_OK;
  }
  return io;
}

/* After a read that came to @io. One that took all there was need not be followed by another, which
 * would ask the kernel in vain. */
static gboolean
holds_more (TlsStream *self, TurnConnectIo io)
{
  if (turn_connect_tls_buffers_are_clogged (self->buffers))
    return TRUE;
  if (io == TURN_CONNECT_IO_OK)
    return turn_connect_tls_buffers_have_input (self->buffers) ||
           turn_connect_tls_has_pending (self->tls);
  return io != TURN_CONNECT_IO_BLOCKED;
}

static TurnConnectIo
tls_try_read (TurnConnectStream *stream, void *buffer, gsize size, gsize *got, GError **error)
{
  TlsStream *self = TURN_CONNECT_TLS_STREAM (stream);
  TurnConnectIo io = TURN_CONNECT_IO_BLOCKED;
  TurnConnectIo filled = self->may_hold_more ? TURN_CONNECT_IO_OK : fill (self, error);

  while (io == TURN_CONNECT_IO_BLOCKED && filled == TURN_CONNECT_IO_OK) {
    *got = 0;
    io = turn_connect_tls_read (self->tls, buffer, size, got, error);
    if (io == TURN_CONNECT_IO_BLOCKED)
      filled = fill (self, error);
  }
  if (io != TURN_CONNECT_IO_OK)
    *got = 0;
  self->may_hold_more = holds_more (self, io);
  flush_aside (self); /* reading may have made an answer, as to a key update */
  if (io != TURN_CONNECT_IO_BLOCKED)
    return io;
  if (filled == TURN_CONNECT_IO_BLOCKED && self->broken != NULL)
    filled = tell_broken (self, error); /* a write was taken that could not go */
  return filled;
}

static const void *
gather (TlsStream *self, const GOutputVector *vectors, gsize n_vectors, gsize *length)
{
  gsize n = 0;

  if (n_vectors == 1) {
    *length = MIN (vectors[0].size, TURN_CONNECT_WRITE_MAX);
    return vectors[0].buffer;
  }
  if (self->record == NULL)
    self->record = g_malloc (TURN_CONNECT_WRITE_MAX);
  for (gsize i = 0; i < n_vectors && n < TURN_CONNECT_WRITE_MAX; i++) {
    gsize part = MIN (vectors[i].size, TURN_CONNECT_WRITE_MAX - n);

    if (part > 0)
      memcpy (self->record + n, vectors[i].buffer, part);
    n += part;
  }
  *length = n;
  return self->record;
}

static TurnConnectIo
tls_try_write (TurnConnectStream *stream,
               const GOutputVector *vectors,
               gsize n_vectors,
               gsize *accepted,
               GError **error)
{
  TlsStream *self = TURN_CONNECT_TLS_STREAM (stream);
  TurnConnectIo io;
  const void *data;
  gsize length;

  if (self->broken != NULL)
    return tell_broken (self, error);
  io = flush (self, error);
  if (io != TURN_CONNECT_IO_OK)
    return io;
  data = gather (self, vectors, n_vectors, &length);
  if (length == 0)
    return TURN_CONNECT_IO_BLOCKED;
  io = turn_connect_tls_write (self->tls, data, length, error);
  if (io != TURN_CONNECT_IO_OK)
    return io;
  *accepted = length;
  flush_aside (self);
  return TURN_CONNECT_IO_OK;
}

static GIOCondition
tls_ready (TurnConnectStream *stream, GIOCondition polled)
{
  TlsStream *self = TURN_CONNECT_TLS_STREAM (stream);
  GIOCondition below = turn_connect_stream_ready (turn_connect_stream_get_base (stream), polled);
  GIOCondition ready = below & (G_IO_IN | G_IO_HUP | G_IO_ERR);

  if (has_output (self) && (below & G_IO_OUT) != 0)
    flush_aside (self);
  if (self->broken != NULL)
    return ready | G_IO_IN | G_IO_OUT | G_IO_ERR;
  if (self->may_hold_more)
    ready |= G_IO_IN;
  if (turn_connect_tls_buffers_are_clogged (self->buffers))
    ready &= ~G_IO_IN;
  if (!has_output (self))
    ready |= below & G_IO_OUT;
  return ready;
}

static GIOCondition
tls_needs (TurnConnectStream *stream, GIOCondition wanted)
{
  TlsStream *self = TURN_CONNECT_TLS_STREAM (stream);
  GIOCondition below = wanted & (G_IO_IN | G_IO_OUT);

  if (has_output (self))
    below |= G_IO_OUT;
  if (turn_connect_tls_buffers_are_clogged (self->buffers))
    below &= ~G_IO_IN;
  return turn_connect_stream_needs (turn_connect_stream_get_base (stream), below);
}

/* Closing never waits: of what is still to be sent, what the stream below takes now goes. */
static void
tls_shut (TurnConnectStream *stream)
{
  TlsStream *self = TURN_CONNECT_TLS_STREAM (stream);

  turn_connect_tls_close (self->tls);
  flush_aside (self);
}

/* The layers below stay open: a FIN after the alert would be the end of everything for some. */
static void
tls_end_writing (TurnConnectStream *stream)
{
  TlsStream *self = TURN_CONNECT_TLS_STREAM (stream);

  turn_connect_tls_close (self->tls);
  flush_aside (self);
}

static const TurnConnectTlsInfo *
tls_get_info (TurnConnectStream *stream)
{
  TlsStream *self = TURN_CONNECT_TLS_STREAM (stream);

  return self->is_hidden ? NULL : turn_connect_tls_get_info (self->tls);
}

static gboolean
tls_export_binding (TurnConnectStream *stream, guint8 *binding)
{
  TlsStream *self = TURN_CONNECT_TLS_STREAM (stream);

  return !self->is_hidden && turn_connect_tls_export_binding (self->tls, binding);
}

static void
tls_stream_finalize (GObject *object)
{
  TlsStream *self = TURN_CONNECT_TLS_STREAM (object);

  g_clear_pointer (&self->tls, turn_connect_tls_free);
  g_clear_object (&self->options);
  g_clear_error (&self->broken);
  g_free (self->record);
  G_OBJECT_CLASS (tls_stream_parent_class)->finalize (object);
}

static void
tls_stream_class_init (TlsStreamClass *class)
{
  TurnConnectStreamClass *stream_class = TURN_CONNECT_STREAM_CLASS (class);

  G_OBJECT_CLASS (class)->finalize = tls_stream_finalize;
  stream_class->try_read = tls_try_read;
  stream_class->try_write = tls_try_write;
  stream_class->ready = tls_ready;
  stream_class->needs = tls_needs;
  stream_class->shut = tls_shut;
  stream_class->end_writing = tls_end_writing;
  stream_class->get_tls_info = tls_get_info;
  stream_class->export_binding = tls_export_binding;
}

static void
tls_stream_init (TlsStream *self)
{
}

TurnConnectStream *
turn_connect_tls_stream_new (TurnConnectStream *base,
                             TurnConnectTlsOptions *options,
                             const char *name,
                             const char *who,
                             const char *session_key,
                             GError **error)
{
  TurnConnectTls *tls =
      turn_connect_tls_new (turn_connect_tls_options_get_context (options), name, who, error);
  TlsStream *self;

  if (tls == NULL)
    return NULL;
  if (session_key != NULL)
    turn_connect_tls_set_session_key (tls, session_key);
  self = g_object_new (TYPE_TLS_STREAM, NULL);
  self->tls = tls;
  self->buffers = turn_connect_tls_get_buffers (tls);
  self->options = g_object_ref (options);
  turn_connect_stream_set_base (TURN_CONNECT_STREAM (self), base);
  return TURN_CONNECT_STREAM (self);
}

TurnConnectIo
turn_connect_tls_stream_handshake (TurnConnectStream *stream, GError **error)
{
  TlsStream *self = TURN_CONNECT_TLS_STREAM (stream);
  TurnConnectIo io, filled = TURN_CONNECT_IO_OK;

  do {
    io = turn_connect_tls_handshake (self->tls, error);
    flush_aside (self);
    if (io == TURN_CONNECT_IO_BLOCKED)
      filled = self->broken != NULL ? tell_broken (self, error) : fill (self, error);
  } while (io == TURN_CONNECT_IO_BLOCKED && filled == TURN_CONNECT_IO_OK);
  if (io == TURN_CONNECT_IO_OK)
    self->may_hold_more = TRUE;
  return io == TURN_CONNECT_IO_BLOCKED ? filled : io;
}

void
turn_connect_tls_stream_hide (TurnConnectStream *stream)
{
  TURN_CONNECT_TLS_STREAM (stream)->is_hidden = TRUE;
}
