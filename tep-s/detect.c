/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sockets and clocks of detection. Everything happens in one thread, which no call depends on, and in small portions; so whoever
 * floods these ports slows down detection and nothing else.
 */
#include <errno.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tep-s/detect-inside-private.h"
#include "tep-s/listen.h"
#include "tep-s/server.h"

#define DATAGRAMS 32 /* in one portion */

typedef TepServerDetectPort Port;

typedef struct {
  gint64 due_us;
  StunExtAddress source;
  StunExtAddress destination;
  Port *port;
  gboolean is_whole;
  gsize length;
  guint8 octets[];
} Waiting;

void
tep_server_detect_take_time (TepServerDetect *detect)
{
  detect->core.now_us = g_get_monotonic_time ();
  detect->core.now_ms = g_get_real_time () / 1000;
}

void
tep_server_detect_note_heard (Port *port, const StunExtAddress *source)
{
  if (stun_ext_address_equal_host (source, &port->place.local))
    return; /* this host is no evidence that others reach it */
  port->heard_ms = port->detect->core.now_ms;
  port->n_heard++;
}

/* ---- sending ---- */

void
tep_server_detect_set_whole (Port *port, gboolean is_whole)
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

  tep_server_detect_set_whole (port, is_whole);
  /* What the kernel does not take is lost, as anywhere on the way. */
  (void)sendto (port->fd, octets, length, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&storage,
                size);
}

static Port *
port_at (TepServerDetect *detect, guint address, guint16 number)
{
  for (guint i = 0; i < detect->ports->len; i++) {
    Port *port = g_ptr_array_index (detect->ports, i);

    if (!port->is_stream && port->place.address == address && port->place.local.port == number)
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

  tep_server_detect_take_time (detect);
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

void
tep_server_detect_send_reply (TepServerDetect *detect, Port *port, const StunExtAddress *source)
{
  const TepServerDetectReply *reply = &detect->reply;
  Port *from = reply->length > 0 ? answering_port (detect, port, reply) : NULL;

  tep_server_detect_count (
      &detect->core,
      from != NULL ? TEP_SERVER_COUNTER_DETECT_ANSWERED : TEP_SERVER_COUNTER_DETECT_UNANSWERED, 1);
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
  tep_server_detect_note_heard (port, &datagram.source);
  tep_server_detect_datagram (&detect->core, &datagram, &detect->reply);
  tep_server_detect_send_reply (detect, port, &datagram.source);
  return TRUE;
}

static gboolean
on_datagrams (gint fd, GIOCondition condition, gpointer data)
{
  Port *port = data;

  tep_server_detect_take_time (port->detect);
  for (guint i = 0; i < DATAGRAMS && read_datagram (port->detect, port); i++)
    ;
  return G_SOURCE_CONTINUE;
}

/* ---- beginning and end ---- */

static gboolean
on_mail (gint fd, GIOCondition condition, gpointer data)
{
  TepServerDetect *detect = data;

  tep_server_mailbox_empty (detect->mailbox, detect);
  return G_SOURCE_CONTINUE;
}

static void
free_port (gpointer data)
{
  Port *port = data;

  if (port->source != NULL)
    g_source_destroy (port->source);
  g_clear_pointer (&port->source, g_source_unref);
  if (port->fd >= 0)
    close (port->fd);
  g_free (port);
}

static gboolean
open_udp (TepServerDetect *detect, Port *port, GError **error)
{
  StunExtAddress here = detect->core.detect.addresses[port->place.address];
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];
  const int on = 1;
  guint16 number;

  here.port = port->place.local.port;
  port->fd = tep_server_open_socket (&here, SOCK_DGRAM, FALSE, FALSE, &number);
  if (port->fd < 0) {
    g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_LISTEN,
                 "[detect] cannot listen on UDP %s: %s; check that the address exists and that no "
                 "other program has the port",
                 stun_ext_address_print (&here, text), g_strerror (errno));
    return FALSE;
  }
  setsockopt (port->fd, IPPROTO_IP, IP_RECVTTL, &on, sizeof on);
  if (here.family == 6)
    setsockopt (port->fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof on);
  port->is_whole = TRUE;
  tep_server_detect_set_whole (port, FALSE);
  return TRUE;
}

static gboolean
open_port (
    TepServerDetect *detect, guint address, guint16 number, gboolean is_stream, GError **error)
{
  Port *port = g_new0 (Port, 1);

  port->detect = detect;
  port->fd = -1;
  port->is_stream = is_stream;
  port->place.address = address;
  port->place.local = detect->core.detect.public_addresses[address];
  port->place.local.port = number;
  g_ptr_array_add (detect->ports, port);
  return is_stream ? tep_server_detect_open_tcp (detect, port, error)
                   : open_udp (detect, port, error);
}

static gboolean
open_all (TepServerDetect *detect, GError **error)
{
  const TepServerDetectConfig *config = &detect->core.detect;

  for (guint i = 0; i < config->n_addresses; i++)
    for (guint j = 0; j < config->n_ports; j++)
      if (!tep_server_detect_is_front_door (detect->core.config, &config->addresses[i],
                                            config->ports[j]) &&
          (!open_port (detect, i, config->ports[j], FALSE, error) ||
           !open_port (detect, i, config->ports[j], TRUE, error)))
        return FALSE;
  return TRUE;
}

/* ---- self-test ---- */

static void
tell_port (const Port *port, gboolean is_door, GString *text)
{
  char address[STUN_EXT_ADDRESS_TEXT_LENGTH];

  g_string_append_printf (
      text,
      "{\"line\":\"listener\",\"transport\":\"%s\",\"address\":\"%s\","
      "\"door\":%s,\"heard\":%" G_GINT64_FORMAT ",\"n\":%" G_GUINT64_FORMAT "}\n",
      port->is_stream ? "tcp" : "udp", stun_ext_address_print (&port->place.local, address),
      is_door ? "true" : "false", port->heard_ms, port->n_heard);
}

static void
tell_self (gpointer data, GString *text)
{
  TepServerDetect *detect = data;
  const TepServerDetectConfig *config = &detect->core.detect;
  guint n_4 = 0;

  for (guint i = 0; i < config->n_addresses; i++)
    n_4 += config->addresses[i].family == 4;
  g_string_append_printf (text,
                          "{\"line\":\"self\",\"version\":\"%s\",\"time\":%" G_GINT64_FORMAT
                          ",\"started\":%" G_GINT64_FORMAT ",\"addresses\":%u,\"addresses6\":%u,"
                          "\"tls\":%s}\n",
                          tep_server_version (), detect->core.now_ms, detect->started_ms, n_4,
                          config->n_addresses - n_4, detect->tls != NULL ? "true" : "false");
  for (guint i = 0; i < detect->ports->len; i++)
    tell_port (g_ptr_array_index (detect->ports, i), FALSE, text);
  for (guint i = 0; i < detect->doors->len; i++)
    tell_port (g_ptr_array_index (detect->doors, i), TRUE, text);
}

/* ---- the whole ---- */

static gboolean
load_tls (TepServerDetect *detect, const TepServerConfig *config, GError **error)
{
  TepServerTlsContext *tls = NULL;

  if (config->tls.certificate_file != NULL) {
    tls = tep_server_tls_context_new (config->tls.certificate_file, config->tls.key_file, NULL,
                                      error);
    if (tls == NULL)
      return FALSE;
  }
  g_clear_pointer (&detect->tls, tep_server_tls_context_unref);
  detect->tls = tls;
  return TRUE;
}

TepServerDetect *
tep_server_detect_new (const TepServerSettings *settings,
                       GMainContext *context,
                       void (*random) (gpointer data, void *octets, gsize length),
                       GError **error)
{
  g_autoptr (TepServerDetect) detect = g_new0 (TepServerDetect, 1);
  guint8 secret[TEP_SERVER_DETECT_SECRET_LENGTH];

  random (NULL, secret, sizeof secret);
  random (NULL, &detect->seed, sizeof detect->seed);
  detect->context = g_main_context_ref (context);
  detect->ports = g_ptr_array_new_with_free_func (free_port);
  detect->doors = g_ptr_array_new_with_free_func (free_port);
  detect->connections = tep_server_quota_new ();
  detect->open = g_hash_table_new (NULL, NULL);
  detect->waiting = g_sequence_new (g_free);
  tep_server_detect_core_init (&detect->core, settings->config, detect->seed, secret);
  stun_ext_crypto_cleanse (secret, sizeof secret);
  detect->mailbox = tep_server_mailbox_new ();
  if (detect->mailbox == NULL) {
    g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_RESOURCE, "[detect] cannot start: %s",
                 g_strerror (errno));
    return NULL;
  }
  detect->core.tell_self = tell_self;
  detect->core.self_data = detect;
  if (!load_tls (detect, settings->config, error) || !open_all (detect, error))
    return NULL;
  return g_steal_pointer (&detect);
}

void
tep_server_detect_free (TepServerDetect *detect)
{
  if (detect->timer != NULL)
    g_source_destroy (detect->timer);
  g_clear_pointer (&detect->timer, g_source_unref);
  if (detect->mail != NULL)
    g_source_destroy (detect->mail);
  g_clear_pointer (&detect->mail, g_source_unref);
  g_clear_pointer (&detect->mailbox, tep_server_mailbox_free);
  tep_server_detect_close_all (detect);
  g_hash_table_unref (detect->open);
  tep_server_quota_free (detect->connections);
  g_clear_pointer (&detect->tls, tep_server_tls_context_unref);
  g_ptr_array_unref (detect->doors);
  g_sequence_free (detect->waiting);
  g_ptr_array_unref (detect->ports);
  tep_server_detect_core_clear (&detect->core);
  g_main_context_unref (detect->context);
  g_free (detect);
}

void
tep_server_detect_start (TepServerDetect *detect)
{
  static GSourceFuncs timer_funcs = { .dispatch = send_due };

  tep_server_detect_take_time (detect);
  detect->started_ms = detect->core.now_ms;
  detect->timer = g_source_new (&timer_funcs, sizeof (GSource));
  g_source_set_callback (detect->timer, NULL, detect, NULL);
  g_source_attach (detect->timer, detect->context);
  arm (detect);
  detect->mail = g_unix_fd_source_new (tep_server_mailbox_fd (detect->mailbox), G_IO_IN);
  g_source_set_callback (detect->mail, G_SOURCE_FUNC (on_mail), detect, NULL);
  g_source_attach (detect->mail, detect->context);
  for (guint i = 0; i < detect->ports->len; i++) {
    Port *port = g_ptr_array_index (detect->ports, i);

    if (port->is_stream) {
      tep_server_detect_watch_tcp (port);
      continue;
    }
    port->source = g_unix_fd_source_new (port->fd, G_IO_IN);
    g_source_set_callback (port->source, G_SOURCE_FUNC (on_datagrams), port, NULL);
    g_source_attach (port->source, detect->context);
  }
}

void
tep_server_detect_reconfigure (TepServerDetect *detect, const TepServerSettings *settings)
{
  g_autoptr (GError) error = NULL;

  tep_server_detect_core_reconfigure (&detect->core, settings->config, detect->seed);
  if (!load_tls (detect, settings->config, &error))
    g_warning ("[detect] keeps its old certificate: %s", error->message);
}

void
tep_server_detect_add_counters (TepServerDetect *detect, TepServerCounters *counters)
{
  for (guint i = 0; i < TEP_SERVER_N_COUNTERS; i++)
    counters->values[i] += atomic_load_explicit (&detect->core.counters[i], memory_order_relaxed);
}
