/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Compared are connections that differ in nothing but their first octets: same address, same port. A
 * class of octets is held back only if every run of it failed where another class passed every time,
 * and where the controls before and after passed.
 */
#include "turn-connect/detect/content-matrix.h"

#include "turn-connect/detect/classify-private.h"
#include "turn-connect/detect/payload-class.h"

#include <string.h>

#define SYN_REPEATED_US 900000 /* by the kernel, and nearly a second */

static gboolean
is_datagram (const TurnConnectProbe *probe)
{
  return probe->carry == TURN_CONNECT_CARRY_UDP;
}

gboolean
turn_connect_matrix_is_same_port (const TurnConnectProbe *a, const TurnConnectProbe *b)
{
  return is_datagram (a) == is_datagram (b) && a->family == b->family &&
         stun_ext_address_equal (&a->target, &b->target) && g_strcmp0 (a->via, b->via) == 0;
}

gboolean
turn_connect_matrix_says_something (const TurnConnectProbe *probe)
{
  /* Without a connection it is a matter of the port and not of content. */
  if (probe->connect_us < 0 &&
      (probe->outcome == TURN_CONNECT_OUTCOME_SILENCE ||
       probe->outcome == TURN_CONNECT_OUTCOME_REFUSED ||
       probe->outcome == TURN_CONNECT_OUTCOME_UNREACHABLE) &&
      (probe->carry == TURN_CONNECT_CARRY_TCP || probe->carry == TURN_CONNECT_CARRY_TLS))
    return FALSE;
  return probe->outcome != TURN_CONNECT_OUTCOME_PENDING &&
         probe->outcome != TURN_CONNECT_OUTCOME_DENIED &&
         probe->outcome != TURN_CONNECT_OUTCOME_FAILED &&
         probe->outcome != TURN_CONNECT_OUTCOME_SKIPPED &&
         probe->outcome != TURN_CONNECT_OUTCOME_UNSUPPORTED &&
         probe->outcome != TURN_CONNECT_OUTCOME_CANCELLED;
}

gboolean
turn_connect_matrix_is_cut (const TurnConnectProbe *probe)
{
  return probe->outcome == TURN_CONNECT_OUTCOME_CANCELLED;
}

/* By an alert or an error in clear, which proves nothing. */
static gboolean
is_denied (const TurnConnectProbe *probe)
{
  return probe->outcome == TURN_CONNECT_OUTCOME_DENIED;
}

static TurnConnectCell *
find_cell (TurnConnectMatrix *matrix, const TurnConnectProbe *probe)
{
  for (guint i = 0; i < matrix->n; i++) {
    const TurnConnectProbe *like = matrix->cells[i].like;

    if (turn_connect_matrix_is_same_port (like, probe) &&
        g_strcmp0 (like->variant, probe->variant) == 0)
      return &matrix->cells[i];
  }
  if (matrix->n == TURN_CONNECT_MATRIX_CELLS)
    return NULL;
  matrix->cells[matrix->n] = (TurnConnectCell){ .like = probe };
  return &matrix->cells[matrix->n++];
}

/* All runs passed, but for one in four: boxes do not draw lots, lost packets do. One that comes late
 * makes the far end answer to the half that it has. */
static gboolean
do_pass (guint n_runs, guint n_passed)
{
  return n_passed > 0 && n_runs - n_passed <= n_runs / 4;
}

/* The far end, too, says that this did not pass as it should, and that it was not its own doing. */
static gboolean
agrees (const TurnConnectProbe *probe)
{
  const char *said = turn_connect_probe_get_fact (probe, "far-out");
  gboolean is_altered = probe->outcome == TURN_CONNECT_OUTCOME_ALTERED;

  switch (probe->far_saw) {
  case TURN_CONNECT_FAR_SAW_NOTHING:
  case TURN_CONNECT_FAR_SAW_CONNECTION:
    return !is_altered && probe->outcome != TURN_CONNECT_OUTCOME_PROOF;
  case TURN_CONNECT_FAR_SAW_OTHER:
    return probe->outcome != TURN_CONNECT_OUTCOME_PROOF;
  case TURN_CONNECT_FAR_SAW_ALL:
    /* It heard us and answered, and we heard it at first or not at all. */
    return !is_altered && probe->outcome != TURN_CONNECT_OUTCOME_PROOF && said != NULL &&
           g_ascii_strtoull (said, NULL, 10) > 0;
  default:
    /* That other octets arrived it says in its very answer. */
    return is_altered && probe->proof != TURN_CONNECT_PROOF_NONE;
  }
}

static gboolean
is_unanswerable (const TurnConnectObservations *observations, const TurnConnectProbe *probe)
{
  return g_strcmp0 (probe->variant,
                    stun_ext_detect_payload_name (STUN_EXT_DETECT_PAYLOAD_SILENCE)) == 0 &&
         turn_connect_payload_is_silence_answered (observations, probe->target.port) ==
             TURN_CONNECT_TELL_NO;
}

void
turn_connect_matrix_gather (const TurnConnectObservations *observations,
                            gboolean passes,
                            TurnConnectMatrix *matrix)
{
  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);
    TurnConnectCell *cell;

    /* That of a proxy that nobody needs is no firewall's. */
    if (probe->kind != TURN_CONNECT_PROBE_PAYLOAD ||
        !(turn_connect_matrix_says_something (probe) || turn_connect_matrix_is_cut (probe) ||
          is_denied (probe)) ||
        (probe->via != NULL && passes) || is_unanswerable (observations, probe))
      continue;
    cell = find_cell (matrix, probe);
    if (cell == NULL)
      continue;
    cell->n_cut += turn_connect_matrix_is_cut (probe);
    cell->n_denied += is_denied (probe);
    if (!turn_connect_matrix_says_something (probe))
      continue;
    if (cell->n_runs++ == 0) {
      cell->index = i;
      cell->like = probe;
    }
    cell->n_passed += turn_connect_classify_counts (observations, probe);
    cell->n_agreed += agrees (probe);
  }
}

/* Whether the controls at the port of @cell passed; without any, the classes that pass have to do. */
static gboolean
controls_passed (const TurnConnectObservations *observations, const TurnConnectCell *cell)
{
  guint n = 0, n_passed = 0;

  for (guint i = 0; i < observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (observations->probes, i);

    if (probe->kind != TURN_CONNECT_PROBE_PAYLOAD || !probe->is_control ||
        !turn_connect_matrix_says_something (probe) ||
        !turn_connect_matrix_is_same_port (probe, cell->like))
      continue;
    n++;
    n_passed += turn_connect_classify_counts (observations, probe);
  }
  return n == 0 || do_pass (n, n_passed);
}

const TurnConnectCell *
turn_connect_matrix_find_passing (const TurnConnectMatrix *matrix, const TurnConnectCell *cell)
{
  for (guint i = 0; i < matrix->n; i++) {
    const TurnConnectCell *other = &matrix->cells[i];

    if (turn_connect_matrix_is_same_port (other->like, cell->like) &&
        do_pass (other->n_runs, other->n_passed) &&
        other->n_passed + (other->n_passed >= TURN_CONNECT_MATRIX_QUICK_RUNS) >= cell->n_runs)
      return other;
  }
  return NULL;
}

/* Whether it connected later than others at the same port by as much as the kernel waits for, and was
 * silent then. */
static gboolean
was_syn_lost (const TurnConnectMatrix *matrix, const TurnConnectProbe *probe)
{
  gint64 shortest_us = probe->connect_us;

  if (probe->outcome != TURN_CONNECT_OUTCOME_SILENCE &&
      probe->outcome != TURN_CONNECT_OUTCOME_CONNECTED)
    return FALSE;
  for (guint i = 0; i < matrix->n; i++) {
    const TurnConnectProbe *other = matrix->cells[i].like;

    if (turn_connect_matrix_is_same_port (other, probe) && other->connect_us >= 0)
      shortest_us = MIN (shortest_us, other->connect_us);
  }
  return probe->connect_us - shortest_us >= SYN_REPEATED_US;
}

/* What failed in its only run: after a SYN that was lost, for then the kernel repeats what follows too
 * late for a run; or where fewer classes than pass are held back, of which the repeated ones tell. Of
 * a box that lets little through not all classes are repeated. */
static gboolean
is_chance (const TurnConnectMatrix *matrix, const TurnConnectCell *cell)
{
  guint n_failed = 0, n_passed = 0, n_repeated = 0;

  if (cell->n_runs >= TURN_CONNECT_MATRIX_QUICK_RUNS)
    return FALSE;
  if (cell->n_runs == 1 && was_syn_lost (matrix, cell->like))
    return TRUE;
  for (guint i = 0; i < matrix->n; i++) {
    const TurnConnectCell *other = &matrix->cells[i];

    if (turn_connect_matrix_is_same_port (other->like, cell->like)) {
      n_failed += other->n_passed == 0 && other->n_runs > 0;
      n_passed += other->n_passed > 0;
    }
    if (other->n_passed > 0 || other->n_runs < TURN_CONNECT_MATRIX_QUICK_RUNS)
      continue;
    if (g_strcmp0 (other->like->variant, cell->like->variant) == 0)
      return FALSE;
    n_repeated++;
  }
  return n_repeated > 0 && n_failed <= n_passed;
}

gboolean
turn_connect_matrix_is_refused (const TurnConnectCell *cell)
{
  return cell->n_denied > 0 && cell->n_denied >= cell->n_runs;
}

gboolean
turn_connect_matrix_is_held (const TurnConnectObservations *observations,
                             const TurnConnectMatrix *matrix,
                             const TurnConnectCell *cell)
{
  return cell->n_passed == 0 && cell->n_runs > 0 && cell->n_denied == 0 &&
         !is_chance (matrix, cell) && turn_connect_matrix_find_passing (matrix, cell) != NULL &&
         controls_passed (observations, cell);
}

static gboolean
has_passing_neighbour (const TurnConnectMatrix *matrix, const TurnConnectCell *cell)
{
  for (guint i = 0; i < matrix->n; i++) {
    if (matrix->cells[i].n_passed > 0 &&
        turn_connect_matrix_is_same_port (matrix->cells[i].like, cell->like))
      return TRUE;
  }
  return FALSE;
}

gboolean
turn_connect_matrix_is_in_doubt (const TurnConnectObservations *observations,
                                 const TurnConnectMatrix *matrix,
                                 const TurnConnectCell *cell)
{
  if (turn_connect_matrix_is_refused (cell))
    return FALSE;
  if (cell->n_runs == 0)
    return cell->n_cut > 0;
  return has_passing_neighbour (matrix, cell) &&
         (cell->n_cut > 0 || !is_chance (matrix, cell) || !controls_passed (observations, cell));
}
