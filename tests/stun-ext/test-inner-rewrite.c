/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "packet-samples.h"
#include "slow-packet.h"
#include "stun-ext/inner-packet.h"

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

#define ADD(name, function) g_test_add_func ("/stun-ext/inner-rewrite/" name, function)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("addresses-are-exchanged-with-correct-checksums",
       test_addresses_are_exchanged_with_correct_checksums);
  ADD ("exchanged-checksum-is-never-zero", test_exchanged_checksum_is_never_zero);
  ADD ("a-wrong-checksum-stays-wrong", test_a_wrong_checksum_stays_wrong);
  ADD ("hop-limit-and-dscp-keep-the-packet-in-order",
       test_hop_limit_and_dscp_keep_the_packet_in_order);
  ADD ("built-packets-are-as-specified", test_built_packets_are_as_specified);
  ADD ("what-is-no-packet-is-not-built", test_what_is_no_packet_is_not_built);
  return g_test_run ();
}
