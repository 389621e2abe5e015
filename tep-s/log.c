/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A full disk, a stopped reader or a flood must not reach the calls: records go into a bounded
 * queue that a thread of its own writes out, and before that through a limit per cause and second.
 * What was left out is told in one line a second. */
#include "tep-s/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tep-s/error.h"
#include "tep-s/log-private.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define N_CAUSES 64
#define CAUSE_LENGTH 48
#define MAX_LINES_PER_SECOND 100 /* requirement 47 */
#define MAX_MINOR_PER_SECOND                                                                       \
  60 /* of them informative only: what an operator has to read still fits */
#define QUEUE_MAX_OCTETS (1024 * 1024)
#define FLUSH_S 1

typedef struct {
  char name[CAUSE_LENGTH];
  guint n;           /* records in this second */
  guint suppressed;  /* of them left out */
  gboolean is_debug; /* nobody but who asked for every detail misses them */
} Cause;

struct _TepServerLog {
  pthread_mutex_t mutex;
  pthread_cond_t wake;
  pthread_cond_t idle;
  pthread_t thread;
  gboolean is_threaded;
  gboolean is_writing;
  gboolean is_ending;
  gboolean is_torn; /* the last line was written in part */
  gboolean is_abandoned;
  int fd;
  int old_fd; /* still in use by the thread while it writes */
  TepServerLogFormat format;
  GLogLevelFlags level;
  guint per_cause;
  GQueue queue; /* char * */
  gsize queued;
  gint64 second;
  guint lines;
  guint n_causes;
  Cause causes[N_CAUSES];
  TepServerLogCounts counts;
};

static int
open_journal (const char *path, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  if (fd >= 0 && connect (fd, (struct sockaddr *)&address, sizeof address) == 0)
    return fd;
  g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_CONFIG,
               "%s: the journal does not answer (%s); write another [log] format", path,
               g_strerror (errno));
  if (fd >= 0)
    close (fd);
  return -1;
}

static int
open_sink (const TepServerLogConfig *config, GError **error)
{
  int fd;

  if (config->format == TEP_SERVER_LOG_JOURNAL)
    return open_journal (config->file != NULL ? config->file : JOURNAL_SOCKET, error);
  fd = config->file == NULL
           ? fcntl (STDERR_FILENO, F_DUPFD_CLOEXEC, 3)
           : open (config->file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
  if (fd < 0)
    g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_CONFIG,
                 "%s: cannot be opened for the log: %s",
                 config->file != NULL ? config->file : "stderr", g_strerror (errno));
  return fd;
}

TepServerLog *
tep_server_log_new (const TepServerLogConfig *config, GError **error)
{
  TepServerLog *log;
  int fd = open_sink (config, error);

  if (fd < 0)
    return NULL;
  log = g_new0 (TepServerLog, 1);
  pthread_mutex_init (&log->mutex, NULL);
  pthread_cond_init (&log->wake, NULL);
  pthread_cond_init (&log->idle, NULL);
  g_queue_init (&log->queue);
  log->fd = fd;
  log->old_fd = -1;
  log->format = config->format;
  log->level = config->level;
  log->per_cause = MIN (MAX (config->lines_per_second, 1), MAX_LINES_PER_SECOND);
  return log;
}

static gboolean
write_all (int fd, const char *text, gsize length, gboolean *is_torn)
{
  gsize done = 0;

  if (*is_torn && write (fd, "\n", 1) != 1)
    return FALSE;
  *is_torn = FALSE;
  while (done < length) {
    ssize_t n = write (fd, text + done, length - done);

    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0) {
      *is_torn = done > 0;
      return FALSE;
    }
    done += (gsize)n;
  }
  return TRUE;
}

static void
take_from_queue (TepServerLog *log)
{
  g_autofree char *text = g_queue_pop_head (&log->queue);
  gsize length = strlen (text);
  gboolean is_torn = log->is_torn;
  gboolean is_written;
  int fd = log->fd;

  log->queued -= length;
  log->is_writing = TRUE;
  pthread_mutex_unlock (&log->mutex);
  is_written = write_all (fd, text, length, &is_torn);
  pthread_mutex_lock (&log->mutex);
  log->is_writing = FALSE;
  log->is_torn = is_torn;
  if (log->old_fd >= 0) {
    close (log->old_fd);
    log->old_fd = -1;
    log->is_torn = FALSE;
  }
  if (is_written)
    log->counts.written++;
  else
    log->counts.dropped++;
}

static void
free_everything (TepServerLog *log)
{
  if (log->fd >= 0)
    close (log->fd);
  g_queue_clear_full (&log->queue, g_free);
  pthread_cond_destroy (&log->idle);
  pthread_cond_destroy (&log->wake);
  pthread_mutex_destroy (&log->mutex);
  g_free (log);
}

static void report_suppressed (TepServerLog *log, gint64 now_us);

static gboolean
has_suppressed (const TepServerLog *log)
{
  for (guint i = 0; i < log->n_causes; i++)
    if (log->causes[i].suppressed > 0)
      return TRUE;
  return FALSE;
}

static void
wait_for_work (TepServerLog *log)
{
  struct timespec until;

  if (!has_suppressed (log)) {
    pthread_cond_wait (&log->wake, &log->mutex);
    return;
  }
  clock_gettime (CLOCK_REALTIME, &until);
  until.tv_sec++;
  pthread_cond_timedwait (&log->wake, &log->mutex, &until);
  report_suppressed (log, g_get_real_time ());
}

static void *
run (void *data)
{
  TepServerLog *log = data;
  gboolean is_abandoned;

  pthread_mutex_lock (&log->mutex);
  while (!log->is_ending || !g_queue_is_empty (&log->queue)) {
    if (!g_queue_is_empty (&log->queue))
      take_from_queue (log);
    else
      wait_for_work (log);
    if (log->is_abandoned)
      break;
  }
  is_abandoned = log->is_abandoned;
  pthread_cond_broadcast (&log->idle);
  log->is_threaded = FALSE;
  pthread_mutex_unlock (&log->mutex);
  if (is_abandoned)
    free_everything (log);
  return NULL;
}

void
tep_server_log_start (TepServerLog *log)
{
  sigset_t all, before;

  /* Signals are for the program's own loop. */
  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, &before);
  pthread_mutex_lock (&log->mutex);
  if (!log->is_threaded && pthread_create (&log->thread, NULL, run, log) == 0)
    log->is_threaded = TRUE;
  pthread_mutex_unlock (&log->mutex);
  pthread_sigmask (SIG_SETMASK, &before, NULL);
}

gboolean
tep_server_log_reopen (TepServerLog *log, const TepServerLogConfig *config, GError **error)
{
  int fd = open_sink (config, error);

  if (fd < 0)
    return FALSE;
  pthread_mutex_lock (&log->mutex);
  /* A thread that hangs in a write keeps its descriptor; a second reopening meanwhile closes the
   * one never used. */
  if (log->is_writing && log->old_fd < 0)
    log->old_fd = log->fd;
  else
    close (log->fd);
  log->fd = fd;
  log->format = config->format;
  log->level = config->level;
  log->per_cause = MIN (MAX (config->lines_per_second, 1), MAX_LINES_PER_SECOND);
  pthread_mutex_unlock (&log->mutex);
  return TRUE;
}

void
tep_server_log_free (TepServerLog *log)
{
  struct timespec until;
  pthread_t thread = log->thread;

  pthread_mutex_lock (&log->mutex);
  if (!log->is_threaded) {
    pthread_mutex_unlock (&log->mutex);
    free_everything (log);
    return;
  }
  report_suppressed (log, g_get_real_time () + G_USEC_PER_SEC);
  log->is_ending = TRUE;
  pthread_cond_signal (&log->wake);
  clock_gettime (CLOCK_REALTIME, &until);
  until.tv_sec += FLUSH_S;
  while (log->is_threaded && pthread_cond_timedwait (&log->idle, &log->mutex, &until) == 0)
    ;
  /* The thread hangs in a write that nobody can end: it frees the log if it ever returns. */
  log->is_abandoned = log->is_threaded;
  if (log->is_abandoned) {
    pthread_mutex_unlock (&log->mutex);
    pthread_detach (thread);
    return;
  }
  pthread_mutex_unlock (&log->mutex);
  pthread_join (thread, NULL);
  free_everything (log);
}

/* The last record before the process aborts does not wait for the thread. */
static void
enqueue (TepServerLog *log, char *text, gboolean is_last)
{
  gsize length = strlen (text);

  if (!log->is_threaded || is_last) {
    gboolean is_written = write_all (log->fd, text, length, &log->is_torn);

    log->counts.written += is_written;
    log->counts.dropped += !is_written;
    g_free (text);
    return;
  }
  if (log->queued + length > QUEUE_MAX_OCTETS) {
    log->counts.dropped++;
    g_free (text);
    return;
  }
  g_queue_push_tail (&log->queue, text);
  log->queued += length;
  pthread_cond_signal (&log->wake);
}

/* At the end of a second, one record about what it left out. */
static void
report_suppressed (TepServerLog *log, gint64 now_us)
{
  g_autoptr (GString) text = NULL;
  guint64 total = 0;
  gboolean is_debug = TRUE;

  if (now_us / G_USEC_PER_SEC == log->second)
    return;
  for (guint i = 0; i < log->n_causes; i++) {
    total += log->causes[i].suppressed;
    is_debug &= log->causes[i].suppressed == 0 || log->causes[i].is_debug;
  }
  if (total > 0) {
    text = g_string_new (NULL);
    g_string_printf (
        text, "%" G_GUINT64_FORMAT " more records in that second were left out, by cause:", total);
    for (guint i = 0; i < log->n_causes; i++)
      if (log->causes[i].suppressed > 0)
        g_string_append_printf (text, " %s %u", log->causes[i].name, log->causes[i].suppressed);
    {
      const GLogField fields[] = { { "MESSAGE", text->str, -1 }, { "GLIB_DOMAIN", "tep-s", -1 } };

      enqueue (log,
               tep_server_log_format (log->format,
                                      is_debug ? G_LOG_LEVEL_DEBUG : G_LOG_LEVEL_WARNING, fields,
                                      G_N_ELEMENTS (fields), g_get_real_time ()),
               FALSE);
    }
  }
  log->n_causes = 0;
  log->second = now_us / G_USEC_PER_SEC;
  log->lines = 1;
}

static void
name_cause (const GLogField *fields, gsize n_fields, char name[CAUSE_LENGTH])
{
  g_autofree char *cause = tep_server_log_field (fields, n_fields, "CAUSE");
  g_autofree char *file = NULL;
  g_autofree char *line = NULL;
  g_autofree char *text = NULL;
  g_autofree char *clean = NULL;

  if (cause == NULL) {
    file = tep_server_log_field (fields, n_fields, "CODE_FILE");
    line = tep_server_log_field (fields, n_fields, "CODE_LINE");
    text = file != NULL && line != NULL
               ? g_strdup_printf (
                     "%s:%s", strrchr (file, '/') != NULL ? strrchr (file, '/') + 1 : file, line)
               : tep_server_log_field (fields, n_fields, "GLIB_DOMAIN");
  } else {
    text = g_steal_pointer (&cause);
  }
  clean = text != NULL ? tep_server_log_escape (text, strlen (text), CAUSE_LENGTH - 1) : NULL;
  g_strlcpy (name, clean != NULL ? clean : "other", CAUSE_LENGTH);
}

/* Causes beyond the table share its last place. */
static Cause *
find_cause (TepServerLog *log, const char *name)
{
  Cause *cause;

  for (guint i = 0; i < log->n_causes; i++)
    if (strcmp (log->causes[i].name, name) == 0)
      return &log->causes[i];
  if (log->n_causes == N_CAUSES)
    return &log->causes[N_CAUSES - 1];
  cause = &log->causes[log->n_causes++];
  *cause = (Cause){ 0 };
  g_strlcpy (cause->name, log->n_causes == N_CAUSES ? "others" : name, sizeof cause->name);
  return cause;
}

static gboolean
may_pass (TepServerLog *log, GLogLevelFlags level, const char *name, gint64 now_us)
{
  guint most = (level & G_LOG_LEVEL_MASK) <= G_LOG_LEVEL_MESSAGE ? MAX_LINES_PER_SECOND
                                                                 : MAX_MINOR_PER_SECOND;
  Cause *cause;

  report_suppressed (log, now_us);
  cause = find_cause (log, name);
  /* The last line of the second is kept for the report. */
  if (cause->n < log->per_cause && log->lines < most) {
    cause->n++;
    log->lines++;
    return TRUE;
  }
  cause->is_debug = (level & G_LOG_LEVEL_DEBUG) != 0;
  cause->suppressed++;
  log->counts.suppressed++;
  return FALSE;
}

void
tep_server_log_record (
    TepServerLog *log, GLogLevelFlags level, const GLogField *fields, gsize n_fields, gint64 now_us)
{
  char cause[CAUSE_LENGTH];
  TepServerLogFormat format;
  gboolean passes;
  char *text;

  name_cause (fields, n_fields, cause);
  pthread_mutex_lock (&log->mutex);
  passes = (level & G_LOG_FLAG_FATAL) != 0 ||
           ((level & G_LOG_LEVEL_MASK) <= log->level && may_pass (log, level, cause, now_us));
  format = log->format;
  pthread_mutex_unlock (&log->mutex);
  if (!passes)
    return;
  text = tep_server_log_format (format, level, fields, n_fields, g_get_real_time ());
  pthread_mutex_lock (&log->mutex);
  enqueue (log, text, (level & G_LOG_FLAG_FATAL) != 0);
  pthread_mutex_unlock (&log->mutex);
}

GLogWriterOutput
tep_server_log_write (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer log)
{
  /* The wall clock's, so that a second in the log is a second of the limit. */
  tep_server_log_record (log, level, fields, n_fields, g_get_real_time ());
  return G_LOG_WRITER_HANDLED;
}

void
tep_server_log_get_counts (TepServerLog *log, TepServerLogCounts *counts)
{
  pthread_mutex_lock (&log->mutex);
  *counts = log->counts;
  pthread_mutex_unlock (&log->mutex);
}
