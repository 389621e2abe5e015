/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* At which hop octets are held back, and when nobody can say so. */
#include "made-up-network.h"
#include "turn-connect/detect/hops.h"
#include "turn-connect/detect/record.h"

#include <string.h>

#define HOPS_MAX 8
#define CONTROL "noise"

/* What became of the class and of its control at hop 1, 2, 3...: one letter each, two rounds, which what
 * is dropped sees twice:
 * "q"uiet, "e"nded at a router, "r"eset, "c"losed, "f"orged answer, "p"roof, no "t" even connected. */
static const struct {
  const char *name;
  char before; /* what became of it with all hops */
  const char *held[2], *control[2];
  guint hop; /* 0: not known */
} rows[] = {
  { "reset-behind-the-first-router", 'r', { "errr", "errr" }, { "eepp", "eepp" }, 2 },
  { "routers-are-not-obliged-to-say-anything", 'r', { "errr", "qrrr" }, { "eepp", "qqpp" }, 2 },
  { "reset-before-the-first-router", 'r', { "rrrr", "rrrr" }, { "eepp", "eepp" }, 1 },
  { "forged-further-away", 'f', { "eeeffff", "eeeffff" }, { "eeeeepp", "eeeeepp" }, 4 },
  { "closed", 'c', { "qccc", "qccc" }, { "qqpp", "qqpp" }, 2 },
  { "dropped-behind-the-first-router", 'q', { "eqqq", "qqqq" }, { "eepp", "qepp" }, 2 },
  { "dropped-and-no-router-spoke-of-it", 'q', { "qqqq", "qqqq" }, { "eepp", "eepp" }, 0 },
  { "dropped-where-no-router-says-anything", 'q', { "eqqq", "eqqq" }, { "eqpp", "eqpp" }, 0 },
  { "dropped-and-the-router-behind-said-it-once", 'q', { "eqqq", "eqqq" }, { "eepp", "eqpp" }, 0 },
  { "dropped-and-a-router-is-left-out", 'q', { "eqqq", "eqqq" }, { "eqep", "eqep" }, 0 },
  { "dropped-and-further-on-it-was-seen", 'q', { "eqeq", "eqqq" }, { "eeep", "eeep" }, 0 },
  { "dropped-and-further-on-it-arrived", 'q', { "eqqp", "eqqq" }, { "eepp", "eepp" }, 0 },
  { "seen-once", 'r', { "errr", NULL }, { "eepp", NULL }, 0 },
  { "only-where-it-can-have-arrived", 'r', { "eerr", "eerr" }, { "eepp", "eepp" }, 0 },
  { "somebody-nearer-answers-for-the-far-end", 'r', { "rrrr", "rrrr" }, { "pppp", "pppp" }, 0 },
  { "the-control-is-reset-too", 'r', { "errr", "errr" }, { "eepp", "erpp" }, 0 },
  { "the-control-is-reset-further-on", 'r', { "errr", "errr" }, { "eerp", "eepp" }, 0 },
  { "now-this-now-that", 'r', { "errr", "eerr" }, { "eeep", "eeep" }, 0 },
  { "further-on-it-is-not-reset", 'r', { "erer", "erer" }, { "eeep", "eeep" }, 0 },
  { "held-back-otherwise-than-before", 'r', { "eccc", "eccc" }, { "eepp", "eepp" }, 0 },
  { "otherwise-than-before-further-on", 'r', { "errc", "errc" }, { "eepp", "eepp" }, 0 },
  { "no-connection-where-the-step-is", 'r', { "etrr", "etrr" }, { "eeep", "eeep" }, 0 },
  { "no-connection-before-the-step", 'r', { "terr", "terr" }, { "eeep", "eeep" }, 0 },
  { "no-control", 'r', { "errr", "errr" }, { NULL, NULL }, 0 },
  { "nothing-asked", 'r', { NULL, NULL }, { NULL, NULL }, 0 },
};

static TurnConnectOutcome
outcome_of (char letter)
{
  switch (letter) {
  case 'e':
    return TURN_CONNECT_OUTCOME_UNREACHABLE;
  case 'r':
    return TURN_CONNECT_OUTCOME_RESET;
  case 'c':
    return TURN_CONNECT_OUTCOME_CLOSED;
  case 'f':
    return TURN_CONNECT_OUTCOME_WRONG_ANSWER;
  case 'p':
    return TURN_CONNECT_OUTCOME_PROOF;
  default:
    return TURN_CONNECT_OUTCOME_SILENCE;
  }
}

/* The first class that is held back, from any of the made-up network's ports. */
static const TurnConnectProbe *
find_held (const TurnConnectObservations *observations)
{
  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind == TURN_CONNECT_PROBE_PAYLOAD && !turn_connect_probe_passed (probe))
      return probe;
  }
  g_assert_not_reached ();
}

static TurnConnectProbe *
add_hop (TurnConnectObservations *observations,
         const TurnConnectProbe *held,
         gboolean is_control,
         guint hops,
         char letter)
{
  TurnConnectProbe *probe = turn_connect_observations_add (observations, TURN_CONNECT_PROBE_HOP,
                                                           is_control ? CONTROL : held->variant);
  g_autofree char *text = g_strdup_printf ("%u", hops);

  probe->carry = held->carry;
  probe->family = held->family;
  probe->target = held->target;
  probe->is_control = is_control;
  probe->connect_us = letter == 't' ? -1 : 1000;
  probe->outcome = outcome_of (letter);
  turn_connect_probe_set_fact (probe, "hops", text);
  return probe;
}

static void
add_hops (TurnConnectObservations *observations,
          const TurnConnectProbe *held,
          gboolean is_control,
          const char *letters)
{
  for (guint i = 0; letters != NULL && letters[i] != '\0'; i++)
    add_hop (observations, held, is_control, i + 1, letters[i]);
}

static TurnConnectObservations *
observe_row (guint row)
{
  TurnConnectObservations *observations = observe (find_network ("inspection"));
  const TurnConnectProbe *held = find_held (observations);

  for (guint i = 0; i < observations->probes->len; i++) {
    TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind == TURN_CONNECT_PROBE_PAYLOAD && !turn_connect_probe_passed (probe)) {
      probe->outcome = outcome_of (rows[row].before);
      probe->connect_us = 1000;
    }
  }
  for (guint round = 0; round < (rows[row].before == 'q' ? 4 : 2); round++) {
    add_hops (observations, held, FALSE, rows[row].held[round % 2]);
    add_hops (observations, held, TRUE, rows[row].control[round % 2]);
  }
  return observations;
}

static gboolean
says_where (const TurnConnectVerdict *verdict)
{
  for (guint i = 0; i < verdict->reasons->len; i++) {
    if (strstr (g_ptr_array_index (verdict->reasons, i), " hop") != NULL)
      return TRUE;
  }
  return FALSE;
}

static void
test_row (gconstpointer data)
{
  guint row = GPOINTER_TO_UINT (data);
  g_autoptr (TurnConnectObservations) observations = observe_row (row);
  g_autoptr (TurnConnectVerdict) verdict = turn_connect_classify (observations);

  g_assert_cmpint (verdict->inspection.is_seen, ==, TURN_CONNECT_TELL_YES);
  g_assert_cmpuint (verdict->inspection.hop, ==, rows[row].hop);
  g_assert_cmpint (says_where (verdict), ==, rows[row].hop > 0);
}

/* A router has words for two packets a second: nothing is concluded from what it left unsaid twice. */
static void
test_two_silences_are_none (void)
{
  g_autoptr (TurnConnectObservations) observations = observe (find_network ("inspection"));
  TurnConnectProbe *held = (TurnConnectProbe *)find_held (observations);
  TurnConnectHops hops;

  held->outcome = TURN_CONNECT_OUTCOME_SILENCE;
  for (guint round = 0; round < 4; round++) {
    add_hops (observations, held, FALSE, round < 2 ? "qqqq" : "eqqq");
    add_hops (observations, held, TRUE, "eepp");
    turn_connect_hops_read (observations, held, &hops);
    g_assert_cmpuint (turn_connect_hops_conclude (&hops), ==, round < 3 ? 0 : 2);
  }
}

/* A record is judged again to the same. */
static void
test_it_stands_in_records (void)
{
  for (guint row = 0; row < G_N_ELEMENTS (rows); row++) {
    g_autoptr (TurnConnectObservations) observations = observe_row (row);
    g_autoptr (TurnConnectVerdict) verdict = turn_connect_classify (observations);
    g_autofree char *text = turn_connect_record_write (observations, verdict, FALSE);
    g_autofree char *member = rows[row].hop > 0 ? g_strdup_printf ("\"hop\":%u,", rows[row].hop)
                                                : g_strdup ("\"hop\":null,");
    g_autoptr (GError) error = NULL;
    g_autoptr (TurnConnectObservations) read =
        turn_connect_record_read (text, strlen (text), &error);
    g_autoptr (TurnConnectVerdict) again = NULL;

    g_assert_no_error (error);
    g_assert_nonnull (strstr (text, member));
    again = turn_connect_classify (read);
    g_assert_cmpuint (again->inspection.hop, ==, rows[row].hop);
  }
}

/* Of another port, class or carrier, or with numbers that are none, nothing counts. */
static void
test_others_say_nothing (void)
{
  static const char *const lies[] = { "0", "9", "-1", "18446744073709551617", "", "x" };
  g_autoptr (TurnConnectObservations) observations = observe (find_network ("inspection"));
  const TurnConnectProbe *held = find_held (observations);
  g_autoptr (TurnConnectVerdict) verdict = NULL;

  for (guint hops = 1; hops <= HOPS_MAX; hops++) {
    for (guint i = 0; i < 4; i++) {
      gboolean is_control = i % 2 == 1;
      char letter = is_control ? 'e' : 'q';
      TurnConnectProbe *port = add_hop (observations, held, is_control, hops, letter);
      TurnConnectProbe *carry = add_hop (observations, held, is_control, hops, letter);

      port->target.port++;
      carry->carry = TURN_CONNECT_CARRY_UDP;
      turn_connect_probe_set_fact (add_hop (observations, held, is_control, hops, letter), "hops",
                                   lies[hops % G_N_ELEMENTS (lies)]);
    }
  }
  verdict = turn_connect_classify (observations);
  g_assert_cmpint (verdict->inspection.is_seen, ==, TURN_CONNECT_TELL_YES);
  g_assert_cmpuint (verdict->inspection.hop, ==, 0);
}

/* Asked as a run asks: a box that far away, which does so to what it holds back; routers everywhere,
 * and the far end behind the tenth. */
static guint
find_box (guint box, char letter, guint *n_asked)
{
  g_autoptr (TurnConnectObservations) observations = observe (find_network ("inspection"));
  TurnConnectProbe *held = (TurnConnectProbe *)find_held (observations);
  TurnConnectHopsPlan plan;
  TurnConnectHops hops;

  held->outcome = outcome_of (letter);
  *n_asked = 0;
  turn_connect_hops_plan_init (&plan);
  do {
    for (guint i = plan.first; i <= plan.last; i++, (*n_asked)++) {
      add_hop (observations, held, FALSE, i, i < box ? 'e' : letter);
      add_hop (observations, held, TRUE, i, 'e');
    }
    turn_connect_hops_read (observations, held, &hops);
  } while (turn_connect_hops_plan_next (&plan, &hops));
  return turn_connect_hops_conclude (&hops);
}

static void
test_a_box_is_found_at_every_hop (void)
{
  static const char letters[] = "rcfq";

  for (guint i = 0; i < strlen (letters); i++) {
    for (guint box = 1; box <= HOPS_MAX + 1; box++) {
      gboolean is_shown = box <= HOPS_MAX && (letters[i] != 'q' || box > 1);
      guint n_asked;

      g_test_message ("%c at %u", letters[i], box);
      g_assert_cmpuint (find_box (box, letters[i], &n_asked), ==, is_shown ? box : 0);
      g_assert_cmpuint (n_asked, <=, letters[i] == 'q' ? 23 : 13);
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint row = 0; row < G_N_ELEMENTS (rows); row++) {
    g_autofree char *path = g_strconcat ("/turn-connect/detect-hops/", rows[row].name, NULL);

    g_test_add_data_func (path, GUINT_TO_POINTER (row), test_row);
  }
  g_test_add_func ("/turn-connect/detect-hops/two-silences-are-none", test_two_silences_are_none);
  g_test_add_func ("/turn-connect/detect-hops/it-stands-in-records", test_it_stands_in_records);
  g_test_add_func ("/turn-connect/detect-hops/a-box-is-found-at-every-hop",
                   test_a_box_is_found_at_every_hop);
  g_test_add_func ("/turn-connect/detect-hops/others-say-nothing", test_others_say_nothing);
  return g_test_run ();
}
