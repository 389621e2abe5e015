/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whom the packets of a TUN device come from and go to: each local address and port has a binding,
 * each remote of it a flow. Internal to the library. */
#pragma once

#include "tep-c/capture-tun.h"

G_BEGIN_DECLS

typedef struct _TepClientTunTable TepClientTunTable;

typedef enum {
  TEP_CLIENT_TUN_TAKEN,  /* sent, or waits for its flow */
  TEP_CLIENT_TUN_REFUSED /* the port has no lease and will not have one soon */
} TepClientTunVerdict;

typedef struct {
  /* A packet for a local address and port. */
  void (*packet) (gpointer user,
                  const StunExtAddress *source,
                  const StunExtAddress *local,
                  const guint8 *payload,
                  gsize length);
  void (*lease) (gpointer user,
                 const StunExtAddress *local,
                 const StunExtAddress *leased,
                 const GError *error);
} TepClientTunTableEvents;

TepClientTunTable *tep_client_tun_table_new (TepClientSession *session,
                                             const TepClientTunTableEvents *events,
                                             gpointer user);
/* Gives everything back. */
void tep_client_tun_table_free (TepClientTunTable *table);
/* A program's packet; the addresses are in order. */
TepClientTunVerdict tep_client_tun_table_send (TepClientTunTable *table,
                                               const StunExtAddress *local,
                                               const StunExtAddress *remote,
                                               const guint8 *payload,
                                               gsize length,
                                               gint64 now_us);
/* Gives back what has long been silent. */
void tep_client_tun_table_sweep (TepClientTunTable *table, gint64 now_us);
const StunExtAddress *tep_client_tun_table_find (TepClientTunTable *table,
                                                 const TepClientBinding *binding);
void tep_client_tun_table_foreach (TepClientTunTable *table,
                                   TepClientTunFlowFunc func,
                                   gpointer user_data);

G_END_DECLS
