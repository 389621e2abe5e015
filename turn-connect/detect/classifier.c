/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From what was seen to what it means. Translation, ports, proxy and content are judged each by
 * itself, for they are independent of each other: a symmetric NAT behind an inspecting firewall is
 * nothing unusual. Only then one headline is made of them, the most restrictive that is shown.
 */
#include "turn-connect/detect/classify-private.h"

#include <string.h>

#define TYPE_BIT(type) (1u << (type))

static void
advice_free (gpointer data)
{
  TurnConnectAdvice *advice = data;

  g_free (advice->host);
  g_free (advice->text);
  g_free (advice);
}

static void
method_clear (gpointer data)
{
  TurnConnectMethod *method = data;

  g_clear_pointer (&method->config, g_free);
}

static TurnConnectVerdict *
verdict_new (void)
{
  TurnConnectVerdict *verdict = g_new0 (TurnConnectVerdict, 1);

  verdict->type = TURN_CONNECT_TYPE_UNKNOWN;
  verdict->proxy_probe = TURN_CONNECT_NO_PROBE;
  verdict->transparent_probe = TURN_CONNECT_NO_PROBE;
  verdict->proxy_ports = g_array_new (FALSE, TRUE, sizeof (TurnConnectProxyPort));
  verdict->families[0].family = 4;
  verdict->families[1].family = 6;
  for (guint i = 0; i < G_N_ELEMENTS (verdict->families); i++)
    verdict->families[i].ports = g_array_new (FALSE, TRUE, sizeof (TurnConnectPort));
  verdict->inspection.blocked = g_ptr_array_new_with_free_func (g_free);
  verdict->inspection.passing = g_ptr_array_new_with_free_func (g_free);
  verdict->inspection.probe = TURN_CONNECT_NO_PROBE;
  verdict->methods = g_array_new (FALSE, TRUE, sizeof (TurnConnectMethod));
  g_array_set_clear_func (verdict->methods, method_clear);
  verdict->lifetimes = g_array_new (FALSE, TRUE, sizeof (TurnConnectLifetime));
  verdict->sizes = g_array_new (FALSE, TRUE, sizeof (TurnConnectSizes));
  verdict->reasons = g_ptr_array_new_with_free_func (g_free);
  verdict->advice = g_ptr_array_new_with_free_func (advice_free);
  return verdict;
}

void
turn_connect_verdict_free (TurnConnectVerdict *verdict)
{
  if (verdict == NULL)
    return;
  for (guint i = 0; i < G_N_ELEMENTS (verdict->families); i++)
    g_array_unref (verdict->families[i].ports);
  g_free (verdict->proxy_url);
  g_free (verdict->nat64_prefix);
  g_array_unref (verdict->proxy_ports);
  g_ptr_array_unref (verdict->inspection.blocked);
  g_ptr_array_unref (verdict->inspection.passing);
  g_array_unref (verdict->methods);
  g_array_unref (verdict->lifetimes);
  g_array_unref (verdict->sizes);
  g_ptr_array_unref (verdict->reasons);
  g_ptr_array_unref (verdict->advice);
  g_free (verdict);
}

void
turn_connect_classify_say (TurnConnectVerdict *verdict, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  g_ptr_array_add (verdict->reasons, g_strdup_vprintf (format, arguments));
  va_end (arguments);
}

gboolean
turn_connect_classify_counts (const TurnConnectObservations *observations,
                              const TurnConnectProbe *probe)
{
  if (probe->outcome == TURN_CONNECT_OUTCOME_PROOF)
    return TRUE;
  return probe->outcome == TURN_CONNECT_OUTCOME_ANSWER && !observations->is_far_end;
}

static gboolean
family_passes (const TurnConnectFamilyVerdict *family)
{
  return family->udp == TURN_CONNECT_TELL_YES || family->tcp == TURN_CONNECT_TELL_YES;
}

gboolean
turn_connect_classify_passes (const TurnConnectVerdict *verdict)
{
  return family_passes (&verdict->families[0]) || family_passes (&verdict->families[1]);
}

/* IPv4, unless only IPv6 leads anywhere: a call's other end may be of either family, and of IPv4
 * everybody has it. */
static const TurnConnectFamilyVerdict *
choose_family (const TurnConnectVerdict *verdict)
{
  const TurnConnectFamilyVerdict *four = &verdict->families[0], *six = &verdict->families[1];

  if (!family_passes (four) && (family_passes (six) || (!four->is_tried && six->is_tried)))
    return six;
  return four;
}

static guint
highest_type (guint types)
{
  guint type = 0;

  for (guint i = 1; i <= 9; i++) {
    if (types & TYPE_BIT (i))
      type = i;
  }
  return type;
}

/* Of methods that carry a call, those through a proxy only where there is one. */
static TurnConnectTell
tell_of_methods (const TurnConnectVerdict *verdict)
{
  gboolean has_proxy = verdict->proxy >= TURN_CONNECT_WAY_WORKS;
  guint n_failed = 0, n_open = 0;

  for (guint i = 0; i < verdict->methods->len; i++) {
    const TurnConnectMethod *method = &g_array_index (verdict->methods, TurnConnectMethod, i);

    if (turn_connect_classify_is_signalling (method) ||
        (!has_proxy && g_str_has_suffix (method->name, "-proxy")))
      continue;
    if (method->works == TURN_CONNECT_TELL_YES)
      return TURN_CONNECT_TELL_YES;
    n_failed += method->works == TURN_CONNECT_TELL_NO;
    n_open += method->works == TURN_CONNECT_TELL_UNKNOWN;
  }
  return n_failed > 0 && n_open == 0 ? TURN_CONNECT_TELL_NO : TURN_CONNECT_TELL_UNKNOWN;
}

/* Somebody answered for the server's address, and always that nobody listens. */
static gboolean
is_refused_everywhere (const TurnConnectObservations *observations)
{
  guint n_refused = 0;

  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind != TURN_CONNECT_PROBE_STUN && probe->kind != TURN_CONNECT_PROBE_PORT)
      continue;
    if (probe->outcome == TURN_CONNECT_OUTCOME_REFUSED)
      n_refused++;
    else if (probe->outcome != TURN_CONNECT_OUTCOME_SKIPPED &&
             probe->outcome != TURN_CONNECT_OUTCOME_FAILED &&
             probe->outcome != TURN_CONNECT_OUTCOME_UNREACHABLE)
      return FALSE;
  }
  return n_refused > 0;
}

static void
judge_whether_anything_works (const TurnConnectObservations *observations,
                              TurnConnectVerdict *verdict)
{
  gboolean is_tried = verdict->families[0].is_tried || verdict->families[1].is_tried;
  gboolean is_reached =
      turn_connect_classify_passes (verdict) || verdict->proxy == TURN_CONNECT_WAY_WORKS;

  verdict->works = tell_of_methods (verdict);
  if (verdict->works == TURN_CONNECT_TELL_UNKNOWN && !is_reached &&
      (is_tried || verdict->proxy > TURN_CONNECT_WAY_WORKS))
    verdict->works = TURN_CONNECT_TELL_NO;
  if (verdict->works == TURN_CONNECT_TELL_YES || is_reached ||
      verdict->proxy > TURN_CONNECT_WAY_WORKS)
    return;
  if (observations->resolve_error != NULL && observations->servers->len == 0) {
    verdict->is_server_down = TRUE;
    turn_connect_classify_say (verdict, "the far end has no address here: %s",
                               observations->resolve_error);
  } else if (is_refused_everywhere (observations)) {
    verdict->is_server_down = TRUE;
    turn_connect_classify_say (
        verdict, "every port of the far end refuses: it is down, or a firewall refuses everything");
  }
}

/* Why the headline is not as sure as it looks, or is none. */
static void
explain_headline (TurnConnectVerdict *verdict,
                  const TurnConnectFamilyVerdict *family,
                  guint headline)
{
  if (headline < 9 && verdict->inspection.is_in_doubt)
    turn_connect_classify_say (verdict,
                               "whether content is inspected is neither shown nor excluded: "
                               "what holds may not be the most restrictive");
  else if (headline > 0 && headline < 5 && !family->is_determined && !family->is_udp_only)
    turn_connect_classify_say (verdict, "a more restrictive type is not excluded: see what is not "
                                        "determined");
}

/* Types 8 and 9 hold for the host, whatever the family. */
static void
make_headline (const TurnConnectObservations *observations, TurnConnectVerdict *verdict)
{
  const TurnConnectFamilyVerdict *family = choose_family (verdict);
  TurnConnectConfidence confidence = family->confidence;
  guint headline;

  verdict->main_family = family->is_tried ? family->family : 0;
  verdict->types = family->types;
  if (!family_passes (family) && verdict->proxy >= TURN_CONNECT_WAY_WORKS &&
      verdict->proxy != TURN_CONNECT_WAY_DEAD) {
    verdict->types |= TYPE_BIT (8);
    confidence = verdict->proxy == TURN_CONNECT_WAY_WORKS &&
                         turn_connect_classify_is_proxy_proven (observations)
                     ? TURN_CONNECT_CONFIDENCE_CONFIRMED
                     : TURN_CONNECT_CONFIDENCE_PROBABLE;
  }
  if (verdict->inspection.is_seen == TURN_CONNECT_TELL_YES &&
      verdict->inspection.confidence >= TURN_CONNECT_CONFIDENCE_PROBABLE) {
    verdict->types |= TYPE_BIT (9);
    confidence = verdict->inspection.confidence;
  }
  headline = highest_type (verdict->types);
  explain_headline (verdict, family, headline);
  if (headline < 9 && verdict->inspection.is_in_doubt)
    return;
  if (headline > 0) {
    verdict->type = (gint)headline;
    verdict->confidence = confidence;
  } else if (family_passes (family) && family->is_determined &&
             verdict->portal != TURN_CONNECT_TELL_YES) {
    verdict->type = 0;
    verdict->confidence = confidence;
  }
}

TurnConnectVerdict *
turn_connect_classify (const TurnConnectObservations *observations)
{
  TurnConnectVerdict *verdict = verdict_new ();

  for (guint i = 0; i < G_N_ELEMENTS (verdict->families); i++) {
    turn_connect_classify_nat (observations, verdict, &verdict->families[i]);
    turn_connect_classify_reach (observations, verdict, &verdict->families[i]);
  }
  turn_connect_classify_content (observations, verdict);
  turn_connect_classify_proxy (observations, verdict);
  turn_connect_classify_ways (observations, verdict);
  turn_connect_classify_methods (observations, verdict);
  turn_connect_classify_deep (observations, verdict);
  turn_connect_classify_proof (observations, verdict);
  make_headline (observations, verdict);
  judge_whether_anything_works (observations, verdict);
  turn_connect_classify_advise (observations, verdict);
  return verdict;
}

/* Is it known what is in the way, be it one of the nine types or not. */
static gboolean
is_told (const TurnConnectVerdict *verdict)
{
  return verdict->type != TURN_CONNECT_TYPE_UNKNOWN ||
         (turn_connect_verdict_get_family (verdict)->is_udp_only &&
          !verdict->inspection.is_in_doubt && verdict->portal != TURN_CONNECT_TELL_YES);
}

TurnConnectExit
turn_connect_verdict_get_exit (const TurnConnectVerdict *verdict)
{
  if (verdict->is_server_down)
    return TURN_CONNECT_EXIT_UNAVAILABLE;
  if (verdict->works == TURN_CONNECT_TELL_NO)
    return TURN_CONNECT_EXIT_NOTHING;
  if (!is_told (verdict))
    return TURN_CONNECT_EXIT_UNDETERMINED;
  if (verdict->type == 0)
    return TURN_CONNECT_EXIT_FREE;
  return verdict->works == TURN_CONNECT_TELL_YES ? TURN_CONNECT_EXIT_FALLBACK
                                                 : TURN_CONNECT_EXIT_UNDETERMINED;
}

const TurnConnectFamilyVerdict *
turn_connect_verdict_get_family (const TurnConnectVerdict *verdict)
{
  return &verdict->families[verdict->main_family == 6 ? 1 : 0];
}

const char *
turn_connect_verdict_get_headline (const TurnConnectVerdict *verdict)
{
  if (verdict->type == TURN_CONNECT_TYPE_UNKNOWN && is_told (verdict))
    return "none of the nine types: UDP passes, and no TCP";
  return turn_connect_type_to_string (verdict->type);
}

const char *
turn_connect_type_to_string (gint type)
{
  static const char *const words[] = {
    "nothing in the way",
    "full-cone NAT",
    "address-restricted cone NAT",
    "port-restricted cone NAT",
    "symmetric NAT",
    "firewall that lets certain ports out",
    "firewall that lets TCP out and no UDP",
    "firewall that lets one TCP port out",
    "firewall that lets nothing out but an HTTP proxy",
    "firewall that inspects what passes",
  };

  return type >= 0 && type < (gint)G_N_ELEMENTS (words) ? words[type] : "not determined";
}

const char *
turn_connect_confidence_to_string (TurnConnectConfidence confidence)
{
  static const char *const words[] = { "not-determined", "suspected", "probable", "confirmed" };

  return (guint)confidence < G_N_ELEMENTS (words) ? words[confidence] : words[0];
}

const char *
turn_connect_behaviour_to_string (TurnConnectBehaviour behaviour)
{
  static const char *const words[] = { NULL, "endpoint-independent", "address-dependent",
                                       "address-and-port-dependent" };

  return (guint)behaviour < G_N_ELEMENTS (words) ? words[behaviour] : NULL;
}

const char *
turn_connect_reach_to_string (TurnConnectReach reach)
{
  static const char *const words[] = { "not-determined", "open", "connected", "blocked" };

  return (guint)reach < G_N_ELEMENTS (words) ? words[reach] : words[0];
}

const char *
turn_connect_way_to_string (TurnConnectWay way)
{
  static const char *const words[] = { "not-determined", "none",   "works",
                                       "credentials",    "policy", "dead" };

  return (guint)way < G_N_ELEMENTS (words) ? words[way] : words[0];
}
