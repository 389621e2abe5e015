/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's command line. What it does once it runs is in tep-s-daemon.c. */
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>

#include "tep-s/error.h"
#include "tools/cli.h"
#include "tools/tep-s-daemon.h"
#include "tools/tep-s-status.h"

#define DEFAULT_CONFIG "/etc/tep-s/tep-s.conf"
#define SPARE_DESCRIPTORS 64

static const CliProgram program = {
  .name = "tep-s",
  .summary = "The core end of the tunnels that carry calls through firewalls which let only web\n"
             "traffic out.",
  .description =
      "Signals:\n"
      "  SIGHUP            reload the configuration; a bad one is reported and the old one stays\n"
      "  SIGTERM, SIGINT   take no new tunnels, end when the last one has gone or the time for it\n"
      "                    is over; a second one ends at once\n\n"
      "Exit status: 0 done, 1 failed, 64 wrong command line, 69 not running (--status), 71 the\n"
      "system refused something, 77 a right is lacking, 78 the configuration has to be changed.\n\n"
      "The configuration is described in tep-s.conf(5).",
};

/* What one address of a family cannot tell; none: nothing of it is asked for. */
static void
say_what_is_open (const TepServerDetectConfig *detect, guint8 family)
{
  guint n = 0;

  for (guint i = 0; i < detect->n_addresses; i++)
    n += detect->addresses[i].family == family;
  if (n == 1)
    cli_say ("[detect] has one IPv%u address: whether a translator maps and filters by the far "
             "side's address stays open there; a second one in addresses would tell",
             family);
}

static void
print_detect (const TepServerDetectConfig *detect)
{
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];
  const char *between = "";

  if (!detect->is_on)
    return;
  printf ("detection answers ");
  for (guint i = 0; i < detect->n_addresses; i++, between = ", ")
    printf ("%s%s", between, stun_ext_address_print_host (&detect->addresses[i], text));
  if (detect->n_addresses > 0) {
    printf (" on UDP and TCP ports ");
    for (guint i = 0; i < detect->n_ports; i++)
      printf ("%s%u", i > 0 ? ", " : "", detect->ports[i]);
  }
  printf ("%s%s; tep-detect asks there which of them were heard from outside\n",
          detect->n_addresses > 0 && detect->is_at_front_door ? ", and " : "",
          detect->is_at_front_door ? "at the front door" : "");
  if (detect->n_addresses == 0)
    cli_say ("[detect] has no addresses: of translators, and of ports but the front door's, "
             "nothing can be told; write addresses=192.0.2.1;192.0.2.2");
  say_what_is_open (detect, 4);
  say_what_is_open (detect, 6);
}

static void
print_check (const TepServerConfig *config)
{
  guint n = tep_server_users_count (config->users);
  guint n_tls_only = tep_server_users_count_tls_only (config->users);

  printf ("%s: valid; %u listener%s, %u user%s\n", config->path, config->n_listeners,
          config->n_listeners == 1 ? "" : "s", n, n == 1 ? "" : "s");
  print_detect (&config->detect);
  if (n_tls_only == 0)
    return;
  cli_say ("%u of the users can log in under TLS only, because %s; give them passwords of at least "
           "%d octets%s",
           n_tls_only,
           n_tls_only == 1 ? "the password is short or not known"
                           : "passwords are short or not known",
           TEP_SERVER_PLAIN_PASSWORD_MIN,
           config->tls.certificate_file == NULL ? ", or configure [tls]" : "");
}

/* Each connection, each relayed port and each worker needs descriptors. */
static void
raise_descriptors (const TepServerConfig *config)
{
  struct rlimit limit;
  rlim_t wanted = (rlim_t)config->limits.connections + SPARE_DESCRIPTORS;

  if (getrlimit (RLIMIT_NOFILE, &limit) != 0)
    return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit (RLIMIT_NOFILE, &limit);
  if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < wanted)
    cli_say ("[limits] connections=%u cannot be reached: the system grants %llu descriptors; raise "
             "LimitNOFILE",
             config->limits.connections, (unsigned long long)limit.rlim_max);
}

int
main (int argc, char **argv)
{
  g_autofree char *config_file = NULL;
  g_autofree char *record_file = NULL;
  DaemonOptions options = { .config_file = DEFAULT_CONFIG };
  gboolean wants_check = FALSE, wants_status = FALSE, wants_json = FALSE;
  const GOptionEntry entries[] = {
    { "config", 'c', 0, G_OPTION_ARG_FILENAME, &config_file,
      "Configuration file (default " DEFAULT_CONFIG ")", "FILE" },
    { "check", 0, 0, G_OPTION_ARG_NONE, &wants_check,
      "Check the configuration and every file it names, and end", NULL },
    { "status", 0, 0, G_OPTION_ARG_NONE, &wants_status,
      "Ask the running daemon for its state, through [metrics], and end", NULL },
    { "json", 0, 0, G_OPTION_ARG_NONE, &wants_json, "Print the state as JSON", NULL },
    { "pcap", 0, 0, G_OPTION_ARG_FILENAME, &record_file, "Record all inner packets, for Wireshark",
      "FILE" },
    G_OPTION_ENTRY_NULL,
  };
  g_auto (PrivilegesUser) user = { 0 };
  g_autoptr (TepServerConfig) config = NULL;
  g_autoptr (GError) error = NULL;
  CliExit status;

  if (!cli_parse (&program, entries, &argc, &argv, &status))
    return status;
  if (argc > 1)
    return cli_usage ("\"%s\" is no option; only options are understood", argv[1]);
  if (wants_json && !wants_status)
    return cli_usage ("--json goes with --status");
  if (config_file != NULL)
    options.config_file = config_file;
  options.record_file = record_file;
  config = daemon_load_config (&options, &error);
  if (config == NULL || !privileges_find_user (&user, config->user, &error)) {
    cli_say ("%s", error->message);
    return CLI_EXIT_CONFIG;
  }
  if (wants_status)
    return cli_finish (status_print (config, wants_json));
  if (wants_check) {
    print_check (config);
    return cli_finish (CLI_EXIT_OK);
  }
  raise_descriptors (config);
  return daemon_run (&options, config, &user);
}
