/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The time to refuse a MAC must not tell how many of its first octets are right (requirement 18). Two
 * classes of wrong MACs, wrong in the first octet or in the last, are timed in random order, what took
 * longest is cropped at several percentiles, and Welch's t says whether the classes differ: the method
 * of dudect (Reparaz, Balasch, Verbauwhede 2017). The same harness has to find a comparison that stops
 * at the first difference, or it would prove nothing.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "stun-ext/attribute.h"
#include "stun-ext/integrity.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1 /* as gcc says it */
#endif
#endif

#ifdef __SANITIZE_ADDRESS__
#define SAMPLES 100000u /* each costs several times as much; leaks are found all the same */
#else
#define SAMPLES 1000000u
#endif
#define VERIFY_SAMPLES (SAMPLES / 2)

/* Of samples that do not differ, |t| passes 5 with a probability of 6e-7, and with six crops of 4e-6 at
 * most; three runs in a row do with 1e-16. The leaks below reach 20 and more on a crowded machine; who
 * is unlucky there has three runs as well. */
#define T_MAX 5.0
#define RUNS 3

#define MAC_LENGTH 32

static const double crops[] = { 0.5, 0.75, 0.9, 0.99, 0.999, 1 };

typedef struct {
  guint8 mac[MAC_LENGTH];
  guint8 right[MAC_LENGTH];
  guint8 octets[256]; /* a message with a MAC at the end */
  gsize length;
  StunExtSpan key;
} Bench;

/* Prepares a sample of a class without a branch, and times it. */
typedef guint64 (*Sample) (Bench *bench, guint class);

/* ---- what is timed ---- */

static inline guint64
ticks (void)
{
#if defined(__x86_64__)
  guint unused;

  return __builtin_ia32_rdtscp (&unused);
#else
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (guint64)now.tv_sec * 1000000000 + (guint64)now.tv_nsec;
#endif
}

static volatile guint sink;

static void
spoil (guint8 *mac, const guint8 *right, guint class)
{
  mac[0] = right[0] ^ (guint8)(1 - class);
  mac[MAC_LENGTH - 1] = right[MAC_LENGTH - 1] ^ (guint8) class;
}

static guint64
time_equal (Bench *bench, guint class)
{
  guint64 start;

  spoil (bench->mac, bench->right, class);
  start = ticks ();
  sink += (guint)stun_ext_crypto_equal (bench->mac, bench->right, MAC_LENGTH);
  return ticks () - start;
}

/* What must not be. */
static gboolean __attribute__ ((noinline))
equal_and_leaky (const volatile guint8 *a, const volatile guint8 *b)
{
  for (guint i = 0; i < MAC_LENGTH; i++)
    if (a[i] != b[i])
      return FALSE;
  return TRUE;
}

static guint64
time_leaky_equal (Bench *bench, guint class)
{
  guint64 start;

  spoil (bench->mac, bench->right, class);
  start = ticks ();
  sink += (guint)equal_and_leaky (bench->mac, bench->right);
  return ticks () - start;
}

static void
verify (Bench *bench)
{
  StunExtMessage message;

  sink += stun_ext_message_parse (&message, bench->octets, bench->length) == STUN_EXT_PARSE_OK;
  sink += stun_ext_integrity_verify (&message, STUN_EXT_INTEGRITY_SHA256, MAC_LENGTH, bench->key);
}

static guint64
time_verify (Bench *bench, guint class)
{
  guint64 start;

  spoil (bench->octets + bench->length - MAC_LENGTH, bench->right, class);
  start = ticks ();
  verify (bench);
  return ticks () - start;
}

static guint64
time_leaky_verify (Bench *bench, guint class)
{
  guint64 start;

  spoil (bench->octets + bench->length - MAC_LENGTH, bench->right, class);
  start = ticks ();
  verify (bench);
  sink += (guint)equal_and_leaky (bench->octets + bench->length - MAC_LENGTH, bench->right);
  return ticks () - start;
}

/* ---- the harness ---- */

static gint
compare_times (gconstpointer a, gconstpointer b)
{
  guint32 first = *(const guint32 *)a;
  guint32 second = *(const guint32 *)b;

  return first < second ? -1 : first > second;
}

/* Welch's t between the classes, over what took no longer than the limit. */
static double
welch (const guint32 *times, const guint8 *classes, guint n, guint32 limit)
{
  double count[2] = { 0 }, mean[2] = { 0 }, m2[2] = { 0 };
  double error;

  for (guint i = 0; i < n; i++) {
    guint class = classes[i];
    double off = times[i] - mean[class];

    if (times[i] > limit)
      continue;
    count[class]++;
    mean[class] += off / count[class];
    m2[class] += off * (times[i] - mean[class]);
  }
  if (count[0] < 2 || count[1] < 2) /* all of one class lie above: what could differ more */
    return HUGE_VAL;
  error = m2[0] / (count[0] - 1) / count[0] + m2[1] / (count[1] - 1) / count[1];
  if (error <= 0)
    return mean[0] == mean[1] ? 0 : HUGE_VAL;
  return (mean[0] - mean[1]) / sqrt (error);
}

/* The largest |t| over all crops. */
static double
measure (Bench *bench, Sample sample, guint n)
{
  g_autofree guint32 *times = g_new (guint32, n);
  g_autofree guint32 *sorted = NULL;
  g_autofree guint8 *classes = g_new (guint8, n);
  g_autoptr (GRand) rand = g_rand_new ();
  double worst = 0;

  for (guint i = 0; i < n; i++)
    classes[i] = (guint8)g_rand_boolean (rand);
  for (guint i = 0; i < n / 100; i++) /* caches and predictors settle */
    sample (bench, classes[i]);
  for (guint i = 0; i < n; i++)
    times[i] = (guint32)MIN (sample (bench, classes[i]), G_MAXUINT32);
  sorted = g_memdup2 (times, n * sizeof *times);
  qsort (sorted, n, sizeof *sorted, compare_times);
  for (gsize i = 0; i < G_N_ELEMENTS (crops); i++) {
    guint32 limit = sorted[(gsize)(crops[i] * (n - 1))];

    worst = MAX (worst, fabs (welch (times, classes, n, limit)));
  }
  g_test_message ("largest |t| %.1f over %u samples, median %u ticks", worst, n, sorted[n / 2]);
  return worst;
}

static void
assert_no_difference (Bench *bench, Sample sample, guint n)
{
  for (guint run = 0; run < RUNS; run++)
    if (measure (bench, sample, n) < T_MAX)
      return;
  g_test_message ("the time to refuse a MAC depends on where it is wrong");
  g_test_fail ();
}

static void
assert_difference (Bench *bench, Sample sample, guint n)
{
  for (guint run = 0; run < RUNS; run++)
    if (measure (bench, sample, n) > T_MAX)
      return;
  g_test_message ("a leak that was put there on purpose was not found");
  g_test_fail ();
}

static void
set_up (Bench *bench, gconstpointer data)
{
  static const guint8 id[STUN_EXT_TRANSACTION_ID_LENGTH] = "transaction";
  StunExtBuilder b;

  bench->key = (StunExtSpan){ "a key of thirty-two octets or so", 32 };
  stun_ext_builder_begin (&b, bench->octets, sizeof bench->octets, STUN_EXT_CLASS_REQUEST,
                          STUN_EXT_METHOD_BINDING, id);
  stun_ext_builder_add_data (&b, STUN_EXT_ATTRIBUTE_USERNAME, "alice", 5);
  g_assert_true (
      stun_ext_builder_finish (&b, STUN_EXT_INTEGRITY_SHA256, bench->key, FALSE, &bench->length));
  memcpy (bench->right, bench->octets + bench->length - MAC_LENGTH, MAC_LENGTH);
  memcpy (bench->mac, bench->right, MAC_LENGTH);
}

/* ---- tests ---- */

static void
test_comparing_takes_as_long (Bench *bench, gconstpointer data)
{
  assert_no_difference (bench, time_equal, SAMPLES);
}

static void
test_refusing_a_message_takes_as_long (Bench *bench, gconstpointer data)
{
  assert_no_difference (bench, time_verify, VERIFY_SAMPLES);
}

static void
test_leak_would_be_found (Bench *bench, gconstpointer data)
{
  assert_difference (bench, time_leaky_equal, SAMPLES);
}

static void
test_leak_in_a_message_would_be_found (Bench *bench, gconstpointer data)
{
  assert_difference (bench, time_leaky_verify, VERIFY_SAMPLES);
}

#define ADD(name, function)                                                                        \
  g_test_add ("/stun-ext/constant-time/" name, Bench, NULL, set_up, function, NULL)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("comparing-takes-as-long", test_comparing_takes_as_long);
  ADD ("refusing-a-message-takes-as-long", test_refusing_a_message_takes_as_long);
  ADD ("leak-would-be-found", test_leak_would_be_found);
  ADD ("leak-in-a-message-would-be-found", test_leak_in_a_message_would_be_found);
  return g_test_run ();
}
