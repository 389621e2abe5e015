/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/error.h"

#include <gio/gio.h>

/* A name's addresses, both families asked for at once. One thread, one main context. */
typedef struct _TurnConnectLookup TurnConnectLookup;

/* Told once per family, from the main context, never before turn_connect_lookup_new() returned.
 * @addresses: GInetAddress, borrowed; empty if there are none. May free the lookup. */
typedef void (*TurnConnectLookupFunc) (GSocketFamily family, GList *addresses, gpointer user_data);

/* @host: normalised; an address literal is its own answer, or, of IPv4 where this machine has IPv6
 * alone, what it is behind the network's NAT64, if there is one. */
TurnConnectLookup *
turn_connect_lookup_new (const char *host, TurnConnectLookupFunc func, gpointer user_data);
/* Ends it; nothing is told any more. */
void turn_connect_lookup_free (TurnConnectLookup *lookup);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TurnConnectLookup, turn_connect_lookup_free)

/* Why there is no address, once both families were told; and what silence means before that. */
GError *turn_connect_lookup_make_error (const TurnConnectLookup *lookup);
GError *turn_connect_lookup_make_silence_error (const TurnConnectLookup *lookup);
