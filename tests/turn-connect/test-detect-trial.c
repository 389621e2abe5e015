/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One method being tried: how many packets it takes to say that it works. */
#include "support.h"
#include "turn-connect/detect/detection.h"

typedef struct {
  const char *name;
  guint n_lost;       /* of the first packets that are sent */
  guint n_lost_later; /* of each 16 after those */
  guint n_sent;
  TurnConnectTell works;
} Row;

static const Row rows[] = {
  { "nothing-is-lost", 0, 0, 16, TURN_CONNECT_TELL_YES },
  { "what-a-call-bears", 5, 0, 16, TURN_CONNECT_TELL_YES },
  { "more-by-chance", 6, 1, 32, TURN_CONNECT_TELL_YES },
  { "more-by-chance-twice", 8, 3, 48, TURN_CONNECT_TELL_YES },
  { "more-always", 8, 8, 48, TURN_CONNECT_TELL_NO },
  { "nothing-comes-back", 16, 16, 16, TURN_CONNECT_TELL_NO },
};

typedef struct {
  const Row *row;
  TurnConnectTrial *trial;
  guint n_sent;
} Way;

static gboolean
way_ready (gpointer data)
{
  turn_connect_trial_ready (((Way *)data)->trial);
  return G_SOURCE_REMOVE;
}

static gpointer
way_start (TurnConnectTrial *trial, gpointer data)
{
  Way *way = data;

  way->trial = trial;
  g_idle_add (way_ready, way);
  return way;
}

static gboolean
way_send (gpointer state, guint number)
{
  Way *way = state;
  guint n_lost = number < TURN_CONNECT_TRIAL_PACKETS ? way->row->n_lost : way->row->n_lost_later;

  way->n_sent++;
  if (number % TURN_CONNECT_TRIAL_PACKETS >= n_lost)
    turn_connect_trial_returned (way->trial, number);
  return TRUE;
}

static void
way_stop (gpointer state)
{
}

static void
run_done (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;

  turn_connect_detection_run_finish (TURN_CONNECT_DETECTION (source), result, &error);
  g_assert_no_error (error);
  *(gboolean *)data = TRUE;
}

static TurnConnectDetection *
make_detection (Way *way)
{
  g_autoptr (TurnConnectTarget) target = turn_connect_target_new ("127.83.0.9", 9, NULL);
  TurnConnectDetection *detection = turn_connect_detection_new (target);
  const char *names[] = { "made-up", NULL };
  TurnConnectTrialWay made_up = { .name = names[0],
                                  .carry = TURN_CONNECT_CARRY_TCP,
                                  .start = way_start,
                                  .send = way_send,
                                  .stop = way_stop };

  turn_connect_detection_add_method (detection, &made_up, way);
  turn_connect_detection_set_probes (detection, TURN_CONNECT_PROBE_SET_METHODS);
  turn_connect_detection_set_methods (detection, names);
  return detection;
}

static void
check_row (const Row *row, const Way *way, TurnConnectDetection *detection)
{
  const TurnConnectVerdict *verdict = turn_connect_detection_get_verdict (detection);
  const TurnConnectMethod *method;

  g_test_message ("%s", row->name);
  g_assert_cmpuint (way->n_sent, ==, row->n_sent);
  g_assert_cmpuint (verdict->methods->len, ==, 1);
  method = &g_array_index (verdict->methods, TurnConnectMethod, 0);
  g_assert_cmpint (method->works, ==, row->works);
  g_assert_cmpuint (method->quality.n_sent, ==, row->n_sent);
}

/* All at once: each takes as long as its silences. */
static void
test_too_much_loss_is_measured_again (void)
{
  Way ways[G_N_ELEMENTS (rows)] = { 0 };
  TurnConnectDetection *detections[G_N_ELEMENTS (rows)];
  gboolean are_done[G_N_ELEMENTS (rows)] = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    ways[i].row = &rows[i];
    detections[i] = make_detection (&ways[i]);
    turn_connect_detection_run_async (detections[i], NULL, run_done, &are_done[i]);
  }
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    support_run_until (&are_done[i]);
    check_row (&rows[i], &ways[i], detections[i]);
    g_object_unref (detections[i]);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/turn-connect/detect-trial/too-much-loss-is-measured-again",
                   test_too_much_loss_is_measured_again);
  return g_test_run ();
}
