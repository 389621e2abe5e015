/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An answer by HTTP from whoever stands on the way: however it is cut, it is the same, is bounded, and proves nothing by chance. */
#include <string.h>

#include "fuzz.h"
#include "stun-ext/detect-text.h"
#include "turn-connect/detect/answer.h"

static const StunExtDetectRun run = { { 7 } };
static const guint8 nonce[STUN_EXT_DETECT_NONCE_LENGTH] = { 2 };

static TurnConnectAnswerState
read_in_pieces (TurnConnectAnswer *answer, const guint8 *data, gsize length, gsize piece)
{
  TurnConnectAnswerState state = TURN_CONNECT_ANSWER_MORE;

  turn_connect_answer_init (answer);
  for (gsize at = 0; at < length && state == TURN_CONNECT_ANSWER_MORE; at += piece) {
    gsize n = MIN (piece, length - at);
    g_autofree guint8 *octets = g_memdup2 (data + at, n);

    state = turn_connect_answer_take (answer, octets, n, FALSE);
  }
  if (state == TURN_CONNECT_ANSWER_MORE)
    state = turn_connect_answer_take (answer, NULL, 0, TRUE);
  g_assert_cmpint (state, !=, TURN_CONNECT_ANSWER_MORE);
  return state;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  TurnConnectAnswer whole, cut;
  TurnConnectAnswerState state;
  gsize piece, n, content;

  if (length < 1)
    return 0;
  piece = 1 + data[0];
  state = read_in_pieces (&whole, data + 1, length - 1, length);
  g_assert_cmpint (read_in_pieces (&cut, data + 1, length - 1, piece), ==, state);
  g_assert_cmpuint (whole.status, ==, cut.status);
  g_assert_cmpuint (whole.head_length, ==, cut.head_length);
  if (state == TURN_CONNECT_ANSWER_WHOLE) {
    const char *body = turn_connect_answer_get_body (&cut, &n);

    g_assert_cmpuint (cut.head_length, <=, TURN_CONNECT_ANSWER_HEAD_MAX);
    g_assert_cmpuint (n, <=, TURN_CONNECT_ANSWER_BODY_MAX);
    g_assert_cmpint (stun_ext_detect_body_check (body, n, &run, NULL, nonce, &content), ==,
                     STUN_EXT_DETECT_PROOF_NONE);
  }
  turn_connect_answer_clear (&whole);
  turn_connect_answer_clear (&cut);
  return 0;
}
