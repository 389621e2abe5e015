/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What becomes of an allocation whose connection or server is lost: the TURN client against coturn on loopback. */
#include "peers.h"
#include "tls-peer.h"
#include "turn-world.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void
test_ticket_keeps_the_relayed_address (gconstpointer data)
{
  const Way *way = data;
  const char *options[] = { "--mobility", NULL };
  guint16 port = 0;
  g_autoptr (PeersProgram) server = world_coturn (way->is_tls ? WORLD_NAMES : NULL, options, &port);
  g_autoptr (TurnConnectTarget) target = world_target (port, way->is_tls);
  g_auto (World) world = { 0 };
  g_auto (Peer) peer = { 0 };
  TurnConnectClientCounters counters;
  StunExtAddress before, after;
  guint16 channel;

  peer_open (&peer, peers_address ());
  world_open (&world, target, way->carrier);
  world_allocate (&world);
  g_assert_no_error (world.error);
  g_assert_true (turn_connect_client_has_ticket (world.client));
  g_assert_true (turn_connect_client_get_relayed (world.client, 4, &before));
  world_bind (&world, &peer.address);
  channel = world.channel;
  for (guint i = 0; i < 2; i++) { /* a ticket is good for one move: the second is another */
    turn_connect_client_reconnect (world.client);
    world_wait_ready (&world);
    g_assert_true (turn_connect_client_get_relayed (world.client, 4, &after));
    g_assert_true (stun_ext_address_equal (&before, &after));
    world_expect_channel_works (&world, &peer);
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
  g_autoptr (PeersProgram) server = world_coturn (WORLD_NAMES, options, &port);
  g_autoptr (TurnConnectTarget) target = world_target (port, TRUE);
  g_auto (World) world = { 0 };
  g_auto (Peer) peer = { 0 };

  peer_open (&peer, peers_address ());
  world_open (&world, target, TURN_CONNECT_CARRIER_STREAM);
  world_allocate (&world);
  g_assert_true (turn_connect_client_has_ticket (world.client));
  world_bind (&world, &peer.address);
  turn_connect_client_reconnect (world.client);
  world_wait_ready (&world);
  world_expect_channel_works (&world, &peer);
}

static void
test_cut_stream_is_made_again_with_all_it_had (void)
{
  guint16 port = 0;
  g_autoptr (PeersProgram) server = world_coturn (WORLD_NAMES, NULL, &port);
  g_autoptr (TurnConnectTarget) target = world_target (port, TRUE);
  g_auto (World) world = { 0 };
  g_auto (Peer) peer = { 0 };
  TurnConnectClientCounters counters;
  guint16 channel;

  peer_open (&peer, peers_address ());
  world_open (&world, target, TURN_CONNECT_CARRIER_STREAM);
  world_allocate (&world);
  g_assert_no_error (world.error);
  world_bind (&world, &peer.address);
  channel = world.channel;
  world_cut (&world);
  world_wait_ready (&world);
  world_expect_channel_works (&world, &peer);
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
  g_autoptr (PeersProgram) server = world_coturn (way->is_tls ? WORLD_NAMES : NULL, NULL, &port);
  g_autoptr (PeersProgram) again = NULL;
  g_autoptr (TurnConnectTarget) target = world_target (port, way->is_tls);
  g_auto (World) world = { 0 };
  g_auto (Peer) peer = { 0 };

  peer_open (&peer, peers_address ());
  world_open (&world, target, way->carrier);
  turn_connect_client_set_keepalive (world.client, 1);
  world_allocate (&world);
  g_assert_no_error (world.error);
  world_bind (&world, &peer.address);
  peers_program_kill (server);
  if (way->carrier == TURN_CONNECT_CARRIER_STREAM)
    world_wait_state (&world, TURN_CONNECT_CLIENT_READY, FALSE);
  again = world_coturn (way->is_tls ? WORLD_NAMES : NULL, NULL, &port);
  if (way->carrier == TURN_CONNECT_CARRIER_DATAGRAM) /* the next request finds no allocation */
    world_permit (&world, &(StunExtAddress){ 4, 0, 1, { 127, 0, 0, 9 } });
  g_assert_no_error (world.error);
  world_wait_ready (&world);
  world_expect_channel_works (&world, &peer);
  g_assert_cmpuint (world.n_relayed, ==, 2);
}

static void
test_server_that_stays_away_ends_it_with_the_cause (void)
{
  guint16 port = 0;
  g_autoptr (PeersProgram) server = world_coturn (NULL, NULL, &port);
  g_autoptr (TurnConnectTarget) target = world_target (port, FALSE);
  g_auto (World) world = { 0 };

  world_open (&world, target, TURN_CONNECT_CARRIER_STREAM);
  turn_connect_client_set_reconnects (world.client, 2);
  world_allocate (&world);
  g_assert_no_error (world.error);
  peers_program_kill (server);
  world_wait_state (&world, TURN_CONNECT_CLIENT_CLOSED, TRUE);
  g_assert_cmpstr (world.states->str, ==,
                   "connecting allocating ready waiting connecting waiting connecting closed ");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  support_resolver_install ();
#define ADD(name, function) g_test_add_func ("/turn-connect/turn-client-lost/" name, function)
#define ADD_WITH(name, data, function)                                                             \
  g_test_add_data_func ("/turn-connect/turn-client-lost/" name, data, function)
  ADD ("ticket-that-breaks-the-stream-is-done-without",
       test_ticket_that_breaks_the_stream_is_done_without);
  ADD_WITH ("udp/ticket-keeps-the-relayed-address", &way_over_udp,
            test_ticket_keeps_the_relayed_address);
  ADD_WITH ("dtls/ticket-keeps-the-relayed-address", &way_over_dtls,
            test_ticket_keeps_the_relayed_address);
  ADD ("cut-stream-is-made-again-with-all-it-had", test_cut_stream_is_made_again_with_all_it_had);
  ADD_WITH ("tcp/restarted-server-is-found-again", &way_over_tcp,
            test_restarted_server_is_found_again);
  ADD_WITH ("tls/restarted-server-is-found-again", &way_over_tls,
            test_restarted_server_is_found_again);
  ADD_WITH ("udp/restarted-server-is-found-again", &way_over_udp,
            test_restarted_server_is_found_again);
  ADD ("server-that-stays-away-ends-it-with-the-cause",
       test_server_that_stays_away_ends_it_with_the_cause);
  return g_test_run ();
}
