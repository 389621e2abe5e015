/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How turn-connect helper logs in at TURN servers itself: from files, read again when they change. */
#pragma once

#include "turn-connect/local/bridge.h"

G_BEGIN_DECLS

/**
 * HelperLoginFunc:
 * @server: the server's number
 * @path: the file that has changed
 * @error: (nullable): why what stands there now is not used; %NULL: it is
 * @user_data: (closure): as given to helper_login_watch()
 *
 * Told each time that a file was read again.
 */
typedef void (*HelperLoginFunc) (guint server,
                                 const char *path,
                                 const GError *error,
                                 gpointer user_data);

/**
 * helper_login_set:
 * @bridge: a bridge
 * @server: a server's number
 * @path: a file with user:password, or user:secret
 * @is_secret: it is a secret that the server shares, and no password
 * @error: return location: %G_FILE_ERROR for the file, a #TurnConnectError for what stands in it
 *
 * Has the bridge log in as the file says.
 *
 * Returns: %FALSE on error
 */
gboolean helper_login_set (
    TurnConnectBridge *bridge, guint server, const char *path, gboolean is_secret, GError **error);

/**
 * helper_login_watch:
 * @bridge: a bridge, which has to outlive what is returned
 * @server: a server's number
 * @path: the file
 * @is_secret: as for helper_login_set()
 * @told: called after each change
 * @user_data: for @told
 *
 * Does the same again whenever the file was written or replaced.
 *
 * Returns: (transfer full) (nullable): what watches; %NULL if the file cannot be watched
 */
GFileMonitor *helper_login_watch (TurnConnectBridge *bridge,
                                  guint server,
                                  const char *path,
                                  gboolean is_secret,
                                  HelperLoginFunc told,
                                  gpointer user_data);

G_END_DECLS
