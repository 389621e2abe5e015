/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/datagram.h"

/* Several addresses of one server over plain UDP, until one answers: the first request goes to the
 * first, 250 ms later or as soon as ICMP says no to the next as well, and so on. */
typedef struct _TurnConnectRivals TurnConnectRivals;

/* Each ends it, and the rivals may be freed from within. */
typedef struct {
  /* @datagram answered, with this, borrowed for the call. Takes @datagram. */
  void (*won) (TurnConnectDatagram *datagram, const guint8 *data, gsize length, gpointer user_data);
  /* No address is left. @error is the callee's. */
  void (*failed) (GError *error, gpointer user_data);
} TurnConnectRivalsFuncs;

/* @addresses: GSocketAddress, in the order to try. @interface: by which alone, NULL for any. Sends
 * nothing yet. */
TurnConnectRivals *turn_connect_rivals_new (GPtrArray *addresses,
                                            const char *interface,
                                            const TurnConnectRivalsFuncs *funcs,
                                            gpointer user_data);
void turn_connect_rivals_free (TurnConnectRivals *rivals);
/* A STUN request, to all that are being tried and those to come, in place of the one before. */
void turn_connect_rivals_send (TurnConnectRivals *rivals, const void *data, gsize length);
