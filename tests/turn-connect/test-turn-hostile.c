/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The TURN client against servers that send it on, break off, babble or stay silent, and against applications that change
 * their mind at any moment. */
#include "peers.h"

#include <gio/gio.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "turn-connect/turn/client.h"
#include "turn-mock-server.h"

/* An ordinary server; but where a TCP peer is quick, its octets come in one segment with the answer. */
static void
behave (TurnVisitor *visitor, const StunExtMessage *request)
{
  MockMessage message;

  if (request->method != STUN_EXT_METHOD_CONNECTION_BIND || !mock_is_signed (request)) {
    turn_server_behave (visitor, request);
    return;
  }
  mock_success (&message, request, MOCK_SIGNED);
  memcpy (message.octets + message.length, "\x16\x03quick", 7);
  message.length += 7;
  turn_visitor_say (visitor, &message);
}

static void
babble (TurnVisitor *visitor, const StunExtMessage *request)
{
  turn_visitor_say_octets (visitor, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
}

static void
stay_silent (TurnVisitor *visitor, const StunExtMessage *request)
{
}

typedef struct {
  TurnConnectClient *client;
  GCancellable *cancellable;
  gboolean is_done;
  gboolean is_closed;
  GError *error;
  TurnConnectStream *stream;
} World;

static TurnConnectClient *
make_client (const TurnServer *server)
{
  g_autoptr (TurnConnectTarget) target =
      turn_connect_target_new (peers_address (), server->port, NULL);
  TurnConnectClient *client = turn_connect_client_new (target, TURN_CONNECT_CARRIER_STREAM);

  g_assert_true (turn_connect_client_set_credentials (client, MOCK_USER, MOCK_PASSWORD, NULL));
  return client;
}

static void
on_state (TurnConnectClient *client, guint state, const GError *cause, gpointer user_data)
{
  if (state == TURN_CONNECT_CLIENT_CLOSED)
    ((World *)user_data)->is_closed = TRUE;
}

static void
world_open (World *world, const TurnServer *server)
{
  *world = (World){ .client = make_client (server) };
  world->cancellable = g_cancellable_new ();
  turn_connect_client_set_reconnects (world->client, 0);
  turn_connect_client_set_unproven_redirects (world->client, TRUE);
  g_signal_connect (world->client, "state-changed", G_CALLBACK (on_state), world);
}

static void
world_close (World *world)
{
  if (world->client != NULL)
    g_signal_handlers_disconnect_by_data (world->client, world);
  g_clear_object (&world->client);
  g_clear_object (&world->cancellable);
  g_clear_object (&world->stream);
  g_clear_error (&world->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (World, world_close)

static void
allocated (GObject *source, GAsyncResult *result, gpointer user_data)
{
  World *world = user_data;

  turn_connect_client_allocate_finish (TURN_CONNECT_CLIENT (source), result, &world->error);
  world->is_done = TRUE;
}

static void
begin (World *world)
{
  turn_connect_client_allocate_async (world->client, world->cancellable, allocated, world);
}

static void
allocate (World *world)
{
  begin (world);
  support_run_until (&world->is_done);
}

static void
test_redirection_is_followed (gconstpointer data)
{
  g_auto (TurnServer) first = { 0 };
  g_auto (TurnServer) second = { 0 };
  g_auto (World) world = { 0 };
  g_autofree char *place = NULL;

  turn_server_open (&first, TURN_SERVER_TCP, NULL,
                    data != NULL ? turn_server_send_on_with_proof : turn_server_send_on);
  turn_server_open (&second, TURN_SERVER_TCP, NULL, behave);
  first.elsewhere = turn_server_address (&second);
  world_open (&world, &first);
  allocate (&world);
  g_assert_no_error (world.error);
  place = g_strdup_printf ("%s:%u", peers_address (), second.port);
  g_assert_cmpstr (turn_connect_client_get_server (world.client), ==, place);
}

static void
test_circle_is_noticed (void)
{
  g_auto (TurnServer) first = { 0 };
  g_auto (TurnServer) second = { 0 };
  g_auto (World) world = { 0 };

  turn_server_open (&first, TURN_SERVER_TCP, NULL, turn_server_send_on);
  turn_server_open (&second, TURN_SERVER_TCP, NULL, turn_server_send_on);
  first.elsewhere = turn_server_address (&second);
  second.elsewhere = turn_server_address (&first);
  world_open (&world, &first);
  allocate (&world);
  g_assert_error (world.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TURN_REDIRECT);
  g_assert_nonnull (strstr (world.error->message, "circle"));
  g_assert_cmpuint (first.n_visitors, ==, 1);
  g_assert_cmpuint (second.n_visitors, ==, 1);
}

static void
test_redirections_are_counted (void)
{
  g_auto (TurnServer) first = { 0 };
  g_auto (TurnServer) second = { 0 };
  g_auto (TurnServer) third = { 0 };
  g_auto (World) world = { 0 };

  turn_server_open (&first, TURN_SERVER_TCP, NULL, turn_server_send_on);
  turn_server_open (&second, TURN_SERVER_TCP, NULL, turn_server_send_on);
  turn_server_open (&third, TURN_SERVER_TCP, NULL, behave);
  first.elsewhere = turn_server_address (&second);
  second.elsewhere = turn_server_address (&third);
  world_open (&world, &first);
  turn_connect_client_set_redirects (world.client, 1);
  allocate (&world);
  g_assert_error (world.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TURN_REDIRECT);
  g_assert_cmpuint (third.n_visitors, ==, 0);
}

static void
test_server_that_speaks_something_else_is_named (void)
{
  g_auto (TurnServer) server = { 0 };
  g_auto (World) world = { 0 };

  turn_server_open (&server, TURN_SERVER_TCP, NULL, babble);
  world_open (&world, &server);
  allocate (&world);
  g_assert_error (world.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TURN_PROTOCOL);
}

/* 401, Allocate, CreatePermission... : a server that leaves at each of them. */
static void
test_close_at_every_step_is_told (void)
{
  for (guint n = 1; n <= 2; n++) {
    g_auto (TurnServer) server = { 0 };
    g_auto (World) world = { 0 };

    turn_server_open (&server, TURN_SERVER_TCP, NULL, behave);
    server.close_after = n;
    world_open (&world, &server);
    allocate (&world);
    g_assert_error (world.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_CLOSED);
    g_assert_nonnull (strstr (world.error->message, "TURN server"));
    g_assert_cmpint (turn_connect_error_get_step (world.error), ==, TURN_CONNECT_STEP_ALLOCATE);
  }
}

static void
permitted (GObject *source, GAsyncResult *result, gpointer user_data)
{
  World *world = user_data;

  g_clear_error (&world->error);
  turn_connect_client_permit_finish (TURN_CONNECT_CLIENT (source), result, &world->error);
  world->is_done = TRUE;
}

static void
test_close_while_a_call_waits_ends_the_call (void)
{
  StunExtAddress peer = mock_address ("203.0.113.5:4000");
  g_auto (TurnServer) server = { 0 };
  g_auto (World) world = { 0 };

  turn_server_open (&server, TURN_SERVER_TCP, NULL, behave);
  server.close_after = 3;
  world_open (&world, &server);
  allocate (&world);
  g_assert_no_error (world.error);
  world.is_done = FALSE;
  turn_connect_client_permit_async (world.client, &peer, 1, NULL, permitted, &world);
  support_run_until (&world.is_done);
  g_assert_error (world.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_CLOSED);
  g_assert_true (world.is_closed);
}

static void
test_answers_in_single_octets_are_understood (void)
{
  g_auto (TurnServer) server = { 0 };
  g_auto (World) world = { 0 };

  turn_server_open (&server, TURN_SERVER_TCP, NULL, behave);
  server.piece = 1;
  world_open (&world, &server);
  allocate (&world);
  g_assert_no_error (world.error);
}

/* Cancelled, closed or dropped after any number of rounds of the main loop. */
typedef enum {
  CANCELS,
  CLOSES,
  DROPS,
  N_WAYS
} Way;

static void
test_change_of_mind_at_every_moment (void)
{
  for (Way way = CANCELS; way < N_WAYS; way++)
    for (guint rounds = 0; rounds < 25; rounds++) {
      g_auto (TurnServer) server = { 0 };
      g_auto (World) world = { 0 };
      gpointer remains;

      turn_server_open (&server, TURN_SERVER_TCP, NULL, behave);
      world_open (&world, &server);
      remains = world.client;
      g_object_add_weak_pointer (G_OBJECT (world.client), &remains);
      begin (&world);
      for (guint i = 0; i < rounds && !world.is_done; i++)
        g_main_context_iteration (NULL, FALSE);
      if (way == CANCELS)
        g_cancellable_cancel (world.cancellable);
      else if (way == CLOSES)
        turn_connect_client_close_async (world.client, NULL, NULL);
      else {
        g_signal_handlers_disconnect_by_data (world.client, &world);
        g_clear_object (&world.client); /* the call under way holds it */
      }
      support_run_until (&world.is_done);
      if (way == CLOSES)
        support_run_until (&world.is_closed);
      world_close (&world);
      memset (&world, 0, sizeof world);
      for (guint i = 0; remains != NULL && i < 1000; i++)
        support_run_for (1);
      g_assert_null (remains);
    }
}

static void
connected (GObject *source, GAsyncResult *result, gpointer user_data)
{
  World *world = user_data;

  g_clear_error (&world->error);
  world->stream =
      turn_connect_client_connect_finish (TURN_CONNECT_CLIENT (source), result, &world->error);
  world->is_done = TRUE;
}

static void
open_tcp (World *world, const TurnServer *server)
{
  world_open (world, server);
  turn_connect_client_set_relay (world->client, TURN_CONNECT_RELAY_TCP, TURN_CONNECT_FAMILY_IPV4);
  allocate (world);
  g_assert_no_error (world->error);
  world->is_done = FALSE;
}

static void
test_octets_behind_the_answer_are_the_peers (void)
{
  static const guint pieces[] = { 0, 1, 7 };

  for (guint i = 0; i < G_N_ELEMENTS (pieces); i++) {
    StunExtAddress peer = mock_address ("203.0.113.5:4000");
    g_auto (TurnServer) server = { 0 };
    g_auto (World) world = { 0 };
    char buffer[7];
    gsize got = 0, n;

    turn_server_open (&server, TURN_SERVER_TCP, NULL, behave);
    server.piece = pieces[i];
    open_tcp (&world, &server);
    turn_connect_client_connect_async (world.client, &peer, NULL, connected, &world);
    support_run_until (&world.is_done);
    g_assert_no_error (world.error);
    while (got < sizeof buffer) {
      if (turn_connect_stream_try_read (world.stream, buffer + got, sizeof buffer - got, &n,
                                        NULL) != TURN_CONNECT_IO_OK)
        support_run_for (1);
      got += n;
    }
    g_assert_cmpmem (buffer, 7, "\x16\x03quick", 7);
  }
}

static void
test_connecting_is_cancelled_at_every_moment (void)
{
  for (guint rounds = 0; rounds < 20; rounds++) {
    StunExtAddress peer = mock_address ("203.0.113.5:4000");
    g_autoptr (GCancellable) cancellable = g_cancellable_new ();
    g_auto (TurnServer) server = { 0 };
    g_auto (World) world = { 0 };

    turn_server_open (&server, TURN_SERVER_TCP, NULL, behave);
    open_tcp (&world, &server);
    turn_connect_client_connect_async (world.client, &peer, cancellable, connected, &world);
    for (guint i = 0; i < rounds && !world.is_done; i++)
      g_main_context_iteration (NULL, FALSE);
    g_cancellable_cancel (cancellable);
    support_run_until (&world.is_done);
    if (world.stream == NULL)
      g_assert_error (world.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  }
}

static void
test_silent_server_is_left_behind_when_closing (void)
{
  g_auto (TurnServer) server = { 0 };
  g_auto (World) world = { 0 };
  gint64 begun;

  turn_server_open (&server, TURN_SERVER_TCP, NULL, behave);
  world_open (&world, &server);
  allocate (&world);
  server.answer = stay_silent;
  begun = g_get_monotonic_time ();
  turn_connect_client_close_async (world.client, NULL, NULL);
  support_run_until (&world.is_closed);
  g_assert_cmpint (g_get_monotonic_time () - begun, <, 10 * G_USEC_PER_SEC);
}

static void
close_on_receive (TurnConnectClient *client,
                  const StunExtAddress *peer,
                  guint16 channel,
                  const guint8 *data,
                  gsize length,
                  gpointer user_data)
{
  World *world = user_data;

  turn_connect_client_close_async (client, NULL, NULL);
  turn_connect_client_reconnect (client);
  g_cancellable_cancel (world->cancellable);
}

/* Three packets at once, and the application has had enough with the first. */
static void
test_closing_within_a_packet_is_fine (void)
{
  StunExtAddress peer = mock_address ("203.0.113.5:4000");
  g_auto (TurnServer) server = { 0 };
  g_auto (World) world = { 0 };
  guint8 octets[3 * sizeof (MockMessage)];
  MockMessage message;
  gsize length = 0;

  turn_server_open (&server, TURN_SERVER_TCP, NULL, behave);
  world_open (&world, &server);
  turn_connect_client_set_receive (world.client, close_on_receive, &world, NULL);
  allocate (&world);
  g_assert_no_error (world.error);
  world.is_done = FALSE;
  turn_connect_client_permit_async (world.client, &peer, 1, NULL, permitted, &world);
  support_run_until (&world.is_done);
  for (guint i = 0; i < 3; i++) {
    mock_data (&message, "203.0.113.5:4000", "x");
    memcpy (octets + length, message.octets, message.length);
    length += message.length;
  }
  server.answer = stay_silent;
  turn_visitor_say_octets (server.visitors->pdata[0], octets, length);
  support_run_until (&world.is_closed);
}

/* The descriptors of this process. */
static guint
count_descriptors (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

static void
test_many_clients_leave_nothing_behind (void)
{
  g_auto (TurnServer) server = { 0 };
  guint before = 0;

  turn_server_open (&server, TURN_SERVER_TCP, NULL, behave);
  for (guint i = 0; i < 300; i++) {
    g_auto (World) world = { 0 };

    world_open (&world, &server);
    allocate (&world);
    g_assert_no_error (world.error);
    world.is_closed = FALSE;
    if (i % 2 == 0) {
      turn_connect_client_close_async (world.client, NULL, NULL);
      support_run_until (&world.is_closed);
    }
    world_close (&world);
    memset (&world, 0, sizeof world);
    turn_server_drop_visitors (&server);
    if (i == 20)
      before = count_descriptors ();
  }
  g_assert_cmpuint (count_descriptors (), <=, before);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add_func ("/turn-connect/turn-hostile/" name, function)
  g_test_add_data_func ("/turn-connect/turn-hostile/redirect/is-followed", NULL,
                        test_redirection_is_followed);
  g_test_add_data_func ("/turn-connect/turn-hostile/redirect/with-proof-is-followed", "",
                        test_redirection_is_followed);
  ADD ("redirect/circle-is-noticed", test_circle_is_noticed);
  ADD ("redirect/they-are-counted", test_redirections_are_counted);
  ADD ("server-that-speaks-something-else-is-named",
       test_server_that_speaks_something_else_is_named);
  ADD ("close-at-every-step-is-told", test_close_at_every_step_is_told);
  ADD ("close-while-a-call-waits-ends-the-call", test_close_while_a_call_waits_ends_the_call);
  ADD ("answers-in-single-octets-are-understood", test_answers_in_single_octets_are_understood);
  ADD ("change-of-mind-at-every-moment", test_change_of_mind_at_every_moment);
  ADD ("octets-behind-the-answer-are-the-peers", test_octets_behind_the_answer_are_the_peers);
  ADD ("connecting-is-cancelled-at-every-moment", test_connecting_is_cancelled_at_every_moment);
  ADD ("silent-server-is-left-behind-when-closing", test_silent_server_is_left_behind_when_closing);
  ADD ("closing-within-a-packet-is-fine", test_closing_within_a_packet_is_fine);
  ADD ("many-clients-leave-nothing-behind", test_many_clients_leave_nothing_behind);
  return g_test_run ();
}
