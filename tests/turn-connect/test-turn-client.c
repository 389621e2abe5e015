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

int
main (int argc, char **argv)
{
  TlsPeerSpec spec = { .common_name = "authority", .is_authority = TRUE };
  int result;

  g_test_init (&argc, &argv, NULL);
  support_resolver_install ();
  authority = tls_peer_identity_new (&spec);
  authority_path = tls_peer_identity_write (authority, NULL);
#define ADD_WAY(name, way, function)                                                               \
  g_test_add_data_func ("/turn-connect/turn-client/" name, way, function)
  ADD_WAY ("tcp/allocates-exchanges-and-gives-back", &over_tcp,
           test_allocates_exchanges_and_gives_back);
  ADD_WAY ("tls/allocates-exchanges-and-gives-back", &over_tls,
           test_allocates_exchanges_and_gives_back);
  ADD_WAY ("udp/allocates-exchanges-and-gives-back", &over_udp,
           test_allocates_exchanges_and_gives_back);
  ADD_WAY ("dtls/allocates-exchanges-and-gives-back", &over_dtls,
           test_allocates_exchanges_and_gives_back);
  result = g_test_run ();
  g_unlink (authority_path);
  g_free (authority_path);
  tls_peer_identity_free (authority);
  return result;
}
