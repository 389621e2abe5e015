/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The proxy configuration file that the network's DHCP server names in option 252, as the machine's
 * DHCP client keeps it under @root ("/"); of @interface alone unless it is NULL; @now: seconds since
 * 1970, for a lease that is over says nothing of this network. NULL: none, or no http:// or https://
 * URL. Blocks for as long as small files take; bounded. */
char *turn_connect_lease_find_pac (const char *root, const char *interface, gint64 now);

/* What a file of systemd-networkd says, and one of dhclient. NULL: nothing. */
char *turn_connect_lease_read_networkd (const char *text);
char *turn_connect_lease_read_dhclient (const char *text, const char *interface, gint64 now);
