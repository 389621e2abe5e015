/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the local TURN server says to its client. Clients believe refusals that are signed, so a
 * cause from far away is signed too, and reaches whoever reads the client's log.
 */
#include "turn-connect/local/turn-server-private.h"

#include "stun-ext/attribute.h"
#include "stun-ext/integrity.h"
#include "turn-connect/local/reason.h"
#include "turn-connect/version.h"

#include <string.h>

#define ANSWER_MAX 1024 /* octets of an answer */
#define SOFTWARE "tepkit"

typedef struct {
  guint8 octets[ANSWER_MAX];
  StunExtBuilder builder;
} Answer;

static void
begin (Answer *answer, const TurnConnectTurnAsked *asked, StunExtClass message_class)
{
  stun_ext_builder_begin (&answer->builder, answer->octets, sizeof answer->octets, message_class,
                          asked->method, asked->transaction_id);
}

static void
begin_error (Answer *answer, const TurnConnectTurnAsked *asked, guint code, const char *reason)
{
  begin (answer, asked, STUN_EXT_CLASS_ERROR);
  stun_ext_builder_add_error (&answer->builder, code, reason);
}

static void
end (TurnConnectTurnServer *server,
     Answer *answer,
     const TurnConnectTurnAsked *asked,
     gboolean is_signed)
{
  gsize length;

  stun_ext_builder_add_text (&answer->builder, STUN_EXT_ATTRIBUTE_SOFTWARE, SOFTWARE);
  if (stun_ext_builder_finish (&answer->builder,
                               is_signed ? STUN_EXT_INTEGRITY_SHA1 : STUN_EXT_INTEGRITY_NONE,
                               stun_ext_key_span (&server->key), asked->has_fingerprint, &length) &&
      !turn_connect_lane_append (&server->to_client, answer->octets, length))
    server->counts.n_dropped_to_client++;
}

void
turn_connect_turn_server_refuse (TurnConnectTurnServer *server,
                                 const TurnConnectTurnAsked *asked,
                                 guint code,
                                 const char *reason)
{
  Answer answer;

  begin_error (&answer, asked, code, reason);
  end (server, &answer, asked, TRUE);
}

void
turn_connect_turn_server_refuse_unsigned (TurnConnectTurnServer *server,
                                          const TurnConnectTurnAsked *asked,
                                          guint code)
{
  Answer answer;

  begin_error (&answer, asked, code, NULL);
  end (server, &answer, asked, FALSE);
}

/* Codes that mean the same here as there. The others are about logins, nonces and allocations
 * of which the client knows nothing. */
static guint
pass_code (guint code)
{
  switch (code) {
  case STUN_EXT_CODE_FORBIDDEN:
  case STUN_EXT_CODE_ADDRESS_FAMILY_NOT_SUPPORTED:
  case STUN_EXT_CODE_PEER_FAMILY_MISMATCH:
  case STUN_EXT_CODE_QUOTA_REACHED:
  case STUN_EXT_CODE_INSUFFICIENT_CAPACITY:
    return code;
  default:
    return STUN_EXT_CODE_BAD_REQUEST;
  }
}

void
turn_connect_turn_server_answer_cause (TurnConnectTurnServer *server,
                                       const TurnConnectTurnAsked *asked,
                                       guint code,
                                       const char *cause)
{
  static const guint16 dont_fragment[] = { STUN_EXT_ATTRIBUTE_DONT_FRAGMENT };
  char reason[TURN_CONNECT_REASON_MAX + 1];

  server->counts.n_answered++;
  if (code == STUN_EXT_CODE_UNKNOWN_ATTRIBUTE && server->wishes.has_dont_fragment &&
      asked->method == STUN_EXT_METHOD_ALLOCATE) {
    turn_connect_turn_server_refuse_unknown (server, asked, dont_fragment, 1);
    return;
  }
  turn_connect_relay_make_reason (reason, sizeof reason, cause);
  turn_connect_turn_server_refuse (server, asked, pass_code (code), reason);
}

void
turn_connect_turn_server_refuse_unknown (TurnConnectTurnServer *server,
                                         const TurnConnectTurnAsked *asked,
                                         const guint16 *types,
                                         guint n_types)
{
  Answer answer;

  begin_error (&answer, asked, STUN_EXT_CODE_UNKNOWN_ATTRIBUTE, NULL);
  stun_ext_builder_add_unknown_attributes (&answer.builder, types, n_types);
  /* A stranger's Binding gets no signature, on which a password could be tried. */
  end (server, &answer, asked, asked->method != STUN_EXT_METHOD_BINDING);
}

/* ---- who is asking ---- */

/* The nonce needs nothing but to be ours and not too old: no two requests get the same. */
void
turn_connect_turn_server_challenge (TurnConnectTurnServer *server,
                                    const TurnConnectTurnAsked *asked,
                                    guint code,
                                    gint64 now)
{
  static const StunExtRealm realm = { { TURN_CONNECT_TURN_SERVER_REALM,
                                        sizeof TURN_CONNECT_TURN_SERVER_REALM - 1 },
                                      STUN_EXT_ALGORITHMS_NONE,
                                      FALSE };
  guint8 salt[STUN_EXT_NONCE_SALT_LENGTH];
  char nonce[STUN_EXT_NONCE_LENGTH + 1];
  Answer answer;

  server->n_nonces++;
  for (gsize i = 0; i < sizeof salt; i++)
    salt[i] = (guint8)(server->n_nonces >> (8 * i));
  if (!stun_ext_nonce_make (&server->nonces, STUN_EXT_FEATURE_NONE, (guint64)(now / 1000), salt,
                            (StunExtSpan){ 0 }, nonce)) {
    turn_connect_turn_server_refuse_unsigned (server, asked, STUN_EXT_CODE_SERVER_ERROR);
    return;
  }
  begin_error (&answer, asked, code, NULL);
  stun_ext_builder_add_challenge (&answer.builder, &realm, nonce);
  end (server, &answer, asked, FALSE);
}

gboolean
turn_connect_turn_server_authenticate (TurnConnectTurnServer *server,
                                       const StunExtMessage *message,
                                       const TurnConnectTurnAsked *asked,
                                       gint64 now)
{
  /* Clients of RFC 5389 are what this is for: nothing newer is offered. */
  static const StunExtRealm realm = { { TURN_CONNECT_TURN_SERVER_REALM,
                                        sizeof TURN_CONNECT_TURN_SERVER_REALM - 1 },
                                      STUN_EXT_ALGORITHMS_MD5,
                                      FALSE };
  StunExtLogin login = { 0 };
  gboolean is_right;

  switch (stun_ext_login_read (message, &realm, &login)) {
  case STUN_EXT_LOGIN_COMPLETE:
    break;
  case STUN_EXT_LOGIN_CHALLENGE:
    turn_connect_turn_server_challenge (server, asked, STUN_EXT_CODE_UNAUTHENTICATED, now);
    return FALSE;
  case STUN_EXT_LOGIN_BAD_REQUEST:
    turn_connect_turn_server_refuse_unsigned (server, asked, STUN_EXT_CODE_BAD_REQUEST);
    return FALSE;
  }
  if (stun_ext_nonce_check (&server->nonces, login.nonce, (guint64)(now / 1000), (StunExtSpan){ 0 },
                            NULL) != STUN_EXT_NONCE_VALID) {
    turn_connect_turn_server_challenge (server, asked, STUN_EXT_CODE_STALE_NONCE, now);
    return FALSE;
  }
  is_right = login.username.length == strlen (server->user) &&
             memcmp (login.username.data, server->user, login.username.length) == 0;
  /* With the right key for a wrong name too, so that it takes as long. */
  is_right &=
      stun_ext_integrity_verify (message, STUN_EXT_INTEGRITY_SHA1, STUN_EXT_INTEGRITY_SHA256_LENGTH,
                                 stun_ext_key_span (&server->key)) == STUN_EXT_VERDICT_VALID;
  if (!is_right)
    turn_connect_turn_server_challenge (server, asked, STUN_EXT_CODE_UNAUTHENTICATED, now);
  return is_right;
}

/* ---- yes ---- */

void
turn_connect_turn_server_answer_plain (TurnConnectTurnServer *server,
                                       const TurnConnectTurnAsked *asked)
{
  Answer answer;

  begin (&answer, asked, STUN_EXT_CLASS_SUCCESS);
  end (server, &answer, asked, TRUE);
}

void
turn_connect_turn_server_answer_refresh (TurnConnectTurnServer *server,
                                         const TurnConnectTurnAsked *asked,
                                         guint32 lifetime_s)
{
  Answer answer;

  begin (&answer, asked, STUN_EXT_CLASS_SUCCESS);
  stun_ext_builder_add_u32 (&answer.builder, STUN_EXT_ATTRIBUTE_LIFETIME, lifetime_s);
  end (server, &answer, asked, TRUE);
}

/* ADDRESS-ERROR-CODE (RFC 8656 section 18.12), for the second family, which is IPv6. */
static void
add_family_error (StunExtBuilder *builder, guint code)
{
  const char *phrase = stun_ext_reason_phrase (code);
  guint8 value[4 + TURN_CONNECT_REASON_MAX] = { 0x02, 0, (guint8)(code / 100),
                                                (guint8)(code % 100) };
  gsize length = MIN (strlen (phrase), TURN_CONNECT_REASON_MAX);

  memcpy (&value[4], phrase, length);
  stun_ext_builder_add_data (builder, STUN_EXT_ATTRIBUTE_ADDRESS_ERROR_CODE, value, 4 + length);
}

void
turn_connect_turn_server_answer_allocate (TurnConnectTurnServer *server,
                                          const TurnConnectTurnAsked *asked)
{
  const TurnConnectTurnGrant *grant = &server->grant;
  Answer answer;

  begin (&answer, asked, STUN_EXT_CLASS_SUCCESS);
  for (int i = 0; i < 2; i++)
    if (grant->relayed[i].family != 0)
      stun_ext_builder_add_xor_address (&answer.builder, STUN_EXT_ATTRIBUTE_XOR_RELAYED_ADDRESS,
                                        &grant->relayed[i]);
  stun_ext_builder_add_u32 (&answer.builder, STUN_EXT_ATTRIBUTE_LIFETIME, server->lifetime_s);
  if (grant->has_reservation)
    stun_ext_builder_add_data (&answer.builder, STUN_EXT_ATTRIBUTE_RESERVATION_TOKEN,
                               grant->reservation, sizeof grant->reservation);
  stun_ext_builder_add_xor_address (&answer.builder, STUN_EXT_ATTRIBUTE_XOR_MAPPED_ADDRESS,
                                    &grant->mapped);
  if (grant->family_error != 0)
    add_family_error (&answer.builder, grant->family_error);
  end (server, &answer, asked, TRUE);
}

void
turn_connect_turn_server_answer_binding (TurnConnectTurnServer *server,
                                         const TurnConnectTurnAsked *asked)
{
  gboolean is_known = server->grant.mapped.family != 0;
  Answer answer;

  begin (&answer, asked, STUN_EXT_CLASS_SUCCESS);
  stun_ext_builder_add_xor_address (&answer.builder, STUN_EXT_ATTRIBUTE_XOR_MAPPED_ADDRESS,
                                    is_known ? &server->grant.mapped : &server->client);
  end (server, &answer, asked, FALSE);
}
