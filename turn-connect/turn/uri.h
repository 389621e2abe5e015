/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/error.h"

#include <glib-object.h>

G_BEGIN_DECLS

/**
 * TurnConnectTransport:
 * @TURN_CONNECT_TRANSPORT_UDP: UDP
 * @TURN_CONNECT_TRANSPORT_TCP: TCP
 * @TURN_CONNECT_TRANSPORT_TLS: TLS over TCP
 * @TURN_CONNECT_TRANSPORT_DTLS: DTLS over UDP (RFC 7350)
 *
 * What STUN and TURN are carried by between client and server.
 */
typedef enum {
  TURN_CONNECT_TRANSPORT_UDP,
  TURN_CONNECT_TRANSPORT_TCP,
  TURN_CONNECT_TRANSPORT_TLS,
  TURN_CONNECT_TRANSPORT_DTLS,
} TurnConnectTransport;

#define TURN_CONNECT_N_TRANSPORTS 4

#define TURN_CONNECT_PORT_PLAIN 3478  /* RFC 8489 section 18.6: stun, turn */
#define TURN_CONNECT_PORT_SECURE 5349 /* RFC 8489 section 18.6: stuns, turns */

/**
 * turn_connect_transport_to_string:
 * @transport: a transport
 *
 * Names a transport for people and scripts. Any thread.
 *
 * Returns: (transfer none): "udp", "tcp", "tls" or "dtls"
 */
TURN_CONNECT_API const char *turn_connect_transport_to_string (TurnConnectTransport transport);

#define TURN_CONNECT_TYPE_URI (turn_connect_uri_get_type ())

/**
 * TurnConnectUri:
 *
 * A `turn:`, `turns:` (RFC 7065), `stun:` or `stuns:` URI (RFC 7064), checked and in one form.
 * Immutable, so any number of threads may use it.
 */
typedef struct _TurnConnectUri TurnConnectUri;

/**
 * turn_connect_uri_get_type:
 *
 * Any thread.
 *
 * Returns: the boxed type
 */
TURN_CONNECT_API GType turn_connect_uri_get_type (void);

/**
 * turn_connect_uri_new:
 * @text: "turns:turn.example.net:443?transport=tcp"; an IPv6 address stands in brackets, a name may
 *   be percent-encoded UTF-8 and gets IDNA
 * @error: %TURN_CONNECT_ERROR_INVALID; the message never quotes @text
 *
 * Reads a URI. A transport that nobody here knows is kept, as RFC 7065 section 3.1 lets new ones be
 * invented; turn_connect_uri_get_transports() says that nothing can be done with it. A user in the
 * URI is refused: credentials are given apart. Any thread.
 *
 * Returns: (transfer full): the URI, or %NULL
 */
TURN_CONNECT_API TurnConnectUri *turn_connect_uri_new (const char *text, GError **error);

/**
 * turn_connect_uri_ref:
 * @uri: a URI
 *
 * Any thread.
 *
 * Returns: (transfer full): @uri
 */
TURN_CONNECT_API TurnConnectUri *turn_connect_uri_ref (TurnConnectUri *uri);

/**
 * turn_connect_uri_unref:
 * @uri: (transfer full): a URI
 *
 * Drops a reference. Any thread.
 */
TURN_CONNECT_API void turn_connect_uri_unref (TurnConnectUri *uri);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TurnConnectUri, turn_connect_uri_unref)

/**
 * turn_connect_uri_to_string:
 * @uri: a URI
 *
 * Reading the result gives an equal URI, and equal URIs give equal results. Any thread.
 *
 * Returns: (transfer none): the URI in its one form: lower case, no default spelt out that was not
 *   given
 */
TURN_CONNECT_API const char *turn_connect_uri_to_string (const TurnConnectUri *uri);

/**
 * turn_connect_uri_get_scheme:
 * @uri: a URI
 *
 * Any thread.
 *
 * Returns: (transfer none): "turn", "turns", "stun" or "stuns"
 */
TURN_CONNECT_API const char *turn_connect_uri_get_scheme (const TurnConnectUri *uri);

/**
 * turn_connect_uri_is_turn:
 * @uri: a URI
 *
 * Any thread.
 *
 * Returns: %TRUE for a relay (`turn:`, `turns:`), %FALSE for a STUN server
 */
TURN_CONNECT_API gboolean turn_connect_uri_is_turn (const TurnConnectUri *uri);

/**
 * turn_connect_uri_is_secure:
 * @uri: a URI
 *
 * Any thread.
 *
 * Returns: %TRUE for `turns:` and `stuns:`: nothing may be sent but inside TLS or DTLS
 */
TURN_CONNECT_API gboolean turn_connect_uri_is_secure (const TurnConnectUri *uri);

/**
 * turn_connect_uri_get_host:
 * @uri: a URI
 *
 * The name or address; also what a certificate is checked for, whatever DNS makes of it. Any
 * thread.
 *
 * Returns: (transfer none): ASCII, lower case, an IPv6 address without brackets
 */
TURN_CONNECT_API const char *turn_connect_uri_get_host (const TurnConnectUri *uri);

/**
 * turn_connect_uri_is_address:
 * @uri: a URI
 *
 * Any thread.
 *
 * Returns: %TRUE if the host is an IPv4 or IPv6 address and no name
 */
TURN_CONNECT_API gboolean turn_connect_uri_is_address (const TurnConnectUri *uri);

/**
 * turn_connect_uri_get_port:
 * @uri: a URI
 *
 * Any thread.
 *
 * Returns: the port that was given, 1 to 65535, or 0 if none was
 */
TURN_CONNECT_API guint16 turn_connect_uri_get_port (const TurnConnectUri *uri);

/**
 * turn_connect_uri_get_effective_port:
 * @uri: a URI
 *
 * Any thread.
 *
 * Returns: the port that was given, else 3478, or 5349 for the secure schemes
 */
TURN_CONNECT_API guint16 turn_connect_uri_get_effective_port (const TurnConnectUri *uri);

/**
 * turn_connect_uri_get_transport:
 * @uri: a URI
 *
 * Any thread.
 *
 * Returns: (transfer none) (nullable): the `transport` that was given, in lower case, or %NULL
 */
TURN_CONNECT_API const char *turn_connect_uri_get_transport (const TurnConnectUri *uri);

/**
 * turn_connect_uri_get_transports:
 * @uri: a URI
 * @transports: (out caller-allocated) (array fixed-size=4): what it may mean, the preferred first
 *
 * Tells what a URI may mean: `turn:` without a transport UDP, then TCP; `turns:` TLS, then DTLS;
 * with one what RFC 5928 section 3 and RFC 7350 section 4.6 make of it. Any thread.
 *
 * Returns: the number of @transports written; 0 if the transport given is unknown here
 */
TURN_CONNECT_API guint turn_connect_uri_get_transports (
    const TurnConnectUri *uri, TurnConnectTransport transports[TURN_CONNECT_N_TRANSPORTS]);

G_END_DECLS
