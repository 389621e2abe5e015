/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GKeyFile keeps the last of two equal keys and merges equal groups, so a line that someone
 * believes in can be without effect. This reads the text once beforehand to find them, and gives
 * every message the same shape: file, group, key, cause. */
#include "tep-s/config-file-private.h"

#include <string.h>

#include "tep-s/error.h"

static gboolean
fail_line (GError **error, const char *path, guint line, const char *problem)
{
  g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_CONFIG, "%s: line %u: %s", path, line,
               problem);
  return FALSE;
}

/* Remembers what stands on a line; FALSE if it stood on an earlier one. */
static gboolean
remember (GHashTable *seen, char *what, guint line, guint *earlier)
{
  *earlier = GPOINTER_TO_UINT (g_hash_table_lookup (seen, what));
  return g_hash_table_replace (seen, what, GUINT_TO_POINTER (line)) && *earlier == 0;
}

/* GKeyFile sets its error twice where such a value has another bad escape too. */
static gboolean
ends_in_backslash (const char *text)
{
  gsize n = 0;

  for (gsize length = strlen (text); n < length && text[length - 1 - n] == '\\';)
    n++;
  return n % 2 == 1;
}

static gboolean
check_line (
    GHashTable *seen, const char *path, guint line, char *text, char **group, GError **error)
{
  g_autofree char *problem = NULL;
  char *end = strchr (text, text[0] == '[' ? ']' : '=');
  guint earlier;

  if (end == NULL)
    return fail_line (error, path, line, "is neither [group] nor key=value");
  if (ends_in_backslash (text))
    return fail_line (error, path, line, "ends in a backslash; write two for one");
  *end = '\0';
  if (text[0] == '[') {
    g_free (*group);
    *group = g_strdup (text + 1);
    if (remember (seen, g_strdup (*group), line, &earlier))
      return TRUE;
    problem = g_strdup_printf ("group [%.60s] stands already on line %u; put its keys together",
                               *group, earlier);
    return fail_line (error, path, line, problem);
  }
  if (*group == NULL)
    return fail_line (error, path, line,
                      "a key stands before the first group; write [server] above");
  g_strchomp (text);
  if (remember (seen, g_strdup_printf ("%s\n%s", *group, text), line, &earlier))
    return TRUE;
  problem = g_strdup_printf ("key %.60s of [%.60s] stands already on line %u; keep the one that is "
                             "meant",
                             text, *group, earlier);
  return fail_line (error, path, line, problem);
}

static gboolean
check_lines (const char *data, const char *path, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_auto (GStrv) lines = g_strsplit (data, "\n", -1);
  g_autofree char *group = NULL;

  for (guint i = 0; lines[i] != NULL; i++) {
    char *text = g_strstrip (lines[i]);

    if (*text == '\0' || *text == '#')
      continue;
    if (!check_line (seen, path, i + 1, text, &group, error))
      return FALSE;
  }
  return TRUE;
}

gboolean
tep_server_config_file_parse (
    TepServerConfigFile *file, const char *data, gsize length, const char *path, GError **error)
{
  g_autofree char *text = g_strndup (data, length);
  g_autoptr (GError) cause = NULL;

  *file = (TepServerConfigFile){ 0 };
  if (strlen (text) != length || !g_utf8_validate (text, (gssize)length, NULL)) {
    g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_CONFIG,
                 "%s: is no text in UTF-8; was another file meant?", path);
    return FALSE;
  }
  if (!check_lines (text, path, error))
    return FALSE;
  file->keys = g_key_file_new ();
  if (!g_key_file_load_from_data (file->keys, text, length, G_KEY_FILE_KEEP_TRANSLATIONS, &cause) &&
      !g_error_matches (cause, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_NOT_FOUND)) {
    g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_CONFIG, "%s: %s", path, cause->message);
    tep_server_config_file_clear (file);
    return FALSE;
  }
  file->path = g_strdup (path);
  file->folder = g_path_get_dirname (path);
  return TRUE;
}

void
tep_server_config_file_clear (TepServerConfigFile *file)
{
  g_clear_pointer (&file->path, g_free);
  g_clear_pointer (&file->folder, g_free);
  g_clear_pointer (&file->keys, g_key_file_unref);
}

gboolean
tep_server_config_file_fail (const TepServerConfigFile *file,
                             const char *group,
                             const char *key,
                             GError **error,
                             const char *format,
                             ...)
{
  g_autofree char *problem = NULL;
  va_list arguments;

  va_start (arguments, format);
  problem = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_CONFIG, "%s: [%s]%s%s: %s", file->path,
               group, key != NULL ? " " : "", key != NULL ? key : "", problem);
  return FALSE;
}

char *
tep_server_config_file_text (const TepServerConfigFile *file,
                             const char *group,
                             const char *key,
                             GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autofree char *text = NULL;

  if (!g_key_file_has_key (file->keys, group, key, NULL))
    return NULL;
  text = g_key_file_get_string (file->keys, group, key, &cause);
  if (text == NULL) {
    tep_server_config_file_fail (file, group, key, error, "%s", cause->message);
    return NULL;
  }
  if (*g_strstrip (text) == '\0') {
    tep_server_config_file_fail (file, group, key, error,
                                 "is empty; write a value or remove the line");
    return NULL;
  }
  return g_steal_pointer (&text);
}

char **
tep_server_config_file_list (const TepServerConfigFile *file,
                             const char *group,
                             const char *key,
                             GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_auto (GStrv) items = NULL;

  if (!g_key_file_has_key (file->keys, group, key, NULL))
    return NULL;
  items = g_key_file_get_string_list (file->keys, group, key, NULL, &cause);
  if (items == NULL) {
    tep_server_config_file_fail (file, group, key, error, "%s", cause->message);
    return NULL;
  }
  for (guint i = 0; items[i] != NULL; i++)
    if (*g_strstrip (items[i]) == '\0') {
      tep_server_config_file_fail (file, group, key, error,
                                   "item %u is empty; write a value or remove the semicolon",
                                   i + 1);
      return NULL;
    }
  if (items[0] == NULL) {
    tep_server_config_file_fail (file, group, key, error,
                                 "is empty; write a value or remove the line");
    return NULL;
  }
  return g_steal_pointer (&items);
}

char *
tep_server_config_file_resolve (const TepServerConfigFile *file, const char *name)
{
  return g_path_is_absolute (name) ? g_strdup (name) : g_build_filename (file->folder, name, NULL);
}
