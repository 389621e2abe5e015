/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What stands beside address translation and ports: a portal, translators further out, and the methods
 * that were tried with packets.
 */
#include "turn-connect/detect/classify-private.h"
#include "turn-connect/detect/quality.h"

#include <string.h>

#define HTTP_LOG_IN 511 /* RFC 6585 section 6 */

/* A page in answer to a question to nobody; a transparent proxy says that it reaches nobody. */
static gboolean
is_of_portal (const TurnConnectProbe *probe)
{
  return probe->outcome == TURN_CONNECT_OUTCOME_WRONG_ANSWER &&
         g_strcmp0 (probe->variant, "decoy") == 0 &&
         ((probe->code >= 200 && probe->code < 400) || probe->code == HTTP_LOG_IN);
}

static void
judge_portal (const TurnConnectObservations *observations, TurnConnectVerdict *verdict)
{
  gboolean is_proxied = FALSE;

  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind != TURN_CONNECT_PROBE_PORTAL)
      continue;
    if (is_of_portal (probe))
      verdict->portal = TURN_CONNECT_TELL_YES;
    else if (probe->outcome == TURN_CONNECT_OUTCOME_PROOF &&
             verdict->portal == TURN_CONNECT_TELL_UNKNOWN)
      verdict->portal = TURN_CONNECT_TELL_NO;
    is_proxied |= probe->code >= 400 && g_strcmp0 (probe->variant, "decoy") == 0;
  }
  if (verdict->portal == TURN_CONNECT_TELL_YES)
    turn_connect_classify_say (verdict, "a captive portal answers in place of the far end: log in "
                                        "there first; all else is seen from before it");
  else if (is_proxied)
    turn_connect_classify_say (verdict, "a transparent proxy answers on port 80 for everybody");
}

/* A record may be anybody's. */
static void
note_nat64 (const TurnConnectProbe *probe, TurnConnectVerdict *verdict)
{
  const char *fact = turn_connect_probe_get_fact (probe, "prefix");
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];
  StunExtPrefix prefix;

  verdict->nat64 = TURN_CONNECT_TELL_YES;
  if (verdict->nat64_prefix == NULL && fact != NULL && stun_ext_prefix_parse (fact, &prefix, NULL))
    verdict->nat64_prefix = g_strdup (stun_ext_prefix_print (&prefix, text));
}

static void
judge_nat64 (const TurnConnectObservations *observations, TurnConnectVerdict *verdict)
{
  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind == TURN_CONNECT_PROBE_NAME && g_strcmp0 (probe->variant, "random") == 0 &&
        probe->outcome == TURN_CONNECT_OUTCOME_WRONG_ANSWER)
      turn_connect_classify_say (verdict, "the name service makes up addresses for names that do "
                                          "not exist");
    if (probe->kind != TURN_CONNECT_PROBE_NAME || g_strcmp0 (probe->variant, "nat64") != 0)
      continue;
    if (probe->outcome == TURN_CONNECT_OUTCOME_ANSWER)
      note_nat64 (probe, verdict);
    else if (probe->outcome == TURN_CONNECT_OUTCOME_DENIED)
      verdict->nat64 = TURN_CONNECT_TELL_NO;
  }
}

/* The address that the router says it has against the one the far end sees. */
static void
judge_carrier_nat (const TurnConnectObservations *observations, TurnConnectVerdict *verdict)
{
  StunExtAddress seen = { 0 };

  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind == TURN_CONNECT_PROBE_STUN && probe->mapped.family == 4 &&
        turn_connect_classify_counts (observations, probe))
      seen = probe->mapped;
  }
  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind != TURN_CONNECT_PROBE_GATEWAY || probe->mapped.family != 4 ||
        probe->outcome != TURN_CONNECT_OUTCOME_ANSWER || seen.family == 0)
      continue;
    verdict->carrier_nat = stun_ext_address_equal_host (&probe->mapped, &seen)
                               ? TURN_CONNECT_TELL_NO
                               : TURN_CONNECT_TELL_YES;
  }
  if (verdict->carrier_nat == TURN_CONNECT_TELL_YES)
    turn_connect_classify_say (verdict, "the router's own address is not the one the far end sees: "
                                        "there is a second NAT beyond it");
}

void
turn_connect_classify_ways (const TurnConnectObservations *observations,
                            TurnConnectVerdict *verdict)
{
  judge_portal (observations, verdict);
  judge_nat64 (observations, verdict);
  judge_carrier_nat (observations, verdict);
}

/* Methods */

#define LISTENED                                                                                   \
  100 /* packets from which on what is late says something of the way, not of this machine */

gboolean
turn_connect_classify_is_signalling (const TurnConnectMethod *method)
{
  return strncmp (method->name, "sip-", strlen ("sip-")) == 0;
}

/* Best first: what works and carries media, then what sounds better by a tenth, then what stands
 * sooner. */
static gint
compare_methods (gconstpointer a, gconstpointer b)
{
  const TurnConnectMethod *one = a, *other = b;
  gint mos = (gint)(other->mos * 10 + 0.5) - (gint)(one->mos * 10 + 0.5);

  if (one->works != other->works)
    return (gint)other->works - (gint)one->works;
  if (turn_connect_classify_is_signalling (one) != turn_connect_classify_is_signalling (other))
    return turn_connect_classify_is_signalling (one) ? 1 : -1;
  if (mos != 0)
    return mos;
  if (one->quality.set_up_us != other->quality.set_up_us)
    return one->quality.set_up_us < other->quality.set_up_us ? -1 : 1;
  return one->probe - other->probe;
}

/* What is of no use to whoever listens. */
static double
get_useless (const TurnConnectQuality *quality)
{
  double late = quality->n_sent >= LISTENED ? (double)quality->n_late / quality->n_sent : 0;

  return turn_connect_quality_get_loss (quality) + late;
}

TurnConnectTell
turn_connect_classify_method (const TurnConnectProbe *probe)
{
  switch (probe->outcome) {
  case TURN_CONNECT_OUTCOME_PENDING:
  case TURN_CONNECT_OUTCOME_UNSUPPORTED:
  case TURN_CONNECT_OUTCOME_FAILED:
  case TURN_CONNECT_OUTCOME_SKIPPED:
  case TURN_CONNECT_OUTCOME_CANCELLED:
    return TURN_CONNECT_TELL_UNKNOWN;
  default:
    break;
  }
  if (!turn_connect_probe_passed (probe))
    return TURN_CONNECT_TELL_NO;
  if (get_useless (&probe->quality) <= TURN_CONNECT_LOSS_MAX)
    return TURN_CONNECT_TELL_YES;
  /* A STUN server that is not made for this answers as often as it pleases. */
  return probe->proof == TURN_CONNECT_PROOF_NONE && strcmp (probe->variant, "direct-udp") == 0
             ? TURN_CONNECT_TELL_UNKNOWN
             : TURN_CONNECT_TELL_NO;
}

/* A method is tried several times where packets may have got lost; the attempt that did best tells.
 * Takes @attempt. */
static void
note_attempt (TurnConnectVerdict *verdict, TurnConnectMethod *attempt)
{
  for (guint i = 0; i < verdict->methods->len; i++) {
    TurnConnectMethod *known = &g_array_index (verdict->methods, TurnConnectMethod, i);

    if (strcmp (known->name, attempt->name) != 0)
      continue;
    if (attempt->works > known->works) {
      g_free (known->config);
      *known = *attempt;
    } else
      g_free (attempt->config);
    return;
  }
  g_array_append_vals (verdict->methods, attempt, 1);
}

void
turn_connect_classify_methods (const TurnConnectObservations *observations,
                               TurnConnectVerdict *verdict)
{
  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);
    TurnConnectMethod method = { .name = probe->variant, .quality = probe->quality };

    if (probe->kind != TURN_CONNECT_PROBE_METHOD || probe->variant == NULL || probe->round > 0)
      continue;
    method.probe = (gint)i;
    method.works = turn_connect_classify_method (probe);
    method.loss = turn_connect_quality_get_loss (&probe->quality);
    if (method.works == TURN_CONNECT_TELL_YES) {
      method.mos = turn_connect_quality_estimate_mos (&method.quality);
      method.config = turn_connect_classify_make_config (observations, probe);
    }
    note_attempt (verdict, &method);
  }
  turn_connect_classify_listened (observations, verdict);
  g_array_sort (verdict->methods, compare_methods);
}
