/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/stream.h"
#include "turn-connect/target.h"
#include "turn-connect/turn/auth.h"

/* The connection that carries one TCP peer's octets (RFC 6062): dials @target, says ConnectionBind
 * with @connection_id, and hands the stream over. @auth is copied. */
void turn_connect_connection_open_async (TurnConnectTarget *target,
                                         const TurnConnectAuth *auth,
                                         guint32 connection_id,
                                         GCancellable *cancellable,
                                         GAsyncReadyCallback callback,
                                         gpointer user_data);
TurnConnectStream *turn_connect_connection_open_finish (GAsyncResult *result, GError **error);
