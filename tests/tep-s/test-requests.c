/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lease requests that the media side takes a while for. */
#include "world.h"

#define NO_ANSWER 1 /* of client_answer() */

typedef struct {
  World *world;
  Client *client;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->world = world_new (NULL, 1);
  fixture->client = client_new (fixture->world, "198.18.0.1:1000");
  client_open (fixture->client, TRUE);
  fixture->world->is_media_slow = TRUE;
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  world_check_laws (fixture->world);
  client_free (fixture->client);
  world_free (fixture->world);
}

static void
finish (Fixture *fixture, gboolean is_usable)
{
  tep_server_core_leased (fixture->world->cores[0], fixture->world->pending, is_usable);
  world_flush (fixture->world);
}

static void
test_answered_when_usable (Fixture *fixture, gconstpointer data)
{
  Client *client = fixture->client;
  StunExtTepLeased leased;
  StunExtTepSuccess success;

  g_assert_cmpuint (client_lease (client, 5000, &leased), ==, NO_ANSWER);
  finish (fixture, TRUE);
  g_assert_cmpuint (client_answer (client, client->peer, STUN_EXT_TEP_LEASE, &success), ==, 0);
  g_assert_cmpuint (success.leased.address.port, ==, 5000);
  g_assert_cmpuint (success.leased.lifetime_s, ==, 600);
  g_assert_cmpuint (client_flow (client, &success.leased, 1, WORLD_REMOTE), ==, 0);
}

static void
test_refused_when_not (Fixture *fixture, gconstpointer data)
{
  Client *client = fixture->client;
  StunExtTepLeased leased;

  g_assert_cmpuint (client_lease (client, 5000, &leased), ==, NO_ANSWER);
  finish (fixture, FALSE);
  g_assert_cmpuint (client_answer (client, client->peer, STUN_EXT_TEP_LEASE, NULL), ==,
                    STUN_EXT_CODE_INSUFFICIENT_CAPACITY);
  g_assert_cmpuint (fixture->world->n_media_bindings, ==, 0);
  g_assert_cmpuint (world_count (fixture->world, TEP_SERVER_COUNTER_LEASES_REFUSED), ==, 1);
  fixture->world->is_media_slow = FALSE;
  g_assert_cmpuint (client_lease (client, 5000, &leased), ==, 0);
  g_assert_cmpuint (leased.address.port, ==, 5000);
}

/* Several at once, done in another order. */
static void
test_several (Fixture *fixture, gconstpointer data)
{
  Client *client = fixture->client;
  TepServerBinding *bindings[3];
  StunExtTepLeased leased;
  StunExtTepSuccess success;

  for (guint16 i = 0; i < 3; i++) {
    g_assert_cmpuint (client_lease (client, (guint16)(5000 + i), &leased), ==, NO_ANSWER);
    bindings[i] = fixture->world->pending;
  }
  for (guint16 i = 3; i-- > 0;) {
    fixture->world->pending = bindings[i];
    finish (fixture, TRUE);
    g_assert_cmpuint (client_answer (client, client->peer, STUN_EXT_TEP_LEASE, &success), ==, 0);
    g_assert_cmpuint (success.leased.address.port, ==, 5000 + i);
  }
}

static void
test_connection_gone (Fixture *fixture, gconstpointer data)
{
  gboolean is_usable = GPOINTER_TO_INT (data);
  StunExtTepLeased leased;

  g_assert_cmpuint (client_lease (fixture->client, 5000, &leased), ==, NO_ANSWER);
  peer_hang_up (fixture->client->peer);
  finish (fixture, is_usable);
  g_assert_cmpuint (fixture->world->n_media_bindings, ==, is_usable ? 1 : 0);
}

/* Released before it was usable: by the client, by the end of its tunnel. */
static void
test_released (Fixture *fixture, gconstpointer data)
{
  Client *client = fixture->client;
  StunExtTepRequest request = { .kind = GPOINTER_TO_INT (data) };
  StunExtTepLeased leased;

  g_assert_cmpuint (client_lease (client, 5000, &leased), ==, NO_ANSWER);
  g_assert_cmpuint (client_ask (client, &request, NULL), ==, 0);
  g_assert_cmpuint (fixture->world->n_media_bindings, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, data, function)                                                                  \
  g_test_add ("/tep-s/requests/pending-lease/" name, Fixture, data, set_up, function, tear_down)
  ADD ("is-answered-when-usable", NULL, test_answered_when_usable);
  ADD ("is-refused-when-it-cannot-be", NULL, test_refused_when_not);
  ADD ("one-of-several", NULL, test_several);
  ADD ("of-a-lost-connection/usable", GINT_TO_POINTER (TRUE), test_connection_gone);
  ADD ("of-a-lost-connection/refused", GINT_TO_POINTER (FALSE), test_connection_gone);
  ADD ("released-meanwhile", GINT_TO_POINTER (STUN_EXT_TEP_REFRESH), test_released);
  ADD ("tunnel-closed-meanwhile", GINT_TO_POINTER (STUN_EXT_TEP_CLOSE), test_released);
#undef ADD
  return g_test_run ();
}
