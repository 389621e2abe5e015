/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a target to datagrams. DTLS shows by its handshake who answers. Plain UDP has no connecting that could fail or succeed, so plain UDP gets a
 * list of addresses in the right order and leaves it to the protocol above to find out who answers.
 */
#include "turn-connect/datagram-private.h"

#include "turn-connect/alarm.h"
#include "turn-connect/error-private.h"
#include "turn-connect/host.h"
#include "turn-connect/lookup.h"
#include "turn-connect/race.h"
#include "turn-connect/reach.h"
#include "turn-connect/target-private.h"

#define RESOLUTION_DELAY_US (50 * 1000) /* RFC 8305 section 3 */

static gboolean
refuse_proxy (TurnConnectTarget *target, GTask *task)
{
  if (target->source == TURN_CONNECT_PROXY_SOURCE_NONE)
    return FALSE;
  g_task_return_new_error (
      task, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_UNSUPPORTED,
      "UDP does not pass %s%s, and nothing goes beside a proxy that is set: use "
      "TCP or TLS",
      target->proxy != NULL ? "the proxy " : "a proxy that may be found",
      target->proxy != NULL ? target->proxy->url : "");
  return TRUE;
}

/* The list of addresses. */

typedef struct {
  GTask *task; /* NULL once it returned */
  GMainContext *context;
  TurnConnectLookup *lookup;
  TurnConnectRace *race;
  GSource *timer;
  GSource *cancel_source;
  gint64 deadline;
  guint16 port;
  guint n_told;
} LookUp;

static void
look_up_free (gpointer data)
{
  LookUp *self = data;

  g_clear_pointer (&self->context, g_main_context_unref);
  g_clear_pointer (&self->lookup, turn_connect_lookup_free);
  g_clear_pointer (&self->race, turn_connect_race_free);
  g_free (self);
}

static void
destroy_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static GTask *
stop (LookUp *self)
{
  destroy_source (&self->timer);
  destroy_source (&self->cancel_source);
  g_clear_pointer (&self->lookup, turn_connect_lookup_free);
  return g_steal_pointer (&self->task);
}

static void
fail (LookUp *self, GError *error)
{
  g_autoptr (GTask) task = stop (self);

  g_task_return_error (task, error);
}

/* The order is the race's, taken without its pauses. */
static void
finish_look_up (LookUp *self)
{
  g_autoptr (GPtrArray) addresses = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GTask) task = NULL;
  gint64 now = g_get_monotonic_time ();
  gint64 wake;
  GInetAddress *ip;

  while ((ip = turn_connect_race_next (self->race, now += G_USEC_PER_SEC, &wake)) != NULL) {
    g_ptr_array_add (addresses, g_inet_socket_address_new (ip, self->port));
    g_object_unref (ip);
  }
  task = stop (self);
  g_task_return_pointer (task, g_steal_pointer (&addresses), (GDestroyNotify)g_ptr_array_unref);
}

static gboolean
look_up_timer_fired (gpointer user_data)
{
  LookUp *self = user_data;

  if (turn_connect_race_has_addresses (self->race)) {
    finish_look_up (self);
    return G_SOURCE_REMOVE;
  }
  fail (self, turn_connect_lookup_make_silence_error (self->lookup));
  return G_SOURCE_REMOVE;
}

static gboolean
look_up_cancelled (GCancellable *cancellable, gpointer user_data)
{
  fail (user_data,
        g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "the lookup was cancelled"));
  return G_SOURCE_REMOVE;
}

static void
answered (GSocketFamily family, GList *addresses, gpointer user_data)
{
  LookUp *self = user_data;
  gint64 now = g_get_monotonic_time ();

  turn_connect_race_answer (self->race, family, addresses, now);
  if (++self->n_told < 2) {
    if (turn_connect_race_has_addresses (self->race))
      g_source_set_ready_time (self->timer, MIN (self->deadline, now + RESOLUTION_DELAY_US));
    return;
  }
  if (turn_connect_race_has_addresses (self->race))
    finish_look_up (self);
  else
    fail (self, turn_connect_lookup_make_error (self->lookup));
}

void
turn_connect_datagram_look_up_async (TurnConnectTarget *target,
                                     GCancellable *cancellable,
                                     GAsyncReadyCallback callback,
                                     gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (target, NULL, callback, user_data);
  LookUp *self;

  g_task_set_source_tag (task, turn_connect_datagram_look_up_async);
  if (refuse_proxy (target, task))
    return;
  self = g_new0 (LookUp, 1);
  g_task_set_task_data (task, self, look_up_free);
  self->task = g_steal_pointer (&task);
  self->context = g_main_context_ref_thread_default ();
  self->port = target->port;
  self->race = turn_connect_race_new ();
  self->deadline = g_get_monotonic_time () + (gint64)target->timeout_ms * 1000;
  self->timer =
      turn_connect_alarm_new (self->context, "TurnConnectLookUp", look_up_timer_fired, self);
  g_source_set_ready_time (self->timer, self->deadline);
  if (cancellable != NULL) {
    self->cancel_source = g_cancellable_source_new (cancellable);
    g_source_set_callback (self->cancel_source, G_SOURCE_FUNC (look_up_cancelled), self, NULL);
    g_source_attach (self->cancel_source, self->context);
  }
  self->lookup = turn_connect_lookup_new (target->host, answered, self);
}

GPtrArray *
turn_connect_datagram_look_up_finish (TurnConnectTarget *target,
                                      GAsyncResult *result,
                                      GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* Dialling: the ways of trying an address. */

typedef struct {
  char *name;                 /* that the certificate has to be for */
  char *who;                  /* "the server example.org:443", for messages */
  TurnConnectTlsOptions *tls; /* NULL: plain */
  char *interface;            /* NULL: any */
} Dial;

static void
dial_free (gpointer data)
{
  Dial *dial = data;

  g_clear_object (&dial->tls);
  g_free (dial->interface);
  g_free (dial->name);
  g_free (dial->who);
  g_free (dial);
}

typedef struct {
  TurnConnectAttempt *attempt;
  TurnConnectDatagram *datagram; /* NULL once it won */
  GSource *watch;
  GSource *timer; /* when to repeat */
} Trial;

static void
trial_end (gpointer data)
{
  Trial *trial = data;

  destroy_source (&trial->watch);
  destroy_source (&trial->timer);
  g_clear_object (&trial->datagram);
  g_free (trial);
}

static void
arm_repetition (Trial *trial)
{
  gint64 timeout = turn_connect_datagram_get_timeout (trial->datagram);

  g_source_set_ready_time (trial->timer, timeout < 0 ? -1 : g_get_monotonic_time () + timeout);
}

/* Goes on; the trial may be gone afterwards. */
static gboolean
advance (TurnConnectDatagram *datagram, GIOCondition condition, gpointer user_data)
{
  Trial *trial = user_data;
  GError *error = NULL;

  switch (turn_connect_datagram_handshake (trial->datagram, &error)) {
  case TURN_CONNECT_IO_BLOCKED:
    arm_repetition (trial);
    return G_SOURCE_CONTINUE;
  case TURN_CONNECT_IO_OK:
    turn_connect_attempt_won (trial->attempt, g_steal_pointer (&trial->datagram));
    break;
  case TURN_CONNECT_IO_END:
  case TURN_CONNECT_IO_FAILED:
    turn_connect_attempt_failed (trial->attempt, error);
    break;
  }
  return G_SOURCE_REMOVE;
}

static gboolean
repeat (gpointer user_data)
{
  Trial *trial = user_data;
  GError *error = NULL;

  if (turn_connect_datagram_repeat (trial->datagram, &error)) {
    arm_repetition (trial);
    return G_SOURCE_CONTINUE;
  }
  turn_connect_attempt_failed (trial->attempt, error);
  return G_SOURCE_REMOVE;
}

/* The first flight goes out from the main context, as all that may end the trial. */
static gpointer
begin_dtls (TurnConnectAttempt *attempt, GSocketAddress *address, gpointer way_data, GError **error)
{
  Dial *dial = way_data;
  TurnConnectDatagram *datagram = turn_connect_datagram_new_dtls (
      address, dial->interface, dial->tls, dial->name, dial->who, error);
  Trial *trial;

  if (datagram == NULL)
    return NULL;
  trial = g_new0 (Trial, 1);
  trial->attempt = attempt;
  trial->datagram = datagram;
  trial->timer = turn_connect_alarm_new (turn_connect_attempt_get_context (attempt),
                                         "TurnConnectDatagram", repeat, trial);
  trial->watch = turn_connect_datagram_create_source (datagram, G_IO_IN, NULL);
  g_source_set_callback (trial->watch, G_SOURCE_FUNC (advance), trial, NULL);
  g_source_attach (trial->watch, turn_connect_attempt_get_context (attempt));
  return trial;
}

static const TurnConnectReachWay by_dtls = { begin_dtls, trial_end };

/* A socket is all there is to plain UDP; it wins from the main context. */
static gboolean
win (gpointer user_data)
{
  Trial *trial = user_data;

  turn_connect_attempt_won (trial->attempt, g_steal_pointer (&trial->datagram));
  return G_SOURCE_REMOVE;
}

static gpointer
begin_plain (TurnConnectAttempt *attempt,
             GSocketAddress *address,
             gpointer way_data,
             GError **error)
{
  const Dial *dial = way_data;
  TurnConnectDatagram *datagram = turn_connect_datagram_new_bound (address, dial->interface, error);
  Trial *trial;

  if (datagram == NULL)
    return NULL;
  trial = g_new0 (Trial, 1);
  trial->attempt = attempt;
  trial->datagram = datagram;
  trial->timer = g_idle_source_new ();
  g_source_set_callback (trial->timer, win, trial, NULL);
  g_source_attach (trial->timer, turn_connect_attempt_get_context (attempt));
  return trial;
}

static const TurnConnectReachWay by_plain = { begin_plain, trial_end };

static void
reached (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Dial *dial = g_task_get_task_data (task);
  gint64 resolved_at;
  GError *error = NULL;
  TurnConnectDatagram *datagram = turn_connect_reach_finish (result, &resolved_at, &error);

  if (datagram != NULL) {
    g_task_return_pointer (task, datagram, g_object_unref);
    return;
  }
  if (dial->tls != NULL)
    turn_connect_error_set_step (error, TURN_CONNECT_STEP_TLS);
  g_task_return_error (task, error);
}

void
turn_connect_datagram_dial_async (TurnConnectTarget *target,
                                  GCancellable *cancellable,
                                  GAsyncReadyCallback callback,
                                  gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (target, NULL, callback, user_data);
  g_autofree char *place = turn_connect_host_join (target->host, target->port);
  Dial *dial;

  g_task_set_source_tag (task, turn_connect_datagram_dial_async);
  if (refuse_proxy (target, task))
    return;
  dial = g_new0 (Dial, 1);
  dial->interface = g_strdup (target->interface);
  g_task_set_task_data (task, dial, dial_free);
  g_set_object (&dial->tls, target->tls);
  if (dial->tls != NULL)
    dial->name = g_strdup (turn_connect_target_get_tls_name (target));
  dial->who = g_strconcat ("the server ", place, NULL);
  turn_connect_reach_async (dial->tls != NULL ? &by_dtls : &by_plain, dial, target->host,
                            target->port,
                            g_get_monotonic_time () + (gint64)target->timeout_ms * 1000, NULL, NULL,
                            cancellable, reached, g_object_ref (task));
}

TurnConnectDatagram *
turn_connect_datagram_dial_finish (TurnConnectTarget *target, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
