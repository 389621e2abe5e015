/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/local/bridge.h"

G_BEGIN_DECLS

/* libnice's agent: <nice/agent.h> declares the same, and nothing else of it is needed here. */
typedef struct _NiceAgent NiceAgent;

/**
 * TurnConnectNiceFlags:
 * @TURN_CONNECT_NICE_NONE: what suits most: by the agent's proxy properties, ICE-TCP off, streams
 *   to the server opened ahead
 * @TURN_CONNECT_NICE_KEEP_ICE_TCP: leave ICE-TCP as it is; where it is on, every component takes
 *   two streams to the server in place of one
 * @TURN_CONNECT_NICE_KEEP_PROXY: leave the agent's proxy properties alone and come in by a
 *   listener: for agents that reach other TURN servers by a proxy of their own
 * @TURN_CONNECT_NICE_NOT_AHEAD: open streams to the server when the agent asks for them and no
 *   earlier
 * @TURN_CONNECT_NICE_BACK_TO_BACK: the bridge keeps the credentials and logs in itself, see
 *   turn_connect_bridge_set_turn_credentials(); the agent gets local ones
 *
 * How a bridge is attached.
 */
typedef enum {
  TURN_CONNECT_NICE_NONE = 0,
  TURN_CONNECT_NICE_KEEP_ICE_TCP = 1 << 0,
  TURN_CONNECT_NICE_KEEP_PROXY = 1 << 1,
  TURN_CONNECT_NICE_NOT_AHEAD = 1 << 2,
  TURN_CONNECT_NICE_BACK_TO_BACK = 1 << 3,
} TurnConnectNiceFlags;

/**
 * turn_connect_nice_attach:
 * @agent: a libnice agent
 * @stream: the number of one of its streams, which has not gathered yet
 * @n_components: how many components it has, 1 or more
 * @server: the TURN server and the way to it, with TLS
 * @user: user name for TURN
 * @password: password for TURN
 * @flags: how
 * @error: %TURN_CONNECT_ERROR_INVALID; or what the system said
 *
 * Gives all components of a stream a TURN server that is reached through proxies and verified TLS,
 * which libnice alone cannot do. Call it before nice_agent_gather_candidates(), on the thread whose
 * main context is to run the bridge. May be called again for other streams and other servers of the
 * agent.
 *
 * The gathering then ends within 3 s whatever happens on the way: with relayed candidates, or
 * without, and then #TurnConnectBridge::failed and turn_connect_bridge_dup_cause() tell why. To
 * know before gathering, pass %TURN_CONNECT_NICE_NOT_AHEAD and wait for
 * turn_connect_bridge_prepare_async().
 *
 * Properties of @agent that are set: `proxy-type`, `proxy-ip`, `proxy-port`, `proxy-username`,
 * `proxy-password`, `ice-tcp`, and `stun-max-retransmissions`, raised to 4 if it is lower: libnice
 * gives up waiting for the server after 4 s then instead of 2 s.
 *
 * Returns: (transfer none) (nullable): the bridge, which lives as long as @agent; %NULL on error
 */
TURN_CONNECT_API TurnConnectBridge *turn_connect_nice_attach (NiceAgent *agent,
                                                              guint stream,
                                                              guint n_components,
                                                              TurnConnectTarget *server,
                                                              const char *user,
                                                              const char *password,
                                                              TurnConnectNiceFlags flags,
                                                              GError **error);

G_END_DECLS
