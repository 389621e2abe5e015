/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/address.h"
#include "stun-ext/challenge.h"
#include "stun-ext/crypto.h"
#include "stun-ext/message.h"
#include "stun-ext/protocol.h"
#include "stun-ext/tunnel-key.h"
#include "stun-ext/version.h"

G_BEGIN_DECLS

/* The messages of a tunnel (PROTOCOL.md sections 5 to 8) as plain structs, for both ends. Nothing
 * here allocates or keeps anything, and everything may be called in any thread. Octets and texts in
 * a struct are borrowed: from the message that was read, or from the caller who writes. An optional
 * field that is absent is zero: a span without data, a pointer that is NULL, an address of no
 * family, a number 0. */

/**
 * StunExtTepKind:
 * @STUN_EXT_TEP_OPEN: Binding with TEP-VERSION: opens a tunnel
 * @STUN_EXT_TEP_KEEPALIVE: Binding with ORDINAL
 * @STUN_EXT_TEP_LEASE: asks for a binding
 * @STUN_EXT_TEP_REFRESH: renews or releases bindings
 * @STUN_EXT_TEP_OPEN_FLOW: names a remote
 * @STUN_EXT_TEP_CLOSE_FLOW: ends a flow
 * @STUN_EXT_TEP_JOIN: adds the connection to a tunnel
 * @STUN_EXT_TEP_RESUME: makes the connection the only one of a tunnel
 * @STUN_EXT_TEP_CLOSE: ends the tunnel
 *
 * The requests of a tunnel.
 */
typedef enum {
  STUN_EXT_TEP_OPEN,
  STUN_EXT_TEP_KEEPALIVE,
  STUN_EXT_TEP_LEASE,
  STUN_EXT_TEP_REFRESH,
  STUN_EXT_TEP_OPEN_FLOW,
  STUN_EXT_TEP_CLOSE_FLOW,
  STUN_EXT_TEP_JOIN,
  STUN_EXT_TEP_RESUME,
  STUN_EXT_TEP_CLOSE,
} StunExtTepKind;

/**
 * StunExtTepFlowKind:
 * @STUN_EXT_TEP_FLOW_ANY: the server chooses
 * @STUN_EXT_TEP_FLOW_REFLEXIVE: the address is the device's public one
 * @STUN_EXT_TEP_FLOW_RELAYED: the address is the server's own
 */
typedef enum {
  STUN_EXT_TEP_FLOW_ANY = 0,
  STUN_EXT_TEP_FLOW_REFLEXIVE = 1,
  STUN_EXT_TEP_FLOW_RELAYED = 2,
} StunExtTepFlowKind;

/**
 * StunExtTepPorts:
 * @STUN_EXT_TEP_PORTS_ANY: one port
 * @STUN_EXT_TEP_PORTS_EVEN: one even port
 * @STUN_EXT_TEP_PORTS_PAIR: an even port and the odd one above it
 */
typedef enum {
  STUN_EXT_TEP_PORTS_ANY,
  STUN_EXT_TEP_PORTS_EVEN,
  STUN_EXT_TEP_PORTS_PAIR,
} StunExtTepPorts;

/**
 * StunExtTepOpen:
 * @version: version of the protocol, %STUN_EXT_TEP_VERSION
 * @keep: %TRUE if the tunnel outlives its last flow
 * @server_name: name by which the client's configuration knows the server, 1-255 octets
 * @client_random: (array fixed-size=32): fresh random octets
 * @timestamp_ms: milliseconds since 1970-01-01 UTC
 * @username: (optional): name of the user
 * @userhash: (optional): 32 octets in place of @username
 * @realm: (optional): marks a long-term credential
 * @nonce: (optional): NONCE of the server, of an earlier answer
 * @password_algorithms: (optional): value of PASSWORD-ALGORITHMS as the server sent it
 * @password_algorithm: (optional): the one chosen
 * @channel_binding: (optional) (array fixed-size=32): tls-exporter of this connection
 *
 * Fields of the opening request.
 */
typedef struct {
  guint8 version;
  gboolean keep;
  StunExtSpan server_name;
  const guint8 *client_random;
  guint64 timestamp_ms;
  StunExtSpan username;
  StunExtSpan userhash;
  StunExtSpan realm;
  StunExtSpan nonce;
  StunExtSpan password_algorithms;
  StunExtPasswordAlgorithm password_algorithm;
  const guint8 *channel_binding;
} StunExtTepOpen;

/**
 * StunExtTepLease:
 * @kind: kind of binding wanted
 * @ports: one port, an even one, or a pair
 * @wanted_port: (optional): port wanted
 * @family: (optional): family wanted, 4 or 6; 1 for a family that does not exist, to be answered
 * with 440
 * @lifetime_s: (optional): lifetime wanted, in seconds
 */
typedef struct {
  StunExtTepFlowKind kind;
  StunExtTepPorts ports;
  guint16 wanted_port;
  guint8 family;
  guint32 lifetime_s;
} StunExtTepLease;

/**
 * StunExtTepRefresh:
 * @binding_id: (optional): which binding, otherwise all
 * @lifetime_s: lifetime wanted, in seconds; 0 releases
 */
typedef struct {
  guint32 binding_id;
  guint32 lifetime_s;
} StunExtTepRefresh;

/**
 * StunExtTepOpenFlow:
 * @binding_id: binding of the flow
 * @flow_id: id of the flow, chosen by the client
 * @port_offset: 1 for the odd port of a pair, otherwise 0
 * @has_dscp: %TRUE if @dscp is there
 * @dscp: DSCP wanted, 0-63
 * @remote: the remote address and port
 * @bandwidth_kbps: (optional): bandwidth wanted in each direction, in kbit/s of inner packets
 */
typedef struct {
  guint32 binding_id;
  guint16 flow_id;
  guint8 port_offset;
  gboolean has_dscp;
  guint8 dscp;
  StunExtAddress remote;
  guint32 bandwidth_kbps;
} StunExtTepOpenFlow;

/**
 * StunExtTepCloseFlow:
 * @flow_id: which flow
 */
typedef struct {
  guint16 flow_id;
} StunExtTepCloseFlow;

/**
 * StunExtTepJoin:
 * @version: version of the protocol
 * @tunnel_id: id of the tunnel, 16-32 octets
 * @channel_binding: (optional) (array fixed-size=32): tls-exporter of this connection
 *
 * Fields of Join and of Resume.
 */
typedef struct {
  guint8 version;
  StunExtSpan tunnel_id;
  const guint8 *channel_binding;
} StunExtTepJoin;

/**
 * StunExtTepRequest:
 * @kind: which request; it tells which member below counts
 * @ordinal: number of the request in its tunnel, from 1; 0 for %STUN_EXT_TEP_OPEN
 * @open: with %STUN_EXT_TEP_OPEN
 * @lease: with %STUN_EXT_TEP_LEASE
 * @refresh: with %STUN_EXT_TEP_REFRESH
 * @open_flow: with %STUN_EXT_TEP_OPEN_FLOW
 * @close_flow: with %STUN_EXT_TEP_CLOSE_FLOW
 * @join: with %STUN_EXT_TEP_JOIN and %STUN_EXT_TEP_RESUME
 */
typedef struct {
  StunExtTepKind kind;
  guint32 ordinal;
  union {
    StunExtTepOpen open;
    StunExtTepLease lease;
    StunExtTepRefresh refresh;
    StunExtTepOpenFlow open_flow;
    StunExtTepCloseFlow close_flow;
    StunExtTepJoin join;
  };
} StunExtTepRequest;

/**
 * StunExtTepOpened:
 * @mapped: source of the connection as the server sees it
 * @server_random: (array fixed-size=32): random octets of the server
 * @tunnel_id: id of the tunnel, 16-32 octets
 * @connection_number: number of the connection, 0
 * @largest_packet: octets of the largest inner packet, 576 or more
 * @keepalive_s: seconds of silence after which the client sends a keepalive, 1 or more
 * @silence_s: seconds of silence after which the server frees the tunnel, more than @keepalive_s
 * @realm: (optional): goes with @nonce where credentials are long-term
 * @nonce: (optional): NONCE of the next opening
 * @password_algorithms: (optional): goes with a @nonce that announces it
 */
typedef struct {
  StunExtAddress mapped;
  const guint8 *server_random;
  StunExtSpan tunnel_id;
  guint8 connection_number;
  guint16 largest_packet;
  guint16 keepalive_s;
  guint16 silence_s;
  StunExtSpan realm;
  StunExtSpan nonce;
  StunExtSpan password_algorithms;
} StunExtTepOpened;

/**
 * StunExtTepLeased:
 * @binding_id: id of the binding, from 1
 * @address: the leased address and port, of a pair the even one
 * @kind: reflexive or relayed
 * @is_pair: %TRUE if the odd port above is leased too
 * @lifetime_s: lifetime granted, in seconds
 */
typedef struct {
  guint32 binding_id;
  StunExtAddress address;
  StunExtTepFlowKind kind;
  gboolean is_pair;
  guint32 lifetime_s;
} StunExtTepLeased;

/**
 * StunExtTepFlowOpened:
 * @flow_id: id of the flow
 * @port_offset: as in the request
 * @dscp: DSCP that the server uses, 0-63
 * @bandwidth_kbps: bandwidth granted in each direction, in kbit/s; 0 for no limit
 */
typedef struct {
  guint16 flow_id;
  guint8 port_offset;
  guint8 dscp;
  guint32 bandwidth_kbps;
} StunExtTepFlowOpened;

/**
 * StunExtTepJoined:
 * @mapped: source of the connection as the server sees it
 * @connection_number: number of the connection, 0-15
 */
typedef struct {
  StunExtAddress mapped;
  guint8 connection_number;
} StunExtTepJoined;

/**
 * StunExtTepSuccess:
 * @kind: kind of the request that succeeded; it tells which member below counts
 * @opened: with %STUN_EXT_TEP_OPEN
 * @mapped: with %STUN_EXT_TEP_KEEPALIVE: source of the connection
 * @leased: with %STUN_EXT_TEP_LEASE
 * @lifetime_s: with %STUN_EXT_TEP_REFRESH: lifetime granted, in seconds; 0 if released
 * @flow: with %STUN_EXT_TEP_OPEN_FLOW
 * @joined: with %STUN_EXT_TEP_JOIN and %STUN_EXT_TEP_RESUME
 */
typedef struct {
  StunExtTepKind kind;
  union {
    StunExtTepOpened opened;
    StunExtAddress mapped;
    StunExtTepLeased leased;
    guint32 lifetime_s;
    StunExtTepFlowOpened flow;
    StunExtTepJoined joined;
  };
} StunExtTepSuccess;

/**
 * StunExtTepFailure:
 * @code: 300-699, such as %STUN_EXT_CODE_STALE_NONCE
 * @reason: (optional): phrase for people; when written without, the registered one
 * @realm: (optional): of a challenge
 * @nonce: (optional): of a challenge
 * @password_algorithms: (optional): of a challenge, value of PASSWORD-ALGORITHMS
 * @timestamp_ms: (optional): clock of the server, milliseconds since 1970-01-01 UTC
 * @version: (optional): highest version that the server speaks, if that is the trouble
 * @n_unknown: with 420, number of attributes that were not understood
 * @unknown: with 420, their types
 *
 * Fields of an error answer.
 */
typedef struct {
  guint code;
  StunExtSpan reason;
  StunExtSpan realm;
  StunExtSpan nonce;
  StunExtSpan password_algorithms;
  guint64 timestamp_ms;
  guint8 version;
  guint n_unknown;
  guint16 unknown[STUN_EXT_UNKNOWN_MAX];
} StunExtTepFailure;

/**
 * StunExtTepClosing:
 * @code: why, 300-699
 * @reason: (optional): phrase for people
 * @alternate: (optional): address of another server
 * @alternate_name: (optional): its name, if it differs from this server's
 *
 * Fields of the server's Close indication.
 */
typedef struct {
  guint code;
  StunExtSpan reason;
  StunExtAddress alternate;
  StunExtSpan alternate_name;
} StunExtTepClosing;

/**
 * StunExtTepRead:
 * @STUN_EXT_TEP_READ_OK: the fields are set
 * @STUN_EXT_TEP_READ_PLAIN: a Binding request that is not for a tunnel: answer it as STUN
 * @STUN_EXT_TEP_READ_BAD: a request to be refused with the failure that was set
 * @STUN_EXT_TEP_READ_IGNORED: no request: drop and count
 *
 * What became of a message that a server got.
 */
typedef enum {
  STUN_EXT_TEP_READ_OK,
  STUN_EXT_TEP_READ_PLAIN,
  STUN_EXT_TEP_READ_BAD,
  STUN_EXT_TEP_READ_IGNORED,
} StunExtTepRead;

/**
 * stun_ext_tep_read_request:
 * @message: a parsed message
 * @request: (out): its fields, on %STUN_EXT_TEP_READ_OK; on %STUN_EXT_TEP_READ_BAD its kind, as far
 * as known
 * @failure: (out): on %STUN_EXT_TEP_READ_BAD code 400 or 420 with what belongs to it
 *
 * Reads a request on the server: what must be there, sizes, ranges. Says nothing about who sent it:
 * verify the signature before anything is done with the fields. A message that
 * stun_ext_message_parse() calls malformed is to be refused with 400 without coming here.
 *
 * Returns: what it is
 */
STUN_EXT_API StunExtTepRead stun_ext_tep_read_request (const StunExtMessage *message,
                                                       StunExtTepRequest *request,
                                                       StunExtTepFailure *failure);

/**
 * stun_ext_tep_read_success:
 * @message: a parsed message that answers a request of the caller
 * @kind: kind of that request
 * @success: (out): its fields; undefined on failure
 *
 * Reads a success answer on the client. Verify it first.
 *
 * Returns: %FALSE if it is no success answer to a request of @kind or breaks a rule. An opening that a plain STUN server
 * answered fails like this; stun_ext_tep_is_plain_answer() tells
 */
STUN_EXT_API gboolean stun_ext_tep_read_success (const StunExtMessage *message,
                                                 StunExtTepKind kind,
                                                 StunExtTepSuccess *success);

/**
 * stun_ext_tep_is_plain_answer:
 * @message: a parsed message that answers an opening request
 *
 * Returns: %TRUE for a Binding success without TUNNEL-ID: the server speaks STUN, but is no TEP-S
 */
STUN_EXT_API gboolean stun_ext_tep_is_plain_answer (const StunExtMessage *message);

/**
 * stun_ext_tep_read_failure:
 * @message: a parsed message that answers a request of the caller
 * @failure: (out): its fields; undefined on failure
 *
 * Reads an error answer on the client. What an unsigned one says is a hint of whoever sent it.
 *
 * Returns: %FALSE if it is no error answer or breaks a rule
 */
STUN_EXT_API gboolean stun_ext_tep_read_failure (const StunExtMessage *message,
                                                 StunExtTepFailure *failure);

/**
 * stun_ext_tep_read_closing:
 * @message: a parsed message
 * @closing: (out): its fields; undefined on failure
 *
 * Reads the server's Close indication on the client. Verify it first with the tunnel key.
 *
 * Returns: %FALSE if it is no Close indication or breaks a rule
 */
STUN_EXT_API gboolean stun_ext_tep_read_closing (const StunExtMessage *message,
                                                 StunExtTepClosing *closing);

/**
 * stun_ext_tep_verify:
 * @message: a parsed message
 * @key: credential key, flight key or tunnel key
 *
 * Checks MESSAGE-INTEGRITY-SHA256 in full length, and FINGERPRINT if it is there. Takes the same
 * time for each wrong signature.
 *
 * Returns: %TRUE if the message is signed with @key
 */
STUN_EXT_API gboolean stun_ext_tep_verify (const StunExtMessage *message,
                                           StunExtSpan key) G_GNUC_WARN_UNUSED_RESULT;

/**
 * stun_ext_tep_write_request:
 * @request: what to ask
 * @transaction_id: (array fixed-size=12): 96 random bits
 * @key: key to sign with; empty for an opening without credentials
 * @buffer: (out caller-allocates) (array length=capacity): where the message goes, without the
 * frame's LENGTH
 * @capacity: octets in @buffer; no more than %STUN_EXT_TEP_MESSAGE_MAX are used
 * @length: (out): octets of the message
 *
 * Returns: %FALSE if a field cannot be written, the message does not fit, or the cryptographic
 * library refused
 */
STUN_EXT_API gboolean stun_ext_tep_write_request (const StunExtTepRequest *request,
                                                  const guint8 *transaction_id,
                                                  StunExtSpan key,
                                                  guint8 *buffer,
                                                  gsize capacity,
                                                  gsize *length) G_GNUC_WARN_UNUSED_RESULT;

/**
 * stun_ext_tep_write_flight:
 * @requests: (array length=n_requests): the opening request, then what follows it without waiting
 * @transaction_ids: (array length=n_requests): 12 octets for each
 * @n_requests: how many, 1 or more
 * @credential_key: key of the credential; empty for an opening without credentials, which nothing
 * can follow
 * @buffer: (out caller-allocates) (array length=capacity): where the frames go, each with its
 * LENGTH
 * @capacity: octets in @buffer
 * @length: (out): octets of all frames
 *
 * Writes the first flight of a connection: the opening request under the credential's key, and the
 * others (Lease is allowed) under the flight key.
 *
 * Returns: %FALSE as stun_ext_tep_write_request()
 */
STUN_EXT_API gboolean
stun_ext_tep_write_flight (const StunExtTepRequest *requests,
                           const guint8 (*transaction_ids)[STUN_EXT_TRANSACTION_ID_LENGTH],
                           gsize n_requests,
                           StunExtSpan credential_key,
                           guint8 *buffer,
                           gsize capacity,
                           gsize *length) G_GNUC_WARN_UNUSED_RESULT;

/**
 * stun_ext_tep_write_success:
 * @success: what to answer
 * @request: the request that is answered
 * @key: the key that signed the request
 * @buffer: (out caller-allocates) (array length=capacity): where the message goes, without the
 * frame's LENGTH
 * @capacity: octets in @buffer
 * @length: (out): octets of the message
 *
 * Returns: %FALSE as stun_ext_tep_write_request()
 */
STUN_EXT_API gboolean stun_ext_tep_write_success (const StunExtTepSuccess *success,
                                                  const StunExtMessage *request,
                                                  StunExtSpan key,
                                                  guint8 *buffer,
                                                  gsize capacity,
                                                  gsize *length) G_GNUC_WARN_UNUSED_RESULT;

/**
 * stun_ext_tep_write_failure:
 * @failure: what to answer
 * @request: the request that is answered
 * @key: the key that signed the request; empty if its signature did not verify
 * @buffer: (out caller-allocates) (array length=capacity): where the message goes, without the
 * frame's LENGTH
 * @capacity: octets in @buffer
 * @length: (out): octets of the message
 *
 * Returns: %FALSE as stun_ext_tep_write_request()
 */
STUN_EXT_API gboolean stun_ext_tep_write_failure (const StunExtTepFailure *failure,
                                                  const StunExtMessage *request,
                                                  StunExtSpan key,
                                                  guint8 *buffer,
                                                  gsize capacity,
                                                  gsize *length) G_GNUC_WARN_UNUSED_RESULT;

/**
 * stun_ext_tep_write_closing:
 * @closing: what to say
 * @transaction_id: (array fixed-size=12): 96 random bits
 * @key: the tunnel key
 * @buffer: (out caller-allocates) (array length=capacity): where the message goes, without the
 * frame's LENGTH
 * @capacity: octets in @buffer
 * @length: (out): octets of the message
 *
 * Returns: %FALSE as stun_ext_tep_write_request()
 */
STUN_EXT_API gboolean stun_ext_tep_write_closing (const StunExtTepClosing *closing,
                                                  const guint8 *transaction_id,
                                                  StunExtSpan key,
                                                  guint8 *buffer,
                                                  gsize capacity,
                                                  gsize *length) G_GNUC_WARN_UNUSED_RESULT;

/**
 * stun_ext_tep_secrets:
 * @open: fields of the opening request
 * @opened: (nullable): fields of its answer; %NULL as long as only the flight key is wanted
 * @credential_key: key of the credential
 *
 * Gathers what stun_ext_flight_key() and stun_ext_tunnel_key() need.
 *
 * Returns: the inputs, borrowed from @open, @opened and @credential_key
 */
STUN_EXT_API StunExtTunnelSecrets stun_ext_tep_secrets (const StunExtTepOpen *open,
                                                        const StunExtTepOpened *opened,
                                                        StunExtSpan credential_key);

/**
 * stun_ext_tep_open_log_in:
 * @open: fields of an opening request
 * @challenge: challenge of the server, of this connection or kept from an earlier one. Must outlive
 * @open
 * @username: prepared name. Must outlive @open
 * @userhash: (out caller-allocates): room for USERHASH. Must outlive @open
 *
 * Sets the fields of a long-term credential as the challenge wants them. The key to sign with is
 * that of stun_ext_key_long_term() for `challenge->algorithm`.
 *
 * Returns: %FALSE if the challenge has no realm or the cryptographic library refused
 */
STUN_EXT_API gboolean stun_ext_tep_open_log_in (StunExtTepOpen *open,
                                                const StunExtChallenge *challenge,
                                                StunExtSpan username,
                                                guint8 userhash[STUN_EXT_USERHASH_LENGTH])
    G_GNUC_WARN_UNUSED_RESULT;

/**
 * stun_ext_tep_password_algorithms:
 * @algorithms: what a server accepts
 *
 * Returns: (transfer none): value of PASSWORD-ALGORITHMS, the strongest first; no data for an empty
 * set
 */
STUN_EXT_API StunExtSpan stun_ext_tep_password_algorithms (StunExtAlgorithms algorithms);

/**
 * stun_ext_tep_failure_challenge:
 * @code: 401 or 438
 * @realm: what the server offers; its texts must outlive the result
 * @nonce: a fresh nonce with stun_ext_realm_features(); must outlive the result
 * @now_ms: clock of the server, milliseconds since 1970-01-01 UTC
 *
 * Returns: fields of the answer that asks for a login
 */
STUN_EXT_API StunExtTepFailure stun_ext_tep_failure_challenge (guint code,
                                                               const StunExtRealm *realm,
                                                               const char *nonce,
                                                               guint64 now_ms);

G_END_DECLS
