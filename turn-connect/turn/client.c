/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The face of the TURN client: what an application sets, asks and sends. What happens between is
 * in client-run.c, and what an allocation is in allocation.c.
 */
#include "turn-connect/turn/client-private.h"

#include <string.h>

#include "turn-connect/alarm.h"
#include "turn-connect/error-private.h"
#include "turn-connect/host.h"

#define SECRET_USER "tepkit"
#define SECRET_LIFETIME_MIN_S 60
#define CLOSE_US (2 * G_USEC_PER_SEC) /* for the server to answer the last Refresh */
#define VECTORS_MAX 16

guint turn_connect_client_signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (TurnConnectClient, turn_connect_client, G_TYPE_OBJECT)

static void
turn_connect_client_dispose (GObject *object)
{
  TurnConnectClient *self = TURN_CONNECT_CLIENT (object);
  GBytes *output;

  /* The server is told, as far as that goes without waiting. */
  if (self->link != NULL && self->state == TURN_CONNECT_CLIENT_READY) {
    turn_connect_allocation_leave (self->allocation, g_get_monotonic_time ());
    while ((output = turn_connect_allocation_take_output (self->allocation)) != NULL) {
      turn_connect_carrier_send (self->link, g_bytes_get_data (output, NULL),
                                 g_bytes_get_size (output));
      g_bytes_unref (output);
    }
  }
  turn_connect_client_drop_link (self);
  if (self->timer != NULL)
    g_source_destroy (self->timer);
  g_clear_pointer (&self->timer, g_source_unref);
  turn_connect_client_set_receive (self, NULL, NULL, NULL);
  G_OBJECT_CLASS (turn_connect_client_parent_class)->dispose (object);
}

static void
turn_connect_client_finalize (GObject *object)
{
  TurnConnectClient *self = TURN_CONNECT_CLIENT (object);

  g_clear_pointer (&self->allocation, turn_connect_allocation_free);
  g_clear_object (&self->target);
  g_clear_object (&self->current);
  g_clear_object (&self->opened);
  g_clear_object (&self->address);
  g_clear_pointer (&self->context, g_main_context_unref);
  g_clear_pointer (&self->login, turn_connect_login_unref);
  g_clear_pointer (&self->secret, g_bytes_unref);
  turn_connect_redirects_clear (&self->redirects);
  g_clear_pointer (&self->calls, g_hash_table_unref);
  g_clear_pointer (&self->closing, g_ptr_array_unref);
  g_free (self->secret_user);
  g_free (self->server);
  G_OBJECT_CLASS (turn_connect_client_parent_class)->finalize (object);
}

static guint
new_signal (const char *name, guint n, GType a, GType b, GType c, GType d)
{
  return g_signal_new (name, TURN_CONNECT_TYPE_CLIENT, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                       G_TYPE_NONE, n, a, b, c, d);
}

static void
turn_connect_client_class_init (TurnConnectClientClass *class)
{
  guint *signals = turn_connect_client_signals;

  G_OBJECT_CLASS (class)->dispose = turn_connect_client_dispose;
  G_OBJECT_CLASS (class)->finalize = turn_connect_client_finalize;
  signals[SIGNAL_STATE_CHANGED] =
      new_signal ("state-changed", 2, G_TYPE_UINT, G_TYPE_ERROR | G_SIGNAL_TYPE_STATIC_SCOPE,
                  G_TYPE_NONE, G_TYPE_NONE);
  signals[SIGNAL_RELAYED_CHANGED] =
      new_signal ("relayed-changed", 0, G_TYPE_NONE, G_TYPE_NONE, G_TYPE_NONE, G_TYPE_NONE);
  signals[SIGNAL_PEER_LOST] =
      new_signal ("peer-lost", 2, G_TYPE_POINTER, G_TYPE_ERROR | G_SIGNAL_TYPE_STATIC_SCOPE,
                  G_TYPE_NONE, G_TYPE_NONE);
  signals[SIGNAL_ICMP] =
      new_signal ("icmp", 4, G_TYPE_POINTER, G_TYPE_UINT, G_TYPE_UINT, G_TYPE_UINT);
  signals[SIGNAL_CONNECTION_ATTEMPT] =
      new_signal ("connection-attempt", 2, G_TYPE_POINTER, G_TYPE_UINT, G_TYPE_NONE, G_TYPE_NONE);
}

static gboolean
timer_fired (gpointer user_data)
{
  turn_connect_client_settle (user_data);
  return G_SOURCE_CONTINUE;
}

static void
turn_connect_client_init (TurnConnectClient *self)
{
  self->context = g_main_context_ref_thread_default ();
  self->wishes.families = TURN_CONNECT_FAMILY_IPV4;
  self->wishes.is_mobile = TRUE;
  self->wishes.keepalive_s = 25;
  self->wishes.algorithms = STUN_EXT_ALGORITHMS_MD5 | STUN_EXT_ALGORITHMS_SHA256;
  self->reconnects_max = 10;
  self->redirects_max = 3;
  turn_connect_redirects_init (&self->redirects);
  self->calls =
      g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, turn_connect_client_free_call);
  self->closing = g_ptr_array_new_with_free_func (g_object_unref);
  self->timer = turn_connect_alarm_new (self->context, "TurnConnectClient", timer_fired, self);
}

TurnConnectClient *
turn_connect_client_new (TurnConnectTarget *target, TurnConnectCarrier carrier)
{
  TurnConnectClient *self;

  g_return_val_if_fail (TURN_CONNECT_IS_TARGET (target), NULL);
  self = g_object_new (TURN_CONNECT_TYPE_CLIENT, NULL);
  self->target = g_object_ref (target);
  self->current = g_object_ref (target);
  self->carrier = carrier;
  self->server = turn_connect_host_join (turn_connect_target_get_host (target),
                                         turn_connect_target_get_port (target));
  return self;
}

gboolean
turn_connect_client_set_credentials (TurnConnectClient *client,
                                     const char *user,
                                     const char *password,
                                     GError **error)
{
  g_autoptr (GError) why = NULL;
  TurnConnectLogin *login = turn_connect_login_new (user, password, &why);
  StunExtSpan span, rest;

  if (login == NULL) {
    g_set_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID, "TURN credentials: %s",
                 why->message);
    return FALSE;
  }
  g_clear_pointer (&client->secret, g_bytes_unref);
  g_clear_pointer (&client->login, turn_connect_login_unref);
  client->login = login;
  span = (StunExtSpan){ login->user, strlen (login->user) };
  client->login_expires_s = 0;
  if (stun_ext_rest_check (span, 0, G_MAXUINT, &client->login_expires_s, &rest) ==
      STUN_EXT_REST_MALFORMED)
    client->login_expires_s = 0;
  if (client->allocation != NULL) {
    turn_connect_allocation_set_login (client->allocation, login, g_get_monotonic_time ());
    turn_connect_client_settle (client);
  }
  return TRUE;
}

gboolean
turn_connect_client_set_shared_secret (TurnConnectClient *client,
                                       const void *secret,
                                       gsize length,
                                       const char *user,
                                       guint lifetime_s,
                                       StunExtHash hash,
                                       GError **error)
{
  if (length == 0 || lifetime_s < SECRET_LIFETIME_MIN_S ||
      (hash != STUN_EXT_HASH_SHA1 && hash != STUN_EXT_HASH_SHA256) ||
      (user != NULL &&
       (*user == '\0' || strlen (user) > 400 || !stun_ext_text_is_clean (user, strlen (user))))) {
    g_set_error (
        error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
        "TURN shared secret: wants a secret, a lifetime of %d s or more, SHA-1 or SHA-256, "
        "and a user of 1 to 400 octets without control characters",
        SECRET_LIFETIME_MIN_S);
    return FALSE;
  }
  g_clear_pointer (&client->secret, g_bytes_unref);
  client->secret = g_bytes_new (secret, length);
  g_free (client->secret_user);
  client->secret_user = g_strdup (user != NULL ? user : SECRET_USER);
  client->secret_lifetime_s = lifetime_s;
  client->secret_hash = hash;
  turn_connect_client_issue_login (client);
  turn_connect_client_settle (client);
  return TRUE;
}

gint64
turn_connect_client_get_credentials_expire (TurnConnectClient *client)
{
  return client->login_expires_s;
}

void
turn_connect_client_set_algorithms (TurnConnectClient *client, StunExtAlgorithms allowed)
{
  g_return_if_fail (client->allocation == NULL);
  client->wishes.algorithms = allowed;
}

void
turn_connect_client_set_relay (TurnConnectClient *client,
                               TurnConnectRelay relay,
                               TurnConnectFamilies families)
{
  g_return_if_fail (client->allocation == NULL);
  g_return_if_fail ((families & TURN_CONNECT_FAMILY_BOTH) != 0);
  g_return_if_fail (relay == TURN_CONNECT_RELAY_UDP ||
                    client->carrier == TURN_CONNECT_CARRIER_STREAM);
  client->wishes.relay = relay;
  client->wishes.families = families;
}

void
turn_connect_client_set_port (TurnConnectClient *client,
                              TurnConnectEvenPort even_port,
                              const guint8 *reservation)
{
  g_return_if_fail (client->allocation == NULL);
  client->wishes.even_port = even_port;
  client->wishes.has_reservation = reservation != NULL;
  if (reservation != NULL)
    memcpy (client->wishes.reservation, reservation, sizeof client->wishes.reservation);
}

void
turn_connect_client_set_mobility (TurnConnectClient *client, gboolean is_mobile)
{
  g_return_if_fail (client->allocation == NULL);
  client->wishes.is_mobile = is_mobile;
}

void
turn_connect_client_set_dont_fragment (TurnConnectClient *client, gboolean wanted)
{
  g_return_if_fail (client->allocation == NULL);
  client->wishes.has_dont_fragment = wanted;
}

void
turn_connect_client_set_lifetime (TurnConnectClient *client, guint lifetime_s)
{
  g_return_if_fail (client->allocation == NULL);
  client->wishes.lifetime_s = lifetime_s;
}

void
turn_connect_client_set_keepalive (TurnConnectClient *client, guint interval_s)
{
  client->wishes.keepalive_s = interval_s;
  if (client->allocation != NULL) {
    turn_connect_allocation_set_keepalive (client->allocation, interval_s);
    turn_connect_client_settle (client);
  }
}

void
turn_connect_client_set_reconnects (TurnConnectClient *client, guint attempts)
{
  client->reconnects_max = attempts;
}

void
turn_connect_client_set_redirects (TurnConnectClient *client, guint most)
{
  client->redirects_max = most;
}

void
turn_connect_client_set_unproven_redirects (TurnConnectClient *client, gboolean are_followed)
{
  g_return_if_fail (client->allocation == NULL);
  client->wishes.believes_redirects = are_followed;
}

void
turn_connect_client_set_receive (TurnConnectClient *client,
                                 TurnConnectReceiveFunc receive,
                                 gpointer user_data,
                                 GDestroyNotify destroy)
{
  GDestroyNotify old_destroy = client->receive_destroy;
  gpointer old_data = client->receive_data;

  client->receive = receive;
  client->receive_data = user_data;
  client->receive_destroy = destroy;
  if (old_destroy != NULL)
    old_destroy (old_data);
}

static gboolean
allocating_cancelled (GCancellable *cancellable, gpointer user_data)
{
  g_autoptr (TurnConnectClient) self = g_object_ref (user_data);

  turn_connect_client_end (
      self, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "allocating was cancelled"));
  turn_connect_client_settle (self);
  return G_SOURCE_REMOVE;
}

void
turn_connect_client_allocate_async (TurnConnectClient *client,
                                    GCancellable *cancellable,
                                    GAsyncReadyCallback callback,
                                    gpointer user_data)
{
  g_return_if_fail (client->state == TURN_CONNECT_CLIENT_IDLE);
  client->allocating = g_task_new (client, cancellable, callback, user_data);
  g_task_set_source_tag (client->allocating, turn_connect_client_allocate_async);
  client->allocation =
      turn_connect_allocation_new (&client->wishes, turn_connect_client_random, NULL);
  if (client->login != NULL)
    turn_connect_allocation_set_login (client->allocation, client->login, 0);
  if (cancellable != NULL) {
    client->allocating_end = g_cancellable_source_new (cancellable);
    g_source_set_callback (client->allocating_end, G_SOURCE_FUNC (allocating_cancelled), client,
                           NULL);
    g_source_attach (client->allocating_end, client->context);
  }
  turn_connect_client_start (client);
  turn_connect_client_settle (client);
}

gboolean
turn_connect_client_allocate_finish (TurnConnectClient *client,
                                     GAsyncResult *result,
                                     GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, client), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

void
turn_connect_client_reconnect (TurnConnectClient *client)
{
  if (client->state != TURN_CONNECT_CLIENT_READY && client->state != TURN_CONNECT_CLIENT_WAITING)
    return;
  turn_connect_client_drop_link (client);
  turn_connect_allocation_disconnected (client->allocation);
  turn_connect_client_start (client);
  turn_connect_client_settle (client);
}

void
turn_connect_client_close_async (TurnConnectClient *client,
                                 GAsyncReadyCallback callback,
                                 gpointer user_data)
{
  GTask *task = g_task_new (client, NULL, callback, user_data);

  g_task_set_source_tag (task, turn_connect_client_close_async);
  if (client->state == TURN_CONNECT_CLIENT_CLOSED) {
    g_task_return_boolean (task, TRUE);
    g_object_unref (task);
    return;
  }
  g_ptr_array_add (client->closing, task);
  if (client->state == TURN_CONNECT_CLIENT_READY) {
    client->deadline_us = g_get_monotonic_time () + CLOSE_US;
    turn_connect_client_set_state (client, TURN_CONNECT_CLIENT_CLOSING, NULL);
    turn_connect_allocation_leave (client->allocation, g_get_monotonic_time ());
    turn_connect_client_settle (client);
  } else if (client->state != TURN_CONNECT_CLIENT_CLOSING)
    turn_connect_client_end (client, NULL);
}

void
turn_connect_client_close_finish (TurnConnectClient *client, GAsyncResult *result)
{
  g_return_if_fail (g_task_is_valid (result, client));
  g_task_propagate_boolean (G_TASK (result), NULL);
}

static const guint8 zeros[4];

static TurnConnectIo
refuse (TurnConnectClient *client, TurnConnectWay way, GError **error)
{
  if (way == TURN_CONNECT_WAY_NOT_YET) {
    client->counters.blocked++;
    return TURN_CONNECT_IO_BLOCKED;
  }
  g_set_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
               way == TURN_CONNECT_WAY_UNKNOWN
                   ? "the peer was not permitted: call turn_connect_client_permit_async () first"
                   : "a packet holds at most %d octets",
               TURN_CONNECT_PAYLOAD_MAX);
  return TURN_CONNECT_IO_FAILED;
}

TurnConnectIo
turn_connect_client_send (TurnConnectClient *client,
                          const StunExtAddress *peer,
                          const GOutputVector *vectors,
                          guint n_vectors,
                          TurnConnectSendFlags flags,
                          GError **error)
{
  GOutputVector all[VECTORS_MAX + 2];
  guint8 head[TURN_CONNECT_HEAD_MAX];
  gsize length = 0, padding, n = 1;
  TurnConnectWay way;
  TurnConnectIo io;

  g_return_val_if_fail (n_vectors <= VECTORS_MAX, TURN_CONNECT_IO_BLOCKED);
  if (client->allocation == NULL || client->state == TURN_CONNECT_CLIENT_CLOSING ||
      client->state == TURN_CONNECT_CLIENT_CLOSED) {
    g_set_error_literal (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_CLOSED,
                         "the client was closed, or not begun");
    return TURN_CONNECT_IO_FAILED;
  }
  for (guint i = 0; i < n_vectors; i++) {
    if (vectors[i].size > 0)
      all[n++] = vectors[i];
    length += MIN (vectors[i].size, TURN_CONNECT_PAYLOAD_MAX + 1);
  }
  way = turn_connect_allocation_frame (client->allocation, peer, length, flags, head, &all[0].size,
                                       &padding);
  if (way != TURN_CONNECT_WAY_OPEN)
    return refuse (client, way, error);
  all[0].buffer = head;
  if (padding > 0)
    all[n++] = (GOutputVector){ zeros, padding };
  io = client->link != NULL ? turn_connect_carrier_send_packet (client->link, all, (guint)n,
                                                                all[0].size + length + padding)
                            : TURN_CONNECT_IO_BLOCKED;
  if (io == TURN_CONNECT_IO_OK)
    client->counters.sent++;
  else
    client->counters.blocked++;
  return io;
}

guint
turn_connect_client_send_batch (TurnConnectClient *client,
                                const TurnConnectPacket *packets,
                                guint n_packets)
{
  guint n_sent = 0, n_refused;

  if (client->link == NULL)
    return 0;
  turn_connect_carrier_begin_batch (client->link);
  for (guint i = 0; i < n_packets; i++) {
    GOutputVector vector = { packets[i].data, packets[i].length };

    if (turn_connect_client_send (client, &packets[i].peer, &vector, 1, TURN_CONNECT_SEND_NORMAL,
                                  NULL) == TURN_CONNECT_IO_OK)
      n_sent++;
  }
  n_refused = turn_connect_carrier_end_batch (client->link);
  client->counters.sent -= n_refused;
  client->counters.blocked += n_refused;
  return n_sent - n_refused;
}

TurnConnectClientState
turn_connect_client_get_state (TurnConnectClient *client)
{
  return client->state;
}

gboolean
turn_connect_client_get_relayed (TurnConnectClient *client, guint family, StunExtAddress *address)
{
  const StunExtAddress *relayed =
      client->allocation != NULL && client->was_up
          ? turn_connect_allocation_get_relayed (client->allocation, family)
          : NULL;

  if (relayed == NULL)
    return FALSE;
  *address = *relayed;
  return TRUE;
}

gboolean
turn_connect_client_get_mapped (TurnConnectClient *client, StunExtAddress *address)
{
  const StunExtAddress *mapped =
      client->allocation != NULL ? turn_connect_allocation_get_mapped (client->allocation) : NULL;

  if (mapped == NULL)
    return FALSE;
  *address = *mapped;
  return TRUE;
}

guint
turn_connect_client_get_lifetime (TurnConnectClient *client)
{
  return client->allocation != NULL ? turn_connect_allocation_get_lifetime (client->allocation) : 0;
}

const guint8 *
turn_connect_client_get_reservation (TurnConnectClient *client)
{
  return client->allocation != NULL ? turn_connect_allocation_get_reservation (client->allocation)
                                    : NULL;
}

gboolean
turn_connect_client_has_ticket (TurnConnectClient *client)
{
  return client->allocation != NULL && turn_connect_allocation_has_ticket (client->allocation);
}

guint
turn_connect_client_get_family_error (TurnConnectClient *client)
{
  return client->allocation != NULL ? turn_connect_allocation_get_family_error (client->allocation)
                                    : 0;
}

const char *
turn_connect_client_get_server (TurnConnectClient *client)
{
  return client->server;
}

const char *
turn_connect_client_get_software (TurnConnectClient *client)
{
  return client->allocation != NULL ? turn_connect_allocation_get_software (client->allocation)
                                    : NULL;
}

TurnConnectStream *
turn_connect_client_get_stream (TurnConnectClient *client)
{
  return client->link != NULL ? turn_connect_carrier_get_stream (client->link) : NULL;
}

void
turn_connect_client_get_counters (TurnConnectClient *client, TurnConnectClientCounters *counters)
{
  *counters = client->counters;
  if (client->allocation == NULL)
    return;
  counters->ignored = turn_connect_allocation_get_ignored (client->allocation);
  counters->retransmitted = turn_connect_allocation_get_retransmitted (client->allocation);
}
