/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the far end's record of a run makes of what was seen here. */
#include "turn-connect/detect/classifier.h"
#include "turn-connect/detect/far-record.h"

#include "stun-ext/detect-record.h"

#include <string.h>

#define SENT "abababababababababababababababababababababababababababababababab"

typedef struct {
  const char *name;
  TurnConnectProbeKind kind;
  TurnConnectOutcome outcome;
  gboolean is_named;   /* there is a line with its number */
  guint8 digest;       /* of what arrived: 0xab is what was sent */
  gint stray_in;       /* octets of a line without number from its port; -1: none */
  guint64 lost;        /* lines that had to make room */
  gboolean has_oldest; /* the first that was proven is still there */
  TurnConnectFarSaw far_saw;
} Row;

static const Row rows[] = {
  { "what-arrived-as-sent", TURN_CONNECT_PROBE_PAYLOAD, TURN_CONNECT_OUTCOME_CONNECTED, TRUE, 0xab,
    -1, 0, TRUE, TURN_CONNECT_FAR_SAW_ALL },
  { "what-arrived-otherwise", TURN_CONNECT_PROBE_PAYLOAD, TURN_CONNECT_OUTCOME_CONNECTED, TRUE,
    0xcd, -1, 0, TRUE, TURN_CONNECT_FAR_SAW_OTHER },
  { "a-connection-and-no-octet", TURN_CONNECT_PROBE_PAYLOAD, TURN_CONNECT_OUTCOME_RESET, FALSE, 0,
    0, 0, TRUE, TURN_CONNECT_FAR_SAW_CONNECTION },
  { "a-connection-with-other-octets", TURN_CONNECT_PROBE_PAYLOAD, TURN_CONNECT_OUTCOME_RESET, FALSE,
    0, 12, 0, TRUE, TURN_CONNECT_FAR_SAW_OTHER },
  { "nothing", TURN_CONNECT_PROBE_PAYLOAD, TURN_CONNECT_OUTCOME_WRONG_ANSWER, FALSE, 0, -1, 0, TRUE,
    TURN_CONNECT_FAR_SAW_NOTHING },
  { "nothing-though-others-had-to-make-room", TURN_CONNECT_PROBE_PAYLOAD,
    TURN_CONNECT_OUTCOME_CONNECTED, FALSE, 0, -1, 5, TRUE, TURN_CONNECT_FAR_SAW_NOTHING },
  { "not-known-where-it-had-to-make-room", TURN_CONNECT_PROBE_PAYLOAD,
    TURN_CONNECT_OUTCOME_CONNECTED, FALSE, 0, -1, 5, FALSE, TURN_CONNECT_FAR_SAW_UNKNOWN },
  { "not-known-of-what-is-not-recorded", TURN_CONNECT_PROBE_DECOY, TURN_CONNECT_OUTCOME_CONNECTED,
    FALSE, 0, -1, 0, TRUE, TURN_CONNECT_FAR_SAW_UNKNOWN },
};

static TurnConnectProbe *
add (TurnConnectObservations *observations, TurnConnectProbeKind kind, TurnConnectOutcome outcome)
{
  TurnConnectProbe *probe = turn_connect_observations_add (observations, kind, "sip-register");

  probe->outcome = outcome;
  probe->carry = TURN_CONNECT_CARRY_TCP;
  probe->family = 4;
  probe->connect_us = 1000;
  stun_ext_address_parse ("192.0.2.1:5060", &probe->target);
  stun_ext_address_parse ("192.168.1.2:40001", &probe->local);
  return probe;
}

static void
write_line (GString *body, guint32 number, guint8 digest, gint octets_in)
{
  StunExtDetectRecord record = { .transport = STUN_EXT_DETECT_TRANSPORT_TCP,
                                 .has_run = number > 0,
                                 .probe = number,
                                 .octets_in = (guint32)octets_in,
                                 .end = STUN_EXT_DETECT_END_RESET };

  memset (record.digest, digest, sizeof record.digest);
  stun_ext_address_parse ("192.0.2.1:5060", &record.local);
  stun_ext_address_parse ("198.51.100.2:40001", &record.source);
  stun_ext_detect_record_write (&record, body);
}

static TurnConnectObservations *
observe (const Row *row, GString *body)
{
  TurnConnectObservations *observations = turn_connect_observations_new ();
  TurnConnectProbe *probe;

  add (observations, TURN_CONNECT_PROBE_PORT, TURN_CONNECT_OUTCOME_PROOF);
  add (observations, TURN_CONNECT_PROBE_PORT, TURN_CONNECT_OUTCOME_PROOF);
  probe = add (observations, row->kind, row->outcome);
  turn_connect_probe_set_fact (probe, "sent-sha256", SENT);
  if (row->has_oldest)
    write_line (body, 1, 1, 240);
  write_line (body, 2, 1, 240);
  if (row->is_named)
    write_line (body, 3, row->digest, 960);
  if (row->stray_in >= 0)
    write_line (body, 0, 0, row->stray_in);
  g_string_append_printf (
      body, "{\"line\":\"end\",\"records\":3,\"lost\":%" G_GUINT64_FORMAT ",\"time\":1}\n",
      row->lost);
  return observations;
}

static void
test_row (gconstpointer data)
{
  const Row *row = data;
  g_autoptr (GString) body = g_string_new (NULL);
  g_autoptr (TurnConnectObservations) observations = observe (row, body);
  const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, 2);

  turn_connect_far_record_note (observations, body->str, body->len);
  g_assert_cmpint (probe->far_saw, ==, row->far_saw);
  g_assert_cmpint (probe->outcome, ==, row->outcome);
}

/* A record that was cut off says nothing of what it does not name. */
static void
test_a_record_without_its_end_concludes_nothing (void)
{
  g_autoptr (GString) body = g_string_new (NULL);
  g_autoptr (TurnConnectObservations) whole = observe (&rows[4], body);

  for (gsize length = 0; length + 1 < body->len; length++) {
    g_autoptr (GString) unused = g_string_new (NULL);
    g_autoptr (TurnConnectObservations) observations = observe (&rows[4], unused);
    g_autofree char *cut = g_memdup2 (body->str, MAX (length, 1));
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, 2);

    turn_connect_far_record_note (observations, cut, length);
    g_assert_cmpint (probe->far_saw, ==, TURN_CONNECT_FAR_SAW_UNKNOWN);
  }
}

static void
test_numbers_of_nobody_are_nobody_s (void)
{
  g_autoptr (GString) body = g_string_new (NULL);
  g_autoptr (TurnConnectObservations) observations = observe (&rows[4], body);

  write_line (body, 4, 0xab, 960);
  write_line (body, G_MAXUINT32, 0xab, 960);
  turn_connect_far_record_note (observations, body->str, body->len);
  g_assert_cmpuint (observations->probes->len, ==, 3);
}

typedef struct {
  const char *name;
  guint n_open;           /* probes to one port that nothing is known of */
  const char *locals[4];  /* of lines without number: where they came to, */
  const char *sources[4]; /* whence, */
  gint octets_in[4];      /* and what with */
  TurnConnectFarSaw far_saw[3];
} Match;

#define HERE "192.0.2.1:5060"
#define ALL_BUT_KNOWN                                                                              \
  {                                                                                                \
    TURN_CONNECT_FAR_SAW_UNKNOWN, TURN_CONNECT_FAR_SAW_UNKNOWN, TURN_CONNECT_FAR_SAW_UNKNOWN       \
  }

/* Probes come from ports 40001 to 40003. */
static const Match matches[] = {
  { "by-the-port-it-came-from",
    2,
    { HERE, HERE },
    { "198.51.100.2:40002", "198.51.100.2:40001" },
    { 12, 0 },
    { TURN_CONNECT_FAR_SAW_CONNECTION, TURN_CONNECT_FAR_SAW_OTHER } },
  { "another-address-is-another-matter",
    1,
    { "192.0.2.2:5060" },
    { "198.51.100.2:40001" },
    { 12 },
    { TURN_CONNECT_FAR_SAW_NOTHING } },
  { "another-port-is-another-matter",
    1,
    { "192.0.2.1:5061" },
    { "198.51.100.2:40001" },
    { 12 },
    { TURN_CONNECT_FAR_SAW_NOTHING } },
  { "one-each-and-all-alike-though-ports-are-translated",
    2,
    { HERE, HERE },
    { "198.51.100.2:7", "198.51.100.2:8" },
    { 0, 0 },
    { TURN_CONNECT_FAR_SAW_CONNECTION, TURN_CONNECT_FAR_SAW_CONNECTION } },
  { "one-each-and-not-alike-is-not-told-apart",
    2,
    { HERE, HERE },
    { "198.51.100.2:7", "198.51.100.2:8" },
    { 0, 12 },
    ALL_BUT_KNOWN },
  { "more-than-there-are-probes-is-somebody-else-s",
    1,
    { HERE, HERE },
    { "198.51.100.2:7", "198.51.100.2:8" },
    { 0, 0 },
    ALL_BUT_KNOWN },
  { "fewer-than-there-are-probes-is-not-told-apart",
    3,
    { HERE },
    { "198.51.100.2:7" },
    { 0 },
    ALL_BUT_KNOWN },
  { "what-is-matched-by-port-is-taken-before",
    2,
    { HERE, HERE },
    { "198.51.100.2:7", "198.51.100.2:40001" },
    { 12, 0 },
    { TURN_CONNECT_FAR_SAW_CONNECTION, TURN_CONNECT_FAR_SAW_OTHER } },
};

static void
test_match (gconstpointer data)
{
  const Match *match = data;
  g_autoptr (TurnConnectObservations) observations = turn_connect_observations_new ();
  g_autoptr (GString) body = g_string_new (NULL);

  add (observations, TURN_CONNECT_PROBE_PORT, TURN_CONNECT_OUTCOME_PROOF);
  write_line (body, 1, 1, 240);
  for (guint i = 0; i < match->n_open; i++)
    add (observations, TURN_CONNECT_PROBE_PAYLOAD, TURN_CONNECT_OUTCOME_CONNECTED)->local.port =
        (guint16)(40001 + i);
  for (guint i = 0; i < G_N_ELEMENTS (match->locals) && match->locals[i] != NULL; i++) {
    StunExtDetectRecord record = { .transport = STUN_EXT_DETECT_TRANSPORT_TCP,
                                   .octets_in = (guint32)match->octets_in[i] };

    g_assert_true (stun_ext_address_parse (match->locals[i], &record.local));
    g_assert_true (stun_ext_address_parse (match->sources[i], &record.source));
    stun_ext_detect_record_write (&record, body);
  }
  g_string_append (body, "{\"line\":\"end\",\"records\":1,\"lost\":0,\"time\":1}\n");
  turn_connect_far_record_note (observations, body->str, body->len);
  for (guint i = 0; i < match->n_open; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i + 1);

    g_assert_cmpint (probe->far_saw, ==, match->far_saw[i]);
  }
}

/* A far end behind a translation of its own calls its addresses otherwise: as where those that it
 * heard went to shows. */
static void
test_the_far_end_s_own_address_may_be_another (void)
{
  g_autoptr (TurnConnectObservations) observations = turn_connect_observations_new ();
  g_autoptr (GString) body = g_string_new (NULL);
  const TurnConnectProbe *probe;

  stun_ext_address_parse (
      "203.0.113.9:5060",
      &add (observations, TURN_CONNECT_PROBE_PORT, TURN_CONNECT_OUTCOME_PROOF)->target);
  probe = add (observations, TURN_CONNECT_PROBE_PAYLOAD, TURN_CONNECT_OUTCOME_CONNECTED);
  stun_ext_address_parse ("203.0.113.9:5060", &((TurnConnectProbe *)probe)->target);
  write_line (body, 1, 1, 240);
  write_line (body, 0, 0, 12);
  g_string_append (body, "{\"line\":\"end\",\"records\":2,\"lost\":0,\"time\":1}\n");
  turn_connect_far_record_note (observations, body->str, body->len);
  g_assert_cmpint (probe->far_saw, ==, TURN_CONNECT_FAR_SAW_OTHER);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *name = g_strconcat ("/turn-connect/detect-far-record/", rows[i].name, NULL);

    g_test_add_data_func (name, &rows[i], test_row);
  }
  g_test_add_func ("/turn-connect/detect-far-record/a-record-without-its-end-concludes-nothing",
                   test_a_record_without_its_end_concludes_nothing);
  for (guint i = 0; i < G_N_ELEMENTS (matches); i++) {
    g_autofree char *name =
        g_strconcat ("/turn-connect/detect-far-record/match/", matches[i].name, NULL);

    g_test_add_data_func (name, &matches[i], test_match);
  }
  g_test_add_func ("/turn-connect/detect-far-record/the-far-end-s-own-address-may-be-another",
                   test_the_far_end_s_own_address_may_be_another);
  g_test_add_func ("/turn-connect/detect-far-record/numbers-of-nobody-are-nobody-s",
                   test_numbers_of_nobody_are_nobody_s);
  return g_test_run ();
}
