/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What files of secrets say goes into the configuration; a bad file is the configuration's fault. */
#include "tep-c/agent-config-private.h"

#include "turn-connect/secret-file.h"

static gboolean
load (const char *path, gboolean is_time_limited, char **user, char **password, GError **error)
{
  g_autoptr (GError) cause = NULL;

  if (turn_connect_secret_file_load (path, is_time_limited, user, password, &cause))
    return TRUE;
  return tep_client_agent_config_fail (error, "%s", cause->message);
}

gboolean
tep_client_agent_config_load_credentials (TepClientAgentConfig *config,
                                          const char *path,
                                          GError **error)
{
  TepClientOptions *options = config->options;

  return load (path, TRUE, &options->user, &options->password, error);
}

gboolean
tep_client_agent_config_load_proxy_credentials (TepClientAgentConfig *config,
                                                const char *path,
                                                GError **error)
{
  TepClientOptions *options = config->options;

  return load (path, FALSE, &options->proxy_user, &options->proxy_password, error);
}
