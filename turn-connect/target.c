/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The description of a server and the way to it, apart from the dialling, so that one description
 * serves every connection of a tunnel and every reconnection. Setters check and copy.
 */
#include "turn-connect/target-private.h"

#include "turn-connect/error.h"
#include "turn-connect/host.h"
#include "turn-connect/proxy/http-head.h"
#include "turn-connect/proxy/pac.h"
#include "turn-connect/tls-options-private.h"

#include <string.h>

#define TIMEOUT_MS 30000
#define LINES_MAX 32 /* of configured headers */

G_DEFINE_FINAL_TYPE (TurnConnectTarget, turn_connect_target, G_TYPE_OBJECT)

static void
turn_connect_target_finalize (GObject *object)
{
  TurnConnectTarget *self = TURN_CONNECT_TARGET (object);

  g_clear_pointer (&self->host, g_free);
  g_clear_pointer (&self->tls_name, g_free);
  g_clear_pointer (&self->domain, g_free);
  g_clear_pointer (&self->interface, g_free);
  g_clear_pointer (&self->proxy, turn_connect_proxy_unref);
  g_clear_pointer (&self->pac_url, g_free);
  g_clear_pointer (&self->user, turn_connect_secret_free);
  g_clear_pointer (&self->password, turn_connect_secret_free);
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

void
turn_connect_target_set_interface (TurnConnectTarget *target, const char *name)
{
  g_free (target->interface);
  target->interface = g_strdup (name);
}

/* All but the server itself. */
static void
copy_way (TurnConnectTarget *self, TurnConnectTarget *target)
{
  self->timeout_ms = target->timeout_ms;
  turn_connect_target_set_interface (self, target->interface);
  g_set_object (&self->tls, target->tls);
  g_set_object (&self->proxy_tls, target->proxy_tls);
  self->source = target->source;
  self->proxy = target->proxy != NULL ? turn_connect_proxy_ref (target->proxy) : NULL;
  self->pac_url = g_strdup (target->pac_url);
  self->user = g_strdup (target->user);
  self->password = g_strdup (target->password);
  self->are_schemes_set = target->are_schemes_set;
  self->schemes = target->schemes;
  self->sends_first = target->sends_first;
  self->marks_server = target->marks_server;
  g_clear_pointer (&self->lines, g_ptr_array_unref);
  self->lines = g_ptr_array_ref (target->lines);
}

TurnConnectTarget *
turn_connect_target_copy (TurnConnectTarget *target)
{
  TurnConnectTarget *self = g_object_new (TURN_CONNECT_TYPE_TARGET, NULL);

  self->host = g_strdup (target->host);
  self->port = target->port;
  self->tls_name = g_strdup (target->tls_name);
  self->domain = g_strdup (target->domain);
  copy_way (self, target);
  return self;
}

TurnConnectTarget *
turn_connect_target_new_alternate (
    TurnConnectTarget *target, const char *host, guint port, const char *domain, GError **error)
{
  g_autoptr (TurnConnectTarget) self = turn_connect_target_new (host, port, error);

  if (self == NULL)
    return NULL;
  self->tls_name = g_strdup (target->tls_name != NULL ? target->tls_name : target->host);
  self->domain =
      domain != NULL ? turn_connect_host_normalise (domain, error) : g_strdup (target->domain);
  if (domain != NULL && self->domain == NULL)
    return NULL;
  copy_way (self, target);
  return g_steal_pointer (&self);
}

const char *
turn_connect_target_get_tls_name (TurnConnectTarget *target)
{
  if (target->domain != NULL)
    return target->domain;
  return turn_connect_tls_options_get_name_for (
      target->tls, target->tls_name != NULL ? target->tls_name : target->host);
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
  return turn_connect_target_set_proxy_source (
      target, url != NULL ? TURN_CONNECT_PROXY_SOURCE_URL : TURN_CONNECT_PROXY_SOURCE_NONE, url,
      error);
}

gboolean
turn_connect_target_set_proxy_source (TurnConnectTarget *target,
                                      TurnConnectProxySource source,
                                      const char *url,
                                      GError **error)
{
  TurnConnectProxy *proxy = NULL;
  gboolean has_url =
      source == TURN_CONNECT_PROXY_SOURCE_URL || source == TURN_CONNECT_PROXY_SOURCE_PAC;

  g_return_val_if_fail (has_url == (url != NULL), FALSE);
  if (source == TURN_CONNECT_PROXY_SOURCE_URL &&
      (proxy = turn_connect_proxy_new (url, error)) == NULL)
    return FALSE;
  if (source == TURN_CONNECT_PROXY_SOURCE_PAC && !turn_connect_pac_check_url (url, error))
    return FALSE;
  g_clear_pointer (&target->proxy, turn_connect_proxy_unref);
  target->proxy = proxy;
  target->source = source;
  g_free (target->pac_url);
  target->pac_url = source == TURN_CONNECT_PROXY_SOURCE_PAC ? g_strdup (url) : NULL;
  return TRUE;
}

gboolean
turn_connect_target_choose_proxy (TurnConnectTarget *target, const char *words, GError **error)
{
  static const struct {
    const char *word;
    TurnConnectProxySource source;
  } sources[] = {
    { "none", TURN_CONNECT_PROXY_SOURCE_NONE },
    { "env", TURN_CONNECT_PROXY_SOURCE_ENVIRONMENT },
    { "system", TURN_CONNECT_PROXY_SOURCE_SYSTEM },
    { "auto", TURN_CONNECT_PROXY_SOURCE_AUTO },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (sources); i++) {
    if (strcmp (words, sources[i].word) == 0)
      return turn_connect_target_set_proxy_source (target, sources[i].source, NULL, error);
  }
  if (g_str_has_prefix (words, "pac+"))
    return turn_connect_target_set_proxy_source (target, TURN_CONNECT_PROXY_SOURCE_PAC,
                                                 words + strlen ("pac+"), error);
  return turn_connect_target_set_proxy (target, words, error);
}

gboolean
turn_connect_target_set_proxy_credentials (TurnConnectTarget *target,
                                           const char *user,
                                           const char *password,
                                           GError **error)
{
  TurnConnectProxy *proxy;

  if (target->source == TURN_CONNECT_PROXY_SOURCE_NONE) {
    g_set_error_literal (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
                         "there are credentials for a proxy, and no proxy");
    return FALSE;
  }
  if (target->proxy == NULL) {
    if (!turn_connect_proxy_check_credentials (user, password, error))
      return FALSE;
    turn_connect_secret_free (target->user);
    turn_connect_secret_free (target->password);
    target->user = g_strdup (user);
    target->password = g_strdup (password);
    return TRUE;
  }
  proxy = turn_connect_proxy_with_credentials (target->proxy, user, password, error);
  if (proxy == NULL)
    return FALSE;
  turn_connect_proxy_unref (target->proxy);
  target->proxy = proxy;
  return TRUE;
}

void
turn_connect_target_take_way (TurnConnectTarget *target, TurnConnectProxy *proxy, gboolean is_told)
{
  g_clear_pointer (&target->proxy, turn_connect_proxy_unref);
  target->source = proxy != NULL ? TURN_CONNECT_PROXY_SOURCE_URL : TURN_CONNECT_PROXY_SOURCE_NONE;
  if (proxy == NULL)
    return;
  if (proxy->user == NULL && target->user != NULL)
    target->proxy =
        turn_connect_proxy_with_credentials (proxy, target->user, target->password, NULL);
  if (target->proxy == NULL)
    target->proxy = turn_connect_proxy_ref (proxy);
  if (is_told && !proxy->is_tls && !target->are_schemes_set)
    target->schemes &= ~(guint)TURN_CONNECT_PROXY_BASIC;
}

void
turn_connect_target_set_proxy_schemes (TurnConnectTarget *target,
                                       TurnConnectProxySchemes allowed,
                                       gboolean sends_first)
{
  target->are_schemes_set = TRUE;
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
