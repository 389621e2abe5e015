/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tls-hands.h"

#include "turn-connect/tls-options-private.h"

#include <string.h>

const TlsHandsVersion tls_hands_versions[2] = { { TLS_PEER_NORMAL, "TLSv1.3" },
                                                { TLS_PEER_ONLY_TLS12, "TLSv1.2" } };

TlsPeerIdentity *
tls_hands_identity (const char *names)
{
  TlsPeerSpec spec = { .common_name = "server.test",
                       .names = names,
                       .signer = tls_peer_authority () };

  return tls_peer_identity_new (&spec);
}

TurnConnectTlsOptions *
tls_hands_options (void)
{
  TurnConnectTlsOptions *options = turn_connect_tls_options_new ();
  g_autoptr (GError) error = NULL;

  turn_connect_tls_options_set_ca_file (options, tls_peer_authority_path (), &error);
  g_assert_no_error (error);
  return options;
}

TurnConnectTls *
tls_hands_client (TurnConnectTlsOptions *options, const char *name)
{
  g_autoptr (GError) error = NULL;
  TurnConnectTls *tls = turn_connect_tls_new (turn_connect_tls_options_get_context (options), name,
                                              "the server", &error);

  g_assert_no_error (error);
  return tls;
}

/* Moves what each side has for the other, @step octets at a time. */
gsize
tls_hands_move (TurnConnectTls *client, TlsPeer *peer, gsize step)
{
  TurnConnectTlsBuffers *buffers = turn_connect_tls_get_buffers (client);
  gsize length, room, n, moved;
  const guint8 *output = turn_connect_tls_buffers_get_output (buffers, &length);
  guint8 *input;

  n = MIN (length, step);
  tls_peer_feed (peer, output, n);
  turn_connect_tls_buffers_sent (buffers, n);
  moved = n;
  input = turn_connect_tls_buffers_get_room (buffers, &room);
  n = tls_peer_take (peer, input, MIN (room, step));
  turn_connect_tls_buffers_fed (buffers, n);
  return moved + n;
}

TurnConnectIo
tls_hands_shake (TurnConnectTls *client, TlsPeer *peer, gsize step, GError **error)
{
  TurnConnectIo io = TURN_CONNECT_IO_BLOCKED;

  for (guint i = 0; io == TURN_CONNECT_IO_BLOCKED; i++) {
    g_assert_cmpuint (i, <, 20000);
    io = turn_connect_tls_handshake (client, error);
    tls_hands_move (client, peer, step);
    tls_peer_step (peer);
  }
  while (io == TURN_CONNECT_IO_OK && tls_hands_move (client, peer, 100000) > 0)
    tls_peer_step (peer);
  return io;
}

void
tls_hands_assert_talk (TurnConnectTls *client, TlsPeer *peer)
{
  char text[100] = { 0 };
  gsize got = 0;

  g_assert_cmpint (turn_connect_tls_write (client, "ping", 4, NULL), ==, TURN_CONNECT_IO_OK);
  tls_hands_move (client, peer, 100000);
  g_assert_cmpint (tls_peer_read (peer, text, sizeof text), ==, 4);
  tls_peer_write (peer, "pong", 4);
  tls_hands_move (client, peer, 100000);
  g_assert_cmpint (turn_connect_tls_read (client, text, sizeof text, &got, NULL), ==,
                   TURN_CONNECT_IO_OK);
  g_assert_cmpuint (got, ==, 4);
  g_assert_cmpint (memcmp (text, "pong", 4), ==, 0);
  g_assert_cmpint (turn_connect_tls_read (client, text, sizeof text, &got, NULL), ==,
                   TURN_CONNECT_IO_BLOCKED);
}
