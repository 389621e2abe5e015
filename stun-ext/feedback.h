/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/version.h"
#include "stun-ext/writer.h"

G_BEGIN_DECLS

#define STUN_EXT_CONNECTIONS_MAX 16             /* PROTOCOL.md section 1 */
#define STUN_EXT_FEEDBACK_INTERVAL_US 100000    /* PROTOCOL.md section 4 */
#define STUN_EXT_FEEDBACK_CLOCK_LIFE_US 1000000 /* PROTOCOL.md section 4 */
#define STUN_EXT_FEEDBACK_HOLD_MAX_MS 65535

/* Octets of the longest FEEDBACK on the wire, with its length. */
#define STUN_EXT_FEEDBACK_SIZE_MAX (2 + 8 + 8 * STUN_EXT_CONNECTIONS_MAX)

/**
 * StunExtFeedbackEntry:
 * @connection: connection number, 0-15
 * @hold_ms: milliseconds since the last counted frame arrived there; 65535 means that or more
 * @received: counted frames that arrived there since it joined, modulo 2^32
 */
typedef struct {
  guint8 connection;
  guint16 hold_ms;
  guint32 received;
} StunExtFeedbackEntry;

/**
 * StunExtFeedback:
 * @clock_ms: the sender's clock in milliseconds, modulo 2^32
 * @n_entries: number of entries, 0-16
 * @entries: (array length=n_entries): them, each connection once
 *
 * A FEEDBACK frame (PROTOCOL.md section 4): what its sender has received.
 */
typedef struct {
  guint32 clock_ms;
  guint n_entries;
  StunExtFeedbackEntry entries[STUN_EXT_CONNECTIONS_MAX];
} StunExtFeedback;

/**
 * stun_ext_feedback_parse:
 * @body: (array length=length): a control frame of type %STUN_EXT_CONTROL_FEEDBACK
 * @length: its octets
 * @feedback: (out): what it says. Its contents mean nothing on failure
 *
 * Returns: %FALSE if the frame breaks a rule and is to be dropped and counted
 */
STUN_EXT_API gboolean stun_ext_feedback_parse (const guint8 *body,
                                               gsize length,
                                               StunExtFeedback *feedback);

/**
 * stun_ext_feedback_write:
 * @writer: where to append
 * @feedback: what to say
 *
 * Appends the frame with its RFC 4571 length. The writer fails if there is no room, or if there are
 * too many entries.
 */
STUN_EXT_API void stun_ext_feedback_write (StunExtWriter *writer, const StunExtFeedback *feedback);

/* The receiving half: what has arrived, and when to say so. */

/**
 * StunExtTallyConnection:
 * @received: counted frames that arrived since the connection joined, modulo 2^32
 * @is_joined: whether there is such a connection
 * @last_us: when the last one arrived
 */
typedef struct {
  gint64 last_us;
  guint32 received;
  guint32 reported; /* @received as the last FEEDBACK gave it */
  gboolean is_joined;
} StunExtTallyConnection;

/**
 * StunExtTally:
 * @connections: by connection number
 * @is_pending: whether something was counted that no FEEDBACK has told yet
 * @sent_us: when the last FEEDBACK was made
 *
 * Counts what arrived, connection by connection, for one tunnel. Embed it, zeroed. One thread at a
 * time; all times are microseconds of one clock that never steps, and above 0.
 */
typedef struct {
  StunExtTallyConnection connections[STUN_EXT_CONNECTIONS_MAX];
  gint64 sent_us;
  gboolean is_pending;
} StunExtTally;

/**
 * stun_ext_tally_join:
 * @tally: a tally
 * @connection: number of a connection that joined or resumed, 0-15; counting starts at 0
 */
STUN_EXT_API void stun_ext_tally_join (StunExtTally *tally, guint8 connection);

/**
 * stun_ext_tally_leave:
 * @tally: a tally
 * @connection: number of a connection that is gone
 */
STUN_EXT_API void stun_ext_tally_leave (StunExtTally *tally, guint8 connection);

/**
 * stun_ext_tally_count:
 * @tally: a tally
 * @connection: number of the connection, 0-15
 * @now_us: the time
 *
 * Notes that a frame arrived for which stun_ext_frame_is_counted() holds.
 */
static inline void
stun_ext_tally_count (StunExtTally *tally, guint8 connection, gint64 now_us)
{
  StunExtTallyConnection *c = &tally->connections[connection % STUN_EXT_CONNECTIONS_MAX];

  c->received++;
  c->last_us = now_us;
  tally->is_pending = TRUE;
}

/**
 * stun_ext_tally_due_us:
 * @tally: a tally
 *
 * Returns: when the next FEEDBACK is to be sent, perhaps a moment in the past; %G_MAXINT64 if
 * nothing is to be told
 */
static inline gint64
stun_ext_tally_due_us (const StunExtTally *tally)
{
  return tally->is_pending ? tally->sent_us + STUN_EXT_FEEDBACK_INTERVAL_US : G_MAXINT64;
}

/**
 * stun_ext_tally_take:
 * @tally: a tally
 * @now_us: the time, which CLOCK is made of
 * @feedback: (out): what to send now: every connection on which something arrived since the last
 * FEEDBACK or within the last second, for a FEEDBACK may itself be held up
 *
 * Makes a FEEDBACK, due or not; the next is due 100 ms after it.
 */
STUN_EXT_API void
stun_ext_tally_take (StunExtTally *tally, gint64 now_us, StunExtFeedback *feedback);

/* The sending half: what has been written and not yet been seen by the far end. */

/* A run of frames: the last of them, and when it was written. */
typedef struct {
  guint32 last;
  guint32 written_ms;
} StunExtSendMark;

/**
 * StunExtSendLog:
 * @written: counted frames that were written, modulo 2^32
 * @acknowledged: of these, how many the far end has received
 * @rtt_us: smoothed round-trip time (RFC 6298 section 2, gain 1/8), 0 until there is one
 * @rtt_last_us: the newest sample
 * @rtt_min_us: the smallest sample of the last ten to twenty seconds
 * @clock_written_us: when a FEEDBACK or compact frame was last written here, 0 if never
 * @n_refused: entries that no honest far end sends
 *
 * What was written on one connection, and what FEEDBACK says became of it. Two milliseconds of
 * frames share a mark; the marks are allocated once, with the first frame; when more are needed,
 * neighbours are joined. Embed it; only the named fields are to be read. One thread at a time,
 * times as for #StunExtTally.
 */
typedef struct {
  guint32 written;
  guint32 acknowledged;
  gint64 rtt_us;
  gint64 rtt_last_us;
  gint64 rtt_min_us;
  gint64 clock_written_us;
  guint64 n_refused;
  StunExtSendMark *marks;
  guint16 first_mark;
  guint16 n_marks;
  guint32 span_ms;
  gint64 rtt_min_since_us;
  gint64 rtt_min_next_us;
} StunExtSendLog;

/**
 * stun_ext_send_log_clear:
 * @log: a log
 *
 * Frees what the log holds and makes it as new, for a connection that is gone. May be repeated.
 */
STUN_EXT_API void stun_ext_send_log_clear (StunExtSendLog *log);

/**
 * stun_ext_send_log_rest:
 * @log: a log
 *
 * Frees memory if nothing is outstanding, for a tunnel that falls idle. Counts and times stay.
 */
STUN_EXT_API void stun_ext_send_log_rest (StunExtSendLog *log);

/**
 * stun_ext_send_log_written:
 * @log: a log
 * @now_us: the time
 *
 * Notes that a counted frame was handed to the kernel.
 */
STUN_EXT_API void stun_ext_send_log_written (StunExtSendLog *log, gint64 now_us);

/**
 * stun_ext_send_log_acknowledge:
 * @log: a log
 * @entry: what a FEEDBACK says about this connection
 * @now_us: the time
 *
 * Takes news from the far end. Old news and what cannot be true change nothing.
 *
 * Returns: frames that are newly known to have arrived
 */
STUN_EXT_API guint32 stun_ext_send_log_acknowledge (StunExtSendLog *log,
                                                    const StunExtFeedbackEntry *entry,
                                                    gint64 now_us);

/**
 * stun_ext_send_log_outstanding:
 * @log: a log
 *
 * Returns: frames written of which the far end has said nothing
 */
static inline guint32
stun_ext_send_log_outstanding (const StunExtSendLog *log)
{
  return log->written - log->acknowledged;
}

/**
 * stun_ext_send_log_oldest_age_us:
 * @log: a log
 * @now_us: the time
 *
 * Returns: microseconds since the oldest outstanding frame was written, to about two milliseconds;
 * 0 if there is none
 */
STUN_EXT_API gint64 stun_ext_send_log_oldest_age_us (const StunExtSendLog *log, gint64 now_us);

/**
 * stun_ext_send_log_needs_clock:
 * @log: a log
 * @now_us: the time
 *
 * Tells whether a FEEDBACK, empty if need be, has to be written before the next compact frame,
 * because the far end could not unwrap its TIME: none was written on this connection in the last
 * second.
 *
 * Returns: %TRUE if so
 */
static inline gboolean
stun_ext_send_log_needs_clock (const StunExtSendLog *log, gint64 now_us)
{
  return log->clock_written_us == 0 ||
         now_us - log->clock_written_us >= STUN_EXT_FEEDBACK_CLOCK_LIFE_US;
}

/**
 * stun_ext_send_log_clock_written:
 * @log: a log
 * @now_us: the time
 *
 * Notes that a FEEDBACK or a compact frame was written on this connection.
 */
static inline void
stun_ext_send_log_clock_written (StunExtSendLog *log, gint64 now_us)
{
  log->clock_written_us = now_us;
}

G_END_DECLS
