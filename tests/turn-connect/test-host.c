/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "turn-connect/host.h"

#include "turn-connect/error.h"

static const struct {
  const char *given;
  const char *normal; /* NULL: refused */
} hosts[] = {
  { "example.org", "example.org" },
  { "EXAMPLE.Org.", "example.org" },
  { "a", "a" },
  { "_sip.example.org", "_sip.example.org" },
  { "b\xc3\xbc"
    "cher.example",
    "xn--bcher-kva.example" },
  { "192.0.2.1", "192.0.2.1" },
  { "2001:DB8:0::1", "2001:db8::1" },
  { "[2001:db8::1]", "2001:db8::1" },
  { "::ffff:192.0.2.1", "::ffff:192.0.2.1" },
  { "", NULL },
  { ".", NULL },
  { "a..b", NULL },
  { ".a", NULL },
  { "a..", NULL },
  { "[]", NULL },
  { "[example.org]x", NULL },
  { "127.1", NULL },
  { "2130706433", NULL },
  { "999.999.999.999", NULL },
  { "fe80::1%eth0", NULL },
  { "a b", NULL },
  { "cut\xdb", NULL }, /* the first octet of a longer character */
  { "a\tb", NULL },
  { "a\r\nHost: b", NULL },
  { "a\nb", NULL },
  { "user@host", NULL },
  { "host:80", NULL },
  { "http://host", NULL },
  { "host/path", NULL },
  { "host?x", NULL },
  { "host#x", NULL },
  { "a%00b", NULL },
  { "a\\b", NULL },
  { "a,b", NULL },
  { "\xff\xfe", NULL },
};

static void
test_one_form_or_refusal (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (hosts); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *normal = turn_connect_host_normalise (hosts[i].given, &error);

    g_test_message ("row %" G_GSIZE_FORMAT, i);
    g_assert_cmpstr (normal, ==, hosts[i].normal);
    if (hosts[i].normal == NULL)
      g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID);
    else
      g_assert_no_error (error);
  }
}

static void
test_lengths_are_bounded (void)
{
  g_autofree char *label = g_strnfill (64, 'a');
  g_autofree char *name = g_strnfill (254, 'a');
  g_autofree char *huge = g_strnfill (1000000, 'a');

  for (int i = 63; i < 254; i += 64)
    name[i] = '.';
  g_assert_null (turn_connect_host_normalise (label, NULL));
  g_assert_null (turn_connect_host_normalise (name, NULL));
  g_assert_null (turn_connect_host_normalise (huge, NULL));
}

static void
test_joined_ipv6_is_in_brackets (void)
{
  g_autofree char *ipv6 = turn_connect_host_join ("2001:db8::1", 443);
  g_autofree char *name = turn_connect_host_join ("example.org", 80);

  g_assert_cmpstr (ipv6, ==, "[2001:db8::1]:443");
  g_assert_cmpstr (name, ==, "example.org:80");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/turn-connect/host/one-form-or-refusal", test_one_form_or_refusal);
  g_test_add_func ("/turn-connect/host/lengths-are-bounded", test_lengths_are_bounded);
  g_test_add_func ("/turn-connect/host/joined-ipv6-is-in-brackets",
                   test_joined_ipv6_is_in_brackets);
  return g_test_run ();
}
