/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ways that there are to a TEP-S, from what the user configured. Internal to the library. */
#pragma once

#include "tep-c/options.h"

G_BEGIN_DECLS

#define TEP_CLIENT_DIRECT_METHOD "direct-udp" /* as detection calls it */

typedef struct {
  char *name;                /* of the method, as tep-detect calls it */
  TepClientOptions *options; /* NULL: UDP without a tunnel */
} TepClientWay;

/* Returns: (transfer full) (element-type TepClientWay): first UDP without a tunnel, then the tunnel as it
 * is configured, then those by other ports and with TLS. Where TLS is configured all have TLS, and where
 * a proxy is named all go through it. */
GPtrArray *tep_client_ways_new (const TepClientOptions *options);

/* Returns: %TRUE if tunnels may go through a proxy */
gboolean tep_client_ways_are_proxied (const TepClientOptions *options);

/* Returns: the place of a method among them; -1: it is not there */
gint tep_client_ways_find (const GPtrArray *ways, const char *name);

G_END_DECLS
