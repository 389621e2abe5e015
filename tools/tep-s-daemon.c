/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the start to the end of the daemon. The order of the start is what matters: first everything that needs rights, then
 * the rights go, and only then is the first octet of a stranger read. Later, whatever an operator does must lose no call: a
 * reload takes a good configuration whole or keeps the old one, and an end waits for those who are talking. */
#include "tools/tep-s-daemon.h"

#include <glib-unix.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "tep-s/error.h"
#include "tep-s/log.h"
#include "tep-s/metrics.h"
#include "tools/cli.h"
#include "tools/tep-s-metrics.h"

#define STATUS_S 10
#define SUMMARY_S 60
#define EXPIRY_CHECK_S 3600
#define DAY_MS (G_GINT64_CONSTANT (86400) * 1000)
#define DRAIN_GRACE_S 2 /* for the last words of workers, beyond the configured time */

typedef struct {
  const DaemonOptions *options;
  GMainLoop *loop;
  TepServerConfig *config;
  TepServer *server;
  TepServerLog *log;
  MetricsServer *metrics;
  TepServerCounters last_summary;
  guint64 reloads;
  guint64 reloads_refused;
  gboolean is_draining;
  gint warned_days;       /* least threshold of expiry that was warned about */
  atomic_uint unanswered; /* workers that have not answered the last question */
} Daemon;

/* GLib keeps its writer for the life of the process, longer than the log lives. */
static TepServerLog *writer_log;

static GLogWriterOutput
write_record (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
  return writer_log != NULL ? tep_server_log_write (level, fields, n_fields, writer_log)
                            : g_log_writer_default (level, fields, n_fields, NULL);
}

G_GNUC_PRINTF (3, 4)
static void
note (GLogLevelFlags level, const char *cause, const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list arguments;

  va_start (arguments, format);
  message = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_log_structured (G_LOG_DOMAIN, level, "CAUSE", cause, "MESSAGE", "%s", message);
}

TepServerConfig *
daemon_load_config (const DaemonOptions *options, GError **error)
{
  g_autoptr (TepServerConfig) config = tep_server_config_load (options->config_file, error);

  if (config == NULL)
    return NULL;
  if (config->media.kind == TEP_SERVER_MEDIA_EMBEDDED) {
    g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_CONFIG,
                 "%s: [media] backend: only a program with the library inside can be \"embedded\"; "
                 "write relay, tun or pcap",
                 config->path);
    return NULL;
  }
  if (options->record_file != NULL)
    return tep_server_config_with_record_file (config, options->record_file);
  return g_steal_pointer (&config);
}

/* ---- what it tells ---- */

static void
on_tunnel_opened (TepServer *server, const char *user, const char *source, gpointer data)
{
  g_log_structured (G_LOG_DOMAIN, G_LOG_LEVEL_INFO, "CAUSE", "tunnel-opened", "USER", user,
                    "SOURCE", source, "MESSAGE", "tunnel opened");
}

static void
on_tunnel_closed (
    TepServer *server, const char *user, const char *source, const char *reason, gpointer data)
{
  g_log_structured (G_LOG_DOMAIN, G_LOG_LEVEL_INFO, "CAUSE", "tunnel-closed", "USER", user,
                    "SOURCE", source, "REASON", reason, "MESSAGE", "tunnel closed");
}

static char *
metrics_text (gpointer data)
{
  Daemon *daemon = data;
  TepServerMetrics metrics = { .is_draining = daemon->is_draining,
                               .reloads = daemon->reloads,
                               .reloads_refused = daemon->reloads_refused };

  metrics.certificate_expires_ms = daemon->config->tls.certificate_expires_ms;
  tep_server_snapshot (daemon->server, &metrics.counters);
  tep_server_log_get_counts (daemon->log, &metrics.log);
  return tep_server_metrics_format (&metrics);
}

static gboolean
metrics_is_ready (gpointer data)
{
  return !((Daemon *)data)->is_draining;
}

static gboolean
tell_status (gpointer data)
{
  Daemon *daemon = data;
  TepServerCounters counters;

  tep_server_snapshot (daemon->server, &counters);
  sd_notifyf (0, "STATUS=%s%" G_GUINT64_FORMAT " tunnels, %" G_GUINT64_FORMAT " flows",
              daemon->is_draining ? "draining, " : "", counters.values[TEP_SERVER_COUNTER_TUNNELS],
              counters.values[TEP_SERVER_COUNTER_FLOWS]);
  return G_SOURCE_CONTINUE;
}

/* Events that come in floods are counted where they happen; an operator reads one line a minute about them. */
static gboolean
tell_summary (gpointer data)
{
  static const struct {
    TepServerCounter counter;
    const char *words;
  } told[] = {
    { TEP_SERVER_COUNTER_AUTH_FAILED, "logins failed" },
    { TEP_SERVER_COUNTER_AUTH_THROTTLED, "logins not looked at (guessing)" },
    { TEP_SERVER_COUNTER_AUTH_REPLAYED, "openings replayed" },
    { TEP_SERVER_COUNTER_AUTH_QUOTA, "logins over quota" },
    { TEP_SERVER_COUNTER_REFUSED_TOTAL, "connections refused (limits)" },
    { TEP_SERVER_COUNTER_REFUSED_SOURCE, "connections refused (source)" },
    { TEP_SERVER_COUNTER_REFUSED_MEMORY, "connections refused (memory)" },
    { TEP_SERVER_COUNTER_CHANNEL_BINDING_DIFFERENT, "tunnels through an opened TLS connection" },
    { TEP_SERVER_COUNTER_STUN_LIMITED, "STUN requests over the limit" },
    { TEP_SERVER_COUNTER_UP_DROP_POLICY, "packets to forbidden addresses" },
  };
  Daemon *daemon = data;
  g_autoptr (GString) text = g_string_new (NULL);
  TepServerCounters now;

  tep_server_snapshot (daemon->server, &now);
  for (gsize i = 0; i < G_N_ELEMENTS (told); i++) {
    guint64 grown = now.values[told[i].counter] - daemon->last_summary.values[told[i].counter];

    if (grown > 0)
      g_string_append_printf (text, "%s %" G_GUINT64_FORMAT " %s", text->len > 0 ? "," : "", grown,
                              told[i].words);
  }
  if (text->len > 0)
    note (G_LOG_LEVEL_MESSAGE, "summary", "in the last minute:%s", text->str);
  daemon->last_summary = now;
  return G_SOURCE_CONTINUE;
}

static gboolean
check_expiry (gpointer data)
{
  static const gint thresholds[] = { 0, 1, 7, 30 };
  Daemon *daemon = data;
  gint64 left_ms = daemon->config->tls.certificate_expires_ms - g_get_real_time () / 1000;

  if (daemon->config->tls.certificate_expires_ms == 0)
    return G_SOURCE_CONTINUE;
  for (gsize i = 0; i < G_N_ELEMENTS (thresholds); i++) {
    if (left_ms > thresholds[i] * DAY_MS)
      continue;
    if (daemon->warned_days <= thresholds[i])
      break;
    daemon->warned_days = thresholds[i];
    if (left_ms <= 0)
      note (G_LOG_LEVEL_CRITICAL, "certificate",
            "%s: the certificate has expired, clients refuse it; replace it and send SIGHUP",
            daemon->config->tls.certificate_file);
    else
      note (G_LOG_LEVEL_WARNING, "certificate",
            "%s: the certificate expires in %d hours; replace it and send SIGHUP",
            daemon->config->tls.certificate_file, (int)(left_ms / 3600000));
    break;
  }
  return G_SOURCE_CONTINUE;
}

/* ---- watchdog: fed only while every worker answers ---- */

static void
worker_answers (TepServerWorker *worker, gpointer data)
{
  atomic_fetch_sub (&((Daemon *)data)->unanswered, 1);
}

static gboolean
feed_watchdog (gpointer data)
{
  Daemon *daemon = data;
  guint unanswered = atomic_load (&daemon->unanswered);
  guint n = tep_server_n_workers (daemon->server);

  if (unanswered > 0) {
    note (G_LOG_LEVEL_CRITICAL, "watchdog", "%u of %u workers do not answer", unanswered, n);
    return G_SOURCE_CONTINUE;
  }
  sd_notify (0, "WATCHDOG=1");
  atomic_store (&daemon->unanswered, n);
  for (guint i = 0; i < n; i++)
    if (!tep_server_invoke (daemon->server, i, worker_answers, daemon))
      atomic_fetch_sub (&daemon->unanswered, 1);
  return G_SOURCE_CONTINUE;
}

/* ---- reload ---- */

static gboolean
same_listeners (const TepServerConfig *a, const TepServerConfig *b)
{
  if (a->n_listeners != b->n_listeners)
    return FALSE;
  for (guint i = 0; i < a->n_listeners; i++)
    if (!stun_ext_address_equal (&a->listeners[i].address, &b->listeners[i].address) ||
        a->listeners[i].has_udp != b->listeners[i].has_udp)
      return FALSE;
  return TRUE;
}

static gboolean
same_detect_ports (const TepServerDetectConfig *a, const TepServerDetectConfig *b)
{
  return a->is_on == b->is_on && a->n_addresses == b->n_addresses && a->n_ports == b->n_ports &&
         memcmp (a->addresses, b->addresses, sizeof a->addresses) == 0 &&
         memcmp (a->public_addresses, b->public_addresses, sizeof a->public_addresses) == 0 &&
         memcmp (a->ports, b->ports, sizeof a->ports) == 0;
}

static void
tell_what_waits (const TepServerConfig *old, const TepServerConfig *new)
{
  g_autoptr (GString) waits = g_string_new (NULL);

  if (!same_listeners (old, new))
    g_string_append (waits, " [server] listen,");
  if (old->workers != new->workers)
    g_string_append (waits, " [server] workers,");
  if (g_strcmp0 (old->user, new->user) != 0)
    g_string_append (waits, " [server] user,");
  if (old->media.kind != new->media.kind)
    g_string_append (waits, " [media] backend,");
  if (g_strcmp0 (old->metrics, new->metrics) != 0)
    g_string_append (waits, " [metrics] listen,");
  if (g_strcmp0 (old->media.record_file, new->media.record_file) != 0)
    g_string_append (waits, " [media] record-file,");
  if (!same_detect_ports (&old->detect, &new->detect))
    g_string_append (waits, " [detect] addresses and ports,");
  if (waits->len == 0)
    return;
  g_string_truncate (waits, waits->len - 1);
  note (G_LOG_LEVEL_WARNING, "reload", "changed, but in force only after a restart:%s", waits->str);
}

static void
try_reload (Daemon *daemon)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TepServerConfig) config = daemon_load_config (daemon->options, &error);

  if (config == NULL || !tep_server_reload (daemon->server, config, &error)) {
    daemon->reloads_refused++;
    note (G_LOG_LEVEL_CRITICAL, "reload",
          "the new configuration is refused, the old one stays in force: %s", error->message);
    return;
  }
  if (!tep_server_log_reopen (daemon->log, &config->log, &error))
    note (G_LOG_LEVEL_WARNING, "reload", "the old log stays in use: %s", error->message);
  if (daemon->metrics != NULL)
    metrics_server_set_token (daemon->metrics, config->metrics_token);
  tell_what_waits (daemon->config, config);
  tep_server_config_unref (daemon->config);
  daemon->config = g_steal_pointer (&config);
  daemon->reloads++;
  daemon->warned_days = G_MAXINT;
  check_expiry (daemon);
  note (G_LOG_LEVEL_MESSAGE, "reload", "configuration reloaded from %s", daemon->config->path);
}

static gboolean
on_hangup (gpointer data)
{
  Daemon *daemon = data;

  sd_notifyf (0, "RELOADING=1\nMONOTONIC_USEC=%" G_GINT64_FORMAT, g_get_monotonic_time ());
  try_reload (daemon);
  sd_notify (0, "READY=1");
  tell_status (daemon);
  return G_SOURCE_CONTINUE;
}

/* ---- the end ---- */

static void
on_drained (TepServer *server, gpointer data)
{
  Daemon *daemon = data;

  note (G_LOG_LEVEL_MESSAGE, "drain", "no tunnel is left");
  g_main_loop_quit (daemon->loop);
}

static gboolean
on_drain_over (gpointer data)
{
  Daemon *daemon = data;

  note (G_LOG_LEVEL_WARNING, "drain", "the time to end is over; closing what is left");
  g_main_loop_quit (daemon->loop);
  return G_SOURCE_REMOVE;
}

static gboolean
on_terminate (gpointer data)
{
  Daemon *daemon = data;
  guint drain_s = daemon->config->timers.drain_s;

  if (daemon->is_draining) {
    note (G_LOG_LEVEL_MESSAGE, "drain", "told a second time to end; closing everything now");
    g_main_loop_quit (daemon->loop);
    return G_SOURCE_CONTINUE;
  }
  daemon->is_draining = TRUE;
  sd_notify (0, "STOPPING=1");
  note (G_LOG_LEVEL_MESSAGE, "drain", "ending; no new tunnels, those there are have %u s", drain_s);
  tep_server_drain (daemon->server, drain_s);
  g_timeout_add_seconds (drain_s + DRAIN_GRACE_S, on_drain_over, daemon);
  tell_status (daemon);
  return G_SOURCE_CONTINUE;
}

/* ---- the start ---- */

static int
exit_status_of (const GError *error)
{
  if (g_error_matches (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_CONFIG) ||
      g_error_matches (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_TLS))
    return CLI_EXIT_CONFIG;
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED))
    return CLI_EXIT_DENIED;
  return CLI_EXIT_SYSTEM;
}

static gboolean
open_all (Daemon *daemon, const PrivilegesUser *user, GError **error)
{
  static const MetricsSource source = { metrics_text, metrics_is_ready };

  daemon->log = tep_server_log_new (&daemon->config->log, error);
  if (daemon->log == NULL)
    return FALSE;
  writer_log = daemon->log;
  g_log_set_writer_func (write_record, NULL, NULL);
  daemon->server = tep_server_new (daemon->config, NULL, NULL, error);
  if (daemon->server == NULL || !tep_server_open (daemon->server, error))
    return FALSE;
  if (daemon->config->metrics == NULL)
    return TRUE;
  daemon->metrics =
      metrics_server_new (daemon->config->metrics, user->uid, user->gid, &source, daemon, error);
  if (daemon->metrics == NULL)
    return FALSE;
  metrics_server_set_token (daemon->metrics, daemon->config->metrics_token);
  return metrics_server_start (daemon->metrics, error);
}

static void
tell_listeners (Daemon *daemon)
{
  for (guint i = 0; i < daemon->config->n_listeners; i++) {
    char text[STUN_EXT_ADDRESS_TEXT_LENGTH];
    StunExtAddress address;

    if (tep_server_get_listener_address (daemon->server, i, &address))
      note (G_LOG_LEVEL_MESSAGE, "start", "listening on %s, %s",
            stun_ext_address_print (&address, text),
            daemon->config->listeners[i].has_udp ? "TCP and UDP" : "TCP");
  }
}

static void
watch_everything (Daemon *daemon)
{
  guint64 watchdog_us;

  g_signal_connect (daemon->server, "tunnel-opened", G_CALLBACK (on_tunnel_opened), daemon);
  g_signal_connect (daemon->server, "tunnel-closed", G_CALLBACK (on_tunnel_closed), daemon);
  g_signal_connect (daemon->server, "drained", G_CALLBACK (on_drained), daemon);
  g_unix_signal_add (SIGHUP, on_hangup, daemon);
  g_unix_signal_add (SIGTERM, on_terminate, daemon);
  g_unix_signal_add (SIGINT, on_terminate, daemon);
  g_timeout_add_seconds (STATUS_S, tell_status, daemon);
  g_timeout_add_seconds (SUMMARY_S, tell_summary, daemon);
  g_timeout_add_seconds (EXPIRY_CHECK_S, check_expiry, daemon);
  if (sd_watchdog_enabled (0, &watchdog_us) > 0)
    g_timeout_add ((guint)MIN (watchdog_us / 2000, G_MAXUINT / 2), feed_watchdog, daemon);
}

static gboolean
start (Daemon *daemon, const PrivilegesUser *user, GError **error)
{
  if (!open_all (daemon, user, error) || !privileges_drop (user, error))
    return FALSE;
  tep_server_log_start (daemon->log);
  watch_everything (daemon);
  return tep_server_start (daemon->server, error);
}

static void
close_all (Daemon *daemon)
{
  if (daemon->server != NULL)
    tep_server_stop (daemon->server);
  g_clear_pointer (&daemon->metrics, metrics_server_free);
  g_clear_object (&daemon->server);
  writer_log = NULL;
  g_clear_pointer (&daemon->log, tep_server_log_free);
}

int
daemon_run (const DaemonOptions *options, const TepServerConfig *config, const PrivilegesUser *user)
{
  Daemon daemon = { .options = options, .warned_days = G_MAXINT };
  g_autoptr (GError) error = NULL;
  int status = CLI_EXIT_OK;

  daemon.loop = g_main_loop_new (NULL, FALSE);
  daemon.config = tep_server_config_ref (config);
  if (start (&daemon, user, &error)) {
    tell_listeners (&daemon);
    check_expiry (&daemon);
    note (G_LOG_LEVEL_MESSAGE, "start", "tep-s %s is ready", tep_server_version ());
    sd_notify (0, "READY=1");
    tell_status (&daemon);
    g_main_loop_run (daemon.loop);
    note (G_LOG_LEVEL_MESSAGE, "stop", "tep-s ends");
  } else {
    cli_say ("%s", error->message);
    status = exit_status_of (error);
  }
  close_all (&daemon);
  tep_server_config_unref (daemon.config);
  g_main_loop_unref (daemon.loop);
  return status;
}
