/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stun-ext/address.h"
#include "stun-ext/version.h"

#include <glib.h>

G_BEGIN_DECLS

/**
 * stun_ext_classic_answer:
 * @source: whence the request came
 * @data: (array length=length): exactly one datagram
 * @length: octets in it
 * @answer: (out caller-allocates) (array length=capacity): the answer
 * @capacity: octets there is room for
 *
 * Answers a Binding request of RFC 3489, which has no magic cookie, with MAPPED-ADDRESS (RFC 8489
 * section 11). A request that wants the answer to go elsewhere or to come from elsewhere
 * (RESPONSE-ADDRESS, CHANGE-REQUEST) gets none, nor does one with attributes that must be
 * understood and are not. An answer has at most 12 octets more than its request for an IPv4 source,
 * 24 for IPv6.
 *
 * Returns: octets of the answer, or 0 if there is to be none
 */
STUN_EXT_API gsize stun_ext_classic_answer (
    const StunExtAddress *source, const guint8 *data, gsize length, guint8 *answer, gsize capacity);

G_END_DECLS
