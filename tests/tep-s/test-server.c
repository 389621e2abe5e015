/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The server with threads and real sockets, on loopback. */
#include "world.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RELAY "[media]\nbackend=relay\nrelay-addresses=127.0.0.1\nrelay-ports=21000-22999\n"

static int
open_remote (StunExtAddress *address)
{
  struct sockaddr_storage storage;
  socklen_t length = sizeof storage;
  StunExtAddress any = world_address ("127.0.0.1:0");
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  stun_ext_address_to_sockaddr (&any, &storage);
  g_assert_cmpint (bind (fd, (struct sockaddr *)&storage, sizeof (struct sockaddr_in)), ==, 0);
  g_assert_cmpint (getsockname (fd, (struct sockaddr *)&storage, &length), ==, 0);
  stun_ext_address_from_sockaddr (address, (struct sockaddr *)&storage, length);
  return fd;
}

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
  int fd = open_remote (&remote);
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

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/tep-s/server/relay-carries-a-call/one-worker", GUINT_TO_POINTER (1),
                        test_relay_carries_a_call);
  g_test_add_data_func ("/tep-s/server/relay-carries-a-call/two-workers", GUINT_TO_POINTER (2),
                        test_relay_carries_a_call);
  return g_test_run ();
}
