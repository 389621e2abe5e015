/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peers.h"
#include "tls-peer.h"

#include "turn-connect/datagram.h"
#include "turn-connect/target-private.h"

#include <glib-unix.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static TurnConnectTarget *
make_target (const char *host, guint16 port, const char *protocol)
{
  const char *const protocols[] = { protocol, NULL };
  g_autoptr (TurnConnectTlsOptions) options = turn_connect_tls_options_new ();
  TurnConnectTarget *target = turn_connect_target_new (host, port, NULL);

  g_assert_true (turn_connect_tls_options_set_ca_file (options, tls_peer_authority_path (), NULL));
  g_assert_true (turn_connect_tls_options_set_alpn (options, protocols, NULL));
  turn_connect_target_set_tls (target, options);
  return target;
}

typedef struct {
  gboolean is_done;
  TurnConnectDatagram *datagram;
  GError *error;
} Outcome;

static void
outcome_clear (Outcome *outcome)
{
  g_clear_object (&outcome->datagram);
  g_clear_error (&outcome->error);
  outcome->is_done = FALSE;
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Outcome, outcome_clear)

static void
dialled (GObject *target, GAsyncResult *result, gpointer user_data)
{
  Outcome *outcome = user_data;

  outcome->datagram =
      turn_connect_datagram_dial_finish (TURN_CONNECT_TARGET (target), result, &outcome->error);
  outcome->is_done = TRUE;
}

static void
dial (TurnConnectTarget *target, Outcome *outcome)
{
  turn_connect_datagram_dial_async (target, NULL, dialled, outcome);
  support_run_until (&outcome->is_done);
}

static gboolean
note_ready (TurnConnectDatagram *datagram, GIOCondition condition, gpointer user_data)
{
  *(gboolean *)user_data = TRUE;
  return G_SOURCE_REMOVE;
}

/* Waits for one datagram. */
static TurnConnectIo
receive (TurnConnectDatagram *datagram, void *buffer, gsize size, gsize *got, GError **error)
{
  TurnConnectIo io;

  while ((io = turn_connect_datagram_try_receive (datagram, buffer, size, got, error)) ==
         TURN_CONNECT_IO_BLOCKED) {
    gboolean is_ready = FALSE;
    g_autoptr (GSource) source = turn_connect_datagram_create_source (datagram, G_IO_IN, NULL);

    g_source_set_callback (source, G_SOURCE_FUNC (note_ready), &is_ready, NULL);
    g_source_attach (source, NULL);
    support_run_until (&is_ready);
  }
  return io;
}

static void
assert_echo (TurnConnectDatagram *datagram, const char *text)
{
  GOutputVector vectors[2] = { { text, 1 }, { text + 1, strlen (text) - 1 } };
  char buffer[2000];
  gsize got;

  g_assert_cmpint (turn_connect_datagram_try_send (datagram, vectors, 2, NULL), ==,
                   TURN_CONNECT_IO_OK);
  g_assert_cmpint (receive (datagram, buffer, sizeof buffer, &got, NULL), ==, TURN_CONNECT_IO_OK);
  g_assert_cmpmem (buffer, got, text, strlen (text));
}

static void
test_server_is_verified_and_talked_to (void)
{
  g_autoptr (TlsPeerIdentity) identity = tls_peer_identity_signed ("DNS:server.test", 0);
  g_autoptr (TurnConnectTarget) target = NULL;
  g_auto (Outcome) outcome = { 0 };
  guint16 port = 0;
  TlsPeerServer *server =
      tls_peer_server_new (identity, TLS_PEER_DATAGRAMS | TLS_PEER_ALPN_TEP, &port);
  TlsPeerReport report;
  const TurnConnectTlsInfo *info;
  char small[4];
  gsize got;
  GOutputVector large = { "longer than four", 16 };

  support_resolver_set ("server.test", peers_address ());
  target = make_target ("server.test", port, "tep/1");
  dial (target, &outcome);
  g_assert_no_error (outcome.error);
  info = turn_connect_datagram_get_tls_info (outcome.datagram);
  g_assert_cmpstr (info->version, ==, "DTLSv1.2");
  g_assert_cmpstr (info->alpn, ==, "tep/1");
  g_assert_cmpstr (info->server_name, ==, "server.test");
  assert_echo (outcome.datagram, "a datagram");
  assert_echo (outcome.datagram, "another");
  /* One that is too large for the reader is dropped whole: no rest of it comes later. */
  turn_connect_datagram_try_send (outcome.datagram, &large, 1, NULL);
  large.size = 3;
  turn_connect_datagram_try_send (outcome.datagram, &large, 1, NULL);
  g_assert_cmpint (receive (outcome.datagram, small, sizeof small, &got, NULL), ==,
                   TURN_CONNECT_IO_OK);
  g_assert_cmpmem (small, got, "lon", 3);
  tls_peer_server_free (server, &report);
  g_assert_cmpstr (report.sni, ==, "server.test");
  g_assert_cmpint (receive (outcome.datagram, small, sizeof small, &got, NULL), ==,
                   TURN_CONNECT_IO_END);
}

static void
test_no_false_server_passes (void)
{
  static const struct {
    const char *names;
    int to_s;
    TlsPeerFlags flags;
    const char *protocol;
    gint code;
  } rows[] = {
    { "DNS:other.test", 0, 0, "tep/1", TURN_CONNECT_ERROR_TLS_NAME },
    { "DNS:server.test", -60, 0, "tep/1", TURN_CONNECT_ERROR_TLS_EXPIRED },
    { "DNS:server.test", 0, TLS_PEER_ALPN_TEP, "stun.turn", TURN_CONNECT_ERROR_TLS_FAILED },
    { "DNS:server.test", 0, TLS_PEER_ONLY_TLS11, "tep/1", TURN_CONNECT_ERROR_TLS_FAILED },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (TlsPeerIdentity) identity = tls_peer_identity_signed (rows[i].names, rows[i].to_s);
    g_autoptr (TurnConnectTarget) target = NULL;
    g_auto (Outcome) outcome = { 0 };
    guint16 port = 0;
    TlsPeerServer *server =
        tls_peer_server_new (identity, rows[i].flags | TLS_PEER_DATAGRAMS, &port);
    /* A second address that answers nothing must not hide what the first one said. */
    g_autofree char *addresses = g_strdup_printf ("%s,192.0.2.1", peers_address ());

    support_resolver_set ("server.test", addresses);
    target = make_target ("server.test", port, rows[i].protocol);
    turn_connect_target_set_timeout (target, 5000);
    dial (target, &outcome);
    g_assert_error (outcome.error, TURN_CONNECT_ERROR, rows[i].code);
    g_test_message ("%s", outcome.error->message);
    g_assert_cmpint (turn_connect_error_get_step (outcome.error), ==, TURN_CONNECT_STEP_TLS);
    tls_peer_server_free (server, NULL);
  }
}

/* Passes datagrams on but for one. */
typedef struct {
  int outside; /* where the client sends to */
  int inside;  /* connected to the server */
  struct sockaddr_in client;
  guint drop[2]; /* which one is lost, from 1: of the client's, of the server's */
  guint n[2];
  guint sources[2];
} Lossy;

static gboolean
pass (gint descriptor, GIOCondition condition, gpointer user_data)
{
  Lossy *lossy = user_data;
  int side = descriptor == lossy->inside;
  socklen_t length = sizeof lossy->client;
  char buffer[4096];
  ssize_t n = side == 0 ? recvfrom (descriptor, buffer, sizeof buffer, 0,
                                    (struct sockaddr *)&lossy->client, &length)
                        : recv (descriptor, buffer, sizeof buffer, 0);

  g_assert_cmpint (n, <=, 1200); /* fits every path */
  if (n < 0 || ++lossy->n[side] == lossy->drop[side])
    return G_SOURCE_CONTINUE;
  if (side == 0)
    send (lossy->inside, buffer, (size_t)n, 0);
  else
    sendto (lossy->outside, buffer, (size_t)n, 0, (struct sockaddr *)&lossy->client,
            sizeof lossy->client);
  return G_SOURCE_CONTINUE;
}

static guint16
lossy_open (Lossy *lossy, guint16 server_port)
{
  g_autoptr (GSocketAddress) server =
      g_inet_socket_address_new_from_string (peers_address (), server_port);
  struct sockaddr_in native;
  guint16 port;

  lossy->outside = support_bind_datagrams (peers_address (), &port);
  lossy->inside = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  g_socket_address_to_native (server, &native, sizeof native, NULL);
  g_assert_no_errno (connect (lossy->inside, (struct sockaddr *)&native, sizeof native));
  lossy->sources[0] = g_unix_fd_add (lossy->outside, G_IO_IN, pass, lossy);
  lossy->sources[1] = g_unix_fd_add (lossy->inside, G_IO_IN, pass, lossy);
  return port;
}

static void
lossy_close (Lossy *lossy)
{
  for (int i = 0; i < 2; i++)
    g_source_remove (lossy->sources[i]);
  close (lossy->outside);
  close (lossy->inside);
}

/* All at once, since each takes the second after which DTLS repeats itself. */
static void
test_each_lost_flight_is_repeated (void)
{
  static const guint drops[][2] = { { 1, 0 }, { 2, 0 }, { 0, 1 }, { 0, 2 } };
  g_autoptr (TlsPeerIdentity) identity = tls_peer_identity_signed ("DNS:server.test", 0);
  TlsPeerServer *servers[G_N_ELEMENTS (drops)];
  TurnConnectTarget *targets[G_N_ELEMENTS (drops)];
  Outcome outcomes[G_N_ELEMENTS (drops)] = { 0 };
  Lossy lossy[G_N_ELEMENTS (drops)] = { 0 };

  support_resolver_set ("server.test", peers_address ());
  for (gsize i = 0; i < G_N_ELEMENTS (drops); i++) {
    guint16 port = 0;

    servers[i] = tls_peer_server_new (identity, TLS_PEER_DATAGRAMS, &port);
    lossy[i].drop[0] = drops[i][0];
    lossy[i].drop[1] = drops[i][1];
    targets[i] = make_target ("server.test", lossy_open (&lossy[i], port), "tep/1");
    turn_connect_datagram_dial_async (targets[i], NULL, dialled, &outcomes[i]);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (drops); i++) {
    support_run_until (&outcomes[i].is_done);
    g_assert_no_error (outcomes[i].error);
    assert_echo (outcomes[i].datagram, "through a bad network");
    outcome_clear (&outcomes[i]);
    lossy_close (&lossy[i]);
    g_object_unref (targets[i]);
    tls_peer_server_free (servers[i], NULL);
  }
}

static void
test_dead_ipv6_costs_a_quarter_second (void)
{
  g_autoptr (TlsPeerIdentity) identity = tls_peer_identity_signed ("DNS:server.test", 0);
  g_autoptr (TurnConnectTarget) target = NULL;
  g_auto (Outcome) outcome = { 0 };
  guint16 port = 0;
  TlsPeerServer *server = tls_peer_server_new (identity, TLS_PEER_DATAGRAMS, &port);
  struct sockaddr_in6 native = { .sin6_family = AF_INET6,
                                 .sin6_addr = IN6ADDR_LOOPBACK_INIT,
                                 .sin6_port = htons (port) };
  int silent = socket (AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  g_autofree char *addresses = g_strdup_printf ("::1,%s", peers_address ());
  gint64 begun_at;

  bind (silent, (struct sockaddr *)&native, sizeof native);
  support_resolver_set ("server.test", addresses);
  target = make_target ("server.test", port, "tep/1");
  begun_at = g_get_monotonic_time ();
  dial (target, &outcome);
  g_assert_no_error (outcome.error);
  g_assert_cmpint (g_get_monotonic_time () - begun_at, >=, 240 * 1000);
  g_assert_cmpint (g_get_monotonic_time () - begun_at, <, 900 * 1000);
  assert_echo (outcome.datagram, "over IPv4");
  close (silent);
  tls_peer_server_free (server, NULL);
}

/* After the first repetition, at 1 s, it waits 2 s for the next and does nothing meanwhile. */
static void
test_silence_is_waited_for_idly (void)
{
  g_autoptr (TurnConnectTarget) silent = NULL;
  g_auto (Outcome) outcome = { 0 };
  guint16 port;
  int hole = support_bind_datagrams (peers_address (), &port);
  guint turns = 0;

  silent = make_target (peers_address (), port, "stun.turn");
  turn_connect_target_set_timeout (silent, 1500);
  turn_connect_datagram_dial_async (silent, NULL, dialled, &outcome);
  while (!outcome.is_done) {
    g_main_context_iteration (NULL, TRUE);
    turns++;
  }
  g_assert_error (outcome.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TIMED_OUT);
  g_assert_cmpuint (turns, <, 100);
  close (hole);
}

/* A redirected client knows an address and the name that the certificate has to be for. */
static void
test_alternate_is_verified_by_the_name (void)
{
  static const char *const names[] = { NULL, "server.test", "other.test" };
  g_autoptr (TlsPeerIdentity) identity = tls_peer_identity_signed ("DNS:server.test", 0);
  g_autoptr (TurnConnectTarget) first = make_target ("server.test", 443, "tep/1");

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    guint16 port = 0;
    TlsPeerServer *server = tls_peer_server_new (identity, TLS_PEER_DATAGRAMS, &port);
    g_autoptr (TurnConnectTarget) alternate =
        turn_connect_target_new_alternate (first, peers_address (), port, names[i], NULL);
    g_auto (Outcome) outcome = { 0 };

    dial (alternate, &outcome);
    if (i < 2)
      g_assert_no_error (outcome.error);
    else
      g_assert_error (outcome.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TLS_NAME);
    tls_peer_server_free (server, NULL);
  }
}

static void
test_silence_and_refusal_are_told_apart (void)
{
  g_autoptr (TurnConnectTarget) silent = NULL;
  g_autoptr (TurnConnectTarget) absent = NULL;
  g_auto (Outcome) first = { 0 };
  g_auto (Outcome) second = { 0 };
  guint16 port;
  int hole = support_bind_datagrams (peers_address (), &port);

  silent = make_target (peers_address (), port, "stun.turn");
  turn_connect_target_set_timeout (silent, 300);
  dial (silent, &first);
  g_assert_error (first.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TIMED_OUT);
  close (hole);
  absent = make_target (peers_address (), port, "stun.turn");
  dial (absent, &second);
  g_assert_error (second.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_REFUSED);
}

/* Rubbish, from the right address even, is what anybody can send: nothing of it may matter. */
static void
test_rubbish_among_records_is_dropped (void)
{
  g_autoptr (TlsPeerIdentity) identity = tls_peer_identity_signed ("DNS:server.test", 0);
  g_autoptr (TurnConnectTarget) target = NULL;
  g_auto (Outcome) outcome = { 0 };
  guint16 port = 0;
  TlsPeerServer *server = tls_peer_server_new (identity, TLS_PEER_DATAGRAMS, &port);
  Lossy lossy = { 0 };
  struct sockaddr_in client;
  guint8 rubbish[1500];
  GRand *random = g_rand_new_with_seed (7);
  char buffer[100];
  gsize got;

  support_resolver_set ("server.test", peers_address ());
  target = make_target ("server.test", lossy_open (&lossy, port), "tep/1");
  dial (target, &outcome);
  g_assert_no_error (outcome.error);
  client = lossy.client;
  for (guint i = 0; i < 300; i++) {
    gsize length = (gsize)g_rand_int_range (random, 1, sizeof rubbish);

    for (gsize k = 0; k < length; k++)
      rubbish[k] = (guint8)g_rand_int (random);
    if (i % 2 == 0 && length > 13) /* looks like a record of this connection */
      memcpy (rubbish, i % 4 == 0 ? "\x17\xfe\xfd\x00\x01" : "\x16\xfe\xfd\x00\x00", 5);
    sendto (lossy.outside, rubbish, length, 0, (struct sockaddr *)&client, sizeof client);
    if (i % 50 == 0)
      turn_connect_datagram_try_receive (outcome.datagram, buffer, sizeof buffer, &got, NULL);
  }
  assert_echo (outcome.datagram, "still there");
  g_rand_free (random);
  lossy_close (&lossy);
  tls_peer_server_free (server, NULL);
}

static void
test_dial_can_be_cancelled (void)
{
  g_autoptr (TurnConnectTarget) target = NULL;
  guint16 port;
  int hole = support_bind_datagrams (peers_address (), &port);

  target = make_target (peers_address (), port, "stun.turn");
  for (guint turns = 0; turns < 5; turns++) {
    g_auto (Outcome) outcome = { 0 };
    g_autoptr (GCancellable) cancellable = g_cancellable_new ();

    turn_connect_datagram_dial_async (target, cancellable, dialled, &outcome);
    for (guint i = 0; i < turns; i++)
      g_main_context_iteration (NULL, FALSE);
    g_cancellable_cancel (cancellable);
    support_run_until (&outcome.is_done);
    g_assert_error (outcome.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  }
  close (hole);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  support_resolver_install ();
#define ADD(name, function) g_test_add_func ("/turn-connect/datagram-dtls/" name, function)
  ADD ("server-is-verified-and-talked-to", test_server_is_verified_and_talked_to);
  ADD ("no-false-server-passes", test_no_false_server_passes);
  ADD ("each-lost-flight-is-repeated", test_each_lost_flight_is_repeated);
  ADD ("dead-ipv6-costs-a-quarter-second", test_dead_ipv6_costs_a_quarter_second);
  ADD ("silence-is-waited-for-idly", test_silence_is_waited_for_idly);
  ADD ("alternate-is-verified-by-the-name", test_alternate_is_verified_by_the_name);
  ADD ("silence-and-refusal-are-told-apart", test_silence_and_refusal_are_told_apart);
  ADD ("rubbish-among-records-is-dropped", test_rubbish_among_records_is_dropped);
  ADD ("dial-can-be-cancelled", test_dial_can_be_cancelled);
  return g_test_run ();
}
