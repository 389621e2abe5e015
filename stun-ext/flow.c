/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Packets of a flow come over several connections, some twice, some long after their time. Here
 * each is judged by its number and its time, at once and without waiting for another, and the
 * figures are kept that tell how the call went. */
#include "stun-ext/flow.h"

#include <string.h>

#include "stun-ext/frame.h"

#define TIME_UNIT_US (STUN_EXT_FRAME_TIME_UNIT_MS * 1000)
#define TIME_BACKWARD 32 /* units, PROTOCOL.md section 3 */
#define BASELINE_WINDOW_US 10000000
#define CLOCK_MAX_US (G_MAXINT64 / 4) /* 73,000 years; only a liar gets there */
#define RESTART_AFTER 2               /* PROTOCOL.md section 3 */
#define JITTER_GAIN 16                /* RFC 3550 section 6.4.1 */
#define INTERVAL_GAIN 16              /* arbitrary */
#define RHYTHM_REACH 64               /* numbers over which the interval is trusted; arbitrary */

gboolean
stun_ext_timeline_unwrap (StunExtTimeline *timeline, guint8 time, guint32 *sent_ms)
{
  guint8 ahead = (guint8)(time - timeline->clock_ms / STUN_EXT_FRAME_TIME_UNIT_MS);
  gint32 units = ahead < 256 - TIME_BACKWARD ? ahead : ahead - 256;
  guint32 now_ms = timeline->clock_ms / STUN_EXT_FRAME_TIME_UNIT_MS * STUN_EXT_FRAME_TIME_UNIT_MS;

  *sent_ms = 0;
  if (!timeline->is_based)
    return FALSE;
  *sent_ms = now_ms + (guint32)(units * STUN_EXT_FRAME_TIME_UNIT_MS);
  if (units > 0)
    timeline->clock_ms = *sent_ms;
  return TRUE;
}

static inline gboolean
is_marked (const StunExtFlowReceiver *r, guint16 sequence)
{
  guint i = sequence % STUN_EXT_FLOW_WINDOW;

  return (r->window[i / 64] >> i % 64 & 1) != 0;
}

static inline void
mark (StunExtFlowReceiver *r, guint16 sequence, gboolean is_there)
{
  guint i = sequence % STUN_EXT_FLOW_WINDOW;
  guint64 bit = (guint64)1 << i % 64;

  if (is_there)
    r->window[i / 64] |= bit;
  else
    r->window[i / 64] &= ~bit;
}

static void
advance (StunExtFlowReceiver *r, guint16 sequence, guint ahead, gint64 sent_us)
{
  if (ahead >= STUN_EXT_FLOW_WINDOW)
    memset (r->window, 0, sizeof r->window);
  else
    for (guint i = 1; i <= ahead; i++)
      mark (r, (guint16)(r->highest + i), FALSE);
  r->n_expected += ahead;
  r->highest = sequence;
  r->highest_sent_us = sent_us;
}

static void
start (StunExtFlowReceiver *r, guint16 sequence, gint64 sent_us)
{
  memset (r->window, 0, sizeof r->window);
  r->is_started = TRUE;
  r->is_last_timed = FALSE;
  r->n_suspect = 0;
  r->n_expected++;
  r->highest = sequence;
  r->highest_sent_us = sent_us;
}

/* A number far behind although it was sent after the newest one: the sender has begun anew. What a
 * stalled connection lets loose is as far behind, but was sent before. */
static gboolean
has_restarted (StunExtFlowReceiver *r, gint64 sent_us)
{
  if (sent_us == G_MININT64 || r->highest_sent_us == G_MININT64 || sent_us <= r->highest_sent_us)
    return FALSE;
  return ++r->n_suspect >= RESTART_AFTER;
}

/* @sent_us is G_MININT64 if it is not known. */
static StunExtFlowVerdict
judge (StunExtFlowReceiver *r, guint16 sequence, gint64 sent_us)
{
  gint16 ahead = (gint16)(guint16)(sequence - r->highest);

  if (!r->is_started) {
    start (r, sequence, sent_us);
  } else if (ahead > 0) {
    advance (r, sequence, (guint)ahead, sent_us);
  } else if (ahead <= -STUN_EXT_FLOW_WINDOW) {
    if (!has_restarted (r, sent_us)) {
      r->n_old++;
      return STUN_EXT_FLOW_OLD;
    }
    r->n_restarts++;
    start (r, sequence, sent_us);
  } else if (is_marked (r, sequence)) {
    r->n_suspect = 0;
    r->n_duplicates++;
    return STUN_EXT_FLOW_DUPLICATE;
  }
  r->n_suspect = 0;
  mark (r, sequence, TRUE);
  r->n_delivered++;
  return STUN_EXT_FLOW_NEW;
}

/* The far end's clock without its wrap after 49 days. */
static gint64
extend (StunExtFlowReceiver *r, guint32 sent_ms)
{
  gint32 step = (gint32)(sent_ms - r->reference_ms);

  if (!r->is_timed) {
    r->is_timed = TRUE;
    r->reference_ms = sent_ms;
    r->reference_us = 0;
    step = 0;
  }
  if (step > 0) {
    if (r->reference_us > CLOCK_MAX_US)
      r->reference_us = 0;
    r->reference_ms = sent_ms;
    r->reference_us += (gint64)step * 1000;
    step = 0;
  }
  return r->reference_us + (gint64)step * 1000;
}

/* The two clocks run at slightly different rates, so the least offset is forgotten after a while.
 */
static gint64
lateness (StunExtFlowReceiver *r, gint64 offset_us, gint64 now_us)
{
  if (r->offset_since_us == 0) {
    r->offset_since_us = now_us;
    r->offset_min_us = r->offset_next_us = offset_us;
  } else if (now_us - r->offset_since_us > BASELINE_WINDOW_US) {
    r->offset_since_us = now_us;
    r->offset_min_us = r->offset_next_us;
    r->offset_next_us = offset_us;
  }
  r->offset_min_us = MIN (r->offset_min_us, offset_us);
  r->offset_next_us = MIN (r->offset_next_us, offset_us);
  return offset_us - r->offset_min_us;
}

/* TIME counts in steps of 8 ms, as much as a good network's whole jitter. A voice sender is
 * regular, so the true time lies where the rhythm of its packets says, as far as TIME agrees. */
static void
follow_rhythm (StunExtFlowReceiver *r, guint16 sequence, gint64 sent_us, gint64 now_us)
{
  gint16 ahead = (gint16)(guint16)(sequence - r->last);
  gint64 fine_us = sent_us;
  gint64 transit_us, difference_us;

  if (r->is_last_timed && ahead > 0 && ahead <= RHYTHM_REACH && sent_us >= r->sent_us) {
    gint64 interval_us = (sent_us - r->sent_us) / ahead;

    if (r->interval_us == 0)
      r->interval_us = (guint32)MIN (interval_us, G_MAXINT32);
    interval_us = MIN (interval_us, 2 * (gint64)r->interval_us + 2 * TIME_UNIT_US);
    r->interval_us += (gint32)(interval_us - r->interval_us) / INTERVAL_GAIN;
    fine_us = CLAMP (r->fine_sent_us + ahead * (gint64)r->interval_us, sent_us,
                     sent_us + TIME_UNIT_US - 1);
  }
  transit_us = now_us - fine_us;
  if (r->is_last_timed) {
    difference_us = MIN (ABS (transit_us - r->transit_us), G_MAXINT32);
    r->jitter_us += (gint32)(difference_us - r->jitter_us) / JITTER_GAIN;
  }
  if (r->is_last_timed && ahead < 0)
    return;
  r->is_last_timed = TRUE;
  r->last = sequence;
  r->sent_us = sent_us;
  r->fine_sent_us = fine_us;
  r->transit_us = transit_us;
}

StunExtFlowVerdict
stun_ext_flow_receive (StunExtFlowReceiver *r, guint16 sequence, const StunExtFlowStamp *stamp)
{
  gint64 sent_us = stamp->is_timed ? extend (r, stamp->sent_ms) : G_MININT64;
  StunExtFlowVerdict verdict = judge (r, sequence, sent_us);

  r->lateness_us = 0;
  if (!stamp->is_timed)
    return verdict;
  r->lateness_us = lateness (r, stamp->now_us - sent_us, stamp->now_us);
  if (verdict == STUN_EXT_FLOW_NEW) {
    follow_rhythm (r, sequence, sent_us, stamp->now_us);
    if (r->lateness_us > STUN_EXT_FLOW_LATE_US)
      r->n_late++;
  }
  return verdict;
}

StunExtFlowVerdict
stun_ext_flow_receive_block (StunExtFlowReceiver *r,
                             guint16 sequence,
                             guint8 distance,
                             const StunExtFlowStamp *stamp)
{
  gint64 sent_us = G_MININT64;
  StunExtFlowVerdict verdict;

  if (stamp->is_timed)
    sent_us = extend (r, stamp->sent_ms) - distance * (gint64)r->interval_us;
  verdict = judge (r, (guint16)(sequence - distance), sent_us);
  r->lateness_us = 0;
  if (stamp->is_timed)
    r->lateness_us = lateness (r, stamp->now_us - sent_us, stamp->now_us);
  if (verdict == STUN_EXT_FLOW_NEW) {
    r->n_repaired++;
    if (r->lateness_us > STUN_EXT_FLOW_LATE_US)
      r->n_late++;
  }
  return verdict;
}
