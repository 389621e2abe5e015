/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "turn-connect/local/lane.h"

#include <string.h>

/* Units of each kind, of known lengths; the number in their last octet tells them apart. */
static gsize
make_unit (guint8 *octets, char kind, guint8 number)
{
  static const guint8 cookie[] = { 0x21, 0x12, 0xa4, 0x42 };

  memset (octets, 0, 64);
  if (kind == 'c') { /* ChannelData of 10 octets, padded */
    octets[0] = 0x40;
    octets[3] = 10;
    octets[13] = number;
    return 16;
  }
  octets[1] = kind == 'r' ? 0x03 : kind == 's' ? 0x16 : 0x17; /* request, Send, Data */
  octets[3] = 8;
  memcpy (octets + 4, cookie, sizeof cookie);
  octets[20] = 0x80;
  octets[23] = 4;
  octets[27] = number;
  return 28;
}

static void
fill (TurnConnectLane *lane, const char *kinds)
{
  guint8 unit[64];

  for (guint8 i = 0; kinds[i] != '\0'; i++)
    g_assert_true (turn_connect_lane_append (lane, unit, make_unit (unit, kinds[i], i)));
}

/* What is in the lane from @at on must be these units of those that fill () made. */
static void
assert_units (const TurnConnectLane *lane, gsize at, const char *kinds, const guint8 *numbers)
{
  guint8 unit[64];

  for (guint i = 0; kinds[i] != '\0'; i++) {
    gsize length = make_unit (unit, kinds[i], numbers[i]);

    g_assert_cmpuint (at + length, <=, lane->length);
    g_assert_cmpmem (lane->octets + at, length, unit, length);
    at += length;
  }
  g_assert_cmpuint (at, ==, lane->length);
}

static void
test_media_is_told_from_stun (void)
{
  guint8 unit[64];
  gsize length;

  for (const char *kind = "csdr"; *kind != '\0'; kind++) {
    length = make_unit (unit, *kind, 0);
    g_assert_cmpint (turn_connect_lane_is_media (unit, length), ==, *kind != 'r');
  }
  g_assert_false (turn_connect_lane_is_media (unit, 1));
}

static void
test_shedding_drops_media_and_keeps_stun (void)
{
  TurnConnectLane lane = { 0 };

  fill (&lane, "crscdrr");
  g_assert_cmpuint (turn_connect_lane_shed (&lane), ==, 4);
  assert_units (&lane, 0, "rrr", (const guint8[]){ 1, 5, 6 });
  g_assert_cmpuint (turn_connect_lane_shed (&lane), ==, 0);
  turn_connect_lane_clear (&lane);
}

static void
test_a_unit_that_was_begun_is_ended (void)
{
  /* However many octets are gone, what stays begins with the rest of the unit they end in. */
  for (gsize n = 0; n <= 16 + 28 + 16 + 28; n++) {
    TurnConnectLane lane = { 0 };
    const gsize ends[] = { 16, 44, 60, 88 };
    gsize begun = 0;

    fill (&lane, "crcr");
    turn_connect_lane_sent (&lane, n);
    g_assert_cmpuint (lane.length, ==, 88 - n);
    for (gsize i = 0; i < G_N_ELEMENTS (ends); i++) {
      gsize start = i == 0 ? 0 : ends[i - 1];

      if (n > start && n < ends[i])
        begun = ends[i] - n;
    }
    g_assert_cmpuint (lane.begun, ==, begun);
    turn_connect_lane_shed (&lane);
    if (n == 0 || n == 16)
      assert_units (&lane, 0, "rr", (const guint8[]){ 1, 3 });
    else if (n < 16)
      assert_units (&lane, begun, "rr", (const guint8[]){ 1, 3 });
    else if (n >= 44 && n <= 60)
      assert_units (&lane, begun, "r", (const guint8[]){ 3 });
    turn_connect_lane_clear (&lane);
  }
}

static void
test_room_is_bounded (void)
{
  TurnConnectLane lane = { 0 };
  guint8 unit[64];
  gsize length = make_unit (unit, 'r', 0);
  gsize n = 0;

  while (turn_connect_lane_append (&lane, unit, length))
    n++;
  g_assert_cmpuint (n, ==, TURN_CONNECT_LANE_MAX / length);
  g_assert_cmpuint (lane.length, ==, n * length);
  g_assert_cmpuint (lane.capacity, <=, TURN_CONNECT_LANE_MAX);
  turn_connect_lane_sent (&lane, lane.length);
  g_assert_cmpuint (lane.length + lane.begun, ==, 0);
  turn_connect_lane_clear (&lane);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/turn-connect/lane/media-is-told-from-stun", test_media_is_told_from_stun);
  g_test_add_func ("/turn-connect/lane/shedding-drops-media-and-keeps-stun",
                   test_shedding_drops_media_and_keeps_stun);
  g_test_add_func ("/turn-connect/lane/a-unit-that-was-begun-is-ended",
                   test_a_unit_that_was_begun_is_ended);
  g_test_add_func ("/turn-connect/lane/room-is-bounded", test_room_is_bounded);
  return g_test_run ();
}
