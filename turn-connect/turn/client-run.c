/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What drives an allocation: connections, clock, randomness, and the decision whether to try again.
 * One function, settle (), moves what is due between the allocation, the connection and the
 * application; everything that happens ends in it.
 */
#include "turn-connect/turn/client-private.h"

#include <string.h>
#include <sys/random.h>

#include "turn-connect/dial.h"
#include "turn-connect/error-private.h"
#include "turn-connect/host.h"
#include "turn-connect/target-private.h"

#define MISMATCHES_MAX 3      /* RFC 8656 section 7.4, 437: other connections that are tried */
#define USER_TIMEOUT_MS 30000 /* unacknowledged octets mean a dead path */

void
turn_connect_client_random (guint8 *octets, gsize length, gpointer user_data)
{
  gsize done = 0;

  while (done < length) {
    gssize n = getrandom (octets + done, length - done, 0);

    if (n > 0)
      done += (gsize)n;
  }
}

static guint32
random_number (void)
{
  guint8 octets[4];

  turn_connect_client_random (octets, sizeof octets, NULL);
  return (guint32)octets[0] << 24 | (guint32)octets[1] << 16 | (guint32)octets[2] << 8 | octets[3];
}

void
turn_connect_client_set_state (TurnConnectClient *self,
                               TurnConnectClientState state,
                               const GError *cause)
{
  if (self->state == state)
    return;
  self->state = state;
  g_signal_emit (self, turn_connect_client_signals[SIGNAL_STATE_CHANGED], 0, (guint)state, cause);
}

void
turn_connect_client_drop_link (TurnConnectClient *self)
{
  if (self->dialling != NULL)
    g_cancellable_cancel (self->dialling);
  g_clear_object (&self->dialling);
  g_clear_pointer (&self->link, turn_connect_carrier_close);
}

/* Ends the application's wait for the first allocation. */
static void
end_allocating (TurnConnectClient *self, const GError *error)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->allocating);

  if (self->allocating_end != NULL)
    g_source_destroy (self->allocating_end);
  g_clear_pointer (&self->allocating_end, g_source_unref);
  if (task == NULL)
    return;
  if (error != NULL)
    g_task_return_error (task, g_error_copy (error));
  else
    g_task_return_boolean (task, TRUE);
}

void
turn_connect_client_end (TurnConnectClient *self, GError *cause)
{
  g_autoptr (GError) error = cause;
  g_autoptr (GError) closed =
      g_error_new_literal (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_CLOSED, "the client was closed");
  g_autoptr (GPtrArray) closing = NULL;

  if (self->state == TURN_CONNECT_CLIENT_CLOSED)
    return;
  turn_connect_client_drop_link (self);
  if (self->allocation != NULL)
    turn_connect_allocation_abandon (self->allocation, error != NULL ? error : closed);
  turn_connect_client_set_state (self, TURN_CONNECT_CLIENT_CLOSED, error);
  end_allocating (self, error != NULL ? error : closed);
  turn_connect_client_fail_calls (self, error != NULL ? error : closed);
  closing = g_steal_pointer (&self->closing);
  self->closing = g_ptr_array_new_with_free_func (g_object_unref);
  for (guint i = 0; i < closing->len; i++)
    g_task_return_boolean (closing->pdata[i], TRUE);
}

void
turn_connect_client_issue_login (TurnConnectClient *self)
{
  char password[STUN_EXT_REST_PASSWORD_LENGTH + 1];
  g_autofree char *user = NULL;
  TurnConnectLogin *login = NULL;

  if (self->secret == NULL)
    return;
  self->login_expires_s = g_get_real_time () / G_USEC_PER_SEC + self->secret_lifetime_s;
  user = g_strdup_printf ("%" G_GINT64_FORMAT ":%s", self->login_expires_s, self->secret_user);
  if (stun_ext_rest_password (
          self->secret_hash,
          (StunExtSpan){ g_bytes_get_data (self->secret, NULL), g_bytes_get_size (self->secret) },
          (StunExtSpan){ user, strlen (user) }, password))
    login = turn_connect_login_new (user, password, NULL);
  stun_ext_crypto_cleanse (password, sizeof password);
  if (login == NULL)
    return;
  g_clear_pointer (&self->login, turn_connect_login_unref);
  self->login = login;
  self->renew_us = g_get_monotonic_time () + (gint64)self->secret_lifetime_s * (G_USEC_PER_SEC / 2);
  if (self->allocation != NULL)
    turn_connect_allocation_set_login (self->allocation, login, g_get_monotonic_time ());
}

/* May the same be tried again, with a chance? What is not our own error is the network's. */
static gboolean
is_worth_trying (const GError *error)
{
  if (error->domain != TURN_CONNECT_ERROR)
    return !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  return turn_connect_error_may_pass (error);
}

/* The connection or the allocation is gone. Takes @error. */
static void
lost (TurnConnectClient *self, GError *error)
{
  g_autoptr (GError) cause = error;
  gboolean is_full = g_error_matches (cause, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TURN_QUOTA) ||
                     g_error_matches (cause, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TURN_CAPACITY);
  gboolean was_resuming =
      self->state != TURN_CONNECT_CLIENT_CLOSING &&
      turn_connect_allocation_get_state (self->allocation) == TURN_CONNECT_ALLOCATION_RESUMING;
  gint64 now_us = g_get_monotonic_time ();
  gint64 pause_us;

  g_debug ("client: lost: %s", cause->message);
  turn_connect_error_set_step (cause, self->state == TURN_CONNECT_CLIENT_READY
                                          ? TURN_CONNECT_STEP_REFRESH
                                          : TURN_CONNECT_STEP_ALLOCATE);
  turn_connect_client_drop_link (self);
  turn_connect_allocation_disconnected (self->allocation);
  if (self->state == TURN_CONNECT_CLIENT_CLOSING) {
    turn_connect_client_end (self, NULL);
    return;
  }
  if (self->allocating != NULL) {
    if (g_error_matches (cause, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TURN_MISMATCH) &&
        self->mismatches++ < MISMATCHES_MAX)
      turn_connect_client_start (self);
    else
      turn_connect_client_end (self, g_steal_pointer (&cause));
    return;
  }
  /* coturn 4.6 answers a ticket over a stream with octets that are no message. A new allocation is
   * still to be had. */
  if (was_resuming && g_error_matches (cause, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TURN_PROTOCOL))
    turn_connect_allocation_drop_ticket (self->allocation);
  else
    was_resuming = FALSE;
  pause_us = was_resuming || is_worth_trying (cause)
                 ? turn_connect_back_off_failed (&self->back_off, self->reconnects_max, is_full,
                                                 random_number (), now_us)
                 : -1;
  if (pause_us < 0) {
    turn_connect_client_end (self, g_steal_pointer (&cause));
    return;
  }
  self->attempt_us = now_us + pause_us;
  /* Once more where it worked last; then from the beginning. */
  if (self->back_off.failures > 1)
    g_set_object (&self->current, self->target);
  turn_connect_client_set_state (self, TURN_CONNECT_CLIENT_WAITING, cause);
}

static void
link_received (const guint8 *data, gsize length, gpointer user_data)
{
  TurnConnectClient *self = user_data;
  TurnConnectReceived packet;

  if (turn_connect_allocation_receive (self->allocation, data, length, g_get_monotonic_time (),
                                       &packet) != TURN_CONNECT_TOOK_PACKET)
    return;
  self->counters.received++;
  if (self->receive != NULL)
    self->receive (self, &packet.peer, packet.channel, packet.payload.data, packet.payload.length,
                   self->receive_data);
}

static void
link_drained (gpointer user_data)
{
  turn_connect_client_settle (user_data);
}

/* Nobody listens there, or there is no way: while asking for an allocation that is an answer. One
 * that is there may survive it, or whoever forges it: the server is asked. */
static void
link_troubled (const GError *error, gpointer user_data)
{
  g_autoptr (TurnConnectClient) self = g_object_ref (user_data); /* whom it is told may let go */

  if (self->state == TURN_CONNECT_CLIENT_READY)
    turn_connect_allocation_doubt (self->allocation, g_get_monotonic_time ());
  else if (self->state == TURN_CONNECT_CLIENT_ALLOCATING)
    lost (self, g_error_copy (error));
}

static void
link_lost (GError *error, gpointer user_data)
{
  TurnConnectClient *self = g_object_ref (user_data);

  lost (self, error);
  turn_connect_client_settle (self);
  g_object_unref (self);
}

/* What there is to connect by: one of these. */
typedef struct {
  TurnConnectStream *stream;
  TurnConnectDatagram *datagram;
  GPtrArray *addresses; /* for plain UDP */
} Way;

static void
connected (TurnConnectClient *self, const Way *way)
{
  static const TurnConnectCarrierFuncs funcs = { link_received, link_drained, link_troubled,
                                                 link_lost };
  g_autofree char *place = turn_connect_host_join (turn_connect_target_get_host (self->current),
                                                   turn_connect_target_get_port (self->current));
  g_autofree char *who = g_strconcat ("the TURN server ", place, NULL);
  TurnConnectLinkFlags flags = 0;

  if (way->stream != NULL)
    flags |= TURN_CONNECT_LINK_IS_STREAM;
  if (self->current->tls != NULL)
    flags |= TURN_CONNECT_LINK_IS_VERIFIED;
  if (g_strcmp0 (place, self->server) == 0)
    flags |= TURN_CONNECT_LINK_IS_SAME;
  g_free (self->server);
  self->server = g_steal_pointer (&place);
  if (way->stream != NULL)
    turn_connect_stream_set_user_timeout (way->stream, USER_TIMEOUT_MS);
  if (way->addresses != NULL)
    self->link = turn_connect_carrier_new_among (way->addresses, self->current->interface, who,
                                                 &funcs, self);
  else
    self->link = turn_connect_carrier_new (way->stream, way->datagram, who, &funcs, self);
  turn_connect_client_set_state (self, TURN_CONNECT_CLIENT_ALLOCATING, NULL);
  if (self->link == NULL || self->state != TURN_CONNECT_CLIENT_ALLOCATING)
    return; /* the application changed its mind */
  turn_connect_allocation_connected (self->allocation, who, flags, g_get_monotonic_time ());
  turn_connect_client_settle (self);
}

/* A dial under way, and for whom. */
typedef struct {
  TurnConnectClient *client;
  GCancellable *dialling;
} Dial;

static Dial *
dial_new (TurnConnectClient *self)
{
  Dial *dial = g_new (Dial, 1);

  dial->client = g_object_ref (self);
  dial->dialling = g_object_ref (self->dialling);
  return dial;
}

/* The one that worked last is tried first: it has the allocation, if any has. */
static void
prefer (GPtrArray *addresses, GSocketAddress *wanted)
{
  for (guint i = 1; wanted != NULL && i < addresses->len; i++) {
    GInetSocketAddress *one = G_INET_SOCKET_ADDRESS (addresses->pdata[i]);

    if (!g_inet_address_equal (g_inet_socket_address_get_address (one),
                               g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (wanted))))
      continue;
    g_ptr_array_insert (addresses, 0, g_ptr_array_steal_index (addresses, i));
    return;
  }
}

static void
dialled (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Dial *dial = user_data;
  g_autoptr (TurnConnectClient) self = dial->client;
  g_autoptr (GCancellable) dialling = dial->dialling;
  TurnConnectTarget *target = TURN_CONNECT_TARGET (source);
  g_autoptr (TurnConnectStream) stream = NULL;
  g_autoptr (TurnConnectDatagram) datagram = NULL;
  g_autoptr (GPtrArray) addresses = NULL;
  GError *error = NULL;

  if (self->carrier == TURN_CONNECT_CARRIER_STREAM)
    stream = turn_connect_dial_finish (target, result, &error);
  else if (target->tls != NULL)
    datagram = turn_connect_datagram_dial_finish (target, result, &error);
  else
    addresses = turn_connect_datagram_look_up_finish (target, result, &error);
  if (self->dialling != dialling) { /* nobody waits for this one any more */
    g_clear_error (&error);
    return;
  }
  g_clear_object (&self->dialling);
  if (addresses != NULL)
    prefer (addresses, self->address);
  if (error == NULL)
    connected (self, &(Way){ stream, datagram, addresses });
  else
    lost (self, error);
  turn_connect_client_settle (self);
}

void
turn_connect_client_use_stream (TurnConnectClient *self, TurnConnectStream *stream)
{
  g_clear_object (&self->opened);
  self->opened = stream;
}

void
turn_connect_client_set_progress (TurnConnectClient *self,
                                  TurnConnectProgressFunc progress,
                                  gpointer user_data)
{
  self->progress = progress;
  self->progress_data = user_data;
}

static void
progressed (const TurnConnectProgress *progress, gpointer user_data)
{
  TurnConnectClient *self = user_data;

  if (self->progress != NULL)
    self->progress (progress, self->progress_data);
}

static void
begin_dial (TurnConnectClient *self)
{
  g_autoptr (TurnConnectStream) opened = g_steal_pointer (&self->opened);

  turn_connect_client_drop_link (self);
  self->dialling = g_cancellable_new ();
  turn_connect_client_set_state (self, TURN_CONNECT_CLIENT_CONNECTING, NULL);
  if (self->dialling == NULL)
    return; /* closed by a signal's handler */
  if (opened != NULL) {
    g_clear_object (&self->dialling);
    connected (self, &(Way){ .stream = opened });
  } else if (self->carrier == TURN_CONNECT_CARRIER_STREAM)
    turn_connect_dial_async (self->current, progressed, self, self->dialling, dialled,
                             dial_new (self));
  else if (self->current->tls != NULL)
    turn_connect_datagram_dial_async (self->current, self->dialling, dialled, dial_new (self));
  else
    turn_connect_datagram_look_up_async (self->current, self->dialling, dialled, dial_new (self));
}

void
turn_connect_client_start (TurnConnectClient *self)
{
  if (self->was_up)
    self->counters.reconnects++;
  turn_connect_redirects_restart (&self->redirects);
  turn_connect_client_issue_login (self);
  begin_dial (self);
}

static GError *
redirect_error (TurnConnectClient *self, const char *to, TurnConnectRedirectVerdict verdict)
{
  GError *error =
      verdict == TURN_CONNECT_REDIRECT_CIRCLE
          ? g_error_new (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TURN_REDIRECT,
                         "the TURN server %s sent us to %s, which was asked before: a circle",
                         self->server, to)
          : g_error_new (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TURN_REDIRECT,
                         "the TURN server %s sent us to %s, the %u redirections that are allowed "
                         "were used up",
                         self->server, to, self->redirects_max);

  turn_connect_error_set_step (error, TURN_CONNECT_STEP_ALLOCATE);
  turn_connect_error_set_turn_code (error, STUN_EXT_CODE_TRY_ALTERNATE);
  return error;
}

static void
redirected (TurnConnectClient *self, const TurnConnectEvent *event)
{
  char host[STUN_EXT_ADDRESS_TEXT_LENGTH];
  g_autofree char *to = NULL;
  TurnConnectRedirectVerdict verdict;
  TurnConnectTarget *alternate;
  GError *error = NULL;

  stun_ext_address_print_host (&event->peer, host);
  to = turn_connect_host_join (host, event->peer.port);
  verdict = turn_connect_redirects_judge (&self->redirects, self->server, to, self->redirects_max,
                                          g_get_monotonic_time ());
  if (verdict != TURN_CONNECT_REDIRECT_FOLLOW) {
    lost (self, redirect_error (self, to, verdict));
    return;
  }
  alternate = turn_connect_target_new_alternate (self->current, host, event->peer.port,
                                                 event->domain, &error);
  if (alternate == NULL) {
    g_prefix_error (&error, "the TURN server %s sent us to %s: ", self->server, to);
    lost (self, error);
    return;
  }
  g_object_unref (self->current);
  self->current = alternate;
  begin_dial (self);
}

static void
came_up (TurnConnectClient *self, const TurnConnectEvent *event)
{
  TurnConnectDatagram *datagram =
      self->link != NULL ? turn_connect_carrier_get_datagram (self->link) : NULL;

  if (datagram != NULL)
    g_set_object (&self->address, turn_connect_datagram_get_remote_address (datagram));
  turn_connect_back_off_up (&self->back_off, g_get_monotonic_time ());
  self->mismatches = 0;
  if (self->was_up && event->is_new)
    self->counters.reallocations++;
  self->was_up = TRUE;
  turn_connect_client_set_state (self, TURN_CONNECT_CLIENT_READY, NULL);
  if (event->is_new)
    g_signal_emit (self, turn_connect_client_signals[SIGNAL_RELAYED_CHANGED], 0);
  end_allocating (self, NULL);
}

static void
handle (TurnConnectClient *self, TurnConnectEvent *event)
{
  switch (event->kind) {
  case TURN_CONNECT_EVENT_UP:
    came_up (self, event);
    break;
  case TURN_CONNECT_EVENT_DONE:
    turn_connect_client_call_done (self, event);
    break;
  case TURN_CONNECT_EVENT_PEER_LOST:
    g_signal_emit (self, turn_connect_client_signals[SIGNAL_PEER_LOST], 0, &event->peer,
                   event->error);
    break;
  case TURN_CONNECT_EVENT_ICMP:
    g_signal_emit (self, turn_connect_client_signals[SIGNAL_ICMP], 0, &event->peer,
                   (guint)event->icmp_type, (guint)event->icmp_code, (guint)event->icmp_data);
    break;
  case TURN_CONNECT_EVENT_ATTEMPT:
    g_signal_emit (self, turn_connect_client_signals[SIGNAL_CONNECTION_ATTEMPT], 0, &event->peer,
                   (guint)event->connection_id);
    break;
  case TURN_CONNECT_EVENT_REDIRECT:
    redirected (self, event);
    break;
  case TURN_CONNECT_EVENT_DOWN:
    lost (self, g_steal_pointer (&event->error));
    break;
  case TURN_CONNECT_EVENT_GONE:
    turn_connect_client_end (self, NULL);
    break;
  }
}

static void
check_time (TurnConnectClient *self)
{
  gint64 now_us = g_get_monotonic_time ();

  if (self->state == TURN_CONNECT_CLIENT_CLOSED)
    return;
  if (self->state == TURN_CONNECT_CLIENT_CLOSING && now_us >= self->deadline_us) {
    turn_connect_client_end (self, NULL);
    return;
  }
  if (self->state == TURN_CONNECT_CLIENT_WAITING && now_us >= self->attempt_us)
    turn_connect_client_start (self);
  if (self->secret != NULL && self->state == TURN_CONNECT_CLIENT_READY && now_us >= self->renew_us)
    turn_connect_client_issue_login (self);
  turn_connect_allocation_tick (self->allocation, now_us);
}

/* Every packet moves the keepalive, and to move a timer costs two system calls: so it is only ever
 * moved to come earlier. One that comes too early asks again. */
static void
set_timer (TurnConnectClient *self)
{
  gint64 next_us = turn_connect_allocation_next (self->allocation);
  gint64 set_us = g_source_get_ready_time (self->timer);

  if (self->state == TURN_CONNECT_CLIENT_CLOSING)
    next_us = MIN (next_us, self->deadline_us);
  if (self->state == TURN_CONNECT_CLIENT_WAITING)
    next_us = MIN (next_us, self->attempt_us);
  if (self->secret != NULL && self->state == TURN_CONNECT_CLIENT_READY)
    next_us = MIN (next_us, self->renew_us);
  if (self->state == TURN_CONNECT_CLIENT_CLOSED || next_us == G_MAXINT64)
    next_us = -1;
  else if (set_us >= 0 && set_us <= next_us)
    return;
  g_source_set_ready_time (self->timer, next_us < 0 && next_us != -1 ? 0 : next_us);
}

static gboolean
move (TurnConnectClient *self)
{
  g_autoptr (TurnConnectEvent) event = NULL;
  g_autoptr (GBytes) output = turn_connect_allocation_take_output (self->allocation);

  if (output != NULL) {
    gsize length;
    const void *data = g_bytes_get_data (output, &length);

    if (self->link != NULL)
      turn_connect_carrier_send (self->link, data, length);
    return TRUE;
  }
  event = turn_connect_allocation_take_event (self->allocation);
  if (event == NULL)
    return FALSE;
  handle (self, event);
  return TRUE;
}

void
turn_connect_client_settle (TurnConnectClient *self)
{
  if (self->allocation == NULL)
    return;
  self->is_again = TRUE;
  if (self->is_settling)
    return; /* an application's call from within; the outer one goes on */
  self->is_settling = TRUE;
  g_object_ref (self);
  while (self->is_again) {
    self->is_again = FALSE;
    check_time (self);
    while (move (self))
      ;
  }
  self->is_settling = FALSE;
  set_timer (self);
  g_object_unref (self);
}
