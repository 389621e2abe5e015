/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "turn-connect/local/way-memory.h"

#define N_WAYS 3

static gboolean
enter (TurnConnectWayMemory *memory, const char *place, const char *hardware)
{
  TurnConnectNetwork network = { (char *)place, (char *)hardware };

  return turn_connect_way_memory_enter (memory, &network);
}

/* One attempt in which only the ways in @open work: "012" for those that were tried. */
static void
assert_tries (TurnConnectWayMemory *memory, guint open, const char *expected)
{
  TurnConnectWayAttempt attempt;
  g_autoptr (GString) tried = g_string_new (NULL);
  gboolean has_more = TRUE;

  turn_connect_way_memory_begin (memory, N_WAYS, &attempt);
  while (has_more) {
    g_string_append_printf (tried, "%u", attempt.way);
    g_assert_cmpint (turn_connect_way_attempt_has_more (&attempt), ==, tried->len < N_WAYS);
    if ((open & 1u << attempt.way) != 0) {
      turn_connect_way_memory_worked (memory, &attempt);
      break;
    }
    has_more = turn_connect_way_memory_failed (memory, &attempt);
  }
  g_assert_cmpstr (tried->str, ==, expected);
}

#define FIRST 1u
#define SECOND 2u
#define THIRD 4u

static void
test_each_way_is_tried_when_the_one_before_failed (void)
{
  g_autoptr (TurnConnectWayMemory) memory = turn_connect_way_memory_new ();

  enter (memory, "here", NULL);
  assert_tries (memory, FIRST | SECOND | THIRD, "0");
  assert_tries (memory, SECOND | THIRD, "01");
  assert_tries (memory, 0, "102");
  assert_tries (memory, 0, "012");
  assert_tries (memory, THIRD, "012");
  assert_tries (memory, THIRD, "2");
}

static void
test_what_worked_comes_first_until_it_fails (void)
{
  g_autoptr (TurnConnectWayMemory) memory = turn_connect_way_memory_new ();

  enter (memory, "here", NULL);
  assert_tries (memory, THIRD, "012");
  assert_tries (memory, FIRST | THIRD, "2");
  assert_tries (memory, FIRST, "20");
  assert_tries (memory, FIRST | THIRD, "0");
}

static void
test_each_network_has_a_memory_of_its_own (void)
{
  g_autoptr (TurnConnectWayMemory) memory = turn_connect_way_memory_new ();

  g_assert_true (enter (memory, "home", "02:1"));
  assert_tries (memory, FIRST, "0");
  g_assert_true (enter (memory, "hotel", "02:2"));
  assert_tries (memory, THIRD, "012");
  g_assert_false (enter (memory, "hotel", "02:2"));
  assert_tries (memory, THIRD, "2");
  g_assert_true (enter (memory, "home", "02:1"));
  assert_tries (memory, FIRST | THIRD, "0");
  g_assert_true (enter (memory, "hotel", "02:2"));
  assert_tries (memory, FIRST | THIRD, "2");
  /* The same addresses behind another gateway are another network. */
  g_assert_true (enter (memory, "hotel", "02:3"));
  assert_tries (memory, FIRST | THIRD, "0");
}

static void
test_a_gateway_that_becomes_known_changes_nothing (void)
{
  g_autoptr (TurnConnectWayMemory) memory = turn_connect_way_memory_new ();

  enter (memory, "here", NULL);
  assert_tries (memory, SECOND, "01");
  g_assert_false (enter (memory, "here", "02:1"));
  assert_tries (memory, SECOND, "1");
  g_assert_false (enter (memory, "here", NULL));
  g_assert_true (enter (memory, "here", "02:2"));
}

static void
test_an_attempt_from_another_network_teaches_nothing (void)
{
  g_autoptr (TurnConnectWayMemory) memory = turn_connect_way_memory_new ();
  TurnConnectWayAttempt attempt;

  enter (memory, "old", NULL);
  turn_connect_way_memory_begin (memory, N_WAYS, &attempt);
  g_assert_true (turn_connect_way_memory_failed (memory, &attempt));
  enter (memory, "new", NULL);
  turn_connect_way_memory_worked (memory, &attempt);
  assert_tries (memory, FIRST | SECOND, "0");
  /* Not even when the first is come back to. */
  enter (memory, "old", NULL);
  turn_connect_way_memory_worked (memory, &attempt);
  assert_tries (memory, FIRST | SECOND, "0");
}

static void
test_memory_is_bounded_and_forgets_the_oldest (void)
{
  g_autoptr (TurnConnectWayMemory) memory = turn_connect_way_memory_new ();

  for (guint i = 0; i <= TURN_CONNECT_NETWORKS_MAX; i++) {
    g_autofree char *place = g_strdup_printf ("network %u", i);

    enter (memory, place, NULL);
    assert_tries (memory, THIRD, "012");
  }
  enter (memory, "network 1", NULL);
  assert_tries (memory, THIRD, "2");
  enter (memory, "network 0", NULL);
  assert_tries (memory, THIRD, "012");
}

static void
test_without_a_network_nothing_is_remembered (void)
{
  g_autoptr (TurnConnectWayMemory) memory = turn_connect_way_memory_new ();

  assert_tries (memory, SECOND, "01");
  assert_tries (memory, SECOND, "01");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define TEST(name, func) g_test_add_func ("/turn-connect/way-memory/" name, func)
  TEST ("each-way-is-tried-when-the-one-before-failed",
        test_each_way_is_tried_when_the_one_before_failed);
  TEST ("what-worked-comes-first-until-it-fails", test_what_worked_comes_first_until_it_fails);
  TEST ("each-network-has-a-memory-of-its-own", test_each_network_has_a_memory_of_its_own);
  TEST ("a-gateway-that-becomes-known-changes-nothing",
        test_a_gateway_that_becomes_known_changes_nothing);
  TEST ("an-attempt-from-another-network-teaches-nothing",
        test_an_attempt_from_another_network_teaches_nothing);
  TEST ("is-bounded-and-forgets-the-oldest", test_memory_is_bounded_and_forgets_the_oldest);
  TEST ("without-a-network-nothing-is-remembered", test_without_a_network_nothing_is_remembered);
  return g_test_run ();
}
