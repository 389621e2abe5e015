/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where proxies come from when nobody named one. libproxy knows the desktops, and is asked by its
 * own program. It goes directly when a configuration file (PAC) fails, though, and finds such files
 * by a name (WPAD) that anybody on the network may claim, so what the desktop says about those is
 * read here first: the file is then ours to fetch, and WPAD is refused.
 */
#include "turn-connect/proxy/finder.h"

#include "turn-connect/error-private.h"
#include "turn-connect/host.h"
#include "turn-connect/proxy/kde.h"
#include "turn-connect/proxy/list.h"
#include "turn-connect/proxy/pac.h"
#include "turn-connect/proxy/program.h"

#include <string.h>

#define SYSTEM_US (5 * G_USEC_PER_SEC)

typedef struct {
  TurnConnectTlsOptions *tls;
  char *host;
  guint16 port;
  gint64 deadline;
  GCancellable *cancellable;
  gboolean is_told;
} Find;

static void
find_free (gpointer data)
{
  Find *find = data;

  g_clear_object (&find->tls);
  g_clear_object (&find->cancellable);
  g_free (find->host);
  g_free (find);
}

/* Ends it with what was found or went wrong. */
static void
finish (GTask *owned, GPtrArray *ways, GError *error)
{
  g_autoptr (GTask) task = owned;

  if (ways != NULL)
    g_task_return_pointer (task, ways, (GDestroyNotify)g_ptr_array_unref);
  else
    g_task_return_error (task, error);
}

static void
pac_asked (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;
  GPtrArray *ways = turn_connect_pac_ask_finish (result, &error);

  finish (user_data, ways, error);
}

static void
ask_pac (GTask *task, const char *url)
{
  Find *find = g_task_get_task_data (task);
  TurnConnectPacRequest request = {
    .url = url,
    .tls = find->tls,
    .host = find->host,
    .port = find->port,
    .deadline = find->deadline,
  };

  turn_connect_pac_ask_async (&request, find->cancellable, pac_asked, task);
}

/* What the desktop says, in a thread, for it may have to be asked over a bus. */

static char *
fail_wpad (GError **error)
{
  g_set_error_literal (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_UNSUPPORTED,
                       "the system's settings want proxies to be discovered (WPAD), which anybody "
                       "on the network can answer; give the place of the configuration file");
  return NULL;
}

static char *
read_gnome (GError **error)
{
  GSettingsSchemaSource *schemas = g_settings_schema_source_get_default ();
  g_autoptr (GSettingsSchema) schema = NULL;
  g_autoptr (GSettings) settings = NULL;
  g_autofree char *mode = NULL;
  g_autofree char *url = NULL;

  if (schemas != NULL)
    schema = g_settings_schema_source_lookup (schemas, "org.gnome.system.proxy", TRUE);
  if (schema == NULL || !g_settings_schema_has_key (schema, "mode") ||
      !g_settings_schema_has_key (schema, "autoconfig-url"))
    return NULL;
  settings = g_settings_new ("org.gnome.system.proxy");
  mode = g_settings_get_string (settings, "mode");
  if (strcmp (mode, "auto") != 0)
    return NULL;
  url = g_settings_get_string (settings, "autoconfig-url");
  return *url != '\0' ? g_steal_pointer (&url) : fail_wpad (error);
}

static gboolean
take_kde_file (TurnConnectKde *kde, const char *folder, GError **error)
{
  g_autofree char *path = g_build_filename (folder, "kioslaverc", NULL);
  g_autofree char *text = NULL;
  g_autoptr (GError) cause = NULL;

  if (g_file_get_contents (path, &text, NULL, &cause)) {
    turn_connect_kde_take (kde, text);
    return TRUE;
  }
  if (g_error_matches (cause, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    return TRUE;
  g_set_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
               "KDE's settings cannot be read: %s", cause->message);
  return FALSE;
}

static char *
read_kde (GError **error)
{
  const char *desktop = g_getenv ("XDG_CURRENT_DESKTOP");
  const char *const *folders = g_get_system_config_dirs ();
  g_auto (TurnConnectKde) kde = { 0 };

  if ((desktop == NULL || strstr (desktop, "KDE") == NULL) && g_getenv ("KDE_FULL_SESSION") == NULL)
    return NULL;
  for (guint i = g_strv_length ((char **)folders); i > 0; i--) {
    if (!take_kde_file (&kde, folders[i - 1], error))
      return NULL;
  }
  if (!take_kde_file (&kde, g_get_user_config_dir (), error))
    return NULL;
  if (kde.type == 3)
    return fail_wpad (error);
  if (kde.type != 2)
    return NULL;
  if (kde.script != NULL && *kde.script != '\0')
    return g_steal_pointer (&kde.script);
  g_set_error_literal (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
                       "KDE's settings want a proxy configuration file and name none");
  return NULL;
}

/* libproxy's own extension of the variables. */
static char *
read_variables (GError **error)
{
  static const char *const names[] = { "https_proxy", "HTTPS_PROXY", "http_proxy" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    const char *value = g_getenv (names[i]);

    if (value != NULL && g_str_has_prefix (value, "wpad:"))
      return fail_wpad (error);
    if (value != NULL && g_str_has_prefix (value, "pac+"))
      return g_strdup (value + 4);
  }
  return NULL;
}

static void
read_desktop (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  GError *error = NULL;
  char *url = read_variables (&error);

  if (url == NULL && error == NULL)
    url = read_gnome (&error);
  if (url == NULL && error == NULL)
    url = read_kde (&error);
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, url, g_free);
}

static void
libproxy_asked (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;
  g_autofree char *said = turn_connect_program_finish (result, &error);
  GPtrArray *ways = said != NULL ? turn_connect_proxy_list_parse_urls (said, &error) : NULL;

  if (ways == NULL)
    g_prefix_error_literal (&error, "the system's proxy settings: ");
  finish (user_data, ways, error);
}

static void
desktop_read (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Find *find = g_task_get_task_data (task);
  GError *error = NULL;
  g_autofree char *url = g_task_propagate_pointer (G_TASK (result), &error);
  g_autofree char *place = turn_connect_host_join (find->host, find->port);
  g_autofree char *question = g_strdup_printf ("https://%s/", place);
  const char *argv[] = { "proxy", question, NULL };
  TurnConnectProgram program = {
    .argv = argv,
    .package = "libproxy-tools",
    .deadline = MIN (find->deadline, g_get_monotonic_time () + SYSTEM_US),
  };

  if (error != NULL)
    finish (task, NULL, error);
  else if (url != NULL)
    ask_pac (task, url);
  else
    turn_connect_program_async (&program, find->cancellable, libproxy_asked, task);
}

static void
ask_system (GTask *task)
{
  Find *find = g_task_get_task_data (task);
  g_autoptr (GTask) reading = g_task_new (NULL, find->cancellable, desktop_read, task);

  g_task_set_return_on_cancel (reading, TRUE);
  g_task_run_in_thread (reading, read_desktop);
}

/* FALSE if nothing is set and the system is to be asked. */
static gboolean
ask_environment (GTask *task, gboolean is_last)
{
  Find *find = g_task_get_task_data (task);
  GError *error = NULL;
  gboolean is_set;
  GPtrArray *ways =
      turn_connect_proxy_list_from_environment (g_getenv, find->host, find->port, &is_set, &error);

  if (!is_set && !is_last) {
    g_ptr_array_unref (ways);
    return FALSE;
  }
  finish (task, ways, error);
  return TRUE;
}

void
turn_connect_find_ways_async (const TurnConnectFinderRequest *request,
                              GCancellable *cancellable,
                              GAsyncReadyCallback callback,
                              gpointer user_data)
{
  GTask *task = g_task_new (NULL, NULL, callback, user_data);
  Find *find = g_new0 (Find, 1);

  g_task_set_source_tag (task, turn_connect_find_ways_async);
  g_task_set_task_data (task, find, find_free);
  g_set_object (&find->tls, request->tls);
  g_set_object (&find->cancellable, cancellable);
  find->host = g_strdup (request->host);
  find->port = request->port;
  find->deadline = request->deadline;
  if (request->source == TURN_CONNECT_PROXY_SOURCE_ENVIRONMENT) {
    ask_environment (task, TRUE);
    return;
  }
  if (request->source == TURN_CONNECT_PROXY_SOURCE_AUTO && ask_environment (task, FALSE))
    return;
  find->is_told = TRUE;
  if (request->source == TURN_CONNECT_PROXY_SOURCE_PAC)
    ask_pac (task, request->pac_url);
  else
    ask_system (task);
}

GPtrArray *
turn_connect_find_ways_finish (GAsyncResult *result, gboolean *is_told, GError **error)
{
  Find *find = g_task_get_task_data (G_TASK (result));

  *is_told = find->is_told;
  return g_task_propagate_pointer (G_TASK (result), error);
}
