/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The packets inside the tunnel come from strangers and go to networks that trust their source, so
 * nothing passes that is not exactly IP and UDP. Addresses are exchanged without summing the
 * payload again: a checksum that was wrong before stays wrong, and the receiver notices. */
#include "stun-ext/inner-packet.h"

#include <string.h>

#include "stun-ext/checksum.h"
#include "stun-ext/inner-packet-private.h"

#define IP_MAX 65535

static const char *const verdict_names[] = {
  [STUN_EXT_INNER_OK] = "ok",
  [STUN_EXT_INNER_TOO_SHORT] = "too-short",
  [STUN_EXT_INNER_TOO_LONG] = "too-long",
  [STUN_EXT_INNER_VERSION] = "version",
  [STUN_EXT_INNER_HEADER_LENGTH] = "header-length",
  [STUN_EXT_INNER_OPTIONS] = "options",
  [STUN_EXT_INNER_LENGTH] = "length",
  [STUN_EXT_INNER_HEADER_CHECKSUM] = "header-checksum",
  [STUN_EXT_INNER_RESERVED_FLAG] = "reserved-flag",
  [STUN_EXT_INNER_FRAGMENT] = "fragment",
  [STUN_EXT_INNER_EXTENSION_HEADER] = "extension-header",
  [STUN_EXT_INNER_PROTOCOL] = "protocol",
  [STUN_EXT_INNER_UDP_LENGTH] = "udp-length",
  [STUN_EXT_INNER_UDP_CHECKSUM] = "udp-checksum",
  [STUN_EXT_INNER_UDP_NO_CHECKSUM] = "udp-no-checksum",
  [STUN_EXT_INNER_HOP_LIMIT_SPENT] = "hop-limit-spent",
};
G_STATIC_ASSERT (G_N_ELEMENTS (verdict_names) == STUN_EXT_INNER_VERDICTS);

const char *
stun_ext_inner_verdict_name (StunExtInnerVerdict verdict)
{
  return (guint)verdict < STUN_EXT_INNER_VERDICTS ? verdict_names[verdict] : "unknown";
}

/* Where the parts of a packet of one IP version are. */
typedef struct {
  guint8 family;
  gsize source;
  gsize destination;
  gsize address_length;
  gsize header;
} Layout;

static const Layout ipv4 = { 4, IPV4_SOURCE, IPV4_DESTINATION, IPV4_ADDRESS, IPV4_HEADER };
static const Layout ipv6 = { 6, IPV6_SOURCE, IPV6_DESTINATION, IPV6_ADDRESS, IPV6_HEADER };

static inline guint16
ipv4_header_sum (const guint8 *data)
{
  return stun_ext_checksum_fold (stun_ext_checksum_add (0, data, IPV4_HEADER));
}

static StunExtInnerVerdict
check_ipv4 (const guint8 *data, gsize length, gboolean is_unfinished)
{
  guint16 fragment;

  if (length < IPV4_HEADER)
    return STUN_EXT_INNER_TOO_SHORT;
  if ((data[0] & 0x0F) < IPV4_HEADER / 4)
    return STUN_EXT_INNER_HEADER_LENGTH;
  if ((data[0] & 0x0F) > IPV4_HEADER / 4)
    return STUN_EXT_INNER_OPTIONS;
  if (stun_ext_octets_u16 (data, IPV4_TOTAL_LENGTH) != length)
    return STUN_EXT_INNER_LENGTH;
  if (!is_unfinished && ipv4_header_sum (data) != 0xFFFF)
    return STUN_EXT_INNER_HEADER_CHECKSUM;
  fragment = stun_ext_octets_u16 (data, IPV4_FRAGMENT);
  if ((fragment & IPV4_RESERVED_FLAG) != 0)
    return STUN_EXT_INNER_RESERVED_FLAG;
  if ((fragment & IPV4_MORE_OR_OFFSET) != 0)
    return STUN_EXT_INNER_FRAGMENT;
  return data[IPV4_PROTOCOL] == PROTOCOL_UDP ? STUN_EXT_INNER_OK : STUN_EXT_INNER_PROTOCOL;
}

static StunExtInnerVerdict
check_ipv6 (const guint8 *data, gsize length)
{
  if (length < IPV6_HEADER)
    return STUN_EXT_INNER_TOO_SHORT;
  if (stun_ext_octets_u16 (data, IPV6_PAYLOAD_LENGTH) != length - IPV6_HEADER)
    return STUN_EXT_INNER_LENGTH;
  switch (data[IPV6_NEXT_HEADER]) {
  case PROTOCOL_UDP:
    return STUN_EXT_INNER_OK;
  case PROTOCOL_FRAGMENT:
    return STUN_EXT_INNER_FRAGMENT;
  case PROTOCOL_HOP_BY_HOP: /* the list of RFC 7045 section 4, experiments left out */
  case PROTOCOL_ROUTING:
  case PROTOCOL_ESP:
  case PROTOCOL_AH:
  case PROTOCOL_DESTINATION:
  case PROTOCOL_MOBILITY:
  case PROTOCOL_HIP:
  case PROTOCOL_SHIM6:
    return STUN_EXT_INNER_EXTENSION_HEADER;
  default:
    return STUN_EXT_INNER_PROTOCOL;
  }
}

/* Everything but the UDP checksum. */
static StunExtInnerVerdict
check_headers (const guint8 *data, gsize length, gsize largest, gboolean is_unfinished)
{
  StunExtInnerVerdict verdict;
  gsize udp;

  if (length == 0)
    return STUN_EXT_INNER_TOO_SHORT;
  if (length > largest)
    return STUN_EXT_INNER_TOO_LONG;
  if (data[0] >> 4 == 4)
    verdict = check_ipv4 (data, length, is_unfinished);
  else if (data[0] >> 4 == 6)
    verdict = check_ipv6 (data, length);
  else
    return STUN_EXT_INNER_VERSION;
  if (verdict != STUN_EXT_INNER_OK)
    return verdict;
  udp = data[0] >> 4 == 4 ? IPV4_HEADER : IPV6_HEADER;
  if (length - udp < UDP_HEADER)
    return STUN_EXT_INNER_TOO_SHORT;
  if (stun_ext_octets_u16 (data, udp + UDP_LENGTH) != length - udp)
    return STUN_EXT_INNER_UDP_LENGTH;
  return STUN_EXT_INNER_OK;
}

static inline const Layout *
layout_of (const guint8 *data)
{
  return data[0] >> 4 == 4 ? &ipv4 : &ipv6;
}

static inline guint64
pseudo_sum (const guint8 *data, gsize length, const Layout *layout)
{
  return stun_ext_checksum_add (
      stun_ext_checksum_pseudo (PROTOCOL_UDP, (guint32)(length - layout->header)),
      &data[layout->source], 2 * layout->address_length);
}

static StunExtInnerVerdict
check_udp_checksum (const guint8 *data, gsize length)
{
  const Layout *layout = layout_of (data);
  guint64 sum;

  if (stun_ext_octets_u16 (data, layout->header + UDP_CHECKSUM) == 0)
    return layout == &ipv4 ? STUN_EXT_INNER_OK : STUN_EXT_INNER_UDP_NO_CHECKSUM;
  sum = stun_ext_checksum_add (pseudo_sum (data, length, layout), &data[layout->header],
                               length - layout->header);
  return stun_ext_checksum_fold (sum) == 0xFFFF ? STUN_EXT_INNER_OK : STUN_EXT_INNER_UDP_CHECKSUM;
}

static void
view (const guint8 *data, gsize length, StunExtInnerPacket *packet)
{
  const Layout *layout = layout_of (data);
  guint8 traffic_class =
      layout == &ipv4 ? data[IPV4_TOS] : (guint8)(stun_ext_octets_u16 (data, 0) >> 4);

  stun_ext_address_init (&packet->source, layout->family, &data[layout->source],
                         stun_ext_octets_u16 (data, layout->header + UDP_SOURCE));
  stun_ext_address_init (&packet->destination, layout->family, &data[layout->destination],
                         stun_ext_octets_u16 (data, layout->header + UDP_DESTINATION));
  packet->hop_limit = layout == &ipv4 ? data[IPV4_TTL] : data[IPV6_HOP_LIMIT];
  packet->dscp = traffic_class >> 2;
  packet->ecn = traffic_class & 3;
  packet->length = length - layout->header - UDP_HEADER;
  packet->payload = &data[layout->header + UDP_HEADER];
}

StunExtInnerVerdict
stun_ext_inner_packet_check (const guint8 *data,
                             gsize length,
                             gsize largest,
                             StunExtInnerPacket *packet)
{
  StunExtInnerVerdict verdict = check_headers (data, length, largest, FALSE);

  if (verdict == STUN_EXT_INNER_OK)
    verdict = check_udp_checksum (data, length);
  if (verdict == STUN_EXT_INNER_OK)
    view (data, length, packet);
  return verdict;
}

/* The layout of a packet that was found in order; NULL if it cannot have been. */
static const Layout *
trusted_layout (const guint8 *data, gsize length)
{
  const Layout *layout = length > 0 ? layout_of (data) : NULL;

  g_return_val_if_fail (layout != NULL && length >= layout->header + UDP_HEADER, NULL);
  return layout;
}

static void
finish_ipv4_header (guint8 *data)
{
  stun_ext_octets_set_u16 (data, IPV4_CHECKSUM, 0);
  stun_ext_octets_set_u16 (data, IPV4_CHECKSUM, (guint16)~ipv4_header_sum (data));
}

/* A UDP checksum that would be zero is sent as its other form, for zero says that there is none
 * (RFC 768). */
static inline guint16
udp_checksum_of (guint16 sum)
{
  guint16 checksum = (guint16)~sum;

  return checksum != 0 ? checksum : 0xFFFF;
}

static inline guint16
folded (const guint8 *octets, gsize length)
{
  return stun_ext_checksum_fold (stun_ext_checksum_add (0, octets, length));
}

/* Exchanges one address and its port; the UDP checksum by RFC 1624 section 3, equation 3. */
static gboolean
set_end (guint8 *data, gsize length, const StunExtAddress *end, gboolean is_source)
{
  const Layout *layout = trusted_layout (data, length);
  gsize address, port;
  guint16 checksum;
  guint32 sum;

  if (layout == NULL || end->family != layout->family)
    return FALSE;
  address = is_source ? layout->source : layout->destination;
  port = layout->header + (is_source ? UDP_SOURCE : UDP_DESTINATION);
  checksum = stun_ext_octets_u16 (data, layout->header + UDP_CHECKSUM);

  sum = (guint16)~checksum;
  sum += (guint16)~folded (&data[address], layout->address_length);
  sum += (guint16)~stun_ext_octets_u16 (data, port);
  memcpy (&data[address], end->octets, layout->address_length);
  stun_ext_octets_set_u16 (data, port, end->port);
  sum += folded (&data[address], layout->address_length);
  sum += end->port;
  sum = (sum & 0xFFFF) + (sum >> 16);
  sum = (sum & 0xFFFF) + (sum >> 16);

  if (checksum != 0)
    stun_ext_octets_set_u16 (data, layout->header + UDP_CHECKSUM, udp_checksum_of ((guint16)sum));
  if (layout == &ipv4)
    finish_ipv4_header (data);
  return TRUE;
}

gboolean
stun_ext_inner_packet_set_source (guint8 *data, gsize length, const StunExtAddress *source)
{
  return set_end (data, length, source, TRUE);
}

gboolean
stun_ext_inner_packet_set_destination (guint8 *data,
                                       gsize length,
                                       const StunExtAddress *destination)
{
  return set_end (data, length, destination, FALSE);
}

StunExtInnerVerdict
stun_ext_inner_packet_forward (guint8 *data, gsize length)
{
  const Layout *layout = trusted_layout (data, length);
  gsize hop_limit = layout == &ipv4 ? IPV4_TTL : IPV6_HOP_LIMIT;

  if (layout == NULL || data[hop_limit] <= 1)
    return STUN_EXT_INNER_HOP_LIMIT_SPENT;
  data[hop_limit]--;
  if (layout == &ipv4)
    finish_ipv4_header (data);
  return STUN_EXT_INNER_OK;
}

void
stun_ext_inner_packet_set_dscp (guint8 *data, gsize length, guint8 dscp)
{
  const Layout *layout = trusted_layout (data, length);

  dscp &= 0x3F;
  if (layout == &ipv4) {
    data[IPV4_TOS] = (guint8)(dscp << 2);
    finish_ipv4_header (data);
  } else if (layout == &ipv6) {
    data[0] = (guint8)((data[0] & 0xF0) | dscp >> 2);
    data[1] = (guint8)((data[1] & 0x0F) | (dscp & 3) << 6);
  }
}

void
stun_ext_inner_write_ip (guint8 *octets,
                         const StunExtAddress *source,
                         const StunExtAddress *destination,
                         guint8 protocol,
                         guint8 traffic_class,
                         guint8 hop_limit,
                         gsize content)
{
  const Layout *layout = source->family == 4 ? &ipv4 : &ipv6;

  memset (octets, 0, layout->header);
  memcpy (&octets[layout->source], source->octets, layout->address_length);
  memcpy (&octets[layout->destination], destination->octets, layout->address_length);
  if (layout == &ipv6) {
    octets[0] = (guint8)(0x60 | traffic_class >> 4);
    octets[1] = (guint8)(traffic_class << 4);
    stun_ext_octets_set_u16 (octets, IPV6_PAYLOAD_LENGTH, (guint16)content);
    octets[IPV6_NEXT_HEADER] = protocol;
    octets[IPV6_HOP_LIMIT] = hop_limit;
    return;
  }
  octets[0] = 0x40 | IPV4_HEADER / 4;
  octets[IPV4_TOS] = traffic_class;
  stun_ext_octets_set_u16 (octets, IPV4_TOTAL_LENGTH, (guint16)(IPV4_HEADER + content));
  stun_ext_octets_set_u16 (octets, IPV4_FRAGMENT, IPV4_DONT_FRAGMENT);
  octets[IPV4_TTL] = hop_limit;
  octets[IPV4_PROTOCOL] = protocol;
  finish_ipv4_header (octets);
}

void
stun_ext_inner_packet_write_headers (StunExtWriter *writer, const StunExtInnerPacket *packet)
{
  const Layout *layout = packet->source.family == 4 ? &ipv4 : &ipv6;
  gsize most = layout == &ipv4 ? IP_MAX - IPV4_HEADER - UDP_HEADER : IP_MAX - UDP_HEADER;
  guint8 *octets;
  guint8 *udp;
  guint64 sum;

  if (packet->source.family != layout->family || packet->destination.family != layout->family ||
      packet->length > most) {
    writer->failed = TRUE;
    return;
  }
  octets = stun_ext_writer_space (writer, layout->header + UDP_HEADER);
  if (octets == NULL)
    return;
  stun_ext_inner_write_ip (octets, &packet->source, &packet->destination, PROTOCOL_UDP,
                           (guint8)(packet->dscp << 2), packet->hop_limit,
                           UDP_HEADER + packet->length);
  udp = &octets[layout->header];
  stun_ext_octets_set_u16 (udp, UDP_SOURCE, packet->source.port);
  stun_ext_octets_set_u16 (udp, UDP_DESTINATION, packet->destination.port);
  stun_ext_octets_set_u16 (udp, UDP_LENGTH, (guint16)(UDP_HEADER + packet->length));
  sum = pseudo_sum (octets, layout->header + UDP_HEADER + packet->length, layout);
  sum = stun_ext_checksum_add (sum, udp, UDP_HEADER);
  sum = stun_ext_checksum_add (sum, packet->payload, packet->length);
  stun_ext_octets_set_u16 (udp, UDP_CHECKSUM, udp_checksum_of (stun_ext_checksum_fold (sum)));
}

void
stun_ext_inner_packet_write (StunExtWriter *writer, const StunExtInnerPacket *packet)
{
  stun_ext_inner_packet_write_headers (writer, packet);
  stun_ext_writer_bytes (writer, packet->payload, packet->length);
}

/* The kernel leaves the folded sum of the pseudo header where the checksum belongs. Anything else
 * that does not verify was wrong before. */
static StunExtInnerVerdict
complete_udp (guint8 *data, gsize length)
{
  const Layout *layout = layout_of (data);
  gsize field = layout->header + UDP_CHECKSUM;
  guint64 pseudo = pseudo_sum (data, length, layout);
  guint64 sum;

  if (stun_ext_octets_u16 (data, field) != stun_ext_checksum_fold (pseudo))
    return STUN_EXT_INNER_UDP_CHECKSUM;
  stun_ext_octets_set_u16 (data, field, 0);
  sum = stun_ext_checksum_add (pseudo, &data[layout->header], length - layout->header);
  stun_ext_octets_set_u16 (data, field, udp_checksum_of (stun_ext_checksum_fold (sum)));
  return STUN_EXT_INNER_OK;
}

StunExtInnerVerdict
stun_ext_inner_packet_complete (guint8 *data, gsize length, StunExtInnerPacket *packet)
{
  StunExtInnerVerdict verdict = check_headers (data, length, IP_MAX + IPV6_HEADER, TRUE);

  if (verdict != STUN_EXT_INNER_OK)
    return verdict;
  if (data[0] >> 4 == 4)
    finish_ipv4_header (data);
  verdict = check_udp_checksum (data, length);
  if (verdict == STUN_EXT_INNER_UDP_CHECKSUM)
    verdict = complete_udp (data, length);
  if (verdict == STUN_EXT_INNER_OK && packet != NULL)
    view (data, length, packet);
  return verdict;
}

gboolean
stun_ext_inner_split_init (StunExtInnerSplit *split,
                           const guint8 *data,
                           gsize length,
                           gsize segment)
{
  *split = (StunExtInnerSplit){ .is_done = TRUE };
  if (check_headers (data, length, IP_MAX + IPV6_HEADER, FALSE) != STUN_EXT_INNER_OK)
    return FALSE;
  view (data, length, &split->packet);
  split->segment = segment > 0 ? segment : split->packet.length;
  split->is_done = FALSE;
  return TRUE;
}

gboolean
stun_ext_inner_split_next (StunExtInnerSplit *split, StunExtWriter *writer)
{
  StunExtInnerPacket part = split->packet;

  if (split->is_done)
    return FALSE;
  part.length = MIN (split->segment, split->packet.length - split->at);
  part.payload = &split->packet.payload[split->at];
  stun_ext_inner_packet_write (writer, &part);
  split->at += part.length;
  split->is_done = split->at == split->packet.length;
  return TRUE;
}
