/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the values of attributes look like, in both directions: one function per shape and not per
 * attribute, since a few shapes serve them all. */
#include "stun-ext/attribute.h"

#include <string.h>

/* Address families on the wire (RFC 8489 section 14.1). */
#define WIRE_FAMILY_IPV4 0x01
#define WIRE_FAMILY_IPV6 0x02

StunExtReader
stun_ext_attribute_reader (const StunExtMessage *message, const StunExtAttribute *attribute)
{
  StunExtReader r;

  stun_ext_reader_init (&r, message->data, message->length);
  stun_ext_reader_skip (&r, attribute->offset);
  return stun_ext_reader_slice (&r, attribute->length);
}

/* Opens the first attribute of a type. A length of G_MAXSIZE for a or b stands for any. */
static StunExtGet
open_value (const StunExtMessage *message, guint16 type, gsize a, gsize b, StunExtReader *r)
{
  const StunExtAttribute *attribute = stun_ext_message_find (message, type);

  if (attribute == NULL)
    return STUN_EXT_GET_ABSENT;
  *r = stun_ext_attribute_reader (message, attribute);
  if (a != G_MAXSIZE && attribute->length != a && attribute->length != b)
    return STUN_EXT_GET_INVALID;
  return r->failed ? STUN_EXT_GET_INVALID : STUN_EXT_GET_OK;
}

StunExtGet
stun_ext_message_get_data (const StunExtMessage *message, guint16 type, StunExtSpan *value)
{
  StunExtReader r;
  StunExtGet result = open_value (message, type, G_MAXSIZE, G_MAXSIZE, &r);

  if (result == STUN_EXT_GET_OK)
    *value = (StunExtSpan){ r.data, r.length };
  return result;
}

StunExtGet
stun_ext_message_get_fixed (const StunExtMessage *message,
                            guint16 type,
                            guint8 *value,
                            gsize length)
{
  StunExtReader r;
  StunExtGet result = open_value (message, type, length, length, &r);

  if (result == STUN_EXT_GET_OK && length > 0)
    memcpy (value, r.data, length);
  return result;
}

StunExtGet
stun_ext_message_get_flag (const StunExtMessage *message, guint16 type)
{
  StunExtReader r;

  return open_value (message, type, 0, 0, &r);
}

StunExtGet
stun_ext_message_get_u8 (const StunExtMessage *message, guint16 type, guint8 *value)
{
  StunExtReader r;
  StunExtGet result = open_value (message, type, 1, 4, &r);

  if (result == STUN_EXT_GET_OK)
    *value = stun_ext_reader_u8 (&r);
  return result;
}

StunExtGet
stun_ext_message_get_u16 (const StunExtMessage *message, guint16 type, guint16 *value)
{
  StunExtReader r;
  StunExtGet result = open_value (message, type, 2, 4, &r);

  if (result == STUN_EXT_GET_OK)
    *value = stun_ext_reader_u16 (&r);
  return result;
}

StunExtGet
stun_ext_message_get_u32 (const StunExtMessage *message, guint16 type, guint32 *value)
{
  StunExtReader r;
  StunExtGet result = open_value (message, type, 4, 4, &r);

  if (result == STUN_EXT_GET_OK)
    *value = stun_ext_reader_u32 (&r);
  return result;
}

StunExtGet
stun_ext_message_get_u64 (const StunExtMessage *message, guint16 type, guint64 *value)
{
  StunExtReader r;
  StunExtGet result = open_value (message, type, 8, 8, &r);

  if (result == STUN_EXT_GET_OK)
    *value = stun_ext_reader_u64 (&r);
  return result;
}

gboolean
stun_ext_text_is_clean (const void *text, gsize length)
{
  const guint8 *octets = text;

  if (length == 0)
    return TRUE;
  for (gsize i = 0; i < length; i++)
    if (octets[i] < 0x20 || octets[i] == 0x7f ||
        (octets[i] == 0xc2 && i + 1 < length && octets[i + 1] < 0xa0))
      return FALSE;
  return g_utf8_validate_len (text, length, NULL);
}

static gsize
text_max_length (guint16 type)
{
  switch (type) {
  case STUN_EXT_ATTRIBUTE_USERNAME:
    return STUN_EXT_USERNAME_MAX_LENGTH;
  case STUN_EXT_ATTRIBUTE_ALTERNATE_DOMAIN:
    return STUN_EXT_DOMAIN_MAX_LENGTH;
  default:
    return STUN_EXT_REALM_MAX_LENGTH;
  }
}

StunExtGet
stun_ext_message_get_text (const StunExtMessage *message, guint16 type, StunExtSpan *text)
{
  gboolean may_be_empty = type != STUN_EXT_ATTRIBUTE_USERNAME && type != STUN_EXT_ATTRIBUTE_REALM &&
                          type != STUN_EXT_ATTRIBUTE_NONCE;
  StunExtReader r;
  StunExtGet result = open_value (message, type, G_MAXSIZE, G_MAXSIZE, &r);

  if (result != STUN_EXT_GET_OK)
    return result;
  if (r.length > text_max_length (type) || (r.length == 0 && !may_be_empty) ||
      !stun_ext_text_is_clean (r.data, r.length))
    return STUN_EXT_GET_INVALID;
  *text = (StunExtSpan){ r.data, r.length };
  return STUN_EXT_GET_OK;
}

static gboolean
read_address (StunExtReader *r, StunExtAddress *address)
{
  StunExtAddress result;
  const guint8 *octets;
  guint8 family;
  guint16 port;

  stun_ext_reader_skip (r, 1);
  family = stun_ext_reader_u8 (r);
  port = stun_ext_reader_u16 (r);
  if (family != WIRE_FAMILY_IPV4 && family != WIRE_FAMILY_IPV6)
    return FALSE;
  octets = stun_ext_reader_bytes (r, family == WIRE_FAMILY_IPV4 ? 4 : 16);
  if (!stun_ext_reader_done (r))
    return FALSE;
  stun_ext_address_init (&result, family == WIRE_FAMILY_IPV4 ? 4 : 6, octets, port);
  *address = result;
  return TRUE;
}

gboolean
stun_ext_attribute_xor_address (const StunExtMessage *message,
                                const StunExtAttribute *attribute,
                                StunExtAddress *address)
{
  StunExtReader r = stun_ext_attribute_reader (message, attribute);
  StunExtAddress form;

  if (!read_address (&r, &form))
    return FALSE;
  *address = stun_ext_address_xor (&form, message->transaction_id);
  return TRUE;
}

StunExtGet
stun_ext_message_get_address (const StunExtMessage *message, guint16 type, StunExtAddress *address)
{
  StunExtReader r;
  StunExtGet result = open_value (message, type, 8, 20, &r);

  if (result != STUN_EXT_GET_OK)
    return result;
  return read_address (&r, address) ? STUN_EXT_GET_OK : STUN_EXT_GET_INVALID;
}

StunExtGet
stun_ext_message_get_xor_address (const StunExtMessage *message,
                                  guint16 type,
                                  StunExtAddress *address)
{
  const StunExtAttribute *attribute = stun_ext_message_find (message, type);

  if (attribute == NULL)
    return STUN_EXT_GET_ABSENT;
  return stun_ext_attribute_xor_address (message, attribute, address) ? STUN_EXT_GET_OK
                                                                      : STUN_EXT_GET_INVALID;
}

StunExtGet
stun_ext_message_get_xor_addresses (const StunExtMessage *message,
                                    guint16 type,
                                    StunExtAddress addresses[STUN_EXT_PEERS_MAX],
                                    guint *n_addresses)
{
  guint found = 0;

  for (guint i = 0; i < message->n_attributes; i++) {
    if (message->attributes[i].type != type)
      continue;
    if (found == STUN_EXT_PEERS_MAX ||
        !stun_ext_attribute_xor_address (message, &message->attributes[i], &addresses[found]))
      return STUN_EXT_GET_INVALID;
    found++;
  }
  if (found == 0)
    return STUN_EXT_GET_ABSENT;
  *n_addresses = found;
  return STUN_EXT_GET_OK;
}

StunExtGet
stun_ext_message_get_family (const StunExtMessage *message, guint16 type, guint8 *family)
{
  guint8 value = 0;
  StunExtGet result = stun_ext_message_get_u8 (message, type, &value);

  if (result != STUN_EXT_GET_OK)
    return result;
  *family = 0;
  if (value == WIRE_FAMILY_IPV4)
    *family = 4;
  if (value == WIRE_FAMILY_IPV6)
    *family = 6;
  return STUN_EXT_GET_OK;
}

StunExtGet
stun_ext_message_get_error (const StunExtMessage *message, guint *code, StunExtSpan *reason)
{
  StunExtReader r;
  StunExtGet result = open_value (message, STUN_EXT_ATTRIBUTE_ERROR_CODE, G_MAXSIZE, G_MAXSIZE, &r);
  guint hundreds, number;
  gsize length;
  const guint8 *text;

  if (result != STUN_EXT_GET_OK)
    return result;
  stun_ext_reader_skip (&r, 2);
  hundreds = stun_ext_reader_u8 (&r) & 7;
  number = stun_ext_reader_u8 (&r);
  if (r.failed || hundreds < 3 || hundreds > 6 || number > 99)
    return STUN_EXT_GET_INVALID;
  length = stun_ext_reader_remaining (&r);
  text = stun_ext_reader_bytes (&r, length);
  if (length > STUN_EXT_REASON_MAX_LENGTH || !stun_ext_text_is_clean (text, length))
    length = 0;
  *code = hundreds * 100 + number;
  *reason = (StunExtSpan){ length > 0 ? text : NULL, length };
  return STUN_EXT_GET_OK;
}

StunExtGet
stun_ext_message_get_unknown_attributes (const StunExtMessage *message,
                                         guint16 types[STUN_EXT_UNKNOWN_MAX],
                                         guint *n_types)
{
  StunExtReader r;
  StunExtGet result =
      open_value (message, STUN_EXT_ATTRIBUTE_UNKNOWN_ATTRIBUTES, G_MAXSIZE, G_MAXSIZE, &r);
  guint found = 0;

  if (result != STUN_EXT_GET_OK)
    return result;
  if (r.length % 2 != 0)
    return STUN_EXT_GET_INVALID;
  while (found < STUN_EXT_UNKNOWN_MAX && !stun_ext_reader_done (&r))
    types[found++] = stun_ext_reader_u16 (&r);
  *n_types = found;
  return STUN_EXT_GET_OK;
}

void
stun_ext_builder_add_data (StunExtBuilder *builder, guint16 type, const void *data, gsize length)
{
  gsize slot = stun_ext_writer_open (&builder->writer, type);

  stun_ext_writer_bytes (&builder->writer, data, length);
  stun_ext_writer_close (&builder->writer, slot);
}

void
stun_ext_builder_add_flag (StunExtBuilder *builder, guint16 type)
{
  stun_ext_builder_add_data (builder, type, NULL, 0);
}

void
stun_ext_builder_add_octet (StunExtBuilder *builder, guint16 type, guint8 value)
{
  stun_ext_builder_add_data (builder, type, &value, 1);
}

void
stun_ext_builder_add_u8 (StunExtBuilder *builder, guint16 type, guint8 value)
{
  stun_ext_builder_add_u32 (builder, type, (guint32)value << 24);
}

void
stun_ext_builder_add_u16 (StunExtBuilder *builder, guint16 type, guint16 value)
{
  stun_ext_builder_add_u32 (builder, type, (guint32)value << 16);
}

void
stun_ext_builder_add_u32 (StunExtBuilder *builder, guint16 type, guint32 value)
{
  gsize slot = stun_ext_writer_open (&builder->writer, type);

  stun_ext_writer_u32 (&builder->writer, value);
  stun_ext_writer_close (&builder->writer, slot);
}

void
stun_ext_builder_add_u64 (StunExtBuilder *builder, guint16 type, guint64 value)
{
  gsize slot = stun_ext_writer_open (&builder->writer, type);

  stun_ext_writer_u64 (&builder->writer, value);
  stun_ext_writer_close (&builder->writer, slot);
}

void
stun_ext_builder_add_text (StunExtBuilder *builder, guint16 type, const char *text)
{
  gsize length = strlen (text);

  if (length > text_max_length (type))
    builder->writer.failed = TRUE;
  stun_ext_builder_add_data (builder, type, text, length);
}

void
stun_ext_builder_add_address (StunExtBuilder *builder, guint16 type, const StunExtAddress *address)
{
  gsize length = stun_ext_address_length (address);
  gsize slot;

  if (length == 0) {
    builder->writer.failed = TRUE;
    return;
  }
  slot = stun_ext_writer_open (&builder->writer, type);
  stun_ext_writer_u8 (&builder->writer, 0);
  stun_ext_writer_u8 (&builder->writer, address->family == 4 ? WIRE_FAMILY_IPV4 : WIRE_FAMILY_IPV6);
  stun_ext_writer_u16 (&builder->writer, address->port);
  stun_ext_writer_bytes (&builder->writer, address->octets, length);
  stun_ext_writer_close (&builder->writer, slot);
}

void
stun_ext_builder_add_xor_address (StunExtBuilder *builder,
                                  guint16 type,
                                  const StunExtAddress *address)
{
  StunExtAddress form = stun_ext_address_xor (address, builder->transaction_id);

  stun_ext_builder_add_address (builder, type, &form);
}

void
stun_ext_builder_add_family (StunExtBuilder *builder, guint16 type, guint8 family)
{
  if (family != 4 && family != 6)
    builder->writer.failed = TRUE;
  stun_ext_builder_add_u8 (builder, type, family == 4 ? WIRE_FAMILY_IPV4 : WIRE_FAMILY_IPV6);
}

void
stun_ext_builder_add_error (StunExtBuilder *builder, guint code, const char *reason)
{
  const char *text = reason != NULL ? reason : stun_ext_reason_phrase (code);
  gsize length = strlen (text);
  gsize slot;

  if (code < 300 || code > 699 || length > STUN_EXT_REASON_MAX_LENGTH)
    builder->writer.failed = TRUE;
  slot = stun_ext_writer_open (&builder->writer, STUN_EXT_ATTRIBUTE_ERROR_CODE);
  stun_ext_writer_u16 (&builder->writer, 0);
  stun_ext_writer_u8 (&builder->writer, (guint8)(code / 100));
  stun_ext_writer_u8 (&builder->writer, (guint8)(code % 100));
  stun_ext_writer_bytes (&builder->writer, text, length);
  stun_ext_writer_close (&builder->writer, slot);
}

void
stun_ext_builder_add_unknown_attributes (StunExtBuilder *builder,
                                         const guint16 *types,
                                         guint n_types)
{
  gsize slot = stun_ext_writer_open (&builder->writer, STUN_EXT_ATTRIBUTE_UNKNOWN_ATTRIBUTES);

  for (guint i = 0; i < n_types; i++)
    stun_ext_writer_u16 (&builder->writer, types[i]);
  stun_ext_writer_close (&builder->writer, slot);
}

gboolean
stun_ext_builder_end_before_payload (
    StunExtBuilder *builder, guint16 type, gsize payload_length, gsize *head_length, gsize *padding)
{
  StunExtWriter *w = &builder->writer;
  gsize fill = (4 - payload_length % 4) % 4;
  gsize body;

  if (payload_length > G_MAXUINT16)
    w->failed = TRUE;
  stun_ext_writer_u16 (w, type);
  stun_ext_writer_u16 (w, (guint16)payload_length);
  body = w->length - STUN_EXT_HEADER_LENGTH + payload_length + fill;
  if (w->failed || body > G_MAXUINT16)
    return FALSE;
  stun_ext_writer_patch_u16 (w, 2, (guint16)body);
  *head_length = w->length;
  *padding = fill;
  return !w->failed;
}

StunExtGet
stun_ext_message_get_icmp (const StunExtMessage *message,
                           guint8 *icmp_type,
                           guint16 *icmp_code,
                           guint32 *icmp_data)
{
  StunExtReader r;
  StunExtGet result = open_value (message, STUN_EXT_ATTRIBUTE_ICMP, 8, 8, &r);
  guint16 both;

  if (result != STUN_EXT_GET_OK)
    return result;
  stun_ext_reader_skip (&r, 2);
  both = stun_ext_reader_u16 (&r); /* 7 bits of type, 9 of code */
  *icmp_type = (guint8)(both >> 9);
  *icmp_code = both & 0x1ff;
  *icmp_data = stun_ext_reader_u32 (&r);
  return STUN_EXT_GET_OK;
}

StunExtGet
stun_ext_message_get_address_error (const StunExtMessage *message, guint8 *family, guint *code)
{
  StunExtReader r;
  StunExtGet result =
      open_value (message, STUN_EXT_ATTRIBUTE_ADDRESS_ERROR_CODE, G_MAXSIZE, G_MAXSIZE, &r);
  guint wire, hundreds, number;

  if (result != STUN_EXT_GET_OK)
    return result;
  wire = stun_ext_reader_u8 (&r);
  stun_ext_reader_skip (&r, 1);
  hundreds = stun_ext_reader_u8 (&r) & 7;
  number = stun_ext_reader_u8 (&r);
  if (r.failed || hundreds < 3 || hundreds > 6 || number > 99 ||
      (wire != WIRE_FAMILY_IPV4 && wire != WIRE_FAMILY_IPV6))
    return STUN_EXT_GET_INVALID;
  *family = wire == WIRE_FAMILY_IPV4 ? 4 : 6;
  *code = hundreds * 100 + number;
  return STUN_EXT_GET_OK;
}
