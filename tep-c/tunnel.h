/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The client's side of the tunnel without sockets, clock and randomness: it is told what is wanted,
 * what arrived and what time it is; it appends octets to an output, reports events and names its
 * next deadline. What is wanted (bindings, flows) outlives what the server granted, so that opening
 * for the first time and opening anew after the server forgot us are one path. Internal to the
 * library. Times are monotonic microseconds. */
#pragma once

#include "stun-ext/address.h"
#include "stun-ext/feedback.h"
#include "stun-ext/flow.h"
#include "stun-ext/inner-packet.h"
#include "tep-c/options.h"
#include "tep-c/session.h"

G_BEGIN_DECLS

#define TEP_CLIENT_TUNNEL_ANSWER_US (5 * (gint64)G_USEC_PER_SEC) /* PROTOCOL section 7.5 */

/*
 * IDLE       nothing is known at the server; connected() opens
 * OPENING    the opening request waits for its answer
 * OPEN       keys agreed; the confirming request is ahead of all media in the stream
 * SUSPENDED  open at the server, but no connection; connected() resumes
 * RESUMING   the Resume request waits for its answer
 * CLOSING    the Close request waits for its answer
 */
typedef enum {
  TEP_CLIENT_TUNNEL_IDLE,
  TEP_CLIENT_TUNNEL_OPENING,
  TEP_CLIENT_TUNNEL_OPEN,
  TEP_CLIENT_TUNNEL_SUSPENDED,
  TEP_CLIENT_TUNNEL_RESUMING,
  TEP_CLIENT_TUNNEL_CLOSING,
  TEP_CLIENT_TUNNEL_N_STATES
} TepClientTunnelState;

typedef enum {
  TEP_CLIENT_TUNNEL_CONNECTED_NEW,    /* a connection is up, nothing to resume */
  TEP_CLIENT_TUNNEL_CONNECTED_RESUME, /* a connection is up, the server still knows us */
  TEP_CLIENT_TUNNEL_ACCEPTED,         /* success for the opening or Resume request */
  TEP_CLIENT_TUNNEL_CHALLENGED,       /* the opening is repeated with a nonce */
  TEP_CLIENT_TUNNEL_FORGOTTEN,        /* the server does not know the tunnel: open anew */
  TEP_CLIENT_TUNNEL_LOST,             /* the connection is gone */
  TEP_CLIENT_TUNNEL_LEAVING,          /* close() */
  TEP_CLIENT_TUNNEL_ENDED,            /* refused for good, closed, or the server ended it */
  TEP_CLIENT_TUNNEL_N_EVENTS
} TepClientTunnelEvent;

typedef struct _TepClientTunnel TepClientTunnel;

/* A binding that is wanted, and what the server granted for it. */
typedef struct {
  TepClientLease wanted;
  gpointer owner;
  gboolean is_asked;
  gboolean is_granted;
  gboolean is_relayed;
  guint32 id;
  StunExtAddress address;
  guint lifetime_s;
  gint64 refresh_us; /* when to refresh it */
} TepClientTunnelBinding;

/* A flow that is wanted. Packets pass while is_open. */
typedef struct {
  TepClientTunnelBinding *binding;
  gpointer owner;
  guint16 id;
  guint8 port_offset;
  guint bandwidth_kbit_s;
  int dscp;
  StunExtAddress remote;
  gboolean is_asked;
  gboolean is_open;
  StunExtFlowSender sender;
  StunExtFlowReceiver receiver;
} TepClientTunnelFlow;

typedef struct {
  TepClientTunnelBinding *binding;
  TepClientTunnelFlow *flow; /* NULL for a packet of no flow */
  StunExtAddress source;
  guint port_offset;
  const guint8 *payload;
  gsize length;
} TepClientArrival;

typedef struct {
  void (*state) (gpointer user,
                 TepClientTunnelState before,
                 TepClientTunnelState now,
                 const GError *cause);
  /* Granted for the first time, moved to another address, or refused (error). */
  void (*binding) (gpointer user, TepClientTunnelBinding *binding, const GError *error);
  void (*flow) (gpointer user, TepClientTunnelFlow *flow, const GError *error);
  void (*packet) (gpointer user, const TepClientArrival *arrival);
  void (*random) (gpointer user, guint8 *octets, gsize length);
  /* Every inner packet that passes, in either direction; for captures. */
  void (*inner) (gpointer user, const StunExtInnerPacket *packet);
} TepClientTunnelEvents;

/* output: where octets for the connection are appended; the owner empties it from the front. */
TepClientTunnel *tep_client_tunnel_new (const TepClientOptions *options,
                                        GByteArray *output,
                                        const TepClientTunnelEvents *events,
                                        gpointer user);
void tep_client_tunnel_free (TepClientTunnel *tunnel);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TepClientTunnel, tep_client_tunnel_free)

TepClientTunnelState tep_client_tunnel_get_state (TepClientTunnel *tunnel);
/* Where the server sent us when it ended the tunnel, told once. FALSE: nowhere. */
gboolean tep_client_tunnel_take_alternate (TepClientTunnel *tunnel, StunExtAddress *alternate);
/* Changes the state if the pair is listed. For tests; everything else goes through the functions
 * below. */
gboolean tep_client_tunnel_step (TepClientTunnelState *state, TepClientTunnelEvent event);

/* A connection is up: opens or resumes. wall_ms: milliseconds since 1970, UTC. channel_binding: 32
 * octets or NULL. */
void tep_client_tunnel_connected (TepClientTunnel *tunnel,
                                  gint64 now_us,
                                  guint64 wall_ms,
                                  const guint8 *channel_binding);
/* The connection is gone; the output was emptied. */
void tep_client_tunnel_disconnected (TepClientTunnel *tunnel);
/* FALSE: the connection cannot go on and is to be dropped; error says why. */
gboolean tep_client_tunnel_input (
    TepClientTunnel *tunnel, const guint8 *data, gsize length, gint64 now_us, GError **error);
/* Sends what has become due. FALSE as above. */
gboolean tep_client_tunnel_tick (TepClientTunnel *tunnel, gint64 now_us, GError **error);
gint64 tep_client_tunnel_deadline (TepClientTunnel *tunnel);
/* Asks the server to close; without a connection the tunnel is simply forgotten. */
void tep_client_tunnel_close (TepClientTunnel *tunnel, gint64 now_us);

/* The returned handles belong to the tunnel until they are removed. */
TepClientTunnelBinding *tep_client_tunnel_add_binding (TepClientTunnel *tunnel,
                                                       const TepClientLease *wanted,
                                                       gpointer owner,
                                                       gint64 now_us);
/* Releases it and removes its flows, whose owners are not told. */
void tep_client_tunnel_remove_binding (TepClientTunnel *tunnel,
                                       TepClientTunnelBinding *binding,
                                       gint64 now_us);
TepClientTunnelFlow *tep_client_tunnel_add_flow (TepClientTunnel *tunnel,
                                                 TepClientTunnelBinding *binding,
                                                 const StunExtAddress *remote,
                                                 guint port_offset,
                                                 guint bandwidth_kbit_s,
                                                 int dscp,
                                                 gpointer owner,
                                                 gint64 now_us);
void
tep_client_tunnel_remove_flow (TepClientTunnel *tunnel, TepClientTunnelFlow *flow, gint64 now_us);

/* Appends one packet to the output, compact on its flow or whole. */
TepClientSent tep_client_tunnel_send (TepClientTunnel *tunnel,
                                      TepClientTunnelFlow *flow,
                                      const guint8 *payload,
                                      gsize length,
                                      gint64 now_us);
TepClientSent tep_client_tunnel_send_to (TepClientTunnel *tunnel,
                                         TepClientTunnelBinding *binding,
                                         guint port_offset,
                                         const StunExtAddress *remote,
                                         const guint8 *payload,
                                         gsize length,
                                         gint64 now_us);

gboolean tep_client_tunnel_get_public_address (TepClientTunnel *tunnel, StunExtAddress *address);
guint tep_client_tunnel_get_largest_packet (TepClientTunnel *tunnel);
/* Microseconds, 0 while unknown. */
gint64 tep_client_tunnel_get_round_trip (TepClientTunnel *tunnel);
guint64 tep_client_tunnel_get_invalid (TepClientTunnel *tunnel);

G_END_DECLS
