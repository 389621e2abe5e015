/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "stun-ext/address.h"

static StunExtAddress
address (const char *text)
{
  StunExtAddress result = { 0 };

  g_assert_true (stun_ext_address_parse (text, &result));
  return result;
}

static void
test_text_survives_a_round_trip (void)
{
  static const struct {
    const char *text;
    const char *printed;
    const char *host;
  } rows[] = {
    { "192.0.2.1:443", "192.0.2.1:443", "192.0.2.1" },
    { "192.0.2.1", "192.0.2.1:0", "192.0.2.1" },
    { "0.0.0.0:0", "0.0.0.0:0", "0.0.0.0" },
    { "255.255.255.255:65535", "255.255.255.255:65535", "255.255.255.255" },
    { "[2001:db8::1]:443", "[2001:db8::1]:443", "2001:db8::1" },
    { "2001:DB8:0::1", "[2001:db8::1]:0", "2001:db8::1" },
    { "[::]", "[::]:0", "::" },
    { "::ffff:192.0.2.1", "[::ffff:192.0.2.1]:0", "::ffff:192.0.2.1" },
    { "[1111:2222:3333:4444:5555:6666:7777:8888]:65535",
      "[1111:2222:3333:4444:5555:6666:7777:8888]:65535",
      "1111:2222:3333:4444:5555:6666:7777:8888" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    StunExtAddress a = address (rows[i].text);
    StunExtAddress again;
    char buffer[STUN_EXT_ADDRESS_TEXT_LENGTH];

    g_assert_cmpstr (stun_ext_address_print_host (&a, buffer), ==, rows[i].host);
    g_assert_cmpstr (stun_ext_address_print (&a, buffer), ==, rows[i].printed);
    again = address (buffer);
    g_assert_true (stun_ext_address_equal (&a, &again));
    g_assert_cmpmem (&a, sizeof a, &again, sizeof again);
  }
}

static void
test_nonsense_is_refused (void)
{
  static const char *const rows[] = {
    NULL,
    "",
    ":",
    ":80",
    "192.0.2",
    "192.0.2.1:",
    "192.0.2.1:65536",
    "192.0.2.1:+1",
    "192.0.2.1:01",
    "192.0.2.1: 1",
    " 192.0.2.1",
    "192.0.2.1 ",
    "192.0.2.01",
    "0x7f.0.0.1",
    "127.1",
    "2130706433",
    "192.0.2.256",
    "192.0.2.1:4294967297",
    "example.org",
    "localhost:1",
    "[192.0.2.1]:1",
    "[2001:db8::1",
    "[2001:db8::1]443",
    "[2001:db8::1]:",
    "[]:1",
    "2001:db8::1]:1",
    "fe80::1%eth0",
    "[fe80::1%1]:1",
    ":::",
    "1::2::3",
    "12345::",
    "1:2:3:4:5:6:7:8:9",
    "[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb]:1",
    "192.0.2.1:99999999999999999999999999999999999999999999999999999999999999",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    StunExtAddress a = { .family = 77 };

    g_assert_false (stun_ext_address_parse (rows[i], &a));
    g_assert_cmpuint (a.family, ==, 77);
  }
}

static void
test_no_address_prints_as_none (void)
{
  StunExtAddress a = { 0 };
  char buffer[STUN_EXT_ADDRESS_TEXT_LENGTH];

  g_assert_cmpstr (stun_ext_address_print (&a, buffer), ==, "none");
  g_assert_cmpuint (stun_ext_address_length (&a), ==, 0);
  stun_ext_address_init (&a, 5, (const guint8 *)"1234", 9);
  g_assert_cmpuint (a.family, ==, 0);
  g_assert_cmpuint (a.port, ==, 0);
}

static void
test_socket_addresses_survive_a_round_trip (void)
{
  static const char *const rows[] = { "192.0.2.1:443", "[2001:db8::1]:65535", "0.0.0.0:0" };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    StunExtAddress a = address (rows[i]);
    StunExtAddress again;
    struct sockaddr_storage storage;
    gsize length = stun_ext_address_to_sockaddr (&a, &storage);

    g_assert_true (
        stun_ext_address_from_sockaddr (&again, (const struct sockaddr *)&storage, length));
    g_assert_true (stun_ext_address_equal (&a, &again));
    for (gsize cut = 0; cut < length; cut++)
      g_assert_false (
          stun_ext_address_from_sockaddr (&again, (const struct sockaddr *)&storage, cut));
    g_assert_cmpuint (again.family, ==, 0);
  }
}

static void
test_mapped_socket_address_becomes_ipv4 (void)
{
  StunExtAddress mapped = address ("[::ffff:192.0.2.7]:5000");
  StunExtAddress plain = address ("192.0.2.7:5000");
  StunExtAddress result;
  struct sockaddr_storage storage;
  gsize length = stun_ext_address_to_sockaddr (&mapped, &storage);

  g_assert_true (
      stun_ext_address_from_sockaddr (&result, (const struct sockaddr *)&storage, length));
  g_assert_cmpmem (&result, sizeof result, &plain, sizeof plain);
}

static void
test_other_families_are_refused (void)
{
  struct sockaddr_storage storage = { .ss_family = AF_UNIX };
  StunExtAddress a = address ("192.0.2.1:1");
  StunExtAddress none = { 0 };

  g_assert_false (
      stun_ext_address_from_sockaddr (&a, (const struct sockaddr *)&storage, sizeof storage));
  g_assert_cmpuint (a.family, ==, 0);
  g_assert_false (stun_ext_address_from_sockaddr (&a, NULL, 0));
  g_assert_cmpuint (stun_ext_address_to_sockaddr (&none, &storage), ==, 0);
}

static void
test_equality_and_hash_look_at_everything (void)
{
  StunExtAddress base = address ("[2001:db8::1]:443");
  const guint64 seed = 0x0123456789abcdef;

  for (guint bit = 0; bit < 128; bit++) {
    StunExtAddress other = base;

    other.octets[bit / 8] ^= 1 << bit % 8;
    g_assert_false (stun_ext_address_equal (&base, &other));
    g_assert_false (stun_ext_address_equal_host (&base, &other));
    g_assert_cmpuint (stun_ext_address_hash (&base, seed), !=,
                      stun_ext_address_hash (&other, seed));
  }
  for (guint bit = 0; bit < 16; bit++) {
    StunExtAddress other = base;

    other.port ^= 1 << bit;
    g_assert_false (stun_ext_address_equal (&base, &other));
    g_assert_true (stun_ext_address_equal_host (&base, &other));
    g_assert_cmpuint (stun_ext_address_hash (&base, seed), !=,
                      stun_ext_address_hash (&other, seed));
  }
  for (guint bit = 0; bit < 64; bit++)
    g_assert_cmpuint (stun_ext_address_hash (&base, seed), !=,
                      stun_ext_address_hash (&base, seed ^ (guint64)1 << bit));
}

static void
test_hash_fills_buckets_evenly (void)
{
  guint buckets[256] = { 0 };
  double chi_square = 0;
  StunExtAddress a = address ("10.0.0.0:0");

  for (guint i = 0; i < 65536; i++) {
    a.port = (guint16)i;
    buckets[stun_ext_address_hash (&a, 42) & 255]++;
  }
  for (gsize i = 0; i < G_N_ELEMENTS (buckets); i++)
    chi_square += (buckets[i] - 256.0) * (buckets[i] - 256.0) / 256.0;
  g_assert_cmpfloat (chi_square, <, 255 + 5 * 22.6); /* five standard deviations */
}

static void
test_xor_form_undoes_itself (void)
{
  static const guint8 id[12] = { 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34,
                                 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae };
  StunExtAddress v4 = address ("192.0.2.1:32853");
  StunExtAddress v6 = address ("[2001:db8:1234:5678:11:2233:4455:6677]:32853");
  StunExtAddress none = { 0 };
  StunExtAddress x;

  /* the values of RFC 5769 sections 2.2 and 2.3 */
  x = stun_ext_address_xor (&v4, id);
  g_assert_cmphex (x.port, ==, 0xa147);
  g_assert_cmpmem (x.octets, 4, "\xe1\x12\xa6\x43", 4);
  x = stun_ext_address_xor (&x, id);
  g_assert_cmpmem (&x, sizeof x, &v4, sizeof v4);
  x = stun_ext_address_xor (&v6, id);
  g_assert_cmpmem (x.octets, 16, "\x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9",
                   16);
  x = stun_ext_address_xor (&x, id);
  g_assert_cmpmem (&x, sizeof x, &v6, sizeof v6);
  x = stun_ext_address_xor (&none, id);
  g_assert_cmpmem (&x, sizeof x, &none, sizeof none);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stun-ext/address/text-survives-a-round-trip", test_text_survives_a_round_trip);
  g_test_add_func ("/stun-ext/address/nonsense-is-refused", test_nonsense_is_refused);
  g_test_add_func ("/stun-ext/address/no-address-prints-as-none", test_no_address_prints_as_none);
  g_test_add_func ("/stun-ext/address/socket-addresses-survive-a-round-trip",
                   test_socket_addresses_survive_a_round_trip);
  g_test_add_func ("/stun-ext/address/mapped-socket-address-becomes-ipv4",
                   test_mapped_socket_address_becomes_ipv4);
  g_test_add_func ("/stun-ext/address/other-families-are-refused", test_other_families_are_refused);
  g_test_add_func ("/stun-ext/address/equality-and-hash-look-at-everything",
                   test_equality_and_hash_look_at_everything);
  g_test_add_func ("/stun-ext/address/hash-fills-buckets-evenly", test_hash_fills_buckets_evenly);
  g_test_add_func ("/stun-ext/address/xor-form-undoes-itself", test_xor_form_undoes_itself);
  return g_test_run ();
}
