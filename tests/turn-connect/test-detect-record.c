/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "turn-connect/detect/record-check.h"
#include "turn-connect/detect/record.h"
#include "turn-connect/error.h"

#include <string.h>

static void
set_address (StunExtAddress *address, const char *text)
{
  g_assert_true (stun_ext_address_parse (text, address));
}

static TurnConnectProbe *
add_full_probe (TurnConnectObservations *observations)
{
  TurnConnectProbe *probe =
      turn_connect_observations_add (observations, TURN_CONNECT_PROBE_METHOD, "turn-udp");

  probe->carry = TURN_CONNECT_CARRY_UDP;
  probe->family = 4;
  probe->is_control = TRUE;
  probe->via = g_strdup ("http://proxy.example:3128");
  probe->group = 3;
  probe->round = 2;
  probe->start_us = 1;
  probe->deadline_us = 2500000;
  probe->end_us = 24000;
  probe->attempts = 2;
  probe->answers = 1;
  probe->outcome = TURN_CONNECT_OUTCOME_PROOF;
  probe->proof = TURN_CONNECT_PROOF_KEYED;
  probe->far_saw = TURN_CONNECT_FAR_SAW_ALL;
  probe->connect_us = 100;
  probe->rtt_us = 200;
  set_address (&probe->target, "192.0.2.1:3478");
  set_address (&probe->local, "192.168.1.10:40000");
  set_address (&probe->mapped, "198.51.100.1:40000");
  set_address (&probe->source, "192.0.2.1:3478");
  set_address (&probe->origin, "192.0.2.1:3478");
  set_address (&probe->other, "[2001:db8::1]:3479");
  probe->code = 407;
  probe->detail = g_strdup ("what \"it\" said\n");
  turn_connect_probe_set_fact (probe, "key", "value");
  probe->quality = (TurnConnectQuality){ .set_up_us = 1000,
                                         .n_sent = 16,
                                         .n_received = 15,
                                         .n_reordered = 1,
                                         .longest_gap = 1,
                                         .rtt_us = 200,
                                         .rtt_p95_us = 300,
                                         .jitter_us = 20,
                                         .size = 172 };
  return probe;
}

static TurnConnectObservations *
make_full (void)
{
  TurnConnectObservations *observations = turn_connect_observations_new ();
  TurnConnectListener listener = { TURN_CONNECT_CARRY_UDP, 3478, 12, TRUE };
  StunExtAddress address;

  observations->host = g_strdup ("far.example");
  observations->port = 3478;
  memset (observations->run_id, 0xa5, sizeof observations->run_id);
  observations->began = g_strdup ("2026-11-22T03:00:00Z");
  observations->took_us = 2400000;
  observations->interface = g_strdup ("eth0");
  observations->software = g_strdup ("software");
  observations->is_far_end = TRUE;
  observations->has_second_address = TRUE;
  observations->resolve_error = g_strdup ("error");
  set_address (&address, "192.168.1.10");
  g_array_append_val (observations->locals, address);
  set_address (&address, "192.0.2.1");
  g_array_append_val (observations->servers, address);
  g_array_append_val (observations->listeners, listener);
  g_hash_table_insert (observations->facts, g_strdup ("gateway"), g_strdup ("192.168.1.1"));
  add_full_probe (observations);
  turn_connect_observations_add (observations, TURN_CONNECT_PROBE_STUN, NULL);
  return observations;
}

static void
test_what_is_written_is_read_back_whole (void)
{
  g_autoptr (TurnConnectObservations) first = make_full ();
  g_autofree char *text = turn_connect_record_write (first, NULL, FALSE);
  g_autoptr (GError) error = NULL;
  g_autoptr (TurnConnectObservations) second =
      turn_connect_record_read (text, strlen (text), &error);
  g_autofree char *again = NULL;

  g_assert_no_error (error);
  again = turn_connect_record_write (second, NULL, FALSE);
  g_assert_cmpstr (again, ==, text);
  g_assert_cmpuint (second->probes->len, ==, 2);
  g_assert_cmpmem (first->run_id, 16, second->run_id, 16);
}

static void
test_a_verdict_in_it_changes_nothing (void)
{
  g_autoptr (TurnConnectObservations) first = make_full ();
  g_autoptr (TurnConnectVerdict) verdict = turn_connect_classify (first);
  g_autofree char *text = turn_connect_record_write (first, verdict, TRUE);
  g_autofree char *plain = turn_connect_record_write (first, NULL, FALSE);
  g_autoptr (TurnConnectObservations) second = turn_connect_record_read (text, strlen (text), NULL);
  g_autofree char *again = turn_connect_record_write (second, NULL, FALSE);

  g_assert_cmpstr (again, ==, plain);
}

static void
test_every_truncation_is_refused (void)
{
  g_autoptr (TurnConnectObservations) first = make_full ();
  g_autofree char *text = turn_connect_record_write (first, NULL, FALSE);

  for (gsize length = 0; length < strlen (text); length++) {
    g_autofree char *copy = g_memdup2 (text, MAX (length, 1));
    g_autoptr (GError) error = NULL;

    g_assert_null (turn_connect_record_read (copy, length, &error));
    g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID);
  }
}

static void
test_every_changed_octet_is_survived (void)
{
  g_autoptr (TurnConnectObservations) first = make_full ();
  g_autofree char *text = turn_connect_record_write (first, NULL, FALSE);
  static const char others[] = { '\0', '"', '\\', '{', '[', ']', '-', '9', '\xff', '/', 'e' };

  for (gsize i = 0; i < strlen (text); i++) {
    for (gsize k = 0; k < sizeof others; k++) {
      g_autofree char *copy = g_strdup (text);
      g_autoptr (GError) error = NULL;
      g_autoptr (TurnConnectObservations) read = NULL;

      copy[i] = others[k];
      read = turn_connect_record_read (copy, strlen (text), &error);
      g_assert_true ((read == NULL) == (error != NULL));
      if (read != NULL)
        turn_connect_verdict_free (turn_connect_classify (read));
    }
  }
}

static void
test_what_is_wrong_is_said_with_its_place (void)
{
  static const struct {
    const char *text, *place;
  } rows[] = {
    { "", "no record" },
    { "[]", "octet 0" },
    { "{}[]", "octet 2" },
    { "{}", "schema" },
    { "{\"schema\":2}", "schema" },
    { "{\"schema\":\"1\"}", "schema is no whole number" },
    { "{\"schema\":1,\"port\":65536}", "port" },
    { "{\"schema\":1,\"host\":7}", "host is no text" },
    { "{\"schema\":1,\"run\":\"zz\"}", "run" },
    { "{\"schema\":1,\"probes\":{}}", "probes is no array" },
    { "{\"schema\":1,\"probes\":[1]}", "probes has no object at 0" },
    { "{\"schema\":1,\"probes\":[{}]}", "probes[0].kind is missing" },
    { "{\"schema\":1,\"probes\":[{\"kind\":\"stun\"},{\"kind\":\"odd\"}]}", "probes[1].kind" },
    { "{\"schema\":1,\"probes\":[{\"kind\":\"stun\",\"outcome\":\"x\"}]}", "probes[0].outcome" },
    { "{\"schema\":1,\"probes\":[{\"kind\":\"stun\",\"family\":5}]}", "probes[0].family" },
    { "{\"schema\":1,\"probes\":[{\"kind\":\"stun\",\"mapped\":\"x\"}]}", "probes[0].mapped" },
    { "{\"schema\":1,\"probes\":[{\"kind\":\"stun\",\"rtt_us\":-7}]}", "probes[0].rtt_us" },
    { "{\"schema\":1,\"probes\":[{\"kind\":\"stun\",\"facts\":[]}]}", "probes[0].facts" },
    { "{\"schema\":1,\"probes\":[{\"kind\":\"stun\",\"quality\":3}]}", "probes[0].quality" },
    { "{\"schema\":1,\"servers\":[\"name\"]}", "servers has no address at 0" },
    { "{\"schema\":1,\"listeners\":[{\"port\":0}]}", "listeners[0].port" },
    { "{\"schema\":1} x", "no record" },
    { "{\"schema\":1 /* [ */}", "octet 12" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (turn_connect_record_read (rows[i].text, strlen (rows[i].text), &error));
    g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID);
    g_assert_nonnull (strstr (error->message, rows[i].place));
  }
}

static void
test_what_is_nested_deeply_never_reaches_the_parser (void)
{
  gsize n = 1000000;
  g_autofree char *text = g_malloc (n);
  g_autoptr (GError) error = NULL;

  memset (text, '[', n);
  g_assert_null (turn_connect_record_read (text, n, &error));
  g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID);
}

static void
test_brackets_in_strings_do_not_count (void)
{
  static const struct {
    const char *text;
    gboolean is_shallow;
  } rows[] = {
    { "[[[]]]", TRUE },
    { "[[[[]]]]", FALSE },
    { "[\"[[[[[\"]", TRUE },
    { "[\"\\\"[[[\"]", TRUE },
    { "[\"\\\\\",[[[[", FALSE },
    { "[\"", FALSE },
    { "[\"\\", FALSE },
    { "]", FALSE },
    { "['[']", FALSE },
    { "[]//[", FALSE },
    { "", TRUE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *text = g_strdup_printf ("{\"a\":%s}", rows[i].text);
    gsize length = strlen (text);
    g_autofree char *copy = g_memdup2 (text, length); /* without an end */
    gsize at;

    g_assert_cmpint (turn_connect_record_is_shallow (copy, length, 4, &at), ==, rows[i].is_shallow);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/turn-connect/detect-record/what-is-written-is-read-back-whole",
                   test_what_is_written_is_read_back_whole);
  g_test_add_func ("/turn-connect/detect-record/a-verdict-in-it-changes-nothing",
                   test_a_verdict_in_it_changes_nothing);
  g_test_add_func ("/turn-connect/detect-record/every-truncation-is-refused",
                   test_every_truncation_is_refused);
  g_test_add_func ("/turn-connect/detect-record/every-changed-octet-is-survived",
                   test_every_changed_octet_is_survived);
  g_test_add_func ("/turn-connect/detect-record/what-is-wrong-is-said-with-its-place",
                   test_what_is_wrong_is_said_with_its_place);
  g_test_add_func ("/turn-connect/detect-record/what-is-nested-deeply-never-reaches-the-parser",
                   test_what_is_nested_deeply_never_reaches_the_parser);
  g_test_add_func ("/turn-connect/detect-record/brackets-in-strings-do-not-count",
                   test_brackets_in_strings_do_not_count);
  return g_test_run ();
}
