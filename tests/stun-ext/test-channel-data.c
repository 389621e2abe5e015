/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stun-ext/channel-data.h"

#include <string.h>

static void
test_every_length_survives_a_round_trip (void)
{
  static const gsize lengths[] = { 0, 1, 2, 3, 4, 5, 160, 1200, 65532, 65535 };

  for (gsize i = 0; i < G_N_ELEMENTS (lengths); i++)
    for (guint is_stream = 0; is_stream < 2; is_stream++) {
      g_autofree guint8 *payload = g_malloc (lengths[i] + 1);
      g_autofree guint8 *buffer = g_malloc (65544);
      StunExtChannelData c;
      StunExtWriter w;
      gsize total = 0;

      memset (payload, 0x5a, lengths[i] + 1);
      memset (buffer, 0xa5, 65544);
      stun_ext_writer_init (&w, buffer, 65544);
      stun_ext_channel_data_write (&w, 0x4abc, payload, lengths[i], is_stream);
      g_assert_false (w.failed);
      g_assert_cmpuint (w.length, ==, 4 + (is_stream ? (lengths[i] + 3) / 4 * 4 : lengths[i]));
      for (gsize j = 4 + lengths[i]; j < w.length; j++)
        g_assert_cmphex (buffer[j], ==, 0);
      g_assert_true (stun_ext_channel_data_parse (&c, buffer, w.length));
      g_assert_cmphex (c.channel, ==, 0x4abc);
      g_assert_cmpmem (c.payload.data, c.payload.length, payload, lengths[i]);
      if (is_stream) {
        g_assert_cmpint (stun_ext_channel_data_measure (buffer, w.length, &total), ==,
                         STUN_EXT_PARSE_OK);
        g_assert_cmpuint (total, ==, w.length);
      }
    }
}

static void
test_every_truncation_is_refused (void)
{
  static const guint8 unit[] = { 0x40, 0x00, 0x00, 0x05, 1, 2, 3, 4, 5 };

  for (gsize shift = 0; shift < 8; shift++)
    for (gsize cut = 0; cut < sizeof unit; cut++) {
      g_autofree guint8 *exact = g_malloc (shift + cut + (shift + cut == 0));
      StunExtChannelData c = { .channel = 77 };
      gsize total = 0;

      memcpy (exact + shift, unit, cut);
      g_assert_false (stun_ext_channel_data_parse (&c, exact + shift, cut));
      g_assert_cmpuint (c.channel, ==, 77);
      g_assert_cmpint (stun_ext_channel_data_measure (exact + shift, cut, &total), ==,
                       cut < 4 ? STUN_EXT_PARSE_INCOMPLETE : STUN_EXT_PARSE_OK);
      g_assert_cmpuint (total, ==, cut < 4 ? 0 : 12);
    }
}

static void
test_only_the_channel_range_is_accepted (void)
{
  for (guint channel = 0; channel < 0x10000;
       channel += channel < 0x3ff0 || channel > 0x5010 ? 97 : 1) {
    guint8 unit[4] = { (guint8)(channel >> 8), (guint8)channel, 0, 0 };
    gboolean ok = channel >= 0x4000 && channel <= 0x4fff;
    StunExtChannelData c;
    StunExtWriter w;
    guint8 out[4];
    gsize total = 0;

    g_assert_cmpint (stun_ext_channel_data_parse (&c, unit, sizeof unit), ==, ok);
    stun_ext_writer_init (&w, out, sizeof out);
    stun_ext_channel_data_write (&w, (guint16)channel, NULL, 0, TRUE);
    g_assert_cmpint (!w.failed, ==, ok);
    if (channel >= 0x5000)
      g_assert_cmpint (stun_ext_channel_data_measure (unit, 1, &total), ==,
                       STUN_EXT_PARSE_NOT_STUN);
  }
}

static void
test_stream_of_both_kinds_is_cut (void)
{
  static const guint8 id[12];
  guint8 stream[64];
  StunExtBuilder b;
  StunExtWriter w;
  gsize total = 0;

  stun_ext_writer_init (&w, stream, sizeof stream);
  stun_ext_channel_data_write (&w, 0x4001, "hello", 5, TRUE);
  stun_ext_builder_begin (&b, stream + w.length, sizeof stream - w.length, STUN_EXT_CLASS_REQUEST,
                          STUN_EXT_METHOD_REFRESH, id);
  g_assert_cmpint (stun_ext_channel_data_measure (stream, 32, &total), ==, STUN_EXT_PARSE_OK);
  g_assert_cmpuint (total, ==, 12);
  g_assert_cmpint (stun_ext_channel_data_measure (stream + 12, 20, &total), ==, STUN_EXT_PARSE_OK);
  g_assert_cmpuint (total, ==, 20);
  g_assert_cmpint (stun_ext_channel_data_measure (stream + 12, 7, &total), ==,
                   STUN_EXT_PARSE_INCOMPLETE);
  stream[12 + 4] ^= 1;
  g_assert_cmpint (stun_ext_channel_data_measure (stream + 12, 20, &total), ==,
                   STUN_EXT_PARSE_NOT_STUN);
}

static void
test_too_much_payload_fails (void)
{
  g_autofree guint8 *payload = g_malloc0 (65536);
  g_autofree guint8 *buffer = g_malloc (70000);
  StunExtWriter w;

  stun_ext_writer_init (&w, buffer, 70000);
  stun_ext_channel_data_write (&w, 0x4000, payload, 65536, FALSE);
  g_assert_true (w.failed);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add_func ("/stun-ext/channel-data/" name, function)
  ADD ("every-length-survives-a-round-trip", test_every_length_survives_a_round_trip);
  ADD ("every-truncation-is-refused", test_every_truncation_is_refused);
  ADD ("only-the-channel-range-is-accepted", test_only_the_channel_range_is_accepted);
  ADD ("stream-of-both-kinds-is-cut", test_stream_of_both_kinds_is_cut);
  ADD ("too-much-payload-fails", test_too_much_payload_fails);
  return g_test_run ();
}
