/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The TCP way of trying an address: a connection that is up is an answer.
 */
#include "turn-connect/reach.h"

#include "turn-connect/error-private.h"
#include "turn-connect/stream.h"

#include <errno.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
  TurnConnectAttempt *attempt;
  int descriptor;
  GSource *source;
} Trial;

static void
trial_end (gpointer data)
{
  Trial *trial = data;

  g_source_destroy (trial->source);
  g_source_unref (trial->source);
  if (trial->descriptor >= 0)
    close (trial->descriptor);
  g_free (trial);
}

static gboolean
trial_ended (gint descriptor, GIOCondition condition, gpointer user_data)
{
  Trial *trial = user_data;
  int number = 0;
  socklen_t length = sizeof number;

  if (getsockopt (descriptor, SOL_SOCKET, SO_ERROR, &number, &length) != 0)
    number = errno;
  if (number != 0) {
    turn_connect_attempt_failed (trial->attempt, turn_connect_error_from_errno (number, NULL));
    return G_SOURCE_REMOVE;
  }
  trial->descriptor = -1;
  turn_connect_attempt_won (trial->attempt, turn_connect_stream_new_for_descriptor (descriptor));
  return G_SOURCE_REMOVE;
}

static int
begin_connecting (GSocketAddress *address, const char *interface)
{
  struct sockaddr_storage native = { 0 };
  int descriptor;

  if (!g_socket_address_to_native (address, &native, sizeof native, NULL)) {
    errno = EAFNOSUPPORT;
    return -1;
  }
  descriptor = socket (native.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (descriptor < 0)
    return -1;
  if (interface != NULL && setsockopt (descriptor, SOL_SOCKET, SO_BINDTODEVICE, interface,
                                       (socklen_t)strlen (interface) + 1) != 0) {
    int number = errno;

    close (descriptor);
    errno = number;
    return -1;
  }
  if (connect (descriptor, (struct sockaddr *)&native,
               (socklen_t)g_socket_address_get_native_size (address)) != 0 &&
      errno != EINPROGRESS) {
    int number = errno;

    close (descriptor);
    errno = number;
    return -1;
  }
  return descriptor;
}

static gpointer
trial_begin (TurnConnectAttempt *attempt,
             GSocketAddress *address,
             gpointer interface,
             GError **error)
{
  int descriptor = begin_connecting (address, interface);
  Trial *trial;

  if (descriptor < 0) {
    g_propagate_error (error, turn_connect_error_from_errno (errno, NULL));
    return NULL;
  }
  trial = g_new0 (Trial, 1);
  trial->attempt = attempt;
  trial->descriptor = descriptor;
  trial->source = g_unix_fd_source_new (descriptor, G_IO_OUT);
  g_source_set_callback (trial->source, G_SOURCE_FUNC (trial_ended), trial, NULL);
  g_source_attach (trial->source, turn_connect_attempt_get_context (attempt));
  return trial;
}

const TurnConnectReachWay turn_connect_reach_tcp = { trial_begin, trial_end };
