/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading CONNECT as a proxy that serves TURN clients: as strictly as everywhere else, but for one
 * thing. libnice writes IPv6 addresses without brackets, and means the last colon to be the one
 * before the port.
 */
#include "turn-connect/local/connect-head.h"

#include "stun-ext/crypto.h"

#include <string.h>

#define METHOD "CONNECT "
#define FIELD "Proxy-Authorization:"

void
turn_connect_head_init (TurnConnectHead *head)
{
  stun_ext_http_request_init (&head->request);
  head->length = 0;
}

/* Octets up to and with the blank line; 0 while it has not come. */
static gsize
find_end (const char *text, gsize length)
{
  const char *end = memmem (text, length, "\r\n\r\n", 4);

  return end != NULL ? (gsize)(end - text) + 4 : 0;
}

/* Where the port's colon stands, if the target is an IPv6 address without brackets; else 0. */
static gsize
find_bare_port (const char *text, gsize length)
{
  const char *target = text + strlen (METHOD);
  const char *end, *first, *last;

  if (length < strlen (METHOD) || memcmp (text, METHOD, strlen (METHOD)) != 0 || *target == '[')
    return 0;
  end = memchr (target, ' ', length - strlen (METHOD));
  if (end == NULL)
    return 0;
  first = memchr (target, ':', (gsize)(end - target));
  last = memrchr (target, ':', (gsize)(end - target));
  return first != last ? (gsize)(last - text) : 0;
}

static StunExtHttpRequestState
feed (TurnConnectHead *head, const char *text, gsize length)
{
  gsize consumed;

  return stun_ext_http_request_feed (&head->request, text, length, &consumed);
}

static StunExtHttpRequestState
judge (TurnConnectHead *head)
{
  gsize colon = find_bare_port (head->text, head->length);
  gsize at = 0;

  if (colon != 0) {
    feed (head, METHOD "[", strlen (METHOD) + 1);
    at = strlen (METHOD);
    feed (head, head->text + at, colon - at);
    feed (head, "]", 1);
    at = colon;
  }
  return feed (head, head->text + at, head->length - at);
}

StunExtHttpRequestState
turn_connect_head_feed (TurnConnectHead *head, const guint8 *data, gsize length, gsize *consumed)
{
  gsize before = head->length;
  gsize n = MIN (length, sizeof head->text - before);
  gsize end;

  memcpy (&head->text[before], data, n);
  end = find_end (head->text, before + n);
  *consumed = end > 0 ? end - before : n;
  head->length = before + *consumed;
  if (end > 0)
    return judge (head);
  return head->length == sizeof head->text ? STUN_EXT_HTTP_REQUEST_BAD : STUN_EXT_HTTP_REQUEST_MORE;
}

/* The value of the one Proxy-Authorization line; NULL without one, and if there are several. */
static char *
find_login (const TurnConnectHead *head)
{
  g_autofree char *text = g_strndup (head->text, head->length);
  g_auto (GStrv) lines = g_strsplit (text, "\r\n", -1);
  char *found = NULL;
  guint n = 0;

  for (char **line = lines; *line != NULL; line++) {
    if (g_ascii_strncasecmp (*line, FIELD, strlen (FIELD)) == 0 && n++ == 0)
      found = g_strdup (g_strstrip (*line + strlen (FIELD)));
  }
  stun_ext_crypto_cleanse (text, strlen (text));
  if (n > 1)
    g_clear_pointer (&found, g_free);
  return found;
}

gboolean
turn_connect_head_logs_in (const TurnConnectHead *head, const char *user, const char *password)
{
  g_autofree char *plain = g_strconcat (user, ":", password, NULL);
  g_autofree char *wanted = g_base64_encode ((const guint8 *)plain, strlen (plain));
  g_autofree char *given = find_login (head);
  const char *word = given != NULL ? strchr (given, ' ') : NULL;

  if (word == NULL || g_ascii_strncasecmp (given, "Basic ", 6) != 0)
    return FALSE;
  while (*word == ' ')
    word++;
  return strlen (word) == strlen (wanted) && stun_ext_crypto_equal (word, wanted, strlen (wanted));
}
