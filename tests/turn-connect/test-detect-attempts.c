/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A method that is tried several times, and what is said of it. */
#include "turn-connect/detect/classifier.h"

#define ATTEMPTS_MAX 3
#define NONE TURN_CONNECT_OUTCOME_PENDING

typedef struct {
  const char *name;
  TurnConnectOutcome outcomes[ATTEMPTS_MAX];
  TurnConnectTell works;
  gint told_by; /* index of the attempt whose quality is shown */
} Row;

static const Row rows[] = {
  { "one-that-works", { TURN_CONNECT_OUTCOME_PROOF, NONE, NONE }, TURN_CONNECT_TELL_YES, 0 },
  { "a-loss-and-one-that-works",
    { TURN_CONNECT_OUTCOME_SILENCE, TURN_CONNECT_OUTCOME_PROOF, NONE },
    TURN_CONNECT_TELL_YES,
    1 },
  { "one-that-works-makes-the-others-needless",
    { TURN_CONNECT_OUTCOME_CANCELLED, TURN_CONNECT_OUTCOME_ANSWER, TURN_CONNECT_OUTCOME_CANCELLED },
    TURN_CONNECT_TELL_YES,
    1 },
  { "silence-and-what-was-not-waited-for",
    { TURN_CONNECT_OUTCOME_SILENCE, TURN_CONNECT_OUTCOME_CANCELLED,
      TURN_CONNECT_OUTCOME_CANCELLED },
    TURN_CONNECT_TELL_NO,
    0 },
  { "refused-beside-one-that-was-not-waited-for",
    { TURN_CONNECT_OUTCOME_CANCELLED, TURN_CONNECT_OUTCOME_REFUSED, NONE },
    TURN_CONNECT_TELL_NO,
    1 },
  { "all-cancelled",
    { TURN_CONNECT_OUTCOME_CANCELLED, TURN_CONNECT_OUTCOME_CANCELLED, NONE },
    TURN_CONNECT_TELL_UNKNOWN,
    0 },
  { "never-tried", { TURN_CONNECT_OUTCOME_SKIPPED, NONE, NONE }, TURN_CONNECT_TELL_UNKNOWN, 0 },
};

static void
add_attempt (TurnConnectObservations *observations, const char *name, TurnConnectOutcome outcome)
{
  TurnConnectProbe *probe =
      turn_connect_observations_add (observations, TURN_CONNECT_PROBE_METHOD, name);

  probe->outcome = outcome;
  probe->quality.n_sent = 16;
  probe->quality.n_received = turn_connect_probe_passed (probe) ? 16 : 0;
}

static const TurnConnectMethod *
find_method (const TurnConnectVerdict *verdict, const char *name)
{
  const TurnConnectMethod *found = NULL;

  for (guint i = 0; i < verdict->methods->len; i++) {
    const TurnConnectMethod *method = &g_array_index (verdict->methods, TurnConnectMethod, i);

    if (g_strcmp0 (method->name, name) != 0)
      continue;
    g_assert_null (found);
    found = method;
  }
  g_assert_nonnull (found);
  return found;
}

static void
test_the_best_attempt_tells (gconstpointer data)
{
  const Row *row = data;
  g_autoptr (TurnConnectObservations) observations = turn_connect_observations_new ();
  g_autoptr (TurnConnectVerdict) verdict = NULL;
  const TurnConnectMethod *method;

  /* Between the attempts stand those of others. */
  for (guint i = 0; i < ATTEMPTS_MAX && row->outcomes[i] != NONE; i++) {
    add_attempt (observations, "turn-udp", row->outcomes[i]);
    add_attempt (observations, "turn-tcp", TURN_CONNECT_OUTCOME_SILENCE);
  }
  verdict = turn_connect_classify (observations);
  g_assert_cmpuint (verdict->methods->len, ==, 2);
  method = find_method (verdict, "turn-udp");
  g_assert_cmpint (method->works, ==, row->works);
  g_assert_cmpint (method->probe, ==, 2 * row->told_by);
  g_assert_cmpint (find_method (verdict, "turn-tcp")->works, ==, TURN_CONNECT_TELL_NO);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *path =
        g_strdup_printf ("/turn-connect/detect-attempts/the-best-tells/%s", rows[i].name);

    g_test_add_data_func (path, &rows[i], test_the_best_attempt_tells);
  }
  return g_test_run ();
}
