/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The server with threads and real sockets, on loopback. */
#include "world.h"

#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define RELAY "[media]\nbackend=relay\nrelay-addresses=127.0.0.1\nrelay-ports=21000-22999\n"

static void
assert_datagram (int fd, const char *payload, const StunExtAddress *from)
{
  struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
  struct sockaddr_storage storage;
  socklen_t length = sizeof storage;
  StunExtAddress source;
  char buffer[2048];
  ssize_t n;

  g_assert_cmpint (poll (&poll_fd, 1, 5000), ==, 1);
  n = recvfrom (fd, buffer, sizeof buffer, 0, (struct sockaddr *)&storage, &length);
  g_assert_cmpmem (buffer, n, payload, strlen (payload));
  stun_ext_address_from_sockaddr (&source, (struct sockaddr *)&storage, length);
  g_assert_true (stun_ext_address_equal (&source, from));
}

static void
send_datagram (int fd, const char *payload, const StunExtAddress *to)
{
  struct sockaddr_storage storage;
  socklen_t length = (socklen_t)stun_ext_address_to_sockaddr (to, &storage);

  g_assert_cmpint (sendto (fd, payload, strlen (payload), 0, (struct sockaddr *)&storage, length),
                   ==, strlen (payload));
}

static gboolean
next_media (Peer *peer, const char *payload)
{
  GBytes *body;

  while ((body = peer_frame (peer)) != NULL) {
    gsize length;
    const guint8 *data = g_bytes_get_data (body, &length);
    StunExtCompactFrame frame;
    gboolean is_media = stun_ext_frame_kind (data, length) == STUN_EXT_FRAME_COMPACT &&
                        stun_ext_compact_parse (data, length, &frame);

    if (is_media)
      g_assert_cmpmem (frame.payload, frame.length, payload, strlen (payload));
    g_bytes_unref (body);
    if (is_media)
      return TRUE;
  }
  return FALSE;
}

static void
open_call (Client *client, StunExtTepLeased *leased, const StunExtAddress *remote)
{
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

  client_open (client, FALSE);
  g_assert_cmpuint (client_lease (client, 0, leased), ==, 0);
  g_assert_cmpuint (client_flow (client, leased, 1, stun_ext_address_print (remote, text)), ==, 0);
}

static void
test_relay_carries_a_call (gconstpointer data)
{
  g_autoptr (World) world = world_new_real (RELAY, GPOINTER_TO_UINT (data), NULL, NULL);
  g_autoptr (Client) client = client_new (world, NULL);
  StunExtAddress remote;
  int fd = world_open_remote (&remote);
  StunExtTepLeased leased;

  open_call (client, &leased, &remote);
  g_assert_cmpuint (leased.kind, ==, STUN_EXT_TEP_FLOW_RELAYED);
  g_assert_cmpuint (leased.address.port, >=, 21000);
  for (guint16 i = 0; i < 100; i++) {
    client_media (client, 1, i, "up");
    assert_datagram (fd, "up", &leased.address);
    send_datagram (fd, "down", &leased.address);
    g_assert_true (next_media (client->peer, "down"));
  }
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_UP_FORWARDED), ==, 100);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_DOWN_FORWARDED), ==, 100);
  close (fd);
}

/* Connections are spread over workers by the kernel, so some of many land elsewhere and are handed over. */
static void
test_joins_over_two_workers (gconstpointer data)
{
  gboolean is_tls = GPOINTER_TO_INT (data);
  g_autoptr (World) world = world_new_real (is_tls ? RELAY WORLD_TLS : RELAY, 2, NULL, NULL);
  g_autoptr (Client) client = client_new (world, NULL);
  StunExtAddress remote;
  int fd = world_open_remote (&remote);
  StunExtTepLeased leased;

  if (is_tls)
    peer_start_tls (client->peer, WORLD_NAME, "\x05tep/1", 0);
  open_call (client, &leased, &remote);
  for (guint16 i = 0; i < 12; i++) {
    client->peer = peer_connect (world);
    if (is_tls)
      peer_start_tls (client->peer, WORLD_NAME, "\x05tep/1", 0);
    g_assert_cmpuint (client_join (client, client->peer, FALSE), ==, 0);
    client_media (client, 1, i, "up");
    assert_datagram (fd, "up", &leased.address);
    send_datagram (fd, "down", &leased.address);
    g_assert_true (next_media (client->peer, "down"));
  }
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_JOINED), ==, 12);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_HANDED_OVER), >, 0);
  close (fd);
}

static void
test_reload_keeps_sessions (void)
{
  g_autoptr (World) world = world_new_real (RELAY WORLD_TLS, 2, NULL, NULL);
  g_autoptr (Client) client = client_new (world, NULL);
  StunExtAddress remote;
  int fd = world_open_remote (&remote);
  StunExtTepLeased leased;

  peer_start_tls (client->peer, WORLD_NAME, "\x05tep/1", 0);
  open_call (client, &leased, &remote);
  for (guint16 i = 0; i < 20; i++) {
    world_reload_real (world, RELAY WORLD_TLS);
    client_media (client, 1, i, "up");
    assert_datagram (fd, "up", &leased.address);
  }
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_TUNNELS), ==, 1);
  close (fd);
}

static void
on_drained (TepServer *server, gboolean *is_drained)
{
  *is_drained = TRUE;
}

static void
on_opened (TepServer *server, const char *user, const char *source, guint *n)
{
  g_assert_cmpstr (user, ==, "alice");
  g_assert_true (g_str_has_prefix (source, "127.0.0.1:"));
  (*n)++;
}

static void
test_drain_says_when_it_is_done (void)
{
  g_autoptr (World) world = world_new_real (RELAY, 2, NULL, NULL);
  g_autoptr (Client) client = client_new (world, NULL);
  gboolean is_drained = FALSE;
  guint n_opened = 0;
  StunExtAddress remote;
  int fd = world_open_remote (&remote);
  StunExtTepLeased leased;

  g_signal_connect (world->server, "drained", G_CALLBACK (on_drained), &is_drained);
  g_signal_connect (world->server, "tunnel-opened", G_CALLBACK (on_opened), &n_opened);
  open_call (client, &leased, &remote);
  while (n_opened == 0)
    g_main_context_iteration (NULL, TRUE);
  tep_server_drain (world->server, 0);
  g_assert_cmpuint (client_answer (client, client->peer, STUN_EXT_TEP_CLOSE, NULL), ==, 300);
  while (!is_drained)
    g_main_context_iteration (NULL, TRUE);
  close (fd);
}

/* The gateway's side: what comes goes back. */
static void
echo (TepServerWorker *worker, const TepServerPacket *packets, gsize n, gpointer data)
{
  for (gsize i = 0; i < n; i++) {
    TepServerPacket packet = packets[i];

    packet.source = packets[i].destination;
    packet.destination = packets[i].source;
    tep_server_worker_send (worker, &packet, 1);
  }
}

static void
test_embedded_gateway_hears_and_answers (void)
{
  const TepServerMediaCallbacks callbacks = { .packets = echo };
  g_autoptr (World) world = world_new_real (NULL, 2, &callbacks, NULL);
  g_autoptr (Client) client = client_new (world, NULL);
  StunExtTepLeased leased;

  client_open (client, FALSE);
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 0);
  g_assert_cmpuint (client_flow (client, &leased, 1, WORLD_REMOTE), ==, 0);
  for (guint16 i = 0; i < 50; i++) {
    client_media (client, 1, i, "echo");
    g_assert_true (next_media (client->peer, "echo"));
  }
}

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
test_thousand_servers_leave_nothing (void)
{
  const TepServerMediaCallbacks callbacks = { .packets = echo };
  World *world = world_new_real (NULL, 1, &callbacks, NULL);
  guint before = count_descriptors ();

  for (guint i = 0; i < 1000; i++) {
    GError *error = NULL;

    tep_server_stop (world->server);
    g_assert_true (tep_server_start (world->server, &error));
  }
  g_assert_cmpuint (count_descriptors (), ==, before);
  world_free (world);
}

/* More connections than descriptors: accepting pauses, does not spin, and goes on by itself. */
static void
test_descriptors_run_out_and_come_back (void)
{
  struct rlimit limit, small;
  g_autoptr (World) world = NULL;
  Peer *peers[64];
  guint64 wakeups;

  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &limit), ==, 0);
  small = limit;
  small.rlim_cur = 120;
  setrlimit (RLIMIT_NOFILE, &small);
  world = world_new_real ("[limits]\nunauthenticated=1000\nunauthenticated-per-source=1000\n", 1,
                          NULL, NULL);
  setrlimit (RLIMIT_NOFILE, &limit);
  for (guint i = 0; i < G_N_ELEMENTS (peers); i++)
    peers[i] = peer_connect (world);
  while (world_count (world, TEP_SERVER_COUNTER_ACCEPT_PAUSES) == 0)
    g_thread_yield ();
  wakeups = world_count (world, TEP_SERVER_COUNTER_WAKEUPS);
  g_usleep (400 * 1000); /* the only way to see that nothing happens */
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_WAKEUPS) - wakeups, <, 50);
  for (guint i = 0; i < G_N_ELEMENTS (peers); i++)
    peer_hang_up (peers[i]);
  {
    g_autoptr (Client) client = client_new (world, NULL);

    client_open (client, TRUE);
  }
}

#define ADD(path, function) g_test_add_func ("/tep-s/server/" path, function)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/tep-s/server/relay-carries-a-call/one-worker", GUINT_TO_POINTER (1),
                        test_relay_carries_a_call);
  g_test_add_data_func ("/tep-s/server/relay-carries-a-call/two-workers", GUINT_TO_POINTER (2),
                        test_relay_carries_a_call);
  g_test_add_data_func ("/tep-s/server/joins-over-two-workers/plain", GINT_TO_POINTER (FALSE),
                        test_joins_over_two_workers);
  g_test_add_data_func ("/tep-s/server/joins-over-two-workers/tls", GINT_TO_POINTER (TRUE),
                        test_joins_over_two_workers);
  ADD ("reload-keeps-sessions", test_reload_keeps_sessions);
  ADD ("drain-says-when-it-is-done", test_drain_says_when_it_is_done);
  ADD ("embedded-gateway-hears-and-answers", test_embedded_gateway_hears_and_answers);
  ADD ("descriptors-run-out-and-come-back", test_descriptors_run_out_and_come_back);
  ADD ("thousand-servers-leave-nothing", test_thousand_servers_leave_nothing);
  return g_test_run ();
}
