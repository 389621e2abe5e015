/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Giving up what root may and tep-c does not need. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* For root, once everything is open: becomes nobody, and keeps nothing but, for a TUN device, CAP_NET_ADMIN, which the
 * programs that it runs have too. For others it does nothing. FALSE: some of it failed. */
gboolean privileges_reduce (gboolean has_device, GError **error);

G_END_DECLS
