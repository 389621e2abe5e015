/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* No order of numbers and no clock brings a receiver out of step: no number is delivered twice
 * within the window, and every packet is counted once. */
#include "fuzz.h"
#include "stun-ext/flow.h"

/* Numbers without their wrap: the one that was delivered last under each. */
typedef struct {
  StunExtFlowReceiver receiver;
  guint64 delivered[65536];
  guint64 highest;
  guint restarts;
  guint16 touched[600]; /* to be made as new without clearing all */
  guint n_touched;
} Check;

static void
note (Check *check, guint16 sequence, guint16 highest_before, StunExtFlowVerdict verdict)
{
  gint16 ahead = (gint16)(guint16)(sequence - highest_before);
  guint64 number = check->highest + (guint64)(gint64)ahead;

  if (check->highest == 0 || check->receiver.n_restarts != check->restarts) {
    g_assert_cmpint (verdict, ==, STUN_EXT_FLOW_NEW);
    check->restarts = check->receiver.n_restarts;
    number = (check->highest & ~(guint64)0xFFFF) + 0x100000 + sequence;
    check->highest = number;
  }
  check->highest = MAX (check->highest, number);
  if (verdict == STUN_EXT_FLOW_OLD) {
    g_assert_cmpuint (number + STUN_EXT_FLOW_WINDOW, <=, check->highest);
    return;
  }
  g_assert_cmpuint (number + STUN_EXT_FLOW_WINDOW, >, check->highest);
  g_assert_cmpint (check->delivered[sequence] == number, ==, verdict == STUN_EXT_FLOW_DUPLICATE);
  check->delivered[sequence] = number;
  check->touched[check->n_touched++] = sequence;
}

static void
forget (Check *check)
{
  for (guint i = 0; i < check->n_touched; i++)
    check->delivered[check->touched[i]] = 0;
  check->highest = 0;
  check->restarts = check->n_touched = 0;
  check->receiver = (StunExtFlowReceiver){ 0 };
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  static Check check;
  FuzzInput input = { data, MIN (length, 600) };
  StunExtTimeline timeline = { 0 };
  StunExtFlowStamp stamp = { .now_us = 1 };
  guint64 n = 0;

  forget (&check);
  while (input.length > 0) {
    guint8 what = fuzz_u8 (&input);
    guint16 sequence, highest;
    guint8 distance;

    stamp.now_us += (gint64)fuzz_u8 (&input) << (what >> 4);
    if (what % 8 == 0) {
      stun_ext_timeline_rebase (&timeline, fuzz_u32 (&input));
      continue;
    }
    stamp.is_timed = stun_ext_timeline_unwrap (&timeline, fuzz_u8 (&input), &stamp.sent_ms);
    if (what % 2 == 0)
      sequence = (guint16)(check.receiver.highest + (gint8)fuzz_u8 (&input));
    else
      sequence = fuzz_u16 (&input);
    distance = (guint8)(what % 8 == 7 ? 1 + fuzz_u8 (&input) % 255 : 0);
    highest = check.receiver.highest;
    if (distance > 0)
      note (&check, (guint16)(sequence - distance), highest,
            stun_ext_flow_receive_block (&check.receiver, sequence, distance, &stamp));
    else
      note (&check, sequence, highest, stun_ext_flow_receive (&check.receiver, sequence, &stamp));
    n++;
  }
  g_assert_cmpuint (check.receiver.n_delivered + check.receiver.n_duplicates + check.receiver.n_old,
                    ==, n);
  g_assert_cmpuint (check.receiver.n_late, <=, check.receiver.n_delivered);
  return 0;
}
