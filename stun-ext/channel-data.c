/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* TURN's short form for data (RFC 8656 section 12.4): a channel number and a length instead of a
 * STUN message. */
#include "stun-ext/channel-data.h"

#include "stun-ext/octets.h"
#include "stun-ext/reader.h"

StunExtParse
stun_ext_channel_data_measure (const guint8 *data, gsize length, gsize *total)
{
  StunExtReader r;
  gsize payload;

  if (length == 0)
    return STUN_EXT_PARSE_INCOMPLETE;
  if (data[0] < STUN_EXT_CHANNEL_MIN >> 8)
    return stun_ext_message_measure (data, length, total);
  if (data[0] > STUN_EXT_CHANNEL_MAX >> 8)
    return STUN_EXT_PARSE_NOT_STUN;
  if (length < STUN_EXT_CHANNEL_DATA_HEADER_LENGTH)
    return STUN_EXT_PARSE_INCOMPLETE;
  stun_ext_reader_init (&r, data, length);
  stun_ext_reader_skip (&r, 2);
  payload = stun_ext_reader_u16 (&r);
  *total = STUN_EXT_CHANNEL_DATA_HEADER_LENGTH + ((payload + 3) & ~(gsize)3);
  return STUN_EXT_PARSE_OK;
}

gboolean
stun_ext_channel_data_parse (StunExtChannelData *channel_data, const guint8 *data, gsize length)
{
  StunExtReader r;
  StunExtChannelData result;

  stun_ext_reader_init (&r, data, length);
  result.channel = stun_ext_reader_u16 (&r);
  result.payload.length = stun_ext_reader_u16 (&r);
  result.payload.data = stun_ext_reader_bytes (&r, result.payload.length);
  if (r.failed || result.channel < STUN_EXT_CHANNEL_MIN || result.channel > STUN_EXT_CHANNEL_MAX)
    return FALSE;
  *channel_data = result;
  return TRUE;
}

void
stun_ext_channel_data_write (
    StunExtWriter *writer, guint16 channel, const void *payload, gsize length, gboolean is_stream)
{
  if (channel < STUN_EXT_CHANNEL_MIN || channel > STUN_EXT_CHANNEL_MAX || length > G_MAXUINT16)
    writer->failed = TRUE;
  stun_ext_writer_u16 (writer, channel);
  stun_ext_writer_u16 (writer, (guint16)length);
  stun_ext_writer_bytes (writer, payload, length);
  if (is_stream)
    stun_ext_writer_zeros (writer, (4 - length % 4) % 4);
}

void
stun_ext_channel_data_write_head (guint8 head[STUN_EXT_CHANNEL_DATA_HEADER_LENGTH],
                                  guint16 channel,
                                  gsize length)
{
  stun_ext_octets_set_u16 (head, 0, channel);
  stun_ext_octets_set_u16 (head, 2, (guint16)length);
}
