/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The only place that turns numbers into octets to send. A full buffer is a state of the writer and
 * not a return value of each call, so that no encoder above can forget one, and every octet up to
 * the length has been written. */
#include "stun-ext/writer.h"

#include <string.h>

/* No slot: what an open yields on a writer that failed. */
#define NO_SLOT G_MAXSIZE

void
stun_ext_writer_init (StunExtWriter *writer, void *data, gsize capacity)
{
  *writer = (StunExtWriter){ .data = data, .capacity = data != NULL ? capacity : 0 };
}

/* Proves that n octets fit and counts them as written. */
static guint8 *
put (StunExtWriter *writer, gsize n)
{
  guint8 *start;

  if (writer->failed || n > writer->capacity - writer->length) {
    writer->failed = TRUE;
    return NULL;
  }
  if (n == 0)
    return NULL;
  start = writer->data + writer->length;
  writer->length += n;
  return start;
}

static void
put_number (StunExtWriter *writer, guint64 value, gsize n)
{
  guint8 *octets = put (writer, n);

  if (octets == NULL)
    return;
  for (gsize i = n; i > 0; i--) {
    octets[i - 1] = (guint8)value;
    value >>= 8;
  }
}

void
stun_ext_writer_u8 (StunExtWriter *writer, guint8 value)
{
  put_number (writer, value, 1);
}

void
stun_ext_writer_u16 (StunExtWriter *writer, guint16 value)
{
  put_number (writer, value, 2);
}

void
stun_ext_writer_u32 (StunExtWriter *writer, guint32 value)
{
  put_number (writer, value, 4);
}

void
stun_ext_writer_u64 (StunExtWriter *writer, guint64 value)
{
  put_number (writer, value, 8);
}

void
stun_ext_writer_bytes (StunExtWriter *writer, const void *bytes, gsize n)
{
  guint8 *octets;

  if (bytes == NULL && n > 0) {
    writer->failed = TRUE;
    return;
  }
  octets = put (writer, n);
  if (octets != NULL)
    memmove (octets, bytes, n);
}

static void
fill (StunExtWriter *writer, guint8 value, gsize n)
{
  guint8 *octets = put (writer, n);

  if (octets != NULL)
    memset (octets, value, n);
}

void
stun_ext_writer_zeros (StunExtWriter *writer, gsize n)
{
  fill (writer, 0, n);
}

guint8 *
stun_ext_writer_space (StunExtWriter *writer, gsize n)
{
  guint8 *octets = put (writer, n);

  if (octets != NULL)
    memset (octets, 0, n);
  return octets;
}

gsize
stun_ext_writer_open_u16 (StunExtWriter *writer)
{
  gsize slot = writer->length;

  stun_ext_writer_u16 (writer, 0);
  return writer->failed ? NO_SLOT : slot;
}

void
stun_ext_writer_patch_u16 (StunExtWriter *writer, gsize slot, guint16 value)
{
  if (writer->failed || slot > writer->length || writer->length - slot < 2) {
    writer->failed = TRUE;
    return;
  }
  writer->data[slot] = (guint8)(value >> 8);
  writer->data[slot + 1] = (guint8)value;
}

void
stun_ext_writer_close_u16 (StunExtWriter *writer, gsize slot)
{
  if (writer->failed || slot > writer->length || writer->length - slot < 2 ||
      writer->length - slot - 2 > G_MAXUINT16) {
    writer->failed = TRUE;
    return;
  }
  stun_ext_writer_patch_u16 (writer, slot, (guint16)(writer->length - slot - 2));
}

gsize
stun_ext_writer_open (StunExtWriter *writer, guint16 type)
{
  stun_ext_writer_u16 (writer, type);
  return stun_ext_writer_open_u16 (writer);
}

void
stun_ext_writer_close (StunExtWriter *writer, gsize slot)
{
  stun_ext_writer_close_u16 (writer, slot);
  /* Counted from the attribute and not from the buffer: a message may begin behind a frame's
   * length. */
  if (!writer->failed)
    fill (writer, writer->padding, (4 - (writer->length - slot - 2) % 4) % 4);
}
