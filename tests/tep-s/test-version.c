/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tep-s/version.h"

static void
test_version_is_the_projects (void)
{
  g_assert_cmpstr (tep_server_version (), ==, TEPKIT_VERSION);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tep-s/version/is-the-projects", test_version_is_the_projects);
  return g_test_run ();
}
