/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How an allocation is kept, carried over to another connection and given back, without sockets. */
#include "turn-stage.h"

#include <string.h>

/* Refresh. */

static void
test_allocation_is_refreshed_a_minute_before_its_end (void)
{
  g_auto (Stage) stage = { 0 };
  MockMessage message;
  guint32 lifetime_s;

  stage_open (&stage, NULL, STREAM);
  stage_come_up (&stage, NULL);
  for (guint i = 0; i < 3; i++) {
    stage_pass (&stage, S (540) - 1);
    expect_no_output (&stage);
    stage_pass (&stage, 1);
    expect_request (&stage, REFRESH);
    g_assert_true (mock_is_signed (&stage.request));
    g_assert_cmpint (
        stun_ext_message_get_u32 (&stage.request, STUN_EXT_ATTRIBUTE_LIFETIME, &lifetime_s), ==,
        STUN_EXT_GET_OK);
    g_assert_cmpuint (lifetime_s, ==, 600);
    mock_lifetime (&message, &stage.request, 600, NULL);
    stage_give (&stage, &message, NULL);
  }
  expect_no_event (&stage);
  expect_state (&stage, UP);
}

static void
test_short_and_boundless_lifetimes_are_refreshed_in_time (void)
{
  static const struct {
    gint lifetime_s;
    gint64 refresh_s;
  } rows[] = { { 1, 0 }, { 30, 15 }, { 100, 50 }, { G_MAXINT, 86340 } };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    MockAllocated allocated = mock_usual;
    g_auto (Stage) stage = { 0 };

    allocated.lifetime_s = rows[i].lifetime_s;
    stage_open (&stage, NULL, STREAM);
    stage_come_up (&stage, &allocated);
    g_assert_cmpint (turn_connect_allocation_next (stage.allocation) - stage.now_us, >=,
                     S (rows[i].refresh_s));
    g_assert_cmpint (turn_connect_allocation_next (stage.allocation) - stage.now_us, <=,
                     S (rows[i].refresh_s + 1));
  }
}

static void
test_lost_allocation_is_told (void)
{
  g_auto (Stage) stage = { 0 };

  stage_open (&stage, NULL, STREAM);
  stage_come_up (&stage, NULL);
  stage_pass (&stage, S (540));
  expect_request (&stage, REFRESH);
  stage_answer_error (&stage, 437);
  expect_event (&stage, DOWN);
  expect_error (&stage, TURN_MISMATCH);
  g_assert_true (turn_connect_error_may_pass (stage.event->error));
}

static void
test_refused_refresh_is_tried_again_until_the_end (void)
{
  g_auto (Stage) stage = { 0 };
  guint n = 0;

  stage_open (&stage, NULL, STREAM);
  stage_come_up (&stage, NULL);
  stage_pass (&stage, S (540));
  while (stage_take_output (&stage)) {
    n++;
    stage_answer_error (&stage, 500);
    stage_pass (&stage, S (10));
  }
  g_assert_cmpuint (n, ==, 6);
  expect_event (&stage, DOWN);
  g_assert_cmpuint (turn_connect_error_get_turn_code (stage.event->error), ==, 500);
  g_assert_cmpint (turn_connect_error_get_step (stage.event->error), ==, TURN_CONNECT_STEP_REFRESH);
}

static void
test_new_password_rescues_a_refused_refresh_at_once (void)
{
  g_auto (Stage) stage = { 0 };
  MockMessage message;

  stage_open (&stage, NULL, STREAM);
  stage_set_login (&stage, MOCK_USER, MOCK_PASSWORD);
  stage_come_up (&stage, NULL);
  stage_pass (&stage, S (540));
  expect_request (&stage, REFRESH);
  mock_challenge (&message, &stage.request, 401, "nonce-9"); /* changed at the server */
  stage_give (&stage, &message, NULL);
  expect_no_event (&stage);
  stage_set_login (&stage, MOCK_USER, "other");
  turn_connect_allocation_tick (stage.allocation, stage.now_us);
  expect_request (&stage, REFRESH);
  g_assert_false (mock_is_signed (&stage.request));
}

static void
test_other_user_falls_back_to_the_owner (void)
{
  g_auto (Stage) stage = { 0 };
  MockMessage message;
  StunExtBuilder builder;

  stage_open (&stage, NULL, STREAM);
  stage_come_up (&stage, NULL);
  stage_set_login (&stage, "bob", MOCK_PASSWORD);
  stage_pass (&stage, S (540));
  expect_request (&stage, REFRESH); /* bob's */
  g_assert_false (mock_is_signed (&stage.request));
  stun_ext_builder_begin_error (&builder, message.octets, sizeof message.octets, &stage.request,
                                441);
  mock_finish (&message, &builder, MOCK_SIGNED, "bob");
  stage_give (&stage, &message, NULL);
  expect_request (&stage, REFRESH); /* alice's */
  g_assert_true (mock_is_signed (&stage.request));
  mock_lifetime (&message, &stage.request, 600, NULL);
  stage_give (&stage, &message, NULL);
  expect_no_event (&stage);
  /* The next allocation is bob's. */
  turn_connect_allocation_disconnected (stage.allocation);
  stage_connect (&stage, STREAM);
  expect_request (&stage, ALLOCATE);
  g_assert_false (mock_is_signed (&stage.request));
  g_assert_cmpint (stun_ext_message_integrity (&stage.request), ==, STUN_EXT_INTEGRITY_SHA1);
}

static void
test_silence_is_noticed_by_asking (void)
{
  TurnConnectWishes wishes = stage_usual_wishes;
  g_auto (Stage) stage = { 0 };
  MockMessage message;

  wishes.keepalive_s = 25;
  stage_open (&stage, &wishes, STREAM);
  stage_come_up (&stage, NULL);
  for (guint i = 0; i < 4; i++) {
    stage_pass (&stage, S (25) - 1);
    expect_no_output (&stage);
    stage_pass (&stage, 1);
    expect_request (&stage, BINDING);
    mock_error (&message, &stage.request, 403, MOCK_UNSIGNED); /* any answer will do */
    stage_give (&stage, &message, NULL);
  }
  stage_pass (&stage, S (25));
  expect_request (&stage, BINDING);
  stage_pass (&stage, S (SILENCE_S));
  expect_event (&stage, DOWN);
  expect_error (&stage, TIMED_OUT);
}

static void
test_leaving_gives_it_back (void)
{
  static const guint codes[] = { 0, 437, 500 };

  for (guint i = 0; i < G_N_ELEMENTS (codes); i++) {
    g_auto (Stage) stage = { 0 };
    MockMessage message;
    guint32 lifetime_s;

    stage_open (&stage, NULL, DATAGRAMS);
    stage_come_up (&stage, NULL);
    turn_connect_allocation_leave (stage.allocation, stage.now_us);
    expect_request (&stage, REFRESH);
    g_assert_cmpint (
        stun_ext_message_get_u32 (&stage.request, STUN_EXT_ATTRIBUTE_LIFETIME, &lifetime_s), ==,
        STUN_EXT_GET_OK);
    g_assert_cmpuint (lifetime_s, ==, 0);
    if (codes[i] == 0) {
      mock_lifetime (&message, &stage.request, 0, NULL);
      stage_give (&stage, &message, NULL);
    } else
      stage_answer_error (&stage, codes[i]);
    expect_event (&stage, GONE);
    expect_state (&stage, GONE);
  }
}

/* Mobility. */

static void
test_ticket_carries_the_allocation_over (void)
{
  MockAllocated allocated = mock_usual;
  TurnConnectWishes wishes = stage_usual_wishes;
  StunExtAddress peer = mock_address ("203.0.113.5:4000");
  g_auto (Stage) stage = { 0 };
  MockMessage message;
  StunExtSpan ticket;
  guint16 number;

  wishes.is_mobile = TRUE;
  allocated.ticket = "ticket-1";
  stage_open (&stage, &wishes, STREAM);
  stage_come_up (&stage, &allocated);
  turn_connect_allocation_bind (stage.allocation, &peer, 7, stage.now_us);
  expect_request (&stage, CREATE_PERMISSION);
  stage_answer_success (&stage);
  expect_request (&stage, CHANNEL_BIND);
  stage_answer_success (&stage);
  expect_event (&stage, DONE);
  number = stage.event->channel;
  turn_connect_allocation_disconnected (stage.allocation);
  stage_connect (&stage, STREAM);
  expect_state (&stage, RESUMING);
  expect_request (&stage, REFRESH);
  g_assert_cmpint (
      stun_ext_message_get_data (&stage.request, STUN_EXT_ATTRIBUTE_MOBILITY_TICKET, &ticket), ==,
      STUN_EXT_GET_OK);
  g_assert_cmpmem (ticket.data, ticket.length, "ticket-1", 8);
  mock_challenge (&message, &stage.request, 438, "nonce-of-the-new-connection");
  stage_give (&stage, &message, NULL);
  expect_request (&stage, REFRESH);
  g_assert_cmpint (
      stun_ext_message_get_data (&stage.request, STUN_EXT_ATTRIBUTE_MOBILITY_TICKET, &ticket), ==,
      STUN_EXT_GET_OK);
  g_assert_cmpmem (ticket.data, ticket.length, "ticket-1", 8);
  mock_lifetime (&message, &stage.request, 600, "ticket-2");
  stage_give (&stage, &message, NULL);
  expect_event (&stage, UP);
  g_assert_false (stage.event->is_new);
  /* Data goes at once, and what may have grown old is renewed. */
  mock_channel_data (&message, number, "x");
  g_assert_cmpint (stage_give (&stage, &message, &(TurnConnectReceived){ 0 }), ==,
                   TURN_CONNECT_TOOK_PACKET);
  turn_connect_allocation_tick (stage.allocation, stage.now_us);
  expect_request (&stage, CREATE_PERMISSION);
  expect_request (&stage, CHANNEL_BIND);
}

static void
test_refused_ticket_leads_to_a_new_allocation (void)
{
  static const guint codes[] = { 400, 403, 405, 437, 500 };

  for (guint i = 0; i < G_N_ELEMENTS (codes); i++) {
    MockAllocated allocated = mock_usual;
    TurnConnectWishes wishes = stage_usual_wishes;
    g_auto (Stage) stage = { 0 };
    MockMessage message;

    wishes.is_mobile = TRUE;
    allocated.ticket = "ticket-1";
    stage_open (&stage, &wishes, STREAM);
    stage_come_up (&stage, &allocated);
    turn_connect_allocation_disconnected (stage.allocation);
    stage_connect (&stage, STREAM);
    expect_request (&stage, REFRESH);
    stage_answer_error (&stage, codes[i]);
    expect_request (&stage, ALLOCATE);
    mock_allocated (&message, &stage.request, &allocated, MOCK_SIGNED);
    stage_give (&stage, &message, NULL);
    expect_event (&stage, UP);
    g_assert_true (stage.event->is_new);
  }
}

static void
test_ticket_is_not_shown_to_another_server_or_after_its_time (void)
{
  for (guint i = 0; i < 2; i++) {
    MockAllocated allocated = mock_usual;
    TurnConnectWishes wishes = stage_usual_wishes;
    g_auto (Stage) stage = { 0 };

    wishes.is_mobile = TRUE;
    allocated.ticket = "ticket-1";
    stage_open (&stage, &wishes, STREAM);
    stage_come_up (&stage, &allocated);
    turn_connect_allocation_disconnected (stage.allocation);
    stage.now_us += i == 0 ? 0 : S (601);
    turn_connect_allocation_connected (stage.allocation, "another",
                                       i != 0 ? STREAM | TURN_CONNECT_LINK_IS_SAME : STREAM,
                                       stage.now_us);
    expect_request (&stage, ALLOCATE);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add_func ("/turn-connect/turn-allocation-kept/" name, function)
  ADD ("refresh/comes-a-minute-before-the-end",
       test_allocation_is_refreshed_a_minute_before_its_end);
  ADD ("refresh/comes-in-time-for-short-and-boundless-lifetimes",
       test_short_and_boundless_lifetimes_are_refreshed_in_time);
  ADD ("refresh/tells-a-lost-allocation", test_lost_allocation_is_told);
  ADD ("refresh/refused-is-tried-again-until-the-end",
       test_refused_refresh_is_tried_again_until_the_end);
  ADD ("refresh/new-password-rescues-at-once", test_new_password_rescues_a_refused_refresh_at_once);
  ADD ("refresh/other-user-falls-back-to-the-owner", test_other_user_falls_back_to_the_owner);
  ADD ("silence-is-noticed-by-asking", test_silence_is_noticed_by_asking);
  ADD ("leaving-gives-it-back", test_leaving_gives_it_back);
  ADD ("mobility/ticket-carries-the-allocation-over", test_ticket_carries_the_allocation_over);
  ADD ("mobility/refused-ticket-leads-to-a-new-allocation",
       test_refused_ticket_leads_to_a_new_allocation);
  ADD ("mobility/ticket-is-not-shown-to-another-server-or-after-its-time",
       test_ticket_is_not_shown_to_another_server_or_after_its_time);
  return g_test_run ();
}
