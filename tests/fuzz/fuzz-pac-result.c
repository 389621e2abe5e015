/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whatever a proxy configuration file, libproxy, a challenge or no_proxy says: the direct way is there only if the text
 * says it, and every proxy is one that can be put into a request as it is. */
#include <string.h>

#include "fuzz.h"
#include "turn-connect/error.h"
#include "turn-connect/proxy/digest.h"
#include "turn-connect/proxy/exempt.h"
#include "turn-connect/proxy/list.h"

static gboolean
says (const char *text, const char *word)
{
  g_autofree char *lower = g_ascii_strdown (text, -1);

  return strstr (lower, word) != NULL;
}

static void
check_ways (const char *text, GPtrArray *owned, GError *error)
{
  g_autoptr (GPtrArray) ways = owned;
  g_autoptr (GError) cause = error;

  g_assert_true ((ways == NULL) == (cause != NULL));
  if (ways == NULL) {
    g_assert_true (cause->domain == TURN_CONNECT_ERROR);
    g_assert_true (g_utf8_validate (cause->message, -1, NULL));
    return;
  }
  g_assert_cmpuint (ways->len, >, 0);
  g_assert_cmpuint (ways->len, <=, 16);
  for (guint i = 0; i < ways->len; i++) {
    const TurnConnectProxy *proxy = ways->pdata[i];

    if (proxy == NULL)
      g_assert_true (says (text, "direct"));
    else
      g_assert_cmpuint (strcspn (proxy->host, " /@[]#?%\\\r\n\t,"), ==, strlen (proxy->host));
  }
}

/* No value of a challenge breaks out of the answer's line. */
static void
check_digest (const char *text)
{
  static const TurnConnectDigestRequest request = {
    .user = "u\"\\", .password = "s3cr3t", .method = "CONNECT", .uri = "h:443", .cnonce = "c"
  };
  const char *lines[] = { text, NULL };
  g_autoptr (GPtrArray) challenges = turn_connect_challenges_parse (lines);
  g_autoptr (TurnConnectDigest) digest = turn_connect_digest_new (challenges);

  g_assert_cmpuint (challenges->len, <=, 16);
  if (digest == NULL)
    return;
  for (int i = 0; i < 2; i++) {
    g_autofree char *answer = turn_connect_digest_answer (digest, &request);

    g_assert_cmpuint (strlen (answer), <, 8192);
    g_assert_cmpuint (strcspn (answer, "\r\n"), ==, strlen (answer));
    if (strstr (text, "s3cr3t") == NULL)
      g_assert_null (strstr (answer, "s3cr3t"));
    turn_connect_digest_take_info (digest, text);
  }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  g_autofree char *text = g_strndup ((const char *)data, length);
  g_autoptr (GError) error = NULL;
  GError *other = NULL;
  GPtrArray *ways = turn_connect_proxy_list_parse_pac (text, &error);

  check_ways (text, ways, g_steal_pointer (&error));
  ways = turn_connect_proxy_list_parse_urls (text, &other);
  check_ways (text, ways, other);
  turn_connect_proxy_is_exempt (text, "a.host.test", 443);
  turn_connect_proxy_is_exempt (text, "192.0.2.1", 443);
  turn_connect_proxy_is_exempt (text, "2001:db8::1", 443);
  check_digest (text);
  return 0;
}
