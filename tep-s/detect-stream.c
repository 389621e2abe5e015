/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A connection is known by its first flight, answered in its own protocol, and then kept for a while: a box that looks at
 * contents may let the first words pass and cut off the rest.
 */
#include "tep-s/detect-stream.h"

#include <string.h>

#include "stun-ext/attribute.h"
#include "stun-ext/detect-text.h"

#define MS G_GINT64_CONSTANT (1000)       /* in microseconds */
#define LIFETIME_US (60 * G_USEC_PER_SEC) /* PROTOCOL.md section 15.5 */
#define KEEP_US (STUN_EXT_DETECT_KEEP_MS * MS)
#define INPUT_MAX 65536 /* octets */
#define PENDING_MAX                                                                                \
  8192 /* octets of a layer that wait to be understood: the longest head of a request */
#define OUTPUT_MAX (512 * 1024)
#define READ_SIZE 4096

typedef enum {
  STREAM_DOOR,
  STREAM_HANDSHAKE,
  STREAM_STUN,
  STREAM_HTTP,
  STREAM_BLOCKS,
  STREAM_OVER,
} StreamState;

struct _TepServerDetectStream {
  TepServerDetectCore *core;
  TepServerDetectPlace place;
  StunExtAddress source;
  TepServerDetectAsker asker;
  TepServerTlsContext *tls_context;
  TepServerTls *tls;
  StreamState state;
  gboolean is_front_door;
  gboolean has_spoken;  /* first */
  gboolean is_sip;      /* the first flight was */
  gboolean has_flight;  /* the first flight is in the record */
  gboolean has_run;     /* the line of the record is in the run's name */
  gboolean is_finished; /* the record is */
  GByteArray *pending;  /* of the innermost layer */
  GByteArray *output;
  StunExtDetectSurvival survival;
  StunExtDetectRecord record;
  TepServerDetectEntry entry;
  gint64 opened_us;
  gint64 heard_us;
  gint64 life_us;
  gint64 held_due_us; /* of an answer that is held */
  GBytes *held;
};

/* ---- the record ---- */

static void
update_record (TepServerDetectStream *stream)
{
  stream->record.duration_ms = (guint32)((stream->core->now_us - stream->opened_us) / MS);
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

/* The outermost first flight is what the record shows; what was found inside TLS says whose it is. */
static void
note_flight (TepServerDetectStream *stream,
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

static void
finish (TepServerDetectStream *stream, StunExtDetectEnd end)
{
  stream->state = STREAM_OVER;
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

static void
say (TepServerDetectStream *stream, const void *data, gsize length)
{
  if (stream->output->len + length > OUTPUT_MAX ||
      (stream->tls != NULL ? !tep_server_tls_write (stream->tls, data, length)
                           : !write_tls (stream, data, length)))
    finish (stream, STUN_EXT_DETECT_END_DONE);
}

static void
drop_pending (TepServerDetectStream *stream, gsize n)
{
  g_byte_array_remove_range (stream->pending, 0, (guint)n);
}

/* ---- what the layers carry ---- */

static void
say_digest (TepServerDetectStream *stream,
            const StunExtDetectSeen *seen,
            const guint8 *first,
            gsize length)
{
  guint8 octets[STUN_EXT_DETECT_ANSWER_LENGTH];
  StunExtDetectKey key;
  gboolean has_key =
      seen->has_run && tep_server_detect_book_key (stream->core->book, &seen->run, &stream->source,
                                                   stream->core->now_us, &key);

  if (tep_server_detect_echo (&stream->source, seen, has_key ? &key : NULL, first, length, octets))
    say (stream, octets, sizeof octets);
}

static gboolean
say_sip (TepServerDetectStream *stream, const StunExtDetectSeen *seen, gsize length)
{
  const StunExtDetectToken token = { .run = seen->run,
                                     .probe = seen->probe,
                                     .length = (guint16)length,
                                     .payload = (guint8)seen->payload };
  g_autoptr (GString) answer = NULL;
  StunExtDetectKey key;

  if (!seen->has_run || seen->twin != STUN_EXT_DETECT_TWIN_NONE ||
      seen->payload < STUN_EXT_DETECT_PAYLOAD_SIP_REGISTER ||
      seen->payload > STUN_EXT_DETECT_PAYLOAD_SIP_OPTIONS ||
      !tep_server_detect_book_key (stream->core->book, &seen->run, &stream->source,
                                   stream->core->now_us, &key))
    return FALSE;
  answer = stun_ext_detect_sip_answer_write ((const char *)stream->pending->data, length, &token,
                                             &stream->source, &key, PENDING_MAX);
  if (answer == NULL)
    return FALSE;
  say (stream, answer->str, answer->len);
  return TRUE;
}

/* An answer to the whole flight, and then the test whether the connection lives. */
static void
answer_flight (TepServerDetectStream *stream, const StunExtDetectSeen *seen, gsize length)
{
  note_flight (stream, seen, stream->pending->data, length);
  stream->is_sip = say_sip (stream, seen, length);
  if (!stream->is_sip)
    say_digest (stream, seen, stream->pending->data, length);
  if (stream->state == STREAM_OVER ||
      !stun_ext_detect_survival_begin (&stream->survival, stream->pending->data, length))
    return;
  stream->state = STREAM_BLOCKS;
  drop_pending (stream, length);
}

static void
begin_tls (TepServerDetectStream *stream, const StunExtDetectSeen *seen)
{
  note_flight (stream, seen, stream->pending->data, MIN (stream->pending->len, seen->length));
  stream->tls = tep_server_tls_new (stream->tls_context, write_tls, stream);
  if (stream->tls == NULL) {
    finish (stream, STUN_EXT_DETECT_END_DONE);
    return;
  }
  stream->state = STREAM_HANDSHAKE;
}

/* Of noise it is only known when it is over. */
static gboolean
is_whole (TepServerDetectStream *stream, const StunExtDetectSeen *seen)
{
  gint64 quiet_us = stream->core->now_us - stream->heard_us;

  return (seen->length > 0 && stream->pending->len >= seen->length) ||
         stream->pending->len >= STUN_EXT_DETECT_FLIGHT_MAX ||
         quiet_us >= STUN_EXT_DETECT_SHORT_FLIGHT_MS * MS;
}

static gboolean
is_text (const StunExtDetectSeen *seen)
{
  return seen->twin == STUN_EXT_DETECT_TWIN_NONE &&
         (seen->payload == STUN_EXT_DETECT_PAYLOAD_HTTP ||
          seen->payload == STUN_EXT_DETECT_PAYLOAD_HTTP_OTHER_HOST);
}

static gboolean
is_stun (const StunExtDetectSeen *seen)
{
  return seen->twin == STUN_EXT_DETECT_TWIN_NONE &&
         (seen->payload == STUN_EXT_DETECT_PAYLOAD_STUN ||
          seen->payload == STUN_EXT_DETECT_PAYLOAD_TURN);
}

static gboolean
is_hello (const TepServerDetectStream *stream, const StunExtDetectSeen *seen)
{
  return stream->tls == NULL && stream->tls_context != NULL &&
         seen->twin == STUN_EXT_DETECT_TWIN_NONE && seen->payload >= STUN_EXT_DETECT_PAYLOAD_TLS &&
         seen->payload <= STUN_EXT_DETECT_PAYLOAD_TLS_STUN;
}

/* A whole first line of HTTP, and not of the misspelt twin: whatever becomes of it, HTTP's rules say. */
static gboolean
looks_like_request (const GByteArray *pending)
{
  const char *text = (const char *)pending->data;
  const char *end = g_strstr_len (text, (gssize)pending->len, "\r\n");

  return end != NULL && g_strrstr_len (text, end - text, " HTTP/1.") != NULL &&
         memcmp (text, "GTE", 3) != 0;
}

static gboolean
open_door (TepServerDetectStream *stream)
{
  StunExtDetectSeen seen = { 0 };
  StunExtDetectRecognition verdict;

  if (stream->pending->len == 0)
    return FALSE;
  verdict = stun_ext_detect_recognise (stream->pending->data, stream->pending->len, FALSE, &seen);
  if (verdict == STUN_EXT_DETECT_RECOGNITION_MORE) {
    if (looks_like_request (stream->pending)) {
      stream->state = STREAM_HTTP;
      return TRUE;
    }
    seen = (StunExtDetectSeen){ 0 };
  }
  if (verdict == STUN_EXT_DETECT_RECOGNITION_KNOWN && is_hello (stream, &seen))
    begin_tls (stream, &seen);
  else if (verdict == STUN_EXT_DETECT_RECOGNITION_KNOWN && is_stun (&seen))
    stream->state = STREAM_STUN;
  else if (verdict == STUN_EXT_DETECT_RECOGNITION_KNOWN && is_text (&seen))
    stream->state = STREAM_HTTP;
  else if (is_whole (stream, &seen))
    answer_flight (stream, &seen,
                   seen.length > 0 ? MIN (seen.length, stream->pending->len)
                                   : stream->pending->len);
  else
    return FALSE;
  return TRUE;
}

/* ---- STUN ---- */

static void
answer_stun (TepServerDetectStream *stream, const guint8 *data, gsize length)
{
  TepServerDetectCore *core = stream->core;
  TepServerDetectReply *reply = core->scratch;
  StunExtDetectSeen seen = { 0 };
  StunExtMessage request;
  StunExtDetectMark mark;

  stun_ext_detect_recognise (data, length, TRUE, &seen);
  note_flight (stream, &seen, data, length);
  *reply = (TepServerDetectReply){ .destination = stream->source };
  if (seen.has_run && stun_ext_message_parse (&request, data, length) == STUN_EXT_PARSE_OK &&
      stun_ext_message_get_detect (&request, &mark))
    tep_server_detect_stun (core, &stream->asker, &request, &mark, reply);
  else
    tep_server_detect_plain (core, &stream->asker, data, length, reply);
  if (reply->delay_s > 0 && stream->held != NULL) {
    tep_server_detect_waited (core, &stream->source);
    finish (stream, STUN_EXT_DETECT_END_DONE);
  } else if (reply->delay_s > 0) {
    stream->held = g_bytes_new (reply->octets, reply->length);
    stream->held_due_us = core->now_us + (gint64)reply->delay_s * G_USEC_PER_SEC;
    stream->life_us = MAX (stream->life_us, stream->held_due_us + KEEP_US);
  } else if (reply->length > 0) {
    say (stream, reply->octets, reply->length);
  } else {
    finish (stream, STUN_EXT_DETECT_END_DONE);
  }
}

static gboolean
read_stun (TepServerDetectStream *stream)
{
  g_autofree guint8 *message = NULL;
  gsize total = 0;
  StunExtParse parse =
      stun_ext_message_measure (stream->pending->data, stream->pending->len, &total);

  if (parse == STUN_EXT_PARSE_NOT_STUN || total > STUN_EXT_DETECT_FLIGHT_MAX) {
    finish (stream, STUN_EXT_DETECT_END_DONE);
    return FALSE;
  }
  if (parse != STUN_EXT_PARSE_OK || stream->pending->len < total)
    return FALSE;
  message = g_memdup2 (stream->pending->data, total);
  drop_pending (stream, total);
  answer_stun (stream, message, total);
  return TRUE;
}

/* ---- HTTP ---- */

static gboolean
read_http (TepServerDetectStream *stream)
{
  const char *text = (const char *)stream->pending->data;
  const char *end = stream->pending->len > 0
                        ? g_strstr_len (text, (gssize)stream->pending->len, "\r\n\r\n")
                        : NULL;
  TepServerDetectHttp http = { .core = stream->core,
                               .asker = &stream->asker,
                               .layers = stream->record.layers,
                               .tls = stream->tls };
  g_autoptr (GString) answer = NULL;
  StunExtDetectSeen seen = { 0 };
  gboolean goes_on;
  gsize length;

  if (end == NULL && stream->pending->len < PENDING_MAX)
    return FALSE;
  /* One answer at a time: who does not read gets no more. */
  if (stream->output->len > 0)
    return FALSE;
  length = end != NULL ? (gsize)(end - text) + 4 : stream->pending->len;
  if (stun_ext_detect_recognise (stream->pending->data, length, TRUE, &seen) !=
      STUN_EXT_DETECT_RECOGNITION_KNOWN)
    seen = (StunExtDetectSeen){ .payload = STUN_EXT_DETECT_PAYLOAD_HTTP };
  if (!stream->has_run)
    note_flight (stream, &seen, stream->pending->data, length);
  answer = g_string_new (NULL);
  goes_on = tep_server_detect_http (&http, text, length, answer);
  drop_pending (stream, length);
  say (stream, answer->str, answer->len);
  if (!goes_on)
    finish (stream, STUN_EXT_DETECT_END_DONE);
  return goes_on;
}

/* ---- survival ---- */

/* Further requests of one that began with SIP. FALSE if it is something else, which blocks are; else
 * @goes_on says whether there may be more. */
static gboolean
read_sip (TepServerDetectStream *stream, gboolean *goes_on)
{
  StunExtDetectSeen seen = { 0 };
  StunExtDetectRecognition verdict =
      stun_ext_detect_recognise (stream->pending->data, stream->pending->len, FALSE, &seen);

  *goes_on = FALSE;
  if (verdict == STUN_EXT_DETECT_RECOGNITION_MORE)
    return TRUE;
  if (verdict != STUN_EXT_DETECT_RECOGNITION_KNOWN || !seen.has_run ||
      seen.payload < STUN_EXT_DETECT_PAYLOAD_SIP_REGISTER ||
      seen.payload > STUN_EXT_DETECT_PAYLOAD_SIP_OPTIONS)
    return FALSE;
  if (stream->pending->len < seen.length)
    return TRUE;
  *goes_on = say_sip (stream, &seen, seen.length);
  if (*goes_on)
    drop_pending (stream, seen.length);
  return *goes_on;
}

static gboolean
read_block (TepServerDetectStream *stream)
{
  guint8 answer[STUN_EXT_DETECT_BLOCK_LENGTH];
  gboolean goes_on;

  if (stream->is_sip && stream->pending->len > 0 && read_sip (stream, &goes_on))
    return goes_on;
  if (stream->pending->len < STUN_EXT_DETECT_BLOCK_LENGTH)
    return FALSE;
  if (!stun_ext_detect_survival_block (&stream->survival, stream->pending->data, answer)) {
    finish (stream, STUN_EXT_DETECT_END_DONE);
    return FALSE;
  }
  drop_pending (stream, STUN_EXT_DETECT_BLOCK_LENGTH);
  say (stream, answer, sizeof answer);
  return TRUE;
}

/* ---- reading ---- */

static void read_tls (TepServerDetectStream *stream);

static void
process (TepServerDetectStream *stream)
{
  gboolean goes_on = TRUE;

  while (goes_on) {
    switch (stream->state) {
    case STREAM_DOOR:
      goes_on = open_door (stream);
      break;
    case STREAM_STUN:
      goes_on = read_stun (stream);
      break;
    case STREAM_HTTP:
      goes_on = read_http (stream);
      break;
    case STREAM_BLOCKS:
      goes_on = read_block (stream);
      break;
    case STREAM_HANDSHAKE: {
      /* What was taken for the outer layer's belongs to TLS. */
      g_autoptr (GByteArray) hello = stream->pending;

      stream->pending = g_byte_array_new ();
      tep_server_tls_push (stream->tls, hello->data, hello->len);
      read_tls (stream);
      return;
    }
    case STREAM_OVER:
    default:
      return;
    }
  }
}

static gboolean
shake_hands (TepServerDetectStream *stream)
{
  switch (tep_server_tls_handshake (stream->tls)) {
  case TEP_SERVER_TLS_DONE:
    stream->state = STREAM_DOOR;
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
    finish (stream, STUN_EXT_DETECT_END_DONE);
    return FALSE;
  }
}

static void
read_tls (TepServerDetectStream *stream)
{
  guint8 buffer[READ_SIZE];
  gsize n;

  if (stream->state == STREAM_HANDSHAKE && !shake_hands (stream))
    return;
  while (stream->state != STREAM_OVER) {
    switch (tep_server_tls_read (stream->tls, buffer, sizeof buffer, &n)) {
    case TEP_SERVER_TLS_DONE:
      tep_server_detect_stream_plain (stream, buffer, n);
      break;
    case TEP_SERVER_TLS_MORE:
      return;
    case TEP_SERVER_TLS_CLOSED:
      finish (stream, STUN_EXT_DETECT_END_FIN);
      return;
    case TEP_SERVER_TLS_FAILED:
    default:
      finish (stream, STUN_EXT_DETECT_END_DONE);
      return;
    }
  }
}

void
tep_server_detect_stream_plain (TepServerDetectStream *stream, const guint8 *data, gsize length)
{
  if (stream->state == STREAM_OVER)
    return;
  if (stream->pending->len + length > INPUT_MAX) {
    finish (stream, STUN_EXT_DETECT_END_DONE);
    return;
  }
  g_byte_array_append (stream->pending, data, (guint)length);
  process (stream);
}

void
tep_server_detect_stream_input (TepServerDetectStream *stream, const guint8 *data, gsize length)
{
  if (stream->state == STREAM_OVER || length == 0)
    return;
  stream->heard_us = stream->core->now_us;
  stream->record.octets_in += (guint32)length;
  if (stream->record.octets_in > INPUT_MAX) {
    finish (stream, STUN_EXT_DETECT_END_DONE);
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
  finish (stream, end);
}

static gboolean
may_speak_first (const TepServerDetectStream *stream)
{
  return stream->state == STREAM_DOOR && !stream->is_front_door && !stream->has_spoken &&
         stream->pending->len == 0;
}

gint64
tep_server_detect_stream_deadline (const TepServerDetectStream *stream)
{
  gint64 due_us = MIN (stream->life_us, stream->heard_us + KEEP_US);

  if (stream->state == STREAM_OVER)
    return stream->heard_us + KEEP_US;
  if (stream->held != NULL)
    due_us = MIN (stream->life_us, stream->held_due_us);
  if (may_speak_first (stream))
    due_us = MIN (due_us, stream->opened_us + STUN_EXT_DETECT_SPEAK_FIRST_MS * MS);
  if (stream->state == STREAM_DOOR && stream->pending->len > 0)
    due_us = MIN (due_us, stream->heard_us + STUN_EXT_DETECT_SHORT_FLIGHT_MS * MS);
  return due_us;
}

static void
speak_first (TepServerDetectStream *stream)
{
  const StunExtDetectSeen silence = { .payload = STUN_EXT_DETECT_PAYLOAD_SILENCE };

  stream->has_spoken = TRUE;
  say_digest (stream, &silence, NULL, 0);
}

void
tep_server_detect_stream_advance (TepServerDetectStream *stream)
{
  gint64 now_us = stream->core->now_us;

  if (stream->state == STREAM_OVER)
    return;
  if (stream->held != NULL && now_us >= stream->held_due_us) {
    g_autoptr (GBytes) held = g_steal_pointer (&stream->held);
    gsize length;
    const guint8 *octets = g_bytes_get_data (held, &length);

    tep_server_detect_waited (stream->core, &stream->source);
    stream->heard_us = now_us;
    say (stream, octets, length);
  }
  if (may_speak_first (stream) && now_us >= stream->opened_us + STUN_EXT_DETECT_SPEAK_FIRST_MS * MS)
    speak_first (stream);
  process (stream);
  if (stream->state != STREAM_OVER &&
      (now_us >= stream->life_us || (stream->held == NULL && now_us >= stream->heard_us + KEEP_US)))
    finish (stream, STUN_EXT_DETECT_END_TIMEOUT);
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
  return stream->state == STREAM_OVER;
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
  finish (stream, STUN_EXT_DETECT_END_DONE);
  if (stream->held != NULL)
    tep_server_detect_waited (stream->core, &stream->source);
  g_clear_pointer (&stream->held, g_bytes_unref);
  g_clear_pointer (&stream->tls, tep_server_tls_free);
  g_clear_pointer (&stream->tls_context, tep_server_tls_context_unref);
  g_byte_array_unref (stream->pending);
  g_byte_array_unref (stream->output);
  g_free (stream);
}
