/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything one worker does, without sockets, clock, threads or randomness: connections, tunnels,
 * leases, flows and packets. It is fed octets and the time, and tells its host what to do. One
 * thread at a time. */
#pragma once

#include <sys/uio.h>

#include "tep-s/config.h"
#include "tep-s/counters.h"
#include "tep-s/media.h"
#include "tep-s/shared.h"
#include "tep-s/tls.h"

G_BEGIN_DECLS

typedef struct _TepServerCore TepServerCore;
typedef struct _TepServerConnection TepServerConnection;

typedef enum {
  TEP_SERVER_EVENT_OPENED,
  TEP_SERVER_EVENT_CLOSED,
  TEP_SERVER_EVENT_REFUSED,
} TepServerEventKind;

/* What is told to people and programs; everything borrowed. user may hold any octets. */
typedef struct {
  TepServerEventKind kind;
  const char *user;
  const StunExtAddress *source;
  const char *reason;
} TepServerEvent;

/**
 * TepServerCoreHost:
 * @random: fills a buffer with octets from the kernel
 * @lease: as in #TepServerMediaOps
 * @release: as in #TepServerMediaOps
 * @send: as in #TepServerMediaOps
 * @output: a connection has something to write, or is over; called at most once per connection and
 * round, from tep_server_core_flush(). Write with tep_server_core_output() and
 * tep_server_core_written()
 * @over: the connection is over: close its descriptor and forget it; it is freed when this returns. Also
 * called from tep_server_core_accept(), for a connection that gives its place to the new one
 * @hand_over: another worker, or detection (%TEP_SERVER_TO_DETECT), is to have the connection: call tep_server_core_release_connection()
 * at once
 * @pass: a packet of a binding that another worker owns; %FALSE: that worker has too many waiting, drop it
 * @announce: (nullable): a binding began or ended that other workers must know
 * @event: (nullable): something worth telling
 * @record: (nullable): an inner packet passed; only called while recording is on
 *
 * What the core cannot do itself. All but lease(), release(), send(), random(), event(), record() and, as
 * said, over() are called from tep_server_core_flush() only.
 */
typedef struct {
  void (*random) (gpointer host, void *octets, gsize length);
  gboolean (*lease) (gpointer host, TepServerBinding *binding);
  void (*release) (gpointer host, TepServerBinding *binding);
  gsize (*send) (gpointer host, const TepServerPacket *packets, gsize n);
  void (*output) (gpointer host, TepServerConnection *connection);
  void (*over) (gpointer host, TepServerConnection *connection);
  void (*hand_over) (gpointer host, TepServerConnection *connection, guint worker);
  gboolean (*pass) (gpointer host, guint worker, const TepServerPacket *packet);
  void (*announce) (gpointer host, const TepServerBinding *binding, gboolean is_new);
  void (*event) (gpointer host, const TepServerEvent *event);
  void (*record) (gpointer host, const TepServerPacket *packet);
} TepServerCoreHost;

TepServerCore *tep_server_core_new (const TepServerCoreHost *host,
                                    gpointer host_data,
                                    const TepServerSettings *settings,
                                    TepServerShared *shared,
                                    guint index,
                                    guint total);

/* Ends every tunnel and connection; over() and release() are called for each. Only the counters are
 * of use then. */
void tep_server_core_shut_down (TepServerCore *core);

void tep_server_core_free (TepServerCore *core);

/* Time, at the begin of a round: monotonic microseconds and wall clock milliseconds. Runs what is
 * due. */
void tep_server_core_advance (TepServerCore *core, gint64 now_us, gint64 now_ms);

/* When advance() must be called next at the latest; G_MAXINT64 for never. */
gint64 tep_server_core_deadline (const TepServerCore *core);

/* A connection was accepted. NULL: close it, for a limit is reached. */
TepServerConnection *tep_server_core_accept (TepServerCore *core, const StunExtAddress *source);

/* Octets arrived. The buffer must stay as it is until the next flush(). */
void tep_server_core_input (TepServerCore *core,
                            TepServerConnection *connection,
                            const guint8 *data,
                            gsize length);

/* The peer ended its side, or the connection broke. */
void tep_server_core_hangup (TepServerCore *core, TepServerConnection *connection);

/* What to write, in at most n pieces, and how much the kernel took. 0 pieces: nothing, for now. */
gsize tep_server_core_output (TepServerConnection *connection, struct iovec *pieces, gsize n);
/* After written (): nothing will follow; shut down the sending side and wait for the peer's. */
gboolean tep_server_core_is_finished (const TepServerConnection *connection);
void tep_server_core_written (TepServerCore *core, TepServerConnection *connection, gsize length);

/* The kernel takes octets again. */
void tep_server_core_writable (TepServerCore *core, TepServerConnection *connection);

/* A datagram at a UDP listener. Returns octets of the answer, at most capacity; 0 for none. */
gsize tep_server_core_datagram (TepServerCore *core,
                                const StunExtAddress *source,
                                const guint8 *data,
                                gsize length,
                                guint8 *answer,
                                gsize capacity);

/* Packets from the core network to devices. */
void tep_server_core_deliver (TepServerCore *core, const TepServerPacket *packets, gsize n);

/* A binding that lease() left pending is usable now, or will never be; then it is released. */
void tep_server_core_leased (TepServerCore *core, TepServerBinding *binding, gboolean is_usable);

/* Sends the packets collected so far, before the buffers they lie in are used again. */
void tep_server_core_flush_packets (TepServerCore *core);

/* The end of a round: packets go to the media side, output to the connections, and what is over is
 * freed. */
void tep_server_core_flush (TepServerCore *core);

/* Handing over: the old worker's half gives all there is, the new worker's half takes it and reads
 * on. */
typedef struct {
  TepServerConnection *connection;
  GBytes *unread;     /* octets of the innermost layer */
  GBytes *unread_tls; /* octets that TLS has not seen; NULL without TLS */
} TepServerHandover;
void tep_server_core_release_connection (TepServerCore *core,
                                         TepServerConnection *connection,
                                         TepServerHandover *handover);
void tep_server_core_adopt (TepServerCore *core, TepServerHandover *handover);
/* For a handover to detection: what is of use there; the connection itself is gone, and so are its accounts. */
typedef struct {
  StunExtAddress source;
  guint8 layers; /* StunExtFrontDoorLayers */
  TepServerTls *tls;
  GBytes *unread;
  GBytes *unread_tls;
} TepServerHandoverContents;
void tep_server_handover_open (TepServerHandover *handover,
                               TepServerShared *shared,
                               TepServerHandoverContents *contents);
/* For a handover that nobody can take any more; the descriptor is the caller's. */
void tep_server_handover_discard (TepServerHandover *handover, TepServerShared *shared);

/* The host's own data of a connection, such as its descriptor. */
void tep_server_connection_set_host_data (TepServerConnection *connection, gintptr data);
gintptr tep_server_connection_get_host_data (const TepServerConnection *connection);

/* New rules, from a reload; sessions stay. */
void tep_server_core_reconfigure (TepServerCore *core, const TepServerSettings *settings);

/* No new tunnels; those there are told, and closed at the deadline. */
void tep_server_core_drain (TepServerCore *core, gint64 deadline_us);

/* Which worker owns a leased address, where that is another one. */
void tep_server_core_set_owner (TepServerCore *core,
                                const StunExtAddress *leased,
                                gboolean is_pair,
                                guint worker,
                                gboolean is_new);

void tep_server_core_set_pinhole (TepServerCore *core,
                                  const StunExtAddress *leased,
                                  const StunExtAddress *remote,
                                  gboolean is_open);

/* What is no tunnel is handed over to TEP_SERVER_TO_DETECT from now on. */
#define TEP_SERVER_TO_DETECT 255
void tep_server_core_set_detecting (TepServerCore *core);
gboolean tep_server_core_is_detecting (const TepServerCore *core);

void tep_server_core_set_recording (TepServerCore *core, gboolean is_recording);

gsize tep_server_core_n_tunnels (const TepServerCore *core);
gsize tep_server_core_n_connections (const TepServerCore *core);

/* Adds to a number; and reads them all, from any thread. */
void tep_server_core_count (TepServerCore *core, TepServerCounter counter, gint64 n);
void tep_server_core_add_counters (const TepServerCore *core, TepServerCounters *sum);

G_END_DECLS
