/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/proxy/http-head.h"

#include <glib.h>

/* An answer by HTTP as it arrives, bounded whatever is sent. No I/O. */

#define TURN_CONNECT_ANSWER_HEAD_MAX 8192 /* octets; ours has some hundred */
#define TURN_CONNECT_ANSWER_BODY_MAX                                                               \
  1048576 /* octets; a record of a thousand lines has half of it */

typedef enum {
  TURN_CONNECT_ANSWER_MORE,
  TURN_CONNECT_ANSWER_WHOLE,
  TURN_CONNECT_ANSWER_CUT,     /* it ended before its body began */
  TURN_CONNECT_ANSWER_NO_HTTP, /* or longer than any head of ours */
  TURN_CONNECT_ANSWER_UNLIKE,  /* no answer that a far end gives; see status and reason */
  TURN_CONNECT_ANSWER_ENDLESS,
} TurnConnectAnswerState;

typedef struct {
  GByteArray *octets;
  gsize head_length;     /* 0: not whole yet */
  gint64 content_length; /* -1: to the end of the connection */
  guint status;          /* 0 before */
  char *reason;          /* may be NULL */
} TurnConnectAnswer;

void turn_connect_answer_init (TurnConnectAnswer *answer);
void turn_connect_answer_clear (TurnConnectAnswer *answer);
/* Takes further octets, or the end of the connection; not after anything but MORE was said. */
TurnConnectAnswerState turn_connect_answer_take (TurnConnectAnswer *answer,
                                                 const guint8 *data,
                                                 gsize length,
                                                 gboolean is_end);
/* Of a whole one. */
const char *turn_connect_answer_get_body (const TurnConnectAnswer *answer, gsize *length);
