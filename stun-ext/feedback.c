/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Behind a proxy the kernel knows the leg to the proxy and nothing else. So both ends count what
 * reaches them, connection by connection, and tell each other; because TCP keeps order, a count is
 * all it takes to know what is still on the way and for how long. */
#include "stun-ext/feedback.h"

#include "stun-ext/frame.h"
#include "stun-ext/reader.h"

#define FIRST_OCTET (0x80 | STUN_EXT_FRAME_FLOW_CONTROL)
#define RECENT_US 1000000
#define MARKS 128      /* 1 KiB for an active connection; a round trip of 250 ms in steps of 2 ms */
#define MARK_SPAN_MS 2 /* arbitrary: finer than any decision made from it */
#define RTT_GAIN 8     /* RFC 6298 section 2 */
#define RTT_MIN_WINDOW_US 10000000

gboolean
stun_ext_feedback_parse (const guint8 *body, gsize length, StunExtFeedback *feedback)
{
  StunExtReader reader;
  guint32 seen = 0;

  stun_ext_reader_init (&reader, body, length);
  if (stun_ext_reader_u8 (&reader) != FIRST_OCTET ||
      stun_ext_reader_u8 (&reader) != STUN_EXT_CONTROL_FEEDBACK)
    return FALSE;
  feedback->n_entries = stun_ext_reader_u16 (&reader);
  feedback->clock_ms = stun_ext_reader_u32 (&reader);
  if (feedback->n_entries > STUN_EXT_CONNECTIONS_MAX)
    return FALSE;
  for (guint i = 0; i < feedback->n_entries; i++) {
    StunExtFeedbackEntry *entry = &feedback->entries[i];

    entry->connection = stun_ext_reader_u8 (&reader);
    stun_ext_reader_skip (&reader, 1);
    entry->hold_ms = stun_ext_reader_u16 (&reader);
    entry->received = stun_ext_reader_u32 (&reader);
    if (entry->connection >= STUN_EXT_CONNECTIONS_MAX || (seen & 1u << entry->connection) != 0)
      return FALSE;
    seen |= 1u << entry->connection;
  }
  return stun_ext_reader_done (&reader);
}

void
stun_ext_feedback_write (StunExtWriter *writer, const StunExtFeedback *feedback)
{
  gsize slot;

  if (feedback->n_entries > STUN_EXT_CONNECTIONS_MAX) {
    writer->failed = TRUE;
    return;
  }
  slot = stun_ext_writer_open_u16 (writer);
  stun_ext_writer_u8 (writer, FIRST_OCTET);
  stun_ext_writer_u8 (writer, STUN_EXT_CONTROL_FEEDBACK);
  stun_ext_writer_u16 (writer, (guint16)feedback->n_entries);
  stun_ext_writer_u32 (writer, feedback->clock_ms);
  for (guint i = 0; i < feedback->n_entries; i++) {
    stun_ext_writer_u8 (writer, feedback->entries[i].connection);
    stun_ext_writer_u8 (writer, 0);
    stun_ext_writer_u16 (writer, feedback->entries[i].hold_ms);
    stun_ext_writer_u32 (writer, feedback->entries[i].received);
  }
  stun_ext_writer_close_u16 (writer, slot);
}

void
stun_ext_tally_join (StunExtTally *tally, guint8 connection)
{
  g_return_if_fail (connection < STUN_EXT_CONNECTIONS_MAX);

  tally->connections[connection] = (StunExtTallyConnection){ .is_joined = TRUE };
}

void
stun_ext_tally_leave (StunExtTally *tally, guint8 connection)
{
  g_return_if_fail (connection < STUN_EXT_CONNECTIONS_MAX);

  tally->connections[connection] = (StunExtTallyConnection){ 0 };
}

void
stun_ext_tally_take (StunExtTally *tally, gint64 now_us, StunExtFeedback *feedback)
{
  feedback->clock_ms = (guint32)(now_us / 1000);
  feedback->n_entries = 0;
  for (guint8 i = 0; i < STUN_EXT_CONNECTIONS_MAX; i++) {
    StunExtTallyConnection *c = &tally->connections[i];
    gint64 hold_ms = (now_us - c->last_us) / 1000;

    if (!c->is_joined || c->received == 0)
      continue;
    if (c->received == c->reported && now_us - c->last_us > RECENT_US)
      continue;
    feedback->entries[feedback->n_entries++] = (StunExtFeedbackEntry){
      .connection = i,
      .hold_ms = (guint16)CLAMP (hold_ms, 0, STUN_EXT_FEEDBACK_HOLD_MAX_MS),
      .received = c->received,
    };
    c->reported = c->received;
  }
  tally->sent_us = now_us;
  tally->is_pending = FALSE;
}

void
stun_ext_send_log_clear (StunExtSendLog *log)
{
  g_free (log->marks);
  *log = (StunExtSendLog){ 0 };
}

void
stun_ext_send_log_rest (StunExtSendLog *log)
{
  if (stun_ext_send_log_outstanding (log) == 0)
    g_clear_pointer (&log->marks, g_free);
}

static StunExtSendMark *
mark_at (const StunExtSendLog *log, guint i)
{
  return &log->marks[(log->first_mark + i) % MARKS];
}

/* Doubles the time that shares a mark until there is room for one more. */
static void
join_marks (StunExtSendLog *log)
{
  while (log->n_marks == MARKS) {
    guint kept = 0;

    log->span_ms *= 2;
    for (guint i = 1; i < log->n_marks; i++) {
      const StunExtSendMark *next = mark_at (log, i);

      if (next->written_ms - mark_at (log, kept)->written_ms < log->span_ms)
        mark_at (log, kept)->last = next->last;
      else
        *mark_at (log, ++kept) = *next;
    }
    log->n_marks = (guint16)(kept + 1);
  }
}

void
stun_ext_send_log_written (StunExtSendLog *log, gint64 now_us)
{
  guint32 now_ms = (guint32)(now_us / 1000);
  StunExtSendMark *newest;

  if (log->marks == NULL) {
    log->marks = g_try_new (StunExtSendMark, MARKS);
    log->first_mark = log->n_marks = 0;
    log->span_ms = MARK_SPAN_MS;
  }
  log->written++;
  if (log->marks == NULL)
    return;
  newest = log->n_marks > 0 ? mark_at (log, log->n_marks - 1u) : NULL;
  if (newest != NULL && now_ms - newest->written_ms < log->span_ms) {
    newest->last = log->written;
    return;
  }
  if (log->n_marks == MARKS)
    join_marks (log);
  else if (log->n_marks < MARKS / 4)
    log->span_ms = MARK_SPAN_MS;
  *mark_at (log, log->n_marks++) = (StunExtSendMark){ log->written, now_ms };
}

static void
take_rtt (StunExtSendLog *log, gint64 rtt_us, gint64 now_us)
{
  rtt_us = MAX (rtt_us, 1);
  log->rtt_last_us = rtt_us;
  log->rtt_us = log->rtt_us == 0 ? rtt_us : log->rtt_us + (rtt_us - log->rtt_us) / RTT_GAIN;
  if (log->rtt_min_since_us == 0) {
    log->rtt_min_since_us = now_us;
    log->rtt_min_us = log->rtt_min_next_us = rtt_us;
  } else if (now_us - log->rtt_min_since_us > RTT_MIN_WINDOW_US) {
    log->rtt_min_us = MIN (log->rtt_min_next_us, rtt_us);
    log->rtt_min_next_us = rtt_us;
    log->rtt_min_since_us = now_us;
  } else {
    log->rtt_min_us = MIN (log->rtt_min_us, rtt_us);
    log->rtt_min_next_us = MIN (log->rtt_min_next_us, rtt_us);
  }
}

guint32
stun_ext_send_log_acknowledge (StunExtSendLog *log,
                               const StunExtFeedbackEntry *entry,
                               gint64 now_us)
{
  guint32 news = entry->received - log->acknowledged;
  guint32 now_ms = (guint32)(now_us / 1000);
  gboolean is_timed = FALSE;
  guint32 written_ms = 0;

  if (news == 0 || news > G_MAXINT32) /* told before, or overtaken by a later FEEDBACK */
    return 0;
  if (news > stun_ext_send_log_outstanding (log)) {
    log->n_refused++;
    return 0;
  }
  log->acknowledged = entry->received;
  if (log->marks == NULL)
    return news;
  while (log->n_marks > 0) {
    const StunExtSendMark *mark = mark_at (log, 0);

    is_timed = TRUE;
    written_ms = mark->written_ms;
    if ((gint32)(mark->last - entry->received) > 0)
      break;
    log->first_mark = (guint16)((log->first_mark + 1) % MARKS);
    log->n_marks--;
    if (mark->last == entry->received)
      break;
  }
  if (is_timed && entry->hold_ms < STUN_EXT_FEEDBACK_HOLD_MAX_MS &&
      now_ms - written_ms < G_MAXINT32 && now_ms - written_ms >= entry->hold_ms)
    take_rtt (log, (gint64)(now_ms - written_ms - entry->hold_ms) * 1000, now_us);
  return news;
}

gint64
stun_ext_send_log_oldest_age_us (const StunExtSendLog *log, gint64 now_us)
{
  if (stun_ext_send_log_outstanding (log) == 0 || log->marks == NULL || log->n_marks == 0)
    return 0;
  return (gint64)((guint32)(now_us / 1000) - mark_at (log, 0)->written_ms) * 1000;
}
