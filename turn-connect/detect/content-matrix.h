/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/detect/classifier.h"

/* What came of each class of octets at each port. */

#define TURN_CONNECT_MATRIX_QUICK_RUNS 3   /* one-sided exact p = 1/20 against three */
#define TURN_CONNECT_MATRIX_CONFIRM_RUNS 5 /* p = 1/252 against five */
#define TURN_CONNECT_MATRIX_CELLS 256      /* port and class; a run has some dozens */

/* One class of octets at one port. */
typedef struct {
  const TurnConnectProbe *like; /* the first of them */
  guint index;                  /* of that; 0 without runs */
  guint n_runs, n_passed, n_agreed;
  guint n_cut;    /* that had not ended when time was over; none of the runs */
  guint n_denied; /* that a server's own rules refused; none of the runs */
} TurnConnectCell;

typedef struct {
  TurnConnectCell cells[TURN_CONNECT_MATRIX_CELLS];
  guint n;
} TurnConnectMatrix;

/* @passes: something passes without a proxy, so that what one does is nobody's concern. */
void turn_connect_matrix_gather (const TurnConnectObservations *observations,
                                 gboolean passes,
                                 TurnConnectMatrix *matrix);
/* The same port by the same carrier and the same way. */
gboolean turn_connect_matrix_is_same_port (const TurnConnectProbe *a, const TurnConnectProbe *b);
/* Whether a probe of content says anything of it. */
gboolean turn_connect_matrix_says_something (const TurnConnectProbe *probe);
/* The run's time was over before it ended, or before it was sent. */
gboolean turn_connect_matrix_is_cut (const TurnConnectProbe *probe);
/* A class at the same port that passed as often as @cell was asked; NULL: none. */
const TurnConnectCell *turn_connect_matrix_find_passing (const TurnConnectMatrix *matrix,
                                                         const TurnConnectCell *cell);
/* A class that failed in every run while another passed in every run of as many, at one port. */
gboolean turn_connect_matrix_is_held (const TurnConnectObservations *observations,
                                      const TurnConnectMatrix *matrix,
                                      const TurnConnectCell *cell);
/* Refused more often than not: then it came to a server, and what was silent was lost. */
gboolean turn_connect_matrix_is_refused (const TurnConnectCell *cell);
/* Of what never passed, and is not shown to be held back, where others did: the port, or the way
 * there, failed meanwhile, or there was no time to repeat what failed as often as what passed, or to
 * ask at all. */
gboolean turn_connect_matrix_is_in_doubt (const TurnConnectObservations *observations,
                                          const TurnConnectMatrix *matrix,
                                          const TurnConnectCell *cell);
