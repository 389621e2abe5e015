/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "stun-ext/detect-payload.h"
#include "stun-ext/detect-record.h"
#include "stun-ext/detect-text.h"

static const StunExtDetectRun run = { { 0xc1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
                                        16 } };
static const guint8 nonce[STUN_EXT_DETECT_NONCE_LENGTH] = { 9, 9, 9 };

static StunExtDetectKey
key_of (const char *password)
{
  StunExtDetectKey key;

  g_assert_true (
      stun_ext_detect_key_derive (&key, (StunExtSpan){ password, strlen (password) }, &run));
  return key;
}

static StunExtDetectQuery
query_of (StunExtDetectWhat what)
{
  StunExtDetectQuery query = { .what = what, .has_run = TRUE, .run = run, .probe = 4000000000u };

  memcpy (query.nonce, nonce, sizeof nonce);
  return query;
}

static void
test_a_target_is_read_as_it_is_written (void)
{
  StunExtDetectKey user = key_of ("secret"), other = key_of ("guess");

  for (guint what = 0; what < STUN_EXT_DETECT_N_WHATS; what++)
    for (guint i = 0; i < 4; i++) {
      StunExtDetectQuery query = query_of (what), read;
      g_autofree char *target = NULL, *absolute = NULL;

      query.payload = i == 3 ? STUN_EXT_DETECT_PAYLOAD_HTTP : 0;
      g_strlcpy (query.username, i >= 1 ? "al ice&=%/ü" : "", sizeof query.username);
      g_strlcpy (query.realm, i >= 2 ? "the realm" : "", sizeof query.realm);
      target = stun_ext_detect_target_write (&query, i >= 1 ? &user : NULL);
      g_assert_nonnull (target);
      g_assert_null (strchr (target, ' '));
      g_assert_true (stun_ext_detect_target_read (target, strlen (target), &read));
      g_assert_cmpint (read.what, ==, what);
      g_assert_cmpstr (read.username, ==, query.username);
      g_assert_cmpstr (read.realm, ==, query.realm);
      g_assert_cmpuint (read.probe, ==, query.probe);
      g_assert_cmpuint (read.payload, ==, query.payload);
      g_assert_cmpmem (read.run.octets, 16, run.octets, 16);
      g_assert_cmpmem (read.nonce, 16, nonce, 16);
      g_assert_cmpint (read.has_proof, ==, i >= 1);
      g_assert_cmpint (stun_ext_detect_target_is_signed_by (&read, &user), ==, i >= 1);
      g_assert_false (stun_ext_detect_target_is_signed_by (&read, &other));
      absolute = g_strconcat ("http://far.example:80", target, NULL);
      g_assert_true (stun_ext_detect_target_read (absolute, strlen (absolute), &read));
    }
}

static void
test_a_target_that_is_not_right_is_none (void)
{
#define RUN "run=c102030405060708090a0b0c0d0e0f10"
#define NONCE "nonce=09090900000000000000000000000000"
  static const char *const wrong[] = {
    "",
    "/",
    "/tep-detect/1/",
    "/tep-detect/1/echo",
    "/tep-detect/2/echo?" RUN "&" NONCE,
    "/tep-detect/1/echo?" RUN,
    "/tep-detect/1/echo?" NONCE,
    "/tep-detect/1/echo?" RUN "&" NONCE "&",
    "/tep-detect/1/echo?" RUN "&" NONCE "&" RUN,
    "/tep-detect/1/echo?" RUN "&" NONCE "&probe=-1",
    "/tep-detect/1/echo?" RUN "&" NONCE "&probe=4294967296",
    "/tep-detect/1/echo?" RUN "&" NONCE "&probe=",
    "/tep-detect/1/echo?" RUN "&" NONCE "&payload=256",
    "/tep-detect/1/echo?" RUN "&" NONCE "&unknown=1",
    "/tep-detect/1/echo?" RUN "&" NONCE "&user=alice",
    "/tep-detect/1/echo?" RUN "&" NONCE "&user=%0a&proof=00",
    "/tep-detect/1/echo?" RUN "&" NONCE "&user=%4",
    "/tep-detect/1/echo?" RUN "x&" NONCE,
    "/tep-detect/1/echos?" RUN "&" NONCE,
    "/tep-detect/1/record",
    "http://tep-detect/1/self",
    "https://x/tep-detect/1/self",
  };
  StunExtDetectQuery query;

  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++) {
    g_autofree char *exact = g_memdup2 (wrong[i], strlen (wrong[i]));

    g_test_message ("%s", wrong[i]);
    g_assert_false (stun_ext_detect_target_read (exact, strlen (wrong[i]), &query));
  }
  g_assert_true (
      stun_ext_detect_target_read ("/tep-detect/1/self", strlen ("/tep-detect/1/self"), &query));
  g_assert_false (query.has_run);
}

static void
test_a_body_is_proven_up_to_its_last_line (void)
{
  static const char *const passwords[] = { "", "secret" };
  StunExtDetectKey user = key_of ("secret");

  for (guint i = 0; i < 2; i++) {
    StunExtDetectKey key = key_of (passwords[i]);
    StunExtDetectProof expected =
        i == 1 ? STUN_EXT_DETECT_PROOF_KEYED : STUN_EXT_DETECT_PROOF_UNKEYED;
    g_autoptr (GString) body = stun_ext_detect_body_seal (
        g_string_new ("{\"line\":\"a\"}\n{\"line\":\"b\"}\n"), &key, nonce);
    guint8 other[STUN_EXT_DETECT_NONCE_LENGTH] = { 1 };
    gsize n;

    g_assert_cmpint (stun_ext_detect_body_check (body->str, body->len, &run, &user, nonce, &n), ==,
                     expected);
    g_assert_cmpuint (n, ==, 26);
    g_assert_cmpint (stun_ext_detect_body_check (body->str, body->len, &run, &user, other, &n), ==,
                     STUN_EXT_DETECT_PROOF_NONE);
    for (gsize at = 0; at < body->len; at++) {
      g_autofree char *exact = g_memdup2 (body->str, at);

      body->str[at] ^= 1;
      if (at + 1 < body->len)
        g_assert_cmpint (stun_ext_detect_body_check (body->str, body->len, &run, &user, nonce, &n),
                         ==, STUN_EXT_DETECT_PROOF_NONE);
      body->str[at] ^= 1;
      if (at + 1 < body->len)
        g_assert_cmpint (stun_ext_detect_body_check (exact, at, &run, &user, nonce, &n), ==,
                         STUN_EXT_DETECT_PROOF_NONE);
    }
  }
}

/* ---- SIP ---- */

static gsize
write_sip (StunExtDetectPayload payload, guint8 *buffer)
{
  StunExtDetectFlight flight = { .payload = payload,
                                 .run = run,
                                 .probe = 3,
                                 .seed = 8,
                                 .host = "far.example",
                                 .is_datagram = TRUE };

  g_assert_true (stun_ext_address_parse ("10.1.2.3:5062", &flight.local));
  return stun_ext_detect_flight_write (&flight, buffer, STUN_EXT_DETECT_FLIGHT_MAX);
}

static void
test_a_sip_answer_tells_what_was_seen (void)
{
  guint8 request[STUN_EXT_DETECT_FLIGHT_MAX];
  StunExtDetectKey user = key_of ("secret"), unkeyed = key_of ("");
  StunExtAddress source;

  stun_ext_address_parse ("198.51.100.7:40001", &source);
  for (guint payload = STUN_EXT_DETECT_PAYLOAD_SIP_REGISTER;
       payload <= STUN_EXT_DETECT_PAYLOAD_SIP_OPTIONS; payload++) {
    gsize n = write_sip (payload, request);
    StunExtDetectToken token = {
      .run = run, .probe = 3, .length = (guint16)n, .payload = (guint8)payload
    };
    gboolean is_invite = payload == STUN_EXT_DETECT_PAYLOAD_SIP_INVITE;
    StunExtDetectSip sip;

    for (guint i = 0; i < 2; i++) {
      g_autoptr (GString) answer = stun_ext_detect_sip_answer_write (
          (const char *)request, n, &token, &source, i == 0 ? &unkeyed : &user, n);

      g_assert_nonnull (answer);
      g_assert_cmpuint (answer->len, <=, n);
      g_assert_nonnull (strstr (answer->str, ";rport=40001;branch=z9hG4bK"));
      g_assert_nonnull (strstr (answer->str, ";received=198.51.100.7\r\n"));
      g_assert_cmpint (
          stun_ext_detect_sip_answer_read (answer->str, answer->len, &token, &user, &sip), ==,
          i == 0 ? STUN_EXT_DETECT_PROOF_UNKEYED : STUN_EXT_DETECT_PROOF_KEYED);
      g_assert_cmpuint (sip.code, ==, is_invite ? 486 : 200);
      g_assert_cmpuint (sip.octets, ==, n);
      g_assert_true (stun_ext_address_equal (&sip.source, &source));
      g_assert_cmpstr (sip.via, ==, "10.1.2.3:5062");
      g_assert_cmpstr (sip.contact, ==, "10.1.2.3:5062");
      g_assert_cmpstr (sip.sdp, ==, is_invite ? "IP4 10.1.2.3" : "");
      for (gsize at = 0; at < answer->len; at++) {
        g_autofree char *exact = g_memdup2 (answer->str, at);

        stun_ext_detect_sip_answer_read (exact, at, &token, &user, &sip);
      }
      token.probe++;
      g_assert_cmpint (
          stun_ext_detect_sip_answer_read (answer->str, answer->len, &token, &user, &sip), ==,
          STUN_EXT_DETECT_PROOF_NONE);
      token.probe--;
    }
    g_assert_null (
        stun_ext_detect_sip_answer_write ((const char *)request, n, &token, &source, &user, 300));
    for (gsize at = 0; at < n; at++) {
      g_autofree char *exact = g_memdup2 (request, at);
      GString *answer =
          stun_ext_detect_sip_answer_write (exact, at, &token, &source, &user, G_MAXSIZE);

      if (answer != NULL)
        g_string_free (answer, TRUE);
    }
  }
}

/* ---- records ---- */

static StunExtDetectRecord
sample (void)
{
  StunExtDetectRecord record = { .time_ms = G_GINT64_CONSTANT (1795000000123),
                                 .duration_ms = 4000,
                                 .transport = STUN_EXT_DETECT_TRANSPORT_TCP,
                                 .payload = STUN_EXT_DETECT_PAYLOAD_SIP_INVITE,
                                 .twin = STUN_EXT_DETECT_TWIN_INVERTED,
                                 .layers = STUN_EXT_DETECT_LAYER_TLS,
                                 .has_run = TRUE,
                                 .probe = 12,
                                 .octets_in = 960,
                                 .octets_out = 100,
                                 .octets_unacked = 7,
                                 .first_length = 960,
                                 .end = STUN_EXT_DETECT_END_RESET,
                                 .ttl = 57,
                                 .mss = 1460,
                                 .window = 64240,
                                 .syn = "mss,sackOK,ts,nop,ws7" };

  memset (record.digest, 0xab, sizeof record.digest);
  stun_ext_address_parse ("192.0.2.1:443", &record.local);
  stun_ext_address_parse ("[2001:db8::9]:50000", &record.source);
  return record;
}

static void
test_a_record_is_read_as_it_is_written (void)
{
  g_autoptr (GString) text = g_string_new (NULL);
  StunExtDetectRecord record = sample (), read;
  gsize position = 0;
  StunExtSpan line;

  stun_ext_detect_record_write (&record, text);
  g_string_append (text, "{\"line\":\"end\",\"n\":1}");
  g_assert_true (stun_ext_detect_line_next (text->str, text->len, &position, &line));
  g_assert_true (stun_ext_detect_record_read (line.data, line.length, &read));
  g_assert_cmpmem (&read, sizeof read, &record, sizeof record);
  for (gsize n = 0; n < line.length; n++) {
    g_autofree char *exact = g_memdup2 (line.data, n);

    g_assert_false (stun_ext_detect_record_read (exact, n, &read));
  }
  g_assert_true (stun_ext_detect_line_next (text->str, text->len, &position, &line));
  g_assert_false (stun_ext_detect_record_read (line.data, line.length, &read));
  g_assert_false (stun_ext_detect_line_next (text->str, text->len, &position, &line));
}

static void
test_lines_that_are_not_flat_have_no_members (void)
{
  static const struct {
    const char *line;
    gboolean has_number;
  } rows[] = {
    { "{\"n\":1}", TRUE },
    { " { \"a\" : \"b\" , \"n\" : 1 } ", TRUE },
    { "{\"n\":1,\"t\":true,\"f\":false,\"z\":null}", TRUE },
    { "", FALSE },
    { "{}", FALSE },
    { "{\"n\":1", FALSE },
    { "{\"n\":1}x", FALSE },
    { "{\"n\":1,}", FALSE },
    { "{\"n\":01}", FALSE },
    { "{\"n\":-1}", FALSE },
    { "{\"n\":1.5}", FALSE },
    { "{\"n\":99999999999999999999999}", FALSE },
    { "{\"n\":1,\"n\":1}", FALSE },
    { "{\"n\":1,\"x\":{}}", FALSE },
    { "{\"n\":1,\"x\":[]}", FALSE },
    { "{\"n\":1,\"x\":\"\\n\"}", FALSE },
    { "{\"n\":1,\"x\":\"\x7f\"}", FALSE },
    { "{\"n\":1,\"a name that is much longer than is allowed\":1}", FALSE },
    { "[{\"n\":1}]", FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *exact = g_memdup2 (rows[i].line, strlen (rows[i].line));
    gint64 number;

    g_test_message ("%s", rows[i].line);
    g_assert_cmpint (
        stun_ext_detect_line_number ((StunExtSpan){ exact, strlen (rows[i].line) }, "n", &number),
        ==, rows[i].has_number);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stun-ext/detect-text/a-target-is-read-as-it-is-written",
                   test_a_target_is_read_as_it_is_written);
  g_test_add_func ("/stun-ext/detect-text/a-target-that-is-not-right-is-none",
                   test_a_target_that_is_not_right_is_none);
  g_test_add_func ("/stun-ext/detect-text/a-body-is-proven-up-to-its-last-line",
                   test_a_body_is_proven_up_to_its_last_line);
  g_test_add_func ("/stun-ext/detect-text/a-sip-answer-tells-what-was-seen",
                   test_a_sip_answer_tells_what_was_seen);
  g_test_add_func ("/stun-ext/detect-text/a-record-is-read-as-it-is-written",
                   test_a_record_is_read_as_it_is_written);
  g_test_add_func ("/stun-ext/detect-text/lines-that-are-not-flat-have-no-members",
                   test_lines_that_are_not_flat_have_no_members);
  return g_test_run ();
}
