/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "stun-ext/attribute.h"
#include "stun-ext/detect.h"
#include "stun-ext/integrity.h"

static const StunExtDetectRun run = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } };
static const StunExtSpan no_key = { NULL, 0 };
static const StunExtSpan user_key = { "correct horse battery", 21 };

static StunExtDetectKey
key_of (StunExtSpan user)
{
  StunExtDetectKey key;

  g_assert_true (stun_ext_detect_key_derive (&key, user, &run));
  return key;
}

static StunExtAddress
address_of (const char *text)
{
  StunExtAddress address;

  g_assert_true (stun_ext_address_parse (text, &address));
  return address;
}

static gsize
write_request (const StunExtDetectRequest *request, const StunExtDetectKey *user, guint8 *buffer)
{
  gsize length;

  g_assert_true (stun_ext_detect_request_write (request, user, buffer, 2048, &length));
  return length;
}

static void
test_a_request_has_the_length_that_was_asked_for (void)
{
  const gsize lengths[] = { 0, 96, 100, 240, 1200, 1472 };
  guint8 buffer[2048];

  for (gsize i = 0; i < G_N_ELEMENTS (lengths); i++) {
    StunExtDetectRequest request = { .mark = { .run = run, .probe = 7, .delay_s = 30 },
                                     .change = STUN_EXT_CHANGE_IP | STUN_EXT_CHANGE_PORT,
                                     .response_port = 999,
                                     .length = lengths[i],
                                     .cookie = { "sixteen octets..", 16 } };
    gsize length = write_request (&request, NULL, buffer);
    StunExtMessage message;
    StunExtDetectMark mark;
    guint32 change;

    g_assert_cmpuint (length, ==, lengths[i] == 0 ? STUN_EXT_DETECT_REQUEST_LENGTH : lengths[i]);
    g_assert_cmpint (stun_ext_message_parse (&message, buffer, length), ==, STUN_EXT_PARSE_OK);
    g_assert_cmpint (stun_ext_fingerprint_verify (&message), ==, STUN_EXT_VERDICT_VALID);
    g_assert_true (stun_ext_message_get_detect (&message, &mark));
    g_assert_cmpmem (mark.run.octets, 16, run.octets, 16);
    g_assert_cmpuint (mark.probe, ==, 7);
    g_assert_cmpuint (mark.delay_s, ==, 30);
    g_assert_cmpint (
        stun_ext_message_get_u32 (&message, STUN_EXT_ATTRIBUTE_CHANGE_REQUEST, &change), ==,
        STUN_EXT_GET_OK);
    g_assert_cmpuint (change, ==, 6);
  }
}

static void
test_a_request_that_does_not_fit_is_refused (void)
{
  guint8 buffer[2048];
  gsize length;
  StunExtDetectRequest request = { .mark = { .run = run } };
  const gsize bad[] = { 20, 52, 54, 241 };

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    request.length = bad[i];
    g_assert_false (stun_ext_detect_request_write (&request, NULL, buffer, sizeof buffer, &length));
  }
  request.length = 0;
  g_assert_false (stun_ext_detect_request_write (&request, NULL, buffer, 100, &length));
  request.mark.delay_s = STUN_EXT_DETECT_DELAY_MAX_S + 1;
  g_assert_false (stun_ext_detect_request_write (&request, NULL, buffer, sizeof buffer, &length));
}

static StunExtDetectAnswer
full_answer (gboolean is_ipv6)
{
  StunExtDetectAnswer answer = { .mark = { .run = run, .probe = 9 } };

  answer.mapped = address_of (is_ipv6 ? "[2001:db8::7]:4000" : "198.51.100.7:4000");
  answer.mapped_plain = answer.mapped;
  answer.origin = address_of (is_ipv6 ? "[2001:db8::1]:3478" : "192.0.2.1:3478");
  answer.other = address_of (is_ipv6 ? "[2001:db8::2]:3479" : "192.0.2.2:3479");
  answer.cookie = (StunExtSpan){ "sixteen octets..", 16 };
  return answer;
}

static void
test_no_answer_is_longer_than_its_request (void)
{
  guint8 request_buffer[2048], buffer[2048];
  StunExtDetectKey key = key_of (no_key);

  for (guint family = 0; family < 2; family++) {
    StunExtDetectAnswer answer = full_answer (family == 1);

    for (gsize largest = 20; largest <= 400; largest += 4) {
      StunExtDetectRequest request = { .mark = { .run = run }, .length = 96 };
      StunExtMessage asked, answered;
      StunExtDetectAnswer read;
      gsize length;

      length = write_request (&request, NULL, request_buffer);
      g_assert_cmpint (stun_ext_message_parse (&asked, request_buffer, length), ==,
                       STUN_EXT_PARSE_OK);
      if (!stun_ext_detect_answer_write (&answer, &asked, &key, largest, buffer, sizeof buffer,
                                         &length)) {
        g_assert_cmpuint (largest, <, 120);
        continue;
      }
      g_assert_cmpuint (length, <=, largest);
      g_assert_cmpint (stun_ext_message_parse (&answered, buffer, length), ==, STUN_EXT_PARSE_OK);
      g_assert_true (stun_ext_message_is_answer_to (&answered, &asked));
      g_assert_cmpint (stun_ext_detect_answer_read (&answered, &run, NULL, &read), ==,
                       STUN_EXT_DETECT_PROOF_UNKEYED);
      g_assert_true (stun_ext_address_equal (&read.mapped, &answer.mapped));
      if (largest >= STUN_EXT_DETECT_REQUEST_LENGTH) {
        g_assert_true (stun_ext_address_equal (&read.other, &answer.other));
        g_assert_true (stun_ext_address_equal (&read.origin, &answer.origin));
        g_assert_cmpuint (read.cookie.length, ==, 16);
      }
      answer.mark.flags = STUN_EXT_DETECT_FLAG_FILL;
      g_assert_true (stun_ext_detect_answer_write (&answer, &asked, &key, largest, buffer,
                                                   sizeof buffer, &length));
      g_assert_cmpuint (length, ==, largest);
      answer.mark.flags = 0;
    }
  }
}

static void
test_each_changed_octet_takes_the_proof_away (void)
{
  StunExtDetectKey user = key_of (user_key);
  StunExtDetectAnswer answer = full_answer (FALSE), read;
  StunExtDetectRequest request = { .mark = { .run = run }, .username = "alice" };
  guint8 asked_buffer[2048], buffer[2048];
  StunExtMessage asked, answered;
  gsize length;

  length = write_request (&request, &user, asked_buffer);
  g_assert_cmpint (stun_ext_message_parse (&asked, asked_buffer, length), ==, STUN_EXT_PARSE_OK);
  g_assert_cmpint (stun_ext_integrity_verify (&asked, STUN_EXT_INTEGRITY_SHA256, 32,
                                              (StunExtSpan){ user.octets, 32 }),
                   ==, STUN_EXT_VERDICT_VALID);
  answer.mark.flags = STUN_EXT_DETECT_FLAG_KEYED;
  g_assert_true (
      stun_ext_detect_answer_write (&answer, &asked, &user, 240, buffer, sizeof buffer, &length));
  g_assert_cmpint (stun_ext_message_parse (&answered, buffer, length), ==, STUN_EXT_PARSE_OK);
  g_assert_cmpint (stun_ext_detect_answer_read (&answered, &run, &user, &read), ==,
                   STUN_EXT_DETECT_PROOF_KEYED);
  g_assert_cmpint (stun_ext_detect_answer_read (&answered, &run, NULL, &read), ==,
                   STUN_EXT_DETECT_PROOF_NONE);
  for (gsize i = 0; i < length; i++) {
    buffer[i] ^= 0x10;
    if (stun_ext_message_parse (&answered, buffer, length) == STUN_EXT_PARSE_OK)
      g_assert_cmpint (stun_ext_detect_answer_read (&answered, &run, &user, &read), ==,
                       STUN_EXT_DETECT_PROOF_NONE);
    buffer[i] ^= 0x10;
  }
}

static void
test_an_ordinary_server_is_understood_and_proves_nothing (void)
{
  const guint8 id[12] = { 0 };
  StunExtAddress mapped = address_of ("198.51.100.7:4000"), other = address_of ("192.0.2.2:3479");
  guint8 buffer[256];
  StunExtBuilder builder;
  StunExtMessage message;
  StunExtDetectAnswer answer;
  gsize length;

  stun_ext_builder_begin (&builder, buffer, sizeof buffer, STUN_EXT_CLASS_SUCCESS,
                          STUN_EXT_METHOD_BINDING, id);
  stun_ext_builder_add_xor_address (&builder, STUN_EXT_ATTRIBUTE_XOR_MAPPED_ADDRESS, &mapped);
  stun_ext_builder_add_address (&builder, STUN_EXT_ATTRIBUTE_OTHER_ADDRESS, &other);
  g_assert_true (
      stun_ext_builder_finish (&builder, STUN_EXT_INTEGRITY_NONE, no_key, FALSE, &length));
  g_assert_cmpint (stun_ext_message_parse (&message, buffer, length), ==, STUN_EXT_PARSE_OK);
  g_assert_cmpint (stun_ext_detect_answer_read (&message, &run, NULL, &answer), ==,
                   STUN_EXT_DETECT_PROOF_NONE);
  g_assert_false (answer.has_mark);
  g_assert_true (stun_ext_address_equal (&answer.mapped, &mapped));
  g_assert_true (stun_ext_address_equal (&answer.other, &other));
  g_assert_cmpuint (answer.code, ==, 0);
}

static void
test_tokens_are_known_and_nothing_else_is (void)
{
  guint8 octets[STUN_EXT_DETECT_TOKEN_LENGTH];
  StunExtDetectToken token = { .run = run, .probe = 0xdeadbeef, .length = 960, .payload = 13 };
  StunExtDetectToken read;

  g_assert_true (stun_ext_detect_token_write (&token, octets));
  g_assert_true (stun_ext_detect_token_read (octets, &read));
  g_assert_cmpuint (read.probe, ==, token.probe);
  g_assert_cmpuint (read.length, ==, token.length);
  g_assert_cmpuint (read.payload, ==, token.payload);
  g_assert_cmpmem (read.run.octets, 16, run.octets, 16);
  for (gsize i = 0; i < sizeof octets; i++) {
    octets[i] ^= 1;
    g_assert_false (stun_ext_detect_token_read (octets, &read));
    octets[i] ^= 1;
  }
}

static void
test_a_digest_answer_is_proven_whole (void)
{
  StunExtDetectKey keys[2] = { key_of (no_key), key_of (user_key) };
  StunExtDetectEcho echo = {
    .payload = 13, .twin = 1, .has_run = TRUE, .run = run, .probe = 5, .octets = 960
  };
  StunExtDetectEcho read;
  StunExtDetectProof proof;
  guint8 octets[STUN_EXT_DETECT_ANSWER_LENGTH];

  memset (echo.digest, 0x5a, sizeof echo.digest);
  for (guint i = 0; i < 2; i++) {
    echo.source = address_of (i == 0 ? "198.51.100.7:4000" : "[2001:db8::7]:4000");
    g_assert_true (stun_ext_detect_echo_write (&echo, &keys[i], octets));
    g_assert_true (
        stun_ext_detect_echo_read (octets, sizeof octets, &run, &keys[1], &read, &proof));
    g_assert_cmpint (proof, ==,
                     i == 0 ? STUN_EXT_DETECT_PROOF_UNKEYED : STUN_EXT_DETECT_PROOF_KEYED);
    g_assert_true (stun_ext_address_equal (&read.source, &echo.source));
    g_assert_cmpuint (read.octets, ==, 960);
    g_assert_cmpuint (read.payload, ==, 13);
    g_assert_cmpmem (read.digest, 32, echo.digest, 32);
    for (gsize n = 0; n < sizeof octets; n++) {
      g_assert_false (stun_ext_detect_echo_read (octets, n, &run, NULL, &read, &proof));
      octets[n] ^= 4;
      g_assert_true (
          !stun_ext_detect_echo_read (octets, sizeof octets, &run, &keys[1], &read, &proof) ||
          proof == STUN_EXT_DETECT_PROOF_NONE);
      octets[n] ^= 4;
    }
  }
  echo.has_run = FALSE;
  g_assert_true (stun_ext_detect_echo_write (&echo, NULL, octets));
  g_assert_true (stun_ext_detect_echo_read (octets, sizeof octets, &run, NULL, &read, &proof));
  g_assert_cmpint (proof, ==, STUN_EXT_DETECT_PROOF_NONE);
}

static void
test_survival_blocks_are_the_same_at_both_ends (void)
{
  StunExtDetectSurvival here, there;
  guint8 block[STUN_EXT_DETECT_BLOCK_LENGTH], sent[STUN_EXT_DETECT_BLOCK_LENGTH],
      expected[STUN_EXT_DETECT_BLOCK_LENGTH];

  g_assert_true (stun_ext_detect_survival_begin (&here, (const guint8 *)"first", 5));
  g_assert_true (stun_ext_detect_survival_begin (&there, (const guint8 *)"first", 5));
  for (guint i = 0; i < 16; i++) {
    memset (block, (int)i, sizeof block);
    g_assert_true (stun_ext_detect_survival_block (&there, block, sent));
    g_assert_true (stun_ext_detect_survival_block (&here, block, expected));
    g_assert_cmpmem (sent, sizeof sent, expected, sizeof expected);
    block[100] ^= 1;
    g_assert_true (stun_ext_detect_survival_block (&there, block, sent));
    block[100] ^= 1;
    g_assert_true (stun_ext_detect_survival_block (&here, block, expected));
    g_assert_cmpint (memcmp (sent, expected, sizeof sent), !=, 0);
    here = there;
  }
  g_assert_cmpuint (here.total, ==, 32 * 512);
}

static void
test_hexadecimal_is_read_as_it_is_written (void)
{
  char text[STUN_EXT_DETECT_RUN_TEXT_LENGTH];
  guint8 octets[16];

  g_assert_cmpstr (stun_ext_detect_run_print (&run, text), ==, "0102030405060708090a0b0c0d0e0f10");
  g_assert_true (stun_ext_detect_hex_parse (text, 32, octets, 16));
  g_assert_cmpmem (octets, 16, run.octets, 16);
  g_assert_false (stun_ext_detect_hex_parse (text, 31, octets, 16));
  g_assert_false (stun_ext_detect_hex_parse ("0102030405060708090a0b0c0d0e0fxx", 32, octets, 16));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stun-ext/detect/a-request-has-the-length-that-was-asked-for",
                   test_a_request_has_the_length_that_was_asked_for);
  g_test_add_func ("/stun-ext/detect/a-request-that-does-not-fit-is-refused",
                   test_a_request_that_does_not_fit_is_refused);
  g_test_add_func ("/stun-ext/detect/no-answer-is-longer-than-its-request",
                   test_no_answer_is_longer_than_its_request);
  g_test_add_func ("/stun-ext/detect/each-changed-octet-takes-the-proof-away",
                   test_each_changed_octet_takes_the_proof_away);
  g_test_add_func ("/stun-ext/detect/an-ordinary-server-is-understood-and-proves-nothing",
                   test_an_ordinary_server_is_understood_and_proves_nothing);
  g_test_add_func ("/stun-ext/detect/tokens-are-known-and-nothing-else-is",
                   test_tokens_are_known_and_nothing_else_is);
  g_test_add_func ("/stun-ext/detect/a-digest-answer-is-proven-whole",
                   test_a_digest_answer_is_proven_whole);
  g_test_add_func ("/stun-ext/detect/survival-blocks-are-the-same-at-both-ends",
                   test_survival_blocks_are_the_same_at_both_ends);
  g_test_add_func ("/stun-ext/detect/hexadecimal-is-read-as-it-is-written",
                   test_hexadecimal_is_read_as_it_is_written);
  return g_test_run ();
}
