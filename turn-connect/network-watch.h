/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stun-ext/address.h"
#include "turn-connect/version.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * TurnConnectNetworkWatch:
 *
 * Tells when this machine's addresses, links or routes change.
 */
typedef struct _TurnConnectNetworkWatch TurnConnectNetworkWatch;

/**
 * TurnConnectNetworkFunc:
 * @user_data: as given to turn_connect_network_watch_new()
 *
 * Called when something changed, 300 ms later, once for changes that come together.
 */
typedef void (*TurnConnectNetworkFunc) (gpointer user_data);

/**
 * turn_connect_network_watch_new:
 * @changed: (scope notified): told about changes, in the thread-default main context of this call
 * @user_data: for @changed
 *
 * Begins to watch.
 *
 * Returns: (nullable): a watch, or %NULL where the kernel does not tell
 */
TURN_CONNECT_API TurnConnectNetworkWatch *
turn_connect_network_watch_new (TurnConnectNetworkFunc changed, gpointer user_data);

/**
 * turn_connect_network_watch_free:
 * @watch: (nullable): a watch
 *
 * Ends the watching.
 */
TURN_CONNECT_API void turn_connect_network_watch_free (TurnConnectNetworkWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TurnConnectNetworkWatch, turn_connect_network_watch_free)

/**
 * turn_connect_network_has_address:
 * @address: an address; its port does not matter
 *
 * Asks whether an interface of this host has the address. Any thread.
 *
 * Returns: %FALSE if it is known that none has
 */
TURN_CONNECT_API gboolean turn_connect_network_has_address (const StunExtAddress *address);

G_END_DECLS
