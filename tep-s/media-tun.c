/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TR 33.830 clause 8.6 with a TUN device: packets from devices are written to it, with the device's
 * public address as their source, and reach a media gateway on this host or behind it as if they
 * had come from outside. What the gateway answers to exactly a leased address and port is routed
 * into the device and read here; the helper's units say how. The tunnel's own TCP to that address
 * takes the ordinary way, and so does UDP to its other ports.
 *
 * The kernel hands over finished packets: a TUN device that has not asked for offloads gets
 * checksums computed and UDP_SEGMENT bundles split. Each worker has a queue of its own, and the
 * kernel gives the answers of a flow to the queue that last wrote its packets; the first packets of
 * a flow that the gateway starts may come to another worker, and tep_server_worker_deliver() hands
 * those over.
 */
#include "tep-s/error.h"
#include "tep-s/media-divert.h"
#include "tep-s/worker-private.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

struct _TepServerMedia {
  TepServerDivert divert;
};

static TepServerMedia *
tun_open (TepServerWorker *worker, const TepServerConfig *config, GError **error)
{
  g_autofree TepServerMedia *media = g_new0 (TepServerMedia, 1);

  if (!tep_server_divert_open (&media->divert, worker, config, error))
    return NULL;
  if (tep_server_worker_watch (worker, media->divert.share.queue, media))
    return g_steal_pointer (&media);
  g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_RESOURCE,
               "the TUN device cannot be watched: %s", g_strerror (errno));
  tep_server_divert_close (&media->divert);
  return NULL;
}

static void
tun_close (TepServerMedia *media)
{
  tep_server_worker_unwatch (media->divert.worker, media->divert.share.queue);
  tep_server_divert_close (&media->divert);
  g_free (media);
}

static gboolean
tun_lease (TepServerMedia *media, TepServerBinding *binding, GError **error)
{
  return tep_server_divert_lease (&media->divert, binding, error);
}

static void
tun_release (TepServerMedia *media, TepServerBinding *binding)
{
  tep_server_divert_release (&media->divert, binding);
}

/* A TUN device takes one packet for each call. */
static gsize
tun_send (TepServerMedia *media, const TepServerPacket *packets, gsize n)
{
  gsize n_failed = 0;

  for (gsize i = 0; i < n; i++) {
    guint8 headers[48];
    struct iovec pieces[2] = {
      { .iov_base = headers,
        .iov_len = tep_server_divert_headers (&packets[i], headers, sizeof headers) },
      { .iov_base = (void *)(guintptr)packets[i].payload, .iov_len = packets[i].length },
    };

    if (pieces[0].iov_len == 0 || writev (media->divert.share.queue, pieces, 2) < 0)
      n_failed++;
  }
  return n_failed;
}

static void
read_queue (TepServerMedia *media)
{
  gsize room;
  guint8 *scratch = tep_server_worker_scratch (media->divert.worker, &room);
  gsize slots = MIN (room / media->divert.largest, TEP_SERVER_DIVERT_BATCH);
  TepServerDivertBatch batch; /* large; only what is used is set */

  batch.n = 0;
  for (gsize i = 0; i < slots; i++) {
    guint8 *slot = scratch + i * media->divert.largest;
    ssize_t n = read (media->divert.share.queue, slot, media->divert.largest);

    if (n <= 0)
      break;
    tep_server_divert_take (&media->divert, &batch, slot, (gsize)n);
  }
  if (batch.n > 0)
    tep_server_worker_deliver (media->divert.worker, batch.packets, batch.n);
}

static void
tun_readable (TepServerMedia *media, int fd, gpointer tag, gint64 now_us)
{
  if (tag == &media->divert && fd == media->divert.share.channel)
    tep_server_divert_readable (&media->divert, now_us);
  else
    read_queue (media);
}

const TepServerMediaOps tep_server_media_tun = {
  .name = "tun",
  .open = tun_open,
  .close = tun_close,
  .lease = tun_lease,
  .release = tun_release,
  .send = tun_send,
  .readable = tun_readable,
};
