/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A recording is for finding faults in calls, so it must not make any: workers copy packets into memory, and a thread of its
 * own brings them to the disk ten times a second. */
#include "tep-s/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "stun-ext/inner-packet.h"
#include "stun-ext/pcap-file.h"
#include "tep-s/error.h"

#define BUFFER_OCTETS (1024 * 1024)
#define FLUSH_US (100 * 1000)
#define LARGEST_PACKET 65535
#define HOP_LIMIT 64

struct _TepServerRecorder {
  pthread_mutex_t mutex;
  pthread_cond_t wake;
  pthread_t thread;
  gboolean is_started;
  gboolean is_ending;
  gboolean is_broken; /* the disk took no more */
  int fd;
  StunExtPcapFile file;
  StunExtWriter writer;
  guint8 *buffers[2]; /* one is filled while the other is written */
  guint filling;
  guint8 scratch[LARGEST_PACKET];
};

TepServerRecorder *
tep_server_recorder_new (const char *path, GError **error)
{
  TepServerRecorder *recorder;
  int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);

  if (fd < 0) {
    g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_CONFIG,
                 "%s: cannot be opened for recording: %s", path, g_strerror (errno));
    return NULL;
  }
  recorder = g_new0 (TepServerRecorder, 1);
  pthread_mutex_init (&recorder->mutex, NULL);
  pthread_cond_init (&recorder->wake, NULL);
  recorder->fd = fd;
  for (gsize i = 0; i < G_N_ELEMENTS (recorder->buffers); i++)
    recorder->buffers[i] = g_malloc (BUFFER_OCTETS);
  stun_ext_writer_init (&recorder->writer, recorder->buffers[0], BUFFER_OCTETS);
  stun_ext_pcap_file_init (&recorder->file, 0, LARGEST_PACKET);
  stun_ext_pcap_file_begin (&recorder->file, &recorder->writer);
  return recorder;
}

static gboolean
write_all (int fd, const guint8 *data, gsize length)
{
  while (length > 0) {
    ssize_t n = write (fd, data, length);

    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return FALSE;
    data += n;
    length -= (gsize)n;
  }
  return TRUE;
}

/* With the mutex held; lets it go while the disk works. */
static void
flush (TepServerRecorder *recorder)
{
  const guint8 *data = recorder->buffers[recorder->filling];
  gsize length = recorder->writer.length;
  gboolean is_written;

  if (length == 0 || recorder->is_broken)
    return;
  recorder->filling ^= 1;
  stun_ext_writer_init (&recorder->writer, recorder->buffers[recorder->filling], BUFFER_OCTETS);
  pthread_mutex_unlock (&recorder->mutex);
  is_written = write_all (recorder->fd, data, length);
  pthread_mutex_lock (&recorder->mutex);
  recorder->is_broken = !is_written;
}

static void *
run (void *data)
{
  TepServerRecorder *recorder = data;

  pthread_mutex_lock (&recorder->mutex);
  while (!recorder->is_ending) {
    struct timespec until;

    clock_gettime (CLOCK_REALTIME, &until);
    until.tv_nsec += FLUSH_US * 1000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait (&recorder->wake, &recorder->mutex, &until);
    flush (recorder);
  }
  pthread_mutex_unlock (&recorder->mutex);
  return NULL;
}

gboolean
tep_server_recorder_start (TepServerRecorder *recorder, GError **error)
{
  sigset_t all, before;
  int failure;

  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, &before);
  failure = pthread_create (&recorder->thread, NULL, run, recorder);
  pthread_sigmask (SIG_SETMASK, &before, NULL);
  recorder->is_started = failure == 0;
  if (failure != 0)
    g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_RESOURCE,
                 "cannot start the thread that records: %s", g_strerror (failure));
  return failure == 0;
}

void
tep_server_recorder_packet (TepServerRecorder *recorder,
                            const TepServerPacket *packet,
                            gint64 unix_us)
{
  StunExtInnerPacket inner = { .source = *packet->source, .destination = *packet->destination };
  StunExtWriter whole;

  inner.hop_limit = HOP_LIMIT;
  inner.dscp = packet->dscp;
  inner.payload = packet->payload;
  inner.length = packet->length;
  pthread_mutex_lock (&recorder->mutex);
  stun_ext_writer_init (&whole, recorder->scratch, sizeof recorder->scratch);
  stun_ext_inner_packet_write (&whole, &inner);
  if (recorder->is_broken || whole.failed)
    recorder->file.n_left_out++;
  else
    stun_ext_pcap_file_packet (&recorder->file, &recorder->writer, unix_us, recorder->scratch,
                               whole.length);
  if (recorder->writer.length > BUFFER_OCTETS / 2)
    pthread_cond_signal (&recorder->wake);
  pthread_mutex_unlock (&recorder->mutex);
}

guint64
tep_server_recorder_left_out (TepServerRecorder *recorder)
{
  guint64 n;

  pthread_mutex_lock (&recorder->mutex);
  n = recorder->file.n_left_out;
  pthread_mutex_unlock (&recorder->mutex);
  return n;
}

void
tep_server_recorder_free (TepServerRecorder *recorder)
{
  pthread_mutex_lock (&recorder->mutex);
  recorder->is_ending = TRUE;
  pthread_cond_signal (&recorder->wake);
  pthread_mutex_unlock (&recorder->mutex);
  if (recorder->is_started)
    pthread_join (recorder->thread, NULL);
  pthread_mutex_lock (&recorder->mutex);
  flush (recorder);
  pthread_mutex_unlock (&recorder->mutex);
  close (recorder->fd);
  for (gsize i = 0; i < G_N_ELEMENTS (recorder->buffers); i++)
    g_free (recorder->buffers[i]);
  pthread_cond_destroy (&recorder->wake);
  pthread_mutex_destroy (&recorder->mutex);
  g_free (recorder);
}
