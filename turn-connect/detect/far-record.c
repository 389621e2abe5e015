/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What one end says of a silence is half of the truth. With what the other end saw it becomes one of
 * four: it never arrived, only the connection did, something else arrived, or it arrived and the
 * answer was lost. That the far end saw nothing is concluded only from a record that still has the
 * oldest of what it is known to have seen, for records make room for new ones.
 */
#include "turn-connect/detect/far-record.h"

#include "turn-connect/detect/far-lines.h"

#include <string.h>

#define PLACES_MAX 16 /* far ends have two addresses of a family */
#define DIGITS (2 * STUN_EXT_DETECT_DIGEST_LENGTH)

/* A line that named no run. */
typedef struct {
  StunExtDetectRecord record;
  gboolean is_taken;
} Stray;

/* Where a probe went to, and what the far end calls that: it may be translated, too. */
typedef struct {
  StunExtAddress target, local;
} Place;

typedef struct {
  TurnConnectObservations *observations;
  GArray *strays; /* Stray */
  GArray *places; /* Place, of the lines that named a probe, once each */
} Matching;

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
note_place (GArray *places, const StunExtAddress *target, const StunExtAddress *local)
{
  const Place place = { .target = *target, .local = *local };

  for (guint i = 0; i < places->len; i++) {
    const Place *known = &g_array_index (places, Place, i);

    if (stun_ext_address_equal_host (&known->target, target) &&
        stun_ext_address_equal_host (&known->local, local))
      return;
  }
  if (places->len < PLACES_MAX)
    g_array_append_val (places, place);
}

static void
note_named (Matching *self, const StunExtDetectRecord *record)
{
  TurnConnectObservations *observations = self->observations;
  TurnConnectProbe *probe;

  if (record->probe == 0 || record->probe > observations->probes->len)
    return;
  probe = g_ptr_array_index (observations->probes, record->probe - 1);
  if (!is_recorded (probe) ||
      is_tcp (probe) != (record->transport == STUN_EXT_DETECT_TRANSPORT_TCP))
    return;
  if (probe->via == NULL)
    note_place (self->places, &probe->target, &record->local);
  if (probe->kind == TURN_CONNECT_PROBE_PAYLOAD || probe->kind == TURN_CONNECT_PROBE_TLS)
    note_connection (probe, record);
  probe->far_saw =
      has_other_octets (probe, record) ? TURN_CONNECT_FAR_SAW_OTHER : TURN_CONNECT_FAR_SAW_ALL;
}

/* Whether a stray came to where @probe went. */
static gboolean
is_there (const Matching *self, const Stray *stray, const TurnConnectProbe *probe)
{
  const StunExtAddress *local = &stray->record.local;
  gboolean is_known = FALSE;

  if (stray->is_taken || local->port != probe->target.port || local->family != probe->target.family)
    return FALSE;
  for (guint i = 0; i < self->places->len; i++) {
    const Place *place = &g_array_index (self->places, Place, i);

    if (!stun_ext_address_equal_host (&place->target, &probe->target))
      continue;
    if (stun_ext_address_equal_host (&place->local, local))
      return TRUE;
    is_known = TRUE;
  }
  return !is_known;
}

static gboolean
is_open_question (const TurnConnectProbe *probe)
{
  return is_recorded (probe) && probe->far_saw == TURN_CONNECT_FAR_SAW_UNKNOWN &&
         probe->via == NULL && probe->outcome != TURN_CONNECT_OUTCOME_PROOF;
}

/* A connection that the far end may have heard without our octets. */
static gboolean
is_unheard (const TurnConnectProbe *probe)
{
  return is_open_question (probe) && is_tcp (probe) && probe->connect_us >= 0;
}

static TurnConnectFarSaw
tell (const Stray *stray)
{
  return stray->record.octets_in > 0 ? TURN_CONNECT_FAR_SAW_OTHER : TURN_CONNECT_FAR_SAW_CONNECTION;
}

static void
take (Stray *stray, TurnConnectProbe *probe)
{
  stray->is_taken = TRUE;
  note_connection (probe, &stray->record);
  probe->far_saw = tell (stray);
}

/* Those that came from the very port that we sent from: translation mostly leaves it alone. */
static void
match_by_port (Matching *self)
{
  for (guint i = 0; i < self->observations->probes->len; i++) {
    TurnConnectProbe *probe = g_ptr_array_index (self->observations->probes, i);

    for (guint j = 0; j < self->strays->len && is_unheard (probe); j++) {
      Stray *stray = &g_array_index (self->strays, Stray, j);

      if (stray->record.source.port == probe->local.port && is_there (self, stray, probe))
        take (stray, probe);
    }
  }
}

/* What else came to the same place, one for each probe that is still open there, and all of it
 * alike: then it does not matter which is whose. */
static gboolean
is_one_each (const Matching *self, const TurnConnectProbe *probe, guint *n_strays)
{
  const Stray *first = NULL;
  guint n_open = 0;

  *n_strays = 0;
  for (guint i = 0; i < self->strays->len; i++) {
    const Stray *stray = &g_array_index (self->strays, Stray, i);

    if (!is_there (self, stray, probe))
      continue;
    if (first != NULL && tell (first) != tell (stray))
      return FALSE;
    first = stray;
    ++*n_strays;
  }
  for (guint i = 0; i < self->observations->probes->len; i++) {
    const TurnConnectProbe *other = g_ptr_array_index (self->observations->probes, i);

    n_open += is_unheard (other) && stun_ext_address_equal (&other->target, &probe->target);
  }
  return *n_strays == n_open;
}

static void
take_one_each (Matching *self, const StunExtAddress *target)
{
  for (guint i = 0; i < self->observations->probes->len; i++) {
    TurnConnectProbe *probe = g_ptr_array_index (self->observations->probes, i);

    if (!is_unheard (probe) || !stun_ext_address_equal (&probe->target, target))
      continue;
    for (guint j = 0; j < self->strays->len && is_unheard (probe); j++) {
      Stray *stray = &g_array_index (self->strays, Stray, j);

      if (is_there (self, stray, probe))
        take (stray, probe);
    }
  }
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

static void
conclude (Matching *self)
{
  match_by_port (self);
  for (guint i = 0; i < self->observations->probes->len; i++) {
    TurnConnectProbe *probe = g_ptr_array_index (self->observations->probes, i);
    guint n_strays = 0;

    if (!is_open_question (probe))
      continue;
    if (is_unheard (probe) && is_one_each (self, probe, &n_strays) && n_strays > 0)
      take_one_each (self, &probe->target);
    else if (n_strays == 0)
      probe->far_saw = TURN_CONNECT_FAR_SAW_NOTHING;
  }
}

guint
turn_connect_far_record_note (TurnConnectObservations *observations, const char *body, gsize length)
{
  g_autoptr (GArray) strays = g_array_new (FALSE, FALSE, sizeof (Stray));
  g_autoptr (GArray) places = g_array_new (FALSE, FALSE, sizeof (Place));
  Matching self = { .observations = observations, .strays = strays, .places = places };
  TurnConnectFarLines lines;
  Stray stray = { .is_taken = FALSE };
  guint n_named = 0;

  turn_connect_far_lines_begin (&lines, body, length);
  while (turn_connect_far_lines_next_record (&lines, &stray.record)) {
    if (stray.record.has_run) {
      note_named (&self, &stray.record);
      n_named++;
    } else if (stray.record.transport == STUN_EXT_DETECT_TRANSPORT_TCP)
      g_array_append_val (strays, stray);
  }
  /* Without the line that tells what is lost it is not over. */
  if (lines.lost >= 0 && n_named > 0 && is_whole (observations, (guint64)lines.lost))
    conclude (&self);
  return n_named;
}
