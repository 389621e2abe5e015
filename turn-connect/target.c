/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The description of a server and the way to it, apart from the dialling, so that one description
 * serves every connection of a tunnel and every reconnection. Setters check and copy.
 */
#include "turn-connect/target-private.h"

#include "turn-connect/error.h"
#include "turn-connect/host.h"

#define TIMEOUT_MS 30000

G_DEFINE_FINAL_TYPE (TurnConnectTarget, turn_connect_target, G_TYPE_OBJECT)

static void
turn_connect_target_finalize (GObject *object)
{
  TurnConnectTarget *self = TURN_CONNECT_TARGET (object);

  g_clear_pointer (&self->host, g_free);
  G_OBJECT_CLASS (turn_connect_target_parent_class)->finalize (object);
}

static void
turn_connect_target_class_init (TurnConnectTargetClass *class)
{
  G_OBJECT_CLASS (class)->finalize = turn_connect_target_finalize;
}

static void
turn_connect_target_init (TurnConnectTarget *self)
{
  self->timeout_ms = TIMEOUT_MS;
}

TurnConnectTarget *
turn_connect_target_new (const char *host, guint port, GError **error)
{
  TurnConnectTarget *self;
  g_autofree char *normal = turn_connect_host_normalise (host, error);

  if (normal == NULL)
    return NULL;
  if (port < 1 || port > G_MAXUINT16) {
    g_set_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
                 "port %u is outside 1 to 65535", port);
    return NULL;
  }
  self = g_object_new (TURN_CONNECT_TYPE_TARGET, NULL);
  self->host = g_steal_pointer (&normal);
  self->port = (guint16)port;
  return self;
}

const char *
turn_connect_target_get_host (TurnConnectTarget *target)
{
  return target->host;
}

guint16
turn_connect_target_get_port (TurnConnectTarget *target)
{
  return target->port;
}

void
turn_connect_target_set_timeout (TurnConnectTarget *target, guint timeout_ms)
{
  target->timeout_ms = MAX (timeout_ms, 1);
}
