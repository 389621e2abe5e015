/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The local TURN server: who may ask, and what it does about any octets. */
#include "local-client.h"

#include "stun-ext/attribute.h"
#include "stun-ext/channel-data.h"
#include "stun-ext/credentials.h"
#include "stun-ext/integrity.h"
#include "turn-connect/local/turn-server-peers.h"

#include <string.h>

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
    { "right", LOCAL_USER, TURN_CONNECT_TURN_SERVER_REALM, LOCAL_PASSWORD, FALSE, 0 },
    { "wrong password", LOCAL_USER, TURN_CONNECT_TURN_SERVER_REALM, "guess", FALSE, 401 },
    { "wrong name", "nobody", TURN_CONNECT_TURN_SERVER_REALM, LOCAL_PASSWORD, FALSE, 401 },
    { "longer name", LOCAL_USER "2", TURN_CONNECT_TURN_SERVER_REALM, LOCAL_PASSWORD, FALSE, 401 },
    { "wrong realm", LOCAL_USER, "elsewhere", LOCAL_PASSWORD, FALSE, 401 },
    { "foreign nonce", LOCAL_USER, TURN_CONNECT_TURN_SERVER_REALM, LOCAL_PASSWORD, TRUE, 438 },
    { "no name", NULL, TURN_CONNECT_TURN_SERVER_REALM, LOCAL_PASSWORD, FALSE, 400 },
    { "no realm", LOCAL_USER, NULL, LOCAL_PASSWORD, FALSE, 400 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    TurnConnectOrder order;
    StunExtKey key;
    LocalRequest request;
    LocalClient client;

    g_test_message ("%s", rows[i].name);
    local_open (&client);
    local_get_nonce (&client);
    local_begin (&client, &request, STUN_EXT_METHOD_ALLOCATE);
    stun_ext_builder_add_u8 (&request.builder, STUN_EXT_ATTRIBUTE_REQUESTED_TRANSPORT, 17);
    if (rows[i].user != NULL)
      stun_ext_builder_add_text (&request.builder, STUN_EXT_ATTRIBUTE_USERNAME, rows[i].user);
    if (rows[i].realm != NULL)
      stun_ext_builder_add_text (&request.builder, STUN_EXT_ATTRIBUTE_REALM, rows[i].realm);
    stun_ext_builder_add_text (&request.builder, STUN_EXT_ATTRIBUTE_NONCE,
                               rows[i].has_stale_nonce ? "obMatJos2AAAAwrong" : client.nonce);
    g_assert_true (stun_ext_key_long_term (
        &key, STUN_EXT_PASSWORD_ALGORITHM_MD5, rows[i].user != NULL ? rows[i].user : LOCAL_USER,
        rows[i].realm != NULL ? rows[i].realm : "x", rows[i].password, NULL));
    g_assert_true (stun_ext_builder_finish (&request.builder, STUN_EXT_INTEGRITY_SHA1,
                                            stun_ext_key_span (&key), FALSE, &request.length));
    order = local_say (&client, request.octets, request.length);
    if (rows[i].code == 0) {
      g_assert_cmpint (order.kind, ==, TURN_CONNECT_ORDER_ALLOCATE);
      local_assert_silence (&client);
    } else {
      g_assert_cmpint (order.kind, ==, TURN_CONNECT_ORDER_NONE);
      g_assert_cmpuint (local_take_answer (&client, FALSE), ==, rows[i].code);
      g_assert_cmpint (stun_ext_message_find (&client.answer, STUN_EXT_ATTRIBUTE_NONCE) != NULL, ==,
                       rows[i].code != 400);
    }
    local_close (&client);
  }
}

static void
test_nonce_gets_old (void)
{
  LocalRequest request;
  LocalClient client;

  local_allocate (&client);
  client.now += (gint64)3599 * S;
  turn_connect_turn_server_lost (client.server, 0, "x", client.now);
  client.now += 2 * S;
  local_begin (&client, &request, STUN_EXT_METHOD_REFRESH);
  local_finish (&client, &request, TRUE);
  local_next (&client);
  local_say (&client, request.octets, request.length);
  g_assert_cmpuint (local_take_answer (&client, FALSE), ==, 438);
  local_keep_nonce (&client);
  local_begin (&client, &request, STUN_EXT_METHOD_REFRESH);
  local_finish (&client, &request, TRUE);
  local_say (&client, request.octets, request.length);
  g_assert_cmpuint (local_take_answer (&client, TRUE), ==, 400);
  local_close (&client);
}

static void
test_changed_octets_are_refused_at_every_place (void)
{
  LocalRequest request;
  LocalClient client;

  local_open (&client);
  local_get_nonce (&client);
  local_write_allocate (&client, &request);
  /* What follows the signature is not signed: FINGERPRINT. */
  for (gsize i = 0; i < request.length - 8; i++) {
    guint8 changed[2048];
    TurnConnectTurnServerConfig config = { .user = LOCAL_USER,
                                           .password = LOCAL_PASSWORD,
                                           .nonce_key = { 1 } };
    g_autoptr (TurnConnectTurnServer) other = turn_connect_turn_server_new (&config);
    TurnConnectOrder order;

    memcpy (changed, request.octets, request.length);
    changed[i] ^= 0x04;
    turn_connect_turn_server_push (other, changed, request.length);
    turn_connect_turn_server_next (other, client.now, &order);
    g_assert_cmpint (order.kind, !=, TURN_CONNECT_ORDER_ALLOCATE);
  }
  local_close (&client);
}

/* Places are few: who only asks where it is, or answers wrongly, keeps none. */
static void
test_strangers_go (void)
{
  for (guint logs_in = 0; logs_in < 2; logs_in++) {
    LocalRequest request;
    LocalClient client;

    local_open (&client);
    local_get_nonce (&client);
    client.now += 59 * S;
    local_begin (&client, &request, STUN_EXT_METHOD_BINDING);
    local_finish (&client, &request, FALSE);
    g_assert_cmpint (local_say (&client, request.octets, request.length).kind, ==,
                     TURN_CONNECT_ORDER_NONE);
    g_assert_cmpuint (local_take_answer (&client, FALSE), ==, 0);
    g_assert_cmpint (turn_connect_turn_server_deadline (client.server), ==, client.now + S);
    if (logs_in) {
      g_assert_cmpint (local_ask_permission (&client, LOCAL_PEER).kind, ==,
                       TURN_CONNECT_ORDER_NONE);
      g_assert_cmpint (turn_connect_turn_server_deadline (client.server), ==, G_MAXINT64);
    }
    client.now += S;
    if (logs_in)
      g_assert_cmpint (local_next (&client).kind, ==, TURN_CONNECT_ORDER_NONE);
    else {
      TurnConnectOrder order = local_next (&client);

      g_assert_cmpint (order.kind, ==, TURN_CONNECT_ORDER_HANG_UP);
      g_assert_cmpstr (order.cause, ==, "did not log in within 60 s");
    }
    local_close (&client);
  }
}

static void
test_unknown_attribute_of_a_binding (void)
{
  guint16 types[STUN_EXT_UNKNOWN_MAX];
  guint n_types;
  LocalRequest request;
  LocalClient client;

  local_open (&client);
  local_begin (&client, &request, STUN_EXT_METHOD_BINDING);
  stun_ext_builder_add_u8 (&request.builder, 0x7ffe, 1);
  local_finish (&client, &request, FALSE);
  local_say (&client, request.octets, request.length);
  g_assert_cmpuint (local_take_answer (&client, FALSE), ==, 420);
  g_assert_cmpint (stun_ext_message_get_unknown_attributes (&client.answer, types, &n_types), ==,
                   STUN_EXT_GET_OK);
  g_assert_cmpuint (n_types, ==, 1);
  g_assert_cmpuint (types[0], ==, 0x7ffe);
  local_close (&client);
}

/* ---- octets ---- */

static void
test_without_allocation (void)
{
  LocalRequest request;
  LocalClient client;
  StunExtAddress mapped, from = local_address ("127.0.0.1:50000");

  local_open (&client);
  local_begin (&client, &request, STUN_EXT_METHOD_BINDING);
  local_finish (&client, &request, FALSE);
  local_say (&client, request.octets, request.length);
  g_assert_cmpuint (local_take_answer (&client, FALSE), ==, 0);
  g_assert_cmpint (stun_ext_message_get_xor_address (
                       &client.answer, STUN_EXT_ATTRIBUTE_XOR_MAPPED_ADDRESS, &mapped),
                   ==, STUN_EXT_GET_OK);
  g_assert_true (stun_ext_address_equal (&mapped, &from));
  local_get_nonce (&client);
  g_assert_cmpint (local_ask_permission (&client, LOCAL_PEER).kind, ==, TURN_CONNECT_ORDER_NONE);
  g_assert_cmpuint (local_take_answer (&client, TRUE), ==, 437);
  g_assert_cmpint (local_ask_channel (&client, 0x4000, LOCAL_PEER).kind, ==,
                   TURN_CONNECT_ORDER_NONE);
  g_assert_cmpuint (local_take_answer (&client, TRUE), ==, 437);
  g_assert_cmpuint (local_refresh (&client, 600, 0, TURN_CONNECT_ORDER_NONE), ==, 437);
  local_close (&client);
}

static void
test_all_truncations_and_pieces (void)
{
  LocalRequest request;
  LocalClient client;

  local_open (&client);
  local_get_nonce (&client);
  local_write_allocate (&client, &request);
  for (gsize cut = 0; cut < request.length; cut++) {
    TurnConnectTurnServerConfig config = { .user = LOCAL_USER,
                                           .password = LOCAL_PASSWORD,
                                           .nonce_key = { 1 } };
    g_autoptr (TurnConnectTurnServer) other = turn_connect_turn_server_new (&config);
    g_autofree guint8 *piece = g_memdup2 (request.octets, cut);
    TurnConnectOrder order;

    turn_connect_turn_server_push (other, piece, cut);
    turn_connect_turn_server_next (other, client.now, &order);
    g_assert_cmpint (order.kind, ==, TURN_CONNECT_ORDER_NONE);
    turn_connect_turn_server_push (other, request.octets + cut, request.length - cut);
    turn_connect_turn_server_next (other, client.now, &order);
    g_assert_cmpint (order.kind, ==, TURN_CONNECT_ORDER_ALLOCATE);

    /* One that ends early, within what is signed, but says that it is whole. */
    if (cut >= STUN_EXT_HEADER_LENGTH && cut < request.length - 8 && cut % 4 == 0) {
      g_autoptr (TurnConnectTurnServer) third = turn_connect_turn_server_new (&config);

      piece[2] = (guint8)((cut - STUN_EXT_HEADER_LENGTH) >> 8);
      piece[3] = (guint8)(cut - STUN_EXT_HEADER_LENGTH);
      turn_connect_turn_server_push (third, piece, cut);
      turn_connect_turn_server_next (third, client.now, &order);
      g_assert_cmpint (order.kind, ==, TURN_CONNECT_ORDER_NONE);
    }
  }
  local_close (&client);
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
    LocalClient client;

    local_open (&client);
    g_assert_cmpint (local_say (&client, rows[i].octets, rows[i].length).kind, ==,
                     TURN_CONNECT_ORDER_HANG_UP);
    local_close (&client);
  }
}

static void
test_what_needs_no_answer_gets_none (void)
{
  static const guint8 classes[] = { STUN_EXT_CLASS_INDICATION, STUN_EXT_CLASS_SUCCESS,
                                    STUN_EXT_CLASS_ERROR };
  guint8 id[STUN_EXT_TRANSACTION_ID_LENGTH] = { 9 };
  LocalRequest request;
  LocalClient client;

  local_allocate (&client);
  for (guint16 method = 0; method < 16; method++)
    for (gsize i = 0; i < G_N_ELEMENTS (classes); i++) {
      stun_ext_builder_begin (&request.builder, request.octets, sizeof request.octets,
                              (StunExtClass)classes[i], method, id);
      g_assert_true (stun_ext_builder_finish (&request.builder, STUN_EXT_INTEGRITY_NONE,
                                              (StunExtSpan){ 0 }, FALSE, &request.length));
      g_assert_cmpint (local_say (&client, request.octets, request.length).kind, ==,
                       TURN_CONNECT_ORDER_NONE);
      local_assert_silence (&client);
    }
  /* Nor does a request whose fingerprint is wrong. */
  local_begin (&client, &request, STUN_EXT_METHOD_BINDING);
  local_finish (&client, &request, FALSE);
  request.octets[request.length - 1] ^= 1;
  local_say (&client, request.octets, request.length);
  local_assert_silence (&client);
  local_close (&client);
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
  ADD ("login/strangers-go-after-a-minute", test_strangers_go);
  ADD ("octets/unknown-attribute-of-a-binding-is-told", test_unknown_attribute_of_a_binding);
  ADD ("octets/without-allocation", test_without_allocation);
  ADD ("octets/all-truncations-and-pieces", test_all_truncations_and_pieces);
  ADD ("octets/what-is-not-turn-ends-it", test_what_is_not_turn_ends_it);
  ADD ("octets/what-needs-no-answer-gets-none", test_what_needs_no_answer_gets_none);
  ADD ("states/every-pair", test_states);
  return g_test_run ();
}
