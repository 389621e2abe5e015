/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/helper-login.h"

#include <string.h>

#include "tools/reach-options.h"
#include "turn-connect/secret-file.h"

#define SECRET_LIFETIME_S 86400 /* of the credentials that are made from a shared secret */

typedef struct {
  TurnConnectBridge *bridge;
  guint server;
  char *path;
  gboolean is_secret;
  HelperLoginFunc told;
  gpointer user_data;
} Watch;

gboolean
helper_login_set (
    TurnConnectBridge *bridge, guint server, const char *path, gboolean is_secret, GError **error)
{
  g_autofree char *user = NULL;
  char *password = NULL;
  gboolean is_set;

  if (!reach_options_load_credentials (path, !is_secret, &user, &password, error))
    return FALSE;
  is_set =
      is_secret
          ? turn_connect_bridge_set_turn_secret (bridge, server, password, strlen (password), user,
                                                 SECRET_LIFETIME_S, STUN_EXT_HASH_SHA1, error)
          : turn_connect_bridge_set_turn_credentials (bridge, server, user, password, error);
  turn_connect_secret_free (password);
  return is_set;
}

/* A file that is being written is not read; nor is one that is gone, until there is the next. */
static void
changed (GFileMonitor *monitor, GFile *file, GFile *other, GFileMonitorEvent event, gpointer data)
{
  Watch *watch = data;
  g_autoptr (GError) error = NULL;

  if (event != G_FILE_MONITOR_EVENT_CHANGES_DONE_HINT && event != G_FILE_MONITOR_EVENT_RENAMED &&
      event != G_FILE_MONITOR_EVENT_MOVED_IN)
    return;
  helper_login_set (watch->bridge, watch->server, watch->path, watch->is_secret, &error);
  watch->told (watch->server, watch->path, error, watch->user_data);
}

static void
watch_free (gpointer data, GClosure *closure)
{
  Watch *watch = data;

  g_free (watch->path);
  g_free (watch);
}

GFileMonitor *
helper_login_watch (TurnConnectBridge *bridge,
                    guint server,
                    const char *path,
                    gboolean is_secret,
                    HelperLoginFunc told,
                    gpointer user_data)
{
  g_autoptr (GFile) file = g_file_new_for_path (path);
  GFileMonitor *monitor = g_file_monitor_file (file, G_FILE_MONITOR_WATCH_MOVES, NULL, NULL);
  Watch *watch;

  if (monitor == NULL)
    return NULL;
  watch = g_new (Watch, 1);
  *watch = (Watch){ bridge, server, g_strdup (path), is_secret, told, user_data };
  g_signal_connect_data (monitor, "changed", G_CALLBACK (changed), watch, watch_free, 0);
  return monitor;
}
