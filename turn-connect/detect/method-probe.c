/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All methods at once: none of them takes more than a telephone call does, and whoever waits for the
 * verdict waits for the slowest alone. They begin as soon as a round trip is known, which their
 * deadlines are made of, or where nothing answers soon.
 */
#include "turn-connect/detect/trial-private.h"

#define WAIT_US 500000 /* for a first answer, before it is done without */

typedef struct {
  TurnConnectRun *run;
  GPtrArray *trials; /* TurnConnectTrial */
  guint n_pending;
} MethodProbe;

gboolean
turn_connect_method_probe_is_ready (TurnConnectRun *run)
{
  return turn_connect_run_get_rtt (run, 4) >= 0 || turn_connect_run_get_rtt (run, 6) >= 0 ||
         turn_connect_run_get_now (run) >= WAIT_US;
}

static void
trial_ended (gpointer data)
{
  MethodProbe *self = data;

  if (--self->n_pending == 0)
    turn_connect_run_done (self->run, TURN_CONNECT_FAMILY_METHOD);
}

static void
add_trial (MethodProbe *self, const TurnConnectTrialWay *way, gpointer way_data)
{
  self->n_pending++;
  g_ptr_array_add (self->trials,
                   turn_connect_trial_new (self->run, way, way_data, trial_ended, self));
}

gpointer
turn_connect_method_probe_start (TurnConnectRun *run)
{
  const TurnConnectPlan *plan = turn_connect_run_get_plan (run);
  MethodProbe *self = g_new0 (MethodProbe, 1);

  self->run = run;
  self->trials = g_ptr_array_new_with_free_func ((GDestroyNotify)turn_connect_trial_free);
  add_trial (self, &turn_connect_method_direct, NULL);
  for (guint i = 0; i < turn_connect_n_methods_turn; i++)
    add_trial (self, &turn_connect_methods_turn[i], NULL);
  for (guint i = 0; plan->ways != NULL && i < plan->ways->len; i++) {
    const TurnConnectPlannedWay *planned = &g_array_index (plan->ways, TurnConnectPlannedWay, i);

    add_trial (self, &planned->way, planned->data);
  }
  return self;
}

void
turn_connect_method_probe_stop (gpointer state)
{
  MethodProbe *self = state;

  g_ptr_array_unref (self->trials);
  g_free (self);
}
