/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first packet of a connection as the kernel kept it: its options were written by anybody, and go into the record. */
#include <string.h>

#include "fuzz.h"
#include "stun-ext/detect-record.h"
#include "tep-s/detect-stream.h"

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  StunExtDetectRecord record = { .transport = STUN_EXT_DETECT_TRANSPORT_TCP }, again;
  g_autoptr (GString) line = g_string_new (NULL);

  stun_ext_address_parse ("192.0.2.1:443", &record.local);
  stun_ext_address_parse ("198.51.100.7:4000", &record.source);
  if (!tep_server_detect_read_syn (data, length, &record))
    return 0;
  g_assert_cmpuint (strlen (record.syn), <=, STUN_EXT_DETECT_SYN_MAX);
  stun_ext_detect_record_write (&record, line);
  g_assert_true (stun_ext_detect_record_read (line->str, line->len - 1, &again));
  g_assert_cmpstr (again.syn, ==, record.syn);
  g_assert_cmpuint (again.mss, ==, record.mss);
  g_assert_cmpuint (again.ttl, ==, record.ttl);
  return 0;
}
