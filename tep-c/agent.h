/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stun-ext/address.h"
#include "tep-c/choice.h"
#include "tep-c/options.h"
#include "tep-c/session.h"

G_BEGIN_DECLS

/* The agent: a session together with the ways in which programs that know nothing of it hand over their media. */

/**
 * TepClientAgentFlow:
 * @local_port: UDP port on 127.0.0.1, 0 for any
 * @remote: the far side; only its port is set while @host is there
 * @host: (nullable): its name, until tep_client_agent_config_resolve() has looked it up
 */
typedef struct {
  guint16 local_port;
  StunExtAddress remote;
  char *host;
} TepClientAgentFlow;

/**
 * TepClientAgentConfig:
 * @options: how to reach the server
 * @flows: (element-type TepClientAgentFlow): local ports
 * @tun_prefixes: (nullable) (array zero-terminated=1): UDP to these prefixes is taken in by a TUN device; needs root
 * @tun_name: (nullable): name of that device
 * @tun_address4: (nullable): its IPv4 address
 * @tun_address6: (nullable): its IPv6 address
 * @pcap_file: (nullable): where the inner packets are written, for Wireshark
 * @is_auto: a #TepClientChoice chooses between UDP without a tunnel and the ways to one; only for @flows
 * @direct_port: UDP port of the server at which UDP is tried then; 0: it is not
 * @ways_file: (nullable): where it remembers what worked in which network
 */
typedef struct {
  TepClientOptions *options;
  GArray *flows;
  char **tun_prefixes;
  char *tun_name;
  char *tun_address4;
  char *tun_address6;
  char *pcap_file;
  gboolean is_auto;
  guint direct_port;
  char *ways_file;
} TepClientAgentConfig;

/**
 * tep_client_agent_config_new:
 *
 * Returns: (transfer full): a configuration with the defaults
 */
TEP_CLIENT_API TepClientAgentConfig *tep_client_agent_config_new (void);

/**
 * tep_client_agent_config_free:
 * @config: (transfer full): a configuration
 *
 * Wipes the secrets before it frees them.
 */
TEP_CLIENT_API void tep_client_agent_config_free (TepClientAgentConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TepClientAgentConfig, tep_client_agent_config_free)

/**
 * tep_client_agent_config_load:
 * @config: what the file's keys are put into
 * @path: a GKeyFile: [server], [proxy], [credentials], [tun], [capture], [path], and any number of [flow
 * NAME]; see tep-c.conf(5). Files that it names are relative to its folder
 * @error: return location
 *
 * Returns: %FALSE with an error that names file, group and key, and says what to write instead
 */
TEP_CLIENT_API gboolean tep_client_agent_config_load (TepClientAgentConfig *config,
                                                      const char *path,
                                                      GError **error);

/**
 * tep_client_agent_config_load_credentials:
 * @config: a configuration
 * @path: a file with one line "user:password" that nobody else can read. The first colon divides,
 * but for the time-limited credentials of PROTOCOL section 7.1, whose user name "expiry:name" has
 * a colon of its own
 * @error: return location
 *
 * Returns: %FALSE with an error that names the file and what to do
 */
TEP_CLIENT_API gboolean tep_client_agent_config_load_credentials (TepClientAgentConfig *config,
                                                                  const char *path,
                                                                  GError **error);

/**
 * tep_client_agent_config_load_proxy_credentials:
 * @config: a configuration
 * @path: a file with one line "user:password" that nobody else can read
 * @error: return location
 *
 * Likewise for the proxy; the first colon divides user and password.
 *
 * Returns: %FALSE with an error that names the file and what to do
 */
TEP_CLIENT_API gboolean tep_client_agent_config_load_proxy_credentials (
    TepClientAgentConfig *config, const char *path, GError **error);

/**
 * tep_client_agent_config_set_mechanism:
 * @config: a configuration
 * @name: "long-term" or "short-term"
 * @error: return location
 *
 * Returns: %FALSE with an error that names both
 */
TEP_CLIENT_API gboolean tep_client_agent_config_set_mechanism (TepClientAgentConfig *config,
                                                               const char *name,
                                                               GError **error);

/**
 * tep_client_agent_config_set_server:
 * @config: a configuration
 * @text: "HOST", "HOST:PORT" or "[IPV6]:PORT"; without a port it stays as it is
 * @error: return location
 *
 * Returns: %FALSE with an error that says how it is written
 */
TEP_CLIENT_API gboolean tep_client_agent_config_set_server (TepClientAgentConfig *config,
                                                            const char *text,
                                                            GError **error);

/**
 * tep_client_agent_config_add_flow:
 * @config: a configuration
 * @text: "LOCALPORT=ADDRESS:PORT"; a host name may stand for the address
 * @error: return location
 *
 * Returns: %FALSE with an error that says how it is written
 */
TEP_CLIENT_API gboolean tep_client_agent_config_add_flow (TepClientAgentConfig *config,
                                                          const char *text,
                                                          GError **error);

/**
 * tep_client_agent_config_check:
 * @config: a configuration
 * @error: return location
 *
 * Checks everything together, as far as that goes without the network.
 *
 * Returns: %FALSE with an error that says what is missing or does not go together
 */
TEP_CLIENT_API gboolean tep_client_agent_config_check (const TepClientAgentConfig *config,
                                                       GError **error);

/**
 * tep_client_agent_config_resolve:
 * @config: a configuration
 * @error: return location
 *
 * Looks up the host names of flows, and blocks until that is done. Behind a proxy there is nobody
 * to ask: tep_client_agent_config_check() refuses names there.
 *
 * Returns: %FALSE with an error that names the host
 */
TEP_CLIENT_API gboolean tep_client_agent_config_resolve (TepClientAgentConfig *config,
                                                         GError **error);

/**
 * TepClientAgentEvent:
 * @name: "state", "progress", "lease", "lease-failed", "flow", "flow-failed", "moved", "network-changed",
 *   "capture-ended", "path"
 * @state: (nullable): with "state": name of the new state; with "progress": of the step
 * @cause: (nullable): why, for people; with "progress": with whom
 * @error: (nullable): why, for programs
 * @local: (nullable): the local address and port that it concerns
 * @leased: (nullable): what the far side sees instead
 * @remote: (nullable): the far side
 * @path: (nullable): with "path": what is chosen; @cause says why. A "flow" has no @leased address while
 * that is %TEP_CLIENT_PATH_DIRECT
 *
 * Something happened. Everything is borrowed until the callback returns.
 */
typedef struct {
  const char *name;
  const char *state;
  const char *cause;
  const GError *error;
  const StunExtAddress *local;
  const StunExtAddress *leased;
  const StunExtAddress *remote;
  const TepClientChoiceReport *path;
} TepClientAgentEvent;

typedef struct _TepClientAgent TepClientAgent;

/**
 * TepClientAgentFunc:
 * @agent: an agent
 * @event: what happened; borrowed until the call returns
 * @user_data: as given to tep_client_agent_new()
 *
 * Something happened.
 */
typedef void (*TepClientAgentFunc) (TepClientAgent *agent,
                                    const TepClientAgentEvent *event,
                                    gpointer user_data);

/**
 * tep_client_agent_new:
 * @config: what to do; must outlive the agent
 * @func: called for whatever happens
 * @user_data: for @func
 * @error: return location
 *
 * Opens local ports, TUN device and capture file, and starts the session, on the thread-default
 * main context. From then on it follows the device's network: a connection whose local address
 * went away is replaced at once. @func may be called before this returns.
 *
 * Returns: (transfer full): the agent, or %NULL with what could not be opened
 */
TEP_CLIENT_API TepClientAgent *tep_client_agent_new (const TepClientAgentConfig *config,
                                                     TepClientAgentFunc func,
                                                     gpointer user_data,
                                                     GError **error);

/**
 * tep_client_agent_free:
 * @agent: (transfer full): an agent
 *
 * Gives everything back; the server is told if the session is open and the main context still
 * runs.
 */
TEP_CLIENT_API void tep_client_agent_free (TepClientAgent *agent);

/**
 * tep_client_agent_get_session:
 * @agent: an agent
 *
 * Returns: (transfer none) (nullable): the agent's session; %NULL while the choice has none
 */
TEP_CLIENT_API TepClientSession *tep_client_agent_get_session (TepClientAgent *agent);

/**
 * tep_client_agent_get_choice:
 * @agent: an agent
 *
 * Returns: (transfer none) (nullable): what chooses the path, if the configuration has it so
 */
TEP_CLIENT_API TepClientChoice *tep_client_agent_get_choice (TepClientAgent *agent);

/**
 * tep_client_agent_close:
 * @agent: an agent
 *
 * Says good-bye to the server; the state "closed" tells the end, perhaps before this returns.
 */
TEP_CLIENT_API void tep_client_agent_close (TepClientAgent *agent);

/**
 * TepClientAgentFlowFunc:
 * @local: where the program sends to, or, with a TUN device, from
 * @leased: (nullable): what the far side sees; %NULL while there is no lease
 * @remote: the far side
 * @quality: so far
 * @user_data: as given to tep_client_agent_foreach_flow()
 */
typedef void (*TepClientAgentFlowFunc) (const StunExtAddress *local,
                                        const StunExtAddress *leased,
                                        const StunExtAddress *remote,
                                        const TepClientFlowQuality *quality,
                                        gpointer user_data);

/**
 * tep_client_agent_foreach_flow:
 * @agent: an agent
 * @func: called once for each
 * @user_data: for @func
 *
 * Calls @func for every local port, and for all that goes through the TUN device.
 */
TEP_CLIENT_API void tep_client_agent_foreach_flow (TepClientAgent *agent,
                                                   TepClientAgentFlowFunc func,
                                                   gpointer user_data);

G_END_DECLS
