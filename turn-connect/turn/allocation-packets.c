/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Packets of an allocation: what peers sent, and the heads of what goes to them. This is the path
 * that every packet takes, so nothing here allocates.
 */
#include "turn-connect/turn/allocation-private.h"

#include "stun-ext/attribute.h"
#include "stun-ext/channel-data.h"

TurnConnectTook
turn_connect_allocation_take_data (TurnConnectAllocation *self,
                                   const StunExtMessage *message,
                                   gint64 now_us,
                                   TurnConnectReceived *received)
{
  TurnConnectEvent *event;
  StunExtAddress peer;
  guint8 icmp_type;
  guint16 icmp_code;
  guint32 icmp_data;

  if (stun_ext_message_get_xor_address (message, STUN_EXT_ATTRIBUTE_XOR_PEER_ADDRESS, &peer) !=
          STUN_EXT_GET_OK ||
      turn_connect_permissions_find (&self->permissions, &peer) == NULL) {
    self->ignored++;
    return TURN_CONNECT_TOOK_NOTHING;
  }
  if (stun_ext_message_get_data (message, STUN_EXT_ATTRIBUTE_DATA, &received->payload) ==
      STUN_EXT_GET_OK) {
    self->heard_us = now_us;
    received->peer = peer;
    received->channel = 0;
    return TURN_CONNECT_TOOK_PACKET;
  }
  if (stun_ext_message_get_icmp (message, &icmp_type, &icmp_code, &icmp_data) != STUN_EXT_GET_OK) {
    self->ignored++;
    return TURN_CONNECT_TOOK_NOTHING;
  }
  event = turn_connect_event_new (TURN_CONNECT_EVENT_ICMP);
  event->peer = peer;
  event->icmp_type = icmp_type;
  event->icmp_code = icmp_code;
  event->icmp_data = icmp_data;
  turn_connect_allocation_emit (self, event);
  return TURN_CONNECT_TOOK_NOTHING;
}

void
turn_connect_allocation_take_attempt (TurnConnectAllocation *self, const StunExtMessage *message)
{
  TurnConnectEvent *event;
  StunExtAddress peer;
  guint32 connection_id;

  if (self->wishes.relay != TURN_CONNECT_RELAY_TCP || self->state != TURN_CONNECT_ALLOCATION_UP ||
      stun_ext_message_get_xor_address (message, STUN_EXT_ATTRIBUTE_XOR_PEER_ADDRESS, &peer) !=
          STUN_EXT_GET_OK ||
      stun_ext_message_get_u32 (message, STUN_EXT_ATTRIBUTE_CONNECTION_ID, &connection_id) !=
          STUN_EXT_GET_OK) {
    self->ignored++;
    return;
  }
  event = turn_connect_event_new (TURN_CONNECT_EVENT_ATTEMPT);
  event->peer = peer;
  event->connection_id = connection_id;
  turn_connect_allocation_emit (self, event);
}

TurnConnectTook
turn_connect_allocation_take_channel_data (TurnConnectAllocation *self,
                                           const guint8 *data,
                                           gsize length,
                                           gint64 now_us,
                                           TurnConnectReceived *received)
{
  StunExtChannelData unit;
  TurnConnectChannel *channel = NULL;

  if (self->state == TURN_CONNECT_ALLOCATION_UP &&
      stun_ext_channel_data_parse (&unit, data, length))
    channel = turn_connect_channels_find_number (&self->channels, unit.channel);
  /* Before the answer to ChannelBind, too: over UDP it may come later than the first data. */
  if (channel == NULL || !channel->is_wanted || channel->state == TURN_CONNECT_ENTRY_WANTED) {
    self->ignored++;
    return TURN_CONNECT_TOOK_NOTHING;
  }
  self->heard_us = now_us;
  received->peer = channel->peer;
  received->channel = unit.channel;
  received->payload = unit.payload;
  return TURN_CONNECT_TOOK_PACKET;
}

TurnConnectWay
turn_connect_allocation_frame (TurnConnectAllocation *self,
                               const StunExtAddress *peer,
                               gsize length,
                               TurnConnectSendFlags flags,
                               guint8 head[TURN_CONNECT_HEAD_MAX],
                               gsize *head_length,
                               gsize *padding)
{
  gboolean is_whole = (flags & TURN_CONNECT_SEND_DONT_FRAGMENT) != 0 && !self->lacks_dont_fragment;
  StunExtAddress to = stun_ext_address_canonical (peer);
  const TurnConnectChannel *channel;
  const TurnConnectPermission *permission;
  guint8 id[STUN_EXT_TRANSACTION_ID_LENGTH];
  StunExtBuilder builder;

  if (length > TURN_CONNECT_PAYLOAD_MAX)
    return TURN_CONNECT_WAY_TOO_LONG;
  channel = turn_connect_channels_find (&self->channels, &to);
  if (!is_whole && self->state == TURN_CONNECT_ALLOCATION_UP &&
      turn_connect_channel_carries (channel)) {
    stun_ext_channel_data_write_head (head, channel->number, length);
    *head_length = STUN_EXT_CHANNEL_DATA_HEADER_LENGTH;
    *padding = self->is_stream ? (4 - length % 4) % 4 : 0;
    return TURN_CONNECT_WAY_OPEN;
  }
  permission = turn_connect_permissions_find (&self->permissions, &to);
  if (permission == NULL)
    return TURN_CONNECT_WAY_UNKNOWN;
  if (self->state != TURN_CONNECT_ALLOCATION_UP ||
      !turn_connect_permission_lets_through (permission) ||
      self->wishes.relay != TURN_CONNECT_RELAY_UDP)
    return TURN_CONNECT_WAY_NOT_YET;
  self->random (id, sizeof id, self->random_data);
  stun_ext_builder_begin (&builder, head, TURN_CONNECT_HEAD_MAX, STUN_EXT_CLASS_INDICATION,
                          STUN_EXT_METHOD_SEND, id);
  stun_ext_builder_add_xor_address (&builder, STUN_EXT_ATTRIBUTE_XOR_PEER_ADDRESS, &to);
  if (is_whole)
    stun_ext_builder_add_flag (&builder, STUN_EXT_ATTRIBUTE_DONT_FRAGMENT);
  return stun_ext_builder_end_before_payload (&builder, STUN_EXT_ATTRIBUTE_DATA, length,
                                              head_length, padding)
             ? TURN_CONNECT_WAY_OPEN
             : TURN_CONNECT_WAY_TOO_LONG;
}
