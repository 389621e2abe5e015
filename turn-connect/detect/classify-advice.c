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
  TurnConnectAdvice *advice = g_new0 (TurnConnectAdvice, 1);

  advice->protocol = protocol;
  advice->host = g_strdup (observations->host != NULL ? observations->host : "the far end");
  advice->port = port;
  advice->text = g_strdup (text);
  advice->probe = probe;
  g_ptr_array_add (verdict->advice, advice);
}

/* The blocked port that is worth most: the one the far end was named by, then those in order. */
static const TurnConnectPort *
find_blocked (const TurnConnectObservations *observations,
              const TurnConnectFamilyVerdict *family,
              TurnConnectCarry carry,
              guint16 preferred)
{
  const TurnConnectPort *found = NULL;

  for (guint i = 0; i < family->ports->len; i++) {
    const TurnConnectPort *port = &g_array_index (family->ports, TurnConnectPort, i);

    if (port->carry != carry || port->reach != TURN_CONNECT_REACH_BLOCKED)
      continue;
    if (found == NULL || port->port == preferred)
      found = port;
  }
  return found;
}

static void
advise_on_ports (const TurnConnectObservations *observations, TurnConnectVerdict *verdict)
{
  const TurnConnectFamilyVerdict *family = turn_connect_verdict_get_family (verdict);
  const TurnConnectPort *port;

  if (family->udp != TURN_CONNECT_TELL_YES) {
    port = find_blocked (observations, family, TURN_CONNECT_CARRY_UDP, 3478);
    if (port != NULL)
      advise (observations, verdict, "UDP", port->port, port->probe,
              "let UDP to this port out and its answers in: media then needs no TCP");
  } else if (family->types & TYPE_BIT (5)) {
    port = find_blocked (observations, family, TURN_CONNECT_CARRY_UDP, 3478);
    if (port != NULL)
      advise (observations, verdict, "UDP", port->port, port->probe,
              "let UDP to this port out as well, and its answers in");
  }
  if (family->tcp != TURN_CONNECT_TELL_YES) {
    port = find_blocked (observations, family, TURN_CONNECT_CARRY_TCP, 443);
    if (port != NULL)
      advise (observations, verdict, "TCP", port->port, port->probe,
              "let TCP to this port out, for TURN over TLS and the media tunnel");
  }
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
    advise (observations, verdict, "HTTP CONNECT", 443, verdict->proxy_probe, text);
  } else if (verdict->proxy == TURN_CONNECT_WAY_POLICY &&
             verdict->proxy_opens_tls != TURN_CONNECT_TELL_YES)
    advise (observations, verdict, "HTTP CONNECT", 443, verdict->proxy_probe,
            "let the proxy connect to the far end on port 443");
}

/* The first probe of mapping that was given another address or port than one before it on the same
 * socket. */
static gint
find_other_mapping (const TurnConnectObservations *observations, guint8 family)
{
  const TurnConnectProbe *first = NULL;

  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind != TURN_CONNECT_PROBE_MAPPING || probe->family != family ||
        !turn_connect_classify_counts (observations, probe) ||
        (first != NULL && probe->group != first->group))
      continue;
    if (first == NULL)
      first = probe;
    else if (!stun_ext_address_equal (&probe->mapped, &first->mapped))
      return (gint)i;
  }
  return TURN_CONNECT_NO_PROBE;
}

static void
advise_on_content (const TurnConnectObservations *observations, TurnConnectVerdict *verdict)
{
  const TurnConnectInspection *inspection = &verdict->inspection;
  const TurnConnectProbe *probe =
      inspection->probe >= 0 && (guint)inspection->probe < observations->probes->len
          ? g_ptr_array_index (observations->probes, inspection->probe)
          : NULL;
  gboolean is_sip =
      probe != NULL && probe->variant != NULL && g_str_has_prefix (probe->variant, "sip-");

  advise (observations, verdict,
          probe != NULL && probe->carry == TURN_CONNECT_CARRY_UDP ? "UDP" : "TCP", inspection->port,
          inspection->probe,
          is_sip && g_strcmp0 (inspection->mechanism, "altered") == 0
              ? "switch its SIP ALG off, which changes SIP on the way"
              : "exempt this host from the inspection of content");
}

void
turn_connect_classify_advise (const TurnConnectObservations *observations,
                              TurnConnectVerdict *verdict)
{
  const TurnConnectInspection *inspection = &verdict->inspection;

  if (verdict->is_server_down)
    return;
  advise_on_ports (observations, verdict);
  advise_on_proxy (observations, verdict);
  if (inspection->tls_opened == TURN_CONNECT_TELL_YES)
    advise (observations, verdict, "TLS", inspection->port, inspection->probe,
            "exempt this host name from the opening of TLS");
  else if (inspection->is_seen == TURN_CONNECT_TELL_YES)
    advise_on_content (observations, verdict);
  if (verdict->type == 4)
    advise (observations, verdict, "UDP", (guint16)observations->port,
            find_other_mapping (observations, verdict->main_family),
            "have the NAT keep one public port for each inner one, whoever is sent to "
            "(endpoint-independent mapping, RFC 4787 REQ-1): calls then go without a relay");
}
