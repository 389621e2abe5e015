/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A media gateway with TEP-S inside: it answers every call with a mu-law recording, a packet for a packet, and writes what the
 * callers said. Of tepkit it links TEP-S. */
#include <stdlib.h>
#include <string.h>

#include <glib-unix.h>
#include <tep-s/config.h>
#include <tep-s/server.h>

#define FRAME 160 /* octets: 20 ms of G.711 at 8 kHz */
#define RTP_HEADER 12

/* One caller. A worker looks only at its own; the list of all is locked when a call begins, and read when all is over. */
typedef struct {
  StunExtAddress caller, called;
  gsize spoken;
  GByteArray *heard;
} Call;

typedef struct {
  char *speech;
  gsize length;
  GMutex lock;
  GPtrArray *calls; /* (element-type Call) */
} Gateway;

static _Thread_local GPtrArray *own_calls;

static void
call_free (gpointer data)
{
  g_byte_array_unref (((Call *)data)->heard);
  g_free (data);
}

static Call *
find_call (Gateway *gateway, const TepServerPacket *packet)
{
  Call *call;

  if (own_calls == NULL)
    own_calls = g_ptr_array_new ();
  for (guint i = 0; i < own_calls->len; i++) {
    call = g_ptr_array_index (own_calls, i);
    if (stun_ext_address_equal (&call->caller, packet->source) &&
        stun_ext_address_equal (&call->called, packet->destination))
      return call;
  }
  call = g_new0 (Call, 1);
  call->caller = *packet->source;
  call->called = *packet->destination;
  call->heard = g_byte_array_new ();
  g_ptr_array_add (own_calls, call);
  g_mutex_lock (&gateway->lock);
  g_ptr_array_add (gateway->calls, call);
  g_mutex_unlock (&gateway->lock);
  return call;
}

/* RTP, RFC 3550 section 5.1. */
static void
answer (Gateway *gateway, TepServerWorker *worker, Call *call)
{
  guint8 rtp[RTP_HEADER + FRAME] = { [0] = 0x80 };
  guint16 sequence = g_htons (call->spoken / FRAME);
  guint32 timestamp = g_htonl (call->spoken);
  TepServerPacket packet = {
    .source = &call->called, .destination = &call->caller, .payload = rtp, .length = sizeof rtp
  };

  if (call->spoken + FRAME > gateway->length)
    return;
  memcpy (rtp + 2, &sequence, 2);
  memcpy (rtp + 4, &timestamp, 4);
  memcpy (rtp + RTP_HEADER, gateway->speech + call->spoken, FRAME);
  call->spoken += FRAME;
  tep_server_worker_send (worker, &packet, 1);
}

/* In the worker's thread. */
static void
heard (TepServerWorker *worker, const TepServerPacket *packets, gsize n, gpointer data)
{
  Gateway *gateway = data;

  for (gsize i = 0; i < n; i++) {
    Call *call = find_call (gateway, &packets[i]);

    if (packets[i].length <= RTP_HEADER)
      continue;
    g_byte_array_append (call->heard, packets[i].payload + RTP_HEADER,
                         packets[i].length - RTP_HEADER);
    answer (gateway, worker, call);
  }
}

static gboolean
stop (gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_REMOVE;
}

int
main (int argc, char **argv)
{
  g_autoptr (TepServerConfig) config = NULL;
  g_autoptr (TepServer) server = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GByteArray) all = g_byte_array_new ();
  const TepServerMediaCallbacks callbacks = { .packets = heard };
  Gateway gateway = { .calls = g_ptr_array_new_with_free_func (call_free) };

  if (argc != 4) {
    g_printerr ("usage: gateway TEP-S.CONF SPEAK HEAR\n");
    return 64;
  }
  if (!g_file_get_contents (argv[2], &gateway.speech, &gateway.length, &error) ||
      (config = tep_server_config_load (argv[1], &error)) == NULL ||
      (server = tep_server_new (config, &callbacks, &gateway, &error)) == NULL) {
    g_printerr ("gateway: %s\n", error->message);
    return 78;
  }
  if (!tep_server_start (server, &error)) {
    g_printerr ("gateway: %s\n", error->message);
    return 71;
  }
  g_printerr ("gateway: answering\n");
  g_unix_signal_add (SIGINT, stop, loop);
  g_unix_signal_add (SIGTERM, stop, loop);
  g_main_loop_run (loop);
  tep_server_stop (server);
  for (guint i = 0; i < gateway.calls->len; i++) {
    const Call *call = g_ptr_array_index (gateway.calls, i);

    g_byte_array_append (all, call->heard->data, call->heard->len);
  }
  return g_file_set_contents (argv[3], (char *)all->data, all->len, NULL) ? 0 : 1;
}
