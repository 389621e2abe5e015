/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/crypto.h"
#include "stun-ext/protocol.h"
#include "stun-ext/version.h"

G_BEGIN_DECLS

/* Octets of a prepared password that may sign where others listen: PROTOCOL.md section 6. */
#define STUN_EXT_PLAIN_PASSWORD_MIN 16
#define STUN_EXT_KEY_MAX_LENGTH 256      /* arbitrary; octets of the longest short-term password */
#define STUN_EXT_REST_PASSWORD_LENGTH 44 /* characters of the longest, that of SHA-256 */

/**
 * StunExtKey:
 * @octets: the key
 * @length: octets in it
 *
 * A key for stun_ext_integrity_verify() and stun_ext_builder_finish(). Plain data; clear it with
 * stun_ext_key_clear().
 */
typedef struct {
  guint8 octets[STUN_EXT_KEY_MAX_LENGTH];
  gsize length;
} StunExtKey;

/**
 * StunExtRestVerdict:
 * @STUN_EXT_REST_VALID: it may be used
 * @STUN_EXT_REST_EXPIRED: its time has passed
 * @STUN_EXT_REST_TOO_FAR: it would last longer than allowed
 * @STUN_EXT_REST_MALFORMED: no such name: no number before a colon, nothing behind it, control
 * characters, too long
 *
 * What a time-limited user name is worth. To the peer all but the first look like a wrong password.
 */
typedef enum {
  STUN_EXT_REST_VALID,
  STUN_EXT_REST_EXPIRED,
  STUN_EXT_REST_TOO_FAR,
  STUN_EXT_REST_MALFORMED,
} StunExtRestVerdict;

/**
 * stun_ext_key_span:
 * @key: a key
 *
 * Returns: its octets, borrowed
 */
STUN_EXT_API StunExtSpan stun_ext_key_span (const StunExtKey *key);

/**
 * stun_ext_key_clear:
 * @key: a key
 *
 * Overwrites it.
 */
STUN_EXT_API void stun_ext_key_clear (StunExtKey *key);

/**
 * stun_ext_opaque_string:
 * @text: a user name, realm or password as a person wrote it
 * @error: return location
 *
 * Prepares a text by the OpaqueString profile (RFC 8265 section 4.2): spaces other than ASCII's
 * become U+0020, then normalisation form C. Refused: invalid UTF-8, the empty string, control and
 * format characters, unassigned and private code points, old Hangul letters, variation selectors.
 * Any thread.
 *
 * Returns: (transfer full): the prepared text; %NULL with %STUN_EXT_ERROR_CREDENTIAL, whose message
 * does not quote it
 */
STUN_EXT_API char *stun_ext_opaque_string (const char *text, GError **error);

/**
 * stun_ext_password_is_short:
 * @password: (nullable): password, UTF-8
 *
 * Returns: %TRUE if it has fewer than %STUN_EXT_PLAIN_PASSWORD_MIN octets when prepared, or cannot be prepared: what it
 * signs must not be seen by others, who could search for it (PROTOCOL.md section 6)
 */
STUN_EXT_API gboolean stun_ext_password_is_short (const char *password);

/**
 * stun_ext_key_short_term:
 * @key: (out): the key
 * @password: the password as a person wrote it
 * @error: return location
 *
 * The key of the short-term mechanism, OpaqueString (password) (RFC 8489 section 9.1.1).
 *
 * Returns: %FALSE with %STUN_EXT_ERROR_CREDENTIAL if the password may not be used or is longer than
 * 256 octets
 */
STUN_EXT_API gboolean stun_ext_key_short_term (StunExtKey *key,
                                               const char *password,
                                               GError **error);

/**
 * stun_ext_key_long_term:
 * @key: (out): the key
 * @algorithm: MD5 or SHA-256; NONE stands for MD5
 * @username: the name as a person wrote it
 * @realm: the realm
 * @password: the password as a person wrote it
 * @error: return location
 *
 * The key of the long-term mechanism (RFC 8489 sections 9.2.2 and 18.5.1), from texts that are
 * prepared here.
 *
 * Returns: %FALSE with %STUN_EXT_ERROR_CREDENTIAL or %STUN_EXT_ERROR_CRYPTO
 */
STUN_EXT_API gboolean stun_ext_key_long_term (StunExtKey *key,
                                              StunExtPasswordAlgorithm algorithm,
                                              const char *username,
                                              const char *realm,
                                              const char *password,
                                              GError **error);

/**
 * stun_ext_key_derive:
 * @key: (out): the key
 * @algorithm: MD5 or SHA-256; NONE stands for MD5
 * @username: prepared name, such as the value of USERNAME
 * @realm: prepared realm
 * @password: prepared password
 *
 * As stun_ext_key_long_term(), of texts that need no preparation; allocates nothing of its own. Any
 * thread.
 *
 * Returns: %FALSE if the cryptographic library refused or the algorithm is unknown
 */
STUN_EXT_API gboolean stun_ext_key_derive (StunExtKey *key,
                                           StunExtPasswordAlgorithm algorithm,
                                           StunExtSpan username,
                                           StunExtSpan realm,
                                           StunExtSpan password) G_GNUC_WARN_UNUSED_RESULT;

/**
 * stun_ext_key_dummy:
 * @key: (out): the key
 * @secret: a secret of the server
 * @username: the name that nobody has
 *
 * A key for a user who does not exist: verify the request with it and answer as for a wrong
 * password, then neither the octets of the answer nor its time tell that there is no such user. The
 * same name always yields the same key.
 *
 * Returns: %FALSE if the cryptographic library refused
 */
STUN_EXT_API gboolean stun_ext_key_dummy (StunExtKey *key,
                                          StunExtSpan secret,
                                          StunExtSpan username) G_GNUC_WARN_UNUSED_RESULT;

/**
 * stun_ext_userhash:
 * @username: prepared name
 * @realm: prepared realm
 * @userhash: (out caller-allocates): value of USERHASH (RFC 8489 section 14.4)
 *
 * Returns: %FALSE if the cryptographic library refused
 */
STUN_EXT_API gboolean stun_ext_userhash (StunExtSpan username,
                                         StunExtSpan realm,
                                         guint8 userhash[STUN_EXT_USERHASH_LENGTH])
    G_GNUC_WARN_UNUSED_RESULT;

/**
 * stun_ext_rest_check:
 * @username: value of USERNAME
 * @now_s: wall clock time in seconds since 1970
 * @longest_s: how far ahead it may expire, in seconds
 * @expires_s: (out) (optional): when it expires, in seconds since 1970; set unless malformed
 * @user: (out) (optional): what follows the first colon, inside @username; set unless malformed
 *
 * Reads a time-limited user name, "expiry:user" with the expiry in decimal. The user part may
 * contain colons.
 *
 * Returns: the verdict
 */
STUN_EXT_API StunExtRestVerdict stun_ext_rest_check (StunExtSpan username,
                                                     gint64 now_s,
                                                     guint longest_s,
                                                     gint64 *expires_s,
                                                     StunExtSpan *user) G_GNUC_WARN_UNUSED_RESULT;

/**
 * stun_ext_rest_password:
 * @hash: %STUN_EXT_HASH_SHA1, which most servers use, or %STUN_EXT_HASH_SHA256
 * @secret: what the server and the issuer of credentials share
 * @username: the whole name, "expiry:user"
 * @password: (out caller-allocates): base64 of the HMAC of the name, terminated
 *
 * Allocates nothing of its own. Clear @password after use. Any thread.
 *
 * Returns: %FALSE if the cryptographic library refused; @password is then empty
 */
STUN_EXT_API gboolean stun_ext_rest_password (StunExtHash hash,
                                              StunExtSpan secret,
                                              StunExtSpan username,
                                              char password[STUN_EXT_REST_PASSWORD_LENGTH + 1])
    G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
