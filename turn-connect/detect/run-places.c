/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which places there are to ask besides those that everybody asks. */
#include "turn-connect/detect/run-private.h"

#include "turn-connect/target-private.h"

#include <string.h>

#define FURTHER_MAX 3 /* ports of each transport */

gboolean
turn_connect_run_has_proxy (TurnConnectRun *run)
{
  return turn_connect_run_get_target (run)->source != TURN_CONNECT_PROXY_SOURCE_NONE;
}

/* Many a domain locks whoever is wrong three times. */
gboolean
turn_connect_run_is_proxy_login_wrong (TurnConnectRun *run)
{
  const GPtrArray *probes = turn_connect_run_get_observations (run)->probes;

  for (guint i = 0; i < probes->len; i++)
    if (g_strcmp0 (turn_connect_probe_get_fact (g_ptr_array_index (probes, i), "connect"),
                   "wrong-credentials") == 0)
      return TRUE;
  return FALSE;
}

char *
turn_connect_run_describe_proxy (TurnConnectRun *run)
{
  const TurnConnectTarget *target = turn_connect_run_get_target (run);

  return g_strdup (target->proxy != NULL ? target->proxy->url : "automatic");
}

static gboolean
has_port (const GArray *ports, guint16 port)
{
  for (guint i = 0; i < ports->len; i++) {
    if (g_array_index (ports, guint16, i) == port)
      return TRUE;
  }
  return FALSE;
}

GArray *
turn_connect_run_find_further_ports (TurnConnectRun *run, TurnConnectCarry carry)
{
  const TurnConnectPlan *plan = turn_connect_run_get_plan (run);
  const GArray *known = carry == TURN_CONNECT_CARRY_UDP ? plan->udp_ports : plan->tcp_ports;
  const GArray *listeners = turn_connect_run_get_observations (run)->listeners;
  GArray *ports = g_array_new (FALSE, FALSE, sizeof (guint16));

  for (guint i = 0; i < listeners->len && ports->len < FURTHER_MAX; i++) {
    const TurnConnectListener *listener = &g_array_index (listeners, TurnConnectListener, i);

    if (listener->carry == carry && !has_port (known, listener->port))
      g_array_append_val (ports, listener->port);
  }
  return ports;
}

gboolean
turn_connect_run_find_decoy (TurnConnectRun *run, guint8 family, StunExtAddress *decoy)
{
  static const char *const candidates[] = { "203.0.113.201", "198.51.100.201", "192.0.2.201",
                                            "2001:db8:ffff:ffff::201" };
  gsize n = family == 4 ? 3 : 6; /* octets that make neighbours */
  StunExtAddress server, local = { 0 };

  if (!turn_connect_run_get_server (run, family, 0, &server))
    return FALSE;
  turn_connect_run_get_local (run, &server, &local);
  for (guint i = 0; i < G_N_ELEMENTS (candidates); i++) {
    if (stun_ext_address_parse (candidates[i], decoy) && decoy->family == family &&
        memcmp (decoy->octets, server.octets, n) != 0 &&
        memcmp (decoy->octets, local.octets, n) != 0)
      return TRUE;
  }
  return FALSE;
}
