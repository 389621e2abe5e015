/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The addresses of a configuration: where the server listens, what it is called, what it lends out,
 * and so what is its own and denied to every device. */
#include <string.h>

#include "tep-s/config-private.h"
#include "tep-s/own-private.h"

#define MAX_LISTENERS 64
#define NAME_MAX_LENGTH 255 /* PROTOCOL.md section 5 */

static gboolean
has_port (const char *text)
{
  const char *colon = strrchr (text, ':');

  return colon != NULL && (text[0] == '[' ? colon[-1] == ']' : strchr (text, ':') == colon);
}

static gboolean
read_listeners (GArray *listeners,
                const TepServerConfigFile *file,
                const char *key,
                gboolean has_udp,
                GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_auto (GStrv) items = tep_server_config_file_list (file, "server", key, &cause);

  if (cause != NULL) {
    g_propagate_error (error, g_steal_pointer (&cause));
    return FALSE;
  }
  for (guint i = 0; items != NULL && items[i] != NULL; i++) {
    TepServerListener listener = { .has_udp = has_udp,
                                   .keeps_syn = g_key_file_has_group (file->keys, "detect") };

    if (!has_port (items[i]) || !stun_ext_address_parse (items[i], &listener.address))
      return tep_server_config_file_fail (file, "server", key, error,
                                          "\"%.80s\" will not do; write ADDRESS:PORT, such as "
                                          "0.0.0.0:443 or [::]:443",
                                          items[i]);
    for (guint j = 0; j < listeners->len; j++)
      if (listener.address.port != 0 &&
          stun_ext_address_equal (&g_array_index (listeners, TepServerListener, j).address,
                                  &listener.address))
        return tep_server_config_file_fail (file, "server", key, error,
                                            "\"%.80s\" stands there twice", items[i]);
    g_array_append_val (listeners, listener);
  }
  return TRUE;
}

/* Moves the elements of an array into memory of the configuration. */
static gpointer
keep_array (TepServerConfigBuild *build, GArray *array, guint *n)
{
  *n = array->len;
  return tep_server_config_own (build, g_array_free (array, FALSE));
}

static gboolean
read_all_listeners (TepServerConfigBuild *build, const TepServerConfigFile *file, GError **error)
{
  g_autoptr (GArray) listeners = g_array_new (FALSE, TRUE, sizeof (TepServerListener));

  if (!read_listeners (listeners, file, "listen", TRUE, error) ||
      !read_listeners (listeners, file, "listen-tcp-only", FALSE, error))
    return FALSE;
  if (listeners->len == 0)
    return tep_server_config_file_fail (
        file, "server", "listen", error,
        "is missing; write for instance listen=0.0.0.0:443;[::]:443");
  if (listeners->len > MAX_LISTENERS)
    return tep_server_config_file_fail (file, "server", "listen", error,
                                        "has %u addresses; 64 are the limit", listeners->len);
  build->config.listeners =
      keep_array (build, g_steal_pointer (&listeners), &build->config.n_listeners);
  return TRUE;
}

static gboolean
is_name (const char *name)
{
  gsize length = strlen (name);

  if (length == 0 || length > NAME_MAX_LENGTH)
    return FALSE;
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isalnum (name[i]) && strchr ("-._:", name[i]) == NULL)
      return FALSE;
  return TRUE;
}

static void
add_name (GPtrArray *names, const char *name)
{
  g_autofree char *lower = g_ascii_strdown (name, -1);

  if (!g_ptr_array_find_with_equal_func (names, lower, g_str_equal, NULL))
    g_ptr_array_add (names, g_steal_pointer (&lower));
}

/* Every address under which a listener can be reached. */
static GArray *
listener_addresses (const TepServerListener *listener)
{
  GArray *addresses = g_array_new (FALSE, TRUE, sizeof (StunExtAddress));
  g_autoptr (GArray) prefixes = g_array_new (FALSE, TRUE, sizeof (TepServerOwnPrefix));
  TepServerOwnRange own = { .address = listener->address, .first_port = 1, .last_port = 1 };

  tep_server_own_expand (prefixes, &own);
  for (guint i = 0; i < prefixes->len; i++) {
    const StunExtPrefix *prefix = &g_array_index (prefixes, TepServerOwnPrefix, i).prefix;
    StunExtAddress address;

    stun_ext_address_init (&address, prefix->family, prefix->octets, listener->address.port);
    if (prefix->family == 4 ? prefix->length == 32 : prefix->length == 128)
      g_array_append_val (addresses, address);
  }
  return addresses;
}

static void
add_default_names (GPtrArray *names, const TepServerConfig *config)
{
  for (guint i = 0; i < config->n_listeners; i++) {
    g_autoptr (GArray) addresses = listener_addresses (&config->listeners[i]);

    for (guint j = 0; j < addresses->len; j++) {
      char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

      add_name (names,
                stun_ext_address_print_host (&g_array_index (addresses, StunExtAddress, j), text));
    }
  }
}

static gboolean
read_names (TepServerConfigBuild *build, const TepServerConfigFile *file, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) cause = NULL;
  g_auto (GStrv) items = tep_server_config_file_list (file, "server", "names", &cause);

  if (cause != NULL) {
    g_propagate_error (error, g_steal_pointer (&cause));
    return FALSE;
  }
  for (guint i = 0; items != NULL && items[i] != NULL; i++) {
    if (!is_name (items[i]))
      return tep_server_config_file_fail (file, "server", "names", error,
                                          "\"%.80s\" is no host name or address without port; an "
                                          "IPv6 address stands without brackets",
                                          items[i]);
    add_name (names, items[i]);
  }
  if (items == NULL)
    add_default_names (names, &build->config);
  for (guint i = 0; i < names->len; i++)
    tep_server_config_own (build, g_ptr_array_index (names, i));
  g_ptr_array_set_free_func (names, NULL);
  g_ptr_array_add (names, NULL);
  build->config.names =
      tep_server_config_own (build, g_ptr_array_free (g_steal_pointer (&names), FALSE));
  return TRUE;
}

static gboolean
read_list (GArray *addresses,
           const TepServerConfigFile *file,
           const char *group,
           const char *key,
           gboolean wants_port,
           GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_auto (GStrv) items = tep_server_config_file_list (file, group, key, &cause);

  if (cause != NULL) {
    g_propagate_error (error, g_steal_pointer (&cause));
    return FALSE;
  }
  for (guint i = 0; items != NULL && items[i] != NULL; i++) {
    StunExtAddress address;

    if (!stun_ext_address_parse (items[i], &address) || wants_port != (address.port != 0))
      return tep_server_config_file_fail (
          file, group, key, error, "\"%.80s\" will not do; write an address %s", items[i],
          wants_port ? "with a port, such as 192.0.2.1:3478" : "without a port, such as 192.0.2.1");
    g_array_append_val (addresses, address);
  }
  return TRUE;
}

static gboolean
read_alternate (TepServerConfigBuild *build, const TepServerConfigFile *file, GError **error)
{
  g_autoptr (GArray) addresses = g_array_new (FALSE, TRUE, sizeof (StunExtAddress));
  TepServerConfig *config = &build->config;

  if (!read_list (addresses, file, "server", "alternate", TRUE, error))
    return FALSE;
  if (addresses->len > 1)
    return tep_server_config_file_fail (file, "server", "alternate", error,
                                        "has %u addresses; a client is told one", addresses->len);
  if (addresses->len == 1)
    config->alternate = g_array_index (addresses, StunExtAddress, 0);
  if (config->alternate_name == NULL)
    return TRUE;
  if (addresses->len == 0)
    return tep_server_config_file_fail (file, "server", "alternate-name", error,
                                        "is of no use without alternate=ADDRESS:PORT");
  if (!is_name (config->alternate_name))
    return tep_server_config_file_fail (file, "server", "alternate-name", error,
                                        "\"%.80s\" is no host name or address without port",
                                        config->alternate_name);
  return TRUE;
}

static void
add_default_stun (GArray *addresses, const TepServerConfig *config)
{
  for (guint i = 0; i < config->n_listeners; i++) {
    g_autoptr (GArray) reachable = listener_addresses (&config->listeners[i]);

    if (config->listeners[i].address.port != 0)
      g_array_append_vals (addresses, reachable->data, reachable->len);
    for (guint j = 0; config->names[j] != NULL; j++) {
      StunExtAddress address;

      if (!stun_ext_address_parse (config->names[j], &address) || address.port != 0 ||
          config->listeners[i].address.port == 0)
        continue;
      address.port = config->listeners[i].address.port;
      g_array_append_val (addresses, address);
    }
  }
}

static gint
compare_addresses (gconstpointer a, gconstpointer b)
{
  return memcmp (a, b, sizeof (StunExtAddress));
}

static void
drop_doubles (GArray *addresses)
{
  g_array_sort (addresses, compare_addresses);
  for (guint i = addresses->len; i > 1; i--)
    if (stun_ext_address_equal (&g_array_index (addresses, StunExtAddress, i - 1),
                                &g_array_index (addresses, StunExtAddress, i - 2)))
      g_array_remove_index (addresses, i - 1);
}

static gboolean
parse_port (const char *text, guint16 *port)
{
  guint64 number;

  if (!g_ascii_string_to_unsigned (text, 10, 1, G_MAXUINT16, &number, NULL))
    return FALSE;
  *port = (guint16)number;
  return TRUE;
}

gboolean
tep_server_config_read_ports (const TepServerConfigFile *file,
                              const char *group,
                              const char *key,
                              guint16 *first,
                              guint16 *last,
                              GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autofree char *text = tep_server_config_file_text (file, group, key, &cause);
  g_auto (GStrv) parts = NULL;

  if (cause != NULL) {
    g_propagate_error (error, g_steal_pointer (&cause));
    return FALSE;
  }
  if (text == NULL)
    return TRUE;
  parts = g_strsplit (text, "-", 2);
  if (g_strv_length (parts) != 2 || !parse_port (parts[0], first) || !parse_port (parts[1], last) ||
      *first > *last)
    return tep_server_config_file_fail (
        file, group, key, error, "\"%.60s\" will not do; write FIRST-LAST, 1 to 65535", text);
  return TRUE;
}

static gboolean
read_relay (TepServerConfigBuild *build, const TepServerConfigFile *file, GError **error)
{
  g_autoptr (GArray) addresses = g_array_new (FALSE, TRUE, sizeof (StunExtAddress));
  TepServerMediaConfig *media = &build->config.media;

  media->first_relay_port = 49152;
  media->last_relay_port = 65535;
  if (!read_list (addresses, file, "media", "relay-addresses", FALSE, error) ||
      !tep_server_config_read_ports (file, "media", "relay-ports", &media->first_relay_port,
                                     &media->last_relay_port, error))
    return FALSE;
  if (media->first_relay_port % 2 != 0 || media->last_relay_port % 2 != 1)
    return tep_server_config_file_fail (file, "media", "relay-ports", error,
                                        "has to start with an even port and end with an odd one");
  if (media->kind == TEP_SERVER_MEDIA_RELAY && addresses->len == 0)
    return tep_server_config_file_fail (file, "media", "relay-addresses", error,
                                        "is missing; write the addresses of this host that the "
                                        "media gateways reach");
  media->relay_addresses =
      keep_array (build, g_steal_pointer (&addresses), &media->n_relay_addresses);
  return TRUE;
}

gboolean
tep_server_config_read_addresses (TepServerConfigBuild *build,
                                  const TepServerConfigFile *file,
                                  GError **error)
{
  g_autoptr (GArray) stun = g_array_new (FALSE, TRUE, sizeof (StunExtAddress));

  if (!read_all_listeners (build, file, error) || !read_names (build, file, error) ||
      !read_relay (build, file, error) || !read_alternate (build, file, error) ||
      !read_list (stun, file, "media", "stun-addresses", TRUE, error))
    return FALSE;
  if (stun->len == 0)
    add_default_stun (stun, &build->config);
  drop_doubles (stun);
  build->config.media.stun_addresses =
      keep_array (build, g_steal_pointer (&stun), &build->config.media.n_stun_addresses);
  return TRUE;
}

static void
add_range (GArray *ranges, const StunExtAddress *address, guint16 first, guint16 last)
{
  TepServerOwnRange range = { .address = *address, .first_port = first, .last_port = last };

  g_array_append_val (ranges, range);
}

GArray *
tep_server_config_own_ranges (const TepServerConfigBuild *build,
                              const TepServerConfigFile *file,
                              GError **error)
{
  const TepServerConfig *config = &build->config;
  const TepServerMediaConfig *media = &config->media;
  g_autoptr (GArray) ranges = g_array_new (FALSE, TRUE, sizeof (TepServerOwnRange));
  g_autoptr (GError) cause = NULL;
  g_auto (GStrv) items = tep_server_config_file_list (file, "policy", "own", &cause);
  StunExtAddress address;

  if (cause != NULL) {
    g_propagate_error (error, g_steal_pointer (&cause));
    return NULL;
  }
  for (guint i = 0; i < config->n_listeners; i++) {
    guint16 port = config->listeners[i].address.port;

    if (port == 0)
      continue;
    add_range (ranges, &config->listeners[i].address, port, port);
    for (guint j = 0; config->names[j] != NULL; j++)
      if (stun_ext_address_parse (config->names[j], &address) && address.port == 0)
        add_range (ranges, &address, port, port);
  }
  if (!media->is_client_to_client_allowed)
    for (guint i = 0; i < media->n_relay_addresses; i++)
      add_range (ranges, &media->relay_addresses[i], media->first_relay_port,
                 media->last_relay_port);
  if (config->metrics != NULL && stun_ext_address_parse (config->metrics, &address))
    add_range (ranges, &address, address.port, address.port);
  for (guint i = 0; i < config->detect.n_addresses; i++)
    for (guint j = 0; j < config->detect.n_ports; j++) {
      guint16 port = config->detect.ports[j];

      add_range (ranges, &config->detect.addresses[i], port, port);
      add_range (ranges, &config->detect.public_addresses[i], port, port);
    }
  for (guint i = 0; items != NULL && items[i] != NULL; i++) {
    if (!stun_ext_address_parse (items[i], &address)) {
      tep_server_config_file_fail (file, "policy", "own", error,
                                   "\"%.80s\" will not do; write ADDRESS or ADDRESS:PORT",
                                   items[i]);
      return NULL;
    }
    add_range (ranges, &address, address.port, address.port);
  }
  return g_steal_pointer (&ranges);
}
