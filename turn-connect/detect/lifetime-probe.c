/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long is a UDP socket remembered on the way while it is silent? A ladder of sockets, all at once
 * and each silent for another time, so that all of it takes no longer than the longest. Twice: after
 * one exchange, as a registration makes it, and after some seconds of them, as a call does, which
 * Linux and others keep longer.
 */
#include "turn-connect/detect/kernel.h"
#include "turn-connect/detect/rung-probe.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DATAGRAM_MAX 2048
#define DATAGRAMS_AT_ONCE 32
#define STATE 10 /* octet of an id that says of which state it is; the next one numbers sendings */
#define TELL_EVERY_US (15 * G_USEC_PER_SEC)

typedef struct _LifetimeProbe LifetimeProbe;

/* The socket that asks for answers to others; one for each family. */
typedef struct {
  LifetimeProbe *owner;
  int descriptor;
  GSource *input;
} Other;

typedef struct {
  LifetimeProbe *owner;
  TurnConnectProbe *probe;
  TurnConnectRung core;
  const Other *other;
  int descriptor;
  GSource *input;
  guint8 id[12];
  guint16 mapped_port;
  TurnConnectOutcome outcome; /* of the last answer */
} Rung;

struct _LifetimeProbe {
  TurnConnectRun *run;
  Other others[2];
  GPtrArray *rungs; /* Rung */
  GSource *timer, *teller;
  gint64 end_us; /* monotonic: when all is over, as far as is known */
};

static void
arm (LifetimeProbe *self)
{
  gint64 due = G_MAXINT64;

  for (guint i = 0; i < self->rungs->len; i++) {
    const Rung *rung = g_ptr_array_index (self->rungs, i);

    due = MIN (due, turn_connect_rung_next (&rung->core));
  }
  g_source_set_ready_time (self->timer, due == G_MAXINT64 ? -1 : due);
}

static void
rung_close (Rung *rung)
{
  turn_connect_run_clear_source (&rung->input);
  if (rung->descriptor >= 0)
    close (rung->descriptor);
  rung->descriptor = -1;
}

static void
rung_free (gpointer data)
{
  rung_close (data);
  g_free (data);
}

/* Sending */

static void
send_request (Rung *rung, gboolean is_other)
{
  StunExtDetectRequest request = { .response_port = is_other ? rung->mapped_port : 0 };
  guint8 octets[TURN_CONNECT_BINDING_MAX];
  struct sockaddr_storage native;
  socklen_t native_length = (socklen_t)stun_ext_address_to_sockaddr (&rung->probe->target, &native);
  gsize length;

  rung->id[STATE] = (guint8)rung->core.state;
  rung->id[STATE + 1] = (guint8)rung->core.n_sent;
  memcpy (request.transaction_id, rung->id, sizeof request.transaction_id);
  length = turn_connect_run_write_request (rung->owner->run, rung->probe, &request, octets,
                                           sizeof octets);
  rung->probe->attempts++;
  /* What cannot go now is lost, as it may be on the way. */
  if (sendto (is_other ? rung->other->descriptor : rung->descriptor, octets, length, MSG_NOSIGNAL,
              (struct sockaddr *)&native, native_length) < 0)
    g_debug ("lifetime: %s", g_strerror (errno));
}

static void
end_rung (Rung *rung)
{
  static const char *const details[] = {
    [TURN_CONNECT_RUNG_UNANSWERED] = "the far end answers no more",
    [TURN_CONNECT_RUNG_UNCONTROLLED] = "not even a socket in use is answered by way of another",
    [TURN_CONNECT_RUNG_REFUSED] = "the far end does not answer to another port",
  };
  TurnConnectRungResult result = rung->core.result;

  rung_close (rung);
  turn_connect_rung_probe_end (rung->owner->run, rung->probe, result, rung->outcome,
                               details[result]);
}

static gboolean
is_over (const Rung *rung)
{
  return rung->core.state == TURN_CONNECT_RUNG_OVER;
}

/* Ends those that are over; TRUE if none is left. */
static gboolean
look_after (LifetimeProbe *self)
{
  gboolean is_all = TRUE;

  for (guint i = 0; i < self->rungs->len; i++) {
    Rung *rung = g_ptr_array_index (self->rungs, i);

    if (is_over (rung) && rung->probe->outcome == TURN_CONNECT_OUTCOME_PENDING)
      end_rung (rung);
    is_all = is_all && is_over (rung);
  }
  return is_all;
}

static void
go_on (LifetimeProbe *self)
{
  if (look_after (self))
    turn_connect_run_done (self->run, TURN_CONNECT_FAMILY_LIFETIME);
  arm (self);
}

static gboolean
timer_due (gpointer data)
{
  LifetimeProbe *self = data;
  gint64 now = g_get_monotonic_time ();

  g_source_set_ready_time (self->timer, -1);
  for (guint i = 0; i < self->rungs->len; i++) {
    Rung *rung = g_ptr_array_index (self->rungs, i);
    gint64 rtt = turn_connect_run_get_rtt (self->run, rung->probe->family);
    TurnConnectRungAction action;

    while ((action = turn_connect_rung_tick (&rung->core, now, rtt)) != TURN_CONNECT_RUNG_NOTHING)
      send_request (rung, action == TURN_CONNECT_RUNG_SEND_OTHER);
  }
  go_on (self);
  return G_SOURCE_CONTINUE;
}

/* Answers */

/* The probe keeps as which address the socket itself appears. */
static void
take_answer (Rung *rung, const guint8 *data, gsize length)
{
  TurnConnectProbe *probe = rung->probe;
  StunExtAddress mapped = probe->mapped;
  TurnConnectRungState state = (TurnConnectRungState)data[8 + STATE];
  guint8 id[12], number = 0;
  TurnConnectOutcome outcome;

  memcpy (id, rung->id, sizeof id);
  id[STATE] = (guint8)state;
  outcome = turn_connect_run_read_binding (rung->owner->run, probe, id, data, length, &number);
  if (outcome == TURN_CONNECT_OUTCOME_PENDING)
    return;
  probe->answers++;
  if (outcome != TURN_CONNECT_OUTCOME_PROOF && outcome != TURN_CONNECT_OUTCOME_ANSWER) {
    turn_connect_rung_refuse (&rung->core);
    return;
  }
  if (state == TURN_CONNECT_RUNG_ASKING || state == TURN_CONNECT_RUNG_CONTROL)
    probe->mapped = mapped;
  else
    rung->mapped_port = probe->mapped.port;
  rung->outcome = outcome;
  turn_connect_rung_heard (&rung->core, state, g_get_monotonic_time ());
}

/* -1 with errno if there is none; else its octets. */
static ssize_t
read_datagram (int descriptor, guint8 datagram[DATAGRAM_MAX], StunExtAddress *source)
{
  struct sockaddr_storage native;
  socklen_t length = sizeof native;
  ssize_t n = recvfrom (descriptor, datagram, DATAGRAM_MAX, MSG_DONTWAIT,
                        (struct sockaddr *)&native, &length);

  if (n >= 0 && !stun_ext_address_from_sockaddr (source, (struct sockaddr *)&native, length))
    return 0;
  return n;
}

static gboolean
is_for (const Rung *rung, const guint8 *datagram, ssize_t n, const StunExtAddress *source)
{
  return n >= 20 && memcmp (datagram + 8, rung->id, STATE) == 0 &&
         stun_ext_address_equal (source, &rung->probe->target);
}

static gboolean
rung_input (gint descriptor, GIOCondition condition, gpointer data)
{
  Rung *rung = data;
  LifetimeProbe *self = rung->owner;
  guint8 datagram[DATAGRAM_MAX];
  StunExtAddress source;

  for (guint i = 0; i < DATAGRAMS_AT_ONCE && !is_over (rung); i++) {
    ssize_t n = read_datagram (descriptor, datagram, &source);

    if (n < 0)
      break; /* ICMP's errors are losses; the schedule minds them */
    if (is_for (rung, datagram, n, &source))
      take_answer (rung, datagram, (gsize)n);
  }
  go_on (self);
  return G_SOURCE_CONTINUE;
}

/* Only who does not do as asked answers here. */
static gboolean
other_input (gint descriptor, GIOCondition condition, gpointer data)
{
  LifetimeProbe *self = ((Other *)data)->owner;
  guint8 datagram[DATAGRAM_MAX];
  StunExtAddress source;

  for (guint i = 0; i < DATAGRAMS_AT_ONCE; i++) {
    ssize_t n = read_datagram (descriptor, datagram, &source);

    if (n < 0)
      break;
    for (guint j = 0; j < self->rungs->len; j++) {
      Rung *rung = g_ptr_array_index (self->rungs, j);

      if (!is_over (rung) && is_for (rung, datagram, n, &source))
        turn_connect_rung_refuse (&rung->core);
    }
  }
  go_on (self);
  return G_SOURCE_CONTINUE;
}

/* Beginning */

static gboolean
open_socket (LifetimeProbe *self,
             guint8 family,
             int *descriptor,
             GSource **input,
             GUnixFDSourceFunc func,
             gpointer data)
{
  StunExtAddress any = { .family = family };
  struct sockaddr_storage native;
  socklen_t length = (socklen_t)stun_ext_address_to_sockaddr (&any, &native);

  *descriptor = turn_connect_run_open_socket (self->run, family, SOCK_DGRAM);
  if (*descriptor < 0 || bind (*descriptor, (struct sockaddr *)&native, length) != 0)
    return FALSE;
  *input = g_unix_fd_source_new (*descriptor, G_IO_IN);
  g_source_set_callback (*input, G_SOURCE_FUNC (func), data, NULL);
  g_source_attach (*input, turn_connect_run_get_context (self->run));
  return TRUE;
}

static void
note_local (LifetimeProbe *self, Rung *rung)
{
  struct sockaddr_storage native;
  socklen_t length = sizeof native;
  StunExtAddress bound;

  turn_connect_run_get_local (self->run, &rung->probe->target, &rung->probe->local);
  if (getsockname (rung->descriptor, (struct sockaddr *)&native, &length) == 0 &&
      stun_ext_address_from_sockaddr (&bound, (struct sockaddr *)&native, length))
    rung->probe->local.port = bound.port;
}

static void
add_rung (LifetimeProbe *self,
          const StunExtAddress *server,
          const Other *other,
          guint idle_s,
          gboolean is_held)
{
  gint64 idle_us = (gint64)idle_s * G_USEC_PER_SEC;
  Rung *rung = g_new0 (Rung, 1);

  rung->owner = self;
  rung->descriptor = -1;
  rung->other = other;
  rung->probe = turn_connect_rung_probe_begin (self->run, is_held ? "call" : "exchange",
                                               TURN_CONNECT_CARRY_UDP, server, idle_s,
                                               turn_connect_rung_longest (idle_us));
  turn_connect_rung_init (&rung->core, idle_us, is_held, g_get_monotonic_time ());
  turn_connect_random_octets (rung->id, sizeof rung->id);
  g_ptr_array_add (self->rungs, rung);
  if (open_socket (self, server->family, &rung->descriptor, &rung->input, rung_input, rung))
    note_local (self, rung);
  else
    turn_connect_rung_refuse (&rung->core);
}

static gboolean
tell (gpointer data)
{
  LifetimeProbe *self = data;
  gint64 left_us = self->end_us - g_get_monotonic_time ();
  guint kept_s = 0;

  for (guint i = 0; i < self->rungs->len; i++) {
    const Rung *rung = g_ptr_array_index (self->rungs, i);

    if (rung->core.result == TURN_CONNECT_RUNG_KEPT)
      kept_s = MAX (kept_s, (guint)(rung->core.idle_us / G_USEC_PER_SEC));
  }
  turn_connect_run_clear_source (&self->teller);
  turn_connect_run_say (self->run, "%.0f s to go; so far a silence of %u s is survived",
                        (double)MAX (left_us, 0) / G_USEC_PER_SEC, kept_s);
  if (left_us > TELL_EVERY_US)
    self->teller = turn_connect_run_add_timer (self->run, TELL_EVERY_US, tell, self);
  return G_SOURCE_REMOVE;
}

static void
add_family (LifetimeProbe *self, guint8 family)
{
  const TurnConnectPlan *plan = turn_connect_run_get_plan (self->run);
  const TurnConnectProbe *passed =
      turn_connect_run_find_passed (self->run, TURN_CONNECT_PROBE_STUN, family);
  Other *other = &self->others[family == 6];

  if (passed == NULL ||
      !open_socket (self, family, &other->descriptor, &other->input, other_input, other))
    return;
  for (guint i = 0; i < plan->ladder->len; i++) {
    for (guint is_held = 0; is_held < 2; is_held++)
      add_rung (self, &passed->target, other, g_array_index (plan->ladder, guint, i), is_held != 0);
  }
}

/* A silence does not disturb what else is asked, so it begins as soon as both families answer. */
gboolean
turn_connect_lifetime_probe_is_ready (TurnConnectRun *run)
{
  guint n_passed = 0, n_servers = turn_connect_run_get_observations (run)->servers->len;

  for (guint8 family = 4; family <= 6; family += 2)
    n_passed += turn_connect_run_find_passed (run, TURN_CONNECT_PROBE_STUN, family) != NULL;
  return turn_connect_run_get_plan (run)->is_deep && n_passed > 0 && n_passed == n_servers;
}

gpointer
turn_connect_lifetime_probe_start (TurnConnectRun *run)
{
  const TurnConnectPlan *plan = turn_connect_run_get_plan (run);
  LifetimeProbe *self;
  guint longest_s;

  if (!plan->is_deep)
    return NULL;
  self = g_new0 (LifetimeProbe, 1);
  self->run = run;
  self->rungs = g_ptr_array_new_with_free_func (rung_free);
  for (guint i = 0; i < G_N_ELEMENTS (self->others); i++)
    self->others[i] = (Other){ .owner = self, .descriptor = -1 };
  self->timer = turn_connect_run_add_timer (run, 0, timer_due, self);
  add_family (self, 4);
  add_family (self, 6);
  if (self->rungs->len == 0) {
    turn_connect_lifetime_probe_stop (self);
    return NULL;
  }
  longest_s = g_array_index (plan->ladder, guint, plan->ladder->len - 1);
  self->end_us =
      g_get_monotonic_time () + turn_connect_rung_longest ((gint64)longest_s * G_USEC_PER_SEC);
  turn_connect_run_say (run, "waiting how long silent sockets are remembered: %u s at most",
                        (guint)((self->end_us - g_get_monotonic_time ()) / G_USEC_PER_SEC));
  self->teller = turn_connect_run_add_timer (run, TELL_EVERY_US, tell, self);
  return self;
}

void
turn_connect_lifetime_probe_stop (gpointer state)
{
  LifetimeProbe *self = state;

  turn_connect_run_clear_source (&self->timer);
  turn_connect_run_clear_source (&self->teller);
  for (guint i = 0; i < G_N_ELEMENTS (self->others); i++) {
    turn_connect_run_clear_source (&self->others[i].input);
    if (self->others[i].descriptor >= 0)
      close (self->others[i].descriptor);
  }
  g_ptr_array_unref (self->rungs);
  g_free (self);
}
