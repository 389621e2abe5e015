/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The only place that turns received octets into numbers. Every length is proven here before an
 * octet is touched, so that no decoder above has to do pointer arithmetic. */
#include "stun-ext/reader.h"

void
stun_ext_reader_init (StunExtReader *reader, const void *data, gsize length)
{
  reader->data = data;
  reader->length = data != NULL ? length : 0;
  reader->position = 0;
  reader->failed = data == NULL && length > 0;
}

/* Proves that n octets are there and steps over them. */
static const guint8 *
take (StunExtReader *reader, gsize n)
{
  const guint8 *start;

  if (reader->failed || n > reader->length - reader->position) {
    reader->failed = TRUE;
    return NULL;
  }
  if (reader->data == NULL)
    return NULL;
  start = reader->data + reader->position;
  reader->position += n;
  return start;
}

static guint64
take_number (StunExtReader *reader, gsize n)
{
  const guint8 *octets = take (reader, n);
  guint64 value = 0;

  if (octets == NULL)
    return 0;
  for (gsize i = 0; i < n; i++)
    value = value << 8 | octets[i];
  return value;
}

guint8
stun_ext_reader_u8 (StunExtReader *reader)
{
  return (guint8)take_number (reader, 1);
}

guint16
stun_ext_reader_u16 (StunExtReader *reader)
{
  return (guint16)take_number (reader, 2);
}

guint32
stun_ext_reader_u32 (StunExtReader *reader)
{
  return (guint32)take_number (reader, 4);
}

guint64
stun_ext_reader_u64 (StunExtReader *reader)
{
  return take_number (reader, 8);
}

const guint8 *
stun_ext_reader_bytes (StunExtReader *reader, gsize n)
{
  return take (reader, n);
}

void
stun_ext_reader_skip (StunExtReader *reader, gsize n)
{
  take (reader, n);
}

StunExtReader
stun_ext_reader_slice (StunExtReader *reader, gsize n)
{
  StunExtReader child = { .data = take (reader, n) };

  child.failed = reader->failed;
  child.length = child.data != NULL ? n : 0;
  return child;
}

gsize
stun_ext_reader_remaining (const StunExtReader *reader)
{
  return reader->failed ? 0 : reader->length - reader->position;
}

gboolean
stun_ext_reader_done (const StunExtReader *reader)
{
  return !reader->failed && reader->position == reader->length;
}
