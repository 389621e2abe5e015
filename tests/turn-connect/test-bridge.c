/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bridge-world.h"

#include "peers.h"

#include "stun-ext/attribute.h"
#include "stun-ext/channel-data.h"
#include "stun-ext/integrity.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_US (10 * G_USEC_PER_SEC)

static void
test_what_cannot_be_safe_is_refused (void)
{
  g_autoptr (TurnConnectBridge) bridge = turn_connect_bridge_new ();
  g_autoptr (TurnConnectTarget) plain = turn_connect_target_new ("turn.example.org", 443, NULL);
  static const char *const addresses[] = { "0.0.0.0", "::", "192.0.2.1", "localhost", "" };
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (
      turn_connect_bridge_add_server (bridge, plain, TURN_CONNECT_BRIDGE_NONE, &error), ==, 0);
  g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID);
  for (gsize i = 0; i < G_N_ELEMENTS (addresses); i++)
    g_assert_false (turn_connect_bridge_listen (bridge, addresses[i], 0, 0, NULL, NULL));
  g_assert_false (turn_connect_bridge_listen (bridge, NULL, 0, 1, NULL, NULL));
  g_assert_false (turn_connect_bridge_listen (bridge, NULL, 70000, 0, NULL, NULL));
  g_assert_false (turn_connect_bridge_set_credentials (bridge, "a:b", "c", NULL));
  g_assert_cmpuint (strlen (turn_connect_bridge_get_password (bridge)), ==, 32);
  g_assert_cmpstr (turn_connect_bridge_get_password (bridge), !=,
                   turn_connect_bridge_get_user (bridge));
}

static void
test_both_directions_pass (void)
{
  guint8 asked[256], answered[256];
  gsize n_asked, n_answered;
  int client, server;
  BridgeWorld world;

  bridge_world_open (&world, TRUE);
  client = support_call (world.port);
  n_asked = bridge_world_allocate (client, asked, 1);
  server = bridge_world_accept (&world);
  bridge_world_expect (server, asked, n_asked);
  n_answered =
      bridge_world_message (answered, STUN_EXT_CLASS_SUCCESS, STUN_EXT_METHOD_ALLOCATE, 1, NULL);
  support_write_all (server, answered, n_answered);
  bridge_world_expect (client, answered, n_answered);
  g_assert_cmpuint (world.n_failed, ==, 0);
  close (client);
  g_assert_cmpuint (support_receive (server, answered, sizeof answered), ==, 0);
  close (server);
  bridge_world_close (&world);
}

static void
test_cause_is_answered_and_told_and_the_stream_stays (void)
{
  g_autoptr (GError) cause = NULL;
  guint8 asked[256];
  int client;
  BridgeWorld world;

  bridge_world_open (&world, FALSE);
  client = support_call (world.port);
  for (guint8 id = 1; id < 4; id++) {
    bridge_world_allocate (client, asked, id);
    bridge_world_expect_refusal (client, id, "refused");
  }
  g_assert_cmpuint (world.n_failed, ==, 1);
  g_assert_cmpuint (world.last_server, ==, 1);
  cause = turn_connect_bridge_dup_cause (world.bridge, 1);
  g_assert_error (cause, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_REFUSED);
  close (client);
  bridge_world_close (&world);
}

static void
test_redirection_goes_where_it_points (void)
{
  guint8 asked[256], answered[256];
  guint16 other_port = 0;
  int other = support_listen (peers_address (), 4, &other_port);
  g_autofree char *place = g_strdup_printf ("%s:%u", peers_address (), other_port);
  gsize n_asked, n_answered;
  int client, server;
  BridgeWorld world;

  bridge_world_open (&world, TRUE);
  client = support_call (world.port);
  n_asked = bridge_world_allocate (client, asked, 1);
  server = bridge_world_accept (&world);
  bridge_world_expect (server, asked, n_asked);
  n_answered =
      bridge_world_message (answered, STUN_EXT_CLASS_ERROR, STUN_EXT_METHOD_ALLOCATE, 1, place);
  support_write_all (server, answered, n_answered);
  support_await (other);
  close (server);
  server = support_accept (other);
  bridge_world_expect (server, asked, n_asked);
  n_answered =
      bridge_world_message (answered, STUN_EXT_CLASS_SUCCESS, STUN_EXT_METHOD_ALLOCATE, 1, NULL);
  support_write_all (server, answered, n_answered);
  bridge_world_expect (client, answered, n_answered);
  g_assert_cmpuint (world.n_failed, ==, 0);
  close (server);
  close (other);
  close (client);
  bridge_world_close (&world);
}

/* Counts the units that arrive until the request with this transaction id, which has to be among
 * them. */
static guint
count_until (int descriptor, guint8 id)
{
  g_autoptr (GByteArray) all = g_byte_array_new ();
  guint n = 0;

  for (;;) {
    guint8 octets[65536];
    gsize at = 0;

    g_byte_array_append (all, octets, (guint)support_receive (descriptor, octets, sizeof octets));
    for (n = 0; at < all->len; n++) {
      gsize whole = 0;

      if (stun_ext_channel_data_measure (all->data + at, all->len - at, &whole) !=
              STUN_EXT_PARSE_OK ||
          whole > all->len - at)
        break;
      if (all->data[at] == 0 && all->data[at + 8] == id)
        return n;
      at += whole;
    }
  }
}

static void
test_blocked_server_costs_media_and_no_stun (void)
{
  guint8 octets[2048];
  TurnConnectBridgeCounts counts;
  const guint n_units = 20000;
  guint n_sent = 0;
  StunExtWriter writer;
  int client, server;
  BridgeWorld world;

  bridge_world_open (&world, TRUE);
  client = support_call (world.port);
  bridge_world_allocate (client, octets, 1);
  server = bridge_world_accept (&world);
  g_assert_cmpuint (count_until (server, 1), ==, 0);
  stun_ext_writer_init (&writer, octets, sizeof octets);
  stun_ext_channel_data_write (&writer, 0x4000, octets + 1024, 1000, TRUE);
  /* The server reads nothing, and the client is never held up by that. */
  for (; n_sent < n_units; n_sent++) {
    support_write_all (client, octets, writer.length);
    while (g_main_context_iteration (NULL, FALSE))
      ;
  }
  bridge_world_allocate (client, octets, 2);
  support_run_for (20);
  n_sent = count_until (server, 2);
  turn_connect_bridge_get_counts (world.bridge, &counts);
  g_assert_cmpuint (n_sent, <, n_units);
  g_assert_cmpuint (counts.n_dropped_to_server, ==, n_units - n_sent);
  close (server);
  close (client);
  bridge_world_close (&world);
}

static void
test_closing_is_safe_at_every_step (void)
{
  for (guint n = 0; n < 12; n++) {
    guint8 octets[256];
    BridgeWorld world;
    int client;

    bridge_world_open (&world, n % 2 == 0);
    client = support_call (world.port);
    bridge_world_allocate (client, octets, 1);
    for (guint i = 0; i < n; i++)
      g_main_context_iteration (NULL, FALSE);
    bridge_world_close (&world);
    close (client);
  }
}

static void
test_application_may_close_when_told (void)
{
  guint8 octets[256];
  BridgeWorld world;
  int client;

  bridge_world_open (&world, FALSE);
  world.closes = TRUE;
  client = support_call (world.port);
  bridge_world_allocate (client, octets, 1);
  g_assert_cmpuint (support_receive (client, octets, sizeof octets), ==, 0);
  g_assert_cmpuint (world.n_failed, ==, 1);
  close (client);
  bridge_world_close (&world);
}

/* The bridge has one clock for all of them. */
static void
test_each_client_has_its_own_deadline (void)
{
  gint64 asked_us[4], budget_us = 200 * 1000;
  guint8 octets[256];
  int clients[4];
  BridgeWorld world;

  bridge_world_open (&world, TRUE); /* it takes connections and says nothing */
  turn_connect_bridge_set_budget (world.bridge, (guint)(budget_us / 1000));
  for (guint8 i = 0; i < 4; i++) {
    clients[i] = support_call (world.port);
    asked_us[i] = g_get_monotonic_time ();
    bridge_world_allocate (clients[i], octets, i);
    support_run_for (30);
  }
  for (guint8 i = 0; i < 4; i++) {
    bridge_world_expect_refusal (clients[i], i, "server");
    g_assert_cmpint (g_get_monotonic_time (), >=, asked_us[i] + budget_us);
    close (clients[i]);
  }
  g_assert_cmpuint (world.n_failed, ==, 4);
  bridge_world_close (&world);
}

static void
test_application_may_close_when_told_of_one_of_several (void)
{
  guint8 octets[256];
  int clients[8];
  BridgeWorld world;

  bridge_world_open (&world, TRUE);
  world.closes = TRUE;
  turn_connect_bridge_set_budget (world.bridge, 100);
  for (guint8 i = 0; i < 8; i++) {
    clients[i] = support_call (world.port);
    bridge_world_allocate (clients[i], octets, i);
  }
  for (guint8 i = 0; i < 8; i++) {
    /* All are due in the same turn; an answer may have been written before the end. */
    while (support_receive (clients[i], octets, sizeof octets) > 0)
      ;
    close (clients[i]);
  }
  g_assert_cmpuint (world.n_failed, ==, 1);
  bridge_world_close (&world);
}

static void
prepared (GObject *source, GAsyncResult *result, gpointer data)
{
  GError **error = data;

  if (turn_connect_bridge_prepare_finish (TURN_CONNECT_BRIDGE (source), result, error))
    *error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_FAILED, "it is there");
}

static void
prepare (BridgeWorld *world, guint n, GError **error)
{
  gint64 deadline = g_get_monotonic_time () + PATIENCE_US;

  turn_connect_bridge_prepare_async (world->bridge, 1, n, NULL, prepared, error);
  while (*error == NULL) {
    g_assert_cmpint (g_get_monotonic_time (), <, deadline);
    g_main_context_iteration (NULL, TRUE);
  }
}

static void
test_streams_opened_ahead_are_used (void)
{
  g_autoptr (GError) error = NULL;
  TurnConnectBridgeCounts counts;
  guint8 asked[256];
  gsize n_asked;
  int client, servers[2];
  BridgeWorld world;

  bridge_world_open (&world, TRUE);
  prepare (&world, 2, &error);
  g_assert_cmpstr (error->message, ==, "it is there");
  servers[0] = bridge_world_accept (&world);
  servers[1] = bridge_world_accept (&world);
  turn_connect_bridge_get_counts (world.bridge, &counts);
  g_assert_cmpuint (counts.n_spares, ==, 2);
  close (servers[0]); /* one does not last: the other is taken */
  client = support_call (world.port);
  n_asked = bridge_world_allocate (client, asked, 1);
  bridge_world_expect (servers[1], asked, n_asked);
  turn_connect_bridge_get_counts (world.bridge, &counts);
  g_assert_cmpuint (counts.n_dialled, ==, 2);
  g_assert_cmpuint (counts.n_spares, ==, 0);
  close (servers[1]);
  close (client);
  bridge_world_close (&world);
}

static void
test_preparing_says_why_not (void)
{
  g_autoptr (GError) error = NULL;
  BridgeWorld world;

  bridge_world_open (&world, FALSE);
  prepare (&world, 3, &error);
  g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_REFUSED);
  bridge_world_close (&world);
}

#define ADD(name, function) g_test_add_func ("/turn-connect/bridge/" name, function)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("what-cannot-be-safe-is-refused", test_what_cannot_be_safe_is_refused);
  ADD ("both-directions-pass", test_both_directions_pass);
  ADD ("cause-is-answered-and-told-and-the-stream-stays",
       test_cause_is_answered_and_told_and_the_stream_stays);
  ADD ("redirection-goes-where-it-points", test_redirection_goes_where_it_points);
  ADD ("blocked-server-costs-media-and-no-stun", test_blocked_server_costs_media_and_no_stun);
  ADD ("closing-is-safe-at-every-step", test_closing_is_safe_at_every_step);
  ADD ("application-may-close-when-told", test_application_may_close_when_told);
  ADD ("each-client-has-its-own-deadline", test_each_client_has_its_own_deadline);
  ADD ("application-may-close-when-told-of-one-of-several",
       test_application_may_close_when_told_of_one_of_several);
  ADD ("streams-opened-ahead-are-used", test_streams_opened_ahead_are_used);
  ADD ("preparing-says-why-not", test_preparing_says_why_not);
  return g_test_run ();
}
