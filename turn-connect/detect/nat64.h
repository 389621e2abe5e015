/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stun-ext/address.h"

/* The prefix under which an address of ipv4only.arpa was made (RFC 7050 section 3, RFC 6052 section
 * 2.2). FALSE if it holds neither of the two IPv4 addresses of that name. */
gboolean turn_connect_nat64_find_prefix (const StunExtAddress *address, StunExtPrefix *prefix);
