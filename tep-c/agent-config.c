/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the agent is told, by options or by a file, and whether it goes together. */
#include "tep-c/agent-config-private.h"

#include <string.h>

#include "tep-c/capture-tun.h"
#include "tep-c/session-private.h"

static void
clear_flow (gpointer data)
{
  g_free (((TepClientAgentFlow *)data)->host);
}

TepClientAgentConfig *
tep_client_agent_config_new (void)
{
  TepClientAgentConfig *config = g_new0 (TepClientAgentConfig, 1);

  config->options = tep_client_options_new ();
  config->options->stays = TRUE;
  config->direct_port = TEP_CLIENT_CHOICE_DIRECT_PORT;
  config->flows = g_array_new (FALSE, TRUE, sizeof (TepClientAgentFlow));
  g_array_set_clear_func (config->flows, clear_flow);
  return config;
}

void
tep_client_agent_config_free (TepClientAgentConfig *config)
{
  if (config == NULL)
    return;
  tep_client_options_free (config->options);
  g_array_unref (config->flows);
  g_strfreev (config->tun_prefixes);
  g_free (config->tun_name);
  g_free (config->tun_address4);
  g_free (config->tun_address6);
  g_free (config->pcap_file);
  g_free (config->ways_file);
  g_free (config);
}

gboolean
tep_client_agent_config_fail (GError **error, const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list arguments;

  va_start (arguments, format);
  message = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error_literal (error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE, message);
  return FALSE;
}

/* Single values */

/* A name is letters, digits, hyphens and dots; what looks like a number was meant as an address. */
static gboolean
is_host_name (const char *text)
{
  gsize length = strlen (text);

  return length > 0 && length <= 253 && g_ascii_isalnum (text[0]) &&
         strspn (text, "0123456789.") < length &&
         strspn (text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") ==
             length;
}

/* Parts NAME:PORT. */
static gboolean
parse_named (const char *text, char **host, guint16 *port)
{
  const char *colon = strrchr (text, ':');
  g_autofree char *name = colon != NULL ? g_strndup (text, colon - text) : NULL;
  guint64 number;

  if (name == NULL || !is_host_name (name) ||
      !g_ascii_string_to_unsigned (colon + 1, 10, 1, G_MAXUINT16, &number, NULL))
    return FALSE;
  *host = g_steal_pointer (&name);
  *port = (guint16)number;
  return TRUE;
}

gboolean
tep_client_agent_config_add_flow (TepClientAgentConfig *config, const char *text, GError **error)
{
  const char *equals = strchr (text, '=');
  g_autofree char *port_text = equals != NULL ? g_strndup (text, equals - text) : NULL;
  TepClientAgentFlow flow = { 0 };
  guint64 port;

  if (equals == NULL || !g_ascii_string_to_unsigned (port_text, 10, 0, G_MAXUINT16, &port, NULL) ||
      (!(stun_ext_address_parse (equals + 1, &flow.remote) && flow.remote.port != 0) &&
       !parse_named (equals + 1, &flow.host, &flow.remote.port)))
    return tep_client_agent_config_fail (
        error,
        "“%s” is no flow: write LOCALPORT=ADDRESS:PORT, such as 40000=192.0.2.10:30000 "
        "or 40000=[2001:db8::10]:30000",
        text);
  flow.local_port = (guint16)port;
  g_array_append_val (config->flows, flow);
  return TRUE;
}

gboolean
tep_client_agent_config_set_server (TepClientAgentConfig *config, const char *text, GError **error)
{
  TepClientOptions *options = config->options;
  g_autofree char *host = NULL;
  StunExtAddress address;
  guint16 port = options->port;

  if (stun_ext_address_parse (text, &address)) {
    char buffer[STUN_EXT_ADDRESS_TEXT_LENGTH];

    host = g_strdup (stun_ext_address_print_host (&address, buffer));
    port = address.port != 0 ? address.port : port;
  } else if (is_host_name (text)) {
    host = g_strdup (text);
  } else if (!parse_named (text, &host, &port)) {
    return tep_client_agent_config_fail (
        error,
        "“%s” is no server: write HOST:PORT, such as tep.example.net:443 or [2001:db8::1]:443",
        text);
  }
  g_free (options->host);
  options->host = g_steal_pointer (&host);
  options->port = port;
  return TRUE;
}

gboolean
tep_client_agent_config_set_mechanism (TepClientAgentConfig *config,
                                       const char *name,
                                       GError **error)
{
  if (g_str_equal (name, "short-term"))
    config->options->mechanism = TEP_CLIENT_MECHANISM_SHORT_TERM;
  else if (g_str_equal (name, "long-term"))
    config->options->mechanism = TEP_CLIENT_MECHANISM_LONG_TERM;
  else
    return tep_client_agent_config_fail (
        error, "“%s” is no mechanism: write long-term or short-term", name);
  return TRUE;
}

/* Everything together */

static gboolean
check_flows (const TepClientAgentConfig *config, GError **error)
{
  for (guint i = 0; i < config->flows->len; i++) {
    const TepClientAgentFlow *flow = &g_array_index (config->flows, TepClientAgentFlow, i);

    if (flow->host != NULL && config->options->proxy != NULL &&
        !g_str_equal (config->options->proxy, "none"))
      return tep_client_agent_config_fail (
          error,
          "flow %u=%s:%u: behind a proxy names cannot be looked up here; write the address of %s",
          flow->local_port, flow->host, flow->remote.port, flow->host);
    for (guint j = 0; j < i && flow->local_port != 0; j++) {
      if (g_array_index (config->flows, TepClientAgentFlow, j).local_port == flow->local_port)
        return tep_client_agent_config_fail (
            error, "two flows have the local port %u; give each its own, or 0 for any",
            flow->local_port);
    }
  }
  return TRUE;
}

static gboolean
check_device_address (const char *text, guint family, GError **error)
{
  StunExtAddress address;

  if (text == NULL || (stun_ext_address_parse (text, &address) && address.family == family &&
                       address.port == 0 && strchr (text, '[') == NULL))
    return TRUE;
  return tep_client_agent_config_fail (
      error, "the TUN device's address “%s” is no IPv%u address: write one such as %s", text,
      family, family == 4 ? TEP_CLIENT_TUN_ADDRESS4 : TEP_CLIENT_TUN_ADDRESS6);
}

/* As the kernel has it: fewer than 16 octets, no slash, no space. */
static gboolean
is_device_name (const char *name)
{
  gsize length = strlen (name);

  return length > 0 && length < 16 && !g_str_equal (name, ".") && !g_str_equal (name, "..") &&
         strcspn (name, "/: \t%") == length && g_str_is_ascii (name);
}

static gboolean
check_tun (const TepClientAgentConfig *config, GError **error)
{
  for (guint i = 0; config->tun_prefixes != NULL && config->tun_prefixes[i] != NULL; i++) {
    StunExtPrefix prefix;

    if (!stun_ext_prefix_parse (config->tun_prefixes[i], &prefix, error)) {
      g_prefix_error (error, "TUN prefix: ");
      return FALSE;
    }
  }
  if (config->tun_name != NULL && !is_device_name (config->tun_name))
    return tep_client_agent_config_fail (
        error, "“%s” is no name for a device: write up to 15 letters and digits, such as %s",
        config->tun_name, TEP_CLIENT_TUN_NAME);
  return check_device_address (config->tun_address4, 4, error) &&
         check_device_address (config->tun_address6, 6, error);
}

gboolean
tep_client_agent_config_check (const TepClientAgentConfig *config, GError **error)
{
  g_autoptr (TurnConnectTarget) target = NULL;

  if (config->flows->len == 0 && (config->tun_prefixes == NULL || config->tun_prefixes[0] == NULL))
    return tep_client_agent_config_fail (
        error, "nothing to carry: give a flow LOCALPORT=ADDRESS:PORT, or a TUN prefix");
  if (config->is_auto && config->tun_prefixes != NULL && config->tun_prefixes[0] != NULL)
    return tep_client_agent_config_fail (
        error, "a TUN device takes in what it carries before a path is chosen: "
               "choose automatically for flows LOCALPORT=ADDRESS:PORT, or leave it out");
  if (!check_flows (config, error) || !check_tun (config, error) ||
      !tep_client_options_check (config->options, error))
    return FALSE;
  target = tep_client_session_make_target (config->options, error);
  return target != NULL;
}

/* Nothing is dialled here: it is where the far end of a flow is, which the tunnel leads to. */
gboolean
tep_client_agent_config_resolve (TepClientAgentConfig *config, GError **error)
{
  g_autoptr (GResolver) resolver = g_resolver_get_default ();

  for (guint i = 0; i < config->flows->len; i++) {
    TepClientAgentFlow *flow = &g_array_index (config->flows, TepClientAgentFlow, i);
    GInetAddress *found;
    GList *all;

    if (flow->host == NULL)
      continue;
    all = g_resolver_lookup_by_name (resolver, flow->host, NULL, error);
    if (all == NULL) {
      g_prefix_error (error, "flow %u: ", flow->local_port);
      return FALSE;
    }
    found = all->data;
    stun_ext_address_init (&flow->remote,
                           g_inet_address_get_family (found) == G_SOCKET_FAMILY_IPV6 ? 6 : 4,
                           g_inet_address_to_bytes (found), flow->remote.port);
    g_resolver_free_addresses (all);
    g_clear_pointer (&flow->host, g_free);
  }
  return TRUE;
}
