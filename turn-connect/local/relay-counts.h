/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What passed one client's stream. Apart from turn-relay.h, whose TurnConnectRelay is another than
 * that of turn/client.h. */
typedef struct {
  guint64 n_to_server; /* units */
  guint64 n_to_client;
  guint64 n_dropped_to_server;
  guint64 n_dropped_to_client;
  guint64 n_answered;
  guint64 n_redirected;
  guint64 n_keepalives;
} TurnConnectRelayCounts;
