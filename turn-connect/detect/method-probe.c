/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All methods at once: none of them takes more than a telephone call does, and whoever waits for the
 * verdict waits for the slowest alone. They begin as soon as a round trip is known, which their
 * deadlines are made of, or where nothing answers soon. Who wants the first that works has the others
 * ended when it does.
 */
#include "turn-connect/detect/attempts.h"
#include "turn-connect/detect/first-method.h"

#include <string.h>

#define WAIT_US 500000 /* for a first answer, before it is done without */

typedef struct _MethodProbe MethodProbe;

typedef struct {
  MethodProbe *self;
  const TurnConnectTrialWay *way;
  gpointer way_data;
  TurnConnectAttempts *attempts;
  gboolean is_new; /* it works, and nobody was told */
} Method;

struct _MethodProbe {
  TurnConnectRun *run;
  GPtrArray *methods; /* Method, best first */
  guint n_pending;
  gboolean is_first_wanted;
  TurnConnectFirstMethod first;
  GSource *judging, *grace;
};

gboolean
turn_connect_method_probe_is_ready (TurnConnectRun *run)
{
  return turn_connect_run_get_rtt (run, 4) >= 0 || turn_connect_run_get_rtt (run, 6) >= 0 ||
         turn_connect_proxy_probe_is_tried (run) || turn_connect_run_get_now (run) >= WAIT_US;
}

static void
method_free (gpointer data)
{
  Method *method = data;

  g_clear_pointer (&method->attempts, turn_connect_attempts_free);
  g_free (method);
}

/* The first that works */

static void
end_method (Method *method, const char *why)
{
  turn_connect_attempts_end (method->attempts, TURN_CONNECT_OUTCOME_CANCELLED, why);
}

/* What is not wanted any more ends; so does all, when nothing better can come. Trials are never
 * ended while they call. */
static gboolean
judge (gpointer data)
{
  MethodProbe *self = data;
  gboolean is_over = turn_connect_first_method_is_over (&self->first, g_get_monotonic_time ());

  turn_connect_run_clear_source (&self->judging);
  for (guint i = 0; i < self->methods->len; i++) {
    Method *method = g_ptr_array_index (self->methods, i);

    if (method->is_new && (gint)i == self->first.best)
      turn_connect_run_tell_works (self->run, turn_connect_attempts_get_probe (method->attempts));
    method->is_new = FALSE;
  }
  for (guint i = 0; i < self->methods->len; i++) {
    Method *method = g_ptr_array_index (self->methods, i);

    if ((gint)i == self->first.best) {
      if (is_over)
        end_method (method, NULL); /* as far as it got */
    } else if (is_over || !turn_connect_first_method_is_wanted (&self->first, i))
      end_method (method, "another method works already");
  }
  return G_SOURCE_REMOVE;
}

static void
judge_soon (MethodProbe *self)
{
  if (self->is_first_wanted && self->judging == NULL)
    self->judging = turn_connect_run_add_timer (self->run, 0, judge, self);
}

static guint
place_of (Method *method)
{
  guint place = 0;

  g_ptr_array_find (method->self->methods, method, &place);
  return place;
}

static void
trial_works (gpointer data)
{
  Method *method = data;
  MethodProbe *self = method->self;

  if (!self->is_first_wanted ||
      !turn_connect_first_method_works (&self->first, place_of (method), g_get_monotonic_time ()))
    return;
  method->is_new = TRUE;
  if (self->grace == NULL)
    self->grace = turn_connect_run_add_timer (self->run, self->first.grace_us, judge, self);
  judge_soon (self);
}

static void
trial_ended (gpointer data)
{
  Method *method = data;
  MethodProbe *self = method->self;

  turn_connect_first_method_ended (&self->first, place_of (method));
  judge_soon (self);
  if (--self->n_pending == 0)
    turn_connect_run_done (self->run, TURN_CONNECT_FAMILY_METHOD);
}

/* All of them */

const TurnConnectTrialWay *
turn_connect_method_find_way (const TurnConnectPlan *plan, const char *name, gpointer *way_data)
{
  *way_data = NULL;
  if (strcmp (turn_connect_method_direct.name, name) == 0)
    return &turn_connect_method_direct;
  for (guint i = 0; i < turn_connect_n_methods_turn; i++) {
    if (strcmp (turn_connect_methods_turn[i].name, name) == 0)
      return &turn_connect_methods_turn[i];
  }
  for (guint i = 0; i < turn_connect_n_methods_sip; i++) {
    if (strcmp (turn_connect_methods_sip[i].name, name) == 0)
      return &turn_connect_methods_sip[i];
  }
  for (guint i = 0; plan->ways != NULL && i < plan->ways->len; i++) {
    const TurnConnectPlannedWay *planned = &g_array_index (plan->ways, TurnConnectPlannedWay, i);

    *way_data = planned->data;
    if (strcmp (planned->way.name, name) == 0)
      return &planned->way;
  }
  return NULL;
}

/* Where a method stands in the order asked for; -1: it was not asked for. */
static gint
find_wanted (const TurnConnectPlan *plan, const char *name)
{
  for (gint i = 0; plan->methods[i] != NULL; i++) {
    if (g_str_equal (plan->methods[i], name))
      return i;
  }
  return -1;
}

static void
add_method (MethodProbe *self, const TurnConnectTrialWay *way, gpointer way_data)
{
  const TurnConnectPlan *plan = turn_connect_run_get_plan (self->run);
  Method *method;

  if (plan->methods != NULL && find_wanted (plan, way->name) < 0)
    return;
  method = g_new0 (Method, 1);
  method->self = self;
  method->way = way;
  method->way_data = way_data;
  g_ptr_array_add (self->methods, method);
}

static int
compare_methods (gconstpointer a, gconstpointer b, gpointer data)
{
  const Method *one = *(const Method *const *)a;
  const Method *other = *(const Method *const *)b;

  return find_wanted (data, one->way->name) - find_wanted (data, other->way->name);
}

static void
add_methods (MethodProbe *self)
{
  const TurnConnectPlan *plan = turn_connect_run_get_plan (self->run);

  add_method (self, &turn_connect_method_direct, NULL);
  for (guint i = 0; i < turn_connect_n_methods_turn; i++)
    add_method (self, &turn_connect_methods_turn[i], NULL);
  for (guint i = 0; i < turn_connect_n_methods_sip; i++)
    add_method (self, &turn_connect_methods_sip[i], NULL);
  for (guint i = 0; plan->ways != NULL && i < plan->ways->len; i++) {
    const TurnConnectPlannedWay *planned = &g_array_index (plan->ways, TurnConnectPlannedWay, i);

    add_method (self, &planned->way, planned->data);
  }
  if (plan->methods != NULL)
    g_ptr_array_sort_with_data (self->methods, compare_methods, (gpointer)plan);
}

gpointer
turn_connect_method_probe_start (TurnConnectRun *run)
{
  const TurnConnectPlan *plan = turn_connect_run_get_plan (run);
  MethodProbe *self = g_new0 (MethodProbe, 1);

  self->run = run;
  self->methods = g_ptr_array_new_with_free_func (method_free);
  add_methods (self);
  if (self->methods->len == 0) {
    turn_connect_method_probe_stop (self);
    return NULL;
  }
  self->is_first_wanted =
      plan->is_first_wanted && self->methods->len <= TURN_CONNECT_FIRST_METHODS_MAX;
  turn_connect_first_method_init (&self->first, self->methods->len, plan->grace_us);
  self->n_pending = self->methods->len;
  for (guint i = 0; i < self->methods->len; i++) {
    Method *method = g_ptr_array_index (self->methods, i);

    method->attempts = turn_connect_attempts_new (run, method->way, method->way_data, trial_works,
                                                  trial_ended, method);
  }
  return self;
}

void
turn_connect_method_probe_stop (gpointer state)
{
  MethodProbe *self = state;

  turn_connect_run_clear_source (&self->judging);
  turn_connect_run_clear_source (&self->grace);
  g_ptr_array_unref (self->methods);
  g_free (self);
}
