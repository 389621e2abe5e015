/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Channels of one allocation (RFC 8656 section 12). A pair of number and peer may be bound again at
 * any time; either of them with another partner only 5 min after the binding has ended.
 */
#include "turn-connect/turn/channel.h"

#include "stun-ext/protocol.h"

#define N_NUMBERS (STUN_EXT_CHANNEL_MAX - STUN_EXT_CHANNEL_MIN + 1)
#define RENEW_AFTER_US (540 * G_USEC_PER_SEC) /* of 600 s: a request may take 39.5 s */
#define LASTS_US (STUN_EXT_CHANNEL_LIFETIME_S * G_USEC_PER_SEC)
#define REST_US (300 * G_USEC_PER_SEC) /* RFC 8656 section 12.1 */

void
turn_connect_channels_init (TurnConnectChannels *channels)
{
  *channels = (TurnConnectChannels){ 0 };
  channels->by_peer =
      g_hash_table_new_full (turn_connect_address_hash, turn_connect_address_equal, NULL, g_free);
}

void
turn_connect_channels_clear (TurnConnectChannels *channels)
{
  g_clear_pointer (&channels->by_peer, g_hash_table_unref);
}

TurnConnectChannel *
turn_connect_channels_find (const TurnConnectChannels *channels, const StunExtAddress *peer)
{
  return g_hash_table_lookup (channels->by_peer, peer);
}

TurnConnectChannel *
turn_connect_channels_find_number (const TurnConnectChannels *channels, guint16 number)
{
  if (number < STUN_EXT_CHANNEL_MIN || number > STUN_EXT_CHANNEL_MAX)
    return NULL;
  return channels->by_number[number - STUN_EXT_CHANNEL_MIN];
}

/* Gives it the next number that nobody has. */
static gboolean
give_number (TurnConnectChannels *channels, TurnConnectChannel *channel)
{
  for (guint tries = 0; tries < N_NUMBERS; tries++) {
    guint at = channels->next_number++ % N_NUMBERS;

    if (channels->by_number[at] != NULL)
      continue;
    channel->number = (guint16)(STUN_EXT_CHANNEL_MIN + at);
    channels->by_number[at] = channel;
    return TRUE;
  }
  return FALSE;
}

TurnConnectChannel *
turn_connect_channels_want (TurnConnectChannels *channels, const StunExtAddress *peer)
{
  TurnConnectChannel *channel = turn_connect_channels_find (channels, peer);

  if (channel == NULL) {
    channel = g_new0 (TurnConnectChannel, 1);
    channel->peer = *peer;
    if (!give_number (channels, channel)) {
      g_free (channel);
      return NULL;
    }
    g_hash_table_insert (channels->by_peer, &channel->peer, channel);
  } else if (!channel->is_wanted)
    channel->state = TURN_CONNECT_ENTRY_WANTED; /* the same pair again: allowed at any time */
  channel->is_wanted = TRUE;
  return channel;
}

static void
drop (TurnConnectChannels *channels, TurnConnectChannel *channel)
{
  channels->by_number[channel->number - STUN_EXT_CHANNEL_MIN] = NULL;
  g_hash_table_remove (channels->by_peer, &channel->peer);
}

void
turn_connect_channels_forget (TurnConnectChannels *channels,
                              TurnConnectChannel *channel,
                              gint64 now_us)
{
  channel->is_wanted = FALSE;
  if (channel->state == TURN_CONNECT_ENTRY_WANTED && channel->ends_us == 0)
    drop (channels, channel);
  else if (channel->state == TURN_CONNECT_ENTRY_ASKED)
    channel->ends_us = now_us + LASTS_US; /* perhaps the server has it */
}

gboolean
turn_connect_channels_wants_host (const TurnConnectChannels *channels, const StunExtAddress *host)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, channels->by_peer);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    const TurnConnectChannel *channel = value;

    if (channel->is_wanted && stun_ext_address_equal_host (&channel->peer, host))
      return TRUE;
  }
  return FALSE;
}

void
turn_connect_channels_forget_host (TurnConnectChannels *channels,
                                   const StunExtAddress *host,
                                   gint64 now_us)
{
  g_autoptr (GList) all = g_hash_table_get_values (channels->by_peer);

  for (GList *at = all; at != NULL; at = at->next) {
    TurnConnectChannel *channel = at->data;

    if (stun_ext_address_equal_host (&channel->peer, host))
      turn_connect_channels_forget (channels, channel, now_us);
  }
}

gboolean
turn_connect_channels_renumber (TurnConnectChannels *channels, TurnConnectChannel *channel)
{
  guint at = channel->number - STUN_EXT_CHANNEL_MIN;

  if (!give_number (channels, channel))
    return FALSE;
  channels->by_number[at] = NULL;
  channel->was_renumbered = TRUE;
  channel->state = TURN_CONNECT_ENTRY_WANTED;
  return TRUE;
}

void
turn_connect_channel_installed (TurnConnectChannel *channel, gint64 now_us)
{
  channel->state = TURN_CONNECT_ENTRY_THERE;
  channel->was_there = TRUE;
  channel->was_renumbered = FALSE;
  channel->renew_us = now_us + RENEW_AFTER_US;
  channel->ends_us = now_us + LASTS_US;
}

gboolean
turn_connect_channel_carries (const TurnConnectChannel *channel)
{
  return channel != NULL && channel->is_wanted &&
         (channel->state == TURN_CONNECT_ENTRY_THERE ||
          channel->state == TURN_CONNECT_ENTRY_RENEWING);
}

void
turn_connect_channels_restart (TurnConnectChannels *channels)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, channels->by_peer);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    TurnConnectChannel *channel = value;

    channel->state = TURN_CONNECT_ENTRY_WANTED;
    channel->ends_us = 0;
    if (!channel->is_wanted) {
      channels->by_number[channel->number - STUN_EXT_CHANNEL_MIN] = NULL;
      g_hash_table_iter_remove (&iter);
    }
  }
}

void
turn_connect_channels_renew_all (TurnConnectChannels *channels, gint64 now_us)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, channels->by_peer);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    TurnConnectChannel *channel = value;

    if (turn_connect_channel_carries (channel) && now_us < channel->ends_us) {
      channel->state = TURN_CONNECT_ENTRY_THERE;
      channel->renew_us = now_us;
    } else if (channel->is_wanted)
      channel->state = TURN_CONNECT_ENTRY_WANTED;
  }
}

TurnConnectChannel *
turn_connect_channels_take_due (TurnConnectChannels *channels, gint64 now_us)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, channels->by_peer);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    TurnConnectChannel *channel = value;

    if (!channel->is_wanted) {
      if (channel->ends_us + REST_US <= now_us) {
        channels->by_number[channel->number - STUN_EXT_CHANNEL_MIN] = NULL;
        g_hash_table_iter_remove (&iter);
      }
    } else if (channel->state == TURN_CONNECT_ENTRY_WANTED) {
      channel->state = TURN_CONNECT_ENTRY_ASKED;
      return channel;
    } else if (channel->state == TURN_CONNECT_ENTRY_THERE && channel->renew_us <= now_us) {
      channel->state = TURN_CONNECT_ENTRY_RENEWING;
      return channel;
    }
  }
  return NULL;
}

gint64
turn_connect_channels_next (const TurnConnectChannels *channels)
{
  gint64 next = G_MAXINT64;
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, channels->by_peer);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    const TurnConnectChannel *channel = value;

    if (!channel->is_wanted)
      next = MIN (next, channel->ends_us + REST_US);
    else if (channel->state == TURN_CONNECT_ENTRY_WANTED)
      return G_MININT64;
    else if (channel->state == TURN_CONNECT_ENTRY_THERE)
      next = MIN (next, channel->renew_us);
  }
  return next;
}
