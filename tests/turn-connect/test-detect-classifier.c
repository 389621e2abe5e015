/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Networks as probes see them, recorded and made up, and what the classifier makes of them. */
#include "turn-connect/detect/classifier.h"
#include "turn-connect/detect/record.h"

#include <json-glib/json-glib.h>
#include <string.h>

#define FAR_END TRUE
#define PLAIN FALSE
#define ANY_PORT 0

/* A network made up. Ports end with 0; a list that begins with ANY_PORT lets all through. */
typedef struct {
  const char *name;
  gboolean is_far_end;
  gboolean is_translated;
  TurnConnectBehaviour mapping, filtering;
  guint16 udp[8], tcp[8];
  const char *held[4]; /* classes of octets that do not pass */
  guint proxy_code;    /* 0: no proxy; 200: CONNECT works */
  gint type;           /* what is expected */
  guint types;
  TurnConnectExit exit;
} Network;

#define ALL                                                                                        \
  {                                                                                                \
    ANY_PORT                                                                                       \
  }
#define NOTHING                                                                                    \
  {                                                                                                \
    1                                                                                              \
  }
#define EIM TURN_CONNECT_BEHAVIOUR_INDEPENDENT
#define ADM TURN_CONNECT_BEHAVIOUR_ADDRESS
#define APDM TURN_CONNECT_BEHAVIOUR_ADDRESS_AND_PORT
#define BIT(type) (1u << (type))

static const Network networks[] = {
  { "open", FAR_END, FALSE, EIM, EIM, ALL, ALL, { NULL }, 0, 0, 0, TURN_CONNECT_EXIT_FREE },
  { "stateful", FAR_END, FALSE, EIM, APDM, ALL, ALL, { NULL }, 0, 0, 0, TURN_CONNECT_EXIT_FREE },
  { "full-cone", FAR_END, TRUE, EIM, EIM, ALL, ALL, { NULL }, 0, 1, BIT (1), 1 },
  { "full-cone-by-plain-server", PLAIN, TRUE, EIM, EIM, ALL, ALL, { NULL }, 0, 1, BIT (1), 1 },
  { "address-restricted", FAR_END, TRUE, EIM, ADM, ALL, ALL, { NULL }, 0, 2, BIT (2), 1 },
  { "port-restricted", FAR_END, TRUE, EIM, APDM, ALL, ALL, { NULL }, 0, 3, BIT (3), 1 },
  { "symmetric", FAR_END, TRUE, APDM, APDM, ALL, ALL, { NULL }, 0, 4, BIT (4), 1 },
  { "symmetric-by-address", FAR_END, TRUE, ADM, APDM, ALL, ALL, { NULL }, 0, 4, BIT (4), 1 },
  { "symmetric-by-plain-server", PLAIN, TRUE, APDM, APDM, ALL, ALL, { NULL }, 0, 4, BIT (4), 1 },
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

static const guint16 udp_asked[] = { 3478, 443, 53, 5060, 40000 };
static const guint16 tcp_asked[] = { 80, 443, 3478, 5060, 5061, 5349, 40000 };
static const char *const classes[] = { "tls", "stun", "sip-register", "sip-invite", "noise" };

static StunExtAddress
make_address (const char *text, guint16 port)
{
  StunExtAddress address = { 0 };

  g_assert_true (stun_ext_address_parse (text, &address));
  address.port = port;
  return address;
}

static gboolean
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

static gboolean
holds_back (const Network *network, const char *class)
{
  for (guint i = 0; i < G_N_ELEMENTS (network->held) && network->held[i] != NULL; i++) {
    if (strcmp (network->held[i], class) == 0)
      return TRUE;
  }
  return FALSE;
}

static TurnConnectProbe *
add (TurnConnectObservations *observations,
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

    add (observations, network, TURN_CONNECT_PROBE_STUN, NULL, TURN_CONNECT_CARRY_UDP, &to,
         lets_through (network->udp, udp_asked[i]));
  }
  for (guint i = 0; i < G_N_ELEMENTS (tcp_asked); i++) {
    const StunExtAddress to = make_address ("192.0.2.10", tcp_asked[i]);

    add (observations, network, TURN_CONNECT_PROBE_PORT, NULL, TURN_CONNECT_CARRY_TCP, &to,
         lets_through (network->tcp, tcp_asked[i]) && !holds_back (network, "stun"));
  }
}

static void
add_listeners (TurnConnectObservations *observations)
{
  for (guint i = 0; i < G_N_ELEMENTS (udp_asked); i++) {
    const TurnConnectListener listener = { TURN_CONNECT_CARRY_UDP, udp_asked[i], 5 };

    g_array_append_val (observations->listeners, listener);
  }
  for (guint i = 0; i < G_N_ELEMENTS (tcp_asked); i++) {
    const TurnConnectListener listener = { TURN_CONNECT_CARRY_TCP, tcp_asked[i], 5 };

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

    add (observations, network, TURN_CONNECT_PROBE_FILTERING, variants[i], TURN_CONNECT_CARRY_UDP,
         &to, passes);
    if (!passes)
      add (observations, network, TURN_CONNECT_PROBE_FILTERING_CONTROL, variants[i],
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
      TurnConnectProbe *probe = add (observations, network, TURN_CONNECT_PROBE_MAPPING,
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
          add (observations, network, TURN_CONNECT_PROBE_PAYLOAD, classes[i],
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
  probe = add (observations, network, TURN_CONNECT_PROBE_PROXY, NULL, TURN_CONNECT_CARRY_TLS, &to,
               network->proxy_code == 200);
  probe->code = network->proxy_code;
  probe->via = g_strdup ("http://192.168.2.10:3128");
  if (network->proxy_code != 200)
    probe->outcome = TURN_CONNECT_OUTCOME_DENIED;
}

static TurnConnectObservations *
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
  if (network->is_far_end)
    add_listeners (observations);
  add_payload (observations, network);
  add_proxy (observations, network);
  return observations;
}

static void
test_network (gconstpointer data)
{
  const Network *network = data;
  g_autoptr (TurnConnectObservations) observations = observe (network);
  g_autoptr (TurnConnectVerdict) verdict = turn_connect_classify (observations);
  const TurnConnectFamilyVerdict *family = turn_connect_verdict_get_family (verdict);
  gboolean has_udp = lets_through (network->udp, 3478);

  for (guint i = 0; i < verdict->reasons->len; i++)
    g_test_message ("%s", (const char *)g_ptr_array_index (verdict->reasons, i));
  g_assert_cmpint (verdict->type, ==, network->type);
  g_assert_cmphex (verdict->types, ==, network->types);
  g_assert_cmpint (turn_connect_verdict_get_exit (verdict), ==, network->exit);
  if (has_udp)
    g_assert_cmpint (family->filtering, ==, network->filtering);
  if (has_udp && network->is_translated)
    g_assert_cmpint (family->mapping, ==, network->mapping);
  if (network->type > 0 && network->type < 8 && network->is_far_end)
    g_assert_cmpint (verdict->confidence, ==, TURN_CONNECT_CONFIDENCE_CONFIRMED);
}

/* What must not be concluded. */

static void
forget_probes (TurnConnectObservations *observations, TurnConnectProbeKind kind)
{
  for (guint i = 0; i < observations->probes->len; i++) {
    TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind == kind)
      probe->outcome = TURN_CONNECT_OUTCOME_SKIPPED;
  }
}

static const Network *
find_network (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (networks); i++) {
    if (strcmp (networks[i].name, name) == 0)
      return &networks[i];
  }
  g_assert_not_reached ();
}

static void
test_silence_without_control_is_no_filtering (void)
{
  g_autoptr (TurnConnectObservations) observations = observe (find_network ("port-restricted"));
  g_autoptr (TurnConnectVerdict) verdict = NULL;

  forget_probes (observations, TURN_CONNECT_PROBE_FILTERING_CONTROL);
  verdict = turn_connect_classify (observations);
  g_assert_cmpint (verdict->families[0].filtering, ==, TURN_CONNECT_BEHAVIOUR_UNKNOWN);
  g_assert_cmpint (verdict->type, ==, TURN_CONNECT_TYPE_UNKNOWN);
  g_assert_cmpint (turn_connect_verdict_get_exit (verdict), ==, TURN_CONNECT_EXIT_UNDETERMINED);
}

static void
test_an_answer_from_elsewhere_is_no_full_cone (void)
{
  g_autoptr (TurnConnectObservations) observations = observe (find_network ("full-cone"));
  g_autoptr (TurnConnectVerdict) verdict = NULL;

  for (guint i = 0; i < observations->probes->len; i++) {
    TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind == TURN_CONNECT_PROBE_FILTERING)
      probe->outcome = TURN_CONNECT_OUTCOME_WRONG_SOURCE;
  }
  verdict = turn_connect_classify (observations);
  g_assert_cmpint (verdict->families[0].filtering, ==, TURN_CONNECT_BEHAVIOUR_UNKNOWN);
  g_assert_cmpint (verdict->type, ==, TURN_CONNECT_TYPE_UNKNOWN);
}

static void
test_silent_ports_that_nobody_listens_on_restrict_nothing (void)
{
  static const char *const names[] = { "web-only", "tcp-443", "tcp-only" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autoptr (TurnConnectObservations) observations = observe (find_network (names[i]));
    g_autoptr (TurnConnectVerdict) verdict = NULL;

    g_array_set_size (observations->listeners, 0);
    observations->port = 9;
    verdict = turn_connect_classify (observations);
    g_assert_cmpint (verdict->type, ==, TURN_CONNECT_TYPE_UNKNOWN);
    g_assert_cmpint (verdict->families[0].udp, ==, TURN_CONNECT_TELL_UNKNOWN);
  }
}

static void
test_answers_without_proof_do_not_count_where_others_have_it (void)
{
  g_autoptr (TurnConnectObservations) observations = observe (find_network ("tcp-only"));
  g_autoptr (TurnConnectVerdict) verdict = NULL;
  TurnConnectProbe *dns = g_ptr_array_index (observations->probes, 2);

  g_assert_cmpuint (dns->target.port, ==, 53);
  dns->outcome = TURN_CONNECT_OUTCOME_ANSWER;
  verdict = turn_connect_classify (observations);
  g_assert_cmpint (verdict->type, ==, 6);
}

static void
test_answers_without_proof_on_many_ports_are_forged (void)
{
  g_autoptr (TurnConnectObservations) observations = observe (find_network ("tcp-only"));
  g_autoptr (TurnConnectVerdict) verdict = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (udp_asked); i++)
    ((TurnConnectProbe *)g_ptr_array_index (observations->probes, i))->outcome =
        TURN_CONNECT_OUTCOME_ANSWER;
  verdict = turn_connect_classify (observations);
  g_assert_cmpint (verdict->type, ==, 9);
  g_assert_cmphex (verdict->types, ==, BIT (9));
  g_assert_cmpstr (verdict->inspection.mechanism, ==, "forged-answer");
}

static void
test_the_opening_is_control_enough_behind_a_symmetric_nat (void)
{
  g_autoptr (TurnConnectObservations) observations = observe (find_network ("symmetric"));
  g_autoptr (TurnConnectVerdict) verdict = NULL, plain = NULL;

  for (guint i = 0; i < observations->probes->len; i++) {
    TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind != TURN_CONNECT_PROBE_FILTERING_CONTROL)
      continue;
    probe->target = strcmp (probe->variant, "change-port") == 0 ? make_address ("192.0.2.10", 3479)
                                                                : make_address ("192.0.2.11", 3479);
    g_free (probe->variant);
    probe->variant = g_strdup ("opening");
  }
  verdict = turn_connect_classify (observations);
  g_assert_cmpint (verdict->families[0].filtering, ==, APDM);
  for (guint i = 0; i < observations->probes->len; i++) {
    TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->outcome == TURN_CONNECT_OUTCOME_PROOF)
      probe->outcome = TURN_CONNECT_OUTCOME_ANSWER;
  }
  observations->is_far_end = FALSE;
  plain = turn_connect_classify (observations);
  g_assert_cmpint (plain->families[0].filtering, ==, TURN_CONNECT_BEHAVIOUR_UNKNOWN);
}

static void
test_connections_count_for_nothing_where_decoys_are_accepted (void)
{
  g_autoptr (TurnConnectObservations) observations = observe (find_network ("tcp-443"));
  g_autoptr (TurnConnectVerdict) verdict = NULL;
  TurnConnectProbe *decoy =
      turn_connect_observations_add (observations, TURN_CONNECT_PROBE_DECOY, NULL);

  decoy->family = 4;
  decoy->carry = TURN_CONNECT_CARRY_TCP;
  decoy->connect_us = 300;
  decoy->outcome = TURN_CONNECT_OUTCOME_CONNECTED;
  for (guint i = 0; i < observations->probes->len; i++) {
    TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind == TURN_CONNECT_PROBE_PORT)
      probe->connect_us = 300;
  }
  verdict = turn_connect_classify (observations);
  g_assert_true (verdict->families[0].is_intercepted);
  g_assert_cmpint (verdict->type, ==, 7);
}

static void
test_a_pool_of_addresses_is_no_symmetric_nat (void)
{
  g_autoptr (TurnConnectObservations) observations = observe (find_network ("port-restricted"));
  g_autoptr (TurnConnectVerdict) verdict = NULL;

  for (guint i = 0; i < observations->probes->len; i++) {
    TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind == TURN_CONNECT_PROBE_MAPPING && probe->variant[1] == '2')
      probe->mapped.octets[3]++;
  }
  verdict = turn_connect_classify (observations);
  g_assert_true (verdict->families[0].is_pool);
  g_assert_cmpint (verdict->type, ==, 3);
}

static void
test_a_socket_that_changes_meanwhile_has_no_vote (void)
{
  g_autoptr (TurnConnectObservations) observations = observe (find_network ("port-restricted"));
  g_autoptr (TurnConnectVerdict) verdict = NULL;

  for (guint i = 0; i < observations->probes->len; i++) {
    TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind == TURN_CONNECT_PROBE_MAPPING && probe->group == 1 &&
        strcmp (probe->variant, "s1p1") != 0)
      probe->mapped.port = 60000;
  }
  verdict = turn_connect_classify (observations);
  g_assert_cmpint (verdict->type, ==, 3);
}

static void
test_a_failed_control_takes_inspection_back (void)
{
  g_autoptr (TurnConnectObservations) observations = observe (find_network ("inspection"));
  g_autoptr (TurnConnectVerdict) verdict = NULL;
  StunExtAddress to = make_address ("192.0.2.10", 443);
  TurnConnectProbe *control =
      add (observations, find_network ("inspection"), TURN_CONNECT_PROBE_PAYLOAD, "tls",
           TURN_CONNECT_CARRY_TCP, &to, FALSE);

  control->is_control = TRUE;
  control->connect_us = 12000;
  verdict = turn_connect_classify (observations);
  g_assert_cmpint (verdict->inspection.is_seen, ==, TURN_CONNECT_TELL_UNKNOWN);
  g_assert_cmpint (verdict->type, ==, 0);
}

static void
test_a_single_difference_is_a_suspicion (void)
{
  g_autoptr (TurnConnectObservations) observations = observe (find_network ("inspection"));
  g_autoptr (TurnConnectVerdict) verdict = NULL;

  for (guint i = 0; i < observations->probes->len; i++) {
    TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind == TURN_CONNECT_PROBE_PAYLOAD && probe->round > 0)
      probe->outcome = TURN_CONNECT_OUTCOME_SKIPPED;
  }
  verdict = turn_connect_classify (observations);
  g_assert_cmpint (verdict->inspection.confidence, ==, TURN_CONNECT_CONFIDENCE_SUSPECTED);
  g_assert_cmpint (verdict->type, ==, 0);
}

static void
test_a_server_that_refuses_everything_is_not_there (void)
{
  g_autoptr (TurnConnectObservations) observations = observe (find_network ("nothing"));
  g_autoptr (TurnConnectVerdict) verdict = NULL;

  for (guint i = 0; i < observations->probes->len; i++)
    ((TurnConnectProbe *)g_ptr_array_index (observations->probes, i))->outcome =
        TURN_CONNECT_OUTCOME_REFUSED;
  verdict = turn_connect_classify (observations);
  g_assert_cmpint (turn_connect_verdict_get_exit (verdict), ==, TURN_CONNECT_EXIT_UNAVAILABLE);
}

static void
test_nothing_seen_determines_nothing (void)
{
  g_autoptr (TurnConnectObservations) observations = turn_connect_observations_new ();
  g_autoptr (TurnConnectVerdict) verdict = turn_connect_classify (observations);

  g_assert_cmpint (verdict->type, ==, TURN_CONNECT_TYPE_UNKNOWN);
  g_assert_cmpint (turn_connect_verdict_get_exit (verdict), ==, TURN_CONNECT_EXIT_UNDETERMINED);
}

/* Anything at all. */

static void
make_random_address (GRand *random, StunExtAddress *address)
{
  static const char *const texts[] = { "192.0.2.10",   "192.0.2.11",  "198.51.100.2",
                                       "192.168.1.10", "2001:db8::1", "fd07::1" };

  if (g_rand_int_range (random, 0, 4) > 0)
    *address = make_address (texts[g_rand_int_range (random, 0, G_N_ELEMENTS (texts))],
                             (guint16)g_rand_int_range (random, 3478, 3481));
}

static void
add_random_probe (GRand *random, TurnConnectObservations *observations)
{
  static const char *const variants[] = { NULL,   "change-ip-port", "change-port", "s1p1",
                                          "s1p2", "s2p1",           "s2p2",        "s1p1-again",
                                          "tls",  "sip-register",   "nat64",       "turn-udp" };
  TurnConnectProbe *probe = turn_connect_observations_add (
      observations, (TurnConnectProbeKind)g_rand_int_range (random, 0, TURN_CONNECT_N_PROBE_KINDS),
      variants[g_rand_int_range (random, 0, G_N_ELEMENTS (variants))]);

  probe->carry = (TurnConnectCarry)g_rand_int_range (random, 0, TURN_CONNECT_N_CARRIES);
  probe->family = (guint8)(2 * g_rand_int_range (random, 0, 4));
  probe->is_control = g_rand_int_range (random, 0, 8) == 0;
  probe->group = (guint)g_rand_int_range (random, 0, 40);
  probe->round = (guint)g_rand_int_range (random, 0, 6);
  probe->outcome = (TurnConnectOutcome)g_rand_int_range (random, 0, TURN_CONNECT_N_OUTCOMES);
  probe->proof = (TurnConnectProof)g_rand_int_range (random, 0, TURN_CONNECT_N_PROOFS);
  probe->far_saw = (TurnConnectFarSaw)g_rand_int_range (random, 0, TURN_CONNECT_N_FAR_SAWS);
  probe->connect_us = g_rand_int_range (random, -1, 100);
  probe->rtt_us = g_rand_int_range (random, -1, 100);
  probe->code = (guint)g_rand_int_range (random, 0, 500);
  probe->quality.n_sent = (guint)g_rand_int_range (random, 0, 3);
  probe->quality.n_received = (guint)g_rand_int_range (random, 0, 5);
  make_random_address (random, &probe->target);
  make_random_address (random, &probe->local);
  make_random_address (random, &probe->mapped);
  if (g_rand_int_range (random, 0, 8) == 0)
    probe->via = g_strdup ("http://192.168.2.10:3128");
}

static void
assert_honest (const TurnConnectObservations *observations, const TurnConnectVerdict *verdict)
{
  guint n_passed = 0, n_controls = 0;

  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    n_passed += turn_connect_probe_passed (probe);
    n_controls +=
        probe->kind == TURN_CONNECT_PROBE_FILTERING_CONTROL && turn_connect_probe_passed (probe);
  }
  g_assert_true (verdict->type >= TURN_CONNECT_TYPE_UNKNOWN && verdict->type <= 9);
  g_assert_true ((verdict->type == TURN_CONNECT_TYPE_UNKNOWN) ==
                 (verdict->confidence == TURN_CONNECT_CONFIDENCE_NOT_DETERMINED));
  g_assert_true (verdict->type <= 0 ? verdict->types == 0 : (verdict->types >> verdict->type) == 1);
  if (n_passed == 0)
    g_assert_true (verdict->type == TURN_CONNECT_TYPE_UNKNOWN || verdict->type >= 5);
  for (guint i = 0; i < 2 && n_controls == 0; i++)
    g_assert_cmpint (verdict->families[i].filtering, <=, TURN_CONNECT_BEHAVIOUR_INDEPENDENT);
  for (guint i = 0; i < verdict->advice->len; i++) {
    const TurnConnectAdvice *advice = g_ptr_array_index (verdict->advice, i);

    g_assert_cmpint (advice->probe, <, (gint)observations->probes->len);
  }
}

static void
test_every_set_of_observations_has_a_verdict (void)
{
  g_autoptr (GRand) random = g_rand_new_with_seed ((guint32)g_test_rand_int ());

  for (guint round = 0; round < 400; round++) {
    g_autoptr (TurnConnectObservations) observations = turn_connect_observations_new ();
    g_autoptr (TurnConnectVerdict) verdict = NULL, again = NULL;
    g_autofree char *text = NULL, *text_again = NULL;

    observations->is_far_end = g_rand_boolean (random);
    observations->port = (guint)g_rand_int_range (random, 3478, 3481);
    if (g_rand_boolean (random))
      add_listeners (observations);
    for (gint n = g_rand_int_range (random, 0, 60); n > 0; n--)
      add_random_probe (random, observations);
    verdict = turn_connect_classify (observations);
    again = turn_connect_classify (observations);
    assert_honest (observations, verdict);
    text = turn_connect_record_write (observations, verdict, FALSE);
    text_again = turn_connect_record_write (observations, again, FALSE);
    g_assert_cmpstr (text, ==, text_again);
  }
}

/* Recorded networks: a file holds observations and the verdict that was right for them. */

static void
assert_same_members (const char *one, const char *other)
{
  static const char *const members[] = { "type",      "types",      "confidence", "works",
                                         "exit",      "nat",        "udp",        "tcp",
                                         "tcp_ports", "proxy",      "portal",     "inspection",
                                         "nat64",     "carrier_nat" };
  g_autoptr (JsonNode) first = json_from_string (one, NULL);
  g_autoptr (JsonNode) second = json_from_string (other, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (members); i++) {
    JsonNode *a = json_object_get_member (json_node_get_object (first), members[i]);
    JsonNode *b = json_object_get_member (json_node_get_object (second), members[i]);
    g_autofree char *a_text = json_to_string (a, FALSE);
    g_autofree char *b_text = json_to_string (b, FALSE);

    g_assert_cmpstr (a_text, ==, b_text);
  }
}

static void
test_case (gconstpointer data)
{
  const char *path = data;
  g_autofree char *text = NULL, *judged = NULL;
  gsize length;
  g_autoptr (GError) error = NULL;
  g_autoptr (TurnConnectObservations) observations = NULL;
  g_autoptr (TurnConnectVerdict) verdict = NULL;

  g_assert_true (g_file_get_contents (path, &text, &length, &error));
  observations = turn_connect_record_read (text, length, &error);
  g_assert_no_error (error);
  verdict = turn_connect_classify (observations);
  judged = turn_connect_record_write (observations, verdict, FALSE);
  assert_same_members (judged, text);
}

static void
add_cases (void)
{
  const char *source = g_getenv ("TEPKIT_SOURCE");
  g_autofree char *folder =
      g_build_filename (source != NULL ? source : ".", "tests/turn-connect/detect-cases", NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  g_assert_nonnull (dir);
  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *test = g_strconcat ("/turn-connect/detect-classifier/case/", name, NULL);

    if (g_str_has_suffix (name, ".json"))
      g_test_add_data_func_full (test, g_build_filename (folder, name, NULL), test_case, g_free);
  }
}

#define ADD(name, func) g_test_add_func ("/turn-connect/detect-classifier/" name, func)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (networks); i++) {
    g_autofree char *name =
        g_strconcat ("/turn-connect/detect-classifier/network/", networks[i].name, NULL);

    g_test_add_data_func (name, &networks[i], test_network);
  }
  ADD ("silence-without-control-is-no-filtering", test_silence_without_control_is_no_filtering);
  ADD ("an-answer-from-elsewhere-is-no-full-cone", test_an_answer_from_elsewhere_is_no_full_cone);
  ADD ("silent-ports-that-nobody-listens-on-restrict-nothing",
       test_silent_ports_that_nobody_listens_on_restrict_nothing);
  ADD ("answers-without-proof-do-not-count-where-others-have-it",
       test_answers_without_proof_do_not_count_where_others_have_it);
  ADD ("answers-without-proof-on-many-ports-are-forged",
       test_answers_without_proof_on_many_ports_are_forged);
  ADD ("the-opening-is-control-enough-behind-a-symmetric-nat",
       test_the_opening_is_control_enough_behind_a_symmetric_nat);
  ADD ("connections-count-for-nothing-where-decoys-are-accepted",
       test_connections_count_for_nothing_where_decoys_are_accepted);
  ADD ("a-pool-of-addresses-is-no-symmetric-nat", test_a_pool_of_addresses_is_no_symmetric_nat);
  ADD ("a-socket-that-changes-meanwhile-has-no-vote",
       test_a_socket_that_changes_meanwhile_has_no_vote);
  ADD ("a-failed-control-takes-inspection-back", test_a_failed_control_takes_inspection_back);
  ADD ("a-single-difference-is-a-suspicion", test_a_single_difference_is_a_suspicion);
  ADD ("a-server-that-refuses-everything-is-not-there",
       test_a_server_that_refuses_everything_is_not_there);
  ADD ("nothing-seen-determines-nothing", test_nothing_seen_determines_nothing);
  ADD ("every-set-of-observations-has-a-verdict", test_every_set_of_observations_has_a_verdict);
  add_cases ();
  return g_test_run ();
}
