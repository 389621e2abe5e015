/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which sizes of packets pass, there and back? Requests of all sizes that may not be fragmented; then
 * answers as long as their requests. What the network says when it drops one (ICMP) is noted, and so
 * is that it says nothing: there path MTU discovery fails, and TCP stalls.
 */
#include "turn-connect/detect/kernel.h"
#include "turn-connect/detect/mtu-search.h"
#include "turn-connect/detect/run-private.h"
#include "turn-connect/error-private.h"

#include <errno.h>
#include <glib-unix.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DATAGRAM_MAX 2048
#define DATAGRAMS_AT_ONCE 32
#define LARGEST 1500     /* octets of a packet; the far end takes datagrams of up to 2048 */
#define LISTEN_US 600000 /* after the last sending, or three round trips */
#define PACE_US 4000     /* between packets, so that no queue drops what would pass alone */
#define SIZE_OF_HEADERS(family) ((family) == 6 ? 48u : 28u)
static const gint64 sends_us[] = { 0, 200000, 500000, 900000 };

typedef struct _MtuProbe MtuProbe;

typedef struct {
  guint size;
  guint n_sent;
  gint64 due_us; /* -1: over */
} Size;

/* One family, first there and then back. */
typedef struct {
  MtuProbe *owner;
  TurnConnectProbe *probe; /* of the direction at work; NULL: over */
  gboolean is_back;
  gboolean is_proven;
  int descriptor;
  GSource *input, *timer;
  TurnConnectMtuSearch search;
  guint there; /* what passed there; 0: not known */
  Size sizes[TURN_CONNECT_MTU_SIZES_MAX];
  guint n_sizes;
  guint8 id[12]; /* the last two octets are the size's index, and the sending */
  gint64 round_us;
} Path;

struct _MtuProbe {
  TurnConnectRun *run;
  Path paths[2];
  guint n_pending;
};

static void next_round (Path *path);

static void
path_close (Path *path)
{
  turn_connect_run_clear_source (&path->input);
  turn_connect_run_clear_source (&path->timer);
  if (path->descriptor >= 0)
    close (path->descriptor);
  path->descriptor = -1;
}

static void
set_number (TurnConnectProbe *probe, const char *key, guint number)
{
  g_autofree char *text = number > 0 ? g_strdup_printf ("%u", number) : NULL;

  turn_connect_probe_set_fact (probe, key, text);
}

static void begin_direction (Path *path, gboolean is_back);

static void
end_direction (Path *path, TurnConnectOutcome outcome)
{
  MtuProbe *self = path->owner;
  TurnConnectProbe *probe = g_steal_pointer (&path->probe);

  set_number (probe, "passed", path->search.passed);
  set_number (probe, "lost", path->search.lost);
  turn_connect_run_end (self->run, probe, outcome);
  if (!path->is_back && path->search.passed > 0) {
    path->there = path->search.passed;
    begin_direction (path, TRUE);
    return;
  }
  path_close (path);
  if (--self->n_pending == 0)
    turn_connect_run_done (self->run, TURN_CONNECT_FAMILY_MTU);
}

/* Sending */

/* FALSE if this machine does not send so much in one piece. */
static gboolean
send_size (Path *path, guint index)
{
  Size *size = &path->sizes[index];
  StunExtDetectRequest request = { .length = size->size - SIZE_OF_HEADERS (path->probe->family),
                                   .mark.flags = path->is_back ? STUN_EXT_DETECT_FLAG_FILL : 0 };
  guint8 octets[DATAGRAM_MAX];
  gsize length;

  path->id[10] = (guint8)index;
  path->id[11] = (guint8)size->n_sent++;
  memcpy (request.transaction_id, path->id, sizeof request.transaction_id);
  length = turn_connect_run_write_request (path->owner->run, path->probe, &request, octets,
                                           sizeof octets);
  path->probe->attempts++;
  for (guint tries = 0; tries < 2; tries++) {
    if (send (path->descriptor, octets, length, MSG_NOSIGNAL) >= 0)
      return TRUE;
    if (errno == EMSGSIZE)
      return FALSE;
  }
  return TRUE; /* an earlier packet's error; lost, as on the way */
}

static void
arm (Path *path)
{
  gint64 due = -1;

  for (guint i = 0; i < path->n_sizes; i++) {
    if (path->sizes[i].due_us >= 0 && (due < 0 || path->sizes[i].due_us < due))
      due = path->sizes[i].due_us;
  }
  if (path->timer != NULL)
    g_source_set_ready_time (path->timer, due);
}

static void
end_size (Path *path, guint index, gboolean has_passed)
{
  Size *size = &path->sizes[index];

  size->due_us = -1;
  turn_connect_mtu_search_note (&path->search, size->size, has_passed);
  for (guint i = 0; i < path->n_sizes; i++) {
    if (path->sizes[i].due_us >= 0)
      return;
  }
  next_round (path);
}

static void
size_due (Path *path, guint index, gint64 now)
{
  Size *size = &path->sizes[index];
  gint64 rtt = turn_connect_run_get_rtt (path->owner->run, path->probe->family);

  if (size->n_sent == G_N_ELEMENTS (sends_us)) {
    end_size (path, index, FALSE);
    return;
  }
  if (!send_size (path, index)) {
    turn_connect_probe_set_fact (path->probe, "local", "this machine's interface takes no more");
    end_size (path, index, FALSE);
    return;
  }
  size->due_us = size->n_sent < G_N_ELEMENTS (sends_us)
                     ? path->round_us + index * PACE_US + sends_us[size->n_sent]
                     : now + MAX (LISTEN_US, 3 * MIN (rtt, G_USEC_PER_SEC));
}

static gboolean
timer_due (gpointer data)
{
  Path *path = data;
  gint64 now = g_get_monotonic_time (), round_us = path->round_us;

  g_source_set_ready_time (path->timer, -1);
  for (guint i = 0; i < path->n_sizes && path->round_us == round_us && path->probe != NULL; i++) {
    if (path->sizes[i].due_us >= 0 && path->sizes[i].due_us <= now)
      size_due (path, i, now);
  }
  arm (path);
  return G_SOURCE_CONTINUE;
}

static void
next_round (Path *path)
{
  guint sizes[TURN_CONNECT_MTU_SIZES_MAX];
  guint n = turn_connect_mtu_search_next (&path->search, sizes);

  if (n == 0) {
    end_direction (path, path->search.passed == 0 ? TURN_CONNECT_OUTCOME_SILENCE
                         : path->is_proven        ? TURN_CONNECT_OUTCOME_PROOF
                                                  : TURN_CONNECT_OUTCOME_ANSWER);
    return;
  }
  path->n_sizes = n;
  path->round_us = MAX (g_get_monotonic_time (), path->round_us + 1);
  for (guint i = 0; i < n; i++)
    path->sizes[i] = (Size){ .size = sizes[i], .due_us = path->round_us + i * PACE_US };
  turn_connect_random_octets (path->id, sizeof path->id);
  arm (path);
}

/* Answers */

static void
take_answer (Path *path, const guint8 *data, gsize length)
{
  TurnConnectProbe *probe = path->probe;
  guint index = length >= 20 ? data[18] : TURN_CONNECT_MTU_SIZES_MAX;
  guint8 id[12], number = 0;
  TurnConnectOutcome outcome;

  if (index >= path->n_sizes || memcmp (data + 8, path->id, 10) != 0 ||
      path->sizes[index].due_us < 0)
    return;
  memcpy (id, path->id, sizeof id);
  id[10] = (guint8)index;
  outcome = turn_connect_run_read_binding (path->owner->run, probe, id, data, length, &number);
  if (outcome == TURN_CONNECT_OUTCOME_PENDING)
    return;
  probe->answers++;
  if (outcome != TURN_CONNECT_OUTCOME_PROOF && outcome != TURN_CONNECT_OUTCOME_ANSWER)
    return;
  if (path->is_back && length + SIZE_OF_HEADERS (probe->family) != path->sizes[index].size) {
    end_direction (path, TURN_CONNECT_OUTCOME_UNSUPPORTED); /* it does not fill its answers */
    return;
  }
  path->is_proven = outcome == TURN_CONNECT_OUTCOME_PROOF;
  probe->source = probe->target;
  end_size (path, index, TRUE);
}

static void
take_icmp (Path *path, const struct sock_extended_err *error)
{
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];
  StunExtAddress by = { 0 };

  if (error->ee_errno != EMSGSIZE || error->ee_origin == SO_EE_ORIGIN_LOCAL)
    return;
  set_number (path->probe, "icmp_mtu", error->ee_info);
  if (stun_ext_address_from_sockaddr (&by, SO_EE_OFFENDER (error), sizeof (struct sockaddr_in6)))
    turn_connect_probe_set_fact (path->probe, "icmp-from", stun_ext_address_print_host (&by, text));
}

/* TRUE if there was an error to take. */
static gboolean
read_error (Path *path)
{
  guint8 data[64], control[512];
  struct iovec vector = { data, sizeof data };
  struct msghdr message = {
    .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
  };

  if (recvmsg (path->descriptor, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
    return FALSE;
  for (struct cmsghdr *c = CMSG_FIRSTHDR (&message); c != NULL; c = CMSG_NXTHDR (&message, c)) {
    struct {
      struct sock_extended_err error;
      struct sockaddr_in6 offender;
    } said = { 0 };

    if (!((c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR) ||
          (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_RECVERR)))
      continue;
    memcpy (&said, CMSG_DATA (c), MIN (sizeof said, c->cmsg_len - CMSG_LEN (0)));
    take_icmp (path, &said.error);
  }
  return TRUE;
}

static gboolean
input_ready (gint descriptor, GIOCondition condition, gpointer data)
{
  Path *path = data;
  guint8 datagram[DATAGRAM_MAX];

  for (guint i = 0; i < DATAGRAMS_AT_ONCE && path->probe != NULL; i++) {
    ssize_t n = recv (descriptor, datagram, sizeof datagram, MSG_DONTWAIT);

    if (n >= 0)
      take_answer (path, datagram, (gsize)n);
    else if (!read_error (path) && (errno == EAGAIN || errno == EWOULDBLOCK))
      break;
  }
  arm (path);
  return G_SOURCE_CONTINUE;
}

/* Beginning */

static void
begin_direction (Path *path, gboolean is_back)
{
  MtuProbe *self = path->owner;
  const TurnConnectProbe *passed = turn_connect_run_find_passed (self->run, TURN_CONNECT_PROBE_STUN,
                                                                 path == &self->paths[0] ? 4 : 6);

  path->is_back = is_back;
  path->is_proven = FALSE;
  path->search = (TurnConnectMtuSearch){ .largest = is_back ? path->there : LARGEST };
  path->probe =
      turn_connect_run_begin (self->run, TURN_CONNECT_PROBE_MTU, is_back ? "back" : "there",
                              TURN_CONNECT_CARRY_UDP, &passed->target);
  path->probe->local = passed->local;
  path->probe->local.port = 0;
  path->probe->deadline_us += 3 * (sends_us[G_N_ELEMENTS (sends_us) - 1] + LISTEN_US);
  next_round (path);
}

static gboolean
open_path (Path *path, const StunExtAddress *server)
{
  gboolean is_six = server->family == 6;
  struct sockaddr_storage native;
  socklen_t length = (socklen_t)stun_ext_address_to_sockaddr (server, &native);
  const int rule = is_six ? IPV6_PMTUDISC_PROBE : IP_PMTUDISC_PROBE, on = 1;

  path->descriptor = turn_connect_run_open_socket (path->owner->run, server->family, SOCK_DGRAM);
  if (path->descriptor < 0 ||
      setsockopt (path->descriptor, is_six ? SOL_IPV6 : SOL_IP,
                  is_six ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER, &rule, sizeof rule) != 0 ||
      setsockopt (path->descriptor, is_six ? SOL_IPV6 : SOL_IP, is_six ? IPV6_RECVERR : IP_RECVERR,
                  &on, sizeof on) != 0 ||
      connect (path->descriptor, (struct sockaddr *)&native, length) != 0)
    return FALSE;
  path->input = g_unix_fd_source_new (path->descriptor, G_IO_IN);
  g_source_set_callback (path->input, G_SOURCE_FUNC (input_ready), path, NULL);
  g_source_attach (path->input, turn_connect_run_get_context (path->owner->run));
  path->timer = turn_connect_run_add_timer (path->owner->run, 0, timer_due, path);
  return TRUE;
}

static void
add_path (MtuProbe *self, guint8 family)
{
  const TurnConnectProbe *passed =
      turn_connect_run_find_passed (self->run, TURN_CONNECT_PROBE_STUN, family);
  Path *path = &self->paths[family == 6];

  if (passed == NULL || !open_path (path, &passed->target)) {
    path_close (path);
    return;
  }
  self->n_pending++;
  begin_direction (path, FALSE);
}

gpointer
turn_connect_mtu_probe_start (TurnConnectRun *run)
{
  MtuProbe *self;

  if (!turn_connect_run_get_plan (run)->is_deep)
    return NULL;
  self = g_new0 (MtuProbe, 1);
  self->run = run;
  for (guint i = 0; i < G_N_ELEMENTS (self->paths); i++) {
    self->paths[i].owner = self;
    self->paths[i].descriptor = -1;
  }
  add_path (self, 4);
  add_path (self, 6);
  if (self->n_pending > 0)
    return self;
  turn_connect_mtu_probe_stop (self);
  return NULL;
}

void
turn_connect_mtu_probe_stop (gpointer state)
{
  MtuProbe *self = state;

  for (guint i = 0; i < G_N_ELEMENTS (self->paths); i++)
    path_close (&self->paths[i]);
  g_free (self);
}
