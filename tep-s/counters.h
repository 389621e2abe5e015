/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "tep-s/version.h"

G_BEGIN_DECLS

/*
 * Every number the server keeps about itself: identifier, metric family, label or NULL, whether it
 * is a gauge, help. Laws that hold at rest: opened = sum of closed + tunnels; packets in = packets
 * out + sum of drops, for each direction.
 */
#define TEP_SERVER_COUNTER_LIST(X)                                                                 \
  X (CONNECTIONS, "connections", NULL, TRUE, "TCP connections open now")                           \
  X (UNAUTHENTICATED, "connections_unauthenticated", NULL, TRUE, "of them not authenticated")      \
  X (ACCEPTED, "accepted_total", NULL, FALSE, "TCP connections accepted")                          \
  X (REFUSED_TOTAL, "refused_total", "reason=\"total\"", FALSE, "connections refused at accept")   \
  X (REFUSED_SOURCE, "refused_total", "reason=\"source\"", FALSE, "connections refused at accept") \
  X (REFUSED_EARLY, "refused_total", "reason=\"early\"", FALSE, "connections refused at accept")   \
  X (REFUSED_MEMORY, "refused_total", "reason=\"memory\"", FALSE, "connections refused at accept") \
  X (ACCEPT_PAUSES, "accept_pauses_total", NULL, FALSE,                                            \
     "times accepting stopped for lack of descriptors")                                            \
  X (CONNECTION_FOREIGN, "connections_closed_total", "reason=\"foreign\"", FALSE,                  \
     "connections closed by reason")                                                               \
  X (CONNECTION_DEADLINE, "connections_closed_total", "reason=\"deadline\"", FALSE,                \
     "connections closed by reason")                                                               \
  X (CONNECTION_BUDGET, "connections_closed_total", "reason=\"budget\"", FALSE,                    \
     "connections closed by reason")                                                               \
  X (CONNECTION_PROTOCOL, "connections_closed_total", "reason=\"protocol\"", FALSE,                \
     "connections closed by reason")                                                               \
  X (CONNECTION_TLS, "connections_closed_total", "reason=\"tls\"", FALSE,                          \
     "connections closed by reason")                                                               \
  X (CONNECTION_PEER, "connections_closed_total", "reason=\"peer\"", FALSE,                        \
     "connections closed by reason")                                                               \
  X (CONNECTION_STALLED, "connections_closed_total", "reason=\"stalled\"", FALSE,                  \
     "connections closed by reason")                                                               \
  X (CONNECTION_REPLACED, "connections_closed_total", "reason=\"replaced\"", FALSE,                \
     "connections closed by reason")                                                               \
  X (CONNECTION_DONE, "connections_closed_total", "reason=\"done\"", FALSE,                        \
     "connections closed by reason")                                                               \
  X (HANDED_OVER, "connections_handed_over_total", NULL, FALSE,                                    \
     "connections given to another worker")                                                        \
  X (TLS_HANDSHAKES, "tls_handshakes_total", NULL, FALSE, "TLS handshakes completed")              \
  X (WEB_ANSWERS, "web_answers_total", NULL, FALSE, "web requests that got the fixed answer")      \
  X (CONNECT_ACCEPTED, "connect_requests_total", "result=\"accepted\"", FALSE, "CONNECT requests") \
  X (CONNECT_REFUSED, "connect_requests_total", "result=\"refused\"", FALSE, "CONNECT requests")   \
  X (STUN_ANSWERS_TCP, "stun_answers_total", "carrier=\"tcp\"", FALSE, "plain STUN answers")       \
  X (STUN_ANSWERS_UDP, "stun_answers_total", "carrier=\"udp\"", FALSE, "plain STUN answers")       \
  X (STUN_ANSWERS_INNER, "stun_answers_total", "carrier=\"tunnel\"", FALSE, "plain STUN answers")  \
  X (STUN_LIMITED, "stun_limited_total", NULL, FALSE,                                              \
     "UDP requests left unanswered by the rate limit")                                             \
  X (STUN_IGNORED, "stun_ignored_total", NULL, FALSE,                                              \
     "UDP datagrams that were no Binding request")                                                 \
  X (OPENED, "tunnels_opened_total", NULL, FALSE, "tunnels opened")                                \
  X (TUNNELS, "tunnels", NULL, TRUE, "tunnels alive")                                              \
  X (JOINED, "tunnels_joined_total", NULL, FALSE, "connections that joined a tunnel")              \
  X (RESUMED, "tunnels_resumed_total", NULL, FALSE, "tunnels resumed")                             \
  X (CLOSED_CLIENT, "tunnels_closed_total", "reason=\"client\"", FALSE,                            \
     "tunnels closed by reason")                                                                   \
  X (CLOSED_UNCONFIRMED, "tunnels_closed_total", "reason=\"unconfirmed\"", FALSE,                  \
     "tunnels closed by reason")                                                                   \
  X (CLOSED_SILENT, "tunnels_closed_total", "reason=\"silent\"", FALSE,                            \
     "tunnels closed by reason")                                                                   \
  X (CLOSED_LINGER, "tunnels_closed_total", "reason=\"last-flow\"", FALSE,                         \
     "tunnels closed by reason")                                                                   \
  X (CLOSED_DRAIN, "tunnels_closed_total", "reason=\"drain\"", FALSE, "tunnels closed by reason")  \
  X (CLOSED_REVOKED, "tunnels_closed_total", "reason=\"revoked\"", FALSE,                          \
     "tunnels closed by reason")                                                                   \
  X (CLOSED_STOP, "tunnels_closed_total", "reason=\"stop\"", FALSE, "tunnels closed by reason")    \
  X (AUTH_CHALLENGED, "authentication_total", "result=\"challenged\"", FALSE,                      \
     "opening requests by result")                                                                 \
  X (AUTH_FAILED, "authentication_total", "result=\"failed\"", FALSE,                              \
     "opening requests by result")                                                                 \
  X (AUTH_STALE, "authentication_total", "result=\"stale\"", FALSE, "opening requests by result")  \
  X (AUTH_REPLAYED, "authentication_total", "result=\"replayed\"", FALSE,                          \
     "opening requests by result")                                                                 \
  X (AUTH_THROTTLED, "authentication_total", "result=\"throttled\"", FALSE,                        \
     "opening requests by result")                                                                 \
  X (AUTH_FORBIDDEN, "authentication_total", "result=\"forbidden\"", FALSE,                        \
     "opening requests by result")                                                                 \
  X (AUTH_QUOTA, "authentication_total", "result=\"quota\"", FALSE, "opening requests by result")  \
  X (MISMATCHES, "mismatches_total", NULL, FALSE, "Join, Resume and other requests answered 437")  \
  X (CHANNEL_BINDING_DIFFERENT, "channel_binding_different_total", NULL, FALSE,                    \
     "openings whose channel binding differed: a TLS-opening proxy is in the way")                 \
  X (BINDINGS, "bindings", NULL, TRUE, "bindings alive")                                           \
  X (FLOWS, "flows", NULL, TRUE, "flows alive")                                                    \
  X (LEASES_REFUSED, "leases_refused_total", NULL, FALSE, "Lease requests refused")                \
  X (FLOWS_REFUSED, "flows_refused_total", NULL, FALSE, "Open-Flow requests refused")              \
  X (UP_PACKETS, "packets_total", "direction=\"up\",side=\"in\"", FALSE, "inner packets")          \
  X (UP_FORWARDED, "packets_total", "direction=\"up\",side=\"out\"", FALSE, "inner packets")       \
  X (UP_OCTETS, "octets_total", "direction=\"up\",side=\"in\"", FALSE, "UDP payload octets")       \
  X (UP_FORWARDED_OCTETS, "octets_total", "direction=\"up\",side=\"out\"", FALSE,                  \
     "UDP payload octets")                                                                         \
  X (DOWN_PACKETS, "packets_total", "direction=\"down\",side=\"in\"", FALSE, "inner packets")      \
  X (DOWN_FORWARDED, "packets_total", "direction=\"down\",side=\"out\"", FALSE, "inner packets")   \
  X (DOWN_OCTETS, "octets_total", "direction=\"down\",side=\"in\"", FALSE, "UDP payload octets")   \
  X (DOWN_FORWARDED_OCTETS, "octets_total", "direction=\"down\",side=\"out\"", FALSE,              \
     "UDP payload octets")                                                                         \
  X (UP_DROP_MALFORMED, "drops_total", "direction=\"up\",reason=\"malformed\"", FALSE,             \
     "inner packets dropped")                                                                      \
  X (UP_DROP_SOURCE, "drops_total", "direction=\"up\",reason=\"source\"", FALSE,                   \
     "inner packets dropped")                                                                      \
  X (UP_DROP_UNKNOWN, "drops_total", "direction=\"up\",reason=\"unknown-flow\"", FALSE,            \
     "inner packets dropped")                                                                      \
  X (UP_DROP_DUPLICATE, "drops_total", "direction=\"up\",reason=\"duplicate\"", FALSE,             \
     "inner packets dropped")                                                                      \
  X (UP_DROP_POLICY, "drops_total", "direction=\"up\",reason=\"policy\"", FALSE,                   \
     "inner packets dropped")                                                                      \
  X (UP_DROP_RATE, "drops_total", "direction=\"up\",reason=\"bandwidth\"", FALSE,                  \
     "inner packets dropped")                                                                      \
  X (UP_DROP_SEND, "drops_total", "direction=\"up\",reason=\"send\"", FALSE,                       \
     "inner packets dropped")                                                                      \
  X (UP_DROP_LARGE, "drops_total", "direction=\"up\",reason=\"large\"", FALSE,                     \
     "inner packets dropped")                                                                      \
  X (UP_ANSWERED, "answered_total", NULL, FALSE, "inner packets answered by the server itself")    \
  X (DOWN_DROP_MALFORMED, "drops_total", "direction=\"down\",reason=\"malformed\"", FALSE,         \
     "inner packets dropped")                                                                      \
  X (DOWN_DROP_UNKNOWN, "drops_total", "direction=\"down\",reason=\"unknown-flow\"", FALSE,        \
     "inner packets dropped")                                                                      \
  X (DOWN_DROP_POLICY, "drops_total", "direction=\"down\",reason=\"policy\"", FALSE,               \
     "inner packets dropped")                                                                      \
  X (DOWN_DROP_RATE, "drops_total", "direction=\"down\",reason=\"bandwidth\"", FALSE,              \
     "inner packets dropped")                                                                      \
  X (DOWN_DROP_SLOW, "drops_total", "direction=\"down\",reason=\"slow-reader\"", FALSE,            \
     "inner packets dropped")                                                                      \
  X (DOWN_DROP_ABSENT, "drops_total", "direction=\"down\",reason=\"no-connection\"", FALSE,        \
     "inner packets dropped")                                                                      \
  X (DOWN_DROP_LARGE, "drops_total", "direction=\"down\",reason=\"large\"", FALSE,                 \
     "inner packets dropped")                                                                      \
  X (DOWN_DROP_BUNDLE, "drops_total", "direction=\"down\",reason=\"unsplit-bundle\"", FALSE,       \
     "inner packets dropped")                                                                      \
  X (DOWN_DROP_BUSY, "drops_total", "direction=\"down\",reason=\"busy-worker\"", FALSE,            \
     "inner packets dropped")                                                                      \
  X (CAPTURE_LOST, "capture_lost_total", NULL, FALSE,                                              \
     "packets that found no room in the capture buffer, in no other number")                       \
  X (DIVERTS_REFUSED, "diverts_refused_total", NULL, FALSE,                                        \
     "leases whose packets the media helper could not divert")                                     \
  X (HELPERS_LOST, "helpers_lost_total", NULL, FALSE,                                              \
     "workers that lost the media helper: no new leases until a restart")                          \
  X (FRAMES_NULL, "frames_ignored_total", "reason=\"null\"", FALSE, "frames without effect")       \
  X (FRAMES_UNKNOWN, "frames_ignored_total", "reason=\"unknown\"", FALSE, "frames without effect") \
  X (FRAMES_STUN, "frames_ignored_total", "reason=\"stun\"", FALSE, "frames without effect")       \
  X (DETECT_ANSWERED, "detect_datagrams_total", "result=\"answered\"", FALSE,                      \
     "datagrams for detection")                                                                    \
  X (DETECT_UNANSWERED, "detect_datagrams_total", "result=\"unanswered\"", FALSE,                  \
     "datagrams for detection")                                                                    \
  X (DETECT_TAKEN, "detect_connections_total", "result=\"taken\"", FALSE,                          \
     "TCP connections for detection")                                                              \
  X (DETECT_REFUSED, "detect_connections_total", "result=\"refused\"", FALSE,                      \
     "TCP connections for detection")                                                              \
  X (DETECT_CONNECTIONS, "detect_connections", NULL, TRUE, "of them open now")                     \
  X (DETECT_PROVEN, "detect_logins_total", "result=\"proven\"", FALSE,                             \
     "users of detection who signed a request")                                                    \
  X (DETECT_FAILED, "detect_logins_total", "result=\"failed\"", FALSE,                             \
     "users of detection who signed a request")                                                    \
  X (WAKEUPS, "wakeups_total", NULL, FALSE, "rounds of the packet loop")                           \
  X (MEMORY, "memory_octets", NULL, TRUE, "octets held for connections, tunnels and their output")

/**
 * TepServerCounter:
 *
 * Names the numbers of %TEP_SERVER_COUNTER_LIST, as TEP_SERVER_COUNTER_TUNNELS and so on.
 */
typedef enum {
#define TEP_SERVER_COUNTER_ENUM(id, family, label, is_gauge, help) TEP_SERVER_COUNTER_##id,
  TEP_SERVER_COUNTER_LIST (TEP_SERVER_COUNTER_ENUM)
#undef TEP_SERVER_COUNTER_ENUM
  TEP_SERVER_N_COUNTERS,
} TepServerCounter;

/**
 * TepServerCounterInfo:
 * @family: name without prefix, such as "packets_total"; equal families follow one another except
 * "packets_total", "octets_total" and "drops_total", whose directions alternate
 * @label: (nullable): labels as Prometheus writes them, without braces
 * @is_gauge: whether the number can fall
 * @help: what it counts
 */
typedef struct {
  const char *family;
  const char *label;
  gboolean is_gauge;
  const char *help;
} TepServerCounterInfo;

/**
 * TepServerCounters:
 * @values: one number for each #TepServerCounter
 */
typedef struct {
  guint64 values[TEP_SERVER_N_COUNTERS];
} TepServerCounters;

/**
 * tep_server_counter_info:
 * @counter: which number
 *
 * Any thread.
 *
 * Returns: (transfer none) (nullable): name and meaning; %NULL if there is no such counter
 */
TEP_SERVER_API const TepServerCounterInfo *tep_server_counter_info (TepServerCounter counter);

G_END_DECLS
