/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* However the octets are cut into pushes, and wherever the connection is handed over, the frames
 * are the same. */
#include <string.h>

#include "fuzz.h"
#include "stun-ext/channel-data.h"
#include "stun-ext/stream.h"

typedef struct {
  GByteArray *said; /* each frame behind its length */
  StunExtStreamVerdict end;
} Outcome;

static void
note (GByteArray *said, const guint8 *body, gsize length)
{
  guint32 n = (guint32)length;

  g_byte_array_append (said, (const guint8 *)&n, sizeof n);
  if (length > 0)
    g_byte_array_append (said, body, (guint)length);
}

/* A unit of TURN that is cut out can be read, and written again. */
static void
check_channel_data (const guint8 *body, gsize length)
{
  g_autofree guint8 *again = g_malloc (length + 1);
  StunExtChannelData unit;
  StunExtWriter writer;

  if (!stun_ext_channel_data_parse (&unit, body, length))
    return;
  g_assert_cmpuint (unit.payload.length + 4, <=, length);
  stun_ext_writer_init (&writer, again, length);
  stun_ext_channel_data_write (&writer, unit.channel, unit.payload.data, unit.payload.length,
                               FALSE);
  g_assert_false (writer.failed);
  g_assert_cmpmem (again, writer.length, body, unit.payload.length + 4);
}

static Outcome
cut (StunExtFraming framing, guint32 limit, FuzzInput wire, guint step, guint hand_over)
{
  Outcome outcome = { g_byte_array_new (), STUN_EXT_STREAM_NEED_MORE };
  StunExtStream stream;
  guint n_frames = 0;

  stun_ext_stream_init (&stream, framing, limit);
  while (wire.length > 0 && outcome.end == STUN_EXT_STREAM_NEED_MORE) {
    gsize n = step > 0 ? MIN (step, wire.length) : wire.length;
    g_autofree guint8 *piece = g_memdup2 (wire.data, n);
    const guint8 *body;
    gsize length;

    stun_ext_stream_push (&stream, piece, n);
    wire.data += n;
    wire.length -= n;
    while ((outcome.end = stun_ext_stream_next (&stream, &body, &length)) ==
           STUN_EXT_STREAM_FRAME) {
      if (++n_frames == hand_over) {
        g_autoptr (GBytes) rest = NULL;
        StunExtStream other;

        stun_ext_stream_put_back (&stream);
        rest = stun_ext_stream_take_unread (&stream);
        stun_ext_stream_init (&other, framing, limit);
        stun_ext_stream_push (&other, g_bytes_get_data (rest, NULL), g_bytes_get_size (rest));
        while ((outcome.end = stun_ext_stream_next (&other, &body, &length)) ==
               STUN_EXT_STREAM_FRAME)
          note (outcome.said, body, length);
        stream = other;
        break;
      }
      check_channel_data (body, length);
      note (outcome.said, body, length);
    }
  }
  g_assert_cmpuint (stream.stash_capacity, <=, limit + 8);
  stun_ext_stream_clear (&stream);
  return outcome;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  FuzzInput input = { data, length };
  StunExtFraming framing = fuzz_u8 (&input) % 3;
  guint32 limit = 20u + fuzz_u8 (&input) * 8u;
  guint step = fuzz_u8 (&input);
  guint hand_over = fuzz_u8 (&input);
  Outcome whole = cut (framing, limit, input, 0, 0);
  Outcome pieces = cut (framing, limit, input, step, 0);
  Outcome handed = cut (framing, limit, input, step, hand_over);

  g_assert_cmpint (whole.end, ==, pieces.end);
  g_assert_cmpmem (whole.said->data, whole.said->len, pieces.said->data, pieces.said->len);
  g_assert_cmpint (whole.end, ==, handed.end);
  g_assert_cmpmem (whole.said->data, whole.said->len, handed.said->data, handed.said->len);
  g_byte_array_unref (whole.said);
  g_byte_array_unref (pieces.said);
  g_byte_array_unref (handed.said);
  return 0;
}
