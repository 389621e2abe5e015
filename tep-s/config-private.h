/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A configuration while it is built. Internal to the library. */
#pragma once

#include <stdatomic.h>

#include "tep-s/config-file-private.h"
#include "tep-s/config.h"
#include "tep-s/secret-file-private.h"

G_BEGIN_DECLS

/**
 * TepServerConfigBuild:
 * @config: what others see; first, so that a pointer to it is one to this
 * @references: how many hold it
 * @owned: (element-type utf8): what the fields of @config point to
 * @origin: (nullable): the configuration this one is a changed copy of, which owns the rest
 * @token: what the field metrics_token points to
 */
typedef struct {
  TepServerConfig config;
  atomic_int references;
  GPtrArray *owned;
  TepServerConfig *origin;
  TepServerSecret token;
} TepServerConfigBuild;

/* Keeps memory as long as the configuration lives. */
gpointer tep_server_config_own (TepServerConfigBuild *build, gpointer memory);

/* Refuses groups and keys that nobody knows, and sets every field that one key alone decides. */
gboolean tep_server_config_read_values (TepServerConfigBuild *build,
                                        const TepServerConfigFile *file,
                                        GError **error);

/* Listeners, names and every other list of addresses. */
gboolean tep_server_config_read_addresses (TepServerConfigBuild *build,
                                           const TepServerConfigFile *file,
                                           GError **error);

/* The group [detect]. */
gboolean tep_server_config_read_detect (TepServerConfigBuild *build,
                                        const TepServerConfigFile *file,
                                        GError **error);

/* Addresses that are this server's own, for the policy; free with g_array_unref(). */
GArray *tep_server_config_own_ranges (const TepServerConfigBuild *build,
                                      const TepServerConfigFile *file,
                                      GError **error);

/* "FIRST-LAST" of @key; the ports stay untouched if the key is not there. */
gboolean tep_server_config_read_ports (const TepServerConfigFile *file,
                                       const char *group,
                                       const char *key,
                                       guint16 *first,
                                       guint16 *last,
                                       GError **error);

G_END_DECLS
