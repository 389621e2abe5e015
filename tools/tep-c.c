/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tep-c: the agent for programs that do not link TEP-C. Options and a file become one configuration; the agent does the
 * work. */
#include <signal.h>
#include <stdio.h>

#include <glib-unix.h>

#include "tep-c/agent.h"
#include "tools/causes.h"
#include "tools/cli.h"
#include "tools/reach-options.h"
#include "tools/tep-c-privileges.h"
#include "tools/tep-c-report.h"

#define STATUS_INTERVAL_S 10

typedef struct {
  GMainLoop *loop;
  TepClientAgent *agent;
  Report report;
  gboolean is_stopping;
  gboolean has_ended;
  CliExit status;
} Program;

static ReachOptions reach;
static char *config_path, *server, *credentials, *pcap, *tun_name, *mechanism, *memory_path;
static char **flows, **tun_prefixes;
static gboolean is_json, is_tls, is_auto, only_check;
static int give_up_after_s = -1;

static const GOptionEntry entries[] = {
  { "config", 'c', 0, G_OPTION_ARG_FILENAME, &config_path, "Read a configuration file first",
    "FILE" },
  { "check", 0, 0, G_OPTION_ARG_NONE, &only_check, "Check the configuration and exit", NULL },
  { "server", 's', 0, G_OPTION_ARG_STRING, &server, "TEP-S, as HOST:PORT", "HOST:PORT" },
  { "tls", 't', 0, G_OPTION_ARG_NONE, &is_tls, "Reach it by TLS, chain and name verified", NULL },
  REACH_OPTION_ENTRIES (reach),
  { "credentials", 'u', 0, G_OPTION_ARG_FILENAME, &credentials,
    "user:password for TEP-S; readable by you alone", "FILE" },
  { "mechanism", 0, 0, G_OPTION_ARG_STRING, &mechanism, "long-term (default) or short-term",
    "NAME" },
  { "flow", 'f', 0, G_OPTION_ARG_STRING_ARRAY, &flows,
    "UDP port on 127.0.0.1 for a far side; may be repeated", "LOCALPORT=HOST:PORT" },
  { "auto", 'a', 0, G_OPTION_ARG_NONE, &is_auto,
    "Tunnel only where UDP does not pass, and by the first way that works", NULL },
  { "memory", 0, 0, G_OPTION_ARG_FILENAME, &memory_path,
    "With --auto, remember there what worked in which network, or “none”", "FILE" },
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

/* Options go over what the file says; flows are added to its flows. */
static gboolean
take_options (TepClientAgentConfig *config, GError **error)
{
  TepClientOptions *options = config->options;

  if (server != NULL && !tep_client_agent_config_set_server (config, server, error))
    return FALSE;
  if (mechanism != NULL && !tep_client_agent_config_set_mechanism (config, mechanism, error))
    return FALSE;
  for (guint i = 0; flows != NULL && flows[i] != NULL; i++) {
    if (!tep_client_agent_config_add_flow (config, flows[i], error))
      return FALSE;
  }
  options->is_tls |= is_tls;
  take_text (&options->ca_file, reach.ca);
  take_text (&options->proxy, reach.proxy);
  take_texts (&options->connect_headers, reach.headers);
  take_texts (&config->tun_prefixes, tun_prefixes);
  take_text (&config->tun_name, tun_name);
  take_text (&config->pcap_file, pcap);
  config->is_auto |= is_auto;
  take_text (&config->ways_file, memory_path);
  if (give_up_after_s >= 0)
    options->gives_up_after_s = give_up_after_s;
  return TRUE;
}

static gboolean
load_secrets (TepClientAgentConfig *config, GError **error)
{
  return (credentials == NULL ||
          tep_client_agent_config_load_credentials (config, credentials, error)) &&
         (reach.proxy_credentials == NULL ||
          tep_client_agent_config_load_proxy_credentials (config, reach.proxy_credentials, error));
}

/* What stands on the command line is answered with the way to the help, what stands in a file is not. */
static CliExit
configure (TepClientAgentConfig *config)
{
  g_autoptr (GError) error = NULL;

  if (config_path != NULL && !tep_client_agent_config_load (config, config_path, &error)) {
    cli_say ("%s", error->message);
    return CLI_EXIT_CONFIG;
  }
  if (!take_options (config, &error))
    return cli_usage ("%s", error->message);
  if (!load_secrets (config, &error)) {
    cli_say ("%s", error->message);
    return CLI_EXIT_CONFIG;
  }
  if (tep_client_agent_config_check (config, &error))
    return CLI_EXIT_OK;
  if (config_path == NULL)
    return cli_usage ("%s", error->message);
  cli_say ("%s: %s", config_path, error->message);
  return CLI_EXIT_CONFIG;
}

/* How it ends */

static CliExit
exit_for (const GError *cause)
{
  if (g_error_matches (cause, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_CREDENTIAL) ||
      g_error_matches (cause, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_FORBIDDEN) ||
      g_error_matches (cause, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_INSECURE))
    return CLI_EXIT_DENIED;
  return cause_exit (cause);
}

static void
happened (TepClientAgent *agent, const TepClientAgentEvent *event, gpointer data)
{
  Program *program = data;

  report_event (&program->report, event);
  if (g_strcmp0 (event->state, tep_client_state_name (TEP_CLIENT_STATE_CLOSED)) != 0)
    return;
  program->has_ended = TRUE;
  if (!program->is_stopping)
    program->status = exit_for (event->error);
  g_main_loop_quit (program->loop);
}

static gboolean
status_due (gpointer data)
{
  Program *program = data;
  TepClientSession *session = tep_client_agent_get_session (program->agent);

  if (session == NULL || tep_client_session_get_state (session) == TEP_CLIENT_STATE_OPEN)
    report_status (&program->report, program->agent);
  return G_SOURCE_CONTINUE;
}

static gboolean
status_wanted (gpointer data)
{
  Program *program = data;

  report_status (&program->report, program->agent);
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
  report_status (&program->report, program->agent);
  tep_client_agent_close (program->agent);
  return G_SOURCE_CONTINUE;
}

static CliExit
run_agent (Program *program)
{
  g_autoptr (GError) error = NULL;

  program->agent = tep_client_agent_new (program->report.config, happened, program, &error);
  if (program->agent == NULL) {
    cli_say ("%s", error->message);
    return g_error_matches (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED) ? CLI_EXIT_DENIED
                                                                             : CLI_EXIT_SYSTEM;
  }
  if (!privileges_reduce (program->report.config->tun_prefixes != NULL, &error))
    cli_say ("goes on with more rights than it needs: %s", error->message);
  if (!program->has_ended)
    g_main_loop_run (program->loop);
  tep_client_agent_free (program->agent);
  return program->status;
}

/* Where nobody named a file. What cannot be made is done without. */
static void
choose_memory (TepClientAgentConfig *config)
{
  g_autofree char *folder = NULL;

  if (!config->is_auto || config->ways_file != NULL) {
    if (g_strcmp0 (config->ways_file, "none") == 0)
      g_clear_pointer (&config->ways_file, g_free);
    return;
  }
  folder = g_build_filename (g_get_user_state_dir (), "tepkit", NULL);
  if (g_mkdir_with_parents (folder, 0700) == 0)
    config->ways_file = g_build_filename (folder, "networks", NULL);
}

static CliExit
run (TepClientAgentConfig *config)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  Program program = { .loop = loop, .report = { .config = config, .is_json = is_json } };

  if (!tep_client_agent_config_resolve (config, &error)) {
    cli_say ("%s", error->message);
    return CLI_EXIT_UNAVAILABLE;
  }
  choose_memory (config);
  signal (SIGXFSZ, SIG_IGN); /* a capture that may grow no more is an error of its write */
  /* Before there is anything to be taken back. */
  g_unix_signal_add (SIGINT, stop, &program);
  g_unix_signal_add (SIGTERM, stop, &program);
  g_unix_signal_add (SIGHUP, stop, &program);
  g_unix_signal_add (SIGUSR1, status_wanted, &program);
  g_timeout_add_seconds (STATUS_INTERVAL_S, status_due, &program);
  return run_agent (&program);
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
        "port or device, 77 a credential or policy refused, or a right is lacking, 78 "
        "configuration.",
  };
  g_autoptr (TepClientAgentConfig) config = tep_client_agent_config_new ();
  CliExit status;

  if (!cli_parse (&about, entries, &argc, &argv, &status))
    return status;
  if (argc > 1)
    return cli_usage ("“%s” is not expected here", argv[1]);
  status = configure (config);
  if (status == CLI_EXIT_OK && !only_check)
    status = run (config);
  else if (status == CLI_EXIT_OK)
    puts ("the configuration is valid");
  return cli_finish (status);
}
