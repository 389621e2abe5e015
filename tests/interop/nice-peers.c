/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two ordinary libnice agents that may use relayed candidates alone, each with a bridge to the TURN
 * server, talking to each other. Prints what happens, one JSON object a line. Exits 0 if everything
 * arrived, 3 if the gathering ended without relayed candidates, 4 if the agents did not connect or
 * messages were lost, 64 on wrong use. */
#include "stun-ext/credentials.h"
#include "turn-connect/local/nice-bridge.h"

#include <nice/agent.h>
#include <stdio.h>
#include <string.h>

#define N_MESSAGES 20
#define EXIT_NOT_RELAYED 3
#define EXIT_LOST 4

static char *server_text, *other_server, *proxy, *ca, *server_name, *rest_secret;
static char *user, *password;
static gboolean is_back_to_back, by_listener, waits, gathers_only, stays, is_slow_start;
static int limit_s = 20, budget_ms, rest_lifetime_s = 60;
static gboolean is_never_renewed;

static const GOptionEntry options[] = {
  { "server", 0, 0, G_OPTION_ARG_STRING, &server_text, "TURN server, spoken to by TLS",
    "HOST:PORT" },
  { "other-server", 0, 0, G_OPTION_ARG_STRING, &other_server, "the other agent's", "HOST:PORT" },
  { "rest-secret", 0, 0, G_OPTION_ARG_STRING, &rest_secret,
    "issue time-limited credentials, and renew them in half of their time", "TEXT" },
  { "rest-lifetime", 0, 0, G_OPTION_ARG_INT, &rest_lifetime_s, "how long they are good", "S" },
  { "never-renew", 0, 0, G_OPTION_ARG_NONE, &is_never_renewed, "issue them once", NULL },
  { "name", 0, 0, G_OPTION_ARG_STRING, &server_name, "name in its certificate", "NAME" },
  { "proxy", 0, 0, G_OPTION_ARG_STRING, &proxy, "proxy", "URL" },
  { "ca", 0, 0, G_OPTION_ARG_FILENAME, &ca, "certificates to trust", "FILE" },
  { "user", 0, 0, G_OPTION_ARG_STRING, &user, "user for TURN", "NAME" },
  { "password", 0, 0, G_OPTION_ARG_STRING, &password, "password for TURN", "TEXT" },
  { "listener", 0, 0, G_OPTION_ARG_NONE, &by_listener, "come in by a listener, not as a proxy",
    NULL },
  { "back-to-back", 0, 0, G_OPTION_ARG_NONE, &is_back_to_back,
    "the bridges log in, the agents do not know the credentials", NULL },
  { "wait", 0, 0, G_OPTION_ARG_NONE, &waits, "gather once the server was reached", NULL },
  { "late", 0, 0, G_OPTION_ARG_NONE, &is_slow_start, "open nothing ahead", NULL },
  { "gather", 0, 0, G_OPTION_ARG_NONE, &gathers_only, "one agent, gathering", NULL },
  { "stay", 0, 0, G_OPTION_ARG_NONE, &stays, "go on until something fails", NULL },
  { "budget", 0, 0, G_OPTION_ARG_INT, &budget_ms, "the bridge's budget", "MS" },
  { "limit", 0, 0, G_OPTION_ARG_INT, &limit_s, "seconds for everything", "S" },
  { NULL },
};

typedef struct {
  int number;
  NiceAgent *agent;
  TurnConnectBridge *bridge;
  guint stream;
  gint64 begun_at;
  gboolean is_gathered;
  gboolean is_relayed;
  gboolean is_ready;
  guint n_received;
  guint n_wrong;
} Peer;

static Peer peers[2];
static GMainLoop *loop;
static gboolean is_over;
static int result = EXIT_LOST;

static char *
cause (Peer *peer, guint server)
{
  g_autoptr (GError) error = turn_connect_bridge_dup_cause (peer->bridge, server);

  return g_strdup (error != NULL ? error->message : "");
}

static void
finish (int status)
{
  is_over = TRUE;
  result = status;
  g_main_loop_quit (loop);
}

static gsize
make_message (guint8 *octets, int from, guint n)
{
  gsize length = n % 2 == 0 ? 100 : 1200;

  for (gsize i = 0; i < length; i++)
    octets[i] = (guint8)(i * 7 + n * 31 + (guint)from);
  octets[0] = (guint8)(0xc0 + from);
  octets[1] = (guint8)n;
  return length;
}

static void
received (NiceAgent *agent, guint stream, guint component, guint length, gchar *text, gpointer data)
{
  Peer *peer = data;
  guint8 wanted[1200];
  const guint8 *octets = (const guint8 *)text;

  peer->n_received++;
  if (length < 2 || make_message (wanted, 1 - peer->number, octets[1]) != length ||
      memcmp (wanted, octets, length) != 0)
    peer->n_wrong++;
  if (peers[0].n_received >= N_MESSAGES && peers[1].n_received >= N_MESSAGES && !stays &&
      !is_over) {
    g_print ("{\"event\": \"exchanged\", \"received\": [%u, %u], \"wrong\": %u}\n",
             peers[0].n_received, peers[1].n_received, peers[0].n_wrong + peers[1].n_wrong);
    finish (peers[0].n_wrong + peers[1].n_wrong == 0 ? 0 : EXIT_LOST);
  }
}

static gboolean
send_one (gpointer data)
{
  static guint n;
  guint8 octets[1200];

  for (int i = 0; i < 2 && !is_over; i++) {
    gsize length = make_message (octets, i, n % 256);

    nice_agent_send (peers[i].agent, peers[i].stream, 1, (guint)length, (char *)octets);
  }
  n++;
  return stays || n < N_MESSAGES * 2 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void
state_changed (NiceAgent *agent, guint stream, guint component, guint state, gpointer data)
{
  Peer *peer = data;

  if (is_over)
    return;
  if (state == NICE_COMPONENT_STATE_FAILED) {
    g_autofree char *why = cause (peer, 1);

    g_print ("{\"event\": \"component-failed\", \"agent\": %d, \"cause\": \"%s\"}\n", peer->number,
             why);
    finish (EXIT_LOST);
  }
  if (state != NICE_COMPONENT_STATE_READY || peer->is_ready)
    return;
  peer->is_ready = TRUE;
  if (!peers[1 - peer->number].is_ready)
    return;
  g_print ("{\"event\": \"ready\", \"ms\": %.1f}\n",
           (double)(g_get_monotonic_time () - peer->begun_at) / 1000);
  g_timeout_add (20, send_one, NULL);
}

static void
introduce (Peer *to, Peer *from)
{
  g_autofree char *ufrag = NULL;
  g_autofree char *pwd = NULL;
  GSList *candidates = nice_agent_get_local_candidates (from->agent, from->stream, 1);

  nice_agent_get_local_credentials (from->agent, from->stream, &ufrag, &pwd);
  nice_agent_set_remote_credentials (to->agent, to->stream, ufrag, pwd);
  nice_agent_set_remote_candidates (to->agent, to->stream, 1, candidates);
  g_slist_free_full (candidates, (GDestroyNotify)nice_candidate_free);
}

static void
find_relayed (Peer *peer, char address[NICE_ADDRESS_STRING_LEN])
{
  GSList *candidates = nice_agent_get_local_candidates (peer->agent, peer->stream, 1);

  g_strlcpy (address, "", NICE_ADDRESS_STRING_LEN);
  for (GSList *each = candidates; each != NULL; each = each->next) {
    const NiceCandidate *candidate = each->data;

    if (candidate->type != NICE_CANDIDATE_TYPE_RELAYED)
      continue;
    nice_address_to_string (&candidate->addr, address);
    peer->is_relayed = TRUE;
  }
  g_slist_free_full (candidates, (GDestroyNotify)nice_candidate_free);
}

static gboolean
say_gathered (gpointer data)
{
  Peer *peer = data;
  g_autofree char *far_cause = cause (peer, 1);
  g_autofree char *local_cause = cause (peer, 0);
  char address[NICE_ADDRESS_STRING_LEN];

  find_relayed (peer, address);
  g_print ("{\"event\": \"gathered\", \"agent\": %d, \"relayed\": \"%s\", \"ms\": %.1f, \"cause\": "
           "\"%s\", "
           "\"local_cause\": \"%s\"}\n",
           peer->number, address, (double)(g_get_monotonic_time () - peer->begun_at) / 1000,
           far_cause, local_cause);
  if (!peer->is_relayed)
    finish (EXIT_NOT_RELAYED);
  else if (gathers_only)
    finish (0);
  else if (peers[0].is_relayed && peers[1].is_relayed) {
    introduce (&peers[0], &peers[1]);
    introduce (&peers[1], &peers[0]);
  }
  return G_SOURCE_REMOVE;
}

static void
gathered (NiceAgent *agent, guint stream, gpointer data)
{
  g_idle_add (say_gathered, data);
}

static void
connected (TurnConnectBridge *bridge, guint server, gpointer data)
{
  Peer *peer = data;

  if (stays)
    g_print ("{\"event\": \"connected\", \"agent\": %d, \"ms\": %.1f}\n", peer->number,
             (double)(g_get_monotonic_time () - peer->begun_at) / 1000);
}

static gboolean
say_received (gpointer data)
{
  g_print ("{\"event\": \"received\", \"agent_0\": %u, \"agent_1\": %u, \"wrong\": %u}\n",
           peers[0].n_received, peers[1].n_received, peers[0].n_wrong + peers[1].n_wrong);
  return G_SOURCE_CONTINUE;
}

/* What a service for time-limited credentials would send. */
static gboolean
issue_credentials (gpointer data)
{
  gint64 ends_s = g_get_real_time () / G_USEC_PER_SEC + rest_lifetime_s;
  char fresh[STUN_EXT_REST_PASSWORD_LENGTH + 1];
  char *name = g_strdup_printf ("%" G_GINT64_FORMAT ":tester", ends_s);
  if (!stun_ext_rest_password (STUN_EXT_HASH_SHA1,
                               (StunExtSpan){ rest_secret, strlen (rest_secret) },
                               (StunExtSpan){ name, strlen (name) }, fresh))
    return G_SOURCE_REMOVE;
  g_free (user);
  g_free (password);
  user = name;
  password = g_strdup (fresh);
  for (int i = 0; i < 2 && !is_over; i++)
    if (peers[i].bridge != NULL)
      turn_connect_bridge_set_turn_credentials (peers[i].bridge, 1, user, password, NULL);
  return G_SOURCE_CONTINUE;
}

static void
failed (TurnConnectBridge *bridge, guint server, GError *error, gpointer data)
{
  Peer *peer = data;

  g_print ("{\"event\": \"failed\", \"agent\": %d, \"server\": %u, \"step\": \"%s\", \"ms\": %.1f, "
           "\"cause\": \"%s\"}\n",
           peer->number, server, turn_connect_step_to_string (turn_connect_error_get_step (error)),
           (double)(g_get_monotonic_time () - peer->begun_at) / 1000, error->message);
}

static TurnConnectTarget *
make_target (const char *place, GError **error)
{
  static const char *const protocols[] = { "stun.turn", NULL };
  g_autoptr (TurnConnectTlsOptions) tls = turn_connect_tls_options_new ();
  const char *colon = strrchr (place, ':');
  g_autofree char *host = g_strndup (place, (gsize)(colon - place));
  TurnConnectTarget *target =
      turn_connect_target_new (host, (guint)g_ascii_strtoull (colon + 1, NULL, 10), error);

  if (target == NULL || !turn_connect_tls_options_set_alpn (tls, protocols, error) ||
      (ca != NULL && !turn_connect_tls_options_set_ca_file (tls, ca, error)) ||
      (server_name != NULL &&
       !turn_connect_tls_options_set_server_name (tls, server_name, error)) ||
      (proxy != NULL && !turn_connect_target_set_proxy (target, proxy, error)))
    return NULL;
  turn_connect_target_set_tls (target, tls);
  return target;
}

static void
gather (Peer *peer)
{
  peer->begun_at = g_get_monotonic_time ();
  if (!nice_agent_gather_candidates (peer->agent, peer->stream))
    finish (EXIT_NOT_RELAYED);
}

static void
prepared (GObject *source, GAsyncResult *outcome, gpointer data)
{
  g_autoptr (GError) error = NULL;

  if (turn_connect_bridge_prepare_finish (TURN_CONNECT_BRIDGE (source), outcome, &error))
    gather (data);
  else
    finish (EXIT_NOT_RELAYED);
}

static gboolean
begin (Peer *peer, TurnConnectTarget *target, GError **error)
{
  TurnConnectNiceFlags flags = (by_listener ? TURN_CONNECT_NICE_KEEP_PROXY : 0) |
                               (is_slow_start || waits ? TURN_CONNECT_NICE_NOT_AHEAD : 0) |
                               (is_back_to_back ? TURN_CONNECT_NICE_BACK_TO_BACK : 0);

  peer->agent = nice_agent_new (NULL, NICE_COMPATIBILITY_RFC5245);
  g_object_set (peer->agent, "upnp", FALSE, "force-relay", TRUE, "controlling-mode",
                peer->number == 0, NULL);
  g_signal_connect (peer->agent, "candidate-gathering-done", G_CALLBACK (gathered), peer);
  g_signal_connect (peer->agent, "component-state-changed", G_CALLBACK (state_changed), peer);
  peer->stream = nice_agent_add_stream (peer->agent, 1);
  nice_agent_attach_recv (peer->agent, peer->stream, 1, NULL, received, peer);
  peer->begun_at = g_get_monotonic_time ();
  peer->bridge =
      turn_connect_nice_attach (peer->agent, peer->stream, 1, target, user, password, flags, error);
  if (peer->bridge == NULL)
    return FALSE;
  if (budget_ms > 0)
    turn_connect_bridge_set_budget (peer->bridge, (guint)budget_ms);
  g_signal_connect (peer->bridge, "failed", G_CALLBACK (failed), peer);
  g_signal_connect (peer->bridge, "connected", G_CALLBACK (connected), peer);
  if (waits)
    turn_connect_bridge_prepare_async (peer->bridge, 1, 1, NULL, prepared, peer);
  else
    gather (peer);
  return TRUE;
}

static gboolean
too_late (gpointer data)
{
  g_print ("{\"event\": \"limit\", \"received\": [%u, %u]}\n", peers[0].n_received,
           peers[1].n_received);
  finish (EXIT_LOST);
  return G_SOURCE_REMOVE;
}

static void
closed (GObject *source, GAsyncResult *outcome, gpointer data)
{
  Peer *peer = data;

  g_clear_object (&peer->agent);
}

static void
end (Peer *peer)
{
  TurnConnectBridgeCounts counts;

  if (peer->bridge != NULL) {
    turn_connect_bridge_get_counts (peer->bridge, &counts);
    g_print ("{\"event\": \"counts\", \"agent\": %d, \"accepted\": %" G_GUINT64_FORMAT
             ", \"dialled\": %" G_GUINT64_FORMAT ", \"redirected\": %" G_GUINT64_FORMAT
             ", \"answered\": %" G_GUINT64_FORMAT ", \"dropped\": %" G_GUINT64_FORMAT "}\n",
             peer->number, counts.n_accepted, counts.n_dialled, counts.n_redirected,
             counts.n_answered, counts.n_dropped_to_client + counts.n_dropped_to_server);
  }
  /* Closing takes the allocations back first. */
  if (peer->agent != NULL)
    nice_agent_close_async (peer->agent, closed, peer);
  while (peer->agent != NULL)
    g_main_context_iteration (NULL, TRUE);
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (TurnConnectTarget) target = NULL;
  g_autoptr (TurnConnectTarget) other = NULL;
  g_autoptr (GError) error = NULL;

  setvbuf (stdout, NULL, _IOLBF, 0);
  g_option_context_add_main_entries (context, options, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || server_text == NULL ||
      strrchr (server_text, ':') == NULL || (target = make_target (server_text, &error)) == NULL ||
      (other_server != NULL && (strrchr (other_server, ':') == NULL ||
                                (other = make_target (other_server, &error)) == NULL))) {
    g_printerr ("nice-peers: %s\n",
                error != NULL ? error->message : "--server HOST:PORT is missing");
    return 64;
  }
  if (user == NULL)
    user = g_strdup ("alice");
  if (password == NULL)
    password = g_strdup ("correct horse");
  loop = g_main_loop_new (NULL, FALSE);
  g_timeout_add_seconds ((guint)limit_s, too_late, NULL);
  if (rest_secret != NULL) {
    issue_credentials (NULL);
    if (!is_never_renewed)
      g_timeout_add ((guint)rest_lifetime_s * 500, issue_credentials, NULL);
  }
  if (stays)
    g_timeout_add (200, say_received, NULL);
  for (int i = 0; i < (gathers_only ? 1 : 2); i++) {
    peers[i].number = i;
    if (!begin (&peers[i], i == 1 && other != NULL ? other : target, &error)) {
      g_printerr ("nice-peers: %s\n", error->message);
      return 64;
    }
  }
  g_main_loop_run (loop);
  end (&peers[0]);
  end (&peers[1]);
  g_main_loop_unref (loop);
  return result;
}
