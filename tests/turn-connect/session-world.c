/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "session-world.h"

#include "peers.h"
#include "stun-ext/channel-data.h"
#include "turn-connect/local/turn-server.h"
#include "turn-mock.h"

#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void
session_say_octets (int descriptor, const void *octets, gsize length)
{
  if (descriptor >= 0)
    send (descriptor, octets, length, MSG_NOSIGNAL);
}

/* ---- the server ---- */

static void
answer_request (SessionWorld *world, const StunExtMessage *request)
{
  MockAllocated allocated = mock_usual;
  MockMessage message;
  guint32 lifetime_s = 600;

  if (world->is_silent)
    return;
  allocated.relayed = world->relayed;
  allocated.relayed_also = world->relayed_also;
  allocated.ticket = world->ticket;
  stun_ext_message_get_u32 (request, STUN_EXT_ATTRIBUTE_LIFETIME, &lifetime_s);
  if (stun_ext_message_integrity (request) == STUN_EXT_INTEGRITY_NONE)
    mock_challenge (&message, request, 401, "a nonce");
  else if (!mock_is_signed (request))
    mock_challenge (&message, request, 401, "a nonce");
  else if (stun_ext_message_find (request, STUN_EXT_ATTRIBUTE_DONT_FRAGMENT) != NULL)
    mock_error (&message, request, STUN_EXT_CODE_UNKNOWN_ATTRIBUTE, MOCK_SIGNED);
  else if (request->method == STUN_EXT_METHOD_ALLOCATE)
    mock_allocated (&message, request, &allocated, MOCK_SIGNED);
  else if (request->method == STUN_EXT_METHOD_REFRESH) {
    world->n_released += lifetime_s == 0;
    mock_lifetime (&message, request, lifetime_s, NULL);
  } else if (world->refusal != 0)
    mock_error (&message, request, world->refusal, MOCK_SIGNED);
  else
    mock_success (&message, request, MOCK_SIGNED);
  session_say_octets (world->socket, message.octets, message.length);
}

static void
take_unit (SessionWorld *world, const guint8 *unit, gsize length)
{
  StunExtChannelData data;
  StunExtMessage message;
  StunExtSpan payload = { 0 };

  if (unit[0] >= 0x40) {
    g_assert_true (stun_ext_channel_data_parse (&data, unit, length));
    payload = data.payload;
  } else {
    g_assert_cmpint (stun_ext_message_parse (&message, unit, length), ==, STUN_EXT_PARSE_OK);
    if (message.message_class == STUN_EXT_CLASS_REQUEST) {
      world->n_requests++;
      if (world->close_after != 0 && world->n_requests >= world->close_after) {
        world->close_after = 0; /* once */
        shutdown (world->socket, SHUT_RDWR);
      } else
        answer_request (world, &message);
      return;
    }
    g_assert_cmpint (stun_ext_message_get_data (&message, STUN_EXT_ATTRIBUTE_DATA, &payload), ==,
                     STUN_EXT_GET_OK);
  }
  g_string_append_len (world->got, payload.data, (gssize)payload.length);
}

static gboolean
visitor_ready (int descriptor, GIOCondition condition, gpointer data)
{
  SessionWorld *world = data;
  guint8 buffer[4096];
  gssize n = recv (descriptor, buffer, sizeof buffer, MSG_DONTWAIT);
  const guint8 *unit;
  gsize length;

  if (n <= 0) {
    world->reading = 0;
    return G_SOURCE_REMOVE;
  }
  stun_ext_stream_push (&world->cutter, buffer, (gsize)n);
  while (stun_ext_stream_next (&world->cutter, &unit, &length) == STUN_EXT_STREAM_FRAME)
    take_unit (world, unit, length);
  return G_SOURCE_CONTINUE;
}

void
session_hang_up (SessionWorld *world)
{
  if (world->reading != 0)
    g_source_remove (world->reading);
  world->reading = 0;
  if (world->socket >= 0)
    close (world->socket);
  world->socket = -1;
  stun_ext_stream_clear (&world->cutter);
}

gboolean
session_visitor_came (int descriptor, GIOCondition condition, gpointer data)
{
  SessionWorld *world = data;

  session_hang_up (world);
  world->socket = accept4 (descriptor, NULL, NULL, SOCK_CLOEXEC);
  world->reading = g_unix_fd_add (world->socket, G_IO_IN, visitor_ready, world);
  world->n_visitors++;
  return G_SOURCE_CONTINUE;
}

/* ---- the bridge ---- */

static void
failed (TurnConnectBridge *bridge, guint server, GError *error, gpointer data)
{
  SessionWorld *world = data;

  world->n_failed++;
  g_free (world->cause);
  world->cause = g_strdup (error->message);
  if (world->closes)
    turn_connect_bridge_close (bridge);
}

static void
connected (TurnConnectBridge *bridge, guint server, gpointer data)
{
  ((SessionWorld *)data)->n_connected++;
}

void
session_open (SessionWorld *world)
{
  g_autoptr (TurnConnectTarget) target = NULL;

  *world = (SessionWorld){ .socket = -1, .client = -1, .relayed = mock_usual.relayed };
  world->listener = support_listen (peers_address (), 16, &world->server_port);
  world->accepting = g_unix_fd_add (world->listener, G_IO_IN, session_visitor_came, world);
  stun_ext_stream_init (&world->cutter, STUN_EXT_FRAMING_TURN, 70000);
  stun_ext_stream_init (&world->answers, STUN_EXT_FRAMING_TURN, 70000);
  world->got = g_string_new (NULL);
  target = turn_connect_target_new (peers_address (), world->server_port, NULL);
  world->bridge = turn_connect_bridge_new ();
  g_assert_cmpuint (
      turn_connect_bridge_add_server (world->bridge, target, TURN_CONNECT_BRIDGE_ALLOW_PLAIN, NULL),
      ==, 1);
  g_assert_true (
      turn_connect_bridge_set_turn_credentials (world->bridge, 1, MOCK_USER, MOCK_PASSWORD, NULL));
  g_assert_true (turn_connect_bridge_listen (world->bridge, NULL, 0, 1, &world->port, NULL));
  g_signal_connect (world->bridge, "failed", G_CALLBACK (failed), world);
  g_signal_connect (world->bridge, "connected", G_CALLBACK (connected), world);
}

void
session_leave (SessionWorld *world)
{
  if (world->client >= 0)
    close (world->client);
  world->client = -1;
  stun_ext_stream_clear (&world->answers);
}

void
session_close (SessionWorld *world)
{
  session_leave (world);
  turn_connect_bridge_close (world->bridge);
  session_hang_up (world);
  g_source_remove (world->accepting);
  close (world->listener);
  /* Dials that were cancelled still have to say so. */
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_finalize_object (world->bridge);
  g_string_free (world->got, TRUE);
  g_free (world->cause);
}

/* ---- the client ---- */

void
session_come (SessionWorld *world)
{
  world->client = support_call (world->port);
  world->user = turn_connect_bridge_get_user (world->bridge);
  world->password = turn_connect_bridge_get_password (world->bridge);
  g_assert_true (stun_ext_key_long_term (&world->key, STUN_EXT_PASSWORD_ALGORITHM_MD5, world->user,
                                         TURN_CONNECT_TURN_SERVER_REALM, world->password, NULL));
}

void
session_ask (
    SessionWorld *world, guint16 method, gboolean is_signed, guint16 channel, const char *peer)
{
  guint8 id[STUN_EXT_TRANSACTION_ID_LENGTH], octets[512];
  StunExtBuilder builder;
  StunExtAddress to;
  gsize length;

  memset (id, ++world->last_id, sizeof id);
  stun_ext_builder_begin (&builder, octets, sizeof octets, STUN_EXT_CLASS_REQUEST, method, id);
  if (method == STUN_EXT_METHOD_ALLOCATE)
    stun_ext_builder_add_u8 (&builder, STUN_EXT_ATTRIBUTE_REQUESTED_TRANSPORT, 17);
  if (method == STUN_EXT_METHOD_ALLOCATE && world->is_whole)
    stun_ext_builder_add_flag (&builder, STUN_EXT_ATTRIBUTE_DONT_FRAGMENT);
  if (method == STUN_EXT_METHOD_ALLOCATE && world->is_both)
    stun_ext_builder_add_family (&builder, STUN_EXT_ATTRIBUTE_ADDITIONAL_ADDRESS_FAMILY, 6);
  if (method == STUN_EXT_METHOD_REFRESH) { /* the second one is given back */
    stun_ext_builder_add_family (&builder, STUN_EXT_ATTRIBUTE_REQUESTED_ADDRESS_FAMILY, 6);
    stun_ext_builder_add_u32 (&builder, STUN_EXT_ATTRIBUTE_LIFETIME, 0);
  }
  if (channel != 0)
    stun_ext_builder_add_u16 (&builder, STUN_EXT_ATTRIBUTE_CHANNEL_NUMBER, channel);
  if (peer != NULL) {
    to = mock_address (peer);
    stun_ext_builder_add_xor_address (&builder, STUN_EXT_ATTRIBUTE_XOR_PEER_ADDRESS, &to);
  }
  if (is_signed) {
    stun_ext_builder_add_text (&builder, STUN_EXT_ATTRIBUTE_USERNAME, world->user);
    stun_ext_builder_add_text (&builder, STUN_EXT_ATTRIBUTE_REALM, TURN_CONNECT_TURN_SERVER_REALM);
    stun_ext_builder_add_text (&builder, STUN_EXT_ATTRIBUTE_NONCE, world->nonce);
  }
  g_assert_true (stun_ext_builder_finish (
      &builder, is_signed ? STUN_EXT_INTEGRITY_SHA1 : STUN_EXT_INTEGRITY_NONE,
      stun_ext_key_span (&world->key), FALSE, &length));
  session_say_octets (world->client, octets, length);
}

gboolean
session_hear (SessionWorld *world, guint8 unit[2048], gsize *length)
{
  static guint8 buffer[2048]; /* units lie in it */
  const guint8 *found;
  StunExtStreamVerdict verdict;

  while ((verdict = stun_ext_stream_next (&world->answers, &found, length)) ==
         STUN_EXT_STREAM_NEED_MORE) {
    gsize n = support_receive (world->client, buffer, sizeof buffer);

    if (n == 0)
      return FALSE;
    stun_ext_stream_push (&world->answers, buffer, n);
  }
  g_assert_cmpint (verdict, ==, STUN_EXT_STREAM_FRAME);
  g_assert_cmpuint (*length, <=, 2048);
  memcpy (unit, found, *length);
  return TRUE;
}

guint
session_hear_answer (SessionWorld *world, char reason[256])
{
  guint8 unit[2048];
  gsize length;
  StunExtMessage message;
  StunExtSpan text = { 0 }, nonce;
  guint code = 0;

  g_assert_true (session_hear (world, unit, &length));
  g_assert_cmpint (stun_ext_message_parse (&message, unit, length), ==, STUN_EXT_PARSE_OK);
  g_assert_cmpuint (message.transaction_id[0], ==, world->last_id);
  if (message.message_class == STUN_EXT_CLASS_ERROR)
    g_assert_cmpint (stun_ext_message_get_error (&message, &code, &text), ==, STUN_EXT_GET_OK);
  if (stun_ext_message_get_text (&message, STUN_EXT_ATTRIBUTE_NONCE, &nonce) == STUN_EXT_GET_OK)
    g_snprintf (world->nonce, sizeof world->nonce, "%.*s", (int)nonce.length,
                (const char *)nonce.data);
  if (reason != NULL)
    g_snprintf (reason, 256, "%.*s", (int)text.length, (const char *)text.data);
  return code;
}

guint
session_request (SessionWorld *world, guint16 method, guint16 channel, const char *peer)
{
  session_ask (world, method, TRUE, channel, peer);
  return session_hear_answer (world, NULL);
}

void
session_get_nonce (SessionWorld *world)
{
  session_come (world);
  session_ask (world, STUN_EXT_METHOD_ALLOCATE, FALSE, 0, NULL);
  g_assert_cmpuint (session_hear_answer (world, NULL), ==, 401);
}

void
session_allocate (SessionWorld *world)
{
  session_get_nonce (world);
  g_assert_cmpuint (session_request (world, STUN_EXT_METHOD_ALLOCATE, 0, NULL), ==, 0);
}

void
session_run_until (SessionWorld *world, const guint *count, guint wanted)
{
  gint64 deadline = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;

  while (*count < wanted) {
    g_assert_cmpint (g_get_monotonic_time (), <, deadline);
    g_main_context_iteration (NULL, TRUE);
  }
}

void
session_send_channel_data (SessionWorld *world, guint16 channel, const char *text)
{
  guint8 octets[256];
  StunExtWriter w;

  stun_ext_writer_init (&w, octets, sizeof octets);
  stun_ext_channel_data_write (&w, channel, text, strlen (text), TRUE);
  session_say_octets (world->client, octets, w.length);
}

void
session_assert_passes (SessionWorld *world)
{
  gint64 deadline = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;
  StunExtChannelData data;
  MockMessage message;
  guint8 unit[2048];
  gsize length;

  /* Packets that upstream is not ready for are dropped, so it may take several. */
  g_string_truncate (world->got, 0);
  while (world->got->len == 0) {
    g_assert_cmpint (g_get_monotonic_time (), <, deadline);
    session_send_channel_data (world, 0x4003, "to the peer");
    support_run_for (5);
  }
  g_assert_true (g_str_has_prefix (world->got->str, "to the peer"));
  mock_data (&message, SESSION_PEER, "from the peer");
  session_say_octets (world->socket, message.octets, message.length);
  g_assert_true (session_hear (world, unit, &length));
  g_assert_true (stun_ext_channel_data_parse (&data, unit, length));
  g_assert_cmpuint (data.channel, ==, 0x4003);
  g_assert_cmpmem (data.payload.data, data.payload.length, "from the peer", 13);
}
