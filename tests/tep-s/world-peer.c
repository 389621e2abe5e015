/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connections of the world, as their clients see them: in memory or, to a real server, by sockets. */
#include "world.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void
register_peer (World *world, Peer *peer)
{
  peer->world = world;
  peer->received = g_byte_array_new ();
  peer->cipher = g_byte_array_new ();
  peer->sent = g_byte_array_new ();
  peer->is_reading = TRUE;
  g_ptr_array_add (world->peers, peer);
}

Peer *
peer_new (World *world, guint core, const char *source)
{
  StunExtAddress address = world_address (source);
  TepServerConnection *connection = tep_server_core_accept (world->cores[core], &address);
  Peer *peer;

  if (connection == NULL)
    return NULL;
  peer = g_new0 (Peer, 1);
  peer->core = world->cores[core];
  peer->connection = connection;
  peer->fd = -1;
  tep_server_connection_set_host_data (connection, (gintptr)peer);
  register_peer (world, peer);
  return peer;
}

Peer *
peer_connect (World *world)
{
  Peer *peer = g_new0 (Peer, 1);
  struct sockaddr_storage storage;
  StunExtAddress address;
  socklen_t length;

  if (world->server != NULL)
    g_assert_true (tep_server_get_listener_address (world->server, 0, &address));
  else
    address = world_address ("127.0.0.1:1");
  if (world->real_port != 0)
    address.port = world->real_port;
  length = (socklen_t)stun_ext_address_to_sockaddr (&address, &storage);
  peer->fd = socket (storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint (peer->fd, >=, 0);
  g_assert_cmpint (connect (peer->fd, (struct sockaddr *)&storage, length), ==, 0);
  register_peer (world, peer);
  return peer;
}

void
peer_free (Peer *peer)
{
  if (peer->fd >= 0)
    close (peer->fd);
  g_clear_pointer (&peer->tls, tls_client_free);
  g_byte_array_unref (peer->cipher);
  g_byte_array_unref (peer->received);
  g_byte_array_unref (peer->sent);
  g_free (peer);
}

static void
send_raw (Peer *peer, const void *data, gsize length)
{
  g_byte_array_append (peer->sent, data, (guint)length);
  if (peer->fd >= 0) {
    g_assert_cmpint (send (peer->fd, data, length, MSG_NOSIGNAL), ==, length);
    return;
  }
  while (length > 0 && peer->connection != NULL) {
    gsize n = peer->split > 0 ? MIN (length, peer->split) : length;
    /* A buffer of its own, so that reading beyond it is noticed. */
    g_autofree guint8 *copy = g_memdup2 (data, n);

    tep_server_core_input (peer->core, peer->connection, copy, n);
    world_flush (peer->world);
    data = (const guint8 *)data + n;
    length -= n;
  }
}

/* Lets TLS read what came and send what it has to say, until nothing moves. */
static void
pump_tls (Peer *peer)
{
  gboolean is_moving = TRUE;

  while (is_moving) {
    g_autoptr (GByteArray) output = NULL;
    g_autoptr (GByteArray) cipher = g_steal_pointer (&peer->cipher);

    peer->cipher = g_byte_array_new ();
    if (cipher->len > 0 && !tls_client_input (peer->tls, cipher->data, cipher->len, peer->received))
      peer->is_tls_failed = TRUE;
    output = tls_client_output (peer->tls);
    if (output->len > 0)
      send_raw (peer, output->data, output->len);
    is_moving = output->len > 0 || peer->cipher->len > 0;
  }
}

void
peer_start_tls (Peer *peer, const char *name, const char *alpn, int max_version)
{
  peer->tls = tls_client_new (name, alpn, max_version);
  pump_tls (peer);
}

void
peer_send (Peer *peer, const void *data, gsize length)
{
  if (peer->tls == NULL) {
    send_raw (peer, data, length);
    return;
  }
  tls_client_write (peer->tls, data, length);
  pump_tls (peer);
}

void
peer_hang_up (Peer *peer)
{
  if (peer->fd >= 0) {
    close (peer->fd);
    peer->fd = -1;
    return;
  }
  if (peer->connection != NULL)
    tep_server_core_hangup (peer->core, peer->connection);
  world_flush (peer->world);
}

static GBytes *
whole_frame (Peer *peer)
{
  gsize left = peer->received->len - peer->consumed;
  const guint8 *at;
  gsize length;

  if (left < 2)
    return NULL;
  at = peer->received->data + peer->consumed;
  length = (gsize)at[0] << 8 | at[1];
  if (left < 2 + length)
    return NULL;
  peer->consumed += 2 + length;
  return g_bytes_new (at + 2, length);
}

gboolean
peer_receive (Peer *peer)
{
  struct pollfd poll_fd = { .fd = peer->fd, .events = POLLIN };
  guint8 buffer[4096];
  ssize_t n;

  if (peer->fd < 0 || poll (&poll_fd, 1, 2000) != 1)
    return FALSE;
  n = recv (peer->fd, buffer, sizeof buffer, 0);
  if (n <= 0) {
    peer->is_shut = TRUE;
    return FALSE;
  }
  g_byte_array_append (peer->tls != NULL ? peer->cipher : peer->received, buffer, (guint)n);
  if (peer->tls != NULL)
    pump_tls (peer);
  return TRUE;
}

GBytes *
peer_frame (Peer *peer)
{
  GBytes *frame;

  if (peer->tls != NULL)
    pump_tls (peer);
  frame = whole_frame (peer);
  while (frame == NULL && peer_receive (peer))
    frame = whole_frame (peer);
  return frame;
}

/* The next compact frame of the server. */
void
peer_assert_media (Peer *peer, guint16 flow, const char *payload)
{
  GBytes *body;

  while ((body = peer_frame (peer)) != NULL) {
    gsize length;
    const guint8 *data = g_bytes_get_data (body, &length);
    StunExtCompactFrame frame;

    if (stun_ext_frame_kind (data, length) == STUN_EXT_FRAME_COMPACT) {
      g_assert_true (stun_ext_compact_parse (data, length, &frame));
      g_assert_cmpuint (frame.flow, ==, flow);
      g_assert_cmpmem (frame.payload, frame.length, payload, strlen (payload));
      g_bytes_unref (body);
      return;
    }
    g_bytes_unref (body);
  }
  g_assert_not_reached ();
}
