/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Steps that tep-c and tep-s take alike on their way to fewer rights. */
#include "tools/privileges.h"

#include <errno.h>
#include <gio/gio.h>
#include <sys/capability.h>
#include <sys/prctl.h>

gboolean
privileges_fail (GError **error, const char *step)
{
  int number = errno;

  g_set_error (error, G_IO_ERROR, (int)g_io_error_from_errno (number),
               "rights cannot be given up: %s: %s", step, g_strerror (number));
  return FALSE;
}

void
privileges_drop_bounding_set (int but)
{
  for (cap_value_t i = 0; i < cap_max_bits (); i++) {
    if (i != but)
      (void)cap_drop_bound (i);
  }
}

gboolean
privileges_seal (GError **error)
{
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return privileges_fail (error, "no_new_privs");
  if (prctl (PR_SET_DUMPABLE, PRIVILEGES_MAY_BE_TRACED, 0, 0, 0) != 0)
    return privileges_fail (error, "dumpable");
  return TRUE;
}
