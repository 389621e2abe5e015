/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "stun-ext/feedback.h"
#include "stun-ext/frame.h"

#define MS 1000
#define SECOND 1000000
#define START (100 * (gint64)SECOND)

static const guint8 sample_wire[] = {
  0x00, 0x18, 0xBE, 0x01, 0x00, 0x02, 0x01, 0x02, 0x03, 0x04, /* two entries, the clock */
  0x00, 0x00, 0x00, 0x0A, 0x00, 0x00, 0x01, 0x00,             /* connection 0 */
  0x0F, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF              /* connection 15 */
};
static const StunExtFeedback sample = {
  .clock_ms = 0x01020304,
  .n_entries = 2,
  .entries = { { 0, 10, 256 }, { 15, 65535, G_MAXUINT32 } },
};

static void
test_frames_are_written_as_specified (void)
{
  guint8 buffer[STUN_EXT_FEEDBACK_SIZE_MAX];
  StunExtWriter writer;

  stun_ext_writer_init (&writer, buffer, sizeof buffer);
  stun_ext_feedback_write (&writer, &sample);
  g_assert_false (writer.failed);
  g_assert_cmpmem (buffer, writer.length, sample_wire, sizeof sample_wire);
}

static void
test_frames_are_read_as_specified (void)
{
  StunExtFeedback feedback;

  g_assert_true (stun_ext_feedback_parse (&sample_wire[2], sizeof sample_wire - 2, &feedback));
  g_assert_cmpuint (feedback.clock_ms, ==, 0x01020304);
  g_assert_cmpuint (feedback.n_entries, ==, 2);
  for (guint i = 0; i < 2; i++) {
    g_assert_cmpuint (feedback.entries[i].connection, ==, sample.entries[i].connection);
    g_assert_cmpuint (feedback.entries[i].hold_ms, ==, sample.entries[i].hold_ms);
    g_assert_cmpuint (feedback.entries[i].received, ==, sample.entries[i].received);
  }
}

static void
test_every_other_length_is_refused (void)
{
  StunExtFeedback feedback;

  for (gsize length = 0; length < sizeof sample_wire - 2; length++) {
    g_autofree guint8 *body = g_memdup2 (&sample_wire[2], length);

    g_assert_false (stun_ext_feedback_parse (body, length, &feedback));
  }
  {
    guint8 longer[sizeof sample_wire] = { 0 };

    memcpy (longer, &sample_wire[2], sizeof sample_wire - 2);
    g_assert_false (stun_ext_feedback_parse (longer, sizeof sample_wire - 1, &feedback));
  }
}

static void
test_full_and_empty_frames_fit (void)
{
  guint8 buffer[STUN_EXT_FEEDBACK_SIZE_MAX];
  StunExtFeedback feedback = { .n_entries = STUN_EXT_CONNECTIONS_MAX };
  StunExtFeedback again;
  StunExtWriter writer;

  for (guint8 i = 0; i < STUN_EXT_CONNECTIONS_MAX; i++)
    feedback.entries[i].connection = i;
  stun_ext_writer_init (&writer, buffer, sizeof buffer);
  stun_ext_feedback_write (&writer, &feedback);
  g_assert_false (writer.failed);
  g_assert_cmpuint (writer.length, ==, sizeof buffer);
  g_assert_true (stun_ext_feedback_parse (&buffer[2], writer.length - 2, &again));
  g_assert_cmpuint (again.n_entries, ==, STUN_EXT_CONNECTIONS_MAX);

  feedback.n_entries = 0;
  stun_ext_writer_init (&writer, buffer, sizeof buffer);
  stun_ext_feedback_write (&writer, &feedback);
  g_assert_cmpuint (writer.length, ==, 10);
  g_assert_true (stun_ext_feedback_parse (&buffer[2], writer.length - 2, &again));
  g_assert_cmpuint (again.n_entries, ==, 0);

  feedback.n_entries = STUN_EXT_CONNECTIONS_MAX + 1;
  stun_ext_feedback_write (&writer, &feedback);
  g_assert_true (writer.failed);
}

static void
test_frames_that_break_a_rule_are_refused (void)
{
  static const struct {
    gsize at; /* in the body */
    guint8 octet;
  } changes[] = {
    { 0, 0xFE }, { 0, 0x80 }, { 1, 0x02 }, { 3, 0x01 }, { 3, 0x03 },
    { 2, 0x01 }, { 8, 16 },   { 8, 15 },   { 16, 0 },   { 16, 0xFF },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (changes); i++) {
    guint8 body[sizeof sample_wire - 2];
    StunExtFeedback feedback;

    memcpy (body, &sample_wire[2], sizeof body);
    body[changes[i].at] = changes[i].octet;
    g_assert_false (stun_ext_feedback_parse (body, sizeof body, &feedback));
  }
}

static void
test_nothing_is_due_before_something_arrives (void)
{
  StunExtTally tally = { 0 };
  StunExtFeedback feedback;

  stun_ext_tally_join (&tally, 0);
  g_assert_cmpint (stun_ext_tally_due_us (&tally), ==, G_MAXINT64);
  stun_ext_tally_count (&tally, 0, START);
  g_assert_cmpint (stun_ext_tally_due_us (&tally), <=, START);
  stun_ext_tally_take (&tally, START, &feedback);
  g_assert_cmpint (stun_ext_tally_due_us (&tally), ==, G_MAXINT64);
  stun_ext_tally_count (&tally, 0, START + 20 * MS);
  g_assert_cmpint (stun_ext_tally_due_us (&tally), ==, START + 100 * MS);
}

static void
test_counts_and_holds_are_told_by_connection (void)
{
  StunExtTally tally = { 0 };
  StunExtFeedback feedback;

  stun_ext_tally_join (&tally, 0);
  stun_ext_tally_join (&tally, 3);
  stun_ext_tally_join (&tally, 15);
  for (guint i = 0; i < 5; i++)
    stun_ext_tally_count (&tally, 3, START + i * 20 * MS);
  stun_ext_tally_count (&tally, 15, START + 10 * MS);
  stun_ext_tally_count (&tally, 7, START); /* left in between: nobody would know whose it is */
  stun_ext_tally_take (&tally, START + 100 * MS, &feedback);
  g_assert_cmpuint (feedback.clock_ms, ==, (START + 100 * MS) / 1000);
  g_assert_cmpuint (feedback.n_entries, ==, 2);
  g_assert_cmpuint (feedback.entries[0].connection, ==, 3);
  g_assert_cmpuint (feedback.entries[0].received, ==, 5);
  g_assert_cmpuint (feedback.entries[0].hold_ms, ==, 20);
  g_assert_cmpuint (feedback.entries[1].connection, ==, 15);
  g_assert_cmpuint (feedback.entries[1].received, ==, 1);
  g_assert_cmpuint (feedback.entries[1].hold_ms, ==, 90);
}

static void
test_quiet_connections_are_left_out_after_a_second (void)
{
  StunExtTally tally = { 0 };
  StunExtFeedback feedback;

  stun_ext_tally_join (&tally, 0);
  stun_ext_tally_join (&tally, 1);
  stun_ext_tally_count (&tally, 0, START);
  stun_ext_tally_count (&tally, 1, START);
  stun_ext_tally_take (&tally, START + 70 * SECOND, &feedback);
  g_assert_cmpuint (feedback.n_entries, ==, 2);
  g_assert_cmpuint (feedback.entries[0].hold_ms, ==, 65535);
  stun_ext_tally_count (&tally, 1, START + 71 * SECOND);
  stun_ext_tally_take (&tally, START + 71 * SECOND, &feedback);
  g_assert_cmpuint (feedback.n_entries, ==, 1);
  g_assert_cmpuint (feedback.entries[0].connection, ==, 1);
  g_assert_cmpuint (feedback.entries[0].received, ==, 2);
  /* Told once more although nothing came: the FEEDBACK before may be stuck. */
  stun_ext_tally_take (&tally, START + 72 * SECOND, &feedback);
  g_assert_cmpuint (feedback.n_entries, ==, 1);
}

static void
test_a_connection_that_joins_again_counts_from_nothing (void)
{
  StunExtTally tally = { 0 };
  StunExtFeedback feedback;

  stun_ext_tally_join (&tally, 2);
  stun_ext_tally_count (&tally, 2, START);
  stun_ext_tally_leave (&tally, 2);
  stun_ext_tally_take (&tally, START, &feedback);
  g_assert_cmpuint (feedback.n_entries, ==, 0);
  stun_ext_tally_join (&tally, 2);
  stun_ext_tally_count (&tally, 2, START + MS);
  stun_ext_tally_take (&tally, START + MS, &feedback);
  g_assert_cmpuint (feedback.entries[0].received, ==, 1);
}

static guint32
tell (StunExtSendLog *log, guint32 received, guint16 hold_ms, gint64 now_us)
{
  const StunExtFeedbackEntry entry = { .received = received, .hold_ms = hold_ms };

  return stun_ext_send_log_acknowledge (log, &entry, now_us);
}

static void
test_round_trip_is_known_from_a_count_and_a_hold (void)
{
  StunExtSendLog log = { 0 };

  for (guint i = 0; i < 10; i++)
    stun_ext_send_log_written (&log, START + i * 20 * MS);
  g_assert_cmpuint (stun_ext_send_log_outstanding (&log), ==, 10);
  g_assert_cmpint (stun_ext_send_log_oldest_age_us (&log, START + 200 * MS), ==, 200 * MS);
  /* Frame 5 was written at 80 ms, arrived at 110 ms, was told 40 ms later, heard of after 20 ms
   * more. */
  g_assert_cmpuint (tell (&log, 5, 40, START + 170 * MS), ==, 5);
  g_assert_cmpint (log.rtt_last_us, ==, 50 * MS);
  g_assert_cmpint (log.rtt_us, ==, 50 * MS);
  g_assert_cmpint (log.rtt_min_us, ==, 50 * MS);
  g_assert_cmpuint (stun_ext_send_log_outstanding (&log), ==, 5);
  g_assert_cmpint (stun_ext_send_log_oldest_age_us (&log, START + 200 * MS), ==, 100 * MS);
  g_assert_cmpuint (tell (&log, 10, 0, START + 190 * MS), ==, 5);
  g_assert_cmpint (log.rtt_last_us, ==, 10 * MS);
  g_assert_cmpint (log.rtt_us, ==, 45 * MS);
  g_assert_cmpint (stun_ext_send_log_oldest_age_us (&log, START + 300 * MS), ==, 0);
  stun_ext_send_log_clear (&log);
  stun_ext_send_log_clear (&log);
}

static void
test_old_news_and_lies_change_nothing (void)
{
  StunExtSendLog log = { 0 };

  for (guint i = 0; i < 10; i++)
    stun_ext_send_log_written (&log, START);
  g_assert_cmpuint (tell (&log, 6, 0, START + 30 * MS), ==, 6);
  g_assert_cmpuint (tell (&log, 6, 0, START + 90 * MS), ==, 0);
  g_assert_cmpuint (tell (&log, 4, 0, START + 90 * MS), ==, 0);
  g_assert_cmpuint (log.n_refused, ==, 0);
  g_assert_cmpuint (tell (&log, 11, 0, START + 90 * MS), ==, 0);
  g_assert_cmpuint (log.n_refused, ==, 1);
  g_assert_cmpint (log.rtt_last_us, ==, 30 * MS);
  g_assert_cmpuint (stun_ext_send_log_outstanding (&log), ==, 4);
  /* A hold longer than the whole way says nothing about the way. */
  g_assert_cmpuint (tell (&log, 7, 31, START + 30 * MS), ==, 1);
  g_assert_cmpuint (tell (&log, 8, 65535, START + 90 * MS), ==, 1);
  g_assert_cmpint (log.rtt_last_us, ==, 30 * MS);
  stun_ext_send_log_clear (&log);
}

static void
test_counts_wrap (void)
{
  StunExtSendLog log = { .written = G_MAXUINT32 - 2, .acknowledged = G_MAXUINT32 - 2 };

  for (guint i = 0; i < 6; i++)
    stun_ext_send_log_written (&log, START + i * 20 * MS);
  g_assert_cmpuint (log.written, ==, 3);
  g_assert_cmpuint (tell (&log, 1, 0, START + 100 * MS), ==, 4);
  g_assert_cmpint (log.rtt_last_us, ==, 40 * MS);
  g_assert_cmpuint (stun_ext_send_log_outstanding (&log), ==, 2);
  stun_ext_send_log_clear (&log);
}

static void
test_least_round_trip_is_of_the_last_seconds (void)
{
  StunExtSendLog log = { 0 };
  gint64 now_us = START;

  for (guint i = 1; i <= 400; i++) {
    gint64 rtt_us = i == 1 ? 5 * MS : 50 * MS;

    now_us += 100 * MS;
    stun_ext_send_log_written (&log, now_us);
    tell (&log, i, 0, now_us + rtt_us);
    if (i == 50)
      g_assert_cmpint (log.rtt_min_us, ==, 5 * MS);
  }
  g_assert_cmpint (log.rtt_min_us, ==, 50 * MS);
  g_assert_cmpint (log.rtt_us, >, 49 * MS);
  stun_ext_send_log_clear (&log);
}

/* A second of video is more than the log has marks for. */
static void
test_many_outstanding_frames_cost_precision_only (void)
{
  StunExtSendLog log = { 0 };
  g_autofree gint64 *written = g_new (gint64, 5001);

  for (guint32 i = 1; i <= 5000; i++) {
    written[i] = START + (gint64)i * MS;
    stun_ext_send_log_written (&log, written[i]);
    g_assert_cmpint (stun_ext_send_log_oldest_age_us (&log, written[i]), ==,
                     written[i] - written[1]);
  }
  for (guint32 i = 1; i < 5000; i += 7) {
    gint64 now_us = START + 6000 * MS;

    tell (&log, i, 0, now_us);
    g_assert_cmpint (ABS (log.rtt_last_us - (now_us - written[i])), <=, 100 * MS);
    g_assert_cmpint (
        ABS (stun_ext_send_log_oldest_age_us (&log, now_us) - (now_us - written[i + 1])), <=,
        100 * MS);
  }
  stun_ext_send_log_clear (&log);
}

/* Against a log that remembers every frame. */
static void
test_random_traffic_agrees_with_a_full_record (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (8489);

  for (guint round = 0; round < 50; round++) {
    StunExtSendLog log = { 0 };
    g_autoptr (GArray) written = g_array_new (FALSE, FALSE, sizeof (gint64));
    guint32 told = 0;
    gint64 now_us = START;

    for (guint step = 0; step < 2000; step++) {
      now_us += g_rand_int_range (rand, 0, 25) * MS;
      if (g_rand_int_range (rand, 0, 3) > 0) {
        stun_ext_send_log_written (&log, now_us);
        g_array_append_val (written, now_us);
      } else if (written->len > told) {
        guint32 received =
            told + (guint32)g_rand_int_range (rand, 0, (gint32)(written->len - told) + 1);

        g_assert_cmpuint (tell (&log, received, 0, now_us), ==, received - told);
        if (received > told)
          g_assert_cmpint (ABS (log.rtt_last_us -
                                MAX (now_us - g_array_index (written, gint64, received - 1), 1)),
                           <=, 2 * MS);
        told = received;
      }
      g_assert_cmpuint (stun_ext_send_log_outstanding (&log), ==, written->len - told);
      if (written->len > told)
        g_assert_cmpint (ABS (stun_ext_send_log_oldest_age_us (&log, now_us) -
                              (now_us - g_array_index (written, gint64, told))),
                         <=, 2 * MS);
    }
    stun_ext_send_log_clear (&log);
  }
}

static void
test_an_idle_log_holds_no_memory (void)
{
  StunExtSendLog log = { 0 };

  g_assert_null (log.marks);
  stun_ext_send_log_written (&log, START);
  stun_ext_send_log_rest (&log);
  g_assert_nonnull (log.marks);
  tell (&log, 1, 0, START + 10 * MS);
  stun_ext_send_log_rest (&log);
  g_assert_null (log.marks);
  g_assert_cmpint (stun_ext_send_log_oldest_age_us (&log, START + 20 * MS), ==, 0);
  stun_ext_send_log_written (&log, START + 30 * MS);
  g_assert_cmpint (stun_ext_send_log_oldest_age_us (&log, START + 50 * MS), ==, 20 * MS);
  tell (&log, 2, 0, START + 60 * MS);
  g_assert_cmpint (log.rtt_last_us, ==, 30 * MS);
  g_assert_cmpuint (sizeof log + sizeof (StunExtTally), <=, 1024);
  stun_ext_send_log_clear (&log);
}

static void
test_a_clock_is_wanted_after_a_second_of_silence (void)
{
  StunExtSendLog log = { 0 };

  g_assert_true (stun_ext_send_log_needs_clock (&log, START));
  stun_ext_send_log_clock_written (&log, START);
  g_assert_false (stun_ext_send_log_needs_clock (&log, START + 999 * MS));
  g_assert_true (stun_ext_send_log_needs_clock (&log, START + SECOND));
}

#define ADD(name, function) g_test_add_func ("/stun-ext/feedback/" name, function)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("frames-are-written-as-specified", test_frames_are_written_as_specified);
  ADD ("frames-are-read-as-specified", test_frames_are_read_as_specified);
  ADD ("every-other-length-is-refused", test_every_other_length_is_refused);
  ADD ("full-and-empty-frames-fit", test_full_and_empty_frames_fit);
  ADD ("frames-that-break-a-rule-are-refused", test_frames_that_break_a_rule_are_refused);
  ADD ("nothing-is-due-before-something-arrives", test_nothing_is_due_before_something_arrives);
  ADD ("counts-and-holds-are-told-by-connection", test_counts_and_holds_are_told_by_connection);
  ADD ("quiet-connections-are-left-out-after-a-second",
       test_quiet_connections_are_left_out_after_a_second);
  ADD ("a-connection-that-joins-again-counts-from-nothing",
       test_a_connection_that_joins_again_counts_from_nothing);
  ADD ("round-trip-is-known-from-a-count-and-a-hold",
       test_round_trip_is_known_from_a_count_and_a_hold);
  ADD ("old-news-and-lies-change-nothing", test_old_news_and_lies_change_nothing);
  ADD ("counts-wrap", test_counts_wrap);
  ADD ("least-round-trip-is-of-the-last-seconds", test_least_round_trip_is_of_the_last_seconds);
  ADD ("many-outstanding-frames-cost-precision-only",
       test_many_outstanding_frames_cost_precision_only);
  ADD ("random-traffic-agrees-with-a-full-record", test_random_traffic_agrees_with_a_full_record);
  ADD ("an-idle-log-holds-no-memory", test_an_idle_log_holds_no_memory);
  ADD ("a-clock-is-wanted-after-a-second-of-silence",
       test_a_clock_is_wanted_after_a_second_of_silence);
  return g_test_run ();
}
