/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What first octets are known for is the same however they are cut, and never taken back. */
#include <string.h>

#include "fuzz.h"
#include "stun-ext/detect-payload.h"
#include "stun-ext/detect-text.h"

static void
answer_sip (const guint8 *data, gsize length, const StunExtDetectSeen *seen)
{
  StunExtDetectToken token = { .run = seen->run,
                               .probe = seen->probe,
                               .length = (guint16)length,
                               .payload = (guint8)seen->payload };
  StunExtAddress source;
  StunExtDetectKey key;
  GString *answer;

  stun_ext_address_parse ("192.0.2.1:5", &source);
  if (!stun_ext_detect_key_derive (&key, (StunExtSpan){ NULL, 0 }, &token.run))
    return;
  answer =
      stun_ext_detect_sip_answer_write ((const char *)data, length, &token, &source, &key, length);
  if (answer != NULL) {
    g_assert_cmpuint (answer->len, <=, length);
    g_string_free (answer, TRUE);
  }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  StunExtDetectRecognition last = STUN_EXT_DETECT_RECOGNITION_MORE;
  StunExtDetectSeen seen, found = { 0 };

  for (gsize n = 0; n <= length; n = n < 64 || n == length ? n + 1 : MIN (n + 97, length)) {
    StunExtDetectRecognition verdict = stun_ext_detect_recognise (data, n, FALSE, &seen);

    if (last == STUN_EXT_DETECT_RECOGNITION_KNOWN) {
      g_assert_cmpint (verdict, ==, last);
      g_assert_cmpint (seen.payload, ==, found.payload);
      g_assert_cmpint (seen.twin, ==, found.twin);
    }
    last = verdict;
    if (verdict == STUN_EXT_DETECT_RECOGNITION_KNOWN)
      found = seen;
  }
  if (stun_ext_detect_recognise (data, length, TRUE, &seen) == STUN_EXT_DETECT_RECOGNITION_KNOWN)
    answer_sip (data, length, &seen);
  return 0;
}
