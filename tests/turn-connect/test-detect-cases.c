/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Networks recorded, and what the classifier makes of them. */
#include "turn-connect/detect/classifier.h"
#include "turn-connect/detect/record.h"

#include <json-glib/json-glib.h>
#include <string.h>

#define CUTS 40 /* moments at which a run's time may be over */

/* Recorded networks: a file holds observations and the verdict that was right for them. */

/* NULL if there is none. */
static char *
get_member (JsonNode *root, const char *name)
{
  JsonNode *member = json_object_get_member (json_node_get_object (root), name);

  return member != NULL ? json_to_string (member, FALSE) : NULL;
}

static void
assert_same_members (const char *one, const char *other)
{
  static const char *const members[] = { "type",      "types",       "confidence",   "works",
                                         "exit",      "nat",         "udp",          "tcp",
                                         "tcp_ports", "proxy",       "portal",       "inspection",
                                         "nat64",     "carrier_nat", "nat64_prefix", "advice" };
  g_autoptr (JsonNode) first = json_from_string (one, NULL);
  g_autoptr (JsonNode) second = json_from_string (other, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (members); i++) {
    g_autofree char *a_text = get_member (first, members[i]);
    g_autofree char *b_text = get_member (second, members[i]);

    if (b_text != NULL) /* what was recorded may be older than that */
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

/* When no time is left: what is under way ends nowhere, and what waits is not sent. The far end is not
 * asked for its record any more. Further rounds are planned only once the first has ended. */
static void
cut_short (TurnConnectObservations *observations, gint64 now_us)
{
  gboolean is_first_over = TRUE;

  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind == TURN_CONNECT_PROBE_PAYLOAD && probe->round == 0)
      is_first_over = is_first_over && probe->end_us <= now_us;
  }
  for (guint i = 0; i < observations->probes->len; i++) {
    TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind == TURN_CONNECT_PROBE_HOP ||
        (probe->kind == TURN_CONNECT_PROBE_PAYLOAD && probe->round > 0 && !is_first_over))
      probe->outcome = TURN_CONNECT_OUTCOME_SKIPPED;
    else if ((probe->kind == TURN_CONNECT_PROBE_PAYLOAD || probe->kind == TURN_CONNECT_PROBE_TLS) &&
             probe->end_us > now_us)
      probe->outcome = TURN_CONNECT_OUTCOME_CANCELLED;
    probe->far_saw = TURN_CONNECT_FAR_SAW_UNKNOWN;
  }
}

/* Whenever the time is over, what is told is right, or nothing is. */
static void
test_case_cut_short (gconstpointer data)
{
  g_autofree char *text = NULL;
  gsize length;
  g_autoptr (TurnConnectObservations) whole = NULL;
  g_autoptr (TurnConnectVerdict) right = NULL;
  gint64 last_us = 0;

  g_assert_true (g_file_get_contents (data, &text, &length, NULL));
  whole = turn_connect_record_read (text, length, NULL);
  right = turn_connect_classify (whole);
  for (guint i = 0; i < whole->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (whole->probes, i);

    if (probe->kind == TURN_CONNECT_PROBE_PAYLOAD)
      last_us = MAX (last_us, probe->end_us);
  }
  for (guint step = 0; step < CUTS && last_us > 0; step++) {
    g_autoptr (TurnConnectObservations) observations =
        turn_connect_record_read (text, length, NULL);
    g_autoptr (TurnConnectVerdict) verdict = NULL;

    cut_short (observations, last_us * step / CUTS);
    verdict = turn_connect_classify (observations);
    g_test_message ("after %u of %u: type %d, inspected %d", step, CUTS, verdict->type,
                    verdict->inspection.is_seen);
    if (verdict->type != TURN_CONNECT_TYPE_UNKNOWN)
      g_assert_cmpint (verdict->type, ==, right->type);
    if (verdict->inspection.is_seen != TURN_CONNECT_TELL_UNKNOWN)
      g_assert_cmpint (verdict->inspection.is_seen, ==, right->inspection.is_seen);
  }
}

static TurnConnectObservations *
read_case (const char *name)
{
  const char *source = g_getenv ("TEPKIT_SOURCE");
  g_autofree char *path = g_build_filename (source != NULL ? source : ".",
                                            "tests/turn-connect/detect-cases", name, NULL);
  g_autofree char *text = NULL;
  gsize length;
  g_autoptr (GError) error = NULL;
  TurnConnectObservations *observations = NULL;

  if (g_file_get_contents (path, &text, &length, &error))
    observations = turn_connect_record_read (text, length, &error);
  g_assert_no_error (error);
  return observations;
}

#define TCP TURN_CONNECT_CARRY_TCP
#define TLS TURN_CONNECT_CARRY_TLS

/* What is confirmed by more than anybody who knows the protocol could have answered. */
static void
test_inspection_is_confirmed_by_who_is_proven (void)
{
  static const struct {
    TurnConnectProbeKind kind;
    const char *variant;
    TurnConnectCarry carry, becomes;
    guint16 port;
    gboolean is_confirmed; /* though these are not proven with the password */
  } rows[] = {
    { TURN_CONNECT_PROBE_PAYLOAD, NULL, TCP, TCP, 5060, FALSE },
    { TURN_CONNECT_PROBE_PAYLOAD, NULL, TCP, TCP, 443, TRUE },
    { TURN_CONNECT_PROBE_RECORD, "record", TCP, TCP, 0, FALSE },
    { TURN_CONNECT_PROBE_RECORD, "record", TCP, TLS, 0, TRUE },
    { TURN_CONNECT_PROBE_RECORD, "self", TCP, TCP, 0, TRUE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (TurnConnectObservations) observations = read_case ("sip-dropped.json");
    g_autoptr (TurnConnectVerdict) verdict = NULL;
    guint n = 0;

    for (guint j = 0; j < observations->probes->len; j++) {
      TurnConnectProbe *probe = g_ptr_array_index (observations->probes, j);

      if (probe->kind != rows[i].kind || probe->carry != rows[i].carry ||
          probe->proof != TURN_CONNECT_PROOF_KEYED ||
          (rows[i].variant != NULL && g_strcmp0 (probe->variant, rows[i].variant) != 0) ||
          (rows[i].port != 0 && probe->target.port != rows[i].port))
        continue;
      probe->proof = TURN_CONNECT_PROOF_UNKEYED;
      probe->carry = rows[i].becomes;
      n++;
    }
    verdict = turn_connect_classify (observations);
    g_test_message ("%" G_GSIZE_FORMAT ": %u", i, n);
    g_assert_cmpuint (n, >, 0);
    g_assert_cmpint (verdict->inspection.is_seen, ==, TURN_CONNECT_TELL_YES);
    g_assert_cmpint (verdict->inspection.confidence, ==,
                     rows[i].is_confirmed ? TURN_CONNECT_CONFIDENCE_CONFIRMED
                                          : TURN_CONNECT_CONFIDENCE_PROBABLE);
  }
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
    g_autofree char *test = g_strconcat ("/turn-connect/detect-cases/", name, NULL);
    g_autofree char *cut = g_strconcat ("/turn-connect/detect-cases/cut-short/", name, NULL);

    if (!g_str_has_suffix (name, ".json"))
      continue;
    g_test_add_data_func_full (test, g_build_filename (folder, name, NULL), test_case, g_free);
    g_test_add_data_func_full (cut, g_build_filename (folder, name, NULL), test_case_cut_short,
                               g_free);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_cases ();
  g_test_add_func ("/turn-connect/detect-cases/inspection-is-confirmed-by-who-is-proven",
                   test_inspection_is_confirmed_by_who_is_proven);
  return g_test_run ();
}
