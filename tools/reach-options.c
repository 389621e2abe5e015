/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One way to say how a server is reached, so that what works with one program works with all. */
#include "tools/reach-options.h"

#include <pwd.h>
#include <string.h>

#include "turn-connect/error.h"
#include "turn-connect/secret-file.h"

/* A file is mended elsewhere than a command line. */
static gboolean
blame_file (GError **error, GError *cause)
{
  g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, cause->message);
  g_error_free (cause);
  return FALSE;
}

CliExit
reach_options_fail (const GError *error)
{
  if (error->domain != G_FILE_ERROR)
    return cli_usage ("%s", error->message);
  cli_say ("%s", error->message);
  return CLI_EXIT_CONFIG;
}

gboolean
reach_options_find_user (const char *name, guint *uid, GError **error)
{
  const struct passwd *entry = getpwnam (name);
  guint64 number = entry != NULL ? entry->pw_uid : 0;

  if (entry == NULL && !g_ascii_string_to_unsigned (name, 10, 0, G_MAXUINT32 - 1, &number, NULL)) {
    g_set_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID, "there is no user “%s”",
                 name);
    return FALSE;
  }
  *uid = (guint)number;
  return TRUE;
}

static gboolean
set_authorities (TurnConnectTlsOptions *tls, const char *path, GError **error)
{
  GError *cause = NULL;

  return path == NULL || turn_connect_tls_options_set_ca_file (tls, path, &cause) ||
         blame_file (error, cause);
}

gboolean
reach_options_load_credentials (
    const char *path, gboolean may_be_time_limited, char **user, char **password, GError **error)
{
  GError *cause = NULL;

  return turn_connect_secret_file_load (path, may_be_time_limited, user, password, &cause) ||
         blame_file (error, cause);
}

static gboolean
add_pins (const ReachOptions *options, TurnConnectTlsOptions *tls, GError **error)
{
  for (guint i = 0; options->pins != NULL && options->pins[i] != NULL; i++) {
    if (!turn_connect_tls_options_add_pin (tls, options->pins[i], error))
      return FALSE;
  }
  if (options->pins_only && options->pins == NULL) {
    g_set_error_literal (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
                         "--pin-only wants a --pin");
    return FALSE;
  }
  turn_connect_tls_options_set_pins_only (tls, options->pins_only);
  return TRUE;
}

static gboolean
set_certificate (const ReachOptions *options, TurnConnectTlsOptions *tls, GError **error)
{
  const char *key = options->key != NULL ? options->key : options->certificate;
  GError *cause = NULL;

  if (options->certificate == NULL && options->key == NULL)
    return TRUE;
  if (options->certificate == NULL) {
    g_set_error_literal (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
                         "--key wants a --cert");
    return FALSE;
  }
  return turn_connect_tls_options_set_certificate (tls, options->certificate, key, &cause) ||
         blame_file (error, cause);
}

TurnConnectTlsOptions *
reach_options_make_tls (const ReachOptions *options,
                        const char *server_name,
                        const char *alpn,
                        GError **error)
{
  g_autoptr (TurnConnectTlsOptions) tls = turn_connect_tls_options_new ();
  const char *const usual[] = { alpn, NULL };
  const char *const *protocols = options->alpn != NULL ? (const char *const *)options->alpn : usual;

  if (!set_authorities (tls, options->ca, error))
    return NULL;
  if (server_name != NULL && !turn_connect_tls_options_set_server_name (tls, server_name, error))
    return NULL;
  if (protocols[0] != NULL && !turn_connect_tls_options_set_alpn (tls, protocols, error))
    return NULL;
  if (options->null_suite != NULL &&
      !turn_connect_tls_options_set_null_encryption (tls, options->null_suite, error))
    return NULL;
  if (!add_pins (options, tls, error) || !set_certificate (options, tls, error))
    return NULL;
  return g_steal_pointer (&tls);
}

static gboolean
set_proxy (const ReachOptions *options, TurnConnectTarget *target, GError **error)
{
  g_autofree char *user = NULL;
  char *password = NULL;
  gboolean is_set;

  if (options->proxy == NULL) {
    if (options->proxy_credentials == NULL && options->proxy_ca == NULL)
      return TRUE;
    g_set_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID, "%s wants a --proxy",
                 options->proxy_ca != NULL ? "--proxy-ca" : "--proxy-credentials");
    return FALSE;
  }
  if (!turn_connect_target_choose_proxy (target, options->proxy, error))
    return FALSE;
  if (options->proxy_credentials == NULL)
    return TRUE;
  if (!reach_options_load_credentials (options->proxy_credentials, FALSE, &user, &password, error))
    return FALSE;
  is_set = turn_connect_target_set_proxy_credentials (target, user, password, error);
  turn_connect_secret_free (password);
  return is_set;
}

static gboolean
set_proxy_tls (const ReachOptions *options, TurnConnectTarget *target, GError **error)
{
  g_autoptr (TurnConnectTlsOptions) tls = NULL;

  if (options->proxy_ca == NULL)
    return TRUE;
  tls = turn_connect_tls_options_new ();
  if (!set_authorities (tls, options->proxy_ca, error))
    return FALSE;
  turn_connect_target_set_proxy_tls (target, tls);
  return TRUE;
}

gboolean
reach_options_apply (const ReachOptions *options, TurnConnectTarget *target, GError **error)
{
  if (options->timeout_s < 0 || options->timeout_s > 600) {
    g_set_error_literal (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
                         "--timeout wants 1 to 600 seconds");
    return FALSE;
  }
  if (options->timeout_s > 0)
    turn_connect_target_set_timeout (target, (guint)options->timeout_s * 1000);
  for (guint i = 0; options->headers != NULL && options->headers[i] != NULL; i++) {
    if (!turn_connect_target_add_header (target, options->headers[i], error))
      return FALSE;
  }
  return set_proxy (options, target, error) && set_proxy_tls (options, target, error);
}

/* Where the port begins, or NULL if there is none. */
static const char *
find_port (const char *text)
{
  const char *bracket = strrchr (text, ']');
  const char *colon = strrchr (text, ':');

  if (colon == NULL || (bracket != NULL && colon < bracket))
    return NULL;
  /* More colons without brackets: an address alone. */
  return bracket == NULL && strchr (text, ':') != colon ? NULL : colon + 1;
}

gboolean
reach_options_split (const char *text, guint default_port, char **host, guint *port, GError **error)
{
  const char *digits = find_port (text);
  gsize length = digits != NULL ? (gsize)(digits - 1 - text) : strlen (text);
  guint64 number = default_port;

  if (digits != NULL && !g_ascii_string_to_unsigned (digits, 10, 0, G_MAXUINT16, &number, NULL))
    number = G_MAXUINT64;
  if (length > 2 && text[0] == '[' && text[length - 1] == ']') {
    text++;
    length -= 2;
  }
  if (length == 0 || number > G_MAXUINT16 || (digits == NULL && default_port == 0)) {
    g_set_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
                 "“%s” is not HOST:PORT; an IPv6 address stands in brackets", text);
    return FALSE;
  }
  *host = g_strndup (text, length);
  *port = (guint)number;
  return TRUE;
}
