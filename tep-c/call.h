/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stun-ext/address.h"
#include "tep-c/error.h"
#include "tep-c/session.h"
#include "tep-c/version.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * A call is one media section of a session description (one m-line) with one or two components (RTP,
 * RTCP). It describes the device to the far side, tries an ordinary ICE agent and the tunnel side by
 * side, and carries the packets on the one that wins, so that the application sends and receives
 * alike on either (TR 33.830 clauses 8.1 and 8.6; PROTOCOL sections 11 and 12). Media takes the
 * tunnel only if the far side offers the TEP-S that the session is with. The tunnel's credential is
 * the session's: nothing that a description says makes a call connect anywhere.
 *
 * A call belongs to the thread-default main context of its construction, which must be the
 * session's: every function is called, and every callback runs, in the thread that iterates it.
 * Nothing blocks.
 */

/**
 * TepClientCallOptions:
 * @is_offerer: this side sends the first description
 * @n_components: 1 (RTP alone, or with RTCP on one port), or 2
 * @media: index of the m-line this call is about, from 0
 * @stun_server: for ICE candidates; family 0 for none
 * @server_names: (nullable) (array zero-terminated=1): further names by which the user's
 * configuration knows the session's server; an `a=tep-s` line of another name is not used
 * @family: of the lease: 4, 6, or 0 for the server's choice; an answerer takes that of the offer's
 * default address, for a lease reaches remotes of its own family only
 * @wanted_port: the port one would like leased, or 0
 * @bandwidth_kbit_s: of each tunnel flow, kilobit/s of IP packets; 0 for the server's default
 * @dscp: of each tunnel flow, 0 to 63, or -1 for the server's choice
 * @prepare_timeout_ms: how long tep_client_call_prepare_async() waits for the lease, and for the
 * STUN server; 0 for 3000 ms
 */
typedef struct {
  gboolean is_offerer;
  guint n_components;
  guint media;
  StunExtAddress stun_server;
  const char *const *server_names;
  guint family;
  guint16 wanted_port;
  guint bandwidth_kbit_s;
  int dscp;
  guint prepare_timeout_ms;
} TepClientCallOptions;

#define TEP_CLIENT_TYPE_CALL (tep_client_call_get_type ())
TEP_CLIENT_API
G_DECLARE_FINAL_TYPE (TepClientCall, tep_client_call, TEP_CLIENT, CALL, GObject)

/**
 * TepClientCallPacket:
 * @branch: (nullable): the answer it belongs to; %NULL for early media of an unknown far side
 * @component: 1 or 2
 * @carrier: "ice", "tunnel" or "direct": how it came
 * @data: (array length=length): one UDP payload, borrowed until the callback returns
 * @length: octets in @data, 0 or more
 * @late_ms: how much later than the quickest packets of its flow it came, milliseconds; 0 if
 * unknown
 */
typedef struct {
  const char *branch;
  guint component;
  const char *carrier;
  const guint8 *data;
  gsize length;
  guint late_ms;
} TepClientCallPacket;

/**
 * TepClientCallReceive:
 * @call: a call
 * @packet: what came; borrowed until the call returns
 * @user_data: the receive_data of tep_client_call_new()
 *
 * A packet of the call came.
 */
typedef void (*TepClientCallReceive) (TepClientCall *call,
                                      const TepClientCallPacket *packet,
                                      gpointer user_data);

/**
 * tep_client_call_new:
 * @session: (nullable): the tunnel, open or about to be opened by the caller; %NULL for a call that
 * has ICE only
 * @options: copied
 * @receive: (nullable): called for every packet of the call
 * @receive_data: for @receive
 *
 * Signals: "path-changed" (const char *branch, const char *carrier): from now on media of that
 * branch goes by "ice", "tunnel" or "direct"; "failed" (const char *branch, GError *cause): nothing
 * reaches that branch, the message says for each path why; "description-changed" (): the leased
 * address is another now (the server had forgotten the tunnel), describe anew and send a re-INVITE.
 *
 * Returns: (transfer full): a call
 */
TEP_CLIENT_API TepClientCall *tep_client_call_new (TepClientSession *session,
                                                   const TepClientCallOptions *options,
                                                   TepClientCallReceive receive,
                                                   gpointer receive_data);

/**
 * tep_client_call_prepare_async:
 * @call: a new call
 * @cancellable: (nullable): ends the waiting
 * @callback: called once, never before this call returned
 * @user_data: for @callback
 *
 * Leases a public address and gathers ICE candidates, side by side. Before everything else.
 */
TEP_CLIENT_API void tep_client_call_prepare_async (TepClientCall *call,
                                                   GCancellable *cancellable,
                                                   GAsyncReadyCallback callback,
                                                   gpointer user_data);

/**
 * tep_client_call_prepare_finish:
 * @call: a call
 * @result: what the callback was given
 * @error: return location
 *
 * Returns: %FALSE with %TEP_CLIENT_ERROR_NO_PATH if there is neither lease nor candidate, hence
 * nothing to describe. A lease that failed while ICE is there is no error: see
 * tep_client_call_get_lease().
 */
TEP_CLIENT_API gboolean tep_client_call_prepare_finish (TepClientCall *call,
                                                        GAsyncResult *result,
                                                        GError **error);

/**
 * tep_client_call_get_lease:
 * @call: a call
 * @address: (out): the leased address; of a pair, the even port
 * @error: why there is none
 *
 * Returns: %FALSE if nothing is leased (any more)
 */
TEP_CLIENT_API gboolean tep_client_call_get_lease (TepClientCall *call,
                                                   StunExtAddress *address,
                                                   GError **error);

/**
 * tep_client_call_describe:
 * @call: a prepared call
 * @sdp: the application's description of itself; its addresses, candidates and ICE credentials are
 * replaced in the section of this call
 * @error: return location
 *
 * Writes the description for the far side: the lease, or without one the first host candidate, as
 * default address (`a=rtcp` with two components); all candidates, the lease as server-reflexive;
 * `a=ice-options:tep`. An answer to an offer without ICE has none either, and one to an offer
 * without a TEP-S we use does not name the lease.
 *
 * Returns: (transfer full): the description, or %NULL with %STUN_EXT_ERROR_SYNTAX,
 * %TEP_CLIENT_ERROR_NO_PATH if there is no address to name, or %TEP_CLIENT_ERROR_CLOSED
 */
TEP_CLIENT_API char *
tep_client_call_describe (TepClientCall *call, const char *sdp, GError **error);

/**
 * tep_client_call_set_remote:
 * @call: a prepared call
 * @branch: whose description it is, such as the To-tag; several may answer one offer (fork)
 * @sdp: the far side's offer or answer
 * @error: return location
 *
 * The first time for a branch, starts ICE and opens the tunnel's flow beside it; ICE has 500 ms from
 * the answer (this call for an offerer, tep_client_call_describe() for an answerer), then the
 * tunnel carries the media. Again for the same branch (re-INVITE): a new remote gets a new flow, and
 * the old one is closed when the new one is open; new ICE credentials restart ICE, and the next
 * tep_client_call_describe() has new ones of ours; a direction, or the address 0.0.0.0 (hold),
 * changes nothing. One agent serves one branch at a time: the first that does ICE has it until
 * another one is confirmed, and other early branches are heard through the tunnel.
 *
 * Returns: %FALSE with %STUN_EXT_ERROR_SYNTAX, %TEP_CLIENT_ERROR_PROTOCOL if the section is missing
 * or was rejected (port 0), %TEP_CLIENT_ERROR_CLOSED if the call is over or not prepared,
 * %TEP_CLIENT_ERROR_QUOTA beyond 16 branches; the call is as it was
 */
TEP_CLIENT_API gboolean tep_client_call_set_remote (TepClientCall *call,
                                                    const char *branch,
                                                    const char *sdp,
                                                    GError **error);

/**
 * tep_client_call_confirm:
 * @call: a call
 * @branch: the one that was taken (200 OK)
 *
 * All other branches are closed. A lease that this branch has no use for is released when its
 * path is decided. A name that no description came with changes nothing.
 */
TEP_CLIENT_API void tep_client_call_confirm (TepClientCall *call, const char *branch);

/**
 * tep_client_call_restart_ice:
 * @call: a call
 *
 * New ICE credentials of ours; tep_client_call_describe(), a re-INVITE and its answer follow. The
 * tunnel carries media meanwhile, if there is one, otherwise what carried it before.
 */
TEP_CLIENT_API void tep_client_call_restart_ice (TepClientCall *call);

/**
 * tep_client_call_send:
 * @call: a call
 * @branch: (nullable): to whom; %NULL for the confirmed branch, or else the latest
 * @component: 1 or 2; 2 is not there after an answer with `a=rtcp-mux`
 * @data: (array length=length): one UDP payload
 * @length: octets in @data
 *
 * Returns: what became of it; %TEP_CLIENT_SENT_DOWN also as long as no path is decided
 */
TEP_CLIENT_API TepClientSent tep_client_call_send (
    TepClientCall *call, const char *branch, guint component, const guint8 *data, gsize length);

/**
 * TepClientCallReport:
 * @carrier: "ice", "tunnel", "direct", "none" (failed) or "undecided"
 * @decided_us: from the answer to the choice of @carrier; 0 while undecided
 * @first_media_us: from the answer to the first packet received; 0 before it
 * @ice_cause: (nullable): why ICE does not carry it; valid until the call's next event
 * @tunnel_cause: (nullable): likewise the tunnel
 *
 * Microseconds are at least 1 once they are known.
 */
typedef struct {
  const char *carrier;
  guint64 decided_us;
  guint64 first_media_us;
  const GError *ice_cause;
  const GError *tunnel_cause;
} TepClientCallReport;

/**
 * tep_client_call_get_report:
 * @call: a call
 * @branch: (nullable): as in tep_client_call_send()
 * @report: (out): how the media of that branch goes
 *
 * Returns: %FALSE if there is no such branch
 */
TEP_CLIENT_API gboolean tep_client_call_get_report (TepClientCall *call,
                                                    const char *branch,
                                                    TepClientCallReport *report);

/**
 * tep_client_call_get_flow:
 * @call: a call
 * @branch: (nullable): as in tep_client_call_send()
 * @component: 1 or 2
 *
 * Returns: (transfer none) (nullable): the tunnel's flow to that branch, for its quality
 */
TEP_CLIENT_API TepClientFlow *
tep_client_call_get_flow (TepClientCall *call, const char *branch, guint component);

/**
 * tep_client_call_hang_up:
 * @call: a call
 *
 * Closes all flows, releases the lease and ends ICE; nothing is called back any more. The server
 * closes the tunnel after the last flow unless the session stays. Idempotent; dropping the last
 * reference does the same.
 */
TEP_CLIENT_API void tep_client_call_hang_up (TepClientCall *call);

G_END_DECLS
