/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A proxy that nobody named: it takes what goes to port 80 and asks in our place. The far end tells which
 * request arrived, and proves what it tells; what such a proxy adds or puts right is missing from what we
 * sent. Another is given away by a name that nobody has: who looks it up never asks the far end.
 */
#include "turn-connect/detect/transparent.h"

#include "turn-connect/detect/far-lines.h"
#include "turn-connect/detect/fetch.h"
#include "turn-connect/detect/kernel.h"
#include "turn-connect/error-private.h"

#include <string.h>

#define PORT 80
#define LIMIT_MS 2500
#define HEAD_MAX 2048   /* octets of the head that the far end sends back */
#define HEADERS_MAX 240 /* octets of a fact */
#define QUESTIONS 4     /* two of each family */

typedef struct _TransparentProbe TransparentProbe;

typedef struct {
  TransparentProbe *owner;
  TurnConnectFetch *fetch;
} Question;

struct _TransparentProbe {
  TurnConnectRun *run;
  Question questions[QUESTIONS];
  guint n, n_pending;
};

/* Names of headers that arrived, and were not sent: "Via, X-Forwarded-For". */
static char *
list_added (const char *sent, const char *arrived)
{
  g_auto (GStrv) lines = g_strsplit (arrived, "\r\n", 64);
  GString *names = g_string_new (NULL);

  for (guint i = 0; lines[0] != NULL && lines[i + 1] != NULL && names->len < HEADERS_MAX; i++) {
    const char *colon = strchr (lines[i + 1], ':');
    g_autofree char *mark = NULL;
    g_autofree char *name = NULL;

    if (colon == NULL)
      continue;
    mark = g_strdup_printf ("\r\n%.*s:", (int)(colon - lines[i + 1]), lines[i + 1]);
    if (strstr (sent, mark) != NULL)
      continue;
    name = turn_connect_error_quote (mark + 2, strlen (mark) - 3, 64);
    g_string_append_printf (names, "%s%s", names->len > 0 ? ", " : "", name);
  }
  return g_string_free (names, FALSE);
}

static void
note_difference (TurnConnectProbe *probe, const char *sent, StunExtSpan coded)
{
  g_autofree char *text =
      coded.data != NULL ? g_strndup (coded.data, MIN (coded.length, HEAD_MAX)) : g_strdup ("");
  g_autofree guchar *octets = NULL;
  g_autofree char *head = NULL, *added = NULL;
  gsize length = 0;

  octets = g_base64_decode (text, &length);
  head = g_strndup ((const char *)octets, length);
  added = list_added (sent, head);
  g_free (probe->detail);
  if (*added == '\0')
    probe->detail = g_strdup ("another request arrived than was sent");
  else {
    probe->detail = g_strdup_printf ("another request arrived than was sent, with %s", added);
    turn_connect_probe_set_fact (probe, "added", added);
  }
}

TurnConnectOutcome
turn_connect_transparent_compare (TurnConnectProbe *probe,
                                  const char *sent,
                                  const char *body,
                                  gsize length)
{
  const StunExtSpan part = { sent, strlen (sent) };
  guint8 ours[STUN_EXT_DETECT_DIGEST_LENGTH];
  TurnConnectFarEcho theirs;

  if (!turn_connect_far_lines_read_echo (body, length, &theirs) ||
      !stun_ext_crypto_digest (STUN_EXT_HASH_SHA256, &part, 1, ours))
    return TURN_CONNECT_OUTCOME_UNSUPPORTED;
  probe->mapped = theirs.source;
  if (stun_ext_crypto_equal (ours, theirs.digest, sizeof ours))
    return TURN_CONNECT_OUTCOME_PROOF;
  note_difference (probe, sent, theirs.head);
  return TURN_CONNECT_OUTCOME_ALTERED;
}

static TurnConnectOutcome
fetched (TurnConnectProbe *probe,
         TurnConnectOutcome outcome,
         const char *body,
         gsize length,
         TurnConnectStream *stream,
         gpointer data)
{
  Question *question = data;

  if (outcome == TURN_CONNECT_OUTCOME_PROOF)
    outcome = turn_connect_transparent_compare (
        probe, turn_connect_fetch_get_request (question->fetch), body, length);
  if (--question->owner->n_pending == 0)
    turn_connect_run_done (question->owner->run, TURN_CONNECT_FAMILY_TRANSPARENT);
  return outcome;
}

static void
ask (TransparentProbe *self, guint8 family, const char *variant, const char *host)
{
  const TurnConnectFetchWay way = { .variant = variant,
                                    .kind = TURN_CONNECT_PROBE_PROXY,
                                    .what = STUN_EXT_DETECT_WHAT_ECHO,
                                    .family = family,
                                    .port = PORT,
                                    .name = host,
                                    .is_blind = host != NULL, /* whoever looks that name up */
                                    .lines = "x-TeP-oDd: As It Was  Written\r\n",
                                    .limit_ms = LIMIT_MS };
  Question *question = &self->questions[self->n];

  question->owner = self;
  question->fetch = turn_connect_fetch_new (self->run, &way, fetched, question);
  if (question->fetch == NULL)
    return;
  self->n++;
  self->n_pending++;
}

gpointer
turn_connect_transparent_probe_start (TurnConnectRun *run)
{
  TransparentProbe *self = g_new0 (TransparentProbe, 1);
  guint64 chance = 0;
  g_autofree char *nobody = NULL;

  self->run = run;
  turn_connect_random_octets (&chance, sizeof chance);
  /* Nobody has a name below this one (RFC 6761 section 6.4). */
  nobody = g_strdup_printf ("t%012" G_GINT64_MODIFIER "x.invalid", chance & 0xffffffffffff);
  for (guint8 family = 4; family <= 6; family += 2) {
    ask (self, family, "transparent", NULL);
    ask (self, family, "transparent-host", nobody);
  }
  if (self->n_pending > 0)
    return self;
  turn_connect_transparent_probe_stop (self);
  return NULL;
}

void
turn_connect_transparent_probe_stop (gpointer state)
{
  TransparentProbe *self = state;

  for (guint i = 0; i < self->n; i++)
    turn_connect_fetch_free (self->questions[i].fetch);
  g_free (self);
}
