/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reports of tep-detect, each a unit of its own. */
#pragma once

#include "turn-connect/detect/classifier.h"
#include "turn-connect/detect/detection.h"

#include <stdio.h>

/* For people, verdict first. */
void tep_detect_text_print (FILE *out,
                            const TurnConnectObservations *observations,
                            const TurnConnectVerdict *verdict);
/* One probe, as it ended: what was asked, and what came of it. */
char *tep_detect_text_describe (const TurnConnectProbe *probe);
/* How to use a method that works: a command line, or what else to do; NULL if that is not known. */
char *tep_detect_describe_use (const TurnConnectObservations *observations,
                               const TurnConnectMethod *method);
