/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/turn/permission.h"

/* A channel of one allocation; what is no longer wanted stays until its number is free again. */
typedef struct {
  StunExtAddress peer;
  guint16 number;
  gboolean is_wanted;
  gboolean was_there;      /* on this allocation or one before it */
  gboolean was_renumbered; /* since it was there last */
  TurnConnectEntryState state;
  gint64 renew_us;
  gint64 ends_us; /* the server has dropped it by then; 5 min later number and peer are free */
} TurnConnectChannel;

typedef struct {
  GHashTable *by_peer;
  TurnConnectChannel *by_number[0x1000]; /* from 0x4000 */
  guint next_number;
} TurnConnectChannels;

void turn_connect_channels_init (TurnConnectChannels *channels);
void turn_connect_channels_clear (TurnConnectChannels *channels);
TurnConnectChannel *turn_connect_channels_find (const TurnConnectChannels *channels,
                                                const StunExtAddress *peer);
TurnConnectChannel *turn_connect_channels_find_number (const TurnConnectChannels *channels,
                                                       guint16 number);
/* Finds or makes one with a free number; NULL if there is none. */
TurnConnectChannel *turn_connect_channels_want (TurnConnectChannels *channels,
                                                const StunExtAddress *peer);
/* No longer wanted; the entry goes when its number is free again. */
void turn_connect_channels_forget (TurnConnectChannels *channels,
                                   TurnConnectChannel *channel,
                                   gint64 now_us);
gboolean turn_connect_channels_wants_host (const TurnConnectChannels *channels,
                                           const StunExtAddress *host);
void turn_connect_channels_forget_host (TurnConnectChannels *channels,
                                        const StunExtAddress *host,
                                        gint64 now_us);
/* The server refused the number; the next one that is tried is another. FALSE: none is left. */
gboolean turn_connect_channels_renumber (TurnConnectChannels *channels,
                                         TurnConnectChannel *channel);
void turn_connect_channel_installed (TurnConnectChannel *channel, gint64 now_us);
/* May data be sent by it? */
gboolean turn_connect_channel_carries (const TurnConnectChannel *channel);
void turn_connect_channels_restart (TurnConnectChannels *channels);
void turn_connect_channels_renew_all (TurnConnectChannels *channels, gint64 now_us);
/* One that has to be asked for or renewed, marked so; NULL: none. Drops what is over. */
TurnConnectChannel *turn_connect_channels_take_due (TurnConnectChannels *channels, gint64 now_us);
gint64 turn_connect_channels_next (const TurnConnectChannels *channels);
