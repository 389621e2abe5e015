/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stun-ext/credentials.h"

#include <string.h>

#include "stun-ext/error.h"
#include "tests/stun-ext/vectors.h"

#define NOW_S 1800000000
#define DAY_S 86400

static StunExtSpan
span (const char *text)
{
  return (StunExtSpan){ text, strlen (text) };
}

static char *
hex (const guint8 *octets, gsize n)
{
  GString *text = g_string_new (NULL);

  for (gsize i = 0; i < n; i++)
    g_string_append_printf (text, "%02x", octets[i]);
  return g_string_free (text, FALSE);
}

static void
test_opaque_string_maps_what_looks_alike (void)
{
  static const struct {
    const char *text;
    const char *expected;
  } rows[] = {
    { "pass", "pass" },
    { "correct horse battery staple", "correct horse battery staple" },
    { "Correct Horse", "Correct Horse" },          /* case stays */
    { "e\xcc\x81t\xc3\xa9", "\xc3\xa9t\xc3\xa9" }, /* composed */
    { "a\xc2\xa0"
      "b\xe3\x80\x80"
      "c\xe1\x9a\x80"
      "d",
      "a b c d" },                                      /* spaces of other alphabets */
    { "\xef\xac\x81", "\xef\xac\x81" },                 /* a ligature is no two letters */
    { "\xc2\xaa\xe2\x85\xa8", "\xc2\xaa\xe2\x85\xa8" }, /* nor are these of RFC 8489 B.1 */
    { "\xf0\x9f\x94\x91", "\xf0\x9f\x94\x91" },         /* a key */
    { VECTOR_USERNAME, VECTOR_USERNAME },
    { " ", " " },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *result = stun_ext_opaque_string (rows[i].text, &error);
    g_autofree char *again = NULL;

    g_assert_no_error (error);
    g_assert_cmpstr (result, ==, rows[i].expected);
    again = stun_ext_opaque_string (result, &error);
    g_assert_cmpstr (again, ==, result);
  }
}

static void
test_opaque_string_refuses_without_quoting (void)
{
  static const char *const rows[] = {
    NULL,
    "",
    "sec\nret",
    "sec\rret",
    "sec\tret",
    "sec\x7fret",
    "sec\xc2\x85ret",
    "sec\xffret",
    "sec\xc2\xadret",
    "sec\xe2\x80\xa8ret",
    "sec\xe2\x80\x8bret",
    "sec\xef\xbb\xbfret",
    "sec\xee\x80\x80ret",
    "sec\xe1\x84\x80ret",
    "sec\xef\xb8\x8fret",
    "sec\xf3\xa0\x80\x81ret",
    "sec\xed\xa0\x80ret",
    "sec\xcd\xb8ret",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (stun_ext_opaque_string (rows[i], &error));
    g_assert_error (error, STUN_EXT_ERROR, STUN_EXT_ERROR_CREDENTIAL);
    g_assert_null (strstr (error->message, "sec"));
  }
}

static void
test_short_is_what_has_fewer_octets_once_it_is_prepared (void)
{
  g_assert_true (stun_ext_password_is_short (NULL));
  g_assert_true (stun_ext_password_is_short ("fifteen octets."));
  g_assert_false (stun_ext_password_is_short ("sixteen octets.."));
  g_assert_true (stun_ext_password_is_short ("a line\nof more than sixteen octets"));
  /* The wide space has three octets, and one once prepared. */
  g_assert_true (stun_ext_password_is_short ("thirteen oct\xe3\x80\x80s."));
}

static void
test_long_term_keys_match_the_rfc (void)
{
  static const struct {
    StunExtPasswordAlgorithm algorithm;
    const char *username;
    const char *realm;
    const char *password;
    const char *expected;
  } rows[] = {
    /* RFC 8489 section 9.2.2 */
    { STUN_EXT_PASSWORD_ALGORITHM_MD5, "user", "realm", "pass",
      "8493fbc53ba582fb4c044c456bdc40eb" },
    { STUN_EXT_PASSWORD_ALGORITHM_NONE, "user", "realm", "pass",
      "8493fbc53ba582fb4c044c456bdc40eb" },
    /* computed with sha256sum */
    { STUN_EXT_PASSWORD_ALGORITHM_SHA256, "user", "realm", "pass",
      "07e934117abd40836e7c6329b54731b2b2d2a5f9a71f544922d75e0730d8251b" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *text = NULL;
    StunExtKey key, same;

    g_assert_true (stun_ext_key_long_term (&key, rows[i].algorithm, rows[i].username, rows[i].realm,
                                           rows[i].password, &error));
    g_assert_no_error (error);
    text = hex (key.octets, key.length);
    g_assert_cmpstr (text, ==, rows[i].expected);
    g_assert_true (stun_ext_key_derive (&same, rows[i].algorithm, span (rows[i].username),
                                        span (rows[i].realm), span (rows[i].password)));
    g_assert_cmpmem (&same, sizeof same, &key, sizeof key);
    stun_ext_key_clear (&key);
    g_assert_cmpuint (key.length, ==, 0);
    g_assert_cmpuint (key.octets[0], ==, 0);
  }
}

static void
test_userhash_matches_the_rfc (void)
{
  guint8 userhash[STUN_EXT_USERHASH_LENGTH];
  g_autofree char *text = NULL;

  g_assert_true (stun_ext_userhash (span (VECTOR_USERNAME), span (VECTOR_REALM), userhash));
  text = hex (userhash, sizeof userhash);
  g_assert_cmpstr (text, ==,
                   "4a3cf38fef6992bda952c6780417da0f2481941556"
                   "9e60b205c46e41407f1704");
}

static void
test_unknown_algorithm_yields_no_key (void)
{
  StunExtKey key;
  g_autoptr (GError) error = NULL;

  g_assert_false (
      stun_ext_key_derive (&key, (StunExtPasswordAlgorithm)3, span ("u"), span ("r"), span ("p")));
  g_assert_cmpuint (key.length, ==, 0);
  g_assert_false (
      stun_ext_key_long_term (&key, (StunExtPasswordAlgorithm)3, "u", "r", "p", &error));
  g_assert_error (error, STUN_EXT_ERROR, STUN_EXT_ERROR_CRYPTO);
}

static void
test_bad_credentials_are_named_but_not_quoted (void)
{
  static const struct {
    const char *username;
    const char *realm;
    const char *password;
    const char *named;
  } rows[] = {
    { "us\ner", "realm", "hunter2", "user name" },
    { "user", "", "hunter2", "realm" },
    { "user", "realm", "hunter2\n", "password" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;
    StunExtKey key;

    g_assert_false (stun_ext_key_long_term (&key, STUN_EXT_PASSWORD_ALGORITHM_SHA256,
                                            rows[i].username, rows[i].realm, rows[i].password,
                                            &error));
    g_assert_error (error, STUN_EXT_ERROR, STUN_EXT_ERROR_CREDENTIAL);
    g_assert_nonnull (strstr (error->message, rows[i].named));
    g_assert_null (strstr (error->message, "hunter2"));
  }
}

static void
test_short_term_key_is_the_prepared_password (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *longest = g_strnfill (STUN_EXT_KEY_MAX_LENGTH, 'x');
  g_autofree char *too_long = g_strnfill (STUN_EXT_KEY_MAX_LENGTH + 1, 'x');
  StunExtKey key;

  g_assert_true (stun_ext_key_short_term (&key, "e\xcc\x81", &error));
  g_assert_cmpmem (stun_ext_key_span (&key).data, key.length, "\xc3\xa9", 2);
  g_assert_true (stun_ext_key_short_term (&key, longest, &error));
  g_assert_no_error (error);
  g_assert_false (stun_ext_key_short_term (&key, too_long, &error));
  g_assert_error (error, STUN_EXT_ERROR, STUN_EXT_ERROR_CREDENTIAL);
}

static void
test_dummy_key_depends_on_secret_and_name_alone (void)
{
  StunExtKey a, b;

  g_assert_true (stun_ext_key_dummy (&a, span ("secret"), span ("nobody")));
  g_assert_true (stun_ext_key_dummy (&b, span ("secret"), span ("nobody")));
  g_assert_cmpmem (&a, sizeof a, &b, sizeof b);
  g_assert_cmpuint (a.length, ==, 32);
  g_assert_true (stun_ext_key_dummy (&b, span ("secret"), span ("nobodz")));
  g_assert_false (stun_ext_crypto_equal (a.octets, b.octets, 32));
  g_assert_true (stun_ext_key_dummy (&b, span ("Secret"), span ("nobody")));
  g_assert_false (stun_ext_crypto_equal (a.octets, b.octets, 32));
}

static void
test_time_limited_names_are_judged (void)
{
  static const struct {
    const char *name;
    gsize length;
    StunExtRestVerdict expected;
    const char *user;
  } rows[] = {
    { "1800000001:alice", 0, STUN_EXT_REST_VALID, "alice" },
    { "1800086400:alice", 0, STUN_EXT_REST_VALID, "alice" },
    { "1800000001:@alice:example.org", 0, STUN_EXT_REST_VALID, "@alice:example.org" },
    { "1800000001::", 0, STUN_EXT_REST_VALID, ":" },
    { "1800000001:" VECTOR_USERNAME, 0, STUN_EXT_REST_VALID, VECTOR_USERNAME },
    { "1800000000:alice", 0, STUN_EXT_REST_EXPIRED, "alice" },
    { "1799999999:alice", 0, STUN_EXT_REST_EXPIRED, "alice" },
    { "1:alice", 0, STUN_EXT_REST_EXPIRED, "alice" },
    { "1800086401:alice", 0, STUN_EXT_REST_TOO_FAR, "alice" },
    { "999999999999:alice", 0, STUN_EXT_REST_TOO_FAR, "alice" },
    { "9999999999999:alice", 0, STUN_EXT_REST_MALFORMED, NULL },
    { "18446744073709551617:alice", 0, STUN_EXT_REST_MALFORMED, NULL },
    { "1800000001", 0, STUN_EXT_REST_MALFORMED, NULL },
    { "1800000001:", 0, STUN_EXT_REST_MALFORMED, NULL },
    { ":alice", 0, STUN_EXT_REST_MALFORMED, NULL },
    { ":", 0, STUN_EXT_REST_MALFORMED, NULL },
    { "", 0, STUN_EXT_REST_MALFORMED, NULL },
    { "alice", 0, STUN_EXT_REST_MALFORMED, NULL },
    { "alice:1800000001", 0, STUN_EXT_REST_MALFORMED, NULL },
    { "0:alice", 0, STUN_EXT_REST_MALFORMED, NULL },
    { "01800000001:alice", 0, STUN_EXT_REST_MALFORMED, NULL },
    { "+1800000001:alice", 0, STUN_EXT_REST_MALFORMED, NULL },
    { "-1800000001:alice", 0, STUN_EXT_REST_MALFORMED, NULL },
    { " 1800000001:alice", 0, STUN_EXT_REST_MALFORMED, NULL },
    { "1800000001 :alice", 0, STUN_EXT_REST_MALFORMED, NULL },
    { "1800000001.5:alice", 0, STUN_EXT_REST_MALFORMED, NULL },
    { "0x6b49d201:alice", 0, STUN_EXT_REST_MALFORMED, NULL },
    { "1e10:alice", 0, STUN_EXT_REST_MALFORMED, NULL },
    { "1800000001:ali\0ce", 17, STUN_EXT_REST_MALFORMED, NULL },
    { "1800000001\0:alice", 17, STUN_EXT_REST_MALFORMED, NULL },
    { "1800000001:ali\rce", 0, STUN_EXT_REST_MALFORMED, NULL },
    { "1800000001:ali\nce", 0, STUN_EXT_REST_MALFORMED, NULL },
    { "1800000001:\xff", 0, STUN_EXT_REST_MALFORMED, NULL },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    gsize length = rows[i].length > 0 ? rows[i].length : strlen (rows[i].name);
    g_autofree char *exact = g_memdup2 (rows[i].name, length);
    StunExtSpan user = { 0 };
    gint64 expires_s = 0;

    g_test_message ("row %" G_GSIZE_FORMAT, i);
    g_assert_cmpint (
        stun_ext_rest_check ((StunExtSpan){ exact, length }, NOW_S, DAY_S, &expires_s, &user), ==,
        rows[i].expected);
    if (rows[i].user != NULL) {
      g_assert_cmpmem (user.data, user.length, rows[i].user, strlen (rows[i].user));
      g_assert_cmpint (expires_s, ==, g_ascii_strtoll (rows[i].name, NULL, 10));
    }
  }
}

static void
test_very_long_time_limited_name_is_malformed (void)
{
  g_autofree char *filler = g_strnfill (10240, 'x');
  g_autofree char *name = g_strconcat ("1800000001:", filler, NULL);
  g_autofree char *digits = g_strnfill (10240, '1');

  g_assert_cmpint (stun_ext_rest_check (span (name), NOW_S, DAY_S, NULL, NULL), ==,
                   STUN_EXT_REST_MALFORMED);
  g_assert_cmpint (stun_ext_rest_check (span (digits), NOW_S, DAY_S, NULL, NULL), ==,
                   STUN_EXT_REST_MALFORMED);
}

static void
test_wrong_clocks_do_not_overflow (void)
{
  static const gint64 clocks[] = { G_MININT64, -1, 0, G_MAXINT64 };

  for (gsize i = 0; i < G_N_ELEMENTS (clocks); i++)
    g_assert_cmpint (stun_ext_rest_check (span ("1800000001:a"), clocks[i], DAY_S, NULL, NULL), !=,
                     STUN_EXT_REST_VALID);
}

static void
test_time_limited_passwords_match_openssl (void)
{
  /* printf '%s' 1800000001:alice | openssl dgst -sha1 -hmac north -binary | base64, and with
   * -sha256 */
  static const struct {
    StunExtHash hash;
    const char *expected;
  } rows[] = {
    { STUN_EXT_HASH_SHA1, "aOOnXsAh/lZW0+SyHwtbokThDLk=" },
    { STUN_EXT_HASH_SHA256, "mRnmVsYCCDCU7+tFHnuJFXbE7/xFC3RETSDxWWZyI0Q=" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    char password[STUN_EXT_REST_PASSWORD_LENGTH + 1];

    g_assert_true (
        stun_ext_rest_password (rows[i].hash, span ("north"), span ("1800000001:alice"), password));
    g_assert_cmpstr (password, ==, rows[i].expected);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add_func ("/stun-ext/credentials/" name, function)
  ADD ("opaque-string-maps-what-looks-alike", test_opaque_string_maps_what_looks_alike);
  ADD ("opaque-string-refuses-without-quoting", test_opaque_string_refuses_without_quoting);
  ADD ("short-is-what-has-fewer-octets-once-it-is-prepared",
       test_short_is_what_has_fewer_octets_once_it_is_prepared);
  ADD ("long-term-keys-match-the-rfc", test_long_term_keys_match_the_rfc);
  ADD ("userhash-matches-the-rfc", test_userhash_matches_the_rfc);
  ADD ("unknown-algorithm-yields-no-key", test_unknown_algorithm_yields_no_key);
  ADD ("bad-credentials-are-named-but-not-quoted", test_bad_credentials_are_named_but_not_quoted);
  ADD ("short-term-key-is-the-prepared-password", test_short_term_key_is_the_prepared_password);
  ADD ("dummy-key-depends-on-secret-and-name-alone",
       test_dummy_key_depends_on_secret_and_name_alone);
  ADD ("time-limited-names-are-judged", test_time_limited_names_are_judged);
  ADD ("very-long-time-limited-name-is-malformed", test_very_long_time_limited_name_is_malformed);
  ADD ("wrong-clocks-do-not-overflow", test_wrong_clocks_do_not_overflow);
  ADD ("time-limited-passwords-match-openssl", test_time_limited_passwords_match_openssl);
  return g_test_run ();
}
