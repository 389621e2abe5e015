/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/proxy/url.h"

/* The ways to a server in the order in which they are to be tried: an array of TurnConnectProxy,
 * NULL standing for the direct one. Never empty. No I/O. */
GPtrArray *turn_connect_proxy_list_new (void);

/* What FindProxyForURL returned: "PROXY a:3128; HTTPS b; DIRECT". SOCKS is passed over, as there is
 * none here, and DIRECT behind it with it: browsers go directly when the SOCKS server fails, which
 * nobody has tried here. Anything else that is not understood spoils the whole, where browsers skip
 * it, for what stands behind it may be a way that was meant for the case that it fails. NULL with
 * TURN_CONNECT_ERROR_INVALID, or _UNSUPPORTED if nothing but SOCKS is left. */
GPtrArray *turn_connect_proxy_list_parse_pac (const char *result, GError **error);

/* What libproxy says: "http://a:3128 direct://"; likewise. */
GPtrArray *turn_connect_proxy_list_parse_urls (const char *urls, GError **error);

typedef const char *(*TurnConnectGetenv) (const char *name);

/* What the environment says about a place: https_proxy, HTTPS_PROXY, all_proxy, ALL_PROXY or
 * http_proxy, the first that is not empty, unless no_proxy or NO_PROXY names the place. Direct if
 * none is set. @is_set: whether one was. Errors name the variable, never its value. */
GPtrArray *turn_connect_proxy_list_from_environment (
    TurnConnectGetenv get, const char *host, guint16 port, gboolean *is_set, GError **error);
