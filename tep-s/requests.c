/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests inside a tunnel, under its key: leases, flows, keepalive, close. Each ordinal is good
 * once, and nothing that the flight key granted counts before something came under the tunnel key.
 */
#include <string.h>

#include "stun-ext/crypto.h"
#include "tep-s/messages-private.h"
#include "tep-s/requests-private.h"

typedef struct {
  TepServerTunnel *tunnel;
  TepServerCore *core;
  TepServerConnection *connection;
  const StunExtMessage *message;
  StunExtSpan key;
} Request;

static void
refuse (const Request *request, guint code)
{
  tep_server_refuse_code (request->connection, request->message, code, request->key);
}

static void
grant (const Request *request, const StunExtTepSuccess *success)
{
  tep_server_grant (request->connection, request->message, success, request->key);
}

static guint32
grant_lifetime (const TepServerTimers *timers, guint32 asked_s)
{
  return CLAMP (asked_s != 0 ? asked_s : timers->binding_s, timers->binding_min_s,
                timers->binding_max_s);
}

/* ---- Lease ---- */

static gboolean
has_relay_family (const TepServerMediaConfig *media, guint8 family)
{
  for (guint i = 0; i < media->n_relay_addresses; i++) {
    if (media->relay_addresses[i].family == family)
      return TRUE;
  }
  return FALSE;
}

/* 0, or the code to answer. */
static guint
check_lease (const Request *request, const StunExtTepLease *lease, TepServerBinding *binding)
{
  const TepServerConfig *config = request->core->settings.config;
  const TepServerMediaConfig *media = &request->core->started_with->media;
  guint8 family = request->tunnel->public_address.family;

  binding->is_relayed = media->kind == TEP_SERVER_MEDIA_RELAY;
  binding->is_pair = lease->ports == STUN_EXT_TEP_PORTS_PAIR;
  if (lease->kind != STUN_EXT_TEP_FLOW_ANY &&
      (lease->kind == STUN_EXT_TEP_FLOW_RELAYED) != binding->is_relayed)
    return STUN_EXT_CODE_FORBIDDEN;
  if (binding->is_relayed) {
    if (lease->family != 0)
      family = lease->family;
    else if (!has_relay_family (media, family))
      family = media->relay_addresses[0].family;
    if (!has_relay_family (media, family))
      return STUN_EXT_CODE_ADDRESS_FAMILY_NOT_SUPPORTED;
  } else if (lease->family != 0 && lease->family != family) {
    return STUN_EXT_CODE_ADDRESS_FAMILY_NOT_SUPPORTED;
  }
  if (request->tunnel->n_bindings >= config->limits.bindings_per_tunnel)
    return STUN_EXT_CODE_QUOTA_REACHED;
  binding->address.family = family;
  binding->address.port = lease->wanted_port;
  binding->is_even = lease->ports != STUN_EXT_TEP_PORTS_ANY;
  return 0;
}

static gboolean
take_address (TepServerTunnel *tunnel, TepServerBinding *binding)
{
  TepServerCore *core = tunnel->core;
  guint32 random;

  if (binding->is_relayed)
    return TRUE; /* the backend knows which are free */
  core->host->random (core->host_data, &random, sizeof random);
  return tep_server_leases_take (core->shared->leases, &tunnel->public_address,
                                 binding->address.port, binding->is_even, binding->is_pair, random,
                                 &binding->address);
}

/* The binding has its address, or will get it from the media side. */
static TepServerLeasing *
begin_binding (TepServerTunnel *tunnel, const TepServerBinding *binding, guint32 lifetime_s)
{
  TepServerCore *core = tunnel->core;
  TepServerLeasing *leasing;

  leasing = tep_server_leasing_add (tunnel, binding);
  leasing->expires_us = core->now_us + lifetime_s * US_PER_S;
  if (!core->host->lease (core->host_data, &leasing->binding)) {
    tep_server_leasing_remove (leasing);
    return NULL;
  }
  tep_server_leasing_publish (leasing);
  tep_server_tunnel_arm (tunnel);
  return leasing;
}

TepServerLeasing *
tep_server_lease_exactly (TepServerTunnel *tunnel, TepServerBinding *binding, guint32 lifetime_s)
{
  TepServerCore *core = tunnel->core;
  const guint16 port = binding->address.port;

  if (!take_address (tunnel, binding))
    return NULL;
  if (binding->address.port == port)
    return begin_binding (tunnel, binding, lifetime_s);
  tep_server_leases_give (core->shared->leases, &binding->address, FALSE);
  return NULL;
}

static void
grant_lease (const Request *request, const TepServerLeasing *leasing, guint32 lifetime_s)
{
  StunExtTepSuccess success = { .kind = STUN_EXT_TEP_LEASE };

  success.leased =
      (StunExtTepLeased){ .binding_id = leasing->id,
                          .address = leasing->binding.address,
                          .kind = leasing->binding.is_relayed ? STUN_EXT_TEP_FLOW_RELAYED
                                                              : STUN_EXT_TEP_FLOW_REFLEXIVE,
                          .is_pair = leasing->binding.is_pair,
                          .lifetime_s = lifetime_s };
  grant (request, &success);
}

/* The connection may end before the answer comes, and the flight key may. */
static void
hold_answer (const Request *request, TepServerLeasing *leasing, guint32 lifetime_s)
{
  HeldAnswer *held = g_new0 (HeldAnswer, 1);

  held->connection = request->connection;
  held->number = request->connection->number;
  held->lifetime_s = lifetime_s;
  memcpy (held->transaction_id, request->message->transaction_id, sizeof held->transaction_id);
  memcpy (held->key, request->key.data, sizeof held->key);
  leasing->held = held;
}

static void
lease (const Request *request, const StunExtTepLease *fields)
{
  const TepServerTimers *timers = &request->core->settings.config->timers;
  TepServerBinding binding = { 0 };
  guint32 lifetime_s = grant_lifetime (timers, fields->lifetime_s);
  guint code = check_lease (request, fields, &binding);
  TepServerLeasing *leasing = NULL;

  if (code == 0) {
    if (take_address (request->tunnel, &binding))
      leasing = begin_binding (request->tunnel, &binding, lifetime_s);
    code = leasing == NULL ? STUN_EXT_CODE_INSUFFICIENT_CAPACITY : 0;
  }
  if (code != 0) {
    COUNT (request->core, LEASES_REFUSED);
    refuse (request, code);
  } else if (leasing->binding.is_pending) {
    hold_answer (request, leasing, lifetime_s);
  } else {
    grant_lease (request, leasing, lifetime_s);
  }
}

/* Whoever asked is still there to be told? */
static void
answer_held (TepServerLeasing *leasing, const HeldAnswer *held, gboolean is_usable)
{
  TepServerConnection *connection = leasing->tunnel->connections[held->number];
  StunExtMessage message = { .method = STUN_EXT_TEP_METHOD_LEASE,
                             .message_class = STUN_EXT_CLASS_REQUEST };
  Request request = { .tunnel = leasing->tunnel,
                      .core = leasing->tunnel->core,
                      .connection = connection,
                      .message = &message,
                      .key = { held->key, sizeof held->key } };

  if (connection == NULL || connection != held->connection)
    return;
  memcpy (message.transaction_id, held->transaction_id, sizeof message.transaction_id);
  if (is_usable)
    grant_lease (&request, leasing, held->lifetime_s);
  else
    refuse (&request, STUN_EXT_CODE_INSUFFICIENT_CAPACITY);
}

void
tep_server_core_leased (TepServerCore *core, TepServerBinding *binding, gboolean is_usable)
{
  TepServerLeasing *leasing = (TepServerLeasing *)(gpointer)binding;
  HeldAnswer *held = g_steal_pointer (&leasing->held);

  binding->is_pending = FALSE;
  if (held != NULL) {
    answer_held (leasing, held, is_usable);
    stun_ext_crypto_cleanse (held, sizeof *held);
    g_free (held);
  }
  if (is_usable)
    return;
  COUNT (core, LEASES_REFUSED);
  tep_server_leasing_remove (leasing);
}

/* ---- Refresh ---- */

static void
refresh (const Request *request, const StunExtTepRefresh *fields)
{
  TepServerTunnel *tunnel = request->tunnel;
  StunExtTepSuccess success = { .kind = STUN_EXT_TEP_REFRESH };
  TepServerLeasing *leasing = tunnel->leasings;

  if (fields->binding_id != 0 && tep_server_leasing_find (tunnel, fields->binding_id) == NULL) {
    COUNT (request->core, MISMATCHES);
    refuse (request, STUN_EXT_CODE_ALLOCATION_MISMATCH);
    return;
  }
  if (fields->lifetime_s > 0)
    success.lifetime_s =
        grant_lifetime (&request->core->settings.config->timers, fields->lifetime_s);
  while (leasing != NULL) {
    TepServerLeasing *next = leasing->next;

    if (fields->binding_id == 0 || leasing->id == fields->binding_id) {
      if (success.lifetime_s == 0)
        tep_server_leasing_remove (leasing);
      else
        leasing->expires_us = request->core->now_us + success.lifetime_s * US_PER_S;
    }
    leasing = next;
  }
  grant (request, &success);
  tep_server_tunnel_check_idle (tunnel);
  tep_server_tunnel_arm (tunnel);
}

/* ---- flows ---- */

void
tep_server_flow_shape (TepServerFlow *flow, guint32 bandwidth_kbps, gboolean has_dscp, guint8 dscp)
{
  const TepServerConfig *config = flow->leasing->tunnel->core->settings.config;
  guint32 limit = config->limits.bandwidth_kbit;

  flow->bandwidth_kbit =
      bandwidth_kbps != 0 ? bandwidth_kbps : config->limits.default_bandwidth_kbit;
  if (limit > 0)
    flow->bandwidth_kbit = MIN (flow->bandwidth_kbit, limit);
  flow->dscp = config->media.default_dscp;
  for (guint i = 0; has_dscp && i < config->media.n_dscp; i++) {
    if (config->media.dscp[i] == dscp)
      flow->dscp = dscp;
  }
}

/* Whether a remote may be a remote at all; the policy is asked again for each packet. */
gboolean
tep_server_remote_is_allowed (TepServerCore *core, const StunExtAddress *remote)
{
  const TepServerMediaConfig *media = &core->settings.config->media;

  if (!media->is_client_to_client_allowed && (tep_server_port_find (core, remote) != NULL ||
                                              tep_server_foreign_find (core, remote) != NULL))
    return FALSE;
  return tep_server_policy_check (core->settings.policy, TEP_SERVER_TO_REMOTE, remote) ==
         TEP_SERVER_VERDICT_ALLOW;
}

/* 0, or the code to answer. */
static guint
check_flow (const Request *request,
            const StunExtTepOpenFlow *fields,
            TepServerLeasing **leasing,
            StunExtAddress *leased)
{
  *leasing = tep_server_leasing_find (request->tunnel, fields->binding_id);
  if (*leasing == NULL)
    return STUN_EXT_CODE_ALLOCATION_MISMATCH;
  if (fields->port_offset > ((*leasing)->binding.is_pair ? 1 : 0))
    return STUN_EXT_CODE_BAD_REQUEST;
  *leased = (*leasing)->binding.address;
  leased->port = (guint16)(leased->port + fields->port_offset);
  if (fields->remote.family != leased->family)
    return STUN_EXT_CODE_PEER_FAMILY_MISMATCH;
  if (!tep_server_remote_is_allowed (request->core, &fields->remote))
    return STUN_EXT_CODE_FORBIDDEN;
  return 0;
}

/* The flow to be answered about, new or not; NULL with a code. */
static TepServerFlow *
take_flow (const Request *request, const StunExtTepOpenFlow *fields, guint *code)
{
  TepServerCore *core = request->core;
  TepServerFlow *by_id = tep_server_flow_find_id (request->tunnel, fields->flow_id);
  TepServerLeasing *leasing;
  StunExtAddress leased;
  TepServerFlow *flow;

  *code = check_flow (request, fields, &leasing, &leased);
  if (*code != 0)
    return NULL;
  flow = tep_server_flow_find (core, &leased, &fields->remote);
  if (flow != by_id && (by_id != NULL || flow->has_id)) {
    *code = STUN_EXT_CODE_CONNECTION_EXISTS;
    return NULL;
  }
  if (flow == NULL) {
    if (request->tunnel->n_flows >= core->settings.config->limits.flows_per_tunnel) {
      *code = STUN_EXT_CODE_QUOTA_REACHED;
      return NULL;
    }
    flow = tep_server_flow_add (leasing, &leased, &fields->remote);
  }
  flow->has_id = TRUE; /* an implicit one gets its id now */
  flow->id = fields->flow_id;
  flow->offset = fields->port_offset;
  return flow;
}

static void
open_flow (const Request *request, const StunExtTepOpenFlow *fields)
{
  StunExtTepSuccess success = { .kind = STUN_EXT_TEP_OPEN_FLOW };
  guint code;
  TepServerFlow *flow = take_flow (request, fields, &code);

  if (flow == NULL) {
    COUNT (request->core, FLOWS_REFUSED);
    refuse (request, code);
    return;
  }
  tep_server_flow_shape (flow, fields->bandwidth_kbps, fields->has_dscp, fields->dscp);
  success.flow = (StunExtTepFlowOpened){ .flow_id = flow->id,
                                         .port_offset = flow->offset,
                                         .dscp = flow->dscp,
                                         .bandwidth_kbps = flow->bandwidth_kbit };
  grant (request, &success);
}

static void
close_flow (const Request *request, const StunExtTepCloseFlow *fields)
{
  StunExtTepSuccess success = { .kind = STUN_EXT_TEP_CLOSE_FLOW };
  TepServerFlow *flow = tep_server_flow_find_id (request->tunnel, fields->flow_id);

  if (flow == NULL) {
    COUNT (request->core, MISMATCHES);
    refuse (request, STUN_EXT_CODE_ALLOCATION_MISMATCH);
    return;
  }
  tep_server_flow_remove (flow);
  grant (request, &success);
  tep_server_tunnel_check_idle (request->tunnel);
}

/* ---- all requests ---- */

static void
keep_alive (const Request *request)
{
  const StunExtTepSuccess success = { .kind = STUN_EXT_TEP_KEEPALIVE,
                                      .mapped = request->connection->source };

  grant (request, &success);
}

static void
close_tunnel (const Request *request)
{
  const StunExtTepSuccess success = { .kind = STUN_EXT_TEP_CLOSE };

  grant (request, &success);
  tep_server_tunnel_end (request->tunnel, 0, TEP_SERVER_COUNTER_CLOSED_CLIENT);
}

static void
carry_out (const Request *request, const StunExtTepRequest *fields)
{
  switch (fields->kind) {
  case STUN_EXT_TEP_KEEPALIVE:
    keep_alive (request);
    break;
  case STUN_EXT_TEP_LEASE:
    lease (request, &fields->lease);
    break;
  case STUN_EXT_TEP_REFRESH:
    refresh (request, &fields->refresh);
    break;
  case STUN_EXT_TEP_OPEN_FLOW:
    open_flow (request, &fields->open_flow);
    break;
  case STUN_EXT_TEP_CLOSE_FLOW:
    close_flow (request, &fields->close_flow);
    break;
  case STUN_EXT_TEP_CLOSE:
    close_tunnel (request);
    break;
  case STUN_EXT_TEP_OPEN:
  case STUN_EXT_TEP_JOIN:
  case STUN_EXT_TEP_RESUME:
  default:
    refuse (request, STUN_EXT_CODE_BAD_REQUEST); /* this connection has its tunnel */
    break;
  }
}

/* Which key signed it. The flight key ends with the first request under the tunnel key. */
static gboolean
find_key (Request *request)
{
  TepServerTunnel *tunnel = request->tunnel;

  request->key = (StunExtSpan){ tunnel->key, sizeof tunnel->key };
  if (stun_ext_tep_verify (request->message, request->key))
    return TRUE;
  request->key = (StunExtSpan){ tunnel->flight_key, sizeof tunnel->flight_key };
  return tunnel->state == TUNNEL_PROVISIONAL &&
         request->message->method == STUN_EXT_TEP_METHOD_LEASE &&
         stun_ext_tep_verify (request->message, request->key);
}

static void
read_signed (Request *request)
{
  TepServerTunnel *tunnel = request->tunnel;
  StunExtTepRequest fields;
  StunExtTepFailure failure;
  StunExtTepRead read = stun_ext_tep_read_request (request->message, &fields, &failure);

  if (read == STUN_EXT_TEP_READ_BAD) {
    tep_server_refuse (request->connection, request->message, &failure, request->key);
    return;
  }
  if (read != STUN_EXT_TEP_READ_OK) {
    refuse (request, STUN_EXT_CODE_BAD_REQUEST);
    return;
  }
  if (fields.kind != STUN_EXT_TEP_OPEN &&
      !stun_ext_ordinal_window_accept (&tunnel->ordinals, fields.ordinal)) {
    tep_server_mismatch (request->connection, request->message);
    return;
  }
  if (request->key.data == tunnel->key)
    tep_server_tunnel_confirm (tunnel);
  carry_out (request, &fields);
}

void
tep_server_tunnel_message (TepServerTunnel *tunnel,
                           TepServerConnection *connection,
                           const guint8 *data,
                           gsize length)
{
  StunExtMessage message;
  Request request = {
    .tunnel = tunnel, .core = tunnel->core, .connection = connection, .message = &message
  };

  if (stun_ext_message_parse (&message, data, length) != STUN_EXT_PARSE_OK ||
      message.message_class != STUN_EXT_CLASS_REQUEST) {
    COUNT (tunnel->core, FRAMES_STUN);
    return;
  }
  if (find_key (&request)) {
    read_signed (&request);
  } else if (message.method == STUN_EXT_METHOD_BINDING && message.integrity_sha256_offset == 0 &&
             stun_ext_message_find (&message, STUN_EXT_TEP_ATTRIBUTE_VERSION) == NULL) {
    tep_server_answer_plain (connection, &message);
  } else {
    tep_server_mismatch (connection, &message);
  }
}
