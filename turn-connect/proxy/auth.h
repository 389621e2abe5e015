/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/target.h"

/* The dialogue with a proxy about who is asking, for one dial. No I/O. */
typedef struct _TurnConnectProxyAuth TurnConnectProxyAuth;

/* @user: NULL without credentials. @sends_first: Basic goes out before it is asked for. */
TurnConnectProxyAuth *turn_connect_proxy_auth_new (const char *user,
                                                   const char *password,
                                                   TurnConnectProxySchemes allowed,
                                                   gboolean sends_first);
void turn_connect_proxy_auth_free (TurnConnectProxyAuth *auth);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TurnConnectProxyAuth, turn_connect_proxy_auth_free)

/* What Proxy-Authorization says in the next request; NULL for no such line. */
const char *turn_connect_proxy_auth_get_header (TurnConnectProxyAuth *auth);

/* Takes the values of all Proxy-Authenticate lines of a 407 (NULL-terminated). TRUE: ask again with
 * the new header. Each scheme is tried once, so this ends. Otherwise an error of the
 * TURN_CONNECT_ERROR_PROXY_ kind, with @who naming the proxy. */
gboolean turn_connect_proxy_auth_challenge (TurnConnectProxyAuth *auth,
                                            const char *const *challenges,
                                            const char *who,
                                            GError **error);

/* The schemes named in challenges, in order, lower case, each once: RFC 9110 section 11.6.1. */
char **turn_connect_proxy_auth_list_schemes (const char *const *challenges);
