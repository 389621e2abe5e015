/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The thin driver around a core: one thread, one epoll, sockets. It moves octets between kernel and
 * core and keeps the time; whatever is decided is decided in the core.
 */
#include "tep-s/worker-private.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tep-s/handover-private.h"

#define EVENTS 256
#define READ_BUFFER 65536
#define BUSY_EVENTS_PER_S 20000 /* ready descriptors; above, a rest costs less delay than a queue */
#define LOAD_WINDOW_US 10000
#define REST_US 150 /* the kernel's timer adds 50 */
#define READS_MAX 4 /* of one connection in a round */
#define CONNECTION_EVENTS (EPOLLIN | EPOLLRDHUP | EPOLLET)
#define READ_LEAST 16384 /* with less room than this, packets are sent and the buffer used anew */
#define SCRATCH 65536
#define ACCEPTS 64   /* in one round, so that newcomers do not hold up those who are there */
#define DATAGRAMS 64 /* likewise */
#define PIECES 32
#define SPARE_DESCRIPTORS 16 /* left for logs, control and media */
#define PAUSE_US (500 * G_TIME_SPAN_MILLISECOND)
#define SEND_BUFFER (256 * 1024)
#define USER_TIMEOUT_MS 30000

typedef enum {
  SLOT_FREE,
  SLOT_LISTENER,
  SLOT_DATAGRAM,
  SLOT_MAILBOX,
  SLOT_CONNECTION,
  SLOT_MEDIA,
} SlotKind;

/* What a descriptor is, by its number. The generation tells a new owner of a number from the one an
 * event was meant for. */
typedef struct {
  gpointer data;
  guint32 generation;
  guint32 events; /* what it is always watched for */
  guint8 kind;
  guint8 wants_output;
  guint8 is_shut;
} Slot;

struct _TepServerWorker {
  TepServerWorkerSetup setup;
  TepServerSettings settings;
  TepServerCore *core;
  TepServerMedia *media;
  TepServerMailbox *mailbox;
  TepServerWorker *const *peers;
  Slot *slots;
  guint n_slots;
  int epoll;
  pthread_t thread;
  gboolean is_started;
  gboolean is_stopping;
  gboolean is_paused;
  gint64 resume_us;
  gint64 now_us;
  gint64 load_since_us; /* begin of the window that load_events are counted in */
  gint64 load_events;
  gboolean is_busy;
  guint descriptor_limit;
  gsize used;
  guint8 *buffer;
  guint8 *scratch;
  GByteArray **passed; /* packets for other workers, by worker */
};

/* ---- descriptors ---- */

static Slot *
slot_of (TepServerWorker *worker, int fd)
{
  if ((guint)fd >= worker->n_slots) {
    guint n = MAX (worker->n_slots * 2, (guint)fd + 64);

    worker->slots = g_renew (Slot, worker->slots, n);
    memset (worker->slots + worker->n_slots, 0, (n - worker->n_slots) * sizeof (Slot));
    worker->n_slots = n;
  }
  return &worker->slots[fd];
}

static gboolean
control (TepServerWorker *worker, int operation, int fd, guint32 events)
{
  struct epoll_event event = { .events = events };

  event.data.u64 = (guint64)slot_of (worker, fd)->generation << 32 | (guint32)fd;
  return epoll_ctl (worker->epoll, operation, fd, &event) == 0;
}

static gboolean
add_slot (TepServerWorker *worker, int fd, SlotKind kind, gpointer data, guint32 events)
{
  Slot *slot = slot_of (worker, fd);

  slot->generation++;
  slot->kind = kind;
  slot->data = data;
  slot->wants_output = FALSE;
  slot->is_shut = FALSE;
  slot->events = events;
  if (control (worker, EPOLL_CTL_ADD, fd, events))
    return TRUE;
  slot->kind = SLOT_FREE;
  return FALSE;
}

static void
remove_slot (TepServerWorker *worker, int fd)
{
  Slot *slot = slot_of (worker, fd);

  if (slot->kind == SLOT_FREE)
    return;
  epoll_ctl (worker->epoll, EPOLL_CTL_DEL, fd, NULL);
  slot->kind = SLOT_FREE;
  slot->generation++;
  slot->data = NULL;
}

/* ---- what the core asks for ---- */

static void
host_random (gpointer host, void *octets, gsize length)
{
  guint8 *at = octets;

  while (length > 0) {
    ssize_t n = getrandom (at, MIN (length, 256), 0);

    if (n < 0)
      continue; /* EINTR; from a kernel that has this call nothing else comes */
    at += n;
    length -= (gsize)n;
  }
}

static gboolean
host_lease (gpointer host, TepServerBinding *binding)
{
  TepServerWorker *worker = host;
  g_autoptr (GError) error = NULL;

  if (worker->setup.media->lease (worker->media, binding, &error))
    return TRUE;
  g_info ("no lease from the media side: %s", error != NULL ? error->message : "no reason given");
  return FALSE;
}

static void
host_release (gpointer host, TepServerBinding *binding)
{
  TepServerWorker *worker = host;

  worker->setup.media->release (worker->media, binding);
}

static gsize
host_send (gpointer host, const TepServerPacket *packets, gsize n)
{
  TepServerWorker *worker = host;

  return worker->setup.media->send (worker->media, packets, n);
}

static void
host_event (gpointer host, const TepServerEvent *event)
{
  TepServerWorker *worker = host;

  if (worker->setup.event != NULL)
    worker->setup.event (worker->setup.event_data, event);
}

static void
want_output (TepServerWorker *worker, int fd, gboolean wants)
{
  Slot *slot = slot_of (worker, fd);

  if (slot->wants_output == wants)
    return;
  slot->wants_output = wants;
  control (worker, EPOLL_CTL_MOD, fd, slot->events | (wants ? EPOLLOUT : 0));
}

static ssize_t
send_pieces (int fd, struct iovec *pieces, gsize n)
{
  struct msghdr message = { .msg_iov = pieces, .msg_iovlen = n };

  if (n == 1)
    return send (fd, pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL | MSG_DONTWAIT);
  return sendmsg (fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void
host_output (gpointer host, TepServerConnection *connection)
{
  TepServerWorker *worker = host;
  int fd = (int)tep_server_connection_get_host_data (connection);
  struct iovec pieces[PIECES];
  gsize n;

  while ((n = tep_server_core_output (connection, pieces, PIECES)) > 0) {
    ssize_t written = send_pieces (fd, pieces, n);

    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0 && errno != EAGAIN && errno != ENOBUFS) {
      tep_server_core_hangup (worker->core, connection);
      return;
    }
    tep_server_core_written (worker->core, connection, written > 0 ? (gsize)written : 0);
    if (written < 0)
      break;
  }
  want_output (worker, fd, n > 0);
  if (tep_server_core_is_finished (connection) && !slot_of (worker, fd)->is_shut) {
    slot_of (worker, fd)->is_shut = TRUE;
    shutdown (fd, SHUT_WR);
  }
}

static void resume_accepting (TepServerWorker *worker);

static void
host_over (gpointer host, TepServerConnection *connection)
{
  TepServerWorker *worker = host;
  int fd = (int)tep_server_connection_get_host_data (connection);

  remove_slot (worker, fd);
  close (fd);
  if (worker->is_paused)
    resume_accepting (worker);
}

static void
host_record (gpointer host, const TepServerPacket *packet)
{
  TepServerWorker *worker = host;

  tep_server_recorder_packet (worker->setup.recorder, packet, g_get_real_time ());
}

static const TepServerCoreHost core_host = {
  .random = host_random,
  .lease = host_lease,
  .release = host_release,
  .send = host_send,
  .output = host_output,
  .over = host_over,
  .hand_over = tep_server_worker_hand_over,
  .pass = tep_server_worker_pass,
  .announce = tep_server_worker_announce,
  .event = host_event,
  .record = host_record,
};

/* ---- accepting ---- */

static void
pause_accepting (TepServerWorker *worker)
{
  for (guint i = 0; i < worker->setup.tcp->len; i++)
    control (worker, EPOLL_CTL_MOD, g_array_index (worker->setup.tcp, int, i), 0);
  worker->is_paused = TRUE;
  worker->resume_us = worker->now_us + PAUSE_US;
  tep_server_core_count (worker->core, TEP_SERVER_COUNTER_ACCEPT_PAUSES, 1);
}

static void
resume_accepting (TepServerWorker *worker)
{
  for (guint i = 0; i < worker->setup.tcp->len; i++)
    control (worker, EPOLL_CTL_MOD, g_array_index (worker->setup.tcp, int, i), EPOLLIN);
  worker->is_paused = FALSE;
}

static void
set_options (int fd)
{
  const int on = 1, send_buffer = SEND_BUFFER, timeout_ms = USER_TIMEOUT_MS;

  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt (fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
  setsockopt (fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
}

/* FALSE if no more can be accepted now. */
static gboolean
accept_one (TepServerWorker *worker, int listener)
{
  struct sockaddr_storage storage;
  socklen_t length = sizeof storage;
  int fd = accept4 (listener, (struct sockaddr *)&storage, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
  TepServerConnection *connection;
  StunExtAddress source;

  if (fd < 0) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
      pause_accepting (worker);
    return errno == ECONNABORTED || errno == EINTR;
  }
  if ((guint)fd + SPARE_DESCRIPTORS >= worker->descriptor_limit) {
    close (fd);
    pause_accepting (worker);
    return FALSE;
  }
  if (!stun_ext_address_from_sockaddr (&source, (struct sockaddr *)&storage, length) ||
      (connection = tep_server_core_accept (worker->core, &source)) == NULL) {
    close (fd);
    return TRUE;
  }
  set_options (fd);
  tep_server_connection_set_host_data (connection, fd);
  if (!add_slot (worker, fd, SLOT_CONNECTION, connection, CONNECTION_EVENTS))
    tep_server_core_hangup (worker->core, connection);
  return TRUE;
}

static void
accept_some (TepServerWorker *worker, int listener)
{
  for (guint i = 0; i < ACCEPTS; i++) {
    if (!accept_one (worker, listener))
      break;
  }
}

/* ---- reading ---- */

typedef enum {
  READ_DRAINED,
  READ_FILLED, /* there may be more */
  READ_ENDED,
} ReadVerdict;

static ReadVerdict
read_once (TepServerWorker *worker, int fd, TepServerConnection *connection)
{
  gsize room;
  gsize at;
  ssize_t n;

  if (READ_BUFFER - worker->used < READ_LEAST) {
    tep_server_core_flush_packets (worker->core);
    worker->used = 0;
  }
  at = worker->used;
  room = READ_BUFFER - at;
  n = recv (fd, worker->buffer + at, room, MSG_DONTWAIT);
  if (n > 0) {
    worker->used += (gsize)n;
    tep_server_core_input (worker->core, connection, worker->buffer + at, (gsize)n);
    return (gsize)n == room ? READ_FILLED : READ_DRAINED;
  }
  if (n < 0 && errno == EINTR)
    return READ_FILLED;
  if (n < 0 && errno == EAGAIN)
    return READ_DRAINED;
  tep_server_core_hangup (worker->core, connection);
  return READ_ENDED;
}

/* Edges only: what is left behind is not told again, so a read that was filled is followed by
 * another, in the next round if others have waited long enough; and an end that was told together
 * with octets is read up to. */
static void
read_connection (TepServerWorker *worker, int fd, guint32 events)
{
  const Slot before = *slot_of (worker, fd);
  gboolean is_ending = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;

  for (guint i = 0; i < READS_MAX; i++) {
    ReadVerdict verdict = read_once (worker, fd, before.data);
    const Slot *slot = slot_of (worker, fd);

    if (verdict == READ_ENDED || slot->generation != before.generation ||
        slot->kind != SLOT_CONNECTION)
      return;
    if (verdict == READ_DRAINED && !is_ending)
      return;
  }
  tep_server_worker_rewatch (worker, fd);
}

static void
read_datagrams (TepServerWorker *worker, int fd)
{
  for (guint i = 0; i < DATAGRAMS; i++) {
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    guint8 answer[128];
    StunExtAddress source;
    ssize_t n =
        recvfrom (fd, worker->scratch, SCRATCH, MSG_DONTWAIT, (struct sockaddr *)&storage, &length);
    gsize size;

    if (n < 0)
      return;
    if (!stun_ext_address_from_sockaddr (&source, (struct sockaddr *)&storage, length))
      continue;
    size = tep_server_core_datagram (worker->core, &source, worker->scratch, (gsize)n, answer,
                                     sizeof answer);
    if (size > 0)
      sendto (fd, answer, size, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&storage, length);
  }
}

static void
dispatch (TepServerWorker *worker, const struct epoll_event *event)
{
  int fd = (int)(guint32)event->data.u64;
  Slot *slot = slot_of (worker, fd);

  if (slot->generation != (guint32)(event->data.u64 >> 32))
    return;
  switch (slot->kind) {
  case SLOT_LISTENER:
    accept_some (worker, fd);
    break;
  case SLOT_DATAGRAM:
    read_datagrams (worker, fd);
    break;
  case SLOT_MAILBOX:
    tep_server_mailbox_empty (worker->mailbox, worker);
    break;
  case SLOT_CONNECTION:
    if ((event->events & EPOLLOUT) != 0)
      tep_server_core_writable (worker->core, slot->data);
    if ((event->events & ~(guint32)EPOLLOUT) != 0)
      read_connection (worker, fd, event->events);
    break;
  case SLOT_MEDIA:
    worker->setup.media->readable (worker->media, fd, slot->data, worker->now_us);
    break;
  case SLOT_FREE:
  default:
    break;
  }
}

/* ---- the loop ---- */

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
    resume_accepting (worker);
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
add_sockets (TepServerWorker *worker, GArray *sockets, SlotKind kind)
{
  for (guint i = 0; i < sockets->len; i++) {
    if (!add_slot (worker, g_array_index (sockets, int, i), kind, NULL, EPOLLIN))
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
      !add_slot (worker, tep_server_mailbox_fd (worker->mailbox), SLOT_MAILBOX, NULL, EPOLLIN) ||
      !add_sockets (worker, worker->setup.tcp, SLOT_LISTENER) ||
      !add_sockets (worker, worker->setup.udp, SLOT_DATAGRAM)) {
    g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_RESOURCE, "cannot set up a worker: %s",
                 g_strerror (errno));
    return FALSE;
  }
  worker->descriptor_limit = getrlimit (RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < G_MAXINT
                                 ? (guint)limit.rlim_cur
                                 : G_MAXINT;
  worker->core = tep_server_core_new (&core_host, worker, &worker->settings, worker->setup.shared,
                                      worker->setup.index, worker->setup.total);
  tep_server_core_set_recording (worker->core, worker->setup.recorder != NULL);
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
  worker->buffer = g_malloc (READ_BUFFER);
  worker->scratch = g_malloc (SCRATCH);
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

TepServerShared *
tep_server_worker_shared (TepServerWorker *worker)
{
  return worker->setup.shared;
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
  gboolean is_watched = add_slot (worker, fd, SLOT_CONNECTION, connection, CONNECTION_EVENTS);

  tep_server_core_adopt (worker->core, handover);
  if (!is_watched)
    tep_server_core_hangup (worker->core, connection);
}

void
tep_server_worker_give_connection (TepServerWorker *worker,
                                   TepServerConnection *connection,
                                   TepServerHandover *handover)
{
  remove_slot (worker, (int)tep_server_connection_get_host_data (connection));
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

gboolean
tep_server_worker_watch (TepServerWorker *worker, int fd, gpointer tag)
{
  return add_slot (worker, fd, SLOT_MEDIA, tag, EPOLLIN);
}

gboolean
tep_server_worker_watch_edges (TepServerWorker *worker, int fd, gpointer tag)
{
  return add_slot (worker, fd, SLOT_MEDIA, tag, EPOLLIN | EPOLLET);
}

void
tep_server_worker_rewatch (TepServerWorker *worker, int fd)
{
  const Slot *slot = slot_of (worker, fd);

  control (worker, EPOLL_CTL_MOD, fd, slot->events | (slot->wants_output ? EPOLLOUT : 0));
}

void
tep_server_worker_unwatch (TepServerWorker *worker, int fd)
{
  remove_slot (worker, fd);
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
  *length = SCRATCH;
  return worker->scratch;
}
