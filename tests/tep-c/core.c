/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of the device end need a server that answers as the real one does, and the real one does it best. */
#include "core.h"

#include <string.h>

#include <glib/gstdio.h>

#include "tep-s/config.h"

static void
echo (TepServerWorker *worker, const TepServerPacket *packets, gsize n, gpointer data)
{
  for (gsize i = 0; i < n; i++) {
    TepServerPacket back = packets[i];

    back.source = packets[i].destination;
    back.destination = packets[i].source;
    tep_server_worker_send (worker, &back, 1);
  }
}

void
core_start (Core *core)
{
  const TepServerMediaCallbacks callbacks = { .packets = echo };
  g_autoptr (GError) error = NULL;
  g_autoptr (TepServerConfig) config = NULL;
  g_autofree char *path = g_build_filename (core->folder, "tep-s.conf", NULL);
  g_autofree char *text = NULL;

  text = g_strdup_printf ("[server]\nlisten=127.0.0.1:%u\nworkers=1\nnames=127.0.0.1\n"
                          "[credentials]\nusers=users\n"
                          "[media]\nbackend=embedded\n"
                          "[policy]\nallow=%s\n",
                          core->address.port,
                          core->allow != NULL ? core->allow : "198.18.0.9:4000-4010");
  config = tep_server_config_load_from_data (text, -1, path, &error);
  g_assert_no_error (error);
  core->server = tep_server_new (config, &callbacks, core, &error);
  g_assert_no_error (error);
  g_assert_true (tep_server_start (core->server, &error));
  g_assert_true (tep_server_get_listener_address (core->server, 0, &core->address));
}

void
core_stop (Core *core)
{
  tep_server_stop (core->server);
  g_clear_object (&core->server);
}

void
core_up (Core *core, gconstpointer data)
{
  g_autofree char *users = NULL;

  memset (core, 0, sizeof *core);
  core->folder = g_dir_make_tmp ("test-session-XXXXXX", NULL);
  users = g_build_filename (core->folder, "users", NULL);
  g_assert_true (g_file_set_contents_full (users, "alice:" CORE_PASSWORD "\n", -1, 0, 0600, NULL));
  core_start (core);
}

void
core_down (Core *core, gconstpointer data)
{
  g_autofree char *users = g_build_filename (core->folder, "users", NULL);

  if (core->server != NULL)
    core_stop (core);
  g_remove (users);
  g_rmdir (core->folder);
  g_free (core->folder);
}

gint64
core_count (Core *core, TepServerCounter counter)
{
  TepServerCounters counters = { 0 };

  tep_server_snapshot (core->server, &counters);
  return (gint64)counters.values[counter];
}

gboolean
core_run_out (gpointer is_over)
{
  *(gboolean *)is_over = TRUE;
  return G_SOURCE_REMOVE;
}
