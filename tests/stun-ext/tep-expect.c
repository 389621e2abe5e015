/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tep-expect.h"

#include <string.h>

char *
tep_expect_hex (const void *octets, gsize length)
{
  GString *hex = g_string_new (NULL);

  for (gsize i = 0; i < length; i++)
    g_string_append_printf (hex, "%02x", ((const guint8 *)octets)[i]);
  return g_string_free (hex, FALSE);
}

static void put (GString *json, const char *name, const char *format, ...) G_GNUC_PRINTF (3, 4);

static void
put (GString *json, const char *name, const char *format, ...)
{
  va_list arguments;

  g_string_append_printf (json, "%s\"%s\": ", json->len > 0 ? ", " : "", name);
  va_start (arguments, format);
  g_string_append_vprintf (json, format, arguments);
  va_end (arguments);
}

/* The texts of the samples need no escaping. */
static void
put_text (GString *json, const char *name, StunExtSpan text)
{
  if (text.data != NULL)
    put (json, name, "\"%.*s\"", (int)text.length, (const char *)text.data);
}

static void
put_hex (GString *json, const char *name, const void *octets, gsize length)
{
  g_autofree char *hex = tep_expect_hex (octets, octets != NULL ? length : 0);

  if (octets != NULL)
    put (json, name, "\"%s\"", hex);
}

static void
put_address (GString *json, const char *name, const StunExtAddress *address)
{
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

  put (json, name, "\"%s\"", stun_ext_address_print (address, text));
}

static void
put_version (GString *json, guint8 version, gboolean keep)
{
  put (json, "TEP-VERSION", "[%u, %s]", version, keep ? "true" : "false");
}

static char *
message (const char *method, const char *message_class, GString *attributes)
{
  char *json = g_strdup_printf (
      "{\"frame\": \"message\", \"method\": \"%s\", \"class\": \"%s\", \"attributes\": {%s}}",
      method, message_class, attributes->str);

  g_string_free (attributes, TRUE);
  return json;
}

static const char *
method_name (StunExtTepKind kind)
{
  static const char *const names[] = {
    [STUN_EXT_TEP_OPEN] = "Binding",        [STUN_EXT_TEP_KEEPALIVE] = "Binding",
    [STUN_EXT_TEP_LEASE] = "Lease",         [STUN_EXT_TEP_REFRESH] = "Refresh",
    [STUN_EXT_TEP_OPEN_FLOW] = "Open-Flow", [STUN_EXT_TEP_CLOSE_FLOW] = "Close-Flow",
    [STUN_EXT_TEP_JOIN] = "Join",           [STUN_EXT_TEP_RESUME] = "Resume",
    [STUN_EXT_TEP_CLOSE] = "Close",
  };

  return names[kind];
}

static void
put_open (GString *json, const StunExtTepOpen *open)
{
  put_version (json, open->version, open->keep);
  put_text (json, "SERVER-NAME", open->server_name);
  put_hex (json, "CLIENT-RANDOM", open->client_random, 32);
  put (json, "TIMESTAMP", "%" G_GUINT64_FORMAT, open->timestamp_ms);
  put_text (json, "USERNAME", open->username);
  put_hex (json, "USERHASH", open->userhash.data, open->userhash.length);
  put_text (json, "REALM", open->realm);
  put_text (json, "NONCE", open->nonce);
  put_hex (json, "PASSWORD-ALGORITHMS", open->password_algorithms.data,
           open->password_algorithms.length);
  if (open->password_algorithm != STUN_EXT_PASSWORD_ALGORITHM_NONE)
    put (json, "PASSWORD-ALGORITHM", "%d", open->password_algorithm);
  put_hex (json, "CHANNEL-BINDING", open->channel_binding, 32);
}

static void
put_ports (GString *json, StunExtTepPorts ports)
{
  if (ports != STUN_EXT_TEP_PORTS_ANY)
    put (json, "EVEN-PORT", "%s", ports == STUN_EXT_TEP_PORTS_PAIR ? "\"pair\"" : "\"even\"");
}

static void
put_lease (GString *json, const StunExtTepLease *lease)
{
  if (lease->kind != STUN_EXT_TEP_FLOW_ANY)
    put (json, "FLOW-KIND", "%d", lease->kind);
  put_ports (json, lease->ports);
  if (lease->wanted_port != 0)
    put (json, "WANTED-PORT", "%u", lease->wanted_port);
  if (lease->family != 0)
    put (json, "REQUESTED-ADDRESS-FAMILY", "%u", lease->family);
  if (lease->lifetime_s != 0)
    put (json, "LIFETIME", "%u", lease->lifetime_s);
}

static void
put_open_flow (GString *json, const StunExtTepOpenFlow *flow)
{
  put (json, "BINDING-ID", "%u", flow->binding_id);
  put (json, "FLOW-ID", "[%u, %u]", flow->flow_id, flow->port_offset);
  put_address (json, "XOR-PEER-ADDRESS", &flow->remote);
  if (flow->bandwidth_kbps != 0)
    put (json, "BANDWIDTH", "%u", flow->bandwidth_kbps);
  if (flow->has_dscp)
    put (json, "DSCP", "%u", flow->dscp);
}

static void
put_join (GString *json, const StunExtTepJoin *join)
{
  put_version (json, join->version, FALSE);
  put_hex (json, "TUNNEL-ID", join->tunnel_id.data, join->tunnel_id.length);
  put_hex (json, "CHANNEL-BINDING", join->channel_binding, 32);
}

char *
tep_expect_request (const StunExtTepRequest *request)
{
  GString *json = g_string_new (NULL);

  if (request->kind == STUN_EXT_TEP_OPEN)
    put_open (json, &request->open);
  else if (request->kind == STUN_EXT_TEP_LEASE)
    put_lease (json, &request->lease);
  else if (request->kind == STUN_EXT_TEP_REFRESH && request->refresh.binding_id != 0)
    put (json, "BINDING-ID", "%u", request->refresh.binding_id);
  else if (request->kind == STUN_EXT_TEP_OPEN_FLOW)
    put_open_flow (json, &request->open_flow);
  else if (request->kind == STUN_EXT_TEP_CLOSE_FLOW)
    put (json, "FLOW-ID", "[%u, 0]", request->close_flow.flow_id);
  else if (request->kind == STUN_EXT_TEP_JOIN || request->kind == STUN_EXT_TEP_RESUME)
    put_join (json, &request->join);
  if (request->kind == STUN_EXT_TEP_REFRESH)
    put (json, "LIFETIME", "%u", request->refresh.lifetime_s);
  if (request->kind != STUN_EXT_TEP_OPEN)
    put (json, "ORDINAL", "%u", request->ordinal);
  return message (method_name (request->kind), "request", json);
}

static void
put_opened (GString *json, const StunExtTepOpened *opened)
{
  put_address (json, "XOR-MAPPED-ADDRESS", &opened->mapped);
  put_version (json, STUN_EXT_TEP_VERSION, FALSE);
  put_hex (json, "SERVER-RANDOM", opened->server_random, 32);
  put_hex (json, "TUNNEL-ID", opened->tunnel_id.data, opened->tunnel_id.length);
  put (json, "CONNECTION-NUMBER", "%u", opened->connection_number);
  put (json, "LARGEST-PACKET", "%u", opened->largest_packet);
  put (json, "KEEPALIVE", "[%u, %u]", opened->keepalive_s, opened->silence_s);
  put_text (json, "REALM", opened->realm);
  put_text (json, "NONCE", opened->nonce);
  put_hex (json, "PASSWORD-ALGORITHMS", opened->password_algorithms.data,
           opened->password_algorithms.length);
}

char *
tep_expect_success (const StunExtTepSuccess *success)
{
  GString *json = g_string_new (NULL);
  const StunExtTepLeased *leased = &success->leased;

  if (success->kind == STUN_EXT_TEP_OPEN)
    put_opened (json, &success->opened);
  else if (success->kind == STUN_EXT_TEP_KEEPALIVE)
    put_address (json, "XOR-MAPPED-ADDRESS", &success->mapped);
  else if (success->kind == STUN_EXT_TEP_LEASE) {
    put (json, "BINDING-ID", "%u", leased->binding_id);
    put_address (json, "LEASED-ADDRESS", &leased->address);
    put (json, "FLOW-KIND", "%d", leased->kind);
    put (json, "LIFETIME", "%u", leased->lifetime_s);
    put_ports (json, leased->is_pair ? STUN_EXT_TEP_PORTS_PAIR : STUN_EXT_TEP_PORTS_ANY);
  } else if (success->kind == STUN_EXT_TEP_REFRESH)
    put (json, "LIFETIME", "%u", success->lifetime_s);
  else if (success->kind == STUN_EXT_TEP_OPEN_FLOW) {
    put (json, "FLOW-ID", "[%u, %u]", success->flow.flow_id, success->flow.port_offset);
    put (json, "BANDWIDTH", "%u", success->flow.bandwidth_kbps);
    put (json, "DSCP", "%u", success->flow.dscp);
  } else if (success->kind == STUN_EXT_TEP_JOIN || success->kind == STUN_EXT_TEP_RESUME) {
    put_address (json, "XOR-MAPPED-ADDRESS", &success->joined.mapped);
    put (json, "CONNECTION-NUMBER", "%u", success->joined.connection_number);
  }
  return message (method_name (success->kind), "success", json);
}

static void
put_error (GString *json, guint code, StunExtSpan reason)
{
  const char *phrase = stun_ext_reason_phrase (code);

  if (reason.data == NULL)
    reason = (StunExtSpan){ phrase, strlen (phrase) };
  put (json, "ERROR-CODE", "[%u, \"%.*s\"]", code, (int)reason.length, (const char *)reason.data);
}

char *
tep_expect_failure (const StunExtTepFailure *failure, guint16 method)
{
  GString *json = g_string_new (NULL);
  GString *unknown = g_string_new (NULL);

  put_error (json, failure->code, failure->reason);
  put_text (json, "REALM", failure->realm);
  put_text (json, "NONCE", failure->nonce);
  put_hex (json, "PASSWORD-ALGORITHMS", failure->password_algorithms.data,
           failure->password_algorithms.length);
  if (failure->timestamp_ms != 0)
    put (json, "TIMESTAMP", "%" G_GUINT64_FORMAT, failure->timestamp_ms);
  if (failure->version != 0)
    put_version (json, failure->version, FALSE);
  for (guint i = 0; i < failure->n_unknown; i++)
    g_string_append_printf (unknown, "%s%u", i > 0 ? ", " : "", failure->unknown[i]);
  if (failure->n_unknown > 0)
    put (json, "UNKNOWN-ATTRIBUTES", "[%s]", unknown->str);
  g_string_free (unknown, TRUE);
  for (StunExtTepKind kind = STUN_EXT_TEP_KEEPALIVE; kind <= STUN_EXT_TEP_CLOSE; kind++) {
    static const guint16 methods[] = { 1, 1, 0x080, 4, 0x081, 0x082, 0x083, 0x084, 0x085 };

    if (methods[kind] == method)
      return message (method_name (kind), "error", json);
  }
  g_assert_not_reached ();
}

char *
tep_expect_closing (const StunExtTepClosing *closing)
{
  GString *json = g_string_new (NULL);

  put_error (json, closing->code, closing->reason);
  if (closing->alternate.family != 0)
    put_address (json, "ALTERNATE-SERVER", &closing->alternate);
  put_text (json, "ALTERNATE-DOMAIN", closing->alternate_name);
  return message ("Close", "indication", json);
}

char *
tep_expect_compact (const StunExtCompactFrame *frame)
{
  GString *blocks = g_string_new (NULL);
  g_autofree char *payload = tep_expect_hex (frame->payload, frame->length);
  char *json;

  for (guint i = 0; i < frame->n_blocks; i++) {
    g_autofree char *hex = tep_expect_hex (frame->blocks[i].payload, frame->blocks[i].length);

    g_string_append_printf (blocks, "%s[%u, \"%s\"]", i > 0 ? ", " : "",
                            (guint16)(frame->sequence - frame->blocks[i].distance), hex);
  }
  json = g_strdup_printf ("{\"frame\": \"compact\", \"flow\": %u, \"time\": %u, \"sequence\": %u, "
                          "\"repeated\": [%s], \"payload\": \"%s\"}",
                          frame->flow, frame->time, frame->sequence, blocks->str, payload);
  g_string_free (blocks, TRUE);
  return json;
}

char *
tep_expect_feedback (const StunExtFeedback *feedback)
{
  GString *entries = g_string_new (NULL);
  char *json;

  for (guint i = 0; i < feedback->n_entries; i++) {
    const StunExtFeedbackEntry *entry = &feedback->entries[i];

    g_string_append_printf (entries, "%s[%u, %u, %u]", i > 0 ? ", " : "", entry->connection,
                            entry->hold_ms, entry->received);
  }
  json = g_strdup_printf ("{\"frame\": \"feedback\", \"clock\": %u, \"entries\": [%s]}",
                          feedback->clock_ms, entries->str);
  g_string_free (entries, TRUE);
  return json;
}

char *
tep_expect_packet (const StunExtInnerPacket *packet)
{
  char source[STUN_EXT_ADDRESS_TEXT_LENGTH];
  char destination[STUN_EXT_ADDRESS_TEXT_LENGTH];
  g_autofree char *payload = tep_expect_hex (packet->payload, packet->length);

  return g_strdup_printf ("{\"frame\": \"packet\", \"source\": \"%s\", \"destination\": \"%s\", "
                          "\"hop-limit\": %u, \"dscp\": %u, \"payload\": \"%s\"}",
                          stun_ext_address_print (&packet->source, source),
                          stun_ext_address_print (&packet->destination, destination),
                          packet->hop_limit, packet->dscp, payload);
}
