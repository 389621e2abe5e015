/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peers.h"
#include "tls-peer.h"
#include "turn-connect/local/forward.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REGISTER                                                                                   \
  "REGISTER sip:a SIP/2.0\r\nVia: SIP/2.0/TCP a\r\nFrom: <sip:a>\r\nTo: <sip:a>\r\nCall-ID: 1\r\n" \
  "CSeq: 1 REGISTER\r\n\r\n"

/* A forward, and what it said. */
typedef struct {
  TurnConnectForward *forward;
  GString *told; /* "accepted connected:only ended " */
  guint n_ended;
  gboolean has_ended; /* once all have */
  guint n_wanted;
  guint stops_at; /* n-th thing told ends the forward; 0: none */
  guint n_told;
  GError *error; /* the last */
} World;

static void
note (World *world, const char *what, const char *which)
{
  g_string_append_printf (world->told, which != NULL ? "%s:%s " : "%s ", what, which);
  if (++world->n_told == world->stops_at)
    turn_connect_forward_stop (world->forward);
}

static void
accepted (TurnConnectForward *forward, guint64 id, GSocketAddress *client, gpointer data)
{
  g_assert_nonnull (client);
  note (data, "accepted", NULL);
}

static void
connected (
    TurnConnectForward *forward, guint64 id, TurnConnectStream *stream, char *way, gpointer data)
{
  note (data, "connected", way);
}

static void
way_failed (TurnConnectForward *forward, guint64 id, char *way, GError *error, gpointer data)
{
  g_assert_nonnull (error);
  note (data, "failed", way);
}

static void
ended (TurnConnectForward *forward,
       guint64 id,
       guint64 to_server,
       guint64 from_server,
       GError *error,
       gpointer data)
{
  World *world = data;

  g_clear_error (&world->error);
  world->error = error != NULL ? g_error_copy (error) : NULL;
  world->has_ended = ++world->n_ended >= world->n_wanted;
  note (world, "ended", NULL);
}

static GInetSocketAddress *
parse (const char *ip, guint port)
{
  GSocketAddress *address = g_inet_socket_address_new_from_string (ip, port);

  g_assert_nonnull (address);
  return G_INET_SOCKET_ADDRESS (address);
}

static void
world_open (World *world, TurnConnectForward *forward)
{
  g_autoptr (GInetSocketAddress) address = parse (peers_address (), 0);
  g_autoptr (GError) error = NULL;

  memset (world, 0, sizeof *world);
  world->forward = forward;
  world->told = g_string_new (NULL);
  world->n_wanted = 1;
  g_signal_connect (forward, "accepted", G_CALLBACK (accepted), world);
  g_signal_connect (forward, "connected", G_CALLBACK (connected), world);
  g_signal_connect (forward, "way-failed", G_CALLBACK (way_failed), world);
  g_signal_connect (forward, "ended", G_CALLBACK (ended), world);
  turn_connect_forward_listen (forward, address, &error);
  g_assert_no_error (error);
}

static void
world_close (World *world)
{
  g_object_unref (world->forward);
  g_string_free (world->told, TRUE);
  g_clear_error (&world->error);
}

static TurnConnectTarget *
make_target (guint16 port)
{
  TurnConnectTarget *target = turn_connect_target_new (peers_address (), port, NULL);

  g_assert_nonnull (target);
  turn_connect_target_set_timeout (target, 3000);
  return target;
}

static void
world_open_to (World *world, guint16 port)
{
  g_autoptr (TurnConnectTarget) target = make_target (port);

  world_open (world, turn_connect_forward_new (target));
}

static int
visit (const World *world)
{
  GSocketAddress *address = turn_connect_forward_get_address (world->forward);
  struct sockaddr_storage native;
  int descriptor = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_assert_true (g_socket_address_to_native (address, &native, sizeof native, NULL));
  g_assert_no_errno (connect (descriptor, (struct sockaddr *)&native,
                              (socklen_t)g_socket_address_get_native_size (address)));
  return descriptor;
}

/* What the client reads until the end; NULL for a reset. */
static char *
hear_all (int descriptor)
{
  GString *heard = g_string_new (NULL);
  gint64 deadline = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;
  char buffer[4096];

  while (g_get_monotonic_time () < deadline) {
    gssize got = recv (descriptor, buffer, sizeof buffer, MSG_DONTWAIT);

    if (got > 0)
      g_string_append_len (heard, buffer, got);
    else if (got == 0)
      return g_string_free (heard, FALSE);
    else if (errno == ECONNRESET)
      break;
    else
      support_run_for (1);
  }
  g_string_free (heard, TRUE);
  return NULL;
}

static void
test_connections_are_carried_and_end_in_order (void)
{
  guint16 port = 0;
  g_autoptr (PeersEcho) echo = peers_echo_new (&port);
  World world;
  int client;
  g_autofree char *heard = NULL;

  world_open_to (&world, port);
  client = visit (&world);
  g_assert_cmpint (send (client, "hello", 5, 0), ==, 5);
  g_assert_no_errno (shutdown (client, SHUT_WR));
  heard = hear_all (client);
  g_assert_cmpstr (heard, ==, "hello");
  support_run_until (&world.has_ended);
  g_assert_cmpstr (world.told->str, ==, "accepted connected:only ended ");
  g_assert_no_error (world.error);
  g_assert_cmpuint (turn_connect_forward_get_n_connections (world.forward), ==, 0);
  close (client);
  world_close (&world);
}

static void
test_only_loopback_is_listened_at (void)
{
  static const char *const others[] = { "0.0.0.0", "::", "192.0.2.1", "fe80::1" };
  g_autoptr (TurnConnectTarget) target = make_target (1);

  for (gsize i = 0; i < G_N_ELEMENTS (others); i++) {
    g_autoptr (TurnConnectForward) forward = turn_connect_forward_new (target);
    g_autoptr (GInetSocketAddress) address = parse (others[i], 0);
    g_autoptr (GError) error = NULL;

    g_assert_false (turn_connect_forward_listen (forward, address, &error));
    g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID);
  }
}

static void
test_a_client_is_reset_when_the_server_cannot_be_reached (void)
{
  World world;
  int client;

  world_open_to (&world, peers_free_port ());
  client = visit (&world);
  g_assert_cmpint (send (client, "\x16\x03\x01", 3, 0), ==, 3);
  g_assert_null (hear_all (client));
  support_run_until (&world.has_ended);
  g_assert_cmpstr (world.told->str, ==, "accepted failed:only ended ");
  g_assert_error (world.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_REFUSED);
  close (client);
  world_close (&world);
}

static void
test_a_sip_client_is_told_why (void)
{
  World world;
  int client;
  g_autofree char *heard = NULL;

  world_open_to (&world, peers_free_port ());
  client = visit (&world);
  /* In two pieces, the second when the dial has long failed. */
  g_assert_cmpint (send (client, REGISTER, 40, 0), ==, 40);
  support_run_for (50);
  g_assert_cmpint (send (client, &REGISTER[40], strlen (REGISTER) - 40, 0), >, 0);
  heard = hear_all (client);
  g_assert_true (g_str_has_prefix (heard, "SIP/2.0 503 no address of "));
  g_assert_nonnull (strstr (heard, "Connection refused\r\n"));
  support_run_until (&world.has_ended);
  g_assert_error (world.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_REFUSED);
  close (client);
  world_close (&world);
}

/* The certificate is the registrar's, or nothing the client says goes out. */
static void
test_a_server_under_another_name_hears_nothing (void)
{
  TlsPeerSpec spec = { .common_name = "other.test", .names = "DNS:other.test" };
  g_autoptr (TlsPeerIdentity) identity = tls_peer_identity_new (&spec);
  g_autofree char *path = tls_peer_identity_write (identity, NULL);
  guint16 port = 0;
  TlsPeerServer *server = tls_peer_server_new (identity, TLS_PEER_NORMAL, &port);
  g_autoptr (TurnConnectTarget) target = make_target (port);
  g_autoptr (TurnConnectTlsOptions) options = turn_connect_tls_options_new ();
  TlsPeerReport report;
  World world;
  int client;

  g_assert_true (turn_connect_tls_options_set_ca_file (options, path, NULL));
  g_assert_true (turn_connect_tls_options_set_server_name (options, "sip.test", NULL));
  turn_connect_target_set_tls (target, options);
  world_open (&world, turn_connect_forward_new (target));
  client = visit (&world);
  g_assert_cmpint (send (client, "secret", 6, 0), ==, 6);
  g_assert_null (hear_all (client));
  support_run_until (&world.has_ended);
  g_assert_error (world.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TLS_NAME);
  close (client);
  world_close (&world);
  tls_peer_server_free (server, &report);
  g_assert_cmpuint (report.n_octets, ==, 0);
  g_unlink (path);
}

/* The first way refuses, the second hangs up without an answer, the third echoes. */
static void
open_three_ways (World *world, PeersEcho **echo, PeersScript **script)
{
  static const PeersAct hang_up[] = { { "", PEERS_THEN_CLOSE }, { "", PEERS_THEN_CLOSE } };
  guint16 echo_port = 0, script_port = 0;
  g_autoptr (TurnConnectWays) ways = turn_connect_ways_new ();
  g_autoptr (TurnConnectTarget) closed = make_target (peers_free_port ());
  g_autoptr (TurnConnectTarget) silent = NULL;
  g_autoptr (TurnConnectTarget) open = NULL;

  *echo = peers_echo_new (&echo_port);
  *script = peers_script_new (hang_up, G_N_ELEMENTS (hang_up), NULL, &script_port);
  silent = make_target (script_port);
  open = make_target (echo_port);
  turn_connect_ways_add (ways, "first", closed);
  turn_connect_ways_add (ways, "second", silent);
  turn_connect_ways_add (ways, "third", open);
  world_open (world, turn_connect_forward_new_with_ways (ways));
}

static void
test_the_next_way_gets_all_that_the_client_said (void)
{
  PeersEcho *echo;
  PeersScript *script;
  World world;

  open_three_ways (&world, &echo, &script);
  for (guint i = 0; i < 2; i++) {
    int client = visit (&world);
    g_autofree char *heard = NULL;

    world.has_ended = FALSE;
    g_assert_cmpint (send (client, "REG\r\n\r\n", 7, 0), ==, 7);
    g_assert_no_errno (shutdown (client, SHUT_WR));
    heard = hear_all (client);
    g_assert_cmpstr (heard, ==, "REG\r\n\r\n");
    support_run_until (&world.has_ended);
    close (client);
  }
  g_assert_cmpstr (world.told->str, ==,
                   "accepted failed:first connected:second failed:second connected:third ended "
                   "accepted connected:third ended ");
  world_close (&world);
  g_free (peers_script_free (script, NULL));
  peers_echo_free (echo);
}

/* At whatever moment its owner changes their mind. */
static void
test_stopping_is_safe_at_every_step (void)
{
  for (guint step = 1; step <= 6; step++) {
    PeersEcho *echo;
    PeersScript *script;
    World world;
    int client;

    open_three_ways (&world, &echo, &script);
    world.stops_at = step;
    client = visit (&world);
    g_assert_cmpint (send (client, "REG\r\n\r\n", 7, 0), ==, 7);
    g_assert_no_errno (shutdown (client, SHUT_WR));
    g_free (hear_all (client));
    g_assert_cmpuint (turn_connect_forward_get_n_connections (world.forward), ==, 0);
    close (client);
    world_close (&world);
    g_free (peers_script_free (script, NULL));
    peers_echo_free (echo);
    support_run_for (5);
  }
}

static gboolean
nobody_is_left (gpointer data)
{
  World *world = data;

  world->has_ended = turn_connect_forward_get_n_connections (world->forward) == 0;
  return world->has_ended ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

static void
test_clients_may_leave_at_any_moment (void)
{
  guint16 port = 0;
  g_autoptr (PeersEcho) echo = peers_echo_new (&port);
  const struct linger linger = { .l_onoff = 1 };
  World world;

  world_open_to (&world, port);
  world.n_wanted = 40;
  for (guint i = 0; i < world.n_wanted; i++) {
    int client = visit (&world);

    if (i % 4 != 0)
      g_assert_cmpint (send (client, "hello", 5, 0), ==, 5);
    if (i % 2 != 0)
      g_assert_no_errno (setsockopt (client, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    for (guint n = i / 4; n > 0; n--)
      g_main_context_iteration (NULL, FALSE);
    close (client);
  }
  world.has_ended = FALSE;
  g_timeout_add (10, nobody_is_left, &world);
  support_run_until (&world.has_ended);
  g_assert_cmpuint (world.n_ended, >=,
                    world.n_wanted / 2); /* others had left before they came in */
  world_close (&world);
}

static void
test_a_silent_server_is_dropped_when_its_owner_goes (void)
{
  SupportBlackHole hole = { 0 };
  World world;
  int client;

  support_black_hole_open (&hole, peers_address (), 0);
  world_open_to (&world, hole.port);
  client = visit (&world);
  support_run_for (20);
  g_assert_cmpuint (turn_connect_forward_get_n_connections (world.forward), ==, 1);
  world_close (&world);
  g_free (hear_all (client));
  close (client);
  support_black_hole_close (&hole);
}

static void
refused (TurnConnectForward *forward, GError *error, gpointer data)
{
  World *world = data;

  g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_RESOURCES);
  g_assert_nonnull (strstr (error->message, "2 connections are carried already"));
  note (world, "refused", NULL);
  world->has_ended = TRUE;
}

/* Refused while two are carried, let in again when one of them has gone. */
static void
test_number_of_connections_is_bounded (void)
{
  guint16 port = 0;
  g_autoptr (PeersEcho) echo = peers_echo_new (&port);
  World world;
  int clients[2];

  world_open_to (&world, port);
  turn_connect_forward_set_max_connections (world.forward, 2);
  g_signal_connect (world.forward, "client-refused", G_CALLBACK (refused), &world);
  for (guint i = 0; i < G_N_ELEMENTS (clients); i++) {
    clients[i] = visit (&world);
    while (turn_connect_forward_get_n_connections (world.forward) <= i)
      g_main_context_iteration (NULL, TRUE);
  }
  for (int i = 0; i < 3; i++) {
    int one_too_many = visit (&world);
    g_autofree char *answer = NULL;

    world.has_ended = FALSE;
    support_run_until (&world.has_ended);
    answer = hear_all (one_too_many);
    g_assert_true (answer == NULL || *answer == '\0');
    close (one_too_many);
  }
  g_assert_cmpuint (turn_connect_forward_get_n_connections (world.forward), ==, 2);
  world.has_ended = FALSE;
  close (clients[0]);
  support_run_until (&world.has_ended);
  clients[0] = visit (&world);
  while (turn_connect_forward_get_n_connections (world.forward) < 2)
    g_main_context_iteration (NULL, TRUE);
  close (clients[0]);
  close (clients[1]);
  world_close (&world);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define TEST(name, func) g_test_add_func ("/turn-connect/forward/" name, func)
  TEST ("connections-are-carried-and-end-in-order", test_connections_are_carried_and_end_in_order);
  TEST ("the-number-of-connections-is-bounded", test_number_of_connections_is_bounded);
  TEST ("only-loopback-is-listened-at", test_only_loopback_is_listened_at);
  TEST ("a-client-is-reset-when-the-server-cannot-be-reached",
        test_a_client_is_reset_when_the_server_cannot_be_reached);
  TEST ("a-sip-client-is-told-why", test_a_sip_client_is_told_why);
  TEST ("a-server-under-another-name-hears-nothing",
        test_a_server_under_another_name_hears_nothing);
  TEST ("the-next-way-gets-all-that-the-client-said",
        test_the_next_way_gets_all_that_the_client_said);
  TEST ("stopping-is-safe-at-every-step", test_stopping_is_safe_at_every_step);
  TEST ("clients-may-leave-at-any-moment", test_clients_may_leave_at_any_moment);
  TEST ("a-silent-server-is-dropped-when-its-owner-goes",
        test_a_silent_server_is_dropped_when_its_owner_goes);
  return g_test_run ();
}
