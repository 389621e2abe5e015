/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a verdict is worth that rests on answers which anybody could have made who knows the far end's
 * protocol: such a one is never confirmed, and it is said why.
 */
#include "turn-connect/detect/classify-private.h"

#include <string.h>

typedef struct {
  guint n_keyed, n_unkeyed;
  guint n_forged;  /* claimed to be the far end's, which knows the password */
  guint n_refused; /* said that the password is not the user's */
} Proofs;

static Proofs
count (const TurnConnectObservations *observations)
{
  Proofs proofs = { 0 };

  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    proofs.n_keyed += probe->proof == TURN_CONNECT_PROOF_KEYED;
    proofs.n_unkeyed += probe->proof == TURN_CONNECT_PROOF_UNKEYED;
    proofs.n_forged += turn_connect_probe_get_fact (probe, "proof") != NULL;
    proofs.n_refused += turn_connect_probe_get_fact (probe, "credentials") != NULL;
  }
  return proofs;
}

static gboolean
is_short (const TurnConnectObservations *observations)
{
  return g_strcmp0 (g_hash_table_lookup (observations->facts, "password"), "short") == 0;
}

static void
explain (const TurnConnectObservations *observations,
         TurnConnectVerdict *verdict,
         const Proofs *proofs)
{
  if (is_short (observations))
    turn_connect_classify_say (
        verdict,
        "the password has fewer than 16 octets, and a listener could search for it: it was used "
        "inside TLS alone; %u answers are proven with it, %u without",
        proofs->n_keyed, proofs->n_unkeyed);
  else if (proofs->n_keyed == 0 && proofs->n_refused > 0)
    turn_connect_classify_say (verdict, "the far end does not know this user and password: no "
                                        "answer is proven with it");
  else if (proofs->n_keyed == 0 && proofs->n_unkeyed > 0)
    turn_connect_classify_say (
        verdict,
        "none of %u answers is proven with a password: who knows the far end's protocol could have "
        "made them on the way (--credentials)",
        proofs->n_unkeyed);
  if (proofs->n_forged > 0)
    turn_connect_classify_say (verdict,
                               "%u answers are not proven with the password, though the far end "
                               "knows it: somebody answers "
                               "in its place",
                               proofs->n_forged);
}

/* What NAT and ports are judged by. */
static gboolean
is_evidence (const TurnConnectProbe *probe, guint8 family)
{
  return probe->family == family && probe->via == NULL &&
         (probe->kind == TURN_CONNECT_PROBE_STUN || probe->kind == TURN_CONNECT_PROBE_PORT ||
          probe->kind == TURN_CONNECT_PROBE_MAPPING ||
          probe->kind == TURN_CONNECT_PROBE_FILTERING ||
          probe->kind == TURN_CONNECT_PROBE_FILTERING_CONTROL ||
          /* Where it listens; whose certificate was verified is who he is. */
          (probe->kind == TURN_CONNECT_PROBE_RECORD && probe->carry == TURN_CONNECT_CARRY_TCP));
}

gboolean
turn_connect_classify_is_proxy_proven (const TurnConnectObservations *observations)
{
  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);
    gboolean is_certified =
        probe->carry == TURN_CONNECT_CARRY_TLS &&
        (probe->kind == TURN_CONNECT_PROBE_RECORD || probe->kind == TURN_CONNECT_PROBE_METHOD);

    if (probe->via != NULL && turn_connect_probe_passed (probe) &&
        (probe->proof == TURN_CONNECT_PROOF_KEYED || is_certified))
      return TRUE;
  }
  return FALSE;
}

/* What inspection is judged by: what passed at the port of what did not, and what the far end says of
 * both; whose certificate was verified is who he is. */
static gboolean
tells_of_content (const TurnConnectProbe *probe, const TurnConnectProbe *held)
{
  if (probe->kind == TURN_CONNECT_PROBE_RECORD)
    return g_strcmp0 (probe->variant, "record") == 0 && probe->carry != TURN_CONNECT_CARRY_TLS;
  return probe->kind == TURN_CONNECT_PROBE_PAYLOAD && probe->via == NULL &&
         (probe->carry == TURN_CONNECT_CARRY_UDP) == (held->carry == TURN_CONNECT_CARRY_UDP) &&
         stun_ext_address_equal (&probe->target, &held->target);
}

static void
cap (TurnConnectConfidence *confidence)
{
  *confidence = MIN (*confidence, TURN_CONNECT_CONFIDENCE_PROBABLE);
}

void
turn_connect_classify_proof (const TurnConnectObservations *observations,
                             TurnConnectVerdict *verdict)
{
  const Proofs proofs = count (observations);
  TurnConnectInspection *inspection = &verdict->inspection;
  const TurnConnectProbe *held =
      inspection->probe >= 0 ? g_ptr_array_index (observations->probes, inspection->probe) : NULL;

  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    for (guint j = 0; j < G_N_ELEMENTS (verdict->families); j++) {
      TurnConnectFamilyVerdict *family = &verdict->families[j];

      if (probe->proof != TURN_CONNECT_PROOF_UNKEYED || !is_evidence (probe, family->family))
        continue;
      cap (&family->confidence);
      cap (&family->nat_confidence);
    }
    if (held != NULL && probe->proof == TURN_CONNECT_PROOF_UNKEYED &&
        (probe == held || tells_of_content (probe, held)))
      cap (&inspection->confidence);
  }
  if (proofs.n_keyed == 0 && proofs.n_unkeyed > 0)
    cap (&inspection->confidence);
  explain (observations, verdict, &proofs);
}
