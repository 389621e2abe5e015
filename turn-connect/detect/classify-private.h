/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/detect/classifier.h"

/* The parts of the classifier, each for its own part of the vector. All are pure and total. */

/* The right answer, from who was asked: where the far end proves itself, only with that proof. */
gboolean turn_connect_classify_counts (const TurnConnectObservations *observations,
                                       const TurnConnectProbe *probe);

/* A sentence for people. */
void turn_connect_classify_say (TurnConnectVerdict *verdict, const char *format, ...)
    G_GNUC_PRINTF (2, 3);

/* Address translation of one family. */
void turn_connect_classify_nat (const TurnConnectObservations *observations,
                                TurnConnectVerdict *verdict,
                                TurnConnectFamilyVerdict *family);
/* Ports of one family, and which of types 5 to 7 hold. */
void turn_connect_classify_reach (const TurnConnectObservations *observations,
                                  TurnConnectVerdict *verdict,
                                  TurnConnectFamilyVerdict *family);
/* The type 1 to 4 that the family's mapping and filtering make, 0 for none, or
 * TURN_CONNECT_TYPE_UNKNOWN. */
gint turn_connect_classify_cone (const TurnConnectFamilyVerdict *family);
/* Dependence on content. */
void turn_connect_classify_content (const TurnConnectObservations *observations,
                                    TurnConnectVerdict *verdict);
/* Nothing that was said is held back, but that nothing was said. */
gboolean turn_connect_classify_is_silence_held (const TurnConnectInspection *inspection);
/* A finding that stands for all; nothing of what another said is left. */
void turn_connect_classify_replace_finding (TurnConnectInspection *inspection,
                                            TurnConnectConfidence confidence,
                                            const char *mechanism,
                                            const TurnConnectProbe *probe,
                                            guint index);
/* Proxies, and content at them. After content. */
void turn_connect_classify_proxy (const TurnConnectObservations *observations,
                                  TurnConnectVerdict *verdict);
/* Does anything pass straight from here, by whichever family? */
gboolean turn_connect_classify_passes (const TurnConnectVerdict *verdict);
/* Portal, NAT64, carrier's NAT. */
void turn_connect_classify_ways (const TurnConnectObservations *observations,
                                 TurnConnectVerdict *verdict);
/* Tried methods, best first. */
void turn_connect_classify_methods (const TurnConnectObservations *observations,
                                    TurnConnectVerdict *verdict);
/* SIP carries the signalling of a call, and no word of it. */
gboolean turn_connect_classify_is_signalling (const TurnConnectMethod *method);
/* Does a trial's method carry calls? A call needs more than a packet now and then. Where nothing could
 * be learnt, that is said. */
TurnConnectTell turn_connect_classify_method (const TurnConnectProbe *probe);
/* What the methods are worth that deep runs listened to. */
void turn_connect_classify_listened (const TurnConnectObservations *observations,
                                     TurnConnectVerdict *verdict);
/* What deep runs measured. */
void turn_connect_classify_deep (const TurnConnectObservations *observations,
                                 TurnConnectVerdict *verdict);
/* How sure all that can be, by who proved it. After all of the above. */
void turn_connect_classify_proof (const TurnConnectObservations *observations,
                                  TurnConnectVerdict *verdict);
/* Did who was reached through a proxy prove to be the far end, and not the proxy? */
gboolean turn_connect_classify_is_proxy_proven (const TurnConnectObservations *observations);
/* What to ask for; needs everything else. */
void turn_connect_classify_advise (const TurnConnectObservations *observations,
                                   TurnConnectVerdict *verdict);
/* What makes a program use the method of a probe that has a variant; NULL where nothing is needed,
 * or that is not known. */
char *turn_connect_classify_make_config (const TurnConnectObservations *observations,
                                         const TurnConnectProbe *probe);
