/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bridge that logs in itself, between a client of TURN and a server, both of which say what they like and leave when
 * they like. */
#include "turn-connect/local/bridge-private.h"
#include "turn-connect/local/session-private.h"

#include "peers.h"
#include "session-world.h"
#include "turn-mock.h"

#include <glib-unix.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void
test_the_whole_and_back (void)
{
  TurnConnectBridgeCounts counts;
  SessionWorld world;

  session_open (&world);
  session_allocate (&world);
  g_assert_cmpuint (world.n_connected, ==, 1);
  g_assert_cmpuint (session_request (&world, STUN_EXT_METHOD_CREATE_PERMISSION, 0, SESSION_PEER),
                    ==, 0);
  g_assert_cmpuint (session_request (&world, STUN_EXT_METHOD_CHANNEL_BIND, 0x4003, SESSION_PEER),
                    ==, 0);
  session_assert_passes (&world);
  turn_connect_bridge_get_counts (world.bridge, &counts);
  g_assert_cmpuint (counts.n_streams, ==, 1);
  g_assert_cmpuint (counts.n_up, ==, 1);
  g_assert_cmpuint (counts.n_dialled, ==, 1);
  g_assert_cmpuint (counts.n_to_client, ==, 1);
  session_leave (&world);
  session_run_until (&world, &world.n_released, 1);
  turn_connect_bridge_get_counts (world.bridge, &counts);
  g_assert_cmpuint (counts.n_streams, ==, 0);
  g_assert_cmpuint (counts.n_to_client, ==, 1);
  g_assert_cmpuint (world.n_failed, ==, 0);
  session_close (&world);
}

static void
test_nothing_is_dialled_for_a_wrong_login (void)
{
  SessionWorld world;

  session_open (&world);
  session_get_nonce (&world);
  world.user = "nobody";
  for (guint i = 0; i < 3; i++)
    g_assert_cmpuint (session_request (&world, STUN_EXT_METHOD_ALLOCATE, 0, NULL), ==, 401);
  world.user = turn_connect_bridge_get_user (world.bridge);
  world.key.octets[0] ^= 1;
  g_assert_cmpuint (session_request (&world, STUN_EXT_METHOD_ALLOCATE, 0, NULL), ==, 401);
  g_assert_cmpuint (world.n_visitors, ==, 0);
  session_close (&world);
}

static void
test_ticket_keeps_the_call (void)
{
  SessionWorld world;

  session_open (&world);
  world.ticket = "the ticket";
  session_allocate (&world);
  g_assert_cmpuint (session_request (&world, STUN_EXT_METHOD_CHANNEL_BIND, 0x4003, SESSION_PEER),
                    ==, 0);
  session_assert_passes (&world);
  world.relayed = "192.0.2.1:50009"; /* of any allocation made anew */
  for (guint i = 1; i <= 2; i++) {
    session_hang_up (&world);
    session_run_until (&world, &world.n_connected, 1 + i);
    session_assert_passes (&world);
    g_assert_cmpuint (session_request (&world, STUN_EXT_METHOD_CREATE_PERMISSION, 0, SESSION_PEER),
                      ==, 0);
  }
  g_assert_cmpuint (world.n_visitors, ==, 3);
  g_assert_cmpuint (world.n_failed, ==, 2);
  g_assert_nonnull (strstr (world.cause, "the TURN server"));
  session_close (&world);
}

static void
test_the_same_address_keeps_the_call (void)
{
  SessionWorld world;

  session_open (&world);
  session_allocate (&world);
  g_assert_cmpuint (session_request (&world, STUN_EXT_METHOD_CHANNEL_BIND, 0x4003, SESSION_PEER),
                    ==, 0);
  session_hang_up (&world);
  /* What is asked meanwhile is answered when the way is there again. */
  g_assert_cmpuint (
      session_request (&world, STUN_EXT_METHOD_CREATE_PERMISSION, 0, "198.51.100.2:1"), ==, 0);
  session_assert_passes (&world);
  g_assert_cmpuint (world.n_connected, ==, 2);
  session_close (&world);
}

static void
test_family_given_back_may_be_lost (void)
{
  for (guint n = 0; n < 2; n++) {
    SessionWorld world;

    session_open (&world);
    world.is_both = TRUE;
    world.relayed_also = "[2001:db8::1]:50000";
    session_allocate (&world);
    if (n == 1)
      g_assert_cmpuint (session_request (&world, STUN_EXT_METHOD_REFRESH, 0, NULL), ==, 0);
    world.relayed_also = NULL;
    session_hang_up (&world);
    if (n == 1)
      session_run_until (&world, &world.n_connected, 2);
    else
      session_run_until (&world, &world.n_failed, 2);
    session_close (&world);
  }
}

static void
test_another_address_ends_it_with_the_cause (void)
{
  char reason[256];
  SessionWorld world;

  session_open (&world);
  session_allocate (&world);
  world.relayed = "192.0.2.1:50009";
  session_hang_up (&world);
  session_run_until (&world, &world.n_failed, 2);
  g_assert_nonnull (strstr (world.cause, "the relayed address was lost"));
  g_assert_nonnull (strstr (world.cause, "ended the connection"));
  session_ask (&world, STUN_EXT_METHOD_CREATE_PERMISSION, TRUE, 0, SESSION_PEER);
  g_assert_cmpuint (session_hear_answer (&world, reason), ==, 400);
  g_assert_nonnull (strstr (reason, "the relayed address was lost"));
  session_run_until (&world, &world.n_released, 1); /* what nobody can use is given back */
  session_close (&world);
}

static void
test_server_that_leaves_at_every_step (void)
{
  for (guint n = 1; n <= 5; n++) {
    SessionWorld world;

    session_open (&world);
    world.close_after = n;
    session_get_nonce (&world);
    g_assert_cmpuint (session_request (&world, STUN_EXT_METHOD_ALLOCATE, 0, NULL), ==,
                      n <= 2 ? 400 : 0);
    if (n > 2) {
      g_assert_cmpuint (
          session_request (&world, STUN_EXT_METHOD_CREATE_PERMISSION, 0, SESSION_PEER), ==, 0);
      g_assert_cmpuint (
          session_request (&world, STUN_EXT_METHOD_CHANNEL_BIND, 0x4003, SESSION_PEER), ==, 0);
      session_assert_passes (&world);
    }
    g_assert_cmpuint (world.n_failed, ==, n <= 4);
    session_close (&world);
  }
}

static void
test_client_that_leaves_at_every_step (void)
{
  for (guint n = 0; n < 5; n++) {
    TurnConnectBridgeCounts counts;
    SessionWorld world;

    session_open (&world);
    session_get_nonce (&world);
    if (n >= 1)
      session_ask (&world, STUN_EXT_METHOD_ALLOCATE, TRUE, 0, NULL);
    if (n >= 2)
      g_assert_cmpuint (session_hear_answer (&world, NULL), ==, 0);
    if (n >= 3)
      session_ask (&world, STUN_EXT_METHOD_CHANNEL_BIND, TRUE, 0x4003, SESSION_PEER);
    if (n >= 4)
      g_assert_cmpuint (session_hear_answer (&world, NULL), ==, 0);
    session_leave (&world);
    if (n >= 2)
      session_run_until (&world, &world.n_released, 1);
    support_run_for (20);
    turn_connect_bridge_get_counts (world.bridge, &counts);
    g_assert_cmpuint (counts.n_streams, ==, 0);
    g_assert_cmpuint (world.n_failed, ==, 0);
    session_close (&world);
  }
}

static void
test_application_may_close_when_told (void)
{
  SessionWorld world;

  for (guint n = 1; n <= 3; n++) {
    session_open (&world);
    world.closes = TRUE;
    world.close_after = n;
    session_get_nonce (&world);
    session_ask (&world, STUN_EXT_METHOD_ALLOCATE, TRUE, 0, NULL);
    if (n == 3) {
      g_assert_cmpuint (session_hear_answer (&world, NULL), ==, 0);
      session_ask (&world, STUN_EXT_METHOD_CREATE_PERMISSION, TRUE, 0, SESSION_PEER);
    }
    session_run_until (&world, &world.n_failed, 1);
    g_assert_cmpuint (world.bridge->sessions.length, ==, 0);
    session_close (&world);
  }
}

static void
test_refusals_are_passed_on (void)
{
  SessionWorld world;

  session_open (&world);
  session_allocate (&world);
  world.refusal = 403;
  g_assert_cmpuint (session_request (&world, STUN_EXT_METHOD_CREATE_PERMISSION, 0, SESSION_PEER),
                    ==, 403);
  g_assert_cmpuint (session_request (&world, STUN_EXT_METHOD_CHANNEL_BIND, 0x4003, SESSION_PEER),
                    ==, 403);
  world.refusal = 0;
  g_assert_cmpuint (session_request (&world, STUN_EXT_METHOD_CHANNEL_BIND, 0x4003, SESSION_PEER),
                    ==, 0);
  session_assert_passes (&world);
  session_close (&world);

  /* A server without DONT-FRAGMENT: who wants it has to know, and may ask without at once. */
  session_open (&world);
  session_get_nonce (&world);
  world.is_whole = TRUE;
  g_assert_cmpuint (session_request (&world, STUN_EXT_METHOD_ALLOCATE, 0, NULL), ==, 420);
  session_run_until (&world, &world.n_released, 1);
  world.is_whole = FALSE;
  g_assert_cmpuint (session_request (&world, STUN_EXT_METHOD_ALLOCATE, 0, NULL), ==, 0);
  session_close (&world);
}

static void
test_silent_server_is_told_in_time (void)
{
  char reason[256];
  SessionWorld world;

  session_open (&world);
  turn_connect_bridge_set_budget (world.bridge, 50);
  world.is_silent = TRUE;
  session_get_nonce (&world);
  session_ask (&world, STUN_EXT_METHOD_ALLOCATE, TRUE, 0, NULL);
  g_assert_cmpuint (session_hear_answer (&world, reason), ==, 400);
  g_assert_nonnull (strstr (reason, "within 0.1 s"));
  g_assert_cmpuint (world.n_failed, ==, 1);
  session_close (&world);
}

static void
test_what_is_not_turn_is_hung_up_on (void)
{
  guint8 unit[2048];
  gsize length;
  SessionWorld world;

  session_open (&world);
  session_allocate (&world);
  session_say_octets (world.client, "\xc0\xc0\xc0\xc0", 4);
  g_assert_false (session_hear (&world, unit, &length));
  session_run_until (&world, &world.n_released, 1);
  g_assert_nonnull (strstr (world.cause, "not TURN"));
  session_close (&world);
}

static void
test_credentials_in_use_are_replaced (void)
{
  SessionWorld world;

  session_open (&world);
  g_assert_true (
      turn_connect_bridge_set_turn_credentials (world.bridge, 1, MOCK_USER, "wrong", NULL));
  session_get_nonce (&world);
  g_assert_cmpuint (session_request (&world, STUN_EXT_METHOD_ALLOCATE, 0, NULL), ==, 400);
  g_assert_nonnull (strstr (world.cause, "did not accept user and password"));
  session_leave (&world);
  g_assert_true (
      turn_connect_bridge_set_turn_credentials (world.bridge, 1, MOCK_USER, MOCK_PASSWORD, NULL));
  session_allocate (&world);
  g_assert_true (
      turn_connect_bridge_set_turn_credentials (world.bridge, 1, MOCK_USER, MOCK_PASSWORD, NULL));
  g_assert_cmpuint (session_request (&world, STUN_EXT_METHOD_CHANNEL_BIND, 0x4003, SESSION_PEER),
                    ==, 0);
  session_assert_passes (&world);
  /* A session that is there goes on with those it has, should these not do. */
  g_assert_true (
      turn_connect_bridge_set_turn_credentials (world.bridge, 1, MOCK_USER, "wrong", NULL));
  session_assert_passes (&world);
  session_close (&world);
}

static void
prepared (GObject *source, GAsyncResult *result, gpointer data)
{
  turn_connect_bridge_prepare_finish (TURN_CONNECT_BRIDGE (source), result, NULL);
}

static void
test_streams_opened_ahead_are_taken (void)
{
  TurnConnectBridgeCounts counts;
  SessionWorld world;

  for (guint n = 0; n < 2; n++) {
    session_open (&world);
    turn_connect_bridge_prepare_async (world.bridge, 1, 1, NULL, prepared, NULL);
    if (n == 0)
      session_run_until (&world, &world.n_connected, 1);
    session_allocate (&world);
    turn_connect_bridge_get_counts (world.bridge, &counts);
    g_assert_cmpuint (counts.n_dialled, ==, 1);
    g_assert_cmpuint (counts.n_spares, ==, 0);
    g_assert_cmpuint (world.n_visitors, ==, 1);
    session_close (&world);
  }
  /* And what was claimed may be given up, or not come. */
  for (guint n = 0; n < 2; n++) {
    session_open (&world);
    session_get_nonce (&world);
    if (n == 1) {
      g_source_remove (world.accepting);
      close (world.listener);
      world.listener = -1;
    }
    turn_connect_bridge_prepare_async (world.bridge, 1, 1, NULL, prepared, NULL);
    session_ask (&world, STUN_EXT_METHOD_ALLOCATE, TRUE, 0, NULL);
    if (n == 1) {
      g_assert_cmpuint (session_hear_answer (&world, NULL), ==, 400);
      g_assert_nonnull (strstr (world.cause, "refused"));
      world.listener = support_listen (peers_address (), 1, &world.server_port);
      world.accepting = g_unix_fd_add (world.listener, G_IO_IN, session_visitor_came, &world);
    } else {
      support_run_for (1);
      session_leave (&world);
      support_run_for (20);
    }
    g_assert_cmpuint (world.n_failed, ==, n);
    session_close (&world);
  }
}

static void
test_media_that_waits_in_the_kernel_is_bounded (void)
{
  const TurnConnectSession *session;
  socklen_t length = sizeof (int);
  int lowat = 0;
  SessionWorld world;

  session_open (&world);
  turn_connect_bridge_set_late_media (world.bridge, 4321);
  session_allocate (&world);
  for (guint i = 1; i <= 2; i++) {
    session = world.bridge->sessions.head->data;
    g_assert_cmpint (getsockopt (turn_connect_stream_get_descriptor (
                                     turn_connect_client_get_stream (session->upstream)),
                                 IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, &length),
                     ==, 0);
    g_assert_cmpint (lowat, ==, 4321);
    session_hang_up (&world);
    session_run_until (&world, &world.n_connected, 1 + i);
  }
  session_close (&world);
}

static void
test_settings_that_cannot_work (void)
{
  g_autoptr (TurnConnectBridge) bridge = turn_connect_bridge_new ();
  g_autoptr (TurnConnectTarget) target = turn_connect_target_new ("turn.example.org", 443, NULL);
  g_autofree char *long_user = g_strnfill (600, 'x');
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (
      turn_connect_bridge_add_server (bridge, target, TURN_CONNECT_BRIDGE_ALLOW_PLAIN, NULL), ==,
      1);
  g_assert_false (turn_connect_bridge_set_turn_credentials (bridge, 2, "a", "b", &error));
  g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID);
  g_assert_false (turn_connect_bridge_set_turn_credentials (bridge, 1, "", "b", NULL));
  g_assert_false (turn_connect_bridge_set_turn_credentials (bridge, 1, long_user, "b", NULL));
  g_assert_false (
      turn_connect_bridge_set_turn_secret (bridge, 1, "", 0, NULL, 600, STUN_EXT_HASH_SHA1, NULL));
  g_assert_false (
      turn_connect_bridge_set_turn_secret (bridge, 1, "x", 1, NULL, 1, STUN_EXT_HASH_SHA1, NULL));
  g_assert_true (turn_connect_bridge_set_credentials (bridge, NULL, NULL, NULL));
  g_assert_false (turn_connect_bridge_set_turn_credentials (bridge, 1, "a", "b", NULL));
  g_assert_true (turn_connect_bridge_set_credentials (bridge, "local", "here", NULL));
  g_assert_true (
      turn_connect_bridge_set_turn_secret (bridge, 1, "x", 1, NULL, 600, STUN_EXT_HASH_SHA1, NULL));
  g_assert_false (turn_connect_bridge_set_credentials (bridge, NULL, NULL, NULL));
  g_assert_cmpstr (turn_connect_bridge_get_user (bridge), ==, "local");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add_func ("/turn-connect/session/" name, function)
  ADD ("the-whole-and-back", test_the_whole_and_back);
  ADD ("nothing-is-dialled-for-a-wrong-login", test_nothing_is_dialled_for_a_wrong_login);
  ADD ("lost/ticket-keeps-the-call", test_ticket_keeps_the_call);
  ADD ("lost/the-same-address-keeps-the-call", test_the_same_address_keeps_the_call);
  ADD ("lost/family-given-back-may-be-lost", test_family_given_back_may_be_lost);
  ADD ("lost/another-address-ends-it-with-the-cause", test_another_address_ends_it_with_the_cause);
  ADD ("server/that-leaves-at-every-step", test_server_that_leaves_at_every_step);
  ADD ("server/refusals-are-passed-on", test_refusals_are_passed_on);
  ADD ("server/silence-is-told-in-time", test_silent_server_is_told_in_time);
  ADD ("server/streams-opened-ahead-are-taken", test_streams_opened_ahead_are_taken);
  ADD ("server/media-that-waits-in-the-kernel-is-bounded",
       test_media_that_waits_in_the_kernel_is_bounded);
  ADD ("client/that-leaves-at-every-step", test_client_that_leaves_at_every_step);
  ADD ("client/what-is-not-turn-is-hung-up-on", test_what_is_not_turn_is_hung_up_on);
  ADD ("application/may-close-when-told", test_application_may_close_when_told);
  ADD ("credentials/in-use-are-replaced", test_credentials_in_use_are_replaced);
  ADD ("credentials/settings-that-cannot-work", test_settings_that_cannot_work);
  return g_test_run ();
}
