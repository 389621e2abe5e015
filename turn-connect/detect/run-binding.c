/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The Binding requests of a run and their answers, whatever carries them. The far end signs its
 * answers with a key of the run (stun-ext/PROTOCOL.md section 15); other servers ignore what marks
 * the requests, and their answers prove nothing.
 */
#include "turn-connect/detect/run-private.h"

#include "stun-ext/attribute.h"
#include "stun-ext/detect.h"
#include "stun-ext/message.h"
#include "stun-ext/reader.h"
#include "turn-connect/error-private.h"
#include "turn-connect/nat64.h"

#include <string.h>

#define SOFTWARE_MAX 64 /* octets of a server's name that are kept */
#define REASON_MAX 128

const StunExtDetectKey *
turn_connect_run_get_user_key (TurnConnectRun *run)
{
  return turn_connect_trust_get_key (turn_connect_run_get_trust (run));
}

static const StunExtDetectKey *
choose_key (TurnConnectRun *run, const TurnConnectProbe *probe)
{
  return turn_connect_trust_choose_key (turn_connect_run_get_trust (run),
                                        turn_connect_run_get_observations (run), probe, FALSE);
}

gboolean
turn_connect_run_signs (TurnConnectRun *run, const TurnConnectProbe *probe)
{
  return choose_key (run, probe) != NULL;
}

TurnConnectProof
turn_connect_run_weigh (TurnConnectRun *run, TurnConnectProbe *probe, StunExtDetectProof proof)
{
  return turn_connect_trust_weigh (turn_connect_run_get_trust (run),
                                   turn_connect_run_get_observations (run), probe, proof, FALSE,
                                   turn_connect_run_get_now (run));
}

gsize
turn_connect_run_write_binding (TurnConnectRun *run,
                                const TurnConnectProbe *probe,
                                const guint8 id[12],
                                guint32 change,
                                guint8 buffer[TURN_CONNECT_BINDING_MAX])
{
  StunExtDetectRequest request = { .change = change };
  const StunExtDetectKey *key = choose_key (run, probe);
  gsize length = 0;

  request.mark.run = turn_connect_run_get_id (run);
  request.mark.probe = turn_connect_run_get_number (run, probe);
  memcpy (request.transaction_id, id, sizeof request.transaction_id);
  if (key != NULL)
    request.username = turn_connect_run_get_plan (run)->user;
  turn_connect_trust_note_request (turn_connect_run_get_trust (run), probe, key != NULL);
  if (!stun_ext_detect_request_write (&request, key, buffer, TURN_CONNECT_BINDING_MAX, &length))
    return 0;
  return length;
}

gsize
turn_connect_run_write_long_binding (TurnConnectRun *run,
                                     const TurnConnectProbe *probe,
                                     const guint8 id[12],
                                     gsize size,
                                     guint8 buffer[TURN_CONNECT_BINDING_MAX])
{
  StunExtDetectRequest request = { .length = size };
  const TurnConnectPlan *plan = turn_connect_run_get_plan (run);
  const StunExtDetectKey *key = plan->direct_port != 0 ? choose_key (run, probe) : NULL;
  gsize length = 0;

  request.mark.run = turn_connect_run_get_id (run);
  request.mark.probe = turn_connect_run_get_number (run, probe);
  request.mark.flags = STUN_EXT_DETECT_FLAG_FILL;
  if (key != NULL)
    request.username = plan->user;
  turn_connect_trust_note_request (turn_connect_run_get_trust (run), probe, key != NULL);
  memcpy (request.transaction_id, id, sizeof request.transaction_id);
  if (!stun_ext_detect_request_write (&request, key, buffer, TURN_CONNECT_BINDING_MAX, &length))
    return 0;
  return length;
}

gsize
turn_connect_run_write_request (TurnConnectRun *run,
                                const TurnConnectProbe *probe,
                                StunExtDetectRequest *request,
                                guint8 *buffer,
                                gsize capacity)
{
  gsize length = 0;

  request->mark.run = turn_connect_run_get_id (run);
  request->mark.probe = turn_connect_run_get_number (run, probe);
  request->username = request->realm = NULL;
  turn_connect_trust_note_request (turn_connect_run_get_trust (run), probe, FALSE);
  return stun_ext_detect_request_write (request, NULL, buffer, capacity, &length) ? length : 0;
}

/* The server's word for itself, if it is fit to be shown. */
static void
note_software (TurnConnectRun *run, const StunExtMessage *message)
{
  TurnConnectObservations *observations = turn_connect_run_get_observations (run);
  StunExtSpan text;

  if (observations->software == NULL &&
      stun_ext_message_get_text (message, STUN_EXT_ATTRIBUTE_SOFTWARE, &text) == STUN_EXT_GET_OK)
    observations->software =
        turn_connect_error_quote ((const char *)text.data, text.length, SOFTWARE_MAX);
}

static TurnConnectOutcome
note_error (TurnConnectProbe *probe, const StunExtMessage *message)
{
  StunExtSpan reason;
  guint code;

  if (stun_ext_message_get_error (message, &code, &reason) != STUN_EXT_GET_OK)
    return TURN_CONNECT_OUTCOME_WRONG_ANSWER;
  probe->code = code;
  g_free (probe->detail);
  probe->detail = turn_connect_error_quote ((const char *)reason.data, reason.length, REASON_MAX);
  return code == STUN_EXT_CODE_UNKNOWN_ATTRIBUTE ? TURN_CONNECT_OUTCOME_UNSUPPORTED
                                                 : TURN_CONNECT_OUTCOME_DENIED;
}

static TurnConnectProof
note_proof (TurnConnectRun *run,
            TurnConnectProbe *probe,
            StunExtDetectProof proof,
            const StunExtDetectAnswer *answer)
{
  gboolean is_refusal = (answer->mark.flags & STUN_EXT_DETECT_FLAG_REFUSED) != 0;
  TurnConnectProof proven;

  if (proof != STUN_EXT_DETECT_PROOF_NONE &&
      answer->mark.probe != turn_connect_run_get_number (run, probe))
    proof = STUN_EXT_DETECT_PROOF_NONE; /* an answer to something else, played again */
  proven = turn_connect_trust_weigh (turn_connect_run_get_trust (run),
                                     turn_connect_run_get_observations (run), probe, proof,
                                     is_refusal, turn_connect_run_get_now (run));
  if (proven == TURN_CONNECT_PROOF_UNKEYED && is_refusal)
    turn_connect_probe_set_fact (probe, "credentials", "refused");
  return proven;
}

/* Behind a NAT64 the far end has an IPv6 address that it does not know of: it says where else to ask it
 * by IPv4, and whence it answers. What the translator made of the one shows what it makes of the other. */
static void
translate_other (TurnConnectProbe *probe)
{
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];
  StunExtPrefix prefix;

  if (probe->other.family != 4 ||
      !turn_connect_nat64_find_prefix_of (&probe->target, &probe->origin, &prefix))
    return;
  if (stun_ext_address_special_purpose (&probe->other) != NULL &&
      stun_ext_address_special_purpose (&probe->origin) == NULL)
    return; /* a stranger's network, and no far end of the world's */
  turn_connect_probe_set_fact (probe, "other-there", stun_ext_address_print (&probe->other, text));
  turn_connect_nat64_make (&prefix, &probe->other, &probe->other);
}

static TurnConnectOutcome
note_answer (TurnConnectRun *run, TurnConnectProbe *probe, const StunExtMessage *message)
{
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];
  const StunExtDetectRun id = turn_connect_run_get_id (run);
  StunExtDetectAnswer answer;
  StunExtDetectProof proof =
      stun_ext_detect_answer_read (message, &id, turn_connect_run_get_user_key (run), &answer);
  TurnConnectProof worth = note_proof (run, probe, proof, &answer);

  if (message->message_class == STUN_EXT_CLASS_ERROR)
    return note_error (probe, message);
  if (answer.mapped.family == 0)
    return TURN_CONNECT_OUTCOME_WRONG_ANSWER;
  if (worth < probe->proof)
    return TURN_CONNECT_OUTCOME_ANSWER; /* of what is known from a better one nothing changes */
  probe->mapped = answer.mapped;
  probe->origin = answer.origin;
  probe->other = answer.other;
  translate_other (probe);
  turn_connect_trust_note_other (turn_connect_run_get_trust (run), probe);
  /* Who rewrites addresses that he finds in packets misses the one that is XORed. */
  if (answer.mapped_plain.family != 0 &&
      !stun_ext_address_equal (&answer.mapped_plain, &answer.mapped))
    turn_connect_probe_set_fact (probe, "mapped-plain",
                                 stun_ext_address_print (&answer.mapped_plain, text));
  note_software (run, message);
  return worth != TURN_CONNECT_PROOF_NONE ? TURN_CONNECT_OUTCOME_PROOF
                                          : TURN_CONNECT_OUTCOME_ANSWER;
}

/* Whether a server cannot read our signature, which is newer than it (RFC 8489 section 14.6). */
static gboolean
is_about_signature (const StunExtMessage *message)
{
  StunExtSpan reason, unknown;
  StunExtReader reader;
  guint code;

  if (message->message_class != STUN_EXT_CLASS_ERROR ||
      stun_ext_message_get_error (message, &code, &reason) != STUN_EXT_GET_OK ||
      code != STUN_EXT_CODE_UNKNOWN_ATTRIBUTE ||
      stun_ext_message_get_data (message, STUN_EXT_ATTRIBUTE_UNKNOWN_ATTRIBUTES, &unknown) !=
          STUN_EXT_GET_OK)
    return FALSE;
  stun_ext_reader_init (&reader, unknown.data, unknown.length);
  while (stun_ext_reader_remaining (&reader) >= 2) {
    if (stun_ext_reader_u16 (&reader) == STUN_EXT_ATTRIBUTE_MESSAGE_INTEGRITY_SHA256)
      return TRUE;
  }
  return FALSE;
}

TurnConnectOutcome
turn_connect_run_read_binding (TurnConnectRun *run,
                               TurnConnectProbe *probe,
                               const guint8 id[12],
                               const guint8 *data,
                               gsize length,
                               guint8 *attempt)
{
  StunExtMessage message;

  if (stun_ext_message_parse (&message, data, length) != STUN_EXT_PARSE_OK ||
      message.method != STUN_EXT_METHOD_BINDING ||
      memcmp (message.transaction_id, id, STUN_EXT_TRANSACTION_ID_LENGTH - 1) != 0 ||
      (message.message_class != STUN_EXT_CLASS_ERROR &&
       message.message_class != STUN_EXT_CLASS_SUCCESS))
    return TURN_CONNECT_OUTCOME_PENDING;
  *attempt = message.transaction_id[STUN_EXT_TRANSACTION_ID_LENGTH - 1];
  if (is_about_signature (&message)) {
    probe->code = STUN_EXT_CODE_UNKNOWN_ATTRIBUTE;
    turn_connect_trust_note_refusal (turn_connect_run_get_trust (run), probe);
    return TURN_CONNECT_OUTCOME_PENDING; /* the far end's own may be on its way */
  }
  return note_answer (run, probe, &message);
}
