/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is wanted of a tunnel: bindings and flows, added and removed at any time, whatever the state. Asking for them is
 * tunnel.c's business, except for giving back. */
#include "tep-c/tunnel-private.h"

TepClientTunnelBinding *
tep_client_tunnel_add_binding (TepClientTunnel *tunnel,
                               const TepClientLease *wanted,
                               gpointer owner,
                               gint64 now_us)
{
  TepClientTunnelBinding *binding;

  if (tunnel->bindings->len >= TEP_CLIENT_TUNNEL_BINDINGS_MAX)
    return NULL;
  binding = g_new0 (TepClientTunnelBinding, 1);
  binding->wanted = *wanted;
  binding->owner = owner;
  g_ptr_array_add (tunnel->bindings, binding);
  tep_client_tunnel_reconcile (tunnel, now_us);
  return binding;
}

static void
forget_pending (TepClientTunnel *tunnel,
                const TepClientTunnelBinding *binding,
                const TepClientTunnelFlow *flow)
{
  for (guint i = 0; i < tunnel->pending->len; i++) {
    TepClientPending *pending = &g_array_index (tunnel->pending, TepClientPending, i);

    if (binding != NULL && pending->binding == binding)
      pending->binding = NULL;
    if (flow != NULL && pending->flow == flow)
      pending->flow = NULL;
  }
}

static void
free_flow (TepClientTunnel *tunnel, TepClientTunnelFlow *flow)
{
  if (flow->id < G_N_ELEMENTS (tunnel->short_flows))
    tunnel->short_flows[flow->id] = NULL;
  forget_pending (tunnel, NULL, flow);
  g_ptr_array_remove_fast (tunnel->flows, flow);
}

void
tep_client_tunnel_remove_flow (TepClientTunnel *tunnel, TepClientTunnelFlow *flow, gint64 now_us)
{
  StunExtTepRequest request = { .kind = STUN_EXT_TEP_CLOSE_FLOW };

  request.close_flow.flow_id = flow->id;
  if (flow->is_asked && tunnel->state == TEP_CLIENT_TUNNEL_OPEN)
    tep_client_tunnel_request (tunnel, &request, NULL, NULL, now_us);
  free_flow (tunnel, flow);
}

void
tep_client_tunnel_remove_binding (TepClientTunnel *tunnel,
                                  TepClientTunnelBinding *binding,
                                  gint64 now_us)
{
  StunExtTepRequest request = { .kind = STUN_EXT_TEP_REFRESH };

  for (guint i = tunnel->flows->len; i > 0; i--) {
    TepClientTunnelFlow *flow = g_ptr_array_index (tunnel->flows, i - 1);

    if (flow->binding == binding)
      free_flow (tunnel, flow);
  }
  request.refresh.binding_id = binding->id;
  if (binding->is_granted && tunnel->state == TEP_CLIENT_TUNNEL_OPEN)
    tep_client_tunnel_request (tunnel, &request, NULL, NULL, now_us);
  forget_pending (tunnel, binding, NULL);
  g_ptr_array_remove_fast (tunnel->bindings, binding);
}

TepClientTunnelFlow *
tep_client_tunnel_add_flow (TepClientTunnel *tunnel,
                            TepClientTunnelBinding *binding,
                            const StunExtAddress *remote,
                            guint port_offset,
                            guint bandwidth_kbit_s,
                            int dscp,
                            gpointer owner,
                            gint64 now_us)
{
  TepClientTunnelFlow *flow;
  guint id = 0;

  while (id < G_N_ELEMENTS (tunnel->short_flows) && tunnel->short_flows[id] != NULL)
    id++;
  if (id == G_N_ELEMENTS (tunnel->short_flows))
    return NULL;
  flow = g_new0 (TepClientTunnelFlow, 1);
  *flow = (TepClientTunnelFlow){ .binding = binding,
                                 .owner = owner,
                                 .id = id,
                                 .port_offset = port_offset,
                                 .bandwidth_kbit_s = bandwidth_kbit_s,
                                 .dscp = dscp,
                                 .remote = *remote };
  tunnel->events.random (tunnel->user, (guint8 *)&flow->sender.sequence,
                         sizeof flow->sender.sequence);
  tunnel->short_flows[id] = flow;
  g_ptr_array_add (tunnel->flows, flow);
  tep_client_tunnel_reconcile (tunnel, now_us);
  return flow;
}
