/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What travels most: one UDP payload with four octets in front instead of the 28 or 48 of its IP
 * and UDP headers, and with earlier payloads of the flow where they are worth their octets. */
#include "stun-ext/frame.h"

#include "stun-ext/reader.h"

#define MARK_COMPACT 0x80
#define MARK_REDUNDANCY 0x40
#define FIXED_PART 4
#define EXTENDED_FLOW 2
#define BLOCK_COUNT 1
#define BLOCK_ENTRY 3

static void
read_blocks (StunExtReader *reader, StunExtCompactFrame *frame)
{
  frame->n_blocks = stun_ext_reader_u8 (reader);
  if (frame->n_blocks < 1 || frame->n_blocks > STUN_EXT_FRAME_BLOCKS_MAX) {
    reader->failed = TRUE;
    return;
  }
  for (guint i = 0; i < frame->n_blocks; i++) {
    frame->blocks[i].distance = stun_ext_reader_u8 (reader);
    frame->blocks[i].length = stun_ext_reader_u16 (reader);
    if (frame->blocks[i].distance == 0)
      reader->failed = TRUE;
  }
  for (guint i = 0; i < frame->n_blocks; i++)
    frame->blocks[i].payload = stun_ext_reader_bytes (reader, frame->blocks[i].length);
}

gboolean
stun_ext_compact_parse (const guint8 *body, gsize length, StunExtCompactFrame *frame)
{
  StunExtReader reader;
  guint8 first;

  stun_ext_reader_init (&reader, body, length);
  first = stun_ext_reader_u8 (&reader);
  frame->time = stun_ext_reader_u8 (&reader);
  frame->sequence = stun_ext_reader_u16 (&reader);
  frame->flow = first & 0x3F;
  frame->n_blocks = 0;
  if ((first & MARK_COMPACT) == 0 || frame->flow == STUN_EXT_FRAME_FLOW_CONTROL)
    return FALSE;
  if (frame->flow == STUN_EXT_FRAME_FLOW_EXTENDED) {
    frame->flow = stun_ext_reader_u16 (&reader);
    if (frame->flow <= STUN_EXT_FRAME_SHORT_FLOW_MAX)
      return FALSE;
  }
  if ((first & MARK_REDUNDANCY) != 0)
    read_blocks (&reader, frame);
  frame->length = stun_ext_reader_remaining (&reader);
  frame->payload = stun_ext_reader_bytes (&reader, frame->length);
  return !reader.failed;
}

gsize
stun_ext_compact_overhead (const StunExtCompactFrame *frame)
{
  gsize octets = STUN_EXT_FRAME_LENGTH_SIZE + FIXED_PART;

  if (frame->flow > STUN_EXT_FRAME_SHORT_FLOW_MAX)
    octets += EXTENDED_FLOW;
  if (frame->n_blocks > 0)
    octets += BLOCK_COUNT;
  for (guint i = 0; i < MIN (frame->n_blocks, STUN_EXT_FRAME_BLOCKS_MAX); i++)
    octets += BLOCK_ENTRY + frame->blocks[i].length;
  return octets;
}

static void
write_blocks (StunExtWriter *writer, const StunExtCompactFrame *frame)
{
  stun_ext_writer_u8 (writer, frame->n_blocks);
  for (guint i = 0; i < frame->n_blocks; i++) {
    if (frame->blocks[i].distance == 0)
      writer->failed = TRUE;
    stun_ext_writer_u8 (writer, frame->blocks[i].distance);
    stun_ext_writer_u16 (writer, (guint16)frame->blocks[i].length);
  }
  for (guint i = 0; i < frame->n_blocks; i++)
    stun_ext_writer_bytes (writer, frame->blocks[i].payload, frame->blocks[i].length);
}

void
stun_ext_compact_write_header (StunExtWriter *writer, const StunExtCompactFrame *frame)
{
  gsize overhead = stun_ext_compact_overhead (frame) - STUN_EXT_FRAME_LENGTH_SIZE;
  gboolean is_extended = frame->flow > STUN_EXT_FRAME_SHORT_FLOW_MAX;
  guint8 first = MARK_COMPACT;

  if (frame->n_blocks > STUN_EXT_FRAME_BLOCKS_MAX || overhead > G_MAXUINT16 ||
      frame->length > G_MAXUINT16 - overhead) {
    writer->failed = TRUE;
    return;
  }
  first |= (guint8)(is_extended ? STUN_EXT_FRAME_FLOW_EXTENDED : frame->flow);
  if (frame->n_blocks > 0)
    first |= MARK_REDUNDANCY;
  stun_ext_writer_u16 (writer, (guint16)(overhead + frame->length));
  stun_ext_writer_u8 (writer, first);
  stun_ext_writer_u8 (writer, frame->time);
  stun_ext_writer_u16 (writer, frame->sequence);
  if (is_extended)
    stun_ext_writer_u16 (writer, frame->flow);
  if (frame->n_blocks > 0)
    write_blocks (writer, frame);
}

void
stun_ext_compact_write (StunExtWriter *writer, const StunExtCompactFrame *frame)
{
  stun_ext_compact_write_header (writer, frame);
  stun_ext_writer_bytes (writer, frame->payload, frame->length);
}

void
stun_ext_frame_write (StunExtWriter *writer, const void *body, gsize length)
{
  if (length > G_MAXUINT16) {
    writer->failed = TRUE;
    return;
  }
  stun_ext_writer_u16 (writer, (guint16)length);
  stun_ext_writer_bytes (writer, body, length);
}
