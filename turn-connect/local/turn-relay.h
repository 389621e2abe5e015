/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/local/lane.h"
#include "turn-connect/local/relay-counts.h"

#include "stun-ext/address.h"
#include "stun-ext/protocol.h"

/* One TURN client's stream on its way to a server that may be there, not yet, or no more. No I/O,
 * no clock, no randomness: octets, events and the time come in, what has to go out waits in two
 * lanes. Times are monotonic, in microseconds. One thread. */
typedef struct _TurnConnectRelay TurnConnectRelay;

typedef enum {
  TURN_CONNECT_RELAY_IDLE,    /* nobody asked for the server yet */
  TURN_CONNECT_RELAY_WAITING, /* the server is wanted: dial, unless that is under way */
  TURN_CONNECT_RELAY_UP,      /* passing on */
  TURN_CONNECT_RELAY_DOWN,    /* answering with the cause */
  TURN_CONNECT_RELAY_N_STATES,
} TurnConnectRelayState;

typedef enum {
  TURN_CONNECT_RELAY_ASKED,      /* the client wants something of the server */
  TURN_CONNECT_RELAY_CAME_UP,    /* the driver has a stream to it */
  TURN_CONNECT_RELAY_WENT_DOWN,  /* there is none, or no more */
  TURN_CONNECT_RELAY_REDIRECTED, /* the server named another one */
  TURN_CONNECT_RELAY_N_EVENTS,
} TurnConnectRelayEvent;

typedef struct {
  gint64 budget_us;    /* how long a request may wait for the server */
  gint64 keepalive_us; /* silence towards the server before a Binding request */
  guint8 transaction_id[STUN_EXT_TRANSACTION_ID_LENGTH]; /* random; those of the relay follow */
} TurnConnectRelayConfig;

/* A redirection to follow: dial there, with the certificate checked for @domain, or for the name
 * it was checked for before if that is empty. */
typedef struct {
  StunExtAddress address;
  char domain[STUN_EXT_DOMAIN_MAX_LENGTH + 1];
} TurnConnectRelayAlternate;

/* A refusal of an allocation that the server spoke and the client was told. */
typedef struct {
  guint code; /* 0: none */
  char reason[128];
} TurnConnectRelayRefusal;

TurnConnectRelay *turn_connect_relay_new (const TurnConnectRelayConfig *config);
void turn_connect_relay_free (TurnConnectRelay *relay);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TurnConnectRelay, turn_connect_relay_free)

/* What arrived. FALSE: these octets are no TURN; nothing after them can be understood. */
gboolean turn_connect_relay_from_client (TurnConnectRelay *relay,
                                         const guint8 *data,
                                         gsize length,
                                         gint64 now);
gboolean turn_connect_relay_from_server (TurnConnectRelay *relay,
                                         const guint8 *data,
                                         gsize length,
                                         gint64 now);

/* A stream to the server is there, and so far has carried nothing. */
void turn_connect_relay_came_up (TurnConnectRelay *relay, gint64 now);
/* There is none, or no more. @cause goes into reason phrases. The lane to the server is emptied. */
void turn_connect_relay_went_down (TurnConnectRelay *relay, const char *cause, gint64 now);
/* For ever: nothing is dialled any more. */
void turn_connect_relay_deny (TurnConnectRelay *relay, const char *cause, gint64 now);
/* What is being waited for, for the answers of a budget that ran out. */
void turn_connect_relay_set_doing (TurnConnectRelay *relay, const char *doing);
const char *turn_connect_relay_doing (const TurnConnectRelay *relay);

/* Does what is due. Returns TRUE if the server has to be given up for its silence: then say so with
 * turn_connect_relay_went_down (). */
gboolean turn_connect_relay_tick (TurnConnectRelay *relay, gint64 now);
gint64 turn_connect_relay_deadline (TurnConnectRelay *relay); /* G_MAXINT64: none */

TurnConnectRelayState turn_connect_relay_state (const TurnConnectRelay *relay);
/* Has the client given its allocation back? Then it is no failure that the server hangs up. */
gboolean turn_connect_relay_is_released (const TurnConnectRelay *relay);
/* TRUE once for each time that a budget ran out. */
gboolean turn_connect_relay_take_overdue (TurnConnectRelay *relay);
gboolean turn_connect_relay_take_alternate (TurnConnectRelay *relay,
                                            TurnConnectRelayAlternate *alternate);
gboolean turn_connect_relay_take_refusal (TurnConnectRelay *relay,
                                          TurnConnectRelayRefusal *refusal);

/* What to send. After a part was sent: turn_connect_lane_sent (). When a side takes nothing more:
 * turn_connect_relay_shed (), then wait. */
TurnConnectLane *turn_connect_relay_to_client (TurnConnectRelay *relay);
TurnConnectLane *turn_connect_relay_to_server (TurnConnectRelay *relay);
void turn_connect_relay_shed (TurnConnectRelay *relay, TurnConnectLane *lane);

const TurnConnectRelayCounts *turn_connect_relay_counts (const TurnConnectRelay *relay);

/* The table of states: what @event leads to, or -1 where it may not happen. For tests. */
int turn_connect_relay_next_state (TurnConnectRelayState from, TurnConnectRelayEvent event);
