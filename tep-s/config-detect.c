/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The group [detect]: where tep-detect finds its far end, and how much of it there is for one source. */
#include <string.h>

#include "tep-s/config-private.h"

#define GROUP "detect"

static const guint16 default_stun_ports[] = { 3478, 3479 };

static gboolean
read_list (const TepServerConfigFile *file, const char *key, char ***items, GError **error)
{
  g_autoptr (GError) cause = NULL;

  *items = tep_server_config_file_list (file, GROUP, key, &cause);
  if (cause == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&cause));
  return FALSE;
}

static gboolean
read_switch (const TepServerConfigFile *file, const char *key, gboolean *value, GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autofree char *text = tep_server_config_file_text (file, GROUP, key, &cause);

  if (cause != NULL) {
    g_propagate_error (error, g_steal_pointer (&cause));
    return FALSE;
  }
  if (text == NULL)
    return TRUE;
  *value = strcmp (text, "true") == 0;
  return *value || strcmp (text, "false") == 0 ||
         tep_server_config_file_fail (file, GROUP, key, error,
                                      "\"%.60s\" will not do; write true or false", text);
}

static guint
count_family (const StunExtAddress *addresses, guint n, guint8 family)
{
  guint found = 0;

  for (guint i = 0; i < n; i++)
    found += addresses[i].family == family;
  return found;
}

static gboolean
is_unspecified (const StunExtAddress *address)
{
  static const guint8 zeros[16];

  return memcmp (address->octets, zeros, sizeof zeros) == 0;
}

static gboolean
read_addresses (const TepServerConfigFile *file,
                const char *key,
                StunExtAddress *addresses,
                guint *n_addresses,
                GError **error)
{
  g_auto (GStrv) items = NULL;
  guint n = 0;

  if (!read_list (file, key, &items, error))
    return FALSE;
  for (; items != NULL && items[n] != NULL; n++) {
    StunExtAddress *address = &addresses[n];

    if (n == 2 * TEP_SERVER_DETECT_ADDRESSES || !stun_ext_address_parse (items[n], address) ||
        address->port != 0 || is_unspecified (address) ||
        count_family (addresses, n, address->family) == TEP_SERVER_DETECT_ADDRESSES)
      return tep_server_config_file_fail (file, GROUP, key, error,
                                          "\"%.80s\" will not do; write one or two addresses of "
                                          "each family without a port, such as "
                                          "192.0.2.1;192.0.2.2",
                                          items[n]);
    for (guint i = 0; i < n; i++)
      if (stun_ext_address_equal_host (&addresses[i], address))
        return tep_server_config_file_fail (file, GROUP, key, error, "\"%.80s\" stands there twice",
                                            items[n]);
  }
  *n_addresses = n;
  return TRUE;
}

static gboolean
read_public (TepServerDetectConfig *detect, const TepServerConfigFile *file, GError **error)
{
  guint n;

  if (!read_addresses (file, "public-addresses", detect->public_addresses, &n, error))
    return FALSE;
  if (n == 0) {
    memcpy (detect->public_addresses, detect->addresses, sizeof detect->addresses);
    return TRUE;
  }
  for (guint i = 0; i < MAX (n, detect->n_addresses); i++)
    if (n != detect->n_addresses ||
        detect->addresses[i].family != detect->public_addresses[i].family)
      return tep_server_config_file_fail (file, GROUP, "public-addresses", error,
                                          "has to have an address for each of addresses, in the "
                                          "same order");
  return TRUE;
}

static gboolean
read_ports (TepServerDetectConfig *detect,
            const TepServerConfigFile *file,
            const char *key,
            GError **error)
{
  g_auto (GStrv) items = NULL;

  if (!read_list (file, key, &items, error))
    return FALSE;
  for (guint i = 0; items != NULL && items[i] != NULL; i++) {
    guint64 port;

    if (!g_ascii_string_to_unsigned (items[i], 10, 1, G_MAXUINT16, &port, NULL))
      return tep_server_config_file_fail (file, GROUP, key, error,
                                          "\"%.60s\" will not do; write ports, such as 5060;5061",
                                          items[i]);
    for (guint j = 0; j < detect->n_ports; j++)
      if (detect->ports[j] == port)
        return tep_server_config_file_fail (file, GROUP, key, error, "\"%.60s\" stands there twice",
                                            items[i]);
    if (detect->n_ports == TEP_SERVER_DETECT_PORTS)
      return tep_server_config_file_fail (file, GROUP, key, error, "%d ports are the limit",
                                          TEP_SERVER_DETECT_PORTS);
    detect->ports[detect->n_ports++] = (guint16)port;
  }
  return TRUE;
}

static gboolean
read_all_ports (TepServerDetectConfig *detect, const TepServerConfigFile *file, GError **error)
{
  if (!read_ports (detect, file, "stun-ports", error))
    return FALSE;
  if (detect->n_ports == 0) {
    memcpy (detect->ports, default_stun_ports, sizeof default_stun_ports);
    detect->n_ports = G_N_ELEMENTS (default_stun_ports);
  }
  if (detect->n_ports != 2)
    return tep_server_config_file_fail (file, GROUP, "stun-ports", error,
                                        "has to be two ports, such as 3478;3479");
  return read_ports (detect, file, "ports", error);
}

/* Two sockets cannot have one address and port, nor one the port that the other has on all addresses. */
static gboolean
check_front_door (const TepServerConfig *config, const TepServerConfigFile *file, GError **error)
{
  const TepServerDetectConfig *detect = &config->detect;

  for (guint i = 0; !detect->is_at_front_door && i < config->n_listeners; i++) {
    const StunExtAddress *door = &config->listeners[i].address;

    for (guint j = 0; j < detect->n_addresses; j++)
      for (guint k = 0; k < detect->n_ports; k++)
        if (door->port == detect->ports[k] && door->family == detect->addresses[j].family &&
            (is_unspecified (door) || stun_ext_address_equal_host (door, &detect->addresses[j])))
          return tep_server_config_file_fail (file, GROUP, "ports", error,
                                              "port %u is the front door's there; write "
                                              "front-door=true, or let [server] listen name "
                                              "addresses that are not among addresses",
                                              detect->ports[k]);
  }
  return TRUE;
}

gboolean
tep_server_config_read_detect (TepServerConfigBuild *build,
                               const TepServerConfigFile *file,
                               GError **error)
{
  TepServerDetectConfig *detect = &build->config.detect;

  detect->is_on = g_key_file_has_group (file->keys, GROUP);
  if (!detect->is_on)
    return TRUE;
  detect->is_at_front_door = TRUE;
  detect->is_plain_answered = TRUE;
  if (!read_switch (file, "front-door", &detect->is_at_front_door, error) ||
      !read_switch (file, "plain", &detect->is_plain_answered, error) ||
      !read_addresses (file, "addresses", detect->addresses, &detect->n_addresses, error) ||
      !read_public (detect, file, error) || !read_all_ports (detect, file, error) ||
      !check_front_door (&build->config, file, error))
    return FALSE;
  if (detect->n_addresses == 0 && !detect->is_at_front_door)
    return tep_server_config_file_fail (file, GROUP, "addresses", error,
                                        "is missing, and the front door is not to answer: nothing "
                                        "would; write addresses=192.0.2.1;192.0.2.2");
  return TRUE;
}
