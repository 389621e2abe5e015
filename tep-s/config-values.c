/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every key of the configuration file in one table: its kind, its range, its default, and where it
 * goes. What is not in the table is unknown and refused, so a misspelt limit cannot pass for one
 * that is in force. */
#include "tep-s/config-private.h"

#include <string.h>

typedef enum {
  KEY_NUMBER,   /* guint */
  KEY_SWITCH,   /* gboolean */
  KEY_TEXT,     /* const char * */
  KEY_PATH,     /* const char *, made absolute */
  KEY_CHOICE,   /* an enum */
  KEY_ELSEWHERE /* read by code */
} Kind;

typedef struct {
  const char *name;
  int value;
} Choice;

typedef struct {
  const char *group;
  const char *key;
  Kind kind;
  gsize offset;
  guint min;
  guint max;
  guint fallback;
  const Choice *choices;
  const char *fallback_text;
} KeyInfo;

static const Choice channel_binding_choices[] = {
  { "off", TEP_SERVER_CHANNEL_BINDING_OFF },
  { "report", TEP_SERVER_CHANNEL_BINDING_REPORT },
  { "require", TEP_SERVER_CHANNEL_BINDING_REQUIRE },
  { NULL, 0 },
};
static const Choice media_choices[] = {
  { "embedded", TEP_SERVER_MEDIA_EMBEDDED },
  { "relay", TEP_SERVER_MEDIA_RELAY },
  { "tun", TEP_SERVER_MEDIA_TUN },
  { "pcap", TEP_SERVER_MEDIA_PCAP },
  { NULL, 0 },
};
static const Choice implicit_choices[] = {
  { "off", TEP_SERVER_IMPLICIT_OFF },
  { "leased", TEP_SERVER_IMPLICIT_LEASED },
  { "own", TEP_SERVER_IMPLICIT_OWN },
  { NULL, 0 },
};
static const Choice format_choices[] = {
  { "human", TEP_SERVER_LOG_HUMAN },
  { "json", TEP_SERVER_LOG_JSON },
  { "journal", TEP_SERVER_LOG_JOURNAL },
  { NULL, 0 },
};
static const Choice level_choices[] = {
  { "error", G_LOG_LEVEL_CRITICAL }, { "warning", G_LOG_LEVEL_WARNING },
  { "notice", G_LOG_LEVEL_MESSAGE }, { "info", G_LOG_LEVEL_INFO },
  { "debug", G_LOG_LEVEL_DEBUG },    { NULL, 0 },
};

#define FIELD(name) G_STRUCT_OFFSET (TepServerConfig, name)
#define NUMBER(g, k, field, low, high, preset)                                                     \
  {                                                                                                \
    .group = g, .key = k, .kind = KEY_NUMBER, .offset = FIELD (field), .min = low, .max = high,    \
    .fallback = preset                                                                             \
  }
#define SWITCH(g, k, field)                                                                        \
  {                                                                                                \
    .group = g, .key = k, .kind = KEY_SWITCH, .offset = FIELD (field)                              \
  }
#define TEXT(g, k, field, preset)                                                                  \
  {                                                                                                \
    .group = g, .key = k, .kind = KEY_TEXT, .offset = FIELD (field), .fallback_text = preset       \
  }
#define PATH(g, k, field)                                                                          \
  {                                                                                                \
    .group = g, .key = k, .kind = KEY_PATH, .offset = FIELD (field)                                \
  }
#define CHOICE(g, k, field, list, preset)                                                          \
  {                                                                                                \
    .group = g, .key = k, .kind = KEY_CHOICE, .offset = FIELD (field), .choices = list,            \
    .fallback = preset                                                                             \
  }
#define ELSEWHERE(g, k)                                                                            \
  {                                                                                                \
    .group = g, .key = k, .kind = KEY_ELSEWHERE                                                    \
  }

/* Defaults of times and sizes: PROTOCOL.md section 14. */
static const KeyInfo keys[] = {
  ELSEWHERE ("server", "listen"),
  ELSEWHERE ("server", "listen-tcp-only"),
  ELSEWHERE ("server", "names"),
  NUMBER ("server", "workers", workers, 0, 64, 0),
  TEXT ("server", "user", user, NULL),
  ELSEWHERE ("server", "alternate"),
  TEXT ("server", "alternate-name", alternate_name, NULL),
  PATH ("tls", "certificate", tls.certificate_file),
  PATH ("tls", "key", tls.key_file),
  CHOICE ("tls",
          "channel-binding",
          tls.channel_binding,
          channel_binding_choices,
          TEP_SERVER_CHANNEL_BINDING_REPORT),
  TEXT ("credentials", "realm", realm, "tep-s"),
  ELSEWHERE ("credentials", "mechanisms"),
  ELSEWHERE ("credentials", "users"),
  ELSEWHERE ("credentials", "secrets"),
  ELSEWHERE ("credentials", "longest"),
  SWITCH ("credentials", "md5", is_md5_allowed),
  CHOICE ("media", "backend", media.kind, media_choices, TEP_SERVER_MEDIA_EMBEDDED),
  ELSEWHERE ("media", "relay-addresses"),
  ELSEWHERE ("media", "relay-ports"),
  TEXT ("media", "tun-device", media.tun_device, "tep-s0"),
  NUMBER ("media", "routing-table", media.routing_table, 1, G_MAXINT32, 8600),
  TEXT ("media", "capture-device", media.capture_device, "tep-cap0"),
  NUMBER ("media", "mark", media.packet_mark, 1, G_MAXINT32, 0x10000000),
  TEXT ("media", "nft-table", media.nft_table, "tep-s"),
  ELSEWHERE ("media", "stun-addresses"),
  ELSEWHERE ("media", "dscp"),
  ELSEWHERE ("media", "default-dscp"),
  ELSEWHERE ("media", "largest-packet"),
  CHOICE (
      "media", "implicit-flows", media.implicit_flows, implicit_choices, TEP_SERVER_IMPLICIT_OFF),
  SWITCH ("media", "pinhole-only", media.is_pinhole_only),
  SWITCH ("media", "client-to-client", media.is_client_to_client_allowed),
  PATH ("media", "record-file", media.record_file),
  ELSEWHERE ("policy", "allow"),
  ELSEWHERE ("policy", "deny"),
  ELSEWHERE ("policy", "core"),
  ELSEWHERE ("policy", "own"),
  ELSEWHERE ("policy", "public"),
  ELSEWHERE ("policy", "media-ports"),
  NUMBER ("limits", "connections", limits.connections, 1, 1000000, 16000),
  NUMBER ("limits", "unauthenticated", limits.unauthenticated, 1, 1000000, 1000),
  NUMBER (
      "limits", "unauthenticated-per-source", limits.unauthenticated_per_source, 1, 1000000, 16),
  NUMBER ("limits", "connections-per-source", limits.connections_per_source, 1, 1000000, 4096),
  NUMBER ("limits", "connections-per-tunnel", limits.connections_per_tunnel, 1, 16, 16),
  NUMBER ("limits", "tunnels", limits.tunnels, 1, 1000000, 10000),
  NUMBER ("limits", "tunnels-per-user", limits.tunnels_per_user, 1, 1000000, 16),
  NUMBER ("limits", "tunnels-per-source", limits.tunnels_per_source, 1, 1000000, 2048),
  NUMBER ("limits", "tunnels-per-second", limits.tunnels_per_second, 1, 1000000, 500),
  NUMBER ("limits", "bindings-per-tunnel", limits.bindings_per_tunnel, 1, 1024, 16),
  NUMBER ("limits", "flows-per-tunnel", limits.flows_per_tunnel, 1, 4096, 64),
  NUMBER ("limits", "bandwidth", limits.bandwidth_kbit, 8, 10000000, 8192),
  NUMBER ("limits", "default-bandwidth", limits.default_bandwidth_kbit, 8, 10000000, 4096),
  NUMBER ("limits", "output", limits.output_octets, 4096, 16777216, 65536),
  NUMBER ("limits", "memory", limits.memory_mb, 0, 1000000, 1024),
  NUMBER ("limits", "udp-replies", limits.udp_replies_per_second, 1, 1000, 10),
  NUMBER ("limits", "failures", limits.failures_per_window, 1, 1000, 10),
  NUMBER ("timers", "first-message", timers.first_message_s, 1, 60, 10),
  NUMBER ("timers", "tls-handshake", timers.tls_handshake_s, 1, 60, 10),
  NUMBER ("timers", "authentication", timers.authentication_s, 1, 120, 15),
  NUMBER ("timers", "confirmation", timers.confirmation_s, 1, 120, 15),
  NUMBER ("timers", "keepalive", timers.keepalive_s, 1, 30, 15),
  NUMBER ("timers", "silence", timers.silence_s, 2, 60, 45),
  NUMBER ("timers", "stalled", timers.stalled_s, 1, 300, 30),
  NUMBER ("timers", "linger", timers.linger_s, 1, 60, 2),
  NUMBER ("timers", "binding", timers.binding_s, 1, 86400, 600),
  NUMBER ("timers", "binding-min", timers.binding_min_s, 1, 86400, 60),
  NUMBER ("timers", "binding-max", timers.binding_max_s, 1, 86400, 3600),
  NUMBER ("timers", "nonce", timers.nonce_s, 10, 3600, 600),
  NUMBER ("timers", "clock-skew", timers.clock_skew_s, 1, 300, 30),
  NUMBER ("timers", "drain", timers.drain_s, 0, 86400, 600),
  ELSEWHERE ("detect", "addresses"),
  ELSEWHERE ("detect", "public-addresses"),
  ELSEWHERE ("detect", "stun-ports"),
  ELSEWHERE ("detect", "ports"),
  ELSEWHERE ("detect", "front-door"),
  ELSEWHERE ("detect", "plain"),
  NUMBER ("detect", "replies", detect.replies_per_second, 1, 10000, 100),
  NUMBER ("detect", "connections", detect.connections, 1, 4096, 256),
  NUMBER ("detect", "connections-per-source", detect.connections_per_source, 1, 4096, 64),
  CHOICE ("log", "format", log.format, format_choices, TEP_SERVER_LOG_HUMAN),
  CHOICE ("log", "level", log.level, level_choices, G_LOG_LEVEL_INFO),
  PATH ("log", "file", log.file),
  NUMBER ("log", "lines-per-second", log.lines_per_second, 1, 100, 20),
  TEXT ("metrics", "listen", metrics, NULL),
  ELSEWHERE ("metrics", "token"),
};

static char *
known_names (const char *group)
{
  g_autoptr (GString) names = g_string_new (NULL);
  const char *last = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++) {
    const char *name = group != NULL ? keys[i].key : keys[i].group;

    if ((group != NULL && strcmp (group, keys[i].group) != 0) || g_strcmp0 (last, name) == 0)
      continue;
    g_string_append_printf (names, names->len > 0 ? ", %s" : "%s", name);
    last = name;
  }
  return g_string_free (g_steal_pointer (&names), FALSE);
}

static gboolean
is_known (const char *group, const char *key)
{
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
    if (strcmp (keys[i].group, group) == 0 && (key == NULL || strcmp (keys[i].key, key) == 0))
      return TRUE;
  return FALSE;
}

static gboolean
check_known (const TepServerConfigFile *file, GError **error)
{
  g_auto (GStrv) groups = g_key_file_get_groups (file->keys, NULL);

  for (guint i = 0; groups[i] != NULL; i++) {
    g_auto (GStrv) names = g_key_file_get_keys (file->keys, groups[i], NULL, NULL);
    g_autofree char *known = known_names (is_known (groups[i], NULL) ? groups[i] : NULL);

    if (!is_known (groups[i], NULL))
      return tep_server_config_file_fail (file, groups[i], NULL, error,
                                          "unknown group; write one of: %s", known);
    for (guint j = 0; names != NULL && names[j] != NULL; j++)
      if (!is_known (groups[i], names[j]))
        return tep_server_config_file_fail (file, groups[i], names[j], error,
                                            "unknown key; write one of: %s", known);
  }
  return TRUE;
}

static gboolean
read_number (const KeyInfo *info,
             const TepServerConfigFile *file,
             const char *text,
             guint *value,
             GError **error)
{
  guint64 number;

  if (!g_ascii_string_to_unsigned (text, 10, info->min, info->max, &number, NULL))
    return tep_server_config_file_fail (file, info->group, info->key, error,
                                        "\"%.60s\" will not do; write a whole number from %u to %u",
                                        text, info->min, info->max);
  *value = (guint)number;
  return TRUE;
}

static gboolean
read_choice (const KeyInfo *info,
             const TepServerConfigFile *file,
             const char *text,
             int *value,
             GError **error)
{
  g_autoptr (GString) names = g_string_new (NULL);

  for (const Choice *choice = info->choices; choice->name != NULL; choice++) {
    if (strcmp (choice->name, text) == 0) {
      *value = choice->value;
      return TRUE;
    }
    g_string_append_printf (names, names->len > 0 ? ", %s" : "%s", choice->name);
  }
  return tep_server_config_file_fail (file, info->group, info->key, error,
                                      "\"%.60s\" will not do; write one of: %s", text, names->str);
}

static gboolean
read_switch (const KeyInfo *info,
             const TepServerConfigFile *file,
             const char *text,
             gboolean *value,
             GError **error)
{
  *value = strcmp (text, "true") == 0;
  return *value || strcmp (text, "false") == 0 ||
         tep_server_config_file_fail (file, info->group, info->key, error,
                                      "\"%.60s\" will not do; write true or false", text);
}

static gboolean
read_key (TepServerConfigBuild *build,
          const TepServerConfigFile *file,
          const KeyInfo *info,
          const char *text,
          GError **error)
{
  gpointer field = G_STRUCT_MEMBER_P (&build->config, info->offset);

  switch (info->kind) {
  case KEY_NUMBER:
    return read_number (info, file, text, field, error);
  case KEY_SWITCH:
    return read_switch (info, file, text, field, error);
  case KEY_CHOICE:
    return read_choice (info, file, text, field, error);
  case KEY_TEXT:
    *(const char **)field = tep_server_config_own (build, g_strdup (text));
    return TRUE;
  case KEY_PATH:
    *(const char **)field =
        tep_server_config_own (build, tep_server_config_file_resolve (file, text));
    return TRUE;
  case KEY_ELSEWHERE:
    break;
  }
  return TRUE;
}

static void
set_default (TepServerConfigBuild *build, const KeyInfo *info)
{
  gpointer field = G_STRUCT_MEMBER_P (&build->config, info->offset);

  if (info->kind == KEY_NUMBER)
    *(guint *)field = info->fallback;
  else if (info->kind == KEY_CHOICE)
    *(int *)field = (int)info->fallback;
  else if (info->kind == KEY_TEXT)
    *(const char **)field = info->fallback_text;
}

gboolean
tep_server_config_read_values (TepServerConfigBuild *build,
                               const TepServerConfigFile *file,
                               GError **error)
{
  if (!check_known (file, error))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++) {
    g_autoptr (GError) cause = NULL;
    g_autofree char *text = NULL;

    if (keys[i].kind == KEY_ELSEWHERE)
      continue;
    set_default (build, &keys[i]);
    text = tep_server_config_file_text (file, keys[i].group, keys[i].key, &cause);
    if (cause != NULL) {
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
    if (text != NULL && !read_key (build, file, &keys[i], text, error))
      return FALSE;
  }
  return TRUE;
}
