/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whole IP packets inside a tunnel (PROTOCOL.md sections 8.4, 8.5 and 9): the format that needs no
 * agreement, for unmodified programs on the device, for media that comes before its remote was
 * named, and for STUN.
 */
#include "tep-s/whole-private.h"

#include "stun-ext/inner-packet.h"
#include "stun-ext/octets.h"
#include "tep-s/requests-private.h"

static gboolean
answers_stun_at (const TepServerConfig *config, const StunExtAddress *address)
{
  for (guint i = 0; i < config->media.n_stun_addresses; i++) {
    if (stun_ext_address_equal (&config->media.stun_addresses[i], address))
      return TRUE;
  }
  for (guint i = 0; i < config->n_listeners; i++) {
    if (stun_ext_address_equal (&config->listeners[i].address, address))
      return TRUE;
  }
  return FALSE;
}

void
tep_server_whole_down (TepServerTunnel *tunnel, const TepServerPacket *packet, guint8 dscp)
{
  TepServerCore *core = tunnel->core;
  TepServerConnection *connection = tep_server_packets_choose (tunnel);
  guint8 head[STUN_EXT_FRAME_LENGTH_SIZE + STUN_EXT_INNER_HEADERS_IPV6];
  const StunExtInnerPacket inner = { .source = *packet->source,
                                     .destination = *packet->destination,
                                     .hop_limit = STUN_EXT_INNER_HOP_LIMIT - 1,
                                     .dscp = dscp,
                                     .length = packet->length,
                                     .payload = packet->payload };
  StunExtWriter writer;

  if (connection == NULL) {
    COUNT (core, DOWN_DROP_ABSENT);
    return;
  }
  stun_ext_writer_init (&writer, head, sizeof head);
  stun_ext_writer_u16 (&writer, 0);
  stun_ext_inner_packet_write_headers (&writer, &inner);
  if (writer.failed || writer.length - STUN_EXT_FRAME_LENGTH_SIZE + packet->length >
                           core->settings.config->media.largest_packet) {
    COUNT (core, DOWN_DROP_LARGE);
    return;
  }
  stun_ext_octets_set_u16 (head, 0,
                           (guint16)(writer.length - STUN_EXT_FRAME_LENGTH_SIZE + packet->length));
  if (!tep_server_connection_write (connection, head, writer.length, packet->payload,
                                    packet->length, TRUE)) {
    COUNT (core, DOWN_DROP_SLOW);
    return;
  }
  stun_ext_send_log_written (&connection->log, core->now_us);
  COUNT (core, DOWN_FORWARDED);
  COUNT_N (core, DOWN_FORWARDED_OCTETS, packet->length);
}

static void
answer_stun (TepServerTunnel *tunnel, const StunExtInnerPacket *inner)
{
  TepServerCore *core = tunnel->core;
  guint8 answer[128];
  gsize length = tep_server_stun_answer (core, &inner->source, inner->payload, inner->length,
                                         answer, sizeof answer);
  const TepServerPacket packet = { .source = &inner->destination,
                                   .destination = &inner->source,
                                   .payload = answer,
                                   .length = length };

  if (length == 0) {
    COUNT (core, UP_DROP_POLICY);
    return;
  }
  COUNT (core, UP_ANSWERED);
  COUNT (core, STUN_ANSWERS_INNER);
  COUNT (core, DOWN_PACKETS);
  COUNT_N (core, DOWN_OCTETS, length);
  tep_server_whole_down (tunnel, &packet, 0);
}

/* The lease that a packet's source is: one of this tunnel's, or, under policy, its own address with
 * a port that nobody has, which it gets now. */
static TepServerLeasing *
find_source (TepServerTunnel *tunnel, const StunExtAddress *source)
{
  TepServerCore *core = tunnel->core;
  const TepServerConfig *config = core->settings.config;
  LeasedPort *port = tep_server_port_find (core, source);
  TepServerBinding binding = { .address = *source };

  if (port != NULL)
    return port->leasing->tunnel == tunnel ? port->leasing : NULL;
  if (config->media.implicit_flows != TEP_SERVER_IMPLICIT_OWN ||
      config->media.kind == TEP_SERVER_MEDIA_RELAY || source->port == 0 ||
      !stun_ext_address_equal_host (source, &tunnel->public_address) ||
      tunnel->n_bindings >= config->limits.bindings_per_tunnel)
    return NULL;
  return tep_server_lease_exactly (tunnel, &binding, config->timers.binding_s);
}

static TepServerFlow *
find_flow (TepServerLeasing *leasing, const StunExtInnerPacket *inner)
{
  TepServerTunnel *tunnel = leasing->tunnel;
  TepServerCore *core = tunnel->core;
  const TepServerConfig *config = core->settings.config;
  TepServerFlow *flow = tep_server_flow_find (core, &inner->source, &inner->destination);

  if (flow != NULL)
    return flow;
  if (config->media.implicit_flows == TEP_SERVER_IMPLICIT_OFF ||
      tunnel->n_flows >= config->limits.flows_per_tunnel) {
    COUNT (core, UP_DROP_UNKNOWN);
    return NULL;
  }
  if (!tep_server_remote_is_allowed (core, &inner->destination)) {
    COUNT (core, UP_DROP_POLICY);
    return NULL;
  }
  flow = tep_server_flow_add (leasing, &inner->source, &inner->destination);
  tep_server_flow_shape (flow, 0, FALSE, 0);
  return flow;
}

void
tep_server_whole_up (TepServerTunnel *tunnel, const guint8 *packet, gsize length)
{
  TepServerCore *core = tunnel->core;
  const TepServerConfig *config = core->settings.config;
  StunExtInnerPacket inner;
  StunExtInnerVerdict verdict;
  TepServerLeasing *leasing;
  TepServerFlow *flow;

  COUNT (core, UP_PACKETS);
  verdict = stun_ext_inner_packet_check (packet, length, config->media.largest_packet, &inner);
  if (verdict == STUN_EXT_INNER_TOO_LONG) {
    COUNT (core, UP_DROP_LARGE);
    return;
  }
  if (verdict != STUN_EXT_INNER_OK || inner.hop_limit <= 1) {
    COUNT (core, UP_DROP_MALFORMED);
    return;
  }
  COUNT_N (core, UP_OCTETS, inner.length);
  leasing = find_source (tunnel, &inner.source);
  if (leasing == NULL) {
    COUNT (core, UP_DROP_SOURCE);
    return;
  }
  if (answers_stun_at (config, &inner.destination)) {
    answer_stun (tunnel, &inner);
    return;
  }
  flow = find_flow (leasing, &inner);
  if (flow != NULL)
    tep_server_packets_up (flow, inner.payload, inner.length);
}
