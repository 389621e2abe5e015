/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peers.h"
#include "tls-peer.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static TlsPeerIdentity *
make_identity (const char *names)
{
  TlsPeerSpec spec = { .common_name = "server.test",
                       .names = names,
                       .signer = tls_peer_authority () };

  return tls_peer_identity_new (&spec);
}

static TurnConnectTlsOptions *
make_options (void)
{
  TurnConnectTlsOptions *options = turn_connect_tls_options_new ();

  g_assert_true (turn_connect_tls_options_set_ca_file (options, tls_peer_authority_path (), NULL));
  return options;
}

static TurnConnectTarget *
make_target (const char *host, guint16 port)
{
  g_autoptr (TurnConnectTlsOptions) options = make_options ();
  TurnConnectTarget *target = turn_connect_target_new (host, port, NULL);

  g_assert_nonnull (target);
  support_resolver_set (host, peers_address ());
  turn_connect_target_set_tls (target, options);
  return target;
}

static void
assert_echo (TurnConnectStream *stream, const char *text, gsize length)
{
  GInputStream *input = g_io_stream_get_input_stream (G_IO_STREAM (stream));
  GOutputStream *output = g_io_stream_get_output_stream (G_IO_STREAM (stream));
  g_autofree char *back = g_malloc0 (length);
  g_autoptr (GError) error = NULL;

  g_output_stream_write_all (output, text, length, NULL, NULL, &error);
  g_assert_no_error (error);
  g_input_stream_read_all (input, back, length, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (back, length, text, length);
}

static void
test_server_is_verified_and_talked_to (void)
{
  g_autoptr (TlsPeerIdentity) identity = make_identity ("DNS:server.test");
  guint16 port = 0;
  TlsPeerServer *server = tls_peer_server_new (identity, TLS_PEER_ALPN_TEP, &port);
  g_autoptr (TurnConnectTarget) target = make_target ("server.test", port);
  g_autoptr (TurnConnectTlsOptions) options = make_options ();
  static const char *const protocols[] = { "tep/1", NULL };
  g_auto (SupportDial) dial = { 0 };
  const TurnConnectTlsInfo *info;
  guint8 binding[TURN_CONNECT_BINDING_SIZE];
  TlsPeerReport report;
  g_autofree char *steps = g_strdup_printf (
      "resolve:server.test connect:%s:%u tls:server.test:%u ready", peers_address (), port, port);

  g_assert_true (turn_connect_tls_options_set_alpn (options, protocols, NULL));
  turn_connect_target_set_tls (target, options);
  support_dial (&dial, target);
  g_assert_no_error (dial.error);
  g_assert_cmpstr (dial.steps->str, ==, steps);
  assert_echo (dial.stream, "hello", 5);
  info = turn_connect_stream_get_tls_info (dial.stream);
  g_assert_cmpstr (info->alpn, ==, "tep/1");
  g_assert_cmpstr (info->server_name, ==, "server.test");
  g_assert_false (info->is_pinned_only);
  g_assert_true (turn_connect_stream_export_binding (dial.stream, binding));
  g_assert_cmpint (turn_connect_stream_get_timings (dial.stream)->tls_us, >, 0);
  g_assert_cmpint (turn_connect_stream_get_descriptor (dial.stream), >=, 0);
  g_clear_object (&dial.stream);
  tls_peer_server_free (server, &report);
  g_assert_cmpstr (report.sni, ==, "server.test");
  g_assert_cmpmem (report.binding, 32, binding, 32);
}

static void
test_alpn_that_fits_nothing_is_told (void)
{
  g_autoptr (TlsPeerIdentity) identity = make_identity ("DNS:server.test");
  guint16 port = 0;
  TlsPeerServer *server = tls_peer_server_new (identity, TLS_PEER_ALPN_TEP, &port);
  g_autoptr (TurnConnectTarget) target = make_target ("server.test", port);
  g_autoptr (TurnConnectTlsOptions) options = make_options ();
  static const char *const protocols[] = { "stun.turn", NULL };
  g_auto (SupportDial) dial = { 0 };

  g_assert_true (turn_connect_tls_options_set_alpn (options, protocols, NULL));
  turn_connect_target_set_tls (target, options);
  support_dial (&dial, target);
  g_assert_error (dial.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TLS_FAILED);
  g_assert_nonnull (strstr (dial.error->message, "offered by ALPN"));
  tls_peer_server_free (server, NULL);
}

/* Whatever is wrong with TLS, nothing follows in plain and nothing else is tried. */
static void
test_refused_server_gets_no_octet (void)
{
  g_autoptr (TlsPeerIdentity) identity = make_identity ("DNS:other.test");
  guint16 port = 0;
  TlsPeerServer *server = tls_peer_server_new (identity, TLS_PEER_NORMAL, &port);
  g_autoptr (TurnConnectTarget) target = make_target ("server.test", port);
  g_auto (SupportDial) dial = { 0 };
  TlsPeerReport report;

  support_dial (&dial, target);
  g_assert_error (dial.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TLS_NAME);
  g_assert_cmpint (turn_connect_error_get_step (dial.error), ==, TURN_CONNECT_STEP_TLS);
  g_assert_false (turn_connect_error_may_pass (dial.error));
  tls_peer_server_free (server, &report);
  g_assert_cmpuint (report.n_handshakes, ==, 0);
  g_assert_cmpuint (report.n_octets, ==, 0);
}

static void
test_another_name_can_be_asked_for (void)
{
  g_autoptr (TlsPeerIdentity) identity = make_identity ("DNS:server.test");
  guint16 port = 0;
  TlsPeerServer *server = tls_peer_server_new (identity, TLS_PEER_NORMAL, &port);
  g_autoptr (TurnConnectTarget) target = make_target (peers_address (), port);
  g_autoptr (TurnConnectTlsOptions) options = make_options ();
  g_auto (SupportDial) dial = { 0 };
  TlsPeerReport report;

  g_assert_true (turn_connect_tls_options_set_server_name (options, "server.test", NULL));
  turn_connect_target_set_tls (target, options);
  support_dial (&dial, target);
  g_assert_no_error (dial.error);
  g_clear_object (&dial.stream);
  tls_peer_server_free (server, &report);
  g_assert_cmpstr (report.sni, ==, "server.test");
}

static void
test_address_is_checked_and_not_sent_as_a_name (void)
{
  g_autofree char *names = g_strdup_printf ("IP:%s", peers_address ());
  g_autoptr (TlsPeerIdentity) identity = make_identity (names);
  guint16 port = 0;
  TlsPeerServer *server = tls_peer_server_new (identity, TLS_PEER_NORMAL, &port);
  g_autoptr (TurnConnectTarget) target = make_target (peers_address (), port);
  g_auto (SupportDial) dial = { 0 };
  TlsPeerReport report;

  support_dial (&dial, target);
  g_assert_no_error (dial.error);
  g_clear_object (&dial.stream);
  tls_peer_server_free (server, &report);
  g_assert_cmpstr (report.sni, ==, "");
}

static void
test_client_certificate_is_shown (void)
{
  TlsPeerSpec spec = { .common_name = "device 7", .signer = tls_peer_authority () };
  g_autoptr (TlsPeerIdentity) client = tls_peer_identity_new (&spec);
  g_autoptr (TlsPeerIdentity) identity = make_identity ("DNS:server.test");
  guint16 port = 0;
  TlsPeerServer *server = tls_peer_server_new (identity, TLS_PEER_WANTS_CLIENT, &port);
  g_autoptr (TurnConnectTarget) target = make_target ("server.test", port);
  g_autoptr (TurnConnectTlsOptions) options = make_options ();
  g_autofree char *key_path = NULL;
  g_autofree char *path = tls_peer_identity_write (client, &key_path);
  g_auto (SupportDial) dial = { 0 };
  TlsPeerReport report;

  g_assert_true (turn_connect_tls_options_set_certificate (options, path, key_path, NULL));
  turn_connect_target_set_tls (target, options);
  support_dial (&dial, target);
  g_assert_no_error (dial.error);
  assert_echo (dial.stream, "hello", 5);
  g_clear_object (&dial.stream);
  tls_peer_server_free (server, &report);
  g_assert_cmpstr (report.client, ==, "device 7");
  g_unlink (path);
  g_unlink (key_path);
}

/* Neither whom the proxy knows us as nor its key is for the server of its configuration file. */
static void
test_server_of_a_configuration_file_gets_trust_alone (void)
{
  TlsPeerSpec spec = { .common_name = "device 7", .signer = tls_peer_authority () };
  g_autoptr (TlsPeerIdentity) client = tls_peer_identity_new (&spec);
  g_autoptr (TlsPeerIdentity) identity = make_identity ("DNS:pac.test");
  g_autofree char *pin = tls_peer_identity_get_pin (client);
  g_autofree char *key_path = NULL;
  g_autofree char *path = tls_peer_identity_write (client, &key_path);

  for (TlsPeerFlags flags = TLS_PEER_NORMAL; flags <= TLS_PEER_WANTS_CLIENT;
       flags += TLS_PEER_WANTS_CLIENT) {
    guint16 port = 0;
    TlsPeerServer *server = tls_peer_server_new (identity, flags, &port);
    g_autoptr (TurnConnectTarget) target = turn_connect_target_new ("server.test", 443, NULL);
    g_autoptr (TurnConnectTlsOptions) options = make_options ();
    g_autofree char *words = g_strdup_printf ("pac+https://pac.test:%u/", port);
    g_auto (SupportDial) dial = { 0 };
    TlsPeerReport report;

    support_resolver_set ("pac.test", peers_address ());
    g_assert_true (turn_connect_tls_options_set_certificate (options, path, key_path, NULL));
    g_assert_true (turn_connect_tls_options_set_server_name (options, "proxy.test", NULL));
    g_assert_true (turn_connect_tls_options_add_pin (options, pin, NULL));
    g_assert_true (turn_connect_target_choose_proxy (target, words, NULL));
    turn_connect_target_set_proxy_tls (target, options);
    support_dial (&dial, target);
    g_assert_nonnull (dial.error);
    tls_peer_server_free (server, &report);
    g_assert_cmpstr (report.client, ==, "");
    if (flags == TLS_PEER_NORMAL) { /* it is an echo, and no file */
      g_assert_nonnull (strstr (dial.error->message, "not a status line of HTTP"));
      g_assert_cmpuint (report.n_handshakes, ==, 1);
      g_assert_cmpstr (report.sni, ==, "pac.test");
    }
  }
  g_unlink (path);
  g_unlink (key_path);
}

static void
test_plain_server_is_recognised (void)
{
  guint16 port = 0;
  g_autoptr (PeersEcho) echo = peers_echo_new (&port);
  g_autoptr (TurnConnectTarget) target = make_target ("server.test", port);
  g_auto (SupportDial) dial = { 0 };

  support_dial (&dial, target);
  g_assert_error (dial.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TLS_FAILED);
  g_assert_nonnull (strstr (dial.error->message, "does not speak TLS"));
}

static void
test_silent_server_ends_at_the_deadline (void)
{
  guint16 port = 0;
  int listener = support_listen (peers_address (), 4, &port);
  g_autoptr (TurnConnectTarget) target = make_target ("server.test", port);
  g_auto (SupportDial) dial = { 0 };

  turn_connect_target_set_timeout (target, 150);
  support_dial (&dial, target);
  g_assert_error (dial.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TIMED_OUT);
  g_assert_cmpint (turn_connect_error_get_step (dial.error), ==, TURN_CONNECT_STEP_TLS);
  close (listener);
}

static void
test_server_that_hangs_up_is_told_from_a_refusal (void)
{
  static const PeersAct act = { NULL, PEERS_THEN_CLOSE };
  guint16 port = 0;
  PeersScript *script = peers_script_new (&act, 1, NULL, &port);
  g_autoptr (TurnConnectTarget) target = make_target ("server.test", port);
  g_auto (SupportDial) dial = { 0 };

  support_dial (&dial, target);
  g_assert_error (dial.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_CLOSED);
  g_assert_true (turn_connect_error_may_pass (dial.error));
  g_free (peers_script_free (script, NULL));
}

static void
test_cut_stream_is_not_an_end (void)
{
  g_autoptr (TlsPeerIdentity) identity = make_identity ("DNS:server.test");
  guint16 port = 0;
  TlsPeerServer *server = tls_peer_server_new (identity, TLS_PEER_CUTS, &port);
  g_autoptr (TurnConnectTarget) target = make_target ("server.test", port);
  g_auto (SupportDial) dial = { 0 };
  g_autoptr (GError) error = NULL;
  char text[4];

  support_dial (&dial, target);
  g_assert_no_error (dial.error);
  g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (dial.stream)), "x", 1,
                             NULL, NULL, NULL);
  g_assert_cmpint (g_input_stream_read (g_io_stream_get_input_stream (G_IO_STREAM (dial.stream)),
                                        text, 4, NULL, &error),
                   ==, -1);
  g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_CLOSED);
  g_clear_object (&dial.stream);
  tls_peer_server_free (server, NULL);
}

/* A reader that sleeps makes the stream say so soon; nothing taken is lost when it wakes. */
static void
test_blocked_path_is_seen_and_loses_nothing (void)
{
  g_autoptr (TlsPeerIdentity) identity = make_identity ("DNS:server.test");
  guint16 port = 0;
  TlsPeerServer *server = tls_peer_server_new (identity, TLS_PEER_READS_LATE, &port);
  g_autoptr (TurnConnectTarget) target = make_target ("server.test", port);
  g_auto (SupportDial) dial = { 0 };
  gsize taken = 0, dropped = 0;
  TlsPeerReport report;

  support_dial (&dial, target);
  g_assert_no_error (dial.error);
  g_assert_true (turn_connect_stream_set_notsent_lowat (dial.stream, 4096));
  while (dropped < 100) {
    char head[10] = { 0 };
    char body[1390] = { 0 };
    GOutputVector vectors[] = { { head, sizeof head }, { body, sizeof body } };
    gsize accepted = 0;
    TurnConnectIo io = turn_connect_stream_try_write (dial.stream, vectors, 2, &accepted, NULL);

    g_assert_cmpint (io, !=, TURN_CONNECT_IO_FAILED);
    g_assert_cmpuint (accepted, ==, io == TURN_CONNECT_IO_OK ? 1400 : 0);
    taken += accepted;
    dropped += io == TURN_CONNECT_IO_BLOCKED ? 1 : 0;
    g_assert_cmpuint (taken, <, 50 * 1000 * 1000);
  }
  g_assert_cmpint (turn_connect_stream_get_ready (dial.stream) & G_IO_OUT, ==, 0);
  tls_peer_server_read_now (server);
  while (taken > 0) {
    guint8 buffer[20000];
    gssize got = g_input_stream_read (g_io_stream_get_input_stream (G_IO_STREAM (dial.stream)),
                                      buffer, sizeof buffer, NULL, NULL);

    g_assert_cmpint (got, >, 0);
    g_assert_cmpuint ((gsize)got, <=, taken);
    taken -= (gsize)got;
  }
  g_clear_object (&dial.stream);
  tls_peer_server_free (server, &report);
}

static gboolean
count_call (TurnConnectStream *stream, GIOCondition condition, gpointer user_data)
{
  char buffer[100];
  gsize got;

  turn_connect_stream_try_read (stream, buffer, sizeof buffer, &got, NULL);
  (*(guint *)user_data)++;
  return G_SOURCE_CONTINUE;
}

static gboolean
go_on (gpointer unused)
{
  return G_SOURCE_CONTINUE;
}

/* Neither with nothing to do, nor with a record that cannot leave, does a source spin. */
static void
test_waiting_takes_no_turns (void)
{
  g_autoptr (TlsPeerIdentity) identity = make_identity ("DNS:server.test");
  guint16 port = 0;
  TlsPeerServer *server = tls_peer_server_new (identity, TLS_PEER_READS_LATE, &port);
  g_autoptr (TurnConnectTarget) target = make_target ("server.test", port);
  g_auto (SupportDial) dial = { 0 };
  g_autofree char *data = g_strnfill (TURN_CONNECT_WRITE_MAX, 'w');
  GOutputVector vector = { data, TURN_CONNECT_WRITE_MAX };

  support_dial (&dial, target);
  g_assert_no_error (dial.error);
  for (int is_blocked = 0; is_blocked < 2; is_blocked++) {
    g_autoptr (GSource) source = turn_connect_stream_create_source (dial.stream, G_IO_IN, NULL);
    guint calls = 0, turns = 0;
    gsize accepted;
    guint tick = g_timeout_add (20, go_on, NULL);
    gint64 until = g_get_monotonic_time () + 100 * 1000;

    while (is_blocked && turn_connect_stream_try_write (dial.stream, &vector, 1, &accepted, NULL) ==
                             TURN_CONNECT_IO_OK)
      continue;
    g_source_set_callback (source, G_SOURCE_FUNC (count_call), &calls, NULL);
    g_source_attach (source, NULL);
    while (g_get_monotonic_time () < until) {
      g_main_context_iteration (NULL, TRUE);
      turns++;
    }
    g_assert_cmpuint (calls, <, 10); /* session tickets may arrive */
    g_assert_cmpuint (turns, <, 20);
    g_source_remove (tick);
    g_source_destroy (source);
  }
  g_clear_object (&dial.stream);
  tls_peer_server_free (server, NULL);
}

typedef struct {
  gsize got;
  gboolean is_over;
  gsize expected;
} Reader;

static gboolean
read_some (TurnConnectStream *stream, GIOCondition condition, gpointer user_data)
{
  Reader *reader = user_data;
  char buffer[777]; /* smaller than a record: the rest waits inside TLS */
  gsize got = 0;

  if (turn_connect_stream_try_read (stream, buffer, sizeof buffer, &got, NULL) ==
      TURN_CONNECT_IO_OK)
    reader->got += got;
  reader->is_over = reader->got == reader->expected;
  return G_SOURCE_CONTINUE;
}

/* Octets that TLS has decrypted already make no descriptor readable. */
static void
test_octets_inside_tls_wake_the_reader (void)
{
  g_autoptr (TlsPeerIdentity) identity = make_identity ("DNS:server.test");
  guint16 port = 0;
  TlsPeerServer *server = tls_peer_server_new (identity, TLS_PEER_NORMAL, &port);
  g_autoptr (TurnConnectTarget) target = make_target ("server.test", port);
  g_auto (SupportDial) dial = { 0 };
  g_autofree char *data = g_strnfill (40000, 'd');
  Reader reader = { .expected = 40000 };
  g_autoptr (GSource) source = NULL;

  support_dial (&dial, target);
  g_assert_no_error (dial.error);
  g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (dial.stream)), data, 40000,
                             NULL, NULL, NULL);
  source = turn_connect_stream_create_source (dial.stream, G_IO_IN, NULL);
  g_source_set_callback (source, G_SOURCE_FUNC (read_some), &reader, NULL);
  g_source_attach (source, NULL);
  support_run_until (&reader.is_over);
  g_source_destroy (source);
  g_clear_pointer (&source, g_source_unref);
  g_clear_object (&dial.stream);
  tls_peer_server_free (server, NULL);
}

/* Through proxies. */

static void
test_tls_runs_through_squid_with_a_password (void)
{
  g_autoptr (TlsPeerIdentity) identity = make_identity ("DNS:server.test");
  guint16 port = 0, proxy_port = 0;
  TlsPeerServer *server = tls_peer_server_new (identity, TLS_PEER_NORMAL, &port);
  g_autofree char *host_line = g_strdup_printf ("%s server.test\n", peers_address ());
  g_autoptr (PeersProgram) proxy =
      peers_squid_new ("alice", "secret", port, host_line, &proxy_port);
  g_autofree char *url =
      g_strdup_printf ("http://alice:secret@%s:%u", peers_address (), proxy_port);
  g_autoptr (TurnConnectTarget) target = make_target ("server.test", port);
  g_auto (SupportDial) dial = { 0 };
  g_autofree char *data = g_strnfill (100, 'e');
  guint lookups = support_resolver_count ("server.test");
  TlsPeerReport report;

  g_assert_true (turn_connect_target_set_proxy (target, url, NULL));
  support_dial (&dial, target);
  g_assert_no_error (dial.error);
  assert_echo (dial.stream, data, 100);
  g_assert_nonnull (turn_connect_stream_get_tls_info (dial.stream));
  g_assert_nonnull (turn_connect_stream_get_proxy (dial.stream));
  g_assert_null (strstr (turn_connect_stream_get_proxy (dial.stream), "secret"));
  g_assert_cmpuint (support_resolver_count ("server.test"), ==, lookups);
  g_clear_object (&dial.stream);
  tls_peer_server_free (server, &report);
  g_assert_cmpstr (report.sni, ==, "server.test");
  g_assert_cmpuint (report.n_handshakes, ==, 1);
}

static void
test_tls_runs_inside_the_tls_of_a_proxy (void)
{
  g_autoptr (TlsPeerIdentity) identity = make_identity ("DNS:server.test");
  g_autoptr (TlsPeerIdentity) proxy_identity = make_identity ("DNS:proxy.test");
  guint16 port = 0, proxy_port = 0;
  TlsPeerServer *server = tls_peer_server_new (identity, TLS_PEER_NORMAL, &port);
  TlsPeerServer *proxy = tls_peer_server_new_proxy (proxy_identity, port, &proxy_port);
  g_autofree char *url = g_strdup_printf ("https://proxy.test:%u", proxy_port);
  g_autoptr (TurnConnectTarget) target = make_target ("server.test", port);
  g_autoptr (TurnConnectTlsOptions) proxy_tls = make_options ();
  g_auto (SupportDial) dial = { 0 };
  g_autofree char *data = g_strnfill (60000, 'f');
  TlsPeerReport report;

  support_resolver_set ("proxy.test", peers_address ());
  g_assert_true (turn_connect_target_set_proxy (target, url, NULL));
  turn_connect_target_set_proxy_tls (target, proxy_tls);
  support_dial (&dial, target);
  g_assert_no_error (dial.error);
  g_assert_nonnull (strstr (dial.steps->str, "proxy-tls:proxy.test"));
  assert_echo (dial.stream, data, 10000);
  g_assert_cmpstr (turn_connect_stream_get_tls_info (dial.stream)->server_name, ==, "server.test");
  g_assert_cmpstr (turn_connect_stream_get_proxy (dial.stream), ==, url);
  g_clear_object (&dial.stream);
  tls_peer_server_free (proxy, &report);
  g_assert_cmpstr (report.sni, ==, "proxy.test");
  tls_peer_server_free (server, &report);
  g_assert_cmpstr (report.sni, ==, "server.test");
}

/* TLS with a proxy is not TLS with the server. */
static void
test_tls_of_a_proxy_is_not_shown_as_the_servers (void)
{
  g_autoptr (TlsPeerIdentity) proxy_identity = make_identity ("DNS:proxy.test");
  guint16 port = 0, proxy_port = 0;
  PeersEcho *echo = peers_echo_new (&port);
  TlsPeerServer *proxy = tls_peer_server_new_proxy (proxy_identity, port, &proxy_port);
  g_autofree char *url = g_strdup_printf ("https://proxy.test:%u", proxy_port);
  g_autoptr (TurnConnectTarget) target = make_target ("server.test", port);
  g_autoptr (TurnConnectTlsOptions) proxy_tls = make_options ();
  g_auto (SupportDial) dial = { 0 };
  guint8 binding[TURN_CONNECT_BINDING_SIZE];

  support_resolver_set ("proxy.test", peers_address ());
  g_assert_true (turn_connect_target_set_proxy (target, url, NULL));
  turn_connect_target_set_proxy_tls (target, proxy_tls);
  turn_connect_target_set_tls (target, NULL);
  support_dial (&dial, target);
  g_assert_no_error (dial.error);
  assert_echo (dial.stream, "hello", 5);
  g_assert_null (turn_connect_stream_get_tls_info (dial.stream));
  g_assert_false (turn_connect_stream_export_binding (dial.stream, binding));
  g_clear_object (&dial.stream);
  tls_peer_server_free (proxy, NULL);
  peers_echo_free (echo);
}

static void
test_false_proxy_gets_no_password (void)
{
  g_autoptr (TlsPeerIdentity) proxy_identity = make_identity ("DNS:other.test");
  guint16 port = 1, proxy_port = 0;
  TlsPeerServer *proxy = tls_peer_server_new_proxy (proxy_identity, port, &proxy_port);
  g_autofree char *url = g_strdup_printf ("https://alice:secret@proxy.test:%u", proxy_port);
  g_autoptr (TurnConnectTarget) target = make_target ("server.test", port);
  g_autoptr (TurnConnectTlsOptions) proxy_tls = make_options ();
  g_auto (SupportDial) dial = { 0 };
  TlsPeerReport report;

  support_resolver_set ("proxy.test", peers_address ());
  g_assert_true (turn_connect_target_set_proxy (target, url, NULL));
  turn_connect_target_set_proxy_tls (target, proxy_tls);
  turn_connect_target_set_proxy_schemes (target, TURN_CONNECT_PROXY_ANY, TRUE);
  support_dial (&dial, target);
  g_assert_error (dial.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TLS_NAME);
  g_assert_cmpint (turn_connect_error_get_step (dial.error), ==, TURN_CONNECT_STEP_PROXY_TLS);
  g_assert_nonnull (strstr (dial.error->message, "the proxy https://proxy.test"));
  tls_peer_server_free (proxy, &report);
  g_assert_cmpuint (report.n_octets, ==, 0);
}

#define ADD(name, function) g_test_add_func ("/turn-connect/dial-tls/" name, function)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  support_resolver_install ();
  ADD ("server-is-verified-and-talked-to", test_server_is_verified_and_talked_to);
  ADD ("alpn-that-fits-nothing-is-told", test_alpn_that_fits_nothing_is_told);
  ADD ("refused-server-gets-no-octet", test_refused_server_gets_no_octet);
  ADD ("another-name-can-be-asked-for", test_another_name_can_be_asked_for);
  ADD ("address-is-checked-and-not-sent-as-a-name", test_address_is_checked_and_not_sent_as_a_name);
  ADD ("client-certificate-is-shown", test_client_certificate_is_shown);
  ADD ("server-of-a-configuration-file-gets-trust-alone",
       test_server_of_a_configuration_file_gets_trust_alone);
  ADD ("plain-server-is-recognised", test_plain_server_is_recognised);
  ADD ("silent-server-ends-at-the-deadline", test_silent_server_ends_at_the_deadline);
  ADD ("server-that-hangs-up-is-told-from-a-refusal",
       test_server_that_hangs_up_is_told_from_a_refusal);
  ADD ("cut-stream-is-not-an-end", test_cut_stream_is_not_an_end);
  ADD ("blocked-path-is-seen-and-loses-nothing", test_blocked_path_is_seen_and_loses_nothing);
  ADD ("waiting-takes-no-turns", test_waiting_takes_no_turns);
  ADD ("octets-inside-tls-wake-the-reader", test_octets_inside_tls_wake_the_reader);
  ADD ("tls-runs-through-squid-with-a-password", test_tls_runs_through_squid_with_a_password);
  ADD ("tls-runs-inside-the-tls-of-a-proxy", test_tls_runs_inside_the_tls_of_a_proxy);
  ADD ("tls-of-a-proxy-is-not-shown-as-the-servers",
       test_tls_of_a_proxy_is_not_shown_as_the_servers);
  ADD ("false-proxy-gets-no-password", test_false_proxy_gets_no_password);
  return g_test_run ();
}
