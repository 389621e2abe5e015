/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stun-ext/challenge.h"
#include "stun-ext/credentials.h"

/* A name and a password, prepared (OpaqueString). */
typedef struct {
  gatomicrefcount references;
  guint serial; /* no two have the same */
  char *user;
  char *password;
} TurnConnectLogin;

TurnConnectLogin *turn_connect_login_new (const char *user, const char *password, GError **error);
TurnConnectLogin *turn_connect_login_ref (TurnConnectLogin *login);
void turn_connect_login_unref (TurnConnectLogin *login);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TurnConnectLogin, turn_connect_login_unref)

/* What a request was signed with, for its answer. */
typedef struct {
  StunExtIntegrity integrity; /* NONE: not at all */
  StunExtKey key;
  guint login; /* serial */
  guint nonce; /* which nonce, counted */
} TurnConnectSigned;

/* How requests log in to one server. All fields are private. */
typedef struct {
  TurnConnectLogin *login; /* for new requests; NULL: none */
  TurnConnectLogin *owner; /* by whom the allocation was made; NULL: there is none */
  gboolean keeps_owner;    /* the server takes nobody else for this allocation */
  StunExtAlgorithms allowed;
  StunExtChallenge challenge;
  gboolean has_challenge;
  guint nonce;                 /* counts challenges */
  StunExtKey key;              /* of key_login and the challenge */
  TurnConnectLogin *key_login; /* NULL: no key yet */
} TurnConnectAuth;

typedef enum {
  TURN_CONNECT_AUTH_RETRY,    /* send the request again, signed anew */
  TURN_CONNECT_AUTH_IGNORE,   /* not an answer to be believed */
  TURN_CONNECT_AUTH_NEEDED,   /* no credential was given */
  TURN_CONNECT_AUTH_WRONG,    /* the credential was not taken */
  TURN_CONNECT_AUTH_BID_DOWN, /* must not be answered */
} TurnConnectAuthVerdict;

void turn_connect_auth_init (TurnConnectAuth *auth, StunExtAlgorithms allowed);
void turn_connect_auth_clear (TurnConnectAuth *auth);
/* Another one for the same server, for another connection. */
void turn_connect_auth_copy (TurnConnectAuth *to, const TurnConnectAuth *from);
void turn_connect_auth_set_login (TurnConnectAuth *auth, TurnConnectLogin *login);
/* Forgets realm and nonce: another server. */
void turn_connect_auth_forget_challenge (TurnConnectAuth *auth);

/* The login of the last signed request made an allocation; or there is none any more. */
void turn_connect_auth_own (TurnConnectAuth *auth);
void turn_connect_auth_disown (TurnConnectAuth *auth);
/* A 441: whether the owner's login is worth a try. */
gboolean turn_connect_auth_fall_back (TurnConnectAuth *auth);

/* Ends a request: login and integrity. Unsigned before the first challenge. */
gboolean turn_connect_auth_finish (TurnConnectAuth *auth,
                                   StunExtBuilder *builder,
                                   TurnConnectSigned *signature,
                                   gsize *length);

/* A 401 or 438 to a request that was signed so. */
TurnConnectAuthVerdict turn_connect_auth_challenge (TurnConnectAuth *auth,
                                                    const StunExtMessage *answer,
                                                    const TurnConnectSigned *signature);
