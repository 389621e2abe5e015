/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bridge that logs in itself, between a client of TURN and a server, both of which say what they like and leave when
 * they like. */
#include "turn-connect/local/bridge-private.h"
#include "turn-connect/local/session-private.h"

#include "peers.h"

#include "stun-ext/channel-data.h"
#include "stun-ext/stream.h"
#include "turn-connect/local/turn-server.h"
#include "turn-mock.h"

#include <glib-unix.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PEER "198.51.100.1:4000"

/* The real server, which the bridge alone talks to, and the client's end of its stream. */
typedef struct {
  TurnConnectBridge *bridge;
  guint16 port;
  guint n_failed, n_connected;
  char *cause;
  gboolean closes; /* the bridge, when told of a failure */

  int listener, socket; /* -1: nobody is there */
  guint accepting, reading;
  guint16 server_port;
  StunExtStream cutter;
  guint n_visitors, n_requests, n_released;
  guint close_after;  /* requests; 0: never */
  gboolean is_silent; /* takes visitors and says nothing */
  const char *relayed, *relayed_also, *ticket;
  guint refusal; /* code for permissions and channels; 0: none */
  GString *got;  /* of packets to peers */
  const char *user, *password;
  gboolean is_whole; /* its Allocate wants DONT-FRAGMENT */
  gboolean is_both;  /* and both families */

  int client; /* -1: not there */
  StunExtStream answers;
  guint8 last_id;
  char nonce[128];
  StunExtKey key;
} World;

static void
say_octets (int descriptor, const void *octets, gsize length)
{
  if (descriptor >= 0)
    send (descriptor, octets, length, MSG_NOSIGNAL);
}

/* ---- the server ---- */

static void
answer_request (World *world, const StunExtMessage *request)
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
  say_octets (world->socket, message.octets, message.length);
}

static void
take_unit (World *world, const guint8 *unit, gsize length)
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
  World *world = data;
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

static void
hang_up (World *world)
{
  if (world->reading != 0)
    g_source_remove (world->reading);
  world->reading = 0;
  if (world->socket >= 0)
    close (world->socket);
  world->socket = -1;
  stun_ext_stream_clear (&world->cutter);
}

static gboolean
visitor_came (int descriptor, GIOCondition condition, gpointer data)
{
  World *world = data;

  hang_up (world);
  world->socket = accept4 (descriptor, NULL, NULL, SOCK_CLOEXEC);
  world->reading = g_unix_fd_add (world->socket, G_IO_IN, visitor_ready, world);
  world->n_visitors++;
  return G_SOURCE_CONTINUE;
}

/* ---- the bridge ---- */

static void
failed (TurnConnectBridge *bridge, guint server, GError *error, gpointer data)
{
  World *world = data;

  world->n_failed++;
  g_free (world->cause);
  world->cause = g_strdup (error->message);
  if (world->closes)
    turn_connect_bridge_close (bridge);
}

static void
connected (TurnConnectBridge *bridge, guint server, gpointer data)
{
  ((World *)data)->n_connected++;
}

static void
world_open (World *world)
{
  g_autoptr (TurnConnectTarget) target = NULL;

  *world = (World){ .socket = -1, .client = -1, .relayed = mock_usual.relayed };
  world->listener = support_listen (peers_address (), 16, &world->server_port);
  world->accepting = g_unix_fd_add (world->listener, G_IO_IN, visitor_came, world);
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

static void
leave (World *world)
{
  if (world->client >= 0)
    close (world->client);
  world->client = -1;
  stun_ext_stream_clear (&world->answers);
}

static void
world_close (World *world)
{
  leave (world);
  turn_connect_bridge_close (world->bridge);
  hang_up (world);
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

static void
come (World *world)
{
  world->client = support_call (world->port);
  world->user = turn_connect_bridge_get_user (world->bridge);
  world->password = turn_connect_bridge_get_password (world->bridge);
  g_assert_true (stun_ext_key_long_term (&world->key, STUN_EXT_PASSWORD_ALGORITHM_MD5, world->user,
                                         TURN_CONNECT_TURN_SERVER_REALM, world->password, NULL));
}

/* Asks for something; @channel 0: none, @peer NULL: none. */
static void
ask (World *world, guint16 method, gboolean is_signed, guint16 channel, const char *peer)
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
  say_octets (world->client, octets, length);
}

/* The next unit that the client gets; FALSE: it was hung up on. */
static gboolean
hear (World *world, guint8 unit[2048], gsize *length)
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

/* The code of the next answer, 0 for a success; its reason in @reason. */
static guint
hear_answer (World *world, char reason[256])
{
  guint8 unit[2048];
  gsize length;
  StunExtMessage message;
  StunExtSpan text = { 0 }, nonce;
  guint code = 0;

  g_assert_true (hear (world, unit, &length));
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

static guint
request (World *world, guint16 method, guint16 channel, const char *peer)
{
  ask (world, method, TRUE, channel, peer);
  return hear_answer (world, NULL);
}

static void
get_nonce (World *world)
{
  come (world);
  ask (world, STUN_EXT_METHOD_ALLOCATE, FALSE, 0, NULL);
  g_assert_cmpuint (hear_answer (world, NULL), ==, 401);
}

static void
allocate (World *world)
{
  get_nonce (world);
  g_assert_cmpuint (request (world, STUN_EXT_METHOD_ALLOCATE, 0, NULL), ==, 0);
}

static void
run_until (World *world, const guint *count, guint wanted)
{
  gint64 deadline = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;

  while (*count < wanted) {
    g_assert_cmpint (g_get_monotonic_time (), <, deadline);
    g_main_context_iteration (NULL, TRUE);
  }
}

static void
send_channel_data (World *world, guint16 channel, const char *text)
{
  guint8 octets[256];
  StunExtWriter w;

  stun_ext_writer_init (&w, octets, sizeof octets);
  stun_ext_channel_data_write (&w, channel, text, strlen (text), TRUE);
  say_octets (world->client, octets, w.length);
}

static void
assert_passes (World *world)
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
    send_channel_data (world, 0x4003, "to the peer");
    support_run_for (5);
  }
  g_assert_true (g_str_has_prefix (world->got->str, "to the peer"));
  mock_data (&message, PEER, "from the peer");
  say_octets (world->socket, message.octets, message.length);
  g_assert_true (hear (world, unit, &length));
  g_assert_true (stun_ext_channel_data_parse (&data, unit, length));
  g_assert_cmpuint (data.channel, ==, 0x4003);
  g_assert_cmpmem (data.payload.data, data.payload.length, "from the peer", 13);
}

/* ---- tests ---- */

static void
test_the_whole_and_back (void)
{
  TurnConnectBridgeCounts counts;
  World world;

  world_open (&world);
  allocate (&world);
  g_assert_cmpuint (world.n_connected, ==, 1);
  g_assert_cmpuint (request (&world, STUN_EXT_METHOD_CREATE_PERMISSION, 0, PEER), ==, 0);
  g_assert_cmpuint (request (&world, STUN_EXT_METHOD_CHANNEL_BIND, 0x4003, PEER), ==, 0);
  assert_passes (&world);
  turn_connect_bridge_get_counts (world.bridge, &counts);
  g_assert_cmpuint (counts.n_streams, ==, 1);
  g_assert_cmpuint (counts.n_up, ==, 1);
  g_assert_cmpuint (counts.n_dialled, ==, 1);
  g_assert_cmpuint (counts.n_to_client, ==, 1);
  leave (&world);
  run_until (&world, &world.n_released, 1);
  turn_connect_bridge_get_counts (world.bridge, &counts);
  g_assert_cmpuint (counts.n_streams, ==, 0);
  g_assert_cmpuint (counts.n_to_client, ==, 1);
  g_assert_cmpuint (world.n_failed, ==, 0);
  world_close (&world);
}

static void
test_nothing_is_dialled_for_a_wrong_login (void)
{
  World world;

  world_open (&world);
  get_nonce (&world);
  world.user = "nobody";
  for (guint i = 0; i < 3; i++)
    g_assert_cmpuint (request (&world, STUN_EXT_METHOD_ALLOCATE, 0, NULL), ==, 401);
  world.user = turn_connect_bridge_get_user (world.bridge);
  world.key.octets[0] ^= 1;
  g_assert_cmpuint (request (&world, STUN_EXT_METHOD_ALLOCATE, 0, NULL), ==, 401);
  g_assert_cmpuint (world.n_visitors, ==, 0);
  world_close (&world);
}

static void
test_ticket_keeps_the_call (void)
{
  World world;

  world_open (&world);
  world.ticket = "the ticket";
  allocate (&world);
  g_assert_cmpuint (request (&world, STUN_EXT_METHOD_CHANNEL_BIND, 0x4003, PEER), ==, 0);
  assert_passes (&world);
  world.relayed = "192.0.2.1:50009"; /* of any allocation made anew */
  for (guint i = 1; i <= 2; i++) {
    hang_up (&world);
    run_until (&world, &world.n_connected, 1 + i);
    assert_passes (&world);
    g_assert_cmpuint (request (&world, STUN_EXT_METHOD_CREATE_PERMISSION, 0, PEER), ==, 0);
  }
  g_assert_cmpuint (world.n_visitors, ==, 3);
  g_assert_cmpuint (world.n_failed, ==, 2);
  g_assert_nonnull (strstr (world.cause, "the TURN server"));
  world_close (&world);
}

static void
test_the_same_address_keeps_the_call (void)
{
  World world;

  world_open (&world);
  allocate (&world);
  g_assert_cmpuint (request (&world, STUN_EXT_METHOD_CHANNEL_BIND, 0x4003, PEER), ==, 0);
  hang_up (&world);
  /* What is asked meanwhile is answered when the way is there again. */
  g_assert_cmpuint (request (&world, STUN_EXT_METHOD_CREATE_PERMISSION, 0, "198.51.100.2:1"), ==,
                    0);
  assert_passes (&world);
  g_assert_cmpuint (world.n_connected, ==, 2);
  world_close (&world);
}

static void
test_family_given_back_may_be_lost (void)
{
  for (guint n = 0; n < 2; n++) {
    World world;

    world_open (&world);
    world.is_both = TRUE;
    world.relayed_also = "[2001:db8::1]:50000";
    allocate (&world);
    if (n == 1)
      g_assert_cmpuint (request (&world, STUN_EXT_METHOD_REFRESH, 0, NULL), ==, 0);
    world.relayed_also = NULL;
    hang_up (&world);
    if (n == 1)
      run_until (&world, &world.n_connected, 2);
    else
      run_until (&world, &world.n_failed, 2);
    world_close (&world);
  }
}

static void
test_another_address_ends_it_with_the_cause (void)
{
  char reason[256];
  World world;

  world_open (&world);
  allocate (&world);
  world.relayed = "192.0.2.1:50009";
  hang_up (&world);
  run_until (&world, &world.n_failed, 2);
  g_assert_nonnull (strstr (world.cause, "the relayed address was lost"));
  g_assert_nonnull (strstr (world.cause, "ended the connection"));
  ask (&world, STUN_EXT_METHOD_CREATE_PERMISSION, TRUE, 0, PEER);
  g_assert_cmpuint (hear_answer (&world, reason), ==, 400);
  g_assert_nonnull (strstr (reason, "the relayed address was lost"));
  run_until (&world, &world.n_released, 1); /* what nobody can use is given back */
  world_close (&world);
}

static void
test_server_that_leaves_at_every_step (void)
{
  for (guint n = 1; n <= 5; n++) {
    World world;

    world_open (&world);
    world.close_after = n;
    get_nonce (&world);
    g_assert_cmpuint (request (&world, STUN_EXT_METHOD_ALLOCATE, 0, NULL), ==, n <= 2 ? 400 : 0);
    if (n > 2) {
      g_assert_cmpuint (request (&world, STUN_EXT_METHOD_CREATE_PERMISSION, 0, PEER), ==, 0);
      g_assert_cmpuint (request (&world, STUN_EXT_METHOD_CHANNEL_BIND, 0x4003, PEER), ==, 0);
      assert_passes (&world);
    }
    g_assert_cmpuint (world.n_failed, ==, n <= 4);
    world_close (&world);
  }
}

static void
test_client_that_leaves_at_every_step (void)
{
  for (guint n = 0; n < 5; n++) {
    TurnConnectBridgeCounts counts;
    World world;

    world_open (&world);
    get_nonce (&world);
    if (n >= 1)
      ask (&world, STUN_EXT_METHOD_ALLOCATE, TRUE, 0, NULL);
    if (n >= 2)
      g_assert_cmpuint (hear_answer (&world, NULL), ==, 0);
    if (n >= 3)
      ask (&world, STUN_EXT_METHOD_CHANNEL_BIND, TRUE, 0x4003, PEER);
    if (n >= 4)
      g_assert_cmpuint (hear_answer (&world, NULL), ==, 0);
    leave (&world);
    if (n >= 2)
      run_until (&world, &world.n_released, 1);
    support_run_for (20);
    turn_connect_bridge_get_counts (world.bridge, &counts);
    g_assert_cmpuint (counts.n_streams, ==, 0);
    g_assert_cmpuint (world.n_failed, ==, 0);
    world_close (&world);
  }
}

static void
test_application_may_close_when_told (void)
{
  World world;

  for (guint n = 1; n <= 3; n++) {
    world_open (&world);
    world.closes = TRUE;
    world.close_after = n;
    get_nonce (&world);
    ask (&world, STUN_EXT_METHOD_ALLOCATE, TRUE, 0, NULL);
    if (n == 3) {
      g_assert_cmpuint (hear_answer (&world, NULL), ==, 0);
      ask (&world, STUN_EXT_METHOD_CREATE_PERMISSION, TRUE, 0, PEER);
    }
    run_until (&world, &world.n_failed, 1);
    g_assert_cmpuint (world.bridge->sessions.length, ==, 0);
    world_close (&world);
  }
}

static void
test_refusals_are_passed_on (void)
{
  World world;

  world_open (&world);
  allocate (&world);
  world.refusal = 403;
  g_assert_cmpuint (request (&world, STUN_EXT_METHOD_CREATE_PERMISSION, 0, PEER), ==, 403);
  g_assert_cmpuint (request (&world, STUN_EXT_METHOD_CHANNEL_BIND, 0x4003, PEER), ==, 403);
  world.refusal = 0;
  g_assert_cmpuint (request (&world, STUN_EXT_METHOD_CHANNEL_BIND, 0x4003, PEER), ==, 0);
  assert_passes (&world);
  world_close (&world);

  /* A server without DONT-FRAGMENT: who wants it has to know, and may ask without at once. */
  world_open (&world);
  get_nonce (&world);
  world.is_whole = TRUE;
  g_assert_cmpuint (request (&world, STUN_EXT_METHOD_ALLOCATE, 0, NULL), ==, 420);
  run_until (&world, &world.n_released, 1);
  world.is_whole = FALSE;
  g_assert_cmpuint (request (&world, STUN_EXT_METHOD_ALLOCATE, 0, NULL), ==, 0);
  world_close (&world);
}

static void
test_silent_server_is_told_in_time (void)
{
  char reason[256];
  World world;

  world_open (&world);
  turn_connect_bridge_set_budget (world.bridge, 50);
  world.is_silent = TRUE;
  get_nonce (&world);
  ask (&world, STUN_EXT_METHOD_ALLOCATE, TRUE, 0, NULL);
  g_assert_cmpuint (hear_answer (&world, reason), ==, 400);
  g_assert_nonnull (strstr (reason, "within 0.1 s"));
  g_assert_cmpuint (world.n_failed, ==, 1);
  world_close (&world);
}

static void
test_what_is_not_turn_is_hung_up_on (void)
{
  guint8 unit[2048];
  gsize length;
  World world;

  world_open (&world);
  allocate (&world);
  say_octets (world.client, "\xc0\xc0\xc0\xc0", 4);
  g_assert_false (hear (&world, unit, &length));
  run_until (&world, &world.n_released, 1);
  g_assert_nonnull (strstr (world.cause, "not TURN"));
  world_close (&world);
}

static void
test_credentials_in_use_are_replaced (void)
{
  World world;

  world_open (&world);
  g_assert_true (
      turn_connect_bridge_set_turn_credentials (world.bridge, 1, MOCK_USER, "wrong", NULL));
  get_nonce (&world);
  g_assert_cmpuint (request (&world, STUN_EXT_METHOD_ALLOCATE, 0, NULL), ==, 400);
  g_assert_nonnull (strstr (world.cause, "did not accept user and password"));
  leave (&world);
  g_assert_true (
      turn_connect_bridge_set_turn_credentials (world.bridge, 1, MOCK_USER, MOCK_PASSWORD, NULL));
  allocate (&world);
  g_assert_true (
      turn_connect_bridge_set_turn_credentials (world.bridge, 1, MOCK_USER, MOCK_PASSWORD, NULL));
  g_assert_cmpuint (request (&world, STUN_EXT_METHOD_CHANNEL_BIND, 0x4003, PEER), ==, 0);
  assert_passes (&world);
  /* A session that is there goes on with those it has, should these not do. */
  g_assert_true (
      turn_connect_bridge_set_turn_credentials (world.bridge, 1, MOCK_USER, "wrong", NULL));
  assert_passes (&world);
  world_close (&world);
}

static void
prepared (GObject *source, GAsyncResult *result, gpointer data)
{
  turn_connect_bridge_prepare_finish (TURN_CONNECT_BRIDGE (source), result, NULL);
}

static void
test_streams_opened_ahead_are_taken (void)
{
  TurnConnectBridgeCounts counts;
  World world;

  for (guint n = 0; n < 2; n++) {
    world_open (&world);
    turn_connect_bridge_prepare_async (world.bridge, 1, 1, NULL, prepared, NULL);
    if (n == 0)
      run_until (&world, &world.n_connected, 1);
    allocate (&world);
    turn_connect_bridge_get_counts (world.bridge, &counts);
    g_assert_cmpuint (counts.n_dialled, ==, 1);
    g_assert_cmpuint (counts.n_spares, ==, 0);
    g_assert_cmpuint (world.n_visitors, ==, 1);
    world_close (&world);
  }
  /* And what was claimed may be given up, or not come. */
  for (guint n = 0; n < 2; n++) {
    world_open (&world);
    get_nonce (&world);
    if (n == 1) {
      g_source_remove (world.accepting);
      close (world.listener);
      world.listener = -1;
    }
    turn_connect_bridge_prepare_async (world.bridge, 1, 1, NULL, prepared, NULL);
    ask (&world, STUN_EXT_METHOD_ALLOCATE, TRUE, 0, NULL);
    if (n == 1) {
      g_assert_cmpuint (hear_answer (&world, NULL), ==, 400);
      g_assert_nonnull (strstr (world.cause, "refused"));
      world.listener = support_listen (peers_address (), 1, &world.server_port);
      world.accepting = g_unix_fd_add (world.listener, G_IO_IN, visitor_came, &world);
    } else {
      support_run_for (1);
      leave (&world);
      support_run_for (20);
    }
    g_assert_cmpuint (world.n_failed, ==, n);
    world_close (&world);
  }
}

static void
test_media_that_waits_in_the_kernel_is_bounded (void)
{
  const TurnConnectSession *session;
  socklen_t length = sizeof (int);
  int lowat = 0;
  World world;

  world_open (&world);
  turn_connect_bridge_set_late_media (world.bridge, 4321);
  allocate (&world);
  for (guint i = 1; i <= 2; i++) {
    session = world.bridge->sessions.head->data;
    g_assert_cmpint (getsockopt (turn_connect_stream_get_descriptor (
                                     turn_connect_client_get_stream (session->upstream)),
                                 IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, &length),
                     ==, 0);
    g_assert_cmpint (lowat, ==, 4321);
    hang_up (&world);
    run_until (&world, &world.n_connected, 1 + i);
  }
  world_close (&world);
}

static void
test_settings_that_cannot_work (void)
{
  g_autoptr (TurnConnectBridge) bridge = turn_connect_bridge_new ();
  g_autoptr (TurnConnectTarget) target = turn_connect_target_new ("turn.example.org", 443, NULL);
  g_autofree char *long_user = g_strnfill (600, 'x');
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (
      turn_connect_bridge_add_server (bridge, target, TURN_CONNECT_BRIDGE_ALLOW_PLAIN, NULL), ==,
      1);
  g_assert_false (turn_connect_bridge_set_turn_credentials (bridge, 2, "a", "b", &error));
  g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID);
  g_assert_false (turn_connect_bridge_set_turn_credentials (bridge, 1, "", "b", NULL));
  g_assert_false (turn_connect_bridge_set_turn_credentials (bridge, 1, long_user, "b", NULL));
  g_assert_false (
      turn_connect_bridge_set_turn_secret (bridge, 1, "", 0, NULL, 600, STUN_EXT_HASH_SHA1, NULL));
  g_assert_false (
      turn_connect_bridge_set_turn_secret (bridge, 1, "x", 1, NULL, 1, STUN_EXT_HASH_SHA1, NULL));
  g_assert_true (turn_connect_bridge_set_credentials (bridge, NULL, NULL, NULL));
  g_assert_false (turn_connect_bridge_set_turn_credentials (bridge, 1, "a", "b", NULL));
  g_assert_true (turn_connect_bridge_set_credentials (bridge, "local", "here", NULL));
  g_assert_true (
      turn_connect_bridge_set_turn_secret (bridge, 1, "x", 1, NULL, 600, STUN_EXT_HASH_SHA1, NULL));
  g_assert_false (turn_connect_bridge_set_credentials (bridge, NULL, NULL, NULL));
  g_assert_cmpstr (turn_connect_bridge_get_user (bridge), ==, "local");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add_func ("/turn-connect/session/" name, function)
  ADD ("the-whole-and-back", test_the_whole_and_back);
  ADD ("nothing-is-dialled-for-a-wrong-login", test_nothing_is_dialled_for_a_wrong_login);
  ADD ("lost/ticket-keeps-the-call", test_ticket_keeps_the_call);
  ADD ("lost/the-same-address-keeps-the-call", test_the_same_address_keeps_the_call);
  ADD ("lost/family-given-back-may-be-lost", test_family_given_back_may_be_lost);
  ADD ("lost/another-address-ends-it-with-the-cause", test_another_address_ends_it_with_the_cause);
  ADD ("server/that-leaves-at-every-step", test_server_that_leaves_at_every_step);
  ADD ("server/refusals-are-passed-on", test_refusals_are_passed_on);
  ADD ("server/silence-is-told-in-time", test_silent_server_is_told_in_time);
  ADD ("server/streams-opened-ahead-are-taken", test_streams_opened_ahead_are_taken);
  ADD ("server/media-that-waits-in-the-kernel-is-bounded",
       test_media_that_waits_in_the_kernel_is_bounded);
  ADD ("client/that-leaves-at-every-step", test_client_that_leaves_at_every_step);
  ADD ("client/what-is-not-turn-is-hung-up-on", test_what_is_not_turn_is_hung_up_on);
  ADD ("application/may-close-when-told", test_application_may_close_when_told);
  ADD ("credentials/in-use-are-replaced", test_credentials_in_use_are_replaced);
  ADD ("credentials/settings-that-cannot-work", test_settings_that_cannot_work);
  return g_test_run ();
}
