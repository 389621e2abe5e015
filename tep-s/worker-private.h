/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A worker as the server sees it. */
#pragma once

#include "tep-s/core.h"
#include "tep-s/detect.h"
#include "tep-s/mailbox.h"
#include "tep-s/recorder.h"
#include "tep-s/server.h"
#include "tep-s/worker.h"

G_BEGIN_DECLS

/**
 * TepServerWorkerSetup:
 * @index: number of this worker
 * @total: number of workers
 * @settings: configuration in force
 * @shared: accounts of the server
 * @media: backend
 * @helper: (nullable): the helper process, for the backends that need one
 * @recorder: (nullable): where inner packets are recorded
 * @callbacks: for the backend "embedded"
 * @callback_data: for @callbacks
 * @sockets: (element-type int): listening TCP sockets and bound UDP sockets, owned by the worker
 * from now on
 * @event: (nullable): told about tunnels, in the worker's thread
 * @event_data: for @event
 * @detect: (nullable): who gets what is no tunnel
 */
typedef struct {
  guint index;
  guint total;
  const TepServerSettings *settings;
  TepServerShared *shared;
  const TepServerMediaOps *media;
  TepServerHelper *helper;
  TepServerRecorder *recorder;
  const TepServerMediaCallbacks *callbacks;
  gpointer callback_data;
  GArray *tcp;
  GArray *udp;
  void (*event) (gpointer data, const TepServerEvent *event);
  gpointer event_data;
  TepServerDetect *detect;
} TepServerWorkerSetup;

/* Control thread. The sockets are closed by free(), also when new() fails. */
TepServerWorker *tep_server_worker_new (const TepServerWorkerSetup *setup, GError **error);
void tep_server_worker_free (TepServerWorker *worker);

/* All workers of the server, this one too; before start(). */
void tep_server_worker_set_peers (TepServerWorker *worker, TepServerWorker *const *workers);
gboolean tep_server_worker_start (TepServerWorker *worker, GError **error);

/* Ends the thread and waits for it. Start no other worker's stop() in between: they still talk to
 * each other. */
void tep_server_worker_ask_to_stop (TepServerWorker *worker);
void tep_server_worker_join (TepServerWorker *worker);

/* Control thread, after join (): ends every tunnel and connection; the counters can still be read.
 */
void tep_server_worker_shut_down (TepServerWorker *worker);

/* Has func called in the worker's thread, with the worker as receiver. */
void tep_server_worker_post (TepServerWorker *worker, TepServerMessageFunc func, gpointer data);

TepServerCore *tep_server_worker_core (TepServerWorker *worker);

const TepServerMediaCallbacks *tep_server_worker_callbacks (TepServerWorker *worker,
                                                            gpointer *user_data);

/* The backends. */
extern const TepServerMediaOps tep_server_media_embedded;
extern const TepServerMediaOps tep_server_media_relay;
extern const TepServerMediaOps tep_server_media_tun;
extern const TepServerMediaOps tep_server_media_pcap;

G_END_DECLS
