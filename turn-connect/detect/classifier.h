/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/detect/observations.h"
#include "turn-connect/version.h"

#include <glib.h>

G_BEGIN_DECLS

/**
 * TurnConnectTell:
 * @TURN_CONNECT_TELL_UNKNOWN: not determined; null in JSON
 * @TURN_CONNECT_TELL_NO: no
 * @TURN_CONNECT_TELL_YES: yes
 *
 * An answer that may be missing, and is then never guessed.
 */
typedef enum {
  TURN_CONNECT_TELL_UNKNOWN,
  TURN_CONNECT_TELL_NO,
  TURN_CONNECT_TELL_YES,
} TurnConnectTell;

/**
 * TurnConnectConfidence:
 * @TURN_CONNECT_CONFIDENCE_NOT_DETERMINED: "not-determined": nothing was concluded
 * @TURN_CONNECT_CONFIDENCE_SUSPECTED: "suspected": one difference, or no control for a silence
 * @TURN_CONNECT_CONFIDENCE_PROBABLE: "probable": repeated and controlled, from this end alone
 * @TURN_CONNECT_CONFIDENCE_CONFIRMED: "confirmed": repeated, controlled, and the far end agrees,
 * which proved to know the user's password, or its name by a certificate
 */
typedef enum {
  TURN_CONNECT_CONFIDENCE_NOT_DETERMINED,
  TURN_CONNECT_CONFIDENCE_SUSPECTED,
  TURN_CONNECT_CONFIDENCE_PROBABLE,
  TURN_CONNECT_CONFIDENCE_CONFIRMED,
} TurnConnectConfidence;

/**
 * TurnConnectBehaviour:
 * @TURN_CONNECT_BEHAVIOUR_UNKNOWN: not determined; null in JSON
 * @TURN_CONNECT_BEHAVIOUR_INDEPENDENT: "endpoint-independent"
 * @TURN_CONNECT_BEHAVIOUR_ADDRESS: "address-dependent"
 * @TURN_CONNECT_BEHAVIOUR_ADDRESS_AND_PORT: "address-and-port-dependent"
 *
 * Mapping or filtering (RFC 4787 sections 4.1 and 5).
 */
typedef enum {
  TURN_CONNECT_BEHAVIOUR_UNKNOWN,
  TURN_CONNECT_BEHAVIOUR_INDEPENDENT,
  TURN_CONNECT_BEHAVIOUR_ADDRESS,
  TURN_CONNECT_BEHAVIOUR_ADDRESS_AND_PORT,
} TurnConnectBehaviour;

/**
 * TurnConnectReach:
 * @TURN_CONNECT_REACH_UNKNOWN: "not-determined": silence, and nobody says that the server listens
 * @TURN_CONNECT_REACH_OPEN: "open": the right answer came from there
 * @TURN_CONNECT_REACH_CONNECTED: "connected": TCP comes about, and nothing was answered over it
 * @TURN_CONNECT_REACH_BLOCKED: "blocked": the server listens there, and nothing passes
 *
 * What became of a port.
 */
typedef enum {
  TURN_CONNECT_REACH_UNKNOWN,
  TURN_CONNECT_REACH_OPEN,
  TURN_CONNECT_REACH_CONNECTED,
  TURN_CONNECT_REACH_BLOCKED,
} TurnConnectReach;

/**
 * TurnConnectWay:
 * @TURN_CONNECT_WAY_UNKNOWN: "not-determined": no proxy was looked for
 * @TURN_CONNECT_WAY_NONE: "none": no proxy is known
 * @TURN_CONNECT_WAY_WORKS: "works": the far end answers through it
 * @TURN_CONNECT_WAY_CREDENTIALS: "credentials": it wants to know who is asking
 * @TURN_CONNECT_WAY_POLICY: "policy": it does not let us through to the far end
 * @TURN_CONNECT_WAY_DEAD: "dead": it does not answer, or does not speak HTTP
 *
 * What became of the way through an HTTP proxy.
 */
typedef enum {
  TURN_CONNECT_WAY_UNKNOWN,
  TURN_CONNECT_WAY_NONE,
  TURN_CONNECT_WAY_WORKS,
  TURN_CONNECT_WAY_CREDENTIALS,
  TURN_CONNECT_WAY_POLICY,
  TURN_CONNECT_WAY_DEAD,
} TurnConnectWay;

#define TURN_CONNECT_TYPE_UNKNOWN (-1) /* a type that is not determined */
#define TURN_CONNECT_NO_PROBE (-1)     /* nothing that stands behind it */

/**
 * TurnConnectPort:
 * @carry: UDP or TCP
 * @port: the port
 * @reach: what became of it
 * @rtt_us: shortest round trip, us; -1 without
 * @probe: index of the probe that shows it
 */
typedef struct {
  TurnConnectCarry carry;
  guint16 port;
  TurnConnectReach reach;
  gint64 rtt_us;
  gint probe;
} TurnConnectPort;

/**
 * TurnConnectProxyPort:
 * @port: the far end's port
 * @state: "works": the far end proved itself through CONNECT to it; else what became of CONNECT:
 * "allowed", "refused", "credentials", "wrong-credentials", "upstream", "unreachable", "closed",
 * "silent", "no-proxy", "failed"
 * @code: HTTP status with which it was refused, or 0
 * @probe: index of the probe that shows it
 */
typedef struct {
  guint16 port;
  const char *state;
  guint code;
  gint probe;
} TurnConnectProxyPort;

/**
 * TurnConnectFamilyVerdict:
 * @family: 4 or 6
 * @is_tried: something was sent
 * @translated: is our address changed on the way
 * @mapping: by which the address is chosen, where it is changed
 * @filtering: who may send to it
 * @nat_confidence: how sure mapping and filtering are
 * @is_pool: several public addresses take turns; no, only where as many sockets as tell had the same
 * @udp: does any UDP pass
 * @tcp: does any TCP pass
 * @is_intercepted: somebody on the way accepts TCP connections for others
 * @ports: (element-type TurnConnectPort): what became of each, by transport and number
 * @types: types 1 to 7 that hold, bit 1 << type
 * @confidence: of the highest of these
 * @is_determined: @types says all there is to say; if not, some question stayed open
 * @is_udp_only: UDP passes and TCP does not, which none of the nine types is
 *
 * What is known of IPv4 or of IPv6.
 */
typedef struct {
  guint8 family;
  gboolean is_tried;
  TurnConnectTell translated;
  TurnConnectBehaviour mapping;
  TurnConnectBehaviour filtering;
  TurnConnectConfidence nat_confidence;
  TurnConnectTell is_pool;
  TurnConnectTell udp;
  TurnConnectTell tcp;
  TurnConnectTell is_intercepted;
  GArray *ports;
  guint types;
  TurnConnectConfidence confidence;
  gboolean is_determined;
  gboolean is_udp_only;
} TurnConnectFamilyVerdict;

/**
 * TurnConnectInspection:
 * @is_seen: does what passes depend on what it says
 * @confidence: how sure that is
 * @is_in_doubt: it is suspected, or what failed did so beside a control that failed too: neither shown
 * nor excluded
 * @tls_opened: somebody on the way has TLS end at himself
 * @blocked: (element-type utf8): classes of octets that do not pass where others do
 * @passing: (element-type utf8): classes that do
 * @mechanism: (nullable): "drop", "late-drop", "reset", "close", "forged-answer", "altered"
 * @is_near: resets came before anything can have been at the far end and back
 * @hop: how many hops octets have to go to be held back: who does it is there, or one before; 0 where
 * that is not known
 * @port: where it was seen
 * @probe: index of the probe that shows it
 */
typedef struct {
  TurnConnectTell is_seen;
  TurnConnectConfidence confidence;
  gboolean is_in_doubt;
  TurnConnectTell tls_opened;
  GPtrArray *blocked;
  GPtrArray *passing;
  const char *mechanism;
  TurnConnectTell is_near;
  guint hop;
  guint16 port;
  gint probe;
} TurnConnectInspection;

/**
 * TurnConnectMethod:
 * @name: as the probe's variant
 * @works: did so many packets come back that people can talk: of 16, 11 (two thirds, for there and
 * back); of longer runs, as many in time
 * @quality: how well they passed
 * @loss: 0 to 1; 1 where none was sent
 * @mos: estimate, 1 to 4.5 (ITU-T G.107, G.711 with concealment); 0 without
 * @probe: index of the probe
 * @config: (nullable): where it works, what makes it used: a command line of tep-c(1) or
 * turn-connect(1) with words in capitals to fill in, or a URI for TURN clients; %NULL where nothing
 * is needed
 */
typedef struct {
  const char *name;
  TurnConnectTell works;
  TurnConnectQuality quality;
  double loss;
  double mos;
  gint probe;
  char *config;
} TurnConnectMethod;

/**
 * TurnConnectLifetime:
 * @family: 4 or 6
 * @carry: UDP or TCP
 * @name: as the probe's variant: "exchange", one request and its answer, or "call", some seconds of them
 * @kept_s: longest silence after which it was remembered, s; 0 for none
 * @forgotten_s: shortest longer one after which it was not, s; 0 for none
 * @is_unsteady: shorter silences than @kept_s were not survived
 * @probe: index of the probe that shows the shortest that was not survived, or else the longest that was
 *
 * How long what is silent is remembered on the way. Whoever sends every @kept_s seconds is safe.
 */
typedef struct {
  guint8 family;
  TurnConnectCarry carry;
  const char *name;
  guint kept_s;
  guint forgotten_s;
  gboolean is_unsteady;
  gint probe;
} TurnConnectLifetime;

/**
 * TurnConnectSizes:
 * @family: 4 or 6
 * @there: octets of the largest packet that reaches the far end; 0 where that is not determined
 * @back: of the largest, up to @there, that comes back; 0 where that is not determined
 * @icmp: what the network said of larger ones; 0 if nothing
 * @is_black_hole: larger ones vanish, and nobody says so
 * @mss_said: octets of a segment, as our SYN said; 0 where that is not determined
 * @mss_arrived: the same as it arrived at the far end
 * @probe: index of the probe that shows it
 *
 * Which packets pass unfragmented.
 */
typedef struct {
  guint8 family;
  guint there;
  guint back;
  guint icmp;
  gboolean is_black_hole;
  guint mss_said;
  guint mss_arrived;
  gint probe;
} TurnConnectSizes;

/**
 * TurnConnectAdvice:
 * @protocol: "UDP", "TCP", "HTTP CONNECT", "TLS"
 * @host: the far end
 * @port: its port
 * @text: what to ask for
 * @probe: index of the probe that failed for want of it
 */
typedef struct {
  const char *protocol;
  char *host;
  guint16 port;
  char *text;
  gint probe;
} TurnConnectAdvice;

/**
 * TurnConnectVerdict:
 * @type: 0 nothing in the way, 1 to 9 as TR 33.830 clause 4.3: the most restrictive that holds;
 * %TURN_CONNECT_TYPE_UNKNOWN where that is not determined, or is none of these
 * @types: all types that hold, bit 1 << type
 * @confidence: of @type
 * @families: IPv4, IPv6
 * @main_family: 4 or 6: of which @type speaks; 0 where nothing was tried
 * @proxy: the way through a proxy
 * @proxy_url: (nullable): which one
 * @proxy_code: HTTP status with which it refused, or 0
 * @proxy_probe: index of the probe that shows it
 * @proxy_source: (nullable): where it is named: "explicit", "environment", "system", "pac"
 * @proxy_schemes: (nullable): how it wants to know who is asking, as "negotiate, basic"
 * @proxy_opens_tls: does TLS through it end at it
 * @proxy_ports: (element-type TurnConnectProxyPort): to which ports it lets CONNECT through
 * @transparent: does a proxy that nobody named stand on port 80
 * @transparent_probe: index of the probe that shows it
 * @inspection: dependence on content
 * @portal: does a captive portal stand in the way
 * @nat64: is IPv4 reached by translation from IPv6
 * @nat64_prefix: (nullable): under which prefix, as "64:ff9b::/96"
 * @carrier_nat: is there a further translation beyond the router
 * @works: does a call get through, by whichever method: no, if all that were tried fail, or nothing
 * reaches the far end; SIP alone is no call
 * @is_server_down: machines on the way answer, the server does not
 * @methods: (element-type TurnConnectMethod): tried methods, best first
 * @lifetimes: (element-type TurnConnectLifetime): of deep runs: how long what is silent is remembered
 * @sizes: (element-type TurnConnectSizes): of deep runs: which sizes of packets pass
 * @reasons: (element-type utf8): sentences: why, and what stayed open
 * @advice: (element-type TurnConnectAdvice): what to ask the firewall's owner for
 *
 * What observations mean.
 */
typedef struct {
  gint type;
  guint types;
  TurnConnectConfidence confidence;
  TurnConnectFamilyVerdict families[2];
  guint8 main_family;
  TurnConnectWay proxy;
  char *proxy_url;
  guint proxy_code;
  gint proxy_probe;
  const char *proxy_source;
  const char *proxy_schemes;
  TurnConnectTell proxy_opens_tls;
  GArray *proxy_ports;
  TurnConnectTell transparent;
  gint transparent_probe;
  TurnConnectInspection inspection;
  TurnConnectTell portal;
  TurnConnectTell nat64;
  char *nat64_prefix;
  TurnConnectTell carrier_nat;
  TurnConnectTell works;
  gboolean is_server_down;
  GArray *methods;
  GArray *lifetimes;
  GArray *sizes;
  GPtrArray *reasons;
  GPtrArray *advice;
} TurnConnectVerdict;

/**
 * TurnConnectExit:
 * @TURN_CONNECT_EXIT_FREE: nothing is in the way
 * @TURN_CONNECT_EXIT_FALLBACK: something is, and a call gets through
 * @TURN_CONNECT_EXIT_NOTHING: no call gets through
 * @TURN_CONNECT_EXIT_UNDETERMINED: it could not be determined
 * @TURN_CONNECT_EXIT_UNAVAILABLE: the server is not there
 * @TURN_CONNECT_EXIT_INTERNAL: the verdict could not be told; never a verdict
 *
 * The verdict in one number, which is tep-detect's exit status.
 */
typedef enum {
  TURN_CONNECT_EXIT_FREE = 0,
  TURN_CONNECT_EXIT_FALLBACK = 1,
  TURN_CONNECT_EXIT_NOTHING = 2,
  TURN_CONNECT_EXIT_UNDETERMINED = 3,
  TURN_CONNECT_EXIT_UNAVAILABLE = 69,
  TURN_CONNECT_EXIT_INTERNAL = 70,
} TurnConnectExit;

/**
 * turn_connect_classify:
 * @observations: any observations, borrowed for as long as the verdict lives
 *
 * Says what observations mean. A pure function: the same observations give the same verdict, and
 * every set of them gives one, in which what they do not show is not determined. Any thread.
 *
 * Returns: (transfer full): the verdict
 */
TURN_CONNECT_API TurnConnectVerdict *
turn_connect_classify (const TurnConnectObservations *observations);

/**
 * turn_connect_verdict_free:
 * @verdict: (nullable): a verdict
 */
TURN_CONNECT_API void turn_connect_verdict_free (TurnConnectVerdict *verdict);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TurnConnectVerdict, turn_connect_verdict_free)

/**
 * turn_connect_verdict_get_exit:
 * @verdict: a verdict
 *
 * Returns: the verdict in one number
 */
TURN_CONNECT_API TurnConnectExit turn_connect_verdict_get_exit (const TurnConnectVerdict *verdict);

/**
 * turn_connect_verdict_get_family:
 * @verdict: a verdict
 *
 * Returns: (transfer none): what is known of the main family; of IPv4 where nothing was tried
 */
TURN_CONNECT_API const TurnConnectFamilyVerdict *
turn_connect_verdict_get_family (const TurnConnectVerdict *verdict);

/**
 * turn_connect_verdict_get_headline:
 * @verdict: a verdict
 *
 * Returns: (transfer none): its type in a few words; what is known to be in the way although it is none
 * of the nine; or that it is not determined
 */
TURN_CONNECT_API const char *turn_connect_verdict_get_headline (const TurnConnectVerdict *verdict);

/**
 * turn_connect_type_to_string:
 * @type: 0 to 9, or another number for a type that is not determined
 *
 * Returns: (transfer none): a few words for people
 */
TURN_CONNECT_API const char *turn_connect_type_to_string (gint type);

/**
 * turn_connect_confidence_to_string:
 * @confidence: a confidence; any number
 *
 * Returns: (transfer none): its word
 */
TURN_CONNECT_API const char *turn_connect_confidence_to_string (TurnConnectConfidence confidence);

/**
 * turn_connect_behaviour_to_string:
 * @behaviour: a behaviour; any number
 *
 * Returns: (transfer none) (nullable): its word, %NULL where it is not determined
 */
TURN_CONNECT_API const char *turn_connect_behaviour_to_string (TurnConnectBehaviour behaviour);

/**
 * turn_connect_reach_to_string:
 * @reach: what became of a port; any number
 *
 * Returns: (transfer none): its word
 */
TURN_CONNECT_API const char *turn_connect_reach_to_string (TurnConnectReach reach);

/**
 * turn_connect_way_to_string:
 * @way: what became of a way; any number
 *
 * Returns: (transfer none): its word
 */
TURN_CONNECT_API const char *turn_connect_way_to_string (TurnConnectWay way);

G_END_DECLS
