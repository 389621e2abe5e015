/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "slow-packet.h"
#include "stun-ext/inner-packet.h"

#define LARGEST 1500

/* DNS over IPv4 and IPv6 as captured: headers, ports 40000 and 53, payload "abc". */
static const guint8 sample_ipv4[] = { 0x45, 0xB8, 0x00, 0x1F, 0x12, 0x34, 0x40, 0x00,
                                      0x40, 0x11, 0x00, 0x00, 192,  0,    2,    1,
                                      198,  51,   100,  2,    0x9C, 0x40, 0x00, 0x35,
                                      0x00, 0x0B, 0x00, 0x00, 'a',  'b',  'c' };
static const guint8 sample_ipv6[] = {
  0x6B, 0x81, 0x23, 0x45, 0x00, 0x0B, 0x11, 0x40, 0x20, 0x01, 0x0D, 0xB8, 0, 0, 0,   0,   0,
  0,    0,    0,    0,    0,    0,    1,    0x20, 0x01, 0x0D, 0xB8, 0,    0, 0, 0,   0,   0,
  0,    0,    0,    0,    0,    2,    0x9C, 0x40, 0x00, 0x35, 0,    11,   0, 0, 'a', 'b', 'c'
};

/* A packet in memory of exactly its size. */
typedef struct {
  guint8 *data;
  gsize length;
} Packet;

static void
packet_clear (Packet *packet)
{
  g_free (packet->data);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Packet, packet_clear)

static Packet
packet_copy (const void *data, gsize length)
{
  Packet packet = { g_malloc (MAX (length, 1)), length };

  memcpy (packet.data, data, length);
  return packet;
}

static Packet
finished (const guint8 *data, gsize length)
{
  Packet packet = packet_copy (data, length);

  slow_packet_finish (packet.data, length, FALSE);
  return packet;
}

static StunExtAddress
address_of (const char *text)
{
  StunExtAddress address;

  g_assert_true (stun_ext_address_parse (text, &address));
  return address;
}

static void
assert_address (const StunExtAddress *address, const char *text)
{
  char buffer[STUN_EXT_ADDRESS_TEXT_LENGTH];

  g_assert_cmpstr (stun_ext_address_print (address, buffer), ==, text);
}

static void
test_a_packet_in_order_is_read (void)
{
  g_auto (Packet) a = finished (sample_ipv4, sizeof sample_ipv4);
  g_auto (Packet) b = finished (sample_ipv6, sizeof sample_ipv6);
  StunExtInnerPacket view;

  g_assert_cmpint (stun_ext_inner_packet_check (a.data, a.length, LARGEST, &view), ==,
                   STUN_EXT_INNER_OK);
  assert_address (&view.source, "192.0.2.1:40000");
  assert_address (&view.destination, "198.51.100.2:53");
  g_assert_cmpuint (view.hop_limit, ==, 64);
  g_assert_cmpuint (view.dscp, ==, 46);
  g_assert_cmpuint (view.ecn, ==, 0);
  g_assert_cmpmem (view.payload, view.length, "abc", 3);

  g_assert_cmpint (stun_ext_inner_packet_check (b.data, b.length, LARGEST, &view), ==,
                   STUN_EXT_INNER_OK);
  assert_address (&view.source, "[2001:db8::1]:40000");
  assert_address (&view.destination, "[2001:db8::2]:53");
  g_assert_cmpuint (view.hop_limit, ==, 64);
  g_assert_cmpuint (view.dscp, ==, 46);
  g_assert_cmpuint (view.ecn, ==, 0);
  g_assert_cmpmem (view.payload, view.length, "abc", 3);
}

typedef struct {
  const char *name;
  gboolean is_ipv6;
  gsize at;
  guint8 octet;
  gboolean is_finished_after;
  StunExtInnerVerdict verdict;
} Fault;

static const Fault faults[] = {
  { "version 0", FALSE, 0, 0x05, FALSE, STUN_EXT_INNER_VERSION },
  { "version 5", FALSE, 0, 0x55, FALSE, STUN_EXT_INNER_VERSION },
  { "header of four words", FALSE, 0, 0x44, FALSE, STUN_EXT_INNER_HEADER_LENGTH },
  { "options", FALSE, 0, 0x46, FALSE, STUN_EXT_INNER_OPTIONS },
  { "longest header", FALSE, 0, 0x4F, FALSE, STUN_EXT_INNER_OPTIONS },
  { "total length short", FALSE, 3, 0x1E, TRUE, STUN_EXT_INNER_LENGTH },
  { "total length long", FALSE, 3, 0x20, TRUE, STUN_EXT_INNER_LENGTH },
  { "total length huge", FALSE, 2, 0xFF, TRUE, STUN_EXT_INNER_LENGTH },
  { "header checksum", FALSE, 10, 0x77, FALSE, STUN_EXT_INNER_HEADER_CHECKSUM },
  { "time to live changed", FALSE, 8, 0x3F, FALSE, STUN_EXT_INNER_HEADER_CHECKSUM },
  { "reserved flag", FALSE, 6, 0x80, TRUE, STUN_EXT_INNER_RESERVED_FLAG },
  { "more fragments", FALSE, 6, 0x20, TRUE, STUN_EXT_INNER_FRAGMENT },
  { "last fragment", FALSE, 7, 0x01, TRUE, STUN_EXT_INNER_FRAGMENT },
  { "far fragment", FALSE, 6, 0x1F, TRUE, STUN_EXT_INNER_FRAGMENT },
  { "TCP", FALSE, 9, 6, TRUE, STUN_EXT_INNER_PROTOCOL },
  { "ICMP", FALSE, 9, 1, TRUE, STUN_EXT_INNER_PROTOCOL },
  { "UDP length short", FALSE, 25, 10, TRUE, STUN_EXT_INNER_UDP_LENGTH },
  { "UDP length long", FALSE, 25, 12, TRUE, STUN_EXT_INNER_UDP_LENGTH },
  { "UDP length 0", FALSE, 25, 0, TRUE, STUN_EXT_INNER_UDP_LENGTH },
  { "payload changed", FALSE, 30, 'd', FALSE, STUN_EXT_INNER_UDP_CHECKSUM },
  { "port changed", FALSE, 21, 'd', FALSE, STUN_EXT_INNER_UDP_CHECKSUM },
  { "payload length short", TRUE, 5, 10, TRUE, STUN_EXT_INNER_LENGTH },
  { "payload length long", TRUE, 5, 12, TRUE, STUN_EXT_INNER_LENGTH },
  { "payload length 0", TRUE, 5, 0, TRUE, STUN_EXT_INNER_LENGTH },
  { "hop-by-hop options", TRUE, 6, 0, TRUE, STUN_EXT_INNER_EXTENSION_HEADER },
  { "routing header", TRUE, 6, 43, TRUE, STUN_EXT_INNER_EXTENSION_HEADER },
  { "fragment header", TRUE, 6, 44, TRUE, STUN_EXT_INNER_FRAGMENT },
  { "ESP", TRUE, 6, 50, TRUE, STUN_EXT_INNER_EXTENSION_HEADER },
  { "AH", TRUE, 6, 51, TRUE, STUN_EXT_INNER_EXTENSION_HEADER },
  { "destination options", TRUE, 6, 60, TRUE, STUN_EXT_INNER_EXTENSION_HEADER },
  { "mobility header", TRUE, 6, 135, TRUE, STUN_EXT_INNER_EXTENSION_HEADER },
  { "ICMPv6", TRUE, 6, 58, TRUE, STUN_EXT_INNER_PROTOCOL },
  { "nothing behind the header", TRUE, 6, 59, TRUE, STUN_EXT_INNER_PROTOCOL },
  { "UDP length over IPv6", TRUE, 45, 12, TRUE, STUN_EXT_INNER_UDP_LENGTH },
  { "address changed", TRUE, 20, 1, FALSE, STUN_EXT_INNER_UDP_CHECKSUM },
};

static void
test_every_fault_has_its_verdict (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (faults); i++) {
    const Fault *fault = &faults[i];
    g_auto (Packet) packet = fault->is_ipv6 ? finished (sample_ipv6, sizeof sample_ipv6)
                                            : finished (sample_ipv4, sizeof sample_ipv4);
    StunExtInnerPacket view;

    packet.data[fault->at] = fault->octet;
    if (fault->is_finished_after)
      slow_packet_finish (packet.data, packet.length, FALSE);
    g_test_message ("%s", fault->name);
    g_assert_cmpstr (stun_ext_inner_verdict_name (
                         stun_ext_inner_packet_check (packet.data, packet.length, LARGEST, &view)),
                     ==, stun_ext_inner_verdict_name (fault->verdict));
    g_assert_cmpint (slow_packet_check (packet.data, packet.length, LARGEST), ==, fault->verdict);
  }
}

static void
test_no_checksum_is_for_ipv4_only (void)
{
  g_auto (Packet) a = finished (sample_ipv4, sizeof sample_ipv4);
  g_auto (Packet) b = finished (sample_ipv6, sizeof sample_ipv6);
  StunExtInnerPacket view;

  a.data[26] = a.data[27] = 0;
  b.data[46] = b.data[47] = 0;
  g_assert_cmpint (stun_ext_inner_packet_check (a.data, a.length, LARGEST, &view), ==,
                   STUN_EXT_INNER_OK);
  g_assert_cmpint (stun_ext_inner_packet_check (b.data, b.length, LARGEST, &view), ==,
                   STUN_EXT_INNER_UDP_NO_CHECKSUM);
}

/* Cut packets whose lengths were made to agree as well. */
static void
test_every_truncation_is_refused_or_in_order (void)
{
  for (guint family = 4; family <= 6; family += 2) {
    const guint8 *sample = family == 4 ? sample_ipv4 : sample_ipv6;
    gsize whole = family == 4 ? sizeof sample_ipv4 : sizeof sample_ipv6;
    gsize headers = family == 4 ? STUN_EXT_INNER_HEADERS_IPV4 : STUN_EXT_INNER_HEADERS_IPV6;

    for (gsize length = 0; length < whole; length++) {
      g_auto (Packet) packet = packet_copy (sample, length);
      StunExtInnerPacket view;

      g_assert_cmpint (stun_ext_inner_packet_check (packet.data, length, LARGEST, &view), !=,
                       STUN_EXT_INNER_OK);
      if (family == 4 && length >= 20) {
        packet.data[3] = (guint8)length;
        packet.data[10] = (guint8)(slow_packet_header_checksum (packet.data) >> 8);
        packet.data[11] = (guint8)slow_packet_header_checksum (packet.data);
      }
      if (family == 6 && length >= 40)
        packet.data[5] = (guint8)(length - 40);
      if (length < headers) {
        g_assert_cmpint (stun_ext_inner_packet_check (packet.data, length, LARGEST, &view), ==,
                         STUN_EXT_INNER_TOO_SHORT);
        continue;
      }
      packet.data[headers - 3] = (guint8)(length - headers + 8);
      slow_packet_finish (packet.data, length, FALSE);
      g_assert_cmpint (stun_ext_inner_packet_check (packet.data, length, LARGEST, &view), ==,
                       STUN_EXT_INNER_OK);
      g_assert_cmpuint (view.length, ==, length - headers);
    }
  }
}

static void
test_longer_than_the_largest_is_refused (void)
{
  g_auto (Packet) packet = finished (sample_ipv4, sizeof sample_ipv4);
  StunExtInnerPacket view;

  g_assert_cmpint (stun_ext_inner_packet_check (packet.data, packet.length, packet.length, &view),
                   ==, STUN_EXT_INNER_OK);
  g_assert_cmpint (
      stun_ext_inner_packet_check (packet.data, packet.length, packet.length - 1, &view), ==,
      STUN_EXT_INNER_TOO_LONG);
}

static void
test_each_verdict_has_a_name_of_its_own (void)
{
  for (guint i = 0; i < STUN_EXT_INNER_VERDICTS; i++)
    for (guint k = 0; k < i; k++)
      g_assert_cmpstr (stun_ext_inner_verdict_name (i), !=, stun_ext_inner_verdict_name (k));
  g_assert_cmpstr (stun_ext_inner_verdict_name (STUN_EXT_INNER_VERDICTS), ==, "unknown");
}

static StunExtAddress
random_address (GRand *rand, guint8 family)
{
  StunExtAddress address;
  guint8 octets[16];

  for (gsize i = 0; i < sizeof octets; i++)
    octets[i] = (guint8)g_rand_int (rand);
  stun_ext_address_init (&address, family, octets, (guint16)g_rand_int (rand));
  return address;
}

/* A random packet in order, written by the slow means alone. Some have no checksum; of some the
 * checksum comes out as the zero that must be sent as 65535. */
static Packet
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

#define ROUNDS 20000

static void
test_random_packets_are_in_order (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);

  for (guint round = 0; round < ROUNDS; round++) {
    g_auto (Packet) packet = random_packet (rand);
    StunExtInnerPacket view;

    g_assert_cmpint (stun_ext_inner_packet_check (packet.data, packet.length, 2000, &view), ==,
                     STUN_EXT_INNER_OK);
    g_assert_true (view.payload + view.length == packet.data + packet.length);
  }
}

static void
test_damaged_packets_are_judged_as_slowly (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (2);
  guint seen[STUN_EXT_INNER_VERDICTS] = { 0 };

  for (guint round = 0; round < 3 * ROUNDS; round++) {
    g_auto (Packet) packet = random_packet (rand);
    StunExtInnerPacket view;
    StunExtInnerVerdict verdict;

    if (g_rand_int (rand) % 4 == 0)
      packet.length = (gsize)g_rand_int_range (rand, 0, (gint32)packet.length + 1);
    for (guint i = g_rand_int (rand) % 4; i > 0 && packet.length > 0; i--) {
      gsize reach = g_rand_boolean (rand) ? 60 : packet.length;

      packet.data[g_rand_int (rand) % MIN (packet.length, reach)] = (guint8)g_rand_int (rand);
    }
    if (packet.length >= 48 && g_rand_boolean (rand)) {
      slow_packet_finish (packet.data, packet.length, FALSE);
      if (g_rand_int (rand) % 8 == 0)
        packet.data[46] = packet.data[47] = 0;
    }
    verdict = stun_ext_inner_packet_check (packet.data, packet.length, 1400, &view);
    g_assert_cmpint (verdict, ==, slow_packet_check (packet.data, packet.length, 1400));
    seen[verdict]++;
  }
  for (guint i = 0; i < STUN_EXT_INNER_HOP_LIMIT_SPENT; i++) {
    g_test_message ("%s: %u", stun_ext_inner_verdict_name (i), seen[i]);
    g_assert_cmpuint (seen[i], >, 0);
  }
}

/* Exchanges an end by the slow means. */
static void
slow_set_end (Packet *packet, const StunExtAddress *end, gboolean is_source)
{
  gboolean is_ipv6 = end->family == 6;
  gsize address = is_ipv6 ? (is_source ? 8 : 24) : (is_source ? 12 : 16);
  gsize port = (is_ipv6 ? 40 : 20) + (is_source ? 0 : 2);

  memcpy (&packet->data[address], end->octets, is_ipv6 ? 16 : 4);
  packet->data[port] = (guint8)(end->port / 256);
  packet->data[port + 1] = (guint8)(end->port % 256);
  slow_packet_finish (packet->data, packet->length, TRUE);
}

static void
test_addresses_are_exchanged_with_correct_checksums (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);

  for (guint round = 0; round < ROUNDS; round++) {
    g_auto (Packet) fast = random_packet (rand);
    g_auto (Packet) slow = packet_copy (fast.data, fast.length);
    StunExtAddress end = random_address (rand, fast.data[0] / 16);
    StunExtAddress wrong = random_address (rand, 10 - fast.data[0] / 16);

    if (g_rand_boolean (rand)) {
      g_assert_true (stun_ext_inner_packet_set_source (fast.data, fast.length, &end));
      slow_set_end (&slow, &end, TRUE);
    } else {
      g_assert_true (stun_ext_inner_packet_set_destination (fast.data, fast.length, &end));
      slow_set_end (&slow, &end, FALSE);
    }
    g_assert_cmpmem (fast.data, fast.length, slow.data, slow.length);
    g_assert_false (stun_ext_inner_packet_set_source (fast.data, fast.length, &wrong));
    g_assert_false (stun_ext_inner_packet_set_destination (fast.data, fast.length, &wrong));
    g_assert_cmpmem (fast.data, fast.length, slow.data, slow.length);
  }
}

/* The port is chosen so that the new checksum is the zero that must not be sent as zero. */
static void
test_exchanged_checksum_is_never_zero (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (4);
  guint n = 0;

  for (guint round = 0; round < ROUNDS; round++) {
    g_auto (Packet) packet = random_packet (rand);
    gsize udp = packet.data[0] / 16 == 4 ? 20 : 40;
    StunExtAddress end = random_address (rand, packet.data[0] / 16);
    guint sum;

    if (packet.data[udp + 6] == 0 && packet.data[udp + 7] == 0)
      continue;
    g_assert_true (stun_ext_inner_packet_set_source (packet.data, packet.length, &end));
    sum = end.port + packet.data[udp + 6] * 256u + packet.data[udp + 7];
    end.port = (guint16)(sum % 65536 + sum / 65536);
    g_assert_true (stun_ext_inner_packet_set_source (packet.data, packet.length, &end));
    g_assert_cmpuint (packet.data[udp + 6] * 256u + packet.data[udp + 7], ==, 65535);
    g_assert_cmpint (slow_packet_check (packet.data, packet.length, 2000), ==, STUN_EXT_INNER_OK);
    n++;
  }
  g_assert_cmpuint (n, >, 1000);
}

static void
test_a_wrong_checksum_stays_wrong (void)
{
  g_auto (Packet) packet = finished (sample_ipv4, sizeof sample_ipv4);
  StunExtAddress end = address_of ("203.0.113.9:9");
  StunExtInnerPacket view;

  packet.data[30] ^= 1;
  g_assert_true (stun_ext_inner_packet_set_source (packet.data, packet.length, &end));
  g_assert_cmpint (stun_ext_inner_packet_check (packet.data, packet.length, LARGEST, &view), ==,
                   STUN_EXT_INNER_UDP_CHECKSUM);
}

static void
test_hop_limit_and_dscp_keep_the_packet_in_order (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);

  for (guint round = 0; round < ROUNDS; round++) {
    g_auto (Packet) packet = random_packet (rand);
    g_auto (Packet) before = packet_copy (packet.data, packet.length);
    guint8 dscp = g_rand_int (rand) % 64;
    StunExtInnerPacket was, is;

    stun_ext_inner_packet_check (packet.data, packet.length, 2000, &was);
    if (was.hop_limit <= 1) {
      g_assert_cmpint (stun_ext_inner_packet_forward (packet.data, packet.length), ==,
                       STUN_EXT_INNER_HOP_LIMIT_SPENT);
      g_assert_cmpmem (packet.data, packet.length, before.data, before.length);
      was.hop_limit++;
    } else {
      g_assert_cmpint (stun_ext_inner_packet_forward (packet.data, packet.length), ==,
                       STUN_EXT_INNER_OK);
    }
    stun_ext_inner_packet_set_dscp (packet.data, packet.length, dscp);
    g_assert_cmpint (slow_packet_check (packet.data, packet.length, 2000), ==, STUN_EXT_INNER_OK);
    g_assert_cmpint (stun_ext_inner_packet_check (packet.data, packet.length, 2000, &is), ==,
                     STUN_EXT_INNER_OK);
    g_assert_cmpuint (is.hop_limit, ==, was.hop_limit - 1);
    g_assert_cmpuint (is.dscp, ==, dscp);
    g_assert_cmpuint (is.ecn, ==, 0);
    g_assert_true (stun_ext_address_equal (&is.source, &was.source));
    g_assert_true (stun_ext_address_equal (&is.destination, &was.destination));
    if (packet.data[0] / 16 == 6) { /* the flow label is nobody's business */
      g_assert_cmpuint (packet.data[1] % 16, ==, before.data[1] % 16);
      g_assert_cmpmem (&packet.data[2], 2, &before.data[2], 2);
    }
  }
}

static void
test_built_packets_are_as_specified (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (6);
  guint8 payload[1400];

  for (gsize i = 0; i < sizeof payload; i++)
    payload[i] = (guint8)g_rand_int (rand);
  for (guint round = 0; round < ROUNDS; round++) {
    guint8 family = g_rand_boolean (rand) ? 4 : 6;
    StunExtInnerPacket packet = { .source = random_address (rand, family),
                                  .destination = random_address (rand, family),
                                  .hop_limit = (guint8)g_rand_int (rand),
                                  .dscp = g_rand_int (rand) % 64,
                                  .payload = payload,
                                  .length = (gsize)g_rand_int_range (rand, 0, 1400) };
    guint8 buffer[2000], headers[64];
    StunExtWriter writer;
    StunExtInnerPacket again;

    stun_ext_writer_init (&writer, buffer, sizeof buffer);
    stun_ext_inner_packet_write (&writer, &packet);
    g_assert_false (writer.failed);
    g_assert_cmpint (slow_packet_check (buffer, writer.length, 2000), ==, STUN_EXT_INNER_OK);
    g_assert_cmpint (stun_ext_inner_packet_check (buffer, writer.length, 2000, &again), ==,
                     STUN_EXT_INNER_OK);
    g_assert_true (stun_ext_address_equal (&packet.source, &again.source));
    g_assert_true (stun_ext_address_equal (&packet.destination, &again.destination));
    g_assert_cmpuint (again.hop_limit, ==, packet.hop_limit);
    g_assert_cmpuint (again.dscp, ==, packet.dscp);
    g_assert_cmpuint (again.ecn, ==, 0);
    g_assert_cmpmem (again.payload, again.length, packet.payload, packet.length);
    if (family == 4) {
      g_assert_cmpuint (buffer[4] + buffer[5], ==, 0);
      g_assert_cmpuint (buffer[6], ==, 0x40);
    }
    stun_ext_writer_init (&writer, headers, sizeof headers);
    stun_ext_inner_packet_write_headers (&writer, &packet);
    g_assert_cmpmem (headers, writer.length, buffer, family == 4 ? 28 : 48);
  }
}

static void
test_what_is_no_packet_is_not_built (void)
{
  g_autofree guint8 *payload = g_malloc0 (70000);
  g_autofree guint8 *buffer = g_malloc (80000);
  const StunExtAddress a4 = address_of ("192.0.2.1:1"), a6 = address_of ("[2001:db8::1]:1");
  const StunExtAddress none = { 0 };
  const StunExtInnerPacket bad[] = {
    { .source = a4, .destination = a6 },
    { .source = a6, .destination = a4 },
    { .source = none, .destination = none },
    { .source = a4, .destination = none },
    { .source = a4, .destination = a4, .payload = payload, .length = 65508 },
    { .source = a6, .destination = a6, .payload = payload, .length = 65528 },
  };
  const StunExtInnerPacket longest[] = {
    { .source = a4, .destination = a4, .payload = payload, .length = 65507 },
    { .source = a6, .destination = a6, .payload = payload, .length = 65527 },
  };
  StunExtWriter writer;

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    stun_ext_writer_init (&writer, buffer, 80000);
    stun_ext_inner_packet_write (&writer, &bad[i]);
    g_assert_true (writer.failed);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (longest); i++) {
    stun_ext_writer_init (&writer, buffer, 80000);
    stun_ext_inner_packet_write (&writer, &longest[i]);
    g_assert_false (writer.failed);
    g_assert_cmpint (slow_packet_check (buffer, writer.length, 80000), ==, STUN_EXT_INNER_OK);
    stun_ext_writer_init (&writer, buffer, writer.length - 1);
    stun_ext_inner_packet_write (&writer, &longest[i]);
    g_assert_true (writer.failed);
  }
}

static void
test_captured_packets_are_finished (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);

  for (guint round = 0; round < ROUNDS; round++) {
    g_auto (Packet) wanted = random_packet (rand);
    g_auto (Packet) packet = packet_copy (wanted.data, wanted.length);
    gsize udp = packet.data[0] / 16 == 4 ? 20 : 40;
    gboolean has_checksum = packet.data[udp + 6] != 0 || packet.data[udp + 7] != 0;
    StunExtInnerPacket view;

    if (udp == 20 && g_rand_boolean (rand)) {
      packet.data[10] = (guint8)g_rand_int (rand);
      packet.data[11] = (guint8)g_rand_int (rand);
    }
    if (has_checksum && g_rand_boolean (rand)) {
      packet.data[udp + 6] = (guint8)(slow_packet_pseudo_sum (packet.data, packet.length) >> 8);
      packet.data[udp + 7] = (guint8)slow_packet_pseudo_sum (packet.data, packet.length);
    }
    g_assert_cmpint (stun_ext_inner_packet_complete (packet.data, packet.length, &view), ==,
                     STUN_EXT_INNER_OK);
    g_assert_cmpmem (packet.data, packet.length, wanted.data, wanted.length);
  }
}

static void
test_captured_packets_that_are_wrong_stay_so (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (faults); i++) {
    const Fault *fault = &faults[i];
    g_auto (Packet) packet = fault->is_ipv6 ? finished (sample_ipv6, sizeof sample_ipv6)
                                            : finished (sample_ipv4, sizeof sample_ipv4);
    StunExtInnerVerdict verdict;

    packet.data[fault->at] = fault->octet;
    verdict = stun_ext_inner_packet_complete (packet.data, packet.length, NULL);
    g_test_message ("%s", fault->name);
    if (fault->verdict == STUN_EXT_INNER_HEADER_CHECKSUM)
      g_assert_cmpint (verdict, ==, STUN_EXT_INNER_OK);
    else
      g_assert_cmpint (verdict, ==, fault->verdict);
  }
}

static void
test_bundles_are_taken_apart (void)
{
  static const struct {
    gsize payload, segment;
    guint parts;
    gsize last;
  } rows[] = {
    { 1000, 100, 10, 100 }, { 1001, 100, 11, 1 },      { 999, 100, 10, 99 }, { 100, 100, 1, 100 },
    { 99, 100, 1, 99 },     { 0, 100, 1, 0 },          { 0, 0, 1, 0 },       { 700, 0, 1, 700 },
    { 3, 1, 3, 1 },         { 60000, 1200, 50, 1200 },
  };
  g_autofree guint8 *payload = g_malloc (60000);
  g_autofree guint8 *bundle = g_malloc (65535);

  for (gsize i = 0; i < 60000; i++)
    payload[i] = (guint8)(i * 7 + i / 256);
  for (gsize i = 0; i < 2 * G_N_ELEMENTS (rows); i++) {
    gsize row = i / 2;
    gsize headers = i % 2 == 0 ? 28 : 48;
    const StunExtInnerPacket packet = {
      .source = address_of (i % 2 == 0 ? "192.0.2.1:1000" : "[2001:db8::1]:1000"),
      .destination = address_of (i % 2 == 0 ? "192.0.2.2:2000" : "[2001:db8::2]:2000"),
      .hop_limit = 61,
      .dscp = 46,
      .payload = payload,
      .length = rows[row].payload,
    };
    StunExtWriter writer;
    StunExtInnerSplit split;
    gsize at = 0;
    guint parts = 0;

    stun_ext_writer_init (&writer, bundle, 65535);
    stun_ext_inner_packet_write (&writer, &packet);
    bundle[headers - 2] = (guint8)(slow_packet_pseudo_sum (bundle, writer.length) >> 8);
    bundle[headers - 1] = (guint8)slow_packet_pseudo_sum (bundle, writer.length);
    g_assert_cmpint (stun_ext_inner_packet_complete (bundle, writer.length, NULL), ==,
                     STUN_EXT_INNER_OK);
    g_assert_true (stun_ext_inner_split_init (&split, bundle, writer.length, rows[row].segment));
    for (;;) {
      guint8 buffer[1500];
      StunExtInnerPacket part;

      stun_ext_writer_init (&writer, buffer, sizeof buffer);
      if (!stun_ext_inner_split_next (&split, &writer))
        break;
      g_assert_false (writer.failed);
      g_assert_cmpint (stun_ext_inner_packet_check (buffer, writer.length, 1500, &part), ==,
                       STUN_EXT_INNER_OK);
      g_assert_true (stun_ext_address_equal (&part.source, &packet.source));
      g_assert_true (stun_ext_address_equal (&part.destination, &packet.destination));
      g_assert_cmpuint (part.hop_limit, ==, 61);
      g_assert_cmpuint (part.dscp, ==, 46);
      g_assert_cmpmem (part.payload, part.length, &payload[at], part.length);
      at += part.length;
      parts++;
      g_assert_cmpuint (part.length, ==,
                        parts == rows[row].parts ? rows[row].last : rows[row].segment);
    }
    g_assert_cmpuint (parts, ==, rows[row].parts);
    g_assert_cmpuint (at, ==, rows[row].payload);
  }
}

static void
test_what_is_no_bundle_is_not_taken_apart (void)
{
  StunExtInnerSplit split;
  StunExtWriter writer;
  guint8 buffer[100];

  g_assert_false (stun_ext_inner_split_init (&split, sample_ipv4, sizeof sample_ipv4 - 1, 2));
  stun_ext_writer_init (&writer, buffer, sizeof buffer);
  g_assert_false (stun_ext_inner_split_next (&split, &writer));
  g_assert_cmpuint (writer.length, ==, 0);
}

#define ADD(name, function) g_test_add_func ("/stun-ext/inner-packet/" name, function)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("a-packet-in-order-is-read", test_a_packet_in_order_is_read);
  ADD ("every-fault-has-its-verdict", test_every_fault_has_its_verdict);
  ADD ("no-checksum-is-for-ipv4-only", test_no_checksum_is_for_ipv4_only);
  ADD ("every-truncation-is-refused-or-in-order", test_every_truncation_is_refused_or_in_order);
  ADD ("longer-than-the-largest-is-refused", test_longer_than_the_largest_is_refused);
  ADD ("each-verdict-has-a-name-of-its-own", test_each_verdict_has_a_name_of_its_own);
  ADD ("random-packets-are-in-order", test_random_packets_are_in_order);
  ADD ("damaged-packets-are-judged-as-slowly", test_damaged_packets_are_judged_as_slowly);
  ADD ("addresses-are-exchanged-with-correct-checksums",
       test_addresses_are_exchanged_with_correct_checksums);
  ADD ("exchanged-checksum-is-never-zero", test_exchanged_checksum_is_never_zero);
  ADD ("a-wrong-checksum-stays-wrong", test_a_wrong_checksum_stays_wrong);
  ADD ("hop-limit-and-dscp-keep-the-packet-in-order",
       test_hop_limit_and_dscp_keep_the_packet_in_order);
  ADD ("built-packets-are-as-specified", test_built_packets_are_as_specified);
  ADD ("what-is-no-packet-is-not-built", test_what_is_no_packet_is_not_built);
  ADD ("captured-packets-are-finished", test_captured_packets_are_finished);
  ADD ("captured-packets-that-are-wrong-stay-so", test_captured_packets_that_are_wrong_stay_so);
  ADD ("bundles-are-taken-apart", test_bundles_are_taken_apart);
  ADD ("what-is-no-bundle-is-not-taken-apart", test_what_is_no_bundle_is_not_taken_apart);
  return g_test_run ();
}
