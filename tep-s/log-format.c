/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a record looks like. Peers choose parts of the text, so each value is escaped before it
 * meets a format: no value can end a line, begin another record, or move a terminal's cursor. */
#include <string.h>

#include "tep-s/log-private.h"

#define MESSAGE_MAX 2048
#define VALUE_MAX 512

/* Fields that are the record's frame, or GLib's own. */
static const char *const framed[] = { "MESSAGE",   "PRIORITY",  "GLIB_DOMAIN",     "CODE_FILE",
                                      "CODE_LINE", "CODE_FUNC", "GLIB_OLD_LOG_API" };

static gboolean
is_harmless (gunichar c)
{
  if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == '\\')
    return FALSE;
  /* Separators that some readers take for the end of a line, and what turns the direction of a text
   * around. */
  return c != 0x2028 && c != 0x2029 && c != 0xfeff && !(c >= 0x200b && c <= 0x200f) &&
         !(c >= 0x202a && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069);
}

static gsize
escape_one (const char *p, gsize left, char piece[16])
{
  gunichar c = g_utf8_get_char_validated (p, (gssize)left);
  gsize width;

  if (*p == '\0' || c == (gunichar)-1 || c == (gunichar)-2) {
    g_snprintf (piece, 16, "\\x%02x", (guint)(guint8)*p);
    return 1;
  }
  width = (gsize)(g_utf8_next_char (p) - p);
  if (c == '\\')
    g_strlcpy (piece, "\\\\", 16);
  else if (is_harmless (c)) {
    memcpy (piece, p, width);
    piece[width] = '\0';
  } else if (c < 0x80)
    g_snprintf (piece, 16, "\\x%02x", (guint)c);
  else
    g_snprintf (piece, 16, "\\u{%x}", (guint)c);
  return width;
}

char *
tep_server_log_escape (const void *data, gsize length, gsize max)
{
  g_autoptr (GString) out = g_string_new (NULL);
  const char *text = data;
  gsize i = 0;

  while (i < length) {
    char piece[16];
    gsize width = escape_one (text + i, length - i, piece);

    if (out->len + strlen (piece) + (i + width < length ? 3 : 0) > max) {
      g_string_append (out, "...");
      g_string_truncate (out, MIN (out->len, max));
      break;
    }
    g_string_append (out, piece);
    i += width;
  }
  return g_string_free (g_steal_pointer (&out), FALSE);
}

static gsize
value_length (const GLogField *field)
{
  return field->length < 0 ? strlen (field->value) : (gsize)field->length;
}

char *
tep_server_log_field (const GLogField *fields, gsize n_fields, const char *key)
{
  for (gsize i = 0; i < n_fields; i++)
    if (strcmp (fields[i].key, key) == 0 && fields[i].value != NULL)
      return g_strndup (fields[i].value, value_length (&fields[i]));
  return NULL;
}

static char *
escaped_field (const GLogField *fields, gsize n_fields, const char *key, gsize max)
{
  for (gsize i = 0; i < n_fields; i++)
    if (strcmp (fields[i].key, key) == 0 && fields[i].value != NULL)
      return tep_server_log_escape (fields[i].value, value_length (&fields[i]), max);
  return g_strdup ("");
}

static gboolean
is_extra (const GLogField *field)
{
  for (gsize i = 0; i < G_N_ELEMENTS (framed); i++)
    if (strcmp (field->key, framed[i]) == 0)
      return FALSE;
  for (const char *p = field->key; *p != '\0'; p++)
    if (!g_ascii_isupper (*p) && !g_ascii_isdigit (*p) && *p != '_')
      return FALSE;
  return field->value != NULL && field->key[0] != '\0' && field->key[0] != '_';
}

static const char *
level_name (GLogLevelFlags level)
{
  if ((level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL)) != 0)
    return "error";
  if ((level & G_LOG_LEVEL_WARNING) != 0)
    return "warning";
  if ((level & G_LOG_LEVEL_MESSAGE) != 0)
    return "notice";
  return (level & G_LOG_LEVEL_INFO) != 0 ? "info" : "debug";
}

/* syslog(3) */
static int
level_priority (GLogLevelFlags level)
{
  if ((level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL)) != 0)
    return 3;
  if ((level & G_LOG_LEVEL_WARNING) != 0)
    return 4;
  if ((level & G_LOG_LEVEL_MESSAGE) != 0)
    return 5;
  return (level & G_LOG_LEVEL_INFO) != 0 ? 6 : 7;
}

static char *
wall_text (gint64 wall_us)
{
  g_autoptr (GDateTime) seconds = g_date_time_new_from_unix_utc (wall_us / G_USEC_PER_SEC);
  g_autofree char *text =
      seconds != NULL ? g_date_time_format (seconds, "%Y-%m-%dT%H:%M:%S") : g_strdup ("?");

  return g_strdup_printf ("%s.%03dZ", text, (int)(wall_us / 1000 % 1000));
}

/* Escaped text holds no controls, so quotes and backslashes are all that JSON asks for. */
static void
append_json (GString *out, const char *key, const char *escaped)
{
  g_string_append_printf (out, "%s\"%s\":\"", out->len > 1 ? "," : "", key);
  for (const char *p = escaped; *p != '\0'; p++) {
    if (*p == '"' || *p == '\\')
      g_string_append_c (out, '\\');
    g_string_append_c (out, *p);
  }
  g_string_append_c (out, '"');
}

static void
append_human (GString *out, const char *key, const char *escaped)
{
  gboolean is_quoted = *escaped == '\0' || strpbrk (escaped, " \"=") != NULL;

  g_string_append_printf (out, " %s=%s", key, is_quoted ? "\"" : "");
  for (const char *p = escaped; *p != '\0'; p++) {
    if (*p == '"')
      g_string_append_c (out, '\\');
    g_string_append_c (out, *p);
  }
  if (is_quoted)
    g_string_append_c (out, '"');
}

static void
append_extras (GString *out, TepServerLogFormat format, const GLogField *fields, gsize n_fields)
{
  for (gsize i = 0; i < n_fields; i++) {
    g_autofree char *key = NULL;
    g_autofree char *value = NULL;

    if (!is_extra (&fields[i]) ||
        (format == TEP_SERVER_LOG_HUMAN && strcmp (fields[i].key, "CAUSE") == 0))
      continue; /* a person reads the cause in the message */
    value = tep_server_log_escape (fields[i].value, value_length (&fields[i]), VALUE_MAX);
    key = g_ascii_strdown (fields[i].key, -1);
    if (format == TEP_SERVER_LOG_JSON)
      append_json (out, key, value);
    else if (format == TEP_SERVER_LOG_HUMAN)
      append_human (out, key, value);
    else
      g_string_append_printf (out, "%s=%s\n", fields[i].key, value);
  }
}

char *
tep_server_log_format (TepServerLogFormat format,
                       GLogLevelFlags level,
                       const GLogField *fields,
                       gsize n_fields,
                       gint64 wall_us)
{
  g_autoptr (GString) out = g_string_new (NULL);
  g_autofree char *message = escaped_field (fields, n_fields, "MESSAGE", MESSAGE_MAX);
  g_autofree char *domain = escaped_field (fields, n_fields, "GLIB_DOMAIN", VALUE_MAX);
  g_autofree char *wall = wall_text (wall_us);

  switch (format) {
  case TEP_SERVER_LOG_HUMAN:
    g_string_append_printf (out, "%s %s: %s", wall, level_name (level), message);
    append_extras (out, format, fields, n_fields);
    g_string_append_c (out, '\n');
    break;
  case TEP_SERVER_LOG_JSON:
    g_string_append_c (out, '{');
    append_json (out, "time", wall);
    append_json (out, "level", level_name (level));
    append_json (out, "domain", domain);
    append_json (out, "message", message);
    append_extras (out, format, fields, n_fields);
    g_string_append (out, "}\n");
    break;
  case TEP_SERVER_LOG_JOURNAL:
    g_string_append_printf (out,
                            "MESSAGE=%s\nPRIORITY=%d\nSYSLOG_IDENTIFIER=tep-s\nGLIB_DOMAIN=%s\n",
                            message, level_priority (level), domain);
    append_extras (out, format, fields, n_fields);
    break;
  }
  return g_string_free (g_steal_pointer (&out), FALSE);
}
