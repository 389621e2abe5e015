/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is left of RFC 3489: telling the oldest clients their address. They are not all old; libnice asks STUN servers in this
 * form to this day. */
#include "stun-ext/classic.h"

#include "stun-ext/protocol.h"
#include "stun-ext/reader.h"
#include "stun-ext/writer.h"

#define HEADER_LENGTH 20
#define TRANSACTION_ID_LENGTH 16 /* the place of the magic cookie belongs to it */
#define BINDING_REQUEST 0x0001
#define BINDING_SUCCESS 0x0101
#define CHANGE_REQUEST 0x0003
#define USERNAME 0x0006

/* FALSE if the answer would not be what the request wants. */
static gboolean
may_be_ignored (guint16 type, const guint8 *value, gsize length)
{
  if (type >= STUN_EXT_ATTRIBUTE_COMPREHENSION_OPTIONAL || type == USERNAME)
    return TRUE;
  /* No change of address or port: what every client that can ask for one says at first. */
  return type == CHANGE_REQUEST && length == 4 && (value[0] | value[1] | value[2] | value[3]) == 0;
}

static gboolean
is_plain_request (const guint8 *data, gsize length, const guint8 **transaction_id)
{
  StunExtReader r;
  guint16 type, total;

  stun_ext_reader_init (&r, data, length);
  type = stun_ext_reader_u16 (&r);
  total = stun_ext_reader_u16 (&r);
  *transaction_id = stun_ext_reader_bytes (&r, TRANSACTION_ID_LENGTH);
  if (r.failed || type != BINDING_REQUEST || (gsize)total + HEADER_LENGTH != length)
    return FALSE;
  while (!stun_ext_reader_done (&r)) {
    guint16 attribute = stun_ext_reader_u16 (&r);
    guint16 size = stun_ext_reader_u16 (&r);
    const guint8 *value = stun_ext_reader_bytes (&r, size);

    /* There was no padding then: every length is one of whole words. */
    if (r.failed || size % 4 != 0 || !may_be_ignored (attribute, value, size))
      return FALSE;
  }
  return TRUE;
}

gsize
stun_ext_classic_answer (
    const StunExtAddress *source, const guint8 *data, gsize length, guint8 *answer, gsize capacity)
{
  const guint8 *transaction_id;
  StunExtWriter writer;
  gsize attribute;

  if (!is_plain_request (data, length, &transaction_id))
    return 0;
  stun_ext_writer_init (&writer, answer, capacity);
  stun_ext_writer_u16 (&writer, BINDING_SUCCESS);
  stun_ext_writer_u16 (&writer, 0);
  stun_ext_writer_bytes (&writer, transaction_id, TRANSACTION_ID_LENGTH);
  attribute = stun_ext_writer_open (&writer, STUN_EXT_ATTRIBUTE_MAPPED_ADDRESS);
  stun_ext_writer_u8 (&writer, 0);
  stun_ext_writer_u8 (&writer, source->family == 4 ? 1 : 2);
  stun_ext_writer_u16 (&writer, source->port);
  stun_ext_writer_bytes (&writer, source->octets, stun_ext_address_length (source));
  stun_ext_writer_close (&writer, attribute);
  stun_ext_writer_patch_u16 (&writer, 2, (guint16)(writer.length - HEADER_LENGTH));
  return writer.failed ? 0 : writer.length;
}
