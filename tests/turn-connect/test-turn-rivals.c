/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A TURN server whose name has several addresses, over plain UDP: the one that answers is found, and soon. */
#include "turn-mock-server.h"
#include "turn-world.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DELAY_MS 250 /* RFC 8305 */
#define SLACK_MS 700 /* this machine may be busy; less than what three delays make */

static guint
count_datagrams (int descriptor)
{
  char buffer[2048];
  guint n = 0;

  while (recv (descriptor, buffer, sizeof buffer, MSG_DONTWAIT) >= 0)
    n++;
  return n;
}

/* The server is at the last of these addresses. */
static TurnConnectTarget *
target_among (const char *others, guint16 port)
{
  g_autofree char *all = g_strconcat (others, ",", peers_address (), NULL);

  support_resolver_set ("many.test", all);
  return turn_connect_target_new ("many.test", port, NULL);
}

static void
open_world (World *world, TurnConnectTarget *target)
{
  world_open (world, target, TURN_CONNECT_CARRIER_DATAGRAM);
  turn_connect_client_set_mobility (world->client, FALSE);
}

static gint64
allocate_ms (World *world)
{
  gint64 began = g_get_monotonic_time ();

  world_allocate (world);
  return (g_get_monotonic_time () - began) / 1000;
}

static void
test_next_address_is_tried_while_one_is_silent (void)
{
  g_auto (TurnServer) server = { 0 };
  g_autoptr (TurnConnectTarget) target = NULL;
  g_auto (World) world = { 0 };
  int silent;
  gint64 took_ms;

  turn_server_open (&server, TURN_SERVER_UDP, NULL, turn_server_behave);
  silent = support_bind_datagrams_at ("::1", server.port);
  target = target_among ("::1", server.port);
  open_world (&world, target);
  took_ms = allocate_ms (&world);
  g_assert_no_error (world.error);
  g_assert_cmpint (took_ms, >=, DELAY_MS);
  g_assert_cmpint (took_ms, <, DELAY_MS + SLACK_MS);
  g_assert_cmpuint (count_datagrams (silent), ==, 1);
  /* Lost and made again: now what works is tried first. */
  turn_connect_client_reconnect (world.client);
  world_wait_ready (&world);
  g_assert_cmpuint (count_datagrams (silent), ==, 0);
  close (silent);
}

static void
test_refused_address_costs_no_time (void)
{
  g_auto (TurnServer) server = { 0 };
  g_autoptr (TurnConnectTarget) target = NULL;
  g_auto (World) world = { 0 };

  turn_server_open (&server, TURN_SERVER_UDP, NULL, turn_server_behave);
  target = target_among ("::1,127.0.0.7,127.0.0.8", server.port);
  open_world (&world, target);
  g_assert_cmpint (allocate_ms (&world), <, SLACK_MS);
  g_assert_no_error (world.error);
}

static void
test_three_silent_ones_cost_three_delays (void)
{
  static const char *const ips[] = { "::1", "127.0.0.7", "127.0.0.8" };
  g_auto (TurnServer) server = { 0 };
  g_autoptr (TurnConnectTarget) target = NULL;
  g_auto (World) world = { 0 };
  int silent[3];
  gint64 took_ms;

  turn_server_open (&server, TURN_SERVER_UDP, NULL, turn_server_behave);
  for (guint i = 0; i < 3; i++)
    silent[i] = support_bind_datagrams_at (ips[i], server.port);
  target = target_among ("::1,127.0.0.7,127.0.0.8", server.port);
  open_world (&world, target);
  took_ms = allocate_ms (&world);
  g_assert_no_error (world.error);
  g_assert_cmpint (took_ms, <, 3 * DELAY_MS + SLACK_MS);
  for (guint i = 0; i < 3; i++) {
    /* The first was asked again after 500 ms, as UDP is. */
    g_assert_cmpuint (count_datagrams (silent[i]), <=, 3);
    close (silent[i]);
  }
}

static void
test_nobody_anywhere_is_told (void)
{
  g_autoptr (TurnConnectTarget) target = target_among ("::1,127.0.0.7", peers_free_port ());
  g_auto (World) world = { 0 };

  open_world (&world, target);
  g_assert_cmpint (allocate_ms (&world), <, SLACK_MS);
  g_assert_error (world.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_REFUSED);
  g_assert_nonnull (strstr (world.error->message, "the TURN server many.test:"));
}

/* Octets, or an answer to something else, are no reason to take this one. */
static void
babble (TurnVisitor *visitor, const StunExtMessage *request)
{
  StunExtMessage other = *request;
  MockMessage message;

  turn_visitor_say_octets (visitor, "hello", 5);
  other.transaction_id[0] ^= 1;
  mock_challenge (&message, &other, 401, "nonce");
  turn_visitor_say (visitor, &message);
}

static void
test_who_babbles_has_not_won (void)
{
  g_auto (TurnServer) server = { 0 };
  g_auto (TurnServer) babbler = { 0 };
  g_autoptr (TurnConnectTarget) target = NULL;
  g_auto (World) world = { 0 };
  gint64 took_ms;

  turn_server_open (&server, TURN_SERVER_UDP, NULL, turn_server_behave);
  turn_server_open_at (&babbler, "::1", server.port, babble);
  target = target_among ("::1", server.port);
  open_world (&world, target);
  took_ms = allocate_ms (&world);
  g_assert_no_error (world.error);
  g_assert_cmpint (took_ms, >=, DELAY_MS);
  g_assert_cmpuint (babbler.n_requests, ==, 1);
}

static guint n_refused;

static void
note_closed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (
      turn_connect_client_allocate_finish (TURN_CONNECT_CLIENT (source), result, &error));
  if (!g_error_matches (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_CLOSED))
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  n_refused++;
}

static void
test_it_can_be_cancelled_at_any_moment (void)
{
  g_auto (TurnServer) server = { 0 };
  g_autoptr (TurnConnectTarget) target = NULL;
  int silent[2];

  turn_server_open (&server, TURN_SERVER_UDP, NULL, turn_server_behave);
  silent[0] = support_bind_datagrams_at ("::1", server.port);
  silent[1] = support_bind_datagrams_at ("127.0.0.7", server.port);
  target = target_among ("::1,127.0.0.7", server.port);
  for (guint turns = 0; turns < 12; turns++) {
    g_autoptr (GCancellable) cancellable = g_cancellable_new ();
    g_auto (World) world = { 0 };

    open_world (&world, target);
    turn_connect_client_allocate_async (world.client, cancellable, note_closed, NULL);
    for (guint i = 0; i < turns / 2; i++)
      g_main_context_iteration (NULL, TRUE);
    if (turns % 2 == 0)
      g_cancellable_cancel (cancellable);
    else
      turn_connect_client_close_async (world.client, NULL, NULL);
    while (n_refused <= turns)
      g_main_context_iteration (NULL, TRUE);
    support_run_for (1);
  }
  close (silent[0]);
  close (silent[1]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  support_resolver_install ();
#define ADD(name, function) g_test_add_func ("/turn-connect/turn-rivals/" name, function)
  ADD ("next-address-is-tried-while-one-is-silent", test_next_address_is_tried_while_one_is_silent);
  ADD ("refused-address-costs-no-time", test_refused_address_costs_no_time);
  ADD ("three-silent-ones-cost-three-delays", test_three_silent_ones_cost_three_delays);
  ADD ("nobody-anywhere-is-told", test_nobody_anywhere_is_told);
  ADD ("who-babbles-has-not-won", test_who_babbles_has_not_won);
  ADD ("it-can-be-cancelled-at-any-moment", test_it_can_be_cancelled_at_any_moment);
  return g_test_run ();
}
