/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a packet costs a whole worker: its loop, its sockets, the backends relay and embedded, plain and under
 * TLS, one packet in a round and many. Every thread but the test's own is counted.
 */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../support/costs.h"
#include "world.h"

#define ROUNDS 1000
#define BURSTS 40
#define BURST 50
#define WIDE "[limits]\nbandwidth=1000000\ndefault-bandwidth=1000000\n"
#define RELAY "[media]\nbackend=relay\nrelay-addresses=127.0.0.1\nrelay-ports=24000-25999\n" WIDE

typedef struct {
  Client *client;
  StunExtAddress leased;
  int fd; /* the remote, or -1: the gateway inside sends everything back */
  guint16 sequence;
} Call;

static char rtp[173];

/* ---- the far side ---- */

/* Sends what comes to where it came from, as the gateway inside does. */
static void
answer_at_remote (int fd, guint n)
{
  struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

  for (guint i = 0; i < n; i++) {
    struct sockaddr_storage source;
    socklen_t length = sizeof source;
    char buffer[2048];
    ssize_t size;

    g_assert_cmpint (poll (&poll_fd, 1, 5000), ==, 1);
    size = recvfrom (fd, buffer, sizeof buffer, 0, (struct sockaddr *)&source, &length);
    g_assert_cmpint (size, ==, strlen (rtp));
    g_assert_cmpint (sendto (fd, buffer, (size_t)size, 0, (struct sockaddr *)&source, length), ==,
                     size);
  }
}

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

/* ---- the call ---- */

static guint
count_media (Peer *peer)
{
  guint n = 0;
  GBytes *body;

  while (n == 0 && (body = peer_frame (peer)) != NULL) {
    gsize length;
    const guint8 *data = g_bytes_get_data (body, &length);

    n += stun_ext_frame_kind (data, length) == STUN_EXT_FRAME_COMPACT;
    g_bytes_unref (body);
  }
  return n;
}

/* Each packet goes up and comes down again. */
static void
exchange (Call *call, guint rounds, guint per_round)
{
  for (guint i = 0; i < rounds; i++) {
    for (guint j = 0; j < per_round; j++)
      client_media (call->client, 1, call->sequence++, rtp);
    if (call->fd >= 0)
      answer_at_remote (call->fd, per_round);
    for (guint j = 0; j < per_round; j++)
      g_assert_cmpuint (count_media (call->client->peer), ==, 1);
  }
}

static void
carry (World *world, gboolean is_tls, int fd, const char *remote)
{
  g_autoptr (Client) client = client_new (world, NULL);
  Call call = { .client = client, .fd = fd };
  StunExtTepLeased leased;
  guint64 up, down;
  Costs costs;

  if (is_tls)
    peer_start_tls (client->peer, WORLD_NAME, "\x05tep/1", 0);
  client_open (client, FALSE);
  costs_begin ();
  g_assert_cmpuint (client_lease (client, 0, &leased), ==, 0);
  costs = costs_end ();
  /* A lease may cost something: the counting sees into the worker. */
  g_assert_cmpuint (costs.allocations, >=, COSTS_HAS_MEMORY);
  g_assert_cmpuint (client_flow (client, &leased, 1, remote), ==, 0);
  exchange (&call, 100, 1); /* what is kept for later use is made here */
  exchange (&call, BURSTS, BURST);
  /* What a second or a minute costs may fall into one measurement; what a packet costs is in each. */
  for (guint i = 0; i == 0 || (i < 3 && costs.allocations != 0); i++) {
    up = world_count (world, TEP_SERVER_COUNTER_UP_FORWARDED);
    down = world_count (world, TEP_SERVER_COUNTER_DOWN_FORWARDED);
    costs_begin ();
    exchange (&call, ROUNDS, 1);
    exchange (&call, BURSTS, BURST);
    costs = costs_end ();
    up = world_count (world, TEP_SERVER_COUNTER_UP_FORWARDED) - up;
    down = world_count (world, TEP_SERVER_COUNTER_DOWN_FORWARDED) - down;
    g_test_message ("%" G_GUINT64_FORMAT " packets up, %" G_GUINT64_FORMAT
                    " down: %u allocations, %u locks, %u records; OpenSSL's own: %u",
                    up, down, costs.allocations, costs.locks, costs.records, costs.of_openssl);
    g_assert_cmpuint (up, ==, ROUNDS + BURSTS * BURST);
    g_assert_cmpuint (down, ==, ROUNDS + BURSTS * BURST);
  }
  g_assert_cmpuint (costs.records, ==, 0);
  g_assert_cmpuint (costs.locks, ==, 0);
  g_assert_cmpuint (costs.allocations, ==, 0);
  /* Two for each record, and one for a record that comes in two pieces: the buffers it is read and written in
   * are freed when they are empty, for an idle connection would hold 33 kB otherwise. */
  g_assert_cmpuint (costs.of_openssl, <=, is_tls ? 3 * (ROUNDS + BURSTS * BURST) * 2 : 0);
}

/* ---- tests ---- */

static void
test_relay (gconstpointer data)
{
  gboolean is_tls = GPOINTER_TO_INT (data);
  g_autoptr (World) world = world_new_real (is_tls ? RELAY WORLD_TLS : RELAY, 1, NULL, NULL);
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];
  StunExtAddress remote;
  int fd = world_open_remote (&remote);

  carry (world, is_tls, fd, stun_ext_address_print (&remote, text));
  close (fd);
}

static void
test_embedded (gconstpointer data)
{
  const TepServerMediaCallbacks callbacks = { .packets = echo };
  gboolean is_tls = GPOINTER_TO_INT (data);
  g_autoptr (World) world = world_new_real (is_tls ? WIDE WORLD_TLS : WIDE, 1, &callbacks, NULL);

  carry (world, is_tls, -1, WORLD_REMOTE);
}

#define ADD(name, function)                                                                        \
  g_test_add_data_func ("/tep-s/cost-worker/" name "/plain", GINT_TO_POINTER (FALSE), function);   \
  g_test_add_data_func ("/tep-s/cost-worker/" name "/tls", GINT_TO_POINTER (TRUE), function)

int
main (int argc, char **argv)
{
  costs_init (argv);
  g_test_init (&argc, &argv, NULL);
  costs_leave_out_this_thread (TRUE);
  memset (rtp, 'r', sizeof rtp - 1);
  ADD ("relay", test_relay);
  ADD ("embedded", test_embedded);
  return g_test_run ();
}
