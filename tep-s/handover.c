/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Workers share nothing, yet the kernel gives a joining connection, and a tun device a packet, to
 * whichever it likes. What belongs to another worker goes there whole, through its mailbox.
 */
#include "tep-s/handover-private.h"

#include <string.h>
#include <unistd.h>

/* ---- connections ---- */

typedef struct {
  TepServerHandover handover;
  TepServerShared *shared;
  int fd;
} Parcel;

static void
unpack_connection (gpointer receiver, gpointer data, gboolean is_delivered)
{
  Parcel *parcel = data;

  if (is_delivered) {
    tep_server_worker_take_connection (receiver, &parcel->handover);
  } else {
    close (parcel->fd);
    tep_server_handover_discard (&parcel->handover, parcel->shared);
  }
  g_free (parcel);
}

static void
give_to_detection (TepServerWorker *worker, TepServerConnection *connection)
{
  int fd = (int)tep_server_connection_get_host_data (connection);
  TepServerHandoverContents contents;
  TepServerHandover handover;

  tep_server_worker_give_connection (worker, connection, &handover);
  tep_server_handover_open (&handover, tep_server_worker_shared (worker), &contents);
  tep_server_detect_take_connection (tep_server_worker_detect (worker), fd, &contents);
}

void
tep_server_worker_hand_over (gpointer host, TepServerConnection *connection, guint target)
{
  TepServerWorker *worker = host;
  TepServerWorker *other;
  Parcel *parcel;

  if (target == TEP_SERVER_TO_DETECT) {
    give_to_detection (worker, connection);
    return;
  }
  other = tep_server_worker_peer (worker, target);
  parcel = g_new0 (Parcel, 1);
  parcel->fd = (int)tep_server_connection_get_host_data (connection);
  parcel->shared = tep_server_worker_shared (worker);
  tep_server_worker_give_connection (worker, connection, &parcel->handover);
  if (other != NULL)
    tep_server_worker_post (other, unpack_connection, parcel);
  else
    unpack_connection (NULL, parcel, FALSE);
}

/* ---- packets ---- */

typedef struct {
  StunExtAddress source;
  StunExtAddress destination;
  guint32 length;
  guint8 dscp;
} PacketHead;

gboolean
tep_server_worker_pass (gpointer host, guint target, const TepServerPacket *packet)
{
  TepServerWorker *other = tep_server_worker_peer (host, target);
  GByteArray **passed = &tep_server_worker_passed (host)[target];
  gsize collected = *passed != NULL ? (*passed)->len : 0;
  PacketHead head;

  /* Only the owner can judge a packet, so what floods it is left out before it is copied. */
  if (other == NULL ||
      !tep_server_worker_has_room (other, collected + sizeof head + packet->length))
    return FALSE;
  memset (&head, 0, sizeof head);
  head.source = *packet->source;
  head.destination = *packet->destination;
  head.length = (guint32)packet->length;
  head.dscp = packet->dscp;
  if (*passed == NULL)
    *passed = g_byte_array_new ();
  g_byte_array_append (*passed, (const guint8 *)&head, sizeof head);
  g_byte_array_append (*passed, packet->payload, (guint)packet->length);
  return TRUE;
}

static void
unpack_packets (gpointer receiver, gpointer data, gboolean is_delivered)
{
  GByteArray *packets = data;
  gsize at = 0;

  while (is_delivered && at < packets->len) {
    PacketHead head;
    TepServerPacket packet = { .source = &head.source, .destination = &head.destination };

    memcpy (&head, packets->data + at, sizeof head);
    packet.payload = packets->data + at + sizeof head;
    packet.length = head.length;
    packet.dscp = head.dscp;
    tep_server_worker_deliver (receiver, &packet, 1);
    at += sizeof head + head.length;
  }
  g_byte_array_unref (packets);
}

void
tep_server_worker_flush_passed (TepServerWorker *worker)
{
  GByteArray **passed = tep_server_worker_passed (worker);

  for (guint i = 0; i < tep_server_worker_total (worker); i++) {
    TepServerWorker *other = tep_server_worker_peer (worker, i);

    if (passed[i] != NULL && other != NULL) {
      gsize length = passed[i]->len;

      tep_server_worker_post_media (other, unpack_packets, g_steal_pointer (&passed[i]), length);
    }
  }
}

/* ---- leases ---- */

typedef struct {
  StunExtAddress leased;
  gboolean is_pair;
  gboolean is_new;
  guint owner;
} Notice;

static void
read_notice (gpointer receiver, gpointer data, gboolean is_delivered)
{
  Notice *notice = data;

  if (is_delivered)
    tep_server_core_set_owner (tep_server_worker_core (receiver), &notice->leased, notice->is_pair,
                               notice->owner, notice->is_new);
  g_free (notice);
}

void
tep_server_worker_announce (gpointer host, const TepServerBinding *binding, gboolean is_new)
{
  TepServerWorker *worker = host;

  for (guint i = 0; i < tep_server_worker_total (worker); i++) {
    TepServerWorker *other = tep_server_worker_peer (worker, i);
    Notice *notice;

    if (i == tep_server_worker_index (worker) || other == NULL)
      continue;
    notice = g_new0 (Notice, 1);
    notice->leased = binding->address;
    notice->is_pair = binding->is_pair;
    notice->is_new = is_new;
    notice->owner = tep_server_worker_index (worker);
    tep_server_worker_post (other, read_notice, notice);
  }
}
