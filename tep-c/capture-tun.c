/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For programs that cannot be told anything. Each local address and port gets a binding with the
 * first packet it sends, each remote of it a flow; the first packets wait for them. A remote that
 * policy refuses a flow (TEP-S's own address, for STUN inside the tunnel) is still sent whole
 * packets. What falls silent is given back. */
#include "tep-c/capture-tun.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#include "stun-ext/inner-packet.h"
#include "tep-c/tun-device.h"

#define PACKET_MAX 65536
#define ROUND_MAX 64
#define WAITING_MAX 16
#define LOCALS_MAX 16  /* as many bindings as a tunnel has (PROTOCOL section 14) */
#define REMOTES_MAX 32 /* of one local port */
#define SWEEP_S 10
#define REMOTE_IDLE_US (180 * (gint64)G_USEC_PER_SEC)
#define LOCAL_IDLE_US (300 * (gint64)G_USEC_PER_SEC)

typedef struct _Local Local;

typedef struct {
  Local *local;
  StunExtAddress address;
  TepClientFlow *flow;
  gboolean is_asked;
  gboolean is_whole; /* no flow to be had: whole packets */
  GCancellable *cancellable;
  GQueue waiting; /* GBytes: payloads */
  gint64 used_us;
} Remote;

struct _Local {
  TepClientTun *tun;
  StunExtAddress address;
  TepClientBinding *binding;
  GCancellable *cancellable;
  GPtrArray *remotes; /* (element-type Remote) */
  gint64 used_us;
};

struct _TepClientTun {
  TepClientSession *session;
  TepClientTunDevice device;
  TepClientTunEvent event;
  gpointer user_data;
  GSource *source;
  GSource *sweep;
  GPtrArray *locals; /* (element-type Local) */
  guint mtu;
  guint8 packet[PACKET_MAX];
};

static void
remote_free (gpointer data)
{
  Remote *remote = data;

  g_cancellable_cancel (remote->cancellable);
  g_clear_object (&remote->cancellable);
  if (remote->flow != NULL)
    tep_client_flow_close (remote->flow);
  g_clear_object (&remote->flow);
  g_queue_clear_full (&remote->waiting, (GDestroyNotify)g_bytes_unref);
  g_free (remote);
}

static void
local_free (gpointer data)
{
  Local *local = data;

  g_ptr_array_unref (local->remotes);
  g_cancellable_cancel (local->cancellable);
  g_clear_object (&local->cancellable);
  if (local->binding != NULL)
    tep_client_binding_release (local->binding);
  g_clear_object (&local->binding);
  g_free (local);
}

/* From the tunnel to the program. */
static void
received (TepClientBinding *binding, const TepClientPacket *arrival, gpointer data)
{
  Local *local = data;
  TepClientTun *tun = local->tun;
  StunExtInnerPacket packet = { .source = *arrival->source,
                                .destination = local->address,
                                .hop_limit = STUN_EXT_INNER_HOP_LIMIT,
                                .payload = arrival->payload,
                                .length = arrival->length };
  guint8 octets[PACKET_MAX];
  StunExtWriter writer;

  local->used_us = g_get_monotonic_time ();
  stun_ext_writer_init (&writer, octets, sizeof octets);
  stun_ext_inner_packet_write (&writer, &packet);
  if (!writer.failed && write (tun->device.descriptor, octets, writer.length) < 0)
    g_debug ("packet for a program not written: %s", g_strerror (errno));
}

static void
send_on (Remote *remote, const guint8 *payload, gsize length)
{
  if (remote->flow != NULL)
    tep_client_flow_send (remote->flow, payload, length);
  else
    tep_client_binding_send_to (remote->local->binding, 0, &remote->address, payload, length);
}

static void
flush (Remote *remote)
{
  GBytes *bytes;

  while ((bytes = g_queue_pop_head (&remote->waiting)) != NULL) {
    gsize length;
    const guint8 *payload = g_bytes_get_data (bytes, &length);

    send_on (remote, payload, length);
    g_bytes_unref (bytes);
  }
}

static void
flow_opened (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  TepClientFlow *flow =
      tep_client_binding_open_flow_finish (TEP_CLIENT_BINDING (source), result, &error);
  Remote *remote = data;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  remote->flow = flow;
  remote->is_whole = flow == NULL;
  if (flow == NULL)
    g_debug ("whole packets instead of a flow: %s", error->message);
  flush (remote);
}

static void
ask_flow (Remote *remote)
{
  if (remote->is_asked || remote->local->binding == NULL)
    return;
  remote->is_asked = TRUE;
  tep_client_binding_open_flow_async (remote->local->binding, &remote->address, 0, 0, -1,
                                      remote->cancellable, flow_opened, remote);
}

static void
leased (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  TepClientBinding *binding =
      tep_client_session_lease_finish (TEP_CLIENT_SESSION (source), result, &error);
  Local *local = data;
  TepClientTun *tun;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  tun = local->tun;
  local->binding = binding;
  tun->event (tun, &local->address,
              binding != NULL ? tep_client_binding_get_address (binding) : NULL, error,
              tun->user_data);
  if (binding == NULL) {
    g_ptr_array_remove (tun->locals, local); /* the next packet asks again */
    return;
  }
  for (guint i = 0; i < local->remotes->len; i++)
    ask_flow (g_ptr_array_index (local->remotes, i));
}

/* The one used longest ago makes room. */
static void
make_room (GPtrArray *array, guint most, gboolean are_locals)
{
  guint oldest = 0;
  gint64 used_us = G_MAXINT64;

  if (array->len < most)
    return;
  for (guint i = 0; i < array->len; i++) {
    gpointer entry = g_ptr_array_index (array, i);
    gint64 then = are_locals ? ((Local *)entry)->used_us : ((Remote *)entry)->used_us;

    if (then < used_us) {
      used_us = then;
      oldest = i;
    }
  }
  g_ptr_array_remove_index (array, oldest);
}

static Local *
find_local (TepClientTun *tun, const StunExtAddress *address)
{
  TepClientLease lease = { .wanted_port = address->port, .family = address->family };
  Local *local;

  for (guint i = 0; i < tun->locals->len; i++) {
    local = g_ptr_array_index (tun->locals, i);
    if (stun_ext_address_equal (&local->address, address))
      return local;
  }
  make_room (tun->locals, LOCALS_MAX, TRUE);
  local = g_new0 (Local, 1);
  local->tun = tun;
  local->address = *address;
  local->cancellable = g_cancellable_new ();
  local->remotes = g_ptr_array_new_with_free_func (remote_free);
  g_ptr_array_add (tun->locals, local);
  tep_client_session_lease_async (tun->session, &lease, received, local, local->cancellable, leased,
                                  local);
  return local;
}

static Remote *
find_remote (Local *local, const StunExtAddress *address)
{
  Remote *remote;

  for (guint i = 0; i < local->remotes->len; i++) {
    remote = g_ptr_array_index (local->remotes, i);
    if (stun_ext_address_equal (&remote->address, address))
      return remote;
  }
  make_room (local->remotes, REMOTES_MAX, FALSE);
  remote = g_new0 (Remote, 1);
  remote->local = local;
  remote->address = *address;
  remote->cancellable = g_cancellable_new ();
  g_queue_init (&remote->waiting);
  g_ptr_array_add (local->remotes, remote);
  ask_flow (remote);
  return remote;
}

/* From the program to the tunnel. */
static void
captured (TepClientTun *tun, const guint8 *data, gsize length)
{
  StunExtInnerPacket packet;
  Local *local;
  Remote *remote;

  if (length > tun->mtu) {
    guint8 answer[STUN_EXT_INNER_ICMP_SIZE_MAX];
    StunExtWriter writer;
    StunExtInnerPacket whole;

    stun_ext_writer_init (&writer, answer, sizeof answer);
    if (stun_ext_inner_packet_check (data, length, PACKET_MAX, &whole) == STUN_EXT_INNER_OK &&
        stun_ext_inner_icmp_write (&writer, STUN_EXT_INNER_ICMP_TOO_BIG, tun->mtu,
                                   &whole.destination, data, length) &&
        !writer.failed && write (tun->device.descriptor, answer, writer.length) < 0)
      g_debug ("“too big” not told: %s", g_strerror (errno));
    return;
  }
  if (stun_ext_inner_packet_check (data, length, PACKET_MAX, &packet) != STUN_EXT_INNER_OK)
    return; /* the kernel's own talk: router solicitations and the like */
  local = find_local (tun, &packet.source);
  remote = find_remote (local, &packet.destination);
  local->used_us = remote->used_us = g_get_monotonic_time ();
  if (remote->flow != NULL || remote->is_whole) {
    send_on (remote, packet.payload, packet.length);
    return;
  }
  if (g_queue_get_length (&remote->waiting) == WAITING_MAX)
    g_bytes_unref (g_queue_pop_head (&remote->waiting));
  g_queue_push_tail (&remote->waiting, g_bytes_new (packet.payload, packet.length));
}

static gboolean
readable (int descriptor, GIOCondition condition, gpointer data)
{
  TepClientTun *tun = data;

  for (guint i = 0; i < ROUND_MAX; i++) {
    gssize length = read (descriptor, tun->packet, sizeof tun->packet);

    if (length <= 0)
      break;
    captured (tun, tun->packet, length);
  }
  return G_SOURCE_CONTINUE;
}

static gboolean
sweep (gpointer data)
{
  TepClientTun *tun = data;
  gint64 now_us = g_get_monotonic_time ();

  for (guint i = tun->locals->len; i > 0; i--) {
    Local *local = g_ptr_array_index (tun->locals, i - 1);

    for (guint j = local->remotes->len; j > 0; j--) {
      const Remote *remote = g_ptr_array_index (local->remotes, j - 1);

      if (now_us - MAX (remote->used_us, local->used_us) > REMOTE_IDLE_US)
        g_ptr_array_remove_index (local->remotes, j - 1);
    }
    if (now_us - local->used_us > LOCAL_IDLE_US)
      g_ptr_array_remove_index (tun->locals, i - 1);
  }
  return G_SOURCE_CONTINUE;
}

TepClientTun *
tep_client_tun_new (TepClientSession *session,
                    const TepClientTunOptions *options,
                    TepClientTunEvent event,
                    gpointer user_data,
                    GError **error)
{
  TepClientTun *tun = g_new0 (TepClientTun, 1);

  tun->session = g_object_ref (session);
  tun->event = event;
  tun->user_data = user_data;
  tun->mtu = STUN_EXT_INNER_LARGEST;
  tun->locals = g_ptr_array_new_with_free_func (local_free);
  if (!tep_client_tun_device_open (&tun->device, options, error)) {
    tep_client_tun_free (tun);
    return NULL;
  }
  tun->source = g_unix_fd_source_new (tun->device.descriptor, G_IO_IN);
  g_source_set_callback (tun->source, G_SOURCE_FUNC (readable), tun, NULL);
  g_source_attach (tun->source, g_main_context_get_thread_default ());
  tun->sweep = g_timeout_source_new_seconds (SWEEP_S);
  g_source_set_callback (tun->sweep, sweep, tun, NULL);
  g_source_attach (tun->sweep, g_main_context_get_thread_default ());
  return tun;
}

void
tep_client_tun_free (TepClientTun *tun)
{
  if (tun == NULL)
    return;
  if (tun->source != NULL) {
    g_source_destroy (tun->source);
    g_source_unref (tun->source);
    g_source_destroy (tun->sweep);
    g_source_unref (tun->sweep);
  }
  g_ptr_array_unref (tun->locals);
  tep_client_tun_device_close (&tun->device);
  g_object_unref (tun->session);
  g_free (tun);
}

void
tep_client_tun_set_mtu (TepClientTun *tun, guint mtu)
{
  tun->mtu = mtu;
  tep_client_tun_device_set_mtu (&tun->device, mtu);
}
