/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support.h"
#include "turn-connect/alarm.h"

typedef struct {
  GSource *alarm;
  guint n_calls;
  gint64 again_us; /* what it is told when it goes off; 0: nothing */
} World;

static gboolean
went_off (gpointer data)
{
  World *world = data;

  world->n_calls++;
  if (world->again_us != 0)
    g_source_set_ready_time (world->alarm, world->again_us);
  world->again_us = 0;
  return G_SOURCE_CONTINUE;
}

static void
open_world (World *world)
{
  *world = (World){ 0 };
  world->alarm = turn_connect_alarm_new (NULL, "test", went_off, world);
}

static void
close_world (World *world)
{
  g_source_destroy (world->alarm);
  g_source_unref (world->alarm);
}

static void
settle (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

static void
test_is_silent_until_told (void)
{
  World world;

  open_world (&world);
  settle ();
  g_assert_cmpuint (world.n_calls, ==, 0);
  g_source_set_ready_time (world.alarm, g_get_monotonic_time () + 1000 * (gint64)G_USEC_PER_SEC);
  settle ();
  g_assert_cmpuint (world.n_calls, ==, 0);
  close_world (&world);
}

static void
test_goes_off_once (void)
{
  World world;

  open_world (&world);
  for (guint i = 1; i <= 3; i++) {
    g_source_set_ready_time (world.alarm, 0);
    settle ();
    g_assert_cmpuint (world.n_calls, ==, i);
    g_assert_cmpint (g_source_get_ready_time (world.alarm), ==, -1);
  }
  close_world (&world);
}

static void
test_what_it_is_told_while_it_goes_off_stays (void)
{
  World world;

  open_world (&world);
  world.again_us = 1;
  g_source_set_ready_time (world.alarm, 0);
  settle ();
  g_assert_cmpuint (world.n_calls, ==, 2);
  close_world (&world);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/turn-connect/alarm/is-silent-until-told", test_is_silent_until_told);
  g_test_add_func ("/turn-connect/alarm/goes-off-once", test_goes_off_once);
  g_test_add_func ("/turn-connect/alarm/what-it-is-told-while-it-goes-off-stays",
                   test_what_it_is_told_while_it_goes_off_stays);
  return g_test_run ();
}
