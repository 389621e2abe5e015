/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A connection is known by its first flight, answered in its own protocol, and then kept for a while: a box that looks at
 * contents may let the first words pass and cut off the rest.
 */
#include "tep-s/detect-stream-private.h"

#define LIFETIME_US (60 * G_USEC_PER_SEC) /* PROTOCOL.md section 15.5 */
#define INPUT_MAX 65536                   /* octets */
#define OUTPUT_MAX (512 * 1024)
#define READ_SIZE 4096

/* ---- the record ---- */

static void
update_record (TepServerDetectStream *stream)
{
  stream->record.duration_ms =
      (guint32)((stream->core->now_us - stream->opened_us) / TEP_SERVER_DETECT_MS);
  tep_server_detect_book_change (stream->core->book, stream->entry, &stream->record);
}

static void
name_run (TepServerDetectStream *stream, const StunExtDetectSeen *seen)
{
  if (!seen->has_run || stream->has_run)
    return;
  stream->has_run = TRUE;
  stream->record.probe = seen->probe;
  stream->entry = tep_server_detect_book_name (stream->core->book, stream->entry, &stream->record,
                                               &seen->run, stream->opened_us);
}

void
tep_server_detect_stream_note (TepServerDetectStream *stream,
                               const StunExtDetectSeen *seen,
                               const guint8 *first,
                               gsize length)
{
  const StunExtSpan part = { first, length };

  if (!stream->has_flight || seen->has_run) {
    stream->record.payload = seen->payload;
    stream->record.twin = seen->twin;
  }
  if (!stream->has_flight &&
      stun_ext_crypto_digest (STUN_EXT_HASH_SHA256, &part, 1, stream->record.digest))
    stream->record.first_length = (guint32)length;
  stream->has_flight = TRUE;
  name_run (stream, seen);
  update_record (stream);
}

void
tep_server_detect_stream_finish (TepServerDetectStream *stream, StunExtDetectEnd end)
{
  stream->state = TEP_SERVER_DETECT_STREAM_OVER;
  if (stream->is_finished)
    return;
  stream->is_finished = TRUE;
  stream->record.end = end;
  update_record (stream);
  if (stream->tls != NULL)
    tep_server_tls_close (stream->tls);
}

/* ---- output ---- */

static gboolean
write_tls (gpointer user_data, const guint8 *data, gsize length)
{
  TepServerDetectStream *stream = user_data;

  if (stream->output->len + length > 2 * OUTPUT_MAX)
    return FALSE;
  g_byte_array_append (stream->output, data, (guint)length);
  return TRUE;
}

void
tep_server_detect_stream_say (TepServerDetectStream *stream, const void *data, gsize length)
{
  if (stream->output->len + length > OUTPUT_MAX ||
      (stream->tls != NULL ? !tep_server_tls_write (stream->tls, data, length)
                           : !write_tls (stream, data, length)))
    tep_server_detect_stream_finish (stream, STUN_EXT_DETECT_END_DONE);
}

void
tep_server_detect_stream_begin_tls (TepServerDetectStream *stream, const StunExtDetectSeen *seen)
{
  tep_server_detect_stream_note (stream, seen, stream->pending->data,
                                 MIN (stream->pending->len, seen->length));
  stream->tls = tep_server_tls_new (stream->tls_context, write_tls, stream);
  if (stream->tls == NULL) {
    tep_server_detect_stream_finish (stream, STUN_EXT_DETECT_END_DONE);
    return;
  }
  stream->state = TEP_SERVER_DETECT_STREAM_HANDSHAKE;
}

/* ---- reading ---- */

static void read_tls (TepServerDetectStream *stream);

static void
process (TepServerDetectStream *stream)
{
  while (tep_server_detect_stream_read (stream))
    ;
  if (stream->state == TEP_SERVER_DETECT_STREAM_HANDSHAKE) {
    /* What was taken for the outer layer's belongs to TLS. */
    g_autoptr (GByteArray) hello = stream->pending;

    stream->pending = g_byte_array_new ();
    tep_server_tls_push (stream->tls, hello->data, hello->len);
    read_tls (stream);
  }
}

static gboolean
shake_hands (TepServerDetectStream *stream)
{
  switch (tep_server_tls_handshake (stream->tls)) {
  case TEP_SERVER_TLS_DONE:
    stream->state = TEP_SERVER_DETECT_STREAM_DOOR;
    stream->record.layers |= STUN_EXT_DETECT_LAYER_TLS;
    stream->asker.is_secure = TRUE;
    stream->has_spoken = TRUE; /* silence is a matter of the outer layer */
    update_record (stream);
    return TRUE;
  case TEP_SERVER_TLS_MORE:
    return FALSE;
  case TEP_SERVER_TLS_CLOSED:
  case TEP_SERVER_TLS_FAILED:
  default:
    tep_server_detect_stream_finish (stream, STUN_EXT_DETECT_END_DONE);
    return FALSE;
  }
}

static void
read_tls (TepServerDetectStream *stream)
{
  guint8 buffer[READ_SIZE];
  gsize n;

  if (stream->state == TEP_SERVER_DETECT_STREAM_HANDSHAKE && !shake_hands (stream))
    return;
  while (stream->state != TEP_SERVER_DETECT_STREAM_OVER) {
    switch (tep_server_tls_read (stream->tls, buffer, sizeof buffer, &n)) {
    case TEP_SERVER_TLS_DONE:
      tep_server_detect_stream_plain (stream, buffer, n);
      break;
    case TEP_SERVER_TLS_MORE:
      return;
    case TEP_SERVER_TLS_CLOSED:
      tep_server_detect_stream_finish (stream, STUN_EXT_DETECT_END_FIN);
      return;
    case TEP_SERVER_TLS_FAILED:
    default:
      tep_server_detect_stream_finish (stream, STUN_EXT_DETECT_END_DONE);
      return;
    }
  }
}

void
tep_server_detect_stream_plain (TepServerDetectStream *stream, const guint8 *data, gsize length)
{
  if (stream->state == TEP_SERVER_DETECT_STREAM_OVER)
    return;
  if (stream->pending->len + length > INPUT_MAX) {
    tep_server_detect_stream_finish (stream, STUN_EXT_DETECT_END_DONE);
    return;
  }
  g_byte_array_append (stream->pending, data, (guint)length);
  process (stream);
}

void
tep_server_detect_stream_input (TepServerDetectStream *stream, const guint8 *data, gsize length)
{
  if (stream->state == TEP_SERVER_DETECT_STREAM_OVER || length == 0)
    return;
  stream->heard_us = stream->core->now_us;
  stream->record.octets_in += (guint32)length;
  if (stream->record.octets_in > INPUT_MAX) {
    tep_server_detect_stream_finish (stream, STUN_EXT_DETECT_END_DONE);
    return;
  }
  if (stream->tls != NULL) {
    tep_server_tls_push (stream->tls, data, length);
    read_tls (stream);
  } else {
    tep_server_detect_stream_plain (stream, data, length);
  }
  update_record (stream);
}

/* ---- time and end ---- */

void
tep_server_detect_stream_end (TepServerDetectStream *stream, StunExtDetectEnd end, guint32 unacked)
{
  stream->record.octets_unacked = unacked;
  tep_server_detect_stream_finish (stream, end);
}

static gboolean
may_speak_first (const TepServerDetectStream *stream)
{
  return stream->state == TEP_SERVER_DETECT_STREAM_DOOR && !stream->is_front_door &&
         !stream->has_spoken && stream->pending->len == 0;
}

gint64
tep_server_detect_stream_deadline (const TepServerDetectStream *stream)
{
  gint64 due_us = MIN (stream->life_us, stream->heard_us + TEP_SERVER_DETECT_STREAM_KEEP_US);

  if (stream->state == TEP_SERVER_DETECT_STREAM_OVER)
    return stream->heard_us + TEP_SERVER_DETECT_STREAM_KEEP_US;
  if (stream->held != NULL)
    due_us = MIN (stream->life_us, stream->held_due_us);
  if (may_speak_first (stream))
    due_us =
        MIN (due_us, stream->opened_us + STUN_EXT_DETECT_SPEAK_FIRST_MS * TEP_SERVER_DETECT_MS);
  if (stream->state == TEP_SERVER_DETECT_STREAM_DOOR && stream->pending->len > 0)
    due_us =
        MIN (due_us, stream->heard_us + STUN_EXT_DETECT_SHORT_FLIGHT_MS * TEP_SERVER_DETECT_MS);
  return due_us;
}

static void
speak_first (TepServerDetectStream *stream)
{
  const StunExtDetectSeen silence = { .payload = STUN_EXT_DETECT_PAYLOAD_SILENCE };

  stream->has_spoken = TRUE;
  tep_server_detect_stream_say_digest (stream, &silence, NULL, 0);
}

void
tep_server_detect_stream_advance (TepServerDetectStream *stream)
{
  gint64 now_us = stream->core->now_us;

  if (stream->state == TEP_SERVER_DETECT_STREAM_OVER)
    return;
  if (stream->held != NULL && now_us >= stream->held_due_us) {
    g_autoptr (GBytes) held = g_steal_pointer (&stream->held);
    gsize length;
    const guint8 *octets = g_bytes_get_data (held, &length);

    tep_server_detect_waited (stream->core, &stream->source);
    stream->heard_us = now_us;
    tep_server_detect_stream_say (stream, octets, length);
  }
  if (may_speak_first (stream) &&
      now_us >= stream->opened_us + STUN_EXT_DETECT_SPEAK_FIRST_MS * TEP_SERVER_DETECT_MS)
    speak_first (stream);
  process (stream);
  if (stream->state != TEP_SERVER_DETECT_STREAM_OVER &&
      (now_us >= stream->life_us ||
       (stream->held == NULL && now_us >= stream->heard_us + TEP_SERVER_DETECT_STREAM_KEEP_US)))
    tep_server_detect_stream_finish (stream, STUN_EXT_DETECT_END_TIMEOUT);
}

const guint8 *
tep_server_detect_stream_output (const TepServerDetectStream *stream, gsize *length)
{
  *length = stream->output->len;
  return stream->output->data;
}

void
tep_server_detect_stream_written (TepServerDetectStream *stream, gsize length)
{
  g_byte_array_remove_range (stream->output, 0, (guint)length);
  stream->record.octets_out += (guint32)length;
  update_record (stream);
  if (stream->output->len == 0)
    process (stream); /* a request may have waited for it */
}

gboolean
tep_server_detect_stream_is_over (const TepServerDetectStream *stream)
{
  return stream->state == TEP_SERVER_DETECT_STREAM_OVER;
}

TepServerDetectStream *
tep_server_detect_stream_new (TepServerDetectCore *core, const TepServerDetectArrival *arrival)
{
  TepServerDetectStream *stream = g_new0 (TepServerDetectStream, 1);

  stream->core = core;
  stream->place = arrival->place;
  stream->source = arrival->source;
  stream->asker = (TepServerDetectAsker){ .place = &stream->place,
                                          .source = &stream->source,
                                          .is_stream = TRUE,
                                          .is_secure = arrival->tls != NULL,
                                          .may_wait = TRUE };
  stream->is_front_door = arrival->is_front_door;
  stream->tls = arrival->tls;
  if (arrival->tls_context != NULL)
    stream->tls_context = tep_server_tls_context_ref (arrival->tls_context);
  if (stream->tls != NULL)
    tep_server_tls_set_write (stream->tls, write_tls, stream);
  stream->pending = g_byte_array_new ();
  stream->output = g_byte_array_new ();
  stream->opened_us = stream->heard_us = core->now_us;
  stream->life_us = core->now_us + LIFETIME_US;
  stream->record = arrival->syn;
  stream->record.time_ms = core->now_ms;
  stream->record.transport = STUN_EXT_DETECT_TRANSPORT_TCP;
  stream->record.local = arrival->place.local;
  stream->record.source = arrival->source;
  stream->record.layers = arrival->layers;
  stream->record.payload = STUN_EXT_DETECT_PAYLOAD_SILENCE;
  stream->entry = tep_server_detect_book_add (core->book, &stream->record, NULL, core->now_us);
  return stream;
}

void
tep_server_detect_stream_free (TepServerDetectStream *stream)
{
  tep_server_detect_stream_finish (stream, STUN_EXT_DETECT_END_DONE);
  if (stream->held != NULL)
    tep_server_detect_waited (stream->core, &stream->source);
  g_clear_pointer (&stream->held, g_bytes_unref);
  g_clear_pointer (&stream->tls, tep_server_tls_free);
  g_clear_pointer (&stream->tls_context, tep_server_tls_context_unref);
  g_byte_array_unref (stream->pending);
  g_byte_array_unref (stream->output);
  g_free (stream);
}
