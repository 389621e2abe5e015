/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* turn-connect: what clients that know nothing of proxies and TLS need on the way out. One program, a verb each. */
#include "tools/turn-connect.h"

#include <stdio.h>
#include <string.h>

#include "tools/cli.h"

static const struct {
  const char *name;
  int (*run) (int argc, char **argv);
  const char *summary;
} commands[] = {
  { "helper", turn_connect_helper_main,
    "a TURN server, or a proxy, on loopback that stands for one reached by TLS, through a proxy" },
  { "forward", turn_connect_forward_main,
    "a local port whose connections go to a server by TLS, through a proxy" },
  { "check", turn_connect_check_main,
    "does a TURN server work from here, how fast, and if not, where it fails" },
};

static char *
describe (void)
{
  GString *text = g_string_new ("Commands (--help after each shows its options):\n");

  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    g_string_append_printf (text, "  %-8s  %s\n", commands[i].name, commands[i].summary);
  g_string_append (text,
                   "\nSee turn-connect(1) for the causes of failures and what to do about each.");
  return g_string_free (text, FALSE);
}

int
main (int argc, char **argv)
{
  g_autofree char *description = describe ();
  const CliProgram about = {
    .name = "turn-connect",
    .arguments = "COMMAND ...",
    .summary = "Reaches TURN servers and registrars by TLS on port 443, through HTTP proxies, for "
               "programs "
               "that cannot.",
    .description = description,
  };
  const GOptionEntry entries[] = { G_OPTION_ENTRY_NULL };
  CliExit status;

  for (gsize i = 0; argc > 1 && i < G_N_ELEMENTS (commands); i++) {
    if (strcmp (argv[1], commands[i].name) == 0)
      return commands[i].run (argc - 1, argv + 1);
  }
  if (!cli_parse (&about, entries, &argc, &argv, &status))
    return status;
  if (argc > 1)
    return cli_usage ("“%s” is no command", argv[1]);
  return cli_usage ("which command?");
}
