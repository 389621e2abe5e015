/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/local/connect-head.h"
#include "turn-connect/local/passage.h"
#include "turn-connect/local/turn-relay.h"
#include "turn-connect/watcher.h"

struct _TurnConnectPassage {
  TurnConnectBridge *bridge; /* NULL once it ended */
  GList *link;               /* in the bridge */
  TurnConnectBridgeServer *server;
  TurnConnectStream *client;
  TurnConnectStream *upstream;
  TurnConnectWatch *client_watch;
  TurnConnectWatch *upstream_watch;
  gint64 due_us; /* when it has to be looked at again, by the bridge's clock */
  GCancellable *dialling;
  gboolean is_denied;        /* kept though it will get nowhere */
  gboolean is_claiming;      /* a stream that is being opened ahead */
  gboolean is_session;       /* the client is to be handed over to one */
  TurnConnectTarget *target; /* dialled last: the server's, or that of a redirection */
  TurnConnectHead *head;     /* until CONNECT is read */
  TurnConnectRelay *relay;   /* NULL until it is known what the client is */
};

/* passage-entry.c: until it is known what the client is, and whether it may come in. */

/* What the client sent. The passage may be closed afterwards. */
void turn_connect_passage_take (TurnConnectPassage *passage, const guint8 *data, gsize length);
/* Closes what is none of our clients' and says so. */
void turn_connect_passage_refuse (TurnConnectPassage *passage, const char *why);
void turn_connect_passage_drop_head (TurnConnectPassage *passage);
