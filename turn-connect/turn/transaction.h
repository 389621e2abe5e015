/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stun-ext/message.h"
#include "turn-connect/turn/auth.h"

/* What a request asks for. Fields that its method has no use for are 0. */
typedef struct {
  guint16 method;
  guint64 token; /* of the application's call, 0 if it is the client's own */
  StunExtAddress peers[STUN_EXT_PEERS_MAX];
  guint n_peers;
  guint16 channel;
  guint32 connection_id;
  guint32 lifetime_s;
  gboolean has_lifetime;
  /* Allocate */
  guint8 transport;         /* IP protocol number of REQUESTED-TRANSPORT */
  guint8 family;            /* REQUESTED-ADDRESS-FAMILY: 4 or 6; 0: not sent */
  guint8 additional_family; /* ADDITIONAL-ADDRESS-FAMILY: 6; 0: not sent */
  gboolean has_even_port;
  gboolean keeps_next;
  gboolean has_dont_fragment;
  gboolean has_reservation;
  guint8 reservation[8];
  /* Allocate: empty; Refresh: what the server gave */
  gboolean has_ticket;
  const GByteArray *ticket; /* borrowed while the request is written */
} TurnConnectRequest;

/* Draws random octets for transaction ids. */
typedef void (*TurnConnectRandomFunc) (guint8 *octets, gsize length, gpointer user_data);

/* A request on its way. The octets are kept for sending again. */
typedef struct {
  TurnConnectRequest request;
  guint8 id[STUN_EXT_TRANSACTION_ID_LENGTH];
  TurnConnectSigned signature;
  guint8 *octets;
  gsize length;
  gboolean is_reliable;
  gboolean believes_redirects; /* 300 without integrity, while the request has none either */
  guint n_sent;                /* of these octets */
  guint n_challenges;          /* 401 and 438 so far */
  guint unproven_code;         /* an error without integrity, not believed; 0: none */
  gint64 due_us;               /* send again, or give up */
} TurnConnectTransaction;

/* Writes and signs a request under a new id. FALSE if it cannot be written. */
gboolean turn_connect_transaction_write (TurnConnectTransaction *transaction,
                                         TurnConnectAuth *auth,
                                         TurnConnectRandomFunc random,
                                         gpointer random_data,
                                         gint64 now_us);
void turn_connect_transaction_clear (TurnConnectTransaction *transaction);

typedef enum {
  TURN_CONNECT_DUE_NOT_YET,
  TURN_CONNECT_DUE_AGAIN,   /* send the octets again; the timer is set */
  TURN_CONNECT_DUE_GIVE_UP, /* silence */
} TurnConnectDue;
TurnConnectDue turn_connect_transaction_check (TurnConnectTransaction *transaction, gint64 now_us);

typedef enum {
  TURN_CONNECT_ANSWER_IGNORE,  /* not ours, or not to be believed */
  TURN_CONNECT_ANSWER_SUCCESS, /* proven where the request was signed */
  TURN_CONNECT_ANSWER_RETRY,   /* write and send it again */
  TURN_CONNECT_ANSWER_ERROR,   /* an error response; its code is in the message */
  TURN_CONNECT_ANSWER_NEEDED,  /* as TURN_CONNECT_AUTH_NEEDED */
  TURN_CONNECT_ANSWER_WRONG,
  TURN_CONNECT_ANSWER_BID_DOWN,
  TURN_CONNECT_ANSWER_UNPROVEN, /* a 300 that is not followed */
} TurnConnectAnswer;
/* Judges a response with the id of this transaction. */
TurnConnectAnswer turn_connect_transaction_judge (TurnConnectTransaction *transaction,
                                                  TurnConnectAuth *auth,
                                                  const StunExtMessage *answer,
                                                  guint *code);
/* The GError of an answer that ends the transaction without success; @who as in answer.h. */
GError *turn_connect_transaction_error (const TurnConnectTransaction *transaction,
                                        TurnConnectAnswer verdict,
                                        const StunExtMessage *answer,
                                        const char *who);
/* The GError of silence. */
GError *turn_connect_transaction_silence (const TurnConnectTransaction *transaction,
                                          const char *who);
