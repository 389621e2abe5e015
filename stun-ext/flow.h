/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/version.h"

G_BEGIN_DECLS

#define STUN_EXT_FLOW_WINDOW 1024   /* numbers remembered, PROTOCOL.md section 3 */
#define STUN_EXT_FLOW_LATE_US 60000 /* what a jitter buffer of 60 ms would not play */

/* All times are microseconds of one clock that never steps, and above 0. */

/**
 * stun_ext_flow_time:
 * @now_us: when the packet is handed to the tunnel
 *
 * Returns: TIME of a compact frame: units of 8 ms, modulo 256
 */
static inline guint8
stun_ext_flow_time (gint64 now_us)
{
  return (guint8)(now_us / 8000);
}

/**
 * StunExtTimeline:
 * @clock_ms: the far end's clock at the newest frame of the connection, milliseconds modulo 2^32
 * @is_based: whether a FEEDBACK has told the clock in full
 *
 * Unwraps the 8-bit TIME of compact frames; one for each connection that is read from. Embed it,
 * zeroed.
 */
typedef struct {
  guint32 clock_ms;
  gboolean is_based;
} StunExtTimeline;

/**
 * stun_ext_timeline_rebase:
 * @timeline: a timeline
 * @clock_ms: CLOCK of a FEEDBACK that arrived on this connection
 */
static inline void
stun_ext_timeline_rebase (StunExtTimeline *timeline, guint32 clock_ms)
{
  timeline->clock_ms = clock_ms;
  timeline->is_based = TRUE;
}

/**
 * stun_ext_timeline_unwrap:
 * @timeline: a timeline
 * @time: TIME of a compact frame that arrived on this connection
 * @sent_ms: (out): when it was sent by the far end's clock, milliseconds modulo 2^32, at most 8 ms
 * too early
 *
 * Returns: %FALSE if no FEEDBACK came first, so that nobody can tell; @sent_ms is 0 then
 */
STUN_EXT_API gboolean stun_ext_timeline_unwrap (StunExtTimeline *timeline,
                                                guint8 time,
                                                guint32 *sent_ms);

/**
 * StunExtFlowStamp:
 * @now_us: when it arrived
 * @sent_ms: when it was sent by the far end's clock, see stun_ext_timeline_unwrap()
 * @is_timed: whether @sent_ms is known
 *
 * The times of one frame.
 */
typedef struct {
  gint64 now_us;
  guint32 sent_ms;
  gboolean is_timed;
} StunExtFlowStamp;

/**
 * StunExtFlowVerdict:
 * @STUN_EXT_FLOW_NEW: the first copy; deliver it
 * @STUN_EXT_FLOW_DUPLICATE: a later copy; drop it
 * @STUN_EXT_FLOW_OLD: older than the window; drop it
 */
typedef enum {
  STUN_EXT_FLOW_NEW,
  STUN_EXT_FLOW_DUPLICATE,
  STUN_EXT_FLOW_OLD,
} StunExtFlowVerdict;

/**
 * StunExtFlowSender:
 * @sequence: number of the next packet; set it to a random number once
 * @n_sent: packets numbered so far
 *
 * One direction of a flow, at the end that sends it.
 */
typedef struct {
  guint16 sequence;
  guint64 n_sent;
} StunExtFlowSender;

/**
 * stun_ext_flow_sender_next:
 * @sender: a sender
 *
 * Returns: the number of one more packet
 */
static inline guint16
stun_ext_flow_sender_next (StunExtFlowSender *sender)
{
  sender->n_sent++;
  return sender->sequence++;
}

/**
 * StunExtFlowReceiver:
 * @n_delivered: packets delivered, first copies only
 * @n_repaired: of these, those that came as a repetition inside a later frame
 * @n_duplicates: copies dropped
 * @n_old: packets dropped because they were older than the window
 * @n_late: packets delivered more than 60 ms later than the fastest of the last seconds
 * @n_restarts: times the far end began anew
 * @jitter_us: interarrival jitter (RFC 3550 section 6.4.1) of packets that came in frames of their
 * own
 * @lateness_us: of the packet seen last, against the fastest of the last ten to twenty seconds; 0
 * if not known
 *
 * One direction of a flow, at the end that receives it. Embed it, zeroed; only the named fields are
 * to be read. One thread at a time.
 */
typedef struct {
  guint64 n_delivered;
  guint64 n_repaired;
  guint64 n_duplicates;
  guint64 n_old;
  guint64 n_late;
  guint32 n_restarts;
  guint32 jitter_us;
  gint64 lateness_us;

  guint64
      window[STUN_EXT_FLOW_WINDOW / 64]; /* a bit for each number, at the number modulo the size */
  guint64 n_expected;     /* numbers from the first to the highest, over all restarts */
  gint64 highest_sent_us; /* G_MININT64 if not known */
  guint16 highest;
  guint8 is_started;
  guint8 n_suspect; /* packets in succession that look like a sender that began anew */

  /* The far end's clock in 64 bits: @reference_ms stands for @reference_us. */
  guint32 reference_ms;
  guint8 is_timed;
  gint64 reference_us;

  /* The least of arrival minus sending, in this stretch of ten seconds and the one before. */
  gint64 offset_min_us;
  gint64 offset_next_us;
  gint64 offset_since_us;

  /* Of the newest packet that came in a frame of its own. */
  gint64 sent_us;      /* as TIME says */
  gint64 fine_sent_us; /* in finer steps, guessed from the packets' rhythm */
  gint64 transit_us;
  guint32 interval_us; /* of the sender, per number, smoothed; 0 if not known */
  guint16 last;
  guint8 is_last_timed;
} StunExtFlowReceiver;

/**
 * stun_ext_flow_receive:
 * @receiver: a receiver
 * @sequence: number of the packet
 * @stamp: times of its frame
 *
 * Judges a packet that came in a frame of its own. Of a frame with repetitions, judge these first,
 * so that packets are delivered in their order.
 *
 * Returns: whether to deliver it
 */
STUN_EXT_API StunExtFlowVerdict stun_ext_flow_receive (StunExtFlowReceiver *receiver,
                                                       guint16 sequence,
                                                       const StunExtFlowStamp *stamp);

/**
 * stun_ext_flow_receive_block:
 * @receiver: a receiver
 * @sequence: number of the frame
 * @distance: how many numbers before it the repeated packet has
 * @stamp: times of the frame
 *
 * Judges a packet that was repeated in a later frame.
 *
 * Returns: whether to deliver it
 */
STUN_EXT_API StunExtFlowVerdict stun_ext_flow_receive_block (StunExtFlowReceiver *receiver,
                                                             guint16 sequence,
                                                             guint8 distance,
                                                             const StunExtFlowStamp *stamp);

/**
 * stun_ext_flow_lost:
 * @receiver: a receiver
 *
 * Returns: packets that are missing among those numbered so far; what is still on its way counts
 * until it is there
 */
static inline guint64
stun_ext_flow_lost (const StunExtFlowReceiver *receiver)
{
  return receiver->n_expected > receiver->n_delivered ? receiver->n_expected - receiver->n_delivered
                                                      : 0;
}

G_END_DECLS
