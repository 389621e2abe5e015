/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is concluded of proxies, beside the networks that were recorded. */
#include "turn-connect/detect/classifier.h"
#include "turn-connect/detect/record.h"

#include <string.h>

#define URL "http://192.168.2.10:3128"

static TurnConnectObservations *
make_observations (void)
{
  TurnConnectObservations *observations = turn_connect_observations_new ();

  observations->host = g_strdup ("far.example");
  observations->port = 3478;
  observations->is_far_end = TRUE;
  return observations;
}

static TurnConnectProbe *
add (TurnConnectObservations *observations,
     TurnConnectProbeKind kind,
     const char *variant,
     guint16 port,
     const char *connect,
     TurnConnectOutcome outcome)
{
  TurnConnectProbe *probe = turn_connect_observations_add (observations, kind, variant);

  probe->carry = TURN_CONNECT_CARRY_TCP;
  probe->target.port = port;
  probe->via = g_strdup (URL);
  probe->outcome = outcome;
  turn_connect_probe_set_fact (probe, "connect", connect);
  return probe;
}

static TurnConnectProbe *
add_source (TurnConnectObservations *observations, TurnConnectOutcome outcome)
{
  TurnConnectProbe *probe =
      add (observations, TURN_CONNECT_PROBE_PROXY, "source", 0, NULL, outcome);

  turn_connect_probe_set_fact (probe, "source", "environment");
  if (outcome != TURN_CONNECT_OUTCOME_ANSWER)
    g_clear_pointer (&probe->via, g_free);
  return probe;
}

/* A port that passes beside the proxy. */
static void
add_open_port (TurnConnectObservations *observations)
{
  TurnConnectProbe *probe =
      turn_connect_observations_add (observations, TURN_CONNECT_PROBE_PORT, NULL);

  g_assert_true (stun_ext_address_parse ("192.0.2.10:443", &probe->target));
  probe->family = 4;
  probe->carry = TURN_CONNECT_CARRY_TCP;
  probe->outcome = TURN_CONNECT_OUTCOME_PROOF;
}

/* What CONNECT to port 443 came to, and what that makes of the proxy. */
static const struct {
  const char *connect;
  guint code;
  TurnConnectOutcome outcome;
  TurnConnectWay way;
  gboolean is_eight;
} answers[] = {
  { "allowed", 0, TURN_CONNECT_OUTCOME_PROOF, TURN_CONNECT_WAY_WORKS, TRUE },
  { "allowed", 0, TURN_CONNECT_OUTCOME_ANSWER, TURN_CONNECT_WAY_POLICY, TRUE },
  { "allowed", 0, TURN_CONNECT_OUTCOME_WRONG_ANSWER, TURN_CONNECT_WAY_POLICY, TRUE },
  { "allowed", 0, TURN_CONNECT_OUTCOME_CONNECTED, TURN_CONNECT_WAY_POLICY, TRUE },
  { "allowed", 0, TURN_CONNECT_OUTCOME_RESET, TURN_CONNECT_WAY_POLICY, TRUE },
  { "refused", 403, TURN_CONNECT_OUTCOME_DENIED, TURN_CONNECT_WAY_POLICY, TRUE },
  { "upstream", 503, TURN_CONNECT_OUTCOME_DENIED, TURN_CONNECT_WAY_POLICY, TRUE },
  { "credentials", 407, TURN_CONNECT_OUTCOME_DENIED, TURN_CONNECT_WAY_CREDENTIALS, TRUE },
  { "wrong-credentials", 401, TURN_CONNECT_OUTCOME_DENIED, TURN_CONNECT_WAY_CREDENTIALS, TRUE },
  { "unreachable", 0, TURN_CONNECT_OUTCOME_REFUSED, TURN_CONNECT_WAY_DEAD, FALSE },
  { "unreachable", 0, TURN_CONNECT_OUTCOME_SILENCE, TURN_CONNECT_WAY_DEAD, FALSE },
  { "closed", 0, TURN_CONNECT_OUTCOME_CLOSED, TURN_CONNECT_WAY_DEAD, FALSE },
  { "no-proxy", 0, TURN_CONNECT_OUTCOME_WRONG_ANSWER, TURN_CONNECT_WAY_DEAD, FALSE },
  { "failed", 0, TURN_CONNECT_OUTCOME_FAILED, TURN_CONNECT_WAY_UNKNOWN, FALSE },
};

static void
test_each_answer_to_connect (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (answers); i++) {
    g_autoptr (TurnConnectObservations) observations = make_observations ();
    g_autoptr (TurnConnectVerdict) verdict = NULL;

    add_source (observations, TURN_CONNECT_OUTCOME_ANSWER);
    add (observations, TURN_CONNECT_PROBE_PROXY, "connect", 443, answers[i].connect,
         answers[i].outcome)
        ->code = answers[i].code;
    verdict = turn_connect_classify (observations);
    g_test_message ("%s, %u", answers[i].connect, answers[i].code);
    g_assert_cmpint (verdict->proxy, ==, answers[i].way);
    g_assert_cmpint (verdict->type, ==, answers[i].is_eight ? 8 : TURN_CONNECT_TYPE_UNKNOWN);
    g_assert_cmpstr (verdict->proxy_url, ==, URL);
    g_assert_cmpstr (verdict->proxy_source, ==, "environment");
    g_assert_cmpuint (verdict->proxy_ports->len, ==, 1);
    /* That the far end is reached is no call yet: no method was tried. */
    g_assert_cmpint (verdict->works, ==,
                     answers[i].way > TURN_CONNECT_WAY_WORKS ? TURN_CONNECT_TELL_NO
                                                             : TURN_CONNECT_TELL_UNKNOWN);
  }
}

static void
test_what_passes_beside_a_proxy_makes_no_type_of_it (void)
{
  g_autoptr (TurnConnectObservations) observations = make_observations ();
  g_autoptr (TurnConnectVerdict) verdict = NULL;

  add_open_port (observations);
  add_source (observations, TURN_CONNECT_OUTCOME_ANSWER);
  add (observations, TURN_CONNECT_PROBE_PROXY, "connect", 443, "allowed",
       TURN_CONNECT_OUTCOME_PROOF);
  add (observations, TURN_CONNECT_PROBE_TLS, "exporter", 443, NULL, TURN_CONNECT_OUTCOME_ALTERED);
  for (guint round = 0; round < 5; round++) {
    add (observations, TURN_CONNECT_PROBE_PAYLOAD, "tls", 443, NULL, TURN_CONNECT_OUTCOME_PROOF);
    add (observations, TURN_CONNECT_PROBE_PAYLOAD, "stun", 443, "allowed",
         TURN_CONNECT_OUTCOME_RESET);
  }
  verdict = turn_connect_classify (observations);
  g_assert_cmphex (verdict->types & (1u << 8 | 1u << 9), ==, 0);
  g_assert_cmpint (verdict->proxy_opens_tls, ==, TURN_CONNECT_TELL_YES);
  g_assert_cmpint (verdict->inspection.tls_opened, ==, TURN_CONNECT_TELL_UNKNOWN);
}

static void
test_opened_tls_is_nine_and_is_to_be_exempted (void)
{
  g_autoptr (TurnConnectObservations) observations = make_observations ();
  g_autoptr (TurnConnectVerdict) verdict = NULL;
  const TurnConnectAdvice *advice;

  add_source (observations, TURN_CONNECT_OUTCOME_ANSWER);
  add (observations, TURN_CONNECT_PROBE_PROXY, "connect", 443, "allowed",
       TURN_CONNECT_OUTCOME_WRONG_ANSWER);
  add (observations, TURN_CONNECT_PROBE_TLS, "exporter", 443, NULL, TURN_CONNECT_OUTCOME_ALTERED);
  verdict = turn_connect_classify (observations);
  g_assert_cmpint (verdict->type, ==, 9);
  g_assert_cmphex (verdict->types, ==, 1u << 8 | 1u << 9);
  g_assert_cmpint (verdict->confidence, ==, TURN_CONNECT_CONFIDENCE_CONFIRMED);
  g_assert_cmpuint (verdict->advice->len, ==, 1);
  advice = g_ptr_array_index (verdict->advice, 0);
  g_assert_cmpstr (advice->protocol, ==, "TLS");
  g_assert_cmpint (advice->probe, ==, 2);
}

static void
test_one_port_of_several_that_leads_there_is_enough (void)
{
  static const guint16 ports[] = { 5349, 80, 443 };
  g_autoptr (TurnConnectObservations) observations = make_observations ();
  g_autoptr (TurnConnectVerdict) verdict = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (ports); i++)
    add (observations, TURN_CONNECT_PROBE_PROXY, "connect", ports[i],
         ports[i] == 80 ? "allowed" : "refused",
         ports[i] == 80 ? TURN_CONNECT_OUTCOME_PROOF : TURN_CONNECT_OUTCOME_DENIED)
        ->code = ports[i] == 80 ? 0 : 403;
  verdict = turn_connect_classify (observations);
  g_assert_cmpint (verdict->proxy, ==, TURN_CONNECT_WAY_WORKS);
  g_assert_cmpint (verdict->proxy_probe, ==, 1);
  for (guint i = 0; i < 3; i++) {
    const TurnConnectProxyPort *port =
        &g_array_index (verdict->proxy_ports, TurnConnectProxyPort, i);

    g_assert_cmpuint (port->port, ==, i == 0 ? 80 : i == 1 ? 443 : 5349);
    g_assert_cmpstr (port->state, ==, i == 0 ? "works" : "refused");
    g_assert_cmpuint (port->code, ==, i == 0 ? 0 : 403);
  }
}

static void
test_nobody_names_one_and_nobody_could_be_asked_are_two_things (void)
{
  g_autoptr (TurnConnectObservations) none = make_observations ();
  g_autoptr (TurnConnectObservations) unknown = make_observations ();
  g_autoptr (TurnConnectVerdict) verdict = NULL, other = NULL;

  add_source (none, TURN_CONNECT_OUTCOME_SKIPPED);
  verdict = turn_connect_classify (none);
  g_assert_cmpint (verdict->proxy, ==, TURN_CONNECT_WAY_NONE);
  add_source (unknown, TURN_CONNECT_OUTCOME_FAILED);
  other = turn_connect_classify (unknown);
  g_assert_cmpint (other->proxy, ==, TURN_CONNECT_WAY_UNKNOWN);
}

static gboolean
is_said (const TurnConnectVerdict *verdict, const char *words)
{
  for (guint i = 0; i < verdict->reasons->len; i++) {
    if (strstr (g_ptr_array_index (verdict->reasons, i), words) != NULL)
      return TRUE;
  }
  return FALSE;
}

/* Who named it may hope that it is pasted into a shell. */
static void
test_a_strangers_place_is_told_as_one_word (void)
{
  static const struct {
    const char *url, *said;
  } rows[] = {
    { "http://w.example/wpad.dat", "--proxy 'pac+http://w.example/wpad.dat'" },
    { "http://w.example/;reboot", "--proxy 'pac+http://w.example/;reboot'" },
    { "http://w.example/$(reboot)`reboot`", "--proxy 'pac+http://w.example/$(reboot)`reboot`'" },
    { "http://w.example/';reboot'", "--proxy 'pac+http://w.example/'\\'';reboot'\\'''" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (TurnConnectObservations) observations = make_observations ();
    g_autoptr (TurnConnectVerdict) verdict = NULL;

    turn_connect_probe_set_fact (add_source (observations, TURN_CONNECT_OUTCOME_SKIPPED),
                                 "dhcp-pac", rows[i].url);
    verdict = turn_connect_classify (observations);
    g_assert_true (is_said (verdict, rows[i].said));
  }
}

/* Of one that was run nobody has to be told how, whatever came of it. */
static void
test_the_networks_file_is_said_to_be_the_networks (void)
{
  static const TurnConnectOutcome outcomes[] = { TURN_CONNECT_OUTCOME_ANSWER,
                                                 TURN_CONNECT_OUTCOME_SKIPPED,
                                                 TURN_CONNECT_OUTCOME_FAILED,
                                                 TURN_CONNECT_OUTCOME_SILENCE };

  for (gsize i = 0; i < G_N_ELEMENTS (outcomes); i++) {
    g_autoptr (TurnConnectObservations) observations = make_observations ();
    TurnConnectProbe *probe = add_source (observations, outcomes[i]);
    g_autoptr (TurnConnectVerdict) verdict = NULL;

    turn_connect_probe_set_fact (probe, "source", "pac");
    turn_connect_probe_set_fact (probe, "dhcp-pac", "http://w.example/wpad.dat");
    verdict = turn_connect_classify (observations);
    g_assert_true (
        is_said (verdict, "http://w.example/wpad.dat is the one that the network names"));
    g_assert_false (is_said (verdict, "to try it"));
  }
}

static void
test_words_of_a_record_that_are_none_of_ours_say_nothing (void)
{
  g_autoptr (TurnConnectObservations) observations = make_observations ();
  g_autoptr (TurnConnectVerdict) verdict = NULL;

  add (observations, TURN_CONNECT_PROBE_PROXY, "connect", 443, "as you like it",
       TURN_CONNECT_OUTCOME_DENIED);
  verdict = turn_connect_classify (observations);
  g_assert_cmpuint (verdict->proxy_ports->len, ==, 0);
}

static TurnConnectProbe *
add_echo (TurnConnectObservations *observations, const char *variant, TurnConnectOutcome outcome)
{
  TurnConnectProbe *probe =
      add (observations, TURN_CONNECT_PROBE_PROXY, variant, 80, NULL, outcome);

  g_clear_pointer (&probe->via, g_free);
  probe->family = 4;
  return probe;
}

static void
test_a_changed_request_shows_a_proxy_that_nobody_named (void)
{
  g_autoptr (TurnConnectObservations) observations = make_observations ();
  g_autoptr (TurnConnectVerdict) verdict = NULL, forged = NULL;
  TurnConnectProbe *probe;

  add_open_port (observations);
  probe = add_echo (observations, "transparent", TURN_CONNECT_OUTCOME_ALTERED);
  forged = turn_connect_classify (observations);
  g_assert_cmpint (forged->transparent, ==, TURN_CONNECT_TELL_UNKNOWN); /* nobody proves it */
  probe->proof = TURN_CONNECT_PROOF_UNKEYED;
  verdict = turn_connect_classify (observations);
  g_assert_cmpint (verdict->transparent, ==, TURN_CONNECT_TELL_YES);
  g_assert_cmpint (verdict->proxy, ==, TURN_CONNECT_WAY_UNKNOWN);
  g_assert_cmpint (verdict->type, ==, 9);
  g_assert_cmpuint (verdict->inspection.port, ==, 80);
}

static void
test_who_looks_a_name_up_that_nobody_has_is_in_between (void)
{
  g_autoptr (TurnConnectObservations) observations = make_observations ();
  g_autoptr (TurnConnectVerdict) verdict = NULL, alone = NULL;

  add_echo (observations, "transparent-host", TURN_CONNECT_OUTCOME_WRONG_ANSWER)->code = 503;
  alone = turn_connect_classify (observations);
  g_assert_cmpint (alone->transparent, ==, TURN_CONNECT_TELL_UNKNOWN); /* without a control */
  add_echo (observations, "transparent", TURN_CONNECT_OUTCOME_PROOF)->proof =
      TURN_CONNECT_PROOF_UNKEYED;
  verdict = turn_connect_classify (observations);
  g_assert_cmpint (verdict->transparent, ==, TURN_CONNECT_TELL_YES);
  g_assert_cmpint (verdict->inspection.is_seen, ==, TURN_CONNECT_TELL_UNKNOWN);
}

/* The port of a name that only the proxy looks up. */
static void
test_ports_survive_a_record (void)
{
  g_autoptr (TurnConnectObservations) observations = make_observations ();
  g_autoptr (TurnConnectObservations) again = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  add (observations, TURN_CONNECT_PROBE_PROXY, "connect", 5349, "refused",
       TURN_CONNECT_OUTCOME_DENIED);
  text = turn_connect_record_write (observations, NULL, FALSE);
  again = turn_connect_record_read (text, strlen (text), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (((TurnConnectProbe *)g_ptr_array_index (again->probes, 0))->target.port, ==,
                    5349);
}

#define ADD(name, func) g_test_add_func ("/turn-connect/detect-proxy/" name, func)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("each-answer-to-connect-means-one-thing", test_each_answer_to_connect);
  ADD ("what-passes-beside-a-proxy-makes-no-type-of-it",
       test_what_passes_beside_a_proxy_makes_no_type_of_it);
  ADD ("opened-tls-is-nine-and-is-to-be-exempted", test_opened_tls_is_nine_and_is_to_be_exempted);
  ADD ("one-port-of-several-that-leads-there-is-enough",
       test_one_port_of_several_that_leads_there_is_enough);
  ADD ("nobody-names-one-and-nobody-could-be-asked-are-two-things",
       test_nobody_names_one_and_nobody_could_be_asked_are_two_things);
  ADD ("a-strangers-place-is-told-as-one-word", test_a_strangers_place_is_told_as_one_word);
  ADD ("the-networks-file-is-said-to-be-the-networks",
       test_the_networks_file_is_said_to_be_the_networks);
  ADD ("words-of-a-record-that-are-none-of-ours-say-nothing",
       test_words_of_a_record_that_are_none_of_ours_say_nothing);
  ADD ("a-changed-request-shows-a-proxy-that-nobody-named",
       test_a_changed_request_shows_a_proxy_that_nobody_named);
  ADD ("who-looks-a-name-up-that-nobody-has-is-in-between",
       test_who_looks_a_name_up_that_nobody_has_is_in_between);
  ADD ("ports-survive-a-record", test_ports_survive_a_record);
  return g_test_run ();
}
