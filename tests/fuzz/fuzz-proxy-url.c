/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is made of a proxy's URL, a host and a header line can be put into a request as it is. */
#include <string.h>

#include "fuzz.h"
#include "turn-connect/error.h"
#include "turn-connect/host.h"
#include "turn-connect/proxy/http-head.h"
#include "turn-connect/proxy/url.h"

static void
assert_clean (const char *text)
{
  for (; *text != '\0'; text++)
    g_assert_true ((guchar)*text >= 0x20 && *text != 0x7f);
}

static void
check_proxy (const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TurnConnectProxy) proxy = turn_connect_proxy_new (text, &error);
  g_autoptr (TurnConnectProxy) again = NULL;

  g_assert_true ((proxy == NULL) == (error != NULL));
  if (proxy == NULL) {
    g_assert_true (error->domain == TURN_CONNECT_ERROR);
    assert_clean (error->message);
    return;
  }
  assert_clean (proxy->url);
  g_assert_null (strchr (proxy->url, '@'));
  g_assert_cmpuint (proxy->port, >, 0);
  g_assert_true ((proxy->user == NULL) == (proxy->password == NULL));
  if (proxy->user != NULL) {
    assert_clean (proxy->user);
    assert_clean (proxy->password);
    g_assert_null (strchr (proxy->user, ':'));
  }
  again = turn_connect_proxy_new (proxy->url, NULL);
  g_assert_cmpstr (again->url, ==, proxy->url);
}

static void
check_host (const char *text)
{
  g_autofree char *normal = turn_connect_host_normalise (text, NULL);
  g_autofree char *again = NULL;

  if (normal == NULL)
    return;
  g_assert_cmpuint (strlen (normal), <=, 253);
  g_assert_cmpuint (strcspn (normal, " /@[]#?%\\\r\n\t,"), ==, strlen (normal));
  again = turn_connect_host_normalise (normal, NULL);
  g_assert_cmpstr (again, ==, normal);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  g_autofree char *text = g_strndup ((const char *)data, length);
  const char *const protocols[] = { text, NULL };
  g_autofree char *alpn = turn_connect_http_head_make_alpn (protocols, NULL);

  check_proxy (text);
  check_host (text);
  if (turn_connect_http_head_check_line (text, NULL))
    g_assert_cmpuint (strcspn (text, "\r\n"), ==, strlen (text));
  if (alpn != NULL)
    assert_clean (alpn);
  return 0;
}
