/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For programs that can be told where to send, but not how: they send to a port on loopback, and
 * the packets come out of the tunnel's far end with the leased address as their source. What comes
 * back goes to the program that sends there.
 *
 * Any user of the device can send to loopback, so the first program that does has the port to itself: the
 * socket is connected to it, and the kernel refuses the others. It keeps the port until it has been silent
 * for a while or the kernel says that its socket is gone; then whoever sends next has it. */
#include "tep-c/capture-ports.h"

#include <errno.h>
#include <sys/socket.h>

#define DATAGRAM_MAX 65536
#define ROUND_MAX 64   /* datagrams read before others get their turn */
#define WAITING_MAX 16 /* datagrams kept until the flow stands */
#define RETRY_S 10
#define TRIES 8 /* for a port that nobody takes in between */
#define SILENCE_US                                                                                 \
  (5 * G_TIME_SPAN_SECOND) /* longer than the pauses of any codec that sends none */

/* Lives until its owner has freed it and no answer is awaited any more. */
struct _TepClientPort {
  TepClientSession *session; /* NULL: none */
  TepClientDirect *direct;   /* NULL: by the tunnel */
  gboolean is_closed;
  TepClientBinding *binding;
  TepClientFlow *flow;
  GSocket *socket;
  GSource *source;
  GSource *retry;
  GSocketAddress *local_peer; /* the program, once it has sent something */
  GSource *silence;           /* armed while nobody else is listened to */
  gboolean is_pinned;
  gint64 heard_us;
  gint64 silence_us;
  GQueue waiting; /* GBytes */
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
  g_clear_object (&port->session);
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

/* ---- whose port it is ---- */

static void
unpin (TepClientPort *port)
{
  const struct sockaddr nobody = { .sa_family = AF_UNSPEC };

  if (!port->is_pinned)
    return;
  port->is_pinned = FALSE;
  connect (g_socket_get_fd (port->socket), &nobody, sizeof nobody);
  g_source_set_ready_time (port->silence, -1);
}

static gboolean
silence_due (gpointer data)
{
  TepClientPort *port = data;
  gint64 due_us = port->heard_us + port->silence_us;

  if (g_get_monotonic_time () < due_us)
    g_source_set_ready_time (port->silence, due_us);
  else
    unpin (port); /* what comes is still for the old one, until another sends */
  return G_SOURCE_CONTINUE;
}

static void
pin (TepClientPort *port, GSocketAddress *peer)
{
  struct sockaddr_storage storage;
  gssize length = g_socket_address_get_native_size (peer);

  g_set_object (&port->local_peer, peer);
  if (!g_socket_address_to_native (peer, &storage, sizeof storage, NULL) ||
      connect (g_socket_get_fd (port->socket), (struct sockaddr *)&storage, (socklen_t)length) != 0)
    return;
  port->is_pinned = TRUE;
  g_source_set_ready_time (port->silence, port->heard_us + port->silence_us);
}

static gboolean
is_same (GSocketAddress *a, GSocketAddress *b)
{
  GInetSocketAddress *first = G_INET_SOCKET_ADDRESS (a);
  GInetSocketAddress *second = G_INET_SOCKET_ADDRESS (b);

  return a == b ||
         (g_inet_socket_address_get_port (first) == g_inet_socket_address_get_port (second) &&
          g_inet_address_equal (g_inet_socket_address_get_address (first),
                                g_inet_socket_address_get_address (second)));
}

/* FALSE if a datagram is not to be taken: it came just before the socket was connected. */
static gboolean
hear (TepClientPort *port, GSocketAddress *peer)
{
  if (port->is_pinned && !is_same (peer, port->local_peer))
    return FALSE;
  port->heard_us = g_get_monotonic_time ();
  if (!port->is_pinned)
    pin (port, peer);
  return TRUE;
}

/* The kernel refuses what is sent to a socket that is closed: the program has ended. */
static void
note_error (TepClientPort *port, const GError *error)
{
  if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED))
    return;
  unpin (port);
  g_clear_object (&port->local_peer);
}

/* ---- media ---- */

/* Before the program has sent anything nobody is known to whom this could go. */
static void
hand_over (TepClientPort *port, const guint8 *payload, gsize length)
{
  g_autoptr (GError) error = NULL;

  if (port->local_peer != NULL && !port->is_closed &&
      g_socket_send_to (port->socket, port->local_peer, (const char *)payload, length, NULL,
                        &error) < 0)
    note_error (port, error);
}

static void
received (TepClientBinding *binding, const TepClientPacket *packet, gpointer data)
{
  TepClientPort *port = data;

  if (port->direct == NULL && (port->binding == NULL || port->binding == binding))
    hand_over (port, packet->payload, packet->length);
}

static void
keep_waiting (TepClientPort *port, gsize length)
{
  if (g_queue_get_length (&port->waiting) == WAITING_MAX)
    g_bytes_unref (g_queue_pop_head (&port->waiting));
  g_queue_push_tail (&port->waiting, g_bytes_new (port->datagram, length));
}

static void
send_waiting (TepClientPort *port)
{
  GBytes *bytes;

  while ((bytes = g_queue_pop_head (&port->waiting)) != NULL) {
    gsize length;
    const guint8 *payload = g_bytes_get_data (bytes, &length);

    if (port->direct != NULL)
      tep_client_direct_send (port->direct, payload, length);
    else
      tep_client_flow_send (port->flow, payload, length);
    g_bytes_unref (bytes);
  }
}

static gboolean
readable (GSocket *socket, GIOCondition condition, gpointer data)
{
  TepClientPort *port = data;

  for (guint i = 0; i < ROUND_MAX; i++) {
    g_autoptr (GSocketAddress) peer = NULL;
    g_autoptr (GError) error = NULL;
    gssize length = g_socket_receive_from (socket, &peer, (char *)port->datagram,
                                           sizeof port->datagram, NULL, &error);

    if (length < 0) {
      note_error (port, error);
      break;
    }
    if (!hear (port, peer))
      continue;
    if (port->direct != NULL)
      tep_client_direct_send (port->direct, port->datagram, (gsize)length);
    else if (port->flow != NULL)
      tep_client_flow_send (port->flow, port->datagram, length);
    else
      keep_waiting (port, length);
  }
  return G_SOURCE_CONTINUE;
}

/* ---- lease and flow ---- */

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
      port->session != NULL &&
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
  send_waiting (port);
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

  gboolean is_wanted =
      !port->is_closed && port->binding == NULL && source == (GObject *)port->session;

  if (!is_wanted && binding != NULL)
    tep_client_binding_release (binding);
  else if (is_wanted && binding == NULL)
    failed (port, error);
  else if (is_wanted) {
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

void
tep_client_port_set_session (TepClientPort *port, TepClientSession *session)
{
  if (port->session == session)
    return;
  if (port->session != NULL)
    g_signal_handlers_disconnect_by_data (port->session, port);
  g_clear_pointer (&port->retry, drop_source);
  give_back (port);
  g_set_object (&port->session, session);
  if (session == NULL)
    return;
  g_signal_connect (session, "lost", G_CALLBACK (lost), port);
  ask (port);
}

/* ---- without a tunnel ---- */

static void
received_directly (const guint8 *payload, gsize length, gpointer data)
{
  hand_over (data, payload, length);
}

static void
unanswered (gpointer data)
{
  TepClientPort *port = data;
  g_autoptr (GError) error = g_error_new_literal (TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_NO_PATH,
                                                  "nothing came back by UDP without a tunnel");

  port->event (port, NULL, error, port->user_data);
}

void
tep_client_port_set_direct (TepClientPort *port, gboolean is_direct)
{
  g_autoptr (GError) error = NULL;

  if (is_direct == (port->direct != NULL))
    return;
  g_clear_pointer (&port->direct, tep_client_direct_free);
  if (!is_direct)
    return;
  port->direct = tep_client_direct_new (&port->remote, received_directly, unanswered, port, &error);
  if (port->direct != NULL)
    send_waiting (port);
  port->event (port, NULL, error, port->user_data);
}

TepClientDirect *
tep_client_port_get_direct (TepClientPort *port)
{
  return port->direct;
}

/* ---- life ---- */

static gboolean
dispatch_silence (GSource *source, GSourceFunc func, gpointer data)
{
  return func (data);
}

static void
watch (TepClientPort *port)
{
  static GSourceFuncs silence_functions = { .dispatch = dispatch_silence };
  GMainContext *context = g_main_context_get_thread_default ();

  port->source = g_socket_create_source (port->socket, G_IO_IN, NULL);
  g_source_set_callback (port->source, G_SOURCE_FUNC (readable), port, NULL);
  g_source_attach (port->source, context);
  port->silence = g_source_new (&silence_functions, sizeof (GSource));
  g_source_set_callback (port->silence, silence_due, port, NULL);
  g_source_attach (port->silence, context);
}

static GSocket *
bind_socket (guint16 number, GError **error)
{
  g_autoptr (GInetAddress) loopback = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new (loopback, number);
  g_autoptr (GSocket) socket =
      g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_UDP, error);

  return socket != NULL && g_socket_bind (socket, address, FALSE, error) ? g_steal_pointer (&socket)
                                                                         : NULL;
}

static guint16
free_port (GError **error)
{
  g_autoptr (GSocket) socket = bind_socket (0, error);
  g_autoptr (GSocketAddress) bound =
      socket != NULL ? g_socket_get_local_address (socket, error) : NULL;

  return bound != NULL ? g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (bound)) : 0;
}

/* A socket that the kernel chose the port of loses it when it is disconnected, so the port is asked for by
 * its number also then. */
static gboolean
open_socket (TepClientPort *port, GError **error)
{
  guint tries = port->local_port == 0 ? TRIES : 1;

  while (port->socket == NULL && tries-- > 0) {
    guint16 number = port->local_port != 0 ? port->local_port : free_port (error);

    if (number == 0)
      break;
    port->socket = bind_socket (number, tries > 0 ? NULL : error);
    if (port->socket != NULL)
      port->local_port = number;
  }
  if (port->socket == NULL) {
    g_prefix_error (error, "local port %u cannot be used, choose another: ", port->local_port);
    return FALSE;
  }
  g_socket_set_blocking (port->socket, FALSE);
  watch (port);
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

  port->remote = *remote;
  port->local_port = local_port;
  port->event = event;
  port->user_data = user_data;
  port->silence_us = SILENCE_US;
  g_queue_init (&port->waiting);
  if (!open_socket (port, error)) {
    tep_client_port_free (port);
    return NULL;
  }
  tep_client_port_set_session (port, session);
  return port;
}

void
tep_client_port_free (TepClientPort *port)
{
  port->is_closed = TRUE;
  if (port->session != NULL)
    g_signal_handlers_disconnect_by_data (port->session, port);
  g_clear_pointer (&port->direct, tep_client_direct_free);
  g_clear_pointer (&port->source, drop_source);
  g_clear_pointer (&port->silence, drop_source);
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

void
tep_client_port_set_silence (TepClientPort *port, gint64 silence_us)
{
  port->silence_us = silence_us;
}
