/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A stream cuts messages where it likes, and whoever answers may be anybody: what is waited for is bounded
 * by the room that there is for it.
 */
#include "turn-connect/detect/stun-part.h"

#include "stun-ext/message.h"

TurnConnectStunPart
turn_connect_stun_part_measure (const guint8 *octets, gsize n, gsize room, gsize *total)
{
  gsize length = 0;
  StunExtParse parse = stun_ext_message_measure (octets, n, &length);

  if (parse == STUN_EXT_PARSE_OK && length <= n) {
    *total = length;
    return TURN_CONNECT_STUN_WHOLE;
  }
  return n < room && (parse == STUN_EXT_PARSE_INCOMPLETE ||
                      (parse == STUN_EXT_PARSE_OK && length <= room))
             ? TURN_CONNECT_STUN_MORE
             : TURN_CONNECT_STUN_OTHER;
}
