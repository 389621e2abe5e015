/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tep-c/options.h"
#include "tep-c/version.h"
#include "turn-connect/detect/detection.h"

G_BEGIN_DECLS

/*
 * TEP tunnels as methods of a detection (turn-connect/detect/detection.h), which knows nothing of
 * them. Each trial is a session of its own: it opens a tunnel, leases an address, and sends packets as
 * long as those of a call to where TEP-S answers inside it (PROTOCOL section 8.5).
 *
 * The detection's own target has to have TLS options where methods have TLS, a proxy where they go
 * through one, and credentials; else the methods are skipped, and say so.
 */

/**
 * tep_client_add_method:
 * @detection: a detection that does not run
 * @name: what the method is called; not that of another one
 * @options: the server and the way to it; copied
 * @family: 4 or 6: of the addresses that are connected to without a proxy; 0 for any
 *
 * Adds one way to a TEP-S.
 */
TEP_CLIENT_API void tep_client_add_method (TurnConnectDetection *detection,
                                           const char *name,
                                           const TepClientOptions *options,
                                           guint family);

/**
 * tep_client_add_methods:
 * @detection: a detection that does not run
 * @options: the server, credentials, trust and proxy; port, TLS and whether the proxy is gone through
 * are the methods'; copied
 * @family: as in tep_client_add_method()
 *
 * Adds "tep-80", "tep-443", "tep-tls", "tep-443-proxy" and "tep-tls-proxy".
 */
TEP_CLIENT_API void tep_client_add_methods (TurnConnectDetection *detection,
                                            const TepClientOptions *options,
                                            guint family);

G_END_DECLS
