/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A list of challenges is awkward to take apart: commas separate challenges as well as parameters,
 * and a token may look like a parameter. Every scheme needs the parts, so they are cut out once,
 * here, and what does not fit the grammar spoils its own challenge only.
 */
#include "turn-connect/proxy/challenge.h"

#include <string.h>

#define MAX_CHALLENGES 16
#define MAX_PARAMETERS 32 /* of one challenge */

void
turn_connect_challenge_free (TurnConnectChallenge *challenge)
{
  g_free (challenge->scheme);
  g_free (challenge->token);
  g_ptr_array_unref (challenge->names);
  g_ptr_array_unref (challenge->values);
  g_free (challenge);
}

static TurnConnectChallenge *
challenge_new (const char *scheme, gsize length)
{
  TurnConnectChallenge *challenge = g_new0 (TurnConnectChallenge, 1);

  challenge->scheme = g_ascii_strdown (scheme, (gssize)length);
  challenge->names = g_ptr_array_new_with_free_func (g_free);
  challenge->values = g_ptr_array_new_with_free_func (g_free);
  return challenge;
}

const char *
turn_connect_challenge_get (const TurnConnectChallenge *challenge, const char *name)
{
  for (guint i = 0; i < challenge->names->len; i++) {
    if (g_str_equal (challenge->names->pdata[i], name))
      return challenge->values->pdata[i];
  }
  return NULL;
}

static gsize
token_length (const char *text)
{
  gsize n = 0;

  while (g_ascii_isalnum (text[n]) ||
         (text[n] != '\0' && strchr ("!#$%&'*+-.^_`|~", text[n]) != NULL))
    n++;
  return n;
}

static const char *
skip_space (const char *c)
{
  return c + strspn (c, " \t");
}

static gboolean
is_end_of_element (const char *c)
{
  c = skip_space (c);
  return *c == '\0' || *c == ',';
}

/* How long the token68 at @c is, if all of the element is one; else 0. */
static gsize
token68_length (const char *c)
{
  gsize n = 0;

  while (g_ascii_isalnum (c[n]) || (c[n] != '\0' && strchr ("-._~+/", c[n]) != NULL))
    n++;
  if (n == 0)
    return 0;
  n += strspn (c + n, "=");
  return is_end_of_element (c + n) ? n : 0;
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

/* RFC 9110 section 5.6.4. NULL if it does not end. */
static char *
take_quoted (const char **at)
{
  GString *value = g_string_new (NULL);
  const char *c = *at + 1;

  for (; *c != '\0' && *c != '"'; c++) {
    if (*c == '\\' && c[1] != '\0')
      c++;
    g_string_append_c (value, *c);
  }
  if (*c != '"') {
    g_string_free (value, TRUE);
    return NULL;
  }
  *at = c + 1;
  return g_string_free (value, FALSE);
}

/* One "name = value" at *@at, whose name has @n octets. */
static void
take_parameter (TurnConnectChallenge *challenge, const char **at, gsize n)
{
  g_autofree char *name = g_ascii_strdown (*at, (gssize)n);
  const char *c = skip_space (skip_space (*at + n) + 1);
  g_autofree char *value = NULL;

  if (*c == '"') {
    value = take_quoted (&c);
  } else if (token_length (c) > 0) {
    value = g_strndup (c, token_length (c));
    c += token_length (c);
  }
  if (value == NULL || !is_end_of_element (c) || challenge->names->len >= MAX_PARAMETERS ||
      turn_connect_challenge_get (challenge, name) != NULL) {
    challenge->is_broken = TRUE;
    *at = skip_element (*at);
    return;
  }
  g_ptr_array_add (challenge->names, g_steal_pointer (&name));
  g_ptr_array_add (challenge->values, g_steal_pointer (&value));
  *at = c;
}

/* The element begins a challenge if its first token is not followed by "=": "Digest realm=x" and
 * "Negotiate" do, "realm=x" and "qop = auth" are parameters of the challenge before. */
static gboolean
is_parameter (const char *after_token)
{
  after_token = skip_space (after_token);
  return *after_token == '=' && after_token[1] != '=';
}

static TurnConnectChallenge *
take_scheme (const char **at, gsize n)
{
  TurnConnectChallenge *challenge = challenge_new (*at, n);
  const char *c = skip_space (*at + n);
  gsize length = token68_length (c);

  if (length > 0)
    challenge->token = g_strndup (c, length);
  c += length;
  if (length == 0 && !is_end_of_element (c)) {
    n = token_length (c);
    if (n > 0 && is_parameter (c + n)) {
      take_parameter (challenge, &c, n);
    } else {
      challenge->is_broken = TRUE;
      c = skip_element (c);
    }
  }
  *at = c;
  return challenge;
}

static void
parse_line (GPtrArray *challenges, const char *c)
{
  TurnConnectChallenge *last = NULL;

  for (c += strspn (c, " \t,"); *c != '\0'; c += strspn (c, " \t,")) {
    gsize n = token_length (c);

    if (n > 0 && !is_parameter (c + n)) {
      if (challenges->len >= MAX_CHALLENGES)
        return;
      last = take_scheme (&c, n);
      g_ptr_array_add (challenges, last);
    } else if (n > 0 && last != NULL) {
      take_parameter (last, &c, n);
    } else {
      if (last != NULL)
        last->is_broken = TRUE;
      c = skip_element (c);
    }
  }
}

static void
free_challenge (gpointer challenge)
{
  turn_connect_challenge_free (challenge);
}

GPtrArray *
turn_connect_challenges_parse (const char *const *lines)
{
  GPtrArray *challenges = g_ptr_array_new_with_free_func (free_challenge);

  for (; *lines != NULL; lines++)
    parse_line (challenges, *lines);
  return challenges;
}

TurnConnectChallenge *
turn_connect_challenge_parse_info (const char *c)
{
  TurnConnectChallenge *info = challenge_new ("", 0);

  for (c += strspn (c, " \t,"); *c != '\0'; c += strspn (c, " \t,")) {
    gsize n = token_length (c);

    if (n > 0 && is_parameter (c + n)) {
      take_parameter (info, &c, n);
    } else {
      info->is_broken = TRUE;
      c = skip_element (c);
    }
  }
  return info;
}
