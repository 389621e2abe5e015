/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stun-ext/detect-payload.h"
#include "turn-connect/detect/classifier.h"

/* What one connection, or datagram, begins with. */
typedef struct {
  StunExtDetectPayload payload;
  StunExtDetectTwin twin;
  const char *name, *alpn; /* of TLS */
} TurnConnectPayloadClass;

#define TURN_CONNECT_N_PAYLOAD_CLASSES 16

/* In the order in which they are sent: harmless ones first. */
extern const TurnConnectPayloadClass turn_connect_payload_classes[TURN_CONNECT_N_PAYLOAD_CLASSES];

/* Whether it is asked in whole (fetch.h), and not a flight. */
gboolean turn_connect_payload_class_is_fetched (const TurnConnectPayloadClass *class);
/* Whether it is sent over UDP, or else TCP, to a port; of ports of the web a front door is taken,
 * which waits for others to speak. */
gboolean turn_connect_payload_class_is_for (const TurnConnectPayloadClass *class,
                                            gboolean is_udp,
                                            gboolean is_web);
/* Whether the far end speaks on this TCP port when nobody else does: on its own ports, and not at its
 * front door. Unknown as long as it has not said that it listens there. */
TurnConnectTell
turn_connect_payload_is_silence_answered (const TurnConnectObservations *observations,
                                          guint16 port);
/* Whether nobody takes octets for the beginning of something: random ones begin with the run's name, and if that is
 * 16 03, as one in 65,536 is, a front door waits for the rest of a TLS record. */
gboolean turn_connect_payload_is_noise (const guint8 *octets, gsize length);
