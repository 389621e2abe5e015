/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "stun-ext/http-request.h"

#define MORE STUN_EXT_HTTP_REQUEST_MORE
#define DONE STUN_EXT_HTTP_REQUEST_DONE
#define BAD STUN_EXT_HTTP_REQUEST_BAD

typedef struct {
  const char *name;
  const char *text;
  gsize length;
  StunExtHttpRequestState state;
  const char *host;
  guint16 port;
} Row;

#define TEXT(text) text, sizeof text - 1
#define HOST "Host: a\r\n"
#define LINE "CONNECT a:1 HTTP/1.1\r\n"

static const Row rows[] = {
  { "least CONNECT", TEXT ("CONNECT tep.example:443 HTTP/1.0\r\n\r\n"), DONE, "tep.example", 443 },
  { "usual CONNECT",
    TEXT ("CONNECT TEP.example:443 HTTP/1.1\r\nHost: tep.example:443\r\nALPN: tep%2F1\r\n\r\n"),
    DONE, "tep.example", 443 },
  { "IPv4", TEXT ("CONNECT 192.0.2.1:80 HTTP/1.1\r\n" HOST "\r\n"), DONE, "192.0.2.1", 80 },
  { "IPv6 in another spelling", TEXT ("CONNECT [2001:DB8:0::1]:80 HTTP/1.1\r\n" HOST "\r\n"), DONE,
    "2001:db8::1", 80 },
  { "content length 0", TEXT (LINE HOST "Content-Length: 0\r\n\r\n"), DONE, "a", 1 },
  { "empty value", TEXT (LINE HOST "X:\r\n\r\n"), DONE, "a", 1 },
  { "colon and tab in a value", TEXT (LINE HOST "X:\ta:b \xc3\xa4\r\n\r\n"), DONE, "a", 1 },
  { "GET", TEXT ("GET / HTTP/1.1\r\n" HOST "\r\n"), DONE, "", 0 },
  { "GET of another site", TEXT ("GET http://x/ HTTP/1.1\r\n" HOST "\r\n"), DONE, "", 0 },
  { "POST", TEXT ("POST / HTTP/1.1\r\n" HOST "Content-Length: 17\r\n\r\n"), DONE, "", 0 },
  { "unfinished", TEXT (LINE HOST "\r"), MORE, NULL, 0 },
  { "no host in HTTP/1.1", TEXT (LINE "\r\n"), BAD, NULL, 0 },
  { "two hosts", TEXT (LINE HOST "host:"), BAD, NULL, 0 },
  { "HTTP/2.0", TEXT ("CONNECT a:1 HTTP/2.0\r"), BAD, NULL, 0 },
  { "HTTP/1.10", TEXT ("CONNECT a:1 HTTP/1.10"), BAD, NULL, 0 },
  { "HTTP/0.9", TEXT ("GET /\r"), BAD, NULL, 0 },
  { "version in lower case", TEXT ("GET / http/1.1\r"), BAD, NULL, 0 },
  { "two spaces", TEXT ("GET  "), BAD, NULL, 0 },
  { "space at the end", TEXT ("GET / HTTP/1.1 "), BAD, NULL, 0 },
  { "control octet in the target", TEXT ("GET /\x01"), BAD, NULL, 0 },
  { "target outside ASCII", TEXT ("GET /\xc3"), BAD, NULL, 0 },
  { "bare LF behind the request line", TEXT ("CONNECT a:1 HTTP/1.1\n"), BAD, NULL, 0 },
  { "bare LF behind a header", TEXT (LINE "Host: a\n"), BAD, NULL, 0 },
  { "bare LF at the end", TEXT (LINE HOST "\n"), BAD, NULL, 0 },
  { "bare CR in a header", TEXT (LINE "Host: a\rb"), BAD, NULL, 0 },
  { "bare CR at the end", TEXT (LINE HOST "\rX"), BAD, NULL, 0 },
  { "folded by space", TEXT (LINE HOST " "), BAD, NULL, 0 },
  { "folded by tab", TEXT (LINE HOST "\t"), BAD, NULL, 0 },
  { "NUL in a value", TEXT (LINE "Host: a\0"), BAD, NULL, 0 },
  { "DEL in a value", TEXT (LINE "Host: a\x7f"), BAD, NULL, 0 },
  { "empty header name", TEXT (LINE ":"), BAD, NULL, 0 },
  { "space before the colon", TEXT (LINE "Host "), BAD, NULL, 0 },
  { "NUL in a name", TEXT (LINE "Ho\0"), BAD, NULL, 0 },
  { "two content lengths", TEXT (LINE HOST "Content-Length: 0\r\ncontent-length:"), BAD, NULL, 0 },
  { "empty content length", TEXT (LINE HOST "Content-Length: \r"), BAD, NULL, 0 },
  { "two numbers", TEXT (LINE HOST "Content-Length: 0, 0\r"), BAD, NULL, 0 },
  { "signed content length", TEXT (LINE HOST "Content-Length: +0\r"), BAD, NULL, 0 },
  { "length and encoding",
    TEXT ("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length:"), BAD, NULL,
    0 },
  { "CONNECT with a body", TEXT (LINE HOST "Content-Length: 1\r"), BAD, NULL, 0 },
  { "CONNECT with an encoding", TEXT (LINE HOST "Transfer-Encoding:"), BAD, NULL, 0 },
  { "no port", TEXT ("CONNECT a HTTP/1.1\r\n" HOST "\r\n"), BAD, NULL, 0 },
  { "empty port", TEXT ("CONNECT a: HTTP/1.1\r\n" HOST "\r\n"), BAD, NULL, 0 },
  { "port 0", TEXT ("CONNECT a:0 HTTP/1.1\r\n" HOST "\r\n"), BAD, NULL, 0 },
  { "port 65536", TEXT ("CONNECT a:65536 HTTP/1.1\r\n" HOST "\r\n"), BAD, NULL, 0 },
  { "port 0443", TEXT ("CONNECT a:0443 HTTP/1.1\r\n" HOST "\r\n"), BAD, NULL, 0 },
  { "port with sign", TEXT ("CONNECT a:+443 HTTP/1.1\r\n" HOST "\r\n"), BAD, NULL, 0 },
  { "empty host", TEXT ("CONNECT :443 HTTP/1.1\r\n" HOST "\r\n"), BAD, NULL, 0 },
  { "IPv6 without brackets", TEXT ("CONNECT ::1:443 HTTP/1.1\r\n" HOST "\r\n"), BAD, NULL, 0 },
  { "IPv4 with two ports", TEXT ("CONNECT 1.2.3.4:0:443 HTTP/1.1\r\n" HOST "\r\n"), BAD, NULL, 0 },
  { "name in brackets", TEXT ("CONNECT [a]:443 HTTP/1.1\r\n" HOST "\r\n"), BAD, NULL, 0 },
  { "IPv4 in brackets", TEXT ("CONNECT [1.2.3.4]:443 HTTP/1.1\r\n" HOST "\r\n"), BAD, NULL, 0 },
  { "nothing in brackets", TEXT ("CONNECT []:443 HTTP/1.1\r\n" HOST "\r\n"), BAD, NULL, 0 },
  { "half a bracket", TEXT ("CONNECT [::1:443 HTTP/1.1\r\n" HOST "\r\n"), BAD, NULL, 0 },
  { "brackets twice", TEXT ("CONNECT [[::1]]:443 HTTP/1.1\r\n" HOST "\r\n"), BAD, NULL, 0 },
  { "IPv6 zone", TEXT ("CONNECT [fe80::1%1]:443 HTTP/1.1\r\n" HOST "\r\n"), BAD, NULL, 0 },
  { "user before the host", TEXT ("CONNECT u@a:443 HTTP/1.1\r\n" HOST "\r\n"), BAD, NULL, 0 },
  { "URI", TEXT ("CONNECT http://a:443/ HTTP/1.1\r\n" HOST "\r\n"), BAD, NULL, 0 },
};

static StunExtHttpRequestState
feed (StunExtHttpRequest *request, const char *text, gsize length, gsize step, gsize *total)
{
  StunExtHttpRequestState state = MORE;
  gsize at = 0;

  stun_ext_http_request_init (request);
  while (at < length && state == MORE) {
    g_autofree char *piece = g_memdup2 (text + at, MIN (step, length - at));
    gsize consumed;

    state = stun_ext_http_request_feed (request, piece, MIN (step, length - at), &consumed);
    g_assert_cmpuint (consumed, <=, MIN (step, length - at));
    at += consumed;
  }
  *total = at;
  return state;
}

static void
test_requests_are_read_strictly_at_any_split (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_test_message ("%s", rows[i].name);
    for (gsize step = 1; step <= rows[i].length; step++) {
      StunExtHttpRequest request;
      gsize total;

      g_assert_cmpint (feed (&request, rows[i].text, rows[i].length, step, &total), ==,
                       rows[i].state);
      g_assert_cmpuint (total, ==, rows[i].length);
      if (rows[i].state == DONE) {
        g_assert_cmpstr (request.host, ==, rows[i].host);
        g_assert_cmpuint (request.port, ==, rows[i].port);
      }
    }
  }
}

static void
test_every_truncation_waits_for_more (void)
{
  const Row *row = &rows[1];

  for (gsize length = 1; length < row->length; length++) {
    StunExtHttpRequest request;
    gsize total;

    g_assert_cmpint (feed (&request, row->text, length, length, &total), ==, MORE);
    g_assert_cmpint (stun_ext_http_request_judge (&request, TRUE, NULL, NULL), ==,
                     STUN_EXT_HTTP_ANSWER_BAD_REQUEST);
  }
}

static void
test_octets_behind_the_blank_line_are_left (void)
{
  static const char text[] = LINE HOST "\r\n\x16\x03\x01 and more";
  gsize expected = strlen (LINE HOST "\r\n");

  for (gsize step = 1; step < sizeof text; step++) {
    StunExtHttpRequest request;
    gsize total;
    gsize more;

    g_assert_cmpint (feed (&request, text, sizeof text - 1, step, &total), ==, DONE);
    g_assert_cmpuint (total, ==, expected);
    g_assert_cmpint (stun_ext_http_request_feed (&request, "X", 1, &more), ==, DONE);
    g_assert_cmpuint (more, ==, 0);
  }
}

static GString *
request_with_lines (guint n_lines, gsize name_length, gsize value_length)
{
  GString *text = g_string_new (LINE "Host: a\r\n");

  for (guint i = 1; i < n_lines; i++) {
    for (gsize j = 0; j < name_length; j++)
      g_string_append_c (text, 'n');
    g_string_append_c (text, ':');
    for (gsize j = 0; j < value_length; j++)
      g_string_append_c (text, 'v');
    g_string_append (text, "\r\n");
  }
  g_string_append (text, "\r\n");
  return text;
}

static void
test_bounds_hold_to_the_octet (void)
{
  gsize fixed = strlen (LINE "Host: a\r\n"
                             "n:\r\n"
                             "\r\n");
  const struct {
    guint n_lines;
    gsize name_length;
    gsize value_length;
    StunExtHttpRequestState state;
  } bounds[] = {
    { 100, 1, 1, DONE },
    { 101, 1, 1, BAD },
    { 2, 64, 1, DONE },
    { 2, 65, 1, BAD },
    { 2, 1, STUN_EXT_HTTP_REQUEST_MAX_LENGTH - fixed, DONE },
    { 2, 1, STUN_EXT_HTTP_REQUEST_MAX_LENGTH - fixed + 1, BAD },
    { 2, 1, 1 << 20, BAD },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (bounds); i++) {
    g_autoptr (GString) text =
        request_with_lines (bounds[i].n_lines, bounds[i].name_length, bounds[i].value_length);
    StunExtHttpRequest request;
    gsize total;

    g_assert_cmpint (feed (&request, text->str, text->len, 1000, &total), ==, bounds[i].state);
    g_assert_cmpuint (total, <=, STUN_EXT_HTTP_REQUEST_MAX_LENGTH);
  }
}

static void
test_long_targets_are_bad_for_connect_only (void)
{
  g_autofree char *name = g_strnfill (STUN_EXT_HTTP_REQUEST_MAX_HOST, 'h');
  const struct {
    const char *method;
    const char *extra;
    StunExtHttpRequestState state;
  } targets[] = {
    { "CONNECT", "", DONE },
    { "CONNECT", "h", BAD },
    { "CONNECT", "hhhhhhhhh", BAD },
    { "GET", "hhhhhhhhh", DONE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (targets); i++) {
    g_autofree char *text = g_strdup_printf ("%s %s%s:65535 HTTP/1.1\r\nHost: a\r\n\r\n",
                                             targets[i].method, name, targets[i].extra);
    StunExtHttpRequest request;
    gsize total;

    g_assert_cmpint (feed (&request, text, strlen (text), 7, &total), ==, targets[i].state);
  }
}

static gboolean
is_own (const char *host, guint16 port, gpointer user_data)
{
  return strcmp (host, user_data) == 0 && port == 443;
}

static void
test_only_own_names_are_connected (void)
{
  const struct {
    const char *line;
    gboolean may_connect;
    StunExtHttpAnswer answer;
    const char *status;
  } cases[] = {
    { "CONNECT tep.example:443", TRUE, STUN_EXT_HTTP_ANSWER_CONNECTED, "200 OK" },
    { "CONNECT tep.example:443", FALSE, STUN_EXT_HTTP_ANSWER_NOT_ALLOWED, "405 " },
    { "CONNECT tep.example:80", TRUE, STUN_EXT_HTTP_ANSWER_FORBIDDEN, "403 " },
    { "CONNECT other.example:443", TRUE, STUN_EXT_HTTP_ANSWER_FORBIDDEN, "403 " },
    { "CONNECT 127.0.0.1:443", TRUE, STUN_EXT_HTTP_ANSWER_FORBIDDEN, "403 " },
    { "GET http://other.example/", TRUE, STUN_EXT_HTTP_ANSWER_NOT_FOUND, "404 " },
    { "CONNECT tep.example", TRUE, STUN_EXT_HTTP_ANSWER_BAD_REQUEST, "400 " },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *text = g_strconcat (cases[i].line, " HTTP/1.1\r\nHost: a\r\n\r\n", NULL);
    StunExtHttpRequest request;
    StunExtHttpAnswer answer;
    gsize n;

    feed (&request, text, strlen (text), 1, &n);
    answer = stun_ext_http_request_judge (&request, cases[i].may_connect, is_own,
                                          (gpointer) "tep.example");
    g_assert_cmpint (answer, ==, cases[i].answer);
    g_assert_true (g_str_has_prefix (
        stun_ext_http_answer_text (answer, FALSE, &n) + strlen ("HTTP/1.1 "), cases[i].status));
  }
}

static void
test_answers_agree_with_their_content_length (void)
{
  for (StunExtHttpAnswer answer = STUN_EXT_HTTP_ANSWER_BAD_REQUEST;
       answer <= STUN_EXT_HTTP_ANSWER_NOT_ALLOWED; answer++) {
    gsize with_body;
    gsize without_body;
    const char *text = stun_ext_http_answer_text (answer, FALSE, &with_body);
    const char *field = strstr (text, "Content-Length: ");

    stun_ext_http_answer_text (answer, TRUE, &without_body);
    g_assert_nonnull (field);
    g_assert_nonnull (strstr (text, "Connection: close\r\n"));
    g_assert_cmpuint (g_ascii_strtoull (field + strlen ("Content-Length: "), NULL, 10), ==,
                      with_body - without_body);
    g_assert_cmpmem (text + without_body - 4, 4, "\r\n\r\n", 4);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stun-ext/http-request/requests-are-read-strictly-at-any-split",
                   test_requests_are_read_strictly_at_any_split);
  g_test_add_func ("/stun-ext/http-request/every-truncation-waits-for-more",
                   test_every_truncation_waits_for_more);
  g_test_add_func ("/stun-ext/http-request/octets-behind-the-blank-line-are-left",
                   test_octets_behind_the_blank_line_are_left);
  g_test_add_func ("/stun-ext/http-request/bounds-hold-to-the-octet",
                   test_bounds_hold_to_the_octet);
  g_test_add_func ("/stun-ext/http-request/long-targets-are-bad-for-connect-only",
                   test_long_targets_are_bad_for_connect_only);
  g_test_add_func ("/stun-ext/http-request/only-own-names-are-connected",
                   test_only_own_names_are_connected);
  g_test_add_func ("/stun-ext/http-request/answers-agree-with-their-content-length",
                   test_answers_agree_with_their_content_length);
  return g_test_run ();
}
