/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "stun-ext/pcap-file.h"

static const guint8 packet[] = { 0x45, 0, 0, 5, 6 };

static void
test_a_file_is_written_as_specified (void)
{
  static const guint8 wanted[] = {
    0xA1, 0xB2, 0xC3, 0xD4, 0,    2, 0, 4, 0,   0,    0,    0,    0,    0, 0,
    0,    0,    0,    0xFF, 0xFF, 0, 0, 0, 101, 0x65, 0x53, 0xF1, 0x00, 0, 1,
    0xE2, 0x40, 0,    0,    0,    5, 0, 0, 0,   5,    0x45, 0,    0,    5, 6,
  };
  guint8 buffer[100];
  StunExtPcapFile file;
  StunExtWriter writer;

  stun_ext_writer_init (&writer, buffer, sizeof buffer);
  stun_ext_pcap_file_init (&file, 0, 65535);
  stun_ext_pcap_file_begin (&file, &writer);
  g_assert_true (stun_ext_pcap_file_packet (&file, &writer, 1700000000 * (gint64)1000000 + 123456,
                                            packet, sizeof packet));
  g_assert_cmpmem (buffer, writer.length, wanted, sizeof wanted);
  g_assert_cmpuint (file.size, ==, sizeof wanted);
  g_assert_cmpuint (file.n_packets, ==, 1);
}

static void
test_long_packets_are_cut (void)
{
  guint8 buffer[100];
  StunExtPcapFile file;
  StunExtWriter writer;

  stun_ext_writer_init (&writer, buffer, sizeof buffer);
  stun_ext_pcap_file_init (&file, 0, 3);
  g_assert_true (stun_ext_pcap_file_packet (&file, &writer, -5, packet, sizeof packet));
  g_assert_cmpuint (writer.length, ==, 16 + 3);
  g_assert_cmpmem (&buffer[0], 8, "\0\0\0\0\0\0\0\0", 8);
  g_assert_cmpuint (buffer[11], ==, 3);
  g_assert_cmpuint (buffer[15], ==, 5);
}

static void
test_a_full_writer_loses_whole_packets_only (void)
{
  for (gsize room = 0; room < 80; room++) {
    g_autofree guint8 *buffer = g_malloc (MAX (room, 1));
    StunExtPcapFile file;
    StunExtWriter writer;
    guint n = 0;

    stun_ext_writer_init (&writer, buffer, room);
    stun_ext_pcap_file_init (&file, 0, 65535);
    for (guint i = 0; i < 5; i++)
      n += stun_ext_pcap_file_packet (&file, &writer, 1, packet, sizeof packet);
    g_assert_cmpuint (n, ==, room / 21);
    g_assert_cmpuint (writer.length, ==, n * 21);
    g_assert_false (writer.failed);
    g_assert_cmpuint (file.n_left_out, ==, 5 - n);
  }
}

static void
test_a_file_does_not_outgrow_its_limit (void)
{
  StunExtPcapFile file;
  guint8 buffer[100];
  StunExtWriter writer;

  stun_ext_pcap_file_init (&file, 1000, 65535);
  stun_ext_writer_init (&writer, buffer, sizeof buffer);
  stun_ext_pcap_file_begin (&file, &writer);
  for (guint i = 0; i < 100; i++) {
    stun_ext_writer_init (&writer, buffer, sizeof buffer);
    stun_ext_pcap_file_packet (&file, &writer, i, packet, sizeof packet);
  }
  g_assert_cmpuint (file.n_packets, ==, (1000 - 24) / 21);
  g_assert_cmpuint (file.n_packets + file.n_left_out, ==, 100);
  g_assert_cmpuint (file.size, <=, 1000);
}

#define ADD(name, function) g_test_add_func ("/stun-ext/pcap-file/" name, function)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("a-file-is-written-as-specified", test_a_file_is_written_as_specified);
  ADD ("long-packets-are-cut", test_long_packets_are_cut);
  ADD ("a-full-writer-loses-whole-packets-only", test_a_full_writer_loses_whole_packets_only);
  ADD ("a-file-does-not-outgrow-its-limit", test_a_file_does_not_outgrow_its_limit);
  return g_test_run ();
}
