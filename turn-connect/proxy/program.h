/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* Has another program read @input and say something, under limits of memory, processor time and
 * size of what it says, without rights of ours where we have any to lose, and until @deadline
 * (monotonic, us) at most. @package: what to install where it is missing, for messages. */
typedef struct {
  const char *const *argv;
  const char *package;
  gboolean is_stranger; /* it runs what the network sent: without our environment, not as root */
  GBytes *input;
  gint64 deadline;
} TurnConnectProgram;

void turn_connect_program_async (const TurnConnectProgram *program,
                                 GCancellable *cancellable,
                                 GAsyncReadyCallback callback,
                                 gpointer user_data);

/* What it said; NULL with TURN_CONNECT_ERROR_UNSUPPORTED (it is not there), _INVALID (it failed,
 * with its own words), _TIMED_OUT or _RESOURCES. */
char *turn_connect_program_finish (GAsyncResult *result, GError **error);
