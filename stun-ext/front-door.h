/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/version.h"

G_BEGIN_DECLS

/* No verdict needs more than this many octets. */
#define STUN_EXT_FRONT_DOOR_MAX_LENGTH 17

/**
 * StunExtFrontDoorVerdict:
 * @STUN_EXT_FRONT_DOOR_NEED_MORE: the octets so far fit more than one thing, or one thing in part
 * @STUN_EXT_FRONT_DOOR_TLS: a TLS record of the handshake
 * @STUN_EXT_FRONT_DOOR_CONNECT: an HTTP request with the method CONNECT, which this layer may
 * consume
 * @STUN_EXT_FRONT_DOOR_HTTP: any other HTTP request, or a CONNECT that may not come here: the fixed
 * answer, then close
 * @STUN_EXT_FRONT_DOOR_TUNNEL: a frame with a STUN request of the tunnel
 * @STUN_EXT_FRONT_DOOR_STUN: a bare STUN Binding request
 * @STUN_EXT_FRONT_DOOR_CLOSE: nothing of ours: close without an answer
 */
typedef enum {
  STUN_EXT_FRONT_DOOR_NEED_MORE,
  STUN_EXT_FRONT_DOOR_TLS,
  STUN_EXT_FRONT_DOOR_CONNECT,
  STUN_EXT_FRONT_DOOR_HTTP,
  STUN_EXT_FRONT_DOOR_TUNNEL,
  STUN_EXT_FRONT_DOOR_STUN,
  STUN_EXT_FRONT_DOOR_CLOSE,
} StunExtFrontDoorVerdict;

/**
 * StunExtFrontDoorLayers:
 * @STUN_EXT_FRONT_DOOR_LAYER_NONE: the connection has just been accepted
 * @STUN_EXT_FRONT_DOOR_LAYER_CONNECT: a CONNECT was consumed before TLS
 * @STUN_EXT_FRONT_DOOR_LAYER_TLS: the octets come out of TLS
 * @STUN_EXT_FRONT_DOOR_LAYER_INNER_CONNECT: a CONNECT was consumed inside TLS
 * @STUN_EXT_FRONT_DOOR_LAYER_WEB_ONLY: ALPN chose "http/1.1": nothing but the fixed answer can
 * follow
 *
 * What lies around the octets: the order is CONNECT, TLS, CONNECT, each at most once.
 */
typedef enum {
  STUN_EXT_FRONT_DOOR_LAYER_NONE = 0,
  STUN_EXT_FRONT_DOOR_LAYER_CONNECT = 1 << 0,
  STUN_EXT_FRONT_DOOR_LAYER_TLS = 1 << 1,
  STUN_EXT_FRONT_DOOR_LAYER_INNER_CONNECT = 1 << 2,
  STUN_EXT_FRONT_DOOR_LAYER_WEB_ONLY = 1 << 3,
} StunExtFrontDoorLayers;

/**
 * stun_ext_front_door_classify:
 * @layers: what was consumed before these octets
 * @data: (nullable) (array length=length): every octet since the last layer
 * @length: number of octets
 * @needed: (out) (optional): with %STUN_EXT_FRONT_DOOR_NEED_MORE the number of octets, above
 * @length, before which no verdict but %STUN_EXT_FRONT_DOOR_CLOSE can come; otherwise 0
 *
 * Tells by its first octets what a connection carries. Consumes nothing, keeps nothing, any thread.
 * A verdict other than %STUN_EXT_FRONT_DOOR_NEED_MORE is final: more octets never change it.
 *
 * PROTOCOL.md section 10.
 *
 * Returns: the verdict
 */
STUN_EXT_API StunExtFrontDoorVerdict stun_ext_front_door_classify (StunExtFrontDoorLayers layers,
                                                                   const guint8 *data,
                                                                   gsize length,
                                                                   gsize *needed);

G_END_DECLS
