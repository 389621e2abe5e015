/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/proxy/digest.h"
#include "turn-connect/secret-file.h"

/* A proxy as configured: checked, and immutable from then on but for what its answers taught.
 * Freed memory holds no password. */
typedef struct {
  gatomicrefcount refs;
  gboolean is_tls; /* spoken to by TLS (https://) */
  char *host;
  guint16 port;
  char *user;                /* NULL without credentials */
  char *password;            /* not NULL where user is not */
  char *url;                 /* without credentials, for people */
  TurnConnectDigest *digest; /* a nonce to go on with, NULL if none; the dialling thread's */
} TurnConnectProxy;

/* Reads http://[user:password@]host[:port][/], https:// alike; "host:port" means http. Never quotes
 * @url in an error, since it may hold a password. TURN_CONNECT_ERROR_INVALID or _UNSUPPORTED. */
TurnConnectProxy *turn_connect_proxy_new (const char *url, GError **error);
/* The same proxy with other credentials; user NULL for none. */
TurnConnectProxy *turn_connect_proxy_with_credentials (const TurnConnectProxy *proxy,
                                                       const char *user,
                                                       const char *password,
                                                       GError **error);
/* Would the above take these? */
gboolean
turn_connect_proxy_check_credentials (const char *user, const char *password, GError **error);
TurnConnectProxy *turn_connect_proxy_ref (TurnConnectProxy *proxy);
void turn_connect_proxy_unref (TurnConnectProxy *proxy);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TurnConnectProxy, turn_connect_proxy_unref)
