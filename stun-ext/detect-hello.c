/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * First flights of encrypted protocols, as common clients write them: what boxes look at is there, with a token where
 * the protocol has room for random octets. RFC 8446 section 4.1.2, RFC 6347 section 4.2, RFC 9000 section 17.2.2.
 */
#include <string.h>

#include "stun-ext/detect-payload-private.h"

#define KEY_SHARE_LENGTH 32
#define RANDOM_LENGTH 32
#define EXTENSION_HEADER 4

/* A 24-bit length that is not known yet. */
static gsize
open_u24 (StunExtWriter *writer)
{
  stun_ext_writer_u8 (writer, 0);
  return stun_ext_writer_open_u16 (writer);
}

static gsize
open_extension (StunExtWriter *writer, guint16 type)
{
  stun_ext_writer_u16 (writer, type);
  return stun_ext_writer_open_u16 (writer);
}

static void
add_extension (StunExtWriter *writer, guint16 type, const void *value, gsize length)
{
  gsize slot = open_extension (writer, type);

  stun_ext_writer_bytes (writer, value, length);
  stun_ext_writer_close_u16 (writer, slot);
}

static void
add_server_name (StunExtWriter *writer, const char *host)
{
  gsize slot, list, name;

  slot = open_extension (writer, 0);
  list = stun_ext_writer_open_u16 (writer);
  stun_ext_writer_u8 (writer, 0);
  name = stun_ext_writer_open_u16 (writer);
  stun_ext_writer_bytes (writer, host, strlen (host));
  stun_ext_writer_close_u16 (writer, name);
  stun_ext_writer_close_u16 (writer, list);
  stun_ext_writer_close_u16 (writer, slot);
}

static void
add_key_share (StunExtWriter *writer, StunExtDetectChance *chance)
{
  gsize slot = open_extension (writer, 51);

  stun_ext_writer_u16 (writer, 4 + KEY_SHARE_LENGTH);
  stun_ext_writer_u16 (writer, 0x001d); /* x25519: any 32 octets are a key */
  stun_ext_writer_u16 (writer, KEY_SHARE_LENGTH);
  stun_ext_detect_chance_octets (chance, writer, KEY_SHARE_LENGTH);
  stun_ext_writer_close_u16 (writer, slot);
}

/* Padding up to the end of the flight (RFC 7685). */
static void
add_padding (StunExtWriter *writer, gsize end)
{
  gsize slot;

  if (writer->length == end)
    return;
  slot = open_extension (writer, 21);
  if (writer->failed || writer->length > end) {
    writer->failed = TRUE;
    return;
  }
  stun_ext_writer_zeros (writer, end - writer->length);
  stun_ext_writer_close_u16 (writer, slot);
}

static void
add_common (StunExtWriter *writer)
{
  static const guint8 groups[] = { 0, 6, 0, 0x1d, 0, 0x17, 0, 0x18 };
  static const guint8 points[] = { 1, 0 };
  static const guint8 signatures[] = { 0, 16, 4, 3, 8, 4, 4, 1, 5, 3, 8, 5, 5, 1, 8, 6, 6, 1 };

  add_extension (writer, 23, NULL, 0); /* extended master secret */
  add_extension (writer, 0xff01, "\0", 1);
  add_extension (writer, 10, groups, sizeof groups);
  add_extension (writer, 11, points, sizeof points);
  add_extension (writer, 13, signatures, sizeof signatures);
}

static gboolean
is_literal (const char *host)
{
  StunExtAddress address;

  return stun_ext_address_parse (host, &address);
}

void
stun_ext_detect_write_tls (const StunExtDetectFlight *flight,
                           const guint8 *token,
                           StunExtDetectChance *chance,
                           gsize length,
                           StunExtWriter *writer)
{
  static const guint8 suites[] = { 0,    18,   0x13, 0x01, 0x13, 0x02, 0x13, 0x03, 0xc0, 0x2b,
                                   0xc0, 0x2f, 0xc0, 0x2c, 0xc0, 0x30, 0xcc, 0xa9, 0xcc, 0xa8 };
  static const char web[] = "\x00\x0c\x02h2\x08http/1.1", turn[] = "\x00\x0a\x09stun.turn";
  static const guint8 versions[] = { 4, 3, 4, 3, 3 };
  static const guint8 modes[] = { 1, 1 };
  gboolean is_turn = flight->payload == STUN_EXT_DETECT_PAYLOAD_TLS_STUN;
  gsize record, handshake, extensions;

  stun_ext_writer_u8 (writer, 0x16);
  stun_ext_writer_u16 (writer, 0x0301);
  record = stun_ext_writer_open_u16 (writer);
  stun_ext_writer_u8 (writer, 1); /* ClientHello */
  handshake = open_u24 (writer);
  stun_ext_writer_u16 (writer, 0x0303);
  stun_ext_detect_chance_octets (chance, writer, RANDOM_LENGTH);
  stun_ext_writer_u8 (writer, STUN_EXT_DETECT_TOKEN_LENGTH);
  stun_ext_writer_bytes (writer, token, STUN_EXT_DETECT_TOKEN_LENGTH); /* session id */
  stun_ext_writer_bytes (writer, suites, sizeof suites);
  stun_ext_writer_u16 (writer, 0x0100); /* no compression */
  extensions = stun_ext_writer_open_u16 (writer);
  if (flight->payload != STUN_EXT_DETECT_PAYLOAD_TLS_NO_NAME && !is_literal (flight->host))
    add_server_name (writer, flight->host);
  add_common (writer);
  add_extension (writer, 16, is_turn ? turn : web, (is_turn ? sizeof turn : sizeof web) - 1);
  add_extension (writer, 43, versions, sizeof versions);
  add_extension (writer, 45, modes, sizeof modes);
  add_key_share (writer, chance);
  add_padding (writer, length);
  stun_ext_writer_close_u16 (writer, extensions);
  stun_ext_writer_close_u16 (writer, handshake);
  stun_ext_writer_close_u16 (writer, record);
}

void
stun_ext_detect_write_dtls (const guint8 *token,
                            StunExtDetectChance *chance,
                            gsize length,
                            StunExtWriter *writer)
{
  static const guint8 suites[] = { 0, 8, 0xc0, 0x2b, 0xc0, 0x2f, 0xcc, 0xa9, 0xcc, 0xa8 };
  static const guint8 srtp[] = { 0, 4, 0, 7, 0, 1, 0 };
  gsize record, handshake, fragment, extensions, body;

  stun_ext_writer_u8 (writer, 0x16);
  stun_ext_writer_u16 (writer, 0xfeff);
  stun_ext_writer_zeros (writer, 8); /* epoch and sequence number */
  record = stun_ext_writer_open_u16 (writer);
  stun_ext_writer_u8 (writer, 1); /* ClientHello */
  handshake = open_u24 (writer);
  stun_ext_writer_zeros (writer, 5); /* message sequence, fragment offset */
  fragment = open_u24 (writer);
  body = writer->length;
  stun_ext_writer_u16 (writer, 0xfefd);
  stun_ext_detect_chance_octets (chance, writer, RANDOM_LENGTH);
  stun_ext_writer_u8 (writer, STUN_EXT_DETECT_TOKEN_LENGTH);
  stun_ext_writer_bytes (writer, token, STUN_EXT_DETECT_TOKEN_LENGTH);
  stun_ext_writer_u8 (writer, 0); /* no cookie */
  stun_ext_writer_bytes (writer, suites, sizeof suites);
  stun_ext_writer_u16 (writer, 0x0100);
  extensions = stun_ext_writer_open_u16 (writer);
  add_common (writer);
  add_extension (writer, 14, srtp, sizeof srtp);
  add_padding (writer, length);
  stun_ext_writer_close_u16 (writer, extensions);
  stun_ext_writer_close_u16 (writer, fragment);
  stun_ext_writer_close_u16 (writer, record);
  stun_ext_writer_patch_u16 (writer, handshake, (guint16)(writer->length - body));
}

void
stun_ext_detect_write_quic (const guint8 *token,
                            StunExtDetectChance *chance,
                            gsize length,
                            StunExtWriter *writer)
{
  const guint8 half = STUN_EXT_DETECT_TOKEN_LENGTH / 2;
  gsize left;

  if (length < STUN_EXT_DETECT_QUIC_MIN_LENGTH) {
    writer->failed = TRUE;
    return;
  }
  stun_ext_writer_u8 (writer, (guint8)(0xc0 | (stun_ext_detect_chance (chance) & 0x0f)));
  stun_ext_writer_u32 (writer, 1);
  stun_ext_writer_u8 (writer, half); /* destination connection id */
  stun_ext_writer_bytes (writer, token, half);
  stun_ext_writer_u8 (writer, half); /* source connection id */
  stun_ext_writer_bytes (writer, token + half, half);
  stun_ext_writer_u8 (writer, 0); /* no token */
  left = length - writer->length - 2;
  stun_ext_writer_u16 (writer, (guint16)(0x4000 | left));
  stun_ext_detect_chance_octets (chance, writer, left);
}
