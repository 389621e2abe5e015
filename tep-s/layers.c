/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a connection carries, layer by layer: the front door, an HTTP request, TLS, frames. Each layer is known by its first
 * octets, takes what is its own, and leaves the rest to the next.
 */
#include <string.h>

#include "tep-s/core-private.h"

#define TLS_RECORD_MAX 16384 /* RFC 8446 section 5.1 */

static gboolean
write_tls (gpointer user_data, const guint8 *data, gsize length)
{
  TepServerConnection *connection = user_data;
  gsize limit = connection->core->settings.config->limits.output_octets + RESERVE_OCTETS;

  /* What TLS says of its own accord, such as answers to requests for new keys, is bounded too. Twice, for
   * what records add to what was measured before it was encrypted. */
  if (connection->out.length + length > 2 * limit ||
      !tep_server_output_append (&connection->out, &connection->core->pool, data, length))
    return FALSE;
  tep_server_connection_mark_dirty (connection);
  return TRUE;
}

static void
begin_tls (TepServerConnection *connection)
{
  TepServerCore *core = connection->core;
  const TepServerTimers *timers = &core->settings.config->timers;

  if (core->settings.tls == NULL) {
    tep_server_connection_close (connection, TEP_SERVER_COUNTER_CONNECTION_FOREIGN);
    return;
  }
  connection->tls = tep_server_tls_new (core->settings.tls, write_tls, connection);
  if (connection->tls == NULL) {
    tep_server_connection_close (connection, TEP_SERVER_COUNTER_CONNECTION_TLS);
    return;
  }
  connection->front->handshake_due_us = core->now_us + timers->tls_handshake_s * US_PER_S;
  tep_server_connection_step (connection, CONNECTION_SAW_TLS);
  tep_server_connection_arm (connection);
}

static void
begin_http (TepServerConnection *connection, gboolean may_connect)
{
  connection->front->may_connect = may_connect;
  stun_ext_http_request_init (&connection->front->request);
  tep_server_connection_step (connection, CONNECTION_SAW_HTTP);
}

static void
open_door (TepServerConnection *connection, StunExtFrontDoorVerdict verdict)
{
  switch (verdict) {
  case STUN_EXT_FRONT_DOOR_NEED_MORE:
    break;
  case STUN_EXT_FRONT_DOOR_TLS:
    begin_tls (connection);
    break;
  case STUN_EXT_FRONT_DOOR_CONNECT:
    begin_http (connection, TRUE);
    break;
  case STUN_EXT_FRONT_DOOR_HTTP:
    begin_http (connection, FALSE);
    break;
  case STUN_EXT_FRONT_DOOR_TUNNEL:
    stun_ext_stream_init (&connection->stream, STUN_EXT_FRAMING_RFC4571,
                          STUN_EXT_STREAM_LIMIT_UNAUTHENTICATED);
    tep_server_connection_step (connection, CONNECTION_SAW_TUNNEL);
    break;
  case STUN_EXT_FRONT_DOOR_STUN:
    stun_ext_stream_init (&connection->stream, STUN_EXT_FRAMING_STUN,
                          STUN_EXT_STREAM_LIMIT_UNAUTHENTICATED);
    tep_server_connection_step (connection, CONNECTION_SAW_STUN);
    break;
  case STUN_EXT_FRONT_DOOR_CLOSE:
  default:
    tep_server_connection_close (connection, TEP_SERVER_COUNTER_CONNECTION_FOREIGN);
    break;
  }
}

static gboolean
is_for_detection (const TepServerConnection *connection, StunExtFrontDoorVerdict verdict)
{
  return tep_server_core_is_detecting (connection->core) &&
         (verdict == STUN_EXT_FRONT_DOOR_STUN || verdict == STUN_EXT_FRONT_DOOR_HTTP ||
          verdict == STUN_EXT_FRONT_DOOR_CLOSE);
}

/* All that came in this layer, and what follows, is another's. */
static void
leave_to_detection (TepServerConnection *connection, gsize had, const guint8 *data, gsize length)
{
  FrontDoor *front = connection->front;
  g_autoptr (GByteArray) unread = g_byte_array_new ();

  g_byte_array_append (unread, front->sniffed, (guint)had);
  g_byte_array_append (unread, data, (guint)length);
  front->unread = g_byte_array_free_to_bytes (g_steal_pointer (&unread));
  if (connection->tls != NULL)
    front->unread_tls = tep_server_tls_take_unread (connection->tls);
  connection->target_worker = TEP_SERVER_TO_DETECT;
  tep_server_connection_step (connection, CONNECTION_ELSEWHERE);
  tep_server_connection_mark_dirty (connection);
}

/* Returns how many octets are done with; on a verdict the sniffed ones become the begin of what
 * follows. */
static gsize
sniff (TepServerConnection *connection, const guint8 *data, gsize length)
{
  FrontDoor *front = connection->front;
  guint8 begin[sizeof front->sniffed];
  gsize n = MIN (length, sizeof front->sniffed - front->n_sniffed);
  gsize had = front->n_sniffed;
  StunExtFrontDoorVerdict verdict;

  memcpy (front->sniffed + had, data, n);
  front->n_sniffed += n;
  verdict =
      stun_ext_front_door_classify (connection->layers, front->sniffed, front->n_sniffed, NULL);
  if (verdict == STUN_EXT_FRONT_DOOR_NEED_MORE)
    return n;
  if (is_for_detection (connection, verdict)) {
    leave_to_detection (connection, had, data, length);
    return length;
  }
  memcpy (begin, front->sniffed, had);
  front->n_sniffed = 0;
  open_door (connection, verdict);
  /* What came in this call is read again where it lies; only what came before has to be handed on.
   */
  if (had > 0)
    tep_server_connection_read_plain (connection, begin, had);
  return 0;
}

static gboolean
is_own_name (const char *host, guint16 port, gpointer user_data)
{
  const TepServerConfig *config = user_data;

  for (guint i = 0; i < config->n_listeners; i++) {
    if (config->listeners[i].address.port == port || config->listeners[i].address.port == 0)
      return g_strv_contains (config->names, host);
  }
  return FALSE;
}

static void
answer_http (TepServerConnection *connection)
{
  TepServerCore *core = connection->core;
  FrontDoor *front = connection->front;
  StunExtHttpAnswer answer = stun_ext_http_request_judge (
      &front->request, front->may_connect, is_own_name, (gpointer)core->settings.config);
  gsize length;
  const char *text = stun_ext_http_answer_text (answer, front->request.is_head, &length);

  tep_server_connection_write (connection, text, length, NULL, 0, FALSE);
  if (answer == STUN_EXT_HTTP_ANSWER_CONNECTED) {
    COUNT (core, CONNECT_ACCEPTED);
    connection->layers |= (connection->layers & STUN_EXT_FRONT_DOOR_LAYER_TLS) != 0
                              ? STUN_EXT_FRONT_DOOR_LAYER_INNER_CONNECT
                              : STUN_EXT_FRONT_DOOR_LAYER_CONNECT;
    tep_server_connection_step (connection, CONNECTION_NEXT_LAYER);
    return;
  }
  if (front->request.is_connect)
    COUNT (core, CONNECT_REFUSED);
  else
    COUNT (core, WEB_ANSWERS);
  tep_server_connection_finish (connection, TEP_SERVER_COUNTER_CONNECTION_DONE);
}

static gsize
read_http (TepServerConnection *connection, const guint8 *data, gsize length)
{
  gsize used;

  if (stun_ext_http_request_feed (&connection->front->request, data, length, &used) !=
      STUN_EXT_HTTP_REQUEST_MORE)
    answer_http (connection);
  return used;
}

static void
bare_stun (TepServerConnection *connection, const guint8 *body, gsize length)
{
  guint8 answer[128];
  gsize n = tep_server_stun_answer (connection->core, &connection->source, body, length, answer,
                                    sizeof answer);

  if (n == 0) {
    tep_server_connection_close (connection, TEP_SERVER_COUNTER_CONNECTION_PROTOCOL);
    return;
  }
  connection->front->has_message = TRUE;
  COUNT (connection->core, STUN_ANSWERS_TCP);
  tep_server_connection_write (connection, answer, n, NULL, 0, FALSE);
}

static void
opening_frame (TepServerConnection *connection, const guint8 *body, gsize length)
{
  StunExtFrameKind kind = stun_ext_frame_kind (body, length);

  if (kind == STUN_EXT_FRAME_NULL)
    COUNT (connection->core, FRAMES_NULL);
  else if (kind == STUN_EXT_FRAME_STUN)
    tep_server_opening_message (connection, body, length);
  else
    tep_server_connection_close (connection, TEP_SERVER_COUNTER_CONNECTION_PROTOCOL);
}

static void
read_frames (TepServerConnection *connection, const guint8 *data, gsize length)
{
  const guint8 *body;
  gsize n;
  StunExtStreamVerdict verdict;

  stun_ext_stream_push (&connection->stream, data, length);
  while (tep_server_connection_is_reading (connection)) {
    verdict = stun_ext_stream_next (&connection->stream, &body, &n);
    if (verdict == STUN_EXT_STREAM_NEED_MORE)
      return;
    if (verdict != STUN_EXT_STREAM_FRAME) {
      tep_server_connection_close (connection, TEP_SERVER_COUNTER_CONNECTION_PROTOCOL);
      return;
    }
    if (connection->state == CONNECTION_TUNNEL)
      tep_server_packets_frame (connection->tunnel, connection, body, n);
    else if (connection->state == CONNECTION_OPENING)
      opening_frame (connection, body, n);
    else
      bare_stun (connection, body, n);
    /* A frame that came in two pieces lies in the stream's own memory, which the next one needs. */
    if (body < data || body >= data + length)
      tep_server_core_flush_packets (connection->core);
  }
  if (connection->state == CONNECTION_LEAVING) {
    connection->front->unread = stun_ext_stream_take_unread (&connection->stream);
    if (connection->tls != NULL)
      connection->front->unread_tls = tep_server_tls_take_unread (connection->tls);
  }
}

void
tep_server_connection_read_plain (TepServerConnection *connection, const guint8 *data, gsize length)
{
  while (length > 0 && tep_server_connection_is_reading (connection)) {
    gsize used;

    if (connection->state == CONNECTION_DOOR) {
      used = sniff (connection, data, length);
    } else if (connection->state == CONNECTION_REQUEST) {
      used = read_http (connection, data, length);
    } else if (connection->state == CONNECTION_HANDSHAKE) {
      tep_server_tls_push (connection->tls, data, length);
      tep_server_connection_read_tls (connection);
      return;
    } else {
      read_frames (connection, data, length);
      return;
    }
    data += used;
    length -= used;
  }
}

static gboolean
shake_hands (TepServerConnection *connection)
{
  switch (tep_server_tls_handshake (connection->tls)) {
  case TEP_SERVER_TLS_DONE:
    COUNT (connection->core, TLS_HANDSHAKES);
    connection->layers |= STUN_EXT_FRONT_DOOR_LAYER_TLS;
    if (tep_server_tls_is_web_only (connection->tls))
      connection->layers |= STUN_EXT_FRONT_DOOR_LAYER_WEB_ONLY;
    tep_server_connection_step (connection, CONNECTION_NEXT_LAYER);
    tep_server_connection_arm (connection);
    return TRUE;
  case TEP_SERVER_TLS_MORE:
    return FALSE;
  case TEP_SERVER_TLS_CLOSED:
  case TEP_SERVER_TLS_FAILED:
  default:
    /* The alert is still to go out. */
    tep_server_connection_finish (connection, TEP_SERVER_COUNTER_CONNECTION_TLS);
    return FALSE;
  }
}

void
tep_server_connection_read_tls (TepServerConnection *connection)
{
  TepServerCore *core = connection->core;

  if (connection->state == CONNECTION_HANDSHAKE && !shake_hands (connection))
    return;
  while (tep_server_connection_is_reading (connection)) {
    guint8 *buffer;
    gsize n;
    TepServerTlsVerdict verdict;

    if (core->plain_buffer == NULL)
      core->plain_buffer = g_malloc (PLAIN_BUFFER_SIZE);
    if (PLAIN_BUFFER_SIZE - core->plain_used < TLS_RECORD_MAX) {
      tep_server_core_flush_packets (core);
      core->plain_used = 0; /* only here: a record that is still being read must stay */
    }
    buffer = core->plain_buffer + core->plain_used;
    verdict =
        tep_server_tls_read (connection->tls, buffer, PLAIN_BUFFER_SIZE - core->plain_used, &n);
    if (verdict == TEP_SERVER_TLS_MORE)
      return;
    if (verdict == TEP_SERVER_TLS_CLOSED) {
      tep_server_core_hangup (core, connection);
      return;
    }
    if (verdict != TEP_SERVER_TLS_DONE) {
      tep_server_connection_close (connection, TEP_SERVER_COUNTER_CONNECTION_TLS);
      return;
    }
    core->plain_used += n;
    tep_server_connection_read_plain (connection, buffer, n);
  }
}

static void
read_layer (TepServerConnection *connection, const guint8 *data, gsize length)
{
  if (connection->tls == NULL) {
    tep_server_connection_read_plain (connection, data, length);
    return;
  }
  tep_server_tls_push (connection->tls, data, length);
  tep_server_connection_read_tls (connection);
}

/* Octets of the outermost layer. Until the peer has authenticated they are taken out of its budget;
 * as soon as it has, the rest of the same buffer is free. */
void
tep_server_core_input (TepServerCore *core,
                       TepServerConnection *connection,
                       const guint8 *data,
                       gsize length)
{
  while (length > 0 && tep_server_connection_is_reading (connection)) {
    gsize n = length;

    if (connection->front != NULL) {
      n = MIN (n, connection->front->budget);
      connection->front->budget -= n;
    }
    if (n == 0) {
      tep_server_connection_close (connection, TEP_SERVER_COUNTER_CONNECTION_BUDGET);
      return;
    }
    read_layer (connection, data, n);
    data += n;
    length -= n;
  }
}
