/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a STUN or TURN server is, as people and WebRTC applications write it. RFC 7065 section 3.1
 * forbids generic URI parsers here: these URIs have no "//", no user and no path, and a parser that
 * knows such things would find them.
 */
#include "turn-connect/turn/uri.h"

#include "turn-connect/host.h"

#include <string.h>

#define TEXT_MAX 1024           /* octets; arbitrary, a name has 253 and may be percent-encoded */
#define TRANSPORT_MAX 32        /* octets; arbitrary */
#define QUERY "?transport="     /* RFC 7065 section 3.1 */
#define UNRESERVED_MARKS "-._~" /* RFC 3986 section 2.3 */
#define SUB_DELIMS "!$&'()*+,;="

struct _TurnConnectUri {
  gatomicrefcount refs;
  gboolean is_turn;
  gboolean is_secure;
  char *host;
  guint16 port; /* 0: not given */
  char *transport;
  char *text;
};

G_DEFINE_BOXED_TYPE (TurnConnectUri, turn_connect_uri, turn_connect_uri_ref, turn_connect_uri_unref)

static const struct {
  const char *name;
  gboolean is_turn;
  gboolean is_secure;
} schemes[] = {
  { "turn", TRUE, FALSE },
  { "turns", TRUE, TRUE },
  { "stun", FALSE, FALSE },
  { "stuns", FALSE, TRUE },
};

const char *
turn_connect_transport_to_string (TurnConnectTransport transport)
{
  static const char *const names[TURN_CONNECT_N_TRANSPORTS] = { "udp", "tcp", "tls", "dtls" };

  g_return_val_if_fail ((guint)transport < TURN_CONNECT_N_TRANSPORTS, NULL);
  return names[transport];
}

static gboolean
fail (GError **error, const char *message)
{
  g_set_error_literal (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID, message);
  return FALSE;
}

/* Moves *@text behind the colon. */
static gboolean
read_scheme (TurnConnectUri *uri, const char **text, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (schemes); i++) {
    gsize length = strlen (schemes[i].name);

    if (g_ascii_strncasecmp (*text, schemes[i].name, length) != 0 || (*text)[length] != ':')
      continue;
    uri->is_turn = schemes[i].is_turn;
    uri->is_secure = schemes[i].is_secure;
    *text += length + 1;
    if (g_str_has_prefix (*text, "//"))
      return fail (error, "no slashes follow the colon: write turns:HOST:PORT");
    return TRUE;
  }
  return fail (error, "the URI does not begin with turn:, turns:, stun: or stuns:");
}

static gboolean
is_bracketed (const char *host)
{
  gsize length = strlen (host);

  return length > 2 && host[0] == '[' && host[length - 1] == ']';
}

/* RFC 3986 section 3.2.2: an address in brackets is IPv6 and has no zone, a name is reg-name. */
static gboolean
set_host (TurnConnectUri *uri, const char *host, GError **error)
{
  g_autofree char *decoded = NULL;

  if (is_bracketed (host)) {
    if (strspn (host + 1, "0123456789abcdefABCDEF:.") != strlen (host) - 2 ||
        strchr (host, ':') == NULL)
      return fail (error, "what stands in brackets is no IPv6 address");
    uri->host = turn_connect_host_normalise (host, error);
    return uri->host != NULL;
  }
  for (const char *c = host; *c != '\0'; c++)
    if (!g_ascii_isalnum (*c) && strchr (UNRESERVED_MARKS SUB_DELIMS "%", *c) == NULL)
      return fail (error, *c == '@' ? "credentials are not part of the URI: give them apart"
                                    : "the host contains a character that no URI may contain: "
                                      "an IPv6 address stands in brackets, other characters are "
                                      "percent-encoded");
  decoded = g_uri_unescape_string (host, NULL);
  if (decoded == NULL)
    return fail (error, "the host is wrongly percent-encoded");
  /* Decoding must not bring about what only brackets may announce. */
  if (strpbrk (decoded, ":[]") != NULL)
    return fail (error, "an IPv6 address stands in brackets");
  uri->host = turn_connect_host_normalise (decoded, error);
  return uri->host != NULL;
}

static gboolean
set_port (TurnConnectUri *uri, const char *digits, GError **error)
{
  guint64 port;

  /* RFC 3986 section 3.2.3: nothing behind the colon is as no colon. */
  if (*digits == '\0')
    return TRUE;
  if (strspn (digits, "0123456789") != strlen (digits) ||
      !g_ascii_string_to_unsigned (digits, 10, 1, G_MAXUINT16, &port, NULL))
    return fail (error, "the port is not a number from 1 to 65535");
  uri->port = (guint16)port;
  return TRUE;
}

static gboolean
set_transport (TurnConnectUri *uri, const char *query, GError **error)
{
  const char *value = query + strlen (QUERY);

  if (!uri->is_turn)
    return fail (error, "stun: and stuns: URIs end after the port");
  if (g_ascii_strncasecmp (query, QUERY, strlen (QUERY)) != 0)
    return fail (error, "nothing but ?transport=udp or ?transport=tcp may follow the port");
  if (*value == '\0' || strlen (value) > TRANSPORT_MAX)
    return fail (error, "the transport is empty or too long: udp and tcp are known");
  for (const char *c = value; *c != '\0'; c++)
    if (!g_ascii_isalnum (*c) && strchr (UNRESERVED_MARKS, *c) == NULL)
      return fail (error, "the transport contains a character that it may not contain");
  uri->transport = g_ascii_strdown (value, -1);
  return TRUE;
}

static void
set_text (TurnConnectUri *uri)
{
  GString *text = g_string_new (turn_connect_uri_get_scheme (uri));

  g_string_append_printf (text, strchr (uri->host, ':') != NULL ? ":[%s]" : ":%s", uri->host);
  if (uri->port != 0)
    g_string_append_printf (text, ":%u", uri->port);
  if (uri->transport != NULL)
    g_string_append_printf (text, QUERY "%s", uri->transport);
  uri->text = g_string_free (text, FALSE);
}

/* The colon before the port: the last one that is in no brackets. */
static const char *
find_port (const char *place)
{
  const char *colon = strrchr (place, ':');
  const char *bracket = strrchr (place, ']');

  return colon != NULL && (bracket == NULL || colon > bracket) ? colon : NULL;
}

TurnConnectUri *
turn_connect_uri_new (const char *text, GError **error)
{
  g_autoptr (TurnConnectUri) uri = g_new0 (TurnConnectUri, 1);
  g_autofree char *place = NULL;
  g_autofree char *host = NULL;
  const char *query, *colon;

  g_return_val_if_fail (text != NULL, NULL);
  g_atomic_ref_count_init (&uri->refs);
  if (strnlen (text, TEXT_MAX + 1) > TEXT_MAX) {
    fail (error, "the URI is too long");
    return NULL;
  }
  if (!read_scheme (uri, &text, error))
    return NULL;
  query = strchr (text, '?');
  place = query != NULL ? g_strndup (text, (gsize)(query - text)) : g_strdup (text);
  colon = find_port (place);
  host = colon != NULL ? g_strndup (place, (gsize)(colon - place)) : g_strdup (place);
  if (!set_host (uri, host, error) || (colon != NULL && !set_port (uri, colon + 1, error)) ||
      (query != NULL && !set_transport (uri, query, error)))
    return NULL;
  set_text (uri);
  return g_steal_pointer (&uri);
}

TurnConnectUri *
turn_connect_uri_ref (TurnConnectUri *uri)
{
  g_atomic_ref_count_inc (&uri->refs);
  return uri;
}

void
turn_connect_uri_unref (TurnConnectUri *uri)
{
  if (!g_atomic_ref_count_dec (&uri->refs))
    return;
  g_free (uri->host);
  g_free (uri->transport);
  g_free (uri->text);
  g_free (uri);
}

const char *
turn_connect_uri_to_string (const TurnConnectUri *uri)
{
  return uri->text;
}

const char *
turn_connect_uri_get_scheme (const TurnConnectUri *uri)
{
  if (uri->is_turn)
    return uri->is_secure ? "turns" : "turn";
  return uri->is_secure ? "stuns" : "stun";
}

gboolean
turn_connect_uri_is_turn (const TurnConnectUri *uri)
{
  return uri->is_turn;
}

gboolean
turn_connect_uri_is_secure (const TurnConnectUri *uri)
{
  return uri->is_secure;
}

const char *
turn_connect_uri_get_host (const TurnConnectUri *uri)
{
  return uri->host;
}

gboolean
turn_connect_uri_is_address (const TurnConnectUri *uri)
{
  return turn_connect_host_is_address (uri->host);
}

guint16
turn_connect_uri_get_port (const TurnConnectUri *uri)
{
  return uri->port;
}

guint16
turn_connect_uri_get_effective_port (const TurnConnectUri *uri)
{
  if (uri->port != 0)
    return uri->port;
  return uri->is_secure ? TURN_CONNECT_PORT_SECURE : TURN_CONNECT_PORT_PLAIN;
}

const char *
turn_connect_uri_get_transport (const TurnConnectUri *uri)
{
  return uri->transport;
}

guint
turn_connect_uri_get_transports (const TurnConnectUri *uri,
                                 TurnConnectTransport transports[TURN_CONNECT_N_TRANSPORTS])
{
  gboolean may_udp = uri->transport == NULL || strcmp (uri->transport, "udp") == 0;
  gboolean may_tcp = uri->transport == NULL || strcmp (uri->transport, "tcp") == 0;
  guint n = 0;

  if (uri->is_secure) {
    if (may_tcp)
      transports[n++] = TURN_CONNECT_TRANSPORT_TLS;
    if (may_udp)
      transports[n++] = TURN_CONNECT_TRANSPORT_DTLS;
    return n;
  }
  if (may_udp)
    transports[n++] = TURN_CONNECT_TRANSPORT_UDP;
  if (may_tcp)
    transports[n++] = TURN_CONNECT_TRANSPORT_TCP;
  return n;
}
