/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stun-ext/feedback.h"
#include "stun-ext/frame.h"
#include "stun-ext/inner-packet.h"
#include "stun-ext/tep.h"

/* What a decoder should find in a frame, as a JSON object, made from the struct that was written and not from the
 * octets. The caller frees the text. */

char *tep_expect_request (const StunExtTepRequest *request);
char *tep_expect_success (const StunExtTepSuccess *success);
char *tep_expect_failure (const StunExtTepFailure *failure, guint16 method);
char *tep_expect_closing (const StunExtTepClosing *closing);
char *tep_expect_compact (const StunExtCompactFrame *frame);
char *tep_expect_feedback (const StunExtFeedback *feedback);
char *tep_expect_packet (const StunExtInnerPacket *packet);

/* Octets in hexadecimal. */
char *tep_expect_hex (const void *octets, gsize length);
