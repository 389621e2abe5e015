/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/network.h"
#include "turn-connect/tls-options.h"

/* Configuration files that were fetched, for those who want the same one again soon: of this
 * process, any thread. @now: monotonic, us. */
#define TURN_CONNECT_PAC_KEPT_US (5 * 60 * G_USEC_PER_SEC)
#define TURN_CONNECT_PAC_KEPT_MAX 8 /* files, of less than a MB each */

/* (transfer full): the file fetched from @url, under this trust and in this network, or NULL. */
GBytes *turn_connect_pac_cache_get (const char *url,
                                    TurnConnectTlsOptions *tls,
                                    const TurnConnectNetwork *network,
                                    gint64 now);
/* In place of the one of the same place, or of the oldest. */
void turn_connect_pac_cache_put (const char *url,
                                 TurnConnectTlsOptions *tls,
                                 const TurnConnectNetwork *network,
                                 GBytes *script,
                                 gint64 now);
