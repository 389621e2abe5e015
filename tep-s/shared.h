/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The little that workers share: accounts behind mutexes, asked when a tunnel or binding begins or
 * ends and never for a packet; secrets of this run of the server; and the settings in force. */
#pragma once

#include <stdatomic.h>

#include "tep-s/config.h"
#include "tep-s/lease.h"
#include "tep-s/quota.h"
#include "tep-s/replay.h"
#include "tep-s/throttle.h"
#include "tep-s/tls.h"

G_BEGIN_DECLS

#define TEP_SERVER_SECRET_LENGTH 32

/* Waits until the machine can give random octets. */
void tep_server_random (gpointer unused, void *octets, gsize length);

/* The configuration in force with what was made of it. Replaced whole by a reload. */
typedef struct {
  const TepServerConfig *config;
  TepServerPolicy *policy;  /* also knows the listeners' real ports */
  TepServerTlsContext *tls; /* nullable */
} TepServerSettings;

/* What the configuration names is read; the settings are the caller's, to clear, if it could be. */
gboolean tep_server_settings_open (TepServerSettings *settings,
                                   const TepServerConfig *config,
                                   GError **error);
/* Takes references to everything, and gives them back. */
void tep_server_settings_copy (TepServerSettings *to, const TepServerSettings *from);
void tep_server_settings_clear (TepServerSettings *settings);

typedef struct {
  TepServerReplay *replay;
  TepServerLeases *leases;
  TepServerThrottle *throttle;
  TepServerQuota *user_tunnels;
  TepServerQuota *source_tunnels;
  TepServerQuota *source_connections;
  TepServerQuota *source_unauthenticated;
  atomic_uint connections;
  atomic_uint unauthenticated;
  atomic_uint tunnels;
  guint8 tunnel_secret[TEP_SERVER_SECRET_LENGTH];
  guint8 nonce_secret[TEP_SERVER_SECRET_LENGTH];
  guint64 seed;
} TepServerShared;

/* random: fills a buffer with octets nobody can guess. */
TepServerShared *tep_server_shared_new (const TepServerConfig *config,
                                        void (*random) (gpointer data, void *octets, gsize length),
                                        gpointer data,
                                        gint64 now_ms);
void tep_server_shared_free (TepServerShared *shared);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TepServerShared, tep_server_shared_free)

/* atomic_fetch_add that refuses to pass a limit; 0 is no limit. */
gboolean tep_server_shared_take (atomic_uint *number, guint limit);

G_END_DECLS
