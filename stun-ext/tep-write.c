/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The messages of a tunnel, from structs. Whatever this side writes is checked as strictly as what
 * it reads: a field that cannot be right makes the message fail here and not at the far end. */
#include "stun-ext/tep.h"

#include <string.h>

#include "stun-ext/attribute.h"
#include "stun-ext/integrity.h"
#include "stun-ext/tep-private.h"
#include "stun-ext/writer.h"

static void
need (StunExtBuilder *builder, gboolean is_right)
{
  if (!is_right)
    builder->writer.failed = TRUE;
}

static void
put_octets (StunExtBuilder *builder, guint16 type, StunExtSpan value, gsize min, gsize max)
{
  if (value.data == NULL)
    return;
  need (builder, value.length >= min && value.length <= max);
  stun_ext_builder_add_data (builder, type, value.data, value.length);
}

static void
put_text (StunExtBuilder *builder, guint16 type, StunExtSpan text, gsize max)
{
  need (builder, text.data == NULL || stun_ext_text_is_clean (text.data, text.length));
  put_octets (builder, type, text, 1, max);
}

static void
put_32 (StunExtBuilder *builder, guint16 type, const guint8 *octets)
{
  if (octets != NULL)
    stun_ext_builder_add_data (builder, type, octets, 32);
}

/* Two numbers in one attribute. */
static void
put_two (StunExtBuilder *builder, guint16 type, guint16 first, guint16 second)
{
  stun_ext_builder_add_u32 (builder, type, (guint32)first << 16 | second);
}

static void
put_version (StunExtBuilder *builder, guint8 version, guint8 flags)
{
  need (builder, version != 0);
  put_two (builder, STUN_EXT_TEP_ATTRIBUTE_VERSION, (guint16)(version << 8 | flags), 0);
}

static void
put_challenge (StunExtBuilder *builder,
               StunExtSpan realm,
               StunExtSpan nonce,
               StunExtSpan password_algorithms)
{
  put_text (builder, STUN_EXT_ATTRIBUTE_REALM, realm, STUN_EXT_REALM_MAX_LENGTH);
  put_text (builder, STUN_EXT_ATTRIBUTE_NONCE, nonce, STUN_EXT_NONCE_MAX_LENGTH);
  put_octets (builder, STUN_EXT_ATTRIBUTE_PASSWORD_ALGORITHMS, password_algorithms, 4,
              STUN_EXT_ALGORITHMS_MAX_LENGTH);
}

static void
put_open (StunExtBuilder *builder, const StunExtTepOpen *open)
{
  put_version (builder, open->version, open->keep ? STUN_EXT_TEP_FLAG_KEEP : 0);
  need (builder, open->server_name.data != NULL && open->client_random != NULL);
  put_text (builder, STUN_EXT_TEP_ATTRIBUTE_SERVER_NAME, open->server_name,
            STUN_EXT_TEP_SERVER_NAME_MAX_LENGTH);
  put_32 (builder, STUN_EXT_TEP_ATTRIBUTE_CLIENT_RANDOM, open->client_random);
  stun_ext_builder_add_u64 (builder, STUN_EXT_TEP_ATTRIBUTE_TIMESTAMP, open->timestamp_ms);
  put_text (builder, STUN_EXT_ATTRIBUTE_USERNAME, open->username, STUN_EXT_USERNAME_MAX_LENGTH);
  put_octets (builder, STUN_EXT_ATTRIBUTE_USERHASH, open->userhash, STUN_EXT_USERHASH_LENGTH,
              STUN_EXT_USERHASH_LENGTH);
  put_challenge (builder, open->realm, open->nonce, open->password_algorithms);
  if (open->password_algorithm != STUN_EXT_PASSWORD_ALGORITHM_NONE)
    put_two (builder, STUN_EXT_ATTRIBUTE_PASSWORD_ALGORITHM, (guint16)open->password_algorithm, 0);
  put_32 (builder, STUN_EXT_TEP_ATTRIBUTE_CHANNEL_BINDING, open->channel_binding);
}

static void
put_flow_kind (StunExtBuilder *builder, StunExtTepFlowKind kind)
{
  need (builder, kind == STUN_EXT_TEP_FLOW_REFLEXIVE || kind == STUN_EXT_TEP_FLOW_RELAYED);
  stun_ext_builder_add_u8 (builder, STUN_EXT_TEP_ATTRIBUTE_FLOW_KIND, (guint8)kind);
}

static void
put_ports (StunExtBuilder *builder, StunExtTepPorts ports)
{
  if (ports != STUN_EXT_TEP_PORTS_ANY)
    stun_ext_builder_add_octet (builder, STUN_EXT_ATTRIBUTE_EVEN_PORT,
                                ports == STUN_EXT_TEP_PORTS_PAIR ? 0x80 : 0);
}

static void
put_lease (StunExtBuilder *builder, const StunExtTepLease *lease)
{
  if (lease->kind != STUN_EXT_TEP_FLOW_ANY)
    put_flow_kind (builder, lease->kind);
  put_ports (builder, lease->ports);
  if (lease->wanted_port != 0)
    stun_ext_builder_add_u16 (builder, STUN_EXT_TEP_ATTRIBUTE_WANTED_PORT, lease->wanted_port);
  if (lease->family != 0)
    stun_ext_builder_add_family (builder, STUN_EXT_ATTRIBUTE_REQUESTED_ADDRESS_FAMILY,
                                 lease->family);
  if (lease->lifetime_s != 0)
    stun_ext_builder_add_u32 (builder, STUN_EXT_ATTRIBUTE_LIFETIME, lease->lifetime_s);
}

static void
put_refresh (StunExtBuilder *builder, const StunExtTepRefresh *refresh)
{
  if (refresh->binding_id != 0)
    stun_ext_builder_add_u32 (builder, STUN_EXT_TEP_ATTRIBUTE_BINDING_ID, refresh->binding_id);
  stun_ext_builder_add_u32 (builder, STUN_EXT_ATTRIBUTE_LIFETIME, refresh->lifetime_s);
}

static void
put_flow_id (StunExtBuilder *builder, guint16 flow_id, guint8 port_offset)
{
  need (builder, port_offset <= 1);
  put_two (builder, STUN_EXT_TEP_ATTRIBUTE_FLOW_ID, flow_id, (guint16)(port_offset << 8));
}

static void
put_dscp (StunExtBuilder *builder, guint8 dscp)
{
  need (builder, dscp <= 63);
  stun_ext_builder_add_u8 (builder, STUN_EXT_TEP_ATTRIBUTE_DSCP, dscp);
}

static void
put_open_flow (StunExtBuilder *builder, const StunExtTepOpenFlow *flow)
{
  need (builder, flow->binding_id != 0);
  stun_ext_builder_add_u32 (builder, STUN_EXT_TEP_ATTRIBUTE_BINDING_ID, flow->binding_id);
  put_flow_id (builder, flow->flow_id, flow->port_offset);
  stun_ext_builder_add_xor_address (builder, STUN_EXT_ATTRIBUTE_XOR_PEER_ADDRESS, &flow->remote);
  if (flow->bandwidth_kbps != 0)
    stun_ext_builder_add_u32 (builder, STUN_EXT_TEP_ATTRIBUTE_BANDWIDTH, flow->bandwidth_kbps);
  if (flow->has_dscp)
    put_dscp (builder, flow->dscp);
}

static void
put_tunnel_id (StunExtBuilder *builder, StunExtSpan id)
{
  need (builder, id.data != NULL);
  put_octets (builder, STUN_EXT_TEP_ATTRIBUTE_TUNNEL_ID, id, STUN_EXT_TEP_TUNNEL_ID_MIN_LENGTH,
              STUN_EXT_TEP_TUNNEL_ID_MAX_LENGTH);
}

static void
put_join (StunExtBuilder *builder, const StunExtTepJoin *join)
{
  put_version (builder, join->version, 0);
  put_tunnel_id (builder, join->tunnel_id);
  put_32 (builder, STUN_EXT_TEP_ATTRIBUTE_CHANNEL_BINDING, join->channel_binding);
}

static void
put_request (StunExtBuilder *builder, const StunExtTepRequest *request)
{
  switch (request->kind) {
  case STUN_EXT_TEP_OPEN:
    put_open (builder, &request->open);
    break;
  case STUN_EXT_TEP_LEASE:
    put_lease (builder, &request->lease);
    break;
  case STUN_EXT_TEP_REFRESH:
    put_refresh (builder, &request->refresh);
    break;
  case STUN_EXT_TEP_OPEN_FLOW:
    put_open_flow (builder, &request->open_flow);
    break;
  case STUN_EXT_TEP_CLOSE_FLOW:
    put_flow_id (builder, request->close_flow.flow_id, 0);
    break;
  case STUN_EXT_TEP_JOIN:
  case STUN_EXT_TEP_RESUME:
    put_join (builder, &request->join);
    break;
  case STUN_EXT_TEP_KEEPALIVE:
  case STUN_EXT_TEP_CLOSE:
    break;
  }
  if (request->kind == STUN_EXT_TEP_OPEN)
    return;
  need (builder, request->ordinal != 0);
  stun_ext_builder_add_u32 (builder, STUN_EXT_TEP_ATTRIBUTE_ORDINAL, request->ordinal);
}

guint16
stun_ext_tep_method (StunExtTepKind kind)
{
  static const guint16 methods[] = {
    [STUN_EXT_TEP_OPEN] = STUN_EXT_METHOD_BINDING,
    [STUN_EXT_TEP_KEEPALIVE] = STUN_EXT_METHOD_BINDING,
    [STUN_EXT_TEP_LEASE] = STUN_EXT_TEP_METHOD_LEASE,
    [STUN_EXT_TEP_REFRESH] = STUN_EXT_METHOD_REFRESH,
    [STUN_EXT_TEP_OPEN_FLOW] = STUN_EXT_TEP_METHOD_OPEN_FLOW,
    [STUN_EXT_TEP_CLOSE_FLOW] = STUN_EXT_TEP_METHOD_CLOSE_FLOW,
    [STUN_EXT_TEP_JOIN] = STUN_EXT_TEP_METHOD_JOIN,
    [STUN_EXT_TEP_RESUME] = STUN_EXT_TEP_METHOD_RESUME,
    [STUN_EXT_TEP_CLOSE] = STUN_EXT_TEP_METHOD_CLOSE,
  };

  return methods[kind];
}

static gboolean
finish (StunExtBuilder *builder, StunExtSpan key, gsize *length)
{
  return stun_ext_builder_finish (
      builder, key.length > 0 ? STUN_EXT_INTEGRITY_SHA256 : STUN_EXT_INTEGRITY_NONE, key, FALSE,
      length);
}

gboolean
stun_ext_tep_write_request (const StunExtTepRequest *request,
                            const guint8 *transaction_id,
                            StunExtSpan key,
                            guint8 *buffer,
                            gsize capacity,
                            gsize *length)
{
  StunExtBuilder builder;

  stun_ext_builder_begin (&builder, buffer, MIN (capacity, STUN_EXT_TEP_MESSAGE_MAX),
                          STUN_EXT_CLASS_REQUEST, stun_ext_tep_method (request->kind),
                          transaction_id);
  need (&builder, key.length > 0 || request->kind == STUN_EXT_TEP_OPEN);
  put_request (&builder, request);
  return finish (&builder, key, length);
}

gboolean
stun_ext_tep_write_flight (const StunExtTepRequest *requests,
                           const guint8 (*transaction_ids)[STUN_EXT_TRANSACTION_ID_LENGTH],
                           gsize n_requests,
                           StunExtSpan credential_key,
                           guint8 *buffer,
                           gsize capacity,
                           gsize *length)
{
  guint8 message[STUN_EXT_TEP_MESSAGE_MAX];
  guint8 flight_key[STUN_EXT_TUNNEL_KEY_LENGTH];
  StunExtSpan key = credential_key;
  StunExtWriter frames;

  stun_ext_writer_init (&frames, buffer, capacity);
  if (n_requests == 0 || requests[0].kind != STUN_EXT_TEP_OPEN)
    return FALSE;
  if (n_requests > 1) {
    StunExtTunnelSecrets secrets = stun_ext_tep_secrets (&requests[0].open, NULL, credential_key);

    if (!stun_ext_flight_key (&secrets, flight_key))
      return FALSE;
  }
  for (gsize i = 0; i < n_requests && !frames.failed; i++) {
    gsize slot = stun_ext_writer_open_u16 (&frames);
    gsize n = 0;

    frames.failed = frames.failed || (i > 0 && requests[i].kind == STUN_EXT_TEP_OPEN) ||
                    !stun_ext_tep_write_request (&requests[i], transaction_ids[i], key, message,
                                                 sizeof message, &n);
    stun_ext_writer_bytes (&frames, message, n);
    stun_ext_writer_close_u16 (&frames, slot);
    key = (StunExtSpan){ flight_key, sizeof flight_key };
  }
  stun_ext_crypto_cleanse (flight_key, sizeof flight_key);
  if (!frames.failed)
    *length = frames.length;
  return !frames.failed;
}

static void
put_connection_number (StunExtBuilder *builder, guint8 number)
{
  need (builder, number < STUN_EXT_TEP_CONNECTIONS_MAX);
  stun_ext_builder_add_u8 (builder, STUN_EXT_TEP_ATTRIBUTE_CONNECTION_NUMBER, number);
}

static void
put_mapped (StunExtBuilder *builder, const StunExtAddress *mapped)
{
  stun_ext_builder_add_xor_address (builder, STUN_EXT_ATTRIBUTE_XOR_MAPPED_ADDRESS, mapped);
}

static void
put_opened (StunExtBuilder *builder, const StunExtTepOpened *opened)
{
  put_mapped (builder, &opened->mapped);
  put_version (builder, STUN_EXT_TEP_VERSION, 0);
  need (builder, opened->server_random != NULL);
  put_32 (builder, STUN_EXT_TEP_ATTRIBUTE_SERVER_RANDOM, opened->server_random);
  put_tunnel_id (builder, opened->tunnel_id);
  put_connection_number (builder, opened->connection_number);
  need (builder, opened->largest_packet >= STUN_EXT_TEP_PACKET_MIN);
  put_two (builder, STUN_EXT_TEP_ATTRIBUTE_LARGEST_PACKET, opened->largest_packet, 0);
  need (builder, opened->keepalive_s > 0 && opened->silence_s > opened->keepalive_s);
  put_two (builder, STUN_EXT_TEP_ATTRIBUTE_KEEPALIVE, opened->keepalive_s, opened->silence_s);
  put_challenge (builder, opened->realm, opened->nonce, opened->password_algorithms);
}

static void
put_leased (StunExtBuilder *builder, const StunExtTepLeased *leased)
{
  need (builder, leased->binding_id != 0 && leased->address.port != 0 && leased->lifetime_s != 0);
  need (builder, !leased->is_pair || leased->address.port % 2 == 0);
  stun_ext_builder_add_u32 (builder, STUN_EXT_TEP_ATTRIBUTE_BINDING_ID, leased->binding_id);
  stun_ext_builder_add_xor_address (builder, STUN_EXT_TEP_ATTRIBUTE_LEASED_ADDRESS,
                                    &leased->address);
  put_flow_kind (builder, leased->kind);
  put_ports (builder, leased->is_pair ? STUN_EXT_TEP_PORTS_PAIR : STUN_EXT_TEP_PORTS_ANY);
  stun_ext_builder_add_u32 (builder, STUN_EXT_ATTRIBUTE_LIFETIME, leased->lifetime_s);
}

static void
put_success (StunExtBuilder *builder, const StunExtTepSuccess *success)
{
  switch (success->kind) {
  case STUN_EXT_TEP_OPEN:
    put_opened (builder, &success->opened);
    break;
  case STUN_EXT_TEP_KEEPALIVE:
    put_mapped (builder, &success->mapped);
    break;
  case STUN_EXT_TEP_LEASE:
    put_leased (builder, &success->leased);
    break;
  case STUN_EXT_TEP_REFRESH:
    stun_ext_builder_add_u32 (builder, STUN_EXT_ATTRIBUTE_LIFETIME, success->lifetime_s);
    break;
  case STUN_EXT_TEP_OPEN_FLOW:
    put_flow_id (builder, success->flow.flow_id, success->flow.port_offset);
    stun_ext_builder_add_u32 (builder, STUN_EXT_TEP_ATTRIBUTE_BANDWIDTH,
                              success->flow.bandwidth_kbps);
    put_dscp (builder, success->flow.dscp);
    break;
  case STUN_EXT_TEP_JOIN:
  case STUN_EXT_TEP_RESUME:
    put_mapped (builder, &success->joined.mapped);
    put_connection_number (builder, success->joined.connection_number);
    break;
  case STUN_EXT_TEP_CLOSE_FLOW:
  case STUN_EXT_TEP_CLOSE:
    break;
  }
}

gboolean
stun_ext_tep_write_success (const StunExtTepSuccess *success,
                            const StunExtMessage *request,
                            StunExtSpan key,
                            guint8 *buffer,
                            gsize capacity,
                            gsize *length)
{
  StunExtBuilder builder;

  stun_ext_builder_begin_success (&builder, buffer, MIN (capacity, STUN_EXT_TEP_MESSAGE_MAX),
                                  request);
  need (&builder, key.length > 0 && stun_ext_tep_method (success->kind) == request->method);
  put_success (&builder, success);
  return finish (&builder, key, length);
}

/* ERROR-CODE is written here and not by the builder's own function, whose phrase is a terminated
 * text. */
static void
put_error (StunExtBuilder *builder, guint code, StunExtSpan reason)
{
  const char *phrase = stun_ext_reason_phrase (code);
  StunExtWriter *writer = &builder->writer;
  gsize slot;

  need (builder, code >= 300 && code <= 699 && reason.length <= STUN_EXT_REASON_MAX_LENGTH);
  need (builder, stun_ext_text_is_clean (reason.data, reason.length));
  slot = stun_ext_writer_open (writer, STUN_EXT_ATTRIBUTE_ERROR_CODE);
  stun_ext_writer_u16 (writer, 0);
  stun_ext_writer_u8 (writer, (guint8)(code / 100));
  stun_ext_writer_u8 (writer, (guint8)(code % 100));
  if (reason.data != NULL)
    stun_ext_writer_bytes (writer, reason.data, reason.length);
  else
    stun_ext_writer_bytes (writer, phrase, strlen (phrase));
  stun_ext_writer_close (writer, slot);
}

gboolean
stun_ext_tep_write_failure (const StunExtTepFailure *failure,
                            const StunExtMessage *request,
                            StunExtSpan key,
                            guint8 *buffer,
                            gsize capacity,
                            gsize *length)
{
  StunExtBuilder builder;

  stun_ext_builder_begin (&builder, buffer, MIN (capacity, STUN_EXT_TEP_MESSAGE_MAX),
                          STUN_EXT_CLASS_ERROR, request->method, request->transaction_id);
  put_error (&builder, failure->code, failure->reason);
  put_challenge (&builder, failure->realm, failure->nonce, failure->password_algorithms);
  if (failure->timestamp_ms != 0)
    stun_ext_builder_add_u64 (&builder, STUN_EXT_TEP_ATTRIBUTE_TIMESTAMP, failure->timestamp_ms);
  if (failure->version != 0)
    put_version (&builder, failure->version, 0);
  if (failure->n_unknown > 0)
    stun_ext_builder_add_unknown_attributes (&builder, failure->unknown,
                                             MIN (failure->n_unknown, STUN_EXT_UNKNOWN_MAX));
  return finish (&builder, key, length);
}

gboolean
stun_ext_tep_write_closing (const StunExtTepClosing *closing,
                            const guint8 *transaction_id,
                            StunExtSpan key,
                            guint8 *buffer,
                            gsize capacity,
                            gsize *length)
{
  StunExtBuilder builder;

  stun_ext_builder_begin (&builder, buffer, MIN (capacity, STUN_EXT_TEP_MESSAGE_MAX),
                          STUN_EXT_CLASS_INDICATION, STUN_EXT_TEP_METHOD_CLOSE, transaction_id);
  need (&builder, key.length > 0);
  put_error (&builder, closing->code, closing->reason);
  if (closing->alternate.family != 0)
    stun_ext_builder_add_address (&builder, STUN_EXT_ATTRIBUTE_ALTERNATE_SERVER,
                                  &closing->alternate);
  put_text (&builder, STUN_EXT_ATTRIBUTE_ALTERNATE_DOMAIN, closing->alternate_name,
            STUN_EXT_DOMAIN_MAX_LENGTH);
  return finish (&builder, key, length);
}
