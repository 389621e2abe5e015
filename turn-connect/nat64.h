/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stun-ext/address.h"

#include <glib.h>

/* The name that has IPv4 addresses alone (RFC 7050 section 8.2). */
#define TURN_CONNECT_NAT64_NAME "ipv4only.arpa"

/* The prefix under which an address of ipv4only.arpa was made (RFC 7050 section 3, RFC 6052 section
 * 2.2). FALSE if it holds neither of the two IPv4 addresses of that name. */
gboolean turn_connect_nat64_find_prefix (const StunExtAddress *address, StunExtPrefix *prefix);

/* The prefix under which @made was made of @ipv4, whatever their ports. FALSE if it was not. */
gboolean turn_connect_nat64_find_prefix_of (const StunExtAddress *made,
                                            const StunExtAddress *ipv4,
                                            StunExtPrefix *prefix);

/* The address of @ipv4 under a prefix that one of the above found, with its port. */
void turn_connect_nat64_make (const StunExtPrefix *prefix,
                              const StunExtAddress *ipv4,
                              StunExtAddress *made);

/* Whether packets to @ipv4 have to be translated: this machine has no way to it, but one to the world
 * by IPv6. */
gboolean turn_connect_nat64_is_wanted (const StunExtAddress *ipv4);
