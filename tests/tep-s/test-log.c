/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tep-s/log.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tep-s/error.h"
#include "tep-s/log-private.h"

#define SECOND G_GINT64_CONSTANT (1000000)

typedef struct {
  char *folder;
  char *file;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->folder = g_dir_make_tmp ("test-log-XXXXXX", NULL);
  fixture->file = g_build_filename (fixture->folder, "log", NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_remove (fixture->file);
  g_rmdir (fixture->folder);
  g_free (fixture->file);
  g_free (fixture->folder);
}

static TepServerLog *
open_log (const char *file, TepServerLogFormat format)
{
  TepServerLogConfig config = { .format = format, .level = G_LOG_LEVEL_INFO, .file = file };
  g_autoptr (GError) error = NULL;
  TepServerLog *log;

  config.lines_per_second = 20;
  log = tep_server_log_new (&config, &error);
  g_assert_no_error (error);
  return log;
}

static void
record (TepServerLog *log, const char *cause, const char *user, gssize length, gint64 now_us)
{
  const GLogField fields[] = { { "MESSAGE", "a request failed", -1 },
                               { "CAUSE", cause, -1 },
                               { "USER", user, length },
                               { "GLIB_DOMAIN", "tep-s", -1 } };

  tep_server_log_record (log, G_LOG_LEVEL_INFO, fields, G_N_ELEMENTS (fields), now_us);
}

static char **
lines_of (const char *file)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  gsize length;
  guint n;

  g_assert_true (g_file_get_contents (file, &text, &length, NULL));
  g_assert_cmpuint (strlen (text), ==, length);
  g_assert_true (g_utf8_validate (text, -1, NULL));
  lines = g_strsplit (text, "\n", -1);
  n = g_strv_length (lines);
  g_assert_cmpuint (n, >=, 1);
  g_assert_cmpstr (lines[n - 1], ==, "");
  g_clear_pointer (&lines[n - 1], g_free);
  return g_steal_pointer (&lines);
}

/* What a peer could put into a name to forge a record or to play with a terminal. */
static const struct {
  const char *text;
  gsize length;
  const char *escaped;
} corpus[] = {
  { "plain", 5, "plain" },
  { "two\nlines", 9, "two\\x0alines" },
  { "\r\n2026-11-21T00:00:00.000Z error: forged", 40, NULL },
  { "\"}\n{\"level\":\"error\"", 19, NULL },
  { "a\0b", 3, "a\\x00b" },
  { "\033[2J\033[31m", 9, "\\x1b[2J\\x1b[31m" },
  { "\x7f", 1, "\\x7f" },
  { "\xc2\x85next", 6, "\\u{85}next" },
  { "\xc2\x9b"
    "31m",
    5, "\\u{9b}31m" },
  { "\xe2\x80\xa8", 3, "\\u{2028}" },
  { "\xe2\x80\xa9", 3, "\\u{2029}" },
  { "\xe2\x80\xae"
    "gnp.exe",
    10, "\\u{202e}gnp.exe" },
  { "\xff\xfe", 2, "\\xff\\xfe" },
  { "\xc3", 1, "\\xc3" },
  { "\xed\xa0\x80", 3, "\\xed\\xa0\\x80" },
  { "\xf0\x9f\x98\x80", 4, "\xf0\x9f\x98\x80" },
  { "M\xc3\xbcller", 7, "M\xc3\xbcller" },
  { "back\\slash", 10, "back\\\\slash" },
  { "%s%n%1000d", 10, "%s%n%1000d" },
};

static void
test_text_of_peers_is_harmless (Fixture *fixture, gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (corpus); i++) {
    g_autofree char *escaped = tep_server_log_escape (corpus[i].text, corpus[i].length, 200);

    g_assert_true (g_utf8_validate (escaped, -1, NULL));
    for (const char *p = escaped; *p != '\0'; p = g_utf8_next_char (p))
      g_assert_false (g_unichar_iscntrl (g_utf8_get_char (p)));
    if (corpus[i].escaped != NULL)
      g_assert_cmpstr (escaped, ==, corpus[i].escaped);
  }
}

static void
test_escaping_stays_within_its_length (Fixture *fixture, gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (corpus); i++)
    for (gsize max = 0; max < 64; max++) {
      g_autofree char *escaped = tep_server_log_escape (corpus[i].text, corpus[i].length, max);

      g_assert_cmpuint (strlen (escaped), <=, max);
      g_assert_true (g_utf8_validate (escaped, -1, NULL));
    }
}

static void
test_one_record_is_one_line (Fixture *fixture, gconstpointer data)
{
  const TepServerLogFormat formats[] = { TEP_SERVER_LOG_HUMAN, TEP_SERVER_LOG_JSON };

  for (gsize i = 0; i < G_N_ELEMENTS (formats); i++) {
    g_autoptr (TepServerLog) log = open_log (fixture->file, formats[i]);
    g_auto (GStrv) lines = NULL;

    for (gsize j = 0; j < G_N_ELEMENTS (corpus); j++)
      record (log, "test", corpus[j].text, (gssize)corpus[j].length, (gint64)j * SECOND);
    lines = lines_of (fixture->file);
    g_assert_cmpuint (g_strv_length (lines), ==, G_N_ELEMENTS (corpus));
    for (guint j = 0; lines[j] != NULL; j++)
      g_assert_true (formats[i] == TEP_SERVER_LOG_HUMAN
                         ? strstr (lines[j], " info: a request failed user=") != NULL
                         : g_str_has_prefix (lines[j], "{\"time\":\"") &&
                               g_str_has_suffix (lines[j], "\"}"));
    g_remove (fixture->file);
  }
}

/* Quotes that are not escaped alternate between opening and closing, and nothing but commas and
 * colons stands between. */
static void
assert_flat_json (const char *line)
{
  gboolean is_inside = FALSE;

  for (const char *p = line; *p != '\0'; p++) {
    if (is_inside && *p == '\\') {
      p++;
      g_assert_true (*p == '"' || *p == '\\');
    } else if (*p == '"') {
      is_inside = !is_inside;
    } else if (!is_inside) {
      g_assert_nonnull (strchr ("{}:,", *p));
    }
  }
  g_assert_false (is_inside);
}

static void
test_json_cannot_be_broken_out_of (Fixture *fixture, gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (corpus); i++) {
    const GLogField fields[] = { { "MESSAGE", corpus[i].text, (gssize)corpus[i].length },
                                 { "USER", corpus[i].text, (gssize)corpus[i].length },
                                 { "lower", "left out", -1 },
                                 { "CODE_LINE", "7", -1 } };
    g_autofree char *line =
        tep_server_log_format (TEP_SERVER_LOG_JSON, G_LOG_LEVEL_WARNING, fields, 4, 0);

    g_assert_true (g_str_has_suffix (line, "\n"));
    line[strlen (line) - 1] = '\0';
    assert_flat_json (line);
    g_assert_nonnull (strstr (line, "\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"warning\""));
    g_assert_null (strstr (line, "left out"));
    g_assert_null (strstr (line, "CODE"));
  }
}

static void
test_flood_is_a_hundred_lines_a_second (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TepServerLog) log = open_log (fixture->file, TEP_SERVER_LOG_JSON);
  g_auto (GStrv) lines = NULL;
  TepServerLogCounts counts;
  guint of_one = 0;
  guint reports = 0;

  /* 100,000 records a second for three seconds, of one cause and of a hundred. */
  for (guint i = 0; i < 300000; i++) {
    char cause[16];

    g_snprintf (cause, sizeof cause, "cause-%u", i % 2 == 0 ? 0 : i % 100);
    record (log, cause, "x", 1, 100 * SECOND + (gint64)i * 10);
  }
  record (log, "later", "x", 1, 200 * SECOND);
  lines = lines_of (fixture->file);
  g_assert_cmpuint (g_strv_length (lines), <=, 301);
  for (guint i = 0; lines[i] != NULL; i++) {
    of_one += strstr (lines[i], "\"cause\":\"cause-0\"") != NULL;
    reports +=
        strstr (lines[i], "more records in that second were left out, by cause: cause-0 ") != NULL;
  }
  g_assert_cmpuint (of_one, ==, 60);
  g_assert_cmpuint (reports, ==, 3);
  tep_server_log_get_counts (log, &counts);
  g_assert_cmpuint (counts.written, ==, g_strv_length (lines));
  g_assert_cmpuint (counts.written - reports + counts.suppressed, ==, 300001);
}

static void
test_level_is_respected (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TepServerLog) log = open_log (fixture->file, TEP_SERVER_LOG_HUMAN);
  const GLogField fields[] = { { "MESSAGE", "x", -1 } };
  g_auto (GStrv) lines = NULL;

  tep_server_log_record (log, G_LOG_LEVEL_DEBUG, fields, 1, SECOND);
  tep_server_log_record (log, G_LOG_LEVEL_CRITICAL, fields, 1, SECOND);
  lines = lines_of (fixture->file);
  g_assert_cmpuint (g_strv_length (lines), ==, 1);
  g_assert_nonnull (strstr (lines[0], " error: x"));
}

/* Who asks for every detail is told that some are missing, but not as a warning. */
static void
test_lost_details_are_no_warning (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TepServerLog) log = open_log (fixture->file, TEP_SERVER_LOG_HUMAN);
  const TepServerLogConfig all = { .level = G_LOG_LEVEL_DEBUG,
                                   .file = fixture->file,
                                   .lines_per_second = 2 };
  const GLogField fields[] = { { "MESSAGE", "x", -1 }, { "CAUSE", "detail", -1 } };
  g_auto (GStrv) lines = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (tep_server_log_reopen (log, &all, &error));
  for (guint i = 0; i < 5; i++)
    tep_server_log_record (log, G_LOG_LEVEL_DEBUG, fields, 2, SECOND);
  for (guint i = 0; i < 5; i++)
    tep_server_log_record (log, G_LOG_LEVEL_INFO, fields, 2, 2 * SECOND);
  tep_server_log_record (log, G_LOG_LEVEL_INFO, fields, 2, 3 * SECOND);
  lines = lines_of (fixture->file);
  g_assert_cmpuint (g_strv_length (lines), ==, 7);
  g_assert_nonnull (strstr (lines[2], "debug: 3 more records in that second were left out"));
  g_assert_nonnull (strstr (lines[5], "warning: 3 more records in that second were left out"));
}

/* A reader that does not read: whoever logs goes on, and the loss is counted. */
static void
test_blocked_reader_blocks_nobody (Fixture *fixture, gconstpointer data)
{
  g_autofree char *filler = g_strnfill (400, 'x');
  TepServerLogCounts counts;
  TepServerLog *log;
  gint64 start;
  int reader;

  g_assert_cmpint (mkfifo (fixture->file, 0600), ==, 0);
  reader = open (fixture->file, O_RDONLY | O_NONBLOCK);
  g_assert_cmpint (reader, >=, 0);
  log = open_log (fixture->file, TEP_SERVER_LOG_HUMAN);
  tep_server_log_start (log);
  start = g_get_monotonic_time ();
  for (guint i = 0; i < 10000; i++)
    record (log, "test", filler, -1, (gint64)i * SECOND / 20);
  /* Who is blocked is so for good. */
  g_assert_cmpint (g_get_monotonic_time () - start, <, 20 * SECOND);
  tep_server_log_get_counts (log, &counts);
  g_assert_cmpuint (counts.dropped, >, 1000);
  tep_server_log_free (log);
  g_assert_cmpint (g_get_monotonic_time () - start, <, 25 * SECOND);
  close (reader);
}

static void
test_full_disk_is_counted (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TepServerLog) log = open_log ("/dev/full", TEP_SERVER_LOG_JSON);
  TepServerLogCounts counts;

  record (log, "test", "x", 1, SECOND);
  tep_server_log_get_counts (log, &counts);
  g_assert_cmpuint (counts.written, ==, 0);
  g_assert_cmpuint (counts.dropped, ==, 1);
}

static void
test_thread_writes_everything_before_the_end (Fixture *fixture, gconstpointer data)
{
  TepServerLog *log = open_log (fixture->file, TEP_SERVER_LOG_HUMAN);
  g_auto (GStrv) lines = NULL;

  tep_server_log_start (log);
  for (guint i = 0; i < 500; i++)
    record (log, "test", "x", 1, (gint64)i * SECOND);
  tep_server_log_free (log);
  lines = lines_of (fixture->file);
  g_assert_cmpuint (g_strv_length (lines), ==, 500);
}

static void
test_reopening_follows_a_moved_file (Fixture *fixture, gconstpointer data)
{
  g_autofree char *moved = g_strconcat (fixture->file, ".1", NULL);
  TepServerLogConfig config = { .level = G_LOG_LEVEL_INFO, .file = fixture->file };
  TepServerLogConfig bad = { .file = "/nonexistent/log" };
  TepServerLog *log = open_log (fixture->file, TEP_SERVER_LOG_HUMAN);
  g_auto (GStrv) before = NULL;
  g_auto (GStrv) after = NULL;
  g_autoptr (GError) error = NULL;

  config.lines_per_second = 20;
  tep_server_log_start (log);
  record (log, "test", "x", 1, SECOND);
  g_assert_false (tep_server_log_reopen (log, &bad, &error));
  g_assert_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_CONFIG);
  record (log, "test", "x", 1, SECOND);
  tep_server_log_free (log);
  log = open_log (fixture->file, TEP_SERVER_LOG_HUMAN);
  g_assert_cmpint (g_rename (fixture->file, moved), ==, 0);
  record (log, "test", "x", 1, SECOND);
  g_assert_true (tep_server_log_reopen (log, &config, NULL));
  record (log, "test", "x", 1, SECOND);
  tep_server_log_free (log);
  before = lines_of (moved);
  after = lines_of (fixture->file);
  g_assert_cmpuint (g_strv_length (before), ==, 3);
  g_assert_cmpuint (g_strv_length (after), ==, 1);
  g_remove (moved);
}

static void
test_journal_gets_fields (Fixture *fixture, gconstpointer data)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int journal = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  char buffer[1024];
  ssize_t n;

  g_strlcpy (address.sun_path, fixture->file, sizeof address.sun_path);
  g_assert_cmpint (bind (journal, (struct sockaddr *)&address, sizeof address), ==, 0);
  {
    g_autoptr (TepServerLog) log = open_log (fixture->file, TEP_SERVER_LOG_JOURNAL);

    record (log, "test", "evil\nPRIORITY=0", -1, SECOND);
  }
  n = recv (journal, buffer, sizeof buffer - 1, 0);
  g_assert_cmpint (n, >, 0);
  buffer[n] = '\0';
  g_assert_cmpstr (buffer, ==,
                   "MESSAGE=a request failed\nPRIORITY=6\nSYSLOG_IDENTIFIER=tep-s\n"
                   "GLIB_DOMAIN=tep-s\nCAUSE=test\nUSER=evil\\x0aPRIORITY=0\n");
  close (journal);
}

#define ADD(name, function)                                                                        \
  g_test_add ("/tep-s/log/" name, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("text-of-peers-is-harmless", test_text_of_peers_is_harmless);
  ADD ("escaping-stays-within-its-length", test_escaping_stays_within_its_length);
  ADD ("one-record-is-one-line", test_one_record_is_one_line);
  ADD ("json-cannot-be-broken-out-of", test_json_cannot_be_broken_out_of);
  ADD ("flood-is-a-hundred-lines-a-second", test_flood_is_a_hundred_lines_a_second);
  ADD ("level-is-respected", test_level_is_respected);
  ADD ("lost-details-are-no-warning", test_lost_details_are_no_warning);
  ADD ("blocked-reader-blocks-nobody", test_blocked_reader_blocks_nobody);
  ADD ("full-disk-is-counted", test_full_disk_is_counted);
  ADD ("thread-writes-everything-before-the-end", test_thread_writes_everything_before_the_end);
  ADD ("reopening-follows-a-moved-file", test_reopening_follows_a_moved_file);
  ADD ("journal-gets-fields", test_journal_gets_fields);
  return g_test_run ();
}
