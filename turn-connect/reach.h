/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/error.h"

#include <gio/gio.h>

/* One address being tried. */
typedef struct _TurnConnectAttempt TurnConnectAttempt;

/* How an address is tried. */
typedef struct {
  /* Begins and returns what is known of the trial; NULL with an error if it failed at once. */
  gpointer (*begin) (TurnConnectAttempt *attempt,
                     GSocketAddress *address,
                     gpointer way_data,
                     GError **error);
  /* Frees a trial, whether it ended or not. */
  void (*end) (gpointer trial);
} TurnConnectReachWay;

/* Where a trial's sources belong. */
GMainContext *turn_connect_attempt_get_context (TurnConnectAttempt *attempt);
/* How a trial ends, from the main context; the trial is freed before these return. @result: an
 * object, whose owner they become. */
void turn_connect_attempt_won (TurnConnectAttempt *attempt, gpointer result);
/* Becomes the owner of @error. That somebody answered and fails verification ends the race. */
void turn_connect_attempt_failed (TurnConnectAttempt *attempt, GError *error);

/* TCP; the result is a TurnConnectStream. The way's data is the name of the interface that it goes
 * out by, const char *, or NULL. */
extern const TurnConnectReachWay turn_connect_reach_tcp;

/* Told whenever an address is about to be tried. */
typedef void (*TurnConnectReachFunc) (GSocketAddress *address, gpointer user_data);

/* Looks @host up and races its addresses by @way, until @deadline (monotonic, us). */
void turn_connect_reach_async (const TurnConnectReachWay *way,
                               gpointer way_data,
                               const char *host,
                               guint16 port,
                               gint64 deadline,
                               TurnConnectReachFunc progress,
                               gpointer progress_data,
                               GCancellable *cancellable,
                               GAsyncReadyCallback callback,
                               gpointer user_data);

/* @resolved_at: when the first address was known (monotonic, us), 0 if never; set in any case. */
gpointer turn_connect_reach_finish (GAsyncResult *result, gint64 *resolved_at, GError **error);
