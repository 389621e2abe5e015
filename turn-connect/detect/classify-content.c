/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Does what passes depend on what it says? What is held back, by which mechanism, how sure that is, and
 * where it is done.
 */
#include "turn-connect/detect/classify-private.h"
#include "turn-connect/detect/content-matrix.h"
#include "turn-connect/detect/hops.h"
#include "turn-connect/detect/payload-class.h"

#include "stun-ext/detect-payload.h"

#include <string.h>

#define NEAR_PERCENT 70  /* of a round trip */
#define NEAR_RTT_US 4000 /* shorter ones say nothing of where */

static gboolean
is_datagram (const TurnConnectProbe *probe)
{
  return probe->carry == TURN_CONNECT_CARRY_UDP;
}

static void
add_once (GPtrArray *words, const char *word)
{
  if (word == NULL || g_ptr_array_find_with_equal_func (words, word, g_str_equal, NULL))
    return;
  g_ptr_array_add (words, g_strdup (word));
}

/* A class of UDP is named only where TCP says something else of it, or nothing: in a pass of its own,
 * the second. */
static void
add_class (GPtrArray *words, const TurnConnectProbe *like, gboolean is_udp)
{
  g_autofree char *word = NULL;

  if (like->variant == NULL ||
      g_ptr_array_find_with_equal_func (words, like->variant, g_str_equal, NULL))
    return;
  word = g_strconcat (is_udp ? "udp-" : "", like->variant, NULL);
  add_once (words, word);
}

static const char *
name_mechanism (const TurnConnectProbe *probe)
{
  gboolean was_answered = probe->proof != TURN_CONNECT_PROOF_NONE;

  if (was_answered && (probe->outcome == TURN_CONNECT_OUTCOME_SILENCE ||
                       probe->outcome == TURN_CONNECT_OUTCOME_RESET ||
                       probe->outcome == TURN_CONNECT_OUTCOME_CLOSED))
    return "late-drop";
  switch (probe->outcome) {
  case TURN_CONNECT_OUTCOME_RESET:
  case TURN_CONNECT_OUTCOME_REFUSED:
    return "reset";
  case TURN_CONNECT_OUTCOME_CLOSED:
    return "close";
  case TURN_CONNECT_OUTCOME_ALTERED:
    return "altered";
  case TURN_CONNECT_OUTCOME_WRONG_ANSWER:
  case TURN_CONNECT_OUTCOME_ANSWER:
    return "forged-answer";
  default:
    return "drop";
  }
}

static TurnConnectConfidence
weigh (const TurnConnectCell *cell, guint n_cells)
{
  if (cell->n_runs >= TURN_CONNECT_MATRIX_CONFIRM_RUNS && cell->n_agreed == cell->n_runs)
    return TURN_CONNECT_CONFIDENCE_CONFIRMED;
  if (cell->n_runs >= TURN_CONNECT_MATRIX_CONFIRM_RUNS ||
      (cell->n_runs >= TURN_CONNECT_MATRIX_QUICK_RUNS && n_cells > 1))
    return TURN_CONNECT_CONFIDENCE_PROBABLE;
  return TURN_CONNECT_CONFIDENCE_SUSPECTED;
}

static void
judge_cell (TurnConnectInspection *inspection, const TurnConnectCell *cell, guint n_held)
{
  TurnConnectConfidence confidence = weigh (cell, n_held);

  inspection->is_seen = TURN_CONNECT_TELL_YES;
  if (confidence > inspection->confidence || inspection->probe == TURN_CONNECT_NO_PROBE) {
    inspection->confidence = confidence;
    inspection->mechanism = name_mechanism (cell->like);
    inspection->port = cell->like->target.port;
    inspection->probe = (gint)cell->index;
  }
}

/* A reset that came sooner than anything can have been at the far end and back. */
static gint64
find_early_reset (const TurnConnectObservations *observations,
                  const TurnConnectCell *cell,
                  gint64 rtt_us)
{
  gint64 earliest = -1;

  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);
    const char *text = turn_connect_probe_get_fact (probe, "ended-us");
    gint64 ended_us = text != NULL ? g_ascii_strtoll (text, NULL, 10) : -1;

    if (probe->kind == TURN_CONNECT_PROBE_PAYLOAD &&
        turn_connect_matrix_is_same_port (probe, cell->like) &&
        probe->outcome == TURN_CONNECT_OUTCOME_RESET && ended_us >= 0 &&
        ended_us < rtt_us * NEAR_PERCENT / 100 && (earliest < 0 || ended_us < earliest))
      earliest = ended_us;
  }
  return earliest;
}

/* Of what passed at the same port; without the time that names and handshakes take. */
static gint64
find_rtt (const TurnConnectObservations *observations, const TurnConnectCell *cell)
{
  gint64 shortest = -1;

  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->rtt_us >= 0 && turn_connect_matrix_is_same_port (probe, cell->like) &&
        turn_connect_classify_counts (observations, probe) &&
        (shortest < 0 || probe->rtt_us < shortest))
      shortest = probe->rtt_us;
  }
  return shortest;
}

/* Where it is held back. */
static void
locate (const TurnConnectObservations *observations,
        TurnConnectVerdict *verdict,
        const TurnConnectCell *cell)
{
  TurnConnectHops hops;
  guint hop;

  turn_connect_hops_read (observations, cell->like, &hops);
  hop = turn_connect_hops_conclude (&hops);
  if (hop == 0)
    return;
  verdict->inspection.hop = hop;
  if (hop == 1)
    turn_connect_classify_say (verdict,
                               "%s is held back even where it may not go further than 1 hop: what "
                               "does it is at hop 1, or before",
                               cell->like->variant);
  else
    turn_connect_classify_say (
        verdict,
        "%s is held back as soon as it may go %u hops, and not with %u: what "
        "does it is at hop %u or %u",
        cell->like->variant, hop, hop - 1, hop - 1, hop);
}

/* What stands behind the verdict, in sentences. */
static void
explain (const TurnConnectObservations *observations,
         TurnConnectVerdict *verdict,
         const TurnConnectCell *cell,
         const TurnConnectCell *passing)
{
  gint64 rtt_us = find_rtt (observations, cell);
  gint64 early_us = rtt_us >= NEAR_RTT_US ? find_early_reset (observations, cell, rtt_us) : -1;

  turn_connect_classify_say (
      verdict, "%sport %u: %s did not pass in %u of %u times, %s passed in %u of %u; %s",
      is_datagram (cell->like) ? "UDP " : "", cell->like->target.port, cell->like->variant,
      cell->n_runs - cell->n_passed, cell->n_runs, passing->like->variant, passing->n_passed,
      passing->n_runs,
      cell->n_agreed == cell->n_runs ? "the far end's record agrees"
      : cell->n_agreed > 0           ? "the far end's record agrees in part"
                                     : "there is no record of the far end that agrees");
  locate (observations, verdict, cell);
  if (early_us < 0)
    return;
  verdict->inspection.is_near = TURN_CONNECT_TELL_YES;
  turn_connect_classify_say (verdict,
                             "the reset came %.1f ms after what was sent, before anything can have "
                             "been at the far end and "
                             "back (%.1f ms): something nearer made it",
                             (double)early_us / 1000, (double)rtt_us / 1000);
}

gboolean
turn_connect_classify_is_silence_held (const TurnConnectInspection *inspection)
{
  return inspection->blocked->len == 1 &&
         strcmp (g_ptr_array_index (inspection->blocked, 0),
                 stun_ext_detect_payload_name (STUN_EXT_DETECT_PAYLOAD_SILENCE)) == 0;
}

static void
explain_silence (TurnConnectVerdict *verdict)
{
  const TurnConnectInspection *inspection = &verdict->inspection;

  if (!turn_connect_classify_is_silence_held (inspection))
    return;
  turn_connect_classify_say (
      verdict,
      "connections on which the client does not speak first %s; what it says makes no "
      "difference",
      strcmp (inspection->mechanism, "close") == 0   ? "are closed"
      : strcmp (inspection->mechanism, "reset") == 0 ? "are reset"
                                                     : "lead nowhere");
}

static void
judge_matrix (const TurnConnectObservations *observations,
              TurnConnectVerdict *verdict,
              const TurnConnectMatrix *matrix)
{
  TurnConnectInspection *inspection = &verdict->inspection;
  guint n_held = 0, n_open = 0, n_refused = 0;

  for (guint i = 0; i < matrix->n; i++)
    n_held += turn_connect_matrix_is_held (observations, matrix, &matrix->cells[i]);
  for (guint i = 0; i < 2 * matrix->n; i++) {
    const TurnConnectCell *cell = &matrix->cells[i % matrix->n];
    gboolean is_udp = i >= matrix->n;

    if (is_datagram (cell->like) != is_udp)
      continue;
    /* What passed once and was lost otherwise is not held back. */
    if (cell->n_passed > 0) {
      add_class (inspection->passing, cell->like, is_udp);
      n_open++;
    } else if (turn_connect_matrix_is_held (observations, matrix, cell)) {
      add_class (inspection->blocked, cell->like, is_udp);
      judge_cell (inspection, cell, n_held);
    } else {
      n_refused += turn_connect_matrix_is_refused (cell);
      inspection->is_in_doubt |= turn_connect_matrix_is_in_doubt (observations, matrix, cell);
    }
  }
  for (guint i = 0; i < matrix->n && inspection->is_seen == TURN_CONNECT_TELL_YES; i++) {
    if (matrix->cells[i].n_runs > 0 && (gint)matrix->cells[i].index == inspection->probe)
      explain (observations, verdict, &matrix->cells[i],
               turn_connect_matrix_find_passing (matrix, &matrix->cells[i]));
  }
  if (inspection->is_seen == TURN_CONNECT_TELL_YES)
    explain_silence (verdict);
  if (inspection->is_seen == TURN_CONNECT_TELL_UNKNOWN && n_open > 1 &&
      n_open + n_refused == matrix->n)
    inspection->is_seen = TURN_CONNECT_TELL_NO;
}

void
turn_connect_classify_replace_finding (TurnConnectInspection *inspection,
                                       TurnConnectConfidence confidence,
                                       const char *mechanism,
                                       const TurnConnectProbe *probe,
                                       guint index)
{
  inspection->is_seen = TURN_CONNECT_TELL_YES;
  inspection->confidence = confidence;
  inspection->mechanism = mechanism;
  inspection->port = probe->target.port;
  inspection->probe = (gint)index;
  inspection->is_near = TURN_CONNECT_TELL_UNKNOWN;
  inspection->hop = 0;
}

/* Through a proxy there is one comparison, and it may have got lost. */
static gboolean
is_mute (const TurnConnectProbe *probe)
{
  return probe->via != NULL && (probe->outcome == TURN_CONNECT_OUTCOME_SILENCE ||
                                probe->outcome == TURN_CONNECT_OUTCOME_CONNECTED);
}

/* Both ends of a TLS connection see another one: it ends in between. That it does nowhere is known
 * only if no port stayed open; where time was over before, neither is. */
static void
judge_tls (const TurnConnectObservations *observations, TurnConnectVerdict *verdict)
{
  TurnConnectInspection *inspection = &verdict->inspection;
  guint n_through = 0, n_open = 0, n_cut = 0, n_mute = 0;

  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind != TURN_CONNECT_PROBE_TLS ||
        (probe->via != NULL && turn_connect_classify_passes (verdict)))
      continue;
    n_through += turn_connect_classify_counts (observations, probe);
    n_cut += turn_connect_matrix_is_cut (probe);
    n_mute += is_mute (probe);
    n_open += (turn_connect_matrix_says_something (probe) || turn_connect_matrix_is_cut (probe)) &&
              !turn_connect_classify_counts (observations, probe);
    if (probe->outcome != TURN_CONNECT_OUTCOME_ALTERED)
      continue;
    inspection->tls_opened = TURN_CONNECT_TELL_YES;
    turn_connect_classify_replace_finding (inspection, TURN_CONNECT_CONFIDENCE_CONFIRMED, "altered",
                                           probe, i);
  }
  inspection->is_in_doubt |= n_cut > 0 || (n_mute > 0 && n_through == 0);
  if (n_cut > 0 && inspection->is_seen == TURN_CONNECT_TELL_NO)
    inspection->is_seen = TURN_CONNECT_TELL_UNKNOWN;
  if (inspection->tls_opened == TURN_CONNECT_TELL_UNKNOWN && n_through > 0 && n_open == 0)
    inspection->tls_opened = TURN_CONNECT_TELL_NO;
}

/* Beside the far end another server may stand, on ports of its own. */
static gboolean
is_far_ends (const TurnConnectObservations *observations, const TurnConnectProbe *probe)
{
  for (guint i = 0; i < observations->listeners->len; i++) {
    const TurnConnectListener *listener =
        &g_array_index (observations->listeners, TurnConnectListener, i);

    if (listener->carry == probe->carry && listener->port == probe->target.port)
      return TRUE;
  }
  return observations->listeners->len == 0;
}

/* Answers that prove nothing, from ports where the far end is known to listen and proves what it
 * says: somebody on the way answers in its place. One port may be a name service for all. */
static void
judge_forged (const TurnConnectObservations *observations, TurnConnectVerdict *verdict)
{
  TurnConnectInspection *inspection = &verdict->inspection;
  TurnConnectConfidence confidence;
  guint n_forged = 0, first = 0;

  for (guint i = 0; i < observations->probes->len && observations->is_far_end; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if ((probe->kind != TURN_CONNECT_PROBE_STUN && probe->kind != TURN_CONNECT_PROBE_PORT) ||
        probe->outcome != TURN_CONNECT_OUTCOME_ANSWER || !is_far_ends (observations, probe))
      continue;
    if (n_forged++ == 0)
      first = i;
  }
  if (n_forged == 0)
    return;
  add_once (inspection->blocked, "stun");
  confidence = n_forged > 1 && observations->listeners->len > 0 ? TURN_CONNECT_CONFIDENCE_CONFIRMED
                                                                : TURN_CONNECT_CONFIDENCE_SUSPECTED;
  if (inspection->probe == TURN_CONNECT_NO_PROBE || confidence > inspection->confidence)
    turn_connect_classify_replace_finding (inspection, confidence, "forged-answer",
                                           g_ptr_array_index (observations->probes, first), first);
}

void
turn_connect_classify_content (const TurnConnectObservations *observations,
                               TurnConnectVerdict *verdict)
{
  g_autofree TurnConnectMatrix *matrix = g_new0 (TurnConnectMatrix, 1);

  turn_connect_matrix_gather (observations, turn_connect_classify_passes (verdict), matrix);
  judge_matrix (observations, verdict, matrix);
  judge_tls (observations, verdict);
  judge_forged (observations, verdict);
  verdict->inspection.is_in_doubt |=
      verdict->inspection.is_seen == TURN_CONNECT_TELL_YES &&
      verdict->inspection.confidence < TURN_CONNECT_CONFIDENCE_PROBABLE;
  if (verdict->inspection.is_seen == TURN_CONNECT_TELL_NO)
    turn_connect_classify_say (
        verdict, "no dependence on content in %u classes of octets; others may differ",
        verdict->inspection.passing->len);
}
