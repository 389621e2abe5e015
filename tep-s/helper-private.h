/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the two sides of the helper's sockets agree on, and the steps of the child. */
#pragma once

#include "tep-s/helper.h"

G_BEGIN_DECLS

typedef enum {
  TEP_SERVER_HELPER_OP_DIVERT = 1,
  TEP_SERVER_HELPER_OP_UNDIVERT = 2,
} TepServerHelperOp;

/* A request and its answer, the same fixed 28 octets; error is an errno and 0 in requests. */
typedef struct {
  guint32 op;
  gint32 error;
  StunExtAddress address;
} TepServerHelperMessage;

G_STATIC_ASSERT (sizeof (TepServerHelperMessage) == 28);

/* Where the start stands; each worker gets one such message, with its descriptors. */
typedef enum {
  TEP_SERVER_HELPER_STAGE_READY,
  TEP_SERVER_HELPER_STAGE_PROCESS,
  TEP_SERVER_HELPER_STAGE_NEEDS,
  TEP_SERVER_HELPER_STAGE_NETLINK,
  TEP_SERVER_HELPER_STAGE_FILTER,
  TEP_SERVER_HELPER_STAGE_DEVICE,
  TEP_SERVER_HELPER_STAGE_OFFLOAD,
  TEP_SERVER_HELPER_STAGE_LINK,
  TEP_SERVER_HELPER_STAGE_ROUTE,
  TEP_SERVER_HELPER_STAGE_RULE,
  TEP_SERVER_HELPER_STAGE_RAW,
  TEP_SERVER_HELPER_STAGE_RIGHTS,
} TepServerHelperStage;

typedef struct {
  guint32 stage;
  gint32 error;
  gint32 pid;
} TepServerHelperReady;

/* Everything the child holds. channels[0] is the server's control thread, the others its workers'.
 */
typedef struct {
  TepServerHelperPlan plan;
  int channels[TEP_SERVER_HELPER_MAX + 1];
  int queues[TEP_SERVER_HELPER_MAX];
  int route;  /* rtnetlink */
  int filter; /* nfnetlink; owns the nftables table */
  int device_index;
  gboolean has_ipv6;
  gboolean made_link;
  gboolean made_rules;
  GHashTable *leases; /* StunExtAddress -> how many times */
} TepServerHelperChild;

/* helper-process.c: the child's life; does not return. */
void tep_server_helper_run (TepServerHelperChild *child) G_GNUC_NORETURN;

/* helper-device.c: descriptors and devices. 0 or an errno. */
int tep_server_helper_open_queues (TepServerHelperChild *child);
int tep_server_helper_open_raw (guint8 family, int *fd);
int tep_server_helper_switch_offloads_off (const char *device);

/* helper-route.c: rtnetlink. 0 or an errno. */
int tep_server_helper_route_open (TepServerHelperChild *child);
int tep_server_helper_make_link (TepServerHelperChild *child);
int tep_server_helper_set_up_link (TepServerHelperChild *child);
int tep_server_helper_add_rules (TepServerHelperChild *child);
int tep_server_helper_add_routes (TepServerHelperChild *child);
void tep_server_helper_remove_routing (TepServerHelperChild *child);

/* helper-filter.c: nftables. 0 or an errno. */
int tep_server_helper_filter_open (TepServerHelperChild *child);
int tep_server_helper_filter_set_up (TepServerHelperChild *child);
int tep_server_helper_change_element (TepServerHelperChild *child,
                                      const StunExtAddress *address,
                                      gboolean is_added);
void tep_server_helper_filter_remove (TepServerHelperChild *child);

G_END_DECLS
