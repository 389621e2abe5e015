/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* TLS over a socket that fails in one direction. */
#include "tls-hands.h"

#include "turn-connect/stream.h"
#include "turn-connect/tls-stream.h"

#include <sys/socket.h>
#include <unistd.h>

typedef struct {
  TurnConnectStream *stream;
  TlsPeer *peer;
  int far;
} World;

/* What either side has goes to the other; the peer is in memory. */
static void
carry (World *world)
{
  guint8 octets[20000];
  gssize n = recv (world->far, octets, sizeof octets, MSG_DONTWAIT);

  if (n > 0)
    tls_peer_feed (world->peer, octets, (gsize)n);
  tls_peer_step (world->peer);
  n = (gssize)tls_peer_take (world->peer, octets, sizeof octets);
  g_assert_cmpint (n, ==, n > 0 ? send (world->far, octets, (gsize)n, MSG_NOSIGNAL) : 0);
}

static void
world_up (World *world, gconstpointer data)
{
  g_autoptr (TlsPeerIdentity) identity = tls_hands_identity ("DNS:server.test");
  g_autoptr (TurnConnectTlsOptions) options = tls_hands_options ();
  g_autoptr (TurnConnectStream) base = NULL;
  g_autoptr (GError) error = NULL;
  TurnConnectIo io = TURN_CONNECT_IO_BLOCKED;
  int ends[2];

  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends));
  world->far = ends[1];
  world->peer = tls_peer_new (identity, TLS_PEER_NORMAL);
  base = turn_connect_stream_new_for_descriptor (ends[0]);
  world->stream =
      turn_connect_tls_stream_new (base, options, "server.test", "the server", NULL, &error);
  g_assert_no_error (error);
  for (guint i = 0; io == TURN_CONNECT_IO_BLOCKED && i < 100; i++) {
    io = turn_connect_tls_stream_handshake (world->stream, &error);
    g_assert_no_error (error);
    carry (world);
  }
  g_assert_cmpint (io, ==, TURN_CONNECT_IO_OK);
}

static void
world_down (World *world, gconstpointer data)
{
  g_object_unref (world->stream);
  tls_peer_free (world->peer);
  close (world->far);
}

/* Who waits for octets would otherwise wait for ever, or be called without end. */
static void
test_write_that_cannot_go (World *world, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  GOutputVector vector = { "x", 1 };
  guint8 buffer[100];
  gsize got, accepted;

  while (turn_connect_stream_try_read (world->stream, buffer, sizeof buffer, &got, NULL) ==
         TURN_CONNECT_IO_OK)
    ;
  g_assert_no_errno (shutdown (world->far, SHUT_RD));
  g_assert_cmpint (turn_connect_stream_try_write (world->stream, &vector, 1, &accepted, NULL), ==,
                   TURN_CONNECT_IO_OK);
  tls_peer_write (world->peer, "hello", 5);
  carry (world);
  g_assert_cmpint (
      turn_connect_stream_try_read (world->stream, buffer, sizeof buffer, &got, &error), ==,
      TURN_CONNECT_IO_OK);
  g_assert_cmpmem (buffer, got, "hello", 5);
  g_assert_no_error (error);
  for (guint i = 0; i < 2; i++) {
    g_assert_cmpint (
        turn_connect_stream_try_read (world->stream, buffer, sizeof buffer, &got, &error), ==,
        TURN_CONNECT_IO_FAILED);
    g_assert_cmpuint (got, ==, 0);
    g_assert_nonnull (error);
    g_clear_error (&error);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add (
      "/turn-connect/tls-stream/after-a-write-that-cannot-go-reading-fails-when-all-is-read", World,
      NULL, world_up, test_write_that_cannot_go, world_down);
  return g_test_run ();
}
