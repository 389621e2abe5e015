/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whatever a far end says of a run changes nothing of what was seen here, and can be judged and kept. */
#include <string.h>

#include "fuzz.h"
#include "turn-connect/detect/far-record.h"
#include "turn-connect/detect/record.h"

#define PROBES 12

static TurnConnectObservations *
observe (void)
{
  static const TurnConnectProbeKind kinds[] = { TURN_CONNECT_PROBE_PAYLOAD, TURN_CONNECT_PROBE_STUN,
                                                TURN_CONNECT_PROBE_PORT,
                                                TURN_CONNECT_PROBE_METHOD };
  static const TurnConnectOutcome outcomes[] = { TURN_CONNECT_OUTCOME_PROOF,
                                                 TURN_CONNECT_OUTCOME_CONNECTED,
                                                 TURN_CONNECT_OUTCOME_RESET };
  TurnConnectObservations *observations = turn_connect_observations_new ();

  observations->is_far_end = TRUE;
  for (guint i = 0; i < PROBES; i++) {
    TurnConnectProbe *probe =
        turn_connect_observations_add (observations, kinds[i % G_N_ELEMENTS (kinds)], "printable");

    probe->carry =
        probe->kind == TURN_CONNECT_PROBE_STUN ? TURN_CONNECT_CARRY_UDP : TURN_CONNECT_CARRY_TCP;
    probe->outcome = outcomes[i % G_N_ELEMENTS (outcomes)];
    stun_ext_address_parse ("192.0.2.1:443", &probe->target);
    stun_ext_address_parse ("192.168.1.2:5060", &probe->local);
    probe->family = 4;
    probe->connect_us = 1000;
    if (i % 2 == 0)
      turn_connect_probe_set_fact (probe, "sent-sha256", "ab");
  }
  return observations;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  g_autoptr (TurnConnectObservations) observations = observe (), before = observe (), again = NULL;
  g_autoptr (TurnConnectVerdict) verdict = NULL;
  g_autofree char *text = NULL;

  turn_connect_far_record_note (observations, (const char *)data, length);
  for (guint i = 0; i < PROBES; i++) {
    const TurnConnectProbe *one = g_ptr_array_index (observations->probes, i);
    const TurnConnectProbe *other = g_ptr_array_index (before->probes, i);

    g_assert_cmpint (one->outcome, ==, other->outcome);
    g_assert_cmpint (one->proof, ==, other->proof);
    g_assert_true ((guint)one->far_saw < TURN_CONNECT_N_FAR_SAWS);
    if (one->kind == TURN_CONNECT_PROBE_METHOD)
      g_assert_cmpint (one->far_saw, ==, TURN_CONNECT_FAR_SAW_UNKNOWN);
  }
  verdict = turn_connect_classify (observations);
  text = turn_connect_record_write (observations, verdict, FALSE);
  again = turn_connect_record_read (text, strlen (text), NULL);
  g_assert_nonnull (again);
  return 0;
}
