/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/address.h"
#include "tep-s/version.h"

G_BEGIN_DECLS

typedef struct _TepServerConfig TepServerConfig;
typedef struct _TepServerWorker TepServerWorker;
typedef struct _TepServerMedia TepServerMedia;

typedef struct _TepServerBinding TepServerBinding;

/**
 * TepServerPacket:
 * @binding: (nullable): device to core: the lease it comes from; not read in packets from the core
 * @source: where the packet comes from
 * @destination: where it goes
 * @payload: (array length=length): the UDP payload
 * @length: octets in @payload, may be 0
 * @dscp: 0-63, to be set on the packet (device to core)
 *
 * One UDP packet of a flow, without its headers. Everything it points to is borrowed and dies when
 * the function that received it returns.
 */
typedef struct {
  TepServerBinding *binding;
  const StunExtAddress *source;
  const StunExtAddress *destination;
  const guint8 *payload;
  gsize length;
  guint8 dscp;
} TepServerPacket;

/**
 * TepServerBinding:
 * @address: the leased address and port; of a pair the even port
 * @is_relayed: whether the address is one of the server's own
 * @is_even: whether the device asked for an even port
 * @is_pair: whether the port above belongs to the binding too
 * @is_pending: not usable yet: lease() may set it, and tep_server_worker_leased() ends it; the client
 * is answered only then
 * @media_data: for the backend, one for each port
 *
 * A lease, as the media side sees it. The same pointer is given to lease() and release().
 */
struct _TepServerBinding {
  StunExtAddress address;
  gboolean is_relayed;
  gboolean is_even;
  gboolean is_pair;
  gboolean is_pending;
  gpointer media_data[2];
};

/**
 * TepServerMediaOps:
 * @name: as the configuration names it
 * @is_relayed: whether bindings get addresses that the backend itself provides
 * @open: control thread, before the worker's thread starts: set up what one worker needs. %NULL
 * with @error set ends the start of the server
 * @close: control thread, after the worker's thread ended and every binding was released
 * @lease: worker thread: a binding starts. A relayed binding comes with the family wanted and the
 * port wanted or 0, and the backend sets its address; any other comes with the address decided,
 * which the backend does not change. It must not block: what takes longer leaves the binding
 * pending. %FALSE with @error set: the client is told 508
 * @release: worker thread: the binding is over; its pointer dies when this returns
 * @send: worker thread: packets from devices to the core, at the end of a round of reading; returns
 * how many could not be sent
 * @readable: worker thread: a watched descriptor is ready; @tag is what it was watched with
 *
 * A media side of the server. The worker calls, and the backend calls back with
 * tep_server_worker_deliver() for packets from the core to devices. What open() returns belongs to
 * one worker, so nothing here needs a lock.
 */
typedef struct {
  const char *name;
  gboolean is_relayed;
  TepServerMedia *(*open) (TepServerWorker *worker, const TepServerConfig *config, GError **error);
  void (*close) (TepServerMedia *media);
  gboolean (*lease) (TepServerMedia *media, TepServerBinding *binding, GError **error);
  void (*release) (TepServerMedia *media, TepServerBinding *binding);
  gsize (*send) (TepServerMedia *media, const TepServerPacket *packets, gsize n);
  void (*readable) (TepServerMedia *media, int fd, gpointer tag, gint64 now_us);
} TepServerMediaOps;

G_END_DECLS
