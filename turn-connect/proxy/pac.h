/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/proxy/list.h"
#include "turn-connect/tls-options.h"

#include <gio/gio.h>

/* A proxy configuration file: fetched directly by http, https (then kept, see pac-cache.h) or from a file, evaluated beside us
 * by pactester of the package libpacparser1. */
typedef struct {
  const char *url;
  TurnConnectTlsOptions *tls; /* whom to trust by https, and no more of it; NULL: the defaults */
  const char *host;           /* the place that a way is wanted to */
  guint16 port;
  gint64 deadline; /* monotonic, us */
} TurnConnectPacRequest;

/* What turn_connect_pac_ask_async() can do something with? TURN_CONNECT_ERROR_INVALID. */
gboolean turn_connect_pac_check_url (const char *url, GError **error);

void turn_connect_pac_ask_async (const TurnConnectPacRequest *request,
                                 GCancellable *cancellable,
                                 GAsyncReadyCallback callback,
                                 gpointer user_data);

/* The ways; NULL with an error that names the file and what is wrong with it. */
GPtrArray *turn_connect_pac_ask_finish (GAsyncResult *result, GError **error);
