/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Local media by ports: a UDP port on loopback stands for one remote at the core. Internal to the
 * library. */
#pragma once

#include "tep-c/capture-direct.h"
#include "tep-c/session.h"

G_BEGIN_DECLS

typedef struct _TepClientPort TepClientPort;

/* leased: what the far side sees; error: why the lease or the flow failed or was lost, or NULL.
 * Called when either is known, and again when that changes. */
typedef void (*TepClientPortEvent) (TepClientPort *port,
                                    const StunExtAddress *leased,
                                    const GError *error,
                                    gpointer user_data);

/* Binds 127.0.0.1:local_port (0 for any) and asks the session, if there is one, for a lease and a flow; where
 * they are refused and that may pass, it asks again every ten seconds. The first program that sends to the
 * port has it until it falls silent or ends. */
TepClientPort *tep_client_port_new (TepClientSession *session,
                                    guint16 local_port,
                                    const StunExtAddress *remote,
                                    TepClientPortEvent event,
                                    gpointer user_data,
                                    GError **error);
void tep_client_port_free (TepClientPort *port);
/* From now on by this session's tunnel; what the one before granted is given back. NULL: by none. */
void tep_client_port_set_session (TepClientPort *port, TepClientSession *session);
/* From now on by UDP without a tunnel, or no longer. event () says TEP_CLIENT_ERROR_NO_PATH if nothing
 * ever came back that way. */
void tep_client_port_set_direct (TepClientPort *port, gboolean is_direct);
/* NULL while it goes by a tunnel, or not at all. */
TepClientDirect *tep_client_port_get_direct (TepClientPort *port);
guint16 tep_client_port_get_local (TepClientPort *port);
const StunExtAddress *tep_client_port_get_remote (TepClientPort *port);
/* Either is NULL until it stands. */
TepClientBinding *tep_client_port_get_binding (TepClientPort *port);
TepClientFlow *tep_client_port_get_flow (TepClientPort *port);
/* How long the program that has the port may be silent before another can have it: 5 s, in tests less. */
void tep_client_port_set_silence (TepClientPort *port, gint64 silence_us);

G_END_DECLS
