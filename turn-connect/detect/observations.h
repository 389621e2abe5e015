/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stun-ext/address.h"
#include "turn-connect/version.h"

#include <glib.h>

G_BEGIN_DECLS

/* What was seen of a network: facts without judgement. A run of TurnConnectDetection fills it in,
 * turn-connect/detect/record.h keeps it as JSON, turn_connect_classify() makes a verdict of it.
 * Plain data: one thread at a time. Words in brackets are those of the record and of reports. */

#define TURN_CONNECT_OBSERVATIONS_SCHEMA 1
#define TURN_CONNECT_RUN_ID_SIZE 16               /* octets */
#define TURN_CONNECT_OBSERVATIONS_MAX_PROBES 4096 /* arbitrary; a deep run has some hundred */

/**
 * TurnConnectProbeKind:
 * @TURN_CONNECT_PROBE_STUN: "stun": a Binding request to a port, by UDP
 * @TURN_CONNECT_PROBE_PORT: "port": a TCP connection and a Binding request over it
 * @TURN_CONNECT_PROBE_DECOY: "decoy": a TCP connection where nobody listens; that it comes about
 * shows that somebody on the way accepts connections for others
 * @TURN_CONNECT_PROBE_FILTERING: "filtering": who may answer; the variant says whence the answer
 * was asked for: "change-ip-port", "change-port"
 * @TURN_CONNECT_PROBE_FILTERING_CONTROL: "filtering-control": the same address after it was sent
 * to; the variant is that of the probe it is the control for
 * @TURN_CONNECT_PROBE_MAPPING: "mapping": as which address we appear; the variant says to whom:
 * "s1p1", "s1p2", "s2p1", "s2p2", "s1p1-again"
 * @TURN_CONNECT_PROBE_PAYLOAD: "payload": a port is sent octets of one class, named by the variant
 * @TURN_CONNECT_PROBE_PROXY: "proxy": CONNECT through a proxy
 * @TURN_CONNECT_PROBE_PORTAL: "portal": a web page whose right answer is known
 * @TURN_CONNECT_PROBE_NAME: "name": a question to the name service
 * @TURN_CONNECT_PROBE_GATEWAY: "gateway": the router is asked for its address; the variant is the
 * protocol: "pcp", "nat-pmp", "ssdp"
 * @TURN_CONNECT_PROBE_TLS: "tls": do both ends of a TLS connection see the same one
 * @TURN_CONNECT_PROBE_RECORD: "record": the far end's own record of what arrived, or its self-test
 * @TURN_CONNECT_PROBE_METHOD: "method": a way of carrying a call, tried with packets; the variant
 * names it. Round 1: for 15 s
 * @TURN_CONNECT_PROBE_LIFETIME: "lifetime": is what is silent still remembered after the seconds of
 * the fact "idle_s"; the variant says what went before: "exchange", "call". A silence counts where the
 * fact "control" is "answered". Of TCP "ended" is how a connection ended before its time, if it did:
 * "closed", "reset", after "ended_s"; then it is no silence, for the far end may have ended it
 * @TURN_CONNECT_PROBE_MTU: "mtu": which sizes pass; the variant says which way: "there", "back"; facts:
 * "passed", "lost", "icmp_mtu", octets of packets. "tcp-mss": what TCP says of it at both ends
 * @TURN_CONNECT_PROBE_HOP: "hop": octets of the class named by the variant, sent no further than the fact
 * "hops" says; of a control they are of a class that passes. Silence: nothing came. "unreachable": a router
 * said that they ended there; over UDP the fact "router" is its address
 *
 * What a probe asks.
 */
typedef enum {
  TURN_CONNECT_PROBE_STUN,
  TURN_CONNECT_PROBE_PORT,
  TURN_CONNECT_PROBE_DECOY,
  TURN_CONNECT_PROBE_FILTERING,
  TURN_CONNECT_PROBE_FILTERING_CONTROL,
  TURN_CONNECT_PROBE_MAPPING,
  TURN_CONNECT_PROBE_PAYLOAD,
  TURN_CONNECT_PROBE_PROXY,
  TURN_CONNECT_PROBE_PORTAL,
  TURN_CONNECT_PROBE_NAME,
  TURN_CONNECT_PROBE_GATEWAY,
  TURN_CONNECT_PROBE_TLS,
  TURN_CONNECT_PROBE_RECORD,
  TURN_CONNECT_PROBE_METHOD,
  TURN_CONNECT_PROBE_LIFETIME,
  TURN_CONNECT_PROBE_MTU,
  TURN_CONNECT_PROBE_HOP,
} TurnConnectProbeKind;
#define TURN_CONNECT_N_PROBE_KINDS (TURN_CONNECT_PROBE_HOP + 1)

/**
 * TurnConnectOutcome:
 * @TURN_CONNECT_OUTCOME_PENDING: "pending": not ended yet
 * @TURN_CONNECT_OUTCOME_PROOF: "proof": the right answer, and proven to be the far end's
 * @TURN_CONNECT_OUTCOME_ANSWER: "answer": the right answer, from a server that proves nothing
 * @TURN_CONNECT_OUTCOME_ALTERED: "altered": somebody on the way changed what was sent
 * @TURN_CONNECT_OUTCOME_WRONG_ANSWER: "wrong-answer": something else answered, or lied
 * @TURN_CONNECT_OUTCOME_WRONG_SOURCE: "wrong-source": the right answer from an address not asked
 * @TURN_CONNECT_OUTCOME_DENIED: "denied": who was asked said no; the code says how
 * @TURN_CONNECT_OUTCOME_UNSUPPORTED: "unsupported": who was asked cannot do this
 * @TURN_CONNECT_OUTCOME_CONNECTED: "connected": the connection came about, no answer over it
 * @TURN_CONNECT_OUTCOME_SILENCE: "silence": nothing until the deadline
 * @TURN_CONNECT_OUTCOME_REFUSED: "refused": reset instead of a connection, or ICMP port unreachable
 * @TURN_CONNECT_OUTCOME_UNREACHABLE: "unreachable": no route, or another ICMP error
 * @TURN_CONNECT_OUTCOME_RESET: "reset": a connection was reset after it had come about
 * @TURN_CONNECT_OUTCOME_CLOSED: "closed": it was ended in order, without an answer
 * @TURN_CONNECT_OUTCOME_FAILED: "failed": this machine could not ask; nothing is learnt
 * @TURN_CONNECT_OUTCOME_SKIPPED: "skipped": not asked; the detail says why
 * @TURN_CONNECT_OUTCOME_CANCELLED: "cancelled": the run ended before
 *
 * What came of a probe.
 */
typedef enum {
  TURN_CONNECT_OUTCOME_PENDING,
  TURN_CONNECT_OUTCOME_PROOF,
  TURN_CONNECT_OUTCOME_ANSWER,
  TURN_CONNECT_OUTCOME_ALTERED,
  TURN_CONNECT_OUTCOME_WRONG_ANSWER,
  TURN_CONNECT_OUTCOME_WRONG_SOURCE,
  TURN_CONNECT_OUTCOME_DENIED,
  TURN_CONNECT_OUTCOME_UNSUPPORTED,
  TURN_CONNECT_OUTCOME_CONNECTED,
  TURN_CONNECT_OUTCOME_SILENCE,
  TURN_CONNECT_OUTCOME_REFUSED,
  TURN_CONNECT_OUTCOME_UNREACHABLE,
  TURN_CONNECT_OUTCOME_RESET,
  TURN_CONNECT_OUTCOME_CLOSED,
  TURN_CONNECT_OUTCOME_FAILED,
  TURN_CONNECT_OUTCOME_SKIPPED,
  TURN_CONNECT_OUTCOME_CANCELLED,
} TurnConnectOutcome;
#define TURN_CONNECT_N_OUTCOMES (TURN_CONNECT_OUTCOME_CANCELLED + 1)

/**
 * TurnConnectCarry:
 * @TURN_CONNECT_CARRY_NONE: "none"
 * @TURN_CONNECT_CARRY_UDP: "udp"
 * @TURN_CONNECT_CARRY_TCP: "tcp"
 * @TURN_CONNECT_CARRY_TLS: "tls", over TCP
 *
 * What carries a probe to the far end.
 */
typedef enum {
  TURN_CONNECT_CARRY_NONE,
  TURN_CONNECT_CARRY_UDP,
  TURN_CONNECT_CARRY_TCP,
  TURN_CONNECT_CARRY_TLS,
} TurnConnectCarry;
#define TURN_CONNECT_N_CARRIES (TURN_CONNECT_CARRY_TLS + 1)

/**
 * TurnConnectProof:
 * @TURN_CONNECT_PROOF_NONE: "none": the server proved nothing
 * @TURN_CONNECT_PROOF_UNKEYED: "unkeyed": it speaks our protocol, so no box that answers by rote
 * @TURN_CONNECT_PROOF_KEYED: "keyed": it knows the user's password
 *
 * Who answered, as far as that was proven.
 */
typedef enum {
  TURN_CONNECT_PROOF_NONE,
  TURN_CONNECT_PROOF_UNKEYED,
  TURN_CONNECT_PROOF_KEYED,
} TurnConnectProof;
#define TURN_CONNECT_N_PROOFS (TURN_CONNECT_PROOF_KEYED + 1)

/**
 * TurnConnectFarSaw:
 * @TURN_CONNECT_FAR_SAW_UNKNOWN: "unknown": there is no record of it
 * @TURN_CONNECT_FAR_SAW_NOTHING: "nothing": nothing arrived
 * @TURN_CONNECT_FAR_SAW_CONNECTION: "connection": the connection, and no octet over it
 * @TURN_CONNECT_FAR_SAW_ALL: "all": what was sent, and it was answered
 * @TURN_CONNECT_FAR_SAW_OTHER: "other": something else than what was sent
 *
 * What the far end's record says of a probe.
 */
typedef enum {
  TURN_CONNECT_FAR_SAW_UNKNOWN,
  TURN_CONNECT_FAR_SAW_NOTHING,
  TURN_CONNECT_FAR_SAW_CONNECTION,
  TURN_CONNECT_FAR_SAW_ALL,
  TURN_CONNECT_FAR_SAW_OTHER,
} TurnConnectFarSaw;
#define TURN_CONNECT_N_FAR_SAWS (TURN_CONNECT_FAR_SAW_OTHER + 1)

/**
 * TurnConnectQuality:
 * @set_up_us: from nothing until the first packet could go, us
 * @n_sent: packets sent, 0 where none was
 * @n_received: packets that came back
 * @n_reordered: of these, how many after a later one
 * @n_late: of these, how many took 60 ms more than the median: too late for whoever listens
 * @longest_gap: the most packets lost in a row
 * @rtt_us: median of the round trips, us
 * @rtt_p95_us: 95 of a hundred were faster, us
 * @jitter_us: RFC 3550 section 6.4.1, us
 * @size: octets of a packet
 *
 * How well packets passed.
 */
typedef struct {
  gint64 set_up_us;
  guint n_sent;
  guint n_received;
  guint n_reordered;
  guint n_late;
  guint longest_gap;
  gint64 rtt_us;
  gint64 rtt_p95_us;
  gint64 jitter_us;
  guint size;
} TurnConnectQuality;

/**
 * TurnConnectProbe:
 * @kind: what was asked
 * @variant: (nullable): how, see the kind
 * @carry: what carried it
 * @family: 4 or 6; 0 where that does not apply
 * @is_control: it is there to show that others would have worked
 * @target: whom we asked, with the port
 * @via: (nullable): URL of the proxy, without credentials
 * @group: probes that shared a socket have the same number; 0 for one of its own
 * @round: which repetition, from 0
 * @start_us: when it began, us from the beginning of the run
 * @deadline_us: until when an answer counts, us from the beginning of the run
 * @end_us: when it ended, us from the beginning of the run; -1 before
 * @attempts: how often it was sent
 * @answers: how many answers came, wrong ones included
 * @outcome: what came of it
 * @proof: who answered, as far as proven
 * @far_saw: what the far end says of it
 * @connect_us: how long until the connection stood, us; -1 without
 * @rtt_us: round trip of the answer, us; -1 without
 * @local: our end
 * @mapped: our end as the far end sees it
 * @source: whence the answer came
 * @origin: whence the server says that it sent the answer (RESPONSE-ORIGIN)
 * @other: the server's other address (OTHER-ADDRESS)
 * @code: HTTP status, STUN error code, ICMP type and code (type * 256 + code); 0 without
 * @detail: (nullable): the same for people
 * @facts: (nullable) (element-type utf8 utf8): what only this kind has, as text
 * @quality: for methods
 *
 * One question, and what came of it. "No address" stands where there is none.
 */
typedef struct {
  TurnConnectProbeKind kind;
  char *variant;
  TurnConnectCarry carry;
  guint8 family;
  gboolean is_control;
  StunExtAddress target;
  char *via;
  guint group;
  guint round;
  gint64 start_us;
  gint64 deadline_us;
  gint64 end_us;
  guint attempts;
  guint answers;
  TurnConnectOutcome outcome;
  TurnConnectProof proof;
  TurnConnectFarSaw far_saw;
  gint64 connect_us;
  gint64 rtt_us;
  StunExtAddress local;
  StunExtAddress mapped;
  StunExtAddress source;
  StunExtAddress origin;
  StunExtAddress other;
  guint code;
  char *detail;
  GHashTable *facts;
  TurnConnectQuality quality;
} TurnConnectProbe;

/**
 * TurnConnectListener:
 * @carry: UDP or TCP
 * @port: the port
 * @heard_ago_s: seconds since somebody from outside was heard there; -1 if never or not told
 * @is_front_door: what comes there is for the far end's tunnels first: it does not speak before the client
 *
 * A port on which the far end says that it listens.
 */
typedef struct {
  TurnConnectCarry carry;
  guint16 port;
  gint heard_ago_s;
  gboolean is_front_door;
} TurnConnectListener;

/**
 * TurnConnectObservations:
 * @host: the far end as it was named
 * @port: its port as it was named
 * @run_id: what marks the probes of this run
 * @began: (nullable): date and time, ISO 8601
 * @took_us: how long the run took, us
 * @interface: (nullable): to which it was bound
 * @software: (nullable): of the far end
 * @is_far_end: the server speaks our protocol, not STUN alone
 * @has_second_address: the server can answer from a second address
 * @resolve_error: (nullable): why the name has no address here
 * @locals: (element-type StunExtAddress): addresses of this machine, as #GArray
 * @servers: (element-type StunExtAddress): addresses of the far end, as #GArray
 * @listeners: (element-type TurnConnectListener): where the far end says it listens, as #GArray;
 * empty if it says nothing
 * @facts: (element-type utf8 utf8): of this machine: "gateway", "vpn", "resolver"...
 * @probes: (element-type TurnConnectProbe): in the order of their beginning
 *
 * All that a run saw.
 */
typedef struct {
  char *host;
  guint port;
  guint8 run_id[TURN_CONNECT_RUN_ID_SIZE];
  char *began;
  gint64 took_us;
  char *interface;
  char *software;
  gboolean is_far_end;
  gboolean has_second_address;
  char *resolve_error;
  GArray *locals;
  GArray *servers;
  GArray *listeners;
  GHashTable *facts;
  GPtrArray *probes;
} TurnConnectObservations;

/**
 * turn_connect_observations_new:
 *
 * Returns: (transfer full): nothing seen
 */
TURN_CONNECT_API TurnConnectObservations *turn_connect_observations_new (void);

/**
 * turn_connect_observations_free:
 * @observations: (nullable): observations
 */
TURN_CONNECT_API void turn_connect_observations_free (TurnConnectObservations *observations);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TurnConnectObservations, turn_connect_observations_free)

/**
 * turn_connect_observations_add:
 * @observations: observations
 * @kind: what is asked
 * @variant: (nullable): how
 *
 * Begins a probe: pending, with no address, no time, no answer.
 *
 * Returns: (transfer none): the probe
 */
TURN_CONNECT_API TurnConnectProbe *turn_connect_observations_add (
    TurnConnectObservations *observations, TurnConnectProbeKind kind, const char *variant);

/**
 * turn_connect_probe_set_fact:
 * @probe: a probe
 * @key: what it is about
 * @value: (nullable): what it is; %NULL takes it away
 */
TURN_CONNECT_API void
turn_connect_probe_set_fact (TurnConnectProbe *probe, const char *key, const char *value);

/**
 * turn_connect_probe_get_fact:
 * @probe: a probe
 * @key: what it is about
 *
 * Returns: (transfer none) (nullable): what it is
 */
TURN_CONNECT_API const char *turn_connect_probe_get_fact (const TurnConnectProbe *probe,
                                                          const char *key);

/**
 * turn_connect_probe_passed:
 * @probe: a probe
 *
 * Returns: %TRUE if the right answer came, proven or not
 */
TURN_CONNECT_API gboolean turn_connect_probe_passed (const TurnConnectProbe *probe);

/**
 * turn_connect_probe_kind_to_string:
 * @kind: a kind; any number
 *
 * Returns: (transfer none): its word
 */
TURN_CONNECT_API const char *turn_connect_probe_kind_to_string (TurnConnectProbeKind kind);

/**
 * turn_connect_outcome_to_string:
 * @outcome: an outcome; any number
 *
 * Returns: (transfer none): its word
 */
TURN_CONNECT_API const char *turn_connect_outcome_to_string (TurnConnectOutcome outcome);

/**
 * turn_connect_carry_to_string:
 * @carry: a carrier; any number
 *
 * Returns: (transfer none): its word
 */
TURN_CONNECT_API const char *turn_connect_carry_to_string (TurnConnectCarry carry);

/**
 * turn_connect_proof_to_string:
 * @proof: a proof; any number
 *
 * Returns: (transfer none): its word
 */
TURN_CONNECT_API const char *turn_connect_proof_to_string (TurnConnectProof proof);

/**
 * turn_connect_far_saw_to_string:
 * @far_saw: what the far end saw; any number
 *
 * Returns: (transfer none): its word
 */
TURN_CONNECT_API const char *turn_connect_far_saw_to_string (TurnConnectFarSaw far_saw);

G_END_DECLS
