/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tep-s/metrics.h"

#include <string.h>

static char *
format (void)
{
  TepServerMetrics metrics = { .certificate_expires_ms = G_GINT64_CONSTANT (1800000000500) };

  for (guint i = 0; i < TEP_SERVER_N_COUNTERS; i++)
    metrics.counters.values[i] = 1000 + i;
  metrics.log = (TepServerLogCounts){ 7, 8, 9 };
  metrics.is_draining = TRUE;
  metrics.reloads = 3;
  return tep_server_metrics_format (&metrics);
}

static void
test_every_number_is_served (void)
{
  g_autofree char *text = format ();

  for (guint i = 0; i < TEP_SERVER_N_COUNTERS; i++) {
    const TepServerCounterInfo *info = tep_server_counter_info ((TepServerCounter)i);
    g_autofree char *line = g_strdup_printf (
        "\ntep_server_%s%s%s%s %u\n", info->family, info->label != NULL ? "{" : "",
        info->label != NULL ? info->label : "", info->label != NULL ? "}" : "", 1000 + i);

    g_assert_nonnull (strstr (text, line));
  }
  g_assert_nonnull (strstr (text, "tep_server_build_info{version=\"" TEPKIT_VERSION "\"} 1\n"));
  g_assert_nonnull (strstr (text, "tep_server_log_records_total{result=\"suppressed\"} 8\n"));
  g_assert_nonnull (strstr (text, "tep_server_draining 1\n"));
  g_assert_nonnull (strstr (text, "tep_server_reloads_total 3\n"));
  g_assert_nonnull (
      strstr (text, "tep_server_certificate_expiry_timestamp_seconds 1800000000.500\n"));
  g_assert_nonnull (strstr (text, "\nprocess_open_fds "));
}

/* The rules of the text format that a scraper stumbles over. */
static void
test_families_stand_together_with_one_type_each (void)
{
  g_autofree char *text = format ();
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_autoptr (GHashTable) families = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GHashTable) series = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GRegex) line_form = g_regex_new ("^([a-z_]+)(\\{[a-z_]+=\"[^\"\\\\\n]*\"(,[a-z_]+=\"[^"
                                              "\"\\\\\n]*\")*\\})? -?[0-9]+(\\.[0-9]+)?$",
                                              0, 0, NULL);
  g_autofree char *current = NULL;

  g_assert_true (g_str_has_suffix (text, "\n"));
  for (guint i = 0; lines[i + 1] != NULL; i++) {
    g_autoptr (GMatchInfo) match = NULL;
    g_autofree char *name = NULL;
    g_auto (GStrv) words = NULL;

    if (g_str_has_prefix (lines[i], "# HELP "))
      continue;
    if (g_str_has_prefix (lines[i], "# TYPE ")) {
      words = g_strsplit (lines[i], " ", -1);
      g_free (current);
      current = g_strdup (words[2]);
      g_assert_true (g_hash_table_add (families, g_strdup (current)));
      g_assert_true (strcmp (words[3], "gauge") == 0 || strcmp (words[3], "counter") == 0);
      g_assert_true (strcmp (words[3], "gauge") == 0 || g_str_has_suffix (current, "_total"));
      continue;
    }
    g_test_message ("%s", lines[i]);
    g_assert_true (g_regex_match (line_form, lines[i], 0, &match));
    name = g_match_info_fetch (match, 1);
    g_assert_cmpstr (name, ==, current);
    *strrchr (lines[i], ' ') = '\0';
    g_assert_true (g_hash_table_add (series, lines[i]));
  }
}

static void
test_books_tell_what_is_missing (void)
{
  TepServerCounters counters = { 0 };
  guint64 *values = counters.values;

  for (guint i = 0; i < TEP_SERVER_N_LAWS; i++)
    g_assert_cmpint (tep_server_metrics_balance (&counters, (TepServerLaw)i), ==, 0);
  values[TEP_SERVER_COUNTER_OPENED] = 10;
  values[TEP_SERVER_COUNTER_CLOSED_CLIENT] = 3;
  values[TEP_SERVER_COUNTER_CLOSED_SILENT] = 2;
  values[TEP_SERVER_COUNTER_TUNNELS] = 5;
  values[TEP_SERVER_COUNTER_UP_PACKETS] = 100;
  values[TEP_SERVER_COUNTER_UP_FORWARDED] = 90;
  values[TEP_SERVER_COUNTER_UP_ANSWERED] = 1;
  values[TEP_SERVER_COUNTER_UP_DROP_POLICY] = 9;
  values[TEP_SERVER_COUNTER_DOWN_PACKETS] = 50;
  values[TEP_SERVER_COUNTER_DOWN_FORWARDED] = 49;
  g_assert_cmpint (tep_server_metrics_balance (&counters, TEP_SERVER_LAW_TUNNELS), ==, 0);
  g_assert_cmpint (tep_server_metrics_balance (&counters, TEP_SERVER_LAW_UP), ==, 0);
  g_assert_cmpint (tep_server_metrics_balance (&counters, TEP_SERVER_LAW_DOWN), ==, 1);
  values[TEP_SERVER_COUNTER_DOWN_DROP_SLOW] = 2;
  g_assert_cmpint (tep_server_metrics_balance (&counters, TEP_SERVER_LAW_DOWN), ==, -1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tep-s/metrics/every-number-is-served", test_every_number_is_served);
  g_test_add_func ("/tep-s/metrics/families-stand-together-with-one-type-each",
                   test_families_stand_together_with_one_type_each);
  g_test_add_func ("/tep-s/metrics/books-tell-what-is-missing", test_books_tell_what_is_missing);
  return g_test_run ();
}
