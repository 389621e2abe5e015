/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tep-c/version.h"

#include <glib.h>

G_BEGIN_DECLS

/**
 * TepClientMechanism:
 * @TEP_CLIENT_MECHANISM_LONG_TERM: RFC 8489 section 9.2; one round trip more on first contact
 * @TEP_CLIENT_MECHANISM_SHORT_TERM: RFC 8489 section 9.1
 */
typedef enum {
  TEP_CLIENT_MECHANISM_LONG_TERM,
  TEP_CLIENT_MECHANISM_SHORT_TERM,
} TepClientMechanism;

/**
 * TepClientOptions:
 * @host: name or address of TEP-S, as the user's configuration trusts it: the only place the
 * credential goes to. With a proxy, the proxy resolves it
 * @port: TCP port, 80 or 443 as a rule
 * @is_tls: TLS with verified chain and name
 * @ca_file: (nullable): PEM file of trusted issuers instead of the system's
 * @pin_sha256: (nullable): hex SHA-256 of the server's public key that must match besides
 * @server_name: (nullable): name to verify instead of @host (an SDP's server-name that is trusted)
 * @interface: (nullable): network interface by which alone it goes out
 * @proxy: (nullable): `http://[user:password@]host[:port]` or who names the proxy, as
 * turn_connect_target_choose_proxy() has it; never direct unless what was asked says so
 * @proxy_user: (nullable): instead of the one in @proxy
 * @proxy_password: (nullable)
 * @connect_headers: (nullable) (array zero-terminated=1): further "Name: value" lines on CONNECT,
 * such as an IMS marker (TR 33.830 clause 4.8.4)
 * @sends_alpn_header: RFC 7639 `ALPN` on CONNECT
 * @mechanism: how @user and @password are proved
 * @user: user name, 1 to 508 octets
 * @password: the secret; at least 16 octets on plain TCP (PROTOCOL section 6)
 * @stays: the tunnel outlives its last flow
 * @binds_channel: binds the TLS exporter (RFC 9266) into the opening, so that a TLS-opening proxy
 * is seen
 * @attempt_timeout_s: seconds one attempt to connect and open may take, 1 to 60
 * @gives_up_after_s: seconds without a tunnel after which the session closes with the last cause; 0
 * for never
 */
typedef struct {
  char *host;
  guint16 port;
  gboolean is_tls;
  char *ca_file;
  char *pin_sha256;
  char *server_name;
  char *interface;
  char *proxy;
  char *proxy_user;
  char *proxy_password;
  char **connect_headers;
  gboolean sends_alpn_header;
  TepClientMechanism mechanism;
  char *user;
  char *password;
  gboolean stays;
  gboolean binds_channel;
  guint attempt_timeout_s;
  guint gives_up_after_s;
} TepClientOptions;

/**
 * tep_client_options_new:
 *
 * Returns: (transfer full): options with the defaults, nothing else set
 */
TEP_CLIENT_API TepClientOptions *tep_client_options_new (void);

/**
 * tep_client_options_copy:
 * @options: what is to be copied
 *
 * Returns: (transfer full): a copy, secrets included
 */
TEP_CLIENT_API TepClientOptions *tep_client_options_copy (const TepClientOptions *options);

/**
 * tep_client_options_free:
 * @options: (transfer full): options
 *
 * Wipes the secrets before it frees them.
 */
TEP_CLIENT_API void tep_client_options_free (TepClientOptions *options);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TepClientOptions, tep_client_options_free)

/**
 * tep_client_options_check:
 * @options: what is to be checked
 * @error: return location
 *
 * Says what is missing or unsafe before anything is sent.
 *
 * Returns: %FALSE with #TepClientError set: %TEP_CLIENT_ERROR_INSECURE for a secret that a
 * listener could search for
 */
TEP_CLIENT_API gboolean tep_client_options_check (const TepClientOptions *options, GError **error);

G_END_DECLS
