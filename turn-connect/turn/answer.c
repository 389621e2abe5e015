/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the codes of STUN to causes: which party refused what, in which step, and what can be done
 * about it. The server's own words are quoted, for they often say more than the code.
 */
#include "turn-connect/turn/answer.h"

#include "stun-ext/attribute.h"
#include "turn-connect/error-private.h"

#define QUOTED_MAX 100 /* octets of the server's own words */

TurnConnectStep
turn_connect_answer_step (guint16 method)
{
  switch (method) {
  case STUN_EXT_METHOD_ALLOCATE:
    return TURN_CONNECT_STEP_ALLOCATE;
  case STUN_EXT_METHOD_CREATE_PERMISSION:
    return TURN_CONNECT_STEP_PERMISSION;
  case STUN_EXT_METHOD_CHANNEL_BIND:
    return TURN_CONNECT_STEP_CHANNEL;
  case STUN_EXT_METHOD_CONNECT:
  case STUN_EXT_METHOD_CONNECTION_BIND:
    return TURN_CONNECT_STEP_PEER;
  default:
    return TURN_CONNECT_STEP_REFRESH;
  }
}

typedef struct {
  guint code;
  TurnConnectError error;
  const char *words;
} Meaning;

static const Meaning meanings[] = {
  { STUN_EXT_CODE_TRY_ALTERNATE, TURN_CONNECT_ERROR_TURN_REDIRECT, "sent us to another server" },
  { STUN_EXT_CODE_UNAUTHENTICATED, TURN_CONNECT_ERROR_TURN_UNAUTHORIZED,
    "did not accept user and password" },
  { STUN_EXT_CODE_FORBIDDEN, TURN_CONNECT_ERROR_TURN_FORBIDDEN, "forbids it" },
  { STUN_EXT_CODE_MOBILITY_FORBIDDEN, TURN_CONNECT_ERROR_TURN_FORBIDDEN, "forbids mobility" },
  { STUN_EXT_CODE_ALLOCATION_MISMATCH, TURN_CONNECT_ERROR_TURN_MISMATCH,
    "knows another allocation on this connection, or none" },
  { STUN_EXT_CODE_ADDRESS_FAMILY_NOT_SUPPORTED, TURN_CONNECT_ERROR_TURN_FAMILY,
    "has no address of the family asked for" },
  { STUN_EXT_CODE_WRONG_CREDENTIALS, TURN_CONNECT_ERROR_TURN_WRONG_USER,
    "says that the allocation belongs to another user" },
  { STUN_EXT_CODE_UNSUPPORTED_TRANSPORT, TURN_CONNECT_ERROR_TURN_TRANSPORT,
    "does not relay this transport" },
  { STUN_EXT_CODE_PEER_FAMILY_MISMATCH, TURN_CONNECT_ERROR_TURN_FAMILY,
    "has no relayed address of the peer's family" },
  { STUN_EXT_CODE_CONNECTION_EXISTS, TURN_CONNECT_ERROR_TURN_PEER,
    "already has a connection with this peer" },
  { STUN_EXT_CODE_CONNECTION_FAILURE, TURN_CONNECT_ERROR_TURN_PEER,
    "could not connect to the peer" },
  { STUN_EXT_CODE_QUOTA_REACHED, TURN_CONNECT_ERROR_TURN_QUOTA,
    "says that the user has as many allocations as allowed" },
  { STUN_EXT_CODE_INSUFFICIENT_CAPACITY, TURN_CONNECT_ERROR_TURN_CAPACITY,
    "has no room left for it" },
};

GError *
turn_connect_answer_error_new (guint16 method, guint code, const char *reason, const char *who)
{
  const Meaning *meaning = NULL;
  GError *error;

  for (gsize i = 0; i < G_N_ELEMENTS (meanings) && meaning == NULL; i++)
    if (meanings[i].code == code)
      meaning = &meanings[i];
  error = g_error_new (TURN_CONNECT_ERROR,
                       (int)(meaning != NULL ? meaning->error : TURN_CONNECT_ERROR_TURN_REFUSED),
                       "%s %s: %u %s", who, meaning != NULL ? meaning->words : "refused", code,
                       reason != NULL && *reason != '\0' ? reason : stun_ext_reason_phrase (code));
  turn_connect_error_set_step (error, turn_connect_answer_step (method));
  turn_connect_error_set_turn_code (error, code);
  return error;
}

GError *
turn_connect_answer_to_error (const StunExtMessage *answer, const char *who)
{
  g_autofree char *words = NULL;
  StunExtSpan reason = { 0 };
  guint code = 0;

  if (stun_ext_message_get_error (answer, &code, &reason) != STUN_EXT_GET_OK)
    return turn_connect_answer_protocol_error (answer->method, who,
                                               "an error response without a code");
  words = turn_connect_error_quote (reason.data, reason.length, QUOTED_MAX);
  return turn_connect_answer_error_new (answer->method, code, words, who);
}

GError *
turn_connect_answer_protocol_error (guint16 method, const char *who, const char *what)
{
  GError *error = g_error_new (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TURN_PROTOCOL,
                               "%s does not speak TURN as it must: %s", who, what);

  turn_connect_error_set_step (error, turn_connect_answer_step (method));
  return error;
}
