/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The life of the daemon after its start: signals, reload, drain, watchdog, what it tells. */
#pragma once

#include "tep-s/server.h"
#include "tools/tep-s-privileges.h"

G_BEGIN_DECLS

/**
 * DaemonOptions:
 * @config_file: the configuration file
 * @record_file: (nullable): pcap file that takes the place of the configured one
 */
typedef struct {
  const char *config_file;
  const char *record_file;
} DaemonOptions;

/**
 * daemon_load_config:
 * @options: what the command line says
 * @error: return location
 *
 * Loads the file and refuses what only an embedding program can do.
 *
 * Returns: (transfer full): the configuration; %NULL with %TEP_SERVER_ERROR_CONFIG
 */
TepServerConfig *daemon_load_config (const DaemonOptions *options, GError **error);

/**
 * daemon_run:
 * @options: what the command line says
 * @config: the configuration, loaded from it
 * @user: whom to become
 *
 * Opens everything, gives up all rights, serves until it is told to end, and closes everything.
 *
 * Returns: exit status, a #CliExit
 */
int daemon_run (const DaemonOptions *options,
                const TepServerConfig *config,
                const PrivilegesUser *user);

G_END_DECLS
