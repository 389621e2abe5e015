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

/* Sixteen silent connections would keep everybody behind the same address translator out; here it is four. */
static void
test_silent_newcomers_give_way_to_others_of_their_source (void)
{
  g_autoptr (World) world = world_new ("[limits]\nunauthenticated-per-source=4\n", 1);
  g_autoptr (Client) client = NULL;
  Peer *other = peer_new (world, 0, "192.0.2.9:1");
  Peer *silent[5];

  for (guint i = 0; i < 4; i++) {
    g_autofree char *source = g_strdup_printf ("192.0.2.7:%u", 5000 + i);

    silent[i] = peer_new (world, 0, source);
    g_assert_nonnull (silent[i]);
    world_advance (world, 100);
  }
  world_advance (world, 1500);
  g_assert_null (peer_new (world, 0, "192.0.2.7:6000")); /* all have a right to their place yet */
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_REFUSED_SOURCE), ==, 1);
  world_advance (world, 150);
  client = client_new (world, "192.0.2.7:6001");
  g_assert_null (silent[0]->connection);
  g_assert_nonnull (silent[1]->connection);
  g_assert_nonnull (other->connection);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_CONNECTION_REPLACED), ==, 1);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_UNAUTHENTICATED), ==, 5);
  client_open (client, TRUE);
  world_check_laws (world);
}

static void
test_newcomer_that_has_spoken_keeps_its_place_longer (void)
{
  g_autoptr (World) world = world_new ("[limits]\nunauthenticated-per-source=2\n", 1);
  g_autoptr (Client) slow = client_new (world, "192.0.2.7:5000");
  Peer *silent = peer_new (world, 0, "192.0.2.7:5001");
  Peer *next;

  g_assert_cmpuint (try_open (slow, "alice", "wrong horse battery"), ==, 401);
  world_advance (world, 2100);
  next = peer_new (world, 0, "192.0.2.7:5002");
  g_assert_null (silent->connection); /* though it came later */
  g_assert_nonnull (slow->peer->connection);
  g_assert_null (peer_new (world, 0, "192.0.2.7:5003"));
  world_advance (world, 3000);
  g_assert_nonnull (peer_new (world, 0, "192.0.2.7:5004"));
  g_assert_null (next->connection); /* silent, and in time for it */
  g_assert_nonnull (slow->peer->connection);
  g_assert_nonnull (peer_new (world, 0, "192.0.2.7:5005"));
  g_assert_null (slow->peer->connection);
  world_check_laws (world);
}

/* Half-way through TLS, with output waiting, in a round in which it just spoke: gone without a trace. */
static void
test_newcomers_of_every_kind_can_be_replaced (void)
{
  static const char *const said[] = { "",
                                      "G",
                                      "GET / HTTP/1.1\r\n",
                                      "CONNECT ",
                                      "\x16\x03\x01\x02\x00\x01",
                                      "\x01",
                                      "GET / HTTP/1.0\r\n\r\n" };
  g_autoptr (World) world = world_new ("[limits]\nunauthenticated-per-source=1\n" WORLD_TLS, 1);

  for (guint i = 0; i < 10 * G_N_ELEMENTS (said); i++) {
    const char *text = said[i % G_N_ELEMENTS (said)];
    Peer *peer = peer_new (world, 0, "192.0.2.7:5000");

    g_assert_nonnull (peer);
    if (text[0] != '\0')
      peer_send (peer, text, strlen (text));
    g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_UNAUTHENTICATED), <=, 1);
    world_advance (world, 5100);
  }
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_CONNECTION_REPLACED), >, 20);
  world_check_laws (world);
}

/* Opening and closing in a loop takes a quarter of the rate. */
static void
test_one_user_cannot_take_the_rate_of_all (void)
{
  g_autoptr (World) world = world_new ("[limits]\ntunnels-per-second=40\n", 1);
  g_autoptr (Client) other = client_new (world, "192.0.2.8:5000");
  StunExtTepRequest close_it = { .kind = STUN_EXT_TEP_CLOSE };
  guint code = 0, opened = 0;

  while (opened < 40 && code == 0) {
    g_autoptr (Client) greedy = client_new (world, "192.0.2.7:5000");

    code = client_try_open (greedy, FALSE);
    opened += code == 0;
    if (code == 0)
      g_assert_cmpuint (client_ask (greedy, &close_it, NULL), ==, 0);
  }
  g_assert_cmpuint (code, ==, 508);
  g_assert_cmpuint (opened, ==, 10);
  g_assert_cmpuint (try_open (other, "bob", WORLD_PASSWORD " too"), ==, 0);
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
  ADD ("silent-newcomers-give-way", test_silent_newcomers_give_way_to_others_of_their_source);
  ADD ("newcomer-that-has-spoken", test_newcomer_that_has_spoken_keeps_its_place_longer);
  ADD ("newcomers-of-every-kind", test_newcomers_of_every_kind_can_be_replaced);
  ADD ("one-user-and-the-rate-of-all", test_one_user_cannot_take_the_rate_of_all);
  ADD ("relay-ports-run-out", test_relay_ports_run_out);
  return g_test_run ();
}
