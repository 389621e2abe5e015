/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/detect/fetch.h"

/* Does TLS end where it should? The far end is asked, inside TLS, which keys it exports (RFC 9266),
 * and that is compared with ours; who opens TLS on the way has two connections with keys of their own.
 * Whose certificate is shown does not matter for it: the company's authority may be trusted here, or
 * a box's may not. */

/* Told once, before the probe ends. Its kind is TLS and its outcome PROOF: one connection, or ALTERED:
 * two; UNSUPPORTED: the connection has no keys to compare; else why nobody could be asked. */
typedef void (*TurnConnectExporterFunc) (const TurnConnectProbe *probe,
                                         TurnConnectOutcome outcome,
                                         gpointer user_data);

/* @family: 4 or 6: straight to the far end's address; 0: through the proxy, by name. NULL if there is
 * no such way. Freed by turn_connect_exporter_free (), also after it told. */
typedef struct _TurnConnectExporter TurnConnectExporter;
TurnConnectExporter *turn_connect_exporter_new (TurnConnectRun *run,
                                                guint8 family,
                                                guint16 port,
                                                guint limit_ms,
                                                TurnConnectExporterFunc told,
                                                gpointer user_data);
void turn_connect_exporter_free (TurnConnectExporter *exporter);
