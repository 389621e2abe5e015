/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Newcomers: how many in a round, with which socket options, and what happens when there is no
 * descriptor left for one.
 */
#include "tep-s/worker-inside-private.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS 64 /* in one round, so that newcomers do not hold up those who are there */
#define SPARE_DESCRIPTORS 16 /* left for logs, control and media */
#define PAUSE_US (500 * G_TIME_SPAN_MILLISECOND)
#define SEND_BUFFER (256 * 1024)
#define USER_TIMEOUT_MS 30000

static void
pause_accepting (TepServerWorker *worker)
{
  for (guint i = 0; i < worker->setup.tcp->len; i++)
    tep_server_worker_control (worker, EPOLL_CTL_MOD, g_array_index (worker->setup.tcp, int, i), 0);
  worker->is_paused = TRUE;
  worker->resume_us = worker->now_us + PAUSE_US;
  tep_server_core_count (worker->core, TEP_SERVER_COUNTER_ACCEPT_PAUSES, 1);
}

void
tep_server_worker_resume_accepting (TepServerWorker *worker)
{
  for (guint i = 0; i < worker->setup.tcp->len; i++)
    tep_server_worker_control (worker, EPOLL_CTL_MOD, g_array_index (worker->setup.tcp, int, i),
                               EPOLLIN);
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
  if (!tep_server_worker_add_slot (worker, fd, SLOT_CONNECTION, connection,
                                   TEP_SERVER_CONNECTION_EVENTS))
    tep_server_core_hangup (worker->core, connection);
  return TRUE;
}

void
tep_server_worker_accept (TepServerWorker *worker, int listener)
{
  for (guint i = 0; i < ACCEPTS; i++) {
    if (!accept_one (worker, listener))
      break;
  }
}
