/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/version.h"

G_BEGIN_DECLS

/* Longest frame taken from a peer that has not proven who it is (PROTOCOL.md section 2). */
#define STUN_EXT_STREAM_LIMIT_UNAUTHENTICATED 2048

/**
 * stun_ext_stream_limit:
 * @largest_packet: LARGEST-PACKET of the tunnel, octets of the largest inner packet
 *
 * Returns: octets of the longest frame on an authenticated connection (PROTOCOL.md section 2)
 */
static inline guint32
stun_ext_stream_limit (guint16 largest_packet)
{
  return MAX (STUN_EXT_STREAM_LIMIT_UNAUTHENTICATED, largest_packet * 4u + 64u);
}

/**
 * StunExtFraming:
 * @STUN_EXT_FRAMING_RFC4571: each frame behind its length in 16 bits, which is not part of the
 * frame; length 0 is a frame too
 * @STUN_EXT_FRAMING_STUN: bare STUN messages, which know their own length (RFC 8489 section 6.2.2)
 * @STUN_EXT_FRAMING_TURN: bare STUN messages and ChannelData with its padding, see
 * stun_ext_channel_data_measure()
 *
 * How a byte stream is divided.
 */
typedef enum {
  STUN_EXT_FRAMING_RFC4571,
  STUN_EXT_FRAMING_STUN,
  STUN_EXT_FRAMING_TURN,
} StunExtFraming;

/**
 * StunExtStreamVerdict:
 * @STUN_EXT_STREAM_FRAME: here is a frame
 * @STUN_EXT_STREAM_NEED_MORE: push the next octets
 * @STUN_EXT_STREAM_TOO_LONG: a frame is longer than the limit; close the connection
 * @STUN_EXT_STREAM_FOREIGN: these octets begin nothing that the framing knows; close the connection
 * @STUN_EXT_STREAM_NO_MEMORY: no memory for half a frame; close the connection
 *
 * What stun_ext_stream_next() says. The last three stay.
 */
typedef enum {
  STUN_EXT_STREAM_FRAME,
  STUN_EXT_STREAM_NEED_MORE,
  STUN_EXT_STREAM_TOO_LONG,
  STUN_EXT_STREAM_FOREIGN,
  STUN_EXT_STREAM_NO_MEMORY,
} StunExtStreamVerdict;

/**
 * StunExtStream:
 *
 * Cuts frames out of the octets that arrive on one connection. A frame that lies whole in what was
 * pushed is handed out in place; only the rest behind the last whole frame is copied, and memory is
 * held only while there is such a rest.
 *
 * Embed it; all fields are private. One thread at a time.
 *
 *     stun_ext_stream_push (&stream, buffer, n);
 *     while (stun_ext_stream_next (&stream, &body, &length) == STUN_EXT_STREAM_FRAME)
 *       ...
 */
typedef struct {
  const guint8 *pushed; /* borrowed from the caller until the loop has ended */
  gsize pushed_length;
  gsize pushed_at;
  guint8 *stash; /* begin of a frame whose end has not arrived */
  guint32 stash_length;
  guint32 stash_capacity;
  guint32 limit;
  guint32 last_whole; /* octets on the wire of the frame handed out last, 0 if none */
  guint8 framing;
  guint8 failure; /* a StunExtStreamVerdict that stays, or 0 */
  guint8 is_stash_out;
} StunExtStream;

/**
 * stun_ext_stream_init:
 * @stream: (out): the stream to set up; no memory is allocated
 * @framing: how the stream is divided
 * @limit: octets of the longest frame to accept, LENGTH or STUN header included as handed out
 */
STUN_EXT_API void
stun_ext_stream_init (StunExtStream *stream, StunExtFraming framing, guint32 limit);

/**
 * stun_ext_stream_clear:
 * @stream: the stream
 *
 * Frees what the stream holds. May be repeated; afterwards the stream is as after
 * stun_ext_stream_init().
 */
STUN_EXT_API void stun_ext_stream_clear (StunExtStream *stream);

/**
 * stun_ext_stream_set_limit:
 * @stream: the stream
 * @limit: octets of the longest frame from now on
 */
STUN_EXT_API void stun_ext_stream_set_limit (StunExtStream *stream, guint32 limit);

/**
 * stun_ext_stream_push:
 * @stream: the stream, whose last push has been read to its end
 * @data: (nullable) (array length=length): what arrived; must stay as it is until
 * stun_ext_stream_next() has said something other than %STUN_EXT_STREAM_FRAME
 * @length: number of octets
 */
STUN_EXT_API void stun_ext_stream_push (StunExtStream *stream, const void *data, gsize length);

/**
 * stun_ext_stream_next:
 * @stream: the stream
 * @body: (out) (transfer none): the frame without its RFC 4571 length, inside what was pushed or
 * inside the stream; until the next call of any function here. Untouched unless there is a frame
 * @length: (out): octets of @body, 0 or more
 *
 * Returns: %STUN_EXT_STREAM_FRAME, or why there is none
 */
STUN_EXT_API StunExtStreamVerdict stun_ext_stream_next (StunExtStream *stream,
                                                        const guint8 **body,
                                                        gsize *length);

/**
 * stun_ext_stream_put_back:
 * @stream: the stream
 *
 * Makes the frame that was handed out last the next one again, so that whoever takes the connection
 * over reads it too. Does nothing if no frame has been handed out since the last push ended.
 */
STUN_EXT_API void stun_ext_stream_put_back (StunExtStream *stream);

/**
 * stun_ext_stream_take_unread:
 * @stream: the stream; afterwards it holds nothing
 *
 * Gives every octet back that arrived and was not handed out, for another thread's stream or
 * another protocol.
 *
 * Returns: (transfer full) (nullable): the octets, perhaps none; %NULL without memory, and then the
 * stream is unchanged
 */
STUN_EXT_API GBytes *stun_ext_stream_take_unread (StunExtStream *stream);

G_END_DECLS
