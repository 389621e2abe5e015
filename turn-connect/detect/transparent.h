/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/detect/observations.h"

/* Is the request that arrived the one that was @sent? @body: the far end's, of which a line is
 * {"line":"echo","source":"...","digest":"...","head":"...",...}; any octets. Fills in @probe's mapped
 * address, detail and the fact "added". */
TurnConnectOutcome turn_connect_transparent_compare (TurnConnectProbe *probe,
                                                     const char *sent,
                                                     const char *body,
                                                     gsize length);
