/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A TURN server that tests can tell what to say, over TCP, TLS and UDP. It is fast, for it allocates
 * nothing: the address it gives is nobody's.
 */
#include "turn-mock-server.h"

#include "peers.h"
#include "stun-ext/channel-data.h"

#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define UNIT_MAX 70000

static void
drop_watch (GSource **watch)
{
  if (*watch != NULL)
    g_source_destroy (*watch);
  g_clear_pointer (watch, g_source_unref);
}

static GSource *
watch (int descriptor, GUnixFDSourceFunc func, gpointer data)
{
  GSource *source = g_unix_fd_source_new (descriptor, G_IO_IN);

  g_source_set_callback (source, G_SOURCE_FUNC (func), data, NULL);
  g_source_attach (source, g_main_context_get_thread_default ());
  return source;
}

static void
visitor_free (gpointer data)
{
  TurnVisitor *visitor = data;

  drop_watch (&visitor->watch);
  close (visitor->socket);
  g_clear_pointer (&visitor->tls, tls_peer_free);
  stun_ext_stream_clear (&visitor->cutter);
  g_free (visitor);
}

static void
flush_tls (TurnVisitor *visitor)
{
  guint8 buffer[16384];
  gsize n;

  while ((n = tls_peer_take (visitor->tls, buffer, sizeof buffer)) > 0)
    send (visitor->socket, buffer, n, MSG_NOSIGNAL);
}

static void
say_piece (TurnVisitor *visitor, const void *data, gsize length)
{
  if (visitor->tls != NULL) {
    tls_peer_write (visitor->tls, data, length);
    flush_tls (visitor);
  } else if (visitor->from != NULL)
    sendto (visitor->socket, data, length, MSG_NOSIGNAL, (struct sockaddr *)visitor->from,
            visitor->from_length);
  else
    send (visitor->socket, data, length, MSG_NOSIGNAL);
}

void
turn_visitor_say_octets (TurnVisitor *visitor, const void *data, gsize length)
{
  gsize piece = visitor->server->piece != 0 ? visitor->server->piece : length;

  for (gsize at = 0; at < length; at += piece) {
    say_piece (visitor, (const guint8 *)data + at, MIN (piece, length - at));
    if (piece < length)
      g_main_context_iteration (NULL, FALSE);
  }
}

void
turn_visitor_say (TurnVisitor *visitor, const MockMessage *message)
{
  turn_visitor_say_octets (visitor, message->octets, message->length);
}

/* A Send indication comes back as a Data indication. */
static void
send_back (TurnVisitor *visitor, const StunExtMessage *indication)
{
  StunExtBuilder builder;
  StunExtAddress peer;
  MockMessage message;
  StunExtSpan data;

  if (stun_ext_message_get_xor_address (indication, STUN_EXT_ATTRIBUTE_XOR_PEER_ADDRESS, &peer) !=
          STUN_EXT_GET_OK ||
      stun_ext_message_get_data (indication, STUN_EXT_ATTRIBUTE_DATA, &data) != STUN_EXT_GET_OK)
    return;
  stun_ext_builder_begin (&builder, message.octets, sizeof message.octets,
                          STUN_EXT_CLASS_INDICATION, STUN_EXT_METHOD_DATA,
                          indication->transaction_id);
  stun_ext_builder_add_xor_address (&builder, STUN_EXT_ATTRIBUTE_XOR_PEER_ADDRESS, &peer);
  stun_ext_builder_add_data (&builder, STUN_EXT_ATTRIBUTE_DATA, data.data, data.length);
  mock_finish (&message, &builder, MOCK_UNSIGNED, NULL);
  turn_visitor_say (visitor, &message);
}

static void
take_unit (TurnVisitor *visitor, const guint8 *unit, gsize length)
{
  TurnServer *server = visitor->server;
  StunExtMessage message;

  if (length > 0 && (unit[0] & 0xc0) != 0) {
    turn_visitor_say_octets (visitor, unit, length);
    return;
  }
  if (stun_ext_message_parse (&message, unit, length) != STUN_EXT_PARSE_OK)
    return;
  if (message.message_class == STUN_EXT_CLASS_INDICATION) {
    send_back (visitor, &message);
    return;
  }
  server->n_requests++;
  if (server->close_after != 0 && server->n_requests >= server->close_after)
    shutdown (visitor->socket, SHUT_RDWR);
  else
    server->answer (visitor, &message);
}

static void
take_octets (TurnVisitor *visitor, const guint8 *data, gsize n)
{
  const guint8 *unit;
  gsize length;

  stun_ext_stream_push (&visitor->cutter, data, n);
  while (stun_ext_stream_next (&visitor->cutter, &unit, &length) == STUN_EXT_STREAM_FRAME)
    take_unit (visitor, unit, length);
}

static gboolean
visitor_ready (int fd, GIOCondition condition, gpointer data)
{
  TurnVisitor *visitor = data;
  guint8 buffer[16384];
  gssize n = recv (fd, buffer, sizeof buffer, MSG_DONTWAIT);

  if (n <= 0) {
    g_ptr_array_remove_fast (visitor->server->visitors, visitor);
    return G_SOURCE_REMOVE;
  }
  if (visitor->tls == NULL) {
    take_octets (visitor, buffer, (gsize)n);
    return G_SOURCE_CONTINUE;
  }
  tls_peer_feed (visitor->tls, buffer, (gsize)n);
  tls_peer_step (visitor->tls);
  flush_tls (visitor);
  while ((n = tls_peer_read (visitor->tls, buffer, sizeof buffer)) > 0)
    take_octets (visitor, buffer, (gsize)n);
  flush_tls (visitor);
  return G_SOURCE_CONTINUE;
}

static gboolean
somebody_comes (int fd, GIOCondition condition, gpointer data)
{
  TurnServer *server = data;
  TurnVisitor *visitor = g_new0 (TurnVisitor, 1);

  visitor->server = server;
  visitor->socket = accept4 (fd, NULL, NULL, SOCK_CLOEXEC);
  if (server->identity != NULL)
    visitor->tls = tls_peer_new (server->identity, TLS_PEER_NORMAL);
  stun_ext_stream_init (&visitor->cutter, STUN_EXT_FRAMING_TURN, UNIT_MAX);
  visitor->watch = watch (visitor->socket, visitor_ready, visitor);
  g_ptr_array_add (server->visitors, visitor);
  server->n_visitors++;
  return G_SOURCE_CONTINUE;
}

static gboolean
datagram_comes (int fd, GIOCondition condition, gpointer data)
{
  struct sockaddr_storage from;
  TurnVisitor visitor = { .server = data, .socket = fd, .from = &from, .from_length = sizeof from };
  guint8 buffer[2048];
  gssize n;

  while ((n = recvfrom (fd, buffer, sizeof buffer, MSG_DONTWAIT, (struct sockaddr *)&from,
                        &visitor.from_length)) >= 0) {
    take_unit (&visitor, buffer, (gsize)n);
    visitor.from_length = sizeof from;
  }
  return G_SOURCE_CONTINUE;
}

void
turn_server_open (TurnServer *server,
                  TurnServerKind kind,
                  const TlsPeerIdentity *identity,
                  TurnAnswer answer)
{
  *server = (TurnServer){ .answer = answer, .identity = identity };
  server->is_datagram = kind == TURN_SERVER_UDP;
  server->listener = server->is_datagram ? support_bind_datagrams (peers_address (), &server->port)
                                         : support_listen (peers_address (), 64, &server->port);
  server->visitors = g_ptr_array_new_with_free_func (visitor_free);
  server->watch =
      watch (server->listener, server->is_datagram ? datagram_comes : somebody_comes, server);
}

void
turn_server_open_at (TurnServer *server, const char *ip, guint16 port, TurnAnswer answer)
{
  *server = (TurnServer){ .answer = answer, .port = port, .is_datagram = TRUE };
  server->listener = support_bind_datagrams_at (ip, port);
  server->visitors = g_ptr_array_new_with_free_func (visitor_free);
  server->watch = watch (server->listener, datagram_comes, server);
}

void
turn_server_close (TurnServer *server)
{
  if (server->visitors == NULL)
    return;
  drop_watch (&server->watch);
  close (server->listener);
  g_clear_pointer (&server->visitors, g_ptr_array_unref);
}

void
turn_server_drop_visitors (TurnServer *server)
{
  g_ptr_array_set_size (server->visitors, 0);
}

StunExtAddress
turn_server_address (const TurnServer *server)
{
  StunExtAddress address = mock_address (peers_address ());

  address.port = server->port;
  return address;
}

void
turn_server_behave (TurnVisitor *visitor, const StunExtMessage *request)
{
  MockMessage message;

  if (request->method == STUN_EXT_METHOD_BINDING)
    mock_success (&message, request, MOCK_UNSIGNED);
  else if (!mock_is_signed (request))
    mock_challenge (&message, request, 401, "nonce");
  else if (request->method == STUN_EXT_METHOD_ALLOCATE)
    mock_allocated (&message, request, &mock_usual, MOCK_SIGNED);
  else if (request->method == STUN_EXT_METHOD_REFRESH)
    mock_lifetime (&message, request, 600, NULL);
  else if (request->method == STUN_EXT_METHOD_CONNECT)
    mock_connection (&message, request, 4711);
  else
    mock_success (&message, request, MOCK_SIGNED);
  turn_visitor_say (visitor, &message);
}

void
turn_server_send_on (TurnVisitor *visitor, const StunExtMessage *request)
{
  MockMessage message;

  mock_redirect (&message, request, &visitor->server->elsewhere, visitor->server->domain,
                 mock_is_signed (request) ? MOCK_SIGNED : MOCK_UNSIGNED);
  turn_visitor_say (visitor, &message);
}

void
turn_server_send_on_with_proof (TurnVisitor *visitor, const StunExtMessage *request)
{
  if (mock_is_signed (request))
    turn_server_send_on (visitor, request);
  else
    turn_server_behave (visitor, request);
}
