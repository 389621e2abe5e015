/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* turn-connect forward: signalling of a client that speaks plain TCP, carried to its registrar by TLS, through a proxy. */
#include <string.h>

#include <glib-unix.h>

#include "tools/causes.h"
#include "tools/cli.h"
#include "tools/reach-options.h"
#include "tools/turn-connect.h"
#include "turn-connect/local/forward.h"

#define DEFAULT_PORT 443
#define LAST_WAY "last"
#define WAY_TIMEOUT_MS                                                                             \
  5000 /* three of them fit into a SIP client's patience of 32 s, RFC 3261 timers B and F */

static ReachOptions reach;
static char *listen_at, *to, *tls_name;
static char **ways_before, **users;
static gboolean is_json, allows_others, only_try;

static const GOptionEntry entries[] = {
  { "listen", 'l', 0, G_OPTION_ARG_STRING, &listen_at,
    "Where clients connect to, by TCP; port 0 for any that is free", "ADDR:PORT" },
  { "to", 't', 0, G_OPTION_ARG_STRING, &to, "The server, by TLS; default port 443", "HOST:PORT" },
  { "way", 'w', 0, G_OPTION_ARG_STRING_ARRAY, &ways_before,
    "Try this first, without the proxy; may be repeated, in order; KIND is tcp or tls",
    "NAME=KIND:HOST:PORT" },
  { "tls-name", 0, 0, G_OPTION_ARG_STRING, &tls_name,
    "The name its certificate must be for, if it is not HOST", "NAME" },
  { "allow-user", 0, 0, G_OPTION_ARG_STRING_ARRAY, &users,
    "Let this user's programs in too; may be repeated", "NAME" },
  { "allow-others", 0, 0, G_OPTION_ARG_NONE, &allows_others,
    "Let other machines connect too, if ADDR is one that they reach", NULL },
  { "try", 0, 0, G_OPTION_ARG_NONE, &only_try,
    "Reach the server once by --to, say how it went, and end", NULL },
  { "json", 'j', 0, G_OPTION_ARG_NONE, &is_json, "Print an event a line as JSON on standard output",
    NULL },
  REACH_OPTION_ENTRIES (reach),
  REACH_OPTION_TLS_ENTRIES (reach),
  G_OPTION_ENTRY_NULL
};

/* What happens, told */

static char *
print_address (GSocketAddress *address)
{
  return address != NULL ? g_socket_connectable_to_string (G_SOCKET_CONNECTABLE (address))
                         : g_strdup ("nobody");
}

static void
tell_listening (TurnConnectForward *forward)
{
  g_autofree char *where = print_address (turn_connect_forward_get_address (forward));

  if (is_json) {
    GString *event = cli_event_begin ("listening");

    cli_json_text (event, "address", where);
    cli_json_text (event, "to", to);
    cli_event_print (event);
  } else
    cli_say ("ready: what connects to %s goes to %s", where, to);
}

static void
accepted (TurnConnectForward *forward, guint64 id, GSocketAddress *client, gpointer data)
{
  g_autofree char *who = print_address (client);

  if (is_json) {
    GString *event = cli_event_begin ("accepted");

    cli_json_integer (event, "id", (gint64)id);
    cli_json_text (event, "client", who);
    cli_event_print (event);
  } else
    cli_say ("connection %zu: from %s", (gsize)id, who);
}

static void
client_refused (TurnConnectForward *forward, const GError *error, gpointer data)
{
  if (is_json) {
    GString *event = cli_event_begin ("client-refused");

    cause_append (event, error);
    cli_event_print (event);
  } else
    cli_say ("%s (--allow-user)", error->message);
}

static void
tell_connected_to_script (guint64 id, TurnConnectStream *stream, const char *way, const char *where)
{
  const TurnConnectTlsInfo *tls = turn_connect_stream_get_tls_info (stream);
  const char *proxy = turn_connect_stream_get_proxy (stream);
  GString *event = cli_event_begin ("connected");

  cli_json_integer (event, "id", (gint64)id);
  cli_json_text (event, "way", way);
  cli_json_text (event, "remote", where);
  if (proxy != NULL)
    cli_json_text (event, "proxy", proxy);
  if (tls != NULL) {
    cli_json_text (event, "tls", tls->version);
    cli_json_text (event, "cipher", tls->cipher);
    cli_json_text (event, "name", tls->server_name);
  }
  cli_json_real (event, "took_ms",
                 (double)turn_connect_stream_get_timings (stream)->total_us / 1000);
  cli_event_print (event);
}

static void
connected (TurnConnectForward *forward,
           guint64 id,
           TurnConnectStream *stream,
           const char *way,
           gpointer data)
{
  const TurnConnectTlsInfo *tls = turn_connect_stream_get_tls_info (stream);
  const char *proxy = turn_connect_stream_get_proxy (stream);
  g_autofree char *where = print_address (turn_connect_stream_get_remote_address (stream));
  g_autofree char *subject = NULL;

  if (is_json) {
    tell_connected_to_script (id, stream, way, where);
    return;
  }
  subject = id != 0 ? g_strdup_printf ("connection %zu: ", (gsize)id) : g_strdup ("");
  cli_say ("%sreached %s%s%s by %s in %.0f ms", subject, tls != NULL ? tls->server_name : where,
           proxy != NULL ? " through " : "", proxy != NULL ? proxy : "",
           tls != NULL ? tls->version : "plain TCP",
           (double)turn_connect_stream_get_timings (stream)->total_us / 1000);
}

static void
way_failed (
    TurnConnectForward *forward, guint64 id, const char *way, const GError *error, gpointer data)
{
  g_autofree char *subject = g_strdup_printf ("connection %zu, %s way", (gsize)id, way);

  if (ways_before == NULL)
    return; /* its end says the same */
  if (is_json) {
    GString *event = cli_event_begin ("way-failed");

    cli_json_integer (event, "id", (gint64)id);
    cli_json_text (event, "way", way);
    cause_append (event, error);
    cli_event_print (event);
  } else
    cause_say (subject, error);
}

static void
network_changed (TurnConnectWays *ways, const char *place, gpointer data)
{
  if (is_json) {
    GString *event = cli_event_begin ("network-changed");

    cli_json_text (event, "network", place);
    cli_event_print (event);
  } else
    cli_say ("another network: %s", *place != '\0' ? place : "none");
}

static void
tell_end (guint64 id, guint64 to_server, guint64 from_server, const GError *error)
{
  g_autofree char *subject = id != 0 ? g_strdup_printf ("connection %zu", (gsize)id) : NULL;

  if (is_json) {
    GString *event = cli_event_begin ("ended");

    cli_json_integer (event, "id", (gint64)id);
    cli_json_integer (event, "to_server", (gint64)to_server);
    cli_json_integer (event, "from_server", (gint64)from_server);
    if (error != NULL)
      cause_append (event, error);
    cli_event_print (event);
  } else if (error != NULL)
    cause_say (subject, error);
  else
    cli_say ("%s: ended; %zu octets to the server, %zu from it", subject, (gsize)to_server,
             (gsize)from_server);
}

static void
ended (TurnConnectForward *forward,
       guint64 id,
       guint64 to_server,
       guint64 from_server,
       const GError *error,
       gpointer data)
{
  tell_end (id, to_server, from_server, error);
}

/* Setting up */

static TurnConnectTarget *
make_target (GError **error)
{
  g_autoptr (TurnConnectTlsOptions) tls = NULL;
  g_autoptr (TurnConnectTarget) target = NULL;
  g_autofree char *host = NULL;
  guint port = 0;

  if (!reach_options_split (to, DEFAULT_PORT, &host, &port, error) ||
      (target = turn_connect_target_new (host, port, error)) == NULL ||
      (tls = reach_options_make_tls (&reach, tls_name, NULL, error)) == NULL)
    return NULL;
  turn_connect_target_set_tls (target, tls);
  return reach_options_apply (&reach, target, error) ? g_steal_pointer (&target) : NULL;
}

/* NAME=KIND:HOST:PORT */
static gboolean
add_way (TurnConnectWays *ways, const char *text, GError **error)
{
  const char *equals = strchr (text, '=');
  const char *kind = equals != NULL ? equals + 1 : "";
  gboolean is_tls = g_str_has_prefix (kind, "tls:");
  g_autofree char *name = equals != NULL ? g_strndup (text, (gsize)(equals - text)) : NULL;
  g_autofree char *host = NULL;
  g_autoptr (TurnConnectTarget) target = NULL;
  g_autoptr (TurnConnectTlsOptions) tls = NULL;
  guint port = 0;

  if (equals == text || (!is_tls && !g_str_has_prefix (kind, "tcp:"))) {
    g_set_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
                 "“%s” is no way: give it as NAME=tcp:HOST:PORT or NAME=tls:HOST:PORT", text);
    return FALSE;
  }
  if (!reach_options_split (kind + 4, 0, &host, &port, error) ||
      (target = turn_connect_target_new (host, port, error)) == NULL)
    return FALSE;
  if (is_tls && (tls = reach_options_make_tls (&reach, tls_name, NULL, error)) == NULL)
    return FALSE;
  turn_connect_target_set_tls (target, tls);
  turn_connect_target_set_timeout (target, WAY_TIMEOUT_MS);
  turn_connect_ways_add (ways, name, target);
  return TRUE;
}

/* The last way is the one that --to describes. */
static TurnConnectWays *
make_ways (GError **error)
{
  g_autoptr (TurnConnectWays) ways = turn_connect_ways_new ();
  g_autoptr (TurnConnectTarget) last = make_target (error);
  guint n = ways_before != NULL ? g_strv_length (ways_before) : 0;

  if (last == NULL)
    return NULL;
  if (n >= TURN_CONNECT_WAYS_MAX) {
    g_set_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID, "more than %d ways",
                 TURN_CONNECT_WAYS_MAX - 1);
    return NULL;
  }
  for (guint i = 0; i < n; i++) {
    if (!add_way (ways, ways_before[i], error))
      return NULL;
  }
  turn_connect_ways_add (ways, LAST_WAY, last);
  return g_steal_pointer (&ways);
}

static GInetSocketAddress *
parse_listen (GError **error)
{
  g_autofree char *host = NULL;
  GSocketAddress *address;
  guint port = 0;

  if (!reach_options_split (listen_at, 0, &host, &port, error))
    return NULL;
  address = g_inet_socket_address_new_from_string (host, port);
  if (address == NULL) {
    g_set_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
                 "“%s” is no address to listen at: give it as 127.0.0.1:PORT", listen_at);
    return NULL;
  }
  return G_INET_SOCKET_ADDRESS (address);
}

/* Trying */

typedef struct {
  GMainLoop *loop;
  CliExit status;
} Trial;

static void
tried (GObject *source, GAsyncResult *result, gpointer data)
{
  Trial *trial = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (TurnConnectStream) stream =
      turn_connect_dial_finish (TURN_CONNECT_TARGET (source), result, &error);

  if (stream != NULL)
    connected (NULL, 0, stream, LAST_WAY, NULL);
  else {
    tell_end (0, 0, 0, error);
    trial->status = cause_exit (error);
  }
  g_main_loop_quit (trial->loop);
}

static CliExit
try_once (void)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GError) error = NULL;
  g_autoptr (TurnConnectTarget) target = make_target (&error);
  Trial trial = { .loop = loop };

  if (target == NULL)
    return reach_options_fail (error);
  turn_connect_dial_async (target, NULL, NULL, NULL, tried, &trial);
  g_main_loop_run (loop);
  return trial.status;
}

static gboolean
stop (gpointer data)
{
  g_main_loop_quit (data);
  return G_SOURCE_CONTINUE;
}

static CliExit
run (TurnConnectForward *forward, GInetSocketAddress *address)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GError) error = NULL;

  g_unix_signal_add (SIGINT, stop, loop);
  g_unix_signal_add (SIGTERM, stop, loop);
  g_unix_signal_add (SIGHUP, stop, loop);
  turn_connect_forward_set_allows_others (forward, allows_others);
  for (guint i = 0; users != NULL && users[i] != NULL; i++) {
    guint uid;

    if (!reach_options_find_user (users[i], &uid, &error))
      return cli_usage ("%s", error->message);
    turn_connect_forward_allow_uid (forward, uid);
  }
  if (!turn_connect_forward_listen (forward, address, &error)) {
    if (g_error_matches (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID))
      return cli_usage ("%s (--allow-others)", error->message);
    cli_say ("cannot listen: %s", error->message);
    return g_error_matches (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED) ? CLI_EXIT_DENIED
                                                                             : CLI_EXIT_SYSTEM;
  }
  g_signal_connect (forward, "client-refused", G_CALLBACK (client_refused), NULL);
  g_signal_connect (forward, "accepted", G_CALLBACK (accepted), NULL);
  g_signal_connect (forward, "connected", G_CALLBACK (connected), NULL);
  g_signal_connect (forward, "way-failed", G_CALLBACK (way_failed), NULL);
  g_signal_connect (forward, "ended", G_CALLBACK (ended), NULL);
  tell_listening (forward);
  g_main_loop_run (loop);
  turn_connect_forward_stop (forward);
  return CLI_EXIT_OK;
}

int
turn_connect_forward_main (int argc, char **argv)
{
  static const CliProgram about = {
    .name = "turn-connect forward",
    .summary = "Carries TCP connections to a local port to a server by TLS, through a proxy: SIP "
               "for clients\n"
               "that know only plain TCP.",
    .description =
        "Example: turn-connect forward --listen 127.0.0.1:5060 --to sip.example:443 \\\n"
        "           --proxy http://proxy.example:3128 --proxy-credentials proxy.secret\n"
        "Exit status: 0 ended as asked, 64 usage, 71 the system refused the port; with --try also "
        "69 the\n"
        "server cannot be reached, 77 a proxy refuses, 78 something has to be corrected.",
  };
  g_autoptr (TurnConnectWays) ways = NULL;
  g_autoptr (TurnConnectForward) forward = NULL;
  g_autoptr (GInetSocketAddress) address = NULL;
  g_autoptr (GError) error = NULL;
  CliExit status;

  if (!cli_parse (&about, entries, &argc, &argv, &status))
    return status;
  if (argc > 1)
    return cli_usage ("“%s” is not expected here", argv[1]);
  if (to == NULL || (listen_at == NULL && !only_try))
    return cli_usage ("--listen and --to are needed");
  if (only_try)
    return cli_finish (try_once ());
  if ((address = parse_listen (&error)) == NULL || (ways = make_ways (&error)) == NULL)
    return reach_options_fail (error);
  g_signal_connect (ways, "network-changed", G_CALLBACK (network_changed), NULL);
  forward = turn_connect_forward_new_with_ways (ways);
  return cli_finish (run (forward, address));
}
