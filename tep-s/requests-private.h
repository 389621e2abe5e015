/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What requests and packets can both bring about. */
#pragma once

#include "tep-s/core-private.h"

G_BEGIN_DECLS

/* Starts a binding with exactly that address. NULL if somebody has it, or the media side refuses.
 */
TepServerLeasing *
tep_server_lease_exactly (TepServerTunnel *tunnel, TepServerBinding *binding, guint32 lifetime_s);

/* Bandwidth and DSCP as far as the configuration grants them. */
void
tep_server_flow_shape (TepServerFlow *flow, guint32 bandwidth_kbps, gboolean has_dscp, guint8 dscp);

/* Whether a remote may be a remote at all; the policy is asked again for each packet. */
gboolean tep_server_remote_is_allowed (TepServerCore *core, const StunExtAddress *remote);

G_END_DECLS
