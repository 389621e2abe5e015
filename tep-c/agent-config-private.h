/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What agent-config.c, agent-secret.c and agent-file.c know of each other. */
#pragma once

#include "tep-c/agent.h"

G_BEGIN_DECLS

/* Sets an error and returns FALSE. */
gboolean tep_client_agent_config_fail (GError **error, const char *format, ...)
    G_GNUC_PRINTF (2, 3);

G_END_DECLS
