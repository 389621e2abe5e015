/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/crypto.h"
#include "stun-ext/message.h"
#include "stun-ext/version.h"
#include "stun-ext/writer.h"

G_BEGIN_DECLS

#define STUN_EXT_CHANNEL_DATA_HEADER_LENGTH 4 /* octets, RFC 8656 section 12.4 */

/**
 * StunExtChannelData:
 * @channel: channel number, 0x4000 to 0x4fff
 * @payload: the application data, borrowed
 */
typedef struct {
  guint16 channel;
  StunExtSpan payload;
} StunExtChannelData;

/**
 * stun_ext_channel_data_measure:
 * @data: (array length=length): octets of a TURN stream, from the beginning of a unit
 * @length: how many are there
 * @total: (out): octets of the unit with its padding; set only on %STUN_EXT_PARSE_OK
 *
 * Cuts a TURN connection over TCP or TLS, where STUN messages and ChannelData alternate without
 * framing (RFC 8656 section 3.1): says how long the next unit is. Where it is a STUN message is
 * told by its first octet being below 0x40.
 *
 * Returns: %STUN_EXT_PARSE_OK if the length is known, whether or not all of it is there;
 *   %STUN_EXT_PARSE_INCOMPLETE if more octets are needed to tell; else %STUN_EXT_PARSE_NOT_STUN,
 * and the stream cannot be cut any further
 */
STUN_EXT_API StunExtParse stun_ext_channel_data_measure (const guint8 *data,
                                                         gsize length,
                                                         gsize *total);

/**
 * stun_ext_channel_data_parse:
 * @channel_data: (out): what it holds; set only on success
 * @data: (array length=length): a datagram, or a unit of a stream
 * @length: octets in it
 *
 * Octets behind the payload are padding and are not looked at.
 *
 * Returns: %FALSE if it is no ChannelData, or is shorter than it says
 */
STUN_EXT_API gboolean stun_ext_channel_data_parse (StunExtChannelData *channel_data,
                                                   const guint8 *data,
                                                   gsize length);

/**
 * stun_ext_channel_data_write:
 * @writer: where it goes
 * @channel: channel number, 0x4000 to 0x4fff; any other makes the writer fail
 * @payload: the application data, up to 65535 octets; more makes the writer fail
 * @length: octets in @payload
 * @is_stream: pad with zeros to a multiple of four octets, as a stream demands
 */
STUN_EXT_API void stun_ext_channel_data_write (
    StunExtWriter *writer, guint16 channel, const void *payload, gsize length, gboolean is_stream);

/**
 * stun_ext_channel_data_write_head:
 * @head: (out caller-allocates) (array fixed-size=4): what goes before the payload
 * @channel: channel number, 0x4000 to 0x4fff
 * @length: octets of the payload, up to 65535
 *
 * Writes the header alone, for a payload that is sent from where it lies.
 */
STUN_EXT_API void stun_ext_channel_data_write_head (
    guint8 head[STUN_EXT_CHANNEL_DATA_HEADER_LENGTH], guint16 channel, gsize length);

G_END_DECLS
