/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which address has the router outside? If it is not the one that the far end sees, there is
 * another NAT beyond it. All three protocols are asked at once, for one local round trip.
 */
#include "turn-connect/detect/gateway-wire.h"
#include "turn-connect/detect/kernel.h"
#include "turn-connect/detect/run-private.h"
#include "turn-connect/network.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

#define DATAGRAM_MAX 2048
#define DEADLINE_US 500000
static const gint64 sends_us[] = { 0, 100000, 250000 }; /* RFC 6886 section 3.1: 250 ms, doubling */

typedef struct _GatewayProbe GatewayProbe;

typedef struct {
  GatewayProbe *owner;
  TurnConnectGatewayProtocol protocol;
  TurnConnectProbe *probe;
  int descriptor; /* -1: none */
  GSource *input, *timer;
  gint64 sent_us;
} Question;

struct _GatewayProbe {
  TurnConnectRun *run;
  Question questions[TURN_CONNECT_N_GATEWAY_PROTOCOLS];
  guint n_pending;
};

static void
question_clear (Question *question)
{
  turn_connect_run_clear_source (&question->input);
  turn_connect_run_clear_source (&question->timer);
  if (question->descriptor >= 0)
    close (question->descriptor);
  question->descriptor = -1;
}

static void
end_question (Question *question, TurnConnectOutcome outcome)
{
  GatewayProbe *self = question->owner;

  question_clear (question);
  turn_connect_run_end (self->run, question->probe, outcome);
  if (--self->n_pending == 0)
    turn_connect_run_done (self->run, TURN_CONNECT_FAMILY_GATEWAY);
}

static gboolean
input_ready (gint descriptor, GIOCondition condition, gpointer data)
{
  Question *question = data;
  guint8 datagram[DATAGRAM_MAX];
  TurnConnectOutcome outcome;
  ssize_t n = recv (descriptor, datagram, sizeof datagram, MSG_DONTWAIT);

  if (n < 0) {
    if (errno != EAGAIN && errno != EINTR)
      end_question (question, turn_connect_outcome_of_errno (errno));
    return G_SOURCE_CONTINUE;
  }
  question->probe->answers++;
  outcome = turn_connect_gateway_read (question->protocol, question->probe, datagram, (gsize)n);
  if (outcome == TURN_CONNECT_OUTCOME_PENDING)
    return G_SOURCE_CONTINUE;
  question->probe->rtt_us = g_get_monotonic_time () - question->sent_us;
  question->probe->source = question->probe->target;
  end_question (question, outcome);
  return G_SOURCE_CONTINUE;
}

static gboolean
send_due (gpointer data)
{
  Question *question = data;
  TurnConnectProbe *probe = question->probe;
  guint8 request[TURN_CONNECT_GATEWAY_REQUEST_MAX];
  guint n = probe->attempts;
  gint64 next_us;

  turn_connect_run_clear_source (&question->timer);
  if (n == G_N_ELEMENTS (sends_us)) {
    end_question (question, TURN_CONNECT_OUTCOME_SILENCE);
    return G_SOURCE_REMOVE;
  }
  question->sent_us = g_get_monotonic_time ();
  probe->attempts++;
  if (send (question->descriptor, request,
            turn_connect_gateway_write (question->protocol, &probe->local, request),
            MSG_NOSIGNAL) < 0 &&
      errno != EAGAIN && errno != EINTR) {
    end_question (question, turn_connect_outcome_of_errno (errno));
    return G_SOURCE_REMOVE;
  }
  next_us = n + 1 < G_N_ELEMENTS (sends_us) ? sends_us[n + 1] : DEADLINE_US;
  question->timer =
      turn_connect_run_add_timer (question->owner->run, next_us - sends_us[n], send_due, question);
  return G_SOURCE_REMOVE;
}

/* Connected, so that nobody but the router is heard. */
static gboolean
open_question (Question *question, const StunExtAddress *gateway)
{
  TurnConnectRun *run = question->owner->run;
  struct sockaddr_storage native;
  socklen_t length = (socklen_t)stun_ext_address_to_sockaddr (gateway, &native);

  question->descriptor = turn_connect_run_open_socket (run, gateway->family, SOCK_DGRAM);
  if (question->descriptor < 0 ||
      connect (question->descriptor, (struct sockaddr *)&native, length) != 0)
    return FALSE;
  question->input = g_unix_fd_source_new (question->descriptor, G_IO_IN);
  g_source_set_callback (question->input, G_SOURCE_FUNC (input_ready), question, NULL);
  g_source_attach (question->input, turn_connect_run_get_context (run));
  question->timer = turn_connect_run_add_timer (run, 0, send_due, question);
  return TRUE;
}

static void
ask (GatewayProbe *self, TurnConnectGatewayProtocol protocol, const StunExtAddress *gateway)
{
  Question *question = &self->questions[protocol];
  StunExtAddress to = *gateway;

  to.port = turn_connect_gateway_get_port (protocol);
  question->owner = self;
  question->protocol = protocol;
  question->probe = turn_connect_run_begin (self->run, TURN_CONNECT_PROBE_GATEWAY,
                                            turn_connect_gateway_protocol_to_string (protocol),
                                            TURN_CONNECT_CARRY_UDP, &to);
  question->probe->deadline_us += DEADLINE_US;
  turn_connect_run_get_local (self->run, &to, &question->probe->local);
  self->n_pending++;
  if (open_question (question, &to))
    return;
  self->n_pending--;
  question_clear (question);
  turn_connect_run_end (self->run, question->probe, TURN_CONNECT_OUTCOME_FAILED);
}

gpointer
turn_connect_gateway_probe_start (TurnConnectRun *run)
{
  TurnConnectObservations *observations = turn_connect_run_get_observations (run);
  g_auto (TurnConnectNetwork) network = { 0 };
  GatewayProbe *self;
  StunExtAddress gateway;
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

  turn_connect_network_look (&network, turn_connect_run_get_plan (run)->interface);
  g_hash_table_insert (observations->facts, g_strdup ("network"), g_strdup (network.place));
  if (!turn_connect_gateway_find (network.place, &gateway))
    return NULL;
  g_hash_table_insert (observations->facts, g_strdup ("gateway"),
                       g_strdup (stun_ext_address_print_host (&gateway, text)));
  self = g_new0 (GatewayProbe, 1);
  self->run = run;
  for (guint i = 0; i < TURN_CONNECT_N_GATEWAY_PROTOCOLS; i++)
    self->questions[i].descriptor = -1;
  for (guint i = 0; i < TURN_CONNECT_N_GATEWAY_PROTOCOLS; i++)
    ask (self, (TurnConnectGatewayProtocol)i, &gateway);
  if (self->n_pending > 0)
    return self;
  turn_connect_gateway_probe_stop (self);
  return NULL;
}

void
turn_connect_gateway_probe_stop (gpointer state)
{
  GatewayProbe *self = state;

  for (guint i = 0; i < TURN_CONNECT_N_GATEWAY_PROTOCOLS; i++)
    question_clear (&self->questions[i]);
  g_free (self);
}
