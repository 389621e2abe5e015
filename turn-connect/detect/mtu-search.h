/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Which sizes of packets pass one way? No I/O. Sizes are octets of whole IP packets. */

#define TURN_CONNECT_MTU_SIZES_MAX 16 /* asked at once */

typedef struct {
  guint largest; /* that is tried */
  guint passed;  /* largest that did; 0: none */
  guint lost;    /* smallest larger one that did not; 0: none */
  gboolean is_begun;
} TurnConnectMtuSearch;

/* Sizes to try next, 0 of them when all is known, to 4 octets. */
guint turn_connect_mtu_search_next (TurnConnectMtuSearch *search,
                                    guint sizes[TURN_CONNECT_MTU_SIZES_MAX]);
/* What became of one. */
void turn_connect_mtu_search_note (TurnConnectMtuSearch *search, guint size, gboolean has_passed);
