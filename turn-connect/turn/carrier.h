/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/datagram.h"
#include "turn-connect/stream.h"

/* The connection to a TURN server, a stream or datagrams, as messages in and out. Nothing of it
 * calls back once it was closed. */
typedef struct _TurnConnectCarrierLink TurnConnectCarrierLink;

typedef struct {
  /* One STUN message or ChannelData; borrowed for the call. */
  void (*received) (const guint8 *data, gsize length, gpointer user_data);
  /* All that was there has been given out. */
  void (*drained) (gpointer user_data);
  /* The network refused a datagram, which need not be the end. Borrowed. */
  void (*troubled) (const GError *error, gpointer user_data);
  /* It is over; @error is the callee's. Nothing is called afterwards. */
  void (*lost) (GError *error, gpointer user_data);
} TurnConnectCarrierFuncs;

/* One of both is given; a reference is taken. @who: "the TURN server host:port". */
TurnConnectCarrierLink *turn_connect_carrier_new (TurnConnectStream *stream,
                                                  TurnConnectDatagram *datagram,
                                                  const char *who,
                                                  const TurnConnectCarrierFuncs *funcs,
                                                  gpointer user_data);
/* Plain UDP to one of several addresses (GSocketAddress), which the first request finds out. */
TurnConnectCarrierLink *turn_connect_carrier_new_among (GPtrArray *addresses,
                                                        const char *interface,
                                                        const char *who,
                                                        const TurnConnectCarrierFuncs *funcs,
                                                        gpointer user_data);
/* Closes the connection and frees it, also from within a callback. What was queued still goes as
 * far as it can without waiting. */
void turn_connect_carrier_close (TurnConnectCarrierLink *link);

/* A request or indication, which is queued if it cannot go now. Over UDP what cannot go is lost,
 * and sent again by its timer. */
void turn_connect_carrier_send (TurnConnectCarrierLink *link, const void *data, gsize length);
/* A packet: now or not at all. FAILED is said by @lost, soon, and here as BLOCKED. */
TurnConnectIo turn_connect_carrier_send_packet (TurnConnectCarrierLink *link,
                                                const GOutputVector *vectors,
                                                guint n_vectors,
                                                gsize length);
/* Between these two, packets are collected and leave in as few writes as possible. */
void turn_connect_carrier_begin_batch (TurnConnectCarrierLink *link);
/* How many of the packets since the beginning did not go. */
guint turn_connect_carrier_end_batch (TurnConnectCarrierLink *link);

/* Takes the stream and all that was read too far out of the link, which is then closed. For a
 * connection that becomes another protocol's. */
TurnConnectStream *turn_connect_carrier_take_stream (TurnConnectCarrierLink *link);

TurnConnectStream *turn_connect_carrier_get_stream (TurnConnectCarrierLink *link);
/* NULL while several addresses are tried. */
TurnConnectDatagram *turn_connect_carrier_get_datagram (TurnConnectCarrierLink *link);
