/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is asking, in the words of RFC 9110 section 11. A list of challenges is awkward to take apart
 * (commas separate challenges as well as parameters), and every further scheme hooks in behind the
 * same question: given these challenges, what does the next request say? So it has a unit of its
 * own.
 */
#include "turn-connect/proxy/auth.h"

#include "turn-connect/error-private.h"
#include "turn-connect/proxy/url.h"

#include <string.h>

#define MAX_SCHEMES 16 /* more than exist */

struct _TurnConnectProxyAuth {
  char *user;
  char *password;
  TurnConnectProxySchemes allowed;
  TurnConnectProxySchemes tried;
  char *header;
};

static char *
make_basic (const TurnConnectProxyAuth *auth)
{
  char *plain = g_strconcat (auth->user, ":", auth->password, NULL);
  char *coded = g_base64_encode ((const guchar *)plain, strlen (plain));
  char *header = g_strconcat ("Basic ", coded, NULL);

  turn_connect_secret_free (plain);
  turn_connect_secret_free (coded);
  return header;
}

static void
use_basic (TurnConnectProxyAuth *auth)
{
  auth->tried |= TURN_CONNECT_PROXY_BASIC;
  turn_connect_secret_free (auth->header);
  auth->header = make_basic (auth);
}

TurnConnectProxyAuth *
turn_connect_proxy_auth_new (const char *user,
                             const char *password,
                             TurnConnectProxySchemes allowed,
                             gboolean sends_first)
{
  TurnConnectProxyAuth *auth = g_new0 (TurnConnectProxyAuth, 1);

  auth->user = g_strdup (user);
  auth->password = g_strdup (password);
  auth->allowed = allowed;
  if (user != NULL && sends_first && (allowed & TURN_CONNECT_PROXY_BASIC) != 0)
    use_basic (auth);
  return auth;
}

void
turn_connect_proxy_auth_free (TurnConnectProxyAuth *auth)
{
  turn_connect_secret_free (auth->user);
  turn_connect_secret_free (auth->password);
  turn_connect_secret_free (auth->header);
  g_free (auth);
}

const char *
turn_connect_proxy_auth_get_header (TurnConnectProxyAuth *auth)
{
  return auth->header;
}

static gboolean
is_token_char (char c)
{
  return g_ascii_isalnum (c) || (c != '\0' && strchr ("!#$%&'*+-.^_`|~", c) != NULL);
}

static const char *
skip_quoted (const char *c)
{
  for (c++; *c != '\0' && *c != '"'; c++) {
    if (*c == '\\' && c[1] != '\0')
      c++;
  }
  return *c == '"' ? c + 1 : c;
}

/* To the next comma outside quotes. */
static const char *
skip_element (const char *c)
{
  while (*c != '\0' && *c != ',')
    c = *c == '"' ? skip_quoted (c) : c + 1;
  return c;
}

/* The element begins a challenge if its first token is not followed by "=": "Digest realm=x" and
 * "Negotiate" do, "realm=x" and "qop = auth" are parameters of the challenge before. */
static gsize
scheme_length (const char *element)
{
  gsize n = 0;
  const char *after;

  while (is_token_char (element[n]))
    n++;
  if (n == 0)
    return 0;
  after = element + n;
  while (*after == ' ' || *after == '\t')
    after++;
  return *after == '=' && after[1] != '=' ? 0 : n;
}

static void
add_schemes (GPtrArray *schemes, const char *challenge)
{
  const char *c = challenge;

  while (*c != '\0' && schemes->len < MAX_SCHEMES) {
    gsize n;

    while (*c == ' ' || *c == '\t' || *c == ',')
      c++;
    n = scheme_length (c);
    if (n > 0) {
      g_autofree char *scheme = g_ascii_strdown (c, (gssize)n);

      if (!g_ptr_array_find_with_equal_func (schemes, scheme, g_str_equal, NULL))
        g_ptr_array_add (schemes, g_steal_pointer (&scheme));
    }
    c = skip_element (c);
  }
}

char **
turn_connect_proxy_auth_list_schemes (const char *const *challenges)
{
  g_autoptr (GPtrArray) schemes = g_ptr_array_new_with_free_func (g_free);

  for (; *challenges != NULL; challenges++)
    add_schemes (schemes, *challenges);
  g_ptr_array_add (schemes, NULL);
  return (char **)g_ptr_array_free (g_steal_pointer (&schemes), FALSE);
}

static gboolean
refuse (TurnConnectError code, GError **error, char *message)
{
  g_autofree char *owned = message;

  g_set_error_literal (error, TURN_CONNECT_ERROR, (gint)code, owned);
  return FALSE;
}

gboolean
turn_connect_proxy_auth_challenge (TurnConnectProxyAuth *auth,
                                   const char *const *challenges,
                                   const char *who,
                                   GError **error)
{
  g_auto (GStrv) schemes = turn_connect_proxy_auth_list_schemes (challenges);
  g_autofree char *joined = g_strjoinv (", ", schemes);
  g_autofree char *names = turn_connect_error_quote (joined, strlen (joined), 120);
  gboolean offers_basic = g_strv_contains ((const char *const *)schemes, "basic");

  if (schemes[0] == NULL)
    return refuse (TURN_CONNECT_ERROR_PROXY_SCHEME, error,
                   g_strdup_printf ("%s wants authentication but names no scheme for it", who));
  if (auth->user == NULL)
    return refuse (TURN_CONNECT_ERROR_PROXY_CREDENTIALS_NEEDED, error,
                   g_strdup_printf ("%s wants a user and password (it offers: %s) and none are "
                                    "configured",
                                    who, names));
  if (offers_basic && (auth->tried & TURN_CONNECT_PROXY_BASIC) != 0)
    return refuse (TURN_CONNECT_ERROR_PROXY_CREDENTIALS_WRONG, error,
                   g_strdup_printf ("%s did not accept the configured user and password", who));
  if (!offers_basic || (auth->allowed & TURN_CONNECT_PROXY_BASIC) == 0)
    return refuse (
        TURN_CONNECT_ERROR_PROXY_SCHEME, error,
        g_strdup_printf ("%s offers only these kinds of authentication: %s; allowed and "
                         "supported here: %s",
                         who, names,
                         (auth->allowed & TURN_CONNECT_PROXY_BASIC) != 0 ? "basic" : "none"));
  use_basic (auth);
  return TRUE;
}
