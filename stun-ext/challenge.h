/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/attribute.h"
#include "stun-ext/integrity.h"
#include "stun-ext/message.h"
#include "stun-ext/nonce.h"
#include "stun-ext/version.h"

G_BEGIN_DECLS

#define STUN_EXT_ALGORITHMS_MAX_LENGTH 64 /* arbitrary; octets of the longest list echoed */

/**
 * StunExtAlgorithms:
 * @STUN_EXT_ALGORITHMS_NONE: none
 * @STUN_EXT_ALGORITHMS_MD5: %STUN_EXT_PASSWORD_ALGORITHM_MD5
 * @STUN_EXT_ALGORITHMS_SHA256: %STUN_EXT_PASSWORD_ALGORITHM_SHA256
 *
 * A set of password algorithms.
 */
typedef enum {
  STUN_EXT_ALGORITHMS_NONE = 0,
  STUN_EXT_ALGORITHMS_MD5 = 1 << 0,
  STUN_EXT_ALGORITHMS_SHA256 = 1 << 1,
} StunExtAlgorithms;

/**
 * StunExtRealm:
 * @realm: prepared realm
 * @algorithms: password algorithms that the server accepts; SHA-256, and MD5 only where configured
 * @is_anonymous: the server takes USERHASH and asks for it
 *
 * What a server offers to users of long-term credentials.
 */
typedef struct {
  StunExtSpan realm;
  StunExtAlgorithms algorithms;
  gboolean is_anonymous;
} StunExtRealm;

/**
 * StunExtLoginVerdict:
 * @STUN_EXT_LOGIN_COMPLETE: everything is there: check the nonce (else 438), find the user, verify
 * the integrity (else 401)
 * @STUN_EXT_LOGIN_CHALLENGE: answer 401 with stun_ext_builder_add_challenge()
 * @STUN_EXT_LOGIN_BAD_REQUEST: answer 400, without integrity
 */
typedef enum {
  STUN_EXT_LOGIN_COMPLETE,
  STUN_EXT_LOGIN_CHALLENGE,
  STUN_EXT_LOGIN_BAD_REQUEST,
} StunExtLoginVerdict;

/**
 * StunExtLogin:
 * @username: value of USERNAME; empty with USERHASH
 * @userhash: value of USERHASH, 32 octets; empty with USERNAME
 * @nonce: value of NONCE, not checked yet
 * @algorithm: how to make the key
 * @answer_integrity: which integrity the answer carries (RFC 8489 section 9.2.4, last paragraph)
 *
 * How a request logs in. Spans lie inside the message.
 */
typedef struct {
  StunExtSpan username;
  StunExtSpan userhash;
  StunExtSpan nonce;
  StunExtPasswordAlgorithm algorithm;
  StunExtIntegrity answer_integrity;
} StunExtLogin;

/**
 * StunExtChallengeVerdict:
 * @STUN_EXT_CHALLENGE_ANSWER: repeat the request with stun_ext_builder_add_login()
 * @STUN_EXT_CHALLENGE_BID_DOWN: somebody on the way took PASSWORD-ALGORITHMS out; must not be
 * answered
 * @STUN_EXT_CHALLENGE_UNSUPPORTED: the server offers no algorithm that is allowed here; must not be
 * answered
 * @STUN_EXT_CHALLENGE_INVALID: not a 401 or 438, or without what it needs
 */
typedef enum {
  STUN_EXT_CHALLENGE_ANSWER,
  STUN_EXT_CHALLENGE_BID_DOWN,
  STUN_EXT_CHALLENGE_UNSUPPORTED,
  STUN_EXT_CHALLENGE_INVALID,
} StunExtChallengeVerdict;

/**
 * StunExtChallenge:
 * @code: 401 or 438
 * @realm: realm, terminated; empty in a 438 without one, which means the realm as before
 * @nonce: nonce, terminated
 * @offered: value of PASSWORD-ALGORITHMS, to be sent back unchanged
 * @offered_length: octets in @offered; 0 if there was none
 * @algorithm: how to make the key; %STUN_EXT_PASSWORD_ALGORITHM_NONE for a server of RFC 5389,
 * which means MD5
 * @is_anonymous: the server asks for USERHASH
 * @integrity: which integrity the request carries
 *
 * What a client keeps of a challenge: a value of its own, which may outlive the message and serves
 * later requests too.
 */
typedef struct {
  guint code;
  char realm[STUN_EXT_REALM_MAX_LENGTH + 1];
  char nonce[STUN_EXT_NONCE_MAX_LENGTH + 1];
  guint8 offered[STUN_EXT_ALGORITHMS_MAX_LENGTH];
  gsize offered_length;
  StunExtPasswordAlgorithm algorithm;
  gboolean is_anonymous;
  StunExtIntegrity integrity;
} StunExtChallenge;

/**
 * stun_ext_message_get_password_algorithms:
 * @message: a parsed message
 * @algorithms: (out): those of PASSWORD-ALGORITHMS that are known here, with the parameters they
 * should have
 * @value: (out): the whole value, inside the message
 *
 * Returns: what came of it; an empty list is %STUN_EXT_GET_INVALID
 */
STUN_EXT_API StunExtGet stun_ext_message_get_password_algorithms (const StunExtMessage *message,
                                                                  StunExtAlgorithms *algorithms,
                                                                  StunExtSpan *value);

/**
 * stun_ext_message_get_password_algorithm:
 * @message: a parsed message
 * @algorithm: (out): that of PASSWORD-ALGORITHM; NONE for one that is not known here
 *
 * Returns: what came of it
 */
STUN_EXT_API StunExtGet stun_ext_message_get_password_algorithm (
    const StunExtMessage *message, StunExtPasswordAlgorithm *algorithm);

/**
 * stun_ext_builder_add_password_algorithms:
 * @builder: a message being written
 * @algorithms: which to list, the strongest first
 *
 * Adds PASSWORD-ALGORITHMS (RFC 8489 section 14.11).
 */
STUN_EXT_API void stun_ext_builder_add_password_algorithms (StunExtBuilder *builder,
                                                            StunExtAlgorithms algorithms);

/**
 * stun_ext_realm_features:
 * @realm: what the server offers
 *
 * Returns: what its nonces must say
 */
STUN_EXT_API StunExtFeatures stun_ext_realm_features (const StunExtRealm *realm);

/**
 * stun_ext_builder_add_challenge:
 * @builder: a 401 or 438 being written, or a success response that brings the next nonce
 * @realm: what the server offers
 * @nonce: a fresh nonce with stun_ext_realm_features()
 *
 * Adds REALM, NONCE and PASSWORD-ALGORITHMS. The three belong together: a NONCE that announces
 * algorithms without a list is to be ignored by clients (RFC 8489 section 9.2.5).
 */
STUN_EXT_API void stun_ext_builder_add_challenge (StunExtBuilder *builder,
                                                  const StunExtRealm *realm,
                                                  const char *nonce);

/**
 * stun_ext_login_read:
 * @message: a request
 * @realm: what the server offers
 * @login: (out): how it logs in; set only on %STUN_EXT_LOGIN_COMPLETE
 *
 * The checks of RFC 8489 section 9.2.4 up to finding the user. Notices a list of algorithms that
 * was changed on the way. Remembers nothing and allocates nothing; any thread.
 *
 * Returns: what to do
 */
STUN_EXT_API StunExtLoginVerdict stun_ext_login_read (const StunExtMessage *message,
                                                      const StunExtRealm *realm,
                                                      StunExtLogin *login);

/**
 * stun_ext_challenge_read:
 * @message: an answer to a request of ours
 * @allowed: password algorithms that may be used here
 * @challenge: (out): what to keep; set only on %STUN_EXT_CHALLENGE_ANSWER
 *
 * The checks of RFC 8489 section 9.2.5 on a 401 or 438. Of algorithms offered and allowed the
 * strongest is taken and not the first: a server accepts each one of its list.
 *
 * Returns: what to do
 */
STUN_EXT_API StunExtChallengeVerdict stun_ext_challenge_read (const StunExtMessage *message,
                                                              StunExtAlgorithms allowed,
                                                              StunExtChallenge *challenge);

/**
 * stun_ext_message_is_bid_down:
 * @message: any response
 *
 * Returns: %TRUE if its NONCE announces PASSWORD-ALGORITHMS and there is none; the response is then
 * to be ignored (RFC 8489 section 9.2.5)
 */
STUN_EXT_API gboolean stun_ext_message_is_bid_down (const StunExtMessage *message);

/**
 * stun_ext_builder_add_login:
 * @builder: a request being written
 * @challenge: what the server asked for
 * @username: prepared name
 *
 * Adds USERNAME or USERHASH, REALM, NONCE, and PASSWORD-ALGORITHMS with PASSWORD-ALGORITHM where
 * the server sent a list. End the request with @challenge->integrity and the key of
 * @challenge->algorithm.
 */
STUN_EXT_API void stun_ext_builder_add_login (StunExtBuilder *builder,
                                              const StunExtChallenge *challenge,
                                              const char *username);

G_END_DECLS
