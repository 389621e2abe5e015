/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What giving up rights has in common, whoever does it and whatever is kept. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The leak checker of a sanitized build traces its own process. */
#if defined(__SANITIZE_ADDRESS__)
#define PRIVILEGES_MAY_BE_TRACED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PRIVILEGES_MAY_BE_TRACED 1
#endif
#endif
#ifndef PRIVILEGES_MAY_BE_TRACED
#define PRIVILEGES_MAY_BE_TRACED 0
#endif

/* FALSE, with errno's error about this step. */
gboolean privileges_fail (GError **error, const char *step);

/* Takes all capabilities but one (-1: all) from the bounding set. That needs CAP_SETPCAP, which only root has; for others
 * privileges_seal() does the same. */
void privileges_drop_bounding_set (int but);

/* No new rights by executing a file, and nobody traces this process. Last, for becoming somebody else undoes it. */
gboolean privileges_seal (GError **error);

G_END_DECLS
