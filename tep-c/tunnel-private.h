/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the client's tunnel know of each other: tunnel.c (state, time, requests),
 * tunnel-answer.c (what the server says), tunnel-media.c (packets). */
#pragma once

#include "stun-ext/challenge.h"
#include "stun-ext/credentials.h"
#include "stun-ext/frame.h"
#include "stun-ext/stream.h"
#include "stun-ext/tep.h"
#include "tep-c/tunnel.h"

G_BEGIN_DECLS

#define TEP_CLIENT_TUNNEL_BINDINGS_MAX 16 /* PROTOCOL section 14 */
#define TEP_CLIENT_TUNNEL_ATTEMPTS_MAX                                                             \
  3 /* openings on one connection: none, challenged, challenged again */

/* A request whose answer is awaited. */
typedef struct {
  guint8 transaction_id[STUN_EXT_TRANSACTION_ID_LENGTH];
  StunExtTepKind kind;
  gboolean is_flight; /* signed with the flight key */
  TepClientTunnelBinding *binding;
  TepClientTunnelFlow *flow;
  gint64 sent_us;
} TepClientPending;

struct _TepClientTunnel {
  const TepClientOptions *options;
  GByteArray *output;
  TepClientTunnelEvents events;
  gpointer user;
  TepClientTunnelState state;
  StunExtStream stream;

  /* The opening request under way. */
  char *server_name;
  StunExtTepOpen open;
  guint8 client_random[STUN_EXT_TUNNEL_RANDOM_LENGTH];
  guint8 channel_binding[STUN_EXT_SHA256_LENGTH];
  gboolean has_channel_binding;
  char *username; /* prepared */
  guint8 userhash[STUN_EXT_USERHASH_LENGTH];
  StunExtKey credential_key; /* empty while there is no challenge to answer */
  guint8 flight_key[STUN_EXT_TUNNEL_KEY_LENGTH];
  StunExtChallenge
      challenge; /* for this opening and, as a cache, for later ones (PROTOCOL section 7.1) */
  gboolean has_challenge;
  guint attempts;
  gint64 wall_offset_us; /* server's wall clock less our monotonic one */

  /* What the server gave. */
  guint8 key[STUN_EXT_TUNNEL_KEY_LENGTH];
  guint8 id[STUN_EXT_SHA256_LENGTH];
  gsize id_length;
  guint32 ordinal; /* the last one used */
  guint8 connection_number;
  guint largest_packet;
  guint keepalive_s;
  StunExtAddress mapped;
  StunExtAddress alternate; /* where a server that is being taken out of service sends us */

  GPtrArray *bindings; /* (element-type TepClientTunnelBinding) */
  GPtrArray *flows;    /* (element-type TepClientTunnelFlow) */
  TepClientTunnelFlow *short_flows[62];
  GArray *pending; /* (element-type TepClientPending) */

  gint64 sent_us, received_us, media_sent_us;
  StunExtTally tally;
  StunExtSendLog log;
  StunExtTimeline timeline;
  guint64 invalid;
};

static inline StunExtSpan
tep_client_span (const void *data, gsize length)
{
  return (StunExtSpan){ data, length };
}

/* tunnel.c */
gboolean
tep_client_tunnel_move (TepClientTunnel *tunnel, TepClientTunnelEvent event, const GError *cause);
gboolean tep_client_tunnel_open (TepClientTunnel *tunnel, gint64 now_us, GError **error);
gboolean tep_client_tunnel_request (TepClientTunnel *tunnel,
                                    StunExtTepRequest *request,
                                    TepClientTunnelBinding *binding,
                                    TepClientTunnelFlow *flow,
                                    gint64 now_us);
/* Asks for what is wanted and was not asked for yet. */
void tep_client_tunnel_reconcile (TepClientTunnel *tunnel, gint64 now_us);
/* What was granted is worth nothing any more. */
void tep_client_tunnel_forget (TepClientTunnel *tunnel);

/* tunnel-answer.c: one STUN message from the server. FALSE as tep_client_tunnel_input (). */
gboolean tep_client_tunnel_message (
    TepClientTunnel *tunnel, const guint8 *body, gsize length, gint64 now_us, GError **error);

/* tunnel-media.c */
void tep_client_tunnel_media (TepClientTunnel *tunnel,
                              StunExtFrameKind kind,
                              const guint8 *body,
                              gsize length,
                              gint64 now_us);
void tep_client_tunnel_feedback (TepClientTunnel *tunnel, gint64 now_us);

G_END_DECLS
