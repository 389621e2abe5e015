/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* turn-connect check: does this TURN server work from here, how fast, and if not, where and why does it fail. */
#include <stdio.h>
#include <string.h>

#include "tools/causes.h"
#include "tools/cli.h"
#include "tools/reach-options.h"
#include "tools/relay-trial.h"
#include "tools/turn-connect.h"
#include "turn-connect/secret-file.h"

#define LIMIT_S 10            /* for each step that waits for the server */
#define RTT_TOLD_FROM_US 5000 /* a shorter round trip is lost in the time that computing takes */
#define MS(us) ((double)(us) / 1000)

typedef struct {
  TurnConnectUri *uri;
  char *user;
  char *password;
  gint64 resolve_us;
  GPtrArray *servers; /* TurnConnectServer */
  GPtrArray *trials;  /* RelayTrial */
  GError *error;      /* nothing could be tried */
} Check;

static ReachOptions reach;
static char *credentials_file;
static gboolean is_json, tries_all;

static const GOptionEntry entries[] = {
  { "credentials", 'u', 0, G_OPTION_ARG_FILENAME, &credentials_file,
    "user:password for the TURN server", "FILE" },
  { "all", 'a', 0, G_OPTION_ARG_NONE, &tries_all,
    "Try every server and transport, and not only until one works", NULL },
  { "json", 'j', 0, G_OPTION_ARG_NONE, &is_json, "Print the result as JSON on standard output",
    NULL },
  REACH_OPTION_ENTRIES (reach),
  REACH_OPTION_TLS_ENTRIES (reach),
  G_OPTION_ENTRY_NULL
};

static void
check_clear (Check *check)
{
  g_clear_pointer (&check->uri, turn_connect_uri_unref);
  g_free (check->user);
  turn_connect_secret_free (check->password);
  g_clear_pointer (&check->servers, g_ptr_array_unref);
  g_clear_pointer (&check->trials, g_ptr_array_unref);
  g_clear_error (&check->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Check, check_clear)

/* Which servers */

typedef struct {
  Check *check;
  gboolean is_done;
} Lookup;

static void
resolved (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Lookup *lookup = user_data;

  lookup->check->servers = turn_connect_resolve_finish (result, &lookup->check->error);
  lookup->is_done = TRUE;
}

/* Where a proxy may be in the way, the proxy looks names up: what DNS says here, if it says anything, may be meant for
 * others, and whether there is one shows only when a host is known. */
static TurnConnectResolveFlags
who_looks_up (void)
{
  return reach.proxy == NULL || strcmp (reach.proxy, "none") == 0 ? TURN_CONNECT_RESOLVE_DIRECT
                                                                  : TURN_CONNECT_RESOLVE_BY_PROXY;
}

static gboolean
find_servers (Check *check)
{
  static const TurnConnectTransport known[] = { TURN_CONNECT_TRANSPORT_UDP,
                                                TURN_CONNECT_TRANSPORT_TCP,
                                                TURN_CONNECT_TRANSPORT_TLS,
                                                TURN_CONNECT_TRANSPORT_DTLS };
  Lookup lookup = { check, FALSE };
  gint64 began = g_get_monotonic_time ();

  turn_connect_resolve_async (check->uri, known, G_N_ELEMENTS (known), who_looks_up (), NULL,
                              resolved, &lookup);
  while (!lookup.is_done)
    g_main_context_iteration (NULL, TRUE);
  check->resolve_us = g_get_monotonic_time () - began;
  return check->servers != NULL;
}

static TurnConnectTarget *
make_target (const Check *check, const TurnConnectServer *server, GError **error)
{
  g_autoptr (TurnConnectTarget) target =
      turn_connect_target_new (server->host, server->port, error);
  g_autoptr (TurnConnectTlsOptions) tls = NULL;

  if (target == NULL || !reach_options_apply (&reach, target, error))
    return NULL;
  if (server->transport != TURN_CONNECT_TRANSPORT_TLS &&
      server->transport != TURN_CONNECT_TRANSPORT_DTLS)
    return g_steal_pointer (&target);
  /* Whatever DNS said, the certificate is for the host of the URI. */
  tls = reach_options_make_tls (&reach, turn_connect_uri_get_host (check->uri), "stun.turn", error);
  if (tls == NULL)
    return NULL;
  turn_connect_target_set_tls (target, tls);
  return g_steal_pointer (&target);
}

/* Trying */

static void
progress (const char *doing, gpointer where)
{
  cli_say ("%s: %s", (const char *)where, doing);
}

static char *
name_server (TurnConnectTransport transport, const char *host, guint port)
{
  return g_strdup_printf (g_strrstr (host, ":") != NULL ? "[%s]:%u by %s" : "%s:%u by %s", host,
                          port, turn_connect_transport_to_string (transport));
}

static gboolean
try_server (Check *check, const TurnConnectServer *server)
{
  g_autofree char *name = name_server (server->transport, server->host, server->port);
  g_autoptr (TurnConnectTarget) target = make_target (check, server, &check->error);
  RelayTrialWay way = {
    .target = target,
    .transport = server->transport,
    .user = check->user,
    .password = check->password,
    .limit_s = reach.timeout_s > 0 ? (guint)reach.timeout_s : LIMIT_S,
  };
  RelayTrial *trial;

  if (target == NULL)
    return FALSE;
  trial = relay_trial_run (&way, progress, name);
  g_ptr_array_add (check->trials, trial);
  if (trial->error != NULL)
    cause_say (name, trial->error);
  return TRUE;
}

static const RelayTrial *
find_best (const Check *check)
{
  for (guint i = 0; i < check->trials->len; i++) {
    const RelayTrial *trial = g_ptr_array_index (check->trials, i);

    if (trial->error == NULL)
      return trial;
  }
  return NULL;
}

static void
try_servers (Check *check)
{
  for (guint i = 0; i < check->servers->len; i++) {
    if (!try_server (check, g_ptr_array_index (check->servers, i)) ||
        (!tries_all && find_best (check) != NULL))
      return;
  }
}

/* What stands for all failures: the first that somebody can mend, else the last. */
static const GError *
find_error (const Check *check)
{
  const GError *last = check->error;

  for (guint i = 0; i < check->trials->len && check->error == NULL; i++) {
    const RelayTrial *trial = g_ptr_array_index (check->trials, i);

    last = trial->error;
    if (!turn_connect_error_may_pass (last))
      break;
  }
  return last;
}

/* Telling people */

static void
append_step (GString *line, const RelayTrial *trial, const char *name, gint64 us)
{
  if (us == 0)
    return;
  g_string_append_printf (line, "%s%s %.1f ms", line->len > 0 ? ", " : "", name, MS (us));
  if (trial->bind_us >= RTT_TOLD_FROM_US)
    g_string_append_printf (line, " (%.1f)", (double)us / (double)trial->bind_us);
}

static void
print_set_up (const Check *check, const RelayTrial *trial)
{
  g_autoptr (GString) line = g_string_new (NULL);

  append_step (line, trial, "finding the server", check->resolve_us);
  if (trial->has_timings) {
    append_step (line, trial, "name", trial->timings.resolve_us);
    append_step (line, trial, "TCP", trial->timings.connect_us);
    append_step (line, trial, "proxy", trial->timings.proxy_us);
    append_step (line, trial, "TLS", trial->timings.tls_us);
  } else
    append_step (line, trial, "connecting", trial->connect_us);
  append_step (line, trial, "allocation", trial->allocate_us);
  printf ("  set-up   %.1f ms to the first packet: %s\n", MS (trial->total_us), line->str);
  if (trial->bind_us >= RTT_TOLD_FROM_US)
    printf ("           (in brackets: round trips of %.1f ms to the server and back)\n",
            MS (trial->bind_us));
}

static void
print_echo (const RelayTrial *trial)
{
  printf ("  echo     %u of %u packets arrived, %u came back; round trip %.1f ms (%.1f at least, "
          "%.1f at most), jitter %.1f ms\n",
          trial->n_there, trial->n_sent, trial->n_back, MS (trial->rtts_us[trial->n_back / 2]),
          MS (trial->rtts_us[0]), MS (trial->rtts_us[trial->n_back - 1]), MS (trial->jitter_us));
  if (trial->is_alone)
    printf ("           (from the allocation to itself: a second one failed: %s)\n",
            trial->alone_because);
}

static void
print_trial (const Check *check, const RelayTrial *trial)
{
  g_autofree char *name = name_server (trial->transport, trial->host, trial->port);

  printf ("%s: %s\n", name, trial->error == NULL ? "works" : "does not work");
  if (trial->error != NULL) {
    printf ("  cause    %s\n  step     %s\n  advice   %s\n", trial->error->message,
            turn_connect_step_to_string (turn_connect_error_get_step (trial->error)),
            cause_advice (trial->error));
  }
  if (trial->proxy != NULL)
    printf ("  through  %s\n", trial->proxy);
  if (trial->tls != NULL)
    printf ("  TLS      %s; certificate for %s%s%s\n", trial->tls,
            turn_connect_uri_get_host (check->uri), trial->alpn != NULL ? "; ALPN " : "",
            trial->alpn != NULL ? trial->alpn : "");
  if (trial->relayed != NULL) {
    printf ("  server   %s%s%s\n", trial->server, trial->software != NULL ? ", " : "",
            trial->software != NULL ? trial->software : "");
    printf ("  relayed  %s for %u s; the server sees this end as %s\n", trial->relayed,
            trial->lifetime_s, trial->mapped != NULL ? trial->mapped : "nobody");
  }
  if (trial->error != NULL)
    return;
  print_set_up (check, trial);
  print_echo (trial);
}

static void
print_verdict (const Check *check, const RelayTrial *best)
{
  const char *uri = turn_connect_uri_to_string (check->uri);
  g_autofree char *name = NULL;

  if (best == NULL) {
    printf ("%s does not work from here: %s\n", uri, find_error (check)->message);
    if (check->trials->len == 0)
      printf ("  advice   %s\n", cause_advice (find_error (check)));
    return;
  }
  name = name_server (best->transport, best->host, best->port);
  printf ("%s works from here: %s%s%s, %u of %u packets there and back in %.1f ms\n", uri, name,
          best->proxy != NULL ? " through " : "", best->proxy != NULL ? best->proxy : "",
          best->n_back, best->n_sent, MS (best->rtts_us[best->n_back / 2]));
}

/* Telling scripts */

static void
append_ms (GString *out, const char *key, gint64 us)
{
  cli_json_real (out, key, MS (us));
}

static void
append_set_up (GString *out, const RelayTrial *trial)
{
  g_autoptr (GString) set_up = g_string_new (NULL);

  cli_json_begin (set_up);
  if (trial->has_timings) {
    append_ms (set_up, "resolve_ms", trial->timings.resolve_us);
    append_ms (set_up, "connect_ms", trial->timings.connect_us);
    append_ms (set_up, "proxy_ms", trial->timings.proxy_us);
    append_ms (set_up, "tls_ms", trial->timings.tls_us);
  }
  append_ms (set_up, "transport_ms", trial->connect_us);
  append_ms (set_up, "allocate_ms", trial->allocate_us);
  append_ms (set_up, "total_ms", trial->total_us);
  append_ms (set_up, "server_rtt_ms", trial->bind_us);
  if (trial->bind_us >= RTT_TOLD_FROM_US)
    cli_json_real (set_up, "round_trips", (double)trial->total_us / (double)trial->bind_us);
  cli_json_end (set_up);
  cli_json_raw (out, "set_up", set_up->str);
}

static void
append_echo (GString *out, const RelayTrial *trial)
{
  g_autoptr (GString) echo = g_string_new (NULL);

  cli_json_begin (echo);
  cli_json_integer (echo, "sent", trial->n_sent);
  cli_json_integer (echo, "arrived", trial->n_there);
  cli_json_integer (echo, "returned", trial->n_back);
  if (trial->n_back > 0) {
    append_ms (echo, "rtt_min_ms", trial->rtts_us[0]);
    append_ms (echo, "rtt_median_ms", trial->rtts_us[trial->n_back / 2]);
    append_ms (echo, "rtt_max_ms", trial->rtts_us[trial->n_back - 1]);
    append_ms (echo, "jitter_ms", trial->jitter_us);
  }
  cli_json_boolean (echo, "to_itself", trial->is_alone);
  if (trial->alone_because != NULL)
    cli_json_text (echo, "second_allocation", trial->alone_because);
  cli_json_end (echo);
  cli_json_raw (out, "echo", echo->str);
}

static void
append_trial (GString *out, const RelayTrial *trial)
{
  cli_json_begin (out);
  cli_json_text (out, "transport", turn_connect_transport_to_string (trial->transport));
  cli_json_text (out, "host", trial->host);
  cli_json_integer (out, "port", trial->port);
  cli_json_boolean (out, "works", trial->error == NULL);
  if (trial->error != NULL)
    cause_append (out, trial->error);
  if (trial->proxy != NULL)
    cli_json_text (out, "proxy", trial->proxy);
  if (trial->tls != NULL)
    cli_json_text (out, "tls", trial->tls);
  if (trial->relayed != NULL) {
    cli_json_text (out, "server", trial->server);
    cli_json_text (out, "software", trial->software);
    cli_json_text (out, "relayed", trial->relayed);
    cli_json_text (out, "mapped", trial->mapped);
    cli_json_integer (out, "lifetime_s", trial->lifetime_s);
    append_set_up (out, trial);
    append_echo (out, trial);
  }
  cli_json_end (out);
}

static void
print_json (const Check *check, const RelayTrial *best)
{
  g_autoptr (GString) out = g_string_new (NULL);
  g_autoptr (GString) tried = g_string_new ("[");

  for (guint i = 0; i < check->trials->len; i++) {
    g_string_append (tried, i > 0 ? ", " : "");
    append_trial (tried, g_ptr_array_index (check->trials, i));
  }
  g_string_append_c (tried, ']');
  cli_json_begin (out);
  cli_json_text (out, "uri", turn_connect_uri_to_string (check->uri));
  cli_json_boolean (out, "works", best != NULL);
  if (best == NULL)
    cause_append (out, find_error (check));
  append_ms (out, "find_ms", check->resolve_us);
  cli_json_raw (out, "tried", tried->str);
  cli_json_end (out);
  puts (out->str);
}

static CliExit
report (const Check *check)
{
  const RelayTrial *best = find_best (check);

  if (is_json)
    print_json (check, best);
  else {
    print_verdict (check, best);
    for (guint i = 0; i < check->trials->len; i++)
      print_trial (check, g_ptr_array_index (check->trials, i));
  }
  return cli_finish (best != NULL ? CLI_EXIT_OK : cause_exit (find_error (check)));
}

static gboolean
prepare (Check *check, const char *text, GError **error)
{
  check->trials = g_ptr_array_new_with_free_func ((GDestroyNotify)relay_trial_free);
  check->uri = turn_connect_uri_new (text, error);
  if (check->uri == NULL)
    return FALSE;
  if (!turn_connect_uri_is_turn (check->uri)) {
    g_set_error_literal (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_UNSUPPORTED,
                         "only TURN servers are checked: the URI begins with turn: or turns:");
    return FALSE;
  }
  return credentials_file == NULL ||
         turn_connect_secret_file_load (credentials_file, TRUE, &check->user, &check->password,
                                        error);
}

int
turn_connect_check_main (int argc, char **argv)
{
  const CliProgram about = {
    .name = "turn-connect check",
    .arguments = "turns:HOST:443",
    .summary = "Says whether a TURN server works from here, how fast, and if not, where it fails.",
    .description =
        "Allocates twice, sends 16 packets from one to the other and back, and gives both back.\n"
        "Exit status: 0 it works; 69 something does not answer; 77 a credential was refused;\n"
        "78 what was given cannot work. See turn-connect(1) for all causes.",
  };
  g_auto (Check) check = { 0 };
  g_autoptr (GError) error = NULL;
  CliExit status;

  if (!cli_parse (&about, entries, &argc, &argv, &status))
    return status;
  if (argc != 2)
    return cli_usage (argc < 2 ? "which server?" : "one server at a time");
  if (!prepare (&check, argv[1], &error)) {
    cause_say (argv[1], error);
    return cause_exit (error);
  }
  if (find_servers (&check))
    try_servers (&check);
  return report (&check);
}
