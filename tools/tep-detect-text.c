/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What tep-detect tells people: the verdict, what works, why we think so, and what to ask for. */
#include "tools/tep-detect.h"

#include <string.h>

#define MS(us) ((double)(us) / 1000)

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

char *
tep_detect_text_describe (const TurnConnectProbe *probe)
{
  char address[STUN_EXT_ADDRESS_TEXT_LENGTH];
  GString *line = g_string_new (turn_connect_probe_kind_to_string (probe->kind));

  if (probe->variant != NULL)
    g_string_append_printf (line, " %s", probe->variant);
  if (probe->carry != TURN_CONNECT_CARRY_NONE)
    g_string_append_printf (line, " by %s", turn_connect_carry_to_string (probe->carry));
  if (probe->target.family != 0)
    g_string_append_printf (line, " to %s", stun_ext_address_print (&probe->target, address));
  if (probe->via != NULL)
    g_string_append_printf (line, " through %s", probe->via);
  g_string_append_printf (line, ": %s", turn_connect_outcome_to_string (probe->outcome));
  if (probe->rtt_us >= 0)
    g_string_append_printf (line, " after %.1f ms", MS (probe->rtt_us));
  else if (probe->connect_us >= 0)
    g_string_append_printf (line, ", TCP after %.1f ms", MS (probe->connect_us));
  if (probe->outcome == TURN_CONNECT_OUTCOME_SILENCE ||
      probe->outcome == TURN_CONNECT_OUTCOME_CONNECTED)
    g_string_append_printf (line, " for %.1f s, sent %u times",
                            MS (probe->deadline_us - probe->start_us) / 1000, probe->attempts);
  if (probe->mapped.family != 0)
    g_string_append_printf (line, ", seen as %s", stun_ext_address_print (&probe->mapped, address));
  if (probe->detail != NULL)
    g_string_append_printf (line, " (%s)", probe->detail);
  return g_string_free (line, FALSE);
}

/* The verdict */

static void
print_headline (FILE *out, const TurnConnectVerdict *verdict)
{
  if (verdict->type == TURN_CONNECT_TYPE_UNKNOWN)
    fprintf (out, "not determined which NAT or firewall this is");
  else if (verdict->type == 0)
    fprintf (out, "nothing in the way (%s)",
             turn_connect_confidence_to_string (verdict->confidence));
  else
    fprintf (out, "type %d: %s (%s)", verdict->type, turn_connect_type_to_string (verdict->type),
             turn_connect_confidence_to_string (verdict->confidence));
  if (verdict->portal == TURN_CONNECT_TELL_YES)
    fprintf (out, ", behind a captive portal");
  if (verdict->is_server_down)
    fprintf (out, "; the far end is not there");
  else if (verdict->works == TURN_CONNECT_TELL_NO)
    fprintf (out, "; nothing gets through");
  fputc ('\n', out);
  for (gint type = 1; type <= 9; type++) {
    if ((verdict->types & (1u << type)) && type != verdict->type)
      fprintf (out, "  also     type %d: %s\n", type, turn_connect_type_to_string (type));
  }
}

static void
print_ports (FILE *out, const TurnConnectFamilyVerdict *family, TurnConnectCarry carry)
{
  static const char *const marks[] = { "?", "", " (nothing answered)", " blocked" };

  fprintf (out, "  IPv%u %s ", family->family, carry == TURN_CONNECT_CARRY_UDP ? "UDP" : "TCP");
  for (guint i = 0; i < family->ports->len; i++) {
    const TurnConnectPort *port = &g_array_index (family->ports, TurnConnectPort, i);

    if (port->carry == carry)
      fprintf (out, " %u%s", port->port, marks[port->reach]);
  }
  fputc ('\n', out);
}

static void
print_family (FILE *out, const TurnConnectFamilyVerdict *family)
{
  if (!family->is_tried)
    return;
  print_ports (out, family, TURN_CONNECT_CARRY_UDP);
  print_ports (out, family, TURN_CONNECT_CARRY_TCP);
  if (family->translated == TURN_CONNECT_TELL_NO)
    fprintf (out, "  IPv%u NAT  none; filtering %s\n", family->family,
             or_unknown (turn_connect_behaviour_to_string (family->filtering)));
  else if (family->translated == TURN_CONNECT_TELL_YES)
    fprintf (out, "  IPv%u NAT  mapping %s, filtering %s%s\n", family->family,
             or_unknown (turn_connect_behaviour_to_string (family->mapping)),
             or_unknown (turn_connect_behaviour_to_string (family->filtering)),
             family->is_pool ? ", several public addresses" : "");
}

/* Why a method does not work, or why that is not known. */
static void
print_cause (FILE *out, const TurnConnectMethod *method, const TurnConnectProbe *probe)
{
  fprintf (out, "%s: %s",
           method->works == TURN_CONNECT_TELL_NO ? "does not work" : "not determined",
           turn_connect_outcome_to_string (probe->outcome));
  if (probe->outcome != TURN_CONNECT_OUTCOME_SKIPPED && probe->quality.n_sent > 0)
    fprintf (out, ", %u of %u packets came back", probe->quality.n_received, probe->quality.n_sent);
  if (probe->detail != NULL)
    fprintf (out, " (%s)", probe->detail);
  fputc ('\n', out);
}

static void
print_methods (FILE *out,
               const TurnConnectObservations *observations,
               const TurnConnectVerdict *verdict)
{
  for (guint i = 0; i < verdict->methods->len; i++) {
    const TurnConnectMethod *method = &g_array_index (verdict->methods, TurnConnectMethod, i);
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, method->probe);
    g_autofree char *use = tep_detect_describe_use (observations, method);

    fprintf (out, "  %2u. %-15s ", i + 1, method->name);
    if (method->works != TURN_CONNECT_TELL_YES) {
      print_cause (out, method, probe);
      continue;
    }
    fprintf (out, "set-up %.0f ms, round trip %.1f ms, jitter %.1f ms, loss %.0f %%, MOS %.1f\n",
             MS (method->quality.set_up_us), MS (method->quality.rtt_us),
             MS (method->quality.jitter_us), 100 * method->loss, method->mos);
    if (use != NULL)
      fprintf (out, "      %s\n", use);
  }
}

static void
print_lifetimes (FILE *out, const TurnConnectVerdict *verdict)
{
  for (guint i = 0; i < verdict->lifetimes->len; i++) {
    const TurnConnectLifetime *lifetime =
        &g_array_index (verdict->lifetimes, TurnConnectLifetime, i);

    fprintf (out, "  IPv%u idle %s after %s: ", lifetime->family,
             lifetime->carry == TURN_CONNECT_CARRY_UDP ? "UDP" : "TCP",
             strcmp (lifetime->name, "call") == 0 ? "seconds of a call" : "one exchange");
    if (lifetime->kept_s > 0)
      fprintf (out, "remembered for %u s", lifetime->kept_s);
    if (lifetime->forgotten_s > 0)
      fprintf (out, "%sforgotten after %u s", lifetime->kept_s > 0 ? ", " : "",
               lifetime->forgotten_s);
    if (lifetime->kept_s > 0)
      fprintf (out, "; send something every %u s", lifetime->kept_s);
    fprintf (out, "%s\n", lifetime->is_unsteady ? " (some forgotten sooner)" : "");
  }
}

static void
print_evidence (FILE *out,
                const TurnConnectObservations *observations,
                const TurnConnectVerdict *verdict)
{
  for (guint i = 0; i < G_N_ELEMENTS (verdict->families); i++)
    print_family (out, &verdict->families[i]);
  print_lifetimes (out, verdict);
  fprintf (out, "  proxy     %s%s%s\n", turn_connect_way_to_string (verdict->proxy),
           verdict->proxy_url != NULL ? " " : "",
           verdict->proxy_url != NULL ? verdict->proxy_url : "");
  fprintf (out, "  content   inspected: %s", tell (verdict->inspection.is_seen));
  if (verdict->inspection.is_seen == TURN_CONNECT_TELL_YES)
    fprintf (out, " (%s)", turn_connect_confidence_to_string (verdict->inspection.confidence));
  fprintf (out, "; TLS opened: %s\n", tell (verdict->inspection.tls_opened));
  for (guint i = 0; i < verdict->inspection.blocked->len; i++)
    fprintf (out, "            held back: %s\n",
             (const char *)g_ptr_array_index (verdict->inspection.blocked, i));
  for (guint i = 0; i < verdict->reasons->len; i++)
    fprintf (out, "  note      %s\n", (const char *)g_ptr_array_index (verdict->reasons, i));
  for (guint i = 0; i < observations->probes->len; i++) {
    g_autofree char *line = tep_detect_text_describe (g_ptr_array_index (observations->probes, i));

    fprintf (out, "  probe %-3u %s\n", i, line);
  }
}

static void
print_advice (FILE *out, const TurnConnectVerdict *verdict)
{
  for (guint i = 0; i < verdict->advice->len; i++) {
    const TurnConnectAdvice *advice = g_ptr_array_index (verdict->advice, i);

    fprintf (out, "  %s %s port %u: %s", advice->protocol, advice->host, advice->port,
             advice->text);
    if (advice->probe >= 0)
      fprintf (out, " (probe %d)", advice->probe);
    fputc ('\n', out);
  }
}

void
tep_detect_text_print (FILE *out,
                       const TurnConnectObservations *observations,
                       const TurnConnectVerdict *verdict)
{
  print_headline (out, verdict);
  if (verdict->methods->len > 0)
    fprintf (out, "\nwhat gets a call through, best first\n");
  print_methods (out, observations, verdict);
  fprintf (out, "\nevidence: %s port %u%s%s%s, %s, %.1f s\n", or_unknown (observations->host),
           observations->port, observations->interface != NULL ? " by interface " : "",
           observations->interface != NULL ? observations->interface : "",
           observations->is_far_end ? "" : ", a server that proves nothing",
           or_unknown (observations->began), MS (observations->took_us) / 1000);
  print_evidence (out, observations, verdict);
  if (verdict->advice->len > 0)
    fprintf (out, "\nask your firewall's owner for\n");
  print_advice (out, verdict);
}
