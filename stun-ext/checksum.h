/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The Internet checksum (RFC 1071): the complement of the one's complement sum of 16-bit words.
 * Sums are kept unfolded in 64 bits, in the byte order of the machine, which one's complement
 * addition does not care about; of the parts that are added up, all but the last have an even
 * number of octets. */

guint64 stun_ext_checksum_add (guint64 sum, const guint8 *octets, gsize length);

/* Folds a sum into 16 bits in network order, not yet complemented. */
static inline guint16
stun_ext_checksum_fold (guint64 sum)
{
  sum = (sum & 0xFFFFFFFF) + (sum >> 32);
  sum = (sum & 0xFFFFFFFF) + (sum >> 32);
  sum = (sum & 0xFFFF) + (sum >> 16);
  sum = (sum & 0xFFFF) + (sum >> 16);
  sum = (sum & 0xFFFF) + (sum >> 16);
  return GUINT16_FROM_BE ((guint16)sum);
}

/* The sum of the pseudo header's numbers (RFC 768, RFC 8200 section 8.1), to which the addresses
 * are to be added. */
static inline guint64
stun_ext_checksum_pseudo (guint8 protocol, guint32 length)
{
  return (guint64)GUINT16_TO_BE ((guint16)protocol) + GUINT16_TO_BE ((guint16)(length >> 16)) +
         GUINT16_TO_BE ((guint16)length);
}

G_END_DECLS
