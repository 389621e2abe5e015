/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "tep-s/counters.h"
#include "tep-s/log.h"
#include "tep-s/version.h"

G_BEGIN_DECLS

/**
 * TepServerMetrics:
 * @counters: the server's numbers
 * @log: what became of log records
 * @certificate_expires_ms: as in #TepServerTlsConfig; 0 without TLS
 * @is_draining: no new tunnels are taken
 * @reloads: configurations taken since the start
 * @reloads_refused: configurations refused since the start
 *
 * What is served about a server.
 */
typedef struct {
  TepServerCounters counters;
  TepServerLogCounts log;
  gint64 certificate_expires_ms;
  gboolean is_draining;
  guint64 reloads;
  guint64 reloads_refused;
} TepServerMetrics;

/**
 * TepServerLaw:
 * @TEP_SERVER_LAW_TUNNELS: opened = closed + alive
 * @TEP_SERVER_LAW_UP: packets from devices = forwarded + answered + dropped
 * @TEP_SERVER_LAW_DOWN: packets to devices = forwarded + dropped
 * @TEP_SERVER_N_LAWS: how many there are
 *
 * Sums that have to come out even at rest.
 */
typedef enum {
  TEP_SERVER_LAW_TUNNELS,
  TEP_SERVER_LAW_UP,
  TEP_SERVER_LAW_DOWN,
  TEP_SERVER_N_LAWS
} TepServerLaw;

/**
 * tep_server_metrics_balance:
 * @counters: the server's numbers
 * @law: which law
 *
 * Returns: left side less right side: 0 if the books are right; numbers of different workers are read a moment apart, so
 *   under load it may be off by a few for that moment
 */
TEP_SERVER_API gint64 tep_server_metrics_balance (const TepServerCounters *counters,
                                                  TepServerLaw law);

/**
 * tep_server_metrics_format:
 * @metrics: what there is to tell
 *
 * Writes it in the text format of Prometheus, with figures of the process. No user and no address appears in it.
 *
 * Returns: (transfer full): the text
 */
TEP_SERVER_API char *tep_server_metrics_format (const TepServerMetrics *metrics);

G_END_DECLS
