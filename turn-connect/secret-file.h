/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/error.h"

G_BEGIN_DECLS

/**
 * turn_connect_secret_file_load:
 * @path: a file, or a pipe such as a shell's <(...), with one line: user:password
 * @may_be_time_limited: %TRUE if the user may be EXPIRY:NAME, as that of time-limited credentials
 *   is (28 characters of base64 follow then); otherwise the first colon always divides
 * @user: (inout) (transfer full): the user; what stood there is freed
 * @password: (inout) (transfer full): the password; what stood there is wiped and freed
 * @error: %TURN_CONNECT_ERROR_INVALID, with the file's name, what is wrong with it and what to do
 *
 * Reads a credential from a file that nobody but its owner may read: command lines and environments
 * can be seen by others. Any thread.
 *
 * Returns: %FALSE on error; nothing has changed then
 */
TURN_CONNECT_API gboolean turn_connect_secret_file_load (
    const char *path, gboolean may_be_time_limited, char **user, char **password, GError **error);

/**
 * turn_connect_secret_free:
 * @secret: (nullable) (transfer full): a secret
 *
 * Wipes it and frees it. Any thread.
 */
TURN_CONNECT_API void turn_connect_secret_free (char *secret);

G_END_DECLS
