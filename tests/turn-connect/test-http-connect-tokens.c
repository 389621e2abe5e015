/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Log-ins that take more than one request: tokens of NTLM and Negotiate, nonces of Digest. */
#include "http-hands.h"
#include "turn-connect/proxy/digest.h"

#include <string.h>

/* A conversation of tokens: what the proxy says, and what is asked for or said upon it. */
typedef struct {
  const char *name;
  const char *reply;
  TurnConnectHttpVerdict verdict;
  const char *token;    /* given when it is wanted; "" for a failure */
  const char *expected; /* Proxy-Authorization of the request upon the token; NULL for none */
} Leg;

typedef struct {
  const char *name;
  Leg legs[6]; /* the last is empty */
} Conversation;

#define ASKS(what) "HTTP/1.1 407 A\r\nProxy-Authenticate: " what "\r\nContent-Length: 3\r\n\r\nno!"
#define ASKS_CLOSES(what)                                                                          \
  "HTTP/1.1 407 A\r\nProxy-Authenticate: " what "\r\nConnection: close\r\n\r\n"

/* clang-format off */
static const Conversation conversations[] = {
  { "ntlm", { { "asks", ASKS ("NTLM"), WAIT, "one", "NTLM b25l" }, { "challenges", ASKS ("NTLM Y2hhbGxlbmdl"), WAIT, "two", "NTLM dHdv" }, { "agrees", OK200, UP } } },
  { "ntlm-refused-keeps-basic-back", { { "asks", ASKS ("NTLM, Basic realm=x"), WAIT, "one", "NTLM b25l" }, { "challenges", ASKS ("NTLM Y2hhbGxlbmdl, Basic realm=x"), WAIT, "two", "NTLM dHdv" }, { "refuses", ASKS ("NTLM, Basic realm=x"), FAILED } } },
  { "ntlm-impossible-then-basic", { { "asks", ASKS ("NTLM, Basic realm=x"), WAIT, "", BASIC }, { "agrees", OK200, UP } } },
  { "ntlm-for-ever", { { "asks", ASKS ("NTLM"), WAIT, "1", "NTLM MQ==" }, { "again", ASKS ("NTLM Y2hh"), WAIT, "2", "NTLM Mg==" }, { "again", ASKS ("NTLM Y2hh"), WAIT, "3", "NTLM Mw==" }, { "again", ASKS ("NTLM Y2hh"), WAIT, "4", "NTLM NA==" }, { "again", ASKS ("NTLM Y2hh"), FAILED } } },
  { "ntlm-on-a-connection-that-closes", { { "asks", ASKS_CLOSES ("NTLM"), WAIT, "one", "NTLM b25l" }, { "challenges-and-closes", ASKS_CLOSES ("NTLM Y2hhbGxlbmdl"), FAILED } } },
  { "negotiate-then-digest", { { "asks", ASKS ("Negotiate, Digest realm=x, nonce=n, qop=auth"), WAIT, "one", "Negotiate b25l" }, { "refuses", ASKS ("Negotiate, Digest realm=x, nonce=n, qop=auth"), MORE, NULL, "Digest username=\"user\"" }, { "agrees", OK200, UP } } },
  { "negotiate-refused", { { "asks", ASKS ("Negotiate"), WAIT, "one", "Negotiate b25l" }, { "refuses", ASKS ("Negotiate"), FAILED } } },
  { "negotiate-impossible", { { "asks", ASKS ("Negotiate"), WAIT, "", NULL } } },
};
/* clang-format on */

static void
check_request (TurnConnectHttp *http, const char *expected)
{
  g_autofree char *request = take_output (http);
  g_autofree char *line = g_strconcat ("\r\nProxy-Authorization: ", expected, NULL);

  g_assert_nonnull (strstr (request, line));
}

static void
test_conversation (gconstpointer data)
{
  const Conversation *conversation = data;
  g_autoptr (TurnConnectHttp) http = make_http ("user", FALSE, NULL);
  g_autofree char *first = take_output (http);

  for (const Leg *leg = conversation->legs; leg->name != NULL; leg++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (GBytes) token = NULL;
    gsize consumed;
    TurnConnectHttpVerdict verdict = turn_connect_http_feed (
        http, (const guint8 *)leg->reply, strlen (leg->reply), &consumed, &error);

    g_test_message ("%s: %s", leg->name, error != NULL ? error->message : "");
    g_assert_cmpint (verdict, ==, leg->verdict);
    if (verdict == WAIT) {
      g_assert_true (turn_connect_http_get_wanted (http)->is_first == (leg == conversation->legs));
      if (*leg->token != '\0')
        token = g_bytes_new_static (leg->token, strlen (leg->token));
      verdict = turn_connect_http_give (http, token, token == NULL ? "no ticket" : NULL, &error);
      g_assert_true ((verdict == FAILED) == (leg->expected == NULL));
      if (verdict == FAILED) {
        g_assert_error (error, TURN_CONNECT_ERROR, NEEDED);
        g_assert_nonnull (strstr (error->message, "no ticket"));
      }
    }
    if (leg->expected != NULL)
      check_request (http, leg->expected);
  }
}

static void
test_token_lost_with_its_connection (void)
{
  g_autoptr (TurnConnectHttp) http = make_http ("user", FALSE, NULL);
  g_autofree char *first = take_output (http);
  g_autoptr (GBytes) token = g_bytes_new_static ("one", 3);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (feed_whole (http, ASKS ("NTLM"), NULL), ==, WAIT);
  g_assert_cmpint (turn_connect_http_give (http, token, NULL, NULL), ==, MORE);
  /* The first token is worth something on another connection, those after it are not. */
  g_assert_cmpint (turn_connect_http_end (http, NULL), ==, REOPEN);
  check_request (http, "NTLM b25l");
  g_assert_cmpint (feed_whole (http, ASKS ("NTLM Y2hh"), NULL), ==, WAIT);
  g_assert_cmpint (turn_connect_http_give (http, token, NULL, NULL), ==, MORE);
  g_assert_cmpint (turn_connect_http_end (http, &error), ==, FAILED);
  g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_CLOSED);
}

static void
test_request_has_room_for_a_large_ticket (void)
{
  g_autoptr (TurnConnectHttp) http = make_http (NULL, FALSE, NULL);
  g_autofree char *first = take_output (http);
  g_autofree char *second = NULL;
  g_autoptr (GBytes) fits = g_bytes_new_take (g_malloc0 (65535), 65535);
  g_autoptr (GBytes) too_large = g_bytes_new_take (g_malloc0 (65536), 65536);
  g_autoptr (TurnConnectHttp) other = make_http (NULL, FALSE, NULL);
  g_autofree char *third = take_output (other);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (feed_whole (http, ASKS ("Negotiate"), NULL), ==, WAIT);
  g_assert_cmpint (turn_connect_http_give (http, fits, NULL, NULL), ==, MORE);
  second = take_output (http);
  g_assert_cmpuint (strlen (second), >, 87380);
  g_assert_cmpint (feed_whole (other, ASKS ("Negotiate"), NULL), ==, WAIT);
  g_assert_cmpint (turn_connect_http_give (other, too_large, NULL, &error), ==, FAILED);
  g_assert_nonnull (strstr (error->message, "64 kB"));
}

static void
test_next_nonce_is_for_the_next_dial (void)
{
  g_autoptr (TurnConnectHttp) http = make_http ("user", FALSE, NULL);
  g_autoptr (TurnConnectHttp) again = NULL;
  g_autoptr (TurnConnectDigest) digest = NULL;
  g_autofree char *first = take_output (http);
  g_autofree char *second = NULL;
  g_autofree char *third = NULL;
  TurnConnectHttpRequest request = {
    .host = "other.test", .port = 443, .who = "the proxy", .cnonce = "c0ffee"
  };

  g_assert_cmpint (feed_whole (http, DIGEST "Content-Length: 0\r\n\r\n", NULL), ==, MORE);
  second = take_output (http);
  g_assert_cmpint (
      feed_whole (http, "HTTP/1.1 200 OK\r\nProxy-Authentication-Info: nextnonce=\"n9\"\r\n\r\n",
                  NULL),
      ==, UP);
  digest = turn_connect_digest_copy (turn_connect_http_get_digest (http));
  request.auth = turn_connect_proxy_auth_new ("user", "pa:ss", TURN_CONNECT_PROXY_ANY, FALSE);
  request.digest = digest;
  again = turn_connect_http_new (&request);
  third = take_output (again);
  g_assert_nonnull (strstr (third, "nonce=\"n9\", uri=\"other.test:443\""));
  g_assert_nonnull (strstr (third, "nc=00000001"));
  /* Refused, though not for its age: the password is asked for anew, once. */
  g_assert_cmpint (feed_whole (again, DIGEST "Content-Length: 0\r\n\r\n", NULL), ==, MORE);
  check_request (again, "Digest username=\"user\", realm=\"x\", nonce=\"n1\"");
  g_assert_cmpint (feed_whole (again, DIGEST "Content-Length: 0\r\n\r\n", NULL), ==, FAILED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (conversations); i++) {
    g_autofree char *path =
        g_strconcat ("/turn-connect/http-connect/conversation/", conversations[i].name, NULL);

    g_test_add_data_func (path, &conversations[i], test_conversation);
  }
  g_test_add_func ("/turn-connect/http-connect/next-nonce-is-for-the-next-dial",
                   test_next_nonce_is_for_the_next_dial);
  g_test_add_func ("/turn-connect/http-connect/token-lost-with-its-connection",
                   test_token_lost_with_its_connection);
  g_test_add_func ("/turn-connect/http-connect/request-has-room-for-a-large-ticket",
                   test_request_has_room_for_a_large_ticket);
  return g_test_run ();
}
