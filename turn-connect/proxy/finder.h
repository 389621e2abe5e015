/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/target.h"

#include <gio/gio.h>

/* Asks a source which ways lead to a place. */
typedef struct {
  TurnConnectProxySource source; /* ENVIRONMENT, SYSTEM, PAC or AUTO */
  const char *pac_url;           /* with PAC */
  TurnConnectTlsOptions *tls;    /* for a configuration file at an https:// place; NULL: defaults */
  const char *host;
  guint16 port;
  gint64 deadline; /* monotonic, us */
} TurnConnectFinderRequest;

void turn_connect_find_ways_async (const TurnConnectFinderRequest *request,
                                   GCancellable *cancellable,
                                   GAsyncReadyCallback callback,
                                   gpointer user_data);

/* The ways, as proxy/list.h has them. *@is_told: somebody else than this process's owner named the
 * proxies. NULL with TurnConnectError. */
GPtrArray *turn_connect_find_ways_finish (GAsyncResult *result, gboolean *is_told, GError **error);
