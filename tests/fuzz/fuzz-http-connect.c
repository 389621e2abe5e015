/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A proxy's replies end in the same verdict however they are cut, take no more than their allowance,
 * and never bring the password into a message. */
#include <string.h>

#include "fuzz.h"
#include "turn-connect/error.h"
#include "turn-connect/proxy/http-connect.h"

#define SECRET "S3cR3T" /* nothing that is written in small letters becomes it */
#define REQUESTS_MAX 12
#define ALLOWANCE (12 * (16 + 64) * 1024 + 16) /* heads and bodies of all requests of a dial */

typedef struct {
  TurnConnectHttpVerdict verdict;
  gsize used;                   /* octets until the verdict */
  gint code;                    /* of the error; -1 for none */
  gsize asked_at[REQUESTS_MAX]; /* where a further request was due */
  guint n_asked;
} Outcome;

static TurnConnectHttp *
make_http (guint8 flags)
{
  TurnConnectHttpRequest request = {
    .host = "example.org", .port = 443, .who = "the proxy", .cnonce = "c0ffee"
  };

  request.auth = turn_connect_proxy_auth_new (
      (flags & 1) != 0 ? "user" : NULL, (flags & 1) != 0 ? SECRET : NULL,
      (flags & 2) != 0 ? 0 : TURN_CONNECT_PROXY_ANY, (flags & 4) != 0);
  return turn_connect_http_new (&request);
}

static gboolean
send_output (TurnConnectHttp *http)
{
  gsize length;

  turn_connect_http_get_output (http, &length);
  g_assert_cmpuint (length, <, 24 * 1024); /* a challenge's values come back in the answer */
  turn_connect_http_sent (http, length);
  return length > 0;
}

/* Every other flag set makes tokens impossible. */
static TurnConnectHttpVerdict
give_token (TurnConnectHttp *http, guint8 flags, GError **error)
{
  g_autoptr (GBytes) token = (flags & 8) != 0 ? g_bytes_new_static ("token", 5) : NULL;

  return turn_connect_http_give (http, token, "no ticket", error);
}

/* How far a piece may go: a proxy answers a request after it came. */
static gsize
limit_piece (const Outcome *guide, gsize at, gsize end)
{
  for (guint i = 0; guide != NULL && i < guide->n_asked; i++) {
    if (guide->asked_at[i] > at && guide->asked_at[i] < end)
      return guide->asked_at[i] - at;
  }
  return end - at;
}

static void
run (Outcome *outcome,
     guint8 flags,
     const guint8 *data,
     gsize length,
     gsize step,
     const Outcome *guide)
{
  g_autoptr (TurnConnectHttp) http = make_http (flags);
  g_autoptr (GError) error = NULL;

  memset (outcome, 0, sizeof *outcome);
  outcome->code = -1;
  send_output (http);
  while (outcome->used < length && outcome->verdict == TURN_CONNECT_HTTP_MORE) {
    gsize n = limit_piece (guide, outcome->used, MIN (length, outcome->used + step));
    g_autofree guint8 *piece = g_memdup2 (data + outcome->used, n);
    gsize consumed = 0;

    outcome->verdict = turn_connect_http_feed (http, piece, n, &consumed, &error);
    while (outcome->verdict == TURN_CONNECT_HTTP_WAIT)
      outcome->verdict = give_token (http, flags, &error);
    g_assert_cmpuint (consumed, <=, n);
    outcome->used += consumed;
    if (outcome->verdict == TURN_CONNECT_HTTP_MORE && send_output (http)) {
      g_assert_cmpuint (outcome->n_asked, <, REQUESTS_MAX);
      outcome->asked_at[outcome->n_asked++] = outcome->used;
    }
  }
  g_assert_cmpuint (outcome->used, <=, ALLOWANCE);
  g_assert_true ((error != NULL) == (outcome->verdict == TURN_CONNECT_HTTP_FAILED));
  if (error != NULL) {
    g_assert_true (error->domain == TURN_CONNECT_ERROR);
    /* Unless the proxy says it first. */
    if (memmem (data, length, SECRET, strlen (SECRET)) == NULL)
      g_assert_null (strstr (error->message, SECRET));
    g_assert_true (g_utf8_validate (error->message, -1, NULL));
    outcome->code = error->code;
  }
  if (outcome->verdict == TURN_CONNECT_HTTP_MORE)
    g_assert_cmpint (turn_connect_http_end (http, NULL), !=, TURN_CONNECT_HTTP_UP);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  FuzzInput input = { data, length };
  guint8 flags = fuzz_u8 (&input);
  gsize step = (gsize)fuzz_u8 (&input) + 2;
  Outcome single, pieces;

  run (&single, flags, input.data, input.length, 1, NULL);
  run (&pieces, flags, input.data, input.length, step, &single);
  g_assert_cmpint (pieces.verdict, ==, single.verdict);
  g_assert_cmpint (pieces.code, ==, single.code);
  g_assert_cmpuint (pieces.n_asked, ==, single.n_asked);
  if (single.verdict == TURN_CONNECT_HTTP_UP)
    g_assert_cmpuint (pieces.used, ==, single.used);
  return 0;
}
