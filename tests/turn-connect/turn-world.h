/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "peers.h"
#include "turn-connect/turn/client.h"

/* How the server is reached. */
typedef struct {
  TurnConnectCarrier carrier;
  gboolean is_tls;
} Way;

#define WORLD_NAMES "DNS:turn.test"

extern const Way way_over_tcp, way_over_tls, way_over_udp, way_over_dtls;

/* An end of the relayed path: a UDP socket that the test reads and writes itself. */
typedef struct {
  int socket;
  StunExtAddress address;
} Peer;

void peer_open (Peer *peer, const char *ip);
/* Reads one packet; who sent it. */
StunExtAddress peer_expect (Peer *peer, const char *text);
void peer_send (Peer *peer, const StunExtAddress *to, const char *text);
void peer_close (Peer *peer);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Peer, peer_close)

/* A client and what it said. */
typedef struct {
  TurnConnectClient *client;
  gboolean is_done; /* of the call under way */
  GError *error;    /* of the last call */
  guint16 channel;
  gboolean has_received;
  GString *received; /* "channel:text " */
  GString *states;   /* "connecting allocating " */
  char *cause;       /* of the last state that had one */
  gboolean has_changed;
  guint n_relayed;
} World;

/* With the user that the servers of the tests know. */
void world_open (World *world, TurnConnectTarget *target, TurnConnectCarrier carrier);
void world_close (World *world);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (World, world_close)

void world_allocate (World *world);
void world_permit (World *world, const StunExtAddress *peer);
void world_bind (World *world, const StunExtAddress *peer);
void world_give_back (World *world);
void world_send (World *world, const StunExtAddress *peer, const char *text);
/* Until all of this was received. */
void world_expect (World *world, const char *text);
/* Packets both ways with a peer on @ip, by Send and Data indications and by channel. */
void world_exchange (World *world, const char *ip);

/* Until the client is in this state, or has left it; at most 20 s. */
void world_wait_state (World *world, TurnConnectClientState state, gboolean is_wanted);
void world_wait_ready (World *world);
/* Cuts the connection below the client's feet. */
void world_cut (World *world);
/* A packet to the relayed address comes by the channel, once the channel is there again. */
void world_expect_channel_works (World *world, Peer *peer);

/* "turn.test" on peers_address (), by TLS verified for that name, or plain. */
TurnConnectTarget *world_target (guint16 port, gboolean is_tls);
/* By TLS, for @name whatever the host is; NULL: for the host. */
TurnConnectTarget *world_target_at (const char *host, guint16 port, const char *name);
/* @names: of its certificate, or NULL for one without TLS. */
PeersProgram *world_coturn (const char *names, const char *const *options, guint16 *port);
