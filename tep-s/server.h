/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "tep-s/config.h"
#include "tep-s/counters.h"
#include "tep-s/error.h"
#include "tep-s/media.h"

G_BEGIN_DECLS

/**
 * TepServerMediaCallbacks:
 * @packets: (nullable): packets from devices to the core, borrowed for the call
 * @binding_added: (nullable): a lease started; @binding stays valid until @binding_removed
 * @binding_removed: (nullable): a lease ended
 *
 * What an embedding media gateway wants to hear, with the backend "embedded". All are called in a
 * worker's thread, must not block, and may call tep_server_worker_send() on the worker they were
 * given.
 */
typedef struct {
  void (*packets) (TepServerWorker *worker,
                   const TepServerPacket *packets,
                   gsize n,
                   gpointer user_data);
  void (*binding_added) (TepServerWorker *worker,
                         const TepServerBinding *binding,
                         gpointer user_data);
  void (*binding_removed) (TepServerWorker *worker,
                           const TepServerBinding *binding,
                           gpointer user_data);
} TepServerMediaCallbacks;

/**
 * TepServerWorkerFunc:
 * @worker: (nullable): the worker whose thread this runs in; %NULL if the server stopped first:
 * only free @data then
 * @data: what tep_server_invoke() was given
 */
typedef void (*TepServerWorkerFunc) (TepServerWorker *worker, gpointer data);

/**
 * TepServer:
 *
 * The core end of the tunnels: listeners, worker threads, leases. It lives on the thread-default
 * main context of its construction; signals are emitted there.
 *
 * Signals:
 * `tunnel-opened (const char *user, const char *source)` and `tunnel-closed (const char *user,
 * const char *source, const char *reason)`; `drained ()` when the last tunnel went after
 * tep_server_drain().
 */
#define TEP_TYPE_SERVER (tep_server_get_type ())
TEP_SERVER_API
G_DECLARE_FINAL_TYPE (TepServer, tep_server, TEP, SERVER, GObject)

/**
 * tep_server_new:
 * @config: what to do; a reference is taken
 * @callbacks: (nullable): for the backend "embedded"; copied
 * @user_data: for @callbacks
 * @error: return location
 *
 * Checks the configuration and loads certificates, but opens nothing.
 *
 * Returns: (transfer full) (nullable): the server, or %NULL
 */
TEP_SERVER_API TepServer *tep_server_new (const TepServerConfig *config,
                                          const TepServerMediaCallbacks *callbacks,
                                          gpointer user_data,
                                          GError **error);

/**
 * tep_server_open:
 * @server: the server, neither open nor started
 * @error: return location
 *
 * Opens listeners and media, starts the helper process of the backend if it has one, and reads
 * nothing yet. All that needs rights is done when it returns, so that a program can give them up
 * before tep_server_start(); who has none to give up calls that alone.
 *
 * Returns: %FALSE if something could not be opened; nothing is left open then
 */
TEP_SERVER_API gboolean tep_server_open (TepServer *server, GError **error);

/**
 * tep_server_start:
 * @server: the server, not started before
 * @error: return location
 *
 * Opens what tep_server_open() opens unless that was done, and starts the workers. When it returns,
 * connections are being accepted.
 *
 * Returns: %FALSE if something could not be opened; nothing is left open then
 */
TEP_SERVER_API gboolean tep_server_start (TepServer *server, GError **error);

/**
 * tep_server_reload:
 * @server: a started server
 * @config: the new configuration; a reference is taken
 * @error: return location
 *
 * Puts certificates, users, policy, limits and timers of @config into force without losing a
 * session. Listeners, media backend and number of workers stay as they are until a restart. All or
 * nothing.
 *
 * Returns: %FALSE if @config cannot be used; the old one stays in force
 */
TEP_SERVER_API gboolean tep_server_reload (TepServer *server,
                                           const TepServerConfig *config,
                                           GError **error);

/**
 * tep_server_drain:
 * @server: a started server
 * @deadline_s: seconds after which what is left is closed
 *
 * Takes no new tunnels, tells the clients, and emits `drained` when the last one has gone.
 */
TEP_SERVER_API void tep_server_drain (TepServer *server, guint deadline_s);

/**
 * tep_server_stop:
 * @server: the server; a server that does not run is left as it is
 *
 * Closes everything and ends the threads. Disposing of the object does the same.
 */
TEP_SERVER_API void tep_server_stop (TepServer *server);

/**
 * tep_server_snapshot:
 * @server: the server
 * @counters: (out caller-allocates): the sums over all workers
 *
 * Any thread. Numbers of different workers are read a moment apart.
 */
TEP_SERVER_API void tep_server_snapshot (TepServer *server, TepServerCounters *counters);

/**
 * tep_server_get_listener_address:
 * @server: a started server
 * @index: which listener, in the order of the configuration
 * @address: (out): where it listens, the port resolved if 0 was configured
 *
 * Returns: %FALSE if there is no such listener
 */
TEP_SERVER_API gboolean tep_server_get_listener_address (TepServer *server,
                                                         guint index,
                                                         StunExtAddress *address);

/**
 * tep_server_add_pinhole:
 * @server: a started server
 * @leased: (nullable): leased address of the inner 5-tuple; %NULL for any
 * @remote: remote of the inner 5-tuple
 *
 * With "pinhole-only" in force nothing flows but what is named here (TR 33.830 clause 8.6 NOTE 3).
 */
TEP_SERVER_API void tep_server_add_pinhole (TepServer *server,
                                            const StunExtAddress *leased,
                                            const StunExtAddress *remote);

/**
 * tep_server_remove_pinhole:
 * @server: a started server
 * @leased: (nullable): as it was added
 * @remote: as it was added
 *
 * The next packet of that 5-tuple is denied.
 */
TEP_SERVER_API void tep_server_remove_pinhole (TepServer *server,
                                               const StunExtAddress *leased,
                                               const StunExtAddress *remote);

/**
 * tep_server_n_workers:
 * @server: a started server
 *
 * Returns: number of workers; 0 if it does not run
 */
TEP_SERVER_API guint tep_server_n_workers (TepServer *server);

/**
 * tep_server_invoke:
 * @server: a started server
 * @worker_index: 0 to tep_server_n_workers() - 1
 * @func: what to run in that worker's thread
 * @data: for @func
 *
 * The way into a worker from any other thread.
 *
 * Returns: %FALSE if the server does not run: @func will not be called
 */
TEP_SERVER_API gboolean tep_server_invoke (TepServer *server,
                                           guint worker_index,
                                           TepServerWorkerFunc func,
                                           gpointer data);

/**
 * tep_server_worker_send:
 * @worker: a worker, in its own thread
 * @packets: (array length=n): packets to devices: source is the remote, destination the leased
 * address
 * @n: number of packets
 *
 * The core's side of the backend "embedded".
 */
TEP_SERVER_API void
tep_server_worker_send (TepServerWorker *worker, const TepServerPacket *packets, gsize n);

G_END_DECLS
