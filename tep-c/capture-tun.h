/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Local media by a TUN device: programs that know nothing of the tunnel send UDP to the core's
 * prefixes, and what they send from one local port gets one lease. Only UDP goes there, so the
 * tunnel's own TCP never loops. Needs CAP_NET_ADMIN. Internal to the library. */
#pragma once

#include "stun-ext/address.h"
#include "tep-c/session.h"

G_BEGIN_DECLS

typedef struct _TepClientTun TepClientTun;

#define TEP_CLIENT_TUN_NAME "tepc0"
#define TEP_CLIENT_TUN_ADDRESS4 "192.0.0.4" /* RFC 7335: for this end of a tunnel, everywhere */
#define TEP_CLIENT_TUN_ADDRESS6 "fd74:6570:2d63::1"

/**
 * TepClientTunOptions:
 * @name: (nullable): name of the device; %TEP_CLIENT_TUN_NAME if NULL
 * @address4: (nullable): the device's own IPv4 address; %TEP_CLIENT_TUN_ADDRESS4 if NULL
 * @address6: (nullable): its IPv6 address; %TEP_CLIENT_TUN_ADDRESS6 if NULL
 * @prefixes: (array zero-terminated=1): where UDP goes through the tunnel, as "192.0.2.0/24"
 */
typedef struct {
  const char *name;
  const char *address4;
  const char *address6;
  const char *const *prefixes;
} TepClientTunOptions;

/* One local port: its lease, or why there is none. */
typedef void (*TepClientTunEvent) (TepClientTun *tun,
                                   const StunExtAddress *local,
                                   const StunExtAddress *leased,
                                   const GError *error,
                                   gpointer user_data);

TepClientTun *tep_client_tun_new (TepClientSession *session,
                                  const TepClientTunOptions *options,
                                  TepClientTunEvent event,
                                  gpointer user_data,
                                  GError **error);
/* Removes device, routes and rules. */
void tep_client_tun_free (TepClientTun *tun);
/* The largest inner packet became known: the device's MTU follows it. */
void tep_client_tun_set_mtu (TepClientTun *tun, guint mtu);
/* Returns: (nullable): the local address and port that a binding stands for */
const StunExtAddress *tep_client_tun_find_local (TepClientTun *tun,
                                                 const TepClientBinding *binding);

/**
 * TepClientTunFlowFunc:
 * @local: a program's address and port
 * @leased: (nullable): what the far side sees
 * @remote: the far side
 * @quality: so far; zeros for what goes in whole packets
 */
typedef void (*TepClientTunFlowFunc) (const StunExtAddress *local,
                                      const StunExtAddress *leased,
                                      const StunExtAddress *remote,
                                      const TepClientFlowQuality *quality,
                                      gpointer user_data);
void tep_client_tun_foreach_flow (TepClientTun *tun, TepClientTunFlowFunc func, gpointer user_data);

G_END_DECLS
