/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a NAT filters and maps, as RFC 5780 asks it, but so that loss and earlier packets cannot pass
 * for an answer. Filtering comes first, on two sockets that sent to nobody before, for whatever was
 * sent to the server's other address opens the way for it. A silence is followed by its control: a
 * new socket sends to the other address and then asks for an answer from there, which has to come
 * now. It is a new one, for a Linux NAT remembers the answer that it dropped, and gives the packet
 * to whence that came another port. Mapping has three sockets of its own besides, each asking the
 * first address again at the end.
 *
 * The other address is what an answer says it is. Unless the answer is proven with the password, it may
 * be anybody's, who is not to be bothered in the server's name: only what answers is sent more than
 * one question.
 */
#include "turn-connect/detect/asker.h"

#include <string.h>

#define SOCKETS 3 /* for mapping; two that agree against one that a clash of ports led astray */

static const guint filter_sends_ms[] = { 0, 100, 200, 400, 600 };
static const TurnConnectSchedule filter_schedule = { filter_sends_ms,
                                                     G_N_ELEMENTS (filter_sends_ms), 600 };
static const guint ask_sends_ms[] = { 0, 100, 250, 500, 800 };
static const TurnConnectSchedule ask_schedule = { ask_sends_ms, G_N_ELEMENTS (ask_sends_ms), 500 };

typedef struct _NatProbe NatProbe;

/* One way of changing whence the answer comes, on one socket. */
typedef struct {
  NatProbe *owner;
  TurnConnectAsker *asker, *control; /* control: NULL before */
  const char *variant;
  guint32 change;
  StunExtAddress alternate; /* whence the answer is to come */
  gboolean is_over, is_silent;
  gboolean is_opening; /* the other address is asked whether it answers */
} Filter;

/* One socket for mapping. */
typedef struct {
  NatProbe *owner;
  TurnConnectAsker *asker;
  guint n_pending;
  gboolean is_again;
} Mapping;

struct _NatProbe {
  TurnConnectRun *run;
  TurnConnectFamilyId id;
  StunExtAddress s1p1, s1p2, s2p1, s2p2; /* "no address" for those there are not */
  gboolean is_translated;
  gboolean is_stranger; /* the other address may be anybody's */
  gboolean is_heard;    /* and answered */
  Filter filters[2];    /* that of the other address first */
  Mapping mappings[SOCKETS];
  gboolean is_mapping; /* begun */
  guint n_pending;     /* filters and sockets at work */
};

static void
one_is_over (NatProbe *self)
{
  if (--self->n_pending == 0)
    turn_connect_run_done (self->run, self->id);
}

static void
ask (NatProbe *self,
     TurnConnectAsker *asker,
     TurnConnectProbeKind kind,
     const char *variant,
     const TurnConnectSchedule *schedule,
     const StunExtAddress *target,
     guint32 change,
     const StunExtAddress *expected)
{
  TurnConnectProbe *probe =
      turn_connect_run_begin (self->run, kind, variant, TURN_CONNECT_CARRY_UDP, target);

  probe->is_control = kind == TURN_CONNECT_PROBE_FILTERING_CONTROL;
  turn_connect_asker_ask (asker, probe, schedule, change, expected);
}

/* Mapping */

static void
ask_again (Mapping *mapping)
{
  NatProbe *self = mapping->owner;

  mapping->is_again = TRUE;
  mapping->n_pending = 1;
  ask (self, mapping->asker, TURN_CONNECT_PROBE_MAPPING, "s1p1-again", &ask_schedule, &self->s1p1,
       0, &self->s1p1);
}

static void
mapping_asked (TurnConnectProbe *probe, gpointer data)
{
  Mapping *mapping = data;

  if (--mapping->n_pending > 0)
    return;
  if (mapping->is_again)
    one_is_over (mapping->owner);
  else
    ask_again (mapping);
}

static void
begin_mapping (NatProbe *self, Mapping *mapping)
{
  const struct {
    const char *variant;
    const StunExtAddress *target;
  } rows[] = { { "s1p1", &self->s1p1 },
               { "s1p2", &self->s1p2 },
               { "s2p1", &self->s2p1 },
               { "s2p2", &self->s2p2 } };

  mapping->owner = self;
  mapping->asker = turn_connect_asker_new (self->run, self->s1p1.family, mapping_asked, mapping);
  if (mapping->asker == NULL)
    return;
  self->n_pending++;
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    if (rows[i].target->family == 0)
      continue;
    mapping->n_pending++;
    ask (self, mapping->asker, TURN_CONNECT_PROBE_MAPPING, rows[i].variant, &ask_schedule,
         rows[i].target, 0, rows[i].target);
  }
}

/* Nothing of this may go to the other address before filtering is known. */
static void
begin_all_mappings (NatProbe *self)
{
  self->is_mapping = TRUE;
  if (self->is_stranger && !self->is_heard)
    self->s2p1 = self->s2p2 = (StunExtAddress){ 0 };
  for (guint i = 0; i < SOCKETS && self->is_translated; i++)
    begin_mapping (self, &self->mappings[i]);
}

/* Filtering */

/* Whether the other address answers may still turn out. */
static gboolean
is_other_awaited (NatProbe *self)
{
  return self->is_stranger && !self->is_heard && self->filters[0].is_opening;
}

static void
begin_mappings_if_due (NatProbe *self)
{
  gboolean is_all = TRUE;

  for (guint i = 0; i < G_N_ELEMENTS (self->filters); i++)
    is_all &= self->filters[i].asker == NULL || self->filters[i].is_over;
  if (is_all && !self->is_mapping && !is_other_awaited (self))
    begin_all_mappings (self);
}

static void
ask_control (Filter *filter, const StunExtAddress *target, guint32 change, const char *variant)
{
  ask (filter->owner, filter->control, TURN_CONNECT_PROBE_FILTERING_CONTROL, variant, &ask_schedule,
       target, change, &filter->alternate);
}

static void
control_asked (TurnConnectProbe *probe, gpointer data)
{
  Filter *filter = data;

  if (strcmp (probe->variant, "opening") != 0) {
    one_is_over (filter->owner);
    return;
  }
  filter->is_opening = FALSE;
  if (filter == &filter->owner->filters[0])
    filter->owner->is_heard |= turn_connect_probe_passed (probe);
  begin_mappings_if_due (filter->owner);
  if (filter->is_silent)
    ask_control (filter, &filter->owner->s1p1, filter->change, filter->variant);
  else
    one_is_over (filter->owner);
}

static void
filter_asked (TurnConnectProbe *probe, gpointer data)
{
  Filter *filter = data;
  NatProbe *self = filter->owner;
  gboolean is_other = filter == &self->filters[0];

  filter->is_over = TRUE;
  filter->is_silent = probe->outcome == TURN_CONNECT_OUTCOME_SILENCE;
  if (is_other)
    self->is_heard |= turn_connect_probe_passed (probe);
  if (filter->is_silent || (is_other && self->is_stranger && !self->is_heard))
    filter->control = turn_connect_asker_new (self->run, self->s1p1.family, control_asked, filter);
  filter->is_opening = filter->control != NULL;
  begin_mappings_if_due (self);
  if (filter->control != NULL)
    ask_control (filter, &filter->alternate, 0, "opening");
  else
    one_is_over (self);
}

static void
begin_filter (NatProbe *self,
              Filter *filter,
              const char *variant,
              guint32 change,
              const StunExtAddress *alternate)
{
  filter->owner = self;
  filter->variant = variant;
  filter->change = change;
  filter->alternate = *alternate;
  if (alternate->family == 0)
    return;
  filter->asker = turn_connect_asker_new (self->run, self->s1p1.family, filter_asked, filter);
  if (filter->asker == NULL)
    return;
  self->n_pending++;
  ask (self, filter->asker, TURN_CONNECT_PROBE_FILTERING, variant, &filter_schedule, &self->s1p1,
       change, alternate);
}

/* Whom to ask */

static gboolean
is_answer (const TurnConnectProbe *probe, guint8 family)
{
  return probe->kind == TURN_CONNECT_PROBE_STUN && probe->family == family &&
         turn_connect_probe_passed (probe);
}

/* A server's other address is believed only if packets can go there: same family, whole, and no
 * address of this network that somebody would have us send to. */
static gboolean
is_usable_other (const TurnConnectProbe *probe)
{
  return probe->other.family == probe->family && probe->other.port != 0 &&
         !stun_ext_address_equal_host (&probe->other, &probe->local) &&
         (stun_ext_address_special_purpose (&probe->other) == NULL ||
          stun_ext_address_special_purpose (&probe->target) != NULL);
}

/* The answer that is proven best. Where a far end is, others are not asked where else to ask. */
static const TurnConnectProbe *
find_answer_with_other (TurnConnectRun *run, guint8 family)
{
  const TurnConnectObservations *observations = turn_connect_run_get_observations (run);
  const TurnConnectProbe *found = NULL;

  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (is_answer (probe, family) && is_usable_other (probe) &&
        (!observations->is_far_end || probe->proof != TURN_CONNECT_PROOF_NONE) &&
        (found == NULL || probe->proof > found->proof))
      found = probe;
  }
  return found;
}

/* There is one that no later one can better. */
static gboolean
is_ready (TurnConnectRun *run, guint8 family)
{
  const TurnConnectTrust *trust = turn_connect_run_get_trust (run);
  const TurnConnectProbe *found = find_answer_with_other (run, family);

  return found != NULL &&
         found->proof >= (trust->has_key && !trust->is_for_tls ? TURN_CONNECT_PROOF_KEYED
                                                               : TURN_CONNECT_PROOF_UNKEYED);
}

static void
choose_servers_by_other (NatProbe *self, const TurnConnectProbe *probe)
{
  self->s1p1 = self->s1p2 = probe->target;
  self->s1p2.port = probe->other.port;
  if (stun_ext_address_equal_host (&probe->other, &probe->target))
    return;
  self->s2p1 = self->s2p2 = probe->other;
  self->s2p1.port = probe->target.port;
  if (self->s1p2.port == self->s1p1.port)
    memset (&self->s1p2, 0, sizeof self->s1p2);
}

/* Without other address: two ports of one address still tell a part. */
static void
choose_servers_by_ports (NatProbe *self, guint8 family)
{
  const GPtrArray *probes = turn_connect_run_get_observations (self->run)->probes;

  for (guint i = 0; i < probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (probes, i);

    if (!is_answer (probe, family))
      continue;
    if (self->s1p1.family == 0)
      self->s1p1 = probe->target;
    else if (self->s1p2.family == 0)
      self->s1p2 = probe->target;
  }
}

static gboolean
is_translated (NatProbe *self, guint8 family)
{
  const GPtrArray *probes = turn_connect_run_get_observations (self->run)->probes;

  for (guint i = 0; i < probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (probes, i);

    if (is_answer (probe, family) && !stun_ext_address_equal (&probe->local, &probe->mapped))
      return TRUE;
  }
  return FALSE;
}

static gpointer
start (TurnConnectRun *run, TurnConnectFamilyId id, guint8 family)
{
  const TurnConnectProbe *answer = find_answer_with_other (run, family);
  NatProbe *self = g_new0 (NatProbe, 1);

  self->run = run;
  self->id = id;
  if (answer != NULL)
    choose_servers_by_other (self, answer);
  else
    choose_servers_by_ports (self, family);
  self->is_translated = is_translated (self, family);
  if (answer != NULL) {
    self->is_stranger = answer->proof != TURN_CONNECT_PROOF_KEYED &&
                        !stun_ext_address_equal_host (&answer->other, &answer->target);
    begin_filter (self, &self->filters[0], "change-ip-port",
                  STUN_EXT_CHANGE_IP | STUN_EXT_CHANGE_PORT, &self->s2p2);
    begin_filter (self, &self->filters[1], "change-port", STUN_EXT_CHANGE_PORT, &self->s1p2);
  }
  if (self->n_pending == 0 && self->s1p1.family != 0)
    begin_all_mappings (self);
  if (self->n_pending > 0)
    return self;
  turn_connect_nat_probe_stop (self);
  return NULL;
}

gboolean
turn_connect_nat_probe_is_ready_ipv4 (TurnConnectRun *run)
{
  return is_ready (run, 4);
}

gboolean
turn_connect_nat_probe_is_ready_ipv6 (TurnConnectRun *run)
{
  return is_ready (run, 6);
}

gpointer
turn_connect_nat_probe_start_ipv4 (TurnConnectRun *run)
{
  return start (run, TURN_CONNECT_FAMILY_NAT, 4);
}

gpointer
turn_connect_nat_probe_start_ipv6 (TurnConnectRun *run)
{
  return start (run, TURN_CONNECT_FAMILY_NAT6, 6);
}

void
turn_connect_nat_probe_stop (gpointer state)
{
  NatProbe *self = state;

  for (guint i = 0; i < G_N_ELEMENTS (self->filters); i++) {
    turn_connect_asker_free (self->filters[i].asker);
    turn_connect_asker_free (self->filters[i].control);
  }
  for (guint i = 0; i < SOCKETS; i++)
    turn_connect_asker_free (self->mappings[i].asker);
  g_free (self);
}
