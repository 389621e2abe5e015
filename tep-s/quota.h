/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/address.h"
#include "tep-s/version.h"

G_BEGIN_DECLS

/**
 * TepServerQuota:
 *
 * Counts what is alive per key (tunnels of a user, connections of a source), over all workers,
 * under one mutex (requirement 34). A key without anything alive takes no room. Take when something
 * begins, give back when its last descriptor is closed, and never twice.
 */
typedef struct _TepServerQuota TepServerQuota;

/**
 * tep_server_quota_new:
 *
 * Returns: (transfer full): an empty account
 */
TEP_SERVER_API TepServerQuota *tep_server_quota_new (void);

/**
 * tep_server_quota_free:
 * @quota: (transfer full): the account, no longer in use by any thread
 */
TEP_SERVER_API void tep_server_quota_free (TepServerQuota *quota);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TepServerQuota, tep_server_quota_free)

/**
 * tep_server_quota_source_key:
 * @source: an address
 *
 * Returns: the key of its source: the IPv4 address, or the /64 of an IPv6 one
 */
TEP_SERVER_API guint64 tep_server_quota_source_key (const StunExtAddress *source);

/**
 * tep_server_quota_take:
 * @quota: the account
 * @key: whose
 * @limit: how many may be alive
 *
 * Any thread.
 *
 * Returns: %FALSE if @limit are alive already; nothing was taken then
 */
TEP_SERVER_API gboolean tep_server_quota_take (TepServerQuota *quota, guint64 key, guint limit);

/**
 * tep_server_quota_give:
 * @quota: the account
 * @key: whose
 *
 * Any thread.
 */
TEP_SERVER_API void tep_server_quota_give (TepServerQuota *quota, guint64 key);

/**
 * tep_server_quota_count:
 * @quota: the account
 * @key: whose
 *
 * Returns: how many are alive
 */
TEP_SERVER_API guint tep_server_quota_count (TepServerQuota *quota, guint64 key);

/**
 * tep_server_quota_total:
 * @quota: the account
 *
 * Returns: how many are alive in all
 */
TEP_SERVER_API guint64 tep_server_quota_total (TepServerQuota *quota);

G_END_DECLS
