/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is asking, in the words of RFC 9110 section 11: given these challenges, what does the next
 * request say? The order of the schemes is that of what they give away: Negotiate proves a ticket,
 * Digest and NTLM prove a password, Basic hands it over. A proxy that refused a proof of the
 * password does not get the password itself.
 */
#include "turn-connect/proxy/auth.h"

#include "turn-connect/error-private.h"
#include "turn-connect/proxy/url.h"

#include <string.h>

#define LEGS_MAX 4       /* tokens of one dialogue; NTLM takes 2, Negotiate 1 or 2 */
#define TOKEN_MAX 12288  /* octets of a token from the proxy; its header has 16 kB in all */
#define ANSWER_MAX 65535 /* octets of a token of ours; Kerberos tickets may be large */
#define PROBLEM_MAX 300

typedef struct {
  TurnConnectProxySchemes scheme;
  const char *name;
  const char *header_name;
} Scheme;

/* By preference. */
static const Scheme schemes[] = {
  { TURN_CONNECT_PROXY_NEGOTIATE, "negotiate", "Negotiate" },
  { TURN_CONNECT_PROXY_DIGEST, "digest", "Digest" },
  { TURN_CONNECT_PROXY_NTLM, "ntlm", "NTLM" },
  { TURN_CONNECT_PROXY_BASIC, "basic", "Basic" },
};

#define PROOFS (TURN_CONNECT_PROXY_DIGEST | TURN_CONNECT_PROXY_NTLM)

struct _TurnConnectProxyAuth {
  char *user;
  char *password;
  char *cnonce;
  char *uri;
  TurnConnectProxySchemes allowed;
  TurnConnectProxySchemes tried;   /* begun, whatever came of it */
  TurnConnectProxySchemes refused; /* by the proxy, after it had all it asked for */
  TurnConnectProxySchemes current; /* what the header belongs to */
  char *header;
  GPtrArray *challenges; /* TurnConnectChallenge; of the last 407 */
  TurnConnectDigest *digest;
  gboolean was_stale;
  gboolean is_going_on; /* the header is of an earlier dial's nonce */
  TurnConnectProxyWanted wanted;
  guint legs;
  GString *problems; /* with tokens, for people */
};

static void
clear_header (TurnConnectProxyAuth *auth)
{
  turn_connect_secret_free (auth->header);
  auth->header = NULL;
  auth->current = 0;
}

static void
set_header (TurnConnectProxyAuth *auth, TurnConnectProxySchemes scheme, char *header)
{
  clear_header (auth);
  auth->header = header;
  auth->current = scheme;
  auth->tried |= scheme;
}

static void
use_basic (TurnConnectProxyAuth *auth)
{
  char *plain = g_strconcat (auth->user, ":", auth->password, NULL);
  char *coded = g_base64_encode ((const guchar *)plain, strlen (plain));

  set_header (auth, TURN_CONNECT_PROXY_BASIC, g_strconcat ("Basic ", coded, NULL));
  turn_connect_secret_free (plain);
  turn_connect_secret_free (coded);
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
  auth->problems = g_string_new (NULL);
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
  g_clear_pointer (&auth->challenges, g_ptr_array_unref);
  g_clear_pointer (&auth->digest, turn_connect_digest_free);
  g_clear_pointer (&auth->wanted.input, g_bytes_unref);
  g_string_free (auth->problems, TRUE);
  g_free (auth->cnonce);
  g_free (auth->uri);
  g_free (auth);
}

void
turn_connect_proxy_auth_set_digest (TurnConnectProxyAuth *auth, const char *cnonce, const char *uri)
{
  g_free (auth->cnonce);
  g_free (auth->uri);
  auth->cnonce = g_strdup (cnonce);
  auth->uri = g_strdup (uri);
}

const char *
turn_connect_proxy_auth_get_header (TurnConnectProxyAuth *auth)
{
  return auth->header;
}

gboolean
turn_connect_proxy_auth_is_bound (const TurnConnectProxyAuth *auth)
{
  return auth->legs > 1;
}

static char **
list_names (const GPtrArray *challenges)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < challenges->len; i++) {
    const TurnConnectChallenge *challenge = challenges->pdata[i];

    if (!g_ptr_array_find_with_equal_func (names, challenge->scheme, g_str_equal, NULL))
      g_ptr_array_add (names, g_strdup (challenge->scheme));
  }
  g_ptr_array_add (names, NULL);
  return (char **)g_ptr_array_free (g_steal_pointer (&names), FALSE);
}

char **
turn_connect_proxy_auth_list_schemes (const char *const *lines)
{
  g_autoptr (GPtrArray) challenges = turn_connect_challenges_parse (lines);

  return list_names (challenges);
}

static const TurnConnectChallenge *
find_challenge (const TurnConnectProxyAuth *auth, const char *name)
{
  for (guint i = 0; i < auth->challenges->len; i++) {
    const TurnConnectChallenge *challenge = auth->challenges->pdata[i];

    if (g_str_equal (challenge->scheme, name))
      return challenge;
  }
  return NULL;
}

static const Scheme *
scheme_of (TurnConnectProxySchemes flag)
{
  for (gsize i = 0; i < G_N_ELEMENTS (schemes); i++) {
    if (schemes[i].scheme == flag)
      return &schemes[i];
  }
  return NULL;
}

static void
note_problem (TurnConnectProxyAuth *auth, TurnConnectProxySchemes flag, const char *problem)
{
  g_autofree char *quoted = turn_connect_error_quote (problem, strlen (problem), PROBLEM_MAX);

  g_string_append_printf (auth->problems, "%s%s: %s", auth->problems->len > 0 ? "; " : "",
                          scheme_of (flag)->header_name, quoted);
}

static TurnConnectProxyAuthVerdict
want_token (TurnConnectProxyAuth *auth, TurnConnectProxySchemes scheme, GBytes *input)
{
  g_clear_pointer (&auth->wanted.input, g_bytes_unref);
  auth->wanted.scheme = scheme;
  auth->wanted.is_first = input == NULL;
  auth->wanted.input = input;
  auth->tried |= scheme;
  if (input == NULL)
    auth->legs = 0;
  return TURN_CONNECT_PROXY_AUTH_WAIT;
}

static gboolean
use_digest (TurnConnectProxyAuth *auth)
{
  TurnConnectDigestRequest request = {
    .user = auth->user,
    .password = auth->password,
    .method = "CONNECT",
    .uri = auth->uri,
    .cnonce = auth->cnonce,
  };

  if (auth->digest == NULL || auth->cnonce == NULL)
    return FALSE;
  set_header (auth, TURN_CONNECT_PROXY_DIGEST, turn_connect_digest_answer (auth->digest, &request));
  return TRUE;
}

void
turn_connect_proxy_auth_go_on (TurnConnectProxyAuth *auth, TurnConnectDigest *digest)
{
  TurnConnectDigestRequest request = {
    .user = auth->user,
    .password = auth->password,
    .method = "CONNECT",
    .uri = auth->uri,
    .cnonce = auth->cnonce,
  };

  if (auth->user == NULL || auth->cnonce == NULL || auth->header != NULL ||
      (auth->allowed & TURN_CONNECT_PROXY_DIGEST) == 0)
    return;
  set_header (auth, TURN_CONNECT_PROXY_DIGEST, turn_connect_digest_answer (digest, &request));
  auth->digest = turn_connect_digest_copy (digest);
  auth->is_going_on = TRUE;
}

const TurnConnectDigest *
turn_connect_proxy_auth_succeed (TurnConnectProxyAuth *auth, const char *info)
{
  if (auth->current != TURN_CONNECT_PROXY_DIGEST)
    return NULL;
  if (info != NULL)
    turn_connect_digest_take_info (auth->digest, info);
  return auth->digest;
}

static gboolean
may_begin (const TurnConnectProxyAuth *auth, const Scheme *scheme)
{
  if ((auth->allowed & scheme->scheme) == 0 || (auth->tried & scheme->scheme) != 0 ||
      find_challenge (auth, scheme->name) == NULL)
    return FALSE;
  if (scheme->scheme == TURN_CONNECT_PROXY_BASIC && (auth->refused & PROOFS) != 0)
    return FALSE;
  return auth->user != NULL || scheme->scheme == TURN_CONNECT_PROXY_NEGOTIATE;
}

static char *
list_allowed (const TurnConnectProxyAuth *auth)
{
  GString *names = g_string_new (NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (schemes); i++) {
    if ((auth->allowed & schemes[i].scheme) != 0)
      g_string_append_printf (names, "%s%s", names->len > 0 ? ", " : "", schemes[i].name);
  }
  if (names->len == 0)
    g_string_append (names, "none");
  return g_string_free (names, FALSE);
}

/* Nothing is left to try. */
static TurnConnectProxyAuthVerdict
give_up (const TurnConnectProxyAuth *auth, const char *who, GError **error)
{
  g_auto (GStrv) offered = list_names (auth->challenges);
  g_autofree char *joined = g_strjoinv (", ", offered);
  g_autofree char *names = turn_connect_error_quote (joined, strlen (joined), 120);
  g_autofree char *allowed = list_allowed (auth);
  TurnConnectError code = TURN_CONNECT_ERROR_PROXY_SCHEME;
  g_autofree char *what = NULL;

  if (offered[0] == NULL) {
    what = g_strdup ("wants authentication but names no scheme for it");
  } else if ((auth->refused & ~(guint)TURN_CONNECT_PROXY_NEGOTIATE) != 0) {
    code = TURN_CONNECT_ERROR_PROXY_CREDENTIALS_WRONG;
    what = g_strdup ("did not accept the configured user and password");
  } else if ((auth->refused & TURN_CONNECT_PROXY_NEGOTIATE) != 0) {
    code = TURN_CONNECT_ERROR_PROXY_CREDENTIALS_WRONG;
    what = g_strdup ("did not accept the Kerberos ticket");
  } else if (auth->problems->len > 0) {
    code = TURN_CONNECT_ERROR_PROXY_CREDENTIALS_NEEDED;
    what = g_strdup_printf ("wants to know who is asking (it offers: %s), and that cannot be shown",
                            names);
  } else if (auth->user == NULL) {
    code = TURN_CONNECT_ERROR_PROXY_CREDENTIALS_NEEDED;
    what = g_strdup_printf ("wants a user and password (it offers: %s) and none are configured",
                            names);
  } else {
    what = g_strdup_printf ("offers only these kinds of authentication: %s; allowed and supported "
                            "here: %s",
                            names, allowed);
  }
  g_set_error (error, TURN_CONNECT_ERROR, (gint)code, "%s %s%s%s", who, what,
               auth->problems->len > 0 ? "; " : "", auth->problems->str);
  if (error != NULL && offered[0] != NULL)
    turn_connect_error_set_schemes (*error, names);
  return TURN_CONNECT_PROXY_AUTH_OVER;
}

static TurnConnectProxyAuthVerdict
choose (TurnConnectProxyAuth *auth, const char *who, GError **error)
{
  clear_header (auth);
  auth->legs = 0;
  for (gsize i = 0; i < G_N_ELEMENTS (schemes); i++) {
    if (!may_begin (auth, &schemes[i]))
      continue;
    switch (schemes[i].scheme) {
    case TURN_CONNECT_PROXY_NEGOTIATE:
    case TURN_CONNECT_PROXY_NTLM:
      return want_token (auth, schemes[i].scheme, NULL);
    case TURN_CONNECT_PROXY_DIGEST:
      if (use_digest (auth))
        return TURN_CONNECT_PROXY_AUTH_ASK;
      break;
    default:
      use_basic (auth);
      return TURN_CONNECT_PROXY_AUTH_ASK;
    }
  }
  return give_up (auth, who, error);
}

/* The proxy's part of a dialogue; NULL if it has none, or none that can be used. */
static GBytes *
take_token (const TurnConnectProxyAuth *auth)
{
  const TurnConnectChallenge *challenge = find_challenge (auth, scheme_of (auth->current)->name);
  gsize length = 0;
  guchar *octets;

  if (challenge == NULL || challenge->token == NULL || challenge->is_broken)
    return NULL;
  octets = g_base64_decode (challenge->token, &length);
  if (length == 0 || length > TOKEN_MAX) {
    g_free (octets);
    return NULL;
  }
  return g_bytes_new_take (octets, length);
}

TurnConnectProxyAuthVerdict
turn_connect_proxy_auth_challenge (TurnConnectProxyAuth *auth,
                                   const char *const *lines,
                                   gboolean stays,
                                   const char *who,
                                   GError **error)
{
  g_autoptr (TurnConnectDigest) before = g_steal_pointer (&auth->digest);
  TurnConnectProxySchemes current = auth->current;

  g_clear_pointer (&auth->challenges, g_ptr_array_unref);
  auth->challenges = turn_connect_challenges_parse (lines);
  auth->digest = turn_connect_digest_new (auth->challenges);
  if (auth->legs > 0) {
    g_autoptr (GBytes) token = take_token (auth);

    if (token != NULL && stays && auth->legs < LEGS_MAX)
      return want_token (auth, current, g_steal_pointer (&token));
    if (token != NULL && !stays)
      note_problem (auth, current, "the proxy ended the connection that it is bound to");
  } else if (current == TURN_CONNECT_PROXY_DIGEST && before != NULL && auth->digest != NULL &&
             !auth->was_stale && turn_connect_digest_is_stale (auth->digest, before)) {
    auth->was_stale = TRUE;
    auth->is_going_on = FALSE;
    if (use_digest (auth))
      return TURN_CONNECT_PROXY_AUTH_ASK;
  }
  if (auth->is_going_on) /* that its nonce is forgotten says nothing about the password */
    auth->tried = 0;
  else
    auth->refused |= current;
  auth->is_going_on = FALSE;
  return choose (auth, who, error);
}

const TurnConnectProxyWanted *
turn_connect_proxy_auth_get_wanted (const TurnConnectProxyAuth *auth)
{
  return &auth->wanted;
}

TurnConnectProxyAuthVerdict
turn_connect_proxy_auth_give (
    TurnConnectProxyAuth *auth, GBytes *token, const char *problem, const char *who, GError **error)
{
  const Scheme *scheme = scheme_of (auth->wanted.scheme);
  gsize length = 0;
  const guchar *octets = token != NULL ? g_bytes_get_data (token, &length) : NULL;
  char *coded;

  if (length == 0 || length > ANSWER_MAX) {
    note_problem (auth, scheme->scheme,
                  problem != NULL ? problem
                  : length == 0   ? "there is no answer to what the proxy sent"
                                  : "the token is larger than 64 kB");
    return choose (auth, who, error);
  }
  coded = g_base64_encode (octets, length);
  set_header (auth, scheme->scheme, g_strconcat (scheme->header_name, " ", coded, NULL));
  turn_connect_secret_free (coded);
  auth->legs++;
  return TURN_CONNECT_PROXY_AUTH_ASK;
}
