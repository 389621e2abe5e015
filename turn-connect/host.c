/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One form for the names of servers and proxies, made before anything is sent: the same string then
 * goes to the resolver, into CONNECT and into the certificate check, and none of them sees a
 * character that only one of them would take for a separator.
 */
#include "turn-connect/host.h"

#include "turn-connect/error.h"

#include <gio/gio.h>
#include <string.h>

#define NAME_MAX_LENGTH 253 /* RFC 1035 section 2.3.4, without the final dot */
#define LABEL_MAX_LENGTH 63

static gboolean
is_name (const char *text)
{
  gsize length = strlen (text);
  gsize label = 0;

  if (length == 0 || length > NAME_MAX_LENGTH)
    return FALSE;
  for (gsize i = 0; i < length; i++) {
    if (text[i] == '.') {
      if (label == 0)
        return FALSE;
      label = 0;
      continue;
    }
    /* The underscore is no host name by the letter, but lives in many. */
    if (!g_ascii_isalnum (text[i]) && text[i] != '-' && text[i] != '_')
      return FALSE;
    if (++label > LABEL_MAX_LENGTH)
      return FALSE;
  }
  return label > 0;
}

gboolean
turn_connect_host_is_address (const char *host)
{
  return g_hostname_is_ip_address (host);
}

static char *
strip (const char *text)
{
  gsize length = strlen (text);

  if (length > 2 && text[0] == '[' && text[length - 1] == ']')
    return g_strndup (text + 1, length - 2);
  if (length > 1 && text[length - 1] == '.')
    return g_strndup (text, length - 1);
  return g_strdup (text);
}

char *
turn_connect_host_normalise (const char *text, GError **error)
{
  g_autofree char *bare = strip (text);
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (bare);
  g_autofree char *ascii = NULL;
  g_autofree char *lower = NULL;

  if (address != NULL)
    return g_inet_address_to_string (address);
  /* GLib reads past the end of text whose last octet begins a longer character. */
  if (g_utf8_validate (bare, -1, NULL))
    ascii = g_hostname_to_ascii (bare);
  lower = ascii != NULL ? g_ascii_strdown (ascii, -1) : NULL;
  /* All digits and dots, yet no address: resolvers disagree about "127.1" and "0x7f000001". */
  if (lower != NULL && is_name (lower) && strspn (lower, "0123456789.") != strlen (lower))
    return g_steal_pointer (&lower);
  g_set_error_literal (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
                       "the host is neither a name nor an IPv4 or IPv6 address: give it without "
                       "scheme, port, zone or path");
  return NULL;
}

char *
turn_connect_host_join (const char *host, guint16 port)
{
  return g_strdup_printf (strchr (host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, port);
}
