/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the agent is told: from a file, from options, secrets only from files that nobody else can read. */
#include "tep-c/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_FILE_MAX 4096

TepClientAgentConfig *
tep_client_agent_config_new (void)
{
  TepClientAgentConfig *config = g_new0 (TepClientAgentConfig, 1);

  config->options = tep_client_options_new ();
  config->options->stays = TRUE;
  config->flows = g_array_new (FALSE, TRUE, sizeof (TepClientAgentFlow));
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
  g_free (config);
}

static gboolean invalid (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

static gboolean
invalid (GError **error, const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list arguments;

  va_start (arguments, format);
  message = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error_literal (error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE, message);
  return FALSE;
}

gboolean
tep_client_agent_config_add_flow (TepClientAgentConfig *config, const char *text, GError **error)
{
  const char *equals = strchr (text, '=');
  g_autofree char *port_text = equals != NULL ? g_strndup (text, equals - text) : NULL;
  TepClientAgentFlow flow = { 0 };
  guint64 port;

  if (equals == NULL || !g_ascii_string_to_unsigned (port_text, 10, 0, 65535, &port, NULL) ||
      !stun_ext_address_parse (equals + 1, &flow.remote) || flow.remote.port == 0)
    return invalid (error,
                    "“%s” is no flow: write LOCALPORT=ADDRESS:PORT, such as 40000=192.0.2.10:30000 "
                    "or 40000=[2001:db8::10]:30000",
                    text);
  flow.local_port = port;
  g_array_append_val (config->flows, flow);
  return TRUE;
}

static gboolean
read_secret_file (const char *path, char **text, GError **error)
{
  int descriptor = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  char buffer[SECRET_FILE_MAX + 1];
  struct stat about;
  gssize length;

  if (descriptor < 0)
    return invalid (error, "%s: %s", path, g_strerror (errno));
  if (fstat (descriptor, &about) == 0 && (about.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    close (descriptor);
    return invalid (error, "%s: others can read this file of secrets; run: chmod 600 %s", path,
                    path);
  }
  length = read (descriptor, buffer, SECRET_FILE_MAX);
  close (descriptor);
  if (length < 0)
    return invalid (error, "%s: %s", path, g_strerror (errno));
  buffer[length] = '\0';
  *text = g_strdup (g_strchomp (buffer));
  explicit_bzero (buffer, sizeof buffer);
  return TRUE;
}

/* A time-limited user name has a colon of its own (PROTOCOL section 7.1), so the last colon divides. */
gboolean
tep_client_agent_config_load_credentials (TepClientAgentConfig *config,
                                          const char *path,
                                          GError **error)
{
  g_autofree char *text = NULL;
  char *colon;

  if (!read_secret_file (path, &text, error))
    return FALSE;
  colon = strchr (text, ':');
  if (colon != NULL && strspn (text, "0123456789") == (gsize)(colon - text) &&
      strchr (colon + 1, ':') != NULL)
    colon = strchr (colon + 1, ':');
  if (colon == NULL || colon == text || colon[1] == '\0' || strchr (text, '\n') != NULL) {
    explicit_bzero (text, strlen (text));
    return invalid (error, "%s: write one line, user:password", path);
  }
  g_free (config->options->user);
  config->options->user = g_strndup (text, colon - text);
  g_free (config->options->password);
  config->options->password = g_strdup (colon + 1);
  explicit_bzero (text, strlen (text));
  return TRUE;
}

gboolean
tep_client_agent_config_load_proxy_credentials (TepClientAgentConfig *config,
                                                const char *path,
                                                GError **error)
{
  TepClientOptions *options = config->options;
  g_autofree char *text = NULL;
  char *colon;

  if (!read_secret_file (path, &text, error))
    return FALSE;
  colon = strchr (text, ':');
  if (colon == NULL)
    return invalid (error, "%s: write one line, user:password", path);
  g_free (options->proxy_user);
  options->proxy_user = g_strndup (text, colon - text);
  g_free (options->proxy_password);
  options->proxy_password = g_strdup (colon + 1);
  explicit_bzero (text, strlen (text));
  return TRUE;
}

/* Keys of the file, each with the place its value goes to. */

typedef enum {
  TEXT,
  NUMBER,
  FLAG,
  TEXTS,
  CALL
} Type;

typedef struct {
  const char *group;
  const char *key;
  Type type;
  gsize offset; /* in TepClientOptions, or, for [tun] and [capture], in TepClientAgentConfig */
  guint least, most;
} Key;

#define OPTION(field) G_STRUCT_OFFSET (TepClientOptions, field)
#define CONFIG(field) G_STRUCT_OFFSET (TepClientAgentConfig, field)

static const Key keys[] = {
  { "server", "host", TEXT, OPTION (host), 0, 0 },
  { "server", "port", CALL, 0, 0, 0 },
  { "server", "tls", FLAG, OPTION (is_tls), 0, 0 },
  { "server", "ca-file", TEXT, OPTION (ca_file), 0, 0 },
  { "server", "pin-sha256", TEXT, OPTION (pin_sha256), 0, 0 },
  { "server", "name", TEXT, OPTION (server_name), 0, 0 },
  { "server", "channel-binding", FLAG, OPTION (binds_channel), 0, 0 },
  { "server", "attempt-timeout-s", NUMBER, OPTION (attempt_timeout_s), 1, 60 },
  { "server", "give-up-after-s", NUMBER, OPTION (gives_up_after_s), 0, 86400 },
  { "proxy", "url", TEXT, OPTION (proxy), 0, 0 },
  { "proxy", "headers", TEXTS, OPTION (connect_headers), 0, 0 },
  { "proxy", "alpn-header", FLAG, OPTION (sends_alpn_header), 0, 0 },
  { "proxy", "credentials-file", CALL, 0, 0, 0 },
  { "credentials", "file", CALL, 0, 0, 0 },
  { "credentials", "mechanism", CALL, 0, 0, 0 },
  { "tun", "prefixes", TEXTS, CONFIG (tun_prefixes), 0, 0 },
  { "tun", "name", TEXT, CONFIG (tun_name), 0, 0 },
  { "tun", "address4", TEXT, CONFIG (tun_address4), 0, 0 },
  { "tun", "address6", TEXT, CONFIG (tun_address6), 0, 0 },
  { "capture", "pcap-file", TEXT, CONFIG (pcap_file), 0, 0 },
};

static gboolean
take_special (TepClientAgentConfig *config, const Key *key, const char *value, GError **error)
{
  TepClientOptions *options = config->options;
  guint64 number;

  if (g_str_equal (key->key, "port")) {
    if (!g_ascii_string_to_unsigned (value, 10, 1, 65535, &number, error))
      return FALSE;
    options->port = number;
    return TRUE;
  }
  if (g_str_equal (key->key, "file"))
    return tep_client_agent_config_load_credentials (config, value, error);
  if (g_str_equal (key->key, "credentials-file"))
    return tep_client_agent_config_load_proxy_credentials (config, value, error);
  if (g_str_equal (value, "short-term"))
    options->mechanism = TEP_CLIENT_MECHANISM_SHORT_TERM;
  else if (g_str_equal (value, "long-term"))
    options->mechanism = TEP_CLIENT_MECHANISM_LONG_TERM;
  else
    return invalid (error, "write long-term or short-term");
  return TRUE;
}

static gboolean
take_value (TepClientAgentConfig *config, GKeyFile *file, const Key *key, GError **error)
{
  gboolean is_config = g_str_equal (key->group, "tun") || g_str_equal (key->group, "capture");
  gpointer place = (guint8 *)(is_config ? (gpointer)config : config->options) + key->offset;
  g_autofree char *value = g_key_file_get_string (file, key->group, key->key, error);
  guint64 number;

  if (value == NULL)
    return FALSE;
  switch (key->type) {
  case TEXT:
    g_free (*(char **)place);
    *(char **)place = g_steal_pointer (&value);
    return TRUE;
  case TEXTS:
    g_strfreev (*(char ***)place);
    *(char ***)place = g_key_file_get_string_list (file, key->group, key->key, NULL, error);
    return *(char ***)place != NULL;
  case NUMBER:
    if (!g_ascii_string_to_unsigned (value, 10, key->least, key->most, &number, error))
      return FALSE;
    *(guint *)place = number;
    return TRUE;
  case FLAG:
    if (!g_str_equal (value, "true") && !g_str_equal (value, "false"))
      return invalid (error, "write true or false");
    *(gboolean *)place = g_str_equal (value, "true");
    return TRUE;
  default:
    return take_special (config, key, value, error);
  }
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
take_flow_group (TepClientAgentConfig *config, GKeyFile *file, const char *group, GError **error)
{
  g_autofree char *local = g_key_file_get_string (file, group, "local-port", error);
  g_autofree char *remote =
      local != NULL ? g_key_file_get_string (file, group, "remote", error) : NULL;
  g_autofree char *text = NULL;
  gsize n = 0;

  g_strfreev (g_key_file_get_keys (file, group, &n, NULL));
  if (remote == NULL)
    return FALSE;
  if (n != 2)
    return invalid (error, "a flow has the keys local-port and remote, and no others");
  text = g_strconcat (local, "=", remote, NULL);
  return tep_client_agent_config_add_flow (config, text, error);
}

static gboolean
take_group (TepClientAgentConfig *config,
            GKeyFile *file,
            const char *path,
            const char *group,
            GError **error)
{
  g_auto (GStrv) names = NULL;

  if (g_str_has_prefix (group, "flow ")) {
    if (take_flow_group (config, file, group, error))
      return TRUE;
    g_prefix_error (error, "%s: [%s]: ", path, group);
    return FALSE;
  }
  names = g_key_file_get_keys (file, group, NULL, error);
  for (guint i = 0; names != NULL && names[i] != NULL; i++) {
    const Key *key = find_key (group, names[i]);

    if (key == NULL) {
      g_set_error (error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_KEY_NOT_FOUND,
                   "%s: [%s] %s: no such key; see tep-c(1) for those there are", path, group,
                   names[i]);
      return FALSE;
    }
    if (!take_value (config, file, key, error)) {
      g_prefix_error (error, "%s: [%s] %s: ", path, group, names[i]);
      return FALSE;
    }
  }
  return names != NULL;
}

gboolean
tep_client_agent_config_load (TepClientAgentConfig *config, const char *path, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_auto (GStrv) groups = NULL;

  if (!g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, error)) {
    g_prefix_error (error, "%s: ", path);
    return FALSE;
  }
  groups = g_key_file_get_groups (file, NULL);
  for (guint i = 0; groups[i] != NULL; i++) {
    if (!take_group (config, file, path, groups[i], error))
      return FALSE;
  }
  return TRUE;
}
