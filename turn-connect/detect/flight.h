/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/detect/run-private.h"

#include "stun-ext/detect-payload.h"

/* One first flight over one TCP connection, the far end's answer to it, and whether the connection
 * then lives (stun-ext/PROTOCOL.md sections 15.4 and 15.5); or one datagram of the same octets, sent
 * again until it is answered. Payloads that no flight can be answered for here are TLS and HTTP,
 * which fetch.h asks in whole. With silence nothing is sent before the far end speaks first; then the
 * connection has to live as any other. With hops the octets end on their way, and the probe is of kind
 * "hop": does somebody act on what cannot arrive? */
typedef struct _TurnConnectFlight TurnConnectFlight;

typedef struct {
  StunExtAddress target;
  StunExtDetectPayload payload;
  StunExtDetectTwin twin;
  guint round;
  gboolean is_control;
  gboolean is_datagram;
  guint hops; /* after which it ends on its way; 0: it does not */
} TurnConnectFlightWay;

/* Told once, after the probe has ended; may free the flight. */
typedef void (*TurnConnectFlightFunc) (TurnConnectProbe *probe, gpointer user_data);

/* Begins at once. */
TurnConnectFlight *turn_connect_flight_new (TurnConnectRun *run,
                                            const TurnConnectFlightWay *way,
                                            TurnConnectFlightFunc ended,
                                            gpointer user_data);
/* Ends it wherever it is. */
void turn_connect_flight_free (TurnConnectFlight *flight);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TurnConnectFlight, turn_connect_flight_free)

/* What the probe is called: the payload, and behind it the twin: "sip-register-inverted". */
char *turn_connect_flight_name (StunExtDetectPayload payload, StunExtDetectTwin twin);
