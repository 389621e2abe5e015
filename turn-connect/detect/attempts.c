/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A method that does not stand soon is tried beside that once more, and then again: the kernel repeats
 * the first packet of TCP only after a second, and two packets that got lost must not make a method
 * that works one that fails. The first attempt has the longest time, and its end is everybody's
 * who does not stand by then.
 */
#include "turn-connect/detect/attempts.h"

#define JOIN_ROUND_TRIPS 8
static const gint64 joins_us[] = { 0, 500000, 1200000 };
#define TRIALS G_N_ELEMENTS (joins_us)

struct _TurnConnectAttempts {
  TurnConnectRun *run;
  const TurnConnectTrialWay *way;
  gpointer way_data;
  TurnConnectTrialWorksFunc works;
  TurnConnectTrialEndedFunc ended;
  gpointer user_data;
  TurnConnectTrial *trials[TRIALS];
  guint n_trials;
  GSource *join;
  gboolean does_work; /* told so */
  gboolean is_over;
};

static gboolean
is_at_work (const TurnConnectTrial *trial)
{
  return turn_connect_trial_get_stage (trial) != TURN_CONNECT_TRIAL_OVER;
}

static gboolean
has_passed (const TurnConnectTrial *trial)
{
  return !is_at_work (trial) && turn_connect_trial_count_returned (trial) > 0;
}

static void
drop_needless (TurnConnectAttempts *self)
{
  gboolean is_enough = FALSE;

  for (guint i = 0; i < self->n_trials; i++)
    is_enough = is_enough || has_passed (self->trials[i]);
  if (!is_enough && is_at_work (self->trials[0]))
    return;
  turn_connect_run_clear_source (&self->join);
  for (guint i = 0; i < self->n_trials; i++) {
    if (is_enough && is_at_work (self->trials[i]))
      turn_connect_trial_end (self->trials[i], TURN_CONNECT_OUTCOME_CANCELLED,
                              "another attempt at the same was sooner");
    else if (turn_connect_trial_get_stage (self->trials[i]) == TURN_CONNECT_TRIAL_SETTING_UP)
      turn_connect_trial_end (self->trials[i], TURN_CONNECT_OUTCOME_CANCELLED, NULL);
  }
}

static void
trial_ended (gpointer data)
{
  TurnConnectAttempts *self = data;

  if (self->is_over)
    return;
  drop_needless (self);
  for (guint i = 0; i < self->n_trials; i++) {
    if (is_at_work (self->trials[i]))
      return;
  }
  if (self->is_over) /* ending the others told so */
    return;
  self->is_over = TRUE;
  turn_connect_run_clear_source (&self->join);
  self->ended (self->user_data);
}

static void
trial_works (gpointer data)
{
  TurnConnectAttempts *self = data;

  turn_connect_run_clear_source (&self->join);
  if (self->does_work)
    return;
  self->does_work = TRUE;
  self->works (self->user_data);
}

/* Where nothing at all answers it is no loss that keeps the method from standing. */
static gboolean
may_join (const TurnConnectAttempts *self)
{
  for (guint i = 0; i < self->n_trials; i++) {
    if (turn_connect_trial_get_stage (self->trials[i]) != TURN_CONNECT_TRIAL_SETTING_UP)
      return FALSE;
  }
  return self->way->is_proxied || turn_connect_run_get_rtt (self->run, 4) >= 0 ||
         turn_connect_run_get_rtt (self->run, 6) >= 0;
}

static gboolean join (gpointer data);

static void
begin_trial (TurnConnectAttempts *self)
{
  guint n = self->n_trials;
  gint64 rtt_us, delay_us;

  self->trials[n] =
      turn_connect_trial_new (self->run, self->way, self->way_data, TURN_CONNECT_TRIAL_PACKETS,
                              trial_works, trial_ended, self);
  self->n_trials++;
  if (self->n_trials == TRIALS)
    return;
  rtt_us = MAX (turn_connect_run_get_rtt (self->run, 4), turn_connect_run_get_rtt (self->run, 6));
  delay_us = joins_us[n + 1] - joins_us[n] + JOIN_ROUND_TRIPS * MAX (rtt_us, 0);
  self->join = turn_connect_run_add_timer (self->run, delay_us, join, self);
}

static gboolean
join (gpointer data)
{
  TurnConnectAttempts *self = data;

  turn_connect_run_clear_source (&self->join);
  if (may_join (self))
    begin_trial (self);
  return G_SOURCE_REMOVE;
}

TurnConnectAttempts *
turn_connect_attempts_new (TurnConnectRun *run,
                           const TurnConnectTrialWay *way,
                           gpointer way_data,
                           TurnConnectTrialWorksFunc works,
                           TurnConnectTrialEndedFunc ended,
                           gpointer user_data)
{
  TurnConnectAttempts *self = g_new0 (TurnConnectAttempts, 1);

  self->run = run;
  self->way = way;
  self->way_data = way_data;
  self->works = works;
  self->ended = ended;
  self->user_data = user_data;
  begin_trial (self);
  return self;
}

void
turn_connect_attempts_end (TurnConnectAttempts *self,
                           TurnConnectOutcome outcome,
                           const char *detail)
{
  turn_connect_run_clear_source (&self->join);
  for (guint i = 0; i < self->n_trials; i++)
    turn_connect_trial_end (self->trials[i], outcome, detail);
}

TurnConnectProbe *
turn_connect_attempts_get_probe (const TurnConnectAttempts *self)
{
  for (guint i = 0; i < self->n_trials; i++) {
    if (turn_connect_trial_count_returned (self->trials[i]) > 0)
      return turn_connect_trial_get_probe (self->trials[i]);
  }
  return turn_connect_trial_get_probe (self->trials[0]);
}

void
turn_connect_attempts_free (TurnConnectAttempts *self)
{
  turn_connect_run_clear_source (&self->join);
  for (guint i = 0; i < self->n_trials; i++)
    turn_connect_trial_free (self->trials[i]);
  g_free (self);
}
