/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a core asks of its worker: random octets, leases and packets of the media side, and the octets
 * of connections on their way to the kernel.
 */
#include "tep-s/worker-inside-private.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tep-s/handover-private.h"

#define PIECES 32

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
  tep_server_worker_want_output (worker, fd, n > 0);
  if (tep_server_core_is_finished (connection) && !tep_server_worker_slot (worker, fd)->is_shut) {
    tep_server_worker_slot (worker, fd)->is_shut = TRUE;
    shutdown (fd, SHUT_WR);
  }
}

static void
host_over (gpointer host, TepServerConnection *connection)
{
  TepServerWorker *worker = host;
  int fd = (int)tep_server_connection_get_host_data (connection);

  tep_server_worker_remove_slot (worker, fd);
  close (fd);
  if (worker->is_paused)
    tep_server_worker_resume_accepting (worker);
}

static void
host_record (gpointer host, const TepServerPacket *packet)
{
  TepServerWorker *worker = host;

  tep_server_recorder_packet (worker->setup.recorder, packet, g_get_real_time ());
}

const TepServerCoreHost tep_server_worker_host = {
  .random = tep_server_random,
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
