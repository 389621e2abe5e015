/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a media backend may ask of the worker it serves. Internal to the library; all of it in the
 * worker's own thread, watch and unwatch also from open() and close(). */
#pragma once

#include "tep-s/counters.h"
#include "tep-s/helper.h"
#include "tep-s/media.h"

G_BEGIN_DECLS

/* Hands packets from the core to the devices: source is the remote, destination the leased address.
 * Looks up the binding, applies policy and bandwidth, frames, and writes at the end of the round. A
 * packet of another worker's binding is handed over to that worker. */
void tep_server_worker_deliver (TepServerWorker *worker, const TepServerPacket *packets, gsize n);

/* Ends the wait of a binding that lease() left pending: the client gets its answer, a lease or 508.
 * If the binding is not usable, release() is called for it before this returns. */
void
tep_server_worker_leased (TepServerWorker *worker, TepServerBinding *binding, gboolean is_usable);

/* Has readable (fd, tag) called while fd can be read. FALSE with errno set if the kernel refuses.
 */
gboolean tep_server_worker_watch (TepServerWorker *worker, int fd, gpointer tag);

/* Likewise, but only when something new has come: readable() reads until a read brings less than it asked for, or ends with
 * tep_server_worker_rewatch() to go on in the next round. Spares the kernel a look at each descriptor that was just emptied. */
gboolean tep_server_worker_watch_edges (TepServerWorker *worker, int fd, gpointer tag);
void tep_server_worker_rewatch (TepServerWorker *worker, int fd);

/* Ends that; call it before closing fd. No readable() call for fd follows, even if it was ready in
 * this round. */
void tep_server_worker_unwatch (TepServerWorker *worker, int fd);

/* 0 .. n - 1, and n. */
guint tep_server_worker_index (const TepServerWorker *worker);
guint tep_server_worker_total (const TepServerWorker *worker);

/* The helper process of the server, for the backends tun and pcap; NULL with any other. */
TepServerHelper *tep_server_worker_helper (const TepServerWorker *worker);

/* Monotonic microseconds, taken once in a round. */
gint64 tep_server_worker_now (const TepServerWorker *worker);

/* Adds to one of the worker's numbers. No lock. */
void tep_server_worker_count (TepServerWorker *worker, TepServerCounter counter, gint64 n);

/* A scratch buffer of the worker, for recvmmsg and the like; its content does not survive the call
 * that uses it. */
guint8 *tep_server_worker_scratch (TepServerWorker *worker, gsize *length);

G_END_DECLS
