/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The configuration as one constant value: read once, checked whole, and only then used, so that a
 * reload takes all of it or none. What needs more than one key to judge is judged here; single keys
 * and addresses have files of their own. */
#include "tep-s/config.h"

#include <string.h>

#include "tep-s/config-private.h"
#include "tep-s/error.h"
#include "tep-s/tls.h"

#define MAX_FILE_OCTETS (1024 * 1024)
#define MIN_TOKEN_OCTETS 16
#define MAX_TOKEN_OCTETS 4096

gpointer
tep_server_config_own (TepServerConfigBuild *build, gpointer memory)
{
  if (memory != NULL)
    g_ptr_array_add (build->owned, memory);
  return memory;
}

static gboolean
read_list (const TepServerConfigFile *file,
           const char *group,
           const char *key,
           char ***items,
           GError **error)
{
  g_autoptr (GError) cause = NULL;

  *items = tep_server_config_file_list (file, group, key, &cause);
  if (cause == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&cause));
  return FALSE;
}

static gboolean
read_number (const TepServerConfigFile *file,
             const char *group,
             const char *key,
             guint min,
             guint max,
             guint *value,
             GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autofree char *text = tep_server_config_file_text (file, group, key, &cause);
  guint64 number;

  if (cause != NULL) {
    g_propagate_error (error, g_steal_pointer (&cause));
    return FALSE;
  }
  if (text == NULL)
    return TRUE;
  if (!g_ascii_string_to_unsigned (text, 10, min, max, &number, NULL))
    return tep_server_config_file_fail (file, group, key, error,
                                        "\"%.60s\" will not do; write a whole number from %u to %u",
                                        text, min, max);
  *value = (guint)number;
  return TRUE;
}

static gboolean
read_mechanisms (TepServerConfig *config, const TepServerConfigFile *file, GError **error)
{
  g_auto (GStrv) items = NULL;

  if (!read_list (file, "credentials", "mechanisms", &items, error))
    return FALSE;
  config->has_short_term = config->has_long_term = items == NULL;
  for (guint i = 0; items != NULL && items[i] != NULL; i++) {
    if (strcmp (items[i], "short-term") == 0)
      config->has_short_term = TRUE;
    else if (strcmp (items[i], "long-term") == 0)
      config->has_long_term = TRUE;
    else
      return tep_server_config_file_fail (file, "credentials", "mechanisms", error,
                                          "\"%.60s\" will not do; write short-term, long-term, or "
                                          "both with a semicolon between",
                                          items[i]);
  }
  return TRUE;
}

/* Messages of other units name a file or a rule; this puts file and group before them. */
static gboolean
fail_with (const TepServerConfigFile *file,
           const char *group,
           const char *key,
           const GError *cause,
           GError **error)
{
  return tep_server_config_file_fail (file, group, key, error, "%s", cause->message);
}

static gboolean
read_users (TepServerConfig *config, const TepServerConfigFile *file, GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autofree char *name = tep_server_config_file_text (file, "credentials", "users", &cause);
  g_autofree char *users_file = NULL;
  g_auto (GStrv) secrets = NULL;
  TepServerUsersRules rules = { .realm = config->realm, .longest_s = 86400 };

  if (cause != NULL) {
    g_propagate_error (error, g_steal_pointer (&cause));
    return FALSE;
  }
  if (!read_list (file, "credentials", "secrets", &secrets, error) ||
      !read_number (file, "credentials", "longest", 60, 31536000, &rules.longest_s, error))
    return FALSE;
  if (name == NULL && secrets == NULL)
    return tep_server_config_file_fail (file, "credentials", "users", error,
                                        "nobody could log in; write users=FILE with a line "
                                        "name:password for each, or secrets=FILE");
  for (guint i = 0; secrets != NULL && secrets[i] != NULL; i++) {
    char *resolved = tep_server_config_file_resolve (file, secrets[i]);

    g_free (secrets[i]);
    secrets[i] = resolved;
  }
  users_file = name != NULL ? tep_server_config_file_resolve (file, name) : NULL;
  rules.users_file = users_file;
  rules.secret_files = (const char *const *)secrets;
  rules.has_short_term = config->has_short_term;
  rules.has_long_term = config->has_long_term;
  rules.is_md5_allowed = config->is_md5_allowed;
  config->users = tep_server_users_new (&rules, &cause);
  return config->users != NULL || fail_with (file, "credentials", NULL, cause, error);
}

static gboolean
check_tls (TepServerConfig *config, const TepServerConfigFile *file, GError **error)
{
  TepServerTlsConfig *tls = &config->tls;
  g_autoptr (GError) cause = NULL;

  if ((tls->certificate_file == NULL) != (tls->key_file == NULL))
    return tep_server_config_file_fail (file, "tls", tls->key_file == NULL ? "key" : "certificate",
                                        error, "is missing; certificate and key go together");
  if (tls->certificate_file == NULL)
    return TRUE;
  return tep_server_tls_check_files (tls->certificate_file, tls->key_file,
                                     &tls->certificate_expires_ms, &cause) ||
         fail_with (file, "tls", NULL, cause, error);
}

static gboolean
read_dscp (TepServerMediaConfig *media, const TepServerConfigFile *file, GError **error)
{
  g_auto (GStrv) items = NULL;
  guint fallback = 46; /* expedited forwarding, RFC 3246 */

  if (!read_list (file, "media", "dscp", &items, error) ||
      !read_number (file, "media", "default-dscp", 0, 63, &fallback, error))
    return FALSE;
  media->default_dscp = (guint8)fallback;
  for (guint i = 0; items != NULL && items[i] != NULL; i++) {
    guint64 value;

    if (!g_ascii_string_to_unsigned (items[i], 10, 0, 63, &value, NULL) ||
        memchr (media->dscp, (int)value, media->n_dscp) != NULL)
      return tep_server_config_file_fail (file, "media", "dscp", error,
                                          "\"%.60s\" will not do; write each value once, 0 to 63",
                                          items[i]);
    media->dscp[media->n_dscp++] = (guint8)value;
  }
  if (items == NULL) {
    static const guint8 usual[] = { 0, 34, 46 };

    memcpy (media->dscp, usual, sizeof usual);
    media->n_dscp = G_N_ELEMENTS (usual);
  }
  return TRUE;
}

static gboolean
is_interface_name (const char *name)
{
  gsize length = strlen (name);

  return length > 0 && length < 16 && strpbrk (name, "/ \t%") == NULL && name[0] != '.';
}

static gboolean
read_media (TepServerConfig *config, const TepServerConfigFile *file, GError **error)
{
  TepServerMediaConfig *media = &config->media;
  guint largest = 1500;

  if (!read_number (file, "media", "largest-packet", 1280, 9000, &largest, error) ||
      !read_dscp (media, file, error))
    return FALSE;
  media->largest_packet = (guint16)largest;
  if (!is_interface_name (media->tun_device))
    return tep_server_config_file_fail (file, "media", "tun-device", error,
                                        "is no name of an interface; at most 15 characters");
  if (!is_interface_name (media->capture_device) || strlen (media->capture_device) > 14)
    return tep_server_config_file_fail (file, "media", "capture-device", error,
                                        "is no name of an interface; at most 14 characters");
  if (strlen (media->nft_table) > 31 || strpbrk (media->nft_table, " \t/;{}\"") != NULL)
    return tep_server_config_file_fail (
        file, "media", "nft-table", error,
        "is no name of a table; at most 31 characters, without the family");
  return TRUE;
}

static gboolean
read_policy (TepServerConfigBuild *build, const TepServerConfigFile *file, GError **error)
{
  g_autoptr (GArray) own = NULL;
  g_autoptr (GError) cause = NULL;
  g_autofree char *public_text = tep_server_config_file_text (file, "policy", "public", &cause);
  g_auto (GStrv) allow = NULL;
  g_auto (GStrv) deny = NULL;
  g_auto (GStrv) core = NULL;
  TepServerPolicyRules rules = { 0 };

  if (cause != NULL) {
    g_propagate_error (error, g_steal_pointer (&cause));
    return FALSE;
  }
  if (public_text != NULL && strcmp (public_text, "allow") != 0 &&
      strcmp (public_text, "deny") != 0)
    return tep_server_config_file_fail (file, "policy", "public", error,
                                        "\"%.60s\" will not do; write allow or deny", public_text);
  if (!read_list (file, "policy", "allow", &allow, error) ||
      !read_list (file, "policy", "deny", &deny, error) ||
      !read_list (file, "policy", "core", &core, error) ||
      !tep_server_config_read_ports (file, "policy", "media-ports", &rules.first_media_port,
                                     &rules.last_media_port, error))
    return FALSE;
  own = tep_server_config_own_ranges (build, file, error);
  if (own == NULL)
    return FALSE;
  rules.allow = (const char *const *)allow;
  rules.deny = (const char *const *)deny;
  rules.core = (const char *const *)core;
  rules.own = (const TepServerOwnRange *)(gpointer)own->data;
  rules.n_own = own->len;
  rules.is_public_denied = g_strcmp0 (public_text, "deny") == 0;
  build->config.policy = tep_server_policy_new (&rules, &cause);
  return build->config.policy != NULL || fail_with (file, "policy", NULL, cause, error);
}

static gboolean
is_loopback (const StunExtAddress *address)
{
  const char *range = stun_ext_address_special_purpose (address);

  return range != NULL && g_str_has_suffix (range, "loopback");
}

static gboolean
read_token (TepServerConfigBuild *build, const TepServerConfigFile *file, GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autofree char *name = tep_server_config_file_text (file, "metrics", "token", &cause);
  g_autofree char *path = NULL;

  if (cause != NULL) {
    g_propagate_error (error, g_steal_pointer (&cause));
    return FALSE;
  }
  if (name == NULL)
    return TRUE;
  path = tep_server_config_file_resolve (file, name);
  if (!tep_server_secret_read (&build->token, path, MAX_TOKEN_OCTETS, &cause))
    return tep_server_config_file_fail (file, "metrics", "token", error, "%s", cause->message);
  g_strchomp (build->token.text);
  if (strlen (build->token.text) < MIN_TOKEN_OCTETS)
    return tep_server_config_file_fail (file, "metrics", "token", error,
                                        "%s: has fewer than 16 characters; make one with: openssl "
                                        "rand -hex 32",
                                        path);
  build->config.metrics_token = build->token.text;
  return TRUE;
}

static gboolean
read_metrics (TepServerConfigBuild *build, const TepServerConfigFile *file, GError **error)
{
  const TepServerConfig *config = &build->config;
  StunExtAddress address;

  if (!read_token (build, file, error))
    return FALSE;
  if (config->metrics == NULL || g_str_has_prefix (config->metrics, "unix:/"))
    return TRUE;
  if (!stun_ext_address_parse (config->metrics, &address) || address.port == 0 ||
      !is_loopback (&address))
    return tep_server_config_file_fail (file, "metrics", "listen", error,
                                        "\"%.80s\" will not do; write unix:/PATH or an address of "
                                        "loopback, such as 127.0.0.1:9117",
                                        config->metrics);
  return config->metrics_token != NULL ||
         tep_server_config_file_fail (file, "metrics", "token", error,
                                      "is missing, and every user of this host reaches loopback; "
                                      "write token=FILE, or listen=unix:/PATH");
}

static gboolean
check_together (const TepServerConfig *config, const TepServerConfigFile *file, GError **error)
{
  const TepServerTimers *timers = &config->timers;
  const TepServerLimits *limits = &config->limits;

  if (timers->silence_s <= timers->keepalive_s)
    return tep_server_config_file_fail (file, "timers", "silence", error,
                                        "has to be longer than keepalive, %u s",
                                        timers->keepalive_s);
  if (timers->authentication_s < timers->first_message_s)
    return tep_server_config_file_fail (file, "timers", "authentication", error,
                                        "has to be at least first-message, %u s",
                                        timers->first_message_s);
  if (timers->binding_min_s > timers->binding_s || timers->binding_s > timers->binding_max_s)
    return tep_server_config_file_fail (file, "timers", "binding", error,
                                        "has to lie between binding-min and binding-max");
  if (limits->unauthenticated > limits->connections)
    return tep_server_config_file_fail (file, "limits", "unauthenticated", error,
                                        "cannot be more than connections");
  if (limits->default_bandwidth_kbit > limits->bandwidth_kbit)
    return tep_server_config_file_fail (file, "limits", "default-bandwidth", error,
                                        "cannot be more than bandwidth");
  if (!g_utf8_validate (config->realm, -1, NULL) || strlen (config->realm) > 127 ||
      strpbrk (config->realm, "\"\\\r\n") != NULL)
    return tep_server_config_file_fail (file, "credentials", "realm", error,
                                        "has to be a text of at most 127 octets without quotes");
  return TRUE;
}

static gboolean
build_from (TepServerConfigBuild *build, const TepServerConfigFile *file, GError **error)
{
  TepServerConfig *config = &build->config;

  config->path = tep_server_config_own (build, g_strdup (file->path));
  return tep_server_config_read_values (build, file, error) &&
         tep_server_config_read_addresses (build, file, error) &&
         tep_server_config_read_detect (build, file, error) &&
         check_together (config, file, error) && read_metrics (build, file, error) &&
         read_mechanisms (config, file, error) && read_media (config, file, error) &&
         read_policy (build, file, error) && check_tls (config, file, error) &&
         read_users (config, file, error);
}

TepServerConfig *
tep_server_config_load_from_data (const char *data, gssize length, const char *path, GError **error)
{
  g_auto (TepServerConfigFile) file = { 0 };
  g_autoptr (TepServerConfig) config = NULL;
  TepServerConfigBuild *build;

  if (!tep_server_config_file_parse (&file, data, length < 0 ? strlen (data) : (gsize)length,
                                     path != NULL ? path : "configuration", error))
    return NULL;
  build = g_new0 (TepServerConfigBuild, 1);
  atomic_init (&build->references, 1);
  build->owned = g_ptr_array_new_with_free_func (g_free);
  config = &build->config;
  return build_from (build, &file, error) ? g_steal_pointer (&config) : NULL;
}

TepServerConfig *
tep_server_config_load (const char *path, GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autofree char *data = NULL;
  gsize length;

  if (!g_file_get_contents (path, &data, &length, &cause)) {
    g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_CONFIG, "%s", cause->message);
    return NULL;
  }
  if (length > MAX_FILE_OCTETS) {
    g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_CONFIG,
                 "%s: is larger than 1 MiB; was another file meant?", path);
    return NULL;
  }
  return tep_server_config_load_from_data (data, (gssize)length, path, error);
}

TepServerConfig *
tep_server_config_with_record_file (const TepServerConfig *config, const char *record_file)
{
  TepServerConfigBuild *build = g_new0 (TepServerConfigBuild, 1);

  atomic_init (&build->references, 1);
  build->owned = g_ptr_array_new_with_free_func (g_free);
  build->origin = tep_server_config_ref (config);
  build->config = *config;
  tep_server_users_ref (build->config.users);
  tep_server_policy_ref (build->config.policy);
  build->config.media.record_file = tep_server_config_own (build, g_strdup (record_file));
  return &build->config;
}

TepServerConfig *
tep_server_config_ref (const TepServerConfig *config)
{
  TepServerConfigBuild *build = (TepServerConfigBuild *)(gpointer)config;

  atomic_fetch_add_explicit (&build->references, 1, memory_order_relaxed);
  return &build->config;
}

void
tep_server_config_unref (TepServerConfig *config)
{
  TepServerConfigBuild *build = (TepServerConfigBuild *)(gpointer)config;

  if (atomic_fetch_sub_explicit (&build->references, 1, memory_order_acq_rel) != 1)
    return;
  g_clear_pointer (&config->users, tep_server_users_unref);
  g_clear_pointer (&config->policy, tep_server_policy_unref);
  g_clear_pointer (&build->owned, g_ptr_array_unref);
  g_clear_pointer (&build->origin, tep_server_config_unref);
  tep_server_secret_clear (&build->token);
  g_free (build);
}
