/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/stream.h"

/* Makes @stream a layer over @base: descriptor and addresses are the base's from then on, and
 * closing the layer closes the base after it. Takes a reference. */
void turn_connect_stream_set_base (TurnConnectStream *stream, TurnConnectStream *base);
TurnConnectStream *turn_connect_stream_get_base (TurnConnectStream *stream);

/* Gives octets back: they are what the next read returns. For what a handshake read too far. */
void turn_connect_stream_unread (TurnConnectStream *stream, const guint8 *data, gsize length);

/* What the stream is ready for, given what poll() said of its descriptor. */
GIOCondition turn_connect_stream_ready (TurnConnectStream *stream, GIOCondition polled);
/* What poll() has to look for. */
GIOCondition turn_connect_stream_needs (TurnConnectStream *stream, GIOCondition wanted);

gboolean turn_connect_stream_is_shut (TurnConnectStream *stream);

/* For the bottom layer: which socket this is. -1 before it is closed. */
void turn_connect_stream_set_descriptor (TurnConnectStream *stream, int descriptor);

void turn_connect_stream_set_proxy (TurnConnectStream *stream, const char *url);
void turn_connect_stream_set_timings (TurnConnectStream *stream, const TurnConnectTimings *timings);

/* The pollable halves that GIO users see; they hold @stream weakly. */
GInputStream *turn_connect_stream_input_new (TurnConnectStream *stream);
GOutputStream *turn_connect_stream_output_new (TurnConnectStream *stream);

/* "192.0.2.1:443" or "[2001:db8::1]:443", for messages. */
char *turn_connect_address_to_string (GSocketAddress *address);
