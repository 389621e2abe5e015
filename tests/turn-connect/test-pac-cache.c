/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "turn-connect/proxy/pac-cache.h"

#include <string.h>

static TurnConnectNetwork home = { .place = (char *)"eth0 192.0.2.1" };
static TurnConnectNetwork office = { .place = (char *)"wlan0 198.51.100.1" };

static void
put (const char *url,
     TurnConnectTlsOptions *tls,
     const TurnConnectNetwork *network,
     const char *text,
     gint64 now)
{
  g_autoptr (GBytes) script = g_bytes_new (text, strlen (text));

  turn_connect_pac_cache_put (url, tls, network, script, now);
}

static void
assert_kept (const char *url,
             TurnConnectTlsOptions *tls,
             const TurnConnectNetwork *network,
             gint64 now,
             const char *text)
{
  g_autoptr (GBytes) script = turn_connect_pac_cache_get (url, tls, network, now);
  gsize length = 0;
  const char *octets = script != NULL ? g_bytes_get_data (script, &length) : NULL;
  g_autofree char *got = octets != NULL ? g_strndup (octets, length) : NULL;

  g_assert_cmpstr (got, ==, text);
}

static void
test_kept_for_its_time (void)
{
  const gint64 then = 1000;

  assert_kept ("http://time.test/", NULL, &home, then, NULL);
  put ("http://time.test/", NULL, &home, "one", then);
  assert_kept ("http://time.test/", NULL, &home, then, "one");
  assert_kept ("http://time.test/", NULL, &home, then + TURN_CONNECT_PAC_KEPT_US - 1, "one");
  assert_kept ("http://time.test/", NULL, &home, then + TURN_CONNECT_PAC_KEPT_US, NULL);
  put ("http://time.test/", NULL, &home, "two", then);
  put ("http://time.test/", NULL, &home, "three", then + 1);
  assert_kept ("http://time.test/", NULL, &home, then + TURN_CONNECT_PAC_KEPT_US, "three");
}

static void
test_each_place_trust_and_network_apart (void)
{
  g_autoptr (TurnConnectTlsOptions) strict = turn_connect_tls_options_new ();

  put ("https://one.test/", NULL, &home, "usual", 1);
  assert_kept ("https://two.test/", NULL, &home, 1, NULL);
  assert_kept ("https://one.test/", strict, &home, 1, NULL);
  assert_kept ("https://one.test/", NULL, &office, 1, NULL);
  put ("https://one.test/", strict, &home, "strict", 1);
  put ("https://one.test/", NULL, &office, "office", 1);
  assert_kept ("https://one.test/", NULL, &home, 1, "usual");
  assert_kept ("https://one.test/", strict, &home, 1, "strict");
  assert_kept ("https://one.test/", NULL, &office, 1, "office");
}

static void
test_oldest_goes (void)
{
  const int n = TURN_CONNECT_PAC_KEPT_MAX + 1;

  for (int i = 0; i < n; i++) {
    g_autofree char *url = g_strdup_printf ("http://%d.test/", i);

    put (url, NULL, &home, url, 10000 + i);
  }
  for (int i = 0; i < n; i++) {
    g_autofree char *url = g_strdup_printf ("http://%d.test/", i);

    assert_kept (url, NULL, &home, 20000, i == 0 ? NULL : url);
  }
}

/* Many at once, under the sanitizers. */
static gpointer
use (gpointer data)
{
  for (int i = 0; i < 2000; i++) {
    g_autofree char *url = g_strdup_printf ("http://%d.test/", i % 20);
    g_autoptr (GBytes) script = NULL;

    put (url, NULL, &home, url, 30000 + i);
    script = turn_connect_pac_cache_get (url, NULL, &home, 30000 + i);
    g_assert_true (script == NULL || g_bytes_get_size (script) == strlen (url));
  }
  return NULL;
}

static void
test_any_thread (void)
{
  GThread *threads[4];

  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("user", use, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add_func ("/turn-connect/pac-cache/" name, func)
  ADD ("a-file-is-kept-for-its-time", test_kept_for_its_time);
  ADD ("each-place-trust-and-network-apart", test_each_place_trust_and_network_apart);
  ADD ("the-oldest-goes", test_oldest_goes);
  ADD ("any-thread", test_any_thread);
  return g_test_run ();
}
