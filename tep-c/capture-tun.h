/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Local media by a TUN device: programs that know nothing of the tunnel send UDP to the core's
 * prefixes, and what they send from one local port gets one lease. Only UDP goes there, so the
 * tunnel's own TCP never loops. Needs CAP_NET_ADMIN. Internal to the library. */
#pragma once

#include "stun-ext/address.h"
#include "tep-c/session.h"

G_BEGIN_DECLS

typedef struct _TepClientTun TepClientTun;

/**
 * TepClientTunOptions:
 * @name: (nullable): name of the device; "tepc0" if NULL
 * @address4: (nullable): the device's own IPv4 address; 192.0.0.4 (RFC 7335) if NULL
 * @address6: (nullable): its IPv6 address; fd74:6570:2d63::1 if NULL
 * @prefixes: (array zero-terminated=1): where UDP goes through the tunnel, as "192.0.2.0/24"
 * @table: number of the routing table to use, 1 to 2^31; 7430 if 0
 */
typedef struct {
  const char *name;
  const char *address4;
  const char *address6;
  const char *const *prefixes;
  guint table;
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

G_END_DECLS
