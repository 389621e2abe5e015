/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "stun-ext/attribute.h"
#include "world.h"

static void
test_unknown_user_looks_like_wrong_password (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) one = client_new (world, "192.0.2.7:5000");
  g_autoptr (Client) two = client_new (world, "192.0.2.8:5000");

  g_assert_cmpuint (client_try_password (one, "alice", "wrong horse battery"), ==, 401);
  g_assert_cmpuint (client_try_password (two, "mallo", "wrong horse battery"), ==, 401);
  g_assert_cmpuint (one->peer->received->len, ==, two->peer->received->len);
  /* All but the transaction id, nonce and MAC of it. */
  g_assert_cmpmem (one->peer->received->data, 6, two->peer->received->data, 6);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_AUTH_FAILED), ==, 2);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_OPENED), ==, 0);
}

static void
test_guessing_is_slowed_down_for_the_guesser_alone (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) good = client_new (world, "192.0.2.9:5000");
  guint evaluated;

  for (guint i = 0; i < 100; i++) {
    g_autofree char *source = g_strdup_printf ("192.0.2.7:%u", 6000 + i);
    g_autoptr (Client) client = client_new (world, source);

    guint code = client_try_password (client, "alice", "wrong horse battery");

    /* Once nothing is looked at any more, an honest client is told to wait and not to give up. */
    g_assert_true (code == 401 || code == 508);
    peer_hang_up (client->peer);
  }
  evaluated = (guint)world_count (world, TEP_SERVER_COUNTER_AUTH_FAILED);
  g_assert_cmpuint (evaluated, <=, 10);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_AUTH_THROTTLED), ==, 100 - evaluated);
  client_open (good, FALSE);
}

static void
test_recorded_connection_gains_nothing (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepLeased leased;
  Peer *replayer;
  guint64 mismatches;

  client_open (client, FALSE);
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 0);
  g_assert_cmpuint (client_flow (client, &leased, 1, WORLD_REMOTE), ==, 0);
  client_media (client, 1, 1, "once");
  world_packet_free (world_take_packet (world));
  for (guint again = 0; again < 2; again++) {
    /* From the same address, while the tunnel lives and after it has gone. */
    mismatches = world_count (world, TEP_SERVER_COUNTER_OPENED);
    replayer = peer_new (world, 0, "192.0.2.7:5000");
    peer_send (replayer, client->peer->sent->data, client->peer->sent->len);
    g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_OPENED), ==, mismatches);
    g_assert_null (world_take_packet (world));
    g_assert_true (replayer->connection == NULL || replayer->connection->tunnel == NULL);
    peer_hang_up (replayer);
    if (again == 0) {
      peer_hang_up (client->peer);
      world_advance (world, 50 * 1000);
      g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_TUNNELS), ==, 0);
    }
  }
}

static void
test_timestamp_is_enough_once_the_memory_is_old_enough (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  g_autoptr (Client) again = client_new (world, "192.0.2.7:5001");
  StunExtTepRequest request;
  const StunExtSpan key = { WORLD_PASSWORD, strlen (WORLD_PASSWORD) };

  /* Within 30 s of the start a timestamp proves nothing. */
  g_assert_cmpuint (client_try_password (client, "alice", WORLD_PASSWORD), ==, 438);
  peer_hang_up (client->peer);
  peer_hang_up (again->peer);
  world_advance (world, 31 * 1000);
  client->peer = peer_new (world, 0, "192.0.2.7:5000");
  again->peer = peer_new (world, 0, "192.0.2.7:5001");
  g_clear_pointer (&client->nonce, g_free);
  client_prepare (client, &request);
  client_send (client, client->peer, &request, key);
  g_assert_cmpuint (client_answer (client, client->peer, STUN_EXT_TEP_OPEN, NULL), ==, 0);
  /* The same random again, and a clock that is wrong. */
  client_send (again, again->peer, &request, key);
  g_assert_cmpuint (client_answer (again, again->peer, STUN_EXT_TEP_OPEN, NULL), ==, 438);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_AUTH_REPLAYED), ==, 1);
  g_clear_pointer (&again->nonce, g_free);
  client_prepare (again, &request);
  request.open.timestamp_ms -= 31 * 1000;
  client_send (again, again->peer, &request, key);
  g_assert_cmpuint (client_answer (again, again->peer, STUN_EXT_TEP_OPEN, NULL), ==, 438);
}

static void
test_other_name_is_forbidden (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepRequest request;
  const StunExtSpan key = { WORLD_PASSWORD, strlen (WORLD_PASSWORD) };

  client_prepare (client, &request);
  request.open.server_name = (StunExtSpan){ "other.example", 13 };
  client_send (client, client->peer, &request, key);
  g_assert_cmpuint (client_answer (client, client->peer, STUN_EXT_TEP_OPEN, NULL), ==, 403);
}

static void
test_lease_in_the_first_flight (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepRequest requests[2] = { 0 };
  const guint8 ids[2][STUN_EXT_TRANSACTION_ID_LENGTH] = { { 1 }, { 2 } };
  const StunExtSpan key = { WORLD_PASSWORD, strlen (WORLD_PASSWORD) };
  guint8 flight[4096];
  gsize length;

  world_advance (world, 31 * 1000);
  peer_hang_up (client->peer);
  client->peer = peer_new (world, 0, "192.0.2.7:5000");
  client_prepare (client, &requests[0]);
  requests[1] = (StunExtTepRequest){ .kind = STUN_EXT_TEP_LEASE, .ordinal = 1 };
  g_assert_true (stun_ext_tep_write_flight (requests, ids, 2, key, flight, sizeof flight, &length));
  peer_send (client->peer, flight, length);
  g_assert_cmpuint (client_answer (client, client->peer, STUN_EXT_TEP_OPEN, NULL), ==, 0);
  g_assert_cmpuint (client_answer (client, client->peer, STUN_EXT_TEP_LEASE, NULL), ==, 0);
  /* Provisional: no packet passes, and it is freed unless confirmed. */
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_BINDINGS), ==, 1);
  world_advance (world, 16 * 1000);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_CLOSED_UNCONFIRMED), ==, 1);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_BINDINGS), ==, 0);
}

static void
test_failed_flight_can_be_repeated_on_the_connection (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepRequest requests[2] = { 0 };
  const guint8 ids[2][STUN_EXT_TRANSACTION_ID_LENGTH] = { { 1 }, { 2 } };
  const StunExtSpan key = { "wrong horse battery", 19 };
  guint8 flight[4096];
  gsize length;

  client_prepare (client, &requests[0]);
  requests[1] = (StunExtTepRequest){ .kind = STUN_EXT_TEP_LEASE, .ordinal = 1 };
  g_assert_true (stun_ext_tep_write_flight (requests, ids, 2, key, flight, sizeof flight, &length));
  peer_send (client->peer, flight, length);
  g_assert_cmpuint (client_answer (client, client->peer, STUN_EXT_TEP_OPEN, NULL), ==, 401);
  g_assert_cmpuint (client_answer (client, client->peer, STUN_EXT_TEP_LEASE, NULL), ==, 401);
  client_open (client, FALSE);
}

static void
test_used_ordinal_and_wrong_key_change_nothing (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepRequest request = { .kind = STUN_EXT_TEP_LEASE };
  const StunExtSpan wrong = { WORLD_PASSWORD, strlen (WORLD_PASSWORD) };

  client_open (client, TRUE);
  g_assert_cmpuint (client_ask (client, &request, NULL), ==, 0);
  client_send (client, client->peer, &request, client_key (client));
  g_assert_cmpuint (client_answer (client, client->peer, STUN_EXT_TEP_LEASE, NULL), ==, 437);
  request.ordinal = 50;
  client_send (client, client->peer, &request, wrong);
  g_assert_cmpuint (client_answer (client, client->peer, STUN_EXT_TEP_LEASE, NULL), ==, 437);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_BINDINGS), ==, 1);
}

static void
test_resume_keeps_flows (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepLeased leased;
  Peer *old = client->peer;

  client_open (client, FALSE);
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 0);
  g_assert_cmpuint (client_flow (client, &leased, 1, WORLD_REMOTE), ==, 0);
  client->peer = peer_new (world, 0, "198.51.100.77:9999");
  g_assert_cmpuint (client_join (client, client->peer, TRUE), ==, 0);
  g_assert_true (old->is_shut);
  client_media (client, 1, 1, "after");
  world_assert_packet (world, &leased.address, WORLD_REMOTE, "after");
  world_deliver (world, WORLD_REMOTE, &leased.address, "back");
  peer_assert_media (client->peer, 1, "back");
  /* Also when everything was lost first. */
  peer_hang_up (client->peer);
  world_deliver (world, WORLD_REMOTE, &leased.address, "nobody there");
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_DOWN_DROP_ABSENT), ==, 1);
  world_advance (world, 20 * 1000);
  client->peer = peer_new (world, 0, "198.51.100.78:9999");
  g_assert_cmpuint (client_join (client, client->peer, TRUE), ==, 0);
  client_media (client, 1, 2, "again");
  world_assert_packet (world, &leased.address, WORLD_REMOTE, "again");
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_RESUMED), ==, 2);
}

/* Somebody on the way kept what the client sent, and comes with it from elsewhere later. */
static void
test_join_and_resume_held_back_are_worth_nothing_later (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepRequest request = { .kind = STUN_EXT_TEP_RESUME };

  client_open (client, TRUE);
  request.join.version = STUN_EXT_TEP_VERSION;
  request.join.tunnel_id = (StunExtSpan){ client->id, client->id_length };
  client->ordinal += 2; /* sent, and never arrived */
  peer_hang_up (client->peer);
  client->peer = peer_new (world, 0, "198.51.100.77:9999");
  g_assert_cmpuint (client_join (client, client->peer, TRUE), ==, 0);
  for (request.ordinal = 1; request.ordinal < client->ordinal; request.ordinal++) {
    Peer *thief = peer_new (world, 0, "192.0.2.66:5000");

    request.kind = request.ordinal % 2 != 0 ? STUN_EXT_TEP_RESUME : STUN_EXT_TEP_JOIN;
    client_send (client, thief, &request, client_key (client));
    g_assert_cmpuint (client_answer (client, thief, request.kind, NULL), ==, 437);
    g_assert_nonnull (client->peer->connection);
  }
  request = (StunExtTepRequest){ .kind = STUN_EXT_TEP_KEEPALIVE };
  g_assert_cmpuint (client_ask (client, &request, NULL), ==, 0);
}

static void
test_stolen_tunnel_id_is_worth_nothing (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  g_autoptr (Client) thief = client_new (world, "192.0.2.66:5000");
  guint codes[3];

  client_open (client, TRUE);
  memcpy (thief->id, client->id, client->id_length);
  thief->id_length = client->id_length;
  codes[0] = client_join (thief, thief->peer, TRUE);
  thief->id[3] ^= 1;
  codes[1] = client_join (thief, thief->peer, FALSE);
  thief->id_length = 16;
  codes[2] = client_join (thief, thief->peer, FALSE);
  for (guint i = 0; i < 3; i++)
    g_assert_cmpuint (codes[i], ==, 437);
  g_assert_nonnull (client->peer->connection);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_MISMATCHES), ==, 3);
}

static void
test_join_reaches_the_worker_that_owns_the_tunnel (void)
{
  g_autoptr (World) world = world_new (NULL, 2);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepLeased leased;
  Peer *second = peer_new (world, 1, "192.0.2.7:5001");

  client_open (client, FALSE);
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 0);
  g_assert_cmpuint (client_flow (client, &leased, 1, WORLD_REMOTE), ==, 0);
  g_assert_cmpuint (client_join (client, second, FALSE), ==, 0);
  g_assert_true (second->core == world->cores[0]);
  client->peer = second;
  client_media (client, 1, 1, "second way");
  world_assert_packet (world, &leased.address, WORLD_REMOTE, "second way");
  world_deliver (world, WORLD_REMOTE, &leased.address, "back");
  peer_assert_media (second, 1, "back");
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_HANDED_OVER), ==, 1);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_UNAUTHENTICATED), ==, 0);
}

#define ADD(path, function) g_test_add_func ("/tep-s/opening/" path, function)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("unknown-user-looks-like-wrong-password", test_unknown_user_looks_like_wrong_password);
  ADD ("guessing-is-slowed-down-for-the-guesser-alone",
       test_guessing_is_slowed_down_for_the_guesser_alone);
  ADD ("recorded-connection-gains-nothing", test_recorded_connection_gains_nothing);
  ADD ("timestamp-is-enough-once-the-memory-is-old-enough",
       test_timestamp_is_enough_once_the_memory_is_old_enough);
  ADD ("other-name-is-forbidden", test_other_name_is_forbidden);
  ADD ("lease-in-the-first-flight", test_lease_in_the_first_flight);
  ADD ("failed-flight-can-be-repeated-on-the-connection",
       test_failed_flight_can_be_repeated_on_the_connection);
  ADD ("used-ordinal-and-wrong-key-change-nothing", test_used_ordinal_and_wrong_key_change_nothing);
  ADD ("resume-keeps-flows", test_resume_keeps_flows);
  ADD ("held-back", test_join_and_resume_held_back_are_worth_nothing_later);
  ADD ("stolen-tunnel-id-is-worth-nothing", test_stolen_tunnel_id_is_worth_nothing);
  ADD ("join-reaches-the-worker-that-owns-the-tunnel",
       test_join_reaches_the_worker_that_owns_the_tunnel);
  return g_test_run ();
}
