/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every inner packet is summed once in each direction, which is most of what a packet costs besides
 * system calls; so the sum goes in steps of eight octets. */
#include "stun-ext/checksum.h"

#include <string.h>

static inline guint64
add (guint64 sum, guint64 value)
{
  sum += value;
  return sum + (sum < value); /* the carry comes in again at the end, RFC 1071 section 2 */
}

guint64
stun_ext_checksum_add (guint64 sum, const guint8 *octets, gsize length)
{
  gsize at = 0;
  guint64 value;

  for (; length - at >= sizeof value; at += sizeof value) {
    memcpy (&value, &octets[at], sizeof value);
    sum = add (sum, value);
  }
  if (at < length) {
    value = 0;
    memcpy (&value, &octets[at], length - at); /* what is missing counts as zeros */
    sum = add (sum, value);
  }
  return sum;
}
