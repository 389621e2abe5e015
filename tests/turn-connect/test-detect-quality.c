/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "turn-connect/detect/quality.h"

#include <math.h>

#define MS 1000
#define N 16

/* Sixteen packets every 20 ms, each back after @rtt_us. */
static void
fill (TurnConnectRoundTrip packets[N], gint64 rtt_us)
{
  for (guint i = 0; i < N; i++) {
    packets[i].sent_us = 5000 + i * 20 * MS;
    packets[i].back_us = packets[i].sent_us + rtt_us;
  }
}

static TurnConnectQuality
measure (const TurnConnectRoundTrip *packets, guint n)
{
  TurnConnectQuality quality = { .set_up_us = 7, .size = 172, .n_sent = 99, .jitter_us = 99 };

  turn_connect_quality_measure (&quality, packets, n);
  g_assert_cmpint (quality.set_up_us, ==, 7);
  g_assert_cmpuint (quality.size, ==, 172);
  return quality;
}

static void
test_steady (void)
{
  TurnConnectRoundTrip packets[N];
  TurnConnectQuality quality;

  fill (packets, 30 * MS);
  quality = measure (packets, N);
  g_assert_cmpuint (quality.n_sent, ==, N);
  g_assert_cmpuint (quality.n_received, ==, N);
  g_assert_cmpuint (quality.n_reordered, ==, 0);
  g_assert_cmpuint (quality.longest_gap, ==, 0);
  g_assert_cmpint (quality.rtt_us, ==, 30 * MS);
  g_assert_cmpint (quality.rtt_p95_us, ==, 30 * MS);
  g_assert_cmpint (quality.jitter_us, ==, 0);
  g_assert_cmpfloat (turn_connect_quality_get_loss (&quality), ==, 0);
}

static void
test_losses (void)
{
  TurnConnectRoundTrip packets[N];
  TurnConnectQuality quality;

  fill (packets, 30 * MS);
  packets[2].back_us = packets[5].back_us = packets[6].back_us = packets[15].back_us = 0;
  packets[9].sent_us = packets[9].back_us = 0; /* never went */
  quality = measure (packets, N);
  g_assert_cmpuint (quality.n_sent, ==, 15);
  g_assert_cmpuint (quality.n_received, ==, 11);
  g_assert_cmpuint (quality.longest_gap, ==, 2);
  g_assert_cmpfloat_with_epsilon (turn_connect_quality_get_loss (&quality), 4.0 / 15, 1e-9);
}

static void
test_order (void)
{
  TurnConnectRoundTrip packets[N];
  TurnConnectQuality quality;

  fill (packets, 30 * MS);
  packets[3].back_us += 50 * MS; /* behind 4 and 5 */
  quality = measure (packets, N);
  g_assert_cmpuint (quality.n_reordered, ==, 1);
  g_assert_cmpint (quality.rtt_us, ==, 30 * MS);
  g_assert_cmpint (quality.rtt_p95_us, ==, 80 * MS);
}

/* RFC 3550 section 6.4.1: each difference moves the estimate by a sixteenth. */
static void
test_jitter (void)
{
  TurnConnectRoundTrip packets[N];
  double expected = 0;

  fill (packets, 30 * MS);
  for (guint i = 0; i < N; i += 2)
    packets[i].back_us += 8 * MS;
  for (guint i = 1; i < N; i++)
    expected += (8 * MS - expected) / 16;
  g_assert_cmpint (measure (packets, N).jitter_us, ==, (gint64)expected);
}

static void
test_nothing (void)
{
  TurnConnectRoundTrip packets[N] = { 0 };
  TurnConnectQuality quality = measure (packets, N);

  g_assert_cmpuint (quality.n_sent, ==, 0);
  g_assert_cmpfloat (turn_connect_quality_get_loss (&quality), ==, 1);
  quality = measure (NULL, 0);
  g_assert_cmpuint (quality.n_received, ==, 0);
  fill (packets, -5);
  g_assert_cmpint (measure (packets, N).rtt_us, ==, 0);
}

/* R and MOS by hand, from G.107 annex B: MOS = 1 + 0.035 R + R (R - 60) (100 - R) 7e-6. */
static void
test_mos (void)
{
  static const struct {
    gint64 rtt_us, jitter_us;
    guint n_received;
    double mos;
  } rows[] = {
    { 0, 0, 100, 4.40 },        /* 20 ms of delay: R 92.72 */
    { 100 * MS, 0, 100, 4.38 }, /* 70 ms: R 91.52 */
    { 300 * MS, 0, 100, 4.32 }, /* 170 ms: R 89.12 */
    { 600 * MS, 0, 100, 3.59 }, /* 320 ms: R 85.52, less 15.70 beyond the bend */
    { 100 * MS, 10 * MS, 100, 4.36 },
    { 100 * MS, 0, 99, 4.29 }, /* 1 %: R less 3.64 */
    { 100 * MS, 0, 95, 3.85 }, /* 5 %: R less 15.78 */
    { 100 * MS, 0, 80, 2.53 }, /* 20 %: R less 42.13 */
    { 4000 * MS, 0, 100, 1.00 },
    { G_MAXINT64, G_MAXINT64, 0, 1.00 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    const TurnConnectQuality quality = { .n_sent = 100,
                                         .n_received = rows[i].n_received,
                                         .rtt_us = rows[i].rtt_us,
                                         .jitter_us = rows[i].jitter_us };
    double mos = turn_connect_quality_estimate_mos (&quality);

    g_test_message ("row %zu: %.3f", i, mos);
    g_assert_cmpfloat_with_epsilon (mos, rows[i].mos, 0.02);
  }
}

/* Whatever a record says, it is a number between 1 and 4.5. */
static void
test_mos_is_total (void)
{
  static const gint64 times[] = { G_MININT64, -1, 0, 1, 1000000, G_MAXINT64 };
  static const guint counts[] = { 0, 1, 16, G_MAXUINT };

  for (gsize r = 0; r < G_N_ELEMENTS (times); r++)
    for (gsize j = 0; j < G_N_ELEMENTS (times); j++)
      for (gsize s = 0; s < G_N_ELEMENTS (counts); s++)
        for (gsize b = 0; b < G_N_ELEMENTS (counts); b++) {
          const TurnConnectQuality quality = {
            .n_sent = counts[s], .n_received = counts[b], .rtt_us = times[r], .jitter_us = times[j]
          };
          double mos = turn_connect_quality_estimate_mos (&quality);

          g_assert_true (isfinite (mos) && mos >= 1 && mos <= 4.5);
        }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/turn-connect/detect-quality/steady-packets-have-no-jitter", test_steady);
  g_test_add_func ("/turn-connect/detect-quality/losses-and-gaps-are-counted", test_losses);
  g_test_add_func ("/turn-connect/detect-quality/late-ones-are-out-of-order", test_order);
  g_test_add_func ("/turn-connect/detect-quality/jitter-is-that-of-rtp", test_jitter);
  g_test_add_func ("/turn-connect/detect-quality/nothing-is-all-lost", test_nothing);
  g_test_add_func ("/turn-connect/detect-quality/mos-is-that-of-the-e-model", test_mos);
  g_test_add_func ("/turn-connect/detect-quality/mos-is-there-for-all-numbers", test_mos_is_total);
  return g_test_run ();
}
