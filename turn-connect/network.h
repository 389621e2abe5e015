/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/version.h"

#include <glib.h>

G_BEGIN_DECLS

/**
 * TurnConnectNetwork:
 * @place: interface, gateway and its link's prefixes, for each family; "" without a route
 * @hardware: (nullable): the gateway's link address; %NULL if nobody asked the gateway for it yet
 *
 * Which network this machine is in, told apart by where its default routes lead.
 */
typedef struct {
  char *place;
  char *hardware;
} TurnConnectNetwork;

/**
 * turn_connect_network_look:
 * @network: (out caller-allocates): what the kernel tells now; turn_connect_network_clear() frees it
 * @interface: (nullable): the one by which alone this machine is left; %NULL: any
 *
 * Sends nothing. Any thread.
 */
TURN_CONNECT_API void turn_connect_network_look (TurnConnectNetwork *network,
                                                 const char *interface);

/**
 * turn_connect_network_clear:
 * @network: a network
 */
TURN_CONNECT_API void turn_connect_network_clear (TurnConnectNetwork *network);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TurnConnectNetwork, turn_connect_network_clear)

/**
 * turn_connect_network_equal:
 * @one: a network
 * @other: another
 *
 * Returns: %FALSE if they are known to be two. A link address that is not known yet tells nothing apart
 */
TURN_CONNECT_API gboolean turn_connect_network_equal (const TurnConnectNetwork *one,
                                                      const TurnConnectNetwork *other);

/* From the text of /proc/net/route, /proc/net/ipv6_route and /proc/net/arp. */
void turn_connect_network_read (TurnConnectNetwork *network,
                                const char *interface,
                                const char *routes,
                                const char *routes6,
                                const char *neighbours);

G_END_DECLS
