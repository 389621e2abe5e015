/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The helper process of the backends "tun" and "pcap": it makes what they need of the host's
 * network, and undoes it when the server is gone, however it went. Internal to the library. */
#pragma once

#include <glib.h>

#include "stun-ext/address.h"
#include "tep-s/config.h"

G_BEGIN_DECLS

/* Most workers a helper serves. */
#define TEP_SERVER_HELPER_MAX 256

/*
 * What the helper is told, once, before it exists; afterwards nobody can name it another device,
 * table or set.
 * is_capture: a veth pair for captures and raw sockets, instead of a TUN device
 * device: name of the device that diverted packets are routed to
 * far_end: of a veth pair, the end where they end
 * table: the routing table that leads to the device
 * mark: the packet mark that means "to the device"
 * filter_table: the nftables table of family inet
 * mtu: octets of the largest packet the device takes
 * n_workers: 1 to TEP_SERVER_HELPER_MAX
 * most_leases: addresses with ports diverted at the same time
 */
typedef struct {
  gboolean is_capture;
  char device[16];
  char far_end[16];
  guint32 table;
  guint32 mark;
  char filter_table[32];
  guint16 mtu;
  guint n_workers;
  guint most_leases;
} TepServerHelperPlan;

/* The plan for a configuration with the backend tun or pcap. */
void tep_server_helper_plan_init (TepServerHelperPlan *plan,
                                  const TepServerConfig *config,
                                  guint n_workers);

typedef struct _TepServerHelper TepServerHelper;

/* Forks the helper, which sets up everything of the plan and then gives up all rights but
 * CAP_NET_ADMIN. Blocks until it is ready. The calling process needs CAP_NET_ADMIN, and CAP_NET_RAW
 * for captures, which it may drop afterwards. Any number of threads may run: the child makes system
 * calls and allocates with malloc only. NULL with TEP_SERVER_ERROR_MEDIA: what failed and why. */
TepServerHelper *tep_server_helper_start (const TepServerHelperPlan *plan, GError **error);

/* Ends the helper and waits, at most 5 s, until it has undone everything. All descriptors of it are
 * closed; those of workers must have been closed before. */
void tep_server_helper_stop (TepServerHelper *helper);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TepServerHelper, tep_server_helper_stop)

const TepServerHelperPlan *tep_server_helper_plan (const TepServerHelper *helper);

pid_t tep_server_helper_pid (const TepServerHelper *helper);

/*
 * One worker's share, taken by its thread's owner before that thread starts; each can be taken once
 * and is then closed with tep_server_helper_share_clear() by whoever took it.
 * channel: requests to the helper and its answers; nonblocking, watch it for reading
 * queue: the worker's queue of the TUN device, or -1
 * raw4, raw6: sockets for whole IP packets, or -1
 */
typedef struct {
  int channel;
  int queue;
  int raw4;
  int raw6;
} TepServerHelperShare;

gboolean tep_server_helper_take_share (TepServerHelper *helper,
                                       guint worker,
                                       TepServerHelperShare *share,
                                       GError **error);
void tep_server_helper_share_clear (TepServerHelperShare *share);

/* Asks for packets to exactly this address and port to be diverted to the device, or no longer.
 * Does not block; the answer arrives on the channel. Asked for n times it lasts until it was taken
 * back n times. FALSE: the helper is gone, or does not keep up. */
gboolean tep_server_helper_divert (const TepServerHelperShare *share,
                                   const StunExtAddress *address);
gboolean tep_server_helper_undivert (const TepServerHelperShare *share,
                                     const StunExtAddress *address);

/*
 * TEP_SERVER_HELPER_NOTHING: no answer is waiting
 * TEP_SERVER_HELPER_DONE: what was asked for address is done
 * TEP_SERVER_HELPER_REFUSED: it is not; errno_out says why
 * TEP_SERVER_HELPER_GONE: the helper has ended; unwatch the channel. What it set up stays
 */
typedef enum {
  TEP_SERVER_HELPER_NOTHING,
  TEP_SERVER_HELPER_DONE,
  TEP_SERVER_HELPER_REFUSED,
  TEP_SERVER_HELPER_GONE,
} TepServerHelperAnswer;

/* Reads one answer; answers come in the order of the requests. is_divert: to divert(). */
TepServerHelperAnswer tep_server_helper_answer (const TepServerHelperShare *share,
                                                StunExtAddress *address,
                                                gboolean *is_divert,
                                                int *errno_out);

G_END_DECLS
