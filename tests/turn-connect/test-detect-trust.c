/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whom a run signs for, and what the proofs of answers are worth to it. */
#include "turn-connect/detect/trust.h"

#define LONG_PASSWORD "correct horse battery staple"
#define SHORT_PASSWORD "fifteen octets."

typedef struct {
  TurnConnectTrust trust;
  TurnConnectObservations *observations;
} World;

static void
world_init (World *world, const char *password)
{
  static const StunExtDetectRun run = { { 2, 7, 1, 8 } };
  StunExtAddress server;

  turn_connect_trust_init (&world->trust, "alice", password, &run);
  world->observations = turn_connect_observations_new ();
  g_assert_true (stun_ext_address_parse ("192.0.2.1", &server));
  g_array_append_val (world->observations->servers, server);
}

static void
world_clear (World *world)
{
  turn_connect_trust_clear (&world->trust);
  turn_connect_observations_free (world->observations);
}

static TurnConnectProbe *
add (World *world, const char *target, gint64 start_us)
{
  TurnConnectProbe *probe =
      turn_connect_observations_add (world->observations, TURN_CONNECT_PROBE_STUN, NULL);

  probe->carry = TURN_CONNECT_CARRY_UDP;
  probe->start_us = start_us;
  g_assert_true (stun_ext_address_parse (target, &probe->target));
  return probe;
}

static gboolean
signs (World *world, const TurnConnectProbe *probe, gboolean is_verified)
{
  return turn_connect_trust_choose_key (&world->trust, world->observations, probe, is_verified) !=
         NULL;
}

/* Asks, and takes an answer with this proof. */
static TurnConnectProof
weigh (World *world,
       TurnConnectProbe *probe,
       gboolean is_signed,
       StunExtDetectProof proof,
       gboolean is_refusal,
       gint64 now_us)
{
  TurnConnectProof worth;

  turn_connect_trust_note_request (&world->trust, probe, is_signed);
  worth = turn_connect_trust_weigh (&world->trust, world->observations, probe, proof, is_refusal,
                                    now_us);
  g_assert_cmpint (worth, ==, probe->proof);
  probe->outcome =
      worth == TURN_CONNECT_PROOF_NONE ? TURN_CONNECT_OUTCOME_ANSWER : TURN_CONNECT_OUTCOME_PROOF;
  return worth;
}

#define KEYED STUN_EXT_DETECT_PROOF_KEYED
#define UNKEYED STUN_EXT_DETECT_PROOF_UNKEYED

static void
test_short_passwords_sign_inside_tls_alone (void)
{
  static const struct {
    const char *password;
    gboolean plain, tls;
  } rows[] = { { NULL, FALSE, FALSE },
               { "", FALSE, FALSE },
               { SHORT_PASSWORD, FALSE, TRUE },
               { "sixteen octets..", TRUE, TRUE },
               { LONG_PASSWORD, TRUE, TRUE } };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    World world;
    TurnConnectProbe *probe;

    world_init (&world, rows[i].password);
    probe = add (&world, "192.0.2.1:3478", 0);
    g_assert_cmpint (signs (&world, probe, FALSE), ==, rows[i].plain);
    g_assert_cmpint (signs (&world, probe, TRUE), ==, rows[i].tls);
    world_clear (&world);
  }
}

static void
test_strangers_are_not_signed_for (void)
{
  World world;
  TurnConnectProbe *answered, *other, *via;

  world_init (&world, LONG_PASSWORD);
  answered = add (&world, "192.0.2.1:3478", 0);
  other = add (&world, "198.51.100.1:3478", 0);
  via = add (&world, "198.51.100.1:3128", 0);
  via->via = g_strdup ("http://proxy.example:3128");
  answered->other = other->target;
  g_assert_false (signs (&world, other, FALSE));
  g_assert_true (signs (&world, via, FALSE));
  /* Who makes what anybody can make names nobody. */
  weigh (&world, answered, TRUE, UNKEYED, TRUE, 1);
  turn_connect_trust_note_other (&world.trust, answered);
  g_assert_false (signs (&world, other, FALSE));
  weigh (&world, answered, TRUE, KEYED, FALSE, 2);
  turn_connect_trust_note_other (&world.trust, answered);
  g_assert_true (signs (&world, other, FALSE));
  world_clear (&world);
}

static void
test_a_refusal_holds_for_one_place_until_the_password_is_proven (void)
{
  World world;
  TurnConnectProbe *one, *other_port, *other_carry;

  world_init (&world, LONG_PASSWORD);
  one = add (&world, "192.0.2.1:3478", 0);
  other_port = add (&world, "192.0.2.1:3479", 0);
  other_carry = add (&world, "192.0.2.1:3478", 0);
  other_carry->carry = TURN_CONNECT_CARRY_TCP;
  g_assert_true (turn_connect_trust_note_refusal (&world.trust, one));
  g_assert_true (turn_connect_trust_note_refusal (&world.trust, one));
  g_assert_false (signs (&world, one, FALSE));
  g_assert_true (signs (&world, other_port, FALSE) && signs (&world, other_carry, FALSE));
  weigh (&world, other_port, TRUE, KEYED, FALSE, 5);
  g_assert_true (signs (&world, one, FALSE));
  g_assert_false (turn_connect_trust_note_refusal (&world.trust, one));
  g_assert_true (signs (&world, one, FALSE));
  world_clear (&world);
}

static void
test_what_anybody_can_make_is_worth_nothing_beside_the_password (void)
{
  static const struct {
    const char *name;
    const char *password;
    gboolean is_keyed_heard; /* at 10 */
    gint64 start_us;
    gboolean is_signed, is_refusal;
    TurnConnectProof worth;
  } rows[] = {
    { "without a password", NULL, FALSE, 0, FALSE, FALSE, TURN_CONNECT_PROOF_UNKEYED },
    { "a signature passed over", LONG_PASSWORD, FALSE, 0, TRUE, FALSE, TURN_CONNECT_PROOF_NONE },
    { "a wrong password", LONG_PASSWORD, FALSE, 0, TRUE, TRUE, TURN_CONNECT_PROOF_UNKEYED },
    { "a right one gone wrong", LONG_PASSWORD, TRUE, 0, TRUE, TRUE, TURN_CONNECT_PROOF_NONE },
    { "before a signature", LONG_PASSWORD, FALSE, 0, FALSE, FALSE, TURN_CONNECT_PROOF_UNKEYED },
    { "on its way meanwhile", LONG_PASSWORD, TRUE, 9, FALSE, FALSE, TURN_CONNECT_PROOF_UNKEYED },
    { "asked later", LONG_PASSWORD, TRUE, 10, FALSE, FALSE, TURN_CONNECT_PROOF_NONE },
    { "short, unsigned", SHORT_PASSWORD, TRUE, 20, FALSE, FALSE, TURN_CONNECT_PROOF_UNKEYED },
    { "short, signed", SHORT_PASSWORD, TRUE, 20, TRUE, TRUE, TURN_CONNECT_PROOF_NONE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    World world;
    TurnConnectProbe *probe;

    g_test_message ("%s", rows[i].name);
    world_init (&world, rows[i].password);
    if (rows[i].is_keyed_heard)
      weigh (&world, add (&world, "192.0.2.1:443", 0), TRUE, KEYED, FALSE, 10);
    probe = add (&world, "192.0.2.1:3478", rows[i].start_us);
    g_assert_cmpint (weigh (&world, probe, rows[i].is_signed, UNKEYED, rows[i].is_refusal, 30), ==,
                     rows[i].worth);
    g_assert_cmpint (world.observations->is_far_end, ==,
                     rows[i].is_keyed_heard || rows[i].worth == TURN_CONNECT_PROOF_UNKEYED);
    g_assert_cmpint (turn_connect_probe_get_fact (probe, "proof") != NULL, ==,
                     rows[i].worth == TURN_CONNECT_PROOF_NONE);
    world_clear (&world);
  }
}

/* Who came first with a refusal does not stay a far end when the far end comes. */
static void
test_what_was_believed_is_not_once_the_password_is_proven (void)
{
  World world;
  TurnConnectProbe *early, *unsigned_one;

  world_init (&world, LONG_PASSWORD);
  early = add (&world, "192.0.2.1:3478", 0);
  unsigned_one = add (&world, "192.0.2.1:5060", 0);
  weigh (&world, early, TRUE, UNKEYED, TRUE, 5);
  weigh (&world, unsigned_one, FALSE, UNKEYED, FALSE, 5);
  g_assert_cmpint (early->outcome, ==, TURN_CONNECT_OUTCOME_PROOF);
  weigh (&world, add (&world, "192.0.2.1:443", 0), TRUE, KEYED, FALSE, 10);
  g_assert_cmpint (early->outcome, ==, TURN_CONNECT_OUTCOME_ANSWER);
  g_assert_cmpint (early->proof, ==, TURN_CONNECT_PROOF_NONE);
  g_assert_cmpint (unsigned_one->outcome, ==, TURN_CONNECT_OUTCOME_PROOF);
  world_clear (&world);
}

/* Whoever says more after the far end: what he says is worth nothing, and what it proved stays. */
static void
test_what_is_proven_with_the_password_stays_so (void)
{
  static const struct {
    const char *password;
    StunExtDetectProof later;
    gboolean is_refusal, is_told;
  } rows[] = {
    { LONG_PASSWORD, UNKEYED, FALSE, TRUE },
    { LONG_PASSWORD, UNKEYED, TRUE, TRUE },
    { LONG_PASSWORD, STUN_EXT_DETECT_PROOF_NONE, FALSE, FALSE },
    { SHORT_PASSWORD, UNKEYED, FALSE, TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    World world;
    TurnConnectProbe *probe;

    world_init (&world, rows[i].password);
    probe = add (&world, "192.0.2.1:3478", 0);
    weigh (&world, probe, TRUE, KEYED, FALSE, 5);
    g_assert_cmpint (turn_connect_trust_weigh (&world.trust, world.observations, probe,
                                               rows[i].later, rows[i].is_refusal, 6),
                     ==, TURN_CONNECT_PROOF_NONE);
    g_assert_cmpint (probe->proof, ==, TURN_CONNECT_PROOF_KEYED);
    g_assert_cmpint (probe->outcome, ==, TURN_CONNECT_OUTCOME_PROOF);
    g_assert_cmpint (turn_connect_probe_get_fact (probe, "proof") != NULL, ==, rows[i].is_told);
    world_clear (&world);
  }
}

/* Where the far end listens may have been told by somebody else, too. */
static void
test_listeners_of_who_is_not_believed_are_forgotten (void)
{
  static const struct {
    const char *variant;
    gboolean is_signed;
    guint n_left;
  } rows[] = { { "self", TRUE, 0 }, { "self", FALSE, 1 }, { "record", TRUE, 1 } };
  const TurnConnectListener listener = { .carry = TURN_CONNECT_CARRY_TCP, .port = 5060 };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    World world;
    TurnConnectProbe *told, *other;

    world_init (&world, LONG_PASSWORD);
    told = turn_connect_observations_add (world.observations, TURN_CONNECT_PROBE_RECORD,
                                          rows[i].variant);
    weigh (&world, told, rows[i].is_signed, UNKEYED, TRUE, 5);
    g_array_append_val (world.observations->listeners, listener);
    other = add (&world, "192.0.2.1:443", 0);
    weigh (&world, other, TRUE, UNKEYED, TRUE, 8);
    g_assert_cmpuint (world.observations->listeners->len, ==, 1);
    weigh (&world, other, TRUE, KEYED, FALSE, 10);
    g_assert_cmpuint (world.observations->listeners->len, ==, rows[i].n_left);
    g_assert_cmpint (told->outcome, ==,
                     rows[i].is_signed ? TURN_CONNECT_OUTCOME_WRONG_ANSWER
                                       : TURN_CONNECT_OUTCOME_PROOF);
    world_clear (&world);
  }
}

/* Of a probe with requests of both kinds nobody can say which one was answered. */
static void
test_a_probe_with_one_unsigned_request_is_no_signed_one (void)
{
  World world;
  TurnConnectProbe *probe;

  world_init (&world, LONG_PASSWORD);
  probe = add (&world, "192.0.2.1:3478", 0);
  turn_connect_trust_note_request (&world.trust, probe, FALSE);
  g_assert_cmpint (weigh (&world, probe, TRUE, UNKEYED, FALSE, 5), ==, TURN_CONNECT_PROOF_UNKEYED);
  world_clear (&world);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add_func ("/turn-connect/detect-trust/" name, func)
  ADD ("short-passwords-sign-inside-tls-alone", test_short_passwords_sign_inside_tls_alone);
  ADD ("strangers-are-not-signed-for", test_strangers_are_not_signed_for);
  ADD ("a-refusal-holds-for-one-place-until-the-password-is-proven",
       test_a_refusal_holds_for_one_place_until_the_password_is_proven);
  ADD ("what-anybody-can-make-is-worth-nothing-beside-the-password",
       test_what_anybody_can_make_is_worth_nothing_beside_the_password);
  ADD ("what-was-believed-is-not-once-the-password-is-proven",
       test_what_was_believed_is_not_once_the_password_is_proven);
  ADD ("what-is-proven-with-the-password-stays-so", test_what_is_proven_with_the_password_stays_so);
  ADD ("listeners-of-who-is-not-believed-are-forgotten",
       test_listeners_of_who_is_not_believed_are_forgotten);
  ADD ("a-probe-with-one-unsigned-request-is-no-signed-one",
       test_a_probe_with_one_unsigned_request_is_no_signed_one);
  return g_test_run ();
}
