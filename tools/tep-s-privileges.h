/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Giving up rights, once and for all. */
#pragma once

#include <glib.h>
#include <sys/types.h>

G_BEGIN_DECLS

/**
 * PrivilegesUser:
 * @name: (nullable): whom to become; %NULL to stay who one is
 * @uid: user id
 * @gid: its first group
 */
typedef struct {
  char *name;
  uid_t uid;
  gid_t gid;
} PrivilegesUser;

/**
 * privileges_find_user:
 * @user: (out): whom the program is to become; clear it with privileges_user_clear()
 * @name: (nullable): the configured name; without one, root becomes "tep-s" or else "nobody"
 * @error: return location
 *
 * Returns: %FALSE if there is no such user, or it is root
 */
gboolean privileges_find_user (PrivilegesUser *user, const char *name, GError **error);

void privileges_user_clear (PrivilegesUser *user);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (PrivilegesUser, privileges_user_clear)

/**
 * privileges_drop:
 * @user: whom to become
 * @error: return location
 *
 * Becomes the user, gives up every capability in every set, forbids to gain new rights by executing a file, to be traced and
 * to leave a core, and filters system calls that the program never makes. Call it while there is one thread, after everything
 * that needs rights is open and before anything of a peer is read. Checks afterwards that it took hold.
 *
 * Returns: %FALSE if some of it failed: end the program
 */
gboolean privileges_drop (const PrivilegesUser *user, GError **error);

G_END_DECLS
