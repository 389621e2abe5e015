/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The local TURN server as its client sees it, and as whoever carries out its orders does. */
#include "turn-connect/local/turn-server.h"

#include "stun-ext/attribute.h"
#include "stun-ext/channel-data.h"
#include "stun-ext/credentials.h"
#include "stun-ext/integrity.h"
#include "turn-connect/local/turn-server-peers.h"

#include <string.h>

#define USER "local"
#define PASSWORD "only here"
#define BUDGET_US (2 * G_USEC_PER_SEC)
#define S G_USEC_PER_SEC
#define PEER "198.51.100.1:4000"

typedef struct {
  TurnConnectTurnServer *server;
  gint64 now;
  StunExtKey key;
  char nonce[128];
  guint8 last_id;
  guint8 answer_octets[2048];
  StunExtMessage answer; /* the last one */
} World;

/* A request being written. */
typedef struct {
  guint8 octets[2048];
  StunExtBuilder builder;
  gsize length;
} Request;

static StunExtAddress
address (const char *text)
{
  StunExtAddress result;

  g_assert_true (stun_ext_address_parse (text, &result));
  return result;
}

static void
world_open (World *world)
{
  TurnConnectTurnServerConfig config = {
    .user = USER,
    .password = PASSWORD,
    .nonce_key = { 1 },
    .transaction_id = { 2 },
    .client = address ("127.0.0.1:50000"),
    .budget_us = BUDGET_US,
  };

  memset (world, 0, sizeof *world);
  world->now = 1000 * S;
  world->server = turn_connect_turn_server_new (&config);
  g_assert_true (stun_ext_key_long_term (&world->key, STUN_EXT_PASSWORD_ALGORITHM_MD5, USER,
                                         TURN_CONNECT_TURN_SERVER_REALM, PASSWORD, NULL));
}

static void
world_close (World *world)
{
  turn_connect_turn_server_free (world->server);
}

static void
begin (World *world, Request *request, guint16 method)
{
  guint8 id[STUN_EXT_TRANSACTION_ID_LENGTH];

  memset (id, ++world->last_id, sizeof id);
  stun_ext_builder_begin (&request->builder, request->octets, sizeof request->octets,
                          STUN_EXT_CLASS_REQUEST, method, id);
}

static void
add_peer (Request *request, const char *peer)
{
  StunExtAddress to = address (peer);

  stun_ext_builder_add_xor_address (&request->builder, STUN_EXT_ATTRIBUTE_XOR_PEER_ADDRESS, &to);
}

static void
finish (World *world, Request *request, gboolean is_signed)
{
  if (is_signed) {
    stun_ext_builder_add_text (&request->builder, STUN_EXT_ATTRIBUTE_USERNAME, USER);
    stun_ext_builder_add_text (&request->builder, STUN_EXT_ATTRIBUTE_REALM,
                               TURN_CONNECT_TURN_SERVER_REALM);
    stun_ext_builder_add_text (&request->builder, STUN_EXT_ATTRIBUTE_NONCE, world->nonce);
  }
  g_assert_true (stun_ext_builder_finish (
      &request->builder, is_signed ? STUN_EXT_INTEGRITY_SHA1 : STUN_EXT_INTEGRITY_NONE,
      stun_ext_key_span (&world->key), TRUE, &request->length));
}

static TurnConnectOrder
next (World *world)
{
  TurnConnectOrder order;

  turn_connect_turn_server_next (world->server, world->now, &order);
  return order;
}

static TurnConnectOrder
say (World *world, const void *octets, gsize length)
{
  turn_connect_turn_server_push (world->server, octets, length);
  return next (world);
}

/* Takes the first unit that goes to the client. */
static gsize
take_unit (World *world)
{
  TurnConnectLane *lane = turn_connect_turn_server_to_client (world->server);
  gsize length = 0;

  if (lane->length == 0)
    return 0;
  g_assert_cmpint (stun_ext_channel_data_measure (lane->octets, lane->length, &length), ==,
                   STUN_EXT_PARSE_OK);
  g_assert_cmpuint (length, <=, sizeof world->answer_octets);
  memcpy (world->answer_octets, lane->octets, length);
  turn_connect_lane_sent (lane, length);
  return length;
}

/* The code of the one answer there is; 0: it is a success. */
static guint
take_answer (World *world, gboolean is_signed)
{
  gsize length = take_unit (world);
  guint code = 0;
  StunExtSpan reason;

  g_assert_cmpint (stun_ext_message_parse (&world->answer, world->answer_octets, length), ==,
                   STUN_EXT_PARSE_OK);
  g_assert_cmpint (stun_ext_fingerprint_verify (&world->answer), !=, STUN_EXT_VERDICT_WRONG);
  g_assert_cmpint (stun_ext_integrity_verify (&world->answer, STUN_EXT_INTEGRITY_SHA1, 32,
                                              stun_ext_key_span (&world->key)),
                   ==, is_signed ? STUN_EXT_VERDICT_VALID : STUN_EXT_VERDICT_MISSING);
  if (world->answer.message_class == STUN_EXT_CLASS_ERROR)
    g_assert_cmpint (stun_ext_message_get_error (&world->answer, &code, &reason), ==,
                     STUN_EXT_GET_OK);
  g_assert_cmpuint (turn_connect_turn_server_to_client (world->server)->length, ==, 0);
  return code;
}

static void
assert_reason (World *world, const char *words)
{
  g_autofree char *text = NULL;
  StunExtSpan reason;
  guint code;

  g_assert_cmpint (stun_ext_message_get_error (&world->answer, &code, &reason), ==,
                   STUN_EXT_GET_OK);
  text = g_strndup (reason.data, reason.length);
  g_assert_nonnull (strstr (text, words));
}

static void
assert_silence (World *world)
{
  g_assert_cmpuint (turn_connect_turn_server_to_client (world->server)->length, ==, 0);
}

static void
keep_nonce (World *world)
{
  StunExtSpan nonce;

  g_assert_cmpint (stun_ext_message_get_text (&world->answer, STUN_EXT_ATTRIBUTE_NONCE, &nonce), ==,
                   STUN_EXT_GET_OK);
  g_assert_cmpuint (nonce.length, <, sizeof world->nonce);
  memcpy (world->nonce, nonce.data, nonce.length);
  world->nonce[nonce.length] = '\0';
}

static void
get_nonce (World *world)
{
  Request request;

  begin (world, &request, STUN_EXT_METHOD_ALLOCATE);
  finish (world, &request, FALSE);
  g_assert_cmpint (say (world, request.octets, request.length).kind, ==, TURN_CONNECT_ORDER_NONE);
  g_assert_cmpuint (take_answer (world, FALSE), ==, 401);
  keep_nonce (world);
}

static void
write_allocate (World *world, Request *request)
{
  begin (world, request, STUN_EXT_METHOD_ALLOCATE);
  stun_ext_builder_add_u8 (&request->builder, STUN_EXT_ATTRIBUTE_REQUESTED_TRANSPORT, 17);
  finish (world, request, TRUE);
}

static TurnConnectTurnGrant
make_grant (void)
{
  return (TurnConnectTurnGrant){ .relayed = { address ("192.0.2.1:50000") },
                                 .mapped = address ("203.0.113.5:1000") };
}

static void
grant (World *world)
{
  TurnConnectTurnGrant what = make_grant ();

  turn_connect_turn_server_granted (world->server, &what, world->now);
}

/* A client with an allocation. */
static void
world_allocate (World *world)
{
  Request request;

  world_open (world);
  get_nonce (world);
  write_allocate (world, &request);
  g_assert_cmpint (say (world, request.octets, request.length).kind, ==,
                   TURN_CONNECT_ORDER_ALLOCATE);
  assert_silence (world);
  grant (world);
  g_assert_cmpuint (take_answer (world, TRUE), ==, 0);
}

static TurnConnectOrder
ask_permission (World *world, const char *peer)
{
  Request request;

  begin (world, &request, STUN_EXT_METHOD_CREATE_PERMISSION);
  add_peer (&request, peer);
  finish (world, &request, TRUE);
  return say (world, request.octets, request.length);
}

static TurnConnectOrder
ask_channel (World *world, guint16 number, const char *peer)
{
  Request request;

  begin (world, &request, STUN_EXT_METHOD_CHANNEL_BIND);
  stun_ext_builder_add_u16 (&request.builder, STUN_EXT_ATTRIBUTE_CHANNEL_NUMBER, number);
  add_peer (&request, peer);
  finish (world, &request, TRUE);
  return say (world, request.octets, request.length);
}

static void
done (World *world, const TurnConnectOrder *order)
{
  turn_connect_turn_server_done (world->server, order->token, 0, NULL, world->now);
  g_assert_cmpuint (take_answer (world, TRUE), ==, 0);
}

static void
permit (World *world, const char *peer)
{
  TurnConnectOrder order = ask_permission (world, peer);

  g_assert_cmpint (order.kind, ==, TURN_CONNECT_ORDER_PERMIT);
  done (world, &order);
}

static void
bind_channel (World *world, guint16 number, const char *peer)
{
  TurnConnectOrder order = ask_channel (world, number, peer);

  g_assert_cmpint (order.kind, ==, TURN_CONNECT_ORDER_BIND);
  done (world, &order);
}

static TurnConnectOrder
send_channel_data (World *world, guint16 number, const char *text)
{
  static guint8 octets[256]; /* the order borrows them */
  StunExtWriter w;

  stun_ext_writer_init (&w, octets, sizeof octets);
  stun_ext_channel_data_write (&w, number, text, strlen (text), TRUE);
  return say (world, octets, w.length);
}

static TurnConnectOrder
send_indication (World *world, const char *peer, const char *text)
{
  guint8 id[STUN_EXT_TRANSACTION_ID_LENGTH] = { 0 };
  static Request request; /* the order borrows it */

  stun_ext_builder_begin (&request.builder, request.octets, sizeof request.octets,
                          STUN_EXT_CLASS_INDICATION, STUN_EXT_METHOD_SEND, id);
  add_peer (&request, peer);
  stun_ext_builder_add_data (&request.builder, STUN_EXT_ATTRIBUTE_DATA, text, strlen (text));
  g_assert_true (stun_ext_builder_finish (&request.builder, STUN_EXT_INTEGRITY_NONE,
                                          (StunExtSpan){ 0 }, FALSE, &request.length));
  return say (world, request.octets, request.length);
}

static void
assert_sends (const TurnConnectOrder *order, const char *peer, const char *text)
{
  StunExtAddress to = address (peer);

  g_assert_cmpint (order->kind, ==, TURN_CONNECT_ORDER_SEND);
  g_assert_true (stun_ext_address_equal (&order->peers[0], &to));
  g_assert_cmpmem (order->payload.data, order->payload.length, text, strlen (text));
}

/* ---- who may ask ---- */

static void
test_logins (void)
{
  static const struct {
    const char *name;
    const char *user, *realm, *password;
    gboolean has_stale_nonce;
    guint code;
  } rows[] = {
    { "right", USER, TURN_CONNECT_TURN_SERVER_REALM, PASSWORD, FALSE, 0 },
    { "wrong password", USER, TURN_CONNECT_TURN_SERVER_REALM, "guess", FALSE, 401 },
    { "wrong name", "nobody", TURN_CONNECT_TURN_SERVER_REALM, PASSWORD, FALSE, 401 },
    { "longer name", USER "2", TURN_CONNECT_TURN_SERVER_REALM, PASSWORD, FALSE, 401 },
    { "wrong realm", USER, "elsewhere", PASSWORD, FALSE, 401 },
    { "foreign nonce", USER, TURN_CONNECT_TURN_SERVER_REALM, PASSWORD, TRUE, 438 },
    { "no name", NULL, TURN_CONNECT_TURN_SERVER_REALM, PASSWORD, FALSE, 400 },
    { "no realm", USER, NULL, PASSWORD, FALSE, 400 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    TurnConnectOrder order;
    StunExtKey key;
    Request request;
    World world;

    g_test_message ("%s", rows[i].name);
    world_open (&world);
    get_nonce (&world);
    begin (&world, &request, STUN_EXT_METHOD_ALLOCATE);
    stun_ext_builder_add_u8 (&request.builder, STUN_EXT_ATTRIBUTE_REQUESTED_TRANSPORT, 17);
    if (rows[i].user != NULL)
      stun_ext_builder_add_text (&request.builder, STUN_EXT_ATTRIBUTE_USERNAME, rows[i].user);
    if (rows[i].realm != NULL)
      stun_ext_builder_add_text (&request.builder, STUN_EXT_ATTRIBUTE_REALM, rows[i].realm);
    stun_ext_builder_add_text (&request.builder, STUN_EXT_ATTRIBUTE_NONCE,
                               rows[i].has_stale_nonce ? "obMatJos2AAAAwrong" : world.nonce);
    g_assert_true (stun_ext_key_long_term (
        &key, STUN_EXT_PASSWORD_ALGORITHM_MD5, rows[i].user != NULL ? rows[i].user : USER,
        rows[i].realm != NULL ? rows[i].realm : "x", rows[i].password, NULL));
    g_assert_true (stun_ext_builder_finish (&request.builder, STUN_EXT_INTEGRITY_SHA1,
                                            stun_ext_key_span (&key), FALSE, &request.length));
    order = say (&world, request.octets, request.length);
    if (rows[i].code == 0) {
      g_assert_cmpint (order.kind, ==, TURN_CONNECT_ORDER_ALLOCATE);
      assert_silence (&world);
    } else {
      g_assert_cmpint (order.kind, ==, TURN_CONNECT_ORDER_NONE);
      g_assert_cmpuint (take_answer (&world, FALSE), ==, rows[i].code);
      g_assert_cmpint (stun_ext_message_find (&world.answer, STUN_EXT_ATTRIBUTE_NONCE) != NULL, ==,
                       rows[i].code != 400);
    }
    world_close (&world);
  }
}

static void
test_nonce_gets_old (void)
{
  Request request;
  World world;

  world_allocate (&world);
  world.now += (gint64)3599 * S;
  turn_connect_turn_server_lost (world.server, 0, "x", world.now);
  world.now += 2 * S;
  begin (&world, &request, STUN_EXT_METHOD_REFRESH);
  finish (&world, &request, TRUE);
  next (&world);
  say (&world, request.octets, request.length);
  g_assert_cmpuint (take_answer (&world, FALSE), ==, 438);
  keep_nonce (&world);
  begin (&world, &request, STUN_EXT_METHOD_REFRESH);
  finish (&world, &request, TRUE);
  say (&world, request.octets, request.length);
  g_assert_cmpuint (take_answer (&world, TRUE), ==, 400);
  world_close (&world);
}

static void
test_changed_octets_are_refused_at_every_place (void)
{
  Request request;
  World world;

  world_open (&world);
  get_nonce (&world);
  write_allocate (&world, &request);
  /* What follows the signature is not signed: FINGERPRINT. */
  for (gsize i = 0; i < request.length - 8; i++) {
    guint8 changed[2048];
    TurnConnectTurnServerConfig config = { .user = USER, .password = PASSWORD, .nonce_key = { 1 } };
    g_autoptr (TurnConnectTurnServer) other = turn_connect_turn_server_new (&config);
    TurnConnectOrder order;

    memcpy (changed, request.octets, request.length);
    changed[i] ^= 0x04;
    turn_connect_turn_server_push (other, changed, request.length);
    turn_connect_turn_server_next (other, world.now, &order);
    g_assert_cmpint (order.kind, !=, TURN_CONNECT_ORDER_ALLOCATE);
  }
  world_close (&world);
}

/* ---- Allocate ---- */

typedef struct {
  guint16 type;
  guint length; /* octets of the value; 0: none, 255: an attribute without value */
  guint8 value[8];
} Extra;

static void
test_wishes (void)
{
  static const struct {
    const char *name;
    guint code; /* 0: ordered */
    Extra extras[3];
    TurnConnectFamilies families;
    TurnConnectEvenPort even_port;
  } rows[] = {
    { "plain", 0, { { 0x19, 4, { 17 } } }, TURN_CONNECT_FAMILY_IPV4, TURN_CONNECT_PORT_ANY },
    { "no transport", 400, { { 0x0d, 4, { 0, 0, 2, 88 } } }, 0, 0 },
    { "short transport", 400, { { 0x19, 2, { 17 } } }, 0, 0 },
    { "tcp", 442, { { 0x19, 4, { 6 } } }, 0, 0 },
    { "even",
      0,
      { { 0x19, 4, { 17 } }, { 0x18, 1, { 0 } } },
      TURN_CONNECT_FAMILY_IPV4,
      TURN_CONNECT_PORT_EVEN },
    { "even and next",
      0,
      { { 0x19, 4, { 17 } }, { 0x18, 1, { 0x80 } } },
      TURN_CONNECT_FAMILY_IPV4,
      TURN_CONNECT_PORT_EVEN_AND_NEXT },
    { "ipv6", 0, { { 0x19, 4, { 17 } }, { 0x17, 4, { 2 } } }, TURN_CONNECT_FAMILY_IPV6, 0 },
    { "no such family", 440, { { 0x19, 4, { 17 } }, { 0x17, 4, { 3 } } }, 0, 0 },
    { "both", 0, { { 0x19, 4, { 17 } }, { 0x8000, 4, { 2 } } }, TURN_CONNECT_FAMILY_BOTH, 0 },
    { "both, the other is ipv4", 400, { { 0x19, 4, { 17 } }, { 0x8000, 4, { 1 } } }, 0, 0 },
    { "one and both",
      400,
      { { 0x19, 4, { 17 } }, { 0x8000, 4, { 2 } }, { 0x17, 4, { 1 } } },
      0,
      0 },
    { "both, and a pair of ports",
      400,
      { { 0x19, 4, { 17 } }, { 0x8000, 4, { 2 } }, { 0x18, 1, { 0x80 } } },
      0,
      0 },
    { "reserved", 0, { { 0x19, 4, { 17 } }, { 0x22, 8, { 1 } } }, TURN_CONNECT_FAMILY_IPV4, 0 },
    { "reserved, short", 400, { { 0x19, 4, { 17 } }, { 0x22, 7, { 1 } } }, 0, 0 },
    { "reserved and even",
      400,
      { { 0x19, 4, { 17 } }, { 0x22, 8, { 1 } }, { 0x18, 1, { 0 } } },
      0,
      0 },
    { "reserved and a family",
      400,
      { { 0x19, 4, { 17 } }, { 0x22, 8, { 1 } }, { 0x17, 4, { 1 } } },
      0,
      0 },
    { "don't fragment",
      0,
      { { 0x19, 4, { 17 } }, { 0x1a, 255, { 0 } } },
      TURN_CONNECT_FAMILY_IPV4,
      0 },
    { "don't fragment, with a value", 400, { { 0x19, 4, { 17 } }, { 0x1a, 4, { 0 } } }, 0, 0 },
    { "short lifetime", 400, { { 0x19, 4, { 17 } }, { 0x0d, 2, { 0 } } }, 0, 0 },
    { "unknown", 420, { { 0x19, 4, { 17 } }, { 0x7abc, 4, { 0 } } }, 0, 0 },
    { "unknown, but may be",
      0,
      { { 0x19, 4, { 17 } }, { 0xfabc, 4, { 0 } } },
      TURN_CONNECT_FAMILY_IPV4,
      0 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    TurnConnectOrder order;
    Request request;
    World world;

    g_test_message ("%s", rows[i].name);
    world_open (&world);
    get_nonce (&world);
    begin (&world, &request, STUN_EXT_METHOD_ALLOCATE);
    for (gsize j = 0; j < 3 && rows[i].extras[j].length != 0; j++)
      stun_ext_builder_add_data (&request.builder, rows[i].extras[j].type, rows[i].extras[j].value,
                                 rows[i].extras[j].length % 255);
    finish (&world, &request, TRUE);
    order = say (&world, request.octets, request.length);
    if (rows[i].code != 0) {
      g_assert_cmpint (order.kind, ==, TURN_CONNECT_ORDER_NONE);
      g_assert_cmpuint (take_answer (&world, TRUE), ==, rows[i].code);
      g_assert_cmpint (turn_connect_turn_server_state (world.server), ==,
                       TURN_CONNECT_TURN_SERVER_IDLE);
    } else {
      g_assert_cmpint (order.kind, ==, TURN_CONNECT_ORDER_ALLOCATE);
      g_assert_cmpint (order.wishes.families, ==, rows[i].families);
      g_assert_cmpint (order.wishes.even_port, ==, rows[i].even_port);
      g_assert_cmpint (order.wishes.has_reservation, ==, rows[i].extras[1].type == 0x22);
      g_assert_cmpint (order.wishes.has_dont_fragment, ==, rows[i].extras[1].type == 0x1a);
    }
    world_close (&world);
  }
}

static void
test_grant_is_told_whole (void)
{
  TurnConnectTurnGrant both = { .relayed = { address ("192.0.2.1:50000"),
                                             address ("[2001:db8::1]:50002") },
                                .mapped = address ("203.0.113.5:1000"),
                                .has_reservation = TRUE,
                                .reservation = "12345678" };
  TurnConnectTurnGrant one = make_grant ();
  guint8 token[TURN_CONNECT_RESERVATION_SIZE];
  StunExtAddress found[2], mapped;
  guint32 lifetime_s;
  guint n_found = 0, code;
  guint8 family;
  Request request;
  World world;

  world_open (&world);
  get_nonce (&world);
  write_allocate (&world, &request);
  say (&world, request.octets, request.length);
  turn_connect_turn_server_granted (world.server, &both, world.now);
  g_assert_cmpuint (take_answer (&world, TRUE), ==, 0);
  for (guint i = 0; i < world.answer.n_attributes; i++)
    if (world.answer.attributes[i].type == STUN_EXT_ATTRIBUTE_XOR_RELAYED_ADDRESS)
      g_assert_true (stun_ext_attribute_xor_address (&world.answer, &world.answer.attributes[i],
                                                     &found[n_found++]));
  g_assert_cmpuint (n_found, ==, 2);
  g_assert_true (stun_ext_address_equal (&found[0], &both.relayed[0]));
  g_assert_true (stun_ext_address_equal (&found[1], &both.relayed[1]));
  g_assert_cmpint (stun_ext_message_get_xor_address (
                       &world.answer, STUN_EXT_ATTRIBUTE_XOR_MAPPED_ADDRESS, &mapped),
                   ==, STUN_EXT_GET_OK);
  g_assert_true (stun_ext_address_equal (&mapped, &both.mapped));
  g_assert_cmpint (
      stun_ext_message_get_u32 (&world.answer, STUN_EXT_ATTRIBUTE_LIFETIME, &lifetime_s), ==,
      STUN_EXT_GET_OK);
  g_assert_cmpuint (lifetime_s, ==, 600);
  g_assert_cmpint (stun_ext_message_get_fixed (&world.answer, STUN_EXT_ATTRIBUTE_RESERVATION_TOKEN,
                                               token, sizeof token),
                   ==, STUN_EXT_GET_OK);
  g_assert_cmpmem (token, sizeof token, "12345678", 8);
  world_close (&world);

  world_open (&world);
  get_nonce (&world);
  write_allocate (&world, &request);
  say (&world, request.octets, request.length);
  one.family_error = 440;
  turn_connect_turn_server_granted (world.server, &one, world.now);
  g_assert_cmpuint (take_answer (&world, TRUE), ==, 0);
  g_assert_cmpint (stun_ext_message_get_address_error (&world.answer, &family, &code), ==,
                   STUN_EXT_GET_OK);
  g_assert_cmpuint (family, ==, 6);
  g_assert_cmpuint (code, ==, 440);
  world_close (&world);
}

static void
test_repeats (void)
{
  Request request, other;
  World world;

  world_open (&world);
  get_nonce (&world);
  write_allocate (&world, &request);
  g_assert_cmpint (say (&world, request.octets, request.length).kind, ==,
                   TURN_CONNECT_ORDER_ALLOCATE);
  g_assert_cmpint (say (&world, request.octets, request.length).kind, ==, TURN_CONNECT_ORDER_NONE);
  assert_silence (&world);
  write_allocate (&world, &other);
  g_assert_cmpint (say (&world, other.octets, other.length).kind, ==, TURN_CONNECT_ORDER_NONE);
  g_assert_cmpuint (take_answer (&world, TRUE), ==, 437);
  grant (&world);
  g_assert_cmpuint (take_answer (&world, TRUE), ==, 0);
  g_assert_cmpint (say (&world, request.octets, request.length).kind, ==, TURN_CONNECT_ORDER_NONE);
  g_assert_cmpuint (take_answer (&world, TRUE), ==, 0);
  g_assert_nonnull (stun_ext_message_find (&world.answer, STUN_EXT_ATTRIBUTE_XOR_RELAYED_ADDRESS));
  g_assert_cmpint (say (&world, other.octets, other.length).kind, ==, TURN_CONNECT_ORDER_NONE);
  g_assert_cmpuint (take_answer (&world, TRUE), ==, 437);
  world_close (&world);
}

static void
test_what_comes_late_is_kept_for_the_next (void)
{
  Request request;
  World world;

  world_open (&world);
  get_nonce (&world);
  write_allocate (&world, &request);
  say (&world, request.octets, request.length);
  turn_connect_turn_server_set_doing (world.server, "waiting for the proxy");
  world.now += BUDGET_US;
  g_assert_cmpint (turn_connect_turn_server_deadline (world.server), <=, world.now);
  g_assert_cmpint (next (&world).kind, ==, TURN_CONNECT_ORDER_NONE);
  g_assert_true (turn_connect_turn_server_take_overdue (world.server));
  g_assert_false (turn_connect_turn_server_take_overdue (world.server));
  g_assert_cmpuint (take_answer (&world, TRUE), ==, 400);
  assert_reason (&world, "within 2.0 s: waiting for the proxy");
  grant (&world);
  assert_silence (&world);
  g_assert_cmpint (turn_connect_turn_server_state (world.server), ==,
                   TURN_CONNECT_TURN_SERVER_KEPT);
  write_allocate (&world, &request);
  g_assert_cmpint (say (&world, request.octets, request.length).kind, ==, TURN_CONNECT_ORDER_NONE);
  g_assert_cmpuint (take_answer (&world, TRUE), ==, 0);
  g_assert_cmpint (turn_connect_turn_server_state (world.server), ==, TURN_CONNECT_TURN_SERVER_UP);
  world_close (&world);

  /* And given back if there is no next. */
  world_open (&world);
  get_nonce (&world);
  write_allocate (&world, &request);
  say (&world, request.octets, request.length);
  world.now += BUDGET_US;
  next (&world);
  grant (&world);
  world.now += 30 * S;
  g_assert_cmpint (turn_connect_turn_server_deadline (world.server), <=, world.now);
  g_assert_cmpint (next (&world).kind, ==, TURN_CONNECT_ORDER_RELEASE);
  world_close (&world);
}

static void
test_refusals_of_the_far_server (void)
{
  static const struct {
    guint code, told;
  } rows[] = {
    { 0, 400 },   { 300, 400 }, { 400, 400 }, { 401, 400 }, { 403, 403 },
    { 437, 400 }, { 438, 400 }, { 440, 440 }, { 441, 400 }, { 442, 400 },
    { 486, 486 }, { 500, 400 }, { 508, 508 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    Request request;
    World world;

    world_open (&world);
    get_nonce (&world);
    write_allocate (&world, &request);
    say (&world, request.octets, request.length);
    turn_connect_turn_server_lost (world.server, rows[i].code, "the caus\xc3\xa9", world.now);
    g_assert_cmpuint (take_answer (&world, TRUE), ==, rows[i].told);
    assert_reason (&world, "the caus??");

    /* The same is not asked again at once, something else is. */
    write_allocate (&world, &request);
    g_assert_cmpint (say (&world, request.octets, request.length).kind, ==,
                     TURN_CONNECT_ORDER_NONE);
    g_assert_cmpuint (take_answer (&world, TRUE), ==, rows[i].told);
    begin (&world, &request, STUN_EXT_METHOD_ALLOCATE);
    stun_ext_builder_add_u8 (&request.builder, STUN_EXT_ATTRIBUTE_REQUESTED_TRANSPORT, 17);
    stun_ext_builder_add_family (&request.builder, STUN_EXT_ATTRIBUTE_REQUESTED_ADDRESS_FAMILY, 6);
    finish (&world, &request, TRUE);
    g_assert_cmpint (say (&world, request.octets, request.length).kind, ==,
                     TURN_CONNECT_ORDER_ALLOCATE);
    world_close (&world);
  }
}

/* ---- the life of an allocation ---- */

static guint
refresh (World *world, int lifetime_s, guint8 family, TurnConnectOrderKind expected)
{
  Request request;

  begin (world, &request, STUN_EXT_METHOD_REFRESH);
  if (lifetime_s >= 0)
    stun_ext_builder_add_u32 (&request.builder, STUN_EXT_ATTRIBUTE_LIFETIME, (guint32)lifetime_s);
  if (family != 0)
    stun_ext_builder_add_family (&request.builder, STUN_EXT_ATTRIBUTE_REQUESTED_ADDRESS_FAMILY,
                                 family);
  finish (world, &request, TRUE);
  g_assert_cmpint (say (world, request.octets, request.length).kind, ==, expected);
  return take_answer (world, TRUE);
}

static void
test_lifetimes (void)
{
  static const struct {
    int asked_s;
    guint32 granted_s;
  } rows[] = { { -1, 600 }, { 1, 600 }, { 600, 600 }, { 1800, 1800 }, { 999999, 3600 } };
  guint32 granted_s;
  World world;

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    world_allocate (&world);
    world.now += 599 * S;
    g_assert_cmpuint (refresh (&world, rows[i].asked_s, 0, TURN_CONNECT_ORDER_NONE), ==, 0);
    g_assert_cmpint (
        stun_ext_message_get_u32 (&world.answer, STUN_EXT_ATTRIBUTE_LIFETIME, &granted_s), ==,
        STUN_EXT_GET_OK);
    g_assert_cmpuint (granted_s, ==, rows[i].granted_s);
    world.now += (gint64)granted_s * S - 1;
    g_assert_cmpint (next (&world).kind, ==, TURN_CONNECT_ORDER_NONE);
    world.now += 1;
    g_assert_cmpint (turn_connect_turn_server_deadline (world.server), <=, world.now);
    g_assert_cmpint (next (&world).kind, ==, TURN_CONNECT_ORDER_RELEASE);
    g_assert_cmpint (next (&world).kind, ==, TURN_CONNECT_ORDER_NONE);
    world_close (&world);
  }
}

static void
test_giving_back (void)
{
  TurnConnectOrder pending;
  Request request;
  World world;

  world_allocate (&world);
  permit (&world, PEER);
  pending = ask_permission (&world, "198.51.100.2:1");
  begin (&world, &request, STUN_EXT_METHOD_REFRESH);
  stun_ext_builder_add_u32 (&request.builder, STUN_EXT_ATTRIBUTE_LIFETIME, 0);
  finish (&world, &request, TRUE);
  g_assert_cmpint (say (&world, request.octets, request.length).kind, ==,
                   TURN_CONNECT_ORDER_RELEASE);
  /* An answer to it, and one to what waited. */
  take_unit (&world);
  g_assert_cmpuint (take_answer (&world, TRUE), ==, 437);
  turn_connect_turn_server_done (world.server, pending.token, 0, NULL, world.now);
  assert_silence (&world);
  g_assert_cmpuint (refresh (&world, 0, 0, TURN_CONNECT_ORDER_NONE), ==, 437);
  g_assert_cmpint (send_indication (&world, PEER, "x").kind, ==, TURN_CONNECT_ORDER_NONE);
  /* Another one may be made on the same stream. */
  write_allocate (&world, &request);
  g_assert_cmpint (say (&world, request.octets, request.length).kind, ==,
                   TURN_CONNECT_ORDER_ALLOCATE);
  grant (&world);
  g_assert_cmpuint (take_answer (&world, TRUE), ==, 0);
  g_assert_cmpint (send_indication (&world, PEER, "x").kind, ==, TURN_CONNECT_ORDER_NONE);
  world_close (&world);
}

static void
test_families_are_given_back_one_by_one (void)
{
  TurnConnectTurnGrant both = { .relayed = { address ("192.0.2.1:50000"),
                                             address ("[2001:db8::1]:50002") },
                                .mapped = address ("203.0.113.5:1000") };
  TurnConnectOrder pending;
  Request request;
  World world;

  world_open (&world);
  get_nonce (&world);
  write_allocate (&world, &request);
  say (&world, request.octets, request.length);
  turn_connect_turn_server_granted (world.server, &both, world.now);
  g_assert_cmpuint (take_answer (&world, TRUE), ==, 0);
  permit (&world, "[2001:db8::2]:1");
  bind_channel (&world, 0x4000, "[2001:db8::2]:1");
  bind_channel (&world, 0x4001, PEER);
  pending = ask_permission (&world, "[2001:db8::3]:1");
  g_assert_cmpuint (refresh (&world, 0, 6, TURN_CONNECT_ORDER_NONE), ==, 0);
  /* With its peers: a channel and the host; and the one that was waited for. */
  g_assert_cmpint (turn_connect_turn_server_deadline (world.server), <=, world.now);
  g_assert_cmpint (next (&world).kind, ==, TURN_CONNECT_ORDER_FORGET);
  g_assert_cmpint (next (&world).kind, ==, TURN_CONNECT_ORDER_FORGET);
  g_assert_cmpint (next (&world).kind, ==, TURN_CONNECT_ORDER_NONE);
  turn_connect_turn_server_done (world.server, pending.token, 0, NULL, world.now);
  g_assert_cmpuint (take_answer (&world, TRUE), ==, 443);
  g_assert_cmpint (next (&world).kind, ==, TURN_CONNECT_ORDER_FORGET);
  g_assert_cmpint (next (&world).kind, ==, TURN_CONNECT_ORDER_NONE);
  g_assert_cmpint (send_indication (&world, "[2001:db8::2]:1", "x").kind, ==,
                   TURN_CONNECT_ORDER_NONE);
  g_assert_cmpint (send_channel_data (&world, 0x4001, "x").kind, ==, TURN_CONNECT_ORDER_SEND);
  g_assert_cmpuint (refresh (&world, 0, 6, TURN_CONNECT_ORDER_NONE), ==, 443);
  ask_permission (&world, "[2001:db8::2]:1");
  g_assert_cmpuint (take_answer (&world, TRUE), ==, 443);
  permit (&world, PEER);
  g_assert_cmpuint (refresh (&world, 0, 4, TURN_CONNECT_ORDER_RELEASE), ==, 0);
  world_close (&world);
}

static void
test_loss_is_told_with_its_cause (void)
{
  TurnConnectOrder pending;
  World world;

  world_allocate (&world);
  pending = ask_permission (&world, PEER);
  turn_connect_turn_server_lost (world.server, 0, "the line was cut", world.now);
  g_assert_cmpuint (take_answer (&world, TRUE), ==, 400);
  assert_reason (&world, "the line was cut");
  turn_connect_turn_server_done (world.server, pending.token, 0, NULL, world.now);
  assert_silence (&world);
  g_assert_cmpint (ask_permission (&world, PEER).kind, ==, TURN_CONNECT_ORDER_NONE);
  g_assert_cmpuint (take_answer (&world, TRUE), ==, 400);
  assert_reason (&world, "the line was cut");
  g_assert_cmpuint (refresh (&world, 600, 0, TURN_CONNECT_ORDER_NONE), ==, 400);
  g_assert_cmpuint (refresh (&world, 0, 0, TURN_CONNECT_ORDER_NONE), ==, 0);
  g_assert_cmpint (send_channel_data (&world, 0x4000, "x").kind, ==, TURN_CONNECT_ORDER_NONE);
  world_close (&world);
}

/* ---- peers ---- */

static void
test_packets_go_to_permitted_peers_alone (void)
{
  TurnConnectOrder order;
  World world;

  world_allocate (&world);
  g_assert_cmpint (send_indication (&world, PEER, "hello").kind, ==, TURN_CONNECT_ORDER_NONE);
  permit (&world, PEER);
  order = send_indication (&world, PEER, "hello");
  assert_sends (&order, PEER, "hello");
  order = send_indication (&world, "198.51.100.1:9", ""); /* ports do not matter */
  assert_sends (&order, "198.51.100.1:9", "");
  g_assert_cmpint (send_indication (&world, "198.51.100.2:4000", "x").kind, ==,
                   TURN_CONNECT_ORDER_NONE);
  g_assert_cmpint (send_channel_data (&world, 0x4001, "x").kind, ==, TURN_CONNECT_ORDER_NONE);
  bind_channel (&world, 0x4001, PEER);
  order = send_channel_data (&world, 0x4001, "hello");
  assert_sends (&order, PEER, "hello");
  g_assert_cmpuint (turn_connect_turn_server_counts (world.server)->n_to_server, ==, 3);
  g_assert_cmpuint (turn_connect_turn_server_counts (world.server)->n_dropped_to_server, ==, 3);
  world_close (&world);
}

static void
test_packets_of_peers_take_the_clients_way (void)
{
  StunExtAddress peer = address (PEER), other = address ("198.51.100.1:9"), from;
  StunExtAddress stranger = address ("203.0.113.1:4000");
  StunExtChannelData unit;
  StunExtSpan data;
  gsize length;
  World world;

  world_allocate (&world);
  turn_connect_turn_server_from_peer (world.server, &peer, (const guint8 *)"early", 5);
  assert_silence (&world);
  bind_channel (&world, 0x4007, PEER);
  for (gsize n = 0; n <= 5; n++) {
    turn_connect_turn_server_from_peer (world.server, &peer, (const guint8 *)"hello", n);
    length = take_unit (&world);
    g_assert_cmpuint (length, ==, 4 + (n + 3) / 4 * 4);
    g_assert_true (stun_ext_channel_data_parse (&unit, world.answer_octets, length));
    g_assert_cmpuint (unit.channel, ==, 0x4007);
    g_assert_cmpmem (unit.payload.data, unit.payload.length, "hello", n);

    turn_connect_turn_server_from_peer (world.server, &other, (const guint8 *)"hello", n);
    length = take_unit (&world);
    g_assert_cmpint (stun_ext_message_parse (&world.answer, world.answer_octets, length), ==,
                     STUN_EXT_PARSE_OK);
    g_assert_cmpint (world.answer.method, ==, STUN_EXT_METHOD_DATA);
    g_assert_cmpint (stun_ext_message_get_xor_address (&world.answer,
                                                       STUN_EXT_ATTRIBUTE_XOR_PEER_ADDRESS, &from),
                     ==, STUN_EXT_GET_OK);
    g_assert_true (stun_ext_address_equal (&from, &other));
    g_assert_cmpint (stun_ext_message_get_data (&world.answer, STUN_EXT_ATTRIBUTE_DATA, &data), ==,
                     STUN_EXT_GET_OK);
    g_assert_cmpmem (data.data, data.length, "hello", n);
  }
  turn_connect_turn_server_from_peer (world.server, &stranger, (const guint8 *)"x", 1);
  assert_silence (&world);
  world_close (&world);
}

static void
test_a_client_that_does_not_read_costs_no_memory (void)
{
  TurnConnectLane *lane;
  StunExtAddress peer = address (PEER);
  guint8 packet[1200] = { 0 };
  World world;

  world_allocate (&world);
  bind_channel (&world, 0x4000, PEER);
  lane = turn_connect_turn_server_to_client (world.server);
  for (guint i = 0; i < 1000; i++)
    turn_connect_turn_server_from_peer (world.server, &peer, packet, sizeof packet);
  g_assert_cmpuint (lane->length, <=, TURN_CONNECT_LANE_MAX);
  g_assert_cmpuint (lane->length % 1204, ==, 0);
  turn_connect_turn_server_shed (world.server);
  g_assert_cmpuint (lane->length, ==, 0);
  g_assert_cmpuint (turn_connect_turn_server_counts (world.server)->n_dropped_to_client, ==, 1000);
  world_close (&world);
}

static void
test_bad_peers (void)
{
  static const struct {
    const char *name;
    guint16 method, channel;
    const char *peers[10];
    guint code;
  } rows[] = {
    { "nobody", STUN_EXT_METHOD_CREATE_PERMISSION, 0, { NULL }, 400 },
    { "another family", STUN_EXT_METHOD_CREATE_PERMISSION, 0, { PEER, "[2001:db8::1]:1" }, 443 },
    { "too many",
      STUN_EXT_METHOD_CREATE_PERMISSION,
      0,
      { PEER, PEER, PEER, PEER, PEER, PEER, PEER, PEER, PEER },
      508 },
    { "channel of nobody", STUN_EXT_METHOD_CHANNEL_BIND, 0x4000, { NULL }, 400 },
    { "channel of two", STUN_EXT_METHOD_CHANNEL_BIND, 0x4000, { PEER, PEER }, 400 },
    { "no channel", STUN_EXT_METHOD_CHANNEL_BIND, 0, { PEER }, 400 },
    { "low channel", STUN_EXT_METHOD_CHANNEL_BIND, 0x3fff, { PEER }, 400 },
    { "high channel", STUN_EXT_METHOD_CHANNEL_BIND, 0x5000, { PEER }, 400 },
    { "no port", STUN_EXT_METHOD_CHANNEL_BIND, 0x4000, { "198.51.100.1:0" }, 400 },
    { "channel of another family", STUN_EXT_METHOD_CHANNEL_BIND, 0x4000, { "[::1]:1" }, 443 },
    { "taken number", STUN_EXT_METHOD_CHANNEL_BIND, 0x4444, { PEER }, 400 },
    { "taken peer", STUN_EXT_METHOD_CHANNEL_BIND, 0x4000, { "198.51.100.9:9" }, 400 },
    { "number being taken", STUN_EXT_METHOD_CHANNEL_BIND, 0x4445, { PEER }, 400 },
    { "peer being taken", STUN_EXT_METHOD_CHANNEL_BIND, 0x4000, { "198.51.100.9:10" }, 400 },
    { "of RFC 6062", STUN_EXT_METHOD_CONNECT, 0, { PEER }, 400 },
  };
  World world;

  world_allocate (&world);
  bind_channel (&world, 0x4444, "198.51.100.9:9");
  g_assert_cmpint (ask_channel (&world, 0x4445, "198.51.100.9:10").kind, ==,
                   TURN_CONNECT_ORDER_BIND);
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    Request request;

    g_test_message ("%s", rows[i].name);
    begin (&world, &request, rows[i].method);
    if (rows[i].channel != 0)
      stun_ext_builder_add_u16 (&request.builder, STUN_EXT_ATTRIBUTE_CHANNEL_NUMBER,
                                rows[i].channel);
    for (gsize j = 0; rows[i].peers[j] != NULL; j++)
      add_peer (&request, rows[i].peers[j]);
    finish (&world, &request, TRUE);
    g_assert_cmpint (say (&world, request.octets, request.length).kind, ==,
                     TURN_CONNECT_ORDER_NONE);
    g_assert_cmpuint (take_answer (&world, TRUE), ==, rows[i].code);
  }
  world_close (&world);
}

static void
test_refused_peers (void)
{
  TurnConnectOrder order;
  World world;

  world_allocate (&world);
  order = ask_permission (&world, PEER);
  turn_connect_turn_server_done (world.server, order.token, 403, "not that one", world.now);
  g_assert_cmpuint (take_answer (&world, TRUE), ==, 403);
  assert_reason (&world, "not that one");
  g_assert_cmpint (send_indication (&world, PEER, "x").kind, ==, TURN_CONNECT_ORDER_NONE);
  order = ask_channel (&world, 0x4000, PEER);
  turn_connect_turn_server_done (world.server, order.token, 0, "gone", world.now);
  g_assert_cmpuint (take_answer (&world, TRUE), ==, 400);
  g_assert_cmpint (send_channel_data (&world, 0x4000, "x").kind, ==, TURN_CONNECT_ORDER_NONE);
  /* And nobody answers at all. */
  ask_permission (&world, PEER);
  world.now += 30 * S;
  g_assert_cmpint (next (&world).kind, ==, TURN_CONNECT_ORDER_NONE);
  g_assert_cmpuint (take_answer (&world, TRUE), ==, 400);
  g_assert_false (turn_connect_turn_server_take_overdue (world.server));
  world_close (&world);
}

static void
test_permissions_end (void)
{
  StunExtAddress host = address ("198.51.100.1");
  StunExtAddress peer = address (PEER);
  TurnConnectOrder order;
  World world;

  world_allocate (&world);
  permit (&world, PEER);
  world.now += 299 * S;
  permit (&world, PEER);
  world.now += 300 * S - 1;
  g_assert_cmpint (next (&world).kind, ==, TURN_CONNECT_ORDER_NONE);
  world.now += 1;
  g_assert_cmpint (turn_connect_turn_server_deadline (world.server), <=, world.now);
  order = next (&world);
  g_assert_cmpint (order.kind, ==, TURN_CONNECT_ORDER_FORGET);
  g_assert_true (stun_ext_address_equal (&order.peers[0], &host));
  turn_connect_turn_server_from_peer (world.server, &peer, (const guint8 *)"x", 1);
  assert_silence (&world);
  g_assert_cmpint (send_indication (&world, PEER, "x").kind, ==, TURN_CONNECT_ORDER_NONE);

  /* One that is being renewed does not end meanwhile. */
  refresh (&world, 3600, 0, TURN_CONNECT_ORDER_NONE);
  permit (&world, PEER);
  world.now += 299 * S;
  order = ask_permission (&world, PEER);
  world.now += 2 * S;
  g_assert_cmpint (next (&world).kind, ==, TURN_CONNECT_ORDER_NONE);
  done (&world, &order);
  order = send_indication (&world, PEER, "x");
  assert_sends (&order, PEER, "x");
  world_close (&world);
}

static void
test_channels_end (void)
{
  StunExtAddress peer = address (PEER);
  TurnConnectOrder order;
  World world;

  world_allocate (&world);
  refresh (&world, 3600, 0, TURN_CONNECT_ORDER_NONE);
  bind_channel (&world, 0x4000, PEER);
  world.now += 300 * S;
  /* The permission is over, but the channel needs what was ordered. */
  g_assert_cmpint (next (&world).kind, ==, TURN_CONNECT_ORDER_NONE);
  turn_connect_turn_server_from_peer (world.server, &peer, (const guint8 *)"x", 1);
  assert_silence (&world);
  permit (&world, PEER);
  world.now += 200 * S;
  permit (&world, PEER);
  world.now += 100 * S;
  order = next (&world);
  g_assert_cmpint (order.kind, ==, TURN_CONNECT_ORDER_FORGET);
  g_assert_true (stun_ext_address_equal (&order.peers[0], &peer));
  g_assert_true (order.stays_permitted);
  g_assert_cmpint (send_channel_data (&world, 0x4000, "x").kind, ==, TURN_CONNECT_ORDER_NONE);
  /* Its number and its peer may be used anew. */
  bind_channel (&world, 0x4000, "198.51.100.2:2");
  bind_channel (&world, 0x4001, PEER);
  turn_connect_turn_server_peer_lost (world.server, &peer);
  g_assert_cmpint (send_channel_data (&world, 0x4001, "x").kind, ==, TURN_CONNECT_ORDER_NONE);
  order = send_indication (&world, PEER, "x");
  assert_sends (&order, PEER, "x");
  peer.port = 0;
  turn_connect_turn_server_peer_lost (world.server, &peer);
  g_assert_cmpint (send_indication (&world, PEER, "x").kind, ==, TURN_CONNECT_ORDER_NONE);
  world_close (&world);
}

static void
test_tables_are_bounded (void)
{
  guint n_hosts = 0;
  TurnConnectOrder order;
  World world;

  world_allocate (&world);
  for (guint i = 0; i < 200; i++) {
    g_autofree char *peer = g_strdup_printf ("203.0.113.%u:1", i);

    order = i % 2 == 0 ? ask_permission (&world, peer)
                       : ask_channel (&world, (guint16)(0x4000 + i), peer);
    if (order.kind == TURN_CONNECT_ORDER_NONE) {
      g_assert_cmpuint (take_answer (&world, TRUE), ==, 508);
      continue;
    }
    n_hosts++;
    done (&world, &order);
  }
  g_assert_cmpuint (n_hosts, ==, TURN_CONNECT_TURN_SERVER_PERMISSIONS_MAX);
  for (guint i = 0; i < 40; i++) {
    order = ask_permission (&world, "203.0.113.1:1");
    g_assert_cmpint (order.kind, ==, i < 32 ? TURN_CONNECT_ORDER_PERMIT : TURN_CONNECT_ORDER_NONE);
    if (i >= 32)
      g_assert_cmpuint (take_answer (&world, TRUE), ==, 508);
  }
  world_close (&world);
}

/* What is answered with success has its place, whatever else was asked for before the answer. */
static void
test_requests_that_wait_count (void)
{
  static const guint n_waiting = 20;
  TurnConnectOrder orders[20];
  World world;
  guint n = 0;

  world_allocate (&world);
  for (; n < TURN_CONNECT_TURN_SERVER_PERMISSIONS_MAX - n_waiting; n++) {
    g_autofree char *host = g_strdup_printf ("198.51.100.%u:1", n);

    permit (&world, host);
  }
  for (guint i = 0; i < n_waiting; i++, n++) {
    g_autofree char *host = g_strdup_printf ("198.51.100.%u:1", n);

    orders[i] = ask_permission (&world, host);
    g_assert_cmpint (orders[i].kind, ==, TURN_CONNECT_ORDER_PERMIT);
  }
  g_assert_cmpint (ask_permission (&world, "198.51.100.254:1").kind, ==, TURN_CONNECT_ORDER_NONE);
  g_assert_cmpuint (take_answer (&world, TRUE), ==, 508);
  g_assert_cmpint (ask_channel (&world, 0x4fff, "198.51.100.254:1").kind, ==,
                   TURN_CONNECT_ORDER_NONE);
  g_assert_cmpuint (take_answer (&world, TRUE), ==, 508);
  for (guint i = 0; i < n_waiting; i++)
    done (&world, &orders[i]);
  for (guint i = 0; i < n; i++) {
    g_autofree char *host = g_strdup_printf ("198.51.100.%u:1", i);

    g_assert_cmpint (send_indication (&world, host, "x").kind, ==, TURN_CONNECT_ORDER_SEND);
  }
  world_close (&world);
}

static void
test_channels_that_wait_count (void)
{
  static const guint n_waiting = 20;
  TurnConnectOrder orders[20];
  World world;
  guint n = 0;

  world_allocate (&world);
  for (; n < TURN_CONNECT_TURN_SERVER_CHANNELS_MAX; n++) {
    g_autofree char *peer = g_strdup_printf ("198.51.100.1:%u", 1 + n);
    guint16 number = (guint16)(0x4000 + n);

    if (n < TURN_CONNECT_TURN_SERVER_CHANNELS_MAX - n_waiting)
      bind_channel (&world, number, peer);
    else
      orders[n + n_waiting - TURN_CONNECT_TURN_SERVER_CHANNELS_MAX] =
          ask_channel (&world, number, peer);
  }
  g_assert_cmpint (ask_channel (&world, 0x4fff, "198.51.100.1:999").kind, ==,
                   TURN_CONNECT_ORDER_NONE);
  g_assert_cmpuint (take_answer (&world, TRUE), ==, 508);
  for (guint i = 0; i < n_waiting; i++) {
    g_assert_cmpint (orders[i].kind, ==, TURN_CONNECT_ORDER_BIND);
    done (&world, &orders[i]);
  }
  g_assert_cmpint (
      send_channel_data (&world, 0x4000 + TURN_CONNECT_TURN_SERVER_CHANNELS_MAX - 1, "x").kind, ==,
      TURN_CONNECT_ORDER_SEND);
  world_close (&world);
}

/* ---- octets ---- */

static void
test_without_allocation (void)
{
  Request request;
  World world;
  StunExtAddress mapped, client = address ("127.0.0.1:50000");

  world_open (&world);
  begin (&world, &request, STUN_EXT_METHOD_BINDING);
  finish (&world, &request, FALSE);
  say (&world, request.octets, request.length);
  g_assert_cmpuint (take_answer (&world, FALSE), ==, 0);
  g_assert_cmpint (stun_ext_message_get_xor_address (
                       &world.answer, STUN_EXT_ATTRIBUTE_XOR_MAPPED_ADDRESS, &mapped),
                   ==, STUN_EXT_GET_OK);
  g_assert_true (stun_ext_address_equal (&mapped, &client));
  get_nonce (&world);
  g_assert_cmpint (ask_permission (&world, PEER).kind, ==, TURN_CONNECT_ORDER_NONE);
  g_assert_cmpuint (take_answer (&world, TRUE), ==, 437);
  g_assert_cmpint (ask_channel (&world, 0x4000, PEER).kind, ==, TURN_CONNECT_ORDER_NONE);
  g_assert_cmpuint (take_answer (&world, TRUE), ==, 437);
  g_assert_cmpuint (refresh (&world, 600, 0, TURN_CONNECT_ORDER_NONE), ==, 437);
  world_close (&world);
}

static void
test_all_truncations_and_pieces (void)
{
  Request request;
  World world;

  world_open (&world);
  get_nonce (&world);
  write_allocate (&world, &request);
  for (gsize cut = 0; cut < request.length; cut++) {
    TurnConnectTurnServerConfig config = { .user = USER, .password = PASSWORD, .nonce_key = { 1 } };
    g_autoptr (TurnConnectTurnServer) other = turn_connect_turn_server_new (&config);
    g_autofree guint8 *piece = g_memdup2 (request.octets, cut);
    TurnConnectOrder order;

    turn_connect_turn_server_push (other, piece, cut);
    turn_connect_turn_server_next (other, world.now, &order);
    g_assert_cmpint (order.kind, ==, TURN_CONNECT_ORDER_NONE);
    turn_connect_turn_server_push (other, request.octets + cut, request.length - cut);
    turn_connect_turn_server_next (other, world.now, &order);
    g_assert_cmpint (order.kind, ==, TURN_CONNECT_ORDER_ALLOCATE);

    /* One that ends early, within what is signed, but says that it is whole. */
    if (cut >= STUN_EXT_HEADER_LENGTH && cut < request.length - 8 && cut % 4 == 0) {
      g_autoptr (TurnConnectTurnServer) third = turn_connect_turn_server_new (&config);

      piece[2] = (guint8)((cut - STUN_EXT_HEADER_LENGTH) >> 8);
      piece[3] = (guint8)(cut - STUN_EXT_HEADER_LENGTH);
      turn_connect_turn_server_push (third, piece, cut);
      turn_connect_turn_server_next (third, world.now, &order);
      g_assert_cmpint (order.kind, ==, TURN_CONNECT_ORDER_NONE);
    }
  }
  world_close (&world);
}

static void
test_what_is_not_turn_ends_it (void)
{
  static const struct {
    const char *octets;
    gsize length;
  } rows[] = { { "POST / HTTP/1.1\r\n\r\n", 19 },
               { "\x80\x00\x00\x00", 4 },
               { "\x00\x03\x00\x01\x21\x12\xa4\x42", 8 },
               { "\x00\x03\x00\x00\x21\x12\xa4\x43", 8 } };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    World world;

    world_open (&world);
    g_assert_cmpint (say (&world, rows[i].octets, rows[i].length).kind, ==,
                     TURN_CONNECT_ORDER_HANG_UP);
    world_close (&world);
  }
}

static void
test_what_needs_no_answer_gets_none (void)
{
  static const guint8 classes[] = { STUN_EXT_CLASS_INDICATION, STUN_EXT_CLASS_SUCCESS,
                                    STUN_EXT_CLASS_ERROR };
  guint8 id[STUN_EXT_TRANSACTION_ID_LENGTH] = { 9 };
  Request request;
  World world;

  world_allocate (&world);
  for (guint16 method = 0; method < 16; method++)
    for (gsize i = 0; i < G_N_ELEMENTS (classes); i++) {
      stun_ext_builder_begin (&request.builder, request.octets, sizeof request.octets,
                              (StunExtClass)classes[i], method, id);
      g_assert_true (stun_ext_builder_finish (&request.builder, STUN_EXT_INTEGRITY_NONE,
                                              (StunExtSpan){ 0 }, FALSE, &request.length));
      g_assert_cmpint (say (&world, request.octets, request.length).kind, ==,
                       TURN_CONNECT_ORDER_NONE);
      assert_silence (&world);
    }
  /* Nor does a request whose fingerprint is wrong. */
  begin (&world, &request, STUN_EXT_METHOD_BINDING);
  finish (&world, &request, FALSE);
  request.octets[request.length - 1] ^= 1;
  say (&world, request.octets, request.length);
  assert_silence (&world);
  world_close (&world);
}

static void
test_states (void)
{
  /* IDLE, ASKED, KEPT, UP, DOWN by ASK, GRANT, TAKE, LOSE, RELEASE */
  static const int expected[TURN_CONNECT_TURN_SERVER_N_STATES]
                           [TURN_CONNECT_TURN_SERVER_N_EVENTS] = {
                             { 1, -1, -1, -1, -1 }, { 1, 2, -1, 4, -1 },   { 1, -1, 3, 4, 0 },
                             { -1, -1, -1, 4, 0 },  { 1, -1, -1, -1, -1 },
                           };

  for (int from = 0; from < TURN_CONNECT_TURN_SERVER_N_STATES; from++)
    for (int event = 0; event < TURN_CONNECT_TURN_SERVER_N_EVENTS; event++)
      g_assert_cmpint (turn_connect_turn_server_next_state ((TurnConnectTurnServerState)from,
                                                            (TurnConnectTurnServerEvent)event),
                       ==, expected[from][event]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add_func ("/turn-connect/turn-server/" name, function)
  ADD ("login/every-kind", test_logins);
  ADD ("login/nonce-gets-old", test_nonce_gets_old);
  ADD ("login/changed-octets-are-refused-at-every-place",
       test_changed_octets_are_refused_at_every_place);
  ADD ("allocate/wishes", test_wishes);
  ADD ("allocate/grant-is-told-whole", test_grant_is_told_whole);
  ADD ("allocate/repeats-are-answered-again", test_repeats);
  ADD ("allocate/what-comes-late-is-kept-for-the-next", test_what_comes_late_is_kept_for_the_next);
  ADD ("allocate/refusals-of-the-far-server", test_refusals_of_the_far_server);
  ADD ("life/lifetimes", test_lifetimes);
  ADD ("life/giving-back", test_giving_back);
  ADD ("life/families-are-given-back-one-by-one", test_families_are_given_back_one_by_one);
  ADD ("life/loss-is-told-with-its-cause", test_loss_is_told_with_its_cause);
  ADD ("peers/packets-go-to-permitted-ones-alone", test_packets_go_to_permitted_peers_alone);
  ADD ("peers/packets-of-theirs-take-the-clients-way", test_packets_of_peers_take_the_clients_way);
  ADD ("peers/client-that-does-not-read-costs-no-memory",
       test_a_client_that_does_not_read_costs_no_memory);
  ADD ("peers/bad-ones", test_bad_peers);
  ADD ("peers/refused-ones", test_refused_peers);
  ADD ("peers/permissions-end", test_permissions_end);
  ADD ("peers/channels-end", test_channels_end);
  ADD ("peers/tables-are-bounded", test_tables_are_bounded);
  ADD ("peers/requests-that-wait-count", test_requests_that_wait_count);
  ADD ("peers/channels-that-wait-count", test_channels_that_wait_count);
  ADD ("octets/without-allocation", test_without_allocation);
  ADD ("octets/all-truncations-and-pieces", test_all_truncations_and_pieces);
  ADD ("octets/what-is-not-turn-ends-it", test_what_is_not_turn_ends_it);
  ADD ("octets/what-needs-no-answer-gets-none", test_what_needs_no_answer_gets_none);
  ADD ("states/every-pair", test_states);
  return g_test_run ();
}
