/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/version.h"
#include "stun-ext/writer.h"

G_BEGIN_DECLS

#define STUN_EXT_FRAME_LENGTH_SIZE 2     /* the RFC 4571 length in front of a frame */
#define STUN_EXT_FRAME_FLOW_CONTROL 62   /* PROTOCOL.md section 4 */
#define STUN_EXT_FRAME_FLOW_EXTENDED 63  /* a 16-bit flow id follows */
#define STUN_EXT_FRAME_SHORT_FLOW_MAX 61 /* the last flow id that costs nothing */
#define STUN_EXT_FRAME_BLOCKS_MAX 3
#define STUN_EXT_FRAME_TIME_UNIT_MS 8

/* Octets in front of the payload of a compact frame, at most: length, fixed part, extended flow,
 * count, blocks. */
#define STUN_EXT_COMPACT_HEADER_MAX (2 + 4 + 2 + 1 + 3 * STUN_EXT_FRAME_BLOCKS_MAX)

/**
 * StunExtFrameKind:
 * @STUN_EXT_FRAME_NULL: LENGTH 0; nothing to do
 * @STUN_EXT_FRAME_STUN: a STUN message; the only kind before the tunnel is open
 * @STUN_EXT_FRAME_IPV4: a whole IPv4 packet
 * @STUN_EXT_FRAME_IPV6: a whole IPv6 packet
 * @STUN_EXT_FRAME_COMPACT: a compact frame
 * @STUN_EXT_FRAME_CONTROL: a control frame
 * @STUN_EXT_FRAME_UNKNOWN: to be dropped and counted
 *
 * What the first octet of a frame says (PROTOCOL.md section 2).
 */
typedef enum {
  STUN_EXT_FRAME_NULL,
  STUN_EXT_FRAME_STUN,
  STUN_EXT_FRAME_IPV4,
  STUN_EXT_FRAME_IPV6,
  STUN_EXT_FRAME_COMPACT,
  STUN_EXT_FRAME_CONTROL,
  STUN_EXT_FRAME_UNKNOWN,
} StunExtFrameKind;

#define STUN_EXT_FRAME_KINDS (STUN_EXT_FRAME_UNKNOWN + 1)

/**
 * StunExtControl:
 * @STUN_EXT_CONTROL_NONE: no type is there
 * @STUN_EXT_CONTROL_FEEDBACK: FEEDBACK, see stun_ext_feedback_parse()
 *
 * Types of control frames that are known; others may come and are dropped and counted.
 */
typedef enum {
  STUN_EXT_CONTROL_NONE = 0,
  STUN_EXT_CONTROL_FEEDBACK = 1,
} StunExtControl;

/**
 * stun_ext_frame_kind:
 * @body: (nullable) (array length=length): the frame
 * @length: its octets
 *
 * Returns: what the frame holds, judged by its first octet
 */
static inline StunExtFrameKind
stun_ext_frame_kind (const guint8 *body, gsize length)
{
  if (length == 0)
    return STUN_EXT_FRAME_NULL;
  if (body[0] >= 0x80) {
    if ((body[0] & 0x3F) != STUN_EXT_FRAME_FLOW_CONTROL)
      return STUN_EXT_FRAME_COMPACT;
    return (body[0] & 0x40) == 0 ? STUN_EXT_FRAME_CONTROL : STUN_EXT_FRAME_UNKNOWN;
  }
  if (body[0] <= 0x03)
    return STUN_EXT_FRAME_STUN;
  if (body[0] >> 4 == 4)
    return STUN_EXT_FRAME_IPV4;
  if (body[0] >> 4 == 6)
    return STUN_EXT_FRAME_IPV6;
  return STUN_EXT_FRAME_UNKNOWN;
}

/**
 * stun_ext_frame_is_counted:
 * @kind: what a frame holds
 *
 * Returns: whether FEEDBACK counts the frame: all but STUN, control and null frames
 */
static inline gboolean
stun_ext_frame_is_counted (StunExtFrameKind kind)
{
  return kind != STUN_EXT_FRAME_STUN && kind != STUN_EXT_FRAME_CONTROL &&
         kind != STUN_EXT_FRAME_NULL;
}

/**
 * stun_ext_frame_control_type:
 * @body: (array length=length): a control frame
 * @length: its octets
 *
 * Returns: its type, a #StunExtControl or one that is not known
 */
static inline guint8
stun_ext_frame_control_type (const guint8 *body, gsize length)
{
  return length > 1 ? body[1] : STUN_EXT_CONTROL_NONE;
}

/**
 * StunExtFrameBlock:
 * @distance: how many numbers before the frame's own, 1-255
 * @length: octets, at most 65535 and less than a frame
 * @payload: (array length=length): the UDP payload of that earlier packet, borrowed
 *
 * A repeated packet inside a compact frame.
 */
typedef struct {
  guint8 distance;
  gsize length;
  const guint8 *payload;
} StunExtFrameBlock;

/**
 * StunExtCompactFrame:
 * @flow: flow id, 0-61 or 62-65535 (two octets more)
 * @time: send time in units of 8 ms, modulo 256
 * @sequence: number of the packet in its flow
 * @n_blocks: repeated packets, 0-3
 * @blocks: (array length=n_blocks): them, in the order of the wire
 * @length: octets of @payload, may be 0
 * @payload: (nullable) (array length=length): the UDP payload, borrowed
 *
 * A compact media frame (PROTOCOL.md section 3).
 */
typedef struct {
  guint16 flow;
  guint8 time;
  guint16 sequence;
  guint8 n_blocks;
  StunExtFrameBlock blocks[STUN_EXT_FRAME_BLOCKS_MAX];
  gsize length;
  const guint8 *payload;
} StunExtCompactFrame;

/**
 * stun_ext_compact_parse:
 * @body: (array length=length): a frame of kind %STUN_EXT_FRAME_COMPACT
 * @length: its octets
 * @frame: (out): what it says, pointing into @body. Its contents mean nothing on failure
 *
 * Returns: %FALSE if the frame breaks a rule and is to be dropped and counted
 */
STUN_EXT_API gboolean stun_ext_compact_parse (const guint8 *body,
                                              gsize length,
                                              StunExtCompactFrame *frame);

/**
 * stun_ext_compact_overhead:
 * @frame: a frame
 *
 * Returns: octets on the wire besides @payload: LENGTH, header and blocks with their payloads
 */
STUN_EXT_API gsize stun_ext_compact_overhead (const StunExtCompactFrame *frame);

/**
 * stun_ext_compact_write_header:
 * @writer: where to append
 * @frame: a frame
 *
 * Appends everything but the payload, behind which the payload has to be sent: for writev(), or for
 * a payload that lies where it belongs already. The writer fails if there is no room, or if the
 * frame cannot be expressed.
 */
STUN_EXT_API void stun_ext_compact_write_header (StunExtWriter *writer,
                                                 const StunExtCompactFrame *frame);

/**
 * stun_ext_compact_write:
 * @writer: where to append
 * @frame: a frame
 *
 * Appends the frame with its RFC 4571 length. The writer fails if there is no room, or if the frame
 * cannot be expressed.
 */
STUN_EXT_API void stun_ext_compact_write (StunExtWriter *writer, const StunExtCompactFrame *frame);

/**
 * stun_ext_frame_write:
 * @writer: where to append
 * @body: (nullable) (array length=length): a STUN message or an IP packet
 * @length: its octets; more than 65535 is a failure
 *
 * Appends a frame with its RFC 4571 length.
 */
STUN_EXT_API void stun_ext_frame_write (StunExtWriter *writer, const void *body, gsize length);

G_END_DECLS
