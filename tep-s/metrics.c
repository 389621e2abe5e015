/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The server's numbers as text that monitoring reads. The laws they have to obey are served with them, so that a packet lost
 * without a reason shows on a dashboard and not in a complaint. */
#include "tep-s/metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PREFIX "tep_server_"

static const char *const law_names[] = {
  [TEP_SERVER_LAW_TUNNELS] = "tunnels",
  [TEP_SERVER_LAW_UP] = "packets-up",
  [TEP_SERVER_LAW_DOWN] = "packets-down",
};
G_STATIC_ASSERT (G_N_ELEMENTS (law_names) == TEP_SERVER_N_LAWS);

/* Every number of a family whose labels hold a text. */
static guint64
sum (const TepServerCounters *counters, const char *family, const char *label)
{
  guint64 total = 0;

  for (int i = 0; i < TEP_SERVER_N_COUNTERS; i++) {
    const TepServerCounterInfo *info = tep_server_counter_info ((TepServerCounter)i);

    if (strcmp (info->family, family) == 0 &&
        (label == NULL || (info->label != NULL && strstr (info->label, label) != NULL)))
      total += counters->values[i];
  }
  return total;
}

gint64
tep_server_metrics_balance (const TepServerCounters *counters, TepServerLaw law)
{
  const guint64 *values = counters->values;

  switch (law) {
  case TEP_SERVER_LAW_TUNNELS:
    return (gint64)(values[TEP_SERVER_COUNTER_OPENED] -
                    sum (counters, "tunnels_closed_total", NULL) -
                    values[TEP_SERVER_COUNTER_TUNNELS]);
  case TEP_SERVER_LAW_UP:
    return (gint64)(values[TEP_SERVER_COUNTER_UP_PACKETS] -
                    values[TEP_SERVER_COUNTER_UP_FORWARDED] -
                    values[TEP_SERVER_COUNTER_UP_ANSWERED] -
                    sum (counters, "drops_total", "direction=\"up\""));
  case TEP_SERVER_LAW_DOWN:
    return (gint64)(values[TEP_SERVER_COUNTER_DOWN_PACKETS] -
                    values[TEP_SERVER_COUNTER_DOWN_FORWARDED] -
                    sum (counters, "drops_total", "direction=\"down\""));
  case TEP_SERVER_N_LAWS:
    break;
  }
  return 0;
}

static void
begin (GString *out, const char *name, gboolean is_gauge, const char *help)
{
  g_string_append_printf (out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
                          is_gauge ? "gauge" : "counter");
}

static void
add_number (GString *out, const char *name, gboolean is_gauge, const char *help, guint64 value)
{
  begin (out, name, is_gauge, help);
  g_string_append_printf (out, "%s %" G_GUINT64_FORMAT "\n", name, value);
}

static void
add_real (GString *out, const char *name, gboolean is_gauge, const char *help, double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  begin (out, name, is_gauge, help);
  g_string_append_printf (out, "%s %s\n", name, g_ascii_formatd (text, sizeof text, "%.3f", value));
}

static gboolean
is_first_of_family (int counter)
{
  const char *family = tep_server_counter_info ((TepServerCounter)counter)->family;

  for (int i = 0; i < counter; i++)
    if (strcmp (tep_server_counter_info ((TepServerCounter)i)->family, family) == 0)
      return FALSE;
  return TRUE;
}

/* The format wants the lines of a family together, whatever the order of the counters. */
static void
add_counters (GString *out, const TepServerCounters *counters)
{
  for (int i = 0; i < TEP_SERVER_N_COUNTERS; i++) {
    const TepServerCounterInfo *info = tep_server_counter_info ((TepServerCounter)i);
    g_autofree char *name = g_strconcat (PREFIX, info->family, NULL);

    if (!is_first_of_family (i))
      continue;
    begin (out, name, info->is_gauge, info->help);
    for (int j = i; j < TEP_SERVER_N_COUNTERS; j++) {
      const TepServerCounterInfo *member = tep_server_counter_info ((TepServerCounter)j);

      if (strcmp (member->family, info->family) != 0)
        continue;
      g_string_append (out, name);
      if (member->label != NULL)
        g_string_append_printf (out, "{%s}", member->label);
      g_string_append_printf (out, " %" G_GUINT64_FORMAT "\n", counters->values[j]);
    }
  }
}

static void
add_laws (GString *out, const TepServerCounters *counters)
{
  static const char name[] = PREFIX "balance";

  begin (out, name, TRUE, "what the books of a law are off by; 0 at rest");
  for (int i = 0; i < TEP_SERVER_N_LAWS; i++)
    g_string_append_printf (out, "%s{law=\"%s\"} %" G_GINT64_FORMAT "\n", name, law_names[i],
                            tep_server_metrics_balance (counters, (TepServerLaw)i));
}

static void
add_log (GString *out, const TepServerLogCounts *log)
{
  static const char name[] = PREFIX "log_records_total";

  begin (out, name, FALSE, "log records by what became of them");
  g_string_append_printf (out, "%s{result=\"written\"} %" G_GUINT64_FORMAT "\n", name,
                          log->written);
  g_string_append_printf (out, "%s{result=\"suppressed\"} %" G_GUINT64_FORMAT "\n", name,
                          log->suppressed);
  g_string_append_printf (out, "%s{result=\"dropped\"} %" G_GUINT64_FORMAT "\n", name,
                          log->dropped);
}

static guint64
count_descriptors (void)
{
  DIR *dir = opendir ("/proc/self/fd");
  guint64 n = 0;

  if (dir == NULL)
    return 0;
  while (readdir (dir) != NULL)
    n++;
  closedir (dir);
  /* Without ".", ".." and the descriptor of the folder itself. */
  return n > 3 ? n - 3 : 0;
}

static guint64
resident_octets (void)
{
  FILE *file = fopen ("/proc/self/statm", "re");
  unsigned long long total = 0, resident = 0;
  gboolean is_read = file != NULL && fscanf (file, "%llu %llu", &total, &resident) == 2;

  if (file != NULL)
    fclose (file);
  return is_read ? resident * (guint64)sysconf (_SC_PAGESIZE) : 0;
}

static void
add_process (GString *out)
{
  struct timespec cpu = { 0 };

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &cpu);
  add_real (out, "process_cpu_seconds_total", FALSE, "processor time used",
            (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9);
  add_number (out, "process_resident_memory_bytes", TRUE, "memory in use", resident_octets ());
  add_number (out, "process_open_fds", TRUE, "descriptors open", count_descriptors ());
}

char *
tep_server_metrics_format (const TepServerMetrics *metrics)
{
  GString *out = g_string_new (NULL);

  begin (out, PREFIX "build_info", TRUE, "version of the running program");
  g_string_append_printf (out, PREFIX "build_info{version=\"%s\"} 1\n", tep_server_version ());
  add_counters (out, &metrics->counters);
  add_laws (out, &metrics->counters);
  add_log (out, &metrics->log);
  add_number (out, PREFIX "draining", TRUE, "1 while no new tunnels are taken",
              metrics->is_draining);
  add_number (out, PREFIX "reloads_total", FALSE, "configurations taken", metrics->reloads);
  add_number (out, PREFIX "reloads_refused_total", FALSE, "configurations refused",
              metrics->reloads_refused);
  if (metrics->certificate_expires_ms != 0)
    add_real (out, PREFIX "certificate_expiry_timestamp_seconds", TRUE,
              "when the certificate ends, in Unix time",
              (double)metrics->certificate_expires_ms / 1000);
  add_process (out);
  return g_string_free (out, FALSE);
}
