/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which ports lead to the far end. A silent port counts as blocked only if the far end is known to
 * listen there, and a TCP connection counts as nothing where somebody accepts every one.
 */
#include "turn-connect/detect/classify-private.h"

#define TYPE_BIT(type) (1u << (type))
#define HIGH_PORT 10000 /* arbitrary: no service that firewalls know by number lies above */
#define ENOUGH_UDP_PORTS 4
#define ENOUGH_TCP_PORTS 2

static gboolean
is_tcp (TurnConnectCarry carry)
{
  return carry == TURN_CONNECT_CARRY_TCP || carry == TURN_CONNECT_CARRY_TLS;
}

/* Probes that say something of the port they were sent to, straight from here. */
static gboolean
tells_of_port (const TurnConnectProbe *probe, const TurnConnectFamilyVerdict *family)
{
  if (probe->family != family->family || probe->via != NULL || probe->target.port == 0 ||
      probe->carry == TURN_CONNECT_CARRY_NONE)
    return FALSE;
  switch (probe->kind) {
  case TURN_CONNECT_PROBE_STUN:
  case TURN_CONNECT_PROBE_PORT:
  case TURN_CONNECT_PROBE_MAPPING:
  case TURN_CONNECT_PROBE_PAYLOAD:
  case TURN_CONNECT_PROBE_TLS:
  case TURN_CONNECT_PROBE_RECORD:
    return TRUE;
  default:
    return FALSE;
  }
}

static TurnConnectPort *
look_up (const TurnConnectFamilyVerdict *family, TurnConnectCarry carry, guint16 port)
{
  for (guint i = 0; i < family->ports->len; i++) {
    TurnConnectPort *known = &g_array_index (family->ports, TurnConnectPort, i);

    if (is_tcp (known->carry) == is_tcp (carry) && known->port == port)
      return known;
  }
  return NULL;
}

static const TurnConnectListener *
find_listener (const TurnConnectObservations *observations, TurnConnectCarry carry, guint16 port)
{
  for (guint i = 0; i < observations->listeners->len; i++) {
    const TurnConnectListener *listener =
        &g_array_index (observations->listeners, TurnConnectListener, i);

    if (is_tcp (listener->carry) == is_tcp (carry) && listener->port == port)
      return listener;
  }
  return NULL;
}

/* A far end that could not say where it listens does so where it was named to, and by TCP wherever
 * it proved itself by UDP (not the other way about): that makes a suspicion. Of a server of others
 * nothing is known but what it answers. */
static gboolean
listens (const TurnConnectObservations *observations,
         const TurnConnectFamilyVerdict *family,
         TurnConnectCarry carry,
         guint16 port)
{
  const TurnConnectPort *other;

  if (observations->listeners->len > 0)
    return find_listener (observations, carry, port) != NULL;
  other = is_tcp (carry) ? look_up (family, TURN_CONNECT_CARRY_UDP, port) : NULL;
  return observations->is_far_end &&
         (observations->port == port || (other != NULL && other->reach == TURN_CONNECT_REACH_OPEN));
}

static TurnConnectPort *
find_port (TurnConnectFamilyVerdict *family, TurnConnectCarry carry, guint16 port)
{
  TurnConnectPort fresh = { .carry = carry, .port = port, .rtt_us = -1, .probe = -1 };
  TurnConnectPort *known = look_up (family, carry, port);

  if (known != NULL)
    return known;
  g_array_append_val (family->ports, fresh);
  return &g_array_index (family->ports, TurnConnectPort, family->ports->len - 1);
}

/* Higher wins when probes of one port differ. */
static guint
rank_of (TurnConnectReach reach)
{
  static const guint ranks[] = { 0, 3, 2, 1 };

  return ranks[reach];
}

static TurnConnectReach
judge_probe (const TurnConnectObservations *observations,
             const TurnConnectFamilyVerdict *family,
             const TurnConnectProbe *probe)
{
  if (turn_connect_classify_counts (observations, probe))
    return TURN_CONNECT_REACH_OPEN;
  if (is_tcp (probe->carry) && probe->connect_us >= 0 &&
      family->is_intercepted != TURN_CONNECT_TELL_YES)
    return TURN_CONNECT_REACH_CONNECTED;
  /* Somebody else answers there: whether anything would pass is not known. */
  if (probe->outcome == TURN_CONNECT_OUTCOME_ANSWER)
    return TURN_CONNECT_REACH_UNKNOWN;
  /* A server of others may well not listen there: only our own says that it does. */
  if (probe->outcome == TURN_CONNECT_OUTCOME_REFUSED && observations->listeners->len == 0)
    return TURN_CONNECT_REACH_UNKNOWN;
  switch (probe->outcome) {
  case TURN_CONNECT_OUTCOME_SILENCE:
  case TURN_CONNECT_OUTCOME_REFUSED:
  case TURN_CONNECT_OUTCOME_UNREACHABLE:
  case TURN_CONNECT_OUTCOME_RESET:
  case TURN_CONNECT_OUTCOME_CLOSED:
  case TURN_CONNECT_OUTCOME_CONNECTED:
  case TURN_CONNECT_OUTCOME_WRONG_ANSWER:
    return listens (observations, family, probe->carry, probe->target.port)
               ? TURN_CONNECT_REACH_BLOCKED
               : TURN_CONNECT_REACH_UNKNOWN;
  default:
    return TURN_CONNECT_REACH_UNKNOWN;
  }
}

static void
note_probe (const TurnConnectObservations *observations,
            TurnConnectFamilyVerdict *family,
            guint index)
{
  const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, index);
  TurnConnectReach reach = judge_probe (observations, family, probe);
  TurnConnectPort *port =
      find_port (family, is_tcp (probe->carry) ? TURN_CONNECT_CARRY_TCP : TURN_CONNECT_CARRY_UDP,
                 probe->target.port);

  if (port->probe < 0 || rank_of (reach) > rank_of (port->reach)) {
    port->reach = reach;
    port->probe = (gint)index;
  }
  if (reach == TURN_CONNECT_REACH_OPEN && probe->rtt_us >= 0 &&
      (port->rtt_us < 0 || probe->rtt_us < port->rtt_us))
    port->rtt_us = probe->rtt_us;
}

static gint
compare_ports (gconstpointer a, gconstpointer b)
{
  const TurnConnectPort *one = a, *other = b;

  if (one->carry != other->carry)
    return (gint)one->carry - (gint)other->carry;
  return (gint)one->port - (gint)other->port;
}

static void
gather_ports (const TurnConnectObservations *observations, TurnConnectFamilyVerdict *family)
{
  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind != TURN_CONNECT_PROBE_DECOY || probe->family != family->family ||
        probe->via != NULL)
      continue;
    if (probe->connect_us >= 0)
      family->is_intercepted = TURN_CONNECT_TELL_YES;
    else if (family->is_intercepted == TURN_CONNECT_TELL_UNKNOWN &&
             (probe->outcome == TURN_CONNECT_OUTCOME_SILENCE ||
              probe->outcome == TURN_CONNECT_OUTCOME_REFUSED ||
              probe->outcome == TURN_CONNECT_OUTCOME_UNREACHABLE))
      family->is_intercepted = TURN_CONNECT_TELL_NO;
  }
  /* Answers first: they tell of what silences are worth. */
  for (guint pass = 0; pass < 2; pass++) {
    for (guint i = 0; i < observations->probes->len; i++) {
      const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

      if (!tells_of_port (probe, family) ||
          turn_connect_classify_counts (observations, probe) != (pass == 0))
        continue;
      if (probe->outcome != TURN_CONNECT_OUTCOME_SKIPPED)
        family->is_tried = TRUE;
      note_probe (observations, family, i);
    }
  }
  g_array_sort (family->ports, compare_ports);
}

/* How many ports there are of each sort. */
typedef struct {
  guint n_open;
  guint n_blocked;
  gboolean high_open;
  gboolean high_blocked;
} Count;

/* A connection over which nothing was answered counts beside answers on other ports; alone it may
 * be anybody's, such as a captive portal's. */
static gboolean
has_answer (const TurnConnectFamilyVerdict *family)
{
  for (guint i = 0; i < family->ports->len; i++) {
    if (g_array_index (family->ports, TurnConnectPort, i).reach == TURN_CONNECT_REACH_OPEN)
      return TRUE;
  }
  return FALSE;
}

static Count
count_ports (const TurnConnectFamilyVerdict *family, TurnConnectCarry carry)
{
  gboolean is_answered = has_answer (family);
  Count count = { 0 };

  for (guint i = 0; i < family->ports->len; i++) {
    const TurnConnectPort *port = &g_array_index (family->ports, TurnConnectPort, i);
    gboolean is_high = port->port >= HIGH_PORT;

    if (port->carry != carry)
      continue;
    if (port->reach == TURN_CONNECT_REACH_OPEN ||
        (port->reach == TURN_CONNECT_REACH_CONNECTED && is_answered)) {
      count.n_open++;
      count.high_open |= is_high;
    } else if (port->reach == TURN_CONNECT_REACH_BLOCKED) {
      count.n_blocked++;
      count.high_blocked |= is_high;
    }
  }
  return count;
}

static TurnConnectTell
tell (const Count *count)
{
  if (count->n_open > 0)
    return TURN_CONNECT_TELL_YES;
  return count->n_blocked > 0 ? TURN_CONNECT_TELL_NO : TURN_CONNECT_TELL_UNKNOWN;
}

/* Whether somebody on the way answers for the far end over UDP: then no silence says that UDP does
 * not pass. One port may be a name service for all. */
static gboolean
is_udp_forged (const TurnConnectObservations *observations, const TurnConnectFamilyVerdict *family)
{
  guint n = 0;

  for (guint i = 0; i < observations->probes->len && observations->is_far_end; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    n += probe->kind == TURN_CONNECT_PROBE_STUN && probe->family == family->family &&
         probe->outcome == TURN_CONNECT_OUTCOME_ANSWER;
  }
  return n > 1;
}

/* Only certain ports: some pass, and the high one, or where none was tried any other, does not. */
static gboolean
is_restricted (const Count *count)
{
  return count->n_open > 0 && count->n_blocked > 0 && !count->high_open;
}

/* How sure a silence is */

/* Until when this run can have been heard itself, before the far end said when it heard whom. */
static gint64
find_told_us (const TurnConnectObservations *observations)
{
  gint64 told_us = -1;

  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind == TURN_CONNECT_PROBE_RECORD && g_strcmp0 (probe->variant, "self") == 0 &&
        turn_connect_classify_counts (observations, probe))
      told_us = MAX (told_us, probe->end_us);
  }
  return told_us >= 0 ? told_us : observations->took_us;
}

/* Whether anything of this run arrived there, by either family. */
static gboolean
did_arrive (const TurnConnectObservations *observations, const TurnConnectPort *port)
{
  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->via == NULL && is_tcp (probe->carry) == is_tcp (port->carry) &&
        probe->target.port == port->port &&
        (probe->connect_us >= 0 || turn_connect_probe_passed (probe) ||
         probe->far_saw > TURN_CONNECT_FAR_SAW_NOTHING))
      return TRUE;
  }
  return FALSE;
}

/* Whether others than this run were heard on a port that is silent to us: only then it is known that
 * the silence is not the far end's. */
static gboolean
is_heard_by_others (const TurnConnectObservations *observations, const TurnConnectPort *port)
{
  const TurnConnectListener *listener = find_listener (observations, port->carry, port->port);
  const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, (guint)port->probe);

  if (listener == NULL || listener->heard_ago_s < 0)
    return FALSE;
  return (gint64)listener->heard_ago_s * G_USEC_PER_SEC > find_told_us (observations) ||
         (probe->far_saw == TURN_CONNECT_FAR_SAW_NOTHING && !did_arrive (observations, port));
}

static gboolean
is_silence_controlled (const TurnConnectObservations *observations,
                       const TurnConnectFamilyVerdict *family,
                       TurnConnectCarry carry)
{
  for (guint i = 0; i < family->ports->len; i++) {
    const TurnConnectPort *port = &g_array_index (family->ports, TurnConnectPort, i);

    if (port->carry == carry && port->reach == TURN_CONNECT_REACH_BLOCKED &&
        is_heard_by_others (observations, port))
      return TRUE;
  }
  return FALSE;
}

/* A type of ports rests on what is silent: on UDP, on TCP, or on both. */
static TurnConnectConfidence
weigh (const TurnConnectObservations *observations,
       const TurnConnectFamilyVerdict *family,
       const Count *udp,
       const Count *tcp)
{
  gboolean needs_udp = udp->n_open == 0 || is_restricted (udp);
  gboolean needs_tcp = tcp->n_open == 0 || is_restricted (tcp);

  if (observations->listeners->len == 0)
    return TURN_CONNECT_CONFIDENCE_SUSPECTED;
  return udp->n_open + udp->n_blocked >= ENOUGH_UDP_PORTS &&
                 (!needs_udp ||
                  is_silence_controlled (observations, family, TURN_CONNECT_CARRY_UDP)) &&
                 (!needs_tcp ||
                  is_silence_controlled (observations, family, TURN_CONNECT_CARRY_TCP))
             ? TURN_CONNECT_CONFIDENCE_CONFIRMED
             : TURN_CONNECT_CONFIDENCE_PROBABLE;
}

static void
judge_without_udp (TurnConnectVerdict *verdict, TurnConnectFamilyVerdict *family, const Count *tcp)
{
  family->is_determined = TRUE;
  if (tcp->n_open == 1 && tcp->n_blocked > 0)
    family->types |= TYPE_BIT (7);
  else if (is_restricted (tcp))
    family->types |= TYPE_BIT (5);
  else if (tcp->n_open > 1 || tcp->high_open)
    family->types |= TYPE_BIT (6);
  else {
    family->is_determined = FALSE;
    turn_connect_classify_say (
        verdict,
        "IPv%u: no UDP passes; whether all of TCP does is not determined, for "
        "the far end is known to listen on one port only",
        family->family);
  }
}

/* Nothing is in the way only of what is known to pass: UDP alone does not tell of TCP. One TCP port that
 * is silent, where a connection takes two packets in turn, may be a matter of loss. */
static void
judge_with_udp (const TurnConnectObservations *observations,
                TurnConnectVerdict *verdict,
                TurnConnectFamilyVerdict *family,
                const Count *udp,
                const Count *tcp)
{
  gint cone = turn_connect_classify_cone (family);
  gboolean is_tcp_told = tcp->n_open > 0 && !is_restricted (tcp);

  if (cone > 0)
    family->types |= TYPE_BIT (cone);
  if (is_restricted (udp) || (is_restricted (tcp) && tcp->n_blocked >= ENOUGH_TCP_PORTS)) {
    family->types |= TYPE_BIT (5);
    is_tcp_told = TRUE;
  } else if (family->tcp == TURN_CONNECT_TELL_NO) {
    family->is_udp_only = TRUE;
    turn_connect_classify_say (
        verdict, "IPv%u: UDP passes, and TCP to none of %u ports: none of the nine types is that%s",
        family->family, tcp->n_blocked,
        observations->listeners->len == 0
            ? "; that the far end listens there on TCP is concluded from "
              "where it answers by UDP"
            : "");
  } else if (!is_tcp_told)
    turn_connect_classify_say (verdict,
                               "IPv%u: UDP passes; whether TCP does is not determined, for no TCP "
                               "port answered on which the far end is known to listen",
                               family->family);
  family->is_determined = cone != TURN_CONNECT_TYPE_UNKNOWN && is_tcp_told;
}

void
turn_connect_classify_reach (const TurnConnectObservations *observations,
                             TurnConnectVerdict *verdict,
                             TurnConnectFamilyVerdict *family)
{
  Count udp, tcp;

  gather_ports (observations, family);
  udp = count_ports (family, TURN_CONNECT_CARRY_UDP);
  tcp = count_ports (family, TURN_CONNECT_CARRY_TCP);
  family->udp = tell (&udp);
  family->tcp = tell (&tcp);
  if (family->udp == TURN_CONNECT_TELL_NO && is_udp_forged (observations, family))
    family->udp = TURN_CONNECT_TELL_UNKNOWN;
  /* Beside UDP that passes, one port says little. */
  if (family->udp == TURN_CONNECT_TELL_YES && family->tcp == TURN_CONNECT_TELL_NO &&
      tcp.n_blocked < ENOUGH_TCP_PORTS)
    family->tcp = TURN_CONNECT_TELL_UNKNOWN;
  if (family->is_intercepted == TURN_CONNECT_TELL_YES)
    turn_connect_classify_say (verdict,
                               "IPv%u: somebody on the way accepts TCP connections where nobody "
                               "listens; only proven answers count",
                               family->family);
  if (family->udp == TURN_CONNECT_TELL_YES)
    judge_with_udp (observations, verdict, family, &udp, &tcp);
  else if (family->udp == TURN_CONNECT_TELL_NO && family->tcp == TURN_CONNECT_TELL_YES)
    judge_without_udp (verdict, family, &tcp);
  if ((family->types >> 5) != 0)
    family->confidence = weigh (observations, family, &udp, &tcp);
  else
    family->confidence = family->nat_confidence;
}
