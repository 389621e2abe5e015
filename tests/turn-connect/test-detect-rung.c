/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Silences of a deep run, in routers that forget, with losses, and in no time. */
#include "turn-connect/detect/rung.h"

#define SECOND G_USEC_PER_SEC
#define RTT (50 * 1000)

/* A router that remembers for a while since something was last sent or heard, and what is lost. */
typedef struct {
  gint64 memory_us;      /* after one exchange */
  gint64 memory_long_us; /* once something went 2 s after the beginning */
  guint loses;           /* one in so many packets of either way; 0: none */
  gboolean is_dead;      /* from the silence on */
  gboolean is_deaf;      /* nothing asked for by the other socket arrives */
  gint64 opened_us, active_us;
  guint n;
} Router;

static gboolean
loses_it (Router *router)
{
  return router->loses > 0 && ++router->n % router->loses == 0;
}

static gboolean
remembers (const Router *router, gint64 now)
{
  gboolean is_long = router->active_us - router->opened_us >= 2 * SECOND;

  return now - router->active_us < (is_long ? router->memory_long_us : router->memory_us);
}

/* TRUE if the answer comes back. */
static gboolean
carry (Router *router, TurnConnectRungAction action, gint64 now)
{
  gboolean is_own = action == TURN_CONNECT_RUNG_SEND;

  if (loses_it (router))
    return FALSE;
  if (is_own && !remembers (router, now))
    router->opened_us = now;
  if (is_own)
    router->active_us = now;
  if (router->is_dead || (!is_own && (router->is_deaf || !remembers (router, now + RTT))))
    return FALSE;
  if (loses_it (router))
    return FALSE;
  router->active_us = MAX (router->active_us, now + RTT);
  return TRUE;
}

static void
climb (TurnConnectRung *rung, Router *router, gint64 idle_us, gboolean is_held)
{
  gint64 now = 1000 * SECOND, heard_us = G_MAXINT64;
  TurnConnectRungState state = TURN_CONNECT_RUNG_OPENING;

  router->opened_us = router->active_us = now - 1000 * SECOND;
  turn_connect_rung_init (rung, idle_us, is_held, now);
  for (guint i = 0; i < 1000 && rung->state != TURN_CONNECT_RUNG_OVER; i++) {
    TurnConnectRungAction action = turn_connect_rung_tick (rung, now, RTT);

    if (action != TURN_CONNECT_RUNG_NOTHING && carry (router, action, now)) {
      heard_us = now + RTT;
      state = rung->state;
    }
    g_assert_true (rung->state == TURN_CONNECT_RUNG_OVER || turn_connect_rung_next (rung) > now ||
                   action != TURN_CONNECT_RUNG_NOTHING);
    if (rung->state == TURN_CONNECT_RUNG_OVER)
      break;
    if (heard_us <= turn_connect_rung_next (rung)) {
      now = MAX (now, heard_us);
      heard_us = G_MAXINT64;
      turn_connect_rung_heard (rung, state, now);
    } else
      now = MAX (now, turn_connect_rung_next (rung));
  }
  g_assert_cmpint (rung->state, ==, TURN_CONNECT_RUNG_OVER);
  g_assert_cmpint (turn_connect_rung_next (rung), ==, G_MAXINT64);
  g_assert_cmpint (now - 1000 * SECOND, <=, turn_connect_rung_longest (idle_us) + 4 * SECOND);
}

static const struct {
  const char *name;
  gint64 idle_s;
  gboolean is_held;
  Router router;
  TurnConnectRungResult result;
} rows[] = {
  { "kept", 15, FALSE, { 30 * SECOND, 120 * SECOND }, TURN_CONNECT_RUNG_KEPT },
  { "forgotten", 45, FALSE, { 30 * SECOND, 120 * SECOND }, TURN_CONNECT_RUNG_FORGOTTEN },
  { "a-call-is-kept-longer", 45, TRUE, { 30 * SECOND, 120 * SECOND }, TURN_CONNECT_RUNG_KEPT },
  { "a-call-is-forgotten", 180, TRUE, { 30 * SECOND, 120 * SECOND }, TURN_CONNECT_RUNG_FORGOTTEN },
  { "kept-at-losses", 15, TRUE, { 30 * SECOND, 120 * SECOND, 3 }, TURN_CONNECT_RUNG_KEPT },
  { "forgotten-at-losses",
    45,
    FALSE,
    { 30 * SECOND, 120 * SECOND, 3 },
    TURN_CONNECT_RUNG_FORGOTTEN },
  { "nobody-answers",
    15,
    FALSE,
    { 30 * SECOND, 120 * SECOND, .is_dead = TRUE },
    TURN_CONNECT_RUNG_UNANSWERED },
  { "the-control-fails",
    15,
    FALSE,
    { 30 * SECOND, 120 * SECOND, .is_deaf = TRUE },
    TURN_CONNECT_RUNG_UNCONTROLLED },
};

static void
test_only_what_was_controlled_is_forgotten (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    Router router = rows[i].router;
    TurnConnectRung rung;

    g_test_message ("%s", rows[i].name);
    climb (&rung, &router, rows[i].idle_s * SECOND, rows[i].is_held);
    g_assert_cmpint (rung.result, ==, rows[i].result);
  }
}

/* In any state anything may be heard, late or made up, and the clock may stand still or jump. */
static void
test_every_event_in_every_state_is_survived (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (4);

  for (guint round = 0; round < 2000; round++) {
    gint64 now = g_rand_int_range (rand, 0, 1000);
    TurnConnectRung rung;

    turn_connect_rung_init (&rung, g_rand_int_range (rand, 1, 300) * SECOND, round % 2, now);
    for (guint i = 0; i < 60; i++) {
      gboolean is_over = rung.state == TURN_CONNECT_RUNG_OVER;
      TurnConnectRungResult result = rung.result;

      switch (g_rand_int_range (rand, 0, 8)) {
      case 0:
        turn_connect_rung_heard (&rung, g_rand_int_range (rand, 0, TURN_CONNECT_N_RUNG_STATES),
                                 now);
        break;
      case 1:
        if (g_rand_int_range (rand, 0, 20) == 0)
          turn_connect_rung_refuse (&rung);
        break;
      case 2:
        now += g_rand_int_range (rand, 0, 400) * SECOND;
        break;
      default:
        turn_connect_rung_tick (&rung, now, g_rand_int_range (rand, -1, 10000000));
        now += g_rand_int_range (rand, 0, 300000);
      }
      if (is_over) {
        g_assert_cmpint (rung.result, ==, result);
        g_assert_cmpint (turn_connect_rung_tick (&rung, G_MAXINT64 - 1, 0), ==,
                         TURN_CONNECT_RUNG_NOTHING);
      }
      g_assert_true ((rung.state == TURN_CONNECT_RUNG_OVER) ==
                     (rung.result != TURN_CONNECT_RUNG_OPEN));
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/turn-connect/detect-rung/only-what-was-controlled-is-forgotten",
                   test_only_what_was_controlled_is_forgotten);
  g_test_add_func ("/turn-connect/detect-rung/every-event-in-every-state-is-survived",
                   test_every_event_in_every_state_is_survived);
  return g_test_run ();
}
