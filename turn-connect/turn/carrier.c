/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One face for streams and datagrams. Over a stream messages have to be cut out, requests must not
 * be lost, and a packet that went in part has to be finished; over datagrams none of that. What a
 * congested stream does not take at once is not queued, for media that is late is worth nothing:
 * only requests, and the rest of a packet already begun, wait here.
 */
#include "turn-connect/turn/carrier.h"

#include <string.h>

#include "stun-ext/stream.h"
#include "turn-connect/datagram-private.h"
#include "turn-connect/error-private.h"
#include "turn-connect/stream-private.h"
#include "turn-connect/turn/rivals.h"

#define UNIT_MAX (4 + 65536 + 20) /* octets of the longest message or ChannelData */
#define READ_SIZE 65536           /* octets: a whole datagram, or several TLS records */
#define READS_MAX 16              /* in a row; then others of the main context get their turn */
#define QUEUE_MAX (256 * 1024)    /* octets of requests that wait; more means nobody reads */
#define BATCH_SIZE TURN_CONNECT_WRITE_MAX
#define DATAGRAMS_SIZE (TURN_CONNECT_DATAGRAMS_MAX * 1500) /* of a batch; longer ones go alone */
#define INBOX_MAX 16 /* datagrams taken at once; of their memory only what is written to is there */

struct _TurnConnectCarrierLink {
  grefcount references; /* held over callbacks */
  gboolean is_closed;
  TurnConnectStream *stream;
  TurnConnectDatagram *datagram;
  TurnConnectRivals *rivals; /* until there is one of both */
  char *who;
  TurnConnectCarrierFuncs funcs;
  gpointer user_data;
  GSource *watch;
  GIOCondition condition; /* that it looks for */
  GError *broken;         /* a write failed: told by the source, not within a caller's send */
  StunExtStream cutter;
  gboolean has_read; /* of a stream */
  GByteArray *queue; /* of a stream: what has to go before anything else */
  guint8 *batch;     /* NULL: not collecting */
  guint8 *batch_room;
  gsize batch_length;
  guint n_batch;                                       /* packets in it */
  guint n_refused;                                     /* of this batch */
  GOutputVector datagrams[TURN_CONNECT_DATAGRAMS_MAX]; /* where they are in it */
  guint8 *inbox; /* of plain UDP, INBOX_MAX * READ_SIZE; else NULL */
  guint8 buffer[READ_SIZE];
};

static void
unref (TurnConnectCarrierLink *self)
{
  if (!g_ref_count_dec (&self->references))
    return;
  stun_ext_stream_clear (&self->cutter);
  g_byte_array_unref (self->queue);
  g_clear_object (&self->stream);
  g_clear_object (&self->datagram);
  g_clear_error (&self->broken);
  g_free (self->batch_room);
  g_free (self->inbox);
  g_free (self->who);
  g_free (self);
}

static void
set_condition (TurnConnectCarrierLink *self, GIOCondition condition)
{
  if (self->watch == NULL || condition == self->condition)
    return; /* to set it wakes the loop up */
  self->condition = condition;
  if (self->stream != NULL)
    turn_connect_stream_source_set_condition (self->watch, condition);
  else
    turn_connect_datagram_source_set_condition (self->watch, condition);
}

static void
shut (TurnConnectCarrierLink *self)
{
  self->is_closed = TRUE;
  if (self->watch != NULL)
    g_source_destroy (self->watch);
  g_clear_pointer (&self->watch, g_source_unref);
  g_clear_pointer (&self->rivals, turn_connect_rivals_free);
  if (self->stream != NULL)
    g_io_stream_close (G_IO_STREAM (self->stream), NULL, NULL);
  if (self->datagram != NULL)
    turn_connect_datagram_close (self->datagram);
}

static void
lose (TurnConnectCarrierLink *self, GError *error)
{
  if (self->is_closed) {
    g_error_free (error);
    return;
  }
  g_prefix_error (&error, "%s: ", self->who);
  shut (self);
  self->funcs.lost (error, self->user_data);
}

/* A write failed. Reading may still have something to say, and the caller is in the middle. */
static void
note_broken (TurnConnectCarrierLink *self, GError *error)
{
  if (self->broken != NULL) {
    g_error_free (error);
    return;
  }
  self->broken = error;
  set_condition (self, G_IO_IN | G_IO_OUT);
  if (self->watch != NULL)
    g_source_set_ready_time (self->watch, 0);
}

/* Sends what waits, as far as it goes. */
static TurnConnectIo
flush (TurnConnectCarrierLink *self)
{
  TurnConnectIo io = TURN_CONNECT_IO_OK;
  GError *error = NULL;
  gsize done = 0;

  while (done < self->queue->len && io == TURN_CONNECT_IO_OK) {
    GOutputVector vector = { self->queue->data + done,
                             MIN (self->queue->len - done, TURN_CONNECT_WRITE_MAX) };
    gsize accepted;

    io = turn_connect_stream_try_write (self->stream, &vector, 1, &accepted, &error);
    done += accepted;
  }
  if (done > 0)
    g_byte_array_remove_range (self->queue, 0, (guint)done);
  if (io == TURN_CONNECT_IO_FAILED)
    note_broken (self, error);
  else if (self->queue->len > 0)
    set_condition (self, G_IO_IN | G_IO_OUT);
  return io;
}

void
turn_connect_carrier_send (TurnConnectCarrierLink *self, const void *data, gsize length)
{
  GError *error = NULL;

  if (self->is_closed || self->broken != NULL)
    return;
  if (self->rivals != NULL) {
    turn_connect_rivals_send (self->rivals, data, length);
    return;
  }
  if (self->datagram != NULL) {
    GOutputVector vector = { data, length };

    if (turn_connect_datagram_try_send (self->datagram, &vector, 1, &error) ==
        TURN_CONNECT_IO_FAILED)
      g_debug ("carrier: %s", error->message); /* its timer sends it again, or gives up */
    g_clear_error (&error);
    return;
  }
  if (self->queue->len + length > QUEUE_MAX) {
    note_broken (self, g_error_new_literal (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TIMED_OUT,
                                            "it reads nothing of what it is sent"));
    return;
  }
  g_byte_array_append (self->queue, data, (guint)length);
  flush (self);
}

static void
queue_rest (TurnConnectCarrierLink *self,
            const GOutputVector *vectors,
            guint n_vectors,
            gsize accepted)
{
  for (guint i = 0; i < n_vectors; i++) {
    gsize skip = MIN (accepted, vectors[i].size);

    accepted -= skip;
    g_byte_array_append (self->queue, (const guint8 *)vectors[i].buffer + skip,
                         (guint)(vectors[i].size - skip));
  }
  flush (self);
}

static TurnConnectIo
send_on_stream (TurnConnectCarrierLink *self,
                const GOutputVector *vectors,
                guint n_vectors,
                gsize length)
{
  GError *error = NULL;
  TurnConnectIo io;
  gsize accepted;

  if (self->queue->len > 0 && flush (self) != TURN_CONNECT_IO_OK)
    return TURN_CONNECT_IO_BLOCKED;
  if (length > TURN_CONNECT_WRITE_MAX) {
    /* More than one record: begun if there is room at all. */
    if ((turn_connect_stream_get_ready (self->stream) & G_IO_OUT) == 0)
      return TURN_CONNECT_IO_BLOCKED;
    queue_rest (self, vectors, n_vectors, 0);
    return TURN_CONNECT_IO_OK;
  }
  io = turn_connect_stream_try_write (self->stream, vectors, n_vectors, &accepted, &error);
  if (io == TURN_CONNECT_IO_FAILED) {
    note_broken (self, error);
    return TURN_CONNECT_IO_BLOCKED;
  }
  if (io == TURN_CONNECT_IO_OK && accepted < length)
    queue_rest (self, vectors, n_vectors, accepted);
  return io;
}

static void
send_batch_on_its_way (TurnConnectCarrierLink *self)
{
  GOutputVector vector = { self->batch_room, self->batch_length };

  if (self->datagram != NULL)
    self->n_refused += self->n_batch - turn_connect_datagram_send_many (
                                           self->datagram, self->datagrams, self->n_batch);
  else if (self->batch_length > 0 &&
           send_on_stream (self, &vector, 1, self->batch_length) != TURN_CONNECT_IO_OK)
    self->n_refused += self->n_batch;
  self->batch_length = 0;
  self->n_batch = 0;
}

static TurnConnectIo
send_datagram (TurnConnectCarrierLink *self, const GOutputVector *vectors, guint n_vectors)
{
  g_autoptr (GError) error = NULL;
  TurnConnectIo io = turn_connect_datagram_try_send (self->datagram, vectors, n_vectors, &error);

  if (io == TURN_CONNECT_IO_FAILED) /* an ICMP error of an earlier one; or too long for DTLS */
    g_debug ("carrier: %s", error->message);
  return io == TURN_CONNECT_IO_OK ? io : TURN_CONNECT_IO_BLOCKED;
}

static gsize
batch_size (const TurnConnectCarrierLink *self)
{
  return self->datagram != NULL ? DATAGRAMS_SIZE : BATCH_SIZE;
}

static TurnConnectIo
collect (TurnConnectCarrierLink *self, const GOutputVector *vectors, guint n_vectors, gsize length)
{
  if (self->batch_length + length > batch_size (self) ||
      (self->datagram != NULL && self->n_batch == TURN_CONNECT_DATAGRAMS_MAX))
    send_batch_on_its_way (self);
  if (length > batch_size (self))
    return self->datagram != NULL ? send_datagram (self, vectors, n_vectors)
                                  : send_on_stream (self, vectors, n_vectors, length);
  if (self->datagram != NULL)
    self->datagrams[self->n_batch] = (GOutputVector){ self->batch + self->batch_length, length };
  for (guint i = 0; i < n_vectors; i++) {
    if (vectors[i].size > 0)
      memcpy (self->batch + self->batch_length, vectors[i].buffer, vectors[i].size);
    self->batch_length += vectors[i].size;
  }
  self->n_batch++;
  return TURN_CONNECT_IO_OK;
}

TurnConnectIo
turn_connect_carrier_send_packet (TurnConnectCarrierLink *self,
                                  const GOutputVector *vectors,
                                  guint n_vectors,
                                  gsize length)
{
  if (self->is_closed || self->broken != NULL || self->rivals != NULL)
    return TURN_CONNECT_IO_BLOCKED;
  if (self->batch != NULL)
    return collect (self, vectors, n_vectors, length);
  return self->stream != NULL ? send_on_stream (self, vectors, n_vectors, length)
                              : send_datagram (self, vectors, n_vectors);
}

void
turn_connect_carrier_begin_batch (TurnConnectCarrierLink *self)
{
  self->n_refused = 0;
  if (self->rivals != NULL)
    return;
  if (self->batch_room == NULL)
    self->batch_room = g_malloc (batch_size (self));
  self->batch = self->batch_room;
}

guint
turn_connect_carrier_end_batch (TurnConnectCarrierLink *self)
{
  if (self->batch != NULL)
    send_batch_on_its_way (self);
  self->batch = NULL;
  return self->n_refused;
}

static void
cut (TurnConnectCarrierLink *self, gsize got)
{
  StunExtStreamVerdict verdict = STUN_EXT_STREAM_NEED_MORE;
  const guint8 *unit;
  gsize length;

  /* A server begins with a message: what looks like ChannelData, as HTTP does, would be waited for. */
  if (!self->has_read && (self->buffer[0] & 0xc0) != 0) {
    lose (self, g_error_new_literal (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TURN_PROTOCOL,
                                     "what it sends is not TURN"));
    return;
  }
  self->has_read = TRUE;
  stun_ext_stream_push (&self->cutter, self->buffer, got);
  while (!self->is_closed &&
         (verdict = stun_ext_stream_next (&self->cutter, &unit, &length)) == STUN_EXT_STREAM_FRAME)
    self->funcs.received (unit, length, self->user_data);
  if (!self->is_closed && verdict != STUN_EXT_STREAM_NEED_MORE)
    lose (self, g_error_new_literal (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TURN_PROTOCOL,
                                     "what it sends is not TURN"));
}

/* Plain UDP tells of ICMP errors, and goes on. TRUE: there may be more to read. */
static gboolean
fail_reading (TurnConnectCarrierLink *self, GError *error)
{
  g_autoptr (GError) passing = error;

  if (self->datagram == NULL || turn_connect_datagram_get_tls_info (self->datagram) != NULL ||
      (!g_error_matches (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_REFUSED) &&
       !g_error_matches (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_UNREACHABLE))) {
    lose (self, g_steal_pointer (&passing));
    return FALSE;
  }
  g_prefix_error (&passing, "%s: ", self->who);
  self->funcs.troubled (passing, self->user_data);
  return TRUE;
}

/* Plain UDP. Reads once; FALSE when there is no more now. */
static gboolean
read_datagrams (TurnConnectCarrierLink *self)
{
  GInputVector buffers[INBOX_MAX];
  GError *error = NULL;
  TurnConnectIo io;
  guint n;

  for (guint i = 0; i < INBOX_MAX; i++)
    buffers[i] = (GInputVector){ self->inbox + (gsize)i * READ_SIZE, READ_SIZE };
  io = turn_connect_datagram_receive_many (self->datagram, buffers, INBOX_MAX, &n, &error);
  for (guint i = 0; i < n && !self->is_closed; i++)
    if (buffers[i].size > 0)
      self->funcs.received (buffers[i].buffer, buffers[i].size, self->user_data);
  return io == TURN_CONNECT_IO_FAILED ? fail_reading (self, error) : n == INBOX_MAX;
}

/* Reads once; FALSE when there is no more now. */
static gboolean
read_some (TurnConnectCarrierLink *self)
{
  GError *error = NULL;
  TurnConnectIo io;
  gsize got;

  if (self->inbox != NULL)
    return read_datagrams (self);
  if (self->stream != NULL)
    io = turn_connect_stream_try_read (self->stream, self->buffer, sizeof self->buffer, &got,
                                       &error);
  else
    io = turn_connect_datagram_try_receive (self->datagram, self->buffer, sizeof self->buffer, &got,
                                            &error);
  switch (io) {
  case TURN_CONNECT_IO_OK:
    if (self->stream != NULL)
      cut (self, got);
    else
      self->funcs.received (self->buffer, got, self->user_data);
    return TRUE;
  case TURN_CONNECT_IO_BLOCKED:
    return FALSE;
  case TURN_CONNECT_IO_END:
    lose (self, g_error_new_literal (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_CLOSED,
                                     "it ended the connection"));
    return FALSE;
  case TURN_CONNECT_IO_FAILED:
  default:
    return fail_reading (self, error);
  }
}

static gboolean
ready (TurnConnectCarrierLink *self, GIOCondition condition)
{
  g_ref_count_inc (&self->references);
  if (self->stream != NULL)
    g_source_set_ready_time (self->watch, -1);
  if (self->stream != NULL && self->broken == NULL && (condition & G_IO_OUT) != 0)
    flush (self);
  for (guint i = 0; i < READS_MAX && !self->is_closed; i++)
    if (!read_some (self))
      break;
  if (!self->is_closed && self->broken != NULL)
    lose (self, g_steal_pointer (&self->broken));
  if (!self->is_closed) {
    if (self->queue->len == 0)
      set_condition (self, G_IO_IN);
    self->funcs.drained (self->user_data);
  }
  condition = self->is_closed ? 0 : G_IO_IN;
  unref (self);
  return condition != 0 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static gboolean
stream_ready (TurnConnectStream *stream, GIOCondition condition, gpointer user_data)
{
  return ready (user_data, condition);
}

static gboolean
datagram_ready (TurnConnectDatagram *datagram, GIOCondition condition, gpointer user_data)
{
  return ready (user_data, condition);
}

/* Once there is a stream or datagrams. */
static void
begin_watching (TurnConnectCarrierLink *self)
{
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();

  if (self->stream != NULL) {
    self->watch = turn_connect_stream_create_source (self->stream, G_IO_IN, NULL);
    g_source_set_callback (self->watch, G_SOURCE_FUNC (stream_ready), self, NULL);
  } else {
    if (turn_connect_datagram_get_tls_info (self->datagram) == NULL)
      self->inbox = g_malloc ((gsize)INBOX_MAX * READ_SIZE);
    self->watch = turn_connect_datagram_create_source (self->datagram, G_IO_IN, NULL);
    g_source_set_callback (self->watch, G_SOURCE_FUNC (datagram_ready), self, NULL);
  }
  g_source_attach (self->watch, context);
}

static TurnConnectCarrierLink *
new_link (const char *who, const TurnConnectCarrierFuncs *funcs, gpointer user_data)
{
  TurnConnectCarrierLink *self = g_new (TurnConnectCarrierLink, 1);

  memset (self, 0, offsetof (TurnConnectCarrierLink, buffer));
  g_ref_count_init (&self->references);
  self->who = g_strdup (who);
  self->funcs = *funcs;
  self->user_data = user_data;
  self->queue = g_byte_array_new ();
  self->condition = G_IO_IN;
  stun_ext_stream_init (&self->cutter, STUN_EXT_FRAMING_TURN, UNIT_MAX);
  return self;
}

TurnConnectCarrierLink *
turn_connect_carrier_new (TurnConnectStream *stream,
                          TurnConnectDatagram *datagram,
                          const char *who,
                          const TurnConnectCarrierFuncs *funcs,
                          gpointer user_data)
{
  TurnConnectCarrierLink *self = new_link (who, funcs, user_data);

  g_set_object (&self->stream, stream);
  g_set_object (&self->datagram, datagram);
  begin_watching (self);
  return self;
}

static void
rival_won (TurnConnectDatagram *datagram, const guint8 *data, gsize length, gpointer user_data)
{
  TurnConnectCarrierLink *self = user_data;

  g_ref_count_inc (&self->references);
  g_clear_pointer (&self->rivals, turn_connect_rivals_free);
  self->datagram = datagram;
  begin_watching (self);
  self->funcs.received (data, length, self->user_data);
  if (!self->is_closed)
    self->funcs.drained (self->user_data);
  unref (self);
}

static void
rivals_failed (GError *error, gpointer user_data)
{
  TurnConnectCarrierLink *self = user_data;

  lose (self, error);
}

TurnConnectCarrierLink *
turn_connect_carrier_new_among (GPtrArray *addresses,
                                const char *interface,
                                const char *who,
                                const TurnConnectCarrierFuncs *funcs,
                                gpointer user_data)
{
  static const TurnConnectRivalsFuncs rivals_funcs = { rival_won, rivals_failed };
  TurnConnectCarrierLink *self = new_link (who, funcs, user_data);

  self->rivals = turn_connect_rivals_new (addresses, interface, &rivals_funcs, self);
  return self;
}

void
turn_connect_carrier_close (TurnConnectCarrierLink *self)
{
  if (!self->is_closed)
    shut (self);
  unref (self);
}

TurnConnectStream *
turn_connect_carrier_take_stream (TurnConnectCarrierLink *self)
{
  TurnConnectStream *stream = g_steal_pointer (&self->stream);
  g_autoptr (GBytes) unread = stun_ext_stream_take_unread (&self->cutter);
  gsize length = 0;
  const guint8 *data = unread != NULL ? g_bytes_get_data (unread, &length) : NULL;

  shut (self);
  turn_connect_stream_unread (stream, data, length);
  return stream;
}

TurnConnectStream *
turn_connect_carrier_get_stream (TurnConnectCarrierLink *self)
{
  return self->stream;
}

TurnConnectDatagram *
turn_connect_carrier_get_datagram (TurnConnectCarrierLink *self)
{
  return self->datagram;
}
