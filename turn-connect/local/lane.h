/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#define TURN_CONNECT_LANE_MAX 98304 /* octets: the longest unit and what may wait before it */

/* What still has to go out in one direction of a TURN stream: whole units (STUN messages and
 * ChannelData with its padding), of which the first may have been begun. Embed it. */
typedef struct {
  guint8 *octets;
  gsize capacity;
  gsize length;
  gsize begun; /* octets at the front that end a unit whose beginning is gone */
} TurnConnectLane;

void turn_connect_lane_clear (TurnConnectLane *lane);

/* Is it data for or from a peer, which is worth nothing when late? @unit: a whole unit. */
gboolean turn_connect_lane_is_media (const guint8 *unit, gsize length);

/* FALSE if there is no room; nothing was added then. */
gboolean turn_connect_lane_append (TurnConnectLane *lane, const guint8 *unit, gsize length);

/* The first @n octets are gone. */
void turn_connect_lane_sent (TurnConnectLane *lane, gsize n);

/* Drops the media that has not been begun, and says how many units that were. */
guint turn_connect_lane_shed (TurnConnectLane *lane);
