/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/credentials.h"
#include "tep-s/version.h"

G_BEGIN_DECLS

/* Keys that one name can have at a time: a time-limited credential has one for each shared secret.
 */
#define TEP_SERVER_MAX_KEYS 4

/* PROTOCOL.md section 6: a shorter password could be searched for by a listener on plain TCP. */
#define TEP_SERVER_PLAIN_PASSWORD_MIN STUN_EXT_PLAIN_PASSWORD_MIN

/**
 * TepServerKeyKind:
 * @TEP_SERVER_KEY_SHORT_TERM: the password itself (RFC 8489 section 9.1.1)
 * @TEP_SERVER_KEY_LONG_TERM_SHA256: section 18.5.1.2
 * @TEP_SERVER_KEY_LONG_TERM_MD5: section 18.5.1.1; only where the configuration allows it
 * @TEP_SERVER_N_KEY_KINDS: how many there are
 */
typedef enum {
  TEP_SERVER_KEY_SHORT_TERM,
  TEP_SERVER_KEY_LONG_TERM_SHA256,
  TEP_SERVER_KEY_LONG_TERM_MD5,
  TEP_SERVER_N_KEY_KINDS
} TepServerKeyKind;

/**
 * TepServerRefusal:
 * @TEP_SERVER_REFUSAL_NONE: the credential may be used, if a key verifies
 * @TEP_SERVER_REFUSAL_UNKNOWN: no such user
 * @TEP_SERVER_REFUSAL_EXPIRED: a time-limited name whose time has passed
 * @TEP_SERVER_REFUSAL_TOO_FAR: a time-limited name that would last longer than allowed
 * @TEP_SERVER_REFUSAL_MALFORMED: a name that cannot be one: control characters, invalid UTF-8, too
 * long
 * @TEP_SERVER_REFUSAL_TLS_ONLY: the password is too short for plain TCP
 * @TEP_SERVER_REFUSAL_KIND: the user has no key of this kind, or the mechanism is off
 * @TEP_SERVER_N_REFUSALS: how many there are
 *
 * Why a credential will not do. For counters and logs alone: to the peer all of them look like a
 * wrong password.
 */
typedef enum {
  TEP_SERVER_REFUSAL_NONE,
  TEP_SERVER_REFUSAL_UNKNOWN,
  TEP_SERVER_REFUSAL_EXPIRED,
  TEP_SERVER_REFUSAL_TOO_FAR,
  TEP_SERVER_REFUSAL_MALFORMED,
  TEP_SERVER_REFUSAL_TLS_ONLY,
  TEP_SERVER_REFUSAL_KIND,
  TEP_SERVER_N_REFUSALS
} TepServerRefusal;

/**
 * TepServerCredential:
 * @refusal: %TEP_SERVER_REFUSAL_NONE if the user may log in, provided a key verifies
 * @n_keys: keys to try, at least 1
 * @keys: the keys; where @refusal is not NONE they are random, so that trying them takes the same
 * time and never succeeds
 * @digest: SHA-256 of @keys[0] where that is longer than a block of the hash, see
 * tep_server_credential_mac_key()
 * @identity: names the user in quotas and penalties, the same after a reload; of a time-limited
 * name only the user behind the colon counts
 * @name: (array length=name_length): the user's name, for logs (escape it). Borrowed: from the
 * store, or from the request
 * @name_length: octets in @name
 * @expires_ms: wall clock time in milliseconds at which the credential ends; 0 for never
 * @is_tls_only: what the key signs must not be seen by others, who could search for it
 *
 * What a name leads to. Clear it with tep_server_credential_clear(), for it holds secrets.
 */
typedef struct {
  TepServerRefusal refusal;
  guint n_keys;
  StunExtKey keys[TEP_SERVER_MAX_KEYS];
  guint8 digest[STUN_EXT_SHA256_LENGTH];
  guint64 identity;
  const char *name;
  gsize name_length;
  gint64 expires_ms;
  gboolean is_tls_only;
} TepServerCredential;

/**
 * TepServerUsersRules:
 * @realm: realm of long-term credentials
 * @users_file: (nullable): file with one user a line, "name:password" or "name:sha256-key:64 hex
 * digits"
 * @secret_files: (nullable) (array zero-terminated=1): files with one shared secret each, for
 * time-limited credentials; up to %TEP_SERVER_MAX_KEYS, so that a secret can be replaced while the
 * old one is still in use
 * @longest_s: how far ahead a time-limited credential may expire, in seconds
 * @has_short_term: short-term credentials are accepted
 * @has_long_term: long-term credentials are accepted
 * @is_md5_allowed: long-term keys of the MD5 algorithm are accepted
 */
typedef struct {
  const char *realm;
  const char *users_file;
  const char *const *secret_files;
  guint longest_s;
  gboolean has_short_term;
  gboolean has_long_term;
  gboolean is_md5_allowed;
} TepServerUsersRules;

/**
 * TepServerUsers:
 *
 * The credential store: every user of the file with keys derived, and the shared secrets.
 * Immutable; any number of threads may look users up at once. Reference-counted; the keys are
 * overwritten when the last reference goes.
 */
typedef struct _TepServerUsers TepServerUsers;

/**
 * tep_server_users_new:
 * @rules: what to load, not kept
 * @error: return location
 *
 * Reads the files. One that others than its owner may read, a line that cannot be understood, a
 * name twice: each is an error that names file and line, never the secret.
 *
 * Returns: (transfer full): the store; %NULL with %TEP_SERVER_ERROR_CONFIG
 */
TEP_SERVER_API TepServerUsers *tep_server_users_new (const TepServerUsersRules *rules,
                                                     GError **error);

/**
 * tep_server_users_ref:
 * @users: a store
 *
 * Any thread.
 *
 * Returns: (transfer full): @users
 */
TEP_SERVER_API TepServerUsers *tep_server_users_ref (TepServerUsers *users);

/**
 * tep_server_users_unref:
 * @users: (transfer full): a store
 *
 * Any thread.
 */
TEP_SERVER_API void tep_server_users_unref (TepServerUsers *users);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TepServerUsers, tep_server_users_unref)

/**
 * tep_server_users_find:
 * @users: a store
 * @kind: which key is wanted
 * @username: (array length=length): value of USERNAME; not terminated
 * @length: octets in @username
 * @is_secure: the connection is under TLS
 * @now_ms: wall clock time in milliseconds since 1970
 * @credential: (out): what was found; always set, also for names that do not exist
 *
 * Looks a name up. Takes the same time and leaves the same kind of result whether the user exists
 * or not: verify the request under each key, and only then look at @credential->refusal
 * (requirement 22). Any thread.
 */
TEP_SERVER_API void tep_server_users_find (const TepServerUsers *users,
                                           TepServerKeyKind kind,
                                           const char *username,
                                           gsize length,
                                           gboolean is_secure,
                                           gint64 now_ms,
                                           TepServerCredential *credential);

/**
 * tep_server_users_find_hash:
 * @users: a store
 * @kind: which key is wanted
 * @userhash: (array fixed-size=32): value of USERHASH
 * @is_secure: the connection is under TLS
 * @credential: (out): what was found; always set
 *
 * Like tep_server_users_find(), by USERHASH (RFC 8489 section 14.4). Time-limited names are not
 * found this way: see tep_server_users_may_be_anonymous().
 */
TEP_SERVER_API void tep_server_users_find_hash (const TepServerUsers *users,
                                                TepServerKeyKind kind,
                                                const guint8 userhash[32],
                                                gboolean is_secure,
                                                TepServerCredential *credential);

/**
 * tep_server_users_may_be_anonymous:
 * @users: a store
 *
 * Whether everybody who may log in by a long-term credential is found by USERHASH too, so that
 * clients can be told to use it.
 *
 * Returns: %FALSE if there are shared secrets, whose users' names are not known beforehand
 */
TEP_SERVER_API gboolean tep_server_users_may_be_anonymous (const TepServerUsers *users);

/**
 * tep_server_credential_mac_key:
 * @credential: a credential
 * @index: which of its keys, below @credential->n_keys
 *
 * What to verify MESSAGE-INTEGRITY-SHA256 with. HMAC hashes a key that is longer than a block first, and
 * the time for that would tell that the user exists and has a long password: so it has been done when
 * the file was read. Any thread.
 *
 * Returns: octets inside @credential, with the same effect as the key
 */
TEP_SERVER_API StunExtSpan tep_server_credential_mac_key (const TepServerCredential *credential,
                                                          guint index);

/**
 * tep_server_credential_clear:
 * @credential: a credential
 *
 * Overwrites the keys.
 */
TEP_SERVER_API void tep_server_credential_clear (TepServerCredential *credential);

/**
 * tep_server_users_count:
 * @users: a store
 *
 * Returns: number of users in the file
 */
TEP_SERVER_API guint tep_server_users_count (const TepServerUsers *users);

/**
 * tep_server_users_count_tls_only:
 * @users: a store
 *
 * Returns: number of users whose password is too short, or not known well enough, for plain TCP
 */
TEP_SERVER_API guint tep_server_users_count_tls_only (const TepServerUsers *users);

/**
 * tep_server_refusal_name:
 * @refusal: a refusal
 *
 * Returns: (transfer none): its name for counters and logs
 */
TEP_SERVER_API const char *tep_server_refusal_name (TepServerRefusal refusal);

G_END_DECLS
