/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Address translation as RFC 4787 describes it. Two rules keep it honest: filtering is concluded
 * from a silence only if the same address was heard once it had been sent to, and mapping only from
 * sockets that appear as the same at the end as at the beginning.
 */
#include "turn-connect/detect/classify-private.h"

#define POOL_SOCKETS 5 /* a pool of four gives as many the same address once in 256 times */
#define GROUPS_MAX 16  /* sockets that mapping is judged by; further ones say nothing new */

/* Who was asked, on one socket. */
typedef enum {
  S1P1,
  S1P2,
  S2P1,
  S2P2,
  AGAIN,
  N_ASKED,
} Asked;

static const char *const asked_words[] = { "s1p1", "s1p2", "s2p1", "s2p2", "s1p1-again" };
G_STATIC_ASSERT (G_N_ELEMENTS (asked_words) == N_ASKED);

typedef struct {
  guint group;
  StunExtAddress mapped[N_ASKED];
} Socket;

typedef struct {
  Socket sockets[GROUPS_MAX];
  guint n;
} Sockets;

static gboolean
is_of (const TurnConnectProbe *probe,
       TurnConnectProbeKind kind,
       const TurnConnectFamilyVerdict *family)
{
  return probe->kind == kind && probe->family == family->family &&
         probe->carry == TURN_CONNECT_CARRY_UDP;
}

static Socket *
find_socket (Sockets *sockets, guint group)
{
  for (guint i = 0; i < sockets->n; i++) {
    if (sockets->sockets[i].group == group)
      return &sockets->sockets[i];
  }
  if (sockets->n == GROUPS_MAX)
    return NULL;
  sockets->sockets[sockets->n] = (Socket){ .group = group };
  return &sockets->sockets[sockets->n++];
}

static gboolean
differ_in_port (const StunExtAddress *a, const StunExtAddress *b)
{
  return a->family != 0 && b->family != 0 && a->port != b->port;
}

/* What one socket shows. An address that changes while the port stays is a pool at work; only ports
 * tell by what a NAT makes mappings. */
static TurnConnectBehaviour
judge_socket (const Socket *socket)
{
  const StunExtAddress *m = socket->mapped;

  if (m[S1P1].family == 0 || differ_in_port (&m[S1P1], &m[AGAIN]))
    return TURN_CONNECT_BEHAVIOUR_UNKNOWN;
  if (differ_in_port (&m[S1P1], &m[S1P2]) || differ_in_port (&m[S2P1], &m[S2P2]))
    return TURN_CONNECT_BEHAVIOUR_ADDRESS_AND_PORT;
  if (differ_in_port (&m[S1P1], &m[S2P1]) || differ_in_port (&m[S1P1], &m[S2P2]))
    return m[S1P2].family != 0 ? TURN_CONNECT_BEHAVIOUR_ADDRESS : TURN_CONNECT_BEHAVIOUR_UNKNOWN;
  if (m[S1P2].family != 0 && (m[S2P1].family != 0 || m[S2P2].family != 0))
    return TURN_CONNECT_BEHAVIOUR_INDEPENDENT;
  return TURN_CONNECT_BEHAVIOUR_UNKNOWN;
}

static void
gather_sockets (const TurnConnectObservations *observations,
                const TurnConnectFamilyVerdict *family,
                Sockets *sockets)
{
  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);
    Socket *socket;

    if (!is_of (probe, TURN_CONNECT_PROBE_MAPPING, family) ||
        !turn_connect_classify_counts (observations, probe))
      continue;
    socket = find_socket (sockets, probe->group);
    for (guint asked = 0; socket != NULL && asked < N_ASKED; asked++) {
      if (g_strcmp0 (probe->variant, asked_words[asked]) == 0)
        socket->mapped[asked] = probe->mapped;
    }
  }
}

/* Returns how many sockets speak for the mapping that is found. */
static guint
judge_mapping (const TurnConnectObservations *observations,
               TurnConnectVerdict *verdict,
               TurnConnectFamilyVerdict *family)
{
  Sockets sockets = { .n = 0 };
  guint votes[TURN_CONNECT_BEHAVIOUR_ADDRESS_AND_PORT + 1] = { 0 }, n_votes = 0, best = 0;

  gather_sockets (observations, family, &sockets);
  for (guint i = 0; i < sockets.n; i++)
    votes[judge_socket (&sockets.sockets[i])]++;
  for (guint i = 1; i < G_N_ELEMENTS (votes); i++) {
    n_votes += votes[i];
    if (votes[i] > votes[best] || best == 0)
      best = i;
  }
  if (n_votes > 0 && 2 * votes[best] > n_votes)
    family->mapping = (TurnConnectBehaviour)best;
  else if (n_votes > 0)
    turn_connect_classify_say (verdict, "IPv%u: sockets disagree on how the NAT maps addresses",
                               family->family);
  if (votes[best] < n_votes)
    family->nat_confidence = TURN_CONNECT_CONFIDENCE_PROBABLE;
  return family->mapping != TURN_CONNECT_BEHAVIOUR_UNKNOWN ? votes[best] : 0;
}

static void
judge_translation (const TurnConnectObservations *observations, TurnConnectFamilyVerdict *family)
{
  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->family != family->family || probe->carry != TURN_CONNECT_CARRY_UDP ||
        probe->via != NULL || !turn_connect_classify_counts (observations, probe) ||
        probe->mapped.family == 0 || probe->local.family == 0)
      continue;
    if (!stun_ext_address_equal (&probe->mapped, &probe->local))
      family->translated = TURN_CONNECT_TELL_YES;
    else if (family->translated == TURN_CONNECT_TELL_UNKNOWN)
      family->translated = TURN_CONNECT_TELL_NO;
  }
}

/* Several public addresses show themselves by one socket that has two of them, or by two sockets that
 * have one each. */
static void
judge_pool (const TurnConnectObservations *observations, TurnConnectFamilyVerdict *family)
{
  const StunExtAddress *first = NULL;
  guint n_sockets = 0;

  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if ((!is_of (probe, TURN_CONNECT_PROBE_MAPPING, family) &&
         !is_of (probe, TURN_CONNECT_PROBE_STUN, family)) ||
        probe->via != NULL || probe->mapped.family == 0 ||
        !turn_connect_classify_counts (observations, probe))
      continue;
    if (first == NULL)
      first = &probe->mapped;
    else if (!stun_ext_address_equal_host (first, &probe->mapped))
      family->is_pool = TURN_CONNECT_TELL_YES;
    n_sockets += probe->kind == TURN_CONNECT_PROBE_STUN || g_strcmp0 (probe->variant, "s1p1") == 0;
  }
  if (family->translated == TURN_CONNECT_TELL_NO ||
      (family->is_pool == TURN_CONNECT_TELL_UNKNOWN && n_sockets >= POOL_SOCKETS))
    family->is_pool = TURN_CONNECT_TELL_NO;
}

/* Filtering */

typedef struct {
  gboolean is_asked;
  gboolean is_heard;   /* unsolicited, from the address asked for */
  gboolean is_silent;  /* asked to its end */
  gboolean is_audible; /* heard once it had been sent to */
} Heard;

static void
note_filtering (const TurnConnectObservations *observations,
                const TurnConnectProbe *probe,
                Heard *heard)
{
  gboolean counts = turn_connect_classify_counts (observations, probe);

  if (probe->kind == TURN_CONNECT_PROBE_FILTERING_CONTROL) {
    heard->is_audible |= counts;
    return;
  }
  heard->is_asked = TRUE;
  heard->is_heard |= counts;
  heard->is_silent |= probe->outcome == TURN_CONNECT_OUTCOME_SILENCE;
}

/* Whom the questions about filtering went to. */
static const StunExtAddress *
find_asked (const TurnConnectObservations *observations, const TurnConnectFamilyVerdict *family)
{
  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (is_of (probe, TURN_CONNECT_PROBE_FILTERING, family))
      return &probe->target;
  }
  return NULL;
}

/* Behind a symmetric NAT, or one that changes addresses, the question after the opening comes from
 * another address than the opening did, and its answer is held back as the first was. Then the
 * answer to the opening has to do: from our own far end, which does what CHANGE-REQUEST says. */
static void
note_opening (const TurnConnectObservations *observations,
              const TurnConnectFamilyVerdict *family,
              const TurnConnectProbe *probe,
              Heard *both,
              Heard *port)
{
  const StunExtAddress *asked = find_asked (observations, family);

  if (asked == NULL || probe->kind != TURN_CONNECT_PROBE_FILTERING_CONTROL ||
      probe->outcome != TURN_CONNECT_OUTCOME_PROOF)
    return;
  if (stun_ext_address_equal_host (asked, &probe->target))
    port->is_audible = TRUE;
  else
    both->is_audible = TRUE;
}

static void
judge_filtering (const TurnConnectObservations *observations,
                 TurnConnectVerdict *verdict,
                 TurnConnectFamilyVerdict *family)
{
  Heard both = { FALSE }, port = { FALSE };
  gboolean other_is_silent, port_is_silent;

  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (!is_of (probe, TURN_CONNECT_PROBE_FILTERING, family) &&
        !is_of (probe, TURN_CONNECT_PROBE_FILTERING_CONTROL, family))
      continue;
    if (g_strcmp0 (probe->variant, "change-ip-port") == 0)
      note_filtering (observations, probe, &both);
    else if (g_strcmp0 (probe->variant, "change-port") == 0)
      note_filtering (observations, probe, &port);
    else if (g_strcmp0 (probe->variant, "opening") == 0)
      note_opening (observations, family, probe, &both, &port);
  }
  other_is_silent = both.is_silent && !both.is_heard && both.is_audible;
  port_is_silent = port.is_silent && !port.is_heard && port.is_audible;
  if (both.is_heard)
    family->filtering = TURN_CONNECT_BEHAVIOUR_INDEPENDENT;
  else if (port_is_silent && (other_is_silent || !both.is_asked))
    family->filtering = TURN_CONNECT_BEHAVIOUR_ADDRESS_AND_PORT;
  else if (other_is_silent && port.is_heard)
    family->filtering = TURN_CONNECT_BEHAVIOUR_ADDRESS;
  else if ((both.is_silent && !both.is_audible) || (port.is_silent && !port.is_audible))
    turn_connect_classify_say (
        verdict,
        "IPv%u: filtering is not determined: the other address was not heard "
        "even after it had been sent to",
        family->family);
}

gint
turn_connect_classify_cone (const TurnConnectFamilyVerdict *family)
{
  if (family->translated == TURN_CONNECT_TELL_NO)
    return 0;
  if (family->translated == TURN_CONNECT_TELL_UNKNOWN ||
      family->mapping == TURN_CONNECT_BEHAVIOUR_UNKNOWN)
    return TURN_CONNECT_TYPE_UNKNOWN;
  if (family->mapping != TURN_CONNECT_BEHAVIOUR_INDEPENDENT)
    return 4;
  return family->filtering == TURN_CONNECT_BEHAVIOUR_UNKNOWN ? TURN_CONNECT_TYPE_UNKNOWN
                                                             : (gint)family->filtering;
}
G_STATIC_ASSERT (TURN_CONNECT_BEHAVIOUR_INDEPENDENT == 1);
G_STATIC_ASSERT (TURN_CONNECT_BEHAVIOUR_ADDRESS_AND_PORT == 3);

void
turn_connect_classify_nat (const TurnConnectObservations *observations,
                           TurnConnectVerdict *verdict,
                           TurnConnectFamilyVerdict *family)
{
  guint n_sockets;

  judge_translation (observations, family);
  judge_pool (observations, family);
  n_sockets = judge_mapping (observations, verdict, family);
  judge_filtering (observations, verdict, family);
  if (family->translated == TURN_CONNECT_TELL_UNKNOWN)
    return;
  if (family->nat_confidence == TURN_CONNECT_CONFIDENCE_NOT_DETERMINED) {
    gboolean is_repeated = family->translated == TURN_CONNECT_TELL_NO || n_sockets >= 2;

    family->nat_confidence = observations->is_far_end && is_repeated
                                 ? TURN_CONNECT_CONFIDENCE_CONFIRMED
                                 : TURN_CONNECT_CONFIDENCE_PROBABLE;
  }
  if (family->is_pool == TURN_CONNECT_TELL_YES)
    turn_connect_classify_say (verdict,
                               "IPv%u: the NAT has several public addresses and changes between "
                               "them; mapping is judged by the ports",
                               family->family);
  if (family->translated == TURN_CONNECT_TELL_YES &&
      family->mapping == TURN_CONNECT_BEHAVIOUR_UNKNOWN)
    turn_connect_classify_say (verdict,
                               "IPv%u: how the NAT maps addresses is not determined: that takes a "
                               "far end with two addresses and two ports%s",
                               family->family,
                               observations->has_second_address ? ", both of which answer" : "");
  if (family->translated == TURN_CONNECT_TELL_YES && observations->is_far_end &&
      family->filtering == TURN_CONNECT_BEHAVIOUR_UNKNOWN && !observations->has_second_address)
    turn_connect_classify_say (verdict,
                               "IPv%u: whom the NAT lets answer is not determined: the far end has "
                               "one address, and that takes two",
                               family->family);
}
