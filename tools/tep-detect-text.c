/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What tep-detect tells people: the verdict, what works, why we think so, and what to ask for. */
#include "tools/tep-detect.h"

#include <string.h>

#define MS(us) ((double)(us) / 1000)
#define INDENT 12 /* of evidence */

static const char *
tell (TurnConnectTell tell_)
{
  static const char *const words[] = { "not determined", "no", "yes" };

  return words[tell_];
}

static const char *
or_unknown (const char *word)
{
  return word != NULL ? word : "not determined";
}

/* A probe */

static void
append_far_saw (GString *line, TurnConnectFarSaw far_saw)
{
  static const char *const words[] = { NULL, "nothing of it", "the connection, and nothing over it",
                                       "all of it, and answered", "something else" };

  if ((guint)far_saw < G_N_ELEMENTS (words) && words[far_saw] != NULL)
    g_string_append_printf (line, "; the far end saw %s", words[far_saw]);
}

/* What its record says in numbers, of a connection. */
static void
append_far_counts (GString *line, const TurnConnectProbe *probe)
{
  const char *in = turn_connect_probe_get_fact (probe, "far-in");
  const char *out = turn_connect_probe_get_fact (probe, "far-out");
  const char *unacked = turn_connect_probe_get_fact (probe, "far-unacked");
  const char *end = turn_connect_probe_get_fact (probe, "far-end");

  if (in == NULL || out == NULL || end == NULL)
    return;
  g_string_append_printf (line, " (%s octets in, %s out", in, out);
  if (unacked != NULL)
    g_string_append_printf (line, ", %s of them never acknowledged", unacked);
  g_string_append_printf (line, ", end: %s)", end);
}

void
tep_detect_append_far (GString *line, const TurnConnectProbe *probe, gboolean in_numbers)
{
  append_far_saw (line, probe->far_saw);
  if (in_numbers)
    append_far_counts (line, probe);
}

char *
tep_detect_text_describe (const TurnConnectProbe *probe)
{
  char address[STUN_EXT_ADDRESS_TEXT_LENGTH];
  GString *line = g_string_new (turn_connect_probe_kind_to_string (probe->kind));

  if (probe->variant != NULL)
    g_string_append_printf (line, " %s", probe->variant);
  if (probe->carry != TURN_CONNECT_CARRY_NONE)
    g_string_append_printf (line, " %s", turn_connect_carry_to_string (probe->carry));
  if (probe->target.family != 0)
    g_string_append_printf (line, " %s", stun_ext_address_print (&probe->target, address));
  else if (probe->target.port != 0)
    g_string_append_printf (line, " port %u", probe->target.port);
  if (probe->via != NULL)
    g_string_append_printf (line, " through %s", probe->via);
  g_string_append_printf (line, ": %s", turn_connect_outcome_to_string (probe->outcome));
  if (probe->rtt_us >= 0)
    g_string_append_printf (line, ", %.1f ms", MS (probe->rtt_us));
  else if (probe->connect_us >= 0)
    g_string_append_printf (line, ", TCP after %.1f ms", MS (probe->connect_us));
  if (probe->outcome == TURN_CONNECT_OUTCOME_SILENCE ||
      probe->outcome == TURN_CONNECT_OUTCOME_CONNECTED)
    g_string_append_printf (line, " for %.1f s, sent %u times",
                            MS (probe->deadline_us - probe->start_us) / 1000, probe->attempts);
  if (probe->mapped.family != 0)
    g_string_append_printf (line, ", as %s", stun_ext_address_print (&probe->mapped, address));
  tep_detect_append_far (line, probe, TRUE);
  if (turn_connect_probe_get_fact (probe, "connect") != NULL)
    g_string_append_printf (line, ", CONNECT %s", turn_connect_probe_get_fact (probe, "connect"));
  if (probe->detail != NULL)
    g_string_append_printf (line, " (%s)", probe->detail);
  return g_string_free (line, FALSE);
}

/* The verdict */

static gboolean
is_reached (const TurnConnectVerdict *verdict)
{
  gboolean is_any = verdict->proxy == TURN_CONNECT_WAY_WORKS;

  for (guint i = 0; i < G_N_ELEMENTS (verdict->families); i++)
    is_any = is_any || verdict->families[i].udp == TURN_CONNECT_TELL_YES ||
             verdict->families[i].tcp == TURN_CONNECT_TELL_YES;
  return is_any;
}

char *
tep_detect_describe_verdict (const TurnConnectVerdict *verdict)
{
  GString *line = g_string_new (NULL);

  gboolean is_udp_only = turn_connect_verdict_get_family (verdict)->is_udp_only;

  if (verdict->type == TURN_CONNECT_TYPE_UNKNOWN && is_udp_only)
    g_string_append (line, turn_connect_verdict_get_headline (verdict));
  else if (verdict->type == TURN_CONNECT_TYPE_UNKNOWN)
    g_string_append (line, "not determined which NAT or firewall this is");
  else if (verdict->type == 0)
    g_string_append_printf (line, "nothing in the way (%s)",
                            turn_connect_confidence_to_string (verdict->confidence));
  else
    g_string_append_printf (line, "type %d: %s (%s)", verdict->type,
                            turn_connect_type_to_string (verdict->type),
                            turn_connect_confidence_to_string (verdict->confidence));
  if (verdict->type > 0 && is_udp_only)
    g_string_append (line, ", and no TCP passes");
  if (verdict->portal == TURN_CONNECT_TELL_YES)
    g_string_append (line, ", behind a captive portal");
  if (verdict->is_server_down)
    g_string_append (line, "; the far end is not there");
  else if (verdict->works == TURN_CONNECT_TELL_NO)
    g_string_append (line,
                     is_reached (verdict) ? "; no call gets through" : "; nothing gets through");
  return g_string_free (line, FALSE);
}

char *
tep_detect_describe_calls (const TurnConnectVerdict *verdict)
{
  const TurnConnectMethod *best =
      verdict->methods->len > 0 ? &g_array_index (verdict->methods, TurnConnectMethod, 0) : NULL;

  if (best != NULL && verdict->works == TURN_CONNECT_TELL_YES)
    return g_strdup_printf ("a call gets through, best by %s", best->name);
  if (best != NULL && best->works == TURN_CONNECT_TELL_YES)
    return g_strdup_printf ("its signalling gets through, by %s; %s", best->name,
                            verdict->works == TURN_CONNECT_TELL_NO
                                ? "no method carries the call itself"
                                : "whether the call itself does is not determined");
  if (is_reached (verdict) && best == NULL)
    return g_strdup ("the far end is reached; no method of carrying one was tried");
  if (is_reached (verdict))
    return g_strdup_printf ("the far end is reached; %s",
                            verdict->works == TURN_CONNECT_TELL_NO
                                ? "no method carries one"
                                : "no method is known to carry one, and not all were tried");
  return g_strdup_printf ("does a call get through: %s", tell (verdict->works));
}

static void
print_headline (FILE *out, const TurnConnectVerdict *verdict)
{
  g_autofree char *line = tep_detect_describe_verdict (verdict);
  g_autofree char *calls = tep_detect_describe_calls (verdict);

  tep_detect_print (out, 2, "%s", line);
  for (gint type = 1; type <= 9; type++) {
    if ((verdict->types & (1u << type)) && type != verdict->type)
      tep_detect_print (out, INDENT, "  also      type %d: %s", type,
                        turn_connect_type_to_string (type));
  }
  tep_detect_print (out, INDENT, "  calls     %s", calls);
}

/* Methods */

/* Why a method does not work, or why that is not known. */
static char *
describe_cause (const TurnConnectMethod *method, const TurnConnectProbe *probe)
{
  GString *line = g_string_new (NULL);

  g_string_append_printf (
      line, "%s: %s", method->works == TURN_CONNECT_TELL_NO ? "does not work" : "not determined",
      turn_connect_outcome_to_string (probe->outcome));
  if (probe->outcome != TURN_CONNECT_OUTCOME_SKIPPED && probe->quality.n_sent > 0)
    g_string_append_printf (line, ", %u of %u packets came back", probe->quality.n_received,
                            probe->quality.n_sent);
  if (probe->detail != NULL)
    g_string_append_printf (line, " (%s)", probe->detail);
  return g_string_free (line, FALSE);
}

char *
tep_detect_describe_method (const TurnConnectObservations *observations,
                            const TurnConnectMethod *method)
{
  g_autofree char *late = NULL;

  if (method->works != TURN_CONNECT_TELL_YES)
    return describe_cause (method, g_ptr_array_index (observations->probes, method->probe));
  if (method->quality.n_late > 0)
    late = g_strdup_printf (", late %.0f %%",
                            100.0 * method->quality.n_late / MAX (method->quality.n_sent, 1));
  return g_strdup_printf ("set-up %.0f ms, RTT %.1f ms, jitter %.1f ms, loss %.0f %%%s, MOS %.1f",
                          MS (method->quality.set_up_us), MS (method->quality.rtt_us),
                          MS (method->quality.jitter_us), 100 * method->loss,
                          late != NULL ? late : "", method->mos);
}

static gboolean
is_skipped (const TurnConnectObservations *observations, const TurnConnectMethod *method)
{
  const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, method->probe);

  return method->works != TURN_CONNECT_TELL_YES && probe->outcome == TURN_CONNECT_OUTCOME_SKIPPED;
}

/* Those that were not tried, a line for each cause. */
static void
print_skipped (FILE *out,
               const TurnConnectObservations *observations,
               const TurnConnectVerdict *verdict)
{
  g_autoptr (GHashTable) told = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < verdict->methods->len; i++) {
    const TurnConnectMethod *first = &g_array_index (verdict->methods, TurnConnectMethod, i);
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, first->probe);
    const char *cause = probe->detail != NULL ? probe->detail : "";
    g_autoptr (GString) names = g_string_new (NULL);

    if (!is_skipped (observations, first) || !g_hash_table_add (told, (gpointer)cause))
      continue;
    for (guint k = i; k < verdict->methods->len; k++) {
      const TurnConnectMethod *method = &g_array_index (verdict->methods, TurnConnectMethod, k);
      const TurnConnectProbe *other = g_ptr_array_index (observations->probes, method->probe);

      if (is_skipped (observations, method) && g_strcmp0 (other->detail, probe->detail) == 0)
        g_string_append_printf (names, " %s", method->name);
    }
    tep_detect_print (out, 6, "      not tried:%s%s%s%s", names->str, *cause != '\0' ? " (" : "",
                      cause, *cause != '\0' ? ")" : "");
  }
}

static void
print_methods (FILE *out,
               const TurnConnectObservations *observations,
               const TurnConnectVerdict *verdict)
{
  if (verdict->methods->len > 0)
    fprintf (out, "\nwhat gets a call through, best first\n");
  for (guint i = 0; i < verdict->methods->len; i++) {
    const TurnConnectMethod *method = &g_array_index (verdict->methods, TurnConnectMethod, i);
    g_autofree char *line = NULL;

    if (is_skipped (observations, method))
      continue;
    line = tep_detect_describe_method (observations, method);
    tep_detect_print (out, 6, "  %2u. %-14s %s", i + 1, method->name, line);
    if (method->config != NULL)
      tep_detect_print_command (out, 6, method->config);
    else if (method->works == TURN_CONNECT_TELL_YES)
      tep_detect_print (out, 6, "      needs nothing: UDP passes both ways");
  }
  print_skipped (out, observations, verdict);
}

/* Evidence */

/* The ports of one fate: "80 443". */
static char *
list_ports (const TurnConnectFamilyVerdict *family, TurnConnectCarry carry, TurnConnectReach reach)
{
  GString *list = g_string_new (NULL);

  for (guint i = 0; i < family->ports->len; i++) {
    const TurnConnectPort *port = &g_array_index (family->ports, TurnConnectPort, i);

    if (port->carry == carry && port->reach == reach)
      g_string_append_printf (list, " %u", port->port);
  }
  return g_string_free (list, FALSE);
}

char *
tep_detect_describe_ports (const TurnConnectFamilyVerdict *family, TurnConnectCarry carry)
{
  static const struct {
    TurnConnectReach reach;
    const char *word;
  } fates[] = {
    { TURN_CONNECT_REACH_OPEN, "open" },
    { TURN_CONNECT_REACH_CONNECTED, "connected, no answer" },
    { TURN_CONNECT_REACH_BLOCKED, "blocked" },
    { TURN_CONNECT_REACH_UNKNOWN, "not determined" },
  };
  GString *line = g_string_new (NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (fates); i++) {
    g_autofree char *ports = list_ports (family, carry, fates[i].reach);

    if (*ports != '\0')
      g_string_append_printf (line, "%s%s:%s", line->len > 0 ? "; " : "", fates[i].word, ports);
  }
  if (line->len == 0)
    g_string_append (line, "not tried");
  return g_string_free (line, FALSE);
}

char *
tep_detect_describe_nat (const TurnConnectFamilyVerdict *family)
{
  const char *filtering = or_unknown (turn_connect_behaviour_to_string (family->filtering));

  if (family->translated == TURN_CONNECT_TELL_UNKNOWN)
    return g_strdup ("not determined");
  if (family->translated == TURN_CONNECT_TELL_NO)
    return g_strdup_printf ("none; filtering %s", filtering);
  return g_strdup_printf (
      "mapping %s, filtering %s%s", or_unknown (turn_connect_behaviour_to_string (family->mapping)),
      filtering, family->is_pool == TURN_CONNECT_TELL_YES ? ", several public addresses" : "");
}

static void
print_family (FILE *out, const TurnConnectFamilyVerdict *family)
{
  g_autofree char *udp = tep_detect_describe_ports (family, TURN_CONNECT_CARRY_UDP);
  g_autofree char *tcp = tep_detect_describe_ports (family, TURN_CONNECT_CARRY_TCP);
  g_autofree char *nat = tep_detect_describe_nat (family);

  if (!family->is_tried)
    return;
  tep_detect_print (out, INDENT, "  IPv%u UDP  %s", family->family, udp);
  tep_detect_print (out, INDENT, "  IPv%u TCP  %s", family->family, tcp);
  tep_detect_print (out, INDENT, "  IPv%u NAT  %s", family->family, nat);
}

char *
tep_detect_describe_lifetime (const TurnConnectLifetime *lifetime)
{
  GString *line = g_string_new (NULL);
  gboolean is_udp = lifetime->carry == TURN_CONNECT_CARRY_UDP;

  g_string_append_printf (line, "idle %s after %s: ", is_udp ? "UDP" : "TCP",
                          strcmp (lifetime->name, "call") == 0 ? "seconds of a call"
                                                               : "one exchange");
  if (lifetime->kept_s > 0)
    g_string_append_printf (line, "remembered for %u s", lifetime->kept_s);
  if (lifetime->forgotten_s > 0)
    g_string_append_printf (line, "%sforgotten after %u s", lifetime->kept_s > 0 ? ", " : "",
                            lifetime->forgotten_s);
  if (lifetime->kept_s > 0)
    g_string_append_printf (
        line, is_udp ? "; send something every %u s" : "; set keepalives to %u s or less",
        lifetime->kept_s);
  else if (lifetime->forgotten_s > 0)
    g_string_append_printf (line, "; %s much more often than that",
                            is_udp ? "send something" : "set keepalives to come");
  if (lifetime->is_unsteady)
    g_string_append (line, " (some forgotten sooner)");
  return g_string_free (line, FALSE);
}

static void
print_lifetimes (FILE *out, const TurnConnectVerdict *verdict)
{
  for (guint i = 0; i < verdict->lifetimes->len; i++) {
    const TurnConnectLifetime *lifetime =
        &g_array_index (verdict->lifetimes, TurnConnectLifetime, i);
    g_autofree char *line = tep_detect_describe_lifetime (lifetime);

    tep_detect_print (out, INDENT, "  IPv%u      %s", lifetime->family, line);
  }
}

char *
tep_detect_describe_content (const TurnConnectInspection *inspection)
{
  GString *line = g_string_new ("inspected: ");

  g_string_append (line, tell (inspection->is_seen));
  if (inspection->is_seen == TURN_CONNECT_TELL_YES)
    g_string_append_printf (line, " (%s)",
                            turn_connect_confidence_to_string (inspection->confidence));
  if (inspection->mechanism != NULL)
    g_string_append_printf (line, ", how: %s", inspection->mechanism);
  if (inspection->port != 0)
    g_string_append_printf (line, ", port %u", inspection->port);
  if (inspection->hop == 1)
    g_string_append (line, ", at hop 1 or before");
  else if (inspection->hop > 1)
    g_string_append_printf (line, ", at hop %u or %u", inspection->hop - 1, inspection->hop);
  g_string_append_printf (line, "; TLS opened: %s", tell (inspection->tls_opened));
  for (guint i = 0; i < inspection->blocked->len; i++)
    g_string_append_printf (line, "%s%s", i == 0 ? "; held back: " : ", ",
                            (const char *)g_ptr_array_index (inspection->blocked, i));
  for (guint i = 0; i < inspection->passing->len; i++)
    g_string_append_printf (line, "%s%s", i == 0 ? "; passing: " : ", ",
                            (const char *)g_ptr_array_index (inspection->passing, i));
  return g_string_free (line, FALSE);
}

char *
tep_detect_describe_proxy (const TurnConnectVerdict *verdict)
{
  static const char *const words[] = {
    "not determined: none was looked for",    "none is known",
    "works: the far end answers through it",  "wants to know who is asking",
    "does not let us through to the far end", "does not answer as a proxy",
  };
  GString *line = g_string_new (verdict->proxy_url);

  if (line->len > 0)
    g_string_append_c (line, ' ');
  g_string_append (line, words[MIN ((guint)verdict->proxy, G_N_ELEMENTS (words) - 1)]);
  if (verdict->proxy_code != 0)
    g_string_append_printf (line, " (HTTP status %u)", verdict->proxy_code);
  return g_string_free (line, FALSE);
}

char *
tep_detect_describe_asked (const TurnConnectObservations *observations)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GString *list = g_string_new (NULL);

  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);
    char address[STUN_EXT_ADDRESS_TEXT_LENGTH];

    if (probe->target.family == 0 || probe->outcome == TURN_CONNECT_OUTCOME_SKIPPED ||
        !g_hash_table_add (seen, g_strdup (stun_ext_address_print_host (&probe->target, address))))
      continue;
    g_string_append_printf (list, "%s%s", list->len > 0 ? ", " : "", address);
  }
  return g_string_free (list->len > 0 ? list : g_string_append (list, "nobody"), FALSE);
}

char *
tep_detect_describe_besides (const TurnConnectVerdict *verdict)
{
  const char *prefix = verdict->nat64_prefix;

  return g_strdup_printf ("captive portal: %s; NAT64: %s%s%s; a second NAT: %s",
                          tell (verdict->portal), tell (verdict->nat64),
                          prefix != NULL ? ", under " : "", prefix != NULL ? prefix : "",
                          tell (verdict->carrier_nat));
}

char *
tep_detect_describe_sizes (const TurnConnectSizes *sizes)
{
  GString *line = g_string_new ("MTU ");

  if (sizes->there > 0)
    g_string_append_printf (line, "%u octets there", sizes->there);
  else
    g_string_append (line, "not determined");
  if (sizes->back > 0)
    g_string_append_printf (line, ", %u back", sizes->back);
  if (sizes->icmp > 0)
    g_string_append_printf (line, " (ICMP says %u)", sizes->icmp);
  if (sizes->is_black_hole)
    g_string_append (line, " (larger ones vanish without ICMP)");
  if (sizes->mss_said > 0 && sizes->mss_arrived > 0)
    g_string_append_printf (line, "; TCP segments of %u, %u as the far end sees them",
                            sizes->mss_said, sizes->mss_arrived);
  return g_string_free (line, FALSE);
}

static void
print_sizes (FILE *out, const TurnConnectVerdict *verdict)
{
  for (guint i = 0; i < verdict->sizes->len; i++) {
    const TurnConnectSizes *sizes = &g_array_index (verdict->sizes, TurnConnectSizes, i);
    g_autofree char *line = tep_detect_describe_sizes (sizes);

    tep_detect_print (out, INDENT, "  IPv%u      %s", sizes->family, line);
  }
}

static void
print_evidence (FILE *out,
                const TurnConnectObservations *observations,
                const TurnConnectVerdict *verdict)
{
  g_autofree char *proxy = tep_detect_describe_proxy (verdict);
  g_autofree char *content = tep_detect_describe_content (&verdict->inspection);
  g_autofree char *besides = tep_detect_describe_besides (verdict);
  g_autofree char *asked = tep_detect_describe_asked (observations);
  const char *redacted = g_hash_table_lookup (observations->facts, "redacted");

  for (guint i = 0; i < G_N_ELEMENTS (verdict->families); i++)
    print_family (out, &verdict->families[i]);
  print_lifetimes (out, verdict);
  print_sizes (out, verdict);
  tep_detect_print (out, INDENT, "  proxy     %s", proxy);
  tep_detect_print (out, INDENT, "  content   %s", content);
  tep_detect_print (out, INDENT, "  besides   %s", besides);
  tep_detect_print (out, INDENT, "  asked     %s", asked);
  if (redacted != NULL)
    tep_detect_print (out, INDENT, "  redacted  %s", redacted);
  for (guint i = 0; i < verdict->reasons->len; i++)
    tep_detect_print (out, INDENT, "  note      %s",
                      (const char *)g_ptr_array_index (verdict->reasons, i));
  tep_detect_evidence_print (out, observations);
}

char *
tep_detect_describe_advice (const TurnConnectAdvice *advice)
{
  g_autofree char *shown =
      advice->probe >= 0 ? g_strdup_printf (" (probe %d)", advice->probe) : NULL;

  return g_strdup_printf ("%s %s port %u: %s%s", advice->protocol, advice->host, advice->port,
                          advice->text, shown != NULL ? shown : "");
}

static void
print_advice (FILE *out, const TurnConnectVerdict *verdict)
{
  if (verdict->advice->len > 0)
    fprintf (out, "\nask your firewall's owner for\n");
  for (guint i = 0; i < verdict->advice->len; i++) {
    g_autofree char *line = tep_detect_describe_advice (g_ptr_array_index (verdict->advice, i));

    tep_detect_print (out, 4, "  %s", line);
  }
}

char *
tep_detect_describe_run (const TurnConnectObservations *observations)
{
  return g_strdup_printf ("%s port %u%s%s%s, %s, %.1f s", or_unknown (observations->host),
                          observations->port,
                          observations->interface != NULL ? " by interface " : "",
                          observations->interface != NULL ? observations->interface : "",
                          observations->is_far_end ? "" : ", a server that proves nothing",
                          or_unknown (observations->began), MS (observations->took_us) / 1000);
}

void
tep_detect_text_print (FILE *out,
                       const TurnConnectObservations *observations,
                       const TurnConnectVerdict *verdict)
{
  g_autofree char *run = tep_detect_describe_run (observations);

  print_headline (out, verdict);
  print_methods (out, observations, verdict);
  fputc ('\n', out);
  tep_detect_print (out, 2, "evidence: %s", run);
  print_evidence (out, observations, verdict);
  print_advice (out, verdict);
}
