/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/dial.h"
#include "turn-connect/turn/allocation.h"
#include "turn-connect/turn/back-off.h"
#include "turn-connect/turn/carrier.h"
#include "turn-connect/turn/client.h"
#include "turn-connect/turn/redirect.h"

struct _TurnConnectClient {
  GObject parent_instance;

  TurnConnectTarget *target;  /* as given */
  TurnConnectTarget *current; /* the server in use: @target, or where it sent us */
  TurnConnectCarrier carrier;
  GMainContext *context;
  TurnConnectClientState state;
  TurnConnectWishes wishes;
  TurnConnectAllocation *allocation; /* NULL before it was begun */
  TurnConnectCarrierLink *link;      /* NULL: not connected */
  GCancellable *dialling;            /* NULL: not dialling */
  GSocketAddress *address;           /* where plain UDP worked last; NULL: nowhere yet */
  TurnConnectStream *opened;         /* NULL: the first connection is yet to be made */
  TurnConnectProgressFunc progress;  /* NULL: nobody looks on */
  gpointer progress_data;
  GSource *timer;
  gboolean is_settling;
  gboolean is_again; /* settle once more */
  char *server;

  guint reconnects_max;
  guint redirects_max;
  guint mismatches; /* 437 to the first Allocate, in a row */
  TurnConnectBackOff back_off;
  TurnConnectRedirects redirects;
  gint64 attempt_us;  /* WAITING: when to connect */
  gint64 deadline_us; /* CLOSING: when to stop waiting */

  TurnConnectLogin *login;
  gint64 login_expires_s; /* since 1970; 0: never */
  GBytes *secret;         /* NULL: none */
  char *secret_user;
  guint secret_lifetime_s;
  StunExtHash secret_hash;
  gint64 renew_us; /* when to issue the next login from the secret */

  TurnConnectReceiveFunc receive;
  gpointer receive_data;
  GDestroyNotify receive_destroy;

  GTask *allocating;       /* the application waits for the first allocation */
  GSource *allocating_end; /* by its cancellable */
  GPtrArray *closing;      /* GTask */
  GHashTable *calls;       /* by token */
  guint64 last_token;

  gboolean was_up;
  TurnConnectClientCounters counters;
};

enum {
  SIGNAL_STATE_CHANGED,
  SIGNAL_RELAYED_CHANGED,
  SIGNAL_PEER_LOST,
  SIGNAL_ICMP,
  SIGNAL_CONNECTION_ATTEMPT,
  N_SIGNALS,
};
extern guint turn_connect_client_signals[N_SIGNALS];

/* client-run.c */
/* Does what there is to do now, and sets the timer. */
void turn_connect_client_settle (TurnConnectClient *self);
void turn_connect_client_start (TurnConnectClient *self);
/* Over for good; takes @cause, which may be NULL for an orderly end. */
void turn_connect_client_end (TurnConnectClient *self, GError *cause);
void turn_connect_client_drop_link (TurnConnectClient *self);
void turn_connect_client_set_state (TurnConnectClient *self,
                                    TurnConnectClientState state,
                                    const GError *cause);
/* Makes a login from the shared secret, if there is one. */
void turn_connect_client_issue_login (TurnConnectClient *self);
void turn_connect_client_random (guint8 *octets, gsize length, gpointer user_data);

/* For whoever has opened a stream to the target already: the first connection is that one. Takes
 * @stream. */
void turn_connect_client_use_stream (TurnConnectClient *self, TurnConnectStream *stream);
/* Who looks on while connections are made; NULL: nobody any more. */
void turn_connect_client_set_progress (TurnConnectClient *self,
                                       TurnConnectProgressFunc progress,
                                       gpointer user_data);

/* client-calls.c */
void turn_connect_client_call_done (TurnConnectClient *self, TurnConnectEvent *event);
void turn_connect_client_fail_calls (TurnConnectClient *self, const GError *error);
void turn_connect_client_free_call (gpointer call);
