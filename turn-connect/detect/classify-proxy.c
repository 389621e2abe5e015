/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The way through proxies: which there is and who names it, which ports it lets us through to, and
 * whether it leaves TLS alone. A proxy counts as a way when the far end proved itself through it.
 */
#include "turn-connect/detect/classify-private.h"

#include <string.h>

#define HTTP_PROXY_AUTHENTICATION 407 /* RFC 9110 section 15.5.8 */

static gboolean
is_variant (const TurnConnectProbe *probe, const char *variant)
{
  return g_strcmp0 (probe->variant, variant) == 0;
}

/* One of the words of TurnConnectProxyPort, of which there are others than those we wrote in a record
 * that somebody made. */
static const char *
word_of (const TurnConnectProbe *probe)
{
  static const char *const words[] = { "allowed",     "refused", "credentials", "wrong-credentials",
                                       "upstream",    "closed",  "silent",      "no-proxy",
                                       "unreachable", "failed" };
  const char *said = turn_connect_probe_get_fact (probe, "connect");

  for (guint i = 0; i < G_N_ELEMENTS (words); i++) {
    if (g_strcmp0 (said, words[i]) == 0)
      return words[i];
  }
  return NULL;
}

static gboolean
is_let_through (const TurnConnectProbe *probe)
{
  return g_strcmp0 (word_of (probe), "allowed") == 0;
}

/* Probes that say something of the way: CONNECT, and what else went through and was proven. */
static gboolean
tells_of_way (const TurnConnectObservations *observations, const TurnConnectProbe *probe)
{
  switch (probe->kind) {
  case TURN_CONNECT_PROBE_PROXY:
    return !is_variant (probe, "source") && !is_variant (probe, "anonymous") &&
           !is_variant (probe, "transparent") && !is_variant (probe, "transparent-host");
  case TURN_CONNECT_PROBE_TLS:
  case TURN_CONNECT_PROBE_RECORD:
  case TURN_CONNECT_PROBE_PAYLOAD:
    return probe->via != NULL && turn_connect_classify_counts (observations, probe);
  default:
    return FALSE;
  }
}

static TurnConnectWay
judge_probe (const TurnConnectObservations *observations, const TurnConnectProbe *probe)
{
  if (turn_connect_classify_counts (observations, probe))
    return TURN_CONNECT_WAY_WORKS;
  if (is_let_through (probe))
    return TURN_CONNECT_WAY_POLICY;
  switch (probe->outcome) {
  case TURN_CONNECT_OUTCOME_DENIED:
    return probe->code == HTTP_PROXY_AUTHENTICATION ||
                   g_strcmp0 (word_of (probe), "wrong-credentials") == 0
               ? TURN_CONNECT_WAY_CREDENTIALS
               : TURN_CONNECT_WAY_POLICY;
  case TURN_CONNECT_OUTCOME_CONNECTED:
  case TURN_CONNECT_OUTCOME_ALTERED:
    return TURN_CONNECT_WAY_POLICY;
  case TURN_CONNECT_OUTCOME_SKIPPED:
    return TURN_CONNECT_WAY_NONE;
  case TURN_CONNECT_OUTCOME_SILENCE:
  case TURN_CONNECT_OUTCOME_REFUSED:
  case TURN_CONNECT_OUTCOME_UNREACHABLE:
  case TURN_CONNECT_OUTCOME_RESET:
  case TURN_CONNECT_OUTCOME_CLOSED:
  case TURN_CONNECT_OUTCOME_WRONG_ANSWER:
    return TURN_CONNECT_WAY_DEAD;
  default:
    return TURN_CONNECT_WAY_UNKNOWN;
  }
}

/* The best of several. */
static guint
rank_of (TurnConnectWay way)
{
  static const guint ranks[] = { 0, 1, 5, 4, 3, 2 };

  return ranks[way];
}

static void
judge_way (const TurnConnectObservations *observations, TurnConnectVerdict *verdict)
{
  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);
    TurnConnectWay way;

    if (!tells_of_way (observations, probe))
      continue;
    way = judge_probe (observations, probe);
    if (rank_of (way) <= rank_of (verdict->proxy))
      continue;
    verdict->proxy = way;
    verdict->proxy_code = probe->code;
    verdict->proxy_probe = (gint)i;
    g_free (verdict->proxy_url);
    verdict->proxy_url = g_strdup (probe->via);
  }
}

/* What the network named when it gave out the address; words to be pasted into a shell are quoted, for
 * they come from a stranger. */
static void
say_who_named_it (TurnConnectVerdict *verdict, const TurnConnectProbe *probe)
{
  const char *pac = turn_connect_probe_get_fact (probe, "dhcp-pac");
  g_autofree char *words = g_strconcat ("pac+", pac != NULL ? pac : "", NULL);
  g_autofree char *quoted = g_shell_quote (words);

  if (pac == NULL)
    return;
  if (g_strcmp0 (turn_connect_probe_get_fact (probe, "source"), "pac") == 0)
    turn_connect_classify_say (
        verdict,
        "the proxy configuration file %s is the one that the network names (DHCP option 252)", pac);
  else if (probe->outcome == TURN_CONNECT_OUTCOME_SKIPPED)
    turn_connect_classify_say (verdict,
                               "the network names a proxy configuration file, which was not run "
                               "(DHCP option 252): to try it, --proxy %s",
                               quoted);
}

/* Who names it; that nobody does is an answer, and that nobody could be asked is none. */
static void
judge_source (const TurnConnectObservations *observations, TurnConnectVerdict *verdict)
{
  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind != TURN_CONNECT_PROBE_PROXY || !is_variant (probe, "source"))
      continue;
    say_who_named_it (verdict, probe);
    if (probe->outcome == TURN_CONNECT_OUTCOME_SKIPPED &&
        verdict->proxy == TURN_CONNECT_WAY_UNKNOWN) {
      verdict->proxy = TURN_CONNECT_WAY_NONE;
      verdict->proxy_probe = (gint)i;
    } else if (probe->outcome == TURN_CONNECT_OUTCOME_ANSWER) {
      verdict->proxy_source = turn_connect_probe_get_fact (probe, "source");
      if (verdict->proxy_url == NULL)
        verdict->proxy_url = g_strdup (probe->via);
    } else if (probe->outcome == TURN_CONNECT_OUTCOME_FAILED ||
               probe->outcome == TURN_CONNECT_OUTCOME_SILENCE)
      turn_connect_classify_say (verdict, "whether there is a proxy could not be found out%s%s",
                                 probe->detail != NULL ? ": " : "",
                                 probe->detail != NULL ? probe->detail : "");
  }
}

static gint
compare_ports (gconstpointer a, gconstpointer b)
{
  return (gint)((const TurnConnectProxyPort *)a)->port -
         (gint)((const TurnConnectProxyPort *)b)->port;
}

static void
gather_ports (const TurnConnectObservations *observations, TurnConnectVerdict *verdict)
{
  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);
    TurnConnectProxyPort port = { .port = probe->target.port, .probe = (gint)i };

    if (probe->kind != TURN_CONNECT_PROBE_PROXY || probe->target.port == 0 ||
        g_strcmp0 (probe->via, verdict->proxy_url) != 0 || word_of (probe) == NULL)
      continue;
    if (turn_connect_probe_get_fact (probe, "schemes") != NULL)
      verdict->proxy_schemes = turn_connect_probe_get_fact (probe, "schemes");
    if (!is_variant (probe, "connect"))
      continue;
    port.state = turn_connect_classify_counts (observations, probe) ? "works" : word_of (probe);
    port.code = probe->code;
    g_array_append_val (verdict->proxy_ports, port);
  }
  g_array_sort (verdict->proxy_ports, compare_ports);
}

static void
judge_tls (const TurnConnectObservations *observations, TurnConnectVerdict *verdict)
{
  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind != TURN_CONNECT_PROBE_TLS || probe->via == NULL)
      continue;
    if (probe->outcome == TURN_CONNECT_OUTCOME_ALTERED) {
      verdict->proxy_opens_tls = TURN_CONNECT_TELL_YES;
      turn_connect_classify_say (verdict, "TLS through the proxy does not end at the far end: %s",
                                 probe->detail != NULL ? probe->detail : "the proxy opens it");
    } else if (turn_connect_classify_counts (observations, probe) &&
               verdict->proxy_opens_tls == TURN_CONNECT_TELL_UNKNOWN)
      verdict->proxy_opens_tls = TURN_CONNECT_TELL_NO;
  }
}

/* Somebody else answers for a name that nobody has, where the far end answers to its own. */
static gboolean
is_looked_up (const TurnConnectObservations *observations, const TurnConnectProbe *probe)
{
  if (!is_variant (probe, "transparent-host") ||
      probe->outcome != TURN_CONNECT_OUTCOME_WRONG_ANSWER || probe->code < 400)
    return FALSE;
  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *other = g_ptr_array_index (observations->probes, i);

    if (other->kind == TURN_CONNECT_PROBE_PROXY && is_variant (other, "transparent") &&
        other->family == probe->family && other->proof != TURN_CONNECT_PROOF_NONE)
      return TRUE;
  }
  return FALSE;
}

/* What the far end proves to have received is not what was sent: no chance, and no loss, does that. */
static void
judge_altered (TurnConnectVerdict *verdict, const TurnConnectProbe *probe, gint index)
{
  TurnConnectInspection *inspection = &verdict->inspection;

  if (verdict->transparent != TURN_CONNECT_TELL_YES)
    turn_connect_classify_say (verdict, "a proxy that nobody named stands on port 80: %s",
                               probe->detail != NULL ? probe->detail : "requests are changed");
  verdict->transparent = TURN_CONNECT_TELL_YES;
  verdict->transparent_probe = index;
  if (inspection->is_seen == TURN_CONNECT_TELL_YES &&
      inspection->confidence == TURN_CONNECT_CONFIDENCE_CONFIRMED)
    return;
  turn_connect_classify_replace_finding (inspection, TURN_CONNECT_CONFIDENCE_CONFIRMED, "altered",
                                         probe, (guint)index);
}

static void
judge_transparent (const TurnConnectObservations *observations, TurnConnectVerdict *verdict)
{
  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);
    gboolean is_known = verdict->transparent == TURN_CONNECT_TELL_YES;

    if (probe->kind != TURN_CONNECT_PROBE_PROXY)
      continue;
    if (is_variant (probe, "transparent") && probe->outcome == TURN_CONNECT_OUTCOME_ALTERED &&
        probe->proof != TURN_CONNECT_PROOF_NONE)
      judge_altered (verdict, probe, (gint)i);
    else if (!is_known && is_looked_up (observations, probe)) {
      verdict->transparent = TURN_CONNECT_TELL_YES;
      verdict->transparent_probe = (gint)i;
      turn_connect_classify_say (verdict,
                                 "somebody on port 80 looks up the name that a request is for, and "
                                 "asks in our place (%u)",
                                 probe->code);
    } else if (verdict->transparent == TURN_CONNECT_TELL_UNKNOWN &&
               is_variant (probe, "transparent") && probe->outcome == TURN_CONNECT_OUTCOME_PROOF)
      verdict->transparent = TURN_CONNECT_TELL_NO;
  }
}

/* "80 (403), 3478 (403)" of those in one state; NULL if there are none. */
static char *
list_ports (const TurnConnectVerdict *verdict, const char *state)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < verdict->proxy_ports->len; i++) {
    const TurnConnectProxyPort *port =
        &g_array_index (verdict->proxy_ports, TurnConnectProxyPort, i);

    if (strcmp (port->state, state) != 0)
      continue;
    g_string_append_printf (text, "%s%u", text->len > 0 ? ", " : "", port->port);
    if (port->code != 0)
      g_string_append_printf (text, " (%u)", port->code);
  }
  return g_string_free (text, text->len == 0);
}

static void
say_all (TurnConnectVerdict *verdict)
{
  g_autofree char *works = list_ports (verdict, "works");
  g_autofree char *refused = list_ports (verdict, "refused");

  if (verdict->proxy == TURN_CONNECT_WAY_CREDENTIALS)
    turn_connect_classify_say (verdict, "the proxy wants to know who is asking (407%s%s)",
                               verdict->proxy_schemes != NULL ? ", by " : "",
                               verdict->proxy_schemes != NULL ? verdict->proxy_schemes : "");
  else if (verdict->proxy == TURN_CONNECT_WAY_POLICY && verdict->proxy_code != 0)
    turn_connect_classify_say (verdict, "the proxy does not let us through to the far end (%u)",
                               verdict->proxy_code);
  else if (verdict->proxy == TURN_CONNECT_WAY_POLICY)
    turn_connect_classify_say (verdict, "the proxy takes CONNECT, and nothing of ours arrives");
  if (works != NULL)
    turn_connect_classify_say (
        verdict, "CONNECT through the proxy reaches the far end on port %s%s%s", works,
        refused != NULL ? "; it refuses " : "", refused != NULL ? refused : "");
}

void
turn_connect_classify_proxy (const TurnConnectObservations *observations,
                             TurnConnectVerdict *verdict)
{
  judge_way (observations, verdict);
  judge_source (observations, verdict);
  gather_ports (observations, verdict);
  judge_tls (observations, verdict);
  judge_transparent (observations, verdict);
  say_all (verdict);
}
