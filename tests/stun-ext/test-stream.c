/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "stun-ext/stream.h"

typedef struct {
  const char *name;
  StunExtFraming framing;
  guint32 limit;
  const char *wire;   /* hexadecimal */
  const char *frames; /* what is handed out, each ended by '.', then how the stream ends */
} Row;

static const Row rows[] = {
  { "nothing", STUN_EXT_FRAMING_RFC4571, 2048, "", "more" },
  { "one frame", STUN_EXT_FRAMING_RFC4571, 2048, "0003aabbcc", "aabbcc.more" },
  { "null frame", STUN_EXT_FRAMING_RFC4571, 2048, "0000", ".more" },
  { "null frames between frames", STUN_EXT_FRAMING_RFC4571, 2048, "00000001aa000000000002bbcc0000",
    ".aa...bbcc..more" },
  { "half a length", STUN_EXT_FRAMING_RFC4571, 2048, "0001aa00", "aa.more" },
  { "half a frame", STUN_EXT_FRAMING_RFC4571, 2048, "0001aa0005bbcc", "aa.more" },
  { "as long as the limit", STUN_EXT_FRAMING_RFC4571, 3, "0003aabbcc0001dd", "aabbcc.dd.more" },
  { "longer than the limit", STUN_EXT_FRAMING_RFC4571, 3, "0001aa0004bbccddee", "aa.long" },
  { "longest length, nothing behind it", STUN_EXT_FRAMING_RFC4571, 2048, "ffff", "long" },
  { "two bare messages", STUN_EXT_FRAMING_STUN, 2048,
    "000100002112a442000102030405060708090a0b"
    "000100042112a442000102030405060708090a0bdeadbeef",
    "000100002112a442000102030405060708090a0b."
    "000100042112a442000102030405060708090a0bdeadbeef.more" },
  { "length no multiple of four", STUN_EXT_FRAMING_STUN, 2048, "00010001", "foreign" },
  { "another cookie", STUN_EXT_FRAMING_STUN, 2048, "000100002112a443", "foreign" },
  { "no STUN", STUN_EXT_FRAMING_STUN, 2048, "47455420", "foreign" },
  { "ChannelData where there is none", STUN_EXT_FRAMING_STUN, 2048, "40000000", "foreign" },
  { "bare message longer than the limit", STUN_EXT_FRAMING_STUN, 20, "000100042112a442", "long" },
  { "ChannelData and STUN", STUN_EXT_FRAMING_TURN, 2048,
    "40010005112233445500000040020000"
    "000100002112a442000102030405060708090a0b"
    "4fff0004aabbccdd",
    "400100051122334455000000.40020000.000100002112a442000102030405060708090a0b."
    "4fff0004aabbccdd.more" },
  { "ChannelData waits for its padding", STUN_EXT_FRAMING_TURN, 2048, "4001000511223344550000",
    "more" },
  { "channel numbers that are reserved", STUN_EXT_FRAMING_TURN, 2048, "50000000", "foreign" },
};

static GByteArray *
from_hex (const char *hex)
{
  GByteArray *octets = g_byte_array_sized_new (1);

  for (gsize i = 0; hex[i] != '\0'; i += 2) {
    guint8 octet = (guint8)(g_ascii_xdigit_value (hex[i]) << 4 | g_ascii_xdigit_value (hex[i + 1]));

    g_byte_array_append (octets, &octet, 1);
  }
  return octets;
}

/* Takes out what can be had and says how it ended. */
static StunExtStreamVerdict
read_all (StunExtStream *stream, GString *said)
{
  const guint8 *body;
  gsize length;
  StunExtStreamVerdict verdict;

  while ((verdict = stun_ext_stream_next (stream, &body, &length)) == STUN_EXT_STREAM_FRAME) {
    for (gsize i = 0; i < length; i++)
      g_string_append_printf (said, "%02x", body[i]);
    g_string_append_c (said, '.');
  }
  return verdict;
}

static const char *const ends[] = { [STUN_EXT_STREAM_NEED_MORE] = "more",
                                    [STUN_EXT_STREAM_TOO_LONG] = "long",
                                    [STUN_EXT_STREAM_FOREIGN] = "foreign" };

/* Pushes pieces of the wire, each in memory of exactly its size. */
static StunExtStreamVerdict
push_piece (StunExtStream *stream, const guint8 *data, gsize length, GString *said)
{
  g_autofree guint8 *exact = g_memdup2 (data, length);

  stun_ext_stream_push (stream, exact, length);
  return read_all (stream, said);
}

static void
test_frames_are_the_same_at_every_split (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GByteArray) wire = from_hex (rows[i].wire);

    for (gsize first = 0; first <= wire->len; first++)
      for (gsize second = first; second <= wire->len; second++) {
        StunExtStream stream;
        g_autoptr (GString) said = g_string_new (NULL);
        StunExtStreamVerdict verdict;

        stun_ext_stream_init (&stream, rows[i].framing, rows[i].limit);
        verdict = push_piece (&stream, wire->data, first, said);
        if (verdict == STUN_EXT_STREAM_NEED_MORE)
          verdict = push_piece (&stream, wire->data + first, second - first, said);
        if (verdict == STUN_EXT_STREAM_NEED_MORE)
          verdict = push_piece (&stream, wire->data + second, wire->len - second, said);
        g_string_append (said, ends[verdict]);
        g_test_message ("%s, split at %zu and %zu", rows[i].name, first, second);
        g_assert_cmpstr (said->str, ==, rows[i].frames);
        stun_ext_stream_clear (&stream);
      }
  }
}

static void
test_octet_by_octet_gives_the_same (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GByteArray) wire = from_hex (rows[i].wire);
    StunExtStream stream;
    g_autoptr (GString) said = g_string_new (NULL);
    StunExtStreamVerdict verdict = STUN_EXT_STREAM_NEED_MORE;

    stun_ext_stream_init (&stream, rows[i].framing, rows[i].limit);
    for (gsize at = 0; at < wire->len && verdict == STUN_EXT_STREAM_NEED_MORE; at++)
      verdict = push_piece (&stream, wire->data + at, 1, said);
    g_string_append (said, ends[verdict]);
    g_test_message ("%s", rows[i].name);
    g_assert_cmpstr (said->str, ==, rows[i].frames);
    stun_ext_stream_clear (&stream);
  }
}

static void
test_whole_frames_are_not_copied (void)
{
  static const guint8 wire[] = { 0, 2, 1, 2, 0, 1, 3 };
  StunExtStream stream;
  const guint8 *body;
  gsize length;

  stun_ext_stream_init (&stream, STUN_EXT_FRAMING_RFC4571, 2048);
  stun_ext_stream_push (&stream, wire, sizeof wire);
  g_assert_cmpint (stun_ext_stream_next (&stream, &body, &length), ==, STUN_EXT_STREAM_FRAME);
  g_assert_true (body == &wire[2]);
  g_assert_cmpuint (length, ==, 2);
  g_assert_cmpint (stun_ext_stream_next (&stream, &body, &length), ==, STUN_EXT_STREAM_FRAME);
  g_assert_true (body == &wire[6]);
  g_assert_cmpint (stun_ext_stream_next (&stream, &body, &length), ==, STUN_EXT_STREAM_NEED_MORE);
  g_assert_null (stream.stash);
}

static void
test_memory_is_held_only_for_half_a_frame (void)
{
  StunExtStream stream;
  g_autoptr (GString) said = g_string_new (NULL);

  stun_ext_stream_init (&stream, STUN_EXT_FRAMING_RFC4571, 2048);
  push_piece (&stream,
              (const guint8 *)"\0\x05"
                              "ab",
              4, said);
  g_assert_nonnull (stream.stash);
  g_assert_cmpuint (stream.stash_capacity, <=, 7);
  push_piece (&stream, (const guint8 *)"cde", 3, said);
  g_assert_null (stream.stash);
  g_assert_cmpstr (said->str, ==, "6162636465.");
  g_assert_cmpuint (sizeof stream, <=, 64);
  stun_ext_stream_clear (&stream);
  stun_ext_stream_clear (&stream);
}

static void
test_limit_grows_when_told (void)
{
  g_autofree guint8 *wire = g_malloc0 (2 + 3000);
  StunExtStream stream;
  g_autoptr (GString) said = g_string_new (NULL);

  wire[0] = 3000 >> 8;
  wire[1] = 3000 & 0xFF;
  stun_ext_stream_init (&stream, STUN_EXT_FRAMING_RFC4571, STUN_EXT_STREAM_LIMIT_UNAUTHENTICATED);
  g_assert_cmpint (push_piece (&stream, wire, 3002, said), ==, STUN_EXT_STREAM_TOO_LONG);
  g_assert_cmpint (push_piece (&stream, wire, 3002, said), ==, STUN_EXT_STREAM_TOO_LONG);
  stun_ext_stream_clear (&stream);
  g_assert_cmpuint (stun_ext_stream_limit (1500), ==, 6064);
  g_assert_cmpuint (stun_ext_stream_limit (100), ==, 2048);
  stun_ext_stream_set_limit (&stream, stun_ext_stream_limit (1500));
  g_assert_cmpint (push_piece (&stream, wire, 3002, said), ==, STUN_EXT_STREAM_NEED_MORE);
  g_assert_cmpuint (said->len, ==, 6001);
  stun_ext_stream_clear (&stream);
}

/* Reads n frames, perhaps puts the last one back, and gives the rest to another stream. */
static void
hand_over (GByteArray *wire, gsize split, guint n, gboolean is_put_back, GString *said)
{
  StunExtStream before, after;
  const guint8 *body;
  gsize length;
  g_autoptr (GBytes) rest = NULL;
  guint frames = 0;

  stun_ext_stream_init (&before, STUN_EXT_FRAMING_RFC4571, 2048);
  stun_ext_stream_init (&after, STUN_EXT_FRAMING_RFC4571, 2048);
  stun_ext_stream_push (&before, wire->data, split);
  while (frames < n && stun_ext_stream_next (&before, &body, &length) == STUN_EXT_STREAM_FRAME)
    frames++;
  if (frames < n) {
    stun_ext_stream_push (&before, wire->data + split, wire->len - split);
    while (frames < n && stun_ext_stream_next (&before, &body, &length) == STUN_EXT_STREAM_FRAME)
      frames++;
    split = wire->len;
  }
  if (is_put_back) {
    stun_ext_stream_put_back (&before);
    stun_ext_stream_put_back (&before);
  }
  rest = stun_ext_stream_take_unread (&before);
  stun_ext_stream_push (&after, g_bytes_get_data (rest, NULL), g_bytes_get_size (rest));
  read_all (&after, said);
  stun_ext_stream_push (&after, wire->data + split, wire->len - split);
  read_all (&after, said);
  stun_ext_stream_clear (&before);
  stun_ext_stream_clear (&after);
}

static void
test_unread_octets_go_to_another_stream (void)
{
  g_autoptr (GByteArray) wire = from_hex ("0001aa0003bbbbbb00000002cccc0001dd");
  static const char *const from[] = {
    "aa.bbbbbb..cccc.dd.", "bbbbbb..cccc.dd.", ".cccc.dd.", "cccc.dd.", "dd.", ""
  };

  for (gsize split = 0; split <= wire->len; split++)
    for (guint n = 0; n < G_N_ELEMENTS (from); n++) {
      g_autoptr (GString) said = g_string_new (NULL);
      g_autoptr (GString) again = g_string_new (NULL);

      g_test_message ("split at %zu, after %u frames", split, n);
      hand_over (wire, split, n, FALSE, said);
      g_assert_cmpstr (said->str, ==, from[n]);
      hand_over (wire, split, n, TRUE, again);
      g_assert_cmpstr (again->str, ==, from[n > 0 ? n - 1 : 0]);
    }
}

static void
test_random_frames_survive_random_pieces (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (4571);

  for (guint round = 0; round < 300; round++) {
    g_autoptr (GByteArray) wire = g_byte_array_new ();
    g_autoptr (GString) wanted = g_string_new (NULL);
    g_autoptr (GString) said = g_string_new (NULL);
    StunExtStream stream;
    gsize at = 0;

    for (guint frames = (guint)g_rand_int_range (rand, 0, 20); frames > 0; frames--) {
      guint8 length = (guint8)g_rand_int_range (rand, 0, 200);

      g_byte_array_append (wire, (const guint8[]){ 0, length }, 2);
      for (guint i = 0; i < length; i++) {
        guint8 octet = (guint8)g_rand_int (rand);

        g_byte_array_append (wire, &octet, 1);
        g_string_append_printf (wanted, "%02x", octet);
      }
      g_string_append_c (wanted, '.');
    }
    stun_ext_stream_init (&stream, STUN_EXT_FRAMING_RFC4571, 200);
    while (at < wire->len) {
      gsize n = MIN ((gsize)g_rand_int_range (rand, 1, 1 << g_rand_int_range (rand, 1, 11)),
                     wire->len - at);

      n = MIN (n, wire->len - at);
      g_assert_cmpint (push_piece (&stream, wire->data + at, n, said), ==,
                       STUN_EXT_STREAM_NEED_MORE);
      at += n;
    }
    g_assert_cmpstr (said->str, ==, wanted->str);
    g_assert_null (stream.stash);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stun-ext/stream/frames-are-the-same-at-every-split",
                   test_frames_are_the_same_at_every_split);
  g_test_add_func ("/stun-ext/stream/octet-by-octet-gives-the-same",
                   test_octet_by_octet_gives_the_same);
  g_test_add_func ("/stun-ext/stream/whole-frames-are-not-copied",
                   test_whole_frames_are_not_copied);
  g_test_add_func ("/stun-ext/stream/memory-is-held-only-for-half-a-frame",
                   test_memory_is_held_only_for_half_a_frame);
  g_test_add_func ("/stun-ext/stream/limit-grows-when-told", test_limit_grows_when_told);
  g_test_add_func ("/stun-ext/stream/unread-octets-go-to-another-stream",
                   test_unread_octets_go_to_another_stream);
  g_test_add_func ("/stun-ext/stream/random-frames-survive-random-pieces",
                   test_random_frames_survive_random_pieces);
  return g_test_run ();
}
