/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Direct UDP: no relay, no tunnel. Packets are Binding requests as long as a packet of a call, and the
 * far end's answers are as long; other STUN servers answer more shortly. As ICE does, it begins with
 * one that is repeated until it is answered.
 */
#include "turn-connect/detect/trial-private.h"

#include "turn-connect/detect/kernel.h"
#include "turn-connect/error-private.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HELLO 0x80 /* from here on, last octets of the ids of those that begin */
#define HELLO_EVERY_MS 100
#define HELLO_MAX 16
#define DATAGRAM_MAX 2048
#define LOOKUP_EVERY_US 1000 /* how often it is asked for */

typedef struct {
  TurnConnectTrial *trial;
  TurnConnectRun *run;
  TurnConnectProbe *probe;
  int descriptor;
  GSource *input, *timer;
  guint8 id[12];
  guint n_hellos;
} Direct;

static gboolean
send_request (Direct *self, guint8 number)
{
  guint8 request[TURN_CONNECT_BINDING_MAX];
  gsize length;

  self->id[11] = number;
  length = turn_connect_run_write_long_binding (self->run, self->probe, self->id,
                                                TURN_CONNECT_TRIAL_PACKET_SIZE, request);
  return length > 0 && send (self->descriptor, request, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static gboolean
send_packet (gpointer state, guint number)
{
  return send_request (state, (guint8)number);
}

static gboolean
say_hello (gpointer data)
{
  Direct *self = data;

  turn_connect_run_clear_source (&self->timer);
  send_request (self, (guint8)(HELLO + self->n_hellos++));
  if (self->n_hellos < HELLO_MAX)
    self->timer = turn_connect_run_add_timer (
        self->run, HELLO_EVERY_MS * (gint64)1000 * (1 + self->n_hellos / 4), say_hello, self);
  return G_SOURCE_REMOVE;
}

static void
take_datagram (Direct *self, const guint8 *data, gsize length)
{
  guint8 number = 0;

  switch (turn_connect_run_read_binding (self->run, self->probe, self->id, data, length, &number)) {
  case TURN_CONNECT_OUTCOME_PENDING:
    return;
  case TURN_CONNECT_OUTCOME_PROOF:
  case TURN_CONNECT_OUTCOME_ANSWER:
    break;
  default:
    return; /* an error here and there is a loss; if all are, nothing comes back */
  }
  turn_connect_run_clear_source (&self->timer);
  self->probe->source = self->probe->target;
  if (number < HELLO)
    turn_connect_trial_returned (self->trial, number);
  else
    turn_connect_trial_ready (self->trial);
}

static gboolean
input_ready (gint descriptor, GIOCondition condition, gpointer data)
{
  Direct *self = data;
  guint8 datagram[DATAGRAM_MAX];

  for (guint i = 0; i < TURN_CONNECT_TRIAL_PACKETS; i++) {
    ssize_t n = recv (descriptor, datagram, sizeof datagram, MSG_DONTWAIT);

    if (n > 0)
      take_datagram (self, datagram, (gsize)n);
    else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
      break;
    else if (n < 0) {
      g_autoptr (GError) error = turn_connect_error_from_errno (errno, NULL);

      /* One may be a mistake; the trial's deadline minds the rest. */
      if (self->n_hellos >= 3)
        turn_connect_trial_fail (self->trial, error);
      break;
    }
  }
  return G_SOURCE_CONTINUE;
}

static gboolean
connect_socket (Direct *self)
{
  struct sockaddr_storage native;
  socklen_t length = (socklen_t)stun_ext_address_to_sockaddr (&self->probe->target, &native);

  self->descriptor =
      turn_connect_run_open_socket (self->run, self->probe->target.family, SOCK_DGRAM);
  if (self->descriptor < 0 || connect (self->descriptor, (struct sockaddr *)&native, length) != 0)
    return FALSE;
  length = sizeof native;
  if (getsockname (self->descriptor, (struct sockaddr *)&native, &length) == 0)
    stun_ext_address_from_sockaddr (&self->probe->local, (struct sockaddr *)&native, length);
  return TRUE;
}

static void
stop (gpointer state)
{
  Direct *self = state;

  turn_connect_run_clear_source (&self->input);
  turn_connect_run_clear_source (&self->timer);
  if (self->descriptor >= 0)
    close (self->descriptor);
  g_free (self);
}

/* The family that answered, or else IPv4. */
static gboolean
find_server (TurnConnectTrial *trial, StunExtAddress *server)
{
  const TurnConnectProbe *passed =
      turn_connect_run_find_passed (turn_connect_trial_get_run (trial), TURN_CONNECT_PROBE_STUN, 4);

  if (passed == NULL)
    passed = turn_connect_run_find_passed (turn_connect_trial_get_run (trial),
                                           TURN_CONNECT_PROBE_STUN, 6);
  return turn_connect_trial_get_server (trial, passed != NULL ? passed->family : 0, server);
}

static void
go_on (Direct *self)
{
  self->input = g_unix_fd_source_new (self->descriptor, G_IO_IN);
  g_source_set_callback (self->input, G_SOURCE_FUNC (input_ready), self, NULL);
  g_source_attach (self->input, turn_connect_run_get_context (self->run));
  self->timer = turn_connect_run_add_timer (self->run, 0, say_hello, self);
}

/* A host may have a name in a family that it has no way out by. */
static gboolean
connect_by_the_other_family (Direct *self)
{
  guint other = self->probe->target.family == 4 ? 6 : 4;

  if (errno != ENETUNREACH ||
      !turn_connect_trial_get_server (self->trial, other, &self->probe->target))
    return FALSE;
  if (self->descriptor >= 0)
    close (self->descriptor);
  return connect_socket (self);
}

/* Waits for the far end's address, where that is not known yet. */
static gboolean
begin (gpointer data)
{
  Direct *self = data;
  guint16 port = turn_connect_run_get_plan (self->run)->direct_port;

  turn_connect_run_clear_source (&self->timer);
  if (!turn_connect_run_is_looked_up (self->run)) {
    self->timer = turn_connect_run_add_timer (self->run, LOOKUP_EVERY_US, begin, self);
    return G_SOURCE_REMOVE;
  }
  if (!find_server (self->trial, &self->probe->target)) {
    turn_connect_trial_end (self->trial, TURN_CONNECT_OUTCOME_UNREACHABLE,
                            "the far end's name has no address here");
    return G_SOURCE_REMOVE;
  }
  if (port != 0)
    self->probe->target.port = port;
  self->probe->family = self->probe->target.family;
  if (connect_socket (self) || connect_by_the_other_family (self))
    go_on (self);
  else {
    g_autoptr (GError) error = turn_connect_error_from_errno (errno, NULL);

    turn_connect_trial_fail (self->trial, error);
  }
  return G_SOURCE_REMOVE;
}

static gpointer
start (TurnConnectTrial *trial, gpointer user_data)
{
  Direct *self = g_new0 (Direct, 1);

  self->trial = trial;
  self->run = turn_connect_trial_get_run (trial);
  self->probe = turn_connect_trial_get_probe (trial);
  self->descriptor = -1;
  turn_connect_random_octets (self->id, sizeof self->id);
  begin (self);
  return self;
}

const TurnConnectTrialWay turn_connect_method_direct = {
  .name = "direct-udp",
  .carry = TURN_CONNECT_CARRY_UDP,
  .start = start,
  .send = send_packet,
  .stop = stop,
  .is_proven_by_set_up = TRUE,
};
