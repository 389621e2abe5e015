/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of one allocation (RFC 8656 sections 7 and 8, RFC 8016): asked for, kept, carried over
 * to another connection, given back. No I/O happens here, so that every order of answers, timers
 * and losses can be tried in tests and by fuzzing.
 */
#include "turn-connect/turn/allocation-private.h"

#include <string.h>

#include "stun-ext/integrity.h"
#include "turn-connect/error-private.h"
#include "turn-connect/turn/answer.h"

#define TRANSACTIONS_MAX 64 /* arbitrary; the application's own requests beyond are refused */
#define PROTOCOL_UDP 17     /* for REQUESTED-TRANSPORT, IANA */
#define PROTOCOL_TCP 6

static void
free_transaction (gpointer data)
{
  TurnConnectTransaction *transaction = data;

  turn_connect_transaction_clear (transaction);
  g_free (transaction);
}

static void
free_waiter (gpointer data)
{
  TurnConnectWaiter *waiter = data;

  g_array_unref (waiter->hosts);
  g_free (waiter);
}

TurnConnectAllocation *
turn_connect_allocation_new (const TurnConnectWishes *wishes,
                             TurnConnectRandomFunc random,
                             gpointer random_data)
{
  TurnConnectAllocation *self = g_new0 (TurnConnectAllocation, 1);

  self->wishes = *wishes;
  self->random = random;
  self->random_data = random_data;
  self->probed_us = G_MININT64 / 2;
  self->who = g_strdup ("the TURN server");
  turn_connect_auth_init (&self->auth, wishes->algorithms);
  self->transactions = g_ptr_array_new_with_free_func (free_transaction);
  g_queue_init (&self->outputs);
  g_queue_init (&self->events);
  turn_connect_permissions_init (&self->permissions);
  turn_connect_channels_init (&self->channels);
  self->waiters = g_ptr_array_new_with_free_func (free_waiter);
  self->channel_waiters = g_array_new (FALSE, FALSE, sizeof (TurnConnectChannelWaiter));
  return self;
}

void
turn_connect_allocation_free (TurnConnectAllocation *self)
{
  turn_connect_auth_clear (&self->auth);
  g_ptr_array_unref (self->transactions);
  g_queue_clear_full (&self->outputs, (GDestroyNotify)g_bytes_unref);
  g_queue_clear_full (&self->events, (GDestroyNotify)turn_connect_event_free);
  turn_connect_permissions_clear (&self->permissions);
  turn_connect_channels_clear (&self->channels);
  g_ptr_array_unref (self->waiters);
  g_array_unref (self->channel_waiters);
  g_clear_pointer (&self->ticket, g_byte_array_unref);
  g_free (self->software);
  g_free (self->who);
  g_free (self);
}

TurnConnectEvent *
turn_connect_event_new (TurnConnectEventKind kind)
{
  TurnConnectEvent *event = g_new0 (TurnConnectEvent, 1);

  event->kind = kind;
  return event;
}

void
turn_connect_event_free (TurnConnectEvent *event)
{
  g_clear_error (&event->error);
  g_free (event->domain);
  g_free (event);
}

void
turn_connect_allocation_emit (TurnConnectAllocation *self, TurnConnectEvent *event)
{
  g_queue_push_tail (&self->events, event);
}

TurnConnectEvent *
turn_connect_allocation_take_event (TurnConnectAllocation *self)
{
  return g_queue_pop_head (&self->events);
}

GBytes *
turn_connect_allocation_take_output (TurnConnectAllocation *self)
{
  return g_queue_pop_head (&self->outputs);
}

void
turn_connect_allocation_set_state (TurnConnectAllocation *self, TurnConnectAllocationState state)
{
  static const char *const names[] = { "down", "asking", "resuming", "up", "leaving", "gone" };

  g_debug ("allocation: %s -> %s", names[self->state], names[state]);
  self->state = state;
}

static void
queue_octets (TurnConnectAllocation *self, const TurnConnectTransaction *transaction)
{
  g_queue_push_tail (&self->outputs, g_bytes_new (transaction->octets, transaction->length));
}

/* Writes it and sends it; FALSE if it cannot be written, and then it is freed and has failed. */
static gboolean
submit (TurnConnectAllocation *self, TurnConnectTransaction *transaction, gint64 now_us)
{
  GError *error;

  if (turn_connect_transaction_write (transaction, &self->auth, self->random, self->random_data,
                                      now_us)) {
    transaction->request.ticket = NULL; /* borrowed */
    g_ptr_array_add (self->transactions, transaction);
    queue_octets (self, transaction);
    return TRUE;
  }
  error = g_error_new_literal (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_RESOURCES,
                               "a request could not be written");
  turn_connect_error_set_step (error, turn_connect_answer_step (transaction->request.method));
  turn_connect_allocation_finish (self, transaction, NULL, error, now_us);
  free_transaction (transaction);
  return FALSE;
}

void
turn_connect_allocation_ask (TurnConnectAllocation *self,
                             const TurnConnectRequest *request,
                             gint64 now_us)
{
  TurnConnectTransaction *transaction = g_new0 (TurnConnectTransaction, 1);

  transaction->request = *request;
  transaction->is_reliable = self->is_stream;
  transaction->believes_redirects = self->is_verified || self->wishes.believes_redirects;
  submit (self, transaction, now_us);
}

void
turn_connect_allocation_ask_for_it (TurnConnectAllocation *self, gint64 now_us)
{
  const TurnConnectWishes *wishes = &self->wishes;
  TurnConnectRequest request = { .method = STUN_EXT_METHOD_ALLOCATE };
  gboolean is_udp = wishes->relay == TURN_CONNECT_RELAY_UDP;

  turn_connect_allocation_set_state (self, TURN_CONNECT_ALLOCATION_ASKING);
  turn_connect_auth_disown (&self->auth);
  request.transport = is_udp ? PROTOCOL_UDP : PROTOCOL_TCP;
  request.has_lifetime = wishes->lifetime_s != 0;
  request.lifetime_s = wishes->lifetime_s;
  if (is_udp && wishes->has_reservation) {
    request.has_reservation = TRUE;
    memcpy (request.reservation, wishes->reservation, sizeof request.reservation);
  } else if (is_udp && wishes->even_port != TURN_CONNECT_PORT_ANY) {
    request.has_even_port = TRUE;
    request.keeps_next = wishes->even_port == TURN_CONNECT_PORT_EVEN_AND_NEXT;
  }
  /* RFC 8656 section 7.1: a reservation implies the family, a kept port excludes a second one. */
  if (wishes->families == TURN_CONNECT_FAMILY_IPV6 && !request.has_reservation)
    request.family = 6;
  if (wishes->families == TURN_CONNECT_FAMILY_BOTH && !request.has_reservation &&
      !request.keeps_next)
    request.additional_family = 6;
  request.has_dont_fragment = is_udp && wishes->has_dont_fragment && !self->lacks_dont_fragment;
  request.has_ticket = wishes->is_mobile && !self->forbids_mobility;
  turn_connect_allocation_ask (self, &request, now_us);
}

static void
refresh (TurnConnectAllocation *self, guint32 lifetime_s, gboolean has_ticket, gint64 now_us)
{
  TurnConnectRequest request = {
    .method = STUN_EXT_METHOD_REFRESH,
    .has_lifetime = TRUE,
    .lifetime_s = lifetime_s,
    .has_ticket = has_ticket,
    .ticket = self->ticket,
  };

  turn_connect_allocation_ask (self, &request, now_us);
}

static guint32
wanted_lifetime (const TurnConnectAllocation *self)
{
  return self->wishes.lifetime_s != 0 ? self->wishes.lifetime_s : STUN_EXT_ALLOCATION_LIFETIME_S;
}

void
turn_connect_allocation_resume (TurnConnectAllocation *self, gint64 now_us)
{
  turn_connect_allocation_set_state (self, TURN_CONNECT_ALLOCATION_RESUMING);
  refresh (self, wanted_lifetime (self), TRUE, now_us);
}

void
turn_connect_allocation_probe (TurnConnectAllocation *self, gint64 now_us)
{
  self->is_probing = TRUE;
  self->refresh_us = G_MAXINT64; /* until its answer */
  refresh (self, wanted_lifetime (self), FALSE, now_us);
}

void
turn_connect_allocation_connected (TurnConnectAllocation *self,
                                   const char *who,
                                   TurnConnectLinkFlags flags,
                                   gint64 now_us)
{
  g_return_if_fail (self->state == TURN_CONNECT_ALLOCATION_DOWN);
  g_free (self->who);
  self->who = g_strdup (who);
  self->is_stream = (flags & TURN_CONNECT_LINK_IS_STREAM) != 0;
  self->is_verified = (flags & TURN_CONNECT_LINK_IS_VERIFIED) != 0;
  self->heard_us = now_us;
  if ((flags & TURN_CONNECT_LINK_IS_SAME) == 0) {
    turn_connect_auth_forget_challenge (&self->auth);
    g_clear_pointer (&self->ticket, g_byte_array_unref);
  }
  if (self->ticket != NULL && now_us < self->ends_us)
    turn_connect_allocation_resume (self, now_us);
  else
    turn_connect_allocation_ask_for_it (self, now_us);
}

/* Whoever asked for a TCP peer has to ask again: the server forgets it with the connection. */
static void
fail_transactions (TurnConnectAllocation *self, const GError *error)
{
  for (guint i = 0; i < self->transactions->len; i++) {
    const TurnConnectTransaction *transaction = self->transactions->pdata[i];
    TurnConnectEvent *event;

    if (transaction->request.method != STUN_EXT_METHOD_CONNECT)
      continue;
    event = turn_connect_event_new (TURN_CONNECT_EVENT_DONE);
    event->token = transaction->request.token;
    event->error = g_error_copy (error);
    turn_connect_allocation_emit (self, event);
  }
  g_ptr_array_set_size (self->transactions, 0);
}

void
turn_connect_allocation_disconnected (TurnConnectAllocation *self)
{
  g_autoptr (GError) error = g_error_new (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_CLOSED,
                                          "the connection to %s was lost", self->who);

  turn_connect_error_set_step (error, TURN_CONNECT_STEP_PEER);
  fail_transactions (self, error);
  self->is_probing = FALSE;
  g_queue_clear_full (&self->outputs, (GDestroyNotify)g_bytes_unref);
  if (self->state == TURN_CONNECT_ALLOCATION_LEAVING) {
    turn_connect_allocation_set_state (self, TURN_CONNECT_ALLOCATION_GONE);
    turn_connect_allocation_emit (self, turn_connect_event_new (TURN_CONNECT_EVENT_GONE));
  } else if (self->state != TURN_CONNECT_ALLOCATION_GONE)
    turn_connect_allocation_set_state (self, TURN_CONNECT_ALLOCATION_DOWN);
}

void
turn_connect_allocation_doubt (TurnConnectAllocation *self, gint64 now_us)
{
  if (self->state == TURN_CONNECT_ALLOCATION_UP && !self->is_probing &&
      self->refresh_us != G_MAXINT64)
    turn_connect_allocation_probe (self, now_us);
}

void
turn_connect_allocation_drop_ticket (TurnConnectAllocation *self)
{
  g_clear_pointer (&self->ticket, g_byte_array_unref);
}

void
turn_connect_allocation_fall (TurnConnectAllocation *self, GError *error)
{
  TurnConnectEvent *event = turn_connect_event_new (TURN_CONNECT_EVENT_DOWN);

  event->error = error;
  turn_connect_allocation_disconnected (self);
  turn_connect_allocation_emit (self, event);
}

void
turn_connect_allocation_abandon (TurnConnectAllocation *self, const GError *error)
{
  fail_transactions (self, error);
  turn_connect_allocation_fail_waiters (self, error);
  turn_connect_allocation_set_state (self, TURN_CONNECT_ALLOCATION_GONE);
}

void
turn_connect_allocation_leave (TurnConnectAllocation *self, gint64 now_us)
{
  g_autoptr (GError) error =
      g_error_new_literal (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_CLOSED, "the client was closed");
  gboolean was_up = self->state == TURN_CONNECT_ALLOCATION_UP;

  if (self->state == TURN_CONNECT_ALLOCATION_GONE || self->state == TURN_CONNECT_ALLOCATION_LEAVING)
    return;
  turn_connect_allocation_set_state (self, TURN_CONNECT_ALLOCATION_LEAVING);
  fail_transactions (self, error);
  turn_connect_allocation_fail_waiters (self, error);
  if (was_up)
    refresh (self, 0, FALSE, now_us);
  else
    turn_connect_allocation_disconnected (self);
}

void
turn_connect_allocation_set_login (TurnConnectAllocation *self,
                                   TurnConnectLogin *login,
                                   gint64 now_us)
{
  turn_connect_auth_set_login (&self->auth, login);
  /* A refresh that failed for want of this is tried at once. */
  if (self->state == TURN_CONNECT_ALLOCATION_UP && self->was_refused)
    self->refresh_us = now_us;
}

void
turn_connect_allocation_set_keepalive (TurnConnectAllocation *self, guint interval_s)
{
  self->wishes.keepalive_s = interval_s;
}

void
turn_connect_allocation_connect_peer (TurnConnectAllocation *self,
                                      const StunExtAddress *peer,
                                      guint64 token,
                                      gint64 now_us)
{
  TurnConnectRequest request = {
    .method = STUN_EXT_METHOD_CONNECT,
    .token = token,
    .peers = { *peer },
    .n_peers = 1,
  };
  TurnConnectEvent *event;

  if (self->state == TURN_CONNECT_ALLOCATION_UP && self->transactions->len < TRANSACTIONS_MAX) {
    turn_connect_allocation_ask (self, &request, now_us);
    return;
  }
  event = turn_connect_event_new (TURN_CONNECT_EVENT_DONE);
  event->token = token;
  event->error = g_error_new_literal (
      TURN_CONNECT_ERROR,
      self->state == TURN_CONNECT_ALLOCATION_UP ? TURN_CONNECT_ERROR_RESOURCES
                                                : TURN_CONNECT_ERROR_CLOSED,
      self->state == TURN_CONNECT_ALLOCATION_UP ? "too many requests wait for the TURN server"
                                                : "there is no allocation to connect from");
  turn_connect_error_set_step (event->error, TURN_CONNECT_STEP_PEER);
  turn_connect_allocation_emit (self, event);
}

static TurnConnectTransaction *
find_transaction (TurnConnectAllocation *self, const StunExtMessage *message, guint *at)
{
  for (*at = 0; *at < self->transactions->len; (*at)++) {
    TurnConnectTransaction *transaction = self->transactions->pdata[*at];

    if (memcmp (transaction->id, message->transaction_id, sizeof transaction->id) == 0)
      return transaction;
  }
  return NULL;
}

static void
take_answer (TurnConnectAllocation *self, const StunExtMessage *message, gint64 now_us)
{
  guint at, code;
  TurnConnectTransaction *transaction = find_transaction (self, message, &at);
  TurnConnectAnswer verdict = TURN_CONNECT_ANSWER_IGNORE;
  GError *error = NULL;

  if (transaction != NULL)
    verdict = turn_connect_transaction_judge (transaction, &self->auth, message, &code);
  if (verdict == TURN_CONNECT_ANSWER_IGNORE) {
    self->ignored++;
    return;
  }
  self->heard_us = now_us;
  g_ptr_array_steal_index (self->transactions, at);
  if (verdict == TURN_CONNECT_ANSWER_ERROR && code == STUN_EXT_CODE_WRONG_CREDENTIALS &&
      turn_connect_auth_fall_back (&self->auth))
    verdict = TURN_CONNECT_ANSWER_RETRY;
  if (verdict == TURN_CONNECT_ANSWER_RETRY) {
    if (transaction->request.has_ticket && transaction->request.method == STUN_EXT_METHOD_REFRESH)
      transaction->request.ticket = self->ticket;
    submit (self, transaction, now_us);
    return;
  }
  if (verdict != TURN_CONNECT_ANSWER_SUCCESS)
    error = turn_connect_transaction_error (transaction, verdict, message, self->who);
  turn_connect_allocation_finish (
      self, transaction, verdict != TURN_CONNECT_ANSWER_UNPROVEN ? message : NULL, error, now_us);
  free_transaction (transaction);
}

TurnConnectTook
turn_connect_allocation_receive (TurnConnectAllocation *self,
                                 const guint8 *data,
                                 gsize length,
                                 gint64 now_us,
                                 TurnConnectReceived *received)
{
  TurnConnectTook took = TURN_CONNECT_TOOK_NOTHING;
  StunExtMessage message;

  if (self->state == TURN_CONNECT_ALLOCATION_DOWN || self->state == TURN_CONNECT_ALLOCATION_GONE)
    return TURN_CONNECT_TOOK_NOTHING;
  if (length > 0 && (data[0] & 0xc0) != 0)
    return turn_connect_allocation_take_channel_data (self, data, length, now_us, received);
  if (stun_ext_message_parse (&message, data, length) != STUN_EXT_PARSE_OK ||
      stun_ext_fingerprint_verify (&message) == STUN_EXT_VERDICT_WRONG) {
    self->ignored++;
    return TURN_CONNECT_TOOK_NOTHING;
  }
  if (message.message_class == STUN_EXT_CLASS_SUCCESS ||
      message.message_class == STUN_EXT_CLASS_ERROR)
    take_answer (self, &message, now_us);
  else if (message.message_class == STUN_EXT_CLASS_INDICATION &&
           message.method == STUN_EXT_METHOD_DATA && self->state == TURN_CONNECT_ALLOCATION_UP)
    took = turn_connect_allocation_take_data (self, &message, now_us, received);
  else if (message.message_class == STUN_EXT_CLASS_INDICATION &&
           message.method == STUN_EXT_METHOD_CONNECTION_ATTEMPT)
    turn_connect_allocation_take_attempt (self, &message);
  else
    self->ignored++;
  turn_connect_allocation_pump (self, now_us);
  return took;
}

/* Sends again what is due, ends what nobody answered. */
static void
check_transactions (TurnConnectAllocation *self, gint64 now_us)
{
  for (guint i = 0; i < self->transactions->len;) {
    TurnConnectTransaction *transaction = self->transactions->pdata[i];

    switch (turn_connect_transaction_check (transaction, now_us)) {
    case TURN_CONNECT_DUE_AGAIN:
      self->retransmitted++;
      queue_octets (self, transaction);
      i++;
      break;
    case TURN_CONNECT_DUE_GIVE_UP:
      g_ptr_array_steal_index (self->transactions, i);
      turn_connect_allocation_finish (self, transaction, NULL,
                                      turn_connect_transaction_silence (transaction, self->who),
                                      now_us);
      free_transaction (transaction);
      i = 0; /* the end of one may have ended others */
      break;
    case TURN_CONNECT_DUE_NOT_YET:
    default:
      i++;
      break;
    }
  }
}

static gint64
keepalive_due (const TurnConnectAllocation *self)
{
  if (self->wishes.keepalive_s == 0 || self->state != TURN_CONNECT_ALLOCATION_UP ||
      self->transactions->len > 0)
    return G_MAXINT64;
  return self->heard_us + (gint64)self->wishes.keepalive_s * G_USEC_PER_SEC;
}

static void
check_allocation (TurnConnectAllocation *self, gint64 now_us)
{
  TurnConnectRequest request = { .method = STUN_EXT_METHOD_BINDING };

  if (self->state != TURN_CONNECT_ALLOCATION_UP)
    return;
  if (now_us >= self->refresh_us) {
    self->refresh_us = G_MAXINT64; /* until its answer */
    refresh (self, wanted_lifetime (self), FALSE, now_us);
  } else if (now_us >= keepalive_due (self))
    turn_connect_allocation_ask (self, &request, now_us);
}

void
turn_connect_allocation_tick (TurnConnectAllocation *self, gint64 now_us)
{
  check_transactions (self, now_us);
  check_allocation (self, now_us);
  turn_connect_allocation_pump (self, now_us);
}

gint64
turn_connect_allocation_next (const TurnConnectAllocation *self)
{
  gint64 next = keepalive_due (self);

  for (guint i = 0; i < self->transactions->len; i++)
    next = MIN (next, ((TurnConnectTransaction *)self->transactions->pdata[i])->due_us);
  if (self->state == TURN_CONNECT_ALLOCATION_UP) {
    next = MIN (next, self->refresh_us);
    if (self->transactions->len < TRANSACTIONS_MAX)
      next = MIN (next, turn_connect_allocation_next_peer (self));
  }
  return next;
}
