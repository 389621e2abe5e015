/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Digest for proxies. A library for it would be an HTTP client whole; what is needed of RFC 7616 is
 * small, and the traps are in the challenge: which of several to believe, quotes and escapes that
 * come back in the answer, a nonce that grew stale, and values long enough to make a request that
 * no proxy takes.
 */
#include "turn-connect/proxy/digest.h"

#include "turn-connect/proxy/url.h"

#include <string.h>

#define VALUE_MAX 1024 /* octets of realm, nonce and opaque each; arbitrary */

struct _TurnConnectDigest {
  GChecksumType hash;
  gboolean is_session; /* -sess */
  gboolean has_qop;
  gboolean has_algorithm; /* the challenge named one */
  gboolean hashes_user;
  gboolean is_utf8;
  gboolean is_stale;
  char *realm;
  char *nonce;
  char *opaque; /* NULL if none */
  guint32 count;
  char *session_cnonce; /* of the first answer under this nonce */
};

/* Weakest first. */
static const struct {
  const char *name;
  GChecksumType hash;
  gboolean is_session;
} algorithms[] = {
  { "MD5", G_CHECKSUM_MD5, FALSE },
  { "MD5-sess", G_CHECKSUM_MD5, TRUE },
  { "SHA-256", G_CHECKSUM_SHA256, FALSE },
  { "SHA-256-sess", G_CHECKSUM_SHA256, TRUE },
};

static gboolean
set_algorithm (TurnConnectDigest *digest, const char *name)
{
  digest->has_algorithm = name != NULL;
  for (gsize i = 0; i < G_N_ELEMENTS (algorithms); i++) {
    if (g_ascii_strcasecmp (algorithms[i].name, name != NULL ? name : "MD5") == 0) {
      digest->hash = algorithms[i].hash;
      digest->is_session = algorithms[i].is_session;
      return TRUE;
    }
  }
  return FALSE;
}

/* FALSE if the challenge has a qop but no "auth" among it. */
static gboolean
set_qop (TurnConnectDigest *digest, const char *list)
{
  g_auto (GStrv) values = NULL;

  digest->has_qop = list != NULL;
  if (list == NULL)
    return !digest->is_session; /* which came with qop */
  values = g_strsplit (list, ",", 16);
  for (char **value = values; *value != NULL; value++) {
    if (g_ascii_strcasecmp (g_strstrip (*value), "auth") == 0)
      return TRUE;
  }
  return FALSE;
}

static gboolean
says_true (const TurnConnectChallenge *challenge, const char *name)
{
  const char *value = turn_connect_challenge_get (challenge, name);

  return value != NULL && g_ascii_strcasecmp (value, "true") == 0;
}

static gboolean
is_usable (const char *value)
{
  if (value == NULL || strlen (value) > VALUE_MAX)
    return FALSE;
  for (; *value != '\0'; value++) {
    if (((guchar)*value < 0x20 && *value != '\t') || *value == 0x7f)
      return FALSE;
  }
  return TRUE;
}

static TurnConnectDigest *
digest_new (const TurnConnectChallenge *challenge)
{
  g_autoptr (TurnConnectDigest) digest = g_new0 (TurnConnectDigest, 1);
  const char *realm = turn_connect_challenge_get (challenge, "realm");
  const char *nonce = turn_connect_challenge_get (challenge, "nonce");
  const char *opaque = turn_connect_challenge_get (challenge, "opaque");
  const char *charset = turn_connect_challenge_get (challenge, "charset");

  if (challenge->is_broken || !is_usable (realm) || !is_usable (nonce) ||
      (opaque != NULL && !is_usable (opaque)) ||
      !set_algorithm (digest, turn_connect_challenge_get (challenge, "algorithm")) ||
      !set_qop (digest, turn_connect_challenge_get (challenge, "qop")))
    return NULL;
  digest->realm = g_strdup (realm);
  digest->nonce = g_strdup (nonce);
  digest->opaque = g_strdup (opaque);
  digest->hashes_user = says_true (challenge, "userhash");
  digest->is_stale = says_true (challenge, "stale");
  digest->is_utf8 = charset != NULL && g_ascii_strcasecmp (charset, "UTF-8") == 0;
  return g_steal_pointer (&digest);
}

static guint
strength (const TurnConnectDigest *digest)
{
  return (digest->hash == G_CHECKSUM_SHA256 ? 2u : 0u) + (digest->has_qop ? 1u : 0u);
}

TurnConnectDigest *
turn_connect_digest_new (const GPtrArray *challenges)
{
  g_autoptr (TurnConnectDigest) best = NULL;

  for (guint i = 0; i < challenges->len; i++) {
    const TurnConnectChallenge *challenge = challenges->pdata[i];
    g_autoptr (TurnConnectDigest) digest = NULL;

    if (!g_str_equal (challenge->scheme, "digest"))
      continue;
    digest = digest_new (challenge);
    if (digest != NULL && (best == NULL || strength (digest) > strength (best))) {
      g_clear_pointer (&best, turn_connect_digest_free);
      best = g_steal_pointer (&digest);
    }
  }
  return g_steal_pointer (&best);
}

TurnConnectDigest *
turn_connect_digest_copy (const TurnConnectDigest *digest)
{
  TurnConnectDigest *copy = g_memdup2 (digest, sizeof *digest);

  copy->realm = g_strdup (digest->realm);
  copy->nonce = g_strdup (digest->nonce);
  copy->opaque = g_strdup (digest->opaque);
  copy->session_cnonce = g_strdup (digest->session_cnonce);
  return copy;
}

void
turn_connect_digest_free (TurnConnectDigest *digest)
{
  g_free (digest->realm);
  g_free (digest->nonce);
  g_free (digest->opaque);
  g_free (digest->session_cnonce);
  g_free (digest);
}

gboolean
turn_connect_digest_is_stale (const TurnConnectDigest *digest, const TurnConnectDigest *before)
{
  return digest->is_stale && !turn_connect_digest_is_same_nonce (digest, before);
}

gboolean
turn_connect_digest_is_same_nonce (const TurnConnectDigest *a, const TurnConnectDigest *b)
{
  return strcmp (a->nonce, b->nonce) == 0;
}

/* H (a ":" b ...), the list ending with NULL. */
static char *G_GNUC_NULL_TERMINATED
hash_of (const TurnConnectDigest *digest, const char *first, ...)
{
  GChecksum *checksum = g_checksum_new (digest->hash);
  const char *part;
  char *hex;
  va_list rest;

  g_checksum_update (checksum, (const guchar *)first, -1);
  va_start (rest, first);
  while ((part = va_arg (rest, const char *)) != NULL) {
    g_checksum_update (checksum, (const guchar *)":", 1);
    g_checksum_update (checksum, (const guchar *)part, -1);
  }
  va_end (rest);
  hex = g_strdup (g_checksum_get_string (checksum));
  g_checksum_free (checksum);
  return hex;
}

/* RFC 7616 sections 3.4.1 to 3.4.3. */
static char *
make_response (const TurnConnectDigest *digest,
               const TurnConnectDigestRequest *request,
               const char *cnonce,
               const char *count)
{
  char *secret = hash_of (digest, request->user, digest->realm, request->password, NULL);
  g_autofree char *what = hash_of (digest, request->method, request->uri, NULL);
  char *response;

  if (digest->is_session) {
    char *session = hash_of (digest, secret, digest->nonce, cnonce, NULL);

    turn_connect_secret_free (secret);
    secret = session;
  }
  if (digest->has_qop)
    response = hash_of (digest, secret, digest->nonce, count, cnonce, "auth", what, NULL);
  else
    response = hash_of (digest, secret, digest->nonce, what, NULL);
  turn_connect_secret_free (secret);
  return response;
}

static void
append_quoted (GString *header, const char *name, const char *value)
{
  g_string_append_printf (header, "%s=\"", name);
  for (; *value != '\0'; value++) {
    if (*value == '"' || *value == '\\')
      g_string_append_c (header, '\\');
    g_string_append_c (header, *value);
  }
  g_string_append (header, "\", ");
}

static void
append_user (GString *header, const TurnConnectDigest *digest, const char *user)
{
  if (digest->hashes_user) {
    g_autofree char *hashed = hash_of (digest, user, digest->realm, NULL);

    append_quoted (header, "username", hashed);
  } else if (digest->is_utf8 && !g_str_is_ascii (user) && g_utf8_validate (user, -1, NULL)) {
    g_autofree char *coded = g_uri_escape_string (user, NULL, FALSE);

    g_string_append_printf (header, "username*=UTF-8''%s, ", coded); /* RFC 8187 */
  } else
    append_quoted (header, "username", user);
}

static const char *
algorithm_name (const TurnConnectDigest *digest)
{
  for (gsize i = 0; i < G_N_ELEMENTS (algorithms); i++) {
    if (algorithms[i].hash == digest->hash && algorithms[i].is_session == digest->is_session)
      return algorithms[i].name;
  }
  return "MD5";
}

char *
turn_connect_digest_answer (TurnConnectDigest *digest, const TurnConnectDigestRequest *request)
{
  GString *header = g_string_new ("Digest ");
  g_autofree char *response = NULL;
  const char *cnonce;
  char count[9];

  g_snprintf (count, sizeof count, "%08x", ++digest->count);
  /* RFC 7616 section 3.4.2 makes the session's key from the first cnonce, many a server from that of
   * the request: with the same one for the life of a nonce they agree. */
  if (digest->session_cnonce == NULL)
    digest->session_cnonce = g_strdup (request->cnonce);
  cnonce = digest->is_session ? digest->session_cnonce : request->cnonce;
  response = make_response (digest, request, cnonce, count);
  append_user (header, digest, request->user);
  append_quoted (header, "realm", digest->realm);
  append_quoted (header, "nonce", digest->nonce);
  append_quoted (header, "uri", request->uri);
  if (digest->opaque != NULL)
    append_quoted (header, "opaque", digest->opaque);
  if (digest->has_algorithm)
    g_string_append_printf (header, "algorithm=%s, ", algorithm_name (digest));
  if (digest->hashes_user)
    g_string_append (header, "userhash=true, ");
  if (digest->has_qop) {
    g_string_append_printf (header, "qop=auth, nc=%s, ", count);
    append_quoted (header, "cnonce", cnonce);
  }
  g_string_append_printf (header, "response=\"%s\"", response);
  return g_string_free (header, FALSE);
}

void
turn_connect_digest_take_info (TurnConnectDigest *digest, const char *line)
{
  g_autoptr (TurnConnectChallenge) info = turn_connect_challenge_parse_info (line);
  const char *nonce = turn_connect_challenge_get (info, "nextnonce");

  if (info->is_broken || !is_usable (nonce))
    return;
  g_free (digest->nonce);
  digest->nonce = g_strdup (nonce);
  digest->count = 0;
  g_clear_pointer (&digest->session_cnonce, g_free);
}
