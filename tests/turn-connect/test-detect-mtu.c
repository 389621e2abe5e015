/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The search for the largest packet, on paths of every MTU, with and without losses. */
#include "turn-connect/detect/mtu-search.h"

static guint
search_path (TurnConnectMtuSearch *search, guint mtu, guint lost_by_chance)
{
  guint sizes[TURN_CONNECT_MTU_SIZES_MAX], n, rounds = 0;

  while ((n = turn_connect_mtu_search_next (search, sizes)) > 0) {
    g_assert_cmpuint (n, <=, TURN_CONNECT_MTU_SIZES_MAX);
    g_assert_cmpuint (++rounds, <=, 4);
    for (guint i = 0; i < n; i++) {
      g_assert_cmpuint (sizes[i] % 4, ==, 0);
      g_assert_cmpuint (sizes[i], <=, search->largest);
      turn_connect_mtu_search_note (search, sizes[i],
                                    sizes[i] <= mtu && sizes[i] != lost_by_chance);
    }
  }
  return search->passed;
}

static void
test_every_mtu_is_found_to_four_octets (void)
{
  for (guint largest = 1200; largest <= 1500; largest += 100) {
    for (guint mtu = 576; mtu <= 1600; mtu++) {
      TurnConnectMtuSearch search = { .largest = largest };
      guint found = search_path (&search, mtu, 0);

      g_assert_cmpuint (found, ==, MIN (mtu / 4 * 4, largest));
      g_assert_true ((search.lost == 0) == (found == largest));
    }
  }
}

static void
test_a_loss_by_chance_among_smaller_ones_changes_nothing (void)
{
  for (guint mtu = 1300; mtu <= 1500; mtu += 4) {
    TurnConnectMtuSearch search = { .largest = 1500 };

    g_assert_cmpuint (search_path (&search, mtu, 1200), ==, mtu);
  }
}

static void
test_where_nothing_passes_nothing_is_found (void)
{
  TurnConnectMtuSearch search = { .largest = 1500 };

  g_assert_cmpuint (search_path (&search, 0, 0), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/turn-connect/detect-mtu/every-mtu-is-found-to-four-octets",
                   test_every_mtu_is_found_to_four_octets);
  g_test_add_func ("/turn-connect/detect-mtu/a-loss-by-chance-among-smaller-ones-changes-nothing",
                   test_a_loss_by_chance_among_smaller_ones_changes_nothing);
  g_test_add_func ("/turn-connect/detect-mtu/where-nothing-passes-nothing-is-found",
                   test_where_nothing_passes_nothing_is_found);
  return g_test_run ();
}
