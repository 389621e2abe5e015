/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * First flights of which only the octets differ: same address, same port, same length, a fresh
 * connection each. What the far end says of one is proven, so that neither silence nor an answer of
 * somebody on the way is taken for its own; and an answer is not the end of it, for some boxes let
 * the first words pass and cut off the rest. Datagrams go from a fresh socket each, and are repeated,
 * for what is lost once is not held back.
 */
#include "turn-connect/detect/flight.h"

#include "turn-connect/detect/flight-answer.h"

#include "stun-ext/detect-text.h"
#include "turn-connect/detect/kernel.h"

#include <errno.h>
#include <glib-unix.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_US 1600000 /* SYNs at 0 and 1 s; the port is known to be open */
/* From another socket: what follows a repeated SYN is repeated after 3 s (RFC 6298 section 5.7). */
#define CONNECT_ANEW_US 400000
#define CONNECTIONS 3
#define CONNECT_LAST_US 1000000
#define ANSWER_US 1600000 /* TCP repeats after 0.2, 0.6 and 1.4 s */
#define ANSWER_MAX TURN_CONNECT_FLIGHT_ANSWER_MAX
#define DATAGRAM_US 600000
#define HOPS_US 400000 /* what is nearer than the far end is sooner than it */
#define HOPS_MAX_US 800000
#define MUTE_US 2200000 /* the far end speaks after 0.8 s, and TCP repeats that */
#define BLOCKS 16       /* 8 kB each way, in packets of their own */
#define BLOCKS_AT_ONCE 8
#define SURVIVAL_SIZE (BLOCKS * STUN_EXT_DETECT_BLOCK_LENGTH)
#define UNWRITABLE "this cannot be made for a far end of this name"
#define DIGITS (2 * STUN_EXT_DETECT_DIGEST_LENGTH + 1)

/* At 5 % loss each way one is unheard once in ten thousand times. */
static const guint datagrams_ms[] = { 0, 150, 400, 800 };
#define HOPS_DATAGRAMS 2 /* of what ends on its way */

struct _TurnConnectFlight {
  TurnConnectRun *run;
  TurnConnectFlightWay way;
  TurnConnectFlightFunc ended;
  gpointer user_data;
  TurnConnectProbe *probe;
  int descriptor;
  GSource *source, *limit;
  gint64 began_us;
  gint64 sent_us;          /* 0: not yet */
  gboolean is_mute;        /* until the far end has spoken */
  TurnConnectOutcome icmp; /* what it said of a datagram; else silence */
  TurnConnectFlightSent sent;
  guint8 answer[ANSWER_MAX];
  gsize n; /* octets in it */
  StunExtDetectSurvival survival;
  guint n_blocks; /* sent; 0: this is not what goes on */
  guint8 expected[SURVIVAL_SIZE];
  gsize n_survived; /* octets of them that came */
};

char *
turn_connect_flight_name (StunExtDetectPayload payload, StunExtDetectTwin twin)
{
  const char *name = stun_ext_detect_payload_name (payload);

  if (twin == STUN_EXT_DETECT_TWIN_NONE)
    return g_strdup (name);
  return g_strconcat (name, "-", stun_ext_detect_twin_name (twin), NULL);
}

static void
let_go (TurnConnectFlight *self, gboolean is_broken)
{
  const struct linger at_once = { .l_onoff = 1 };

  turn_connect_run_clear_source (&self->source);
  turn_connect_run_clear_source (&self->limit);
  if (self->descriptor < 0)
    return;
  /* What was swallowed is not to be repeated for minutes, with nobody here to hear of it. */
  if (is_broken)
    setsockopt (self->descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  if (self->way.hops > 0)
    turn_connect_limit_hops (self->descriptor, self->way.target.family, -1);
  close (self->descriptor);
  self->descriptor = -1;
}

static void
end (TurnConnectFlight *self, TurnConnectOutcome outcome)
{
  TurnConnectProbe *probe = self->probe;
  TurnConnectFlightFunc ended = self->ended;
  gpointer user_data = self->user_data;
  char text[32];

  if (self->n_blocks > 0) {
    g_snprintf (text, sizeof text, "%" G_GSIZE_FORMAT " of %d", self->n_survived, SURVIVAL_SIZE);
    turn_connect_probe_set_fact (probe, "survived", text);
  }
  if (self->sent_us != 0 && outcome != TURN_CONNECT_OUTCOME_PROOF) {
    g_snprintf (text, sizeof text, "%" G_GINT64_FORMAT, g_get_monotonic_time () - self->sent_us);
    turn_connect_probe_set_fact (probe, "ended-us", text);
  }
  let_go (self, outcome != TURN_CONNECT_OUTCOME_PROOF);
  turn_connect_run_end (self->run, probe, outcome);
  ended (probe, user_data);
}

static void
fail (TurnConnectFlight *self, TurnConnectOutcome outcome, const char *detail)
{
  g_free (self->probe->detail);
  self->probe->detail = g_strdup (detail);
  end (self, outcome);
}

static gboolean
time_is_over (gpointer data)
{
  TurnConnectFlight *self = data;

  if (self->way.is_datagram || self->way.hops > 0) {
    end (self, self->icmp);
    return G_SOURCE_REMOVE;
  }
  /* With a connection and no answer to it nothing says that it is one with the far end. */
  end (self, self->sent_us != 0 && self->probe->proof == TURN_CONNECT_PROOF_NONE
                 ? TURN_CONNECT_OUTCOME_CONNECTED
                 : TURN_CONNECT_OUTCOME_SILENCE);
  return G_SOURCE_REMOVE;
}

static void
set_limit (TurnConnectFlight *self, gint64 delay_us)
{
  turn_connect_run_clear_source (&self->limit);
  self->limit = turn_connect_run_add_timer (self->run, delay_us, time_is_over, self);
  self->probe->deadline_us = turn_connect_run_get_now (self->run) + delay_us;
}

/* Survival */

/* FALSE if all is over. */
static gboolean
send_block (TurnConnectFlight *self)
{
  guint8 block[STUN_EXT_DETECT_BLOCK_LENGTH];
  gsize at = (gsize)self->n_blocks * STUN_EXT_DETECT_BLOCK_LENGTH;

  if (!turn_connect_random_octets (block, sizeof block) ||
      !stun_ext_detect_survival_block (&self->survival, block, self->expected + at)) {
    fail (self, TURN_CONNECT_OUTCOME_FAILED, "no random octets");
    return FALSE;
  }
  self->n_blocks++;
  if (send (self->descriptor, block, sizeof block, MSG_NOSIGNAL) == (ssize_t)sizeof block)
    return TRUE;
  fail (self,
        errno == ECONNRESET || errno == EPIPE ? TURN_CONNECT_OUTCOME_RESET
                                              : TURN_CONNECT_OUTCOME_FAILED,
        g_strerror (errno));
  return FALSE;
}

/* FALSE if all is over. */
static gboolean
send_blocks (TurnConnectFlight *self)
{
  while (self->n_blocks < BLOCKS &&
         (gsize)self->n_blocks * STUN_EXT_DETECT_BLOCK_LENGTH <
             self->n_survived + BLOCKS_AT_ONCE * STUN_EXT_DETECT_BLOCK_LENGTH) {
    if (!send_block (self))
      return FALSE;
  }
  return TRUE;
}

static void
take_survivors (TurnConnectFlight *self, const guint8 *octets, gsize n)
{
  if (n > (gsize)self->n_blocks * STUN_EXT_DETECT_BLOCK_LENGTH - self->n_survived ||
      memcmp (self->expected + self->n_survived, octets, n) != 0) {
    fail (self, TURN_CONNECT_OUTCOME_ALTERED, "what was said later came back otherwise");
    return;
  }
  self->n_survived += n;
  if (self->n_survived == SURVIVAL_SIZE)
    end (self, TURN_CONNECT_OUTCOME_PROOF);
  else
    send_blocks (self);
}

/* The flight */

static gboolean
write_flight (TurnConnectFlight *self)
{
  /* Whoever was silent says something that harms nobody. */
  StunExtDetectFlight flight = { .payload = self->way.payload == STUN_EXT_DETECT_PAYLOAD_SILENCE
                                                ? STUN_EXT_DETECT_PAYLOAD_PRINTABLE
                                                : self->way.payload,
                                 .twin = self->way.twin };
  StunExtSpan part = { self->sent.octets, 0 };
  char digits[DIGITS];

  flight.run = turn_connect_run_get_id (self->run);
  flight.probe = turn_connect_run_get_number (self->run, self->probe);
  flight.host = turn_connect_run_get_observations (self->run)->host;
  flight.local = self->probe->local;
  flight.is_datagram = self->way.is_datagram;
  if (!turn_connect_random_octets (&flight.seed, sizeof flight.seed))
    return FALSE;
  self->sent.length =
      stun_ext_detect_flight_write (&flight, self->sent.octets, sizeof self->sent.octets);
  self->sent.token = (StunExtDetectToken){ .run = flight.run,
                                           .probe = flight.probe,
                                           .length = (guint16)self->sent.length,
                                           .payload = (guint8)flight.payload };
  self->sent.answered_as = self->way.twin == STUN_EXT_DETECT_TWIN_NONE
                               ? self->way.payload
                               : STUN_EXT_DETECT_PAYLOAD_UNKNOWN;
  part.length = self->sent.length;
  if (self->sent.length == 0 ||
      !stun_ext_crypto_digest (STUN_EXT_HASH_SHA256, &part, 1, self->sent.digest))
    return FALSE;
  turn_connect_probe_set_fact (
      self->probe, "sent-sha256",
      stun_ext_detect_hex_print (self->sent.digest, sizeof self->sent.digest, digits));
  return TRUE;
}

static gint64
listen_us (const TurnConnectFlight *self)
{
  gint64 rtt_us = turn_connect_run_get_rtt (self->run, self->way.target.family);

  if (self->way.hops > 0)
    return CLAMP (2 * rtt_us, HOPS_US, HOPS_MAX_US);
  return self->way.is_datagram ? DATAGRAM_US : ANSWER_US;
}

static void
send_flight (TurnConnectFlight *self)
{
  if (!write_flight (self)) {
    fail (self, TURN_CONNECT_OUTCOME_FAILED, UNWRITABLE);
    return;
  }
  if (self->way.hops > 0 &&
      !turn_connect_limit_hops (self->descriptor, self->way.target.family, (int)self->way.hops)) {
    fail (self, TURN_CONNECT_OUTCOME_FAILED, g_strerror (errno));
    return;
  }
  self->sent_us = g_get_monotonic_time ();
  if (send (self->descriptor, self->sent.octets, self->sent.length, MSG_NOSIGNAL) !=
      (ssize_t)self->sent.length)
    fail (self, TURN_CONNECT_OUTCOME_RESET, g_strerror (errno));
  else
    set_limit (self, listen_us (self));
}

/* The answer */

static void
read_answer (TurnConnectFlight *self)
{
  TurnConnectOutcome outcome;

  /* The far end, which heard nothing and so speaks first. */
  if (self->way.hops > 0 &&
      turn_connect_flight_answer_is_unasked (self->run, self->answer, self->n)) {
    end (self, self->icmp);
    return;
  }
  /* Of one that was repeated nobody knows which was answered. */
  if (self->probe->rtt_us < 0 && (!self->way.is_datagram || self->probe->attempts == 1))
    self->probe->rtt_us = g_get_monotonic_time () - self->sent_us;
  self->probe->answers = 1;
  outcome =
      turn_connect_flight_answer_read (self->run, self->probe, &self->sent, self->answer, self->n);
  if (outcome == TURN_CONNECT_OUTCOME_PENDING)
    return;
  if (outcome != TURN_CONNECT_OUTCOME_PROOF || self->way.is_datagram || self->way.hops > 0 ||
      self->sent.answered_as == STUN_EXT_DETECT_PAYLOAD_STUN) {
    end (self, outcome);
    return;
  }
  if (!stun_ext_detect_survival_begin (&self->survival, self->sent.octets, self->sent.length)) {
    fail (self, TURN_CONNECT_OUTCOME_FAILED, NULL);
    return;
  }
  if (send_blocks (self))
    set_limit (self, ANSWER_US);
}

/* Nobody else was to say anything, and nobody to end it. */
static void
read_first_word (TurnConnectFlight *self)
{
  if (self->n < STUN_EXT_DETECT_ANSWER_LENGTH &&
      memcmp (self->answer, "TEPD", MIN (self->n, 4)) == 0)
    return;
  if (!turn_connect_flight_answer_is_unasked (self->run, self->answer, self->n)) {
    fail (self, TURN_CONNECT_OUTCOME_WRONG_ANSWER, "somebody spoke who was not asked");
    return;
  }
  self->is_mute = FALSE;
  self->n = 0;
  send_flight (self);
}

static void
take_octets (TurnConnectFlight *self, const guint8 *octets, gsize n)
{
  if (self->n_blocks > 0) {
    take_survivors (self, octets, n);
    return;
  }
  if (self->way.is_datagram)
    self->n = 0; /* each is whole */
  memcpy (self->answer + self->n, octets, n);
  self->n += n;
  if (self->is_mute)
    read_first_word (self);
  else
    read_answer (self);
}

/* What is not taken is told for ever. */
static void
take_icmp (TurnConnectFlight *self)
{
  StunExtAddress router = { 0 };
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

  while (turn_connect_take_icmp (self->descriptor, &self->icmp, &router))
    continue;
  if (router.family != 0)
    turn_connect_probe_set_fact (self->probe, "router",
                                 stun_ext_address_print_host (&router, text));
}

static gboolean
can_read_datagram (gint descriptor, GIOCondition condition, gpointer data)
{
  TurnConnectFlight *self = data;
  guint8 octets[ANSWER_MAX];
  ssize_t n;

  if (self->way.hops > 0)
    take_icmp (self);
  n = recv (descriptor, octets, sizeof octets, 0);
  if (n > 0)
    take_octets (self, octets, (gsize)n);
  else if (n < 0 && errno != EAGAIN && errno != EINTR)
    self->icmp = turn_connect_outcome_of_errno (errno);
  return G_SOURCE_CONTINUE;
}

static gboolean
can_read (gint descriptor, GIOCondition condition, gpointer data)
{
  TurnConnectFlight *self = data;
  guint8 octets[ANSWER_MAX];
  gsize room = self->n_blocks > 0 ? sizeof octets : ANSWER_MAX - self->n;
  ssize_t n = recv (descriptor, octets, room, 0);

  if (n > 0)
    take_octets (self, octets, (gsize)n);
  else if (n == 0)
    end (self, TURN_CONNECT_OUTCOME_CLOSED);
  else if (self->way.hops > 0 && errno == EHOSTUNREACH)
    self->icmp = TURN_CONNECT_OUTCOME_UNREACHABLE; /* it ended where it was to */
  else if (errno != EAGAIN && errno != EINTR)
    fail (self,
          errno == ECONNRESET || errno == EPIPE ? TURN_CONNECT_OUTCOME_RESET
                                                : TURN_CONNECT_OUTCOME_UNREACHABLE,
          g_strerror (errno));
  /* If it is over, the source was destroyed. */
  return G_SOURCE_CONTINUE;
}

/* Sending */

static void
note_local (TurnConnectFlight *self)
{
  struct sockaddr_storage native;
  socklen_t length = sizeof native;

  if (getsockname (self->descriptor, (struct sockaddr *)&native, &length) == 0)
    stun_ext_address_from_sockaddr (&self->probe->local, (struct sockaddr *)&native, length);
}

static void
note_connection (TurnConnectFlight *self)
{
  const int on = 1;

  self->probe->connect_us = g_get_monotonic_time () - self->began_us;
  note_local (self);
  setsockopt (self->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static void
watch (TurnConnectFlight *self, GIOCondition condition, GUnixFDSourceFunc func)
{
  turn_connect_run_clear_source (&self->source);
  self->source = g_unix_fd_source_new (self->descriptor, condition);
  g_source_set_callback (self->source, G_SOURCE_FUNC (func), self, NULL);
  g_source_attach (self->source, turn_connect_run_get_context (self->run));
}

static gboolean
connected (gint descriptor, GIOCondition condition, gpointer data)
{
  TurnConnectFlight *self = data;
  int number = 0;
  socklen_t length = sizeof number;

  if (getsockopt (descriptor, SOL_SOCKET, SO_ERROR, &number, &length) != 0)
    number = errno;
  if (number != 0) {
    fail (self, turn_connect_outcome_of_errno (number), g_strerror (number));
    return G_SOURCE_CONTINUE;
  }
  note_connection (self);
  watch (self, G_IO_IN, can_read);
  self->is_mute = self->way.payload == STUN_EXT_DETECT_PAYLOAD_SILENCE;
  if (self->is_mute)
    set_limit (self, MUTE_US);
  else
    send_flight (self);
  return G_SOURCE_CONTINUE;
}

/* Sends it again, or gives up. */
static gboolean
send_datagram (gpointer data)
{
  TurnConnectFlight *self = data;
  guint last = self->way.hops > 0 ? HOPS_DATAGRAMS : G_N_ELEMENTS (datagrams_ms);
  guint n = self->probe->attempts++;
  gint64 next_us =
      n + 1 < last ? (gint64)(datagrams_ms[n + 1] - datagrams_ms[n]) * 1000 : listen_us (self);

  /* The first failure may be an earlier one's, of which ICMP told. */
  if (send (self->descriptor, self->sent.octets, self->sent.length, 0) < 0) {
    if (errno != EAGAIN && errno != ENOBUFS)
      self->icmp = turn_connect_outcome_of_errno (errno);
    (void)!send (self->descriptor, self->sent.octets, self->sent.length, 0);
  }
  turn_connect_run_clear_source (&self->limit);
  self->limit = turn_connect_run_add_timer (self->run, next_us,
                                            n + 1 < last ? send_datagram : time_is_over, self);
  return G_SOURCE_REMOVE;
}

/* Beginning. What fails at once is told from the loop, too. */
static gboolean
failed_at_once (gpointer data)
{
  TurnConnectFlight *self = data;

  end (self, TURN_CONNECT_OUTCOME_FAILED);
  return G_SOURCE_REMOVE;
}

/* FALSE, and why. */
static gboolean
refuse (TurnConnectFlight *self, const char *why)
{
  g_free (self->probe->detail);
  self->probe->detail = g_strdup (why);
  return FALSE;
}

static gboolean
begin_datagrams (TurnConnectFlight *self)
{
  guint n = self->way.hops > 0 ? HOPS_DATAGRAMS : G_N_ELEMENTS (datagrams_ms);

  note_local (self);
  if (!write_flight (self))
    return refuse (self, UNWRITABLE);
  if (self->way.hops > 0 &&
      !turn_connect_limit_hops (self->descriptor, self->way.target.family, (int)self->way.hops))
    return refuse (self, g_strerror (errno));
  self->sent_us = g_get_monotonic_time ();
  self->probe->deadline_us =
      turn_connect_run_get_now (self->run) + (gint64)datagrams_ms[n - 1] * 1000 + listen_us (self);
  watch (self, G_IO_IN, can_read_datagram);
  send_datagram (self);
  return TRUE;
}

static gboolean connect_anew (gpointer data);

static gboolean
open_socket (TurnConnectFlight *self)
{
  struct sockaddr_storage native;
  socklen_t length = (socklen_t)stun_ext_address_to_sockaddr (&self->way.target, &native);

  self->began_us = g_get_monotonic_time ();
  self->descriptor = turn_connect_run_open_socket (
      self->run, self->way.target.family, self->way.is_datagram ? SOCK_DGRAM : SOCK_STREAM);
  if (self->descriptor < 0 ||
      (connect (self->descriptor, (struct sockaddr *)&native, length) != 0 && errno != EINPROGRESS))
    return refuse (self, g_strerror (errno));
  return TRUE;
}

static gboolean
begin (TurnConnectFlight *self)
{
  gint64 rtt_us = turn_connect_run_get_rtt (self->run, self->way.target.family);
  gint64 anew_us = CONNECT_ANEW_US + 2 * MAX (rtt_us, 0);

  if (!open_socket (self))
    return FALSE;
  if (self->way.is_datagram)
    return begin_datagrams (self);
  watch (self, G_IO_OUT, connected);
  set_limit (self, self->probe->attempts == 0 ? CONNECT_US : CONNECT_LAST_US);
  if (++self->probe->attempts == CONNECTIONS || anew_us >= CONNECT_LAST_US)
    return TRUE;
  turn_connect_run_clear_source (&self->limit);
  self->limit = turn_connect_run_add_timer (self->run, anew_us, connect_anew, self);
  return TRUE;
}

static gboolean
connect_anew (gpointer data)
{
  TurnConnectFlight *self = data;
  GPollFD now = { .fd = self->descriptor, .events = G_IO_OUT };

  /* What stands, and was not seen to because this machine stood still, is not given up. */
  if (g_poll (&now, 1, 0) > 0) {
    set_limit (self, CONNECT_US);
    return G_SOURCE_REMOVE;
  }
  let_go (self, FALSE);
  if (!begin (self))
    end (self, TURN_CONNECT_OUTCOME_FAILED);
  return G_SOURCE_REMOVE;
}

static void
note_hops (TurnConnectFlight *self)
{
  char text[12];

  if (self->way.hops == 0)
    return;
  g_snprintf (text, sizeof text, "%u", self->way.hops);
  turn_connect_probe_set_fact (self->probe, "hops", text);
}

TurnConnectFlight *
turn_connect_flight_new (TurnConnectRun *run,
                         const TurnConnectFlightWay *way,
                         TurnConnectFlightFunc ended,
                         gpointer user_data)
{
  TurnConnectFlight *self = g_new0 (TurnConnectFlight, 1);
  g_autofree char *name = turn_connect_flight_name (way->payload, way->twin);

  self->run = run;
  self->way = *way;
  self->ended = ended;
  self->user_data = user_data;
  self->descriptor = -1;
  self->icmp = TURN_CONNECT_OUTCOME_SILENCE;
  self->probe = turn_connect_run_begin (
      run, way->hops > 0 ? TURN_CONNECT_PROBE_HOP : TURN_CONNECT_PROBE_PAYLOAD, name,
      way->is_datagram ? TURN_CONNECT_CARRY_UDP : TURN_CONNECT_CARRY_TCP, &way->target);
  self->probe->round = way->round;
  self->probe->is_control = way->is_control;
  note_hops (self);
  if (begin (self))
    return self;
  self->limit = turn_connect_run_add_timer (run, 0, failed_at_once, self);
  return self;
}

void
turn_connect_flight_free (TurnConnectFlight *flight)
{
  if (flight == NULL)
    return;
  let_go (flight, TRUE);
  g_free (flight);
}
