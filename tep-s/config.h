/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/address.h"
#include "tep-s/media.h"
#include "tep-s/policy.h"
#include "tep-s/users.h"
#include "tep-s/version.h"

G_BEGIN_DECLS

/**
 * TepServerMediaKind:
 * @TEP_SERVER_MEDIA_EMBEDDED: callbacks of the program that embeds the library
 * @TEP_SERVER_MEDIA_RELAY: UDP sockets of this server
 * @TEP_SERVER_MEDIA_TUN: a TUN device with policy routing
 * @TEP_SERVER_MEDIA_PCAP: capture and raw injection beside a gateway on this host
 */
typedef enum {
  TEP_SERVER_MEDIA_EMBEDDED,
  TEP_SERVER_MEDIA_RELAY,
  TEP_SERVER_MEDIA_TUN,
  TEP_SERVER_MEDIA_PCAP,
} TepServerMediaKind;

/**
 * TepServerChannelBinding:
 * @TEP_SERVER_CHANNEL_BINDING_OFF: not looked at
 * @TEP_SERVER_CHANNEL_BINDING_REPORT: a different one is counted and logged
 * @TEP_SERVER_CHANNEL_BINDING_REQUIRE: under TLS, an absent or different one is refused
 */
typedef enum {
  TEP_SERVER_CHANNEL_BINDING_OFF,
  TEP_SERVER_CHANNEL_BINDING_REPORT,
  TEP_SERVER_CHANNEL_BINDING_REQUIRE,
} TepServerChannelBinding;

/**
 * TepServerImplicitFlows:
 * @TEP_SERVER_IMPLICIT_OFF: only Open-Flow opens flows
 * @TEP_SERVER_IMPLICIT_LEASED: a whole IP packet from a leased source opens one (PROTOCOL.md
 * section 8.4)
 * @TEP_SERVER_IMPLICIT_OWN: also from the tunnel's own public address and a port nobody leases
 */
typedef enum {
  TEP_SERVER_IMPLICIT_OFF,
  TEP_SERVER_IMPLICIT_LEASED,
  TEP_SERVER_IMPLICIT_OWN,
} TepServerImplicitFlows;

/**
 * TepServerLogFormat:
 * @TEP_SERVER_LOG_HUMAN: a line of text
 * @TEP_SERVER_LOG_JSON: a JSON object a line
 * @TEP_SERVER_LOG_JOURNAL: fields to the systemd journal
 */
typedef enum {
  TEP_SERVER_LOG_HUMAN,
  TEP_SERVER_LOG_JSON,
  TEP_SERVER_LOG_JOURNAL,
} TepServerLogFormat;

/**
 * TepServerListener:
 * @address: where to listen; port 0 lets the kernel choose
 * @has_udp: STUN Binding is answered on UDP of the same port too
 * @keeps_syn: the kernel keeps the first packet of each connection, for detection
 */
typedef struct {
  StunExtAddress address;
  gboolean has_udp;
  gboolean keeps_syn;
} TepServerListener;

/**
 * TepServerTlsConfig:
 * @certificate_file: (nullable): PEM file with the certificate and its chain; %NULL: no TLS
 * @key_file: (nullable): PEM file with its private key
 * @channel_binding: what is done with CHANNEL-BINDING
 * @certificate_expires_ms: wall clock time in milliseconds at which the first certificate of the
 * chain to end ends; 0 without TLS
 */
typedef struct {
  const char *certificate_file;
  const char *key_file;
  TepServerChannelBinding channel_binding;
  gint64 certificate_expires_ms;
} TepServerTlsConfig;

/**
 * TepServerMediaConfig:
 * @kind: which backend
 * @relay_addresses: (array length=n_relay_addresses): addresses that relayed bindings get, without
 * port
 * @n_relay_addresses: number of them; 0 only if @kind is not RELAY
 * @first_relay_port: first port of relayed bindings, even
 * @last_relay_port: last port, odd
 * @tun_device: backend tun: name of the TUN device that is made
 * @capture_device: backend pcap: name of the device that is made for captures; the veth pair's far
 * end is called the same with an "x" behind
 * @routing_table: number of a routing table of our own that leads to the device
 * @packet_mark: a packet mark that nobody else uses; set on what goes to the device
 * @nft_table: name of an nftables table of our own, of family inet
 * @stun_addresses: (array length=n_stun_addresses): addresses and ports at which STUN is answered
 * inside the tunnel
 * @n_stun_addresses: number of them
 * @dscp: values that a flow may ask for
 * @n_dscp: number of them
 * @default_dscp: value of a flow that asks for none or for one not in @dscp
 * @largest_packet: octets of the largest inner IP packet
 * @implicit_flows: whether packets open flows
 * @is_pinhole_only: only 5-tuples named by tep_server_add_pinhole() flow
 * @is_client_to_client_allowed: one device may be another's remote
 * @record_file: (nullable): pcap file into which inner packets are written, for debugging
 */
typedef struct {
  TepServerMediaKind kind;
  const StunExtAddress *relay_addresses;
  guint n_relay_addresses;
  guint16 first_relay_port;
  guint16 last_relay_port;
  const char *tun_device;
  const char *capture_device;
  guint32 routing_table;
  guint32 packet_mark;
  const char *nft_table;
  const StunExtAddress *stun_addresses;
  guint n_stun_addresses;
  guint8 dscp[64];
  guint n_dscp;
  guint8 default_dscp;
  guint16 largest_packet;
  TepServerImplicitFlows implicit_flows;
  gboolean is_pinhole_only;
  gboolean is_client_to_client_allowed;
  const char *record_file;
} TepServerMediaConfig;

/**
 * TepServerLimits:
 * @connections: TCP connections in all
 * @unauthenticated: of them not authenticated; random early refusal starts at 10 % of it and
 * reaches 30 % of newcomers when full
 * @unauthenticated_per_source: of one source (IPv6: one /64) from which no valid login has been
 * seen
 * @connections_per_source: of one source, authenticated or not
 * @connections_per_tunnel: 1 to 16
 * @tunnels: in all
 * @tunnels_per_user: of one user
 * @tunnels_per_source: of one source
 * @tunnels_per_second: new ones in all
 * @bindings_per_tunnel: bindings
 * @flows_per_tunnel: flows
 * @bandwidth_kbit: most kbit/s of one flow in each direction
 * @default_bandwidth_kbit: kbit/s of a flow that asks for none
 * @output_octets: unsent output of one connection, media beyond it is dropped
 * @memory_mb: budget of the process in MiB; 0 for none
 * @udp_replies_per_second: STUN answers on UDP to one source
 * @failures_per_window: wrong passwords of one (source, user) that are evaluated in a minute
 */
typedef struct {
  guint connections;
  guint unauthenticated;
  guint unauthenticated_per_source;
  guint connections_per_source;
  guint connections_per_tunnel;
  guint tunnels;
  guint tunnels_per_user;
  guint tunnels_per_source;
  guint tunnels_per_second;
  guint bindings_per_tunnel;
  guint flows_per_tunnel;
  guint bandwidth_kbit;
  guint default_bandwidth_kbit;
  guint output_octets;
  guint memory_mb;
  guint udp_replies_per_second;
  guint failures_per_window;
} TepServerLimits;

/**
 * TepServerTimers:
 * @first_message_s: first complete message, from accept
 * @tls_handshake_s: TLS handshake
 * @authentication_s: authentication, from accept
 * @confirmation_s: first request under the tunnel key, from authentication
 * @keepalive_s: silence after which a client sends a keepalive
 * @silence_s: silence after which a tunnel is freed, at most 60
 * @stalled_s: time a connection may take no output
 * @linger_s: time between the last flow and the end of a tunnel
 * @binding_s: lifetime of a binding where none is asked for
 * @binding_min_s: shortest lifetime granted
 * @binding_max_s: longest lifetime granted
 * @nonce_s: lifetime of a nonce, at most 3600
 * @clock_skew_s: clock difference accepted in TIMESTAMP
 * @drain_s: time that a drain gives to the calls there are
 *
 * All in seconds (PROTOCOL.md section 14).
 */
typedef struct {
  guint first_message_s;
  guint tls_handshake_s;
  guint authentication_s;
  guint confirmation_s;
  guint keepalive_s;
  guint silence_s;
  guint stalled_s;
  guint linger_s;
  guint binding_s;
  guint binding_min_s;
  guint binding_max_s;
  guint nonce_s;
  guint clock_skew_s;
  guint drain_s;
} TepServerTimers;

/**
 * TepServerLogConfig:
 * @format: what a record looks like
 * @level: least important level that is written, a #GLogLevelFlags value
 * @file: (nullable): where records go; %NULL for stderr
 * @lines_per_second: most records of one cause in a second
 */
typedef struct {
  TepServerLogFormat format;
  GLogLevelFlags level;
  const char *file;
  guint lines_per_second;
} TepServerLogConfig;

/* Addresses of one family that detection can have, and all its ports on each. */
#define TEP_SERVER_DETECT_ADDRESSES 2
#define TEP_SERVER_DETECT_PORTS 32

/**
 * TepServerDetectConfig:
 * @is_on: the group [detect] is there
 * @is_at_front_door: the listeners of the front door answer too
 * @is_plain_answered: STUN requests that name no run are answered too, as RFC 5780 and RFC 3489 have it
 * @addresses: (array length=n_addresses): where detection listens, without port: one or two of each family
 * @public_addresses: (array length=n_addresses): what they are called outside; the same unless a translation lies between
 * @n_addresses: number of them; 0 if only the front door answers
 * @ports: (array length=n_ports): ports, TCP and UDP; the first two are those that CHANGE-REQUEST changes between
 * @n_ports: number of them, at least 2 where there are addresses
 * @replies_per_second: answers on UDP to one source
 * @connections: TCP connections in all
 * @connections_per_source: of one source
 *
 * What answers tep-detect (PROTOCOL.md section 15).
 */
typedef struct {
  gboolean is_on;
  gboolean is_at_front_door;
  gboolean is_plain_answered;
  StunExtAddress addresses[2 * TEP_SERVER_DETECT_ADDRESSES];
  StunExtAddress public_addresses[2 * TEP_SERVER_DETECT_ADDRESSES];
  guint n_addresses;
  guint16 ports[TEP_SERVER_DETECT_PORTS];
  guint n_ports;
  guint replies_per_second;
  guint connections;
  guint connections_per_source;
} TepServerDetectConfig;

/**
 * TepServerConfig:
 * @path: where it came from, for messages
 * @listeners: (array length=n_listeners): where to listen
 * @n_listeners: number of them, at least 1
 * @names: (array zero-terminated=1): names and literals by which clients may name this server,
 * lower case
 * @workers: worker threads; 0 for one for each core
 * @user: (nullable): whom the daemon becomes after start
 * @alternate: server that clients are sent to when this one drains; without a family there is none
 * @alternate_name: (nullable): its name, where it goes by another than this server
 * @tls: TLS
 * @realm: realm of long-term credentials
 * @has_short_term: short-term credentials are accepted
 * @has_long_term: long-term credentials are accepted
 * @is_md5_allowed: the MD5 algorithm of RFC 8489 is offered too
 * @users: the credential store
 * @policy: the policy; it knows listeners, relay addresses and metrics address as own unless their
 * port is 0
 * @media: the media side
 * @limits: limits
 * @timers: times
 * @detect: what answers tep-detect
 * @log: logging, for the daemon
 * @metrics: (nullable): where the daemon serves metrics: "unix:PATH" or "127.0.0.1:PORT"
 * @metrics_token: (nullable): what a reader of the metrics has to show as bearer token; set whenever @metrics is an address
 *
 * Everything a server is told. Immutable once built and reference-counted: read the fields, from
 * any thread, while a reference is held.
 */
struct _TepServerConfig {
  const char *path;
  const TepServerListener *listeners;
  guint n_listeners;
  const char *const *names;
  guint workers;
  const char *user;
  StunExtAddress alternate;
  const char *alternate_name;
  TepServerTlsConfig tls;
  const char *realm;
  gboolean has_short_term;
  gboolean has_long_term;
  gboolean is_md5_allowed;
  TepServerUsers *users;
  TepServerPolicy *policy;
  TepServerMediaConfig media;
  TepServerLimits limits;
  TepServerTimers timers;
  TepServerDetectConfig detect;
  TepServerLogConfig log;
  const char *metrics;
  const char *metrics_token;
};

/**
 * tep_server_config_load:
 * @path: (type filename): a configuration file in the form of tep-s.conf(5)
 * @error: return location
 *
 * Reads a file and the files it names, and checks all of it. Unknown and repeated groups and keys
 * are errors. A message names file, group and key, and says what to write instead.
 *
 * Returns: (transfer full): the configuration; %NULL with %TEP_SERVER_ERROR_CONFIG
 */
TEP_SERVER_API TepServerConfig *tep_server_config_load (const char *path, GError **error);

/**
 * tep_server_config_load_from_data:
 * @data: (array length=length): text of a configuration file
 * @length: octets, or -1 if @data is terminated
 * @path: (nullable): what messages call it; relative file names inside start in its folder
 * @error: return location
 *
 * For programs that embed the library: the same text, from memory.
 *
 * Returns: (transfer full): the configuration; %NULL with %TEP_SERVER_ERROR_CONFIG
 */
TEP_SERVER_API TepServerConfig *tep_server_config_load_from_data (const char *data,
                                                                  gssize length,
                                                                  const char *path,
                                                                  GError **error);

/**
 * tep_server_config_with_record_file:
 * @config: a configuration
 * @record_file: (type filename): pcap file into which inner packets are written
 *
 * Returns: (transfer full): the same configuration with another record file
 */
TEP_SERVER_API TepServerConfig *tep_server_config_with_record_file (const TepServerConfig *config,
                                                                    const char *record_file);

/**
 * tep_server_config_ref:
 * @config: a configuration
 *
 * Any thread.
 *
 * Returns: (transfer full): @config
 */
TEP_SERVER_API TepServerConfig *tep_server_config_ref (const TepServerConfig *config);

/**
 * tep_server_config_unref:
 * @config: (transfer full): a configuration
 *
 * Any thread.
 */
TEP_SERVER_API void tep_server_config_unref (TepServerConfig *config);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TepServerConfig, tep_server_config_unref)

G_END_DECLS
