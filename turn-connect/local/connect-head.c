/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading CONNECT as a proxy that serves TURN clients: as strictly as everywhere else, but for one
 * thing. libnice writes IPv6 addresses without brackets, and means the last colon to be the one
 * before the port.
 */
#include "turn-connect/local/connect-head.h"

#include "turn-connect/proxy/url.h"

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

void
turn_connect_head_clear (TurnConnectHead *head)
{
  stun_ext_crypto_cleanse (head->text, sizeof head->text);
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
  const char *at = head->text;
  const char *end = head->text + head->length;
  char *found = NULL;
  guint n = 0;

  while (at < end) {
    const char *line_end = memchr (at, '\r', (gsize)(end - at));
    gsize length = line_end != NULL ? (gsize)(line_end - at) : (gsize)(end - at);

    if (length > strlen (FIELD) && g_ascii_strncasecmp (at, FIELD, strlen (FIELD)) == 0 && n++ == 0)
      found = g_strstrip (g_strndup (at + strlen (FIELD), length - strlen (FIELD)));
    at += length + strlen ("\r\n");
  }
  if (n > 1)
    g_clear_pointer (&found, turn_connect_secret_free);
  return found;
}

gboolean
turn_connect_head_logs_in (const TurnConnectHead *head, const char *user, const char *password)
{
  char *plain = g_strconcat (user, ":", password, NULL);
  char *wanted = g_base64_encode ((const guint8 *)plain, strlen (plain));
  char *given = find_login (head);
  const char *word = given != NULL ? strchr (given, ' ') : NULL;
  gboolean is_right = FALSE;

  if (word != NULL && g_ascii_strncasecmp (given, "Basic ", 6) == 0) {
    word += strspn (word, " ");
    is_right =
        strlen (word) == strlen (wanted) && stun_ext_crypto_equal (word, wanted, strlen (wanted));
  }
  turn_connect_secret_free (plain);
  turn_connect_secret_free (wanted);
  turn_connect_secret_free (given);
  return is_right;
}
