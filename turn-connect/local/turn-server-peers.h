/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stun-ext/address.h"

/* Whom a client of the local TURN server may exchange packets with: permissions by host and
 * channels by peer, each until its time is over (RFC 8656 sections 9 and 12). Addresses are
 * canonical. Embed it. */
typedef struct {
  GArray *permissions;
  GArray *channels;
  gint64 next_us; /* nothing ends before */
} TurnConnectTurnPeers;

typedef enum {
  TURN_CONNECT_TURN_PEERS_OK,
  TURN_CONNECT_TURN_PEERS_TAKEN, /* the number has another peer, or the peer another number */
  TURN_CONNECT_TURN_PEERS_FULL,
} TurnConnectTurnPeersVerdict;

void turn_connect_turn_peers_init (TurnConnectTurnPeers *peers);
void turn_connect_turn_peers_clear (TurnConnectTurnPeers *peers);
void turn_connect_turn_peers_drop_all (TurnConnectTurnPeers *peers);

/* Is there room for them all? */
gboolean turn_connect_turn_peers_may_permit (const TurnConnectTurnPeers *peers,
                                             const StunExtAddress *hosts,
                                             guint n_hosts);
/* Begins or renews; nothing happens without room. */
void turn_connect_turn_peers_permit (TurnConnectTurnPeers *peers,
                                     const StunExtAddress *host,
                                     gint64 now);
gboolean turn_connect_turn_peers_permits (const TurnConnectTurnPeers *peers,
                                          const StunExtAddress *peer);

TurnConnectTurnPeersVerdict turn_connect_turn_peers_may_bind (const TurnConnectTurnPeers *peers,
                                                              guint16 number,
                                                              const StunExtAddress *peer);
/* Begins or renews a channel, and the permission of its host. */
void turn_connect_turn_peers_bind (TurnConnectTurnPeers *peers,
                                   guint16 number,
                                   const StunExtAddress *peer,
                                   gint64 now);
/* NULL: no such channel. */
const StunExtAddress *turn_connect_turn_peers_by_number (const TurnConnectTurnPeers *peers,
                                                         guint16 number);
/* 0: the peer has no channel. */
guint16 turn_connect_turn_peers_by_peer (const TurnConnectTurnPeers *peers,
                                         const StunExtAddress *peer);

/* Somebody is about to renew what there is of this peer: it does not end before @until. */
void turn_connect_turn_peers_hold (TurnConnectTurnPeers *peers,
                                   const StunExtAddress *peer,
                                   gint64 until);
/* Drops a channel, or with port 0 a host with all its channels. */
void turn_connect_turn_peers_drop (TurnConnectTurnPeers *peers, const StunExtAddress *peer);
/* What there is of a family (4 or 6) is over now. */
void turn_connect_turn_peers_end_family (TurnConnectTurnPeers *peers, guint8 family);
/* Drops one of those whose time is over. FALSE: there is none. @peer: a channel's, or a host
 * with port 0; @stays_permitted: its host is still permitted, or has a channel. */
gboolean turn_connect_turn_peers_take_over (TurnConnectTurnPeers *peers,
                                            gint64 now,
                                            StunExtAddress *peer,
                                            gboolean *stays_permitted);
