/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The local TURN server: permissions, channels, and the packets of peers. */
#include "local-client.h"

#include "stun-ext/attribute.h"
#include "stun-ext/channel-data.h"
#include "stun-ext/credentials.h"
#include "stun-ext/integrity.h"
#include "turn-connect/local/turn-server-peers.h"

#include <string.h>

static void
test_packets_go_to_permitted_peers_alone (void)
{
  TurnConnectOrder order;
  LocalClient client;

  local_allocate (&client);
  g_assert_cmpint (local_send_indication (&client, LOCAL_PEER, "hello").kind, ==,
                   TURN_CONNECT_ORDER_NONE);
  local_permit (&client, LOCAL_PEER);
  order = local_send_indication (&client, LOCAL_PEER, "hello");
  local_assert_sends (&order, LOCAL_PEER, "hello");
  order = local_send_indication (&client, "198.51.100.1:9", ""); /* ports do not matter */
  local_assert_sends (&order, "198.51.100.1:9", "");
  g_assert_cmpint (local_send_indication (&client, "198.51.100.2:4000", "x").kind, ==,
                   TURN_CONNECT_ORDER_NONE);
  g_assert_cmpint (local_send_channel_data (&client, 0x4001, "x").kind, ==,
                   TURN_CONNECT_ORDER_NONE);
  local_bind_channel (&client, 0x4001, LOCAL_PEER);
  order = local_send_channel_data (&client, 0x4001, "hello");
  local_assert_sends (&order, LOCAL_PEER, "hello");
  g_assert_cmpuint (turn_connect_turn_server_counts (client.server)->n_to_server, ==, 3);
  g_assert_cmpuint (turn_connect_turn_server_counts (client.server)->n_dropped_to_server, ==, 3);
  local_close (&client);
}

static void
test_packets_of_peers_take_the_clients_way (void)
{
  StunExtAddress peer = local_address (LOCAL_PEER), other = local_address ("198.51.100.1:9"), from;
  StunExtAddress stranger = local_address ("203.0.113.1:4000");
  StunExtChannelData unit;
  StunExtSpan data;
  gsize length;
  LocalClient client;

  local_allocate (&client);
  turn_connect_turn_server_from_peer (client.server, &peer, (const guint8 *)"early", 5);
  local_assert_silence (&client);
  local_bind_channel (&client, 0x4007, LOCAL_PEER);
  for (gsize n = 0; n <= 5; n++) {
    turn_connect_turn_server_from_peer (client.server, &peer, (const guint8 *)"hello", n);
    length = local_take_unit (&client);
    g_assert_cmpuint (length, ==, 4 + (n + 3) / 4 * 4);
    g_assert_true (stun_ext_channel_data_parse (&unit, client.answer_octets, length));
    g_assert_cmpuint (unit.channel, ==, 0x4007);
    g_assert_cmpmem (unit.payload.data, unit.payload.length, "hello", n);

    turn_connect_turn_server_from_peer (client.server, &other, (const guint8 *)"hello", n);
    length = local_take_unit (&client);
    g_assert_cmpint (stun_ext_message_parse (&client.answer, client.answer_octets, length), ==,
                     STUN_EXT_PARSE_OK);
    g_assert_cmpint (client.answer.method, ==, STUN_EXT_METHOD_DATA);
    g_assert_cmpint (stun_ext_message_get_xor_address (&client.answer,
                                                       STUN_EXT_ATTRIBUTE_XOR_PEER_ADDRESS, &from),
                     ==, STUN_EXT_GET_OK);
    g_assert_true (stun_ext_address_equal (&from, &other));
    g_assert_cmpint (stun_ext_message_get_data (&client.answer, STUN_EXT_ATTRIBUTE_DATA, &data), ==,
                     STUN_EXT_GET_OK);
    g_assert_cmpmem (data.data, data.length, "hello", n);
  }
  turn_connect_turn_server_from_peer (client.server, &stranger, (const guint8 *)"x", 1);
  local_assert_silence (&client);
  local_close (&client);
}

static void
test_a_client_that_does_not_read_costs_no_memory (void)
{
  TurnConnectLane *lane;
  StunExtAddress peer = local_address (LOCAL_PEER);
  guint8 packet[1200] = { 0 };
  LocalClient client;

  local_allocate (&client);
  local_bind_channel (&client, 0x4000, LOCAL_PEER);
  lane = turn_connect_turn_server_to_client (client.server);
  for (guint i = 0; i < 1000; i++)
    turn_connect_turn_server_from_peer (client.server, &peer, packet, sizeof packet);
  g_assert_cmpuint (lane->length, <=, TURN_CONNECT_LANE_MAX);
  g_assert_cmpuint (lane->length % 1204, ==, 0);
  turn_connect_turn_server_shed (client.server);
  g_assert_cmpuint (lane->length, ==, 0);
  g_assert_cmpuint (turn_connect_turn_server_counts (client.server)->n_dropped_to_client, ==, 1000);
  local_close (&client);
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
    { "another family",
      STUN_EXT_METHOD_CREATE_PERMISSION,
      0,
      { LOCAL_PEER, "[2001:db8::1]:1" },
      443 },
    { "too many",
      STUN_EXT_METHOD_CREATE_PERMISSION,
      0,
      { LOCAL_PEER, LOCAL_PEER, LOCAL_PEER, LOCAL_PEER, LOCAL_PEER, LOCAL_PEER, LOCAL_PEER,
        LOCAL_PEER, LOCAL_PEER },
      508 },
    { "channel of nobody", STUN_EXT_METHOD_CHANNEL_BIND, 0x4000, { NULL }, 400 },
    { "channel of two", STUN_EXT_METHOD_CHANNEL_BIND, 0x4000, { LOCAL_PEER, LOCAL_PEER }, 400 },
    { "no channel", STUN_EXT_METHOD_CHANNEL_BIND, 0, { LOCAL_PEER }, 400 },
    { "low channel", STUN_EXT_METHOD_CHANNEL_BIND, 0x3fff, { LOCAL_PEER }, 400 },
    { "high channel", STUN_EXT_METHOD_CHANNEL_BIND, 0x5000, { LOCAL_PEER }, 400 },
    { "no port", STUN_EXT_METHOD_CHANNEL_BIND, 0x4000, { "198.51.100.1:0" }, 400 },
    { "channel of another family", STUN_EXT_METHOD_CHANNEL_BIND, 0x4000, { "[::1]:1" }, 443 },
    { "taken number", STUN_EXT_METHOD_CHANNEL_BIND, 0x4444, { LOCAL_PEER }, 400 },
    { "taken peer", STUN_EXT_METHOD_CHANNEL_BIND, 0x4000, { "198.51.100.9:9" }, 400 },
    { "number being taken", STUN_EXT_METHOD_CHANNEL_BIND, 0x4445, { LOCAL_PEER }, 400 },
    { "peer being taken", STUN_EXT_METHOD_CHANNEL_BIND, 0x4000, { "198.51.100.9:10" }, 400 },
    { "of RFC 6062", STUN_EXT_METHOD_CONNECT, 0, { LOCAL_PEER }, 400 },
  };
  LocalClient client;

  local_allocate (&client);
  local_bind_channel (&client, 0x4444, "198.51.100.9:9");
  g_assert_cmpint (local_ask_channel (&client, 0x4445, "198.51.100.9:10").kind, ==,
                   TURN_CONNECT_ORDER_BIND);
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    LocalRequest request;

    g_test_message ("%s", rows[i].name);
    local_begin (&client, &request, rows[i].method);
    if (rows[i].channel != 0)
      stun_ext_builder_add_u16 (&request.builder, STUN_EXT_ATTRIBUTE_CHANNEL_NUMBER,
                                rows[i].channel);
    for (gsize j = 0; rows[i].peers[j] != NULL; j++)
      local_add_peer (&request, rows[i].peers[j]);
    local_finish (&client, &request, TRUE);
    g_assert_cmpint (local_say (&client, request.octets, request.length).kind, ==,
                     TURN_CONNECT_ORDER_NONE);
    g_assert_cmpuint (local_take_answer (&client, TRUE), ==, rows[i].code);
  }
  local_close (&client);
}

static void
test_refused_peers (void)
{
  TurnConnectOrder order;
  LocalClient client;

  local_allocate (&client);
  order = local_ask_permission (&client, LOCAL_PEER);
  turn_connect_turn_server_done (client.server, order.token, 403, "not that one", client.now);
  g_assert_cmpuint (local_take_answer (&client, TRUE), ==, 403);
  local_assert_reason (&client, "not that one");
  g_assert_cmpint (local_send_indication (&client, LOCAL_PEER, "x").kind, ==,
                   TURN_CONNECT_ORDER_NONE);
  order = local_ask_channel (&client, 0x4000, LOCAL_PEER);
  turn_connect_turn_server_done (client.server, order.token, 0, "gone", client.now);
  g_assert_cmpuint (local_take_answer (&client, TRUE), ==, 400);
  g_assert_cmpint (local_send_channel_data (&client, 0x4000, "x").kind, ==,
                   TURN_CONNECT_ORDER_NONE);
  /* And nobody answers at all. */
  local_ask_permission (&client, LOCAL_PEER);
  client.now += 30 * S;
  g_assert_cmpint (local_next (&client).kind, ==, TURN_CONNECT_ORDER_NONE);
  g_assert_cmpuint (local_take_answer (&client, TRUE), ==, 400);
  g_assert_false (turn_connect_turn_server_take_overdue (client.server));
  local_close (&client);
}

static void
test_permissions_end (void)
{
  StunExtAddress host = local_address ("198.51.100.1");
  StunExtAddress peer = local_address (LOCAL_PEER);
  TurnConnectOrder order;
  LocalClient client;

  local_allocate (&client);
  local_permit (&client, LOCAL_PEER);
  client.now += 299 * S;
  local_permit (&client, LOCAL_PEER);
  client.now += 300 * S - 1;
  g_assert_cmpint (local_next (&client).kind, ==, TURN_CONNECT_ORDER_NONE);
  client.now += 1;
  g_assert_cmpint (turn_connect_turn_server_deadline (client.server), <=, client.now);
  order = local_next (&client);
  g_assert_cmpint (order.kind, ==, TURN_CONNECT_ORDER_FORGET);
  g_assert_true (stun_ext_address_equal (&order.peers[0], &host));
  turn_connect_turn_server_from_peer (client.server, &peer, (const guint8 *)"x", 1);
  local_assert_silence (&client);
  g_assert_cmpint (local_send_indication (&client, LOCAL_PEER, "x").kind, ==,
                   TURN_CONNECT_ORDER_NONE);

  /* One that is being renewed does not end meanwhile. */
  local_refresh (&client, 3600, 0, TURN_CONNECT_ORDER_NONE);
  local_permit (&client, LOCAL_PEER);
  client.now += 299 * S;
  order = local_ask_permission (&client, LOCAL_PEER);
  client.now += 2 * S;
  g_assert_cmpint (local_next (&client).kind, ==, TURN_CONNECT_ORDER_NONE);
  local_done (&client, &order);
  order = local_send_indication (&client, LOCAL_PEER, "x");
  local_assert_sends (&order, LOCAL_PEER, "x");
  local_close (&client);
}

static void
test_channels_end (void)
{
  StunExtAddress peer = local_address (LOCAL_PEER);
  TurnConnectOrder order;
  LocalClient client;

  local_allocate (&client);
  local_refresh (&client, 3600, 0, TURN_CONNECT_ORDER_NONE);
  local_bind_channel (&client, 0x4000, LOCAL_PEER);
  client.now += 300 * S;
  /* The permission is over, but the channel needs what was ordered. */
  g_assert_cmpint (local_next (&client).kind, ==, TURN_CONNECT_ORDER_NONE);
  turn_connect_turn_server_from_peer (client.server, &peer, (const guint8 *)"x", 1);
  local_assert_silence (&client);
  local_permit (&client, LOCAL_PEER);
  client.now += 200 * S;
  local_permit (&client, LOCAL_PEER);
  client.now += 100 * S;
  order = local_next (&client);
  g_assert_cmpint (order.kind, ==, TURN_CONNECT_ORDER_FORGET);
  g_assert_true (stun_ext_address_equal (&order.peers[0], &peer));
  g_assert_true (order.stays_permitted);
  g_assert_cmpint (local_send_channel_data (&client, 0x4000, "x").kind, ==,
                   TURN_CONNECT_ORDER_NONE);
  /* Its number and its peer may be used anew. */
  local_bind_channel (&client, 0x4000, "198.51.100.2:2");
  local_bind_channel (&client, 0x4001, LOCAL_PEER);
  turn_connect_turn_server_peer_lost (client.server, &peer);
  g_assert_cmpint (local_send_channel_data (&client, 0x4001, "x").kind, ==,
                   TURN_CONNECT_ORDER_NONE);
  order = local_send_indication (&client, LOCAL_PEER, "x");
  local_assert_sends (&order, LOCAL_PEER, "x");
  peer.port = 0;
  turn_connect_turn_server_peer_lost (client.server, &peer);
  g_assert_cmpint (local_send_indication (&client, LOCAL_PEER, "x").kind, ==,
                   TURN_CONNECT_ORDER_NONE);
  local_close (&client);
}

static void
test_tables_are_bounded (void)
{
  guint n_hosts = 0;
  TurnConnectOrder order;
  LocalClient client;

  local_allocate (&client);
  for (guint i = 0; i < 200; i++) {
    g_autofree char *peer = g_strdup_printf ("203.0.113.%u:1", i);

    order = i % 2 == 0 ? local_ask_permission (&client, peer)
                       : local_ask_channel (&client, (guint16)(0x4000 + i), peer);
    if (order.kind == TURN_CONNECT_ORDER_NONE) {
      g_assert_cmpuint (local_take_answer (&client, TRUE), ==, 508);
      continue;
    }
    n_hosts++;
    local_done (&client, &order);
  }
  g_assert_cmpuint (n_hosts, ==, TURN_CONNECT_TURN_SERVER_PERMISSIONS_MAX);
  for (guint i = 0; i < 40; i++) {
    order = local_ask_permission (&client, "203.0.113.1:1");
    g_assert_cmpint (order.kind, ==, i < 32 ? TURN_CONNECT_ORDER_PERMIT : TURN_CONNECT_ORDER_NONE);
    if (i >= 32)
      g_assert_cmpuint (local_take_answer (&client, TRUE), ==, 508);
  }
  local_close (&client);
}

/* What is answered with success has its place, whatever else was asked for before the answer. */
static void
test_requests_that_wait_count (void)
{
  static const guint n_waiting = 20;
  TurnConnectOrder orders[20];
  LocalClient client;
  guint n = 0;

  local_allocate (&client);
  for (; n < TURN_CONNECT_TURN_SERVER_PERMISSIONS_MAX - n_waiting; n++) {
    g_autofree char *host = g_strdup_printf ("198.51.100.%u:1", n);

    local_permit (&client, host);
  }
  for (guint i = 0; i < n_waiting; i++, n++) {
    g_autofree char *host = g_strdup_printf ("198.51.100.%u:1", n);

    orders[i] = local_ask_permission (&client, host);
    g_assert_cmpint (orders[i].kind, ==, TURN_CONNECT_ORDER_PERMIT);
  }
  g_assert_cmpint (local_ask_permission (&client, "198.51.100.254:1").kind, ==,
                   TURN_CONNECT_ORDER_NONE);
  g_assert_cmpuint (local_take_answer (&client, TRUE), ==, 508);
  g_assert_cmpint (local_ask_channel (&client, 0x4fff, "198.51.100.254:1").kind, ==,
                   TURN_CONNECT_ORDER_NONE);
  g_assert_cmpuint (local_take_answer (&client, TRUE), ==, 508);
  for (guint i = 0; i < n_waiting; i++)
    local_done (&client, &orders[i]);
  for (guint i = 0; i < n; i++) {
    g_autofree char *host = g_strdup_printf ("198.51.100.%u:1", i);

    g_assert_cmpint (local_send_indication (&client, host, "x").kind, ==, TURN_CONNECT_ORDER_SEND);
  }
  local_close (&client);
}

static void
test_channels_that_wait_count (void)
{
  static const guint n_waiting = 20;
  TurnConnectOrder orders[20];
  LocalClient client;
  guint n = 0;

  local_allocate (&client);
  for (; n < TURN_CONNECT_TURN_SERVER_CHANNELS_MAX; n++) {
    g_autofree char *peer = g_strdup_printf ("198.51.100.1:%u", 1 + n);
    guint16 number = (guint16)(0x4000 + n);

    if (n < TURN_CONNECT_TURN_SERVER_CHANNELS_MAX - n_waiting)
      local_bind_channel (&client, number, peer);
    else
      orders[n + n_waiting - TURN_CONNECT_TURN_SERVER_CHANNELS_MAX] =
          local_ask_channel (&client, number, peer);
  }
  g_assert_cmpint (local_ask_channel (&client, 0x4fff, "198.51.100.1:999").kind, ==,
                   TURN_CONNECT_ORDER_NONE);
  g_assert_cmpuint (local_take_answer (&client, TRUE), ==, 508);
  for (guint i = 0; i < n_waiting; i++) {
    g_assert_cmpint (orders[i].kind, ==, TURN_CONNECT_ORDER_BIND);
    local_done (&client, &orders[i]);
  }
  g_assert_cmpint (
      local_send_channel_data (&client, 0x4000 + TURN_CONNECT_TURN_SERVER_CHANNELS_MAX - 1, "x")
          .kind,
      ==, TURN_CONNECT_ORDER_SEND);
  local_close (&client);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add_func ("/turn-connect/turn-server-peers/" name, function)
  ADD ("packets-go-to-permitted-ones-alone", test_packets_go_to_permitted_peers_alone);
  ADD ("packets-of-theirs-take-the-clients-way", test_packets_of_peers_take_the_clients_way);
  ADD ("client-that-does-not-read-costs-no-memory",
       test_a_client_that_does_not_read_costs_no_memory);
  ADD ("bad-ones", test_bad_peers);
  ADD ("refused-ones", test_refused_peers);
  ADD ("permissions-end", test_permissions_end);
  ADD ("channels-end", test_channels_end);
  ADD ("tables-are-bounded", test_tables_are_bounded);
  ADD ("requests-that-wait-count", test_requests_that_wait_count);
  ADD ("channels-that-wait-count", test_channels_that_wait_count);
  return g_test_run ();
}
