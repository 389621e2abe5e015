/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Marks what the shared library exports; everything else is hidden. */
#ifndef STUN_EXT_API
#define STUN_EXT_API __attribute__ ((visibility ("default")))
#endif

/**
 * stun_ext_version:
 *
 * Tells which release of the library is linked. Any thread.
 *
 * Returns: (transfer none): the version, as "major.minor.micro"
 */
STUN_EXT_API const char *stun_ext_version (void);

G_END_DECLS
