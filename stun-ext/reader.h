/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/version.h"

G_BEGIN_DECLS

/**
 * StunExtReader:
 * @data: (nullable): the octets being read, borrowed
 * @length: number of octets in @data
 * @position: number of octets already read, never above @length
 * @failed: %TRUE once something did not fit; it never goes back
 *
 * Reads big-endian fields out of a bounded buffer, octet by octet, so that alignment does not
 * matter.
 *
 * Lives on the stack. Read every field, then look at @failed once: after a failure every read
 * yields zero or %NULL and the position stands still. No function here needs a lock; a reader
 * belongs to one thread.
 */
typedef struct {
  const guint8 *data;
  gsize length;
  gsize position;
  gboolean failed;
} StunExtReader;

/**
 * stun_ext_reader_init:
 * @reader: (out): the reader to set up
 * @data: (nullable) (array length=length): the octets, which must outlive the reader; %NULL only if
 * @length is 0
 * @length: number of octets
 */
STUN_EXT_API void stun_ext_reader_init (StunExtReader *reader, const void *data, gsize length);

/**
 * stun_ext_reader_u8:
 * @reader: the reader
 *
 * Returns: the next octet, or 0 after a failure
 */
STUN_EXT_API guint8 stun_ext_reader_u8 (StunExtReader *reader);

/**
 * stun_ext_reader_u16:
 * @reader: the reader
 *
 * Returns: the next two octets as a big-endian number, or 0 after a failure
 */
STUN_EXT_API guint16 stun_ext_reader_u16 (StunExtReader *reader);

/**
 * stun_ext_reader_u32:
 * @reader: the reader
 *
 * Returns: the next four octets as a big-endian number, or 0 after a failure
 */
STUN_EXT_API guint32 stun_ext_reader_u32 (StunExtReader *reader);

/**
 * stun_ext_reader_u64:
 * @reader: the reader
 *
 * Returns: the next eight octets as a big-endian number, or 0 after a failure
 */
STUN_EXT_API guint64 stun_ext_reader_u64 (StunExtReader *reader);

/**
 * stun_ext_reader_bytes:
 * @reader: the reader
 * @n: number of octets wanted
 *
 * Returns: (transfer none) (nullable): the next @n octets inside the reader's buffer, or %NULL
 * after a failure. With
 *   @n = 0 the pointer must not be read through and may be %NULL
 */
STUN_EXT_API const guint8 *stun_ext_reader_bytes (StunExtReader *reader, gsize n);

/**
 * stun_ext_reader_skip:
 * @reader: the reader
 * @n: number of octets to step over
 */
STUN_EXT_API void stun_ext_reader_skip (StunExtReader *reader, gsize n);

/**
 * stun_ext_reader_slice:
 * @reader: the reader, which steps over the octets
 * @n: number of octets the child may read
 *
 * Bounds a field: the child cannot see past it. A child of a failed reader has failed too.
 *
 * Returns: a reader of the next @n octets
 */
STUN_EXT_API StunExtReader stun_ext_reader_slice (StunExtReader *reader, gsize n);

/**
 * stun_ext_reader_remaining:
 * @reader: the reader
 *
 * Returns: number of octets not yet read; 0 after a failure
 */
STUN_EXT_API gsize stun_ext_reader_remaining (const StunExtReader *reader);

/**
 * stun_ext_reader_done:
 * @reader: the reader
 *
 * Returns: %TRUE if nothing failed and every octet has been read
 */
STUN_EXT_API gboolean stun_ext_reader_done (const StunExtReader *reader);

G_END_DECLS
