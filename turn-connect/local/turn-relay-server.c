/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the server says, and what of it the client is to see: answers to what was asked, and what
 * peers sent. Answers to the relay's own questions stay here, and redirections are followed here.
 */
#include "turn-connect/local/turn-relay-private.h"

#include "stun-ext/attribute.h"
#include "stun-ext/integrity.h"
#include "stun-ext/octets.h"

#include <string.h>

static gboolean
is_circle (TurnConnectRelay *relay, const StunExtAddress *address)
{
  for (guint i = 0; i < relay->n_visited; i++) {
    if (stun_ext_address_equal (&relay->visited[i], address))
      return TRUE;
  }
  return relay->n_visited == TURN_CONNECT_RELAY_REDIRECTS_MAX;
}

/* RFC 8489 section 10. The relay has no credentials to check it with: what makes it trustworthy is
 * that the next server has to show a certificate for a name the first one's answer, which came by
 * verified TLS, or the configuration vouches for. Returns a cause if it cannot be followed. */
static const char *
redirect (TurnConnectRelay *relay,
          const StunExtMessage *message,
          const TurnConnectRelayAsked *asked)
{
  StunExtSpan domain;
  StunExtGet found;

  if (asked->type != TURN_CONNECT_RELAY_TYPE_ALLOCATE || relay->allocate.length == 0)
    return "the server redirects something else than an allocation";
  if (stun_ext_message_get_address (message, STUN_EXT_ATTRIBUTE_ALTERNATE_SERVER,
                                    &relay->alternate.address) != STUN_EXT_GET_OK ||
      relay->alternate.address.port == 0)
    return "the server redirects to no address";
  if (is_circle (relay, &relay->alternate.address))
    return "the servers redirect in a circle, or too often";
  relay->alternate.domain[0] = '\0';
  found = stun_ext_message_get_text (message, STUN_EXT_ATTRIBUTE_ALTERNATE_DOMAIN, &domain);
  if (found == STUN_EXT_GET_INVALID ||
      (found == STUN_EXT_GET_OK && domain.length > STUN_EXT_DOMAIN_MAX_LENGTH))
    return "the server redirects to a domain that is none";
  if (found == STUN_EXT_GET_OK) {
    memcpy (relay->alternate.domain, domain.data, domain.length);
    relay->alternate.domain[domain.length] = '\0';
  }
  return NULL;
}

static void
follow (TurnConnectRelay *relay, const TurnConnectRelayAsked *allocate)
{
  TurnConnectRelayAsked again = *allocate;

  relay->visited[relay->n_visited++] = relay->alternate.address;
  relay->has_alternate = TRUE;
  relay->counts.n_redirected++;
  for (guint i = 0; i < relay->n_asked; i++) {
    if (&relay->asked[i] != allocate)
      turn_connect_relay_answer (relay, &relay->asked[i], "the server sent the client elsewhere");
  }
  relay->asked[0] = again;
  relay->n_asked = 1;
  relay->pending.length = 0;
  turn_connect_lane_append (&relay->pending, relay->allocate.octets, relay->allocate.length);
  turn_connect_lane_clear (&relay->allocate);
  turn_connect_lane_clear (&relay->to_server);
  turn_connect_relay_step (relay, TURN_CONNECT_RELAY_REDIRECTED);
}

static void
note_refusal (TurnConnectRelay *relay, guint code, StunExtSpan reason)
{
  char text[sizeof relay->refusal.reason];

  relay->refusal.code = code;
  g_strlcpy (text, "", sizeof text);
  if (reason.length > 0) {
    gsize n = MIN (reason.length, sizeof text - 1);

    memcpy (text, reason.data, n);
    text[n] = '\0';
  }
  turn_connect_relay_make_reason (relay->refusal.reason, sizeof relay->refusal.reason, text);
}

/* Is it a refusal the client can do nothing about? 401 and 438 begin a login; a login that had been
 * tried with credentials and gets 401 has failed. */
static gboolean
is_final (TurnConnectRelay *relay, guint code)
{
  StunExtMessage request;

  if (code == STUN_EXT_CODE_STALE_NONCE)
    return FALSE;
  if (code != STUN_EXT_CODE_UNAUTHENTICATED)
    return TRUE;
  return relay->allocate.length > 0 &&
         stun_ext_message_parse (&request, relay->allocate.octets, relay->allocate.length) ==
             STUN_EXT_PARSE_OK &&
         stun_ext_message_integrity (&request) != STUN_EXT_INTEGRITY_NONE;
}

/* Returns FALSE if the client must not see it. */
static gboolean
take_error (TurnConnectRelay *relay,
            const StunExtMessage *message,
            const TurnConnectRelayAsked *asked)
{
  StunExtSpan reason;
  const char *problem;
  guint code;

  if (stun_ext_message_get_error (message, &code, &reason) != STUN_EXT_GET_OK)
    return TRUE;
  if (code == STUN_EXT_CODE_TRY_ALTERNATE) {
    problem = redirect (relay, message, asked);
    if (problem == NULL) {
      follow (relay, asked);
      return FALSE;
    }
    turn_connect_relay_answer (relay, asked, problem);
    if (asked->type == TURN_CONNECT_RELAY_TYPE_ALLOCATE)
      note_refusal (relay, code, (StunExtSpan){ (const guint8 *)problem, strlen (problem) });
    return FALSE;
  }
  if (asked->type == TURN_CONNECT_RELAY_TYPE_ALLOCATE && is_final (relay, code))
    note_refusal (relay, code, reason);
  return TRUE;
}

/* A response. Returns FALSE if the client must not see it. */
static gboolean
take_response (TurnConnectRelay *relay, const guint8 *unit, gsize length)
{
  StunExtMessage message;
  TurnConnectRelayAsked *asked = turn_connect_relay_find_asked (relay, unit);
  gboolean passes = TRUE;

  if (relay->probed_at != 0 && memcmp (&unit[TURN_CONNECT_RELAY_TRANSACTION_AT], relay->probe_id,
                                       STUN_EXT_TRANSACTION_ID_LENGTH) == 0) {
    relay->probed_at = 0;
    relay->answers_probes = TRUE;
    return FALSE;
  }
  if (asked == NULL || stun_ext_message_parse (&message, unit, length) != STUN_EXT_PARSE_OK)
    return FALSE; /* answers nothing the client asked for: late, repeated, or worse */
  if (message.message_class == STUN_EXT_CLASS_ERROR)
    passes = take_error (relay, &message, asked);
  if (relay->state != TURN_CONNECT_RELAY_UP)
    return FALSE; /* redirected: the request goes on */
  if (asked->type == TURN_CONNECT_RELAY_TYPE_ALLOCATE) {
    if (message.message_class == STUN_EXT_CLASS_SUCCESS)
      relay->n_visited = 0;
    turn_connect_lane_clear (&relay->allocate);
  }
  turn_connect_relay_forget_asked (relay, asked);
  return passes;
}

static void
take_server_unit (TurnConnectRelay *relay, const guint8 *unit, gsize length)
{
  guint16 type = stun_ext_octets_u16 (unit, 0);

  if (unit[0] < STUN_EXT_CHANNEL_MIN >> 8 &&
      (type & TURN_CONNECT_RELAY_TYPE_CLASS_BITS) != TURN_CONNECT_RELAY_TYPE_INDICATION &&
      ((type & TURN_CONNECT_RELAY_TYPE_CLASS_BITS) == TURN_CONNECT_RELAY_TYPE_REQUEST ||
       !take_response (relay, unit, length)))
    return; /* a server asks clients nothing */
  if (turn_connect_lane_append (&relay->to_client, unit, length))
    relay->counts.n_to_client++;
  else
    relay->counts.n_dropped_to_client++;
}

gboolean
turn_connect_relay_from_server (TurnConnectRelay *relay,
                                const guint8 *data,
                                gsize length,
                                gint64 now)
{
  StunExtStreamVerdict verdict = STUN_EXT_STREAM_NEED_MORE;
  const guint8 *unit;
  gsize n;

  if (relay->state != TURN_CONNECT_RELAY_UP)
    return TRUE;
  relay->heard_at = now;
  stun_ext_stream_push (&relay->from_server, data, length);
  while (relay->state == TURN_CONNECT_RELAY_UP &&
         (verdict = stun_ext_stream_next (&relay->from_server, &unit, &n)) == STUN_EXT_STREAM_FRAME)
    take_server_unit (relay, unit, n);
  if (relay->state != TURN_CONNECT_RELAY_UP)
    stun_ext_stream_clear (&relay->from_server);
  return relay->state != TURN_CONNECT_RELAY_UP || verdict == STUN_EXT_STREAM_NEED_MORE;
}
