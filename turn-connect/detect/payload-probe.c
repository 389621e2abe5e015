/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Does what passes depend on what it says? Every class of octets is sent once to each of a few open
 * ports, harmless ones first; what fails is repeated, between runs of a class that passed, before
 * anything is concluded; and at the end a harmless one shows whether the port still answers at all,
 * for some boxes hold a grudge. In a network that does not care all of it is over after the first
 * time.
 */
#include "turn-connect/detect/exporter.h"
#include "turn-connect/detect/fetch.h"
#include "turn-connect/detect/flight.h"
#include "turn-connect/detect/payload-class.h"
#include "turn-connect/detect/payload-ports.h"

#include <string.h>

#define PORTS_MAX 3 /* of each family */
#define UDP_PORTS_MAX 2
#define AT_ONCE 8        /* connections to one port */
#define PACE_US 6000     /* between connections, so that this is no flood */
#define SETTLE_US 300000 /* for further ports to turn out open, once one has */
#define CONFIRM_RUNS 4   /* beside the first: p = 1/252 against as many controls */
#define REPEAT_RUNS 2    /* at a second port: p = 1/20 */
#define REPEATED_MAX 3   /* classes; of a box that holds back more, these tell enough */
/* Behind a port of the web is mostly a front door, which takes few connections of strangers and keeps
 * one over which nothing came for 2 s: so few are left behind there. */
#define WEB_REPEATED_MAX 2
#define WEB_ENOUGH 2  /* classes that failed: then only what is asked for most is sent as well */
#define WEB_AT_ONCE 8 /* connections, those that were left behind counted */
#define WEB_LEFT_US 2200000
#define WAIT_US 50000
#define FETCH_LIMIT_MS 2600

typedef enum {
  PHASE_FIRST,
  PHASE_REPEAT,
  PHASE_AFTER,
} Phase;

typedef struct {
  guint port; /* index */
  guint class;
  guint round;
  gboolean is_control;
} Job;

/* What came of a class at a port. */
typedef struct {
  guint n_passed, n_failed; /* what could not be asked is neither */
} Tally;

typedef struct {
  StunExtAddress target;
  gboolean is_udp;
  guint n_flying;
  Tally tallies[TURN_CONNECT_N_PAYLOAD_CLASSES];
  guint n_rounds[TURN_CONNECT_N_PAYLOAD_CLASSES];
} Port;

typedef struct {
  TurnConnectRun *run;
  Phase phase;
  GArray *ports;        /* Port */
  GArray *jobs;         /* Job, those that wait */
  GPtrArray *tickets;   /* Ticket */
  GPtrArray *flights;   /* TurnConnectFlight */
  GPtrArray *fetches;   /* TurnConnectFetch */
  GPtrArray *exporters; /* TurnConnectExporter */
  GArray *left;         /* gint64: when connections to ports of the web began that failed */
  guint n_flying, n_flying_web;
  GSource *pace;
} PayloadProbe;

/* One connection, and whose it is. */
typedef struct {
  PayloadProbe *owner;
  Job job;
  gint64 began_us;
} Ticket;

static gboolean go_on (gpointer data);

static void
go_on_soon (PayloadProbe *self, gint64 delay_us)
{
  turn_connect_run_clear_source (&self->pace);
  self->pace = turn_connect_run_add_timer (self->run, delay_us, go_on, self);
}

static gboolean
is_web (const Port *port)
{
  return !port->is_udp && (port->target.port == 80 || port->target.port == 443);
}

static gboolean
could_ask (const TurnConnectProbe *probe, TurnConnectOutcome outcome)
{
  switch (outcome) {
  case TURN_CONNECT_OUTCOME_PENDING:
  case TURN_CONNECT_OUTCOME_DENIED:
  case TURN_CONNECT_OUTCOME_UNSUPPORTED:
  case TURN_CONNECT_OUTCOME_FAILED:
  case TURN_CONNECT_OUTCOME_SKIPPED:
  case TURN_CONNECT_OUTCOME_CANCELLED:
    return FALSE;
  default:
    /* Without, it is a matter of the port and not of content. */
    return probe->connect_us >= 0 || probe->carry == TURN_CONNECT_CARRY_UDP;
  }
}

static void
forget_flight (PayloadProbe *self, Port *port)
{
  port->n_flying--;
  self->n_flying--;
  self->n_flying_web -= is_web (port);
}

/* Takes back what there is no need to send any more. */
static void
spare (PayloadProbe *self, guint index)
{
  const Port *port = &g_array_index (self->ports, Port, index);
  guint n_failed = 0;

  for (guint class = 0; class < TURN_CONNECT_N_PAYLOAD_CLASSES; class ++)
    n_failed += port->tallies[class].n_failed > 0 &&
                !turn_connect_payload_class_is_fetched (&turn_connect_payload_classes[class]);
  for (guint i = self->jobs->len; n_failed >= WEB_ENOUGH && i > 0; i--) {
    const Job *job = &g_array_index (self->jobs, Job, i - 1);
    const TurnConnectPayloadClass *class = &turn_connect_payload_classes[job->class];

    if (job->port == index && !turn_connect_payload_class_is_fetched (class) &&
        (class->twin != STUN_EXT_DETECT_TWIN_NONE ||
         (class->payload != STUN_EXT_DETECT_PAYLOAD_STUN &&
          class->payload != STUN_EXT_DETECT_PAYLOAD_SIP_REGISTER)))
      g_array_remove_index (self->jobs, i - 1);
  }
}

static void
landed (const Ticket *ticket, const TurnConnectProbe *probe, TurnConnectOutcome outcome)
{
  PayloadProbe *self = ticket->owner;
  Port *port = &g_array_index (self->ports, Port, ticket->job.port);
  Tally *tally = &port->tallies[ticket->job.class];

  if (outcome == TURN_CONNECT_OUTCOME_PROOF)
    tally->n_passed++;
  else if (could_ask (probe, outcome))
    tally->n_failed++;
  if (is_web (port) && outcome != TURN_CONNECT_OUTCOME_PROOF)
    g_array_append_val (self->left, ticket->began_us);
  forget_flight (self, port);
  if (is_web (port) && self->phase == PHASE_FIRST)
    spare (self, ticket->job.port);
  go_on_soon (self, 0);
}

static void
flight_ended (TurnConnectProbe *probe, gpointer data)
{
  landed (data, probe, probe->outcome);
}

static TurnConnectOutcome
fetched (TurnConnectProbe *probe,
         TurnConnectOutcome outcome,
         const char *body,
         gsize length,
         TurnConnectStream *stream,
         gpointer data)
{
  const Ticket *ticket = data;

  /* A front door is strict about names, and says so. */
  if (turn_connect_payload_classes[ticket->job.class].name != NULL &&
      outcome == TURN_CONNECT_OUTCOME_WRONG_ANSWER && probe->detail != NULL &&
      strstr (probe->detail, "unrecognized name") != NULL)
    outcome = TURN_CONNECT_OUTCOME_DENIED;
  landed (ticket, probe, outcome);
  return outcome;
}

static void
fetch (PayloadProbe *self,
       Ticket *ticket,
       const TurnConnectPayloadClass *class,
       const StunExtAddress *target)
{
  const TurnConnectFetchWay way = { .variant = stun_ext_detect_payload_name (class->payload),
                                    .kind = TURN_CONNECT_PROBE_PAYLOAD,
                                    .what = STUN_EXT_DETECT_WHAT_ECHO,
                                    .family = target->family,
                                    .port = target->port,
                                    .is_tls = class->alpn != NULL,
                                    .limit_ms = FETCH_LIMIT_MS,
                                    .payload = (guint8) class->payload,
                                    .is_control = ticket->job.is_control,
                                    .round = ticket->job.round,
                                    .is_blind = TRUE,
                                    .name = class->name,
                                    .alpn = class->alpn };
  TurnConnectFetch *one = turn_connect_fetch_new (self->run, &way, fetched, ticket);

  if (one != NULL) {
    g_ptr_array_add (self->fetches, one);
    return;
  }
  forget_flight (self, &g_array_index (self->ports, Port, ticket->job.port));
}

static void
launch (PayloadProbe *self, const Job *job)
{
  Port *port = &g_array_index (self->ports, Port, job->port);
  const TurnConnectPayloadClass *class = &turn_connect_payload_classes[job->class];
  Ticket *ticket = g_new0 (Ticket, 1);

  *ticket = (Ticket){ self, *job, turn_connect_run_get_now (self->run) };
  g_ptr_array_add (self->tickets, ticket);
  port->n_flying++;
  self->n_flying++;
  self->n_flying_web += is_web (port);
  if (turn_connect_payload_class_is_fetched (class)) {
    fetch (self, ticket, class, &port->target);
  } else {
    const TurnConnectFlightWay way = { .target = port->target,
                                       .payload = class->payload,
                                       .twin = class->twin,
                                       .round = job->round,
                                       .is_control = job->is_control,
                                       .is_datagram = port->is_udp };

    g_ptr_array_add (self->flights,
                     turn_connect_flight_new (self->run, &way, flight_ended, ticket));
  }
}

/* Whether TLS ends at the far end, at each of the ports. */

static void
compared (const TurnConnectProbe *probe, TurnConnectOutcome outcome, gpointer data)
{
  PayloadProbe *self = data;

  self->n_flying--;
  go_on_soon (self, 0);
}

static void
compare_exporters (PayloadProbe *self)
{
  for (guint i = 0; i < self->ports->len; i++) {
    const StunExtAddress *target = &g_array_index (self->ports, Port, i).target;
    TurnConnectExporter *exporter;

    if (g_array_index (self->ports, Port, i).is_udp)
      continue;
    exporter = turn_connect_exporter_new (self->run, target->family, target->port, FETCH_LIMIT_MS,
                                          compared, self);
    if (exporter == NULL)
      continue;
    g_ptr_array_add (self->exporters, exporter);
    self->n_flying++;
  }
}

static gboolean
can_be_answered (PayloadProbe *self, const Job *job)
{
  guint16 port = g_array_index (self->ports, Port, job->port).target.port;

  return turn_connect_payload_classes[job->class].payload != STUN_EXT_DETECT_PAYLOAD_SILENCE ||
         turn_connect_payload_is_silence_answered (turn_connect_run_get_observations (self->run),
                                                   port) == TURN_CONNECT_TELL_YES;
}

/* What the far end did not say until now it does not say any more. */
static void
drop_unanswerable (PayloadProbe *self)
{
  for (guint i = self->jobs->len; i > 0; i--) {
    if (!can_be_answered (self, &g_array_index (self->jobs, Job, i - 1)))
      g_array_remove_index (self->jobs, i - 1);
  }
}

/* Whether the far end is still being asked where it listens. */
static gboolean
is_self_awaited (PayloadProbe *self)
{
  const GPtrArray *probes = turn_connect_run_get_observations (self->run)->probes;

  for (guint i = 0; i < probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (probes, i);

    if (probe->kind == TURN_CONNECT_PROBE_RECORD &&
        probe->outcome == TURN_CONNECT_OUTCOME_PENDING && g_strcmp0 (probe->variant, "self") == 0)
      return TRUE;
  }
  return FALSE;
}

static gboolean
has_room (PayloadProbe *self, const Port *port)
{
  gint64 now = turn_connect_run_get_now (self->run);
  guint n = self->n_flying_web;

  if (!is_web (port))
    return port->n_flying < AT_ONCE;
  for (guint i = 0; i < self->left->len; i++)
    n += now - g_array_index (self->left, gint64, i) < WEB_LEFT_US;
  return n < WEB_AT_ONCE;
}

static gboolean
launch_next (PayloadProbe *self)
{
  for (guint i = 0; i < self->jobs->len; i++) {
    Job job = g_array_index (self->jobs, Job, i);

    if (!has_room (self, &g_array_index (self->ports, Port, job.port)) ||
        !can_be_answered (self, &job))
      continue;
    g_array_remove_index (self->jobs, i);
    launch (self, &job);
    return TRUE;
  }
  return FALSE;
}

/* What is to be sent */

static void
add_job (PayloadProbe *self, guint port, guint class, gboolean is_control)
{
  const Job job = { .port = port,
                    .class = class,
                    .round = g_array_index (self->ports, Port, port).n_rounds[class]++,
                    .is_control = is_control };

  g_array_append_val (self->jobs, job);
}

static gboolean
has_failed (const Port *port, guint class)
{
  return port->tallies[class].n_failed > 0 && port->tallies[class].n_passed == 0;
}

/* A class that passed, and differs least from what failed: noise of the same length. Silence is none
 * to wait for. */
static gint
find_control (const Port *port)
{
  gint found = -1;

  for (guint class = 0; class < TURN_CONNECT_N_PAYLOAD_CLASSES; class ++) {
    const TurnConnectPayloadClass *sent = &turn_connect_payload_classes[class];

    if (port->tallies[class].n_passed == 0 || port->tallies[class].n_failed > 0 ||
        sent->payload == STUN_EXT_DETECT_PAYLOAD_SILENCE)
      continue;
    if (!turn_connect_payload_class_is_fetched (sent))
      return (gint) class;
    found = found < 0 ? (gint) class : found;
  }
  return found;
}

static gboolean
is_in_question (const Port *port)
{
  gboolean has_any = FALSE;

  for (guint class = 0; class < TURN_CONNECT_N_PAYLOAD_CLASSES; class ++)
    has_any |= has_failed (port, class);
  return has_any && find_control (port) >= 0;
}

/* The last that failed are those that boxes look for most. */
static void
repeat (PayloadProbe *self, guint index, guint n_runs)
{
  const Port *port = &g_array_index (self->ports, Port, index);
  guint control = (guint)find_control (port);
  guint most = is_web (port) ? WEB_REPEATED_MAX : REPEATED_MAX;

  for (guint run = 0; run < n_runs; run++) {
    guint n = 0;

    add_job (self, index, control, TRUE);
    for (guint i = TURN_CONNECT_N_PAYLOAD_CLASSES; i > 0 && n < most; i--) {
      if (!has_failed (port, i - 1))
        continue;
      add_job (self, index, i - 1, FALSE);
      n++;
    }
  }
}

/* Whether something failed at a port of the web that did at none before it. */
static gboolean
adds_something (PayloadProbe *self, guint index)
{
  const Port *port = &g_array_index (self->ports, Port, index);

  for (guint class = 0; class < TURN_CONNECT_N_PAYLOAD_CLASSES; class ++) {
    gboolean is_known = !has_failed (port, class);

    for (guint i = 0; i < self->ports->len && !is_known; i++) {
      const Port *other = &g_array_index (self->ports, Port, i);

      is_known = i != index && has_failed (other, class) && (!is_web (other) || i < index) &&
                 other->target.family == port->target.family && !other->is_udp;
    }
    if (!is_known)
      return TRUE;
  }
  return FALSE;
}

static void
plan_repetitions (PayloadProbe *self)
{
  guint n[2][2] = { { 0 } }; /* by family and carrier, for a box may look into one of them alone */

  /* Ports of the web are a front door's more often than others, and that takes few connections. */
  for (guint want_web = 0; want_web <= 1; want_web++) {
    for (guint i = 0; i < self->ports->len; i++) {
      const Port *port = &g_array_index (self->ports, Port, i);
      guint *n_there = &n[port->target.family == 6][port->is_udp];

      if (is_web (port) != (want_web == 1) || !is_in_question (port) ||
          (want_web == 1 && *n_there > 0 && !adds_something (self, i)))
        continue;
      repeat (self, i, *n_there == 0 ? CONFIRM_RUNS : REPEAT_RUNS);
      ++*n_there;
    }
  }
}

static void
plan_afterwards (PayloadProbe *self)
{
  for (guint i = 0; i < self->ports->len; i++) {
    const Port *port = &g_array_index (self->ports, Port, i);

    if (is_in_question (port))
      add_job (self, i, (guint)find_control (port), TRUE);
  }
}

static gboolean
go_on (gpointer data)
{
  PayloadProbe *self = data;

  turn_connect_run_clear_source (&self->pace);
  if (launch_next (self)) {
    go_on_soon (self, PACE_US);
    return G_SOURCE_REMOVE;
  }
  if (self->n_flying == 0 && !is_self_awaited (self))
    drop_unanswerable (self);
  while (self->n_flying == 0 && self->jobs->len == 0) {
    if (self->phase == PHASE_AFTER) {
      turn_connect_run_done (self->run, TURN_CONNECT_FAMILY_PAYLOAD);
      return G_SOURCE_REMOVE;
    }
    if (self->phase++ == PHASE_FIRST)
      plan_repetitions (self);
    else
      plan_afterwards (self);
  }
  if (self->jobs->len > 0)
    go_on_soon (self, WAIT_US);
  return G_SOURCE_REMOVE;
}

/* Beginning */

static void
add_ports (PayloadProbe *self, guint8 family, gboolean is_udp, guint most)
{
  g_autoptr (GArray) found = turn_connect_payload_ports_find (
      turn_connect_run_get_observations (self->run), family, is_udp);

  for (guint i = 0; i < MIN (found->len, most); i++) {
    const Port port = { .target = g_array_index (found, StunExtAddress, i), .is_udp = is_udp };

    g_array_append_val (self->ports, port);
  }
}

gboolean
turn_connect_payload_probe_is_ready (TurnConnectRun *run)
{
  const TurnConnectObservations *observations = turn_connect_run_get_observations (run);
  gint64 first_us = -1;
  guint n_waiting = 0;

  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind != TURN_CONNECT_PROBE_PORT && probe->kind != TURN_CONNECT_PROBE_STUN)
      continue;
    if (turn_connect_payload_ports_is_open (probe, FALSE))
      first_us = first_us < 0 ? probe->start_us + probe->connect_us
                              : MIN (first_us, probe->start_us + probe->connect_us);
    else if (probe->outcome == TURN_CONNECT_OUTCOME_PENDING)
      n_waiting++;
  }
  return observations->is_far_end && first_us >= 0 &&
         (n_waiting == 0 || turn_connect_run_get_now (run) > first_us + SETTLE_US);
}

gpointer
turn_connect_payload_probe_start (TurnConnectRun *run)
{
  PayloadProbe *self;

  /* Others than our far end know nothing of twins. */
  if (!turn_connect_run_get_observations (run)->is_far_end)
    return NULL;
  self = g_new0 (PayloadProbe, 1);
  self->run = run;
  self->ports = g_array_new (FALSE, FALSE, sizeof (Port));
  self->jobs = g_array_new (FALSE, FALSE, sizeof (Job));
  self->left = g_array_new (FALSE, FALSE, sizeof (gint64));
  self->tickets = g_ptr_array_new_with_free_func (g_free);
  self->flights = g_ptr_array_new_with_free_func ((GDestroyNotify)turn_connect_flight_free);
  self->exporters = g_ptr_array_new_with_free_func ((GDestroyNotify)turn_connect_exporter_free);
  self->fetches = g_ptr_array_new_with_free_func ((GDestroyNotify)turn_connect_fetch_free);
  for (guint8 family = 4; family <= 6; family += 2) {
    add_ports (self, family, FALSE, PORTS_MAX);
    add_ports (self, family, TRUE, UDP_PORTS_MAX);
  }
  for (guint class = 0; class < TURN_CONNECT_N_PAYLOAD_CLASSES; class ++) {
    for (guint port = 0; port < self->ports->len; port++) {
      const Port *to = &g_array_index (self->ports, Port, port);

      if (turn_connect_payload_class_is_for (&turn_connect_payload_classes[class], to->is_udp,
                                             is_web (to)))
        add_job (self, port, class, FALSE);
    }
  }
  if (self->jobs->len > 0) {
    compare_exporters (self);
    go_on_soon (self, 0);
    return self;
  }
  turn_connect_payload_probe_stop (self);
  return NULL;
}

/* What waits will not be sent any more, and the run notes it as cancelled: what was not asked does not look
 * as if there had been nothing to ask. */
static void
note_waiting (PayloadProbe *self)
{
  for (guint i = 0; i < self->jobs->len; i++) {
    const Job *job = &g_array_index (self->jobs, Job, i);
    const Port *port = &g_array_index (self->ports, Port, job->port);
    const TurnConnectPayloadClass *class = &turn_connect_payload_classes[job->class];
    g_autofree char *name = turn_connect_flight_name (class->payload, class->twin);
    TurnConnectProbe *probe = turn_connect_run_begin (
        self->run, TURN_CONNECT_PROBE_PAYLOAD, name,
        port->is_udp ? TURN_CONNECT_CARRY_UDP : TURN_CONNECT_CARRY_TCP, &port->target);

    probe->round = job->round;
    probe->is_control = job->is_control;
    probe->detail = g_strdup ("no time was left to send it");
  }
}

void
turn_connect_payload_probe_stop (gpointer state)
{
  PayloadProbe *self = state;

  drop_unanswerable (self);
  note_waiting (self);
  turn_connect_run_clear_source (&self->pace);
  g_ptr_array_unref (self->flights);
  g_ptr_array_unref (self->fetches);
  g_ptr_array_unref (self->exporters);
  g_ptr_array_unref (self->tickets);
  g_array_unref (self->left);
  g_array_unref (self->jobs);
  g_array_unref (self->ports);
  g_free (self);
}
