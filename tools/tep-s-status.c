/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The state of a running daemon for a person or a script, read where monitoring reads it, so that there is one interface to
 * guard and not two. */
#include "tools/tep-s-status.h"

#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <stdio.h>
#include <string.h>

#define TIMEOUT_S 5
#define MAX_ANSWER (1024 * 1024)

/* What is told, in this order: series, name, words behind the number. */
static const struct {
  const char *series;
  const char *key;
  const char *words;
} told[] = {
  { "tep_server_tunnels", "tunnels", "tunnels" },
  { "tep_server_bindings", "bindings", "bindings" },
  { "tep_server_flows", "flows", "flows" },
  { "tep_server_connections", "connections", "connections" },
  { "tep_server_connections_unauthenticated", "unauthenticated", "of them not authenticated" },
  { "tep_server_packets_total{direction=\"up\",side=\"out\"}", "packets_up",
    "packets from devices" },
  { "tep_server_packets_total{direction=\"down\",side=\"out\"}", "packets_down",
    "packets to devices" },
  { "tep_server_authentication_total{result=\"failed\"}", "failed_logins", "failed logins" },
  { "tep_server_draining", "draining", NULL },
};

/* The daemon's own metrics, mostly at a Unix socket: no server is dialled, and no proxy may stand
 * between. */
static GSocketConnection *
connect_to (const char *where, GError **error)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketAddress) address = NULL;

  g_socket_client_set_timeout (client, TIMEOUT_S);
  g_socket_client_set_enable_proxy (client, FALSE);
  if (!g_str_has_prefix (where, "unix:"))
    return g_socket_client_connect_to_host (client, where, 0, NULL, error);
  address = g_unix_socket_address_new (where + strlen ("unix:"));
  return g_socket_client_connect (client, G_SOCKET_CONNECTABLE (address), NULL, error);
}

/* HTTP/1.0, so that the answer ends with the connection. */
static char *
ask (const TepServerConfig *config, GError **error)
{
  g_autoptr (GSocketConnection) connection = connect_to (config->metrics, error);
  g_autoptr (GString) request = g_string_new ("GET /metrics HTTP/1.0\r\n");
  g_autofree char *answer = NULL;
  gsize length = 0;
  GInputStream *in;

  if (connection == NULL)
    return NULL;
  if (config->metrics_token != NULL)
    g_string_append_printf (request, "Authorization: Bearer %s\r\n", config->metrics_token);
  g_string_append (request, "\r\n");
  if (!g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (connection)),
                                  request->str, request->len, NULL, NULL, error))
    return NULL;
  in = g_io_stream_get_input_stream (G_IO_STREAM (connection));
  answer = g_malloc0 (MAX_ANSWER + 1);
  if (!g_input_stream_read_all (in, answer, MAX_ANSWER, &length, NULL, error))
    return NULL;
  answer[length] = '\0';
  if (!g_str_has_prefix (answer, "HTTP/1.") || strncmp (answer + 8, " 200", 4) != 0) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "the answer is no success");
    return NULL;
  }
  return g_steal_pointer (&answer);
}

static gboolean
find_value (const char *answer, const char *series, gint64 *value)
{
  g_autofree char *begin = g_strdup_printf ("\n%s ", series);
  const char *found = strstr (answer, begin);

  if (found == NULL)
    return FALSE;
  *value = g_ascii_strtoll (found + strlen (begin), NULL, 10);
  return TRUE;
}

static void
print_json (const char *answer)
{
  g_autoptr (GString) out = g_string_new (NULL);
  gint64 value;

  cli_json_begin (out);
  cli_json_boolean (out, "running", TRUE);
  for (gsize i = 0; i < G_N_ELEMENTS (told); i++)
    if (find_value (answer, told[i].series, &value)) {
      if (told[i].words == NULL)
        cli_json_boolean (out, told[i].key, value != 0);
      else
        cli_json_integer (out, told[i].key, value);
    }
  cli_json_end (out);
  printf ("%s\n", out->str);
}

static void
print_text (const char *answer)
{
  gint64 value = 0;

  find_value (answer, "tep_server_draining", &value);
  printf ("%s\n", value != 0 ? "draining: no new tunnels are taken" : "running");
  for (gsize i = 0; i < G_N_ELEMENTS (told); i++)
    if (told[i].words != NULL && find_value (answer, told[i].series, &value))
      printf ("%12" G_GINT64_FORMAT " %s\n", value, told[i].words);
}

CliExit
status_print (const TepServerConfig *config, gboolean is_json)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *answer = NULL;

  if (config->metrics == NULL) {
    cli_say ("%s: [metrics] listen: is missing, so the daemon cannot be asked; write "
             "listen=unix:/run/tep-s/metrics",
             config->path);
    return CLI_EXIT_CONFIG;
  }
  answer = ask (config, &error);
  if (answer == NULL) {
    if (is_json)
      printf ("{\"running\":false}\n");
    cli_say ("%s: the daemon does not answer: %s", config->metrics, error->message);
    return CLI_EXIT_UNAVAILABLE;
  }
  if (is_json)
    print_json (answer);
  else
    print_text (answer);
  return CLI_EXIT_OK;
}
