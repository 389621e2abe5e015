/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/detect/observations.h"
#include "turn-connect/version.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/* A method of carrying calls being tried: set up, then a second of a call is sent, and every packet
 * comes back. The trial keeps time, counts and judges; who knows the method sends. Everything
 * happens on the main context of the detection. */

#define TURN_CONNECT_TRIAL_PACKETS 16      /* sent each way */
#define TURN_CONNECT_TRIAL_EVERY_MS 20     /* as speech in RTP is */
#define TURN_CONNECT_TRIAL_PACKET_SIZE 172 /* octets, as G.711 in RTP */

/**
 * TurnConnectTrial:
 *
 * One method being tried.
 */
typedef struct _TurnConnectTrial TurnConnectTrial;

/**
 * TurnConnectTrialWay:
 * @name: what it is called, as "tep-443-proxy"
 * @carry: what carries it to the far end
 * @port: the far end's port; 0 for the one that the detection's target has
 * @is_proxied: it goes through the target's proxy; else beside it
 * @needs_login: without credentials it is not tried
 * @start: begins to set it up. From then on until @stop it may call the functions below, but must
 * not be called back after @stop. Returns what the others are given; %NULL if it ended at once, and
 * then said why
 * @send: sends packet @number; %FALSE if it cannot go now
 * @stop: called once: frees everything, without waiting
 * @is_proven_by_set_up: when it is ready a packet as long as one of a call has come back already, so that who
 * wants the first method that works need not wait for another
 *
 * How a method is tried. All strings and functions have to last as long as the detection.
 */
typedef struct {
  const char *name;
  TurnConnectCarry carry;
  guint16 port;
  gboolean is_proxied;
  gboolean needs_login;
  gpointer (*start) (TurnConnectTrial *trial, gpointer user_data);
  gboolean (*send) (gpointer state, guint number);
  void (*stop) (gpointer state);
  gboolean is_proven_by_set_up;
} TurnConnectTrialWay;

/**
 * turn_connect_trial_get_way:
 * @trial: a trial
 *
 * Returns: (transfer none): what is being tried
 */
TURN_CONNECT_API const TurnConnectTrialWay *turn_connect_trial_get_way (TurnConnectTrial *trial);

/**
 * turn_connect_trial_get_server:
 * @trial: a trial
 * @family: 4 or 6; 0 for whichever there is, IPv4 rather
 * @address: (out): address of the far end, with the port of its UDP
 *
 * Returns: %FALSE if it has none, or its name is not known here
 */
TURN_CONNECT_API gboolean turn_connect_trial_get_server (TurnConnectTrial *trial,
                                                         guint family,
                                                         StunExtAddress *address);

/**
 * turn_connect_trial_get_interface:
 * @trial: a trial
 *
 * Returns: (transfer none) (nullable): network interface by which alone it may go; %NULL for any
 */
TURN_CONNECT_API const char *turn_connect_trial_get_interface (TurnConnectTrial *trial);

/**
 * turn_connect_trial_write_packet:
 * @trial: a trial
 * @number: the packet's number
 * @packet: (out caller-allocates): the packet, which nobody else's is equal to
 */
TURN_CONNECT_API void turn_connect_trial_write_packet (
    TurnConnectTrial *trial, guint number, guint8 packet[TURN_CONNECT_TRIAL_PACKET_SIZE]);

/**
 * turn_connect_trial_take_packet:
 * @trial: a trial
 * @data: (array length=length): what came
 * @length: its octets
 *
 * Notes a packet that came back. One that turn_connect_trial_write_packet() did not write is left
 * alone.
 */
TURN_CONNECT_API void
turn_connect_trial_take_packet (TurnConnectTrial *trial, const guint8 *data, gsize length);

/**
 * turn_connect_trial_returned:
 * @trial: a trial
 * @number: number of a packet that is back; one that never went counts for nothing
 */
TURN_CONNECT_API void turn_connect_trial_returned (TurnConnectTrial *trial, guint number);

/**
 * turn_connect_trial_ready:
 * @trial: a trial
 *
 * Packets can go now; the first goes at once. What was asked before sending ends the set-up time.
 */
TURN_CONNECT_API void turn_connect_trial_ready (TurnConnectTrial *trial);

/**
 * turn_connect_trial_fail:
 * @trial: a trial
 * @error: why it came to an end, a #TurnConnectError as a rule
 *
 * Ends it, unless it has ended. Packets that came back before still count.
 */
TURN_CONNECT_API void turn_connect_trial_fail (TurnConnectTrial *trial, const GError *error);

/**
 * turn_connect_trial_end:
 * @trial: a trial
 * @outcome: what came of it
 * @detail: (nullable): the same for people
 *
 * Ends it, as turn_connect_trial_fail() does, in words of one's own.
 */
TURN_CONNECT_API void
turn_connect_trial_end (TurnConnectTrial *trial, TurnConnectOutcome outcome, const char *detail);

G_END_DECLS
