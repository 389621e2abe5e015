/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tep-c/version.h"

#include <glib.h>

G_BEGIN_DECLS

#define TEP_CLIENT_ERROR (tep_client_error_quark ())
TEP_CLIENT_API GQuark tep_client_error_quark (void);

/**
 * TepClientError:
 * @TEP_CLIENT_ERROR_UNREACHABLE: the server was not reached; the message names the step (name, TCP,
 * proxy, TLS) and its cause. The session tries again
 * @TEP_CLIENT_ERROR_CREDENTIAL: the server refused the credential; ask the user
 * @TEP_CLIENT_ERROR_NOT_A_TEP_SERVER: something else answers there
 * @TEP_CLIENT_ERROR_FORBIDDEN: the server's policy says no; do not repeat
 * @TEP_CLIENT_ERROR_QUOTA: close something, or wait
 * @TEP_CLIENT_ERROR_BUSY: the server has no room now; wait, or take another
 * @TEP_CLIENT_ERROR_GONE: the tunnel, binding or flow no longer exists at the server
 * @TEP_CLIENT_ERROR_FAMILY: lease an address of the other family, relayed if need be
 * @TEP_CLIENT_ERROR_INSECURE: the configuration would show a secret to a listener; use TLS or a
 * longer secret
 * @TEP_CLIENT_ERROR_PROTOCOL: the server broke the protocol, or we did; report it
 * @TEP_CLIENT_ERROR_CLOSED: the session was closed, or the call is over
 * @TEP_CLIENT_ERROR_NO_PATH: neither ICE nor the tunnel reaches the far side; the message says why
 * for each
 */
typedef enum {
  TEP_CLIENT_ERROR_UNREACHABLE,
  TEP_CLIENT_ERROR_CREDENTIAL,
  TEP_CLIENT_ERROR_NOT_A_TEP_SERVER,
  TEP_CLIENT_ERROR_FORBIDDEN,
  TEP_CLIENT_ERROR_QUOTA,
  TEP_CLIENT_ERROR_BUSY,
  TEP_CLIENT_ERROR_GONE,
  TEP_CLIENT_ERROR_FAMILY,
  TEP_CLIENT_ERROR_INSECURE,
  TEP_CLIENT_ERROR_PROTOCOL,
  TEP_CLIENT_ERROR_CLOSED,
  TEP_CLIENT_ERROR_NO_PATH,
} TepClientError;

G_END_DECLS
