/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Permissions of one allocation (RFC 8656 section 9): which peers are let through, and which of
 * them have to be asked for again. Hosts, not ports, are permitted.
 */
#include "turn-connect/turn/permission.h"

#include "stun-ext/protocol.h"

#define RENEW_AFTER_US (240 * G_USEC_PER_SEC) /* of 300 s: a request may take 39.5 s */
#define RENEW_WITH_US (30 * G_USEC_PER_SEC)   /* those due this soon come along */
#define LASTS_US (STUN_EXT_PERMISSION_LIFETIME_S * G_USEC_PER_SEC)
#define PERMISSIONS_MAX 4096 /* arbitrary */

guint
turn_connect_address_hash (gconstpointer address)
{
  static guint64 seed;

  if (g_once_init_enter (&seed))
    g_once_init_leave (&seed, ((guint64)g_random_int () << 32 | g_random_int ()) | 1);
  return (guint)stun_ext_address_hash (address, seed);
}

gboolean
turn_connect_address_equal (gconstpointer a, gconstpointer b)
{
  return stun_ext_address_equal (a, b);
}

static StunExtAddress
host_of (const StunExtAddress *peer)
{
  StunExtAddress host = stun_ext_address_canonical (peer);

  host.port = 0;
  return host;
}

void
turn_connect_permissions_init (TurnConnectPermissions *permissions)
{
  permissions->table =
      g_hash_table_new_full (turn_connect_address_hash, turn_connect_address_equal, NULL, g_free);
}

void
turn_connect_permissions_clear (TurnConnectPermissions *permissions)
{
  g_clear_pointer (&permissions->table, g_hash_table_unref);
}

TurnConnectPermission *
turn_connect_permissions_find (const TurnConnectPermissions *permissions,
                               const StunExtAddress *peer)
{
  StunExtAddress host = host_of (peer);

  return g_hash_table_lookup (permissions->table, &host);
}

TurnConnectPermission *
turn_connect_permissions_want (TurnConnectPermissions *permissions, const StunExtAddress *peer)
{
  StunExtAddress host = host_of (peer);
  TurnConnectPermission *permission = g_hash_table_lookup (permissions->table, &host);

  if (permission != NULL)
    return permission;
  if (g_hash_table_size (permissions->table) >= PERMISSIONS_MAX)
    return NULL;
  permission = g_new0 (TurnConnectPermission, 1);
  permission->host = host;
  g_hash_table_insert (permissions->table, &permission->host, permission);
  return permission;
}

void
turn_connect_permissions_drop (TurnConnectPermissions *permissions, const StunExtAddress *peer)
{
  StunExtAddress host = host_of (peer);

  g_hash_table_remove (permissions->table, &host);
}

void
turn_connect_permission_installed (TurnConnectPermission *permission, gint64 now_us)
{
  permission->state = TURN_CONNECT_ENTRY_THERE;
  permission->is_alone = FALSE;
  permission->was_there = TRUE;
  permission->renew_us = now_us + RENEW_AFTER_US;
  permission->ends_us = now_us + LASTS_US;
}

gboolean
turn_connect_permission_lets_through (const TurnConnectPermission *permission)
{
  return permission != NULL && (permission->state == TURN_CONNECT_ENTRY_THERE ||
                                permission->state == TURN_CONNECT_ENTRY_RENEWING);
}

void
turn_connect_permissions_restart (TurnConnectPermissions *permissions)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, permissions->table);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    ((TurnConnectPermission *)value)->state = TURN_CONNECT_ENTRY_WANTED;
}

void
turn_connect_permissions_renew_all (TurnConnectPermissions *permissions, gint64 now_us)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, permissions->table);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    TurnConnectPermission *permission = value;

    if (turn_connect_permission_lets_through (permission) && now_us < permission->ends_us) {
      permission->state = TURN_CONNECT_ENTRY_THERE;
      permission->renew_us = now_us;
    } else
      permission->state = TURN_CONNECT_ENTRY_WANTED;
  }
}

static gboolean
is_due (const TurnConnectPermission *permission, gint64 before_us)
{
  return permission->state == TURN_CONNECT_ENTRY_WANTED ||
         (permission->state == TURN_CONNECT_ENTRY_THERE && permission->renew_us <= before_us);
}

guint
turn_connect_permissions_take_due (TurnConnectPermissions *permissions,
                                   gint64 now_us,
                                   StunExtAddress *hosts,
                                   guint max)
{
  GHashTableIter iter;
  gpointer value;
  guint n = 0;

  if (turn_connect_permissions_next (permissions) > now_us)
    return 0;
  g_hash_table_iter_init (&iter, permissions->table);
  while (n < max && g_hash_table_iter_next (&iter, NULL, &value)) {
    TurnConnectPermission *permission = value;

    if (!is_due (permission, now_us + RENEW_WITH_US) || (permission->is_alone && n > 0))
      continue;
    permission->state = permission->state == TURN_CONNECT_ENTRY_WANTED
                            ? TURN_CONNECT_ENTRY_ASKED
                            : TURN_CONNECT_ENTRY_RENEWING;
    hosts[n++] = permission->host;
    if (permission->is_alone)
      break;
  }
  return n;
}

gint64
turn_connect_permissions_next (const TurnConnectPermissions *permissions)
{
  gint64 next = G_MAXINT64;
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, permissions->table);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    const TurnConnectPermission *permission = value;

    if (permission->state == TURN_CONNECT_ENTRY_WANTED)
      return G_MININT64;
    if (permission->state == TURN_CONNECT_ENTRY_THERE)
      next = MIN (next, permission->renew_us);
  }
  return next;
}
