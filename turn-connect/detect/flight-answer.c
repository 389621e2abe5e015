/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a far end says to a first flight, and whether it was the far end. Everybody on the way can
 * answer SIP or STUN; that the very octets arrived only who has them and speaks our protocol can say.
 */
#include "turn-connect/detect/flight-answer.h"
#include "turn-connect/detect/stun-part.h"

#include "stun-ext/detect-text.h"
#include "stun-ext/message.h"
#include "turn-connect/error-private.h"

#include <string.h>

/* What is read, and what was sent. */
typedef struct {
  TurnConnectRun *run;
  TurnConnectProbe *probe;
  const TurnConnectFlightSent *sent;
  const guint8 *octets;
  gsize n;
} Answer;

static TurnConnectOutcome
fail (const Answer *answer, TurnConnectOutcome outcome, const char *detail)
{
  g_free (answer->probe->detail);
  answer->probe->detail = g_strdup (detail);
  return outcome;
}

static TurnConnectOutcome
refuse (const Answer *answer)
{
  g_autofree char *quoted =
      turn_connect_error_quote ((const char *)answer->octets, MIN (answer->n, 64), 64);

  return fail (answer, TURN_CONNECT_OUTCOME_WRONG_ANSWER, quoted);
}

/* FALSE if it is worth nothing. */
static gboolean
note_proof (const Answer *answer, StunExtDetectProof proof, const StunExtAddress *source)
{
  TurnConnectProbe *probe = answer->probe;

  if (turn_connect_run_weigh (answer->run, probe, proof) == TURN_CONNECT_PROOF_NONE)
    return FALSE;
  probe->mapped = *source;
  probe->source = probe->target;
  return TRUE;
}

/* The far end has spoken, and says that it got @octets with this digest. */
static TurnConnectOutcome
compare_digest (const Answer *answer, gsize octets, const guint8 *digest)
{
  const TurnConnectFlightSent *sent = answer->sent;

  if (octets == sent->length && stun_ext_crypto_equal (digest, sent->digest, sizeof sent->digest))
    return TURN_CONNECT_OUTCOME_PROOF;
  return fail (answer, TURN_CONNECT_OUTCOME_ALTERED, "the far end got other octets than were sent");
}

static void
note_seen (const Answer *answer, const char *key, const char *text)
{
  g_autofree char *quoted = NULL;

  if (*text == '\0')
    return;
  quoted = turn_connect_error_quote (text, strlen (text), STUN_EXT_DETECT_SEEN_MAX);
  turn_connect_probe_set_fact (answer->probe, key, quoted);
}

static TurnConnectOutcome
read_sip (const Answer *answer)
{
  const char *text = (const char *)answer->octets;
  static const char start[] = "SIP/2.0 ";
  StunExtDetectSip sip;
  StunExtDetectProof proof;

  if (memcmp (text, start, MIN (answer->n, strlen (start))) != 0)
    return refuse (answer);
  if (g_strstr_len (text, (gssize)answer->n, "\r\n\r\n") == NULL)
    return answer->n == TURN_CONNECT_FLIGHT_ANSWER_MAX ? refuse (answer)
                                                       : TURN_CONNECT_OUTCOME_PENDING;
  proof = stun_ext_detect_sip_answer_read (text, answer->n, &answer->sent->token,
                                           turn_connect_run_get_user_key (answer->run), &sip);
  answer->probe->code = sip.code;
  if (!note_proof (answer, proof, &sip.source))
    return refuse (answer);
  note_seen (answer, "via-seen", sip.via);
  note_seen (answer, "contact-seen", sip.contact);
  note_seen (answer, "sdp-seen", sip.sdp);
  return compare_digest (answer, sip.octets, sip.digest);
}

static TurnConnectOutcome
read_stun (const Answer *answer)
{
  gsize total = 0;
  TurnConnectStunPart part = turn_connect_stun_part_measure (
      answer->octets, answer->n, TURN_CONNECT_FLIGHT_ANSWER_MAX, &total);
  TurnConnectOutcome outcome;
  guint8 attempt;

  if (part == TURN_CONNECT_STUN_MORE)
    return TURN_CONNECT_OUTCOME_PENDING;
  if (part == TURN_CONNECT_STUN_OTHER)
    return refuse (answer);
  outcome = turn_connect_run_read_binding (answer->run, answer->probe, answer->sent->octets + 8,
                                           answer->octets, total, &attempt);
  answer->probe->source = answer->probe->target;
  return outcome == TURN_CONNECT_OUTCOME_PENDING ? TURN_CONNECT_OUTCOME_WRONG_ANSWER : outcome;
}

static TurnConnectOutcome
read_echo (const Answer *answer)
{
  const StunExtDetectRun run = turn_connect_run_get_id (answer->run);
  TurnConnectProbe *probe = answer->probe;
  StunExtDetectEcho echo;
  StunExtDetectProof proof;

  if (!stun_ext_detect_echo_read (answer->octets, answer->n, &run,
                                  turn_connect_run_get_user_key (answer->run), &echo, &proof))
    return refuse (answer);
  /* Without the run it got something, and not what was sent. */
  if (proof == STUN_EXT_DETECT_PROOF_NONE ||
      echo.probe != turn_connect_run_get_number (answer->run, probe))
    return fail (answer, TURN_CONNECT_OUTCOME_WRONG_ANSWER, "an answer to something else");
  if (!note_proof (answer, proof, &echo.source))
    return refuse (answer);
  return compare_digest (answer, echo.octets, echo.digest);
}

/* After 0.8 s without an octet the far end says something by itself: what was sent was lost several
 * times, or swallowed, or there was nothing. */
gboolean
turn_connect_flight_answer_is_unasked (TurnConnectRun *run, const guint8 *octets, gsize n)
{
  const StunExtDetectRun id = turn_connect_run_get_id (run);
  StunExtDetectEcho echo;
  StunExtDetectProof proof;

  return stun_ext_detect_echo_read (octets, n, &id, turn_connect_run_get_user_key (run), &echo,
                                    &proof) &&
         !echo.has_run && echo.octets == 0;
}

TurnConnectOutcome
turn_connect_flight_answer_read (TurnConnectRun *run,
                                 TurnConnectProbe *probe,
                                 const TurnConnectFlightSent *sent,
                                 const guint8 *octets,
                                 gsize n)
{
  const Answer answer = { run, probe, sent, octets, n };

  if (memcmp (octets, "TEPD", MIN (n, 4)) == 0 && n < STUN_EXT_DETECT_ANSWER_LENGTH)
    return TURN_CONNECT_OUTCOME_PENDING;
  if (turn_connect_flight_answer_is_unasked (run, octets, n)) {
    probe->rtt_us = -1;
    return fail (&answer, TURN_CONNECT_OUTCOME_CONNECTED,
                 "the far end waited for it in vain, and said so");
  }
  switch (sent->answered_as) {
  case STUN_EXT_DETECT_PAYLOAD_SIP_REGISTER:
  case STUN_EXT_DETECT_PAYLOAD_SIP_INVITE:
  case STUN_EXT_DETECT_PAYLOAD_SIP_OPTIONS:
    return read_sip (&answer);
  case STUN_EXT_DETECT_PAYLOAD_STUN:
    return read_stun (&answer);
  default:
    return read_echo (&answer);
  }
}
