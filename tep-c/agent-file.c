/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The configuration file: every key with the place that its value goes to. What is misspelt is
 * refused, for a person who wrote it expects it to act. */
#include "tep-c/agent-config-private.h"

#include <string.h>

typedef enum {
  TEXT,
  PATH, /* relative to the folder of the file */
  NUMBER,
  FLAG,
  TEXTS,
  CALL, /* of a function */
  CALL_PATH,
} Type;

typedef gboolean (*Setter) (TepClientAgentConfig *config, const char *value, GError **error);

typedef struct {
  const char *group;
  const char *key;
  Type type;
  gsize
      offset; /* in TepClientOptions, or, for [tun], [capture] and [path], in TepClientAgentConfig */
  guint least, most;
  Setter set;
} Key;

static gboolean
set_host (TepClientAgentConfig *config, const char *value, GError **error)
{
  StunExtAddress address;

  if (strchr (value, ':') != NULL &&
      (!stun_ext_address_parse (value, &address) || address.port != 0))
    return tep_client_agent_config_fail (
        error, "“%s” is no host: write a name or an address; the port has a key of its own", value);
  return tep_client_agent_config_set_server (config, value, error);
}

static gboolean
set_port (TepClientAgentConfig *config, const char *value, GError **error)
{
  guint64 number;

  if (!g_ascii_string_to_unsigned (value, 10, 1, G_MAXUINT16, &number, NULL))
    return tep_client_agent_config_fail (error, "“%s” is no port: write a number from 1 to 65535",
                                         value);
  config->options->port = (guint16)number;
  return TRUE;
}

#define OPTION(field) .offset = G_STRUCT_OFFSET (TepClientOptions, field)
#define CONFIG(field) .offset = G_STRUCT_OFFSET (TepClientAgentConfig, field)

static const Key keys[] = {
  { "server", "host", CALL, .set = set_host },
  { "server", "port", CALL, .set = set_port },
  { "server", "tls", FLAG, OPTION (is_tls) },
  { "server", "ca-file", PATH, OPTION (ca_file) },
  { "server", "pin-sha256", TEXT, OPTION (pin_sha256) },
  { "server", "name", TEXT, OPTION (server_name) },
  { "server", "channel-binding", FLAG, OPTION (binds_channel) },
  { "server", "attempt-timeout-s", NUMBER, OPTION (attempt_timeout_s), 1, 60 },
  { "server", "give-up-after-s", NUMBER, OPTION (gives_up_after_s), 0, 86400 },
  { "proxy", "url", TEXT, OPTION (proxy) },
  { "proxy", "headers", TEXTS, OPTION (connect_headers) },
  { "proxy", "alpn-header", FLAG, OPTION (sends_alpn_header) },
  { "proxy", "credentials-file", CALL_PATH, .set = tep_client_agent_config_load_proxy_credentials },
  { "credentials", "file", CALL_PATH, .set = tep_client_agent_config_load_credentials },
  { "credentials", "mechanism", CALL, .set = tep_client_agent_config_set_mechanism },
  { "tun", "prefixes", TEXTS, CONFIG (tun_prefixes) },
  { "tun", "name", TEXT, CONFIG (tun_name) },
  { "tun", "address4", TEXT, CONFIG (tun_address4) },
  { "tun", "address6", TEXT, CONFIG (tun_address6) },
  { "capture", "pcap-file", PATH, CONFIG (pcap_file) },
  { "path", "auto", FLAG, CONFIG (is_auto) },
  { "path", "direct-port", NUMBER, CONFIG (direct_port), 0, G_MAXUINT16 },
  { "path", "memory-file", PATH, CONFIG (ways_file) },
};

static char *
path_of (const char *config_path, const char *value)
{
  g_autofree char *folder = g_path_get_dirname (config_path);

  return g_path_is_absolute (value) ? g_strdup (value) : g_build_filename (folder, value, NULL);
}

static gboolean
take_texts (GKeyFile *file, const Key *key, char ***place, GError **error)
{
  g_auto (GStrv) texts = g_key_file_get_string_list (file, key->group, key->key, NULL, error);

  if (texts == NULL)
    return FALSE;
  for (guint i = 0; texts[i] != NULL; i++) {
    if (*g_strstrip (texts[i]) == '\0')
      return tep_client_agent_config_fail (error, "item %u of the list is empty; leave it out",
                                           i + 1);
  }
  g_strfreev (*place);
  *place = g_steal_pointer (&texts);
  return TRUE;
}

static gboolean
take_number (const Key *key, const char *value, guint *place, GError **error)
{
  guint64 number;

  if (!g_ascii_string_to_unsigned (value, 10, key->least, key->most, &number, NULL))
    return tep_client_agent_config_fail (
        error, "“%s” is out of range: write a number from %u to %u", value, key->least, key->most);
  *place = (guint)number;
  return TRUE;
}

static gboolean
take_flag (const char *value, gboolean *place, GError **error)
{
  if (!g_str_equal (value, "true") && !g_str_equal (value, "false"))
    return tep_client_agent_config_fail (error, "“%s” is neither yes nor no: write true or false",
                                         value);
  *place = g_str_equal (value, "true");
  return TRUE;
}

static gboolean
take_value (
    TepClientAgentConfig *config, GKeyFile *file, const char *path, const Key *key, GError **error)
{
  gboolean is_config = g_str_equal (key->group, "tun") || g_str_equal (key->group, "capture") ||
                       g_str_equal (key->group, "path");
  gpointer place = (guint8 *)(is_config ? (gpointer)config : config->options) + key->offset;
  g_autofree char *value = g_key_file_get_string (file, key->group, key->key, error);
  g_autofree char *named = NULL;

  if (value == NULL)
    return FALSE;
  if (*g_strstrip (value) == '\0')
    return tep_client_agent_config_fail (error, "is empty; write a value, or leave the line out");
  named = path_of (path, value);
  switch (key->type) {
  case TEXTS:
    return take_texts (file, key, place, error);
  case NUMBER:
    return take_number (key, value, place, error);
  case FLAG:
    return take_flag (value, place, error);
  case CALL:
    return key->set (config, value, error);
  case CALL_PATH:
    return key->set (config, named, error);
  default:
    g_free (*(char **)place);
    *(char **)place = key->type == PATH ? g_steal_pointer (&named) : g_steal_pointer (&value);
    return TRUE;
  }
}

static gboolean
fail_unknown (const char *path, const char *group, const char *key, GError **error)
{
  g_set_error (error, G_KEY_FILE_ERROR,
               key != NULL ? G_KEY_FILE_ERROR_KEY_NOT_FOUND : G_KEY_FILE_ERROR_GROUP_NOT_FOUND,
               "%s: [%s]%s%s: unknown %s; tep-c.conf(5) lists those there are", path, group,
               key != NULL ? " " : "", key != NULL ? key : "", key != NULL ? "key" : "group");
  return FALSE;
}

/* [flow NAME]; the name is for people. */
static gboolean
take_flow (TepClientAgentConfig *config,
           GKeyFile *file,
           const char *path,
           const char *group,
           GError **error)
{
  g_auto (GStrv) names = g_key_file_get_keys (file, group, NULL, NULL);
  g_autofree char *local = g_key_file_get_string (file, group, "local-port", NULL);
  g_autofree char *remote = g_key_file_get_string (file, group, "remote", NULL);
  g_autofree char *text = NULL;

  for (guint i = 0; names != NULL && names[i] != NULL; i++) {
    if (!g_str_equal (names[i], "local-port") && !g_str_equal (names[i], "remote"))
      return fail_unknown (path, group, names[i], error);
  }
  if (local == NULL || remote == NULL)
    return tep_client_agent_config_fail (error, "%s: [%s] %s: is missing; write %s", path, group,
                                         local == NULL ? "local-port" : "remote",
                                         local == NULL ? "a port such as 40000"
                                                       : "ADDRESS:PORT such as 192.0.2.10:30000");
  text = g_strconcat (local, "=", remote, NULL);
  if (tep_client_agent_config_add_flow (config, text, error))
    return TRUE;
  g_prefix_error (error, "%s: [%s] local-port and remote: ", path, group);
  return FALSE;
}

static gboolean
has_group (const char *group)
{
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++) {
    if (g_str_equal (keys[i].group, group))
      return TRUE;
  }
  return FALSE;
}

static const Key *
find_key (const char *group, const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++) {
    if (g_str_equal (keys[i].group, group) && g_str_equal (keys[i].key, name))
      return &keys[i];
  }
  return NULL;
}

static gboolean
take_group (TepClientAgentConfig *config,
            GKeyFile *file,
            const char *path,
            const char *group,
            GError **error)
{
  g_auto (GStrv) names = NULL;

  if (g_str_has_prefix (group, "flow "))
    return take_flow (config, file, path, group, error);
  if (!has_group (group))
    return fail_unknown (path, group, NULL, error);
  names = g_key_file_get_keys (file, group, NULL, NULL);
  for (guint i = 0; names != NULL && names[i] != NULL; i++) {
    const Key *key = find_key (group, names[i]);

    if (key == NULL)
      return fail_unknown (path, group, names[i], error);
    if (!take_value (config, file, path, key, error)) {
      g_prefix_error (error, "%s: [%s] %s: ", path, group, names[i]);
      return FALSE;
    }
  }
  return TRUE;
}

/* GKeyFile sets its error twice where such a value has another bad escape too. */
static gboolean
ends_in_backslash (const char *text)
{
  gsize n = 0;

  for (gsize length = strlen (text); n < length && text[length - 1 - n] == '\\';)
    n++;
  return n % 2 == 1;
}

/* GKeyFile takes the last of two lines with one key in silence. */
static gboolean
check_lines (const char *text, const char *path, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  const char *group = "";

  for (guint i = 0; lines[i] != NULL; i++) {
    char *line = g_strstrip (lines[i]);
    char *equals = strchr (line, '=');

    if (ends_in_backslash (line))
      return tep_client_agent_config_fail (
          error, "%s: line %u ends in a backslash; write two for one", path, i + 1);
    if (*line == '[') {
      group = line;
      equals = NULL;
    } else if (*line == '\0' || *line == '#' || equals == NULL) {
      continue;
    } else {
      *equals = '\0';
      g_strchomp (line);
    }
    if (!g_hash_table_add (seen, g_strconcat (group, " ", line, NULL)))
      return tep_client_agent_config_fail (
          error, "%s: line %u: %s%s%s stands there twice; remove one of them", path, i + 1, group,
          equals != NULL ? " " : "", equals != NULL ? line : "");
  }
  return TRUE;
}

gboolean
tep_client_agent_config_load (TepClientAgentConfig *config, const char *path, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GError) cause = NULL;
  g_autofree char *text = NULL;
  g_auto (GStrv) groups = NULL;
  gsize length;

  if (!g_file_get_contents (path, &text, &length, error))
    return FALSE; /* the message names the file */
  if (strlen (text) != length || !g_utf8_validate (text, (gssize)length, NULL))
    return tep_client_agent_config_fail (error, "%s: is no text in UTF-8; was another file meant?",
                                         path);
  if (!check_lines (text, path, error))
    return FALSE;
  if (!g_key_file_load_from_data (file, text, length, G_KEY_FILE_NONE, &cause))
    return tep_client_agent_config_fail (error, "%s: %s", path, cause->message);
  groups = g_key_file_get_groups (file, NULL);
  for (guint i = 0; groups[i] != NULL; i++) {
    if (!take_group (config, file, path, groups[i], error))
      return FALSE;
  }
  return TRUE;
}
