/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the other end of a tunnel sent, as structs. Everything that a message must have is demanded
 * here, in one place, so that the state machines behind see complete requests only. */
#include "stun-ext/tep.h"

#include "stun-ext/attribute.h"
#include "stun-ext/integrity.h"
#include "stun-ext/tep-private.h"

/* Comprehension-required attributes that tunnel messages use; any other gets 420. */
static const guint16 known[] = {
  STUN_EXT_ATTRIBUTE_MAPPED_ADDRESS,
  STUN_EXT_ATTRIBUTE_USERNAME,
  STUN_EXT_ATTRIBUTE_ERROR_CODE,
  STUN_EXT_ATTRIBUTE_UNKNOWN_ATTRIBUTES,
  STUN_EXT_ATTRIBUTE_LIFETIME,
  STUN_EXT_ATTRIBUTE_XOR_PEER_ADDRESS,
  STUN_EXT_ATTRIBUTE_REALM,
  STUN_EXT_ATTRIBUTE_NONCE,
  STUN_EXT_ATTRIBUTE_EVEN_PORT,
  STUN_EXT_ATTRIBUTE_REQUESTED_ADDRESS_FAMILY,
  STUN_EXT_ATTRIBUTE_PASSWORD_ALGORITHM,
  STUN_EXT_ATTRIBUTE_USERHASH,
  STUN_EXT_ATTRIBUTE_XOR_MAPPED_ADDRESS,
};

#define FAMILY_UNKNOWN 1 /* what StunExtTepLease says of a family that does not exist */

/* The attributes of one message. The first one that is wrong sticks. */
typedef struct {
  const StunExtMessage *message;
  gboolean is_bad;
} Fields;

static void
need (Fields *fields, gboolean is_right)
{
  if (!is_right)
    fields->is_bad = TRUE;
}

static gboolean
got (Fields *fields, StunExtGet result)
{
  need (fields, result != STUN_EXT_GET_INVALID);
  return result == STUN_EXT_GET_OK;
}

static gboolean
has (const Fields *fields, guint16 type)
{
  return stun_ext_message_find (fields->message, type) != NULL;
}

/* The functions below yield zero for an attribute that is absent or wrong. */

static StunExtReader
take_four (Fields *fields, guint16 type)
{
  const StunExtAttribute *attribute = stun_ext_message_find (fields->message, type);
  StunExtReader reader = { .failed = TRUE };

  if (attribute == NULL)
    return reader;
  need (fields, attribute->length == 4);
  return attribute->length == 4 ? stun_ext_attribute_reader (fields->message, attribute) : reader;
}

static guint8
take_u8 (Fields *fields, guint16 type)
{
  StunExtReader reader = take_four (fields, type);

  return stun_ext_reader_u8 (&reader);
}

static guint16
take_u16 (Fields *fields, guint16 type)
{
  StunExtReader reader = take_four (fields, type);

  return stun_ext_reader_u16 (&reader);
}

static guint32
take_u32 (Fields *fields, guint16 type)
{
  StunExtReader reader = take_four (fields, type);

  return stun_ext_reader_u32 (&reader);
}

static guint64
take_u64 (Fields *fields, guint16 type)
{
  guint64 value = 0;

  got (fields, stun_ext_message_get_u64 (fields->message, type, &value));
  return value;
}

static StunExtSpan
take_octets (Fields *fields, guint16 type, gsize min, gsize max)
{
  StunExtSpan value = { 0 };

  if (!got (fields, stun_ext_message_get_data (fields->message, type, &value)))
    return value;
  need (fields, value.length >= min && value.length <= max);
  return value;
}

/* The document allows 32 octets in every attribute that is read like this. */
static const guint8 *
take_32 (Fields *fields, guint16 type)
{
  return take_octets (fields, type, 32, 32).data;
}

static StunExtSpan
take_text (Fields *fields, guint16 type)
{
  StunExtSpan text = { 0 };

  got (fields, stun_ext_message_get_text (fields->message, type, &text));
  return text;
}

static StunExtAddress
take_xor_address (Fields *fields, guint16 type)
{
  StunExtAddress address = { 0 };

  got (fields, stun_ext_message_get_xor_address (fields->message, type, &address));
  return address;
}

/* The list as it came, to be sent back or compared octet by octet. */
static StunExtSpan
take_password_algorithms (Fields *fields)
{
  return take_octets (fields, STUN_EXT_ATTRIBUTE_PASSWORD_ALGORITHMS, 4,
                      STUN_EXT_ALGORITHMS_MAX_LENGTH);
}

/* PASSWORD-ALGORITHM: algorithm, length of its parameters, parameters (RFC 8489 section 14.12).
 * Ours have none. */
static StunExtPasswordAlgorithm
take_password_algorithm (Fields *fields)
{
  return has (fields, STUN_EXT_ATTRIBUTE_PASSWORD_ALGORITHM)
             ? (StunExtPasswordAlgorithm)take_u16 (fields, STUN_EXT_ATTRIBUTE_PASSWORD_ALGORITHM)
             : STUN_EXT_PASSWORD_ALGORITHM_NONE;
}

static void
read_open (Fields *fields, StunExtTepOpen *open)
{
  StunExtReader version = take_four (fields, STUN_EXT_TEP_ATTRIBUTE_VERSION);

  open->version = stun_ext_reader_u8 (&version);
  open->keep = (stun_ext_reader_u8 (&version) & STUN_EXT_TEP_FLAG_KEEP) != 0;
  open->server_name = take_text (fields, STUN_EXT_TEP_ATTRIBUTE_SERVER_NAME);
  open->client_random = take_32 (fields, STUN_EXT_TEP_ATTRIBUTE_CLIENT_RANDOM);
  open->timestamp_ms = take_u64 (fields, STUN_EXT_TEP_ATTRIBUTE_TIMESTAMP);
  open->username = take_text (fields, STUN_EXT_ATTRIBUTE_USERNAME);
  open->userhash = take_octets (fields, STUN_EXT_ATTRIBUTE_USERHASH, STUN_EXT_USERHASH_LENGTH,
                                STUN_EXT_USERHASH_LENGTH);
  open->realm = take_text (fields, STUN_EXT_ATTRIBUTE_REALM);
  open->nonce = take_text (fields, STUN_EXT_ATTRIBUTE_NONCE);
  open->password_algorithms = take_password_algorithms (fields);
  open->password_algorithm = take_password_algorithm (fields);
  open->channel_binding = take_32 (fields, STUN_EXT_TEP_ATTRIBUTE_CHANNEL_BINDING);
  need (fields, open->server_name.length > 0 &&
                    open->server_name.length <= STUN_EXT_TEP_SERVER_NAME_MAX_LENGTH);
  need (fields, open->client_random != NULL && has (fields, STUN_EXT_TEP_ATTRIBUTE_TIMESTAMP));
}

static StunExtTepFlowKind
take_flow_kind (Fields *fields)
{
  guint8 kind = take_u8 (fields, STUN_EXT_TEP_ATTRIBUTE_FLOW_KIND);

  if (!has (fields, STUN_EXT_TEP_ATTRIBUTE_FLOW_KIND))
    return STUN_EXT_TEP_FLOW_ANY;
  need (fields, kind == STUN_EXT_TEP_FLOW_REFLEXIVE || kind == STUN_EXT_TEP_FLOW_RELAYED);
  return (StunExtTepFlowKind)kind;
}

static StunExtTepPorts
take_ports (Fields *fields)
{
  guint8 octet = 0;

  if (!got (fields,
            stun_ext_message_get_fixed (fields->message, STUN_EXT_ATTRIBUTE_EVEN_PORT, &octet, 1)))
    return STUN_EXT_TEP_PORTS_ANY;
  return octet & 0x80 ? STUN_EXT_TEP_PORTS_PAIR : STUN_EXT_TEP_PORTS_EVEN;
}

static guint8
take_family (Fields *fields)
{
  guint8 family = 0;

  if (!got (fields, stun_ext_message_get_family (
                        fields->message, STUN_EXT_ATTRIBUTE_REQUESTED_ADDRESS_FAMILY, &family)))
    return 0;
  return family != 0 ? family : FAMILY_UNKNOWN;
}

static void
read_lease (Fields *fields, StunExtTepLease *lease)
{
  lease->kind = take_flow_kind (fields);
  lease->ports = take_ports (fields);
  lease->wanted_port = take_u16 (fields, STUN_EXT_TEP_ATTRIBUTE_WANTED_PORT);
  lease->family = take_family (fields);
  lease->lifetime_s = take_u32 (fields, STUN_EXT_ATTRIBUTE_LIFETIME);
}

static void
read_refresh (Fields *fields, StunExtTepRefresh *refresh)
{
  refresh->binding_id = take_u32 (fields, STUN_EXT_TEP_ATTRIBUTE_BINDING_ID);
  refresh->lifetime_s = take_u32 (fields, STUN_EXT_ATTRIBUTE_LIFETIME);
  need (fields, has (fields, STUN_EXT_ATTRIBUTE_LIFETIME));
  /* An id that cannot exist is not "all". */
  need (fields, refresh->binding_id != 0 || !has (fields, STUN_EXT_TEP_ATTRIBUTE_BINDING_ID));
}

static guint16
take_flow_id (Fields *fields, guint8 *port_offset)
{
  StunExtReader reader = take_four (fields, STUN_EXT_TEP_ATTRIBUTE_FLOW_ID);
  guint16 id = stun_ext_reader_u16 (&reader);

  *port_offset = stun_ext_reader_u8 (&reader);
  need (fields, has (fields, STUN_EXT_TEP_ATTRIBUTE_FLOW_ID) && *port_offset <= 1);
  return id;
}

static guint8
take_dscp (Fields *fields)
{
  guint8 dscp = take_u8 (fields, STUN_EXT_TEP_ATTRIBUTE_DSCP);

  need (fields, dscp <= 63);
  return dscp;
}

static void
read_open_flow (Fields *fields, StunExtTepOpenFlow *flow)
{
  flow->binding_id = take_u32 (fields, STUN_EXT_TEP_ATTRIBUTE_BINDING_ID);
  flow->flow_id = take_flow_id (fields, &flow->port_offset);
  flow->remote = take_xor_address (fields, STUN_EXT_ATTRIBUTE_XOR_PEER_ADDRESS);
  flow->bandwidth_kbps = take_u32 (fields, STUN_EXT_TEP_ATTRIBUTE_BANDWIDTH);
  flow->has_dscp = has (fields, STUN_EXT_TEP_ATTRIBUTE_DSCP);
  flow->dscp = take_dscp (fields);
  need (fields, flow->binding_id != 0 && flow->remote.family != 0);
}

static void
read_close_flow (Fields *fields, StunExtTepCloseFlow *flow)
{
  guint8 port_offset;

  flow->flow_id = take_flow_id (fields, &port_offset);
}

static StunExtSpan
take_tunnel_id (Fields *fields)
{
  StunExtSpan id =
      take_octets (fields, STUN_EXT_TEP_ATTRIBUTE_TUNNEL_ID, STUN_EXT_TEP_TUNNEL_ID_MIN_LENGTH,
                   STUN_EXT_TEP_TUNNEL_ID_MAX_LENGTH);

  need (fields, id.data != NULL);
  return id;
}

static void
read_join (Fields *fields, StunExtTepJoin *join)
{
  join->version = take_u8 (fields, STUN_EXT_TEP_ATTRIBUTE_VERSION);
  join->tunnel_id = take_tunnel_id (fields);
  join->channel_binding = take_32 (fields, STUN_EXT_TEP_ATTRIBUTE_CHANNEL_BINDING);
  need (fields, join->version == STUN_EXT_TEP_VERSION);
}

/* FALSE for a method that no request of a tunnel has. */
static gboolean
find_kind (const StunExtMessage *message, StunExtTepKind *kind)
{
  if (message->method == STUN_EXT_METHOD_BINDING) {
    *kind = stun_ext_message_find (message, STUN_EXT_TEP_ATTRIBUTE_VERSION) != NULL
                ? STUN_EXT_TEP_OPEN
                : STUN_EXT_TEP_KEEPALIVE;
    return TRUE;
  }
  for (guint i = STUN_EXT_TEP_LEASE; i <= STUN_EXT_TEP_CLOSE; i++) {
    if (stun_ext_tep_method ((StunExtTepKind)i) == message->method) {
      *kind = (StunExtTepKind)i;
      return TRUE;
    }
  }
  return FALSE;
}

static void
read_fields (Fields *fields, StunExtTepRequest *request)
{
  switch (request->kind) {
  case STUN_EXT_TEP_OPEN:
    read_open (fields, &request->open);
    break;
  case STUN_EXT_TEP_LEASE:
    read_lease (fields, &request->lease);
    break;
  case STUN_EXT_TEP_REFRESH:
    read_refresh (fields, &request->refresh);
    break;
  case STUN_EXT_TEP_OPEN_FLOW:
    read_open_flow (fields, &request->open_flow);
    break;
  case STUN_EXT_TEP_CLOSE_FLOW:
    read_close_flow (fields, &request->close_flow);
    break;
  case STUN_EXT_TEP_JOIN:
  case STUN_EXT_TEP_RESUME:
    read_join (fields, &request->join);
    break;
  case STUN_EXT_TEP_KEEPALIVE:
  case STUN_EXT_TEP_CLOSE:
    break;
  }
  if (request->kind != STUN_EXT_TEP_OPEN) {
    request->ordinal = take_u32 (fields, STUN_EXT_TEP_ATTRIBUTE_ORDINAL);
    need (fields, request->ordinal != 0);
  }
}

/* A request that follows another version of the document. */
static gboolean
has_other_version (const StunExtMessage *message)
{
  Fields fields = { .message = message };
  guint8 version = take_u8 (&fields, STUN_EXT_TEP_ATTRIBUTE_VERSION);

  return has (&fields, STUN_EXT_TEP_ATTRIBUTE_VERSION) && !fields.is_bad &&
         version != STUN_EXT_TEP_VERSION;
}

StunExtTepRead
stun_ext_tep_read_request (const StunExtMessage *message,
                           StunExtTepRequest *request,
                           StunExtTepFailure *failure)
{
  Fields fields = { .message = message };
  gboolean is_known;

  *request = (StunExtTepRequest){ 0 };
  *failure = (StunExtTepFailure){ .code = STUN_EXT_CODE_BAD_REQUEST };
  if (message->message_class != STUN_EXT_CLASS_REQUEST)
    return STUN_EXT_TEP_READ_IGNORED;
  is_known = find_kind (message, &request->kind);
  if (is_known && request->kind == STUN_EXT_TEP_KEEPALIVE &&
      stun_ext_message_find (message, STUN_EXT_TEP_ATTRIBUTE_ORDINAL) == NULL)
    return STUN_EXT_TEP_READ_PLAIN;
  if (!is_known || stun_ext_fingerprint_verify (message) == STUN_EXT_VERDICT_WRONG)
    return STUN_EXT_TEP_READ_BAD;
  failure->n_unknown =
      stun_ext_message_unknown (message, known, G_N_ELEMENTS (known), failure->unknown);
  if (failure->n_unknown > 0) {
    failure->code = STUN_EXT_CODE_UNKNOWN_ATTRIBUTE;
    return STUN_EXT_TEP_READ_BAD;
  }
  if (has_other_version (message)) {
    failure->version = STUN_EXT_TEP_VERSION;
    return STUN_EXT_TEP_READ_BAD;
  }
  read_fields (&fields, request);
  return fields.is_bad ? STUN_EXT_TEP_READ_BAD : STUN_EXT_TEP_READ_OK;
}

static StunExtAddress
take_mapped (Fields *fields)
{
  StunExtAddress mapped = take_xor_address (fields, STUN_EXT_ATTRIBUTE_XOR_MAPPED_ADDRESS);

  need (fields, mapped.family != 0);
  return mapped;
}

static guint8
take_connection_number (Fields *fields)
{
  guint8 number = take_u8 (fields, STUN_EXT_TEP_ATTRIBUTE_CONNECTION_NUMBER);

  need (fields, has (fields, STUN_EXT_TEP_ATTRIBUTE_CONNECTION_NUMBER) &&
                    number < STUN_EXT_TEP_CONNECTIONS_MAX);
  return number;
}

static void
read_opened (Fields *fields, StunExtTepOpened *opened)
{
  StunExtReader times = take_four (fields, STUN_EXT_TEP_ATTRIBUTE_KEEPALIVE);

  need (fields, take_u8 (fields, STUN_EXT_TEP_ATTRIBUTE_VERSION) == STUN_EXT_TEP_VERSION);
  opened->mapped = take_mapped (fields);
  opened->server_random = take_32 (fields, STUN_EXT_TEP_ATTRIBUTE_SERVER_RANDOM);
  opened->tunnel_id = take_tunnel_id (fields);
  opened->connection_number = take_connection_number (fields);
  opened->largest_packet = take_u16 (fields, STUN_EXT_TEP_ATTRIBUTE_LARGEST_PACKET);
  opened->keepalive_s = stun_ext_reader_u16 (&times);
  opened->silence_s = stun_ext_reader_u16 (&times);
  opened->realm = take_text (fields, STUN_EXT_ATTRIBUTE_REALM);
  opened->nonce = take_text (fields, STUN_EXT_ATTRIBUTE_NONCE);
  opened->password_algorithms = take_password_algorithms (fields);
  need (fields, opened->server_random != NULL);
  need (fields, opened->largest_packet >= STUN_EXT_TEP_PACKET_MIN);
  need (fields, opened->keepalive_s > 0 && opened->silence_s > opened->keepalive_s);
}

static void
read_leased (Fields *fields, StunExtTepLeased *leased)
{
  leased->binding_id = take_u32 (fields, STUN_EXT_TEP_ATTRIBUTE_BINDING_ID);
  leased->address = take_xor_address (fields, STUN_EXT_TEP_ATTRIBUTE_LEASED_ADDRESS);
  leased->kind = take_flow_kind (fields);
  leased->is_pair = take_ports (fields) == STUN_EXT_TEP_PORTS_PAIR;
  leased->lifetime_s = take_u32 (fields, STUN_EXT_ATTRIBUTE_LIFETIME);
  need (fields, leased->binding_id != 0 && leased->kind != STUN_EXT_TEP_FLOW_ANY);
  need (fields, leased->address.family != 0 && leased->address.port != 0);
  need (fields, !leased->is_pair || leased->address.port % 2 == 0);
  need (fields, leased->lifetime_s != 0);
}

static void
read_flow_opened (Fields *fields, StunExtTepFlowOpened *flow)
{
  flow->flow_id = take_flow_id (fields, &flow->port_offset);
  flow->bandwidth_kbps = take_u32 (fields, STUN_EXT_TEP_ATTRIBUTE_BANDWIDTH);
  flow->dscp = take_dscp (fields);
  need (fields, has (fields, STUN_EXT_TEP_ATTRIBUTE_BANDWIDTH) &&
                    has (fields, STUN_EXT_TEP_ATTRIBUTE_DSCP));
}

static gboolean
is_readable_answer (const StunExtMessage *message, StunExtClass message_class)
{
  guint16 unknown[STUN_EXT_UNKNOWN_MAX];

  return message->message_class == message_class &&
         stun_ext_message_unknown (message, known, G_N_ELEMENTS (known), unknown) == 0 &&
         stun_ext_fingerprint_verify (message) != STUN_EXT_VERDICT_WRONG;
}

gboolean
stun_ext_tep_read_success (const StunExtMessage *message,
                           StunExtTepKind kind,
                           StunExtTepSuccess *success)
{
  Fields fields = { .message = message };

  *success = (StunExtTepSuccess){ .kind = kind };
  if (message->method != stun_ext_tep_method (kind) ||
      !is_readable_answer (message, STUN_EXT_CLASS_SUCCESS))
    return FALSE;
  switch (kind) {
  case STUN_EXT_TEP_OPEN:
    read_opened (&fields, &success->opened);
    break;
  case STUN_EXT_TEP_KEEPALIVE:
    success->mapped = take_mapped (&fields);
    break;
  case STUN_EXT_TEP_LEASE:
    read_leased (&fields, &success->leased);
    break;
  case STUN_EXT_TEP_REFRESH:
    success->lifetime_s = take_u32 (&fields, STUN_EXT_ATTRIBUTE_LIFETIME);
    need (&fields, has (&fields, STUN_EXT_ATTRIBUTE_LIFETIME));
    break;
  case STUN_EXT_TEP_OPEN_FLOW:
    read_flow_opened (&fields, &success->flow);
    break;
  case STUN_EXT_TEP_JOIN:
  case STUN_EXT_TEP_RESUME:
    success->joined.mapped = take_mapped (&fields);
    success->joined.connection_number = take_connection_number (&fields);
    break;
  case STUN_EXT_TEP_CLOSE_FLOW:
  case STUN_EXT_TEP_CLOSE:
    break;
  }
  return !fields.is_bad;
}

gboolean
stun_ext_tep_is_plain_answer (const StunExtMessage *message)
{
  return message->message_class == STUN_EXT_CLASS_SUCCESS &&
         message->method == STUN_EXT_METHOD_BINDING &&
         stun_ext_message_find (message, STUN_EXT_TEP_ATTRIBUTE_TUNNEL_ID) == NULL;
}

gboolean
stun_ext_tep_read_failure (const StunExtMessage *message, StunExtTepFailure *failure)
{
  Fields fields = { .message = message };

  *failure = (StunExtTepFailure){ 0 };
  if (!is_readable_answer (message, STUN_EXT_CLASS_ERROR))
    return FALSE;
  need (&fields,
        got (&fields, stun_ext_message_get_error (message, &failure->code, &failure->reason)));
  failure->realm = take_text (&fields, STUN_EXT_ATTRIBUTE_REALM);
  failure->nonce = take_text (&fields, STUN_EXT_ATTRIBUTE_NONCE);
  failure->password_algorithms = take_password_algorithms (&fields);
  failure->timestamp_ms = take_u64 (&fields, STUN_EXT_TEP_ATTRIBUTE_TIMESTAMP);
  failure->version = take_u8 (&fields, STUN_EXT_TEP_ATTRIBUTE_VERSION);
  got (&fields,
       stun_ext_message_get_unknown_attributes (message, failure->unknown, &failure->n_unknown));
  return !fields.is_bad;
}

gboolean
stun_ext_tep_read_closing (const StunExtMessage *message, StunExtTepClosing *closing)
{
  Fields fields = { .message = message };

  *closing = (StunExtTepClosing){ 0 };
  if (message->method != STUN_EXT_TEP_METHOD_CLOSE ||
      !is_readable_answer (message, STUN_EXT_CLASS_INDICATION))
    return FALSE;
  need (&fields,
        got (&fields, stun_ext_message_get_error (message, &closing->code, &closing->reason)));
  got (&fields, stun_ext_message_get_address (message, STUN_EXT_ATTRIBUTE_ALTERNATE_SERVER,
                                              &closing->alternate));
  closing->alternate_name = take_text (&fields, STUN_EXT_ATTRIBUTE_ALTERNATE_DOMAIN);
  return !fields.is_bad;
}

gboolean
stun_ext_tep_verify (const StunExtMessage *message, StunExtSpan key)
{
  StunExtVerdict verdict = stun_ext_integrity_verify (message, STUN_EXT_INTEGRITY_SHA256,
                                                      STUN_EXT_INTEGRITY_SHA256_LENGTH, key);

  return verdict == STUN_EXT_VERDICT_VALID &&
         stun_ext_fingerprint_verify (message) != STUN_EXT_VERDICT_WRONG;
}
