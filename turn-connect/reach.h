/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/stream.h"

/* Told whenever an address is about to be tried. */
typedef void (*TurnConnectReachFunc) (GSocketAddress *address, gpointer user_data);

/* Looks @host up and races its addresses for a TCP connection, until @deadline (monotonic, us). */
void turn_connect_reach_async (const char *host,
                               guint16 port,
                               gint64 deadline,
                               TurnConnectReachFunc progress,
                               gpointer progress_data,
                               GCancellable *cancellable,
                               GAsyncReadyCallback callback,
                               gpointer user_data);

/* @resolved_at: when the first address was known (monotonic, us), 0 if never; set in any case. */
TurnConnectStream *
turn_connect_reach_finish (GAsyncResult *result, gint64 *resolved_at, GError **error);
