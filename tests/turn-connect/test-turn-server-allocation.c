/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The local TURN server: allocations, as its client sees them and as whoever carries out its orders does. */
#include "local-client.h"

#include "stun-ext/attribute.h"
#include "stun-ext/channel-data.h"
#include "stun-ext/credentials.h"
#include "stun-ext/integrity.h"
#include "turn-connect/local/turn-server-peers.h"

#include <string.h>

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
    LocalRequest request;
    LocalClient client;

    g_test_message ("%s", rows[i].name);
    local_open (&client);
    local_get_nonce (&client);
    local_begin (&client, &request, STUN_EXT_METHOD_ALLOCATE);
    for (gsize j = 0; j < 3 && rows[i].extras[j].length != 0; j++)
      stun_ext_builder_add_data (&request.builder, rows[i].extras[j].type, rows[i].extras[j].value,
                                 rows[i].extras[j].length % 255);
    local_finish (&client, &request, TRUE);
    order = local_say (&client, request.octets, request.length);
    if (rows[i].code != 0) {
      g_assert_cmpint (order.kind, ==, TURN_CONNECT_ORDER_NONE);
      g_assert_cmpuint (local_take_answer (&client, TRUE), ==, rows[i].code);
      g_assert_cmpint (turn_connect_turn_server_state (client.server), ==,
                       TURN_CONNECT_TURN_SERVER_IDLE);
    } else {
      g_assert_cmpint (order.kind, ==, TURN_CONNECT_ORDER_ALLOCATE);
      g_assert_cmpint (order.wishes.families, ==, rows[i].families);
      g_assert_cmpint (order.wishes.even_port, ==, rows[i].even_port);
      g_assert_cmpint (order.wishes.has_reservation, ==, rows[i].extras[1].type == 0x22);
      g_assert_cmpint (order.wishes.has_dont_fragment, ==, rows[i].extras[1].type == 0x1a);
    }
    local_close (&client);
  }
}

static void
test_grant_is_told_whole (void)
{
  TurnConnectTurnGrant both = { .relayed = { local_address ("192.0.2.1:50000"),
                                             local_address ("[2001:db8::1]:50002") },
                                .mapped = local_address ("203.0.113.5:1000"),
                                .has_reservation = TRUE,
                                .reservation = "12345678" };
  TurnConnectTurnGrant one = local_make_grant ();
  guint8 token[TURN_CONNECT_RESERVATION_SIZE];
  StunExtAddress found[2], mapped;
  guint32 lifetime_s;
  guint n_found = 0, code;
  guint8 family;
  LocalRequest request;
  LocalClient client;

  local_open (&client);
  local_get_nonce (&client);
  local_write_allocate (&client, &request);
  local_say (&client, request.octets, request.length);
  turn_connect_turn_server_granted (client.server, &both, client.now);
  g_assert_cmpuint (local_take_answer (&client, TRUE), ==, 0);
  for (guint i = 0; i < client.answer.n_attributes; i++)
    if (client.answer.attributes[i].type == STUN_EXT_ATTRIBUTE_XOR_RELAYED_ADDRESS)
      g_assert_true (stun_ext_attribute_xor_address (&client.answer, &client.answer.attributes[i],
                                                     &found[n_found++]));
  g_assert_cmpuint (n_found, ==, 2);
  g_assert_true (stun_ext_address_equal (&found[0], &both.relayed[0]));
  g_assert_true (stun_ext_address_equal (&found[1], &both.relayed[1]));
  g_assert_cmpint (stun_ext_message_get_xor_address (
                       &client.answer, STUN_EXT_ATTRIBUTE_XOR_MAPPED_ADDRESS, &mapped),
                   ==, STUN_EXT_GET_OK);
  g_assert_true (stun_ext_address_equal (&mapped, &both.mapped));
  g_assert_cmpint (
      stun_ext_message_get_u32 (&client.answer, STUN_EXT_ATTRIBUTE_LIFETIME, &lifetime_s), ==,
      STUN_EXT_GET_OK);
  g_assert_cmpuint (lifetime_s, ==, 600);
  g_assert_cmpint (stun_ext_message_get_fixed (&client.answer, STUN_EXT_ATTRIBUTE_RESERVATION_TOKEN,
                                               token, sizeof token),
                   ==, STUN_EXT_GET_OK);
  g_assert_cmpmem (token, sizeof token, "12345678", 8);
  local_close (&client);

  local_open (&client);
  local_get_nonce (&client);
  local_write_allocate (&client, &request);
  local_say (&client, request.octets, request.length);
  one.family_error = 440;
  turn_connect_turn_server_granted (client.server, &one, client.now);
  g_assert_cmpuint (local_take_answer (&client, TRUE), ==, 0);
  g_assert_cmpint (stun_ext_message_get_address_error (&client.answer, &family, &code), ==,
                   STUN_EXT_GET_OK);
  g_assert_cmpuint (family, ==, 6);
  g_assert_cmpuint (code, ==, 440);
  local_close (&client);
}

static void
test_repeats (void)
{
  LocalRequest request, other;
  LocalClient client;

  local_open (&client);
  local_get_nonce (&client);
  local_write_allocate (&client, &request);
  g_assert_cmpint (local_say (&client, request.octets, request.length).kind, ==,
                   TURN_CONNECT_ORDER_ALLOCATE);
  g_assert_cmpint (local_say (&client, request.octets, request.length).kind, ==,
                   TURN_CONNECT_ORDER_NONE);
  local_assert_silence (&client);
  local_write_allocate (&client, &other);
  g_assert_cmpint (local_say (&client, other.octets, other.length).kind, ==,
                   TURN_CONNECT_ORDER_NONE);
  g_assert_cmpuint (local_take_answer (&client, TRUE), ==, 437);
  local_grant (&client);
  g_assert_cmpuint (local_take_answer (&client, TRUE), ==, 0);
  g_assert_cmpint (local_say (&client, request.octets, request.length).kind, ==,
                   TURN_CONNECT_ORDER_NONE);
  g_assert_cmpuint (local_take_answer (&client, TRUE), ==, 0);
  g_assert_nonnull (stun_ext_message_find (&client.answer, STUN_EXT_ATTRIBUTE_XOR_RELAYED_ADDRESS));
  g_assert_cmpint (local_say (&client, other.octets, other.length).kind, ==,
                   TURN_CONNECT_ORDER_NONE);
  g_assert_cmpuint (local_take_answer (&client, TRUE), ==, 437);
  local_close (&client);
}

static void
test_what_comes_late_is_kept_for_the_next (void)
{
  LocalRequest request;
  LocalClient client;

  local_open (&client);
  local_get_nonce (&client);
  local_write_allocate (&client, &request);
  local_say (&client, request.octets, request.length);
  turn_connect_turn_server_set_doing (client.server, "waiting for the proxy");
  client.now += LOCAL_BUDGET_US;
  g_assert_cmpint (turn_connect_turn_server_deadline (client.server), <=, client.now);
  g_assert_cmpint (local_next (&client).kind, ==, TURN_CONNECT_ORDER_NONE);
  g_assert_true (turn_connect_turn_server_take_overdue (client.server));
  g_assert_false (turn_connect_turn_server_take_overdue (client.server));
  g_assert_cmpuint (local_take_answer (&client, TRUE), ==, 400);
  local_assert_reason (&client, "within 2.0 s: waiting for the proxy");
  local_grant (&client);
  local_assert_silence (&client);
  g_assert_cmpint (turn_connect_turn_server_state (client.server), ==,
                   TURN_CONNECT_TURN_SERVER_KEPT);
  local_write_allocate (&client, &request);
  g_assert_cmpint (local_say (&client, request.octets, request.length).kind, ==,
                   TURN_CONNECT_ORDER_NONE);
  g_assert_cmpuint (local_take_answer (&client, TRUE), ==, 0);
  g_assert_cmpint (turn_connect_turn_server_state (client.server), ==, TURN_CONNECT_TURN_SERVER_UP);
  local_close (&client);

  /* And given back if there is no next. */
  local_open (&client);
  local_get_nonce (&client);
  local_write_allocate (&client, &request);
  local_say (&client, request.octets, request.length);
  client.now += LOCAL_BUDGET_US;
  local_next (&client);
  local_grant (&client);
  client.now += 30 * S;
  g_assert_cmpint (turn_connect_turn_server_deadline (client.server), <=, client.now);
  g_assert_cmpint (local_next (&client).kind, ==, TURN_CONNECT_ORDER_RELEASE);
  local_close (&client);
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
    LocalRequest request;
    LocalClient client;

    local_open (&client);
    local_get_nonce (&client);
    local_write_allocate (&client, &request);
    local_say (&client, request.octets, request.length);
    turn_connect_turn_server_lost (client.server, rows[i].code, "the caus\xc3\xa9", client.now);
    g_assert_cmpuint (local_take_answer (&client, TRUE), ==, rows[i].told);
    local_assert_reason (&client, "the caus??");

    /* The same is not asked again at once, something else is. */
    local_write_allocate (&client, &request);
    g_assert_cmpint (local_say (&client, request.octets, request.length).kind, ==,
                     TURN_CONNECT_ORDER_NONE);
    g_assert_cmpuint (local_take_answer (&client, TRUE), ==, rows[i].told);
    local_begin (&client, &request, STUN_EXT_METHOD_ALLOCATE);
    stun_ext_builder_add_u8 (&request.builder, STUN_EXT_ATTRIBUTE_REQUESTED_TRANSPORT, 17);
    stun_ext_builder_add_family (&request.builder, STUN_EXT_ATTRIBUTE_REQUESTED_ADDRESS_FAMILY, 6);
    local_finish (&client, &request, TRUE);
    g_assert_cmpint (local_say (&client, request.octets, request.length).kind, ==,
                     TURN_CONNECT_ORDER_ALLOCATE);
    local_close (&client);
  }
}

/* ---- the life of an allocation ---- */

static void
test_lifetimes (void)
{
  static const struct {
    int asked_s;
    guint32 granted_s;
  } rows[] = { { -1, 600 }, { 1, 600 }, { 600, 600 }, { 1800, 1800 }, { 999999, 3600 } };
  guint32 granted_s;
  LocalClient client;

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    local_allocate (&client);
    client.now += 599 * S;
    g_assert_cmpuint (local_refresh (&client, rows[i].asked_s, 0, TURN_CONNECT_ORDER_NONE), ==, 0);
    g_assert_cmpint (
        stun_ext_message_get_u32 (&client.answer, STUN_EXT_ATTRIBUTE_LIFETIME, &granted_s), ==,
        STUN_EXT_GET_OK);
    g_assert_cmpuint (granted_s, ==, rows[i].granted_s);
    client.now += (gint64)granted_s * S - 1;
    g_assert_cmpint (local_next (&client).kind, ==, TURN_CONNECT_ORDER_NONE);
    client.now += 1;
    g_assert_cmpint (turn_connect_turn_server_deadline (client.server), <=, client.now);
    g_assert_cmpint (local_next (&client).kind, ==, TURN_CONNECT_ORDER_RELEASE);
    g_assert_cmpint (local_next (&client).kind, ==, TURN_CONNECT_ORDER_NONE);
    local_close (&client);
  }
}

static void
test_giving_back (void)
{
  TurnConnectOrder pending;
  LocalRequest request;
  LocalClient client;

  local_allocate (&client);
  local_permit (&client, LOCAL_PEER);
  pending = local_ask_permission (&client, "198.51.100.2:1");
  local_begin (&client, &request, STUN_EXT_METHOD_REFRESH);
  stun_ext_builder_add_u32 (&request.builder, STUN_EXT_ATTRIBUTE_LIFETIME, 0);
  local_finish (&client, &request, TRUE);
  g_assert_cmpint (local_say (&client, request.octets, request.length).kind, ==,
                   TURN_CONNECT_ORDER_RELEASE);
  /* An answer to it, and one to what waited. */
  local_take_unit (&client);
  g_assert_cmpuint (local_take_answer (&client, TRUE), ==, 437);
  turn_connect_turn_server_done (client.server, pending.token, 0, NULL, client.now);
  local_assert_silence (&client);
  g_assert_cmpuint (local_refresh (&client, 0, 0, TURN_CONNECT_ORDER_NONE), ==, 437);
  g_assert_cmpint (local_send_indication (&client, LOCAL_PEER, "x").kind, ==,
                   TURN_CONNECT_ORDER_NONE);
  /* Another one may be made on the same stream. */
  local_write_allocate (&client, &request);
  g_assert_cmpint (local_say (&client, request.octets, request.length).kind, ==,
                   TURN_CONNECT_ORDER_ALLOCATE);
  local_grant (&client);
  g_assert_cmpuint (local_take_answer (&client, TRUE), ==, 0);
  g_assert_cmpint (local_send_indication (&client, LOCAL_PEER, "x").kind, ==,
                   TURN_CONNECT_ORDER_NONE);
  local_close (&client);
}

static void
test_families_are_given_back_one_by_one (void)
{
  TurnConnectTurnGrant both = { .relayed = { local_address ("192.0.2.1:50000"),
                                             local_address ("[2001:db8::1]:50002") },
                                .mapped = local_address ("203.0.113.5:1000") };
  TurnConnectOrder pending;
  LocalRequest request;
  LocalClient client;

  local_open (&client);
  local_get_nonce (&client);
  local_write_allocate (&client, &request);
  local_say (&client, request.octets, request.length);
  turn_connect_turn_server_granted (client.server, &both, client.now);
  g_assert_cmpuint (local_take_answer (&client, TRUE), ==, 0);
  local_permit (&client, "[2001:db8::2]:1");
  local_bind_channel (&client, 0x4000, "[2001:db8::2]:1");
  local_bind_channel (&client, 0x4001, LOCAL_PEER);
  pending = local_ask_permission (&client, "[2001:db8::3]:1");
  g_assert_cmpuint (local_refresh (&client, 0, 6, TURN_CONNECT_ORDER_NONE), ==, 0);
  /* With its peers: a channel and the host; and the one that was waited for. */
  g_assert_cmpint (turn_connect_turn_server_deadline (client.server), <=, client.now);
  g_assert_cmpint (local_next (&client).kind, ==, TURN_CONNECT_ORDER_FORGET);
  g_assert_cmpint (local_next (&client).kind, ==, TURN_CONNECT_ORDER_FORGET);
  g_assert_cmpint (local_next (&client).kind, ==, TURN_CONNECT_ORDER_NONE);
  turn_connect_turn_server_done (client.server, pending.token, 0, NULL, client.now);
  g_assert_cmpuint (local_take_answer (&client, TRUE), ==, 443);
  g_assert_cmpint (local_next (&client).kind, ==, TURN_CONNECT_ORDER_FORGET);
  g_assert_cmpint (local_next (&client).kind, ==, TURN_CONNECT_ORDER_NONE);
  g_assert_cmpint (local_send_indication (&client, "[2001:db8::2]:1", "x").kind, ==,
                   TURN_CONNECT_ORDER_NONE);
  g_assert_cmpint (local_send_channel_data (&client, 0x4001, "x").kind, ==,
                   TURN_CONNECT_ORDER_SEND);
  g_assert_cmpuint (local_refresh (&client, 0, 6, TURN_CONNECT_ORDER_NONE), ==, 443);
  local_ask_permission (&client, "[2001:db8::2]:1");
  g_assert_cmpuint (local_take_answer (&client, TRUE), ==, 443);
  local_permit (&client, LOCAL_PEER);
  g_assert_cmpuint (local_refresh (&client, 0, 4, TURN_CONNECT_ORDER_RELEASE), ==, 0);
  local_close (&client);
}

static void
test_loss_is_told_with_its_cause (void)
{
  TurnConnectOrder pending;
  LocalClient client;

  local_allocate (&client);
  pending = local_ask_permission (&client, LOCAL_PEER);
  turn_connect_turn_server_lost (client.server, 0, "the line was cut", client.now);
  g_assert_cmpuint (local_take_answer (&client, TRUE), ==, 400);
  local_assert_reason (&client, "the line was cut");
  turn_connect_turn_server_done (client.server, pending.token, 0, NULL, client.now);
  local_assert_silence (&client);
  g_assert_cmpint (local_ask_permission (&client, LOCAL_PEER).kind, ==, TURN_CONNECT_ORDER_NONE);
  g_assert_cmpuint (local_take_answer (&client, TRUE), ==, 400);
  local_assert_reason (&client, "the line was cut");
  g_assert_cmpuint (local_refresh (&client, 600, 0, TURN_CONNECT_ORDER_NONE), ==, 400);
  g_assert_cmpuint (local_refresh (&client, 0, 0, TURN_CONNECT_ORDER_NONE), ==, 0);
  g_assert_cmpint (local_send_channel_data (&client, 0x4000, "x").kind, ==,
                   TURN_CONNECT_ORDER_NONE);
  local_close (&client);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add_func ("/turn-connect/turn-server-allocation/" name, function)
  ADD ("allocate/wishes", test_wishes);
  ADD ("allocate/grant-is-told-whole", test_grant_is_told_whole);
  ADD ("allocate/repeats-are-answered-again", test_repeats);
  ADD ("allocate/what-comes-late-is-kept-for-the-next", test_what_comes_late_is_kept_for_the_next);
  ADD ("allocate/refusals-of-the-far-server", test_refusals_of_the_far_server);
  ADD ("life/lifetimes", test_lifetimes);
  ADD ("life/giving-back", test_giving_back);
  ADD ("life/families-are-given-back-one-by-one", test_families_are_given_back_one_by_one);
  ADD ("life/loss-is-told-with-its-cause", test_loss_is_told_with_its_cause);
  return g_test_run ();
}
