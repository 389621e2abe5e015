/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where on the way is the box that holds octets back? They are sent so that they end after one hop, two,
 * three: as soon as they get to the box, it acts on them, although they cannot get to the far end; what
 * passes elsewhere ends at the same hops and nobody acts. A box that drops without a word shows by the
 * routers behind it, which say that the control ended there and never the class. Every step has to be
 * seen twice, what shows by silence four times, and nothing may contradict it.
 */
#include "turn-connect/detect/hops.h"

#define TIMES 2
/* Of a silence, for routers say of few packets a second that they ended: how often it is asked, and how often of
 * these the control was spoken of. */
#define SILENT_TIMES 4
#define SILENT_ENDED 3
#define AT_ONCE 4 /* hops, of each class */

static TurnConnectHopEffect
effect_of (const TurnConnectProbe *probe, const TurnConnectProbe *held)
{
  gboolean is_tcp = probe->carry != TURN_CONNECT_CARRY_UDP;

  if (is_tcp && probe->connect_us < 0)
    return TURN_CONNECT_HOP_UNKNOWN;
  switch (probe->outcome) {
  case TURN_CONNECT_OUTCOME_SILENCE:
    return TURN_CONNECT_HOP_QUIET;
  case TURN_CONNECT_OUTCOME_UNREACHABLE:
    /* Over UDP it is known which ICMP message it was. */
    return is_tcp || turn_connect_probe_get_fact (probe, "router") != NULL
               ? TURN_CONNECT_HOP_ENDED
               : TURN_CONNECT_HOP_UNCLEAR;
  case TURN_CONNECT_OUTCOME_PROOF:
  case TURN_CONNECT_OUTCOME_ALTERED:
    return TURN_CONNECT_HOP_ARRIVED;
  case TURN_CONNECT_OUTCOME_RESET:
  case TURN_CONNECT_OUTCOME_REFUSED:
  case TURN_CONNECT_OUTCOME_CLOSED:
  case TURN_CONNECT_OUTCOME_ANSWER:
  case TURN_CONNECT_OUTCOME_WRONG_ANSWER:
    /* Otherwise than before it is somebody else's doing. */
    return probe->is_control || probe->outcome == held->outcome ? TURN_CONNECT_HOP_ACTED
                                                                : TURN_CONNECT_HOP_UNCLEAR;
  default:
    return TURN_CONNECT_HOP_UNKNOWN;
  }
}

static gboolean
is_on_its_way (TurnConnectHopEffect effect)
{
  return effect == TURN_CONNECT_HOP_QUIET || effect == TURN_CONNECT_HOP_ENDED;
}

static void
note (TurnConnectHop *hop, TurnConnectHopEffect effect)
{
  if (effect == TURN_CONNECT_HOP_UNKNOWN)
    return;
  hop->n_ended += effect == TURN_CONNECT_HOP_ENDED;
  if (hop->n++ == 0 || hop->effect == effect)
    hop->effect = effect;
  else if (is_on_its_way (hop->effect) && is_on_its_way (effect))
    hop->effect = TURN_CONNECT_HOP_ENDED; /* routers do not say it every time */
  else
    hop->effect = TURN_CONNECT_HOP_UNCLEAR;
}

void
turn_connect_hops_read (const TurnConnectObservations *observations,
                        const TurnConnectProbe *held,
                        TurnConnectHops *hops)
{
  *hops = (TurnConnectHops){ 0 };
  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);
    const char *text = turn_connect_probe_get_fact (probe, "hops");
    guint64 n = text != NULL ? g_ascii_strtoull (text, NULL, 10) : 0;

    if (probe->kind != TURN_CONNECT_PROBE_HOP || n < 1 || n > TURN_CONNECT_HOPS_MAX ||
        probe->carry != held->carry || !stun_ext_address_equal (&probe->target, &held->target) ||
        (!probe->is_control && g_strcmp0 (probe->variant, held->variant) != 0))
      continue;
    note (probe->is_control ? &hops->control[n] : &hops->held[n], effect_of (probe, held));
  }
}

gboolean
turn_connect_hops_is_over (const TurnConnectHops *hops, guint n)
{
  for (guint i = 1; i <= n; i++) {
    if (hops->held[i].effect == TURN_CONNECT_HOP_ACTED ||
        hops->held[i].effect == TURN_CONNECT_HOP_ARRIVED ||
        hops->control[i].effect == TURN_CONNECT_HOP_ARRIVED ||
        (hops->control[i].effect == TURN_CONNECT_HOP_ENDED &&
         hops->held[i].effect == TURN_CONNECT_HOP_QUIET))
      return TRUE;
  }
  return FALSE;
}

/* The first hop at which the class has this effect; 0 for none. */
static guint
find_first (const TurnConnectHop *of, TurnConnectHopEffect effect)
{
  for (guint i = 1; i <= TURN_CONNECT_HOPS_MAX; i++) {
    if (of[i].effect == effect)
      return i;
  }
  return 0;
}

void
turn_connect_hops_plan_init (TurnConnectHopsPlan *plan)
{
  *plan = (TurnConnectHopsPlan){ .first = 1, .last = AT_ONCE };
}

gboolean
turn_connect_hops_plan_next (TurnConnectHopsPlan *plan, const TurnConnectHops *hops)
{
  if (turn_connect_hops_is_over (hops, plan->last)) {
    gboolean is_told = find_first (hops->held, TURN_CONNECT_HOP_ACTED) > 0 ||
                       find_first (hops->held, TURN_CONNECT_HOP_ARRIVED) > 0;

    if (++plan->round == (is_told ? TIMES : SILENT_TIMES))
      return FALSE;
    if (plan->round > 1)
      return TRUE;
    /* A step is two hops: what shows at the first of these may not have at the one before them. */
    plan->first = MAX (plan->first, 2) - 1;
    return TRUE;
  }
  if (plan->round > 0 || plan->last == TURN_CONNECT_HOPS_MAX)
    return FALSE;
  plan->first = plan->last + 1;
  plan->last = MIN (plan->last + AT_ONCE, TURN_CONNECT_HOPS_MAX);
  return TRUE;
}

/* All up to @first are on their way, and from there on nobody does anything but @effect. */
static gboolean
is_step (const TurnConnectHops *hops, guint first, TurnConnectHopEffect effect)
{
  for (guint i = 1; i <= first; i++) {
    if (!is_on_its_way (hops->control[i].effect) ||
        (i < first && !is_on_its_way (hops->held[i].effect)))
      return FALSE;
  }
  for (guint i = first; i <= TURN_CONNECT_HOPS_MAX; i++) {
    if (hops->held[i].effect != effect && hops->held[i].n > 0)
      return FALSE;
  }
  return hops->held[first].n >= TIMES && hops->control[first].n >= TIMES &&
         (first == 1 || hops->held[first - 1].n >= TIMES);
}

/* Behind the last router that said of the class that it ended there; of one that never said so nobody knows
 * whether it has words for it. */
static guint
find_drop (const TurnConnectHops *hops)
{
  guint first = 1;

  for (guint i = 1; i <= TURN_CONNECT_HOPS_MAX; i++) {
    if (hops->held[i].effect == TURN_CONNECT_HOP_ENDED)
      first = i + 1;
  }
  return first > 1 && first <= TURN_CONNECT_HOPS_MAX &&
                 hops->control[first].n_ended >= SILENT_ENDED &&
                 hops->held[first].n >= SILENT_TIMES &&
                 is_step (hops, first, TURN_CONNECT_HOP_QUIET)
             ? first
             : 0;
}

guint
turn_connect_hops_conclude (const TurnConnectHops *hops)
{
  guint first = find_first (hops->held, TURN_CONNECT_HOP_ACTED);

  if (find_first (hops->control, TURN_CONNECT_HOP_ACTED) > 0 ||
      find_first (hops->control, TURN_CONNECT_HOP_UNCLEAR) > 0)
    return 0;
  if (first > 0)
    return is_step (hops, first, TURN_CONNECT_HOP_ACTED) ? first : 0;
  return find_drop (hops);
}
