/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION: learn
 * @short_description: the proxy that the network itself names
 */
#pragma once

#include <gio/gio.h>

#include "turn-connect/target.h"

G_BEGIN_DECLS

/**
 * turn_connect_learn_proxy_async:
 * @target: where to; of its proxy nothing is read
 * @cancellable: (nullable): to give up
 * @callback: (scope async): called in the thread-default main context of the caller
 * @user_data: for @callback
 *
 * For who chose %TURN_CONNECT_PROXY_SOURCE_AUTO: where the environment says nothing and the system's settings
 * name no proxy, the network may have named a configuration file when it gave out this machine's address
 * (DHCP option 252, "WPAD"). Only what the machine's DHCP client keeps is read; no name service is asked
 * for "wpad", and the file is neither fetched nor run. Takes some milliseconds where there is none, and at
 * most 1.5 s else.
 *
 * Who runs a network may have media go wherever he likes with or without this; a script of his names whom
 * connections are made to, and what protects them stays as for any %TURN_CONNECT_PROXY_SOURCE_PAC.
 */
TURN_CONNECT_API void turn_connect_learn_proxy_async (TurnConnectTarget *target,
                                                      GCancellable *cancellable,
                                                      GAsyncReadyCallback callback,
                                                      gpointer user_data);

/**
 * turn_connect_learn_proxy_finish:
 * @result: that of the callback
 *
 * Returns: (transfer full) (nullable): words for turn_connect_target_choose_proxy(), "pac+" and a URL;
 * %NULL if the network names none, or somebody else does, or that could not be found out
 */
TURN_CONNECT_API char *turn_connect_learn_proxy_finish (GAsyncResult *result);

G_END_DECLS
