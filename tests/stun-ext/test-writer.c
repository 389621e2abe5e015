/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "stun-ext/writer.h"

/* Writes one of everything. */
static void
write_all (StunExtWriter *w)
{
  gsize outer, inner;
  guint8 *space;

  stun_ext_writer_u8 (w, 0x01);
  stun_ext_writer_u16 (w, 0x0203);
  outer = stun_ext_writer_open_u16 (w);
  stun_ext_writer_u32 (w, 0x04050607);
  stun_ext_writer_u64 (w, 0x08090a0b0c0d0e0f);
  inner = stun_ext_writer_open (w, 0x8022);
  stun_ext_writer_bytes (w, "hello", 5);
  stun_ext_writer_close (w, inner);
  stun_ext_writer_zeros (w, 2);
  space = stun_ext_writer_space (w, 1);
  if (space != NULL)
    *space = 0xee;
  stun_ext_writer_close_u16 (w, outer);
}

static const guint8 all[] = { 0x01, 0x02, 0x03, 0x00, 0x1b, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09,
                              0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x80, 0x22, 0x00, 0x05, 'h',
                              'e',  'l',  'l',  'o',  0x00, 0x00, 0x00, 0x00, 0x00, 0xee };

static void
test_writes_what_was_asked (void)
{
  for (gsize shift = 0; shift < 8; shift++) {
    guint8 buffer[sizeof all + 8];
    StunExtWriter w;

    memset (buffer, 0xa5, sizeof buffer);
    stun_ext_writer_init (&w, buffer + shift, sizeof all);
    write_all (&w);
    g_assert_false (w.failed);
    g_assert_cmpmem (w.data, w.length, all, sizeof all);
  }
}

static void
test_every_capacity_too_small_fails_inside_the_buffer (void)
{
  for (gsize capacity = 0; capacity < sizeof all; capacity++) {
    g_autofree guint8 *exact = capacity > 0 ? g_malloc (capacity) : NULL;
    StunExtWriter w;

    stun_ext_writer_init (&w, exact, capacity);
    write_all (&w);
    g_assert_true (w.failed);
    g_assert_cmpuint (w.length, <=, capacity);
  }
}

static void
test_failure_is_sticky (void)
{
  guint8 buffer[4] = { 0 };
  StunExtWriter w;

  stun_ext_writer_init (&w, buffer, sizeof buffer);
  stun_ext_writer_u16 (&w, 0x0102);
  stun_ext_writer_u32 (&w, 0x03040506);
  g_assert_true (w.failed);
  stun_ext_writer_u8 (&w, 0x07);
  g_assert_null (stun_ext_writer_space (&w, 1));
  g_assert_cmpuint (w.length, ==, 2);
  g_assert_cmpuint (buffer[2], ==, 0);
}

static void
test_padding_octet_is_the_writers (void)
{
  guint8 buffer[8];
  StunExtWriter w;
  gsize slot;

  stun_ext_writer_init (&w, buffer, sizeof buffer);
  w.padding = 0x20;
  slot = stun_ext_writer_open (&w, 0x0006);
  stun_ext_writer_u8 (&w, 'x');
  stun_ext_writer_close (&w, slot);
  g_assert_cmpmem (buffer, w.length, "\x00\x06\x00\x01x   ", 8);
}

static void
test_bad_slots_fail_and_change_nothing (void)
{
  static const gsize slots[] = { 3, 4, 5, G_MAXSIZE - 1, G_MAXSIZE };

  for (gsize i = 0; i < G_N_ELEMENTS (slots); i++) {
    guint8 buffer[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    StunExtWriter w;

    stun_ext_writer_init (&w, buffer, sizeof buffer);
    stun_ext_writer_u32 (&w, 0);
    stun_ext_writer_patch_u16 (&w, slots[i], 0xffff);
    g_assert_true (w.failed);
    g_assert_cmpmem (buffer, 8, "\0\0\0\0\5\6\7\10", 8);
    stun_ext_writer_init (&w, buffer, sizeof buffer);
    stun_ext_writer_u32 (&w, 0);
    stun_ext_writer_close (&w, slots[i]);
    g_assert_true (w.failed);
    g_assert_cmpmem (buffer, 8, "\0\0\0\0\5\6\7\10", 8);
  }
}

static void
test_length_beyond_16_bits_fails (void)
{
  g_autofree guint8 *buffer = g_malloc (70000);
  StunExtWriter w;
  gsize slot;

  stun_ext_writer_init (&w, buffer, 70000);
  slot = stun_ext_writer_open (&w, 0x0013);
  stun_ext_writer_zeros (&w, 65535);
  stun_ext_writer_close (&w, slot);
  g_assert_false (w.failed);
  stun_ext_writer_init (&w, buffer, 70000);
  slot = stun_ext_writer_open (&w, 0x0013);
  stun_ext_writer_zeros (&w, 65536);
  stun_ext_writer_close (&w, slot);
  g_assert_true (w.failed);
}

static void
test_missing_bytes_fail (void)
{
  guint8 buffer[4];
  StunExtWriter w;

  stun_ext_writer_init (&w, buffer, sizeof buffer);
  stun_ext_writer_bytes (&w, NULL, 0);
  g_assert_false (w.failed);
  stun_ext_writer_bytes (&w, NULL, 1);
  g_assert_true (w.failed);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stun-ext/writer/writes-what-was-asked", test_writes_what_was_asked);
  g_test_add_func ("/stun-ext/writer/every-capacity-too-small-fails-inside-the-buffer",
                   test_every_capacity_too_small_fails_inside_the_buffer);
  g_test_add_func ("/stun-ext/writer/failure-is-sticky", test_failure_is_sticky);
  g_test_add_func ("/stun-ext/writer/padding-octet-is-the-writers",
                   test_padding_octet_is_the_writers);
  g_test_add_func ("/stun-ext/writer/bad-slots-fail-and-change-nothing",
                   test_bad_slots_fail_and_change_nothing);
  g_test_add_func ("/stun-ext/writer/length-beyond-16-bits-fails",
                   test_length_beyond_16_bits_fails);
  g_test_add_func ("/stun-ext/writer/missing-bytes-fail", test_missing_bytes_fail);
  return g_test_run ();
}
