/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "turn-connect/local/bridge-private.h"

#include "peers.h"

#include "stun-ext/attribute.h"
#include "stun-ext/channel-data.h"
#include "stun-ext/integrity.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_US (10 * G_USEC_PER_SEC)
#define UP "HTTP/1.0 200 Connection established\r\n\r\n"

/* A bridge, a place where its server is or is not, and what it said. */
typedef struct {
  TurnConnectBridge *bridge;
  int listener; /* of the server; -1: nobody is there */
  guint16 server_port;
  guint16 port;
  guint number;
  guint n_failed;
  guint last_server;
  char *cause;
  gboolean closes; /* the bridge, when told of a failure */
} World;

static void
failed (TurnConnectBridge *bridge, guint server, GError *error, gpointer data)
{
  World *world = data;

  world->n_failed++;
  world->last_server = server;
  g_free (world->cause);
  world->cause = g_strdup (error->message);
  if (world->closes)
    turn_connect_bridge_close (bridge);
}

static void
world_open (World *world, gboolean has_server)
{
  g_autoptr (TurnConnectTarget) target = NULL;

  *world = (World){ .listener = -1, .server_port = peers_free_port () };
  if (has_server)
    world->listener = support_listen (peers_address (), 16, &world->server_port);
  target = turn_connect_target_new (peers_address (), world->server_port, NULL);
  world->bridge = turn_connect_bridge_new ();
  world->number =
      turn_connect_bridge_add_server (world->bridge, target, TURN_CONNECT_BRIDGE_ALLOW_PLAIN, NULL);
  g_assert_cmpuint (world->number, ==, 1);
  g_assert_true (
      turn_connect_bridge_listen (world->bridge, NULL, 0, world->number, &world->port, NULL));
  g_signal_connect (world->bridge, "failed", G_CALLBACK (failed), world);
}

static void
world_close (World *world)
{
  turn_connect_bridge_close (world->bridge);
  /* Dials that were cancelled still have to say so. */
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_finalize_object (world->bridge);
  if (world->listener >= 0)
    close (world->listener);
  g_free (world->cause);
}

static void
expect (int descriptor, const void *octets, gsize length)
{
  g_autofree guint8 *got = g_malloc (length);
  gsize at = 0;

  while (at < length) {
    gsize n = support_receive (descriptor, got + at, length - at);

    g_assert_cmpuint (n, >, 0);
    at += n;
  }
  g_assert_cmpmem (got, length, octets, length);
}

static int
accept_server (World *world)
{
  support_await (world->listener);
  return support_accept (world->listener);
}

static gsize
make_message (guint8 octets[256],
              StunExtClass message_class,
              guint16 method,
              guint8 id,
              const char *alternate)
{
  guint8 transaction_id[STUN_EXT_TRANSACTION_ID_LENGTH];
  StunExtBuilder builder;
  StunExtAddress address;
  gsize length;

  memset (transaction_id, id, sizeof transaction_id);
  stun_ext_builder_begin (&builder, octets, 256, message_class, method, transaction_id);
  if (message_class == STUN_EXT_CLASS_ERROR)
    stun_ext_builder_add_error (&builder, alternate != NULL ? 300 : 401, "no");
  if (alternate != NULL && stun_ext_address_parse (alternate, &address))
    stun_ext_builder_add_address (&builder, STUN_EXT_ATTRIBUTE_ALTERNATE_SERVER, &address);
  g_assert_true (stun_ext_builder_finish (&builder, STUN_EXT_INTEGRITY_NONE, (StunExtSpan){ 0 },
                                          FALSE, &length));
  return length;
}

static gsize
send_allocate (int descriptor, guint8 octets[256], guint8 id)
{
  gsize length = make_message (octets, STUN_EXT_CLASS_REQUEST, STUN_EXT_METHOD_ALLOCATE, id, NULL);

  support_write_all (descriptor, octets, length);
  return length;
}

static void
expect_refusal (int descriptor, guint8 id, const char *words)
{
  guint8 octets[1024];
  gsize length = support_receive (descriptor, octets, sizeof octets);
  StunExtMessage message;
  StunExtSpan reason;
  g_autofree char *text = NULL;
  guint code;

  g_assert_cmpint (stun_ext_message_parse (&message, octets, length), ==, STUN_EXT_PARSE_OK);
  g_assert_cmpuint (message.transaction_id[0], ==, id);
  g_assert_cmpint (stun_ext_message_get_error (&message, &code, &reason), ==, STUN_EXT_GET_OK);
  g_assert_cmpuint (code, ==, 400);
  text = g_strndup ((const char *)reason.data, reason.length);
  g_assert_nonnull (strstr (text, words));
}

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
  World world;

  world_open (&world, TRUE);
  client = support_call (world.port);
  n_asked = send_allocate (client, asked, 1);
  server = accept_server (&world);
  expect (server, asked, n_asked);
  n_answered = make_message (answered, STUN_EXT_CLASS_SUCCESS, STUN_EXT_METHOD_ALLOCATE, 1, NULL);
  support_write_all (server, answered, n_answered);
  expect (client, answered, n_answered);
  g_assert_cmpuint (world.n_failed, ==, 0);
  close (client);
  g_assert_cmpuint (support_receive (server, answered, sizeof answered), ==, 0);
  close (server);
  world_close (&world);
}

static void
ask_as_proxy (World *world, int client, const char *password)
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
  expect (client, UP, strlen (UP));
}

static void
test_proxy_clients_log_in (void)
{
  guint8 asked[256];
  gsize n_asked;
  int client, server;
  World world;

  world_open (&world, TRUE);
  client = support_call (world.port);
  ask_as_proxy (&world, client, turn_connect_bridge_get_password (world.bridge));
  n_asked = send_allocate (client, asked, 1);
  server = accept_server (&world);
  expect (server, asked, n_asked);
  close (server);
  close (client);

  client = support_call (world.port);
  ask_as_proxy (&world, client, "guess");
  g_assert_cmpuint (world.last_server, ==, 0);
  send_allocate (client, asked, 2);
  expect_refusal (client, 2, "wrong user or password");
  g_assert_false (support_has_visitor (world.listener));
  close (client);
  world_close (&world);
}

static void
test_cause_is_answered_and_told_and_the_stream_stays (void)
{
  g_autoptr (GError) cause = NULL;
  guint8 asked[256];
  int client;
  World world;

  world_open (&world, FALSE);
  client = support_call (world.port);
  for (guint8 id = 1; id < 4; id++) {
    send_allocate (client, asked, id);
    expect_refusal (client, id, "refused");
  }
  g_assert_cmpuint (world.n_failed, ==, 1);
  g_assert_cmpuint (world.last_server, ==, 1);
  cause = turn_connect_bridge_dup_cause (world.bridge, 1);
  g_assert_error (cause, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_REFUSED);
  close (client);
  world_close (&world);
}

static void
test_strangers_are_hung_up_on (void)
{
  g_autoptr (GError) cause = NULL;
  guint8 octets[256];
  TurnConnectBridgeCounts counts;
  guint16 proxy_port;
  int client;
  World world;

  world_open (&world, TRUE);
  g_assert_true (turn_connect_bridge_listen (world.bridge, NULL, 0, 0, &proxy_port, NULL));
  client = support_call (proxy_port);
  send_allocate (client, octets, 1);
  g_assert_cmpuint (support_receive (client, octets, sizeof octets), ==, 0);
  close (client);

  world.bridge->uids[0]++; /* now we are another user */
  client = support_call (world.port);
  send_allocate (client, octets, 1);
  g_assert_cmpuint (support_receive (client, octets, sizeof octets), ==, 0);
  close (client);
  cause = turn_connect_bridge_dup_cause (world.bridge, 0);
  g_assert_nonnull (strstr (cause->message, "another user"));
  g_assert_cmpuint (world.n_failed, ==, 1); /* the other one within a second */
  turn_connect_bridge_allow_uid (world.bridge, geteuid ());
  client = support_call (world.port);
  send_allocate (client, octets, 1);
  close (accept_server (&world));
  close (client);
  turn_connect_bridge_get_counts (world.bridge, &counts);
  g_assert_cmpuint (counts.n_refused, ==, 2);
  g_assert_cmpuint (counts.n_accepted, ==, 3);
  world_close (&world);
}

static void
test_silent_strangers_keep_nobody_out (void)
{
  guint8 octets[256];
  int strangers[64];
  int client;
  World world;

  world_open (&world, TRUE);
  for (gsize i = 0; i < G_N_ELEMENTS (strangers); i++)
    strangers[i] = support_call (world.port);
  while (world.bridge->n_unknown < G_N_ELEMENTS (strangers))
    g_main_context_iteration (NULL, TRUE);
  client = support_call (world.port); /* ours */
  send_allocate (client, octets, 1);
  close (accept_server (&world));
  world.bridge->uids[0]++;
  close (client);
  client = support_call (world.port); /* another's: not even waited for */
  g_assert_cmpuint (support_receive (client, octets, sizeof octets), ==, 0);
  close (client);
  for (gsize i = 0; i < G_N_ELEMENTS (strangers); i++)
    close (strangers[i]);
  while (world.bridge->n_unknown > 0)
    g_main_context_iteration (NULL, TRUE);
  world_close (&world);
}

/* Whoever may not come in is kept, as a client could not stand being hung up on, but not without
 * end: each has one of the places that those who may come in need. */
static void
test_denied_strangers_take_few_places (void)
{
  guint8 octets[256];
  int strangers[64];
  int client;
  World world;

  world_open (&world, TRUE);
  for (gsize i = 0; i < G_N_ELEMENTS (strangers); i++) {
    strangers[i] = support_call (world.port);
    ask_as_proxy (&world, strangers[i], "guess");
  }
  client = support_call (world.port);
  ask_as_proxy (&world, client, "guess");
  g_assert_cmpuint (support_receive (client, octets, sizeof octets), ==, 0);
  close (client);
  g_assert_cmpuint (world.bridge->passages.length, ==, G_N_ELEMENTS (strangers));
  send_allocate (strangers[0], octets, 1);
  expect_refusal (strangers[0], 1, "wrong user or password");
  for (gsize i = 0; i < G_N_ELEMENTS (strangers); i++)
    close (strangers[i]);
  while (world.bridge->passages.length > 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (world.bridge->n_unknown, ==, 0);
  client = support_call (world.port); /* there is room again */
  ask_as_proxy (&world, client, "guess");
  send_allocate (client, octets, 2);
  expect_refusal (client, 2, "wrong user or password");
  close (client);
  world_close (&world);
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
  World world;

  world_open (&world, TRUE);
  client = support_call (world.port);
  n_asked = send_allocate (client, asked, 1);
  server = accept_server (&world);
  expect (server, asked, n_asked);
  n_answered = make_message (answered, STUN_EXT_CLASS_ERROR, STUN_EXT_METHOD_ALLOCATE, 1, place);
  support_write_all (server, answered, n_answered);
  support_await (other);
  close (server);
  server = support_accept (other);
  expect (server, asked, n_asked);
  n_answered = make_message (answered, STUN_EXT_CLASS_SUCCESS, STUN_EXT_METHOD_ALLOCATE, 1, NULL);
  support_write_all (server, answered, n_answered);
  expect (client, answered, n_answered);
  g_assert_cmpuint (world.n_failed, ==, 0);
  close (server);
  close (other);
  close (client);
  world_close (&world);
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
  World world;

  world_open (&world, TRUE);
  client = support_call (world.port);
  send_allocate (client, octets, 1);
  server = accept_server (&world);
  g_assert_cmpuint (count_until (server, 1), ==, 0);
  stun_ext_writer_init (&writer, octets, sizeof octets);
  stun_ext_channel_data_write (&writer, 0x4000, octets + 1024, 1000, TRUE);
  /* The server reads nothing, and the client is never held up by that. */
  for (; n_sent < n_units; n_sent++) {
    support_write_all (client, octets, writer.length);
    while (g_main_context_iteration (NULL, FALSE))
      ;
  }
  send_allocate (client, octets, 2);
  support_run_for (20);
  n_sent = count_until (server, 2);
  turn_connect_bridge_get_counts (world.bridge, &counts);
  g_assert_cmpuint (n_sent, <, n_units);
  g_assert_cmpuint (counts.n_dropped_to_server, ==, n_units - n_sent);
  close (server);
  close (client);
  world_close (&world);
}

static void
test_closing_is_safe_at_every_step (void)
{
  for (guint n = 0; n < 12; n++) {
    guint8 octets[256];
    World world;
    int client;

    world_open (&world, n % 2 == 0);
    client = support_call (world.port);
    send_allocate (client, octets, 1);
    for (guint i = 0; i < n; i++)
      g_main_context_iteration (NULL, FALSE);
    world_close (&world);
    close (client);
  }
}

static void
test_application_may_close_when_told (void)
{
  guint8 octets[256];
  World world;
  int client;

  world_open (&world, FALSE);
  world.closes = TRUE;
  client = support_call (world.port);
  send_allocate (client, octets, 1);
  g_assert_cmpuint (support_receive (client, octets, sizeof octets), ==, 0);
  g_assert_cmpuint (world.n_failed, ==, 1);
  close (client);
  world_close (&world);
}

/* The bridge has one clock for all of them. */
static void
test_each_client_has_its_own_deadline (void)
{
  gint64 asked_us[4], budget_us = 200 * 1000;
  guint8 octets[256];
  int clients[4];
  World world;

  world_open (&world, TRUE); /* it takes connections and says nothing */
  turn_connect_bridge_set_budget (world.bridge, (guint)(budget_us / 1000));
  for (guint8 i = 0; i < 4; i++) {
    clients[i] = support_call (world.port);
    asked_us[i] = g_get_monotonic_time ();
    send_allocate (clients[i], octets, i);
    support_run_for (30);
  }
  for (guint8 i = 0; i < 4; i++) {
    expect_refusal (clients[i], i, "server");
    g_assert_cmpint (g_get_monotonic_time (), >=, asked_us[i] + budget_us);
    close (clients[i]);
  }
  g_assert_cmpuint (world.n_failed, ==, 4);
  world_close (&world);
}

static void
test_application_may_close_when_told_of_one_of_several (void)
{
  guint8 octets[256];
  int clients[8];
  World world;

  world_open (&world, TRUE);
  world.closes = TRUE;
  turn_connect_bridge_set_budget (world.bridge, 100);
  for (guint8 i = 0; i < 8; i++) {
    clients[i] = support_call (world.port);
    send_allocate (clients[i], octets, i);
  }
  for (guint8 i = 0; i < 8; i++) {
    /* All are due in the same turn; an answer may have been written before the end. */
    while (support_receive (clients[i], octets, sizeof octets) > 0)
      ;
    close (clients[i]);
  }
  g_assert_cmpuint (world.n_failed, ==, 1);
  world_close (&world);
}

static void
prepared (GObject *source, GAsyncResult *result, gpointer data)
{
  GError **error = data;

  if (turn_connect_bridge_prepare_finish (TURN_CONNECT_BRIDGE (source), result, error))
    *error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_FAILED, "it is there");
}

static void
prepare (World *world, guint n, GError **error)
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
  World world;

  world_open (&world, TRUE);
  prepare (&world, 2, &error);
  g_assert_cmpstr (error->message, ==, "it is there");
  servers[0] = accept_server (&world);
  servers[1] = accept_server (&world);
  turn_connect_bridge_get_counts (world.bridge, &counts);
  g_assert_cmpuint (counts.n_spares, ==, 2);
  close (servers[0]); /* one does not last: the other is taken */
  client = support_call (world.port);
  n_asked = send_allocate (client, asked, 1);
  expect (servers[1], asked, n_asked);
  turn_connect_bridge_get_counts (world.bridge, &counts);
  g_assert_cmpuint (counts.n_dialled, ==, 2);
  g_assert_cmpuint (counts.n_spares, ==, 0);
  close (servers[1]);
  close (client);
  world_close (&world);
}

static void
test_preparing_says_why_not (void)
{
  g_autoptr (GError) error = NULL;
  World world;

  world_open (&world, FALSE);
  prepare (&world, 3, &error);
  g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_REFUSED);
  world_close (&world);
}

static void
test_stream_that_says_nothing_of_http_is_answered_and_closed (void)
{
  static const char *const texts[] = { "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HELO\r\n\r\n",
                                       "CONNECT nowhere HTTP/1.1\r\n\r\n" };
  guint8 octets[256];
  World world;

  world_open (&world, TRUE);
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++) {
    int client = support_call (world.port);

    support_write_all (client, texts[i], strlen (texts[i]));
    g_assert_cmpuint (support_receive (client, octets, sizeof octets), >, 20);
    g_assert_cmpmem (octets, 11, "HTTP/1.0 40", 11);
    g_assert_cmpuint (support_receive (client, octets, sizeof octets), ==, 0);
    close (client);
  }
  g_assert_false (support_has_visitor (world.listener));
  world_close (&world);
}

#define ADD(name, function) g_test_add_func ("/turn-connect/bridge/" name, function)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("what-cannot-be-safe-is-refused", test_what_cannot_be_safe_is_refused);
  ADD ("both-directions-pass", test_both_directions_pass);
  ADD ("proxy-clients-log-in", test_proxy_clients_log_in);
  ADD ("cause-is-answered-and-told-and-the-stream-stays",
       test_cause_is_answered_and_told_and_the_stream_stays);
  ADD ("strangers-are-hung-up-on", test_strangers_are_hung_up_on);
  ADD ("silent-strangers-keep-nobody-out", test_silent_strangers_keep_nobody_out);
  ADD ("denied-strangers-take-few-places", test_denied_strangers_take_few_places);
  ADD ("redirection-goes-where-it-points", test_redirection_goes_where_it_points);
  ADD ("blocked-server-costs-media-and-no-stun", test_blocked_server_costs_media_and_no_stun);
  ADD ("closing-is-safe-at-every-step", test_closing_is_safe_at_every_step);
  ADD ("application-may-close-when-told", test_application_may_close_when_told);
  ADD ("each-client-has-its-own-deadline", test_each_client_has_its_own_deadline);
  ADD ("application-may-close-when-told-of-one-of-several",
       test_application_may_close_when_told_of_one_of_several);
  ADD ("streams-opened-ahead-are-used", test_streams_opened_ahead_are_used);
  ADD ("preparing-says-why-not", test_preparing_says_why_not);
  ADD ("web-requests-are-answered-and-closed",
       test_stream_that_says_nothing_of_http_is_answered_and_closed);
  return g_test_run ();
}
