/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "packet-samples.h"

#include <string.h>

#include "slow-packet.h"

const guint8 sample_ipv4[SAMPLE_IPV4_LENGTH] = { 0x45, 0xB8, 0x00, 0x1F, 0x12, 0x34, 0x40, 0x00,
                                                 0x40, 0x11, 0x00, 0x00, 192,  0,    2,    1,
                                                 198,  51,   100,  2,    0x9C, 0x40, 0x00, 0x35,
                                                 0x00, 0x0B, 0x00, 0x00, 'a',  'b',  'c' };
const guint8 sample_ipv6[SAMPLE_IPV6_LENGTH] = {
  0x6B, 0x81, 0x23, 0x45, 0x00, 0x0B, 0x11, 0x40, 0x20, 0x01, 0x0D, 0xB8, 0, 0, 0,   0,   0,
  0,    0,    0,    0,    0,    0,    1,    0x20, 0x01, 0x0D, 0xB8, 0,    0, 0, 0,   0,   0,
  0,    0,    0,    0,    0,    2,    0x9C, 0x40, 0x00, 0x35, 0,    11,   0, 0, 'a', 'b', 'c'
};

void
packet_clear (Packet *packet)
{
  g_free (packet->data);
}

Packet
packet_copy (const void *data, gsize length)
{
  Packet packet = { g_malloc (MAX (length, 1)), length };

  memcpy (packet.data, data, length);
  return packet;
}

Packet
finished (const guint8 *data, gsize length)
{
  Packet packet = packet_copy (data, length);

  slow_packet_finish (packet.data, length, FALSE);
  return packet;
}

StunExtAddress
address_of (const char *text)
{
  StunExtAddress address;

  g_assert_true (stun_ext_address_parse (text, &address));
  return address;
}

StunExtAddress
random_address (GRand *rand, guint8 family)
{
  StunExtAddress address;
  guint8 octets[16];

  for (gsize i = 0; i < sizeof octets; i++)
    octets[i] = (guint8)g_rand_int (rand);
  stun_ext_address_init (&address, family, octets, (guint16)g_rand_int (rand));
  return address;
}

Packet
random_packet (GRand *rand)
{
  gboolean is_ipv6 = g_rand_boolean (rand);
  gsize headers = is_ipv6 ? 48 : 28;
  gsize payload = (gsize)g_rand_int_range (rand, 0, g_rand_boolean (rand) ? 12 : 1400);
  gsize udp = headers - 8;
  Packet packet = { g_malloc (headers + payload), headers + payload };
  guint8 *p = packet.data;
  guint kind = g_rand_int (rand) % 8;

  for (gsize i = 0; i < packet.length; i++)
    p[i] = (guint8)g_rand_int (rand);
  p[0] = (guint8)(is_ipv6 ? 0x60 | (p[0] & 15) : 0x45);
  p[is_ipv6 ? 4 : 2] = (guint8)((is_ipv6 ? payload + 8 : packet.length) / 256);
  p[is_ipv6 ? 5 : 3] = (guint8)((is_ipv6 ? payload + 8 : packet.length) % 256);
  p[is_ipv6 ? 6 : 9] = 17;
  if (!is_ipv6) {
    p[6] = g_rand_boolean (rand) ? 0x40 : 0;
    p[7] = 0;
  }
  p[udp + 4] = (guint8)((payload + 8) / 256);
  p[udp + 5] = (guint8)((payload + 8) % 256);
  slow_packet_finish (p, packet.length, FALSE);
  if (kind == 0 &&
      payload >= 2) { /* what the checksum was goes into the payload, so that zero is left */
    guint word = p[headers] * 256u + p[headers + 1] + p[udp + 6] * 256u + p[udp + 7];

    word = word % 65536 + word / 65536;
    p[headers] = (guint8)(word / 256);
    p[headers + 1] = (guint8)(word % 256);
    slow_packet_finish (p, packet.length, FALSE);
    g_assert_cmpuint (p[udp + 6] * 256u + p[udp + 7], ==, 65535);
  } else if (kind == 1 && !is_ipv6) {
    p[udp + 6] = p[udp + 7] = 0;
  }
  return packet;
}
