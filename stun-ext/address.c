/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses as values: no host order to remember, nothing of a socket, nothing uninitialised. What
 * a range or an encoding means is decided in address-range.c. */
#include "stun-ext/address.h"

#include <arpa/inet.h>
#include <string.h>

#include "stun-ext/protocol.h"

void
stun_ext_address_init (StunExtAddress *address, guint8 family, const guint8 *octets, guint16 port)
{
  *address = (StunExtAddress){ 0 };
  if (family != 4 && family != 6)
    return;
  address->family = family;
  address->port = port;
  memcpy (address->octets, octets, family == 4 ? 4 : 16);
}

gsize
stun_ext_address_length (const StunExtAddress *address)
{
  if (address->family == 4)
    return 4;
  return address->family == 6 ? 16 : 0;
}

static gboolean
parse_host (const char *text, gsize length, StunExtAddress *address)
{
  char host[INET6_ADDRSTRLEN];
  guint8 octets[16];

  if (length == 0 || length >= sizeof host)
    return FALSE;
  memcpy (host, text, length);
  host[length] = '\0';
  if (inet_pton (AF_INET, host, octets) == 1)
    stun_ext_address_init (address, 4, octets, 0);
  else if (inet_pton (AF_INET6, host, octets) == 1)
    stun_ext_address_init (address, 6, octets, 0);
  else
    return FALSE;
  return TRUE;
}

static gboolean
parse_port (const char *text, guint16 *port)
{
  guint value = 0;

  if (*text == '\0' || (text[0] == '0' && text[1] != '\0'))
    return FALSE;
  for (; *text != '\0'; text++) {
    if (!g_ascii_isdigit (*text))
      return FALSE;
    value = value * 10 + (guint)(*text - '0');
    if (value > G_MAXUINT16)
      return FALSE;
  }
  *port = (guint16)value;
  return TRUE;
}

gboolean
stun_ext_address_parse (const char *text, StunExtAddress *address)
{
  StunExtAddress result;
  const char *end;
  guint16 port = 0;

  if (text == NULL)
    return FALSE;
  if (text[0] == '[') {
    end = strchr (text, ']');
    if (end == NULL || !parse_host (text + 1, (gsize)(end - text - 1), &result) ||
        result.family != 6)
      return FALSE;
    if (end[1] != '\0' && (end[1] != ':' || !parse_port (end + 2, &port)))
      return FALSE;
  } else {
    end = strchr (text, ':');
    if (end != NULL && strchr (end + 1, ':') == NULL) {
      if (!parse_host (text, (gsize)(end - text), &result) || !parse_port (end + 1, &port))
        return FALSE;
    } else if (!parse_host (text, strnlen (text, INET6_ADDRSTRLEN), &result)) {
      return FALSE;
    }
  }
  *address = result;
  address->port = port;
  return TRUE;
}

const char *
stun_ext_address_print_host (const StunExtAddress *address,
                             char buffer[STUN_EXT_ADDRESS_TEXT_LENGTH])
{
  int family = address->family == 4 ? AF_INET : AF_INET6;

  if ((address->family != 4 && address->family != 6) ||
      inet_ntop (family, address->octets, buffer, STUN_EXT_ADDRESS_TEXT_LENGTH) == NULL)
    g_strlcpy (buffer, "none", STUN_EXT_ADDRESS_TEXT_LENGTH);
  return buffer;
}

const char *
stun_ext_address_print (const StunExtAddress *address, char buffer[STUN_EXT_ADDRESS_TEXT_LENGTH])
{
  char host[STUN_EXT_ADDRESS_TEXT_LENGTH];

  stun_ext_address_print_host (address, host);
  if (address->family == 4)
    g_snprintf (buffer, STUN_EXT_ADDRESS_TEXT_LENGTH, "%.15s:%u", host, address->port);
  else if (address->family == 6)
    g_snprintf (buffer, STUN_EXT_ADDRESS_TEXT_LENGTH, "[%.45s]:%u", host, address->port);
  else
    g_strlcpy (buffer, host, STUN_EXT_ADDRESS_TEXT_LENGTH);
  return buffer;
}

gboolean
stun_ext_address_from_sockaddr (StunExtAddress *address,
                                const struct sockaddr *sockaddr,
                                gsize length)
{
  sa_family_t family = AF_UNSPEC;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;

  *address = (StunExtAddress){ 0 };
  if (sockaddr == NULL || length < offsetof (struct sockaddr, sa_data))
    return FALSE;
  memcpy (&family, (const guint8 *)sockaddr + offsetof (struct sockaddr, sa_family), sizeof family);
  if (family == AF_INET && length >= sizeof v4) {
    memcpy (&v4, sockaddr, sizeof v4);
    stun_ext_address_init (address, 4, (const guint8 *)&v4.sin_addr, g_ntohs (v4.sin_port));
    return TRUE;
  }
  if (family == AF_INET6 && length >= sizeof v6) {
    memcpy (&v6, sockaddr, sizeof v6);
    stun_ext_address_init (address, 6, v6.sin6_addr.s6_addr, g_ntohs (v6.sin6_port));
    *address = stun_ext_address_canonical (address);
    return TRUE;
  }
  return FALSE;
}

gsize
stun_ext_address_to_sockaddr (const StunExtAddress *address, struct sockaddr_storage *storage)
{
  struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = g_htons (address->port) };
  struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = g_htons (address->port) };

  memset (storage, 0, sizeof *storage);
  if (address->family == 4) {
    memcpy (&v4.sin_addr, address->octets, 4);
    memcpy (storage, &v4, sizeof v4);
    return sizeof v4;
  }
  if (address->family == 6) {
    memcpy (&v6.sin6_addr, address->octets, 16);
    memcpy (storage, &v6, sizeof v6);
    return sizeof v6;
  }
  return 0;
}

gboolean
stun_ext_address_equal_host (const StunExtAddress *a, const StunExtAddress *b)
{
  return a->family == b->family && memcmp (a->octets, b->octets, sizeof a->octets) == 0;
}

gboolean
stun_ext_address_equal (const StunExtAddress *a, const StunExtAddress *b)
{
  return a->port == b->port && stun_ext_address_equal_host (a, b);
}

static guint64
rotate (guint64 value, guint bits)
{
  return value << bits | value >> (64 - bits);
}

static void
sip_round (guint64 v[4])
{
  v[0] += v[1];
  v[1] = rotate (v[1], 13) ^ v[0];
  v[0] = rotate (v[0], 32);
  v[2] += v[3];
  v[3] = rotate (v[3], 16) ^ v[2];
  v[0] += v[3];
  v[3] = rotate (v[3], 21) ^ v[0];
  v[2] += v[1];
  v[1] = rotate (v[1], 17) ^ v[2];
  v[2] = rotate (v[2], 32);
}

guint64
stun_ext_address_hash (const StunExtAddress *address, guint64 seed)
{
  /* SipHash-1-3 with the seed as both halves of its key; the last block holds what is not address,
   * and the length. */
  guint64 blocks[3];
  guint64 v[4] = { seed ^ 0x736f6d6570736575, seed ^ 0x646f72616e646f6d, seed ^ 0x6c7967656e657261,
                   seed ^ 0x7465646279746573 };

  memcpy (blocks, address->octets, 16);
  blocks[2] = (guint64)19 << 56 | (guint64)address->family << 16 | address->port;
  for (gsize i = 0; i < G_N_ELEMENTS (blocks); i++) {
    v[3] ^= blocks[i];
    sip_round (v);
    v[0] ^= blocks[i];
  }
  v[2] ^= 0xff;
  for (gsize i = 0; i < 3; i++)
    sip_round (v);
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}

StunExtAddress
stun_ext_address_xor (const StunExtAddress *address, const guint8 transaction_id[12])
{
  static const guint8 cookie[4] = { STUN_EXT_MAGIC_COOKIE >> 24, STUN_EXT_MAGIC_COOKIE >> 16 & 0xff,
                                    STUN_EXT_MAGIC_COOKIE >> 8 & 0xff,
                                    STUN_EXT_MAGIC_COOKIE & 0xff };
  StunExtAddress result = *address;
  gsize length = stun_ext_address_length (address);

  if (length == 0)
    return result;
  result.port ^= STUN_EXT_MAGIC_COOKIE >> 16;
  for (gsize i = 0; i < length; i++)
    result.octets[i] ^= i < 4 ? cookie[i] : transaction_id[i - 4];
  return result;
}
