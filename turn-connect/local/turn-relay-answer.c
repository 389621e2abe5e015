/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The requests of a client that have no answer yet, and the one answer that the relay itself gives.
 */
#include "turn-connect/local/turn-relay-private.h"

#include "stun-ext/attribute.h"
#include "stun-ext/integrity.h"

#include <string.h>

#define ANSWER_MAX 512 /* octets of an answer */

TurnConnectRelayAsked *
turn_connect_relay_find_asked (TurnConnectRelay *relay, const guint8 *message)
{
  for (guint i = 0; i < relay->n_asked; i++) {
    if (memcmp (relay->asked[i].transaction_id, &message[TURN_CONNECT_RELAY_TRANSACTION_AT],
                STUN_EXT_TRANSACTION_ID_LENGTH) == 0)
      return &relay->asked[i];
  }
  return NULL;
}

/* A phrase of printable ASCII that fits: causes may quote what others sent. */
void
turn_connect_relay_make_reason (char *reason, gsize size, const char *cause)
{
  gsize n = 0;

  for (; *cause != '\0' && n < size - 1; cause++)
    reason[n++] = *cause >= ' ' && *cause <= '~' ? *cause : '?';
  reason[n] = '\0';
  if (*cause != '\0')
    memcpy (&reason[size - 4], "...", 3);
}

/* 400 and not 5xx: it is the one refusal that libnice takes without integrity. libwebrtc takes none
 * but 300; without an address to go to, that ends its waiting, though it shows nobody the reason. */
void
turn_connect_relay_answer (TurnConnectRelay *relay,
                           const TurnConnectRelayAsked *asked,
                           const char *cause)
{
  guint8 buffer[ANSWER_MAX];
  char reason[TURN_CONNECT_REASON_MAX + 1];
  StunExtBuilder builder;
  gsize length;
  guint16 method =
      (guint16)((asked->type & 0x000f) | (asked->type & 0x00e0) >> 1 | (asked->type & 0x3e00) >> 2);

  turn_connect_relay_make_reason (reason, sizeof reason, cause);
  stun_ext_builder_begin (&builder, buffer, sizeof buffer, STUN_EXT_CLASS_ERROR, method,
                          asked->transaction_id);
  stun_ext_builder_add_error (
      &builder, relay->is_deaf ? STUN_EXT_CODE_TRY_ALTERNATE : STUN_EXT_CODE_BAD_REQUEST, reason);
  if (stun_ext_builder_finish (&builder, STUN_EXT_INTEGRITY_NONE, (StunExtSpan){ 0 }, FALSE,
                               &length) &&
      turn_connect_lane_append (&relay->to_client, buffer, length))
    relay->counts.n_answered++;
}

void
turn_connect_relay_answer_all (TurnConnectRelay *relay, const char *cause)
{
  for (guint i = 0; i < relay->n_asked; i++)
    turn_connect_relay_answer (relay, &relay->asked[i], cause);
  if (relay->n_asked > 0)
    memcpy (relay->refused_id, relay->asked[relay->n_asked - 1].transaction_id,
            sizeof relay->refused_id);
  relay->n_asked = 0;
  turn_connect_lane_clear (&relay->pending);
  turn_connect_lane_clear (&relay->allocate);
}

void
turn_connect_relay_forget_asked (TurnConnectRelay *relay, TurnConnectRelayAsked *asked)
{
  guint at = (guint)(asked - relay->asked);

  memmove (asked, asked + 1, (--relay->n_asked - at) * sizeof *asked);
}
