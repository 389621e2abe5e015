/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/address.h"
#include "stun-ext/octets.h"

G_BEGIN_DECLS

/* Offsets and values of the IPv4 header, RFC 791. */
#define IPV4_TOS 1
#define IPV4_TOTAL_LENGTH 2
#define IPV4_FRAGMENT 6
#define IPV4_TTL 8
#define IPV4_PROTOCOL 9
#define IPV4_CHECKSUM 10
#define IPV4_SOURCE 12
#define IPV4_DESTINATION 16
#define IPV4_HEADER 20
#define IPV4_ADDRESS 4
#define IPV4_RESERVED_FLAG 0x8000
#define IPV4_DONT_FRAGMENT 0x4000
#define IPV4_MORE_OR_OFFSET 0x3FFF
#define IPV4_OFFSET 0x1FFF

/* The IPv6 header, RFC 8200 section 3. */
#define IPV6_PAYLOAD_LENGTH 4
#define IPV6_NEXT_HEADER 6
#define IPV6_HOP_LIMIT 7
#define IPV6_SOURCE 8
#define IPV6_DESTINATION 24
#define IPV6_HEADER 40
#define IPV6_ADDRESS 16

/* The UDP header, RFC 768, from its start. */
#define UDP_SOURCE 0
#define UDP_DESTINATION 2
#define UDP_LENGTH 4
#define UDP_CHECKSUM 6
#define UDP_HEADER 8

/* Protocol numbers that matter here. */
#define PROTOCOL_HOP_BY_HOP 0
#define PROTOCOL_ICMP 1
#define PROTOCOL_UDP 17
#define PROTOCOL_ROUTING 43
#define PROTOCOL_FRAGMENT 44
#define PROTOCOL_ESP 50
#define PROTOCOL_AH 51
#define PROTOCOL_ICMPV6 58
#define PROTOCOL_DESTINATION 60
#define PROTOCOL_MOBILITY 135
#define PROTOCOL_HIP 139
#define PROTOCOL_SHIM6 140

/* Writes an IP header, 20 or 40 octets, in front of @content octets of @protocol. */
void stun_ext_inner_write_ip (guint8 *octets,
                              const StunExtAddress *source,
                              const StunExtAddress *destination,
                              guint8 protocol,
                              guint8 traffic_class,
                              guint8 hop_limit,
                              gsize content);

G_END_DECLS
