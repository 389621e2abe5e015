/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The helper on loopback as an application sees it: servers, listeners, who may come in, what went
 * wrong. What happens to a stream once it is accepted is the passage's business.
 */
#include "turn-connect/local/bridge-private.h"

#include "turn-connect/alarm.h"
#include "turn-connect/error-private.h"
#include "turn-connect/host.h"
#include "turn-connect/local/ahead.h"
#include "turn-connect/local/passage.h"
#include "turn-connect/local/peer-user.h"
#include "turn-connect/local/session.h"
#include "turn-connect/proxy/url.h"
#include "turn-connect/stream-private.h"
#include "turn-connect/target-private.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define PASSAGES_MAX 512
#define UNKNOWN_MAX 64 /* clients that have not yet shown what they are, other users' included */
#define BACKLOG 64
#define REFUSALS_TOLD_US G_USEC_PER_SEC    /* one a second, the rest is counted */
#define KEEPALIVE_US (20 * G_USEC_PER_SEC) /* proxies and NATs forget in 30 s, the worst of them */
#define PAUSE_MS 1000                      /* after the process ran out of descriptors */
#define TOKEN_LENGTH 16                    /* octets drawn for a user or a password */

typedef struct {
  TurnConnectBridge *bridge;
  TurnConnectBridgeServer *server;
  int descriptor;
  GSource *watch;
} Listener;

enum {
  SIGNAL_CONNECTED,
  SIGNAL_FAILED,
  N_SIGNALS,
};

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (TurnConnectBridge, turn_connect_bridge, G_TYPE_OBJECT)

static void
destroy_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static gboolean
refuse (GError **error, const char *message)
{
  g_set_error_literal (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID, message);
  return FALSE;
}

/* ---- object ---- */

static void
server_free (gpointer data)
{
  TurnConnectBridgeServer *server = data;

  g_clear_object (&server->target);
  g_clear_error (&server->cause);
  g_free (server->literals[0]);
  g_free (server->literals[1]);
  g_free (server->name);
  g_free (server->doing);
  g_clear_pointer (&server->login, turn_connect_bridge_login_free);
  g_free (server);
}

static void
listener_free (gpointer data)
{
  Listener *listener = data;

  destroy_source (&listener->watch);
  close (listener->descriptor);
  g_free (listener);
}

static char *
draw_token (void)
{
  guint8 octets[TOKEN_LENGTH];
  GString *token = g_string_sized_new (2 * TOKEN_LENGTH);

  if (getrandom (octets, sizeof octets, 0) != sizeof octets) {
    g_string_free (token, TRUE);
    return NULL;
  }
  for (gsize i = 0; i < sizeof octets; i++)
    g_string_append_printf (token, "%02x", octets[i]);
  return g_string_free (token, FALSE);
}

static void
turn_connect_bridge_init (TurnConnectBridge *self)
{
  self->context = g_main_context_ref_thread_default ();
  self->servers = g_ptr_array_new_with_free_func (server_free);
  self->listeners = g_ptr_array_new_with_free_func (listener_free);
  self->life = g_cancellable_new ();
  self->user = draw_token ();
  self->password = draw_token ();
  self->uids[self->n_uids++] = geteuid ();
  self->budget_ms = TURN_CONNECT_BRIDGE_BUDGET_MS;
  self->late_media = TURN_CONNECT_BRIDGE_LATE_MEDIA_OCTETS;
  self->keepalive_us = KEEPALIVE_US;
  self->clock = turn_connect_alarm_new (self->context, "TurnConnectBridge",
                                        turn_connect_passage_tick_all, self);
}

static void
turn_connect_bridge_dispose (GObject *object)
{
  turn_connect_bridge_close (TURN_CONNECT_BRIDGE (object));
  G_OBJECT_CLASS (turn_connect_bridge_parent_class)->dispose (object);
}

static void
turn_connect_bridge_finalize (GObject *object)
{
  TurnConnectBridge *self = TURN_CONNECT_BRIDGE (object);

  g_clear_pointer (&self->servers, g_ptr_array_unref);
  g_clear_pointer (&self->listeners, g_ptr_array_unref);
  g_clear_pointer (&self->watcher, turn_connect_watcher_free);
  destroy_source (&self->clock);
  g_clear_object (&self->life);
  g_clear_pointer (&self->user, turn_connect_secret_free);
  g_clear_pointer (&self->password, turn_connect_secret_free);
  g_clear_error (&self->cause);
  g_clear_pointer (&self->context, g_main_context_unref);
  G_OBJECT_CLASS (turn_connect_bridge_parent_class)->finalize (object);
}

static void
turn_connect_bridge_class_init (TurnConnectBridgeClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);

  object_class->dispose = turn_connect_bridge_dispose;
  object_class->finalize = turn_connect_bridge_finalize;
  signals[SIGNAL_CONNECTED] =
      g_signal_new ("connected", TURN_CONNECT_TYPE_BRIDGE, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                    G_TYPE_NONE, 1, G_TYPE_UINT);
  signals[SIGNAL_FAILED] =
      g_signal_new ("failed", TURN_CONNECT_TYPE_BRIDGE, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                    G_TYPE_NONE, 2, G_TYPE_UINT, G_TYPE_ERROR);
}

TurnConnectBridge *
turn_connect_bridge_new (void)
{
  return g_object_new (TURN_CONNECT_TYPE_BRIDGE, NULL);
}

void
turn_connect_bridge_close (TurnConnectBridge *bridge)
{
  g_return_if_fail (TURN_CONNECT_IS_BRIDGE (bridge));
  g_cancellable_cancel (bridge->life);
  g_ptr_array_set_size (bridge->listeners, 0);
  while (bridge->passages.head != NULL)
    turn_connect_passage_close (bridge->passages.head->data);
  while (bridge->sessions.head != NULL)
    turn_connect_session_close (bridge->sessions.head->data);
  for (guint i = 0; i < bridge->servers->len; i++)
    turn_connect_ahead_drop (bridge->servers->pdata[i]);
}

/* ---- servers ---- */

TurnConnectBridgeServer *
turn_connect_bridge_get_server (TurnConnectBridge *bridge, guint number)
{
  return number >= 1 && number <= bridge->servers->len ? bridge->servers->pdata[number - 1] : NULL;
}

guint
turn_connect_bridge_add_server (TurnConnectBridge *bridge,
                                TurnConnectTarget *target,
                                TurnConnectBridgeFlags flags,
                                GError **error)
{
  TurnConnectBridgeServer *server;
  g_autofree char *place = NULL;

  g_return_val_if_fail (TURN_CONNECT_IS_BRIDGE (bridge), 0);
  g_return_val_if_fail (TURN_CONNECT_IS_TARGET (target), 0);
  if (target->tls == NULL && (flags & TURN_CONNECT_BRIDGE_ALLOW_PLAIN) == 0)
    return (guint)refuse (error, "the way to the TURN server has no TLS");
  if (bridge->servers->len == TURN_CONNECT_BRIDGE_SERVERS_MAX)
    return (guint)refuse (error, "a bridge has 250 servers at most");
  server = g_new0 (TurnConnectBridgeServer, 1);
  place = turn_connect_host_join (target->host, target->port);
  server->number = bridge->servers->len + 1;
  server->target = g_object_ref (target);
  server->flags = flags;
  server->name = g_strconcat ("the server ", place, NULL);
  server->literals[0] = g_strdup_printf ("192.0.2.%u", server->number);
  server->literals[1] = g_strdup_printf ("2001:db8::%x", server->number);
  g_queue_init (&server->spares);
  g_queue_init (&server->claims);
  g_ptr_array_add (bridge->servers, server);
  return server->number;
}

const char *
turn_connect_bridge_get_literal (TurnConnectBridge *bridge, guint server, GSocketFamily family)
{
  TurnConnectBridgeServer *found = turn_connect_bridge_get_server (bridge, server);

  if (found == NULL || (family != G_SOCKET_FAMILY_IPV4 && family != G_SOCKET_FAMILY_IPV6))
    return NULL;
  return found->literals[family == G_SOCKET_FAMILY_IPV6];
}

TurnConnectBridgeServer *
turn_connect_bridge_find_server (TurnConnectBridge *bridge, const char *host, guint16 port)
{
  g_autofree char *name = turn_connect_host_normalise (host, NULL);

  for (guint i = 0; name != NULL && i < bridge->servers->len; i++) {
    TurnConnectBridgeServer *server = bridge->servers->pdata[i];

    if (port == TURN_CONNECT_BRIDGE_LITERAL_PORT &&
        (strcmp (name, server->literals[0]) == 0 || strcmp (name, server->literals[1]) == 0))
      return server;
    if (port == server->target->port && strcmp (name, server->target->host) == 0)
      return server;
  }
  return NULL;
}

/* ---- who may come in ---- */

gboolean
turn_connect_bridge_set_credentials (TurnConnectBridge *bridge,
                                     const char *user,
                                     const char *password,
                                     GError **error)
{
  g_return_val_if_fail (TURN_CONNECT_IS_BRIDGE (bridge), FALSE);
  if (user != NULL && (password == NULL || *user == '\0' || strchr (user, ':') != NULL))
    return refuse (error,
                   "the user of the local proxy is empty, holds a colon, or lacks a password");
  for (guint i = 0; user == NULL && i < bridge->servers->len; i++)
    if (((TurnConnectBridgeServer *)bridge->servers->pdata[i])->login != NULL)
      return refuse (error, "clients need local credentials where the bridge has the server's");
  turn_connect_secret_free (bridge->user);
  turn_connect_secret_free (bridge->password);
  bridge->user = g_strdup (user);
  bridge->password = user != NULL ? g_strdup (password) : NULL;
  return TRUE;
}

const char *
turn_connect_bridge_get_user (TurnConnectBridge *bridge)
{
  return bridge->user;
}

const char *
turn_connect_bridge_get_password (TurnConnectBridge *bridge)
{
  return bridge->password;
}

void
turn_connect_bridge_allow_uid (TurnConnectBridge *bridge, guint uid)
{
  if (bridge->n_uids < G_N_ELEMENTS (bridge->uids))
    bridge->uids[bridge->n_uids++] = uid;
}

gboolean
turn_connect_bridge_allows_user (TurnConnectBridge *bridge, int descriptor)
{
  guint uid;

  if (!turn_connect_peer_user (descriptor, &uid))
    return FALSE;
  for (guint i = 0; i < bridge->n_uids; i++) {
    if (bridge->uids[i] == uid)
      return TRUE;
  }
  return FALSE;
}

/* ---- listening ---- */

static gboolean accept_ready (int descriptor, GIOCondition condition, gpointer user_data);

static void
watch (Listener *listener)
{
  destroy_source (&listener->watch);
  listener->watch = g_unix_fd_source_new (listener->descriptor, G_IO_IN);
  g_source_set_callback (listener->watch, G_SOURCE_FUNC (accept_ready), listener, NULL);
  g_source_attach (listener->watch, listener->bridge->context);
}

static gboolean
resume (gpointer user_data)
{
  watch (user_data);
  return G_SOURCE_REMOVE;
}

/* Without descriptors, readiness would be reported without end. */
static void
pause_accepting (Listener *listener)
{
  destroy_source (&listener->watch);
  listener->watch = g_timeout_source_new (PAUSE_MS);
  g_source_set_callback (listener->watch, resume, listener, NULL);
  g_source_attach (listener->watch, listener->bridge->context);
}

static gboolean
accept_ready (int descriptor, GIOCondition condition, gpointer user_data)
{
  Listener *listener = user_data;
  TurnConnectBridge *bridge = listener->bridge;
  int accepted = accept4 (descriptor, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

  if (accepted < 0) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      pause_accepting (listener);
      return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
  }
  bridge->counts.n_accepted++;
  /* Other users may try what they like; our own clients still get in. */
  if (bridge->passages.length + bridge->sessions.length >= PASSAGES_MAX ||
      (bridge->n_unknown >= UNKNOWN_MAX && !turn_connect_bridge_allows_user (bridge, accepted))) {
    bridge->counts.n_refused++;
    close (accepted);
    return G_SOURCE_CONTINUE;
  }
  turn_connect_passage_begin (bridge, accepted, listener->server);
  return G_SOURCE_CONTINUE;
}

static int
open_listener (GSocketAddress *address, GError **error)
{
  struct sockaddr_storage native;
  gssize length = g_socket_address_get_native_size (address);
  g_autofree char *text = turn_connect_address_to_string (address);
  g_autofree char *doing = g_strconcat ("listening on ", text, NULL);
  int descriptor, on = 1;

  if (!g_socket_address_to_native (address, &native, sizeof native, error))
    return -1;
  descriptor = socket (native.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor >= 0) {
    setsockopt (descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind (descriptor, (struct sockaddr *)&native, (socklen_t)length) == 0 &&
        listen (descriptor, BACKLOG) == 0)
      return descriptor;
  }
  g_propagate_error (error, turn_connect_error_from_errno (errno, doing));
  if (descriptor >= 0)
    close (descriptor);
  return -1;
}

static guint16
ask_port (int descriptor)
{
  struct sockaddr_storage native = { 0 };
  socklen_t length = sizeof native;
  StunExtAddress address;

  if (getsockname (descriptor, (struct sockaddr *)&native, &length) != 0 ||
      !stun_ext_address_from_sockaddr (&address, (struct sockaddr *)&native, length))
    return 0;
  return address.port;
}

gboolean
turn_connect_bridge_listen (TurnConnectBridge *bridge,
                            const char *address,
                            guint port,
                            guint server,
                            guint16 *bound_port,
                            GError **error)
{
  g_autoptr (GInetAddress) inet =
      g_inet_address_new_from_string (address != NULL ? address : "127.0.0.1");
  g_autoptr (GSocketAddress) where = NULL;
  Listener *listener;
  int descriptor;

  g_return_val_if_fail (TURN_CONNECT_IS_BRIDGE (bridge), FALSE);
  if (inet == NULL || !g_inet_address_get_is_loopback (inet) || port > G_MAXUINT16)
    return refuse (error,
                   "a bridge listens on addresses of the loopback alone, as 127.0.0.1 or ::1");
  if (server != 0 && turn_connect_bridge_get_server (bridge, server) == NULL)
    return refuse (error, "the listener is for a server that the bridge does not have");
  if (bridge->listeners->len == TURN_CONNECT_BRIDGE_LISTENERS_MAX)
    return refuse (error, "a bridge has 16 listeners at most");
  where = g_inet_socket_address_new (inet, (guint16)port);
  if (bridge->watcher == NULL)
    bridge->watcher = turn_connect_watcher_new (bridge->context, error);
  if (bridge->watcher == NULL)
    return FALSE;
  descriptor = open_listener (where, error);
  if (descriptor < 0)
    return FALSE;
  listener = g_new0 (Listener, 1);
  listener->bridge = bridge;
  listener->server = turn_connect_bridge_get_server (bridge, server);
  listener->descriptor = descriptor;
  g_ptr_array_add (bridge->listeners, listener);
  watch (listener);
  if (bound_port != NULL)
    *bound_port = ask_port (descriptor);
  return TRUE;
}

/* ---- what happened ---- */

static gboolean
may_tell_refusal (TurnConnectBridge *bridge)
{
  gint64 now = g_get_monotonic_time ();

  if (bridge->told_at != 0 && now < bridge->told_at + REFUSALS_TOLD_US)
    return FALSE;
  bridge->told_at = now;
  return TRUE;
}

void
turn_connect_bridge_report (TurnConnectBridge *bridge,
                            TurnConnectBridgeServer *server,
                            GError *error)
{
  g_autoptr (TurnConnectBridge) alive = g_object_ref (bridge);
  GError **cause = server != NULL ? &server->cause : &bridge->cause;
  g_autoptr (GError) said = g_error_copy (error);

  g_clear_error (cause);
  *cause = error;
  bridge->counts.n_failed++;
  g_debug ("bridge: %s", said->message);
  if (server == NULL && !may_tell_refusal (bridge))
    return;
  if (!g_cancellable_is_cancelled (bridge->life))
    g_signal_emit (bridge, signals[SIGNAL_FAILED], 0, server != NULL ? server->number : 0, said);
}

void
turn_connect_bridge_reached (TurnConnectBridge *bridge, TurnConnectBridgeServer *server)
{
  g_autoptr (TurnConnectBridge) alive = g_object_ref (bridge);

  g_clear_error (&server->cause);
  g_signal_emit (bridge, signals[SIGNAL_CONNECTED], 0, server->number);
}

GError *
turn_connect_bridge_dup_cause (TurnConnectBridge *bridge, guint server)
{
  TurnConnectBridgeServer *found = turn_connect_bridge_get_server (bridge, server);
  const GError *cause = found != NULL ? found->cause : server == 0 ? bridge->cause : NULL;

  return cause != NULL ? g_error_copy (cause) : NULL;
}

void
turn_connect_bridge_add_counts (TurnConnectBridgeCounts *counts, const TurnConnectRelayCounts *more)
{
  counts->n_to_server += more->n_to_server;
  counts->n_to_client += more->n_to_client;
  counts->n_dropped_to_server += more->n_dropped_to_server;
  counts->n_dropped_to_client += more->n_dropped_to_client;
  counts->n_answered += more->n_answered;
  counts->n_redirected += more->n_redirected;
  counts->n_keepalives += more->n_keepalives;
}

void
turn_connect_bridge_get_counts (TurnConnectBridge *bridge, TurnConnectBridgeCounts *counts)
{
  *counts = bridge->counts;
  for (GList *l = bridge->passages.head; l != NULL; l = l->next)
    turn_connect_passage_count (l->data, counts);
  for (GList *l = bridge->sessions.head; l != NULL; l = l->next)
    turn_connect_session_count (l->data, counts);
  for (guint i = 0; i < bridge->servers->len; i++)
    counts->n_spares += ((TurnConnectBridgeServer *)bridge->servers->pdata[i])->spares.length;
}

/* ---- settings ---- */

void
turn_connect_bridge_set_budget (TurnConnectBridge *bridge, guint budget_ms)
{
  bridge->budget_ms = MAX (budget_ms, 1);
}

void
turn_connect_bridge_set_late_media (TurnConnectBridge *bridge, guint octets)
{
  bridge->late_media = MAX (octets, 1);
}

void
turn_connect_bridge_set_keepalive (TurnConnectBridge *bridge, guint keepalive_ms)
{
  bridge->keepalive_us = (gint64)MAX (keepalive_ms, 1) * 1000;
}
