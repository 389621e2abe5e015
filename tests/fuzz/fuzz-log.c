/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* No text of a peer leaves its record: one line, valid UTF-8, no control character, no longer than allowed. */
#include <string.h>

#include "fuzz.h"
#include "tep-s/log-private.h"

static void
check_line (const char *line)
{
  gsize length = strlen (line);

  g_assert_true (g_utf8_validate (line, -1, NULL));
  g_assert_cmpuint (length, >=, 1);
  g_assert_true (strchr (line, '\n') == line + length - 1);
  for (const char *p = line; p < line + length - 1; p = g_utf8_next_char (p))
    g_assert_false (g_unichar_iscntrl (g_utf8_get_char (p)));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  FuzzInput input = { data, length };
  gsize max = fuzz_u8 (&input);
  g_autofree char *escaped = tep_server_log_escape (input.data, input.length, max);
  const GLogField fields[] = { { "MESSAGE", input.data, (gssize)input.length },
                               { "USER", input.data, (gssize)input.length },
                               { "GLIB_DOMAIN", input.data, (gssize)input.length } };
  g_autofree char *human = NULL;
  g_autofree char *json = NULL;

  g_assert_cmpuint (strlen (escaped), <=, max);
  g_assert_true (g_utf8_validate (escaped, -1, NULL));
  if (input.data == NULL)
    return 0;
  human = tep_server_log_format (TEP_SERVER_LOG_HUMAN, G_LOG_LEVEL_INFO, fields, 3, 0);
  json = tep_server_log_format (TEP_SERVER_LOG_JSON, G_LOG_LEVEL_INFO, fields, 3, 0);
  check_line (human);
  check_line (json);
  return 0;
}
