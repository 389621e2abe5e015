/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "turn-connect/turn/uri.h"

#include <string.h>

#define LONG_LABEL "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
  const char *given;
  const char *text;
  const char *host;
  guint port;
  const char *transports;
} good[] = {
  /* The examples of RFC 7065 appendix A. */
  { "turn:example.org", "turn:example.org", "example.org", 3478, "udp tcp" },
  { "turns:example.org", "turns:example.org", "example.org", 5349, "tls dtls" },
  { "turn:example.org:8000", "turn:example.org:8000", "example.org", 8000, "udp tcp" },
  { "turn:example.org?transport=udp", "turn:example.org?transport=udp", "example.org", 3478,
    "udp" },
  { "turn:example.org?transport=tcp", "turn:example.org?transport=tcp", "example.org", 3478,
    "tcp" },
  { "turns:example.org?transport=tcp", "turns:example.org?transport=tcp", "example.org", 5349,
    "tls" },
  { "turns:example.org?transport=udp", "turns:example.org?transport=udp", "example.org", 5349,
    "dtls" },
  { "stun:example.org", "stun:example.org", "example.org", 3478, "udp tcp" },
  { "stuns:example.org:443", "stuns:example.org:443", "example.org", 443, "tls dtls" },
  /* One form. */
  { "TURNS:Example.ORG:443?TRANSPORT=TCP", "turns:example.org:443?transport=tcp", "example.org",
    443, "tls" },
  { "turn:example.org.", "turn:example.org", "example.org", 3478, "udp tcp" },
  { "turn:example.org:", "turn:example.org", "example.org", 3478, "udp tcp" },
  { "turn:example.org:00443", "turn:example.org:443", "example.org", 443, "udp tcp" },
  { "turn:%65xample.org", "turn:example.org", "example.org", 3478, "udp tcp" },
  { "turn:b%C3%BCcher.example", "turn:xn--bcher-kva.example", "xn--bcher-kva.example", 3478,
    "udp tcp" },
  { "turn:192.0.2.1:1", "turn:192.0.2.1:1", "192.0.2.1", 1, "udp tcp" },
  { "turns:[2001:DB8:0::1]:65535", "turns:[2001:db8::1]:65535", "2001:db8::1", 65535, "tls dtls" },
  { "turn:[::1]", "turn:[::1]", "::1", 3478, "udp tcp" },
  { "turn:[::ffff:192.0.2.1]", "turn:[::ffff:192.0.2.1]", "::ffff:192.0.2.1", 3478, "udp tcp" },
  /* A transport of the future is a URI all the same. */
  { "turn:example.org?transport=Q~u.i-c_2", "turn:example.org?transport=q~u.i-c_2", "example.org",
    3478, "" },
};

static const char *const bad[] = {
  "",
  "turn",
  "turn:",
  "turn::",
  "turn::3478",
  "turns:?transport=tcp",
  "http:example.org",
  "sturn:example.org",
  "turnsx:example.org",
  " turn:example.org",
  "turn:example.org ",
  "turn://example.org",
  "turns://example.org:443",
  "turn:/example.org",
  "turn:user@example.org",
  "turn:user:secret@example.org",
  "turn:user%40example.org",
  "turn:example.org/",
  "turn:example.org:3478/path",
  "turn:example.org#fragment",
  "turn:example.org:3478#fragment",
  "turn:example.org:0",
  "turn:example.org:65536",
  "turn:example.org:99999999999999999999",
  "turn:example.org:-1",
  "turn:example.org:+1",
  "turn:example.org: 1",
  "turn:example.org:0x50",
  "turn:example.org:80:90",
  "turn:2001:db8::1",
  "turn:::1",
  "turn:[2001:db8::1",
  "turn:2001:db8::1]",
  "turn:[]",
  "turn:[]:1",
  "turn:[[::1]]",
  "turn:[::1]]",
  "turn:[::1]x",
  "turn:[::1]x:1",
  "turn:x[::1]:1",
  "turn:[192.0.2.1]",
  "turn:[example.org]",
  "turn:[dead.beef]",
  "turn:[::1%25eth0]",
  "turn:[fe80::1%eth0]",
  "turn:[v1.fe]",
  "turn:%5B::1%5D",
  "turn:%5B%3A%3A1%5D",
  "turn:%3A%3A1",
  "turn:127.1",
  "turn:2130706433",
  "turn:1.2.3.256",
  "turn:example..org",
  "turn:.org",
  "turn:" LONG_LABEL ".org",
  "turn:exa mple.org",
  "turn:exa\tmple.org",
  "turn:example.org\r\nX: y",
  "turn:exa%0d%0ample.org",
  "turn:exa%00mple.org",
  "turn:exa%20mple.org",
  "turn:exa%2Fmple.org",
  "turn:exa%25mple.org",
  "turn:exa%ff%femple.org",
  "turn:b\xc3\xbc"
  "cher.example", /* not percent-encoded */
  "turn:example%",
  "turn:example%4",
  "turn:example%zz",
  "turn:exa,mple.org",
  "turn:*",
  "turn:$host",
  "turn:example.org?",
  "turn:example.org?transport",
  "turn:example.org?transport=",
  "turn:example.org?transport=tcp&x=y",
  "turn:example.org?transport=tcp?transport=udp",
  "turn:example.org?transport=t%63p",
  "turn:example.org?transport=tcp ",
  "turn:example.org?transport=" LONG_LABEL,
  "turn:example.org?x=y",
  "turn:example.org?x=y&transport=tcp",
  "turn:example.org&transport=tcp",
  "stun:example.org?transport=udp",
  "stuns:example.org?transport=tcp",
};

static char *
join_transports (TurnConnectUri *uri)
{
  TurnConnectTransport found[TURN_CONNECT_N_TRANSPORTS];
  guint n = turn_connect_uri_get_transports (uri, found);
  GString *joined = g_string_new (NULL);

  for (guint i = 0; i < n; i++)
    g_string_append_printf (joined, "%s%s", i == 0 ? "" : " ",
                            turn_connect_transport_to_string (found[i]));
  return g_string_free (joined, FALSE);
}

static void
test_good_ones_get_one_form (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (good); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (TurnConnectUri) uri = turn_connect_uri_new (good[i].given, &error);
    g_autoptr (TurnConnectUri) again = NULL;
    g_autofree char *transports = NULL;

    g_test_message ("%s", good[i].given);
    g_assert_no_error (error);
    g_assert_cmpstr (turn_connect_uri_to_string (uri), ==, good[i].text);
    g_assert_cmpstr (turn_connect_uri_get_host (uri), ==, good[i].host);
    g_assert_cmpuint (turn_connect_uri_get_effective_port (uri), ==, good[i].port);
    transports = join_transports (uri);
    g_assert_cmpstr (transports, ==, good[i].transports);
    g_assert_true (g_str_has_prefix (good[i].text, turn_connect_uri_get_scheme (uri)));
    again = turn_connect_uri_new (turn_connect_uri_to_string (uri), NULL);
    g_assert_cmpstr (turn_connect_uri_to_string (again), ==, good[i].text);
  }
}

static void
test_bad_ones_are_refused_without_being_quoted (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (TurnConnectUri) uri = turn_connect_uri_new (bad[i], &error);

    g_test_message ("row %" G_GSIZE_FORMAT, i);
    g_assert_null (uri);
    g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID);
    g_assert_null (strstr (error->message, "secret"));
    g_assert_true (g_str_is_ascii (error->message));
  }
}

static void
test_every_cut_and_every_octet_is_survived (void)
{
  const char *const whole = "turns:[2001:db8::1]:443?transport=tcp";

  for (gsize length = 0; length <= strlen (whole); length++) {
    g_autofree char *cut = g_strndup (whole, length);
    g_autoptr (TurnConnectUri) uri = turn_connect_uri_new (cut, NULL);

    for (guint octet = 1; octet < 256 && length < strlen (whole); octet++) {
      g_autofree char *changed = g_strdup (whole);
      g_autoptr (TurnConnectUri) other = NULL;

      changed[length] = (char)octet;
      other = turn_connect_uri_new (changed, NULL);
      if (other != NULL)
        g_assert_true (g_str_is_ascii (turn_connect_uri_to_string (other)));
    }
  }
}

static void
test_what_was_not_given_is_not_made_up (void)
{
  g_autoptr (TurnConnectUri) bare = turn_connect_uri_new ("turns:192.0.2.1", NULL);
  g_autoptr (TurnConnectUri) full = turn_connect_uri_new ("turn:a.test:1?transport=udp", NULL);
  g_autoptr (TurnConnectUri) stun = turn_connect_uri_new ("stuns:a.test", NULL);

  g_assert_cmpuint (turn_connect_uri_get_port (bare), ==, 0);
  g_assert_null (turn_connect_uri_get_transport (bare));
  g_assert_true (turn_connect_uri_is_address (bare));
  g_assert_true (turn_connect_uri_is_secure (bare));
  g_assert_true (turn_connect_uri_is_turn (bare));
  g_assert_cmpuint (turn_connect_uri_get_port (full), ==, 1);
  g_assert_cmpstr (turn_connect_uri_get_transport (full), ==, "udp");
  g_assert_false (turn_connect_uri_is_address (full));
  g_assert_false (turn_connect_uri_is_secure (full));
  g_assert_false (turn_connect_uri_is_turn (stun));
}

static void
test_it_is_a_boxed_type (void)
{
  g_autoptr (TurnConnectUri) uri = turn_connect_uri_new ("turn:a.test", NULL);
  g_auto (GValue) value = G_VALUE_INIT;

  g_value_init (&value, TURN_CONNECT_TYPE_URI);
  g_value_set_boxed (&value, uri);
  g_assert_true (g_value_get_boxed (&value) == uri);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/turn-connect/turn-uri/good-ones-get-one-form", test_good_ones_get_one_form);
  g_test_add_func ("/turn-connect/turn-uri/bad-ones-are-refused-without-being-quoted",
                   test_bad_ones_are_refused_without_being_quoted);
  g_test_add_func ("/turn-connect/turn-uri/every-cut-and-every-octet-is-survived",
                   test_every_cut_and_every_octet_is_survived);
  g_test_add_func ("/turn-connect/turn-uri/what-was-not-given-is-not-made-up",
                   test_what_was_not_given_is_not_made_up);
  g_test_add_func ("/turn-connect/turn-uri/it-is-a-boxed-type", test_it_is_a_boxed_type);
  return g_test_run ();
}
