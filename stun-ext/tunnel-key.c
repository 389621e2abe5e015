/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* On plain TCP anybody on the way can record a tunnel's first request and play it back. So nothing
 * but that request is signed with the user's key: the rest hangs on keys that both ends derive from
 * their randoms, and on numbers used once. */
#include "stun-ext/tunnel-key.h"

#include <string.h>

#include "stun-ext/writer.h"

#define FIELD_MAX 763 /* octets of the longest attribute that goes in, NONCE (RFC 8489) */
#define INFO_MAX (sizeof "TEP-1 flight" + 3 * (2 + FIELD_MAX) + 8)
#define RANDOM_LENGTH STUN_EXT_TUNNEL_RANDOM_LENGTH
#define ID_RANDOM_LENGTH STUN_EXT_TUNNEL_ID_RANDOM_LENGTH
#define ID_MAC_LENGTH 3

static void
write_counted (StunExtWriter *writer, StunExtSpan field)
{
  if (field.length > FIELD_MAX) {
    writer->failed = TRUE;
    return;
  }
  stun_ext_writer_u16 (writer, (guint16)field.length);
  stun_ext_writer_bytes (writer, field.data, field.length);
}

static gboolean
derive (const StunExtTunnelSecrets *secrets,
        StunExtSpan salt,
        const StunExtWriter *info,
        guint8 key[STUN_EXT_TUNNEL_KEY_LENGTH])
{
  memset (key, 0, STUN_EXT_TUNNEL_KEY_LENGTH);
  if (info->failed || secrets->credential_key.length == 0)
    return FALSE;
  return stun_ext_crypto_hkdf_sha256 (salt, secrets->credential_key,
                                      (StunExtSpan){ info->data, info->length }, key,
                                      STUN_EXT_TUNNEL_KEY_LENGTH);
}

gboolean
stun_ext_flight_key (const StunExtTunnelSecrets *secrets, guint8 key[STUN_EXT_TUNNEL_KEY_LENGTH])
{
  static const char label[] = "TEP-1 flight";
  guint8 octets[INFO_MAX];
  StunExtWriter info;

  stun_ext_writer_init (&info, octets, sizeof octets);
  stun_ext_writer_bytes (&info, label, sizeof label);
  write_counted (&info, secrets->server_name);
  stun_ext_writer_u64 (&info, secrets->timestamp_ms);
  write_counted (&info, secrets->nonce);
  return derive (secrets, (StunExtSpan){ secrets->client_random, RANDOM_LENGTH }, &info, key);
}

gboolean
stun_ext_tunnel_key (const StunExtTunnelSecrets *secrets, guint8 key[STUN_EXT_TUNNEL_KEY_LENGTH])
{
  static const char label[] = "TEP-1 tunnel";
  guint8 octets[INFO_MAX];
  guint8 salt[2 * RANDOM_LENGTH];
  StunExtWriter info;

  memcpy (salt, secrets->client_random, RANDOM_LENGTH);
  memcpy (salt + RANDOM_LENGTH, secrets->server_random, RANDOM_LENGTH);
  stun_ext_writer_init (&info, octets, sizeof octets);
  stun_ext_writer_bytes (&info, label, sizeof label);
  write_counted (&info, secrets->server_name);
  write_counted (&info, secrets->tunnel_id);
  write_counted (&info, secrets->channel_binding);
  return derive (secrets, (StunExtSpan){ salt, sizeof salt }, &info, key);
}

gboolean
stun_ext_ordinal_window_accept (StunExtOrdinalWindow *window, guint32 ordinal)
{
  guint32 distance;

  if (ordinal == 0 || ordinal == window->highest)
    return FALSE;
  if (ordinal > window->highest) {
    distance = ordinal - window->highest;
    window->seen = distance < STUN_EXT_ORDINAL_WINDOW ? window->seen << distance : 0;
    /* What was the highest lies below now; before the first one there was none. */
    if (window->highest > 0 && distance <= STUN_EXT_ORDINAL_WINDOW)
      window->seen |= G_GUINT64_CONSTANT (1) << (distance - 1);
    window->highest = ordinal;
    return TRUE;
  }
  distance = window->highest - ordinal;
  if (distance > STUN_EXT_ORDINAL_WINDOW ||
      (window->seen & G_GUINT64_CONSTANT (1) << (distance - 1)) != 0)
    return FALSE;
  window->seen |= G_GUINT64_CONSTANT (1) << (distance - 1);
  return TRUE;
}

/* A stream of octets that only the server knows: the first masks the worker, the others prove it.
 */
static gboolean
id_digest (StunExtSpan secret,
           const char *label,
           const guint8 *random,
           guint8 worker,
           guint8 digest[STUN_EXT_SHA256_LENGTH])
{
  StunExtSpan parts[] = { { label, strlen (label) + 1 },
                          { random, ID_RANDOM_LENGTH },
                          { &worker, 1 } };

  return stun_ext_crypto_hmac (STUN_EXT_HASH_SHA256, secret.data, secret.length, parts,
                               G_N_ELEMENTS (parts), digest);
}

/* The octets behind the random ones: the worker under a mask, and the MAC over random octets and
 * worker. */
static gboolean
id_tail (StunExtSpan secret, const guint8 *random, guint8 mask, guint8 worker, guint8 *tail)
{
  guint8 mac[STUN_EXT_SHA256_LENGTH];

  if (!id_digest (secret, "TEP-1 id mac", random, worker, mac))
    return FALSE;
  tail[0] = worker ^ mask;
  memcpy (tail + 1, mac, ID_MAC_LENGTH);
  return TRUE;
}

gboolean
stun_ext_tunnel_id_make (StunExtSpan secret,
                         const guint8 random[STUN_EXT_TUNNEL_ID_RANDOM_LENGTH],
                         guint8 worker,
                         guint8 id[STUN_EXT_TUNNEL_ID_LENGTH])
{
  guint8 mask[STUN_EXT_SHA256_LENGTH];

  memset (id, 0, STUN_EXT_TUNNEL_ID_LENGTH);
  if (!id_digest (secret, "TEP-1 id mask", random, 0, mask) ||
      !id_tail (secret, random, mask[0], worker, id + ID_RANDOM_LENGTH))
    return FALSE;
  memcpy (id, random, ID_RANDOM_LENGTH);
  return TRUE;
}

gboolean
stun_ext_tunnel_id_check (StunExtSpan secret, const guint8 *id, gsize length, guint8 *worker)
{
  guint8 mask[STUN_EXT_SHA256_LENGTH];
  guint8 tail[1 + ID_MAC_LENGTH];
  guint8 claimed;

  if (id == NULL || length != STUN_EXT_TUNNEL_ID_LENGTH ||
      !id_digest (secret, "TEP-1 id mask", id, 0, mask))
    return FALSE;
  claimed = id[ID_RANDOM_LENGTH] ^ mask[0];
  if (!id_tail (secret, id, mask[0], claimed, tail) ||
      !stun_ext_crypto_equal (tail, id + ID_RANDOM_LENGTH, sizeof tail))
    return FALSE;
  *worker = claimed;
  return TRUE;
}
