/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stun-ext/crypto.h"
#include "turn-connect/error.h"
#include "turn-connect/target.h"

#include <gio/gio.h>

G_BEGIN_DECLS

#define TURN_CONNECT_BRIDGE_SERVERS_MAX 250         /* servers of one bridge */
#define TURN_CONNECT_BRIDGE_LISTENERS_MAX 16        /* listeners of one bridge */
#define TURN_CONNECT_BRIDGE_SPARES_MAX 16           /* streams opened ahead, per server */
#define TURN_CONNECT_BRIDGE_LITERAL_PORT 3478       /* goes with the literals; never connected to */
#define TURN_CONNECT_BRIDGE_BUDGET_MS 1800          /* libnice gives a gathering up at 2.0 s */
#define TURN_CONNECT_BRIDGE_LATE_MEDIA_OCTETS 32768 /* 130 ms at 2 Mb/s */

/**
 * TurnConnectBridgeFlags:
 * @TURN_CONNECT_BRIDGE_NONE: nothing out of the ordinary
 * @TURN_CONNECT_BRIDGE_ALLOW_PLAIN: the way to the server may be without TLS: whoever listens
 *   between here and the server reads TURN, and can change it
 *
 * What is allowed with a server.
 */
typedef enum {
  TURN_CONNECT_BRIDGE_NONE = 0,
  TURN_CONNECT_BRIDGE_ALLOW_PLAIN = 1 << 0,
} TurnConnectBridgeFlags;

/**
 * TurnConnectBridgeCounts:
 * @n_streams: streams open on loopback now
 * @n_up: of these, those that are joined to a server now
 * @n_spares: streams opened ahead that nobody uses yet
 * @n_accepted: streams ever accepted on loopback
 * @n_refused: of these, those that were somebody else's: wrong token, another user's process
 * @n_dialled: ways to a server ever begun
 * @n_failed: failures ever reported by #TurnConnectBridge::failed
 * @n_answered: requests answered here with 400, as there was no server to answer them
 * @n_redirected: redirections (300) followed
 * @n_keepalives: Binding requests sent to servers to keep the way open
 * @n_to_server: STUN messages and ChannelData passed on to servers
 * @n_to_client: the same from servers
 * @n_dropped_to_server: media dropped because it would have been late
 * @n_dropped_to_client: the same from servers
 *
 * What a bridge has done.
 */
typedef struct {
  guint64 n_streams;
  guint64 n_up;
  guint64 n_spares;
  guint64 n_accepted;
  guint64 n_refused;
  guint64 n_dialled;
  guint64 n_failed;
  guint64 n_answered;
  guint64 n_redirected;
  guint64 n_keepalives;
  guint64 n_to_server;
  guint64 n_to_client;
  guint64 n_dropped_to_server;
  guint64 n_dropped_to_client;
} TurnConnectBridgeCounts;

#define TURN_CONNECT_TYPE_BRIDGE (turn_connect_bridge_get_type ())

/**
 * TurnConnectBridge:
 *
 * Carries the TURN traffic of a client that knows only plain TCP on loopback to TURN servers that
 * are reached through proxies and verified TLS.
 *
 * A client comes in by one of two ways, on any listener:
 *
 * - it takes the bridge for its HTTP proxy, and the bridge's literal (a documentation address that
 *   nobody ever connects to) for its TURN server. It logs in as
 *   turn_connect_bridge_get_user() with turn_connect_bridge_get_password(), by Basic;
 * - it takes the listener for its TURN server. There is no password then; what protects the bridge
 *   is that the process at the other end must be run by an allowed user, as the kernel tells.
 *
 * A client is never hung up on because of what happens towards the server: CONNECT is answered 200
 * at once, and every request that cannot be served is answered with an unsigned STUN 400, whose
 * reason phrase says the cause; #TurnConnectBridge::failed says the same to the application.
 *
 * Unless it was told otherwise, the bridge has no credentials for TURN: those are the client's, and
 * pass. So an allocation cannot survive the loss of its stream; the client has to allocate again,
 * on a new stream or, after the 400, on the same one.
 *
 * With turn_connect_bridge_set_turn_credentials() or turn_connect_bridge_set_turn_secret() the
 * bridge logs in itself, and stands back to back: towards its clients it is a TURN server (RFC 5766
 * with the long-term credential of RFC 5389, over TCP) for which
 * turn_connect_bridge_get_user() and turn_connect_bridge_get_password() are the credentials;
 * towards the real server it is a #TurnConnectClient. The real credentials never come near the
 * client, they may be renewed while it talks, and are used as RFC 8489 has it wherever the server
 * can; a stream to the server that is lost is made again, and as long as the relayed address stays
 * (RFC 8016), the client notices nothing. Where it does not, requests are answered with the cause.
 *
 * Redirections (300) are followed here, within the same proxy and with the same demands on the
 * certificate. A Binding request of the bridge's own keeps the way open when the client is silent.
 * Media that cannot be sent at once is dropped, STUN messages never.
 *
 * All of it happens in the thread-default main context of the thread that made the bridge, and only
 * from there may it be used.
 *
 * Signals:
 *
 * - `connected (guint server)`: a way to the server is up
 * - `failed (guint server, GError *error)`: a way to the server could not be made, or was lost, or
 *   the server refused an allocation. turn_connect_error_get_step() tells where. Server 0: a
 *   stream on loopback was refused, told once a second at most
 */
TURN_CONNECT_API
G_DECLARE_FINAL_TYPE (TurnConnectBridge, turn_connect_bridge, TURN_CONNECT, BRIDGE, GObject)

/**
 * turn_connect_bridge_new:
 *
 * Makes a bridge without servers and listeners, with a user and a password that were drawn at
 * random. One bridge serves one client or many that trust each other.
 *
 * Returns: (transfer full): a bridge
 */
TURN_CONNECT_API TurnConnectBridge *turn_connect_bridge_new (void);

/**
 * turn_connect_bridge_add_server:
 * @bridge: a bridge
 * @target: the TURN server and the way to it; not to be changed from now on. With TLS, offer
 *   `stun.turn` by turn_connect_tls_options_set_alpn()
 * @flags: what is allowed
 * @error: %TURN_CONNECT_ERROR_INVALID if @target has no TLS and that was not allowed, or if there
 *   are %TURN_CONNECT_BRIDGE_SERVERS_MAX servers
 *
 * Adds a server.
 *
 * Returns: the server's number, from 1; 0 on error
 */
TURN_CONNECT_API guint turn_connect_bridge_add_server (TurnConnectBridge *bridge,
                                                       TurnConnectTarget *target,
                                                       TurnConnectBridgeFlags flags,
                                                       GError **error);

/**
 * turn_connect_bridge_get_literal:
 * @bridge: a bridge
 * @server: a server's number
 * @family: %G_SOCKET_FAMILY_IPV4 or %G_SOCKET_FAMILY_IPV6
 *
 * Tells which address a client of the proxy kind has to be given for the server, with the port
 * %TURN_CONNECT_BRIDGE_LITERAL_PORT: one of RFC 5737 or RFC 3849, which exists nowhere. It is the
 * family of the client's own addresses that counts. CONNECT to the server's own name or address
 * and port works as well, but many clients look names up themselves.
 *
 * Returns: (transfer none) (nullable): the address as text; %NULL for no such server or family
 */
TURN_CONNECT_API const char *
turn_connect_bridge_get_literal (TurnConnectBridge *bridge, guint server, GSocketFamily family);

/**
 * turn_connect_bridge_listen:
 * @bridge: a bridge
 * @address: (nullable): an address of this machine's loopback: "127.0.0.1" and its kind, or "::1";
 *   %NULL for "127.0.0.1"
 * @port: the port, or 0 for one that is free
 * @server: to which server streams go that begin with STUN; 0 to take clients of the proxy kind
 *   only
 * @bound_port: (out) (optional): the port
 * @error: %TURN_CONNECT_ERROR_INVALID for an address that is not loopback, an unknown server or too
 *   many listeners; what the system said otherwise
 *
 * Begins to accept streams.
 *
 * Returns: %FALSE on error
 */
TURN_CONNECT_API gboolean turn_connect_bridge_listen (TurnConnectBridge *bridge,
                                                      const char *address,
                                                      guint port,
                                                      guint server,
                                                      guint16 *bound_port,
                                                      GError **error);

/**
 * turn_connect_bridge_set_credentials:
 * @bridge: a bridge
 * @user: (nullable): what CONNECT has to say by Basic, without colon; %NULL to go by the process's
 *   user instead, as for streams that begin with STUN
 * @password: (nullable): likewise; not %NULL where @user is not
 * @error: %TURN_CONNECT_ERROR_INVALID
 *
 * Sets what clients of the proxy kind log in with, in place of what was drawn. Clients of a server
 * whose credentials the bridge has need some: %NULL is an error then.
 *
 * Returns: %FALSE on error
 */
TURN_CONNECT_API gboolean turn_connect_bridge_set_credentials (TurnConnectBridge *bridge,
                                                               const char *user,
                                                               const char *password,
                                                               GError **error);

/**
 * turn_connect_bridge_get_user:
 * @bridge: a bridge
 *
 * Returns: (transfer none) (nullable): with what name clients of the proxy kind log in
 */
TURN_CONNECT_API const char *turn_connect_bridge_get_user (TurnConnectBridge *bridge);

/**
 * turn_connect_bridge_get_password:
 * @bridge: a bridge
 *
 * Returns: (transfer none) (nullable): with what password; a secret on this machine
 */
TURN_CONNECT_API const char *turn_connect_bridge_get_password (TurnConnectBridge *bridge);

/**
 * turn_connect_bridge_set_turn_credentials:
 * @bridge: a bridge
 * @server: a server's number
 * @user: user name for TURN, without control characters, at most 509 octets
 * @password: password for TURN
 * @error: %TURN_CONNECT_ERROR_INVALID, also where clients have no local credentials; everything is
 *   as before then
 *
 * Has the bridge log in at the server itself, with a long-term credential or a time-limited one of
 * a REST service. Clients of this server that come from now on log in with
 * turn_connect_bridge_get_user() and turn_connect_bridge_get_password(), by TURN, whether they take
 * the bridge for their proxy or for their server. For those that are there already, the credentials
 * are replaced; do so before time-limited ones end.
 *
 * Returns: %FALSE on error
 */
TURN_CONNECT_API gboolean turn_connect_bridge_set_turn_credentials (TurnConnectBridge *bridge,
                                                                    guint server,
                                                                    const char *user,
                                                                    const char *password,
                                                                    GError **error);

/**
 * turn_connect_bridge_set_turn_secret:
 * @bridge: a bridge
 * @server: a server's number
 * @secret: (array length=length): what the server shares with those who issue credentials
 * @length: octets in @secret, 1 or more
 * @user: (nullable): user part of the names; %NULL for "tepkit"
 * @lifetime_s: seconds for which each credential is valid, 60 or more; 86400 is usual
 * @hash: %STUN_EXT_HASH_SHA1, which most servers use, or %STUN_EXT_HASH_SHA256
 * @error: %TURN_CONNECT_ERROR_INVALID, as for turn_connect_bridge_set_turn_credentials()
 *
 * The same with time-limited credentials that the bridge issues itself and renews when half of
 * their time has passed.
 *
 * Returns: %FALSE on error
 */
TURN_CONNECT_API gboolean turn_connect_bridge_set_turn_secret (TurnConnectBridge *bridge,
                                                               guint server,
                                                               const void *secret,
                                                               gsize length,
                                                               const char *user,
                                                               guint lifetime_s,
                                                               StunExtHash hash,
                                                               GError **error);

/**
 * turn_connect_bridge_allow_uid:
 * @bridge: a bridge
 * @uid: a user of this machine
 *
 * Allows streams without password from another user's processes, besides those of the user this
 * process runs as. Up to 8; more are ignored.
 */
TURN_CONNECT_API void turn_connect_bridge_allow_uid (TurnConnectBridge *bridge, guint uid);

/**
 * turn_connect_bridge_set_budget:
 * @bridge: a bridge
 * @budget_ms: how long a request waits for the way to its server, 1 ms or more;
 *   %TURN_CONNECT_BRIDGE_BUDGET_MS if never set
 *
 * Limits how long a client is left without an answer. Clients give up by themselves, and then the
 * cause is lost; so the bridge answers a little earlier than that. The way is still being made
 * meanwhile, and serves the next request.
 */
TURN_CONNECT_API void turn_connect_bridge_set_budget (TurnConnectBridge *bridge, guint budget_ms);

/**
 * turn_connect_bridge_set_late_media:
 * @bridge: a bridge
 * @octets: how much may wait unsent in the kernel before media is dropped;
 *   %TURN_CONNECT_BRIDGE_LATE_MEDIA_OCTETS if never set
 *
 * Bounds the delay that a slow way adds: @octets divided by its rate. Concerns streams opened from
 * then on.
 */
TURN_CONNECT_API void turn_connect_bridge_set_late_media (TurnConnectBridge *bridge, guint octets);

/**
 * turn_connect_bridge_prepare_async:
 * @bridge: a bridge
 * @server: a server's number
 * @n_streams: how many streams will be wanted at once, 1 to %TURN_CONNECT_BRIDGE_SPARES_MAX: one
 *   per component and local address of the same family
 * @cancellable: (nullable): ends the waiting
 * @callback: (scope async) (closure user_data): called once, when so many are there or one failed
 * @user_data: for @callback
 *
 * Opens ways to the server ahead, so that clients need not wait for proxies and TLS: a slow proxy
 * then takes none of a gathering's 2 s. Spares that nobody took are kept open for 60 s.
 */
TURN_CONNECT_API void turn_connect_bridge_prepare_async (TurnConnectBridge *bridge,
                                                         guint server,
                                                         guint n_streams,
                                                         GCancellable *cancellable,
                                                         GAsyncReadyCallback callback,
                                                         gpointer user_data);

/**
 * turn_connect_bridge_prepare_finish:
 * @bridge: a bridge
 * @result: as given to the callback
 * @error: #TurnConnectError, or %G_IO_ERROR_CANCELLED
 *
 * Returns: %FALSE if the server cannot be reached that way
 */
TURN_CONNECT_API gboolean turn_connect_bridge_prepare_finish (TurnConnectBridge *bridge,
                                                              GAsyncResult *result,
                                                              GError **error);

/**
 * turn_connect_bridge_dup_cause:
 * @bridge: a bridge
 * @server: a server's number; 0 for refusals on loopback
 *
 * Returns: (transfer full) (nullable): what failed last with the server; %NULL if nothing did since
 *   the server was last reached
 */
TURN_CONNECT_API GError *turn_connect_bridge_dup_cause (TurnConnectBridge *bridge, guint server);

/**
 * turn_connect_bridge_get_counts:
 * @bridge: a bridge
 * @counts: (out caller-allocates): what it has done so far
 */
TURN_CONNECT_API void turn_connect_bridge_get_counts (TurnConnectBridge *bridge,
                                                      TurnConnectBridgeCounts *counts);

/**
 * turn_connect_bridge_close:
 * @bridge: a bridge
 *
 * Ends all streams, listeners and dials. May be repeated; dropping the last reference does it too.
 * No signal comes afterwards.
 */
TURN_CONNECT_API void turn_connect_bridge_close (TurnConnectBridge *bridge);

G_END_DECLS
