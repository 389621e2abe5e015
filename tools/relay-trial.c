/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two allocations on the server send packets to each other: that needs nobody else, and works from behind any firewall
 * that lets one of them out. Where the server gives only one, it sends to itself.
 */
#include "tools/relay-trial.h"

#include <stdlib.h>
#include <string.h>

#define GRACE_MS 500
#define PACKET_OCTETS 172   /* as G.711 in RTP, 20 ms */
#define PACKET_EVERY_MS 20  /* likewise */
#define LAST_PACKET_MS 2000 /* how long the last one may take */
#define PING 'i'
#define PONG 'o'

typedef struct {
  guint8 session[8]; /* packets of nobody else count */
  guint8 kind;
  guint8 number;
} Label;

typedef struct {
  TurnConnectClient *client;
  StunExtAddress relayed;
  gboolean is_ready;
} Side;

typedef struct {
  RelayTrial *trial;
  const RelayTrialWay *way;
  RelayTrialProgress progress;
  gpointer user_data;
  Side sides[2];
  gboolean is_done; /* the step that is waited for */
  GError *error;
  gint64 allocating_at;
  guint8 session[8];
  gint64 sent_at[RELAY_TRIAL_PACKETS];
  gint64 rtts_us[RELAY_TRIAL_PACKETS]; /* by number; 0: not back */
  gboolean was_there[RELAY_TRIAL_PACKETS];
} Run;

void
relay_trial_free (RelayTrial *trial)
{
  g_free (trial->host);
  g_clear_error (&trial->error);
  g_free (trial->proxy);
  g_free (trial->tls);
  g_free (trial->alpn);
  g_free (trial->software);
  g_free (trial->server);
  g_free (trial->relayed);
  g_free (trial->mapped);
  g_free (trial->alone_because);
  g_free (trial);
}

/* Waiting */

static gboolean
expire (gpointer cancellable)
{
  g_cancellable_cancel (cancellable);
  return G_SOURCE_CONTINUE;
}

/* Iterates until the step is done; a step that does not end is cancelled. FALSE with an error. */
static gboolean
wait_for (Run *run, GCancellable *cancellable, const char *what, GError **error)
{
  /* A dial ends by the same limit and says more, so it gets to say it. */
  guint id = g_timeout_add (run->way->limit_s * 1000 + GRACE_MS, expire, cancellable);

  while (!run->is_done)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (id);
  run->is_done = FALSE;
  if (g_error_matches (run->error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
    g_clear_error (&run->error);
    g_set_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TIMED_OUT,
                 "%s got no answer within %u s", what, run->way->limit_s);
    return FALSE;
  }
  if (run->error == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&run->error));
  return FALSE;
}

/* Allocating */

static void
allocated (GObject *client, GAsyncResult *result, gpointer user_data)
{
  Run *run = user_data;

  turn_connect_client_allocate_finish (TURN_CONNECT_CLIENT (client), result, &run->error);
  run->is_done = TRUE;
}

static void
state_changed (TurnConnectClient *client,
               TurnConnectClientState state,
               const GError *cause,
               gpointer user_data)
{
  Run *run = user_data;

  if (client != run->sides[0].client)
    return;
  if (state == TURN_CONNECT_CLIENT_CONNECTING)
    run->progress ("connecting", run->user_data);
  if (state == TURN_CONNECT_CLIENT_ALLOCATING) {
    run->allocating_at = g_get_monotonic_time ();
    run->progress ("connected; asking for an allocation", run->user_data);
  }
}

static void
side_clear (Side *side)
{
  if (side->client != NULL)
    g_signal_handlers_disconnect_matched (side->client, G_SIGNAL_MATCH_FUNC, 0, 0, NULL,
                                          state_changed, NULL);
  g_clear_object (&side->client);
  side->is_ready = FALSE;
}

static void received (TurnConnectClient *client,
                      const StunExtAddress *peer,
                      guint16 channel,
                      const guint8 *data,
                      gsize length,
                      gpointer user_data);

static gboolean
allocate_family (Run *run, Side *side, TurnConnectFamilies family, GError **error)
{
  const RelayTrialWay *way = run->way;
  gboolean is_stream =
      way->transport == TURN_CONNECT_TRANSPORT_TCP || way->transport == TURN_CONNECT_TRANSPORT_TLS;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  side_clear (side);
  side->client = turn_connect_client_new (way->target, is_stream ? TURN_CONNECT_CARRIER_STREAM
                                                                 : TURN_CONNECT_CARRIER_DATAGRAM);
  turn_connect_client_set_reconnects (side->client, 0);
  turn_connect_client_set_mobility (side->client, FALSE); /* some servers refuse it first */
  turn_connect_client_set_relay (side->client, TURN_CONNECT_RELAY_UDP, family);
  turn_connect_client_set_receive (side->client, received, run, NULL);
  g_signal_connect (side->client, "state-changed", G_CALLBACK (state_changed), run);
  if (way->user != NULL &&
      !turn_connect_client_set_credentials (side->client, way->user, way->password, error))
    return FALSE;
  turn_connect_client_allocate_async (side->client, cancellable, allocated, run);
  if (!wait_for (run, cancellable, "the server", error))
    return FALSE;
  side->is_ready = turn_connect_client_get_relayed (
      side->client, family == TURN_CONNECT_FAMILY_IPV6 ? 6 : 4, &side->relayed);
  if (!side->is_ready)
    g_set_error_literal (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TURN_PROTOCOL,
                         "the server allocated, but no address of the family asked for");
  return side->is_ready;
}

/* An IPv4 relay, or where the server has none an IPv6 one. */
static gboolean
allocate (Run *run, Side *side, GError **error)
{
  g_autoptr (GError) first = NULL;

  if (allocate_family (run, side, TURN_CONNECT_FAMILY_IPV4, &first))
    return TRUE;
  if (g_error_matches (first, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TURN_FAMILY))
    return allocate_family (run, side, TURN_CONNECT_FAMILY_IPV6, error);
  g_propagate_error (error, g_steal_pointer (&first));
  return FALSE;
}

static char *
print (const StunExtAddress *address)
{
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

  return g_strdup (stun_ext_address_print (address, text));
}

static void
note_connection (RelayTrial *trial, TurnConnectStream *stream)
{
  const TurnConnectTlsInfo *tls = turn_connect_stream_get_tls_info (stream);

  trial->has_timings = TRUE;
  trial->timings = *turn_connect_stream_get_timings (stream);
  trial->proxy = g_strdup (turn_connect_stream_get_proxy (stream));
  if (tls == NULL)
    return;
  trial->tls = g_strdup_printf ("%s, %s", tls->version, tls->cipher);
  trial->alpn = g_strdup (tls->alpn);
}

static void
note_allocation (Run *run, gint64 began)
{
  RelayTrial *trial = run->trial;
  TurnConnectClient *client = run->sides[0].client;
  TurnConnectStream *stream = turn_connect_client_get_stream (client);
  gint64 now = g_get_monotonic_time ();
  StunExtAddress mapped;

  trial->connect_us = run->allocating_at - began;
  trial->allocate_us = now - run->allocating_at;
  trial->software = g_strdup (turn_connect_client_get_software (client));
  trial->server = g_strdup (turn_connect_client_get_server (client));
  trial->relayed = print (&run->sides[0].relayed);
  trial->lifetime_s = turn_connect_client_get_lifetime (client);
  if (turn_connect_client_get_mapped (client, &mapped))
    trial->mapped = print (&mapped);
  if (stream != NULL)
    note_connection (trial, stream);
}

/* Binding */

static void
bound (GObject *client, GAsyncResult *result, gpointer user_data)
{
  Run *run = user_data;

  turn_connect_client_bind_finish (TURN_CONNECT_CLIENT (client), result, &run->error);
  run->is_done = TRUE;
}

static gboolean
bind_channel (Run *run, Side *side, const StunExtAddress *peer, GError **error)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  gint64 began = g_get_monotonic_time ();

  turn_connect_client_bind_async (side->client, peer, cancellable, bound, run);
  if (!wait_for (run, cancellable, "the request for a channel", error))
    return FALSE;
  began = g_get_monotonic_time () - began;
  if (run->trial->bind_us == 0 || began < run->trial->bind_us)
    run->trial->bind_us = began;
  return TRUE;
}

/* Sending to and fro */

static TurnConnectIo
send_packet (Run *run, Side *from, const StunExtAddress *to, guint8 kind, guint8 number)
{
  guint8 packet[PACKET_OCTETS] = { 0 };
  Label label = { .kind = kind, .number = number };
  const GOutputVector vector = { packet, sizeof packet };

  memcpy (label.session, run->session, sizeof label.session);
  memcpy (packet, &label, sizeof label);
  return turn_connect_client_send (from->client, to, &vector, 1, TURN_CONNECT_SEND_NORMAL, NULL);
}

static void
received (TurnConnectClient *client,
          const StunExtAddress *peer,
          guint16 channel,
          const guint8 *data,
          gsize length,
          gpointer user_data)
{
  Run *run = user_data;
  Side *side = &run->sides[client == run->sides[0].client ? 0 : 1];
  Label label;

  if (length != PACKET_OCTETS)
    return;
  memcpy (&label, data, sizeof label);
  if (memcmp (label.session, run->session, sizeof label.session) != 0 ||
      label.number >= RELAY_TRIAL_PACKETS)
    return;
  if (label.kind == PING && !run->was_there[label.number]) {
    run->was_there[label.number] = TRUE;
    run->trial->n_there++;
    send_packet (run, side, peer, PONG, label.number);
  } else if (label.kind == PONG && run->rtts_us[label.number] == 0 &&
             run->sent_at[label.number] != 0) {
    run->rtts_us[label.number] = MAX (g_get_monotonic_time () - run->sent_at[label.number], 1);
    run->trial->n_back++;
  }
}

static gboolean
tick (gpointer flag)
{
  *(gboolean *)flag = TRUE;
  return G_SOURCE_REMOVE;
}

/* Iterates for this long, or until every packet sent is back if @until_back. */
static void
pause_for (Run *run, guint ms, gboolean until_back)
{
  gboolean is_over = FALSE;
  guint id = g_timeout_add (ms, tick, &is_over);

  while (!is_over && !(until_back && run->trial->n_back == run->trial->n_sent))
    g_main_context_iteration (NULL, TRUE);
  if (!is_over)
    g_source_remove (id);
}

static gint
compare_times (gconstpointer a, gconstpointer b)
{
  gint64 left = *(const gint64 *)a, right = *(const gint64 *)b;

  return left < right ? -1 : left > right;
}

static void
sum_up (Run *run)
{
  RelayTrial *trial = run->trial;
  gint64 before = 0, differences = 0;
  guint n = 0;

  for (guint i = 0; i < RELAY_TRIAL_PACKETS; i++) {
    if (run->rtts_us[i] == 0)
      continue;
    if (before != 0)
      differences += ABS (run->rtts_us[i] - before);
    before = run->rtts_us[i];
    trial->rtts_us[n++] = before;
  }
  if (n > 1)
    trial->jitter_us = differences / (n - 1);
  qsort (trial->rtts_us, n, sizeof *trial->rtts_us, compare_times);
}

static gboolean
echo (Run *run, const Side *peer, GError **error)
{
  RelayTrial *trial = run->trial;

  run->progress ("sending packets to and fro", run->user_data);
  for (guint8 i = 0; i < RELAY_TRIAL_PACKETS; i++) {
    run->sent_at[i] = g_get_monotonic_time ();
    if (send_packet (run, &run->sides[0], &peer->relayed, PING, i) == TURN_CONNECT_IO_OK)
      trial->n_sent++;
    else
      run->sent_at[i] = 0;
    pause_for (run, PACKET_EVERY_MS, FALSE);
  }
  pause_for (run, LAST_PACKET_MS, TRUE);
  sum_up (run);
  if (trial->n_back > 0)
    return TRUE;
  g_set_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TIMED_OUT,
               "the allocation is there, but of %u packets %u arrived and none came back: the "
               "server may not relay to its own addresses, or a firewall stands between its relay "
               "ports",
               trial->n_sent, trial->n_there);
  return FALSE;
}

/* All of it */

static gboolean
run_steps (Run *run, GError **error)
{
  RelayTrial *trial = run->trial;
  gint64 began = g_get_monotonic_time ();
  g_autoptr (GError) second = NULL;
  Side *peer = &run->sides[1];
  gint64 bind_began;

  if (!allocate (run, &run->sides[0], error))
    return FALSE;
  note_allocation (run, began);
  run->progress ("allocated; asking for a second allocation to talk to", run->user_data);
  if (!allocate (run, peer, &second)) {
    trial->is_alone = TRUE;
    trial->alone_because = g_strdup (second != NULL ? second->message : "no address");
    peer = &run->sides[0];
  }
  bind_began = g_get_monotonic_time ();
  if (!bind_channel (run, &run->sides[0], &peer->relayed, error))
    return FALSE;
  trial->total_us = trial->connect_us + trial->allocate_us + g_get_monotonic_time () - bind_began;
  if (!trial->is_alone && !bind_channel (run, peer, &run->sides[0].relayed, error))
    return FALSE;
  return echo (run, peer, error);
}

static void
closed (GObject *client, GAsyncResult *result, gpointer user_data)
{
  turn_connect_client_close_finish (TURN_CONNECT_CLIENT (client), result);
  ((Run *)user_data)->is_done = TRUE;
}

RelayTrial *
relay_trial_run (const RelayTrialWay *way, RelayTrialProgress progress, gpointer user_data)
{
  RelayTrial *trial = g_new0 (RelayTrial, 1);
  Run run = { .trial = trial, .way = way, .progress = progress, .user_data = user_data };

  trial->transport = way->transport;
  trial->host = g_strdup (turn_connect_target_get_host (way->target));
  trial->port = turn_connect_target_get_port (way->target);
  for (gsize i = 0; i < sizeof run.session; i++)
    run.session[i] = (guint8)g_random_int_range (0, 256);
  run_steps (&run, &trial->error);
  for (gsize i = 0; i < G_N_ELEMENTS (run.sides); i++) {
    if (run.sides[i].client != NULL) {
      run.is_done = FALSE;
      turn_connect_client_close_async (run.sides[i].client, closed, &run);
      while (!run.is_done)
        g_main_context_iteration (NULL, TRUE);
    }
    side_clear (&run.sides[i]);
  }
  return trial;
}
