/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The search for the largest packet that passes. Nothing that routers say of it is believed; packets
 * are sent (RFC 8899). The usual sizes come first, all at once, then what lies between.
 */
#include "turn-connect/detect/mtu-search.h"

#define STEP 4 /* octets; STUN messages are multiples of it */

/* What everything passes, IPv6, tunnels of several kinds, PPPoE, Ethernet. */
static const guint usual[] = {
  576, 1024, 1200, 1280, 1320, 1360, 1400, 1440, 1460, 1480, 1492, 1500
};

G_STATIC_ASSERT (G_N_ELEMENTS (usual) < TURN_CONNECT_MTU_SIZES_MAX);

guint
turn_connect_mtu_search_next (TurnConnectMtuSearch *search, guint sizes[TURN_CONNECT_MTU_SIZES_MAX])
{
  guint n = 0, gap, step;

  if (!search->is_begun) {
    search->is_begun = TRUE;
    for (guint i = 0; i < G_N_ELEMENTS (usual); i++) {
      if (usual[i] < search->largest)
        sizes[n++] = usual[i];
    }
    sizes[n++] = search->largest;
    return n;
  }
  if (search->passed == 0 || search->lost == 0 || search->lost <= search->passed + STEP)
    return 0;
  gap = search->lost - search->passed;
  step = MAX (gap / (TURN_CONNECT_MTU_SIZES_MAX + 1) / STEP * STEP, STEP);
  for (guint size = search->passed + step; size < search->lost && n < TURN_CONNECT_MTU_SIZES_MAX;
       size += step)
    sizes[n++] = size;
  return n;
}

void
turn_connect_mtu_search_note (TurnConnectMtuSearch *search, guint size, gboolean has_passed)
{
  if (has_passed)
    search->passed = MAX (search->passed, size);
  else if (search->lost == 0 || size < search->lost)
    search->lost = size;
  /* A smaller one that was lost was lost by chance. */
  if (search->lost <= search->passed)
    search->lost = 0;
}
