/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the first octets say is never taken back by more of them; and a request is the same however
 * it is cut. */
#include <string.h>

#include "fuzz.h"
#include "stun-ext/front-door.h"
#include "stun-ext/http-request.h"

static void
check_classes (const guint8 *data, gsize length)
{
  for (guint layers = 0; layers < 16; layers++) {
    StunExtFrontDoorVerdict last = STUN_EXT_FRONT_DOOR_NEED_MORE;
    gsize least = 0;

    for (gsize n = 0; n <= MIN (length, STUN_EXT_FRONT_DOOR_MAX_LENGTH + 3); n++) {
      gsize needed = 0;
      StunExtFrontDoorVerdict verdict = stun_ext_front_door_classify (layers, data, n, &needed);

      if (last != STUN_EXT_FRONT_DOOR_NEED_MORE)
        g_assert_cmpint (verdict, ==, last);
      if (verdict == STUN_EXT_FRONT_DOOR_NEED_MORE) {
        g_assert_cmpuint (needed, >, n);
        g_assert_cmpuint (n, <, STUN_EXT_FRONT_DOOR_MAX_LENGTH);
        least = MAX (least, needed);
      } else if (last == STUN_EXT_FRONT_DOOR_NEED_MORE && verdict != STUN_EXT_FRONT_DOOR_CLOSE) {
        g_assert_cmpuint (n, >=, least);
      }
      last = verdict;
    }
  }
}

static gboolean
is_own (const char *host, guint16 port, gpointer user_data)
{
  g_assert_cmpuint (strlen (host), <=, STUN_EXT_HTTP_REQUEST_MAX_HOST);
  return port == 443;
}

static StunExtHttpRequestState
feed (StunExtHttpRequest *request, const guint8 *data, gsize length, gsize step, gsize *used)
{
  StunExtHttpRequestState state = STUN_EXT_HTTP_REQUEST_MORE;

  stun_ext_http_request_init (request);
  *used = 0;
  while (*used < length && state == STUN_EXT_HTTP_REQUEST_MORE) {
    gsize n = MIN (step, length - *used);
    gsize consumed = 0;
    g_autofree guint8 *piece = g_memdup2 (&data[*used], n);

    state = stun_ext_http_request_feed (request, piece, n, &consumed);
    g_assert_cmpuint (consumed, <=, n);
    if (state == STUN_EXT_HTTP_REQUEST_MORE)
      g_assert_cmpuint (consumed, ==, n);
    *used += consumed;
  }
  return state;
}

static void
check_request (const guint8 *data, gsize length)
{
  StunExtHttpRequest whole, pieces;
  gsize whole_used, pieces_used, answer;
  StunExtHttpRequestState state = feed (&whole, data, length, G_MAXSIZE, &whole_used);

  g_assert_cmpint (feed (&pieces, data, length, 1 + length / 40, &pieces_used), ==, state);
  if (state == STUN_EXT_HTTP_REQUEST_DONE) {
    g_assert_cmpuint (whole_used, ==, pieces_used);
    g_assert_cmpuint (whole_used, <=, STUN_EXT_HTTP_REQUEST_MAX_LENGTH);
    g_assert_cmpstr (whole.host, ==, pieces.host);
    g_assert_cmpuint (whole.port, ==, pieces.port);
    g_assert_cmpint (whole.is_connect, ==, pieces.is_connect);
  }
  stun_ext_http_answer_text (stun_ext_http_request_judge (&whole, TRUE, is_own, NULL),
                             whole.is_head, &answer);
  g_assert_cmpuint (answer, >, 0);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  check_classes (data, length);
  check_request (data, length);
  return 0;
}
