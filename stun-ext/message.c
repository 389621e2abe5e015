/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A message is walked once, and what the walk proved is kept in a table of fixed size: whoever
 * reads attributes later can neither leave the buffer nor see one that does not count. */
#include "stun-ext/message.h"

#include <string.h>

#include "stun-ext/attribute.h"
#include "stun-ext/reader.h"

/* How far the walk has come; what may follow depends on it (RFC 8489 section 9 and 14.7). */
typedef enum {
  WALK_BODY,
  WALK_AFTER_INTEGRITY,
  WALK_AFTER_INTEGRITY_SHA256,
  WALK_AFTER_FINGERPRINT,
} Walk;

StunExtParse
stun_ext_message_measure (const guint8 *data, gsize length, gsize *total)
{
  static const guint8 cookie[4] = { STUN_EXT_MAGIC_COOKIE >> 24, STUN_EXT_MAGIC_COOKIE >> 16 & 0xff,
                                    STUN_EXT_MAGIC_COOKIE >> 8 & 0xff,
                                    STUN_EXT_MAGIC_COOKIE & 0xff };
  StunExtReader r;
  gsize body;

  if (length > 0 && (data[0] & 0xc0) != 0)
    return STUN_EXT_PARSE_NOT_STUN;
  if (length > 3 && (data[3] & 0x03) != 0)
    return STUN_EXT_PARSE_NOT_STUN;
  for (gsize i = 4; i < MIN (length, 8); i++)
    if (data[i] != cookie[i - 4])
      return STUN_EXT_PARSE_NOT_STUN;
  if (length < 8)
    return STUN_EXT_PARSE_INCOMPLETE;
  stun_ext_reader_init (&r, data, length);
  stun_ext_reader_skip (&r, 2);
  body = stun_ext_reader_u16 (&r);
  *total = STUN_EXT_HEADER_LENGTH + body;
  return STUN_EXT_PARSE_OK;
}

static void
read_header (StunExtMessage *message, StunExtReader *r)
{
  guint16 type = stun_ext_reader_u16 (r);
  const guint8 *id;

  message->method = (guint16)((type & 0x000f) | (type & 0x00e0) >> 1 | (type & 0x3e00) >> 2);
  message->message_class = (StunExtClass)((type & 0x0100) >> 7 | (type & 0x0010) >> 4);
  stun_ext_reader_skip (r, 6);
  id = stun_ext_reader_bytes (r, STUN_EXT_TRANSACTION_ID_LENGTH);
  if (id != NULL)
    memcpy (message->transaction_id, id, STUN_EXT_TRANSACTION_ID_LENGTH);
}

static gboolean
is_sha256_length (gsize length)
{
  return length >= STUN_EXT_INTEGRITY_SHA256_MIN_LENGTH &&
         length <= STUN_EXT_INTEGRITY_SHA256_LENGTH && length % 4 == 0;
}

/* Files one attribute. FALSE if it breaks a rule; one that is to be ignored breaks none. */
static gboolean
file_attribute (StunExtMessage *message, Walk *walk, const StunExtAttribute *attribute)
{
  gsize header = attribute->offset - 4;

  if (*walk == WALK_AFTER_FINGERPRINT)
    return FALSE;
  switch (attribute->type) {
  case STUN_EXT_ATTRIBUTE_FINGERPRINT:
    message->fingerprint_offset = header;
    *walk = WALK_AFTER_FINGERPRINT;
    return attribute->length == 4;
  case STUN_EXT_ATTRIBUTE_MESSAGE_INTEGRITY:
    if (*walk != WALK_BODY)
      return TRUE;
    message->integrity_offset = header;
    *walk = WALK_AFTER_INTEGRITY;
    return attribute->length == STUN_EXT_INTEGRITY_LENGTH;
  case STUN_EXT_ATTRIBUTE_MESSAGE_INTEGRITY_SHA256:
    if (*walk == WALK_AFTER_INTEGRITY_SHA256)
      return TRUE;
    message->integrity_sha256_offset = header;
    message->integrity_sha256_length = attribute->length;
    *walk = WALK_AFTER_INTEGRITY_SHA256;
    return is_sha256_length (attribute->length);
  default:
    if (*walk == WALK_BODY)
      message->attributes[message->n_attributes++] = *attribute;
    return TRUE;
  }
}

static gboolean
read_attributes (StunExtMessage *message, StunExtReader *r)
{
  Walk walk = WALK_BODY;

  for (guint seen = 0; !stun_ext_reader_done (r); seen++) {
    StunExtAttribute attribute;

    if (seen == STUN_EXT_ATTRIBUTES_MAX)
      return FALSE;
    attribute.type = stun_ext_reader_u16 (r);
    attribute.length = stun_ext_reader_u16 (r);
    attribute.offset = (guint32)r->position;
    stun_ext_reader_skip (r, ((gsize)attribute.length + 3) & ~(gsize)3);
    if (r->failed || !file_attribute (message, &walk, &attribute))
      return FALSE;
  }
  return TRUE;
}

StunExtParse
stun_ext_message_parse (StunExtMessage *message, const guint8 *data, gsize length)
{
  StunExtReader r;
  StunExtParse result;
  gsize total = 0;

  *message = (StunExtMessage){ 0 };
  result = stun_ext_message_measure (data, length, &total);
  if (result != STUN_EXT_PARSE_OK)
    return result;
  if (length < total)
    return STUN_EXT_PARSE_INCOMPLETE;
  if (length > total)
    return STUN_EXT_PARSE_NOT_STUN;
  stun_ext_reader_init (&r, data, length);
  read_header (message, &r);
  message->data = data;
  message->length = length;
  if (read_attributes (message, &r))
    return STUN_EXT_PARSE_OK;
  message->n_attributes = 0;
  message->integrity_offset = message->integrity_sha256_offset = message->fingerprint_offset = 0;
  message->integrity_sha256_length = 0;
  return STUN_EXT_PARSE_MALFORMED;
}

const StunExtAttribute *
stun_ext_message_find (const StunExtMessage *message, guint16 type)
{
  for (guint i = 0; i < message->n_attributes; i++)
    if (message->attributes[i].type == type)
      return &message->attributes[i];
  return NULL;
}

gboolean
stun_ext_message_is_answer_to (const StunExtMessage *message, const StunExtMessage *request)
{
  return (message->message_class == STUN_EXT_CLASS_SUCCESS ||
          message->message_class == STUN_EXT_CLASS_ERROR) &&
         message->method == request->method &&
         memcmp (message->transaction_id, request->transaction_id,
                 STUN_EXT_TRANSACTION_ID_LENGTH) == 0;
}

static gboolean
contains (const guint16 *types, gsize n, guint16 type)
{
  for (gsize i = 0; i < n; i++)
    if (types[i] == type)
      return TRUE;
  return FALSE;
}

guint
stun_ext_message_unknown (const StunExtMessage *message,
                          const guint16 *known,
                          gsize n_known,
                          guint16 unknown[STUN_EXT_UNKNOWN_MAX])
{
  guint found = 0;

  for (guint i = 0; i < message->n_attributes && found < STUN_EXT_UNKNOWN_MAX; i++) {
    guint16 type = message->attributes[i].type;

    if (type < STUN_EXT_ATTRIBUTE_COMPREHENSION_OPTIONAL && !contains (known, n_known, type) &&
        !contains (unknown, found, type))
      unknown[found++] = type;
  }
  return found;
}

void
stun_ext_builder_begin (StunExtBuilder *builder,
                        guint8 *buffer,
                        gsize capacity,
                        StunExtClass message_class,
                        guint16 method,
                        const guint8 transaction_id[12])
{
  guint type = (method & 0x000fu) | (method & 0x0070u) << 1 | (method & 0x0f80u) << 2 |
               ((guint)message_class & 1) << 4 | ((guint)message_class & 2) << 7;

  stun_ext_writer_init (&builder->writer, buffer, capacity);
  memcpy (builder->transaction_id, transaction_id, STUN_EXT_TRANSACTION_ID_LENGTH);
  stun_ext_writer_u16 (&builder->writer, (guint16)type);
  stun_ext_writer_u16 (&builder->writer, 0);
  stun_ext_writer_u32 (&builder->writer, STUN_EXT_MAGIC_COOKIE);
  stun_ext_writer_bytes (&builder->writer, transaction_id, STUN_EXT_TRANSACTION_ID_LENGTH);
}

void
stun_ext_builder_begin_success (StunExtBuilder *builder,
                                guint8 *buffer,
                                gsize capacity,
                                const StunExtMessage *request)
{
  stun_ext_builder_begin (builder, buffer, capacity, STUN_EXT_CLASS_SUCCESS, request->method,
                          request->transaction_id);
}

void
stun_ext_builder_begin_error (StunExtBuilder *builder,
                              guint8 *buffer,
                              gsize capacity,
                              const StunExtMessage *request,
                              guint code)
{
  stun_ext_builder_begin (builder, buffer, capacity, STUN_EXT_CLASS_ERROR, request->method,
                          request->transaction_id);
  stun_ext_builder_add_error (builder, code, NULL);
}

const char *
stun_ext_reason_phrase (guint code)
{
  static const struct {
    guint16 code;
    const char *phrase;
  } rows[] = {
    { STUN_EXT_CODE_TRY_ALTERNATE, "Try Alternate" },
    { STUN_EXT_CODE_BAD_REQUEST, "Bad Request" },
    { STUN_EXT_CODE_UNAUTHENTICATED, "Unauthenticated" },
    { STUN_EXT_CODE_FORBIDDEN, "Forbidden" },
    { STUN_EXT_CODE_MOBILITY_FORBIDDEN, "Mobility Forbidden" },
    { STUN_EXT_CODE_UNKNOWN_ATTRIBUTE, "Unknown Attribute" },
    { STUN_EXT_CODE_ALLOCATION_MISMATCH, "Allocation Mismatch" },
    { STUN_EXT_CODE_STALE_NONCE, "Stale Nonce" },
    { STUN_EXT_CODE_ADDRESS_FAMILY_NOT_SUPPORTED, "Address Family not Supported" },
    { STUN_EXT_CODE_WRONG_CREDENTIALS, "Wrong Credentials" },
    { STUN_EXT_CODE_UNSUPPORTED_TRANSPORT, "Unsupported Transport Protocol" },
    { STUN_EXT_CODE_PEER_FAMILY_MISMATCH, "Peer Address Family Mismatch" },
    { STUN_EXT_CODE_CONNECTION_EXISTS, "Connection Already Exists" },
    { STUN_EXT_CODE_CONNECTION_FAILURE, "Connection Timeout or Failure" },
    { STUN_EXT_CODE_QUOTA_REACHED, "Allocation Quota Reached" },
    { STUN_EXT_CODE_ROLE_CONFLICT, "Role Conflict" },
    { STUN_EXT_CODE_SERVER_ERROR, "Server Error" },
    { STUN_EXT_CODE_INSUFFICIENT_CAPACITY, "Insufficient Capacity" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    if (rows[i].code == code)
      return rows[i].phrase;
  return "Error";
}
