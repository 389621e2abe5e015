/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long is a TCP connection remembered on the way while it is silent? A ladder of connections as
 * lifetime-probe.c has of sockets, beside it and as long. Each asks the far end for an answer at once,
 * and then for one that is held back as long as the silence is to be.
 */
#include "turn-connect/detect/idle.h"
#include "turn-connect/detect/kernel.h"
#include "turn-connect/detect/rung-probe.h"
#include "turn-connect/detect/stun-part.h"

#include "stun-ext/message.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MAX 1024 /* octets of an answer; ours has 240 */
#define BEST_PORT 443   /* where there are several; calls go there last of all, and stay */
#define STATE 10        /* octet of an id that says in which state was asked */

typedef struct _IdleProbe IdleProbe;

typedef struct {
  IdleProbe *owner;
  TurnConnectProbe *probe;
  TurnConnectIdle core;
  TurnConnectIdleState done; /* the state that has its connection, and its request */
  int descriptor;
  GSource *source;
  guint8 id[12];
  gint64 asked_us, began_us;
  guint8 answer[ANSWER_MAX];
  gsize n;
} Rung;

struct _IdleProbe {
  TurnConnectRun *run;
  GPtrArray *rungs; /* Rung */
  GSource *timer;
};

static void
rung_close (Rung *rung)
{
  turn_connect_run_clear_source (&rung->source);
  if (rung->descriptor >= 0)
    close (rung->descriptor);
  rung->descriptor = -1;
  rung->n = 0;
}

static void
rung_free (gpointer data)
{
  rung_close (data);
  g_free (data);
}

static gboolean
is_over (const Rung *rung)
{
  return rung->core.state == TURN_CONNECT_IDLE_OVER;
}

/* Ending */

static void
end_rung (Rung *rung)
{
  static const char *const details[] = {
    [TURN_CONNECT_RUNG_UNANSWERED] = "the far end does not answer at once",
    [TURN_CONNECT_RUNG_ENDED] = "it was ended before: by the far end, or by a box in between",
    [TURN_CONNECT_RUNG_REFUSED] = "the far end does not hold answers back",
  };
  TurnConnectRungResult result = rung->core.result;

  rung_close (rung);
  turn_connect_rung_probe_end (rung->owner->run, rung->probe, result, TURN_CONNECT_OUTCOME_PROOF,
                               details[result]);
}

static void begin (Rung *rung);
static void ask (Rung *rung);

/* Does what the state wants; the timer comes again when the next one is due. */
static gboolean
look_after (Rung *rung)
{
  if (is_over (rung)) {
    if (rung->probe->outcome == TURN_CONNECT_OUTCOME_PENDING)
      end_rung (rung);
    return TRUE;
  }
  if (rung->done == rung->core.state)
    return FALSE;
  rung->done = rung->core.state;
  if (rung->core.state == TURN_CONNECT_IDLE_QUIET)
    ask (rung);
  else
    begin (rung);
  return FALSE;
}

static void
go_on (IdleProbe *self)
{
  gint64 due = G_MAXINT64;
  gboolean is_all = TRUE;

  for (guint i = 0; i < self->rungs->len; i++) {
    Rung *rung = g_ptr_array_index (self->rungs, i);

    /* What fails at once leads to the next state. */
    while (!look_after (rung) && rung->done != rung->core.state)
      ;
    is_all = look_after (rung) && is_all;
    due = MIN (due, rung->core.due_us);
  }
  g_source_set_ready_time (self->timer, due == G_MAXINT64 ? -1 : due);
  if (is_all)
    turn_connect_run_done (self->run, TURN_CONNECT_FAMILY_IDLE);
}

/* The connection is over before it should be; how is worth knowing. */
static void
connection_ended (Rung *rung, const char *how)
{
  gint64 now = g_get_monotonic_time ();

  if (rung->core.state == TURN_CONNECT_IDLE_QUIET) {
    g_autofree char *text =
        g_strdup_printf ("%" G_GINT64_FORMAT, (now - rung->asked_us) / G_USEC_PER_SEC);

    turn_connect_probe_set_fact (rung->probe, "ended", how);
    turn_connect_probe_set_fact (rung->probe, "ended_s", text);
  }
  rung_close (rung);
  turn_connect_idle_ended (&rung->core, now);
}

/* Answers */

static void
read_message (Rung *rung, gsize total)
{
  TurnConnectProbe *probe = rung->probe;
  StunExtMessage message;
  StunExtDetectMark mark = { .delay_s = 0 };
  guint8 attempt = 0;
  TurnConnectOutcome outcome = turn_connect_run_read_binding (rung->owner->run, probe, rung->id,
                                                              rung->answer, total, &attempt);

  probe->answers++;
  if (outcome != TURN_CONNECT_OUTCOME_PROOF ||
      stun_ext_message_parse (&message, rung->answer, total) != STUN_EXT_PARSE_OK ||
      !stun_ext_message_get_detect (&message, &mark)) {
    turn_connect_idle_refuse (&rung->core);
    return;
  }
  if (probe->rtt_us < 0)
    probe->rtt_us = g_get_monotonic_time () - rung->asked_us;
  rung->n = 0;
  turn_connect_idle_heard (&rung->core, mark.delay_s, g_get_monotonic_time ());
}

static void
read_octets (Rung *rung)
{
  ssize_t n = recv (rung->descriptor, rung->answer + rung->n, ANSWER_MAX - rung->n, 0);
  TurnConnectStunPart part;
  gsize total = 0;

  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return;
  if (n <= 0) {
    connection_ended (rung, n == 0 ? "closed" : "reset");
    return;
  }
  rung->n += (gsize)n;
  part = turn_connect_stun_part_measure (rung->answer, rung->n, ANSWER_MAX, &total);
  if (part == TURN_CONNECT_STUN_WHOLE && total == rung->n)
    read_message (rung, total);
  else if (part != TURN_CONNECT_STUN_MORE)
    turn_connect_idle_refuse (&rung->core);
}

static gboolean
can_read (gint descriptor, GIOCondition condition, gpointer data)
{
  Rung *rung = data;

  read_octets (rung);
  go_on (rung->owner);
  return G_SOURCE_CONTINUE;
}

static gboolean
timer_due (gpointer data)
{
  IdleProbe *self = data;
  gint64 now = g_get_monotonic_time ();

  g_source_set_ready_time (self->timer, -1);
  for (guint i = 0; i < self->rungs->len; i++) {
    Rung *rung = g_ptr_array_index (self->rungs, i);

    /* Where this process was held up the answer may be here already. */
    if (rung->core.state == TURN_CONNECT_IDLE_QUIET && rung->core.due_us <= now)
      read_octets (rung);
    turn_connect_idle_tick (&rung->core, now);
  }
  go_on (self);
  return G_SOURCE_CONTINUE;
}

/* Asking */

static void
ask (Rung *rung)
{
  gboolean is_held = rung->core.state == TURN_CONNECT_IDLE_QUIET;
  StunExtDetectRequest request = {
    .mark.delay_s = is_held ? (guint16)(rung->core.idle_us / G_USEC_PER_SEC) : 0
  };
  guint8 octets[TURN_CONNECT_BINDING_MAX];
  gsize length;

  rung->id[STATE] = (guint8)rung->core.state;
  memcpy (request.transaction_id, rung->id, sizeof request.transaction_id);
  length = turn_connect_run_write_request (rung->owner->run, rung->probe, &request, octets,
                                           sizeof octets);
  rung->probe->attempts++;
  rung->asked_us = g_get_monotonic_time ();
  if (send (rung->descriptor, octets, length, MSG_NOSIGNAL) != (ssize_t)length)
    connection_ended (rung, "reset");
}

static void
watch (Rung *rung, GIOCondition condition, GUnixFDSourceFunc func)
{
  turn_connect_run_clear_source (&rung->source);
  rung->source = g_unix_fd_source_new (rung->descriptor, condition);
  g_source_set_callback (rung->source, G_SOURCE_FUNC (func), rung, NULL);
  g_source_attach (rung->source, turn_connect_run_get_context (rung->owner->run));
}

static gboolean
connected (gint descriptor, GIOCondition condition, gpointer data)
{
  Rung *rung = data;
  IdleProbe *self = rung->owner;
  TurnConnectProbe *probe = rung->probe;
  struct sockaddr_storage native;
  socklen_t length = sizeof native;
  int number = 0;
  socklen_t number_length = sizeof number;

  if (getsockopt (descriptor, SOL_SOCKET, SO_ERROR, &number, &number_length) != 0 || number != 0)
    connection_ended (rung, "refused");
  else {
    if (probe->connect_us < 0) {
      probe->connect_us = g_get_monotonic_time () - rung->began_us;
      if (getsockname (descriptor, (struct sockaddr *)&native, &length) == 0)
        stun_ext_address_from_sockaddr (&probe->local, (struct sockaddr *)&native, length);
    }
    watch (rung, G_IO_IN, can_read);
    ask (rung);
  }
  go_on (self);
  return G_SOURCE_REMOVE;
}

static void
begin (Rung *rung)
{
  TurnConnectRun *run = rung->owner->run;
  struct sockaddr_storage native;
  socklen_t length = (socklen_t)stun_ext_address_to_sockaddr (&rung->probe->target, &native);

  rung_close (rung);
  rung->began_us = g_get_monotonic_time ();
  rung->descriptor = turn_connect_run_open_socket (run, rung->probe->family, SOCK_STREAM);
  if (rung->descriptor < 0 ||
      (connect (rung->descriptor, (struct sockaddr *)&native, length) != 0 && errno != EINPROGRESS))
    connection_ended (rung, "refused");
  else
    watch (rung, G_IO_OUT, connected);
}

/* Beginning */

static const TurnConnectProbe *
find_port (TurnConnectRun *run, guint8 family)
{
  const GPtrArray *probes = turn_connect_run_get_observations (run)->probes;
  const TurnConnectProbe *found = NULL;

  for (guint i = 0; i < probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (probes, i);

    if (probe->kind == TURN_CONNECT_PROBE_PORT && probe->family == family &&
        probe->outcome == TURN_CONNECT_OUTCOME_PROOF &&
        (found == NULL || probe->target.port == BEST_PORT))
      found = probe;
  }
  return found;
}

static void
add_rung (IdleProbe *self, const StunExtAddress *target, guint idle_s)
{
  gint64 idle_us = (gint64)idle_s * G_USEC_PER_SEC;
  Rung *rung = g_new0 (Rung, 1);

  rung->owner = self;
  rung->descriptor = -1;
  rung->done = TURN_CONNECT_IDLE_OVER;
  rung->probe = turn_connect_rung_probe_begin (self->run, "exchange", TURN_CONNECT_CARRY_TCP,
                                               target, idle_s, turn_connect_idle_longest (idle_us));
  turn_connect_idle_init (&rung->core, idle_us, g_get_monotonic_time ());
  turn_connect_random_octets (rung->id, sizeof rung->id);
  g_ptr_array_add (self->rungs, rung);
}

/* As soon as a port of each family answers. */
gboolean
turn_connect_idle_probe_is_ready (TurnConnectRun *run)
{
  guint n_found = 0, n_servers = turn_connect_run_get_observations (run)->servers->len;

  for (guint8 family = 4; family <= 6; family += 2)
    n_found += find_port (run, family) != NULL;
  return turn_connect_run_get_plan (run)->is_deep && n_found > 0 && n_found == n_servers;
}

gpointer
turn_connect_idle_probe_start (TurnConnectRun *run)
{
  const TurnConnectPlan *plan = turn_connect_run_get_plan (run);
  IdleProbe *self;

  if (!plan->is_deep)
    return NULL;
  self = g_new0 (IdleProbe, 1);
  self->run = run;
  self->rungs = g_ptr_array_new_with_free_func (rung_free);
  for (guint8 family = 4; family <= 6; family += 2) {
    const TurnConnectProbe *port = find_port (run, family);

    for (guint i = 0; port != NULL && i < plan->ladder->len; i++)
      add_rung (self, &port->target, g_array_index (plan->ladder, guint, i));
  }
  if (self->rungs->len == 0) {
    turn_connect_idle_probe_stop (self);
    return NULL;
  }
  self->timer = turn_connect_run_add_timer (run, 0, timer_due, self);
  return self;
}

void
turn_connect_idle_probe_stop (gpointer state)
{
  IdleProbe *self = state;

  turn_connect_run_clear_source (&self->timer);
  g_ptr_array_unref (self->rungs);
  g_free (self);
}
