/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tells when the device's addresses, links or routes change. Internal to the library. */
#pragma once

#include "stun-ext/address.h"

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _TepClientNetworkWatch TepClientNetworkWatch;

/* changed: called in the thread-default main context of this call, once for changes that come
 * together. Returns NULL where the kernel does not tell. */
TepClientNetworkWatch *tep_client_network_watch_new (void (*changed) (gpointer user_data),
                                                     gpointer user_data);
void tep_client_network_watch_free (TepClientNetworkWatch *watch);

/* Whether an interface of this host has the address; its port does not matter. */
gboolean tep_client_network_has_address (const StunExtAddress *address);

G_END_DECLS
