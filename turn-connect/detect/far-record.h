/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/detect/observations.h"

/* The far end's own record of a run (stun-ext/PROTOCOL.md section 15.6) beside ours: notes in each
 * probe what it saw of it. @body: @length octets of lines, proven to be the far end's, but as
 * hostile as it may be. Probes are known to it by their place, from 1. Returns how many of its lines
 * were of this run. */
guint turn_connect_far_record_note (TurnConnectObservations *observations,
                                    const char *body,
                                    gsize length);
