/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the backends tun and pcap have in common: a worker's share of the helper, and asking it to
 * divert what is leased. */
#pragma once

#include "tep-s/helper.h"
#include "tep-s/worker.h"

G_BEGIN_DECLS

/* Packets read or sent at a time. */
#define TEP_SERVER_DIVERT_BATCH 64

typedef struct {
  TepServerWorker *worker;
  TepServerHelperShare share;
  gsize largest;  /* octets of the largest inner packet */
  GQueue pending; /* TepServerBinding, in the order they were asked for */
  gboolean is_gone;
  gint64 complained_us;
} TepServerDivert;

/* Takes the worker's share and watches its channel, tagged with the TepServerDivert itself. */
gboolean tep_server_divert_open (TepServerDivert *divert,
                                 TepServerWorker *worker,
                                 const TepServerConfig *config,
                                 GError **error);
void tep_server_divert_close (TepServerDivert *divert);

/* As in TepServerMediaOps. */
gboolean
tep_server_divert_lease (TepServerDivert *divert, TepServerBinding *binding, GError **error);
void tep_server_divert_release (TepServerDivert *divert, TepServerBinding *binding);

/* Reads the helper's answers. */
void tep_server_divert_readable (TepServerDivert *divert, gint64 now_us);

/* Packets from the core that were checked and wait to be delivered together; their octets stay in
 * the worker's scratch buffer. */
typedef struct {
  StunExtAddress addresses[TEP_SERVER_DIVERT_BATCH][2];
  TepServerPacket packets[TEP_SERVER_DIVERT_BATCH];
  gsize n;
} TepServerDivertBatch;

/* Takes a finished packet into the batch, or counts why not. */
void tep_server_divert_take (TepServerDivert *divert,
                             TepServerDivertBatch *batch,
                             const guint8 *data,
                             gsize length);

/* The headers for a packet from a device, as PROTOCOL.md section 9 wants them, at most 48 octets;
 * 0 if it cannot be built. */
gsize tep_server_divert_headers (const TepServerPacket *packet, guint8 *headers, gsize capacity);

/* Counts a packet from the core that ends here. */
void tep_server_divert_drop (TepServerDivert *divert, TepServerCounter reason);

G_END_DECLS
