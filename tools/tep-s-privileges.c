/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon meets the whole internet, so by then it must not be worth breaking into: it is nobody, may nothing, and stays so.
 * Capabilities belong to threads, hence all this happens before the second one starts. */
#include "tools/tep-s-privileges.h"

#include "tools/privileges.h"

#include <errno.h>
#include <gio/gio.h>
#include <grp.h>
#include <pwd.h>
#include <seccomp.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/resource.h>
#include <unistd.h>

static gboolean
look_up (PrivilegesUser *user, const char *name)
{
  const struct passwd *entry = getpwnam (name);

  if (entry == NULL)
    return FALSE;
  user->name = g_strdup (name);
  user->uid = entry->pw_uid;
  user->gid = entry->pw_gid;
  return TRUE;
}

gboolean
privileges_find_user (PrivilegesUser *user, const char *name, GError **error)
{
  *user = (PrivilegesUser){ .uid = getuid (), .gid = getgid () };
  if (name == NULL && geteuid () != 0)
    return TRUE;
  if (name != NULL ? !look_up (user, name)
                   : !look_up (user, "tep-s") && !look_up (user, "nobody")) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                 "[server] user: there is no user \"%.60s\"; write one that exists, such as nobody",
                 name != NULL ? name : "nobody");
    return FALSE;
  }
  if (user->uid == 0) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
                 "[server] user: \"%.60s\" has the rights of root; write another user", user->name);
    return FALSE;
  }
  if (geteuid () != 0 && user->uid != geteuid ()) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
                 "[server] user: only root can become \"%.60s\"; start it as root or as that user",
                 user->name);
    return FALSE;
  }
  return TRUE;
}

void
privileges_user_clear (PrivilegesUser *user)
{
  g_clear_pointer (&user->name, g_free);
}

static gboolean
become (const PrivilegesUser *user, GError **error)
{
  if (user->name == NULL || (getuid () == user->uid && geteuid () == user->uid))
    return TRUE;
  if (initgroups (user->name, user->gid) != 0)
    return privileges_fail (error, "groups");
  if (setresgid (user->gid, user->gid, user->gid) != 0)
    return privileges_fail (error, "group");
  if (setresuid (user->uid, user->uid, user->uid) != 0)
    return privileges_fail (error, "user");
  return TRUE;
}

static gboolean
drop_capabilities (GError **error)
{
  cap_t none = cap_init ();
  gboolean is_dropped;

  if (none == NULL)
    return privileges_fail (error, "capabilities");
  is_dropped = cap_reset_ambient () == 0 && cap_set_proc (none) == 0;
  if (!is_dropped)
    privileges_fail (error, "capabilities");
  cap_free (none);
  return is_dropped;
}

/* What no part of the program calls once it runs, and what an intruder would like to. The unit file allows less still;
 * this holds without it too. */
static const int forbidden_calls[] = {
  SCMP_SYS (execve),
  SCMP_SYS (execveat),
  SCMP_SYS (process_vm_readv),
  SCMP_SYS (process_vm_writev),
  SCMP_SYS (kcmp),
  SCMP_SYS (pidfd_getfd),
  SCMP_SYS (mount),
  SCMP_SYS (umount2),
  SCMP_SYS (move_mount),
  SCMP_SYS (open_tree),
  SCMP_SYS (fsopen),
  SCMP_SYS (fsmount),
  SCMP_SYS (pivot_root),
  SCMP_SYS (chroot),
  SCMP_SYS (setns),
  SCMP_SYS (unshare),
  SCMP_SYS (init_module),
  SCMP_SYS (finit_module),
  SCMP_SYS (delete_module),
  SCMP_SYS (kexec_load),
  SCMP_SYS (kexec_file_load),
  SCMP_SYS (reboot),
  SCMP_SYS (swapon),
  SCMP_SYS (swapoff),
  SCMP_SYS (bpf),
  SCMP_SYS (perf_event_open),
  SCMP_SYS (userfaultfd),
  SCMP_SYS (io_uring_setup),
  SCMP_SYS (io_uring_enter),
  SCMP_SYS (io_uring_register),
  SCMP_SYS (add_key),
  SCMP_SYS (request_key),
  SCMP_SYS (keyctl),
  SCMP_SYS (open_by_handle_at),
  SCMP_SYS (settimeofday),
  SCMP_SYS (clock_settime),
  SCMP_SYS (adjtimex),
  SCMP_SYS (clock_adjtime),
  SCMP_SYS (sethostname),
  SCMP_SYS (setdomainname),
  SCMP_SYS (acct),
  SCMP_SYS (quotactl),
  SCMP_SYS (iopl),
  SCMP_SYS (ioperm),
  SCMP_SYS (personality),
  SCMP_SYS (setuid),
  SCMP_SYS (setgid),
  SCMP_SYS (setreuid),
  SCMP_SYS (setregid),
  SCMP_SYS (setresuid),
  SCMP_SYS (setresgid),
  SCMP_SYS (setgroups),
  SCMP_SYS (capset),
  SCMP_SYS (chown),
  SCMP_SYS (fchown),
  SCMP_SYS (lchown),
  SCMP_SYS (fchownat),
  SCMP_SYS (mknod),
  SCMP_SYS (mknodat),
  SCMP_SYS (vhangup),
  SCMP_SYS (syslog),
};

static gboolean
filter_calls (GError **error)
{
  scmp_filter_ctx filter = seccomp_init (SCMP_ACT_ALLOW);
  int failure = filter != NULL ? 0 : -ENOMEM;

  for (gsize i = 0; failure == 0 && i < G_N_ELEMENTS (forbidden_calls); i++)
    failure = seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), forbidden_calls[i], 0);
  if (failure == 0 && !PRIVILEGES_MAY_BE_TRACED)
    failure = seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (ptrace), 0);
  if (failure == 0)
    failure = seccomp_load (filter);
  if (filter != NULL)
    seccomp_release (filter);
  errno = -failure;
  return failure == 0 || privileges_fail (error, "filter of system calls");
}

static gboolean
has_capability (cap_t set)
{
  static const cap_flag_t flags[] = { CAP_EFFECTIVE, CAP_PERMITTED, CAP_INHERITABLE };

  for (cap_value_t i = 0; i < cap_max_bits (); i++)
    for (gsize j = 0; j < G_N_ELEMENTS (flags); j++) {
      cap_flag_value_t value = CAP_CLEAR;

      if (cap_get_flag (set, i, flags[j], &value) == 0 && value == CAP_SET)
        return TRUE;
    }
  return FALSE;
}

static gboolean
verify (const PrivilegesUser *user, GError **error)
{
  cap_t set = cap_get_proc ();
  gboolean is_bare = set != NULL && !has_capability (set);

  if (set != NULL)
    cap_free (set);
  errno = EPERM;
  if (!is_bare)
    return privileges_fail (error, "a capability is left");
  if (user->name != NULL && (getuid () != user->uid || geteuid () != user->uid))
    return privileges_fail (error, "it is still another user");
  if (geteuid () == 0 || setresuid (0, 0, 0) == 0)
    return privileges_fail (error, "it can become root again");
  return TRUE;
}

gboolean
privileges_drop (const PrivilegesUser *user, GError **error)
{
  const struct rlimit none = { 0, 0 };

  privileges_drop_bounding_set (-1);
  if (!become (user, error) || !drop_capabilities (error))
    return FALSE;
  if (setrlimit (RLIMIT_CORE, &none) != 0)
    return privileges_fail (error, "core files");
  return privileges_seal (error) && verify (user, error) && filter_calls (error);
}
