/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What one end says of a silence is half of the truth. With what the other end saw it becomes one of
 * four: it never arrived, only the connection did, something else arrived, or it arrived and the
 * answer was lost. That the far end saw nothing is concluded only from a record that still has the
 * oldest of what it is known to have seen, for records make room for new ones.
 */
#include "turn-connect/detect/far-record.h"

#include "stun-ext/detect-record.h"

#include <string.h>

#define LINES_MAX 2048 /* arbitrary; far ends keep 512 of one source */
#define DIGITS (2 * STUN_EXT_DETECT_DIGEST_LENGTH)

/* A line that named no run. */
typedef struct {
  StunExtDetectRecord record;
  gboolean is_taken;
} Stray;

static gboolean
is_tcp (const TurnConnectProbe *probe)
{
  return probe->carry == TURN_CONNECT_CARRY_TCP || probe->carry == TURN_CONNECT_CARRY_TLS;
}

/* Whether its record would say something of a probe. */
static gboolean
is_recorded (const TurnConnectProbe *probe)
{
  switch (probe->kind) {
  case TURN_CONNECT_PROBE_STUN:
  case TURN_CONNECT_PROBE_PORT:
  case TURN_CONNECT_PROBE_PAYLOAD:
  case TURN_CONNECT_PROBE_TLS:
    break;
  default:
    return FALSE;
  }
  switch (probe->outcome) {
  case TURN_CONNECT_OUTCOME_PENDING:
  case TURN_CONNECT_OUTCOME_FAILED:
  case TURN_CONNECT_OUTCOME_SKIPPED:
  case TURN_CONNECT_OUTCOME_CANCELLED:
    return FALSE;
  default:
    return TRUE;
  }
}

static void
note_number (TurnConnectProbe *probe, const char *key, guint64 number)
{
  char text[24];

  g_snprintf (text, sizeof text, "%" G_GUINT64_FORMAT, number);
  turn_connect_probe_set_fact (probe, key, text);
}

/* A connection is told of more than a datagram is. */
static void
note_connection (TurnConnectProbe *probe, const StunExtDetectRecord *record)
{
  note_number (probe, "far-in", record->octets_in);
  note_number (probe, "far-out", record->octets_out);
  if (record->octets_unacked > 0)
    note_number (probe, "far-unacked", record->octets_unacked);
  if (record->ttl > 0)
    note_number (probe, "far-ttl", record->ttl);
  turn_connect_probe_set_fact (probe, "far-end", stun_ext_detect_end_name (record->end));
}

static gboolean
has_other_octets (const TurnConnectProbe *probe, const StunExtDetectRecord *record)
{
  const char *sent = turn_connect_probe_get_fact (probe, "sent-sha256");
  char digits[DIGITS + 1];

  if (sent == NULL)
    return FALSE;
  stun_ext_detect_hex_print (record->digest, sizeof record->digest, digits);
  return strlen (sent) != DIGITS || !stun_ext_crypto_equal (sent, digits, DIGITS);
}

static void
note_named (TurnConnectObservations *observations, const StunExtDetectRecord *record)
{
  TurnConnectProbe *probe;

  if (record->probe == 0 || record->probe > observations->probes->len)
    return;
  probe = g_ptr_array_index (observations->probes, record->probe - 1);
  if (!is_recorded (probe) ||
      is_tcp (probe) != (record->transport == STUN_EXT_DETECT_TRANSPORT_TCP))
    return;
  if (probe->kind == TURN_CONNECT_PROBE_PAYLOAD || probe->kind == TURN_CONNECT_PROBE_TLS)
    note_connection (probe, record);
  probe->far_saw =
      has_other_octets (probe, record) ? TURN_CONNECT_FAR_SAW_OTHER : TURN_CONNECT_FAR_SAW_ALL;
}

/* One that came from the port that we sent from, if @is_exact; translation mostly leaves it alone. */
static Stray *
find_stray (GArray *strays, const TurnConnectProbe *probe, gboolean is_exact)
{
  for (guint i = 0; i < strays->len; i++) {
    Stray *stray = &g_array_index (strays, Stray, i);

    if (!stray->is_taken && stray->record.local.port == probe->target.port &&
        stray->record.local.family == probe->target.family &&
        (!is_exact || stray->record.source.port == probe->local.port))
      return stray;
  }
  return NULL;
}

static void
note_unnamed (GArray *strays, TurnConnectProbe *probe, gboolean is_exact)
{
  Stray *stray = find_stray (strays, probe, is_exact);

  if (stray == NULL)
    return;
  stray->is_taken = TRUE;
  note_connection (probe, &stray->record);
  probe->far_saw =
      stray->record.octets_in > 0 ? TURN_CONNECT_FAR_SAW_OTHER : TURN_CONNECT_FAR_SAW_CONNECTION;
}

/* Whether it still has the first of what it is known to have seen. */
static gboolean
is_whole (const TurnConnectObservations *observations, guint64 lost)
{
  if (lost == 0)
    return TRUE;
  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (is_recorded (probe) && probe->outcome == TURN_CONNECT_OUTCOME_PROOF)
      return probe->far_saw != TURN_CONNECT_FAR_SAW_UNKNOWN;
  }
  return FALSE;
}

static gboolean
is_open_question (const TurnConnectProbe *probe)
{
  return is_recorded (probe) && probe->far_saw == TURN_CONNECT_FAR_SAW_UNKNOWN &&
         probe->via == NULL && probe->outcome != TURN_CONNECT_OUTCOME_PROOF;
}

static void
match (TurnConnectObservations *observations, GArray *strays, gboolean is_exact)
{
  for (guint i = 0; i < observations->probes->len; i++) {
    TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (is_open_question (probe) && is_tcp (probe) && probe->connect_us >= 0)
      note_unnamed (strays, probe, is_exact);
  }
}

static void
conclude (TurnConnectObservations *observations, GArray *strays)
{
  match (observations, strays, TRUE);
  match (observations, strays, FALSE);
  for (guint i = 0; i < observations->probes->len; i++) {
    TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (is_open_question (probe))
      probe->far_saw = TURN_CONNECT_FAR_SAW_NOTHING;
  }
}

guint
turn_connect_far_record_note (TurnConnectObservations *observations, const char *body, gsize length)
{
  g_autoptr (GArray) strays = g_array_new (FALSE, FALSE, sizeof (Stray));
  gint64 lost = -1; /* not told: then it is not over */
  gsize position = 0;
  StunExtSpan line;
  guint n = 0, n_named = 0;

  while (n < LINES_MAX && stun_ext_detect_line_next (body, length, &position, &line)) {
    Stray stray = { .is_taken = FALSE };

    n++;
    if (!stun_ext_detect_record_read ((const char *)line.data, line.length, &stray.record)) {
      stun_ext_detect_line_number (line, "lost", &lost);
    } else if (stray.record.has_run) {
      note_named (observations, &stray.record);
      n_named++;
    } else if (stray.record.transport == STUN_EXT_DETECT_TRANSPORT_TCP)
      g_array_append_val (strays, stray);
  }
  if (lost >= 0 && n_named > 0 && is_whole (observations, (guint64)lost))
    conclude (observations, strays);
  return n_named;
}
