/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stun-ext/address.h"
#include "tep-c/options.h"
#include "tep-c/session.h"

G_BEGIN_DECLS

/* The agent: a session together with the ways in which programs that know nothing of it hand over their media. */

/**
 * TepClientAgentFlow:
 * @local_port: UDP port on 127.0.0.1
 * @remote: the far side
 */
typedef struct {
  guint16 local_port;
  StunExtAddress remote;
} TepClientAgentFlow;

/**
 * TepClientAgentConfig:
 * @options: how to reach the server
 * @flows: (element-type TepClientAgentFlow): local ports
 * @tun_prefixes: (nullable) (array zero-terminated=1): UDP to these prefixes is taken in by a TUN device; needs
 *   CAP_NET_ADMIN
 * @tun_name: (nullable): name of that device
 * @tun_address4: (nullable): its IPv4 address
 * @tun_address6: (nullable): its IPv6 address
 * @pcap_file: (nullable): where the inner packets are written, for Wireshark
 */
typedef struct {
  TepClientOptions *options;
  GArray *flows;
  char **tun_prefixes;
  char *tun_name;
  char *tun_address4;
  char *tun_address6;
  char *pcap_file;
} TepClientAgentConfig;

/** Returns: (transfer full): a configuration with the defaults */
TEP_CLIENT_API TepClientAgentConfig *tep_client_agent_config_new (void);
TEP_CLIENT_API void tep_client_agent_config_free (TepClientAgentConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TepClientAgentConfig, tep_client_agent_config_free)

/**
 * tep_client_agent_config_load:
 * @config: what the file's keys are put into
 * @path: a GKeyFile: [server], [proxy], [credentials], [tun], and any number of [flow NAME]; see tep-c(1)
 *
 * Returns: %FALSE with an error that names file, group and key
 */
TEP_CLIENT_API gboolean tep_client_agent_config_load (TepClientAgentConfig *config,
                                                      const char *path,
                                                      GError **error);

/**
 * tep_client_agent_config_load_credentials:
 * @path: a file with one line "user:password" that nobody else can read
 *
 * Returns: %FALSE with an error that names the file and what to do
 */
TEP_CLIENT_API gboolean tep_client_agent_config_load_credentials (TepClientAgentConfig *config,
                                                                  const char *path,
                                                                  GError **error);

/** Likewise for the proxy; the first colon divides user and password. */
TEP_CLIENT_API gboolean tep_client_agent_config_load_proxy_credentials (
    TepClientAgentConfig *config, const char *path, GError **error);

/**
 * tep_client_agent_config_add_flow:
 * @text: "LOCALPORT=ADDRESS:PORT"
 */
TEP_CLIENT_API gboolean tep_client_agent_config_add_flow (TepClientAgentConfig *config,
                                                          const char *text,
                                                          GError **error);

/**
 * TepClientAgentEvent:
 * @name: "state", "progress", "lease", "lease-failed", "flow", "flow-failed", "moved"
 * @state: (nullable): with "state": name of the new state; with "progress": of the step
 * @cause: (nullable): why, for people
 * @local: (nullable): the local address and port that it concerns
 * @leased: (nullable): what the far side sees instead
 * @remote: (nullable): the far side
 *
 * Something happened. Everything is borrowed until the callback returns.
 */
typedef struct {
  const char *name;
  const char *state;
  const char *cause;
  const StunExtAddress *local;
  const StunExtAddress *leased;
  const StunExtAddress *remote;
} TepClientAgentEvent;

typedef struct _TepClientAgent TepClientAgent;
typedef void (*TepClientAgentFunc) (TepClientAgent *agent,
                                    const TepClientAgentEvent *event,
                                    gpointer user_data);

/**
 * tep_client_agent_new:
 * @config: what to do; must outlive the agent
 *
 * Opens local ports, TUN device and capture file, and starts the session, on the thread-default main context.
 *
 * Returns: (transfer full): the agent, or %NULL with what could not be opened
 */
TEP_CLIENT_API TepClientAgent *tep_client_agent_new (const TepClientAgentConfig *config,
                                                     TepClientAgentFunc func,
                                                     gpointer user_data,
                                                     GError **error);
/** Gives everything back; the server is told if the session is open and the main context still runs. */
TEP_CLIENT_API void tep_client_agent_free (TepClientAgent *agent);
TEP_CLIENT_API TepClientSession *tep_client_agent_get_session (TepClientAgent *agent);

/**
 * tep_client_agent_foreach_flow:
 *
 * Calls @func for every local port: its port, the remote, and its quality so far.
 */
typedef void (*TepClientAgentFlowFunc) (guint16 local_port,
                                        const StunExtAddress *remote,
                                        const TepClientFlowQuality *quality,
                                        gpointer user_data);
TEP_CLIENT_API void tep_client_agent_foreach_flow (TepClientAgent *agent,
                                                   TepClientAgentFlowFunc func,
                                                   gpointer user_data);

G_END_DECLS
