/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Permissions, channels, packets and TCP peers of an allocation, without sockets. */
#include "turn-stage.h"

#include <string.h>

/* Permissions. */

static StunExtAddress
peer_number (guint n)
{
  g_autofree char *text = g_strdup_printf ("203.0.113.%u:%u", n + 1, 4000 + n);

  return mock_address (text);
}

static guint
count_peers (const StunExtMessage *request)
{
  StunExtAddress peers[STUN_EXT_PEERS_MAX];
  guint n = 0;

  stun_ext_message_get_xor_addresses (request, STUN_EXT_ATTRIBUTE_XOR_PEER_ADDRESS, peers, &n);
  return n;
}

static void
test_permissions_go_eight_to_a_request (void)
{
  g_auto (Stage) stage = { 0 };
  StunExtAddress peers[20];

  for (guint i = 0; i < G_N_ELEMENTS (peers); i++)
    peers[i] = peer_number (i);
  stage_open (&stage, NULL, DATAGRAMS);
  stage_come_up (&stage, NULL);
  turn_connect_allocation_permit (stage.allocation, peers, G_N_ELEMENTS (peers), 5, stage.now_us);
  for (guint left = 20; left > 0; left -= MIN (left, 8)) {
    expect_no_event (&stage);
    expect_request (&stage, CREATE_PERMISSION);
    g_assert_cmpuint (count_peers (&stage.request), ==, MIN (left, 8));
    stage_answer_success (&stage);
  }
  expect_no_output (&stage);
  expect_event (&stage, DONE);
  g_assert_cmpuint (stage.event->token, ==, 5);
  g_assert_no_error (stage.event->error);
  /* Permitted already: nothing is asked. */
  turn_connect_allocation_permit (stage.allocation, peers, 1, 6, stage.now_us);
  expect_event (&stage, DONE);
  expect_no_output (&stage);
  /* All renewed together after 4 min. */
  stage_pass (&stage, S (240) - 1);
  expect_no_output (&stage);
  stage_pass (&stage, 1);
  expect_request (&stage, CREATE_PERMISSION);
  expect_request (&stage, CREATE_PERMISSION);
  expect_request (&stage, CREATE_PERMISSION);
  g_assert_cmpuint (count_peers (&stage.request), ==, 4);
}

static void
test_one_refused_peer_does_not_refuse_the_others (void)
{
  g_auto (Stage) stage = { 0 };
  StunExtAddress peers[3], refused;
  guint n_refused = 0;

  for (guint i = 0; i < G_N_ELEMENTS (peers); i++)
    peers[i] = peer_number (i);
  stage_open (&stage, NULL, DATAGRAMS);
  stage_come_up (&stage, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (peers); i++)
    turn_connect_allocation_permit (stage.allocation, &peers[i], 1, 10 + i, stage.now_us);
  expect_request (&stage, CREATE_PERMISSION); /* the first alone was asked for at once */
  stage_answer_success (&stage);
  expect_event (&stage, DONE);
  turn_connect_allocation_forget (stage.allocation, &peers[0], stage.now_us);
  turn_connect_allocation_disconnected (stage.allocation);
  stage_connect (&stage, DATAGRAMS);
  /* Anew: both others in one request. */
  while (stage_take_output (&stage) && stage.request.method != STUN_EXT_METHOD_ALLOCATE)
    ;
  {
    MockMessage message;

    mock_allocated (&message, &stage.request, &mock_usual, MOCK_SIGNED);
    stage_give (&stage, &message, NULL);
  }
  expect_event (&stage, UP);
  expect_request (&stage, CREATE_PERMISSION);
  g_assert_cmpuint (count_peers (&stage.request), ==, 2);
  stage_answer_error (&stage, 403);
  for (guint i = 0; i < 2; i++) {
    expect_request (&stage, CREATE_PERMISSION);
    g_assert_cmpuint (count_peers (&stage.request), ==, 1);
    stun_ext_message_get_xor_address (&stage.request, STUN_EXT_ATTRIBUTE_XOR_PEER_ADDRESS,
                                      &refused);
    if (stun_ext_address_equal_host (&refused, &peers[1]))
      stage_answer_error (&stage, 403);
    else
      stage_answer_success (&stage);
  }
  while (stage_take_event (&stage)) {
    g_assert_cmpint (stage.event->kind, ==, TURN_CONNECT_EVENT_DONE);
    if (stage.event->error != NULL) {
      expect_error (&stage, TURN_FORBIDDEN);
      g_assert_cmpuint (stage.event->token, ==, 11);
      n_refused++;
    } else
      g_assert_cmpuint (stage.event->token, ==, 12);
  }
  g_assert_cmpuint (n_refused, ==, 1);
}

static void
test_permission_that_cannot_be_renewed_is_lost (void)
{
  g_auto (Stage) stage = { 0 };
  StunExtAddress peer = peer_number (0);
  guint n = 0;

  stage_open (&stage, NULL, STREAM);
  stage_come_up (&stage, NULL);
  turn_connect_allocation_permit (stage.allocation, &peer, 1, 0, stage.now_us);
  expect_request (&stage, CREATE_PERMISSION);
  stage_answer_success (&stage);
  stage_pass (&stage, S (240));
  while (stage_take_output (&stage)) {
    n++;
    stage_answer_error (&stage, 508);
    stage_pass (&stage, S (10));
  }
  g_assert_cmpuint (n, ==, 6);
  expect_event (&stage, PEER_LOST);
  expect_error (&stage, TURN_CAPACITY);
  g_assert_true (stun_ext_address_equal_host (&stage.event->peer, &peer));
  expect_state (&stage, UP);
}

static void
test_mismatch_anywhere_means_that_the_allocation_is_gone (void)
{
  for (guint i = 0; i < 2; i++) {
    g_auto (Stage) stage = { 0 };
    StunExtAddress peer = peer_number (0);

    stage_open (&stage, NULL, STREAM);
    stage_come_up (&stage, NULL);
    turn_connect_allocation_bind (stage.allocation, &peer, 3, stage.now_us);
    expect_request (&stage, CREATE_PERMISSION);
    if (i == 1)
      expect_request (&stage, CHANNEL_BIND);
    stage_answer_error (&stage, 437);
    expect_event (&stage, DOWN);
    expect_error (&stage, TURN_MISMATCH);
    expect_no_event (&stage); /* whoever waits goes on waiting */
  }
}

static void
test_bad_peers_are_refused_without_asking (void)
{
  g_auto (Stage) stage = { 0 };
  StunExtAddress none = { 0 }, no_port = mock_address ("203.0.113.1");

  stage_open (&stage, NULL, STREAM);
  stage_come_up (&stage, NULL);
  turn_connect_allocation_permit (stage.allocation, &none, 1, 1, stage.now_us);
  expect_event (&stage, DONE);
  expect_error (&stage, INVALID);
  turn_connect_allocation_bind (stage.allocation, &no_port, 2, stage.now_us);
  expect_event (&stage, DONE);
  expect_error (&stage, INVALID);
  expect_no_output (&stage);
}

/* Channels. */

static guint16
bind_one (Stage *stage, const StunExtAddress *peer)
{
  turn_connect_allocation_bind (stage->allocation, peer, 9, stage->now_us);
  expect_request (stage, CREATE_PERMISSION);
  stage_answer_success (stage);
  expect_request (stage, CHANNEL_BIND);
  stage_answer_success (stage);
  expect_event (stage, DONE);
  g_assert_no_error (stage->event->error);
  return stage->event->channel;
}

static void
test_channel_is_renewed_before_ten_minutes (void)
{
  g_auto (Stage) stage = { 0 };
  StunExtAddress peer = peer_number (0);
  MockMessage message;
  gint64 begun, bound_at = -1;
  guint16 number, again;

  stage_open (&stage, NULL, STREAM);
  stage_come_up (&stage, NULL);
  number = bind_one (&stage, &peer);
  begun = stage.now_us;
  while (stage.now_us - begun < S (1200)) {
    stage_pass (&stage, S (1));
    while (stage_take_output (&stage)) {
      if (stage.request.method == STUN_EXT_METHOD_REFRESH) {
        mock_lifetime (&message, &stage.request, 600, NULL);
        stage_give (&stage, &message, NULL);
        continue;
      }
      if (stage.request.method == STUN_EXT_METHOD_CHANNEL_BIND) {
        stun_ext_message_get_u16 (&stage.request, STUN_EXT_ATTRIBUTE_CHANNEL_NUMBER, &again);
        g_assert_cmpuint (again, ==, number);
        if (bound_at < 0)
          bound_at = stage.now_us - begun;
      }
      stage_answer_success (&stage);
    }
  }
  g_assert_cmpint (bound_at, ==, S (540));
  expect_no_event (&stage);
}

/* After a 400 the client looks whether there is an allocation at all. */
static void
expect_probe (Stage *stage)
{
  MockMessage message;

  expect_request (stage, REFRESH);
  expect_no_output (stage);
  mock_lifetime (&message, &stage->request, 600, NULL);
  stage_give (stage, &message, NULL);
}

static void
test_400_in_place_of_437_is_found_out (void)
{
  g_auto (Stage) stage = { 0 };
  StunExtAddress peers[2] = { peer_number (0), peer_number (1) };

  stage_open (&stage, NULL, DATAGRAMS);
  stage_come_up (&stage, NULL);
  bind_one (&stage, &peers[0]);
  turn_connect_allocation_permit (stage.allocation, &peers[1], 1, 4, stage.now_us);
  expect_request (&stage, CREATE_PERMISSION);
  stage_answer_error (&stage, 400);
  expect_no_event (&stage);
  expect_request (&stage, REFRESH);
  stage_answer_error (&stage, 437);
  expect_event (&stage, DOWN);
  expect_error (&stage, TURN_MISMATCH);
  expect_no_event (&stage); /* whoever waits goes on waiting */
}

static void
test_400_that_stays_is_a_refusal (void)
{
  g_auto (Stage) stage = { 0 };
  StunExtAddress peer = peer_number (0);

  stage_open (&stage, NULL, DATAGRAMS);
  stage_come_up (&stage, NULL);
  turn_connect_allocation_permit (stage.allocation, &peer, 1, 4, stage.now_us);
  expect_request (&stage, CREATE_PERMISSION);
  stage_answer_error (&stage, 400);
  expect_probe (&stage);
  expect_request (&stage, CREATE_PERMISSION);
  stage_answer_error (&stage, 400);
  expect_event (&stage, DONE);
  expect_error (&stage, TURN_REFUSED);
  expect_no_output (&stage);
}

static void
test_channel_number_that_the_server_refuses_is_changed_once (void)
{
  g_auto (Stage) stage = { 0 };
  StunExtAddress peer = peer_number (0);
  guint16 first, second;

  stage_open (&stage, NULL, STREAM);
  stage_come_up (&stage, NULL);
  turn_connect_allocation_bind (stage.allocation, &peer, 9, stage.now_us);
  expect_request (&stage, CREATE_PERMISSION);
  stage_answer_success (&stage);
  expect_request (&stage, CHANNEL_BIND);
  stun_ext_message_get_u16 (&stage.request, STUN_EXT_ATTRIBUTE_CHANNEL_NUMBER, &first);
  stage_answer_error (&stage, 400);
  expect_probe (&stage);
  expect_request (&stage, CHANNEL_BIND);
  stage_answer_error (&stage, 400);
  expect_request (&stage, CHANNEL_BIND);
  stun_ext_message_get_u16 (&stage.request, STUN_EXT_ATTRIBUTE_CHANNEL_NUMBER, &second);
  g_assert_cmpuint (first, !=, second);
  stage_answer_error (&stage, 400);
  expect_no_output (&stage);
  expect_event (&stage, DONE);
  g_assert_cmpuint (turn_connect_error_get_turn_code (stage.event->error), ==, 400);
}

static void
test_number_of_a_forgotten_channel_rests_fifteen_minutes (void)
{
  g_auto (Stage) stage = { 0 };
  StunExtAddress first = peer_number (0), other;
  guint16 number;
  MockMessage message;

  stage_open (&stage, NULL, STREAM);
  stage_come_up (&stage, NULL);
  number = bind_one (&stage, &first);
  turn_connect_allocation_forget (stage.allocation, &first, stage.now_us);
  mock_channel_data (&message, number, "late");
  g_assert_cmpint (stage_give (&stage, &message, NULL), ==, TURN_CONNECT_TOOK_NOTHING);
  for (guint i = 1; i <= 3; i++) {
    other = peer_number (i);
    g_assert_cmpuint (bind_one (&stage, &other), !=, number);
  }
  /* The same pair may be bound again at any time. */
  g_assert_cmpuint (bind_one (&stage, &first), ==, number);
}

static void
test_data_before_the_answer_to_channel_bind_is_taken (void)
{
  g_auto (Stage) stage = { 0 };
  StunExtAddress peer = peer_number (0);
  TurnConnectReceived received;
  MockMessage message;
  guint16 number;

  stage_open (&stage, NULL, DATAGRAMS);
  stage_come_up (&stage, NULL);
  turn_connect_allocation_bind (stage.allocation, &peer, 9, stage.now_us);
  expect_request (&stage, CREATE_PERMISSION);
  expect_request (&stage, CHANNEL_BIND);
  stun_ext_message_get_u16 (&stage.request, STUN_EXT_ATTRIBUTE_CHANNEL_NUMBER, &number);
  mock_channel_data (&message, number, "early");
  g_assert_cmpint (stage_give (&stage, &message, &received), ==, TURN_CONNECT_TOOK_PACKET);
  g_assert_true (stun_ext_address_equal (&received.peer, &peer));
  g_assert_cmpmem (received.payload.data, received.payload.length, "early", 5);
  mock_channel_data (&message, (guint16)(number + 1), "nobody's");
  g_assert_cmpint (stage_give (&stage, &message, &received), ==, TURN_CONNECT_TOOK_NOTHING);
}

static void
test_new_allocation_gets_all_that_was_wanted (void)
{
  g_auto (Stage) stage = { 0 };
  StunExtAddress bound = peer_number (0), permitted = peer_number (1);
  MockAllocated other = mock_usual;
  MockMessage message;
  guint16 number, again;

  stage_open (&stage, NULL, STREAM);
  stage_come_up (&stage, NULL);
  number = bind_one (&stage, &bound);
  turn_connect_allocation_permit (stage.allocation, &permitted, 1, 0, stage.now_us);
  expect_request (&stage, CREATE_PERMISSION);
  stage_answer_success (&stage);
  turn_connect_allocation_disconnected (stage.allocation);
  stage_connect (&stage, STREAM);
  expect_request (&stage, ALLOCATE);
  other.relayed = "192.0.2.1:50002";
  mock_allocated (&message, &stage.request, &other, MOCK_SIGNED);
  stage_give (&stage, &message, NULL);
  expect_event (&stage, UP);
  g_assert_true (stage.event->is_new);
  expect_request (&stage, CREATE_PERMISSION);
  g_assert_cmpuint (count_peers (&stage.request), ==, 2);
  stage_answer_success (&stage);
  expect_request (&stage, CHANNEL_BIND);
  stun_ext_message_get_u16 (&stage.request, STUN_EXT_ATTRIBUTE_CHANNEL_NUMBER, &again);
  g_assert_cmpuint (again, ==, number);
  stage_answer_error (&stage, 508);
  expect_event (&stage, PEER_LOST);
}

/* Packets. */

static void
test_heads_of_packets (void)
{
  g_auto (Stage) stage = { 0 };
  StunExtAddress peer = peer_number (0), stranger = peer_number (7);
  guint8 whole[TURN_CONNECT_HEAD_MAX + 8];
  gsize head, padding;
  StunExtMessage message;
  StunExtAddress to;
  StunExtSpan data;

  stage_open (&stage, NULL, STREAM);
#define FRAME(whom, n, flags)                                                                      \
  turn_connect_allocation_frame (stage.allocation, whom, n, flags, whole, &head, &padding)
  turn_connect_allocation_permit (stage.allocation, &peer, 1, 0, stage.now_us);
  g_assert_cmpint (FRAME (&peer, 5, 0), ==, TURN_CONNECT_WAY_NOT_YET);
  g_assert_cmpint (FRAME (&stranger, 5, 0), ==, TURN_CONNECT_WAY_UNKNOWN);
  stage_come_up (&stage, NULL);
  g_assert_cmpint (FRAME (&peer, 5, 0), ==, TURN_CONNECT_WAY_NOT_YET);
  expect_request (&stage, CREATE_PERMISSION);
  stage_answer_success (&stage);
  for (guint flags = 0; flags < 2; flags++) {
    g_assert_cmpint (FRAME (&peer, 5, flags), ==, TURN_CONNECT_WAY_OPEN);
    memcpy (whole + head, "hello\0\0", 8);
    g_assert_cmpint (stun_ext_message_parse (&message, whole, head + 5 + padding), ==,
                     STUN_EXT_PARSE_OK);
    g_assert_cmpint (message.method, ==, STUN_EXT_METHOD_SEND);
    g_assert_cmpint (
        stun_ext_message_get_xor_address (&message, STUN_EXT_ATTRIBUTE_XOR_PEER_ADDRESS, &to), ==,
        STUN_EXT_GET_OK);
    g_assert_true (stun_ext_address_equal (&to, &peer));
    g_assert_cmpint (stun_ext_message_get_data (&message, STUN_EXT_ATTRIBUTE_DATA, &data), ==,
                     STUN_EXT_GET_OK);
    g_assert_cmpmem (data.data, data.length, "hello", 5);
    g_assert_true ((stun_ext_message_find (&message, STUN_EXT_ATTRIBUTE_DONT_FRAGMENT) != NULL) ==
                   (flags == 1));
  }
  turn_connect_allocation_bind (stage.allocation, &peer, 0, stage.now_us);
  expect_request (&stage, CHANNEL_BIND);
  stage_answer_success (&stage);
  g_assert_cmpint (FRAME (&peer, 5, 0), ==, TURN_CONNECT_WAY_OPEN);
  g_assert_cmpuint (head, ==, 4);
  g_assert_cmpuint (padding, ==, 3);
  g_assert_cmpint (FRAME (&peer, 5, 1), ==, TURN_CONNECT_WAY_OPEN);
  g_assert_cmpuint (head, >, 36);
  g_assert_cmpint (FRAME (&peer, TURN_CONNECT_PAYLOAD_MAX + 1, 0), ==, TURN_CONNECT_WAY_TOO_LONG);
}

static void
test_data_of_strangers_is_ignored (void)
{
  g_auto (Stage) stage = { 0 };
  StunExtAddress peer = peer_number (0);
  TurnConnectReceived received;
  MockMessage message;

  stage_open (&stage, NULL, DATAGRAMS);
  stage_come_up (&stage, NULL);
  turn_connect_allocation_permit (stage.allocation, &peer, 1, 0, stage.now_us);
  mock_data (&message, "203.0.113.1:99", "friend");
  g_assert_cmpint (stage_give (&stage, &message, &received), ==, TURN_CONNECT_TOOK_PACKET);
  g_assert_cmpuint (received.peer.port, ==, 99);
  mock_data (&message, "203.0.113.2:99", "stranger");
  g_assert_cmpint (stage_give (&stage, &message, &received), ==, TURN_CONNECT_TOOK_NOTHING);
  mock_icmp (&message, "203.0.113.1:99", 3, 4, 1400);
  g_assert_cmpint (stage_give (&stage, &message, &received), ==, TURN_CONNECT_TOOK_NOTHING);
  expect_event (&stage, ICMP);
  g_assert_cmpuint (stage.event->icmp_type, ==, 3);
  g_assert_cmpuint (stage.event->icmp_code, ==, 4);
  g_assert_cmpuint (stage.event->icmp_data, ==, 1400);
}

/* TCP peers. */

static void
test_tcp_peers (void)
{
  TurnConnectWishes wishes = stage_usual_wishes;
  StunExtAddress peer = peer_number (0);
  g_auto (Stage) stage = { 0 };
  MockMessage message;
  guint8 transport;

  wishes.relay = TURN_CONNECT_RELAY_TCP;
  stage_open (&stage, &wishes, STREAM);
  stage_come_up (&stage, NULL);
  stun_ext_message_get_u8 (&stage.request, STUN_EXT_ATTRIBUTE_REQUESTED_TRANSPORT, &transport);
  g_assert_cmpuint (transport, ==, 6);
  turn_connect_allocation_connect_peer (stage.allocation, &peer, 1, stage.now_us);
  expect_request (&stage, CONNECT);
  mock_connection (&message, &stage.request, 0x12345678);
  stage_give (&stage, &message, NULL);
  expect_event (&stage, DONE);
  g_assert_cmpuint (stage.event->connection_id, ==, 0x12345678);
  for (guint code = 446; code <= 447; code++) {
    turn_connect_allocation_connect_peer (stage.allocation, &peer, 2, stage.now_us);
    expect_request (&stage, CONNECT);
    stage_answer_error (&stage, code);
    expect_event (&stage, DONE);
    expect_error (&stage, TURN_PEER);
    g_assert_cmpint (turn_connect_error_get_step (stage.event->error), ==, TURN_CONNECT_STEP_PEER);
  }
  mock_attempt (&message, "203.0.113.5:99", 77);
  stage_give (&stage, &message, NULL);
  expect_event (&stage, ATTEMPT);
  g_assert_cmpuint (stage.event->connection_id, ==, 77);
  turn_connect_allocation_connect_peer (stage.allocation, &peer, 3, stage.now_us);
  turn_connect_allocation_disconnected (stage.allocation);
  expect_event (&stage, DONE);
  expect_error (&stage, CLOSED);
  turn_connect_allocation_connect_peer (stage.allocation, &peer, 4, stage.now_us);
  expect_event (&stage, DONE);
  expect_error (&stage, CLOSED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add_func ("/turn-connect/turn-allocation-peers/" name, function)
  ADD ("permission/eight-go-to-a-request", test_permissions_go_eight_to_a_request);
  ADD ("permission/one-refused-peer-does-not-refuse-the-others",
       test_one_refused_peer_does_not_refuse_the_others);
  ADD ("permission/that-cannot-be-renewed-is-lost", test_permission_that_cannot_be_renewed_is_lost);
  ADD ("mismatch-anywhere-means-that-the-allocation-is-gone",
       test_mismatch_anywhere_means_that_the_allocation_is_gone);
  ADD ("400-in-place-of-437-is-found-out", test_400_in_place_of_437_is_found_out);
  ADD ("400-that-stays-is-a-refusal", test_400_that_stays_is_a_refusal);
  ADD ("bad-peers-are-refused-without-asking", test_bad_peers_are_refused_without_asking);
  ADD ("channel/is-renewed-before-ten-minutes", test_channel_is_renewed_before_ten_minutes);
  ADD ("channel/number-that-the-server-refuses-is-changed-once",
       test_channel_number_that_the_server_refuses_is_changed_once);
  ADD ("channel/number-of-a-forgotten-one-rests-fifteen-minutes",
       test_number_of_a_forgotten_channel_rests_fifteen_minutes);
  ADD ("channel/data-before-the-answer-is-taken",
       test_data_before_the_answer_to_channel_bind_is_taken);
  ADD ("new-allocation-gets-all-that-was-wanted", test_new_allocation_gets_all_that_was_wanted);
  ADD ("packets/heads", test_heads_of_packets);
  ADD ("packets/of-strangers-are-ignored", test_data_of_strangers_is_ignored);
  ADD ("tcp-peers", test_tcp_peers);
  return g_test_run ();
}
