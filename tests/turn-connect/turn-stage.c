/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An allocation and the clock it is given, so that a test can play the server and let hours pass. The
 * random numbers are a counter.
 */
#include "turn-stage.h"

#include <string.h>

static void
count (guint8 *octets, gsize length, gpointer user_data)
{
  Stage *stage = user_data;

  memset (octets, 0, length);
  octets[0] = (guint8)(++stage->counter >> 8);
  octets[1] = (guint8)stage->counter;
}

const TurnConnectWishes stage_usual_wishes = {
  .families = TURN_CONNECT_FAMILY_IPV4,
  .algorithms = STUN_EXT_ALGORITHMS_MD5 | STUN_EXT_ALGORITHMS_SHA256,
};

void
stage_connect (Stage *stage, TurnConnectLinkFlags flags)
{
  turn_connect_allocation_connected (stage->allocation, "the TURN server turn.test:3478",
                                     flags | TURN_CONNECT_LINK_IS_SAME, stage->now_us);
}

void
stage_set_login (Stage *stage, const char *user, const char *password)
{
  g_autoptr (TurnConnectLogin) login = turn_connect_login_new (user, password, NULL);

  turn_connect_allocation_set_login (stage->allocation, login, stage->now_us);
}

void
stage_open (Stage *stage, const TurnConnectWishes *wishes, TurnConnectLinkFlags flags)
{
  *stage = (Stage){ .now_us = S (1000) };
  stage->allocation =
      turn_connect_allocation_new (wishes != NULL ? wishes : &stage_usual_wishes, count, stage);
  stage_set_login (stage, MOCK_USER, MOCK_PASSWORD);
  stage_connect (stage, flags);
}

void
stage_close (Stage *stage)
{
  g_clear_pointer (&stage->allocation, turn_connect_allocation_free);
  g_clear_pointer (&stage->output, g_bytes_unref);
  g_clear_pointer (&stage->event, turn_connect_event_free);
}

/* The next message sent; FALSE if there is none. */
gboolean
stage_take_output (Stage *stage)
{
  gsize length;
  const guint8 *data;

  g_clear_pointer (&stage->output, g_bytes_unref);
  stage->output = turn_connect_allocation_take_output (stage->allocation);
  if (stage->output == NULL)
    return FALSE;
  data = g_bytes_get_data (stage->output, &length);
  g_assert_cmpint (stun_ext_message_parse (&stage->request, data, length), ==, STUN_EXT_PARSE_OK);
  return TRUE;
}

gboolean
stage_take_event (Stage *stage)
{
  g_clear_pointer (&stage->event, turn_connect_event_free);
  stage->event = turn_connect_allocation_take_event (stage->allocation);
  return stage->event != NULL;
}

TurnConnectTook
stage_give (Stage *stage, const MockMessage *message, TurnConnectReceived *received)
{
  TurnConnectReceived unwanted;

  return turn_connect_allocation_receive (stage->allocation, message->octets, message->length,
                                          stage->now_us, received != NULL ? received : &unwanted);
}

/* Lets time pass, ticking when it was asked for. */
void
stage_pass (Stage *stage, gint64 us)
{
  gint64 until = stage->now_us + us;

  while (turn_connect_allocation_next (stage->allocation) <= until) {
    stage->now_us = MAX (stage->now_us, turn_connect_allocation_next (stage->allocation));
    turn_connect_allocation_tick (stage->allocation, stage->now_us);
  }
  stage->now_us = until;
}

void
stage_challenge (Stage *stage)
{
  MockMessage message;

  g_assert_false (mock_is_signed (&stage->request));
  mock_challenge (&message, &stage->request, 401, "nonce-1");
  stage_give (stage, &message, NULL);
}

/* Up to the signed Allocate, which is then stage->request. */
void
stage_come_to_signed (Stage *stage)
{
  expect_request (stage, ALLOCATE);
  stage_challenge (stage);
  expect_request (stage, ALLOCATE);
  g_assert_true (mock_is_signed (&stage->request));
}

void
stage_come_up (Stage *stage, const MockAllocated *allocated)
{
  MockMessage message;

  stage_come_to_signed (stage);
  mock_allocated (&message, &stage->request, allocated != NULL ? allocated : &mock_usual,
                  MOCK_SIGNED);
  stage_give (stage, &message, NULL);
  expect_event (stage, UP);
  g_assert_true (stage->event->is_new);
  expect_state (stage, UP);
}

void
stage_answer_success (Stage *stage)
{
  MockMessage message;

  mock_success (&message, &stage->request, MOCK_SIGNED);
  stage_give (stage, &message, NULL);
}

void
stage_answer_error (Stage *stage, guint code)
{
  MockMessage message;

  mock_error (&message, &stage->request, code, MOCK_SIGNED);
  stage_give (stage, &message, NULL);
}
