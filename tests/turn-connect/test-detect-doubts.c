/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What must not be concluded. */
#include "made-up-network.h"

#include <string.h>

static void
forget_probes (TurnConnectObservations *observations, TurnConnectProbeKind kind)
{
  for (guint i = 0; i < observations->probes->len; i++) {
    TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind == kind)
      probe->outcome = TURN_CONNECT_OUTCOME_SKIPPED;
  }
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
  g_assert_cmphex (verdict->types, ==, BIT (6));
  g_assert_cmpint (verdict->inspection.confidence, ==, TURN_CONNECT_CONFIDENCE_SUSPECTED);
  g_assert_cmpint (verdict->type, ==, TURN_CONNECT_TYPE_UNKNOWN);
}

static void
answer_without_proof (TurnConnectObservations *observations)
{
  for (guint i = 0; i < observations->probes->len; i++) {
    TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind == TURN_CONNECT_PROBE_STUN)
      probe->outcome = TURN_CONNECT_OUTCOME_ANSWER;
  }
}

/* Another server, such as one for TURN, may stand beside the far end. */
static void
test_answers_without_proof_where_the_far_end_does_not_listen_are_nobodys (void)
{
  g_autoptr (TurnConnectObservations) observations = observe (find_network ("tcp-only"));
  g_autoptr (TurnConnectVerdict) verdict = NULL;

  answer_without_proof (observations);
  for (guint i = observations->listeners->len; i-- > 0;) {
    if (g_array_index (observations->listeners, TurnConnectListener, i).carry ==
        TURN_CONNECT_CARRY_UDP)
      g_array_remove_index (observations->listeners, i);
  }
  verdict = turn_connect_classify (observations);
  g_assert_cmpint (verdict->inspection.is_seen, ==, TURN_CONNECT_TELL_NO);
  g_assert_cmpint (verdict->families[0].udp, ==, TURN_CONNECT_TELL_UNKNOWN);
  g_assert_cmpint (verdict->type, ==, TURN_CONNECT_TYPE_UNKNOWN);
}

static void
test_answers_without_proof_on_many_ports_are_forged (void)
{
  g_autoptr (TurnConnectObservations) observations = observe (find_network ("tcp-only"));
  g_autoptr (TurnConnectVerdict) verdict = NULL;

  answer_without_proof (observations);
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
  g_assert_cmpint (verdict->families[0].is_intercepted, ==, TURN_CONNECT_TELL_YES);
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
  g_assert_cmpint (verdict->families[0].is_pool, ==, TURN_CONNECT_TELL_YES);
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
      add_probe (observations, find_network ("inspection"), TURN_CONNECT_PROBE_PAYLOAD, "tls",
                 TURN_CONNECT_CARRY_TCP, &to, FALSE);

  control->is_control = TRUE;
  control->connect_us = 12000;
  verdict = turn_connect_classify (observations);
  g_assert_cmpint (verdict->inspection.is_seen, ==, TURN_CONNECT_TELL_UNKNOWN);
  g_assert_true (verdict->inspection.is_in_doubt);
  g_assert_cmpint (verdict->type, ==, TURN_CONNECT_TYPE_UNKNOWN);
  g_assert_cmpint (turn_connect_verdict_get_exit (verdict), ==, TURN_CONNECT_EXIT_UNDETERMINED);
}

static void
test_a_single_difference_is_a_suspicion (void)
{
  g_autoptr (TurnConnectObservations) observations =
      observe (find_network ("symmetric-with-inspection"));
  g_autoptr (TurnConnectVerdict) verdict = NULL;

  for (guint i = 0; i < observations->probes->len; i++) {
    TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind == TURN_CONNECT_PROBE_PAYLOAD && probe->round > 0)
      probe->outcome = TURN_CONNECT_OUTCOME_SKIPPED;
  }
  verdict = turn_connect_classify (observations);
  g_assert_cmpint (verdict->inspection.confidence, ==, TURN_CONNECT_CONFIDENCE_SUSPECTED);
  g_assert_cmpint (verdict->type, ==, TURN_CONNECT_TYPE_UNKNOWN);
  g_assert_cmphex (verdict->types, ==, BIT (4));
}

/* Of what failed more often than anything else was asked nobody knows whether it is held back; nor of what
 * time was over for. */
static void
test_what_nothing_can_be_compared_with_is_in_doubt (void)
{
  static const struct {
    TurnConnectOutcome passing, held;
  } later[] = {
    { TURN_CONNECT_OUTCOME_SKIPPED, TURN_CONNECT_OUTCOME_SILENCE },
    { TURN_CONNECT_OUTCOME_CANCELLED, TURN_CONNECT_OUTCOME_SILENCE },
    { TURN_CONNECT_OUTCOME_CANCELLED, TURN_CONNECT_OUTCOME_CANCELLED },
  };

  for (guint i = 0; i < G_N_ELEMENTS (later); i++) {
    g_autoptr (TurnConnectObservations) observations =
        observe (find_network ("symmetric-with-inspection"));
    g_autoptr (TurnConnectVerdict) verdict = NULL;

    for (guint j = 0; j < observations->probes->len; j++) {
      TurnConnectProbe *probe = g_ptr_array_index (observations->probes, j);
      gboolean is_held = g_strcmp0 (probe->variant, "sip-register") == 0;

      if (probe->kind == TURN_CONNECT_PROBE_PAYLOAD && (probe->round > 0 || is_held))
        probe->outcome = is_held ? later[i].held : later[i].passing;
    }
    verdict = turn_connect_classify (observations);
    g_assert_cmpint (verdict->inspection.is_seen, ==, TURN_CONNECT_TELL_UNKNOWN);
    g_assert_true (verdict->inspection.is_in_doubt);
    g_assert_cmpint (verdict->type, ==, TURN_CONNECT_TYPE_UNKNOWN);
    g_assert_cmphex (verdict->types, ==, BIT (4));
  }
}

static TurnConnectProbe *
add_exporter (TurnConnectObservations *observations, TurnConnectOutcome outcome)
{
  const StunExtAddress to = make_address ("192.0.2.10", 80);
  TurnConnectProbe *probe = add_probe (observations, find_network ("open"), TURN_CONNECT_PROBE_TLS,
                                       "exporter", TURN_CONNECT_CARRY_TLS, &to, TRUE);

  probe->connect_us = 12000;
  probe->outcome = outcome;
  return probe;
}

static void
test_where_tls_ends_is_not_known_before_its_time (void)
{
  g_autoptr (TurnConnectObservations) observations = observe (find_network ("open"));
  g_autoptr (TurnConnectVerdict) verdict = NULL;

  add_exporter (observations, TURN_CONNECT_OUTCOME_PROOF);
  add_exporter (observations, TURN_CONNECT_OUTCOME_CANCELLED)->target.port = 443;
  verdict = turn_connect_classify (observations);
  g_assert_cmpint (verdict->inspection.tls_opened, ==, TURN_CONNECT_TELL_UNKNOWN);
  g_assert_cmpint (verdict->inspection.is_seen, ==, TURN_CONNECT_TELL_UNKNOWN);
  g_assert_cmpint (verdict->type, ==, TURN_CONNECT_TYPE_UNKNOWN);
}

/* Of a proxy that opens TLS the only comparison may have got lost. */
static void
test_a_proxy_is_no_mere_proxy_before_tls_was_compared_through_it (void)
{
  static const struct {
    TurnConnectOutcome outcome;
    gint type;
  } rows[] = {
    { TURN_CONNECT_OUTCOME_PROOF, 8 },
    { TURN_CONNECT_OUTCOME_ALTERED, 9 },
    { TURN_CONNECT_OUTCOME_SILENCE, TURN_CONNECT_TYPE_UNKNOWN },
    { TURN_CONNECT_OUTCOME_CONNECTED, TURN_CONNECT_TYPE_UNKNOWN },
    { TURN_CONNECT_OUTCOME_UNSUPPORTED, 8 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (TurnConnectObservations) observations = observe (find_network ("proxy"));
    g_autoptr (TurnConnectVerdict) verdict = NULL;

    add_exporter (observations, rows[i].outcome)->via = g_strdup ("http://192.0.2.3:3128");
    verdict = turn_connect_classify (observations);
    g_assert_cmpint (verdict->type, ==, rows[i].type);
  }
}

/* What a finding says is all of one probe. */
static void
check_finding (const TurnConnectObservations *observations,
               const TurnConnectVerdict *verdict,
               TurnConnectProbeKind kind,
               const char *mechanism)
{
  const TurnConnectProbe *probe;

  g_assert_cmpint (verdict->inspection.confidence, ==, TURN_CONNECT_CONFIDENCE_CONFIRMED);
  g_assert_cmpint (verdict->inspection.probe, >=, 0);
  probe = g_ptr_array_index (observations->probes, verdict->inspection.probe);
  g_assert_cmpint (probe->kind, ==, kind);
  g_assert_cmpuint (verdict->inspection.port, ==, probe->target.port);
  g_assert_cmpstr (verdict->inspection.mechanism, ==, mechanism);
  g_assert_cmpint (verdict->inspection.is_near, ==, TURN_CONNECT_TELL_UNKNOWN);
  g_assert_cmpuint (verdict->inspection.hop, ==, 0);
}

/* Of octets that are reset by somebody near. */
static TurnConnectObservations *
observe_resets (void)
{
  TurnConnectObservations *observations = observe (find_network ("inspection"));

  for (guint i = 0; i < observations->probes->len; i++) {
    TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind != TURN_CONNECT_PROBE_PAYLOAD)
      continue;
    probe->rtt_us = probe->outcome == TURN_CONNECT_OUTCOME_PROOF ? 50000 : -1;
    if (probe->outcome == TURN_CONNECT_OUTCOME_PROOF)
      continue;
    probe->outcome = TURN_CONNECT_OUTCOME_RESET;
    turn_connect_probe_set_fact (probe, "ended-us", "900");
    if (probe->round > 0)
      probe->outcome = TURN_CONNECT_OUTCOME_SKIPPED;
  }
  return observations;
}

static void
test_a_surer_finding_is_told_whole (void)
{
  g_autoptr (TurnConnectObservations) alone = observe_resets ();
  g_autoptr (TurnConnectObservations) opened = observe_resets ();
  g_autoptr (TurnConnectObservations) forged = observe_resets ();
  g_autoptr (TurnConnectVerdict) of_alone = turn_connect_classify (alone);
  g_autoptr (TurnConnectVerdict) of_opened = NULL, of_forged = NULL;

  g_assert_cmpint (of_alone->inspection.confidence, ==, TURN_CONNECT_CONFIDENCE_SUSPECTED);
  g_assert_cmpint (of_alone->inspection.is_near, ==, TURN_CONNECT_TELL_YES);
  add_exporter (opened, TURN_CONNECT_OUTCOME_ALTERED);
  of_opened = turn_connect_classify (opened);
  check_finding (opened, of_opened, TURN_CONNECT_PROBE_TLS, "altered");
  answer_without_proof (forged);
  of_forged = turn_connect_classify (forged);
  check_finding (forged, of_forged, TURN_CONNECT_PROBE_STUN, "forged-answer");
}

static void
set_heard (TurnConnectObservations *observations, TurnConnectCarry carry, gint heard_ago_s)
{
  for (guint i = 0; i < observations->listeners->len; i++) {
    TurnConnectListener *listener =
        &g_array_index (observations->listeners, TurnConnectListener, i);

    if (listener->carry == carry)
      listener->heard_ago_s = heard_ago_s;
  }
}

/* The far end's own word for it that others are heard where we are not. */
static void
test_only_others_heard_before_make_a_silence_sure (void)
{
  static const struct {
    const char *network;
    gint udp_heard_ago_s, tcp_heard_ago_s;
    TurnConnectConfidence confidence;
  } rows[] = {
    { "tcp-only", 10, 10, TURN_CONNECT_CONFIDENCE_CONFIRMED },
    { "tcp-only", 10, -1, TURN_CONNECT_CONFIDENCE_CONFIRMED },
    { "tcp-only", -1, 10, TURN_CONNECT_CONFIDENCE_PROBABLE },
    { "tcp-only", 3, 10, TURN_CONNECT_CONFIDENCE_PROBABLE },
    { "tcp-only", 0, 0, TURN_CONNECT_CONFIDENCE_PROBABLE },
    { "tcp-443", 10, 10, TURN_CONNECT_CONFIDENCE_CONFIRMED },
    { "tcp-443", 10, 0, TURN_CONNECT_CONFIDENCE_PROBABLE },
    { "web-only", 0, 10, TURN_CONNECT_CONFIDENCE_PROBABLE },
    { "certain-udp-ports", 10, 10, TURN_CONNECT_CONFIDENCE_CONFIRMED },
    { "certain-udp-ports", 0, 10, TURN_CONNECT_CONFIDENCE_PROBABLE },
    { "udp-and-web", 0, 10, TURN_CONNECT_CONFIDENCE_CONFIRMED },
    { "udp-and-web", 10, 0, TURN_CONNECT_CONFIDENCE_PROBABLE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (TurnConnectObservations) observations = observe (find_network (rows[i].network));
    g_autoptr (TurnConnectVerdict) verdict = NULL;

    g_test_message ("%s %d %d", rows[i].network, rows[i].udp_heard_ago_s, rows[i].tcp_heard_ago_s);
    observations->took_us = 3500000;
    set_heard (observations, TURN_CONNECT_CARRY_UDP, rows[i].udp_heard_ago_s);
    set_heard (observations, TURN_CONNECT_CARRY_TCP, rows[i].tcp_heard_ago_s);
    verdict = turn_connect_classify (observations);
    g_assert_cmpint (verdict->confidence, ==, rows[i].confidence);
  }
}

/* On a far end with many users there is always somebody; the record says that it was not us. */
static void
test_who_is_heard_meanwhile_counts_if_the_record_says_that_it_was_not_us (void)
{
  g_autoptr (TurnConnectObservations) observations = observe (find_network ("tcp-only"));
  g_autoptr (TurnConnectVerdict) verdict = NULL, ours = NULL;
  TurnConnectProbe *other_family;

  set_heard (observations, TURN_CONNECT_CARRY_UDP, 0);
  for (guint i = 0; i < observations->probes->len; i++) {
    TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind == TURN_CONNECT_PROBE_STUN)
      probe->far_saw = TURN_CONNECT_FAR_SAW_NOTHING;
  }
  verdict = turn_connect_classify (observations);
  g_assert_cmpint (verdict->confidence, ==, TURN_CONNECT_CONFIDENCE_CONFIRMED);
  for (guint i = observations->probes->len; i-- > 0;) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);
    StunExtAddress to = make_address ("2001:db8::1", probe->target.port);

    if (probe->kind != TURN_CONNECT_PROBE_STUN)
      continue;
    other_family = add_probe (observations, find_network ("open"), TURN_CONNECT_PROBE_STUN, NULL,
                              TURN_CONNECT_CARRY_UDP, &to, TRUE);
    other_family->mapped = other_family->local = make_address ("2001:db8::2", 41000);
  }
  ours = turn_connect_classify (observations);
  g_assert_cmpint (ours->type, ==, 6);
  g_assert_cmpint (ours->confidence, ==, TURN_CONNECT_CONFIDENCE_PROBABLE);
}

/* A high TCP port alone that is silent: two packets lost, or a rule; nobody knows. */
static void
test_one_silent_tcp_port_beside_udp_is_no_filter (void)
{
  g_autoptr (TurnConnectObservations) observations = observe (find_network ("open"));
  g_autoptr (TurnConnectVerdict) verdict = NULL;

  for (guint i = 0; i < observations->probes->len; i++) {
    TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind == TURN_CONNECT_PROBE_PORT && probe->target.port == 40000)
      probe->outcome = TURN_CONNECT_OUTCOME_SILENCE;
  }
  verdict = turn_connect_classify (observations);
  g_assert_cmpint (verdict->type, ==, TURN_CONNECT_TYPE_UNKNOWN);
  g_assert_cmphex (verdict->types, ==, 0);
}

#define ADD(name, func) g_test_add_func ("/turn-connect/detect-doubts/" name, func)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
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
  ADD ("what-nothing-can-be-compared-with-is-in-doubt",
       test_what_nothing_can_be_compared_with_is_in_doubt);
  ADD ("where-tls-ends-is-not-known-before-its-time",
       test_where_tls_ends_is_not_known_before_its_time);
  ADD ("a-proxy-is-no-mere-proxy-before-tls-was-compared-through-it",
       test_a_proxy_is_no_mere_proxy_before_tls_was_compared_through_it);
  ADD ("a-surer-finding-is-told-whole", test_a_surer_finding_is_told_whole);
  ADD ("answers-without-proof-where-the-far-end-does-not-listen-are-nobodys",
       test_answers_without_proof_where_the_far_end_does_not_listen_are_nobodys);
  ADD ("only-others-heard-before-make-a-silence-sure",
       test_only_others_heard_before_make_a_silence_sure);
  ADD ("who-is-heard-meanwhile-counts-if-the-record-says-that-it-was-not-us",
       test_who_is_heard_meanwhile_counts_if_the_record_says_that_it_was_not_us);
  ADD ("one-silent-tcp-port-beside-udp-is-no-filter",
       test_one_silent_tcp_port_beside_udp_is_no_filter);
  return g_test_run ();
}
