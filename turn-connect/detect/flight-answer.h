/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stun-ext/detect-payload.h"
#include "turn-connect/detect/run-private.h"

#define TURN_CONNECT_FLIGHT_ANSWER_MAX 4096 /* octets; SIP's repeats much of the request */

/* What was sent. */
typedef struct {
  StunExtDetectToken token;
  StunExtDetectPayload answered_as; /* the payload; UNKNOWN for its twins */
  gsize length;
  guint8 octets[STUN_EXT_DETECT_FLIGHT_LENGTH];
  guint8 digest[STUN_EXT_DETECT_DIGEST_LENGTH]; /* SHA-256 of them */
} TurnConnectFlightSent;

/* What the first octets of an answer to it are, in one piece: PENDING if more have to come, PROOF if
 * the far end got what was sent; else what came of it, with why in the probe's detail. What the answer
 * says of the way is noted in the probe. */
TurnConnectOutcome turn_connect_flight_answer_read (TurnConnectRun *run,
                                                    TurnConnectProbe *probe,
                                                    const TurnConnectFlightSent *sent,
                                                    const guint8 *octets,
                                                    gsize n);
/* Whether it is what the far end says by itself, over a connection on which nothing was sent. */
gboolean turn_connect_flight_answer_is_unasked (TurnConnectRun *run, const guint8 *octets, gsize n);
