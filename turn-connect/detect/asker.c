/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Questions over UDP. Two things are minded that others let pass: an answer counts only from the
 * address it was asked from, for a server that ignores CHANGE-REQUEST answers too; and every sending
 * has an id of its own, so that a round trip is never measured against the wrong one.
 */
#include "turn-connect/detect/asker.h"

#include "stun-ext/protocol.h"
#include "turn-connect/detect/kernel.h"
#include "turn-connect/error-private.h"

#include <errno.h>
#include <glib-unix.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SENDS_MAX 16
#define DATAGRAM_MAX 2048    /* no answer is longer than its request */
#define DATAGRAMS_AT_ONCE 32 /* then others have their turn */
#define ICMP_ENOUGH 2        /* one may be somebody's mistake */

typedef struct {
  TurnConnectProbe *probe;
  TurnConnectSchedule schedule;
  guint32 change;
  StunExtAddress expected;
  guint8 id[12]; /* the last octet numbers the sending */
  gint64 sent_us[SENDS_MAX];
  guint n_icmp;
  TurnConnectOutcome icmp; /* what ICMP said, if silence follows */
  gboolean is_wrong_source;
  gint64 due_us; /* monotonic; next sending, or the end */
} Question;

struct _TurnConnectAsker {
  TurnConnectRun *run;
  int descriptor;
  guint8 family;
  guint group;
  GSource *input, *timer;
  GPtrArray *questions;  /* Question */
  GPtrArray *unanswered; /* those that ended in silence */
  TurnConnectAskedFunc asked;
  gpointer user_data;
};

static void
arm (TurnConnectAsker *asker)
{
  gint64 due = -1;

  for (guint i = 0; i < asker->questions->len; i++) {
    const Question *question = g_ptr_array_index (asker->questions, i);

    if (due < 0 || question->due_us < due)
      due = question->due_us;
  }
  g_source_set_ready_time (asker->timer, due);
}

static void
end_question (TurnConnectAsker *asker, Question *question, TurnConnectOutcome outcome)
{
  TurnConnectProbe *probe = question->probe;
  guint at = 0;

  if (g_ptr_array_find (asker->questions, question, &at))
    g_ptr_array_steal_index (asker->questions, at);
  if (outcome == TURN_CONNECT_OUTCOME_SILENCE)
    g_ptr_array_add (asker->unanswered, question);
  else
    g_free (question);
  turn_connect_run_end (asker->run, probe, outcome);
  asker->asked (probe, asker->user_data);
}

static void
note_local_port (TurnConnectAsker *asker, TurnConnectProbe *probe)
{
  struct sockaddr_storage native;
  socklen_t length = sizeof native;
  StunExtAddress bound;

  if (!turn_connect_run_get_local (asker->run, &probe->target, &probe->local))
    return;
  if (getsockname (asker->descriptor, (struct sockaddr *)&native, &length) == 0 &&
      stun_ext_address_from_sockaddr (&bound, (struct sockaddr *)&native, length))
    probe->local.port = bound.port;
}

/* FALSE if this machine cannot send there at all. */
static gboolean
send_request (TurnConnectAsker *asker, Question *question)
{
  guint8 request[TURN_CONNECT_BINDING_MAX];
  TurnConnectProbe *probe = question->probe;
  struct sockaddr_storage native;
  socklen_t native_length = (socklen_t)stun_ext_address_to_sockaddr (&probe->target, &native);
  guint attempt = probe->attempts;
  gsize length;

  question->id[11] = (guint8)attempt;
  length =
      turn_connect_run_write_binding (asker->run, probe, question->id, question->change, request);
  question->sent_us[attempt] = g_get_monotonic_time ();
  probe->attempts++;
  /* The first failure may be an earlier packet's, of which ICMP told. */
  for (guint tries = 0; tries < 2; tries++) {
    if (sendto (asker->descriptor, request, length, MSG_NOSIGNAL, (struct sockaddr *)&native,
                native_length) >= 0 ||
        errno == EAGAIN || errno == ENOBUFS || errno == EINTR)
      return TRUE;
  }
  g_free (probe->detail);
  probe->detail = g_strdup (g_strerror (errno));
  return FALSE;
}

/* When the answer to the last sending is overdue. */
static gint64
give_up_at (TurnConnectAsker *asker, const Question *question)
{
  gint64 rtt = turn_connect_run_get_rtt (asker->run, question->probe->family);
  gint64 listen = MAX ((gint64)question->schedule.listen_ms * 1000, 3 * rtt);

  return question->sent_us[question->schedule.n_sends - 1] + listen;
}

static TurnConnectOutcome
outcome_of_silence (const Question *question)
{
  if (question->is_wrong_source)
    return TURN_CONNECT_OUTCOME_WRONG_SOURCE;
  if (question->n_icmp > 0)
    return question->icmp;
  /* All that was said is that our signature is not understood, and that was not believed. */
  return question->probe->code == STUN_EXT_CODE_UNKNOWN_ATTRIBUTE ? TURN_CONNECT_OUTCOME_UNSUPPORTED
                                                                  : TURN_CONNECT_OUTCOME_SILENCE;
}

/* Sends again, or gives up. */
static void
question_due (TurnConnectAsker *asker, Question *question, gint64 now)
{
  TurnConnectProbe *probe = question->probe;
  const TurnConnectSchedule *schedule = &question->schedule;
  guint n = probe->attempts;
  gint64 began = n > 0 ? question->sent_us[0] : now;

  if (n == schedule->n_sends) {
    question->due_us = give_up_at (asker, question);
    if (question->due_us <= now)
      end_question (asker, question, outcome_of_silence (question));
    return;
  }
  if (!send_request (asker, question)) {
    end_question (asker, question, TURN_CONNECT_OUTCOME_UNREACHABLE);
    return;
  }
  if (n + 1 < schedule->n_sends)
    question->due_us = began + (gint64)schedule->sends_ms[n + 1] * 1000;
  else
    question->due_us = give_up_at (asker, question);
}

static gboolean
timer_due (gpointer data)
{
  TurnConnectAsker *asker = data;
  gint64 now = g_get_monotonic_time ();
  guint i = 0;

  g_source_set_ready_time (asker->timer, -1);
  /* Ending one takes it out of the array, and its end may add others behind. */
  while (i < asker->questions->len) {
    Question *question = g_ptr_array_index (asker->questions, i);

    if (question->due_us <= now)
      question_due (asker, question, now);
    if (i < asker->questions->len && g_ptr_array_index (asker->questions, i) == question)
      i++;
  }
  arm (asker);
  return G_SOURCE_CONTINUE;
}

/* Answers */

static void
take_answer (TurnConnectAsker *asker,
             Question *question,
             const guint8 *data,
             gsize length,
             const StunExtAddress *source,
             gint64 arrived_us)
{
  TurnConnectProbe *probe = question->probe;
  guint8 attempt = 0;
  TurnConnectOutcome outcome =
      turn_connect_run_read_binding (asker->run, probe, question->id, data, length, &attempt);

  if (outcome == TURN_CONNECT_OUTCOME_PENDING || attempt >= probe->attempts)
    return;
  probe->answers++;
  probe->source = *source;
  if (!stun_ext_address_equal (source, &question->expected) &&
      outcome != TURN_CONNECT_OUTCOME_UNSUPPORTED) {
    question->is_wrong_source = TRUE; /* the right one may be on its way */
    return;
  }
  probe->rtt_us = MAX (arrived_us - question->sent_us[attempt], 0);
  end_question (asker, question, outcome);
}

/* After its time; but what came is no silence, whatever held it up. */
static void
take_late_answer (TurnConnectAsker *asker,
                  Question *question,
                  const guint8 *data,
                  gsize length,
                  const StunExtAddress *source)
{
  TurnConnectProbe *probe = question->probe;
  guint8 attempt = 0;
  TurnConnectOutcome outcome;

  if (!stun_ext_address_equal (source, &question->expected))
    return;
  outcome = turn_connect_run_read_binding (asker->run, probe, question->id, data, length, &attempt);
  if ((outcome != TURN_CONNECT_OUTCOME_PROOF && outcome != TURN_CONNECT_OUTCOME_ANSWER) ||
      attempt >= probe->attempts)
    return;
  probe->answers++;
  probe->source = *source;
  probe->outcome = outcome;
  probe->end_us = turn_connect_run_get_now (asker->run);
  turn_connect_probe_set_fact (probe, "late", "the answer came after the deadline");
  g_ptr_array_remove (asker->unanswered, question);
}

static void
take_datagram (TurnConnectAsker *asker,
               const guint8 *data,
               gsize length,
               const StunExtAddress *source,
               gint64 arrived_us)
{
  for (guint i = 0; i < asker->questions->len; i++) {
    Question *question = g_ptr_array_index (asker->questions, i);

    if (length >= 20 && memcmp (data + 8, question->id, 11) == 0) {
      take_answer (asker, question, data, length, source, arrived_us);
      return;
    }
  }
  for (guint i = 0; i < asker->unanswered->len; i++) {
    Question *question = g_ptr_array_index (asker->unanswered, i);

    if (length >= 20 && memcmp (data + 8, question->id, 11) == 0) {
      take_late_answer (asker, question, data, length, source);
      return;
    }
  }
}

/* ICMP tells of a request that it did not arrive, and who says so. */
static void
take_icmp (TurnConnectAsker *asker, const StunExtAddress *to, const struct sock_extended_err *error)
{
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

  for (guint i = 0; i < asker->questions->len; i++) {
    Question *question = g_ptr_array_index (asker->questions, i);
    TurnConnectProbe *probe = question->probe;
    StunExtAddress by = { 0 };

    if (!stun_ext_address_equal (&probe->target, to))
      continue;
    question->icmp = error->ee_errno == ECONNREFUSED ? TURN_CONNECT_OUTCOME_REFUSED
                                                     : TURN_CONNECT_OUTCOME_UNREACHABLE;
    probe->code = error->ee_type * 256u + error->ee_code;
    if (stun_ext_address_from_sockaddr (&by, SO_EE_OFFENDER (error), sizeof (struct sockaddr_in6)))
      turn_connect_probe_set_fact (probe, "icmp-from", stun_ext_address_print_host (&by, text));
    if (++question->n_icmp >= ICMP_ENOUGH)
      end_question (asker, question, question->icmp);
    return;
  }
}

/* TRUE if there was an error to take. */
static gboolean
read_error (TurnConnectAsker *asker)
{
  guint8 data[64], control[512];
  struct sockaddr_storage native = { 0 };
  struct iovec vector = { data, sizeof data };
  struct msghdr message = { .msg_name = &native,
                            .msg_namelen = sizeof native,
                            .msg_iov = &vector,
                            .msg_iovlen = 1,
                            .msg_control = control,
                            .msg_controllen = sizeof control };
  StunExtAddress to;

  if (recvmsg (asker->descriptor, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
    return FALSE;
  if (!stun_ext_address_from_sockaddr (&to, (struct sockaddr *)&native, message.msg_namelen))
    return TRUE;
  for (struct cmsghdr *c = CMSG_FIRSTHDR (&message); c != NULL; c = CMSG_NXTHDR (&message, c)) {
    struct {
      struct sock_extended_err error;
      struct sockaddr_in6 offender;
    } said = { 0 };

    if (!((c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR) ||
          (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_RECVERR)))
      continue;
    memcpy (&said, CMSG_DATA (c), MIN (sizeof said, c->cmsg_len - CMSG_LEN (0)));
    if (said.error.ee_origin == SO_EE_ORIGIN_ICMP || said.error.ee_origin == SO_EE_ORIGIN_ICMP6)
      take_icmp (asker, &to, &said.error);
  }
  return TRUE;
}

/* When the datagram arrived, monotonic: its receiver may have been busy since. */
static gint64
arrival_of (struct msghdr *message)
{
  gint64 waited_us = 0;

  for (struct cmsghdr *c = CMSG_FIRSTHDR (message); c != NULL; c = CMSG_NXTHDR (message, c)) {
    struct timeval stamp;

    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMP)
      continue;
    memcpy (&stamp, CMSG_DATA (c), sizeof stamp);
    waited_us = g_get_real_time () - ((gint64)stamp.tv_sec * G_USEC_PER_SEC + stamp.tv_usec);
  }
  return g_get_monotonic_time () - CLAMP (waited_us, 0, G_USEC_PER_SEC);
}

/* FALSE if there is none. */
static gboolean
read_datagram (TurnConnectAsker *asker)
{
  guint8 datagram[DATAGRAM_MAX], control[256];
  struct sockaddr_storage native;
  struct iovec vector = { datagram, sizeof datagram };
  struct msghdr message = { .msg_name = &native,
                            .msg_namelen = sizeof native,
                            .msg_iov = &vector,
                            .msg_iovlen = 1,
                            .msg_control = control,
                            .msg_controllen = sizeof control };
  StunExtAddress source;
  ssize_t n = recvmsg (asker->descriptor, &message, MSG_DONTWAIT);

  if (n < 0)
    return errno == EINTR;
  if (stun_ext_address_from_sockaddr (&source, (struct sockaddr *)&native, message.msg_namelen))
    take_datagram (asker, datagram, (gsize)n, &source, arrival_of (&message));
  return TRUE;
}

static gboolean
input_ready (gint descriptor, GIOCondition condition, gpointer data)
{
  TurnConnectAsker *asker = data;

  for (guint i = 0; i < DATAGRAMS_AT_ONCE; i++) {
    if (!read_datagram (asker) && !read_error (asker))
      break;
  }
  arm (asker);
  return G_SOURCE_CONTINUE;
}

TurnConnectAsker *
turn_connect_asker_new (TurnConnectRun *run,
                        guint8 family,
                        TurnConnectAskedFunc asked,
                        gpointer user_data)
{
  int descriptor = turn_connect_run_open_socket (run, family, SOCK_DGRAM);
  StunExtAddress any = { .family = family };
  struct sockaddr_storage native;
  TurnConnectAsker *asker;
  int on = 1;

  if (descriptor < 0)
    return NULL;
  setsockopt (descriptor, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof on);
  setsockopt (descriptor, family == 6 ? SOL_IPV6 : SOL_IP, family == 6 ? IPV6_RECVERR : IP_RECVERR,
              &on, sizeof on);
  if (bind (descriptor, (struct sockaddr *)&native,
            (socklen_t)stun_ext_address_to_sockaddr (&any, &native)) != 0)
    g_debug ("no port of our own before the first packet: %s", g_strerror (errno));
  asker = g_new0 (TurnConnectAsker, 1);
  asker->run = run;
  asker->descriptor = descriptor;
  asker->family = family;
  asker->group = turn_connect_run_new_group (run);
  asker->questions = g_ptr_array_new_with_free_func (g_free);
  asker->unanswered = g_ptr_array_new_with_free_func (g_free);
  asker->asked = asked;
  asker->user_data = user_data;
  asker->input = g_unix_fd_source_new (descriptor, G_IO_IN);
  g_source_set_callback (asker->input, G_SOURCE_FUNC (input_ready), asker, NULL);
  g_source_attach (asker->input, turn_connect_run_get_context (run));
  asker->timer = turn_connect_run_add_timer (run, 0, timer_due, asker);
  return asker;
}

void
turn_connect_asker_free (TurnConnectAsker *asker)
{
  if (asker == NULL)
    return;
  turn_connect_run_clear_source (&asker->input);
  turn_connect_run_clear_source (&asker->timer);
  g_ptr_array_unref (asker->questions);
  g_ptr_array_unref (asker->unanswered);
  close (asker->descriptor);
  g_free (asker);
}

void
turn_connect_asker_ask (TurnConnectAsker *asker,
                        TurnConnectProbe *probe,
                        const TurnConnectSchedule *schedule,
                        guint32 change,
                        const StunExtAddress *expected)
{
  Question *question = g_new0 (Question, 1);

  question->probe = probe;
  question->schedule = *schedule;
  question->schedule.n_sends = MIN (schedule->n_sends, SENDS_MAX);
  question->change = change;
  question->expected = *expected;
  question->due_us = g_get_monotonic_time ();
  turn_connect_random_octets (question->id, sizeof question->id);
  probe->group = asker->group;
  probe->deadline_us =
      turn_connect_run_get_now (asker->run) +
      ((gint64)schedule->sends_ms[question->schedule.n_sends - 1] + schedule->listen_ms) * 1000;
  note_local_port (asker, probe);
  g_ptr_array_add (asker->questions, question);
  g_source_set_ready_time (asker->timer, question->due_us);
}
