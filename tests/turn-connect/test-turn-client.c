/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The TURN client against coturn on loopback. */
#include "peers.h"
#include "tls-peer.h"
#include "turn-world.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void
test_allocates_exchanges_and_gives_back (gconstpointer data)
{
  const Way *way = data;
  guint16 port = 0;
  g_autoptr (PeersProgram) server = world_coturn (way->is_tls ? WORLD_NAMES : NULL, NULL, &port);
  g_autoptr (TurnConnectTarget) target = world_target (port, way->is_tls);
  g_auto (World) world = { 0 };

  world_open (&world, target, way->carrier);
  world_allocate (&world);
  g_assert_no_error (world.error);
  g_assert_cmpuint (turn_connect_client_get_lifetime (world.client), ==, 600);
  world_exchange (&world, peers_address ());
  world_give_back (&world);
  g_assert_cmpstr (world.states->str, ==, "connecting allocating ready closing closed ");
  g_assert_cmpuint (world.n_relayed, ==, 1);
}

typedef struct {
  const char *name;
  const char *password;
  const char *option; /* of the server */
  TurnConnectError error;
  guint code;
} Refusal;

static const Refusal refusals[] = {
  { "wrong-password", "wrong", NULL, TURN_CONNECT_ERROR_TURN_UNAUTHORIZED, 401 },
  { "quota", "secret", "--user-quota=1", TURN_CONNECT_ERROR_TURN_QUOTA, 486 },
};

static void
test_refusal_is_told_and_ends_it (gconstpointer data)
{
  const Refusal *refusal = data;
  const char *options[] = { refusal->option, NULL };
  guint16 port = 0;
  g_autoptr (PeersProgram) server = world_coturn (NULL, options, &port);
  g_autoptr (TurnConnectTarget) target = world_target (port, FALSE);
  g_auto (World) first = { 0 };
  g_auto (World) world = { 0 };

  if (refusal->option != NULL) {
    world_open (&first, target, TURN_CONNECT_CARRIER_STREAM);
    world_allocate (&first);
    g_assert_no_error (first.error);
  } else
    world_open (&first, target, TURN_CONNECT_CARRIER_STREAM);
  for (guint i = 0; i < 2; i++) {
    world_open (&world, target,
                i == 0 ? TURN_CONNECT_CARRIER_STREAM : TURN_CONNECT_CARRIER_DATAGRAM);
    g_assert_true (
        turn_connect_client_set_credentials (world.client, "alice", refusal->password, NULL));
    world_allocate (&world);
    g_assert_error (world.error, TURN_CONNECT_ERROR, (int)refusal->error);
    g_assert_cmpuint (turn_connect_error_get_turn_code (world.error), ==, refusal->code);
    g_assert_cmpint (turn_connect_error_get_step (world.error), ==, TURN_CONNECT_STEP_ALLOCATE);
    g_assert_cmpint (turn_connect_client_get_state (world.client), ==, TURN_CONNECT_CLIENT_CLOSED);
    if (i == 0)
      world_close (&world);
  }
}

static void
let_go (GObject *source, GAsyncResult *result, gpointer user_data)
{
  World *world = user_data;

  turn_connect_client_allocate_finish (world->client, result, &world->error);
  g_clear_object (&world->client);
  world->is_done = TRUE;
}

/* ICMP ends the wait within the carrier's own callback, and the application's last reference goes
 * with it. */
static void
test_client_may_be_let_go_when_nobody_listens (void)
{
  guint16 port = 0;
  int nobody = support_bind_datagrams (peers_address (), &port);
  g_autoptr (TurnConnectTarget) target = turn_connect_target_new (peers_address (), port, NULL);
  g_auto (World) world = { 0 };
  TurnConnectClient *watched;

  close (nobody);
  world_open (&world, target, TURN_CONNECT_CARRIER_DATAGRAM);
  watched = world.client;
  g_object_add_weak_pointer (G_OBJECT (watched), (gpointer *)&watched);
  turn_connect_client_allocate_async (world.client, NULL, let_go, &world);
  support_run_until (&world.is_done);
  g_assert_error (world.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_REFUSED);
  support_run_for (10);
  g_assert_null (watched);
}

static void
test_both_families_are_relayed (void)
{
  const char *options[] = { "--relay-ip=::1", "--listening-ip=::1", NULL };
  guint16 port = 0;
  g_autoptr (PeersProgram) server = world_coturn (NULL, options, &port);
  g_autoptr (TurnConnectTarget) target = world_target (port, FALSE);
  g_auto (World) world = { 0 };

  world_open (&world, target, TURN_CONNECT_CARRIER_STREAM);
  turn_connect_client_set_relay (world.client, TURN_CONNECT_RELAY_UDP, TURN_CONNECT_FAMILY_BOTH);
  world_allocate (&world);
  g_assert_no_error (world.error);
  g_assert_cmpuint (turn_connect_client_get_family_error (world.client), ==, 0);
  world_exchange (&world, peers_address ());
  world_exchange (&world, "::1");
}

static void
test_shared_secret_issues_credentials (void)
{
  const char *options[] = { "--use-auth-secret", "--static-auth-secret=north", NULL };
  guint16 port = 0;
  g_autoptr (PeersProgram) server = world_coturn (NULL, options, &port);
  g_autoptr (TurnConnectTarget) target = world_target (port, FALSE);
  g_auto (World) world = { 0 };
  gint64 now_s = g_get_real_time () / G_USEC_PER_SEC;

  world_open (&world, target, TURN_CONNECT_CARRIER_STREAM);
  g_assert_true (turn_connect_client_set_shared_secret (world.client, "north", 5, "carol", 3600,
                                                        STUN_EXT_HASH_SHA1, NULL));
  g_assert_cmpint (turn_connect_client_get_credentials_expire (world.client), >=, now_s + 3600);
  world_allocate (&world);
  g_assert_no_error (world.error);
  /* Another user name by now: the server keeps the allocation for the one that made it. */
  g_assert_true (turn_connect_client_set_shared_secret (world.client, "north", 5, "dave", 7200,
                                                        STUN_EXT_HASH_SHA1, NULL));
  world_exchange (&world, peers_address ());
}

/* TCP peers (RFC 6062). */

typedef struct {
  World *world;
  TurnConnectStream *stream;
  guint32 attempt;
  gboolean has_attempt;
} Session;

static void
stream_connected (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Session *session = user_data;

  session->stream =
      turn_connect_client_connect_finish (session->world->client, result, &session->world->error);
  session->world->is_done = TRUE;
}

static void
stream_accepted (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Session *session = user_data;

  session->stream =
      turn_connect_client_accept_finish (session->world->client, result, &session->world->error);
  session->world->is_done = TRUE;
}

static void
on_attempt (TurnConnectClient *client, const StunExtAddress *peer, guint id, gpointer user_data)
{
  Session *session = user_data;

  session->attempt = id;
  session->has_attempt = TRUE;
}

static void
assert_echoes (TurnConnectStream *stream)
{
  GInputStream *input = g_io_stream_get_input_stream (G_IO_STREAM (stream));
  GOutputStream *output = g_io_stream_get_output_stream (G_IO_STREAM (stream));
  g_autofree char *there = g_malloc (100000);
  g_autofree char *back = g_malloc (100000);

  for (guint i = 0; i < 100000; i++)
    there[i] = (char)(i * 7);
  for (guint at = 0; at < 100000; at += 10000) {
    g_assert_true (g_output_stream_write_all (output, there + at, 10000, NULL, NULL, NULL));
    g_assert_true (g_input_stream_read_all (input, back + at, 10000, NULL, NULL, NULL));
  }
  g_assert_cmpmem (there, 100000, back, 100000);
}

static void
open_tcp (World *world, Session *session, TurnConnectTarget *target)
{
  world_open (world, target, TURN_CONNECT_CARRIER_STREAM);
  *session = (Session){ .world = world };
  turn_connect_client_set_relay (world->client, TURN_CONNECT_RELAY_TCP, TURN_CONNECT_FAMILY_IPV4);
  g_signal_connect (world->client, "connection-attempt", G_CALLBACK (on_attempt), session);
  world_allocate (world);
  g_assert_no_error (world->error);
}

static void
test_tcp_peer_is_connected_to (gconstpointer data)
{
  const Way *way = data;
  guint16 port = 0, echo_port = 0;
  g_autoptr (PeersProgram) server = world_coturn (way->is_tls ? WORLD_NAMES : NULL, NULL, &port);
  g_autoptr (PeersEcho) echo = peers_echo_new (&echo_port);
  g_autoptr (TurnConnectTarget) target = world_target (port, way->is_tls);
  g_auto (World) world = { 0 };
  StunExtAddress peer;
  Session session;

  open_tcp (&world, &session, target);
  g_assert_true (stun_ext_address_parse (peers_address (), &peer));
  peer.port = echo_port;
  world.is_done = FALSE;
  turn_connect_client_connect_async (world.client, &peer, NULL, stream_connected, &session);
  support_run_until (&world.is_done);
  g_assert_no_error (world.error);
  assert_echoes (session.stream);
  g_clear_object (&session.stream);
  /* Nobody listens there. */
  peer.port = peers_free_port ();
  world.is_done = FALSE;
  turn_connect_client_connect_async (world.client, &peer, NULL, stream_connected, &session);
  support_run_until (&world.is_done);
  g_assert_error (world.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TURN_PEER);
}

/* Octets that come before anybody accepted are there afterwards. */
static void
test_tcp_peer_connects (gconstpointer data)
{
  const Way *way = data;
  guint16 port = 0;
  g_autoptr (PeersProgram) server = world_coturn (way->is_tls ? WORLD_NAMES : NULL, NULL, &port);
  g_autoptr (TurnConnectTarget) target = world_target (port, way->is_tls);
  g_auto (World) world = { 0 };
  struct sockaddr_storage native;
  StunExtAddress peer, relayed;
  Session session;
  socklen_t length;
  char buffer[16];
  int caller;

  open_tcp (&world, &session, target);
  g_assert_true (stun_ext_address_parse (peers_address (), &peer));
  world_permit (&world, &peer);
  g_assert_no_error (world.error);
  g_assert_true (turn_connect_client_get_relayed (world.client, 4, &relayed));
  caller = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  length = (socklen_t)stun_ext_address_to_sockaddr (&peer, &native);
  g_assert_no_errno (bind (caller, (struct sockaddr *)&native, length));
  length = (socklen_t)stun_ext_address_to_sockaddr (&relayed, &native);
  g_assert_no_errno (connect (caller, (struct sockaddr *)&native, length));
  support_write_all (caller, "early", 5);
  support_run_until (&session.has_attempt);
  world.is_done = FALSE;
  turn_connect_client_accept_async (world.client, session.attempt, NULL, stream_accepted, &session);
  support_run_until (&world.is_done);
  g_assert_no_error (world.error);
  g_assert_true (g_input_stream_read_all (
      g_io_stream_get_input_stream (G_IO_STREAM (session.stream)), buffer, 5, NULL, NULL, NULL));
  g_assert_cmpmem (buffer, 5, "early", 5);
  g_assert_true (g_output_stream_write_all (
      g_io_stream_get_output_stream (G_IO_STREAM (session.stream)), "reply", 5, NULL, NULL, NULL));
  support_read_exactly (caller, buffer, 5);
  g_assert_cmpmem (buffer, 5, "reply", 5);
  close (caller);
  g_clear_object (&session.stream);
}

static void
test_all_goes_through_the_proxy (void)
{
  guint16 port = 0, proxy_port = 0, echo_port = 0;
  g_autoptr (PeersProgram) server = world_coturn (WORLD_NAMES, NULL, &port);
  g_autoptr (PeersProgram) proxy = peers_tinyproxy_new ("u", "p", port, &proxy_port);
  g_autoptr (PeersEcho) echo = peers_echo_new (&echo_port);
  g_autoptr (TurnConnectTarget) target = NULL;
  g_autoptr (TurnConnectTlsOptions) options = turn_connect_tls_options_new ();
  g_autofree char *url = g_strdup_printf ("http://u:p@%s:%u", peers_address (), proxy_port);
  g_auto (World) world = { 0 };
  StunExtAddress peer;
  Session session;

  g_assert_true (turn_connect_tls_options_set_ca_file (options, tls_peer_authority_path (), NULL));
  g_assert_true (turn_connect_tls_options_set_server_name (options, "turn.test", NULL));
  target = turn_connect_target_new (peers_address (), port, NULL);
  turn_connect_target_set_tls (target, options);
  g_assert_true (turn_connect_target_set_proxy (target, url, NULL));
  open_tcp (&world, &session, target);
  g_assert_true (stun_ext_address_parse (peers_address (), &peer));
  peer.port = echo_port;
  world.is_done = FALSE;
  turn_connect_client_connect_async (world.client, &peer, NULL, stream_connected, &session);
  support_run_until (&world.is_done);
  g_assert_no_error (world.error);
  g_assert_nonnull (turn_connect_stream_get_proxy (session.stream));
  assert_echoes (session.stream);
  g_clear_object (&session.stream);
}

static void
test_batch_arrives_in_order (gconstpointer data)
{
  const Way *way = data;
  guint16 port = 0;
  g_autoptr (PeersProgram) server = world_coturn (way->is_tls ? WORLD_NAMES : NULL, NULL, &port);
  g_autoptr (TurnConnectTarget) target = world_target (port, way->is_tls);
  TurnConnectPacket packets[32];
  char texts[32][8];
  g_auto (World) world = { 0 };
  g_auto (Peer) peer = { 0 };

  peer_open (&peer, peers_address ());
  world_open (&world, target, way->carrier);
  world_allocate (&world);
  g_assert_no_error (world.error);
  world_bind (&world, &peer.address);
  g_assert_no_error (world.error);
  for (guint i = 0; i < 32; i++) {
    g_snprintf (texts[i], sizeof texts[i], "%u", i);
    packets[i] = (TurnConnectPacket){ peer.address, texts[i], strlen (texts[i]) };
  }
  packets[31].peer.port ^= 1; /* nobody permitted it by channel, but the host is permitted */
  packets[30].peer.octets[0] ^= 1;
  g_assert_cmpuint (turn_connect_client_send_batch (world.client, packets, 32), ==, 31);
  for (guint i = 0; i < 30; i++)
    peer_expect (&peer, texts[i]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  support_resolver_install ();
#define ADD(name, function) g_test_add_func ("/turn-connect/turn-client/" name, function)
#define ADD_WITH(name, data, function)                                                             \
  g_test_add_data_func ("/turn-connect/turn-client/" name, data, function)
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++) {
    g_autofree char *path =
        g_strconcat ("/turn-connect/turn-client/refused/", refusals[i].name, NULL);

    g_test_add_data_func (path, &refusals[i], test_refusal_is_told_and_ends_it);
  }
  ADD_WITH ("tcp/allocates-exchanges-and-gives-back", &way_over_tcp,
            test_allocates_exchanges_and_gives_back);
  ADD_WITH ("tls/allocates-exchanges-and-gives-back", &way_over_tls,
            test_allocates_exchanges_and_gives_back);
  ADD_WITH ("udp/allocates-exchanges-and-gives-back", &way_over_udp,
            test_allocates_exchanges_and_gives_back);
  ADD_WITH ("dtls/allocates-exchanges-and-gives-back", &way_over_dtls,
            test_allocates_exchanges_and_gives_back);
  ADD ("both-families-are-relayed", test_both_families_are_relayed);
  ADD ("client-may-be-let-go-when-nobody-listens", test_client_may_be_let_go_when_nobody_listens);
  ADD ("shared-secret-issues-credentials", test_shared_secret_issues_credentials);
  ADD_WITH ("tcp/tcp-peer-is-connected-to", &way_over_tcp, test_tcp_peer_is_connected_to);
  ADD_WITH ("tls/tcp-peer-is-connected-to", &way_over_tls, test_tcp_peer_is_connected_to);
  ADD_WITH ("tcp/tcp-peer-connects", &way_over_tcp, test_tcp_peer_connects);
  ADD_WITH ("tls/tcp-peer-connects", &way_over_tls, test_tcp_peer_connects);
  ADD ("all-goes-through-the-proxy", test_all_goes_through_the_proxy);
  ADD_WITH ("tcp/batch-arrives-in-order", &way_over_tcp, test_batch_arrives_in_order);
  ADD_WITH ("tls/batch-arrives-in-order", &way_over_tls, test_batch_arrives_in_order);
  ADD_WITH ("udp/batch-arrives-in-order", &way_over_udp, test_batch_arrives_in_order);
  return g_test_run ();
}
