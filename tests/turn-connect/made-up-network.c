/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "made-up-network.h"

#include <string.h>

#define ALL                                                                                        \
  {                                                                                                \
    ANY_PORT                                                                                       \
  }
#define NOTHING                                                                                    \
  {                                                                                                \
    1                                                                                              \
  }

const Network networks[] = {
  { "open", FAR_END, FALSE, EIM, EIM, ALL, ALL, { NULL }, 0, 0, 0, TURN_CONNECT_EXIT_FREE },
  { "stateful", FAR_END, FALSE, EIM, APDM, ALL, ALL, { NULL }, 0, 0, 0, TURN_CONNECT_EXIT_FREE },
  { "full-cone", FAR_END, TRUE, EIM, EIM, ALL, ALL, { NULL }, 0, 1, BIT (1), 1 },
  { "full-cone-by-plain-server", PLAIN, TRUE, EIM, EIM, ALL, ALL, { NULL }, 0, 1, BIT (1), 3 },
  { "address-restricted", FAR_END, TRUE, EIM, ADM, ALL, ALL, { NULL }, 0, 2, BIT (2), 1 },
  { "port-restricted", FAR_END, TRUE, EIM, APDM, ALL, ALL, { NULL }, 0, 3, BIT (3), 1 },
  { "symmetric", FAR_END, TRUE, APDM, APDM, ALL, ALL, { NULL }, 0, 4, BIT (4), 1 },
  { "symmetric-by-address", FAR_END, TRUE, ADM, APDM, ALL, ALL, { NULL }, 0, 4, BIT (4), 1 },
  { "symmetric-by-plain-server", PLAIN, TRUE, APDM, APDM, ALL, ALL, { NULL }, 0, 4, BIT (4), 3 },
  { "certain-udp-ports",
    FAR_END,
    TRUE,
    EIM,
    APDM,
    { 3478, 443 },
    { 80, 443 },
    { NULL },
    0,
    5,
    BIT (3) | BIT (5),
    1 },
  { "udp-and-web",
    FAR_END,
    TRUE,
    EIM,
    APDM,
    ALL,
    { 80, 443 },
    { NULL },
    0,
    5,
    BIT (3) | BIT (5),
    1 },
  { "udp-only",
    FAR_END,
    FALSE,
    EIM,
    APDM,
    ALL,
    NOTHING,
    { NULL },
    0,
    TURN_CONNECT_TYPE_UNKNOWN,
    0,
    1 },
  { "udp-only-symmetric", FAR_END, TRUE, APDM, APDM, ALL, NOTHING, { NULL }, 0, 4, BIT (4), 1 },
  { "dns-only",
    FAR_END,
    TRUE,
    EIM,
    EIM,
    { 53 },
    NOTHING,
    { NULL },
    0,
    5,
    BIT (5),
    TURN_CONNECT_EXIT_NOTHING },
  { "udp-by-plain-server",
    PLAIN,
    FALSE,
    EIM,
    EIM,
    ALL,
    NOTHING,
    { NULL },
    0,
    TURN_CONNECT_TYPE_UNKNOWN,
    0,
    TURN_CONNECT_EXIT_UNDETERMINED },
  { "web-by-plain-server",
    PLAIN,
    TRUE,
    EIM,
    EIM,
    NOTHING,
    { 80, 443 },
    { NULL },
    0,
    TURN_CONNECT_TYPE_UNKNOWN,
    0,
    TURN_CONNECT_EXIT_UNDETERMINED },
  { "web-only", FAR_END, TRUE, EIM, EIM, NOTHING, { 80, 443 }, { NULL }, 0, 5, BIT (5), 1 },
  { "tcp-only", FAR_END, TRUE, EIM, EIM, NOTHING, ALL, { NULL }, 0, 6, BIT (6), 1 },
  { "tcp-443", FAR_END, TRUE, EIM, EIM, NOTHING, { 443 }, { NULL }, 0, 7, BIT (7), 1 },
  { "proxy", FAR_END, TRUE, EIM, EIM, NOTHING, NOTHING, { NULL }, 200, 8, BIT (8), 1 },
  { "proxy-wants-password",
    FAR_END,
    TRUE,
    EIM,
    EIM,
    NOTHING,
    NOTHING,
    { NULL },
    407,
    8,
    BIT (8),
    TURN_CONNECT_EXIT_NOTHING },
  { "proxy-forbids",
    FAR_END,
    TRUE,
    EIM,
    EIM,
    NOTHING,
    NOTHING,
    { NULL },
    403,
    8,
    BIT (8),
    TURN_CONNECT_EXIT_NOTHING },
  { "proxy-beside-open", FAR_END, FALSE, EIM, EIM, ALL, ALL, { NULL }, 200, 0, 0, 0 },
  { "inspection",
    FAR_END,
    FALSE,
    EIM,
    EIM,
    ALL,
    ALL,
    { "sip-register", "sip-invite" },
    0,
    9,
    BIT (9),
    1 },
  { "symmetric-with-inspection",
    FAR_END,
    TRUE,
    APDM,
    APDM,
    ALL,
    ALL,
    { "sip-register" },
    0,
    9,
    BIT (4) | BIT (9),
    1 },
  { "tls-only",
    FAR_END,
    TRUE,
    EIM,
    EIM,
    NOTHING,
    { 443 },
    { "stun", "sip-register" },
    0,
    9,
    BIT (7) | BIT (9),
    1 },
  { "nothing",
    FAR_END,
    TRUE,
    EIM,
    EIM,
    NOTHING,
    NOTHING,
    { NULL },
    0,
    TURN_CONNECT_TYPE_UNKNOWN,
    0,
    TURN_CONNECT_EXIT_NOTHING },
};

const guint n_networks = G_N_ELEMENTS (networks);

static const guint16 udp_asked[] = { 3478, 443, 53, 5060, 40000 };
static const guint16 tcp_asked[] = { 80, 443, 3478, 5060, 5061, 5349, 40000 };
static const char *const classes[] = { "tls", "stun", "sip-register", "sip-invite", "noise" };

StunExtAddress
make_address (const char *text, guint16 port)
{
  StunExtAddress address = { 0 };

  g_assert_true (stun_ext_address_parse (text, &address));
  address.port = port;
  return address;
}

gboolean
lets_through (const guint16 *ports, guint16 port)
{
  if (ports[0] == ANY_PORT)
    return TRUE;
  for (guint i = 0; ports[i] != 0; i++) {
    if (ports[i] == port)
      return TRUE;
  }
  return FALSE;
}

gboolean
knows_listeners (const Network *network)
{
  return network->tcp[0] != 1 || network->udp[0] == 1;
}

static gboolean
holds_back (const Network *network, const char *class)
{
  for (guint i = 0; i < G_N_ELEMENTS (network->held) && network->held[i] != NULL; i++) {
    if (strcmp (network->held[i], class) == 0)
      return TRUE;
  }
  return FALSE;
}

TurnConnectProbe *
add_probe (TurnConnectObservations *observations,
           const Network *network,
           TurnConnectProbeKind kind,
           const char *variant,
           TurnConnectCarry carry,
           const StunExtAddress *target,
           gboolean passes)
{
  TurnConnectProbe *probe = turn_connect_observations_add (observations, kind, variant);

  probe->carry = carry;
  probe->family = target->family;
  probe->target = *target;
  probe->attempts = 1;
  probe->deadline_us = 2500000;
  probe->end_us = passes ? 24000 : 2500000;
  probe->outcome = !passes               ? TURN_CONNECT_OUTCOME_SILENCE
                   : network->is_far_end ? TURN_CONNECT_OUTCOME_PROOF
                                         : TURN_CONNECT_OUTCOME_ANSWER;
  if (!passes)
    return probe;
  probe->proof = network->is_far_end ? TURN_CONNECT_PROOF_KEYED : TURN_CONNECT_PROOF_NONE;
  probe->rtt_us = 24000;
  probe->local = make_address ("192.168.1.10", 41000);
  probe->mapped = network->is_translated ? make_address ("198.51.100.2", 41000) : probe->local;
  return probe;
}

static void
add_reach (TurnConnectObservations *observations, const Network *network)
{
  for (guint i = 0; i < G_N_ELEMENTS (udp_asked); i++) {
    const StunExtAddress to = make_address ("192.0.2.10", udp_asked[i]);

    add_probe (observations, network, TURN_CONNECT_PROBE_STUN, NULL, TURN_CONNECT_CARRY_UDP, &to,
               lets_through (network->udp, udp_asked[i]));
  }
  for (guint i = 0; i < G_N_ELEMENTS (tcp_asked); i++) {
    const StunExtAddress to = make_address ("192.0.2.10", tcp_asked[i]);

    add_probe (observations, network, TURN_CONNECT_PROBE_PORT, NULL, TURN_CONNECT_CARRY_TCP, &to,
               lets_through (network->tcp, tcp_asked[i]) && !holds_back (network, "stun"));
  }
}

void
add_listeners (TurnConnectObservations *observations)
{
  for (guint i = 0; i < G_N_ELEMENTS (udp_asked); i++) {
    const TurnConnectListener listener = { TURN_CONNECT_CARRY_UDP, udp_asked[i], 3600 };

    g_array_append_val (observations->listeners, listener);
  }
  for (guint i = 0; i < G_N_ELEMENTS (tcp_asked); i++) {
    const TurnConnectListener listener = { TURN_CONNECT_CARRY_TCP, tcp_asked[i], 3600 };

    g_array_append_val (observations->listeners, listener);
  }
}

static void
add_filtering (TurnConnectObservations *observations, const Network *network)
{
  static const char *const variants[] = { "change-ip-port", "change-port" };
  const StunExtAddress to = make_address ("192.0.2.10", 3478);

  for (guint i = 0; i < 2; i++) {
    gboolean passes = network->filtering == EIM || (network->filtering == ADM && i == 1);

    add_probe (observations, network, TURN_CONNECT_PROBE_FILTERING, variants[i],
               TURN_CONNECT_CARRY_UDP, &to, passes);
    if (!passes)
      add_probe (observations, network, TURN_CONNECT_PROBE_FILTERING_CONTROL, variants[i],
                 TURN_CONNECT_CARRY_UDP, &to, TRUE);
  }
}

static void
add_mapping (TurnConnectObservations *observations, const Network *network)
{
  static const struct {
    const char *variant, *address;
    guint16 port;
  } asked[] = { { "s1p1", "192.0.2.10", 3478 },
                { "s1p2", "192.0.2.10", 3479 },
                { "s2p1", "192.0.2.11", 3478 },
                { "s2p2", "192.0.2.11", 3479 },
                { "s1p1-again", "192.0.2.10", 3478 } };

  for (guint group = 1; group <= 3 && network->is_translated; group++) {
    for (guint i = 0; i < G_N_ELEMENTS (asked); i++) {
      const StunExtAddress to = make_address (asked[i].address, asked[i].port);
      TurnConnectProbe *probe = add_probe (observations, network, TURN_CONNECT_PROBE_MAPPING,
                                           asked[i].variant, TURN_CONNECT_CARRY_UDP, &to, TRUE);

      probe->group = group;
      if (network->mapping == ADM)
        probe->mapped.port = (guint16)(50000 + to.octets[3]);
      else if (network->mapping == APDM)
        probe->mapped.port = (guint16)(50000 + to.octets[3] * 10 + to.port % 10);
    }
  }
}

static void
add_payload (TurnConnectObservations *observations, const Network *network)
{
  const StunExtAddress to = make_address ("192.0.2.10", 443);

  if (!lets_through (network->tcp, 443) || !network->is_far_end)
    return;
  for (guint round = 0; round < 5; round++) {
    for (guint i = 0; i < G_N_ELEMENTS (classes); i++) {
      TurnConnectProbe *probe =
          add_probe (observations, network, TURN_CONNECT_PROBE_PAYLOAD, classes[i],
                     TURN_CONNECT_CARRY_TCP, &to, !holds_back (network, classes[i]));

      probe->round = round;
      probe->connect_us = 12000;
    }
  }
}

static void
add_proxy (TurnConnectObservations *observations, const Network *network)
{
  const StunExtAddress to = make_address ("192.0.2.10", 443);
  TurnConnectProbe *probe;

  if (network->proxy_code == 0)
    return;
  probe = add_probe (observations, network, TURN_CONNECT_PROBE_PROXY, NULL, TURN_CONNECT_CARRY_TLS,
                     &to, network->proxy_code == 200);
  probe->code = network->proxy_code;
  probe->via = g_strdup ("http://192.168.2.10:3128");
  if (network->proxy_code != 200)
    probe->outcome = TURN_CONNECT_OUTCOME_DENIED;
}

TurnConnectProbe *
add_method (TurnConnectObservations *observations, const char *name, guint n_received)
{
  TurnConnectProbe *probe =
      turn_connect_observations_add (observations, TURN_CONNECT_PROBE_METHOD, name);

  probe->end_us = 400000;
  probe->outcome = n_received > 0 ? TURN_CONNECT_OUTCOME_PROOF : TURN_CONNECT_OUTCOME_SILENCE;
  probe->proof = n_received > 0 ? TURN_CONNECT_PROOF_UNKEYED : TURN_CONNECT_PROOF_NONE;
  if (n_received > 0)
    probe->quality = (TurnConnectQuality){
      .set_up_us = 50000, .n_sent = 16, .n_received = n_received, .rtt_us = 24000, .size = 172
    };
  return probe;
}

static void
add_methods (TurnConnectObservations *observations, const Network *network)
{
  gboolean has_tls = lets_through (network->tcp, 443) && !holds_back (network, "tls");

  add_method (observations, "direct-udp", lets_through (network->udp, 3478) ? 16 : 0);
  add_method (observations, "tep-80",
              lets_through (network->tcp, 80) && !holds_back (network, "noise") ? 16 : 0);
  add_method (observations, "turn-tls", has_tls ? 16 : 0);
  add_method (observations, "sip-tls", has_tls ? 16 : 0);
  add_method (observations, "turn-tls-proxy", network->proxy_code == 200 ? 16 : 0);
}

TurnConnectObservations *
observe (const Network *network)
{
  TurnConnectObservations *observations = turn_connect_observations_new ();
  gboolean has_udp = lets_through (network->udp, 3478);

  observations->host = g_strdup ("far.example");
  observations->port = 3478;
  observations->is_far_end = network->is_far_end;
  add_reach (observations, network);
  if (has_udp) {
    add_filtering (observations, network);
    add_mapping (observations, network);
  }
  if (network->is_far_end && knows_listeners (network))
    add_listeners (observations);
  add_payload (observations, network);
  add_proxy (observations, network);
  if (network->is_far_end)
    add_methods (observations, network);
  return observations;
}

const Network *
find_network (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (networks); i++) {
    if (strcmp (networks[i].name, name) == 0)
      return &networks[i];
  }
  g_assert_not_reached ();
}
