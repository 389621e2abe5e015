/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * KDE's files look like those of GKeyFile, which refuses the whole of one over the marks that KDE puts
 * behind names, as in "ProxyType[$i]=2"; a proxy that is set would go unseen.
 */
#include "turn-connect/proxy/kde.h"

#include <stdlib.h>
#include <string.h>

#define GROUP "[Proxy Settings]"

/* Is it this name, with or without marks? */
static gboolean
is_named (const char *text, const char *name, gboolean *is_locked)
{
  gsize length = strlen (name);
  const char *marks = text + length;

  *is_locked = FALSE;
  if (strncmp (text, name, length) != 0 || (*marks != '\0' && !g_str_has_prefix (marks, "[$")))
    return FALSE;
  *is_locked = strchr (marks, 'i') != NULL;
  return TRUE;
}

static void
take_line (TurnConnectKde *kde, char *line, gboolean is_group_locked)
{
  char *value = strchr (line, '=');
  gboolean is_locked;

  if (value == NULL)
    return;
  *value++ = '\0';
  g_strstrip (line);
  g_strstrip (value);
  if (is_named (line, "ProxyType", &is_locked) && !kde->is_type_locked) {
    kde->type = atoi (value);
    kde->is_type_locked = is_locked || is_group_locked;
  } else if (is_named (line, "Proxy Config Script", &is_locked) && !kde->is_script_locked) {
    g_free (kde->script);
    /* Of KDE's own dialogue, or written by hand. */
    kde->script = *value == '/' ? g_strconcat ("file://", value, NULL) : g_strdup (value);
    kde->is_script_locked = is_locked || is_group_locked;
  }
}

void
turn_connect_kde_take (TurnConnectKde *kde, const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  gboolean is_ours = FALSE, is_locked = FALSE;

  for (char **line = lines; *line != NULL; line++) {
    if (*g_strstrip (*line) == '[')
      is_ours = is_named (*line, GROUP, &is_locked);
    else if (is_ours && **line != '#')
      take_line (kde, *line, is_locked);
  }
}

void
turn_connect_kde_clear (TurnConnectKde *kde)
{
  g_clear_pointer (&kde->script, g_free);
}
