/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where an answer begins and ends. Of HTTP only as much is understood as the far end speaks; whoever
 * speaks more is somebody else.
 */
#include "turn-connect/detect/answer.h"

void
turn_connect_answer_init (TurnConnectAnswer *answer)
{
  *answer = (TurnConnectAnswer){ .octets = g_byte_array_new (), .content_length = -1 };
}

void
turn_connect_answer_clear (TurnConnectAnswer *answer)
{
  g_clear_pointer (&answer->octets, g_byte_array_unref);
  g_clear_pointer (&answer->reason, g_free);
}

static TurnConnectAnswerState
read_head (TurnConnectAnswer *answer)
{
  const char *text = (const char *)answer->octets->data;
  gsize n = MIN (answer->octets->len, TURN_CONNECT_ANSWER_HEAD_MAX);
  const char *blank = n > 0 ? g_strstr_len (text, (gssize)n, "\r\n\r\n") : NULL;
  g_auto (TurnConnectHttpHead) head = { 0 };
  const char *problem = NULL;

  if (blank == NULL && answer->octets->len < TURN_CONNECT_ANSWER_HEAD_MAX)
    return TURN_CONNECT_ANSWER_MORE;
  if (blank == NULL ||
      !turn_connect_http_head_parse (&head, text, (gsize)(blank - text) + 2, &problem))
    return TURN_CONNECT_ANSWER_NO_HTTP;
  answer->status = head.status;
  answer->reason = g_strdup (head.reason);
  if (head.status != 200 || head.is_chunked || head.is_coded_otherwise ||
      head.content_length > TURN_CONNECT_ANSWER_BODY_MAX)
    return TURN_CONNECT_ANSWER_UNLIKE;
  answer->head_length = (gsize)(blank - text) + 4;
  answer->content_length = head.content_length;
  return TURN_CONNECT_ANSWER_MORE;
}

TurnConnectAnswerState
turn_connect_answer_take (TurnConnectAnswer *answer,
                          const guint8 *data,
                          gsize length,
                          gboolean is_end)
{
  TurnConnectAnswerState state = TURN_CONNECT_ANSWER_MORE;
  gsize n;

  if (length > 0)
    g_byte_array_append (answer->octets, data, (guint)length);
  if (answer->head_length == 0)
    state = read_head (answer);
  if (state != TURN_CONNECT_ANSWER_MORE)
    return state;
  if (answer->head_length == 0)
    return is_end ? TURN_CONNECT_ANSWER_CUT : TURN_CONNECT_ANSWER_MORE;
  n = answer->octets->len - answer->head_length;
  if (n > TURN_CONNECT_ANSWER_BODY_MAX)
    return TURN_CONNECT_ANSWER_ENDLESS;
  if (is_end || (answer->content_length >= 0 && (gint64)n >= answer->content_length))
    return TURN_CONNECT_ANSWER_WHOLE;
  return TURN_CONNECT_ANSWER_MORE;
}

const char *
turn_connect_answer_get_body (const TurnConnectAnswer *answer, gsize *length)
{
  *length = answer->octets->len - answer->head_length;
  return (const char *)answer->octets->data + answer->head_length;
}
