/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whatever reads answers of a far end: none of it comes with a proof by chance. */
#include <string.h>

#include "fuzz.h"
#include "stun-ext/detect-record.h"
#include "stun-ext/detect-text.h"
#include "stun-ext/detect.h"

static const StunExtDetectRun run = { { 7 } };
static const guint8 nonce[STUN_EXT_DETECT_NONCE_LENGTH] = { 1 };

static void
read_stun (const guint8 *data, gsize length)
{
  StunExtMessage message;
  StunExtDetectAnswer answer;

  if (stun_ext_message_parse (&message, data, length) == STUN_EXT_PARSE_OK) {
    stun_ext_detect_answer_read (&message, &run, NULL, &answer);
    g_assert_cmpuint (answer.cookie.length, <=, STUN_EXT_DETECT_COOKIE_MAX_LENGTH);
  }
}

static void
read_lines (const char *text, gsize length)
{
  StunExtDetectRecord record;
  StunExtSpan line;
  gsize position = 0;

  while (stun_ext_detect_line_next (text, length, &position, &line)) {
    g_assert_cmpuint (position, <=, length);
    if (stun_ext_detect_record_read (line.data, line.length, &record)) {
      g_autoptr (GString) first = g_string_new (NULL), second = g_string_new (NULL);
      StunExtDetectRecord again;

      stun_ext_detect_record_write (&record, first);
      g_assert_true (stun_ext_detect_record_read (first->str, first->len - 1, &again));
      stun_ext_detect_record_write (&again, second);
      g_assert_cmpstr (first->str, ==, second->str);
    }
  }
}

static void
read_target (const char *text, gsize length)
{
  StunExtDetectQuery query, again;
  StunExtDetectKey key;

  if (!stun_ext_detect_target_read (text, length, &query))
    return;
  query.has_proof = FALSE;
  memset (query.proof, 0, sizeof query.proof);
  query.username[0] = query.realm[0] = '\0';
  {
    g_autofree char *target = stun_ext_detect_target_write (&query, NULL);

    g_assert_true (stun_ext_detect_target_read (target, strlen (target), &again));
    g_assert_cmpint (again.what, ==, query.what);
    g_assert_cmpuint (again.has_run ? again.probe : 0, ==, query.has_run ? query.probe : 0);
  }
  if (stun_ext_detect_key_derive (&key, (StunExtSpan){ "k", 1 }, &run))
    g_assert_false (stun_ext_detect_target_is_signed_by (&query, &key));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  const char *text = (const char *)data;
  StunExtDetectToken token = { .run = run };
  StunExtDetectEcho echo;
  StunExtDetectProof proof;
  StunExtDetectSip sip;
  gsize content;

  if (length == 0)
    return 0;
  read_stun (data, length);
  stun_ext_detect_echo_read (data, length, &run, NULL, &echo, &proof);
  read_lines (text, length);
  read_target (text, length);
  stun_ext_detect_body_check (text, length, &run, NULL, nonce, &content);
  g_assert_cmpuint (content, <=, length);
  stun_ext_detect_sip_answer_read (text, length, &token, NULL, &sip);
  g_assert_cmpuint (strlen (sip.via), <=, STUN_EXT_DETECT_SEEN_MAX);
  return 0;
}
