/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TR 33.830 clause 8.6 NOTE 4: what a media gateway next door sends to a device's public address is
 * captured with libpcap, and what the device sends is injected through raw sockets. The gateway is
 * a process of this host, or a host or container routed through it, and knows nothing.
 *
 * Where to capture was measured (Linux 6.18; IPv4, IPv6, senders with UDP_SEGMENT, on this host and
 * forwarded):
 * - On the way out a capture sits behind every hook of nftables, so an original that nftables drops
 *   is never captured, and one that is captured gets onto the wire; bundles of 1600 octets with
 *   partial checksums come with no segment size.
 * - "log group" with drop and libpcap's nflog: hands over the same unsplit bundles.
 * - Capture where packets arrive, and drop when forwarding: works for a gateway behind us only.
 * - fwd from an egress hook to another device: works, also for sockets bound to an interface, but
 *   only where the interfaces are known beforehand and the next hop answers ARP.
 * - A mark by nftables sets of exact address and port, and a routing rule to a device of our own
 *   whose offloads are switched off: the kernel splits and finishes the packets before the capture
 *   sees them, of local and of forwarded ones alike. This is what the helper sets up, in common
 *   with the backend tun. A socket bound to an interface cannot be routed elsewhere; its packets
 *   are dropped, and its sender is told so with EPERM.
 *
 * A captured packet is nevertheless completed before it is believed, and a bundle that came whole
 * is counted and dropped, since libpcap does not say where to split it.
 *
 * Each worker has a capture of its own in one fanout group; the kernel gives all packets of a flow
 * to one of them, and tep_server_worker_deliver() hands them over to the worker that owns it.
 */
#include "stun-ext/inner-packet.h"
#include "tep-s/error.h"
#include "tep-s/media-divert.h"
#include "tep-s/worker-private.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <pcap/pcap.h>
#include <string.h>
#include <sys/socket.h>

#define ETHERNET_OCTETS 14
#define CAPTURE_OCTETS (4 << 20) /* 2000 packets of full size for each worker */
#define FANOUT_GROUP 0x8600
#define STATISTICS_US G_USEC_PER_SEC

struct _TepServerMedia {
  TepServerDivert divert;
  pcap_t *capture;
  guint lost; /* as libpcap counts since the start */
  gint64 looked_us;
  gboolean has_ended;
};

/* While packets are taken from libpcap. */
typedef struct {
  TepServerMedia *media;
  TepServerDivertBatch batch;
  guint8 *scratch;
  gsize slots;
  gsize used;
} Round;

static gboolean
set_capture_error (GError **error, const char *device, const char *what, const char *why)
{
  g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_MEDIA,
               "the capture on %s could not %s: %s", device, what, why);
  return FALSE;
}

/* Must come before the capture is activated. */
static gboolean
configure_capture (pcap_t *capture, gsize largest)
{
  return pcap_set_snaplen (capture, (int)(largest + ETHERNET_OCTETS)) == 0 &&
         pcap_set_promisc (capture, 0) == 0 && pcap_set_immediate_mode (capture, 1) == 0 &&
         pcap_set_buffer_size (capture, CAPTURE_OCTETS) == 0;
}

static gboolean
join_fanout (pcap_t *capture, const char *device)
{
  guint32 group = (FANOUT_GROUP + if_nametoindex (device)) & 0xffff;
  guint32 value = group | PACKET_FANOUT_HASH << 16;

  return setsockopt (pcap_fileno (capture), SOL_PACKET, PACKET_FANOUT, &value, sizeof value) == 0;
}

static gboolean
start_capture (TepServerMedia *media, const char *device, GError **error)
{
  char message[PCAP_ERRBUF_SIZE] = "";
  struct bpf_program filter;

  media->capture = pcap_create (device, message);
  if (media->capture == NULL)
    return set_capture_error (error, device, "be made", message);
  if (!configure_capture (media->capture, media->divert.largest) ||
      pcap_activate (media->capture) < 0)
    return set_capture_error (error, device, "start", pcap_geterr (media->capture));
  if (pcap_datalink (media->capture) != DLT_EN10MB)
    return set_capture_error (error, device, "start", "it has no Ethernet headers");
  if (pcap_setdirection (media->capture, PCAP_D_OUT) != 0 ||
      pcap_setnonblock (media->capture, 1, message) != 0)
    return set_capture_error (error, device, "be set up", pcap_geterr (media->capture));
  if (pcap_compile (media->capture, &filter, "udp", 1, PCAP_NETMASK_UNKNOWN) != 0)
    return set_capture_error (error, device, "be filtered", pcap_geterr (media->capture));
  if (pcap_setfilter (media->capture, &filter) != 0) {
    pcap_freecode (&filter);
    return set_capture_error (error, device, "be filtered", pcap_geterr (media->capture));
  }
  pcap_freecode (&filter);
  if (tep_server_worker_total (media->divert.worker) > 1 && !join_fanout (media->capture, device))
    return set_capture_error (error, device, "be shared among workers", g_strerror (errno));
  if (!tep_server_worker_watch (media->divert.worker, pcap_fileno (media->capture), media))
    return set_capture_error (error, device, "be watched", g_strerror (errno));
  return TRUE;
}

static TepServerMedia *
capture_open (TepServerWorker *worker, const TepServerConfig *config, GError **error)
{
  g_autofree TepServerMedia *media = g_new0 (TepServerMedia, 1);

  if (!tep_server_divert_open (&media->divert, worker, config, error))
    return NULL;
  if (start_capture (media, config->media.capture_device, error))
    return g_steal_pointer (&media);
  g_clear_pointer (&media->capture, pcap_close);
  tep_server_divert_close (&media->divert);
  return NULL;
}

static void
capture_close (TepServerMedia *media)
{
  if (!media->has_ended)
    tep_server_worker_unwatch (media->divert.worker, pcap_fileno (media->capture));
  pcap_close (media->capture);
  tep_server_divert_close (&media->divert);
  g_free (media);
}

static gboolean
capture_lease (TepServerMedia *media, TepServerBinding *binding, GError **error)
{
  return tep_server_divert_lease (&media->divert, binding, error);
}

static void
capture_release (TepServerMedia *media, TepServerBinding *binding)
{
  tep_server_divert_release (&media->divert, binding);
}

/* Packets of one family that are injected together. */
typedef struct {
  struct mmsghdr messages[TEP_SERVER_DIVERT_BATCH];
  struct iovec pieces[TEP_SERVER_DIVERT_BATCH][2];
  struct sockaddr_storage targets[TEP_SERVER_DIVERT_BATCH];
  guint8 headers[TEP_SERVER_DIVERT_BATCH][48];
  guint n;
} Injection;

static gboolean
add_packet (Injection *injection, const TepServerPacket *packet)
{
  guint i = injection->n;
  StunExtAddress target = *packet->destination;
  gsize n = tep_server_divert_headers (packet, injection->headers[i], sizeof *injection->headers);

  if (n == 0)
    return FALSE;
  target.port = 0; /* a raw IPv6 socket would take it for a protocol */
  injection->pieces[i][0] = (struct iovec){ .iov_base = injection->headers[i], .iov_len = n };
  injection->pieces[i][1] =
      (struct iovec){ .iov_base = (void *)(guintptr)packet->payload, .iov_len = packet->length };
  injection->messages[i].msg_hdr = (struct msghdr){
    .msg_name = &injection->targets[i],
    .msg_namelen = (socklen_t)stun_ext_address_to_sockaddr (&target, &injection->targets[i]),
    .msg_iov = injection->pieces[i],
    .msg_iovlen = 2,
  };
  injection->n++;
  return TRUE;
}

/* Returns how many the kernel refused. sendmmsg() stops at a refused one; the rest goes on. */
static gsize
inject (Injection *injection, int socket)
{
  gsize n_failed = 0;

  for (guint i = 0; i < injection->n;) {
    int n = sendmmsg (socket, injection->messages + i, injection->n - i, 0);

    if (n > 0) {
      i += (guint)n;
      continue;
    }
    n_failed++;
    i++;
  }
  injection->n = 0;
  return n_failed;
}

static gsize
capture_send (TepServerMedia *media, const TepServerPacket *packets, gsize n)
{
  Injection injection; /* large; only what is used is set */
  gsize n_failed = 0;
  int socket = -1;

  injection.n = 0;

  for (gsize i = 0; i < n; i++) {
    int wanted =
        packets[i].destination->family == 4 ? media->divert.share.raw4 : media->divert.share.raw6;

    if (wanted != socket || injection.n == TEP_SERVER_DIVERT_BATCH)
      n_failed += inject (&injection, socket);
    socket = wanted;
    if (socket < 0 || !add_packet (&injection, &packets[i]))
      n_failed++;
  }
  return n_failed + inject (&injection, socket);
}

static void
take_captured (guchar *data, const struct pcap_pkthdr *header, const guchar *octets)
{
  Round *round = (Round *)(gpointer)data;
  TepServerDivert *divert = &round->media->divert;
  guint8 *slot = round->scratch + round->used * divert->largest;
  gsize length;

  if (header->caplen < ETHERNET_OCTETS)
    return;
  if (header->len > header->caplen) {
    tep_server_divert_drop (divert, TEP_SERVER_COUNTER_DOWN_DROP_BUNDLE);
    return;
  }
  length = header->caplen - ETHERNET_OCTETS;
  memcpy (slot, octets + ETHERNET_OCTETS, length);
  /* What this refuses, the check in take() refuses too, and counts. */
  stun_ext_inner_packet_complete (slot, length, NULL);
  tep_server_divert_take (divert, &round->batch, slot, length);
  round->used++;
}

/* Packets that the kernel could not put into the buffer are in no other number. */
static void
count_lost (TepServerMedia *media, gint64 now_us)
{
  struct pcap_stat statistics;

  if (now_us - media->looked_us < STATISTICS_US)
    return;
  media->looked_us = now_us;
  if (pcap_stats (media->capture, &statistics) != 0 || statistics.ps_drop == media->lost)
    return;
  tep_server_worker_count (media->divert.worker, TEP_SERVER_COUNTER_CAPTURE_LOST,
                           statistics.ps_drop - media->lost);
  media->lost = statistics.ps_drop;
}

static void
read_capture (TepServerMedia *media, gint64 now_us)
{
  gsize room;
  Round round; /* large; only what is used is set */

  round.media = media;
  round.batch.n = round.used = 0;
  round.scratch = tep_server_worker_scratch (media->divert.worker, &room);
  round.slots = MIN (room / media->divert.largest, TEP_SERVER_DIVERT_BATCH);
  if (pcap_dispatch (media->capture, (int)round.slots, take_captured, (guchar *)&round) < 0) {
    g_message ("the capture has ended: %s; restart the server", pcap_geterr (media->capture));
    tep_server_worker_unwatch (media->divert.worker, pcap_fileno (media->capture));
    media->has_ended = TRUE;
  }
  if (round.batch.n > 0)
    tep_server_worker_deliver (media->divert.worker, round.batch.packets, round.batch.n);
  count_lost (media, now_us);
}

static void
capture_readable (TepServerMedia *media, int fd, gpointer tag, gint64 now_us)
{
  if (tag == &media->divert && fd == media->divert.share.channel)
    tep_server_divert_readable (&media->divert, now_us);
  else
    read_capture (media, now_us);
}

const TepServerMediaOps tep_server_media_pcap = {
  .name = "pcap",
  .open = capture_open,
  .close = capture_close,
  .lease = capture_lease,
  .release = capture_release,
  .send = capture_send,
  .readable = capture_readable,
};
