/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What to ask the firewall's owner for: the least that would lift the service to the next better
 * method, each line backed by a probe that failed for want of it.
 */
#include "turn-connect/detect/classify-private.h"

#define TYPE_BIT(type) (1u << (type))

static void
advise (const TurnConnectObservations *observations,
        TurnConnectVerdict *verdict,
        const char *protocol,
        guint16 port,
        gint probe,
        const char *text)
{
  TurnConnectAdvice *advice;

  if (probe < 0)
    return;
  advice = g_new0 (TurnConnectAdvice, 1);
  advice->protocol = protocol;
  advice->host = g_strdup (observations->host != NULL ? observations->host : "the far end");
  advice->port = port;
  advice->text = g_strdup (text);
  advice->probe = probe;
  g_ptr_array_add (verdict->advice, advice);
}

/* Nothing came back from there. */
static gboolean
has_failed (const TurnConnectObservations *observations, const TurnConnectPort *port)
{
  const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, (guint)port->probe);

  return probe->outcome == TURN_CONNECT_OUTCOME_SILENCE ||
         probe->outcome == TURN_CONNECT_OUTCOME_REFUSED ||
         probe->outcome == TURN_CONNECT_OUTCOME_UNREACHABLE;
}

/* The blocked port that is worth most: the preferred one, then those in order. While nothing of this
 * transport passes, nobody need have said that our far end, or one that nothing leads to, listens on the
 * preferred one. */
static const TurnConnectPort *
find_blocked (const TurnConnectObservations *observations,
              const TurnConnectVerdict *verdict,
              TurnConnectCarry carry,
              guint16 preferred)
{
  const TurnConnectFamilyVerdict *family = turn_connect_verdict_get_family (verdict);
  TurnConnectTell passes = carry == TURN_CONNECT_CARRY_UDP ? family->udp : family->tcp;
  gboolean may_listen = passes != TURN_CONNECT_TELL_YES &&
                        (observations->is_far_end || !turn_connect_classify_passes (verdict));
  const TurnConnectPort *found = NULL;

  for (guint i = 0; i < family->ports->len; i++) {
    const TurnConnectPort *port = &g_array_index (family->ports, TurnConnectPort, i);

    if (port->carry != carry)
      continue;
    if (port->reach == TURN_CONNECT_REACH_BLOCKED && (found == NULL || port->port == preferred))
      found = port;
    else if (may_listen && port->port == preferred && port->reach == TURN_CONNECT_REACH_UNKNOWN &&
             has_failed (observations, port))
      found = port;
  }
  return found;
}

static const TurnConnectPort *
find_port (const TurnConnectVerdict *verdict, TurnConnectCarry carry, guint16 number)
{
  const TurnConnectFamilyVerdict *family = turn_connect_verdict_get_family (verdict);

  for (guint i = 0; i < family->ports->len; i++) {
    const TurnConnectPort *port = &g_array_index (family->ports, TurnConnectPort, i);

    if (port->carry == carry && port->port == number)
      return port;
  }
  return NULL;
}

static gboolean
is_blocked (const TurnConnectPort *port)
{
  return port != NULL && port->reach == TURN_CONNECT_REACH_BLOCKED;
}

/* TCP in the order of what it is good for: on 443 everything that a call can do without UDP; on 3478
 * TURN without TLS. */
static void
advise_on_tcp (const TurnConnectObservations *observations, TurnConnectVerdict *verdict)
{
  const TurnConnectFamilyVerdict *family = turn_connect_verdict_get_family (verdict);
  const TurnConnectPort *port = find_port (verdict, TURN_CONNECT_CARRY_TCP, 443);

  if (family->tcp != TURN_CONNECT_TELL_YES) {
    port = find_blocked (observations, verdict, TURN_CONNECT_CARRY_TCP, 443);
    if (port != NULL)
      advise (observations, verdict, "TCP", port->port, port->probe,
              port->port == 443 ? "let TCP to this port out, for TURN over TLS and the media tunnel"
                                : "let TCP to this port out, for TURN and the media tunnel");
    return;
  }
  if (is_blocked (port)) {
    advise (observations, verdict, "TCP", port->port, port->probe,
            "let TCP to this port out as well, for TURN over TLS and the media tunnel");
    return;
  }
  port = find_port (verdict, TURN_CONNECT_CARRY_TCP, 3478);
  if (is_blocked (port))
    advise (observations, verdict, "TCP", port->port, port->probe,
            "let TCP to this port out as well, for TURN without TLS");
}

static void
advise_on_ports (const TurnConnectObservations *observations, TurnConnectVerdict *verdict)
{
  const TurnConnectFamilyVerdict *family = turn_connect_verdict_get_family (verdict);
  const TurnConnectPort *port = find_blocked (observations, verdict, TURN_CONNECT_CARRY_UDP, 3478);

  if (port != NULL && family->udp != TURN_CONNECT_TELL_YES)
    advise (observations, verdict, "UDP", port->port, port->probe,
            "let UDP to this port out and its answers in: media then needs no TCP");
  else if (port != NULL && (family->types & TYPE_BIT (5)))
    advise (observations, verdict, "UDP", port->port, port->probe,
            "let UDP to this port out as well, and its answers in");
  advise_on_tcp (observations, verdict);
}

static guint16
get_port (const TurnConnectObservations *observations, gint probe, guint16 fallback)
{
  guint16 port =
      probe >= 0
          ? ((const TurnConnectProbe *)g_ptr_array_index (observations->probes, (guint)probe))
                ->target.port
          : 0;

  return port != 0 ? port : fallback;
}

static void
advise_on_proxy (const TurnConnectObservations *observations, TurnConnectVerdict *verdict)
{
  g_autofree char *text = NULL;

  if (verdict->proxy == TURN_CONNECT_WAY_CREDENTIALS) {
    text = g_strdup_printf ("get a user and password for the proxy%s%s%s, and give them with "
                            "--proxy-credentials",
                            verdict->proxy_schemes != NULL ? " (it asks by " : "",
                            verdict->proxy_schemes != NULL ? verdict->proxy_schemes : "",
                            verdict->proxy_schemes != NULL ? ")" : "");
    advise (observations, verdict, "HTTP CONNECT",
            get_port (observations, verdict->proxy_probe, 443), verdict->proxy_probe, text);
  } else if (verdict->proxy == TURN_CONNECT_WAY_POLICY &&
             verdict->proxy_opens_tls != TURN_CONNECT_TELL_YES)
    advise (observations, verdict, "HTTP CONNECT",
            get_port (observations, verdict->proxy_probe, 443), verdict->proxy_probe,
            "let the proxy connect to the far end on this port");
}

/* The first probe of mapping that was given another address or port than the one before it on the same
 * socket. */
static gint
find_other_mapping (const TurnConnectObservations *observations, guint8 family)
{
  g_autoptr (GHashTable) firsts = g_hash_table_new (NULL, NULL);

  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);
    const TurnConnectProbe *first;

    if (probe->kind != TURN_CONNECT_PROBE_MAPPING || probe->family != family ||
        probe->carry != TURN_CONNECT_CARRY_UDP || probe->mapped.family == 0 ||
        !turn_connect_classify_counts (observations, probe))
      continue;
    first = g_hash_table_lookup (firsts, GUINT_TO_POINTER (probe->group));
    if (first == NULL)
      g_hash_table_insert (firsts, GUINT_TO_POINTER (probe->group), (gpointer)probe);
    else if (first->mapped.port != probe->mapped.port)
      return (gint)i;
  }
  return TURN_CONNECT_NO_PROBE;
}

static gboolean
is_sip_changed (const TurnConnectInspection *inspection, const TurnConnectProbe *probe)
{
  return probe->variant != NULL && g_str_has_prefix (probe->variant, "sip-") &&
         g_strcmp0 (inspection->mechanism, "altered") == 0;
}

static const char *
choose_text (const TurnConnectInspection *inspection, const TurnConnectProbe *probe)
{
  if (turn_connect_classify_is_silence_held (inspection))
    return "let connections to this host on which the server speaks first stand: they are to reach "
           "it "
           "at once, without waiting for what the client says";
  if (is_sip_changed (inspection, probe))
    return "switch its SIP ALG off, which changes SIP on the way";
  return "exempt this host from the inspection of content";
}

/* Of what carried the octets that did not pass. */
static void
advise_on_content (const TurnConnectObservations *observations, TurnConnectVerdict *verdict)
{
  static const char *const words[] = { "TCP", "UDP", "TCP", "TLS" };
  const TurnConnectInspection *inspection = &verdict->inspection;
  const TurnConnectProbe *probe;

  if (inspection->is_seen != TURN_CONNECT_TELL_YES || inspection->probe < 0)
    return;
  probe = g_ptr_array_index (observations->probes, (guint)inspection->probe);
  if (inspection->tls_opened == TURN_CONNECT_TELL_YES)
    advise (observations, verdict, "TLS", inspection->port, inspection->probe,
            "exempt this host name from the opening of TLS");
  else
    advise (observations, verdict, words[probe->carry % G_N_ELEMENTS (words)], inspection->port,
            inspection->probe, choose_text (inspection, probe));
}

void
turn_connect_classify_advise (const TurnConnectObservations *observations,
                              TurnConnectVerdict *verdict)
{
  gint mapping;

  if (verdict->is_server_down)
    return;
  if (verdict->portal != TURN_CONNECT_TELL_YES)
    advise_on_ports (observations, verdict);
  advise_on_proxy (observations, verdict);
  advise_on_content (observations, verdict);
  if (verdict->types & TYPE_BIT (4)) {
    mapping = find_other_mapping (observations, verdict->main_family);
    advise (observations, verdict, "UDP", get_port (observations, mapping, 0), mapping,
            "have the NAT keep one public port for each inner one, whoever is sent to "
            "(endpoint-independent mapping, RFC 4787 REQ-1): calls then go without a relay");
  }
}
