/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a failure means to a person and to a script. The table stands in turn-connect(1) too. */
#pragma once

#include "tools/cli.h"

G_BEGIN_DECLS

/**
 * cause_name:
 * @error: what failed
 *
 * Returns: (transfer none): one word for scripts, as "proxy-credentials-needed"
 */
const char *cause_name (const GError *error);

/**
 * cause_advice:
 * @error: what failed
 *
 * Returns: (transfer none): what to do about it, half a sentence
 */
const char *cause_advice (const GError *error);

/**
 * cause_exit:
 * @error: what failed
 *
 * Returns: how a program ends that cannot go on because of it
 */
CliExit cause_exit (const GError *error);

/**
 * cause_say:
 * @subject: (nullable): what could not be done, as "connection 3"
 * @error: what failed
 *
 * Says it on stderr: what, in which step, and what to do.
 */
void cause_say (const char *subject, const GError *error);

/**
 * cause_append:
 * @json: an object begun
 * @error: what failed
 *
 * Adds the members cause, kind, step, advice, and http_status where a proxy answered.
 */
void cause_append (GString *json, const GError *error);

G_END_DECLS
