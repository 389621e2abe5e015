/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "turn-connect/local/sip-refusal.h"

#include <string.h>

#define REQUEST                                                                                    \
  "REGISTER sip:example.org SIP/2.0\r\n"                                                           \
  "Via: SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK1;rport\r\n"                                      \
  "v: SIP/2.0/TCP 192.0.2.2\r\n"                                                                   \
  "Max-Forwards: 70\r\n"                                                                           \
  "f : \"A\" <sip:a@example.org>;tag=7\r\n"                                                        \
  "To:\r\n <sip:a@example.org>\r\n"                                                                \
  "i:1\r\n"                                                                                        \
  "CSeq: 1 REGISTER\r\n"                                                                           \
  "Content-Length: 0\r\n\r\n"

static TurnConnectSip
refuse (const char *text, gsize length, GString *answer)
{
  /* Of its own size, so that the sanitizer sees the first octet read behind it. */
  g_autofree guint8 *copy = g_memdup2 (text, length);

  return turn_connect_sip_refuse (copy, length, "the proxy \"p\" said\r\nno\\", answer);
}

static void
test_a_request_is_answered_with_its_own_fields (void)
{
  g_autoptr (GString) answer = g_string_new (NULL);
  const char *tag;

  g_assert_cmpint (refuse (REQUEST, strlen (REQUEST), answer), ==, TURN_CONNECT_SIP_REQUEST);
  g_assert_true (g_str_has_prefix (answer->str,
                                   "SIP/2.0 503 the proxy 'p' said??no'\r\n"
                                   "Via: SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK1;rport\r\n"
                                   "v: SIP/2.0/TCP 192.0.2.2\r\n"
                                   "f : \"A\" <sip:a@example.org>;tag=7\r\n"
                                   "To:\r\n <sip:a@example.org>;tag="));
  tag = strstr (answer->str, "example.org>;tag=7\r\n");
  g_assert_nonnull (tag);
  g_assert_true (g_str_has_suffix (answer->str,
                                   "\r\ni:1\r\nCSeq: 1 REGISTER\r\n"
                                   "Warning: 399 turn-connect \"the proxy 'p' said??no'\"\r\n"
                                   "Content-Length: 0\r\n\r\n"));
}

static void
test_a_request_within_a_dialogue_keeps_its_tag (void)
{
  static const char text[] = "BYE sip:a SIP/2.0\nVia: x\nFrom: <sip:b>;tag=1\n"
                             "To: <sip:a;tag=no>;TAG=2\nCall-ID: 1\nCSeq: 2 BYE\n\nbody";
  g_autoptr (GString) answer = g_string_new (NULL);

  g_assert_cmpint (refuse (text, strlen (text), answer), ==, TURN_CONNECT_SIP_REQUEST);
  g_assert_nonnull (strstr (answer->str, "To: <sip:a;tag=no>;TAG=2\r\n"));
}

static void
test_keepalives_before_a_request_are_no_matter (void)
{
  g_autoptr (GString) answer = g_string_new (NULL);

  g_assert_cmpint (refuse ("\r\n\r\n" REQUEST, 4 + strlen (REQUEST), answer), ==,
                   TURN_CONNECT_SIP_REQUEST);
}

static void
test_a_part_of_a_request_is_waited_for (void)
{
  for (gsize n = 0; n < strlen (REQUEST); n++) {
    g_autoptr (GString) answer = g_string_new (NULL);

    g_assert_cmpint (refuse (REQUEST, n, answer), ==, TURN_CONNECT_SIP_MORE);
    g_assert_cmpuint (answer->len, ==, 0);
  }
}

#define FIELDS "Via: a\r\nFrom: b\r\nTo: c\r\nCall-ID: d\r\nCSeq: 1 X\r\n"

static const char *const others[] = {
  "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "SIP/2.0 200 OK\r\n" FIELDS "\r\n",
  "ACK sip:a SIP/2.0\r\n" FIELDS "\r\n",
  "\x16\x03\x01\x02",
  "REGISTER\r\n",
  "REGISTER SIP/2.0\r\n" FIELDS "\r\n",
  "REGIS\001TER sip:a SIP/2.0\r\n" FIELDS "\r\n",
  "REGISTER sip:\001 SIP/2.0\r\n" FIELDS "\r\n",
  "REGISTER sip:a SIP/2.0\r\n\r\n",
  "REGISTER sip:a SIP/2.0\r\n" FIELDS "To: again\r\n\r\n",
  "REGISTER sip:a SIP/2.0\r\nVia: a\r\nFrom: b\r\nTo: c\x1b[31m\r\nCall-ID: d\r\nCSeq: 1\r\n\r\n",
  "AVERYLONGWORDTHATCANNOTBEAMETHODOFSIP",
  "hello, this is no method",
};

static void
test_anything_else_is_let_alone (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (others); i++) {
    g_autoptr (GString) answer = g_string_new (NULL);

    g_assert_cmpint (refuse (others[i], strlen (others[i]), answer), ==, TURN_CONNECT_SIP_NOT);
    g_assert_cmpuint (answer->len, ==, 0);
  }
}

/* A zero octet ends no field here, and no answer grows with what it answers without bound. */
static void
test_an_answer_is_bounded_and_clean (void)
{
  g_autoptr (GString) request = g_string_new ("REGISTER sip:a SIP/2.0\r\n" FIELDS);
  g_autoptr (GString) answer = g_string_new (NULL);

  for (guint i = 0; i < 2000; i++)
    g_string_append (request, "Via: SIP/2.0/TCP 192.0.2.1\r\n");
  g_string_append (request, "\r\n");
  g_assert_cmpint (refuse (request->str, request->len, answer), ==, TURN_CONNECT_SIP_NOT);
  g_assert_cmpint (refuse ("REGISTER sip:a SIP/2.0\r\nVia: \0\r\n\r\n", 34, answer), ==,
                   TURN_CONNECT_SIP_NOT);
}

static void
test_no_octet_changed_anywhere_ends_anything (void)
{
  for (gsize at = 0; at < strlen (REQUEST); at++) {
    for (guint octet = 0; octet < 256; octet += 5) {
      g_autofree char *text = g_strdup (REQUEST);
      g_autoptr (GString) answer = g_string_new (NULL);

      text[at] = (char)octet;
      if (refuse (text, strlen (REQUEST), answer) == TURN_CONNECT_SIP_REQUEST) {
        g_assert_true (g_str_has_prefix (answer->str, "SIP/2.0 503 "));
        g_assert_cmpuint (strlen (answer->str), ==, answer->len);
      }
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define TEST(name, func) g_test_add_func ("/turn-connect/sip-refusal/" name, func)
  TEST ("a-request-is-answered-with-its-own-fields",
        test_a_request_is_answered_with_its_own_fields);
  TEST ("a-request-within-a-dialogue-keeps-its-tag",
        test_a_request_within_a_dialogue_keeps_its_tag);
  TEST ("keepalives-before-a-request-are-no-matter",
        test_keepalives_before_a_request_are_no_matter);
  TEST ("a-part-of-a-request-is-waited-for", test_a_part_of_a_request_is_waited_for);
  TEST ("anything-else-is-let-alone", test_anything_else_is_let_alone);
  TEST ("an-answer-is-bounded-and-clean", test_an_answer_is_bounded_and_clean);
  TEST ("no-octet-changed-anywhere-ends-anything", test_no_octet_changed_anywhere_ends_anything);
  return g_test_run ();
}
