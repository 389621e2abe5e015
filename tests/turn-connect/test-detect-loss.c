/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What depends on content, where packets get lost as well. */
#include "turn-connect/detect/classifier.h"

#define RUNS 5

typedef struct {
  const char *name;
  guint n_held_passed;        /* runs of the class in question that passed */
  TurnConnectOutcome held;    /* what came of the others */
  guint n_control_failed;     /* runs of the control that did not pass */
  TurnConnectOutcome control; /* what came of them */
  TurnConnectTell is_seen;
} Row;

static const Row rows[] = {
  { "held-back", 0, TURN_CONNECT_OUTCOME_RESET, 0, TURN_CONNECT_OUTCOME_PROOF,
    TURN_CONNECT_TELL_YES },
  { "held-back-and-a-control-unanswered", 0, TURN_CONNECT_OUTCOME_RESET, 1,
    TURN_CONNECT_OUTCOME_CONNECTED, TURN_CONNECT_TELL_YES },
  { "held-back-and-half-a-control-answered", 0, TURN_CONNECT_OUTCOME_CONNECTED, 1,
    TURN_CONNECT_OUTCOME_WRONG_ANSWER, TURN_CONNECT_TELL_YES },
  { "two-controls-that-fail-are-no-loss", 0, TURN_CONNECT_OUTCOME_RESET, 2,
    TURN_CONNECT_OUTCOME_CONNECTED, TURN_CONNECT_TELL_UNKNOWN },
  { "what-passes-once-is-not-held-back", 1, TURN_CONNECT_OUTCOME_CONNECTED, 0,
    TURN_CONNECT_OUTCOME_PROOF, TURN_CONNECT_TELL_NO },
  { "all-pass", RUNS, TURN_CONNECT_OUTCOME_PROOF, 0, TURN_CONNECT_OUTCOME_PROOF,
    TURN_CONNECT_TELL_NO },
};

static void
add_run (TurnConnectObservations *observations,
         const char *class,
         gboolean is_control,
         TurnConnectOutcome outcome)
{
  TurnConnectProbe *probe =
      turn_connect_observations_add (observations, TURN_CONNECT_PROBE_PAYLOAD, class);

  probe->carry = TURN_CONNECT_CARRY_TCP;
  probe->family = 4;
  g_assert_true (stun_ext_address_parse ("192.0.2.10", &probe->target));
  probe->target.port = 5060;
  probe->connect_us = 1000;
  probe->is_control = is_control;
  probe->outcome = outcome;
}

static void
test_content_is_judged (gconstpointer data)
{
  const Row *row = data;
  g_autoptr (TurnConnectObservations) observations = turn_connect_observations_new ();
  g_autoptr (TurnConnectVerdict) verdict = NULL;

  observations->is_far_end = TRUE;
  for (guint run = 0; run < RUNS; run++) {
    add_run (observations, "sip-register", FALSE,
             run < row->n_held_passed ? TURN_CONNECT_OUTCOME_PROOF : row->held);
    add_run (observations, "printable", run > 0,
             run + row->n_control_failed >= RUNS ? row->control : TURN_CONNECT_OUTCOME_PROOF);
  }
  add_run (observations, "printable", TRUE, TURN_CONNECT_OUTCOME_PROOF);
  verdict = turn_connect_classify (observations);
  g_assert_cmpint (verdict->inspection.is_seen, ==, row->is_seen);
  if (row->is_seen == TURN_CONNECT_TELL_YES)
    g_assert_cmpint (verdict->inspection.confidence, >=, TURN_CONNECT_CONFIDENCE_PROBABLE);
}

/* Of one run each, beside SIP that was dropped in all of five. */
static void
test_a_class_that_was_lost_once_is_not_named (gconstpointer data)
{
  gboolean does_little_pass = GPOINTER_TO_INT (data);
  static const char *const others[] = { "tls", "http", "stun" };
  g_autoptr (TurnConnectObservations) observations = turn_connect_observations_new ();
  g_autoptr (TurnConnectVerdict) verdict = NULL;

  observations->is_far_end = TRUE;
  for (guint run = 0; run < RUNS; run++) {
    add_run (observations, "sip-register", FALSE, TURN_CONNECT_OUTCOME_CONNECTED);
    add_run (observations, "printable", run > 0, TURN_CONNECT_OUTCOME_PROOF);
  }
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    add_run (observations, others[i], FALSE,
             does_little_pass ? TURN_CONNECT_OUTCOME_CONNECTED : TURN_CONNECT_OUTCOME_PROOF);
  add_run (observations, "tls-stun", FALSE, TURN_CONNECT_OUTCOME_CONNECTED);
  verdict = turn_connect_classify (observations);
  g_assert_cmpint (verdict->inspection.is_seen, ==, TURN_CONNECT_TELL_YES);
  g_assert_cmpstr (g_ptr_array_index (verdict->inspection.blocked, 0), ==, "sip-register");
  g_assert_cmpuint (verdict->inspection.blocked->len, ==, does_little_pass ? 5 : 1);
}

/* Where as many fail as pass, in one run each, of two of which the first packet was lost. */
static void
test_what_was_lost_after_a_lost_syn_is_not_held_back (void)
{
  g_autoptr (TurnConnectObservations) observations = turn_connect_observations_new ();
  g_autoptr (TurnConnectVerdict) verdict = NULL;

  observations->is_far_end = TRUE;
  for (guint run = 0; run < RUNS; run++) {
    add_run (observations, "stun", FALSE, TURN_CONNECT_OUTCOME_RESET);
    add_run (observations, "tls", run > 0, TURN_CONNECT_OUTCOME_PROOF);
  }
  add_run (observations, "sip-register", FALSE, TURN_CONNECT_OUTCOME_RESET);
  add_run (observations, "http", FALSE, TURN_CONNECT_OUTCOME_CONNECTED);
  ((TurnConnectProbe *)g_ptr_array_index (observations->probes, observations->probes->len - 1))
      ->connect_us = 1010000;
  verdict = turn_connect_classify (observations);
  g_assert_cmpint (verdict->inspection.is_seen, ==, TURN_CONNECT_TELL_YES);
  g_assert_cmpuint (verdict->inspection.blocked->len, ==, 2);
  g_assert_false (verdict->inspection.is_in_doubt);
}

/* A server that refuses a name says so in clear; once its answer got lost. Who says so once and is silent
 * then may be anybody. */
static void
test_what_is_refused_and_lost_once_is_not_held_back (gconstpointer data)
{
  guint n_denied = GPOINTER_TO_UINT (data);
  g_autoptr (TurnConnectObservations) observations = turn_connect_observations_new ();
  g_autoptr (TurnConnectVerdict) verdict = NULL;

  observations->is_far_end = TRUE;
  for (guint run = 0; run < RUNS; run++) {
    add_run (observations, "tls-other-name", FALSE,
             run < n_denied ? TURN_CONNECT_OUTCOME_DENIED : TURN_CONNECT_OUTCOME_CONNECTED);
    add_run (observations, "printable", run > 0, TURN_CONNECT_OUTCOME_PROOF);
    add_run (observations, "stun", FALSE, TURN_CONNECT_OUTCOME_PROOF);
  }
  verdict = turn_connect_classify (observations);
  g_assert_cmpint (verdict->inspection.is_seen, ==,
                   n_denied > 1 ? TURN_CONNECT_TELL_NO : TURN_CONNECT_TELL_UNKNOWN);
  g_assert_cmpint (verdict->inspection.is_in_doubt, ==, n_denied == 1);
}

/* Where the repetitions of what failed could not be sent any more. */
static void
test_what_was_lost_and_not_repeated_is_in_doubt (void)
{
  g_autoptr (TurnConnectObservations) observations = turn_connect_observations_new ();
  g_autoptr (TurnConnectVerdict) verdict = NULL;

  observations->is_far_end = TRUE;
  add_run (observations, "tls", FALSE, TURN_CONNECT_OUTCOME_PROOF);
  add_run (observations, "printable", FALSE, TURN_CONNECT_OUTCOME_PROOF);
  add_run (observations, "http", FALSE, TURN_CONNECT_OUTCOME_CONNECTED);
  ((TurnConnectProbe *)g_ptr_array_index (observations->probes, observations->probes->len - 1))
      ->connect_us = 1010000;
  add_run (observations, "http", FALSE, TURN_CONNECT_OUTCOME_CANCELLED);
  verdict = turn_connect_classify (observations);
  g_assert_true (verdict->inspection.is_in_doubt);
}

/* Of a class that was never sent at another port nothing is told. */
static void
test_a_finding_in_the_first_probe_is_told_alone (void)
{
  g_autoptr (TurnConnectObservations) observations = turn_connect_observations_new ();
  g_autoptr (TurnConnectVerdict) verdict = NULL;

  observations->is_far_end = TRUE;
  add_run (observations, "stun", FALSE, TURN_CONNECT_OUTCOME_RESET);
  add_run (observations, "tls", FALSE, TURN_CONNECT_OUTCOME_PROOF);
  add_run (observations, "http", FALSE, TURN_CONNECT_OUTCOME_CANCELLED);
  ((TurnConnectProbe *)g_ptr_array_index (observations->probes, 2))->target.port = 443;
  verdict = turn_connect_classify (observations);
  g_assert_cmpint (verdict->inspection.is_seen, ==, TURN_CONNECT_TELL_YES);
  g_assert_cmpint (verdict->inspection.probe, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *path = g_strdup_printf ("/turn-connect/detect-loss/content/%s", rows[i].name);

    g_test_add_data_func (path, &rows[i], test_content_is_judged);
  }
  g_test_add_data_func ("/turn-connect/detect-loss/content/a-class-that-was-lost-once-is-not-named",
                        GINT_TO_POINTER (FALSE), test_a_class_that_was_lost_once_is_not_named);
  g_test_add_data_func (
      "/turn-connect/detect-loss/content/where-little-passes-all-that-failed-once-is-named",
      GINT_TO_POINTER (TRUE), test_a_class_that_was_lost_once_is_not_named);
  g_test_add_data_func (
      "/turn-connect/detect-loss/content/what-is-refused-and-lost-once-is-not-held-back",
      GUINT_TO_POINTER (RUNS - 1), test_what_is_refused_and_lost_once_is_not_held_back);
  g_test_add_data_func (
      "/turn-connect/detect-loss/content/what-is-refused-once-and-silent-then-is-in-doubt",
      GUINT_TO_POINTER (1), test_what_is_refused_and_lost_once_is_not_held_back);
  g_test_add_func ("/turn-connect/detect-loss/content/what-was-lost-and-not-repeated-is-in-doubt",
                   test_what_was_lost_and_not_repeated_is_in_doubt);
  g_test_add_func ("/turn-connect/detect-loss/content/a-finding-in-the-first-probe-is-told-alone",
                   test_a_finding_in_the_first_probe_is_told_alone);
  g_test_add_func (
      "/turn-connect/detect-loss/content/what-was-lost-after-a-lost-syn-is-not-held-back",
      test_what_was_lost_after_a_lost_syn_is_not_held_back);
  return g_test_run ();
}
