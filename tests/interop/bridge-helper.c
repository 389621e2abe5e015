/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bridge to one TURN server as a program, for clients that are programs themselves. Prints where
 * it listens and what fails, one JSON object a line, and ends on SIGTERM with its counts. */
#include "turn-connect/local/bridge.h"

#include <glib-unix.h>
#include <stdio.h>
#include <string.h>

static char *server_text, *proxy, *ca, *address;
static GMainLoop *loop;

static const GOptionEntry options[] = {
  { "server", 0, 0, G_OPTION_ARG_STRING, &server_text, "TURN server, spoken to by TLS",
    "HOST:PORT" },
  { "proxy", 0, 0, G_OPTION_ARG_STRING, &proxy, "proxy", "URL" },
  { "ca", 0, 0, G_OPTION_ARG_FILENAME, &ca, "certificates to trust", "FILE" },
  { "listen", 0, 0, G_OPTION_ARG_STRING, &address, "address on loopback", "ADDRESS" },
  { NULL },
};

static void
failed (TurnConnectBridge *bridge, guint server, GError *error, gpointer data)
{
  g_print ("{\"event\": \"failed\", \"server\": %u, \"cause\": \"%s\"}\n", server, error->message);
}

static void
connected (TurnConnectBridge *bridge, guint server, gpointer data)
{
  g_print ("{\"event\": \"connected\", \"server\": %u}\n", server);
}

static gboolean
terminated (gpointer data)
{
  g_main_loop_quit (loop);
  return G_SOURCE_REMOVE;
}

static TurnConnectTarget *
make_target (GError **error)
{
  static const char *const protocols[] = { "stun.turn", NULL };
  g_autoptr (TurnConnectTlsOptions) tls = turn_connect_tls_options_new ();
  const char *colon = strrchr (server_text, ':');
  g_autofree char *host = g_strndup (server_text, (gsize)(colon - server_text));
  g_autoptr (TurnConnectTarget) target =
      turn_connect_target_new (host, (guint)g_ascii_strtoull (colon + 1, NULL, 10), error);

  if (target == NULL || !turn_connect_tls_options_set_alpn (tls, protocols, error) ||
      (ca != NULL && !turn_connect_tls_options_set_ca_file (tls, ca, error)) ||
      (proxy != NULL && !turn_connect_target_set_proxy (target, proxy, error)))
    return NULL;
  turn_connect_target_set_tls (target, tls);
  return g_steal_pointer (&target);
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (TurnConnectBridge) bridge = turn_connect_bridge_new ();
  g_autoptr (TurnConnectTarget) target = NULL;
  g_autoptr (GError) error = NULL;
  TurnConnectBridgeCounts counts;
  guint16 port;

  setvbuf (stdout, NULL, _IOLBF, 0);
  g_option_context_add_main_entries (context, options, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || server_text == NULL ||
      strrchr (server_text, ':') == NULL || (target = make_target (&error)) == NULL ||
      turn_connect_bridge_add_server (bridge, target, TURN_CONNECT_BRIDGE_NONE, &error) == 0 ||
      !turn_connect_bridge_listen (bridge, address, 0, 1, &port, &error)) {
    g_printerr ("bridge-helper: %s\n", error != NULL ? error->message : "--server is missing");
    return 64;
  }
  g_signal_connect (bridge, "failed", G_CALLBACK (failed), NULL);
  g_signal_connect (bridge, "connected", G_CALLBACK (connected), NULL);
  g_print ("{\"event\": \"listening\", \"port\": %u, \"user\": \"%s\", \"password\": \"%s\", "
           "\"literal\": \"%s\", \"literal_port\": %u}\n",
           port, turn_connect_bridge_get_user (bridge), turn_connect_bridge_get_password (bridge),
           turn_connect_bridge_get_literal (bridge, 1, G_SOCKET_FAMILY_IPV4),
           TURN_CONNECT_BRIDGE_LITERAL_PORT);
  loop = g_main_loop_new (NULL, FALSE);
  g_unix_signal_add (SIGTERM, terminated, NULL);
  g_main_loop_run (loop);
  turn_connect_bridge_get_counts (bridge, &counts);
  g_print ("{\"event\": \"counts\", \"accepted\": %" G_GUINT64_FORMAT
           ", \"dialled\": %" G_GUINT64_FORMAT ", \"to_server\": %" G_GUINT64_FORMAT
           ", \"to_client\": %" G_GUINT64_FORMAT "}\n",
           counts.n_accepted, counts.n_dialled, counts.n_to_server, counts.n_to_client);
  g_main_loop_unref (loop);
  return 0;
}
