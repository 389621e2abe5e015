/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A TUN device takes root to open, but what a server or a proxy sends should not be read by root. What is left at the end is
 * taken away by `ip`, which needs CAP_NET_ADMIN for it: it comes to be in its ambient set. */
#include "tools/tep-c-privileges.h"

#include "tools/privileges.h"

#include <gio/gio.h>
#include <grp.h>
#include <pwd.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Users and groups are the process's, capabilities the thread's: other threads lose theirs with the user, because only
 * this one keeps them. */
static gboolean
become_nobody (GError **error)
{
  const struct passwd *nobody = getpwnam ("nobody");

  if (nobody == NULL) {
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "there is no user “nobody”");
    return FALSE;
  }
  if (prctl (PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0)
    return privileges_fail (error, "capabilities");
  if (setgroups (0, NULL) != 0 || setresgid (nobody->pw_gid, nobody->pw_gid, nobody->pw_gid) != 0)
    return privileges_fail (error, "groups");
  if (setresuid (nobody->pw_uid, nobody->pw_uid, nobody->pw_uid) != 0)
    return privileges_fail (error, "user");
  return TRUE;
}

static gboolean
keep_only (gboolean has_device, GError **error)
{
  static const cap_value_t kept[] = { CAP_NET_ADMIN };
  static const cap_flag_t flags[] = { CAP_PERMITTED, CAP_EFFECTIVE, CAP_INHERITABLE };
  cap_t set = cap_init ();
  gboolean is_set = set != NULL;

  for (gsize i = 0; is_set && has_device && i < G_N_ELEMENTS (flags); i++)
    is_set = cap_set_flag (set, flags[i], G_N_ELEMENTS (kept), kept, CAP_SET) == 0;
  is_set = is_set && cap_set_proc (set) == 0 &&
           (!has_device || cap_set_ambient (CAP_NET_ADMIN, CAP_SET) == 0);
  if (!is_set)
    privileges_fail (error, "capabilities");
  if (set != NULL)
    cap_free (set);
  return is_set;
}

gboolean
privileges_reduce (gboolean has_device, GError **error)
{
  if (geteuid () != 0)
    return TRUE;
  privileges_drop_bounding_set (has_device ? CAP_NET_ADMIN : -1);
  return become_nobody (error) && keep_only (has_device, error) && privileges_seal (error);
}
