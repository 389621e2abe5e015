/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/crypto.h"
#include "stun-ext/message.h"
#include "stun-ext/version.h"

G_BEGIN_DECLS

/**
 * StunExtIntegrity:
 * @STUN_EXT_INTEGRITY_NONE: none
 * @STUN_EXT_INTEGRITY_SHA1: MESSAGE-INTEGRITY (RFC 8489 section 14.5)
 * @STUN_EXT_INTEGRITY_SHA256: MESSAGE-INTEGRITY-SHA256 (RFC 8489 section 14.6)
 * @STUN_EXT_INTEGRITY_BOTH: both, in that order
 */
typedef enum {
  STUN_EXT_INTEGRITY_NONE = 0,
  STUN_EXT_INTEGRITY_SHA1 = 1 << 0,
  STUN_EXT_INTEGRITY_SHA256 = 1 << 1,
  STUN_EXT_INTEGRITY_BOTH = STUN_EXT_INTEGRITY_SHA1 | STUN_EXT_INTEGRITY_SHA256,
} StunExtIntegrity;

/**
 * StunExtVerdict:
 * @STUN_EXT_VERDICT_VALID: there, and right
 * @STUN_EXT_VERDICT_MISSING: not there, or not of an allowed kind
 * @STUN_EXT_VERDICT_WRONG: there, and wrong
 */
typedef enum {
  STUN_EXT_VERDICT_VALID,
  STUN_EXT_VERDICT_MISSING,
  STUN_EXT_VERDICT_WRONG,
} StunExtVerdict;

/**
 * stun_ext_message_integrity:
 * @message: a parsed message
 *
 * Returns: the kinds of integrity that a message carries, which says nothing about their being
 * right
 */
STUN_EXT_API StunExtIntegrity stun_ext_message_integrity (const StunExtMessage *message);

/**
 * stun_ext_integrity_verify:
 * @message: a parsed message
 * @allowed: kinds that the caller trusts
 * @sha256_min_length: the shortest truncation of SHA-256 to accept, 16 to 32 octets. RFC 8489
 * section 14.6: 32 unless the usage explicitly allows less
 * @key: the key
 *
 * Checks MESSAGE-INTEGRITY-SHA256 if it is there and allowed, else MESSAGE-INTEGRITY (RFC 8489
 * sections 9.1.3 and 9.2.4). Comparing takes the same time wherever the first difference lies. For
 * an unknown user call it with a key of stun_ext_key_dummy(), so that the answer takes as long as
 * for a wrong password. Any thread.
 *
 * Returns: the verdict
 */
STUN_EXT_API StunExtVerdict stun_ext_integrity_verify (const StunExtMessage *message,
                                                       StunExtIntegrity allowed,
                                                       gsize sha256_min_length,
                                                       StunExtSpan key) G_GNUC_WARN_UNUSED_RESULT;

/**
 * stun_ext_fingerprint_verify:
 * @message: a parsed message
 *
 * Checks FINGERPRINT (RFC 8489 section 14.7). It is no protection against anybody. Any thread.
 *
 * Returns: the verdict
 */
STUN_EXT_API StunExtVerdict stun_ext_fingerprint_verify (const StunExtMessage *message)
    G_GNUC_WARN_UNUSED_RESULT;

/**
 * stun_ext_builder_finish:
 * @builder: a message with all its other attributes
 * @integrity: which integrity to append
 * @key: the key; not read for %STUN_EXT_INTEGRITY_NONE
 * @fingerprint: whether to append FINGERPRINT
 * @length: (out): octets of the message, from the beginning of the buffer. Set only on success
 *
 * Ends a message. Any thread.
 *
 * Returns: %FALSE if it did not fit into the buffer, if some value was not allowed, or if the
 * cryptographic library refused. Then nothing of the buffer may be sent
 */
STUN_EXT_API gboolean stun_ext_builder_finish (StunExtBuilder *builder,
                                               StunExtIntegrity integrity,
                                               StunExtSpan key,
                                               gboolean fingerprint,
                                               gsize *length) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
