/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The socket is connected, so that the kernel takes in what comes from the remote and nothing else. That UDP
 * passed to the server does not show that it passes to the remote, so silence is told. */
#include "tep-c/capture-direct.h"

#define DATAGRAM_MAX 65536
#define ROUND_MAX 64 /* datagrams read before others get their turn */

struct _TepClientDirect {
  GSocket *socket;
  GSource *source;
  TepClientDirectReceive receive;
  TepClientDirectUnanswered unanswered;
  gpointer user_data;
  guint64 sent, received;
  gint64 first_us;
  gboolean is_told;
  guint8 datagram[DATAGRAM_MAX];
};

static gboolean
readable (GSocket *socket, GIOCondition condition, gpointer data)
{
  TepClientDirect *direct = data;

  for (guint i = 0; i < ROUND_MAX && !g_source_is_destroyed (g_main_current_source ()); i++) {
    gssize length =
        g_socket_receive (socket, (char *)direct->datagram, sizeof direct->datagram, NULL, NULL);

    if (length < 0)
      break; /* nothing more, or that nobody listens there: the remote may still come */
    direct->received++;
    direct->receive (direct->datagram, (gsize)length, direct->user_data);
  }
  return G_SOURCE_CONTINUE;
}

static GSocket *
open_socket (const StunExtAddress *remote, GError **error)
{
  GSocketFamily family = remote->family == 6 ? G_SOCKET_FAMILY_IPV6 : G_SOCKET_FAMILY_IPV4;
  g_autoptr (GInetAddress) host = g_inet_address_new_from_bytes (remote->octets, family);
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new (host, remote->port);
  g_autoptr (GSocket) socket =
      g_socket_new (family, G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_UDP, error);

  if (socket == NULL)
    return NULL;
  g_socket_set_blocking (socket, FALSE);
  return g_socket_connect (socket, address, NULL, error) ? g_steal_pointer (&socket) : NULL;
}

TepClientDirect *
tep_client_direct_new (const StunExtAddress *remote,
                       TepClientDirectReceive receive,
                       TepClientDirectUnanswered unanswered,
                       gpointer user_data,
                       GError **error)
{
  GSocket *socket = open_socket (remote, error);
  TepClientDirect *direct;

  if (socket == NULL)
    return NULL;
  direct = g_new0 (TepClientDirect, 1);
  direct->socket = socket;
  direct->receive = receive;
  direct->unanswered = unanswered;
  direct->user_data = user_data;
  direct->source = g_socket_create_source (socket, G_IO_IN, NULL);
  g_source_set_callback (direct->source, G_SOURCE_FUNC (readable), direct, NULL);
  g_source_attach (direct->source, g_main_context_get_thread_default ());
  return direct;
}

void
tep_client_direct_free (TepClientDirect *direct)
{
  g_source_destroy (direct->source);
  g_source_unref (direct->source);
  g_object_unref (direct->socket);
  g_free (direct);
}

void
tep_client_direct_send (TepClientDirect *direct, const guint8 *payload, gsize length)
{
  gint64 now_us = g_get_monotonic_time ();

  g_socket_send (direct->socket, (const char *)payload, length, NULL, NULL);
  if (direct->sent++ == 0)
    direct->first_us = now_us;
  if (direct->is_told || direct->received > 0 || direct->sent < TEP_CLIENT_DIRECT_UNANSWERED ||
      now_us - direct->first_us < TEP_CLIENT_DIRECT_UNANSWERED_MS * (gint64)1000)
    return;
  direct->is_told = TRUE;
  direct->unanswered (direct->user_data);
}

void
tep_client_direct_count (const TepClientDirect *direct, guint64 *sent, guint64 *received)
{
  *sent = direct->sent;
  *received = direct->received;
}
