/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peers.h"
#include "tls-peer.h"

#include "turn-connect/datagram.h"
#include "turn-connect/tls-sessions.h"

#include <string.h>
#include <unistd.h>

/* The store alone. */

static SSL_SESSION *
make_session (int version, gint64 lifetime_s)
{
  SSL_SESSION *session = SSL_SESSION_new ();

  SSL_SESSION_set_protocol_version (session, version);
  SSL_SESSION_set_time (session, (long)(g_get_real_time () / G_USEC_PER_SEC));
  SSL_SESSION_set_timeout (session, (long)lifetime_s);
  return session;
}

static SSL_SESSION *
take (TurnConnectTlsSessions *sessions, const char *key, gint64 after_s)
{
  gint64 verified_until = 0;
  SSL_SESSION *session = turn_connect_tls_sessions_take (
      sessions, key, g_get_real_time () / G_USEC_PER_SEC + after_s, &verified_until);

  if (session != NULL)
    g_assert_cmpint (verified_until, ==, G_MAXINT64);
  SSL_SESSION_free (session); /* the address still tells which one it was */
  return session;
}

static void
test_tickets_of_tls13_are_given_away_once (void)
{
  TurnConnectTlsSessions *sessions = turn_connect_tls_sessions_new ();
  SSL_SESSION *old = make_session (TLS1_3_VERSION, 100);
  SSL_SESSION *new = make_session (TLS1_3_VERSION, 100);
  SSL_SESSION *lasting = make_session (TLS1_2_VERSION, 100);

  turn_connect_tls_sessions_put (sessions, "a", old, G_MAXINT64);
  turn_connect_tls_sessions_put (sessions, "a", new, G_MAXINT64);
  turn_connect_tls_sessions_put (sessions, "b", lasting, G_MAXINT64);
  g_assert_null (take (sessions, "c", 0));
  g_assert_true (take (sessions, "a", 0) == new);
  g_assert_true (take (sessions, "a", 0) == old);
  g_assert_null (take (sessions, "a", 0));
  g_assert_true (take (sessions, "b", 0) == lasting);
  g_assert_true (take (sessions, "b", 0) == lasting);
  turn_connect_tls_sessions_drop (sessions, "b");
  g_assert_null (take (sessions, "b", 0));
  turn_connect_tls_sessions_free (sessions);
}

static void
test_neither_lifetime_is_outlived (void)
{
  TurnConnectTlsSessions *sessions = turn_connect_tls_sessions_new ();
  gint64 now = g_get_real_time () / G_USEC_PER_SEC;
  gint64 until;

  turn_connect_tls_sessions_put (sessions, "a", make_session (TLS1_3_VERSION, 100), G_MAXINT64);
  g_assert_null (take (sessions, "a", 101));
  g_assert_cmpuint (turn_connect_tls_sessions_count (sessions), ==, 0);
  turn_connect_tls_sessions_put (sessions, "a", make_session (TLS1_3_VERSION, 100), now + 50);
  g_assert_null (turn_connect_tls_sessions_take (sessions, "a", now + 50, &until));
  g_assert_cmpuint (turn_connect_tls_sessions_count (sessions), ==, 0);
  turn_connect_tls_sessions_free (sessions);
}

static void
test_a_thousand_servers_are_bounded (void)
{
  TurnConnectTlsSessions *sessions = turn_connect_tls_sessions_new ();

  for (int i = 0; i < 100; i++)
    turn_connect_tls_sessions_put (sessions, "many", make_session (TLS1_3_VERSION, 100),
                                   G_MAXINT64);
  g_assert_cmpuint (turn_connect_tls_sessions_count (sessions), ==, 4);
  for (int i = 0; i < 1000; i++) {
    g_autofree char *key = g_strdup_printf ("%d", i);

    turn_connect_tls_sessions_put (sessions, key, make_session (TLS1_2_VERSION, 100), G_MAXINT64);
  }
  g_assert_cmpuint (turn_connect_tls_sessions_count (sessions), ==, 64);
  g_assert_null (take (sessions, "935", 0));
  g_assert_nonnull (take (sessions, "936", 0));
  turn_connect_tls_sessions_free (sessions);
}

static void
test_keys_do_not_run_together (void)
{
  static const char *const ways[][4] = {
    { "server a:1", NULL, NULL, NULL },         { "server a:2", NULL, NULL, NULL },
    { "server a:1", "http://p:1", NULL, NULL }, { "server a:1", "http://p:2", NULL, NULL },
    { "server a:1", "http://p:1", "u", "p" },   { "server a:1", "http://p:1", "up", "" },
    { "server a:1", "http://p:1", "u", "q" },   { "server a:1", "http://p:1", "", "p" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (ways); i++) {
    for (gsize k = 0; k < G_N_ELEMENTS (ways); k++) {
      g_autofree char *one =
          turn_connect_tls_session_key (ways[i][0], ways[i][1], ways[i][2], ways[i][3]);
      g_autofree char *two =
          turn_connect_tls_session_key (ways[k][0], ways[k][1], ways[k][2], ways[k][3]);

      g_assert_cmpint (strcmp (one, two) == 0, ==, i == k);
    }
  }
}

/* With servers. */

static TurnConnectTlsOptions *
make_options (void)
{
  TurnConnectTlsOptions *options = turn_connect_tls_options_new ();

  g_assert_true (turn_connect_tls_options_set_ca_file (options, tls_peer_authority_path (), NULL));
  return options;
}

static TurnConnectTarget *
make_target (guint16 port, TurnConnectTlsOptions *options)
{
  TurnConnectTarget *target = turn_connect_target_new ("server.test", port, NULL);

  support_resolver_set ("server.test", peers_address ());
  turn_connect_target_set_tls (target, options);
  return target;
}

static void
talk (TurnConnectStream *stream)
{
  GInputStream *input = g_io_stream_get_input_stream (G_IO_STREAM (stream));
  GOutputStream *output = g_io_stream_get_output_stream (G_IO_STREAM (stream));
  char back[5] = "";

  g_assert_true (g_output_stream_write_all (output, "hello", 5, NULL, NULL, NULL));
  g_assert_true (g_input_stream_read_all (input, back, 5, NULL, NULL, NULL));
  g_assert_cmpmem (back, 5, "hello", 5);
}

/* Dials, talks (which is when tickets of TLS 1.3 come) and hangs up. Was a session resumed? */
static gboolean
dial_and_talk (TurnConnectTarget *target)
{
  g_auto (SupportDial) dial = { 0 };

  support_dial (&dial, target);
  g_assert_no_error (dial.error);
  talk (dial.stream);
  g_io_stream_close (G_IO_STREAM (dial.stream), NULL, NULL);
  return turn_connect_stream_get_tls_info (dial.stream)->is_resumed;
}

static const struct {
  TlsPeerFlags flags;
  const char *version;
} versions[] = { { TLS_PEER_NORMAL, "TLSv1.3" }, { TLS_PEER_ONLY_TLS12, "TLSv1.2" } };

static void
test_second_dial_resumes_and_says_all_that_the_first_said (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (versions); i++) {
    g_autoptr (TlsPeerIdentity) identity = tls_peer_identity_signed ("DNS:server.test", 0);
    g_autoptr (TurnConnectTlsOptions) options = make_options ();
    g_autoptr (TurnConnectTarget) target = NULL;
    guint16 port = 0;
    TlsPeerServer *server = tls_peer_server_new (identity, versions[i].flags, &port);
    TlsPeerReport report;
    guint8 bindings[2][32];
    guint8 keys[2][32];

    target = make_target (port, options);
    for (int k = 0; k < 2; k++) {
      g_auto (SupportDial) dial = { 0 };
      const TurnConnectTlsInfo *info;

      support_dial (&dial, target);
      g_assert_no_error (dial.error);
      talk (dial.stream);
      info = turn_connect_stream_get_tls_info (dial.stream);
      g_assert_cmpint (info->is_resumed, ==, k == 1);
      g_assert_false (info->is_unencrypted);
      g_assert_null (turn_connect_tls_info_get_warning (info));
      g_assert_cmpstr (info->version, ==, versions[i].version);
      g_assert_cmpstr (info->server_name, ==, "server.test");
      memcpy (keys[k], info->spki_sha256, 32);
      g_assert_true (turn_connect_stream_export_binding (dial.stream, bindings[k]));
      g_io_stream_close (G_IO_STREAM (dial.stream), NULL, NULL);
    }
    g_assert_cmpmem (keys[0], 32, keys[1], 32);
    g_assert_cmpint (memcmp (bindings[0], bindings[1], 32), !=, 0);
    tls_peer_server_free (server, &report);
    g_assert_cmpuint (report.n_handshakes, ==, 2);
    g_assert_cmpuint (report.n_resumed, ==, 1);
    g_assert_cmpmem (report.binding, 32, bindings[1], 32);
  }
}

/* The server sends two tickets and none of its later ones is read here, so the third dial that
 * resumes would have used one twice. */
static void
test_no_ticket_is_shown_twice (void)
{
  g_autoptr (TlsPeerIdentity) identity = tls_peer_identity_signed ("DNS:server.test", 0);
  g_autoptr (TurnConnectTlsOptions) options = make_options ();
  g_autoptr (TurnConnectTarget) target = NULL;
  guint16 port = 0;
  TlsPeerServer *server = tls_peer_server_new (identity, TLS_PEER_NORMAL, &port);

  target = make_target (port, options);
  g_assert_false (dial_and_talk (target));
  for (int i = 0; i < 3; i++) {
    g_auto (SupportDial) dial = { 0 };

    support_dial (&dial, target);
    g_assert_no_error (dial.error);
    g_assert_cmpint (turn_connect_stream_get_tls_info (dial.stream)->is_resumed, ==, i < 2);
  }
  tls_peer_server_free (server, NULL);
}

static void
change_nothing (TurnConnectTarget *target, TurnConnectTlsOptions *options)
{
}

static void
change_options (TurnConnectTarget *target, TurnConnectTlsOptions *options)
{
  g_autoptr (TurnConnectTlsOptions) others = make_options ();

  turn_connect_target_set_tls (target, others);
}

static void
change_name (TurnConnectTarget *target, TurnConnectTlsOptions *options)
{
  g_assert_true (turn_connect_tls_options_set_server_name (options, "other.test", NULL));
}

static void
change_trust (TurnConnectTarget *target, TurnConnectTlsOptions *options)
{
  g_assert_true (turn_connect_tls_options_set_ca_file (options, tls_peer_authority_path (), NULL));
}

static void
change_alpn (TurnConnectTarget *target, TurnConnectTlsOptions *options)
{
  const char *const protocols[] = { "stun.turn", NULL };

  g_assert_true (turn_connect_tls_options_set_alpn (options, protocols, NULL));
}

static void
change_user (TurnConnectTarget *target, TurnConnectTlsOptions *options)
{
  g_assert_true (turn_connect_target_set_proxy_credentials (target, "bob", "secret", NULL));
}

static void
change_password (TurnConnectTarget *target, TurnConnectTlsOptions *options)
{
  g_assert_true (turn_connect_target_set_proxy_credentials (target, "alice", "other", NULL));
}

static void
change_way (TurnConnectTarget *target, TurnConnectTlsOptions *options)
{
  g_assert_true (turn_connect_target_set_proxy (target, NULL, NULL));
}

/* Requirement 40: of no tunnel anything is used for another host, credential or trust store. */
static void
test_nothing_is_resumed_for_somebody_else (void)
{
  static const struct {
    void (*change) (TurnConnectTarget *target, TurnConnectTlsOptions *options);
    gboolean is_resumed;
  } rows[] = {
    { change_nothing, TRUE },   { change_options, FALSE }, { change_name, FALSE },
    { change_trust, FALSE },    { change_alpn, FALSE },    { change_user, FALSE },
    { change_password, FALSE }, { change_way, FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (TlsPeerIdentity) identity =
        tls_peer_identity_signed ("DNS:server.test,DNS:other.test", 0);
    g_autoptr (TlsPeerIdentity) proxy_identity = tls_peer_identity_signed ("DNS:proxy.test", 0);
    g_autoptr (TurnConnectTlsOptions) options = make_options ();
    g_autoptr (TurnConnectTlsOptions) proxy_options = make_options ();
    g_autoptr (TurnConnectTarget) target = NULL;
    guint16 port = 0, proxy_port = 0;
    TlsPeerServer *server = tls_peer_server_new (identity, TLS_PEER_NORMAL, &port);
    TlsPeerServer *proxy = tls_peer_server_new_proxy (proxy_identity, port, &proxy_port);
    g_autofree char *url = g_strdup_printf ("https://alice:secret@proxy.test:%u", proxy_port);

    support_resolver_set ("proxy.test", peers_address ());
    target = make_target (port, options);
    g_assert_true (turn_connect_target_set_proxy (target, url, NULL));
    turn_connect_target_set_proxy_tls (target, proxy_options);
    g_assert_false (dial_and_talk (target));
    rows[i].change (target, options);
    g_assert_cmpint (dial_and_talk (target), ==, rows[i].is_resumed);
    tls_peer_server_free (proxy, NULL);
    tls_peer_server_free (server, NULL);
  }
}

/* A stream outlives its server's certificate; a new one is refused, session or not. */
static void
test_expired_certificate_is_looked_at_again (void)
{
  g_autoptr (TlsPeerIdentity) identity = tls_peer_identity_signed ("DNS:server.test", 2);
  g_autoptr (TurnConnectTlsOptions) options = make_options ();
  g_autoptr (TurnConnectTarget) target = NULL;
  g_auto (SupportDial) first = { 0 };
  g_auto (SupportDial) second = { 0 };
  guint16 port = 0;
  TlsPeerServer *server = tls_peer_server_new (identity, TLS_PEER_NORMAL, &port);

  target = make_target (port, options);
  support_dial (&first, target);
  g_assert_no_error (first.error);
  talk (first.stream);
  support_run_for (3100);
  talk (first.stream);
  g_io_stream_close (G_IO_STREAM (first.stream), NULL, NULL);
  support_dial (&second, target);
  g_assert_error (second.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TLS_EXPIRED);
  g_assert_cmpint (turn_connect_error_get_step (second.error), ==, TURN_CONNECT_STEP_TLS);
  tls_peer_server_free (server, NULL);
}

/* A server that began anew knows nothing of the session, and another one has no right to it. */
static void
test_server_that_forgot_is_verified_anew (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (versions); i++) {
    g_autoptr (TlsPeerIdentity) identity = tls_peer_identity_signed ("DNS:server.test", 0);
    g_autoptr (TlsPeerIdentity) impostor = tls_peer_identity_signed ("DNS:other.test", 0);
    g_autoptr (TurnConnectTlsOptions) options = make_options ();
    g_autoptr (TurnConnectTarget) target = NULL;
    g_auto (SupportDial) dial = { 0 };
    guint16 port = 0;
    TlsPeerServer *server = tls_peer_server_new (identity, versions[i].flags, &port);

    target = make_target (port, options);
    g_assert_false (dial_and_talk (target));
    tls_peer_server_free (server, NULL);
    server = tls_peer_server_new (identity, versions[i].flags, &port);
    g_assert_false (dial_and_talk (target));
    g_assert_true (dial_and_talk (target));
    tls_peer_server_free (server, NULL);
    server = tls_peer_server_new (impostor, versions[i].flags, &port);
    support_dial (&dial, target);
    g_assert_error (dial.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TLS_NAME);
    tls_peer_server_free (server, NULL);
  }
}

static void
test_tls12_without_extended_master_secret_resumes_nothing (void)
{
  g_autoptr (TlsPeerIdentity) identity = tls_peer_identity_signed ("DNS:server.test", 0);
  g_autoptr (TurnConnectTlsOptions) options = make_options ();
  g_autoptr (TurnConnectTarget) target = NULL;
  guint16 port = 0;
  TlsPeerServer *server =
      tls_peer_server_new (identity, TLS_PEER_ONLY_TLS12 | TLS_PEER_NO_EMS, &port);

  target = make_target (port, options);
  g_assert_false (dial_and_talk (target));
  g_assert_false (dial_and_talk (target));
  tls_peer_server_free (server, NULL);
}

typedef struct {
  gboolean is_over;
  TurnConnectDatagram *datagram;
} DtlsDial;

static void
dtls_dialled (GObject *target, GAsyncResult *result, gpointer user_data)
{
  DtlsDial *dial = user_data;
  g_autoptr (GError) error = NULL;

  dial->datagram = turn_connect_datagram_dial_finish (TURN_CONNECT_TARGET (target), result, &error);
  /* The server hears one client at a time, and may not be done with the one before. */
  if (dial->datagram == NULL)
    g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_REFUSED);
  dial->is_over = TRUE;
}

static void
test_dtls_resumes_too (void)
{
  g_autoptr (TlsPeerIdentity) identity = tls_peer_identity_signed ("DNS:server.test", 0);
  g_autoptr (TurnConnectTlsOptions) options = make_options ();
  g_autoptr (TurnConnectTarget) target = NULL;
  guint16 port = 0;
  TlsPeerServer *server = tls_peer_server_new (identity, TLS_PEER_DATAGRAMS, &port);
  TlsPeerReport report;

  target = make_target (port, options);
  for (int i = 0; i < 2; i++) {
    DtlsDial dial = { 0 };

    for (int k = 0; dial.datagram == NULL; k++) {
      g_assert_cmpint (k, <, 100);
      support_run_for (k > 0 ? 50 : 0);
      dial.is_over = FALSE;
      turn_connect_datagram_dial_async (target, NULL, dtls_dialled, &dial);
      support_run_until (&dial.is_over);
    }
    g_assert_cmpint (turn_connect_datagram_get_tls_info (dial.datagram)->is_resumed, ==, i == 1);
    g_object_unref (dial.datagram);
  }
  tls_peer_server_free (server, &report);
  g_assert_cmpuint (report.n_resumed, ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  support_resolver_install ();
#define ADD(name, function) g_test_add_func ("/turn-connect/tls-sessions/" name, function)
  ADD ("tickets-of-tls13-are-given-away-once", test_tickets_of_tls13_are_given_away_once);
  ADD ("neither-lifetime-is-outlived", test_neither_lifetime_is_outlived);
  ADD ("a-thousand-servers-are-bounded", test_a_thousand_servers_are_bounded);
  ADD ("keys-do-not-run-together", test_keys_do_not_run_together);
  ADD ("second-dial-resumes-and-says-all-that-the-first-said",
       test_second_dial_resumes_and_says_all_that_the_first_said);
  ADD ("no-ticket-is-shown-twice", test_no_ticket_is_shown_twice);
  ADD ("nothing-is-resumed-for-somebody-else", test_nothing_is_resumed_for_somebody_else);
  ADD ("expired-certificate-is-looked-at-again", test_expired_certificate_is_looked_at_again);
  ADD ("server-that-forgot-is-verified-anew", test_server_that_forgot_is_verified_anew);
  ADD ("tls12-without-extended-master-secret-resumes-nothing",
       test_tls12_without_extended_master_secret_resumes_nothing);
  ADD ("dtls-resumes-too", test_dtls_resumes_too);
  return g_test_run ();
}
