/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whatever a client says first: it is answered whole, once, within bounds, or not at all. */
#include <string.h>

#include "fuzz.h"
#include "turn-connect/local/sip-refusal.h"

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  g_autoptr (GString) answer = g_string_new (NULL);
  g_autoptr (GString) again = g_string_new (NULL);
  TurnConnectSip found = turn_connect_sip_refuse (data, length, "no \"way\"\r\n", answer);

  if (found != TURN_CONNECT_SIP_REQUEST) {
    g_assert_cmpuint (answer->len, ==, 0);
    return 0;
  }
  g_assert_cmpuint (strlen (answer->str), ==, answer->len);
  g_assert_cmpuint (answer->len, <, 16384);
  g_assert_true (g_str_has_prefix (answer->str, "SIP/2.0 503 no 'way'??\r\n"));
  g_assert_true (g_str_has_suffix (answer->str, "\r\nContent-Length: 0\r\n\r\n"));
  /* An answer is no request. */
  g_assert_cmpint (turn_connect_sip_refuse ((const guint8 *)answer->str, answer->len, "", again),
                   ==, TURN_CONNECT_SIP_NOT);
  return 0;
}
