/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which public address and port is whose: one account for all workers, asked when a binding begins
 * or ends and never for a packet. Two devices behind one address never share a port. */
#pragma once

#include "stun-ext/address.h"

G_BEGIN_DECLS

typedef struct _TepServerLeases TepServerLeases;

TepServerLeases *tep_server_leases_new (guint64 seed);
void tep_server_leases_free (TepServerLeases *leases);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TepServerLeases, tep_server_leases_free)

/**
 * tep_server_leases_take:
 * @leases: the account
 * @host: the public address; its port is not looked at
 * @wanted_port: the port asked for; 0 for any
 * @is_even: only an even port will do
 * @is_pair: the port above is wanted too; implies @is_even
 * @random: any number, from which the search for another port starts
 * @leased: (out): address and port
 *
 * Any thread.
 *
 * Returns: FALSE if no port of that address is left
 */
gboolean tep_server_leases_take (TepServerLeases *leases,
                                 const StunExtAddress *host,
                                 guint16 wanted_port,
                                 gboolean is_even,
                                 gboolean is_pair,
                                 guint32 random,
                                 StunExtAddress *leased);

/* Gives back what take() gave. Any thread. */
void
tep_server_leases_give (TepServerLeases *leases, const StunExtAddress *leased, gboolean is_pair);

/* Number of ports that are leased. */
gsize tep_server_leases_count (TepServerLeases *leases);

G_END_DECLS
