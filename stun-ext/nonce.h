/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/crypto.h"
#include "stun-ext/version.h"

G_BEGIN_DECLS

#define STUN_EXT_NONCE_DEFAULT_LIFETIME_S 600  /* as others do; RFC 8489 names no value */
#define STUN_EXT_NONCE_LONGEST_LIFETIME_S 3600 /* RFC 8656 section 5: change at least hourly */
#define STUN_EXT_NONCE_LENGTH 45               /* octets of a nonce made here */
#define STUN_EXT_NONCE_SALT_LENGTH 6           /* octets of randomness in it */
#define STUN_EXT_NONCE_KEY_LENGTH 32           /* octets */

/**
 * StunExtFeatures:
 * @STUN_EXT_FEATURE_PASSWORD_ALGORITHMS: the server sent PASSWORD-ALGORITHMS
 * @STUN_EXT_FEATURE_USERNAME_ANONYMITY: the server wants USERHASH and not USERNAME
 *
 * STUN Security Features (RFC 8489 section 18.1). The values are not those on the wire.
 */
typedef enum {
  STUN_EXT_FEATURE_NONE = 0,
  STUN_EXT_FEATURE_PASSWORD_ALGORITHMS = 1 << 0,
  STUN_EXT_FEATURE_USERNAME_ANONYMITY = 1 << 1,
} StunExtFeatures;

/**
 * StunExtNonceVerdict:
 * @STUN_EXT_NONCE_VALID: made here, and not too old
 * @STUN_EXT_NONCE_STALE: made here, and too old, or from the future; answer 438
 * @STUN_EXT_NONCE_FOREIGN: not made here, or made for another context; answer 438
 */
typedef enum {
  STUN_EXT_NONCE_VALID,
  STUN_EXT_NONCE_STALE,
  STUN_EXT_NONCE_FOREIGN,
} StunExtNonceVerdict;

/**
 * StunExtNonceMaker:
 * @key: 32 secret random octets of the server
 * @lifetime_s: how long a nonce is valid, in seconds; 0 stands for 600, more than 3600 for 3600
 *
 * What it takes to make and to know nonces without remembering any. Plain data that is only read:
 * any thread, also several at once.
 */
typedef struct {
  guint8 key[STUN_EXT_NONCE_KEY_LENGTH];
  guint lifetime_s;
} StunExtNonceMaker;

/**
 * stun_ext_nonce_make:
 * @maker: key and lifetime
 * @features: what the nonce says the server can do
 * @now_ms: wall clock time in milliseconds since 1970
 * @salt: (array fixed-size=6): fresh random octets, so that no two requests get the same nonce
 * @context: what the nonce is bound to, such as the offered algorithms; may be empty
 * @nonce: (out caller-allocates): the nonce, terminated
 *
 * Makes "obMatJos2", four characters of features, then time, salt and a MAC in base64.
 *
 * Returns: %FALSE if the cryptographic library refused; @nonce is then empty
 */
STUN_EXT_API gboolean stun_ext_nonce_make (const StunExtNonceMaker *maker,
                                           StunExtFeatures features,
                                           guint64 now_ms,
                                           const guint8 salt[STUN_EXT_NONCE_SALT_LENGTH],
                                           StunExtSpan context,
                                           char nonce[STUN_EXT_NONCE_LENGTH + 1])
    G_GNUC_WARN_UNUSED_RESULT;

/**
 * stun_ext_nonce_check:
 * @maker: key and lifetime
 * @nonce: value of NONCE in a request
 * @now_ms: wall clock time in milliseconds since 1970
 * @context: as given to stun_ext_nonce_make()
 * @made_ms: (out) (optional): when it was made; set unless the nonce is foreign
 *
 * A nonce up to 5 s from the future is valid, for a cluster's clocks differ.
 *
 * Returns: the verdict
 */
STUN_EXT_API StunExtNonceVerdict stun_ext_nonce_check (const StunExtNonceMaker *maker,
                                                       StunExtSpan nonce,
                                                       guint64 now_ms,
                                                       StunExtSpan context,
                                                       guint64 *made_ms) G_GNUC_WARN_UNUSED_RESULT;

/**
 * stun_ext_nonce_features:
 * @nonce: value of NONCE, of any server
 * @features: (out): what the nonce cookie says; nothing if there is none
 *
 * Reads the nonce cookie (RFC 8489 section 9.2). Section 18.1 counts bits from the most significant
 * one, erratum 6290 and the sample in appendix B.1 from the least; servers of both kinds exist, and
 * the bits that the two readings differ in are unassigned, so a feature counts if either reading
 * shows it.
 *
 * Returns: %TRUE if the nonce begins with a cookie
 */
STUN_EXT_API gboolean stun_ext_nonce_features (StunExtSpan nonce, StunExtFeatures *features);

G_END_DECLS
