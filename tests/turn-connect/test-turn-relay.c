/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "turn-connect/local/turn-relay.h"

#include "stun-ext/attribute.h"
#include "stun-ext/channel-data.h"
#include "stun-ext/integrity.h"

#include <string.h>

#define S G_USEC_PER_SEC
#define BUDGET (2 * S)
#define KEEPALIVE (20 * S)

typedef struct {
  guint8 octets[2048];
  gsize length;
} Unit;

static TurnConnectRelay *
make_relay (void)
{
  TurnConnectRelayConfig config = { .budget_us = BUDGET, .keepalive_us = KEEPALIVE };

  memset (config.transaction_id, 0xee, sizeof config.transaction_id);
  return turn_connect_relay_new (&config);
}

/* A message whose transaction id is @id in every octet. */
static Unit
make_message (StunExtClass message_class, guint16 method, guint8 id, guint code, gboolean is_signed)
{
  StunExtBuilder builder;
  guint8 transaction_id[STUN_EXT_TRANSACTION_ID_LENGTH];
  StunExtSpan key = { (const guint8 *)"key", 3 };
  Unit unit;

  memset (transaction_id, id, sizeof transaction_id);
  stun_ext_builder_begin (&builder, unit.octets, sizeof unit.octets, message_class, method,
                          transaction_id);
  if (code != 0)
    stun_ext_builder_add_error (&builder, code, "because");
  g_assert_true (stun_ext_builder_finish (
      &builder, is_signed ? STUN_EXT_INTEGRITY_SHA1 : STUN_EXT_INTEGRITY_NONE, key, FALSE,
      &unit.length));
  return unit;
}

static Unit
request (guint16 method, guint8 id)
{
  return make_message (STUN_EXT_CLASS_REQUEST, method, id, 0, FALSE);
}

static Unit
make_redirect (guint8 id, const char *address, const char *domain)
{
  StunExtBuilder builder;
  guint8 transaction_id[STUN_EXT_TRANSACTION_ID_LENGTH];
  StunExtAddress alternate;
  Unit unit;

  memset (transaction_id, id, sizeof transaction_id);
  stun_ext_builder_begin (&builder, unit.octets, sizeof unit.octets, STUN_EXT_CLASS_ERROR,
                          STUN_EXT_METHOD_ALLOCATE, transaction_id);
  stun_ext_builder_add_error (&builder, STUN_EXT_CODE_TRY_ALTERNATE, "there");
  if (address != NULL) {
    g_assert_true (stun_ext_address_parse (address, &alternate));
    stun_ext_builder_add_address (&builder, STUN_EXT_ATTRIBUTE_ALTERNATE_SERVER, &alternate);
  }
  if (domain != NULL)
    stun_ext_builder_add_text (&builder, STUN_EXT_ATTRIBUTE_ALTERNATE_DOMAIN, domain);
  g_assert_true (stun_ext_builder_finish (&builder, STUN_EXT_INTEGRITY_NONE, (StunExtSpan){ 0 },
                                          FALSE, &unit.length));
  return unit;
}

static Unit
make_channel_data (guint8 fill, gsize length)
{
  StunExtWriter writer;
  guint8 payload[1500];
  Unit unit;

  memset (payload, fill, length);
  stun_ext_writer_init (&writer, unit.octets, sizeof unit.octets);
  stun_ext_channel_data_write (&writer, 0x4001, payload, length, TRUE);
  g_assert_false (writer.failed);
  unit.length = writer.length;
  return unit;
}

static void
client_says (TurnConnectRelay *relay, Unit unit, gint64 now)
{
  g_assert_true (turn_connect_relay_from_client (relay, unit.octets, unit.length, now));
}

static void
server_says (TurnConnectRelay *relay, Unit unit, gint64 now)
{
  g_assert_true (turn_connect_relay_from_server (relay, unit.octets, unit.length, now));
}

/* The lane holds exactly these octets; it is empty then. */
static void
assert_sends (TurnConnectLane *lane, Unit unit)
{
  g_assert_cmpmem (lane->octets, lane->length, unit.octets, unit.length);
  turn_connect_lane_sent (lane, lane->length);
}

static void
assert_nothing (TurnConnectLane *lane)
{
  g_assert_cmpuint (lane->length, ==, 0);
}

/* The client is told no once, for this request, and why. */
static void
assert_refuses (TurnConnectRelay *relay, guint8 id, guint wanted, const char *words)
{
  TurnConnectLane *lane = turn_connect_relay_to_client (relay);
  StunExtMessage message;
  StunExtSpan reason;
  g_autofree char *text = NULL;
  guint code;

  g_assert_cmpint (stun_ext_message_parse (&message, lane->octets, lane->length), ==,
                   STUN_EXT_PARSE_OK);
  g_assert_cmpint (message.message_class, ==, STUN_EXT_CLASS_ERROR);
  for (gsize i = 0; i < STUN_EXT_TRANSACTION_ID_LENGTH; i++)
    g_assert_cmpuint (message.transaction_id[i], ==, id);
  g_assert_cmpint (stun_ext_message_integrity (&message), ==, STUN_EXT_INTEGRITY_NONE);
  g_assert_cmpint (stun_ext_message_get_error (&message, &code, &reason), ==, STUN_EXT_GET_OK);
  g_assert_cmpuint (code, ==, wanted);
  g_assert_cmpuint (reason.length, <, 128);
  text = g_strndup ((const char *)reason.data, reason.length);
  g_assert_nonnull (strstr (text, words));
  turn_connect_lane_sent (lane, lane->length);
}

static TurnConnectRelay *
make_relay_up (void)
{
  TurnConnectRelay *relay = make_relay ();

  client_says (relay, request (STUN_EXT_METHOD_ALLOCATE, 1), 0);
  turn_connect_relay_came_up (relay, 0);
  assert_sends (turn_connect_relay_to_server (relay), request (STUN_EXT_METHOD_ALLOCATE, 1));
  return relay;
}

static void
test_every_pair_of_state_and_event (void)
{
  static const int to[TURN_CONNECT_RELAY_N_STATES][TURN_CONNECT_RELAY_N_EVENTS] = {
    [TURN_CONNECT_RELAY_IDLE] = { TURN_CONNECT_RELAY_WAITING, -1, TURN_CONNECT_RELAY_DOWN, -1 },
    [TURN_CONNECT_RELAY_WAITING] = { -1, TURN_CONNECT_RELAY_UP, TURN_CONNECT_RELAY_DOWN, -1 },
    [TURN_CONNECT_RELAY_UP] = { -1, -1, TURN_CONNECT_RELAY_DOWN, TURN_CONNECT_RELAY_WAITING },
    [TURN_CONNECT_RELAY_DOWN] = { TURN_CONNECT_RELAY_WAITING, -1, TURN_CONNECT_RELAY_DOWN, -1 },
  };

  for (int from = 0; from < TURN_CONNECT_RELAY_N_STATES; from++) {
    for (int event = 0; event < TURN_CONNECT_RELAY_N_EVENTS; event++)
      g_assert_cmpint (turn_connect_relay_next_state (from, event), ==, to[from][event]);
  }
}

static void
test_requests_wait_and_are_sent_once (void)
{
  g_autoptr (TurnConnectRelay) relay = make_relay ();
  Unit allocate = request (STUN_EXT_METHOD_ALLOCATE, 1);
  Unit both = allocate;

  g_assert_cmpint (turn_connect_relay_state (relay), ==, TURN_CONNECT_RELAY_IDLE);
  client_says (relay, allocate, 0);
  g_assert_cmpint (turn_connect_relay_state (relay), ==, TURN_CONNECT_RELAY_WAITING);
  client_says (relay, allocate, S / 2);
  client_says (relay, allocate, S);
  client_says (relay, make_channel_data (1, 100), S); /* belongs to nothing yet */
  client_says (relay, request (STUN_EXT_METHOD_BINDING, 2), S);
  turn_connect_relay_came_up (relay, S);
  memcpy (both.octets + both.length, request (STUN_EXT_METHOD_BINDING, 2).octets, 20);
  both.length += 20;
  assert_sends (turn_connect_relay_to_server (relay), both);
  client_says (relay, allocate, S); /* still no answer */
  assert_nothing (turn_connect_relay_to_server (relay));
  assert_nothing (turn_connect_relay_to_client (relay));
}

static void
test_octets_pass_however_they_are_cut (void)
{
  for (gsize step = 1; step < 200; step += 7) {
    g_autoptr (TurnConnectRelay) relay = make_relay_up ();
    Unit data = make_channel_data (7, 150);
    Unit answer = make_message (STUN_EXT_CLASS_SUCCESS, STUN_EXT_METHOD_ALLOCATE, 1, 0, TRUE);

    for (gsize at = 0; at < data.length; at += step) {
      gsize n = MIN (step, data.length - at);
      g_autofree guint8 *piece = g_memdup2 (data.octets + at, n);

      g_assert_true (turn_connect_relay_from_client (relay, piece, n, 0));
      g_assert_true (turn_connect_relay_from_server (relay, piece, n, 0));
    }
    assert_sends (turn_connect_relay_to_server (relay), data);
    assert_sends (turn_connect_relay_to_client (relay), data);
    server_says (relay, answer, 0);
    assert_sends (turn_connect_relay_to_client (relay), answer);
    server_says (relay, answer, 0); /* answers nothing any more */
    assert_nothing (turn_connect_relay_to_client (relay));
  }
}

static void
test_failure_answers_what_waits_and_what_comes (void)
{
  g_autoptr (TurnConnectRelay) relay = make_relay ();

  client_says (relay, request (STUN_EXT_METHOD_ALLOCATE, 1), 0);
  turn_connect_relay_went_down (relay, "the proxy said no", S);
  assert_refuses (relay, 1, 400, "the proxy said no");
  client_says (relay, request (STUN_EXT_METHOD_REFRESH, 2), S);
  assert_refuses (relay, 2, 400, "the proxy said no");
  client_says (relay, make_channel_data (1, 100), S);
  assert_nothing (turn_connect_relay_to_client (relay));
  /* A new allocation is tried anew, though not at once. */
  client_says (relay, request (STUN_EXT_METHOD_ALLOCATE, 3), 2 * S);
  assert_refuses (relay, 3, 400, "the proxy said no");
  client_says (relay, request (STUN_EXT_METHOD_ALLOCATE, 4), 7 * S);
  g_assert_cmpint (turn_connect_relay_state (relay), ==, TURN_CONNECT_RELAY_WAITING);
  assert_nothing (turn_connect_relay_to_client (relay));
}

static void
test_who_does_not_believe_400_gets_300 (void)
{
  g_autoptr (TurnConnectRelay) relay = make_relay ();

  client_says (relay, request (STUN_EXT_METHOD_ALLOCATE, 1), 0);
  turn_connect_relay_went_down (relay, "no", 0);
  assert_refuses (relay, 1, 400, "no");
  client_says (relay, request (STUN_EXT_METHOD_ALLOCATE, 1), 60 * S);
  assert_refuses (relay, 1, 300, "no");
  g_assert_cmpint (turn_connect_relay_state (relay), ==, TURN_CONNECT_RELAY_DOWN);
}

static void
test_loss_in_a_call_answers_what_was_asked (void)
{
  g_autoptr (TurnConnectRelay) relay = make_relay_up ();

  server_says (relay, make_message (STUN_EXT_CLASS_SUCCESS, STUN_EXT_METHOD_ALLOCATE, 1, 0, TRUE),
               0);
  turn_connect_lane_sent (turn_connect_relay_to_client (relay),
                          turn_connect_relay_to_client (relay)->length);
  client_says (relay, request (STUN_EXT_METHOD_REFRESH, 2), 10 * S);
  turn_connect_relay_went_down (relay, "the server is gone\r\n\xff", 10 * S);
  assert_refuses (relay, 2, 400, "the server is gone???");
  assert_nothing (turn_connect_relay_to_server (relay));
  client_says (relay, request (STUN_EXT_METHOD_ALLOCATE, 3), 10 * S); /* at once: it had worked */
  g_assert_cmpint (turn_connect_relay_state (relay), ==, TURN_CONNECT_RELAY_WAITING);
}

static void
test_denied_clients_never_get_further (void)
{
  g_autoptr (TurnConnectRelay) relay = make_relay ();

  turn_connect_relay_deny (relay, "wrong password", 0);
  for (guint8 id = 1; id < 5; id++) {
    client_says (relay, request (STUN_EXT_METHOD_ALLOCATE, id), id * 100 * S);
    assert_refuses (relay, id, 400, "wrong password");
    g_assert_cmpint (turn_connect_relay_state (relay), ==, TURN_CONNECT_RELAY_DOWN);
  }
}

static void
test_budget_ends_waiting (void)
{
  g_autoptr (TurnConnectRelay) relay = make_relay ();

  g_assert_cmpint (turn_connect_relay_deadline (relay), ==, G_MAXINT64);
  client_says (relay, request (STUN_EXT_METHOD_ALLOCATE, 1), S);
  turn_connect_relay_set_doing (relay, "waiting for Godot");
  g_assert_cmpint (turn_connect_relay_deadline (relay), ==, S + BUDGET);
  turn_connect_relay_tick (relay, S + BUDGET - 1);
  assert_nothing (turn_connect_relay_to_client (relay));
  g_assert_false (turn_connect_relay_take_overdue (relay));
  turn_connect_relay_tick (relay, S + BUDGET);
  assert_refuses (relay, 1, 400, "within 2.0 s: waiting for Godot");
  g_assert_true (turn_connect_relay_take_overdue (relay));
  g_assert_false (turn_connect_relay_take_overdue (relay));
  g_assert_cmpint (turn_connect_relay_deadline (relay), ==, G_MAXINT64);
  /* What comes up later serves whoever asks then. */
  turn_connect_relay_came_up (relay, 5 * S);
  assert_nothing (turn_connect_relay_to_server (relay));
  client_says (relay, request (STUN_EXT_METHOD_ALLOCATE, 2), 5 * S);
  assert_sends (turn_connect_relay_to_server (relay), request (STUN_EXT_METHOD_ALLOCATE, 2));
}

static void
test_silent_server_is_named (void)
{
  g_autoptr (TurnConnectRelay) relay = make_relay_up ();

  g_assert_cmpint (turn_connect_relay_deadline (relay), ==, BUDGET);
  turn_connect_relay_tick (relay, BUDGET);
  assert_refuses (relay, 1, 400, "does not answer");
  g_assert_true (turn_connect_relay_take_overdue (relay));
  g_assert_cmpint (turn_connect_relay_deadline (relay), ==, KEEPALIVE);
  /* Too late: the client has been told. */
  server_says (relay, make_message (STUN_EXT_CLASS_ERROR, STUN_EXT_METHOD_ALLOCATE, 1, 401, FALSE),
               3 * S);
  assert_nothing (turn_connect_relay_to_client (relay));
}

static void
test_redirection_is_followed_and_not_shown (void)
{
  g_autoptr (TurnConnectRelay) relay = make_relay_up ();
  TurnConnectRelayAlternate alternate;
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

  g_assert_false (turn_connect_relay_take_alternate (relay, &alternate));
  server_says (relay, make_redirect (1, "192.0.2.9:443", "other.example"), 0);
  g_assert_cmpint (turn_connect_relay_state (relay), ==, TURN_CONNECT_RELAY_WAITING);
  g_assert_true (turn_connect_relay_take_alternate (relay, &alternate));
  g_assert_cmpstr (stun_ext_address_print (&alternate.address, text), ==, "192.0.2.9:443");
  g_assert_cmpstr (alternate.domain, ==, "other.example");
  g_assert_false (turn_connect_relay_take_alternate (relay, &alternate));
  assert_nothing (turn_connect_relay_to_client (relay));
  turn_connect_relay_came_up (relay, 0);
  assert_sends (turn_connect_relay_to_server (relay), request (STUN_EXT_METHOD_ALLOCATE, 1));
}

static void
test_circles_of_redirections_end (void)
{
  static const char *const circle[] = { "192.0.2.9:443", "192.0.2.8:443", "192.0.2.9:443", NULL };
  static const char *const chain[] = { "192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1",
                                       "192.0.2.4:1", "192.0.2.5:1", NULL };
  static const char *const *const ways[] = { circle, chain };

  for (gsize i = 0; i < G_N_ELEMENTS (ways); i++) {
    g_autoptr (TurnConnectRelay) relay = make_relay_up ();
    TurnConnectRelayRefusal refusal;

    for (gsize n = 0; ways[i][n] != NULL; n++) {
      turn_connect_relay_came_up (relay, 0);
      server_says (relay, make_redirect (1, ways[i][n], NULL), 0);
    }
    g_assert_cmpint (turn_connect_relay_state (relay), ==, TURN_CONNECT_RELAY_UP);
    assert_refuses (relay, 1, 400, "in a circle");
    g_assert_true (turn_connect_relay_take_refusal (relay, &refusal));
    g_assert_cmpuint (refusal.code, ==, 300);
  }
}

static void
test_redirections_that_cannot_be_followed_are_refusals (void)
{
  static const struct {
    guint16 method;
    const char *address;
    const char *words;
  } rows_of_redirects[] = {
    { STUN_EXT_METHOD_ALLOCATE, NULL, "to no address" },
    { STUN_EXT_METHOD_ALLOCATE, "192.0.2.1:0", "to no address" },
    { STUN_EXT_METHOD_REFRESH, "192.0.2.1:443", "something else than an allocation" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows_of_redirects); i++) {
    g_autoptr (TurnConnectRelay) relay = make_relay ();

    client_says (relay, request (rows_of_redirects[i].method, 1), 0);
    turn_connect_relay_came_up (relay, 0);
    server_says (relay, make_redirect (1, rows_of_redirects[i].address, NULL), 0);
    assert_refuses (relay, 1, 400, rows_of_redirects[i].words);
  }
}

static void
test_refused_allocations_are_told (void)
{
  static const struct {
    guint code;
    gboolean is_signed;
    gboolean is_final;
  } refusals[] = {
    { 401, FALSE, FALSE }, { 401, TRUE, TRUE },  { 438, TRUE, FALSE },
    { 486, TRUE, TRUE },   { 403, FALSE, TRUE }, { 508, TRUE, TRUE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (refusals); i++) {
    g_autoptr (TurnConnectRelay) relay = make_relay ();
    TurnConnectRelayRefusal refusal = { 0 };
    Unit answer =
        make_message (STUN_EXT_CLASS_ERROR, STUN_EXT_METHOD_ALLOCATE, 1, refusals[i].code, FALSE);

    client_says (relay,
                 make_message (STUN_EXT_CLASS_REQUEST, STUN_EXT_METHOD_ALLOCATE, 1, 0,
                               refusals[i].is_signed),
                 0);
    turn_connect_relay_came_up (relay, 0);
    server_says (relay, answer, 0);
    assert_sends (turn_connect_relay_to_client (relay), answer);
    g_assert_cmpint (turn_connect_relay_take_refusal (relay, &refusal), ==, refusals[i].is_final);
    if (refusals[i].is_final) {
      g_assert_cmpuint (refusal.code, ==, refusals[i].code);
      g_assert_cmpstr (refusal.reason, ==, "because");
    }
  }
}

static void
test_keepalives_are_own_and_not_shown (void)
{
  g_autoptr (TurnConnectRelay) relay = make_relay_up ();
  TurnConnectLane *lane = turn_connect_relay_to_server (relay);
  guint8 ids[2][STUN_EXT_TRANSACTION_ID_LENGTH];

  server_says (relay, make_message (STUN_EXT_CLASS_SUCCESS, STUN_EXT_METHOD_ALLOCATE, 1, 0, TRUE),
               0);
  turn_connect_lane_sent (turn_connect_relay_to_client (relay),
                          turn_connect_relay_to_client (relay)->length);
  for (guint i = 0; i < 2; i++) {
    gint64 now = (i + 1) * KEEPALIVE;
    Unit answer;

    g_assert_cmpint (turn_connect_relay_deadline (relay), ==, now);
    g_assert_false (turn_connect_relay_tick (relay, now));
    g_assert_cmpuint (lane->length, ==, STUN_EXT_HEADER_LENGTH);
    g_assert_cmpuint (lane->octets[1], ==, STUN_EXT_METHOD_BINDING);
    memcpy (ids[i], &lane->octets[8], sizeof ids[i]);
    answer = make_message (STUN_EXT_CLASS_SUCCESS, STUN_EXT_METHOD_BINDING, 0, 0, FALSE);
    memcpy (&answer.octets[8], ids[i], sizeof ids[i]);
    turn_connect_lane_sent (lane, lane->length);
    server_says (relay, answer, now + 1);
    assert_nothing (turn_connect_relay_to_client (relay));
  }
  g_assert_cmpint (memcmp (ids[0], ids[1], sizeof ids[0]), !=, 0);
  /* One that answered before and does no more is dead, though not at once. */
  g_assert_false (turn_connect_relay_tick (relay, 3 * KEEPALIVE));
  g_assert_false (turn_connect_relay_tick (relay, 3 * KEEPALIVE + 19 * S));
  g_assert_true (turn_connect_relay_tick (relay, 3 * KEEPALIVE + 20 * S));
}

static void
test_servers_that_never_answer_keepalives_are_kept (void)
{
  g_autoptr (TurnConnectRelay) relay = make_relay_up ();

  server_says (relay, make_message (STUN_EXT_CLASS_SUCCESS, STUN_EXT_METHOD_ALLOCATE, 1, 0, TRUE),
               0);
  for (int i = 1; i < 20; i++) {
    g_assert_false (turn_connect_relay_tick (relay, i * KEEPALIVE));
    g_assert_cmpint (turn_connect_relay_deadline (relay), >, i * KEEPALIVE);
  }
  g_assert_cmpuint (turn_connect_relay_counts (relay)->n_keepalives, ==, 19);
}

static void
test_late_media_is_dropped_and_counted (void)
{
  g_autoptr (TurnConnectRelay) relay = make_relay_up ();
  TurnConnectLane *lane = turn_connect_relay_to_server (relay);

  for (guint8 i = 0; i < 10; i++)
    client_says (relay, make_channel_data (i, 1000), 0);
  client_says (relay, request (STUN_EXT_METHOD_REFRESH, 2), 0);
  turn_connect_relay_shed (relay, lane);
  g_assert_cmpuint (turn_connect_relay_counts (relay)->n_dropped_to_server, ==, 10);
  assert_sends (lane, request (STUN_EXT_METHOD_REFRESH, 2));
}

static void
test_what_is_no_turn_ends_the_stream (void)
{
  static const guint8 tls[] = { 0x16, 0x03, 0x01, 0x02, 0, 1, 0, 0 };
  g_autoptr (TurnConnectRelay) relay = make_relay_up ();

  g_assert_false (turn_connect_relay_from_client (relay, tls, sizeof tls, 0));
  g_assert_false (turn_connect_relay_from_server (relay, tls, sizeof tls, 0));
}

static void
test_requests_without_answer_are_bounded (void)
{
  g_autoptr (TurnConnectRelay) relay = make_relay ();
  TurnConnectLane *lane = turn_connect_relay_to_client (relay);

  for (guint8 id = 0; id < 32; id++)
    client_says (relay, request (STUN_EXT_METHOD_CREATE_PERMISSION, id), 0);
  assert_nothing (lane);
  client_says (relay, request (STUN_EXT_METHOD_CREATE_PERMISSION, 99), 0);
  assert_refuses (relay, 99, 400, "too many");
}

#define ADD(name, function) g_test_add_func ("/turn-connect/turn-relay/" name, function)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("every-pair-of-state-and-event", test_every_pair_of_state_and_event);
  ADD ("requests-wait-and-are-sent-once", test_requests_wait_and_are_sent_once);
  ADD ("octets-pass-however-they-are-cut", test_octets_pass_however_they_are_cut);
  ADD ("failure-answers-what-waits-and-what-comes", test_failure_answers_what_waits_and_what_comes);
  ADD ("who-does-not-believe-400-gets-300", test_who_does_not_believe_400_gets_300);
  ADD ("loss-in-a-call-answers-what-was-asked", test_loss_in_a_call_answers_what_was_asked);
  ADD ("denied-clients-never-get-further", test_denied_clients_never_get_further);
  ADD ("budget-ends-waiting", test_budget_ends_waiting);
  ADD ("silent-server-is-named", test_silent_server_is_named);
  ADD ("redirection-is-followed-and-not-shown", test_redirection_is_followed_and_not_shown);
  ADD ("circles-of-redirections-end", test_circles_of_redirections_end);
  ADD ("redirections-that-cannot-be-followed-are-refusals",
       test_redirections_that_cannot_be_followed_are_refusals);
  ADD ("refused-allocations-are-told", test_refused_allocations_are_told);
  ADD ("keepalives-are-own-and-not-shown", test_keepalives_are_own_and_not_shown);
  ADD ("servers-that-never-answer-keepalives-are-kept",
       test_servers_that_never_answer_keepalives_are_kept);
  ADD ("late-media-is-dropped-and-counted", test_late_media_is_dropped_and_counted);
  ADD ("what-is-no-turn-ends-the-stream", test_what_is_no_turn_ends_the_stream);
  ADD ("requests-without-answer-are-bounded", test_requests_without_answer_are_bounded);
  return g_test_run ();
}
