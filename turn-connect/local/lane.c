/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A TURN stream carries calls and their control through one pipe. When the pipe is full, waiting
 * makes media worthless and a lost control message breaks the call; so what waits is told apart
 * here: media goes, STUN stays, and a unit that was begun is always ended, since the stream could
 * not be cut otherwise.
 */
#include "turn-connect/local/lane.h"

#include "stun-ext/channel-data.h"
#include "stun-ext/octets.h"

#include <string.h>

#define CAPACITY_FIRST 20480 /* a TLS record's worth and a packet; more is rare */
#define TYPE_SEND_INDICATION 0x0016
#define TYPE_DATA_INDICATION 0x0017

void
turn_connect_lane_clear (TurnConnectLane *lane)
{
  g_free (lane->octets);
  *lane = (TurnConnectLane){ 0 };
}

gboolean
turn_connect_lane_is_media (const guint8 *unit, gsize length)
{
  guint16 type;

  if (length < 2)
    return FALSE;
  type = stun_ext_octets_u16 (unit, 0);
  return unit[0] >= STUN_EXT_CHANNEL_MIN >> 8 || type == TYPE_SEND_INDICATION ||
         type == TYPE_DATA_INDICATION;
}

static gboolean
make_room (TurnConnectLane *lane, gsize wanted)
{
  gsize capacity = MAX (lane->capacity, CAPACITY_FIRST);
  guint8 *octets;

  if (wanted > TURN_CONNECT_LANE_MAX)
    return FALSE;
  while (capacity < wanted)
    capacity *= 2;
  capacity = MIN (capacity, TURN_CONNECT_LANE_MAX);
  octets = g_try_realloc (lane->octets, capacity);
  if (octets == NULL)
    return FALSE;
  lane->octets = octets;
  lane->capacity = capacity;
  return TRUE;
}

gboolean
turn_connect_lane_append (TurnConnectLane *lane, const guint8 *unit, gsize length)
{
  gsize wanted = lane->length + length;

  if (wanted > lane->capacity && !make_room (lane, wanted))
    return FALSE;
  memcpy (&lane->octets[lane->length], unit, length);
  lane->length = wanted;
  return TRUE;
}

/* Octets of the unit at @at, which is whole; what cannot be cut counts as one, to the end. */
static gsize
unit_at (const TurnConnectLane *lane, gsize at)
{
  gsize rest = lane->length - at;
  gsize whole = rest;

  if (stun_ext_channel_data_measure (&lane->octets[at], rest, &whole) != STUN_EXT_PARSE_OK)
    return rest;
  return MIN (whole, rest);
}

void
turn_connect_lane_sent (TurnConnectLane *lane, gsize n)
{
  gsize end = lane->begun; /* of the unit that the last of the @n octets belongs to */

  g_return_if_fail (n <= lane->length);
  while (end < n)
    end += unit_at (lane, end);
  lane->begun = end - n;
  lane->length -= n;
  if (lane->length > 0)
    memmove (lane->octets, &lane->octets[n], lane->length);
}

guint
turn_connect_lane_shed (TurnConnectLane *lane)
{
  gsize from = lane->begun;
  gsize to = from;
  guint n_dropped = 0;

  while (from < lane->length) {
    gsize unit = unit_at (lane, from);

    if (turn_connect_lane_is_media (&lane->octets[from], unit)) {
      n_dropped++;
    } else {
      memmove (&lane->octets[to], &lane->octets[from], unit);
      to += unit;
    }
    from += unit;
  }
  lane->length = to;
  return n_dropped;
}
