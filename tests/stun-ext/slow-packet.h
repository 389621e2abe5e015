/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/inner-packet.h"

/* The rules for inner packets once more, as slowly and as plainly as they can be written, to
 * compare with. */

/* What stun_ext_inner_packet_check() has to say. */
StunExtInnerVerdict slow_packet_check (const guint8 *data, gsize length, gsize largest);

/* The checksums that belong into a packet whose lengths are right; the fields count as zero. */
guint16 slow_packet_header_checksum (const guint8 *data);
guint16 slow_packet_udp_checksum (const guint8 *data, gsize length);

/* What the kernel leaves in the UDP checksum for the network card: the sum of the pseudo header. */
guint16 slow_packet_pseudo_sum (const guint8 *data, gsize length);

/* Writes the checksums into a packet; a UDP checksum of zero over IPv4 may stay. */
void slow_packet_finish (guint8 *data, gsize length, gboolean is_zero_kept);
