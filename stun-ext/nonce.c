/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A server that remembered its nonces could be filled by anyone who asks for them, so a nonce
 * carries what there is to know about it:
 *
 *     "obMatJos2" | features (4) | base64 of: time in ms (6) | salt (6) | MAC (12)
 *
 * The MAC covers features, time, salt and the context. 96 bits suffice, since it is guessed online.
 */
#include "stun-ext/nonce.h"

#include <string.h>

#include "stun-ext/reader.h"
#include "stun-ext/writer.h"

#define COOKIE "obMatJos2"
#define COOKIE_LENGTH 9
#define FEATURES_LENGTH 4
#define PREFIX_LENGTH (COOKIE_LENGTH + FEATURES_LENGTH)
#define TIME_LENGTH 6
#define MAC_LENGTH 12
#define PAYLOAD_LENGTH (TIME_LENGTH + STUN_EXT_NONCE_SALT_LENGTH + MAC_LENGTH)
#define SKEW_MS 5000
#define LABEL "stun-ext nonce 1"

G_STATIC_ASSERT (PAYLOAD_LENGTH % 3 == 0);
G_STATIC_ASSERT (PREFIX_LENGTH + PAYLOAD_LENGTH / 3 * 4 == STUN_EXT_NONCE_LENGTH);

static void
encode (const guint8 *octets, gsize n, char *text)
{
  int state = 0, save = 0;
  gsize length = g_base64_encode_step (octets, n, FALSE, text, &state, &save);

  length += g_base64_encode_close (FALSE, text + length, &state, &save);
  text[length] = '\0';
}

/* Decodes whole groups of four characters without padding, and nothing else. */
static gboolean
decode (const guint8 *text, gsize length, guint8 *octets)
{
  int state = 0;
  guint save = 0;

  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isalnum ((char)text[i]) && text[i] != '+' && text[i] != '/')
      return FALSE;
  return g_base64_decode_step ((const char *)text, length, octets, &state, &save) == length / 4 * 3;
}

static gboolean
compute_mac (const StunExtNonceMaker *maker,
             const void *prefix,
             const guint8 *time_and_salt,
             StunExtSpan context,
             guint8 mac[STUN_EXT_SHA256_LENGTH])
{
  const StunExtSpan parts[] = { { LABEL, sizeof LABEL },
                                { prefix, PREFIX_LENGTH },
                                { time_and_salt, TIME_LENGTH + STUN_EXT_NONCE_SALT_LENGTH },
                                context };

  return stun_ext_crypto_hmac (STUN_EXT_HASH_SHA256, maker->key, sizeof maker->key, parts,
                               G_N_ELEMENTS (parts), mac);
}

gboolean
stun_ext_nonce_make (const StunExtNonceMaker *maker,
                     StunExtFeatures features,
                     guint64 now_ms,
                     const guint8 salt[STUN_EXT_NONCE_SALT_LENGTH],
                     StunExtSpan context,
                     char nonce[STUN_EXT_NONCE_LENGTH + 1])
{
  guint8 mac[STUN_EXT_SHA256_LENGTH], payload[PAYLOAD_LENGTH];
  /* Bit 0 is the most significant one (RFC 8489 sections 9.2 and 18.1). */
  guint8 bits[3] = { (features & STUN_EXT_FEATURE_PASSWORD_ALGORITHMS ? 0x80 : 0) |
                     (features & STUN_EXT_FEATURE_USERNAME_ANONYMITY ? 0x40 : 0) };
  StunExtWriter w;

  nonce[0] = '\0';
  stun_ext_writer_init (&w, payload, sizeof payload);
  stun_ext_writer_u16 (&w, (guint16)(now_ms >> 32));
  stun_ext_writer_u32 (&w, (guint32)now_ms);
  stun_ext_writer_bytes (&w, salt, STUN_EXT_NONCE_SALT_LENGTH);
  memcpy (nonce, COOKIE, COOKIE_LENGTH);
  encode (bits, sizeof bits, nonce + COOKIE_LENGTH);
  if (!compute_mac (maker, nonce, payload, context, mac)) {
    nonce[0] = '\0';
    return FALSE;
  }
  stun_ext_writer_bytes (&w, mac, MAC_LENGTH);
  encode (payload, sizeof payload, nonce + PREFIX_LENGTH);
  return TRUE;
}

StunExtNonceVerdict
stun_ext_nonce_check (const StunExtNonceMaker *maker,
                      StunExtSpan nonce,
                      guint64 now_ms,
                      StunExtSpan context,
                      guint64 *made_ms)
{
  guint8 mac[STUN_EXT_SHA256_LENGTH], payload[PAYLOAD_LENGTH];
  guint64 lifetime_ms, made;
  const guint8 *prefix, *text;
  StunExtReader r;

  stun_ext_reader_init (&r, nonce.data, nonce.length);
  prefix = stun_ext_reader_bytes (&r, PREFIX_LENGTH);
  text = stun_ext_reader_bytes (&r, STUN_EXT_NONCE_LENGTH - PREFIX_LENGTH);
  if (!stun_ext_reader_done (&r) ||
      !decode (text, STUN_EXT_NONCE_LENGTH - PREFIX_LENGTH, payload) ||
      !compute_mac (maker, prefix, payload, context, mac) ||
      !stun_ext_crypto_equal (mac, payload + PAYLOAD_LENGTH - MAC_LENGTH, MAC_LENGTH))
    return STUN_EXT_NONCE_FOREIGN;
  stun_ext_reader_init (&r, payload, sizeof payload);
  made = (guint64)stun_ext_reader_u16 (&r) << 32;
  made |= stun_ext_reader_u32 (&r);
  if (made_ms != NULL)
    *made_ms = made;
  lifetime_ms = maker->lifetime_s == 0 ? STUN_EXT_NONCE_DEFAULT_LIFETIME_S : maker->lifetime_s;
  lifetime_ms = MIN (lifetime_ms, STUN_EXT_NONCE_LONGEST_LIFETIME_S) * 1000;
  if (made > now_ms)
    return made - now_ms <= SKEW_MS ? STUN_EXT_NONCE_VALID : STUN_EXT_NONCE_STALE;
  return now_ms - made <= lifetime_ms ? STUN_EXT_NONCE_VALID : STUN_EXT_NONCE_STALE;
}

gboolean
stun_ext_nonce_features (StunExtSpan nonce, StunExtFeatures *features)
{
  guint8 bits[3];
  const guint8 *cookie, *text;
  guint found = STUN_EXT_FEATURE_NONE;
  StunExtReader r;

  *features = STUN_EXT_FEATURE_NONE;
  stun_ext_reader_init (&r, nonce.data, nonce.length);
  cookie = stun_ext_reader_bytes (&r, COOKIE_LENGTH);
  text = stun_ext_reader_bytes (&r, FEATURES_LENGTH);
  if (r.failed || memcmp (cookie, COOKIE, COOKIE_LENGTH) != 0 ||
      !decode (text, FEATURES_LENGTH, bits))
    return FALSE;
  if ((bits[0] & 0x80) != 0 || (bits[2] & 0x01) != 0)
    found |= STUN_EXT_FEATURE_PASSWORD_ALGORITHMS;
  if ((bits[0] & 0x40) != 0 || (bits[2] & 0x02) != 0)
    found |= STUN_EXT_FEATURE_USERNAME_ANONYMITY;
  *features = (StunExtFeatures)found;
  return TRUE;
}
