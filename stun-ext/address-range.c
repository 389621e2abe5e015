/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an address means: relays have been talked into reaching their own loopback by writing
 * 127.0.0.1 in one of several IPv6 encodings (CVE-2020-26262, CVE-2026-27624), so every judgement
 * of ranges goes through this one file. */
#include <string.h>

#include "stun-ext/address.h"
#include "stun-ext/error.h"

/* IANA IPv4 Special-Purpose Address Registry, with multicast (RFC 5771) and the former class E. */
static const struct {
  guint32 network;
  guint8 length;
  const char *name;
} special_v4[] = {
  { 0x00000000, 8, "0.0.0.0/8 this network" },
  { 0x0a000000, 8, "10.0.0.0/8 private use" },
  { 0x64400000, 10, "100.64.0.0/10 shared address space" },
  { 0x7f000000, 8, "127.0.0.0/8 loopback" },
  { 0xa9fe0000, 16, "169.254.0.0/16 link-local" },
  { 0xac100000, 12, "172.16.0.0/12 private use" },
  { 0xc0000000, 24, "192.0.0.0/24 protocol assignments" },
  { 0xc0000200, 24, "192.0.2.0/24 documentation" },
  { 0xc01fc400, 24, "192.31.196.0/24 AS112" },
  { 0xc034c100, 24, "192.52.193.0/24 AMT" },
  { 0xc0586300, 24, "192.88.99.0/24 6to4 relay" },
  { 0xc0a80000, 16, "192.168.0.0/16 private use" },
  { 0xc0af3000, 24, "192.175.48.0/24 AS112" },
  { 0xc6120000, 15, "198.18.0.0/15 benchmarking" },
  { 0xc6336400, 24, "198.51.100.0/24 documentation" },
  { 0xcb007100, 24, "203.0.113.0/24 documentation" },
  { 0xe0000000, 4, "224.0.0.0/4 multicast" },
  { 0xf0000000, 4, "240.0.0.0/4 reserved and broadcast" },
};

/* IANA IPv6 Special-Purpose Address Registry, with multicast, site-local (RFC 3879) and the
 * IPv4-compatible range. The octets behind the ones given are zero. The narrower range stands
 * first, for its name says more. */
static const struct {
  guint8 octets[16];
  guint8 length;
  const char *name;
} special_v6[] = {
  { { 0 }, 128, "::/128 unspecified" },
  { { [15] = 1 }, 128, "::1/128 loopback" },
  { { 0 }, 96, "::/96 IPv4-compatible" },
  { { [10] = 0xff, 0xff }, 96, "::ffff:0:0/96 IPv4-mapped" },
  { { [8] = 0xff, 0xff }, 96, "::ffff:0:0:0/96 IPv4-translated" },
  { { 0x00, 0x64, 0xff, 0x9b }, 96, "64:ff9b::/96 NAT64" },
  { { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 }, 48, "64:ff9b:1::/48 NAT64 local use" },
  { { 0x01 }, 64, "100::/64 discard" },
  { { 0x01, [7] = 0x01 }, 64, "100:0:0:1::/64 dummy" },
  { { 0x20, 0x01 }, 32, "2001::/32 Teredo" },
  { { 0x20, 0x01 }, 23, "2001::/23 protocol assignments" },
  { { 0x20, 0x01, 0x0d, 0xb8 }, 32, "2001:db8::/32 documentation" },
  { { 0x20, 0x02 }, 16, "2002::/16 6to4" },
  { { 0x26, 0x20, 0x00, 0x4f, 0x80 }, 48, "2620:4f:8000::/48 AS112" },
  { { 0x3f, 0xff }, 20, "3fff::/20 documentation" },
  { { 0x5f }, 16, "5f00::/16 segment routing" },
  { { 0xfc }, 7, "fc00::/7 unique local" },
  { { 0xfe, 0x80 }, 10, "fe80::/10 link-local" },
  { { 0xfe, 0xc0 }, 10, "fec0::/10 site-local" },
  { { 0xff }, 8, "ff00::/8 multicast" },
};

/* Where the four octets of an IPv4 address lie inside an IPv6 address with a given beginning. */
static const struct {
  guint8 octets[8];
  guint8 length;
  guint8 at[4];
  guint8 invert;
} encodings[] = {
  { { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 }, 48, { 6, 7, 9, 10 }, 0x00 },    /* RFC 6052 /48 */
  { { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 }, 48, { 7, 9, 10, 11 }, 0x00 },   /* RFC 6052 /56 */
  { { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 }, 48, { 9, 10, 11, 12 }, 0x00 },  /* RFC 6052 /64 */
  { { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 }, 48, { 12, 13, 14, 15 }, 0x00 }, /* RFC 6052 /96 */
  { { 0x20, 0x02 }, 16, { 2, 3, 4, 5 }, 0x00 },                             /* 6to4, RFC 3056 */
  { { 0x20, 0x01, 0x00, 0x00 }, 32, { 4, 5, 6, 7 }, 0x00 },     /* Teredo server, RFC 4380 */
  { { 0x20, 0x01, 0x00, 0x00 }, 32, { 12, 13, 14, 15 }, 0xff }, /* Teredo client */
};

static gboolean
bits_match (const guint8 *a, const guint8 *b, guint bits)
{
  guint whole = bits / 8;
  guint rest = bits % 8;

  if (memcmp (a, b, whole) != 0)
    return FALSE;
  return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

static gboolean
is_mapped (const StunExtAddress *address)
{
  static const guint8 mapped[12] = { [10] = 0xff, 0xff };

  return address->family == 6 && memcmp (address->octets, mapped, sizeof mapped) == 0;
}

StunExtAddress
stun_ext_address_canonical (const StunExtAddress *address)
{
  StunExtAddress result = *address;

  if (is_mapped (address))
    stun_ext_address_init (&result, 4, address->octets + 12, address->port);
  return result;
}

/* Ranges and interface identifiers in which the last 32 bits are an IPv4 address. */
static gboolean
ends_in_v4 (const guint8 octets[16])
{
  static const guint8 compatible[12];
  static const guint8 mapped[12] = { [10] = 0xff, 0xff };
  static const guint8 translated[12] = { [8] = 0xff, 0xff };
  static const guint8 nat64[12] = { 0x00, 0x64, 0xff, 0x9b };

  if (memcmp (octets, compatible, 12) == 0 || memcmp (octets, mapped, 12) == 0 ||
      memcmp (octets, translated, 12) == 0 || memcmp (octets, nat64, 12) == 0)
    return TRUE;
  /* ISATAP (RFC 5214 section 6.1): 5efe behind any prefix, the universal and group bits as they may
   * be. */
  return (octets[8] & 0xfc) == 0 && octets[9] == 0 && octets[10] == 0x5e && octets[11] == 0xfe;
}

gsize
stun_ext_address_embedded (const StunExtAddress *address,
                           StunExtAddress embedded[STUN_EXT_ADDRESS_EMBEDDED_MAX])
{
  gsize found = 0;

  if (address->family != 6)
    return 0;
  if (ends_in_v4 (address->octets))
    stun_ext_address_init (&embedded[found++], 4, address->octets + 12, address->port);
  for (gsize i = 0; i < G_N_ELEMENTS (encodings); i++) {
    guint8 octets[4];

    if (!bits_match (address->octets, encodings[i].octets, encodings[i].length))
      continue;
    for (gsize j = 0; j < sizeof octets; j++)
      octets[j] = address->octets[encodings[i].at[j]] ^ encodings[i].invert;
    stun_ext_address_init (&embedded[found++], 4, octets, address->port);
  }
  return found;
}

static const char *
special_purpose_v4 (const guint8 octets[4])
{
  guint32 value =
      (guint32)octets[0] << 24 | (guint32)octets[1] << 16 | (guint32)octets[2] << 8 | octets[3];

  for (gsize i = 0; i < G_N_ELEMENTS (special_v4); i++)
    if ((value ^ special_v4[i].network) >> (32 - special_v4[i].length) == 0)
      return special_v4[i].name;
  return NULL;
}

const char *
stun_ext_address_special_purpose (const StunExtAddress *address)
{
  StunExtAddress embedded[STUN_EXT_ADDRESS_EMBEDDED_MAX];
  const char *name = NULL;
  gsize n_embedded;

  if (address->family == 4)
    return special_purpose_v4 (address->octets);
  if (address->family != 6)
    return "no address";
  n_embedded = stun_ext_address_embedded (address, embedded);
  for (gsize i = 0; i < n_embedded && name == NULL; i++)
    name = special_purpose_v4 (embedded[i].octets);
  for (gsize i = 0; i < G_N_ELEMENTS (special_v6); i++)
    if (bits_match (address->octets, special_v6[i].octets, special_v6[i].length))
      return special_v6[i].name;
  return name;
}

static gboolean
parse_length (const char *text, guint max, guint8 *length)
{
  guint value = 0;

  if (*text == '\0' || (text[0] == '0' && text[1] != '\0'))
    return FALSE;
  for (; *text != '\0'; text++) {
    if (!g_ascii_isdigit (*text))
      return FALSE;
    value = value * 10 + (guint)(*text - '0');
    if (value > max)
      return FALSE;
  }
  *length = (guint8)value;
  return TRUE;
}

static gboolean
has_host_bits (const StunExtPrefix *prefix, guint bits)
{
  for (guint i = prefix->length; i < bits; i++)
    if ((prefix->octets[i / 8] & 0x80 >> i % 8) != 0)
      return TRUE;
  return FALSE;
}

gboolean
stun_ext_prefix_parse (const char *text, StunExtPrefix *prefix, GError **error)
{
  const char *slash = text != NULL ? strchr (text, '/') : NULL;
  g_autofree char *host = NULL;
  g_autofree char *quoted = g_utf8_make_valid (text != NULL ? text : "", -1);
  StunExtAddress address;
  StunExtPrefix result = { 0 };
  const char *problem = NULL;
  guint bits;

  host = slash != NULL ? g_strndup (text, (gsize)(slash - text)) : g_strdup (text);
  if (host == NULL || strchr (host, '[') != NULL || !stun_ext_address_parse (host, &address) ||
      (address.family == 4 && strchr (host, ':') != NULL)) {
    g_set_error (error, STUN_EXT_ERROR, STUN_EXT_ERROR_SYNTAX,
                 "\"%.80s\" is no range of addresses; write it as 10.0.0.0/8 or 2001:db8::/32",
                 quoted);
    return FALSE;
  }
  bits = address.family == 4 ? 32 : 128;
  result.family = address.family;
  result.length = (guint8)bits;
  memcpy (result.octets, address.octets, sizeof result.octets);
  if (slash != NULL && !parse_length (slash + 1, bits, &result.length))
    problem = "has no valid number of bits behind the slash: 0 to 32 for IPv4, 0 to 128 for IPv6";
  else if (is_mapped (&address) && result.length >= 96)
    problem = "is an IPv4 range in IPv6 notation; write it as IPv4";
  else if (has_host_bits (&result, bits))
    problem =
        "has bits set behind its length; write the first address of the range, or a longer length";
  if (problem != NULL) {
    g_set_error (error, STUN_EXT_ERROR, STUN_EXT_ERROR_SYNTAX, "\"%.80s\" %s", quoted, problem);
    return FALSE;
  }
  *prefix = result;
  return TRUE;
}

const char *
stun_ext_prefix_print (const StunExtPrefix *prefix, char buffer[STUN_EXT_ADDRESS_TEXT_LENGTH])
{
  char host[STUN_EXT_ADDRESS_TEXT_LENGTH];
  StunExtAddress address;

  stun_ext_address_init (&address, prefix->family, prefix->octets, 0);
  stun_ext_address_print_host (&address, host);
  g_snprintf (buffer, STUN_EXT_ADDRESS_TEXT_LENGTH, "%.45s/%u", host, prefix->length);
  return buffer;
}

gboolean
stun_ext_prefix_contains (const StunExtPrefix *prefix, const StunExtAddress *address)
{
  guint bits = prefix->family == 4 ? 32 : 128;

  return prefix->family != 0 && prefix->family == address->family &&
         bits_match (prefix->octets, address->octets, MIN (prefix->length, bits));
}

gboolean
stun_ext_prefix_overlaps (const StunExtPrefix *a, const StunExtPrefix *b)
{
  guint length = MIN (MIN (a->length, b->length), 128);

  return a->family == b->family && bits_match (a->octets, b->octets, length);
}
