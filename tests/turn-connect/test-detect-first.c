/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first method that works: which one is taken, and that nothing else is waited for. */
#include "support.h"
#include "turn-connect/detect/detection.h"
#include "turn-connect/detect/first-method.h"
#include "turn-connect/error.h"

#include <string.h>

/* Decisions */

#define GRACE_MS 100
#define N_METHODS 3

/* Each step: when, what, which method: '+' it works, '-' it ended. */
typedef struct {
  gint64 at_ms;
  char what;
  guint method;
} Step;

typedef struct {
  const char *name;
  Step steps[6];
  gint64 over_ms; /* from when on nothing is waited for; -1: not even after a minute */
  gint best;
} Case;

static const Case cases[] = {
  { "the best one is taken at once", { { 5, '+', 0 } }, 5, 0 },
  { "a worse one is left when the grace is over", { { 5, '+', 2 } }, 105, 2 },
  { "a better one within the grace", { { 5, '+', 2 }, { 50, '+', 0 } }, 50, 0 },
  { "the grace counts from the first that works", { { 5, '+', 2 }, { 90, '+', 1 } }, 105, 1 },
  { "nothing is waited for if all better ones failed",
    { { 1, '-', 0 }, { 2, '-', 1 }, { 5, '+', 2 } },
    5,
    2 },
  { "a better one fails within the grace", { { 5, '+', 1 }, { 30, '-', 0 } }, 30, 1 },
  { "a worse one changes nothing", { { 5, '+', 0 }, { 6, '+', 1 } }, 5, 0 },
  { "one that failed does not work", { { 1, '-', 0 }, { 5, '+', 0 } }, -1, -1 },
  { "all fail", { { 1, '-', 0 }, { 2, '-', 1 }, { 9, '-', 2 } }, 9, -1 },
  { "nobody says anything", { { 0, 0, 0 } }, -1, -1 },
  { "one that nobody knows", { { 5, '+', 3 }, { 6, '+', 70 }, { 7, '-', 70 } }, -1, -1 },
};

static void
test_decisions (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const Case *c = &cases[i];
    TurnConnectFirstMethod first;
    gint64 over_ms = -1;
    guint step = 0;

    g_test_message ("%s", c->name);
    turn_connect_first_method_init (&first, N_METHODS, GRACE_MS * 1000);
    for (gint64 now_ms = 0; now_ms < 60000 && over_ms < 0; now_ms++) {
      for (; step < G_N_ELEMENTS (c->steps) && c->steps[step].what != 0 &&
             c->steps[step].at_ms == now_ms;
           step++) {
        if (c->steps[step].what == '+')
          turn_connect_first_method_works (&first, c->steps[step].method, now_ms * 1000);
        else
          turn_connect_first_method_ended (&first, c->steps[step].method);
      }
      if (turn_connect_first_method_is_over (&first, now_ms * 1000))
        over_ms = now_ms;
    }
    g_assert_cmpint (over_ms, ==, c->over_ms);
    g_assert_cmpint (first.best, ==, c->best);
  }
}

static void
test_what_is_no_better_is_not_wanted (void)
{
  TurnConnectFirstMethod first;

  turn_connect_first_method_init (&first, N_METHODS, 0);
  for (guint i = 0; i < N_METHODS; i++)
    g_assert_true (turn_connect_first_method_is_wanted (&first, i));
  g_assert_true (turn_connect_first_method_works (&first, 1, 1));
  g_assert_false (turn_connect_first_method_works (&first, 1, 2));
  g_assert_false (turn_connect_first_method_works (&first, 2, 2));
  g_assert_true (turn_connect_first_method_is_wanted (&first, 0));
  g_assert_false (turn_connect_first_method_is_wanted (&first, 1));
  g_assert_false (turn_connect_first_method_is_wanted (&first, 2));
  g_assert_false (turn_connect_first_method_is_wanted (&first, N_METHODS));
}

/* Whole runs, with methods that do as they are told */

typedef enum {
  WORKS,
  NEVER_READY,
  LOSES_ALL,
  FAILS,
  CANNOT_BEGIN,
} Manner;

typedef struct {
  const char *name;
  Manner manner;
  guint after_ms; /* until it is ready, or fails */
  TurnConnectTrial *trial;
  guint timer;
  guint n_begun, n_stopped;
} Fake;

static gboolean
fake_due (gpointer data)
{
  Fake *fake = data;
  g_autoptr (GError) error =
      g_error_new_literal (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_REFUSED, "no");

  fake->timer = 0;
  if (fake->manner == FAILS)
    turn_connect_trial_fail (fake->trial, error);
  else
    turn_connect_trial_ready (fake->trial);
  return G_SOURCE_REMOVE;
}

static gpointer
fake_start (TurnConnectTrial *trial, gpointer data)
{
  Fake *fake = data;

  fake->n_begun++;
  if (fake->manner == CANNOT_BEGIN)
    return NULL;
  fake->trial = trial;
  if (fake->manner != NEVER_READY)
    fake->timer = g_timeout_add (fake->after_ms, fake_due, fake);
  return fake;
}

static gboolean
fake_send (gpointer state, guint number)
{
  Fake *fake = state;

  if (fake->manner != LOSES_ALL)
    turn_connect_trial_returned (fake->trial, number);
  return TRUE;
}

static void
fake_stop (gpointer state)
{
  Fake *fake = state;

  g_clear_handle_id (&fake->timer, g_source_remove);
  fake->trial = NULL;
  fake->n_stopped++;
}

typedef struct {
  Fake fakes[N_METHODS]; /* best first */
  TurnConnectDetection *detection;
  GCancellable *cancellable;
  GString *told;
  const char *cancels_at; /* the method whose working cancels everything */
  gboolean is_done;
  GError *error;
} World;

static void
method_works (TurnConnectDetection *detection, const char *name, int proof, World *world)
{
  g_assert_false (world->is_done);
  g_string_append_printf (world->told, "%s ", name);
  if (g_strcmp0 (world->cancels_at, name) == 0)
    g_cancellable_cancel (world->cancellable);
}

static void
run_done (GObject *source, GAsyncResult *result, gpointer data)
{
  World *world = data;

  g_assert_false (world->is_done);
  world->is_done = TRUE;
  turn_connect_detection_run_finish (TURN_CONNECT_DETECTION (source), result, &world->error);
}

static void
world_begin (World *world, const Fake fakes[N_METHODS], guint grace_ms)
{
  g_autoptr (TurnConnectTarget) target = turn_connect_target_new ("127.83.0.9", 9, NULL);
  const char *names[N_METHODS + 1] = { NULL };

  memset (world, 0, sizeof *world);
  world->told = g_string_new (NULL);
  world->cancellable = g_cancellable_new ();
  world->detection = turn_connect_detection_new (target);
  memcpy (world->fakes, fakes, sizeof world->fakes);
  /* Added the worst first: the order asked for counts. */
  for (guint i = N_METHODS; i-- > 0;) {
    TurnConnectTrialWay way = { .name = fakes[i].name,
                                .carry = TURN_CONNECT_CARRY_TCP,
                                .start = fake_start,
                                .send = fake_send,
                                .stop = fake_stop };

    names[i] = fakes[i].name;
    turn_connect_detection_add_method (world->detection, &way, &world->fakes[i]);
  }
  turn_connect_detection_set_probes (world->detection, TURN_CONNECT_PROBE_SET_METHODS);
  turn_connect_detection_set_methods (world->detection, names);
  turn_connect_detection_set_first_method (world->detection, TRUE, grace_ms);
  g_signal_connect (world->detection, "method-works", G_CALLBACK (method_works), world);
  turn_connect_detection_run_async (world->detection, world->cancellable, run_done, world);
}

static void
world_end (World *world)
{
  for (guint i = 0; i < N_METHODS; i++) {
    const Fake *fake = &world->fakes[i];

    g_assert_cmpuint (fake->n_begun, <=, 1);
    g_assert_cmpuint (fake->n_stopped, ==, fake->manner == CANNOT_BEGIN ? 0 : fake->n_begun);
    g_assert_cmpuint (fake->timer, ==, 0);
  }
  g_object_unref (world->detection);
  g_object_unref (world->cancellable);
  g_string_free (world->told, TRUE);
  g_clear_error (&world->error);
}

static TurnConnectOutcome
outcome_of (World *world, const char *name)
{
  const TurnConnectObservations *seen = turn_connect_detection_get_observations (world->detection);

  for (guint i = 0; i < seen->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (seen->probes, i);

    g_assert_cmpint (probe->kind, ==, TURN_CONNECT_PROBE_METHOD);
    if (g_str_equal (probe->variant, name))
      return probe->outcome;
  }
  g_assert_not_reached ();
}

typedef struct {
  const char *name;
  Fake fakes[N_METHODS];
  guint grace_ms;
  const char *told; /* what was to be used, in this order */
  TurnConnectOutcome outcomes[N_METHODS];
} RunCase;

#define ANSWER TURN_CONNECT_OUTCOME_ANSWER
#define CANCELLED TURN_CONNECT_OUTCOME_CANCELLED
#define REFUSED TURN_CONNECT_OUTCOME_REFUSED
#define FAILED TURN_CONNECT_OUTCOME_FAILED
#define LONG_MS 60000

static const RunCase run_cases[] = {
  { "the best",
    { { "a", WORKS, 0 }, { "b", NEVER_READY }, { "c", NEVER_READY } },
    LONG_MS,
    "a ",
    { ANSWER, CANCELLED, CANCELLED } },
  { "the only one that works, without grace",
    { { "a", NEVER_READY }, { "b", WORKS, 5 }, { "c", NEVER_READY } },
    0,
    "b ",
    { CANCELLED, ANSWER, CANCELLED } },
  { "nothing better can come",
    { { "a", FAILS, 1 }, { "b", CANNOT_BEGIN }, { "c", WORKS, 10 } },
    LONG_MS,
    "c ",
    { REFUSED, FAILED, ANSWER } },
  { "a better one follows",
    { { "a", WORKS, 60 }, { "b", NEVER_READY }, { "c", WORKS, 1 } },
    LONG_MS,
    "c a ",
    { ANSWER, CANCELLED, ANSWER } },
  { "one that is set up, but carries nothing",
    { { "a", LOSES_ALL, 1 }, { "b", WORKS, 30 }, { "c", LOSES_ALL, 1 } },
    20,
    "b ",
    { CANCELLED, ANSWER, CANCELLED } },
  { "none",
    { { "a", FAILS, 1 }, { "b", CANNOT_BEGIN }, { "c", FAILS, 20 } },
    LONG_MS,
    "",
    { REFUSED, FAILED, REFUSED } },
};

static void
test_runs_end_with_the_first_method (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (run_cases); i++) {
    const RunCase *c = &run_cases[i];
    World world;

    g_test_message ("%s", c->name);
    world_begin (&world, c->fakes, c->grace_ms);
    support_run_until (&world.is_done);
    g_assert_no_error (world.error);
    g_assert_cmpstr (world.told->str, ==, c->told);
    for (guint j = 0; j < N_METHODS; j++)
      g_assert_cmpstr (turn_connect_outcome_to_string (outcome_of (&world, c->fakes[j].name)), ==,
                       turn_connect_outcome_to_string (c->outcomes[j]));
    world_end (&world);
  }
}

static void
test_it_can_be_cancelled_when_one_works (void)
{
  static const Fake fakes[N_METHODS] = { { "a", NEVER_READY },
                                         { "b", NEVER_READY },
                                         { "c", WORKS, 1 } };
  World world;

  world_begin (&world, fakes, LONG_MS);
  world.cancels_at = "c";
  support_run_until (&world.is_done);
  g_assert_error (world.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (outcome_of (&world, "c"), ==, TURN_CONNECT_OUTCOME_CANCELLED);
  g_assert_nonnull (turn_connect_detection_get_verdict (world.detection));
  world_end (&world);
}

/* After every number of iterations that a run can have. */
static void
test_it_can_be_cancelled_at_every_step (void)
{
  static const Fake fakes[N_METHODS] = { { "a", FAILS, 2 }, { "b", WORKS, 4 }, { "c", WORKS, 0 } };
  gboolean has_ended = FALSE;

  for (guint n = 0; !has_ended; n++) {
    World world;

    world_begin (&world, fakes, LONG_MS);
    for (guint i = 0; i < n && !world.is_done; i++)
      g_main_context_iteration (NULL, TRUE);
    has_ended = world.is_done;
    g_cancellable_cancel (world.cancellable);
    support_run_until (&world.is_done);
    if (!has_ended)
      g_assert_error (world.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    world_end (&world);
    g_assert_cmpuint (n, <, 1000);
  }
}

static void
test_nothing_but_what_was_asked_for_is_asked (void)
{
  g_autoptr (TurnConnectTarget) target = turn_connect_target_new ("127.83.0.9", 9, NULL);
  g_autoptr (TurnConnectDetection) detection = turn_connect_detection_new (target);
  static const char *const nothing[] = { "there is none of this name", NULL };
  World world = { 0 };

  turn_connect_detection_set_probes (detection, TURN_CONNECT_PROBE_SET_METHODS);
  turn_connect_detection_set_methods (detection, nothing);
  turn_connect_detection_run_async (detection, NULL, run_done, &world);
  support_run_until (&world.is_done);
  g_assert_no_error (world.error);
  g_assert_cmpuint (turn_connect_detection_get_observations (detection)->probes->len, ==, 0);
  g_assert_cmpint (turn_connect_detection_get_verdict (detection)->type, ==,
                   TURN_CONNECT_TYPE_UNKNOWN);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define TEST(name, func) g_test_add_func ("/turn-connect/detect-first/" name, func)
  TEST ("decisions", test_decisions);
  TEST ("what-is-no-better-is-not-wanted", test_what_is_no_better_is_not_wanted);
  TEST ("runs-end-with-the-first-method", test_runs_end_with_the_first_method);
  TEST ("it-can-be-cancelled-when-one-works", test_it_can_be_cancelled_when_one_works);
  TEST ("it-can-be-cancelled-at-every-step", test_it_can_be_cancelled_at_every_step);
  TEST ("nothing-but-what-was-asked-for-is-asked", test_nothing_but_what_was_asked_for_is_asked);
  return g_test_run ();
}
