/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/version.h"

#include <glib-object.h>

G_BEGIN_DECLS

#define TURN_CONNECT_TYPE_TARGET (turn_connect_target_get_type ())

/**
 * TurnConnectTarget:
 *
 * Whom to reach and by which way. Made once, dialled as often as wanted; a dial uses what is set
 * when it begins. Everything is checked when it is set, so that nothing wrong is ever sent.
 */
TURN_CONNECT_API
G_DECLARE_FINAL_TYPE (TurnConnectTarget, turn_connect_target, TURN_CONNECT, TARGET, GObject)

/**
 * turn_connect_target_new:
 * @host: the server: a name (IDNA is applied) or an IPv4 or IPv6 address, brackets allowed
 * @port: its port, 1 to 65535
 * @error: %TURN_CONNECT_ERROR_INVALID
 *
 * Makes a target that is reached directly and without TLS.
 *
 * Returns: (transfer full): a target, or %NULL
 */
TURN_CONNECT_API TurnConnectTarget *
turn_connect_target_new (const char *host, guint port, GError **error);

TURN_CONNECT_API const char *turn_connect_target_get_host (TurnConnectTarget *target);
TURN_CONNECT_API guint16 turn_connect_target_get_port (TurnConnectTarget *target);

/**
 * turn_connect_target_set_timeout:
 * @target: a target
 * @timeout_ms: for a whole dial, 1 ms or more; 30 s if never set
 *
 * Limits how long a dial takes. Answers of a proxy and TLS handshakes are limited to 10 s each
 * within it.
 */
TURN_CONNECT_API void turn_connect_target_set_timeout (TurnConnectTarget *target, guint timeout_ms);

G_END_DECLS
