/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/version.h"

#include <glib.h>

G_BEGIN_DECLS

/**
 * TurnConnectStep:
 * @TURN_CONNECT_STEP_NONE: nothing was begun
 * @TURN_CONNECT_STEP_FIND_PROXY: the source of proxies is being asked
 * @TURN_CONNECT_STEP_RESOLVE: a name is being looked up
 * @TURN_CONNECT_STEP_CONNECT: TCP connections are being tried
 * @TURN_CONNECT_STEP_PROXY_TLS: TLS with the proxy itself
 * @TURN_CONNECT_STEP_PROXY: the CONNECT request was sent, its answer is awaited
 * @TURN_CONNECT_STEP_TLS: TLS with the server
 * @TURN_CONNECT_STEP_READY: the stream is up
 * @TURN_CONNECT_STEP_ALLOCATE: a TURN server is asked for an allocation
 * @TURN_CONNECT_STEP_PERMISSION: it is asked to let a peer through
 * @TURN_CONNECT_STEP_CHANNEL: it is asked for a channel to a peer
 * @TURN_CONNECT_STEP_REFRESH: it is asked to keep the allocation
 * @TURN_CONNECT_STEP_PEER: it is asked for a TCP connection with a peer
 *
 * How far a dial has come, in the order in which the steps happen, and after it what is asked of a
 * TURN server.
 */
typedef enum {
  TURN_CONNECT_STEP_NONE,
  TURN_CONNECT_STEP_FIND_PROXY,
  TURN_CONNECT_STEP_RESOLVE,
  TURN_CONNECT_STEP_CONNECT,
  TURN_CONNECT_STEP_PROXY_TLS,
  TURN_CONNECT_STEP_PROXY,
  TURN_CONNECT_STEP_TLS,
  TURN_CONNECT_STEP_READY,
  TURN_CONNECT_STEP_ALLOCATE,
  TURN_CONNECT_STEP_PERMISSION,
  TURN_CONNECT_STEP_CHANNEL,
  TURN_CONNECT_STEP_REFRESH,
  TURN_CONNECT_STEP_PEER,
} TurnConnectStep;

#define TURN_CONNECT_ERROR (turn_connect_error_quark ())

/**
 * TurnConnectError:
 * @TURN_CONNECT_ERROR_INVALID: what was configured cannot work: mend it
 * @TURN_CONNECT_ERROR_UNSUPPORTED: asked for something this build cannot do: ask for something else
 * @TURN_CONNECT_ERROR_RESOURCES: this process or machine has run out of something: try later
 * @TURN_CONNECT_ERROR_NAME_NOT_FOUND: the name has no address: check its spelling
 * @TURN_CONNECT_ERROR_NAME_FAILED: the name service did not answer: try later
 * @TURN_CONNECT_ERROR_REFUSED: an address refused the connection: another port or way may do
 * @TURN_CONNECT_ERROR_UNREACHABLE: the network has no way to any address: another way may do
 * @TURN_CONNECT_ERROR_TIMED_OUT: silence until the deadline: another way may do, or later
 * @TURN_CONNECT_ERROR_CLOSED: the other side ended the connection: connect again
 * @TURN_CONNECT_ERROR_PROXY_CREDENTIALS_NEEDED: the proxy wants a user and password: supply them
 * @TURN_CONNECT_ERROR_PROXY_CREDENTIALS_WRONG: the proxy did not take those given: correct them
 * @TURN_CONNECT_ERROR_PROXY_SCHEME: the proxy offers no authentication scheme that is allowed here
 * @TURN_CONNECT_ERROR_PROXY_FORBIDDEN: the proxy does not let this target through: another port, or
 *   ask its owner
 * @TURN_CONNECT_ERROR_PROXY_UPSTREAM: the proxy could not reach the server: try later
 * @TURN_CONNECT_ERROR_PROXY_PROTOCOL: what answers as the proxy does not speak HTTP as it must
 * @TURN_CONNECT_ERROR_TLS_FAILED: TLS could not be agreed on: not a TLS server, or too old
 * @TURN_CONNECT_ERROR_TLS_NAME: the certificate is for another name
 * @TURN_CONNECT_ERROR_TLS_EXPIRED: the certificate is past (or before) its time
 * @TURN_CONNECT_ERROR_TLS_UNTRUSTED: nobody trusted signed the certificate
 * @TURN_CONNECT_ERROR_TLS_PIN: the server's key is not the pinned one
 * @TURN_CONNECT_ERROR_TLS_CERTIFICATE: the certificate fails another check
 * @TURN_CONNECT_ERROR_TURN_CREDENTIALS_NEEDED: the TURN server wants a user and password: supply
 *   them
 * @TURN_CONNECT_ERROR_TURN_UNAUTHORIZED: it did not take those given (401): correct them
 * @TURN_CONNECT_ERROR_TURN_WRONG_USER: the allocation belongs to another user (441)
 * @TURN_CONNECT_ERROR_TURN_BID_DOWN: it offers no password algorithm that is allowed here, or
 *   somebody on the way took the better ones out
 * @TURN_CONNECT_ERROR_TURN_FORBIDDEN: it does not do this for this user or peer (403)
 * @TURN_CONNECT_ERROR_TURN_QUOTA: the user has as many allocations as allowed (486): close some, or
 *   try later
 * @TURN_CONNECT_ERROR_TURN_CAPACITY: the server has no address or room left (508): try later
 * @TURN_CONNECT_ERROR_TURN_MISMATCH: the server knows another allocation here, or none (437)
 * @TURN_CONNECT_ERROR_TURN_TRANSPORT: it does not relay this transport (442)
 * @TURN_CONNECT_ERROR_TURN_FAMILY: it has no address of this family (440), or the peer is of
 *   another one (443)
 * @TURN_CONNECT_ERROR_TURN_REDIRECT: it sent us elsewhere (300) in a circle, too often, or without
 *   proof that it was the server
 * @TURN_CONNECT_ERROR_TURN_PEER: the peer could not be connected to (446, 447)
 * @TURN_CONNECT_ERROR_TURN_REFUSED: it refused with another code, see
 *   turn_connect_error_get_turn_code()
 * @TURN_CONNECT_ERROR_TURN_PROTOCOL: what answers does not speak TURN as it must
 *
 * Codes say what can be done next. Messages name the party and the cause and never hold a secret.
 * A cancelled operation fails with %G_IO_ERROR_CANCELLED instead.
 */
typedef enum {
  TURN_CONNECT_ERROR_INVALID,
  TURN_CONNECT_ERROR_UNSUPPORTED,
  TURN_CONNECT_ERROR_RESOURCES,
  TURN_CONNECT_ERROR_NAME_NOT_FOUND,
  TURN_CONNECT_ERROR_NAME_FAILED,
  TURN_CONNECT_ERROR_REFUSED,
  TURN_CONNECT_ERROR_UNREACHABLE,
  TURN_CONNECT_ERROR_TIMED_OUT,
  TURN_CONNECT_ERROR_CLOSED,
  TURN_CONNECT_ERROR_PROXY_CREDENTIALS_NEEDED,
  TURN_CONNECT_ERROR_PROXY_CREDENTIALS_WRONG,
  TURN_CONNECT_ERROR_PROXY_SCHEME,
  TURN_CONNECT_ERROR_PROXY_FORBIDDEN,
  TURN_CONNECT_ERROR_PROXY_UPSTREAM,
  TURN_CONNECT_ERROR_PROXY_PROTOCOL,
  TURN_CONNECT_ERROR_TLS_FAILED,
  TURN_CONNECT_ERROR_TLS_NAME,
  TURN_CONNECT_ERROR_TLS_EXPIRED,
  TURN_CONNECT_ERROR_TLS_UNTRUSTED,
  TURN_CONNECT_ERROR_TLS_PIN,
  TURN_CONNECT_ERROR_TLS_CERTIFICATE,
  TURN_CONNECT_ERROR_TURN_CREDENTIALS_NEEDED,
  TURN_CONNECT_ERROR_TURN_UNAUTHORIZED,
  TURN_CONNECT_ERROR_TURN_WRONG_USER,
  TURN_CONNECT_ERROR_TURN_BID_DOWN,
  TURN_CONNECT_ERROR_TURN_FORBIDDEN,
  TURN_CONNECT_ERROR_TURN_QUOTA,
  TURN_CONNECT_ERROR_TURN_CAPACITY,
  TURN_CONNECT_ERROR_TURN_MISMATCH,
  TURN_CONNECT_ERROR_TURN_TRANSPORT,
  TURN_CONNECT_ERROR_TURN_FAMILY,
  TURN_CONNECT_ERROR_TURN_REDIRECT,
  TURN_CONNECT_ERROR_TURN_PEER,
  TURN_CONNECT_ERROR_TURN_REFUSED,
  TURN_CONNECT_ERROR_TURN_PROTOCOL,
} TurnConnectError;

TURN_CONNECT_API GQuark turn_connect_error_quark (void);

/**
 * turn_connect_error_get_step:
 * @error: an error of this library or another
 *
 * Tells in which step a dial failed. Any thread.
 *
 * Returns: the step; %TURN_CONNECT_STEP_NONE for errors that did not come from a dial
 */
TURN_CONNECT_API TurnConnectStep turn_connect_error_get_step (const GError *error);

/**
 * turn_connect_error_get_http_status:
 * @error: an error of this library or another
 *
 * Tells the status code with which a proxy refused. Any thread.
 *
 * Returns: 100 to 599, or 0 where no proxy answered
 */
TURN_CONNECT_API guint turn_connect_error_get_http_status (const GError *error);

/**
 * turn_connect_error_get_turn_code:
 * @error: an error of this library or another
 *
 * Tells the code with which a TURN server refused. Any thread.
 *
 * Returns: 300 to 699, or 0 where no server refused
 */
TURN_CONNECT_API guint turn_connect_error_get_turn_code (const GError *error);

/**
 * turn_connect_error_may_pass:
 * @error: an error of this library or another
 *
 * Tells whether the same dial may succeed later without anybody changing the configuration, which
 * is when trying again after a pause makes sense. Any thread.
 *
 * Returns: %FALSE where somebody has to correct something first
 */
TURN_CONNECT_API gboolean turn_connect_error_may_pass (const GError *error);

/**
 * turn_connect_step_to_string:
 * @step: a step
 *
 * Names a step for people and scripts. Any thread.
 *
 * Returns: (transfer none): one lower-case word
 */
TURN_CONNECT_API const char *turn_connect_step_to_string (TurnConnectStep step);

G_END_DECLS
