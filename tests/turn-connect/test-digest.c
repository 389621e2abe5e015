/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "turn-connect/proxy/digest.h"

#include <string.h>

static TurnConnectDigest *
choose (const char *line)
{
  const char *lines[] = { line, NULL };
  g_autoptr (GPtrArray) challenges = turn_connect_challenges_parse (lines);

  return turn_connect_digest_new (challenges);
}

static char *
answer (TurnConnectDigest *digest)
{
  static const TurnConnectDigestRequest request = {
    .user = "Mufasa",
    .password = "Circle of Life",
    .method = "GET",
    .uri = "/dir/index.html",
    .cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
  };

  return turn_connect_digest_answer (digest, &request);
}

#define RFC                                                                                        \
  "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", "                               \
  "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", "                                       \
  "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""

/* RFC 7616 section 3.9.1; the -sess responses are its formula of section 3.4.2 by another program.
 */
static const struct {
  const char *challenge;
  const char *response;
} vectors[] = {
  { RFC ", algorithm=MD5", "8ca523f5e9506fed4657c9700eebdbec" },
  { RFC, "8ca523f5e9506fed4657c9700eebdbec" },
  { RFC ", algorithm=SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1" },
  { RFC ", algorithm=md5-SESS", "e783283f46242139c486a698fec7211d" },
  { RFC ", algorithm=SHA-256-sess",
    "2fd51b3a77ad75bad6afad6003e818d767133c46d9e2749e7f5232ae1ea3efd7" },
  /* RFC 2617 without qop, as RFC 2069 had it. */
  { "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"",
    "2951cdbad33b2271fcb6b8e7b8feac23" },
};

static void
test_vectors (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (vectors); i++) {
    g_autoptr (TurnConnectDigest) digest = choose (vectors[i].challenge);
    g_autofree char *header = answer (digest);
    g_autofree char *expected = g_strdup_printf ("response=\"%s\"", vectors[i].response);

    g_assert_true (g_str_has_suffix (header, expected));
  }
}

static void
test_answer_is_exact (void)
{
  g_autoptr (TurnConnectDigest) digest = choose (RFC ", algorithm=SHA-256");
  g_autofree char *header = answer (digest);

  g_assert_cmpstr (header, ==,
                   "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", "
                   "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", "
                   "uri=\"/dir/index.html\", "
                   "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\", algorithm=SHA-256, "
                   "qop=auth, nc=00000001, "
                   "cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", "
                   "response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\"");
}

#define MINIMUM "Digest realm=x, nonce=y"

static const struct {
  const char *challenges;
  const char *part; /* of the answer; NULL: none can be given */
} choices[] = {
  { MINIMUM, "username=" },
  { MINIMUM ", algorithm=MD5, qop=auth, Digest realm=x, nonce=z, algorithm=SHA-256, qop=auth",
    "nonce=\"z\"" },
  { "Digest realm=x, nonce=z, algorithm=SHA-256, qop=auth, " MINIMUM ", qop=auth", "nonce=\"z\"" },
  { MINIMUM ", algorithm=SHA-512-256, qop=auth, Digest realm=x, nonce=z", "nonce=\"z\"" },
  { MINIMUM ", Digest realm=x, nonce=z, qop=auth", "nonce=\"z\"" },
  { MINIMUM ", qop=auth, Digest realm=x, nonce=z, qop=auth", "nonce=\"y\"" },
  { "Basic realm=x, " MINIMUM ", NTLM", "nonce=\"y\"" },
  { "Digest realm=\"a\\\"b\\\\c\", nonce=\"\\y\"", "realm=\"a\\\"b\\\\c\", nonce=\"y\"" },
  { MINIMUM ", opaque=\"\"", "opaque=\"\"" },
  { MINIMUM ", qop=\"auth-int , AUTH\"", "qop=auth, nc=00000001" },
  { MINIMUM ", userhash=true", "username=\"ca70c9f5e3d70a29cb389fae778a2d4d\"" },
  { MINIMUM ", userhash=TRUE", "userhash=true" },
  { MINIMUM ", qop=auth-int", NULL },
  { MINIMUM ", qop=\"\"", NULL },
  { MINIMUM ", algorithm=MD5-sess", NULL },
  { MINIMUM ", algorithm=SHA-1", NULL },
  { MINIMUM ", algorithm=\"\"", NULL },
  { "Digest realm=x", NULL },
  { "Digest nonce=x", NULL },
  { "Digest", NULL },
  { "Digest eW8=", NULL },
  { MINIMUM ", realm=z", NULL },
  { MINIMUM ", opaque=\"z", NULL },
  { "Basic " MINIMUM, NULL },
};

static void
test_what_can_be_answered (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (choices); i++) {
    g_autoptr (TurnConnectDigest) digest = choose (choices[i].challenges);
    g_autofree char *header = digest != NULL ? answer (digest) : NULL;

    g_test_message ("%s: %s", choices[i].challenges, header);
    g_assert_true ((digest == NULL) == (choices[i].part == NULL));
    if (header != NULL)
      g_assert_nonnull (strstr (header, choices[i].part));
  }
}

static void
test_long_and_odd_values_are_refused (void)
{
  static const char *const names[] = { "realm", "nonce", "opaque" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    for (gsize length = 1024; length <= 1025; length++) {
      g_autofree char *value = g_strnfill (length, 'a');
      g_autofree char *line =
          g_strdup_printf ("Digest x=y, %s=\"%s\"%s%s", names[i], value, i != 0 ? ", realm=r" : "",
                           i != 1 ? ", nonce=n" : "");
      g_autoptr (TurnConnectDigest) digest = choose (line);

      g_assert_true ((digest != NULL) == (length == 1024));
    }
  }
  g_assert_null (choose ("Digest realm=x, nonce=\"a\x01\""));
  g_assert_null (choose ("Digest realm=\"\x7f\", nonce=a"));
}

static void
test_count_grows_and_begins_anew_with_the_next_nonce (void)
{
  g_autoptr (TurnConnectDigest) digest = choose (RFC ", algorithm=MD5");
  g_autoptr (TurnConnectDigest) copy = NULL;
  g_autofree char *first = answer (digest);
  g_autofree char *second = answer (digest);
  g_autofree char *third = NULL;
  g_autofree char *fourth = NULL;

  g_assert_nonnull (strstr (first, "nc=00000001"));
  g_assert_nonnull (strstr (second, "nc=00000002"));
  copy = turn_connect_digest_copy (digest);
  third = answer (copy);
  g_assert_nonnull (strstr (third, "nc=00000003"));
  turn_connect_digest_take_info (digest, "nextnonce=\"fresh\", rspauth=\"\"");
  fourth = answer (digest);
  g_assert_nonnull (strstr (fourth, "nonce=\"fresh\""));
  g_assert_nonnull (strstr (fourth, "nc=00000001"));
  turn_connect_digest_take_info (digest, "nextnonce=\"cut");
  turn_connect_digest_take_info (digest, "");
  g_clear_pointer (&fourth, g_free);
  fourth = answer (digest);
  g_assert_nonnull (strstr (fourth, "nonce=\"fresh\""));
}

static void
test_stale_needs_another_nonce (void)
{
  g_autoptr (TurnConnectDigest) before = choose ("Digest realm=x, nonce=a");
  g_autoptr (TurnConnectDigest) stale = choose ("Digest realm=x, nonce=b, stale=TRUE");
  g_autoptr (TurnConnectDigest) same = choose ("Digest realm=x, nonce=a, stale=true");
  g_autoptr (TurnConnectDigest) refusal = choose ("Digest realm=x, nonce=b, stale=false");

  g_assert_true (turn_connect_digest_is_stale (stale, before));
  g_assert_false (turn_connect_digest_is_stale (same, before));
  g_assert_false (turn_connect_digest_is_stale (refusal, before));
}

static void
test_users_beyond_ascii (void)
{
  TurnConnectDigestRequest request = { .user = "J\xc3\xa4ger \"x\"",
                                       .password = "p",
                                       .method = "CONNECT",
                                       .uri = "h:443",
                                       .cnonce = "c" };
  g_autoptr (TurnConnectDigest) plain = choose (MINIMUM);
  g_autoptr (TurnConnectDigest) coded = choose (MINIMUM ", charset=UTF-8");
  g_autofree char *first = turn_connect_digest_answer (plain, &request);
  g_autofree char *second = turn_connect_digest_answer (coded, &request);

  g_assert_nonnull (strstr (first, "username=\"J\xc3\xa4ger \\\"x\\\"\", "));
  g_assert_nonnull (strstr (second, "username*=UTF-8''J%C3%A4ger%20%22x%22, "));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/turn-connect/digest/vectors", test_vectors);
  g_test_add_func ("/turn-connect/digest/answer-is-exact", test_answer_is_exact);
  g_test_add_func ("/turn-connect/digest/what-can-be-answered", test_what_can_be_answered);
  g_test_add_func ("/turn-connect/digest/long-and-odd-values-are-refused",
                   test_long_and_odd_values_are_refused);
  g_test_add_func ("/turn-connect/digest/count-grows-and-begins-anew-with-the-next-nonce",
                   test_count_grows_and_begins_anew_with_the_next_nonce);
  g_test_add_func ("/turn-connect/digest/stale-needs-another-nonce",
                   test_stale_needs_another_nonce);
  g_test_add_func ("/turn-connect/digest/users-beyond-ascii", test_users_beyond_ascii);
  return g_test_run ();
}
