/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program behind a TUN that sends what the tunnel does not carry has to hear of it at once, as it
 * would from a router, instead of waiting for answers that cannot come. */
#include <string.h>

#include "stun-ext/checksum.h"
#include "stun-ext/inner-packet-private.h"
#include "stun-ext/inner-packet.h"

#define ICMP_HEADER 8
#define ICMP_CHECKSUM 2
#define ICMP_MTU 4 /* 32 bits of which IPv4 uses the second half, RFC 1191 section 4 */

#define IPV4_ICMP_SIZE_MAX 576  /* RFC 1812 section 4.3.2.3 */
#define IPV6_ICMP_SIZE_MAX 1280 /* RFC 4443 section 2.4 (c) */
#define IPV6_MTU_MIN 1280       /* RFC 8200 section 5 */
#define IPV4_ICMP_TOS 0xC0      /* internetwork control, RFC 1812 section 4.3.2.5 */
#define EXTENSION_HEADERS_MAX 8 /* arbitrary; real packets have one or two */

G_STATIC_ASSERT (STUN_EXT_INNER_ICMP_SIZE_MAX == IPV6_ICMP_SIZE_MAX);

static gboolean
is_one_ipv4_host (const guint8 *address)
{
  return address[0] != 0 && address[0] != 127 && address[0] < 224;
}

static gboolean
is_ipv4_icmp_error (guint8 type)
{
  return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

/* RFC 1122 section 3.2.2 */
static gboolean
may_answer_ipv4 (const guint8 *data, gsize length)
{
  gsize header;

  if (length < IPV4_HEADER)
    return FALSE;
  header = (gsize)(data[0] & 0x0F) * 4;
  if (header < IPV4_HEADER || header > length)
    return FALSE;
  if ((stun_ext_octets_u16 (data, IPV4_FRAGMENT) & IPV4_OFFSET) != 0)
    return FALSE;
  if (!is_one_ipv4_host (&data[IPV4_SOURCE]) || !is_one_ipv4_host (&data[IPV4_DESTINATION]))
    return FALSE;
  if (data[IPV4_PROTOCOL] != PROTOCOL_ICMP)
    return TRUE;
  return length > header && !is_ipv4_icmp_error (data[header]);
}

/* Looks behind extension headers, whose length is theirs to say. */
static gboolean
holds_no_icmpv6_error (const guint8 *data, gsize length)
{
  guint8 protocol = data[IPV6_NEXT_HEADER];
  gsize at = IPV6_HEADER;

  for (guint i = 0; i < EXTENSION_HEADERS_MAX; i++) {
    switch (protocol) {
    case PROTOCOL_ICMPV6:
      return length > at && data[at] >= 128; /* below are the errors, RFC 4443 section 2.1 */
    case PROTOCOL_HOP_BY_HOP:
    case PROTOCOL_ROUTING:
    case PROTOCOL_DESTINATION:
      if (length - at < 8)
        return FALSE;
      protocol = data[at];
      at += 8 + (gsize)data[at + 1] * 8;
      break;
    case PROTOCOL_FRAGMENT:
      if (length - at < 8 || stun_ext_octets_u16 (data, at + 2) >> 3 != 0)
        return FALSE;
      protocol = data[at];
      at += 8;
      break;
    default:
      return TRUE;
    }
    if (at > length)
      return FALSE;
  }
  return FALSE;
}

/* RFC 4443 section 2.4 (e) */
static gboolean
may_answer_ipv6 (const guint8 *data, gsize length, StunExtInnerIcmp icmp)
{
  static const guint8 unspecified[IPV6_ADDRESS];

  if (length < IPV6_HEADER)
    return FALSE;
  if (data[IPV6_SOURCE] == 0xFF ||
      memcmp (&data[IPV6_SOURCE], unspecified, sizeof unspecified) == 0)
    return FALSE;
  if (data[IPV6_DESTINATION] == 0xFF && icmp != STUN_EXT_INNER_ICMP_TOO_BIG)
    return FALSE;
  return holds_no_icmpv6_error (data, length);
}

static void
fill_icmp (guint8 *octets, gboolean is_ipv4, StunExtInnerIcmp icmp, guint mtu)
{
  gboolean is_too_big = icmp == STUN_EXT_INNER_ICMP_TOO_BIG;

  if (is_ipv4) {
    octets[0] = 3;
    octets[1] = is_too_big ? 4 : 13;
  } else {
    octets[0] = is_too_big ? 2 : 1;
    octets[1] = is_too_big ? 0 : 1;
    mtu = MAX (mtu, IPV6_MTU_MIN);
  }
  if (is_too_big)
    stun_ext_octets_set_u16 (octets, ICMP_MTU + 2, (guint16)MIN (mtu, G_MAXUINT16));
}

gboolean
stun_ext_inner_icmp_write (StunExtWriter *writer,
                           StunExtInnerIcmp icmp,
                           guint mtu,
                           const StunExtAddress *from,
                           const guint8 *data,
                           gsize length)
{
  gboolean is_ipv4 = length > 0 && data[0] >> 4 == 4;
  gboolean is_ipv6 = length > 0 && data[0] >> 4 == 6;
  gsize header = is_ipv4 ? IPV4_HEADER : IPV6_HEADER;
  gsize most = is_ipv4 ? IPV4_ICMP_SIZE_MAX : IPV6_ICMP_SIZE_MAX;
  StunExtAddress to;
  gsize quoted;
  guint64 sum = 0;
  guint8 *octets;

  if (is_ipv4 ? from->family != 4 || !may_answer_ipv4 (data, length)
              : !is_ipv6 || from->family != 6 || !may_answer_ipv6 (data, length, icmp))
    return FALSE;
  quoted = MIN (length, most - header - ICMP_HEADER);
  octets = stun_ext_writer_space (writer, header + ICMP_HEADER + quoted);
  if (octets == NULL)
    return TRUE;
  stun_ext_address_init (&to, from->family, &data[is_ipv4 ? IPV4_SOURCE : IPV6_SOURCE], 0);
  stun_ext_inner_write_ip (octets, from, &to, is_ipv4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6,
                           is_ipv4 ? IPV4_ICMP_TOS : 0, STUN_EXT_INNER_HOP_LIMIT,
                           ICMP_HEADER + quoted);
  fill_icmp (&octets[header], is_ipv4, icmp, mtu);
  memcpy (&octets[header + ICMP_HEADER], data, quoted);
  if (is_ipv6)
    sum = stun_ext_checksum_add (
        stun_ext_checksum_pseudo (PROTOCOL_ICMPV6, (guint32)(ICMP_HEADER + quoted)),
        &octets[IPV6_SOURCE], 2 * IPV6_ADDRESS);
  sum = stun_ext_checksum_add (sum, &octets[header], ICMP_HEADER + quoted);
  stun_ext_octets_set_u16 (octets, header + ICMP_CHECKSUM, (guint16)~stun_ext_checksum_fold (sum));
  return TRUE;
}
