/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether relay ports can be guessed (requirement 19): a hundred thousand from the chooser, and fewer from
 * the backend with real sockets, are looked at for unequal shares, for what follows what, and for ports
 * that come back. Choosers that are bad in one of these ways have to be found by the same statistics.
 */
#include <glib/gstdio.h>
#include <math.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tep-s/config.h"
#include "tep-s/relay-port.h"
#include "tep-s/worker-private.h"

#define DRAWS 100000u
#define REAL_DRAWS 20000u
#define BUCKETS 200u
#define GRID 16u /* of pairs of successive ports */
#define RECENT 64u

/* Each statistic is brought to a standard normal one. About 50 of them are asked in a run, each for both
 * tails beyond 5.8, which has a probability of 7e-9: a false alarm in fewer than one of a million runs. */
#define Z_MAX 5.8

static const guint lags[] = { 1, 2, 3, 16 };

/* ---- statistics ---- */

/* Chi-square of n draws over equal shares, as a standard normal value (Wilson and Hilferty). */
static double
z_of_shares (const guint *counts, guint n_counts, guint n)
{
  double expected = (double)n / n_counts;
  double k = n_counts - 1, chi_square = 0;

  for (guint i = 0; i < n_counts; i++)
    chi_square += (counts[i] - expected) * (counts[i] - expected) / expected;
  return (cbrt (chi_square / k) - (1 - 2 / (9 * k))) / sqrt (2 / (9 * k));
}

/* For slots that the buckets do not divide evenly the last ones are left out. */
static double
z_of_buckets (const guint *slots, guint n, guint n_slots)
{
  guint counts[BUCKETS] = { 0 };
  guint width = n_slots / BUCKETS, inside = 0;

  for (guint i = 0; i < n; i++) {
    if (slots[i] >= width * BUCKETS)
      continue;
    counts[slots[i] / width]++;
    inside++;
  }
  return z_of_shares (counts, BUCKETS, inside);
}

/* Neighbours in time, two by two without overlap, over a grid. */
static double
z_of_pairs (const guint *slots, guint n, guint n_slots)
{
  guint counts[GRID * GRID] = { 0 };
  guint width = n_slots / GRID, inside = 0;

  for (guint i = 0; i + 1 < n; i += 2) {
    if (slots[i] >= width * GRID || slots[i + 1] >= width * GRID)
      continue;
    counts[slots[i] / width * GRID + slots[i + 1] / width]++;
    inside++;
  }
  return z_of_shares (counts, GRID * GRID, inside);
}

static double
z_of_serial_correlation (const guint *slots, guint n, guint lag)
{
  double mean = 0, variance = 0, covariance = 0;

  for (guint i = 0; i < n; i++)
    mean += (double)slots[i] / n;
  for (guint i = 0; i < n; i++) {
    variance += (slots[i] - mean) * (slots[i] - mean);
    if (i + lag < n)
      covariance += (slots[i] - mean) * (slots[i + lag] - mean);
  }
  return covariance / variance * sqrt (n);
}

/* How often a port is one of the last ones; the square root of a Poisson number is nearly normal. */
static double
z_of_returns (const guint *slots, guint n, guint n_slots)
{
  double expected = (double)(n - RECENT) * RECENT / n_slots;
  guint returns = 0;

  for (guint i = RECENT; i < n; i++)
    for (guint j = 1; j <= RECENT; j++)
      returns += slots[i] == slots[i - j];
  return 2 * (sqrt (returns + 0.375) - sqrt (expected + 0.375));
}

static double
z_of_odd (const guint *slots, guint n)
{
  guint odd = 0;

  for (guint i = 0; i < n; i++)
    odd += slots[i] % 2;
  return (odd - n / 2.0) / sqrt (n / 4.0);
}

/* The largest of all of them. slots: numbers from 0 to n_slots - 1. */
static double
worst_z (const guint *slots, guint n, guint n_slots)
{
  double worst = fabs (z_of_buckets (slots, n, n_slots));

  worst = MAX (worst, fabs (z_of_pairs (slots, n, n_slots)));
  worst = MAX (worst, fabs (z_of_returns (slots, n, n_slots)));
  worst = MAX (worst, fabs (z_of_odd (slots, n)));
  for (gsize i = 0; i < G_N_ELEMENTS (lags); i++)
    worst = MAX (worst, fabs (z_of_serial_correlation (slots, n, lags[i])));
  g_test_message ("largest |z| %.1f over %u draws of %u", worst, n, n_slots);
  return worst;
}

/* ---- the chooser ---- */

static guint32
random_number (void)
{
  guint32 number;

  g_assert_cmpint (getrandom (&number, sizeof number, 0), ==, sizeof number);
  return number;
}

static const TepServerRelayRange ranges[] = {
  { 49152, 65535, 1 },
  { 49152, 65535, 2 },
  { 20000, 29999, 1 },
  { 1024, 65535, 2 },
};

static void
test_ports_cannot_be_guessed (void)
{
  g_autofree guint *slots = g_new (guint, DRAWS);

  for (gsize r = 0; r < G_N_ELEMENTS (ranges); r++) {
    const TepServerRelayRange *range = &ranges[r];
    guint n_slots = (range->last - range->first + 1u) / range->step;

    for (guint i = 0; i < DRAWS; i++) {
      guint16 port =
          tep_server_relay_port_choose (range, i % TEP_SERVER_RELAY_PORT_TRIES, random_number ());

      g_assert_cmpuint (port, >=, range->first);
      g_assert_cmpuint (port + range->step - 1, <=, range->last);
      g_assert_cmpuint (port % range->step, ==, 0);
      slots[i] = (port - range->first) / range->step;
    }
    g_assert_cmpfloat (worst_z (slots, DRAWS, n_slots), <, Z_MAX);
  }
}

static void
test_ends_of_the_range_are_reached (void)
{
  for (gsize r = 0; r < G_N_ELEMENTS (ranges); r++) {
    const TepServerRelayRange *range = &ranges[r];

    g_assert_cmpuint (tep_server_relay_port_choose (range, 0, 0), ==, range->first);
    g_assert_cmpuint (tep_server_relay_port_choose (range, 0, G_MAXUINT32), ==,
                      range->last + 1 - range->step);
  }
}

static void
test_small_range_is_searched_whole (void)
{
  const TepServerRelayRange range = { 30000, 30199, 2 };
  guint8 seen[200] = { 0 };

  for (guint i = 0; i < tep_server_relay_port_tries (&range); i++)
    seen[tep_server_relay_port_choose (&range, i, 0) - range.first]++;
  for (guint i = 2; i < G_N_ELEMENTS (seen); i++)
    g_assert_cmpuint (seen[i], ==, i % 2 == 0);
}

/* ---- choosers that must be found ---- */

typedef guint (*Bad) (guint i, guint last, guint n_slots);

static guint
remainder_of_16_bits (guint i, guint last, guint n_slots)
{
  return (random_number () & 0xffff) % n_slots;
}

static guint
next_one (guint i, guint last, guint n_slots)
{
  return (last + 1) % n_slots;
}

static guint
near_the_last (guint i, guint last, guint n_slots)
{
  return (last + random_number () % (n_slots / 2)) % n_slots;
}

static guint
seldom_odd (guint i, guint last, guint n_slots)
{
  guint slot = random_number () % n_slots;

  return random_number () % 16 == 0 ? slot & ~1u : slot;
}

static guint
freed_comes_back (guint i, guint last, guint n_slots)
{
  return random_number () % 64 == 0 ? last : random_number () % n_slots;
}

/* Numerical Recipes' generator with the lowest bits, as rand() % n was once. */
static guint
lowest_bits_of_a_generator (guint i, guint last, guint n_slots)
{
  static guint32 state;

  state = state * 1664525 + 1013904223;
  return (state & 0xffff) % n_slots;
}

static const struct {
  const char *name;
  Bad choose;
} bad[] = {
  { "remainder of 16 bits", remainder_of_16_bits },
  { "one after the other", next_one },
  { "near the last", near_the_last },
  { "seldom odd", seldom_odd },
  { "what was freed comes back", freed_comes_back },
  { "lowest bits of a generator", lowest_bits_of_a_generator },
};

static void
test_bad_choosers_are_found (void)
{
  g_autofree guint *slots = g_new (guint, DRAWS);

  for (gsize b = 0; b < G_N_ELEMENTS (bad); b++) {
    g_test_message ("%s", bad[b].name);
    for (guint i = 0; i < DRAWS; i++)
      slots[i] = bad[b].choose (i, i > 0 ? slots[i - 1] : 0, 10000);
    g_assert_cmpfloat (worst_z (slots, DRAWS, 10000), >, Z_MAX);
  }
}

/* ---- the backend, with a worker that does nothing ---- */

struct _TepServerWorker {
  guint n_watched;
};

gboolean
tep_server_worker_watch_edges (TepServerWorker *worker, int fd, gpointer tag)
{
  worker->n_watched++;
  return TRUE;
}

void
tep_server_worker_unwatch (TepServerWorker *worker, int fd)
{
  worker->n_watched--;
}

void
tep_server_worker_rewatch (TepServerWorker *worker, int fd)
{
}

void
tep_server_worker_deliver (TepServerWorker *worker, const TepServerPacket *packets, gsize n)
{
}

void
tep_server_worker_count (TepServerWorker *worker, TepServerCounter counter, gint64 n)
{
}

/* An address of loopback where nobody else listens. */
static TepServerConfig *
relay_config (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp ("test-relay-port-XXXXXX", NULL);
  g_autofree char *users = g_build_filename (folder, "users", NULL);
  g_autofree char *path = g_build_filename (folder, "tep-s.conf", NULL);
  TepServerConfig *config;

  g_assert_true (
      g_file_set_contents_full (users, "alice:a long password indeed\n", -1, 0, 0600, NULL));
  config = tep_server_config_load_from_data (
      "[server]\nlisten=127.0.0.1:0\n[credentials]\nusers=users\n"
      "[media]\nbackend=relay\nrelay-addresses=127.77.0.1\nrelay-ports=20000-59999\n"
      "[policy]\nallow=198.18.0.0/15\n",
      -1, path, &error);
  g_assert_no_error (error);
  g_remove (users);
  g_rmdir (folder);
  return config;
}

static guint16
lease_once (TepServerMedia *media, gboolean is_pair)
{
  TepServerBinding binding = { .is_relayed = TRUE, .is_even = is_pair, .is_pair = is_pair };
  g_autoptr (GError) error = NULL;

  binding.address.family = 4;
  g_assert_true (tep_server_media_relay.lease (media, &binding, &error));
  g_assert_true (!is_pair || binding.media_data[1] != NULL);
  tep_server_media_relay.release (media, &binding);
  return binding.address.port;
}

static void
test_lent_ports_cannot_be_guessed (void)
{
  g_autoptr (TepServerConfig) config = relay_config ();
  TepServerWorker worker = { 0 };
  TepServerMedia *media = tep_server_media_relay.open (&worker, config, NULL);
  g_autofree guint *slots = g_new (guint, REAL_DRAWS);

  for (guint step = 1; step <= 2; step++) {
    for (guint i = 0; i < REAL_DRAWS; i++)
      slots[i] = (lease_once (media, step == 2) - 20000u) / step;
    g_assert_cmpfloat (worst_z (slots, REAL_DRAWS, 40000 / step), <, Z_MAX);
  }
  g_assert_cmpuint (worker.n_watched, ==, 0);
  tep_server_media_relay.close (media);
}

/* A process and its copy draw from one source, and yet not the same: of 64 ports from 40,000, one is in the
 * same place by chance in one of 600 runs, and three are in one of 10^9. */
static void
test_copy_of_the_process_draws_other_ports (void)
{
  g_autoptr (TepServerConfig) config = relay_config ();
  TepServerWorker worker = { 0 };
  TepServerMedia *media = tep_server_media_relay.open (&worker, config, NULL);
  guint16 ours[64], theirs[64];
  int ends[2], status = -1;
  guint n_equal = 0;
  pid_t child;

  g_assert_cmpint (pipe (ends), ==, 0);
  child = fork ();
  for (guint i = 0; i < G_N_ELEMENTS (ours); i++)
    ours[i] = lease_once (media, FALSE);
  if (child == 0)
    _exit (write (ends[1], ours, sizeof ours) == sizeof ours ? 0 : 1);
  g_assert_cmpint (child, >, 0);
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_cmpint (status, ==, 0);
  g_assert_cmpint (read (ends[0], theirs, sizeof theirs), ==, sizeof theirs);
  for (guint i = 0; i < G_N_ELEMENTS (ours); i++)
    n_equal += ours[i] == theirs[i];
  g_assert_cmpuint (n_equal, <, 3);
  close (ends[0]);
  close (ends[1]);
  tep_server_media_relay.close (media);
}

#define ADD(name, function) g_test_add_func ("/tep-s/relay-port/" name, function)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("ports-cannot-be-guessed", test_ports_cannot_be_guessed);
  ADD ("ends-of-the-range-are-reached", test_ends_of_the_range_are_reached);
  ADD ("small-range-is-searched-whole", test_small_range_is_searched_whole);
  ADD ("bad-choosers-are-found", test_bad_choosers_are_found);
  ADD ("lent-ports-cannot-be-guessed", test_lent_ports_cannot_be_guessed);
  ADD ("copy-of-the-process-draws-other-ports", test_copy_of_the_process_draws_other_ports);
  return g_test_run ();
}
