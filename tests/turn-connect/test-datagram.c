/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support.h"

#include "turn-connect/datagram-private.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A bound UDP socket on 127.0.0.1. */
static int
open_server (guint16 *port)
{
  struct sockaddr_in native = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  socklen_t length = sizeof native;
  int server = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  g_assert_no_errno (bind (server, (struct sockaddr *)&native, sizeof native));
  g_assert_no_errno (getsockname (server, (struct sockaddr *)&native, &length));
  *port = ntohs (native.sin_port);
  return server;
}

static TurnConnectDatagram *
open_client (guint16 port)
{
  g_autoptr (GSocketAddress) remote = g_inet_socket_address_new_from_string ("127.0.0.1", port);
  g_autoptr (GError) error = NULL;
  TurnConnectDatagram *client = turn_connect_datagram_new (remote, &error);

  g_assert_no_error (error);
  return client;
}

static TurnConnectIo
send_text (TurnConnectDatagram *client, const char *text, GError **error)
{
  GOutputVector vector = { text, strlen (text) };

  return turn_connect_datagram_try_send (client, &vector, 1, error);
}

/* Where this server's datagrams have to go. */
static struct sockaddr_in
address_of (TurnConnectDatagram *client)
{
  struct sockaddr_in native;

  g_assert_true (g_socket_address_to_native (turn_connect_datagram_get_local_address (client),
                                             &native, sizeof native, NULL));
  return native;
}

static void
test_datagrams_pass_whole_and_one_by_one (void)
{
  guint16 port;
  int server = open_server (&port);
  g_autoptr (TurnConnectDatagram) client = open_client (port);
  struct sockaddr_in back = address_of (client);
  GOutputVector vectors[3] = { { "a", 1 }, { "", 0 }, { "bc", 2 } };
  char buffer[100];
  gsize got;

  g_assert_cmpint (turn_connect_datagram_try_send (client, vectors, 3, NULL), ==,
                   TURN_CONNECT_IO_OK);
  g_assert_cmpint (recv (server, buffer, sizeof buffer, 0), ==, 3);
  g_assert_cmpmem (buffer, 3, "abc", 3);
  g_assert_cmpint (turn_connect_datagram_try_receive (client, buffer, sizeof buffer, &got, NULL),
                   ==, TURN_CONNECT_IO_BLOCKED);
  for (int i = 0; i < 3; i++) /* the second has no octets, the third too many */
    sendto (server, "0123456789",
            i == 0   ? 2
            : i == 1 ? 0
                     : 10,
            0, (struct sockaddr *)&back, sizeof back);
  sendto (server, "xyz", 3, 0, (struct sockaddr *)&back, sizeof back);
  g_assert_cmpint (turn_connect_datagram_try_receive (client, buffer, 5, &got, NULL), ==,
                   TURN_CONNECT_IO_OK);
  g_assert_cmpmem (buffer, got, "01", 2);
  g_assert_cmpint (turn_connect_datagram_try_receive (client, buffer, 5, &got, NULL), ==,
                   TURN_CONNECT_IO_OK);
  g_assert_cmpmem (buffer, got, "xyz", 3);
  g_assert_cmpint (turn_connect_datagram_try_receive (client, buffer, 5, &got, NULL), ==,
                   TURN_CONNECT_IO_BLOCKED);
  g_assert_cmpuint (got, ==, 0);
  g_assert_null (turn_connect_datagram_get_tls_info (client));
  close (server);
}

/* What no datagram holds is passed over; what there is no room for is not counted. */
static void
test_many_go_and_come_in_one_call (void)
{
  static guint8 huge[65536];
  guint16 port;
  int server = open_server (&port), room = 1;
  g_autoptr (TurnConnectDatagram) client = open_client (port);
  struct sockaddr_in back = address_of (client);
  GOutputVector out[TURN_CONNECT_DATAGRAMS_MAX];
  GInputVector in[4];
  char texts[4][8], buffer[100];
  guint n, n_sent;

  for (guint i = 0; i < TURN_CONNECT_DATAGRAMS_MAX; i++)
    out[i] = (GOutputVector){ i == 3 ? huge : (const guint8 *)"abcdefgh" + i % 8,
                              i == 3 ? sizeof huge : 1 };
  g_assert_cmpuint (turn_connect_datagram_send_many (client, out, TURN_CONNECT_DATAGRAMS_MAX), ==,
                    TURN_CONNECT_DATAGRAMS_MAX - 1);
  for (guint i = 0; i < TURN_CONNECT_DATAGRAMS_MAX; i++) {
    if (i == 3)
      continue;
    g_assert_cmpint (recv (server, buffer, sizeof buffer, MSG_DONTWAIT), ==, 1);
    g_assert_cmpint (buffer[0], ==, "abcdefgh"[i % 8]);
  }
  /* Six come: one too long for its buffer, and the last two for the next call. */
  for (guint i = 0; i < 6; i++)
    sendto (server, "01234567890", i == 1 ? 11 : i + 1, 0, (struct sockaddr *)&back, sizeof back);
  for (guint i = 0; i < G_N_ELEMENTS (in); i++)
    in[i] = (GInputVector){ texts[i], sizeof texts[i] };
  g_assert_cmpint (turn_connect_datagram_receive_many (client, in, 4, &n, NULL), ==,
                   TURN_CONNECT_IO_OK);
  g_assert_cmpuint (n, ==, 4);
  for (guint i = 0; i < 4; i++)
    g_assert_cmpuint (in[i].size, ==, i == 1 ? 0 : i + 1);
  for (guint i = 0; i < G_N_ELEMENTS (in); i++)
    in[i].size = sizeof texts[i];
  g_assert_cmpint (turn_connect_datagram_receive_many (client, in, 4, &n, NULL), ==,
                   TURN_CONNECT_IO_OK);
  g_assert_cmpuint (n, ==, 2);
  g_assert_cmpint (turn_connect_datagram_receive_many (client, in, 4, &n, NULL), ==,
                   TURN_CONNECT_IO_BLOCKED);
  /* No room: the network here is this machine, and nobody reads. */
  setsockopt (turn_connect_datagram_get_descriptor (client), SOL_SOCKET, SO_SNDBUF, &room,
              sizeof room);
  for (guint i = 0; i < TURN_CONNECT_DATAGRAMS_MAX; i++)
    out[i] = (GOutputVector){ huge, 4000 };
  n_sent = turn_connect_datagram_send_many (client, out, TURN_CONNECT_DATAGRAMS_MAX);
  g_assert_cmpuint (n_sent, <=, TURN_CONNECT_DATAGRAMS_MAX);
  for (n = 0; recv (server, buffer, sizeof buffer, MSG_DONTWAIT) > 0; n++)
    continue;
  g_test_message ("%u sent, %u there", n_sent, n);
  g_assert_cmpuint (n, <=, n_sent);
  close (server);
}

/* Nobody listens: told once by the receiver, as for one. */
static void
test_many_to_nobody_are_told_once (void)
{
  guint16 port;
  int server = open_server (&port);
  g_autoptr (TurnConnectDatagram) client = open_client (port);
  g_autoptr (GError) error = NULL;
  GOutputVector out[8];
  char text[8];
  GInputVector in = { text, sizeof text };
  guint n;

  close (server);
  for (guint i = 0; i < G_N_ELEMENTS (out); i++)
    out[i] = (GOutputVector){ "x", 1 };
  g_assert_cmpuint (turn_connect_datagram_send_many (client, out, 8), ==, 8);
  g_assert_cmpint (turn_connect_datagram_receive_many (client, &in, 1, &n, &error), ==,
                   TURN_CONNECT_IO_FAILED);
  g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_REFUSED);
  g_assert_cmpuint (n, ==, 0);
  turn_connect_datagram_close (client);
  g_assert_cmpuint (turn_connect_datagram_send_many (client, out, 8), ==, 0);
}

static void
test_strangers_are_not_heard (void)
{
  guint16 port, other_port;
  int server = open_server (&port);
  int stranger = open_server (&other_port);
  g_autoptr (TurnConnectDatagram) client = open_client (port);
  struct sockaddr_in back = address_of (client);
  char buffer[100];
  gsize got;

  sendto (stranger, "boo", 3, 0, (struct sockaddr *)&back, sizeof back);
  sendto (server, "hi", 2, 0, (struct sockaddr *)&back, sizeof back);
  g_assert_cmpint (turn_connect_datagram_try_receive (client, buffer, sizeof buffer, &got, NULL),
                   ==, TURN_CONNECT_IO_OK);
  g_assert_cmpmem (buffer, got, "hi", 2);
  g_assert_cmpint (turn_connect_datagram_try_receive (client, buffer, sizeof buffer, &got, NULL),
                   ==, TURN_CONNECT_IO_BLOCKED);
  close (server);
  close (stranger);
}

static gboolean
note_ready (TurnConnectDatagram *client, GIOCondition condition, gpointer user_data)
{
  *(GIOCondition *)user_data |= condition;
  return G_SOURCE_REMOVE;
}

/* An ICMP error reaches the receiver once, also when sending met it, and what is sent after it
 * goes out. */
static void
test_refusal_is_told_once_and_passes (void)
{
  guint16 port;
  int server = open_server (&port);
  g_autoptr (TurnConnectDatagram) client = open_client (port);
  g_autoptr (GSource) source = NULL;
  g_autoptr (GError) error = NULL;
  struct sockaddr_in native = address_of (client);
  GIOCondition seen = 0;
  char buffer[100];
  gsize got;

  close (server);
  g_assert_cmpint (send_text (client, "anybody?", NULL), ==, TURN_CONNECT_IO_OK);
  server = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  native.sin_port = htons (port);
  g_assert_no_errno (bind (server, (struct sockaddr *)&native, sizeof native));
  g_assert_cmpint (send_text (client, "again", NULL), ==, TURN_CONNECT_IO_OK);
  g_assert_cmpint (recv (server, buffer, sizeof buffer, 0), ==, 5);
  source = turn_connect_datagram_create_source (client, G_IO_IN, NULL);
  g_source_set_callback (source, G_SOURCE_FUNC (note_ready), &seen, NULL);
  g_source_attach (source, NULL);
  g_assert_true (g_main_context_iteration (NULL, FALSE));
  g_assert_cmpint (seen, ==, G_IO_IN);
  g_assert_cmpint (turn_connect_datagram_try_receive (client, buffer, sizeof buffer, &got, &error),
                   ==, TURN_CONNECT_IO_FAILED);
  g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_REFUSED);
  g_assert_nonnull (strstr (error->message, "127.0.0.1"));
  g_assert_cmpint (turn_connect_datagram_try_receive (client, buffer, sizeof buffer, &got, NULL),
                   ==, TURN_CONNECT_IO_BLOCKED);
  close (server);
}

static void
test_too_large_is_refused_and_harms_nothing (void)
{
  guint16 port;
  int server = open_server (&port);
  g_autoptr (TurnConnectDatagram) client = open_client (port);
  g_autofree char *octets = g_malloc0 (65508);
  GOutputVector vector = { octets, 65508 };
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (turn_connect_datagram_try_send (client, &vector, 1, &error), ==,
                   TURN_CONNECT_IO_FAILED);
  g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID);
  vector.size--;
  g_assert_cmpint (turn_connect_datagram_try_send (client, &vector, 1, NULL), ==,
                   TURN_CONNECT_IO_OK);
  close (server);
}

static void
test_closed_socket_says_so (void)
{
  guint16 port;
  int server = open_server (&port);
  g_autoptr (TurnConnectDatagram) client = open_client (port);
  g_autoptr (GSource) source = turn_connect_datagram_create_source (client, G_IO_IN, NULL);
  g_autoptr (GError) error = NULL;
  GIOCondition seen = 0;
  char buffer[10];
  gsize got;

  g_source_set_callback (source, G_SOURCE_FUNC (note_ready), &seen, NULL);
  g_source_attach (source, NULL);
  turn_connect_datagram_close (client);
  turn_connect_datagram_close (client);
  g_assert_true (g_main_context_iteration (NULL, FALSE));
  g_assert_cmpint (seen, ==, G_IO_NVAL);
  g_assert_cmpint (send_text (client, "x", &error), ==, TURN_CONNECT_IO_FAILED);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  g_assert_cmpint (turn_connect_datagram_try_receive (client, buffer, sizeof buffer, &got, NULL),
                   ==, TURN_CONNECT_IO_FAILED);
  g_assert_cmpint (turn_connect_datagram_get_descriptor (client), ==, -1);
  close (server);
}

/* Addresses. */

typedef struct {
  gboolean is_done;
  GPtrArray *addresses;
  TurnConnectDatagram *datagram;
  GError *error;
} Outcome;

static void
looked_up (GObject *target, GAsyncResult *result, gpointer user_data)
{
  Outcome *outcome = user_data;

  outcome->addresses =
      turn_connect_datagram_look_up_finish (TURN_CONNECT_TARGET (target), result, &outcome->error);
  outcome->is_done = TRUE;
}

static void
dialled (GObject *target, GAsyncResult *result, gpointer user_data)
{
  Outcome *outcome = user_data;

  outcome->datagram =
      turn_connect_datagram_dial_finish (TURN_CONNECT_TARGET (target), result, &outcome->error);
  outcome->is_done = TRUE;
}

static void
outcome_clear (Outcome *outcome)
{
  g_clear_pointer (&outcome->addresses, g_ptr_array_unref);
  g_clear_object (&outcome->datagram);
  g_clear_error (&outcome->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Outcome, outcome_clear)

static void
look_up (const char *host, Outcome *outcome)
{
  g_autoptr (TurnConnectTarget) target = turn_connect_target_new (host, 3478, NULL);

  turn_connect_target_set_timeout (target, 300);
  turn_connect_datagram_look_up_async (target, NULL, looked_up, outcome);
  g_assert_false (outcome->is_done);
  support_run_until (&outcome->is_done);
}

static void
test_addresses_come_in_the_order_to_try (void)
{
  static const struct {
    const char *name, *answers, *wanted;
  } rows[] = {
    { "both.test", "192.0.2.1,192.0.2.2,192.0.2.3,2001:db8::1,2001:db8::2",
      "2001:db8::1 192.0.2.1 2001:db8::2 192.0.2.2 192.0.2.3 " },
    { "four.test", "192.0.2.1,192.0.2.2", "192.0.2.1 192.0.2.2 " },
    { "six.test", "2001:db8::1", "2001:db8::1 " },
    { "slow-six.test", "192.0.2.1,hang6", "192.0.2.1 " },
    { "192.0.2.9", "", "192.0.2.9 " },
    { "[2001:db8::9]", "", "2001:db8::9 " },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_auto (Outcome) outcome = { 0 };
    g_autoptr (GString) text = g_string_new (NULL);

    support_resolver_set (rows[i].name, rows[i].answers);
    look_up (rows[i].name, &outcome);
    g_assert_no_error (outcome.error);
    for (guint k = 0; k < outcome.addresses->len; k++) {
      GInetSocketAddress *address = g_ptr_array_index (outcome.addresses, k);
      g_autofree char *ip = g_inet_address_to_string (g_inet_socket_address_get_address (address));

      g_assert_cmpuint (g_inet_socket_address_get_port (address), ==, 3478);
      g_string_append_printf (text, "%s ", ip);
    }
    g_assert_cmpstr (text->str, ==, rows[i].wanted);
  }
}

static void
test_lookups_that_fail_say_why (void)
{
  static const struct {
    const char *name, *answers;
    gint code;
  } rows[] = {
    { "none.test", "", TURN_CONNECT_ERROR_NAME_NOT_FOUND },
    { "down.test", "fail", TURN_CONNECT_ERROR_NAME_FAILED },
    { "silent.test", "hang4,hang6", TURN_CONNECT_ERROR_NAME_FAILED },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_auto (Outcome) outcome = { 0 };

    support_resolver_set (rows[i].name, rows[i].answers);
    look_up (rows[i].name, &outcome);
    g_assert_error (outcome.error, TURN_CONNECT_ERROR, rows[i].code);
    g_assert_cmpint (turn_connect_error_get_step (outcome.error), ==, TURN_CONNECT_STEP_RESOLVE);
    g_assert_nonnull (strstr (outcome.error->message, rows[i].name));
  }
}

static void
test_lookup_can_be_cancelled (void)
{
  g_autoptr (TurnConnectTarget) target = turn_connect_target_new ("silent.test", 3478, NULL);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (Outcome) outcome = { 0 };

  support_resolver_set ("silent.test", "hang4,hang6");
  turn_connect_datagram_look_up_async (target, cancellable, looked_up, &outcome);
  g_cancellable_cancel (cancellable);
  support_run_until (&outcome.is_done);
  g_assert_error (outcome.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
test_nothing_goes_beside_a_proxy (void)
{
  g_autoptr (TurnConnectTarget) target = turn_connect_target_new ("beside.test", 3478, NULL);
  g_autoptr (GError) error = NULL;

  support_resolver_set ("beside.test", "127.0.0.1");
  turn_connect_target_set_proxy (target, "http://proxy.test:3128", &error);
  g_assert_no_error (error);
  for (int i = 0; i < 2; i++) {
    g_auto (Outcome) outcome = { 0 };

    if (i == 0)
      turn_connect_datagram_look_up_async (target, NULL, looked_up, &outcome);
    else
      turn_connect_datagram_dial_async (target, NULL, dialled, &outcome);
    g_assert_false (outcome.is_done);
    support_run_until (&outcome.is_done);
    g_assert_error (outcome.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_UNSUPPORTED);
    g_assert_nonnull (strstr (outcome.error->message, "proxy.test"));
  }
  g_assert_cmpuint (support_resolver_count ("beside.test"), ==, 0);
}

static void
test_plain_dial_gives_a_socket (void)
{
  g_autoptr (TurnConnectTarget) target = NULL;
  g_auto (Outcome) outcome = { 0 };
  guint16 port;
  int server = open_server (&port);
  char buffer[10];

  target = turn_connect_target_new ("127.0.0.1", port, NULL);
  turn_connect_datagram_dial_async (target, NULL, dialled, &outcome);
  support_run_until (&outcome.is_done);
  g_assert_no_error (outcome.error);
  g_assert_cmpint (send_text (outcome.datagram, "hello", NULL), ==, TURN_CONNECT_IO_OK);
  g_assert_cmpint (recv (server, buffer, sizeof buffer, 0), ==, 5);
  close (server);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  support_resolver_install ();
#define ADD(name, function) g_test_add_func ("/turn-connect/datagram/" name, function)
  ADD ("datagrams-pass-whole-and-one-by-one", test_datagrams_pass_whole_and_one_by_one);
  ADD ("many-go-and-come-in-one-call", test_many_go_and_come_in_one_call);
  ADD ("many-to-nobody-are-told-once", test_many_to_nobody_are_told_once);
  ADD ("strangers-are-not-heard", test_strangers_are_not_heard);
  ADD ("refusal-is-told-once-and-passes", test_refusal_is_told_once_and_passes);
  ADD ("too-large-is-refused-and-harms-nothing", test_too_large_is_refused_and_harms_nothing);
  ADD ("closed-socket-says-so", test_closed_socket_says_so);
  ADD ("addresses-come-in-the-order-to-try", test_addresses_come_in_the_order_to_try);
  ADD ("lookups-that-fail-say-why", test_lookups_that_fail_say_why);
  ADD ("lookup-can-be-cancelled", test_lookup_can_be_cancelled);
  ADD ("nothing-goes-beside-a-proxy", test_nothing_goes_beside_a_proxy);
  ADD ("plain-dial-gives-a-socket", test_plain_dial_gives_a_socket);
  return g_test_run ();
}
