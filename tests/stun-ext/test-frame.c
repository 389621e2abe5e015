/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "stun-ext/frame.h"

static void
test_first_octet_says_what_a_frame_holds (void)
{
  g_assert_cmpint (stun_ext_frame_kind (NULL, 0), ==, STUN_EXT_FRAME_NULL);
  for (guint first = 0; first < 256; first++) {
    guint8 octet = (guint8)first;
    StunExtFrameKind kind = stun_ext_frame_kind (&octet, 1);
    StunExtFrameKind wanted = STUN_EXT_FRAME_UNKNOWN;

    if (first <= 0x03)
      wanted = STUN_EXT_FRAME_STUN;
    else if (first >= 0x40 && first <= 0x4F)
      wanted = STUN_EXT_FRAME_IPV4;
    else if (first >= 0x60 && first <= 0x6F)
      wanted = STUN_EXT_FRAME_IPV6;
    else if (first == 0xBE)
      wanted = STUN_EXT_FRAME_CONTROL;
    else if (first >= 0x80 && first != 0xFE)
      wanted = STUN_EXT_FRAME_COMPACT;
    g_assert_cmpint (kind, ==, wanted);
  }
}

static void
test_feedback_counts_all_but_stun_control_and_null (void)
{
  for (guint kind = 0; kind < STUN_EXT_FRAME_KINDS; kind++)
    g_assert_cmpint (stun_ext_frame_is_counted (kind), ==,
                     kind != STUN_EXT_FRAME_STUN && kind != STUN_EXT_FRAME_CONTROL &&
                         kind != STUN_EXT_FRAME_NULL);
}

static void
test_control_type_is_the_second_octet (void)
{
  static const guint8 body[] = { 0xBE, 0x01, 0x55 };

  g_assert_cmpuint (stun_ext_frame_control_type (body, 1), ==, STUN_EXT_CONTROL_NONE);
  g_assert_cmpuint (stun_ext_frame_control_type (body, 2), ==, STUN_EXT_CONTROL_FEEDBACK);
}

typedef struct {
  const char *name;
  StunExtCompactFrame frame;
  const char *wire;
  gsize length;
} Sample;

#define PAYLOAD(text) .payload = (const guint8 *)(text), .length = sizeof (text) - 1
#define WIRE(text) .wire = (text), .length = sizeof (text) - 1

/* clang-format off */
static const Sample samples[] = {
  { "empty payload", { .flow = 0, .time = 0, .sequence = 0 },
    WIRE ("\x00\x04" "\x80\x00\x00\x00") },
  { "voice", { .flow = 5, .time = 0x7f, .sequence = 0x1234, PAYLOAD ("abc") },
    WIRE ("\x00\x07" "\x85\x7f\x12\x34" "abc") },
  { "last short flow", { .flow = 61, .time = 255, .sequence = 65535, PAYLOAD ("a") },
    WIRE ("\x00\x05" "\xbd\xff\xff\xff" "a") },
  { "first long flow", { .flow = 62, .time = 1, .sequence = 2, PAYLOAD ("a") },
    WIRE ("\x00\x07" "\xbf\x01\x00\x02" "\x00\x3e" "a") },
  { "last long flow", { .flow = 65535, .time = 1, .sequence = 2 },
    WIRE ("\x00\x06" "\xbf\x01\x00\x02" "\xff\xff") },
  { "previous packet repeated",
    { .flow = 3, .time = 9, .sequence = 7, .n_blocks = 1,
      .blocks = { { .distance = 1, PAYLOAD ("old") } }, PAYLOAD ("new") },
    WIRE ("\x00\x0e" "\xc3\x09\x00\x07" "\x01" "\x01\x00\x03" "old" "new") },
  { "three repeated, one of them empty, long flow",
    { .flow = 1000, .time = 9, .sequence = 7, .n_blocks = 3,
      .blocks = { { .distance = 3, PAYLOAD ("xyz") }, { .distance = 255, PAYLOAD ("") },
                  { .distance = 1, PAYLOAD ("q") } } },
    WIRE ("\x00\x14" "\xff\x09\x00\x07" "\x03\xe8" "\x03" "\x03\x00\x03" "\xff\x00\x00" "\x01\x00\x01"
          "xyz" "q") },
};
/* clang-format on */

static void
assert_same (const StunExtCompactFrame *a, const StunExtCompactFrame *b)
{
  g_assert_cmpuint (a->flow, ==, b->flow);
  g_assert_cmpuint (a->time, ==, b->time);
  g_assert_cmpuint (a->sequence, ==, b->sequence);
  g_assert_cmpuint (a->n_blocks, ==, b->n_blocks);
  for (guint i = 0; i < a->n_blocks; i++) {
    g_assert_cmpuint (a->blocks[i].distance, ==, b->blocks[i].distance);
    g_assert_cmpmem (a->blocks[i].payload, a->blocks[i].length, b->blocks[i].payload,
                     b->blocks[i].length);
  }
  g_assert_cmpmem (a->payload, a->length, b->payload, b->length);
}

static void
test_compact_frames_are_written_as_specified (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (samples); i++) {
    const StunExtCompactFrame *frame = &samples[i].frame;
    guint8 buffer[64];
    StunExtWriter writer;

    g_test_message ("%s", samples[i].name);
    stun_ext_writer_init (&writer, buffer, sizeof buffer);
    stun_ext_compact_write (&writer, frame);
    g_assert_false (writer.failed);
    g_assert_cmpmem (buffer, writer.length, samples[i].wire, samples[i].length);
    g_assert_cmpuint (stun_ext_compact_overhead (frame) + frame->length, ==, samples[i].length);

    stun_ext_writer_init (&writer, buffer, sizeof buffer);
    stun_ext_compact_write_header (&writer, frame);
    g_assert_cmpmem (buffer, writer.length, samples[i].wire, samples[i].length - frame->length);
  }
}

static void
test_compact_frames_are_read_as_specified (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (samples); i++) {
    StunExtCompactFrame frame;

    g_test_message ("%s", samples[i].name);
    g_assert_true (stun_ext_compact_parse ((const guint8 *)samples[i].wire + 2,
                                           samples[i].length - 2, &frame));
    assert_same (&frame, &samples[i].frame);
  }
}

static void
test_common_overhead_is_six_octets (void)
{
  const StunExtCompactFrame frame = { .flow = 61 };

  g_assert_cmpuint (stun_ext_compact_overhead (&frame), ==, 6);
}

/* The payload may be cut, for it fills what is left; nothing in front of it may. */
static void
test_every_truncation_of_a_header_is_refused (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (samples); i++) {
    gsize whole = samples[i].length - 2;

    for (gsize length = 0; length < whole; length++) {
      g_autofree guint8 *body = g_memdup2 (samples[i].wire + 2, length);
      StunExtCompactFrame frame;

      g_assert_cmpint (stun_ext_compact_parse (body, length, &frame), ==,
                       length >= whole - samples[i].frame.length);
    }
  }
}

static void
test_every_short_buffer_is_refused (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (samples); i++)
    for (gsize room = 0; room < samples[i].length; room++) {
      g_autofree guint8 *buffer = g_malloc (MAX (room, 1));
      StunExtWriter writer;

      stun_ext_writer_init (&writer, buffer, room);
      stun_ext_compact_write (&writer, &samples[i].frame);
      g_assert_true (writer.failed);
    }
}

static void
test_frames_that_break_a_rule_are_refused (void)
{
  /* clang-format off */
  static const Sample bad[] = {
    { "not compact", { 0 }, WIRE ("\x00\x00\x00\x00") },
    { "control", { 0 }, WIRE ("\xbe\x01\x00\x00") },
    { "control with redundancy", { 0 }, WIRE ("\xfe\x01\x00\x00\x01\x01\x00\x00") },
    { "long form of a short flow", { 0 }, WIRE ("\xbf\x00\x00\x00\x00\x3d") },
    { "no repetition", { 0 }, WIRE ("\xc0\x00\x00\x00\x00") },
    { "four repetitions", { 0 }, WIRE ("\xc0\x00\x00\x00\x04\x01\x00\x00\x02\x00\x00\x03\x00\x00\x04\x00\x00") },
    { "distance 0", { 0 }, WIRE ("\xc0\x00\x00\x00\x01\x00\x00\x00") },
    { "size larger than the frame", { 0 }, WIRE ("\xc0\x00\x00\x00\x01\x01\x00\x02" "a") },
    { "sizes that overflow 16 bits", { 0 }, WIRE ("\xc0\x00\x00\x00\x02\x01\xff\xff\x02\x00\x01" "a") },
  };
  /* clang-format on */

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    StunExtCompactFrame frame;

    g_test_message ("%s", bad[i].name);
    g_assert_false (stun_ext_compact_parse ((const guint8 *)bad[i].wire, bad[i].length, &frame));
  }
}

static void
test_what_cannot_be_expressed_is_not_written (void)
{
  g_autofree guint8 *payload = g_malloc0 (70000);
  g_autofree guint8 *buffer = g_malloc (80000);
  const StunExtCompactFrame bad[] = {
    { .payload = payload, .length = 65532 },
    { .payload = payload, .length = 70000 },
    { .n_blocks = 4 },
    { .n_blocks = 1, .blocks = { { .distance = 0 } } },
    { .n_blocks = 1, .blocks = { { .distance = 1, .payload = payload, .length = 65536 } } },
    { .n_blocks = 2,
      .blocks = { { .distance = 1, .payload = payload, .length = 40000 },
                  { .distance = 2, .payload = payload, .length = 40000 } } },
  };
  const StunExtCompactFrame longest = { .payload = payload, .length = 65531 };
  StunExtWriter writer;

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    stun_ext_writer_init (&writer, buffer, 80000);
    stun_ext_compact_write (&writer, &bad[i]);
    g_assert_true (writer.failed);
  }
  stun_ext_writer_init (&writer, buffer, 80000);
  stun_ext_compact_write (&writer, &longest);
  g_assert_false (writer.failed);
  g_assert_cmpuint (writer.length, ==, 65537);
  stun_ext_writer_init (&writer, buffer, 80000);
  stun_ext_frame_write (&writer, payload, 65535);
  g_assert_false (writer.failed);
  stun_ext_writer_init (&writer, buffer, 80000);
  stun_ext_frame_write (&writer, payload, 65536);
  g_assert_true (writer.failed);
}

static void
test_random_frames_are_read_as_they_were_written (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  guint8 octets[256];
  guint8 buffer[2048];

  for (gsize i = 0; i < sizeof octets; i++)
    octets[i] = (guint8)i;
  for (guint round = 0; round < 20000; round++) {
    StunExtCompactFrame frame = { .time = (guint8)g_rand_int (rand),
                                  .sequence = (guint16)g_rand_int (rand),
                                  .n_blocks = (guint8)g_rand_int_range (rand, 0, 4),
                                  .payload = octets,
                                  .length = (gsize)g_rand_int_range (rand, 0, 256) };
    StunExtCompactFrame again;
    StunExtWriter writer;

    frame.flow = (guint16)g_rand_int_range (rand, 0, g_rand_boolean (rand) ? 62 : 65536);
    for (guint i = 0; i < frame.n_blocks; i++)
      frame.blocks[i] = (StunExtFrameBlock){ .distance = (guint8)g_rand_int_range (rand, 1, 256),
                                             .payload = &octets[i],
                                             .length = (gsize)g_rand_int_range (rand, 0, 200) };
    stun_ext_writer_init (&writer, buffer, sizeof buffer);
    stun_ext_compact_write (&writer, &frame);
    g_assert_false (writer.failed);
    g_assert_cmpuint (writer.length, ==, (gsize)(buffer[0] << 8 | buffer[1]) + 2);
    g_assert_cmpint (stun_ext_frame_kind (&buffer[2], 1), ==, STUN_EXT_FRAME_COMPACT);
    g_assert_true (stun_ext_compact_parse (&buffer[2], writer.length - 2, &again));
    assert_same (&frame, &again);
  }
}

static void
test_random_octets_end_inside_the_frame (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (4);

  for (guint round = 0; round < 50000; round++) {
    gsize length = (gsize)g_rand_int_range (rand, 0, 40);
    g_autofree guint8 *body = g_malloc (MAX (length, 1));
    StunExtCompactFrame frame;

    for (gsize i = 0; i < length; i++)
      body[i] = (guint8)g_rand_int_range (rand, 0, g_rand_boolean (rand) ? 4 : 256);
    if (length > 0)
      body[0] |= 0x80;
    if (!stun_ext_compact_parse (body, length, &frame))
      continue;
    g_assert_cmpuint (stun_ext_compact_overhead (&frame) + frame.length, ==, length + 2);
    g_assert_true (frame.payload + frame.length == body + length);
  }
}

#define ADD(name, function) g_test_add_func ("/stun-ext/frame/" name, function)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("first-octet-says-what-a-frame-holds", test_first_octet_says_what_a_frame_holds);
  ADD ("feedback-counts-all-but-stun-control-and-null",
       test_feedback_counts_all_but_stun_control_and_null);
  ADD ("control-type-is-the-second-octet", test_control_type_is_the_second_octet);
  ADD ("compact-frames-are-written-as-specified", test_compact_frames_are_written_as_specified);
  ADD ("compact-frames-are-read-as-specified", test_compact_frames_are_read_as_specified);
  ADD ("common-overhead-is-six-octets", test_common_overhead_is_six_octets);
  ADD ("every-truncation-of-a-header-is-refused", test_every_truncation_of_a_header_is_refused);
  ADD ("every-short-buffer-is-refused", test_every_short_buffer_is_refused);
  ADD ("frames-that-break-a-rule-are-refused", test_frames_that_break_a_rule_are_refused);
  ADD ("what-cannot-be-expressed-is-not-written", test_what_cannot_be_expressed_is_not_written);
  ADD ("random-frames-are-read-as-they-were-written",
       test_random_frames_are_read_as_they_were_written);
  ADD ("random-octets-end-inside-the-frame", test_random_octets_end_inside_the_frame);
  return g_test_run ();
}
