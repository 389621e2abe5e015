/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The life of an allocation without sockets: every answer, every timer, every truncation. */
#include <string.h>

#include "turn-connect/turn/allocation.h"
#include "turn-mock.h"

#define S(seconds) ((gint64)((seconds)*G_USEC_PER_SEC))
#define SILENCE_S 39.5

typedef struct {
  TurnConnectAllocation *allocation;
  gint64 now_us;
  guint counter; /* of transaction ids */
  GBytes *output;
  StunExtMessage request; /* inside output */
  TurnConnectEvent *event;
} Stage;

static void
count (guint8 *octets, gsize length, gpointer user_data)
{
  Stage *stage = user_data;

  memset (octets, 0, length);
  octets[0] = (guint8)(++stage->counter >> 8);
  octets[1] = (guint8)stage->counter;
}

static const TurnConnectWishes usual_wishes = {
  .families = TURN_CONNECT_FAMILY_IPV4,
  .algorithms = STUN_EXT_ALGORITHMS_MD5 | STUN_EXT_ALGORITHMS_SHA256,
};

static void
stage_connect (Stage *stage, gboolean is_stream)
{
  turn_connect_allocation_connected (stage->allocation, "the TURN server turn.test:3478", is_stream,
                                     TRUE, stage->now_us);
}

static void
set_login (Stage *stage, const char *user, const char *password)
{
  g_autoptr (TurnConnectLogin) login = turn_connect_login_new (user, password, NULL);

  turn_connect_allocation_set_login (stage->allocation, login, stage->now_us);
}

static void
stage_open (Stage *stage, const TurnConnectWishes *wishes, gboolean is_stream)
{
  *stage = (Stage){ .now_us = S (1000) };
  stage->allocation =
      turn_connect_allocation_new (wishes != NULL ? wishes : &usual_wishes, count, stage);
  set_login (stage, MOCK_USER, MOCK_PASSWORD);
  stage_connect (stage, is_stream);
}

static void
stage_close (Stage *stage)
{
  g_clear_pointer (&stage->allocation, turn_connect_allocation_free);
  g_clear_pointer (&stage->output, g_bytes_unref);
  g_clear_pointer (&stage->event, turn_connect_event_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Stage, stage_close)

/* The next message sent; FALSE if there is none. */
static gboolean
take_output (Stage *stage)
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

#define expect_request(stage, m)                                                                   \
  G_STMT_START                                                                                     \
  {                                                                                                \
    g_assert_true (take_output (stage));                                                           \
    g_assert_cmpint ((stage)->request.method, ==, STUN_EXT_METHOD_##m);                            \
    g_assert_cmpint ((stage)->request.message_class, ==, STUN_EXT_CLASS_REQUEST);                  \
  }                                                                                                \
  G_STMT_END
#define expect_no_output(stage) g_assert_false (take_output (stage))

static gboolean
take_event (Stage *stage)
{
  g_clear_pointer (&stage->event, turn_connect_event_free);
  stage->event = turn_connect_allocation_take_event (stage->allocation);
  return stage->event != NULL;
}

#define expect_event(stage, k)                                                                     \
  G_STMT_START                                                                                     \
  {                                                                                                \
    g_assert_true (take_event (stage));                                                            \
    g_assert_cmpint ((stage)->event->kind, ==, TURN_CONNECT_EVENT_##k);                            \
  }                                                                                                \
  G_STMT_END
#define expect_no_event(stage) g_assert_false (take_event (stage))
#define expect_error(stage, code)                                                                  \
  g_assert_error ((stage)->event->error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_##code)
#define expect_state(stage, s)                                                                     \
  g_assert_cmpint (turn_connect_allocation_get_state ((stage)->allocation), ==,                    \
                   TURN_CONNECT_ALLOCATION_##s)

static TurnConnectTook
give (Stage *stage, const MockMessage *message, TurnConnectReceived *received)
{
  TurnConnectReceived unwanted;

  return turn_connect_allocation_receive (stage->allocation, message->octets, message->length,
                                          stage->now_us, received != NULL ? received : &unwanted);
}

/* Lets time pass, ticking when it was asked for. */
static void
pass (Stage *stage, gint64 us)
{
  gint64 until = stage->now_us + us;

  while (turn_connect_allocation_next (stage->allocation) <= until) {
    stage->now_us = MAX (stage->now_us, turn_connect_allocation_next (stage->allocation));
    turn_connect_allocation_tick (stage->allocation, stage->now_us);
  }
  stage->now_us = until;
}

static void
challenge (Stage *stage)
{
  MockMessage message;

  g_assert_false (mock_is_signed (&stage->request));
  mock_challenge (&message, &stage->request, 401, "nonce-1");
  give (stage, &message, NULL);
}

/* Up to the signed Allocate, which is then stage->request. */
static void
come_to_signed (Stage *stage)
{
  expect_request (stage, ALLOCATE);
  challenge (stage);
  expect_request (stage, ALLOCATE);
  g_assert_true (mock_is_signed (&stage->request));
}

static void
come_up (Stage *stage, const MockAllocated *allocated)
{
  MockMessage message;

  come_to_signed (stage);
  mock_allocated (&message, &stage->request, allocated != NULL ? allocated : &mock_usual,
                  MOCK_SIGNED);
  give (stage, &message, NULL);
  expect_event (stage, UP);
  g_assert_true (stage->event->is_new);
  expect_state (stage, UP);
}

static void
answer_success (Stage *stage)
{
  MockMessage message;

  mock_success (&message, &stage->request, MOCK_SIGNED);
  give (stage, &message, NULL);
}

static void
answer_error (Stage *stage, guint code)
{
  MockMessage message;

  mock_error (&message, &stage->request, code, MOCK_SIGNED);
  give (stage, &message, NULL);
}

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

  stage_open (&stage, NULL, FALSE);
  come_to_signed (&stage);
  answer_error (&stage, refusal->code);
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

        stage_open (&stage, NULL, is_stream != 0);
        come_to_signed (&stage);
        mock_error (&message, &stage.request, refusals[i].code, proof);
        give (&stage, &message, NULL);
        if (is_stream && proof == MOCK_UNSIGNED && refusals[i].code != 300) {
          expect_event (&stage, DOWN);
          g_assert_error (stage.event->error, TURN_CONNECT_ERROR, (int)refusals[i].error);
          continue;
        }
        expect_no_event (&stage);
        expect_state (&stage, ASKING);
        pass (&stage, S (SILENCE_S));
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

  stage_open (&stage, NULL, FALSE);
  come_to_signed (&stage);
  mock_challenge (&message, &stage.request, 401, "nonce-2");
  give (&stage, &message, NULL);
  expect_event (&stage, DOWN);
  expect_error (&stage, TURN_UNAUTHORIZED);
  expect_no_output (&stage);
}

static void
test_missing_credentials_are_asked_for (void)
{
  g_auto (Stage) stage = { 0 };

  stage_open (&stage, NULL, FALSE);
  turn_connect_allocation_set_login (stage.allocation, NULL, stage.now_us);
  expect_request (&stage, ALLOCATE);
  challenge (&stage);
  expect_event (&stage, DOWN);
  expect_error (&stage, TURN_CREDENTIALS_NEEDED);
}

static void
test_server_without_authentication_will_do (void)
{
  g_auto (Stage) stage = { 0 };
  MockMessage message;

  stage_open (&stage, NULL, FALSE);
  expect_request (&stage, ALLOCATE);
  mock_allocated (&message, &stage.request, &mock_usual, MOCK_UNSIGNED);
  give (&stage, &message, NULL);
  expect_event (&stage, UP);
}

static void
test_stale_nonce_is_renewed_but_not_for_ever (void)
{
  g_auto (Stage) stage = { 0 };
  MockMessage message;
  guint n = 0;

  stage_open (&stage, NULL, FALSE);
  come_to_signed (&stage);
  do {
    g_autofree char *nonce = g_strdup_printf ("stale-%u", n++);

    mock_challenge (&message, &stage.request, 438, nonce);
    give (&stage, &message, NULL);
  } while (take_output (&stage));
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

  stage_open (&stage, NULL, FALSE);
  expect_request (&stage, ALLOCATE);
  /* The nonce says that there are PASSWORD-ALGORITHMS, RFC 8489 section 9.2. */
  mock_challenge (&message, &stage.request, 401, "obMatJos2gAAAnonce");
  give (&stage, &message, NULL);
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

  stage_open (&stage, NULL, FALSE);
  expect_request (&stage, ALLOCATE);
  stun_ext_builder_begin_error (&builder, message.octets, sizeof message.octets, &stage.request,
                                401);
  stun_ext_builder_add_text (&builder, STUN_EXT_ATTRIBUTE_REALM, MOCK_REALM);
  stun_ext_builder_add_text (&builder, STUN_EXT_ATTRIBUTE_NONCE, "obMatJos2gAAAnonce");
  stun_ext_builder_add_password_algorithms (&builder,
                                            STUN_EXT_ALGORITHMS_MD5 | STUN_EXT_ALGORITHMS_SHA256);
  mock_finish (&message, &builder, MOCK_UNSIGNED, NULL);
  give (&stage, &message, NULL);
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
  give (&stage, &message, NULL);
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

  stage_open (&stage, NULL, TRUE);
  come_to_signed (&stage);
  mock_allocated (&message, &stage.request, &lacking->allocated, MOCK_SIGNED);
  give (&stage, &message, NULL);
  expect_event (&stage, DOWN);
  expect_error (&stage, TURN_PROTOCOL);
}

static void
test_truncated_and_changed_answers_change_nothing (void)
{
  g_auto (Stage) stage = { 0 };
  TurnConnectReceived received;
  MockMessage message;

  stage_open (&stage, NULL, FALSE);
  come_to_signed (&stage);
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
    give (&stage, &changed, NULL);
  }
  expect_no_event (&stage);
  expect_no_output (&stage);
  expect_state (&stage, ASKING);
  give (&stage, &message, NULL);
  expect_event (&stage, UP);
  give (&stage, &message, NULL); /* again: its transaction is over */
  expect_no_event (&stage);
}

static void
test_answer_of_a_wrong_key_or_method_is_ignored (void)
{
  g_auto (Stage) stage = { 0 };
  StunExtMessage other;
  MockMessage message;

  stage_open (&stage, NULL, TRUE);
  come_to_signed (&stage);
  mock_allocated (&message, &stage.request, &mock_usual, MOCK_FORGED);
  give (&stage, &message, NULL);
  mock_allocated (&message, &stage.request, &mock_usual, MOCK_UNSIGNED);
  give (&stage, &message, NULL);
  other = stage.request;
  other.method = STUN_EXT_METHOD_REFRESH;
  mock_lifetime (&message, &other, 600, NULL);
  give (&stage, &message, NULL);
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

    stage_open (&stage, NULL, is_stream != 0);
    begun = stage.now_us;
    expect_request (&stage, ALLOCATE);
    first = g_bytes_ref (stage.output);
    for (guint i = 1; i < G_N_ELEMENTS (at_ms) && !is_stream; i++) {
      g_assert_cmpint (turn_connect_allocation_next (stage.allocation), ==,
                       begun + at_ms[i] * 1000);
      pass (&stage, begun + at_ms[i] * 1000 - 1 - stage.now_us);
      expect_no_output (&stage);
      pass (&stage, 1);
      expect_request (&stage, ALLOCATE);
      g_assert_true (g_bytes_equal (first, stage.output));
    }
    g_assert_cmpint (turn_connect_allocation_next (stage.allocation), ==, begun + S (SILENCE_S));
    expect_no_event (&stage);
    pass (&stage, begun + S (SILENCE_S) - stage.now_us);
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

  stage_open (&stage, NULL, FALSE);
  expect_request (&stage, ALLOCATE);
  stage.now_us += S (30); /* the machine slept */
  turn_connect_allocation_tick (stage.allocation, stage.now_us);
  expect_request (&stage, ALLOCATE);
  turn_connect_allocation_tick (stage.allocation, stage.now_us);
  expect_no_output (&stage);
}

static void
test_redirect_is_told_with_server_and_domain (void)
{
  StunExtAddress server = mock_address ("203.0.113.9:5349");

  for (guint is_signed = 0; is_signed < 2; is_signed++) {
    g_auto (Stage) stage = { 0 };
    MockMessage message;

    stage_open (&stage, NULL, FALSE);
    if (is_signed)
      come_to_signed (&stage);
    else
      expect_request (&stage, ALLOCATE);
    mock_redirect (&message, &stage.request, &server, "other.test",
                   is_signed ? MOCK_SIGNED : MOCK_UNSIGNED);
    give (&stage, &message, NULL);
    expect_event (&stage, REDIRECT);
    g_assert_true (stun_ext_address_equal (&stage.event->peer, &server));
    g_assert_cmpstr (stage.event->domain, ==, "other.test");
    expect_state (&stage, DOWN);
  }
}

static void
test_redirect_without_proof_is_not_followed_once_signed (void)
{
  StunExtAddress server = mock_address ("203.0.113.9:5349");
  g_auto (Stage) stage = { 0 };
  MockMessage message;

  stage_open (&stage, NULL, TRUE);
  come_to_signed (&stage);
  mock_redirect (&message, &stage.request, &server, NULL, MOCK_UNSIGNED);
  give (&stage, &message, NULL);
  expect_no_event (&stage);
  expect_state (&stage, ASKING);
}

static void
test_mobility_forbidden_is_done_without (void)
{
  TurnConnectWishes wishes = usual_wishes;
  g_auto (Stage) stage = { 0 };

  wishes.is_mobile = TRUE;
  stage_open (&stage, &wishes, FALSE);
  come_to_signed (&stage);
  g_assert_cmpint (stun_ext_message_get_flag (&stage.request, STUN_EXT_ATTRIBUTE_MOBILITY_TICKET),
                   ==, STUN_EXT_GET_OK);
  answer_error (&stage, 405);
  expect_request (&stage, ALLOCATE);
  g_assert_null (stun_ext_message_find (&stage.request, STUN_EXT_ATTRIBUTE_MOBILITY_TICKET));
  expect_no_event (&stage);
}

static void
test_dont_fragment_unknown_is_done_without (void)
{
  TurnConnectWishes wishes = usual_wishes;
  g_auto (Stage) stage = { 0 };

  wishes.has_dont_fragment = TRUE;
  stage_open (&stage, &wishes, FALSE);
  come_to_signed (&stage);
  g_assert_cmpint (stun_ext_message_get_flag (&stage.request, STUN_EXT_ATTRIBUTE_DONT_FRAGMENT), ==,
                   STUN_EXT_GET_OK);
  answer_error (&stage, 420);
  expect_request (&stage, ALLOCATE);
  g_assert_null (stun_ext_message_find (&stage.request, STUN_EXT_ATTRIBUTE_DONT_FRAGMENT));
  answer_error (&stage, 420);
  expect_event (&stage, DOWN);
}

static void
test_both_families_are_asked_for_and_one_may_fail (void)
{
  MockAllocated both = mock_usual, one = mock_usual;
  TurnConnectWishes wishes = usual_wishes;
  guint8 family;

  wishes.families = TURN_CONNECT_FAMILY_BOTH;
  both.relayed_also = "[2001:db8::1]:50002";
  one.family_error = 440;
  for (guint i = 0; i < 2; i++) {
    g_auto (Stage) stage = { 0 };

    stage_open (&stage, &wishes, FALSE);
    come_up (&stage, i == 0 ? &both : &one);
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
  TurnConnectWishes wishes = usual_wishes;
  guint8 value, token[8];

  kept.reservation = "12345678";
  {
    g_auto (Stage) stage = { 0 };

    wishes.even_port = TURN_CONNECT_PORT_EVEN_AND_NEXT;
    stage_open (&stage, &wishes, FALSE);
    come_up (&stage, &kept);
    g_assert_cmpint (stun_ext_message_get_u8 (&stage.request, STUN_EXT_ATTRIBUTE_EVEN_PORT, &value),
                     ==, STUN_EXT_GET_OK);
    g_assert_cmpuint (value, ==, 0x80);
    g_assert_cmpmem (turn_connect_allocation_get_reservation (stage.allocation), 8, "12345678", 8);
  }
  {
    g_auto (Stage) stage = { 0 };

    wishes.has_reservation = TRUE;
    memcpy (wishes.reservation, "12345678", 8);
    stage_open (&stage, &wishes, FALSE);
    come_to_signed (&stage);
    g_assert_cmpint (
        stun_ext_message_get_fixed (&stage.request, STUN_EXT_ATTRIBUTE_RESERVATION_TOKEN, token, 8),
        ==, STUN_EXT_GET_OK);
    g_assert_null (stun_ext_message_find (&stage.request, STUN_EXT_ATTRIBUTE_EVEN_PORT));
  }
}

/* Refresh. */

static void
test_allocation_is_refreshed_a_minute_before_its_end (void)
{
  g_auto (Stage) stage = { 0 };
  MockMessage message;
  guint32 lifetime_s;

  stage_open (&stage, NULL, TRUE);
  come_up (&stage, NULL);
  for (guint i = 0; i < 3; i++) {
    pass (&stage, S (540) - 1);
    expect_no_output (&stage);
    pass (&stage, 1);
    expect_request (&stage, REFRESH);
    g_assert_true (mock_is_signed (&stage.request));
    g_assert_cmpint (
        stun_ext_message_get_u32 (&stage.request, STUN_EXT_ATTRIBUTE_LIFETIME, &lifetime_s), ==,
        STUN_EXT_GET_OK);
    g_assert_cmpuint (lifetime_s, ==, 600);
    mock_lifetime (&message, &stage.request, 600, NULL);
    give (&stage, &message, NULL);
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
    stage_open (&stage, NULL, TRUE);
    come_up (&stage, &allocated);
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

  stage_open (&stage, NULL, TRUE);
  come_up (&stage, NULL);
  pass (&stage, S (540));
  expect_request (&stage, REFRESH);
  answer_error (&stage, 437);
  expect_event (&stage, DOWN);
  expect_error (&stage, TURN_MISMATCH);
  g_assert_true (turn_connect_error_may_pass (stage.event->error));
}

static void
test_refused_refresh_is_tried_again_until_the_end (void)
{
  g_auto (Stage) stage = { 0 };
  guint n = 0;

  stage_open (&stage, NULL, TRUE);
  come_up (&stage, NULL);
  pass (&stage, S (540));
  while (take_output (&stage)) {
    n++;
    answer_error (&stage, 500);
    pass (&stage, S (10));
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

  stage_open (&stage, NULL, TRUE);
  set_login (&stage, MOCK_USER, MOCK_PASSWORD);
  come_up (&stage, NULL);
  pass (&stage, S (540));
  expect_request (&stage, REFRESH);
  mock_challenge (&message, &stage.request, 401, "nonce-9"); /* changed at the server */
  give (&stage, &message, NULL);
  expect_no_event (&stage);
  set_login (&stage, MOCK_USER, "other");
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

  stage_open (&stage, NULL, TRUE);
  come_up (&stage, NULL);
  set_login (&stage, "bob", MOCK_PASSWORD);
  pass (&stage, S (540));
  expect_request (&stage, REFRESH); /* bob's */
  g_assert_false (mock_is_signed (&stage.request));
  stun_ext_builder_begin_error (&builder, message.octets, sizeof message.octets, &stage.request,
                                441);
  mock_finish (&message, &builder, MOCK_SIGNED, "bob");
  give (&stage, &message, NULL);
  expect_request (&stage, REFRESH); /* alice's */
  g_assert_true (mock_is_signed (&stage.request));
  mock_lifetime (&message, &stage.request, 600, NULL);
  give (&stage, &message, NULL);
  expect_no_event (&stage);
  /* The next allocation is bob's. */
  turn_connect_allocation_disconnected (stage.allocation);
  stage_connect (&stage, TRUE);
  expect_request (&stage, ALLOCATE);
  g_assert_false (mock_is_signed (&stage.request));
  g_assert_cmpint (stun_ext_message_integrity (&stage.request), ==, STUN_EXT_INTEGRITY_SHA1);
}

static void
test_silence_is_noticed_by_asking (void)
{
  TurnConnectWishes wishes = usual_wishes;
  g_auto (Stage) stage = { 0 };
  MockMessage message;

  wishes.keepalive_s = 25;
  stage_open (&stage, &wishes, TRUE);
  come_up (&stage, NULL);
  for (guint i = 0; i < 4; i++) {
    pass (&stage, S (25) - 1);
    expect_no_output (&stage);
    pass (&stage, 1);
    expect_request (&stage, BINDING);
    mock_error (&message, &stage.request, 403, MOCK_UNSIGNED); /* any answer will do */
    give (&stage, &message, NULL);
  }
  pass (&stage, S (25));
  expect_request (&stage, BINDING);
  pass (&stage, S (SILENCE_S));
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

    stage_open (&stage, NULL, FALSE);
    come_up (&stage, NULL);
    turn_connect_allocation_leave (stage.allocation, stage.now_us);
    expect_request (&stage, REFRESH);
    g_assert_cmpint (
        stun_ext_message_get_u32 (&stage.request, STUN_EXT_ATTRIBUTE_LIFETIME, &lifetime_s), ==,
        STUN_EXT_GET_OK);
    g_assert_cmpuint (lifetime_s, ==, 0);
    if (codes[i] == 0) {
      mock_lifetime (&message, &stage.request, 0, NULL);
      give (&stage, &message, NULL);
    } else
      answer_error (&stage, codes[i]);
    expect_event (&stage, GONE);
    expect_state (&stage, GONE);
  }
}

/* Mobility. */

static void
test_ticket_carries_the_allocation_over (void)
{
  MockAllocated allocated = mock_usual;
  TurnConnectWishes wishes = usual_wishes;
  StunExtAddress peer = mock_address ("203.0.113.5:4000");
  g_auto (Stage) stage = { 0 };
  MockMessage message;
  StunExtSpan ticket;
  guint16 number;

  wishes.is_mobile = TRUE;
  allocated.ticket = "ticket-1";
  stage_open (&stage, &wishes, TRUE);
  come_up (&stage, &allocated);
  turn_connect_allocation_bind (stage.allocation, &peer, 7, stage.now_us);
  expect_request (&stage, CREATE_PERMISSION);
  answer_success (&stage);
  expect_request (&stage, CHANNEL_BIND);
  answer_success (&stage);
  expect_event (&stage, DONE);
  number = stage.event->channel;
  turn_connect_allocation_disconnected (stage.allocation);
  stage_connect (&stage, TRUE);
  expect_state (&stage, RESUMING);
  expect_request (&stage, REFRESH);
  g_assert_cmpint (
      stun_ext_message_get_data (&stage.request, STUN_EXT_ATTRIBUTE_MOBILITY_TICKET, &ticket), ==,
      STUN_EXT_GET_OK);
  g_assert_cmpmem (ticket.data, ticket.length, "ticket-1", 8);
  mock_challenge (&message, &stage.request, 438, "nonce-of-the-new-connection");
  give (&stage, &message, NULL);
  expect_request (&stage, REFRESH);
  g_assert_cmpint (
      stun_ext_message_get_data (&stage.request, STUN_EXT_ATTRIBUTE_MOBILITY_TICKET, &ticket), ==,
      STUN_EXT_GET_OK);
  g_assert_cmpmem (ticket.data, ticket.length, "ticket-1", 8);
  mock_lifetime (&message, &stage.request, 600, "ticket-2");
  give (&stage, &message, NULL);
  expect_event (&stage, UP);
  g_assert_false (stage.event->is_new);
  /* Data goes at once, and what may have grown old is renewed. */
  mock_channel_data (&message, number, "x");
  g_assert_cmpint (give (&stage, &message, &(TurnConnectReceived){ 0 }), ==,
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
    TurnConnectWishes wishes = usual_wishes;
    g_auto (Stage) stage = { 0 };
    MockMessage message;

    wishes.is_mobile = TRUE;
    allocated.ticket = "ticket-1";
    stage_open (&stage, &wishes, TRUE);
    come_up (&stage, &allocated);
    turn_connect_allocation_disconnected (stage.allocation);
    stage_connect (&stage, TRUE);
    expect_request (&stage, REFRESH);
    answer_error (&stage, codes[i]);
    expect_request (&stage, ALLOCATE);
    mock_allocated (&message, &stage.request, &allocated, MOCK_SIGNED);
    give (&stage, &message, NULL);
    expect_event (&stage, UP);
    g_assert_true (stage.event->is_new);
  }
}

static void
test_ticket_is_not_shown_to_another_server_or_after_its_time (void)
{
  for (guint i = 0; i < 2; i++) {
    MockAllocated allocated = mock_usual;
    TurnConnectWishes wishes = usual_wishes;
    g_auto (Stage) stage = { 0 };

    wishes.is_mobile = TRUE;
    allocated.ticket = "ticket-1";
    stage_open (&stage, &wishes, TRUE);
    come_up (&stage, &allocated);
    turn_connect_allocation_disconnected (stage.allocation);
    stage.now_us += i == 0 ? 0 : S (601);
    turn_connect_allocation_connected (stage.allocation, "another", TRUE, i != 0, stage.now_us);
    expect_request (&stage, ALLOCATE);
  }
}

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
  stage_open (&stage, NULL, FALSE);
  come_up (&stage, NULL);
  turn_connect_allocation_permit (stage.allocation, peers, G_N_ELEMENTS (peers), 5, stage.now_us);
  for (guint left = 20; left > 0; left -= MIN (left, 8)) {
    expect_no_event (&stage);
    expect_request (&stage, CREATE_PERMISSION);
    g_assert_cmpuint (count_peers (&stage.request), ==, MIN (left, 8));
    answer_success (&stage);
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
  pass (&stage, S (240) - 1);
  expect_no_output (&stage);
  pass (&stage, 1);
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
  stage_open (&stage, NULL, FALSE);
  come_up (&stage, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (peers); i++)
    turn_connect_allocation_permit (stage.allocation, &peers[i], 1, 10 + i, stage.now_us);
  expect_request (&stage, CREATE_PERMISSION); /* the first alone was asked for at once */
  answer_success (&stage);
  expect_event (&stage, DONE);
  turn_connect_allocation_forget (stage.allocation, &peers[0], stage.now_us);
  turn_connect_allocation_disconnected (stage.allocation);
  stage_connect (&stage, FALSE);
  /* Anew: both others in one request. */
  while (take_output (&stage) && stage.request.method != STUN_EXT_METHOD_ALLOCATE)
    ;
  {
    MockMessage message;

    mock_allocated (&message, &stage.request, &mock_usual, MOCK_SIGNED);
    give (&stage, &message, NULL);
  }
  expect_event (&stage, UP);
  expect_request (&stage, CREATE_PERMISSION);
  g_assert_cmpuint (count_peers (&stage.request), ==, 2);
  answer_error (&stage, 403);
  for (guint i = 0; i < 2; i++) {
    expect_request (&stage, CREATE_PERMISSION);
    g_assert_cmpuint (count_peers (&stage.request), ==, 1);
    stun_ext_message_get_xor_address (&stage.request, STUN_EXT_ATTRIBUTE_XOR_PEER_ADDRESS,
                                      &refused);
    if (stun_ext_address_equal_host (&refused, &peers[1]))
      answer_error (&stage, 403);
    else
      answer_success (&stage);
  }
  while (take_event (&stage)) {
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

  stage_open (&stage, NULL, TRUE);
  come_up (&stage, NULL);
  turn_connect_allocation_permit (stage.allocation, &peer, 1, 0, stage.now_us);
  expect_request (&stage, CREATE_PERMISSION);
  answer_success (&stage);
  pass (&stage, S (240));
  while (take_output (&stage)) {
    n++;
    answer_error (&stage, 508);
    pass (&stage, S (10));
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

    stage_open (&stage, NULL, TRUE);
    come_up (&stage, NULL);
    turn_connect_allocation_bind (stage.allocation, &peer, 3, stage.now_us);
    expect_request (&stage, CREATE_PERMISSION);
    if (i == 1)
      expect_request (&stage, CHANNEL_BIND);
    answer_error (&stage, 437);
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

  stage_open (&stage, NULL, TRUE);
  come_up (&stage, NULL);
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
  answer_success (stage);
  expect_request (stage, CHANNEL_BIND);
  answer_success (stage);
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

  stage_open (&stage, NULL, TRUE);
  come_up (&stage, NULL);
  number = bind_one (&stage, &peer);
  begun = stage.now_us;
  while (stage.now_us - begun < S (1200)) {
    pass (&stage, S (1));
    while (take_output (&stage)) {
      if (stage.request.method == STUN_EXT_METHOD_REFRESH) {
        mock_lifetime (&message, &stage.request, 600, NULL);
        give (&stage, &message, NULL);
        continue;
      }
      if (stage.request.method == STUN_EXT_METHOD_CHANNEL_BIND) {
        stun_ext_message_get_u16 (&stage.request, STUN_EXT_ATTRIBUTE_CHANNEL_NUMBER, &again);
        g_assert_cmpuint (again, ==, number);
        if (bound_at < 0)
          bound_at = stage.now_us - begun;
      }
      answer_success (&stage);
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
  give (stage, &message, NULL);
}

static void
test_400_in_place_of_437_is_found_out (void)
{
  g_auto (Stage) stage = { 0 };
  StunExtAddress peers[2] = { peer_number (0), peer_number (1) };

  stage_open (&stage, NULL, FALSE);
  come_up (&stage, NULL);
  bind_one (&stage, &peers[0]);
  turn_connect_allocation_permit (stage.allocation, &peers[1], 1, 4, stage.now_us);
  expect_request (&stage, CREATE_PERMISSION);
  answer_error (&stage, 400);
  expect_no_event (&stage);
  expect_request (&stage, REFRESH);
  answer_error (&stage, 437);
  expect_event (&stage, DOWN);
  expect_error (&stage, TURN_MISMATCH);
  expect_no_event (&stage); /* whoever waits goes on waiting */
}

static void
test_400_that_stays_is_a_refusal (void)
{
  g_auto (Stage) stage = { 0 };
  StunExtAddress peer = peer_number (0);

  stage_open (&stage, NULL, FALSE);
  come_up (&stage, NULL);
  turn_connect_allocation_permit (stage.allocation, &peer, 1, 4, stage.now_us);
  expect_request (&stage, CREATE_PERMISSION);
  answer_error (&stage, 400);
  expect_probe (&stage);
  expect_request (&stage, CREATE_PERMISSION);
  answer_error (&stage, 400);
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

  stage_open (&stage, NULL, TRUE);
  come_up (&stage, NULL);
  turn_connect_allocation_bind (stage.allocation, &peer, 9, stage.now_us);
  expect_request (&stage, CREATE_PERMISSION);
  answer_success (&stage);
  expect_request (&stage, CHANNEL_BIND);
  stun_ext_message_get_u16 (&stage.request, STUN_EXT_ATTRIBUTE_CHANNEL_NUMBER, &first);
  answer_error (&stage, 400);
  expect_probe (&stage);
  expect_request (&stage, CHANNEL_BIND);
  answer_error (&stage, 400);
  expect_request (&stage, CHANNEL_BIND);
  stun_ext_message_get_u16 (&stage.request, STUN_EXT_ATTRIBUTE_CHANNEL_NUMBER, &second);
  g_assert_cmpuint (first, !=, second);
  answer_error (&stage, 400);
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

  stage_open (&stage, NULL, TRUE);
  come_up (&stage, NULL);
  number = bind_one (&stage, &first);
  turn_connect_allocation_forget (stage.allocation, &first, stage.now_us);
  mock_channel_data (&message, number, "late");
  g_assert_cmpint (give (&stage, &message, NULL), ==, TURN_CONNECT_TOOK_NOTHING);
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

  stage_open (&stage, NULL, FALSE);
  come_up (&stage, NULL);
  turn_connect_allocation_bind (stage.allocation, &peer, 9, stage.now_us);
  expect_request (&stage, CREATE_PERMISSION);
  expect_request (&stage, CHANNEL_BIND);
  stun_ext_message_get_u16 (&stage.request, STUN_EXT_ATTRIBUTE_CHANNEL_NUMBER, &number);
  mock_channel_data (&message, number, "early");
  g_assert_cmpint (give (&stage, &message, &received), ==, TURN_CONNECT_TOOK_PACKET);
  g_assert_true (stun_ext_address_equal (&received.peer, &peer));
  g_assert_cmpmem (received.payload.data, received.payload.length, "early", 5);
  mock_channel_data (&message, (guint16)(number + 1), "nobody's");
  g_assert_cmpint (give (&stage, &message, &received), ==, TURN_CONNECT_TOOK_NOTHING);
}

static void
test_new_allocation_gets_all_that_was_wanted (void)
{
  g_auto (Stage) stage = { 0 };
  StunExtAddress bound = peer_number (0), permitted = peer_number (1);
  MockAllocated other = mock_usual;
  MockMessage message;
  guint16 number, again;

  stage_open (&stage, NULL, TRUE);
  come_up (&stage, NULL);
  number = bind_one (&stage, &bound);
  turn_connect_allocation_permit (stage.allocation, &permitted, 1, 0, stage.now_us);
  expect_request (&stage, CREATE_PERMISSION);
  answer_success (&stage);
  turn_connect_allocation_disconnected (stage.allocation);
  stage_connect (&stage, TRUE);
  expect_request (&stage, ALLOCATE);
  other.relayed = "192.0.2.1:50002";
  mock_allocated (&message, &stage.request, &other, MOCK_SIGNED);
  give (&stage, &message, NULL);
  expect_event (&stage, UP);
  g_assert_true (stage.event->is_new);
  expect_request (&stage, CREATE_PERMISSION);
  g_assert_cmpuint (count_peers (&stage.request), ==, 2);
  answer_success (&stage);
  expect_request (&stage, CHANNEL_BIND);
  stun_ext_message_get_u16 (&stage.request, STUN_EXT_ATTRIBUTE_CHANNEL_NUMBER, &again);
  g_assert_cmpuint (again, ==, number);
  answer_error (&stage, 508);
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

  stage_open (&stage, NULL, TRUE);
#define FRAME(whom, n, flags)                                                                      \
  turn_connect_allocation_frame (stage.allocation, whom, n, flags, whole, &head, &padding)
  turn_connect_allocation_permit (stage.allocation, &peer, 1, 0, stage.now_us);
  g_assert_cmpint (FRAME (&peer, 5, 0), ==, TURN_CONNECT_WAY_NOT_YET);
  g_assert_cmpint (FRAME (&stranger, 5, 0), ==, TURN_CONNECT_WAY_UNKNOWN);
  come_up (&stage, NULL);
  g_assert_cmpint (FRAME (&peer, 5, 0), ==, TURN_CONNECT_WAY_NOT_YET);
  expect_request (&stage, CREATE_PERMISSION);
  answer_success (&stage);
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
  answer_success (&stage);
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

  stage_open (&stage, NULL, FALSE);
  come_up (&stage, NULL);
  turn_connect_allocation_permit (stage.allocation, &peer, 1, 0, stage.now_us);
  mock_data (&message, "203.0.113.1:99", "friend");
  g_assert_cmpint (give (&stage, &message, &received), ==, TURN_CONNECT_TOOK_PACKET);
  g_assert_cmpuint (received.peer.port, ==, 99);
  mock_data (&message, "203.0.113.2:99", "stranger");
  g_assert_cmpint (give (&stage, &message, &received), ==, TURN_CONNECT_TOOK_NOTHING);
  mock_icmp (&message, "203.0.113.1:99", 3, 4, 1400);
  g_assert_cmpint (give (&stage, &message, &received), ==, TURN_CONNECT_TOOK_NOTHING);
  expect_event (&stage, ICMP);
  g_assert_cmpuint (stage.event->icmp_type, ==, 3);
  g_assert_cmpuint (stage.event->icmp_code, ==, 4);
  g_assert_cmpuint (stage.event->icmp_data, ==, 1400);
}

/* TCP peers. */

static void
test_tcp_peers (void)
{
  TurnConnectWishes wishes = usual_wishes;
  StunExtAddress peer = peer_number (0);
  g_auto (Stage) stage = { 0 };
  MockMessage message;
  guint8 transport;

  wishes.relay = TURN_CONNECT_RELAY_TCP;
  stage_open (&stage, &wishes, TRUE);
  come_up (&stage, NULL);
  stun_ext_message_get_u8 (&stage.request, STUN_EXT_ATTRIBUTE_REQUESTED_TRANSPORT, &transport);
  g_assert_cmpuint (transport, ==, 6);
  turn_connect_allocation_connect_peer (stage.allocation, &peer, 1, stage.now_us);
  expect_request (&stage, CONNECT);
  mock_connection (&message, &stage.request, 0x12345678);
  give (&stage, &message, NULL);
  expect_event (&stage, DONE);
  g_assert_cmpuint (stage.event->connection_id, ==, 0x12345678);
  for (guint code = 446; code <= 447; code++) {
    turn_connect_allocation_connect_peer (stage.allocation, &peer, 2, stage.now_us);
    expect_request (&stage, CONNECT);
    answer_error (&stage, code);
    expect_event (&stage, DONE);
    expect_error (&stage, TURN_PEER);
    g_assert_cmpint (turn_connect_error_get_step (stage.event->error), ==, TURN_CONNECT_STEP_PEER);
  }
  mock_attempt (&message, "203.0.113.5:99", 77);
  give (&stage, &message, NULL);
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
#define ADD(name, function) g_test_add_func ("/turn-connect/turn-allocation/" name, function)
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++) {
    g_autofree char *path =
        g_strconcat ("/turn-connect/turn-allocation/allocate/refused-by-", refusals[i].name, NULL);

    g_test_add_data_func (path, &refusals[i], test_allocate_refused);
  }
  for (guint i = 0; i < G_N_ELEMENTS (lackings); i++) {
    g_autofree char *path =
        g_strconcat ("/turn-connect/turn-allocation/allocate/answer-with-", lackings[i].name, NULL);

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
  ADD ("redirect/is-told-with-server-and-domain", test_redirect_is_told_with_server_and_domain);
  ADD ("redirect/without-proof-is-not-followed-once-signed",
       test_redirect_without_proof_is_not_followed_once_signed);
  ADD ("mobility-forbidden-is-done-without", test_mobility_forbidden_is_done_without);
  ADD ("dont-fragment-unknown-is-done-without", test_dont_fragment_unknown_is_done_without);
  ADD ("both-families-are-asked-for-and-one-may-fail",
       test_both_families_are_asked_for_and_one_may_fail);
  ADD ("even-port-and-reservation", test_even_port_and_reservation);
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
