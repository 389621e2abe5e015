/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "stun-ext/reader.h"

static const guint8 sample[] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
                                 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f };

static void
test_numbers_are_big_endian_at_every_alignment (void)
{
  guint8 buffer[sizeof sample + 8];

  for (gsize shift = 0; shift < 8; shift++) {
    StunExtReader r;

    memcpy (buffer + shift, sample, sizeof sample);
    stun_ext_reader_init (&r, buffer + shift, sizeof sample);
    g_assert_cmpuint (stun_ext_reader_u8 (&r), ==, 0x01);
    g_assert_cmpuint (stun_ext_reader_u16 (&r), ==, 0x0203);
    g_assert_cmpuint (stun_ext_reader_u32 (&r), ==, 0x04050607);
    g_assert_cmpuint (stun_ext_reader_u64 (&r), ==, 0x08090a0b0c0d0e0f);
    g_assert_true (stun_ext_reader_done (&r));
  }
}

static void
test_every_truncation_fails_inside_the_buffer (void)
{
  for (gsize length = 0; length < sizeof sample; length++) {
    g_autofree guint8 *exact =
        g_memdup2 (sample, length); /* the sanitizer sees the octet behind it */
    StunExtReader r;

    stun_ext_reader_init (&r, exact, length);
    stun_ext_reader_u8 (&r);
    stun_ext_reader_u16 (&r);
    stun_ext_reader_u32 (&r);
    stun_ext_reader_u64 (&r);
    g_assert_true (r.failed);
    g_assert_false (stun_ext_reader_done (&r));
    g_assert_cmpuint (r.position, <=, length);
  }
}

static void
test_failure_is_sticky (void)
{
  StunExtReader r;

  stun_ext_reader_init (&r, sample, 3);
  g_assert_cmpuint (stun_ext_reader_u32 (&r), ==, 0);
  g_assert_true (r.failed);
  g_assert_cmpuint (stun_ext_reader_u8 (&r), ==, 0);
  g_assert_null (stun_ext_reader_bytes (&r, 0));
  g_assert_cmpuint (stun_ext_reader_remaining (&r), ==, 0);
  g_assert_cmpuint (r.position, ==, 0);
  g_assert_false (stun_ext_reader_done (&r));
}

static void
test_lengths_that_lie_fail (void)
{
  static const gsize lies[] = { 16, G_MAXUINT16, G_MAXUINT32, G_MAXSIZE - 1, G_MAXSIZE };

  for (gsize i = 0; i < G_N_ELEMENTS (lies); i++) {
    StunExtReader r, child;

    stun_ext_reader_init (&r, sample, sizeof sample);
    stun_ext_reader_skip (&r, 1);
    g_assert_null (stun_ext_reader_bytes (&r, lies[i]));
    g_assert_true (r.failed);
    stun_ext_reader_init (&r, sample, sizeof sample);
    child = stun_ext_reader_slice (&r, lies[i]);
    g_assert_true (r.failed);
    g_assert_true (child.failed);
    g_assert_cmpuint (stun_ext_reader_u8 (&child), ==, 0);
  }
}

static void
test_slice_cannot_see_past_its_end (void)
{
  StunExtReader r, child;

  stun_ext_reader_init (&r, sample, sizeof sample);
  child = stun_ext_reader_slice (&r, 3);
  g_assert_cmpuint (stun_ext_reader_remaining (&child), ==, 3);
  g_assert_cmpuint (stun_ext_reader_u32 (&child), ==, 0);
  g_assert_true (child.failed);
  g_assert_false (r.failed);
  g_assert_cmpuint (stun_ext_reader_u8 (&r), ==, 4);
}

static void
test_empty_buffer_is_done_at_once (void)
{
  StunExtReader r, child;

  stun_ext_reader_init (&r, NULL, 0);
  g_assert_true (stun_ext_reader_done (&r));
  child = stun_ext_reader_slice (&r, 0);
  g_assert_true (stun_ext_reader_done (&child));
  stun_ext_reader_init (&r, NULL, 5);
  g_assert_true (r.failed);
  g_assert_cmpuint (stun_ext_reader_u8 (&r), ==, 0);
}

static void
test_done_demands_the_last_octet (void)
{
  StunExtReader r;

  stun_ext_reader_init (&r, sample, 2);
  stun_ext_reader_u8 (&r);
  g_assert_false (stun_ext_reader_done (&r));
  g_assert_true (stun_ext_reader_bytes (&r, 1) == sample + 1);
  g_assert_true (stun_ext_reader_done (&r));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stun-ext/reader/numbers-are-big-endian-at-every-alignment",
                   test_numbers_are_big_endian_at_every_alignment);
  g_test_add_func ("/stun-ext/reader/every-truncation-fails-inside-the-buffer",
                   test_every_truncation_fails_inside_the_buffer);
  g_test_add_func ("/stun-ext/reader/failure-is-sticky", test_failure_is_sticky);
  g_test_add_func ("/stun-ext/reader/lengths-that-lie-fail", test_lengths_that_lie_fail);
  g_test_add_func ("/stun-ext/reader/slice-cannot-see-past-its-end",
                   test_slice_cannot_see_past_its_end);
  g_test_add_func ("/stun-ext/reader/empty-buffer-is-done-at-once",
                   test_empty_buffer_is_done_at_once);
  g_test_add_func ("/stun-ext/reader/done-demands-the-last-octet",
                   test_done_demands_the_last_octet);
  return g_test_run ();
}
