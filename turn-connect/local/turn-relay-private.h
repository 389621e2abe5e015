/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/local/reason.h"
#include "turn-connect/local/turn-relay.h"

#include "stun-ext/stream.h"

#define TURN_CONNECT_RELAY_ASKED_MAX 32     /* requests without answer; a client has few */
#define TURN_CONNECT_RELAY_REDIRECTS_MAX 4  /* in a row; more are taken for a circle */
#define TURN_CONNECT_RELAY_TRANSACTION_AT 8 /* octets before the transaction id */

#define TURN_CONNECT_RELAY_TYPE_CLASS_BITS 0x0110 /* RFC 8489 section 5 */
#define TURN_CONNECT_RELAY_TYPE_REQUEST 0x0000
#define TURN_CONNECT_RELAY_TYPE_INDICATION 0x0010
#define TURN_CONNECT_RELAY_TYPE_ALLOCATE 0x0003
#define TURN_CONNECT_RELAY_TYPE_REFRESH 0x0004

/* A request that has no answer yet. */
typedef struct {
  guint16 type;
  guint8 transaction_id[STUN_EXT_TRANSACTION_ID_LENGTH];
  gint64 since;
} TurnConnectRelayAsked;

struct _TurnConnectRelay {
  TurnConnectRelayConfig config;
  TurnConnectRelayState state;
  gboolean is_denied;
  StunExtStream from_client;
  StunExtStream from_server;
  TurnConnectLane to_client;
  TurnConnectLane to_server;
  TurnConnectLane pending; /* whole requests, in the order of @asked, while WAITING */
  TurnConnectRelayAsked asked[TURN_CONNECT_RELAY_ASKED_MAX];
  guint n_asked;
  TurnConnectLane allocate; /* the Allocate that has no answer, to be repeated elsewhere */
  char *cause;
  char *doing;
  gint64 up_since;
  gint64 retry_at;

  gint64 sent_at; /* last towards the server */
  gint64 heard_at;
  gint64 probed_at; /* 0: no Binding request of ours is without answer */
  guint8 probe_id[STUN_EXT_TRANSACTION_ID_LENGTH];
  guint32 n_probes;
  gboolean answers_probes;

  StunExtAddress visited[TURN_CONNECT_RELAY_REDIRECTS_MAX];
  guint n_visited;
  TurnConnectRelayAlternate alternate;
  gboolean has_alternate;
  gboolean is_overdue;
  guint8 refused_id[STUN_EXT_TRANSACTION_ID_LENGTH]; /* of the request answered last while DOWN */
  gboolean is_released;                              /* the client gave its allocation back */
  gboolean is_deaf; /* it was repeated: the client does not believe a 400 */
  TurnConnectRelayRefusal refusal;
  TurnConnectRelayCounts counts;
};

gboolean turn_connect_relay_step (TurnConnectRelay *relay, TurnConnectRelayEvent event);

TurnConnectRelayAsked *turn_connect_relay_find_asked (TurnConnectRelay *relay,
                                                      const guint8 *message);
void turn_connect_relay_forget_asked (TurnConnectRelay *relay, TurnConnectRelayAsked *asked);

/* To the client: 400 with the cause, or what else it believes. */
void turn_connect_relay_answer (TurnConnectRelay *relay,
                                const TurnConnectRelayAsked *asked,
                                const char *cause);
/* To every request that has no answer; none is left then. */
void turn_connect_relay_answer_all (TurnConnectRelay *relay, const char *cause);
