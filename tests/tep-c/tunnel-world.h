/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The client's tunnel against a server of the tests' own, without sockets and with a clock that
 * the test moves. */
#pragma once

#include "stun-ext/nonce.h"
#include "tep-c/tunnel-private.h"
#include "tep-c/tunnel.h"

#define SECOND ((gint64)G_USEC_PER_SEC)

/* What the server does unless told otherwise is what TEP-S does. */
typedef struct {
  GByteArray *wire; /* from the client */
  TepClientTunnel *tunnel;
  gint64 now_us;
  gboolean is_long_term;
  gboolean forgets;     /* Resume gets 437 */
  gboolean is_silent;   /* nothing is answered */
  gboolean is_plain;    /* answers as a STUN server */
  gboolean forges;      /* signs with a wrong key */
  guint refuse_opening; /* error code, 0 for none */
  guint refuse_lease;
  guint refuse_flow;
  guint16 port_shift; /* leases this much above the wanted port */
  guint8 random[32], id[20];
  StunExtKey credential;
  guint8 flight_key[32], key[32];
  guint32 next_binding;
  StunExtOrdinalWindow ordinals;
  guint n_opens, n_leases, n_refreshes, n_flows, n_keepalives, n_resumes, n_closes, n_media;
  guint n_challenges;
  /* events */
  GString *states;
  guint n_bound, n_moved, n_refused, n_flow_open, n_flow_refused, n_packets;
  GError *cause;
  StunExtAddress bound;
  GString *heard;
} World;

void world_up (World *w, gboolean is_long_term);
void world_down (World *w);
/* The connection is there, and is gone. */
void connect_up (World *w);
void cut (World *w);
/* The server answers all that the client has said. */
void serve (World *w);
/* An open tunnel, a binding, and a flow of it that was asked for. */
TepClientTunnelFlow *call_up (World *w, TepClientTunnelBinding **binding);
