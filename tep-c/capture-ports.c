/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For programs that can be told where to send, but not how: they send to a port on loopback, and
 * the packets come out of the tunnel's far end with the leased address as their source. What comes
 * back goes to whoever sent last. */
#include "tep-c/capture-ports.h"

#define DATAGRAM_MAX 65536
#define ROUND_MAX 64   /* datagrams read before others get their turn */
#define WAITING_MAX 16 /* datagrams kept until the flow stands */
#define RETRY_S 10

/* Lives until its owner has freed it and no answer is awaited any more. */
struct _TepClientPort {
  TepClientSession *session;
  gboolean is_closed;
  TepClientBinding *binding;
  TepClientFlow *flow;
  GSocket *socket;
  GSource *source;
  GSource *retry;
  GSocketAddress *local_peer; /* who sent last */
  GQueue waiting;             /* GBytes */
  StunExtAddress remote;
  guint16 local_port;
  TepClientPortEvent event;
  gpointer user_data;
  guint8 datagram[DATAGRAM_MAX];
};

static void ask (TepClientPort *port);

static void
drop_source (GSource *source)
{
  g_source_destroy (source);
  g_source_unref (source);
}

static void
clear (gpointer data)
{
  TepClientPort *port = data;

  g_clear_object (&port->socket);
  g_clear_object (&port->local_peer);
  g_queue_clear_full (&port->waiting, (GDestroyNotify)g_bytes_unref);
  g_object_unref (port->session);
}

static void
unref (TepClientPort *port)
{
  g_rc_box_release_full (port, clear);
}

static void
give_back (TepClientPort *port)
{
  g_clear_object (&port->flow);
  if (port->binding != NULL)
    tep_client_binding_release (port->binding);
  g_clear_object (&port->binding);
}

static void
received (TepClientBinding *binding, const TepClientPacket *packet, gpointer data)
{
  TepClientPort *port = data;

  if (port->local_peer != NULL && !port->is_closed)
    g_socket_send_to (port->socket, port->local_peer, (const char *)packet->payload, packet->length,
                      NULL, NULL);
}

static void
keep_waiting (TepClientPort *port, gsize length)
{
  if (g_queue_get_length (&port->waiting) == WAITING_MAX)
    g_bytes_unref (g_queue_pop_head (&port->waiting));
  g_queue_push_tail (&port->waiting, g_bytes_new (port->datagram, length));
}

static gboolean
readable (GSocket *socket, GIOCondition condition, gpointer data)
{
  TepClientPort *port = data;

  for (guint i = 0; i < ROUND_MAX; i++) {
    g_autoptr (GSocketAddress) peer = NULL;
    gssize length = g_socket_receive_from (socket, &peer, (char *)port->datagram,
                                           sizeof port->datagram, NULL, NULL);

    if (length < 0)
      break;
    g_set_object (&port->local_peer, peer);
    if (port->flow != NULL)
      tep_client_flow_send (port->flow, port->datagram, length);
    else
      keep_waiting (port, length);
  }
  return G_SOURCE_CONTINUE;
}

static gboolean
retry_due (gpointer data)
{
  TepClientPort *port = data;

  g_clear_pointer (&port->retry, g_source_unref);
  ask (port);
  return G_SOURCE_REMOVE;
}

/* What policy forbids is not asked for again, and a session that has ended grants nothing. */
static void
failed (TepClientPort *port, const GError *error)
{
  give_back (port);
  if (!g_error_matches (error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_FORBIDDEN) &&
      !g_error_matches (error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_FAMILY) &&
      tep_client_session_get_state (port->session) != TEP_CLIENT_STATE_CLOSED) {
    port->retry = g_timeout_source_new_seconds (RETRY_S);
    g_source_set_callback (port->retry, retry_due, port, NULL);
    g_source_attach (port->retry, g_main_context_get_thread_default ());
  }
  port->event (port, NULL, error, port->user_data);
}

static void
flow_opened (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TepClientFlow) flow =
      tep_client_binding_open_flow_finish (TEP_CLIENT_BINDING (source), result, &error);
  TepClientPort *port = data;
  GBytes *bytes;

  if (port->is_closed || port->binding != TEP_CLIENT_BINDING (source)) {
    unref (port);
    return;
  }
  if (flow == NULL) {
    failed (port, error);
    unref (port);
    return;
  }
  port->flow = g_steal_pointer (&flow);
  while ((bytes = g_queue_pop_head (&port->waiting)) != NULL) {
    gsize length;
    const guint8 *payload = g_bytes_get_data (bytes, &length);

    tep_client_flow_send (port->flow, payload, length);
    g_bytes_unref (bytes);
  }
  port->event (port, tep_client_binding_get_address (port->binding), NULL, port->user_data);
  unref (port);
}

static void
leased (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TepClientBinding) binding =
      tep_client_session_lease_finish (TEP_CLIENT_SESSION (source), result, &error);
  TepClientPort *port = data;

  if (port->is_closed && binding != NULL)
    tep_client_binding_release (binding);
  else if (!port->is_closed && binding == NULL)
    failed (port, error);
  else if (!port->is_closed) {
    port->binding = g_steal_pointer (&binding);
    tep_client_binding_open_flow_async (port->binding, &port->remote, 0, 0, -1, NULL, flow_opened,
                                        g_rc_box_acquire (port));
  }
  unref (port);
}

static void
ask (TepClientPort *port)
{
  TepClientLease lease = { .wanted_port = port->local_port, .family = port->remote.family };

  tep_client_session_lease_async (port->session, &lease, received, port, NULL, leased,
                                  g_rc_box_acquire (port));
}

static void
lost (TepClientSession *session, GObject *handle, const GError *cause, gpointer data)
{
  TepClientPort *port = data;

  if (handle == (GObject *)port->binding || handle == (GObject *)port->flow)
    failed (port, cause);
}

static gboolean
open_socket (TepClientPort *port, GError **error)
{
  g_autoptr (GInetAddress) loopback = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new (loopback, port->local_port);
  g_autoptr (GSocketAddress) bound = NULL;

  port->socket =
      g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_UDP, error);
  if (port->socket == NULL)
    return FALSE;
  g_socket_set_blocking (port->socket, FALSE);
  if (!g_socket_bind (port->socket, address, FALSE, error)) {
    g_prefix_error (error, "local port %u cannot be used, choose another: ", port->local_port);
    return FALSE;
  }
  bound = g_socket_get_local_address (port->socket, error);
  if (bound == NULL)
    return FALSE;
  port->local_port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (bound));
  port->source = g_socket_create_source (port->socket, G_IO_IN, NULL);
  g_source_set_callback (port->source, G_SOURCE_FUNC (readable), port, NULL);
  g_source_attach (port->source, g_main_context_get_thread_default ());
  return TRUE;
}

TepClientPort *
tep_client_port_new (TepClientSession *session,
                     guint16 local_port,
                     const StunExtAddress *remote,
                     TepClientPortEvent event,
                     gpointer user_data,
                     GError **error)
{
  TepClientPort *port = g_rc_box_new0 (TepClientPort);

  port->session = g_object_ref (session);
  port->remote = *remote;
  port->local_port = local_port;
  port->event = event;
  port->user_data = user_data;
  g_queue_init (&port->waiting);
  if (!open_socket (port, error)) {
    tep_client_port_free (port);
    return NULL;
  }
  g_signal_connect (session, "lost", G_CALLBACK (lost), port);
  ask (port);
  return port;
}

void
tep_client_port_free (TepClientPort *port)
{
  port->is_closed = TRUE;
  g_signal_handlers_disconnect_by_data (port->session, port);
  g_clear_pointer (&port->source, drop_source);
  g_clear_pointer (&port->retry, drop_source);
  give_back (port);
  unref (port);
}

guint16
tep_client_port_get_local (TepClientPort *port)
{
  return port->local_port;
}

const StunExtAddress *
tep_client_port_get_remote (TepClientPort *port)
{
  return &port->remote;
}

TepClientBinding *
tep_client_port_get_binding (TepClientPort *port)
{
  return port->binding;
}

TepClientFlow *
tep_client_port_get_flow (TepClientPort *port)
{
  return port->flow;
}
