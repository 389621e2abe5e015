/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tables that the local TURN server looks into for every packet. They are short, and bounded
 * whatever a client asks for, so they are simply gone through.
 */
#include "turn-connect/local/turn-server-peers.h"

#include "stun-ext/protocol.h"
#include "turn-connect/local/turn-server.h"

#define PERMISSION_US (STUN_EXT_PERMISSION_LIFETIME_S * G_USEC_PER_SEC)
#define CHANNEL_US (STUN_EXT_CHANNEL_LIFETIME_S * G_USEC_PER_SEC)

typedef struct {
  StunExtAddress host;
  gint64 ends_us;
} Permission;

typedef struct {
  StunExtAddress peer;
  guint16 number;
  gint64 ends_us;
} Channel;

#define permission_at(peers, i) (&g_array_index ((peers)->permissions, Permission, i))
#define channel_at(peers, i) (&g_array_index ((peers)->channels, Channel, i))

void
turn_connect_turn_peers_init (TurnConnectTurnPeers *peers)
{
  peers->permissions = g_array_new (FALSE, FALSE, sizeof (Permission));
  peers->channels = g_array_new (FALSE, FALSE, sizeof (Channel));
  peers->next_us = G_MAXINT64;
}

void
turn_connect_turn_peers_clear (TurnConnectTurnPeers *peers)
{
  g_clear_pointer (&peers->permissions, g_array_unref);
  g_clear_pointer (&peers->channels, g_array_unref);
}

void
turn_connect_turn_peers_drop_all (TurnConnectTurnPeers *peers)
{
  g_array_set_size (peers->permissions, 0);
  g_array_set_size (peers->channels, 0);
  peers->next_us = G_MAXINT64;
}

static Permission *
find_permission (const TurnConnectTurnPeers *peers, const StunExtAddress *peer)
{
  for (guint i = 0; i < peers->permissions->len; i++)
    if (stun_ext_address_equal_host (&permission_at (peers, i)->host, peer))
      return permission_at (peers, i);
  return NULL;
}

static Channel *
find_channel (const TurnConnectTurnPeers *peers, const StunExtAddress *peer)
{
  for (guint i = 0; i < peers->channels->len; i++)
    if (stun_ext_address_equal (&channel_at (peers, i)->peer, peer))
      return channel_at (peers, i);
  return NULL;
}

static Channel *
find_number (const TurnConnectTurnPeers *peers, guint16 number)
{
  for (guint i = 0; i < peers->channels->len; i++)
    if (channel_at (peers, i)->number == number)
      return channel_at (peers, i);
  return NULL;
}

gboolean
turn_connect_turn_peers_may_permit (const TurnConnectTurnPeers *peers,
                                    const StunExtAddress *hosts,
                                    guint n_hosts)
{
  guint n_new = 0;

  for (guint i = 0; i < n_hosts; i++)
    n_new += find_permission (peers, &hosts[i]) == NULL;
  return peers->permissions->len + n_new <= TURN_CONNECT_TURN_SERVER_PERMISSIONS_MAX;
}

void
turn_connect_turn_peers_permit (TurnConnectTurnPeers *peers, const StunExtAddress *host, gint64 now)
{
  Permission *permission = find_permission (peers, host);
  Permission new = { .host = *host };

  if (permission == NULL) {
    if (peers->permissions->len == TURN_CONNECT_TURN_SERVER_PERMISSIONS_MAX)
      return;
    new.host.port = 0;
    g_array_append_val (peers->permissions, new);
    permission = permission_at (peers, peers->permissions->len - 1);
  }
  permission->ends_us = now + PERMISSION_US;
  peers->next_us = MIN (peers->next_us, permission->ends_us);
}

gboolean
turn_connect_turn_peers_permits (const TurnConnectTurnPeers *peers, const StunExtAddress *peer)
{
  return find_permission (peers, peer) != NULL;
}

TurnConnectTurnPeersVerdict
turn_connect_turn_peers_may_bind (const TurnConnectTurnPeers *peers,
                                  guint16 number,
                                  const StunExtAddress *peer)
{
  const Channel *by_number = find_number (peers, number);
  const Channel *by_peer = find_channel (peers, peer);

  if (by_number != by_peer)
    return TURN_CONNECT_TURN_PEERS_TAKEN;
  if ((by_peer == NULL && peers->channels->len == TURN_CONNECT_TURN_SERVER_CHANNELS_MAX) ||
      !turn_connect_turn_peers_may_permit (peers, peer, 1))
    return TURN_CONNECT_TURN_PEERS_FULL;
  return TURN_CONNECT_TURN_PEERS_OK;
}

void
turn_connect_turn_peers_bind (TurnConnectTurnPeers *peers,
                              guint16 number,
                              const StunExtAddress *peer,
                              gint64 now)
{
  Channel *channel = find_number (peers, number);
  Channel new = { .peer = *peer, .number = number };

  if (turn_connect_turn_peers_may_bind (peers, number, peer) != TURN_CONNECT_TURN_PEERS_OK)
    return;
  if (channel == NULL) {
    g_array_append_val (peers->channels, new);
    channel = channel_at (peers, peers->channels->len - 1);
  }
  channel->ends_us = now + CHANNEL_US;
  turn_connect_turn_peers_permit (peers, peer, now);
}

const StunExtAddress *
turn_connect_turn_peers_by_number (const TurnConnectTurnPeers *peers, guint16 number)
{
  const Channel *channel = find_number (peers, number);

  return channel != NULL ? &channel->peer : NULL;
}

guint16
turn_connect_turn_peers_by_peer (const TurnConnectTurnPeers *peers, const StunExtAddress *peer)
{
  const Channel *channel = find_channel (peers, peer);

  return channel != NULL ? channel->number : 0;
}

void
turn_connect_turn_peers_hold (TurnConnectTurnPeers *peers, const StunExtAddress *peer, gint64 until)
{
  Permission *permission = find_permission (peers, peer);
  Channel *channel = find_channel (peers, peer);

  if (permission != NULL)
    permission->ends_us = MAX (permission->ends_us, until);
  if (channel != NULL)
    channel->ends_us = MAX (channel->ends_us, until);
}

void
turn_connect_turn_peers_drop (TurnConnectTurnPeers *peers, const StunExtAddress *peer)
{
  Permission *permission = find_permission (peers, peer);

  for (guint i = peers->channels->len; i > 0; i--) {
    const StunExtAddress *other = &channel_at (peers, i - 1)->peer;

    if (peer->port == 0 ? stun_ext_address_equal_host (other, peer)
                        : stun_ext_address_equal (other, peer))
      g_array_remove_index_fast (peers->channels, i - 1);
  }
  if (peer->port == 0 && permission != NULL)
    g_array_remove_index_fast (peers->permissions, (guint)(permission - permission_at (peers, 0)));
}

static gboolean
has_channel (const TurnConnectTurnPeers *peers, const StunExtAddress *host)
{
  for (guint i = 0; i < peers->channels->len; i++)
    if (stun_ext_address_equal_host (&channel_at (peers, i)->peer, host))
      return TRUE;
  return FALSE;
}

/* What ends first. */
static void
find_next (TurnConnectTurnPeers *peers)
{
  peers->next_us = G_MAXINT64;
  for (guint i = 0; i < peers->channels->len; i++)
    peers->next_us = MIN (peers->next_us, channel_at (peers, i)->ends_us);
  for (guint i = 0; i < peers->permissions->len; i++)
    peers->next_us = MIN (peers->next_us, permission_at (peers, i)->ends_us);
}

void
turn_connect_turn_peers_end_family (TurnConnectTurnPeers *peers, guint8 family)
{
  for (guint i = 0; i < peers->channels->len; i++)
    if (channel_at (peers, i)->peer.family == family)
      channel_at (peers, i)->ends_us = peers->next_us = 0;
  for (guint i = 0; i < peers->permissions->len; i++)
    if (permission_at (peers, i)->host.family == family)
      permission_at (peers, i)->ends_us = peers->next_us = 0;
}

gboolean
turn_connect_turn_peers_take_over (TurnConnectTurnPeers *peers,
                                   gint64 now,
                                   StunExtAddress *peer,
                                   gboolean *stays_permitted)
{
  if (now < peers->next_us)
    return FALSE;
  for (guint i = 0; i < peers->channels->len; i++) {
    if (now < channel_at (peers, i)->ends_us)
      continue;
    *peer = channel_at (peers, i)->peer;
    g_array_remove_index_fast (peers->channels, i);
    *stays_permitted = turn_connect_turn_peers_permits (peers, peer);
    return TRUE;
  }
  for (guint i = 0; i < peers->permissions->len; i++) {
    if (now < permission_at (peers, i)->ends_us)
      continue;
    *peer = permission_at (peers, i)->host;
    g_array_remove_index_fast (peers->permissions, i);
    *stays_permitted = has_channel (peers, peer);
    return TRUE;
  }
  find_next (peers);
  return FALSE;
}
