/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Long-term credentials as a client uses them (RFC 8489 section 9.2, RFC 8656 section 5). What is
 * delicate is change: nonces grow stale, credentials are renewed under a living allocation, and a
 * server keeps an allocation for the user name that made it. So a request keeps what it was signed
 * with, and the login that owns the allocation is kept beside the one for new requests.
 */
#include "turn-connect/turn/auth.h"

#include <string.h>

#include "stun-ext/error.h"

#define USER_MAX 508 /* octets, RFC 8489 section 14.3 */

TurnConnectLogin *
turn_connect_login_new (const char *user, const char *password, GError **error)
{
  static int serials;
  g_autofree char *prepared_user = stun_ext_opaque_string (user, error);
  char *prepared_password;
  TurnConnectLogin *login;

  if (prepared_user == NULL)
    return NULL;
  if (strlen (prepared_user) > USER_MAX) {
    g_set_error (error, STUN_EXT_ERROR, STUN_EXT_ERROR_CREDENTIAL,
                 "the user name is longer than %d octets", USER_MAX);
    return NULL;
  }
  prepared_password = stun_ext_opaque_string (password, error);
  if (prepared_password == NULL)
    return NULL;
  login = g_new (TurnConnectLogin, 1);
  g_atomic_ref_count_init (&login->references);
  login->serial = (guint)g_atomic_int_add (&serials, 1) + 1;
  login->user = g_steal_pointer (&prepared_user);
  login->password = prepared_password;
  return login;
}

TurnConnectLogin *
turn_connect_login_ref (TurnConnectLogin *login)
{
  g_atomic_ref_count_inc (&login->references);
  return login;
}

void
turn_connect_login_unref (TurnConnectLogin *login)
{
  if (!g_atomic_ref_count_dec (&login->references))
    return;
  stun_ext_crypto_cleanse (login->password, strlen (login->password));
  g_free (login->password);
  g_free (login->user);
  g_free (login);
}

void
turn_connect_auth_init (TurnConnectAuth *auth, StunExtAlgorithms allowed)
{
  *auth = (TurnConnectAuth){ .allowed = allowed };
}

static void
forget_key (TurnConnectAuth *auth)
{
  stun_ext_key_clear (&auth->key);
  g_clear_pointer (&auth->key_login, turn_connect_login_unref);
}

void
turn_connect_auth_clear (TurnConnectAuth *auth)
{
  forget_key (auth);
  g_clear_pointer (&auth->login, turn_connect_login_unref);
  g_clear_pointer (&auth->owner, turn_connect_login_unref);
  auth->has_challenge = FALSE;
}

static TurnConnectLogin *
ref_or_null (TurnConnectLogin *login)
{
  return login != NULL ? turn_connect_login_ref (login) : NULL;
}

void
turn_connect_auth_copy (TurnConnectAuth *to, const TurnConnectAuth *from)
{
  *to = *from;
  to->login = ref_or_null (from->login);
  to->owner = ref_or_null (from->owner);
  to->key_login = ref_or_null (from->key_login);
}

void
turn_connect_auth_set_login (TurnConnectAuth *auth, TurnConnectLogin *login)
{
  TurnConnectLogin *old = auth->login;

  auth->login = ref_or_null (login);
  auth->keeps_owner = FALSE;
  g_clear_pointer (&old, turn_connect_login_unref);
}

void
turn_connect_auth_forget_challenge (TurnConnectAuth *auth)
{
  auth->has_challenge = FALSE;
  forget_key (auth);
}

/* Who signs now. */
static TurnConnectLogin *
signer (const TurnConnectAuth *auth)
{
  return auth->keeps_owner && auth->owner != NULL ? auth->owner : auth->login;
}

void
turn_connect_auth_own (TurnConnectAuth *auth)
{
  TurnConnectLogin *login = ref_or_null (signer (auth));

  g_clear_pointer (&auth->owner, turn_connect_login_unref);
  auth->owner = login;
}

void
turn_connect_auth_disown (TurnConnectAuth *auth)
{
  g_clear_pointer (&auth->owner, turn_connect_login_unref);
  auth->keeps_owner = FALSE;
}

gboolean
turn_connect_auth_fall_back (TurnConnectAuth *auth)
{
  if (auth->keeps_owner || auth->owner == NULL || auth->owner == auth->login)
    return FALSE;
  auth->keeps_owner = TRUE;
  return TRUE;
}

static gboolean
make_key (TurnConnectAuth *auth, TurnConnectLogin *login)
{
  const StunExtChallenge *challenge = &auth->challenge;

  if (auth->key_login == login)
    return TRUE;
  forget_key (auth);
  if (!stun_ext_key_derive (&auth->key, challenge->algorithm,
                            (StunExtSpan){ login->user, strlen (login->user) },
                            (StunExtSpan){ challenge->realm, strlen (challenge->realm) },
                            (StunExtSpan){ login->password, strlen (login->password) }))
    return FALSE;
  auth->key_login = turn_connect_login_ref (login);
  return TRUE;
}

gboolean
turn_connect_auth_finish (TurnConnectAuth *auth,
                          StunExtBuilder *builder,
                          TurnConnectSigned *signature,
                          gsize *length)
{
  TurnConnectLogin *login = signer (auth);

  *signature = (TurnConnectSigned){ .integrity = STUN_EXT_INTEGRITY_NONE };
  if (auth->has_challenge && login != NULL) {
    if (!make_key (auth, login))
      return FALSE;
    stun_ext_builder_add_login (builder, &auth->challenge, login->user);
    signature->integrity = auth->challenge.integrity;
    signature->key = auth->key;
    signature->login = login->serial;
    signature->nonce = auth->nonce;
  }
  /* No FINGERPRINT: nothing but TURN goes to this server. */
  return stun_ext_builder_finish (builder, signature->integrity,
                                  stun_ext_key_span (&signature->key), FALSE, length);
}

/* Takes realm, nonce and algorithm over. A 438 need not repeat the realm. */
static void
take_challenge (TurnConnectAuth *auth, StunExtChallenge *challenge)
{
  if (challenge->realm[0] == '\0')
    g_strlcpy (challenge->realm, auth->challenge.realm, sizeof challenge->realm);
  if (!auth->has_challenge || auth->challenge.algorithm != challenge->algorithm ||
      strcmp (auth->challenge.realm, challenge->realm) != 0)
    forget_key (auth);
  auth->challenge = *challenge;
  auth->has_challenge = TRUE;
  auth->nonce++;
}

TurnConnectAuthVerdict
turn_connect_auth_challenge (TurnConnectAuth *auth,
                             const StunExtMessage *answer,
                             const TurnConnectSigned *signature)
{
  StunExtChallenge challenge;
  gboolean was_signed = signature->integrity != STUN_EXT_INTEGRITY_NONE;
  gboolean is_news;

  switch (stun_ext_challenge_read (answer, auth->allowed, &challenge)) {
  case STUN_EXT_CHALLENGE_BID_DOWN:
  case STUN_EXT_CHALLENGE_UNSUPPORTED:
    return TURN_CONNECT_AUTH_BID_DOWN;
  case STUN_EXT_CHALLENGE_INVALID:
    return TURN_CONNECT_AUTH_IGNORE;
  case STUN_EXT_CHALLENGE_ANSWER:
    break;
  }
  if (challenge.code == STUN_EXT_CODE_STALE_NONCE && !was_signed)
    return TURN_CONNECT_AUTH_IGNORE;
  if (auth->login == NULL)
    return TURN_CONNECT_AUTH_NEEDED;
  /* The answer to a request that another request's answer has already told better. */
  is_news = challenge.code == STUN_EXT_CODE_STALE_NONCE || !was_signed ||
            signature->nonce != auth->nonce || signature->login != signer (auth)->serial ||
            strcmp (challenge.realm, auth->challenge.realm) != 0;
  if (is_news) {
    take_challenge (auth, &challenge);
    return TURN_CONNECT_AUTH_RETRY;
  }
  /* With two logins at hand each gets its chance: the new one may be mistyped, the owner's may have
   * been changed at the server. */
  if (auth->keeps_owner)
    turn_connect_auth_disown (auth);
  else if (!turn_connect_auth_fall_back (auth))
    return TURN_CONNECT_AUTH_WRONG;
  take_challenge (auth, &challenge);
  return TURN_CONNECT_AUTH_RETRY;
}
