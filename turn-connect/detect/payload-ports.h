/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/detect/observations.h"

/* Which ports of the far end are worth asking about content. */

/* Whether a connection to it came about, and none of nobody's; or the far end answered there. */
gboolean turn_connect_payload_ports_is_open (const TurnConnectProbe *probe, gboolean is_udp);
/* The open ones of a family, those first of which most is known; StunExtAddress. */
GArray *turn_connect_payload_ports_find (const TurnConnectObservations *observations,
                                         guint8 family,
                                         gboolean is_udp);
