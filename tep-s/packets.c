/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The packet path: frames of a tunnel to packets of the core, and back. No lock, no allocation, no
 * log line; a packet that may not pass ends in a counter.
 */
#include "stun-ext/octets.h"
#include "tep-s/core-private.h"
#include "tep-s/whole-private.h"

#define FEEDBACK_WAIT_US 60000 /* FEEDBACK waits this long for media to ride with */
#define BLOCKED_US                                                                                 \
  300000             /* a frame this old that nobody has seen arrive: the connection is stuck */
#define BURST_MS 500 /* of a flow's bandwidth that may come at once */
#define IPV4_UDP_OVERHEAD 28
#define IPV6_UDP_OVERHEAD 48

/* ---- judgement ---- */

static gsize
packet_length (const TepServerFlow *flow, gsize payload)
{
  return payload + (flow->leased.family == 4 ? IPV4_UDP_OVERHEAD : IPV6_UDP_OVERHEAD);
}

/* The policy is asked for each packet; its answer for an address holds as long as it is the same
 * policy. */
gboolean
tep_server_flow_is_allowed (TepServerCore *core, TepServerFlow *flow, TepServerDirection direction)
{
  const TepServerMediaConfig *media = &core->settings.config->media;

  if (flow->policy_generation == core->policy_generation)
    return flow->is_allowed;
  flow->is_allowed =
      tep_server_policy_check (core->settings.policy, direction, &flow->remote) ==
          TEP_SERVER_VERDICT_ALLOW &&
      (!media->is_pinhole_only || tep_server_pinhole_is_open (core, &flow->leased, &flow->remote));
  flow->policy_generation = core->policy_generation;
  return flow->is_allowed;
}

static gboolean
take_bandwidth (TepServerCore *core, const TepServerFlow *flow, Bucket *bucket, gsize length)
{
  gint64 per_ms = (gint64)flow->bandwidth_kbit / 8;
  gint64 most = MAX (per_ms * BURST_MS, 2 * core->settings.config->media.largest_packet);
  gint64 ms = (core->now_us - bucket->filled_us) / 1000;

  if (ms > 0) {
    gint64 gain = MIN (ms, BURST_MS) * flow->bandwidth_kbit / 8;

    bucket->octets = bucket->filled_us == 0 ? most : MIN (most, bucket->octets + gain);
    bucket->filled_us = bucket->filled_us == 0 ? core->now_us : bucket->filled_us + ms * 1000;
  }
  if (bucket->octets < (gint64)length)
    return FALSE;
  bucket->octets -= (gint64)length;
  return TRUE;
}

/* ---- up: from the device ---- */

void
tep_server_core_flush_packets (TepServerCore *core)
{
  gsize octets = 0;
  gsize failed;

  if (core->n_batch == 0)
    return;
  for (gsize i = 0; i < core->n_batch; i++) {
    octets += core->batch[i].length;
    if (core->is_recording)
      core->host->record (core->host_data, &core->batch[i]);
  }
  failed = core->host->send (core->host_data, core->batch, core->n_batch);
  COUNT_N (core, UP_FORWARDED, core->n_batch - failed);
  COUNT_N (core, UP_FORWARDED_OCTETS, octets);
  COUNT_N (core, UP_DROP_SEND, failed);
  core->n_batch = 0;
}

void
tep_server_packets_up (TepServerFlow *flow, const guint8 *payload, gsize length)
{
  TepServerCore *core = flow->leasing->tunnel->core;
  gsize whole = packet_length (flow, length);

  flow->used_us = core->now_us;
  if (whole > core->settings.config->media.largest_packet) {
    COUNT (core, UP_DROP_LARGE);
    return;
  }
  if (!tep_server_flow_is_allowed (core, flow, TEP_SERVER_TO_REMOTE)) {
    COUNT (core, UP_DROP_POLICY);
    return;
  }
  if (!take_bandwidth (core, flow, &flow->up, whole)) {
    COUNT (core, UP_DROP_RATE);
    return;
  }
  core->batch[core->n_batch++] = (TepServerPacket){ .binding = &flow->leasing->binding,
                                                    .source = &flow->leased,
                                                    .destination = &flow->remote,
                                                    .payload = payload,
                                                    .length = length,
                                                    .dscp = flow->dscp };
  if (core->n_batch == PACKET_BATCH)
    tep_server_core_flush_packets (core);
}

static void
judge (TepServerFlow *flow, StunExtFlowVerdict verdict, const guint8 *payload, gsize length)
{
  TepServerCore *core = flow->leasing->tunnel->core;

  COUNT (core, UP_PACKETS);
  COUNT_N (core, UP_OCTETS, length);
  if (verdict == STUN_EXT_FLOW_NEW)
    tep_server_packets_up (flow, payload, length);
  else
    COUNT (core, UP_DROP_DUPLICATE);
}

static void
read_compact (TepServerTunnel *tunnel,
              TepServerConnection *connection,
              const guint8 *body,
              gsize length)
{
  TepServerCore *core = tunnel->core;
  StunExtFlowStamp stamp = { .now_us = core->now_us };
  StunExtCompactFrame frame;
  TepServerFlow *flow;

  if (!stun_ext_compact_parse (body, length, &frame)) {
    COUNT (core, UP_PACKETS);
    COUNT (core, UP_DROP_MALFORMED);
    return;
  }
  stamp.is_timed = stun_ext_timeline_unwrap (&connection->timeline, frame.time, &stamp.sent_ms);
  flow = tep_server_flow_find_id (tunnel, frame.flow);
  if (flow == NULL) {
    COUNT (core, UP_PACKETS);
    COUNT (core, UP_DROP_UNKNOWN);
    return;
  }
  for (guint i = 0; i < frame.n_blocks; i++) {
    const StunExtFrameBlock *block = &frame.blocks[i];

    judge (flow,
           stun_ext_flow_receive_block (&flow->receiver, frame.sequence, block->distance, &stamp),
           block->payload, block->length);
  }
  judge (flow, stun_ext_flow_receive (&flow->receiver, frame.sequence, &stamp), frame.payload,
         frame.length);
}

static void
read_control (TepServerTunnel *tunnel,
              TepServerConnection *connection,
              const guint8 *body,
              gsize length)
{
  TepServerCore *core = tunnel->core;
  StunExtFeedback feedback;

  if (stun_ext_frame_control_type (body, length) != STUN_EXT_CONTROL_FEEDBACK ||
      !stun_ext_feedback_parse (body, length, &feedback)) {
    COUNT (core, FRAMES_UNKNOWN);
    return;
  }
  stun_ext_timeline_rebase (&connection->timeline, feedback.clock_ms);
  for (guint i = 0; i < feedback.n_entries; i++) {
    TepServerConnection *about = tunnel->connections[feedback.entries[i].connection];

    if (about != NULL)
      stun_ext_send_log_acknowledge (&about->log, &feedback.entries[i], core->now_us);
  }
}

static void
note_arrival (TepServerTunnel *tunnel, TepServerConnection *connection)
{
  TepServerCore *core = tunnel->core;

  stun_ext_tally_count (&tunnel->tally, connection->number, core->now_us);
  tunnel->last_number = connection->number;
  if (stun_ext_tally_due_us (&tunnel->tally) + FEEDBACK_WAIT_US <= core->now_us)
    tep_server_tunnel_feedback (tunnel, connection);
  else
    tep_server_tunnel_feedback_due (tunnel);
}

void
tep_server_packets_frame (TepServerTunnel *tunnel,
                          TepServerConnection *connection,
                          const guint8 *body,
                          gsize length)
{
  StunExtFrameKind kind = stun_ext_frame_kind (body, length);

  tunnel->heard_us = tunnel->core->now_us;
  if (kind == STUN_EXT_FRAME_STUN) {
    tep_server_tunnel_message (tunnel, connection, body, length);
    return;
  }
  if (kind == STUN_EXT_FRAME_NULL) {
    COUNT (tunnel->core, FRAMES_NULL);
    return;
  }
  if (tunnel->state == TUNNEL_PROVISIONAL) { /* PROTOCOL.md section 2 */
    tep_server_connection_close (connection, TEP_SERVER_COUNTER_CONNECTION_PROTOCOL);
    return;
  }
  if (stun_ext_frame_is_counted (kind))
    note_arrival (tunnel, connection);
  if (kind == STUN_EXT_FRAME_COMPACT)
    read_compact (tunnel, connection, body, length);
  else if (kind == STUN_EXT_FRAME_CONTROL)
    read_control (tunnel, connection, body, length);
  else if (kind == STUN_EXT_FRAME_IPV4 || kind == STUN_EXT_FRAME_IPV6)
    tep_server_whole_up (tunnel, body, length);
  else
    COUNT (tunnel->core, FRAMES_UNKNOWN);
}

/* ---- down: to the device ---- */

static gboolean
is_blocked (const TepServerConnection *connection)
{
  return connection->is_output_waiting ||
         stun_ext_send_log_oldest_age_us (&connection->log, connection->core->now_us) > BLOCKED_US;
}

/* The connection the device spoke on last, unless it is stuck and another one is not. */
TepServerConnection *
tep_server_packets_choose (TepServerTunnel *tunnel)
{
  TepServerConnection *last = tunnel->connections[tunnel->last_number];
  TepServerConnection *any = last;

  if (last != NULL && (tunnel->n_connections == 1 || !is_blocked (last)))
    return last;
  for (guint i = 0; i < STUN_EXT_CONNECTIONS_MAX; i++) {
    TepServerConnection *connection = tunnel->connections[i];

    if (connection == NULL)
      continue;
    if (!is_blocked (connection))
      return connection;
    if (any == NULL)
      any = connection;
  }
  return any;
}

static void
write_compact (TepServerFlow *flow, const TepServerPacket *packet)
{
  TepServerTunnel *tunnel = flow->leasing->tunnel;
  TepServerCore *core = tunnel->core;
  TepServerConnection *connection = tep_server_packets_choose (tunnel);
  guint8 head[STUN_EXT_COMPACT_HEADER_MAX];
  StunExtCompactFrame frame;
  StunExtWriter writer;

  if (connection == NULL) {
    COUNT (core, DOWN_DROP_ABSENT);
    return;
  }
  if (stun_ext_send_log_needs_clock (&connection->log, core->now_us) ||
      stun_ext_tally_due_us (&tunnel->tally) <= core->now_us)
    tep_server_tunnel_feedback (tunnel, connection);
  frame.flow = flow->id;
  frame.time = stun_ext_flow_time (core->now_us);
  frame.sequence = flow->sequence;
  frame.n_blocks = 0;
  frame.length = packet->length;
  frame.payload = packet->payload;
  stun_ext_writer_init (&writer, head, sizeof head);
  stun_ext_compact_write_header (&writer, &frame);
  if (writer.failed) {
    COUNT (core, DOWN_DROP_LARGE);
    return;
  }
  if (!tep_server_connection_write (connection, head, writer.length, packet->payload,
                                    packet->length, TRUE)) {
    COUNT (core, DOWN_DROP_SLOW);
    return;
  }
  flow->sequence++;
  stun_ext_send_log_written (&connection->log, core->now_us);
  stun_ext_send_log_clock_written (&connection->log, core->now_us);
  COUNT (core, DOWN_FORWARDED);
  COUNT_N (core, DOWN_FORWARDED_OCTETS, packet->length);
}

static void
deliver_flow (TepServerCore *core, TepServerFlow *flow, const TepServerPacket *packet)
{
  gsize whole = packet_length (flow, packet->length);

  if (!tep_server_flow_is_allowed (core, flow, TEP_SERVER_FROM_REMOTE)) {
    COUNT (core, DOWN_DROP_POLICY);
  } else if (whole > core->settings.config->media.largest_packet) {
    COUNT (core, DOWN_DROP_LARGE);
  } else if (!take_bandwidth (core, flow, &flow->down, whole)) {
    COUNT (core, DOWN_DROP_RATE);
  } else {
    flow->used_us = core->now_us;
    if (core->is_recording)
      core->host->record (core->host_data, packet);
    if (flow->has_id)
      write_compact (flow, packet);
    else
      tep_server_whole_down (flow->leasing->tunnel, packet, flow->dscp);
  }
}

/* A packet of which nobody named the source: early media (PROTOCOL.md section 8.3), or another
 * worker's. */
static void
deliver_early (TepServerCore *core, const TepServerPacket *packet)
{
  LeasedPort *port = tep_server_port_find (core, packet->destination);
  ForeignOwner *owner;

  if (port == NULL) {
    owner = core->total > 1 ? tep_server_foreign_find (core, packet->destination) : NULL;
    if (owner == NULL) {
      COUNT (core, DOWN_DROP_UNKNOWN);
      return;
    }
    if (!core->host->pass (core->host_data, owner->worker, packet)) {
      COUNT (core, DOWN_DROP_BUSY);
      return;
    }
    COUNT_N (core, DOWN_PACKETS, -1); /* the owner counts it */
    COUNT_N (core, DOWN_OCTETS, -(gint64)packet->length);
    return;
  }
  if (port->leasing->tunnel->state == TUNNEL_PROVISIONAL ||
      !tep_server_policy_is_core (core->settings.policy, packet->source)) {
    COUNT (core, DOWN_DROP_UNKNOWN);
    return;
  }
  if (tep_server_policy_check (core->settings.policy, TEP_SERVER_FROM_REMOTE, packet->source) !=
          TEP_SERVER_VERDICT_ALLOW ||
      (core->settings.config->media.is_pinhole_only &&
       !tep_server_pinhole_is_open (core, packet->destination, packet->source))) {
    COUNT (core, DOWN_DROP_POLICY);
    return;
  }
  if (core->is_recording)
    core->host->record (core->host_data, packet);
  tep_server_whole_down (port->leasing->tunnel, packet, packet->dscp);
}

void
tep_server_core_deliver (TepServerCore *core, const TepServerPacket *packets, gsize n)
{
  for (gsize i = 0; i < n; i++) {
    const TepServerPacket *packet = &packets[i];
    TepServerFlow *flow = tep_server_flow_find (core, packet->destination, packet->source);

    COUNT (core, DOWN_PACKETS);
    COUNT_N (core, DOWN_OCTETS, packet->length);
    if (flow != NULL)
      deliver_flow (core, flow, packet);
    else
      deliver_early (core, packet);
  }
}
