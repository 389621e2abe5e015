/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stun-ext/message.h"

#include "stun-ext/attribute.h"
#include "stun-ext/integrity.h"
#include "tests/stun-ext/vectors.h"

static const guint8 id[12] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };

/* Ends a message under construction without integrity, and parses it. */
static StunExtParse
finish_and_parse (StunExtBuilder *b, StunExtMessage *m)
{
  gsize length = 0;

  g_assert_true (
      stun_ext_builder_finish (b, STUN_EXT_INTEGRITY_NONE, (StunExtSpan){ 0 }, FALSE, &length));
  return stun_ext_message_parse (m, b->writer.data, length);
}

static void
test_type_survives_for_every_method_and_class (void)
{
  for (guint method = 0; method < 0x1000; method++)
    for (guint c = 0; c < 4; c++) {
      guint8 buffer[20];
      StunExtBuilder b;
      StunExtMessage m;

      stun_ext_builder_begin (&b, buffer, sizeof buffer, (StunExtClass)c, (guint16)method, id);
      g_assert_cmpint (finish_and_parse (&b, &m), ==, STUN_EXT_PARSE_OK);
      g_assert_cmpuint (m.method, ==, method);
      g_assert_cmpuint (m.message_class, ==, c);
      g_assert_cmpmem (m.transaction_id, 12, id, 12);
      g_assert_cmpuint (buffer[0] & 0xc0, ==, 0);
    }
}

static void
test_binding_types_are_the_well_known_ones (void)
{
  static const guint16 types[] = { 0x0001, 0x0011, 0x0101, 0x0111 };

  for (guint c = 0; c < 4; c++) {
    guint8 buffer[20];
    StunExtBuilder b;

    stun_ext_builder_begin (&b, buffer, sizeof buffer, (StunExtClass)c, STUN_EXT_METHOD_BINDING,
                            id);
    g_assert_cmphex (buffer[0] << 8 | buffer[1], ==, types[c]);
  }
}

static void
test_every_truncation_at_every_alignment_is_incomplete (void)
{
  for (gsize v = 0; v < G_N_ELEMENTS (vectors); v++) {
    g_autoptr (GByteArray) octets = vector_octets (&vectors[v]);

    for (gsize shift = 0; shift < 8; shift++)
      for (gsize cut = 0; cut <= octets->len; cut++) {
        g_autofree guint8 *exact = g_malloc (shift + cut + 1);
        StunExtMessage m;
        StunExtParse result;

        memcpy (exact + shift, octets->data, cut);
        exact = g_realloc (exact, shift + cut > 0 ? shift + cut : 1); /* nothing behind it */
        result = stun_ext_message_parse (&m, exact + shift, cut);
        g_assert_cmpint (result, ==,
                         cut == octets->len ? STUN_EXT_PARSE_OK : STUN_EXT_PARSE_INCOMPLETE);
        if (cut < octets->len)
          g_assert_cmpuint (m.n_attributes, ==, 0);
      }
  }
}

static void
test_every_shorter_length_field_is_safe (void)
{
  for (gsize v = 0; v < G_N_ELEMENTS (vectors); v++) {
    g_autoptr (GByteArray) octets = vector_octets (&vectors[v]);

    for (gsize cut = 20; cut < octets->len; cut++) { /* the header agrees with the cut */
      g_autofree guint8 *exact = g_memdup2 (octets->data, cut);
      StunExtMessage m;
      StunExtParse result;

      exact[2] = (guint8)((cut - 20) >> 8);
      exact[3] = (guint8)(cut - 20);
      result = stun_ext_message_parse (&m, exact, cut);
      if (cut % 4 != 0)
        g_assert_cmpint (result, ==, STUN_EXT_PARSE_NOT_STUN);
      else
        g_assert_true (result == STUN_EXT_PARSE_OK || result == STUN_EXT_PARSE_MALFORMED);
      if (result == STUN_EXT_PARSE_MALFORMED) {
        g_assert_cmpuint (m.method, ==, STUN_EXT_METHOD_BINDING);
        g_assert_cmpuint (m.n_attributes, ==, 0);
        g_assert_cmpint (stun_ext_message_integrity (&m), ==, STUN_EXT_INTEGRITY_NONE);
      }
    }
  }
}

static void
test_octets_behind_the_message_are_refused (void)
{
  for (gsize extra = 1; extra < 9; extra++) {
    g_autoptr (GByteArray) octets = vector_octets (&vectors[0]);
    StunExtMessage m;

    g_byte_array_set_size (octets, octets->len + (guint)extra);
    g_assert_cmpint (stun_ext_message_parse (&m, octets->data, octets->len), ==,
                     STUN_EXT_PARSE_NOT_STUN);
  }
}

static void
test_what_is_not_stun_is_told_at_the_first_octet_that_shows_it (void)
{
  static const struct {
    const char *octets;
    gsize length;
    StunExtParse expected;
  } rows[] = {
    { "", 0, STUN_EXT_PARSE_INCOMPLETE },
    { "\x00", 1, STUN_EXT_PARSE_INCOMPLETE },
    { "\x3f", 1, STUN_EXT_PARSE_INCOMPLETE },
    { "\x40", 1, STUN_EXT_PARSE_NOT_STUN },
    { "\x80", 1, STUN_EXT_PARSE_NOT_STUN },
    { "G", 1, STUN_EXT_PARSE_NOT_STUN },
    { "\x00\x01\x00\x01", 4, STUN_EXT_PARSE_NOT_STUN },
    { "\x00\x01\x00\x04", 4, STUN_EXT_PARSE_INCOMPLETE },
    { "\x00\x01\x00\x04\x21", 5, STUN_EXT_PARSE_INCOMPLETE },
    { "\x00\x01\x00\x04\x20", 5, STUN_EXT_PARSE_NOT_STUN },
    { "\x00\x01\x00\x04\x21\x12\xa4", 7, STUN_EXT_PARSE_INCOMPLETE },
    { "\x00\x01\x00\x04\x21\x12\xa4\x43", 8, STUN_EXT_PARSE_NOT_STUN },
    { "\x00\x01\x00\x04\x21\x12\xa4\x42", 8, STUN_EXT_PARSE_OK },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    gsize total = 77;
    StunExtParse result =
        stun_ext_message_measure ((const guint8 *)rows[i].octets, rows[i].length, &total);

    g_assert_cmpint (result, ==, rows[i].expected);
    g_assert_cmpuint (total, ==, result == STUN_EXT_PARSE_OK ? 24 : 77);
  }
}

static void
test_attribute_lengths_that_lie_are_malformed (void)
{
  static const guint16 lies[] = { 5, 8, 9, 0x7fff, 0xfffc, 0xfffd, 0xffff };

  for (gsize i = 0; i < G_N_ELEMENTS (lies); i++) {
    guint8 buffer[28];
    StunExtBuilder b;
    StunExtMessage m;

    stun_ext_builder_begin (&b, buffer, sizeof buffer, STUN_EXT_CLASS_REQUEST,
                            STUN_EXT_METHOD_BINDING, id);
    stun_ext_builder_add_u32 (&b, STUN_EXT_ATTRIBUTE_PRIORITY, 1);
    stun_ext_writer_patch_u16 (&b.writer, 22, lies[i]);
    g_assert_cmpint (finish_and_parse (&b, &m), ==, STUN_EXT_PARSE_MALFORMED);
  }
}

static void
test_more_attributes_than_the_cap_are_malformed (void)
{
  for (guint n = STUN_EXT_ATTRIBUTES_MAX - 1; n <= STUN_EXT_ATTRIBUTES_MAX + 1; n++) {
    guint8 buffer[512];
    StunExtBuilder b;
    StunExtMessage m;

    stun_ext_builder_begin (&b, buffer, sizeof buffer, STUN_EXT_CLASS_REQUEST,
                            STUN_EXT_METHOD_BINDING, id);
    for (guint i = 0; i < n; i++)
      stun_ext_builder_add_flag (&b, (guint16)(0x9000 + i));
    g_assert_cmpint (finish_and_parse (&b, &m), ==,
                     n > STUN_EXT_ATTRIBUTES_MAX ? STUN_EXT_PARSE_MALFORMED : STUN_EXT_PARSE_OK);
    g_assert_cmpuint (m.n_attributes, ==, n > STUN_EXT_ATTRIBUTES_MAX ? 0 : n);
  }
}

static void
test_first_of_two_duplicates_counts (void)
{
  guint8 buffer[64];
  StunExtBuilder b;
  StunExtMessage m;
  guint32 value = 0;

  stun_ext_builder_begin (&b, buffer, sizeof buffer, STUN_EXT_CLASS_REQUEST,
                          STUN_EXT_METHOD_REFRESH, id);
  stun_ext_builder_add_u32 (&b, STUN_EXT_ATTRIBUTE_LIFETIME, 600);
  stun_ext_builder_add_u32 (&b, STUN_EXT_ATTRIBUTE_LIFETIME, 3600);
  g_assert_cmpint (finish_and_parse (&b, &m), ==, STUN_EXT_PARSE_OK);
  g_assert_cmpint (stun_ext_message_get_u32 (&m, STUN_EXT_ATTRIBUTE_LIFETIME, &value), ==,
                   STUN_EXT_GET_OK);
  g_assert_cmpuint (value, ==, 600);
}

/* Letters: s MESSAGE-INTEGRITY, l MESSAGE-INTEGRITY-SHA256, f FINGERPRINT, a an attribute that
 * counts, x one that is to be ignored. */
static void
add_by_letter (StunExtBuilder *b, char letter)
{
  static const guint8 zeros[32];

  if (letter == 's')
    stun_ext_builder_add_data (b, STUN_EXT_ATTRIBUTE_MESSAGE_INTEGRITY, zeros, 20);
  else if (letter == 'l')
    stun_ext_builder_add_data (b, STUN_EXT_ATTRIBUTE_MESSAGE_INTEGRITY_SHA256, zeros, 32);
  else if (letter == 'f')
    stun_ext_builder_add_data (b, STUN_EXT_ATTRIBUTE_FINGERPRINT, zeros, 4);
  else
    stun_ext_builder_add_u32 (b, letter == 'a' ? 0x0024 : 0x0025, 1);
}

static void
test_what_follows_integrity_is_ignored (void)
{
  static const struct {
    const char *letters;
    guint n_attributes;
    StunExtIntegrity integrity;
    StunExtParse expected;
  } rows[] = {
    { "as", 1, STUN_EXT_INTEGRITY_SHA1, STUN_EXT_PARSE_OK },
    { "asx", 1, STUN_EXT_INTEGRITY_SHA1, STUN_EXT_PARSE_OK },
    { "asxxf", 1, STUN_EXT_INTEGRITY_SHA1, STUN_EXT_PARSE_OK },
    { "asl", 1, STUN_EXT_INTEGRITY_BOTH, STUN_EXT_PARSE_OK },
    { "asxlf", 1, STUN_EXT_INTEGRITY_BOTH, STUN_EXT_PARSE_OK },
    { "aslxf", 1, STUN_EXT_INTEGRITY_BOTH, STUN_EXT_PARSE_OK },
    { "alx", 1, STUN_EXT_INTEGRITY_SHA256, STUN_EXT_PARSE_OK },
    { "als", 1, STUN_EXT_INTEGRITY_SHA256, STUN_EXT_PARSE_OK },
    { "all", 1, STUN_EXT_INTEGRITY_SHA256, STUN_EXT_PARSE_OK },
    { "ass", 1, STUN_EXT_INTEGRITY_SHA1, STUN_EXT_PARSE_OK },
    { "aaslf", 2, STUN_EXT_INTEGRITY_BOTH, STUN_EXT_PARSE_OK },
    { "af", 1, STUN_EXT_INTEGRITY_NONE, STUN_EXT_PARSE_OK },
    { "afx", 0, STUN_EXT_INTEGRITY_NONE, STUN_EXT_PARSE_MALFORMED },
    { "afs", 0, STUN_EXT_INTEGRITY_NONE, STUN_EXT_PARSE_MALFORMED },
    { "aff", 0, STUN_EXT_INTEGRITY_NONE, STUN_EXT_PARSE_MALFORMED },
    { "slfx", 0, STUN_EXT_INTEGRITY_NONE, STUN_EXT_PARSE_MALFORMED },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    guint8 buffer[256];
    StunExtBuilder b;
    StunExtMessage m;

    stun_ext_builder_begin (&b, buffer, sizeof buffer, STUN_EXT_CLASS_REQUEST,
                            STUN_EXT_METHOD_BINDING, id);
    for (const char *p = rows[i].letters; *p != '\0'; p++)
      add_by_letter (&b, *p);
    g_assert_cmpint (finish_and_parse (&b, &m), ==, rows[i].expected);
    g_assert_cmpuint (m.n_attributes, ==, rows[i].n_attributes);
    g_assert_cmpint (stun_ext_message_integrity (&m), ==, rows[i].integrity);
    g_assert_null (stun_ext_message_find (&m, 0x0025));
  }
}

static void
test_integrity_of_a_wrong_length_is_malformed (void)
{
  for (guint16 length = 0; length <= 40; length++) {
    static const guint16 types[] = { STUN_EXT_ATTRIBUTE_MESSAGE_INTEGRITY,
                                     STUN_EXT_ATTRIBUTE_MESSAGE_INTEGRITY_SHA256,
                                     STUN_EXT_ATTRIBUTE_FINGERPRINT };
    const gboolean allowed[] = { length == 20, length >= 16 && length <= 32 && length % 4 == 0,
                                 length == 4 };

    for (gsize i = 0; i < G_N_ELEMENTS (types); i++) {
      static const guint8 zeros[40];
      guint8 buffer[80];
      StunExtBuilder b;
      StunExtMessage m;

      stun_ext_builder_begin (&b, buffer, sizeof buffer, STUN_EXT_CLASS_REQUEST,
                              STUN_EXT_METHOD_BINDING, id);
      stun_ext_builder_add_data (&b, types[i], zeros, length);
      g_assert_cmpint (finish_and_parse (&b, &m), ==,
                       allowed[i] ? STUN_EXT_PARSE_OK : STUN_EXT_PARSE_MALFORMED);
    }
  }
}

static void
test_unknown_attributes_are_listed_once_and_capped (void)
{
  static const guint16 known[] = { 0x0006, 0x0024 };
  guint16 unknown[STUN_EXT_UNKNOWN_MAX];
  guint8 buffer[512];
  StunExtBuilder b;
  StunExtMessage m;

  stun_ext_builder_begin (&b, buffer, sizeof buffer, STUN_EXT_CLASS_REQUEST,
                          STUN_EXT_METHOD_BINDING, id);
  stun_ext_builder_add_flag (&b, 0x0006);
  stun_ext_builder_add_flag (&b, 0x7fff);
  stun_ext_builder_add_flag (&b, 0x8000);
  stun_ext_builder_add_flag (&b, 0xc7e0);
  stun_ext_builder_add_flag (&b, 0x7fff);
  stun_ext_builder_add_flag (&b, 0x0000);
  add_by_letter (&b, 's');
  stun_ext_builder_add_flag (&b, 0x7abc);
  g_assert_cmpint (finish_and_parse (&b, &m), ==, STUN_EXT_PARSE_OK);
  g_assert_cmpuint (stun_ext_message_unknown (&m, known, 2, unknown), ==, 2);
  g_assert_cmphex (unknown[0], ==, 0x7fff);
  g_assert_cmphex (unknown[1], ==, 0x0000);

  stun_ext_builder_begin (&b, buffer, sizeof buffer, STUN_EXT_CLASS_REQUEST,
                          STUN_EXT_METHOD_BINDING, id);
  for (guint i = 0; i < 40; i++)
    stun_ext_builder_add_flag (&b, (guint16)(0x7000 + i));
  g_assert_cmpint (finish_and_parse (&b, &m), ==, STUN_EXT_PARSE_OK);
  g_assert_cmpuint (stun_ext_message_unknown (&m, known, 2, unknown), ==, STUN_EXT_UNKNOWN_MAX);
}

static void
test_answers_carry_method_and_transaction_of_the_request (void)
{
  guint8 buffer[20], answer[64];
  StunExtBuilder b;
  StunExtMessage request, m;
  StunExtSpan reason;
  guint code = 0;

  stun_ext_builder_begin (&b, buffer, sizeof buffer, STUN_EXT_CLASS_REQUEST,
                          STUN_EXT_METHOD_ALLOCATE, id);
  g_assert_cmpint (finish_and_parse (&b, &request), ==, STUN_EXT_PARSE_OK);
  g_assert_false (stun_ext_message_is_answer_to (&request, &request));

  stun_ext_builder_begin_success (&b, answer, sizeof answer, &request);
  g_assert_cmpint (finish_and_parse (&b, &m), ==, STUN_EXT_PARSE_OK);
  g_assert_cmpint (m.message_class, ==, STUN_EXT_CLASS_SUCCESS);
  g_assert_true (stun_ext_message_is_answer_to (&m, &request));

  stun_ext_builder_begin_error (&b, answer, sizeof answer, &request, 437);
  g_assert_cmpint (finish_and_parse (&b, &m), ==, STUN_EXT_PARSE_OK);
  g_assert_cmpint (m.message_class, ==, STUN_EXT_CLASS_ERROR);
  g_assert_true (stun_ext_message_is_answer_to (&m, &request));
  g_assert_cmpint (stun_ext_message_get_error (&m, &code, &reason), ==, STUN_EXT_GET_OK);
  g_assert_cmpuint (code, ==, 437);
  g_assert_cmpmem (reason.data, reason.length, "Allocation Mismatch", 19);

  m.transaction_id[11] ^= 1;
  g_assert_false (stun_ext_message_is_answer_to (&m, &request));
}

static void
test_random_octets_never_break_the_parser (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (8489);

  for (guint i = 0; i < 100000; i++) {
    gsize length = (gsize)g_rand_int_range (rand, 0, 200);
    g_autofree guint8 *octets = g_malloc (length + 1);
    StunExtMessage m;

    for (gsize j = 0; j < length; j++)
      octets[j] = (guint8)(g_rand_int (rand) & (j > 20 && g_rand_boolean (rand) ? 0x0f : 0xff));
    if (length >= 20 && i % 8 != 0) {
      octets[0] &= 0x3f;
      octets[2] = 0;
      octets[3] = (guint8)((length - 20) & ~3u);
      memcpy (octets + 4, "\x21\x12\xa4\x42", 4);
      length = octets[3] + 20;
    }
    if (stun_ext_message_parse (&m, octets, length) != STUN_EXT_PARSE_OK)
      continue;
    for (guint j = 0; j < m.n_attributes; j++)
      g_assert_cmpuint ((gsize)m.attributes[j].offset + m.attributes[j].length, <=, length);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add_func ("/stun-ext/message/" name, function)
  ADD ("type-survives-for-every-method-and-class", test_type_survives_for_every_method_and_class);
  ADD ("binding-types-are-the-well-known-ones", test_binding_types_are_the_well_known_ones);
  ADD ("every-truncation-at-every-alignment-is-incomplete",
       test_every_truncation_at_every_alignment_is_incomplete);
  ADD ("every-shorter-length-field-is-safe", test_every_shorter_length_field_is_safe);
  ADD ("octets-behind-the-message-are-refused", test_octets_behind_the_message_are_refused);
  ADD ("what-is-not-stun-is-told-at-the-first-octet-that-shows-it",
       test_what_is_not_stun_is_told_at_the_first_octet_that_shows_it);
  ADD ("attribute-lengths-that-lie-are-malformed", test_attribute_lengths_that_lie_are_malformed);
  ADD ("more-attributes-than-the-cap-are-malformed",
       test_more_attributes_than_the_cap_are_malformed);
  ADD ("first-of-two-duplicates-counts", test_first_of_two_duplicates_counts);
  ADD ("what-follows-integrity-is-ignored", test_what_follows_integrity_is_ignored);
  ADD ("integrity-of-a-wrong-length-is-malformed", test_integrity_of_a_wrong_length_is_malformed);
  ADD ("unknown-attributes-are-listed-once-and-capped",
       test_unknown_attributes_are_listed_once_and_capped);
  ADD ("answers-carry-method-and-transaction-of-the-request",
       test_answers_carry_method_and_transaction_of_the_request);
  ADD ("random-octets-never-break-the-parser", test_random_octets_never_break_the_parser);
  return g_test_run ();
}
