/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The port and those who came to it. What becomes of each connection is link.c's business; this unit
 * takes them in, as many as there are descriptors for, and keeps the port from strangers.
 */
#include "turn-connect/local/forward.h"

#include "turn-connect/local/link-private.h"
#include "turn-connect/local/peer-user.h"
#include "turn-connect/stream-private.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define UIDS_MAX 8
#define CONNECTIONS_MAX 512 /* unless told otherwise: twice as many descriptors, 64 kB for each */
#define ACCEPT_PAUSE_MS 100 /* when descriptors have run out: some connection will end */

struct _TurnConnectForward {
  GObject parent_instance;
  TurnConnectWays *ways;
  gboolean allows_others;
  guint uids[UIDS_MAX]; /* whose processes may connect */
  guint n_uids;
  guint max_connections;
  GSocket *listener; /* NULL unless it listens */
  GSocketAddress *address;
  GSource *source; /* accepts, or pauses */
  GMainContext *context;
  TurnConnectWatcher *watcher; /* of their streams; NULL unless it listens */
  GHashTable *links;           /* a set */
  guint64 last_id;
};

G_DEFINE_FINAL_TYPE (TurnConnectForward, turn_connect_forward, G_TYPE_OBJECT)

enum {
  ACCEPTED,
  CONNECTED,
  WAY_FAILED,
  CLIENT_REFUSED,
  ENDED,
  N_SIGNALS,
};
static guint signals[N_SIGNALS];

static void
drop_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
turn_connect_forward_finalize (GObject *object)
{
  TurnConnectForward *self = TURN_CONNECT_FORWARD (object);

  if (self->ways != NULL)
    g_signal_handlers_disconnect_by_data (self->ways, self);
  g_clear_object (&self->ways);
  g_clear_object (&self->address);
  g_clear_pointer (&self->links, g_hash_table_unref);
  g_clear_pointer (&self->context, g_main_context_unref);
  G_OBJECT_CLASS (turn_connect_forward_parent_class)->finalize (object);
}

static void
turn_connect_forward_dispose (GObject *object)
{
  turn_connect_forward_stop (TURN_CONNECT_FORWARD (object));
  G_OBJECT_CLASS (turn_connect_forward_parent_class)->dispose (object);
}

static void
turn_connect_forward_class_init (TurnConnectForwardClass *class)
{
  GType type = G_TYPE_FROM_CLASS (class);

  G_OBJECT_CLASS (class)->dispose = turn_connect_forward_dispose;
  G_OBJECT_CLASS (class)->finalize = turn_connect_forward_finalize;
  signals[ACCEPTED] = g_signal_new ("accepted", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                    G_TYPE_NONE, 2, G_TYPE_UINT64, G_TYPE_SOCKET_ADDRESS);
  signals[CONNECTED] =
      g_signal_new ("connected", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 3,
                    G_TYPE_UINT64, TURN_CONNECT_TYPE_STREAM, G_TYPE_STRING);
  signals[WAY_FAILED] =
      g_signal_new ("way-failed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 3,
                    G_TYPE_UINT64, G_TYPE_STRING, G_TYPE_ERROR | G_SIGNAL_TYPE_STATIC_SCOPE);
  signals[CLIENT_REFUSED] =
      g_signal_new ("client-refused", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                    G_TYPE_ERROR | G_SIGNAL_TYPE_STATIC_SCOPE);
  signals[ENDED] = g_signal_new ("ended", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE,
                                 4, G_TYPE_UINT64, G_TYPE_UINT64, G_TYPE_UINT64,
                                 G_TYPE_ERROR | G_SIGNAL_TYPE_STATIC_SCOPE);
}

static void
turn_connect_forward_init (TurnConnectForward *self)
{
  self->links = g_hash_table_new (NULL, NULL);
  self->uids[self->n_uids++] = geteuid ();
  self->max_connections = CONNECTIONS_MAX;
}

static void
for_each_link (TurnConnectForward *self, void (*act) (TurnConnectLink *link))
{
  guint n;
  g_autofree gpointer *links = g_hash_table_get_keys_as_array (self->links, &n);

  for (guint i = 0; i < n; i++) {
    if (g_hash_table_contains (self->links, links[i]))
      act (links[i]);
  }
}

static void
network_changed (TurnConnectWays *ways, const char *place, gpointer data)
{
  g_autoptr (TurnConnectForward) self = g_object_ref (data);

  for_each_link (self, turn_connect_link_network_changed);
}

TurnConnectForward *
turn_connect_forward_new (TurnConnectTarget *target)
{
  g_autoptr (TurnConnectWays) ways = turn_connect_ways_new ();

  turn_connect_ways_add (ways, "only", target);
  return turn_connect_forward_new_with_ways (ways);
}

TurnConnectForward *
turn_connect_forward_new_with_ways (TurnConnectWays *ways)
{
  TurnConnectForward *self = g_object_new (TURN_CONNECT_TYPE_FORWARD, NULL);

  self->ways = g_object_ref (ways);
  g_signal_connect (ways, "network-changed", G_CALLBACK (network_changed), self);
  return self;
}

void
turn_connect_forward_set_allows_others (TurnConnectForward *forward, gboolean allows_others)
{
  forward->allows_others = allows_others;
}

void
turn_connect_forward_allow_uid (TurnConnectForward *forward, guint uid)
{
  if (forward->n_uids < UIDS_MAX)
    forward->uids[forward->n_uids++] = uid;
}

void
turn_connect_forward_set_max_connections (TurnConnectForward *forward, guint max_connections)
{
  forward->max_connections = max_connections;
}

static void
link_connected (TurnConnectLink *link, const char *way, TurnConnectStream *stream, gpointer data)
{
  g_signal_emit (data, signals[CONNECTED], 0, turn_connect_link_get_id (link), stream, way);
}

static void
link_way_failed (TurnConnectLink *link, const char *way, const GError *error, gpointer data)
{
  g_signal_emit (data, signals[WAY_FAILED], 0, turn_connect_link_get_id (link), way, error);
}

static void
link_ended (TurnConnectLink *link, const GError *error, gpointer data)
{
  g_autoptr (TurnConnectForward) self = g_object_ref (data);

  g_hash_table_remove (self->links, link);
  g_signal_emit (self, signals[ENDED], 0, turn_connect_link_get_id (link),
                 turn_connect_link_get_to_server (link), turn_connect_link_get_from_server (link),
                 error);
}

static const TurnConnectLinkFuncs link_funcs = { .connected = link_connected,
                                                 .way_failed = link_way_failed,
                                                 .ended = link_ended };

static void
end_link (TurnConnectLink *link)
{
  turn_connect_link_end (
      link, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CLOSED, "the forward was ended here"));
}

/* A port on loopback is open to every user of the machine, what it leads to is not. */
static gboolean
check_user (TurnConnectForward *self, int descriptor, GSocketAddress *client, GError **error)
{
  g_autofree char *text = NULL;
  guint uid = 0;
  gboolean is_known;

  if (self->allows_others)
    return TRUE;
  is_known = turn_connect_peer_user (descriptor, &uid);
  for (guint i = 0; is_known && i < self->n_uids; i++) {
    if (self->uids[i] == uid)
      return TRUE;
  }
  text = turn_connect_address_to_string (client);
  if (is_known)
    g_set_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
                 "the client %s belongs to user %u, who is not let in", text, uid);
  else
    g_set_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
                 "the client %s is gone, or it cannot be told whose it is", text);
  return FALSE;
}

static gboolean
check_room (TurnConnectForward *self, GSocketAddress *client, GError **error)
{
  g_autofree char *text = NULL;

  if (g_hash_table_size (self->links) < self->max_connections)
    return TRUE;
  text = turn_connect_address_to_string (client);
  g_set_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_RESOURCES,
               "the client %s is one too many: %u connections are carried already, end some of "
               "them",
               text, self->max_connections);
  return FALSE;
}

static void
take_in (TurnConnectForward *self, int descriptor)
{
  g_autoptr (TurnConnectStream) local = turn_connect_stream_new_for_descriptor (descriptor);
  GSocketAddress *client = turn_connect_stream_get_remote_address (local);
  g_autoptr (GError) error = NULL;
  TurnConnectLink *link;

  if (client == NULL)
    return; /* it is gone already */
  if (!check_user (self, descriptor, client, &error) || !check_room (self, client, &error)) {
    g_signal_emit (self, signals[CLIENT_REFUSED], 0, error);
    return;
  }
  self->last_id++;
  g_signal_emit (self, signals[ACCEPTED], 0, self->last_id, client);
  if (self->listener == NULL)
    return;
  link = turn_connect_link_new (self->last_id, local, self->ways, self->watcher, &link_funcs, self);
  g_hash_table_add (self->links, link);
  if (self->listener == NULL) /* by a handler of what beginning it brought about */
    end_link (link);
}

static void begin_accepting (TurnConnectForward *self);

static gboolean
paused (gpointer data)
{
  begin_accepting (data);
  return G_SOURCE_REMOVE;
}

static gboolean
has_run_out (int number)
{
  return number == EMFILE || number == ENFILE || number == ENOBUFS || number == ENOMEM;
}

static gboolean
acceptable (GSocket *listener, GIOCondition condition, gpointer data)
{
  g_autoptr (TurnConnectForward) self = g_object_ref (data);
  int descriptor = accept4 (g_socket_get_fd (listener), NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

  if (descriptor >= 0)
    take_in (self, descriptor);
  else if (has_run_out (errno)) {
    drop_source (&self->source);
    self->source = g_timeout_source_new (ACCEPT_PAUSE_MS);
    g_source_set_callback (self->source, paused, self, NULL);
    g_source_attach (self->source, self->context);
    return G_SOURCE_REMOVE;
  }
  return G_SOURCE_CONTINUE;
}

static void
begin_accepting (TurnConnectForward *self)
{
  drop_source (&self->source);
  self->source = g_socket_create_source (self->listener, G_IO_IN, NULL);
  g_source_set_callback (self->source, G_SOURCE_FUNC (acceptable), self, NULL);
  g_source_attach (self->source, self->context);
}

static gboolean
check_address (TurnConnectForward *self, GInetSocketAddress *address, GError **error)
{
  g_autofree char *text = NULL;

  if (self->allows_others ||
      g_inet_address_get_is_loopback (g_inet_socket_address_get_address (address)))
    return TRUE;
  text = turn_connect_address_to_string (G_SOCKET_ADDRESS (address));
  g_set_error (
      error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
      "%s can be reached from other machines, which would use the server as this one does, "
      "unencrypted up to here: listen on 127.0.0.1, or allow others",
      text);
  return FALSE;
}

gboolean
turn_connect_forward_listen (TurnConnectForward *forward,
                             GInetSocketAddress *address,
                             GError **error)
{
  g_autoptr (GSocket) listener = NULL;
  g_autoptr (GMainContext) context = NULL;
  g_autofree char *text = turn_connect_address_to_string (G_SOCKET_ADDRESS (address));

  g_return_val_if_fail (forward->listener == NULL, FALSE);
  if (!check_address (forward, address, error))
    return FALSE;
  listener = g_socket_new (g_socket_address_get_family (G_SOCKET_ADDRESS (address)),
                           G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, error);
  if (listener == NULL)
    return FALSE;
  g_socket_set_blocking (listener, FALSE);
  if (!g_socket_bind (listener, G_SOCKET_ADDRESS (address), TRUE, error) ||
      !g_socket_listen (listener, error) ||
      (forward->address = g_socket_get_local_address (listener, error)) == NULL) {
    g_prefix_error (error, "%s: ", text);
    return FALSE;
  }
  context = g_main_context_ref_thread_default ();
  forward->watcher = turn_connect_watcher_new (context, error);
  if (forward->watcher == NULL) {
    g_clear_object (&forward->address);
    return FALSE;
  }
  forward->listener = g_steal_pointer (&listener);
  g_clear_pointer (&forward->context, g_main_context_unref);
  forward->context = g_steal_pointer (&context);
  begin_accepting (forward);
  return TRUE;
}

GSocketAddress *
turn_connect_forward_get_address (TurnConnectForward *forward)
{
  return forward->address;
}

guint
turn_connect_forward_get_n_connections (TurnConnectForward *forward)
{
  return g_hash_table_size (forward->links);
}

void
turn_connect_forward_stop (TurnConnectForward *forward)
{
  drop_source (&forward->source);
  g_clear_object (&forward->listener);
  for_each_link (forward, end_link);
  g_clear_pointer (&forward->watcher, turn_connect_watcher_free);
}
