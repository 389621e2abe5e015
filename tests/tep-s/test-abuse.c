/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What somebody with a valid login must not be able to do to others. */
#include <string.h>

#include "world.h"

static guint
try_open (Client *client, const char *user, const char *password)
{
  StunExtSpan key = { password, strlen (password) };
  StunExtTepRequest request;
  guint code = 438;

  for (guint i = 0; i < 2 && code == 438; i++) {
    client_prepare (client, &request);
    request.open.username = (StunExtSpan){ user, strlen (user) };
    client_send (client, client->peer, &request, key);
    code = client_answer (client, client->peer, STUN_EXT_TEP_OPEN, NULL);
  }
  return code;
}

/* The device's address is its proxy's too, and what the proxy answers there is not the device's. */
static void
test_service_port_is_never_leased (void)
{
  static const guint16 wanted[] = { 1, 53, 123, 1023 };
  g_autoptr (World) world = world_new ("[media]\nimplicit-flows=own\n", 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtAddress source = world_address ("192.0.2.7:53");
  StunExtTepLeased leased;

  client_open (client, TRUE);
  for (gsize i = 0; i < G_N_ELEMENTS (wanted); i++) {
    g_assert_cmpuint (client_lease (client, wanted[i], &leased), ==, 0);
    g_assert_cmpuint (leased.address.port, >=, 1024);
  }
  client_whole (client, &source, WORLD_REMOTE, "as if a name server said it");
  g_assert_null (world_take_packet (world));
  world_check_laws (world);
}

static void
test_refused_tunnels_use_up_nobodys_rate (void)
{
  g_autoptr (World) world = world_new ("[limits]\ntunnels-per-user=1\ntunnels-per-second=5\n", 1);
  g_autoptr (Client) first = client_new (world, "192.0.2.7:5000");
  g_autoptr (Client) greedy = client_new (world, "192.0.2.7:5001");
  g_autoptr (Client) other = client_new (world, "192.0.2.8:5000");

  g_assert_cmpuint (try_open (first, "alice", WORLD_PASSWORD), ==, 0);
  for (guint i = 0; i < 10; i++)
    g_assert_cmpuint (try_open (greedy, "alice", WORLD_PASSWORD), ==, 486);
  g_assert_cmpuint (try_open (other, "bob", WORLD_PASSWORD " too"), ==, 0);
}

static void
test_source_of_a_login_cannot_take_all_places_of_newcomers (void)
{
  g_autoptr (World) world =
      world_new ("[limits]\nunauthenticated=400\nunauthenticated-per-source=4\n", 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  guint accepted = 0;

  client_open (client, TRUE);
  for (guint i = 0; i < 2000; i++)
    peer_new (world, 0, "192.0.2.7:6000");
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_UNAUTHENTICATED), >, 4);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_UNAUTHENTICATED), <=, 100);
  for (guint i = 0; i < 20; i++)
    accepted += peer_new (world, 0, "192.0.2.8:6000") != NULL ? 1 : 0;
  g_assert_cmpuint (accepted, ==, 4);
}

/* To the last port, and then no. */
static void
test_relay_ports_run_out (void)
{
  g_autoptr (World) world = world_new_real ("[media]\nbackend=relay\nrelay-addresses=127.0.0.1\n"
                                            "relay-ports=23100-23103\n",
                                            1, NULL, NULL);
  g_autoptr (Client) client = client_new (world, NULL);
  StunExtTepLeased leased;

  client_open (client, TRUE);
  for (guint i = 0; i < 4; i++)
    g_assert_cmpuint (client_lease (client, 0, &leased), ==, 0);
  g_assert_cmpuint (client_lease (client, 0, &leased), ==, 508);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, function) g_test_add_func ("/tep-s/abuse/" path, function)
  ADD ("service-port-is-never-leased", test_service_port_is_never_leased);
  ADD ("refused-tunnels-use-up-nobodys-rate", test_refused_tunnels_use_up_nobodys_rate);
  ADD ("newcomers-places", test_source_of_a_login_cannot_take_all_places_of_newcomers);
  ADD ("relay-ports-run-out", test_relay_ports_run_out);
  return g_test_run ();
}
