/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* Whom to try next, and when: RFC 8305 without sockets and clock. Times are microseconds of any
 * monotonic clock. One thread. */
typedef struct _TurnConnectRace TurnConnectRace;

#define TURN_CONNECT_RACE_MAX_ADDRESSES 16

TurnConnectRace *turn_connect_race_new (void);
void turn_connect_race_free (TurnConnectRace *race);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TurnConnectRace, turn_connect_race_free)

/* The lookup of one family ended with these addresses (GInetAddress, copied; empty if it failed).
 */
void turn_connect_race_answer (TurnConnectRace *race,
                               GSocketFamily family,
                               GList *addresses,
                               gint64 now);

/* Which address to try now; NULL for none. Ask again until NULL, then wait for @wake (-1: until
 * something happens). */
GInetAddress *turn_connect_race_next (TurnConnectRace *race, gint64 now, gint64 *wake);

/* An attempt ended without success: the next need not wait. */
void turn_connect_race_failed (TurnConnectRace *race);

/* Nothing is being tried or looked up, nothing is left. */
gboolean turn_connect_race_is_lost (TurnConnectRace *race);
gboolean turn_connect_race_has_addresses (TurnConnectRace *race);
