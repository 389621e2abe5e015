/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which tunnel a packet belongs to: leased addresses, and 5-tuples, found by hash from either side.
 * Everything here is one worker's own, so a packet takes no lock.
 */
#include <string.h>

#include "stun-ext/crypto.h"
#include "tep-s/core-private.h"

static guint64
hash_tuple (TepServerCore *core, const StunExtAddress *leased, const StunExtAddress *remote)
{
  return stun_ext_address_hash (remote, stun_ext_address_hash (leased, core->seed));
}

LeasedPort *
tep_server_port_find (TepServerCore *core, const StunExtAddress *leased)
{
  guint64 hash = stun_ext_address_hash (leased, core->seed);
  TepServerNode *node = tep_server_table_first (&core->ports, hash);

  while (node != NULL && !stun_ext_address_equal (&((LeasedPort *)node)->address, leased))
    node = tep_server_table_next (node->next, hash);
  return (LeasedPort *)node;
}

static void
add_port (TepServerLeasing *leasing, guint offset)
{
  TepServerCore *core = leasing->tunnel->core;
  LeasedPort *port = &leasing->ports[offset];

  port->leasing = leasing;
  port->address = leasing->binding.address;
  port->address.port = (guint16)(port->address.port + offset);
  tep_server_table_add (&core->ports, &port->node,
                        stun_ext_address_hash (&port->address, core->seed));
}

TepServerLeasing *
tep_server_leasing_add (TepServerTunnel *tunnel, const TepServerBinding *binding)
{
  TepServerLeasing *leasing = g_new0 (TepServerLeasing, 1);

  leasing->binding = *binding;
  leasing->tunnel = tunnel;
  leasing->id = ++tunnel->next_binding_id;
  leasing->next = tunnel->leasings;
  tunnel->leasings = leasing;
  tunnel->n_bindings++;
  COUNT (tunnel->core, BINDINGS);
  return leasing;
}

/* From here on packets find the binding; the media side has set its address. */
void
tep_server_leasing_publish (TepServerLeasing *leasing)
{
  TepServerCore *core = leasing->tunnel->core;

  add_port (leasing, 0);
  if (leasing->binding.is_pair)
    add_port (leasing, 1);
  if (core->host->announce != NULL)
    core->host->announce (core->host_data, &leasing->binding, TRUE);
}

static void
remove_flows (TepServerLeasing *leasing)
{
  TepServerFlow *flow = leasing->tunnel->flows;

  while (flow != NULL) {
    TepServerFlow *next = flow->next;

    if (flow->leasing == leasing)
      tep_server_flow_remove (flow);
    flow = next;
  }
}

void
tep_server_leasing_remove (TepServerLeasing *leasing)
{
  TepServerTunnel *tunnel = leasing->tunnel;
  TepServerCore *core = tunnel->core;
  TepServerLeasing **at = &tunnel->leasings;

  remove_flows (leasing);
  while (*at != leasing)
    at = &(*at)->next;
  *at = leasing->next;
  tunnel->n_bindings--;
  COUNT_N (core, BINDINGS, -1);
  if (leasing->ports[0].leasing != NULL) {
    tep_server_table_remove (&core->ports, &leasing->ports[0].node);
    if (leasing->binding.is_pair)
      tep_server_table_remove (&core->ports, &leasing->ports[1].node);
    if (core->host->announce != NULL)
      core->host->announce (core->host_data, &leasing->binding, FALSE);
    core->host->release (core->host_data, &leasing->binding);
  }
  if (!leasing->binding.is_relayed)
    tep_server_leases_give (core->shared->leases, &leasing->binding.address,
                            leasing->binding.is_pair);
  if (leasing->held != NULL)
    stun_ext_crypto_cleanse (leasing->held, sizeof *leasing->held);
  g_free (leasing->held);
  g_free (leasing);
}

TepServerLeasing *
tep_server_leasing_find (TepServerTunnel *tunnel, guint32 id)
{
  TepServerLeasing *leasing = tunnel->leasings;

  while (leasing != NULL && leasing->id != id)
    leasing = leasing->next;
  return leasing;
}

TepServerFlow *
tep_server_flow_add (TepServerLeasing *leasing,
                     const StunExtAddress *leased,
                     const StunExtAddress *remote)
{
  TepServerTunnel *tunnel = leasing->tunnel;
  TepServerCore *core = tunnel->core;
  TepServerFlow *flow = g_new0 (TepServerFlow, 1);

  flow->leasing = leasing;
  flow->leased = *leased;
  flow->remote = *remote;
  flow->used_us = core->now_us;
  flow->next = tunnel->flows;
  tunnel->flows = flow;
  tunnel->n_flows++;
  tunnel->had_flow = TRUE;
  COUNT (core, FLOWS);
  tep_server_table_add (&core->flows, &flow->node, hash_tuple (core, leased, remote));
  tep_server_tunnel_step (tunnel, TUNNEL_FLOW);
  return flow;
}

void
tep_server_flow_remove (TepServerFlow *flow)
{
  TepServerTunnel *tunnel = flow->leasing->tunnel;
  TepServerCore *core = tunnel->core;
  TepServerFlow **at = &tunnel->flows;

  /* Packets of this round point to the flow's addresses. */
  tep_server_core_flush_packets (core);
  while (*at != flow)
    at = &(*at)->next;
  *at = flow->next;
  if (tunnel->last_flow == flow)
    tunnel->last_flow = NULL;
  tunnel->n_flows--;
  COUNT_N (core, FLOWS, -1);
  tep_server_table_remove (&core->flows, &flow->node);
  g_free (flow);
}

TepServerFlow *
tep_server_flow_find (TepServerCore *core,
                      const StunExtAddress *leased,
                      const StunExtAddress *remote)
{
  guint64 hash = hash_tuple (core, leased, remote);
  TepServerNode *node = tep_server_table_first (&core->flows, hash);

  while (node != NULL) {
    TepServerFlow *flow = (TepServerFlow *)node;

    if (stun_ext_address_equal (&flow->leased, leased) &&
        stun_ext_address_equal (&flow->remote, remote))
      return flow;
    node = tep_server_table_next (node->next, hash);
  }
  return NULL;
}

/* A tunnel has a handful of flows, 64 at most, and as a rule it is the one of the packet before. */
TepServerFlow *
tep_server_flow_find_id (TepServerTunnel *tunnel, guint16 id)
{
  TepServerFlow *flow = tunnel->last_flow;

  if (flow != NULL && flow->has_id && flow->id == id)
    return flow;
  for (flow = tunnel->flows; flow != NULL; flow = flow->next) {
    if (flow->has_id && flow->id == id) {
      tunnel->last_flow = flow;
      return flow;
    }
  }
  return NULL;
}

/* ---- pinholes, and leases of other workers ---- */

static Pinhole *
find_pinhole (TepServerCore *core, const StunExtAddress *leased, const StunExtAddress *remote)
{
  guint64 hash = hash_tuple (core, leased, remote);
  TepServerNode *node = tep_server_table_first (&core->pinholes, hash);

  while (node != NULL) {
    Pinhole *pinhole = (Pinhole *)node;

    if (stun_ext_address_equal (&pinhole->leased, leased) &&
        stun_ext_address_equal (&pinhole->remote, remote))
      return pinhole;
    node = tep_server_table_next (node->next, hash);
  }
  return NULL;
}

gboolean
tep_server_pinhole_is_open (TepServerCore *core,
                            const StunExtAddress *leased,
                            const StunExtAddress *remote)
{
  const StunExtAddress any = { 0 };

  return find_pinhole (core, leased, remote) != NULL || find_pinhole (core, &any, remote) != NULL;
}

void
tep_server_core_set_pinhole (TepServerCore *core,
                             const StunExtAddress *leased,
                             const StunExtAddress *remote,
                             gboolean is_open)
{
  const StunExtAddress any = { 0 };
  Pinhole *pinhole;

  if (leased == NULL)
    leased = &any;
  pinhole = find_pinhole (core, leased, remote);
  core->policy_generation++; /* what flows remember is void */
  if (is_open && pinhole == NULL) {
    pinhole = g_new0 (Pinhole, 1);
    pinhole->leased = *leased;
    pinhole->remote = *remote;
    tep_server_table_add (&core->pinholes, &pinhole->node, hash_tuple (core, leased, remote));
  } else if (!is_open && pinhole != NULL) {
    tep_server_table_remove (&core->pinholes, &pinhole->node);
    g_free (pinhole);
  }
}

ForeignOwner *
tep_server_foreign_find (TepServerCore *core, const StunExtAddress *leased)
{
  guint64 hash = stun_ext_address_hash (leased, core->seed);
  TepServerNode *node = tep_server_table_first (&core->foreign, hash);

  while (node != NULL && !stun_ext_address_equal (&((ForeignOwner *)node)->leased, leased))
    node = tep_server_table_next (node->next, hash);
  return (ForeignOwner *)node;
}

static void
set_owner (TepServerCore *core, const StunExtAddress *leased, guint worker, gboolean is_new)
{
  ForeignOwner *owner = tep_server_foreign_find (core, leased);

  if (is_new && owner == NULL) {
    owner = g_new0 (ForeignOwner, 1);
    owner->leased = *leased;
    tep_server_table_add (&core->foreign, &owner->node, stun_ext_address_hash (leased, core->seed));
  }
  if (is_new) {
    owner->worker = worker;
  } else if (owner != NULL && owner->worker == worker) {
    tep_server_table_remove (&core->foreign, &owner->node);
    g_free (owner);
  }
}

void
tep_server_core_set_owner (TepServerCore *core,
                           const StunExtAddress *leased,
                           gboolean is_pair,
                           guint worker,
                           gboolean is_new)
{
  StunExtAddress above = *leased;

  above.port++;
  set_owner (core, leased, worker, is_new);
  if (is_pair)
    set_owner (core, &above, worker, is_new);
}
