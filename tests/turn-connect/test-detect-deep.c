/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a deep run measured, and what the classifier makes of it. */
#include "turn-connect/detect/classifier.h"

#include <string.h>

static TurnConnectProbe *
add_silence (TurnConnectObservations *observations,
             const char *variant,
             const char *idle_s,
             TurnConnectOutcome outcome,
             const char *control)
{
  TurnConnectProbe *probe =
      turn_connect_observations_add (observations, TURN_CONNECT_PROBE_LIFETIME, variant);

  probe->carry = TURN_CONNECT_CARRY_UDP;
  probe->family = 4;
  probe->outcome = outcome;
  turn_connect_probe_set_fact (probe, "idle_s", idle_s);
  turn_connect_probe_set_fact (probe, "control", control);
  return probe;
}

static const struct {
  const char *name;
  struct {
    const char *idle_s;
    TurnConnectOutcome outcome;
    const char *control;
  } rungs[4];
  guint n_lifetimes, kept_s, forgotten_s;
  gboolean is_unsteady;
} rows[] = {
  { "between-two-steps",
    { { "15", TURN_CONNECT_OUTCOME_PROOF, NULL },
      { "30", TURN_CONNECT_OUTCOME_PROOF, NULL },
      { "60", TURN_CONNECT_OUTCOME_SILENCE, "answered" },
      { "120", TURN_CONNECT_OUTCOME_SILENCE, "answered" } },
    1,
    30,
    60,
    FALSE },
  { "a-silence-without-control-says-nothing",
    { { "15", TURN_CONNECT_OUTCOME_PROOF, NULL },
      { "30", TURN_CONNECT_OUTCOME_SILENCE, NULL },
      { "60", TURN_CONNECT_OUTCOME_SILENCE, "silence" },
      { "90", TURN_CONNECT_OUTCOME_FAILED, "answered" } },
    1,
    15,
    0,
    FALSE },
  { "all-forgotten",
    { { "30", TURN_CONNECT_OUTCOME_SILENCE, "answered" },
      { "15", TURN_CONNECT_OUTCOME_SILENCE, "answered" } },
    1,
    0,
    15,
    FALSE },
  { "what-contradicts-itself-is-unsteady",
    { { "15", TURN_CONNECT_OUTCOME_SILENCE, "answered" },
      { "30", TURN_CONNECT_OUTCOME_PROOF, NULL },
      { "60", TURN_CONNECT_OUTCOME_SILENCE, "answered" } },
    1,
    30,
    60,
    TRUE },
  { "who-proves-himself-elsewhere-has-to-prove-it",
    { { "15", TURN_CONNECT_OUTCOME_ANSWER, NULL } },
    0,
    0,
    0,
    FALSE },
  { "odd-numbers-count-for-nothing",
    { { "-1", TURN_CONNECT_OUTCOME_PROOF, NULL },
      { "99999999999999999999", TURN_CONNECT_OUTCOME_PROOF, NULL },
      { "", TURN_CONNECT_OUTCOME_PROOF, NULL },
      { "x", TURN_CONNECT_OUTCOME_PROOF, NULL } },
    0,
    0,
    0,
    FALSE },
};

static void
test_lifetimes_lie_between_what_was_kept_and_what_was_forgotten (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (TurnConnectObservations) observations = turn_connect_observations_new ();
    g_autoptr (TurnConnectVerdict) verdict = NULL;
    const TurnConnectLifetime *lifetime;

    g_test_message ("%s", rows[i].name);
    observations->is_far_end = TRUE;
    for (guint j = 0; j < G_N_ELEMENTS (rows[i].rungs) && rows[i].rungs[j].idle_s != NULL; j++)
      add_silence (observations, "call", rows[i].rungs[j].idle_s, rows[i].rungs[j].outcome,
                   rows[i].rungs[j].control);
    verdict = turn_connect_classify (observations);
    g_assert_cmpuint (verdict->lifetimes->len, ==, rows[i].n_lifetimes);
    if (rows[i].n_lifetimes == 0)
      continue;
    lifetime = &g_array_index (verdict->lifetimes, TurnConnectLifetime, 0);
    g_assert_cmpuint (lifetime->kept_s, ==, rows[i].kept_s);
    g_assert_cmpuint (lifetime->forgotten_s, ==, rows[i].forgotten_s);
    g_assert_cmpint (lifetime->is_unsteady, ==, rows[i].is_unsteady);
    g_assert_cmpint (lifetime->probe, >=, 0);
  }
}

static void
test_each_carry_has_its_lifetime (void)
{
  g_autoptr (TurnConnectObservations) observations = turn_connect_observations_new ();
  g_autoptr (TurnConnectVerdict) verdict = NULL;
  const TurnConnectLifetime *lifetimes;

  observations->is_far_end = TRUE;
  add_silence (observations, "exchange", "15", TURN_CONNECT_OUTCOME_PROOF, NULL);
  add_silence (observations, "exchange", "30", TURN_CONNECT_OUTCOME_SILENCE, "answered");
  add_silence (observations, "exchange", "30", TURN_CONNECT_OUTCOME_PROOF, NULL)->carry =
      TURN_CONNECT_CARRY_TCP;
  add_silence (observations, "exchange", "60", TURN_CONNECT_OUTCOME_SILENCE, "answered")->carry =
      TURN_CONNECT_CARRY_TCP;
  verdict = turn_connect_classify (observations);
  g_assert_cmpuint (verdict->lifetimes->len, ==, 2);
  lifetimes = &g_array_index (verdict->lifetimes, TurnConnectLifetime, 0);
  g_assert_cmpint (lifetimes[0].carry, ==, TURN_CONNECT_CARRY_UDP);
  g_assert_cmpuint (lifetimes[0].kept_s, ==, 15);
  g_assert_cmpuint (lifetimes[0].forgotten_s, ==, 30);
  g_assert_cmpint (lifetimes[1].carry, ==, TURN_CONNECT_CARRY_TCP);
  g_assert_cmpuint (lifetimes[1].kept_s, ==, 30);
  g_assert_cmpuint (lifetimes[1].forgotten_s, ==, 60);
}

/* A far end was restarted, or a box forgot and said so. */
static void
test_what_was_ended_is_no_lifetime (void)
{
  static const struct {
    TurnConnectOutcome outcome;
    const char *control, *ended, *said;
  } ends[] = {
    { TURN_CONNECT_OUTCOME_RESET, NULL, "reset", "were reset after 100 s" },
    { TURN_CONNECT_OUTCOME_CLOSED, NULL, "closed", "were closed after 100 s" },
    { TURN_CONNECT_OUTCOME_SILENCE, "answered", "closed", "were closed after 100 s" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (ends); i++) {
    g_autoptr (TurnConnectObservations) observations = turn_connect_observations_new ();
    g_autoptr (TurnConnectVerdict) verdict = NULL;
    const TurnConnectLifetime *lifetime;

    observations->is_far_end = TRUE;
    add_silence (observations, "exchange", "60", TURN_CONNECT_OUTCOME_PROOF, NULL)->carry =
        TURN_CONNECT_CARRY_TCP;
    for (guint j = 0; j < 2; j++) {
      TurnConnectProbe *probe = add_silence (observations, "exchange", j == 0 ? "120" : "300",
                                             ends[i].outcome, ends[i].control);

      probe->carry = TURN_CONNECT_CARRY_TCP;
      turn_connect_probe_set_fact (probe, "ended", ends[i].ended);
      turn_connect_probe_set_fact (probe, "ended_s", "100");
    }
    verdict = turn_connect_classify (observations);
    g_assert_cmpuint (verdict->lifetimes->len, ==, 1);
    lifetime = &g_array_index (verdict->lifetimes, TurnConnectLifetime, 0);
    g_assert_cmpuint (lifetime->kept_s, ==, 60);
    g_assert_cmpuint (lifetime->forgotten_s, ==, 0);
    g_assert_cmpuint (verdict->reasons->len, ==, 1);
    g_assert_nonnull (strstr (g_ptr_array_index (verdict->reasons, 0), ends[i].said));
  }
}

static void
add_trial (TurnConnectObservations *observations, guint round, guint n_received, guint n_late)
{
  TurnConnectProbe *probe =
      turn_connect_observations_add (observations, TURN_CONNECT_PROBE_METHOD, "direct-udp");

  probe->round = round;
  probe->outcome = n_received > 0 ? TURN_CONNECT_OUTCOME_PROOF : TURN_CONNECT_OUTCOME_SILENCE;
  probe->proof = TURN_CONNECT_PROOF_KEYED;
  probe->quality = (TurnConnectQuality){ .set_up_us = round == 0 ? 40000 : 9000,
                                         .n_sent = round == 0 ? 16 : 750,
                                         .n_received = n_received,
                                         .n_late = n_late,
                                         .rtt_us = 20000 };
}

static void
test_who_listens_longer_knows_better (void)
{
  static const struct {
    guint n_received, n_late;
    TurnConnectTell works;
    double mos_min, mos_max;
  } longer[] = {
    { 750, 0, TURN_CONNECT_TELL_YES, 4.3, 4.5 },
    { 750, 150, TURN_CONNECT_TELL_YES, 1.5, 3.3 },
    { 600, 0, TURN_CONNECT_TELL_YES, 1.5, 3.3 },
    { 100, 0, TURN_CONNECT_TELL_NO, 0, 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (longer); i++) {
    g_autoptr (TurnConnectObservations) observations = turn_connect_observations_new ();
    g_autoptr (TurnConnectVerdict) verdict = NULL;
    const TurnConnectMethod *method;

    add_trial (observations, 0, 16, 0);
    add_trial (observations, 1, longer[i].n_received, longer[i].n_late);
    verdict = turn_connect_classify (observations);
    g_assert_cmpuint (verdict->methods->len, ==, 1);
    method = &g_array_index (verdict->methods, TurnConnectMethod, 0);
    g_assert_cmpint (method->works, ==, longer[i].works);
    g_assert_cmpint (method->probe, ==, 1);
    g_assert_cmpint (method->quality.set_up_us, ==, 40000);
    g_assert_cmpfloat (method->mos, >=, longer[i].mos_min);
    g_assert_cmpfloat (method->mos, <=, longer[i].mos_max);
    g_assert_true ((verdict->reasons->len > 0) == (longer[i].works == TURN_CONNECT_TELL_NO));
  }
}

static void
test_what_vanishes_without_a_word_is_said (void)
{
  static const struct {
    const char *lost, *icmp_mtu, *local;
    gboolean is_black_hole;
  } paths[] = {
    { NULL, NULL, NULL, FALSE },     { "1416", NULL, NULL, TRUE },
    { "1416", "1412", NULL, FALSE }, { "1416", NULL, "this machine", FALSE },
    { "-5", NULL, NULL, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (paths); i++) {
    g_autoptr (TurnConnectObservations) observations = turn_connect_observations_new ();
    g_autoptr (TurnConnectVerdict) verdict = NULL;
    TurnConnectProbe *probe =
        turn_connect_observations_add (observations, TURN_CONNECT_PROBE_MTU, "there");

    probe->family = 6;
    probe->outcome = TURN_CONNECT_OUTCOME_PROOF;
    turn_connect_probe_set_fact (probe, "passed", "1412");
    turn_connect_probe_set_fact (probe, "lost", paths[i].lost);
    turn_connect_probe_set_fact (probe, "icmp_mtu", paths[i].icmp_mtu);
    turn_connect_probe_set_fact (probe, "local", paths[i].local);
    verdict = turn_connect_classify (observations);
    g_assert_cmpuint (verdict->sizes->len, ==, 1);
    g_assert_cmpuint (g_array_index (verdict->sizes, TurnConnectSizes, 0).there, ==, 1412);
    g_assert_cmpint (g_array_index (verdict->sizes, TurnConnectSizes, 0).is_black_hole, ==,
                     paths[i].is_black_hole);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/turn-connect/detect-deep/lifetimes-lie-between-kept-and-forgotten",
                   test_lifetimes_lie_between_what_was_kept_and_what_was_forgotten);
  g_test_add_func ("/turn-connect/detect-deep/each-carry-has-its-lifetime",
                   test_each_carry_has_its_lifetime);
  g_test_add_func ("/turn-connect/detect-deep/what-was-ended-is-no-lifetime",
                   test_what_was_ended_is_no_lifetime);
  g_test_add_func ("/turn-connect/detect-deep/who-listens-longer-knows-better",
                   test_who_listens_longer_knows_better);
  g_test_add_func ("/turn-connect/detect-deep/what-vanishes-without-a-word-is-said",
                   test_what_vanishes_without_a_word_is_said);
  return g_test_run ();
}
