/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Packets through the client's tunnel: compact on their flows, whole where there is none. Addresses
 * are translated as TR 33.830 clause 8.6 says: outwards the source is the lease, inwards the
 * destination is the application's own. */
#include "tep-c/tunnel-private.h"

static guint
overhead_of (const StunExtAddress *address)
{
  return address->family == 4 ? STUN_EXT_INNER_HEADERS_IPV4 : STUN_EXT_INNER_HEADERS_IPV6;
}

/* Appends through a bounded writer, straight into the output. */
static guint8 *
reserve (TepClientTunnel *tunnel, StunExtWriter *writer, gsize capacity)
{
  guint before = tunnel->output->len;

  g_byte_array_set_size (tunnel->output, before + capacity);
  stun_ext_writer_init (writer, tunnel->output->data + before, capacity);
  return tunnel->output->data + before;
}

static gboolean
commit (TepClientTunnel *tunnel, const StunExtWriter *writer, gsize capacity)
{
  gsize written = writer->failed ? 0 : writer->length;

  g_byte_array_set_size (tunnel->output, tunnel->output->len - capacity + written);
  return written > 0;
}

void
tep_client_tunnel_feedback (TepClientTunnel *tunnel, gint64 now_us)
{
  StunExtFeedback feedback;
  StunExtWriter writer;

  stun_ext_tally_take (&tunnel->tally, now_us, &feedback);
  reserve (tunnel, &writer, STUN_EXT_FEEDBACK_SIZE_MAX);
  stun_ext_feedback_write (&writer, &feedback);
  commit (tunnel, &writer, STUN_EXT_FEEDBACK_SIZE_MAX);
  stun_ext_send_log_clock_written (&tunnel->log, now_us);
  tunnel->sent_us = now_us;
}

static void
note_sent (TepClientTunnel *tunnel, gint64 now_us)
{
  stun_ext_send_log_written (&tunnel->log, now_us);
  tunnel->sent_us = tunnel->media_sent_us = now_us;
}

static void
show_flow_packet (TepClientTunnel *tunnel,
                  const TepClientTunnelFlow *flow,
                  gboolean is_outward,
                  const guint8 *payload,
                  gsize length)
{
  StunExtInnerPacket packet = { .hop_limit = STUN_EXT_INNER_HOP_LIMIT,
                                .payload = payload,
                                .length = length };
  StunExtAddress lease = flow->binding->address;

  lease.port += flow->port_offset;
  packet.source = is_outward ? lease : flow->remote;
  packet.destination = is_outward ? flow->remote : lease;
  tunnel->events.inner (tunnel->user, &packet);
}

TepClientSent
tep_client_tunnel_send (TepClientTunnel *tunnel,
                        TepClientTunnelFlow *flow,
                        const guint8 *payload,
                        gsize length,
                        gint64 now_us)
{
  gsize capacity = STUN_EXT_COMPACT_HEADER_MAX + length;
  StunExtCompactFrame frame = { .flow = flow->id, .payload = payload, .length = length };
  StunExtWriter writer;

  if (tunnel->state != TEP_CLIENT_TUNNEL_OPEN || !flow->is_open)
    return TEP_CLIENT_SENT_DOWN;
  if (length + overhead_of (&flow->remote) > tunnel->largest_packet)
    return TEP_CLIENT_SENT_TOO_LARGE;
  if (stun_ext_send_log_needs_clock (&tunnel->log, now_us) ||
      now_us >= stun_ext_tally_due_us (&tunnel->tally))
    tep_client_tunnel_feedback (tunnel, now_us);
  frame.time = stun_ext_flow_time (now_us);
  frame.sequence = stun_ext_flow_sender_next (&flow->sender);
  reserve (tunnel, &writer, capacity);
  stun_ext_compact_write (&writer, &frame);
  if (!commit (tunnel, &writer, capacity))
    return TEP_CLIENT_SENT_TOO_LARGE;
  stun_ext_send_log_clock_written (&tunnel->log, now_us);
  note_sent (tunnel, now_us);
  show_flow_packet (tunnel, flow, TRUE, payload, length);
  return TEP_CLIENT_SENT;
}

TepClientSent
tep_client_tunnel_send_to (TepClientTunnel *tunnel,
                           TepClientTunnelBinding *binding,
                           guint port_offset,
                           const StunExtAddress *remote,
                           const guint8 *payload,
                           gsize length,
                           gint64 now_us)
{
  StunExtInnerPacket packet = { .destination = *remote,
                                .hop_limit = STUN_EXT_INNER_HOP_LIMIT,
                                .payload = payload,
                                .length = length };
  gsize total = length + overhead_of (remote);
  StunExtWriter writer;

  if (tunnel->state != TEP_CLIENT_TUNNEL_OPEN || !binding->is_granted ||
      binding->address.family != remote->family)
    return TEP_CLIENT_SENT_DOWN;
  if (total > tunnel->largest_packet)
    return TEP_CLIENT_SENT_TOO_LARGE;
  packet.source = binding->address;
  packet.source.port += port_offset;
  reserve (tunnel, &writer, STUN_EXT_FRAME_LENGTH_SIZE + total);
  stun_ext_writer_u16 (&writer, total);
  stun_ext_inner_packet_write (&writer, &packet);
  if (!commit (tunnel, &writer, STUN_EXT_FRAME_LENGTH_SIZE + total))
    return TEP_CLIENT_SENT_TOO_LARGE;
  note_sent (tunnel, now_us);
  tunnel->events.inner (tunnel->user, &packet);
  return TEP_CLIENT_SENT;
}

/* Arrivals */

static void
deliver (TepClientTunnel *tunnel, TepClientTunnelFlow *flow, const guint8 *payload, gsize length)
{
  TepClientArrival arrival = { .binding = flow->binding,
                               .flow = flow,
                               .source = flow->remote,
                               .port_offset = flow->port_offset,
                               .payload = payload,
                               .length = length };

  show_flow_packet (tunnel, flow, FALSE, payload, length);
  tunnel->events.packet (tunnel->user, &arrival);
}

static void
compact_arrived (TepClientTunnel *tunnel, const guint8 *body, gsize length, gint64 now_us)
{
  StunExtFlowStamp stamp = { .now_us = now_us };
  StunExtCompactFrame frame;
  TepClientTunnelFlow *flow;

  if (!stun_ext_compact_parse (body, length, &frame) ||
      frame.flow >= G_N_ELEMENTS (tunnel->short_flows) ||
      (flow = tunnel->short_flows[frame.flow]) == NULL) {
    tunnel->invalid++;
    return;
  }
  stamp.is_timed = stun_ext_timeline_unwrap (&tunnel->timeline, frame.time, &stamp.sent_ms);
  /* A receiver of packets may close the flow: it is looked up again for each. */
  for (guint i = 0; i < frame.n_blocks && tunnel->short_flows[frame.flow] == flow; i++) {
    if (stun_ext_flow_receive_block (&flow->receiver, frame.sequence, frame.blocks[i].distance,
                                     &stamp) == STUN_EXT_FLOW_NEW)
      deliver (tunnel, flow, frame.blocks[i].payload, frame.blocks[i].length);
  }
  if (tunnel->short_flows[frame.flow] == flow &&
      stun_ext_flow_receive (&flow->receiver, frame.sequence, &stamp) == STUN_EXT_FLOW_NEW)
    deliver (tunnel, flow, frame.payload, frame.length);
}

static TepClientTunnelFlow *
find_flow (TepClientTunnel *tunnel,
           const TepClientTunnelBinding *binding,
           guint port_offset,
           const StunExtAddress *remote)
{
  for (guint i = 0; i < tunnel->flows->len; i++) {
    TepClientTunnelFlow *flow = g_ptr_array_index (tunnel->flows, i);

    if (flow->binding == binding && flow->port_offset == port_offset &&
        stun_ext_address_equal (&flow->remote, remote))
      return flow;
  }
  return NULL;
}

static void
whole_arrived (TepClientTunnel *tunnel, const guint8 *body, gsize length)
{
  StunExtInnerPacket packet;
  TepClientArrival arrival = { 0 };

  if (stun_ext_inner_packet_check (body, length, tunnel->largest_packet, &packet) !=
      STUN_EXT_INNER_OK) {
    tunnel->invalid++;
    return;
  }
  for (guint i = 0; i < tunnel->bindings->len; i++) {
    TepClientTunnelBinding *binding = g_ptr_array_index (tunnel->bindings, i);
    guint offset = packet.destination.port - binding->address.port;

    if (!binding->is_granted || offset > (binding->wanted.is_pair ? 1u : 0u) ||
        !stun_ext_address_equal_host (&binding->address, &packet.destination))
      continue;
    arrival.binding = binding;
    arrival.port_offset = offset;
    arrival.source = packet.source;
    arrival.flow = find_flow (tunnel, binding, offset, &packet.source);
    arrival.payload = packet.payload;
    arrival.length = packet.length;
    tunnel->events.inner (tunnel->user, &packet);
    tunnel->events.packet (tunnel->user, &arrival);
    return;
  }
  tunnel->invalid++;
}

static void
control_arrived (TepClientTunnel *tunnel, const guint8 *body, gsize length, gint64 now_us)
{
  StunExtFeedback feedback;

  if (stun_ext_frame_control_type (body, length) != STUN_EXT_CONTROL_FEEDBACK ||
      !stun_ext_feedback_parse (body, length, &feedback)) {
    tunnel->invalid++;
    return;
  }
  stun_ext_timeline_rebase (&tunnel->timeline, feedback.clock_ms);
  for (guint i = 0; i < feedback.n_entries; i++) {
    if (feedback.entries[i].connection == tunnel->connection_number)
      stun_ext_send_log_acknowledge (&tunnel->log, &feedback.entries[i], now_us);
  }
}

void
tep_client_tunnel_media (
    TepClientTunnel *tunnel, StunExtFrameKind kind, const guint8 *body, gsize length, gint64 now_us)
{
  if (stun_ext_frame_is_counted (kind))
    stun_ext_tally_count (&tunnel->tally, tunnel->connection_number, now_us);
  switch (kind) {
  case STUN_EXT_FRAME_COMPACT:
    compact_arrived (tunnel, body, length, now_us);
    break;
  case STUN_EXT_FRAME_IPV4:
  case STUN_EXT_FRAME_IPV6:
    whole_arrived (tunnel, body, length);
    break;
  case STUN_EXT_FRAME_CONTROL:
    control_arrived (tunnel, body, length, now_us);
    break;
  default:
    tunnel->invalid++;
    break;
  }
}
