/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a session needs to know before it sends anything, and the checks that keep a secret from a
 * listener. */
#include "tep-c/options.h"

#include "stun-ext/credentials.h"
#include "tep-c/error.h"

#include <string.h>

G_DEFINE_QUARK (tep_client_error, tep_client_error)

#define USER_MAX 508        /* RFC 8489 section 14.3: fewer than 509 octets */
#define SERVER_NAME_MAX 255 /* PROTOCOL section 5 */

TepClientOptions *
tep_client_options_new (void)
{
  TepClientOptions *options = g_new0 (TepClientOptions, 1);

  options->port = 443;
  options->sends_alpn_header = TRUE;
  options->attempt_timeout_s = 15;
  return options;
}

TepClientOptions *
tep_client_options_copy (const TepClientOptions *options)
{
  TepClientOptions *copy = g_memdup2 (options, sizeof *options);

  copy->host = g_strdup (options->host);
  copy->ca_file = g_strdup (options->ca_file);
  copy->pin_sha256 = g_strdup (options->pin_sha256);
  copy->server_name = g_strdup (options->server_name);
  copy->interface = g_strdup (options->interface);
  copy->proxy = g_strdup (options->proxy);
  copy->proxy_user = g_strdup (options->proxy_user);
  copy->proxy_password = g_strdup (options->proxy_password);
  copy->connect_headers = g_strdupv (options->connect_headers);
  copy->user = g_strdup (options->user);
  copy->password = g_strdup (options->password);
  return copy;
}

static void
free_secret (char *secret)
{
  if (secret != NULL)
    explicit_bzero (secret, strlen (secret));
  g_free (secret);
}

void
tep_client_options_free (TepClientOptions *options)
{
  if (options == NULL)
    return;
  g_free (options->host);
  g_free (options->ca_file);
  g_free (options->pin_sha256);
  g_free (options->server_name);
  g_free (options->interface);
  free_secret (options->proxy);
  g_free (options->proxy_user);
  free_secret (options->proxy_password);
  g_strfreev (options->connect_headers);
  g_free (options->user);
  free_secret (options->password);
  g_free (options);
}

gboolean
tep_client_options_check (const TepClientOptions *options, GError **error)
{
  gsize name_length = options->host != NULL ? strlen (options->host) : 0;
  gsize user_length = options->user != NULL ? strlen (options->user) : 0;
  gsize secret_length = options->password != NULL ? strlen (options->password) : 0;

  if (name_length == 0 || name_length > SERVER_NAME_MAX || options->port == 0) {
    g_set_error (error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_FORBIDDEN,
                 "no usable server: give a name of 1 to %d octets and a port", SERVER_NAME_MAX);
    return FALSE;
  }
  if (user_length == 0 || user_length > USER_MAX) {
    g_set_error (error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_CREDENTIAL,
                 "no usable user name: give one of 1 to %d octets", USER_MAX);
    return FALSE;
  }
  if (secret_length == 0) {
    g_set_error (error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_CREDENTIAL, "no password for user “%s”",
                 options->user);
    return FALSE;
  }
  if (!options->is_tls && secret_length < STUN_EXT_PLAIN_PASSWORD_MIN) {
    g_set_error (error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_INSECURE,
                 "the password has %" G_GSIZE_FORMAT
                 " octets; without TLS a listener could search for one under %d: "
                 "use TLS or a longer password",
                 secret_length, STUN_EXT_PLAIN_PASSWORD_MIN);
    return FALSE;
  }
  return TRUE;
}
