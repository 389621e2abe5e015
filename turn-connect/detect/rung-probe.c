/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is noted of a silence is the same whatever was silent, so that it is judged alike.
 */
#include "turn-connect/detect/rung-probe.h"

TurnConnectProbe *
turn_connect_rung_probe_begin (TurnConnectRun *run,
                               const char *variant,
                               TurnConnectCarry carry,
                               const StunExtAddress *target,
                               guint idle_s,
                               gint64 longest_us)
{
  TurnConnectProbe *probe =
      turn_connect_run_begin (run, TURN_CONNECT_PROBE_LIFETIME, variant, carry, target);
  g_autofree char *text = g_strdup_printf ("%u", idle_s);

  probe->deadline_us += longest_us;
  turn_connect_probe_set_fact (probe, "idle_s", text);
  return probe;
}

/* How a connection ended, where that is known. */
static TurnConnectOutcome
get_end (const TurnConnectProbe *probe)
{
  return g_strcmp0 (turn_connect_probe_get_fact (probe, "ended"), "reset") == 0
             ? TURN_CONNECT_OUTCOME_RESET
             : TURN_CONNECT_OUTCOME_CLOSED;
}

void
turn_connect_rung_probe_end (TurnConnectRun *run,
                             TurnConnectProbe *probe,
                             TurnConnectRungResult result,
                             TurnConnectOutcome answered,
                             const char *detail)
{
  TurnConnectOutcome outcome = TURN_CONNECT_OUTCOME_FAILED;

  switch (result) {
  case TURN_CONNECT_RUNG_KEPT:
    outcome = answered;
    break;
  case TURN_CONNECT_RUNG_FORGOTTEN:
    turn_connect_probe_set_fact (probe, "control", "answered");
    outcome = TURN_CONNECT_OUTCOME_SILENCE;
    break;
  case TURN_CONNECT_RUNG_UNCONTROLLED:
    turn_connect_probe_set_fact (probe, "control", "silence");
    break;
  case TURN_CONNECT_RUNG_ENDED:
    outcome = get_end (probe);
    break;
  case TURN_CONNECT_RUNG_REFUSED:
    outcome = TURN_CONNECT_OUTCOME_UNSUPPORTED;
    break;
  default:
    break;
  }
  if (detail != NULL && probe->detail == NULL)
    probe->detail = g_strdup (detail);
  turn_connect_run_end (run, probe, outcome);
}
