/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a user says about a proxy, turned into parts that need no second look. A proxy that cannot
 * be understood is an error here, because anything milder ends in going out directly without being
 * asked.
 */
#include "turn-connect/proxy/url.h"

#include "turn-connect/error.h"
#include "turn-connect/host.h"

#include <string.h>

#define CREDENTIAL_MAX 512 /* octets each; Kerberos apart, nothing longer is a password */

static gboolean
fail (GError **error, TurnConnectError code, const char *message)
{
  g_set_error_literal (error, TURN_CONNECT_ERROR, (gint)code, message);
  return FALSE;
}

/* RFC 7617 section 2: no control characters, and a colon would end the user. */
static gboolean
check_credential (const char *text, gboolean is_user, GError **error)
{
  if (strlen (text) > CREDENTIAL_MAX)
    return fail (error, TURN_CONNECT_ERROR_INVALID, "the proxy's user or password is too long");
  for (const char *c = text; *c != '\0'; c++) {
    if ((guchar)*c < 0x20 || *c == 0x7f)
      return fail (error, TURN_CONNECT_ERROR_INVALID,
                   "the proxy's user or password contains a control character");
    if (is_user && *c == ':')
      return fail (error, TURN_CONNECT_ERROR_INVALID, "the proxy's user contains a colon");
  }
  return TRUE;
}

gboolean
turn_connect_proxy_check_credentials (const char *user, const char *password, GError **error)
{
  return user == NULL || (check_credential (user, TRUE, error) &&
                          (password == NULL || check_credential (password, FALSE, error)));
}

static gboolean
set_credentials (TurnConnectProxy *proxy, const char *user, const char *password, GError **error)
{
  if (user == NULL)
    return TRUE;
  if (password == NULL)
    password = "";
  if (!turn_connect_proxy_check_credentials (user, password, error))
    return FALSE;
  proxy->user = g_strdup (user);
  proxy->password = g_strdup (password);
  return TRUE;
}

static gboolean
set_scheme (TurnConnectProxy *proxy, const char *scheme, GError **error)
{
  if (g_ascii_strcasecmp (scheme, "http") != 0 && g_ascii_strcasecmp (scheme, "https") != 0)
    return fail (error, TURN_CONNECT_ERROR_UNSUPPORTED,
                 "only proxies of the kinds http:// and https:// are supported");
  proxy->is_tls = g_ascii_strcasecmp (scheme, "https") == 0;
  return TRUE;
}

static gboolean
set_place (TurnConnectProxy *proxy, GUri *uri, GError **error)
{
  const char *path = g_uri_get_path (uri);
  int port = g_uri_get_port (uri);
  g_autofree char *place = NULL;

  if ((*path != '\0' && strcmp (path, "/") != 0) || g_uri_get_query (uri) != NULL ||
      g_uri_get_fragment (uri) != NULL)
    return fail (error, TURN_CONNECT_ERROR_INVALID, "the proxy's URL must end after host and port");
  if (port == 0 || port > G_MAXUINT16)
    return fail (error, TURN_CONNECT_ERROR_INVALID, "the proxy's port is outside 1 to 65535");
  if (port < 0)
    port = proxy->is_tls ? 443 : 80;
  proxy->host = turn_connect_host_normalise (g_uri_get_host (uri), error);
  if (proxy->host == NULL) {
    g_prefix_error_literal (error, "proxy: ");
    return FALSE;
  }
  proxy->port = (guint16)port;
  place = turn_connect_host_join (proxy->host, proxy->port);
  proxy->url = g_strconcat (proxy->is_tls ? "https://" : "http://", place, NULL);
  return TRUE;
}

TurnConnectProxy *
turn_connect_proxy_new (const char *url, GError **error)
{
  g_autofree char *whole = NULL;
  g_autoptr (GUri) uri = NULL;
  g_autoptr (TurnConnectProxy) proxy = g_new0 (TurnConnectProxy, 1);

  g_atomic_ref_count_init (&proxy->refs);
  whole = g_strconcat (strstr (url, "://") != NULL ? "" : "http://", url, NULL);
  uri = g_uri_parse (whole, G_URI_FLAGS_HAS_PASSWORD, NULL);
  explicit_bzero (whole, strlen (whole));
  if (uri == NULL || g_uri_get_host (uri) == NULL || *g_uri_get_host (uri) == '\0') {
    fail (error, TURN_CONNECT_ERROR_INVALID,
          "the proxy is not of the form http://user:password@host:port; octets of user or password "
          "that mean something in a URL have to be percent-encoded");
    return NULL;
  }
  if (!set_scheme (proxy, g_uri_get_scheme (uri), error) || !set_place (proxy, uri, error) ||
      !set_credentials (proxy, g_uri_get_user (uri), g_uri_get_password (uri), error))
    return NULL;
  return g_steal_pointer (&proxy);
}

TurnConnectProxy *
turn_connect_proxy_with_credentials (const TurnConnectProxy *proxy,
                                     const char *user,
                                     const char *password,
                                     GError **error)
{
  g_autoptr (TurnConnectProxy) copy = g_new0 (TurnConnectProxy, 1);

  g_atomic_ref_count_init (&copy->refs);
  copy->is_tls = proxy->is_tls;
  copy->host = g_strdup (proxy->host);
  copy->port = proxy->port;
  copy->url = g_strdup (proxy->url);
  if (!set_credentials (copy, user, password, error))
    return NULL;
  return g_steal_pointer (&copy);
}

TurnConnectProxy *
turn_connect_proxy_ref (TurnConnectProxy *proxy)
{
  g_atomic_ref_count_inc (&proxy->refs);
  return proxy;
}

void
turn_connect_proxy_unref (TurnConnectProxy *proxy)
{
  if (!g_atomic_ref_count_dec (&proxy->refs))
    return;
  g_free (proxy->host);
  g_free (proxy->url);
  g_clear_pointer (&proxy->digest, turn_connect_digest_free);
  turn_connect_secret_free (proxy->user);
  turn_connect_secret_free (proxy->password);
  g_free (proxy);
}
