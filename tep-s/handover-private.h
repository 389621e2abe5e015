/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From worker to worker: connections, packets, who owns which lease. */
#pragma once

#include "tep-s/worker-private.h"

G_BEGIN_DECLS

/* handover.c: for the core; host is the worker. */
void tep_server_worker_hand_over (gpointer host, TepServerConnection *connection, guint target);
/* FALSE: too much waits there already. */
gboolean tep_server_worker_pass (gpointer host, guint target, const TepServerPacket *packet);
void tep_server_worker_announce (gpointer host, const TepServerBinding *binding, gboolean is_new);
/* Posts what pass() collected in this round. */
void tep_server_worker_flush_passed (TepServerWorker *worker);

/* worker.c */
TepServerWorker *tep_server_worker_peer (TepServerWorker *worker, guint index);
TepServerDetect *tep_server_worker_detect (TepServerWorker *worker);
TepServerShared *tep_server_worker_shared (TepServerWorker *worker);
gboolean tep_server_worker_has_room (const TepServerWorker *worker, gsize length);
void tep_server_worker_post_media (TepServerWorker *worker,
                                   TepServerMessageFunc func,
                                   gpointer data,
                                   gsize length);
GByteArray **tep_server_worker_passed (TepServerWorker *worker);
void tep_server_worker_give_connection (TepServerWorker *worker,
                                        TepServerConnection *connection,
                                        TepServerHandover *handover);
void tep_server_worker_take_connection (TepServerWorker *worker, TepServerHandover *handover);

G_END_DECLS
