/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http-hands.h"
#include "turn-connect/proxy/http-head.h"

#include <string.h>

typedef struct {
  const char *name;
  const char *user;
  const char *reply;
  TurnConnectHttpVerdict verdict;
  TurnConnectError code; /* of FAILED */
  guint status;          /* of FAILED */
  guint requests;        /* sent, the first included */
  const char *rest;      /* behind the verdict, of UP */
  const char *words;     /* in the message */
} Row;

/* clang-format off */
static const Row rows[] = {
  { "plain-200", NULL, OK200, UP, 0, 0, 1, "", NULL },
  { "200-of-http-1.0", NULL, "HTTP/1.0 200 Connection established\r\n\r\n", UP, 0, 0, 1, "", NULL },
  { "200-without-reason", NULL, "HTTP/1.1 200\r\n\r\n", UP, 0, 0, 1, "", NULL },
  { "any-2xx", NULL, "HTTP/1.1 299 Fine\r\nX: y\r\n\r\n", UP, 0, 0, 1, "", NULL },
  { "early-octets", NULL, OK200 "\x16\x03\x01tunnel", UP, 0, 0, 1, "\x16\x03\x01tunnel", NULL },
  { "early-http", NULL, OK200 OK200, UP, 0, 0, 1, OK200, NULL },
  { "length-of-2xx-is-ignored", NULL, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", UP, 0, 0, 1, "hello", NULL },
  { "chunked-2xx-is-ignored", NULL, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", UP, 0, 0, 1, "0\r\n\r\n", NULL },
  { "interim-replies", NULL, "HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 103 Hint\r\nLink: x\r\n\r\n" OK200 "t", UP, 0, 0, 1, "t", NULL },
  { "empty-value-and-obs-text", NULL, "HTTP/1.1 200 \xc3\xa4\r\nA:\r\nB:\t\xff \r\n\r\n", UP, 0, 0, 1, "", NULL },
  { "folded-line", "user", "HTTP/1.1 407 A\r\nProxy-Authenticate:\r\n Basic\r\n\trealm=\"x\"\r\nContent-Length: 0\r\n\r\n" NEXT OK200, UP, 0, 0, 2, "", NULL },

  { "407-then-200", "user", ASK "Content-Length: 5\r\n\r\nnope!" NEXT OK200 "T", UP, 0, 0, 2, "T", NULL },
  { "407-of-no-length", "user", ASK "Content-Length: 0\r\n\r\n" NEXT OK200, UP, 0, 0, 2, "", NULL },
  { "407-chunked", "user", ASK "Transfer-Encoding: chunked\r\n\r\n5\r\nnope!\r\nA;x=\"y\"\r\n0123456789\r\n0\r\nTrailer: z\r\n\r\n" NEXT OK200 "T", UP, 0, 0, 2, "T", NULL },
  { "407-keep-alive-1.0", "user", "HTTP/1.0 407 A\r\nProxy-Authenticate: Basic\r\nProxy-Connection: Keep-Alive\r\nContent-Length: 1\r\n\r\nx" NEXT OK200, UP, 0, 0, 2, "", NULL },
  { "407-after-interim", "user", "HTTP/1.1 100 Go\r\n\r\n" NEXT ASK "Content-Length: 0\r\n\r\n" NEXT OK200, UP, 0, 0, 2, "", NULL },
  { "basic-among-others", "user", "HTTP/1.1 407 A\r\nProxy-Authenticate: HOBA\r\nProxy-Authenticate: Digest realm=\"a, Basic\", qop = \"auth\", bAsIc realm=x\r\nContent-Length: 0\r\n\r\n" NEXT OK200, UP, 0, 0, 2, "", NULL },
  { "407-says-close", "user", ASK "Connection: close\r\nContent-Length: 5\r\n\r\n", REOPEN, 0, 0, 1, NULL, NULL },
  { "407-of-http-1.0", "user", "HTTP/1.0 407 A\r\nProxy-Authenticate: Basic\r\nContent-Length: 5\r\n\r\n", REOPEN, 0, 0, 1, NULL, NULL },
  { "407-without-length", "user", ASK "\r\n", REOPEN, 0, 0, 1, NULL, NULL },
  { "407-of-4-gigabytes", "user", ASK "Content-Length: 4294967296\r\n\r\n", REOPEN, 0, 0, 1, NULL, NULL },
  { "407-length-and-chunked", "user", ASK "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", REOPEN, 0, 0, 1, NULL, NULL },
  { "407-gzip-chunked", "user", ASK "Transfer-Encoding: gzip, chunked\r\n\r\n", REOPEN, 0, 0, 1, NULL, NULL },
  { "407-chunked-twice", "user", ASK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", REOPEN, 0, 0, 1, NULL, NULL },
  { "407-unfinished", "user", ASK "Content-Length: 9\r\n\r\n12345678", MORE, 0, 0, 1, NULL, NULL },

  { "no-credentials", NULL, ASK "Content-Length: 0\r\n\r\n", FAILED, NEEDED, 407, 1, NULL, "none are configured" },
  { "wrong-credentials", "user", ASK "Content-Length: 0\r\n\r\n" NEXT ASK "Content-Length: 0\r\n\r\n", FAILED, WRONG, 407, 2, NULL, "did not accept" },
  { "wrong-credentials-by-401", "user", ASK "Content-Length: 0\r\n\r\n" NEXT "HTTP/1.0 401 Unauthorized\r\n\r\n", FAILED, WRONG, 401, 2, NULL, "did not accept" },
  { "401-unasked", "user", "HTTP/1.0 401 Unauthorized\r\n\r\n", FAILED, FORBIDDEN, 401, 1, NULL, "401" },
  { "only-unknown-schemes", "user", "HTTP/1.1 407 A\r\nProxy-Authenticate: Bearer realm=\"Basic\", nonce=x\r\nProxy-Authenticate: HOBA\r\n\r\n", FAILED, SCHEME, 407, 1, NULL, "bearer, hoba; allowed and supported here: negotiate, digest, ntlm, basic" },
  { "token68-is-no-scheme", "user", "HTTP/1.1 407 A\r\nProxy-Authenticate: Bearer YWJj==, HOBA basic==\r\n\r\n", FAILED, SCHEME, 407, 1, NULL, "bearer, hoba;" },
  { "digest-that-cannot-be-answered", "user", "HTTP/1.1 407 A\r\nProxy-Authenticate: Digest realm=x, nonce=y, algorithm=SHA-512-256, qop=auth\r\nContent-Length: 0\r\n\r\n", FAILED, SCHEME, 407, 1, NULL, "digest;" },
  { "digest-wrong-password", "user", DIGEST "Content-Length: 0\r\n\r\n" NEXT DIGEST "Content-Length: 0\r\n\r\n", FAILED, WRONG, 407, 2, NULL, "did not accept" },
  { "digest-then-200", "user", DIGEST "Content-Length: 0\r\n\r\n" NEXT OK200 "T", UP, 0, 0, 2, "T", NULL },
  { "digest-stale-then-200", "user", DIGEST "Content-Length: 0\r\n\r\n" NEXT STALE "Content-Length: 0\r\n\r\n" NEXT OK200, UP, 0, 0, 3, "", NULL },
  { "digest-stale-for-ever", "user", DIGEST "Content-Length: 0\r\n\r\n" NEXT STALE "Content-Length: 0\r\n\r\n" NEXT DIGEST "stale: true\r\nContent-Length: 0\r\n\r\n", FAILED, WRONG, 407, 3, NULL, "did not accept" },
  { "refused-proof-keeps-basic-back", "user", DIGEST BASIC_TOO "Content-Length: 0\r\n\r\n" NEXT DIGEST BASIC_TOO "Content-Length: 0\r\n\r\n", FAILED, WRONG, 407, 2, NULL, "did not accept" },
  { "negotiate-without-a-user", NULL, "HTTP/1.1 407 A\r\nProxy-Authenticate: Negotiate\r\nContent-Length: 2\r\n\r\nno", WAIT, 0, 0, 1, NULL, NULL },
  { "ntlm", "user", "HTTP/1.1 407 A\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n", WAIT, 0, 0, 1, NULL, NULL },
  { "ntlm-after-close", "user", "HTTP/1.1 407 A\r\nProxy-Authenticate: NTLM\r\nConnection: close\r\n\r\n", WAIT, 0, 0, 1, NULL, NULL },
  { "ntlm-without-a-user", NULL, "HTTP/1.1 407 A\r\nProxy-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n", FAILED, NEEDED, 407, 1, NULL, "none are configured" },
  { "407-without-challenge", "user", "HTTP/1.1 407 A\r\n\r\n", FAILED, SCHEME, 407, 1, NULL, "names no scheme" },
  { "challenge-of-garbage", "user", "HTTP/1.1 407 A\r\nProxy-Authenticate: ,,\"=\\\", ;\r\n\r\n", FAILED, SCHEME, 407, 1, NULL, "names no scheme" },

  { "403", NULL, "HTTP/1.1 403 Forbidden\r\n\r\n", FAILED, FORBIDDEN, 403, 1, NULL, "does not allow example.org:443 (403 Forbidden)" },
  { "451", NULL, "HTTP/1.1 451 Law\r\n\r\n", FAILED, FORBIDDEN, 451, 1, NULL, "451 Law" },
  { "405", NULL, "HTTP/1.1 405 No\r\n\r\n", FAILED, FORBIDDEN, 405, 1, NULL, "does not do CONNECT" },
  { "302-captive-portal", NULL, "HTTP/1.1 302 Found\r\nLocation: http://login/\r\n\r\n", FAILED, FORBIDDEN, 302, 1, NULL, "sign in" },
  { "502", NULL, "HTTP/1.1 502 Bad Gateway\r\n\r\n", FAILED, UPSTREAM, 502, 1, NULL, "could not reach example.org:443" },
  { "503", NULL, "HTTP/1.1 503 Service Unavailable\r\n\r\n", FAILED, UPSTREAM, 503, 1, NULL, "503" },
  { "504", NULL, "HTTP/1.1 504 Gateway Timeout\r\n\r\n", FAILED, UPSTREAM, 504, 1, NULL, "504" },
  { "400", NULL, "HTTP/1.1 400 Bad\r\n\r\n", FAILED, PROTOCOL, 400, 1, NULL, "check that it is a proxy" },
  { "reason-is-escaped", NULL, "HTTP/1.1 403 \x1b[31m\xc2\x85\r\n\r\n", FAILED, FORBIDDEN, 403, 1, NULL, "?[31m??" },

  { "http-0.9", NULL, "<html>hello</html>", FAILED, PROTOCOL, 0, 1, NULL, "does not begin with HTTP/1" },
  { "http-2", NULL, "HTTP/2 200\r\n\r\n", FAILED, PROTOCOL, 0, 1, NULL, "does not begin with HTTP/1" },
  { "ssh", NULL, "SSH-2.0-OpenSSH\r\n", FAILED, PROTOCOL, 0, 1, NULL, "does not begin" },
  { "blank-line-first", NULL, "\r\nHTTP/1.1 200 OK\r\n\r\n", FAILED, PROTOCOL, 0, 1, NULL, "does not begin" },
  { "bare-line-feed", NULL, "HTTP/1.1 200 OK\n\n", FAILED, PROTOCOL, 0, 1, NULL, "without carriage return" },
  { "bare-line-feed-in-header", NULL, "HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n", FAILED, PROTOCOL, 0, 1, NULL, "without carriage return" },
  { "bare-line-feed-at-end", NULL, "HTTP/1.1 200 OK\r\n\n", FAILED, PROTOCOL, 0, 1, NULL, "without carriage return" },
  { "bare-carriage-return", NULL, "HTTP/1.1 200 OK\rX\r\n\r\n", FAILED, PROTOCOL, 0, 1, NULL, "in the middle" },
  { "two-carriage-returns", NULL, "HTTP/1.1 200 OK\r\r\n\r\n", FAILED, PROTOCOL, 0, 1, NULL, "in the middle" },
  { "status-of-two-digits", NULL, "HTTP/1.1 20 OK\r\n\r\n", FAILED, PROTOCOL, 0, 1, NULL, "status line" },
  { "status-of-four-digits", NULL, "HTTP/1.1 2000 OK\r\n\r\n", FAILED, PROTOCOL, 0, 1, NULL, "status line" },
  { "status-600", NULL, "HTTP/1.1 600 OK\r\n\r\n", FAILED, PROTOCOL, 0, 1, NULL, "status line" },
  { "status-099", NULL, "HTTP/1.1 099 OK\r\n\r\n", FAILED, PROTOCOL, 0, 1, NULL, "status line" },
  { "two-spaces", NULL, "HTTP/1.1  200 OK\r\n\r\n", FAILED, PROTOCOL, 0, 1, NULL, "status line" },
  { "status-line-cut", NULL, "HTTP/1.1\r\n\r\n", FAILED, PROTOCOL, 0, 1, NULL, "status line" },
  { "101", NULL, "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", FAILED, PROTOCOL, 0, 1, NULL, "switches" },
  { "nameless-header", NULL, "HTTP/1.1 200 OK\r\n: x\r\n\r\n", FAILED, PROTOCOL, 0, 1, NULL, "name" },
  { "space-before-colon", NULL, "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n", FAILED, PROTOCOL, 0, 1, NULL, "name" },
  { "no-colon", NULL, "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", FAILED, PROTOCOL, 0, 1, NULL, "name" },
  { "fold-of-nothing", NULL, "HTTP/1.1 200 OK\r\n A: b\r\n\r\n", FAILED, PROTOCOL, 0, 1, NULL, "folded" },
  { "control-in-value", NULL, "HTTP/1.1 200 OK\r\nA: \x07\r\n\r\n", FAILED, PROTOCOL, 0, 1, NULL, "control" },
  { "two-lengths", "user", ASK "Content-Length: 3\r\nContent-Length: 4\r\n\r\n", FAILED, PROTOCOL, 0, 1, NULL, "Content-Length" },
  { "list-of-lengths", "user", ASK "Content-Length: 3, 3\r\n\r\n", FAILED, PROTOCOL, 0, 1, NULL, "Content-Length" },
  { "negative-length", "user", ASK "Content-Length: -1\r\n\r\n", FAILED, PROTOCOL, 0, 1, NULL, "Content-Length" },
  { "empty-length", "user", ASK "Content-Length:\r\n\r\n", FAILED, PROTOCOL, 0, 1, NULL, "Content-Length" },
  { "huge-length", "user", ASK "Content-Length: 99999999999999999999\r\n\r\n", FAILED, PROTOCOL, 0, 1, NULL, "Content-Length" },
  { "chunk-without-size", "user", ASK "Transfer-Encoding: chunked\r\n\r\n\r\n", FAILED, PROTOCOL, 0, 1, NULL, "chunk" },
  { "chunk-size-of-letters", "user", ASK "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", FAILED, PROTOCOL, 0, 1, NULL, "chunk" },
  { "chunk-size-too-long", "user", ASK "Transfer-Encoding: chunked\r\n\r\n00000005\r\n", FAILED, PROTOCOL, 0, 1, NULL, "chunk" },
  { "chunk-negative", "user", ASK "Transfer-Encoding: chunked\r\n\r\n-1\r\n", FAILED, PROTOCOL, 0, 1, NULL, "chunk" },
  { "chunk-longer-than-said", "user", ASK "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", FAILED, PROTOCOL, 0, 1, NULL, "longer" },
  { "chunk-bare-line-feed", "user", ASK "Transfer-Encoding: chunked\r\n\r\n1\na\n0\n\n", FAILED, PROTOCOL, 0, 1, NULL, "chunk" },
  { "incomplete", NULL, "HTTP/1.1 200 OK\r\nA: b\r\n", MORE, 0, 0, 1, NULL, NULL },
};
/* clang-format on */

static guint
count_requests (const char *sent)
{
  guint n = 0;

  for (const char *at = sent; (at = strstr (at, "CONNECT example.org:443 HTTP/1.1\r\n")) != NULL;
       at++)
    n++;
  return n;
}

static void
check_row (const Row *row, gsize cut, gsize step)
{
  g_autoptr (TurnConnectHttp) http = make_http (row->user, FALSE, NULL);
  g_autoptr (GString) sent = g_string_new (NULL);
  g_autoptr (GString) rest = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  TurnConnectHttpVerdict verdict =
      feed (http, row->reply, strlen (row->reply), cut, step, sent, rest, &error);

  g_assert_cmpint (verdict, ==, row->verdict);
  g_assert_cmpuint (count_requests (sent->str), ==, row->requests);
  g_assert_true ((verdict == FAILED) == (error != NULL));
  if (verdict == FAILED) {
    g_assert_error (error, TURN_CONNECT_ERROR, (gint)row->code);
    g_assert_cmpuint (turn_connect_error_get_http_status (error), ==, row->status);
    g_assert_nonnull (strstr (error->message, row->words));
    g_assert_null (strstr (error->message, "pa:ss"));
  }
  if (verdict == UP)
    g_assert_cmpstr (rest->str, ==, row->rest);
  if (verdict == REOPEN) {
    g_autofree char *again = take_output (http);

    g_assert_nonnull (strstr (again, "\r\nProxy-Authorization: " BASIC "\r\n"));
  }
}

static void
test_every_reply_split_everywhere (gconstpointer data)
{
  const Row *row = data;
  gsize length = strlen (row->reply);

  check_row (row, 0, length);
  check_row (row, 0, 1);
  for (gsize cut = 1; cut < length; cut++)
    check_row (row, cut, length);
}

static void
test_request_is_exact (void)
{
  static const char *const lines[] = { "User-Agent: 3GPP-IMS-FS_FIRE", "ALPN: tep%2F1", NULL };
  g_autoptr (TurnConnectHttp) http = make_http ("user", TRUE, lines);
  g_autofree char *request = take_output (http);

  g_assert_cmpstr (request, ==,
                   "CONNECT example.org:443 HTTP/1.1\r\n"
                   "Host: example.org:443\r\n"
                   "Proxy-Authorization: " BASIC "\r\n"
                   "User-Agent: 3GPP-IMS-FS_FIRE\r\n"
                   "ALPN: tep%2F1\r\n"
                   "\r\n");
}

static void
test_ipv6_target_is_in_brackets (void)
{
  TurnConnectHttpRequest request = { .host = "2001:db8::1", .port = 443, .who = "the proxy" };
  g_autoptr (TurnConnectHttp) http = NULL;
  g_autofree char *text = NULL;

  request.auth = turn_connect_proxy_auth_new (NULL, NULL, TURN_CONNECT_PROXY_ANY, TRUE);
  http = turn_connect_http_new (&request);
  text = take_output (http);
  g_assert_cmpstr (text, ==,
                   "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n");
}

static void
test_password_is_not_sent_before_it_is_asked_for (void)
{
  g_autoptr (TurnConnectHttp) http = make_http ("user", FALSE, NULL);
  g_autofree char *first = take_output (http);
  g_autofree char *second = NULL;

  g_assert_null (strstr (first, "Authorization"));
  g_assert_cmpint (feed_whole (http, ASK "Content-Length: 0\r\n\r\n", NULL), ==, MORE);
  second = take_output (http);
  g_assert_nonnull (strstr (second, "Proxy-Authorization: " BASIC));
}

static void
test_forbidden_basic_is_never_sent (void)
{
  TurnConnectHttpRequest request = { .host = "example.org", .port = 443, .who = "the proxy" };
  g_autoptr (TurnConnectHttp) http = NULL;
  g_autofree char *first = NULL;
  g_autoptr (GError) error = NULL;

  request.auth = turn_connect_proxy_auth_new ("user", "pa:ss", 0, TRUE);
  http = turn_connect_http_new (&request);
  first = take_output (http);
  g_assert_null (strstr (first, "Authorization"));
  g_assert_cmpint (feed_whole (http, ASK "Content-Length: 0\r\n\r\n", &error), ==, FAILED);
  g_assert_error (error, TURN_CONNECT_ERROR, SCHEME);
}

static void
test_refused_early_credentials_are_wrong (void)
{
  g_autoptr (TurnConnectHttp) http = make_http ("user", TRUE, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (feed_whole (http, ASK "Content-Length: 0\r\n\r\n", &error), ==, FAILED);
  g_assert_error (error, TURN_CONNECT_ERROR, WRONG);
}

/* Feeds @unit for as long as the verdict allows; returns how many octets that took. */
static gsize
feed_endlessly (TurnConnectHttp *http, const char *unit, GError **error)
{
  gsize total = 0, consumed;
  TurnConnectHttpVerdict verdict = MORE;

  while (verdict == MORE) {
    verdict = turn_connect_http_feed (http, (const guint8 *)unit, strlen (unit), &consumed, error);
    total += consumed;
    g_assert_cmpuint (total, <, 200000);
  }
  g_assert_cmpint (verdict, ==, error != NULL ? FAILED : REOPEN);
  return total;
}

static const struct {
  const char *name;
  const char *beginning;
  const char *unit; /* repeated without end */
  const char *words;
} endless[] = {
  { "header-line", "HTTP/1.1 200 OK\r\nA: ", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa", "16 kB" },
  { "status-line", "HTTP/1.1 200 ", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "16 kB" },
  { "header-lines", "HTTP/1.1 200 OK\r\n", "A: b\r\n", "100 lines" },
  { "folds", "HTTP/1.1 200 OK\r\nA: b\r\n", " c\r\n", "100 lines" },
  { "interim", "", "HTTP/1.1 100 Go\r\n\r\n", "interim" },
};

static void
test_endless_heads_are_cut (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (endless); i++) {
    g_autoptr (TurnConnectHttp) http = make_http (NULL, FALSE, NULL);
    g_autofree char *request = take_output (http);
    g_autoptr (GError) error = NULL;

    g_assert_cmpint (feed_whole (http, endless[i].beginning, &error), ==, MORE);
    g_assert_cmpuint (feed_endlessly (http, endless[i].unit, &error), <=, 16 * 1024 + 32);
    g_assert_error (error, TURN_CONNECT_ERROR, PROTOCOL);
    g_assert_nonnull (strstr (error->message, endless[i].words));
  }
}

static void
test_endless_bodies_cost_a_new_connection (void)
{
  static const char *const units[] = { "1\r\na\r\n", "1;xxxxxxxxxxxx\r\na\r\n", "FFFFF\r\n" };

  for (gsize i = 0; i < G_N_ELEMENTS (units); i++) {
    g_autoptr (TurnConnectHttp) http = make_http ("user", FALSE, NULL);
    g_autofree char *request = take_output (http);

    g_assert_cmpint (feed_whole (http, ASK "Transfer-Encoding: chunked\r\n\r\n", NULL), ==, MORE);
    g_assert_cmpuint (feed_endlessly (http, units[i], NULL), <=, 64 * 1024 + 32);
  }
}

static void
test_ends_are_told_apart (void)
{
  g_autoptr (TurnConnectHttp) mute = make_http ("user", FALSE, NULL);
  g_autoptr (TurnConnectHttp) cut = make_http ("user", FALSE, NULL);
  g_autoptr (TurnConnectHttp) body = make_http ("user", FALSE, NULL);
  g_autoptr (TurnConnectHttp) late = make_http ("user", FALSE, NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *request = NULL;

  g_assert_cmpint (turn_connect_http_end (mute, &error), ==, FAILED);
  g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_CLOSED);
  g_assert_nonnull (strstr (error->message, "without an answer"));
  g_clear_error (&error);
  g_assert_cmpint (feed_whole (cut, "HTTP/1.1 200 OK\r\n", NULL), ==, MORE);
  g_assert_cmpint (turn_connect_http_end (cut, &error), ==, FAILED);
  g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_CLOSED);
  g_assert_nonnull (strstr (error->message, "in the middle"));
  g_assert_cmpint (feed_whole (body, ASK "Content-Length: 9\r\n\r\n123", NULL), ==, MORE);
  g_assert_cmpint (turn_connect_http_end (body, NULL), ==, REOPEN);
  /* Said to go on, then hung up while the second request was on its way. */
  g_assert_cmpint (feed_whole (late, ASK "Content-Length: 0\r\n\r\n", NULL), ==, MORE);
  g_assert_cmpint (turn_connect_http_end (late, NULL), ==, REOPEN);
  request = take_output (late);
  g_assert_nonnull (strstr (request, BASIC));
  g_assert_cmpint (turn_connect_http_end (late, NULL), ==, FAILED);
}

static void
test_answer_before_the_request_is_refused (void)
{
  g_autoptr (TurnConnectHttp) http = make_http (NULL, FALSE, NULL);
  g_autoptr (GError) error = NULL;
  gsize consumed;

  g_assert_cmpint (turn_connect_http_feed (http, (const guint8 *)"H", 1, &consumed, &error), ==,
                   FAILED);
  g_assert_error (error, TURN_CONNECT_ERROR, PROTOCOL);
}

static const struct {
  const char *line;
  gboolean is_fine;
} header_lines[] = {
  { "User-Agent: 3GPP-IMS-FS_FIRE", TRUE },
  { "X:", TRUE },
  { "X-A: b\tc \xc3\xa4", TRUE },
  { "", FALSE },
  { ": x", FALSE },
  { "X", FALSE },
  { "X : y", FALSE },
  { " X: y", FALSE },
  { "X: y\r\nProxy-Authorization: z", FALSE },
  { "X: y\n", FALSE },
  { "X: y\r", FALSE },
  { "X: \x01", FALSE },
  { "X: \x7f", FALSE },
  { "X\n: y", FALSE },
  { "hOST: y", FALSE },
  { "Content-length: 1", FALSE },
  { "Transfer-Encoding: chunked", FALSE },
  { "Proxy-Authorization: Basic x", FALSE },
  { "Connection: close", FALSE },
};

static void
test_header_lines_cannot_break_out (void)
{
  g_autofree char *filler = g_strnfill (3000, 'x');
  g_autofree char *huge = g_strconcat ("X: ", filler, NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (header_lines); i++) {
    g_autoptr (GError) error = NULL;

    g_test_message ("row %" G_GSIZE_FORMAT, i);
    g_assert_cmpint (turn_connect_http_head_check_line (header_lines[i].line, &error), ==,
                     header_lines[i].is_fine);
    if (!header_lines[i].is_fine)
      g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID);
  }
  g_assert_false (turn_connect_http_head_check_line (huge, NULL));
}

static void
test_alpn_is_percent_encoded (void)
{
  static const char *const list[] = { "tep/1", "stun.turn", "h2", "a%b c\xff", NULL };
  static const char *const none[] = { NULL };
  static const char *const empty[] = { "", NULL };
  g_autofree char *value = turn_connect_http_head_make_alpn (list, NULL);

  /* RFC 7639 section 2.2: capital hexadecimal digits, "%" itself as well. */
  g_assert_cmpstr (value, ==, "tep%2F1, stun.turn, h2, a%25b%20c%FF");
  g_assert_null (turn_connect_http_head_make_alpn (none, NULL));
  g_assert_null (turn_connect_http_head_make_alpn (empty, NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *path = g_strconcat ("/turn-connect/http-connect/reply/", rows[i].name, NULL);

    g_test_add_data_func (path, &rows[i], test_every_reply_split_everywhere);
  }
  g_test_add_func ("/turn-connect/http-connect/request-is-exact", test_request_is_exact);
  g_test_add_func ("/turn-connect/http-connect/ipv6-target-is-in-brackets",
                   test_ipv6_target_is_in_brackets);
  g_test_add_func ("/turn-connect/http-connect/password-is-not-sent-before-it-is-asked-for",
                   test_password_is_not_sent_before_it_is_asked_for);
  g_test_add_func ("/turn-connect/http-connect/forbidden-basic-is-never-sent",
                   test_forbidden_basic_is_never_sent);
  g_test_add_func ("/turn-connect/http-connect/refused-early-credentials-are-wrong",
                   test_refused_early_credentials_are_wrong);
  g_test_add_func ("/turn-connect/http-connect/endless-heads-are-cut", test_endless_heads_are_cut);
  g_test_add_func ("/turn-connect/http-connect/endless-bodies-cost-a-new-connection",
                   test_endless_bodies_cost_a_new_connection);
  g_test_add_func ("/turn-connect/http-connect/ends-are-told-apart", test_ends_are_told_apart);
  g_test_add_func ("/turn-connect/http-connect/answer-before-the-request-is-refused",
                   test_answer_before_the_request_is_refused);
  g_test_add_func ("/turn-connect/http-connect/header-lines-cannot-break-out",
                   test_header_lines_cannot_break_out);
  g_test_add_func ("/turn-connect/http-connect/alpn-is-percent-encoded",
                   test_alpn_is_percent_encoded);
  return g_test_run ();
}
