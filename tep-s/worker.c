/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The thin driver around a core: one thread, one epoll, sockets. It moves octets between kernel and
 * core and keeps the time; whatever is decided is decided in the core. Here are its life and its
 * rounds; worker-accept.c, worker-read.c and worker-host.c are what happens in a round,
 * worker-slots.c knows the descriptors.
 */
#include "tep-s/worker-inside-private.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "tep-s/handover-private.h"

#define EVENTS 256
#define BUSY_EVENTS_PER_S 20000 /* ready descriptors; above, a rest costs less delay than a queue */
#define LOAD_WINDOW_US 10000
#define REST_US 150 /* the kernel's timer adds 50 */

/* ---- the loop ---- */

static void
dispatch (TepServerWorker *worker, const struct epoll_event *event)
{
  int fd = (int)(guint32)event->data.u64;
  TepServerSlot *slot = tep_server_worker_slot (worker, fd);

  if (slot->generation != (guint32)(event->data.u64 >> 32))
    return;
  switch (slot->kind) {
  case SLOT_LISTENER:
    tep_server_worker_accept (worker, fd);
    break;
  case SLOT_DATAGRAM:
    tep_server_worker_read_datagrams (worker, fd);
    break;
  case SLOT_MAILBOX:
    tep_server_mailbox_empty (worker->mailbox, worker);
    break;
  case SLOT_CONNECTION:
    if ((event->events & EPOLLOUT) != 0)
      tep_server_core_writable (worker->core, slot->data);
    if ((event->events & ~(guint32)EPOLLOUT) != 0)
      tep_server_worker_read_connection (worker, fd, event->events);
    break;
  case SLOT_MEDIA:
    worker->setup.media->readable (worker->media, fd, slot->data, worker->now_us);
    break;
  case SLOT_FREE:
  default:
    break;
  }
}

static int
timeout_ms (TepServerWorker *worker)
{
  gint64 due_us = tep_server_core_deadline (worker->core);

  if (worker->is_paused)
    due_us = MIN (due_us, worker->resume_us);
  if (due_us == G_MAXINT64)
    return -1;
  return (int)CLAMP ((due_us - g_get_monotonic_time () + 999) / 1000, 0, 60000);
}

static void
take_time (TepServerWorker *worker)
{
  worker->now_us = g_get_monotonic_time ();
  tep_server_core_advance (worker->core, worker->now_us, g_get_real_time () / 1000);
}

/* A busy worker gains by a rest between rounds: what comes meanwhile is read in one go, with fewer
 * wake-ups. At light load there is no rest and no delay. */
static void
rest (const TepServerWorker *worker)
{
  const struct timespec pause = { .tv_nsec = REST_US * 1000 };

  if (worker->is_busy)
    clock_nanosleep (CLOCK_MONOTONIC, 0, &pause, NULL);
}

static void
note_load (TepServerWorker *worker, guint n_events)
{
  gint64 elapsed_us = worker->now_us - worker->load_since_us;

  worker->load_events += n_events;
  if (elapsed_us < LOAD_WINDOW_US)
    return;
  worker->is_busy = worker->load_events * G_USEC_PER_SEC >= BUSY_EVENTS_PER_S * elapsed_us;
  worker->load_events = 0;
  worker->load_since_us = worker->now_us;
}

static void
run_round (TepServerWorker *worker)
{
  struct epoll_event events[EVENTS];
  int n;

  rest (worker);
  n = epoll_wait (worker->epoll, events, EVENTS, timeout_ms (worker));
  take_time (worker);
  note_load (worker, (guint)MAX (n, 0));
  tep_server_core_count (worker->core, TEP_SERVER_COUNTER_WAKEUPS, 1);
  if (worker->is_paused && worker->now_us >= worker->resume_us)
    tep_server_worker_resume_accepting (worker);
  for (int i = 0; i < n; i++)
    dispatch (worker, &events[i]);
  tep_server_core_flush (worker->core);
  tep_server_worker_flush_passed (worker);
  worker->used = 0;
}

static void *
run (void *data)
{
  TepServerWorker *worker = data;

  while (!worker->is_stopping)
    run_round (worker);
  return NULL;
}

/* ---- control thread ---- */

static gboolean
add_sockets (TepServerWorker *worker, GArray *sockets, TepServerSlotKind kind)
{
  for (guint i = 0; i < sockets->len; i++) {
    if (!tep_server_worker_add_slot (worker, g_array_index (sockets, int, i), kind, NULL, EPOLLIN))
      return FALSE;
  }
  return TRUE;
}

static gboolean
set_up (TepServerWorker *worker, GError **error)
{
  struct rlimit limit;

  worker->epoll = epoll_create1 (EPOLL_CLOEXEC);
  worker->mailbox = tep_server_mailbox_new ();
  if (worker->epoll < 0 || worker->mailbox == NULL ||
      !tep_server_worker_add_slot (worker, tep_server_mailbox_fd (worker->mailbox), SLOT_MAILBOX,
                                   NULL, EPOLLIN) ||
      !add_sockets (worker, worker->setup.tcp, SLOT_LISTENER) ||
      !add_sockets (worker, worker->setup.udp, SLOT_DATAGRAM)) {
    g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_RESOURCE, "cannot set up a worker: %s",
                 g_strerror (errno));
    return FALSE;
  }
  worker->descriptor_limit = getrlimit (RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < G_MAXINT
                                 ? (guint)limit.rlim_cur
                                 : G_MAXINT;
  worker->core =
      tep_server_core_new (&tep_server_worker_host, worker, &worker->settings, worker->setup.shared,
                           worker->setup.index, worker->setup.total);
  tep_server_core_set_recording (worker->core, worker->setup.recorder != NULL);
  if (worker->setup.detect != NULL)
    tep_server_core_set_detecting (worker->core);
  take_time (worker);
  worker->media = worker->setup.media->open (worker, worker->settings.config, error);
  return worker->media != NULL;
}

TepServerWorker *
tep_server_worker_new (const TepServerWorkerSetup *setup, GError **error)
{
  TepServerWorker *worker = g_new0 (TepServerWorker, 1);

  worker->setup = *setup;
  worker->setup.tcp = g_array_ref (setup->tcp);
  worker->setup.udp = g_array_ref (setup->udp);
  worker->epoll = -1;
  tep_server_settings_copy (&worker->settings, setup->settings);
  worker->buffer = g_malloc (TEP_SERVER_READ_BUFFER);
  worker->scratch = g_malloc (TEP_SERVER_SCRATCH);
  worker->passed = g_new0 (GByteArray *, setup->total);
  if (set_up (worker, error))
    return worker;
  tep_server_worker_free (worker);
  return NULL;
}

static void
close_sockets (GArray *sockets)
{
  for (guint i = 0; i < sockets->len; i++)
    close (g_array_index (sockets, int, i));
  g_array_unref (sockets);
}

void
tep_server_worker_free (TepServerWorker *worker)
{
  /* Messages first: they may hold connections. */
  g_clear_pointer (&worker->mailbox, tep_server_mailbox_free);
  g_clear_pointer (&worker->core, tep_server_core_free);
  if (worker->media != NULL)
    worker->setup.media->close (worker->media);
  if (worker->epoll >= 0)
    close (worker->epoll);
  close_sockets (worker->setup.tcp);
  close_sockets (worker->setup.udp);
  for (guint i = 0; i < worker->setup.total; i++) {
    if (worker->passed[i] != NULL)
      g_byte_array_unref (worker->passed[i]);
  }
  tep_server_settings_clear (&worker->settings);
  g_free (worker->passed);
  g_free (worker->slots);
  g_free (worker->buffer);
  g_free (worker->scratch);
  g_free (worker);
}

void
tep_server_worker_set_peers (TepServerWorker *worker, TepServerWorker *const *workers)
{
  worker->peers = workers;
}

gboolean
tep_server_worker_start (TepServerWorker *worker, GError **error)
{
  sigset_t all, before;
  int failure;

  /* Signals are the program's affair, in its own threads. */
  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, &before);
  failure = pthread_create (&worker->thread, NULL, run, worker);
  pthread_sigmask (SIG_SETMASK, &before, NULL);
  if (failure != 0) {
    g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_RESOURCE, "cannot start a worker: %s",
                 g_strerror (failure));
    return FALSE;
  }
  worker->is_started = TRUE;
  return TRUE;
}

static void
stop_here (gpointer receiver, gpointer data, gboolean is_delivered)
{
  TepServerWorker *worker = receiver;

  if (is_delivered)
    worker->is_stopping = TRUE;
}

void
tep_server_worker_ask_to_stop (TepServerWorker *worker)
{
  if (worker->is_started)
    tep_server_worker_post (worker, stop_here, NULL);
}

void
tep_server_worker_join (TepServerWorker *worker)
{
  if (!worker->is_started)
    return;
  pthread_join (worker->thread, NULL);
  worker->is_started = FALSE;
}

void
tep_server_worker_shut_down (TepServerWorker *worker)
{
  g_clear_pointer (&worker->mailbox, tep_server_mailbox_free);
  tep_server_core_shut_down (worker->core);
}

void
tep_server_worker_post (TepServerWorker *worker, TepServerMessageFunc func, gpointer data)
{
  tep_server_mailbox_post (worker->mailbox, func, data);
}

TepServerCore *
tep_server_worker_core (TepServerWorker *worker)
{
  return worker->core;
}

const TepServerMediaCallbacks *
tep_server_worker_callbacks (TepServerWorker *worker, gpointer *user_data)
{
  *user_data = worker->setup.callback_data;
  return worker->setup.callbacks;
}

/* ---- for handover.c ---- */

TepServerWorker *
tep_server_worker_peer (TepServerWorker *worker, guint index)
{
  return worker->peers != NULL ? worker->peers[index] : NULL;
}

TepServerDetect *
tep_server_worker_detect (TepServerWorker *worker)
{
  return worker->setup.detect;
}

TepServerShared *
tep_server_worker_shared (TepServerWorker *worker)
{
  return worker->setup.shared;
}

gboolean
tep_server_worker_has_room (const TepServerWorker *worker, gsize length)
{
  return tep_server_mailbox_has_room (worker->mailbox, length);
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
tep_server_worker_take_connection (TepServerWorker *worker, TepServerHandover *handover)
{
  TepServerConnection *connection = handover->connection;
  int fd = (int)tep_server_connection_get_host_data (connection);
  gboolean is_watched = tep_server_worker_add_slot (worker, fd, SLOT_CONNECTION, connection,
                                                    TEP_SERVER_CONNECTION_EVENTS);

  tep_server_core_adopt (worker->core, handover);
  if (!is_watched)
    tep_server_core_hangup (worker->core, connection);
}

void
tep_server_worker_give_connection (TepServerWorker *worker,
                                   TepServerConnection *connection,
                                   TepServerHandover *handover)
{
  tep_server_worker_remove_slot (worker, (int)tep_server_connection_get_host_data (connection));
  tep_server_core_release_connection (worker->core, connection, handover);
}

/* ---- for media backends ---- */

void
tep_server_worker_deliver (TepServerWorker *worker, const TepServerPacket *packets, gsize n)
{
  tep_server_core_deliver (worker->core, packets, n);
}

void
tep_server_worker_send (TepServerWorker *worker, const TepServerPacket *packets, gsize n)
{
  tep_server_core_deliver (worker->core, packets, n);
}

void
tep_server_worker_leased (TepServerWorker *worker, TepServerBinding *binding, gboolean is_usable)
{
  tep_server_core_leased (worker->core, binding, is_usable);
}

guint
tep_server_worker_index (const TepServerWorker *worker)
{
  return worker->setup.index;
}

guint
tep_server_worker_total (const TepServerWorker *worker)
{
  return worker->setup.total;
}

TepServerHelper *
tep_server_worker_helper (const TepServerWorker *worker)
{
  return worker->setup.helper;
}

gint64
tep_server_worker_now (const TepServerWorker *worker)
{
  return worker->now_us;
}

void
tep_server_worker_count (TepServerWorker *worker, TepServerCounter counter, gint64 n)
{
  tep_server_core_count (worker->core, counter, n);
}

guint8 *
tep_server_worker_scratch (TepServerWorker *worker, gsize *length)
{
  *length = TEP_SERVER_SCRATCH;
  return worker->scratch;
}
