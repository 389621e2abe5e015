/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/local/bridge-private.h"
#include "turn-connect/turn/client.h"

/* Has a TURN client log in so. Apart from bridge-private.h, whose users may know another
 * TurnConnectRelay. */
gboolean turn_connect_bridge_login_apply (const TurnConnectBridgeLogin *login,
                                          TurnConnectClient *client,
                                          GError **error);
