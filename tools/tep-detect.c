/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tep-detect: which firewall is this, how do you know, and what gets through. */
#include "tools/tep-detect.h"

#include "tools/tep-detect-pcap.h"

#include "tep-c/methods.h"
#include "tools/cli.h"
#include "tools/reach-options.h"
#include "turn-connect/detect/detection.h"
#include "turn-connect/detect/record.h"
#include "turn-connect/error.h"
#include "turn-connect/proxy/learn.h"

#include <glib-unix.h>
#include <signal.h>
#include <unistd.h>

static ReachOptions reach;
static char **turn_uris;
static char *credentials_file, *interface, *ladder, *replay_file, *html_file, *pcap_file,
    *conditions;
static gboolean is_json, is_four, is_six, is_deep, is_quiet, is_verbose, compares, is_redacted;
static const char *private_words[5]; /* that no redacted report holds */

static const GOptionEntry entries[] = {
  { "credentials", 'u', 0, G_OPTION_ARG_FILENAME, &credentials_file, "user:password at the far end",
    "FILE" },
  { "turn", 't', 0, G_OPTION_ARG_STRING_ARRAY, &turn_uris,
    "Try this TURN server instead of the far end; may be repeated", "URI" },
  { "json", 'j', 0, G_OPTION_ARG_NONE, &is_json, "Print the result as JSON", NULL },
  { "ipv4", '4', 0, G_OPTION_ARG_NONE, &is_four, "IPv4 alone", NULL },
  { "ipv6", '6', 0, G_OPTION_ARG_NONE, &is_six, "IPv6 alone", NULL },
  { "interface", 'i', 0, G_OPTION_ARG_STRING, &interface, "Send by this network interface alone",
    "NAME" },
  { "deep", 0, 0, G_OPTION_ARG_NONE, &is_deep, "Also what takes minutes: lifetimes, MTU, quality",
    NULL },
  { "ladder", 0, 0, G_OPTION_ARG_STRING, &ladder,
    "Silences that --deep tries, in seconds (15,30,...,300)", "SECONDS,..." },
  { "replay", 0, 0, G_OPTION_ARG_FILENAME, &replay_file,
    "Judge the observations in this file, as --json printed them", "FILE" },
  { "compare", 0, 0, G_OPTION_ARG_NONE, &compares,
    "Say what differs between two files that --json made", NULL },
  { "assert", 0, 0, G_OPTION_ARG_STRING, &conditions,
    "Exit 0 if all of these hold, else 1: works, turn-tls, udp, no-nat, tcp=443, type=4...",
    "NAME,..." },
  { "html", 0, 0, G_OPTION_ARG_FILENAME, &html_file, "Also write the report as a page", "FILE" },
  { "pcap", 0, 0, G_OPTION_ARG_FILENAME, &pcap_file,
    "Write the run's packets for Wireshark, if that is allowed", "FILE" },
  { "redact", 0, 0, G_OPTION_ARG_NONE, &is_redacted,
    "Replace addresses and names in all that is reported", NULL },
  { "quiet", 'q', 0, G_OPTION_ARG_NONE, &is_quiet, "No progress on standard error", NULL },
  { "verbose", 'v', 0, G_OPTION_ARG_NONE, &is_verbose, "Every probe on standard error, as it ends",
    NULL },
  REACH_OPTION_ENTRIES (reach),
  REACH_OPTION_TLS_ENTRIES (reach),
  G_OPTION_ENTRY_NULL
};

/* Telling */

static int
judge (const TurnConnectVerdict *verdict)
{
  g_autofree char *broken = NULL;

  if (conditions == NULL)
    return turn_connect_verdict_get_exit (verdict);
  broken = tep_detect_assert (verdict, conditions);
  if (broken == NULL)
    return CLI_EXIT_OK;
  cli_say ("%s", broken);
  return CLI_EXIT_FAILED;
}

static int
report_as_is (const TurnConnectObservations *observations, const TurnConnectVerdict *verdict)
{
  int status = judge (verdict);
  g_autoptr (GError) error = NULL;

  if (is_json) {
    g_autofree char *text = turn_connect_record_write (observations, verdict, isatty (1));

    puts (text);
  } else
    tep_detect_text_print (stdout, observations, verdict);
  if (html_file != NULL && !tep_detect_html_write (html_file, observations, verdict, &error)) {
    cli_say ("%s", error->message);
    status = TURN_CONNECT_EXIT_INTERNAL;
  }
  return cli_finish (CLI_EXIT_OK) == CLI_EXIT_OK ? status : TURN_CONNECT_EXIT_INTERNAL;
}

static int
report (const TurnConnectObservations *observations, const TurnConnectVerdict *verdict)
{
  g_autoptr (TurnConnectObservations) copy = NULL;
  g_autoptr (TurnConnectVerdict) again = NULL;
  g_autoptr (GError) error = NULL;

  if (!is_redacted)
    return report_as_is (observations, verdict);
  copy = tep_detect_redact (observations, private_words, &error);
  if (copy == NULL) {
    cli_say ("%s", error->message);
    return TURN_CONNECT_EXIT_INTERNAL;
  }
  again = turn_connect_classify (copy);
  return report_as_is (copy, again);
}

static void
progress (TurnConnectDetection *detection,
          const char *doing,
          const TurnConnectProbe *probe,
          gpointer data)
{
  if (doing != NULL && !is_quiet)
    cli_say ("%s", doing);
  if (probe != NULL && is_verbose) {
    g_autofree char *line = tep_detect_text_describe (probe);

    cli_say ("%s", line);
  }
}

/* Replaying */

static TurnConnectObservations *
load (const char *path)
{
  g_autofree char *text = NULL;
  gsize length;
  g_autoptr (GError) error = NULL;
  TurnConnectObservations *observations = NULL;

  if (!g_file_get_contents (path, &text, &length, &error))
    cli_say ("%s", error->message);
  else {
    observations = turn_connect_record_read (text, length, &error);
    if (observations == NULL)
      cli_say ("%s: %s", path, error->message);
  }
  return observations;
}

static int
replay (void)
{
  g_autoptr (TurnConnectObservations) observations = load (replay_file);
  g_autoptr (TurnConnectVerdict) verdict = NULL;

  if (observations == NULL)
    return CLI_EXIT_CONFIG;
  verdict = turn_connect_classify (observations);
  return report (observations, verdict);
}

static int
compare (const char *before, const char *after)
{
  g_autoptr (TurnConnectObservations) one = load (before), other = NULL;
  g_autoptr (TurnConnectVerdict) was = NULL, is = NULL;
  gboolean differs;

  if (one == NULL || (other = load (after)) == NULL)
    return CLI_EXIT_CONFIG;
  was = turn_connect_classify (one);
  is = turn_connect_classify (other);
  differs = tep_detect_compare_print (stdout, was, is, is_json);
  if (cli_finish (CLI_EXIT_OK) != CLI_EXIT_OK)
    return TURN_CONNECT_EXIT_INTERNAL;
  return differs ? CLI_EXIT_FAILED : CLI_EXIT_OK;
}

/* Running */

static void
ended (GObject *source, GAsyncResult *result, gpointer loop)
{
  g_autoptr (GError) error = NULL;

  if (!turn_connect_detection_run_finish (TURN_CONNECT_DETECTION (source), result, &error))
    cli_say ("ended before its time: %s", error->message);
  g_main_loop_quit (loop);
}

static gboolean
interrupted (gpointer cancellable)
{
  g_cancellable_cancel (cancellable);
  return G_SOURCE_CONTINUE;
}

/* Without the right to capture there is a result all the same. NULL @status: no capture. */
static TepDetectCapture *
begin_capture (int *status)
{
  g_autoptr (GError) error = NULL;
  TepDetectCapture *capture =
      pcap_file != NULL ? tep_detect_capture_new (pcap_file, interface, &error) : NULL;

  if (error == NULL)
    return capture;
  if (error->domain == G_FILE_ERROR)
    *status = CLI_EXIT_CONFIG;
  cli_say ("%s%s", error->message,
           error->domain == G_FILE_ERROR ? "" : "; going on without --pcap");
  return NULL;
}

static gboolean
end_capture (TepDetectCapture *capture, const TurnConnectObservations *observations)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *line =
      capture != NULL ? tep_detect_capture_write (capture, observations, &error) : NULL;

  if (error != NULL)
    cli_say ("%s", error->message);
  else if (line != NULL && !is_quiet)
    cli_say ("%s", line);
  return error == NULL;
}

static int
run (TurnConnectDetection *detection)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  int status = CLI_EXIT_OK;
  g_autoptr (TepDetectCapture) capture = begin_capture (&status);
  gboolean is_captured;

  if (status != CLI_EXIT_OK)
    return status;
  g_unix_signal_add (SIGINT, interrupted, cancellable);
  g_unix_signal_add (SIGTERM, interrupted, cancellable);
  g_signal_connect (detection, "progress", G_CALLBACK (progress), NULL);
  turn_connect_detection_run_async (detection, cancellable, ended, loop);
  g_main_loop_run (loop);
  is_captured = end_capture (capture, turn_connect_detection_get_observations (detection));
  status = report (turn_connect_detection_get_observations (detection),
                   turn_connect_detection_get_verdict (detection));
  return is_captured ? status : TURN_CONNECT_EXIT_INTERNAL;
}

static TurnConnectTarget *
make_target (const char *text, GError **error)
{
  static char usual[] = "auto";
  g_autofree char *host = NULL;
  guint port;
  g_autoptr (TurnConnectTarget) target = NULL;
  g_autoptr (TurnConnectTlsOptions) tls = NULL;

  if (!reach_options_split (text, TURN_CONNECT_DETECT_PORT, &host, &port, error))
    return NULL;
  if (reach.proxy == NULL)
    reach.proxy = usual;
  target = turn_connect_target_new (host, port, error);
  if (target == NULL || !reach_options_apply (&reach, target, error))
    return NULL;
  if (interface != NULL)
    turn_connect_target_set_interface (target, interface);
  tls = reach_options_make_tls (&reach, NULL, NULL, error);
  if (tls == NULL)
    return NULL;
  turn_connect_target_set_tls (target, tls);
  return g_steal_pointer (&target);
}

static void
learnt (GObject *source, GAsyncResult *result, gpointer data)
{
  char **words = data;

  *words = turn_connect_learn_proxy_finish (result);
  if (*words == NULL)
    *words = g_strdup ("auto");
}

/* Where only the network names a proxy: everything that follows is as if that had been asked for. */
static TurnConnectTarget *
learn_proxy (const char *text, TurnConnectTarget *target, GError **error)
{
  char *words = NULL;

  if (strcmp (reach.proxy, "auto") != 0)
    return target;
  turn_connect_learn_proxy_async (target, NULL, learnt, &words);
  while (words == NULL)
    g_main_context_iteration (NULL, TRUE);
  reach.proxy = words; /* until the end of the program, as what the command line said */
  if (strcmp (words, "auto") == 0)
    return target;
  g_object_unref (target);
  return make_target (text, error);
}

static gboolean
set_turn (TurnConnectDetection *detection, GError **error)
{
  for (guint i = 0; turn_uris != NULL && turn_uris[i] != NULL; i++) {
    g_autoptr (TurnConnectUri) uri = turn_connect_uri_new (turn_uris[i], error);

    if (uri == NULL)
      return FALSE;
    if (!turn_connect_uri_is_turn (uri)) {
      g_set_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
                   "“%s” names no TURN server", turn_uris[i]);
      return FALSE;
    }
    turn_connect_detection_set_turn (detection, uri);
  }
  return TRUE;
}

/* How a TEP-S is reached there. */
static TepClientOptions *
make_options (TurnConnectTarget *target, GError **error)
{
  g_autoptr (TepClientOptions) options = tep_client_options_new ();

  options->host = g_strdup (turn_connect_target_get_host (target));
  options->ca_file = g_strdup (reach.ca);
  options->pin_sha256 = reach.pins != NULL ? g_strdup (reach.pins[0]) : NULL;
  options->proxy = g_strdup (reach.proxy);
  options->connect_headers = g_strdupv (reach.headers);
  options->attempt_timeout_s = 6;
  if ((credentials_file != NULL &&
       !reach_options_load_credentials (credentials_file, FALSE, &options->user, &options->password,
                                        error)) ||
      (reach.proxy_credentials != NULL &&
       !reach_options_load_credentials (reach.proxy_credentials, FALSE, &options->proxy_user,
                                        &options->proxy_password, error)))
    return NULL;
  return g_steal_pointer (&options);
}

/* What error messages may name besides hosts. */
static void
note_private_words (const TepClientOptions *options)
{
  const char *const words[] = { g_get_user_name (), g_get_host_name (), options->user,
                                options->proxy_user };
  gsize n = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (words); i++) {
    if (words[i] != NULL)
      private_words[n++] = words[i];
  }
}

static gboolean
set_ladder (TurnConnectDetection *detection, GError **error)
{
  g_auto (GStrv) words =
      ladder != NULL ? g_strsplit (ladder, ",", TURN_CONNECT_LADDER_MAX + 1) : NULL;
  guint seconds[TURN_CONNECT_LADDER_MAX], n = 0;
  gboolean is_good = TRUE;

  for (; words != NULL && words[n] != NULL && is_good; n++) {
    guint64 number;

    is_good = n < G_N_ELEMENTS (seconds) &&
              g_ascii_string_to_unsigned (words[n], 10, 1, G_MAXUINT16, &number, NULL);
    if (is_good)
      seconds[n] = (guint)number;
  }
  if (words == NULL || (is_good && turn_connect_detection_set_ladder (detection, seconds, n)))
    return TRUE;
  g_set_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
               "“%s” is no list of at most %d seconds, 1 to 300, ascending", ladder,
               TURN_CONNECT_LADDER_MAX);
  return FALSE;
}

/* Whoever uses what works here needs them too. */
static void
set_options (TurnConnectDetection *detection)
{
  const struct {
    gboolean is_set;
    const char *name;
  } options[] = {
    { reach.ca != NULL, "--ca" },
    { reach.pins != NULL, "--pin" },
    { reach.pins_only, "--pin-only" },
    { reach.certificate != NULL, "--cert" },
    { reach.key != NULL, "--key" },
    { reach.null_suite != NULL, "--null-encryption" },
    { reach.proxy_credentials != NULL, "--proxy-credentials" },
    { reach.proxy_ca != NULL, "--proxy-ca" },
    { reach.headers != NULL, "--header" },
  };
  g_autoptr (GString) list = g_string_new (NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (options); i++) {
    if (options[i].is_set)
      g_string_append_printf (list, "%s%s", list->len > 0 ? " " : "", options[i].name);
  }
  if (list->len > 0)
    turn_connect_detection_set_fact (detection, "options", list->str);
}

static gboolean
set_up (TurnConnectDetection *detection, const TepClientOptions *options, GError **error)
{
  guint family = is_four ? 4 : is_six ? 6 : 0;

  turn_connect_detection_set_family (detection, family);
  turn_connect_detection_set_deep (detection, is_deep);
  if (!turn_connect_detection_set_interface (detection, interface, error) ||
      !set_turn (detection, error) || !set_ladder (detection, error))
    return FALSE;
  set_options (detection);
  turn_connect_detection_set_credentials (detection, options->user, options->password);
  tep_client_add_methods (detection, options, family);
  return TRUE;
}

/* What was asked for; -1 if that is a run. */
static int
do_without_network (int argc, char **argv)
{
  g_autofree char *unknown = NULL;

  if (conditions != NULL && !tep_detect_assert_check (conditions, &unknown)) {
    g_autofree char *list = tep_detect_assert_list ();

    return cli_usage ("--assert: “%s” is none of: %s; each also with no- before it", unknown, list);
  }
  if (is_redacted && (is_verbose || pcap_file != NULL))
    return cli_usage ("what --verbose and --pcap tell cannot be redacted");
  if (pcap_file != NULL && (compares || replay_file != NULL))
    return cli_usage ("--pcap takes a run");
  if (compares && (replay_file != NULL || html_file != NULL || conditions != NULL || is_redacted))
    return cli_usage ("--compare goes with --json alone");
  if (compares)
    return argc == 3 ? compare (argv[1], argv[2]) : (int)cli_usage ("--compare takes two files");
  if (replay_file != NULL)
    return argc == 1 ? replay () : (int)cli_usage ("--replay asks nobody");
  if (argc != 2)
    return cli_usage (argc < 2 ? "which far end?" : "one far end at a time");
  if (is_four && is_six)
    return cli_usage ("-4 and -6 exclude each other; without them, both families are tried");
  return -1;
}

int
main (int argc, char **argv)
{
  const CliProgram about = {
    .name = "tep-detect",
    .arguments = "HOST[:PORT]",
    .summary =
        "Says which NAT or firewall is in the way, how that is known, and what gets through.",
    .description =
        "HOST is a tep-s with detection; any STUN server with RFC 5780 does for the NAT alone.\n"
        "Exit status: 0 nothing in the way; 1 a call gets through by other ways; 2 nothing gets\n"
        "through; 3 not determined; 64 wrong use; 69 the far end is not there; 70 internal.\n"
        "With --assert: 0 all holds; 1 not. With --compare: 0 nothing differs; 1 something does.",
  };
  g_autoptr (TurnConnectTarget) target = NULL;
  g_autoptr (TepClientOptions) options = NULL;
  g_autoptr (TurnConnectDetection) detection = NULL;
  g_autoptr (GError) error = NULL;
  CliExit status;
  int done;

  if (!cli_parse (&about, entries, &argc, &argv, &status))
    return status;
  done = do_without_network (argc, argv);
  if (done >= 0)
    return done;
  target = make_target (argv[1], &error);
  if (target != NULL)
    target = learn_proxy (argv[1], target, &error);
  if (target == NULL || (options = make_options (target, &error)) == NULL)
    return reach_options_fail (error);
  note_private_words (options);
  detection = turn_connect_detection_new (target);
  if (!set_up (detection, options, &error))
    return reach_options_fail (error);
  return run (detection);
}
