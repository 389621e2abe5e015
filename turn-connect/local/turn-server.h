/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stun-ext/address.h"
#include "stun-ext/challenge.h"
#include "turn-connect/local/lane.h"
#include "turn-connect/turn/client.h"

#define TURN_CONNECT_TURN_SERVER_REALM "tepkit"
#define TURN_CONNECT_TURN_SERVER_PERMISSIONS_MAX 128 /* hosts; arbitrary, ICE needs about 20 */
#define TURN_CONNECT_TURN_SERVER_CHANNELS_MAX 128    /* likewise */

/* The server's side of TURN for one client on a stream (RFC 5766, and what RFC 8656 adds to it),
 * with the long-term credential of RFC 5389. What the client wants comes out as orders, which
 * somebody else carries out on a server that has the relayed addresses. No I/O, no clock, no
 * randomness. Times are monotonic, in microseconds. One thread. */
typedef struct _TurnConnectTurnServer TurnConnectTurnServer;

typedef enum {
  TURN_CONNECT_TURN_SERVER_IDLE,  /* the client has no allocation */
  TURN_CONNECT_TURN_SERVER_ASKED, /* an allocation was ordered */
  TURN_CONNECT_TURN_SERVER_KEPT,  /* it came too late: the next Allocate gets it */
  TURN_CONNECT_TURN_SERVER_UP,    /* the client has an allocation */
  TURN_CONNECT_TURN_SERVER_DOWN,  /* it could not be had, or was lost; there is a cause */
  TURN_CONNECT_TURN_SERVER_N_STATES,
} TurnConnectTurnServerState;

typedef enum {
  TURN_CONNECT_TURN_SERVER_ASK,     /* the client wants an allocation */
  TURN_CONNECT_TURN_SERVER_GRANT,   /* the order was carried out */
  TURN_CONNECT_TURN_SERVER_TAKE,    /* the client is told of it */
  TURN_CONNECT_TURN_SERVER_LOSE,    /* there is none, or no more */
  TURN_CONNECT_TURN_SERVER_RELEASE, /* the client gave it back, or forgot it */
  TURN_CONNECT_TURN_SERVER_N_EVENTS,
} TurnConnectTurnServerEvent;

typedef struct {
  const char *user; /* prepared, as is the password: what the client logs in with */
  const char *password;
  guint8 nonce_key[STUN_EXT_NONCE_KEY_LENGTH];           /* random */
  guint8 transaction_id[STUN_EXT_TRANSACTION_ID_LENGTH]; /* random; those of indications follow */
  StunExtAddress client;                                 /* whence it comes */
  gint64 budget_us;                                      /* how long an Allocate may wait */
} TurnConnectTurnServerConfig;

/* What an Allocate asks for. */
typedef struct {
  TurnConnectFamilies families;
  TurnConnectEvenPort even_port;
  gboolean has_reservation;
  guint8 reservation[TURN_CONNECT_RESERVATION_SIZE];
  gboolean has_dont_fragment;
} TurnConnectTurnWishes;

/* What was allocated. */
typedef struct {
  StunExtAddress relayed[2]; /* IPv4, IPv6; no address: none of that family */
  StunExtAddress mapped;
  guint family_error; /* why there is no second family; 0: there is, or nobody asked */
  gboolean has_reservation;
  guint8 reservation[TURN_CONNECT_RESERVATION_SIZE];
} TurnConnectTurnGrant;

typedef enum {
  TURN_CONNECT_ORDER_NONE,     /* nothing more for now */
  TURN_CONNECT_ORDER_ALLOCATE, /* wishes; in place of any allocation ordered before */
  TURN_CONNECT_ORDER_RELEASE,  /* give it back */
  TURN_CONNECT_ORDER_PERMIT,   /* n_peers of peers; say what came of it under token */
  TURN_CONNECT_ORDER_BIND,     /* a channel for peers[0]; likewise */
  TURN_CONNECT_ORDER_FORGET,   /* peers[0] and its channel, the whole host with port 0 */
  TURN_CONNECT_ORDER_SEND,     /* payload to peers[0] */
  TURN_CONNECT_ORDER_HANG_UP,  /* for a cause; there is no more to read */
} TurnConnectOrderKind;

typedef struct {
  TurnConnectOrderKind kind;
  guint64 token;
  TurnConnectTurnWishes wishes;
  StunExtAddress peers[STUN_EXT_PEERS_MAX];
  guint n_peers;
  gboolean stays_permitted; /* FORGET: the channel goes, the permission stays */
  gboolean is_whole;        /* SEND: with the DF bit */
  StunExtSpan payload;      /* SEND: until the next call of any function here */
  const char *cause;        /* HANG_UP: what the client did; constant */
} TurnConnectOrder;

typedef struct {
  guint64 n_to_server; /* packets ordered to be sent */
  guint64 n_to_client; /* packets of peers */
  guint64 n_dropped_to_server;
  guint64 n_dropped_to_client;
  guint64 n_answered; /* requests that were refused for a cause beyond this server */
} TurnConnectTurnServerCounts;

TurnConnectTurnServer *turn_connect_turn_server_new (const TurnConnectTurnServerConfig *config);
void turn_connect_turn_server_free (TurnConnectTurnServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TurnConnectTurnServer, turn_connect_turn_server_free)

/* What arrived of the client; stays borrowed until there is no order. */
void
turn_connect_turn_server_push (TurnConnectTurnServer *server, const guint8 *data, gsize length);
/* The next thing to do, by the octets pushed or by the time. */
void
turn_connect_turn_server_next (TurnConnectTurnServer *server, gint64 now, TurnConnectOrder *order);
/* When to ask for orders without octets; G_MAXINT64: never. */
gint64 turn_connect_turn_server_deadline (const TurnConnectTurnServer *server);

/* ALLOCATE was carried out. */
void turn_connect_turn_server_granted (TurnConnectTurnServer *server,
                                       const TurnConnectTurnGrant *grant,
                                       gint64 now);
/* It was not, or the allocation is gone. @code: the refusal's, 0 for other causes. */
void turn_connect_turn_server_lost (TurnConnectTurnServer *server,
                                    guint code,
                                    const char *cause,
                                    gint64 now);
/* What came of a PERMIT or BIND. @cause: NULL if it went well. */
void turn_connect_turn_server_done (
    TurnConnectTurnServer *server, guint64 token, guint code, const char *cause, gint64 now);
/* A permission (@peer without port) or channel is gone that was there. */
void turn_connect_turn_server_peer_lost (TurnConnectTurnServer *server, const StunExtAddress *peer);
/* A packet from a peer, by the way the client wants it. */
void turn_connect_turn_server_from_peer (TurnConnectTurnServer *server,
                                         const StunExtAddress *peer,
                                         const guint8 *data,
                                         gsize length);

/* What is being waited for, for the answers of a budget that ran out. */
void turn_connect_turn_server_set_doing (TurnConnectTurnServer *server, const char *doing);
const char *turn_connect_turn_server_doing (const TurnConnectTurnServer *server);
/* TRUE once for each time that a budget ran out. */
gboolean turn_connect_turn_server_take_overdue (TurnConnectTurnServer *server);

TurnConnectTurnServerState turn_connect_turn_server_state (const TurnConnectTurnServer *server);
/* Has the client a relayed address of this family, which it has not given back? */
gboolean turn_connect_turn_server_has_family (const TurnConnectTurnServer *server, guint8 family);
TurnConnectLane *turn_connect_turn_server_to_client (TurnConnectTurnServer *server);
/* The client takes nothing more. */
void turn_connect_turn_server_shed (TurnConnectTurnServer *server);
const TurnConnectTurnServerCounts *
turn_connect_turn_server_counts (const TurnConnectTurnServer *server);

/* The table of states: what @event leads to, or -1 where it may not happen. For tests. */
int turn_connect_turn_server_next_state (TurnConnectTurnServerState from,
                                         TurnConnectTurnServerEvent event);
