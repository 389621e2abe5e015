/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bottom layer: a stream socket. Nagle is off from the first octet, since held-back small
 * packets are what ruins media over TCP.
 */
#include "turn-connect/error-private.h"
#include "turn-connect/stream-private.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* The vectors GIO hands over are the kernel's own, under another name. */
G_STATIC_ASSERT (sizeof (GOutputVector) == sizeof (struct iovec));
G_STATIC_ASSERT (G_STRUCT_OFFSET (GOutputVector, buffer) ==
                 G_STRUCT_OFFSET (struct iovec, iov_base));
G_STATIC_ASSERT (G_STRUCT_OFFSET (GOutputVector, size) == G_STRUCT_OFFSET (struct iovec, iov_len));

#define TYPE_TCP_STREAM (tcp_stream_get_type ())
G_DECLARE_FINAL_TYPE (TcpStream, tcp_stream, TURN_CONNECT, TCP_STREAM, TurnConnectStream)

struct _TcpStream {
  TurnConnectStream parent_instance;
  int descriptor;
};

G_DEFINE_FINAL_TYPE (TcpStream, tcp_stream, TURN_CONNECT_TYPE_STREAM)

static TurnConnectIo
fail (TcpStream *self, const char *doing, int number, GError **error)
{
  GSocketAddress *remote = turn_connect_stream_get_remote_address (TURN_CONNECT_STREAM (self));
  g_autofree char *who = turn_connect_address_to_string (remote);
  g_autofree char *what = g_strconcat (doing, " ", who, NULL);

  g_propagate_error (error, turn_connect_error_from_errno (number, what));
  return TURN_CONNECT_IO_FAILED;
}

static TurnConnectIo
tcp_try_read (TurnConnectStream *stream, void *buffer, gsize size, gsize *got, GError **error)
{
  TcpStream *self = TURN_CONNECT_TCP_STREAM (stream);
  ssize_t n;

  do
    n = recv (self->descriptor, buffer, size, 0);
  while (n < 0 && errno == EINTR);
  if (n > 0) {
    *got = (gsize)n;
    return TURN_CONNECT_IO_OK;
  }
  if (n == 0)
    return TURN_CONNECT_IO_END;
  if (errno == EAGAIN || errno == EWOULDBLOCK)
    return TURN_CONNECT_IO_BLOCKED;
  return fail (self, "reading from", errno, error);
}

static TurnConnectIo
tcp_try_write (TurnConnectStream *stream,
               const GOutputVector *vectors,
               gsize n_vectors,
               gsize *accepted,
               GError **error)
{
  TcpStream *self = TURN_CONNECT_TCP_STREAM (stream);
  struct msghdr message = { 0 };
  ssize_t n;

  message.msg_iov = (struct iovec *)vectors;
  message.msg_iovlen = n_vectors;
  do
    n = sendmsg (self->descriptor, &message, MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  if (n > 0) {
    *accepted = (gsize)n;
    return TURN_CONNECT_IO_OK;
  }
  if (n == 0 || errno == EAGAIN || errno == EWOULDBLOCK)
    return TURN_CONNECT_IO_BLOCKED;
  return fail (self, "writing to", errno, error);
}

static GIOCondition
tcp_ready (TurnConnectStream *stream, GIOCondition polled)
{
  return polled & (G_IO_IN | G_IO_OUT | G_IO_ERR | G_IO_HUP);
}

static GIOCondition
tcp_needs (TurnConnectStream *stream, GIOCondition wanted)
{
  return wanted & (G_IO_IN | G_IO_OUT);
}

static void
tcp_shut (TurnConnectStream *stream)
{
  TcpStream *self = TURN_CONNECT_TCP_STREAM (stream);

  turn_connect_stream_set_descriptor (stream, -1);
  if (self->descriptor >= 0)
    close (self->descriptor);
  self->descriptor = -1;
}

static void
tcp_end_writing (TurnConnectStream *stream)
{
  TcpStream *self = TURN_CONNECT_TCP_STREAM (stream);

  shutdown (self->descriptor, SHUT_WR); /* a socket that is dead already says so when read */
}

static void
tcp_stream_class_init (TcpStreamClass *class)
{
  TurnConnectStreamClass *stream_class = TURN_CONNECT_STREAM_CLASS (class);

  stream_class->try_read = tcp_try_read;
  stream_class->try_write = tcp_try_write;
  stream_class->ready = tcp_ready;
  stream_class->needs = tcp_needs;
  stream_class->shut = tcp_shut;
  stream_class->end_writing = tcp_end_writing;
}

static void
tcp_stream_init (TcpStream *self)
{
  self->descriptor = -1;
}

TurnConnectStream *
turn_connect_stream_new_for_descriptor (int descriptor)
{
  TcpStream *self = g_object_new (TYPE_TCP_STREAM, NULL);
  int on = 1;

  self->descriptor = descriptor;
  turn_connect_stream_set_descriptor (TURN_CONNECT_STREAM (self), descriptor);
  fcntl (descriptor, F_SETFL, fcntl (descriptor, F_GETFL) | O_NONBLOCK);
  fcntl (descriptor, F_SETFD, FD_CLOEXEC);
  setsockopt (descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  /* Asked for now: a socket that was reset no longer knows its peer. */
  turn_connect_stream_get_local_address (TURN_CONNECT_STREAM (self));
  turn_connect_stream_get_remote_address (TURN_CONNECT_STREAM (self));
  return TURN_CONNECT_STREAM (self);
}
