/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Datagrams to one server. The socket is connected, so the kernel drops what others send and tells
 * of ICMP errors; an error that comes up while something is sent belongs to an earlier datagram,
 * so it is kept for the receiver and the new one still goes out.
 */
#include "turn-connect/datagram-private.h"

#include "turn-connect/error-private.h"
#include "turn-connect/stream-private.h"
#include "turn-connect/tls-options-private.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define VECTORS_MAX 64

struct _TurnConnectDatagram {
  GObject parent_instance;
  int descriptor; /* -1: closed */
  int pending;    /* errno of an earlier datagram, not yet told; 0: none */
  GSocketAddress *local;
  GSocketAddress *remote;

  TurnConnectTlsOptions *options; /* NULL: plain */
  TurnConnectTls *tls;
  guint8 *record;         /* TURN_CONNECT_WRITE_MAX octets: what DTLS wants or gives in one piece */
  gboolean may_hold_more; /* DTLS has not yet said that nothing is left */
};

G_DEFINE_FINAL_TYPE (TurnConnectDatagram, turn_connect_datagram, G_TYPE_OBJECT)

static TurnConnectIo
fail (TurnConnectDatagram *self, const char *doing, int number, GError **error)
{
  g_autofree char *who = turn_connect_address_to_string (self->remote);
  g_autofree char *what = g_strconcat (doing, " ", who, " over UDP", NULL);

  g_propagate_error (error, turn_connect_error_from_errno (number, what));
  return TURN_CONNECT_IO_FAILED;
}

static TurnConnectIo
fail_closed (GError **error)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CLOSED, "the socket was closed here");
  return TURN_CONNECT_IO_FAILED;
}

/* What ICMP says arrives as an error of the socket. */
static gboolean
is_of_the_path (int number)
{
  return number == ECONNREFUSED || number == EHOSTUNREACH || number == ENETUNREACH ||
         number == EHOSTDOWN || number == ENETDOWN || number == ENOPROTOOPT || number == EPROTO ||
         number == EACCES || number == EPERM;
}

static TurnConnectIo
send_plain (TurnConnectDatagram *self,
            const GOutputVector *vectors,
            gsize n_vectors,
            GError **error)
{
  struct msghdr message = { 0 };
  ssize_t n;
  int tries = 2;

  message.msg_iov = (struct iovec *)vectors;
  message.msg_iovlen = n_vectors;
  do {
    n = sendmsg (self->descriptor, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && is_of_the_path (errno)) {
      self->pending = errno;
      tries--;
    }
  } while (n < 0 && (errno == EINTR || (is_of_the_path (errno) && tries > 0)));
  if (n >= 0 || is_of_the_path (errno))
    return TURN_CONNECT_IO_OK; /* if not, the receiver is told */
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
    return TURN_CONNECT_IO_BLOCKED;
  if (errno == EMSGSIZE) {
    g_set_error_literal (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
                         "this is more than one datagram holds");
    return TURN_CONNECT_IO_FAILED;
  }
  return fail (self, "sending to", errno, error);
}

static TurnConnectIo
receive_plain (TurnConnectDatagram *self, void *buffer, gsize size, gsize *got, GError **error)
{
  ssize_t n;
  int number;

  if (self->pending != 0) {
    number = self->pending;
    self->pending = 0;
    return fail (self, "receiving from", number, error);
  }
  do
    n = recv (self->descriptor, buffer, size, MSG_DONTWAIT | MSG_TRUNC);
  while ((n < 0 && errno == EINTR) || n == 0 || (n > 0 && (gsize)n > size));
  if (n > 0) {
    *got = (gsize)n;
    return TURN_CONNECT_IO_OK;
  }
  if (errno == EAGAIN || errno == EWOULDBLOCK)
    return TURN_CONNECT_IO_BLOCKED;
  return fail (self, "receiving from", errno, error);
}

/* The kernel stops at what it refuses. An error of the path belongs to an earlier datagram, and is
 * told once. */
static guint
send_many_plain (TurnConnectDatagram *self, const GOutputVector *datagrams, guint n)
{
  struct mmsghdr messages[TURN_CONNECT_DATAGRAMS_MAX];
  guint at = 0, n_refused = 0, n_errors = 0;

  memset (messages, 0, n * sizeof *messages);
  for (guint i = 0; i < n; i++) {
    messages[i].msg_hdr.msg_iov = (struct iovec *)&datagrams[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  while (at < n) {
    int sent = sendmmsg (self->descriptor, messages + at, n - at, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (sent > 0) {
      at += (guint)sent;
      n_errors = 0;
    } else if (errno == EMSGSIZE) {
      at++;
      n_refused++;
    } else if (is_of_the_path (errno)) {
      self->pending = errno;
      if (++n_errors > 1)
        return n - n_refused; /* the path is down: the receiver is told */
    } else if (errno != EINTR)
      return at - n_refused;
  }
  return at - n_refused;
}

static void
begin_receiving (struct mmsghdr *messages, GInputVector *buffers, guint n)
{
  memset (messages, 0, n * sizeof *messages);
  for (guint i = 0; i < n; i++) {
    messages[i].msg_hdr.msg_iov = (struct iovec *)&buffers[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
}

TurnConnectIo
turn_connect_datagram_receive_many (
    TurnConnectDatagram *datagram, GInputVector *buffers, guint n_buffers, guint *n, GError **error)
{
  struct mmsghdr messages[TURN_CONNECT_DATAGRAMS_MAX];
  int got, number = datagram->pending;

  *n = 0;
  if (datagram->descriptor < 0)
    return fail_closed (error);
  datagram->pending = 0;
  if (number != 0)
    return fail (datagram, "receiving from", number, error);
  n_buffers = MIN (n_buffers, TURN_CONNECT_DATAGRAMS_MAX);
  begin_receiving (messages, buffers, n_buffers);
  do
    got = recvmmsg (datagram->descriptor, messages, n_buffers, MSG_DONTWAIT, NULL);
  while (got < 0 && errno == EINTR);
  if (got < 0)
    return errno == EAGAIN || errno == EWOULDBLOCK
               ? TURN_CONNECT_IO_BLOCKED
               : fail (datagram, "receiving from", errno, error);
  for (int i = 0; i < got; i++)
    buffers[i].size = messages[i].msg_hdr.msg_flags & MSG_TRUNC ? 0 : messages[i].msg_len;
  *n = (guint)got;
  return TURN_CONNECT_IO_OK;
}

/* DTLS. */

/* What cannot go now is lost, as if the network had lost it; DTLS repeats what it needs. */
static void
send_record (const void *data, gsize length, gpointer user_data)
{
  GOutputVector vector = { data, length };

  send_plain (user_data, &vector, 1, NULL);
}

/* Gives DTLS the next datagram. */
static TurnConnectIo
feed (TurnConnectDatagram *self, GError **error)
{
  TurnConnectTlsBuffers *buffers = turn_connect_tls_get_buffers (self->tls);
  TurnConnectIo io;
  gsize room, got = 0;
  guint8 *to;

  /* DTLS takes a datagram whole or throws it away; nothing of it is for later. */
  buffers->input_from = buffers->input_to = 0;
  to = turn_connect_tls_buffers_get_room (buffers, &room);
  io = receive_plain (self, to, room, &got, error);
  if (io == TURN_CONNECT_IO_OK)
    turn_connect_tls_buffers_fed (buffers, got);
  return io;
}

static TurnConnectIo
receive_dtls (TurnConnectDatagram *self, void *buffer, gsize size, gsize *got, GError **error)
{
  TurnConnectIo io, fed = TURN_CONNECT_IO_OK;
  gsize n = 0;

  do {
    io = turn_connect_tls_read (self->tls, self->record, TURN_CONNECT_WRITE_MAX, &n, error);
    if (io == TURN_CONNECT_IO_BLOCKED)
      fed = feed (self, error);
  } while ((io == TURN_CONNECT_IO_BLOCKED && fed == TURN_CONNECT_IO_OK) ||
           (io == TURN_CONNECT_IO_OK && (n == 0 || n > size)));
  self->may_hold_more = io == TURN_CONNECT_IO_OK;
  if (io != TURN_CONNECT_IO_OK)
    return io == TURN_CONNECT_IO_BLOCKED ? fed : io;
  memcpy (buffer, self->record, n);
  *got = n;
  return TURN_CONNECT_IO_OK;
}

static TurnConnectIo
send_dtls (TurnConnectDatagram *self, const GOutputVector *vectors, gsize n_vectors, GError **error)
{
  gsize n = 0;

  for (gsize i = 0; i < n_vectors; i++) {
    if (vectors[i].size > TURN_CONNECT_WRITE_MAX - n) {
      g_set_error_literal (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
                           "this is more than one record of DTLS holds");
      return TURN_CONNECT_IO_FAILED;
    }
    if (vectors[i].size > 0)
      memcpy (self->record + n, vectors[i].buffer, vectors[i].size);
    n += vectors[i].size;
  }
  if (n == 0)
    return TURN_CONNECT_IO_OK;
  return turn_connect_tls_write (self->tls, self->record, n, error);
}

TurnConnectIo
turn_connect_datagram_handshake (TurnConnectDatagram *datagram, GError **error)
{
  TurnConnectIo io, fed = TURN_CONNECT_IO_OK;

  do {
    io = turn_connect_tls_handshake (datagram->tls, error);
    if (io == TURN_CONNECT_IO_BLOCKED)
      fed = feed (datagram, error);
  } while (io == TURN_CONNECT_IO_BLOCKED && fed == TURN_CONNECT_IO_OK);
  datagram->may_hold_more = io == TURN_CONNECT_IO_OK;
  return io == TURN_CONNECT_IO_BLOCKED ? fed : io;
}

gint64
turn_connect_datagram_get_timeout (TurnConnectDatagram *datagram)
{
  return turn_connect_tls_get_timeout (datagram->tls);
}

gboolean
turn_connect_datagram_repeat (TurnConnectDatagram *datagram, GError **error)
{
  return turn_connect_tls_repeat (datagram->tls, error);
}

/* Either. */

TurnConnectIo
turn_connect_datagram_try_send (TurnConnectDatagram *datagram,
                                const GOutputVector *vectors,
                                gsize n_vectors,
                                GError **error)
{
  g_return_val_if_fail (n_vectors > 0 && n_vectors <= VECTORS_MAX, TURN_CONNECT_IO_BLOCKED);
  if (datagram->descriptor < 0)
    return fail_closed (error);
  return datagram->tls != NULL ? send_dtls (datagram, vectors, n_vectors, error)
                               : send_plain (datagram, vectors, n_vectors, error);
}

guint
turn_connect_datagram_send_many (TurnConnectDatagram *datagram,
                                 const GOutputVector *datagrams,
                                 guint n)
{
  guint n_sent = 0;

  g_return_val_if_fail (n <= TURN_CONNECT_DATAGRAMS_MAX, 0);
  if (datagram->descriptor < 0)
    return 0;
  if (datagram->tls == NULL)
    return send_many_plain (datagram, datagrams, n);
  for (guint i = 0; i < n; i++)
    if (send_dtls (datagram, &datagrams[i], 1, NULL) == TURN_CONNECT_IO_OK)
      n_sent++;
  return n_sent;
}

TurnConnectIo
turn_connect_datagram_try_receive (
    TurnConnectDatagram *datagram, void *buffer, gsize size, gsize *got, GError **error)
{
  g_return_val_if_fail (size > 0, TURN_CONNECT_IO_BLOCKED);
  *got = 0;
  if (datagram->descriptor < 0)
    return fail_closed (error);
  return datagram->tls != NULL ? receive_dtls (datagram, buffer, size, got, error)
                               : receive_plain (datagram, buffer, size, got, error);
}

void
turn_connect_datagram_close (TurnConnectDatagram *datagram)
{
  if (datagram->descriptor < 0)
    return;
  if (datagram->tls != NULL)
    turn_connect_tls_close (datagram->tls);
  close (datagram->descriptor);
  datagram->descriptor = -1;
}

GSocketAddress *
turn_connect_datagram_get_local_address (TurnConnectDatagram *datagram)
{
  struct sockaddr_storage native;
  socklen_t length = sizeof native;

  /* Asked for late: without a wildcard only once the socket is connected. */
  if (datagram->local == NULL && datagram->descriptor >= 0 &&
      getsockname (datagram->descriptor, (struct sockaddr *)&native, &length) == 0)
    datagram->local = g_socket_address_new_from_native (&native, length);
  return datagram->local;
}

GSocketAddress *
turn_connect_datagram_get_remote_address (TurnConnectDatagram *datagram)
{
  return datagram->remote;
}

const TurnConnectTlsInfo *
turn_connect_datagram_get_tls_info (TurnConnectDatagram *datagram)
{
  return datagram->tls != NULL ? turn_connect_tls_get_info (datagram->tls) : NULL;
}

int
turn_connect_datagram_get_descriptor (TurnConnectDatagram *datagram)
{
  return datagram->descriptor;
}

static void
turn_connect_datagram_finalize (GObject *object)
{
  TurnConnectDatagram *self = TURN_CONNECT_DATAGRAM (object);

  turn_connect_datagram_close (self);
  g_clear_pointer (&self->tls, turn_connect_tls_free);
  g_clear_object (&self->options);
  g_clear_pointer (&self->record, g_free);
  g_clear_object (&self->local);
  g_clear_object (&self->remote);
  G_OBJECT_CLASS (turn_connect_datagram_parent_class)->finalize (object);
}

static void
turn_connect_datagram_class_init (TurnConnectDatagramClass *class)
{
  G_OBJECT_CLASS (class)->finalize = turn_connect_datagram_finalize;
}

static void
turn_connect_datagram_init (TurnConnectDatagram *self)
{
  self->descriptor = -1;
}

TurnConnectDatagram *
turn_connect_datagram_new (GSocketAddress *remote, GError **error)
{
  return turn_connect_datagram_new_bound (remote, NULL, error);
}

TurnConnectDatagram *
turn_connect_datagram_new_bound (GSocketAddress *remote, const char *interface, GError **error)
{
  g_autoptr (TurnConnectDatagram) self = g_object_new (TURN_CONNECT_TYPE_DATAGRAM, NULL);
  struct sockaddr_storage native = { 0 };

  self->remote = g_object_ref (remote);
  if (!g_socket_address_to_native (remote, &native, sizeof native, NULL)) {
    fail (self, "connecting to", EAFNOSUPPORT, error);
    return NULL;
  }
  self->descriptor = socket (native.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (self->descriptor < 0 ||
      (interface != NULL && setsockopt (self->descriptor, SOL_SOCKET, SO_BINDTODEVICE, interface,
                                        (socklen_t)strlen (interface) + 1) != 0) ||
      connect (self->descriptor, (struct sockaddr *)&native,
               (socklen_t)g_socket_address_get_native_size (remote)) != 0) {
    fail (self, "connecting to", errno, error);
    return NULL;
  }
  turn_connect_datagram_get_local_address (self);
  return g_steal_pointer (&self);
}

TurnConnectDatagram *
turn_connect_datagram_new_dtls (GSocketAddress *remote,
                                const char *interface,
                                TurnConnectTlsOptions *options,
                                const char *name,
                                const char *who,
                                GError **error)
{
  g_autoptr (TurnConnectDatagram) self = turn_connect_datagram_new_bound (remote, interface, error);
  g_autofree char *key = NULL;

  if (self == NULL)
    return NULL;
  self->tls = turn_connect_tls_new_datagram (turn_connect_tls_options_get_context (options), name,
                                             who, send_record, self, error);
  if (self->tls == NULL)
    return NULL;
  key = turn_connect_tls_session_key (who, NULL, NULL, NULL);
  turn_connect_tls_set_session_key (self->tls, key);
  self->options = g_object_ref (options);
  self->record = g_malloc (TURN_CONNECT_WRITE_MAX);
  self->may_hold_more = TRUE; /* the handshake wants to begin */
  return g_steal_pointer (&self);
}

/* Waiting. */

typedef struct {
  GSource source;
  TurnConnectDatagram *datagram;
  GIOCondition wanted;
  GIOCondition ready;
  gpointer tag; /* NULL once closed */
} DatagramSource;

/* Whether receiving would tell something that the socket does not show. */
static GIOCondition
ready_without_socket (const DatagramSource *self)
{
  if (self->datagram->descriptor < 0)
    return G_IO_NVAL;
  return self->datagram->pending != 0 || self->datagram->may_hold_more ? self->wanted & G_IO_IN : 0;
}

static gboolean
source_prepare (GSource *source, int *timeout)
{
  DatagramSource *self = (DatagramSource *)source;

  *timeout = -1;
  if (self->datagram->descriptor < 0 && self->tag != NULL)
    g_source_remove_unix_fd (source, g_steal_pointer (&self->tag));
  self->ready = ready_without_socket (self);
  return self->ready != 0;
}

static gboolean
source_check (GSource *source)
{
  DatagramSource *self = (DatagramSource *)source;
  GIOCondition polled = self->tag != NULL ? g_source_query_unix_fd (source, self->tag) : 0;

  self->ready =
      (polled & (self->wanted | G_IO_ERR | G_IO_HUP | G_IO_NVAL)) | ready_without_socket (self);
  return self->ready != 0;
}

static gboolean
source_dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  DatagramSource *self = (DatagramSource *)source;
  TurnConnectDatagramFunc func = (TurnConnectDatagramFunc)(void (*) (void))callback;

  if (func == NULL)
    return G_SOURCE_REMOVE;
  return func (self->datagram, self->ready, user_data);
}

static void
source_finalize (GSource *source)
{
  g_clear_object (&((DatagramSource *)source)->datagram);
}

static GSourceFuncs source_funcs = {
  .prepare = source_prepare,
  .check = source_check,
  .dispatch = source_dispatch,
  .finalize = source_finalize,
};

GSource *
turn_connect_datagram_create_source (TurnConnectDatagram *datagram,
                                     GIOCondition condition,
                                     GCancellable *cancellable)
{
  GSource *source = g_source_new (&source_funcs, sizeof (DatagramSource));
  DatagramSource *self = (DatagramSource *)source;

  g_source_set_static_name (source, "TurnConnectDatagram");
  self->datagram = g_object_ref (datagram);
  self->wanted = condition & (G_IO_IN | G_IO_OUT);
  if (datagram->descriptor >= 0)
    self->tag = g_source_add_unix_fd (source, datagram->descriptor, self->wanted);
  if (cancellable != NULL) {
    g_autoptr (GSource) child = g_cancellable_source_new (cancellable);

    g_source_set_dummy_callback (child);
    g_source_add_child_source (source, child);
  }
  return source;
}

void
turn_connect_datagram_source_set_condition (GSource *source, GIOCondition condition)
{
  DatagramSource *self = (DatagramSource *)source;

  g_return_if_fail (source->source_funcs == &source_funcs);
  self->wanted = condition & (G_IO_IN | G_IO_OUT);
  if (self->tag != NULL && self->datagram->descriptor >= 0)
    g_source_modify_unix_fd (source, self->tag, self->wanted);
}
