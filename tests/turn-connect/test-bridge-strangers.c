/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who else may come to a bridge: proxy clients with a password, those without, and programs that want the web. */
#include "bridge-world.h"

#include "peers.h"

#include <string.h>
#include <unistd.h>

static void
ask_as_proxy (BridgeWorld *world, int client, const char *password)
{
  g_autofree char *plain =
      g_strconcat (turn_connect_bridge_get_user (world->bridge), ":", password, NULL);
  g_autofree char *login = g_base64_encode ((const guint8 *)plain, strlen (plain));
  g_autofree char *head =
      g_strdup_printf ("CONNECT %s:%u HTTP/1.0\r\nHost: x\r\n"
                       "Proxy-Authorization: Basic %s\r\n\r\n",
                       turn_connect_bridge_get_literal (world->bridge, 1, G_SOCKET_FAMILY_IPV6),
                       TURN_CONNECT_BRIDGE_LITERAL_PORT, login);

  support_write_all (client, head, strlen (head));
  bridge_world_expect (client, BRIDGE_WORLD_UP, strlen (BRIDGE_WORLD_UP));
}

static void
test_proxy_clients_log_in (void)
{
  guint8 asked[256];
  gsize n_asked;
  int client, server;
  BridgeWorld world;

  bridge_world_open (&world, TRUE);
  client = support_call (world.port);
  ask_as_proxy (&world, client, turn_connect_bridge_get_password (world.bridge));
  n_asked = bridge_world_allocate (client, asked, 1);
  server = bridge_world_accept (&world);
  bridge_world_expect (server, asked, n_asked);
  close (server);
  close (client);

  client = support_call (world.port);
  ask_as_proxy (&world, client, "guess");
  g_assert_cmpuint (world.last_server, ==, 0);
  bridge_world_allocate (client, asked, 2);
  bridge_world_expect_refusal (client, 2, "wrong user or password");
  g_assert_false (support_has_visitor (world.listener));
  close (client);
  bridge_world_close (&world);
}

static void
test_strangers_are_hung_up_on (void)
{
  g_autoptr (GError) cause = NULL;
  guint8 octets[256];
  TurnConnectBridgeCounts counts;
  guint16 proxy_port;
  gint64 began_us;
  int client;
  BridgeWorld world;

  bridge_world_open (&world, TRUE);
  g_assert_true (turn_connect_bridge_listen (world.bridge, NULL, 0, 0, &proxy_port, NULL));
  began_us = g_get_monotonic_time ();
  client = support_call (proxy_port);
  bridge_world_allocate (client, octets, 1);
  g_assert_cmpuint (support_receive (client, octets, sizeof octets), ==, 0);
  close (client);

  world.bridge->uids[0]++; /* now we are another user */
  client = support_call (world.port);
  bridge_world_allocate (client, octets, 1);
  g_assert_cmpuint (support_receive (client, octets, sizeof octets), ==, 0);
  close (client);
  cause = turn_connect_bridge_dup_cause (world.bridge, 0);
  g_assert_nonnull (strstr (cause->message, "another user"));
  /* Of those within a second one is told. */
  g_assert_cmpuint (world.n_failed, <=,
                    g_get_monotonic_time () - began_us < G_USEC_PER_SEC ? 1 : 2);
  turn_connect_bridge_allow_uid (world.bridge, geteuid ());
  client = support_call (world.port);
  bridge_world_allocate (client, octets, 1);
  close (bridge_world_accept (&world));
  close (client);
  turn_connect_bridge_get_counts (world.bridge, &counts);
  g_assert_cmpuint (counts.n_refused, ==, 2);
  g_assert_cmpuint (counts.n_accepted, ==, 3);
  bridge_world_close (&world);
}

static void
test_silent_strangers_keep_nobody_out (void)
{
  guint8 octets[256];
  int strangers[64];
  int client;
  BridgeWorld world;

  bridge_world_open (&world, TRUE);
  for (gsize i = 0; i < G_N_ELEMENTS (strangers); i++)
    strangers[i] = support_call (world.port);
  while (world.bridge->n_unknown < G_N_ELEMENTS (strangers))
    g_main_context_iteration (NULL, TRUE);
  client = support_call (world.port); /* ours */
  bridge_world_allocate (client, octets, 1);
  close (bridge_world_accept (&world));
  world.bridge->uids[0]++;
  close (client);
  client = support_call (world.port); /* another's: not even waited for */
  g_assert_cmpuint (support_receive (client, octets, sizeof octets), ==, 0);
  close (client);
  for (gsize i = 0; i < G_N_ELEMENTS (strangers); i++)
    close (strangers[i]);
  while (world.bridge->n_unknown > 0)
    g_main_context_iteration (NULL, TRUE);
  bridge_world_close (&world);
}

/* Whoever may not come in is kept, as a client could not stand being hung up on, but not without
 * end: each has one of the places that those who may come in need. */
static void
test_denied_strangers_take_few_places (void)
{
  guint8 octets[256];
  int strangers[64];
  int client;
  BridgeWorld world;

  bridge_world_open (&world, TRUE);
  for (gsize i = 0; i < G_N_ELEMENTS (strangers); i++) {
    strangers[i] = support_call (world.port);
    ask_as_proxy (&world, strangers[i], "guess");
  }
  client = support_call (world.port);
  ask_as_proxy (&world, client, "guess");
  g_assert_cmpuint (support_receive (client, octets, sizeof octets), ==, 0);
  close (client);
  g_assert_cmpuint (world.bridge->passages.length, ==, G_N_ELEMENTS (strangers));
  bridge_world_allocate (strangers[0], octets, 1);
  bridge_world_expect_refusal (strangers[0], 1, "wrong user or password");
  for (gsize i = 0; i < G_N_ELEMENTS (strangers); i++)
    close (strangers[i]);
  while (world.bridge->passages.length > 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (world.bridge->n_unknown, ==, 0);
  client = support_call (world.port); /* there is room again */
  ask_as_proxy (&world, client, "guess");
  bridge_world_allocate (client, octets, 2);
  bridge_world_expect_refusal (client, 2, "wrong user or password");
  close (client);
  bridge_world_close (&world);
}

static void
test_stream_that_says_nothing_of_http_is_answered_and_closed (void)
{
  static const char *const texts[] = { "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HELO\r\n\r\n",
                                       "CONNECT nowhere HTTP/1.1\r\n\r\n" };
  guint8 octets[256];
  BridgeWorld world;

  bridge_world_open (&world, TRUE);
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++) {
    int client = support_call (world.port);

    support_write_all (client, texts[i], strlen (texts[i]));
    g_assert_cmpuint (support_receive (client, octets, sizeof octets), >, 20);
    g_assert_cmpmem (octets, 11, "HTTP/1.0 40", 11);
    g_assert_cmpuint (support_receive (client, octets, sizeof octets), ==, 0);
    close (client);
  }
  g_assert_false (support_has_visitor (world.listener));
  bridge_world_close (&world);
}

#define ADD(name, function) g_test_add_func ("/turn-connect/bridge/" name, function)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("proxy-clients-log-in", test_proxy_clients_log_in);
  ADD ("strangers-are-hung-up-on", test_strangers_are_hung_up_on);
  ADD ("silent-strangers-keep-nobody-out", test_silent_strangers_keep_nobody_out);
  ADD ("denied-strangers-take-few-places", test_denied_strangers_take_few_places);
  ADD ("web-requests-are-answered-and-closed",
       test_stream_that_says_nothing_of_http_is_answered_and_closed);
  return g_test_run ();
}
