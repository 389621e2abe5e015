/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stands in for libFuzzer where the compiler has none: runs a target over files, and over the files
 * of folders, that are named as arguments. Options of libFuzzer are passed over. */
#include <glib.h>
#include <string.h>

#include "fuzz.h"

static guint n_inputs;

static void
replay_file (const char *path)
{
  g_autofree char *contents = NULL;
  g_autofree guint8 *exact = NULL;
  g_autoptr (GError) error = NULL;
  gsize length;

  if (!g_file_get_contents (path, &contents, &length, &error)) {
    g_printerr ("%s\n", error->message);
    exit (1);
  }
  exact = g_malloc (MAX (length, 1));
  memcpy (exact, contents, length);
  if (LLVMFuzzerTestOneInput (exact, length) != 0)
    exit (1);
  n_inputs++;
}

static void
replay (const char *path)
{
  g_autoptr (GDir) folder = g_dir_open (path, 0, NULL);
  const char *name;

  if (folder == NULL) {
    replay_file (path);
    return;
  }
  while ((name = g_dir_read_name (folder)) != NULL) {
    g_autofree char *inside = g_build_filename (path, name, NULL);

    replay (inside);
  }
}

int
main (int argc, char **argv)
{
  for (int i = 1; i < argc; i++)
    if (argv[i][0] != '-')
      replay (argv[i]);
  g_print ("%u inputs replayed\n", n_inputs);
  return n_inputs > 0 ? 0 : 1;
}
