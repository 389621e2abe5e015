/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a far end, or whoever poses as it, says by HTTP. */
#include "turn-connect/detect/far-lines.h"

#include <string.h>

#define SELF "{\"line\":\"self\",\"version\":\"1\",\"time\":1795000009000,\"tls\":true}\n"
#define UDP(rest) "{\"line\":\"listener\",\"transport\":\"udp\",\"address\":\"192.0.2.1:3478\"" rest
#define DIGITS "abababababababababababababababababababababababababababababababab"
#define EXPORTER "{\"line\":\"exporter\",\"tls\":true,\"exporter\":\"" DIGITS "\"}\n"
#define ECHO                                                                                       \
  "{\"line\":\"echo\",\"source\":\"198.51.100.2:4000\",\"digest\":\"" DIGITS                       \
  "\",\"head\":\"R0VU\"}\n"
#define END "{\"line\":\"end\",\"records\":1,\"lost\":7,\"time\":1}\n"

static guint
count_lines (const char *body, gsize length)
{
  TurnConnectFarLines lines;
  StunExtSpan line;
  guint n = 0;

  turn_connect_far_lines_begin (&lines, body, length);
  while (turn_connect_far_lines_next (&lines, &line))
    n++;
  return n;
}

static void
test_faults (void)
{
  g_autofree char *longest = g_strnfill (STUN_EXT_DETECT_LINE_MAX, ' ');
  g_autofree char *long_line = g_strdup_printf (SELF "%s\n", longest);
  g_autofree char *overlong = g_strdup_printf (SELF "%s }\n", longest);
  g_autofree char *most = g_strnfill (TURN_CONNECT_FAR_LINES_MAX, '\n');
  g_autofree char *too_many = g_strdup_printf ("%s\n", most);
  const struct {
    const char *body;
    gsize length;
    const char *fault;
    guint n;
  } rows[] = {
    { "", 0, NULL, 0 },
    { NULL, 0, NULL, 0 },
    { SELF, sizeof SELF - 1, NULL, 1 },
    { "\n\n{}\n", 5, NULL, 3 },
    { long_line, strlen (long_line), NULL, 2 },
    { most, TURN_CONNECT_FAR_LINES_MAX, NULL, TURN_CONNECT_FAR_LINES_MAX },
    { "a\0b\n", 4, "line 1 has an octet that is no text", 0 },
    { "a\n\rb\n", 5, "line 2 has an octet that is no text", 0 },
    { "a\n\tb\n", 5, "line 2 has an octet that is no text", 0 },
    { "\x7f\n", 2, "line 1 has an octet that is no text", 0 },
    { "\xc3\xa4\n", 3, "line 1 has an octet that is no text", 0 },
    { "a\nb", 3, "line 2 does not end", 0 },
    { overlong, strlen (overlong), "line 2 has more than 4096 octets", 0 },
    { too_many, TURN_CONNECT_FAR_LINES_MAX + 1, "there are more than 2048 lines", 0 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *fault = turn_connect_far_lines_find_fault (rows[i].body, rows[i].length);

    g_assert_cmpstr (fault, ==, rows[i].fault);
    g_assert_cmpuint (count_lines (rows[i].body, rows[i].length), ==, rows[i].n);
  }
}

static void
test_listeners (void)
{
  const struct {
    const char *body;
    TurnConnectCarry carry;
    guint port; /* 0: there is none */
    gint heard_ago_s;
    gboolean is_front_door;
  } rows[] = {
    { UDP (",\"door\":true,\"heard\":0}\n"), TURN_CONNECT_CARRY_UDP, 3478, -1, TRUE },
    { UDP (",\"door\":false,\"heard\":0}\n"), TURN_CONNECT_CARRY_UDP, 3478, -1, FALSE },
    { UDP (",\"door\":1,\"heard\":0}\n"), TURN_CONNECT_CARRY_UDP, 3478, -1, FALSE },
    { UDP (",\"heard\":1795000000000}\n"), TURN_CONNECT_CARRY_UDP, 3478, -1 },
    { SELF UDP (",\"heard\":1795000000000}\n"), TURN_CONNECT_CARRY_UDP, 3478, 9 },
    { SELF UDP (",\"heard\":1795000010000}\n"), TURN_CONNECT_CARRY_UDP, 3478, -1 },
    { SELF UDP (",\"heard\":0}\n"), TURN_CONNECT_CARRY_UDP, 3478, -1 },
    { SELF UDP (",\"heard\":1}\n"), TURN_CONNECT_CARRY_UDP, 3478, 1795000008 },
    { SELF UDP (",\"heard\":-1}\n"), TURN_CONNECT_CARRY_UDP, 0, 0 },
    { SELF UDP (",\"heard\":99999999999999999999}\n"), TURN_CONNECT_CARRY_UDP, 0, 0 },
    { "{\"line\":\"self\",\"time\":9007199254740992}\n" UDP (",\"heard\":1}\n"),
      TURN_CONNECT_CARRY_UDP, 3478, G_MAXINT32 },
    { "{\"line\":\"self\",\"time\":9007199254740993}\n" UDP (",\"heard\":1}\n"),
      TURN_CONNECT_CARRY_UDP, 3478, -1 },
    { UDP (",\"heard\":{}}\n"), TURN_CONNECT_CARRY_UDP, 0, 0 },
    { UDP (",\"transport\":\"tcp\"}\n"), TURN_CONNECT_CARRY_UDP, 0, 0 },
    { UDP ("\n"), TURN_CONNECT_CARRY_UDP, 0, 0 },
    { UDP ("}") "x\n", TURN_CONNECT_CARRY_UDP, 0, 0 },
    { "{\"line\":\"listener\",\"transport\":\"tcp\",\"address\":\"[2001:db8::1]:443\"}\n",
      TURN_CONNECT_CARRY_TCP, 443, -1 },
    { "{\"line\":\"listener\",\"transport\":\"sctp\",\"address\":\"192.0.2.1:443\"}\n",
      TURN_CONNECT_CARRY_TCP, 0, 0 },
    { "{\"line\":\"listener\",\"transport\":\"tcp\",\"address\":\"192.0.2.1:0\"}\n",
      TURN_CONNECT_CARRY_TCP, 0, 0 },
    { "{\"line\":\"listener\",\"transport\":\"tcp\",\"address\":\"192.0.2.1:65536\"}\n",
      TURN_CONNECT_CARRY_TCP, 0, 0 },
    { "{\"line\":\"listener\",\"transport\":\"tcp\",\"address\":443}\n", TURN_CONNECT_CARRY_TCP, 0,
      0 },
    { "{\"line\":\"record\",\"transport\":\"tcp\",\"address\":\"192.0.2.1:443\"}\n",
      TURN_CONNECT_CARRY_TCP, 0, 0 },
    { EXPORTER ECHO END, TURN_CONNECT_CARRY_UDP, 0, 0 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    TurnConnectFarLines lines;
    TurnConnectListener listener = { 0 };

    g_test_message ("%s", rows[i].body);
    turn_connect_far_lines_begin (&lines, rows[i].body, strlen (rows[i].body));
    g_assert_cmpint (turn_connect_far_lines_next_listener (&lines, &listener), ==,
                     rows[i].port != 0);
    if (rows[i].port == 0)
      continue;
    g_assert_cmpint (listener.carry, ==, rows[i].carry);
    g_assert_cmpuint (listener.port, ==, rows[i].port);
    g_assert_cmpint (listener.heard_ago_s, ==, rows[i].heard_ago_s);
    g_assert_cmpint (listener.is_front_door, ==, rows[i].is_front_door);
    g_assert_false (turn_connect_far_lines_next_listener (&lines, &listener));
  }
}

static void
test_exporter (void)
{
  const struct {
    const char *body;
    gboolean is_told, is_tls, has_keys;
  } rows[] = {
    { EXPORTER, TRUE, TRUE, TRUE },
    { SELF EXPORTER END, TRUE, TRUE, TRUE },
    { "{\"line\":\"exporter\",\"tls\":false}\n", TRUE, FALSE, FALSE },
    { "{\"line\":\"exporter\",\"tls\":true}\n", TRUE, TRUE, FALSE },
    { "{\"line\":\"exporter\",\"tls\":\"true\"}\n", TRUE, FALSE, FALSE },
    { "{\"line\":\"exporter\",\"tls\":true,\"exporter\":\"abab\"}\n", TRUE, TRUE, FALSE },
    { "{\"line\":\"exporter\",\"tls\":true,\"exporter\":\"" DIGITS "ab\"}\n", TRUE, TRUE, FALSE },
    { "{\"line\":\"exporter\",\"tls\":true}\n" EXPORTER, TRUE, TRUE, FALSE },
    { "{\"line\":\"exporter\",\"tls\":true,\"tls\":true}\n", TRUE, FALSE, FALSE },
    { ECHO, FALSE, FALSE, FALSE },
    { EXPORTER "\x01\n", FALSE, FALSE, FALSE },
    { "", FALSE, FALSE, FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    TurnConnectFarExporter exporter;

    g_test_message ("%s", rows[i].body);
    g_assert_cmpint (
        turn_connect_far_lines_read_exporter (rows[i].body, strlen (rows[i].body), &exporter), ==,
        rows[i].is_told);
    g_assert_cmpint (exporter.is_tls, ==, rows[i].is_tls);
    g_assert_cmpint (exporter.has_keys, ==, rows[i].has_keys);
    g_assert_cmpuint (exporter.keys[31], ==, rows[i].has_keys ? 0xab : 0);
  }
}

static void
test_echo (void)
{
  const struct {
    const char *body;
    gboolean is_told;
    guint16 port;
    gsize head_length;
  } rows[] = {
    { ECHO, TRUE, 4000, 4 },
    { END ECHO, TRUE, 4000, 4 },
    { "{\"line\":\"echo\",\"source\":\"me\",\"digest\":\"" DIGITS "\"}\n", TRUE, 0, 0 },
    { "{\"line\":\"echo\",\"source\":\"192.0.2.1:1\",\"digest\":\"" DIGITS "\",\"head\":1}\n", TRUE,
      1, 0 },
    { "{\"line\":\"echo\",\"digest\":\"" DIGITS "\"}\n", FALSE, 0, 0 },
    { "{\"line\":\"echo\",\"source\":\"192.0.2.1:1\",\"digest\":\"ab\"}\n", FALSE, 0, 0 },
    { "{\"line\":\"echo\",\"source\":\"192.0.2.1:1\"}\n", FALSE, 0, 0 },
    { EXPORTER, FALSE, 0, 0 },
    { ECHO "{", FALSE, 0, 0 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    TurnConnectFarEcho echo;

    g_test_message ("%s", rows[i].body);
    g_assert_cmpint (turn_connect_far_lines_read_echo (rows[i].body, strlen (rows[i].body), &echo),
                     ==, rows[i].is_told);
    g_assert_cmpuint (echo.source.port, ==, rows[i].port);
    g_assert_cmpuint (echo.head.length, ==, rows[i].head_length);
  }
}

static GString *
write_records (guint n)
{
  GString *body = g_string_new (SELF);

  for (guint i = 1; i <= n; i++) {
    StunExtDetectRecord record = { .has_run = TRUE, .probe = i, .mss = 1460 };

    stun_ext_address_parse ("192.0.2.1:443", &record.local);
    stun_ext_address_parse ("198.51.100.2:4000", &record.source);
    stun_ext_detect_record_write (&record, body);
  }
  return body;
}

static void
test_records (void)
{
  g_autofree char *body = g_string_free (write_records (3), FALSE);
  g_autofree char *ended = g_strconcat (body, END, NULL);
  TurnConnectFarLines lines;
  StunExtDetectRecord record;

  turn_connect_far_lines_begin (&lines, ended, strlen (ended));
  for (guint i = 1; i <= 3; i++) {
    g_assert_true (turn_connect_far_lines_next_record (&lines, &record));
    g_assert_cmpuint (record.probe, ==, i);
    g_assert_cmpint (lines.lost, ==, -1);
  }
  g_assert_false (turn_connect_far_lines_next_record (&lines, &record));
  g_assert_cmpint (lines.lost, ==, 7);
}

/* Of a body that is cut nothing counts but whole lines, and of one that is cut in a line nothing. */
static void
test_truncations (void)
{
  g_autoptr (GString) body = write_records (2);
  guint n_whole = 0;

  g_string_append (body, UDP ("}\n") EXPORTER ECHO END);
  for (gsize n = 0; n <= body->len; n++) {
    g_autofree char *part = g_memdup2 (body->str, MAX (n, 1)); /* without an end */
    g_autofree char *fault = turn_connect_far_lines_find_fault (part, n);
    gboolean is_whole = n == 0 || body->str[n - 1] == '\n';
    TurnConnectFarLines lines;
    TurnConnectFarExporter exporter;
    TurnConnectFarEcho echo;
    TurnConnectListener listener;
    StunExtDetectRecord record;
    guint n_records = 0;

    n_whole += n > 0 && is_whole;
    g_assert_cmpint (fault == NULL, ==, is_whole);
    g_assert_cmpuint (count_lines (part, n), ==, is_whole ? n_whole : 0);
    turn_connect_far_lines_begin (&lines, part, n);
    while (turn_connect_far_lines_next_record (&lines, &record))
      n_records++;
    g_assert_cmpuint (n_records, ==, !is_whole || n_whole == 0 ? 0 : MIN (n_whole - 1, 2));
    turn_connect_far_lines_begin (&lines, part, n);
    g_assert_cmpint (turn_connect_far_lines_next_listener (&lines, &listener), ==,
                     is_whole && n_whole >= 4);
    g_assert_cmpint (turn_connect_far_lines_read_exporter (part, n, &exporter), ==,
                     is_whole && n_whole >= 5);
    g_assert_cmpint (turn_connect_far_lines_read_echo (part, n, &echo), ==,
                     is_whole && n_whole >= 6);
  }
}

/* Each octet in turn is one that no far end writes there. */
static void
test_lies (void)
{
  static const char octets[] = { '\0', '\n', '\r', '"', '}', '{', ',', '9', '\\', '\x7f', '\xff' };
  const char *whole = SELF UDP ("}\n") EXPORTER ECHO END;
  gsize length = strlen (whole);

  for (gsize i = 0; i < length; i++) {
    for (gsize j = 0; j < G_N_ELEMENTS (octets); j++) {
      g_autofree char *body = g_memdup2 (whole, length);
      gboolean is_text = octets[j] == '\n' || (octets[j] >= ' ' && octets[j] <= '~');
      TurnConnectFarExporter exporter;
      TurnConnectFarEcho echo;

      body[i] = octets[j];
      if (!is_text)
        g_assert_cmpuint (count_lines (body, length), ==, 0);
      g_assert_true (!turn_connect_far_lines_read_exporter (body, length, &exporter) || is_text);
      g_assert_true (!turn_connect_far_lines_read_echo (body, length, &echo) || is_text);
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/turn-connect/detect-far-lines/what-no-far-end-writes-is-refused-and-named",
                   test_faults);
  g_test_add_func ("/turn-connect/detect-far-lines/where-it-listens", test_listeners);
  g_test_add_func ("/turn-connect/detect-far-lines/which-tls-it-sees", test_exporter);
  g_test_add_func ("/turn-connect/detect-far-lines/which-request-arrived", test_echo);
  g_test_add_func ("/turn-connect/detect-far-lines/what-it-recorded", test_records);
  g_test_add_func ("/turn-connect/detect-far-lines/of-a-cut-body-nothing-but-whole-lines-count",
                   test_truncations);
  g_test_add_func ("/turn-connect/detect-far-lines/octets-that-lie-are-survived", test_lies);
  return g_test_run ();
}
