/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peers.h"

#include <string.h>
#include <unistd.h>

#define ASK "HTTP/1.1 407 Who?\r\nProxy-Authenticate: Basic realm=\"x\"\r\n"
#define OK200 "HTTP/1.1 200 OK\r\n\r\n"

/* Through a proxy at @proxy_port, which the resolver knows as proxy.test. */
static TurnConnectTarget *
make_target (const char *host, guint16 port, const char *login, guint16 proxy_port)
{
  g_autoptr (GError) error = NULL;
  TurnConnectTarget *target = turn_connect_target_new (host, port, &error);
  g_autofree char *url = g_strdup_printf ("http://%sproxy.test:%u", login, proxy_port);

  g_assert_no_error (error);
  support_resolver_set ("proxy.test", peers_address ());
  turn_connect_target_set_proxy (target, url, &error);
  g_assert_no_error (error);
  return target;
}

/* What was written comes back through the tunnel. */
static void
assert_echo (TurnConnectStream *stream, const char *text)
{
  GInputStream *input = g_io_stream_get_input_stream (G_IO_STREAM (stream));
  GOutputStream *output = g_io_stream_get_output_stream (G_IO_STREAM (stream));
  g_autofree char *back = g_malloc0 (strlen (text) + 1);
  g_autoptr (GError) error = NULL;

  g_output_stream_write_all (output, text, strlen (text), NULL, NULL, &error);
  g_assert_no_error (error);
  g_input_stream_read_all (input, back, strlen (text), NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (back, ==, text);
}

/* The two real proxies. */

typedef struct {
  const char *name;
  gboolean is_squid;
  const char *password;
  const char *encoded; /* for the URL */
} Kind;

/* tinyproxy's configuration takes no other signs in a password. */
static const Kind kinds[] = {
  { "tinyproxy", FALSE, "p-ss.w0rd_", "p-ss.w0rd_" },
  { "squid", TRUE, "p@ss:w/rd", "p%40ss%3Aw%2Frd" },
};

/* A name that only the proxy can look up: tinyproxy asks the system, squid is told. */
static PeersProgram *
start (const Kind *kind, const char *user, const char *password, guint16 allowed, guint16 *port)
{
  g_autofree char *host_line = g_strdup_printf ("%s localhost\n", peers_address ());

  if (kind->is_squid)
    return peers_squid_new (user, password, allowed, host_line, port);
  return peers_tinyproxy_new (user, password, allowed, port);
}

static const char *
name_for (const Kind *kind)
{
  return kind->is_squid ? "localhost" : peers_address ();
}

static void
test_real_proxy_without_password (gconstpointer data)
{
  const Kind *kind = data;
  guint16 port = 0, proxy_port = 0;
  g_autoptr (PeersEcho) echo = peers_echo_new (&port);
  g_autoptr (PeersProgram) proxy = start (kind, NULL, NULL, port, &proxy_port);
  g_autoptr (TurnConnectTarget) target = make_target (name_for (kind), port, "", proxy_port);
  g_auto (SupportDial) dial = { 0 };
  g_autofree char *url = g_strdup_printf ("http://proxy.test:%u", proxy_port);

  support_dial (&dial, target);
  g_assert_no_error (dial.error);
  assert_echo (dial.stream, "hello through the proxy");
  g_assert_cmpstr (turn_connect_stream_get_proxy (dial.stream), ==, url);
  g_assert_cmpint (turn_connect_stream_get_timings (dial.stream)->proxy_us, >, 0);
  g_assert_cmpuint (peers_echo_count (echo), ==, 1);
  g_assert_cmpuint (support_resolver_count ("localhost"), ==, 0);
}

static void
test_real_proxy_with_password (gconstpointer data)
{
  const Kind *kind = data;
  guint16 port = 0, proxy_port = 0;
  g_autoptr (PeersEcho) echo = peers_echo_new (&port);
  g_autoptr (PeersProgram) proxy = start (kind, "alice", kind->password, port, &proxy_port);
  g_autofree char *login = g_strdup_printf ("alice:%s@", kind->encoded);

  for (int sends_first = 0; sends_first < 2; sends_first++) {
    g_autoptr (TurnConnectTarget) target = make_target (name_for (kind), port, login, proxy_port);
    g_auto (SupportDial) dial = { 0 };

    turn_connect_target_set_proxy_schemes (target, TURN_CONNECT_PROXY_ANY, sends_first);
    support_dial (&dial, target);
    g_assert_no_error (dial.error);
    assert_echo (dial.stream, "hello through the proxy");
    g_assert_cmpuint (peers_echo_count (echo), ==, (guint)sends_first + 1);
  }
}

static void
test_real_proxy_refusals_are_told_apart (gconstpointer data)
{
  const Kind *kind = data;
  guint16 port = 0, proxy_port = 0;
  g_autoptr (PeersEcho) echo = peers_echo_new (&port);
  g_autoptr (PeersProgram) proxy = start (kind, "alice", "secret", port, &proxy_port);
  const struct {
    const char *login;
    guint16 port;
    TurnConnectError code;
    guint status;
  } refusals[] = {
    { "", port, TURN_CONNECT_ERROR_PROXY_CREDENTIALS_NEEDED, 407 },
    { "alice:wrong@", port, TURN_CONNECT_ERROR_PROXY_CREDENTIALS_WRONG,
      kind->is_squid ? 407 : 401 },
    { "alice:secret@", (guint16)(port ^ 1), TURN_CONNECT_ERROR_PROXY_FORBIDDEN, 403 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (refusals); i++) {
    g_autoptr (TurnConnectTarget) target =
        make_target (name_for (kind), refusals[i].port, refusals[i].login, proxy_port);
    g_auto (SupportDial) dial = { 0 };

    support_dial (&dial, target);
    g_assert_error (dial.error, TURN_CONNECT_ERROR, (gint)refusals[i].code);
    g_assert_cmpuint (turn_connect_error_get_http_status (dial.error), ==, refusals[i].status);
    g_assert_cmpint (turn_connect_error_get_step (dial.error), ==, TURN_CONNECT_STEP_PROXY);
    g_assert_null (strstr (dial.error->message, "secret"));
    g_assert_null (strstr (dial.error->message, "wrong@"));
    g_assert_cmpuint (peers_echo_count (echo), ==, 0);
  }
}

static void
test_real_proxy_that_cannot_reach_the_server (gconstpointer data)
{
  const Kind *kind = data;
  guint16 port = peers_free_port (), proxy_port = 0;
  g_autoptr (PeersProgram) proxy = start (kind, NULL, NULL, port, &proxy_port);
  g_autoptr (TurnConnectTarget) target = make_target (name_for (kind), port, "", proxy_port);
  g_auto (SupportDial) dial = { 0 };

  support_dial (&dial, target);
  g_assert_error (dial.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_PROXY_UPSTREAM);
  g_assert_true (turn_connect_error_may_pass (dial.error));
}

/* The proxy of the test's own. */

typedef struct {
  const char *name;
  PeersAct acts[4];
  guint n_acts;
  const char *repeat;
  gint code; /* -1: the tunnel works */
  guint n_connections;
  guint n_requests;
} Manner;

#define CLOSED TURN_CONNECT_ERROR_CLOSED
#define PROTOCOL TURN_CONNECT_ERROR_PROXY_PROTOCOL
#define WRONG TURN_CONNECT_ERROR_PROXY_CREDENTIALS_WRONG
#define LATE TURN_CONNECT_ERROR_TIMED_OUT

/* clang-format off */
static const Manner manners[] = {
  { "asks-on-the-same-connection", { { ASK "Content-Length: 3\r\n\r\nwho", PEERS_THEN_LISTEN }, { OK200, PEERS_THEN_ECHO } }, 2, NULL, -1, 1, 2 },
  { "asks-in-chunks", { { ASK "Transfer-Encoding: chunked\r\n\r\n3\r\nwho\r\n0\r\n\r\n", PEERS_THEN_LISTEN }, { OK200, PEERS_THEN_ECHO } }, 2, NULL, -1, 1, 2 },
  { "asks-and-says-close", { { ASK "Connection: close\r\n\r\nwho", PEERS_THEN_CLOSE }, { OK200, PEERS_THEN_ECHO } }, 2, NULL, -1, 2, 2 },
  { "asks-and-closes-unsaid", { { ASK "Content-Length: 0\r\n\r\n", PEERS_THEN_CLOSE }, { OK200, PEERS_THEN_ECHO } }, 2, NULL, -1, 2, 2 },
  { "asks-and-resets", { { ASK "Content-Length: 9\r\n\r\nwho", PEERS_THEN_RESET }, { OK200, PEERS_THEN_ECHO } }, 2, NULL, -1, 2, 2 },
  { "asks-without-end", { { ASK "\r\n", PEERS_THEN_STAY }, { ASK "\r\n", PEERS_THEN_STAY }, { ASK "\r\n", PEERS_THEN_STAY } }, 3, NULL, WRONG, 2, 2 },
  { "asks-the-same-again", { { ASK "Content-Length: 0\r\n\r\n", PEERS_THEN_LISTEN }, { ASK "Content-Length: 0\r\n\r\n", PEERS_THEN_LISTEN } }, 2, NULL, WRONG, 1, 2 },
  { "endless-header", { { "HTTP/1.1 200 OK\r\nA: ", PEERS_THEN_STAY } }, 1, "aaaaaaaaaaaaaaaa", PROTOCOL, 1, 1 },
  { "endless-interim", { { "", PEERS_THEN_STAY } }, 1, "HTTP/1.1 100 Go\r\n\r\n", PROTOCOL, 1, 1 },
  { "endless-body", { { ASK "Transfer-Encoding: chunked\r\n\r\n", PEERS_THEN_STAY } }, 1, "1\r\na\r\n", CLOSED, 2, 1 },
  { "four-gigabytes", { { ASK "Content-Length: 4294967296\r\n\r\n", PEERS_THEN_STAY }, { OK200, PEERS_THEN_ECHO } }, 2, NULL, -1, 2, 2 },
  { "silence", { { NULL, PEERS_THEN_STAY } }, 1, NULL, LATE, 1, 0 },
  { "half-an-answer", { { "HTTP/1.1 200 OK\r\n", PEERS_THEN_STAY } }, 1, NULL, LATE, 1, 1 },
  { "early-close", { { NULL, PEERS_THEN_CLOSE } }, 1, NULL, CLOSED, 1, 0 },
  { "early-reset", { { NULL, PEERS_THEN_RESET } }, 1, NULL, CLOSED, 1, 0 },
  { "close-after-request", { { "", PEERS_THEN_CLOSE } }, 1, NULL, CLOSED, 1, 1 },
  { "reset-in-the-answer", { { "HTTP/1.1 200", PEERS_THEN_RESET } }, 1, NULL, CLOSED, 1, 1 },
  { "another-protocol", { { "220 mail.test ESMTP\r\n", PEERS_THEN_STAY } }, 1, NULL, PROTOCOL, 1, 1 },
};
/* clang-format on */

static guint
count (const char *text, const char *part)
{
  guint n = 0;

  for (; (text = strstr (text, part)) != NULL; text++)
    n++;
  return n;
}

/* A server that must never see a visitor, whatever the proxy does. */
static void
test_manner (gconstpointer data)
{
  const Manner *manner = data;
  guint16 port = 0, trap_port = 0;
  int trap = support_listen (peers_address (), 4, &trap_port);
  PeersScript *script = peers_script_new (manner->acts, manner->n_acts, manner->repeat, &port);
  g_autoptr (TurnConnectTarget) target =
      make_target ("server.test", trap_port, "user:secret@", port);
  g_auto (SupportDial) dial = { 0 };
  g_autofree char *asked = NULL;
  guint n_connections;

  support_resolver_set ("server.test", peers_address ());
  turn_connect_target_set_timeout (target, manner->code == LATE ? 150 : 8000);
  support_dial (&dial, target);
  if (manner->code < 0) {
    g_assert_no_error (dial.error);
    assert_echo (dial.stream, "hello");
    g_clear_object (&dial.stream);
  } else {
    g_assert_error (dial.error, TURN_CONNECT_ERROR, manner->code);
    /* A reset may come before the connection was seen to be up. */
    if (manner->acts[0].reply != NULL || manner->acts[0].then != PEERS_THEN_RESET)
      g_assert_cmpint (turn_connect_error_get_step (dial.error), ==, TURN_CONNECT_STEP_PROXY);
    g_assert_null (strstr (dial.error->message, "secret"));
  }
  g_assert_cmpint (dial.took_us, <, 5 * G_USEC_PER_SEC);
  asked = peers_script_free (script, &n_connections);
  g_assert_cmpuint (n_connections, ==, manner->n_connections);
  g_assert_cmpuint (count (asked, "CONNECT server.test:"), ==, manner->n_requests);
  g_assert_false (support_has_visitor (trap));
  g_assert_cmpuint (support_resolver_count ("server.test"), ==, 0);
  close (trap);
}

static void
test_octets_glued_to_the_answer_are_the_tunnels (void)
{
  static const PeersAct act = { OK200 "first octets", PEERS_THEN_ECHO };
  guint16 port = 0;
  PeersScript *script = peers_script_new (&act, 1, NULL, &port);
  g_autoptr (TurnConnectTarget) target = make_target ("server.test", 443, "", port);
  g_auto (SupportDial) dial = { 0 };
  g_autofree char *asked = NULL;
  char text[13] = { 0 };

  support_dial (&dial, target);
  g_assert_no_error (dial.error);
  g_assert_cmpint (g_input_stream_read (g_io_stream_get_input_stream (G_IO_STREAM (dial.stream)),
                                        text, 12, NULL, NULL),
                   ==, 12);
  g_assert_cmpstr (text, ==, "first octets");
  assert_echo (dial.stream, "and more");
  g_clear_object (&dial.stream);
  asked = peers_script_free (script, NULL);
}

static void
test_markers_are_sent (void)
{
  static const PeersAct act = { OK200, PEERS_THEN_ECHO };
  static const char *const protocols[] = { "tep/1", NULL };
  guint16 port = 0;
  PeersScript *script = peers_script_new (&act, 1, NULL, &port);
  g_autoptr (TurnConnectTarget) target = make_target ("2001:db8::1", 443, "", port);
  g_auto (SupportDial) dial = { 0 };
  g_autofree char *asked = NULL;

  g_assert_true (turn_connect_target_add_header (target, TURN_CONNECT_IMS_MARKER, NULL));
  g_assert_true (turn_connect_target_add_alpn_header (target, protocols, NULL));
  support_dial (&dial, target);
  g_assert_no_error (dial.error);
  g_clear_object (&dial.stream);
  asked = peers_script_free (script, NULL);
  g_assert_cmpstr (asked, ==,
                   "CONNECT [2001:db8::1]:443 HTTP/1.1\r\n"
                   "Host: [2001:db8::1]:443\r\n"
                   "User-Agent: 3GPP-IMS-FS_FIRE\r\n"
                   "ALPN: tep%2F1\r\n\r\n");
}

static void
test_server_itself_can_be_sent_the_marker (void)
{
  static const PeersAct act = { OK200, PEERS_THEN_ECHO };
  guint16 port = 0;
  PeersScript *script = peers_script_new (&act, 1, NULL, &port);
  g_autoptr (TurnConnectTarget) target = turn_connect_target_new ("marked.test", port, NULL);
  g_auto (SupportDial) dial = { 0 };
  g_autofree char *asked = NULL;
  g_autofree char *expected = g_strdup_printf (
      "CONNECT marked.test:%u HTTP/1.1\r\nHost: marked.test:%u\r\n\r\n", port, port);

  support_resolver_set ("marked.test", peers_address ());
  turn_connect_target_set_marks_server (target, TRUE);
  support_dial (&dial, target);
  g_assert_no_error (dial.error);
  assert_echo (dial.stream, "hello");
  g_assert_null (turn_connect_stream_get_proxy (dial.stream));
  g_clear_object (&dial.stream);
  asked = peers_script_free (script, NULL);
  g_assert_cmpstr (asked, ==, expected);
}

static void
test_unreachable_proxy_never_means_direct (void)
{
  guint16 port = 0;
  g_autoptr (PeersEcho) echo = peers_echo_new (&port);
  g_autoptr (TurnConnectTarget) refused = make_target (peers_address (), port, "", 1);
  g_autoptr (TurnConnectTarget) unknown = turn_connect_target_new (peers_address (), port, NULL);
  g_auto (SupportDial) first = { 0 };
  g_auto (SupportDial) second = { 0 };

  support_dial (&first, refused);
  g_assert_error (first.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_REFUSED);
  g_assert_nonnull (strstr (first.error->message, "proxy"));
  g_assert_true (turn_connect_target_set_proxy (unknown, "http://nowhere.test:1", NULL));
  g_assert_false (turn_connect_target_set_proxy (unknown, "http://no where:1", NULL));
  support_dial (&second, unknown);
  g_assert_error (second.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_NAME_NOT_FOUND);
  g_assert_cmpuint (peers_echo_count (echo), ==, 0);
}

static void
over (GObject *target, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (turn_connect_dial_finish (TURN_CONNECT_TARGET (target), result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  *(gboolean *)user_data = TRUE;
}

static void
cancel_at_proxy (const TurnConnectProgress *progress, gpointer cancellable)
{
  if (progress->step == TURN_CONNECT_STEP_PROXY)
    g_cancellable_cancel (cancellable);
}

static void
test_cancelling_ends_the_dialogue (void)
{
  static const PeersAct act = { "", PEERS_THEN_STAY };
  guint16 port = 0;
  PeersScript *script = peers_script_new (&act, 1, NULL, &port);
  g_autoptr (TurnConnectTarget) target = make_target ("server.test", 443, "", port);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autofree char *asked = NULL;
  gboolean is_over = FALSE;

  turn_connect_dial_async (target, cancel_at_proxy, cancellable, cancellable, over, &is_over);
  support_run_until (&is_over);
  asked = peers_script_free (script, NULL);
}

static void
cancel_at_once (const TurnConnectProgress *progress, gpointer cancellable)
{
  if (progress->step == TURN_CONNECT_STEP_FIND_PROXY)
    g_cancellable_cancel (cancellable);
}

static gboolean
cancel (gpointer cancellable)
{
  g_cancellable_cancel (cancellable);
  return G_SOURCE_REMOVE;
}

/* At once, and in the middle of fetching the file. */
static void
test_cancelling_ends_the_search_for_a_proxy (void)
{
  static const PeersAct act = { "", PEERS_THEN_STAY };

  for (int delay_ms = 0; delay_ms <= 60; delay_ms += 30) {
    guint16 port = 0;
    PeersScript *script = peers_script_new (&act, 1, NULL, &port);
    g_autofree char *words = g_strdup_printf ("pac+http://%s:%u/", peers_address (), port);
    g_autoptr (TurnConnectTarget) target = turn_connect_target_new ("server.test", 443, NULL);
    g_autoptr (GCancellable) cancellable = g_cancellable_new ();
    g_autofree char *asked = NULL;
    gboolean is_over = FALSE;

    g_assert_true (turn_connect_target_choose_proxy (target, words, NULL));
    turn_connect_dial_async (target, delay_ms == 0 ? cancel_at_once : NULL, cancellable,
                             cancellable, over, &is_over);
    if (delay_ms > 0)
      g_timeout_add ((guint)delay_ms, cancel, cancellable);
    support_run_until (&is_over);
    asked = peers_script_free (script, NULL);
  }
}

static const struct {
  const char *words;
  gint code; /* -1: taken */
} choices[] = {
  { "none", -1 },
  { "env", -1 },
  { "system", -1 },
  { "auto", -1 },
  { "pac+http://a.test/x?y", -1 },
  { "pac+https://[2001:db8::1]:8443", -1 },
  { "pac+file:///etc/x", -1 },
  { "pac+file://localhost/etc/x", -1 },
  { "pac+file://secret/etc/x", TURN_CONNECT_ERROR_INVALID },
  { "http://user:secret@a.test", -1 },
  { "none:80", -1 },
  { "AUTO:80", -1 },
  { "", TURN_CONNECT_ERROR_INVALID },
  { "pac+", TURN_CONNECT_ERROR_INVALID },
  { "pac+a.test/secret", TURN_CONNECT_ERROR_INVALID },
  { "pac+ftp://a.test/secret", TURN_CONNECT_ERROR_INVALID },
  { "pac+http://user:secret@a.test/", TURN_CONNECT_ERROR_INVALID },
  { "pac+http:///secret", TURN_CONNECT_ERROR_INVALID },
  { "pac+http://a.test/secret\r\nX: y", TURN_CONNECT_ERROR_INVALID },
  { "socks5://user:secret@a.test", TURN_CONNECT_ERROR_UNSUPPORTED },
};

static void
test_choosing_by_words (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (choices); i++) {
    g_autoptr (TurnConnectTarget) target = turn_connect_target_new ("server.test", 443, NULL);
    g_autoptr (GError) error = NULL;
    gboolean is_taken = turn_connect_target_choose_proxy (target, choices[i].words, &error);
    gboolean has_proxy = is_taken && strcmp (choices[i].words, "none") != 0;

    g_test_message ("%" G_GSIZE_FORMAT, i);
    g_assert_cmpint (error != NULL ? error->code : -1, ==, choices[i].code);
    g_assert_true (is_taken == (error == NULL));
    if (error != NULL)
      g_assert_null (strstr (error->message, "secret"));
    g_clear_error (&error);
    g_assert_true (turn_connect_target_set_proxy_credentials (target, "user", "secret", &error) ==
                   has_proxy);
    g_clear_error (&error);
    g_assert_false (turn_connect_target_set_proxy_credentials (target, "us\ner", "secret", &error));
    g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID);
  }
}

static void
add_for_kinds (const char *name, GTestDataFunc func)
{
  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++) {
    g_autofree char *path = g_strdup_printf ("/turn-connect/dial-proxy/%s/%s", kinds[i].name, name);

    g_test_add_data_func (path, &kinds[i], func);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  support_resolver_install ();
  for (gsize i = 0; i < G_N_ELEMENTS (manners); i++) {
    g_autofree char *path = g_strconcat ("/turn-connect/dial-proxy/manner/", manners[i].name, NULL);

    g_test_add_data_func (path, &manners[i], test_manner);
  }
  g_test_add_func ("/turn-connect/dial-proxy/octets-glued-to-the-answer-are-the-tunnels",
                   test_octets_glued_to_the_answer_are_the_tunnels);
  g_test_add_func ("/turn-connect/dial-proxy/markers-are-sent", test_markers_are_sent);
  g_test_add_func ("/turn-connect/dial-proxy/server-itself-can-be-sent-the-marker",
                   test_server_itself_can_be_sent_the_marker);
  g_test_add_func ("/turn-connect/dial-proxy/unreachable-proxy-never-means-direct",
                   test_unreachable_proxy_never_means_direct);
  g_test_add_func ("/turn-connect/dial-proxy/cancelling-ends-the-dialogue",
                   test_cancelling_ends_the_dialogue);
  g_test_add_func ("/turn-connect/dial-proxy/cancelling-ends-the-search-for-a-proxy",
                   test_cancelling_ends_the_search_for_a_proxy);
  g_test_add_func ("/turn-connect/dial-proxy/choosing-by-words", test_choosing_by_words);
  add_for_kinds ("carries-without-password", test_real_proxy_without_password);
  add_for_kinds ("carries-with-password", test_real_proxy_with_password);
  add_for_kinds ("refusals-are-told-apart", test_real_proxy_refusals_are_told_apart);
  add_for_kinds ("unreachable-server-is-upstream", test_real_proxy_that_cannot_reach_the_server);
  return g_test_run ();
}
