/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Checks a host name or address literal and brings it into one form: ASCII (IDNA), lower case, no
 * brackets, no final dot. Anything that could mean something to HTTP or TLS is refused, so what is
 * returned can be put into a request as it is. NULL with TURN_CONNECT_ERROR_INVALID otherwise. */
char *turn_connect_host_normalise (const char *text, GError **error);

gboolean turn_connect_host_is_address (const char *host);

/* "host:port", an IPv6 address in brackets. */
char *turn_connect_host_join (const char *host, guint16 port);
