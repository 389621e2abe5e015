/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The description of a server and the way to it, apart from the dialling, so that one description
 * serves every connection of a tunnel and every reconnection. Setters check and copy.
 */
#include "turn-connect/target-private.h"

#include "turn-connect/error.h"
#include "turn-connect/host.h"
#include "turn-connect/proxy/http-head.h"

#define TIMEOUT_MS 30000
#define LINES_MAX 32 /* of configured headers */

G_DEFINE_FINAL_TYPE (TurnConnectTarget, turn_connect_target, G_TYPE_OBJECT)

static void
turn_connect_target_finalize (GObject *object)
{
  TurnConnectTarget *self = TURN_CONNECT_TARGET (object);

  g_clear_pointer (&self->host, g_free);
  g_clear_pointer (&self->tls_name, g_free);
  g_clear_pointer (&self->proxy, turn_connect_proxy_unref);
  g_clear_pointer (&self->lines, g_ptr_array_unref);
  g_clear_object (&self->tls);
  g_clear_object (&self->proxy_tls);
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
  self->schemes = TURN_CONNECT_PROXY_ANY;
  self->lines = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (self->lines, NULL);
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

TurnConnectTarget *
turn_connect_target_new_alternate (
    TurnConnectTarget *target, const char *host, guint port, const char *tls_name, GError **error)
{
  g_autoptr (TurnConnectTarget) self = turn_connect_target_new (host, port, error);
  g_autofree char *name = NULL;

  if (self == NULL)
    return NULL;
  if (tls_name != NULL) {
    name = turn_connect_host_normalise (tls_name, error);
    if (name == NULL)
      return NULL;
  } else
    name = g_strdup (target->tls_name != NULL ? target->tls_name : target->host);
  self->tls_name = g_steal_pointer (&name);
  self->timeout_ms = target->timeout_ms;
  g_set_object (&self->tls, target->tls);
  g_set_object (&self->proxy_tls, target->proxy_tls);
  self->proxy = target->proxy != NULL ? turn_connect_proxy_ref (target->proxy) : NULL;
  self->schemes = target->schemes;
  self->sends_first = target->sends_first;
  self->marks_server = target->marks_server;
  g_clear_pointer (&self->lines, g_ptr_array_unref);
  self->lines = g_ptr_array_ref (target->lines);
  return g_steal_pointer (&self);
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

void
turn_connect_target_set_tls (TurnConnectTarget *target, TurnConnectTlsOptions *options)
{
  g_set_object (&target->tls, options);
}

void
turn_connect_target_set_proxy_tls (TurnConnectTarget *target, TurnConnectTlsOptions *options)
{
  g_set_object (&target->proxy_tls, options);
}

gboolean
turn_connect_target_set_proxy (TurnConnectTarget *target, const char *url, GError **error)
{
  TurnConnectProxy *proxy = NULL;

  if (url != NULL && (proxy = turn_connect_proxy_new (url, error)) == NULL)
    return FALSE;
  g_clear_pointer (&target->proxy, turn_connect_proxy_unref);
  target->proxy = proxy;
  return TRUE;
}

gboolean
turn_connect_target_set_proxy_credentials (TurnConnectTarget *target,
                                           const char *user,
                                           const char *password,
                                           GError **error)
{
  TurnConnectProxy *proxy;

  g_return_val_if_fail (target->proxy != NULL, FALSE);
  proxy = turn_connect_proxy_with_credentials (target->proxy, user, password, error);
  if (proxy == NULL)
    return FALSE;
  turn_connect_proxy_unref (target->proxy);
  target->proxy = proxy;
  return TRUE;
}

void
turn_connect_target_set_proxy_schemes (TurnConnectTarget *target,
                                       TurnConnectProxySchemes allowed,
                                       gboolean sends_first)
{
  target->schemes = allowed;
  target->sends_first = sends_first;
}

gboolean
turn_connect_target_add_header (TurnConnectTarget *target, const char *line, GError **error)
{
  if (!turn_connect_http_head_check_line (line, error))
    return FALSE;
  if (target->lines->len > LINES_MAX) {
    g_set_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID, "more than %d header lines",
                 LINES_MAX);
    return FALSE;
  }
  g_ptr_array_insert (target->lines, (gint)target->lines->len - 1, g_strdup (line));
  return TRUE;
}

gboolean
turn_connect_target_add_alpn_header (TurnConnectTarget *target,
                                     const char *const *protocols,
                                     GError **error)
{
  g_autofree char *value = turn_connect_http_head_make_alpn (protocols, error);
  g_autofree char *line = NULL;

  if (value == NULL)
    return FALSE;
  line = g_strconcat ("ALPN: ", value, NULL);
  return turn_connect_target_add_header (target, line, error);
}

void
turn_connect_target_set_marks_server (TurnConnectTarget *target, gboolean marks_server)
{
  target->marks_server = marks_server;
}
