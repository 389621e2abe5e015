/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/address.h"
#include "stun-ext/version.h"
#include "stun-ext/writer.h"

G_BEGIN_DECLS

#define STUN_EXT_INNER_HEADERS_IPV4 28 /* octets of IP and UDP header */
#define STUN_EXT_INNER_HEADERS_IPV6 48
#define STUN_EXT_INNER_HOP_LIMIT 64 /* of packets that are built here */
#define STUN_EXT_INNER_LARGEST 1500 /* LARGEST-PACKET unless configured, PROTOCOL.md section 14 */
#define STUN_EXT_INNER_ICMP_SIZE_MAX 1280 /* octets of the longest ICMP packet built here */

/**
 * StunExtInnerVerdict:
 * @STUN_EXT_INNER_OK: an IP packet with UDP as PROTOCOL.md section 9 wants it
 * @STUN_EXT_INNER_TOO_SHORT: the headers are not all there
 * @STUN_EXT_INNER_TOO_LONG: more than LARGEST-PACKET
 * @STUN_EXT_INNER_VERSION: neither IPv4 nor IPv6
 * @STUN_EXT_INNER_HEADER_LENGTH: an IPv4 header of fewer than five words
 * @STUN_EXT_INNER_OPTIONS: IPv4 options
 * @STUN_EXT_INNER_LENGTH: the IP header's length is not the frame's
 * @STUN_EXT_INNER_HEADER_CHECKSUM: IPv4 header checksum
 * @STUN_EXT_INNER_RESERVED_FLAG: the IPv4 flag that must be zero
 * @STUN_EXT_INNER_FRAGMENT: a fragment
 * @STUN_EXT_INNER_EXTENSION_HEADER: an IPv6 extension header, fragment headers apart
 * @STUN_EXT_INNER_PROTOCOL: another protocol than UDP
 * @STUN_EXT_INNER_UDP_LENGTH: the UDP length is not what the IP header leaves
 * @STUN_EXT_INNER_UDP_CHECKSUM: UDP checksum
 * @STUN_EXT_INNER_UDP_NO_CHECKSUM: no UDP checksum over IPv6
 * @STUN_EXT_INNER_HOP_LIMIT_SPENT: the hop limit is 1 or less and the packet is to be forwarded
 *
 * What is wrong with an inner packet; the first fault in this order of the headers.
 */
typedef enum {
  STUN_EXT_INNER_OK,
  STUN_EXT_INNER_TOO_SHORT,
  STUN_EXT_INNER_TOO_LONG,
  STUN_EXT_INNER_VERSION,
  STUN_EXT_INNER_HEADER_LENGTH,
  STUN_EXT_INNER_OPTIONS,
  STUN_EXT_INNER_LENGTH,
  STUN_EXT_INNER_HEADER_CHECKSUM,
  STUN_EXT_INNER_RESERVED_FLAG,
  STUN_EXT_INNER_FRAGMENT,
  STUN_EXT_INNER_EXTENSION_HEADER,
  STUN_EXT_INNER_PROTOCOL,
  STUN_EXT_INNER_UDP_LENGTH,
  STUN_EXT_INNER_UDP_CHECKSUM,
  STUN_EXT_INNER_UDP_NO_CHECKSUM,
  STUN_EXT_INNER_HOP_LIMIT_SPENT,
} StunExtInnerVerdict;

/* For an array of counters, one for each verdict. */
#define STUN_EXT_INNER_VERDICTS (STUN_EXT_INNER_HOP_LIMIT_SPENT + 1)

/**
 * stun_ext_inner_verdict_name:
 * @verdict: a verdict
 *
 * Returns: (transfer none): its name for metrics and logs, such as "udp-checksum"
 */
STUN_EXT_API const char *stun_ext_inner_verdict_name (StunExtInnerVerdict verdict);

/**
 * StunExtInnerPacket:
 * @source: address and port it comes from
 * @destination: address and port it goes to; of the same family
 * @hop_limit: hop limit or time to live
 * @dscp: 0-63
 * @ecn: 0-3; always 0 in what is built here
 * @length: octets of @payload
 * @payload: (nullable) (array length=length): the UDP payload, borrowed
 *
 * What an inner packet says.
 */
typedef struct {
  StunExtAddress source;
  StunExtAddress destination;
  guint8 hop_limit;
  guint8 dscp;
  guint8 ecn;
  gsize length;
  const guint8 *payload;
} StunExtInnerPacket;

/**
 * stun_ext_inner_packet_check:
 * @data: (array length=length): a whole frame of kind %STUN_EXT_FRAME_IPV4 or %STUN_EXT_FRAME_IPV6,
 * or a packet from a TUN
 * @length: its octets
 * @largest: LARGEST-PACKET in octets
 * @packet: (out): what it says, pointing into @data; untouched unless it is in order
 *
 * Checks a packet against PROTOCOL.md section 9, both checksums included. Addresses are not judged.
 *
 * Returns: %STUN_EXT_INNER_OK, or what is wrong
 */
STUN_EXT_API StunExtInnerVerdict stun_ext_inner_packet_check (const guint8 *data,
                                                              gsize length,
                                                              gsize largest,
                                                              StunExtInnerPacket *packet);

/* The following change a packet in place that stun_ext_inner_packet_check() or
 * stun_ext_inner_packet_complete() has found in order. Checksums stay correct; a UDP checksum of
 * zero over IPv4 stays zero. */

/**
 * stun_ext_inner_packet_set_source:
 * @data: (array length=length): the packet
 * @length: its octets
 * @source: the new address and port
 *
 * Returns: %FALSE if the packet is of another family; it is unchanged then
 */
STUN_EXT_API gboolean stun_ext_inner_packet_set_source (guint8 *data,
                                                        gsize length,
                                                        const StunExtAddress *source);

/**
 * stun_ext_inner_packet_set_destination:
 * @data: (array length=length): the packet
 * @length: its octets
 * @destination: the new address and port
 *
 * Returns: %FALSE if the packet is of another family; it is unchanged then
 */
STUN_EXT_API gboolean stun_ext_inner_packet_set_destination (guint8 *data,
                                                             gsize length,
                                                             const StunExtAddress *destination);

/**
 * stun_ext_inner_packet_forward:
 * @data: (array length=length): the packet
 * @length: its octets
 *
 * Takes one off the hop limit.
 *
 * Returns: %STUN_EXT_INNER_OK, or %STUN_EXT_INNER_HOP_LIMIT_SPENT if there was no more than one; it
 * is unchanged then
 */
STUN_EXT_API StunExtInnerVerdict stun_ext_inner_packet_forward (guint8 *data, gsize length);

/**
 * stun_ext_inner_packet_set_dscp:
 * @data: (array length=length): the packet
 * @length: its octets
 * @dscp: 0-63
 *
 * Sets DSCP and clears ECN.
 */
STUN_EXT_API void stun_ext_inner_packet_set_dscp (guint8 *data, gsize length, guint8 dscp);

/**
 * stun_ext_inner_packet_write_headers:
 * @writer: where to append
 * @packet: the packet
 *
 * Appends IP and UDP header, checksums included, behind which the payload has to be sent. DF is set
 * for IPv4, identification 0, ECN 0. The writer fails if there is no room, if the families differ,
 * or if the payload is too long for IP.
 */
STUN_EXT_API void stun_ext_inner_packet_write_headers (StunExtWriter *writer,
                                                       const StunExtInnerPacket *packet);

/**
 * stun_ext_inner_packet_write:
 * @writer: where to append
 * @packet: the packet
 *
 * Appends a whole packet; see stun_ext_inner_packet_write_headers().
 */
STUN_EXT_API void stun_ext_inner_packet_write (StunExtWriter *writer,
                                               const StunExtInnerPacket *packet);

/**
 * stun_ext_inner_packet_complete:
 * @data: (array length=length): a packet captured on the machine that sends it
 * @length: its octets; a bundle of segments (UDP_SEGMENT) may have up to 65535
 * @packet: (out) (nullable): what it says; untouched unless it is in order
 *
 * Finishes what the sending machine leaves to its network card. The IPv4 header checksum is
 * computed from scratch; so is the UDP checksum where it is the sum of the pseudo header alone.
 * Everything else is checked as stun_ext_inner_packet_check() does.
 *
 * Returns: %STUN_EXT_INNER_OK, or what is wrong
 */
STUN_EXT_API StunExtInnerVerdict stun_ext_inner_packet_complete (guint8 *data,
                                                                 gsize length,
                                                                 StunExtInnerPacket *packet);

/**
 * StunExtInnerSplit:
 *
 * Takes a bundle of segments apart; the fields are private.
 */
typedef struct {
  StunExtInnerPacket packet;
  gsize segment;
  gsize at;
  gboolean is_done;
} StunExtInnerSplit;

/**
 * stun_ext_inner_split_init:
 * @split: (out): what to set up
 * @data: (array length=length): a packet that stun_ext_inner_packet_complete() has found in order;
 * it must outlive @split
 * @length: its octets
 * @segment: octets of each payload but the last, as given with UDP_SEGMENT; 0 if the packet is no
 * bundle
 *
 * Returns: %FALSE if the packet is not in order
 */
STUN_EXT_API gboolean stun_ext_inner_split_init (StunExtInnerSplit *split,
                                                 const guint8 *data,
                                                 gsize length,
                                                 gsize segment);

/**
 * stun_ext_inner_split_next:
 * @split: a bundle
 * @writer: where to append the next packet; it fails if there is no room
 *
 * Returns: %FALSE, and nothing is written, if all packets have been given
 */
STUN_EXT_API gboolean stun_ext_inner_split_next (StunExtInnerSplit *split, StunExtWriter *writer);

/**
 * StunExtInnerIcmp:
 * @STUN_EXT_INNER_ICMP_TOO_BIG: IPv4 "fragmentation needed" (RFC 1191), IPv6 "packet too big" (RFC
 * 4443 section 3.2)
 * @STUN_EXT_INNER_ICMP_PROHIBITED: "administratively prohibited" (RFC 1812 section 5.2.7.1, RFC
 * 4443 section 3.1)
 *
 * What the sender of a packet is told.
 */
typedef enum {
  STUN_EXT_INNER_ICMP_TOO_BIG,
  STUN_EXT_INNER_ICMP_PROHIBITED,
} StunExtInnerIcmp;

/**
 * stun_ext_inner_icmp_write:
 * @writer: where to append; %STUN_EXT_INNER_ICMP_SIZE_MAX octets suffice
 * @icmp: what to say
 * @mtu: octets that would fit, for %STUN_EXT_INNER_ICMP_TOO_BIG; IPv6 is told no less than 1280
 * @from: who says so: an address of the packet's family; its port does not matter
 * @data: (array length=length): the packet that cannot be carried, of any protocol, perhaps invalid
 * @length: its octets
 *
 * Appends an ICMP error to the packet's sender that quotes the packet. None is written where RFC
 * 1122 section 3.2.2 and RFC 4443 section 2.4 forbid it: in answer to ICMP errors, to later
 * fragments, and to or from what is no single host.
 *
 * Returns: %FALSE if nothing may be said
 */
STUN_EXT_API gboolean stun_ext_inner_icmp_write (StunExtWriter *writer,
                                                 StunExtInnerIcmp icmp,
                                                 guint mtu,
                                                 const StunExtAddress *from,
                                                 const guint8 *data,
                                                 gsize length);

G_END_DECLS
