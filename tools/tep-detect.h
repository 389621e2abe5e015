/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reports of tep-detect, each a unit of its own. */
#pragma once

#include "turn-connect/detect/classifier.h"
#include "turn-connect/detect/detection.h"

#include <stdio.h>

/* For people, verdict first; lines of at most 80 columns, as far as words allow it. */
void tep_detect_text_print (FILE *out,
                            const TurnConnectObservations *observations,
                            const TurnConnectVerdict *verdict);

/* Sentences of the reports, without control characters only once they are cleaned. */

/* One probe, as it ended: what was asked, and what came of it. */
char *tep_detect_text_describe (const TurnConnectProbe *probe);
/* The verdict in one line; does a call get through, and how; far end, time and duration. */
char *tep_detect_describe_verdict (const TurnConnectVerdict *verdict);
char *tep_detect_describe_calls (const TurnConnectVerdict *verdict);
char *tep_detect_describe_run (const TurnConnectObservations *observations);
/* How well a method works, or why it does not. */
char *tep_detect_describe_method (const TurnConnectObservations *observations,
                                  const TurnConnectMethod *method);
/* What became of ports, translation, proxy and content. */
char *tep_detect_describe_ports (const TurnConnectFamilyVerdict *family, TurnConnectCarry carry);
char *tep_detect_describe_nat (const TurnConnectFamilyVerdict *family);
char *tep_detect_describe_proxy (const TurnConnectVerdict *verdict);
char *tep_detect_describe_content (const TurnConnectInspection *inspection);
/* How long what is silent is remembered; which packets pass; what else stands in the way; what to ask for. */
char *tep_detect_describe_lifetime (const TurnConnectLifetime *lifetime);
char *tep_detect_describe_sizes (const TurnConnectSizes *sizes);
char *tep_detect_describe_besides (const TurnConnectVerdict *verdict);
/* Every address that was sent to. */
char *tep_detect_describe_asked (const TurnConnectObservations *observations);
char *tep_detect_describe_advice (const TurnConnectAdvice *advice);

/* Appends what the far end saw of a probe, if it says; in octets too. */
void tep_detect_append_far (GString *line, const TurnConnectProbe *probe, gboolean in_numbers);
/* All probes, those that are alike in a line. */
void tep_detect_evidence_print (FILE *out, const TurnConnectObservations *observations);

/* Lines for a terminal */

/* The text with control characters replaced. */
char *tep_detect_clean (const char *text);
/* A line, cleaned; what does not fit goes into further ones, indented so far. */
void tep_detect_print (FILE *out, gsize indent, const char *format, ...) G_GNUC_PRINTF (3, 4);
/* A command line, cleaned and indented; it stays one for the shell. */
void tep_detect_print_command (FILE *out, gsize indent, const char *command);

/* A page */

/* The report as HTML, and that in a file, which is there whole or not at all. */
char *tep_detect_html_make (const TurnConnectObservations *observations,
                            const TurnConnectVerdict *verdict);
gboolean tep_detect_html_write (const char *path,
                                const TurnConnectObservations *observations,
                                const TurnConnectVerdict *verdict,
                                GError **error);
/* Appends any text, escaped. */
void tep_detect_html_append (GString *out, const char *text);
/* Appends the way to the far end, drawn as SVG. */
void tep_detect_path_append (GString *out,
                             const TurnConnectObservations *observations,
                             const TurnConnectVerdict *verdict);

/* Results for scripts */

/* What differs from one to the other. Returns whether anything does. */
gboolean tep_detect_compare_print (FILE *out,
                                   const TurnConnectVerdict *before,
                                   const TurnConnectVerdict *after,
                                   gboolean is_json);
/* Whether all names, with commas between, are known; else the first that is not. */
gboolean tep_detect_assert_check (const char *names, char **unknown);
/* All names, for people. */
char *tep_detect_assert_list (void);
/* Which conditions do not hold; NULL if all do. */
char *tep_detect_assert (const TurnConnectVerdict *verdict, const char *names);

/* A copy in which addresses and names are replaced, and @words, a list that may be NULL. NULL on
 * error. */
TurnConnectObservations *tep_detect_redact (const TurnConnectObservations *observations,
                                            const char *const *words,
                                            GError **error);
