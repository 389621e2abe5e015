/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "turn-connect/race.h"

#define MS 1000

static void
answer (TurnConnectRace *race, GSocketFamily family, const char *addresses, gint64 now)
{
  g_auto (GStrv) parts = g_strsplit (addresses, " ", -1);
  GList *list = NULL;

  for (char **part = parts; *part != NULL && **part != '\0'; part++)
    list = g_list_append (list, g_inet_address_new_from_string (*part));
  turn_connect_race_answer (race, family, list, now);
  g_list_free_full (list, g_object_unref);
}

static void
assert_next (TurnConnectRace *race, gint64 now, const char *expected, gint64 expected_wake)
{
  gint64 wake = 0;
  g_autoptr (GInetAddress) address = turn_connect_race_next (race, now, &wake);
  g_autofree char *text = address != NULL ? g_inet_address_to_string (address) : NULL;

  g_assert_cmpstr (text, ==, expected);
  if (expected == NULL)
    g_assert_cmpint (wake, ==, expected_wake);
}

static void
test_families_take_turns (void)
{
  g_autoptr (TurnConnectRace) race = turn_connect_race_new ();
  static const char *const order[] = { "2001:db8::1", "192.0.2.1", "2001:db8::2",
                                       "192.0.2.2",   "192.0.2.3", "192.0.2.4" };

  answer (race, G_SOCKET_FAMILY_IPV4, "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4", 0);
  answer (race, G_SOCKET_FAMILY_IPV6, "2001:db8::1 2001:db8::2", 0);
  for (gsize i = 0; i < G_N_ELEMENTS (order); i++) {
    assert_next (race, (gint64)i * 250 * MS, order[i], 0);
    if (i + 1 < G_N_ELEMENTS (order))
      assert_next (race, (gint64)i * 250 * MS + 1, NULL, (gint64)(i + 1) * 250 * MS);
  }
  assert_next (race, 10000 * MS, NULL, -1);
  g_assert_false (turn_connect_race_is_lost (race));
}

static void
test_ipv4_waits_a_little_for_ipv6 (void)
{
  g_autoptr (TurnConnectRace) race = turn_connect_race_new ();

  assert_next (race, 0, NULL, -1);
  answer (race, G_SOCKET_FAMILY_IPV4, "192.0.2.1", 10 * MS);
  assert_next (race, 10 * MS, NULL, 60 * MS);
  answer (race, G_SOCKET_FAMILY_IPV6, "2001:db8::1", 30 * MS);
  assert_next (race, 30 * MS, "2001:db8::1", 0);
  assert_next (race, 30 * MS, NULL, 280 * MS);
}

static void
test_silent_ipv6_lookup_does_not_hold_up_ipv4 (void)
{
  g_autoptr (TurnConnectRace) race = turn_connect_race_new ();

  answer (race, G_SOCKET_FAMILY_IPV4, "192.0.2.1 192.0.2.2", 0);
  assert_next (race, 50 * MS, "192.0.2.1", 0);
  /* A late IPv6 address is next in turn. */
  answer (race, G_SOCKET_FAMILY_IPV6, "2001:db8::1", 100 * MS);
  assert_next (race, 100 * MS, NULL, 300 * MS);
  assert_next (race, 300 * MS, "2001:db8::1", 0);
}

static void
test_ipv6_answer_first_starts_at_once (void)
{
  g_autoptr (TurnConnectRace) race = turn_connect_race_new ();

  answer (race, G_SOCKET_FAMILY_IPV6, "2001:db8::1", 7);
  assert_next (race, 7, "2001:db8::1", 0);
}

static void
test_failed_ipv6_lookup_frees_ipv4_at_once (void)
{
  g_autoptr (TurnConnectRace) race = turn_connect_race_new ();

  answer (race, G_SOCKET_FAMILY_IPV4, "192.0.2.1", 0);
  answer (race, G_SOCKET_FAMILY_IPV6, "", 1);
  assert_next (race, 1, "192.0.2.1", 0);
}

static void
test_failure_lets_the_next_start (void)
{
  g_autoptr (TurnConnectRace) race = turn_connect_race_new ();

  answer (race, G_SOCKET_FAMILY_IPV6, "", 0);
  answer (race, G_SOCKET_FAMILY_IPV4, "192.0.2.1 192.0.2.2", 0);
  assert_next (race, 0, "192.0.2.1", 0);
  assert_next (race, 5, NULL, 250 * MS);
  turn_connect_race_failed (race);
  assert_next (race, 5, "192.0.2.2", 0);
  g_assert_false (turn_connect_race_is_lost (race));
  turn_connect_race_failed (race);
  g_assert_true (turn_connect_race_is_lost (race));
}

static void
test_is_lost_only_after_both_lookups (void)
{
  g_autoptr (TurnConnectRace) race = turn_connect_race_new ();

  g_assert_false (turn_connect_race_is_lost (race));
  answer (race, G_SOCKET_FAMILY_IPV4, "", 0);
  g_assert_false (turn_connect_race_is_lost (race));
  answer (race, G_SOCKET_FAMILY_IPV6, "", 0);
  g_assert_true (turn_connect_race_is_lost (race));
  g_assert_false (turn_connect_race_has_addresses (race));
}

static void
test_a_thousand_addresses_are_bounded (void)
{
  g_autoptr (TurnConnectRace) race = turn_connect_race_new ();
  g_autoptr (GString) many = g_string_new (NULL);
  gint64 wake;
  guint n = 0;

  for (int i = 0; i < 1000; i++)
    g_string_append_printf (many, "%s198.18.%d.%d", i > 0 ? " " : "", i / 250, i % 250);
  answer (race, G_SOCKET_FAMILY_IPV4, many->str, 0);
  answer (race, G_SOCKET_FAMILY_IPV6, "", 0);
  for (gint64 now = 0; now < 1000 * 250 * MS; now += 250 * MS) {
    g_autoptr (GInetAddress) address = turn_connect_race_next (race, now, &wake);

    n += address != NULL ? 1 : 0;
  }
  g_assert_cmpuint (n, ==, TURN_CONNECT_RACE_MAX_ADDRESSES);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/turn-connect/race/families-take-turns", test_families_take_turns);
  g_test_add_func ("/turn-connect/race/ipv4-waits-a-little-for-ipv6",
                   test_ipv4_waits_a_little_for_ipv6);
  g_test_add_func ("/turn-connect/race/silent-ipv6-lookup-does-not-hold-up-ipv4",
                   test_silent_ipv6_lookup_does_not_hold_up_ipv4);
  g_test_add_func ("/turn-connect/race/ipv6-answer-first-starts-at-once",
                   test_ipv6_answer_first_starts_at_once);
  g_test_add_func ("/turn-connect/race/failed-ipv6-lookup-frees-ipv4-at-once",
                   test_failed_ipv6_lookup_frees_ipv4_at_once);
  g_test_add_func ("/turn-connect/race/failure-lets-the-next-start",
                   test_failure_lets_the_next_start);
  g_test_add_func ("/turn-connect/race/is-lost-only-after-both-lookups",
                   test_is_lost_only_after_both_lookups);
  g_test_add_func ("/turn-connect/race/a-thousand-addresses-are-bounded",
                   test_a_thousand_addresses_are_bounded);
  return g_test_run ();
}
