/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/proxy/challenge.h"

/* The Digest scheme (RFC 7616) as a client answers it: MD5 and SHA-256, plain and -sess, with qop
 * "auth" or, as before RFC 2617, none. No I/O, no randomness. */
typedef struct _TurnConnectDigest TurnConnectDigest;

typedef struct {
  const char *user;
  const char *password;
  const char *method;
  const char *uri;
  const char *cnonce; /* the caller's random, as hex digits or the like: no quotes */
} TurnConnectDigestRequest;

/* The strongest of the Digest challenges that can be answered; NULL if there is none. */
TurnConnectDigest *turn_connect_digest_new (const GPtrArray *challenges);
TurnConnectDigest *turn_connect_digest_copy (const TurnConnectDigest *digest);
void turn_connect_digest_free (TurnConnectDigest *digest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TurnConnectDigest, turn_connect_digest_free)

gboolean turn_connect_digest_is_same_nonce (const TurnConnectDigest *a, const TurnConnectDigest *b);

/* The proxy says that only the nonce was too old, and gives another than @before. */
gboolean turn_connect_digest_is_stale (const TurnConnectDigest *digest,
                                       const TurnConnectDigest *before);

/* "Digest username=...", each time under the next nonce count. */
char *turn_connect_digest_answer (TurnConnectDigest *digest,
                                  const TurnConnectDigestRequest *request);

/* What Proxy-Authentication-Info says after a success: a next nonce takes the place of the nonce.
 */
void turn_connect_digest_take_info (TurnConnectDigest *digest, const char *line);
