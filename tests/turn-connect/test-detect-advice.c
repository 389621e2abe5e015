/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What follows from a verdict: does a call get through, and what is to be asked for. */
#include "made-up-network.h"
#include "turn-connect/detect/record.h"

#include <string.h>

static void
forget_methods (TurnConnectObservations *observations)
{
  for (guint i = 0; i < observations->probes->len; i++) {
    TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind == TURN_CONNECT_PROBE_METHOD)
      probe->outcome = TURN_CONNECT_OUTCOME_SKIPPED;
  }
}

/* An octet that passes is no call, and neither is its signalling. */
static void
test_a_call_gets_through_by_a_method_that_carries_it (void)
{
  static const struct {
    const char *network;
    const char *method; /* the only one that was tried; NULL: none was */
    guint n_received;
    TurnConnectTell works;
    TurnConnectExit exit;
  } rows[] = {
    { "port-restricted", "direct-udp", 16, TURN_CONNECT_TELL_YES, TURN_CONNECT_EXIT_FALLBACK },
    { "port-restricted", "direct-udp", 11, TURN_CONNECT_TELL_YES, TURN_CONNECT_EXIT_FALLBACK },
    { "port-restricted", "direct-udp", 10, TURN_CONNECT_TELL_UNKNOWN,
      TURN_CONNECT_EXIT_UNDETERMINED },
    { "port-restricted", "direct-udp", 1, TURN_CONNECT_TELL_UNKNOWN,
      TURN_CONNECT_EXIT_UNDETERMINED },
    { "port-restricted", NULL, 0, TURN_CONNECT_TELL_UNKNOWN, TURN_CONNECT_EXIT_UNDETERMINED },
    { "open", NULL, 0, TURN_CONNECT_TELL_UNKNOWN, TURN_CONNECT_EXIT_FREE },
    { "tcp-only", "sip-tls", 16, TURN_CONNECT_TELL_UNKNOWN, TURN_CONNECT_EXIT_UNDETERMINED },
    { "tcp-only", "turn-tls", 16, TURN_CONNECT_TELL_YES, TURN_CONNECT_EXIT_FALLBACK },
    { "proxy", "turn-tls-proxy", 16, TURN_CONNECT_TELL_YES, TURN_CONNECT_EXIT_FALLBACK },
    { "proxy", NULL, 0, TURN_CONNECT_TELL_UNKNOWN, TURN_CONNECT_EXIT_UNDETERMINED },
    { "nothing", NULL, 0, TURN_CONNECT_TELL_NO, TURN_CONNECT_EXIT_NOTHING },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (TurnConnectObservations) observations = observe (find_network (rows[i].network));
    g_autoptr (TurnConnectVerdict) verdict = NULL;

    g_test_message ("%s %s %u", rows[i].network, rows[i].method, rows[i].n_received);
    forget_methods (observations);
    if (rows[i].method != NULL)
      add_method (observations, rows[i].method, rows[i].n_received);
    verdict = turn_connect_classify (observations);
    g_assert_cmpint (verdict->works, ==, rows[i].works);
    g_assert_cmpint (turn_connect_verdict_get_exit (verdict), ==, rows[i].exit);
  }
}

/* The ports answer, and no method does: nothing is left that was not tried. */
static void
test_no_call_gets_through_where_every_method_fails (void)
{
  g_autoptr (TurnConnectObservations) observations = observe (find_network ("port-restricted"));
  g_autoptr (TurnConnectVerdict) verdict = NULL;

  for (guint i = 0; i < observations->probes->len; i++) {
    TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind == TURN_CONNECT_PROBE_METHOD && strcmp (probe->variant, "sip-tls") != 0)
      probe->quality.n_received = 5;
    if (probe->kind == TURN_CONNECT_PROBE_METHOD && strstr (probe->variant, "proxy") != NULL)
      probe->outcome = TURN_CONNECT_OUTCOME_SKIPPED; /* there is none */
  }
  verdict = turn_connect_classify (observations);
  g_assert_cmpint (verdict->works, ==, TURN_CONNECT_TELL_NO);
  g_assert_cmpint (turn_connect_verdict_get_exit (verdict), ==, TURN_CONNECT_EXIT_NOTHING);
}

static void
test_packets_of_a_long_trial_that_come_late_are_lost (void)
{
  static const struct {
    guint n_sent, n_late;
    TurnConnectTell works;
  } rows[] = {
    { 16, 16, TURN_CONNECT_TELL_YES }, /* a machine that was held up */
    { 750, 200, TURN_CONNECT_TELL_YES },
    { 750, 300, TURN_CONNECT_TELL_NO },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (TurnConnectObservations) observations = turn_connect_observations_new ();
    g_autoptr (TurnConnectVerdict) verdict = NULL;
    TurnConnectProbe *probe = add_method (observations, "turn-tls", 16);

    probe->quality.n_sent = probe->quality.n_received = rows[i].n_sent;
    probe->quality.n_late = rows[i].n_late;
    verdict = turn_connect_classify (observations);
    g_assert_cmpint (g_array_index (verdict->methods, TurnConnectMethod, 0).works, ==,
                     rows[i].works);
  }
}

static void
test_what_was_not_measured_is_null (void)
{
  g_autoptr (TurnConnectObservations) observations = turn_connect_observations_new ();
  g_autoptr (TurnConnectVerdict) verdict = NULL;
  g_autofree char *text = NULL;

  add_method (observations, "turn-tls", 0)->outcome = TURN_CONNECT_OUTCOME_SKIPPED;
  verdict = turn_connect_classify (observations);
  text = turn_connect_record_write (observations, verdict, FALSE);
  g_assert_nonnull (strstr (text, "\"pool\":null"));
  g_assert_nonnull (strstr (text, "\"intercepted\":null"));
  g_assert_nonnull (strstr (text, "\"setup_ms\":null,\"rtt_ms\":null,\"jitter_ms\":null,"
                                  "\"loss\":null"));
  g_assert_nonnull (strstr (text, "\"mos\":null"));
}

static void
test_a_pool_is_told_from_sockets_that_differ_or_from_many_that_do_not (void)
{
  static const struct {
    guint n_sockets;
    gboolean do_differ;
    TurnConnectTell is_pool;
  } rows[] = {
    { 0, FALSE, TURN_CONNECT_TELL_UNKNOWN }, { 4, FALSE, TURN_CONNECT_TELL_UNKNOWN },
    { 5, FALSE, TURN_CONNECT_TELL_NO },      { 2, TRUE, TURN_CONNECT_TELL_YES },
    { 8, TRUE, TURN_CONNECT_TELL_YES },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (TurnConnectObservations) observations = turn_connect_observations_new ();
    g_autoptr (TurnConnectVerdict) verdict = NULL;

    observations->is_far_end = TRUE;
    for (guint k = 0; k < rows[i].n_sockets; k++) {
      const StunExtAddress to = make_address ("192.0.2.10", (guint16)(3478 + k));
      TurnConnectProbe *probe =
          add_probe (observations, find_network ("full-cone"), TURN_CONNECT_PROBE_STUN, NULL,
                     TURN_CONNECT_CARRY_UDP, &to, TRUE);

      probe->mapped.octets[3] += rows[i].do_differ && k == 1;
    }
    verdict = turn_connect_classify (observations);
    g_assert_cmpint (verdict->families[0].is_pool, ==, rows[i].is_pool);
  }
}

static char *
list_advice (const TurnConnectVerdict *verdict)
{
  GString *list = g_string_new (NULL);

  for (guint i = 0; i < verdict->advice->len; i++) {
    const TurnConnectAdvice *advice = g_ptr_array_index (verdict->advice, i);

    g_string_append_printf (list, "%s%s %u", i > 0 ? ", " : "", advice->protocol, advice->port);
  }
  return g_string_free (list, FALSE);
}

static void
test_what_is_blocked_and_would_help_is_asked_for (void)
{
  static const struct {
    const char *network, *advice;
  } rows[] = {
    { "open", "" },
    { "port-restricted", "" },
    { "symmetric", "UDP 3479" },
    { "certain-udp-ports", "UDP 53, TCP 3478" },
    { "udp-and-web", "TCP 3478" },
    { "udp-only", "TCP 443" },
    { "dns-only", "UDP 3478, TCP 443" },
    { "web-only", "UDP 3478, TCP 3478" },
    { "tcp-only", "UDP 3478" },
    { "tcp-443", "UDP 3478, TCP 3478" },
    { "nothing", "UDP 3478, TCP 443" },
    { "proxy", "UDP 3478, TCP 443" },
    { "proxy-wants-password", "UDP 3478, TCP 443, HTTP CONNECT 443" },
    { "proxy-forbids", "UDP 3478, TCP 443, HTTP CONNECT 443" },
    { "inspection", "TCP 443" },
    { "symmetric-with-inspection", "TCP 443, UDP 3479" },
    { "web-by-plain-server", "" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (TurnConnectObservations) observations = observe (find_network (rows[i].network));
    g_autoptr (TurnConnectVerdict) verdict = turn_connect_classify (observations);
    g_autofree char *list = list_advice (verdict);

    g_test_message ("%s", rows[i].network);
    g_assert_cmpstr (list, ==, rows[i].advice);
    for (guint k = 0; k < verdict->advice->len; k++) {
      const TurnConnectAdvice *advice = g_ptr_array_index (verdict->advice, k);
      const TurnConnectProbe *probe =
          g_ptr_array_index (observations->probes, (guint)advice->probe);

      g_assert_cmpstr (advice->host, ==, "far.example");
      g_assert_cmpuint (probe->target.port, ==, advice->port);
      g_assert_true (!turn_connect_probe_passed (probe) ||
                     probe->kind == TURN_CONNECT_PROBE_MAPPING);
    }
  }
}

static void
test_inspection_of_udp_is_asked_about_as_udp (void)
{
  g_autoptr (TurnConnectObservations) observations = observe (find_network ("inspection"));
  g_autoptr (TurnConnectVerdict) verdict = NULL;
  g_autofree char *list = NULL;

  for (guint i = 0; i < observations->probes->len; i++) {
    TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind == TURN_CONNECT_PROBE_PAYLOAD)
      probe->carry = TURN_CONNECT_CARRY_UDP;
  }
  verdict = turn_connect_classify (observations);
  list = list_advice (verdict);
  g_assert_cmpint (verdict->type, ==, 9);
  g_assert_cmpstr (list, ==, "UDP 443");
}

#define ADD(name, func) g_test_add_func ("/turn-connect/detect-advice/" name, func)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("a-call-gets-through-by-a-method-that-carries-it",
       test_a_call_gets_through_by_a_method_that_carries_it);
  ADD ("no-call-gets-through-where-every-method-fails",
       test_no_call_gets_through_where_every_method_fails);
  ADD ("packets-of-a-long-trial-that-come-late-are-lost",
       test_packets_of_a_long_trial_that_come_late_are_lost);
  ADD ("what-was-not-measured-is-null", test_what_was_not_measured_is_null);
  ADD ("a-pool-is-told-from-sockets-that-differ-or-from-many-that-do-not",
       test_a_pool_is_told_from_sockets_that_differ_or_from_many_that_do_not);
  ADD ("what-is-blocked-and-would-help-is-asked-for",
       test_what_is_blocked_and_would_help_is_asked_for);
  ADD ("inspection-of-udp-is-asked-about-as-udp", test_inspection_of_udp_is_asked_about_as_udp);
  return g_test_run ();
}
