/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "turn-connect/local/connect-head.h"

#include <string.h>

#define LOGIN "Proxy-Authorization: Basic dXNlcjpwYXNz\r\n" /* user:pass */

static StunExtHttpRequestState
feed (TurnConnectHead *head, const char *text, gsize step, gsize *used)
{
  StunExtHttpRequestState state = STUN_EXT_HTTP_REQUEST_MORE;
  gsize length = strlen (text);

  turn_connect_head_init (head);
  *used = 0;
  while (*used < length && state == STUN_EXT_HTTP_REQUEST_MORE) {
    g_autofree guint8 *piece = g_memdup2 (text + *used, MIN (step, length - *used));
    gsize consumed = 0;

    state = turn_connect_head_feed (head, piece, MIN (step, length - *used), &consumed);
    *used += consumed;
  }
  return state;
}

static const struct {
  const char *name;
  const char *text;
  StunExtHttpRequestState state;
  const char *host;
  guint16 port;
} rows[] = {
  { "as-libnice-asks",
    "CONNECT 192.0.2.1:3478 HTTP/1.0\r\nHost: 192.0.2.1\r\nUser-Agent: libnice\r\n"
    "Content-Length: 0\r\nProxy-Connection: Keep-Alive\r\n\r\n",
    STUN_EXT_HTTP_REQUEST_DONE, "192.0.2.1", 3478 },
  { "ipv6-in-brackets", "CONNECT [2001:db8::1]:3478 HTTP/1.1\r\nHost: x\r\n\r\n",
    STUN_EXT_HTTP_REQUEST_DONE, "2001:db8::1", 3478 },
  { "ipv6-without-brackets", "CONNECT 2001:db8::1:3478 HTTP/1.0\r\nHost: 2001:db8::1\r\n\r\n",
    STUN_EXT_HTTP_REQUEST_DONE, "2001:db8::1", 3478 },
  { "name", "CONNECT turn.example.org:443 HTTP/1.1\r\nHost: turn.example.org:443\r\n\r\n",
    STUN_EXT_HTTP_REQUEST_DONE, "turn.example.org", 443 },
  { "no-port", "CONNECT 192.0.2.1 HTTP/1.0\r\n\r\n", STUN_EXT_HTTP_REQUEST_BAD, "", 0 },
  { "many-colons", "CONNECT ::::::: HTTP/1.0\r\n\r\n", STUN_EXT_HTTP_REQUEST_BAD, "", 0 },
  { "no-request", "CONNECT\r\n\r\n", STUN_EXT_HTTP_REQUEST_BAD, "", 0 },
  { "blank-line-alone", "\r\n\r\n", STUN_EXT_HTTP_REQUEST_BAD, "", 0 },
  { "folded", "CONNECT a:1 HTTP/1.0\r\nA: b\r\n c\r\n\r\n", STUN_EXT_HTTP_REQUEST_BAD, "", 0 },
  { "not-yet", "CONNECT 192.0.2.1:3478 HTTP/1.0\r\nHost: 192.0.2.1\r\n", STUN_EXT_HTTP_REQUEST_MORE,
    NULL, 0 },
};

static void
test_requests_are_read_however_they_are_cut (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    for (gsize step = 1; step <= strlen (rows[i].text); step++) {
      TurnConnectHead head;
      gsize used;

      g_test_message ("%s, %" G_GSIZE_FORMAT " octets at a time", rows[i].name, step);
      g_assert_cmpint (feed (&head, rows[i].text, step, &used), ==, rows[i].state);
      if (rows[i].state != STUN_EXT_HTTP_REQUEST_DONE)
        continue;
      g_assert_cmpstr (head.request.host, ==, rows[i].host);
      g_assert_cmpuint (head.request.port, ==, rows[i].port);
    }
  }
}

static void
test_what_follows_is_the_tunnels (void)
{
  static const char text[] = "CONNECT 192.0.2.1:3478 HTTP/1.0\r\n\r\n\001\002rest";
  TurnConnectHead head;
  gsize used;

  for (gsize step = 1; step < sizeof text; step++) {
    g_assert_cmpint (feed (&head, text, step, &used), ==, STUN_EXT_HTTP_REQUEST_DONE);
    g_assert_cmpuint (used, ==, sizeof text - 1 - 6);
  }
}

static void
test_length_is_bounded (void)
{
  g_autofree char *long_line = g_strnfill (STUN_EXT_HTTP_REQUEST_MAX_LENGTH, 'a');
  g_autofree char *text = g_strconcat ("CONNECT a:1 HTTP/1.0\r\nA: ", long_line, NULL);
  TurnConnectHead head;
  gsize used;

  g_assert_cmpint (feed (&head, text, 1000, &used), ==, STUN_EXT_HTTP_REQUEST_BAD);
  g_assert_cmpuint (used, ==, STUN_EXT_HTTP_REQUEST_MAX_LENGTH);
}

static const struct {
  const char *name;
  const char *lines;
  gboolean logs_in;
} logins[] = {
  { "right", LOGIN, TRUE },
  { "in-other-letters", "proxy-authorization:   basic   dXNlcjpwYXNz  \r\n", TRUE },
  { "none", "", FALSE },
  { "wrong", "Proxy-Authorization: Basic dXNlcjpwYXN6\r\n", FALSE },
  { "a-part", "Proxy-Authorization: Basic dXNlcjpwYXN\r\n", FALSE },
  { "more", "Proxy-Authorization: Basic dXNlcjpwYXNzAA==\r\n", FALSE },
  { "empty", "Proxy-Authorization: Basic \r\n", FALSE },
  { "no-scheme", "Proxy-Authorization: dXNlcjpwYXNz\r\n", FALSE },
  { "other-scheme", "Proxy-Authorization: Bearer dXNlcjpwYXNz\r\n", FALSE },
  { "twice", LOGIN LOGIN, FALSE },
  { "for-a-server", "Authorization: Basic dXNlcjpwYXNz\r\n", FALSE },
};

static void
test_login (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (logins); i++) {
    g_autofree char *text =
        g_strconcat ("CONNECT a:1 HTTP/1.0\r\n", logins[i].lines, "A: b\r\n\r\n", NULL);
    TurnConnectHead head;
    gsize used;

    g_test_message ("%s", logins[i].name);
    g_assert_cmpint (feed (&head, text, 7, &used), ==, STUN_EXT_HTTP_REQUEST_DONE);
    g_assert_cmpint (turn_connect_head_logs_in (&head, "user", "pass"), ==, logins[i].logs_in);
    turn_connect_head_clear (&head);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/turn-connect/connect-head/requests-are-read-however-they-are-cut",
                   test_requests_are_read_however_they_are_cut);
  g_test_add_func ("/turn-connect/connect-head/what-follows-is-the-tunnels",
                   test_what_follows_is_the_tunnels);
  g_test_add_func ("/turn-connect/connect-head/length-is-bounded", test_length_is_bounded);
  g_test_add_func ("/turn-connect/connect-head/login-is-one-line-and-exact", test_login);
  return g_test_run ();
}
