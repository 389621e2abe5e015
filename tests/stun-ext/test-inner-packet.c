/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "packet-samples.h"
#include "slow-packet.h"
#include "stun-ext/inner-packet.h"

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
  ADD ("captured-packets-are-finished", test_captured_packets_are_finished);
  ADD ("captured-packets-that-are-wrong-stay-so", test_captured_packets_that_are_wrong_stay_so);
  ADD ("bundles-are-taken-apart", test_bundles_are_taken_apart);
  ADD ("what-is-no-bundle-is-not-taken-apart", test_what_is_no_bundle_is_not_taken_apart);
  return g_test_run ();
}
