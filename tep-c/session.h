/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stun-ext/address.h"
#include "tep-c/error.h"
#include "tep-c/options.h"
#include "tep-c/version.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * A session is the device's end of one tunnel: it reaches TEP-S (directly or through a proxy, plain
 * or TLS), proves the credential, leases public addresses, opens flows and carries their packets.
 * It keeps itself alive, resumes after a lost connection or an address change, and says what it
 * does.
 *
 * A session belongs to the thread-default main context of its construction: every function below is
 * called, and every callback runs, in the thread that iterates that context. Several sessions may
 * live in one.
 */

/**
 * TepClientState:
 * @TEP_CLIENT_STATE_IDLE: nothing was started
 * @TEP_CLIENT_STATE_CONNECTING: a connection is being made (names, TCP, proxy, TLS)
 * @TEP_CLIENT_STATE_OPENING: the credential is being proved
 * @TEP_CLIENT_STATE_OPEN: the tunnel stands; leases and flows may be asked for
 * @TEP_CLIENT_STATE_WAITING: the connection was lost; the next attempt comes after a jittered
 * back-off. Leases and flows are kept by the server for its silence time (45 s by default)
 * @TEP_CLIENT_STATE_RESUMING: a new connection takes the tunnel over
 * @TEP_CLIENT_STATE_CLOSED: ended, by the caller or with a cause that another attempt cannot mend
 */
typedef enum {
  TEP_CLIENT_STATE_IDLE,
  TEP_CLIENT_STATE_CONNECTING,
  TEP_CLIENT_STATE_OPENING,
  TEP_CLIENT_STATE_OPEN,
  TEP_CLIENT_STATE_WAITING,
  TEP_CLIENT_STATE_RESUMING,
  TEP_CLIENT_STATE_CLOSED,
} TepClientState;

/**
 * tep_client_state_name:
 * @state: a state
 *
 * Returns: (transfer none): the state in one lower-case word, for people and scripts
 */
TEP_CLIENT_API const char *tep_client_state_name (TepClientState state);

#define TEP_CLIENT_TYPE_SESSION (tep_client_session_get_type ())
TEP_CLIENT_API
G_DECLARE_FINAL_TYPE (TepClientSession, tep_client_session, TEP_CLIENT, SESSION, GObject)

/* A leased public address, and one remote of it. Both belong to their session; a handle of a
 * session that was closed stays valid until it is unreferenced and answers TEP_CLIENT_ERROR_GONE.
 */
#define TEP_CLIENT_TYPE_BINDING (tep_client_binding_get_type ())
TEP_CLIENT_API
G_DECLARE_FINAL_TYPE (TepClientBinding, tep_client_binding, TEP_CLIENT, BINDING, GObject)
#define TEP_CLIENT_TYPE_FLOW (tep_client_flow_get_type ())
TEP_CLIENT_API
G_DECLARE_FINAL_TYPE (TepClientFlow, tep_client_flow, TEP_CLIENT, FLOW, GObject)

/**
 * TepClientPacket:
 * @flow: (nullable): the flow it came on; %NULL for an early packet from a remote that has no
 * flow yet
 * @source: the far side's address and port
 * @port_offset: 0, or 1 when it came to the odd port of a pair
 * @payload: UDP payload, borrowed until the callback returns
 * @length: octets in @payload, 0 or more
 * @late_ms: how much later than the quickest packets of its flow it came, milliseconds; 0 if
 * unknown
 */
typedef struct {
  TepClientFlow *flow;
  const StunExtAddress *source;
  guint port_offset;
  const guint8 *payload;
  gsize length;
  guint late_ms;
} TepClientPacket;

/**
 * TepClientReceive:
 * @binding: a binding
 * @packet: what came; borrowed until the call returns
 * @user_data: the receive_data of tep_client_session_lease_async()
 *
 * A packet came to a binding.
 */
typedef void (*TepClientReceive) (TepClientBinding *binding,
                                  const TepClientPacket *packet,
                                  gpointer user_data);

/**
 * tep_client_session_new:
 * @options: (transfer none): where the server is, how to reach it and with which credential; copied
 *
 * Signals: "state-changed" (TepClientState old, TepClientState new, GError *cause or %NULL);
 * "progress" (const char *step, const char *detail or %NULL, guint64 microseconds since the attempt
 * began); "binding-moved" (TepClientBinding *): a tunnel had to be opened anew, and the binding now
 * has another leased address; "lost" (GObject *binding or flow, GError *cause): a tunnel had to be
 * opened anew, and the server refused what it had granted before.
 *
 * Returns: (transfer full): a session in %TEP_CLIENT_STATE_IDLE
 */
TEP_CLIENT_API TepClientSession *tep_client_session_new (const TepClientOptions *options);

/**
 * tep_client_session_open:
 * @session: a session in %TEP_CLIENT_STATE_IDLE
 *
 * Starts; what becomes of it is told by "state-changed". Leases asked for before it opens travel in
 * the first flight (PROTOCOL section 7.1).
 */
TEP_CLIENT_API void tep_client_session_open (TepClientSession *session);

/**
 * tep_client_session_close:
 * @session: a session
 *
 * Ends the tunnel at the server and all its bindings. Idempotent. "state-changed" tells the end.
 */
TEP_CLIENT_API void tep_client_session_close (TepClientSession *session);

/**
 * tep_client_session_network_changed:
 * @session: a session
 *
 * Tells that the device's address changed: the connection is replaced at once instead of after
 * its death was noticed.
 */
TEP_CLIENT_API void tep_client_session_network_changed (TepClientSession *session);

/**
 * tep_client_session_get_state:
 * @session: a session
 *
 * Returns: the state that "state-changed" told last
 */
TEP_CLIENT_API TepClientState tep_client_session_get_state (TepClientSession *session);

/**
 * tep_client_session_get_public_address:
 * @session: a session
 * @address: (out): the source address of the tunnel's connection as the server saw it
 *
 * Returns: %FALSE while no tunnel was opened
 */
TEP_CLIENT_API gboolean tep_client_session_get_public_address (TepClientSession *session,
                                                               StunExtAddress *address);

/**
 * TepClientStatistics:
 *
 * Since the session began. Milliseconds are 0 while unknown. Not affected by resumption.
 */
typedef struct {
  guint64 packets_sent, packets_received;
  guint64 octets_sent, octets_received; /* UDP payload */
  guint64 dropped_blocked;              /* not sent: the connection would have queued them */
  guint64 dropped_too_large;            /* not sent: larger than the largest packet */
  guint64 dropped_invalid;              /* received, but broke the wire's rules */
  guint64 duplicates;
  guint64 connections;     /* made, resumptions included */
  guint round_trip_ms;     /* end to end, from FEEDBACK */
  guint64 first_packet_us; /* from open () to the first media packet received; 0 before it */
} TepClientStatistics;

/**
 * tep_client_session_get_statistics:
 * @session: a session
 * @statistics: (out): counts since the session began
 *
 * Fills in what was counted so far.
 */
TEP_CLIENT_API void tep_client_session_get_statistics (TepClientSession *session,
                                                       TepClientStatistics *statistics);

/**
 * TepClientTap:
 * @packet: (array length=length): a whole inner IP packet, borrowed until the call returns
 * @length: its octets
 * @user_data: as given to tep_client_session_set_tap()
 */
typedef void (*TepClientTap) (const guint8 *packet, gsize length, gpointer user_data);

/**
 * tep_client_session_set_tap:
 * @session: a session
 * @tap: (nullable): called for every inner packet that passes, in either direction; %NULL for no
 * longer
 * @user_data: for @tap
 *
 * For captures: with it Wireshark shows what runs inside the tunnel.
 */
TEP_CLIENT_API void
tep_client_session_set_tap (TepClientSession *session, TepClientTap tap, gpointer user_data);

/**
 * tep_client_session_get_largest_packet:
 * @session: a session
 *
 * Returns: octets of the largest inner IP packet the server takes; 0 before the session was open
 */
TEP_CLIENT_API guint tep_client_session_get_largest_packet (TepClientSession *session);

/**
 * TepClientLease:
 * @wanted_port: the port one would like, or 0
 * @is_pair: an even port and the odd one above it (RTP and RTCP)
 * @kind: %STUN_EXT_FLOW_KIND_ANY, _REFLEXIVE or _RELAYED (PROTOCOL section 8.1)
 * @family: 4, 6, or 0 for the server's choice
 * @lifetime_s: seconds the lease shall live without a refresh, 60 to 3600, or 0 for the server's
 * default; the session refreshes it as long as it lives
 */
typedef struct {
  guint16 wanted_port;
  gboolean is_pair;
  guint kind;
  guint family;
  guint lifetime_s;
} TepClientLease;

/**
 * tep_client_session_lease_async:
 * @session: a session
 * @lease: what is wanted; copied
 * @receive: (nullable): called for every packet that comes to the binding, in the session's
 * context
 * @receive_data: for @receive
 * @cancellable: (nullable): ends the waiting
 * @callback: called once, in the session's context, never before this call returned
 * @user_data: for @callback
 *
 * Asks for a public address before the far side is known (PROTOCOL section 8.1). May be called
 * before the session is open.
 */
TEP_CLIENT_API void tep_client_session_lease_async (TepClientSession *session,
                                                    const TepClientLease *lease,
                                                    TepClientReceive receive,
                                                    gpointer receive_data,
                                                    GCancellable *cancellable,
                                                    GAsyncReadyCallback callback,
                                                    gpointer user_data);

/**
 * tep_client_session_lease_finish:
 * @session: a session
 * @result: what the callback was given
 * @error: return location
 *
 * Returns: (transfer full): the binding, or %NULL with %TEP_CLIENT_ERROR set. Unreferencing it
 * does not release it.
 */
TEP_CLIENT_API TepClientBinding *
tep_client_session_lease_finish (TepClientSession *session, GAsyncResult *result, GError **error);

/**
 * tep_client_binding_get_address:
 * @binding: a binding
 *
 * Returns: (transfer none): the leased address; of a pair, the even port. Valid until the next
 * "binding-moved"
 */
TEP_CLIENT_API const StunExtAddress *tep_client_binding_get_address (TepClientBinding *binding);

/**
 * tep_client_binding_is_relayed:
 * @binding: a binding
 *
 * Returns: %TRUE if the address is one of the server's own, %FALSE if it is the device's public
 * one
 */
TEP_CLIENT_API gboolean tep_client_binding_is_relayed (TepClientBinding *binding);

/**
 * tep_client_binding_release:
 * @binding: a binding
 *
 * Gives the leased address back and ends its flows. The handle stays valid until it is
 * unreferenced.
 */
TEP_CLIENT_API void tep_client_binding_release (TepClientBinding *binding);

/**
 * tep_client_binding_open_flow_async:
 * @binding: a binding
 * @remote: the far side's address and port
 * @port_offset: 0, or 1 for the odd port of a pair
 * @bandwidth_kbit_s: what the flow needs in each direction, kilobit/s of IP packets; 0 for the
 * server's default
 * @dscp: 0 to 63, or -1 for the server's choice
 * @cancellable: (nullable): ends the waiting
 * @callback: called once, in the session's context, never before this call returned
 * @user_data: for @callback
 *
 * Names a remote; a binding may have several (forks).
 */
TEP_CLIENT_API void tep_client_binding_open_flow_async (TepClientBinding *binding,
                                                        const StunExtAddress *remote,
                                                        guint port_offset,
                                                        guint bandwidth_kbit_s,
                                                        int dscp,
                                                        GCancellable *cancellable,
                                                        GAsyncReadyCallback callback,
                                                        gpointer user_data);

/**
 * tep_client_binding_open_flow_finish:
 * @binding: a binding
 * @result: what the callback was given
 * @error: return location
 *
 * Returns: (transfer full): the flow, or %NULL with %TEP_CLIENT_ERROR set; unreferencing it does
 * not close it
 */
TEP_CLIENT_API TepClientFlow *tep_client_binding_open_flow_finish (TepClientBinding *binding,
                                                                   GAsyncResult *result,
                                                                   GError **error);

/**
 * tep_client_flow_get_remote:
 * @flow: a flow
 *
 * Returns: (transfer none): the far side's address and port
 */
TEP_CLIENT_API const StunExtAddress *tep_client_flow_get_remote (TepClientFlow *flow);

/**
 * tep_client_flow_close:
 * @flow: a flow
 *
 * Ends the flow at the server. The handle stays valid until it is unreferenced.
 */
TEP_CLIENT_API void tep_client_flow_close (TepClientFlow *flow);

/**
 * TepClientSent:
 * @TEP_CLIENT_SENT: handed to the connection
 * @TEP_CLIENT_SENT_BLOCKED: dropped: the connection is not taking octets; queued media would only
 * come late
 * @TEP_CLIENT_SENT_DOWN: dropped: no connection, or the flow is gone
 * @TEP_CLIENT_SENT_TOO_LARGE: dropped: larger than the server's largest packet
 */
typedef enum {
  TEP_CLIENT_SENT,
  TEP_CLIENT_SENT_BLOCKED,
  TEP_CLIENT_SENT_DOWN,
  TEP_CLIENT_SENT_TOO_LARGE,
} TepClientSent;

/**
 * tep_client_flow_send:
 * @flow: a flow
 * @payload: (array length=length): one UDP payload
 * @length: octets in @payload
 *
 * Sends one packet to the flow's remote. Never blocks, never queues media behind a stalled
 * connection.
 *
 * Returns: what became of it
 */
TEP_CLIENT_API TepClientSent tep_client_flow_send (TepClientFlow *flow,
                                                   const guint8 *payload,
                                                   gsize length);

/**
 * tep_client_binding_send_to:
 * @binding: a binding
 * @port_offset: 0, or 1 for the odd port of a pair
 * @remote: the far side's address and port
 * @payload: (array length=length): one UDP payload
 * @length: octets in @payload
 *
 * Sends one packet to a remote that has no flow, as a whole IP packet; the server carries it only
 * where its policy allows implicit flows (PROTOCOL section 8.4).
 *
 * Returns: what became of it
 */
TEP_CLIENT_API TepClientSent tep_client_binding_send_to (TepClientBinding *binding,
                                                         guint port_offset,
                                                         const StunExtAddress *remote,
                                                         const guint8 *payload,
                                                         gsize length);

/**
 * TepClientFlowQuality:
 * @received: packets delivered
 * @lost: numbers that never came, seen from gaps
 * @late: packets later than 60 ms beyond the quickest ones
 * @jitter_ms: interarrival jitter, RFC 3550 section 6.4.1, milliseconds
 */
typedef struct {
  guint64 sent, received, lost, late, duplicates;
  double jitter_ms;
} TepClientFlowQuality;

/**
 * tep_client_flow_get_quality:
 * @flow: a flow
 * @quality: (out): counts since the flow was opened; of a closed flow, the last ones
 *
 * Fills in how the packets of one flow arrived.
 */
TEP_CLIENT_API void tep_client_flow_get_quality (TepClientFlow *flow,
                                                 TepClientFlowQuality *quality);

G_END_DECLS
