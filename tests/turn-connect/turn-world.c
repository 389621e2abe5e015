/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A TURN client between an application, which the test is, and coturn on loopback. Each call runs
 * the main context until its answer is there.
 */
#include "turn-world.h"

#include "peers.h"
#include "tls-peer.h"

#include <glib/gstdio.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

const Way way_over_tcp = { TURN_CONNECT_CARRIER_STREAM, FALSE };
const Way way_over_tls = { TURN_CONNECT_CARRIER_STREAM, TRUE };
const Way way_over_udp = { TURN_CONNECT_CARRIER_DATAGRAM, FALSE };
const Way way_over_dtls = { TURN_CONNECT_CARRIER_DATAGRAM, TRUE };

/* The far end. */

void
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
StunExtAddress
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

void
peer_send (Peer *peer, const StunExtAddress *to, const char *text)
{
  struct sockaddr_storage native;
  socklen_t length = (socklen_t)stun_ext_address_to_sockaddr (to, &native);

  g_assert_cmpint (
      sendto (peer->socket, text, strlen (text), 0, (struct sockaddr *)&native, length), ==,
      (int)strlen (text));
}

void
peer_close (Peer *peer)
{
  close (peer->socket);
}

/* The client. */

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
  if (cause != NULL) {
    g_free (world->cause);
    world->cause = g_strdup (cause->message);
  }
  world->has_changed = TRUE;
}

static void
on_relayed (TurnConnectClient *client, gpointer user_data)
{
  ((World *)user_data)->n_relayed++;
}

void
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

void
world_close (World *world)
{
  g_clear_object (&world->client);
  g_string_free (world->received, TRUE);
  g_string_free (world->states, TRUE);
  g_free (world->cause);
  g_clear_error (&world->error);
}

static void
allocated (GObject *source, GAsyncResult *result, gpointer user_data)
{
  World *world = user_data;

  g_clear_error (&world->error);
  turn_connect_client_allocate_finish (world->client, result, &world->error);
  world->is_done = TRUE;
}

void
world_allocate (World *world)
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

void
world_permit (World *world, const StunExtAddress *peer)
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

void
world_bind (World *world, const StunExtAddress *peer)
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

void
world_give_back (World *world)
{
  world->is_done = FALSE;
  turn_connect_client_close_async (world->client, closed, world);
  support_run_until (&world->is_done);
}

void
world_send (World *world, const StunExtAddress *peer, const char *text)
{
  GOutputVector vector = { text, strlen (text) };
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (
      turn_connect_client_send (world->client, peer, &vector, 1, TURN_CONNECT_SEND_NORMAL, &error),
      ==, TURN_CONNECT_IO_OK);
  g_assert_no_error (error);
}

void
world_expect (World *world, const char *text)
{
  while (strcmp (world->received->str, text) != 0) {
    world->has_received = FALSE;
    support_run_until (&world->has_received);
  }
  g_string_truncate (world->received, 0);
}

/* Packets both ways, by Send and Data indications and by channel. */
void
world_exchange (World *world, const char *ip)
{
  g_auto (Peer) peer = { 0 };
  StunExtAddress relayed, from;

  peer_open (&peer, ip);
  world_permit (world, &peer.address);
  g_assert_no_error (world->error);
  world_send (world, &peer.address, "one");
  from = peer_expect (&peer, "one");
  g_assert_true (turn_connect_client_get_relayed (world->client, peer.address.family, &relayed));
  g_assert_true (stun_ext_address_equal (&from, &relayed));
  peer_send (&peer, &relayed, "two");
  world_expect (world, "data:two ");
  world_bind (world, &peer.address);
  g_assert_no_error (world->error);
  g_assert_cmpuint (world->channel, >=, 0x4000);
  world_send (world, &peer.address, "three");
  peer_expect (&peer, "three");
  peer_send (&peer, &relayed, "four");
  world_expect (world, "channel:four ");
}

TurnConnectTarget *
world_target_at (const char *host, guint16 port, const char *name)
{
  static const char *const protocols[] = { "stun.turn", NULL };
  g_autoptr (TurnConnectTlsOptions) options = turn_connect_tls_options_new ();
  TurnConnectTarget *target = turn_connect_target_new (host, port, NULL);

  g_assert_true (turn_connect_tls_options_set_ca_file (options, tls_peer_authority_path (), NULL));
  g_assert_true (turn_connect_tls_options_set_alpn (options, protocols, NULL));
  g_assert_true (turn_connect_tls_options_set_server_name (options, name, NULL));
  turn_connect_target_set_tls (target, options);
  return target;
}

TurnConnectTarget *
world_target (guint16 port, gboolean is_tls)
{
  if (!is_tls)
    return turn_connect_target_new (peers_address (), port, NULL);
  support_resolver_set ("turn.test", peers_address ());
  return world_target_at ("turn.test", port, NULL);
}

PeersProgram *
world_coturn (const char *names, const char *const *options, guint16 *port)
{
  g_autoptr (TlsPeerIdentity) identity = NULL;
  g_autofree char *certificate = NULL;
  g_autofree char *key = NULL;
  PeersProgram *program;

  if (names == NULL)
    return peers_turnserver_new (NULL, NULL, options, port);
  identity = tls_peer_identity_signed (names, 0);
  certificate = tls_peer_identity_write (identity, &key);
  program = peers_turnserver_new (certificate, key, options, port);
  g_unlink (certificate);
  g_unlink (key);
  return program;
}

/* Until the client is in this state, or has left it; at most 20 s. */
void
world_wait_state (World *world, TurnConnectClientState state, gboolean is_wanted)
{
  while ((turn_connect_client_get_state (world->client) == state) != is_wanted) {
    world->has_changed = FALSE;
    support_run_until (&world->has_changed);
  }
}

void
world_wait_ready (World *world)
{
  world_wait_state (world, TURN_CONNECT_CLIENT_READY, TRUE);
}

/* Cuts the connection below the client's feet. */
void
world_cut (World *world)
{
  TurnConnectStream *stream = turn_connect_client_get_stream (world->client);

  shutdown (turn_connect_stream_get_descriptor (stream), SHUT_RDWR);
  world_wait_state (world, TURN_CONNECT_CLIENT_READY, FALSE);
}

/* A packet to the relayed address comes by the channel, once the channel is there again. */
void
world_expect_channel_works (World *world, Peer *peer)
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
  world_bind (world, &peer->address);
  g_assert_no_error (world->error);
  g_assert_true (turn_connect_client_get_relayed (world->client, peer->address.family, &relayed));
  peer_send (peer, &relayed, "back");
  world_expect (world, "channel:back ");
}
