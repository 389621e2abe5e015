/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The folder's only door to OpenSSL. Everything is one call over pieces of input: nothing lives on
 * between calls, so nothing has to be freed, locked or shared between threads. */
#include "stun-ext/crypto.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#define HKDF_MAX_LENGTH (255 * STUN_EXT_SHA256_LENGTH) /* RFC 5869 section 2.3 */

static const struct {
  const char *name;
  gsize length;
} hashes[] = {
  [STUN_EXT_HASH_MD5] = { "MD5", STUN_EXT_MD5_LENGTH },
  [STUN_EXT_HASH_SHA1] = { "SHA1", STUN_EXT_SHA1_LENGTH },
  [STUN_EXT_HASH_SHA256] = { "SHA256", STUN_EXT_SHA256_LENGTH },
};

gsize
stun_ext_hash_length (StunExtHash hash)
{
  g_return_val_if_fail ((gsize)hash < G_N_ELEMENTS (hashes), 0);
  return hashes[hash].length;
}

static const EVP_MD *
message_digest (StunExtHash hash)
{
  if (hash == STUN_EXT_HASH_MD5)
    return EVP_md5 ();
  return hash == STUN_EXT_HASH_SHA1 ? EVP_sha1 () : EVP_sha256 ();
}

gboolean
stun_ext_crypto_digest (StunExtHash hash, const StunExtSpan *parts, gsize n_parts, guint8 *out)
{
  EVP_MD_CTX *context;
  gboolean ok;

  g_return_val_if_fail ((gsize)hash < G_N_ELEMENTS (hashes), FALSE);
  memset (out, 0, hashes[hash].length);
  context = EVP_MD_CTX_new ();
  ok = context != NULL && EVP_DigestInit_ex (context, message_digest (hash), NULL) == 1;
  for (gsize i = 0; ok && i < n_parts; i++)
    ok = EVP_DigestUpdate (context, parts[i].data, parts[i].length) == 1;
  ok = ok && EVP_DigestFinal_ex (context, out, NULL) == 1;
  EVP_MD_CTX_free (context);
  return ok;
}

gboolean
stun_ext_crypto_hmac (StunExtHash hash,
                      const void *key,
                      gsize key_length,
                      const StunExtSpan *parts,
                      gsize n_parts,
                      guint8 *out)
{
  /* OpenSSL takes a NULL key for "keep the last one", so an empty key needs an address. */
  const guint8 *key_octets = key != NULL ? key : (const guint8 *)"";
  OSSL_PARAM parameters[2] = { OSSL_PARAM_END, OSSL_PARAM_END };
  EVP_MAC *mac;
  EVP_MAC_CTX *context;
  gsize written = 0;
  gboolean ok;

  g_return_val_if_fail ((gsize)hash < G_N_ELEMENTS (hashes), FALSE);
  memset (out, 0, hashes[hash].length);
  parameters[0] =
      OSSL_PARAM_construct_utf8_string (OSSL_MAC_PARAM_DIGEST, (char *)hashes[hash].name, 0);
  mac = EVP_MAC_fetch (NULL, "HMAC", NULL);
  context = mac != NULL ? EVP_MAC_CTX_new (mac) : NULL;
  ok = context != NULL && EVP_MAC_init (context, key_octets, key_length, parameters) == 1;
  for (gsize i = 0; ok && i < n_parts; i++)
    ok = parts[i].length == 0 || EVP_MAC_update (context, parts[i].data, parts[i].length) == 1;
  ok = ok && EVP_MAC_final (context, out, &written, hashes[hash].length) == 1;
  EVP_MAC_CTX_free (context);
  EVP_MAC_free (mac);
  return ok && written == hashes[hash].length;
}

gboolean
stun_ext_crypto_hkdf_sha256 (
    StunExtSpan salt, StunExtSpan ikm, StunExtSpan info, guint8 *out, gsize out_length)
{
  static const guint8 no_salt[STUN_EXT_SHA256_LENGTH];
  guint8 key[STUN_EXT_SHA256_LENGTH];
  guint8 block[STUN_EXT_SHA256_LENGTH];
  gboolean ok;

  memset (out, 0, out_length);
  if (salt.length == 0)
    salt = (StunExtSpan){ no_salt, sizeof no_salt };
  ok = out_length <= HKDF_MAX_LENGTH &&
       stun_ext_crypto_hmac (STUN_EXT_HASH_SHA256, salt.data, salt.length, &ikm, 1, key);
  for (gsize done = 0; ok && done < out_length; done += sizeof block) {
    guint8 counter = (guint8)(done / sizeof block + 1);
    StunExtSpan parts[] = { { block, done > 0 ? sizeof block : 0 }, info, { &counter, 1 } };
    guint8 next[STUN_EXT_SHA256_LENGTH];

    ok = stun_ext_crypto_hmac (STUN_EXT_HASH_SHA256, key, sizeof key, parts, G_N_ELEMENTS (parts),
                               next);
    memcpy (block, next, sizeof block);
    memcpy (out + done, block, MIN (sizeof block, out_length - done));
    stun_ext_crypto_cleanse (next, sizeof next);
  }
  if (!ok)
    memset (out, 0, out_length);
  stun_ext_crypto_cleanse (key, sizeof key);
  stun_ext_crypto_cleanse (block, sizeof block);
  return ok;
}

gboolean
stun_ext_crypto_equal (const void *a, const void *b, gsize n)
{
  return CRYPTO_memcmp (a, b, n) == 0;
}

void
stun_ext_crypto_cleanse (void *data, gsize n)
{
  if (data != NULL && n > 0)
    OPENSSL_cleanse (data, n);
}

guint32
stun_ext_crc32 (const StunExtSpan *parts, gsize n_parts)
{
  /* Reflected polynomial 0xedb88320, four bits a step: messages are short, and 64 octets stay in
   * the cache. */
  static const guint32 table[16] = {
    0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
    0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
  };
  guint32 crc = 0xffffffff;

  for (gsize i = 0; i < n_parts; i++) {
    const guint8 *octets = parts[i].data;

    for (gsize j = 0; j < parts[i].length; j++) {
      crc ^= octets[j];
      crc = table[crc & 15] ^ (crc >> 4);
      crc = table[crc & 15] ^ (crc >> 4);
    }
  }
  return ~crc;
}
