/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stun-ext/integrity.h"

#include "stun-ext/attribute.h"
#include "tests/stun-ext/vectors.h"

static const guint8 id[12] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };

static StunExtSpan
span (const char *text)
{
  return (StunExtSpan){ text, strlen (text) };
}

/* The key of a vector, MD5 or SHA-256 where it is a long-term one. */
static StunExtSpan
vector_key (gsize v, guint8 storage[STUN_EXT_HASH_MAX_LENGTH])
{
  const StunExtSpan input = span (VECTOR_USERNAME ":" VECTOR_REALM ":" VECTOR_PASSWORD);

  if (v < 3)
    return span (VECTOR_SHORT_TERM_PASSWORD);
  g_assert_true (stun_ext_crypto_digest (v == 3 ? STUN_EXT_HASH_MD5 : STUN_EXT_HASH_SHA256, &input,
                                         1, storage));
  return (StunExtSpan){ storage, v == 3 ? 16 : 32 };
}

static void
test_vectors_verify (void)
{
  for (gsize v = 0; v < G_N_ELEMENTS (vectors); v++) {
    g_autoptr (GByteArray) octets = vector_octets (&vectors[v]);
    guint8 storage[STUN_EXT_HASH_MAX_LENGTH];
    StunExtSpan key = vector_key (v, storage);
    StunExtMessage m;

    g_test_message ("%s", vectors[v].name);
    g_assert_cmpint (stun_ext_message_parse (&m, octets->data, octets->len), ==, STUN_EXT_PARSE_OK);
    g_assert_cmpint (stun_ext_message_integrity (&m), ==,
                     v == 4 ? STUN_EXT_INTEGRITY_SHA256 : STUN_EXT_INTEGRITY_SHA1);
    g_assert_cmpint (stun_ext_integrity_verify (&m, STUN_EXT_INTEGRITY_BOTH, 32, key), ==,
                     STUN_EXT_VERDICT_VALID);
    g_assert_cmpint (stun_ext_integrity_verify (&m, STUN_EXT_INTEGRITY_BOTH, 32, span ("wrong")),
                     ==, STUN_EXT_VERDICT_WRONG);
    g_assert_cmpint (stun_ext_fingerprint_verify (&m), ==,
                     v < 3 ? STUN_EXT_VERDICT_VALID : STUN_EXT_VERDICT_MISSING);
  }
}

/* Writes the n-th vector again from its parts. */
static void
rebuild (gsize v, guint8 *buffer, gsize capacity, gsize *length)
{
  guint8 storage[STUN_EXT_HASH_MAX_LENGTH], userhash[STUN_EXT_SHA256_LENGTH];
  const StunExtSpan user = span (VECTOR_USERNAME ":" VECTOR_REALM);
  StunExtSpan key = vector_key (v, storage);
  StunExtAddress address = { 0 };
  StunExtBuilder b;

  stun_ext_builder_begin (
      &b, buffer, capacity, v == 1 || v == 2 ? STUN_EXT_CLASS_SUCCESS : STUN_EXT_CLASS_REQUEST,
      STUN_EXT_METHOD_BINDING, v < 3 ? vector_short_term_id : vector_long_term_id);
  b.writer.padding = v < 3 ? 0x20 : 0x00;
  if (v == 0) {
    stun_ext_builder_add_text (&b, STUN_EXT_ATTRIBUTE_SOFTWARE, "STUN test client");
    stun_ext_builder_add_u32 (&b, STUN_EXT_ATTRIBUTE_PRIORITY, 0x6e0001ff);
    stun_ext_builder_add_u64 (&b, STUN_EXT_ATTRIBUTE_ICE_CONTROLLED, 0x932ff9b151263b36);
    stun_ext_builder_add_text (&b, STUN_EXT_ATTRIBUTE_USERNAME, "evtj:h6vY");
  } else if (v < 3) {
    g_assert_true (stun_ext_address_parse (
        v == 1 ? "192.0.2.1:32853" : "[2001:db8:1234:5678:11:2233:4455:6677]:32853", &address));
    stun_ext_builder_add_text (&b, STUN_EXT_ATTRIBUTE_SOFTWARE, "test vector");
    stun_ext_builder_add_xor_address (&b, STUN_EXT_ATTRIBUTE_XOR_MAPPED_ADDRESS, &address);
  } else if (v == 3) {
    stun_ext_builder_add_text (&b, STUN_EXT_ATTRIBUTE_USERNAME, VECTOR_USERNAME);
    stun_ext_builder_add_text (&b, STUN_EXT_ATTRIBUTE_NONCE, VECTOR_NONCE);
    stun_ext_builder_add_text (&b, STUN_EXT_ATTRIBUTE_REALM, VECTOR_REALM);
  } else {
    g_assert_true (stun_ext_crypto_digest (STUN_EXT_HASH_SHA256, &user, 1, userhash));
    stun_ext_builder_add_data (&b, STUN_EXT_ATTRIBUTE_USERHASH, userhash, sizeof userhash);
    stun_ext_builder_add_text (&b, STUN_EXT_ATTRIBUTE_NONCE, VECTOR_NONCE_8489);
    stun_ext_builder_add_text (&b, STUN_EXT_ATTRIBUTE_REALM, VECTOR_REALM);
    stun_ext_builder_add_u16 (&b, STUN_EXT_ATTRIBUTE_PASSWORD_ALGORITHM,
                              STUN_EXT_PASSWORD_ALGORITHM_SHA256);
  }
  g_assert_true (stun_ext_builder_finish (
      &b, v == 4 ? STUN_EXT_INTEGRITY_SHA256 : STUN_EXT_INTEGRITY_SHA1, key, v < 3, length));
}

static void
test_vectors_are_reproduced_octet_for_octet (void)
{
  for (gsize v = 0; v < G_N_ELEMENTS (vectors); v++) {
    g_autoptr (GByteArray) octets = vector_octets (&vectors[v]);
    guint8 buffer[256];
    gsize length = 0;

    g_test_message ("%s", vectors[v].name);
    rebuild (v, buffer, sizeof buffer, &length);
    g_assert_cmpmem (buffer, length, octets->data, octets->len);
  }
}

static void
test_no_octet_comes_from_the_buffer_underneath (void)
{
  for (gsize v = 0; v < G_N_ELEMENTS (vectors); v++) {
    guint8 first[256], second[256];
    gsize first_length = 0, second_length = 0;

    memset (first, 0xaa, sizeof first);
    memset (second, 0x55, sizeof second);
    rebuild (v, first, sizeof first, &first_length);
    rebuild (v, second, sizeof second, &second_length);
    g_assert_cmpmem (first, first_length, second, second_length);
    g_assert_cmphex (first[first_length], ==, 0xaa);
  }
}

static void
test_every_flipped_bit_is_noticed (void)
{
  for (gsize v = 0; v < G_N_ELEMENTS (vectors); v++) {
    g_autoptr (GByteArray) octets = vector_octets (&vectors[v]);
    guint8 storage[STUN_EXT_HASH_MAX_LENGTH];
    StunExtSpan key = vector_key (v, storage);
    gsize end = octets->len - (v < 3 ? 8 : 0); /* FINGERPRINT is not covered */

    for (gsize bit = 0; bit < end * 8; bit++) {
      StunExtMessage m;

      octets->data[bit / 8] ^= 1 << bit % 8;
      if (stun_ext_message_parse (&m, octets->data, octets->len) == STUN_EXT_PARSE_OK)
        g_assert_cmpint (stun_ext_integrity_verify (&m, STUN_EXT_INTEGRITY_BOTH, 32, key), !=,
                         STUN_EXT_VERDICT_VALID);
      octets->data[bit / 8] ^= 1 << bit % 8;
    }
    for (gsize bit = 0; v < 3 && bit < octets->len * 8; bit++) {
      StunExtMessage m;

      octets->data[bit / 8] ^= 1 << bit % 8;
      if (stun_ext_message_parse (&m, octets->data, octets->len) == STUN_EXT_PARSE_OK)
        g_assert_cmpint (stun_ext_fingerprint_verify (&m), !=, STUN_EXT_VERDICT_VALID);
      octets->data[bit / 8] ^= 1 << bit % 8;
    }
  }
}

static gsize
build (guint8 *buffer, gsize capacity, StunExtIntegrity integrity, gboolean fingerprint)
{
  StunExtBuilder b;
  gsize length = 0;

  stun_ext_builder_begin (&b, buffer, capacity, STUN_EXT_CLASS_REQUEST, STUN_EXT_METHOD_BINDING,
                          id);
  stun_ext_builder_add_text (&b, STUN_EXT_ATTRIBUTE_USERNAME, "user");
  return stun_ext_builder_finish (&b, integrity, span ("key"), fingerprint, &length) ? length : 0;
}

static void
test_each_kind_verifies_where_it_is_allowed (void)
{
  static const StunExtIntegrity kinds[] = { STUN_EXT_INTEGRITY_NONE, STUN_EXT_INTEGRITY_SHA1,
                                            STUN_EXT_INTEGRITY_SHA256, STUN_EXT_INTEGRITY_BOTH };

  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    for (gsize j = 0; j < G_N_ELEMENTS (kinds); j++)
      for (guint fingerprint = 0; fingerprint < 2; fingerprint++) {
        guint8 buffer[256];
        gsize length = build (buffer, sizeof buffer, kinds[i], fingerprint);
        StunExtMessage m;

        g_assert_cmpint (stun_ext_message_parse (&m, buffer, length), ==, STUN_EXT_PARSE_OK);
        g_assert_cmpint (stun_ext_message_integrity (&m), ==, kinds[i]);
        g_assert_cmpint (stun_ext_integrity_verify (&m, kinds[j], 32, span ("key")), ==,
                         (kinds[i] & kinds[j]) != 0 ? STUN_EXT_VERDICT_VALID
                                                    : STUN_EXT_VERDICT_MISSING);
        g_assert_cmpint (stun_ext_fingerprint_verify (&m), ==,
                         fingerprint ? STUN_EXT_VERDICT_VALID : STUN_EXT_VERDICT_MISSING);
      }
}

static void
test_sha256_is_checked_before_sha1 (void)
{
  guint8 buffer[256];
  gsize length = build (buffer, sizeof buffer, STUN_EXT_INTEGRITY_BOTH, FALSE);
  StunExtMessage m;

  buffer[length - 1] ^= 1;
  g_assert_cmpint (stun_ext_message_parse (&m, buffer, length), ==, STUN_EXT_PARSE_OK);
  g_assert_cmpint (stun_ext_integrity_verify (&m, STUN_EXT_INTEGRITY_BOTH, 32, span ("key")), ==,
                   STUN_EXT_VERDICT_WRONG);
  g_assert_cmpint (stun_ext_integrity_verify (&m, STUN_EXT_INTEGRITY_SHA1, 32, span ("key")), ==,
                   STUN_EXT_VERDICT_VALID);
}

static void
test_truncated_sha256_needs_leave (void)
{
  for (gsize length = 16; length <= 32; length += 4) {
    guint8 buffer[128], mac[STUN_EXT_HASH_MAX_LENGTH];
    StunExtBuilder b;
    StunExtMessage m;
    StunExtSpan covered;
    gsize total = 0;

    stun_ext_builder_begin (&b, buffer, sizeof buffer, STUN_EXT_CLASS_REQUEST,
                            STUN_EXT_METHOD_BINDING, id);
    stun_ext_builder_add_text (&b, STUN_EXT_ATTRIBUTE_USERNAME, "user");
    stun_ext_writer_patch_u16 (&b.writer, 2, (guint16)(b.writer.length - 20 + 4 + length));
    covered = (StunExtSpan){ buffer, b.writer.length };
    g_assert_true (stun_ext_crypto_hmac (STUN_EXT_HASH_SHA256, "key", 3, &covered, 1, mac));
    stun_ext_builder_add_data (&b, STUN_EXT_ATTRIBUTE_MESSAGE_INTEGRITY_SHA256, mac, length);
    g_assert_true (
        stun_ext_builder_finish (&b, STUN_EXT_INTEGRITY_NONE, (StunExtSpan){ 0 }, TRUE, &total));
    g_assert_cmpint (stun_ext_message_parse (&m, buffer, total), ==, STUN_EXT_PARSE_OK);
    for (gsize shortest = 0; shortest <= 40; shortest += 4)
      g_assert_cmpint (
          stun_ext_integrity_verify (&m, STUN_EXT_INTEGRITY_SHA256, shortest, span ("key")), ==,
          length >= MIN (shortest, 32) ? STUN_EXT_VERDICT_VALID : STUN_EXT_VERDICT_WRONG);
  }
}

static void
test_every_capacity_too_small_is_refused (void)
{
  guint8 whole[256];
  gsize length = build (whole, sizeof whole, STUN_EXT_INTEGRITY_BOTH, TRUE);

  for (gsize capacity = 0; capacity < length; capacity++) {
    g_autofree guint8 *exact = g_malloc (capacity + (capacity == 0));

    g_assert_cmpuint (build (exact, capacity, STUN_EXT_INTEGRITY_BOTH, TRUE), ==, 0);
  }
  g_assert_cmpuint (build (whole, length, STUN_EXT_INTEGRITY_BOTH, TRUE), ==, length);
}

static void
test_message_beyond_16_bits_is_refused (void)
{
  static guint8 value[32768];
  g_autofree guint8 *buffer = g_malloc (140000);
  StunExtBuilder b;
  gsize length = 0;

  stun_ext_builder_begin (&b, buffer, 140000, STUN_EXT_CLASS_INDICATION, STUN_EXT_METHOD_SEND, id);
  stun_ext_builder_add_data (&b, STUN_EXT_ATTRIBUTE_DATA, value, sizeof value);
  stun_ext_builder_add_data (&b, STUN_EXT_ATTRIBUTE_DATA, value, sizeof value);
  g_assert_false (
      stun_ext_builder_finish (&b, STUN_EXT_INTEGRITY_BOTH, span ("key"), TRUE, &length));
  g_assert_cmpuint (length, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add_func ("/stun-ext/integrity/" name, function)
  ADD ("vectors-verify", test_vectors_verify);
  ADD ("vectors-are-reproduced-octet-for-octet", test_vectors_are_reproduced_octet_for_octet);
  ADD ("no-octet-comes-from-the-buffer-underneath", test_no_octet_comes_from_the_buffer_underneath);
  ADD ("every-flipped-bit-is-noticed", test_every_flipped_bit_is_noticed);
  ADD ("each-kind-verifies-where-it-is-allowed", test_each_kind_verifies_where_it_is_allowed);
  ADD ("sha256-is-checked-before-sha1", test_sha256_is_checked_before_sha1);
  ADD ("truncated-sha256-needs-leave", test_truncated_sha256_needs_leave);
  ADD ("every-capacity-too-small-is-refused", test_every_capacity_too_small_is_refused);
  ADD ("message-beyond-16-bits-is-refused", test_message_beyond_16_bits_is_refused);
  return g_test_run ();
}
