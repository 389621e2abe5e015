/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the units of a worker know of one another: worker.c and worker-*.c. */
#pragma once

#include <pthread.h>
#include <sys/epoll.h>

#include "tep-s/worker-private.h"

G_BEGIN_DECLS

#define TEP_SERVER_READ_BUFFER 65536
#define TEP_SERVER_SCRATCH 65536
#define TEP_SERVER_CONNECTION_EVENTS (EPOLLIN | EPOLLRDHUP | EPOLLET)

typedef enum {
  SLOT_FREE,
  SLOT_LISTENER,
  SLOT_DATAGRAM,
  SLOT_MAILBOX,
  SLOT_CONNECTION,
  SLOT_MEDIA,
} TepServerSlotKind;

/* What a descriptor is, by its number. The generation tells a new owner of a number from the one an
 * event was meant for. */
typedef struct {
  gpointer data;
  guint32 generation;
  guint32 events; /* what it is always watched for */
  guint8 kind;
  guint8 wants_output;
  guint8 is_shut;
} TepServerSlot;

struct _TepServerWorker {
  TepServerWorkerSetup setup;
  TepServerSettings settings;
  TepServerCore *core;
  TepServerMedia *media;
  TepServerMailbox *mailbox;
  TepServerWorker *const *peers;
  TepServerSlot *slots;
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

/* worker-slots.c */
void tep_server_worker_grow_slots (TepServerWorker *worker, int fd);
/* FALSE with errno set if the kernel refuses. */
gboolean tep_server_worker_control (TepServerWorker *worker, int operation, int fd, guint32 events);
gboolean tep_server_worker_add_slot (
    TepServerWorker *worker, int fd, TepServerSlotKind kind, gpointer data, guint32 events);
void tep_server_worker_remove_slot (TepServerWorker *worker, int fd);
/* Whether to be told when the kernel takes octets of fd again. */
void tep_server_worker_want_output (TepServerWorker *worker, int fd, gboolean wants);

/* Good until the next one is asked for. */
static inline TepServerSlot *
tep_server_worker_slot (TepServerWorker *worker, int fd)
{
  if ((guint)fd >= worker->n_slots)
    tep_server_worker_grow_slots (worker, fd);
  return &worker->slots[fd];
}

/* worker-accept.c */
void tep_server_worker_accept (TepServerWorker *worker, int listener);
void tep_server_worker_resume_accepting (TepServerWorker *worker);

/* worker-read.c */
void tep_server_worker_read_connection (TepServerWorker *worker, int fd, guint32 events);
void tep_server_worker_read_datagrams (TepServerWorker *worker, int fd);

/* worker-host.c */
extern const TepServerCoreHost tep_server_worker_host;

G_END_DECLS
