/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/proxy/digest.h"
#include "turn-connect/target.h"

/* The dialogue with a proxy about who is asking, for one dial. No I/O, no randomness; the tokens of
 * Negotiate and NTLM, whose making may take long, are asked for and come in from outside. */
typedef struct _TurnConnectProxyAuth TurnConnectProxyAuth;

typedef enum {
  TURN_CONNECT_PROXY_AUTH_ASK,  /* ask again with the new header */
  TURN_CONNECT_PROXY_AUTH_WAIT, /* for a token: see turn_connect_proxy_auth_get_wanted() */
  TURN_CONNECT_PROXY_AUTH_OVER, /* an error is set */
} TurnConnectProxyAuthVerdict;

/* A token that has to be made. */
typedef struct {
  TurnConnectProxySchemes scheme; /* NEGOTIATE or NTLM */
  gboolean is_first;              /* a dialogue begins; else it goes on */
  GBytes *input;                  /* what the proxy sent, NULL with the first */
} TurnConnectProxyWanted;

/* @user: NULL without credentials. @sends_first: Basic goes out before it is asked for. */
TurnConnectProxyAuth *turn_connect_proxy_auth_new (const char *user,
                                                   const char *password,
                                                   TurnConnectProxySchemes allowed,
                                                   gboolean sends_first);
void turn_connect_proxy_auth_free (TurnConnectProxyAuth *auth);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TurnConnectProxyAuth, turn_connect_proxy_auth_free)

/* What Digest needs: the random, in hex digits, and what is asked for ("host:port"). Without it
 * there is no Digest. */
void turn_connect_proxy_auth_set_digest (TurnConnectProxyAuth *auth,
                                         const char *cnonce,
                                         const char *uri);

/* Goes on with a nonce of an earlier dial before anything is asked, and counts its use in @digest.
 * A proxy that does not know it any more costs a round trip and nothing else. */
void turn_connect_proxy_auth_go_on (TurnConnectProxyAuth *auth, TurnConnectDigest *digest);

/* The tunnel is up; @info: Proxy-Authentication-Info of the reply, or NULL. Returns what the next
 * dial may go on with, NULL if nothing; valid as long as @auth is. */
const TurnConnectDigest *turn_connect_proxy_auth_succeed (TurnConnectProxyAuth *auth,
                                                          const char *info);

/* What Proxy-Authorization says in the next request; NULL for no such line. */
const char *turn_connect_proxy_auth_get_header (TurnConnectProxyAuth *auth);

/* Is the header worth something on this connection only? */
gboolean turn_connect_proxy_auth_is_bound (const TurnConnectProxyAuth *auth);

/* Takes the values of all Proxy-Authenticate lines of a 407 (NULL-terminated). @stays: the next
 * request can go out on the same connection. Each scheme is tried once, Digest once more where its
 * nonce was too old, so this ends. Errors are of the TURN_CONNECT_ERROR_PROXY_ kind, with @who
 * naming the proxy. */
TurnConnectProxyAuthVerdict turn_connect_proxy_auth_challenge (TurnConnectProxyAuth *auth,
                                                               const char *const *challenges,
                                                               gboolean stays,
                                                               const char *who,
                                                               GError **error);

/* Valid while the last verdict was WAIT. */
const TurnConnectProxyWanted *turn_connect_proxy_auth_get_wanted (const TurnConnectProxyAuth *auth);

/* The token wanted, or NULL with the @problem in words, upon which the next scheme's turn comes. */
TurnConnectProxyAuthVerdict turn_connect_proxy_auth_give (TurnConnectProxyAuth *auth,
                                                          GBytes *token,
                                                          const char *problem,
                                                          const char *who,
                                                          GError **error);

/* The schemes named in challenges, in order, lower case, each once: RFC 9110 section 11.6.1. */
char **turn_connect_proxy_auth_list_schemes (const char *const *challenges);
