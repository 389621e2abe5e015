/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What waits for a worker that is busy: media up to a bound, everything else always. Workers here only
 * have a mailbox. */
#include "tep-s/handover-private.h"

#include <poll.h>
#include <string.h>

#define PAYLOAD_LENGTH 172

struct _TepServerWorker {
  guint index;
  TepServerMailbox *mailbox;
  TepServerWorker *peers[2];
  GByteArray *passed[2];
  guint n_delivered;
  guint next; /* number in the packet that must not come later than those behind it */
  gsize octets;
};

/* ---- what handover.c asks of a worker ---- */

TepServerWorker *
tep_server_worker_peer (TepServerWorker *worker, guint index)
{
  return worker->peers[index];
}

TepServerDetect *
tep_server_worker_detect (TepServerWorker *worker)
{
  return NULL;
}

TepServerShared *
tep_server_worker_shared (TepServerWorker *worker)
{
  return NULL;
}

gboolean
tep_server_worker_has_room (const TepServerWorker *worker, gsize length)
{
  return tep_server_mailbox_has_room (worker->mailbox, length);
}

void
tep_server_worker_post (TepServerWorker *worker, TepServerMessageFunc func, gpointer data)
{
  tep_server_mailbox_post (worker->mailbox, func, data);
}

void
tep_server_worker_post_media (TepServerWorker *worker,
                              TepServerMessageFunc func,
                              gpointer data,
                              gsize length)
{
  tep_server_mailbox_post_media (worker->mailbox, func, data, length);
}

GByteArray **
tep_server_worker_passed (TepServerWorker *worker)
{
  return worker->passed;
}

void
tep_server_worker_give_connection (TepServerWorker *worker,
                                   TepServerConnection *connection,
                                   TepServerHandover *handover)
{
  g_assert_not_reached ();
}

void
tep_server_worker_take_connection (TepServerWorker *worker, TepServerHandover *handover)
{
  g_assert_not_reached ();
}

TepServerCore *
tep_server_worker_core (TepServerWorker *worker)
{
  g_assert_not_reached ();
}

guint
tep_server_worker_index (const TepServerWorker *worker)
{
  return worker->index;
}

guint
tep_server_worker_total (const TepServerWorker *worker)
{
  return 2;
}

void
tep_server_worker_deliver (TepServerWorker *worker, const TepServerPacket *packets, gsize n)
{
  guint32 number;

  g_assert_cmpuint (n, ==, 1);
  g_assert_cmpuint (packets->length, ==, PAYLOAD_LENGTH);
  g_assert_cmpuint (packets->source->port, ==, 4000);
  g_assert_cmpuint (packets->destination->port, ==, 6000);
  memcpy (&number, packets->payload, sizeof number);
  g_assert_cmpuint (number, >=, worker->next);
  worker->next = number + 1;
  worker->n_delivered++;
  worker->octets += packets->length;
}

/* ---- fixture ---- */

typedef struct {
  TepServerWorker workers[2];
  guint32 number;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < 2; i++) {
    fixture->workers[i].index = i;
    fixture->workers[i].mailbox = tep_server_mailbox_new ();
    fixture->workers[i].peers[0] = &fixture->workers[0];
    fixture->workers[i].peers[1] = &fixture->workers[1];
    g_assert_nonnull (fixture->workers[i].mailbox);
  }
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < 2; i++)
    tep_server_mailbox_free (fixture->workers[i].mailbox);
}

static gboolean
pass_one (Fixture *fixture)
{
  StunExtAddress source, destination;
  guint8 payload[PAYLOAD_LENGTH] = { 0 };
  const TepServerPacket packet = {
    .source = &source, .destination = &destination, .payload = payload, .length = sizeof payload
  };

  g_assert_true (stun_ext_address_parse ("198.18.0.9:4000", &source));
  g_assert_true (stun_ext_address_parse ("192.0.2.7:6000", &destination));
  memcpy (payload, &fixture->number, sizeof fixture->number);
  fixture->number++;
  return tep_server_worker_pass (&fixture->workers[0], 1, &packet);
}

static void
count_message (gpointer receiver, gpointer data, gboolean is_delivered)
{
  (*(guint *)data)++;
}

/* ---- tests ---- */

/* Rounds of any size, posted or still being collected: never more than the bound waits. */
static void
test_media_for_a_busy_worker_is_bounded (Fixture *fixture, gconstpointer data)
{
  guint per_round = GPOINTER_TO_UINT (data);
  guint n_taken = 0, n_messages = 0;
  TepServerWorker *busy = &fixture->workers[1];

  for (guint i = 0; i < 50000; i++) {
    n_taken += pass_one (fixture);
    if (i % per_round == per_round - 1)
      tep_server_worker_flush_passed (&fixture->workers[0]);
    if (i % 100 == 0)
      tep_server_worker_post (busy, count_message, &n_messages);
  }
  tep_server_worker_flush_passed (&fixture->workers[0]);
  g_assert_cmpuint (n_taken, >, TEP_SERVER_MAILBOX_MEDIA / 300);
  g_assert_cmpuint (n_taken, <=, TEP_SERVER_MAILBOX_MEDIA / PAYLOAD_LENGTH);
  g_assert_false (pass_one (fixture));
  tep_server_mailbox_empty (busy->mailbox, busy);
  g_assert_cmpuint (busy->n_delivered, ==, n_taken);
  g_assert_cmpuint (n_messages, ==, 500);
  g_assert_true (pass_one (fixture)); /* there is room again */
  tep_server_worker_flush_passed (&fixture->workers[0]);
  tep_server_mailbox_empty (busy->mailbox, busy);
  g_assert_cmpuint (busy->n_delivered, ==, n_taken + 1);
}

static void
test_nobody_there_is_no_place_to_collect_for (Fixture *fixture, gconstpointer data)
{
  fixture->workers[0].peers[1] = NULL;
  g_assert_false (pass_one (fixture));
  tep_server_worker_flush_passed (&fixture->workers[0]);
  g_assert_null (fixture->workers[0].passed[1]);
}

typedef struct {
  Fixture *fixture;
  guint n_taken;
  gboolean is_over; /* the receiver's */
} Sender;

static void
say_end (gpointer receiver, gpointer data, gboolean is_delivered)
{
  *(gboolean *)data = TRUE;
}

static gpointer
send_all (gpointer data)
{
  Sender *sender = data;
  TepServerWorker *workers = sender->fixture->workers;

  for (guint i = 0; i < 200000; i++) {
    sender->n_taken += pass_one (sender->fixture);
    if (i % 7 == 6)
      tep_server_worker_flush_passed (&workers[0]);
  }
  tep_server_worker_flush_passed (&workers[0]);
  tep_server_worker_post (&workers[1], say_end, &sender->is_over);
  return NULL;
}

/* Each packet that was taken comes out once and in order, while both threads are at it. */
static void
test_what_was_taken_comes_out (Fixture *fixture, gconstpointer data)
{
  TepServerWorker *receiver = &fixture->workers[1];
  struct pollfd poll_fd = { .fd = tep_server_mailbox_fd (receiver->mailbox), .events = POLLIN };
  Sender sender = { .fixture = fixture };
  GThread *thread = g_thread_new ("sender", send_all, &sender);

  while (!sender.is_over) {
    g_assert_cmpint (poll (&poll_fd, 1, 10000), ==, 1);
    tep_server_mailbox_empty (receiver->mailbox, receiver);
  }
  g_thread_join (thread);
  g_assert_cmpuint (receiver->n_delivered, ==, sender.n_taken);
  g_assert_cmpuint (receiver->octets, ==, (gsize)sender.n_taken * PAYLOAD_LENGTH);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/tep-s/handover/media-for-a-busy-worker-is-bounded/packet-by-packet", Fixture,
              GUINT_TO_POINTER (1), set_up, test_media_for_a_busy_worker_is_bounded, tear_down);
  g_test_add ("/tep-s/handover/media-for-a-busy-worker-is-bounded/by-rounds", Fixture,
              GUINT_TO_POINTER (32), set_up, test_media_for_a_busy_worker_is_bounded, tear_down);
  g_test_add ("/tep-s/handover/media-for-a-busy-worker-is-bounded/one-long-round", Fixture,
              GUINT_TO_POINTER (G_MAXUINT32), set_up, test_media_for_a_busy_worker_is_bounded,
              tear_down);
  g_test_add ("/tep-s/handover/nobody-there-is-no-place-to-collect-for", Fixture, NULL, set_up,
              test_nobody_there_is_no_place_to_collect_for, tear_down);
  g_test_add ("/tep-s/handover/what-was-taken-comes-out", Fixture, NULL, set_up,
              test_what_was_taken_comes_out, tear_down);
  return g_test_run ();
}
