/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Packets as the inspecting firewall has them in hand: read, changed, and made anew under another's
 * address. */
#include "inspector.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define TCP_HEADER 20
#define UDP_HEADER 8
#define MADE_MAX 1400 /* octets of payload that are sent under another's address */

static guint16
get16 (const guint8 *at)
{
  return (guint16)(at[0] << 8 | at[1]);
}

static guint32
get32 (const guint8 *at)
{
  return (guint32)get16 (at) << 16 | get16 (at + 2);
}

static void
put16 (guint8 *at, gsize value)
{
  at[0] = (guint8)(value >> 8);
  at[1] = (guint8)value;
}

static void
put32 (guint8 *at, guint32 value)
{
  put16 (at, value >> 16);
  put16 (at + 2, value & 0xffff);
}

/* Finds the header of TCP or UDP and says which it is; 0 for neither. */
static guint8
parse_network (Packet *packet)
{
  const guint8 *o = packet->octets;
  packet->is_v6 = packet->length > 0 && o[0] >> 4 == 6;
  if (packet->is_v6) {
    if (packet->length < IPV6_HEADER || (gsize)get16 (o + 4) + IPV6_HEADER > packet->length)
      return 0;
    packet->length = (gsize)get16 (o + 4) + IPV6_HEADER;
    packet->transport = IPV6_HEADER;
    return o[6];
  }
  if (packet->length < IPV4_HEADER || o[0] >> 4 != 4)
    return 0;
  packet->transport = (gsize)(o[0] & 15) * 4;
  if (packet->transport < IPV4_HEADER || get16 (o + 2) > packet->length ||
      get16 (o + 2) < packet->transport || (get16 (o + 6) & 0x3fff) != 0)
    return 0;
  packet->length = get16 (o + 2);
  return o[9];
}

gboolean
packet_parse (Packet *packet)
{
  guint8 protocol = parse_network (packet);
  const guint8 *o = packet->octets + packet->transport;
  gsize left = protocol == 0 ? 0 : packet->length - packet->transport;
  gsize header = UDP_HEADER;
  packet->is_tcp = protocol == IPPROTO_TCP;
  if ((!packet->is_tcp && protocol != IPPROTO_UDP) ||
      left < (packet->is_tcp ? TCP_HEADER : UDP_HEADER))
    return FALSE;
  if (packet->is_tcp) {
    header = (gsize)(o[12] >> 4) * 4;
    packet->is_syn = (o[13] & TH_SYN) != 0;
    packet->is_ack = (o[13] & TH_ACK) != 0;
    packet->sequence = get32 (o + 4);
    packet->acknowledged = get32 (o + 8);
    if (header < TCP_HEADER)
      return FALSE;
  }
  packet->from = get16 (o);
  packet->to = get16 (o + 2);
  packet->payload = packet->octets + packet->transport + header;
  packet->payload_length = left - header;
  return header <= left;
}

static guint32
sum (guint32 total, const guint8 *octets, gsize length)
{
  for (gsize i = 0; i + 1 < length; i += 2)
    total += get16 (octets + i);
  return length % 2 == 0 ? total : total + ((guint32)octets[length - 1] << 8);
}

static guint16
folded (guint32 total)
{
  while (total >> 16 != 0)
    total = (total & 0xffff) + (total >> 16);
  return (guint16)~total;
}

void
packet_seal (Packet *packet)
{
  guint8 *o = packet->octets, *transport = o + packet->transport;
  gsize length = packet->length - packet->transport;
  guint32 pseudo = (guint32)length + (packet->is_tcp ? IPPROTO_TCP : IPPROTO_UDP);
  if (packet->is_v6) {
    put16 (o + 4, packet->length - IPV6_HEADER);
    pseudo = sum (pseudo, o + 8, 32);
  } else {
    put16 (o + 2, packet->length);
    put16 (o + 10, 0);
    put16 (o + 10, folded (sum (0, o, packet->transport)));
    pseudo = sum (pseudo, o + 12, 8);
  }
  if (!packet->is_tcp)
    put16 (transport + 4, length);
  guint8 *checksum = transport + (packet->is_tcp ? 16 : 6);
  put16 (checksum, 0);
  guint16 value = folded (sum (pseudo, transport, length));
  put16 (checksum, value == 0 && !packet->is_tcp ? 0xffff : value);
}

gboolean
packet_replace (
    Packet *packet, gsize capacity, gsize at, gsize length, const guint8 *octets, gsize new_length)
{
  if (packet->length - length + new_length > capacity)
    return FALSE;
  guint8 *place = packet->payload + at;
  memmove (place + new_length, place + length, packet->payload_length - at - length);
  memcpy (place, octets, new_length);
  packet->length += new_length - length;
  packet->payload_length += new_length - length;
  return TRUE;
}

/* Sends a packet whose addresses and ports are those of the model, or these turned round. The raw
 * socket takes the whole packet, and conntrack translates it as it does the connection's own. */
static gboolean
send_as (const Packet *model,
         gboolean is_back,
         guint32 sequence,
         guint32 acknowledged,
         guint8 flags,
         const guint8 *payload,
         gsize length,
         int raw)
{
  guint8 octets[IPV6_HEADER + TCP_HEADER + MADE_MAX] = { 0 };
  gsize network = model->is_v6 ? IPV6_HEADER : IPV4_HEADER, address = model->is_v6 ? 16 : 4;
  gsize transport = model->is_tcp ? TCP_HEADER : UDP_HEADER;
  Packet made = { .octets = octets,
                  .is_v6 = model->is_v6,
                  .is_tcp = model->is_tcp,
                  .transport = network,
                  .length = network + transport + length };
  if (length > MADE_MAX)
    return FALSE;
  guint8 protocol = model->is_tcp ? IPPROTO_TCP : IPPROTO_UDP;
  octets[0] = model->is_v6 ? 0x60 : 0x45;
  octets[model->is_v6 ? 6 : 9] = protocol;
  octets[model->is_v6 ? 7 : 8] = 64; /* hops */
  gsize first = model->is_v6 ? 8 : 12;
  memcpy (octets + first, model->octets + first + (is_back ? address : 0), address);
  memcpy (octets + first + address, model->octets + first + (is_back ? 0 : address), address);
  guint8 *o = octets + network;
  put16 (o, is_back ? model->to : model->from);
  put16 (o + 2, is_back ? model->from : model->to);
  if (model->is_tcp) {
    put32 (o + 4, sequence);
    put32 (o + 8, acknowledged);
    o[12] = TCP_HEADER / 4 << 4;
    o[13] = flags;
    put16 (o + 14, 0xffff);
  }
  if (length > 0)
    memcpy (o + transport, payload, length);
  packet_seal (&made);

  struct sockaddr_in to4 = { .sin_family = AF_INET };
  struct sockaddr_in6 to6 = { .sin6_family = AF_INET6 };
  if (model->is_v6)
    memcpy (&to6.sin6_addr, octets + 24, 16);
  else
    memcpy (&to4.sin_addr, octets + 16, 4);
  const struct sockaddr *to =
      model->is_v6 ? (const struct sockaddr *)&to6 : (const struct sockaddr *)&to4;
  return sendto (raw, octets, made.length, 0, to, model->is_v6 ? sizeof to6 : sizeof to4) ==
         (gssize)made.length;
}

gboolean
packet_answer (
    const Packet *packet, guint8 flags, const guint8 *payload, gsize length, int raw4, int raw6)
{
  return send_as (packet, TRUE, packet->acknowledged,
                  packet->sequence + (guint32)packet->payload_length, flags, payload, length,
                  packet->is_v6 ? raw6 : raw4);
}

gboolean
packet_reset_onwards (const Packet *packet, int raw4, int raw6)
{
  return send_as (packet, FALSE, packet->sequence, packet->acknowledged, TH_RST | TH_ACK, NULL, 0,
                  packet->is_v6 ? raw6 : raw4);
}

void
flow_key (const Packet *packet, gboolean is_reversed, FlowKey *key)
{
  gsize address = packet->is_v6 ? 16 : 4;
  const guint8 *first = packet->octets + (packet->is_v6 ? 8 : 12);
  memset (key, 0, sizeof *key);
  memcpy (key->addresses[is_reversed], first, address);
  memcpy (key->addresses[!is_reversed], first + address, address);
  key->ports[is_reversed] = packet->from;
  key->ports[!is_reversed] = packet->to;
  key->is_tcp = packet->is_tcp;
}

guint
flow_key_hash (gconstpointer key)
{
  const guint8 *octets = key;
  guint hash = 2166136261u;
  for (gsize i = 0; i < sizeof (FlowKey); i++)
    hash = (hash ^ octets[i]) * 16777619u;
  return hash;
}

gboolean
flow_key_equal (gconstpointer a, gconstpointer b)
{
  return memcmp (a, b, sizeof (FlowKey)) == 0;
}
