/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shares no code and no trick with the fast implementation: sums are remainders of 65535, and
 * checks are read off the list of PROTOCOL.md section 9. */
#include "slow-packet.h"

#include <string.h>

static guint
word (const guint8 *data, gsize at)
{
  return data[at] * 256u + data[at + 1];
}

/* The sum of 16-bit words modulo 65535, which is the one's complement sum but for the two forms of
 * zero. */
static guint64
sum_of (const guint8 *data, gsize length)
{
  guint64 sum = 0;

  for (gsize i = 0; i < length; i++)
    sum += i % 2 == 0 ? data[i] * 256u : data[i];
  return sum % 65535;
}

static gboolean
is_ipv4 (const guint8 *data)
{
  return data[0] / 16 == 4;
}

static guint64
pseudo_sum (const guint8 *data, gsize length)
{
  if (is_ipv4 (data))
    return sum_of (data + 12, 8) + 17 + (length - 20);
  return sum_of (data + 8, 32) + 17 + (length - 40);
}

guint16
slow_packet_pseudo_sum (const guint8 *data, gsize length)
{
  guint16 sum = (guint16)(pseudo_sum (data, length) % 65535);

  return sum == 0 ? 65535 : sum; /* a sum of anything but zeros never folds to zero */
}

guint16
slow_packet_header_checksum (const guint8 *data)
{
  return (guint16)(65535 - (sum_of (data, 10) + sum_of (data + 12, 8)) % 65535) % 65535;
}

guint16
slow_packet_udp_checksum (const guint8 *data, gsize length)
{
  gsize udp = is_ipv4 (data) ? 20 : 40;
  guint64 sum = pseudo_sum (data, length) + sum_of (data + udp, 6) +
                sum_of (data + udp + 8, length - udp - 8);

  return (guint16)(65535 - sum % 65535);
}

void
slow_packet_finish (guint8 *data, gsize length, gboolean is_zero_kept)
{
  gsize udp = is_ipv4 (data) ? 20 : 40;
  guint checksum;

  if (is_ipv4 (data)) {
    checksum = slow_packet_header_checksum (data);
    data[10] = (guint8)(checksum / 256);
    data[11] = (guint8)(checksum % 256);
    if (is_zero_kept && word (data, udp + 6) == 0)
      return;
  }
  checksum = slow_packet_udp_checksum (data, length);
  data[udp + 6] = (guint8)(checksum / 256);
  data[udp + 7] = (guint8)(checksum % 256);
}

static StunExtInnerVerdict
check_ipv4 (const guint8 *data, gsize length)
{
  if (length < 20)
    return STUN_EXT_INNER_TOO_SHORT;
  if (data[0] % 16 < 5)
    return STUN_EXT_INNER_HEADER_LENGTH;
  if (data[0] % 16 > 5)
    return STUN_EXT_INNER_OPTIONS;
  if (word (data, 2) != length)
    return STUN_EXT_INNER_LENGTH;
  if (sum_of (data, 20) != 0)
    return STUN_EXT_INNER_HEADER_CHECKSUM;
  if (data[6] / 128 == 1)
    return STUN_EXT_INNER_RESERVED_FLAG;
  if (data[6] / 32 % 2 == 1 || data[6] % 32 != 0 || data[7] != 0)
    return STUN_EXT_INNER_FRAGMENT;
  return data[9] == 17 ? STUN_EXT_INNER_OK : STUN_EXT_INNER_PROTOCOL;
}

static StunExtInnerVerdict
check_ipv6 (const guint8 *data, gsize length)
{
  static const guint8 extensions[] = { 0, 43, 50, 51, 60, 135, 139, 140 };

  if (length < 40)
    return STUN_EXT_INNER_TOO_SHORT;
  if (word (data, 4) + 40 != length)
    return STUN_EXT_INNER_LENGTH;
  if (data[6] == 44)
    return STUN_EXT_INNER_FRAGMENT;
  if (memchr (extensions, data[6], sizeof extensions) != NULL)
    return STUN_EXT_INNER_EXTENSION_HEADER;
  return data[6] == 17 ? STUN_EXT_INNER_OK : STUN_EXT_INNER_PROTOCOL;
}

StunExtInnerVerdict
slow_packet_check (const guint8 *data, gsize length, gsize largest)
{
  StunExtInnerVerdict verdict;
  gsize udp;

  if (length == 0)
    return STUN_EXT_INNER_TOO_SHORT;
  if (length > largest)
    return STUN_EXT_INNER_TOO_LONG;
  if (data[0] / 16 != 4 && data[0] / 16 != 6)
    return STUN_EXT_INNER_VERSION;
  verdict = is_ipv4 (data) ? check_ipv4 (data, length) : check_ipv6 (data, length);
  if (verdict != STUN_EXT_INNER_OK)
    return verdict;
  udp = is_ipv4 (data) ? 20 : 40;
  if (length < udp + 8)
    return STUN_EXT_INNER_TOO_SHORT;
  if (word (data, udp + 4) != length - udp)
    return STUN_EXT_INNER_UDP_LENGTH;
  if (word (data, udp + 6) == 0)
    return is_ipv4 (data) ? STUN_EXT_INNER_OK : STUN_EXT_INNER_UDP_NO_CHECKSUM;
  if ((pseudo_sum (data, length) + sum_of (data + udp, length - udp)) % 65535 != 0)
    return STUN_EXT_INNER_UDP_CHECKSUM;
  return STUN_EXT_INNER_OK;
}
