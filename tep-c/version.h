/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Marks what the shared library exports; everything else is hidden. */
#ifndef TEP_CLIENT_API
#define TEP_CLIENT_API __attribute__ ((visibility ("default")))
#endif

/**
 * tep_client_version:
 *
 * Tells which release of the library is linked. Any thread.
 *
 * Returns: (transfer none): the version, as "major.minor.micro"
 */
TEP_CLIENT_API const char *tep_client_version (void);

G_END_DECLS
