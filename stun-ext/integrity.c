/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each of the three closing attributes covers the message before it, with a length field that
 * pretends the message ended with that attribute:
 *
 *     | type | length | cookie, id | attributes ... | MI | MI-SHA256 | FINGERPRINT |
 *     |<------------ covered by MI ---------------->|
 *     |<------------ covered by MI-SHA256 --------------->|
 *     |<------------ covered by FINGERPRINT -------------------------->|
 *
 * So the two octets of the length are replaced on the way into the hash and never in the buffer. */
#include "stun-ext/integrity.h"

#include "stun-ext/reader.h"

#define N_COVERED 3

/* The pieces of a message that an attribute covers whose header is at offset and which ends at end.
 */
static void
cover (StunExtSpan parts[N_COVERED], guint8 length[2], const guint8 *data, gsize offset, gsize end)
{
  gsize body = end - STUN_EXT_HEADER_LENGTH;
  StunExtReader r;

  length[0] = (guint8)(body >> 8);
  length[1] = (guint8)body;
  stun_ext_reader_init (&r, data, offset);
  parts[0] = (StunExtSpan){ stun_ext_reader_bytes (&r, 2), 2 };
  parts[1] = (StunExtSpan){ length, 2 };
  stun_ext_reader_skip (&r, 2);
  parts[2].length = stun_ext_reader_remaining (&r);
  parts[2].data = stun_ext_reader_bytes (&r, parts[2].length);
}

static gboolean
compute_hmac (StunExtHash hash,
              StunExtSpan key,
              const guint8 *data,
              gsize offset,
              gsize end,
              guint8 mac[STUN_EXT_HASH_MAX_LENGTH])
{
  StunExtSpan parts[N_COVERED];
  guint8 length[2];

  cover (parts, length, data, offset, end);
  return stun_ext_crypto_hmac (hash, key.data, key.length, parts, N_COVERED, mac);
}

static guint32
compute_fingerprint (const guint8 *data, gsize offset)
{
  StunExtSpan parts[N_COVERED];
  guint8 length[2];

  cover (parts, length, data, offset, offset + 8);
  return stun_ext_crc32 (parts, N_COVERED) ^ STUN_EXT_FINGERPRINT_XOR;
}

StunExtIntegrity
stun_ext_message_integrity (const StunExtMessage *message)
{
  guint kinds = STUN_EXT_INTEGRITY_NONE;

  if (message->integrity_offset > 0)
    kinds |= STUN_EXT_INTEGRITY_SHA1;
  if (message->integrity_sha256_offset > 0)
    kinds |= STUN_EXT_INTEGRITY_SHA256;
  return (StunExtIntegrity)kinds;
}

static StunExtVerdict
verify (
    const StunExtMessage *message, StunExtHash hash, gsize offset, gsize length, StunExtSpan key)
{
  guint8 mac[STUN_EXT_HASH_MAX_LENGTH];
  StunExtReader r;
  const guint8 *received;

  stun_ext_reader_init (&r, message->data, message->length);
  stun_ext_reader_skip (&r, offset + 4);
  received = stun_ext_reader_bytes (&r, length);
  if (received == NULL ||
      !compute_hmac (hash, key, message->data, offset, offset + 4 + length, mac))
    return STUN_EXT_VERDICT_WRONG;
  return stun_ext_crypto_equal (mac, received, length) ? STUN_EXT_VERDICT_VALID
                                                       : STUN_EXT_VERDICT_WRONG;
}

StunExtVerdict
stun_ext_integrity_verify (const StunExtMessage *message,
                           StunExtIntegrity allowed,
                           gsize sha256_min_length,
                           StunExtSpan key)
{
  StunExtIntegrity kinds = stun_ext_message_integrity (message);
  gsize shortest = CLAMP (sha256_min_length, STUN_EXT_INTEGRITY_SHA256_MIN_LENGTH,
                          STUN_EXT_INTEGRITY_SHA256_LENGTH);

  if ((kinds & allowed & STUN_EXT_INTEGRITY_SHA256) != 0) {
    if (message->integrity_sha256_length < shortest)
      return STUN_EXT_VERDICT_WRONG;
    return verify (message, STUN_EXT_HASH_SHA256, message->integrity_sha256_offset,
                   message->integrity_sha256_length, key);
  }
  if ((kinds & allowed & STUN_EXT_INTEGRITY_SHA1) != 0)
    return verify (message, STUN_EXT_HASH_SHA1, message->integrity_offset,
                   STUN_EXT_INTEGRITY_LENGTH, key);
  return STUN_EXT_VERDICT_MISSING;
}

StunExtVerdict
stun_ext_fingerprint_verify (const StunExtMessage *message)
{
  StunExtReader r;

  if (message->fingerprint_offset == 0)
    return STUN_EXT_VERDICT_MISSING;
  stun_ext_reader_init (&r, message->data, message->length);
  stun_ext_reader_skip (&r, message->fingerprint_offset + 4);
  return stun_ext_reader_u32 (&r) ==
                 compute_fingerprint (message->data, message->fingerprint_offset)
             ? STUN_EXT_VERDICT_VALID
             : STUN_EXT_VERDICT_WRONG;
}

static void
append_hmac (StunExtWriter *w, guint16 type, StunExtHash hash, StunExtSpan key)
{
  guint8 mac[STUN_EXT_HASH_MAX_LENGTH];
  gsize length = stun_ext_hash_length (hash);
  gsize slot;

  if (w->failed)
    return;
  if (!compute_hmac (hash, key, w->data, w->length, w->length + 4 + length, mac)) {
    w->failed = TRUE;
    return;
  }
  slot = stun_ext_writer_open (w, type);
  stun_ext_writer_bytes (w, mac, length);
  stun_ext_writer_close (w, slot);
}

gboolean
stun_ext_builder_finish (StunExtBuilder *builder,
                         StunExtIntegrity integrity,
                         StunExtSpan key,
                         gboolean fingerprint,
                         gsize *length)
{
  StunExtWriter *w = &builder->writer;
  gsize slot;

  if ((integrity & STUN_EXT_INTEGRITY_SHA1) != 0)
    append_hmac (w, STUN_EXT_ATTRIBUTE_MESSAGE_INTEGRITY, STUN_EXT_HASH_SHA1, key);
  if ((integrity & STUN_EXT_INTEGRITY_SHA256) != 0)
    append_hmac (w, STUN_EXT_ATTRIBUTE_MESSAGE_INTEGRITY_SHA256, STUN_EXT_HASH_SHA256, key);
  if (fingerprint && !w->failed) {
    guint32 value = compute_fingerprint (w->data, w->length);

    slot = stun_ext_writer_open (w, STUN_EXT_ATTRIBUTE_FINGERPRINT);
    stun_ext_writer_u32 (w, value);
    stun_ext_writer_close (w, slot);
  }
  if (w->failed || w->length - STUN_EXT_HEADER_LENGTH > G_MAXUINT16 - 3)
    return FALSE;
  stun_ext_writer_patch_u16 (w, 2, (guint16)(w->length - STUN_EXT_HEADER_LENGTH));
  if (w->failed)
    return FALSE;
  *length = w->length;
  return TRUE;
}
