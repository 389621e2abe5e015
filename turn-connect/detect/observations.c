/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What probes write and what the classifier reads, kept apart from both, so that a run of yesterday
 * in somebody else's network can be judged again.
 */
#include "turn-connect/detect/observations.h"

static const char *const kinds[] = {
  "stun",    "port",    "decoy",  "filtering", "filtering-control",
  "mapping", "payload", "proxy",  "portal",    "name",
  "gateway", "tls",     "record", "method",    "lifetime",
  "mtu",     "hop",
};
static const char *const outcomes[] = {
  "pending", "proof",       "answer",    "altered", "wrong-answer", "wrong-source",
  "denied",  "unsupported", "connected", "silence", "refused",      "unreachable",
  "reset",   "closed",      "failed",    "skipped", "cancelled",
};
static const char *const carries[] = { "none", "udp", "tcp", "tls" };
static const char *const proofs[] = { "none", "unkeyed", "keyed" };
static const char *const far_saws[] = { "unknown", "nothing", "connection", "all", "other" };

G_STATIC_ASSERT (G_N_ELEMENTS (kinds) == TURN_CONNECT_N_PROBE_KINDS);
G_STATIC_ASSERT (G_N_ELEMENTS (outcomes) == TURN_CONNECT_N_OUTCOMES);
G_STATIC_ASSERT (G_N_ELEMENTS (carries) == TURN_CONNECT_N_CARRIES);
G_STATIC_ASSERT (G_N_ELEMENTS (proofs) == TURN_CONNECT_N_PROOFS);
G_STATIC_ASSERT (G_N_ELEMENTS (far_saws) == TURN_CONNECT_N_FAR_SAWS);

#define WORD(words, number) ((guint)(number) < G_N_ELEMENTS (words) ? words[number] : "unknown")

const char *
turn_connect_probe_kind_to_string (TurnConnectProbeKind kind)
{
  return WORD (kinds, kind);
}

const char *
turn_connect_outcome_to_string (TurnConnectOutcome outcome)
{
  return WORD (outcomes, outcome);
}

const char *
turn_connect_carry_to_string (TurnConnectCarry carry)
{
  return WORD (carries, carry);
}

const char *
turn_connect_proof_to_string (TurnConnectProof proof)
{
  return WORD (proofs, proof);
}

const char *
turn_connect_far_saw_to_string (TurnConnectFarSaw far_saw)
{
  return WORD (far_saws, far_saw);
}

static void
probe_free (gpointer data)
{
  TurnConnectProbe *probe = data;

  g_free (probe->variant);
  g_free (probe->via);
  g_free (probe->detail);
  g_clear_pointer (&probe->facts, g_hash_table_unref);
  g_free (probe);
}

TurnConnectObservations *
turn_connect_observations_new (void)
{
  TurnConnectObservations *observations = g_new0 (TurnConnectObservations, 1);

  observations->locals = g_array_new (FALSE, TRUE, sizeof (StunExtAddress));
  observations->servers = g_array_new (FALSE, TRUE, sizeof (StunExtAddress));
  observations->listeners = g_array_new (FALSE, TRUE, sizeof (TurnConnectListener));
  observations->facts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  observations->probes = g_ptr_array_new_with_free_func (probe_free);
  return observations;
}

void
turn_connect_observations_free (TurnConnectObservations *observations)
{
  if (observations == NULL)
    return;
  g_free (observations->host);
  g_free (observations->began);
  g_free (observations->interface);
  g_free (observations->software);
  g_free (observations->resolve_error);
  g_array_unref (observations->locals);
  g_array_unref (observations->servers);
  g_array_unref (observations->listeners);
  g_hash_table_unref (observations->facts);
  g_ptr_array_unref (observations->probes);
  g_free (observations);
}

TurnConnectProbe *
turn_connect_observations_add (TurnConnectObservations *observations,
                               TurnConnectProbeKind kind,
                               const char *variant)
{
  TurnConnectProbe *probe = g_new0 (TurnConnectProbe, 1);

  probe->kind = kind;
  probe->variant = g_strdup (variant);
  probe->end_us = -1;
  probe->connect_us = -1;
  probe->rtt_us = -1;
  g_ptr_array_add (observations->probes, probe);
  return probe;
}

void
turn_connect_probe_set_fact (TurnConnectProbe *probe, const char *key, const char *value)
{
  if (probe->facts == NULL)
    probe->facts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  if (value != NULL)
    g_hash_table_insert (probe->facts, g_strdup (key), g_strdup (value));
  else
    g_hash_table_remove (probe->facts, key);
}

const char *
turn_connect_probe_get_fact (const TurnConnectProbe *probe, const char *key)
{
  return probe->facts != NULL ? g_hash_table_lookup (probe->facts, key) : NULL;
}

gboolean
turn_connect_probe_passed (const TurnConnectProbe *probe)
{
  return probe->outcome == TURN_CONNECT_OUTCOME_PROOF ||
         probe->outcome == TURN_CONNECT_OUTCOME_ANSWER;
}
