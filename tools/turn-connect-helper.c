/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* turn-connect helper: TURN clients that know only plain TCP, carried to servers by TLS, through a proxy. */
#include <string.h>

#include <glib-unix.h>

#include "tools/causes.h"
#include "tools/cli.h"
#include "tools/helper-login.h"
#include "tools/reach-options.h"
#include "tools/turn-connect.h"
#include "turn-connect/local/bridge.h"
#include "turn-connect/secret-file.h"
#include "turn-connect/turn/uri.h"

#define ALPN "stun.turn" /* RFC 7443 */

static ReachOptions reach;
static char *credentials;
static gboolean logs_in; /* the helper itself, and not its clients */
static char **listen_at, **servers, **users, **turn_credentials, **turn_secrets;
static gboolean is_json, allows_plain, only_try;

static const GOptionEntry entries[] = {
  { "listen", 'l', 0, G_OPTION_ARG_STRING_ARRAY, &listen_at,
    "Where clients connect to, by TCP; once for each --server, in the same order", "ADDR:PORT" },
  { "server", 's', 0, G_OPTION_ARG_STRING_ARRAY, &servers, "The TURN server; may be repeated",
    "turns:HOST:PORT" },
  { "credentials", 'u', 0, G_OPTION_ARG_FILENAME, &credentials,
    "user:password that clients have to give which take this for a proxy", "FILE" },
  { "turn-credentials", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &turn_credentials,
    "user:password for the server, read again when it changes; clients get local ones. Once for "
    "each --server, or for all",
    "FILE" },
  { "turn-secret", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &turn_secrets,
    "user:secret, to make time-limited credentials from; likewise", "FILE" },
  { "allow-user", 0, 0, G_OPTION_ARG_STRING_ARRAY, &users,
    "Let this user's programs in too; may be repeated", "NAME" },
  { "allow-plain", 0, 0, G_OPTION_ARG_NONE, &allows_plain,
    "Take turn: servers, which are reached without TLS", NULL },
  { "try", 0, 0, G_OPTION_ARG_NONE, &only_try, "Reach every server once, say how it went, and end",
    NULL },
  { "json", 'j', 0, G_OPTION_ARG_NONE, &is_json, "Print an event a line as JSON on standard output",
    NULL },
  REACH_OPTION_ENTRIES (reach),
  REACH_OPTION_TLS_ENTRIES (reach),
  G_OPTION_ENTRY_NULL
};

typedef struct {
  TurnConnectBridge *bridge;
  GMainLoop *loop;
  guint n_servers;
  guint n_tried;
  GPtrArray *watches; /* GFileMonitor */
  CliExit status;
} Helper;

/* What happens, told */

static const char *
name_of (guint server)
{
  return server > 0 ? servers[server - 1] : "a client";
}

static void
connected (TurnConnectBridge *bridge, guint server, gpointer data)
{
  if (is_json) {
    GString *event = cli_event_begin ("connected");

    cli_json_text (event, "server", name_of (server));
    cli_event_print (event);
  } else
    cli_say ("reached %s", name_of (server));
}

static void
failed (TurnConnectBridge *bridge, guint server, const GError *error, gpointer data)
{
  if (is_json) {
    GString *event = cli_event_begin (server > 0 ? "failed" : "client-refused");

    if (server > 0)
      cli_json_text (event, "server", name_of (server));
    cause_append (event, error);
    cli_event_print (event);
  } else
    cause_say (name_of (server), error);
}

static void
tell_listening (TurnConnectBridge *bridge, guint server, const char *host, guint16 port)
{
  const char *literal = turn_connect_bridge_get_literal (bridge, server, G_SOCKET_FAMILY_IPV4);
  const char *literal6 = turn_connect_bridge_get_literal (bridge, server, G_SOCKET_FAMILY_IPV6);
  g_autofree char *where = strchr (host, ':') != NULL ? g_strdup_printf ("[%s]:%u", host, port)
                                                      : g_strdup_printf ("%s:%u", host, port);

  const char *user = logs_in ? turn_connect_bridge_get_user (bridge) : NULL;
  const char *password = logs_in && credentials == NULL
                             ? turn_connect_bridge_get_password (bridge)
                             : NULL; /* one that is in a file stays there */

  if (!is_json) {
    cli_say ("ready: turn:%s?transport=tcp is %s", where, name_of (server));
    if (user != NULL)
      cli_say ("  log in there as %s, password %s", user,
               password != NULL ? password : "as in the file of --credentials");
    cli_say ("  for clients with an HTTP proxy: proxy %s, server %s or %s, port %d", where, literal,
             literal6, TURN_CONNECT_BRIDGE_LITERAL_PORT);
    return;
  }
  GString *event = cli_event_begin ("listening");
  cli_json_text (event, "address", where);
  cli_json_text (event, "server", name_of (server));
  cli_json_text (event, "literal", literal);
  cli_json_text (event, "literal6", literal6);
  cli_json_integer (event, "literal_port", TURN_CONNECT_BRIDGE_LITERAL_PORT);
  if (user != NULL)
    cli_json_text (event, "user", user);
  if (password != NULL)
    cli_json_text (event, "password", password);
  cli_event_print (event);
}

static gboolean
tell_counts (gpointer data)
{
  const Helper *helper = data;
  TurnConnectBridgeCounts counts;

  turn_connect_bridge_get_counts (helper->bridge, &counts);
  if (is_json) {
    GString *event = cli_event_begin ("status");

    cli_json_integer (event, "streams", (gint64)counts.n_streams);
    cli_json_integer (event, "up", (gint64)counts.n_up);
    cli_json_integer (event, "accepted", (gint64)counts.n_accepted);
    cli_json_integer (event, "refused", (gint64)counts.n_refused);
    cli_json_integer (event, "dialled", (gint64)counts.n_dialled);
    cli_json_integer (event, "failed", (gint64)counts.n_failed);
    cli_json_integer (event, "to_server", (gint64)counts.n_to_server);
    cli_json_integer (event, "from_server", (gint64)counts.n_to_client);
    cli_json_integer (event, "dropped_to_server", (gint64)counts.n_dropped_to_server);
    cli_json_integer (event, "dropped_from_server", (gint64)counts.n_dropped_to_client);
    cli_event_print (event);
  } else
    cli_say ("%zu streams, %zu with a server; %zu messages to servers, %zu from them; late media "
             "not sent on: %zu and %zu; %zu failures",
             (gsize)counts.n_streams, (gsize)counts.n_up, (gsize)counts.n_to_server,
             (gsize)counts.n_to_client, (gsize)counts.n_dropped_to_server,
             (gsize)counts.n_dropped_to_client, (gsize)counts.n_failed);
  return G_SOURCE_CONTINUE;
}

/* Setting up */

static TurnConnectTarget *
make_target (const char *text, GError **error)
{
  g_autoptr (TurnConnectUri) uri = turn_connect_uri_new (text, error);
  g_autoptr (TurnConnectTarget) target = NULL;
  g_autoptr (TurnConnectTlsOptions) tls = NULL;
  TurnConnectTransport means[TURN_CONNECT_N_TRANSPORTS];
  gboolean is_stream = FALSE;

  if (uri == NULL)
    return NULL;
  for (guint i = turn_connect_uri_get_transports (uri, means); i > 0; i--)
    is_stream |=
        means[i - 1] == TURN_CONNECT_TRANSPORT_TCP || means[i - 1] == TURN_CONNECT_TRANSPORT_TLS;
  if (!turn_connect_uri_is_turn (uri) || !is_stream) {
    g_set_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
                 "“%s” is no TURN server that is reached by TCP or TLS", text);
    return NULL;
  }
  target = turn_connect_target_new (turn_connect_uri_get_host (uri),
                                    turn_connect_uri_get_effective_port (uri), error);
  if (target == NULL)
    return NULL;
  if (turn_connect_uri_is_secure (uri) &&
      (tls = reach_options_make_tls (&reach, NULL, ALPN, error)) == NULL)
    return NULL;
  turn_connect_target_set_tls (target, tls);
  return reach_options_apply (&reach, target, error) ? g_steal_pointer (&target) : NULL;
}

static gboolean
add_servers (Helper *helper, GError **error)
{
  TurnConnectBridgeFlags flags =
      allows_plain ? TURN_CONNECT_BRIDGE_ALLOW_PLAIN : TURN_CONNECT_BRIDGE_NONE;

  for (guint i = 0; servers[i] != NULL; i++) {
    g_autoptr (TurnConnectTarget) target = make_target (servers[i], error);

    if (target == NULL)
      return FALSE;
    if (turn_connect_bridge_add_server (helper->bridge, target, flags, error) == 0) {
      g_prefix_error (error, "%s: ", servers[i]);
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean
allow_users (Helper *helper, GError **error)
{
  for (guint i = 0; users != NULL && users[i] != NULL; i++) {
    guint uid;

    if (!reach_options_find_user (users[i], &uid, error))
      return FALSE;
    turn_connect_bridge_allow_uid (helper->bridge, uid);
  }
  return TRUE;
}

static void
read_again (guint server, const char *path, const GError *error, gpointer data)
{
  if (is_json) {
    GString *event = cli_event_begin (error != NULL ? "credentials-kept" : "credentials-renewed");

    cli_json_text (event, "server", name_of (server));
    cli_json_text (event, "file", path);
    if (error != NULL)
      cli_json_text (event, "cause", error->message);
    cli_event_print (event);
  } else if (error != NULL)
    cli_say ("%s: the old credentials are kept: %s", name_of (server), error->message);
  else
    cli_say ("%s: new credentials from %s", name_of (server), path);
}

/* One file for each server, or one for all. */
static gboolean
log_in (Helper *helper, char **files, gboolean is_secret, GError **error)
{
  for (guint i = 0; files != NULL && i < helper->n_servers; i++) {
    const char *path = files[1] != NULL ? files[i] : files[0];
    GFileMonitor *watch;

    if (!helper_login_set (helper->bridge, i + 1, path, is_secret, error))
      return FALSE;
    watch = helper_login_watch (helper->bridge, i + 1, path, is_secret, read_again, helper);
    if (watch != NULL)
      g_ptr_array_add (helper->watches, watch);
  }
  return TRUE;
}

/* Without a file, clients are known by whose processes they are; where they log in by TURN, by what
 * the bridge has drawn. */
static gboolean
set_credentials (Helper *helper, GError **error)
{
  g_autofree char *user = NULL;
  char *password = NULL;
  gboolean is_set;

  if (credentials != NULL &&
      !reach_options_load_credentials (credentials, FALSE, &user, &password, error))
    return FALSE;
  is_set = (user == NULL && logs_in) ||
           turn_connect_bridge_set_credentials (helper->bridge, user, password, error);
  turn_connect_secret_free (password);
  return is_set && log_in (helper, turn_credentials, FALSE, error) &&
         log_in (helper, turn_secrets, TRUE, error);
}

static CliExit
begin_listening (Helper *helper)
{
  for (guint i = 0; listen_at[i] != NULL; i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *host = NULL;
    guint port = 0;
    guint16 bound = 0;

    if (!reach_options_split (listen_at[i], 0, &host, &port, &error))
      return cli_usage ("%s", error->message);
    if (turn_connect_bridge_listen (helper->bridge, host, port, i + 1, &bound, &error)) {
      tell_listening (helper->bridge, i + 1, host, bound);
      continue;
    }
    if (g_error_matches (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID))
      return cli_usage ("%s: %s", listen_at[i], error->message);
    cli_say ("cannot listen at %s: %s", listen_at[i], error->message);
    return g_error_matches (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED) ? CLI_EXIT_DENIED
                                                                             : CLI_EXIT_SYSTEM;
  }
  return CLI_EXIT_OK;
}

static gboolean
stop (gpointer data)
{
  g_main_loop_quit (data);
  return G_SOURCE_CONTINUE;
}

static void
tried (GObject *source, GAsyncResult *result, gpointer data)
{
  Helper *helper = data;
  g_autoptr (GError) error = NULL;

  if (!turn_connect_bridge_prepare_finish (helper->bridge, result, &error))
    helper->status = cause_exit (error);
  if (++helper->n_tried == helper->n_servers)
    g_main_loop_quit (helper->loop);
}

static CliExit
run (Helper *helper)
{
  g_unix_signal_add (SIGINT, stop, helper->loop);
  g_unix_signal_add (SIGTERM, stop, helper->loop);
  g_unix_signal_add (SIGHUP, stop, helper->loop);
  g_unix_signal_add (SIGUSR1, tell_counts, helper);
  g_signal_connect (helper->bridge, "connected", G_CALLBACK (connected), NULL);
  g_signal_connect (helper->bridge, "failed", G_CALLBACK (failed), NULL);
  if (only_try) {
    for (guint i = 1; i <= helper->n_servers; i++)
      turn_connect_bridge_prepare_async (helper->bridge, i, 1, NULL, tried, helper);
  } else if ((helper->status = begin_listening (helper)) != CLI_EXIT_OK)
    return helper->status;
  g_main_loop_run (helper->loop);
  if (!only_try)
    tell_counts (helper);
  turn_connect_bridge_close (helper->bridge);
  return helper->status;
}

static CliExit
check_arguments (int argc, char **argv)
{
  if (argc > 1)
    return cli_usage ("“%s” is not expected here", argv[1]);
  if (servers == NULL || (listen_at == NULL && !only_try))
    return cli_usage ("--listen and --server are needed");
  if (!only_try && g_strv_length (listen_at) != g_strv_length (servers))
    return cli_usage ("each --server wants a --listen of its own");
  if (turn_credentials != NULL && turn_secrets != NULL)
    return cli_usage ("--turn-credentials and --turn-secret exclude each other");
  for (int i = 0; i < 2; i++) {
    char **files = i == 0 ? turn_credentials : turn_secrets;
    guint n = files != NULL ? g_strv_length (files) : 1;

    if (n != 1 && n != g_strv_length (servers))
      return cli_usage ("the servers want a file of credentials each, or one for all");
  }
  return CLI_EXIT_OK;
}

int
turn_connect_helper_main (int argc, char **argv)
{
  static const CliProgram about = {
    .name = "turn-connect helper",
    .summary =
        "Lets TURN clients that know only plain TCP reach TURN servers by TLS, through a proxy:\n"
        "they take the helper for their TURN server, or for their HTTP proxy.",
    .description =
        "Example: turn-connect helper --listen 127.0.0.1:3478 --server turns:turn.example:443 \\\n"
        "           --proxy http://proxy.example:3128 --proxy-credentials proxy.secret\n"
        "Exit status: 0 ended as asked, 64 usage, 71 the system refused a port; with --try also 69 "
        "a\n"
        "server cannot be reached, 77 a proxy refuses, 78 something has to be corrected.",
  };
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (TurnConnectBridge) bridge = NULL;
  g_autoptr (GPtrArray) watches = NULL;
  g_autoptr (GError) error = NULL;
  Helper helper = { .loop = loop };
  CliExit status;

  if (!cli_parse (&about, entries, &argc, &argv, &status))
    return status;
  status = check_arguments (argc, argv);
  if (status != CLI_EXIT_OK)
    return status;
  logs_in = turn_credentials != NULL || turn_secrets != NULL;
  bridge = helper.bridge = turn_connect_bridge_new ();
  watches = helper.watches = g_ptr_array_new_with_free_func (g_object_unref);
  helper.n_servers = g_strv_length (servers);
  if (!add_servers (&helper, &error) || !allow_users (&helper, &error) ||
      !set_credentials (&helper, &error))
    return reach_options_fail (error);
  return cli_finish (run (&helper));
}
