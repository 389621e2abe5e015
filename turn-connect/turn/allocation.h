/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/turn/auth.h"
#include "turn-connect/turn/client.h"
#include "turn-connect/turn/transaction.h"

/* The state machine of one allocation, without I/O: it is fed what the server sent and the
 * monotonic time in microseconds, and is asked for octets to send, for what happened, and when to
 * be asked again. One thread at a time. */
typedef struct _TurnConnectAllocation TurnConnectAllocation;

/* What to allocate. */
typedef struct {
  TurnConnectRelay relay;
  TurnConnectFamilies families;
  TurnConnectEvenPort even_port;
  gboolean has_reservation;
  guint8 reservation[TURN_CONNECT_RESERVATION_SIZE];
  gboolean is_mobile;
  gboolean has_dont_fragment;
  guint lifetime_s;  /* 0: the server's default */
  guint keepalive_s; /* 0: never */
  StunExtAlgorithms algorithms;
  gboolean believes_redirects; /* also without proof, by a server that nobody verified */
} TurnConnectWishes;

/* What is known of a connection. */
typedef enum {
  TURN_CONNECT_LINK_IS_STREAM = 1 << 0,
  TURN_CONNECT_LINK_IS_VERIFIED = 1 << 1, /* TLS or DTLS showed whose it is */
  TURN_CONNECT_LINK_IS_SAME = 1 << 2,     /* it is the server that gave the ticket, if one did */
} TurnConnectLinkFlags;

typedef enum {
  TURN_CONNECT_ALLOCATION_DOWN,     /* no connection */
  TURN_CONNECT_ALLOCATION_ASKING,   /* Allocate is on its way */
  TURN_CONNECT_ALLOCATION_RESUMING, /* Refresh with a ticket is on its way */
  TURN_CONNECT_ALLOCATION_UP,
  TURN_CONNECT_ALLOCATION_LEAVING, /* Refresh with lifetime 0 is on its way */
  TURN_CONNECT_ALLOCATION_GONE,
} TurnConnectAllocationState;

typedef enum {
  TURN_CONNECT_EVENT_UP,        /* there is an allocation; is_new: with other relayed addresses */
  TURN_CONNECT_EVENT_DONE,      /* what the application asked for under token */
  TURN_CONNECT_EVENT_PEER_LOST, /* peer, error */
  TURN_CONNECT_EVENT_ICMP,      /* peer, icmp_* */
  TURN_CONNECT_EVENT_ATTEMPT,   /* peer, connection_id */
  TURN_CONNECT_EVENT_REDIRECT,  /* peer: the server to ask instead; domain */
  TURN_CONNECT_EVENT_DOWN,      /* error; wants another connection */
  TURN_CONNECT_EVENT_GONE,      /* given back */
} TurnConnectEventKind;

typedef struct {
  TurnConnectEventKind kind;
  gboolean is_new;
  guint64 token;
  GError *error; /* NULL for a DONE that went well */
  StunExtAddress peer;
  guint16 channel;
  guint32 connection_id;
  guint8 icmp_type;
  guint16 icmp_code;
  guint32 icmp_data;
  char *domain; /* NULL: none */
} TurnConnectEvent;

void turn_connect_event_free (TurnConnectEvent *event);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TurnConnectEvent, turn_connect_event_free)

/* A packet of a peer, inside what was received. */
typedef struct {
  StunExtAddress peer;
  guint16 channel;
  StunExtSpan payload;
} TurnConnectReceived;

typedef enum {
  TURN_CONNECT_TOOK_NOTHING, /* nothing for the application, or an event */
  TURN_CONNECT_TOOK_PACKET,
} TurnConnectTook;

TurnConnectAllocation *turn_connect_allocation_new (const TurnConnectWishes *wishes,
                                                    TurnConnectRandomFunc random,
                                                    gpointer random_data);
void turn_connect_allocation_free (TurnConnectAllocation *allocation);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TurnConnectAllocation, turn_connect_allocation_free)

void turn_connect_allocation_set_login (TurnConnectAllocation *allocation,
                                        TurnConnectLogin *login,
                                        gint64 now_us);
void turn_connect_allocation_set_keepalive (TurnConnectAllocation *allocation, guint interval_s);

/* There is a connection to @who ("the TURN server host:port"): ask for the allocation. */
void turn_connect_allocation_connected (TurnConnectAllocation *allocation,
                                        const char *who,
                                        TurnConnectLinkFlags flags,
                                        gint64 now_us);
/* The connection is gone. Says nothing about it; what was asked of TCP peers fails. */
void turn_connect_allocation_disconnected (TurnConnectAllocation *allocation);
/* The network says that the server is not there: ask it. */
void turn_connect_allocation_doubt (TurnConnectAllocation *allocation, gint64 now_us);
/* The ticket is not to be used again: it did harm. */
void turn_connect_allocation_drop_ticket (TurnConnectAllocation *allocation);
/* Gives it back; at once GONE if there is none. */
void turn_connect_allocation_leave (TurnConnectAllocation *allocation, gint64 now_us);
/* Ends everything that waits, with @error's words. */
void turn_connect_allocation_abandon (TurnConnectAllocation *allocation, const GError *error);

/* What the application wants. Each gives a DONE with its token, unless that is 0. */
void turn_connect_allocation_permit (TurnConnectAllocation *allocation,
                                     const StunExtAddress *peers,
                                     guint n_peers,
                                     guint64 token,
                                     gint64 now_us);
void turn_connect_allocation_bind (TurnConnectAllocation *allocation,
                                   const StunExtAddress *peer,
                                   guint64 token,
                                   gint64 now_us);
void turn_connect_allocation_forget (TurnConnectAllocation *allocation,
                                     const StunExtAddress *peer,
                                     gint64 now_us);
void turn_connect_allocation_connect_peer (TurnConnectAllocation *allocation,
                                           const StunExtAddress *peer,
                                           guint64 token,
                                           gint64 now_us);

/* One message or one ChannelData. */
TurnConnectTook turn_connect_allocation_receive (TurnConnectAllocation *allocation,
                                                 const guint8 *data,
                                                 gsize length,
                                                 gint64 now_us,
                                                 TurnConnectReceived *received);
void turn_connect_allocation_tick (TurnConnectAllocation *allocation, gint64 now_us);
/* When to tick next; G_MAXINT64: never. */
gint64 turn_connect_allocation_next (const TurnConnectAllocation *allocation);
/* (transfer full) What to send and what happened, in order; NULL: nothing more. */
GBytes *turn_connect_allocation_take_output (TurnConnectAllocation *allocation);
TurnConnectEvent *turn_connect_allocation_take_event (TurnConnectAllocation *allocation);

typedef enum {
  TURN_CONNECT_WAY_OPEN,
  TURN_CONNECT_WAY_NOT_YET, /* permission, channel or allocation are not there yet */
  TURN_CONNECT_WAY_UNKNOWN, /* nobody asked for this peer */
  TURN_CONNECT_WAY_TOO_LONG,
} TurnConnectWay;

#define TURN_CONNECT_HEAD_MAX 64 /* octets before a packet: a Send indication to an IPv6 peer */

/* Writes what goes before @length octets for a peer, and says how many zeros go behind. */
TurnConnectWay turn_connect_allocation_frame (TurnConnectAllocation *allocation,
                                              const StunExtAddress *peer,
                                              gsize length,
                                              TurnConnectSendFlags flags,
                                              guint8 head[TURN_CONNECT_HEAD_MAX],
                                              gsize *head_length,
                                              gsize *padding);

TurnConnectAllocationState
turn_connect_allocation_get_state (const TurnConnectAllocation *allocation);
const StunExtAddress *turn_connect_allocation_get_relayed (const TurnConnectAllocation *allocation,
                                                           guint family);
const StunExtAddress *turn_connect_allocation_get_mapped (const TurnConnectAllocation *allocation);
guint turn_connect_allocation_get_lifetime (const TurnConnectAllocation *allocation);
const guint8 *turn_connect_allocation_get_reservation (const TurnConnectAllocation *allocation);
gboolean turn_connect_allocation_has_ticket (const TurnConnectAllocation *allocation);
/* FALSE: the server said that it does not, so nothing is sent with it. */
gboolean turn_connect_allocation_knows_dont_fragment (const TurnConnectAllocation *allocation);
guint turn_connect_allocation_get_family_error (const TurnConnectAllocation *allocation);
const char *turn_connect_allocation_get_software (const TurnConnectAllocation *allocation);
const char *turn_connect_allocation_get_who (const TurnConnectAllocation *allocation);
guint64 turn_connect_allocation_get_ignored (const TurnConnectAllocation *allocation);
guint64 turn_connect_allocation_get_retransmitted (const TurnConnectAllocation *allocation);
/* For the connections of TCP peers, which log in alike. */
const TurnConnectAuth *turn_connect_allocation_get_auth (const TurnConnectAllocation *allocation);
