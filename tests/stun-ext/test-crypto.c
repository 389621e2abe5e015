/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "stun-ext/crypto.h"

static char *
hex (const guint8 *octets, gsize n)
{
  GString *text = g_string_new (NULL);

  for (gsize i = 0; i < n; i++)
    g_string_append_printf (text, "%02x", octets[i]);
  return g_string_free (text, FALSE);
}

static void
test_digests_match_published_values (void)
{
  static const struct {
    StunExtHash hash;
    const char *input;
    const char *expected;
  } rows[] = {
    { STUN_EXT_HASH_MD5, "", "d41d8cd98f00b204e9800998ecf8427e" },
    { STUN_EXT_HASH_MD5, "abc", "900150983cd24fb0d6963f7d28e17f72" },
    { STUN_EXT_HASH_SHA1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d" },
    { STUN_EXT_HASH_SHA256, "abc",
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    gsize length = strlen (rows[i].input);
    guint8 out[STUN_EXT_HASH_MAX_LENGTH];

    for (gsize cut = 0; cut <= length; cut++) { /* pieces make no difference */
      StunExtSpan parts[] = { { rows[i].input, cut }, { rows[i].input + cut, length - cut } };
      g_autofree char *text = NULL;

      g_assert_true (stun_ext_crypto_digest (rows[i].hash, parts, 2, out));
      text = hex (out, stun_ext_hash_length (rows[i].hash));
      g_assert_cmpstr (text, ==, rows[i].expected);
    }
  }
}

static void
test_hmac_matches_rfc_2202_and_4231 (void)
{
  static const char data[] = "what do ya want for nothing?";
  guint8 out[STUN_EXT_HASH_MAX_LENGTH];

  for (gsize cut = 0; cut <= strlen (data); cut++) {
    StunExtSpan parts[] = { { data, cut }, { data + cut, strlen (data) - cut } };
    g_autofree char *sha1 = NULL;
    g_autofree char *sha256 = NULL;

    g_assert_true (stun_ext_crypto_hmac (STUN_EXT_HASH_SHA1, "Jefe", 4, parts, 2, out));
    sha1 = hex (out, 20);
    g_assert_cmpstr (sha1, ==, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    g_assert_true (stun_ext_crypto_hmac (STUN_EXT_HASH_SHA256, "Jefe", 4, parts, 2, out));
    sha256 = hex (out, 32);
    g_assert_cmpstr (sha256, ==,
                     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  }
}

static void
test_hmac_takes_an_empty_key (void)
{
  guint8 out[STUN_EXT_HASH_MAX_LENGTH];
  g_autofree char *text = NULL;

  g_assert_true (stun_ext_crypto_hmac (STUN_EXT_HASH_SHA256, NULL, 0, NULL, 0, out));
  text = hex (out, 32);
  g_assert_cmpstr (text, ==, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void
test_hkdf_matches_rfc_5869 (void)
{
  guint8 ikm[80], salt[80], info[80], out[82];
  g_autofree char *first = NULL;
  g_autofree char *second = NULL;
  g_autofree char *third = NULL;

  memset (ikm, 0x0b, 22);
  for (guint i = 0; i < 13; i++)
    salt[i] = (guint8)i;
  for (guint i = 0; i < 10; i++)
    info[i] = (guint8)(0xf0 + i);
  g_assert_true (stun_ext_crypto_hkdf_sha256 ((StunExtSpan){ salt, 13 }, (StunExtSpan){ ikm, 22 },
                                              (StunExtSpan){ info, 10 }, out, 42));
  first = hex (out, 42);
  g_assert_cmpstr (first, ==,
                   "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
                   "34007208d5b887185865");
  for (guint i = 0; i < 80; i++) {
    ikm[i] = (guint8)i;
    salt[i] = (guint8)(0x60 + i);
    info[i] = (guint8)(0xb0 + i);
  }
  g_assert_true (stun_ext_crypto_hkdf_sha256 ((StunExtSpan){ salt, 80 }, (StunExtSpan){ ikm, 80 },
                                              (StunExtSpan){ info, 80 }, out, 82));
  second = hex (out, 82);
  g_assert_cmpstr (second, ==,
                   "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
                   "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
                   "cc30c58179ec3e87c14c01d5c1f3434f1d87");
  memset (ikm, 0x0b, 22);
  g_assert_true (stun_ext_crypto_hkdf_sha256 ((StunExtSpan){ NULL, 0 }, (StunExtSpan){ ikm, 22 },
                                              (StunExtSpan){ NULL, 0 }, out, 42));
  third = hex (out, 42);
  g_assert_cmpstr (third, ==,
                   "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
                   "9d201395faa4b61a96c8");
}

static void
test_hkdf_refuses_more_than_it_can_make (void)
{
  g_autofree guint8 *out = g_malloc (8161);

  g_assert_true (stun_ext_crypto_hkdf_sha256 ((StunExtSpan){ 0 }, (StunExtSpan){ "k", 1 },
                                              (StunExtSpan){ 0 }, out, 8160));
  g_assert_false (stun_ext_crypto_hkdf_sha256 ((StunExtSpan){ 0 }, (StunExtSpan){ "k", 1 },
                                               (StunExtSpan){ 0 }, out, 8161));
  g_assert_cmpuint (out[0], ==, 0);
}

static void
test_crc32_matches_the_check_value (void)
{
  for (gsize cut = 0; cut <= 9; cut++) {
    StunExtSpan parts[] = { { "123456789", cut }, { &"123456789"[cut], 9 - cut } };

    g_assert_cmphex (stun_ext_crc32 (parts, 2), ==, 0xcbf43926);
  }
  g_assert_cmphex (stun_ext_crc32 (NULL, 0), ==, 0);
}

static void
test_equal_sees_every_bit (void)
{
  guint8 a[32] = { 0 }, b[32] = { 0 };

  g_assert_true (stun_ext_crypto_equal (a, b, sizeof a));
  for (guint bit = 0; bit < 256; bit++) {
    b[bit / 8] ^= 1 << bit % 8;
    g_assert_false (stun_ext_crypto_equal (a, b, sizeof a));
    b[bit / 8] ^= 1 << bit % 8;
  }
}

static void
test_cleanse_leaves_zeros (void)
{
  guint8 secret[5] = "abcd";

  stun_ext_crypto_cleanse (secret, sizeof secret);
  g_assert_cmpmem (secret, 5, "\0\0\0\0\0", 5);
  stun_ext_crypto_cleanse (NULL, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stun-ext/crypto/digests-match-published-values",
                   test_digests_match_published_values);
  g_test_add_func ("/stun-ext/crypto/hmac-matches-rfc-2202-and-4231",
                   test_hmac_matches_rfc_2202_and_4231);
  g_test_add_func ("/stun-ext/crypto/hmac-takes-an-empty-key", test_hmac_takes_an_empty_key);
  g_test_add_func ("/stun-ext/crypto/hkdf-matches-rfc-5869", test_hkdf_matches_rfc_5869);
  g_test_add_func ("/stun-ext/crypto/hkdf-refuses-more-than-it-can-make",
                   test_hkdf_refuses_more_than_it_can_make);
  g_test_add_func ("/stun-ext/crypto/crc32-matches-the-check-value",
                   test_crc32_matches_the_check_value);
  g_test_add_func ("/stun-ext/crypto/equal-sees-every-bit", test_equal_sees_every_bit);
  g_test_add_func ("/stun-ext/crypto/cleanse-leaves-zeros", test_cleanse_leaves_zeros);
  return g_test_run ();
}
