/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The methods that work, each for a quarter of a minute: a second tells whether packets pass, and not
 * whether one would want to listen. The best of each kind go side by side, so that what is held
 * against UDP alone shows; and nothing else is sent meanwhile.
 */
#include "turn-connect/detect/classifier.h"
#include "turn-connect/detect/trial-private.h"

#define LISTEN_MS 15000
#define PACKETS (LISTEN_MS / TURN_CONNECT_TRIAL_EVERY_MS)
#define METHODS_MAX 3 /* of 90 kbit/s each way, which any link that carries calls has */

typedef struct {
  TurnConnectRun *run;
  GPtrArray *trials; /* TurnConnectTrial */
  guint n_pending;
} QualityProbe;

static void
trial_ended (gpointer data)
{
  QualityProbe *self = data;

  if (--self->n_pending == 0)
    turn_connect_run_done (self->run, TURN_CONNECT_FAMILY_QUALITY);
}

static void
add_method (QualityProbe *self, const char *name)
{
  gpointer way_data;
  const TurnConnectTrialWay *way =
      turn_connect_method_find_way (turn_connect_run_get_plan (self->run), name, &way_data);
  TurnConnectTrial *trial;

  if (way == NULL || g_str_has_prefix (name, "sip-")) /* that carries no media to listen to */
    return;
  for (guint i = 0; i < self->trials->len; i++) {
    const TurnConnectTrialWay *other =
        turn_connect_trial_get_way (g_ptr_array_index (self->trials, i));

    if (other->carry == way->carry && other->is_proxied == way->is_proxied)
      return;
  }
  self->n_pending++;
  trial = turn_connect_trial_new (self->run, way, way_data, PACKETS, NULL, trial_ended, self);
  turn_connect_trial_get_probe (trial)->round = 1;
  g_ptr_array_add (self->trials, trial);
}

gpointer
turn_connect_quality_probe_start (TurnConnectRun *run)
{
  g_autoptr (TurnConnectVerdict) verdict = NULL;
  QualityProbe *self;

  if (!turn_connect_run_get_plan (run)->is_deep)
    return NULL;
  self = g_new0 (QualityProbe, 1);
  self->run = run;
  self->trials = g_ptr_array_new_with_free_func ((GDestroyNotify)turn_connect_trial_free);
  verdict = turn_connect_classify (turn_connect_run_get_observations (run));
  for (guint i = 0; i < verdict->methods->len && self->trials->len < METHODS_MAX; i++) {
    const TurnConnectMethod *method = &g_array_index (verdict->methods, TurnConnectMethod, i);

    if (method->works == TURN_CONNECT_TELL_YES)
      add_method (self, method->name);
  }
  if (self->n_pending > 0) {
    turn_connect_run_say (run, "listening to %u methods for %d s", self->n_pending,
                          LISTEN_MS / 1000);
    return self;
  }
  turn_connect_quality_probe_stop (self);
  return NULL;
}

void
turn_connect_quality_probe_stop (gpointer state)
{
  QualityProbe *self = state;

  g_ptr_array_unref (self->trials);
  g_free (self);
}
