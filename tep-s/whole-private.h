/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole IP packets in a tunnel: implicit flows, early media, STUN inside. */
#pragma once

#include "tep-s/core-private.h"

G_BEGIN_DECLS

/* A frame with an IP packet from the device. */
void tep_server_whole_up (TepServerTunnel *tunnel, const guint8 *packet, gsize length);

/* A packet to the device, as a frame with an IP packet. Counts what becomes of it. */
void tep_server_whole_down (TepServerTunnel *tunnel, const TepServerPacket *packet, guint8 dscp);

/* packets.c */
void tep_server_packets_up (TepServerFlow *flow, const guint8 *payload, gsize length);
TepServerConnection *tep_server_packets_choose (TepServerTunnel *tunnel);

G_END_DECLS
