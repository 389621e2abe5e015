/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stun-ext/nonce.h"

#include <string.h>

#define NOW_MS G_GUINT64_CONSTANT (1800000000000)

static const guint8 salt[STUN_EXT_NONCE_SALT_LENGTH] = { 1, 2, 3, 4, 5, 6 };
static const StunExtNonceMaker maker = { .key = "a key of thirty-two secret octet" };

static StunExtSpan
span (const char *text)
{
  return (StunExtSpan){ text, strlen (text) };
}

static void
test_nonce_is_valid_for_its_lifetime (void)
{
  static const struct {
    guint lifetime_s;
    gint64 later_ms;
    StunExtNonceVerdict expected;
  } rows[] = {
    { 0, 0, STUN_EXT_NONCE_VALID },
    { 0, 600000, STUN_EXT_NONCE_VALID },
    { 0, 600001, STUN_EXT_NONCE_STALE },
    { 30, 30000, STUN_EXT_NONCE_VALID },
    { 30, 30001, STUN_EXT_NONCE_STALE },
    { 3600, 3600000, STUN_EXT_NONCE_VALID },
    { 3600, 3600001, STUN_EXT_NONCE_STALE },
    { 86400, 3600001, STUN_EXT_NONCE_STALE },
    { 0, -5000, STUN_EXT_NONCE_VALID },
    { 0, -5001, STUN_EXT_NONCE_STALE },
    { 0, -3600000, STUN_EXT_NONCE_STALE },
    { 0, G_GINT64_CONSTANT (315360000000), STUN_EXT_NONCE_STALE },
    { 0, -(gint64)NOW_MS, STUN_EXT_NONCE_STALE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    StunExtNonceMaker m = maker;
    char nonce[STUN_EXT_NONCE_LENGTH + 1];
    guint64 made_ms = 0;

    m.lifetime_s = rows[i].lifetime_s;
    g_assert_true (stun_ext_nonce_make (&m, STUN_EXT_FEATURE_PASSWORD_ALGORITHMS, NOW_MS, salt,
                                        (StunExtSpan){ 0 }, nonce));
    g_assert_cmpint (stun_ext_nonce_check (&m, span (nonce), NOW_MS + (guint64)rows[i].later_ms,
                                           (StunExtSpan){ 0 }, &made_ms),
                     ==, rows[i].expected);
    g_assert_cmpuint (made_ms, ==, NOW_MS);
  }
}

static void
test_every_changed_character_makes_it_foreign (void)
{
  char nonce[STUN_EXT_NONCE_LENGTH + 1];

  g_assert_true (stun_ext_nonce_make (&maker, STUN_EXT_FEATURE_PASSWORD_ALGORITHMS, NOW_MS, salt,
                                      (StunExtSpan){ 0 }, nonce));
  g_assert_cmpuint (strlen (nonce), ==, STUN_EXT_NONCE_LENGTH);
  for (gsize i = 0; i < STUN_EXT_NONCE_LENGTH; i++)
    for (guint bit = 0; bit < 8; bit++) {
      guint64 made_ms = 77;

      nonce[i] ^= (char)(1 << bit);
      g_assert_cmpint (stun_ext_nonce_check (&maker, (StunExtSpan){ nonce, STUN_EXT_NONCE_LENGTH },
                                             NOW_MS, (StunExtSpan){ 0 }, &made_ms),
                       ==, STUN_EXT_NONCE_FOREIGN);
      g_assert_cmpuint (made_ms, ==, 77);
      nonce[i] ^= (char)(1 << bit);
    }
}

static void
test_every_other_length_is_foreign (void)
{
  char nonce[STUN_EXT_NONCE_LENGTH + 1];
  char longer[STUN_EXT_NONCE_LENGTH + 9];

  g_assert_true (
      stun_ext_nonce_make (&maker, STUN_EXT_FEATURE_NONE, NOW_MS, salt, (StunExtSpan){ 0 }, nonce));
  memset (longer, 'A', sizeof longer);
  memcpy (longer, nonce, STUN_EXT_NONCE_LENGTH);
  for (gsize length = 0; length <= sizeof longer; length++) {
    g_autofree char *exact = g_memdup2 (longer, length);

    g_assert_cmpint (
        stun_ext_nonce_check (&maker, (StunExtSpan){ exact, length }, NOW_MS, (StunExtSpan){ 0 },
                              NULL),
        ==, length == STUN_EXT_NONCE_LENGTH ? STUN_EXT_NONCE_VALID : STUN_EXT_NONCE_FOREIGN);
  }
}

static void
test_context_and_key_bind (void)
{
  StunExtNonceMaker other = maker;
  char nonce[STUN_EXT_NONCE_LENGTH + 1];

  other.key[31] ^= 1;
  g_assert_true (stun_ext_nonce_make (&maker, STUN_EXT_FEATURE_NONE, NOW_MS, salt,
                                      span ("client random"), nonce));
  g_assert_cmpint (
      stun_ext_nonce_check (&maker, span (nonce), NOW_MS, span ("client random"), NULL), ==,
      STUN_EXT_NONCE_VALID);
  g_assert_cmpint (
      stun_ext_nonce_check (&maker, span (nonce), NOW_MS, span ("another random"), NULL), ==,
      STUN_EXT_NONCE_FOREIGN);
  g_assert_cmpint (stun_ext_nonce_check (&maker, span (nonce), NOW_MS, (StunExtSpan){ 0 }, NULL),
                   ==, STUN_EXT_NONCE_FOREIGN);
  g_assert_cmpint (
      stun_ext_nonce_check (&other, span (nonce), NOW_MS, span ("client random"), NULL), ==,
      STUN_EXT_NONCE_FOREIGN);
}

static void
test_salt_and_time_make_nonces_differ (void)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < 1000; i++) {
    guint8 other[STUN_EXT_NONCE_SALT_LENGTH] = { (guint8)(i >> 8), (guint8)i };
    char nonce[STUN_EXT_NONCE_LENGTH + 1];

    g_assert_true (stun_ext_nonce_make (&maker, STUN_EXT_FEATURE_NONE, NOW_MS, other,
                                        (StunExtSpan){ 0 }, nonce));
    g_assert_true (g_hash_table_add (seen, g_strdup (nonce)));
    g_assert_true (stun_ext_nonce_make (&maker, STUN_EXT_FEATURE_NONE, NOW_MS + 1 + i, salt,
                                        (StunExtSpan){ 0 }, nonce));
    g_assert_true (g_hash_table_add (seen, g_strdup (nonce)));
  }
}

static void
test_nonce_needs_no_quoting (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (17);

  for (guint i = 0; i < 1000; i++) {
    char nonce[STUN_EXT_NONCE_LENGTH + 1];

    g_assert_true (stun_ext_nonce_make (&maker, STUN_EXT_FEATURE_USERNAME_ANONYMITY,
                                        g_rand_int (rand), salt, (StunExtSpan){ 0 }, nonce));
    for (const char *p = nonce; *p != '\0'; p++)
      g_assert_true (g_ascii_isalnum (*p) || *p == '+' || *p == '/');
  }
}

static void
test_features_are_written_as_the_rfc_counts_bits (void)
{
  static const struct {
    guint features;
    const char *cookie;
  } rows[] = { { 0, "obMatJos2AAAA" },
               { STUN_EXT_FEATURE_PASSWORD_ALGORITHMS, "obMatJos2gAAA" },
               { STUN_EXT_FEATURE_USERNAME_ANONYMITY, "obMatJos2QAAA" },
               { 3, "obMatJos2wAAA" } };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    char nonce[STUN_EXT_NONCE_LENGTH + 1];
    StunExtFeatures features;

    g_assert_true (stun_ext_nonce_make (&maker, (StunExtFeatures)rows[i].features, NOW_MS, salt,
                                        (StunExtSpan){ 0 }, nonce));
    g_assert_true (g_str_has_prefix (nonce, rows[i].cookie));
    g_assert_true (stun_ext_nonce_features (span (nonce), &features));
    g_assert_cmpuint (features, ==, rows[i].features);
  }
}

static void
test_features_are_read_in_either_order_of_bits (void)
{
  static const struct {
    const char *nonce;
    gboolean has_cookie;
    guint features;
  } rows[] = {
    { "obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA", TRUE, STUN_EXT_FEATURE_USERNAME_ANONYMITY },
    { "obMatJos2AAABx", TRUE, STUN_EXT_FEATURE_PASSWORD_ALGORITHMS },
    { "obMatJos2AAAD", TRUE, 3 },
    { "obMatJos2gAAA", TRUE, STUN_EXT_FEATURE_PASSWORD_ALGORITHMS },
    { "obMatJos2QAAA", TRUE, STUN_EXT_FEATURE_USERNAME_ANONYMITY },
    { "obMatJos2////", TRUE, 3 },
    { "obMatJos2P//8", TRUE, 0 },
    { "obMatJos2AAA", FALSE, 0 },
    { "obMatJos2AA=A", FALSE, 0 },
    { "obMatJos2AAA-", FALSE, 0 },
    { "obmatjos2gAAA", FALSE, 0 },
    { "f//499k954d6OL34oL9FSTvy64sA", FALSE, 0 },
    { "", FALSE, 0 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    gsize length = strlen (rows[i].nonce);
    g_autofree char *exact = g_memdup2 (rows[i].nonce, length);
    StunExtFeatures features;

    g_assert_cmpint (stun_ext_nonce_features ((StunExtSpan){ exact, length }, &features), ==,
                     rows[i].has_cookie);
    g_assert_cmpuint (features, ==, rows[i].features);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add_func ("/stun-ext/nonce/" name, function)
  ADD ("is-valid-for-its-lifetime", test_nonce_is_valid_for_its_lifetime);
  ADD ("every-changed-character-makes-it-foreign", test_every_changed_character_makes_it_foreign);
  ADD ("every-other-length-is-foreign", test_every_other_length_is_foreign);
  ADD ("context-and-key-bind", test_context_and_key_bind);
  ADD ("salt-and-time-make-nonces-differ", test_salt_and_time_make_nonces_differ);
  ADD ("needs-no-quoting", test_nonce_needs_no_quoting);
  ADD ("features-are-written-as-the-rfc-counts-bits",
       test_features_are_written_as_the_rfc_counts_bits);
  ADD ("features-are-read-in-either-order-of-bits", test_features_are_read_in_either_order_of_bits);
  return g_test_run ();
}
