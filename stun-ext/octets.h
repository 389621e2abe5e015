/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Big-endian fields at a known offset, for headers that are read and changed in place once per
 * packet. The caller has proven that the octets are there; whatever is read front to back belongs
 * into stun-ext/reader.h instead. */

static inline guint16
stun_ext_octets_u16 (const guint8 *octets, gsize at)
{
  return (guint16)(octets[at] << 8 | octets[at + 1]);
}

static inline guint32
stun_ext_octets_u32 (const guint8 *octets, gsize at)
{
  return (guint32)stun_ext_octets_u16 (octets, at) << 16 | stun_ext_octets_u16 (octets, at + 2);
}

static inline void
stun_ext_octets_set_u16 (guint8 *octets, gsize at, guint16 value)
{
  octets[at] = (guint8)(value >> 8);
  octets[at + 1] = (guint8)value;
}

G_END_DECLS
