/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http-hands.h"

#include <string.h>

TurnConnectHttp *
make_http (const char *user, gboolean sends_first, const char *const *lines)
{
  TurnConnectHttpRequest request = {
    .host = "example.org", .port = 443, .who = "the proxy", .lines = lines, .cnonce = "c0ffee"
  };

  request.auth = turn_connect_proxy_auth_new (user, user != NULL ? "pa:ss" : NULL,
                                              TURN_CONNECT_PROXY_ANY, sends_first);
  return turn_connect_http_new (&request);
}

char *
take_output (TurnConnectHttp *http)
{
  gsize length;
  const guint8 *output = turn_connect_http_get_output (http, &length);
  char *text = g_strndup ((const char *)output, length);

  turn_connect_http_sent (http, length);
  return text;
}

TurnConnectHttpVerdict
feed (TurnConnectHttp *http,
      const char *reply,
      gsize length,
      gsize cut,
      gsize step,
      GString *sent,
      GString *rest,
      GError **error)
{
  TurnConnectHttpVerdict verdict = TURN_CONNECT_HTTP_MORE;
  gsize at = 0;

  while (at < length && verdict == TURN_CONNECT_HTTP_MORE) {
    gsize n = MIN (at < cut ? cut - at : step, length - at);
    const char *next = memchr (reply + at, *NEXT, n);
    gsize consumed;
    g_autofree char *output = take_output (http);
    /* An own copy, so that the address sanitizer sees a read too far. */
    g_autofree guint8 *piece = g_memdup2 (reply + at, n);

    g_string_append (sent, output);
    if (next == reply + at) {
      at++;
      continue;
    }
    if (next != NULL)
      n = (gsize)(next - reply) - at;
    verdict = turn_connect_http_feed (http, piece, n, &consumed, error);
    g_assert_cmpuint (consumed, <=, n);
    at += consumed;
  }
  g_string_append_len (rest, reply + at, (gssize)(length - at));
  return verdict;
}

TurnConnectHttpVerdict
feed_whole (TurnConnectHttp *http, const char *reply, GError **error)
{
  g_autoptr (GString) sent = g_string_new (NULL);
  g_autoptr (GString) rest = g_string_new (NULL);

  return feed (http, reply, strlen (reply), 0, 1000, sent, rest, error);
}
