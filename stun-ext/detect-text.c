/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * HTTP of detection. Boxes on the way add and drop headers, fold and re-chunk; so what counts is in the target of the
 * request and in the body of the answer.
 */
#include "stun-ext/detect-text.h"

#include <string.h>

#define PREFIX "/tep-detect/1/"
#define PROOF_LINE "{\"line\":\"proof\",\"keyed\":"
#define PROOF_DIGITS (2 * STUN_EXT_DETECT_PROOF_LENGTH)

static const char *const what_names[] = { "echo", "record", "exporter", "self" };
G_STATIC_ASSERT (G_N_ELEMENTS (what_names) == STUN_EXT_DETECT_N_WHATS);

/* ---- targets ---- */

static gboolean
prove_query (const StunExtDetectQuery *query,
             const StunExtDetectKey *key,
             guint8 proof[STUN_EXT_DETECT_PROOF_LENGTH])
{
  const char *what = what_names[query->what];
  const guint8 number[] = { (guint8)(query->probe >> 24), (guint8)(query->probe >> 16),
                            (guint8)(query->probe >> 8), (guint8)query->probe, query->payload };
  const StunExtSpan parts[] = {
    { what, strlen (what) },
    { query->run.octets, sizeof query->run.octets },
    { number, sizeof number },
    { query->nonce, sizeof query->nonce },
    { query->username, strlen (query->username) },
    { query->realm, strlen (query->realm) },
  };

  return stun_ext_detect_prove (key, "tep-detect/1 get", parts, G_N_ELEMENTS (parts), proof);
}

static void
append_hex (GString *text, const char *name, const guint8 *octets, gsize length)
{
  char digits[2 * 64 + 1];

  g_string_append_printf (text, "%s=%s", name, stun_ext_detect_hex_print (octets, length, digits));
}

char *
stun_ext_detect_target_write (const StunExtDetectQuery *query, const StunExtDetectKey *user)
{
  g_autoptr (GString) text = g_string_new (PREFIX);
  guint8 proof[STUN_EXT_DETECT_PROOF_LENGTH];

  if ((guint)query->what >= STUN_EXT_DETECT_N_WHATS ||
      (!query->has_run && query->what != STUN_EXT_DETECT_WHAT_SELF))
    return NULL;
  g_string_append (text, what_names[query->what]);
  if (query->has_run) {
    append_hex (text, "?run", query->run.octets, sizeof query->run.octets);
    append_hex (text, "&nonce", query->nonce, sizeof query->nonce);
    g_string_append_printf (text, "&probe=%u", query->probe);
    if (query->payload != 0)
      g_string_append_printf (text, "&payload=%u", query->payload);
  }
  if (query->has_run && query->username[0] != '\0' && user != NULL) {
    if (!prove_query (query, user, proof))
      return NULL;
    g_string_append (text, "&user=");
    g_string_append_uri_escaped (text, query->username, NULL, FALSE);
    if (query->realm[0] != '\0') {
      g_string_append (text, "&realm=");
      g_string_append_uri_escaped (text, query->realm, NULL, FALSE);
    }
    append_hex (text, "&proof", proof, sizeof proof);
  }
  return text->len <= STUN_EXT_DETECT_TARGET_MAX ? g_string_free (g_steal_pointer (&text), FALSE)
                                                 : NULL;
}

enum {
  PARAMETER_RUN,
  PARAMETER_NONCE,
  PARAMETER_PROBE,
  PARAMETER_PAYLOAD,
  PARAMETER_USER,
  PARAMETER_REALM,
  PARAMETER_PROOF,
  N_PARAMETERS,
};
static const char *const parameters[] = { "run",  "nonce", "probe", "payload",
                                          "user", "realm", "proof" };
G_STATIC_ASSERT (G_N_ELEMENTS (parameters) == N_PARAMETERS);

static gboolean
read_decimal (const char *text, gsize length, guint64 largest, guint64 *number)
{
  *number = 0;
  if (length == 0 || length > 10 || (length > 1 && text[0] == '0'))
    return FALSE;
  for (gsize i = 0; i < length; i++) {
    if (!g_ascii_isdigit (text[i]))
      return FALSE;
    *number = *number * 10 + (guint)(text[i] - '0');
  }
  return *number <= largest;
}

/* Percent-encoded, without control characters. */
static gboolean
read_name (const char *text, gsize length, char *name, gsize capacity)
{
  gsize n = 0;

  for (gsize i = 0; i < length; i++) {
    guint8 octet = (guint8)text[i];

    if (octet == '%') {
      if (!stun_ext_detect_hex_parse (text + i + 1, MIN (length - i - 1, 2), &octet, 1))
        return FALSE;
      i += 2;
    }
    if (octet < 0x20 || octet == 0x7f || n + 1 >= capacity)
      return FALSE;
    name[n++] = (char)octet;
  }
  name[n] = '\0';
  return n > 0 && g_utf8_validate (name, -1, NULL);
}

static gboolean
read_parameter (StunExtDetectQuery *query, guint index, const char *value, gsize length)
{
  guint64 number;

  switch (index) {
  case PARAMETER_RUN:
    query->has_run = TRUE;
    return stun_ext_detect_hex_parse (value, length, query->run.octets, sizeof query->run.octets);
  case PARAMETER_NONCE:
    return stun_ext_detect_hex_parse (value, length, query->nonce, sizeof query->nonce);
  case PARAMETER_PROBE:
    if (!read_decimal (value, length, G_MAXUINT32, &number))
      return FALSE;
    query->probe = (guint32)number;
    return TRUE;
  case PARAMETER_PAYLOAD:
    if (!read_decimal (value, length, G_MAXUINT8, &number))
      return FALSE;
    query->payload = (guint8)number;
    return TRUE;
  case PARAMETER_USER:
    return read_name (value, length, query->username, sizeof query->username);
  case PARAMETER_REALM:
    return read_name (value, length, query->realm, sizeof query->realm);
  default:
    query->has_proof = TRUE;
    return stun_ext_detect_hex_parse (value, length, query->proof, sizeof query->proof);
  }
}

static gboolean
read_parameters (StunExtDetectQuery *query, const char *text, gsize length)
{
  guint seen = 0;

  while (length > 0) {
    const char *end = memchr (text, '&', length);
    gsize n = end != NULL ? (gsize)(end - text) : length;
    const char *equals = memchr (text, '=', n);
    guint index;

    if (equals == NULL)
      return FALSE;
    for (index = 0; index < N_PARAMETERS; index++)
      if (strlen (parameters[index]) == (gsize)(equals - text) &&
          memcmp (parameters[index], text, (gsize)(equals - text)) == 0)
        break;
    if (index == N_PARAMETERS || (seen & 1u << index) != 0 ||
        !read_parameter (query, index, equals + 1, n - (gsize)(equals + 1 - text)))
      return FALSE;
    seen |= 1u << index;
    if (end == NULL)
      break;
    text += n + 1;
    length -= n + 1;
    if (length == 0)
      return FALSE;
  }
  /* A proof stands for a name, and a name for nothing without one. */
  return ((seen >> PARAMETER_USER) & 1) == ((seen >> PARAMETER_PROOF) & 1) &&
         ((seen >> PARAMETER_RUN) & 1) == ((seen >> PARAMETER_NONCE) & 1);
}

/* What follows "http://host" in the absolute form, which proxies are sent. */
static const char *
path_of (const char *target, gsize length, gsize *path_length)
{
  static const char scheme[] = "http://";
  const char *slash;

  *path_length = length;
  if (length < strlen (scheme) || g_ascii_strncasecmp (target, scheme, strlen (scheme)) != 0)
    return target;
  slash = memchr (target + strlen (scheme), '/', length - strlen (scheme));
  if (slash == NULL)
    return target;
  *path_length = length - (gsize)(slash - target);
  return slash;
}

gboolean
stun_ext_detect_target_read (const char *target, gsize length, StunExtDetectQuery *query)
{
  StunExtDetectQuery read = { 0 };
  gsize n, name_length;
  const char *path = path_of (target, length, &n);
  const char *mark;

  if (length > STUN_EXT_DETECT_TARGET_MAX || n < strlen (PREFIX) ||
      memcmp (path, PREFIX, strlen (PREFIX)) != 0)
    return FALSE;
  path += strlen (PREFIX);
  n -= strlen (PREFIX);
  mark = memchr (path, '?', n);
  name_length = mark != NULL ? (gsize)(mark - path) : n;
  for (; read.what < STUN_EXT_DETECT_N_WHATS; read.what++)
    if (strlen (what_names[read.what]) == name_length &&
        memcmp (what_names[read.what], path, name_length) == 0)
      break;
  if (read.what == STUN_EXT_DETECT_N_WHATS ||
      (mark != NULL && !read_parameters (&read, mark + 1, n - name_length - 1)) ||
      (!read.has_run && read.what != STUN_EXT_DETECT_WHAT_SELF))
    return FALSE;
  *query = read;
  return TRUE;
}

gboolean
stun_ext_detect_target_is_signed_by (const StunExtDetectQuery *query, const StunExtDetectKey *user)
{
  guint8 expected[STUN_EXT_DETECT_PROOF_LENGTH];

  return query->has_proof && prove_query (query, user, expected) &&
         stun_ext_crypto_equal (expected, query->proof, sizeof expected);
}

/* ---- bodies ---- */

GString *
stun_ext_detect_body_seal (GString *body,
                           const StunExtDetectKey *key,
                           const guint8 nonce[STUN_EXT_DETECT_NONCE_LENGTH])
{
  const StunExtSpan parts[] = { { nonce, STUN_EXT_DETECT_NONCE_LENGTH }, { body->str, body->len } };
  guint8 proof[STUN_EXT_DETECT_PROOF_LENGTH];
  char digits[PROOF_DIGITS + 1];

  if (!stun_ext_detect_prove (key, "tep-detect/1 body", parts, G_N_ELEMENTS (parts), proof)) {
    g_string_free (body, TRUE);
    return NULL;
  }
  g_string_append_printf (body, PROOF_LINE "%s,\"proof\":\"%s\"}\n",
                          key->is_keyed ? "true" : "false",
                          stun_ext_detect_hex_print (proof, sizeof proof, digits));
  return body;
}

/* Where the last line begins. */
static gsize
last_line (const char *body, gsize length)
{
  gsize n = length;

  if (n > 0 && body[n - 1] == '\n')
    n--;
  while (n > 0 && body[n - 1] != '\n')
    n--;
  return n;
}

static gboolean
read_proof_line (const char *line,
                 gsize length,
                 gboolean *is_keyed,
                 guint8 proof[STUN_EXT_DETECT_PROOF_LENGTH])
{
  static const char *const words[] = { PROOF_LINE "false,\"proof\":\"",
                                       PROOF_LINE "true,\"proof\":\"" };

  for (guint i = 0; i < G_N_ELEMENTS (words); i++) {
    gsize n = strlen (words[i]);

    if (length < n + PROOF_DIGITS + 2 || memcmp (line, words[i], n) != 0)
      continue;
    *is_keyed = i == 1;
    return memcmp (line + n + PROOF_DIGITS, "\"}", 2) == 0 &&
           stun_ext_detect_hex_parse (line + n, PROOF_DIGITS, proof, STUN_EXT_DETECT_PROOF_LENGTH);
  }
  return FALSE;
}

StunExtDetectProof
stun_ext_detect_body_check (const char *body,
                            gsize length,
                            const StunExtDetectRun *run,
                            const StunExtDetectKey *user,
                            const guint8 nonce[STUN_EXT_DETECT_NONCE_LENGTH],
                            gsize *content_length)
{
  gsize begin = last_line (body, length);
  const StunExtSpan parts[] = { { nonce, STUN_EXT_DETECT_NONCE_LENGTH }, { body, begin } };
  guint8 proof[STUN_EXT_DETECT_PROOF_LENGTH];
  gboolean is_keyed;

  *content_length = length;
  if (length == 0 || !read_proof_line (body + begin, length - begin, &is_keyed, proof))
    return STUN_EXT_DETECT_PROOF_NONE;
  *content_length = begin;
  return stun_ext_detect_check (run, user, is_keyed, "tep-detect/1 body", parts,
                                G_N_ELEMENTS (parts), proof);
}
