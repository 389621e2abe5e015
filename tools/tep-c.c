/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tep-c: the agent for programs that do not link TEP-C. Options and a file become one configuration; the agent does the work;
 * this file tells a person, or a script, what happens. */
#include <stdio.h>
#include <string.h>

#include <glib-unix.h>

#include "tep-c/agent.h"
#include "tools/cli.h"

#define STATUS_INTERVAL_S 10

typedef struct {
  GMainLoop *loop;
  TepClientAgent *agent;
  TepClientAgentConfig *config;
  gboolean is_json;
  gboolean is_stopping;
  CliExit status;
} Program;

static char *config_path, *server, *proxy, *credentials, *proxy_credentials, *pcap, *tun_name,
    *ca_file;
static char *mechanism;
static char **flows, **tun_prefixes, **headers;
static gboolean is_json, is_tls, only_check;
static int give_up_after_s = -1;

static const GOptionEntry entries[] = {
  { "config", 'c', 0, G_OPTION_ARG_FILENAME, &config_path, "Read a configuration file first",
    "FILE" },
  { "check", 0, 0, G_OPTION_ARG_NONE, &only_check, "Check the configuration and exit", NULL },
  { "server", 's', 0, G_OPTION_ARG_STRING, &server, "TEP-S, as HOST:PORT", "HOST:PORT" },
  { "tls", 't', 0, G_OPTION_ARG_NONE, &is_tls, "Reach it by TLS, chain and name verified", NULL },
  { "ca-file", 0, 0, G_OPTION_ARG_FILENAME, &ca_file, "Trust these issuers instead of the system's",
    "FILE" },
  { "proxy", 'p', 0, G_OPTION_ARG_STRING, &proxy, "Go through this HTTP proxy, never around it",
    "URL" },
  { "proxy-credentials", 0, 0, G_OPTION_ARG_FILENAME, &proxy_credentials,
    "user:password for the proxy", "FILE" },
  { "header", 0, 0, G_OPTION_ARG_STRING_ARRAY, &headers,
    "Further header of CONNECT, such as an IMS marker", "LINE" },
  { "credentials", 'u', 0, G_OPTION_ARG_FILENAME, &credentials,
    "user:password for TEP-S; readable by you alone", "FILE" },
  { "mechanism", 0, 0, G_OPTION_ARG_STRING, &mechanism, "long-term (default) or short-term",
    "NAME" },
  { "flow", 'f', 0, G_OPTION_ARG_STRING_ARRAY, &flows,
    "UDP port on 127.0.0.1 for a far side; may be repeated", "LOCALPORT=ADDRESS:PORT" },
  { "tun", 0, 0, G_OPTION_ARG_STRING_ARRAY, &tun_prefixes,
    "Take in UDP to this prefix by a TUN device (root); may be repeated", "PREFIX" },
  { "tun-name", 0, 0, G_OPTION_ARG_STRING, &tun_name, "Name of that device", "NAME" },
  { "pcap", 0, 0, G_OPTION_ARG_FILENAME, &pcap, "Write the inner packets for Wireshark", "FILE" },
  { "give-up-after", 0, 0, G_OPTION_ARG_INT, &give_up_after_s,
    "Exit after so long without a tunnel; default: never", "SECONDS" },
  { "json", 'j', 0, G_OPTION_ARG_NONE, &is_json, "Print an event a line as JSON on standard output",
    NULL },
  G_OPTION_ENTRY_NULL
};

/* Configuration */

static void
take_text (char **place, const char *value)
{
  if (value == NULL)
    return;
  g_free (*place);
  *place = g_strdup (value);
}

static void
take_texts (char ***place, char **values)
{
  if (values == NULL)
    return;
  g_strfreev (*place);
  *place = g_strdupv (values);
}

static gboolean
take_server (TepClientOptions *options, GError **error)
{
  g_autoptr (GSocketConnectable) address = NULL;

  if (server == NULL)
    return TRUE;
  address = g_network_address_parse (server, 443, error);
  if (address == NULL)
    return FALSE;
  take_text (&options->host, g_network_address_get_hostname (G_NETWORK_ADDRESS (address)));
  options->port = g_network_address_get_port (G_NETWORK_ADDRESS (address));
  return TRUE;
}

static gboolean
take_mechanism (TepClientOptions *options, GError **error)
{
  if (mechanism == NULL)
    return TRUE;
  if (g_str_equal (mechanism, "short-term"))
    options->mechanism = TEP_CLIENT_MECHANISM_SHORT_TERM;
  else if (g_str_equal (mechanism, "long-term"))
    options->mechanism = TEP_CLIENT_MECHANISM_LONG_TERM;
  else {
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                 "--mechanism %s: write long-term or short-term", mechanism);
    return FALSE;
  }
  return TRUE;
}

static gboolean
configure (TepClientAgentConfig *config, GError **error)
{
  TepClientOptions *options = config->options;

  if (config_path != NULL && !tep_client_agent_config_load (config, config_path, error))
    return FALSE;
  if (!take_server (options, error) || !take_mechanism (options, error))
    return FALSE;
  options->is_tls |= is_tls;
  take_text (&options->ca_file, ca_file);
  take_text (&options->proxy, proxy);
  take_texts (&options->connect_headers, headers);
  take_texts (&config->tun_prefixes, tun_prefixes);
  take_text (&config->tun_name, tun_name);
  take_text (&config->pcap_file, pcap);
  if (give_up_after_s >= 0)
    options->gives_up_after_s = give_up_after_s;
  if (credentials != NULL && !tep_client_agent_config_load_credentials (config, credentials, error))
    return FALSE;
  if (proxy_credentials != NULL &&
      !tep_client_agent_config_load_proxy_credentials (config, proxy_credentials, error))
    return FALSE;
  for (guint i = 0; flows != NULL && flows[i] != NULL; i++) {
    if (!tep_client_agent_config_add_flow (config, flows[i], error))
      return FALSE;
  }
  if (config->flows->len == 0 && config->tun_prefixes == NULL) {
    g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                         "nothing to carry: give --flow LOCALPORT=ADDRESS:PORT or --tun PREFIX");
    return FALSE;
  }
  return tep_client_options_check (options, error);
}

/* What is said */

/* A script that reads along gets every event at once. */
static void
print_line (const char *line)
{
  puts (line);
  fflush (stdout);
}

static const char *
print (const StunExtAddress *address, char text[STUN_EXT_ADDRESS_TEXT_LENGTH])
{
  return address != NULL ? stun_ext_address_print (address, text) : NULL;
}

static void
tell_script (const TepClientAgentEvent *event)
{
  g_autoptr (GString) json = g_string_new (NULL);
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

  cli_json_begin (json);
  cli_json_text (json, "event", event->name);
  cli_json_real (json, "time", g_get_real_time () / 1e6);
  if (event->state != NULL)
    cli_json_text (json, g_str_equal (event->name, "progress") ? "step" : "state", event->state);
  if (event->local != NULL)
    cli_json_text (json, "local", print (event->local, text));
  if (event->leased != NULL)
    cli_json_text (json, "leased", print (event->leased, text));
  if (event->remote != NULL)
    cli_json_text (json, "remote", print (event->remote, text));
  if (event->cause != NULL)
    cli_json_text (json, g_str_equal (event->name, "progress") ? "detail" : "cause", event->cause);
  cli_json_end (json);
  print_line (json->str);
}

static void
tell_person (const Program *program, const TepClientAgentEvent *event)
{
  const TepClientOptions *options = program->config->options;
  char local[STUN_EXT_ADDRESS_TEXT_LENGTH];
  char leased[STUN_EXT_ADDRESS_TEXT_LENGTH];
  char remote[STUN_EXT_ADDRESS_TEXT_LENGTH];
  const char *cause = event->cause != NULL ? event->cause : "";

  if (g_str_equal (event->name, "state"))
    cli_say ("%s%s%s", event->state, *cause != '\0' ? ": " : "", cause);
  else if (g_str_equal (event->name, "progress"))
    cli_say ("%s:%u: %s %s", options->host, options->port, event->state, cause);
  else if (g_str_equal (event->name, "flow"))
    cli_say ("ready: send to %s for %s, which sees %s", print (event->local, local),
             print (event->remote, remote), print (event->leased, leased));
  else if (g_str_equal (event->name, "lease"))
    cli_say ("%s is seen as %s", print (event->local, local), print (event->leased, leased));
  else if (g_str_equal (event->name, "moved"))
    cli_say ("the server was restarted; a lease is now %s: tell the far side",
             print (event->leased, leased));
  else
    cli_say ("%s: %s: %s", print (event->local, local), event->name, cause);
}

static CliExit
exit_for (const GError *cause)
{
  if (cause == NULL)
    return CLI_EXIT_OK;
  if (cause->domain == TEP_CLIENT_ERROR &&
      (cause->code == TEP_CLIENT_ERROR_CREDENTIAL || cause->code == TEP_CLIENT_ERROR_FORBIDDEN ||
       cause->code == TEP_CLIENT_ERROR_INSECURE))
    return CLI_EXIT_DENIED;
  return CLI_EXIT_UNAVAILABLE;
}

static void
happened (TepClientAgent *agent, const TepClientAgentEvent *event, gpointer data)
{
  Program *program = data;

  if (program->is_json)
    tell_script (event);
  else
    tell_person (program, event);
}

static void
state_changed (TepClientSession *session, int before, int now, const GError *cause, gpointer data)
{
  Program *program = data;

  if (now != TEP_CLIENT_STATE_CLOSED)
    return;
  if (!program->is_stopping)
    program->status = cause != NULL ? exit_for (cause) : CLI_EXIT_UNAVAILABLE;
  g_main_loop_quit (program->loop);
}

static void
tell_flow (guint16 local_port,
           const StunExtAddress *remote,
           const TepClientFlowQuality *quality,
           gpointer data)
{
  const Program *program = data;
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

  if (program->is_json) {
    g_autoptr (GString) json = g_string_new (NULL);

    cli_json_begin (json);
    cli_json_text (json, "event", "quality");
    cli_json_integer (json, "local_port", local_port);
    cli_json_text (json, "remote", print (remote, text));
    cli_json_integer (json, "sent", quality->sent);
    cli_json_integer (json, "received", quality->received);
    cli_json_integer (json, "lost", quality->lost);
    cli_json_integer (json, "late", quality->late);
    cli_json_real (json, "jitter_ms", quality->jitter_ms);
    cli_json_end (json);
    print_line (json->str);
  } else {
    cli_say ("  %u -> %s: %zu packets sent, %zu received, %zu lost, %zu late beyond 60 ms, "
             "jitter %.1f ms",
             local_port, print (remote, text), (gsize)quality->sent, (gsize)quality->received,
             (gsize)quality->lost, (gsize)quality->late, quality->jitter_ms);
  }
}

static void
tell_status (Program *program)
{
  TepClientSession *session = tep_client_agent_get_session (program->agent);
  TepClientStatistics statistics;

  tep_client_session_get_statistics (session, &statistics);
  if (program->is_json) {
    g_autoptr (GString) json = g_string_new (NULL);

    cli_json_begin (json);
    cli_json_text (json, "event", "status");
    cli_json_text (json, "state", tep_client_state_name (tep_client_session_get_state (session)));
    cli_json_integer (json, "packets_sent", statistics.packets_sent);
    cli_json_integer (json, "packets_received", statistics.packets_received);
    cli_json_integer (json, "dropped_blocked", statistics.dropped_blocked);
    cli_json_integer (json, "dropped_invalid", statistics.dropped_invalid);
    cli_json_integer (json, "connections", statistics.connections);
    cli_json_integer (json, "round_trip_ms", statistics.round_trip_ms);
    cli_json_end (json);
    print_line (json->str);
  } else {
    cli_say ("%s; round trip %u ms; %zu packets sent, %zu received, %zu not sent because "
             "the way was blocked",
             tep_client_state_name (tep_client_session_get_state (session)),
             statistics.round_trip_ms, (gsize)statistics.packets_sent,
             (gsize)statistics.packets_received, (gsize)statistics.dropped_blocked);
  }
  tep_client_agent_foreach_flow (program->agent, tell_flow, program);
}

static gboolean
status_due (gpointer data)
{
  Program *program = data;

  if (tep_client_session_get_state (tep_client_agent_get_session (program->agent)) ==
      TEP_CLIENT_STATE_OPEN)
    tell_status (program);
  return G_SOURCE_CONTINUE;
}

static gboolean
status_wanted (gpointer data)
{
  tell_status (data);
  return G_SOURCE_CONTINUE;
}

/* The first signal says good-bye to the server, the second does not wait for the answer. */
static gboolean
stop (gpointer data)
{
  Program *program = data;

  if (program->is_stopping) {
    g_main_loop_quit (program->loop);
    return G_SOURCE_CONTINUE;
  }
  program->is_stopping = TRUE;
  tell_status (program);
  tep_client_session_close (tep_client_agent_get_session (program->agent));
  return G_SOURCE_CONTINUE;
}

static CliExit
run (Program *program)
{
  g_autoptr (GError) error = NULL;
  TepClientSession *session;

  program->loop = g_main_loop_new (NULL, FALSE);
  program->agent = tep_client_agent_new (program->config, happened, program, &error);
  if (program->agent == NULL) {
    cli_say ("%s", error->message);
    g_main_loop_unref (program->loop);
    return CLI_EXIT_SYSTEM;
  }
  session = tep_client_agent_get_session (program->agent);
  g_signal_connect (session, "state-changed", G_CALLBACK (state_changed), program);
  g_unix_signal_add (SIGINT, stop, program);
  g_unix_signal_add (SIGTERM, stop, program);
  g_unix_signal_add (SIGUSR1, status_wanted, program);
  g_timeout_add_seconds (STATUS_INTERVAL_S, status_due, program);
  program->status = CLI_EXIT_CONFIG;
  if (tep_client_session_get_state (session) != TEP_CLIENT_STATE_CLOSED) {
    program->status = CLI_EXIT_OK;
    g_main_loop_run (program->loop);
  }
  tep_client_agent_free (program->agent);
  g_main_loop_unref (program->loop);
  return program->status;
}

int
main (int argc, char **argv)
{
  static const CliProgram about = {
    .name = "tep-c",
    .summary = "Carries UDP media through a web-only firewall: the device's end of a TEP tunnel.",
    .description =
        "Example: tep-c --server tep.example:443 --tls --proxy http://proxy.example:3128 \\\n"
        "           --credentials tep.secret --flow 40000=192.0.2.10:30000\n"
        "Exit status: 0 ended as asked, 64 usage, 69 no tunnel to be had, 71 the system refused a\n"
        "port or device, 77 credential or policy refused, 78 configuration.",
  };
  g_autoptr (TepClientAgentConfig) config = tep_client_agent_config_new ();
  g_autoptr (GError) error = NULL;
  Program program = { .config = config };
  CliExit status;

  if (!cli_parse (&about, entries, &argc, &argv, &status))
    return status;
  if (argc > 1)
    return cli_usage ("“%s” is not expected here", argv[1]);
  if (!configure (config, &error)) {
    if (config_path == NULL)
      return cli_usage ("%s", error->message);
    cli_say ("%s", error->message);
    return CLI_EXIT_CONFIG;
  }
  program.is_json = is_json;
  return cli_finish (only_check ? CLI_EXIT_OK : run (&program));
}
