/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/local/session.h"
#include "turn-connect/local/turn-server.h"
#include "turn-connect/turn/client.h"

struct _TurnConnectSession {
  TurnConnectBridge *bridge; /* NULL once it ended */
  GList *link;               /* in the bridge */
  TurnConnectBridgeServer *server;
  TurnConnectStream *client;
  TurnConnectWatch *client_watch;
  GSource *timer;
  TurnConnectTurnServer *local;
  TurnConnectTurnWishes wishes; /* of the allocation */
  gboolean is_claiming;         /* a stream that is being opened ahead */
  TurnConnectClient *upstream;  /* NULL: no allocation is wanted, or a claim is to begin with */
  TurnConnectTurnGrant granted; /* by it; no relayed address: not yet */
  char *trouble;                /* why it is being mended; NULL: it is not */
  gboolean is_reading;          /* octets of the client are still being gone through */
  gboolean has_stream;          /* opened ahead: not dialled for this session */
  guint64 n_unsent;             /* packets that upstream did not take */
};

void turn_connect_session_unref (TurnConnectSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TurnConnectSession, turn_connect_session_unref)

/* Does whatever there is to do after something has happened; may end the session. */
void turn_connect_session_settle (TurnConnectSession *session);

/* session-upstream.c: begins to ask the server for what the session wishes, in place of what there
 * may be. */
void turn_connect_session_allocate (TurnConnectSession *session);
/* What there is goes back to the server, by itself. */
void turn_connect_session_end_upstream (TurnConnectSession *session);
