/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files that hold secrets. Internal to the library. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * TepServerSecret:
 * @text: (array length=length): the octets, and a terminating zero behind them
 * @length: octets in @text
 */
typedef struct {
  char *text;
  gsize length;
} TepServerSecret;

/**
 * tep_server_secret_read:
 * @secret: (out): what the file holds; to be cleared
 * @path: the file
 * @max: most octets it may have
 * @error: return location
 *
 * Returns: %FALSE with %TEP_SERVER_ERROR_CONFIG if the file cannot be read, is no plain file, is
 * too large, or may be read by others than its owner; the message names it and says what to do
 */
gboolean
tep_server_secret_read (TepServerSecret *secret, const char *path, gsize max, GError **error);

/**
 * tep_server_secret_check:
 * @path: a file that another library will read
 * @error: return location
 *
 * Returns: %FALSE if tep_server_secret_read() would refuse it for its kind or permissions
 */
gboolean tep_server_secret_check (const char *path, GError **error);

/**
 * tep_server_secret_clear:
 * @secret: what was read
 *
 * Overwrites and frees it.
 */
void tep_server_secret_clear (TepServerSecret *secret);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TepServerSecret, tep_server_secret_clear)

G_END_DECLS
