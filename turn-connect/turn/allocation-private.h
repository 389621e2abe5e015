/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/turn/allocation.h"
#include "turn-connect/turn/channel.h"
#include "turn-connect/turn/permission.h"

/* Somebody who waits for permissions. */
typedef struct {
  guint64 token;
  GArray *hosts; /* StunExtAddress, those not yet there */
} TurnConnectWaiter;

/* Somebody who waits for a channel. */
typedef struct {
  guint64 token;
  StunExtAddress peer;
} TurnConnectChannelWaiter;

struct _TurnConnectAllocation {
  TurnConnectAllocationState state;
  TurnConnectWishes wishes;
  TurnConnectAuth auth;
  TurnConnectRandomFunc random;
  gpointer random_data;
  char *who;
  gboolean is_stream;
  gboolean is_verified;

  GPtrArray *transactions;
  GQueue outputs; /* GBytes */
  GQueue events;  /* TurnConnectEvent */

  TurnConnectPermissions permissions;
  TurnConnectChannels channels;
  GPtrArray *waiters;      /* TurnConnectWaiter */
  GArray *channel_waiters; /* TurnConnectChannelWaiter */

  StunExtAddress relayed[2]; /* IPv4, IPv6 */
  StunExtAddress mapped;
  guint lifetime_s;
  gint64 refresh_us;
  gboolean was_refused; /* the last refresh */
  gint64 ends_us;
  gboolean is_probing; /* a refresh tells whether the allocation is there; peers wait */
  gint64 probed_us;
  gint64 heard_us; /* the server's last sign of life */
  GByteArray *ticket;
  gboolean has_reservation;
  guint8 reservation[TURN_CONNECT_RESERVATION_SIZE];
  guint family_error;
  char *software;
  gboolean forbids_mobility;
  gboolean lacks_dont_fragment;

  guint64 ignored;
  guint64 retransmitted;
};

/* allocation.c */
void turn_connect_allocation_emit (TurnConnectAllocation *self, TurnConnectEvent *event);
TurnConnectEvent *turn_connect_event_new (TurnConnectEventKind kind);
/* Sends a request, which is copied. */
void turn_connect_allocation_ask (TurnConnectAllocation *self,
                                  const TurnConnectRequest *request,
                                  gint64 now_us);
void turn_connect_allocation_set_state (TurnConnectAllocation *self,
                                        TurnConnectAllocationState state);
/* There is no use in this connection any more. Takes @error. */
void turn_connect_allocation_fall (TurnConnectAllocation *self, GError *error);
void turn_connect_allocation_ask_for_it (TurnConnectAllocation *self, gint64 now_us);
void turn_connect_allocation_resume (TurnConnectAllocation *self, gint64 now_us);

/* Refreshes now, to see whether the allocation is there. */
void turn_connect_allocation_probe (TurnConnectAllocation *self, gint64 now_us);

/* allocation-answer.c: what an answer changes. @error as the transaction judged it (consumed), or
 * NULL for success; @answer NULL for silence and for what
 * is not believed. */
void turn_connect_allocation_finish (TurnConnectAllocation *self,
                                     const TurnConnectTransaction *transaction,
                                     const StunExtMessage *answer,
                                     GError *error,
                                     gint64 now_us);

/* allocation-peers.c: permissions and channels. */
void turn_connect_allocation_pump (TurnConnectAllocation *self, gint64 now_us);
void turn_connect_allocation_permission_done (TurnConnectAllocation *self,
                                              const TurnConnectRequest *request,
                                              GError *error,
                                              gint64 now_us);
void turn_connect_allocation_channel_done (TurnConnectAllocation *self,
                                           const TurnConnectRequest *request,
                                           GError *error,
                                           gint64 now_us);
/* All who wait for peers fail. */
void turn_connect_allocation_fail_waiters (TurnConnectAllocation *self, const GError *error);
gint64 turn_connect_allocation_next_peer (const TurnConnectAllocation *self);

/* allocation-packets.c */
TurnConnectTook turn_connect_allocation_take_data (TurnConnectAllocation *self,
                                                   const StunExtMessage *message,
                                                   gint64 now_us,
                                                   TurnConnectReceived *received);
TurnConnectTook turn_connect_allocation_take_channel_data (TurnConnectAllocation *self,
                                                           const guint8 *data,
                                                           gsize length,
                                                           gint64 now_us,
                                                           TurnConnectReceived *received);
void turn_connect_allocation_take_attempt (TurnConnectAllocation *self,
                                           const StunExtMessage *message);
