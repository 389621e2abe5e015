/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Certificates as files, before anything uses them. Internal to the library. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * tep_server_certificate_check:
 * @certificate_file: PEM file with the certificate and its chain
 * @key_file: PEM file with the private key, readable by its owner alone
 * @expires_ms: (out): wall clock time in milliseconds at which the first of the certificates ends
 * @error: return location
 *
 * An expired certificate passes: it is reported, but stops neither plain connections nor those that
 * exist.
 *
 * Returns: %FALSE with %TEP_SERVER_ERROR_CONFIG if a file cannot be read or the key belongs to
 * another certificate
 */
gboolean tep_server_certificate_check (const char *certificate_file,
                                       const char *key_file,
                                       gint64 *expires_ms,
                                       GError **error);

G_END_DECLS
