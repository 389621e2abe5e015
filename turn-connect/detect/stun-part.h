/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* How much of an answer by STUN has come over a stream. No I/O. */

typedef enum {
  TURN_CONNECT_STUN_MORE,  /* is to come */
  TURN_CONNECT_STUN_WHOLE, /* is there; other octets may stand behind it */
  TURN_CONNECT_STUN_OTHER, /* it is no message, or one that nobody has room for */
} TurnConnectStunPart;

/* @n: octets that came, of @room that there is for them. @total: octets of the message; set where it is
 * whole. */
TurnConnectStunPart
turn_connect_stun_part_measure (const guint8 *octets, gsize n, gsize room, gsize *total);
