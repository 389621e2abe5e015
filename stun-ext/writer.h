/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/version.h"

G_BEGIN_DECLS

/**
 * StunExtWriter:
 * @data: the buffer of the caller
 * @capacity: its size in octets
 * @length: number of octets written, never above @capacity
 * @failed: %TRUE once something did not fit; it never goes back
 * @padding: the octet that fills STUN attributes up to a multiple of four; 0 unless the caller
 * changes it
 *
 * Writes big-endian fields into a buffer of fixed size.
 *
 * Lives on the stack. Write every field, then look at @failed once: after a failure nothing more is
 * written, and nothing is ever written outside the buffer. A writer belongs to one thread.
 */
typedef struct {
  guint8 *data;
  gsize capacity;
  gsize length;
  gboolean failed;
  guint8 padding;
} StunExtWriter;

/**
 * stun_ext_writer_init:
 * @writer: (out): the writer to set up
 * @data: (nullable) (array length=capacity): the buffer, which must outlive the writer; %NULL only
 * if @capacity is 0
 * @capacity: its size in octets
 */
STUN_EXT_API void stun_ext_writer_init (StunExtWriter *writer, void *data, gsize capacity);

/**
 * stun_ext_writer_u8:
 * @writer: the writer
 * @value: the octet to append
 */
STUN_EXT_API void stun_ext_writer_u8 (StunExtWriter *writer, guint8 value);

/**
 * stun_ext_writer_u16:
 * @writer: the writer
 * @value: the number to append, in two octets
 */
STUN_EXT_API void stun_ext_writer_u16 (StunExtWriter *writer, guint16 value);

/**
 * stun_ext_writer_u32:
 * @writer: the writer
 * @value: the number to append, in four octets
 */
STUN_EXT_API void stun_ext_writer_u32 (StunExtWriter *writer, guint32 value);

/**
 * stun_ext_writer_u64:
 * @writer: the writer
 * @value: the number to append, in eight octets
 */
STUN_EXT_API void stun_ext_writer_u64 (StunExtWriter *writer, guint64 value);

/**
 * stun_ext_writer_bytes:
 * @writer: the writer
 * @bytes: (nullable) (array length=n): what to append; %NULL only if @n is 0
 * @n: number of octets
 */
STUN_EXT_API void stun_ext_writer_bytes (StunExtWriter *writer, const void *bytes, gsize n);

/**
 * stun_ext_writer_zeros:
 * @writer: the writer
 * @n: number of zero octets to append
 */
STUN_EXT_API void stun_ext_writer_zeros (StunExtWriter *writer, gsize n);

/**
 * stun_ext_writer_space:
 * @writer: the writer
 * @n: number of octets
 *
 * Appends @n zero octets for the caller to fill in place, for instance with a digest.
 *
 * Returns: (transfer none) (nullable): where they are, or %NULL after a failure
 */
STUN_EXT_API guint8 *stun_ext_writer_space (StunExtWriter *writer, gsize n);

/**
 * stun_ext_writer_open_u16:
 * @writer: the writer
 *
 * Appends a two-octet length that is not known yet.
 *
 * Returns: the slot for stun_ext_writer_close_u16() or stun_ext_writer_patch_u16()
 */
STUN_EXT_API gsize stun_ext_writer_open_u16 (StunExtWriter *writer);

/**
 * stun_ext_writer_close_u16:
 * @writer: the writer
 * @slot: what stun_ext_writer_open_u16() returned
 *
 * Sets the length at @slot to the number of octets written after it. More than 65535 is a failure.
 */
STUN_EXT_API void stun_ext_writer_close_u16 (StunExtWriter *writer, gsize slot);

/**
 * stun_ext_writer_patch_u16:
 * @writer: the writer
 * @slot: offset of two octets that have been written
 * @value: their new value
 *
 * Changes octets that have been written. A slot outside of them is a failure.
 */
STUN_EXT_API void stun_ext_writer_patch_u16 (StunExtWriter *writer, gsize slot, guint16 value);

/**
 * stun_ext_writer_open:
 * @writer: the writer
 * @type: type of the STUN attribute
 *
 * Begins a STUN attribute (RFC 8489 section 14): type, then a length that is not known yet.
 *
 * Returns: the slot for stun_ext_writer_close()
 */
STUN_EXT_API gsize stun_ext_writer_open (StunExtWriter *writer, guint16 type);

/**
 * stun_ext_writer_close:
 * @writer: the writer
 * @slot: what stun_ext_writer_open() returned
 *
 * Ends a STUN attribute: sets its length and appends padding up to a multiple of four octets, which
 * the length does not count.
 */
STUN_EXT_API void stun_ext_writer_close (StunExtWriter *writer, gsize slot);

G_END_DECLS
