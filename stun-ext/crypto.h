/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/version.h"

G_BEGIN_DECLS

/**
 * StunExtHash:
 * @STUN_EXT_HASH_MD5: 16 octets; only where RFC 8489 section 18.5.1.1 asks for it
 * @STUN_EXT_HASH_SHA1: 20 octets
 * @STUN_EXT_HASH_SHA256: 32 octets
 */
typedef enum {
  STUN_EXT_HASH_MD5,
  STUN_EXT_HASH_SHA1,
  STUN_EXT_HASH_SHA256,
} StunExtHash;

#define STUN_EXT_MD5_LENGTH 16
#define STUN_EXT_SHA1_LENGTH 20
#define STUN_EXT_SHA256_LENGTH 32
#define STUN_EXT_HASH_MAX_LENGTH 32

/**
 * StunExtSpan:
 * @data: (nullable): octets, borrowed
 * @length: how many
 *
 * One piece of an input that is not contiguous.
 */
typedef struct {
  const void *data;
  gsize length;
} StunExtSpan;

/**
 * stun_ext_hash_length:
 * @hash: which hash
 *
 * Returns: octets in its result
 */
STUN_EXT_API gsize stun_ext_hash_length (StunExtHash hash);

/**
 * stun_ext_crypto_digest:
 * @hash: which hash
 * @parts: (array length=n_parts): the input, in order
 * @n_parts: number of pieces
 * @out: (out caller-allocates): where stun_ext_hash_length() octets go; zeros on failure
 *
 * Any thread.
 *
 * Returns: %FALSE if the cryptographic library refused
 */
STUN_EXT_API gboolean stun_ext_crypto_digest (StunExtHash hash,
                                              const StunExtSpan *parts,
                                              gsize n_parts,
                                              guint8 *out) G_GNUC_WARN_UNUSED_RESULT;

/**
 * stun_ext_crypto_hmac:
 * @hash: which hash
 * @key: (nullable) (array length=key_length): the key; may be empty
 * @key_length: octets in @key
 * @parts: (array length=n_parts): the input, in order
 * @n_parts: number of pieces
 * @out: (out caller-allocates): where stun_ext_hash_length() octets go; zeros on failure
 *
 * HMAC (RFC 2104). Any thread.
 *
 * Returns: %FALSE if the cryptographic library refused
 */
STUN_EXT_API gboolean stun_ext_crypto_hmac (StunExtHash hash,
                                            const void *key,
                                            gsize key_length,
                                            const StunExtSpan *parts,
                                            gsize n_parts,
                                            guint8 *out) G_GNUC_WARN_UNUSED_RESULT;

/**
 * stun_ext_crypto_hkdf_sha256:
 * @salt: the salt; empty stands for 32 zeros
 * @ikm: the input keying material
 * @info: what the key is for
 * @out: (out caller-allocates) (array length=out_length): the key; zeros on failure
 * @out_length: octets wanted, at most 8160
 *
 * HKDF with SHA-256, extract and expand (RFC 5869). Any thread.
 *
 * Returns: %FALSE if @out_length is too large or the cryptographic library refused
 */
STUN_EXT_API gboolean stun_ext_crypto_hkdf_sha256 (StunExtSpan salt,
                                                   StunExtSpan ikm,
                                                   StunExtSpan info,
                                                   guint8 *out,
                                                   gsize out_length) G_GNUC_WARN_UNUSED_RESULT;

/**
 * stun_ext_crypto_equal:
 * @a: (array length=n): one secret
 * @b: (array length=n): another
 * @n: octets in each
 *
 * Compares secrets in a time that depends on @n alone. Any thread.
 *
 * Returns: %TRUE if they are equal
 */
STUN_EXT_API gboolean stun_ext_crypto_equal (const void *a, const void *b, gsize n);

/**
 * stun_ext_crypto_cleanse:
 * @data: (nullable) (array length=n): a secret that is no longer needed
 * @n: octets
 *
 * Overwrites a secret in a way the compiler keeps. Any thread.
 */
STUN_EXT_API void stun_ext_crypto_cleanse (void *data, gsize n);

/**
 * stun_ext_crc32:
 * @parts: (array length=n_parts): the input, in order
 * @n_parts: number of pieces
 *
 * CRC-32 as of ITU V.42, which FINGERPRINT uses (RFC 8489 section 14.7). Any thread.
 *
 * Returns: the checksum
 */
STUN_EXT_API guint32 stun_ext_crc32 (const StunExtSpan *parts, gsize n_parts);

G_END_DECLS
