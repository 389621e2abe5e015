/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Does a no_proxy list name this place? @list: entries between commas or spaces: "*", names (with
 * all below them; leading "." and "*." change nothing), addresses, CIDR ranges; each with ":port"
 * where meant for one port. @host: normalised; no name is looked up for a range's sake. */
gboolean turn_connect_proxy_is_exempt (const char *list, const char *host, guint16 port);
