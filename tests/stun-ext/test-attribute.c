/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stun-ext/attribute.h"

#include <string.h>

#include "stun-ext/integrity.h"

#define TYPE 0x9abc

static const guint8 id[12] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };

typedef struct {
  guint8 buffer[2048];
  StunExtBuilder builder;
  StunExtMessage message;
} Fixture;

static void
begin (Fixture *f)
{
  memset (f->buffer, 0xa5, sizeof f->buffer);
  stun_ext_builder_begin (&f->builder, f->buffer, sizeof f->buffer, STUN_EXT_CLASS_REQUEST,
                          STUN_EXT_METHOD_ALLOCATE, id);
}

static gboolean
finish (Fixture *f)
{
  gsize length = 0;

  return stun_ext_builder_finish (&f->builder, STUN_EXT_INTEGRITY_NONE, (StunExtSpan){ 0 }, FALSE,
                                  &length) &&
         stun_ext_message_parse (&f->message, f->buffer, length) == STUN_EXT_PARSE_OK;
}

/* One attribute with these octets as its value. */
static void
make (Fixture *f, guint16 type, const void *value, gsize length)
{
  begin (f);
  stun_ext_builder_add_data (&f->builder, type, value, length);
  g_assert_true (finish (f));
}

static void
test_every_shape_survives_a_round_trip (void)
{
  Fixture f;
  StunExtSpan span;
  guint8 u8 = 0, fixed[8] = { 0 };
  guint16 u16 = 0;
  guint32 u32 = 0;
  guint64 u64 = 0;

  begin (&f);
  stun_ext_builder_add_data (&f.builder, 0x9000, "abc", 3);
  stun_ext_builder_add_flag (&f.builder, 0x9001);
  stun_ext_builder_add_octet (&f.builder, 0x9002, 0x80);
  stun_ext_builder_add_u8 (&f.builder, 0x9003, 17);
  stun_ext_builder_add_u16 (&f.builder, 0x9004, 0x4001);
  stun_ext_builder_add_u32 (&f.builder, 0x9005, 0xdeadbeef);
  stun_ext_builder_add_u64 (&f.builder, 0x9006, 0x0123456789abcdef);
  stun_ext_builder_add_text (&f.builder, 0x9007, "d\xc3\xa9j\xc3\xa0");
  g_assert_true (finish (&f));
  g_assert_cmpint (stun_ext_message_get_data (&f.message, 0x9000, &span), ==, STUN_EXT_GET_OK);
  g_assert_cmpmem (span.data, span.length, "abc", 3);
  g_assert_cmpint (stun_ext_message_get_flag (&f.message, 0x9001), ==, STUN_EXT_GET_OK);
  g_assert_cmpint (stun_ext_message_get_u8 (&f.message, 0x9002, &u8), ==, STUN_EXT_GET_OK);
  g_assert_cmpuint (u8, ==, 0x80);
  g_assert_cmpint (stun_ext_message_get_u8 (&f.message, 0x9003, &u8), ==, STUN_EXT_GET_OK);
  g_assert_cmpuint (u8, ==, 17);
  g_assert_cmpint (stun_ext_message_get_u16 (&f.message, 0x9004, &u16), ==, STUN_EXT_GET_OK);
  g_assert_cmphex (u16, ==, 0x4001);
  g_assert_cmpint (stun_ext_message_get_u32 (&f.message, 0x9005, &u32), ==, STUN_EXT_GET_OK);
  g_assert_cmphex (u32, ==, 0xdeadbeef);
  g_assert_cmpint (stun_ext_message_get_u64 (&f.message, 0x9006, &u64), ==, STUN_EXT_GET_OK);
  g_assert_cmphex (u64, ==, 0x0123456789abcdef);
  g_assert_cmpint (stun_ext_message_get_fixed (&f.message, 0x9006, fixed, 8), ==, STUN_EXT_GET_OK);
  g_assert_cmpmem (fixed, 8, "\x01\x23\x45\x67\x89\xab\xcd\xef", 8);
  g_assert_cmpint (stun_ext_message_get_text (&f.message, 0x9007, &span), ==, STUN_EXT_GET_OK);
  g_assert_cmpuint (span.length, ==, 6);
}

static void
test_absent_attribute_is_told_apart_and_touches_nothing (void)
{
  Fixture f;
  StunExtAddress address = { .family = 77 };
  StunExtSpan span = { NULL, 77 };
  guint n = 77;
  guint16 types[STUN_EXT_UNKNOWN_MAX];
  StunExtAddress addresses[STUN_EXT_PEERS_MAX];
  guint32 u32 = 77;

  make (&f, 0x9000, "", 0);
#define ABSENT(call) g_assert_cmpint (call, ==, STUN_EXT_GET_ABSENT)
  ABSENT (stun_ext_message_get_data (&f.message, TYPE, &span));
  ABSENT (stun_ext_message_get_text (&f.message, TYPE, &span));
  ABSENT (stun_ext_message_get_flag (&f.message, TYPE));
  ABSENT (stun_ext_message_get_u32 (&f.message, TYPE, &u32));
  ABSENT (stun_ext_message_get_address (&f.message, TYPE, &address));
  ABSENT (stun_ext_message_get_xor_address (&f.message, TYPE, &address));
  ABSENT (stun_ext_message_get_xor_addresses (&f.message, TYPE, addresses, &n));
  ABSENT (stun_ext_message_get_error (&f.message, &n, &span));
  ABSENT (stun_ext_message_get_unknown_attributes (&f.message, types, &n));
  g_assert_cmpuint (span.length, ==, 77);
  g_assert_cmpuint (address.family, ==, 77);
  g_assert_cmpuint (n, ==, 77);
  g_assert_cmpuint (u32, ==, 77);
}

static void
test_numbers_of_any_other_length_are_invalid (void)
{
  static const guint8 value[24];

  for (gsize length = 0; length <= sizeof value; length++) {
    Fixture f;
    guint8 u8, fixed[5];
    guint16 u16;
    guint32 u32;
    guint64 u64;

    make (&f, TYPE, value, length);
#define EXPECT(call, ok) g_assert_cmpint (call, ==, (ok) ? STUN_EXT_GET_OK : STUN_EXT_GET_INVALID)
    EXPECT (stun_ext_message_get_flag (&f.message, TYPE), length == 0);
    EXPECT (stun_ext_message_get_u8 (&f.message, TYPE, &u8), length == 1 || length == 4);
    EXPECT (stun_ext_message_get_u16 (&f.message, TYPE, &u16), length == 2 || length == 4);
    EXPECT (stun_ext_message_get_u32 (&f.message, TYPE, &u32), length == 4);
    EXPECT (stun_ext_message_get_u64 (&f.message, TYPE, &u64), length == 8);
    EXPECT (stun_ext_message_get_fixed (&f.message, TYPE, fixed, 5), length == 5);
  }
}

static void
test_addresses_survive_a_round_trip (void)
{
  static const char *const rows[] = { "192.0.2.1:32853", "0.0.0.0:0", "255.255.255.255:65535",
                                      "[2001:db8:1234:5678:11:2233:4455:6677]:32853", "[::]:0" };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    Fixture f;
    StunExtAddress in = { 0 }, out = { 0 };

    g_assert_true (stun_ext_address_parse (rows[i], &in));
    begin (&f);
    stun_ext_builder_add_address (&f.builder, 0x9000, &in);
    stun_ext_builder_add_xor_address (&f.builder, 0x9001, &in);
    g_assert_true (finish (&f));
    g_assert_cmpint (stun_ext_message_get_address (&f.message, 0x9000, &out), ==, STUN_EXT_GET_OK);
    g_assert_cmpmem (&in, sizeof in, &out, sizeof out);
    memset (&out, 0xa5, sizeof out);
    g_assert_cmpint (stun_ext_message_get_xor_address (&f.message, 0x9001, &out), ==,
                     STUN_EXT_GET_OK);
    g_assert_cmpmem (&in, sizeof in, &out, sizeof out);
  }
}

static void
test_no_address_cannot_be_sent (void)
{
  Fixture f;
  StunExtAddress none = { 0 };

  begin (&f);
  stun_ext_builder_add_address (&f.builder, TYPE, &none);
  g_assert_false (finish (&f));
  begin (&f);
  stun_ext_builder_add_xor_address (&f.builder, TYPE, &none);
  g_assert_false (finish (&f));
}

static void
test_addresses_must_fit_their_family (void)
{
  for (guint family = 0; family < 256; family++)
    for (gsize length = 0; length <= 24; length++) {
      Fixture f;
      guint8 value[24] = { 0, (guint8)family };
      StunExtAddress address;
      gboolean ok = (family == 1 && length == 8) || (family == 2 && length == 20);

      if (family > 3 && length % 4 != 0)
        continue;
      make (&f, TYPE, value, length);
      EXPECT (stun_ext_message_get_address (&f.message, TYPE, &address), ok);
      EXPECT (stun_ext_message_get_xor_address (&f.message, TYPE, &address), ok);
    }
}

static void
test_peers_are_listed_up_to_the_cap (void)
{
  for (guint n = 1; n <= STUN_EXT_PEERS_MAX + 1; n++) {
    Fixture f;
    StunExtAddress addresses[STUN_EXT_PEERS_MAX], address = { 0 };
    guint found = 0;

    g_assert_true (stun_ext_address_parse ("192.0.2.1:1000", &address));
    begin (&f);
    for (guint i = 0; i < n; i++) {
      address.port = (guint16)(1000 + i);
      stun_ext_builder_add_xor_address (&f.builder, STUN_EXT_ATTRIBUTE_XOR_PEER_ADDRESS, &address);
      stun_ext_builder_add_u32 (&f.builder, STUN_EXT_ATTRIBUTE_LIFETIME, i);
    }
    g_assert_true (finish (&f));
    EXPECT (stun_ext_message_get_xor_addresses (&f.message, STUN_EXT_ATTRIBUTE_XOR_PEER_ADDRESS,
                                                addresses, &found),
            n <= STUN_EXT_PEERS_MAX);
    if (n <= STUN_EXT_PEERS_MAX) {
      g_assert_cmpuint (found, ==, n);
      g_assert_cmpuint (addresses[n - 1].port, ==, 1000 + n - 1);
    }
  }
}

static void
test_one_bad_peer_spoils_the_list (void)
{
  Fixture f;
  StunExtAddress addresses[STUN_EXT_PEERS_MAX], address = { 0 };
  guint found = 0;

  g_assert_true (stun_ext_address_parse ("192.0.2.1:1000", &address));
  begin (&f);
  stun_ext_builder_add_xor_address (&f.builder, TYPE, &address);
  stun_ext_builder_add_u32 (&f.builder, TYPE, 0);
  g_assert_true (finish (&f));
  EXPECT (stun_ext_message_get_xor_addresses (&f.message, TYPE, addresses, &found), FALSE);
}

static void
test_families_survive_and_unknown_ones_show (void)
{
  static const struct {
    guint8 wire;
    guint8 family;
  } rows[] = { { 1, 4 }, { 2, 6 }, { 0, 0 }, { 3, 0 }, { 255, 0 } };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    Fixture f;
    guint8 value[4] = { rows[i].wire }, family = 77;

    make (&f, STUN_EXT_ATTRIBUTE_REQUESTED_ADDRESS_FAMILY, value, 4);
    EXPECT (stun_ext_message_get_family (&f.message, STUN_EXT_ATTRIBUTE_REQUESTED_ADDRESS_FAMILY,
                                         &family),
            TRUE);
    g_assert_cmpuint (family, ==, rows[i].family);
    if (family == 0)
      continue;
    begin (&f);
    stun_ext_builder_add_family (&f.builder, STUN_EXT_ATTRIBUTE_REQUESTED_ADDRESS_FAMILY, family);
    g_assert_true (finish (&f));
    g_assert_cmpmem (f.buffer + 24, 4, value, 4);
  }
}

static void
test_text_is_refused_unless_it_is_clean (void)
{
  static const struct {
    guint16 type;
    const char *text;
    gsize length;
    gboolean ok;
  } rows[] = {
    { STUN_EXT_ATTRIBUTE_USERNAME, "user", 4, TRUE },
    { STUN_EXT_ATTRIBUTE_USERNAME, "", 0, FALSE },
    { STUN_EXT_ATTRIBUTE_REALM, "", 0, FALSE },
    { STUN_EXT_ATTRIBUTE_NONCE, "", 0, FALSE },
    { STUN_EXT_ATTRIBUTE_SOFTWARE, "", 0, TRUE },
    { STUN_EXT_ATTRIBUTE_USERNAME, "us\0er", 5, FALSE },
    { STUN_EXT_ATTRIBUTE_USERNAME, "user\0", 5, FALSE },
    { STUN_EXT_ATTRIBUTE_USERNAME, "us\ner", 5, FALSE },
    { STUN_EXT_ATTRIBUTE_USERNAME, "us\rer", 5, FALSE },
    { STUN_EXT_ATTRIBUTE_USERNAME, "us\x1b[31m", 6, FALSE },
    { STUN_EXT_ATTRIBUTE_USERNAME, "us\x7f", 3, FALSE },
    { STUN_EXT_ATTRIBUTE_USERNAME, "us\xc2\x85", 4, FALSE },
    { STUN_EXT_ATTRIBUTE_USERNAME, "us\xc2\xa0", 4, TRUE },
    { STUN_EXT_ATTRIBUTE_USERNAME, "\xc3\xa9", 2, TRUE },
    { STUN_EXT_ATTRIBUTE_USERNAME, "\xc3", 1, FALSE },
    { STUN_EXT_ATTRIBUTE_USERNAME, "\xc2", 1, FALSE },
    { STUN_EXT_ATTRIBUTE_USERNAME, "\xff", 1, FALSE },
    { STUN_EXT_ATTRIBUTE_USERNAME, "\xc0\xaf", 2, FALSE },
    { STUN_EXT_ATTRIBUTE_USERNAME, "\xed\xa0\x80", 3, FALSE },
    { STUN_EXT_ATTRIBUTE_USERNAME, "\xf4\x90\x80\x80", 4, FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    Fixture f;
    StunExtSpan text;

    make (&f, rows[i].type, rows[i].text, rows[i].length);
    EXPECT (stun_ext_message_get_text (&f.message, rows[i].type, &text), rows[i].ok);
  }
}

static void
test_text_is_refused_beyond_its_cap (void)
{
  static const struct {
    guint16 type;
    gsize cap;
  } rows[] = {
    { STUN_EXT_ATTRIBUTE_USERNAME, 513 },
    { STUN_EXT_ATTRIBUTE_REALM, 763 },
    { STUN_EXT_ATTRIBUTE_NONCE, 763 },
    { STUN_EXT_ATTRIBUTE_SOFTWARE, 763 },
    { STUN_EXT_ATTRIBUTE_ALTERNATE_DOMAIN, 255 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    for (gsize length = rows[i].cap - 1; length <= rows[i].cap + 1; length++) {
      g_autofree char *text = g_strnfill (length, 'x');
      Fixture f;
      StunExtSpan span;

      make (&f, rows[i].type, text, length);
      EXPECT (stun_ext_message_get_text (&f.message, rows[i].type, &span), length <= rows[i].cap);
      begin (&f);
      stun_ext_builder_add_text (&f.builder, rows[i].type, text);
      g_assert_cmpint (finish (&f), ==, length <= rows[i].cap);
    }
}

static void
test_error_codes_outside_300_to_699_are_invalid (void)
{
  for (guint hundreds = 0; hundreds < 8; hundreds++)
    for (guint number = 0; number < 256; number += 3) {
      Fixture f;
      /* the reserved bits are to be ignored */
      guint8 value[6] = { 0xff, 0xff, (guint8)(0xf8 | hundreds), (guint8)number, 'o', 'k' };
      gboolean ok = hundreds >= 3 && hundreds <= 6 && number <= 99;
      StunExtSpan reason;
      guint code = 0;

      make (&f, STUN_EXT_ATTRIBUTE_ERROR_CODE, value, sizeof value);
      EXPECT (stun_ext_message_get_error (&f.message, &code, &reason), ok);
      if (ok) {
        g_assert_cmpuint (code, ==, hundreds * 100 + number);
        g_assert_cmpmem (reason.data, reason.length, "ok", 2);
      }
    }
}

static void
test_error_survives_with_any_reason (void)
{
  static const struct {
    const char *value;
    gsize length;
    gboolean ok;
    gsize reason_length;
  } rows[] = {
    { "\0\0\4\1", 4, TRUE, 0 },    { "\0\0\4", 3, FALSE, 0 },      { "", 0, FALSE, 0 },
    { "\0\0\4\1x\n", 6, TRUE, 0 }, { "\0\0\4\1\xff", 5, TRUE, 0 }, { "\0\0\4\1x", 5, TRUE, 1 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    Fixture f;
    StunExtSpan reason;
    guint code = 0;

    make (&f, STUN_EXT_ATTRIBUTE_ERROR_CODE, rows[i].value, rows[i].length);
    EXPECT (stun_ext_message_get_error (&f.message, &code, &reason), rows[i].ok);
    if (rows[i].ok)
      g_assert_cmpuint (reason.length, ==, rows[i].reason_length);
  }
}

static void
test_bad_error_codes_cannot_be_sent (void)
{
  static const guint rows[] = { 0, 299, 700, 100000 };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    Fixture f;

    begin (&f);
    stun_ext_builder_add_error (&f.builder, rows[i], NULL);
    g_assert_false (finish (&f));
  }
}

static void
test_unknown_attributes_survive_and_are_capped (void)
{
  for (guint n = 0; n <= STUN_EXT_UNKNOWN_MAX + 2; n++) {
    Fixture f;
    guint16 in[STUN_EXT_UNKNOWN_MAX + 2], out[STUN_EXT_UNKNOWN_MAX];
    guint found = 77;

    for (guint i = 0; i < G_N_ELEMENTS (in); i++)
      in[i] = (guint16)(0x7000 + i);
    begin (&f);
    stun_ext_builder_add_unknown_attributes (&f.builder, in, n);
    g_assert_true (finish (&f));
    EXPECT (stun_ext_message_get_unknown_attributes (&f.message, out, &found), TRUE);
    g_assert_cmpuint (found, ==, MIN (n, STUN_EXT_UNKNOWN_MAX));
    for (guint i = 0; i < found; i++)
      g_assert_cmphex (out[i], ==, in[i]);
  }
}

static void
test_odd_list_of_unknown_attributes_is_invalid (void)
{
  Fixture f;
  guint16 types[STUN_EXT_UNKNOWN_MAX];
  guint n = 0;

  make (&f, STUN_EXT_ATTRIBUTE_UNKNOWN_ATTRIBUTES, "\x70\x00\x70", 3);
  EXPECT (stun_ext_message_get_unknown_attributes (&f.message, types, &n), FALSE);
}

static void
test_padding_and_reserved_octets_are_zero (void)
{
  Fixture f;
  StunExtAddress address = { 0 };

  g_assert_true (stun_ext_address_parse ("0.0.0.0:0", &address));
  begin (&f); /* over 0xa5 */
  stun_ext_builder_add_data (&f.builder, 0, "", 0);
  for (gsize length = 1; length <= 9; length++)
    stun_ext_builder_add_data (&f.builder, 0, "\0\0\0\0\0\0\0\0", length);
  stun_ext_builder_add_octet (&f.builder, 0, 0);
  stun_ext_builder_add_u8 (&f.builder, 0, 0);
  stun_ext_builder_add_u16 (&f.builder, 0, 0);
  stun_ext_builder_add_unknown_attributes (&f.builder, (const guint16[]){ 0 }, 1);
  g_assert_true (finish (&f));
  for (gsize i = 20; i < f.message.length; i++)
    g_assert_cmphex (f.buffer[i] & 0xe0, ==, 0); /* only lengths differ from 0 */
}

static void
test_icmp_is_seven_bits_of_type_and_nine_of_code (void)
{
  static const guint8 value[8] = { 0xff, 0xff, 3 << 1 | 1, 4, 0, 0, 5, 0xdc };
  guint8 type = 0;
  guint16 code = 0;
  guint32 data = 0;
  Fixture f;

  make (&f, STUN_EXT_ATTRIBUTE_ICMP, value, sizeof value);
  EXPECT (stun_ext_message_get_icmp (&f.message, &type, &code, &data), TRUE);
  g_assert_cmpuint (type, ==, 3);
  g_assert_cmpuint (code, ==, 0x104);
  g_assert_cmpuint (data, ==, 1500);
  for (gsize n = 0; n < sizeof value; n++) {
    make (&f, STUN_EXT_ATTRIBUTE_ICMP, value, n);
    EXPECT (stun_ext_message_get_icmp (&f.message, &type, &code, &data), FALSE);
  }
}

static void
test_address_error_names_a_family_and_a_code (void)
{
  static const struct {
    guint8 value[4];
    gsize length;
    gboolean is_fine;
  } rows[] = {
    { { 2, 0, 4, 40 }, 4, TRUE },   { { 1, 0xff, 0xfd, 8 }, 4, TRUE },
    { { 0, 0, 4, 40 }, 4, FALSE },  { { 3, 0, 4, 40 }, 4, FALSE },
    { { 1, 0, 2, 40 }, 4, FALSE },  { { 1, 0, 7, 40 }, 4, FALSE },
    { { 1, 0, 4, 100 }, 4, FALSE }, { { 2, 0, 4, 40 }, 3, FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    guint8 family = 0;
    guint code = 0;
    Fixture f;

    make (&f, STUN_EXT_ATTRIBUTE_ADDRESS_ERROR_CODE, rows[i].value, rows[i].length);
    EXPECT (stun_ext_message_get_address_error (&f.message, &family, &code), rows[i].is_fine);
    if (rows[i].is_fine)
      g_assert_cmpuint (code, ==, i == 0 ? 440 : 508);
  }
}

static void
test_payload_may_lie_behind_the_head (void)
{
  for (gsize n = 0; n < 9; n++) {
    gsize head = 0, padding = 0;
    StunExtSpan data;
    Fixture f;

    begin (&f);
    stun_ext_builder_add_flag (&f.builder, STUN_EXT_ATTRIBUTE_DONT_FRAGMENT);
    g_assert_true (stun_ext_builder_end_before_payload (&f.builder, STUN_EXT_ATTRIBUTE_DATA, n,
                                                        &head, &padding));
    g_assert_cmpuint ((head + n + padding) % 4, ==, 0);
    g_assert_cmpint (stun_ext_message_parse (&f.message, f.buffer, head + n + padding), ==,
                     STUN_EXT_PARSE_OK);
    g_assert_cmpint (stun_ext_message_get_data (&f.message, STUN_EXT_ATTRIBUTE_DATA, &data), ==,
                     STUN_EXT_GET_OK);
    g_assert_true ((const guint8 *)data.data == f.buffer + head);
    g_assert_cmpuint (data.length, ==, n);
  }
  for (gsize n = 65500; n < 65600; n++) {
    gsize head = 0, padding = 0;
    Fixture f;

    begin (&f);
    g_assert_true (stun_ext_builder_end_before_payload (&f.builder, STUN_EXT_ATTRIBUTE_DATA, n,
                                                        &head, &padding) ==
                   (4 + (n + 3) / 4 * 4 <= 65535));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add_func ("/stun-ext/attribute/" name, function)
  ADD ("every-shape-survives-a-round-trip", test_every_shape_survives_a_round_trip);
  ADD ("absent-attribute-is-told-apart-and-touches-nothing",
       test_absent_attribute_is_told_apart_and_touches_nothing);
  ADD ("numbers-of-any-other-length-are-invalid", test_numbers_of_any_other_length_are_invalid);
  ADD ("addresses-survive-a-round-trip", test_addresses_survive_a_round_trip);
  ADD ("no-address-cannot-be-sent", test_no_address_cannot_be_sent);
  ADD ("addresses-must-fit-their-family", test_addresses_must_fit_their_family);
  ADD ("peers-are-listed-up-to-the-cap", test_peers_are_listed_up_to_the_cap);
  ADD ("one-bad-peer-spoils-the-list", test_one_bad_peer_spoils_the_list);
  ADD ("families-survive-and-unknown-ones-show", test_families_survive_and_unknown_ones_show);
  ADD ("text-is-refused-unless-it-is-clean", test_text_is_refused_unless_it_is_clean);
  ADD ("text-is-refused-beyond-its-cap", test_text_is_refused_beyond_its_cap);
  ADD ("error-codes-outside-300-to-699-are-invalid",
       test_error_codes_outside_300_to_699_are_invalid);
  ADD ("error-survives-with-any-reason", test_error_survives_with_any_reason);
  ADD ("bad-error-codes-cannot-be-sent", test_bad_error_codes_cannot_be_sent);
  ADD ("unknown-attributes-survive-and-are-capped", test_unknown_attributes_survive_and_are_capped);
  ADD ("odd-list-of-unknown-attributes-is-invalid", test_odd_list_of_unknown_attributes_is_invalid);
  ADD ("icmp-is-seven-bits-of-type-and-nine-of-code",
       test_icmp_is_seven_bits_of_type_and_nine_of_code);
  ADD ("address-error-names-a-family-and-a-code", test_address_error_names_a_family_and_a_code);
  ADD ("payload-may-lie-behind-the-head", test_payload_may_lie_behind_the_head);
  ADD ("padding-and-reserved-octets-are-zero", test_padding_and_reserved_octets_are_zero);
  return g_test_run ();
}
