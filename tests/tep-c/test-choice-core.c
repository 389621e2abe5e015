/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is done about what happens, in every state; and that everything comes to an end. */
#include "tep-c/choice-core.h"

#define E(name) TEP_CLIENT_CHOICE_##name
#define NO TEP_CLIENT_CHOICE_NO_WAY
#define DIRECT TEP_CLIENT_CHOICE_DIRECT_WAY
#define N_WAYS 4
#define N_STEPS 8

typedef struct {
  gint64 at_ms;
  TepClientChoiceEvent event;
  gint way;
  const char *actions; /* a letter each, see spell () */
  TepClientChoiceState state;
  gint chosen;
} Step;

typedef struct {
  const char *name;
  gboolean has_no_direct, is_proxied;
  Step steps[N_STEPS];
} Case;

#define CHOOSING E (CHOOSING), NO
#define END                                                                                        \
  {                                                                                                \
    0, E (N_EVENTS), NO, NULL, E (IDLE), NO                                                        \
  }

/* f: forget, d: stop the trial of UDP, t: those of tunnels, D: drop the session, c: dial (connect), U: try UDP,
 * T: try tunnels, r: remember, !: tell */
static const Case cases[] = {
  { "open network",
    FALSE,
    FALSE,
    { { 0, E (BEGUN), NO, "cUT", CHOOSING },
      { 30, E (DIRECT_WORKS), NO, "dtDr!", E (SETTLED), DIRECT },
      { 40, E (SESSION_OPEN), NO, "", E (SETTLED), DIRECT },
      { 41, E (TUNNEL_WORKS), 2, "", E (SETTLED), DIRECT },
      END } },
  { "a lost packet does not decide for a tunnel",
    FALSE,
    FALSE,
    { { 0, E (BEGUN), NO, "cUT", CHOOSING },
      { 50, E (SESSION_OPEN), NO, "tr!", E (SETTLING), 1 },
      { 150, E (DIRECT_WORKS), NO, "dtDr!", E (SETTLED), DIRECT },
      END } },
  { "UDP that comes too late changes nothing",
    FALSE,
    FALSE,
    { { 0, E (BEGUN), NO, "cUT", CHOOSING },
      { 50, E (SESSION_OPEN), NO, "tr!", E (SETTLING), 1 },
      { 1549, E (TIME), NO, "", E (SETTLING), 1 },
      { 1550, E (TIME), NO, "d", E (SETTLED), 1 },
      { 1600, E (DIRECT_WORKS), NO, "", E (SETTLED), 1 },
      END } },
  { "no UDP, and the tunnel as configured",
    FALSE,
    FALSE,
    { { 0, E (BEGUN), NO, "cUT", CHOOSING },
      { 10, E (DIRECT_FAILED), NO, "", CHOOSING },
      { 50, E (SESSION_OPEN), NO, "tr!", E (SETTLED), 1 },
      END } },
  { "another way than the configured one",
    FALSE,
    FALSE,
    { { 0, E (BEGUN), NO, "cUT", CHOOSING },
      { 10, E (SESSION_FAILED), NO, "", CHOOSING },
      { 60, E (TUNNEL_WORKS), 3, "tcr!", E (SETTLING), 3 },
      { 70, E (SESSION_FAILED), NO, "", E (SETTLING), 3 },
      { 90, E (SESSION_OPEN), NO, "", E (SETTLING), 3 },
      { 2000, E (TIME), NO, "d", E (SETTLED), 3 },
      END } },
  { "nothing works, and it is said as soon as that is known",
    FALSE,
    FALSE,
    { { 0, E (BEGUN), NO, "cUT", CHOOSING },
      { 10, E (DIRECT_FAILED), NO, "", CHOOSING },
      { 20, E (TUNNELS_FAILED), NO, "", CHOOSING },
      { 30, E (SESSION_FAILED), NO, "dt!", E (NOTHING), NO },
      { 30029, E (TIME), NO, "", E (NOTHING), NO },
      { 30030, E (TIME), NO, "UT", CHOOSING },
      END } },
  { "silence has an end",
    FALSE,
    FALSE,
    { { 0, E (BEGUN), NO, "cUT", CHOOSING },
      { 7999, E (TIME), NO, "", CHOOSING },
      { 8000, E (TIME), NO, "dt!", E (NOTHING), NO },
      { 9000, E (SESSION_OPEN), NO, "tr!", E (SETTLING), 1 },
      END } },
  { "a remembered tunnel is used without asking",
    FALSE,
    FALSE,
    { { 0, E (BEGUN), 2, "c!", E (TRUSTING), 2 },
      { 50, E (SESSION_OPEN), NO, "t", E (SETTLED), 2 },
      END } },
  { "a remembered tunnel fails",
    FALSE,
    FALSE,
    { { 0, E (BEGUN), 2, "c!", E (TRUSTING), 2 },
      { 50, E (SESSION_FAILED), NO, "fUT", E (CHOOSING), 2 },
      { 90, E (TUNNEL_WORKS), 1, "tcr!", E (SETTLING), 1 },
      END } },
  { "a remembered tunnel is silent",
    FALSE,
    FALSE,
    { { 0, E (BEGUN), 2, "c!", E (TRUSTING), 2 },
      { 2000, E (TIME), NO, "UT", E (CHOOSING), 2 },
      { 2030, E (DIRECT_WORKS), NO, "dtDr!", E (SETTLED), DIRECT },
      END } },
  { "remembered UDP is used without asking, and looked at",
    FALSE,
    FALSE,
    { { 0, E (BEGUN), DIRECT, "DU!", E (TRUSTING), DIRECT },
      { 30, E (DIRECT_WORKS), NO, "dtDr", E (SETTLED), DIRECT },
      END } },
  { "remembered UDP does not pass any more",
    FALSE,
    FALSE,
    { { 0, E (BEGUN), DIRECT, "DU!", E (TRUSTING), DIRECT },
      { 6000, E (DIRECT_FAILED), NO, "fdtcUT", E (CHOOSING), DIRECT },
      { 6060, E (SESSION_OPEN), NO, "tr!", E (SETTLING), 1 },
      END } },
  { "UDP passes to the server and carries nothing",
    FALSE,
    FALSE,
    { { 0, E (BEGUN), NO, "cUT", CHOOSING },
      { 30, E (DIRECT_WORKS), NO, "dtDr!", E (SETTLED), DIRECT },
      { 4000, E (USE_FAILED), NO, "fdtcT", E (CHOOSING), DIRECT },
      { 4010, E (DIRECT_WORKS), NO, "", E (CHOOSING), DIRECT },
      { 4060, E (SESSION_OPEN), NO, "tr!", E (SETTLED), 1 },
      END } },
  { "a tunnel is lost, and no second round is begun at once",
    FALSE,
    FALSE,
    { { 0, E (BEGUN), NO, "cUT", CHOOSING },
      { 10, E (DIRECT_FAILED), NO, "", CHOOSING },
      { 50, E (SESSION_OPEN), NO, "tr!", E (SETTLED), 1 },
      { 60, E (SESSION_FAILED), NO, "fdt!", E (NOTHING), NO },
      { 5000, E (TIME), NO, "UT", E (CHOOSING), NO },
      { 5100, E (TUNNEL_WORKS), 3, "tcr!", E (SETTLING), 3 },
      END } },
  { "a tunnel is lost much later",
    FALSE,
    FALSE,
    { { 0, E (BEGUN), NO, "cUT", CHOOSING },
      { 50, E (SESSION_OPEN), NO, "tr!", E (SETTLING), 1 },
      { 1550, E (TIME), NO, "d", E (SETTLED), 1 },
      { 90000, E (SESSION_FAILED), NO, "fdtUT", E (CHOOSING), 1 },
      { 90100, E (SESSION_OPEN), NO, "tr", E (SETTLING), 1 },
      END } },
  { "another network",
    FALSE,
    FALSE,
    { { 0, E (BEGUN), NO, "cUT", CHOOSING },
      { 30, E (DIRECT_WORKS), NO, "dtDr!", E (SETTLED), DIRECT },
      { 9000, E (BEGUN), 2, "dtc!", E (TRUSTING), 2 },
      { 9050, E (BEGUN), NO, "dtcUT", E (CHOOSING), 2 },
      { 9090, E (ENDED), NO, "dtD", E (IDLE), NO },
      { 9091, E (SESSION_OPEN), NO, "", E (IDLE), NO },
      END } },
  { "UDP alone is no way",
    TRUE,
    FALSE,
    { { 0, E (BEGUN), DIRECT, "cT", CHOOSING },
      { 50, E (SESSION_OPEN), NO, "tr!", E (SETTLED), 1 },
      END } },
  { "what is remembered is no way",
    FALSE,
    FALSE,
    { { 0, E (BEGUN), N_WAYS, "cUT", CHOOSING },
      { 9, E (TUNNEL_WORKS), N_WAYS, "", CHOOSING },
      END } },
  { "a password that the proxy refuses is sent once",
    TRUE,
    TRUE,
    { { 0, E (BEGUN), NO, "c", E (CHOOSING), NO },
      { 10, E (LOGIN_BEGUN), NO, "", E (CHOOSING), NO },
      { 5000, E (TIME), NO, "", E (CHOOSING), NO },
      { 5010, E (LOGIN_REFUSED), NO, "dt!", E (NOTHING), NO },
      { 900000, E (TIME), NO, "", E (NOTHING), NO },
      { 900001, E (BEGUN), 2, "dt!", E (NOTHING), NO },
      END } },
  { "others follow when the proxy has let one through",
    FALSE,
    TRUE,
    { { 0, E (BEGUN), NO, "cU", E (CHOOSING), NO },
      { 10, E (LOGIN_BEGUN), NO, "", E (CHOOSING), NO },
      { 20, E (ADMITTED), NO, "T", E (CHOOSING), NO },
      { 30, E (ADMITTED), NO, "", E (CHOOSING), NO },
      { 40, E (SESSION_FAILED), NO, "", E (CHOOSING), NO },
      { 60, E (TUNNEL_WORKS), 3, "tcr!", E (SETTLING), 3 },
      END } },
  { "ways that the proxy refuses are asked for one after the other, and once",
    FALSE,
    TRUE,
    { { 0, E (BEGUN), NO, "cU", E (CHOOSING), NO },
      { 10, E (DIRECT_FAILED), NO, "", E (CHOOSING), NO },
      { 20, E (WAY_REFUSED), NO, "c", E (CHOOSING), NO },
      { 30, E (LOGIN_BEGUN), NO, "", E (CHOOSING), NO },
      { 40, E (WAY_REFUSED), NO, "c", E (CHOOSING), NO },
      { 50, E (WAY_REFUSED), NO, "dt!", E (NOTHING), NO },
      { 30050, E (TIME), NO, "U", E (CHOOSING), NO },
      END } },
  { "who cannot be reached by one way is asked by the next",
    TRUE,
    TRUE,
    { { 0, E (BEGUN), NO, "c", E (CHOOSING), NO },
      { 1500, E (TIME), NO, "c", E (CHOOSING), NO },
      { 3000, E (TIME), NO, "c", E (CHOOSING), NO },
      { 4500, E (TIME), NO, "", E (CHOOSING), NO },
      { 8000, E (TIME), NO, "dt!", E (NOTHING), NO },
      { 38000, E (TIME), NO, "c", E (CHOOSING), NO },
      END } },
  { "a remembered tunnel through a proxy asks alone",
    FALSE,
    TRUE,
    { { 0, E (BEGUN), 2, "c!", E (TRUSTING), 2 },
      { 10, E (LOGIN_BEGUN), NO, "", E (TRUSTING), 2 },
      { 2000, E (TIME), NO, "U", E (CHOOSING), 2 },
      { 4000, E (TIME), NO, "", E (CHOOSING), 2 },
      { 4010, E (ADMITTED), NO, "T", E (CHOOSING), 2 },
      { 4020, E (SESSION_OPEN), NO, "tr", E (SETTLING), 2 },
      END } },
  { "a password that is not taken any more is not sent again, and UDP may do",
    FALSE,
    TRUE,
    { { 0, E (BEGUN), NO, "cU", E (CHOOSING), NO },
      { 20, E (ADMITTED), NO, "T", E (CHOOSING), NO },
      { 30, E (SESSION_OPEN), NO, "tr!", E (SETTLING), 1 },
      { 9000, E (LOGIN_REFUSED), NO, "fdtU", E (CHOOSING), 1 },
      { 9010, E (DIRECT_WORKS), NO, "dtDr!", E (SETTLED), DIRECT },
      { 9020, E (USE_FAILED), NO, "fdt!", E (NOTHING), NO },
      END } },
};

static char *
spell (guint actions)
{
  GString *word = g_string_new (NULL);
  static const char letters[] = "fdtDcUTr!";

  for (guint i = 0; letters[i] != '\0'; i++) {
    if ((actions & 1u << i) != 0)
      g_string_append_c (word, letters[i]);
  }
  g_assert_cmpuint (actions >> (sizeof letters - 1), ==, 0);
  return g_string_free (word, FALSE);
}

static void
test_each_case (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    TepClientChoiceCore core;

    g_test_message ("%s", cases[i].name);
    tep_client_choice_core_init (&core, N_WAYS, !cases[i].has_no_direct, cases[i].is_proxied);
    for (const Step *s = cases[i].steps; s->actions != NULL; s++) {
      g_autofree char *actions =
          spell (tep_client_choice_core_step (&core, s->event, s->way, s->at_ms * 1000));

      g_test_message ("at %u ms", (guint)s->at_ms);
      g_assert_cmpstr (actions, ==, s->actions);
      g_assert_cmpstr (tep_client_choice_state_name (core.state), ==,
                       tep_client_choice_state_name (s->state));
      g_assert_cmpint (core.chosen, ==, s->chosen);
    }
  }
}

/* Whatever happens: a tunnel's way is dialled only where there is one, waiting has an end, what is remembered
 * is what is chosen, and the end is the end. */
static void
test_everything_that_can_happen (void)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (11);

  for (guint round = 0; round < 20000; round++) {
    TepClientChoiceCore core;
    gboolean has_direct = g_rand_boolean (random);
    gboolean is_proxied = g_rand_boolean (random);
    gboolean is_refused = FALSE, is_asking = FALSE;
    guint n_ways = (guint)g_rand_int_range (random, 2, 5);
    gint64 now_us = 0;

    tep_client_choice_core_init (&core, n_ways, has_direct, is_proxied);
    for (guint i = 0; i < 20; i++) {
      TepClientChoiceEvent event =
          i == 0 ? E (BEGUN) : (TepClientChoiceEvent)g_rand_int_range (random, 0, E (N_EVENTS));
      gint way = g_rand_int_range (random, -1, (gint)n_ways + 1);
      guint actions;

      now_us += g_rand_int_range (random, 0, 9000000);
      actions = tep_client_choice_core_step (&core, event, way, now_us);
      if ((actions & E (DIAL)) != 0)
        g_assert_true (core.way > DIRECT && core.way < (gint)n_ways);
      if ((actions & E (REMEMBER)) != 0)
        g_assert_true (core.chosen >= DIRECT && core.chosen < (gint)n_ways);
      if ((actions & E (TRY_DIRECT)) != 0 || core.chosen == DIRECT)
        g_assert_true (has_direct);
      g_assert_false ((actions & E (DROP)) != 0 && (actions & E (DIAL)) != 0);
      is_refused = is_refused || event == E (LOGIN_REFUSED);
      is_asking =
          event == E (LOGIN_BEGUN) || (is_asking && event != E (ADMITTED) && event != E (BEGUN));
      if (is_proxied && is_refused)
        g_assert_cmpuint (actions & (E (DIAL) | E (TRY_TUNNELS)), ==, 0);
      if (is_proxied && (is_asking || (actions & E (DIAL)) != 0))
        g_assert_cmpuint (actions & E (TRY_TUNNELS), ==, 0);
      if (core.state == E (CHOOSING) || core.state == E (SETTLING) ||
          (core.state == E (NOTHING) && !is_proxied))
        g_assert_cmpint (core.deadline_us, <, now_us + 31000000);
      if (core.state == E (IDLE))
        g_assert_cmpint (core.deadline_us, ==, G_MAXINT64);
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tep-c/choice-core/each-case", test_each_case);
  g_test_add_func ("/tep-c/choice-core/everything-that-can-happen",
                   test_everything_that_can_happen);
  return g_test_run ();
}
