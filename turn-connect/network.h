/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Which network this machine is in, told apart by where its default routes lead. */
typedef struct {
  char *place; /* interface, gateway and its link's prefixes, for each family; "" without a route */
  char *hardware; /* the gateway's link address; NULL if nobody asked the gateway for it yet */
} TurnConnectNetwork;

/* As the kernel tells now. */
void turn_connect_network_look (TurnConnectNetwork *network);
/* The same from the text of /proc/net/route, /proc/net/ipv6_route and /proc/net/arp. */
void turn_connect_network_read (TurnConnectNetwork *network,
                                const char *routes,
                                const char *routes6,
                                const char *neighbours);
void turn_connect_network_clear (TurnConnectNetwork *network);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TurnConnectNetwork, turn_connect_network_clear)

/* A link address that is not known yet tells nothing apart. */
gboolean turn_connect_network_equal (const TurnConnectNetwork *one,
                                     const TurnConnectNetwork *other);
