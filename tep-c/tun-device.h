/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The TUN device itself, its addresses, routes and rules. Internal to the library. */
#pragma once

#include "tep-c/capture-tun.h"

G_BEGIN_DECLS

typedef struct {
  int descriptor;
  char *name;
  guint table;
  GPtrArray
      *undo; /* (element-type GStrv): `ip` commands that take away what was added, last first */
} TepClientTunDevice;

gboolean tep_client_tun_device_open (TepClientTunDevice *device,
                                     const TepClientTunOptions *options,
                                     GError **error);
void tep_client_tun_device_close (TepClientTunDevice *device);
gboolean tep_client_tun_device_set_mtu (TepClientTunDevice *device, guint mtu);

G_END_DECLS
