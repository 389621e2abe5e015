/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/cli.h"

#include <math.h>

static const struct {
  const char *text;
  const char *json;
} quoted[] = {
  { "", "\"\"" },
  { "plain", "\"plain\"" },
  { "a\"b\\c", "\"a\\\"b\\\\c\"" },
  { "\n\t\x01", "\"\\u000a\\u0009\\u0001\"" },
  { "\x7f\xc2\x9b", "\"\\u007f\\u009b\"" },
  { "\xe2\x80\xa8\xe2\x80\xa9", "\"\\u2028\\u2029\"" },
  { "M\xc3\xbcller \xf0\x9f\x98\x80", "\"M\xc3\xbcller \xf0\x9f\x98\x80\"" },
  { "a\xff"
    "b",
    "\"a\xef\xbf\xbd"
    "b\"" },
};

static void
test_texts_are_quoted (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (quoted); i++) {
    g_autoptr (GString) out = g_string_new (NULL);

    cli_json_append_quoted (out, quoted[i].text);
    g_assert_cmpstr (out->str, ==, quoted[i].json);
  }
}

static void
test_objects_have_commas_between_members (void)
{
  g_autoptr (GString) out = g_string_new (NULL);

  cli_json_begin (out);
  cli_json_text (out, "event", "open{");
  cli_json_text (out, "cause", NULL);
  cli_json_integer (out, "packets", G_MININT64);
  cli_json_real (out, "delay_ms", 1.5);
  cli_json_real (out, "jitter_ms", NAN);
  cli_json_boolean (out, "is_lost", FALSE);
  cli_json_raw (out, "inner", "{\"a\":[1]}");
  cli_json_boolean (out, "last", TRUE);
  cli_json_end (out);
  g_assert_cmpstr (out->str, ==,
                   "{\"event\":\"open{\",\"cause\":null,\"packets\":-9223372036854775808,"
                   "\"delay_ms\":1.5,\"jitter_ms\":null,\"is_lost\":false,"
                   "\"inner\":{\"a\":[1]},\"last\":true}");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tools/cli/texts-are-quoted", test_texts_are_quoted);
  g_test_add_func ("/tools/cli/objects-have-commas-between-members",
                   test_objects_have_commas_between_members);
  return g_test_run ();
}
