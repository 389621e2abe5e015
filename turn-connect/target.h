/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/tls-options.h"

#include <glib-object.h>

G_BEGIN_DECLS

/* TR 33.830 clause 4.8.2 gives this line as an example of a marker in CONNECT; for
 * turn_connect_target_add_header(). */
#define TURN_CONNECT_IMS_MARKER "User-Agent: 3GPP-IMS-FS_FIRE"

/**
 * TurnConnectProxySchemes:
 * @TURN_CONNECT_PROXY_BASIC: RFC 7617: the password itself is sent, readable to anybody between
 * here and a proxy of the http:// kind
 * @TURN_CONNECT_PROXY_DIGEST: RFC 7616 with SHA-256 or MD5: a proof of the password
 * @TURN_CONNECT_PROXY_NTLM: a proof of the password, bound to the connection; weaker than Digest
 * with SHA-256, for proxies that know nothing else. A user may be written "DOMAIN\user"
 * @TURN_CONNECT_PROXY_NEGOTIATE: RFC 4559 with Kerberos: a ticket. Without a user it is that of
 * the ticket cache (kinit); with one, a ticket is fetched for him
 * @TURN_CONNECT_PROXY_ANY: every kind known
 *
 * Ways of saying who is asking to a proxy. Of those that a proxy offers and that are allowed, they
 * are tried in the order Negotiate, Digest, NTLM, Basic, each once. Basic is not used any more once
 * a proxy refused a proof of the same password.
 */
typedef enum {
  TURN_CONNECT_PROXY_BASIC = 1 << 0,
  TURN_CONNECT_PROXY_DIGEST = 1 << 1,
  TURN_CONNECT_PROXY_NTLM = 1 << 2,
  TURN_CONNECT_PROXY_NEGOTIATE = 1 << 3,
  TURN_CONNECT_PROXY_ANY = TURN_CONNECT_PROXY_BASIC | TURN_CONNECT_PROXY_DIGEST |
                           TURN_CONNECT_PROXY_NTLM | TURN_CONNECT_PROXY_NEGOTIATE,
} TurnConnectProxySchemes;

/**
 * TurnConnectProxySource:
 * @TURN_CONNECT_PROXY_SOURCE_NONE: there is none; connections are direct
 * @TURN_CONNECT_PROXY_SOURCE_URL: one that is named
 * @TURN_CONNECT_PROXY_SOURCE_ENVIRONMENT: the variables `https_proxy`, `HTTPS_PROXY`, `all_proxy`,
 * `ALL_PROXY` or `http_proxy`, the first that is not empty, except for what `no_proxy` (or
 * `NO_PROXY`) lists; direct where none is set
 * @TURN_CONNECT_PROXY_SOURCE_SYSTEM: the settings of the desktop or machine, by libproxy (package
 * libproxy-tools); a configuration file that they name is treated as with PAC
 * @TURN_CONNECT_PROXY_SOURCE_PAC: a proxy configuration file, evaluated in a process of its own
 * (package libpacparser1)
 * @TURN_CONNECT_PROXY_SOURCE_AUTO: the environment where it says something, else the system
 *
 * Where it is said which proxy is to be used. A list of several is tried in order, the next when
 * one cannot be reached; the direct way only if the list has it. A source that cannot be asked is
 * an error.
 */
typedef enum {
  TURN_CONNECT_PROXY_SOURCE_NONE,
  TURN_CONNECT_PROXY_SOURCE_URL,
  TURN_CONNECT_PROXY_SOURCE_ENVIRONMENT,
  TURN_CONNECT_PROXY_SOURCE_SYSTEM,
  TURN_CONNECT_PROXY_SOURCE_PAC,
  TURN_CONNECT_PROXY_SOURCE_AUTO,
} TurnConnectProxySource;

#define TURN_CONNECT_TYPE_TARGET (turn_connect_target_get_type ())

/**
 * TurnConnectTarget:
 *
 * Whom to reach and by which way. Made once, dialled as often as wanted; a dial uses what is set
 * when it begins. Everything is checked when it is set, so that nothing wrong is ever sent.
 */
TURN_CONNECT_API
G_DECLARE_FINAL_TYPE (TurnConnectTarget, turn_connect_target, TURN_CONNECT, TARGET, GObject)

/**
 * turn_connect_target_new:
 * @host: the server: a name (IDNA is applied) or an IPv4 or IPv6 address, brackets allowed
 * @port: its port, 1 to 65535
 * @error: %TURN_CONNECT_ERROR_INVALID
 *
 * Makes a target that is reached directly and without TLS.
 *
 * Returns: (transfer full): a target, or %NULL
 */
TURN_CONNECT_API TurnConnectTarget *
turn_connect_target_new (const char *host, guint port, GError **error);

/**
 * turn_connect_target_get_host:
 * @target: a target
 *
 * Returns: (transfer none): the server as it was given, in the one form that all names have
 */
TURN_CONNECT_API const char *turn_connect_target_get_host (TurnConnectTarget *target);

/**
 * turn_connect_target_get_port:
 * @target: a target
 *
 * Returns: its port
 */
TURN_CONNECT_API guint16 turn_connect_target_get_port (TurnConnectTarget *target);

/**
 * turn_connect_target_set_interface:
 * @target: a target
 * @name: (nullable): network interface by which alone sockets go out (SO_BINDTODEVICE), which takes no
 * rights since Linux 5.7; %NULL for any. Names are looked up as ever
 */
TURN_CONNECT_API void turn_connect_target_set_interface (TurnConnectTarget *target,
                                                         const char *name);

/**
 * turn_connect_target_set_timeout:
 * @target: a target
 * @timeout_ms: for a whole dial, 1 ms or more; 30 s if never set
 *
 * Limits how long a dial takes. Answers of a proxy and TLS handshakes are limited to 10 s each
 * within it.
 */
TURN_CONNECT_API void turn_connect_target_set_timeout (TurnConnectTarget *target, guint timeout_ms);

/**
 * turn_connect_target_set_tls:
 * @target: a target
 * @options: (nullable): how TLS is spoken with the server, whom it trusts; %NULL for no TLS
 *
 * Makes the stream a TLS stream, through the proxy where there is one. It never falls back to
 * plain.
 */
TURN_CONNECT_API void turn_connect_target_set_tls (TurnConnectTarget *target,
                                                   TurnConnectTlsOptions *options);

/**
 * turn_connect_target_set_proxy:
 * @target: a target
 * @url: (nullable): `http://[user:password@]host[:port]`, ports default to 80 and 443; %NULL for
 * none
 * @error: %TURN_CONNECT_ERROR_INVALID, %TURN_CONNECT_ERROR_UNSUPPORTED; never quotes @url
 *
 * Sets the proxy to go through. From then on nothing but this proxy is connected to, and the
 * server's name is looked up by the proxy alone. On failure the proxy is what it was before.
 *
 * Returns: %FALSE on error
 */
TURN_CONNECT_API gboolean turn_connect_target_set_proxy (TurnConnectTarget *target,
                                                         const char *url,
                                                         GError **error);

/**
 * turn_connect_target_set_proxy_source:
 * @target: a target
 * @source: where it is said which proxy is to be used
 * @url: (nullable): the proxy, or the place of the configuration file (http, https or file); %NULL
 * for the other sources
 * @error: %TURN_CONNECT_ERROR_INVALID, %TURN_CONNECT_ERROR_UNSUPPORTED; never quotes @url
 *
 * Sets the proxy, or who is asked for it at every dial. On failure it is what it was before.
 *
 * Returns: %FALSE on error
 */
TURN_CONNECT_API gboolean turn_connect_target_set_proxy_source (TurnConnectTarget *target,
                                                                TurnConnectProxySource source,
                                                                const char *url,
                                                                GError **error);

/**
 * turn_connect_target_choose_proxy:
 * @target: a target
 * @words: "none", "env", "system", "auto", "pac+URL" or the URL of a proxy, as options and
 * configuration files have it
 * @error: %TURN_CONNECT_ERROR_INVALID, %TURN_CONNECT_ERROR_UNSUPPORTED; never quotes @words
 *
 * Sets source or proxy from one text. A proxy whose name is one of these words needs its port.
 *
 * Returns: %FALSE on error
 */
TURN_CONNECT_API gboolean turn_connect_target_choose_proxy (TurnConnectTarget *target,
                                                            const char *words,
                                                            GError **error);

/**
 * turn_connect_target_set_proxy_credentials:
 * @target: a target whose proxy, or the source for it, is set
 * @user: (nullable): without control characters and colons; %NULL for none
 * @password: (nullable): without control characters
 * @error: %TURN_CONNECT_ERROR_INVALID
 *
 * Sets who is asking, in place of what the URL said; with the other sources, for every proxy found
 * whose URL says nothing.
 *
 * Returns: %FALSE on error
 */
TURN_CONNECT_API gboolean turn_connect_target_set_proxy_credentials (TurnConnectTarget *target,
                                                                     const char *user,
                                                                     const char *password,
                                                                     GError **error);

/**
 * turn_connect_target_set_proxy_tls:
 * @target: a target
 * @options: (nullable): how TLS is spoken with a proxy of the https:// kind; %NULL for the defaults
 *
 * Says whom to trust as the proxy; the issuers count for an https:// place of a configuration file
 * too, but nothing else of the options does. The proxy's TLS hides host, port and credentials from the
 * network before it; what runs inside the tunnel needs its own TLS still.
 */
TURN_CONNECT_API void turn_connect_target_set_proxy_tls (TurnConnectTarget *target,
                                                         TurnConnectTlsOptions *options);

/**
 * turn_connect_target_set_proxy_schemes:
 * @target: a target
 * @allowed: the schemes that may be used. If never set: %TURN_CONNECT_PROXY_ANY, but without
 * %TURN_CONNECT_PROXY_BASIC for a proxy of the http:// kind that the system or a configuration file
 * names
 * @sends_first: send Basic credentials, where allowed, before the proxy asks: saves a round trip
 *
 * Says how the credentials may travel.
 */
TURN_CONNECT_API void turn_connect_target_set_proxy_schemes (TurnConnectTarget *target,
                                                             TurnConnectProxySchemes allowed,
                                                             gboolean sends_first);

/**
 * turn_connect_target_add_header:
 * @target: a target
 * @line: "Name: value", as %TURN_CONNECT_IMS_MARKER
 * @error: %TURN_CONNECT_ERROR_INVALID for line breaks and other control characters, for names that
 *   belong to the request itself, and for more than 32 lines
 *
 * Adds a line to every CONNECT.
 *
 * Returns: %FALSE on error
 */
TURN_CONNECT_API gboolean turn_connect_target_add_header (TurnConnectTarget *target,
                                                          const char *line,
                                                          GError **error);

/**
 * turn_connect_target_add_alpn_header:
 * @target: a target
 * @protocols: (array zero-terminated=1): what will be spoken inside, as "tep/1"
 * @error: %TURN_CONNECT_ERROR_INVALID
 *
 * Tells the proxy by the ALPN header of RFC 7639 what the tunnel is for.
 *
 * Returns: %FALSE on error
 */
TURN_CONNECT_API gboolean turn_connect_target_add_alpn_header (TurnConnectTarget *target,
                                                               const char *const *protocols,
                                                               GError **error);

/**
 * turn_connect_target_set_marks_server:
 * @target: a target
 * @marks_server: %TRUE to send CONNECT even where no proxy is set
 *
 * Makes the markers visible to firewalls that only look on: without a proxy, CONNECT goes to the
 * server itself, which has to understand it (TR 33.830 clause 4.8.2; TEP-S does).
 */
TURN_CONNECT_API void turn_connect_target_set_marks_server (TurnConnectTarget *target,
                                                            gboolean marks_server);

G_END_DECLS
