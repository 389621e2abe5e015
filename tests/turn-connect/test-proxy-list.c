/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "turn-connect/proxy/exempt.h"
#include "turn-connect/proxy/list.h"

#include "turn-connect/error.h"

#include <string.h>

/* "http://a:1 direct", or "!" with the code. */
static char *
describe (GPtrArray *owned, GError **place)
{
  const GError *error = *place;
  g_autoptr (GPtrArray) ways = owned;
  GString *text = g_string_new (NULL);

  g_assert_true ((ways == NULL) == (error != NULL));
  if (error != NULL) {
    g_assert_true (error->domain == TURN_CONNECT_ERROR);
    g_assert_null (strstr (error->message, "secret"));
    g_string_printf (text, "!%d", error->code);
    return g_string_free (text, FALSE);
  }
  g_assert_cmpuint (ways->len, >, 0);
  for (guint i = 0; i < ways->len; i++) {
    const TurnConnectProxy *proxy = ways->pdata[i];

    g_string_append_printf (text, "%s%s", i > 0 ? " " : "", proxy != NULL ? proxy->url : "direct");
    if (proxy != NULL && proxy->user != NULL)
      g_string_append_printf (text, "(%s)", proxy->user);
  }
  return g_string_free (text, FALSE);
}

#define INVALID "!0"
#define UNSUPPORTED "!1"

typedef struct {
  const char *said;
  const char *ways;
} Row;

static const Row pac_rows[] = {
  { "DIRECT", "direct" },
  { "direct\n", "direct" },
  { "PROXY a:3128", "http://a:3128" },
  { "proxy a", "http://a:80" },
  { "HTTP a:8080; HTTPS b; PROXY [::1]:1;DIRECT;",
    "http://a:8080 https://b:443 http://[::1]:1 direct" },
  { " PROXY\ta:1 ;; DIRECT", "http://a:1 direct" },
  { "DIRECT; PROXY a:1", "direct http://a:1" },
  { "SOCKS a:1; PROXY b:1", "http://b:1" },
  { "SOCKS5 a:1; DIRECT", UNSUPPORTED },
  { "SOCKS5 a:1; DIRECT; PROXY b:1; DIRECT", "http://b:1" },
  { "PROXY b:1; SOCKS a:1; DIRECT", "http://b:1" },
  { "DIRECT; SOCKS a:1; DIRECT", "direct" },
  { "SOCKS a:1; socks4 b:2", UNSUPPORTED },
  { "", INVALID },
  { ";;", INVALID },
  { "null", INVALID },
  { "undefined", INVALID },
  { "false", INVALID },
  { "PROXY", INVALID },
  { "PROXY ;DIRECT", INVALID },
  { "PROXY a:1 b:2; DIRECT", INVALID },
  { "PROXY a:0; DIRECT", INVALID },
  { "PROXY a:65536; DIRECT", INVALID },
  { "PROXY a b; DIRECT", INVALID },
  { "PROXY http://a:1; DIRECT", INVALID },
  { "PROXY user:secret@a:1; DIRECT", INVALID },
  { "PROXY a:1/x; DIRECT", INVALID },
  { "PROXY a:1?x; DIRECT", INVALID },
  { "QUIC a:1; DIRECT", INVALID },
  { "DIRECT a", INVALID },
  { "PROXY a:1, DIRECT", INVALID },
  { "PROXYa:1; DIRECT", INVALID },
  { "PROXY 127.1:1; DIRECT", INVALID },
};

static void
test_pac_results (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (pac_rows); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *ways =
        describe (turn_connect_proxy_list_parse_pac (pac_rows[i].said, &error), &error);

    g_test_message ("%s", pac_rows[i].said);
    g_assert_cmpstr (ways, ==, pac_rows[i].ways);
  }
}

static void
test_number_of_ways_is_bounded (void)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GPtrArray) ways = NULL;

  for (int i = 0; i < 1000; i++)
    g_string_append (text, "PROXY a:1;DIRECT;");
  ways = turn_connect_proxy_list_parse_pac (text->str, NULL);
  g_assert_cmpuint (ways->len, ==, 16);
}

static const Row url_rows[] = {
  { "direct://\n", "direct" },
  { "http://a:3128/ direct://", "http://a:3128 direct" },
  { "http://u:secret@a https://b", "http://a:80(u) https://b:443" },
  { "socks://a:1 http://b:1", "http://b:1" },
  { "socks5://u:secret@a:1", UNSUPPORTED },
  { "socks5://u:secret@a:1 direct://", UNSUPPORTED },
  { "socks5://u:secret@a:1 http://b:1 direct://", "http://b:1" },
  { "", INVALID },
  { "a:3128", INVALID },
  { "ftp://u:secret@a:1 direct://", INVALID },
  { "http://u:secret@a:99999 direct://", INVALID },
};

static void
test_what_libproxy_says (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (url_rows); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *ways =
        describe (turn_connect_proxy_list_parse_urls (url_rows[i].said, &error), &error);

    g_test_message ("%s", url_rows[i].said);
    g_assert_cmpstr (ways, ==, url_rows[i].ways);
  }
}

static const char *const *variables; /* name, value, ... */

static const char *
get (const char *name)
{
  for (const char *const *at = variables; *at != NULL; at += 2) {
    if (strcmp (*at, name) == 0)
      return at[1];
  }
  return NULL;
}

static const struct {
  const char *variables[7];
  const char *ways;
  gboolean is_set;
} environments[] = {
  { { NULL }, "direct", FALSE },
  { { "https_proxy", "http://a:1" }, "http://a:1", TRUE },
  { { "https_proxy", "a:1", "HTTPS_PROXY", "b:1", "all_proxy", "c:1" }, "http://a:1", TRUE },
  { { "https_proxy", "", "HTTPS_PROXY", "b:1", "all_proxy", "c:1" }, "http://b:1", TRUE },
  { { "ALL_PROXY", "d:1", "all_proxy", "c:1" }, "http://c:1", TRUE },
  { { "ALL_PROXY", "https://d", "http_proxy", "e:1" }, "https://d:443", TRUE },
  { { "http_proxy", "http://u:secret@e:1" }, "http://e:1(u)", TRUE },
  { { "HTTP_PROXY", "e:1" }, "direct", FALSE },
  { { "https_proxy", "a:1", "no_proxy", "other.test" }, "http://a:1", TRUE },
  { { "https_proxy", "a:1", "no_proxy", "other.test, .host.test" }, "direct", TRUE },
  { { "https_proxy", "a:1", "NO_PROXY", "*" }, "direct", TRUE },
  { { "https_proxy", "a:1", "no_proxy", "x", "NO_PROXY", "*" }, "http://a:1", TRUE },
  { { "https_proxy", "socks5://u:secret@a:1" }, UNSUPPORTED, TRUE },
  { { "https_proxy", "http://u:secret@a b" }, INVALID, TRUE },
  { { "https_proxy", "http://u:secret@a:0", "all_proxy", "b:1" }, INVALID, TRUE },
};

static void
test_environments (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (environments); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *ways = NULL;
    gboolean is_set;

    variables = environments[i].variables;
    ways = describe (
        turn_connect_proxy_list_from_environment (get, "the.host.test", 443, &is_set, &error),
        &error);
    g_test_message ("%" G_GSIZE_FORMAT, i);
    g_assert_cmpstr (ways, ==, environments[i].ways);
    g_assert_cmpint (is_set, ==, environments[i].is_set);
    if (error != NULL)
      g_assert_nonnull (strstr (error->message, "https_proxy"));
  }
}

static const struct {
  const char *list;
  const char *host;
  guint16 port;
  gboolean is_exempt;
} exemptions[] = {
  { "", "a.test", 443, FALSE },
  { ",, ", "a.test", 443, FALSE },
  { "*", "a.test", 443, TRUE },
  { "*", "::1", 443, TRUE },
  { "a.test", "a.test", 443, TRUE },
  { "A.Test.", "a.test", 443, TRUE },
  { "a.test", "b.a.test", 443, TRUE },
  { "a.test", "ba.test", 443, FALSE },
  { ".a.test", "a.test", 443, TRUE },
  { "*.a.test", "b.a.test", 443, TRUE },
  { "b.a.test", "a.test", 443, FALSE },
  { "test", "a.test", 443, TRUE },
  { "a.test:443", "a.test", 443, TRUE },
  { "a.test:444", "a.test", 443, FALSE },
  { "a.test:", "a.test", 443, FALSE },
  { "a.test:x", "a.test", 443, FALSE },
  { "b.test a.test", "a.test", 443, TRUE },
  { "b.test,a.test", "a.test", 443, TRUE },
  { "192.0.2.1", "192.0.2.1", 443, TRUE },
  { "192.0.2.1:443", "192.0.2.1", 443, TRUE },
  { "192.0.2.1:80", "192.0.2.1", 443, FALSE },
  { "2.1", "192.0.2.1", 443, FALSE },
  { "192.0.2.0/24", "192.0.2.200", 443, TRUE },
  { "192.0.2.77/24", "192.0.2.200", 443, TRUE },
  { "192.0.2.0/24:443", "192.0.2.200", 443, TRUE },
  { "192.0.2.0/24", "192.0.3.1", 443, FALSE },
  { "192.0.2.0/25", "192.0.2.200", 443, FALSE },
  { "0.0.0.0/0", "192.0.2.1", 443, TRUE },
  { "0.0.0.0/0", "::1", 443, FALSE },
  { "192.0.2.0/33", "192.0.2.1", 443, FALSE },
  { "192.0.2.0/", "192.0.2.1", 443, FALSE },
  { "192.0.2.0/-1", "192.0.2.1", 443, FALSE },
  { "/8", "10.0.0.1", 443, FALSE },
  { "192.0.2.0/24", "a.test", 443, FALSE },
  { "::1", "::1", 443, TRUE },
  { "[::1]", "::1", 443, TRUE },
  { "[::1]:443", "::1", 443, TRUE },
  { "[::1]:80", "::1", 443, FALSE },
  { "0:0:0:0:0:0:0:1", "::1", 443, TRUE },
  { "2001:db8::/32", "2001:db8:1::5", 443, TRUE },
  { "2001:db8::/32", "2001:db9::5", 443, FALSE },
  { "a.test\x01", "a.test", 443, FALSE },
  { "b\xc3\xbc"
    "cher.test",
    "xn--bcher-kva.test", 443, TRUE },
  { "b\xc3", "b", 443, FALSE },
};

static void
test_exemptions (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (exemptions); i++) {
    g_autofree char *shown = g_strescape (exemptions[i].list, NULL);

    g_test_message ("%s for %s", shown, exemptions[i].host);
    g_assert_cmpint (
        turn_connect_proxy_is_exempt (exemptions[i].list, exemptions[i].host, exemptions[i].port),
        ==, exemptions[i].is_exempt);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/turn-connect/proxy-list/pac-results", test_pac_results);
  g_test_add_func ("/turn-connect/proxy-list/number-of-ways-is-bounded",
                   test_number_of_ways_is_bounded);
  g_test_add_func ("/turn-connect/proxy-list/what-libproxy-says", test_what_libproxy_says);
  g_test_add_func ("/turn-connect/proxy-list/environments", test_environments);
  g_test_add_func ("/turn-connect/proxy-list/exemptions", test_exemptions);
  return g_test_run ();
}
