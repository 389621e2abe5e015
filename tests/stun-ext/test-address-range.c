/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "stun-ext/address.h"
#include "stun-ext/error.h"

static StunExtAddress
address (const char *text)
{
  StunExtAddress result = { 0 };

  g_assert_true (stun_ext_address_parse (text, &result));
  return result;
}

static StunExtPrefix
prefix (const char *text)
{
  StunExtPrefix result = { 0 };
  g_autoptr (GError) error = NULL;

  stun_ext_prefix_parse (text, &result, &error);
  g_assert_no_error (error);
  return result;
}

/* First and last address of every range that a relay must not reach by default. */
static const struct {
  const char *first;
  const char *last;
} denied[] = {
  { "0.0.0.0", "0.255.255.255" },
  { "10.0.0.0", "10.255.255.255" },
  { "100.64.0.0", "100.127.255.255" },
  { "127.0.0.0", "127.255.255.255" },
  { "169.254.0.0", "169.254.255.255" },
  { "172.16.0.0", "172.31.255.255" },
  { "192.0.0.0", "192.0.0.255" },
  { "192.0.2.0", "192.0.2.255" },
  { "192.31.196.0", "192.31.196.255" },
  { "192.52.193.0", "192.52.193.255" },
  { "192.88.99.0", "192.88.99.255" },
  { "192.168.0.0", "192.168.255.255" },
  { "192.175.48.0", "192.175.48.255" },
  { "198.18.0.0", "198.19.255.255" },
  { "198.51.100.0", "198.51.100.255" },
  { "203.0.113.0", "203.0.113.255" },
  { "224.0.0.0", "239.255.255.255" },
  { "240.0.0.0", "255.255.255.255" },
  { "::", "::1" },
  { "::2", "::ffff:ffff" },
  { "::ffff:0:0", "::ffff:ffff:ffff" },
  { "::ffff:0:0:0", "::ffff:0:ffff:ffff" },
  { "64:ff9b::", "64:ff9b::ffff:ffff" },
  { "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff" },
  { "100::", "100::ffff:ffff:ffff:ffff" },
  { "100:0:0:1::", "100::1:ffff:ffff:ffff:ffff" },
  { "2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff" },
  { "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff" },
  { "2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
  { "2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff" },
  { "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff" },
  { "5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
  { "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
  { "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
  { "fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
  { "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
};

static void
test_every_denied_range_is_known_at_both_ends (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (denied); i++) {
    StunExtAddress first = address (denied[i].first);
    StunExtAddress last = address (denied[i].last);

    g_assert_nonnull (stun_ext_address_special_purpose (&first));
    g_assert_nonnull (stun_ext_address_special_purpose (&last));
  }
}

static void
test_neighbours_of_denied_ranges_are_public (void)
{
  static const char *const rows[] = {
    "1.0.0.0",         "9.255.255.255",   "11.0.0.0",
    "100.63.255.255",  "100.128.0.0",     "126.255.255.255",
    "128.0.0.0",       "169.253.255.255", "169.255.0.0",
    "172.15.255.255",  "172.32.0.0",      "191.255.255.255",
    "192.0.1.0",       "192.0.3.0",       "192.31.195.255",
    "192.31.197.0",    "192.88.98.255",   "192.88.100.0",
    "192.167.255.255", "192.169.0.0",     "198.17.255.255",
    "198.20.0.0",      "198.51.99.255",   "198.51.101.0",
    "203.0.112.255",   "203.0.114.0",     "223.255.255.255",
    "8.8.8.8",         "2001:200::",      "2001:4860:4860::8888",
    "2001:db7:ffff::", "2001:db9::",      "2003::",
    "2600::1",         "2620:4f:7fff::1", "2620:4f:8001::1",
    "3ffe:ffff::",     "64:ff9b:0:1::",   "64:ff9b:2::",
    "101::",           "100:0:0:2::",     "5eff::",
    "5f01::",          "fbff::1",         "fe00::1",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    StunExtAddress a = address (rows[i]);

    g_assert_cmpstr (stun_ext_address_special_purpose (&a), ==, NULL);
  }
}

static void
test_no_address_is_special (void)
{
  StunExtAddress none = { 0 };

  g_assert_nonnull (stun_ext_address_special_purpose (&none));
}

static void
test_names_say_the_range (void)
{
  static const struct {
    const char *text;
    const char *name;
  } rows[] = {
    { "10.1.2.3", "10.0.0.0/8 private use" },
    { "::1", "::1/128 loopback" },
    { "::", "::/128 unspecified" },
    { "2001:0:1:2::", "2001::/32 Teredo" },
    { "2001:20::1", "2001::/23 protocol assignments" },
    { "2600::5efe:127.0.0.1", "127.0.0.0/8 loopback" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    StunExtAddress a = address (rows[i].text);

    g_assert_cmpstr (stun_ext_address_special_purpose (&a), ==, rows[i].name);
  }
}

static void
test_embedded_addresses_are_found (void)
{
  static const struct {
    const char *text;
    const char *expected[3];
  } rows[] = {
    { "::ffff:192.0.2.33", { "192.0.2.33" } },
    { "::192.0.2.33", { "192.0.2.33" } },
    { "::ffff:0:192.0.2.33", { "192.0.2.33" } },
    { "64:ff9b::192.0.2.33", { "192.0.2.33" } },
    { "2002:c000:221:7::1", { "192.0.2.33" } },
    { "2001:0:c000:201:0:1234:3fff:fdde", { "192.0.2.1", "192.0.2.33" } },
    { "fe80::5efe:192.0.2.33", { "192.0.2.33" } },
    { "2600:1:2:3:200:5efe:192.0.2.33", { "192.0.2.33" } },
    { "2600:1:2:3:300:5efe:192.0.2.33", { "192.0.2.33" } },
    { "2002:c000:221::5efe:192.0.2.1", { "192.0.2.1", "192.0.2.33" } },
    { "64:ff9b:1:c000:2:2100::", { "192.0.2.33" } },
    { "64:ff9b:1:c0:0:221::", { "192.0.2.33" } },
    { "64:ff9b:1:0:c0:2:2100:0", { "192.0.2.33" } },
    { "64:ff9b:1::192.0.2.33", { "192.0.2.33" } },
    { "2600::1", { NULL } },
    { "2600:1:2:3:400:5efe:192.0.2.33", { NULL } },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    StunExtAddress a = address (rows[i].text);
    StunExtAddress found[STUN_EXT_ADDRESS_EMBEDDED_MAX];
    gsize n;

    a.port = 77;
    n = stun_ext_address_embedded (&a, found);
    if (rows[i].expected[0] == NULL)
      g_assert_cmpuint (n, ==, 0);
    for (gsize j = 0; rows[i].expected[j] != NULL; j++) {
      StunExtAddress wanted = address (rows[i].expected[j]);
      gboolean seen = FALSE;

      wanted.port = 77;
      for (gsize k = 0; k < n; k++)
        seen = seen || stun_ext_address_equal (&found[k], &wanted);
      g_assert_true (seen);
    }
  }
}

/* Writes v4 into an IPv6 address in the n-th encoding, with everything else random. */
#define N_ENCODINGS 13

static StunExtAddress
encode (GRand *rand, const guint8 v4[4], guint encoding)
{
  static const guint8 at[4][4] = {
    { 6, 7, 9, 10 }, { 7, 9, 10, 11 }, { 9, 10, 11, 12 }, { 12, 13, 14, 15 }
  };
  guint8 o[16];
  StunExtAddress a;

  for (guint i = 0; i < 16; i++)
    o[i] = (guint8)g_rand_int (rand);
  if (encoding < 4)
    memset (o, 0, 16);
  if (encoding < 4 || encoding == 12)
    memcpy (o + 12, v4, 4);
  if (encoding == 0)
    o[10] = o[11] = 0xff;
  if (encoding == 1)
    o[8] = o[9] = 0xff;
  if (encoding == 2)
    memcpy (o, "\x00\x64\xff\x9b", 4);
  if (encoding >= 4 && encoding < 8) {
    memcpy (o, "\x00\x64\xff\x9b\x00\x01", 6);
    for (guint i = 0; i < 4; i++)
      o[at[encoding - 4][i]] = v4[i];
  }
  if (encoding == 8) {
    memcpy (o, "\x20\x02", 2);
    memcpy (o + 2, v4, 4);
  }
  if (encoding == 9) {
    memcpy (o, "\x20\x01\x00\x00", 4);
    memcpy (o + 4, v4, 4);
  }
  if (encoding == 10) {
    memcpy (o, "\x20\x01\x00\x00", 4);
    for (guint i = 0; i < 4; i++)
      o[12 + i] = v4[i] ^ 0xff;
  }
  if (encoding >= 11) { /* ISATAP behind an ordinary public prefix, and with the universal bit */
    memcpy (o, "\x26\x00", 2);
    memcpy (o + 8, encoding == 11 ? "\x00\x00\x5e\xfe" : "\x02\x00\x5e\xfe", 4);
    memcpy (o + 12, v4, 4);
  }
  stun_ext_address_init (&a, 6, o, 0);
  return a;
}

static void
test_denied_ipv4_is_denied_in_every_encoding (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (33830);

  for (guint i = 0; i < 10000; i++) {
    const StunExtAddress first = address (denied[i % 18].first);
    const StunExtAddress last = address (denied[i % 18].last);
    StunExtAddress found[STUN_EXT_ADDRESS_EMBEDDED_MAX];
    StunExtAddress plain, encoded;
    gboolean seen = FALSE;
    guint8 v4[4];
    gsize n;

    for (guint j = 0; j < 4; j++) /* host bits are where first and last differ */
      v4[j] = (first.octets[j] | ((first.octets[j] ^ last.octets[j]) & (guint8)g_rand_int (rand)));
    stun_ext_address_init (&plain, 4, v4, 0);
    g_assert_nonnull (stun_ext_address_special_purpose (&plain));
    for (guint encoding = 0; encoding < N_ENCODINGS; encoding++) {
      encoded = encode (rand, v4, encoding);
      g_assert_nonnull (stun_ext_address_special_purpose (&encoded));
      n = stun_ext_address_embedded (&encoded, found);
      seen = FALSE;
      for (gsize k = 0; k < n; k++)
        seen = seen || stun_ext_address_equal_host (&found[k], &plain);
      g_assert_true (seen);
      g_assert_cmpuint (n, <=, STUN_EXT_ADDRESS_EMBEDDED_MAX);
    }
  }
}

static void
test_random_addresses_never_embed_more_than_fits (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  gsize most = 0;

  for (guint i = 0; i < 20000; i++) {
    StunExtAddress found[STUN_EXT_ADDRESS_EMBEDDED_MAX];
    StunExtAddress a = encode (rand, (const guint8 *)"\x7f\x00\x00\x01", i % N_ENCODINGS);

    if (i % 2 == 0)
      memcpy (a.octets + 8, "\x02\x00\x5e\xfe", 4);
    most = MAX (most, stun_ext_address_embedded (&a, found));
  }
  g_assert_cmpuint (most, ==, 5);
}

static void
test_canonical_form_unmaps_and_nothing_else (void)
{
  static const struct {
    const char *text;
    const char *canonical;
  } rows[] = {
    { "[::ffff:192.0.2.1]:80", "192.0.2.1:80" }, { "192.0.2.1:80", "192.0.2.1:80" },
    { "[::192.0.2.1]:80", "[::192.0.2.1]:80" },  { "[::1]:80", "[::1]:80" },
    { "[2001:db8::1]:80", "[2001:db8::1]:80" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    StunExtAddress a = address (rows[i].text);
    StunExtAddress wanted = address (rows[i].canonical);
    StunExtAddress got = stun_ext_address_canonical (&a);

    g_assert_cmpmem (&got, sizeof got, &wanted, sizeof wanted);
  }
}

static void
test_prefix_text_survives_a_round_trip (void)
{
  static const struct {
    const char *text;
    const char *printed;
  } rows[] = {
    { "10.0.0.0/8", "10.0.0.0/8" },       { "0.0.0.0/0", "0.0.0.0/0" },
    { "192.0.2.1", "192.0.2.1/32" },      { "192.0.2.1/32", "192.0.2.1/32" },
    { "2001:db8::/32", "2001:db8::/32" }, { "::/0", "::/0" },
    { "2001:db8::1", "2001:db8::1/128" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    StunExtPrefix p = prefix (rows[i].text);
    char buffer[STUN_EXT_ADDRESS_TEXT_LENGTH];

    g_assert_cmpstr (stun_ext_prefix_print (&p, buffer), ==, rows[i].printed);
  }
}

static void
test_malformed_prefix_is_refused_with_its_text (void)
{
  static const char *const rows[] = {
    "",
    "/",
    "/8",
    "10.0.0.0/",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/08",
    "10.0.0.0/8 ",
    " 10.0.0.0/8",
    "10.0.0.0/+8",
    "10.0.0.1/8",
    "10.0.0.0/7x",
    "10.0.0.0/8/8",
    "10.0.0/8",
    "10.0.0.0:80/8",
    "10.0.0.0:80",
    "[2001:db8::]/32",
    "2001:db8::1/64",
    "2001:db8::/129",
    "::ffff:10.0.0.0/104",
    "::ffff:10.0.0.1",
    "example.org/8",
    "10.0.0.0/255.0.0.0",
    "10.0.0.0/4294967304",
    "\xff\xfe/8",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    StunExtPrefix p = { .family = 77 };
    g_autoptr (GError) error = NULL;
    g_autofree char *valid = g_utf8_make_valid (rows[i], -1);

    g_assert_false (stun_ext_prefix_parse (rows[i], &p, &error));
    g_assert_error (error, STUN_EXT_ERROR, STUN_EXT_ERROR_SYNTAX);
    g_assert_nonnull (strstr (error->message, valid));
    g_assert_cmpuint (p.family, ==, 77);
  }
  g_assert_false (stun_ext_prefix_parse (NULL, NULL, NULL));
}

static void
test_prefix_contains_its_range_and_no_more (void)
{
  static const struct {
    const char *prefix;
    const char *inside[2];
    const char *outside[3];
  } rows[] = {
    { "10.0.0.0/8", { "10.0.0.0", "10.255.255.255" }, { "9.255.255.255", "11.0.0.0", "::a00:1" } },
    { "192.0.2.8/30", { "192.0.2.8", "192.0.2.11" }, { "192.0.2.7", "192.0.2.12", "::" } },
    { "0.0.0.0/0", { "0.0.0.0", "255.255.255.255" }, { "::", "::ffff:1.2.3.4", "2600::1" } },
    { "::/0", { "::", "ffff::1" }, { "0.0.0.0", "10.0.0.1", "255.255.255.255" } },
    { "2001:db8::/33",
      { "2001:db8::", "2001:db8:7fff::1" },
      { "2001:db8:8000::", "2001:db7::", "1.1.1.1" } },
    { "2001:db8::1",
      { "2001:db8::1", "2001:db8:0:0::1" },
      { "2001:db8::", "2001:db8::2", "1.1.1.1" } },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    StunExtPrefix p = prefix (rows[i].prefix);

    for (gsize j = 0; j < 2; j++) {
      StunExtAddress a = address (rows[i].inside[j]);

      a.port = 5;
      g_assert_true (stun_ext_prefix_contains (&p, &a));
    }
    for (gsize j = 0; j < 3; j++) {
      StunExtAddress a = address (rows[i].outside[j]);

      g_assert_false (stun_ext_prefix_contains (&p, &a));
    }
  }
}

static void
test_overlap_is_seen_both_ways (void)
{
  StunExtPrefix wide = prefix ("10.0.0.0/8");
  StunExtPrefix narrow = prefix ("10.1.0.0/16");
  StunExtPrefix beside = prefix ("11.0.0.0/8");
  StunExtPrefix other = prefix ("::/0");

  g_assert_true (stun_ext_prefix_overlaps (&wide, &narrow));
  g_assert_true (stun_ext_prefix_overlaps (&narrow, &wide));
  g_assert_false (stun_ext_prefix_overlaps (&narrow, &beside));
  g_assert_false (stun_ext_prefix_overlaps (&wide, &other));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add_func ("/stun-ext/address-range/" name, function)
  ADD ("every-denied-range-is-known-at-both-ends", test_every_denied_range_is_known_at_both_ends);
  ADD ("neighbours-of-denied-ranges-are-public", test_neighbours_of_denied_ranges_are_public);
  ADD ("no-address-is-special", test_no_address_is_special);
  ADD ("names-say-the-range", test_names_say_the_range);
  ADD ("embedded-addresses-are-found", test_embedded_addresses_are_found);
  ADD ("denied-ipv4-is-denied-in-every-encoding", test_denied_ipv4_is_denied_in_every_encoding);
  ADD ("random-addresses-never-embed-more-than-fits",
       test_random_addresses_never_embed_more_than_fits);
  ADD ("canonical-form-unmaps-and-nothing-else", test_canonical_form_unmaps_and_nothing_else);
  ADD ("prefix-text-survives-a-round-trip", test_prefix_text_survives_a_round_trip);
  ADD ("malformed-prefix-is-refused-with-its-text", test_malformed_prefix_is_refused_with_its_text);
  ADD ("prefix-contains-its-range-and-no-more", test_prefix_contains_its_range_and_no_more);
  ADD ("overlap-is-seen-both-ways", test_overlap_is_seen_both_ways);
  return g_test_run ();
}
