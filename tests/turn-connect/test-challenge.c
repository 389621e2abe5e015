/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "turn-connect/proxy/challenge.h"

#include <string.h>

/* "scheme(token)[name=value|...]!" for each challenge; "!" marks what breaks the grammar. */
static char *
describe (const char *const *lines)
{
  g_autoptr (GPtrArray) challenges = turn_connect_challenges_parse (lines);
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < challenges->len; i++) {
    const TurnConnectChallenge *challenge = challenges->pdata[i];

    g_string_append_printf (text, "%s%s", i > 0 ? " " : "", challenge->scheme);
    if (challenge->token != NULL)
      g_string_append_printf (text, "(%s)", challenge->token);
    for (guint j = 0; j < challenge->names->len; j++)
      g_string_append_printf (text, "[%s=%s]", (char *)challenge->names->pdata[j],
                              (char *)challenge->values->pdata[j]);
    if (challenge->is_broken)
      g_string_append_c (text, '!');
  }
  return g_string_free (text, FALSE);
}

static const struct {
  const char *line;
  const char *expected;
} rows[] = {
  { "", "" },
  { " , ,", "" },
  { "Basic", "basic" },
  { "BASIC realm=x", "basic[realm=x]" },
  { "Basic realm=\"x y\", charset=\"UTF-8\"", "basic[realm=x y][charset=UTF-8]" },
  { "Digest realm = \"a\" ,\tqop\t=auth , Basic", "digest[realm=a][qop=auth] basic" },
  { "Digest realm=\"a, Basic realm=\\\"b\\\\\"", "digest[realm=a, Basic realm=\"b\\]" },
  { "Digest qop=\"auth,auth-int\",nonce=\"\"", "digest[qop=auth,auth-int][nonce=]" },
  { "Negotiate", "negotiate" },
  { "Negotiate YWJj", "negotiate(YWJj)" },
  { "Negotiate YWJj==, NTLM TlRM+/==", "negotiate(YWJj==) ntlm(TlRM+/==)" },
  { "Negotiate, NTLM, Basic realm=x", "negotiate ntlm basic[realm=x]" },
  { "Negotiate YW Jj", "negotiate!" },
  { "Negotiate a=, Basic", "negotiate(a=) basic" },
  { "Digest realm", "digest(realm)" },
  { "Digest realm=\"x", "digest!" },
  { "Digest realm=\"x\\", "digest!" },
  { "Digest realm=\"x\"y, nonce=z", "digest[nonce=z]!" },
  { "Digest realm=x, REALM=y", "digest[realm=x]!" },
  { "Digest realm=x, =y, nonce=z", "digest[realm=x][nonce=z]!" },
  { "Digest realm=x;y", "digest!" },
  { "realm=x, Basic", "basic" },
  { "\"Basic\", Digest nonce=x", "digest[nonce=x]" },
  { "Basic realm=\xc3\xa4", "basic!" },
  { "Basic realm=\"\xc3\xa4\"", "basic[realm=\xc3\xa4]" },
};

static void
test_lists_are_taken_apart (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    const char *lines[] = { rows[i].line, NULL };
    g_autofree char *text = describe (lines);

    g_assert_cmpstr (text, ==, rows[i].expected);
  }
}

static void
test_lines_follow_each_other (void)
{
  static const char *const lines[] = { "Negotiate", "Digest realm=x", "nonce=y, Basic", NULL };
  g_autofree char *text = describe (lines);

  /* A line does not go on with the challenge of the one before. */
  g_assert_cmpstr (text, ==, "negotiate digest[realm=x] basic");
}

static void
test_every_truncation_is_survived (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    for (gsize n = 0; n <= strlen (rows[i].line); n++) {
      g_autofree char *cut = g_strndup (rows[i].line, n);
      const char *lines[] = { cut, NULL };
      g_autofree char *text = describe (lines);
      g_autoptr (TurnConnectChallenge) info = turn_connect_challenge_parse_info (cut);

      g_assert_nonnull (text);
      g_assert_nonnull (info);
    }
  }
}

static void
test_numbers_are_bounded (void)
{
  g_autoptr (GString) many = g_string_new (NULL);
  g_autoptr (GString) long_one = g_string_new ("Digest a0=b");
  const char *lines[] = { NULL, NULL };
  g_autoptr (GPtrArray) challenges = NULL;
  g_autoptr (GPtrArray) one = NULL;

  for (int i = 1; i < 1000; i++) {
    g_string_append_printf (many, "x%d, ", i);
    g_string_append_printf (long_one, ", a%d=b", i);
  }
  lines[0] = many->str;
  challenges = turn_connect_challenges_parse (lines);
  g_assert_cmpuint (challenges->len, ==, 16);
  lines[0] = long_one->str;
  one = turn_connect_challenges_parse (lines);
  g_assert_cmpuint (one->len, ==, 1);
  g_assert_cmpuint (((TurnConnectChallenge *)one->pdata[0])->names->len, ==, 32);
  g_assert_true (((TurnConnectChallenge *)one->pdata[0])->is_broken);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/turn-connect/challenge/lists-are-taken-apart", test_lists_are_taken_apart);
  g_test_add_func ("/turn-connect/challenge/lines-follow-each-other", test_lines_follow_each_other);
  g_test_add_func ("/turn-connect/challenge/every-truncation-is-survived",
                   test_every_truncation_is_survived);
  g_test_add_func ("/turn-connect/challenge/numbers-are-bounded", test_numbers_are_bounded);
  return g_test_run ();
}
