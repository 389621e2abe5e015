/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stun-ext/address.h"

typedef enum {
  TURN_CONNECT_ENTRY_WANTED,   /* to be asked for */
  TURN_CONNECT_ENTRY_ASKED,    /* a request is on its way; the server may have it already */
  TURN_CONNECT_ENTRY_THERE,    /* the server has it */
  TURN_CONNECT_ENTRY_RENEWING, /* the server has it, and a request is on its way */
} TurnConnectEntryState;

/* A peer that is let through, or is to be. */
typedef struct {
  StunExtAddress host; /* port 0 */
  TurnConnectEntryState state;
  gboolean is_alone;  /* a request with several peers was refused: ask for each by itself */
  gboolean was_there; /* on this allocation or one before it */
  gint64 renew_us;
  gint64 ends_us;
} TurnConnectPermission;

/* All of an allocation, by host. */
typedef struct {
  GHashTable *table;
} TurnConnectPermissions;

void turn_connect_permissions_init (TurnConnectPermissions *permissions);
void turn_connect_permissions_clear (TurnConnectPermissions *permissions);
TurnConnectPermission *turn_connect_permissions_find (const TurnConnectPermissions *permissions,
                                                      const StunExtAddress *peer);
/* Finds or makes; NULL if there are too many. */
TurnConnectPermission *turn_connect_permissions_want (TurnConnectPermissions *permissions,
                                                      const StunExtAddress *peer);
void turn_connect_permissions_drop (TurnConnectPermissions *permissions,
                                    const StunExtAddress *peer);
/* The server has it from now on. */
void turn_connect_permission_installed (TurnConnectPermission *permission, gint64 now_us);
gboolean turn_connect_permission_lets_through (const TurnConnectPermission *permission);
/* There is another allocation, which has none of them. */
void turn_connect_permissions_restart (TurnConnectPermissions *permissions);
/* The connection is another, the allocation the same: renew all soon. */
void turn_connect_permissions_renew_all (TurnConnectPermissions *permissions, gint64 now_us);
/* Takes up to @max that have to be asked for or renewed into @hosts and marks them so. 0: none. */
guint turn_connect_permissions_take_due (TurnConnectPermissions *permissions,
                                         gint64 now_us,
                                         StunExtAddress *hosts,
                                         guint max);
/* When the next has to be renewed; G_MAXINT64: never. */
gint64 turn_connect_permissions_next (const TurnConnectPermissions *permissions);

/* For tables by address. */
guint turn_connect_address_hash (gconstpointer address);
gboolean turn_connect_address_equal (gconstpointer a, gconstpointer b);
