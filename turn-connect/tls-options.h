/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/version.h"

#include <glib-object.h>

G_BEGIN_DECLS

#define TURN_CONNECT_TYPE_TLS_OPTIONS (turn_connect_tls_options_get_type ())

/**
 * TurnConnectTlsOptions:
 *
 * How TLS is spoken and whom it trusts: TLS 1.2 or later, the chain verified against the system's
 * authorities and the name against the certificate's subject alternative names, always. Options are
 * set before the first dial that uses them; one object serves any number of dials on one thread.
 *
 * It also keeps up to 64 sessions, so that reaching a server again takes less time. A session is
 * resumed only with the same host, port, name, proxy and user of the proxy, by the same object with
 * the same settings, within a day of the verification it rests on and before any certificate seen
 * then expires; a ticket of TLS 1.3 is used once. Whoever must not be recognised as the one who
 * came before uses another object.
 */
TURN_CONNECT_API
G_DECLARE_FINAL_TYPE (
    TurnConnectTlsOptions, turn_connect_tls_options, TURN_CONNECT, TLS_OPTIONS, GObject)

/**
 * turn_connect_tls_options_new:
 *
 * Returns: (transfer full): options that trust the system's authorities and offer no ALPN
 */
TURN_CONNECT_API TurnConnectTlsOptions *turn_connect_tls_options_new (void);

/**
 * turn_connect_tls_options_set_server_name:
 * @options: the options
 * @name: (nullable): the name or address the certificate must be for and that SNI says; %NULL for
 *   the host of the target
 * @error: %TURN_CONNECT_ERROR_INVALID
 *
 * Checks for another name than the one connected to. A redirection that names a domain
 * (ALTERNATE-DOMAIN) is checked for that domain.
 *
 * Returns: %FALSE on error
 */
TURN_CONNECT_API gboolean turn_connect_tls_options_set_server_name (TurnConnectTlsOptions *options,
                                                                    const char *name,
                                                                    GError **error);

/**
 * turn_connect_tls_options_set_ca_file:
 * @options: the options
 * @path: a PEM file with the certificates to trust, read at once
 * @error: %TURN_CONNECT_ERROR_INVALID if it cannot be read
 *
 * Trusts these certificates in place of the system's authorities. A server's own certificate may
 * stand there too.
 *
 * Returns: %FALSE on error; nothing is trusted then
 */
TURN_CONNECT_API gboolean turn_connect_tls_options_set_ca_file (TurnConnectTlsOptions *options,
                                                                const char *path,
                                                                GError **error);

/**
 * turn_connect_tls_options_set_certificate:
 * @options: the options
 * @certificate_path: a PEM file with the client's certificate and what leads up from it
 * @key_path: a PEM file with its key, not encrypted
 * @error: %TURN_CONNECT_ERROR_INVALID
 *
 * Says who the client is to servers that ask for a certificate.
 *
 * Returns: %FALSE on error
 */
TURN_CONNECT_API gboolean turn_connect_tls_options_set_certificate (TurnConnectTlsOptions *options,
                                                                    const char *certificate_path,
                                                                    const char *key_path,
                                                                    GError **error);

/**
 * turn_connect_tls_options_set_alpn:
 * @options: the options
 * @protocols: (array zero-terminated=1): as "tep/1" or "stun.turn", best first; empty for no ALPN
 * @error: %TURN_CONNECT_ERROR_INVALID
 *
 * Offers protocols. A server may choose none; see #TurnConnectTlsInfo.
 *
 * Returns: %FALSE on error
 */
TURN_CONNECT_API gboolean turn_connect_tls_options_set_alpn (TurnConnectTlsOptions *options,
                                                             const char *const *protocols,
                                                             GError **error);

/**
 * turn_connect_tls_options_add_pin:
 * @options: the options
 * @pin: SHA-256 of the server's SubjectPublicKeyInfo: 64 hexadecimal digits (colons allowed), or
 *   base64 with or without "sha256//" before it
 * @error: %TURN_CONNECT_ERROR_INVALID
 *
 * Demands that the server's key is this one or another one pinned, on top of all other checks.
 *
 * Returns: %FALSE on error
 */
TURN_CONNECT_API gboolean turn_connect_tls_options_add_pin (TurnConnectTlsOptions *options,
                                                            const char *pin,
                                                            GError **error);

/**
 * turn_connect_tls_options_set_pins_only:
 * @options: the options
 * @pins_only: %TRUE to let a pinned key stand for chain, name and dates
 *
 * For servers with certificates of their own making. Without a pin, dials then fail.
 */
TURN_CONNECT_API void turn_connect_tls_options_set_pins_only (TurnConnectTlsOptions *options,
                                                              gboolean pins_only);

/**
 * turn_connect_tls_options_set_null_encryption:
 * @options: the options
 * @suite: (nullable): a cipher suite without encryption by its IANA or OpenSSL name, as
 *   "TLS_RSA_WITH_NULL_SHA256" or "NULL-SHA256"; %NULL to encrypt
 * @error: %TURN_CONNECT_ERROR_INVALID for any other name, %TURN_CONNECT_ERROR_UNSUPPORTED if
 *   OpenSSL was built without the suite
 *
 * Offers this suite and nothing else, by TLS 1.2: both ends are verified and every change is
 * noticed, but everybody on the way can read everything. That is what clause 8.3 of TR 33.830 asks
 * for where confidentiality is not needed and firewalls want to look inside. Never done unless
 * asked for by this call; turn_connect_tls_info_get_warning() says so of every connection, and each
 * logs it. On failure there is encryption.
 *
 * Returns: %FALSE on error
 */
TURN_CONNECT_API gboolean turn_connect_tls_options_set_null_encryption (
    TurnConnectTlsOptions *options, const char *suite, GError **error);

G_END_DECLS
