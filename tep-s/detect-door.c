/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is said in a connection of detection: its first flight is recognised and answered in its own protocol.
 */
#include <string.h>

#include "stun-ext/attribute.h"
#include "tep-s/detect-stream-private.h"

static void
drop_pending (TepServerDetectStream *stream, gsize n)
{
  g_byte_array_remove_range (stream->pending, 0, (guint)n);
}

void
tep_server_detect_stream_say_digest (TepServerDetectStream *stream,
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
    tep_server_detect_stream_say (stream, octets, sizeof octets);
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
                                             &stream->source, &key, TEP_SERVER_DETECT_PENDING_MAX);
  if (answer == NULL)
    return FALSE;
  tep_server_detect_stream_say (stream, answer->str, answer->len);
  return TRUE;
}

/* An answer to the whole flight, and then the test whether the connection lives. */
static void
answer_flight (TepServerDetectStream *stream, const StunExtDetectSeen *seen, gsize length)
{
  tep_server_detect_stream_note (stream, seen, stream->pending->data, length);
  stream->is_sip = say_sip (stream, seen, length);
  if (!stream->is_sip)
    tep_server_detect_stream_say_digest (stream, seen, stream->pending->data, length);
  if (stream->state == TEP_SERVER_DETECT_STREAM_OVER ||
      !stun_ext_detect_survival_begin (&stream->survival, stream->pending->data, length))
    return;
  stream->state = TEP_SERVER_DETECT_STREAM_BLOCKS;
  drop_pending (stream, length);
}

/* Of noise it is only known when it is over. */
static gboolean
is_whole (TepServerDetectStream *stream, const StunExtDetectSeen *seen)
{
  gint64 quiet_us = stream->core->now_us - stream->heard_us;

  return (seen->length > 0 && stream->pending->len >= seen->length) ||
         stream->pending->len >= STUN_EXT_DETECT_FLIGHT_MAX ||
         quiet_us >= STUN_EXT_DETECT_SHORT_FLIGHT_MS * TEP_SERVER_DETECT_MS;
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
      stream->state = TEP_SERVER_DETECT_STREAM_HTTP;
      return TRUE;
    }
    seen = (StunExtDetectSeen){ 0 };
  }
  if (verdict == STUN_EXT_DETECT_RECOGNITION_KNOWN && is_hello (stream, &seen))
    tep_server_detect_stream_begin_tls (stream, &seen);
  else if (verdict == STUN_EXT_DETECT_RECOGNITION_KNOWN && is_stun (&seen))
    stream->state = TEP_SERVER_DETECT_STREAM_STUN;
  else if (verdict == STUN_EXT_DETECT_RECOGNITION_KNOWN && is_text (&seen))
    stream->state = TEP_SERVER_DETECT_STREAM_HTTP;
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
  tep_server_detect_stream_note (stream, &seen, data, length);
  *reply = (TepServerDetectReply){ .destination = stream->source };
  if (seen.has_run && stun_ext_message_parse (&request, data, length) == STUN_EXT_PARSE_OK &&
      stun_ext_message_get_detect (&request, &mark))
    tep_server_detect_stun (core, &stream->asker, &request, &mark, reply);
  else
    tep_server_detect_plain (core, &stream->asker, data, length, reply);
  if (reply->delay_s > 0 && stream->held != NULL) {
    tep_server_detect_waited (core, &stream->source);
    tep_server_detect_stream_finish (stream, STUN_EXT_DETECT_END_DONE);
  } else if (reply->delay_s > 0) {
    stream->held = g_bytes_new (reply->octets, reply->length);
    stream->held_due_us = core->now_us + (gint64)reply->delay_s * G_USEC_PER_SEC;
    stream->life_us = MAX (stream->life_us, stream->held_due_us + TEP_SERVER_DETECT_STREAM_KEEP_US);
  } else if (reply->length > 0) {
    tep_server_detect_stream_say (stream, reply->octets, reply->length);
  } else {
    tep_server_detect_stream_finish (stream, STUN_EXT_DETECT_END_DONE);
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
    tep_server_detect_stream_finish (stream, STUN_EXT_DETECT_END_DONE);
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

  if (end == NULL && stream->pending->len < TEP_SERVER_DETECT_PENDING_MAX)
    return FALSE;
  /* One answer at a time: who does not read gets no more. */
  if (stream->output->len > 0)
    return FALSE;
  length = end != NULL ? (gsize)(end - text) + 4 : stream->pending->len;
  if (stun_ext_detect_recognise (stream->pending->data, length, TRUE, &seen) !=
      STUN_EXT_DETECT_RECOGNITION_KNOWN)
    seen = (StunExtDetectSeen){ .payload = STUN_EXT_DETECT_PAYLOAD_HTTP };
  if (!stream->has_run)
    tep_server_detect_stream_note (stream, &seen, stream->pending->data, length);
  answer = g_string_new (NULL);
  goes_on = tep_server_detect_http (&http, text, length, answer);
  drop_pending (stream, length);
  tep_server_detect_stream_say (stream, answer->str, answer->len);
  if (!goes_on)
    tep_server_detect_stream_finish (stream, STUN_EXT_DETECT_END_DONE);
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
    tep_server_detect_stream_finish (stream, STUN_EXT_DETECT_END_DONE);
    return FALSE;
  }
  drop_pending (stream, STUN_EXT_DETECT_BLOCK_LENGTH);
  tep_server_detect_stream_say (stream, answer, sizeof answer);
  return TRUE;
}

/* ---- reading ---- */

gboolean
tep_server_detect_stream_read (TepServerDetectStream *stream)
{
  switch (stream->state) {
  case TEP_SERVER_DETECT_STREAM_DOOR:
    return open_door (stream);
  case TEP_SERVER_DETECT_STREAM_STUN:
    return read_stun (stream);
  case TEP_SERVER_DETECT_STREAM_HTTP:
    return read_http (stream);
  case TEP_SERVER_DETECT_STREAM_BLOCKS:
    return read_block (stream);
  case TEP_SERVER_DETECT_STREAM_HANDSHAKE:
  case TEP_SERVER_DETECT_STREAM_OVER:
  default:
    return FALSE;
  }
}
