/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The part of the backends tun and pcap that is the same. A lease is known to the client before the
 * helper has diverted its address, by some 50 us; what the gateway sends in between goes out as it
 * would without us, and nothing can have been sent before the client tells the address to anyone.
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
  return TRUE;
}

void
tep_server_divert_release (TepServerDivert *divert, TepServerBinding *binding)
{
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

void
tep_server_divert_readable (TepServerDivert *divert, gint64 now_us)
{
  for (guint i = 0; i < TEP_SERVER_DIVERT_BATCH; i++) {
    StunExtAddress address;
    int number = 0;

    switch (tep_server_helper_answer (&divert->share, &address, &number)) {
    case TEP_SERVER_HELPER_NOTHING:
      return;
    case TEP_SERVER_HELPER_DONE:
      break;
    case TEP_SERVER_HELPER_REFUSED:
      complain (divert, &address, number, now_us);
      break;
    case TEP_SERVER_HELPER_GONE:
      tep_server_worker_unwatch (divert->worker, divert->share.channel);
      divert->is_gone = TRUE;
      tep_server_worker_count (divert->worker, TEP_SERVER_COUNTER_HELPERS_LOST, 1);
      g_message ("the media helper has ended; calls go on, new leases are refused until a restart");
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
