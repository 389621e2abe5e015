/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The media side of a gateway that has TEP-S inside: packets come and go by function call, in the
 * worker's thread.
 */
#include "tep-s/worker-private.h"

struct _TepServerMedia {
  TepServerWorker *worker;
  TepServerMediaCallbacks callbacks;
  gpointer user_data;
};

static TepServerMedia *
embedded_open (TepServerWorker *worker, const TepServerConfig *config, GError **error)
{
  TepServerMedia *media = g_new0 (TepServerMedia, 1);
  const TepServerMediaCallbacks *callbacks =
      tep_server_worker_callbacks (worker, &media->user_data);

  media->worker = worker;
  if (callbacks != NULL)
    media->callbacks = *callbacks;
  return media;
}

static void
embedded_close (TepServerMedia *media)
{
  g_free (media);
}

static gboolean
embedded_lease (TepServerMedia *media, TepServerBinding *binding, GError **error)
{
  if (media->callbacks.binding_added != NULL)
    media->callbacks.binding_added (media->worker, binding, media->user_data);
  return TRUE;
}

static void
embedded_release (TepServerMedia *media, TepServerBinding *binding)
{
  if (media->callbacks.binding_removed != NULL)
    media->callbacks.binding_removed (media->worker, binding, media->user_data);
}

static gsize
embedded_send (TepServerMedia *media, const TepServerPacket *packets, gsize n)
{
  if (media->callbacks.packets == NULL)
    return n;
  media->callbacks.packets (media->worker, packets, n, media->user_data);
  return 0;
}

static void
embedded_readable (TepServerMedia *media, int fd, gpointer tag, gint64 now_us)
{
}

const TepServerMediaOps tep_server_media_embedded = {
  .name = "embedded",
  .open = embedded_open,
  .close = embedded_close,
  .lease = embedded_lease,
  .release = embedded_release,
  .send = embedded_send,
  .readable = embedded_readable,
};
