/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asking a running daemon how it is. */
#pragma once

#include "tep-s/config.h"
#include "tools/cli.h"

G_BEGIN_DECLS

/**
 * status_print:
 * @config: where the daemon serves its metrics
 * @is_json: for scripts
 *
 * Returns: how to end: %CLI_EXIT_UNAVAILABLE if no daemon answers
 */
CliExit status_print (const TepServerConfig *config, gboolean is_json);

G_END_DECLS
