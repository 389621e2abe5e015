/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What session.c, session-link.c and handle.c know of each other. */
#pragma once

#include "tep-c/session.h"
#include "tep-c/tunnel.h"
#include "turn-connect/dial.h"

G_BEGIN_DECLS

struct _TepClientSession {
  GObject parent_instance;

  GMainContext *context;
  TepClientOptions *options;
  TepClientState state;
  TepClientTunnel *tunnel;
  GError *end_cause; /* why the tunnel ended, until the state says so */

  /* The link: at most one of dial and stream. */
  TurnConnectTarget *target;
  TurnConnectTarget *alternate; /* instead, while the server that it leads to has us */
  GCancellable *dial;
  TurnConnectStream *stream;
  GSource *stream_source;
  GByteArray *output;
  gboolean is_reading; /* a round is on: what is written goes at its end */

  GSource *timer;
  gint64 attempt_us;    /* when to try again; 0 for not waiting */
  gint64 opened_at_us;  /* open () was called */
  gint64 down_since_us; /* no tunnel since; 0 with one */
  guint failures;       /* in succession */
  gboolean was_open;

  GPtrArray *bindings; /* (element-type TepClientBinding): own a reference each */
  TepClientStatistics statistics;
  guint64 duplicates_gone; /* of flows that were closed */
  TepClientTap tap;
  gpointer tap_data;
};

struct _TepClientBinding {
  GObject parent_instance;
  TepClientSession *session; /* not owned; NULL when released or the session is gone */
  TepClientTunnelBinding *tunnel_binding;
  TepClientReceive receive;
  gpointer receive_data;
  GTask *pending;
  StunExtAddress address;
  gboolean is_relayed;
  GPtrArray *flows; /* (element-type TepClientFlow): not owned */
};

struct _TepClientFlow {
  GObject parent_instance;
  TepClientBinding *binding;
  TepClientTunnelFlow *tunnel_flow; /* NULL when closed */
  GTask *pending;
  StunExtAddress remote;
  TepClientFlowQuality quality; /* as it was when the flow closed */
};

/* session-link.c */
void tep_client_link_dial (TepClientSession *session);
void tep_client_link_drop (TepClientSession *session);
/* Writes what is pending unless a round of reading is on, and arms the timer. */
void tep_client_link_kick (TepClientSession *session);
/* Whether one more packet would go out at once. */
gboolean tep_client_link_is_clear (TepClientSession *session);
void tep_client_link_arm (TepClientSession *session);
void tep_client_link_disarm (TepClientSession *session);

/* session.c */
void
tep_client_session_set_state (TepClientSession *session, TepClientState state, const GError *cause);
/* The link failed or was lost: waits and tries again, or gives up. */
void tep_client_session_link_failed (TepClientSession *session, const GError *cause);
/* What the options ask for, checked as far as that goes without the network. */
TurnConnectTarget *tep_client_session_make_target (const TepClientOptions *options, GError **error);
/* From now on goes by the port, TLS and proxy of these options, and at once if it was begun; the tunnel
 * is resumed. FALSE: they do not name a way, and nothing has changed. */
gboolean tep_client_session_take_way (TepClientSession *session,
                                      const TepClientOptions *way,
                                      GError **error);
/* This end of the connection. FALSE: there is none. */
gboolean tep_client_session_get_local_address (TepClientSession *session, StunExtAddress *address);
void tep_client_session_due (TepClientSession *session, gint64 now_us);

/* handle.c: the tunnel's events */
void tep_client_handle_binding_event (gpointer user,
                                      TepClientTunnelBinding *binding,
                                      const GError *error);
void tep_client_handle_flow_event (gpointer user, TepClientTunnelFlow *flow, const GError *error);
void tep_client_handle_packet_event (gpointer user, const TepClientArrival *arrival);
/* Cuts the handles of a session that ends; pending calls fail with cause. */
void tep_client_handle_abandon (TepClientBinding *binding, const GError *cause);

G_END_DECLS
