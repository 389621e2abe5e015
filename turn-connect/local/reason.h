/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#define TURN_CONNECT_REASON_MAX 127 /* characters, RFC 8489 section 14.8: fewer than 128 */

/* A phrase for ERROR-CODE: printable ASCII of at most @size - 1 octets. */
void turn_connect_relay_make_reason (char *reason, gsize size, const char *cause);
