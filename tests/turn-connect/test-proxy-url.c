/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "turn-connect/proxy/url.h"

#include "turn-connect/error.h"

#include <string.h>

static const struct {
  const char *given;
  const char *url; /* NULL: refused */
  const char *user;
  const char *password;
} proxies[] = {
  { "http://proxy.test:3128", "http://proxy.test:3128", NULL, NULL },
  { "proxy.test:3128", "http://proxy.test:3128", NULL, NULL },
  { "HTTP://Proxy.Test", "http://proxy.test:80", NULL, NULL },
  { "https://proxy.test/", "https://proxy.test:443", NULL, NULL },
  { "http://[2001:db8::1]:8080", "http://[2001:db8::1]:8080", NULL, NULL },
  { "http://user:pass@proxy.test:1", "http://proxy.test:1", "user", "pass" },
  { "user:pass@proxy.test:1", "http://proxy.test:1", "user", "pass" },
  { "http://user@proxy.test:1", "http://proxy.test:1", "user", "" },
  { "http://do%40main:p%3Aa%2Fs%20s@proxy.test:1", "http://proxy.test:1", "do@main", "p:a/s s" },
  { "", NULL, NULL, NULL },
  { "http://", NULL, NULL, NULL },
  { "http://:3128", NULL, NULL, NULL },
  { "http://proxy.test:0", NULL, NULL, NULL },
  { "http://proxy.test:65536", NULL, NULL, NULL },
  { "http://proxy.test:3128/path", NULL, NULL, NULL },
  { "http://proxy.test:3128?x", NULL, NULL, NULL },
  { "http://proxy.test:3128#x", NULL, NULL, NULL },
  { "socks5://proxy.test:1080", NULL, NULL, NULL },
  { "file:///etc/passwd", NULL, NULL, NULL },
  { "http://pro xy.test:1", NULL, NULL, NULL },
  { "http://a%0d%0ab:secret@proxy.test:1", NULL, NULL, NULL },
  { "http://a:secret%0a@proxy.test:1", NULL, NULL, NULL },
  { "http://a:secret%00@proxy.test:1", NULL, NULL, NULL },
  { "http://a%3Ab:secret@proxy.test:1", NULL, NULL, NULL },
  { "http://a:secret\n@proxy.test:1", NULL, NULL, NULL },
  { "http://a:secret@proxy.test\r\n:1", NULL, NULL, NULL },
  { "http://a:secret@pro%0axy.test:1", NULL, NULL, NULL },
  { "http://a:secret@127.1:1", NULL, NULL, NULL },
};

static void
test_urls_are_understood_or_refused (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (proxies); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (TurnConnectProxy) proxy = turn_connect_proxy_new (proxies[i].given, &error);

    g_test_message ("row %" G_GSIZE_FORMAT, i);
    g_assert_true ((proxy != NULL) == (proxies[i].url != NULL));
    if (proxy == NULL) {
      g_assert_nonnull (error);
      g_assert_true (error->domain == TURN_CONNECT_ERROR);
      g_assert_null (strstr (error->message, "secret"));
      continue;
    }
    g_assert_cmpstr (proxy->url, ==, proxies[i].url);
    g_assert_cmpstr (proxy->user, ==, proxies[i].user);
    g_assert_cmpstr (proxy->password, ==, proxies[i].password);
  }
}

static void
test_credentials_can_be_given_apart (void)
{
  g_autoptr (TurnConnectProxy) proxy = turn_connect_proxy_new ("http://a:b@proxy.test:1", NULL);
  g_autoptr (TurnConnectProxy) other =
      turn_connect_proxy_with_credentials (proxy, "c", "d@:/", NULL);
  g_autoptr (TurnConnectProxy) none = turn_connect_proxy_with_credentials (proxy, NULL, NULL, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_cmpstr (other->user, ==, "c");
  g_assert_cmpstr (other->password, ==, "d@:/");
  g_assert_cmpstr (other->url, ==, proxy->url);
  g_assert_null (none->user);
  g_assert_null (turn_connect_proxy_with_credentials (proxy, "c:d", "e", &error));
  g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID);
  g_assert_null (turn_connect_proxy_with_credentials (proxy, "c", "e\r\n", NULL));
  g_assert_cmpstr (proxy->user, ==, "a");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/turn-connect/proxy/urls-are-understood-or-refused",
                   test_urls_are_understood_or_refused);
  g_test_add_func ("/turn-connect/proxy/credentials-can-be-given-apart",
                   test_credentials_can_be_given_apart);
  return g_test_run ();
}
