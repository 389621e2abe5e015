/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Waiting for a stream. Readiness of a layered stream is not readiness of its descriptor: decrypted
 * octets may be waiting while the kernel has none, and a half-sent record has to go out before the
 * stream can take another. So the source asks the layers before and after every poll, and what it
 * waits for can be changed without a new source, since a packet path does that all the time.
 */
#include "turn-connect/stream-private.h"

typedef struct {
  GSource source;
  TurnConnectStream *stream;
  GIOCondition wanted;
  GIOCondition watched; /* what the descriptor is polled for now */
  GIOCondition ready;
  gpointer tag; /* NULL once the stream is closed */
} StreamSource;

static GIOCondition
relevant (const StreamSource *self, GIOCondition ready)
{
  return ready & (self->wanted | G_IO_ERR | G_IO_HUP | G_IO_NVAL);
}

static void
watch (StreamSource *self)
{
  GIOCondition needs = turn_connect_stream_needs (self->stream, self->wanted);

  if (needs != self->watched) {
    g_source_modify_unix_fd (&self->source, self->tag, needs);
    self->watched = needs;
  }
}

static gboolean
source_prepare (GSource *source, int *timeout)
{
  StreamSource *self = (StreamSource *)source;

  *timeout = -1;
  self->ready = relevant (self, turn_connect_stream_ready (self->stream, 0));
  if (turn_connect_stream_is_shut (self->stream) && self->tag != NULL)
    g_source_remove_unix_fd (source, g_steal_pointer (&self->tag));
  if (self->tag != NULL)
    watch (self);
  return self->ready != 0;
}

static gboolean
source_check (GSource *source)
{
  StreamSource *self = (StreamSource *)source;
  GIOCondition polled = 0;

  if (self->tag != NULL)
    polled = g_source_query_unix_fd (source, self->tag);
  self->ready = relevant (self, turn_connect_stream_ready (self->stream, polled));
  return self->ready != 0;
}

static gboolean
source_dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  StreamSource *self = (StreamSource *)source;
  TurnConnectStreamFunc func = (TurnConnectStreamFunc)(void (*) (void))callback;

  if (func == NULL)
    return G_SOURCE_REMOVE;
  return func (self->stream, self->ready, user_data);
}

static void
source_finalize (GSource *source)
{
  g_clear_object (&((StreamSource *)source)->stream);
}

/* GIO's pollable sources wrap this one by a closure. */
static gboolean
call_closure (TurnConnectStream *stream, GIOCondition condition, gpointer data)
{
  GClosure *closure = data;
  GValue parameters[2] = { G_VALUE_INIT, G_VALUE_INIT };
  GValue result = G_VALUE_INIT;
  gboolean goes_on;

  g_value_init (&result, G_TYPE_BOOLEAN);
  g_value_init (&parameters[0], TURN_CONNECT_TYPE_STREAM);
  g_value_set_object (&parameters[0], stream);
  g_value_init (&parameters[1], G_TYPE_IO_CONDITION);
  g_value_set_flags (&parameters[1], condition);
  g_closure_invoke (closure, &result, 2, parameters, NULL);
  goes_on = g_value_get_boolean (&result);
  g_value_unset (&parameters[0]);
  g_value_unset (&parameters[1]);
  g_value_unset (&result);
  return goes_on;
}

static GSourceFuncs source_funcs = {
  .prepare = source_prepare,
  .check = source_check,
  .dispatch = source_dispatch,
  .finalize = source_finalize,
  .closure_callback = (GSourceFunc)(void (*) (void))call_closure,
};

GSource *
turn_connect_stream_create_source (TurnConnectStream *stream,
                                   GIOCondition condition,
                                   GCancellable *cancellable)
{
  GSource *source = g_source_new (&source_funcs, sizeof (StreamSource));
  StreamSource *self = (StreamSource *)source;
  int descriptor = turn_connect_stream_get_descriptor (stream);

  g_source_set_static_name (source, "TurnConnectStream");
  self->stream = g_object_ref (stream);
  self->wanted = condition & (G_IO_IN | G_IO_OUT);
  if (descriptor >= 0) {
    self->watched = turn_connect_stream_needs (stream, self->wanted);
    self->tag = g_source_add_unix_fd (source, descriptor, self->watched);
  }
  if (cancellable != NULL) {
    g_autoptr (GSource) child = g_cancellable_source_new (cancellable);

    g_source_set_dummy_callback (child);
    g_source_add_child_source (source, child);
  }
  return source;
}

void
turn_connect_stream_source_set_condition (GSource *source, GIOCondition condition)
{
  StreamSource *self = (StreamSource *)source;

  g_return_if_fail (source->source_funcs == &source_funcs);
  self->wanted = condition & (G_IO_IN | G_IO_OUT);
  if (self->tag != NULL && !turn_connect_stream_is_shut (self->stream))
    watch (self);
}
