/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long a choice takes, and how long the method that it chose takes if nothing else is tried: in turn, as often as
 * wanted, in one process, so that the machine's other work meets both alike. For tests/bench/choice.
 */
#include "tep-c/choice-ways.h"
#include "tep-c/choice.h"
#include "tep-c/methods.h"
#include "tep-c/session-private.h"

#define PATIENCE_S 20
#define CALM_MS 200

static struct {
  char *server, *ca, *user, *password, *proxy, *proxy_user, *proxy_password;
  gint port, rounds;
} wanted = { .port = 443, .rounds = 10 };

static const GOptionEntry entries[] = {
  { "server", 0, 0, G_OPTION_ARG_STRING, &wanted.server, "its name or address", NULL },
  { "port", 0, 0, G_OPTION_ARG_INT, &wanted.port, "of the way that is configured", NULL },
  { "ca", 0, 0, G_OPTION_ARG_STRING, &wanted.ca, "file", NULL },
  { "user", 0, 0, G_OPTION_ARG_STRING, &wanted.user, "name", NULL },
  { "password", 0, 0, G_OPTION_ARG_STRING, &wanted.password, "of a laboratory", NULL },
  { "proxy", 0, 0, G_OPTION_ARG_STRING, &wanted.proxy, "URL", NULL },
  { "proxy-user", 0, 0, G_OPTION_ARG_STRING, &wanted.proxy_user, "name", NULL },
  { "proxy-password", 0, 0, G_OPTION_ARG_STRING, &wanted.proxy_password, "likewise", NULL },
  { "rounds", 0, 0, G_OPTION_ARG_INT, &wanted.rounds, "how many", NULL },
  { NULL },
};

typedef struct {
  gboolean is_over;
  gint64 took_us; /* < 0: it did not work */
  gint64 began_us;
  char *method;
} Taken;

static TepClientOptions *
make_options (void)
{
  TepClientOptions *options = tep_client_options_new ();

  options->host = g_strdup (wanted.server);
  options->port = (guint16)wanted.port;
  options->ca_file = g_strdup (wanted.ca);
  options->user = g_strdup (wanted.user);
  options->password = g_strdup (wanted.password);
  options->proxy = g_strdup (wanted.proxy);
  options->proxy_user = g_strdup (wanted.proxy_user);
  options->proxy_password = g_strdup (wanted.proxy_password);
  return options;
}

static gboolean
ran_out (gpointer data)
{
  g_printerr ("nothing happens within %d s\n", PATIENCE_S);
  exit (1);
}

static void
wait_for (const gboolean *is_over)
{
  guint timer = g_timeout_add_seconds (PATIENCE_S, ran_out, NULL);

  while (!*is_over)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (timer);
}

static void
is_calm (gpointer data)
{
  *(gboolean *)data = TRUE;
}

/* What is left over of one must not cost the next its time. */
static void
calm_down (void)
{
  gboolean is_over = FALSE;

  g_timeout_add_once (CALM_MS, is_calm, &is_over);
  wait_for (&is_over);
}

static void
chosen (TepClientChoice *choice, Taken *taken)
{
  TepClientChoiceReport report;

  if (taken->is_over)
    return;
  tep_client_choice_get_report (choice, &report);
  taken->is_over = TRUE;
  taken->took_us =
      report.path != TEP_CLIENT_PATH_NONE ? g_get_monotonic_time () - taken->began_us : -1;
  taken->method = g_strdup (report.method);
}

static void
time_choice (const TepClientOptions *options, Taken *taken)
{
  g_autoptr (TepClientChoice) choice = tep_client_choice_new (options);
  g_autoptr (GError) error = NULL;

  g_signal_connect (choice, "chosen", G_CALLBACK (chosen), taken);
  taken->began_us = g_get_monotonic_time ();
  if (!tep_client_choice_begin (choice, &error)) {
    g_printerr ("%s\n", error->message);
    exit (1);
  }
  wait_for (&taken->is_over);
  g_signal_handlers_disconnect_by_data (choice, taken);
}

static void
works (TurnConnectDetection *detection, const char *name, int proof, Taken *taken)
{
  if (taken->is_over)
    return;
  taken->is_over = TRUE;
  taken->took_us = g_get_monotonic_time () - taken->began_us;
}

static void
ended (GObject *detection, GAsyncResult *result, gpointer data)
{
  *(gboolean *)data = TRUE;
}

/* The method, and nothing beside it. */
static void
time_method (const TepClientOptions *options, const char *method, Taken *taken)
{
  const char *const names[] = { method, NULL };
  g_autoptr (GPtrArray) ways = tep_client_ways_new (options);
  const TepClientWay *way = g_ptr_array_index (ways, (guint)tep_client_ways_find (ways, method));
  g_autoptr (TurnConnectTarget) target =
      tep_client_session_make_target (way->options != NULL ? way->options : options, NULL);
  g_autoptr (TurnConnectDetection) detection = NULL;
  gboolean is_ended = FALSE;

  taken->began_us = g_get_monotonic_time ();
  detection = turn_connect_detection_new (target);
  turn_connect_detection_set_credentials (detection, options->user, options->password);
  turn_connect_detection_set_probes (detection, TURN_CONNECT_PROBE_SET_METHODS);
  turn_connect_detection_set_methods (detection, names);
  turn_connect_detection_set_first_method (detection, TRUE, 0);
  turn_connect_detection_set_direct_port (detection, TEP_CLIENT_CHOICE_DIRECT_PORT);
  if (way->options != NULL)
    tep_client_add_method (detection, method, way->options, 0);
  taken->took_us = -1;
  g_signal_connect (detection, "method-works", G_CALLBACK (works), taken);
  turn_connect_detection_run_async (detection, NULL, ended, &is_ended);
  wait_for (&is_ended);
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (TepClientOptions) options = NULL;
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || wanted.server == NULL) {
    g_printerr ("choose: %s\n", error != NULL ? error->message : "--server is missing");
    return 64;
  }
  options = make_options ();
  for (gint i = 0; i < wanted.rounds; i++) {
    Taken choice = { 0 }, alone = { 0 };

    time_choice (options, &choice);
    calm_down ();
    if (choice.method != NULL)
      time_method (options, choice.method, &alone);
    calm_down ();
    g_print ("%s %.3f %.3f\n", choice.method != NULL ? choice.method : "none",
             (double)choice.took_us / 1000, (double)alone.took_us / 1000);
    g_free (choice.method);
  }
  return 0;
}
