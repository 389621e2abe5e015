/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The TURN client against coturn on loopback. */
#include "peers.h"
#include "tls-peer.h"

#include <glib/gstdio.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "turn-connect/turn/client.h"

static TlsPeerIdentity *authority;
static char *authority_path;

/* An end of the relayed path: a UDP socket that the test reads and writes itself. */
typedef struct {
  int socket;
  StunExtAddress address;
} Peer;

static void
peer_open (Peer *peer, const char *ip)
{
  struct sockaddr_storage native;
  socklen_t length;
  struct timeval patience = { .tv_sec = 10 };

  g_assert_true (stun_ext_address_parse (ip, &peer->address));
  length = (socklen_t)stun_ext_address_to_sockaddr (&peer->address, &native);
  peer->socket = socket (native.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint (bind (peer->socket, (struct sockaddr *)&native, length), ==, 0);
  length = sizeof native;
  g_assert_cmpint (getsockname (peer->socket, (struct sockaddr *)&native, &length), ==, 0);
  g_assert_true (
      stun_ext_address_from_sockaddr (&peer->address, (struct sockaddr *)&native, length));
  setsockopt (peer->socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
}

/* Reads one packet; who sent it. */
static StunExtAddress
peer_expect (Peer *peer, const char *text)
{
  struct sockaddr_storage native;
  socklen_t length = sizeof native;
  char buffer[2048];
  gssize n = recvfrom (peer->socket, buffer, sizeof buffer, 0, (struct sockaddr *)&native, &length);
  StunExtAddress from;

  g_assert_cmpint (n, >=, 0);
  g_assert_cmpmem (buffer, (gsize)n, text, strlen (text));
  g_assert_true (stun_ext_address_from_sockaddr (&from, (struct sockaddr *)&native, length));
  return from;
}

static void
peer_send (Peer *peer, const StunExtAddress *to, const char *text)
{
  struct sockaddr_storage native;
  socklen_t length = (socklen_t)stun_ext_address_to_sockaddr (to, &native);

  g_assert_cmpint (
      sendto (peer->socket, text, strlen (text), 0, (struct sockaddr *)&native, length), ==,
      (int)strlen (text));
}

static void
peer_close (Peer *peer)
{
  close (peer->socket);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Peer, peer_close)

/* A client and what it said. */
typedef struct {
  TurnConnectClient *client;
  gboolean is_done; /* of the call under way */
  GError *error;
  guint16 channel;
  gboolean has_received;
  GString *received; /* "channel:text " */
  GString *states;
  gboolean has_changed;
  guint n_relayed;
} World;

static void
on_receive (TurnConnectClient *client,
            const StunExtAddress *peer,
            guint16 channel,
            const guint8 *data,
            gsize length,
            gpointer user_data)
{
  World *world = user_data;

  g_string_append_printf (world->received, "%s:%.*s ", channel != 0 ? "channel" : "data",
                          (int)length, (const char *)data);
  world->has_received = TRUE;
}

static void
on_state (TurnConnectClient *client, guint state, const GError *cause, gpointer user_data)
{
  static const char *const names[] = { "idle",    "connecting", "allocating", "ready",
                                       "waiting", "closing",    "closed" };
  World *world = user_data;

  g_string_append_printf (world->states, "%s ", names[state]);
  world->has_changed = TRUE;
}

static void
on_relayed (TurnConnectClient *client, gpointer user_data)
{
  ((World *)user_data)->n_relayed++;
}

static void
world_open (World *world, TurnConnectTarget *target, TurnConnectCarrier carrier)
{
  *world = (World){ 0 };
  world->client = turn_connect_client_new (target, carrier);
  world->received = g_string_new (NULL);
  world->states = g_string_new (NULL);
  turn_connect_client_set_receive (world->client, on_receive, world, NULL);
  g_signal_connect (world->client, "state-changed", G_CALLBACK (on_state), world);
  g_signal_connect (world->client, "relayed-changed", G_CALLBACK (on_relayed), world);
  g_assert_true (turn_connect_client_set_credentials (world->client, "alice", "secret", NULL));
}

static void
world_close (World *world)
{
  g_clear_object (&world->client);
  g_string_free (world->received, TRUE);
  g_string_free (world->states, TRUE);
  g_clear_error (&world->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (World, world_close)

static void
allocated (GObject *source, GAsyncResult *result, gpointer user_data)
{
  World *world = user_data;

  g_clear_error (&world->error);
  turn_connect_client_allocate_finish (world->client, result, &world->error);
  world->is_done = TRUE;
}

static void
allocate (World *world)
{
  world->is_done = FALSE;
  turn_connect_client_allocate_async (world->client, NULL, allocated, world);
  support_run_until (&world->is_done);
}

static void
permitted (GObject *source, GAsyncResult *result, gpointer user_data)
{
  World *world = user_data;

  g_clear_error (&world->error);
  turn_connect_client_permit_finish (world->client, result, &world->error);
  world->is_done = TRUE;
}

static void
permit (World *world, const StunExtAddress *peer)
{
  world->is_done = FALSE;
  turn_connect_client_permit_async (world->client, peer, 1, NULL, permitted, world);
  support_run_until (&world->is_done);
}

static void
bound (GObject *source, GAsyncResult *result, gpointer user_data)
{
  World *world = user_data;

  g_clear_error (&world->error);
  world->channel = turn_connect_client_bind_finish (world->client, result, &world->error);
  world->is_done = TRUE;
}

static void
bind_channel (World *world, const StunExtAddress *peer)
{
  world->is_done = FALSE;
  turn_connect_client_bind_async (world->client, peer, NULL, bound, world);
  support_run_until (&world->is_done);
}

static void
closed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  World *world = user_data;

  turn_connect_client_close_finish (world->client, result);
  world->is_done = TRUE;
}

static void
close_client (World *world)
{
  world->is_done = FALSE;
  turn_connect_client_close_async (world->client, closed, world);
  support_run_until (&world->is_done);
}

static void
send_text (World *world, const StunExtAddress *peer, const char *text)
{
  GOutputVector vector = { text, strlen (text) };
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (
      turn_connect_client_send (world->client, peer, &vector, 1, TURN_CONNECT_SEND_NORMAL, &error),
      ==, TURN_CONNECT_IO_OK);
  g_assert_no_error (error);
}

static void
expect_received (World *world, const char *text)
{
  while (strcmp (world->received->str, text) != 0) {
    world->has_received = FALSE;
    support_run_until (&world->has_received);
  }
  g_string_truncate (world->received, 0);
}

/* Packets both ways, by Send and Data indications and by channel. */
static void
exchange (World *world, const char *ip)
{
  g_auto (Peer) peer = { 0 };
  StunExtAddress relayed, from;

  peer_open (&peer, ip);
  permit (world, &peer.address);
  g_assert_no_error (world->error);
  send_text (world, &peer.address, "one");
  from = peer_expect (&peer, "one");
  g_assert_true (turn_connect_client_get_relayed (world->client, peer.address.family, &relayed));
  g_assert_true (stun_ext_address_equal (&from, &relayed));
  peer_send (&peer, &relayed, "two");
  expect_received (world, "data:two ");
  bind_channel (world, &peer.address);
  g_assert_no_error (world->error);
  g_assert_cmpuint (world->channel, >=, 0x4000);
  send_text (world, &peer.address, "three");
  peer_expect (&peer, "three");
  peer_send (&peer, &relayed, "four");
  expect_received (world, "channel:four ");
}

static TurnConnectTarget *
make_target (guint16 port, gboolean is_tls)
{
  g_autoptr (TurnConnectTlsOptions) options = NULL;
  static const char *const protocols[] = { "stun.turn", NULL };
  TurnConnectTarget *target;

  if (!is_tls)
    return turn_connect_target_new (peers_address (), port, NULL);
  support_resolver_set ("turn.test", peers_address ());
  target = turn_connect_target_new ("turn.test", port, NULL);
  options = turn_connect_tls_options_new ();
  g_assert_true (turn_connect_tls_options_set_ca_file (options, authority_path, NULL));
  g_assert_true (turn_connect_tls_options_set_alpn (options, protocols, NULL));
  turn_connect_target_set_tls (target, options);
  return target;
}

static PeersProgram *
start_server (gboolean is_tls, const char *const *options, guint16 *port)
{
  TlsPeerSpec spec = { .common_name = "turn.test", .names = "DNS:turn.test", .signer = authority };
  g_autoptr (TlsPeerIdentity) identity = NULL;
  g_autofree char *certificate = NULL;
  g_autofree char *key = NULL;

  if (!is_tls)
    return peers_turnserver_new (NULL, NULL, options, port);
  identity = tls_peer_identity_new (&spec);
  certificate = tls_peer_identity_write (identity, &key);
  return peers_turnserver_new (certificate, key, options, port);
}

typedef struct {
  TurnConnectCarrier carrier;
  gboolean is_tls;
} Way;

static const Way over_tcp = { TURN_CONNECT_CARRIER_STREAM, FALSE };
static const Way over_tls = { TURN_CONNECT_CARRIER_STREAM, TRUE };
static const Way over_udp = { TURN_CONNECT_CARRIER_DATAGRAM, FALSE };
static const Way over_dtls = { TURN_CONNECT_CARRIER_DATAGRAM, TRUE };

static void
test_allocates_exchanges_and_gives_back (gconstpointer data)
{
  const Way *way = data;
  guint16 port = 0;
  g_autoptr (PeersProgram) server = start_server (way->is_tls, NULL, &port);
  g_autoptr (TurnConnectTarget) target = make_target (port, way->is_tls);
  g_auto (World) world = { 0 };

  world_open (&world, target, way->carrier);
  allocate (&world);
  g_assert_no_error (world.error);
  g_assert_cmpuint (turn_connect_client_get_lifetime (world.client), ==, 600);
  exchange (&world, peers_address ());
  close_client (&world);
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
  g_autoptr (PeersProgram) server = start_server (FALSE, options, &port);
  g_autoptr (TurnConnectTarget) target = make_target (port, FALSE);
  g_auto (World) first = { 0 };
  g_auto (World) world = { 0 };

  if (refusal->option != NULL) {
    world_open (&first, target, TURN_CONNECT_CARRIER_STREAM);
    allocate (&first);
    g_assert_no_error (first.error);
  } else
    world_open (&first, target, TURN_CONNECT_CARRIER_STREAM);
  for (guint i = 0; i < 2; i++) {
    world_open (&world, target,
                i == 0 ? TURN_CONNECT_CARRIER_STREAM : TURN_CONNECT_CARRIER_DATAGRAM);
    g_assert_true (
        turn_connect_client_set_credentials (world.client, "alice", refusal->password, NULL));
    allocate (&world);
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
  g_autoptr (PeersProgram) server = start_server (FALSE, options, &port);
  g_autoptr (TurnConnectTarget) target = make_target (port, FALSE);
  g_auto (World) world = { 0 };

  world_open (&world, target, TURN_CONNECT_CARRIER_STREAM);
  turn_connect_client_set_relay (world.client, TURN_CONNECT_RELAY_UDP, TURN_CONNECT_FAMILY_BOTH);
  allocate (&world);
  g_assert_no_error (world.error);
  g_assert_cmpuint (turn_connect_client_get_family_error (world.client), ==, 0);
  exchange (&world, peers_address ());
  exchange (&world, "::1");
}

/* Until the client is in this state, or has left it; at most 20 s. */
static void
wait_state (World *world, TurnConnectClientState state, gboolean is_wanted)
{
  while ((turn_connect_client_get_state (world->client) == state) != is_wanted) {
    world->has_changed = FALSE;
    support_run_until (&world->has_changed);
  }
}

static void
wait_ready (World *world)
{
  wait_state (world, TURN_CONNECT_CLIENT_READY, TRUE);
}

/* Cuts the connection below the client's feet. */
static void
cut (World *world)
{
  TurnConnectStream *stream = turn_connect_client_get_stream (world->client);

  shutdown (turn_connect_stream_get_descriptor (stream), SHUT_RDWR);
  wait_state (world, TURN_CONNECT_CLIENT_READY, FALSE);
}

/* A packet to the relayed address comes by the channel, once the channel is there again. */
static void
expect_channel_works (World *world, Peer *peer)
{
  GOutputVector vector = { "out", 3 };
  gint64 until = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;
  StunExtAddress relayed;

  while (turn_connect_client_send (world->client, &peer->address, &vector, 1,
                                   TURN_CONNECT_SEND_NORMAL, NULL) != TURN_CONNECT_IO_OK) {
    g_assert_cmpint (g_get_monotonic_time (), <, until);
    support_run_for (10);
  }
  peer_expect (peer, "out");
  bind_channel (world, &peer->address);
  g_assert_no_error (world->error);
  g_assert_true (turn_connect_client_get_relayed (world->client, peer->address.family, &relayed));
  peer_send (peer, &relayed, "back");
  expect_received (world, "channel:back ");
}

static void
test_ticket_keeps_the_relayed_address (gconstpointer data)
{
  const Way *way = data;
  const char *options[] = { "--mobility", NULL };
  guint16 port = 0;
  g_autoptr (PeersProgram) server = start_server (way->is_tls, options, &port);
  g_autoptr (TurnConnectTarget) target = make_target (port, way->is_tls);
  g_auto (World) world = { 0 };
  g_auto (Peer) peer = { 0 };
  TurnConnectClientCounters counters;
  StunExtAddress before, after;
  guint16 channel;

  peer_open (&peer, peers_address ());
  world_open (&world, target, way->carrier);
  allocate (&world);
  g_assert_no_error (world.error);
  g_assert_true (turn_connect_client_has_ticket (world.client));
  g_assert_true (turn_connect_client_get_relayed (world.client, 4, &before));
  bind_channel (&world, &peer.address);
  channel = world.channel;
  for (guint i = 0; i < 2; i++) { /* a ticket is good for one move: the second is another */
    turn_connect_client_reconnect (world.client);
    wait_ready (&world);
    g_assert_true (turn_connect_client_get_relayed (world.client, 4, &after));
    g_assert_true (stun_ext_address_equal (&before, &after));
    expect_channel_works (&world, &peer);
    g_assert_cmpuint (world.channel, ==, channel);
  }
  g_assert_cmpuint (world.n_relayed, ==, 1);
  turn_connect_client_get_counters (world.client, &counters);
  g_assert_cmpuint (counters.reconnects, ==, 2);
  g_assert_cmpuint (counters.reallocations, ==, 0);
}

/* coturn 4.6 breaks the stream when it sees a ticket: then only the relayed address is lost. */
static void
test_ticket_that_breaks_the_stream_is_done_without (void)
{
  const char *options[] = { "--mobility", NULL };
  guint16 port = 0;
  g_autoptr (PeersProgram) server = start_server (TRUE, options, &port);
  g_autoptr (TurnConnectTarget) target = make_target (port, TRUE);
  g_auto (World) world = { 0 };
  g_auto (Peer) peer = { 0 };

  peer_open (&peer, peers_address ());
  world_open (&world, target, TURN_CONNECT_CARRIER_STREAM);
  allocate (&world);
  g_assert_true (turn_connect_client_has_ticket (world.client));
  bind_channel (&world, &peer.address);
  turn_connect_client_reconnect (world.client);
  wait_ready (&world);
  expect_channel_works (&world, &peer);
}

static void
test_cut_stream_is_made_again_with_all_it_had (void)
{
  guint16 port = 0;
  g_autoptr (PeersProgram) server = start_server (TRUE, NULL, &port);
  g_autoptr (TurnConnectTarget) target = make_target (port, TRUE);
  g_auto (World) world = { 0 };
  g_auto (Peer) peer = { 0 };
  TurnConnectClientCounters counters;
  guint16 channel;

  peer_open (&peer, peers_address ());
  world_open (&world, target, TURN_CONNECT_CARRIER_STREAM);
  allocate (&world);
  g_assert_no_error (world.error);
  bind_channel (&world, &peer.address);
  channel = world.channel;
  cut (&world);
  wait_ready (&world);
  expect_channel_works (&world, &peer);
  g_assert_cmpuint (world.channel, ==, channel);
  g_assert_cmpuint (world.n_relayed, ==, 2);
  g_assert_cmpstr (world.states->str, ==,
                   "connecting allocating ready waiting connecting allocating ready ");
  turn_connect_client_get_counters (world.client, &counters);
  g_assert_cmpuint (counters.reallocations, ==, 1);
}

static void
test_restarted_server_is_found_again (gconstpointer data)
{
  const Way *way = data;
  guint16 port = 0;
  g_autoptr (PeersProgram) server = start_server (way->is_tls, NULL, &port);
  g_autoptr (PeersProgram) again = NULL;
  g_autoptr (TurnConnectTarget) target = make_target (port, way->is_tls);
  g_auto (World) world = { 0 };
  g_auto (Peer) peer = { 0 };

  peer_open (&peer, peers_address ());
  world_open (&world, target, way->carrier);
  turn_connect_client_set_keepalive (world.client, 1);
  allocate (&world);
  g_assert_no_error (world.error);
  bind_channel (&world, &peer.address);
  peers_program_kill (server);
  if (way->carrier == TURN_CONNECT_CARRIER_STREAM)
    wait_state (&world, TURN_CONNECT_CLIENT_READY, FALSE);
  again = start_server (way->is_tls, NULL, &port);
  if (way->carrier == TURN_CONNECT_CARRIER_DATAGRAM) /* the next request finds no allocation */
    permit (&world, &(StunExtAddress){ 4, 0, 1, { 127, 0, 0, 9 } });
  g_assert_no_error (world.error);
  wait_ready (&world);
  expect_channel_works (&world, &peer);
  g_assert_cmpuint (world.n_relayed, ==, 2);
}

static void
test_server_that_stays_away_ends_it_with_the_cause (void)
{
  guint16 port = 0;
  g_autoptr (PeersProgram) server = start_server (FALSE, NULL, &port);
  g_autoptr (TurnConnectTarget) target = make_target (port, FALSE);
  g_auto (World) world = { 0 };

  world_open (&world, target, TURN_CONNECT_CARRIER_STREAM);
  turn_connect_client_set_reconnects (world.client, 2);
  allocate (&world);
  g_assert_no_error (world.error);
  peers_program_kill (server);
  wait_state (&world, TURN_CONNECT_CLIENT_CLOSED, TRUE);
  g_assert_cmpstr (world.states->str, ==,
                   "connecting allocating ready waiting connecting waiting connecting closed ");
}

static void
test_shared_secret_issues_credentials (void)
{
  const char *options[] = { "--use-auth-secret", "--static-auth-secret=north", NULL };
  guint16 port = 0;
  g_autoptr (PeersProgram) server = start_server (FALSE, options, &port);
  g_autoptr (TurnConnectTarget) target = make_target (port, FALSE);
  g_auto (World) world = { 0 };
  gint64 now_s = g_get_real_time () / G_USEC_PER_SEC;

  world_open (&world, target, TURN_CONNECT_CARRIER_STREAM);
  g_assert_true (turn_connect_client_set_shared_secret (world.client, "north", 5, "carol", 3600,
                                                        STUN_EXT_HASH_SHA1, NULL));
  g_assert_cmpint (turn_connect_client_get_credentials_expire (world.client), >=, now_s + 3600);
  allocate (&world);
  g_assert_no_error (world.error);
  /* Another user name by now: the server keeps the allocation for the one that made it. */
  g_assert_true (turn_connect_client_set_shared_secret (world.client, "north", 5, "dave", 7200,
                                                        STUN_EXT_HASH_SHA1, NULL));
  exchange (&world, peers_address ());
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
  allocate (world);
  g_assert_no_error (world->error);
}

static void
test_tcp_peer_is_connected_to (gconstpointer data)
{
  const Way *way = data;
  guint16 port = 0, echo_port = 0;
  g_autoptr (PeersProgram) server = start_server (way->is_tls, NULL, &port);
  g_autoptr (PeersEcho) echo = peers_echo_new (&echo_port);
  g_autoptr (TurnConnectTarget) target = make_target (port, way->is_tls);
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
  g_autoptr (PeersProgram) server = start_server (way->is_tls, NULL, &port);
  g_autoptr (TurnConnectTarget) target = make_target (port, way->is_tls);
  g_auto (World) world = { 0 };
  struct sockaddr_storage native;
  StunExtAddress peer, relayed;
  Session session;
  socklen_t length;
  char buffer[16];
  int caller;

  open_tcp (&world, &session, target);
  g_assert_true (stun_ext_address_parse (peers_address (), &peer));
  permit (&world, &peer);
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
  g_autoptr (PeersProgram) server = start_server (TRUE, NULL, &port);
  g_autoptr (PeersProgram) proxy = peers_tinyproxy_new ("u", "p", port, &proxy_port);
  g_autoptr (PeersEcho) echo = peers_echo_new (&echo_port);
  g_autoptr (TurnConnectTarget) target = NULL;
  g_autoptr (TurnConnectTlsOptions) options = turn_connect_tls_options_new ();
  g_autofree char *url = g_strdup_printf ("http://u:p@%s:%u", peers_address (), proxy_port);
  g_auto (World) world = { 0 };
  StunExtAddress peer;
  Session session;

  g_assert_true (turn_connect_tls_options_set_ca_file (options, authority_path, NULL));
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
  g_autoptr (PeersProgram) server = start_server (way->is_tls, NULL, &port);
  g_autoptr (TurnConnectTarget) target = make_target (port, way->is_tls);
  TurnConnectPacket packets[32];
  char texts[32][8];
  g_auto (World) world = { 0 };
  g_auto (Peer) peer = { 0 };

  peer_open (&peer, peers_address ());
  world_open (&world, target, way->carrier);
  allocate (&world);
  g_assert_no_error (world.error);
  bind_channel (&world, &peer.address);
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
  TlsPeerSpec spec = { .common_name = "authority", .is_authority = TRUE };
  int result;

  g_test_init (&argc, &argv, NULL);
  support_resolver_install ();
  authority = tls_peer_identity_new (&spec);
  authority_path = tls_peer_identity_write (authority, NULL);
#define ADD(name, function) g_test_add_func ("/turn-connect/turn-client/" name, function)
#define ADD_WITH(name, data, function)                                                             \
  g_test_add_data_func ("/turn-connect/turn-client/" name, data, function)
  ADD_WITH ("tcp/allocates-exchanges-and-gives-back", &over_tcp,
            test_allocates_exchanges_and_gives_back);
  ADD_WITH ("tls/allocates-exchanges-and-gives-back", &over_tls,
            test_allocates_exchanges_and_gives_back);
  ADD_WITH ("udp/allocates-exchanges-and-gives-back", &over_udp,
            test_allocates_exchanges_and_gives_back);
  ADD_WITH ("dtls/allocates-exchanges-and-gives-back", &over_dtls,
            test_allocates_exchanges_and_gives_back);
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++) {
    g_autofree char *path =
        g_strconcat ("/turn-connect/turn-client/refused/", refusals[i].name, NULL);

    g_test_add_data_func (path, &refusals[i], test_refusal_is_told_and_ends_it);
  }
  ADD ("both-families-are-relayed", test_both_families_are_relayed);
  ADD ("client-may-be-let-go-when-nobody-listens", test_client_may_be_let_go_when_nobody_listens);
  ADD ("ticket-that-breaks-the-stream-is-done-without",
       test_ticket_that_breaks_the_stream_is_done_without);
  ADD_WITH ("udp/ticket-keeps-the-relayed-address", &over_udp,
            test_ticket_keeps_the_relayed_address);
  ADD ("cut-stream-is-made-again-with-all-it-had", test_cut_stream_is_made_again_with_all_it_had);
  ADD_WITH ("tcp/restarted-server-is-found-again", &over_tcp, test_restarted_server_is_found_again);
  ADD_WITH ("tls/restarted-server-is-found-again", &over_tls, test_restarted_server_is_found_again);
  ADD_WITH ("udp/restarted-server-is-found-again", &over_udp, test_restarted_server_is_found_again);
  ADD ("server-that-stays-away-ends-it-with-the-cause",
       test_server_that_stays_away_ends_it_with_the_cause);
  ADD ("shared-secret-issues-credentials", test_shared_secret_issues_credentials);
  ADD_WITH ("tcp/tcp-peer-is-connected-to", &over_tcp, test_tcp_peer_is_connected_to);
  ADD_WITH ("tls/tcp-peer-is-connected-to", &over_tls, test_tcp_peer_is_connected_to);
  ADD_WITH ("tcp/tcp-peer-connects", &over_tcp, test_tcp_peer_connects);
  ADD_WITH ("tls/tcp-peer-connects", &over_tls, test_tcp_peer_connects);
  ADD ("all-goes-through-the-proxy", test_all_goes_through_the_proxy);
  ADD_WITH ("tcp/batch-arrives-in-order", &over_tcp, test_batch_arrives_in_order);
  ADD_WITH ("tls/batch-arrives-in-order", &over_tls, test_batch_arrives_in_order);
  ADD_WITH ("udp/batch-arrives-in-order", &over_udp, test_batch_arrives_in_order);
  result = g_test_run ();
  g_unlink (authority_path);
  g_free (authority_path);
  tls_peer_identity_free (authority);
  return result;
}
