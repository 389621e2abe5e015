/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The part of the backends tun and pcap that is the same. A lease is pending until the helper has
 * diverted its address, some 50 us: before that, what a gateway sends would go out as it would
 * without us, and whether it can be diverted at all is the kernel's to say.
 */
#include "tep-s/media-divert.h"

#include <errno.h>

#include "stun-ext/inner-packet.h"
#include "tep-s/error.h"

#define COMPLAINT_US (10 * G_USEC_PER_SEC)

gboolean
tep_server_divert_open (TepServerDivert *divert,
                        TepServerWorker *worker,
                        const TepServerConfig *config,
                        GError **error)
{
  TepServerHelper *helper = tep_server_worker_helper (worker);

  divert->worker = worker;
  divert->largest = config->media.largest_packet;
  divert->complained_us = -COMPLAINT_US;
  g_queue_init (&divert->pending);
  g_return_val_if_fail (helper != NULL, FALSE);
  if (!tep_server_helper_take_share (helper, tep_server_worker_index (worker), &divert->share,
                                     error))
    return FALSE;
  if (tep_server_worker_watch (worker, divert->share.channel, divert))
    return TRUE;
  g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_RESOURCE,
               "the channel to the media helper cannot be watched: %s", g_strerror (errno));
  tep_server_helper_share_clear (&divert->share);
  return FALSE;
}

void
tep_server_divert_close (TepServerDivert *divert)
{
  if (!divert->is_gone)
    tep_server_worker_unwatch (divert->worker, divert->share.channel);
  g_queue_clear (&divert->pending);
  tep_server_helper_share_clear (&divert->share);
}

/* Address `i` of a binding: of a pair, the odd port is the second. */
static StunExtAddress
address_of (const TepServerBinding *binding, guint i)
{
  StunExtAddress address = binding->address;

  address.port = (guint16)(address.port + i);
  return address;
}

gboolean
tep_server_divert_lease (TepServerDivert *divert, TepServerBinding *binding, GError **error)
{
  guint n = binding->is_pair ? 2 : 1;

  for (guint i = 0; i < n; i++) {
    StunExtAddress address = address_of (binding, i);

    if (!divert->is_gone && tep_server_helper_divert (&divert->share, &address))
      continue;
    while (i-- > 0) {
      address = address_of (binding, i);
      tep_server_helper_undivert (&divert->share, &address);
    }
    g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_MEDIA, "%s",
                 divert->is_gone ? "the media helper has ended: restart the server"
                                 : "the media helper does not keep up");
    return FALSE;
  }
  binding->is_pending = TRUE;
  g_queue_push_tail (&divert->pending, binding);
  return TRUE;
}

void
tep_server_divert_release (TepServerDivert *divert, TepServerBinding *binding)
{
  g_queue_remove (&divert->pending, binding);
  for (guint i = 0; i < (binding->is_pair ? 2 : 1) && !divert->is_gone; i++) {
    StunExtAddress address = address_of (binding, i);

    tep_server_helper_undivert (&divert->share, &address);
  }
}

static void
complain (TepServerDivert *divert, const StunExtAddress *address, int number, gint64 now_us)
{
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

  tep_server_worker_count (divert->worker, TEP_SERVER_COUNTER_DIVERTS_REFUSED, 1);
  if (now_us - divert->complained_us < COMPLAINT_US)
    return;
  divert->complained_us = now_us;
  g_message ("media for %s cannot be diverted: %s", stun_ext_address_print (address, text),
             g_strerror (number));
}

/* Of a pair the answer for the odd port, which comes last, ends the wait, unless the other was bad
 * already. An answer to a binding that was released meanwhile finds none. */
static void
end_wait (TepServerDivert *divert, const StunExtAddress *address, gboolean is_done)
{
  for (GList *link = divert->pending.head; link != NULL; link = link->next) {
    TepServerBinding *binding = link->data;
    StunExtAddress first = address_of (binding, 0), last = address_of (binding, binding->is_pair);

    if (!stun_ext_address_equal (address, &last) &&
        (is_done || !stun_ext_address_equal (address, &first)))
      continue;
    g_queue_delete_link (&divert->pending, link);
    tep_server_worker_leased (divert->worker, binding, is_done);
    return;
  }
}

static void
lose_helper (TepServerDivert *divert)
{
  TepServerBinding *binding;

  tep_server_worker_unwatch (divert->worker, divert->share.channel);
  divert->is_gone = TRUE;
  tep_server_worker_count (divert->worker, TEP_SERVER_COUNTER_HELPERS_LOST, 1);
  g_message ("the media helper has ended; calls go on, new leases are refused until a restart");
  while ((binding = g_queue_pop_head (&divert->pending)) != NULL)
    tep_server_worker_leased (divert->worker, binding, FALSE);
}

void
tep_server_divert_readable (TepServerDivert *divert, gint64 now_us)
{
  for (guint i = 0; i < TEP_SERVER_DIVERT_BATCH; i++) {
    StunExtAddress address;
    gboolean is_divert;
    int number = 0;

    switch (tep_server_helper_answer (&divert->share, &address, &is_divert, &number)) {
    case TEP_SERVER_HELPER_NOTHING:
      return;
    case TEP_SERVER_HELPER_DONE:
      if (is_divert)
        end_wait (divert, &address, TRUE);
      break;
    case TEP_SERVER_HELPER_REFUSED:
      if (!is_divert)
        break; /* to take back what was refused is refused too */
      complain (divert, &address, number, now_us);
      end_wait (divert, &address, FALSE);
      break;
    case TEP_SERVER_HELPER_GONE:
      lose_helper (divert);
      return;
    }
  }
}

void
tep_server_divert_drop (TepServerDivert *divert, TepServerCounter reason)
{
  tep_server_worker_count (divert->worker, TEP_SERVER_COUNTER_DOWN_PACKETS, 1);
  tep_server_worker_count (divert->worker, reason, 1);
}

void
tep_server_divert_take (TepServerDivert *divert,
                        TepServerDivertBatch *batch,
                        const guint8 *data,
                        gsize length)
{
  StunExtInnerPacket inner;
  TepServerPacket *packet = &batch->packets[batch->n];
  StunExtAddress *addresses = batch->addresses[batch->n];

  switch (stun_ext_inner_packet_check (data, length, divert->largest, &inner)) {
  case STUN_EXT_INNER_OK:
    break;
  case STUN_EXT_INNER_PROTOCOL:
  case STUN_EXT_INNER_EXTENSION_HEADER:
    return; /* the kernel's own talk, such as multicast reports: only UDP is led here */
  case STUN_EXT_INNER_TOO_LONG:
    tep_server_divert_drop (divert, TEP_SERVER_COUNTER_DOWN_DROP_LARGE);
    return;
  default:
    tep_server_divert_drop (divert, TEP_SERVER_COUNTER_DOWN_DROP_MALFORMED);
    return;
  }
  /* Forwarded by us it would have lost its last hop. */
  if (inner.hop_limit <= 1) {
    tep_server_divert_drop (divert, TEP_SERVER_COUNTER_DOWN_DROP_MALFORMED);
    return;
  }
  addresses[0] = inner.source;
  addresses[1] = inner.destination;
  *packet = (TepServerPacket){
    .source = &addresses[0],
    .destination = &addresses[1],
    .payload = inner.payload,
    .length = inner.length,
    .dscp = inner.dscp,
  };
  batch->n++;
}

gsize
tep_server_divert_headers (const TepServerPacket *packet, guint8 *headers, gsize capacity)
{
  const StunExtInnerPacket inner = {
    .source = *packet->source,
    .destination = *packet->destination,
    .hop_limit = STUN_EXT_INNER_HOP_LIMIT - 1,
    .dscp = packet->dscp,
    .length = packet->length,
    .payload = packet->payload,
  };
  StunExtWriter writer;

  stun_ext_writer_init (&writer, headers, capacity);
  stun_ext_inner_packet_write_headers (&writer, &inner);
  return writer.failed ? 0 : writer.length;
}
