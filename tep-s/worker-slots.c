/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Descriptors of a worker: what each is for, and what epoll watches it for. Numbers are used again as
 * soon as they are closed, so a generation tells an event of the old owner from one of the new.
 */
#include "tep-s/worker-inside-private.h"

#include <string.h>

void
tep_server_worker_grow_slots (TepServerWorker *worker, int fd)
{
  guint n = MAX (worker->n_slots * 2, (guint)fd + 64);

  worker->slots = g_renew (TepServerSlot, worker->slots, n);
  memset (worker->slots + worker->n_slots, 0, (n - worker->n_slots) * sizeof (TepServerSlot));
  worker->n_slots = n;
}

gboolean
tep_server_worker_control (TepServerWorker *worker, int operation, int fd, guint32 events)
{
  struct epoll_event event = { .events = events };

  event.data.u64 = (guint64)tep_server_worker_slot (worker, fd)->generation << 32 | (guint32)fd;
  return epoll_ctl (worker->epoll, operation, fd, &event) == 0;
}

gboolean
tep_server_worker_add_slot (
    TepServerWorker *worker, int fd, TepServerSlotKind kind, gpointer data, guint32 events)
{
  TepServerSlot *slot = tep_server_worker_slot (worker, fd);

  slot->generation++;
  slot->kind = kind;
  slot->data = data;
  slot->wants_output = FALSE;
  slot->is_shut = FALSE;
  slot->events = events;
  if (tep_server_worker_control (worker, EPOLL_CTL_ADD, fd, events))
    return TRUE;
  slot->kind = SLOT_FREE;
  return FALSE;
}

void
tep_server_worker_remove_slot (TepServerWorker *worker, int fd)
{
  TepServerSlot *slot = tep_server_worker_slot (worker, fd);

  if (slot->kind == SLOT_FREE)
    return;
  epoll_ctl (worker->epoll, EPOLL_CTL_DEL, fd, NULL);
  slot->kind = SLOT_FREE;
  slot->generation++;
  slot->data = NULL;
}

void
tep_server_worker_want_output (TepServerWorker *worker, int fd, gboolean wants)
{
  TepServerSlot *slot = tep_server_worker_slot (worker, fd);

  if (slot->wants_output == wants)
    return;
  slot->wants_output = wants;
  tep_server_worker_control (worker, EPOLL_CTL_MOD, fd, slot->events | (wants ? EPOLLOUT : 0));
}

gboolean
tep_server_worker_watch (TepServerWorker *worker, int fd, gpointer tag)
{
  return tep_server_worker_add_slot (worker, fd, SLOT_MEDIA, tag, EPOLLIN);
}

gboolean
tep_server_worker_watch_edges (TepServerWorker *worker, int fd, gpointer tag)
{
  return tep_server_worker_add_slot (worker, fd, SLOT_MEDIA, tag, EPOLLIN | EPOLLET);
}

void
tep_server_worker_rewatch (TepServerWorker *worker, int fd)
{
  const TepServerSlot *slot = tep_server_worker_slot (worker, fd);

  tep_server_worker_control (worker, EPOLL_CTL_MOD, fd,
                             slot->events | (slot->wants_output ? EPOLLOUT : 0));
}

void
tep_server_worker_unwatch (TepServerWorker *worker, int fd)
{
  tep_server_worker_remove_slot (worker, fd);
}
