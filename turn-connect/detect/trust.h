/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stun-ext/detect.h"
#include "turn-connect/detect/observations.h"

/* Whom a run signs for with the user's password, and what the answers are worth. No I/O. */
typedef struct {
  StunExtDetectKey key; /* made of the password, for this run */
  gboolean has_key;
  gboolean is_for_tls;  /* the password is too short to sign with where a listener could search */
  gint64 keyed_us;      /* of the run: when somebody first proved to know the password; -1 before */
  GHashTable *requests; /* probe: whether all of its requests were signed */
  GPtrArray *unproven;  /* probes whose signed requests were answered without the password */
  GPtrArray *refusers;  /* StunExtAddress and carry of those who cannot read signatures */
  GArray *named;        /* StunExtAddress: other addresses of who knows the password */
} TurnConnectTrust;

void turn_connect_trust_init (TurnConnectTrust *trust,
                              const char *user,
                              const char *password,
                              const StunExtDetectRun *run);
void turn_connect_trust_clear (TurnConnectTrust *trust);

/* The key that answers are checked with; NULL without. */
const StunExtDetectKey *turn_connect_trust_get_key (const TurnConnectTrust *trust);
/* The key that the probe's next request is to be signed with, NULL for none. @is_verified: inside TLS
 * whose certificate was verified. */
const StunExtDetectKey *turn_connect_trust_choose_key (const TurnConnectTrust *trust,
                                                       const TurnConnectObservations *observations,
                                                       const TurnConnectProbe *probe,
                                                       gboolean is_verified);
/* A request of the probe was written, with or without. */
void turn_connect_trust_note_request (TurnConnectTrust *trust,
                                      const TurnConnectProbe *probe,
                                      gboolean is_signed);
/* The answer says that it cannot read a signature. Returns whether that is believed: then requests to
 * there are not signed, until somebody proves that he knows the password. */
gboolean turn_connect_trust_note_refusal (TurnConnectTrust *trust, const TurnConnectProbe *probe);

/* What an answer's proof is worth; the probe has the best that any of its answers had, so that nobody
 * takes from the far end what it has proven by saying more. The observations learn of a far end.
 * @is_refusal: it may be that the far end did not take the signature for the user's, and said so.
 * @now_us: of the run. */
TurnConnectProof turn_connect_trust_weigh (TurnConnectTrust *trust,
                                           TurnConnectObservations *observations,
                                           TurnConnectProbe *probe,
                                           StunExtDetectProof proof,
                                           gboolean is_refusal,
                                           gint64 now_us);
/* The probe's answer named the server's other address. */
void turn_connect_trust_note_other (TurnConnectTrust *trust, const TurnConnectProbe *probe);
