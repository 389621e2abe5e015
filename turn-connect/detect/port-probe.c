/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which TCP ports lead to the far end? That a connection comes about shows little, for transparent
 * proxies accept every one; so a Binding request is sent over it, and a decoy tells whether somebody
 * accepts connections to where nobody is. A connection that does not come about soon is joined by
 * others: the kernel repeats a lost SYN only after a second.
 */
#include "turn-connect/detect/run-private.h"

#include "stun-ext/message.h"
#include "turn-connect/detect/kernel.h"
#include "turn-connect/detect/stun-part.h"
#include "turn-connect/error-private.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEADLINE_US 3000000  /* SYNs of three sockets at 0, 0.4, 1, 1.2, 1.4 and 2.2 s */
#define ANSWER_US 1600000    /* from the connection on; TCP repeats after 0.2, 0.6 and 1.4 s */
#define UNANSWERED_US 600000 /* then a connection joins: a box may begin it anew, and lose that */
#define DECOY_US 1200000     /* who accepts for others is near */
#define ANSWER_MAX 1024      /* octets of an answer; ours has 240 */
#define DECOY_PORT 443
static const gint64 joins_us[] = { 0, 400000, 1200000 };
#define TRIES G_N_ELEMENTS (joins_us)

typedef struct _PortProbe PortProbe;
typedef struct _Try Try;

/* One port, or a decoy. */
typedef struct {
  PortProbe *owner;
  TurnConnectProbe *probe;
  guint8 id[12]; /* the last octet numbers the connection */
  struct _Try {
    int descriptor; /* -1: none, or over */
    GSource *source;
    gint64 asked_us; /* when the request went, 0 before */
    gboolean is_signed;
    gint64 began_us;
    guint8 answer[ANSWER_MAX];
    gsize n;
  } tries[TRIES];
  guint n_tries;
  GSource *join, *limit;
} Port;

struct _PortProbe {
  TurnConnectRun *run;
  TurnConnectFamilyId id;
  GPtrArray *ports; /* Port */
  guint n_pending;
};

static void
close_try (Try *try)
{
  turn_connect_run_clear_source (&try->source);
  if (try->descriptor >= 0)
    close (try->descriptor);
  try->descriptor = -1;
}

static void
close_port (Port *port)
{
  for (guint i = 0; i < port->n_tries; i++)
    close_try (&port->tries[i]);
  turn_connect_run_clear_source (&port->join);
  turn_connect_run_clear_source (&port->limit);
}

static void
port_free (gpointer data)
{
  close_port (data);
  g_free (data);
}

static void
end_port (Port *port, TurnConnectOutcome outcome)
{
  PortProbe *self = port->owner;

  close_port (port);
  turn_connect_run_end (self->run, port->probe, outcome);
  if (--self->n_pending == 0)
    turn_connect_run_done (self->run, self->id);
}

static gboolean
time_is_over (gpointer data)
{
  Port *port = data;

  end_port (port, port->probe->connect_us >= 0 ? TURN_CONNECT_OUTCOME_CONNECTED
                                               : TURN_CONNECT_OUTCOME_SILENCE);
  return G_SOURCE_REMOVE;
}

/* One of several connections is over; the others may still do. */
static void
end_try (Port *port, Try *try, TurnConnectOutcome outcome)
{
  gboolean is_alone = TRUE;

  close_try (try);
  for (guint i = 0; i < port->n_tries; i++)
    is_alone = is_alone && port->tries[i].descriptor < 0;
  if (is_alone)
    end_port (port, outcome);
}

/* Over a connection */

static void ask (Port *port, Try *try);
static gboolean join (gpointer data);

static void
read_answer (Port *port, Try *try, gint64 now)
{
  guint8 attempt = 0;
  gsize total = 0;
  TurnConnectStunPart part =
      turn_connect_stun_part_measure (try->answer, try->n, ANSWER_MAX, &total);
  TurnConnectOutcome outcome;

  if (part == TURN_CONNECT_STUN_MORE)
    return;
  port->probe->answers++;
  if (part == TURN_CONNECT_STUN_OTHER) {
    g_free (port->probe->detail);
    port->probe->detail = turn_connect_error_quote ((const char *)try->answer, try->n, 64);
    end_port (port, TURN_CONNECT_OUTCOME_WRONG_ANSWER);
    return;
  }
  outcome = turn_connect_run_read_binding (port->owner->run, port->probe, port->id, try->answer,
                                           total, &attempt);
  if (outcome == TURN_CONNECT_OUTCOME_PENDING && try->is_signed &&
      !turn_connect_run_signs (port->owner->run, port->probe)) {
    try->n = 0; /* it was about the signature; once more, without */
    ask (port, try);
    return;
  }
  port->probe->rtt_us = now - try->asked_us;
  port->probe->source = port->probe->target;
  end_port (port,
            outcome == TURN_CONNECT_OUTCOME_PENDING ? TURN_CONNECT_OUTCOME_WRONG_ANSWER : outcome);
}

static void
read_octets (Port *port, Try *try)
{
  ssize_t n = recv (try->descriptor, try->answer + try->n, ANSWER_MAX - try->n, 0);

  if (n > 0) {
    try->n += (gsize)n;
    read_answer (port, try, g_get_monotonic_time ());
  } else if (n == 0)
    end_try (port, try, TURN_CONNECT_OUTCOME_CLOSED);
  else if (errno != EAGAIN && errno != EINTR)
    end_try (port, try,
             errno == ECONNRESET ? TURN_CONNECT_OUTCOME_RESET : TURN_CONNECT_OUTCOME_SILENCE);
}

static gboolean
can_read (gint descriptor, GIOCondition condition, gpointer data)
{
  Port *port = data;

  for (guint i = 0; i < port->n_tries; i++) {
    if (port->tries[i].descriptor == descriptor) {
      read_octets (port, &port->tries[i]);
      break;
    }
  }
  return G_SOURCE_CONTINUE;
}

static void
note_connection (Port *port, const Try *try)
{
  struct sockaddr_storage native;
  socklen_t length = sizeof native;
  TurnConnectProbe *probe = port->probe;

  if (probe->connect_us >= 0)
    return;
  probe->connect_us = g_get_monotonic_time () - try->began_us;
  if (getsockname (try->descriptor, (struct sockaddr *)&native, &length) == 0)
    stun_ext_address_from_sockaddr (&probe->local, (struct sockaddr *)&native, length);
  turn_connect_run_clear_source (&port->join);
  if (port->n_tries < TRIES)
    port->join = turn_connect_run_add_timer (port->owner->run, UNANSWERED_US, join, port);
  turn_connect_run_clear_source (&port->limit);
  port->limit = turn_connect_run_add_timer (port->owner->run, ANSWER_US, time_is_over, port);
  probe->deadline_us = turn_connect_run_get_now (port->owner->run) + ANSWER_US;
}

static void
ask (Port *port, Try *try)
{
  guint8 request[TURN_CONNECT_BINDING_MAX];
  gsize length;

  port->id[11] = (guint8)(try - port->tries);
  length = turn_connect_run_write_binding (port->owner->run, port->probe, port->id, 0, request);
  try->is_signed = turn_connect_run_signs (port->owner->run, port->probe);
  try->asked_us = g_get_monotonic_time ();
  if (send (try->descriptor, request, length, MSG_NOSIGNAL) != (ssize_t)length) {
    end_try (port, try, TURN_CONNECT_OUTCOME_RESET);
    return;
  }
  turn_connect_run_clear_source (&try->source);
  try->source = g_unix_fd_source_new (try->descriptor, G_IO_IN);
  g_source_set_callback (try->source, G_SOURCE_FUNC (can_read), port, NULL);
  g_source_attach (try->source, turn_connect_run_get_context (port->owner->run));
}

static void
try_ended (Port *port, Try *try)
{
  int number = 0;
  socklen_t length = sizeof number;

  if (getsockopt (try->descriptor, SOL_SOCKET, SO_ERROR, &number, &length) != 0)
    number = errno;
  if (number != 0) {
    g_free (port->probe->detail);
    port->probe->detail = g_strdup (g_strerror (number));
    end_try (port, try, turn_connect_outcome_of_errno (number));
    return;
  }
  note_connection (port, try);
  if (port->probe->kind == TURN_CONNECT_PROBE_DECOY)
    end_port (port, TURN_CONNECT_OUTCOME_CONNECTED);
  else
    ask (port, try);
}

static gboolean
connected (gint descriptor, GIOCondition condition, gpointer data)
{
  Port *port = data;

  for (guint i = 0; i < port->n_tries; i++) {
    if (port->tries[i].descriptor == descriptor) {
      try_ended (port, &port->tries[i]);
      break;
    }
  }
  return G_SOURCE_REMOVE;
}

/* Connecting */

static void
begin_try (Port *port)
{
  Try *try = &port->tries[port->n_tries];
  TurnConnectRun *run = port->owner->run;
  struct sockaddr_storage native;
  socklen_t length = (socklen_t)stun_ext_address_to_sockaddr (&port->probe->target, &native);

  port->probe->attempts++;
  try->began_us = g_get_monotonic_time ();
  try->descriptor = turn_connect_run_open_socket (run, port->probe->family, SOCK_STREAM);
  port->n_tries++;
  if (try->descriptor < 0) {
    port->probe->detail = g_strdup (g_strerror (errno));
    end_try (port, try, TURN_CONNECT_OUTCOME_FAILED);
    return;
  }
  if (connect (try->descriptor, (struct sockaddr *)&native, length) != 0 && errno != EINPROGRESS) {
    g_free (port->probe->detail);
    port->probe->detail = g_strdup (g_strerror (errno));
    end_try (port, try, turn_connect_outcome_of_errno (errno));
    return;
  }
  try->source = g_unix_fd_source_new (try->descriptor, G_IO_OUT);
  g_source_set_callback (try->source, G_SOURCE_FUNC (connected), port, NULL);
  g_source_attach (try->source, turn_connect_run_get_context (run));
  if (port->n_tries < TRIES && port->probe->kind != TURN_CONNECT_PROBE_DECOY)
    port->join = turn_connect_run_add_timer (
        run, joins_us[port->n_tries] - joins_us[port->n_tries - 1], join, port);
}

static gboolean
join (gpointer data)
{
  Port *port = data;

  turn_connect_run_clear_source (&port->join);
  begin_try (port);
  return G_SOURCE_REMOVE;
}

static gboolean
begin_port (gpointer data)
{
  return join (data);
}

static void
add_port (PortProbe *self, TurnConnectProbeKind kind, const StunExtAddress *target)
{
  gint64 limit_us = kind == TURN_CONNECT_PROBE_DECOY ? DECOY_US : DEADLINE_US;
  Port *port = g_new0 (Port, 1);

  port->owner = self;
  for (guint i = 0; i < TRIES; i++)
    port->tries[i].descriptor = -1;
  port->probe = turn_connect_run_begin (self->run, kind, NULL, TURN_CONNECT_CARRY_TCP, target);
  port->probe->deadline_us += limit_us;
  turn_connect_random_octets (port->id, sizeof port->id);
  g_ptr_array_add (self->ports, port);
  self->n_pending++;
  port->limit = turn_connect_run_add_timer (self->run, limit_us, time_is_over, port);
  port->join = turn_connect_run_add_timer (self->run, 0, begin_port, port);
}

static gpointer
start (TurnConnectRun *run, TurnConnectFamilyId id, const GArray *ports)
{
  PortProbe *self = g_new0 (PortProbe, 1);
  StunExtAddress address;

  self->run = run;
  self->id = id;
  self->ports = g_ptr_array_new_with_free_func (port_free);
  for (guint8 family = 4; family <= 6; family += 2) {
    for (guint i = 0; i < ports->len; i++) {
      if (turn_connect_run_get_server (run, family, g_array_index (ports, guint16, i), &address))
        add_port (self, TURN_CONNECT_PROBE_PORT, &address);
    }
    if (id == TURN_CONNECT_FAMILY_PORT && turn_connect_run_find_decoy (run, family, &address)) {
      address.port = DECOY_PORT;
      add_port (self, TURN_CONNECT_PROBE_DECOY, &address);
    }
  }
  if (self->n_pending > 0)
    return self;
  turn_connect_port_probe_stop (self);
  return NULL;
}

gpointer
turn_connect_port_probe_start (TurnConnectRun *run)
{
  return start (run, TURN_CONNECT_FAMILY_PORT, turn_connect_run_get_plan (run)->tcp_ports);
}

gpointer
turn_connect_port_probe_start_further (TurnConnectRun *run)
{
  g_autoptr (GArray) ports = turn_connect_run_find_further_ports (run, TURN_CONNECT_CARRY_TCP);

  return start (run, TURN_CONNECT_FAMILY_PORT_FURTHER, ports);
}

void
turn_connect_port_probe_stop (gpointer state)
{
  PortProbe *self = state;

  g_ptr_array_unref (self->ports);
  g_free (self);
}
