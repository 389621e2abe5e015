/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Answers that come over a stream in whatever pieces, from whomever. */
#include "turn-connect/detect/stun-part.h"

#include <string.h>

#define ROOM 64
#define WHOLE 28 /* octets of the message below */

/* A Binding response with one attribute. */
static const guint8 message[ROOM] = { 0x01, 0x01, 0x00, 0x08, 0x21, 0x12, 0xa4, 0x42, 1,  2,
                                      3,    4,    5,    6,    7,    8,    9,    10,   11, 12,
                                      0x80, 0x22, 0x00, 0x04, 't',  'e',  's',  't' };

static void
test_each_beginning_waits_for_the_rest (void)
{
  for (gsize n = 0; n < WHOLE; n++) {
    g_autofree guint8 *octets = g_memdup2 (message, MAX (n, 1));
    gsize total = 99;

    g_assert_cmpint (turn_connect_stun_part_measure (octets, n, ROOM, &total), ==,
                     TURN_CONNECT_STUN_MORE);
    g_assert_cmpuint (total, ==, 99);
  }
  for (gsize n = WHOLE; n <= ROOM; n++) {
    gsize total = 0;

    g_assert_cmpint (turn_connect_stun_part_measure (message, n, ROOM, &total), ==,
                     TURN_CONNECT_STUN_WHOLE);
    g_assert_cmpuint (total, ==, WHOLE);
  }
}

static void
test_nobody_waits_for_what_there_is_no_room_for (void)
{
  for (guint length = 0; length <= G_MAXUINT16; length += 4) {
    guint8 octets[ROOM];
    gsize total = 0;
    TurnConnectStunPart expected = length + 20 <= 24   ? TURN_CONNECT_STUN_WHOLE
                                   : length + 20 <= 40 ? TURN_CONNECT_STUN_MORE
                                                       : TURN_CONNECT_STUN_OTHER;

    memcpy (octets, message, sizeof octets);
    octets[2] = (guint8)(length >> 8);
    octets[3] = (guint8)length;
    g_assert_cmpint (turn_connect_stun_part_measure (octets, 24, 40, &total), ==, expected);
  }
}

static void
test_other_octets_are_none (void)
{
  static const char *const others[] = { "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                                        "\x16\x03\x03\x01\x00\x01 ClientHello and some more",
                                        "SIP/2.0 400 Bad Request\r\n\r\n" };
  guint8 cookie[ROOM];
  gsize total = 0;

  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    g_assert_cmpint (turn_connect_stun_part_measure ((const guint8 *)others[i], strlen (others[i]),
                                                     ROOM, &total),
                     ==, TURN_CONNECT_STUN_OTHER);
  memcpy (cookie, message, sizeof cookie);
  cookie[4] ^= 1;
  g_assert_cmpint (turn_connect_stun_part_measure (cookie, WHOLE, ROOM, &total), ==,
                   TURN_CONNECT_STUN_OTHER);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/turn-connect/detect-stun-part/each-beginning-waits-for-the-rest",
                   test_each_beginning_waits_for_the_rest);
  g_test_add_func ("/turn-connect/detect-stun-part/nobody-waits-for-what-there-is-no-room-for",
                   test_nobody_waits_for_what_there_is_no_room_for);
  g_test_add_func ("/turn-connect/detect-stun-part/other-octets-are-none",
                   test_other_octets_are_none);
  return g_test_run ();
}
