/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sockets and clocks of detection. Everything happens in one thread, which no call depends on, and in small portions; so whoever
 * floods these ports slows down detection and nothing else.
 */
#include "tep-s/detect.h"

#include <errno.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tep-s/detect-private.h"
#include "tep-s/listen.h"
#include "tep-s/server.h"

#define DATAGRAMS 32 /* in one portion */

typedef struct {
  TepServerDetect *detect;
  GSource *source;
  int fd;
  gboolean is_whole; /* what is sent must not be fragmented */
  TepServerDetectPlace place;
} Port;

typedef struct {
  gint64 due_us;
  StunExtAddress source;
  StunExtAddress destination;
  Port *port;
  gboolean is_whole;
  gsize length;
  guint8 octets[];
} Waiting;

struct _TepServerDetect {
  TepServerDetectCore core;
  GMainContext *context;
  GPtrArray *udp;     /* Port, address by address */
  GSequence *waiting; /* Waiting, by due time */
  GSource *timer;
  guint64 seed;
  TepServerDetectReply reply;
  guint8 buffer[TEP_SERVER_DETECT_DATAGRAM_MAX + 1];
};

static void
take_time (TepServerDetect *detect)
{
  detect->core.now_us = g_get_monotonic_time ();
  detect->core.now_ms = g_get_real_time () / 1000;
}

/* ---- sending ---- */

static void
set_whole (Port *port, gboolean is_whole)
{
  const int rule = is_whole ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT;

  if (port->is_whole == is_whole)
    return;
  port->is_whole = is_whole;
  if (port->place.local.family == 6)
    setsockopt (port->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &rule, sizeof rule);
  else
    setsockopt (port->fd, IPPROTO_IP, IP_MTU_DISCOVER, &rule, sizeof rule);
}

static void
send_from (Port *port,
           const StunExtAddress *destination,
           const guint8 *octets,
           gsize length,
           gboolean is_whole)
{
  struct sockaddr_storage storage;
  socklen_t size = (socklen_t)stun_ext_address_to_sockaddr (destination, &storage);

  set_whole (port, is_whole);
  /* What the kernel does not take is lost, as anywhere on the way. */
  (void)sendto (port->fd, octets, length, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&storage,
                size);
}

static Port *
port_at (TepServerDetect *detect, guint address, guint16 number)
{
  for (guint i = 0; i < detect->udp->len; i++) {
    Port *port = g_ptr_array_index (detect->udp, i);

    if (port->place.address == address && port->place.local.port == number)
      return port;
  }
  return NULL;
}

static Port *
answering_port (TepServerDetect *detect, Port *port, const TepServerDetectReply *reply)
{
  const TepServerDetectConfig *config = &detect->core.detect;
  guint address = port->place.address;
  guint16 number = port->place.local.port;

  if (reply->is_address_changed)
    address = tep_server_detect_other_address (config, address);
  if (reply->is_port_changed)
    number = tep_server_detect_other_port (config, number);
  return address == port->place.address && number == port->place.local.port
             ? port
             : port_at (detect, address, number);
}

/* ---- waiting ---- */

static gint
compare_due (gconstpointer a, gconstpointer b, gpointer data)
{
  const Waiting *one = a, *other = b;

  return one->due_us < other->due_us ? -1 : one->due_us > other->due_us;
}

static void
arm (TepServerDetect *detect)
{
  GSequenceIter *first = g_sequence_get_begin_iter (detect->waiting);

  if (detect->timer == NULL)
    return;
  g_source_set_ready_time (detect->timer, g_sequence_iter_is_end (first)
                                              ? -1
                                              : ((Waiting *)g_sequence_get (first))->due_us);
}

static gboolean
send_due (GSource *source, GSourceFunc callback, gpointer data)
{
  TepServerDetect *detect = data;
  GSequenceIter *first;

  take_time (detect);
  while (!g_sequence_iter_is_end (first = g_sequence_get_begin_iter (detect->waiting))) {
    Waiting *waiting = g_sequence_get (first);

    if (waiting->due_us > detect->core.now_us)
      break;
    send_from (waiting->port, &waiting->destination, waiting->octets, waiting->length,
               waiting->is_whole);
    tep_server_detect_waited (&detect->core, &waiting->source);
    g_sequence_remove (first);
  }
  arm (detect);
  return G_SOURCE_CONTINUE;
}

static void
hold (TepServerDetect *detect,
      Port *port,
      const StunExtAddress *source,
      const TepServerDetectReply *reply)
{
  Waiting *waiting = g_malloc (sizeof *waiting + reply->length);

  waiting->due_us = detect->core.now_us + (gint64)reply->delay_s * G_USEC_PER_SEC;
  waiting->source = *source;
  waiting->destination = reply->destination;
  waiting->port = port;
  waiting->is_whole = reply->is_whole;
  waiting->length = reply->length;
  memcpy (waiting->octets, reply->octets, reply->length);
  g_sequence_insert_sorted (detect->waiting, waiting, compare_due, NULL);
  arm (detect);
}

/* ---- receiving ---- */

static void
send_reply (TepServerDetect *detect, Port *port, const StunExtAddress *source)
{
  const TepServerDetectReply *reply = &detect->reply;
  Port *from = reply->length > 0 ? answering_port (detect, port, reply) : NULL;

  if (reply->delay_s > 0 && from != NULL)
    hold (detect, from, source, reply);
  else if (from != NULL)
    send_from (from, &reply->destination, reply->octets, reply->length, reply->is_whole);
  else if (reply->delay_s > 0)
    tep_server_detect_waited (&detect->core, source);
}

static guint8
hop_limit (struct msghdr *message)
{
  for (struct cmsghdr *part = CMSG_FIRSTHDR (message); part != NULL;
       part = CMSG_NXTHDR (message, part)) {
    int value;

    if ((part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_TTL) ||
        (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_HOPLIMIT)) {
      memcpy (&value, CMSG_DATA (part), sizeof value);
      return (guint8)value;
    }
  }
  return 0;
}

/* FALSE if there is nothing more to read. */
static gboolean
read_datagram (TepServerDetect *detect, Port *port)
{
  struct sockaddr_storage storage;
  guint8 control[64] __attribute__ ((aligned (8)));
  struct iovec piece = { detect->buffer, sizeof detect->buffer };
  struct msghdr message = { .msg_name = &storage,
                            .msg_namelen = sizeof storage,
                            .msg_iov = &piece,
                            .msg_iovlen = 1,
                            .msg_control = control,
                            .msg_controllen = sizeof control };
  ssize_t n = recvmsg (port->fd, &message, MSG_DONTWAIT);
  TepServerDetectDatagram datagram = { .place = port->place, .data = detect->buffer };

  if (n < 0)
    return errno != EAGAIN && errno != EWOULDBLOCK; /* an ICMP error is read and forgotten */
  if (!stun_ext_address_from_sockaddr (&datagram.source, (struct sockaddr *)&storage,
                                       message.msg_namelen))
    return TRUE;
  datagram.length = (gsize)n;
  datagram.ttl = hop_limit (&message);
  tep_server_detect_datagram (&detect->core, &datagram, &detect->reply);
  send_reply (detect, port, &datagram.source);
  return TRUE;
}

static gboolean
on_datagrams (gint fd, GIOCondition condition, gpointer data)
{
  Port *port = data;

  take_time (port->detect);
  for (guint i = 0; i < DATAGRAMS && read_datagram (port->detect, port); i++)
    ;
  return G_SOURCE_CONTINUE;
}

/* ---- beginning and end ---- */

static void
free_port (gpointer data)
{
  Port *port = data;

  if (port->source != NULL)
    g_source_destroy (port->source);
  g_clear_pointer (&port->source, g_source_unref);
  close (port->fd);
  g_free (port);
}

static gboolean
open_port (TepServerDetect *detect, guint address, guint16 number, GError **error)
{
  const TepServerDetectConfig *config = &detect->core.detect;
  StunExtAddress here = config->addresses[address];
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];
  const int on = 1;
  Port *port;
  int fd;

  here.port = number;
  fd = tep_server_open_socket (&here, SOCK_DGRAM, FALSE, &number);
  if (fd < 0) {
    g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_LISTEN,
                 "[detect] cannot listen on UDP %s: %s; check that the address exists and that no "
                 "other program has the port",
                 stun_ext_address_print (&here, text), g_strerror (errno));
    return FALSE;
  }
  setsockopt (fd, IPPROTO_IP, IP_RECVTTL, &on, sizeof on);
  if (here.family == 6)
    setsockopt (fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof on);
  port = g_new0 (Port, 1);
  port->detect = detect;
  port->fd = fd;
  port->is_whole = TRUE;
  port->place.address = address;
  port->place.local = config->public_addresses[address];
  port->place.local.port = number;
  set_whole (port, FALSE);
  g_ptr_array_add (detect->udp, port);
  return TRUE;
}

TepServerDetect *
tep_server_detect_new (const TepServerSettings *settings,
                       GMainContext *context,
                       void (*random) (gpointer data, void *octets, gsize length),
                       GError **error)
{
  g_autoptr (TepServerDetect) detect = g_new0 (TepServerDetect, 1);
  const TepServerDetectConfig *config = &settings->config->detect;
  guint8 secret[TEP_SERVER_DETECT_SECRET_LENGTH];

  random (NULL, secret, sizeof secret);
  random (NULL, &detect->seed, sizeof detect->seed);
  detect->context = g_main_context_ref (context);
  detect->udp = g_ptr_array_new_with_free_func (free_port);
  detect->waiting = g_sequence_new (g_free);
  tep_server_detect_core_init (&detect->core, settings->config, detect->seed, secret);
  stun_ext_crypto_cleanse (secret, sizeof secret);
  for (guint i = 0; i < config->n_addresses; i++)
    for (guint j = 0; j < config->n_ports; j++)
      if (!open_port (detect, i, config->ports[j], error))
        return NULL;
  return g_steal_pointer (&detect);
}

void
tep_server_detect_free (TepServerDetect *detect)
{
  if (detect->timer != NULL)
    g_source_destroy (detect->timer);
  g_clear_pointer (&detect->timer, g_source_unref);
  g_sequence_free (detect->waiting);
  g_ptr_array_unref (detect->udp);
  tep_server_detect_core_clear (&detect->core);
  g_main_context_unref (detect->context);
  g_free (detect);
}

void
tep_server_detect_start (TepServerDetect *detect)
{
  static GSourceFuncs timer_funcs = { .dispatch = send_due };

  detect->timer = g_source_new (&timer_funcs, sizeof (GSource));
  g_source_set_callback (detect->timer, NULL, detect, NULL);
  g_source_attach (detect->timer, detect->context);
  arm (detect);
  for (guint i = 0; i < detect->udp->len; i++) {
    Port *port = g_ptr_array_index (detect->udp, i);

    port->source = g_unix_fd_source_new (port->fd, G_IO_IN);
    g_source_set_callback (port->source, G_SOURCE_FUNC (on_datagrams), port, NULL);
    g_source_attach (port->source, detect->context);
  }
}

void
tep_server_detect_reconfigure (TepServerDetect *detect, const TepServerSettings *settings)
{
  tep_server_detect_core_reconfigure (&detect->core, settings->config, detect->seed);
}
