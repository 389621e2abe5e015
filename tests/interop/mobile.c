/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A device on the move: keeps a TURN client while its network changes, sends a packet to a peer every 20 ms, and says what
 * happens, a line of JSON each. A recipe too: the watch tells of the change, and the client makes a new connection. */
#include <stdio.h>
#include <string.h>

#include "turn-connect/network-watch.h"
#include "turn-connect/turn/client.h"

#define PACKET_MS 20

static char *host = "core.lab", *to, *user, *password, *ca_file, *proxy;
static int port = 443;
static gboolean is_udp;
static TurnConnectClient *client;
static StunExtAddress peer;
static guint n_sent, n_received;

static const GOptionEntry entries[] = {
  { "host", 0, 0, G_OPTION_ARG_STRING, &host, "the server", "NAME" },
  { "port", 0, 0, G_OPTION_ARG_INT, &port, "its port", "N" },
  { "udp", 0, 0, G_OPTION_ARG_NONE, &is_udp, "plain UDP instead of TLS", NULL },
  { "user", 0, 0, G_OPTION_ARG_STRING, &user, "who", "NAME" },
  { "password", 0, 0, G_OPTION_ARG_STRING, &password, "and what he knows", "TEXT" },
  { "ca", 0, 0, G_OPTION_ARG_FILENAME, &ca_file, "issuers of the server", "FILE" },
  { "proxy", 0, 0, G_OPTION_ARG_STRING, &proxy, "which proxy", "URL" },
  { "to", 0, 0, G_OPTION_ARG_STRING, &to, "the peer", "ADDRESS:PORT" },
  G_OPTION_ENTRY_NULL
};

static void
say (const char *event)
{
  char relayed[STUN_EXT_ADDRESS_TEXT_LENGTH] = "", mapped[STUN_EXT_ADDRESS_TEXT_LENGTH] = "";
  TurnConnectClientCounters counters;
  StunExtAddress address;

  if (turn_connect_client_get_relayed (client, 4, &address))
    stun_ext_address_print (&address, relayed);
  if (turn_connect_client_get_mapped (client, &address))
    stun_ext_address_print (&address, mapped);
  turn_connect_client_get_counters (client, &counters);
  printf ("{\"event\": \"%s\", \"relayed\": \"%s\", \"mapped\": \"%s\", \"ticket\": %s, "
          "\"reallocations\": %u, \"sent\": %u, \"received\": %u}\n",
          event, relayed, mapped, turn_connect_client_has_ticket (client) ? "true" : "false",
          (guint)counters.reallocations, n_sent, n_received);
  fflush (stdout);
}

static void
on_state (TurnConnectClient *source, guint state, const GError *cause, gpointer user_data)
{
  if (state == TURN_CONNECT_CLIENT_READY)
    say ("ready");
  if (cause != NULL)
    fprintf (stderr, "%s\n", cause->message);
}

static void
on_relayed (TurnConnectClient *source, gpointer user_data)
{
  say ("relayed-changed");
}

static void
on_receive (TurnConnectClient *source,
            const StunExtAddress *from,
            guint16 channel,
            const guint8 *data,
            gsize length,
            gpointer user_data)
{
  if (n_received++ % 10 == 0)
    say ("received");
}

static gboolean
send_packet (gpointer user_data)
{
  GOutputVector vector = { &n_sent, sizeof n_sent };

  if (turn_connect_client_send (client, &peer, &vector, 1, TURN_CONNECT_SEND_NORMAL, NULL) ==
      TURN_CONNECT_IO_OK)
    n_sent++;
  return G_SOURCE_CONTINUE;
}

/* Several things change before there is a way again: each is a new beginning. */
static void
network_changed (gpointer user_data)
{
  say ("network-changed");
  turn_connect_client_reconnect (client);
}

static void
allocated (GObject *source, GAsyncResult *result, gpointer loop)
{
  g_autoptr (GError) error = NULL;

  if (!turn_connect_client_allocate_finish (client, result, &error)) {
    fprintf (stderr, "%s\n", error->message);
    g_main_loop_quit (loop);
    return;
  }
  turn_connect_client_bind_async (client, &peer, NULL, NULL, NULL);
  g_timeout_add (PACKET_MS, send_packet, NULL);
}

static TurnConnectTarget *
make_target (GError **error)
{
  g_autoptr (TurnConnectTarget) target = turn_connect_target_new (host, (guint)port, error);
  g_autoptr (TurnConnectTlsOptions) tls = turn_connect_tls_options_new ();

  if (target == NULL || (proxy != NULL && !turn_connect_target_set_proxy (target, proxy, error)) ||
      (ca_file != NULL && !turn_connect_tls_options_set_ca_file (tls, ca_file, error)))
    return NULL;
  if (!is_udp)
    turn_connect_target_set_tls (target, tls);
  turn_connect_target_set_timeout (target, 5000);
  return g_steal_pointer (&target);
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) options = g_option_context_new (NULL);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (TurnConnectNetworkWatch) watch = NULL;
  g_autoptr (TurnConnectTarget) target = NULL;
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (options, entries, NULL);
  if (!g_option_context_parse (options, &argc, &argv, &error) ||
      (target = make_target (&error)) == NULL || !stun_ext_address_parse (to, &peer)) {
    fprintf (stderr, "%s\n", error != NULL ? error->message : "no peer");
    return 64;
  }
  client = turn_connect_client_new (target, is_udp ? TURN_CONNECT_CARRIER_DATAGRAM
                                                   : TURN_CONNECT_CARRIER_STREAM);
  turn_connect_client_set_credentials (client, user, password, NULL);
  turn_connect_client_set_receive (client, on_receive, NULL, NULL);
  g_signal_connect (client, "state-changed", G_CALLBACK (on_state), NULL);
  g_signal_connect (client, "relayed-changed", G_CALLBACK (on_relayed), NULL);
  watch = turn_connect_network_watch_new (network_changed, NULL);
  turn_connect_client_allocate_async (client, NULL, allocated, loop);
  g_main_loop_run (loop);
  g_object_unref (client);
  return 1;
}
