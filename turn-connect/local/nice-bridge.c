/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The folder's door to libnice, in a library of its own: whoever reaches servers without libnice
 * does not load it. Nothing here goes into the agent: it is told addresses and properties, as any
 * application could tell it, and the bridge does the rest.
 */
#include "turn-connect/local/nice-bridge.h"

#include <nice/agent.h>
#include <nice/interfaces.h>

#define BRIDGE_KEY "turn-connect-bridge"
#define BUDGET_MS 2700        /* the gathering ends within 3 s */
#define RETRANSMISSIONS_MIN 4 /* and libnice waits for longer than that */

/* Which of the agent's bridges have listeners is known by their ports. */
typedef struct {
  TurnConnectBridge *bridge;
  guint16 proxy_port; /* 0: not yet */
} Attached;

static void
attached_free (gpointer data)
{
  Attached *attached = data;

  turn_connect_bridge_close (attached->bridge);
  g_object_unref (attached->bridge);
  g_free (attached);
}

static Attached *
get_attached (NiceAgent *agent)
{
  Attached *attached = g_object_get_data (G_OBJECT (agent), BRIDGE_KEY);

  if (attached != NULL)
    return attached;
  attached = g_new0 (Attached, 1);
  attached->bridge = turn_connect_bridge_new ();
  turn_connect_bridge_set_budget (attached->bridge, BUDGET_MS);
  g_object_set_data_full (G_OBJECT (agent), BRIDGE_KEY, attached, attached_free);
  return attached;
}

/* libnice asks a TURN server from its addresses of the same family alone. */
static void
find_families (gboolean *has_ipv4, gboolean *has_ipv6)
{
  GList *addresses = nice_interfaces_get_local_ips (FALSE);

  *has_ipv4 = *has_ipv6 = FALSE;
  for (GList *l = addresses; l != NULL; l = l->next) {
    if (g_strrstr (l->data, ":") != NULL)
      *has_ipv6 = TRUE;
    else
      *has_ipv4 = TRUE;
  }
  g_list_free_full (addresses, g_free);
}

static void
set_properties (NiceAgent *agent, TurnConnectNiceFlags flags)
{
  guint n = 0;

  g_object_get (agent, "stun-max-retransmissions", &n, NULL);
  if (n < RETRANSMISSIONS_MIN)
    g_object_set (agent, "stun-max-retransmissions", RETRANSMISSIONS_MIN, NULL);
  if ((flags & TURN_CONNECT_NICE_KEEP_ICE_TCP) == 0)
    g_object_set (agent, "ice-tcp", FALSE, NULL);
}

static gboolean
become_proxy (Attached *attached, NiceAgent *agent, GError **error)
{
  if (attached->proxy_port == 0 && !turn_connect_bridge_listen (attached->bridge, "127.0.0.1", 0, 0,
                                                                &attached->proxy_port, error))
    return FALSE;
  g_object_set (agent, "proxy-type", NICE_PROXY_TYPE_HTTP, "proxy-ip", "127.0.0.1", "proxy-port",
                (guint)attached->proxy_port, "proxy-username",
                turn_connect_bridge_get_user (attached->bridge), "proxy-password",
                turn_connect_bridge_get_password (attached->bridge), NULL);
  return TRUE;
}

/* Where the agent is to look for the server, for addresses of one family. */
static gboolean
get_place (Attached *attached,
           guint server,
           gboolean is_ipv6,
           TurnConnectNiceFlags flags,
           const char **host,
           guint16 *port,
           GError **error)
{
  if (flags & TURN_CONNECT_NICE_KEEP_PROXY) {
    *host = is_ipv6 ? "::1" : "127.0.0.1";
    return turn_connect_bridge_listen (attached->bridge, *host, 0, server, port, error);
  }
  *host = turn_connect_bridge_get_literal (attached->bridge, server,
                                           is_ipv6 ? G_SOCKET_FAMILY_IPV6 : G_SOCKET_FAMILY_IPV4);
  *port = TURN_CONNECT_BRIDGE_LITERAL_PORT;
  return TRUE;
}

static gboolean
give_place (NiceAgent *agent,
            guint stream,
            guint n_components,
            const char *host,
            guint16 port,
            const char *user,
            const char *password,
            GError **error)
{
  for (guint component = 1; component <= n_components; component++) {
    if (!nice_agent_set_relay_info (agent, stream, component, host, port, user, password,
                                    NICE_RELAY_TYPE_TURN_TCP)) {
      g_set_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
                   "the agent has no component %u in stream %u", component, stream);
      return FALSE;
    }
  }
  return TRUE;
}

static void
opened_ahead (GObject *source, GAsyncResult *result, gpointer user_data)
{
  /* A failure has been told by the bridge's signal. */
  turn_connect_bridge_prepare_finish (TURN_CONNECT_BRIDGE (source), result, NULL);
}

TurnConnectBridge *
turn_connect_nice_attach (NiceAgent *agent,
                          guint stream,
                          guint n_components,
                          TurnConnectTarget *server,
                          const char *user,
                          const char *password,
                          TurnConnectNiceFlags flags,
                          GError **error)
{
  Attached *attached;
  gboolean has[2];
  guint number;

  g_return_val_if_fail (NICE_IS_AGENT (agent), NULL);
  g_return_val_if_fail (user != NULL && password != NULL, NULL);
  attached = get_attached (agent);
  number =
      turn_connect_bridge_add_server (attached->bridge, server, TURN_CONNECT_BRIDGE_NONE, error);
  if (number == 0)
    return NULL;
  if (flags & TURN_CONNECT_NICE_BACK_TO_BACK) {
    if (!turn_connect_bridge_set_turn_credentials (attached->bridge, number, user, password, error))
      return NULL;
    user = turn_connect_bridge_get_user (attached->bridge);
    password = turn_connect_bridge_get_password (attached->bridge);
  }
  set_properties (agent, flags);
  if ((flags & TURN_CONNECT_NICE_KEEP_PROXY) == 0 && !become_proxy (attached, agent, error))
    return NULL;
  find_families (&has[0], &has[1]);
  for (int i = 0; i < 2; i++) {
    const char *host;
    guint16 port;

    /* One family will do: what is relayed does not depend on it. */
    if (!has[i] || (i == 1 && has[0]))
      continue;
    if (!get_place (attached, number, i == 1, flags, &host, &port, error) ||
        !give_place (agent, stream, n_components, host, port, user, password, error))
      return NULL;
  }
  if ((flags & TURN_CONNECT_NICE_NOT_AHEAD) == 0)
    turn_connect_bridge_prepare_async (attached->bridge, number, n_components, NULL, opened_ahead,
                                       NULL);
  return attached->bridge;
}
