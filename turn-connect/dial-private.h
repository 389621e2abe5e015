/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/dial.h"

/* For Digest: 128 bits of the kernel's random in hex digits; NULL if there are none. */
char *turn_connect_dial_make_cnonce (void);

/* Dials by one way: through the target's proxy, or directly if it has none. @begun_at and @deadline
 * in monotonic us; finished by turn_connect_dial_finish(). */
void turn_connect_dial_way_async (TurnConnectTarget *target,
                                  gint64 begun_at,
                                  gint64 deadline,
                                  TurnConnectProgressFunc progress,
                                  gpointer progress_data,
                                  GCancellable *cancellable,
                                  GAsyncReadyCallback callback,
                                  gpointer user_data);
