/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a far end, or whoever poses as it, says of the request that it got. */
#include "turn-connect/detect/transparent.h"

#include "stun-ext/crypto.h"

#include <string.h>

#define SENT "GET / HTTP/1.1\r\nHost: far.example\r\nx-TeP-oDd: As It Was  Written\r\n\r\n"
#define WRONG "0000000000000000000000000000000000000000000000000000000000000000"
#define BEGIN "{\"line\":\"echo\",\"source\":\"198.51.100.2:4000\",\"digest\":\""

static char *
digest_of (const char *text)
{
  const StunExtSpan part = { text, strlen (text) };
  guint8 digest[32];
  GString *hex = g_string_new (NULL);

  g_assert_true (stun_ext_crypto_digest (STUN_EXT_HASH_SHA256, &part, 1, digest));
  for (gsize i = 0; i < sizeof digest; i++)
    g_string_append_printf (hex, "%02x", digest[i]);
  return g_string_free (hex, FALSE);
}

static void
test_answers (void)
{
  g_autofree char *right = digest_of (SENT);
  g_autofree char *with_via =
      g_base64_encode ((const guchar *)"GET / HTTP/1.1\r\nVia: 1.1 box\r\n\r\n", 32);
  const struct {
    const char *digest, *rest;
    TurnConnectOutcome outcome;
    const char *added;
  } rows[] = {
    { right, "\"}\n", TURN_CONNECT_OUTCOME_PROOF, NULL },
    { WRONG, "\"}\n", TURN_CONNECT_OUTCOME_ALTERED, NULL },
    { WRONG, "\",\"head\":\"\"}\n", TURN_CONNECT_OUTCOME_ALTERED, NULL },
    { WRONG, "\",\"head\":\"=\"}\n", TURN_CONNECT_OUTCOME_ALTERED, NULL },
    { WRONG, "\",\"head\":\"AAAA\"}\n", TURN_CONNECT_OUTCOME_ALTERED, NULL },
    { WRONG, "\",\"head\":\"!\"}\n", TURN_CONNECT_OUTCOME_ALTERED, NULL },
    { WRONG, "\",\"head\":5}\n", TURN_CONNECT_OUTCOME_ALTERED, NULL },
    { WRONG, NULL, TURN_CONNECT_OUTCOME_ALTERED, "Via" },
    { "00", "\"}\n", TURN_CONNECT_OUTCOME_UNSUPPORTED, NULL },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *own = g_strdup_printf ("\",\"head\":\"%s\"}\n", with_via);
    g_autofree char *body =
        g_strconcat (BEGIN, rows[i].digest, rows[i].rest != NULL ? rows[i].rest : own, NULL);
    g_autoptr (TurnConnectObservations) observations = turn_connect_observations_new ();
    TurnConnectProbe *probe =
        turn_connect_observations_add (observations, TURN_CONNECT_PROBE_PROXY, "transparent");

    g_test_message ("%s", body);
    g_assert_cmpint (turn_connect_transparent_compare (probe, SENT, body, strlen (body)), ==,
                     rows[i].outcome);
    g_assert_cmpstr (turn_connect_probe_get_fact (probe, "added"), ==, rows[i].added);
  }
}

static void
test_truncations (void)
{
  g_autofree char *body = g_strdup (BEGIN WRONG "\",\"head\":\"R0VUIC8=\"}\n");

  for (gsize n = 0; n <= strlen (body); n++) {
    g_autofree char *part = g_memdup2 (body, MAX (n, 1)); /* without an end */
    g_autoptr (TurnConnectObservations) observations = turn_connect_observations_new ();
    TurnConnectProbe *probe =
        turn_connect_observations_add (observations, TURN_CONNECT_PROBE_PROXY, "transparent");

    turn_connect_transparent_compare (probe, SENT, part, n);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/turn-connect/detect-transparent/every-kind-of-answer", test_answers);
  g_test_add_func ("/turn-connect/detect-transparent/every-truncation-is-survived",
                   test_truncations);
  return g_test_run ();
}
