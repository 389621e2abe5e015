/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Octets on their way between a peer and TLS. */
typedef struct {
  guint8 *input; /* from the peer; used between from and to */
  gsize input_from;
  gsize input_to;
  gboolean input_ended;
  GByteArray *output; /* for the peer; output_from of it are sent */
  gsize output_from;
} TurnConnectTlsBuffers;

void turn_connect_tls_buffers_init (TurnConnectTlsBuffers *buffers);
void turn_connect_tls_buffers_clear (TurnConnectTlsBuffers *buffers);

/* Where octets from the peer are to be put, and how many; then how many were. No room: TLS has to
 * read first. */
guint8 *turn_connect_tls_buffers_get_room (TurnConnectTlsBuffers *buffers, gsize *room);
void turn_connect_tls_buffers_fed (TurnConnectTlsBuffers *buffers, gsize length);
gboolean turn_connect_tls_buffers_have_input (const TurnConnectTlsBuffers *buffers);
/* TLS takes what came in; 0 if there is nothing. */
gsize turn_connect_tls_buffers_take (TurnConnectTlsBuffers *buffers, void *to, gsize size);

/* The peer has let so much of what is for it pile up that nothing more is taken from it. */
gboolean turn_connect_tls_buffers_are_clogged (const TurnConnectTlsBuffers *buffers);
/* TLS puts what goes out; FALSE while clogged. */
gboolean
turn_connect_tls_buffers_put (TurnConnectTlsBuffers *buffers, const void *data, gsize length);
/* What waits for the peer; then how much of it was sent. */
const guint8 *turn_connect_tls_buffers_get_output (TurnConnectTlsBuffers *buffers, gsize *length);
void turn_connect_tls_buffers_sent (TurnConnectTlsBuffers *buffers, gsize length);
