/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "stun-ext/flow.h"

#define MS 1000
#define SECOND ((gint64)1000000)
#define START (1000 * SECOND)

/* The far end's clock has nothing to do with ours. */
#define FAR_MS 0xFFFFF000u

static StunExtFlowStamp
stamp_at (gint64 sent_us, gint64 arrived_us)
{
  return (StunExtFlowStamp){ .now_us = START + arrived_us,
                             .sent_ms = FAR_MS + (guint32)(sent_us / 8000 * 8),
                             .is_timed = TRUE };
}

static StunExtFlowVerdict
receive (StunExtFlowReceiver *r, guint16 sequence, gint64 sent_us, gint64 arrived_us)
{
  const StunExtFlowStamp stamp = stamp_at (sent_us, arrived_us);

  return stun_ext_flow_receive (r, sequence, &stamp);
}

static void
test_time_counts_eight_milliseconds (void)
{
  g_assert_cmpuint (stun_ext_flow_time (0), ==, 0);
  g_assert_cmpuint (stun_ext_flow_time (7999), ==, 0);
  g_assert_cmpuint (stun_ext_flow_time (8000), ==, 1);
  g_assert_cmpuint (stun_ext_flow_time (2047999), ==, 255);
  g_assert_cmpuint (stun_ext_flow_time (2048000), ==, 0);
}

static void
test_timeline_is_unknown_before_feedback (void)
{
  StunExtTimeline timeline = { 0 };
  guint32 sent_ms = 5;

  g_assert_false (stun_ext_timeline_unwrap (&timeline, 7, &sent_ms));
  g_assert_cmpuint (sent_ms, ==, 0);
}

static void
test_timeline_follows_a_clock_over_its_wraps (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  StunExtTimeline timeline = { 0 };
  gint64 clock_us = (gint64)(G_MAXUINT32 - 200000u) * 1000 + 123;

  stun_ext_timeline_rebase (&timeline, (guint32)(clock_us / 1000));
  for (guint i = 0; i < 2000; i++) {
    gint64 handed_us;
    guint32 sent_ms;

    clock_us += g_rand_int_range (rand, 0, 1700 * MS);
    handed_us = clock_us - g_rand_int_range (rand, 0, 240 * MS);
    g_assert_true (stun_ext_timeline_unwrap (&timeline, stun_ext_flow_time (handed_us), &sent_ms));
    if (handed_us / 8000 > (clock_us - 1700 * MS) / 8000)
      g_assert_cmpuint (sent_ms, ==, (guint32)(handed_us / 8000 * 8));
    stun_ext_timeline_rebase (&timeline, (guint32)(clock_us / 1000));
  }
}

static void
test_timeline_moves_by_frames_alone (void)
{
  StunExtTimeline timeline = { 0 };
  guint32 sent_ms;

  stun_ext_timeline_rebase (&timeline, 1003);
  g_assert_true (stun_ext_timeline_unwrap (&timeline, 1000 / 8, &sent_ms));
  g_assert_cmpuint (sent_ms, ==, 1000);
  for (guint32 ms = 1000; ms < 100000; ms += 1784) { /* 223 units */
    g_assert_true (stun_ext_timeline_unwrap (&timeline, (guint8)(ms / 8), &sent_ms));
    g_assert_cmpuint (sent_ms, ==, ms);
    g_assert_true (stun_ext_timeline_unwrap (&timeline, (guint8)(ms / 8 - 32), &sent_ms));
    g_assert_cmpuint (sent_ms, ==, ms - 256);
  }
}

static void
test_sender_numbers_wrap (void)
{
  StunExtFlowSender sender = { .sequence = 65535 };

  g_assert_cmpuint (stun_ext_flow_sender_next (&sender), ==, 65535);
  g_assert_cmpuint (stun_ext_flow_sender_next (&sender), ==, 0);
  g_assert_cmpuint (sender.n_sent, ==, 2);
}

static void
test_first_copy_is_delivered_in_any_order (void)
{
  static const guint16 numbers[] = { 65530, 65532, 65531, 3, 65535, 0, 2, 1, 65533, 65534 };
  StunExtFlowReceiver r = { 0 };

  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++) {
    g_assert_cmpint (receive (&r, numbers[i], 0, 0), ==, STUN_EXT_FLOW_NEW);
    for (gsize k = 0; k <= i; k++)
      g_assert_cmpint (receive (&r, numbers[k], 0, 0), ==, STUN_EXT_FLOW_DUPLICATE);
  }
  g_assert_cmpuint (r.n_delivered, ==, 10);
  g_assert_cmpuint (r.n_duplicates, ==, 55);
  g_assert_cmpuint (stun_ext_flow_lost (&r), ==, 0);
}

static void
test_window_holds_1024_numbers (void)
{
  StunExtFlowReceiver r = { 0 };

  receive (&r, 100, 0, 0);
  receive (&r, 100 + 1024, 0, 0);
  g_assert_cmpint (receive (&r, 101, 0, 0), ==, STUN_EXT_FLOW_NEW);
  g_assert_cmpint (receive (&r, 101, 0, 0), ==, STUN_EXT_FLOW_DUPLICATE);
  g_assert_cmpint (receive (&r, 100, 0, 0), ==, STUN_EXT_FLOW_OLD);
  g_assert_cmpint (receive (&r, 99, 0, 0), ==, STUN_EXT_FLOW_OLD);
  g_assert_cmpint (receive (&r, (guint16)(100 + 1024 - 32768), 0, 0), ==, STUN_EXT_FLOW_OLD);
  g_assert_cmpuint (r.n_old, ==, 3);
  /* A jump by more than the window leaves nothing behind that looks like a copy. */
  g_assert_cmpint (receive (&r, 30000, 0, 0), ==, STUN_EXT_FLOW_NEW);
  for (guint16 i = 30000 - 1023; i < 30000; i++)
    g_assert_cmpint (receive (&r, i, 0, 0), ==, STUN_EXT_FLOW_NEW);
}

/* Against a record of everything that was ever delivered. */
static void
test_random_order_agrees_with_a_full_record (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (2);

  for (guint round = 0; round < 20; round++) {
    StunExtFlowReceiver r = { 0 };
    g_autofree guint8 *seen = g_malloc0 (200000);
    guint32 start = 1000 + (guint32)g_rand_int_range (rand, 0, 60000);
    guint32 highest = start;
    guint64 delivered = 0;

    for (guint i = 0; i < 20000; i++) {
      guint32 number = i == 0 ? start : highest + 5 - (guint32)g_rand_int_range (rand, 0, 10);
      StunExtFlowVerdict wanted;

      if (g_rand_int_range (rand, 0, 100) == 0 && number > 3000)
        number -= (guint32)g_rand_int_range (rand, 0, 2000);
      wanted = number + 1024 <= highest ? STUN_EXT_FLOW_OLD
               : seen[number]           ? STUN_EXT_FLOW_DUPLICATE
                                        : STUN_EXT_FLOW_NEW;
      g_assert_cmpint (receive (&r, (guint16)number, 0, 0), ==, wanted);
      if (wanted == STUN_EXT_FLOW_NEW)
        delivered++;
      if (wanted != STUN_EXT_FLOW_OLD)
        seen[number] = 1;
      highest = MAX (highest, number);
    }
    g_assert_cmpuint (r.n_delivered, ==, delivered);
    g_assert_cmpuint (r.n_delivered + r.n_duplicates + r.n_old, ==, 20000);
  }
}

static void
test_a_sender_that_begins_anew_is_heard_with_its_second_packet (void)
{
  StunExtFlowReceiver r = { 0 };

  for (guint16 i = 0; i < 100; i++)
    receive (&r, (guint16)(40000 + i), i * 20 * MS, i * 20 * MS);
  g_assert_cmpint (receive (&r, 20000, 5 * SECOND, 5 * SECOND), ==, STUN_EXT_FLOW_OLD);
  g_assert_cmpint (receive (&r, 20001, 5 * SECOND + 20 * MS, 5 * SECOND), ==, STUN_EXT_FLOW_NEW);
  g_assert_cmpint (receive (&r, 20002, 5 * SECOND + 40 * MS, 5 * SECOND), ==, STUN_EXT_FLOW_NEW);
  g_assert_cmpint (receive (&r, 20002, 5 * SECOND + 40 * MS, 5 * SECOND), ==,
                   STUN_EXT_FLOW_DUPLICATE);
  g_assert_cmpuint (r.n_restarts, ==, 1);
  g_assert_cmpuint (stun_ext_flow_lost (&r), ==, 0);
}

static void
test_what_a_stalled_connection_lets_loose_restarts_nothing (void)
{
  StunExtFlowReceiver r = { 0 };

  for (guint16 i = 0; i < 3000; i++)
    receive (&r, i, i * MS, i * MS);
  for (guint16 i = 0; i < 500; i++)
    g_assert_cmpint (receive (&r, i, i * MS, 3 * SECOND), ==, STUN_EXT_FLOW_OLD);
  g_assert_cmpuint (r.n_restarts, ==, 0);
  g_assert_cmpint (receive (&r, 3000, 3 * SECOND, 3 * SECOND), ==, STUN_EXT_FLOW_NEW);
}

static void
test_one_stray_number_restarts_nothing (void)
{
  StunExtFlowReceiver r = { 0 };

  receive (&r, 40000, 0, 0);
  for (guint16 i = 1; i < 100; i++) {
    g_assert_cmpint (receive (&r, 20000, SECOND * i, SECOND * i), ==, STUN_EXT_FLOW_OLD);
    g_assert_cmpint (receive (&r, 40000 + i, SECOND * i, SECOND * i), ==, STUN_EXT_FLOW_NEW);
  }
  g_assert_cmpuint (r.n_restarts, ==, 0);
}

static void
test_without_time_nothing_restarts_and_nothing_is_late (void)
{
  StunExtFlowReceiver r = { 0 };
  StunExtFlowStamp stamp = { .now_us = START };

  g_assert_cmpint (stun_ext_flow_receive (&r, 40000, &stamp), ==, STUN_EXT_FLOW_NEW);
  for (guint16 i = 0; i < 10; i++) {
    stamp.now_us += SECOND;
    g_assert_cmpint (stun_ext_flow_receive (&r, 20000 + i, &stamp), ==, STUN_EXT_FLOW_OLD);
  }
  g_assert_cmpint (stun_ext_flow_receive_block (&r, 40002, 1, &stamp), ==, STUN_EXT_FLOW_NEW);
  g_assert_cmpuint (r.n_late, ==, 0);
  g_assert_cmpuint (r.jitter_us, ==, 0);
}

static void
test_gaps_count_as_lost_until_they_are_filled (void)
{
  StunExtFlowReceiver r = { 0 };

  receive (&r, 65534, 0, 0);
  receive (&r, 4, 0, 0);
  g_assert_cmpuint (stun_ext_flow_lost (&r), ==, 5);
  receive (&r, 65535, 0, 0);
  receive (&r, 2, 0, 0);
  g_assert_cmpuint (stun_ext_flow_lost (&r), ==, 3);
}

static void
test_repetitions_fill_gaps (void)
{
  StunExtFlowReceiver r = { 0 };
  const StunExtFlowStamp stamp = stamp_at (40 * MS, 60 * MS);

  receive (&r, 65535, 0, 20 * MS);
  g_assert_cmpint (stun_ext_flow_receive_block (&r, 1, 1, &stamp), ==, STUN_EXT_FLOW_NEW);
  g_assert_cmpint (stun_ext_flow_receive (&r, 1, &stamp), ==, STUN_EXT_FLOW_NEW);
  g_assert_cmpint (stun_ext_flow_receive_block (&r, 1, 2, &stamp), ==, STUN_EXT_FLOW_DUPLICATE);
  g_assert_cmpint (receive (&r, 0, 20 * MS, 300 * MS), ==, STUN_EXT_FLOW_DUPLICATE);
  g_assert_cmpuint (r.n_repaired, ==, 1);
  g_assert_cmpuint (r.n_duplicates, ==, 2);
  g_assert_cmpuint (stun_ext_flow_lost (&r), ==, 0);
  g_assert_cmpuint (r.n_late, ==, 0);
}

static void
test_late_is_what_comes_60_ms_after_the_fastest (void)
{
  StunExtFlowReceiver r = { 0 };
  guint late = 0;

  for (guint16 i = 0; i < 1000; i++) {
    /* One in ten is held up by 100 ms, one in ten by 50. */
    gint64 delay_us = 30 * MS + (i % 10 == 3 ? 100 * MS : i % 10 == 7 ? 50 * MS : 0);

    late += i % 10 == 3;
    receive (&r, i, i * 20 * MS, i * 20 * MS + delay_us);
  }
  g_assert_cmpuint (r.n_late, ==, late);
  receive (&r, 1000, 1000 * 20 * MS, 1000 * 20 * MS + 830 * MS);
  g_assert_cmpint (r.lateness_us, >=, 800 * MS - 8 * MS);
  g_assert_cmpint (r.lateness_us, <=, 800 * MS + 8 * MS);
}

static void
test_lateness_follows_clocks_that_drift (void)
{
  StunExtFlowReceiver r = { 0 };

  /* An hour with 200 millionths of difference: 0.7 s in all. */
  for (guint i = 0; i < 180000; i++) {
    gint64 sent_us = (gint64)i * 20 * MS;

    receive (&r, (guint16)i, sent_us, sent_us + sent_us / 5000 + 30 * MS);
    g_assert_cmpint (r.lateness_us, <, 16 * MS);
  }
  g_assert_cmpuint (r.n_late, ==, 0);
}

static void
test_a_repetition_is_late_by_its_own_age (void)
{
  StunExtFlowReceiver r = { 0 };
  StunExtFlowStamp stamp;

  for (guint16 i = 0; i < 100; i++)
    receive (&r, i, i * 20 * MS, i * 20 * MS + 30 * MS);
  stamp = stamp_at (105 * 20 * MS, 105 * 20 * MS + 30 * MS);
  g_assert_cmpint (stun_ext_flow_receive_block (&r, 105, 5, &stamp), ==, STUN_EXT_FLOW_NEW);
  g_assert_cmpint (r.lateness_us, >, 90 * MS);
  g_assert_cmpint (r.lateness_us, <, 115 * MS);
  g_assert_cmpuint (r.n_late, ==, 1);
  g_assert_cmpint (stun_ext_flow_receive_block (&r, 105, 1, &stamp), ==, STUN_EXT_FLOW_NEW);
  g_assert_cmpuint (r.n_late, ==, 1);
}

/* The steps of TIME are no jitter: what is sent and arrives regularly has next to none. */
static void
test_jitter_is_the_networks_alone (void)
{
  static const struct {
    gint64 interval_us;
    gint64 spread_us; /* of the delay, uniform */
    guint32 least_us, most_us;
  } rows[] = {
    { 20 * MS, 0, 0, 1000 },
    { 10 * MS, 0, 0, 1000 },
    { 30 * MS, 0, 0, 1000 },
    { 23 * MS, 0, 0, 1500 },
    { 20 * MS, 30 * MS, 7500, 12500 }, /* a third of the spread */
    { 20 * MS, 90 * MS, 22000, 39000 },
  };
  g_autoptr (GRand) rand = g_rand_new_with_seed (6);

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    StunExtFlowReceiver r = { 0 };
    guint64 sum = 0;

    for (guint16 k = 0; k < 4000; k++) {
      gint64 sent_us = k * rows[i].interval_us;
      gint64 delay_us = 30 * MS + (gint64)(g_rand_double (rand) * (gdouble)rows[i].spread_us);

      receive (&r, k, sent_us, sent_us + delay_us);
      if (k >= 2000)
        sum += r.jitter_us;
    }
    g_test_message ("each %d us, spread %d us: %u us", (int)rows[i].interval_us,
                    (int)rows[i].spread_us, (guint)(sum / 2000));
    g_assert_cmpuint (sum / 2000, >=, rows[i].least_us);
    g_assert_cmpuint (sum / 2000, <=, rows[i].most_us);
  }
}

static void
test_any_times_are_survived (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  StunExtFlowReceiver r = { 0 };

  for (guint i = 0; i < 200000; i++) {
    guint64 now_us = (guint64)g_rand_int (rand) * g_rand_int (rand) / 8;
    const StunExtFlowStamp stamp = { .now_us = 1 + (gint64)now_us,
                                     .sent_ms = g_rand_int (rand),
                                     .is_timed = g_rand_boolean (rand) };

    if (g_rand_boolean (rand))
      stun_ext_flow_receive (&r, (guint16)g_rand_int (rand), &stamp);
    else
      stun_ext_flow_receive_block (&r, (guint16)g_rand_int (rand), (guint8)g_rand_int (rand),
                                   &stamp);
  }
  g_assert_cmpuint (r.n_delivered + r.n_duplicates + r.n_old, ==, 200000);
}

#define ADD(name, function) g_test_add_func ("/stun-ext/flow/" name, function)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("time-counts-eight-milliseconds", test_time_counts_eight_milliseconds);
  ADD ("timeline-is-unknown-before-feedback", test_timeline_is_unknown_before_feedback);
  ADD ("timeline-follows-a-clock-over-its-wraps", test_timeline_follows_a_clock_over_its_wraps);
  ADD ("timeline-moves-by-frames-alone", test_timeline_moves_by_frames_alone);
  ADD ("sender-numbers-wrap", test_sender_numbers_wrap);
  ADD ("first-copy-is-delivered-in-any-order", test_first_copy_is_delivered_in_any_order);
  ADD ("window-holds-1024-numbers", test_window_holds_1024_numbers);
  ADD ("random-order-agrees-with-a-full-record", test_random_order_agrees_with_a_full_record);
  ADD ("a-sender-that-begins-anew-is-heard-with-its-second-packet",
       test_a_sender_that_begins_anew_is_heard_with_its_second_packet);
  ADD ("what-a-stalled-connection-lets-loose-restarts-nothing",
       test_what_a_stalled_connection_lets_loose_restarts_nothing);
  ADD ("one-stray-number-restarts-nothing", test_one_stray_number_restarts_nothing);
  ADD ("without-time-nothing-restarts-and-nothing-is-late",
       test_without_time_nothing_restarts_and_nothing_is_late);
  ADD ("gaps-count-as-lost-until-they-are-filled", test_gaps_count_as_lost_until_they_are_filled);
  ADD ("repetitions-fill-gaps", test_repetitions_fill_gaps);
  ADD ("late-is-what-comes-60-ms-after-the-fastest",
       test_late_is_what_comes_60_ms_after_the_fastest);
  ADD ("lateness-follows-clocks-that-drift", test_lateness_follows_clocks_that_drift);
  ADD ("a-repetition-is-late-by-its-own-age", test_a_repetition_is_late_by_its_own_age);
  ADD ("jitter-is-the-networks-alone", test_jitter_is_the_networks_alone);
  ADD ("any-times-are-survived", test_any_times_are_survived);
  return g_test_run ();
}
