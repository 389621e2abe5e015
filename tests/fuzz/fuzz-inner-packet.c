/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inner packets against the slow implementation: the same verdict for anything, the same octets
 * after every change. */
#include <string.h>

#include "fuzz.h"
#include "slow-packet.h"
#include "stun-ext/inner-packet.h"

#define LARGEST 2000

static void
check_rewritten (const guint8 *data, gsize length, const StunExtInnerPacket *packet)
{
  g_autofree guint8 *fast = g_memdup2 (data, length);
  g_autofree guint8 *slow = g_memdup2 (data, length);
  StunExtAddress source = packet->destination;
  gsize at = packet->source.family == 4 ? 12 : 8;
  gsize n = packet->source.family == 4 ? 4 : 16;
  gsize udp = packet->source.family == 4 ? 20 : 40;

  source.octets[n - 1] ^= 0x55;
  source.port ^= 0xAA55;
  g_assert_true (stun_ext_inner_packet_set_source (fast, length, &source));
  memcpy (&slow[at], source.octets, n);
  slow[udp] = (guint8)(source.port >> 8);
  slow[udp + 1] = (guint8)source.port;
  slow_packet_finish (slow, length, TRUE);
  g_assert_cmpmem (fast, length, slow, length);

  g_assert_true (stun_ext_inner_packet_set_destination (fast, length, &packet->source));
  stun_ext_inner_packet_set_dscp (fast, length, 46);
  if (packet->hop_limit > 1)
    g_assert_cmpint (stun_ext_inner_packet_forward (fast, length), ==, STUN_EXT_INNER_OK);
  g_assert_cmpint (slow_packet_check (fast, length, LARGEST), ==, STUN_EXT_INNER_OK);
}

static void
check_rebuilt (const guint8 *data, gsize length, const StunExtInnerPacket *packet)
{
  guint8 buffer[LARGEST];
  StunExtWriter writer;
  StunExtInnerSplit split;
  gsize payload = 0;

  stun_ext_writer_init (&writer, buffer, sizeof buffer);
  stun_ext_inner_packet_write (&writer, packet);
  g_assert_cmpuint (writer.length, ==, length);
  g_assert_cmpint (slow_packet_check (buffer, length, LARGEST), ==, STUN_EXT_INNER_OK);

  g_assert_true (stun_ext_inner_split_init (&split, data, length, 100));
  for (;;) {
    StunExtInnerPacket part;

    stun_ext_writer_init (&writer, buffer, sizeof buffer);
    if (!stun_ext_inner_split_next (&split, &writer))
      break;
    g_assert_cmpint (stun_ext_inner_packet_check (buffer, writer.length, 148, &part), ==,
                     STUN_EXT_INNER_OK);
    g_assert_cmpmem (part.payload, part.length, &packet->payload[payload], part.length);
    payload += part.length;
  }
  g_assert_cmpuint (payload, ==, packet->length);
}

static void
check_completed (const guint8 *data, gsize length)
{
  g_autofree guint8 *copy = g_memdup2 (data, length);
  StunExtInnerPacket packet;

  if (stun_ext_inner_packet_complete (copy, length, &packet) != STUN_EXT_INNER_OK)
    return;
  g_assert_cmpint (slow_packet_check (copy, length, G_MAXUINT32), ==, STUN_EXT_INNER_OK);
  g_assert_true (packet.payload + packet.length == copy + length);
}

static void
check_icmp (const guint8 *data, gsize length)
{
  guint8 buffer[STUN_EXT_INNER_ICMP_SIZE_MAX];
  StunExtAddress from;
  StunExtWriter writer;

  g_assert_true (stun_ext_address_parse (
      length > 0 && data[0] >> 4 == 6 ? "2001:db8::1" : "192.0.2.1", &from));
  stun_ext_writer_init (&writer, buffer, sizeof buffer);
  stun_ext_inner_icmp_write (&writer, STUN_EXT_INNER_ICMP_TOO_BIG, 1280, &from, data, length);
  g_assert_false (writer.failed);
  stun_ext_writer_init (&writer, buffer, sizeof buffer);
  stun_ext_inner_icmp_write (&writer, STUN_EXT_INNER_ICMP_PROHIBITED, 0, &from, data, length);
  g_assert_false (writer.failed);
}

/* Random octets are hardly ever a packet in order, so the last fields are also set right. */
static void
check (const guint8 *data, gsize length)
{
  StunExtInnerPacket packet;
  StunExtInnerVerdict verdict = stun_ext_inner_packet_check (data, length, LARGEST, &packet);

  g_assert_cmpint (verdict, ==, slow_packet_check (data, length, LARGEST));
  check_completed (data, length);
  check_icmp (data, length);
  if (verdict != STUN_EXT_INNER_OK)
    return;
  check_rewritten (data, length, &packet);
  check_rebuilt (data, length, &packet);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  g_autofree guint8 *copy = NULL;

  check (data, length);
  if (length < 48 || length > LARGEST)
    return 0;
  copy = g_memdup2 (data, length);
  if (copy[0] >> 4 == 4) {
    copy[2] = (guint8)(length >> 8);
    copy[3] = (guint8)length;
    copy[24] = (guint8)((length - 20) >> 8);
    copy[25] = (guint8)(length - 20);
  } else if (copy[0] >> 4 == 6) {
    copy[4] = copy[44] = (guint8)((length - 40) >> 8);
    copy[5] = copy[45] = (guint8)(length - 40);
  }
  slow_packet_finish (copy, length, TRUE);
  check (copy, length);
  return 0;
}
