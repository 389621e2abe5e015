/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The media side with addresses of its own: each leased port is a UDP socket. Packets of one round
 * that leave the same socket leave it together; runs of one size to one destination as one bundle,
 * which the kernel takes apart.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tep-s/relay-port.h"
#include "tep-s/worker-private.h"

#define BATCH 32
#define BATCHES_MAX 4      /* of one socket in a round */
#define DATAGRAM_SIZE 2048 /* LARGEST-PACKET and more */
#define RETRIES 4          /* of one batch, after errors that pass */
#define SEGMENTS 32        /* of one bundle; the kernel allows 64 */
#define BUNDLE_OCTETS 60000

typedef struct {
  int fd;
  guint8 dscp;
  StunExtAddress address;
} Port;

struct _TepServerMedia {
  TepServerWorker *worker;
  const TepServerConfig *config;
  gboolean has_segments; /* the kernel knows UDP_SEGMENT */
  struct mmsghdr messages[BATCH];
  struct mmsghdr inbox[BATCH];
  struct iovec inbox_pieces[BATCH];
  struct iovec pieces[BATCH * 2];
  struct sockaddr_storage addresses[BATCH];
  StunExtAddress sources[BATCH];
  guint8 controls[BATCH][CMSG_SPACE (sizeof (guint16))] __attribute__ ((aligned (8)));
  guint8 datagrams[BATCH][DATAGRAM_SIZE];
};

/* Once; afterwards only what recvmmsg() changed is put back. */
static void
prepare_receive (TepServerMedia *media)
{
  for (guint i = 0; i < BATCH; i++) {
    media->inbox_pieces[i] =
        (struct iovec){ .iov_base = media->datagrams[i], .iov_len = DATAGRAM_SIZE };
    media->inbox[i].msg_hdr = (struct msghdr){ .msg_name = &media->addresses[i],
                                               .msg_namelen = sizeof media->addresses[i],
                                               .msg_iov = &media->inbox_pieces[i],
                                               .msg_iovlen = 1 };
  }
}

static TepServerMedia *
relay_open (TepServerWorker *worker, const TepServerConfig *config, GError **error)
{
  TepServerMedia *media = g_new0 (TepServerMedia, 1);

  media->worker = worker;
  media->config = tep_server_config_ref (config);
  media->has_segments = TRUE;
  prepare_receive (media);
  return media;
}

static void
relay_close (TepServerMedia *media)
{
  tep_server_config_unref ((TepServerConfig *)media->config);
  g_free (media);
}

/* ---- ports ---- */

static Port *
open_port (const StunExtAddress *address)
{
  struct sockaddr_storage storage;
  socklen_t length = (socklen_t)stun_ext_address_to_sockaddr (address, &storage);
  const int on = 1;
  int fd = socket (storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  Port *port;

  if (fd < 0)
    return NULL;
  if (address->family == 6)
    setsockopt (fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (bind (fd, (struct sockaddr *)&storage, length) != 0) {
    close (fd);
    return NULL;
  }
  port = g_new0 (Port, 1);
  port->fd = fd;
  port->address = *address;
  return port;
}

static void
close_port (TepServerMedia *media, Port *port)
{
  tep_server_worker_unwatch (media->worker, port->fd);
  close (port->fd);
  g_free (port);
}

static gboolean
try_port (TepServerMedia *media, TepServerBinding *binding, guint number)
{
  StunExtAddress address = binding->address;
  Port *ports[2] = { NULL, NULL };
  guint n = binding->is_pair ? 2 : 1;

  for (guint i = 0; i < n; i++) {
    address.port = (guint16)(number + i);
    ports[i] = open_port (&address);
    if (ports[i] == NULL ||
        !tep_server_worker_watch_edges (media->worker, ports[i]->fd, ports[i])) {
      for (guint j = 0; j <= i && ports[j] != NULL; j++)
        close_port (media, ports[j]);
      return FALSE;
    }
  }
  binding->address.port = (guint16)number;
  binding->media_data[0] = ports[0];
  binding->media_data[1] = ports[1];
  return TRUE;
}

static gboolean
find_port (TepServerMedia *media, TepServerBinding *binding)
{
  const TepServerMediaConfig *config = &media->config->media;
  const TepServerRelayRange range = { .first = config->first_relay_port,
                                      .last = config->last_relay_port,
                                      .step = binding->is_even || binding->is_pair ? 2 : 1 };
  guint wanted = binding->address.port;
  guint tries = tep_server_relay_port_tries (&range);

  if (wanted >= range.first && wanted <= range.last && wanted % range.step == 0 &&
      try_port (media, binding, wanted))
    return TRUE;
  for (guint i = 0; i < tries; i++) {
    guint32 random = 0;

    if (i < TEP_SERVER_RELAY_PORT_TRIES && getrandom (&random, sizeof random, 0) != sizeof random)
      continue;
    if (try_port (media, binding, tep_server_relay_port_choose (&range, i, random)))
      return TRUE;
    if (errno != EADDRINUSE)
      return FALSE;
  }
  return FALSE;
}

static gboolean
relay_lease (TepServerMedia *media, TepServerBinding *binding, GError **error)
{
  const TepServerMediaConfig *config = &media->config->media;
  guint16 wanted = binding->address.port;

  for (guint i = 0; i < config->n_relay_addresses; i++) {
    if (config->relay_addresses[i].family != binding->address.family)
      continue;
    binding->address = config->relay_addresses[i];
    binding->address.port = wanted;
    if (find_port (media, binding))
      return TRUE;
  }
  g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_RESOURCE, "no relay port to be had: %s",
               g_strerror (errno));
  return FALSE;
}

static void
relay_release (TepServerMedia *media, TepServerBinding *binding)
{
  for (guint i = 0; i < 2; i++) {
    if (binding->media_data[i] != NULL)
      close_port (media, binding->media_data[i]);
    binding->media_data[i] = NULL;
  }
}

/* ---- to the core ---- */

static Port *
port_of (const TepServerPacket *packet)
{
  return packet->binding->media_data[packet->source->port != packet->binding->address.port];
}

static void
set_dscp (Port *port, guint8 dscp)
{
  const int value = dscp << 2;

  if (port->dscp == dscp)
    return;
  if (port->address.family == 4)
    setsockopt (port->fd, IPPROTO_IP, IP_TOS, &value, sizeof value);
  else
    setsockopt (port->fd, IPPROTO_IPV6, IPV6_TCLASS, &value, sizeof value);
  port->dscp = dscp;
}

/* How many packets from the first on can leave as one bundle: one size, only the last may be
 * shorter. */
static gsize
bundle_length (const TepServerMedia *media, const TepServerPacket *packets, gsize n)
{
  gsize size = packets[0].length;
  gsize total = size;
  gsize count = 1;

  if (!media->has_segments || size == 0)
    return 1;
  while (count < n && count < SEGMENTS && packets[count].length <= size &&
         packets[count].length > 0 && total + packets[count].length <= BUNDLE_OCTETS &&
         packets[count].destination == packets[0].destination) {
    total += packets[count].length;
    count++;
    if (packets[count - 1].length < size)
      break;
  }
  return count;
}

static void
set_segment (struct msghdr *header, guint8 *control, guint16 size)
{
  struct cmsghdr *cmsg;

  header->msg_control = control;
  header->msg_controllen = CMSG_SPACE (sizeof size);
  cmsg = CMSG_FIRSTHDR (header);
  cmsg->cmsg_level = IPPROTO_UDP;
  cmsg->cmsg_type = UDP_SEGMENT;
  cmsg->cmsg_len = CMSG_LEN (sizeof size);
  memcpy (CMSG_DATA (cmsg), &size, sizeof size);
}

/* Fills messages with packets of one socket. Returns how many packets they hold. */
static gsize
fill (TepServerMedia *media, const TepServerPacket *packets, gsize n, guint *n_messages)
{
  gsize done = 0, piece = 0;

  *n_messages = 0;
  while (done < n && *n_messages < BATCH) {
    struct msghdr *header = &media->messages[*n_messages].msg_hdr;
    gsize count =
        MIN (bundle_length (media, packets + done, n - done), G_N_ELEMENTS (media->pieces) - piece);

    if (count == 0)
      break;
    memset (header, 0, sizeof *header);
    header->msg_name = &media->addresses[*n_messages];
    header->msg_namelen = (socklen_t)stun_ext_address_to_sockaddr (packets[done].destination,
                                                                   &media->addresses[*n_messages]);
    header->msg_iov = &media->pieces[piece];
    header->msg_iovlen = count;
    if (count > 1)
      set_segment (header, media->controls[*n_messages], (guint16)packets[done].length);
    for (gsize i = 0; i < count; i++, piece++, done++) {
      media->pieces[piece].iov_base = (void *)packets[done].payload;
      media->pieces[piece].iov_len = packets[done].length;
    }
    (*n_messages)++;
  }
  return done;
}

/* Returns how many packets could not be sent. What the kernel has no room for is late already and
 * is dropped. */
static gsize
send_filled (TepServerMedia *media, int fd, guint n_messages)
{
  gsize failed = 0;
  guint at = 0, retries = 0;

  while (at < n_messages) {
    int sent = sendmmsg (fd, media->messages + at, n_messages - at, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (sent > 0) {
      at += (guint)sent;
      continue;
    }
    /* An ICMP error of an earlier packet is reported here once; the next call goes through. */
    if ((errno == EINTR || errno == ECONNREFUSED) && retries++ < RETRIES)
      continue;
    if (media->messages[at].msg_hdr.msg_controllen > 0 && (errno == EINVAL || errno == EIO))
      media->has_segments = FALSE;
    failed += media->messages[at].msg_hdr.msg_iovlen;
    at++;
  }
  return failed;
}

static gsize
relay_send (TepServerMedia *media, const TepServerPacket *packets, gsize n)
{
  gsize failed = 0;

  while (n > 0) {
    Port *port = port_of (&packets[0]);
    gsize count = 1;
    guint n_messages;

    while (count < n && port_of (&packets[count]) == port && packets[count].dscp == packets[0].dscp)
      count++;
    set_dscp (port, packets[0].dscp);
    count = fill (media, packets, count, &n_messages);
    failed += send_filled (media, port->fd, n_messages);
    packets += count;
    n -= count;
  }
  return failed;
}

/* ---- from the core ---- */

/* Hands over one batch. TRUE if there may be more. */
static gboolean
receive_batch (TepServerMedia *media, int fd, const Port *port)
{
  TepServerPacket packets[BATCH];
  gsize n = 0;
  int got = recvmmsg (fd, media->inbox, BATCH, MSG_DONTWAIT, NULL);

  for (int i = 0; i < got; i++) {
    struct msghdr *header = &media->inbox[i].msg_hdr;
    gboolean is_known =
        stun_ext_address_from_sockaddr (&media->sources[n], header->msg_name, header->msg_namelen);

    header->msg_namelen = sizeof media->addresses[i];
    if (!is_known)
      continue;
    packets[n] = (TepServerPacket){ .source = &media->sources[n],
                                    .destination = &port->address,
                                    .payload = media->datagrams[i],
                                    .length = media->inbox[i].msg_len };
    /* Cut off: larger than any inner packet may be. */
    if ((header->msg_flags & MSG_TRUNC) != 0) {
      tep_server_worker_count (media->worker, TEP_SERVER_COUNTER_DOWN_PACKETS, 1);
      tep_server_worker_count (media->worker, TEP_SERVER_COUNTER_DOWN_DROP_LARGE, 1);
      continue;
    }
    n++;
  }
  tep_server_worker_deliver (media->worker, packets, n);
  return got == BATCH;
}

static void
relay_readable (TepServerMedia *media, int fd, gpointer tag, gint64 now_us)
{
  for (guint i = 0; i < BATCHES_MAX; i++) {
    if (!receive_batch (media, fd, tag))
      return;
  }
  tep_server_worker_rewatch (media->worker, fd);
}

const TepServerMediaOps tep_server_media_relay = {
  .name = "relay",
  .is_relayed = TRUE,
  .open = relay_open,
  .close = relay_close,
  .lease = relay_lease,
  .release = relay_release,
  .send = relay_send,
  .readable = relay_readable,
};
