/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* FEEDBACK is written as it was read but for its reserved octets; and a log of what was sent stands
 * any news. */
#include <string.h>

#include "fuzz.h"
#include "stun-ext/feedback.h"

static void
feed_log (const StunExtFeedback *feedback, guint8 pace)
{
  StunExtSendLog log = { 0 };
  gint64 now_us = 1;

  for (guint i = 0; i < feedback->n_entries; i++) {
    const StunExtFeedbackEntry *entry = &feedback->entries[i];
    guint32 before;

    for (guint k = entry->hold_ms % 512; k > 0; k--) {
      now_us += pace * 100;
      stun_ext_send_log_written (&log, now_us);
    }
    before = stun_ext_send_log_outstanding (&log);
    g_assert_cmpuint (before - stun_ext_send_log_acknowledge (&log, entry, now_us), ==,
                      stun_ext_send_log_outstanding (&log));
    g_assert_cmpint (stun_ext_send_log_oldest_age_us (&log, now_us), >=, 0);
    g_assert_cmpint (stun_ext_send_log_oldest_age_us (&log, now_us), <=, now_us + 1000);
    g_assert_cmpint (log.rtt_us, >=, 0);
    g_assert_cmpint (log.rtt_min_us, <=, now_us + 1000);
    stun_ext_send_log_rest (&log);
  }
  stun_ext_send_log_clear (&log);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  guint8 buffer[STUN_EXT_FEEDBACK_SIZE_MAX];
  guint8 wanted[STUN_EXT_FEEDBACK_SIZE_MAX];
  StunExtFeedback feedback;
  StunExtWriter writer;

  if (!stun_ext_feedback_parse (data, length, &feedback))
    return 0;
  g_assert_cmpuint (length, <=, sizeof wanted - 2);
  memcpy (wanted, data, length);
  for (guint i = 0; i < feedback.n_entries; i++)
    wanted[8 + 8 * i + 1] = 0;
  stun_ext_writer_init (&writer, buffer, sizeof buffer);
  stun_ext_feedback_write (&writer, &feedback);
  g_assert_false (writer.failed);
  g_assert_cmpmem (&buffer[2], writer.length - 2, wanted, length);
  feed_log (&feedback, (guint8)feedback.clock_ms);
  return 0;
}
