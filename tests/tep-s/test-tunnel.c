/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "stun-ext/attribute.h"
#include "world.h"

static void
test_errors_tell_what_to_do (void)
{
  g_autoptr (World) world = world_new ("[limits]\nbindings-per-tunnel=2\nflows-per-tunnel=1\n", 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepLeased leased, other = { .binding_id = 77 };
  StunExtTepRequest request;

  client_open (client, TRUE);
  request = (StunExtTepRequest){ .kind = STUN_EXT_TEP_LEASE };
  request.lease.kind = STUN_EXT_TEP_FLOW_RELAYED;
  g_assert_cmpuint (client_ask (client, &request, NULL), ==, 403);
  request = (StunExtTepRequest){ .kind = STUN_EXT_TEP_LEASE };
  request.lease.family = 6;
  g_assert_cmpuint (client_ask (client, &request, NULL), ==, 440);
  world->is_media_full = TRUE;
  g_assert_cmpuint (client_lease (client, 0, &leased), ==, 508);
  world->is_media_full = FALSE;
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 0);
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 0);
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 486);
  g_assert_cmpuint (client_flow (client, &other, 1, WORLD_REMOTE), ==, 437);
  g_assert_cmpuint (client_flow (client, &leased, 1, WORLD_REMOTE), ==, 0);
  g_assert_cmpuint (client_flow (client, &leased, 1, WORLD_REMOTE), ==, 0);
  g_assert_cmpuint (client_flow (client, &leased, 1, "198.18.0.9:4002"), ==, 446);
  g_assert_cmpuint (client_flow (client, &leased, 2, WORLD_REMOTE), ==, 446);
  g_assert_cmpuint (client_flow (client, &leased, 2, "198.18.0.9:4002"), ==, 486);
  request = (StunExtTepRequest){ .kind = STUN_EXT_TEP_CLOSE_FLOW };
  request.close_flow.flow_id = 9;
  g_assert_cmpuint (client_ask (client, &request, NULL), ==, 437);
  request = (StunExtTepRequest){ .kind = STUN_EXT_TEP_REFRESH };
  request.refresh.binding_id = 99;
  g_assert_cmpuint (client_ask (client, &request, NULL), ==, 437);
}

static void
test_silent_tunnel_is_freed (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepRequest request = { .kind = STUN_EXT_TEP_KEEPALIVE };
  StunExtTepLeased leased;

  client_open (client, TRUE);
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 0);
  for (guint i = 0; i < 5; i++) {
    world_advance (world, 40 * 1000);
    g_assert_cmpuint (client_ask (client, &request, NULL), ==, 0);
  }
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_TUNNELS), ==, 1);
  world_advance (world, 46 * 1000);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_CLOSED_SILENT), ==, 1);
  g_assert_cmpuint (client_answer (client, client->peer, STUN_EXT_TEP_CLOSE, NULL), ==, 437);
  world_check_laws (world);
}

static void
test_binding_lapses_without_refresh (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepRequest keepalive = { .kind = STUN_EXT_TEP_KEEPALIVE };
  StunExtTepRequest request = { .kind = STUN_EXT_TEP_LEASE };
  StunExtTepSuccess success;

  client_open (client, TRUE);
  request.lease.lifetime_s = 60;
  g_assert_cmpuint (client_ask (client, &request, &success), ==, 0);
  g_assert_cmpuint (success.leased.lifetime_s, ==, 60);
  world_advance (world, 40 * 1000);
  request = (StunExtTepRequest){ .kind = STUN_EXT_TEP_REFRESH };
  request.refresh.lifetime_s = 60;
  g_assert_cmpuint (client_ask (client, &request, NULL), ==, 0);
  world_advance (world, 40 * 1000);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_BINDINGS), ==, 1);
  g_assert_cmpuint (client_ask (client, &keepalive, NULL), ==, 0);
  world_advance (world, 21 * 1000);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_BINDINGS), ==, 0);
}

static void
test_tunnel_goes_with_its_last_flow (gconstpointer data)
{
  gboolean is_keep = GPOINTER_TO_INT (data);
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepRequest request = { .kind = STUN_EXT_TEP_CLOSE_FLOW };
  StunExtTepLeased leased;

  client_open (client, is_keep);
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 0);
  world_advance (world, 5000);
  g_assert_cmpuint (client_flow (client, &leased, 1, WORLD_REMOTE), ==, 0);
  request.close_flow.flow_id = 1;
  g_assert_cmpuint (client_ask (client, &request, NULL), ==, 0);
  world_advance (world, 1000);
  g_assert_cmpuint (client_flow (client, &leased, 1, WORLD_REMOTE), ==, 0);
  world_advance (world, 5000);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_TUNNELS), ==, 1);
  g_assert_cmpuint (client_ask (client, &request, NULL), ==, 0);
  world_advance (world, 3000);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_TUNNELS), ==, is_keep ? 1 : 0);
}

static void
test_close_frees_everything (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepRequest request = { .kind = STUN_EXT_TEP_CLOSE };
  StunExtTepLeased leased;

  client_open (client, TRUE);
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 0);
  g_assert_cmpuint (client_flow (client, &leased, 1, WORLD_REMOTE), ==, 0);
  g_assert_cmpuint (client_ask (client, &request, NULL), ==, 0);
  g_assert_true (client->peer->is_shut);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_TUNNELS), ==, 0);
  g_assert_cmpuint (world->n_media_bindings, ==, 0);
  world_check_laws (world);
}

static void
test_drain_ends_idle_tunnels_and_lets_calls_finish (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) idle = client_new (world, "192.0.2.7:5000");
  g_autoptr (Client) busy = client_new (world, "192.0.2.8:5000");
  g_autoptr (Client) late = client_new (world, "192.0.2.9:5000");
  StunExtTepLeased leased;

  client_open (idle, TRUE);
  g_assert_cmpuint (client_lease (idle, 0, &leased), ==, 0);
  client_open (busy, TRUE);
  g_assert_cmpuint (client_lease (busy, 6000, &leased), ==, 0);
  g_assert_cmpuint (client_flow (busy, &leased, 1, WORLD_REMOTE), ==, 0);
  tep_server_core_drain (world->cores[0], world->now_us + 20 * US_PER_S);
  world_flush (world);
  g_assert_cmpuint (client_answer (idle, idle->peer, STUN_EXT_TEP_CLOSE, NULL), ==, 300);
  g_assert_cmpuint (client_try_password (late, "alice", WORLD_PASSWORD), ==, 438);
  g_assert_cmpuint (client_try_password (late, "alice", WORLD_PASSWORD), ==, 508);
  client_media (busy, 1, 1, "still here");
  world_assert_packet (world, &leased.address, WORLD_REMOTE, "still here");
  world_advance (world, 21 * 1000);
  g_assert_cmpuint (client_answer (busy, busy->peer, STUN_EXT_TEP_CLOSE, NULL), ==, 300);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_CLOSED_DRAIN), ==, 2);
}

static void
test_quota_is_never_passed (void)
{
  g_autoptr (World) world = world_new ("[limits]\ntunnels-per-user=1\n", 1);

  for (guint i = 0; i < 50; i++) {
    g_autofree char *source = g_strdup_printf ("192.0.2.7:%u", 6000 + i);
    g_autoptr (Client) client = client_new (world, source);
    g_autoptr (Client) second = client_new (world, source);
    StunExtTepRequest request = { .kind = STUN_EXT_TEP_CLOSE };

    client_open (client, TRUE);
    second->nonce = g_strdup (client->nonce);
    g_assert_cmpuint (client_try_password (second, "alice", WORLD_PASSWORD), ==, 486);
    g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_TUNNELS), ==, 1);
    g_assert_cmpuint (client_ask (client, &request, NULL), ==, 0);
    peer_hang_up (second->peer);
  }
  world_check_laws (world);
}

static void
test_every_pair_of_tunnel_state_and_event (void)
{
  /* Columns: confirm, attach, lose, flow, idle, end; -1: refused. */
  static const gint8 expected[N_TUNNEL_STATES][N_TUNNEL_EVENTS] = {
    [TUNNEL_PROVISIONAL] = { TUNNEL_LIVE, TUNNEL_PROVISIONAL, TUNNEL_PROVISIONAL, -1, -1,
                             TUNNEL_OVER },
    [TUNNEL_LIVE] = { TUNNEL_LIVE, TUNNEL_LIVE, TUNNEL_DETACHED, TUNNEL_LIVE, TUNNEL_LINGERING,
                      TUNNEL_OVER },
    [TUNNEL_DETACHED] = { TUNNEL_DETACHED, TUNNEL_LIVE, -1, -1, -1, TUNNEL_OVER },
    [TUNNEL_LINGERING] = { TUNNEL_LINGERING, TUNNEL_LINGERING, TUNNEL_LINGERING, TUNNEL_LIVE, -1,
                           TUNNEL_OVER },
    [TUNNEL_OVER] = { -1, -1, -1, -1, -1, -1 },
  };

  for (guint state = 0; state < N_TUNNEL_STATES; state++) {
    for (guint event = 0; event < N_TUNNEL_EVENTS; event++) {
      TepServerTunnel tunnel = { .state = (guint8)state };
      gint to = expected[state][event];

      g_assert_cmpint (tep_server_tunnel_step (&tunnel, event), ==, to >= 0);
      g_assert_cmpint (tunnel.state, ==, to >= 0 ? to : (gint)state);
    }
  }
}

static void
test_every_pair_of_connection_state_and_event (void)
{
  for (guint state = 0; state < N_CONNECTION_STATES; state++) {
    for (guint event = 0; event < N_CONNECTION_EVENTS; event++) {
      TepServerConnection connection = { .state = (guint8)state };
      gboolean is_taken = tep_server_connection_step (&connection, event);

      /* Nothing leads out of the end, or back from closing; only authentication leads into a tunnel. */
      if (state == CONNECTION_OVER)
        g_assert_false (is_taken);
      if (state == CONNECTION_CLOSING && is_taken)
        g_assert_cmpint (connection.state, ==, CONNECTION_OVER);
      if (connection.state == CONNECTION_TUNNEL && state != CONNECTION_TUNNEL) {
        g_assert_cmpint (state, ==, CONNECTION_OPENING);
        g_assert_cmpint (event, ==, CONNECTION_AUTHENTICATED);
      }
      if (!is_taken)
        g_assert_cmpint (connection.state, ==, state);
      if (event == CONNECTION_ABORT && state != CONNECTION_OVER)
        g_assert_cmpint (connection.state, ==, CONNECTION_OVER);
    }
  }
}

/* The daemon says that another backend waits for a restart. */
static void
test_reload_leaves_the_media_backend_as_it_is (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepLeased leased;

  client_open (client, TRUE);
  world_reload (world, "[media]\nbackend=relay\nrelay-addresses=192.0.2.200\n");
  g_assert_cmpuint (client_lease (client, 5000, &leased), ==, 0);
  g_assert_cmpint (leased.kind, ==, STUN_EXT_TEP_FLOW_REFLEXIVE);
}

#define ADD(path, function) g_test_add_func ("/tep-s/tunnel/" path, function)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("errors-tell-what-to-do", test_errors_tell_what_to_do);
  ADD ("silent-tunnel-is-freed", test_silent_tunnel_is_freed);
  ADD ("binding-lapses-without-refresh", test_binding_lapses_without_refresh);
  g_test_add_data_func ("/tep-s/tunnel/goes-with-its-last-flow", GINT_TO_POINTER (FALSE),
                        test_tunnel_goes_with_its_last_flow);
  g_test_add_data_func ("/tep-s/tunnel/stays-without-flows-if-told", GINT_TO_POINTER (TRUE),
                        test_tunnel_goes_with_its_last_flow);
  ADD ("close-frees-everything", test_close_frees_everything);
  ADD ("drain-ends-idle-tunnels-and-lets-calls-finish",
       test_drain_ends_idle_tunnels_and_lets_calls_finish);
  ADD ("quota-is-never-passed", test_quota_is_never_passed);
  ADD ("every-pair-of-state-and-event", test_every_pair_of_tunnel_state_and_event);
  ADD ("every-pair-of-connection-state-and-event", test_every_pair_of_connection_state_and_event);
  g_test_add_func ("/tep-s/tunnel/reload-leaves-the-media-backend-as-it-is",
                   test_reload_leaves_the_media_backend_as_it_is);
  return g_test_run ();
}
