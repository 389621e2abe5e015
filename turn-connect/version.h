/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Marks what the shared library exports; everything else is hidden. */
#ifndef TURN_CONNECT_API
#define TURN_CONNECT_API __attribute__ ((visibility ("default")))
#endif

/**
 * turn_connect_version:
 *
 * Tells which release of the library is linked. Any thread.
 *
 * Returns: (transfer none): the version, as "major.minor.micro"
 */
TURN_CONNECT_API const char *turn_connect_version (void);

G_END_DECLS
