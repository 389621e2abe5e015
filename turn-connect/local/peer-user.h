/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stun-ext/address.h"

/* Finds the user whose process holds the other end of a TCP connection within this machine, in the
 * text of /proc/net/tcp and tcp6 (proc(5)). @peer: that end; @own: this one. FALSE: it is not
 * there. */
gboolean turn_connect_peer_user_parse (const char *table,
                                       const StunExtAddress *peer,
                                       const StunExtAddress *own,
                                       guint *uid);

/* The same, asking the kernel. */
gboolean turn_connect_peer_user (int descriptor, guint *uid);
