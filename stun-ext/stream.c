/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* TCP delivers octets, not frames: a read may end anywhere, and a peer may stop in the middle of a
 * frame for ever. This unit finds the frames, copies only what a read left unfinished, and holds no
 * memory for a connection at rest. */
#include "stun-ext/stream.h"

#include <string.h>

#include "stun-ext/channel-data.h"
#include "stun-ext/message.h"
#include "stun-ext/octets.h"

#define RFC4571_HEADER 2
#define STUN_COOKIE_END 8     /* type, length and magic cookie, RFC 8489 section 5 */
#define CHANNEL_DATA_HEADER 4 /* RFC 8656 section 12.4 */

/* Where a frame lies, measured from the first octet of its header. */
typedef struct {
  gsize header; /* octets that must be there before more is known */
  gsize whole;  /* 0 if not yet known */
  gsize body_at;
  gsize body_length;
  StunExtStreamVerdict failure;
} Extent;

void
stun_ext_stream_init (StunExtStream *stream, StunExtFraming framing, guint32 limit)
{
  *stream = (StunExtStream){ .framing = (guint8)framing, .limit = limit };
}

void
stun_ext_stream_clear (StunExtStream *stream)
{
  g_free (stream->stash);
  stun_ext_stream_init (stream, stream->framing, stream->limit);
}

void
stun_ext_stream_set_limit (StunExtStream *stream, guint32 limit)
{
  stream->limit = limit;
}

void
stun_ext_stream_push (StunExtStream *stream, const void *data, gsize length)
{
  g_return_if_fail (stream->pushed_at == stream->pushed_length);
  g_return_if_fail (data != NULL || length == 0);

  stream->pushed = data;
  stream->pushed_length = length;
  stream->pushed_at = 0;
}

static void
measure_bare (StunExtFraming framing, const guint8 *octets, gsize length, Extent *extent)
{
  gboolean is_channel = framing == STUN_EXT_FRAMING_TURN && length > 0 && octets[0] >= 0x40;
  StunExtParse result = is_channel ? stun_ext_channel_data_measure (octets, length, &extent->whole)
                                   : stun_ext_message_measure (octets, length, &extent->whole);

  extent->body_length = extent->whole;
  if (result == STUN_EXT_PARSE_NOT_STUN)
    extent->failure = STUN_EXT_STREAM_FOREIGN;
  else if (is_channel)
    extent->header = CHANNEL_DATA_HEADER;
  else
    extent->header = length > 0 ? STUN_COOKIE_END : 1;
}

static inline Extent
measure (const StunExtStream *stream, const guint8 *octets, gsize length)
{
  Extent extent = { .header = RFC4571_HEADER };

  if (stream->framing != STUN_EXT_FRAMING_RFC4571) {
    measure_bare (stream->framing, octets, length, &extent);
  } else if (length >= RFC4571_HEADER) {
    extent.body_at = RFC4571_HEADER;
    extent.body_length = stun_ext_octets_u16 (octets, 0);
    extent.whole = extent.body_at + extent.body_length;
  }
  if (extent.body_length > stream->limit)
    extent.failure = STUN_EXT_STREAM_TOO_LONG;
  return extent;
}

static StunExtStreamVerdict
fail (StunExtStream *stream, StunExtStreamVerdict failure)
{
  stream->failure = (guint8)failure;
  stream->pushed = NULL;
  stream->pushed_length = stream->pushed_at = 0;
  stream->last_whole = 0;
  return failure;
}

/* Moves octets from what was pushed to the stash until it holds so many, or nothing is left. */
static gboolean
fill_stash (StunExtStream *stream, gsize wanted)
{
  gsize n = MIN (wanted - stream->stash_length, stream->pushed_length - stream->pushed_at);

  if (wanted > stream->stash_capacity) {
    guint8 *stash = g_try_realloc (stream->stash, wanted);

    if (stash == NULL)
      return FALSE;
    stream->stash = stash;
    stream->stash_capacity = (guint32)wanted;
  }
  if (n > 0)
    memcpy (&stream->stash[stream->stash_length], &stream->pushed[stream->pushed_at], n);
  stream->stash_length += (guint32)n;
  stream->pushed_at += n;
  return TRUE;
}

/* Nothing is left of the last push: give it back, and the stash with it unless half a frame is in
 * there. */
static StunExtStreamVerdict
end_push (StunExtStream *stream)
{
  stream->pushed = NULL;
  stream->pushed_length = stream->pushed_at = 0;
  stream->last_whole = 0;
  if (stream->stash_length == 0) {
    g_clear_pointer (&stream->stash, g_free);
    stream->stash_capacity = 0;
  }
  return STUN_EXT_STREAM_NEED_MORE;
}

/* A frame that began in an earlier push, or whose end this push does not hold. */
static StunExtStreamVerdict
next_from_stash (StunExtStream *stream, const guint8 **body, gsize *length)
{
  Extent extent = measure (stream, stream->stash, stream->stash_length);
  gsize wanted;

  while (extent.whole == 0 && extent.failure == 0) {
    if (!fill_stash (stream, extent.header))
      return fail (stream, STUN_EXT_STREAM_NO_MEMORY);
    wanted = extent.header;
    extent = measure (stream, stream->stash, stream->stash_length);
    if (stream->stash_length < wanted && extent.failure == 0)
      return end_push (stream);
  }
  if (extent.failure != 0)
    return fail (stream, extent.failure);
  if (!fill_stash (stream, extent.whole))
    return fail (stream, STUN_EXT_STREAM_NO_MEMORY);
  if (stream->stash_length < extent.whole)
    return end_push (stream);

  stream->is_stash_out = TRUE;
  stream->last_whole = (guint32)extent.whole;
  *body = &stream->stash[extent.body_at];
  *length = extent.body_length;
  return STUN_EXT_STREAM_FRAME;
}

StunExtStreamVerdict
stun_ext_stream_next (StunExtStream *stream, const guint8 **body, gsize *length)
{
  const guint8 *rest;
  gsize n = stream->pushed_length - stream->pushed_at;
  Extent extent;

  if (stream->failure != 0)
    return stream->failure;
  if (stream->is_stash_out) {
    stream->is_stash_out = FALSE;
    stream->stash_length = 0;
  }
  if (stream->stash_length > 0)
    return next_from_stash (stream, body, length);
  if (n == 0)
    return end_push (stream);

  rest = &stream->pushed[stream->pushed_at];
  extent = measure (stream, rest, n);
  if (extent.failure != 0)
    return fail (stream, extent.failure);
  if (extent.whole == 0 || extent.whole > n)
    return next_from_stash (stream, body, length);

  stream->pushed_at += extent.whole;
  stream->last_whole = (guint32)extent.whole;
  *body = &rest[extent.body_at];
  *length = extent.body_length;
  return STUN_EXT_STREAM_FRAME;
}

void
stun_ext_stream_put_back (StunExtStream *stream)
{
  if (stream->is_stash_out)
    stream->is_stash_out = FALSE;
  else
    stream->pushed_at -= stream->last_whole;
  stream->last_whole = 0;
}

GBytes *
stun_ext_stream_take_unread (StunExtStream *stream)
{
  gsize stashed = stream->is_stash_out ? 0 : stream->stash_length;
  gsize rest = stream->pushed_length - stream->pushed_at;
  guint8 *octets = g_try_malloc (stashed + rest + 1);

  if (octets == NULL)
    return NULL;
  if (stashed > 0)
    memcpy (octets, stream->stash, stashed);
  if (rest > 0)
    memcpy (&octets[stashed], &stream->pushed[stream->pushed_at], rest);
  stun_ext_stream_clear (stream);
  return g_bytes_new_take (octets, stashed + rest);
}
