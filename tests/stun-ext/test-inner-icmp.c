/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "stun-ext/inner-packet.h"

static guint
word (const guint8 *data, gsize at)
{
  return data[at] * 256u + data[at + 1];
}

static guint
sum_of (const guint8 *data, gsize length)
{
  guint64 sum = 0;

  for (gsize i = 0; i < length; i++)
    sum += i % 2 == 0 ? data[i] * 256u : data[i];
  return (guint)(sum % 65535);
}

static StunExtAddress
address_of (const char *text)
{
  StunExtAddress address;

  g_assert_true (stun_ext_address_parse (text, &address));
  return address;
}

/* A UDP packet with so much payload; memory of exactly its size. */
static guint8 *
packet_of (const char *source, const char *destination, gsize payload, gsize *length)
{
  g_autofree guint8 *octets = g_malloc0 (payload + 1);
  const StunExtInnerPacket packet = { .source = address_of (source),
                                      .destination = address_of (destination),
                                      .hop_limit = 64,
                                      .payload = octets,
                                      .length = payload };
  guint8 *data = g_malloc (payload + 48);
  StunExtWriter writer;

  for (gsize i = 0; i < payload; i++)
    octets[i] = (guint8)i;
  stun_ext_writer_init (&writer, data, payload + 48);
  stun_ext_inner_packet_write (&writer, &packet);
  g_assert_false (writer.failed);
  *length = writer.length;
  return g_realloc (data, writer.length);
}

typedef struct {
  const char *name;
  StunExtInnerIcmp icmp;
  gboolean is_ipv6;
  guint mtu;
  gsize payload;
  guint8 type, code;
  guint told_mtu;
  gsize size;
} Row;

static const Row rows[] = {
  { "too big", STUN_EXT_INNER_ICMP_TOO_BIG, FALSE, 1400, 1472, 3, 4, 1400, 576 },
  { "prohibited", STUN_EXT_INNER_ICMP_PROHIBITED, FALSE, 1400, 100, 3, 13, 0, 28 + 128 },
  { "too big, IPv6", STUN_EXT_INNER_ICMP_TOO_BIG, TRUE, 1400, 1452, 2, 0, 1400, 1280 },
  { "too big, IPv6, less than it may be", STUN_EXT_INNER_ICMP_TOO_BIG, TRUE, 1000, 1452, 2, 0, 1280,
    1280 },
  { "prohibited, IPv6", STUN_EXT_INNER_ICMP_PROHIBITED, TRUE, 1400, 100, 1, 1, 0, 48 + 148 },
  { "no payload", STUN_EXT_INNER_ICMP_PROHIBITED, FALSE, 0, 0, 3, 13, 0, 28 + 28 },
};

static void
test_errors_tell_the_sender_and_quote_the_packet (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    const Row *row = &rows[i];
    const char *source = row->is_ipv6 ? "[2001:db8::1]:1000" : "192.0.2.1:1000";
    const char *destination = row->is_ipv6 ? "[2001:db8::2]:2000" : "198.51.100.1:2000";
    const StunExtAddress from = address_of (row->is_ipv6 ? "2001:db8::ff" : "10.0.0.1");
    gsize header = row->is_ipv6 ? 40 : 20;
    gsize length;
    g_autofree guint8 *packet = packet_of (source, destination, row->payload, &length);
    guint8 buffer[STUN_EXT_INNER_ICMP_SIZE_MAX];
    StunExtWriter writer;

    g_test_message ("%s", row->name);
    stun_ext_writer_init (&writer, buffer, sizeof buffer);
    g_assert_true (stun_ext_inner_icmp_write (&writer, row->icmp, row->mtu, &from, packet, length));
    g_assert_false (writer.failed);
    g_assert_cmpuint (writer.length, ==, row->size);
    g_assert_cmpuint (buffer[header], ==, row->type);
    g_assert_cmpuint (buffer[header + 1], ==, row->code);
    g_assert_cmpuint (word (buffer, header + 6), ==, row->told_mtu);
    g_assert_cmpmem (&buffer[header + 8], writer.length - header - 8, packet,
                     writer.length - header - 8);
    if (row->is_ipv6) {
      g_assert_cmpmem (&buffer[8], 16, from.octets, 16);
      g_assert_cmpmem (&buffer[24], 16, &packet[8], 16);
      g_assert_cmpuint (word (buffer, 4), ==, writer.length - 40);
      g_assert_cmpuint (buffer[6], ==, 58);
      g_assert_cmpuint ((sum_of (&buffer[8], writer.length - 8) + 58 + writer.length - 40) % 65535,
                        ==, 0);
    } else {
      g_assert_cmpmem (&buffer[12], 4, from.octets, 4);
      g_assert_cmpmem (&buffer[16], 4, &packet[12], 4);
      g_assert_cmpuint (word (buffer, 2), ==, writer.length);
      g_assert_cmpuint (buffer[9], ==, 1);
      g_assert_cmpuint (sum_of (buffer, 20), ==, 0);
      g_assert_cmpuint (sum_of (&buffer[20], writer.length - 20), ==, 0);
    }
  }
}

typedef struct {
  const char *name;
  gboolean is_ipv6;
  gsize at;
  guint8 octets[2];
  gboolean is_answered;
} Change;

/* What is at fault with the packet does not matter, only what may be answered. */
static const Change changes[] = {
  { "nothing", FALSE, 8, { 64, 17 }, TRUE },
  { "TCP", FALSE, 8, { 64, 6 }, TRUE },
  { "options beyond the end", FALSE, 0, { 0x4F, 0 }, FALSE },
  { "header of no words", FALSE, 0, { 0x40, 0 }, FALSE },
  { "version 5", FALSE, 0, { 0x55, 0 }, FALSE },
  { "first fragment", FALSE, 6, { 0x20, 0 }, TRUE },
  { "later fragment", FALSE, 6, { 0x20, 1 }, FALSE },
  { "from 0.0.0.0/8", FALSE, 12, { 0, 0 }, FALSE },
  { "from multicast", FALSE, 12, { 224, 0 }, FALSE },
  { "from broadcast", FALSE, 12, { 255, 255 }, FALSE },
  { "from loopback", FALSE, 12, { 127, 0 }, FALSE },
  { "to multicast", FALSE, 16, { 239, 1 }, FALSE },
  { "to broadcast", FALSE, 16, { 255, 255 }, FALSE },
  { "nothing, IPv6", TRUE, 6, { 17, 64 }, TRUE },
  { "from multicast, IPv6", TRUE, 8, { 0xFF, 2 }, FALSE },
  { "to multicast, IPv6", TRUE, 24, { 0xFF, 2 }, FALSE },
  { "ESP", TRUE, 6, { 50, 64 }, TRUE },
  { "ICMPv6 echo", TRUE, 6, { 58, 64 }, FALSE }, /* the first octet of the ports is 3 */
  { "extension header beyond the end", TRUE, 6, { 0, 64 }, FALSE },
  { "later fragment, IPv6", TRUE, 6, { 44, 64 }, FALSE },
};

static void
test_errors_answer_only_what_may_be_answered (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (changes); i++) {
    gboolean is_ipv6 = changes[i].is_ipv6;
    const StunExtAddress from = address_of (is_ipv6 ? "2001:db8::ff" : "10.0.0.1");
    gsize length;
    g_autofree guint8 *packet =
        is_ipv6 ? packet_of ("[2001:db8::1]:1000", "[2001:db8::2]:2000", 20, &length)
                : packet_of ("192.0.2.1:1000", "198.51.100.1:2000", 20, &length);
    guint8 buffer[STUN_EXT_INNER_ICMP_SIZE_MAX];
    StunExtWriter writer;

    memcpy (&packet[changes[i].at], changes[i].octets, 2);
    stun_ext_writer_init (&writer, buffer, sizeof buffer);
    g_test_message ("%s", changes[i].name);
    g_assert_cmpint (stun_ext_inner_icmp_write (&writer, STUN_EXT_INNER_ICMP_PROHIBITED, 0, &from,
                                                packet, length),
                     ==, changes[i].is_answered);
    g_assert_cmpint (writer.length > 0, ==, changes[i].is_answered);
  }
}

static gboolean
is_answered (const guint8 *packet, gsize length, const char *from_text, StunExtInnerIcmp icmp)
{
  const StunExtAddress from = address_of (from_text);
  g_autofree guint8 *exact = g_memdup2 (packet, length);
  guint8 buffer[STUN_EXT_INNER_ICMP_SIZE_MAX];
  StunExtWriter writer;

  stun_ext_writer_init (&writer, buffer, sizeof buffer);
  return stun_ext_inner_icmp_write (&writer, icmp, 1400, &from, exact, length);
}

static void
test_errors_do_not_answer_errors (void)
{
  guint8 ipv4[] = { 0x45, 0, 0, 21, 0, 0, 0, 0, 64, 1, 0, 0, 192, 0, 2, 1, 198, 51, 100, 1, 0 };
  guint8 ipv6[58] = { 0x60, 0, 0, 0,  0, 18, 60, 64, 0x20, 0x01, 0x0D, 0xB8, 0,    0, 0,
                      0,    0, 0, 0,  0, 0,  0,  0,  1,    0x20, 0x01, 0x0D, 0xB8, 0, 0,
                      0,    0, 0, 0,  0, 0,  0,  0,  0,    2,    44,   0,    1,    4, 0,
                      0,    0, 0, 58, 0, 0,  1,  0,  0,    0,    0,    0,    0 };
  static const guint8 ipv4_errors[] = { 3, 4, 5, 11, 12 };

  for (guint type = 0; type < 256; type++) {
    ipv4[20] = (guint8)type;
    g_assert_cmpint (is_answered (ipv4, sizeof ipv4, "10.0.0.1", STUN_EXT_INNER_ICMP_PROHIBITED),
                     ==, type == 0 || memchr (ipv4_errors, (int)type, sizeof ipv4_errors) == NULL);
    ipv6[56] = (guint8)type;
    g_assert_cmpint (
        is_answered (ipv6, sizeof ipv6, "2001:db8::ff", STUN_EXT_INNER_ICMP_PROHIBITED), ==,
        type >= 128);
  }
  g_assert_false (is_answered (ipv4, sizeof ipv4 - 1, "10.0.0.1", STUN_EXT_INNER_ICMP_PROHIBITED));
  for (gsize length = 0; length < 57; length++)
    g_assert_false (is_answered (ipv6, length, "2001:db8::ff", STUN_EXT_INNER_ICMP_PROHIBITED));
}

static void
test_too_big_answers_ipv6_multicast (void)
{
  gsize length;
  g_autofree guint8 *packet = packet_of ("[2001:db8::1]:1", "[ff0e::1]:2", 1400, &length);

  g_assert_true (is_answered (packet, length, "2001:db8::ff", STUN_EXT_INNER_ICMP_TOO_BIG));
  g_assert_false (is_answered (packet, length, "2001:db8::ff", STUN_EXT_INNER_ICMP_PROHIBITED));
}

static void
test_the_one_who_says_so_is_of_the_same_family (void)
{
  gsize length;
  g_autofree guint8 *ipv4 = packet_of ("192.0.2.1:1", "198.51.100.1:2", 0, &length);

  g_assert_false (is_answered (ipv4, length, "2001:db8::ff", STUN_EXT_INNER_ICMP_TOO_BIG));
  g_assert_true (is_answered (ipv4, length, "10.0.0.1", STUN_EXT_INNER_ICMP_TOO_BIG));
}

static void
test_every_truncation_is_survived (void)
{
  gsize length;
  g_autofree guint8 *ipv4 = packet_of ("192.0.2.1:1", "198.51.100.1:2", 30, &length);

  for (gsize n = 0; n < length; n++)
    g_assert_cmpint (is_answered (ipv4, n, "10.0.0.1", STUN_EXT_INNER_ICMP_PROHIBITED), ==,
                     n >= 20);
}

static void
test_random_octets_are_survived (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);

  for (guint round = 0; round < 100000; round++) {
    guint8 packet[100];
    gsize length = (gsize)g_rand_int_range (rand, 0, sizeof packet);

    for (gsize i = 0; i < length; i++)
      packet[i] = (guint8)g_rand_int (rand);
    packet[0] = g_rand_boolean (rand) ? 0x60 : 0x45;
    if (g_rand_boolean (rand)) {
      static const guint8 next[] = { 0, 43, 44, 60, 58 };

      packet[6] = next[g_rand_int (rand) % sizeof next];
      packet[40] = next[g_rand_int (rand) % sizeof next];
      packet[41] = g_rand_int (rand) % 4;
    }
    is_answered (packet, length, packet[0] == 0x60 ? "2001:db8::ff" : "10.0.0.1",
                 STUN_EXT_INNER_ICMP_TOO_BIG);
  }
}

#define ADD(name, function) g_test_add_func ("/stun-ext/inner-icmp/" name, function)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("errors-tell-the-sender-and-quote-the-packet",
       test_errors_tell_the_sender_and_quote_the_packet);
  ADD ("errors-answer-only-what-may-be-answered", test_errors_answer_only_what_may_be_answered);
  ADD ("errors-do-not-answer-errors", test_errors_do_not_answer_errors);
  ADD ("too-big-answers-ipv6-multicast", test_too_big_answers_ipv6_multicast);
  ADD ("the-one-who-says-so-is-of-the-same-family", test_the_one_who_says_so_is_of_the_same_family);
  ADD ("every-truncation-is-survived", test_every_truncation_is_survived);
  ADD ("random-octets-are-survived", test_random_octets_are_survived);
  return g_test_run ();
}
