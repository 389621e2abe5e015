/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inner packets to read, rewrite and finish. */
#pragma once

#include "stun-ext/inner-packet.h"

#define LARGEST 1500
#define ROUNDS 20000
#define SAMPLE_IPV4_LENGTH 31
#define SAMPLE_IPV6_LENGTH 51

/* DNS over IPv4 and IPv6 as captured: headers, ports 40000 and 53, payload "abc". */
extern const guint8 sample_ipv4[SAMPLE_IPV4_LENGTH];
extern const guint8 sample_ipv6[SAMPLE_IPV6_LENGTH];

/* A packet in memory of exactly its size. */
typedef struct {
  guint8 *data;
  gsize length;
} Packet;

void packet_clear (Packet *packet);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Packet, packet_clear)

Packet packet_copy (const void *data, gsize length);
/* A copy whose checksums are right. */
Packet finished (const guint8 *data, gsize length);
/* A random packet in order, written by the slow means alone. Some have no checksum; of some the
 * checksum comes out as the zero that must be sent as 65535. */
Packet random_packet (GRand *rand);
StunExtAddress random_address (GRand *rand, guint8 family);
StunExtAddress address_of (const char *text);
