/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections of detection and the kernel: accepting them, what their first packet looked like, how they end. They come from the
 * own ports, or from the front door, whose workers hand over what is none of theirs.
 */
#include "stun-ext/front-door.h"
#include "tep-s/detect-inside-private.h"

#include <errno.h>
#include <glib-unix.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tep-s/listen.h"
#include "tep-s/server.h"

#define ACCEPTS 16 /* in one portion */
#define READS 8
#define READ_SIZE 8192
#define SYN_MAX 256
#define LINGER_US (2 * G_USEC_PER_SEC) /* for the last octets, once all is said */

typedef struct {
  GSource source;
  TepServerDetect *detect;
  TepServerDetectStream *stream;
  gpointer tag;
  int fd;
  guint64 source_key;
  gint64 over_us;     /* when it was over; 0 before */
  gboolean has_ended; /* the other side has */
  gboolean is_broken;
  gboolean is_shut;
} Connection;

static void
close_connection (Connection *connection)
{
  TepServerDetect *detect = connection->detect;

  g_hash_table_remove (detect->open, connection);
  tep_server_detect_count (&detect->core, TEP_SERVER_COUNTER_DETECT_CONNECTIONS, -1);
  tep_server_quota_give (detect->connections, connection->source_key);
  g_clear_pointer (&connection->stream, tep_server_detect_stream_free);
  close (connection->fd);
  g_source_destroy (&connection->source);
  g_source_unref (&connection->source);
}

static guint32
unacked (int fd)
{
  int n = 0;

  return ioctl (fd, SIOCOUTQ, &n) == 0 && n > 0 ? (guint32)n : 0;
}

static void
end_stream (Connection *connection, StunExtDetectEnd end)
{
  tep_server_detect_stream_end (connection->stream, end, unacked (connection->fd));
}

static void
read_some (Connection *connection)
{
  guint8 buffer[READ_SIZE];

  for (guint i = 0; i < READS; i++) {
    ssize_t n = recv (connection->fd, buffer, sizeof buffer, MSG_DONTWAIT);

    if (n > 0) {
      /* What comes when all is said is taken, so that closing does not become a reset. */
      tep_server_detect_stream_input (connection->stream, buffer, (gsize)n);
    } else if (n == 0) {
      end_stream (connection, STUN_EXT_DETECT_END_FIN);
      connection->has_ended = TRUE;
      return;
    } else if (errno != EINTR) {
      if (errno == EAGAIN || errno == EWOULDBLOCK)
        return;
      end_stream (connection,
                  errno == ECONNRESET ? STUN_EXT_DETECT_END_RESET : STUN_EXT_DETECT_END_LOST);
      connection->is_broken = TRUE;
      return;
    }
  }
}

static void
write_some (Connection *connection)
{
  const guint8 *octets;
  gsize length;

  while ((octets = tep_server_detect_stream_output (connection->stream, &length)), length > 0) {
    ssize_t n = send (connection->fd, octets, length, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n > 0) {
      tep_server_detect_stream_written (connection->stream, (gsize)n);
    } else if (errno != EINTR) {
      if (errno == EAGAIN || errno == EWOULDBLOCK)
        return;
      end_stream (connection, errno == ECONNRESET || errno == EPIPE ? STUN_EXT_DETECT_END_RESET
                                                                    : STUN_EXT_DETECT_END_LOST);
      connection->is_broken = TRUE;
      return;
    }
  }
}

/* Writes what there is, and closes or waits. */
static void
settle (Connection *connection)
{
  gint64 now_us = connection->detect->core.now_us;
  GIOCondition wanted = connection->has_ended ? 0 : G_IO_IN;
  gboolean is_over;
  gsize left;

  write_some (connection);
  is_over = tep_server_detect_stream_is_over (connection->stream);
  tep_server_detect_stream_output (connection->stream, &left);
  if (is_over && connection->over_us == 0)
    connection->over_us = now_us;
  if (connection->is_broken || (connection->has_ended && left == 0) ||
      (is_over && now_us >= connection->over_us + LINGER_US)) {
    close_connection (connection);
    return;
  }
  if (is_over && left == 0 && !connection->is_shut) {
    connection->is_shut = TRUE;
    shutdown (connection->fd, SHUT_WR);
  }
  g_source_modify_unix_fd (&connection->source, connection->tag,
                           left > 0 ? wanted | G_IO_OUT : wanted);
  g_source_set_ready_time (&connection->source,
                           is_over ? connection->over_us + LINGER_US
                                   : tep_server_detect_stream_deadline (connection->stream));
}

static gboolean
dispatch (GSource *source, GSourceFunc callback, gpointer data)
{
  Connection *connection = (Connection *)source;
  GIOCondition condition = g_source_query_unix_fd (source, connection->tag);

  tep_server_detect_take_time (connection->detect);
  if (!connection->has_ended && (condition & (G_IO_IN | G_IO_HUP | G_IO_ERR)) != 0)
    read_some (connection);
  tep_server_detect_stream_advance (connection->stream);
  /* The source is removed there, not by what is returned. */
  settle (connection);
  return G_SOURCE_CONTINUE;
}

static void
read_syn (int fd, StunExtDetectRecord *record)
{
  guint8 packet[SYN_MAX];
  socklen_t length = sizeof packet;

  if (getsockopt (fd, IPPROTO_TCP, TCP_SAVED_SYN, packet, &length) == 0)
    tep_server_detect_read_syn (packet, length, record);
}

void
tep_server_detect_adopt (TepServerDetect *detect,
                         int fd,
                         const TepServerDetectArrival *arrival,
                         GBytes *plain,
                         GBytes *unread_tls)
{
  static GSourceFuncs funcs = { .dispatch = dispatch };
  const TepServerDetectConfig *config = &detect->core.detect;
  guint64 source_key = tep_server_quota_source_key (&arrival->source);
  TepServerDetectArrival whole = *arrival;
  Connection *connection;
  gsize length;

  if (g_hash_table_size (detect->open) >= config->connections ||
      !tep_server_quota_take (detect->connections, source_key, config->connections_per_source)) {
    tep_server_detect_count (&detect->core, TEP_SERVER_COUNTER_DETECT_REFUSED, 1);
    g_clear_pointer (&whole.tls, tep_server_tls_free);
    close (fd);
    return;
  }
  tep_server_detect_count (&detect->core, TEP_SERVER_COUNTER_DETECT_TAKEN, 1);
  tep_server_detect_count (&detect->core, TEP_SERVER_COUNTER_DETECT_CONNECTIONS, 1);
  read_syn (fd, &whole.syn);
  connection = (Connection *)g_source_new (&funcs, sizeof *connection);
  connection->detect = detect;
  connection->fd = fd;
  connection->source_key = source_key;
  connection->stream = tep_server_detect_stream_new (&detect->core, &whole);
  connection->tag = g_source_add_unix_fd (&connection->source, fd, G_IO_IN);
  g_hash_table_add (detect->open, connection);
  g_source_attach (&connection->source, detect->context);
  if (plain != NULL && g_bytes_get_size (plain) > 0)
    tep_server_detect_stream_plain (connection->stream, g_bytes_get_data (plain, &length),
                                    g_bytes_get_size (plain));
  if (unread_tls != NULL)
    tep_server_detect_stream_input (connection->stream, g_bytes_get_data (unread_tls, &length),
                                    g_bytes_get_size (unread_tls));
  settle (connection);
}

/* FALSE if no more can be accepted now. */
static gboolean
accept_one (TepServerDetectPort *port)
{
  TepServerDetect *detect = port->detect;
  struct sockaddr_storage storage;
  socklen_t length = sizeof storage;
  const int on = 1;
  TepServerDetectArrival arrival = { .place = port->place, .tls_context = detect->tls };
  int fd = accept4 (port->fd, (struct sockaddr *)&storage, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);

  if (fd < 0)
    return errno == ECONNABORTED || errno == EINTR;
  if (!stun_ext_address_from_sockaddr (&arrival.source, (struct sockaddr *)&storage, length)) {
    close (fd);
    return TRUE;
  }
  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  tep_server_detect_note_heard (port, &arrival.source);
  tep_server_detect_adopt (detect, fd, &arrival, NULL, NULL);
  return TRUE;
}

/* ---- from the front door ---- */

typedef struct {
  TepServerDetect *detect;
  TepServerHandoverContents contents;
  int fd;
} Parcel;

static void
local_of (int fd, StunExtAddress *local)
{
  struct sockaddr_storage storage;
  socklen_t length = sizeof storage;

  *local = (StunExtAddress){ 0 };
  if (getsockname (fd, (struct sockaddr *)&storage, &length) == 0)
    stun_ext_address_from_sockaddr (local, (struct sockaddr *)&storage, length);
}

static guint8
layers_of (guint8 door)
{
  guint8 layers = 0;

  if ((door & (STUN_EXT_FRONT_DOOR_LAYER_CONNECT | STUN_EXT_FRONT_DOOR_LAYER_INNER_CONNECT)) != 0)
    layers |= STUN_EXT_DETECT_LAYER_CONNECT;
  if ((door & STUN_EXT_FRONT_DOOR_LAYER_TLS) != 0)
    layers |= STUN_EXT_DETECT_LAYER_TLS;
  return layers;
}

static void
unpack_connection (gpointer receiver, gpointer data, gboolean is_delivered)
{
  Parcel *parcel = data;
  TepServerDetect *detect = parcel->detect;
  TepServerHandoverContents *contents = &parcel->contents;
  TepServerDetectArrival arrival = { .source = contents->source,
                                     .layers = layers_of (contents->layers),
                                     .is_front_door = TRUE,
                                     .tls = contents->tls };

  atomic_fetch_sub (&detect->n_mail, 1);
  if (is_delivered) {
    tep_server_detect_take_time (detect);
    local_of (parcel->fd, &arrival.place.local);
    arrival.place = tep_server_detect_door (detect, &arrival.place.local, TRUE, &arrival.source);
    tep_server_detect_adopt (detect, parcel->fd, &arrival, contents->unread, contents->unread_tls);
  } else {
    tep_server_detect_count (&detect->core, TEP_SERVER_COUNTER_DETECT_REFUSED, 1);
    g_clear_pointer (&contents->tls, tep_server_tls_free);
    close (parcel->fd);
  }
  g_clear_pointer (&contents->unread, g_bytes_unref);
  g_clear_pointer (&contents->unread_tls, g_bytes_unref);
  g_free (parcel);
}

void
tep_server_detect_take_connection (TepServerDetect *detect,
                                   int fd,
                                   TepServerHandoverContents *contents)
{
  Parcel *parcel = g_new0 (Parcel, 1);

  parcel->detect = detect;
  parcel->contents = *contents;
  parcel->fd = fd;
  if (atomic_fetch_add (&detect->n_mail, 1) < TEP_SERVER_DETECT_MAIL_MAX)
    tep_server_mailbox_post (detect->mailbox, unpack_connection, parcel);
  else
    unpack_connection (NULL, parcel, FALSE);
}

static gboolean
on_connections (gint fd, GIOCondition condition, gpointer data)
{
  TepServerDetectPort *port = data;

  tep_server_detect_take_time (port->detect);
  for (guint i = 0; i < ACCEPTS && accept_one (port); i++)
    ;
  return G_SOURCE_CONTINUE;
}

void
tep_server_detect_watch_tcp (TepServerDetectPort *port)
{
  port->source = g_unix_fd_source_new (port->fd, G_IO_IN);
  g_source_set_callback (port->source, G_SOURCE_FUNC (on_connections), port, NULL);
  g_source_attach (port->source, port->detect->context);
}

gboolean
tep_server_detect_open_tcp (TepServerDetect *detect, TepServerDetectPort *port, GError **error)
{
  StunExtAddress here = detect->core.detect.addresses[port->place.address];
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];
  guint16 number;

  here.port = port->place.local.port;
  port->fd = tep_server_open_socket (&here, SOCK_STREAM, FALSE, TRUE, &number);
  if (port->fd < 0) {
    g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_LISTEN,
                 "[detect] cannot listen on TCP %s: %s; check that the address exists and that no "
                 "other program has the port",
                 stun_ext_address_print (&here, text), g_strerror (errno));
    return FALSE;
  }
  return TRUE;
}

void
tep_server_detect_close_all (TepServerDetect *detect)
{
  GHashTableIter iter;
  gpointer connection;

  while (g_hash_table_iter_init (&iter, detect->open),
         g_hash_table_iter_next (&iter, &connection, NULL))
    close_connection (connection);
}
