/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What comes in from the network: octets of connections go to the core from one buffer per round, so
 * that it need not copy packets; datagrams at the listeners get their answer at once.
 */
#include "tep-s/worker-inside-private.h"

#include <errno.h>
#include <sys/socket.h>

#define READS_MAX 4      /* of one connection in a round */
#define READ_LEAST 16384 /* with less room than this, packets are sent and the buffer used anew */
#define DATAGRAMS 64     /* in one round, so that they do not hold up the rest */

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

  if (TEP_SERVER_READ_BUFFER - worker->used < READ_LEAST) {
    tep_server_core_flush_packets (worker->core);
    worker->used = 0;
  }
  at = worker->used;
  room = TEP_SERVER_READ_BUFFER - at;
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
void
tep_server_worker_read_connection (TepServerWorker *worker, int fd, guint32 events)
{
  const TepServerSlot before = *tep_server_worker_slot (worker, fd);
  gboolean is_ending = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;

  for (guint i = 0; i < READS_MAX; i++) {
    ReadVerdict verdict = read_once (worker, fd, before.data);
    const TepServerSlot *slot = tep_server_worker_slot (worker, fd);

    if (verdict == READ_ENDED || slot->generation != before.generation ||
        slot->kind != SLOT_CONNECTION)
      return;
    if (verdict == READ_DRAINED && !is_ending)
      return;
  }
  tep_server_worker_rewatch (worker, fd);
}

void
tep_server_worker_read_datagrams (TepServerWorker *worker, int fd)
{
  for (guint i = 0; i < DATAGRAMS; i++) {
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    guint8 answer[128];
    StunExtAddress source;
    ssize_t n = recvfrom (fd, worker->scratch, TEP_SERVER_SCRATCH, MSG_DONTWAIT,
                          (struct sockaddr *)&storage, &length);
    gsize size;

    if (n < 0)
      return;
    if (!stun_ext_address_from_sockaddr (&source, (struct sockaddr *)&storage, length))
      continue;
    if (tep_server_core_is_detecting (worker->core) &&
        tep_server_detect_take_datagram (worker->setup.detect, fd, &source, worker->scratch,
                                         (gsize)n))
      continue;
    size = tep_server_core_datagram (worker->core, &source, worker->scratch, (gsize)n, answer,
                                     sizeof answer);
    if (size > 0)
      sendto (fd, answer, size, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&storage, length);
  }
}
