/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which addresses are this host's. Internal to the library. */
#pragma once

#include "tep-s/policy.h"

G_BEGIN_DECLS

/**
 * TepServerOwnPrefix:
 * @prefix: the addresses
 * @first_port: first port; 0 with @last_port 65535 for all
 * @last_port: last port
 */
typedef struct {
  StunExtPrefix prefix;
  guint16 first_port;
  guint16 last_port;
} TepServerOwnPrefix;

/**
 * tep_server_own_expand:
 * @prefixes: (element-type TepServerOwnPrefix): where the prefixes are appended
 * @own: an address of this server
 *
 * Turns the unspecified address into every address of every interface and all of loopback.
 */
void tep_server_own_expand (GArray *prefixes, const TepServerOwnRange *own);

/**
 * tep_server_own_broadcasts:
 * @prefixes: (element-type TepServerOwnPrefix): where the prefixes are appended
 *
 * The broadcast addresses of the host's networks: nobody may be talked into sending to all of them.
 */
void tep_server_own_broadcasts (GArray *prefixes);

G_END_DECLS
