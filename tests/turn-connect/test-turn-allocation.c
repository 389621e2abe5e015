/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How an allocation is asked for, without sockets: every answer, every timer, every truncation. */
#include "turn-stage.h"

#include <string.h>

/* Allocate. */

typedef struct {
  const char *name;
  guint code;
  TurnConnectError error;
} Refusal;

static const Refusal refusals[] = {
  { "300-without-a-server", 300, TURN_CONNECT_ERROR_TURN_REDIRECT },
  { "400", 400, TURN_CONNECT_ERROR_TURN_REFUSED },
  { "403", 403, TURN_CONNECT_ERROR_TURN_FORBIDDEN },
  { "420", 420, TURN_CONNECT_ERROR_TURN_REFUSED },
  { "437", 437, TURN_CONNECT_ERROR_TURN_MISMATCH },
  { "440", 440, TURN_CONNECT_ERROR_TURN_FAMILY },
  { "441", 441, TURN_CONNECT_ERROR_TURN_WRONG_USER },
  { "442", 442, TURN_CONNECT_ERROR_TURN_TRANSPORT },
  { "443", 443, TURN_CONNECT_ERROR_TURN_FAMILY },
  { "486", 486, TURN_CONNECT_ERROR_TURN_QUOTA },
  { "500", 500, TURN_CONNECT_ERROR_TURN_REFUSED },
  { "508", 508, TURN_CONNECT_ERROR_TURN_CAPACITY },
  { "699", 699, TURN_CONNECT_ERROR_TURN_REFUSED },
};

static void
test_allocate_refused (gconstpointer data)
{
  const Refusal *refusal = data;
  g_auto (Stage) stage = { 0 };

  stage_open (&stage, NULL, DATAGRAMS);
  stage_come_to_signed (&stage);
  stage_answer_error (&stage, refusal->code);
  expect_event (&stage, DOWN);
  g_assert_error (stage.event->error, TURN_CONNECT_ERROR, (int)refusal->error);
  g_assert_cmpuint (turn_connect_error_get_turn_code (stage.event->error), ==, refusal->code);
  g_assert_cmpint (turn_connect_error_get_step (stage.event->error), ==,
                   TURN_CONNECT_STEP_ALLOCATE);
  g_assert_nonnull (strstr (stage.event->error->message, "turn.test:3478"));
  expect_state (&stage, DOWN);
  expect_no_output (&stage);
  g_assert_cmpint (turn_connect_allocation_next (stage.allocation), ==, G_MAXINT64);
}

static void
test_refusal_without_proof_counts_over_a_stream_only (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++)
    for (guint is_stream = 0; is_stream < 2; is_stream++)
      for (MockProof proof = MOCK_UNSIGNED; proof <= MOCK_FORGED; proof++) {
        g_auto (Stage) stage = { 0 };
        MockMessage message;

        stage_open (&stage, NULL, is_stream ? STREAM : DATAGRAMS);
        stage_come_to_signed (&stage);
        mock_error (&message, &stage.request, refusals[i].code, proof);
        stage_give (&stage, &message, NULL);
        if (is_stream && proof == MOCK_UNSIGNED && refusals[i].code != 300) {
          expect_event (&stage, DOWN);
          g_assert_error (stage.event->error, TURN_CONNECT_ERROR, (int)refusals[i].error);
          continue;
        }
        expect_no_event (&stage);
        expect_state (&stage, ASKING);
        stage_pass (&stage, S (SILENCE_S));
        expect_event (&stage, DOWN);
        expect_error (&stage, TIMED_OUT);
        g_assert_nonnull (strstr (stage.event->error->message, "without proof"));
      }
}

static void
test_wrong_password_is_said_after_one_try (void)
{
  g_auto (Stage) stage = { 0 };
  MockMessage message;

  stage_open (&stage, NULL, DATAGRAMS);
  stage_come_to_signed (&stage);
  mock_challenge (&message, &stage.request, 401, "nonce-2");
  stage_give (&stage, &message, NULL);
  expect_event (&stage, DOWN);
  expect_error (&stage, TURN_UNAUTHORIZED);
  expect_no_output (&stage);
}

static void
test_missing_credentials_are_asked_for (void)
{
  g_auto (Stage) stage = { 0 };

  stage_open (&stage, NULL, DATAGRAMS);
  turn_connect_allocation_set_login (stage.allocation, NULL, stage.now_us);
  expect_request (&stage, ALLOCATE);
  stage_challenge (&stage);
  expect_event (&stage, DOWN);
  expect_error (&stage, TURN_CREDENTIALS_NEEDED);
}

static void
test_server_without_authentication_will_do (void)
{
  g_auto (Stage) stage = { 0 };
  MockMessage message;

  stage_open (&stage, NULL, DATAGRAMS);
  expect_request (&stage, ALLOCATE);
  mock_allocated (&message, &stage.request, &mock_usual, MOCK_UNSIGNED);
  stage_give (&stage, &message, NULL);
  expect_event (&stage, UP);
}

static void
test_stale_nonce_is_renewed_but_not_for_ever (void)
{
  g_auto (Stage) stage = { 0 };
  MockMessage message;
  guint n = 0;

  stage_open (&stage, NULL, DATAGRAMS);
  stage_come_to_signed (&stage);
  do {
    g_autofree char *nonce = g_strdup_printf ("stale-%u", n++);

    mock_challenge (&message, &stage.request, 438, nonce);
    stage_give (&stage, &message, NULL);
  } while (stage_take_output (&stage));
  g_assert_cmpuint (n, ==, 5);
  expect_event (&stage, DOWN);
  expect_error (&stage, TURN_REFUSED);
  g_assert_cmpuint (turn_connect_error_get_turn_code (stage.event->error), ==, 438);
}

static void
test_bid_down_is_not_answered (void)
{
  g_auto (Stage) stage = { 0 };
  MockMessage message;

  stage_open (&stage, NULL, DATAGRAMS);
  expect_request (&stage, ALLOCATE);
  /* The nonce says that there are PASSWORD-ALGORITHMS, RFC 8489 section 9.2. */
  mock_challenge (&message, &stage.request, 401, "obMatJos2gAAAnonce");
  stage_give (&stage, &message, NULL);
  expect_event (&stage, DOWN);
  expect_error (&stage, TURN_BID_DOWN);
  expect_no_output (&stage);
}

static void
test_sha256_is_taken_where_offered (void)
{
  g_auto (Stage) stage = { 0 };
  MockMessage message;
  StunExtBuilder builder;
  StunExtKey key;
  StunExtPasswordAlgorithm algorithm;

  stage_open (&stage, NULL, DATAGRAMS);
  expect_request (&stage, ALLOCATE);
  stun_ext_builder_begin_error (&builder, message.octets, sizeof message.octets, &stage.request,
                                401);
  stun_ext_builder_add_text (&builder, STUN_EXT_ATTRIBUTE_REALM, MOCK_REALM);
  stun_ext_builder_add_text (&builder, STUN_EXT_ATTRIBUTE_NONCE, "obMatJos2gAAAnonce");
  stun_ext_builder_add_password_algorithms (&builder,
                                            STUN_EXT_ALGORITHMS_MD5 | STUN_EXT_ALGORITHMS_SHA256);
  mock_finish (&message, &builder, MOCK_UNSIGNED, NULL);
  stage_give (&stage, &message, NULL);
  expect_request (&stage, ALLOCATE);
  g_assert_cmpint (stun_ext_message_get_password_algorithm (&stage.request, &algorithm), ==,
                   STUN_EXT_GET_OK);
  g_assert_cmpint (algorithm, ==, STUN_EXT_PASSWORD_ALGORITHM_SHA256);
  g_assert_true (stun_ext_key_long_term (&key, STUN_EXT_PASSWORD_ALGORITHM_SHA256, MOCK_USER,
                                         MOCK_REALM, MOCK_PASSWORD, NULL));
  g_assert_cmpint (stun_ext_integrity_verify (&stage.request, STUN_EXT_INTEGRITY_SHA256, 32,
                                              stun_ext_key_span (&key)),
                   ==, STUN_EXT_VERDICT_VALID);
  /* An answer with the weaker integrity alone is not believed. */
  stun_ext_builder_begin_success (&builder, message.octets, sizeof message.octets, &stage.request);
  g_assert_true (stun_ext_builder_finish (&builder, STUN_EXT_INTEGRITY_SHA1,
                                          stun_ext_key_span (&key), TRUE, &message.length));
  stage_give (&stage, &message, NULL);
  expect_no_event (&stage);
}

typedef struct {
  const char *name;
  MockAllocated allocated;
} Lacking;

static const Lacking lackings[] = {
  { "no-relayed-address", { NULL, NULL, "198.51.100.7:4000", 600 } },
  { "no-mapped-address", { "192.0.2.1:50000", NULL, NULL, 600 } },
  { "no-lifetime", { "192.0.2.1:50000", NULL, "198.51.100.7:4000", -1 } },
  { "lifetime-0", { "192.0.2.1:50000", NULL, "198.51.100.7:4000", 0 } },
  { "port-0", { "192.0.2.1:0", NULL, "198.51.100.7:4000", 600 } },
  { "a-family-nobody-asked-for", { "[2001:db8::1]:50000", NULL, "198.51.100.7:4000", 600 } },
  { "twice-the-same-family", { "192.0.2.1:50000", "192.0.2.2:50000", "198.51.100.7:4000", 600 } },
};

static void
test_allocate_answer_that_lacks (gconstpointer data)
{
  const Lacking *lacking = data;
  g_auto (Stage) stage = { 0 };
  MockMessage message;

  stage_open (&stage, NULL, STREAM);
  stage_come_to_signed (&stage);
  mock_allocated (&message, &stage.request, &lacking->allocated, MOCK_SIGNED);
  stage_give (&stage, &message, NULL);
  expect_event (&stage, DOWN);
  expect_error (&stage, TURN_PROTOCOL);
}

static void
test_truncated_and_changed_answers_change_nothing (void)
{
  g_auto (Stage) stage = { 0 };
  TurnConnectReceived received;
  MockMessage message;

  stage_open (&stage, NULL, DATAGRAMS);
  stage_come_to_signed (&stage);
  mock_allocated (&message, &stage.request, &mock_usual, MOCK_SIGNED);
  for (gsize n = 0; n < message.length; n++) {
    g_autofree guint8 *cut = g_memdup2 (message.octets, n);

    g_assert_cmpint (
        turn_connect_allocation_receive (stage.allocation, cut, n, stage.now_us, &received), ==,
        TURN_CONNECT_TOOK_NOTHING);
  }
  for (gsize n = 0; n < message.length - 8; n++) { /* nothing covers the header of FINGERPRINT */
    MockMessage changed = message;

    changed.octets[n] ^= 0x55;
    stage_give (&stage, &changed, NULL);
  }
  expect_no_event (&stage);
  expect_no_output (&stage);
  expect_state (&stage, ASKING);
  stage_give (&stage, &message, NULL);
  expect_event (&stage, UP);
  stage_give (&stage, &message, NULL); /* again: its transaction is over */
  expect_no_event (&stage);
}

static void
test_answer_of_a_wrong_key_or_method_is_ignored (void)
{
  g_auto (Stage) stage = { 0 };
  StunExtMessage other;
  MockMessage message;

  stage_open (&stage, NULL, STREAM);
  stage_come_to_signed (&stage);
  mock_allocated (&message, &stage.request, &mock_usual, MOCK_FORGED);
  stage_give (&stage, &message, NULL);
  mock_allocated (&message, &stage.request, &mock_usual, MOCK_UNSIGNED);
  stage_give (&stage, &message, NULL);
  other = stage.request;
  other.method = STUN_EXT_METHOD_REFRESH;
  mock_lifetime (&message, &other, 600, NULL);
  stage_give (&stage, &message, NULL);
  expect_no_event (&stage);
  expect_state (&stage, ASKING);
  g_assert_cmpuint (turn_connect_allocation_get_ignored (stage.allocation), ==, 3);
}

static void
test_requests_repeat_over_udp_and_not_over_streams (void)
{
  static const gint64 at_ms[] = { 0, 500, 1500, 3500, 7500, 15500, 31500 };

  for (guint is_stream = 0; is_stream < 2; is_stream++) {
    g_auto (Stage) stage = { 0 };
    g_autoptr (GBytes) first = NULL;
    gint64 begun;

    stage_open (&stage, NULL, is_stream ? STREAM : DATAGRAMS);
    begun = stage.now_us;
    expect_request (&stage, ALLOCATE);
    first = g_bytes_ref (stage.output);
    for (guint i = 1; i < G_N_ELEMENTS (at_ms) && !is_stream; i++) {
      g_assert_cmpint (turn_connect_allocation_next (stage.allocation), ==,
                       begun + at_ms[i] * 1000);
      stage_pass (&stage, begun + at_ms[i] * 1000 - 1 - stage.now_us);
      expect_no_output (&stage);
      stage_pass (&stage, 1);
      expect_request (&stage, ALLOCATE);
      g_assert_true (g_bytes_equal (first, stage.output));
    }
    g_assert_cmpint (turn_connect_allocation_next (stage.allocation), ==, begun + S (SILENCE_S));
    expect_no_event (&stage);
    stage_pass (&stage, begun + S (SILENCE_S) - stage.now_us);
    expect_event (&stage, DOWN);
    expect_error (&stage, TIMED_OUT);
    expect_no_output (&stage);
    g_assert_cmpuint (turn_connect_allocation_get_retransmitted (stage.allocation), ==,
                      is_stream ? 0 : 6);
  }
}

static void
test_late_timer_does_not_bunch_repetitions (void)
{
  g_auto (Stage) stage = { 0 };

  stage_open (&stage, NULL, DATAGRAMS);
  expect_request (&stage, ALLOCATE);
  stage.now_us += S (30); /* the machine slept */
  turn_connect_allocation_tick (stage.allocation, stage.now_us);
  expect_request (&stage, ALLOCATE);
  turn_connect_allocation_tick (stage.allocation, stage.now_us);
  expect_no_output (&stage);
}

/* A server that redirects before it knows who is asking. */
static void
test_redirect_without_proof_is_followed_where_it_is_believed (void)
{
  static const struct {
    TurnConnectLinkFlags flags;
    gboolean believes;
    gboolean is_followed;
  } rows[] = {
    { DATAGRAMS, FALSE, FALSE },
    { STREAM, FALSE, FALSE },
    { DATAGRAMS, TRUE, TRUE },
    { STREAM, TRUE, TRUE },
    { TURN_CONNECT_LINK_IS_VERIFIED, FALSE, TRUE },
    { STREAM | TURN_CONNECT_LINK_IS_VERIFIED, FALSE, TRUE },
  };
  StunExtAddress server = mock_address ("203.0.113.9:5349");

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    TurnConnectWishes wishes = stage_usual_wishes;
    g_auto (Stage) stage = { 0 };
    MockMessage message;

    wishes.believes_redirects = rows[i].believes;
    stage_open (&stage, &wishes, rows[i].flags);
    expect_request (&stage, ALLOCATE);
    mock_redirect (&message, &stage.request, &server, "other.test", MOCK_UNSIGNED);
    stage_give (&stage, &message, NULL);
    if (rows[i].is_followed) {
      expect_event (&stage, REDIRECT);
      g_assert_true (stun_ext_address_equal (&stage.event->peer, &server));
      g_assert_cmpstr (stage.event->domain, ==, "other.test");
    } else {
      if ((rows[i].flags & STREAM) == 0) {
        expect_no_event (&stage);
        stage_pass (&stage, S (3.5) - 1);
        expect_no_event (&stage);
        stage_pass (&stage, 1);
      }
      expect_event (&stage, DOWN);
      expect_error (&stage, TURN_REDIRECT);
      g_assert_cmpuint (turn_connect_error_get_turn_code (stage.event->error), ==, 300);
      g_assert_nonnull (strstr (stage.event->error->message, "did not prove it"));
    }
    expect_state (&stage, DOWN);
  }
}

/* Whoever forges one can race the server, but not keep its answer away. */
static void
test_forged_redirect_loses_to_the_answer (void)
{
  StunExtAddress server = mock_address ("203.0.113.9:5349");
  g_auto (Stage) stage = { 0 };
  MockMessage message;

  stage_open (&stage, NULL, DATAGRAMS);
  expect_request (&stage, ALLOCATE);
  mock_redirect (&message, &stage.request, &server, NULL, MOCK_UNSIGNED);
  stage_give (&stage, &message, NULL);
  expect_no_event (&stage);
  stage_challenge (&stage);
  expect_request (&stage, ALLOCATE);
  mock_allocated (&message, &stage.request, &mock_usual, MOCK_SIGNED);
  stage_give (&stage, &message, NULL);
  expect_event (&stage, UP);
}

static void
test_proven_redirect_is_told_with_server_and_domain (void)
{
  StunExtAddress server = mock_address ("203.0.113.9:5349");
  g_auto (Stage) stage = { 0 };
  MockMessage message;

  stage_open (&stage, NULL, DATAGRAMS);
  stage_come_to_signed (&stage);
  mock_redirect (&message, &stage.request, &server, "other.test", MOCK_SIGNED);
  stage_give (&stage, &message, NULL);
  expect_event (&stage, REDIRECT);
  g_assert_true (stun_ext_address_equal (&stage.event->peer, &server));
  g_assert_cmpstr (stage.event->domain, ==, "other.test");
  expect_state (&stage, DOWN);
}

static void
test_redirect_without_proof_is_not_followed_once_signed (void)
{
  StunExtAddress server = mock_address ("203.0.113.9:5349");
  TurnConnectWishes wishes = stage_usual_wishes;

  wishes.believes_redirects = TRUE;
  for (MockProof proof = MOCK_UNSIGNED; proof <= MOCK_FORGED; proof++) {
    g_auto (Stage) stage = { 0 };
    MockMessage message;

    stage_open (&stage, &wishes, STREAM | TURN_CONNECT_LINK_IS_VERIFIED);
    stage_come_to_signed (&stage);
    mock_redirect (&message, &stage.request, &server, NULL, proof);
    stage_give (&stage, &message, NULL);
    expect_no_event (&stage);
    expect_state (&stage, ASKING);
  }
}

static void
test_mobility_forbidden_is_done_without (void)
{
  TurnConnectWishes wishes = stage_usual_wishes;
  g_auto (Stage) stage = { 0 };

  wishes.is_mobile = TRUE;
  stage_open (&stage, &wishes, DATAGRAMS);
  stage_come_to_signed (&stage);
  g_assert_cmpint (stun_ext_message_get_flag (&stage.request, STUN_EXT_ATTRIBUTE_MOBILITY_TICKET),
                   ==, STUN_EXT_GET_OK);
  stage_answer_error (&stage, 405);
  expect_request (&stage, ALLOCATE);
  g_assert_null (stun_ext_message_find (&stage.request, STUN_EXT_ATTRIBUTE_MOBILITY_TICKET));
  expect_no_event (&stage);
}

static void
test_dont_fragment_unknown_is_done_without (void)
{
  TurnConnectWishes wishes = stage_usual_wishes;
  g_auto (Stage) stage = { 0 };

  wishes.has_dont_fragment = TRUE;
  stage_open (&stage, &wishes, DATAGRAMS);
  stage_come_to_signed (&stage);
  g_assert_cmpint (stun_ext_message_get_flag (&stage.request, STUN_EXT_ATTRIBUTE_DONT_FRAGMENT), ==,
                   STUN_EXT_GET_OK);
  stage_answer_error (&stage, 420);
  expect_request (&stage, ALLOCATE);
  g_assert_null (stun_ext_message_find (&stage.request, STUN_EXT_ATTRIBUTE_DONT_FRAGMENT));
  stage_answer_error (&stage, 420);
  expect_event (&stage, DOWN);
}

static void
test_both_families_are_asked_for_and_one_may_fail (void)
{
  MockAllocated both = mock_usual, one = mock_usual;
  TurnConnectWishes wishes = stage_usual_wishes;
  guint8 family;

  wishes.families = TURN_CONNECT_FAMILY_BOTH;
  both.relayed_also = "[2001:db8::1]:50002";
  one.family_error = 440;
  for (guint i = 0; i < 2; i++) {
    g_auto (Stage) stage = { 0 };

    stage_open (&stage, &wishes, DATAGRAMS);
    stage_come_up (&stage, i == 0 ? &both : &one);
    g_assert_nonnull (turn_connect_allocation_get_relayed (stage.allocation, 4));
    g_assert_true ((turn_connect_allocation_get_relayed (stage.allocation, 6) != NULL) == (i == 0));
    g_assert_cmpuint (turn_connect_allocation_get_family_error (stage.allocation), ==,
                      i == 0 ? 0 : 440);
    g_assert_cmpint (stun_ext_message_get_family (
                         &stage.request, STUN_EXT_ATTRIBUTE_ADDITIONAL_ADDRESS_FAMILY, &family),
                     ==, STUN_EXT_GET_OK);
    g_assert_cmpuint (family, ==, 6);
    g_assert_null (
        stun_ext_message_find (&stage.request, STUN_EXT_ATTRIBUTE_REQUESTED_ADDRESS_FAMILY));
  }
}

static void
test_even_port_and_reservation (void)
{
  MockAllocated kept = mock_usual;
  TurnConnectWishes wishes = stage_usual_wishes;
  guint8 value, token[8];

  kept.reservation = "12345678";
  {
    g_auto (Stage) stage = { 0 };

    wishes.even_port = TURN_CONNECT_PORT_EVEN_AND_NEXT;
    stage_open (&stage, &wishes, DATAGRAMS);
    stage_come_up (&stage, &kept);
    g_assert_cmpint (stun_ext_message_get_u8 (&stage.request, STUN_EXT_ATTRIBUTE_EVEN_PORT, &value),
                     ==, STUN_EXT_GET_OK);
    g_assert_cmpuint (value, ==, 0x80);
    g_assert_cmpmem (turn_connect_allocation_get_reservation (stage.allocation), 8, "12345678", 8);
  }
  {
    g_auto (Stage) stage = { 0 };

    wishes.has_reservation = TRUE;
    memcpy (wishes.reservation, "12345678", 8);
    stage_open (&stage, &wishes, DATAGRAMS);
    stage_come_to_signed (&stage);
    g_assert_cmpint (
        stun_ext_message_get_fixed (&stage.request, STUN_EXT_ATTRIBUTE_RESERVATION_TOKEN, token, 8),
        ==, STUN_EXT_GET_OK);
    g_assert_null (stun_ext_message_find (&stage.request, STUN_EXT_ATTRIBUTE_EVEN_PORT));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add_func ("/turn-connect/turn-allocation/" name, function)
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++) {
    g_autofree char *path =
        g_strconcat ("/turn-connect/turn-allocation/refused-by-", refusals[i].name, NULL);

    g_test_add_data_func (path, &refusals[i], test_allocate_refused);
  }
  for (guint i = 0; i < G_N_ELEMENTS (lackings); i++) {
    g_autofree char *path =
        g_strconcat ("/turn-connect/turn-allocation/answer-with-", lackings[i].name, NULL);

    g_test_add_data_func (path, &lackings[i], test_allocate_answer_that_lacks);
  }
  ADD ("refusal-without-proof-counts-over-a-stream-only",
       test_refusal_without_proof_counts_over_a_stream_only);
  ADD ("wrong-password-is-said-after-one-try", test_wrong_password_is_said_after_one_try);
  ADD ("missing-credentials-are-asked-for", test_missing_credentials_are_asked_for);
  ADD ("server-without-authentication-will-do", test_server_without_authentication_will_do);
  ADD ("stale-nonce-is-renewed-but-not-for-ever", test_stale_nonce_is_renewed_but_not_for_ever);
  ADD ("bid-down-is-not-answered", test_bid_down_is_not_answered);
  ADD ("sha256-is-taken-where-offered", test_sha256_is_taken_where_offered);
  ADD ("truncated-and-changed-answers-change-nothing",
       test_truncated_and_changed_answers_change_nothing);
  ADD ("answer-of-a-wrong-key-or-method-is-ignored",
       test_answer_of_a_wrong_key_or_method_is_ignored);
  ADD ("requests-repeat-over-udp-and-not-over-streams",
       test_requests_repeat_over_udp_and_not_over_streams);
  ADD ("late-timer-does-not-bunch-repetitions", test_late_timer_does_not_bunch_repetitions);
  ADD ("redirect/without-proof-is-followed-where-it-is-believed",
       test_redirect_without_proof_is_followed_where_it_is_believed);
  ADD ("redirect/forged-one-loses-to-the-answer", test_forged_redirect_loses_to_the_answer);
  ADD ("redirect/proven-one-is-told-with-server-and-domain",
       test_proven_redirect_is_told_with_server_and_domain);
  ADD ("redirect/without-proof-is-not-followed-once-signed",
       test_redirect_without_proof_is_not_followed_once_signed);
  ADD ("mobility-forbidden-is-done-without", test_mobility_forbidden_is_done_without);
  ADD ("dont-fragment-unknown-is-done-without", test_dont_fragment_unknown_is_done_without);
  ADD ("both-families-are-asked-for-and-one-may-fail",
       test_both_families_are_asked_for_and_one_may_fail);
  ADD ("even-port-and-reservation", test_even_port_and_reservation);
  return g_test_run ();
}
