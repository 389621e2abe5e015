/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What a client's first octets are, as far as they go. */
typedef enum {
  TURN_CONNECT_SIP_NOT,  /* something else, or a request that is never answered */
  TURN_CONNECT_SIP_MORE, /* may become a request */
  TURN_CONNECT_SIP_REQUEST,
} TurnConnectSip;

/* Answers the request that @data begins with by 503, with @cause as its reason phrase and in a
 * Warning (RFC 3261 sections 8.2.6, 20.43 and 21.5.4). @answer: set for a request only. */
TurnConnectSip
turn_connect_sip_refuse (const guint8 *data, gsize length, const char *cause, GString *answer);
