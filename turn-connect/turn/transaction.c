/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One request until its final answer: written, signed, sent again over UDP (RFC 8489 section
 * 6.2.1), signed anew after a 401 or 438, and its answer judged before anything of it is believed
 * (section 9.2.5).
 */
#include "turn-connect/turn/transaction.h"

#include <string.h>

#include "stun-ext/attribute.h"
#include "stun-ext/integrity.h"
#include "turn-connect/error-private.h"
#include "turn-connect/turn/answer.h"

#define US_PER_MS 1000
#define FINAL_WAIT 16     /* Rm, RFC 8489 section 6.2.1 */
#define ASTRAY_TRIES 3    /* then a redirection without proof is all that comes: 3.5 s */
#define CHALLENGES_MAX 5  /* a stale nonce or two, a new realm, a fall back; then it is a loop */
#define REQUEST_MAX 3072  /* octets: name, realm and nonce at their longest, 8 peers, a ticket */
#define SOFTWARE "tepkit" /* no version: nothing for those who look for old ones */

static void
write_allocate (StunExtBuilder *builder, const TurnConnectRequest *request)
{
  stun_ext_builder_add_u8 (builder, STUN_EXT_ATTRIBUTE_REQUESTED_TRANSPORT, request->transport);
  if (request->family != 0)
    stun_ext_builder_add_family (builder, STUN_EXT_ATTRIBUTE_REQUESTED_ADDRESS_FAMILY,
                                 request->family);
  if (request->additional_family != 0) {
    stun_ext_builder_add_family (builder, STUN_EXT_ATTRIBUTE_ADDITIONAL_ADDRESS_FAMILY,
                                 request->additional_family);
    stun_ext_builder_add_family (builder, STUN_EXT_ATTRIBUTE_ADDITIONAL_ADDRESS_FAMILY_EARLY,
                                 request->additional_family);
  }
  if (request->has_even_port)
    stun_ext_builder_add_octet (builder, STUN_EXT_ATTRIBUTE_EVEN_PORT,
                                request->keeps_next ? 0x80 : 0);
  if (request->has_reservation)
    stun_ext_builder_add_data (builder, STUN_EXT_ATTRIBUTE_RESERVATION_TOKEN, request->reservation,
                               sizeof request->reservation);
  if (request->has_dont_fragment)
    stun_ext_builder_add_flag (builder, STUN_EXT_ATTRIBUTE_DONT_FRAGMENT);
}

static void
write_request (StunExtBuilder *builder, const TurnConnectRequest *request)
{
  stun_ext_builder_add_text (builder, STUN_EXT_ATTRIBUTE_SOFTWARE, SOFTWARE);
  if (request->method == STUN_EXT_METHOD_ALLOCATE)
    write_allocate (builder, request);
  if (request->has_lifetime)
    stun_ext_builder_add_u32 (builder, STUN_EXT_ATTRIBUTE_LIFETIME, request->lifetime_s);
  if (request->channel != 0)
    stun_ext_builder_add_u16 (builder, STUN_EXT_ATTRIBUTE_CHANNEL_NUMBER, request->channel);
  for (guint i = 0; i < request->n_peers; i++)
    stun_ext_builder_add_xor_address (builder, STUN_EXT_ATTRIBUTE_XOR_PEER_ADDRESS,
                                      &request->peers[i]);
  if (request->method == STUN_EXT_METHOD_CONNECTION_BIND)
    stun_ext_builder_add_u32 (builder, STUN_EXT_ATTRIBUTE_CONNECTION_ID, request->connection_id);
  if (request->has_ticket)
    stun_ext_builder_add_data (builder, STUN_EXT_ATTRIBUTE_MOBILITY_TICKET,
                               request->ticket != NULL ? request->ticket->data : NULL,
                               request->ticket != NULL ? request->ticket->len : 0);
}

gboolean
turn_connect_transaction_write (TurnConnectTransaction *transaction,
                                TurnConnectAuth *auth,
                                TurnConnectRandomFunc random,
                                gpointer random_data,
                                gint64 now_us)
{
  guint8 buffer[REQUEST_MAX];
  StunExtBuilder builder;
  gsize length = 0;

  random (transaction->id, sizeof transaction->id, random_data);
  stun_ext_builder_begin (&builder, buffer, sizeof buffer, STUN_EXT_CLASS_REQUEST,
                          transaction->request.method, transaction->id);
  write_request (&builder, &transaction->request);
  if (transaction->request.method == STUN_EXT_METHOD_BINDING) {
    transaction->signature = (TurnConnectSigned){ .integrity = STUN_EXT_INTEGRITY_NONE };
    if (!stun_ext_builder_finish (&builder, STUN_EXT_INTEGRITY_NONE, (StunExtSpan){ 0 }, FALSE,
                                  &length))
      return FALSE;
  } else if (!turn_connect_auth_finish (auth, &builder, &transaction->signature, &length))
    return FALSE;
  g_free (transaction->octets);
  transaction->octets = g_memdup2 (buffer, length);
  transaction->length = length;
  transaction->n_sent = 1;
  transaction->unproven_code = 0;
  transaction->due_us =
      now_us + (transaction->is_reliable ? STUN_EXT_RELIABLE_TIMEOUT_MS : STUN_EXT_RTO_MS) *
                   (gint64)US_PER_MS;
  return TRUE;
}

void
turn_connect_transaction_clear (TurnConnectTransaction *transaction)
{
  g_clear_pointer (&transaction->octets, g_free);
  stun_ext_key_clear (&transaction->signature.key);
}

/* Was the answer to a request without integrity a redirection that is not believed? */
static gboolean
was_led_astray (const TurnConnectTransaction *transaction)
{
  return transaction->unproven_code == STUN_EXT_CODE_TRY_ALTERNATE &&
         transaction->signature.integrity == STUN_EXT_INTEGRITY_NONE;
}

TurnConnectDue
turn_connect_transaction_check (TurnConnectTransaction *transaction, gint64 now_us)
{
  gint64 wait_ms;

  if (now_us < transaction->due_us)
    return TURN_CONNECT_DUE_NOT_YET;
  if (transaction->is_reliable || transaction->n_sent >= STUN_EXT_RETRANSMISSIONS ||
      (was_led_astray (transaction) && transaction->n_sent >= ASTRAY_TRIES))
    return TURN_CONNECT_DUE_GIVE_UP;
  wait_ms = (gint64)STUN_EXT_RTO_MS << transaction->n_sent;
  transaction->n_sent++;
  if (transaction->n_sent == STUN_EXT_RETRANSMISSIONS)
    wait_ms = (gint64)STUN_EXT_RTO_MS * FINAL_WAIT;
  /* From when it was due, not from now: a late timer does not make the whole longer, unless it is
   * so late that sending would bunch up. */
  transaction->due_us =
      MAX (transaction->due_us, now_us - wait_ms * US_PER_MS / 2) + wait_ms * US_PER_MS;
  return TURN_CONNECT_DUE_AGAIN;
}

/* A redirection may send credentials' proofs to a stranger, and a 401 or 438 says how to prove: the
 * codes that are judged apart from being proven. */
static TurnConnectAnswer
judge_challenge (TurnConnectTransaction *transaction,
                 TurnConnectAuth *auth,
                 const StunExtMessage *answer)
{
  if (transaction->request.method == STUN_EXT_METHOD_BINDING)
    return TURN_CONNECT_ANSWER_ERROR;
  switch (turn_connect_auth_challenge (auth, answer, &transaction->signature)) {
  case TURN_CONNECT_AUTH_RETRY:
    return ++transaction->n_challenges <= CHALLENGES_MAX ? TURN_CONNECT_ANSWER_RETRY
                                                         : TURN_CONNECT_ANSWER_ERROR;
  case TURN_CONNECT_AUTH_NEEDED:
    return TURN_CONNECT_ANSWER_NEEDED;
  case TURN_CONNECT_AUTH_WRONG:
    return TURN_CONNECT_ANSWER_WRONG;
  case TURN_CONNECT_AUTH_BID_DOWN:
    return TURN_CONNECT_ANSWER_BID_DOWN;
  case TURN_CONNECT_AUTH_IGNORE:
  default:
    /* Over a stream nothing better will come. */
    return transaction->is_reliable ? TURN_CONNECT_ANSWER_ERROR : TURN_CONNECT_ANSWER_IGNORE;
  }
}

static gboolean
is_proven (const TurnConnectTransaction *transaction, const StunExtMessage *answer)
{
  const TurnConnectSigned *signature = &transaction->signature;

  if (stun_ext_message_is_bid_down (answer))
    return FALSE;
  return signature->integrity == STUN_EXT_INTEGRITY_NONE ||
         stun_ext_integrity_verify (answer, signature->integrity, STUN_EXT_INTEGRITY_SHA256_LENGTH,
                                    stun_ext_key_span (&signature->key)) == STUN_EXT_VERDICT_VALID;
}

TurnConnectAnswer
turn_connect_transaction_judge (TurnConnectTransaction *transaction,
                                TurnConnectAuth *auth,
                                const StunExtMessage *answer,
                                guint *code)
{
  StunExtSpan reason = { 0 };

  *code = 0;
  if (answer->method != transaction->request.method)
    return TURN_CONNECT_ANSWER_IGNORE;
  if (answer->message_class == STUN_EXT_CLASS_SUCCESS)
    return is_proven (transaction, answer) ? TURN_CONNECT_ANSWER_SUCCESS
                                           : TURN_CONNECT_ANSWER_IGNORE;
  if (answer->message_class != STUN_EXT_CLASS_ERROR ||
      stun_ext_message_get_error (answer, code, &reason) != STUN_EXT_GET_OK)
    return TURN_CONNECT_ANSWER_IGNORE;
  if (*code == STUN_EXT_CODE_UNAUTHENTICATED || *code == STUN_EXT_CODE_STALE_NONCE)
    return judge_challenge (transaction, auth, answer);
  if (*code == STUN_EXT_CODE_TRY_ALTERNATE &&
      transaction->signature.integrity == STUN_EXT_INTEGRITY_NONE &&
      !transaction->believes_redirects) {
    /* RFC 8489 section 14.8 wants integrity before a redirection is followed, section 10 knows that
     * a server may be unable to give it. Over UDP the true answer may still come. */
    transaction->unproven_code = *code;
    return transaction->is_reliable ? TURN_CONNECT_ANSWER_UNPROVEN : TURN_CONNECT_ANSWER_IGNORE;
  }
  if (is_proven (transaction, answer))
    return TURN_CONNECT_ANSWER_ERROR;
  /* "MUST be discarded": a stranger who sees the request could end it. Into a stream he cannot
   * write without being able to end that too, and there servers' unsigned refusals are taken for
   * what they are; but never a redirection, which would lead further than an end. */
  transaction->unproven_code = *code;
  return transaction->is_reliable && *code != STUN_EXT_CODE_TRY_ALTERNATE &&
                 stun_ext_message_integrity (answer) == STUN_EXT_INTEGRITY_NONE
             ? TURN_CONNECT_ANSWER_ERROR
             : TURN_CONNECT_ANSWER_IGNORE;
}

static GError *
make_astray_error (guint16 method, const char *who)
{
  GError *error =
      g_error_new (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TURN_REDIRECT,
                   "%s sent us to another server and did not prove it; without TLS anybody on the "
                   "way could have said that: use turns: or name the other server, unless "
                   "redirections without proof are to be followed",
                   who);

  turn_connect_error_set_step (error, turn_connect_answer_step (method));
  turn_connect_error_set_turn_code (error, STUN_EXT_CODE_TRY_ALTERNATE);
  return error;
}

GError *
turn_connect_transaction_error (const TurnConnectTransaction *transaction,
                                TurnConnectAnswer verdict,
                                const StunExtMessage *answer,
                                const char *who)
{
  guint16 method = transaction->request.method;
  GError *error;

  switch (verdict) {
  case TURN_CONNECT_ANSWER_NEEDED:
    error = g_error_new (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TURN_CREDENTIALS_NEEDED,
                         "%s wants a user and password, and none are set", who);
    break;
  case TURN_CONNECT_ANSWER_BID_DOWN:
    error = g_error_new (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TURN_BID_DOWN,
                         "%s offers no password algorithm that is allowed here, or somebody on "
                         "the way took it out",
                         who);
    break;
  case TURN_CONNECT_ANSWER_UNPROVEN:
    return make_astray_error (method, who);
  default:
    return turn_connect_answer_to_error (answer, who);
  }
  turn_connect_error_set_step (error, turn_connect_answer_step (method));
  turn_connect_error_set_turn_code (error, STUN_EXT_CODE_UNAUTHENTICATED);
  return error;
}

GError *
turn_connect_transaction_silence (const TurnConnectTransaction *transaction, const char *who)
{
  static const double silence_s = STUN_EXT_RELIABLE_TIMEOUT_MS / 1000.0;
  GError *error;

  if (was_led_astray (transaction))
    return make_astray_error (transaction->request.method, who);
  if (transaction->unproven_code != 0)
    error = g_error_new (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TIMED_OUT,
                         "%s sent no answer with proof within %.1f s; one without proof said %u %s",
                         who, silence_s, transaction->unproven_code,
                         stun_ext_reason_phrase (transaction->unproven_code));
  else
    error = g_error_new (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TIMED_OUT,
                         "%s did not answer within %.1f s", who, silence_s);
  turn_connect_error_set_step (error, turn_connect_answer_step (transaction->request.method));
  return error;
}
