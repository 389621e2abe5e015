/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/error.h"
#include "turn-connect/stream.h"
#include "turn-connect/target.h"

G_BEGIN_DECLS

/**
 * TurnConnectProgress:
 * @step: what begins now
 * @detail: (nullable): about whom, as "192.0.2.1:443"; valid during the call
 * @elapsed_us: since the dial began
 *
 * One step of a dial.
 */
typedef struct {
  TurnConnectStep step;
  const char *detail;
  gint64 elapsed_us;
} TurnConnectProgress;

/**
 * TurnConnectProgressFunc:
 * @progress: what begins now; valid during the call
 * @user_data: as given to turn_connect_dial_async()
 *
 * Called when a step of a dial begins; %TURN_CONNECT_STEP_CONNECT once per address tried.
 */
typedef void (*TurnConnectProgressFunc) (const TurnConnectProgress *progress, gpointer user_data);

/**
 * turn_connect_dial_async:
 * @target: whom to reach and how
 * @progress: (scope async) (nullable) (closure progress_data): told about every step
 * @progress_data: for @progress
 * @cancellable: (nullable): ends the dial
 * @callback: (scope async) (closure user_data): called once, from the thread-default main context
 * of the caller, never before this call returned
 * @user_data: for @callback
 *
 * Reaches a server. All addresses of a name are raced (RFC 8305). With a proxy set, only the
 * proxy's name is looked up here and only the proxy is ever connected to, whatever goes wrong.
 */
TURN_CONNECT_API void turn_connect_dial_async (TurnConnectTarget *target,
                                               TurnConnectProgressFunc progress,
                                               gpointer progress_data,
                                               GCancellable *cancellable,
                                               GAsyncReadyCallback callback,
                                               gpointer user_data);

/**
 * turn_connect_dial_finish:
 * @target: the target dialled
 * @result: as given to the callback
 * @error: #TurnConnectError, or %G_IO_ERROR_CANCELLED; turn_connect_error_get_step() tells where
 *
 * Returns: (transfer full): the stream, ready for use, or %NULL
 */
TURN_CONNECT_API TurnConnectStream *
turn_connect_dial_finish (TurnConnectTarget *target, GAsyncResult *result, GError **error);

G_END_DECLS
