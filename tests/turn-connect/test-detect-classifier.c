/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Networks made up, what the classifier makes of them, and that it makes something of everything. */
#include "made-up-network.h"
#include "turn-connect/detect/record.h"

#include <string.h>

static void
test_network (gconstpointer data)
{
  const Network *network = data;
  g_autoptr (TurnConnectObservations) observations = observe (network);
  g_autoptr (TurnConnectVerdict) verdict = turn_connect_classify (observations);
  const TurnConnectFamilyVerdict *family = turn_connect_verdict_get_family (verdict);
  gboolean has_udp = lets_through (network->udp, 3478);

  for (guint i = 0; i < verdict->reasons->len; i++)
    g_test_message ("%s", (const char *)g_ptr_array_index (verdict->reasons, i));
  g_assert_cmpint (verdict->type, ==, network->type);
  g_assert_cmphex (verdict->types, ==, network->types);
  g_assert_cmpint (turn_connect_verdict_get_exit (verdict), ==, network->exit);
  if (has_udp)
    g_assert_cmpint (family->filtering, ==, network->filtering);
  if (has_udp && network->is_translated)
    g_assert_cmpint (family->mapping, ==, network->mapping);
  if (network->type > 0 && network->type < 8 && network->is_far_end)
    g_assert_cmpint (verdict->confidence, ==,
                     network->type < 5 || knows_listeners (network)
                         ? TURN_CONNECT_CONFIDENCE_CONFIRMED
                         : TURN_CONNECT_CONFIDENCE_SUSPECTED);
  g_assert_true (family->is_udp_only == g_str_has_prefix (network->name, "udp-only"));
}

/* Anybody who knows the far end's protocol could have made it all. */
static void
test_without_the_password_nothing_is_confirmed (void)
{
  for (guint i = 0; i < n_networks; i++) {
    g_autoptr (TurnConnectObservations) observations = observe (&networks[i]);
    g_autoptr (TurnConnectVerdict) verdict = NULL;
    gboolean is_told = FALSE;
    guint n = 0;

    for (guint j = 0; j < observations->probes->len; j++) {
      TurnConnectProbe *probe = g_ptr_array_index (observations->probes, j);

      if (probe->proof != TURN_CONNECT_PROOF_KEYED)
        continue;
      probe->proof = TURN_CONNECT_PROOF_UNKEYED;
      n++;
    }
    verdict = turn_connect_classify (observations);
    for (guint j = 0; j < verdict->reasons->len; j++)
      is_told |= strstr (g_ptr_array_index (verdict->reasons, j), "is proven with a password") != 0;
    g_test_message ("%s", networks[i].name);
    g_assert_cmpint (verdict->type, ==, networks[i].type);
    g_assert_cmpint (verdict->confidence, <=, TURN_CONNECT_CONFIDENCE_PROBABLE);
    g_assert_cmpint (is_told, ==, n > 0);
  }
}

static void
test_a_server_that_refuses_everything_is_not_there (void)
{
  g_autoptr (TurnConnectObservations) observations = observe (find_network ("nothing"));
  g_autoptr (TurnConnectVerdict) verdict = NULL;

  for (guint i = 0; i < observations->probes->len; i++)
    ((TurnConnectProbe *)g_ptr_array_index (observations->probes, i))->outcome =
        TURN_CONNECT_OUTCOME_REFUSED;
  verdict = turn_connect_classify (observations);
  g_assert_cmpint (turn_connect_verdict_get_exit (verdict), ==, TURN_CONNECT_EXIT_UNAVAILABLE);
}

static void
test_nothing_seen_determines_nothing (void)
{
  g_autoptr (TurnConnectObservations) observations = turn_connect_observations_new ();
  g_autoptr (TurnConnectVerdict) verdict = turn_connect_classify (observations);

  g_assert_cmpint (verdict->type, ==, TURN_CONNECT_TYPE_UNKNOWN);
  g_assert_cmpint (turn_connect_verdict_get_exit (verdict), ==, TURN_CONNECT_EXIT_UNDETERMINED);
}

/* Anything at all. */

static void
make_random_address (GRand *random, StunExtAddress *address)
{
  static const char *const texts[] = { "192.0.2.10",   "192.0.2.11",  "198.51.100.2",
                                       "192.168.1.10", "2001:db8::1", "fd07::1" };

  if (g_rand_int_range (random, 0, 4) > 0)
    *address = make_address (texts[g_rand_int_range (random, 0, G_N_ELEMENTS (texts))],
                             (guint16)g_rand_int_range (random, 3478, 3481));
}

static void
add_random_probe (GRand *random, TurnConnectObservations *observations)
{
  static const char *const variants[] = { NULL,   "change-ip-port", "change-port", "s1p1",
                                          "s1p2", "s2p1",           "s2p2",        "s1p1-again",
                                          "tls",  "sip-register",   "nat64",       "turn-udp" };
  TurnConnectProbe *probe = turn_connect_observations_add (
      observations, (TurnConnectProbeKind)g_rand_int_range (random, 0, TURN_CONNECT_N_PROBE_KINDS),
      variants[g_rand_int_range (random, 0, G_N_ELEMENTS (variants))]);

  probe->carry = (TurnConnectCarry)g_rand_int_range (random, 0, TURN_CONNECT_N_CARRIES);
  probe->family = (guint8)(2 * g_rand_int_range (random, 0, 4));
  probe->is_control = g_rand_int_range (random, 0, 8) == 0;
  probe->group = (guint)g_rand_int_range (random, 0, 40);
  probe->round = (guint)g_rand_int_range (random, 0, 6);
  probe->outcome = (TurnConnectOutcome)g_rand_int_range (random, 0, TURN_CONNECT_N_OUTCOMES);
  probe->proof = (TurnConnectProof)g_rand_int_range (random, 0, TURN_CONNECT_N_PROOFS);
  probe->far_saw = (TurnConnectFarSaw)g_rand_int_range (random, 0, TURN_CONNECT_N_FAR_SAWS);
  probe->connect_us = g_rand_int_range (random, -1, 100);
  probe->rtt_us = g_rand_int_range (random, -1, 100);
  probe->code = (guint)g_rand_int_range (random, 0, 500);
  probe->quality.n_sent = (guint)g_rand_int_range (random, 0, 3);
  probe->quality.n_received = (guint)g_rand_int_range (random, 0, 5);
  make_random_address (random, &probe->target);
  make_random_address (random, &probe->local);
  make_random_address (random, &probe->mapped);
  if (g_rand_int_range (random, 0, 8) == 0)
    probe->via = g_strdup ("http://192.168.2.10:3128");
}

static void
assert_honest (const TurnConnectObservations *observations, const TurnConnectVerdict *verdict)
{
  guint n_passed = 0, n_controls = 0;

  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    n_passed += turn_connect_probe_passed (probe);
    n_controls +=
        probe->kind == TURN_CONNECT_PROBE_FILTERING_CONTROL && turn_connect_probe_passed (probe);
  }
  g_assert_true (verdict->type >= TURN_CONNECT_TYPE_UNKNOWN && verdict->type <= 9);
  g_assert_true ((verdict->type == TURN_CONNECT_TYPE_UNKNOWN) ==
                 (verdict->confidence == TURN_CONNECT_CONFIDENCE_NOT_DETERMINED));
  if (verdict->type >= 0)
    g_assert_cmphex (verdict->types >> verdict->type, ==, verdict->type > 0);
  if (verdict->type == 0)
    g_assert_true (turn_connect_verdict_get_family (verdict)->tcp == TURN_CONNECT_TELL_YES &&
                   turn_connect_verdict_get_family (verdict)->udp == TURN_CONNECT_TELL_YES);
  if (verdict->type >= 0 && verdict->type < 9)
    g_assert_false (verdict->inspection.is_in_doubt);
  if (n_passed == 0)
    g_assert_true (verdict->type == TURN_CONNECT_TYPE_UNKNOWN || verdict->type >= 5);
  for (guint i = 0; i < 2 && n_controls == 0; i++)
    g_assert_cmpint (verdict->families[i].filtering, <=, TURN_CONNECT_BEHAVIOUR_INDEPENDENT);
  for (guint i = 0; i < verdict->advice->len; i++) {
    const TurnConnectAdvice *advice = g_ptr_array_index (verdict->advice, i);

    g_assert_cmpint (advice->probe, >=, 0);
    g_assert_cmpint (advice->probe, <, (gint)observations->probes->len);
  }
}

static void
assert_same (const TurnConnectVerdict *one, const TurnConnectVerdict *other)
{
  g_assert_cmpint (one->type, ==, other->type);
  g_assert_cmphex (one->types, ==, other->types);
  g_assert_cmpint (one->confidence, ==, other->confidence);
  g_assert_cmpint (one->works, ==, other->works);
  g_assert_cmpuint (one->advice->len, ==, other->advice->len);
  g_assert_cmpuint (one->methods->len, ==, other->methods->len);
  g_assert_cmpuint (one->reasons->len, ==, other->reasons->len);
  for (guint i = 0; i < one->reasons->len; i++)
    g_assert_cmpstr (g_ptr_array_index (one->reasons, i), ==,
                     g_ptr_array_index (other->reasons, i));
}

static void
assert_same_text (const TurnConnectObservations *observations,
                  const TurnConnectVerdict *one,
                  const TurnConnectVerdict *other)
{
  g_autofree char *text = turn_connect_record_write (observations, one, FALSE);
  g_autofree char *text_again = turn_connect_record_write (observations, other, FALSE);

  g_assert_cmpstr (text, ==, text_again);
}

/* Nearly all of the time goes into the text. */
static void
test_every_set_of_observations_has_a_verdict (void)
{
  g_autoptr (GRand) random = g_rand_new_with_seed ((guint32)g_test_rand_int ());

  for (guint round = 0; round < 4000; round++) {
    g_autoptr (TurnConnectObservations) observations = turn_connect_observations_new ();
    g_autoptr (TurnConnectVerdict) verdict = NULL, again = NULL;

    observations->is_far_end = g_rand_boolean (random);
    observations->port = (guint)g_rand_int_range (random, 3478, 3481);
    if (g_rand_boolean (random))
      add_listeners (observations);
    for (gint n = g_rand_int_range (random, 0, 60); n > 0; n--)
      add_random_probe (random, observations);
    verdict = turn_connect_classify (observations);
    again = turn_connect_classify (observations);
    assert_honest (observations, verdict);
    assert_same (verdict, again);
    if (round % 20 == 0)
      assert_same_text (observations, verdict, again);
  }
}

/* As many as a record may have, no two of one port. */
static void
test_the_largest_set_has_one_too (void)
{
  g_autoptr (GRand) random = g_rand_new_with_seed ((guint32)g_test_rand_int ());
  g_autoptr (TurnConnectObservations) observations = turn_connect_observations_new ();
  g_autoptr (TurnConnectVerdict) verdict = NULL;

  observations->is_far_end = TRUE;
  add_listeners (observations);
  for (guint i = 0; i < TURN_CONNECT_OBSERVATIONS_MAX_PROBES; i++) {
    add_random_probe (random, observations);
    ((TurnConnectProbe *)g_ptr_array_index (observations->probes, i))->target.port =
        (guint16)(1 + i);
  }
  verdict = turn_connect_classify (observations);
  assert_honest (observations, verdict);
}

/* Silence, and what is said in its place, five times each. */
static void
add_silence (TurnConnectObservations *observations, TurnConnectOutcome outcome, gboolean passes)
{
  const Network *network = find_network ("port-restricted");
  StunExtAddress to = make_address ("192.0.2.10", 5060);

  for (guint round = 0; round < 5; round++) {
    TurnConnectProbe *silence = add_probe (observations, network, TURN_CONNECT_PROBE_PAYLOAD,
                                           "silence", TURN_CONNECT_CARRY_TCP, &to, FALSE);
    TurnConnectProbe *other = add_probe (observations, network, TURN_CONNECT_PROBE_PAYLOAD,
                                         "printable", TURN_CONNECT_CARRY_TCP, &to, TRUE);
    TurnConnectProbe *sip = add_probe (observations, network, TURN_CONNECT_PROBE_PAYLOAD,
                                       "sip-register", TURN_CONNECT_CARRY_TCP, &to, passes);

    silence->outcome = outcome;
    silence->far_saw = TURN_CONNECT_FAR_SAW_NOTHING;
    silence->connect_us = other->connect_us = sip->connect_us = 12000;
    silence->round = other->round = sip->round = round;
  }
}

static guint
count_reasons (const TurnConnectVerdict *verdict, const char *words)
{
  guint n = 0;

  for (guint i = 0; i < verdict->reasons->len; i++)
    n += strstr (g_ptr_array_index (verdict->reasons, i), words) != NULL;
  return n;
}

static gboolean
asks_for (const TurnConnectVerdict *verdict, const char *words)
{
  for (guint i = 0; i < verdict->advice->len; i++) {
    const TurnConnectAdvice *advice = g_ptr_array_index (verdict->advice, i);

    if (strstr (advice->text, words) != NULL)
      return TRUE;
  }
  return FALSE;
}

static void
test_that_clients_must_speak_first_is_said_in_words (void)
{
  static const struct {
    TurnConnectOutcome outcome;
    gboolean passes; /* SIP, too */
    const char *words;
  } rows[] = {
    { TURN_CONNECT_OUTCOME_CLOSED, TRUE, "does not speak first are closed" },
    { TURN_CONNECT_OUTCOME_RESET, TRUE, "does not speak first are reset" },
    { TURN_CONNECT_OUTCOME_SILENCE, TRUE, "does not speak first lead nowhere" },
    { TURN_CONNECT_OUTCOME_CLOSED, FALSE, NULL },
    { TURN_CONNECT_OUTCOME_PROOF, TRUE, NULL },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (TurnConnectObservations) observations = observe (find_network ("port-restricted"));
    g_autoptr (TurnConnectVerdict) verdict = NULL;
    gboolean is_seen = rows[i].words != NULL || !rows[i].passes;

    add_silence (observations, rows[i].outcome, rows[i].passes);
    verdict = turn_connect_classify (observations);
    g_assert_cmpint (verdict->type, ==, is_seen ? 9 : 3);
    g_assert_cmpuint (count_reasons (verdict, "does not speak first"), ==, rows[i].words != NULL);
    if (rows[i].words != NULL)
      g_assert_cmpuint (count_reasons (verdict, rows[i].words), ==, 1);
    g_assert_true (asks_for (verdict, "on which the server speaks first") ==
                   (rows[i].words != NULL));
    g_assert_true (asks_for (verdict, "the inspection of content") ==
                   (is_seen && rows[i].words == NULL));
  }
}

/* There the far end, too, says nothing as long as the client does not. */
static void
test_silence_at_a_front_door_is_no_inspection (void)
{
  for (guint is_door = 0; is_door <= 1; is_door++) {
    g_autoptr (TurnConnectObservations) observations = observe (find_network ("port-restricted"));
    g_autoptr (TurnConnectVerdict) verdict = NULL;

    add_silence (observations, TURN_CONNECT_OUTCOME_SILENCE, TRUE);
    for (guint i = 0; i < observations->listeners->len; i++) {
      TurnConnectListener *listener =
          &g_array_index (observations->listeners, TurnConnectListener, i);

      listener->is_front_door =
          is_door == (listener->carry == TURN_CONNECT_CARRY_TCP && listener->port == 5060);
    }
    verdict = turn_connect_classify (observations);
    g_assert_cmpint (verdict->type, ==, is_door ? 3 : 9);
  }
}

#define ADD(name, func) g_test_add_func ("/turn-connect/detect-classifier/" name, func)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < n_networks; i++) {
    g_autofree char *name =
        g_strconcat ("/turn-connect/detect-classifier/network/", networks[i].name, NULL);

    g_test_add_data_func (name, &networks[i], test_network);
  }
  ADD ("without-the-password-nothing-is-confirmed", test_without_the_password_nothing_is_confirmed);
  ADD ("a-server-that-refuses-everything-is-not-there",
       test_a_server_that_refuses_everything_is_not_there);
  ADD ("silence-at-a-front-door-is-no-inspection", test_silence_at_a_front_door_is_no_inspection);
  ADD ("that-clients-must-speak-first-is-said-in-words",
       test_that_clients_must_speak_first_is_said_in_words);
  ADD ("nothing-seen-determines-nothing", test_nothing_seen_determines_nothing);
  ADD ("every-set-of-observations-has-a-verdict", test_every_set_of_observations_has_a_verdict);
  ADD ("the-largest-set-has-one-too", test_the_largest_set_has_one_too);
  return g_test_run ();
}
