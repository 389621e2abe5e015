/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where on the way is the box that holds a class of octets back? Asked only once one is seen, of the class
 * that shows it best: see hops.h for what is sent and what it means.
 */
#include "turn-connect/detect/classifier.h"
#include "turn-connect/detect/flight.h"
#include "turn-connect/detect/hops.h"
#include "turn-connect/detect/payload-class.h"

#include <string.h>

#define PACE_US 15000 /* between hops, so that this is no flood */

typedef struct {
  TurnConnectRun *run;
  const TurnConnectProbe *held;              /* that failed */
  const TurnConnectPayloadClass *classes[2]; /* its, and that of the control */
  TurnConnectHopsPlan plan;
  guint next; /* hops */
  guint n_flying;
  GPtrArray *flights; /* TurnConnectFlight */
  GSource *pace;
} HopProbe;

static gboolean go_on (gpointer data);

static void
go_on_soon (HopProbe *self, gint64 delay_us)
{
  turn_connect_run_clear_source (&self->pace);
  self->pace = turn_connect_run_add_timer (self->run, delay_us, go_on, self);
}

static void
flight_ended (TurnConnectProbe *probe, gpointer data)
{
  HopProbe *self = data;

  if (--self->n_flying == 0 && self->pace == NULL)
    go_on_soon (self, 0);
}

/* The class first: of routers that do not say everything it is to hear more. */
static void
launch (HopProbe *self)
{
  for (guint i = 0; i < G_N_ELEMENTS (self->classes); i++) {
    const TurnConnectFlightWay way = { .target = self->held->target,
                                       .payload = self->classes[i]->payload,
                                       .twin = self->classes[i]->twin,
                                       .round = self->plan.round,
                                       .is_control = i == 1,
                                       .is_datagram = self->held->carry == TURN_CONNECT_CARRY_UDP,
                                       .hops = self->next };

    self->n_flying++;
    g_ptr_array_add (self->flights, turn_connect_flight_new (self->run, &way, flight_ended, self));
  }
  self->next++;
}

static gboolean
plan_more (HopProbe *self)
{
  TurnConnectHops hops;

  turn_connect_hops_read (turn_connect_run_get_observations (self->run), self->held, &hops);
  if (!turn_connect_hops_plan_next (&self->plan, &hops))
    return FALSE;
  self->next = self->plan.first;
  return TRUE;
}

static gboolean
go_on (gpointer data)
{
  HopProbe *self = data;

  turn_connect_run_clear_source (&self->pace);
  if (self->next <= self->plan.last) {
    launch (self);
    go_on_soon (self, PACE_US);
  } else if (self->n_flying == 0) {
    if (plan_more (self))
      go_on_soon (self, 0);
    else
      turn_connect_run_done (self->run, TURN_CONNECT_FAMILY_HOP);
  }
  return G_SOURCE_REMOVE;
}

/* Beginning */

/* NULL for what is no flight. */
static const TurnConnectPayloadClass *
find_class (const char *variant)
{
  for (guint i = 0; i < TURN_CONNECT_N_PAYLOAD_CLASSES; i++) {
    const TurnConnectPayloadClass *class = &turn_connect_payload_classes[i];
    g_autofree char *name = turn_connect_flight_name (class->payload, class->twin);

    if (g_strcmp0 (name, variant) == 0)
      return turn_connect_payload_class_is_fetched (class) ||
                     class->payload == STUN_EXT_DETECT_PAYLOAD_SILENCE
                 ? NULL
                 : class;
  }
  return NULL;
}

/* What passed at the same port: the same octets inverted rather than others. */
static const TurnConnectPayloadClass *
find_control (const HopProbe *self)
{
  const GPtrArray *probes = turn_connect_run_get_observations (self->run)->probes;
  const TurnConnectPayloadClass *found = NULL;

  for (guint i = 0; i < probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (probes, i);
    const TurnConnectPayloadClass *class;

    if (probe->kind != TURN_CONNECT_PROBE_PAYLOAD || probe->via != NULL ||
        probe->outcome != TURN_CONNECT_OUTCOME_PROOF || probe->carry != self->held->carry ||
        !stun_ext_address_equal (&probe->target, &self->held->target))
      continue;
    class = find_class (probe->variant);
    if (class != NULL && (found == NULL || class->payload == self->classes[0]->payload))
      found = class;
  }
  return found;
}

/* What best shows that there is a box; NULL for none, or for one that acts on what comes later. */
static const TurnConnectProbe *
find_held (TurnConnectRun *run)
{
  const TurnConnectObservations *observations = turn_connect_run_get_observations (run);
  g_autoptr (TurnConnectVerdict) verdict = turn_connect_classify (observations);
  const TurnConnectInspection *inspection = &verdict->inspection;
  const TurnConnectProbe *probe;

  if (inspection->is_seen != TURN_CONNECT_TELL_YES || inspection->probe < 0)
    return NULL;
  probe = g_ptr_array_index (observations->probes, inspection->probe);
  return probe->kind == TURN_CONNECT_PROBE_PAYLOAD && probe->via == NULL &&
                 probe->proof == TURN_CONNECT_PROOF_NONE
             ? probe
             : NULL;
}

gpointer
turn_connect_hop_probe_start (TurnConnectRun *run)
{
  HopProbe *self = g_new0 (HopProbe, 1);

  self->run = run;
  self->flights = g_ptr_array_new_with_free_func ((GDestroyNotify)turn_connect_flight_free);
  turn_connect_hops_plan_init (&self->plan);
  self->next = self->plan.first;
  self->held = find_held (run);
  if (self->held != NULL)
    self->classes[0] = find_class (self->held->variant);
  if (self->classes[0] != NULL)
    self->classes[1] = find_control (self);
  if (self->classes[1] != NULL) {
    go_on_soon (self, 0);
    return self;
  }
  turn_connect_hop_probe_stop (self);
  return NULL;
}

void
turn_connect_hop_probe_stop (gpointer state)
{
  HopProbe *self = state;

  turn_connect_run_clear_source (&self->pace);
  g_ptr_array_unref (self->flights);
  g_free (self);
}
