/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One error domain for everything between an application and its server, so that a program can tell
 * "correct the password" from "try again" without reading the message. The step and the proxy's
 * status travel with the error because the code alone does not say which party refused.
 */
#include "turn-connect/error-private.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>

typedef struct {
  TurnConnectStep step;
  guint http_status;
  guint turn_code;
  char *schemes;
} TurnConnectErrorPrivate;

static void
turn_connect_error_private_init (TurnConnectErrorPrivate *priv)
{
  priv->step = TURN_CONNECT_STEP_NONE;
  priv->http_status = 0;
  priv->turn_code = 0;
  priv->schemes = NULL;
}

static void
turn_connect_error_private_copy (const TurnConnectErrorPrivate *from, TurnConnectErrorPrivate *to)
{
  *to = *from;
  to->schemes = g_strdup (from->schemes);
}

static void
turn_connect_error_private_clear (TurnConnectErrorPrivate *priv)
{
  priv->step = TURN_CONNECT_STEP_NONE;
  g_clear_pointer (&priv->schemes, g_free);
}

/* clang-format off */
G_DEFINE_EXTENDED_ERROR (TurnConnectError, turn_connect_error)
/* clang-format on */

void
turn_connect_error_set_step (GError *error, TurnConnectStep step)
{
  TurnConnectErrorPrivate *priv;

  if (error == NULL || error->domain != TURN_CONNECT_ERROR)
    return;
  priv = turn_connect_error_get_private (error);
  if (priv->step == TURN_CONNECT_STEP_NONE)
    priv->step = step;
}

void
turn_connect_error_set_http_status (GError *error, guint status)
{
  if (error != NULL && error->domain == TURN_CONNECT_ERROR)
    turn_connect_error_get_private (error)->http_status = status;
}

TurnConnectStep
turn_connect_error_get_step (const GError *error)
{
  if (error == NULL || error->domain != TURN_CONNECT_ERROR)
    return TURN_CONNECT_STEP_NONE;
  return turn_connect_error_get_private (error)->step;
}

guint
turn_connect_error_get_http_status (const GError *error)
{
  if (error == NULL || error->domain != TURN_CONNECT_ERROR)
    return 0;
  return turn_connect_error_get_private (error)->http_status;
}

void
turn_connect_error_set_turn_code (GError *error, guint code)
{
  if (error != NULL && error->domain == TURN_CONNECT_ERROR)
    turn_connect_error_get_private (error)->turn_code = code;
}

guint
turn_connect_error_get_turn_code (const GError *error)
{
  if (error == NULL || error->domain != TURN_CONNECT_ERROR)
    return 0;
  return turn_connect_error_get_private (error)->turn_code;
}

void
turn_connect_error_set_schemes (GError *error, const char *schemes)
{
  TurnConnectErrorPrivate *priv;

  if (error == NULL || error->domain != TURN_CONNECT_ERROR)
    return;
  priv = turn_connect_error_get_private (error);
  g_free (priv->schemes);
  priv->schemes = g_strdup (schemes);
}

const char *
turn_connect_error_get_schemes (const GError *error)
{
  if (error == NULL || error->domain != TURN_CONNECT_ERROR)
    return NULL;
  return turn_connect_error_get_private (error)->schemes;
}

gboolean
turn_connect_error_may_pass (const GError *error)
{
  if (error == NULL || error->domain != TURN_CONNECT_ERROR)
    return FALSE;
  switch ((TurnConnectError)error->code) {
  case TURN_CONNECT_ERROR_RESOURCES:
  case TURN_CONNECT_ERROR_NAME_NOT_FOUND: /* networks come up before their name service */
  case TURN_CONNECT_ERROR_NAME_FAILED:
  case TURN_CONNECT_ERROR_REFUSED:
  case TURN_CONNECT_ERROR_UNREACHABLE:
  case TURN_CONNECT_ERROR_TIMED_OUT:
  case TURN_CONNECT_ERROR_CLOSED:
  case TURN_CONNECT_ERROR_PROXY_UPSTREAM:
  case TURN_CONNECT_ERROR_TURN_QUOTA:
  case TURN_CONNECT_ERROR_TURN_CAPACITY:
  case TURN_CONNECT_ERROR_TURN_MISMATCH:
    return TRUE;
  case TURN_CONNECT_ERROR_TURN_REFUSED:
    return turn_connect_error_get_turn_code (error) >= 500;
  case TURN_CONNECT_ERROR_INVALID:
  case TURN_CONNECT_ERROR_UNSUPPORTED:
  case TURN_CONNECT_ERROR_PROXY_CREDENTIALS_NEEDED:
  case TURN_CONNECT_ERROR_PROXY_CREDENTIALS_WRONG:
  case TURN_CONNECT_ERROR_PROXY_SCHEME:
  case TURN_CONNECT_ERROR_PROXY_FORBIDDEN:
  case TURN_CONNECT_ERROR_PROXY_PROTOCOL:
  case TURN_CONNECT_ERROR_TLS_FAILED:
  case TURN_CONNECT_ERROR_TLS_NAME:
  case TURN_CONNECT_ERROR_TLS_EXPIRED:
  case TURN_CONNECT_ERROR_TLS_UNTRUSTED:
  case TURN_CONNECT_ERROR_TLS_PIN:
  case TURN_CONNECT_ERROR_TLS_CERTIFICATE:
  case TURN_CONNECT_ERROR_TURN_CREDENTIALS_NEEDED:
  case TURN_CONNECT_ERROR_TURN_UNAUTHORIZED:
  case TURN_CONNECT_ERROR_TURN_WRONG_USER:
  case TURN_CONNECT_ERROR_TURN_BID_DOWN:
  case TURN_CONNECT_ERROR_TURN_FORBIDDEN:
  case TURN_CONNECT_ERROR_TURN_TRANSPORT:
  case TURN_CONNECT_ERROR_TURN_FAMILY:
  case TURN_CONNECT_ERROR_TURN_REDIRECT:
  case TURN_CONNECT_ERROR_TURN_PEER:
  case TURN_CONNECT_ERROR_TURN_PROTOCOL:
    return FALSE;
  }
  return FALSE;
}

const char *
turn_connect_step_to_string (TurnConnectStep step)
{
  switch (step) {
  case TURN_CONNECT_STEP_FIND_PROXY:
    return "find-proxy";
  case TURN_CONNECT_STEP_RESOLVE:
    return "resolve";
  case TURN_CONNECT_STEP_CONNECT:
    return "connect";
  case TURN_CONNECT_STEP_PROXY_TLS:
    return "proxy-tls";
  case TURN_CONNECT_STEP_PROXY:
    return "proxy";
  case TURN_CONNECT_STEP_TLS:
    return "tls";
  case TURN_CONNECT_STEP_READY:
    return "ready";
  case TURN_CONNECT_STEP_ALLOCATE:
    return "allocate";
  case TURN_CONNECT_STEP_PERMISSION:
    return "permission";
  case TURN_CONNECT_STEP_CHANNEL:
    return "channel";
  case TURN_CONNECT_STEP_REFRESH:
    return "refresh";
  case TURN_CONNECT_STEP_PEER:
    return "peer";
  case TURN_CONNECT_STEP_NONE:
    break;
  }
  return "none";
}

static TurnConnectError
code_of_errno (int number)
{
  switch (number) {
  case ECONNREFUSED:
    return TURN_CONNECT_ERROR_REFUSED;
  case ETIMEDOUT:
    return TURN_CONNECT_ERROR_TIMED_OUT;
  case ECONNRESET:
  case EPIPE:
  case ECONNABORTED:
    return TURN_CONNECT_ERROR_CLOSED;
  case EMFILE:
  case ENFILE:
  case ENOBUFS:
  case ENOMEM:
    return TURN_CONNECT_ERROR_RESOURCES;
  default:
    return TURN_CONNECT_ERROR_UNREACHABLE;
  }
}

GError *
turn_connect_error_from_errno (int number, const char *doing)
{
  return g_error_new (TURN_CONNECT_ERROR, (gint)code_of_errno (number), "%s%s%s",
                      doing != NULL ? doing : "", doing != NULL ? ": " : "", g_strerror (number));
}

char *
turn_connect_error_quote (const char *text, gsize length, gsize max)
{
  GString *quoted = g_string_sized_new (MIN (length, max) + 4);

  for (gsize i = 0; i < length && i < max; i++)
    g_string_append_c (quoted, text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?');
  if (length > max)
    g_string_append (quoted, "...");
  return g_string_free (quoted, FALSE);
}
