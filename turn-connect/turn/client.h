/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stun-ext/address.h"
#include "stun-ext/challenge.h"
#include "stun-ext/crypto.h"
#include "turn-connect/error.h"
#include "turn-connect/stream.h"
#include "turn-connect/target.h"

G_BEGIN_DECLS

#define TURN_CONNECT_RESERVATION_SIZE 8 /* octets of a RESERVATION-TOKEN, RFC 8656 section 18.10 */
#define TURN_CONNECT_PAYLOAD_MAX 65000  /* octets that one packet to a peer may hold */

/**
 * TurnConnectCarrier:
 * @TURN_CONNECT_CARRIER_STREAM: TCP, or TLS if the target has TLS options, through the target's
 * proxy where there is one
 * @TURN_CONNECT_CARRIER_DATAGRAM: UDP, or DTLS if the target has TLS options
 *
 * What lies between client and server.
 */
typedef enum {
  TURN_CONNECT_CARRIER_STREAM,
  TURN_CONNECT_CARRIER_DATAGRAM,
} TurnConnectCarrier;

/**
 * TurnConnectClientState:
 * @TURN_CONNECT_CLIENT_IDLE: not begun
 * @TURN_CONNECT_CLIENT_CONNECTING: a connection to the server is being made
 * @TURN_CONNECT_CLIENT_ALLOCATING: the server is asked for an allocation, or for the old one back
 * @TURN_CONNECT_CLIENT_READY: there is an allocation
 * @TURN_CONNECT_CLIENT_WAITING: the connection or the allocation was lost; the next attempt comes
 * after a jittered back-off
 * @TURN_CONNECT_CLIENT_CLOSING: the allocation is being given back
 * @TURN_CONNECT_CLIENT_CLOSED: over for good
 *
 * What a client is doing.
 */
typedef enum {
  TURN_CONNECT_CLIENT_IDLE,
  TURN_CONNECT_CLIENT_CONNECTING,
  TURN_CONNECT_CLIENT_ALLOCATING,
  TURN_CONNECT_CLIENT_READY,
  TURN_CONNECT_CLIENT_WAITING,
  TURN_CONNECT_CLIENT_CLOSING,
  TURN_CONNECT_CLIENT_CLOSED,
} TurnConnectClientState;

/**
 * TurnConnectRelay:
 * @TURN_CONNECT_RELAY_UDP: peers are reached by UDP (RFC 8656)
 * @TURN_CONNECT_RELAY_TCP: peers are reached by TCP, each over a connection of its own (RFC 6062);
 * needs %TURN_CONNECT_CARRIER_STREAM
 *
 * What lies between server and peers.
 */
typedef enum {
  TURN_CONNECT_RELAY_UDP,
  TURN_CONNECT_RELAY_TCP,
} TurnConnectRelay;

/**
 * TurnConnectFamilies:
 * @TURN_CONNECT_FAMILY_IPV4: a relayed IPv4 address
 * @TURN_CONNECT_FAMILY_IPV6: a relayed IPv6 address
 * @TURN_CONNECT_FAMILY_BOTH: one of each; where the server has but one family, that one
 *
 * Families of relayed addresses, independent of the one by which the server is reached.
 */
typedef enum {
  TURN_CONNECT_FAMILY_IPV4 = 1 << 0,
  TURN_CONNECT_FAMILY_IPV6 = 1 << 1,
  TURN_CONNECT_FAMILY_BOTH = TURN_CONNECT_FAMILY_IPV4 | TURN_CONNECT_FAMILY_IPV6,
} TurnConnectFamilies;

/**
 * TurnConnectEvenPort:
 * @TURN_CONNECT_PORT_ANY: any port
 * @TURN_CONNECT_PORT_EVEN: an even one
 * @TURN_CONNECT_PORT_EVEN_AND_NEXT: an even one, and the next is kept for an allocation made with
 * turn_connect_client_get_reservation()
 *
 * What the relayed port has to be (RFC 8656 section 18.7).
 */
typedef enum {
  TURN_CONNECT_PORT_ANY,
  TURN_CONNECT_PORT_EVEN,
  TURN_CONNECT_PORT_EVEN_AND_NEXT,
} TurnConnectEvenPort;

/**
 * TurnConnectSendFlags:
 * @TURN_CONNECT_SEND_NORMAL: the shortest way: by channel where there is one
 * @TURN_CONNECT_SEND_DONT_FRAGMENT: the server sets the DF bit; costs 36 octets and more, for a
 * channel cannot say so
 *
 * How a packet goes.
 */
typedef enum {
  TURN_CONNECT_SEND_NORMAL = 0,
  TURN_CONNECT_SEND_DONT_FRAGMENT = 1 << 0,
} TurnConnectSendFlags;

/**
 * TurnConnectPacket:
 * @peer: to whom
 * @data: (array length=length): what
 * @length: octets in @data, at most %TURN_CONNECT_PAYLOAD_MAX
 *
 * One packet of turn_connect_client_send_batch(). The client reads it during the call only.
 */
typedef struct {
  StunExtAddress peer;
  const void *data;
  gsize length;
} TurnConnectPacket;

/**
 * TurnConnectClientCounters:
 * @sent: packets handed to the connection
 * @received: packets given to the application
 * @blocked: packets not taken because the connection could take no more, or because permission or
 * channel were not there yet
 * @ignored: messages and packets of the server that had no meaning: unknown transactions, wrong
 * integrity, channels nobody bound
 * @retransmitted: requests sent again over UDP
 * @reconnects: connections made after the first
 * @reallocations: allocations made after the first; those kept by a mobility ticket do not count
 *
 * What happened since the client was made.
 */
typedef struct {
  guint64 sent;
  guint64 received;
  guint64 blocked;
  guint64 ignored;
  guint64 retransmitted;
  guint reconnects;
  guint reallocations;
} TurnConnectClientCounters;

#define TURN_CONNECT_TYPE_CLIENT (turn_connect_client_get_type ())

/**
 * TurnConnectClient:
 *
 * One allocation on a TURN server (RFC 8656, 6062, 8016), kept alive until it is closed. The client
 * refreshes what it was asked for (allocation, permissions, channels), and when the connection or
 * the allocation is lost it connects again, by the same way, and asks for all of it again. It
 * belongs to the main context that is the thread's default when it is made: every callback comes
 * from there, and every function is to be called there.
 *
 * Signals:
 *
 * * `state-changed (TurnConnectClientState state, GError *cause)`: @cause (nullable) is why, for
 *   WAITING and CLOSED. Borrowed.
 * * `relayed-changed ()`: there are other relayed addresses than before, or for the first time.
 *   Peers have to be told. Permissions and channels that were wanted are asked for again by
 *   themselves, channels under their old numbers.
 * * `peer-lost (StunExtAddress *peer, GError *cause)`: a permission or channel that was there could
 *   not be refreshed or asked for again. It is no longer wanted. Borrowed.
 * * `icmp (StunExtAddress *peer, guint type, guint code, guint data)`: the network refused a packet
 *   to @peer with this ICMP type and code (for an IPv6 peer, those of ICMPv6); @data is the MTU for
 *   "too big". Whoever can guess what the server sends can forge it (RFC 8656 section 11.6): hints.
 * * `connection-attempt (StunExtAddress *peer, guint connection_id)`: a peer connected to the
 *   relayed address of a %TURN_CONNECT_RELAY_TCP allocation. Take it within 30 s with
 *   turn_connect_client_accept_async(), or let it pass.
 */
TURN_CONNECT_API
G_DECLARE_FINAL_TYPE (TurnConnectClient, turn_connect_client, TURN_CONNECT, CLIENT, GObject)

/**
 * TurnConnectReceiveFunc:
 * @client: the client
 * @peer: who sent it
 * @channel: by which channel it came, 0 if by none
 * @data: (array length=length): what came; borrowed for the call
 * @length: octets in @data, 0 or more
 * @user_data: (closure): as given to turn_connect_client_set_receive()
 *
 * Called for every packet from a peer. It may call anything of the client, closing included.
 */
typedef void (*TurnConnectReceiveFunc) (TurnConnectClient *client,
                                        const StunExtAddress *peer,
                                        guint16 channel,
                                        const guint8 *data,
                                        gsize length,
                                        gpointer user_data);

/**
 * turn_connect_client_new:
 * @target: the server and the way to it; read at every connection, so that the way may be changed
 * for the next one
 * @carrier: how it is spoken to
 *
 * Makes a client that does nothing yet. For TURN over TLS give the target TLS options with the ALPN
 * "stun.turn" (RFC 7443).
 *
 * Returns: (transfer full): a client
 */
TURN_CONNECT_API TurnConnectClient *turn_connect_client_new (TurnConnectTarget *target,
                                                             TurnConnectCarrier carrier);

/**
 * turn_connect_client_set_credentials:
 * @client: a client, also one in use
 * @user: user name, without control characters, at most 509 octets
 * @password: password
 * @error: %TURN_CONNECT_ERROR_INVALID, without the password
 *
 * Sets the long-term credential (RFC 8489 section 9.2), which time-limited ones from a REST service
 * are too. In use, the next requests use it; an allocation under another user name that the server
 * will not refresh with it (441) is kept with the old credential, and the next allocation uses the
 * new one.
 *
 * Returns: %FALSE on error; the credential is what it was before
 */
TURN_CONNECT_API gboolean turn_connect_client_set_credentials (TurnConnectClient *client,
                                                               const char *user,
                                                               const char *password,
                                                               GError **error);

/**
 * turn_connect_client_set_shared_secret:
 * @client: a client, also one in use
 * @secret: (array length=length): what the server shares with those who issue credentials
 * @length: octets in @secret, 1 or more
 * @user: (nullable): user part of the names; %NULL for "tepkit"
 * @lifetime_s: seconds for which each credential is valid, 60 or more; 86400 is usual
 * @hash: %STUN_EXT_HASH_SHA1, which most servers use, or %STUN_EXT_HASH_SHA256
 * @error: %TURN_CONNECT_ERROR_INVALID
 *
 * Issues time-limited credentials ("expiry:user", HMAC of it) itself, for clients that run where
 * the secret may be known. Each connection gets a fresh one; one in use is renewed when half of its
 * time has passed.
 *
 * Returns: %FALSE on error
 */
TURN_CONNECT_API gboolean turn_connect_client_set_shared_secret (TurnConnectClient *client,
                                                                 const void *secret,
                                                                 gsize length,
                                                                 const char *user,
                                                                 guint lifetime_s,
                                                                 StunExtHash hash,
                                                                 GError **error);

/**
 * turn_connect_client_get_credentials_expire:
 * @client: a client
 *
 * Tells from a user name of the form "expiry:user" when the credential ends, so that the
 * application can fetch the next one in time.
 *
 * Returns: seconds since 1970, 0 for credentials without an end or without credentials
 */
TURN_CONNECT_API gint64 turn_connect_client_get_credentials_expire (TurnConnectClient *client);

/**
 * turn_connect_client_set_algorithms:
 * @client: a client that was not begun
 * @allowed: password algorithms that may be used; MD5 and SHA-256 if never set
 *
 * Servers before RFC 8489 know MD5 only. Without it such a server fails with
 * %TURN_CONNECT_ERROR_TURN_BID_DOWN.
 */
TURN_CONNECT_API void turn_connect_client_set_algorithms (TurnConnectClient *client,
                                                          StunExtAlgorithms allowed);

/**
 * turn_connect_client_set_relay:
 * @client: a client that was not begun
 * @relay: how peers are reached; %TURN_CONNECT_RELAY_UDP if never set
 * @families: which relayed addresses; %TURN_CONNECT_FAMILY_IPV4 if never set
 *
 * Says what to allocate.
 */
TURN_CONNECT_API void turn_connect_client_set_relay (TurnConnectClient *client,
                                                     TurnConnectRelay relay,
                                                     TurnConnectFamilies families);

/**
 * turn_connect_client_set_port:
 * @client: a client that was not begun
 * @even_port: what the relayed port has to be
 * @reservation: (nullable) (array fixed-size=8): the token of another client's allocation, whose
 * next port this one gets; @even_port is then not looked at
 *
 * Asks for ports as RTP and RTCP want them. Not for %TURN_CONNECT_RELAY_TCP, and only for one
 * family.
 */
TURN_CONNECT_API void turn_connect_client_set_port (TurnConnectClient *client,
                                                    TurnConnectEvenPort even_port,
                                                    const guint8 *reservation);

/**
 * turn_connect_client_set_mobility:
 * @client: a client that was not begun
 * @is_mobile: ask for a ticket that carries the allocation over to another connection (RFC 8016);
 * %TRUE if never set. A server that knows nothing of it gives none, one that forbids it is asked
 * again without
 */
TURN_CONNECT_API void turn_connect_client_set_mobility (TurnConnectClient *client,
                                                        gboolean is_mobile);

/**
 * turn_connect_client_set_dont_fragment:
 * @client: a client that was not begun
 * @wanted: make sure at allocation that the server knows DONT-FRAGMENT; one that does not is asked
 * again without, and %TURN_CONNECT_SEND_DONT_FRAGMENT then has no effect
 */
TURN_CONNECT_API void turn_connect_client_set_dont_fragment (TurnConnectClient *client,
                                                             gboolean wanted);

/**
 * turn_connect_client_set_lifetime:
 * @client: a client that was not begun
 * @lifetime_s: seconds to ask for; 0, as if never set, for the server's own default (600 s)
 *
 * Says for how long the server keeps an allocation that nobody refreshes.
 */
TURN_CONNECT_API void turn_connect_client_set_lifetime (TurnConnectClient *client,
                                                        guint lifetime_s);

/**
 * turn_connect_client_set_keepalive:
 * @client: a client
 * @interval_s: seconds of silence from the server after which it is asked for a sign of life; 25 if
 * never set, 0 for never
 *
 * Keeps bindings of NATs and firewalls alive, and notices a dead path.
 */
TURN_CONNECT_API void turn_connect_client_set_keepalive (TurnConnectClient *client,
                                                         guint interval_s);

/**
 * turn_connect_client_set_reconnects:
 * @client: a client
 * @attempts: how often in a row a lost allocation is tried to be had again; 10 if never set, 0 for
 * never. The pauses grow from 0.25 s to 30 s
 */
TURN_CONNECT_API void turn_connect_client_set_reconnects (TurnConnectClient *client,
                                                          guint attempts);

/**
 * turn_connect_client_set_redirects:
 * @client: a client
 * @most: how many redirections (300, ALTERNATE-SERVER) one connection follows; 3 if never set, 0
 * for none
 *
 * A redirection keeps everything else: carrier, proxy, trust, and the name the certificate must be
 * for, unless ALTERNATE-DOMAIN names another. A server that was asked within the last 5 min is not
 * asked again. One that is not proven by the credentials is followed only where TLS or DTLS showed
 * who says it; see turn_connect_client_set_unproven_redirects().
 */
TURN_CONNECT_API void turn_connect_client_set_redirects (TurnConnectClient *client, guint most);

/**
 * turn_connect_client_set_unproven_redirects:
 * @client: a client that was not begun
 * @are_followed: follow redirections without integrity over plain UDP and TCP too; %FALSE if never
 * set
 *
 * A server may send its clients on before it knows who they are, and coturn always does. Over TLS
 * and DTLS that is its own word. Over plain UDP and TCP anybody who sees the request can say it, and
 * would be sent the media and a proof of the password to guess by; so there the client fails with
 * %TURN_CONNECT_ERROR_TURN_REDIRECT, over UDP after 3.5 s in which no other answer came.
 * Once the credentials are in use, only a redirection that is proven by them is followed, whatever
 * is set here. RFC 8489 sections 10 and 14.8
 */
TURN_CONNECT_API void turn_connect_client_set_unproven_redirects (TurnConnectClient *client,
                                                                  gboolean are_followed);

/**
 * turn_connect_client_set_receive:
 * @client: a client
 * @receive: (nullable) (scope notified) (closure user_data): called for every packet
 * @user_data: for @receive
 * @destroy: (nullable): frees @user_data
 *
 * Says where packets from peers go.
 */
TURN_CONNECT_API void turn_connect_client_set_receive (TurnConnectClient *client,
                                                       TurnConnectReceiveFunc receive,
                                                       gpointer user_data,
                                                       GDestroyNotify destroy);

/**
 * turn_connect_client_allocate_async:
 * @client: a client that was not begun
 * @cancellable: (nullable): gives up, which closes the client
 * @callback: (scope async) (closure user_data): called once
 * @user_data: for @callback
 *
 * Connects and allocates. The first connection is tried once: if it fails, the client is closed.
 */
TURN_CONNECT_API void turn_connect_client_allocate_async (TurnConnectClient *client,
                                                          GCancellable *cancellable,
                                                          GAsyncReadyCallback callback,
                                                          gpointer user_data);

/**
 * turn_connect_client_allocate_finish:
 * @client: the client
 * @result: as given to the callback
 * @error: #TurnConnectError with its step, or %G_IO_ERROR_CANCELLED
 *
 * Returns: %TRUE if there is an allocation
 */
TURN_CONNECT_API gboolean turn_connect_client_allocate_finish (TurnConnectClient *client,
                                                               GAsyncResult *result,
                                                               GError **error);

/**
 * turn_connect_client_permit_async:
 * @client: a client with an allocation, or on its way back to one
 * @peers: (array length=n_peers): whom to permit; ports do not matter
 * @n_peers: how many, 1 or more
 * @cancellable: (nullable): ends the waiting; the permissions stay wanted
 * @callback: (scope async) (closure user_data): called once
 * @user_data: for @callback
 *
 * Lets peers send to the relayed address, and packets go to them, until
 * turn_connect_client_forget(). Requests name up to 8 peers each.
 */
TURN_CONNECT_API void turn_connect_client_permit_async (TurnConnectClient *client,
                                                        const StunExtAddress *peers,
                                                        guint n_peers,
                                                        GCancellable *cancellable,
                                                        GAsyncReadyCallback callback,
                                                        gpointer user_data);

/**
 * turn_connect_client_permit_finish:
 * @client: the client
 * @result: as given to the callback
 * @error: #TurnConnectError: the first refusal; %TURN_CONNECT_ERROR_TURN_FORBIDDEN for a peer that
 * the server does not serve
 *
 * Returns: %TRUE if all are permitted
 */
TURN_CONNECT_API gboolean turn_connect_client_permit_finish (TurnConnectClient *client,
                                                             GAsyncResult *result,
                                                             GError **error);

/**
 * turn_connect_client_bind_async:
 * @client: a client with an allocation of %TURN_CONNECT_RELAY_UDP, or on its way back to one
 * @peer: address and port
 * @cancellable: (nullable): ends the waiting; the channel stays wanted
 * @callback: (scope async) (closure user_data): called once
 * @user_data: for @callback
 *
 * Binds a channel to a peer, so that packets to and from it cost 4 octets and not 36 or more. It
 * permits the peer too. The client keeps it until turn_connect_client_forget().
 */
TURN_CONNECT_API void turn_connect_client_bind_async (TurnConnectClient *client,
                                                      const StunExtAddress *peer,
                                                      GCancellable *cancellable,
                                                      GAsyncReadyCallback callback,
                                                      gpointer user_data);

/**
 * turn_connect_client_bind_finish:
 * @client: the client
 * @result: as given to the callback
 * @error: #TurnConnectError
 *
 * Returns: the channel's number, 0x4000 to 0x4fff, or 0 on error
 */
TURN_CONNECT_API guint16 turn_connect_client_bind_finish (TurnConnectClient *client,
                                                          GAsyncResult *result,
                                                          GError **error);

/**
 * turn_connect_client_forget:
 * @client: a client
 * @peer: a peer; with port 0 the whole host
 *
 * No longer refreshes permission and channel of a peer. The server drops a permission within 5 min
 * and a channel within 10 min; TURN has no way to make it sooner.
 */
TURN_CONNECT_API void turn_connect_client_forget (TurnConnectClient *client,
                                                  const StunExtAddress *peer);

/**
 * turn_connect_client_send:
 * @client: a client
 * @peer: to whom: one that is permitted or bound
 * @vectors: (array length=n_vectors): the packet, in pieces
 * @n_vectors: how many pieces, 0 to 16
 * @flags: how it goes
 * @error: set exactly if the result is %TURN_CONNECT_IO_FAILED
 *
 * Sends a packet now or not at all. Allocates nothing where it can be had: over TCP, the rest of a
 * packet that fitted only in part is kept.
 *
 * Returns: %TURN_CONNECT_IO_OK if it is on its way; %TURN_CONNECT_IO_BLOCKED if the connection
 *   takes no more now, or connection, permission or channel are not there yet: media is best
 *   dropped; %TURN_CONNECT_IO_FAILED with %TURN_CONNECT_ERROR_INVALID for a peer that nobody asked
 *   to permit and for packets that are too long, %TURN_CONNECT_ERROR_CLOSED after the end
 */
TURN_CONNECT_API TurnConnectIo turn_connect_client_send (TurnConnectClient *client,
                                                         const StunExtAddress *peer,
                                                         const GOutputVector *vectors,
                                                         guint n_vectors,
                                                         TurnConnectSendFlags flags,
                                                         GError **error);

/**
 * turn_connect_client_send_batch:
 * @client: a client
 * @packets: (array length=n_packets): what to send, in order
 * @n_packets: how many
 *
 * Sends several packets with as few system calls as the carrier needs. Packets that cannot go are
 * skipped and count as blocked.
 *
 * Returns: how many are on their way
 */
TURN_CONNECT_API guint turn_connect_client_send_batch (TurnConnectClient *client,
                                                       const TurnConnectPacket *packets,
                                                       guint n_packets);

/**
 * turn_connect_client_connect_async:
 * @client: a client with an allocation of %TURN_CONNECT_RELAY_TCP
 * @peer: address and port
 * @cancellable: (nullable): gives up
 * @callback: (scope async) (closure user_data): called once
 * @user_data: for @callback
 *
 * Has the server connect to a peer, and opens the connection that carries its octets (RFC 6062
 * section 4.3), by the same way as the first one: three connections for one session, as TR 33.830
 * clause 8.3 counts them.
 */
TURN_CONNECT_API void turn_connect_client_connect_async (TurnConnectClient *client,
                                                         const StunExtAddress *peer,
                                                         GCancellable *cancellable,
                                                         GAsyncReadyCallback callback,
                                                         gpointer user_data);

/**
 * turn_connect_client_connect_finish:
 * @client: the client
 * @result: as given to the callback
 * @error: #TurnConnectError: %TURN_CONNECT_ERROR_TURN_PEER if the peer could not be reached
 *
 * Returns: (transfer full): a stream of the peer's own octets, or %NULL. It outlives the client's
 *   connection only as long as the server lets it (RFC 6062 section 4.5)
 */
TURN_CONNECT_API TurnConnectStream *turn_connect_client_connect_finish (TurnConnectClient *client,
                                                                        GAsyncResult *result,
                                                                        GError **error);

/**
 * turn_connect_client_accept_async:
 * @client: a client
 * @connection_id: as the signal `connection-attempt` said
 * @cancellable: (nullable): gives up
 * @callback: (scope async) (closure user_data): called once
 * @user_data: for @callback
 *
 * Takes a connection that a peer made (RFC 6062 section 4.4).
 */
TURN_CONNECT_API void turn_connect_client_accept_async (TurnConnectClient *client,
                                                        guint32 connection_id,
                                                        GCancellable *cancellable,
                                                        GAsyncReadyCallback callback,
                                                        gpointer user_data);

/**
 * turn_connect_client_accept_finish:
 * @client: the client
 * @result: as given to the callback
 * @error: #TurnConnectError
 *
 * Returns: (transfer full): a stream of the peer's own octets, or %NULL
 */
TURN_CONNECT_API TurnConnectStream *
turn_connect_client_accept_finish (TurnConnectClient *client, GAsyncResult *result, GError **error);

/**
 * turn_connect_client_reconnect:
 * @client: a client with an allocation, or waiting
 *
 * The network changed, as #TurnConnectNetworkWatch tells: makes a new connection at once, and with a
 * mobility ticket the allocation comes along. coturn 4.6 takes a ticket over UDP and DTLS alone; over
 * a stream it ends the connection, and then there is a new allocation: relayed-changed says so.
 */
TURN_CONNECT_API void turn_connect_client_reconnect (TurnConnectClient *client);

/**
 * turn_connect_client_close_async:
 * @client: a client
 * @callback: (scope async) (nullable) (closure user_data): called once; never fails
 * @user_data: for @callback
 *
 * Gives the allocation back (Refresh with lifetime 0), for which the server gets at most 2 s, and
 * ends. Everything still waiting fails with %TURN_CONNECT_ERROR_CLOSED. Dropping the last reference
 * closes too, without giving the server time to answer.
 */
TURN_CONNECT_API void turn_connect_client_close_async (TurnConnectClient *client,
                                                       GAsyncReadyCallback callback,
                                                       gpointer user_data);

/**
 * turn_connect_client_close_finish:
 * @client: the client
 * @result: as given to the callback
 */
TURN_CONNECT_API void turn_connect_client_close_finish (TurnConnectClient *client,
                                                        GAsyncResult *result);

/**
 * turn_connect_client_get_state:
 * @client: a client
 *
 * Returns: what it is doing
 */
TURN_CONNECT_API TurnConnectClientState turn_connect_client_get_state (TurnConnectClient *client);

/**
 * turn_connect_client_get_relayed:
 * @client: a client
 * @family: 4 or 6
 * @address: (out): the relayed address
 *
 * Returns: %FALSE if there is none of that family
 */
TURN_CONNECT_API gboolean turn_connect_client_get_relayed (TurnConnectClient *client,
                                                           guint family,
                                                           StunExtAddress *address);

/**
 * turn_connect_client_get_mapped:
 * @client: a client
 * @address: (out): how the server sees this end of the connection
 *
 * Returns: %FALSE if there is no allocation
 */
TURN_CONNECT_API gboolean turn_connect_client_get_mapped (TurnConnectClient *client,
                                                          StunExtAddress *address);

/**
 * turn_connect_client_get_lifetime:
 * @client: a client
 *
 * Returns: seconds that the server granted at the last refresh; 0 without an allocation
 */
TURN_CONNECT_API guint turn_connect_client_get_lifetime (TurnConnectClient *client);

/**
 * turn_connect_client_get_reservation:
 * @client: a client with %TURN_CONNECT_PORT_EVEN_AND_NEXT
 *
 * Returns: (transfer none) (nullable) (array fixed-size=8): the token of the port kept, valid for
 *   30 s from the allocation on
 */
TURN_CONNECT_API const guint8 *turn_connect_client_get_reservation (TurnConnectClient *client);

/**
 * turn_connect_client_has_ticket:
 * @client: a client
 *
 * Returns: %TRUE if the server gave a mobility ticket: a new connection keeps the relayed address
 */
TURN_CONNECT_API gboolean turn_connect_client_has_ticket (TurnConnectClient *client);

/**
 * turn_connect_client_get_family_error:
 * @client: a client with %TURN_CONNECT_FAMILY_BOTH
 *
 * Returns: the code with which the server refused the second family (ADDRESS-ERROR-CODE), 440 or
 *   508; 0 if it did not
 */
TURN_CONNECT_API guint turn_connect_client_get_family_error (TurnConnectClient *client);

/**
 * turn_connect_client_get_server:
 * @client: a client
 *
 * Returns: (transfer none): "host:port" of the server in use, which after a redirection is another
 *   than the target's
 */
TURN_CONNECT_API const char *turn_connect_client_get_server (TurnConnectClient *client);

/**
 * turn_connect_client_get_software:
 * @client: a client
 *
 * Returns: (transfer none) (nullable): what the server calls itself, printable ASCII
 */
TURN_CONNECT_API const char *turn_connect_client_get_software (TurnConnectClient *client);

/**
 * turn_connect_client_get_stream:
 * @client: a client over %TURN_CONNECT_CARRIER_STREAM
 *
 * Returns: (transfer none) (nullable): the connection, for its addresses, timings and TLS facts;
 *   not for reading or writing
 */
TURN_CONNECT_API TurnConnectStream *turn_connect_client_get_stream (TurnConnectClient *client);

/**
 * turn_connect_client_get_counters:
 * @client: a client
 * @counters: (out): what happened so far
 */
TURN_CONNECT_API void turn_connect_client_get_counters (TurnConnectClient *client,
                                                        TurnConnectClientCounters *counters);

G_END_DECLS
