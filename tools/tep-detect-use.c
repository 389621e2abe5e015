/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What to do with a method that works: the command that uses it, to be copied. */
#include "tools/tep-detect.h"

#include <string.h>

/* %s: the server with its port. */
static const struct {
  const char *name; /* without "-proxy" */
  const char *use;
} uses[] = {
  { "direct-udp", "nothing is needed: UDP passes" },
  { "turn-udp", "in the client: turn:%s?transport=udp" },
  { "turn-tcp", "in the client: turn:%s?transport=tcp" },
  { "turn-tls", "turn-connect helper --listen 127.0.0.1:3478 --server 'turns:%s?transport=tcp'" },
  { "tep-80", "tep-c --server %s --credentials FILE" },
  { "tep-443", "tep-c --server %s --credentials FILE" },
  { "tep-tls", "tep-c --server %s --tls --credentials FILE" },
  { "sip-tls", "turn-connect forward --listen 127.0.0.1:5060 --to %s" },
};

char *
tep_detect_describe_use (const TurnConnectObservations *observations,
                         const TurnConnectMethod *method)
{
  const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, method->probe);
  const char *server = turn_connect_probe_get_fact (probe, "server");
  gsize length =
      strlen (method->name) - (g_str_has_suffix (method->name, "-proxy") ? strlen ("-proxy") : 0);

  for (gsize i = 0; i < G_N_ELEMENTS (uses); i++) {
    const char *place = strstr (uses[i].use, "%s");
    GString *line;

    if (strlen (uses[i].name) != length || strncmp (uses[i].name, method->name, length) != 0 ||
        (place != NULL && server == NULL))
      continue;
    line = g_string_new (uses[i].use);
    if (place != NULL)
      g_string_replace (line, "%s", server, 1);
    if (probe->via != NULL)
      g_string_append_printf (line, " --proxy %s", probe->via);
    return g_string_free (line, FALSE);
  }
  return NULL;
}
