/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Proves that octets are one object and nothing beside it, strict JSON as far as brackets and strings
 * go, and nested no deeper than @max_depth: the parser behind recurses, and takes comments. @at: where it went wrong. */
gboolean
turn_connect_record_is_shallow (const char *text, gsize length, guint max_depth, gsize *at);
