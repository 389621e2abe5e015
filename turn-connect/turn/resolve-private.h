/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/turn/resolve.h"

/* As the public one, asking these name servers: see turn_connect_dns_new(). */
void turn_connect_resolve_with_async (const char *dns_servers,
                                      TurnConnectUri *uri,
                                      const TurnConnectTransport *transports,
                                      guint n_transports,
                                      TurnConnectResolveFlags flags,
                                      GCancellable *cancellable,
                                      GAsyncReadyCallback callback,
                                      gpointer user_data);
