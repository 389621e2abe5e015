/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Silent TCP connections of a deep run, in firewalls that forget, and in no time. */
#include "turn-connect/detect/idle.h"

#define SECOND G_USEC_PER_SEC
#define RTT (50 * 1000)

/* What becomes of a connection, and of the far end. */
typedef struct {
  gint64 memory_us;
  gboolean is_deaf;  /* nothing is ever answered */
  gboolean is_dead;  /* from the silence on */
  guint held_s;      /* what the answer says; 0: the truth */
  gint64 answers_us; /* when it comes, from the question on; 0: in time */
  gboolean is_reset; /* what is forgotten is reset at once, as a far end does that is restarted */
} Path;

static const struct {
  const char *name;
  Path path;
  TurnConnectRungResult result;
} rows[] = {
  { "kept", { .memory_us = 120 * SECOND }, TURN_CONNECT_RUNG_KEPT },
  { "kept-and-late",
    { .memory_us = 120 * SECOND, .answers_us = 62 * SECOND },
    TURN_CONNECT_RUNG_KEPT },
  { "forgotten", { .memory_us = 30 * SECOND }, TURN_CONNECT_RUNG_FORGOTTEN },
  { "ended-and-nobody-knows-by-whom",
    { .memory_us = 30 * SECOND, .is_reset = TRUE },
    TURN_CONNECT_RUNG_ENDED },
  { "never-answered", { .is_deaf = TRUE }, TURN_CONNECT_RUNG_UNANSWERED },
  { "the-far-end-goes-away", { .is_dead = TRUE }, TURN_CONNECT_RUNG_UNANSWERED },
  { "the-far-end-goes-away-with-a-reset",
    { .is_dead = TRUE, .is_reset = TRUE },
    TURN_CONNECT_RUNG_ENDED },
  { "never-answered-but-with-a-reset",
    { .is_deaf = TRUE, .is_reset = TRUE },
    TURN_CONNECT_RUNG_UNANSWERED },
  { "the-far-end-does-not-wait",
    { .memory_us = 120 * SECOND, .answers_us = RTT, .held_s = G_MAXUINT },
    TURN_CONNECT_RUNG_REFUSED },
  { "the-far-end-says-that-it-waited-and-did-not",
    { .memory_us = 120 * SECOND, .answers_us = 40 * SECOND },
    TURN_CONNECT_RUNG_REFUSED },
  { "the-far-end-waits-for-another-time",
    { .memory_us = 120 * SECOND, .held_s = 59 },
    TURN_CONNECT_RUNG_REFUSED },
};

static void
go_through_silence (TurnConnectIdle *idle, const Path *path, gint64 *now)
{
  gint64 answers_us = path->answers_us > 0 ? path->answers_us : idle->idle_us + RTT;
  guint held_s = path->held_s > 0 ? path->held_s : (guint)(idle->idle_us / SECOND);

  if (path->memory_us > idle->idle_us) {
    *now += answers_us;
    turn_connect_idle_heard (idle, held_s == G_MAXUINT ? 0 : held_s, *now);
  } else if (path->is_reset) {
    *now += path->memory_us;
    turn_connect_idle_ended (idle, *now);
  } else {
    turn_connect_idle_tick (idle, idle->ends_us + RTT);
    g_assert_cmpint (idle->state, ==, TURN_CONNECT_IDLE_QUIET);
    *now = idle->due_us;
    turn_connect_idle_tick (idle, *now);
  }
}

static void
test_only_what_was_controlled_is_forgotten (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    const Path *path = &rows[i].path;
    gint64 now = 1000 * SECOND;
    TurnConnectIdle idle;

    g_test_message ("%s", rows[i].name);
    turn_connect_idle_init (&idle, 60 * SECOND, now);
    for (guint n = 0; n < 10 && idle.state != TURN_CONNECT_IDLE_OVER; n++) {
      gboolean is_silent =
          path->is_deaf || (path->is_dead && idle.state == TURN_CONNECT_IDLE_CONTROL);

      if (idle.state == TURN_CONNECT_IDLE_QUIET)
        go_through_silence (&idle, path, &now);
      else if (is_silent && path->is_reset)
        turn_connect_idle_ended (&idle, now += RTT);
      else if (is_silent)
        turn_connect_idle_tick (&idle, now = idle.due_us);
      else
        turn_connect_idle_heard (&idle, 0, now += 2 * RTT);
    }
    g_assert_cmpint (idle.state, ==, TURN_CONNECT_IDLE_OVER);
    g_assert_cmpint (idle.result, ==, rows[i].result);
    g_assert_cmpint (idle.due_us, ==, G_MAXINT64);
    g_assert_cmpint (now - 1000 * SECOND, <=, turn_connect_idle_longest (60 * SECOND));
  }
}

/* In any state anything may happen, and the clock may stand still or jump. */
static void
test_every_event_in_every_state_is_survived (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);

  for (guint round = 0; round < 2000; round++) {
    gint64 now = g_rand_int_range (rand, 0, 1000);
    TurnConnectIdle idle;

    turn_connect_idle_init (&idle, g_rand_int_range (rand, 1, 300) * SECOND, now);
    for (guint i = 0; i < 20; i++) {
      gboolean is_over = idle.state == TURN_CONNECT_IDLE_OVER;
      TurnConnectRungResult result = idle.result;

      switch (g_rand_int_range (rand, 0, 6)) {
      case 0:
        turn_connect_idle_heard (&idle, (guint)g_rand_int_range (rand, 0, 301), now);
        break;
      case 1:
        turn_connect_idle_ended (&idle, now);
        break;
      case 2:
        if (g_rand_int_range (rand, 0, 20) == 0)
          turn_connect_idle_refuse (&idle);
        break;
      case 3:
        now += g_rand_int_range (rand, 0, 400) * SECOND;
        break;
      default:
        turn_connect_idle_tick (&idle, now);
        now += g_rand_int_range (rand, 0, 300000);
      }
      if (is_over)
        g_assert_cmpint (idle.result, ==, result);
      g_assert_true ((idle.state == TURN_CONNECT_IDLE_OVER) ==
                     (idle.result != TURN_CONNECT_RUNG_OPEN));
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/turn-connect/detect-idle/only-what-was-controlled-is-forgotten",
                   test_only_what_was_controlled_is_forgotten);
  g_test_add_func ("/turn-connect/detect-idle/every-event-in-every-state-is-survived",
                   test_every_event_in_every_state_is_survived);
  return g_test_run ();
}
