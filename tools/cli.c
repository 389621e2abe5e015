/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs of one project should feel like one: the same options, the same ends, results on stdout and all else on stderr. */
#include "tools/cli.h"

#include <locale.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const CliProgram *current = &(const CliProgram){ .name = "tepkit", .summary = "" };

G_GNUC_PRINTF (1, 0)
static void
say_list (const char *format, va_list arguments)
{
  g_autofree char *text = g_strdup_vprintf (format, arguments);

  fprintf (stderr, "%s: %s\n", current->name, text);
}

void
cli_say (const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  say_list (format, arguments);
  va_end (arguments);
}

CliExit
cli_usage (const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  say_list (format, arguments);
  va_end (arguments);
  fprintf (stderr, "Try: %s --help\n", current->name);
  return CLI_EXIT_USAGE;
}

gboolean
cli_parse (const CliProgram *program,
           const GOptionEntry *entries,
           int *argc,
           char ***argv,
           CliExit *status)
{
  gboolean wants_version = FALSE;
  const GOptionEntry common[] = {
    { "version", 'V', 0, G_OPTION_ARG_NONE, &wants_version, "Print the version and end", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = g_option_context_new (program->arguments);
  g_autoptr (GError) error = NULL;

  current = program;
  setlocale (LC_CTYPE, "");
  /* A reader that went away is an error of the write that met it, not the end of the program. */
  signal (SIGPIPE, SIG_IGN);
  g_set_prgname (program->name);
  g_option_context_set_summary (context, program->summary);
  g_option_context_set_description (context, program->description);
  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_main_entries (context, common, NULL);
  if (!g_option_context_parse (context, argc, argv, &error)) {
    *status = cli_usage ("%s", error->message);
    return FALSE;
  }
  if (wants_version) {
    printf ("%s (tepkit) %s\n", program->name, TEPKIT_VERSION);
    *status = cli_finish (CLI_EXIT_OK);
    return FALSE;
  }
  return TRUE;
}

CliExit
cli_finish (CliExit status)
{
  if ((fflush (stdout) != 0 || ferror (stdout)) && status == CLI_EXIT_OK) {
    cli_say ("the result could not be written to stdout");
    return CLI_EXIT_FAILED;
  }
  return status;
}

void
cli_json_append_quoted (GString *out, const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);

  g_string_append_c (out, '"');
  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p)) {
    gunichar c = g_utf8_get_char (p);

    if (c == '"' || c == '\\')
      g_string_append_c (out, '\\');
    /* Besides what JSON asks for, what a terminal or a line reader would act upon. */
    if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029)
      g_string_append_printf (out, "\\u%04x", c);
    else
      g_string_append_unichar (out, c);
  }
  g_string_append_c (out, '"');
}

static void
begin_member (GString *out, const char *key)
{
  if (out->len > 0 && out->str[out->len - 1] != '{')
    g_string_append_c (out, ',');
  cli_json_append_quoted (out, key);
  g_string_append_c (out, ':');
}

void
cli_json_begin (GString *out)
{
  g_string_append_c (out, '{');
}

void
cli_json_text (GString *out, const char *key, const char *value)
{
  begin_member (out, key);
  if (value != NULL)
    cli_json_append_quoted (out, value);
  else
    g_string_append (out, "null");
}

void
cli_json_integer (GString *out, const char *key, gint64 value)
{
  begin_member (out, key);
  g_string_append_printf (out, "%" G_GINT64_FORMAT, value);
}

void
cli_json_real (GString *out, const char *key, double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  begin_member (out, key);
  g_string_append (out, isfinite (value) ? g_ascii_dtostr (text, sizeof text, value) : "null");
}

void
cli_json_boolean (GString *out, const char *key, gboolean value)
{
  begin_member (out, key);
  g_string_append (out, value ? "true" : "false");
}

void
cli_json_raw (GString *out, const char *key, const char *json)
{
  begin_member (out, key);
  g_string_append (out, json);
}

void
cli_json_end (GString *out)
{
  g_string_append_c (out, '}');
}

GString *
cli_event_begin (const char *name)
{
  GString *out = g_string_new (NULL);

  cli_json_begin (out);
  cli_json_text (out, "event", name);
  cli_json_real (out, "time", (double)g_get_real_time () / G_USEC_PER_SEC);
  return out;
}

void
cli_event_print (GString *out)
{
  cli_json_end (out);
  puts (out->str);
  fflush (stdout);
  g_string_free (out, TRUE);
}
