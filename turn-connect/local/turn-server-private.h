/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stun-ext/credentials.h"
#include "stun-ext/message.h"
#include "stun-ext/stream.h"
#include "turn-connect/local/turn-server-peers.h"
#include "turn-connect/local/turn-server.h"

#define TURN_CONNECT_TURN_SERVER_PENDING_MAX 32      /* requests without answer; a client has few */
#define TURN_CONNECT_TURN_SERVER_LIFETIME_MAX_S 3600 /* RFC 8656 section 7.2, recommended */

/* What an answer needs of its request. */
typedef struct {
  guint16 method;
  guint8 transaction_id[STUN_EXT_TRANSACTION_ID_LENGTH];
  gboolean has_fingerprint;
} TurnConnectTurnAsked;

/* A request whose answer is awaited. */
typedef struct {
  TurnConnectTurnAsked asked;
  guint64 token; /* 0: an Allocate */
  gint64 since;
  guint16 channel; /* 0: a permission */
  StunExtAddress peers[STUN_EXT_PEERS_MAX];
  guint n_peers;
} TurnConnectTurnPending;

struct _TurnConnectTurnServer {
  char *user;
  StunExtKey key;
  StunExtNonceMaker nonces;
  guint64 n_nonces;
  guint8 transaction_id[STUN_EXT_TRANSACTION_ID_LENGTH];
  guint32 n_indications;
  StunExtAddress client;
  gint64 budget_us;

  gboolean is_known;     /* the client logged in, once */
  gint64 stranger_until; /* 0: not asked for an order yet */

  TurnConnectTurnServerState state;
  StunExtStream from_client;
  TurnConnectLane to_client;
  TurnConnectTurnPending pending[TURN_CONNECT_TURN_SERVER_PENDING_MAX];
  guint n_pending;
  guint64 last_token;

  TurnConnectTurnWishes wishes;                       /* of the last Allocate that was ordered */
  TurnConnectTurnGrant grant;                         /* KEPT, UP */
  guint8 allocate_id[STUN_EXT_TRANSACTION_ID_LENGTH]; /* UP: of the Allocate, for its repeats */
  guint32 lifetime_s;                                 /* wanted; then granted */
  gint64 ends_us;                                     /* KEPT, UP */
  TurnConnectTurnPeers peers;                         /* UP */

  char *cause; /* DOWN */
  guint code;
  gint64 retry_us;
  char *doing;
  gboolean is_overdue;
  gboolean releases; /* an order to give */
  TurnConnectTurnServerCounts counts;
};

/* FALSE: the event does not happen here. */
gboolean turn_connect_turn_server_step (TurnConnectTurnServer *server,
                                        TurnConnectTurnServerEvent event);

/* turn-server-answer.c: to the client. All are signed but a challenge and a malformed one's. */
void turn_connect_turn_server_refuse (TurnConnectTurnServer *server,
                                      const TurnConnectTurnAsked *asked,
                                      guint code,
                                      const char *reason);
/* For a cause beyond this server: with @code where a client knows what to do about it, else 400. */
void turn_connect_turn_server_answer_cause (TurnConnectTurnServer *server,
                                            const TurnConnectTurnAsked *asked,
                                            guint code,
                                            const char *cause);
void turn_connect_turn_server_refuse_unsigned (TurnConnectTurnServer *server,
                                               const TurnConnectTurnAsked *asked,
                                               guint code);
void turn_connect_turn_server_refuse_unknown (TurnConnectTurnServer *server,
                                              const TurnConnectTurnAsked *asked,
                                              const guint16 *types,
                                              guint n_types);
/* 401 or 438 */
void turn_connect_turn_server_challenge (TurnConnectTurnServer *server,
                                         const TurnConnectTurnAsked *asked,
                                         guint code,
                                         gint64 now);
void turn_connect_turn_server_answer_allocate (TurnConnectTurnServer *server,
                                               const TurnConnectTurnAsked *asked);
void turn_connect_turn_server_answer_refresh (TurnConnectTurnServer *server,
                                              const TurnConnectTurnAsked *asked,
                                              guint32 lifetime_s);
void turn_connect_turn_server_answer_plain (TurnConnectTurnServer *server,
                                            const TurnConnectTurnAsked *asked);
void turn_connect_turn_server_answer_binding (TurnConnectTurnServer *server,
                                              const TurnConnectTurnAsked *asked);
/* FALSE: nonce, name or signature are not right, and it was answered. */
gboolean turn_connect_turn_server_authenticate (TurnConnectTurnServer *server,
                                                const StunExtMessage *message,
                                                const TurnConnectTurnAsked *asked,
                                                gint64 now);

/* turn-server-request.c: what a request asks for. */
void turn_connect_turn_server_request (TurnConnectTurnServer *server,
                                       const StunExtMessage *message,
                                       gint64 now,
                                       TurnConnectOrder *order);
/* The Allocate that waits, or NULL. */
TurnConnectTurnPending *turn_connect_turn_server_find_allocate (TurnConnectTurnServer *server);
void turn_connect_turn_server_forget_pending (TurnConnectTurnServer *server,
                                              TurnConnectTurnPending *pending);
/* The client is told of its allocation. */
void turn_connect_turn_server_give (TurnConnectTurnServer *server,
                                    const TurnConnectTurnAsked *asked,
                                    gint64 now);
