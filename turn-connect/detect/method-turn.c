/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Methods by TURN: packets go by a channel to the relayed address that the allocation itself has, and
 * come back by the same channel: to the server and back once, which is what the way to a relay costs.
 * Where the server does not relay to its own addresses, the far end is who answers.
 */
#include "turn-connect/detect/trial-private.h"

#include "turn-connect/detect/kernel.h"
#include "turn-connect/error-private.h"
#include "turn-connect/target-private.h"
#include "turn-connect/turn/client.h"

#include <string.h>

typedef struct {
  TurnConnectTrial *trial; /* NULL once stopped */
  TurnConnectProbe *probe;
  TurnConnectClient *client;
  GCancellable *cancellable;
  TurnConnectFamilies family;
  StunExtAddress peer;
  gboolean is_far_end; /* the peer is; it answers Binding requests */
  guint8 id[12];
} Turn;

/* Answers to what was begun may come after the end. */
static gboolean
is_stopped (Turn *self, GError *error)
{
  return self->trial == NULL || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
received (TurnConnectClient *client,
          const StunExtAddress *peer,
          guint16 channel,
          const guint8 *data,
          gsize length,
          gpointer user_data)
{
  Turn *self = user_data;
  guint8 number = 0;
  TurnConnectOutcome outcome;

  if (!self->is_far_end) {
    turn_connect_trial_take_packet (self->trial, data, length);
    return;
  }
  outcome = turn_connect_run_read_binding (turn_connect_trial_get_run (self->trial), self->probe,
                                           self->id, data, length, &number);
  if (outcome == TURN_CONNECT_OUTCOME_PROOF || outcome == TURN_CONNECT_OUTCOME_ANSWER)
    turn_connect_trial_returned (self->trial, number);
}

static gboolean
send_packet (gpointer state, guint number)
{
  Turn *self = state;
  guint8 packet[MAX (TURN_CONNECT_TRIAL_PACKET_SIZE, TURN_CONNECT_BINDING_MAX)];
  GOutputVector vector = { packet, TURN_CONNECT_TRIAL_PACKET_SIZE };

  if (self->is_far_end) {
    self->id[11] = (guint8)number;
    vector.size =
        turn_connect_run_write_long_binding (turn_connect_trial_get_run (self->trial), self->probe,
                                             self->id, TURN_CONNECT_TRIAL_PACKET_SIZE, packet);
  } else
    turn_connect_trial_write_packet (self->trial, number, packet);
  return vector.size > 0 &&
         turn_connect_client_send (self->client, &self->peer, &vector, 1, TURN_CONNECT_SEND_NORMAL,
                                   NULL) == TURN_CONNECT_IO_OK;
}

/* A peer to echo with */

static void bind_peer (Turn *self);

static void
bound (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  Turn *self = data;

  turn_connect_client_bind_finish (TURN_CONNECT_CLIENT (source), result, &error);
  if (is_stopped (self, error)) {
    /* nobody waits for it */
  } else if (error == NULL)
    turn_connect_trial_ready (self->trial);
  else if (!g_error_matches (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TURN_FORBIDDEN))
    turn_connect_trial_fail (self->trial, error);
  else if (!self->is_far_end &&
           turn_connect_trial_get_server (self->trial, self->peer.family, &self->peer)) {
    self->is_far_end = TRUE;
    bind_peer (self);
  } else {
    self->probe->code = turn_connect_error_get_turn_code (error);
    turn_connect_trial_end (self->trial, TURN_CONNECT_OUTCOME_UNSUPPORTED,
                            "the server allocated, but relays neither to itself nor to the far end "
                            "(403), so that nobody answers");
  }
  g_rc_box_release (self);
}

static void
bind_peer (Turn *self)
{
  turn_connect_client_bind_async (self->client, &self->peer, self->cancellable, bound,
                                  g_rc_box_acquire (self));
}

/* Allocating */

static void
note_stream (Turn *self)
{
  TurnConnectStream *stream = turn_connect_client_get_stream (self->client);
  const TurnConnectTlsInfo *tls;

  if (stream == NULL)
    return;
  g_free (self->probe->via);
  self->probe->via = g_strdup (turn_connect_stream_get_proxy (stream));
  tls = turn_connect_stream_get_tls_info (stream);
  if (tls != NULL)
    turn_connect_probe_set_fact (self->probe, "tls", tls->version);
}

static gboolean allocate (Turn *self);

static void
allocated (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  Turn *self = data;
  guint number = self->family == TURN_CONNECT_FAMILY_IPV6 ? 6 : 4;

  turn_connect_client_allocate_finish (TURN_CONNECT_CLIENT (source), result, &error);
  if (is_stopped (self, error)) {
    /* nobody waits for it */
  } else if (error == NULL && turn_connect_client_get_relayed (self->client, number, &self->peer)) {
    note_stream (self);
    turn_connect_client_get_mapped (self->client, &self->probe->mapped);
    if (turn_connect_trial_get_way (self->trial)->is_proxied && self->probe->via == NULL)
      turn_connect_trial_end (self->trial, TURN_CONNECT_OUTCOME_SKIPPED,
                              "for this host no proxy is named");
    else
      bind_peer (self);
  } else if (number == 4 && (error == NULL || g_error_matches (error, TURN_CONNECT_ERROR,
                                                               TURN_CONNECT_ERROR_TURN_FAMILY))) {
    self->family = TURN_CONNECT_FAMILY_IPV6;
    if (!allocate (self))
      turn_connect_trial_end (self->trial, TURN_CONNECT_OUTCOME_FAILED, NULL);
  } else if (error != NULL)
    turn_connect_trial_fail (self->trial, error);
  else
    turn_connect_trial_end (self->trial, TURN_CONNECT_OUTCOME_WRONG_ANSWER,
                            "the server allocated, but no address of the family asked for");
  g_rc_box_release (self);
}

static void
drop_client (Turn *self)
{
  if (self->client == NULL)
    return;
  turn_connect_client_set_receive (self->client, NULL, NULL, NULL);
  g_clear_object (&self->client);
}

static gboolean
allocate (Turn *self)
{
  TurnConnectRun *run = turn_connect_trial_get_run (self->trial);
  const TurnConnectPlan *plan = turn_connect_run_get_plan (run);
  const TurnConnectTrialWay *way = turn_connect_trial_get_way (self->trial);
  const TurnConnectPlannedTurn *turn = &plan->turn[way->carry];
  g_autoptr (TurnConnectTarget) target =
      turn_connect_trial_make_target (self->trial, turn->host, turn->port);
  g_autoptr (GError) error = NULL;

  drop_client (self);
  self->client = turn_connect_client_new (target, way->carry == TURN_CONNECT_CARRY_UDP
                                                      ? TURN_CONNECT_CARRIER_DATAGRAM
                                                      : TURN_CONNECT_CARRIER_STREAM);
  turn_connect_client_set_reconnects (self->client, 0);
  turn_connect_client_set_mobility (self->client, FALSE); /* some servers refuse it first */
  turn_connect_client_set_relay (self->client, TURN_CONNECT_RELAY_UDP, self->family);
  turn_connect_client_set_receive (self->client, received, self, NULL);
  if (!turn_connect_client_set_credentials (self->client, plan->user, plan->password, &error)) {
    turn_connect_trial_fail (self->trial, error);
    return FALSE;
  }
  turn_connect_client_allocate_async (self->client, self->cancellable, allocated,
                                      g_rc_box_acquire (self));
  return TRUE;
}

static void
stop (gpointer state)
{
  Turn *self = state;

  self->trial = NULL;
  self->probe = NULL;
  g_cancellable_cancel (self->cancellable);
  drop_client (self);
  g_clear_object (&self->cancellable);
  g_rc_box_release (self);
}

static gpointer
start (TurnConnectTrial *trial, gpointer user_data)
{
  const TurnConnectPlan *plan = turn_connect_run_get_plan (turn_connect_trial_get_run (trial));
  Turn *self;

  if (plan->turn[turn_connect_trial_get_way (trial)->carry].is_off) {
    turn_connect_trial_end (trial, TURN_CONNECT_OUTCOME_SKIPPED, "another TURN server was named");
    return NULL;
  }
  self = g_rc_box_new0 (Turn);
  self->trial = trial;
  self->probe = turn_connect_trial_get_probe (trial);
  self->family = TURN_CONNECT_FAMILY_IPV4;
  self->cancellable = g_cancellable_new ();
  turn_connect_random_octets (self->id, sizeof self->id);
  allocate (self);
  return self;
}

#define TURN_WAY(name_, carry_, port_, is_proxied_)                                                \
  {                                                                                                \
    .name = name_, .carry = TURN_CONNECT_CARRY_##carry_, .port = port_, .is_proxied = is_proxied_, \
    .needs_login = TRUE, .start = start, .send = send_packet, .stop = stop,                        \
  }

/* Ports of RFC 8656 section 3.1, and for TLS the one that firewalls let through. */
const TurnConnectTrialWay turn_connect_methods_turn[] = {
  TURN_WAY ("turn-udp", UDP, 3478, FALSE),
  TURN_WAY ("turn-tcp", TCP, 3478, FALSE),
  TURN_WAY ("turn-tls", TLS, 443, FALSE),
  TURN_WAY ("turn-tls-proxy", TLS, 443, TRUE),
};
const guint turn_connect_n_methods_turn = G_N_ELEMENTS (turn_connect_methods_turn);
