/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "stun-ext/attribute.h"
#include "stun-ext/integrity.h"
#include "stun-ext/tep.h"
#include "tep-samples.h"

static void
test_requests_read_back_as_written (void)
{
  for (gsize i = 0; i < tep_n_sample_requests; i++) {
    TepWritten w;
    TepWritten again;
    StunExtTepRequest request;
    StunExtTepFailure failure;

    g_test_message ("%s", tep_sample_requests[i].name);
    tep_sample_write_request (&w, &tep_sample_requests[i].request);
    g_assert_true (stun_ext_tep_verify (&w.message, TEP_SAMPLE_KEY));
    g_assert_cmpint (stun_ext_tep_read_request (&w.message, &request, &failure), ==,
                     STUN_EXT_TEP_READ_OK);
    g_assert_cmpint (request.kind, ==, tep_sample_requests[i].request.kind);
    tep_sample_write_request (&again, &request);
    tep_sample_assert_same (&w, &again);
  }
}

static void
test_fields_carry_their_values (void)
{
  TepWritten w;
  StunExtTepRequest request;
  StunExtTepFailure failure;
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

  for (gsize i = 0; i < tep_n_sample_requests; i++) {
    if (strcmp (tep_sample_requests[i].name, "open flow, most") != 0)
      continue;
    tep_sample_write_request (&w, &tep_sample_requests[i].request);
    stun_ext_tep_read_request (&w.message, &request, &failure);
    g_assert_cmpuint (request.ordinal, ==, 7);
    g_assert_cmpuint (request.open_flow.binding_id, ==, 8);
    g_assert_cmpuint (request.open_flow.flow_id, ==, 65535);
    g_assert_cmpuint (request.open_flow.port_offset, ==, 1);
    g_assert_true (request.open_flow.has_dscp);
    g_assert_cmpuint (request.open_flow.dscp, ==, 46);
    g_assert_cmpuint (request.open_flow.bandwidth_kbps, ==, 128);
    g_assert_cmpstr (stun_ext_address_print (&request.open_flow.remote, text), ==,
                     "[2001:db8:1:2:3:4:5:9]:65535");
    return;
  }
  g_assert_not_reached ();
}

static void
test_successes_read_back_as_written (void)
{
  for (gsize i = 0; i < tep_n_sample_successes; i++) {
    TepWritten w;
    TepWritten again;
    StunExtTepSuccess success;

    g_test_message ("%s", tep_sample_successes[i].name);
    tep_sample_write_success (&w, &tep_sample_successes[i].success);
    g_assert_true (stun_ext_tep_verify (&w.message, TEP_SAMPLE_KEY));
    g_assert_true (
        stun_ext_tep_read_success (&w.message, tep_sample_successes[i].success.kind, &success));
    tep_sample_write_success (&again, &success);
    tep_sample_assert_same (&w, &again);
  }
}

static void
test_success_of_another_method_is_not_read (void)
{
  for (gsize i = 0; i < tep_n_sample_successes; i++) {
    StunExtTepKind own = tep_sample_successes[i].success.kind;
    TepWritten w;

    tep_sample_write_success (&w, &tep_sample_successes[i].success);
    for (guint kind = STUN_EXT_TEP_OPEN; kind <= STUN_EXT_TEP_CLOSE; kind++) {
      StunExtTepSuccess success;

      if (kind != own && (kind > STUN_EXT_TEP_KEEPALIVE || own > STUN_EXT_TEP_KEEPALIVE))
        g_assert_false (stun_ext_tep_read_success (&w.message, (StunExtTepKind)kind, &success));
    }
  }
}

static void
test_failures_and_closings_read_back_as_written (void)
{
  TepWritten w;
  TepWritten again;

  for (gsize i = 0; i < tep_n_sample_failures; i++) {
    TepSampleFailure read = tep_sample_failures[i];

    g_test_message ("%s", read.name);
    tep_sample_write_failure (&w, &tep_sample_failures[i], (StunExtSpan){ 0 });
    g_assert_false (stun_ext_tep_verify (&w.message, TEP_SAMPLE_KEY));
    tep_sample_write_failure (&w, &tep_sample_failures[i], TEP_SAMPLE_KEY);
    g_assert_true (stun_ext_tep_verify (&w.message, TEP_SAMPLE_KEY));
    g_assert_true (stun_ext_tep_read_failure (&w.message, &read.failure));
    g_assert_cmpuint (read.failure.code, ==, tep_sample_failures[i].failure.code);
    tep_sample_write_failure (&again, &read, TEP_SAMPLE_KEY);
    tep_sample_assert_same (&w, &again);
  }
  for (gsize i = 0; i < tep_n_sample_closings; i++) {
    StunExtTepClosing closing;

    tep_sample_write_closing (&w, &tep_sample_closings[i].closing);
    g_assert_true (stun_ext_tep_verify (&w.message, TEP_SAMPLE_KEY));
    g_assert_true (stun_ext_tep_read_closing (&w.message, &closing));
    tep_sample_write_closing (&again, &closing);
    tep_sample_assert_same (&w, &again);
  }
}

static void
test_messages_of_other_kinds_are_told_apart (void)
{
  static const struct {
    StunExtClass message_class;
    guint16 method;
    StunExtTepRead result;
  } rows[] = {
    { STUN_EXT_CLASS_REQUEST, STUN_EXT_METHOD_BINDING, STUN_EXT_TEP_READ_PLAIN },
    { STUN_EXT_CLASS_REQUEST, STUN_EXT_METHOD_ALLOCATE, STUN_EXT_TEP_READ_BAD },
    { STUN_EXT_CLASS_REQUEST, 0x0ff, STUN_EXT_TEP_READ_BAD },
    { STUN_EXT_CLASS_REQUEST, STUN_EXT_METHOD_REFRESH, STUN_EXT_TEP_READ_BAD },
    { STUN_EXT_CLASS_INDICATION, STUN_EXT_METHOD_BINDING, STUN_EXT_TEP_READ_IGNORED },
    { STUN_EXT_CLASS_INDICATION, STUN_EXT_TEP_METHOD_CLOSE, STUN_EXT_TEP_READ_IGNORED },
    { STUN_EXT_CLASS_SUCCESS, STUN_EXT_TEP_METHOD_LEASE, STUN_EXT_TEP_READ_IGNORED },
    { STUN_EXT_CLASS_ERROR, STUN_EXT_TEP_METHOD_LEASE, STUN_EXT_TEP_READ_IGNORED },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    StunExtTepRequest request;
    StunExtTepFailure failure;
    StunExtTepSuccess success;
    StunExtTepClosing closing;
    StunExtBuilder builder;
    TepWritten w;

    stun_ext_builder_begin (&builder, w.octets, sizeof w.octets, rows[i].message_class,
                            rows[i].method, tep_sample_transaction_id);
    g_assert_true (stun_ext_builder_finish (&builder, STUN_EXT_INTEGRITY_NONE, (StunExtSpan){ 0 },
                                            TRUE, &w.length));
    tep_sample_parse (&w);
    g_assert_cmpint (stun_ext_tep_read_request (&w.message, &request, &failure), ==,
                     rows[i].result);
    g_assert_false (stun_ext_tep_read_success (&w.message, STUN_EXT_TEP_OPEN, &success));
    g_assert_false (stun_ext_tep_read_failure (&w.message, &failure));
    g_assert_false (stun_ext_tep_read_closing (&w.message, &closing));
    g_assert_false (stun_ext_tep_is_plain_answer (&w.message));
  }
}

static void
test_answer_of_a_plain_server_is_recognised (void)
{
  StunExtAddress mapped = { 4, 0, 1, { 192, 0, 2, 1 } };
  StunExtTepSuccess success;
  StunExtBuilder builder;
  TepWritten request;
  TepWritten w;

  tep_sample_write_request_of (&request, STUN_EXT_TEP_OPEN);
  stun_ext_builder_begin_success (&builder, w.octets, sizeof w.octets, &request.message);
  stun_ext_builder_add_xor_address (&builder, STUN_EXT_ATTRIBUTE_XOR_MAPPED_ADDRESS, &mapped);
  g_assert_true (stun_ext_builder_finish (&builder, STUN_EXT_INTEGRITY_NONE, (StunExtSpan){ 0 },
                                          FALSE, &w.length));
  tep_sample_parse (&w);
  g_assert_false (stun_ext_tep_read_success (&w.message, STUN_EXT_TEP_OPEN, &success));
  g_assert_true (stun_ext_tep_is_plain_answer (&w.message));
  tep_sample_write_success (&w, &tep_sample_successes[0].success);
  g_assert_false (stun_ext_tep_is_plain_answer (&w.message));
}

static void
test_every_flipped_bit_breaks_the_signature (void)
{
  TepWritten w;

  tep_sample_write_request_of (&w, STUN_EXT_TEP_OPEN_FLOW);
  for (gsize bit = 0; bit < 8 * w.length; bit++) {
    StunExtMessage message;

    w.octets[bit / 8] ^= (guint8)(1 << bit % 8);
    if (stun_ext_message_parse (&message, w.octets, w.length) == STUN_EXT_PARSE_OK)
      g_assert_false (stun_ext_tep_verify (&message, TEP_SAMPLE_KEY));
    w.octets[bit / 8] ^= (guint8)(1 << bit % 8);
  }
  for (gsize bit = 0; bit < 8 * sizeof tep_sample_key; bit++) {
    guint8 key[sizeof tep_sample_key];

    memcpy (key, tep_sample_key, sizeof key);
    key[bit / 8] ^= (guint8)(1 << bit % 8);
    g_assert_false (stun_ext_tep_verify (&w.message, (StunExtSpan){ key, sizeof key }));
  }
  g_assert_true (stun_ext_tep_verify (&w.message, TEP_SAMPLE_KEY));
}

static void
test_weaker_signatures_do_not_count (void)
{
  StunExtBuilder builder;
  TepWritten w;

  stun_ext_builder_begin (&builder, w.octets, sizeof w.octets, STUN_EXT_CLASS_REQUEST,
                          STUN_EXT_TEP_METHOD_CLOSE, tep_sample_transaction_id);
  stun_ext_builder_add_u32 (&builder, STUN_EXT_TEP_ATTRIBUTE_ORDINAL, 1);
  g_assert_true (stun_ext_builder_finish (&builder, STUN_EXT_INTEGRITY_SHA1, TEP_SAMPLE_KEY, FALSE,
                                          &w.length));
  tep_sample_parse (&w);
  g_assert_false (stun_ext_tep_verify (&w.message, TEP_SAMPLE_KEY));
}

static void
test_wrong_fingerprint_is_bad (void)
{
  StunExtTepRequest request;
  StunExtTepFailure failure;
  StunExtBuilder builder;
  TepWritten w;

  stun_ext_builder_begin (&builder, w.octets, sizeof w.octets, STUN_EXT_CLASS_REQUEST,
                          STUN_EXT_TEP_METHOD_CLOSE, tep_sample_transaction_id);
  stun_ext_builder_add_u32 (&builder, STUN_EXT_TEP_ATTRIBUTE_ORDINAL, 1);
  g_assert_true (stun_ext_builder_finish (&builder, STUN_EXT_INTEGRITY_SHA256, TEP_SAMPLE_KEY, TRUE,
                                          &w.length));
  tep_sample_parse (&w);
  g_assert_true (stun_ext_tep_verify (&w.message, TEP_SAMPLE_KEY));
  g_assert_cmpint (stun_ext_tep_read_request (&w.message, &request, &failure), ==,
                   STUN_EXT_TEP_READ_OK);
  w.octets[w.length - 1] ^= 1;
  tep_sample_parse (&w);
  g_assert_false (stun_ext_tep_verify (&w.message, TEP_SAMPLE_KEY));
  g_assert_cmpint (stun_ext_tep_read_request (&w.message, &request, &failure), ==,
                   STUN_EXT_TEP_READ_BAD);
}

static void
test_every_truncation_is_no_message (void)
{
  for (gsize i = 0; i < tep_n_sample_requests; i++) {
    TepWritten w;

    tep_sample_write_request (&w, &tep_sample_requests[i].request);
    for (gsize length = 0; length < w.length; length++) {
      g_autofree guint8 *exact = g_memdup2 (w.octets, length);
      StunExtMessage message;

      g_assert_cmpint (stun_ext_message_parse (&message, exact, length), !=, STUN_EXT_PARSE_OK);
    }
  }
}

static void
test_small_buffers_are_noticed (void)
{
  for (gsize i = 0; i < tep_n_sample_requests; i++) {
    TepWritten w;

    tep_sample_write_request (&w, &tep_sample_requests[i].request);
    for (gsize capacity = 0; capacity < w.length; capacity++) {
      g_autofree guint8 *exact = g_malloc0 (capacity + 1);
      gsize length = 0;

      g_assert_false (stun_ext_tep_write_request (&tep_sample_requests[i].request,
                                                  tep_sample_transaction_id, TEP_SAMPLE_KEY, exact,
                                                  capacity, &length));
      g_assert_cmpuint (exact[capacity], ==, 0);
    }
  }
}

static gboolean
can_write (const StunExtTepRequest *request, StunExtSpan key)
{
  TepWritten w;

  return stun_ext_tep_write_request (request, tep_sample_transaction_id, key, w.octets,
                                     sizeof w.octets, &w.length);
}

static void
test_names_are_written_up_to_their_bounds (void)
{
  g_autofree char *letters = g_strnfill (1000, 'n');
  StunExtTepRequest request = tep_sample_requests[0].request;
  const struct {
    StunExtSpan *name;
    gsize max;
  } rows[] = {
    { &request.open.server_name, 255 },
    { &request.open.username, STUN_EXT_USERNAME_MAX_LENGTH },
    { &request.open.realm, 763 },
    { &request.open.nonce, 763 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    StunExtSpan before = *rows[i].name;
    StunExtTepRequest read;
    StunExtTepFailure failure;
    TepWritten w;

    *rows[i].name = (StunExtSpan){ letters, rows[i].max };
    tep_sample_write_request (&w, &request);
    g_assert_cmpint (stun_ext_tep_read_request (&w.message, &read, &failure), ==,
                     STUN_EXT_TEP_READ_OK);
    rows[i].name->length++;
    g_assert_false (can_write (&request, TEP_SAMPLE_KEY));
    rows[i].name->length = 0;
    g_assert_false (can_write (&request, TEP_SAMPLE_KEY));
    *rows[i].name = (StunExtSpan){ "a\nb", 3 };
    g_assert_false (can_write (&request, TEP_SAMPLE_KEY));
    *rows[i].name = before;
  }
  g_assert_true (can_write (&request, TEP_SAMPLE_KEY));
}

static void
test_long_names_are_read_up_to_their_bounds (void)
{
  static const struct {
    guint16 type;
    gint at_most;
  } rows[] = { { 0xc7e3, 255 }, { 0x0006, STUN_EXT_USERNAME_MAX_LENGTH } };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *letters = g_strnfill (600, 'n');
    StunExtTepRequest wanted = tep_sample_requests[0].request;
    StunExtTepRequest request;
    TepWritten w;

    for (gint length = rows[i].at_most; length <= rows[i].at_most + 1; length++) {
      StunExtBuilder builder;
      StunExtTepFailure failure;

      stun_ext_builder_begin (&builder, w.octets, sizeof w.octets, STUN_EXT_CLASS_REQUEST, 1,
                              tep_sample_transaction_id);
      stun_ext_builder_add_data (&builder, rows[i].type, letters, (gsize)length);
      stun_ext_builder_add_data (&builder, 0xc7e0, "\1\0\0\0", 4);
      stun_ext_builder_add_data (&builder, 0xc7e1, wanted.open.client_random, 32);
      stun_ext_builder_add_u64 (&builder, 0xc7e4, 1);
      stun_ext_builder_add_data (&builder, 0xc7e3, "tep", 3);
      g_assert_true (stun_ext_builder_finish (&builder, STUN_EXT_INTEGRITY_SHA256, TEP_SAMPLE_KEY,
                                              FALSE, &w.length));
      tep_sample_parse (&w);
      g_assert_cmpint (stun_ext_tep_read_request (&w.message, &request, &failure), ==,
                       length <= rows[i].at_most ? STUN_EXT_TEP_READ_OK : STUN_EXT_TEP_READ_BAD);
    }
  }
}

static void
test_impossible_requests_are_not_written (void)
{
  for (gsize i = 0; i < tep_n_sample_requests; i++) {
    StunExtTepRequest request = tep_sample_requests[i].request;

    g_assert_cmpint (can_write (&request, (StunExtSpan){ 0 }), ==,
                     request.kind == STUN_EXT_TEP_OPEN);
    request.ordinal = 0;
    g_assert_cmpint (can_write (&request, TEP_SAMPLE_KEY), ==, request.kind == STUN_EXT_TEP_OPEN);
    request = tep_sample_requests[i].request;
    if (request.kind != STUN_EXT_TEP_OPEN_FLOW)
      continue;
    request.open_flow.remote.family = 0;
    g_assert_false (can_write (&request, TEP_SAMPLE_KEY));
    request = tep_sample_requests[i].request;
    request.open_flow.port_offset = 2;
    g_assert_false (can_write (&request, TEP_SAMPLE_KEY));
    request = tep_sample_requests[i].request;
    request.open_flow.has_dscp = TRUE;
    request.open_flow.dscp = 64;
    g_assert_false (can_write (&request, TEP_SAMPLE_KEY));
  }
}

static void
test_first_flight_is_signed_with_two_keys (void)
{
  static const guint8 ids[2][STUN_EXT_TRANSACTION_ID_LENGTH] = { { 1 }, { 2 } };
  StunExtTepRequest requests[] = { tep_sample_requests[0].request, tep_sample_requests[4].request };
  StunExtTunnelSecrets secrets = stun_ext_tep_secrets (&requests[0].open, NULL, TEP_SAMPLE_KEY);
  guint8 flight_key[STUN_EXT_TUNNEL_KEY_LENGTH];
  guint8 octets[4096];
  gsize length = 0;
  StunExtReader reader;

  g_assert_true (stun_ext_flight_key (&secrets, flight_key));
  g_assert_true (
      stun_ext_tep_write_flight (requests, ids, 2, TEP_SAMPLE_KEY, octets, sizeof octets, &length));
  stun_ext_reader_init (&reader, octets, length);
  for (guint i = 0; i < 2; i++) {
    gsize n = stun_ext_reader_u16 (&reader);
    const guint8 *frame = stun_ext_reader_bytes (&reader, n);
    StunExtSpan key = i == 0 ? TEP_SAMPLE_KEY : (StunExtSpan){ flight_key, sizeof flight_key };
    StunExtMessage message;

    g_assert_cmpint (stun_ext_message_parse (&message, frame, n), ==, STUN_EXT_PARSE_OK);
    g_assert_true (stun_ext_tep_verify (&message, key));
    g_assert_cmpmem (message.transaction_id, 12, ids[i], 12);
  }
  g_assert_true (stun_ext_reader_done (&reader));

  for (gsize capacity = 0; capacity < length; capacity++) {
    g_autofree guint8 *exact = g_malloc (capacity + 1);
    gsize n;

    g_assert_false (
        stun_ext_tep_write_flight (requests, ids, 2, TEP_SAMPLE_KEY, exact, capacity, &n));
  }
  g_assert_true (stun_ext_tep_write_flight (requests, ids, 1, (StunExtSpan){ 0 }, octets,
                                            sizeof octets, &length));
  g_assert_false (stun_ext_tep_write_flight (requests, ids, 2, (StunExtSpan){ 0 }, octets,
                                             sizeof octets, &length));
  g_assert_false (stun_ext_tep_write_flight (requests + 1, ids, 1, TEP_SAMPLE_KEY, octets,
                                             sizeof octets, &length));
}

/* Nothing but a flip may crash a reader. What still reads must also write. */
static void
test_mutated_messages_stay_inside (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (8489);

  for (guint round = 0; round < 50000; round++) {
    StunExtTepRequest request;
    StunExtTepSuccess success;
    StunExtTepFailure failure;
    StunExtTepClosing closing;
    StunExtMessage message;
    g_autofree guint8 *exact = NULL;
    TepWritten w;

    if (round % 2 == 0)
      tep_sample_write_request (&w,
                                &tep_sample_requests[round / 2 % tep_n_sample_requests].request);
    else
      tep_sample_write_success (&w,
                                &tep_sample_successes[round / 2 % tep_n_sample_successes].success);
    for (gint i = g_rand_int_range (rand, 1, 4); i > 0; i--)
      w.octets[g_rand_int_range (rand, 0, (gint)w.length)] = (guint8)g_rand_int (rand);
    exact = g_memdup2 (w.octets, w.length);
    if (stun_ext_message_parse (&message, exact, w.length) != STUN_EXT_PARSE_OK)
      continue;
    if (stun_ext_tep_read_request (&message, &request, &failure) == STUN_EXT_TEP_READ_OK)
      can_write (&request, TEP_SAMPLE_KEY);
    for (StunExtTepKind kind = STUN_EXT_TEP_OPEN; kind <= STUN_EXT_TEP_CLOSE; kind++)
      stun_ext_tep_read_success (&message, kind, &success);
    stun_ext_tep_read_failure (&message, &failure);
    stun_ext_tep_read_closing (&message, &closing);
  }
}

/* Both sides of a login: what the server's challenge asks for is what it reads back. */
static void
test_login_follows_the_challenge (void)
{
  static const StunExtAlgorithms algorithms[] = {
    STUN_EXT_ALGORITHMS_SHA256,
    STUN_EXT_ALGORITHMS_SHA256 | STUN_EXT_ALGORITHMS_MD5,
    STUN_EXT_ALGORITHMS_MD5,
  };
  StunExtNonceMaker maker = { { 1 }, 600 };
  guint8 salt[STUN_EXT_NONCE_SALT_LENGTH] = { 0 };

  for (gsize i = 0; i < 2 * G_N_ELEMENTS (algorithms); i++) {
    StunExtRealm realm = { { "example.org", 11 }, algorithms[i / 2], i % 2 == 1 };
    StunExtTepRequest request = tep_sample_requests[0].request;
    guint8 userhash[STUN_EXT_USERHASH_LENGTH];
    char nonce[STUN_EXT_NONCE_LENGTH + 1];
    TepSampleFailure sample = { "challenge", STUN_EXT_METHOD_BINDING, { 0 } };
    StunExtChallenge challenge;
    StunExtLogin login;
    TepWritten w;

    g_assert_true (stun_ext_nonce_make (&maker, stun_ext_realm_features (&realm), 1, salt,
                                        (StunExtSpan){ 0 }, nonce));
    sample.failure = stun_ext_tep_failure_challenge (401, &realm, nonce, 1700000000000);
    tep_sample_write_failure (&w, &sample, (StunExtSpan){ 0 });
    g_assert_false (stun_ext_message_is_bid_down (&w.message));
    g_assert_cmpint (stun_ext_challenge_read (&w.message,
                                              STUN_EXT_ALGORITHMS_SHA256 | STUN_EXT_ALGORITHMS_MD5,
                                              &challenge),
                     ==, STUN_EXT_CHALLENGE_ANSWER);
    g_assert_true (stun_ext_tep_open_log_in (&request.open, &challenge, (StunExtSpan){ "alice", 5 },
                                             userhash));
    tep_sample_write_request (&w, &request);
    g_assert_cmpint (stun_ext_login_read (&w.message, &realm, &login), ==, STUN_EXT_LOGIN_COMPLETE);
    g_assert_cmpint (login.algorithm, ==, challenge.algorithm);
    g_assert_cmpuint (login.username.length, ==, realm.is_anonymous ? 0 : 5);
    g_assert_cmpuint (login.userhash.length, ==, realm.is_anonymous ? 32 : 0);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, function) g_test_add_func ("/stun-ext/tep/" path, function)
  ADD ("requests-read-back-as-written", test_requests_read_back_as_written);
  ADD ("fields-carry-their-values", test_fields_carry_their_values);
  ADD ("successes-read-back-as-written", test_successes_read_back_as_written);
  ADD ("success-of-another-method-is-not-read", test_success_of_another_method_is_not_read);
  ADD ("failures-and-closings-read-back-as-written",
       test_failures_and_closings_read_back_as_written);
  ADD ("messages-of-other-kinds-are-told-apart", test_messages_of_other_kinds_are_told_apart);
  ADD ("answer-of-a-plain-server-is-recognised", test_answer_of_a_plain_server_is_recognised);
  ADD ("every-flipped-bit-breaks-the-signature", test_every_flipped_bit_breaks_the_signature);
  ADD ("weaker-signatures-do-not-count", test_weaker_signatures_do_not_count);
  ADD ("wrong-fingerprint-is-bad", test_wrong_fingerprint_is_bad);
  ADD ("every-truncation-is-no-message", test_every_truncation_is_no_message);
  ADD ("small-buffers-are-noticed", test_small_buffers_are_noticed);
  ADD ("names-are-written-up-to-their-bounds", test_names_are_written_up_to_their_bounds);
  ADD ("long-names-are-read-up-to-their-bounds", test_long_names_are_read_up_to_their_bounds);
  ADD ("impossible-requests-are-not-written", test_impossible_requests_are_not_written);
  ADD ("first-flight-is-signed-with-two-keys", test_first_flight_is_signed_with_two_keys);
  ADD ("login-follows-the-challenge", test_login_follows_the_challenge);
  ADD ("mutated-messages-stay-inside", test_mutated_messages_stay_inside);
  return g_test_run ();
}
