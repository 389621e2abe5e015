/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Under which prefix does this network reach IPv4? The name ipv4only.arpa has IPv4 addresses alone;
 * an IPv6 address of it was made up by the translator's name server, and shows how it does that.
 */
#include "turn-connect/detect/nat64.h"

#include <string.h>

#define LAYOUTS 6

/* Where the four octets lie; octet 8 is never used. */
static const struct {
  guint8 length;
  guint8 at[4];
} layouts[LAYOUTS] = {
  { 96, { 12, 13, 14, 15 } }, { 64, { 9, 10, 11, 12 } }, { 56, { 7, 9, 10, 11 } },
  { 48, { 6, 7, 9, 10 } },    { 40, { 5, 6, 7, 9 } },    { 32, { 4, 5, 6, 7 } },
};

gboolean
turn_connect_nat64_find_prefix (const StunExtAddress *address, StunExtPrefix *prefix)
{
  static const guint8 known[2][4] = { { 192, 0, 0, 170 }, { 192, 0, 0, 171 } };

  for (guint i = 0; i < LAYOUTS && address->family == 6; i++) {
    guint8 octets[4];

    for (guint k = 0; k < 4; k++)
      octets[k] = address->octets[layouts[i].at[k]];
    if (memcmp (octets, known[0], 4) != 0 && memcmp (octets, known[1], 4) != 0)
      continue;
    memset (prefix, 0, sizeof *prefix);
    prefix->family = 6;
    prefix->length = layouts[i].length;
    memcpy (prefix->octets, address->octets, layouts[i].length / 8);
    return TRUE;
  }
  return FALSE;
}
