/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/detect/observations.h"

#define TURN_CONNECT_LATE_US 60000 /* jitter buffers of telephones; arbitrary */

/* Of packets that go there and back: 18 of a hundred each way, with which the E-model still has a rating
 * above 50, below which ITU-T G.107 annex B advises against. */
#define TURN_CONNECT_LOSS_MAX (1.0 / 3)

/* When one packet went and when it was back, monotonic us; 0: it did not. */
typedef struct {
  gint64 sent_us;
  gint64 back_us;
} TurnConnectRoundTrip;

/* Fills in all that packets tell: not set_up_us and size. Any numbers will do. */
void turn_connect_quality_measure (TurnConnectQuality *quality,
                                   const TurnConnectRoundTrip *packets,
                                   guint n_packets);

/* The part of what was sent that did not come back, 0 to 1; 1 where nothing was sent. */
double turn_connect_quality_get_loss (const TurnConnectQuality *quality);

/* What listeners would say of a call with G.711 over this, from 1 to 4.5: the E-model (ITU-T G.107)
 * with all but delay and loss at its defaults. The delay is half a round trip, a jitter buffer of
 * twice the jitter, and a packet of 20 ms; loss is taken for random, and concealed. */
double turn_connect_quality_estimate_mos (const TurnConnectQuality *quality);
