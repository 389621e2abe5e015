/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stun-ext/message.h"
#include "turn-connect/error.h"

/* The step that a method belongs to. */
TurnConnectStep turn_connect_answer_step (guint16 method);

/* What an error response means, with step and code. @who: "the TURN server turn.example:443". */
GError *turn_connect_answer_to_error (const StunExtMessage *answer, const char *who);
/* The same for a code alone; @reason may be %NULL. */
GError *
turn_connect_answer_error_new (guint16 method, guint code, const char *reason, const char *who);
/* What was sent is not TURN as it must be. */
GError *turn_connect_answer_protocol_error (guint16 method, const char *who, const char *what);
