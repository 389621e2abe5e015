/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peers.h"
#include "tls-peer.h"

#include "turn-connect/dial.h"

#include <gio/gio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SUITE "NULL-SHA256"

static TlsPeerIdentity *
make_identity (const char *names)
{
  TlsPeerSpec spec = {
    .common_name = "server.test", .names = names, .is_rsa = TRUE, .signer = tls_peer_authority ()
  };

  return tls_peer_identity_new (&spec);
}

static TurnConnectTarget *
make_target (guint16 port, const char *suite)
{
  g_autoptr (TurnConnectTlsOptions) options = turn_connect_tls_options_new ();
  TurnConnectTarget *target = turn_connect_target_new ("server.test", port, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (turn_connect_tls_options_set_ca_file (options, tls_peer_authority_path (), NULL));
  turn_connect_tls_options_set_null_encryption (options, suite, &error);
  g_assert_no_error (error);
  support_resolver_set ("server.test", peers_address ());
  turn_connect_target_set_tls (target, options);
  return target;
}

/* Between client and server: passes everything on, and remembers it. */
typedef struct {
  int listener;
  guint16 onward;
  GString *seen; /* what the client sent */
  GThread *thread;
} Tap;

static gpointer
tap_thread (gpointer data)
{
  Tap *tap = data;
  int client = support_accept (tap->listener);
  g_autoptr (GSocketClient) dialler = g_socket_client_new ();
  g_autoptr (GSocketConnection) server =
      g_socket_client_connect_to_host (dialler, peers_address (), tap->onward, NULL, NULL);
  int onward = g_socket_get_fd (g_socket_connection_get_socket (server));
  GPollFD look[2] = { { client, G_IO_IN, 0 }, { onward, G_IO_IN, 0 } };
  char buffer[4096];
  ssize_t n = 1;

  while (n > 0 && g_poll (look, 2, 10000) > 0) {
    for (int i = 0; i < 2 && n > 0; i++) {
      if (look[i].revents == 0)
        continue;
      n = recv (look[i].fd, buffer, sizeof buffer, 0);
      if (n > 0 && i == 0)
        g_string_append_len (tap->seen, buffer, n);
      if (n > 0)
        send (look[1 - i].fd, buffer, (size_t)n, MSG_NOSIGNAL);
    }
  }
  close (client);
  return NULL;
}

static void
test_everybody_can_read_and_is_told (void)
{
  g_autoptr (TlsPeerIdentity) identity = make_identity ("DNS:server.test");
  g_autoptr (TurnConnectTarget) target = NULL;
  g_auto (SupportDial) dial = { 0 };
  Tap tap = { .seen = g_string_new (NULL) };
  guint16 port = 0;
  TlsPeerServer *server = tls_peer_server_new (identity, TLS_PEER_NULL, &tap.onward);
  const TurnConnectTlsInfo *info;
  char back[16] = "";

  tap.listener = support_listen (peers_address (), 1, &port);
  tap.thread = g_thread_new ("tap", tap_thread, &tap);
  target = make_target (port, "TLS_RSA_WITH_NULL_SHA256");
  g_test_expect_message ("turn-connect", G_LOG_LEVEL_MESSAGE, "*server.test*NOT ENCRYPTED*");
  support_dial (&dial, target);
  g_test_assert_expected_messages ();
  g_assert_no_error (dial.error);
  info = turn_connect_stream_get_tls_info (dial.stream);
  g_assert_true (info->is_unencrypted);
  g_assert_cmpstr (info->cipher, ==, SUITE);
  g_assert_cmpstr (info->version, ==, "TLSv1.2");
  g_assert_nonnull (strstr (turn_connect_tls_info_get_warning (info), "NOT ENCRYPTED"));
  g_assert_true (
      g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (dial.stream)),
                                 "open to all", 11, NULL, NULL, NULL));
  g_assert_true (g_input_stream_read_all (g_io_stream_get_input_stream (G_IO_STREAM (dial.stream)),
                                          back, 11, NULL, NULL, NULL));
  g_assert_cmpstr (back, ==, "open to all");
  g_io_stream_close (G_IO_STREAM (dial.stream), NULL, NULL);
  g_thread_join (tap.thread);
  g_assert_nonnull (memmem (tap.seen->str, tap.seen->len, "open to all", 11));
  g_string_free (tap.seen, TRUE);
  close (tap.listener);
  tls_peer_server_free (server, NULL);
}

/* Neither end gets less or more than it asked for, and the certificate counts as ever. */
static void
test_nothing_but_what_was_asked_for_is_agreed_on (void)
{
  static const struct {
    const char *names;
    TlsPeerFlags flags;
    const char *suite;
    gint code;
  } rows[] = {
    { "DNS:server.test", TLS_PEER_NULL, NULL, TURN_CONNECT_ERROR_TLS_FAILED },
    { "DNS:server.test", TLS_PEER_NORMAL, SUITE, TURN_CONNECT_ERROR_TLS_FAILED },
    { "DNS:server.test", TLS_PEER_ONLY_TLS12, SUITE, TURN_CONNECT_ERROR_TLS_FAILED },
    { "DNS:other.test", TLS_PEER_NULL, SUITE, TURN_CONNECT_ERROR_TLS_NAME },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (TlsPeerIdentity) identity = make_identity (rows[i].names);
    g_autoptr (TurnConnectTarget) target = NULL;
    g_auto (SupportDial) dial = { 0 };
    guint16 port = 0;
    TlsPeerServer *server = tls_peer_server_new (identity, rows[i].flags, &port);

    target = make_target (port, rows[i].suite);
    support_dial (&dial, target);
    g_assert_error (dial.error, TURN_CONNECT_ERROR, rows[i].code);
    g_test_message ("%s", dial.error->message);
    tls_peer_server_free (server, NULL);
  }
}

static void
test_only_suites_without_encryption_go_by_this_name (void)
{
  static const char *const others[] = {
    "",
    "NULL",
    "eNULL",
    "ALL:COMPLEMENTOFALL",
    "AES128-SHA",
    "NULL-MD5",
    "aNULL",
    "NULL-SHA256:ALL",
    "NULL-SHA256:@SECLEVEL=0",
    "null-sha256",
    "AECDH-NULL-SHA",
  };
  g_autoptr (TurnConnectTlsOptions) options = turn_connect_tls_options_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (others); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_false (turn_connect_tls_options_set_null_encryption (options, others[i], &error));
    g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID);
    g_assert_nonnull (strstr (error->message, "TLS_RSA_WITH_NULL_SHA256"));
  }
}

static void
test_it_can_be_taken_back (void)
{
  g_autoptr (TlsPeerIdentity) identity = make_identity ("DNS:server.test");
  g_autoptr (TurnConnectTlsOptions) options = turn_connect_tls_options_new ();
  g_autoptr (TurnConnectTarget) target = NULL;
  g_auto (SupportDial) dial = { 0 };
  guint16 port = 0;
  TlsPeerServer *server = tls_peer_server_new (identity, TLS_PEER_NORMAL, &port);

  target = make_target (port, NULL);
  g_assert_true (turn_connect_tls_options_set_ca_file (options, tls_peer_authority_path (), NULL));
  g_assert_true (turn_connect_tls_options_set_null_encryption (options, SUITE, NULL));
  g_assert_true (turn_connect_tls_options_set_null_encryption (options, NULL, NULL));
  turn_connect_target_set_tls (target, options);
  support_dial (&dial, target);
  g_assert_no_error (dial.error);
  g_assert_false (turn_connect_stream_get_tls_info (dial.stream)->is_unencrypted);
  g_assert_cmpstr (turn_connect_stream_get_tls_info (dial.stream)->version, ==, "TLSv1.3");
  g_io_stream_close (G_IO_STREAM (dial.stream), NULL, NULL);
  tls_peer_server_free (server, NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  support_resolver_install ();
#define ADD(name, function) g_test_add_func ("/turn-connect/tls-null/" name, function)
  ADD ("everybody-can-read-and-is-told", test_everybody_can_read_and_is_told);
  ADD ("nothing-but-what-was-asked-for-is-agreed-on",
       test_nothing_but_what_was_asked_for_is_agreed_on);
  ADD ("only-suites-without-encryption-go-by-this-name",
       test_only_suites_without_encryption_go_by_this_name);
  ADD ("it-can-be-taken-back", test_it_can_be_taken_back);
  return g_test_run ();
}
